//! Several networks, and the gateways between them.

use serde_json::{Value, json};

use super::{Script, sidecar};

const NETWORK: &str = "topology.istio.io/network";

/// A service with a pod in each of two networks, one that names none, and machines in the second.
fn script() -> Script {
    let mut script = Script::default();
    script.app("web", 80, &["v1"]);
    script.istio("ServiceEntry", "shop", json!({"hosts": ["shop.example"], "resolution": "STATIC",
        "location": "MESH_INTERNAL",
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
        "endpoints": [
            {"address": "10.0.0.1", "network": "one"},
            {"address": "10.0.0.2", "network": "two", "labels": {"security.istio.io/tlsMode": "istio"}, "weight": 3},
            {"network": "two", "labels": {"security.istio.io/tlsMode": "istio"}},
            {"address": "10.0.0.4"},
        ]}));
    script
}

fn gateway(script: &mut Script, name: &str, port: u16, more: &Value) {
    let mut object = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "istio-system", "labels": {NETWORK: "two"}},
        "spec": {"clusterIP": "10.96.5.5", "ports": [{"name": "tls", "port": port}]}});
    for (key, value) in more.as_object().unwrap() {
        object[key] = value.clone();
    }
    script.add(object);
}

/// Addresses and weights of the hosts, as a proxy of this network sees them.
fn seen(script: &Script, network: &str) -> Vec<String> {
    let labels: &[(&str, &str)] = &[(NETWORK, network)];
    let told = script.snapshot(&sidecar("default", if network.is_empty() { &[] } else { labels }));
    let endpoints = told.endpoints("outbound|80||shop.example");
    let groups = endpoints["endpoints"].as_array().unwrap().iter();
    let all = groups.flat_map(|group| group["lbEndpoints"].as_array().unwrap());
    all.map(|one| {
        let at = &one["endpoint"]["address"]["socketAddress"];
        let weight = one["loadBalancingWeight"].as_u64().unwrap_or(1);
        format!("{}:{} x{weight}", at["address"].as_str().unwrap(), at["portValue"])
    })
    .collect()
}

#[test]
fn a_network_without_gateway_is_believed_to_be_within_reach() {
    let script = script();
    let direct = ["10.0.0.1:80 x1", "10.0.0.2:80 x3", "10.0.0.4:80 x1"];
    for network in ["", "one", "two"] {
        assert_eq!(seen(&script, network), direct, "{network}");
    }
    let found = [
        "IST0101 spec.endpoints[2].network",
        "LAT0007 spec.endpoints[0].network",
        "LAT0007 spec.endpoints[1].network",
    ];
    assert_eq!(script.findings(), found);
}

#[test]
fn another_network_is_reached_through_its_gateways_which_share_its_weight() {
    let mut script = script();
    gateway(&mut script, "east", 15443, &json!({}));
    assert_eq!(script.findings(), ["LAT0007 spec.endpoints[0].network"]);
    assert_eq!(seen(&script, "one"), ["10.0.0.1:80 x1", "10.0.0.4:80 x1", "10.96.5.5:15443 x4"]);
    // Who is in that network, or names none, goes straight; one without address is for the others.
    let direct = ["10.0.0.1:80 x1", "10.0.0.2:80 x3", "10.0.0.4:80 x1"];
    assert_eq!(seen(&script, "two"), direct);
    assert_eq!(seen(&script, ""), direct);

    let given = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}]}}});
    gateway(&mut script, "east", 15443, &given);
    assert_eq!(
        seen(&script, "one"),
        ["10.0.0.1:80 x2", "10.0.0.4:80 x2", "192.0.2.1:15443 x4", "192.0.2.2:15443 x4"]
    );
}

#[test]
fn the_label_names_another_port_and_without_the_port_a_service_is_no_gateway() {
    let mut script = script();
    gateway(&mut script, "east", 8443, &json!({}));
    assert_eq!(seen(&script, "one").len(), 3, "no port 15443");
    let labels = |port: &str| {
        json!({"metadata": {"name": "east", "namespace": "istio-system",
        "labels": {NETWORK: "two", "networking.istio.io/gatewayPort": port}}})
    };
    gateway(&mut script, "east", 8443, &labels("8443"));
    assert!(seen(&script, "one").contains(&"10.96.5.5:8443 x4".to_owned()));
    gateway(&mut script, "east", 8443, &labels("eight"));
    assert!(script.findings().iter().any(|it| it.contains("gatewayPort")));
}

#[test]
fn who_takes_no_mutual_tls_is_not_reached_from_other_networks() {
    let mut script = script();
    gateway(&mut script, "east", 15443, &json!({}));
    script.istio(
        "WorkloadEntry",
        "plain",
        json!({"address": "10.0.0.9", "network": "two", "labels": {"app": "web"}}),
    );
    assert!(script.findings().contains(&"LAT0006 spec.labels".to_owned()));
    let told = script.snapshot(&sidecar("default", &[(NETWORK, "one")]));
    let hosts = told.hosts("outbound|80||web.default.svc.cluster.local");
    assert!(!hosts.contains(&"10.0.0.9:80".to_owned()), "{hosts:?}");
    let told = script.snapshot(&sidecar("default", &[(NETWORK, "two")]));
    let hosts = told.hosts("outbound|80||web.default.svc.cluster.local");
    assert!(hosts.contains(&"10.0.0.9:80".to_owned()), "{hosts:?}");
}
