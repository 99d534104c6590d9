//! Deadlines of every kind, and connections that have served their time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::backend::Backend;
use super::client::{Client, empty, full, get, http2, once, raw, text};
use super::{PATIENCE, Proxy, cluster, http2_cluster, listener, listener_with, route_config, to};

/// Answers nothing for longer than any test lasts.
async fn silent() -> Backend {
    Backend::http1(|_| async {
        sleep(PATIENCE).await;
        Response::new(empty())
    })
    .await
}

#[tokio::test]
async fn a_request_that_stands_still_is_given_up() {
    let backend = silent().await;
    let routes = route_config(
        "r",
        &[
            json!({"match": {"prefix": "/own"},
            "route": {"cluster": "a", "timeout": "0s", "idle_timeout": "0.05s"}}),
            json!({"match": {"prefix": "/try"}, "route": {"cluster": "a", "timeout": "0s",
            "retry_policy": {"retry_on": "5xx", "num_retries": 1, "per_try_idle_timeout": "0.05s"}}}),
            json!({"match": {"prefix": "/life"}, "route": {"cluster": "a",
            "max_stream_duration": {"max_stream_duration": "0.05s"}}}),
            json!({"match": {"prefix": "/attempt"}, "route": {"cluster": "short", "timeout": "0s"}}),
            to("a"),
        ],
    );
    let settings = json!({"route_config": routes, "stream_idle_timeout": "0.3s"});
    let mut short = cluster("short", &[backend.address]);
    short["common_http_protocol_options"] = json!({"max_stream_duration": "0.05s"});
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address]), short], &[listener_with("in", settings)])
            .await;
    let mut client = Client::connect(proxy.address("in").await).await;
    for (path, body, attempts) in [
        ("/", "stream timeout", 1),
        ("/own", "stream timeout", 1),
        ("/try", "upstream request timeout", 2),
        ("/life", "downstream duration timeout", 1),
        ("/attempt", "upstream max stream duration reached", 1),
    ] {
        let before = backend.requests();
        assert_eq!(client.get(path).await, (504, body.to_owned()), "{path}");
        assert_eq!(backend.requests() - before, attempts, "{path}");
    }
}

#[tokio::test]
async fn a_request_that_does_not_arrive_is_given_up() {
    let backend = Backend::named("a").await;
    let patient = json!({"route_config": route_config("r", &[to("a")]), "request_timeout": "0.1s"});
    let idle =
        json!({"route_config": route_config("r", &[to("a")]), "stream_idle_timeout": "0.1s"});
    let proxy = Proxy::start(
        &[cluster("a", &[backend.address])],
        &[listener_with("all", patient), listener_with("idle", idle)],
    )
    .await;
    let part = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\npart";
    let answer = raw(proxy.address("all").await, part).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("request timeout"), "{answer}");
    let answer = raw(proxy.address("idle").await, part).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("stream timeout"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn what_moves_is_not_idle_and_what_stops_is_cut_off() {
    let backend = Backend::serve(|mut stream, _| async move {
        let mut buf = [0; 4096];
        let _ = stream.read(&mut buf).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n").await;
        for _ in 0..6 {
            sleep(Duration::from_millis(60)).await;
            let _ = stream.write_all(b"x").await;
        }
        sleep(PATIENCE).await;
    })
    .await;
    let settings =
        json!({"route_config": route_config("r", &[to("a")]), "stream_idle_timeout": "0.2s"});
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener_with("in", settings)]).await;
    let started = Instant::now();
    let answer = raw(proxy.address("in").await, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(answer.ends_with("xxxxxx"), "{answer}");
    assert!(started.elapsed() >= Duration::from_millis(500), "each byte began the time anew");
}

#[tokio::test]
async fn the_time_of_one_try_begins_with_its_connection() {
    // The limits of connections make the second request wait for the first.
    let backend = Backend::http1(|_| async {
        sleep(Duration::from_millis(150)).await;
        Response::new(full("done"))
    })
    .await;
    let mut one = cluster("a", &[backend.address]);
    one["circuit_breakers"] = json!({"thresholds": [{"max_connections": 1}]});
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "a", "timeout": "10s",
        "retry_policy": {"retry_on": "reset", "num_retries": 0, "per_try_timeout": "0.25s"}}});
    let proxy = Proxy::start(&[one], &[listener("in", &[route])]).await;
    let address = proxy.address("in").await;
    let (first, second) = tokio::join!(once(address, get("/")), once(address, get("/")));
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn requests_that_wait_for_a_connection_are_no_active_requests() {
    let backend = Backend::http1(|_| async {
        sleep(Duration::from_millis(100)).await;
        Response::new(full("done"))
    })
    .await;
    let mut narrow = cluster("a", &[backend.address]);
    narrow["circuit_breakers"] = json!({"thresholds": [
        {"max_connections": 1, "max_requests": 1, "max_pending_requests": 2}]});
    let proxy = Proxy::start(&[narrow], &[listener("in", &[to("a")])]).await;
    let address = proxy.address("in").await;
    let mut running = Vec::new();
    for _ in 0..4 {
        running.push(tokio::spawn(async move { once(address, get("/")).await }));
        // One after the other, so that the first is on its way when the others come.
        sleep(Duration::from_millis(20)).await;
    }
    let mut statuses = Vec::new();
    let mut overloaded = 0;
    for one in running {
        let response = one.await.unwrap();
        overloaded += usize::from(response.headers().contains_key("x-envoy-overloaded"));
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 503], "two wait, the next one is too many");
    assert_eq!(overloaded, 1);
}

#[tokio::test]
async fn upstream_connections_end_after_their_time() {
    let backend = Backend::named("a").await;
    let aged = |name: &str, options: serde_json::Value| {
        let mut one = cluster(name, &[backend.address]);
        one["common_http_protocol_options"] = options;
        one
    };
    let clusters = [
        aged("two", json!({"max_requests_per_connection": 2})),
        aged("old", json!({"max_connection_duration": "0.1s"})),
    ];
    let routes = ["two", "old"]
        .map(|name| json!({"match": {"prefix": format!("/{name}")}, "route": {"cluster": name}}));
    let proxy = Proxy::start(&clusters, &[listener("in", &routes)]).await;
    let mut client = Client::connect(proxy.address("in").await).await;
    for _ in 0..4 {
        assert_eq!(client.get("/two").await.0, 200);
    }
    assert_eq!(backend.connections(), 2);
    for _ in 0..3 {
        assert_eq!(client.get("/old").await.0, 200);
    }
    assert_eq!(backend.connections(), 3);
    sleep(Duration::from_millis(150)).await;
    assert_eq!(client.get("/old").await.0, 200);
    assert_eq!(backend.connections(), 4);
}

#[tokio::test]
async fn http2_clients_are_sent_away_after_their_time() {
    let backend = Backend::named("a").await;
    let with = |options: serde_json::Value| {
        json!({"route_config": route_config("r", &[to("a")]),
            "common_http_protocol_options": options})
    };
    let listeners = [
        listener_with("old", with(json!({"max_connection_duration": "0.1s"}))),
        listener_with("worn", with(json!({"max_requests_per_connection": 2}))),
    ];
    let proxy = Proxy::start(&[cluster("a", &[backend.address])], &listeners).await;
    let request = || {
        let request = http::Request::builder().uri("http://h/");
        request.body(empty()).unwrap()
    };
    let mut old = http2(proxy.address("old").await).await;
    assert_eq!(text(old.send_request(request()).await.unwrap()).await, "a");
    timeout(PATIENCE, async {
        while !old.is_closed() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    let mut worn = http2(proxy.address("worn").await).await;
    for _ in 0..2 {
        assert_eq!(text(worn.send_request(request()).await.unwrap()).await, "a");
    }
    timeout(PATIENCE, async {
        while !worn.is_closed() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_upstream_that_answers_no_ping_is_left() {
    let backend = Backend::serve(|mut stream, _| async move {
        // An empty SETTINGS frame, and then nothing more.
        let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        let mut buf = [0; 4096];
        while matches!(stream.read(&mut buf).await, Ok(n) if n > 0) {}
    })
    .await;
    let mut pinged = http2_cluster("a", &[backend.address]);
    pinged["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
        ["explicit_http_config"]["http2_protocol_options"]["connection_keepalive"] =
        json!({"interval": "0.05s", "timeout": "0.05s"});
    let proxy = Proxy::start(&[pinged], &[listener("in", &[to("a")])]).await;
    let response = once(proxy.address("in").await, get("/")).await;
    assert_eq!(response.status(), 503);
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_left() {
    let backend = silent().await;
    let settings = json!({"route_config": route_config("r", &[to("a")]),
        "http2_protocol_options": {"connection_keepalive": {"interval": "0.05s", "timeout": "0.05s"}}});
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener_with("in", settings)]).await;
    let mut stream = TcpStream::connect(proxy.address("in").await).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut rest = Vec::new();
    // The end comes; without the pings nothing would.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(!Bytes::from(rest).is_empty());
}

#[tokio::test]
async fn a_name_is_given_the_time_to_be_looked_up() {
    let backend = Backend::named("a").await;
    let mut named = cluster("a", &[]);
    named["type"] = json!("STRICT_DNS");
    named["dns_lookup_family"] = json!("V4_ONLY");
    named["load_assignment"] = json!({"cluster_name": "a", "endpoints": [{"lb_endpoints": [
        {"endpoint": {"address": {"socket_address":
            {"address": "localhost", "port_value": backend.address.port()}}}}]}]});
    let proxy = Proxy::start(&[named], &[listener("in", &[to("a")])]).await;
    // The very first request finds the host.
    assert_eq!(text(once(proxy.address("in").await, get("/")).await).await, "a");
}
