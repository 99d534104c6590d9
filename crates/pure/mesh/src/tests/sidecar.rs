//! What a sidecar is told: listeners, clusters, route tables.

use serde_json::json;

use super::{Script, filter, sidecar};
use crate::understand;

#[test]
fn an_http_port_has_one_listener_and_one_route_table() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1", "v2"]).app("ratings", 9080, &["v1"]);
    let told = script.sidecar();
    let names: Vec<_> = told.listeners().into_keys().collect();
    assert_eq!(names, ["0.0.0.0_9080", "virtualInbound", "virtualOutbound"]);
    let listener = told.listener("0.0.0.0_9080");
    assert_eq!(listener["bindToPort"], false);
    assert_eq!(listener["trafficDirection"], "OUTBOUND");
    let chain = &listener["filterChains"][0];
    assert_eq!(chain["filterChainMatch"]["applicationProtocols"], json!(["http/1.1", "h2c"]));
    assert_eq!(filter(chain)["rds"]["routeConfigName"], "9080");
    assert_eq!(filter(&listener["defaultFilterChain"])["cluster"], "PassthroughCluster");
    assert_eq!(
        told.host("9080", "reviews")["domains"],
        json!([
            "reviews.default.svc.cluster.local",
            "reviews.default.svc.cluster.local.",
            "reviews",
            "reviews.default",
            "reviews.default.svc",
            "10.96.0.1",
        ])
    );
    assert_eq!(told.targets("9080", "reviews"), ["9080||reviews"]);
    assert_eq!(told.targets("9080", "*"), ["PassthroughCluster"]);
    assert_eq!(
        told.hosts("outbound|9080||reviews.default.svc.cluster.local"),
        ["10.244.1.1:9080", "10.244.1.2:9080"]
    );
}

#[test]
fn the_short_name_is_for_the_own_namespace_alone() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    let told = script.snapshot(&sidecar("other", &[]));
    let domains = told.host("9080", "reviews.default")["domains"].clone();
    assert!(!domains.as_array().expect("a list").contains(&json!("reviews")), "{domains}");
}

#[test]
fn defaults_are_istio_s_not_envoy_s() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    let told = script.sidecar();
    let cluster = told.cluster("outbound|9080||reviews.default.svc.cluster.local");
    assert_eq!(cluster["type"], "EDS");
    assert_eq!(cluster["lbPolicy"], "LEAST_REQUEST");
    assert_eq!(cluster["connectTimeout"], "10s");
    let limits = &cluster["circuitBreakers"]["thresholds"][0];
    for limit in ["maxConnections", "maxPendingRequests", "maxRequests", "maxRetries"] {
        assert_eq!(limits[limit], u32::MAX, "{limit}");
    }
    assert!(cluster.get("outlierDetection").is_none());
    let route = &told.routes("9080", "reviews")[0];
    assert_eq!(route["name"], "default");
    assert_eq!(route["route"]["timeout"], "0s");
    let retry = &route["route"]["retryPolicy"];
    assert_eq!(retry["numRetries"], 2);
    assert_eq!(
        retry["retryOn"],
        "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
    );
    assert_eq!(told.host("9080", "reviews")["includeRequestAttemptCount"], true);
}

#[test]
fn bytes_have_a_listener_for_each_address() {
    let mut script = Script::default();
    script.service("db", json!([{"name": "tcp-sql", "port": 5432}]));
    let listener = script.sidecar().listener("10.96.0.1_5432");
    assert_eq!(listener["bindToPort"], false);
    assert_eq!(
        filter(&listener["filterChains"][0])["cluster"],
        "outbound|5432||db.default.svc.cluster.local"
    );
    assert!(listener.get("listenerFilters").is_none(), "a server may speak first");
}

#[test]
fn an_undeclared_port_is_looked_at_and_does_not_hang() {
    let mut script = Script::default();
    script.service("odd", json!([{"name": "web", "port": 7000}]));
    let told = script.sidecar();
    let listener = told.listener("10.96.0.1_7000");
    assert_eq!(listener["listenerFiltersTimeout"], "1s");
    assert_eq!(listener["continueOnListenerFiltersTimeout"], true);
    let table = "odd.default.svc.cluster.local:7000";
    assert_eq!(filter(&listener["filterChains"][0])["rds"]["routeConfigName"], table);
    // Beside a chain that asks for a transport, one that asks for nothing would never be reached.
    assert_eq!(listener["filterChains"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        filter(&listener["defaultFilterChain"])["cluster"],
        "outbound|7000||odd.default.svc.cluster.local"
    );
    assert_eq!(told.targets(table, "odd"), ["7000||odd"]);
    let cluster = told.cluster("outbound|7000||odd.default.svc.cluster.local");
    assert!(cluster.to_string().contains("useDownstreamProtocolConfig"));
}

#[test]
fn a_headless_service_is_dialled_by_pod() {
    let mut script = Script::default();
    script.add(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "set"},
        "spec": {"clusterIP": "None", "selector": {"app": "set"},
            "ports": [{"name": "http", "port": 80}, {"name": "tcp", "port": 5432}]}}));
    script.add(
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "set-x", "labels": {"kubernetes.io/service-name": "set"}},
        "ports": [{"name": "http", "port": 80}, {"name": "tcp", "port": 5432}],
        "endpoints": [{"addresses": ["10.244.7.7"]}]}),
    );
    let told = script.sidecar();
    let cluster = told.cluster("outbound|80||set.default.svc.cluster.local");
    assert_eq!(
        (&cluster["type"], &cluster["lbPolicy"]),
        (&json!("ORIGINAL_DST"), &json!("CLUSTER_PROVIDED"))
    );
    assert!(told.listeners().contains_key("10.244.7.7_5432"));
    assert_eq!(told.targets("80", "*.set.default.svc.cluster.local"), ["80||set"]);
    script.ingress();
    let told = script.gateway();
    assert_eq!(told.cluster("outbound|80||set.default.svc.cluster.local")["type"], "EDS");
    assert_eq!(told.hosts("outbound|80||set.default.svc.cluster.local"), ["10.244.7.7:80"]);
}

#[test]
fn only_ready_endpoints_get_requests() {
    let mut script = Script::default();
    script.service("web", json!([{"name": "http", "port": 80, "targetPort": "named"}]));
    script.add(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": 8080}], "endpoints": [
            {"addresses": ["10.244.7.1"], "conditions": {"ready": true}},
            {"addresses": ["10.244.7.2"], "conditions": {"ready": false}},
            {"addresses": ["10.244.7.3"], "conditions": {"ready": false, "serving": true, "terminating": true}},
            {"addresses": ["10.244.7.4"], "conditions": {}},
        ]}));
    let hosts = script.sidecar().hosts("outbound|80||web.default.svc.cluster.local");
    assert_eq!(hosts, ["10.244.7.1:8080", "10.244.7.4:8080"]);
}

#[test]
fn endpoints_tell_who_they_are() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    script.add(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "reviews-v1-0", "labels": {"app": "reviews", "version": "v1",
            "security.istio.io/tlsMode": "istio", "pod-template-hash": "abc"},
            "annotations": {"sidecar.istio.io/status": "{}"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "reviews-v1-abc", "uid": "x", "controller": true}]},
        "spec": {"containers": [], "nodeName": "lateen"}, "status": {"podIP": "10.244.1.1"}}));
    script.add(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "lateen",
        "labels": {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": "eu-a"}}}));
    let place = script.sidecar().endpoints("outbound|9080||reviews.default.svc.cluster.local");
    let place = &place["endpoints"][0];
    assert_eq!(place["locality"], json!({"region": "eu", "zone": "eu-a"}));
    let metadata = &place["lbEndpoints"][0]["metadata"]["filterMetadata"];
    assert_eq!(metadata["istio"]["workload"], "reviews-v1;default;reviews;v1;Kubernetes");
    assert_eq!(metadata["envoy.transport_socket_match"]["tlsMode"], "istio");
    assert_eq!(place["lbEndpoints"][0]["healthStatus"], "HEALTHY");
}

#[test]
fn what_arrives_goes_to_the_application() {
    let mut script = Script::default();
    script.service(
        "me",
        json!([
            {"name": "http", "port": 80, "targetPort": 8080},
            {"name": "grpc", "port": 90, "targetPort": "rpc"},
            {"name": "tcp-x", "port": 5432},
            {"name": "odd", "port": 7000},
        ]),
    );
    script.add(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "me", "labels": {"app": "me"}},
        "spec": {"containers": [{"name": "app", "ports": [{"name": "rpc", "containerPort": 9090}]}]},
        "status": {"podIP": "10.244.99.1"}}));
    let told = script.sidecar();
    let listener = told.listener("virtualInbound");
    let chains: Vec<_> = listener["filterChains"]
        .as_array()
        .expect("chains")
        .iter()
        .map(|chain| {
            let kind = if filter(chain)["routeConfig"].is_null() { "tcp" } else { "http" };
            format!("{} {kind}", chain["filterChainMatch"]["destinationPort"])
        })
        .collect();
    assert_eq!(
        chains,
        ["15006 tcp", "5432 tcp", "7000 http", "7000 tcp", "8080 http", "9090 http", "null http",]
    );
    let disabled = &listener["listenerFilters"][1]["filterDisabled"]["orMatch"]["rules"];
    assert_eq!(disabled.as_array().map(Vec::len), Some(3));
    assert_eq!(filter(&listener["defaultFilterChain"])["cluster"], "InboundPassthroughCluster");
    let manager = filter(&listener["filterChains"][4]);
    assert_eq!(manager["serverName"], "istio-envoy");
    assert_eq!(manager["useRemoteAddress"], false);
    let route = &manager["routeConfig"]["virtualHosts"][0]["routes"][0];
    assert_eq!(route["route"]["cluster"], "inbound|8080||");
    assert_eq!(route["decorator"]["operation"], "me.default.svc.cluster.local:80/*");
    let cluster = told.cluster("inbound|8080||");
    let host = &cluster["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"];
    assert_eq!(
        host["address"]["socketAddress"],
        json!({"address": "127.0.0.1", "portValue": 8080})
    );
    assert!(told.cluster("inbound|9090||").to_string().contains("http2ProtocolOptions"));
    let bind = &told.cluster("InboundPassthroughCluster")["upstreamBindConfig"];
    assert_eq!(bind["sourceAddress"]["address"], "127.0.0.6");
}

#[test]
fn redirected_connections_without_a_rule_pass() {
    let told = Script::default().sidecar();
    let listener = told.listener("virtualOutbound");
    assert_eq!(listener["useOriginalDst"], true);
    assert_eq!(filter(&listener["filterChains"][0])["cluster"], "BlackHoleCluster");
    assert_eq!(filter(&listener["filterChains"][1])["cluster"], "PassthroughCluster");
    let mut world = Script::default().world();
    world.settings.allow_any = false;
    let (model, _) = understand(&world);
    let told = super::Told(crate::publish(&model.view(&sidecar("default", &[]))));
    let chain = told.listener("virtualOutbound")["filterChains"][1].clone();
    assert_eq!(filter(&chain)["cluster"], "BlackHoleCluster");
}

#[test]
fn a_mark_is_put_on_sockets_only_where_it_is_wanted() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    let plain = script.sidecar();
    assert!(!plain.cluster("PassthroughCluster").to_string().contains("socketOptions"));
    let mut node = sidecar("default", &[]);
    node.mark = Some(0x539);
    let marked = script.snapshot(&node);
    for (name, cluster) in marked.clusters() {
        let option = &cluster["upstreamBindConfig"]["socketOptions"][0];
        assert_eq!((&option["level"], &option["name"]), (&json!("1"), &json!("36")), "{name}");
        assert_eq!(option["intValue"], "1337", "{name}");
    }
}

#[test]
fn proxies_that_differ_in_nothing_that_matters_share_a_view() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    script.istio("VirtualService", "r", json!({"hosts": ["reviews"], "http": [
        {"match": [{"sourceLabels": {"app": "web"}}], "route": [{"destination": {"host": "reviews"}}]},
        {"route": [{"destination": {"host": "reviews"}}]}]}));
    let (model, _) = understand(&script.world());
    let web = model.view(&sidecar("default", &[("app", "web")]));
    let mut other = sidecar("default", &[("app", "web"), ("hash", "1")]);
    other.ip = "10.244.99.2".parse().ok();
    other.locality = crate::model::Locality::from_text("eu/a");
    assert_eq!(web, model.view(&other));
    assert_ne!(web, model.view(&sidecar("default", &[("app", "api")])));
    // Reading all again gives equal views too: pointers do not count.
    let (again, _) = understand(&script.world());
    assert_eq!(web, again.view(&other));
}

#[test]
fn a_service_kept_private_is_seen_in_its_namespace_only() {
    let mut script = Script::default();
    script.add(json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "secret", "annotations": {"networking.istio.io/exportTo": "."}},
        "spec": {"clusterIP": "10.96.9.9", "ports": [{"name": "http", "port": 80}]}}));
    let name = "outbound|80||secret.default.svc.cluster.local";
    assert!(script.sidecar().clusters().contains_key(name));
    assert!(!script.snapshot(&sidecar("other", &[])).clusters().contains_key(name));
}
