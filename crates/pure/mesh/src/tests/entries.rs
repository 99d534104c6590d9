//! ServiceEntry and WorkloadEntry.

use serde_json::{Value, json};

use super::{Script, Told, filter, sidecar};

fn entry(spec: Value) -> Script {
    let mut script = Script::default();
    script.istio("ServiceEntry", "e", spec);
    script
}

fn http(resolution: &str) -> Value {
    json!({"hosts": ["api.example.com"], "resolution": resolution,
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}]})
}

const API: &str = "outbound|80||api.example.com";

#[test]
fn each_resolution_is_a_type_of_cluster() {
    let kind = |resolution: &str| {
        let cluster = entry(http(resolution)).sidecar().cluster(API);
        let names = cluster["loadAssignment"]["endpoints"][0]["lbEndpoints"].clone();
        let at = names[0]["endpoint"]["address"]["socketAddress"].clone();
        (cluster["type"].clone(), cluster["lbPolicy"].clone(), at)
    };
    let name = json!({"address": "api.example.com", "portValue": 8080});
    assert_eq!(kind("NONE"), (json!("ORIGINAL_DST"), json!("CLUSTER_PROVIDED"), Value::Null));
    assert_eq!(kind("STATIC"), (json!("EDS"), json!("LEAST_REQUEST"), Value::Null));
    assert_eq!(kind("DNS"), (json!("STRICT_DNS"), json!("LEAST_REQUEST"), name.clone()));
    assert_eq!(kind("DNS_ROUND_ROBIN"), (json!("LOGICAL_DNS"), json!("LEAST_REQUEST"), name));
    let dns = entry(http("DNS")).sidecar().cluster(API);
    assert_eq!(dns["dnsLookupFamily"], "V4_ONLY");
    assert_eq!((&dns["dnsRefreshRate"], &dns["respectDnsTtl"]), (&json!("60s"), &json!(true)));
    // An absent resolution is the enum's zero.
    let absent = json!({"hosts": ["api.example.com"], "ports": [{"number": 80, "name": "h", "protocol": "HTTP"}]});
    assert_eq!(entry(absent).sidecar().cluster(API)["type"], "ORIGINAL_DST");
}

#[test]
fn a_gateway_resolves_names_and_has_no_original_destination() {
    let script = |resolution| {
        let mut script = entry(http(resolution));
        script.ingress();
        script.gateway().cluster(API)["type"].clone()
    };
    assert_eq!(script("DNS"), "STRICT_DNS");
    assert_eq!(script("NONE"), "EDS");
}

#[test]
fn names_are_looked_up_by_request() {
    let mut script = entry(json!({"hosts": ["*.example.com"], "resolution": "DYNAMIC_DNS",
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"},
            {"number": 443, "name": "tls", "protocol": "TLS", "targetPort": 8443}]}));
    script.ingress();
    for told in [script.sidecar(), script.gateway()] {
        let cluster = told.cluster("outbound|80||*.example.com");
        assert_eq!(cluster["clusterType"]["name"], "envoy.clusters.dynamic_forward_proxy");
        assert_eq!(cluster["lbPolicy"], "CLUSTER_PROVIDED");
    }
    let told = script.sidecar();
    let filters = filter(&told.listener("0.0.0.0_80")["filterChains"][0])["httpFilters"].clone();
    let names: Vec<_> = filters.as_array().into_iter().flatten().map(|one| &one["name"]).collect();
    assert_eq!(
        names[2..],
        ["envoy.filters.http.dynamic_forward_proxy", "envoy.filters.http.router"]
    );
    let chain = &told.listener("0.0.0.0_443")["filterChains"][0];
    assert_eq!(chain["filters"][0]["name"], "envoy.filters.network.sni_dynamic_forward_proxy");
    assert_eq!(filter(chain)["portValue"], 8443);
    assert_eq!(chain["filters"][1]["typedConfig"]["cluster"], "outbound|443||*.example.com");
    assert_eq!(script.findings(), Vec::<String>::new());
    // Who looks nothing up has no filter for it.
    let without = entry(http("DNS")).sidecar().listener("0.0.0.0_80").to_string();
    assert!(!without.contains("dynamic_forward_proxy"), "{without}");
}

#[test]
fn a_rewritten_authority_is_what_is_looked_up() {
    let mut script = entry(json!({"hosts": ["*.example.com"], "resolution": "DYNAMIC_DNS",
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]}));
    script.istio(
        "VirtualService",
        "v",
        json!({"hosts": ["*.example.com"], "http": [
        {"rewrite": {"authority": "real.example.com"},
            "route": [{"destination": {"host": "*.example.com"}}]}]}),
    );
    let route = script.sidecar().routes("80", "*.example.com").remove(0);
    assert_eq!(route["route"].get("hostRewriteLiteral"), None);
    let own = &route["typedPerFilterConfig"]["envoy.filters.http.dynamic_forward_proxy"];
    assert_eq!(own["hostRewriteLiteral"], "real.example.com");
}

#[test]
fn bytes_name_nothing_that_could_be_looked_up() {
    let script = entry(json!({"hosts": ["*.example.com"], "resolution": "DYNAMIC_DNS", "ports": [
        {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080},
        {"number": 5432, "name": "tcp", "protocol": "TCP"}]}));
    assert_eq!(
        script.findings(),
        ["IST0106 spec.ports[1].protocol", "LAT0001 spec.ports[0].targetPort"]
    );
    let clusters = script.sidecar().clusters();
    assert!(!clusters.contains_key("outbound|5432||*.example.com"), "{clusters:?}");
}

#[test]
fn http_of_an_entry_is_told_by_its_whole_host() {
    let mut script = entry(http("DNS"));
    script.app("web", 80, &["v1"]);
    let told = script.sidecar();
    assert_eq!(told.host("80", "api.example.com")["domains"], json!(["api.example.com"]));
    assert_eq!(told.targets("80", "api.example.com"), ["80||api.example.com"]);
    let names: Vec<_> = told.listeners().into_keys().collect();
    assert_eq!(names, ["0.0.0.0_80", "virtualInbound", "virtualOutbound"]);
}

#[test]
fn rules_hold_for_external_hosts() {
    let mut script = entry(http("DNS"));
    script.istio(
        "VirtualService",
        "v",
        json!({"hosts": ["api.example.com"], "http": [
        {"match": [{"uri": {"prefix": "/old"}}], "directResponse": {"status": 410}},
        {"timeout": "2s", "route": [{"destination": {"host": "api.example.com"}}]}]}),
    );
    script.istio("DestinationRule", "d", json!({"host": "api.example.com",
        "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 3}, "http": {"h2UpgradePolicy": "UPGRADE"}}}}));
    let told = script.sidecar();
    let routes = told.routes("80", "api.example.com");
    assert_eq!(routes[0]["directResponse"]["status"], 410);
    assert_eq!(routes[1]["route"]["timeout"], "2s");
    let cluster = told.cluster(API);
    assert_eq!(cluster["circuitBreakers"]["thresholds"][0]["maxConnections"], 3);
    let options = cluster["typedExtensionProtocolOptions"].to_string();
    assert!(!options.contains("http2ProtocolOptions"), "nobody there takes the upgrade: {options}");
    assert_eq!(script.findings(), Vec::<String>::new());
}

/// Server names, networks and cluster of each chain of a listener.
fn chains(told: &Told, listener: &str) -> Vec<String> {
    let listener = told.listener(listener);
    let chains = listener["filterChains"].as_array().cloned().unwrap_or_default();
    let default = listener.get("defaultFilterChain").cloned();
    let show = |chain: &Value| {
        let on = &chain["filterChainMatch"];
        let name = on["serverNames"][0].as_str().unwrap_or("-").to_owned();
        let network = on["prefixRanges"][0]["addressPrefix"].as_str().unwrap_or("-").to_owned();
        let config = filter(chain);
        let to = config["cluster"].as_str().or(config["rds"]["routeConfigName"].as_str());
        format!("{name} {network} {}", to.unwrap_or("?"))
    };
    chains.iter().chain(&default).map(show).collect()
}

#[test]
fn tls_of_entries_without_addresses_is_told_by_server_name() {
    let mut script = Script::default();
    for host in ["a.example.com", "*.b.example.com"] {
        script.istio(
            "ServiceEntry",
            host,
            json!({"hosts": [host], "resolution": "NONE",
            "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}]}),
        );
    }
    let told = script.sidecar();
    assert_eq!(
        chains(&told, "0.0.0.0_443"),
        [
            "a.example.com - outbound|443||a.example.com",
            "*.b.example.com - outbound|443||*.b.example.com",
            "- - PassthroughCluster",
        ]
    );
    let filters = told.listener("0.0.0.0_443")["listenerFilters"].to_string();
    assert!(filters.contains("tls_inspector") && !filters.contains("http_inspector"), "{filters}");
    assert_eq!(script.findings(), Vec::<String>::new());
}

#[test]
fn a_rule_for_tls_splits_an_external_host() {
    let mut script =
        entry(json!({"hosts": ["a.example.com", "b.example.com"], "resolution": "DNS",
        "ports": [{"number": 443, "name": "tls", "protocol": "HTTPS"}]}));
    script.istio(
        "VirtualService",
        "v",
        json!({"hosts": ["a.example.com"], "tls": [
        {"match": [{"port": 443, "sniHosts": ["a.example.com"]}], "route": [
            {"destination": {"host": "a.example.com"}, "weight": 90},
            {"destination": {"host": "b.example.com"}, "weight": 10}]}]}),
    );
    let told = script.sidecar();
    let listener = told.listener("0.0.0.0_443");
    let weighted = &filter(&listener["filterChains"][0])["weightedClusters"]["clusters"];
    assert_eq!(weighted[1], json!({"name": "outbound|443||b.example.com", "weight": 10}));
    let found = chains(&told, "0.0.0.0_443");
    assert_eq!(found.len(), 3, "one for each name, and the rest: {found:?}");
}

#[test]
fn bytes_are_told_by_address_or_network() {
    let tcp = |addresses: Value, number: u16| {
        json!({"hosts": [format!("db{number}.example")], "addresses": addresses, "resolution": "STATIC",
            "ports": [{"number": number, "name": "tcp", "protocol": "TCP"}],
            "endpoints": [{"address": "10.9.9.9"}]})
    };
    let mut script = Script::default();
    script.istio("ServiceEntry", "one", tcp(json!(["240.0.0.1"]), 5432));
    script.istio("ServiceEntry", "net", tcp(json!(["10.1.0.0/16"]), 3306));
    let told = script.sidecar();
    assert_eq!(chains(&told, "240.0.0.1_5432"), ["- - outbound|5432||db5432.example"]);
    assert_eq!(
        chains(&told, "0.0.0.0_3306"),
        ["- 10.1.0.0 outbound|3306||db3306.example", "- - PassthroughCluster"]
    );
    assert_eq!(script.findings(), Vec::<String>::new());
    // Without either, every unknown connection to the port is this host's; that is said.
    script.istio("ServiceEntry", "blind", tcp(json!([]), 6379));
    assert_eq!(script.findings(), ["IST0134 spec.addresses"]);
    assert_eq!(chains(&script.sidecar(), "0.0.0.0_6379"), ["- - outbound|6379||db6379.example"]);
}

#[test]
fn endpoints_have_ports_labels_weights_and_places() {
    let mut script = entry(
        json!({"hosts": ["vm.example"], "resolution": "STATIC", "location": "MESH_INTERNAL",
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
        "endpoints": [
            {"address": "10.0.0.1", "labels": {"version": "v1"}, "weight": 3, "locality": "eu/a"},
            {"address": "10.0.0.2", "labels": {"version": "v2"}, "ports": {"http": 9090}, "locality": "eu/b"}]}),
    );
    script.istio(
        "DestinationRule",
        "d",
        json!({"host": "vm.example",
        "subsets": [{"name": "v2", "labels": {"version": "v2"}}]}),
    );
    let told = script.sidecar();
    assert_eq!(told.hosts("outbound|80||vm.example"), ["10.0.0.1:80", "10.0.0.2:9090"]);
    assert_eq!(told.hosts("outbound|80|v2|vm.example"), ["10.0.0.2:9090"]);
    let places = told.endpoints("outbound|80||vm.example")["endpoints"].clone();
    assert_eq!(places[0]["locality"], json!({"region": "eu", "zone": "a"}));
    assert_eq!(places[0]["loadBalancingWeight"], 3);
    assert_eq!(places[0]["lbEndpoints"][0]["loadBalancingWeight"], 3);
    assert_eq!(script.findings(), Vec::<String>::new());
}

fn machine(script: &mut Script, name: &str, address: &str, version: &str) {
    script.istio(
        "WorkloadEntry",
        name,
        json!({"address": address, "serviceAccount": "vm",
        "labels": {"app": "web", "version": version}, "ports": {"http": 9000}}),
    );
}

#[test]
fn entries_and_services_select_workload_entries_and_pods() {
    let mut script = Script::default();
    script.app("web", 80, &["v1"]);
    machine(&mut script, "vm-1", "172.16.0.1", "v2");
    script.istio(
        "ServiceEntry",
        "e",
        json!({"hosts": ["web.example"], "resolution": "STATIC",
        "location": "MESH_INTERNAL", "workloadSelector": {"labels": {"app": "web"}},
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}]}),
    );
    let told = script.sidecar();
    assert_eq!(told.hosts("outbound|80||web.example"), ["10.244.1.1:8080", "172.16.0.1:9000"]);
    assert_eq!(
        told.hosts("outbound|80||web.default.svc.cluster.local"),
        ["10.244.1.1:80", "172.16.0.1:9000"]
    );
    // Another namespace's selector does not reach here.
    script.istio_in(
        "other",
        "ServiceEntry",
        "f",
        json!({"hosts": ["far.example"], "resolution": "STATIC",
        "workloadSelector": {"labels": {"app": "web"}},
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]}),
    );
    assert_eq!(script.sidecar().hosts("outbound|80||far.example"), Vec::<String>::new());
}

#[test]
fn an_ill_workload_gets_nothing() {
    let mut script = Script::default();
    script.service("web", json!([{"name": "http", "port": 80}]));
    let health = |status: &str| {
        json!({"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": {"name": "vm"},
            "spec": {"address": "172.16.0.1", "labels": {"app": "web"}},
            "status": {"conditions": [{"type": "Healthy", "status": status}]}})
    };
    let name = "outbound|80||web.default.svc.cluster.local";
    script.add(health("False"));
    assert_eq!(script.sidecar().hosts(name), Vec::<String>::new());
    script.objects.pop();
    script.add(health("True"));
    assert_eq!(script.sidecar().hosts(name), ["172.16.0.1:80"]);
}

#[test]
fn each_namespace_may_have_its_own_entry_for_a_host() {
    let mut script = Script::default();
    let spec = |address: &str, export: Value| {
        json!({"hosts": ["api.example.com"], "resolution": "STATIC", "exportTo": export,
            "endpoints": [{"address": address}],
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]})
    };
    script.istio_in("default", "ServiceEntry", "e", spec("10.0.0.1", json!(["."])));
    script.istio_in("other", "ServiceEntry", "e", spec("10.0.0.2", json!(["*"])));
    let hosts = |namespace: &str| script.snapshot(&sidecar(namespace, &[])).hosts(API);
    assert_eq!(hosts("default"), ["10.0.0.1:80"], "the own one counts first");
    assert_eq!(hosts("other"), ["10.0.0.2:80"]);
    assert_eq!(hosts("third"), ["10.0.0.2:80"]);
}

#[test]
fn entries_of_one_namespace_for_one_host_are_joined() {
    let mut script = Script::default();
    let spec = |address: &str, number: u16| {
        json!({"hosts": ["api.example.com"], "resolution": "STATIC", "endpoints": [{"address": address}],
            "ports": [{"number": number, "name": format!("http-{number}"), "protocol": "HTTP"}]})
    };
    script.istio("ServiceEntry", "one", spec("10.0.0.1", 80));
    script.istio("ServiceEntry", "two", spec("10.0.0.2", 81));
    let told = script.sidecar();
    assert_eq!(told.hosts(API), ["10.0.0.1:80", "10.0.0.2:80"]);
    assert_eq!(told.hosts("outbound|81||api.example.com"), ["10.0.0.1:81", "10.0.0.2:81"]);
    // Two ways to find the addresses cannot be joined.
    let mut dns = spec("b.example", 82);
    dns["resolution"] = json!("DNS");
    script.istio("ServiceEntry", "three", dns);
    assert_eq!(script.findings(), ["LAT0005 spec.hosts"]);
}

#[test]
fn what_gets_no_traffic_yet_is_said() {
    let mut script = entry(json!({"hosts": ["a.example"], "resolution": "STATIC",
        "subjectAltNames": ["spiffe://a"],
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
        "endpoints": [{"address": "unix:run"}, {"address": "name.example"}, {"network": "far"},
            {"address": "10.0.0.2", "network": "far"}]}));
    script.istio("WorkloadEntry", "w", json!({"address": "10.0.0.1"}));
    assert_eq!(
        script.findings(),
        [
            "IST0101 spec.endpoints[2].network",
            "IST0106 spec.endpoints[0].address",
            "IST0106 spec.endpoints[1].address",
            "LAT0001 spec.subjectAltNames",
            "LAT0007 spec.endpoints[3].network",
        ]
    );
}

#[test]
fn unix_sockets_are_endpoints_too() {
    let script = entry(json!({"hosts": ["a.example"], "resolution": "STATIC",
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
        "endpoints": [{"address": "unix:///run/app"}, {"address": "unix://@app", "weight": 3}]}));
    assert_eq!(script.findings(), Vec::<String>::new());
    let told = script.sidecar();
    let hosts = told.endpoints("outbound|80||a.example").to_string();
    for path in ["/run/app", "@app"] {
        assert!(hosts.contains(&format!(r#"{{"pipe":{{"path":"{path}"}}}}"#)), "{path}: {hosts}");
    }
}

#[test]
fn a_rule_may_lead_to_a_pattern_that_is_an_entry() {
    let mut script = entry(json!({"hosts": ["*.wiki.example"],
        "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}, {"number": 80, "name": "http", "protocol": "HTTP"}]}));
    script.istio("VirtualService", "v", json!({"hosts": ["*.wiki.example"],
        "http": [{"timeout": "1s", "route": [{"destination": {"host": "*.wiki.example", "port": {"number": 80}}}]}],
        "tls": [{"match": [{"sniHosts": ["de.wiki.example"]}], "route": [{"destination": {"host": "*.wiki.example", "port": {"number": 443}}}]}]}));
    let told = script.sidecar();
    assert_eq!(script.findings(), Vec::<String>::new());
    assert_eq!(told.targets("80", "*.wiki.example"), ["80||*.wiki.example"]);
    assert_eq!(
        chains(&told, "0.0.0.0_443"),
        [
            "de.wiki.example - outbound|443||*.wiki.example",
            "*.wiki.example - outbound|443||*.wiki.example",
            "- - PassthroughCluster",
        ]
    );
    assert_eq!(told.routes("80", "*.wiki.example")[0]["route"]["timeout"], "1s");
}
