//! TLS at gateways.

use serde_json::{Value, json};

use super::{Script, Told, filter, sidecar};
use crate::{Node, NodeKind, publish, understand};

const PAIR: &[(&str, &str)] = &[
    ("tls.crt", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=="),
    ("tls.key", "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg=="),
];
const ROOTS: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==";

fn secret(script: &mut Script, name: &str, data: Value) {
    script.add(json!({"apiVersion": "v1", "kind": "Secret", "data": data,
        "metadata": {"name": name, "namespace": "istio-system"}}));
}

fn pair() -> Value {
    PAIR.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

fn script() -> Script {
    let mut script = Script::default();
    script.app("web", 80, &["v1"]).ingress();
    script.istio(
        "VirtualService",
        "a",
        json!({"hosts": ["a.com", "b.com"], "gateways": ["gw"],
        "http": [{"route": [{"destination": {"host": "web"}}]}],
        "tcp": [{"route": [{"destination": {"host": "web"}}]}]}),
    );
    script
}

fn servers(script: &mut Script, servers: &[(&str, &str, Value)]) {
    let servers: Vec<Value> = (1..).zip(servers).map(|(at, (protocol, host, tls))| {
        json!({"port": {"number": 443, "name": format!("s{at}"), "protocol": protocol}, "hosts": [host], "tls": tls})
    }).collect();
    script.istio(
        "Gateway",
        "gw",
        json!({"selector": {"istio": "ingressgateway"}, "servers": servers}),
    );
}

fn told(script: &Script) -> (Told, Vec<String>) {
    let mut world = script.world();
    world.settings.speaks_tls = true;
    let (model, findings) = understand(&world);
    let node = Node {
        kind: NodeKind::Router,
        ip: "10.244.200.1".parse().ok(),
        ..sidecar("istio-system", &[("istio", "ingressgateway")])
    };
    let said = findings.iter().map(|one| format!("{} {}", one.code.row().id, one.path));
    // Not every server lets both hosts in.
    let said = said.filter(|one| !one.contains("spec.gateways")).collect();
    (Told(publish(&model.view(&node))), said)
}

fn chains(told: &Told) -> Vec<Value> {
    let listener = told.listeners().remove("0.0.0.0_8443").unwrap_or_default();
    listener["filterChains"].as_array().cloned().unwrap_or_default()
}

fn common(chain: &Value) -> &Value {
    &chain["transportSocket"]["typedConfig"]["commonTlsContext"]
}

#[test]
fn each_host_has_its_own_certificate_and_a_missing_one_harms_only_its_own() {
    let mut script = script();
    secret(&mut script, "one", pair());
    secret(&mut script, "two", json!({"cert": PAIR[0].1, "key": PAIR[1].1}));
    let simple = |name: &str| json!({"mode": "SIMPLE", "credentialName": name});
    servers(
        &mut script,
        &[
            ("HTTPS", "a.com", simple("one")),
            ("HTTPS", "b.com", simple("two")),
            ("HTTPS", "c.com", simple("gone")),
        ],
    );
    let (told, said) = told(&script);
    let chains = chains(&told);
    let names: Vec<_> =
        chains.iter().map(|one| one["filterChainMatch"]["serverNames"][0].clone()).collect();
    assert_eq!(names, ["a.com", "b.com"]);
    let secrets: Vec<_> = chains
        .iter()
        .map(|one| common(one)["tlsCertificateSdsSecretConfigs"][0]["name"].clone())
        .collect();
    assert_eq!(secrets, ["kubernetes://one", "kubernetes://two"]);
    assert_eq!(filter(&chains[0])["rds"]["routeConfigName"], "https.443.s1.gw.default");
    assert_eq!(told.targets("https.443.s1.gw.default", "a.com"), ["80||web"]);
    assert_eq!(common(&chains[0])["alpnProtocols"], json!(["h2", "http/1.1"]));
    assert_eq!(said, ["IST0101 spec.servers[2].tls.credentialName"]);
    let given: Vec<_> = told.0.of(xds::snapshot::SECRET).keys().cloned().collect();
    assert_eq!(given, ["kubernetes://one", "kubernetes://two"]);
}

#[test]
fn a_broken_secret_is_found_and_not_given() {
    let mut script = script();
    secret(&mut script, "bad", json!({"tls.crt": "AAAA", "tls.key": PAIR[1].1}));
    servers(&mut script, &[("HTTPS", "a.com", json!({"mode": "SIMPLE", "credentialName": "bad"}))]);
    let (told, said) = told(&script);
    assert!(chains(&told).is_empty());
    assert!(told.0.of(xds::snapshot::SECRET).is_empty());
    assert_eq!(said, ["IST0101 spec.servers[0].tls.credentialName"]);
}

#[test]
fn clients_are_asked_for_certificates_with_roots_of_either_secret() {
    for (mode, required) in [("MUTUAL", true), ("OPTIONAL_MUTUAL", false)] {
        for own in [true, false] {
            let mut script = script();
            let mut data = pair();
            if own {
                data["ca.crt"] = json!(ROOTS);
            } else {
                secret(&mut script, "one-cacert", json!({"cacert": ROOTS}));
            }
            secret(&mut script, "one", data);
            servers(
                &mut script,
                &[(
                    "HTTPS",
                    "a.com",
                    json!({"mode": mode, "credentialName": "one",
                "subjectAltNames": ["client.example"], "minProtocolVersion": "TLSV1_3", "cipherSuites": ["AES128-SHA"]}),
                )],
            );
            let (told, said) = told(&script);
            assert_eq!(said, Vec::<String>::new());
            let chains = chains(&told);
            assert_eq!(
                chains[0]["transportSocket"]["typedConfig"]["requireClientCertificate"],
                required
            );
            let common = common(&chains[0]);
            let checks = &common["combinedValidationContext"];
            assert_eq!(
                checks["validationContextSdsSecretConfig"]["name"],
                "kubernetes://one-cacert"
            );
            let names = &checks["defaultValidationContext"]["matchTypedSubjectAltNames"];
            assert_eq!(names[0]["matcher"]["exact"], "client.example");
            assert_eq!(common["tlsParams"]["tlsMinimumProtocolVersion"], "TLSv1_3");
            assert_eq!(told.0.of(xds::snapshot::SECRET).len(), 2);
        }
    }
    let mut script = script();
    secret(&mut script, "one", pair());
    servers(&mut script, &[("HTTPS", "a.com", json!({"mode": "MUTUAL", "credentialName": "one"}))]);
    let (told, said) = told(&script);
    assert!(chains(&told).is_empty(), "without roots anybody would be let in");
    assert_eq!(said, ["IST0101 spec.servers[0].tls.credentialName"]);
}

#[test]
fn bytes_may_come_out_of_tls_and_files_hold_certificates() {
    let mut script = script();
    servers(
        &mut script,
        &[(
            "TLS",
            "a.com",
            json!({"mode": "SIMPLE", "serverCertificate": "/c.pem", "privateKey": "/k.pem"}),
        )],
    );
    let (told, said) = told(&script);
    assert_eq!(said, Vec::<String>::new());
    let chains = chains(&told);
    assert_eq!(filter(&chains[0])["cluster"], "outbound|80||web.default.svc.cluster.local");
    assert_eq!(common(&chains[0])["tlsCertificates"][0]["privateKey"]["filename"], "/k.pem");
}

#[test]
fn mutual_tls_of_the_mesh_passes_by_the_name_of_its_cluster() {
    let mut script = script();
    servers(&mut script, &[("TLS", "*.local", json!({"mode": "AUTO_PASSTHROUGH"}))]);
    let (told, _) = told(&script);
    let chains = chains(&told);
    let name = "outbound_.80_._.web.default.svc.cluster.local";
    let mine = chains.iter().find(|one| one["filterChainMatch"]["serverNames"][0] == name);
    let mine = mine.expect("a chain for the service");
    assert_eq!(filter(mine)["cluster"], name);
    assert!(mine["transportSocket"].is_null());
    assert!(mine["filterChainMatch"].to_string().contains("istio"));
    assert_eq!(told.hosts(name), ["10.244.1.1:80"]);
}

#[test]
fn the_mesh_s_own_certificate_opens_istio_mutual() {
    let mut script = script();
    servers(&mut script, &[("HTTPS", "a.com", json!({"mode": "ISTIO_MUTUAL"}))]);
    let (told, _) = told(&script);
    assert_eq!(common(&chains(&told)[0])["tlsCertificateSdsSecretConfigs"][0]["name"], "default");
}

#[test]
fn nothing_of_a_secret_is_shown_in_a_debug_line() {
    let mut script = script();
    secret(&mut script, "one", pair());
    servers(&mut script, &[("HTTPS", "a.com", json!({"mode": "SIMPLE", "credentialName": "one"}))]);
    let mut world = script.world();
    world.settings.speaks_tls = true;
    let (model, _) = understand(&world);
    let text = format!("{world:?} {model:?}");
    assert!(text.contains("Credential") && !text.contains("PRIVATE"));
    assert!(!text.contains("45, 45, 45, 45, 45"), "nor its bytes");
}
