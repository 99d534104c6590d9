//! Changes of the configuration while traffic flows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::Response;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::backend::Backend;
use super::client::{Client, full, get, once, text};
use super::{
    PATIENCE, Proxy, assignment, cluster, eds_cluster, listener, listener_with, route_config, to,
};

/// A listener whose routes come by RDS.
fn rds_listener(name: &str, routes: &str) -> serde_json::Value {
    listener_with(
        name,
        json!({"rds": {
        "route_config_name": routes,
        "config_source": {"ads": {}, "resource_api_version": "V3"}}}),
    )
}

#[tokio::test]
async fn a_thousand_changes_under_load_fail_no_request() {
    let backends =
        [Backend::named("a").await, Backend::named("b").await, Backend::named("c").await];
    let hosts = backends.clone().map(|backend| backend.address);
    let proxy = Proxy::with(crate::Options { concurrency: 2, ..crate::Options::default() });
    proxy.clusters(&[eds_cluster("x")]).await.unwrap();
    proxy.endpoints(&[assignment("x", &hosts)]).await.unwrap();
    proxy.listeners(&[rds_listener("in", "r")]).await.unwrap();
    proxy.routes(&[route_config("r", &[to("x")])]).await.unwrap();
    let address = proxy.address("in").await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for _ in 0..8 {
        let (stop, answered) = (stop.clone(), answered.clone());
        clients.push(tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            while !stop.load(Ordering::SeqCst) {
                let (status, body) = client.get("/").await;
                assert_eq!(status, 200, "{body}");
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    for n in 0..1000usize {
        match n % 4 {
            // Hosts come and go; one always stays.
            0 => proxy.endpoints(&[assignment("x", &hosts[n % 3..=n % 3])]).await.unwrap(),
            1 => proxy.endpoints(&[assignment("x", &hosts)]).await.unwrap(),
            2 => {
                let extra = format!("y{}", n % 7);
                proxy.clusters(&[cluster(&extra, &hosts)]).await.unwrap();
                let route = json!({"match": {"prefix": "/"}, "route": {"weighted_clusters": {
                    "clusters": [{"name": "x", "weight": 1}, {"name": extra, "weight": 1}]}}});
                proxy.routes(&[route_config("r", &[route])]).await.unwrap();
            }
            _ => {
                proxy.routes(&[route_config("r", &[to("x")])]).await.unwrap();
                let gone = format!("y{}", (n - 1) % 7);
                proxy.apply(xds::snapshot::CLUSTER, Vec::new(), &[&gone]).await.unwrap();
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        timeout(PATIENCE, client).await.unwrap().unwrap();
    }
    let answered = answered.load(Ordering::SeqCst);
    assert!(answered > 100, "only {answered} requests were sent beside the changes");
}

#[tokio::test]
async fn a_host_that_is_withdrawn_finishes_its_requests_and_gets_no_more() {
    let release = Arc::new(Notify::new());
    let waits = release.clone();
    let old = Backend::http1(move |_| {
        let waits = waits.clone();
        async move {
            waits.notified().await;
            Response::new(full("old"))
        }
    })
    .await;
    let new = Backend::named("new").await;
    let proxy = Proxy::start(&[eds_cluster("x")], &[listener("in", &[to("x")])]).await;
    proxy.endpoints(&[assignment("x", &[old.address])]).await.unwrap();
    let address = proxy.address("in").await;
    let pending = tokio::spawn(async move { text(once(address, get("/")).await).await });
    while old.requests() == 0 {
        tokio::task::yield_now().await;
    }
    proxy.endpoints(&[assignment("x", &[new.address])]).await.unwrap();
    // From the acknowledgement on, nothing goes to the old host.
    for _ in 0..50 {
        assert_eq!(text(once(address, get("/")).await).await, "new");
    }
    assert_eq!(old.requests(), 1);
    release.notify_one();
    assert_eq!(timeout(PATIENCE, pending).await.unwrap().unwrap(), "old");
}

#[tokio::test]
async fn a_refused_change_leaves_everything_as_it_was() {
    let backend = Backend::named("a").await;
    let proxy =
        Proxy::start(&[cluster("a", &[backend.address])], &[listener("in", &[to("a")])]).await;
    let address = proxy.address("in").await;
    // A listener on a port that somebody else holds.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut second = listener("second", &[to("a")]);
    second["address"] = super::socket_address(taken.local_addr().unwrap());
    let third = listener("third", &[to("a")]);
    let why = proxy.listeners(&[third, second]).await.unwrap_err();
    assert!(why.contains("second") && why.contains("cannot bind"), "{why}");
    let names: BTreeSet<String> = proxy.addresses().await.into_keys().collect();
    assert_eq!(names, BTreeSet::from(["admin".to_owned(), "in".to_owned()]));
    // Something that cannot be read.
    let broken = vec![("b".to_owned(), "1".to_owned(), bytes::Bytes::from_static(b"\xff\xff"))];
    assert!(proxy.apply(xds::snapshot::CLUSTER, broken, &[]).await.is_err());
    assert_eq!(text(once(address, get("/")).await).await, "a");
}

#[tokio::test]
async fn a_changed_listener_keeps_its_port_and_lets_old_connections_finish() {
    let (a, b) = (Backend::named("a").await, Backend::named("b").await);
    let clusters = [cluster("a", &[a.address]), cluster("b", &[b.address])];
    let proxy = Proxy::start(&clusters, &[listener("in", &[to("a")])]).await;
    let address = proxy.address("in").await;
    let (mut busy, mut idle) = (Client::connect(address).await, Client::connect(address).await);
    assert_eq!(busy.get("/").await.1, "a");
    assert_eq!(idle.get("/").await.1, "a");
    proxy.listeners(&[listener("in", &[to("b")])]).await.unwrap();
    assert_eq!(proxy.address("in").await, address);
    assert_eq!(text(once(address, get("/")).await).await, "b");
    // The old connections end in good order: closed while idle, or with a last answer.
    let last = idle.try_send(get("/")).await;
    assert!(last.is_err() || last.unwrap().headers()["connection"] == "close");
    let mut listeners = proxy.addresses().await;
    listeners.remove("admin");
    proxy.apply(xds::snapshot::LISTENER, Vec::new(), &["in"]).await.unwrap();
    assert!(!proxy.addresses().await.contains_key("in"));
    // The port is free once the workers closed their sockets.
    let deadline = std::time::Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "the port is still listened on");
    }
}

#[tokio::test]
async fn what_waits_for_its_parts_is_not_used_before_they_are_here() {
    let backend = Backend::named("a").await;
    let proxy = Proxy::with(crate::Options::default());
    proxy.clusters(&[eds_cluster("x")]).await.unwrap();
    proxy.listeners(&[rds_listener("in", "r")]).await.unwrap();
    assert!(!proxy.addresses().await.contains_key("in"), "its routes are not here");
    proxy.routes(&[route_config("r", &[to("x")])]).await.unwrap();
    let address = proxy.address("in").await;
    assert_eq!(once(address, get("/")).await.status(), 503);
    proxy.endpoints(&[assignment("x", &[backend.address])]).await.unwrap();
    assert_eq!(text(once(address, get("/")).await).await, "a");
}
