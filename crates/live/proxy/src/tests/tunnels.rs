//! CONNECT and upgrades, on HTTP/1.1 and on HTTP/2; interim answers, old clients, trailers.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::backend::Backend;
use super::client::raw;
use super::{PATIENCE, Proxy, cluster, listener_with, route_config, to};

/// Sends everything back in capitals.
async fn shouting() -> Backend {
    Backend::serve(|mut stream, _| async move {
        let mut buf = [0; 4096];
        while let Ok(n) = stream.read(&mut buf).await {
            if n == 0 || stream.write_all(&buf[..n].to_ascii_uppercase()).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// A proxy in its own right: answers CONNECT and upgrades, then sends everything back in capitals.
async fn second_proxy() -> Backend {
    Backend::serve(|mut stream, _| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let answer = if head.starts_with("CONNECT far:443 HTTP/1.1\r\nhost: far:443\r\n") {
            "HTTP/1.1 200 fine\r\n\r\n"
        } else if head.contains("upgrade: websocket\r\n") {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        } else {
            "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno"
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        let mut buf = [0; 4096];
        while let Ok(n) = stream.read(&mut buf).await {
            if n == 0 || stream.write_all(&buf[..n].to_ascii_uppercase()).await.is_err() {
                return;
            }
        }
    })
    .await
}

fn tunnels(connect: Value) -> Value {
    let route = json!({"match": {"connect_matcher": {}}, "route": {"cluster": "a", "timeout": "0s",
        "upgrade_configs": [connect]}});
    json!({
        "route_config": route_config("r", &[route, to("a")]),
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http2_protocol_options": {"allow_connect": true},
    })
}

async fn proxy(backend: &Backend, connect: Value) -> Proxy {
    let listener = listener_with("in", tunnels(connect));
    Proxy::start(&[cluster("a", &[backend.address])], &[listener]).await
}

async fn h2(proxy: &Proxy) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(proxy.address("in").await).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    // The peer's settings tell whether it takes extended CONNECT.
    let mut sender = sender.ready().await.unwrap();
    while !sender.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        sender = sender.ready().await.unwrap();
    }
    sender
}

/// Says `hello` through a stream and reads what comes back until its end.
async fn talk(
    response: h2::client::ResponseFuture,
    mut stream: h2::SendStream<Bytes>,
) -> (u16, String) {
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    let status = response.status().as_u16();
    stream.send_data(Bytes::from_static(b"hello"), false).unwrap();
    stream.send_data(Bytes::from_static(b" there"), true).unwrap();
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(data) = timeout(PATIENCE, body.data()).await.unwrap() {
        all.extend_from_slice(&data.unwrap());
    }
    (status, String::from_utf8(all).unwrap())
}

/// Says `hello` through a tunnel of HTTP/1.1, and then that this is all; what comes back.
async fn through(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"CONNECT far:443 HTTP/1.1\r\nhost: far:443\r\n\r\nhel").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"HEL") {
        answer.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    stream.write_all(b"lo").await.unwrap();
    stream.shutdown().await.unwrap();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_tunnel_ends_here() {
    let backend = shouting().await;
    let proxy = proxy(&backend, json!({"upgrade_type": "CONNECT", "connect_config": {}})).await;
    let answer = through(proxy.address("in").await).await;
    let (head, bytes) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("content-length"), "{head}");
    assert_eq!(bytes, "HELLO");
    let connect = Request::builder().method(Method::CONNECT).uri("far:443").body(()).unwrap();
    let (response, stream) = h2(&proxy).await.send_request(connect, false).unwrap();
    assert_eq!(talk(response, stream).await, (200, "HELLO THERE".to_owned()));
}

#[tokio::test]
async fn a_tunnel_goes_on() {
    let backend = second_proxy().await;
    let proxy = proxy(&backend, json!({"upgrade_type": "CONNECT"})).await;
    let address = proxy.address("in").await;
    let answer = through(address).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("HELLO"), "{answer}");
    // What the other proxy refuses is an answer like any other.
    let refused =
        raw(address, b"CONNECT near:443 HTTP/1.1\r\nhost: near:443\r\nconnection: close\r\n\r\n")
            .await;
    assert!(refused.starts_with("HTTP/1.1 403 ") && refused.ends_with("no"), "{refused}");
    let connect = Request::builder().method(Method::CONNECT).uri("far:443").body(()).unwrap();
    let (response, stream) = h2(&proxy).await.send_request(connect, false).unwrap();
    assert_eq!(talk(response, stream).await, (200, "HELLO THERE".to_owned()));
}

#[tokio::test]
async fn a_websocket_of_http2_becomes_one_of_http1() {
    let backend = second_proxy().await;
    let proxy = proxy(&backend, json!({"upgrade_type": "CONNECT"})).await;
    let upgrade = |protocol: &'static str| {
        let request = Request::builder().method(Method::CONNECT).uri("http://h/chat");
        let protocol = h2::ext::Protocol::from_static(protocol);
        request.extension(protocol).body(()).unwrap()
    };
    let (response, stream) = h2(&proxy).await.send_request(upgrade("websocket"), false).unwrap();
    assert_eq!(talk(response, stream).await, (200, "HELLO THERE".to_owned()));
    let (response, _stream) = h2(&proxy).await.send_request(upgrade("other"), false).unwrap();
    assert_eq!(timeout(PATIENCE, response).await.unwrap().unwrap().status(), 403);
}

#[tokio::test]
async fn an_old_client_is_answered_in_its_own_version() {
    let backend = Backend::named("a").await;
    let settings = |accepts: bool| {
        json!({"route_config": route_config("r", &[to("a")]), "http_protocol_options":
            {"accept_http_10": accepts, "default_host_for_http_10": "old.example"}})
    };
    let listeners = [listener_with("old", settings(true)), listener_with("new", settings(false))];
    let proxy = Proxy::start(&[cluster("a", &[backend.address])], &listeners).await;
    let address = proxy.address("old").await;
    let once = raw(address, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(once.starts_with("HTTP/1.0 200 OK\r\n") && once.ends_with("a"), "{once}");
    assert!(once.contains("connection: close") && once.contains("x-echo-host: old.example"));
    let twice = b"GET /1 HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
    let twice = raw(address, twice).await;
    assert_eq!(twice.matches("HTTP/1.0 200 OK").count(), 2, "{twice}");
    assert!(twice.contains("connection: keep-alive") && twice.contains("connection: close"));
    let refused = raw(proxy.address("new").await, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 426 "), "{refused}");
}

#[tokio::test]
async fn trailers_of_http1_pass_where_both_sides_say_so() {
    let backend = Backend::serve(|mut stream, _| async move {
        let mut seen = Vec::new();
        let mut buf = [0; 4096];
        while !seen.ends_with(b"\r\n\r\n") || !seen.windows(5).any(|end| end == b"\r\n0\r\n") {
            match stream.read(&mut buf).await {
                Ok(n) if n > 0 => seen.extend_from_slice(&buf[..n]),
                _ => return,
            }
        }
        let got = String::from_utf8_lossy(&seen).contains("x-up: 1");
        let answer = format!(
            "HTTP/1.1 200 OK\r\nx-got: {got}\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-down: 1\r\n\r\n"
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let trailers = json!({"enable_trailers": true});
    let mut with = cluster("with", &[backend.address]);
    with["http_protocol_options"] = trailers.clone();
    let routes = [
        json!({"match": {"prefix": "/with"}, "route": {"cluster": "with"}}),
        json!({"match": {"prefix": "/"}, "route": {"cluster": "without"}}),
    ];
    let config = route_config("r", &routes);
    let listeners = [
        listener_with("on", json!({"route_config": config, "http_protocol_options": trailers})),
        listener_with("off", json!({"route_config": config})),
    ];
    let clusters = [with, cluster("without", &[backend.address])];
    let proxy = Proxy::start(&clusters, &listeners).await;
    for (listener, path, up, down) in [
        ("on", "/with", true, true),
        ("on", "/", false, false),
        ("off", "/with", false, false),
        ("off", "/", false, false),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n1\r\na\r\n0\r\nx-up: 1\r\n\r\n"
        );
        let answer = raw(proxy.address(listener).await, request.as_bytes()).await;
        assert!(answer.contains(&format!("x-got: {up}")), "{listener} {path}: {answer}");
        assert_eq!(answer.contains("x-down: 1"), down, "{listener} {path}: {answer}");
    }
}

#[tokio::test]
async fn the_upstream_says_itself_whether_to_go_on() {
    let backend = Backend::serve(|mut stream, _| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        if head.contains("/no") {
            assert!(head.contains("expect: 100-continue\r\n"), "{head}");
            let _ = stream.write_all(b"HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n").await;
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        let mut body = [0; 2];
        stream.read_exact(&mut body).await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await;
        let _ = stream.write_all(&body).await;
    })
    .await;
    let settings =
        json!({"route_config": route_config("r", &[to("a")]), "proxy_100_continue": true});
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener_with("in", settings)]).await;
    let address = proxy.address("in").await;
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"
        )
    };
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head("/yes").as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut interim)).await.unwrap().unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ok").await.unwrap();
    let mut rest = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.starts_with("HTTP/1.1 200 ") && rest.ends_with("ok"), "{rest}");
    let refused = raw(address, head("/no").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 417 "), "{refused}");
}

#[tokio::test]
async fn what_is_no_request_is_told_so() {
    let backend = Backend::named("a").await;
    let settings =
        json!({"route_config": route_config("r", &[to("a")]), "server_name": "istio-envoy"});
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener_with("in", settings)]).await;
    let huge = format!("GET / HTTP/1.1\r\nhost: h\r\na: {}\r\n\r\n", "x".repeat(70_000));
    for (request, status, body) in [
        (huge.as_str(), 431, "Request Header Fields Too Large"),
        ("GET / HTTP/1.1\r\nhost: h\r\nbad\r\n\r\n", 400, "Bad Request"),
        ("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n", 501, "Not Implemented"),
    ] {
        let answer = raw(proxy.address("in").await, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("server: istio-envoy\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n") && answer.ends_with(body), "{answer}");
    }
}
