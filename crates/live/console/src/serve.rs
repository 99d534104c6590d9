//! Sockets: connections and their limits.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::service::Service;

/// More connections than this wait in the kernel's queue.
const CONNECTIONS: usize = 256;
/// Also how long a connection may wait for its next request.
const READ_HEAD: Duration = Duration::from_secs(30);
/// A client that takes no bytes for this long is given up.
const STALLED: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_MAX: usize = 64 * 1024;
/// Requests in flight get this long to finish when the console stops.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves the console on `listener` until `stop` is raised or has no sender any more.
///
/// It watches the cluster through `client` and only reads. It answers at once; what it has not yet
/// read, or may not read, the page says.
///
/// # Errors
/// When the listener cannot be used.
pub async fn run(
    listener: std::net::TcpListener,
    client: kube::Client,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    listener.set_nonblocking(true).context("prepare the console's listener")?;
    let listener = TcpListener::from_std(listener).context("prepare the console's listener")?;
    let mut watching = JoinSet::new();
    let service = Arc::new(Service::new(&client, &mut watching, stop.clone()));
    let room = Arc::new(Semaphore::new(CONNECTIONS));
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
                tracing::warn!(%error, "the console cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let service = Arc::clone(&service);
        connections.spawn(async move {
            let _permit = permit;
            if let Err(error) = connection(stream, service).await {
                tracing::debug!(%error, "a connection to the console ended early");
            }
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, drained).await;
    Ok(())
}

/// Returns when the console is to stop.
pub(crate) async fn raised(stop: &mut watch::Receiver<bool>) {
    // Nobody left who could raise it means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection(stream: TcpStream, service: Arc<Service>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(STALLED))?;
    let mut stop = service.stop();
    let handle = service_fn(move |request: Request<Incoming>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(&request).await) }
    });
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(READ_HEAD)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), handle)
    );
    tokio::select! {
        served = served.as_mut() => served?,
        () = raised(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
