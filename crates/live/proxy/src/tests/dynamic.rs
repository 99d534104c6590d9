//! Names that requests bring, looked up and reached.

use serde_json::{Value, json};

use super::backend::Backend;
use super::client::{Client, empty, text};
use super::{Proxy, listener_with, route_config, to};

fn names() -> Value {
    json!({"name": "names", "dns_lookup_family": "V4_ONLY"})
}

/// A cluster whose hosts are what requests name.
fn by_request(name: &str) -> Value {
    json!({"name": name, "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "5s", "cluster_type": {
        "name": "envoy.clusters.dynamic_forward_proxy", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
            "dns_cache_config": names()}}})
}

#[tokio::test]
async fn a_request_goes_to_the_host_that_it_names() {
    let (one, other) = (Backend::named("one").await, Backend::named("other").await);
    let filters = json!([
        {"name": "envoy.filters.http.dynamic_forward_proxy", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
            "dns_cache_config": names()}},
        {"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]);
    let settings =
        json!({"route_config": route_config("r", &[to("any")]), "http_filters": filters});
    let proxy = Proxy::start(&[by_request("any")], &[listener_with("in", settings)]).await;
    let mut client = Client::connect(proxy.address("in").await).await;
    let request = |host: String| {
        http::Request::builder().uri("/").header("host", host).body(empty()).unwrap()
    };
    // By a name that has to be looked up, and by an address that has not.
    let found = client.send(request(format!("localhost:{}", one.address.port()))).await;
    assert_eq!(text(found).await, "one");
    let found = client.send(request(format!("127.0.0.1:{}", other.address.port()))).await;
    assert_eq!(text(found).await, "other");
    let found = client.send(request(format!("LOCALHOST:{}", other.address.port()))).await;
    assert_eq!(text(found).await, "other");
}
