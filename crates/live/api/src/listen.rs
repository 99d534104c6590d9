//! Listeners, TLS and connections: who calls, then HTTP/1.1 or HTTP/2 as ALPN says.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::answer::Body;
use crate::stop::raised;

/// More connections than this wait in the kernel's queue.
const CONNECTIONS: usize = 4096;
/// Requests at once on one HTTP/2 connection; the value that Kubernetes uses.
const STREAMS: u32 = 250;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Also how long a connection may wait for its next request: longer than clients keep one, so that
/// they close it first and no request meets a connection that is just being closed.
const READ_HEAD: Duration = Duration::from_secs(300);
/// Requests in flight get this long to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(1);

/// Answers one request; the second argument is the verified certificate of the client.
pub(crate) trait Serve: Send + Sync + 'static {
    /// Answers one request; never fails: an error is an answer too.
    fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
        certificate: Option<Arc<CertificateDer<'static>>>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Accepts on all listeners until `stop` is raised, then lets requests finish for a moment.
pub(crate) async fn run<S: Serve>(
    listeners: Vec<TcpListener>,
    tls: TlsAcceptor,
    service: Arc<S>,
    stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        let (tls, service, stop, room) = (tls.clone(), service.clone(), stop.clone(), room.clone());
        accepting.spawn(accept(listener, tls, service, stop, room));
    }
    while accepting.join_next().await.is_some() {}
}

async fn accept<S: Serve>(
    listener: TcpListener,
    tls: TlsAcceptor,
    service: Arc<S>,
    mut stop: watch::Receiver<bool>,
    room: Arc<Semaphore>,
) {
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = raised(&mut stop) => break,
            permit = room.clone().acquire_owned() => permit,
        };
        let stream = tokio::select! {
            () = raised(&mut stop) => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, mostly: look again when some may have been closed.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (tls, service, stop) = (tls.clone(), service.clone(), stop.clone());
        connections.spawn(async move {
            let _permit = permit;
            if let Err(error) = connection(stream, tls, service, stop).await {
                tracing::debug!(%error, "a connection to the API server ended early");
            }
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} })
        .await;
}

async fn connection<S: Serve>(
    stream: TcpStream,
    tls: TlsAcceptor,
    service: Arc<S>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(stream) = tokio::time::timeout(HANDSHAKE, tls_only(stream)).await?? else {
        return Ok(());
    };
    let stream = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await??;
    let (_, session) = stream.get_ref();
    let certificate = session
        .peer_certificates()
        .and_then(<[_]>::first)
        .map(|certificate| Arc::new(certificate.clone().into_owned()));
    let version_two = session.alpn_protocol() == Some(b"h2");
    let handle = service_fn(move |request| {
        let (service, certificate) = (service.clone(), certificate.clone());
        async move { Ok::<_, std::convert::Infallible>(service.serve(request, certificate).await) }
    });
    if version_two {
        let served = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .keep_alive_interval(Duration::from_secs(30))
            .serve_connection(TokioIo::new(stream), handle);
        until_stop(pin!(served), http2::Connection::graceful_shutdown, stop).await
    } else {
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(READ_HEAD)
            .serve_connection(TokioIo::new(stream), handle)
            .with_upgrades();
        until_stop(pin!(served), http1::UpgradeableConnection::graceful_shutdown, stop).await
    }
}

/// Drives a connection; when `stop` is raised it finishes what it has begun and ends.
async fn until_stop<C: Future<Output = hyper::Result<()>>>(
    mut connection: std::pin::Pin<&mut C>,
    graceful: impl FnOnce(std::pin::Pin<&mut C>),
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = raised(&mut stop) => {
            graceful(connection.as_mut());
            connection.await
        }
    };
    result.map_err(io::Error::other)
}

/// Passes a stream that begins as TLS does; tells a plain HTTP client what is wrong and ends it.
async fn tls_only(mut stream: TcpStream) -> io::Result<Option<TcpStream>> {
    let mut first = [0; 1];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first[0].is_ascii_uppercase() {
        stream
            .write_all(
                b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
                  This is an HTTPS server: begin the address with https://\n",
            )
            .await?;
        stream.shutdown().await?;
        // Closed with unread bytes, the kernel would take the answer back.
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        return Ok(None);
    }
    Ok(Some(stream))
}
