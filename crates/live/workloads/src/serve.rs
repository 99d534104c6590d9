//! The HTTP server of every built-in image: HTTP/1.1 and h2c, until SIGTERM.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Limited};
use hyper::{StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    request::{Answer, Request, answer},
    settings::Settings,
};

/// Bodies beyond this are refused with 413: an application of a demo needs no more.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Serves with a plain function until SIGTERM.
pub(crate) async fn run(settings: &Settings, plain: fn(&Request) -> Answer) -> anyhow::Result<()> {
    run_async(settings, move |request| async move {
        if let Some(delay) = delay(&request) {
            tokio::time::sleep(delay).await;
        }
        plain(&request)
    })
    .await
}

/// httpbin's `/delay/SECONDS`, the one thing there that takes time (10 s at most).
fn delay(request: &Request) -> Option<Duration> {
    let seconds: f64 = request.uri.path().strip_prefix("/delay/")?.parse().ok()?;
    Duration::try_from_secs_f64(seconds.clamp(0.0, 10.0)).ok()
}

/// Serves with an async function until SIGTERM; requests under way are finished (5 s at most).
pub(crate) async fn run_async<F, R>(settings: &Settings, respond: F) -> anyhow::Result<()>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let address = settings.listen()?;
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
    tracing::info!(%address, "serving");
    let respond = Arc::new(respond);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, from) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors or an aborted connection: the next accept may do better.
                Err(_) => { tokio::time::sleep(Duration::from_millis(10)).await; continue }
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        stream.set_nodelay(true).ok();
        let respond = Arc::clone(&respond);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let respond = Arc::clone(&respond);
            async move {
                let (parts, body) = request.into_parts();
                let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
                    Ok(body) => body.to_bytes(),
                    Err(_) => {
                        let text = "the body is larger than 1 MiB or broke off\n";
                        return Ok(answer(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", text));
                    }
                };
                let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
                Ok::<_, Infallible>(respond(Request { method, uri, headers, body, from }).await)
            }
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            // A caller that goes away in the middle is its own affair.
            connection.await.ok();
        });
    }
    drop(listener);
    tokio::time::timeout(Duration::from_secs(5), graceful.shutdown()).await.ok();
    Ok(())
}
