//! Bootstrap files for both proxies, from the parts that cases bring.

use serde_json::{Value, json};

use crate::{proxy::ACCESS_LOG, upstream::Upstreams};

const TYPES: &str = "type.googleapis.com/envoy.extensions";

/// YAML, as tables write it; only `true` and `false` are booleans.
pub(crate) fn yaml(text: &str) -> Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    let read = serde_saphyr::from_str_with_options(text, options);
    read.unwrap_or_else(|error| panic!("a table of the judge is not YAML: {error}\n{text}"))
}

/// Puts the fields of one object over those of another.
pub(crate) fn merge(base: &mut Value, over: &Value) {
    if let (Some(base), Some(over)) = (base.as_object_mut(), over.as_object()) {
        for (key, value) in over {
            base.insert(key.clone(), value.clone());
        }
    }
}

/// A message in an `Any`.
pub(crate) fn typed(type_name: &str, fields: &Value) -> Value {
    let mut any = json!({ "@type": format!("{TYPES}.{type_name}") });
    merge(&mut any, fields);
    any
}

/// What the access logs of both proxies say of each request, as JSON.
pub(crate) fn record() -> Value {
    json!({
        "case": "%REQ(X-CASE)%",
        "code": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "cluster": "%UPSTREAM_CLUSTER_RAW%",
        "route": "%ROUTE_NAME%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "received": "%BYTES_RECEIVED%",
        "sent": "%BYTES_SENT%",
        "protocol": "%PROTOCOL%",
        "upstream": "%UPSTREAM_PROTOCOL%",
    })
}

/// A listener on a free port of loopback, whose connection manager has these fields on top.
pub(crate) fn listener(name: &str, manager: &Value, virtual_hosts: Vec<Value>) -> Value {
    let log = json!({ "path": ACCESS_LOG, "log_format": { "json_format": record() } });
    let mut fields = json!({
        "stat_prefix": name,
        "access_log": [{ "name": "file", "typed_config":
            typed("access_loggers.file.v3.FileAccessLog", &log) }],
        "http_filters": [
            { "name": "envoy.filters.http.fault",
              "typed_config": typed("filters.http.fault.v3.HTTPFault", &json!({})) },
            { "name": "envoy.filters.http.cors",
              "typed_config": typed("filters.http.cors.v3.Cors", &json!({})) },
            { "name": "envoy.filters.http.router",
              "typed_config": typed("filters.http.router.v3.Router", &json!({})) },
        ],
        // As with routes that are discovered: an unknown cluster is found out when a request comes.
        "route_config": { "name": name, "validate_clusters": false, "virtual_hosts": virtual_hosts },
    });
    let mut manager = manager.clone();
    // What the table says of the route configuration joins what the cases made of it.
    if let Some(routes) = manager.as_object_mut().and_then(|fields| fields.remove("route_config")) {
        merge(&mut fields["route_config"], &routes);
    }
    merge(&mut fields, &manager);
    let manager = "filters.network.http_connection_manager.v3.HttpConnectionManager";
    json!({
        "name": name,
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": typed(manager, &fields),
        }] }],
    })
}

/// A cluster whose `hosts` are names of upstreams; all other fields are Envoy's. A host may be an
/// object with `name` and fields of an endpoint; `localities` is a list of lists with fields.
pub(crate) fn cluster(upstreams: &Upstreams, shorthand: &Value) -> Value {
    let mut cluster = shorthand.clone();
    let fields = cluster.as_object_mut().expect("a cluster is an object");
    let hosts = fields.remove("hosts");
    let localities = fields.remove("localities");
    let name = fields["name"].clone();
    fields.entry("connect_timeout").or_insert_with(|| "1s".into());
    let endpoints: Vec<Value> = match (localities, hosts) {
        (Some(localities), _) => {
            let localities = localities.as_array().expect("a list of localities").clone();
            localities.into_iter().map(|group| locality(upstreams, group)).collect()
        }
        (None, Some(hosts)) => vec![locality(upstreams, json!({ "hosts": hosts }))],
        (None, None) => Vec::new(),
    };
    if !fields.contains_key("load_assignment") {
        let assignment = json!({ "cluster_name": name, "endpoints": endpoints });
        fields.insert("load_assignment".to_owned(), assignment);
    }
    cluster
}

fn locality(upstreams: &Upstreams, mut group: Value) -> Value {
    let fields = group.as_object_mut().expect("a locality is an object");
    let hosts = fields.remove("hosts").unwrap_or_default();
    let endpoints = hosts.as_array().into_iter().flatten().map(|host| endpoint(upstreams, host));
    fields.insert("lb_endpoints".to_owned(), endpoints.collect());
    group
}

fn endpoint(upstreams: &Upstreams, host: &Value) -> Value {
    let name = host.as_str().or_else(|| host["name"].as_str()).expect("a host has a name");
    let mut endpoint = if name.ends_with("-pipe") {
        json!({ "endpoint": { "address": { "pipe": { "path": upstreams.pipe(name) } } } })
    } else {
        let address = upstreams.host(name);
        json!({ "endpoint": { "address": { "socket_address": {
            "address": address.ip().to_string(), "port_value": address.port() } } } })
    };
    if let Some(host) = host.as_object() {
        for (key, value) in host.iter().filter(|(key, _)| *key != "name") {
            if key == "hostname" {
                endpoint["endpoint"]["hostname"] = value.clone();
            } else {
                endpoint[key] = value.clone();
            }
        }
    }
    endpoint
}

/// The clusters that every bootstrap has.
const SHARED: &str = "
- {name: a, hosts: [a]}
- {name: b, hosts: [b]}
- {name: c, hosts: [c]}
- {name: abc, hosts: [a, b, c]}
- {name: empty, hosts: []}
- {name: refused, hosts: [x-closed]}
- {name: h2, hosts: [a-h2], typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}}
";

/// A cluster of a case's own that speaks HTTP/2: none of its connections were used by another case.
pub(crate) const OWN_H2: &str = "[{name: CASE, hosts: [a-h2], typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}}]";

/// A whole bootstrap.
pub(crate) fn bootstrap(
    upstreams: &Upstreams,
    listeners: Vec<Value>,
    clusters: impl IntoIterator<Item = Value>,
) -> Value {
    let shared = yaml(SHARED);
    let shared = shared.as_array().expect("a list").iter().map(|it| cluster(upstreams, it));
    let clusters: Vec<Value> = shared.chain(clusters).collect();
    json!({
        "node": { "id": "judge", "cluster": "judge" },
        "admin": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } } },
        "layered_runtime": { "layers": [{ "name": "judge", "static_layer": {
            "re2.max_program_size.error_level": 32768,
        } }] },
        "static_resources": { "listeners": listeners, "clusters": clusters },
    })
}
