//! Whatever our control plane tells a proxy, our proxy takes: one mesh that uses every field.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use mesh::{Node, NodeKind, World, publish, understand};
use serde_json::{Value, json};
use traffic::Config;
use xds::snapshot::{CLUSTER, ENDPOINT, LISTENER, ROUTE, Snapshot};

fn istio(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": kind,
        "metadata": {"name": name, "namespace": "default",
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec})
}

/// A Service with ports of every protocol, and a ready pod in each of three places.
fn service(name: &str, number: u32) -> Vec<Value> {
    let ports = [
        ("http", 80),
        ("http2-x", 81),
        ("grpc-x", 82),
        ("tcp-x", 83),
        ("tls-x", 84),
        ("other", 85),
        ("https-x", 86),
        ("mongo-x", 87),
    ];
    let of_service: Vec<Value> =
        ports.iter().map(|(name, port)| json!({"name": name, "port": port})).collect();
    let mut objects = vec![json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": format!("10.96.0.{number}"), "selector": {"app": name},
            "ports": of_service}})];
    let mut endpoints = Vec::new();
    for (at, version) in ["v1", "v2", "v3"].iter().enumerate() {
        let (pod, ip) = (format!("{name}-{version}"), format!("10.244.{number}.{}", at + 1));
        endpoints.push(json!({"addresses": [ip], "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "name": pod}}));
        objects.push(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": pod, "namespace": "default", "labels": {
                "app": name, "version": version,
                "istio-locality": format!("region{at}.zone{at}.sub{at}")}},
            "spec": {"serviceAccountName": "default", "containers": [{"name": "istio-proxy"}]},
            "status": {"podIP": ip, "phase": "Running"}}));
    }
    objects.push(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {"name": format!("{name}-x"), "namespace": "default",
            "labels": {"kubernetes.io/service-name": name}},
        "ports": of_service, "endpoints": endpoints}));
    objects
}

/// A policy for traffic with everything but the balancer.
fn policy(balancer: &Value) -> Value {
    json!({
        "loadBalancer": balancer,
        "connectionPool": {
            "tcp": {"maxConnections": 10, "connectTimeout": "1s", "maxConnectionDuration": "60s",
                "idleTimeout": "30s",
                "tcpKeepalive": {"probes": 3, "time": "60s", "interval": "10s"}},
            "http": {"http1MaxPendingRequests": 5, "http2MaxRequests": 6,
                "maxRequestsPerConnection": 7, "maxRetries": 8, "idleTimeout": "9s",
                "h2UpgradePolicy": "UPGRADE", "maxConcurrentStreams": 11,
                "http2KeepAlive": {"interval": "30s", "timeout": "5s"}},
        },
        "outlierDetection": {"splitExternalLocalOriginErrors": true,
            "consecutiveLocalOriginFailures": 4, "consecutive5xxErrors": 5,
            "consecutiveGatewayErrors": 3, "interval": "5s", "baseEjectionTime": "20s",
            "maxEjectionPercent": 50, "minHealthPercent": 20},
    })
}

fn rules() -> Vec<Value> {
    let warmup = json!({"duration": "30s", "minimumPercent": 5, "aggression": 2.5});
    let hash = |on: Value| json!({"consistentHash": on});
    let places = |rules: Value| json!({"simple": "ROUND_ROBIN", "localityLbSetting": rules});
    let cookie = json!({"httpCookie": {"name": "u", "path": "/", "ttl": "60s"},
        "ringHash": {"minimumRingSize": 2048}});
    let balancers = [
        ("a", json!({"simple": "ROUND_ROBIN", "warmup": warmup})),
        ("b", json!({"simple": "LEAST_REQUEST", "warmupDurationSecs": "10s"})),
        ("c", json!({"simple": "RANDOM"})),
        ("d", json!({"simple": "PASSTHROUGH"})),
        ("e", hash(cookie)),
        ("f", hash(json!({"httpHeaderName": "x-u", "maglev": {"tableSize": 251}}))),
        ("g", hash(json!({"useSourceIp": true}))),
        ("h", hash(json!({"httpQueryParameterName": "q"}))),
        (
            "i",
            places(json!({"enabled": true, "distribute": [
            {"from": "region0/*", "to": {"region0/*": 80, "region1/*": 20}}]})),
        ),
        ("j", places(json!({"enabled": true, "failover": [{"from": "region0", "to": "region1"}]}))),
        ("k", places(json!({"enabled": true, "failoverPriority": ["version", "app"]}))),
    ];
    let mut objects = Vec::new();
    for (number, (name, balancer)) in (1..).zip(balancers) {
        objects.extend(service(name, number));
        let policy = policy(&balancer);
        let mut with_ports = policy.clone();
        with_ports["portLevelSettings"] = json!([{"port": {"number": 82},
            "connectionPool": {"http": {"maxRetries": 1, "useClientProtocol": true}}}]);
        with_ports["retryBudget"] = json!({"percent": 25.0, "minRetryConcurrency": 4});
        objects.push(istio(
            "DestinationRule",
            name,
            &json!({"host": name,
            "trafficPolicy": with_ports, "subsets": [
                {"name": "v1", "labels": {"version": "v1"}},
                {"name": "v2", "labels": {"version": "v2"}, "trafficPolicy": policy}]}),
        ));
        objects.push(istio("VirtualService", name, &routes(name)));
    }
    objects
}

/// Rules with every field, for one host.
fn routes(host: &str) -> Value {
    let to = |subset: &str, weight: u32| {
        json!({"destination": {"host": host, "subset": subset}, "weight": weight,
        "headers": {"request": {"set": {"x-a": "1", "host": "other"}, "add": {"x-b": "2"},
            "remove": ["x-c"]}, "response": {"set": {"x-d": "%PROTOCOL%"}, "remove": ["x-e"]}}})
    };
    let text = json!([{"exact": "a"}, {"prefix": "b"}, {"regex": "c.*"}]);
    let matches: Vec<Value> = text
        .as_array()
        .unwrap()
        .iter()
        .map(|text| {
            json!({"name": "m", "uri": {"prefix": "/api"}, "ignoreUriCase": true,
            "scheme": text, "method": text, "authority": text, "headers": {"x-h": text},
            "withoutHeaders": {"x-n": text, "x-p": {}}, "queryParams": {"q": text},
            "port": 80, "sourceLabels": {"app": "me"}, "sourceNamespace": "default",
            "gateways": ["mesh", "edge"], "statPrefix": "s"})
        })
        .collect();
    json!({"hosts": [host, format!("{host}.example")], "gateways": ["mesh", "edge"],
        "exportTo": ["*"],
        "http": [
            {"name": "all", "match": matches, "route": [to("v1", 60), to("v2", 40)],
                "timeout": "3s", "rewrite": {"uriRegexRewrite":
                    {"match": "^/api/(.*)$", "rewrite": "/\\1"}, "authority": "y"},
                "retries": {"attempts": 3, "perTryTimeout": "1s", "backoff": "50ms",
                    "retryOn": "5xx,gateway-error,reset,connect-failure,refused-stream,retriable-4xx,503",
                    "retryRemoteLocalities": true, "retryIgnorePreviousHosts": true},
                "fault": {"delay": {"fixedDelay": "1s", "percentage": {"value": 0.01}},
                    "abort": {"httpStatus": 503, "percentage": {"value": 12.34}}},
                "mirrors": [{"destination": {"host": host, "subset": "v1"},
                    "percentage": {"value": 5}}, {"destination": {"host": host}}],
                "corsPolicy": {"allowOrigins": [{"exact": "https://a"}, {"regex": ".*"}],
                    "allowMethods": ["GET"], "allowHeaders": ["x"], "exposeHeaders": ["y"],
                    "maxAge": "1m", "allowCredentials": true, "unmatchedPreflights": "IGNORE"},
                "headers": {"request": {"add": {"x-r": "1"}}}},
            {"match": [{"uri": {"exact": "/grpc"}}], "route": [to("v1", 100)],
                "fault": {"abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 1}}},
                "rewrite": {"uri": "/x"}},
            {"match": [{"uri": {"prefix": "/go"}}],
                "redirect": {"uri": "/to", "authority": "z", "port": 8443, "scheme": "https",
                    "redirectCode": 308}},
            {"match": [{"uri": {"regex": "/say.*"}}],
                "directResponse": {"status": 418, "body": {"string": "tea"}}},
            {"route": [{"destination": {"host": host, "port": {"number": 80}}}],
                "retries": {"attempts": 0}},
        ],
        "tcp": [{"match": [{"port": 83, "destinationSubnets": ["10.96.0.0/16"]}],
            "route": [{"destination": {"host": host, "port": {"number": 83}}, "weight": 100}]}],
        "tls": [{"match": [{"port": 84, "sniHosts": [format!("{host}.example")]}],
            "route": [{"destination": {"host": host, "subset": "v1", "port": {"number": 84}}, "weight": 70},
                {"destination": {"host": host, "subset": "v2", "port": {"number": 84}}, "weight": 30}]}],
    })
}

/// Gateways, and what is outside of the mesh.
fn edges() -> Vec<Value> {
    let entry = |name: &str, spec: Value| istio("ServiceEntry", name, &spec);
    let port = |protocol: &str, number: u32| json!([{"name": "p", "number": number, "protocol": protocol}]);
    vec![
        istio(
            "Gateway",
            "edge",
            &json!({"selector": {"istio": "ingressgateway"}, "servers": [
                {"port": {"name": "http", "number": 80, "protocol": "HTTP"}, "hosts": ["*"]},
                {"port": {"name": "http2", "number": 9001, "protocol": "HTTP2"}, "hosts": ["a.example"],
                    "tls": {"httpsRedirect": true}},
                {"port": {"name": "grpc", "number": 9002, "protocol": "GRPC"}, "hosts": ["./b.example"]},
                {"port": {"name": "tcp", "number": 83, "protocol": "TCP"}, "hosts": ["*"]},
                {"port": {"name": "tls", "number": 84, "protocol": "TLS"}, "hosts": ["*"],
                    "tls": {"mode": "PASSTHROUGH"}},
            ]}),
        ),
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "gw", "namespace": "istio-system",
                "labels": {"istio": "ingressgateway"}},
            "spec": {"containers": []}, "status": {"podIP": "10.244.200.1"}}),
        entry(
            "dns",
            json!({"hosts": ["dns.example"], "resolution": "DNS",
            "location": "MESH_EXTERNAL", "ports": port("HTTP", 80),
            "endpoints": [{"address": "one.example", "weight": 3}, {"address": "two.example"}]}),
        ),
        entry(
            "robin",
            json!({"hosts": ["robin.example"], "resolution": "DNS_ROUND_ROBIN",
            "location": "MESH_EXTERNAL", "ports": port("HTTP2", 80)}),
        ),
        entry(
            "none",
            json!({"hosts": ["*.wild.example"], "resolution": "NONE",
            "location": "MESH_EXTERNAL", "ports": port("TLS", 443)}),
        ),
        entry(
            "fixed",
            json!({"hosts": ["fixed.example"], "resolution": "STATIC",
            "addresses": ["240.0.0.1"], "ports": port("TCP", 9000),
            "endpoints": [{"address": "1.2.3.4", "locality": "region1/zone1"}]}),
        ),
        istio(
            "Sidecar",
            "narrow",
            &json!({"workloadSelector": {"labels": {"app": "narrow"}},
            "egress": [{"hosts": ["./*", "istio-system/*"]}],
            "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
            "ingress": [{"port": {"number": 80, "protocol": "HTTP", "name": "http"},
                "defaultEndpoint": "127.0.0.1:8080"}]}),
        ),
    ]
}

fn node(kind: NodeKind, namespace: &str, labels: &[(&str, &str)], ip: &str) -> Node {
    let word = if kind == NodeKind::Router { "router" } else { "sidecar" };
    Node {
        kind,
        id: format!("{word}~{ip}~me.{namespace}~{namespace}.svc.cluster.local"),
        ip: ip.parse().ok(),
        namespace: namespace.to_owned(),
        labels: labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        service_account: "default".to_owned(),
        workload: "me".to_owned(),
        locality: Default::default(),
        mark: Some(0x539),
        register: None,
        network: String::new(),
        checks_health: false,
        has_certificate: false,
        agent: "lateen".to_owned(),
    }
}

fn json_of<M>(body: &[u8]) -> String
where
    M: prost::Message + Default + serde::Serialize,
{
    serde_json::to_string(&M::decode(body).unwrap()).unwrap()
}

/// Takes a snapshot as a proxy does; all of it as proto-JSON.
fn take(snapshot: &Snapshot, who: &str) -> String {
    let mut config = Config::new();
    let (mut refused, mut text) = (Vec::new(), String::new());
    for (type_url, resources) in snapshot.types() {
        for (name, resource) in resources {
            let one = [(name.as_str(), resource.version.as_str(), &*resource.body)];
            if let Err(rejection) = config.update(type_url, &one, &[]) {
                refused.push(rejection.to_string());
            }
            let told = match type_url {
                CLUSTER => json_of::<xds::cluster::Cluster>(&resource.body),
                ENDPOINT => json_of::<xds::endpoint::ClusterLoadAssignment>(&resource.body),
                LISTENER => json_of::<xds::listener::Listener>(&resource.body),
                ROUTE => json_of::<xds::route::RouteConfiguration>(&resource.body),
                _ => String::new(),
            };
            text.push_str(&told);
        }
    }
    assert!(refused.is_empty(), "{who}: {refused:#?}");
    assert_eq!(config.warming(), Vec::<String>::new(), "{who}");
    assert!(!config.table().listeners().is_empty(), "{who}");
    text
}

#[test]
fn a_proxy_takes_whatever_it_is_told() {
    let mut objects = rules();
    objects.extend(edges());
    let (model, _) = understand(&World::new(&objects));
    let sidecar = |labels: &[(&str, &str)], ip| node(NodeKind::Sidecar, "default", labels, ip);
    let gateway =
        node(NodeKind::Router, "istio-system", &[("istio", "ingressgateway")], "10.244.200.1");
    let nodes = [
        ("a caller", sidecar(&[("app", "me")], "10.244.99.1")),
        ("a service", sidecar(&[("app", "a"), ("version", "v1")], "10.244.1.1")),
        ("one with a scope", sidecar(&[("app", "narrow")], "10.244.99.2")),
        ("the gateway", gateway),
    ];
    let mut all = String::new();
    for (who, node) in nodes {
        all.push_str(&take(&publish(&model.view(&node)), who));
    }
    // The mesh above is worth something only if it makes the control plane say these.
    for word in [
        "slowStartConfig",
        "minWeightPercent",
        "previous_priorities",
        "previous_hosts",
        "useHashPolicy",
        "retryBudget",
        "maxPendingRequests",
        "maxRequestsPerConnection",
        "maxConnectionDuration",
        "connectionKeepalive",
        "tcpKeepalive",
        "splitExternalLocalOriginErrors",
        "localityWeightedLbConfig",
        "ringHashLbConfig",
        "maglevLbConfig",
        "STRICT_DNS",
        "ORIGINAL_DST",
        "requestMirrorPolicies",
        "regexRewrite",
        "retryBackOff",
        "serverNames",
        "prefixRanges",
        "HTTPFault",
        "filterEnabled",
    ] {
        assert!(all.contains(word), "nothing said {word}");
    }
}
