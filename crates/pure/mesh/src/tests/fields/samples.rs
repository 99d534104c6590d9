//! Values for fields, and the objects in which they mean something.

use serde_json::{Value, json};

use crate::World;
use crate::tests::Script;

/// The kinds whose fields are looked at; WorkloadGroup is kept and nothing registers by it, ProxyConfig is injection's.
pub(super) const KINDS: &[&str] =
    &["VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "WorkloadEntry", "Sidecar"];

/// Everything beside the object that is looked at.
pub(super) fn world(mut script: Script) -> World {
    script.ingress();
    script.add(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "far",
        "labels": {"topology.istio.io/network": "x"}},
        "spec": {"clusterIP": "10.96.99.9", "ports": [{"name": "tls", "port": 15443}]}}));
    script.add(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "reviews"},
        "spec": {"clusterIP": "10.96.0.9", "selector": {"app": "reviews"}, "ports": [
            {"name": "http", "port": 9080}, {"name": "tcp", "port": 9000}, {"name": "tls", "port": 9443}]}}));
    let mut endpoints = Vec::new();
    for (at, place) in [(1, "r.a.s"), (2, "r.b.s"), (3, "q.a.s"), (4, "p.a.s")] {
        let (name, ip) = (format!("reviews-{at}"), format!("10.244.91.{at}"));
        script.add(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": "reviews",
                "version": format!("v{at}"), "istio-locality": place}},
            "spec": {"containers": []}, "status": {"podIP": ip}}));
        endpoints.push(json!({"addresses": [ip], "targetRef": {"kind": "Pod", "name": name}}));
    }
    script.add(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "addressType": "IPv4", "endpoints": endpoints,
        "metadata": {"name": "reviews", "labels": {"kubernetes.io/service-name": "reviews"}},
        "ports": [{"name": "http", "port": 9080}, {"name": "tcp", "port": 9000}, {"name": "tls", "port": 9443}]}));
    script.add(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "me",
        "labels": {"app": "me", "version": "v1", "istio-locality": "r.a.s"}},
        "spec": {"containers": []}, "status": {"podIP": "10.244.90.1"}}));
    script.app("ratings", 9080, &["v1"]);
    let to = |host: &str| json!([{"route": [{"destination": {"host": host}}]}]);
    script.istio("VirtualService", "edge", json!({"hosts": ["*"], "gateways": ["subject"],
        "http": [{"route": [{"destination": {"host": "ratings"}}]}],
        "tls": [{"match": [{"sniHosts": ["a.example"]}], "route": [{"destination": {"host": "reviews", "port": {"number": 9443}}}]}],
        "tcp": [{"match": [{"port": 7000}], "route": [{"destination": {"host": "reviews", "port": {"number": 9000}}}]}]}));
    script.istio(
        "Gateway",
        "gw",
        json!({"selector": {"istio": "ingressgateway"}, "servers": [
        {"port": {"number": 80, "name": "h", "protocol": "HTTP"}, "hosts": ["*"]}]}),
    );
    script.istio("VirtualService", "d", json!({"http": to("ratings")}));
    script.istio("VirtualService", "d2", json!({"http": to("reviews")}));
    script.istio_in(
        "other",
        "VirtualService",
        "d",
        json!({"http": to("reviews.default.svc.cluster.local")}),
    );
    script.istio(
        "VirtualService",
        "sub",
        json!({"hosts": ["sub.example"], "http": [{"route": [
        {"destination": {"host": "reviews", "subset": "v1", "port": {"number": 9080}}}]}]}),
    );
    script.service("bytes", json!([{"name": "tcp", "port": 9001}]));
    script.istio(
        "VirtualService",
        "bytes",
        json!({"hosts": ["bytes"], "tcp": [{"route": [{"destination":
            {"host": "reviews", "subset": "v1", "port": {"number": 9000}}}]}]}),
    );
    script.istio(
        "DestinationRule",
        "ext",
        json!({"host": "ext.example",
        "trafficPolicy": {"connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}}}}),
    );
    script.world()
}

/// The object without the field.
pub(super) fn base(kind: &str) -> Value {
    match kind {
        "VirtualService" => json!({"hosts": ["reviews"]}),
        "DestinationRule" => json!({"host": "reviews",
            "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 5}}},
            "subsets": [{"name": "v1", "labels": {"app": "reviews"}}]}),
        "Gateway" => json!({"selector": {"istio": "ingressgateway"}, "servers": [
            {"port": {"number": 80, "name": "h", "protocol": "HTTP"}, "hosts": ["*"]}]}),
        "ServiceEntry" => json!({"hosts": ["ext.example"], "resolution": "STATIC",
            "ports": [{"number": 8000, "name": "http", "protocol": "HTTP"}],
            "endpoints": [{"address": "10.9.9.9", "ports": {"http": 8001}}]}),
        "WorkloadEntry" => json!({"address": "10.8.8.8", "labels": {"app": "reviews"}}),
        _ => json!({"egress": [{"hosts": ["./*"]}]}),
    }
}

/// A field of this kind whose path holds the second word needs, at the part of its path that ends with the third, this.
type Context = (&'static str, &'static str, &'static str, &'static str);

const CONTEXT: &[Context] = &[
    ("VirtualService", "", "", r#"{"http": [{"route": [{"destination": {"host": "reviews"}}]}]}"#),
    ("VirtualService", "http[].match[].ignoreUriCase", "match[]", r#"{"uri": {"prefix": "/a"}}"#),
    (
        "VirtualService",
        "http[].redirect",
        "http[]",
        r#"{"route": null, "redirect": {"authority": "a"}}"#,
    ),
    (
        "VirtualService",
        "http[].directResponse",
        "http[]",
        r#"{"route": null, "directResponse": {"status": 200}}"#,
    ),
    (
        "VirtualService",
        "http[].delegate",
        "http[]",
        r#"{"route": null, "delegate": {"name": "d"}}"#,
    ),
    (
        "VirtualService",
        "uriRegexRewrite",
        "rewrite",
        r#"{"uriRegexRewrite": {"match": "^/x$", "rewrite": "/y"}}"#,
    ),
    ("VirtualService", "retries", "retries", r#"{"attempts": 3}"#),
    (
        "VirtualService",
        "fault.delay",
        "delay",
        r#"{"fixedDelay": "5s", "percentage": {"value": 50}}"#,
    ),
    ("VirtualService", "fault.delay.percent", "delay", r#"{"percentage": null}"#),
    (
        "VirtualService",
        "fault.abort",
        "abort",
        r#"{"httpStatus": 500, "percentage": {"value": 50}}"#,
    ),
    ("VirtualService", "fault.abort.grpcStatus", "abort", r#"{"httpStatus": null}"#),
    ("VirtualService", "http[].mirror", "http[]", r#"{"mirror": {"host": "ratings"}}"#),
    (
        "VirtualService",
        "http[].mirrors",
        "http[]",
        r#"{"mirror": null, "mirrors": [{"destination": {"host": "ratings"}}]}"#,
    ),
    ("VirtualService", "corsPolicy", "corsPolicy", r#"{"allowOrigins": [{"exact": "b"}]}"#),
    (
        "VirtualService",
        "corsPolicy.allowOrigin",
        "corsPolicy",
        r#"{"allowOrigins": null, "allowMethods": ["GET"]}"#,
    ),
    (
        "VirtualService",
        "http[].route[].weight",
        "http[]",
        r#"{"route": [{"destination": {"host": "reviews"}, "weight": 50}, {"destination": {"host": "ratings"}, "weight": 50}]}"#,
    ),
    (
        "VirtualService",
        "tls[]",
        "",
        r#"{"hosts": ["reviews", "*.db.example"],
        "tls": [{"match": [{"sniHosts": ["x.db.example"]}], "route": [{"destination": {"host": "ratings"}}]}]}"#,
    ),
    (
        "VirtualService",
        "tls[].route[].weight",
        "tls[]",
        r#"{"route": [{"destination": {"host": "reviews"}, "weight": 50}, {"destination": {"host": "ratings"}, "weight": 50}]}"#,
    ),
    (
        "VirtualService",
        "tcp[]",
        "",
        r#"{"tcp": [{"route": [{"destination": {"host": "ratings"}}]}]}"#,
    ),
    (
        "VirtualService",
        "tcp[].route[].weight",
        "tcp[]",
        r#"{"route": [{"destination": {"host": "reviews"}, "weight": 50}, {"destination": {"host": "ratings"}, "weight": 50}]}"#,
    ),
    (
        "DestinationRule",
        "portLevelSettings[]",
        "portLevelSettings[]",
        r#"{"port": {"number": 9080}, "loadBalancer": {"simple": "ROUND_ROBIN"}}"#,
    ),
    (
        "DestinationRule",
        "portLevelSettings[].connectionPool.tcp.idleTimeout",
        "portLevelSettings[]",
        r#"{"port": {"number": 9000}}"#,
    ),
    ("DestinationRule", "loadBalancer.consistentHash", "loadBalancer", r#"{"simple": null}"#),
    (
        "DestinationRule",
        "consistentHash.ringHash",
        "consistentHash",
        r#"{"httpHeaderName": "x-u"}"#,
    ),
    ("DestinationRule", "consistentHash.maglev", "consistentHash", r#"{"httpHeaderName": "x-u"}"#),
    (
        "DestinationRule",
        "consistentHash.minimumRingSize",
        "consistentHash",
        r#"{"httpHeaderName": "x-u"}"#,
    ),
    ("DestinationRule", "httpCookie", "httpCookie", r#"{"name": "c", "ttl": "5s"}"#),
    (
        "DestinationRule",
        "httpCookie.attributes",
        "httpCookie",
        r#"{"attributes": [{"name": "a", "value": "b"}]}"#,
    ),
    ("DestinationRule", "localityLbSetting", "localityLbSetting", r#"{"enabled": true}"#),
    (
        "DestinationRule",
        "localityLbSetting.distribute",
        "localityLbSetting",
        r#"{"distribute": [{"from": "r/*", "to": {"r/*": 100}}]}"#,
    ),
    (
        "DestinationRule",
        "localityLbSetting.failover",
        "localityLbSetting",
        r#"{"failover": [{"from": "r", "to": "q"}]}"#,
    ),
    (
        "DestinationRule",
        "localityLbSetting.failoverPriority",
        "localityLbSetting",
        r#"{"failover": null}"#,
    ),
    (
        "DestinationRule",
        "trafficPolicy.loadBalancer.localityLbSetting",
        "trafficPolicy",
        r#"{"outlierDetection": {}}"#,
    ),
    (
        "DestinationRule",
        "portLevelSettings[].loadBalancer.localityLbSetting",
        "portLevelSettings[]",
        r#"{"outlierDetection": {}}"#,
    ),
    ("DestinationRule", "warmup.", "warmup", r#"{"duration": "5s"}"#),
    (
        "DestinationRule",
        "connectionPool.http.maxConcurrentStreams",
        "connectionPool.http",
        r#"{"h2UpgradePolicy": "UPGRADE"}"#,
    ),
    (
        "DestinationRule",
        "connectionPool.http.http2KeepAlive",
        "connectionPool.http",
        r#"{"h2UpgradePolicy": "UPGRADE"}"#,
    ),
    (
        "DestinationRule",
        "http2KeepAlive",
        "http2KeepAlive",
        r#"{"interval": "5s", "timeout": "5s"}"#,
    ),
    ("DestinationRule", "outlierDetection", "outlierDetection", r#"{"interval": "3s"}"#),
    (
        "DestinationRule",
        "consecutiveLocalOriginFailures",
        "outlierDetection",
        r#"{"splitExternalLocalOriginErrors": true}"#,
    ),
    ("DestinationRule", ".tls.", "tls", r#"{"mode": "SIMPLE"}"#),
    ("DestinationRule", "tunnel", "tunnel", r#"{"targetHost": "a", "targetPort": 1}"#),
    ("DestinationRule", "retryBudget", "retryBudget", r#"{"percent": 10}"#),
    (
        "Gateway",
        "servers[].tls",
        "servers[]",
        r#"{"port": {"number": 443, "protocol": "HTTPS"}, "tls": {"mode": "SIMPLE"}}"#,
    ),
    (
        "Gateway",
        "servers[].tls.httpsRedirect",
        "servers[]",
        r#"{"port": {"number": 80, "protocol": "HTTP"}, "tls": null}"#,
    ),
    ("Gateway", "servers[].tls.mode", "servers[]", r#"{"tls": {"mode": "PASSTHROUGH"}}"#),
    ("ServiceEntry", "targetPort", "", r#"{"endpoints": [{"address": "10.9.9.9"}]}"#),
    ("ServiceEntry", "workloadSelector", "", r#"{"endpoints": null}"#),
    (
        "Sidecar",
        "ingress",
        "",
        r#"{"ingress": [{"port": {"number": 9080, "protocol": "HTTP", "name": "h"}}]}"#,
    ),
    (
        "Sidecar",
        "onnectionPool.http.",
        "",
        r#"{"ingress": [{"port": {"number": 9080, "protocol": "HTTP2", "name": "h"}}]}"#,
    ),
    (
        "Sidecar",
        "onnectionPool.tcp.idleTimeout",
        "",
        r#"{"ingress": [{"port": {"number": 9080, "protocol": "TCP", "name": "t"}}]}"#,
    ),
    (
        "Sidecar",
        "onnectionPool.http.http2KeepAlive",
        "http2KeepAlive",
        r#"{"interval": "5s", "timeout": "5s"}"#,
    ),
    ("Sidecar", "outboundTrafficPolicy.mode", "outboundTrafficPolicy", r#"{"mode": "ALLOW_ANY"}"#),
    (
        "Sidecar",
        "egressProxy",
        "outboundTrafficPolicy",
        r#"{"mode": "ALLOW_ANY", "egressProxy": {"host": "reviews", "port": {"number": 9080}}}"#,
    ),
];

/// What stands beside the field, and where.
pub(super) fn context(kind: &str, path: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (of, holds, place, patch) in CONTEXT {
        // A word at the end of the path must be the whole field.
        let fits = path.contains(holds)
            && !(*holds == "fault.delay.percent" && path.contains("percentage"));
        if *of != kind || !fits {
            continue;
        }
        let at =
            if place.is_empty() { Some(0) } else { path.find(place).map(|at| at + place.len()) };
        let Some(at) = at else { continue };
        let patch = serde_json::from_str(patch).expect("the patch is JSON");
        found.push((path[..at].to_owned(), patch));
    }
    found
}

/// Values by the end of a path; the first that fits counts.
const VALUES: &[(&str, &str, &str)] = &[
    ("", "exportTo", r#"["~"]"#),
    ("VirtualService", "hosts", r#"["ratings"]"#),
    ("VirtualService", "gateways", r#"["gw"]"#),
    ("VirtualService", "redirectCode", "302"),
    ("VirtualService", "derivePort", r#""FROM_REQUEST_PORT""#),
    ("VirtualService", "directResponse.status", "201"),
    ("VirtualService", "body.bytes", r#""eA==""#),
    ("VirtualService", "delegate.name", r#""d2""#),
    ("VirtualService", "delegate.namespace", r#""other""#),
    ("VirtualService", "uriRegexRewrite.match", r#""^/z$""#),
    ("VirtualService", "retryOn", r#""5xx""#),
    ("VirtualService", "retryIgnorePreviousHosts", "false"),
    ("VirtualService", "httpStatus", "503"),
    ("VirtualService", "grpcStatus", r#""UNAVAILABLE""#),
    ("VirtualService", "mirror.host", r#""reviews""#),
    ("VirtualService", "mirrors[].destination.host", r#""reviews""#),
    ("VirtualService", "tls[].route[].destination.host", r#""reviews""#),
    ("VirtualService", "tcp[].route[].destination.host", r#""reviews""#),
    ("VirtualService", "destination.host", r#""ratings""#),
    ("VirtualService", "unmatchedPreflights", r#""IGNORE""#),
    ("VirtualService", "sniHosts", r#"["y.db.example"]"#),
    ("VirtualService", "destinationSubnets", r#"["10.0.0.0/8"]"#),
    ("VirtualService", "sourceSubnet", r#""10.0.0.0/8""#),
    ("DestinationRule", "host", r#""ratings""#),
    ("DestinationRule", "labels", r#"{"version": "v2"}"#),
    ("DestinationRule", "simple", r#""RANDOM""#),
    ("DestinationRule", "distribute[].from", r#""q/*""#),
    ("DestinationRule", "distribute[].to", r#"{"r/*": 50, "q/*": 50}"#),
    ("DestinationRule", "localityLbSetting.enabled", "false"),
    ("DestinationRule", "failoverPriority", r#"["version"]"#),
    ("DestinationRule", "tableSize", "251"),
    ("DestinationRule", "outlierDetectionHttpErrorCodes", "[503]"),
    ("DestinationRule", "portLevelSettings[].port.number", "9000"),
    ("DestinationRule", "tls.mode", r#""MUTUAL""#),
    ("DestinationRule", "attributes[].name", r#""SameSite""#),
    ("Gateway", "protocol", r#""TCP""#),
    ("Gateway", "bind", r#""10.0.0.1""#),
    ("Gateway", "tls.mode", r#""SIMPLE""#),
    ("Gateway", "hosts", r#"["a.example"]"#),
    ("ServiceEntry", "hosts", r#"["o.example"]"#),
    ("ServiceEntry", "addresses", r#"["240.0.0.9"]"#),
    ("ServiceEntry", "ports[].protocol", r#""TCP""#),
    ("ServiceEntry", "location", r#""MESH_INTERNAL""#),
    ("ServiceEntry", "resolution", r#""DNS""#),
    ("ServiceEntry", "workloadSelector.labels", r#"{"app": "reviews"}"#),
    ("ServiceEntry", "endpoints[].address", r#""10.9.9.8""#),
    ("ServiceEntry", "endpoints[].ports", r#"{"http": 7}"#),
    ("ServiceEntry", "endpoints[].labels", r#"{"version": "v9"}"#),
    ("", "locality", r#""r/b/s""#),
    ("WorkloadEntry", "address", r#""10.8.8.9""#),
    ("WorkloadEntry", "ports", r#"{"http": 7}"#),
    ("WorkloadEntry", "labels", r#"{"app": "other"}"#),
    ("Sidecar", "egress[].hosts", r#"["*/*"]"#),
    ("Sidecar", "bind", r#""10.0.0.1""#),
    ("Sidecar", "captureMode", r#""NONE""#),
    ("Sidecar", "defaultEndpoint", r#""127.0.0.1:7""#),
    ("Sidecar", "port.protocol", r#""TCP""#),
    ("Sidecar", "outboundTrafficPolicy.mode", r#""REGISTRY_ONLY""#),
    ("Sidecar", "egressProxy.host", r#""ratings""#),
    ("", "h2UpgradePolicy", r#""UPGRADE""#),
];

/// Words in the names of fields that hold a time.
const TIMES: &[&str] = &[
    "timeout",
    "Timeout",
    "interval",
    "Interval",
    "Time",
    "Delay",
    "maxAge",
    "backoff",
    "duration",
    "Duration",
    "ttl",
    "Secs",
    "tcpKeepalive.time",
];

/// A value for a field.
pub(super) fn value(kind: &str, path: &str, schema: &Value) -> Value {
    let known =
        VALUES.iter().find(|(of, end, _)| (of.is_empty() || *of == kind) && path.ends_with(end));
    if let Some((_, _, value)) = known {
        return serde_json::from_str(value).expect("the value is JSON");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.last().cloned().unwrap_or_default();
    }
    match schema["type"].as_str() {
        Some("boolean") => json!(true),
        Some("integer") => json!(7),
        Some("number") => json!(12.5),
        Some("array") if schema["items"]["type"] == "integer" => json!([7]),
        Some("array") => json!(["x"]),
        Some("object") => json!({"a": "b"}),
        _ if TIMES.iter().any(|end| path.ends_with(end)) => json!("7s"),
        _ => json!("x"),
    }
}

/// Fields that rightly change nothing in what a proxy is told, and why.
const QUIET: &[(&str, &str, &str)] = &[
    ("Gateway", "servers[].name", "a name for people"),
    ("Gateway", "servers[].port.name", "a name for people"),
    ("Sidecar", "port.name", "a name for people"),
    ("Sidecar", "egress[].port.protocol", "the services say what is spoken"),
    ("", "serviceAccount", "counts with mutual TLS"),
];

/// Why a field changes nothing.
pub(super) fn quiet(kind: &str, path: &str) -> Option<&'static str> {
    let found =
        QUIET.iter().find(|(of, end, _)| (of.is_empty() || *of == kind) && path.ends_with(end));
    found.map(|(_, _, why)| *why)
}
