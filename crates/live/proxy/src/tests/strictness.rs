//! Clients that are wrong, slow or hostile.

use std::time::Instant;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::backend::Backend;
use super::client::{once, raw};
use super::{PATIENCE, Proxy, cluster, listener, listener_with, route_config, to};

#[tokio::test]
async fn ambiguous_requests_are_refused_and_reach_nobody() {
    let backend = Backend::named("a").await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let address = proxy.address("in").await;
    for (request, status) in [
        (
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /s HTTP/1.1\r\nhost: h\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde", 400),
        ("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nconnection: close\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nhost: h\r\n\r\n", 426),
        ("nonsense\r\n\r\n", 400),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\nconnection: close\r\n\r\n", 404),
    ] {
        let answer = raw(address, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{request:?}: {answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nhost: h\r\na: {}\r\n\r\n", "x".repeat(70_000));
    assert!(raw(address, long.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "a: b\r\n".repeat(150));
    assert!(raw(address, many.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_its_framing_ends_the_connection() {
    let backend = Backend::named("a").await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let bad = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: h\r\n\r\n";
    let answer = raw(proxy.address("in").await, bad).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(!answer.contains("/smuggled"), "{answer}");
}

#[tokio::test]
async fn slow_heads_run_out_of_time() {
    let backend = Backend::named("a").await;
    let settings = json!({
        "route_config": route_config("r", &[to("a")]),
        "request_headers_timeout": "0.2s",
    });
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener_with("in", settings)]).await;
    let started = Instant::now();
    let answer = raw(proxy.address("in").await, b"GET / HTTP/1.1\r\nhost: ").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(started.elapsed() < PATIENCE / 2);
}

#[tokio::test]
async fn hop_by_hop_fields_do_not_reach_the_upstream() {
    let backend = Backend::http1(|request| async move {
        let names: Vec<_> = request.headers().keys().map(|name| name.as_str().to_owned()).collect();
        http::Response::new(super::client::full(names.join(",")))
    })
    .await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let request = http::Request::builder().uri("/").header("host", "h");
    let request = request.header("connection", "x-secret").header("x-secret", "1");
    let request = request.header("keep-alive", "5").header("x-kept", "1");
    let response =
        once(proxy.address("in").await, request.body(super::client::empty()).unwrap()).await;
    let names = super::client::text(response).await;
    assert!(names.contains("x-kept"), "{names}");
    assert!(!names.contains("x-secret") && !names.contains("keep-alive"), "{names}");
}

#[tokio::test]
async fn clients_that_vanish_leave_nothing_behind() {
    let backend = Backend::http1(|_| async {
        tokio::time::sleep(PATIENCE).await;
        http::Response::new(super::client::empty())
    })
    .await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let address = proxy.address("in").await;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    }
    // The requests went away with their clients: nothing is active any more.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, stats) = proxy.admin("GET", "/stats?filter=upstream_rq_active").await;
        let (_, seen) = proxy.admin("GET", "/stats?filter=upstream_rq_total").await;
        if stats.contains("cluster.a.upstream_rq_active: 0")
            && seen.contains("upstream_rq_total: 20")
        {
            return;
        }
        assert!(Instant::now() < deadline, "{stats}{seen}");
        tokio::task::yield_now().await;
    }
}
