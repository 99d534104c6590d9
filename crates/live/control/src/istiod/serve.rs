//! Ports and the connections to them.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch as channel,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;

use super::{Options, Shared, debug, review, stopped, streams};

/// A proxy that answers no ping for so long is gone.
const PING: Duration = Duration::from_secs(30);
/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

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
#[derive(Clone, Copy, Debug)]
enum Role {
    Streams,
    Pages,
    Webhooks,
}

/// Serves xDS.
pub(super) async fn grpc(shared: Arc<Shared>, door: Door) {
    serve(shared, door, Role::Streams, None).await;
}

/// Serves debug pages, metrics and probes.
pub(super) async fn plain(shared: Arc<Shared>, door: Door) {
    serve(shared, door, Role::Pages, None).await;
}

/// Serves the webhooks over TLS.
pub(super) async fn webhooks(shared: Arc<Shared>, door: Door, tls: Arc<ServerConfig>) {
    serve(shared, door, Role::Webhooks, Some(TlsAcceptor::from(tls))).await;
}

async fn serve(shared: Arc<Shared>, door: Door, role: Role, tls: Option<TlsAcceptor>) {
    let mut doors = JoinSet::new();
    for listener in door.listeners {
        doors.spawn(accept(Arc::clone(&shared), listener, role, tls.clone()));
    }
    while doors.join_next().await.is_some() {}
}

/// Accepts until the control plane stops, then waits for what is still served.
async fn accept(shared: Arc<Shared>, listener: TcpListener, role: Role, tls: Option<TlsAcceptor>) {
    let mut stop = shared.stop.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(Arc::clone(&shared), stream, role, tls.clone()));
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

async fn connection(shared: Arc<Shared>, stream: TcpStream, role: Role, tls: Option<TlsAcceptor>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("nodelay: {error}");
    }
    let Some(tls) = tls else { return speak(shared, stream, role).await };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(shared, stream, role).await,
        Ok(Err(error)) => tracing::debug!("TLS handshake of a webhook call: {error}"),
        Err(_) => tracing::debug!("TLS handshake of a webhook call: no answer in {HANDSHAKE:?}"),
    }
}

async fn speak(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    role: Role,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .adaptive_window(true);
    let mut stop: channel::Receiver<bool> = shared.stop.clone();
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(shared, request, role).await) }
    });
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!("a connection ended: {error}");
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>, role: Role) -> Response<Body> {
    match role {
        Role::Streams => streams::call(shared, request).await,
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
