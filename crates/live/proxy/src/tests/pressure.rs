//! Back-pressure: who does not read slows down who writes, and the proxy keeps only a little in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::backend::Backend;
use super::client::{Body, Client, full, http2, text};
use super::{PATIENCE, Proxy, cluster, http2_cluster, listener, to};

const PIECE: usize = 64 << 10;
const PIECES: usize = 1536;
/// What the kernel's buffers of two connections and the proxy's own may hold together, in pieces: half of all.
const HELD: usize = PIECES / 2;

/// A body of 96 MiB that counts how much of it was taken.
fn body(taken: &Arc<AtomicUsize>) -> Body {
    let (piece, taken) = (Bytes::from(vec![b'x'; PIECE]), Arc::clone(taken));
    let pieces = (0..PIECES).map(move |_| {
        taken.fetch_add(1, Ordering::SeqCst);
        Ok(Frame::data(piece.clone()))
    });
    Body::new(StreamBody::new(futures_util::stream::iter(pieces)))
}

/// Waits until nothing more is taken, and says how much was.
async fn stands_still(taken: &AtomicUsize) -> usize {
    let began = Instant::now();
    let (mut last, mut since) = (0, Instant::now());
    while last == 0 || since.elapsed() < Duration::from_secs(1) {
        assert!(began.elapsed() < PATIENCE, "it never stands still");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = taken.load(Ordering::SeqCst);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

async fn length(mut body: Incoming) -> usize {
    let mut sum = 0;
    while let Some(frame) = timeout(PATIENCE, body.frame()).await.unwrap() {
        sum += frame.unwrap().into_data().map_or(0, |data| data.len());
    }
    sum
}

/// An upstream that reads a body only when told, and says how long it was.
async fn patient(go: &Arc<Semaphore>, version: u8) -> Backend {
    let go = Arc::clone(go);
    let handler = move |request: Request<Incoming>| {
        let go = Arc::clone(&go);
        async move {
            let _go = go.acquire().await;
            Response::new(full(length(request.into_body()).await.to_string()))
        }
    };
    if version == 2 { Backend::http2(handler).await } else { Backend::http1(handler).await }
}

async fn proxy_to(backend: &Backend, version: u8) -> Proxy {
    let hosts = [backend.address];
    let cluster = if version == 2 { http2_cluster("a", &hosts) } else { cluster("a", &hosts) };
    Proxy::start(&[cluster], &[listener("in", &[to("a")])]).await
}

#[tokio::test]
async fn an_upstream_that_does_not_read_slows_the_client() {
    for version in [1, 2] {
        let (go, taken) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let backend = patient(&go, version).await;
        let proxy = proxy_to(&backend, version).await;
        let address = proxy.address("in").await;
        let request = Request::post("http://test.example/").header("host", "test.example");
        let request = request.body(body(&taken)).unwrap();
        let answer = tokio::spawn(async move {
            if version == 2 {
                http2(address).await.send_request(request).await.unwrap()
            } else {
                Client::connect(address).await.send(request).await
            }
        });
        let held = stands_still(&taken).await;
        assert!(held < HELD, "HTTP/{version}: {held} of {PIECES} pieces were taken");
        go.add_permits(1);
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        assert_eq!(text(answer).await, (PIECE * PIECES).to_string(), "HTTP/{version}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_slows_the_upstream() {
    for version in [1, 2] {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        let handler = move |_: Request<Incoming>| {
            let body = body(&count);
            async move { Response::new(body) }
        };
        let backend = match version {
            2 => Backend::http2(handler).await,
            _ => Backend::http1(handler).await,
        };
        let proxy = proxy_to(&backend, version).await;
        let address = proxy.address("in").await;
        let request = Request::get("http://test.example/").header("host", "test.example");
        let request = request.body(super::client::empty()).unwrap();
        let answer = if version == 2 {
            let mut sender = http2(address).await;
            timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
        } else {
            Client::connect(address).await.send(request).await
        };
        let held = stands_still(&taken).await;
        assert!(held < HELD, "HTTP/{version}: {held} of {PIECES} pieces were taken");
        assert_eq!(length(answer.into_body()).await, PIECE * PIECES, "HTTP/{version}");
    }
}
