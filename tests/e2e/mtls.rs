//! What the control plane tells of TLS, looked at by real Envoy.

use std::{collections::BTreeMap, process::Command};

use mesh::{Node, NodeKind, World, publish, understand};
use serde_json::{Value, json};
use tests::mesh::tool;
use xds::{
    Named,
    snapshot::{SECRET, Snapshot},
};

fn object(kind: &str, name: &str, namespace: &str, spec: &Value) -> Value {
    let group = if kind == "PeerAuthentication" { "security" } else { "networking" };
    json!({ "apiVersion": format!("{group}.istio.io/v1"), "kind": kind, "spec": spec,
        "metadata": { "name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z" } })
}

/// A service `web` with sidecars, rules of every kind of TLS for it, and a gateway with servers of every mode.
fn objects(mode: &str, tls: &Value) -> Vec<Value> {
    let ports = json!([{ "name": "http", "port": 80 }, { "name": "tcp", "port": 90 }, { "name": "odd", "port": 70 },
        { "name": "grpc", "port": 60 }]);
    let pod = |name: &str, namespace: &str, labels: Value, ip: &str| {
        json!({ "apiVersion": "v1", "kind": "Pod", "status": { "podIP": ip }, "spec": { "containers": [] },
            "metadata": { "name": name, "namespace": namespace, "labels": labels,
                "annotations": { "sidecar.istio.io/status": "{}" } } })
    };
    let server = |number: u16, protocol: &str, host: &str, tls: Value| json!({ "port": { "number": number, "name": format!("s{number}"), "protocol": protocol }, "hosts": [host], "tls": tls });
    vec![
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "default" },
            "spec": { "clusterIP": "10.96.0.1", "selector": { "app": "web" }, "ports": ports } }),
        pod(
            "web",
            "default",
            json!({ "app": "web", "security.istio.io/tlsMode": "istio" }),
            "10.244.0.1",
        ),
        pod("gw", "istio-system", json!({ "istio": "ingressgateway" }), "10.244.0.2"),
        json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": ports,
            "metadata": { "name": "web", "namespace": "default", "labels": { "kubernetes.io/service-name": "web" } },
            "endpoints": [{ "addresses": ["10.244.0.1"], "targetRef": { "kind": "Pod", "name": "web" } }] }),
        object(
            "PeerAuthentication",
            "web",
            "default",
            &json!({ "selector": { "matchLabels": { "app": "web" } },
            "mtls": { "mode": mode }, "portLevelMtls": { "90": { "mode": "STRICT" }, "9999": { "mode": "STRICT" } } }),
        ),
        object(
            "DestinationRule",
            "web",
            "default",
            &json!({ "host": "web", "trafficPolicy": { "tls": tls } }),
        ),
        object(
            "VirtualService",
            "web",
            "default",
            &json!({ "hosts": ["*"], "gateways": ["gw"],
            "http": [{ "route": [{ "destination": { "host": "web", "port": { "number": 80 } } }] }],
            "tcp": [{ "route": [{ "destination": { "host": "web", "port": { "number": 90 } } }] }] }),
        ),
        object(
            "Gateway",
            "gw",
            "default",
            &json!({ "selector": { "istio": "ingressgateway" }, "servers": [
            server(443, "HTTPS", "a.com", json!({ "mode": "ISTIO_MUTUAL" })),
            server(443, "HTTPS", "*.b.com", json!({ "mode": "SIMPLE", "credentialName": "keys", "minProtocolVersion": "TLSV1_3" })),
            server(443, "TLS", "c.com", json!({ "mode": "MUTUAL", "credentialName": "keys" })),
            server(443, "HTTPS", "d.com", json!({ "mode": "OPTIONAL_MUTUAL", "credentialName": "keys",
                "subjectAltNames": ["x.example"], "cipherSuites": ["ECDHE-RSA-AES128-GCM-SHA256"] })),
            server(15443, "TLS", "*.local", json!({ "mode": "AUTO_PASSTHROUGH" })),
        ] }),
        ),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys", "namespace": "istio-system" }, "data": {
            "tls.crt": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==", "tls.key": "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==",
            "ca.crt": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==" } }),
    ]
}

fn node(kind: NodeKind, ip: &str, namespace: &str, label: (&str, &str)) -> Node {
    Node {
        kind,
        id: format!("sidecar~{ip}~me.{namespace}~{namespace}.svc.cluster.local"),
        ip: ip.parse().ok(),
        namespace: namespace.to_owned(),
        labels: BTreeMap::from([(label.0.to_owned(), label.1.to_owned())]),
        service_account: "default".to_owned(),
        workload: "me".to_owned(),
        locality: Default::default(),
        mark: None,
        register: None,
        network: String::new(),
        checks_health: false,
        has_certificate: true,
        agent: "envoy/1.40.0".to_owned(),
    }
}

fn all<M: Named + Default + serde::Serialize>(snapshot: &Snapshot) -> Vec<Value> {
    let resources = snapshot.of(M::TYPE_URL).values();
    let read = resources.map(|one| M::decode(one.body.as_ref()).unwrap());
    read.map(|one| serde_json::to_value(&one).unwrap()).collect()
}

/// What Envoy says of a whole configuration.
fn verdict(snapshot: &Snapshot, name: &str) -> String {
    let mut clusters = all::<xds::cluster::Cluster>(snapshot);
    clusters.extend(["sds-grpc", "xds"].map(|name| {
        json!({ "name": name, "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": {} } } } })
    }));
    let bootstrap = json!({
        "node": { "id": "me", "cluster": "me" },
        "dynamic_resources": { "ads_config": { "api_type": "GRPC", "transport_api_version": "V3",
            "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds" } }] } },
        "static_resources": { "clusters": clusters, "listeners": all::<xds::listener::Listener>(snapshot) },
    });
    let path = std::env::temp_dir().join(format!("mtls-{}-{name}.json", std::process::id()));
    std::fs::write(&path, bootstrap.to_string()).unwrap();
    let mut envoy = Command::new(tool("envoy"));
    let output =
        envoy.args(["--mode", "validate", "-l", "warn", "-c"]).arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let said = [output.stdout, output.stderr].concat();
    format!("{}{}", output.status.success(), String::from_utf8_lossy(&said))
}

#[test]
fn real_envoy_takes_what_it_is_told_of_tls() {
    let rules = [
        ("auto", json!(null)),
        ("simple", json!({ "mode": "SIMPLE" })),
        (
            "named",
            json!({ "mode": "SIMPLE", "sni": "a", "subjectAltNames": ["a", "spiffe://b", "10.0.0.1"] }),
        ),
        ("mutual", json!({ "mode": "ISTIO_MUTUAL" })),
    ];
    for (mode, (rule, tls)) in ["PERMISSIVE", "STRICT", "DISABLE", "UNSET"].iter().zip(rules) {
        let (model, _) = understand(&World::new(&objects(mode, &tls)));
        let sidecar = node(NodeKind::Sidecar, "10.244.0.1", "default", ("app", "web"));
        let gateway =
            node(NodeKind::Router, "10.244.0.2", "istio-system", ("istio", "ingressgateway"));
        for (who, node) in [("sidecar", sidecar), ("gateway", gateway)] {
            let snapshot = publish(&model.view(&node));
            let listeners = all::<xds::listener::Listener>(&snapshot);
            let opened =
                serde_json::to_string(&listeners).unwrap().matches("DownstreamTlsContext").count();
            assert!(opened >= 3, "{who} {mode}: {opened} chains open TLS");
            assert_eq!(snapshot.of(SECRET).len(), if who == "gateway" { 2 } else { 0 });
            let said = verdict(&snapshot, &format!("{who}-{rule}"));
            assert!(said.starts_with("true"), "{who} {mode} {rule}: {said}");
        }
    }
}
