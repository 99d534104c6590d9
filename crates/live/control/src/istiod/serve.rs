//! Ports and the connections to them.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch as channel,
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::body::Body;

use super::{Options, Shared, debug, identity::tls::Tls, review, stopped, streams};

/// A proxy that answers no ping for so long is gone.
const PING: Duration = Duration::from_secs(30);
/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Who has not proven who it is for so long is sent away.
const STRANGER: Duration = Duration::from_secs(20);
/// Connections from one address to the port of proxies, each of which has one or two; many may share an address.
const FROM_ONE_ADDRESS: usize = 512;
/// Calls at once on one connection of a proxy.
const CALLS: u32 = 32;

/// A port: the listener on it, and one that was inherited for it.
#[derive(Debug)]
pub(super) struct Door {
    /// Where it listens.
    pub(super) address: SocketAddr,
    listeners: Vec<TcpListener>,
}

impl Door {
    /// Opens a port.
    ///
    /// # Errors
    /// When the port is taken.
    pub(super) fn open(options: &mut Options, port: u16) -> anyhow::Result<Self> {
        let wanted = SocketAddr::new(options.address, port);
        let own = std::net::TcpListener::bind(wanted).with_context(|| {
            format!("cannot listen on {wanted}: stop what listens there, or choose another port")
        })?;
        let address = own.local_addr()?;
        let listeners = std::iter::once(own)
            .chain(options.inherited.remove(&port))
            .map(|listener| {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { address, listeners })
    }
}

/// What a port answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// xDS in plain text, without anything secret.
    Streams,
    /// xDS and the certificate service over TLS, for callers who prove who they are.
    Secure,
    /// Debug pages, metrics and probes.
    Pages,
    /// Webhooks over TLS.
    Webhooks,
}

impl Role {
    fn has_tls(self) -> bool {
        matches!(self, Self::Secure | Self::Webhooks)
    }
}

/// What is known of the other side of a connection.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// Its certificate, which the handshake has verified.
    pub(super) certificate: Option<CertificateDer<'static>>,
    /// It has proven who it is.
    pub(super) known: AtomicBool,
}

/// Connections by the address that they come from.
#[derive(Clone, Debug, Default)]
struct Crowd(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One of the crowd; it leaves when dropped.
#[derive(Debug)]
struct Guest(Crowd, IpAddr);

impl Crowd {
    /// Lets a connection in, unless there are too many from its address.
    fn enter(&self, from: IpAddr) -> Option<Guest> {
        let mut crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = crowd.entry(from).or_default();
        if *count >= FROM_ONE_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Guest(self.clone(), from))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut crowd = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = crowd.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                crowd.remove(&self.1);
            }
        }
    }
}

/// Serves a port until the control plane stops.
pub(super) async fn serve(shared: Arc<Shared>, door: Door, role: Role) {
    let mut doors = JoinSet::new();
    let crowd = Crowd::default();
    for listener in door.listeners {
        doors.spawn(accept(Arc::clone(&shared), listener, role, crowd.clone()));
    }
    while doors.join_next().await.is_some() {}
}

/// Accepts until the control plane stops, then waits for what is still served.
async fn accept(shared: Arc<Shared>, listener: TcpListener, role: Role, crowd: Crowd) {
    let mut stop = shared.stop.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    let guest =
                        if role == Role::Secure { crowd.enter(from.ip()).map(Some) } else { Some(None) };
                    let Some(guest) = guest else {
                        tracing::debug!("too many connections from {from}");
                        continue;
                    };
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move {
                        connection(shared, stream, role).await;
                        drop(guest);
                    });
                }
                Err(error) => {
                    // Out of fds, mostly: others will be closed.
                    tracing::warn!("cannot accept: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, role: Role) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("nodelay: {error}");
    }
    if !role.has_tls() {
        return speak(shared, stream, role, Arc::default()).await;
    }
    match tokio::time::timeout(HANDSHAKE, handshake(&shared, stream, role)).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let certificate = certificates.and_then(|all| all.first()).cloned();
            let peer = Peer { certificate, known: AtomicBool::new(role != Role::Secure) };
            speak(shared, stream, role, Arc::new(peer)).await;
        }
        Ok(Err(error)) => {
            shared.metrics.not_authenticated();
            tracing::debug!(?role, "TLS handshake: {error}");
        }
        Err(_) => tracing::debug!(?role, "TLS handshake: no answer in {HANDSHAKE:?}"),
    }
}

/// A handshake with the certificate of the day; before there is one, callers wait.
async fn handshake(
    shared: &Shared,
    stream: TcpStream,
    role: Role,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut tls = shared.identities.tls.subscribe();
    let tls: Option<Arc<Tls>> =
        tls.wait_for(Option::is_some).await.ok().and_then(|tls| tls.clone());
    let tls = tls.ok_or_else(|| std::io::Error::other("the control plane stops"))?;
    let config = if role == Role::Secure { &tls.secure } else { &tls.webhooks };
    TlsAcceptor::from(Arc::clone(config)).accept(stream).await
}

async fn speak(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    role: Role,
    peer: Arc<Peer>,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    if role == Role::Secure {
        builder = builder.http2_only();
        builder.http2().max_concurrent_streams(CALLS);
    }
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .adaptive_window(true);
    let mut stop: channel::Receiver<bool> = shared.stop.clone();
    let visitor = Arc::clone(&peer);
    let service = service_fn(move |request| {
        let (shared, peer) = (Arc::clone(&shared), Arc::clone(&visitor));
        async move { Ok::<_, Infallible>(answer(shared, request, role, peer).await) }
    });
    let stranger = async {
        if role == Role::Secure {
            tokio::time::sleep(STRANGER).await;
            if !peer.known.load(Ordering::Acquire) {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = stranger => {
            tracing::debug!("a caller did not say who it is in {STRANGER:?}");
            return;
        }
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!("a connection ended: {error}");
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    role: Role,
    peer: Arc<Peer>,
) -> Response<Body> {
    match role {
        Role::Streams => streams::call(shared, request, None).await,
        Role::Secure => streams::secure(shared, request, &peer).await,
        Role::Pages => debug::page(&shared, &request).await,
        Role::Webhooks => review::call(&shared, request).await,
    }
}

/// A whole response.
pub(super) fn respond(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_fill_a_port_and_leaves_no_trace() {
        let (crowd, greedy, other) =
            (Crowd::default(), IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut inside: Vec<_> = (0..FROM_ONE_ADDRESS).map(|_| crowd.enter(greedy)).collect();
        assert!(inside.iter().all(Option::is_some));
        assert!(crowd.enter(greedy).is_none());
        assert!(crowd.enter(other).is_some());
        inside.pop();
        assert!(crowd.enter(greedy).is_some());
        inside.clear();
        assert!(crowd.0.lock().unwrap().is_empty());
    }
}
