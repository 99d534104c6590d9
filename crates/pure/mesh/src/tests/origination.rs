//! TLS that clients start: by themselves, or because a DestinationRule says so.

use serde_json::{Value, json};

use super::{Script, Told, sidecar};
use crate::{Node, publish, understand};

const CLUSTER: &str = "outbound|80||web.default.svc.cluster.local";

/// A service `web` of two pods, of which those named have a sidecar.
fn script(with_sidecar: &[u8]) -> Script {
    let mut script = Script::default();
    script.service("web", json!([{"name": "http", "port": 80}, {"name": "tcp", "port": 90}]));
    let mut endpoints = Vec::new();
    for at in [1, 2] {
        let (pod, ip) = (format!("web-{at}"), format!("10.244.1.{at}"));
        let mut labels = json!({"app": "web"});
        let mut notes = json!({});
        if with_sidecar.contains(&at) {
            labels["security.istio.io/tlsMode"] = json!("istio");
            notes["sidecar.istio.io/status"] = json!("{}");
        }
        script.add(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": pod, "labels": labels, "annotations": notes},
            "spec": {"serviceAccountName": format!("sa-{at}"), "containers": []},
            "status": {"podIP": ip}}));
        endpoints.push(json!({"addresses": [ip], "targetRef": {"kind": "Pod", "name": pod}}));
    }
    script.add(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": 80}, {"name": "tcp", "port": 90}], "endpoints": endpoints}));
    script
}

fn secure(script: &Script) -> Told {
    secure_as(script, &sidecar("default", &[]))
}

fn secure_as(script: &Script, node: &Node) -> Told {
    let mut world = script.world();
    world.settings.speaks_tls = true;
    let (model, _) = understand(&world);
    Told(publish(&model.view(node)))
}

fn rule(script: &mut Script, tls: Value) {
    script.istio("DestinationRule", "web", json!({"host": "web", "trafficPolicy": {"tls": tls}}));
}

fn context(cluster: &Value) -> &Value {
    &cluster["transportSocket"]["typedConfig"]
}

/// The texts that the names of the other side are compared with.
fn names(checks: &Value) -> Vec<String> {
    let names = checks["matchTypedSubjectAltNames"].as_array().cloned().unwrap_or_default();
    let text = |name: &Value| {
        let exact = name["matcher"]["exact"].as_str().unwrap_or_default();
        format!("{} {exact}", name["sanType"].as_str().unwrap_or_default())
    };
    names.iter().map(text).collect()
}

#[test]
fn mutual_tls_is_started_where_the_other_side_takes_it() {
    let told = secure(&script(&[1]));
    let cluster = told.cluster(CLUSTER);
    assert!(cluster["transportSocket"].is_null());
    let choices = cluster["transportSocketMatches"].as_array().expect("choices");
    assert_eq!(choices[0]["match"], json!({"tlsMode": "istio"}));
    assert_eq!(choices[1]["name"], "tlsMode-disabled");
    assert!(choices[1]["transportSocket"].to_string().contains("RawBuffer"));
    let context = &choices[0]["transportSocket"]["typedConfig"];
    assert_eq!(context["sni"], "outbound_.80_._.web.default.svc.cluster.local");
    let common = &context["commonTlsContext"];
    assert_eq!(common["alpnProtocols"], json!(["istio-http/1.1", "istio"]));
    let checks = &common["combinedValidationContext"]["defaultValidationContext"];
    assert_eq!(names(checks), ["URI spiffe://cluster.local/ns/default/sa/sa-1"]);
    // Only the one with the sidecar says that it takes it.
    let told = told.endpoints(CLUSTER).to_string();
    assert_eq!(told.matches("tlsMode").count(), 1);
}

#[test]
fn nobody_is_called_with_tls_who_does_not_take_it() {
    let is_plain = |script: &Script| {
        let cluster = secure(script).cluster(CLUSTER);
        cluster["transportSocketMatches"].is_null() && cluster["transportSocket"].is_null()
    };
    assert!(is_plain(&script(&[])), "no sidecar");
    assert!(!is_plain(&script(&[2])));
    let mut off = script(&[1, 2]);
    off.mesh_config("enableAutoMtls: false");
    assert!(is_plain(&off), "switched off");
    let mut plain = script(&[1, 2]);
    plain.istio("PeerAuthentication", "default", json!({"mtls": {"mode": "DISABLE"}}));
    assert!(is_plain(&plain), "the server takes plain text");
    assert!(!secure(&plain).endpoints(CLUSTER).to_string().contains("tlsMode"));
    let mut disabled = script(&[1, 2]);
    rule(&mut disabled, json!({"mode": "DISABLE"}));
    assert!(is_plain(&disabled), "the rule says so");
    let other = script(&[1, 2]).sidecar().cluster(CLUSTER);
    assert!(other["transportSocketMatches"].is_null(), "the client cannot");
}

#[test]
fn what_is_outside_is_never_upgraded() {
    let mut script = Script::default();
    script.istio(
        "ServiceEntry",
        "x",
        json!({"hosts": ["x.example"], "resolution": "STATIC",
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "location": "MESH_EXTERNAL",
        "endpoints": [{"address": "10.9.9.9", "labels": {"security.istio.io/tlsMode": "istio"}}]}),
    );
    let cluster = secure(&script).cluster("outbound|80||x.example");
    assert!(cluster["transportSocketMatches"].is_null() && cluster["transportSocket"].is_null());
}

#[test]
fn names_of_a_service_and_of_a_rule_are_asked_for() {
    let mut script = Script::default();
    script.istio("ServiceEntry", "x", json!({"hosts": ["x.example"], "resolution": "STATIC",
        "ports": [{"number": 443, "name": "tcp", "protocol": "TCP"}], "location": "MESH_INTERNAL",
        "addresses": ["240.0.0.1"], "subjectAltNames": ["spiffe://other/ns/a/sa/b"],
        "endpoints": [{"address": "10.9.9.9", "serviceAccount": "x", "labels": {"security.istio.io/tlsMode": "istio"}}]}));
    let cluster = secure(&script).cluster("outbound|443||x.example");
    let context = &cluster["transportSocketMatches"][0]["transportSocket"]["typedConfig"];
    let checks = &context["commonTlsContext"]["combinedValidationContext"];
    let expected = ["URI spiffe://cluster.local/ns/default/sa/x", "URI spiffe://other/ns/a/sa/b"];
    assert_eq!(names(&checks["defaultValidationContext"]), expected);
    assert_eq!(context["commonTlsContext"]["alpnProtocols"], json!(["istio"]));
    script.istio("DestinationRule", "x", json!({"host": "x.example", "trafficPolicy": {"tls":
        {"mode": "ISTIO_MUTUAL", "sni": "y.example", "subjectAltNames": ["spiffe://z", "z.example", "10.0.0.1"]}}}));
    let cluster = secure(&script).cluster("outbound|443||x.example");
    let context = self::context(&cluster);
    assert_eq!(context["sni"], "y.example");
    let checks = &context["commonTlsContext"]["combinedValidationContext"];
    let expected = ["URI spiffe://z", "DNS z.example", "IP_ADDRESS 10.0.0.1"];
    assert_eq!(names(&checks["defaultValidationContext"]), expected);
}

#[test]
fn a_rule_starts_tls_to_a_server_without_sidecar() {
    let mut script = script(&[]);
    rule(&mut script, json!({"mode": "SIMPLE"}));
    let cluster = secure(&script).cluster(CLUSTER);
    let common = &context(&cluster)["commonTlsContext"];
    assert!(common["validationContext"]["systemRootCerts"].is_object());
    assert!(cluster.to_string().contains("\"autoSni\":true"), "the name is that of each request");
    assert!(cluster.to_string().contains("\"autoSanValidation\":true"));

    rule(
        &mut script,
        json!({"mode": "MUTUAL", "sni": "a.example", "caCertificates": "/etc/ca.pem",
        "clientCertificate": "/etc/c.pem", "privateKey": "/etc/k.pem", "caCrl": "/etc/crl.pem",
        "subjectAltNames": ["a.example"]}),
    );
    let cluster = secure(&script).cluster(CLUSTER);
    assert_eq!(context(&cluster)["sni"], "a.example");
    assert!(!cluster.to_string().contains("autoSni"));
    let common = &context(&cluster)["commonTlsContext"];
    let files = [
        "validationContext/trustedCa",
        "validationContext/crl",
        "tlsCertificates/0/certificateChain",
        "tlsCertificates/0/privateKey",
    ];
    let files =
        files.map(|path| common.pointer(&format!("/{path}/filename")).cloned().unwrap_or_default());
    assert_eq!(files, ["/etc/ca.pem", "/etc/crl.pem", "/etc/c.pem", "/etc/k.pem"]);
    assert_eq!(names(&common["validationContext"]), ["DNS a.example"]);

    rule(&mut script, json!({"mode": "SIMPLE", "insecureSkipVerify": true}));
    let cluster = secure(&script).cluster(CLUSTER);
    assert!(context(&cluster)["commonTlsContext"]["validationContext"].is_null());
}

#[test]
fn a_secret_is_for_gateways_and_those_whom_a_rule_selects() {
    let secret = json!({"mode": "MUTUAL", "credentialName": "keys", "sni": "a"});
    let mut script = script(&[]);
    rule(&mut script, secret.clone());
    assert!(!secure(&script).cluster(CLUSTER).to_string().contains("kubernetes://"));
    script.istio(
        "DestinationRule",
        "web",
        json!({"host": "web", "trafficPolicy": {"tls": secret},
        "workloadSelector": {"matchLabels": {"app": "me"}}}),
    );
    let cluster = secure_as(&script, &sidecar("default", &[("app", "me")])).cluster(CLUSTER);
    let common = &context(&cluster)["commonTlsContext"];
    assert_eq!(common["tlsCertificateSdsSecretConfigs"][0]["name"], "kubernetes://keys");
    let roots = &common["combinedValidationContext"]["validationContextSdsSecretConfig"];
    assert_eq!(roots["name"], "kubernetes://keys-cacert");
}

#[test]
fn plain_text_to_who_takes_tls_only_is_found() {
    let mut script = script(&[1, 2]);
    script.istio(
        "PeerAuthentication",
        "web",
        json!({"selector": {"matchLabels": {"app": "web"}},
        "portLevelMtls": {"80": {"mode": "STRICT"}}}),
    );
    let found = |script: &Script| {
        let all = script.findings();
        all.into_iter().filter(|one| one.starts_with("IST0113")).collect::<Vec<_>>()
    };
    assert_eq!(found(&script), Vec::<String>::new());
    rule(&mut script, json!({"mode": "DISABLE"}));
    assert_eq!(found(&script), ["IST0113 spec.trafficPolicy.tls.mode"]);
    script.istio("DestinationRule", "web", json!({"host": "web", "trafficPolicy": {"portLevelSettings": [
        {"port": {"number": 80}, "tls": {"mode": "DISABLE"}}, {"port": {"number": 90}, "tls": {"mode": "DISABLE"}}]}}));
    assert_eq!(found(&script), ["IST0113 spec.trafficPolicy.portLevelSettings[0].tls.mode"]);
}
