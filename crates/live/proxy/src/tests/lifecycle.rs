//! Start, admin pages, metrics, drain.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::backend::Backend;
use super::client::{Client, full, get, once, post};
use super::{PATIENCE, Proxy, cluster, listener, to};
use crate::Options;

#[tokio::test]
async fn a_bootstrap_file_is_all_it_needs() {
    let backend = Backend::named("a").await;
    let bootstrap = json!({
        "node": {"id": "n", "cluster": "c"},
        "admin": {"address": super::socket_address(([127, 0, 0, 1], 0).into())},
        "static_resources": {
            "clusters": [cluster("a", &[backend.address])],
            "listeners": [listener("in", &[to("a")])]},
    });
    let options = Options::from_bootstrap(&bootstrap.to_string(), 2).unwrap();
    let proxy = Proxy::with(options);
    assert_eq!(once(proxy.address("in").await, get("/")).await.status(), 200);
    assert_eq!(proxy.admin("GET", "/ready").await, (200, "LIVE\n".to_owned()));
    let (_, info) = proxy.admin("GET", "/server_info").await;
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["state"], "LIVE", "{info}");
    assert_eq!(info["node"]["id"], "n");
    let (_, dump) = proxy.admin("GET", "/config_dump").await;
    assert!(
        dump.contains("\"inlineString\"")
            || dump.contains("StaticListener")
            || dump.contains("staticListeners"),
        "{dump}"
    );
}

#[tokio::test]
async fn static_resources_that_are_refused_stop_the_start() {
    let mut broken = cluster("a", &[]);
    broken["type"] = json!("EDS");
    let bootstrap = json!({"static_resources": {"listeners": [
        {"name": "x", "address": super::socket_address(([127, 0, 0, 1], 0).into()), "filter_chains": [
            {"filters": [{"name": "unknown", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": {}}}]}]}]}});
    let options = Options::from_bootstrap(&bootstrap.to_string(), 1);
    let Ok(options) = options else { return };
    let (_orders, receiver) = tokio::sync::mpsc::unbounded_channel();
    let ended = tokio::task::spawn_blocking(move || crate::run::serve(options, receiver));
    let error = timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap_err();
    assert!(format!("{error:#}").contains("static resources were refused"), "{error:#}");
}

#[tokio::test]
async fn requests_are_counted_under_istios_names() {
    let backend = Backend::named("a").await;
    let name = "outbound|80||reviews.default.svc.cluster.local";
    let proxy =
        Proxy::start(&[cluster(name, &[backend.address])], &[listener("in", &[to(name)])]).await;
    let mut client = Client::connect(proxy.address("in").await).await;
    for _ in 0..7 {
        client.get("/").await;
    }
    client.send(post("/", "12345")).await;
    let (status, text) = proxy.admin("GET", "/stats/prometheus").await;
    assert_eq!(status, 200);
    let line = |start: &str, with: &str| {
        let found = text.lines().find(|line| line.starts_with(start) && line.contains(with));
        found.unwrap_or_else(|| panic!("no {start} with {with} in {text}")).to_owned()
    };
    let requests = line("istio_requests_total{", "response_code=\"200\"");
    assert!(requests.ends_with(" 8"), "{requests}");
    for label in [
        "reporter=\"source\"",
        "destination_service=\"reviews.default.svc.cluster.local\"",
        "destination_service_name=\"reviews\"",
        "destination_service_namespace=\"default\"",
        "response_flags=\"-\"",
    ] {
        assert!(requests.contains(label), "{requests}");
    }
    assert!(line("istio_request_bytes_sum{", "").ends_with(" 5"));
    assert!(line("envoy_cluster_upstream_rq_total{", name).ends_with(" 8"));
    assert!(line("envoy_cluster_upstream_rq_xx{", "response_code_class=\"2\"").ends_with(" 8"));
    let (_, clusters) = proxy.admin("GET", "/clusters").await;
    assert!(clusters.contains(&format!("{name}::{}::rq_total::8", backend.address)), "{clusters}");
}

#[tokio::test]
async fn admin_pages_that_act_want_post() {
    let proxy = Proxy::start(&[], &[]).await;
    assert_eq!(proxy.admin("GET", "/quitquitquit").await.0, 405);
    assert_eq!(proxy.admin("GET", "/nonsense").await.0, 404);
    assert_eq!(proxy.admin("POST", "/healthcheck/fail").await.0, 200);
    assert_eq!(proxy.admin("GET", "/ready").await.0, 503);
    assert_eq!(proxy.admin("POST", "/healthcheck/ok").await.0, 200);
    assert_eq!(proxy.admin("GET", "/ready").await.0, 200);
    assert_eq!(proxy.admin("POST", "/quitquitquit").await.0, 200);
    proxy.ended().await;
}

#[tokio::test]
async fn a_drain_serves_what_is_under_way_and_then_ends() {
    let (release, arrived) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (waits, tells) = (release.clone(), arrived.clone());
    let backend = Backend::http1(move |request| {
        let (waits, tells) = (waits.clone(), tells.clone());
        async move {
            if request.uri().path() == "/slow" {
                tells.notify_one();
                waits.notified().await;
            }
            Response::new(full("done"))
        }
    })
    .await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let address = proxy.address("in").await;
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("/").await.0, 200);
    let pending = tokio::spawn(async move { once(address, get("/slow")).await });
    timeout(PATIENCE, arrived.notified()).await.unwrap();
    proxy.stop();
    // The idle connection is closed, or its next answer says that it is the last.
    while let Ok(response) = idle.try_send(get("/")).await {
        assert_eq!(response.status(), 200);
        if response.headers().get("connection").is_some_and(|value| value == "close") {
            break;
        }
    }
    release.notify_one();
    let response = timeout(PATIENCE, pending).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["connection"], "close");
    proxy.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}
