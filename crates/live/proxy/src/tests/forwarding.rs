//! Routing, pooling, retries and timeouts as seen from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Response;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::backend::{Backend, body_of, nobody};
use super::client::{Client, empty, full, get, once, post, text};
use super::{PATIENCE, Proxy, cluster, eds_cluster, listener, listener_with, route_config, to};

#[tokio::test]
async fn weights_are_relative() {
    let (a, b) = (Backend::named("a").await, Backend::named("b").await);
    let route = json!({"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [
        {"name": "a", "weight": 9}, {"name": "b", "weight": 1}]}}});
    let proxy = Proxy::start(
        &[cluster("a", &[a.address]), cluster("b", &[b.address])],
        &[listener("in", &[route])],
    )
    .await;
    let mut client = Client::connect(proxy.address("in").await).await;
    for _ in 0..2000 {
        assert_eq!(client.get("/").await.0, 200);
    }
    let share = b.requests();
    assert_eq!(a.requests() + share, 2000);
    assert!((120..=280).contains(&share), "{share} of 2000 for one tenth");
}

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let backend = Backend::named("a").await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let address = proxy.address("in").await;
    let mut client = Client::connect(address).await;
    for _ in 0..50 {
        assert_eq!(client.get("/").await, (200, "a".to_owned()));
    }
    for _ in 0..5 {
        assert_eq!(once(address, get("/")).await.status(), 200);
    }
    assert_eq!((backend.connections(), backend.requests()), (1, 55));
}

/// A server that answers one request per connection and hangs up when the second arrives.
async fn hangs_up() -> Backend {
    Backend::serve(|mut stream, requests| async move {
        let mut buf = [0; 4096];
        let _ = stream.read(&mut buf).await;
        requests.fetch_add(1, Ordering::SeqCst);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let _ = stream.read(&mut buf).await;
    })
    .await
}

#[tokio::test]
async fn a_connection_that_closes_while_idle_costs_no_idempotent_request() {
    let backend = hangs_up().await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let mut client = Client::connect(proxy.address("in").await).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await, (200, "ok".to_owned()));
    }
    // Nobody can know whether a POST was acted on before the connection went.
    let response = client.send(post("/", "x")).await;
    assert_eq!(response.status(), 503);
    let body = text(response).await;
    assert!(body.contains("reset reason: connection termination"), "{body}");
}

#[tokio::test]
async fn answers_of_the_proxy_read_as_envoys() {
    let gone = nobody().await;
    let proxy = Proxy::start(
        &[cluster("none", &[]), cluster("refuses", &[gone])],
        &[listener("in", &[
            json!({"match": {"prefix": "/none"}, "route": {"cluster": "none"}}),
            json!({"match": {"prefix": "/refuses"}, "route": {"cluster": "refuses"}}),
            json!({"match": {"prefix": "/direct"}, "direct_response": {"status": 418, "body": {"inline_string": "tea"}}}),
            json!({"match": {"prefix": "/moved"}, "redirect": {"path_redirect": "/new"}}),
        ])],
    )
    .await;
    let mut client = Client::connect(proxy.address("in").await).await;
    assert_eq!(client.get("/none").await, (503, "no healthy upstream".to_owned()));
    let (status, body) = client.get("/refuses").await;
    assert_eq!(status, 503);
    assert_eq!(
        body,
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"
    );
    assert_eq!(client.get("/direct").await, (418, "tea".to_owned()));
    let moved = client.send(get("/moved")).await;
    assert_eq!(moved.status(), 301);
    assert_eq!(moved.headers()["location"], "http://test.example/new");
    assert!(moved.headers().contains_key("date"));
    drop(moved);
    let mut client = Client::connect(proxy.address("in").await).await;
    assert_eq!(client.get("/other").await.0, 404);
    // Who is answered before the request is whole has to come again.
    let response = client.send(post("/direct", "short")).await;
    assert_eq!(response.headers()["connection"], "close");
}

#[tokio::test]
async fn answers_without_a_body_keep_their_connection() {
    let direct = |path: &str, status: u16| {
        json!({"match": {"path": path},
            "direct_response": {"status": status, "body": {"inline_string": "body"}}})
    };
    let routes = [direct("/204", 204), direct("/304", 304), direct("/200", 200)];
    let proxy = Proxy::start(&[], &[listener("in", &routes)]).await;
    let address = proxy.address("in").await;
    let mut client = Client::connect(address).await;
    for _ in 0..2 {
        for (path, status, body) in [("/204", 204, ""), ("/304", 304, ""), ("/200", 200, "body")] {
            assert_eq!(client.get(path).await, (status, body.to_owned()), "{path}");
        }
        let head = http::Request::builder().method("HEAD").uri("/200").header("host", "h");
        let response = client.send(head.body(empty()).unwrap()).await;
        assert_eq!(response.headers()["content-length"], "4");
    }
}

#[tokio::test]
async fn retries_send_the_whole_body_again_and_count_their_attempts() {
    let failures = Arc::new(AtomicUsize::new(2));
    let left = failures.clone();
    let backend = Backend::http1(move |request| {
        let left = left.clone();
        async move {
            let attempt = request.headers()["x-envoy-attempt-count"].clone();
            let body = body_of(request).await;
            let failing =
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            let mut response = Response::new(full(body));
            if failing.is_ok() {
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            }
            response.headers_mut().insert("x-attempt", attempt);
            response
        }
    })
    .await;
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "a", "timeout": "10s",
        "retry_policy": {"retry_on": "5xx", "num_retries": 3}}});
    let config = json!({"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"],
        "include_request_attempt_count": true, "routes": [route]}]});
    let proxy = Proxy::start(
        &[cluster("a", &[backend.address])],
        &[listener_with("in", json!({"route_config": config}))],
    )
    .await;
    let address = proxy.address("in").await;
    let response = once(address, post("/", "a body of some size")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-attempt"], "3");
    assert_eq!(text(response).await, "a body of some size");
    // A body beyond the bound cannot be replayed: one attempt only.
    failures.store(1, Ordering::SeqCst);
    let response = once(address, post("/", vec![b'x'; 1200 * 1024])).await;
    assert_eq!(response.status(), 503);
}

#[tokio::test]
async fn slow_upstreams_run_into_the_routes_timeouts() {
    let backend = Backend::http1(|_| async {
        tokio::time::sleep(PATIENCE).await;
        Response::new(empty())
    })
    .await;
    let proxy = Proxy::start(
        &[cluster("a", &[backend.address])],
        &[listener("in", &[
            json!({"match": {"prefix": "/all"}, "route": {"cluster": "a", "timeout": "0.1s"}}),
            json!({"match": {"prefix": "/try"}, "route": {"cluster": "a", "timeout": "10s",
                "retry_policy": {"retry_on": "5xx", "num_retries": 1, "per_try_timeout": "0.05s"}}}),
        ])],
    )
    .await;
    let mut client = Client::connect(proxy.address("in").await).await;
    let started = Instant::now();
    assert_eq!(client.get("/all").await, (504, "upstream request timeout".to_owned()));
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert_eq!(client.get("/try").await.0, 504);
    assert_eq!(backend.requests(), 3);
}

#[tokio::test]
async fn mirrors_get_a_copy_and_nobody_waits_for_them() {
    let backend = Backend::named("a").await;
    let (seen, mut copies) = mpsc::unbounded_channel();
    let mirror = Backend::http1(move |request| {
        let seen = seen.clone();
        async move {
            let head = |name: &str| {
                let value = request.headers().get(name);
                value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
            };
            let told = ["x-envoy-internal", "x-forwarded-for", "content-length"].map(head);
            let _ = seen.send((body_of(request).await, told.join(" ")));
            tokio::time::sleep(PATIENCE).await;
            Response::new(empty())
        }
    })
    .await;
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "a",
        "request_mirror_policies": [{"cluster": "m"}]}});
    let proxy = Proxy::start(
        &[cluster("a", &[backend.address]), cluster("m", &[mirror.address])],
        &[listener("in", &[route])],
    )
    .await;
    let response = once(proxy.address("in").await, post("/", "copied")).await;
    assert_eq!(text(response).await, "a");
    let copy = tokio::time::timeout(PATIENCE, copies.recv()).await.unwrap().unwrap();
    assert_eq!(copy, ("copied".into(), "true 127.0.0.1 6".to_owned()));
}

#[tokio::test]
async fn faults_are_injected_by_the_filter() {
    let backend = Backend::named("a").await;
    let settings = json!({
        "route_config": route_config("r", &[to("a")]),
        "http_filters": [
            {"name": "envoy.filters.http.fault", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
                "delay": {"fixed_delay": "0.1s", "percentage": {"numerator": 100}},
                "abort": {"http_status": 555, "percentage": {"numerator": 100}}}},
            {"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    });
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener_with("in", settings)]).await;
    let started = Instant::now();
    let response = once(proxy.address("in").await, get("/")).await;
    assert_eq!(response.status(), 555);
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert_eq!((text(response).await.as_str(), backend.requests()), ("fault filter abort", 0));
}

#[tokio::test]
async fn original_destination_clusters_go_where_the_client_wanted() {
    // Without a redirect nobody wanted to go anywhere else, unless a header says so.
    let backend = Backend::named("a").await;
    let mut passthrough = eds_cluster("p");
    passthrough.as_object_mut().unwrap().remove("eds_cluster_config");
    passthrough["type"] = json!("ORIGINAL_DST");
    passthrough["lb_policy"] = json!("CLUSTER_PROVIDED");
    passthrough["original_dst_lb_config"] = json!({"use_http_header": true});
    let proxy = Proxy::start(&[passthrough], &[listener("in", &[to("p")])]).await;
    let address = proxy.address("in").await;
    let mut asked = get("/where");
    let to = backend.address.to_string().parse().unwrap();
    asked.headers_mut().insert("x-envoy-original-dst-host", to);
    let response = once(address, asked).await;
    assert_eq!(response.headers()["x-echo-path"], "/where");
    assert_eq!(text(response).await, "a");
    let response = once(address, get("/where")).await;
    assert_eq!(response.status(), 503);
    assert_eq!(text(response).await, "no healthy upstream");
}
