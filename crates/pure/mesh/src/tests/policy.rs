//! DestinationRules.

use serde_json::{Value, json};

use super::{Script, sidecar};
use crate::Node;

const NAME: &str = "outbound|9080||reviews.default.svc.cluster.local";

fn cluster(policy: Value) -> Value {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    script.istio("DestinationRule", "r", json!({"host": "reviews", "trafficPolicy": policy}));
    script.sidecar().cluster(NAME)
}

#[test]
fn every_simple_balancer() {
    let table = [
        ("UNSPECIFIED", "LEAST_REQUEST"),
        ("LEAST_CONN", "LEAST_REQUEST"),
        ("LEAST_REQUEST", "LEAST_REQUEST"),
        ("RANDOM", "RANDOM"),
        ("ROUND_ROBIN", "ROUND_ROBIN"),
        ("PASSTHROUGH", "CLUSTER_PROVIDED"),
    ];
    for (simple, expected) in table {
        let cluster = cluster(json!({"loadBalancer": {"simple": simple}}));
        // The enum's zero is left out of JSON.
        let found = cluster["lbPolicy"].as_str().unwrap_or("ROUND_ROBIN");
        assert_eq!(found, expected, "{simple}");
        let kind = if simple == "PASSTHROUGH" { "ORIGINAL_DST" } else { "EDS" };
        assert_eq!(cluster["type"], kind, "{simple}");
    }
}

#[test]
fn consistent_hash_sets_ring_and_route() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    script.istio("DestinationRule", "r", json!({"host": "reviews", "trafficPolicy": {"loadBalancer": {
        "consistentHash": {"httpCookie": {"name": "user", "path": "/", "ttl": "0s"}, "ringHash": {"minimumRingSize": 2048}}}}}));
    let told = script.sidecar();
    let cluster = told.cluster(NAME);
    assert_eq!(cluster["lbPolicy"], "RING_HASH");
    assert_eq!(cluster["ringHashLbConfig"]["minimumRingSize"], "2048");
    let route = &told.routes("9080", "reviews")[0]["route"];
    assert_eq!(
        route["hashPolicy"],
        json!([{"cookie": {"name": "user", "ttl": "0s", "path": "/"}}])
    );
    assert!(route["retryPolicy"].get("retryHostPredicate").is_none(), "a retry stays on its host");
    let maglev = self::cluster(
        json!({"loadBalancer": {"consistentHash": {"useSourceIp": true, "maglev": {"tableSize": 10}}}}),
    );
    assert_eq!(maglev["lbPolicy"], "MAGLEV");
    assert_eq!(maglev["maglevLbConfig"]["tableSize"], "65537", "10 is no prime");
}

#[test]
fn limits_and_timeouts() {
    let cluster = cluster(json!({"connectionPool": {
        "tcp": {"maxConnections": 7, "connectTimeout": "250ms", "tcpKeepalive": {"probes": 3, "time": "60s", "interval": "10s"}},
        "http": {"http1MaxPendingRequests": 1, "http2MaxRequests": 2, "maxRetries": 3, "maxRequestsPerConnection": 4, "idleTimeout": "5s"}}}));
    let limits = &cluster["circuitBreakers"]["thresholds"][0];
    assert_eq!(limits["maxConnections"], 7);
    assert_eq!(limits["maxPendingRequests"], 1);
    assert_eq!(limits["maxRequests"], 2);
    assert_eq!(limits["maxRetries"], 3);
    assert_eq!(cluster["connectTimeout"], "0.250s");
    assert_eq!(cluster["upstreamConnectionOptions"]["tcpKeepalive"]["keepaliveTime"], 60);
    let http = cluster["typedExtensionProtocolOptions"].to_string();
    assert!(
        http.contains("\"idleTimeout\":\"5s\"") && http.contains("\"maxRequestsPerConnection\":4"),
        "{http}"
    );
    assert!(http.contains("explicitHttpConfig"), "{http}");
}

#[test]
fn ejection_and_its_panic_threshold() {
    let plain = cluster(json!({"outlierDetection": {}}));
    assert_eq!(plain["outlierDetection"], json!({"enforcingSuccessRate": 0}));
    assert_eq!(plain["commonLbConfig"]["healthyPanicThreshold"], json!({}));
    let full = cluster(
        json!({"outlierDetection": {"consecutive5xxErrors": 0, "consecutiveGatewayErrors": 3,
        "interval": "5s", "baseEjectionTime": "15s", "maxEjectionPercent": 100, "minHealthPercent": 40,
        "splitExternalLocalOriginErrors": true, "consecutiveLocalOriginFailures": 2}}),
    );
    let out = &full["outlierDetection"];
    assert_eq!(out["enforcingConsecutive5xx"], 0);
    assert_eq!(out["consecutiveGatewayFailure"], 3);
    assert_eq!(out["enforcingConsecutiveGatewayFailure"], 100);
    assert_eq!(out["enforcingConsecutiveLocalOriginFailure"], 100);
    assert_eq!(out["maxEjectionPercent"], 100);
    assert_eq!(full["commonLbConfig"]["healthyPanicThreshold"]["value"], 40.0);
}

#[test]
fn subsets_and_ports_replace_whole_blocks() {
    let mut script = Script::default();
    script
        .service("reviews", json!([{"name": "http", "port": 80}, {"name": "http-b", "port": 81}]));
    script.istio("DestinationRule", "r", json!({"host": "reviews",
        "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}, "connectionPool": {"tcp": {"maxConnections": 5}},
            "portLevelSettings": [{"port": {"number": 81}, "connectionPool": {"tcp": {"maxConnections": 6}}}]},
        "subsets": [{"name": "v1", "labels": {"version": "v1"},
            "trafficPolicy": {"connectionPool": {"http": {"maxRetries": 9}}}}]}));
    let told = script.sidecar();
    let facts = |name: &str| {
        let one = told.cluster(&format!("outbound|{name}|reviews.default.svc.cluster.local"));
        let limits = one["circuitBreakers"]["thresholds"][0].clone();
        (
            one["lbPolicy"].as_str().unwrap_or("").to_owned(),
            limits["maxConnections"].as_u64(),
            limits["maxRetries"].as_u64(),
        )
    };
    let none = Some(u64::from(u32::MAX));
    assert_eq!(facts("80|"), ("RANDOM".into(), Some(5), none));
    assert_eq!(facts("81|"), ("LEAST_REQUEST".into(), Some(6), none));
    assert_eq!(facts("80|v1"), ("RANDOM".into(), none, Some(9)));
    assert_eq!(facts("81|v1"), ("LEAST_REQUEST".into(), none, Some(9)));
}

#[test]
fn the_client_s_namespace_is_asked_first_then_the_service_s_then_the_root() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    let fq = "reviews.default.svc.cluster.local";
    let rule = |limit: u32| json!({"host": fq, "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": limit}}}});
    script.istio_in("istio-system", "DestinationRule", "root", rule(3));
    let limit = |script: &Script, node: &Node| {
        script.snapshot(node).cluster(NAME)["circuitBreakers"]["thresholds"][0]["maxConnections"]
            .as_u64()
    };
    let (other, third) = (sidecar("other", &[("app", "x")]), sidecar("third", &[]));
    assert_eq!(limit(&script, &other), Some(3));
    script.istio_in("default", "DestinationRule", "service", rule(2));
    assert_eq!(limit(&script, &other), Some(2));
    script.istio_in("other", "DestinationRule", "client", rule(1));
    assert_eq!(limit(&script, &other), Some(1));
    assert_eq!(limit(&script, &third), Some(2));
    let mut selected = rule(9);
    selected["workloadSelector"] = json!({"matchLabels": {"app": "x"}});
    script.istio_in("other", "DestinationRule", "selected", selected);
    assert_eq!(limit(&script, &other), Some(9));
    assert_eq!(limit(&script, &sidecar("other", &[])), Some(1));
}

#[test]
fn the_most_specific_host_wins_and_equal_hosts_merge() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    script.istio(
        "DestinationRule",
        "wide",
        json!({"host": "*.default.svc.cluster.local",
        "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}),
    );
    assert_eq!(script.sidecar().cluster(NAME)["lbPolicy"], "RANDOM");
    script.istio(
        "DestinationRule",
        "a",
        json!({"host": "reviews", "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}),
    );
    script.istio(
        "DestinationRule",
        "b",
        json!({"host": "reviews", "subsets": [
        {"name": "v1", "labels": {"version": "no"}}, {"name": "all", "labels": {}}]}),
    );
    let told = script.sidecar();
    assert_eq!(told.cluster(NAME)["lbPolicy"], "LEAST_REQUEST");
    assert_eq!(told.hosts("outbound|9080|v1|reviews.default.svc.cluster.local").len(), 1);
    assert_eq!(told.hosts("outbound|9080|all|reviews.default.svc.cluster.local").len(), 1);
    assert!(script.findings().contains(&"LAT0004 spec.subsets".to_owned()));
}

/// Endpoints in `eu/a`, `eu/b` and `us/c`, seen from `eu/a`: place and priority (and weight).
fn places(balancer: Value, outlier: bool) -> Vec<(String, u64, u64)> {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1", "v1", "v1"]);
    for (index, place) in ["eu.a", "eu.b", "us.c"].iter().enumerate() {
        script.add(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("reviews-v1-{index}"), "labels": {"app": "reviews", "istio-locality": place, "slot": index.to_string()}},
            "spec": {"containers": []}, "status": {"podIP": format!("10.244.1.{}", index + 1)}}));
    }
    let mut policy = json!({"loadBalancer": balancer});
    if outlier {
        policy["outlierDetection"] = json!({});
    }
    script.istio("DestinationRule", "r", json!({"host": "reviews", "trafficPolicy": policy}));
    let mut node = sidecar("default", &[("slot", "2")]);
    node.locality = crate::model::Locality::from_text("eu/a");
    let told = script.snapshot(&node).endpoints(NAME);
    told["endpoints"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            let place = format!(
                "{}/{}",
                one["locality"]["region"].as_str().unwrap_or(""),
                one["locality"]["zone"].as_str().unwrap_or("")
            );
            (
                place,
                one["priority"].as_u64().unwrap_or(0),
                one["loadBalancingWeight"].as_u64().unwrap_or(0),
            )
        })
        .collect()
}

#[test]
fn near_places_come_first_where_bad_hosts_are_ejected() {
    let ranks = |found: Vec<(String, u64, u64)>| {
        found.into_iter().map(|(_, rank, _)| rank).collect::<Vec<_>>()
    };
    assert_eq!(ranks(places(json!({}), false)), [0, 0, 0]);
    assert_eq!(ranks(places(json!({}), true)), [0, 1, 2]);
    assert_eq!(ranks(places(json!({"localityLbSetting": {"enabled": false}}), true)), [0, 0, 0]);
    let by_label = places(json!({"localityLbSetting": {"failoverPriority": ["slot"]}}), true);
    assert_eq!(by_label[0], ("us/c".to_owned(), 0, 1));
}

#[test]
fn shares_by_place() {
    let found = places(
        json!({"localityLbSetting": {"distribute": [
        {"from": "us/*", "to": {"*": 100}},
        {"from": "eu/*", "to": {"eu/a/*": 80, "us/*": 20}}]}}),
        false,
    );
    assert_eq!(found, [("eu/a".to_owned(), 0, 80_000), ("us/c".to_owned(), 0, 20_000)]);
}

#[test]
fn a_slow_start_and_http2() {
    let warm = cluster(
        json!({"loadBalancer": {"simple": "ROUND_ROBIN", "warmup": {"duration": "30s", "minimumPercent": 5, "aggression": 2}}}),
    );
    let slow = &warm["roundRobinLbConfig"]["slowStartConfig"];
    assert_eq!(slow["slowStartWindow"], "30s");
    assert_eq!(slow["minWeightPercent"]["value"], 5.0);
    assert_eq!(slow["aggression"]["defaultValue"], 2.0);
    let two = cluster(
        json!({"connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE", "maxConcurrentStreams": 10}}}),
    );
    let text = two["typedExtensionProtocolOptions"].to_string();
    assert!(
        text.contains("http2ProtocolOptions") && text.contains("\"maxConcurrentStreams\":10"),
        "{text}"
    );
    let same = cluster(json!({"connectionPool": {"http": {"useClientProtocol": true}}}));
    assert!(same.to_string().contains("useDownstreamProtocolConfig"));
}

#[test]
fn sticky_requests_stay_in_one_part_of_a_split() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1", "v2"]);
    script.istio("DestinationRule", "r", json!({"host": "reviews",
        "trafficPolicy": {"loadBalancer": {"consistentHash": {"httpHeaderName": "X-User"}}},
        "subsets": [{"name": "v1", "labels": {"version": "v1"}}, {"name": "v2", "labels": {"version": "v2"}}]}));
    script.istio(
        "VirtualService",
        "v",
        json!({"hosts": ["reviews"], "http": [{"route": [
        {"destination": {"host": "reviews", "subset": "v1"}, "weight": 90},
        {"destination": {"host": "reviews", "subset": "v2"}, "weight": 10}]}]}),
    );
    let route = script.sidecar().routes("9080", "reviews")[0]["route"].clone();
    assert_eq!(route["hashPolicy"], json!([{"header": {"headerName": "x-user"}}]));
    assert_eq!(route["weightedClusters"]["useHashPolicy"], true);
    // Without a hash, chance decides.
    let mut script = Script::default();
    script.app("a", 80, &["v1"]).app("b", 80, &["v1"]);
    script.istio("VirtualService", "v", json!({"hosts": ["a"], "http": [{"route": [
        {"destination": {"host": "a"}, "weight": 1}, {"destination": {"host": "b"}, "weight": 1}]}]}));
    let route = script.sidecar().routes("80", "a")[0]["route"].clone();
    assert!(route["weightedClusters"].get("useHashPolicy").is_none(), "{route}");
}

#[test]
fn ejection_works_with_few_hosts_unless_an_annotation_says_no() {
    let one = |versions: &[&str], annotation: Option<&str>| {
        let mut script = Script::default();
        script.app("reviews", 9080, versions);
        let notes = annotation.map(|word| json!({"lateen/always-eject-one-host": word}));
        script.add(json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"name": "r", "annotations": notes},
            "spec": {"host": "reviews", "trafficPolicy": {"outlierDetection": {}},
                "subsets": [{"name": "v1", "labels": {"version": "v1"}, "trafficPolicy": {"outlierDetection": {"interval": "1s"}}}]}}));
        let clusters = script.sidecar().clusters();
        let always = |subset: &str| {
            let name = format!("outbound|9080|{subset}|reviews.default.svc.cluster.local");
            clusters[&name]["outlierDetection"].get("alwaysEjectOneHost").cloned()
        };
        (always(""), always("v1"), script.findings())
    };
    let yes = Some(json!(true));
    assert_eq!(one(&["v1", "v1"], None), (yes.clone(), yes.clone(), vec![]));
    assert_eq!(one(&["v1", "v2"], None), (yes.clone(), None, vec![]), "a single host stays");
    assert_eq!(one(&["v1", "v1"], Some("false")), (None, None, vec![]));
    let (always, _, findings) = one(&["v1", "v1"], Some("maybe"));
    assert_eq!(always, yes);
    assert_eq!(findings, ["IST0106 metadata.annotations[lateen/always-eject-one-host]"]);
}

#[test]
fn the_mesh_may_prefer_places_for_all() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    script.mesh_config("localityLbSetting: { distribute: [ { from: '*', to: { '*': 100 } } ] }");
    let cluster = script.sidecar().cluster(NAME);
    assert_eq!(cluster["commonLbConfig"], json!({"localityWeightedLbConfig": {}}));
    script.istio(
        "DestinationRule",
        "r",
        json!({"host": "reviews", "trafficPolicy": {"loadBalancer": {
        "localityLbSetting": {"enabled": false}}}}),
    );
    let cluster = script.sidecar().cluster(NAME);
    assert!(
        cluster["commonLbConfig"].get("localityWeightedLbConfig").is_none(),
        "the rule's own replaces it"
    );
}

#[test]
fn labels_come_before_regions_where_both_are_named() {
    let both = places(
        json!({"localityLbSetting": {"failoverPriority": ["topology.kubernetes.io/region"],
            "failover": [{"from": "eu", "to": "us"}]}}),
        true,
    );
    let plain = places(
        json!({"localityLbSetting": {"failoverPriority": ["topology.kubernetes.io/region"]}}),
        true,
    );
    assert_ne!(both, plain, "regions decide among places with equal labels");
}

#[test]
fn pings_lives_and_budgets() {
    let cluster = cluster(json!({
        "connectionPool": {"tcp": {"maxConnectionDuration": "1h"},
            "http": {"h2UpgradePolicy": "UPGRADE", "http2KeepAlive": {"interval": "15s", "timeout": "5s"}}},
        "retryBudget": {"percent": 12.5, "minRetryConcurrency": 2, "budgetInterval": "3s"}}));
    let options = &cluster["typedExtensionProtocolOptions"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
    assert_eq!(options["commonHttpProtocolOptions"]["maxConnectionDuration"], "3600s");
    assert_eq!(
        options["explicitHttpConfig"]["http2ProtocolOptions"]["connectionKeepalive"],
        json!({"interval": "15s", "timeout": "5s"})
    );
    assert_eq!(
        cluster["circuitBreakers"]["thresholds"][0]["retryBudget"],
        json!({"budgetPercent": {"value": 12.5}, "minRetryConcurrency": 2, "budgetInterval": "3s"})
    );
    let old = self::cluster(
        json!({"loadBalancer": {"simple": "LEAST_REQUEST", "warmupDurationSecs": "20s"}}),
    );
    assert_eq!(old["leastRequestLbConfig"]["slowStartConfig"]["slowStartWindow"], "20s");
}

#[test]
fn bytes_have_idle_time_life_and_a_hash_of_their_source() {
    let mut script = Script::default();
    script.service("db", json!([{"name": "tcp", "port": 5432}]));
    script.istio(
        "DestinationRule",
        "d",
        json!({"host": "db", "trafficPolicy": {
        "loadBalancer": {"consistentHash": {"useSourceIp": true}},
        "connectionPool": {"tcp": {"idleTimeout": "0s", "maxConnectionDuration": "60s"}}}}),
    );
    let listener = script.sidecar().listener("10.96.0.1_5432");
    let proxy = super::filter(&listener["filterChains"][0]).clone();
    assert_eq!(proxy["idleTimeout"], "0s", "switched off");
    assert_eq!(proxy["maxDownstreamConnectionDuration"], "60s");
    assert_eq!(proxy["hashPolicy"], json!([{"sourceIp": {}}]));
}

#[test]
fn keys_of_a_hash_are_put_into_the_route() {
    let hash = |on: Value| {
        let mut script = Script::default();
        script.app("reviews", 9080, &["v1"]);
        script.istio(
            "DestinationRule",
            "r",
            json!({"host": "reviews", "trafficPolicy": {"loadBalancer": {"consistentHash": on}}}),
        );
        script.sidecar().routes("9080", "reviews")[0]["route"]["hashPolicy"].clone()
    };
    assert_eq!(
        hash(json!({"httpQueryParameterName": "q"})),
        json!([{"queryParameter": {"name": "q"}}])
    );
    assert_eq!(
        hash(json!({"useSourceIp": true})),
        json!([{"connectionProperties": {"sourceIp": true}}])
    );
    let cookie =
        json!({"httpCookie": {"name": "u", "attributes": [{"name": "SameSite", "value": "Lax"}]}});
    assert_eq!(
        hash(cookie),
        json!([{"cookie": {"name": "u", "attributes": [{"name": "SameSite", "value": "Lax"}]}}]),
        "without a lifetime no cookie is made"
    );
    assert_eq!(hash(json!({})), Value::Null);
}
