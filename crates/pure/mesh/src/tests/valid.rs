//! Whatever the objects say, Envoy must be able to take what comes out.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Script, Told, sidecar};
use crate::{Node, NodeKind, World, publish, understand};

/// Checks what Envoy's validation rules and its own checks refuse, as far as it can be seen here.
fn check(told: &Told) {
    let clusters: BTreeSet<String> = told.clusters().into_keys().collect();
    let tables = told.tables();
    let mut listening = BTreeSet::new();
    for (name, listener) in told.listeners() {
        assert!(!name.is_empty());
        let at = listener["address"]["socketAddress"].to_string();
        assert!(listening.insert(at), "{name}: two listeners on one address");
        let chains = listener["filterChains"].as_array().cloned().unwrap_or_default();
        assert!(!chains.is_empty(), "{name}");
        let mut matches = BTreeSet::new();
        for chain in &chains {
            assert!(
                matches.insert(chain["filterChainMatch"].to_string()),
                "{name}: two chains, one match"
            );
            let filters = chain["filters"].as_array().cloned().unwrap_or_default();
            let config = &filters.last().expect("a chain has filters")["typedConfig"];
            assert!(!config["statPrefix"].as_str().unwrap_or("").is_empty(), "{name}");
            if let Some(table) = config["rds"]["routeConfigName"].as_str() {
                assert!(tables.contains_key(table), "{name}: no table {table}");
            }
        }
    }
    for (name, table) in tables {
        let mut names = BTreeSet::new();
        let mut domains = BTreeSet::new();
        for host in table["virtualHosts"].as_array().into_iter().flatten() {
            assert!(names.insert(host["name"].to_string()), "{name}: {}", host["name"]);
            let own = host["domains"].as_array().cloned().unwrap_or_default();
            assert!(!own.is_empty(), "{name}: a host without domains");
            for domain in own {
                let lower = domain.to_string().to_ascii_lowercase();
                assert!(domains.insert(lower), "{name}: {domain} stands twice");
            }
            for route in host["routes"].as_array().into_iter().flatten() {
                check_route(&name, route);
            }
        }
    }
    for (name, cluster) in told.clusters() {
        assert!(!name.is_empty());
        if cluster["type"] == "LOGICAL_DNS" {
            let places =
                cluster["loadAssignment"]["endpoints"].as_array().cloned().unwrap_or_default();
            assert_eq!(places.len(), 1, "{name}");
            assert_eq!(places[0]["lbEndpoints"].as_array().map_or(0, Vec::len), 1, "{name}");
        }
        if cluster["type"] == "ORIGINAL_DST" {
            assert_eq!(cluster["lbPolicy"], "CLUSTER_PROVIDED", "{name}");
        }
    }
    assert!(clusters.contains("BlackHoleCluster"));
}

fn check_route(table: &str, route: &Value) {
    let matcher = &route["match"];
    let path =
        ["prefix", "path", "safeRegex"].iter().filter(|key| !matcher[**key].is_null()).count();
    assert_eq!(path, 1, "{table}: {route}");
    let actions = ["route", "redirect", "directResponse"];
    assert_eq!(actions.iter().filter(|key| !route[**key].is_null()).count(), 1, "{table}: {route}");
    let weighted = &route["route"]["weightedClusters"]["clusters"];
    if let Some(clusters) = weighted.as_array() {
        let total: u64 = clusters.iter().filter_map(|one| one["weight"].as_u64()).sum();
        assert!((1..=u64::from(u32::MAX)).contains(&total), "{table}: {route}");
    }
    let edits = ["requestHeadersToAdd", "responseHeadersToAdd"];
    for header in edits.iter().flat_map(|key| route[*key].as_array().into_iter().flatten()) {
        let name = header["header"]["key"].as_str().unwrap_or("");
        assert!(!name.is_empty() && !name.starts_with(':') && name != "host", "{table}: {route}");
    }
}

fn check_all(world: &World) {
    let (model, _) = understand(world);
    let node = sidecar("default", &[("app", "a"), ("version", "v1")]);
    check(&Told(publish(&model.view(&node))));
    let labels = [("istio", "ingressgateway")];
    let gateway = Node { kind: NodeKind::Router, ..sidecar("istio-system", &labels) };
    check(&Told(publish(&model.view(&gateway))));
}

/// A JSON value of any shape.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "",
            "*",
            "a",
            "b",
            "web",
            "*.com",
            "a.com",
            "mesh",
            "gw",
            "v1",
            "1s",
            "0s",
            "100%",
            "%REQ(a)%",
            "http",
            "HTTP",
            "TLS",
            "TCP",
            "/",
            "/a",
            "(",
            "a.*",
            ".",
            "~",
            "10.96.0.1",
            "\u{0}",
            "5xx,503",
            "istio-system/gw",
            "Host",
            ":path",
            "PASSTHROUGH",
            "ROUND_ROBIN",
            "mixed Case",
            "10.0.0.0/8",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9.*/_%-]{0,12}",
    ]
}

fn field() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "host",
        "hosts",
        "http",
        "route",
        "match",
        "destination",
        "subset",
        "subsets",
        "port",
        "number",
        "weight",
        "uri",
        "exact",
        "prefix",
        "regex",
        "headers",
        "request",
        "response",
        "set",
        "add",
        "remove",
        "timeout",
        "retries",
        "attempts",
        "retryOn",
        "fault",
        "delay",
        "abort",
        "percentage",
        "value",
        "mirror",
        "mirrors",
        "redirect",
        "rewrite",
        "delegate",
        "name",
        "namespace",
        "gateways",
        "tls",
        "tcp",
        "sniHosts",
        "servers",
        "protocol",
        "selector",
        "trafficPolicy",
        "loadBalancer",
        "simple",
        "consistentHash",
        "connectionPool",
        "outlierDetection",
        "labels",
        "exportTo",
        "ports",
        "destinationSubnets",
        "sourceLabels",
        "mode",
        "bind",
        "corsPolicy",
        "allowOrigins",
    ])
    .prop_map(str::to_owned)
}

fn entry() -> impl Strategy<Value = Value> {
    let host = prop::sample::select(vec![
        "a.com",
        "*.com",
        "b.a.com",
        "*.a.com",
        "web.default.svc.cluster.local",
    ]);
    let address = prop::sample::select(vec!["10.1.1.1", "10.96.0.1", "10.0.0.0/8", "fd00::1", "x"]);
    let protocol = prop::sample::select(vec!["HTTP", "TLS", "HTTPS", "TCP", "", "GRPC", "MONGO"]);
    let resolution =
        prop::sample::select(vec!["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"]);
    let port = (prop::sample::select(vec![80_u16, 81, 443, 15001]), protocol).prop_map(
        |(number, protocol)| json!({"number": number, "name": "p", "protocol": protocol}),
    );
    let endpoint = (word(), 0_u32..5)
        .prop_map(|(at, weight)| json!({"address": at, "weight": weight, "labels": {"v": "1"}}));
    (
        prop::collection::vec(host, 1..3),
        prop::collection::vec(address, 0..3),
        prop::collection::vec(port, 0..4),
        prop::collection::vec(endpoint, 0..3),
        resolution,
    )
        .prop_map(|(hosts, addresses, ports, endpoints, resolution)| {
            json!({"hosts": hosts, "addresses": addresses, "ports": ports, "endpoints": endpoints, "resolution": resolution})
        })
}

fn rule() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        word().prop_map(|text| json!({"exact": text})),
        word().prop_map(|text| json!({"prefix": text})),
        word().prop_map(|text| json!({"regex": text})),
    ]
    .boxed();
    let texts = prop::collection::btree_map(word(), text.clone(), 0..2).boxed();
    let matches = (text, texts.clone(), texts, prop::option::of(0_u32..100)).prop_map(|(uri, headers, query, port)| {
        json!({"uri": uri, "headers": headers.clone(), "withoutHeaders": headers, "queryParams": query, "port": port})
    });
    let destination =
        (word(), prop::option::of(word()), -1_i64..4).prop_map(|(host, subset, weight)| {
            json!({"destination": {"host": host, "subset": subset}, "weight": weight,
            "headers": {"request": {"set": {host: "x"}}}})
        });
    let edits = prop::collection::btree_map(word(), word(), 0..3);
    (prop::collection::vec(matches, 0..3), prop::collection::vec(destination, 0..4), edits, word(), 0_u32..700).prop_map(
        |(matches, route, edits, text, number)| {
            json!({"match": matches, "route": route, "timeout": text, "rewrite": {"uri": text.clone()},
                "headers": {"request": {"set": edits.clone(), "add": edits.clone(), "remove": [text.clone()]}, "response": {"set": edits}},
                "fault": {"abort": {"httpStatus": number, "percentage": {"value": f64::from(number) / 3.0}}},
                "retries": {"attempts": number, "retryOn": text}})
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_object_makes_it_panic(specs in prop::collection::vec((0_usize..11, word(), anything()), 1..6)) {
        let kinds = [
            ("networking.istio.io/v1", "VirtualService"), ("networking.istio.io/v1", "DestinationRule"),
            ("networking.istio.io/v1", "Gateway"), ("v1", "Service"), ("v1", "Pod"), ("v1", "Node"),
            ("discovery.k8s.io/v1", "EndpointSlice"), ("networking.istio.io/v1", "ServiceEntry"),
            ("networking.istio.io/v1", "WorkloadEntry"), ("networking.istio.io/v1", "Sidecar"), ("v1", "ConfigMap"),
        ];
        let mut script = Script::default();
        script.app("web", 80, &["v1"]).ingress();
        for (kind, name, spec) in specs {
            let (version, kind) = kinds[kind];
            script.add(json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}));
        }
        check_all(&script.world());
    }

    #[test]
    fn entries_of_any_words_stay_valid(
        entries in prop::collection::vec(entry(), 1..5),
        egress in prop::collection::vec((word(), word(), prop::option::of(0_u32..100)), 0..3),
        mode in word(),
    ) {
        let mut script = Script::default();
        script.app("web", 80, &["v1"]).ingress();
        for (index, spec) in entries.iter().enumerate() {
            script.istio("ServiceEntry", &format!("e{index}"), spec.clone());
        }
        script.istio("VirtualService", "v", json!({"hosts": ["a.com", "*.com"],
            "tcp": [{"route": [{"destination": {"host": "a.com"}}]}],
            "tls": [{"match": [{"sniHosts": ["a.com"]}], "route": [{"destination": {"host": "web"}}]}]}));
        script.istio("DestinationRule", "d", json!({"host": "a.com", "subsets": [{"name": "v1", "labels": {"v": "1"}}],
            "trafficPolicy": {"outlierDetection": {}, "loadBalancer": {"simple": mode}}}));
        let egress: Vec<Value> = egress.into_iter().map(|(namespace, host, port)| json!({
            "hosts": [format!("{namespace}/{host}"), "*/*.com"], "port": port.map(|number| json!({"number": number}))})).collect();
        script.istio("Sidecar", "s", json!({"egress": egress}));
        check_all(&script.world());
    }

    #[test]
    fn rules_of_any_words_stay_valid(
        hosts in prop::collection::vec(word(), 1..4),
        rules in prop::collection::vec(rule(), 0..4),
        server in prop::collection::vec(word(), 1..3),
    ) {
        let mut script = Script::default();
        script.app("web", 80, &["v1"]).app("a", 80, &["v1"]).ingress();
        script.istio("Gateway", "gw", json!({"servers": [
            {"port": {"number": 80, "protocol": "HTTP", "name": "h"}, "hosts": server},
            {"port": {"number": 443, "protocol": "TLS", "name": "t"}, "hosts": ["*"], "tls": {"mode": "PASSTHROUGH"}}]}));
        script.istio("VirtualService", "v", json!({"hosts": hosts, "gateways": ["mesh", "gw"], "http": rules,
            "tls": [{"match": [{"sniHosts": hosts}, {"sniHosts": ["*", "a.com"]}], "route": [{"destination": {"host": "web"}}]}]}));
        check_all(&script.world());
    }
}
