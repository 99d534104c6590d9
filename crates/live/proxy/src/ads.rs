//! The conversation with the control plane: reconnected with back-off, answered with ACK or NACK.
//! What arrives is judged by `traffic::Config`; this file only carries it.

pub(crate) mod stream;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use traffic::Dice;
use xds::ads::client::{Delta, Wanted};
use xds::core::Node;
use xds::discovery::DeltaDiscoveryRequest;
use xds::snapshot::{CLUSTER, LISTENER};

use crate::keeper::Keeper;
use crate::shared::Shared;
use crate::socket::How;
use stream::Stream;

/// First pause after a lost connection; doubled up to [`LONGEST_PAUSE`], jittered by half.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection has to stand within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Talks to the control plane until the task is dropped.
pub(crate) async fn run(
    keeper: Rc<RefCell<Keeper>>,
    shared: Arc<Shared>,
    node: Node,
    server: String,
) {
    let mut client = Delta::new(node);
    // Nothing is connected yet, so that no request is due.
    let _ = client.want(CLUSTER, Wanted::All);
    let _ = client.want(LISTENER, Wanted::All);
    let mut dice = Dice::seeded(crate::worker::seed());
    let mut pause = FIRST_PAUSE;
    loop {
        let mut talked = false;
        let error = match session(&keeper, &shared, &mut client, &server, &mut talked).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        client.disconnected();
        keeper.borrow_mut().control_plane(false);
        if talked {
            pause = FIRST_PAUSE;
        }
        tracing::warn!(
            server,
            %error,
            retry_in_ms = pause.as_millis(),
            "no connection to the control plane; the last configuration stays in force"
        );
        let half = pause / 2;
        let jitter = dice.below(u64::try_from(half.as_micros()).unwrap_or(u64::MAX));
        sleep(half + Duration::from_micros(jitter)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What a session ends with when it does not fail: it always fails.
enum Never {}

async fn session(
    keeper: &Rc<RefCell<Keeper>>,
    shared: &Shared,
    client: &mut Delta,
    server: &str,
    talked: &mut bool,
) -> io::Result<Never> {
    let opened = timeout(CONNECT_TIMEOUT, connect(shared, server)).await;
    let mut stream = opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    for request in client.connected() {
        // A first request without names would mean "everything" to the server.
        if !request.resource_names_subscribe.is_empty() {
            stream.send(&request).await?;
        }
    }
    subscribe(keeper, client, &mut stream).await?;
    loop {
        let response = stream.next().await?;
        if !std::mem::replace(talked, true) {
            tracing::info!(server, "connected to the control plane");
            keeper.borrow_mut().control_plane(true);
        }
        let change = client.on_response(response);
        let applied = keeper.borrow_mut().apply(&change.type_url, &change.upserts, &change.removed);
        let answer: DeltaDiscoveryRequest = match applied {
            Ok(()) => client.ack(&change),
            Err(why) => {
                tracing::warn!(type_url = change.type_url, why, "refused a configuration");
                client.nack(&change, &why)
            }
        };
        stream.send(&answer).await?;
        subscribe(keeper, client, &mut stream).await?;
    }
}

/// Asks for what the configuration names: endpoints of clusters, routes of listeners.
async fn subscribe(
    keeper: &Rc<RefCell<Keeper>>,
    client: &mut Delta,
    stream: &mut Stream,
) -> io::Result<()> {
    let wanted = keeper.borrow().wanted();
    for (type_url, names) in wanted {
        if names.is_empty() && client.versions(type_url).is_none() {
            continue;
        }
        if let Some(request) = client.want(type_url, Wanted::Names(names)) {
            stream.send(&request).await?;
        }
    }
    Ok(())
}

async fn connect(shared: &Shared, server: &str) -> io::Result<Stream> {
    let invalid =
        || io::Error::new(io::ErrorKind::InvalidInput, format!("{server:?} is not host:port"));
    let (host, port) = server.rsplit_once(':').ok_or_else(invalid)?;
    let port: u16 = port.parse().map_err(|_| invalid())?;
    let mut failure = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
    for address in shared.resolver.resolve(host).await?.addresses {
        match shared.dialer.dial(SocketAddr::new(address, port), &How::default()).await {
            Ok(wire) => return Stream::open(wire, server).await,
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
