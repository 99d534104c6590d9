//! Pages for people and tools: metrics, readiness, which proxy has what.

use std::{net::IpAddr, time::Duration};

use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tonic::body::Body;
use xds::{
    admin::{
        self, ClustersConfigDump, ConfigDump, EndpointsConfigDump, ListenersConfigDump,
        RoutesConfigDump,
        clusters_config_dump::DynamicCluster,
        endpoints_config_dump::DynamicEndpointConfig,
        listeners_config_dump::{DynamicListener, DynamicListenerState},
        routes_config_dump::DynamicRouteConfig,
    },
    ads::server::Progress,
    json::Json as _,
    snapshot::{CLUSTER, ENDPOINT, EXTENSION, LISTENER, ROUTE, Resource, Snapshot},
    wkt::Any,
};

use super::{Shared, ads::Protocol, connections::Proxy, metrics::short, serve::respond};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// How long `/debug/withdrawn` and `/debug/reached` wait.
const PATIENCE: Duration = Duration::from_secs(1);

const INDEX: &str = "\
/ready                            200 when everything is there
/metrics                          Prometheus
/version                          what runs
/debug/syncz                      proxies, and what each has acknowledged
/debug/config_dump?proxyID=POD.NS what a proxy should have
/debug/findings                   what is wrong with objects
/debug/withdrawn?address=IP       waits (1 s at most) until no proxy sends to this address
/debug/reached?address=IP&...     waits (1 s at most) until all proxies know these addresses
";

/// Answers a request for a page.
pub(super) async fn page<B>(shared: &Shared, request: &Request<B>) -> Response<Body> {
    let parameter = |name: &str| {
        let query = request.uri().query().unwrap_or_default();
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    };
    match request.uri().path() {
        "/ready" => ready(shared),
        "/metrics" => {
            let page = shared.metrics.render(shared.connections.count(), shared.plans.kept());
            respond(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page)
        }
        "/version" => respond(StatusCode::OK, TEXT, concat!(env!("CARGO_PKG_VERSION"), "\n")),
        "/debug" | "/debug/" => respond(StatusCode::OK, TEXT, INDEX),
        "/debug/syncz" => {
            document(&shared.connections.all().iter().map(|proxy| sync(shared, proxy)).collect())
        }
        "/debug/config_dump" => config_dump(shared, parameter("proxyID")),
        "/debug/findings" => document(&findings(shared)),
        "/debug/withdrawn" => withdrawn(shared, parameter("address")).await,
        "/debug/reached" => reached(shared, request.uri().query().unwrap_or_default()).await,
        _ => respond(StatusCode::NOT_FOUND, TEXT, INDEX),
    }
}

fn document(value: &Value) -> Response<Body> {
    respond(StatusCode::OK, JSON, format!("{value:#}\n"))
}

fn ready(shared: &Shared) -> Response<Body> {
    let missing = shared.ready.missing();
    if missing.is_empty() {
        return respond(StatusCode::OK, TEXT, "ready\n");
    }
    respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {}\n", missing.join("; ")))
}

/// One proxy under Istio's keys, and some of ours.
fn sync(shared: &Shared, proxy: &Proxy) -> Value {
    let mut row = json!({
        "cluster_id": shared.options.settings.cluster,
        "proxy": proxy.name(),
        "proxy_type": proxy.node.id.split('~').next(),
        "node": proxy.node.id,
        "protocol": match proxy.protocol { Protocol::Delta => "delta", Protocol::Sotw => "sotw" },
        "connected_at": proxy.connected.to_string(),
        "generation": proxy.generation,
        "settled": proxy.settled,
        "agent": proxy.node.agent,
    });
    // Envoy takes what only our proxy understands and does nothing with it: somebody should know.
    if !proxy.node.is_ours()
        && let Some(plan) = shared.plans.latest()
    {
        let view = plan.model.view(&proxy.node);
        let rules = view.ours_alone();
        row["leaves_aside"] = rules.iter().map(|it| format!("DestinationRule {it}")).collect();
    }
    let mut types = serde_json::Map::new();
    for progress in &proxy.progress {
        if let Some(word) = word(progress) {
            row[format!("{word}_sent")] = json!(progress.sent.1);
            row[format!("{word}_acked")] = json!(progress.acknowledged.1);
        }
        types.insert(
            short(&progress.type_url).to_owned(),
            json!({
                "resources": progress.resources,
                "version": progress.acknowledged.0,
                "version_sent": progress.sent.0,
                "rejects": progress.refusals,
                "error": progress.refusal,
            }),
        );
    }
    row["types"] = Value::Object(types);
    row
}

/// Istio's word for a type in `syncz`.
fn word(progress: &Progress) -> Option<&'static str> {
    match progress.type_url.as_str() {
        CLUSTER => Some("cluster"),
        ENDPOINT => Some("endpoint"),
        LISTENER => Some("listener"),
        ROUTE => Some("route"),
        EXTENSION => Some("extensionconfig"),
        _ => None,
    }
}

fn findings(shared: &Shared) -> Value {
    let Some(plan) = shared.plans.latest() else { return json!([]) };
    plan.findings
        .iter()
        .map(|finding| {
            json!({
                "code": finding.code.row().id,
                "name": finding.code.row().name,
                "severity": finding.severity().word(),
                "object": finding.object.to_string(),
                "path": finding.path,
                "text": finding.text,
                "help": finding.code.row().help,
            })
        })
        .collect()
}

fn config_dump(shared: &Shared, id: Option<&str>) -> Response<Body> {
    let proxies = shared.connections.all();
    let Some(id) = id else {
        return respond(StatusCode::BAD_REQUEST, TEXT, "say which proxy: ?proxyID=POD.NAMESPACE\n");
    };
    let found = proxies.iter().rev().find(|proxy| proxy.name() == id || proxy.node.id == id);
    found.map_or_else(
        || {
            let names: Vec<_> = proxies.iter().map(Proxy::name).collect();
            let text = format!("no proxy {id} is connected; connected are: {}\n", names.join(", "));
            respond(StatusCode::NOT_FOUND, TEXT, text)
        },
        |proxy| document(&dump(&proxy.snapshot).write()),
    )
}

/// A snapshot in the words of Envoy's admin port.
fn dump(snapshot: &Snapshot) -> ConfigDump {
    let any = |type_url: &str, resource: &Resource| {
        Some(Any { type_url: type_url.to_owned(), value: resource.body.to_vec() })
    };
    let status = admin::ClientResourceStatus::Requested as i32;
    let clusters = snapshot.of(CLUSTER).values().map(|resource| DynamicCluster {
        version_info: resource.version.clone(),
        cluster: any(CLUSTER, resource),
        client_status: status,
        ..DynamicCluster::default()
    });
    let endpoints = snapshot.of(ENDPOINT).values().map(|resource| DynamicEndpointConfig {
        version_info: resource.version.clone(),
        endpoint_config: any(ENDPOINT, resource),
        client_status: status,
        ..DynamicEndpointConfig::default()
    });
    let listeners = snapshot.of(LISTENER).iter().map(|(name, resource)| DynamicListener {
        name: name.clone(),
        active_state: Some(DynamicListenerState {
            version_info: resource.version.clone(),
            listener: any(LISTENER, resource),
            last_updated: None,
        }),
        client_status: status,
        ..DynamicListener::default()
    });
    let routes = snapshot.of(ROUTE).values().map(|resource| DynamicRouteConfig {
        version_info: resource.version.clone(),
        route_config: any(ROUTE, resource),
        client_status: status,
        ..DynamicRouteConfig::default()
    });
    ConfigDump {
        configs: vec![
            Any::pack(&ClustersConfigDump {
                version_info: snapshot.version(CLUSTER),
                dynamic_active_clusters: clusters.collect(),
                ..ClustersConfigDump::default()
            }),
            Any::pack(&EndpointsConfigDump {
                dynamic_endpoint_configs: endpoints.collect(),
                ..EndpointsConfigDump::default()
            }),
            Any::pack(&ListenersConfigDump {
                version_info: snapshot.version(LISTENER),
                dynamic_listeners: listeners.collect(),
                ..ListenersConfigDump::default()
            }),
            Any::pack(&RoutesConfigDump {
                dynamic_route_configs: routes.collect(),
                ..RoutesConfigDump::default()
            }),
        ],
    }
}

/// Waits until no service leads to an address and all proxies have acknowledged that.
async fn withdrawn(shared: &Shared, address: Option<&str>) -> Response<Body> {
    let Some(address) = address.and_then(|text| text.parse::<IpAddr>().ok()) else {
        return respond(StatusCode::BAD_REQUEST, TEXT, "say which address: ?address=10.244.0.7\n");
    };
    if acknowledged(shared, |model| !leads_to(model, address)).await {
        respond(StatusCode::OK, TEXT, "withdrawn\n")
    } else {
        respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "some proxy may still send there\n")
    }
}

/// Waits until services lead to all these addresses and all proxies have acknowledged that.
async fn reached(shared: &Shared, query: &str) -> Response<Body> {
    let addresses = query.split('&').filter_map(|pair| pair.strip_prefix("address="));
    let Ok(addresses) = addresses.map(str::parse).collect::<Result<Vec<IpAddr>, _>>() else {
        return respond(StatusCode::BAD_REQUEST, TEXT, "say addresses: ?address=10.244.0.7&...\n");
    };
    let all = |model: &mesh::Model| addresses.iter().all(|address| leads_to(model, *address));
    if acknowledged(shared, all).await {
        respond(StatusCode::OK, TEXT, "reached\n")
    } else {
        respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, "some proxy does not know all of them\n")
    }
}

/// Waits until all proxies have acknowledged a plan of which this is true; false when time is over.
async fn acknowledged(shared: &Shared, holds: impl Fn(&mesh::Model) -> bool) -> bool {
    let mut plans = shared.plans.subscribe();
    let mut connections = shared.connections.changes();
    let wait = async {
        loop {
            plans.mark_unchanged();
            connections.mark_unchanged();
            let plan = shared.plans.latest();
            if plan.is_some_and(|plan| {
                holds(&plan.model) && shared.connections.settled(plan.generation)
            }) {
                return;
            }
            tokio::select! { _ = plans.changed() => {}, _ = connections.changed() => {} }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.is_ok()
}

fn leads_to(model: &mesh::Model, address: IpAddr) -> bool {
    let mut endpoints = model.endpoints.values().flat_map(|endpoints| endpoints.values()).flatten();
    endpoints.any(|endpoint| endpoint.address == address)
}
