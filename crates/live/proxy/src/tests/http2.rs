//! HTTP/2 on either side, trailers, gRPC.

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::time::timeout;

use super::backend::{Backend, body_of};
use super::client::{Body, bytes, full, http2, once, post, text};
use super::{PATIENCE, Proxy, cluster, http2_cluster, listener, to};

/// Echoes the body and ends with a gRPC status in trailers.
async fn grpc() -> Backend {
    Backend::http2(|request| async move {
        assert_eq!(request.headers()["te"], "trailers");
        let body = body_of(request).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let frames = [Ok(Frame::data(body)), Ok(Frame::trailers(trailers))];
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        Response::builder().header("content-type", "application/grpc").body(body).unwrap()
    })
    .await
}

fn call(body: impl Into<Bytes>) -> Request<Body> {
    Request::post("http://test.example/pkg.Service/Method")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(full(body))
        .unwrap()
}

#[tokio::test]
async fn grpc_passes_with_its_trailers() {
    let backend = grpc().await;
    let clusters = [http2_cluster("a", &[backend.address]), http2_cluster("none", &[])];
    let listeners = [listener("in", &[to("a")]), listener("empty", &[to("none")])];
    let proxy = Proxy::start(&clusters, &listeners).await;
    let mut client = http2(proxy.address("in").await).await;
    let calls: Vec<_> = (0..32).map(|n: u32| client.send_request(call(n.to_string()))).collect();
    for (n, answer) in calls.into_iter().enumerate() {
        let response = timeout(PATIENCE, answer).await.unwrap().unwrap();
        let collected = timeout(PATIENCE, response.into_body().collect()).await.unwrap().unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(collected.to_bytes(), n.to_string());
    }
    assert_eq!(backend.connections(), 1, "one connection carries all streams");
    let mut client = http2(proxy.address("empty").await).await;
    let response = timeout(PATIENCE, client.send_request(call("x"))).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "14");
}

#[tokio::test]
async fn protocols_differ_on_both_sides() {
    let one =
        Backend::http1(|request| async move { Response::new(full(body_of(request).await)) }).await;
    let two = Backend::http2(|request| async move {
        assert_eq!(request.uri().authority().unwrap(), "test.example");
        Response::new(full(body_of(request).await))
    })
    .await;
    let clusters = [cluster("one", &[one.address]), http2_cluster("two", &[two.address])];
    let listeners = [listener("one", &[to("one")]), listener("two", &[to("two")])];
    let proxy = Proxy::start(&clusters, &listeners).await;
    let sent = Bytes::from(vec![b'x'; 3_000_000]);
    // Down HTTP/2, up HTTP/1.1.
    let mut client = http2(proxy.address("one").await).await;
    let pieces: Vec<_> = sent.chunks(50_000).map(Bytes::copy_from_slice).collect();
    let stream = futures_util::stream::iter(pieces).map(|piece| Ok(Frame::data(piece)));
    let body = Body::new(StreamBody::new(stream));
    let request = Request::post("http://test.example/").body(body).unwrap();
    let response = timeout(PATIENCE, client.send_request(request)).await.unwrap().unwrap();
    assert_eq!(bytes(response).await, sent);
    // Down HTTP/1.1, up HTTP/2.
    let response = once(proxy.address("two").await, post("/", sent.clone())).await;
    assert_eq!(bytes(response).await, sent);
}

#[tokio::test]
async fn a_stream_that_the_client_resets_is_reset_upstream() {
    let (dropped, mut seen) = tokio::sync::mpsc::unbounded_channel();
    struct Tell(tokio::sync::mpsc::UnboundedSender<()>);
    impl Drop for Tell {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let backend = Backend::http2(move |_| {
        let tell = Tell(dropped.clone());
        async move {
            tokio::time::sleep(PATIENCE).await;
            drop(tell);
            Response::new(full(""))
        }
    })
    .await;
    let proxy =
        Proxy::start(&[http2_cluster("a", &[backend.address])], &[listener("in", &[to("a")])])
            .await;
    let mut client = http2(proxy.address("in").await).await;
    let pending = client.send_request(call("x"));
    let given_up = timeout(std::time::Duration::from_millis(300), pending).await;
    assert!(given_up.is_err());
    timeout(PATIENCE / 2, seen.recv()).await.expect("the upstream call ends too").unwrap();
}

#[tokio::test]
async fn many_streams_at_once_get_their_own_answers() {
    let backend = Backend::named("a").await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let mut client = http2(proxy.address("in").await).await;
    let mut answers = Vec::new();
    for n in 0..200 {
        let request = Request::get(format!("http://h/{n}")).body(super::client::empty()).unwrap();
        answers.push(client.send_request(request));
    }
    for (n, answer) in answers.into_iter().enumerate() {
        let response = timeout(PATIENCE, answer).await.unwrap().unwrap();
        assert_eq!(response.headers()["x-echo-path"], format!("/{n}"));
        assert_eq!(text(response).await, "a");
    }
}
