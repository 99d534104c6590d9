//! Breakers and fallbacks, as clients see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use http::Response;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::backend::{Backend, body_of};
use super::client::{Client, full, get, post, raw, text};
use super::{PATIENCE, Proxy, cluster, listener, tcp_listener, to};

/// A cluster with what only this proxy understands.
fn with(mut cluster: Value, extras: Value) -> Value {
    cluster["metadata"] = json!({"filter_metadata": {"lateen": extras}});
    cluster
}

/// A backend whose status can be set.
async fn moody() -> (Backend, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let mood = status.clone();
    let backend = Backend::http1(move |request| {
        let status = mood.load(Ordering::SeqCst);
        async move {
            let body = body_of(request).await;
            Response::builder().status(status).body(full(body)).unwrap()
        }
    });
    (backend.await, status)
}

async fn stat(proxy: &Proxy, name: &str) -> u64 {
    let (_, page) = proxy.admin("GET", "/stats").await;
    let line =
        page.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

#[tokio::test]
async fn an_open_breaker_answers_without_asking_anybody() {
    let (backend, status) = moody().await;
    let breaker = json!({"errors": 3, "within_ms": 60_000, "open_for_ms": 60_000});
    let proxy = Proxy::start(
        &[with(cluster("a", &[backend.address]), json!({"breaker": breaker}))],
        &[listener("in", &[to("a")])],
    )
    .await;
    let mut client = Client::connect(proxy.address("in").await).await;
    assert_eq!(client.get("/").await.0, 200);
    status.store(500, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(client.get("/").await.0, 500);
    }
    for _ in 0..5 {
        let response = client.send(get("/")).await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["x-envoy-overloaded"], "true");
        assert_eq!(text(response).await, "breaker open");
    }
    assert_eq!(backend.requests(), 4);
    assert_eq!(stat(&proxy, "cluster.a.lateen.breaker.open").await, 1);
    assert_eq!(stat(&proxy, "cluster.a.lateen.breaker.refused").await, 5);
    let (_, page) = proxy.admin("GET", "/stats/prometheus").await;
    let counted = page.lines().find(|line| {
        line.starts_with("istio_requests_total") && line.contains("response_flags=\"UO\"")
    });
    assert!(counted.is_some_and(|line| line.ends_with(" 5")), "{counted:?}");
}

#[tokio::test]
async fn a_good_trial_closes_it() {
    let (backend, status) = moody().await;
    let breaker = json!({"errors": 1, "within_ms": 1000, "open_for_ms": 100});
    let proxy = Proxy::start(
        &[with(cluster("a", &[backend.address]), json!({"breaker": breaker}))],
        &[listener("in", &[to("a")])],
    )
    .await;
    let mut client = Client::connect(proxy.address("in").await).await;
    status.store(502, Ordering::SeqCst);
    let opened = Instant::now();
    assert_eq!(client.get("/").await.0, 502);
    status.store(200, Ordering::SeqCst);
    let mut refused = 0;
    while client.get("/").await.0 == 503 {
        refused += 1;
        assert!(opened.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(100 <= opened.elapsed().as_millis());
    assert_eq!(backend.requests(), 2, "{refused} were refused");
    assert_eq!(stat(&proxy, "cluster.a.lateen.breaker.closed").await, 1);
    assert_eq!(stat(&proxy, "cluster.a.lateen.breaker.open").await, 0);
}

#[tokio::test]
async fn retries_end_where_the_breaker_opens() {
    let (backend, status) = moody().await;
    status.store(503, Ordering::SeqCst);
    let breaker = json!({"errors": 2, "within_ms": 60_000, "open_for_ms": 60_000});
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "a", "retry_policy": {
        "retry_on": "5xx", "num_retries": 5, "retry_back_off": {"base_interval": "0.001s"}}}});
    let proxy = Proxy::start(
        &[with(cluster("a", &[backend.address]), json!({"breaker": breaker}))],
        &[listener("in", &[route])],
    )
    .await;
    let mut client = Client::connect(proxy.address("in").await).await;
    assert_eq!(client.get("/").await, (503, "breaker open".to_owned()));
    assert_eq!(backend.requests(), 2);
}

#[tokio::test]
async fn a_fixed_answer_stands_in() {
    let (backend, status) = moody().await;
    let fallback =
        json!({"status": 200, "body": "[]", "headers": {"content-type": "application/json"}});
    let breaker = json!({"errors": 1, "within_ms": 60_000, "open_for_ms": 60_000});
    let extras = json!({"breaker": breaker, "fallback": fallback});
    let proxy = Proxy::start(
        &[
            with(cluster("a", &[backend.address]), extras),
            with(cluster("none", &[]), json!({"fallback": fallback})),
        ],
        &[listener(
            "in",
            &[json!({"match": {"prefix": "/none"}, "route": {"cluster": "none"}}), to("a")],
        )],
    )
    .await;
    let mut client = Client::connect(proxy.address("in").await).await;
    status.store(500, Ordering::SeqCst);
    assert_eq!(client.get("/").await.0, 500, "a failure is no refusal");
    for (path, why) in [("/", "breaker_open"), ("/none", "no_healthy_upstream")] {
        let response = client.send(get(path)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["x-lateen-fallback"], why);
        assert_eq!(text(response).await, "[]");
    }
    assert_eq!(stat(&proxy, "cluster.a.lateen.fallback.answered").await, 1);
    // A request is counted once it is over, which its client may know a moment earlier.
    let counted = async {
        for flag in ["UO", "UH"] {
            let flag = format!("response_flags=\"{flag}\"");
            let is_it = |line: &str| line.contains("response_code=\"200\"") && line.contains(&flag);
            while !proxy.admin("GET", "/stats/prometheus").await.1.lines().any(is_it) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.expect("both refusals are counted");
}

#[tokio::test]
async fn another_cluster_stands_in_and_gets_the_whole_request() {
    let (backend, status) = moody().await;
    let other = Backend::named("other").await;
    let (echo, _) = moody().await;
    let breaker = json!({"errors": 1, "within_ms": 60_000, "open_for_ms": 60_000});
    let extras = json!({"breaker": breaker, "fallback": {"cluster": "b"}});
    let proxy = Proxy::start(
        &[
            with(cluster("a", &[backend.address]), extras),
            cluster("b", &[other.address]),
            with(cluster("none", &[]), json!({"fallback": {"cluster": "echo"}})),
            cluster("echo", &[echo.address]),
        ],
        &[listener(
            "in",
            &[json!({"match": {"prefix": "/none"}, "route": {"cluster": "none"}}), to("a")],
        )],
    )
    .await;
    let mut client = Client::connect(proxy.address("in").await).await;
    status.store(500, Ordering::SeqCst);
    assert_eq!(client.get("/").await.0, 500);
    let response = client.send(get("/path")).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-echo-path"]),
        (200, &"/path".parse().unwrap())
    );
    assert_eq!(response.headers()["x-lateen-fallback"], "breaker_open");
    assert_eq!(text(response).await, "other");
    assert_eq!((backend.requests(), other.requests()), (1, 1));
    let large = "x".repeat(200_000);
    let response = client.send(post("/none", large.clone())).await;
    assert_eq!(response.headers()["x-lateen-fallback"], "no_healthy_upstream");
    assert_eq!(text(response).await, large);
    assert_eq!(stat(&proxy, "cluster.none.lateen.fallback.forwarded").await, 1);
    let response = client.send(get("/again")).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn nobody_falls_back_twice() {
    let last = Backend::named("last").await;
    let proxy = Proxy::start(
        &[
            with(cluster("a", &[]), json!({"fallback": {"cluster": "b"}})),
            with(cluster("b", &[]), json!({"fallback": {"cluster": "last"}})),
            cluster("last", &[last.address]),
            with(cluster("self", &[]), json!({"fallback": {"cluster": "self"}})),
            with(cluster("lost", &[]), json!({"fallback": {"cluster": "nowhere"}})),
        ],
        &[listener(
            "in",
            &[
                json!({"match": {"prefix": "/self"}, "route": {"cluster": "self"}}),
                json!({"match": {"prefix": "/lost"}, "route": {"cluster": "lost"}}),
                to("a"),
            ],
        )],
    )
    .await;
    let mut client = Client::connect(proxy.address("in").await).await;
    for path in ["/", "/self", "/lost"] {
        assert_eq!(client.get(path).await, (503, "no healthy upstream".to_owned()), "{path}");
    }
    assert_eq!(last.requests(), 0);
}

#[tokio::test]
async fn connections_fall_back_to_another_cluster_too() {
    let echo = Backend::serve(|mut stream, requests| async move {
        requests.fetch_add(1, Ordering::SeqCst);
        let mut bytes = [0; 4];
        let _ = stream.read_exact(&mut bytes).await;
        let _ = stream.write_all(&bytes).await;
    })
    .await;
    let gone = super::backend::nobody().await;
    let breaker = json!({"errors": 1, "within_ms": 60_000, "open_for_ms": 60_000});
    let extras = json!({"breaker": breaker, "fallback": {"cluster": "b"}});
    let proxy = Proxy::start(
        &[with(cluster("a", &[gone]), extras), cluster("b", &[echo.address])],
        &[tcp_listener("in", "a")],
    )
    .await;
    let address = proxy.address("in").await;
    assert_eq!(raw(address, b"ping").await, "", "the first finds out that nobody listens");
    assert_eq!(raw(address, b"ping").await, "ping");
    assert_eq!(echo.requests(), 1);
    assert_eq!(stat(&proxy, "cluster.a.lateen.fallback.forwarded").await, 1);
}
