//! The proxy on loopback, with tables built from xDS messages; hyper is the other end on both sides.

mod backend;
mod bodies;
mod breaker;
mod changes;
mod client;
mod control_plane;
mod dynamic;
mod forwarding;
mod http2;
mod lifecycle;
mod patience;
mod pipes;
mod pressure;
mod strictness;
mod tls;
mod tunnels;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use xds::snapshot::{CLUSTER, ENDPOINT, LISTENER, ROUTE};

use crate::Options;
use crate::keeper::Resource;
use crate::run::{Order, serve};

/// Nothing on loopback takes longer; a test that hangs fails here instead.
const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy on threads of its own.
struct Proxy {
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Proxy {
    /// Starts with these options.
    fn with(options: Options) -> Proxy {
        let (orders, receiver) = mpsc::unbounded_channel();
        let thread = std::thread::spawn(move || serve(options, receiver));
        Proxy { orders, thread: Some(thread) }
    }

    /// Starts with one worker and these resources.
    async fn start(clusters: &[Value], listeners: &[Value]) -> Proxy {
        let proxy = Proxy::with(Options::default());
        proxy.clusters(clusters).await.unwrap();
        proxy.listeners(listeners).await.unwrap();
        proxy
    }

    async fn apply(
        &self,
        type_url: &'static str,
        upserts: Vec<Resource>,
        removed: &[&str],
    ) -> Result<(), String> {
        let (done, answer) = oneshot::channel();
        let removed = removed.iter().map(|name| (*name).to_owned()).collect();
        self.orders.send(Order::Apply { type_url, upserts, removed, done }).unwrap();
        tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap()
    }

    async fn clusters(&self, clusters: &[Value]) -> Result<(), String> {
        let encoded = clusters.iter().map(|value| resource::<xds::cluster::Cluster>(value, "name"));
        self.apply(CLUSTER, encoded.collect(), &[]).await
    }

    async fn listeners(&self, listeners: &[Value]) -> Result<(), String> {
        let encoded =
            listeners.iter().map(|value| resource::<xds::listener::Listener>(value, "name"));
        self.apply(LISTENER, encoded.collect(), &[]).await
    }

    async fn routes(&self, routes: &[Value]) -> Result<(), String> {
        let encoded =
            routes.iter().map(|value| resource::<xds::route::RouteConfiguration>(value, "name"));
        self.apply(ROUTE, encoded.collect(), &[]).await
    }

    async fn endpoints(&self, assignments: &[Value]) -> Result<(), String> {
        let encoded = assignments
            .iter()
            .map(|value| resource::<xds::endpoint::ClusterLoadAssignment>(value, "cluster_name"));
        self.apply(ENDPOINT, encoded.collect(), &[]).await
    }

    async fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        let (done, answer) = oneshot::channel();
        self.orders.send(Order::Addresses(done)).unwrap();
        tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap()
    }

    async fn address(&self, listener: &str) -> SocketAddr {
        self.addresses().await[listener]
    }

    /// A page of the admin interface: status and body.
    async fn admin(&self, method: &str, path: &str) -> (u16, String) {
        let address = self.address("admin").await;
        let request = http::Request::builder().method(method).uri(path).header("host", "admin");
        let response = client::once(address, request.body(client::empty()).unwrap()).await;
        (response.status().as_u16(), client::text(response).await)
    }

    /// Tells it to drain and end; does not wait.
    fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }

    /// Waits for its end.
    async fn ended(mut self) {
        let thread = self.thread.take().unwrap();
        let joined = tokio::task::spawn_blocking(move || thread.join());
        tokio::time::timeout(PATIENCE, joined).await.unwrap().unwrap().unwrap().unwrap();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
    }
}

fn resource<M>(value: &Value, name: &str) -> Resource
where
    M: Message + serde::de::DeserializeOwned,
{
    let message: M = serde_json::from_value(value.clone()).expect("a message in proto-JSON");
    let body = message.encode_to_vec();
    (value[name].as_str().unwrap().to_owned(), "1".to_owned(), Bytes::from(body))
}

/// A cluster of these hosts.
fn cluster(name: &str, hosts: &[SocketAddr]) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": assignment(name, hosts),
    })
}

/// A cluster whose hosts come by EDS.
fn eds_cluster(name: &str) -> Value {
    json!({
        "name": name,
        "type": "EDS",
        "connect_timeout": "2s",
        "eds_cluster_config": {"eds_config": {"ads": {}, "resource_api_version": "V3"}},
    })
}

/// A cluster that speaks HTTP/2.
fn http2_cluster(name: &str, hosts: &[SocketAddr]) -> Value {
    let mut cluster = cluster(name, hosts);
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    });
    cluster
}

fn assignment(name: &str, hosts: &[SocketAddr]) -> Value {
    let endpoints: Vec<Value> =
        hosts.iter().map(|host| json!({"endpoint": {"address": socket_address(*host)}})).collect();
    json!({"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]})
}

fn socket_address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

/// A listener on a free port of loopback with one route configuration inside.
fn listener(name: &str, routes: &[Value]) -> Value {
    listener_with(name, json!({"route_config": route_config("local", routes)}))
}

/// A listener with these settings of the connection manager.
fn listener_with(name: &str, settings: Value) -> Value {
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
    });
    for (key, value) in settings.as_object().unwrap() {
        manager[key] = value.clone();
    }
    json!({
        "name": name,
        "address": socket_address(([127, 0, 0, 1], 0).into()),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    })
}

/// A listener that passes bytes to a cluster.
fn tcp_listener(name: &str, cluster: &str) -> Value {
    json!({
        "name": name,
        "address": socket_address(([127, 0, 0, 1], 0).into()),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": name, "cluster": cluster}}]}],
    })
}

fn route_config(name: &str, routes: &[Value]) -> Value {
    json!({"name": name, "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]})
}

/// Everything to one cluster.
fn to(cluster: &str) -> Value {
    json!({"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}})
}
