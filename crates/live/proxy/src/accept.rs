//! From an accepted socket to the chain that serves it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use telemetry::Id;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use traffic::detect::{self, Inspect, Verdict};
use traffic::http::Codec;
use traffic::listener::Direction;
use traffic::{Chain, Detected, Flag, Listener, Peer};

use crate::downstream::{Standing, serve_h1, serve_h2};
use crate::exchange::Downstream;
use crate::notes::{self, Arrival, Ending, Logbook, Notes};
use crate::socket::{NOWHERE, OpenDoor, original_destination, unmapped};
use crate::tcp;
use crate::wire::Wire;
use crate::worker::Worker;

/// Connections that one worker serves at once; beyond it new ones are closed.
const CONNECTIONS: usize = 50_000;
/// Bytes that detection looks at.
const DETECT_BYTES: usize = 64 * 1024;
/// The first bytes of HTTP/2 (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Accepts connections of the listener of this name until the task is aborted.
pub(crate) async fn run(worker: Rc<Worker>, name: Arc<str>, socket: OpenDoor) {
    let address = socket.name();
    let open = Rc::new(Cell::new(0usize));
    loop {
        let (stream, source) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors: those that are open have to end first.
                tracing::warn!(%name, %error, "cannot accept");
                sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let mut registry = worker.shared.registry(worker.index);
        registry.add(Id::ListenerConnections, &[&address], 1);
        if open.get() >= CONNECTIONS {
            registry.add(Id::ListenerOverflow, &[&address], 1);
            continue;
        }
        drop(registry);
        open.set(open.get() + 1);
        let (worker, name, open) = (worker.clone(), name.clone(), open.clone());
        let address = address.clone();
        tokio::task::spawn_local(async move {
            let _counted = worker.shared.connections.enter();
            if !connection(worker.clone(), name, stream, source).await {
                worker.shared.registry(worker.index).add(Id::ListenerNoChain, &[&address], 1);
            }
            open.set(open.get() - 1);
        });
    }
}

/// Which listener a connection belongs to, and whether that still holds.
#[derive(Debug)]
struct Stand {
    bound: Arc<str>,
    listener: Arc<Listener>,
    peer: Peer,
    version: Cell<u64>,
    outdated: Cell<bool>,
}

impl Standing for Stand {
    fn is_outdated(&self, worker: &Worker) -> bool {
        let version = worker.shared.version();
        if self.version.replace(version) != version && !self.outdated.get() {
            let now = worker.in_force();
            let current = now.table.listener(&self.bound);
            let same = current.is_some_and(|bound| {
                Arc::ptr_eq(&now.table.accept(bound, &self.peer), &self.listener)
            });
            self.outdated.set(!same);
        }
        self.outdated.get()
    }
}

/// Serves one connection; false when no chain wanted it.
async fn connection(
    worker: Rc<Worker>,
    name: Arc<str>,
    stream: TcpStream,
    source: SocketAddr,
) -> bool {
    let version = worker.shared.version();
    let now = worker.in_force();
    let Some(bound) = now.table.listener(&name).cloned() else { return true };
    let local = match stream.local_addr() {
        _ if source == NOWHERE => NOWHERE,
        Ok(local) => unmapped(local),
        Err(_) => return true,
    };
    let redirected = bound.use_original_dst || bound.restores_original_dst;
    let destination =
        if redirected { original_destination(&stream).unwrap_or(local) } else { local };
    if bound.use_original_dst && destination == local {
        // Nothing was redirected: to go where this connection was going would lead back here.
        tracing::debug!(%name, %source, "refused a connection to the redirect port itself");
        return false;
    }
    let source = unmapped(source);
    let mut peer = match destination == local {
        true => Peer::new(source, destination),
        false => Peer::redirected(source, destination),
    };
    let listener = now.table.accept(&bound, &peer);
    drop(now);
    let mut arrival = Arrival::new(&worker, local);
    let wire = Wire::new(stream);
    let mut input = BytesMut::new();
    let Some(detected) = detect(&worker, &listener, &peer, (&wire, &mut input)).await else {
        return true;
    };
    let Some(chain) = listener.chain(&peer, &detected) else {
        wire.reset_on_close();
        unserved(&worker, &listener, (&arrival, &peer));
        return false;
    };
    if !listener.logs.is_empty() || !chain.logs().is_empty() {
        listener.filter_chain_name(&peer, &detected).clone_into(&mut arrival.chain);
        detected.server_name().unwrap_or_default().clone_into(&mut arrival.server_name);
    }
    let secured =
        secure(&worker, (&listener, &detected), (wire, input), (&arrival, &mut peer)).await;
    let Some((wire, mut input)) = secured else { return true };
    let inbound = listener.direction == Direction::Inbound;
    match &*chain {
        Chain::Tcp(chain) => {
            let client = tcp::Client { peer, wire, input, inbound, arrival };
            tcp::serve(&worker, (&listener, chain), client, detected.server_name()).await;
        }
        Chain::Http(chain) => {
            let codec = chain.settings().codec;
            let idle = chain.settings().idle_timeout;
            let standing = Stand {
                bound: name,
                listener: listener.clone(),
                peer: peer.clone(),
                version: Cell::new(version),
                outdated: Cell::new(false),
            };
            let http2 = match codec {
                Codec::Http1 => false,
                Codec::Http2 => true,
                Codec::Auto => match speaks_http2(&worker, &wire, &mut input, idle).await {
                    Some(http2) => http2,
                    None => return true,
                },
            };
            let of_listener = (!listener.logs.is_empty()).then(|| (peer.clone(), arrival.clone()));
            let logbook = Logbook::of(&worker, &chain.settings().logs);
            let downstream = Downstream {
                peer,
                chain: chain.clone(),
                inbound,
                closing: Cell::new(false),
                abandoned: Cell::new(0),
                http2,
                logbook,
                arrival,
            };
            if http2 {
                serve_h2(worker.clone(), downstream, &standing, wire, input.freeze()).await;
            } else {
                serve_h1(worker.clone(), downstream, &standing, wire, input).await;
            }
            if let Some((peer, arrival)) = &of_listener {
                let nothing = (&mut Notes::new(), Ending::default());
                notes::connection(&worker, (&listener, None), (arrival, peer), nothing);
            }
        }
    }
    true
}

/// Ends our half of a TLS handshake in time, where the chain speaks TLS; `None` when the connection is over.
async fn secure(
    worker: &Worker,
    (listener, detected): (&Listener, &Detected),
    (wire, input): (Wire, BytesMut),
    (arrival, peer): (&Arrival, &mut Peer),
) -> Option<(Wire, BytesMut)> {
    let Some(tls) = listener.tls(peer, detected) else { return Some((wire, input)) };
    let why = match worker.shared.contexts.server(tls, &worker.in_force().table) {
        Err(why) => why,
        Ok(server) => {
            let limit = tls.handshake_timeout.unwrap_or(crate::tls::HANDSHAKE);
            match timeout(limit, wire.accept_tls(&server, input)).await {
                Ok(Ok((wire, told))) => {
                    peer.tls = Some(told);
                    return Some((wire, BytesMut::new()));
                }
                Ok(Err(failure)) => failure.to_string(),
                Err(_) => "transport socket timeout was reached".to_owned(),
            }
        }
    };
    tracing::debug!(why, "a TLS handshake with a client failed");
    if !listener.logs.is_empty() {
        let ending = (&mut Notes::new(), Ending::default());
        notes::connection(worker, (listener, None), (arrival, peer), ending);
    }
    None
}

/// Records a connection that no chain wanted.
fn unserved(worker: &Worker, listener: &Listener, of: (&Arrival, &Peer)) {
    if !listener.logs.is_empty() {
        let mut notes = Notes::new();
        notes.details = "filter_chain_not_found".into();
        let ending = Ending { flags: Flag::NoRouteFound.into(), ..Ending::default() };
        notes::connection(worker, (listener, None), of, (&mut notes, ending));
    }
}

/// Looks at the first bytes as the listener demands; `None` when the connection is over.
async fn detect(
    worker: &Worker,
    listener: &Listener,
    peer: &Peer,
    (wire, input): (&Wire, &mut BytesMut),
) -> Option<Detected> {
    let inspect = listener.must_detect(peer);
    if !inspect.is_needed() {
        return Some(Detected::default());
    }
    let looking = look(wire, input, inspect);
    let looked = match listener.detection_timeout {
        Some(limit) => timeout(limit, looking).await,
        None => tokio::select! {
            looked = looking => Ok(looked),
            // Who has said nothing when the proxy stops will say it elsewhere.
            () = drained(worker) => return None,
        },
    };
    match looked {
        Ok(detected) => detected,
        Err(_) => listener.continue_on_timeout.then(Detected::default),
    }
}

async fn look(wire: &Wire, input: &mut BytesMut, inspect: Inspect) -> Option<Detected> {
    loop {
        if !input.is_empty() {
            if let Verdict::Known(detected) = detect::feed(inspect, input) {
                return Some(detected);
            }
            if input.len() >= DETECT_BYTES {
                return Some(Detected::default());
            }
        }
        match wire.read(input).await {
            Ok(0) if input.is_empty() => return None,
            Ok(0) => return Some(Detected::default()),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

async fn drained(worker: &Worker) {
    loop {
        let woken = worker.wake_idle.notified();
        if worker.shared.is_draining() {
            return;
        }
        woken.await;
    }
}

/// Tells HTTP/2 from HTTP/1 by its preface; `None` when the connection is over.
async fn speaks_http2(
    worker: &Worker,
    wire: &Wire,
    input: &mut BytesMut,
    idle: Option<Duration>,
) -> Option<bool> {
    // A protocol that a handshake agreed on counts, whatever comes first.
    if let Some(agreed) = wire.agreed_http2() {
        return Some(agreed);
    }
    let telling = async {
        loop {
            let n = input.len().min(PREFACE.len());
            if input[..n] != PREFACE[..n] {
                return Some(false);
            }
            if n == PREFACE.len() {
                return Some(true);
            }
            if !matches!(wire.read(input).await, Ok(n) if n > 0) {
                return None;
            }
        }
    };
    tokio::select! {
        biased;
        told = telling => told,
        () = drained(worker) => None,
        () = async {
            match idle {
                Some(idle) => sleep(idle).await,
                None => std::future::pending().await,
            }
        } => None,
    }
}
