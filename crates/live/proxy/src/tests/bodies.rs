//! Bodies both ways, upgrades and byte streams.

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::backend::{Backend, body_of};
use super::client::{Body, Client, bytes, full, get, once, post, raw, text};
use super::{PATIENCE, Proxy, cluster, listener, listener_with, route_config, tcp_listener, to};

async fn echo() -> Backend {
    Backend::http1(|request| async move { Response::new(full(body_of(request).await)) }).await
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let backend = echo().await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let mut client = Client::connect(proxy.address("in").await).await;
    let sent: Bytes = (0..8_000_000u32).map(|n| n.to_le_bytes()[0]).collect::<Vec<_>>().into();
    // With a length, and chunked.
    let response = client.send(post("/", sent.clone())).await;
    assert_eq!(bytes(response).await, sent);
    let pieces: Vec<_> = sent.chunks(10_000).map(Bytes::copy_from_slice).collect();
    let stream = futures_util::stream::iter(pieces).map(|piece| Ok(Frame::data(piece)));
    let request = Request::builder().method("PUT").uri("/").header("host", "h");
    let response = client.send(request.body(Body::new(StreamBody::new(stream))).unwrap()).await;
    assert_eq!(bytes(response).await, sent);
    assert_eq!(backend.connections(), 1, "the connection was whole after each");
}

#[tokio::test]
async fn a_body_streams_through_before_it_is_complete() {
    let backend = Backend::http1(|request| async move {
        // What comes in goes out at once.
        Response::new(request.into_body().map_err(|error| panic!("{error}")).boxed())
    })
    .await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let (pieces, receiver) = tokio::sync::mpsc::unbounded_channel();
    let stream = tokio_stream::wrappers::UnboundedReceiverStream::new(receiver);
    let body = Body::new(StreamBody::new(stream.map(|piece: Bytes| Ok(Frame::data(piece)))));
    let request = Request::builder().method("POST").uri("/").header("host", "h").body(body);
    pieces.send(Bytes::from_static(b"first")).unwrap();
    let response = once(proxy.address("in").await, request.unwrap()).await;
    let mut body = response.into_body();
    let frame = timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "first");
    pieces.send(Bytes::from_static(b"second")).unwrap();
    let frame = timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "second");
    drop(pieces);
    assert!(timeout(PATIENCE, body.frame()).await.unwrap().is_none());
}

#[tokio::test]
async fn bodiless_answers_keep_their_length_and_their_connection() {
    let backend = Backend::http1(|request| async move {
        let mut response = Response::new(full("0123456789"));
        if request.uri().path() == "/304" {
            *response.status_mut() = http::StatusCode::NOT_MODIFIED;
        }
        if request.uri().path() == "/204" {
            response = Response::new(super::client::empty());
            *response.status_mut() = http::StatusCode::NO_CONTENT;
        }
        response
    })
    .await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let mut client = Client::connect(proxy.address("in").await).await;
    for _ in 0..3 {
        let head = Request::builder().method("HEAD").uri("/").header("host", "h");
        let response = client.send(head.body(super::client::empty()).unwrap()).await;
        assert_eq!(response.headers()["content-length"], "10");
        assert!(bytes(response).await.is_empty());
        assert_eq!(client.get("/304").await, (304, String::new()));
        assert_eq!(client.get("/204").await, (204, String::new()));
        assert_eq!(client.get("/").await, (200, "0123456789".to_owned()));
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn a_waiting_client_is_told_to_go_on() {
    let backend = echo().await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let mut stream = TcpStream::connect(proxy.address("in").await).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut interim = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut interim)).await.unwrap().unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ok").await.unwrap();
    let mut rest = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.starts_with("HTTP/1.1 200") && rest.ends_with("ok"), "{rest}");
}

#[tokio::test]
async fn a_cut_off_body_is_not_taken_for_a_whole_one() {
    let backend = Backend::serve(|mut stream, _| async move {
        let mut buf = [0; 4096];
        let _ = stream.read(&mut buf).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort").await;
    })
    .await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let response = once(proxy.address("in").await, get("/")).await;
    assert!(timeout(PATIENCE, response.into_body().collect()).await.unwrap().is_err());
}

#[tokio::test]
async fn an_upgrade_becomes_a_byte_stream() {
    let backend = Backend::http1(|mut request| async move {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let mut buf = [0; 64];
            while let Ok(n) = io.read(&mut buf).await {
                if n == 0 || io.write_all(&buf[..n].to_ascii_uppercase()).await.is_err() {
                    return;
                }
            }
        });
        let response = Response::builder().status(101);
        let response = response.header("connection", "upgrade").header("upgrade", "websocket");
        response.body(super::client::empty()).unwrap()
    })
    .await;
    let settings = json!({
        "route_config": route_config("r", &[to("a")]),
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    });
    let listeners = [listener_with("in", settings), listener("plain", &[to("a")])];
    let proxy = Proxy::start(&[cluster("a", &[backend.address])], &listeners).await;
    let request = || {
        let request = Request::builder().uri("/chat").header("host", "h");
        let request = request.header("connection", "Upgrade").header("upgrade", "websocket");
        request.body(super::client::empty()).unwrap()
    };
    let mut response = once(proxy.address("in").await, request()).await;
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["upgrade"], "websocket");
    let upgraded = timeout(PATIENCE, hyper::upgrade::on(&mut response)).await.unwrap().unwrap();
    let mut io = TokioIo::new(upgraded);
    let mut buf = [0; 5];
    for _ in 0..3 {
        io.write_all(b"hello").await.unwrap();
        timeout(PATIENCE, io.read_exact(&mut buf)).await.unwrap().unwrap();
        assert_eq!(&buf, b"HELLO");
    }
    // Where it is not allowed it is refused.
    assert_eq!(once(proxy.address("plain").await, request()).await.status(), 403);
}

#[tokio::test]
async fn tcp_is_relayed_and_each_direction_ends_on_its_own() {
    let backend = Backend::serve(|mut stream, _| async move {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        all.reverse();
        let _ = stream.write_all(&all).await;
    })
    .await;
    let proxy = Proxy::start(&[cluster("a", &[backend.address])], &[tcp_listener("in", "a")]).await;
    let mut stream = TcpStream::connect(proxy.address("in").await).await.unwrap();
    stream.write_all(b"abc").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, "cba");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::named("a").await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let three = "GET /1 HTTP/1.1\r\nhost: h\r\n\r\nPOST /2 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc\
        GET /3 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let answer = raw(proxy.address("in").await, three.as_bytes()).await;
    let paths: Vec<&str> =
        answer.lines().filter_map(|line| line.strip_prefix("x-echo-path: ")).collect();
    assert_eq!(paths, ["/1", "/2", "/3"], "{answer}");
}

#[tokio::test]
async fn an_old_client_gets_no_chunks() {
    let backend = Backend::serve(|mut stream, _| async move {
        let mut buf = [0; 4096];
        let _ = stream.read(&mut buf).await;
        let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let _ = stream.write_all(answer).await;
    })
    .await;
    let settings = json!({
        "route_config": route_config("r", &[to("a")]),
        "http_protocol_options": {"accept_http_10": true},
    });
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener_with("in", settings)]).await;
    let address = proxy.address("in").await;
    let answer = raw(address, b"GET / HTTP/1.0\r\nhost: h\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\nabc") && !answer.contains("chunked"), "{answer}");
    let response = once(address, get("/")).await;
    assert_eq!(text(response).await, "abc");
}
