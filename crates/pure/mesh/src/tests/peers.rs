//! What workloads take: mutual TLS, plain text, or both.

use serde_json::{Value, json};

use super::{Script, Told, sidecar};
use crate::{publish, understand};

/// A workload `me` with a port of each kind.
fn script() -> Script {
    let mut script = Script::default();
    script.service(
        "me",
        json!([
            {"name": "http", "port": 80, "targetPort": 8080},
            {"name": "tcp-x", "port": 5432},
            {"name": "odd", "port": 7000},
        ]),
    );
    script.add(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "me", "labels": {"app": "me"}},
        "spec": {"containers": []}, "status": {"podIP": "10.244.99.1"}}));
    script
}

fn rule(mode: &str) -> Value {
    json!({"mtls": {"mode": mode}})
}

fn selected(mode: &str, ports: Value) -> Value {
    json!({"selector": {"matchLabels": {"app": "me"}}, "mtls": {"mode": mode}, "portLevelMtls": ports})
}

/// What a proxy that speaks TLS is told, ours or another.
fn secure(script: &Script) -> Told {
    let mut world = script.world();
    world.settings.speaks_tls = true;
    let (model, _) = understand(&world);
    Told(publish(&model.view(&sidecar("default", &[]))))
}

/// How a port is served: for each chain its transport, what ALPN it asks for in short, and what is behind it.
fn served(told: &Told, port: Option<u16>) -> Vec<String> {
    let listener = told.listener("virtualInbound");
    let chains = listener["filterChains"].as_array().expect("chains").iter();
    let mine = chains.filter(|chain| {
        chain["filterChainMatch"]["destinationPort"].as_u64() == port.map(u64::from)
    });
    mine.map(|chain| {
        let on = &chain["filterChainMatch"];
        let alpn = on["applicationProtocols"].as_array().map_or(0, Vec::len);
        let opened = if chain["transportSocket"].is_null() { "" } else { " opened" };
        let filter = &super::filter(chain)["@type"].as_str().unwrap_or_default();
        let kind = if filter.contains("Http") { "http" } else { "bytes" };
        let transport = on["transportProtocol"].as_str().unwrap_or("any");
        format!("{transport}/{alpn}{opened} {kind}")
    })
    .collect()
}

#[test]
fn each_mode_has_its_chains() {
    let table: &[(&str, [&[&str]; 4])] = &[
        (
            "PERMISSIVE",
            [
                &["tls/5 opened http", "raw_buffer/0 http"],
                &["tls/5 opened bytes", "raw_buffer/0 bytes", "tls/0 bytes"],
                &[
                    "tls/3 opened http",
                    "tls/2 opened bytes",
                    "raw_buffer/2 http",
                    "raw_buffer/0 bytes",
                    "tls/0 bytes",
                ],
                &[
                    "tls/3 opened http",
                    "tls/2 opened bytes",
                    "raw_buffer/2 http",
                    "raw_buffer/0 bytes",
                    "tls/0 bytes",
                ],
            ],
        ),
        (
            "STRICT",
            [
                &["tls/0 opened http"],
                &["tls/0 opened bytes"],
                &["tls/3 opened http", "tls/0 opened bytes"],
                &["tls/3 opened http", "tls/0 opened bytes"],
            ],
        ),
        (
            "DISABLE",
            [
                &["any/0 http"],
                &["any/0 bytes"],
                &["raw_buffer/2 http", "raw_buffer/0 bytes"],
                &["raw_buffer/2 http"],
            ],
        ),
    ];
    for (mode, expected) in table {
        let mut script = script();
        script.istio("PeerAuthentication", "default", rule(mode));
        let told = secure(&script);
        let ports = [Some(8080), Some(5432), Some(7000), None];
        for (port, expected) in ports.into_iter().zip(expected) {
            assert_eq!(served(&told, port), *expected, "{mode} {port:?}");
        }
        // What no chain takes may only pass where nothing has to be proven.
        let default = &told.listener("virtualInbound")["defaultFilterChain"];
        assert_eq!(default.is_null(), *mode != "DISABLE", "{mode}");
    }
}

#[test]
fn the_narrower_rule_counts_and_unset_inherits() {
    let strict: &[&str] = &["tls/0 opened http"];
    let both: &[&str] = &["tls/5 opened http", "raw_buffer/0 http"];
    let plain: &[&str] = &["any/0 http"];
    let root = |script: &mut Script, mode: &str| {
        script.istio_in("istio-system", "PeerAuthentication", "root", rule(mode));
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Script), &'a [&'a str]);
    let table: [Case<'_>; 11] = [
        ("nothing said", &|_| {}, both),
        ("the mesh", &|s| root(s, "STRICT"), strict),
        (
            "the namespace over the mesh",
            &|s| {
                root(s, "STRICT");
                s.istio("PeerAuthentication", "ns", rule("PERMISSIVE"));
            },
            both,
        ),
        (
            "an unset namespace",
            &|s| {
                root(s, "STRICT");
                s.istio("PeerAuthentication", "ns", rule("UNSET"));
            },
            strict,
        ),
        (
            "a namespace that says nothing",
            &|s| {
                root(s, "DISABLE");
                s.istio("PeerAuthentication", "ns", json!({}));
            },
            plain,
        ),
        (
            "the workload over its namespace",
            &|s| {
                s.istio("PeerAuthentication", "ns", rule("STRICT"));
                s.istio("PeerAuthentication", "me", selected("DISABLE", json!({})));
            },
            plain,
        ),
        (
            "the port over its workload",
            &|s| {
                let ports = json!({"8080": {"mode": "STRICT"}});
                s.istio("PeerAuthentication", "me", selected("DISABLE", ports));
            },
            strict,
        ),
        (
            "an unset port is as its workload",
            &|s| {
                let ports = json!({"8080": {"mode": "UNSET"}});
                s.istio("PeerAuthentication", "me", selected("STRICT", ports));
            },
            strict,
        ),
        (
            "the service's port is not the workload's",
            &|s| {
                let ports = json!({"80": {"mode": "DISABLE"}});
                s.istio("PeerAuthentication", "me", selected("STRICT", ports));
            },
            strict,
        ),
        (
            "the oldest of two",
            &|s| {
                s.istio("PeerAuthentication", "z", rule("STRICT"));
                s.istio("PeerAuthentication", "a", rule("DISABLE"));
            },
            strict,
        ),
        (
            "a selector in the root namespace",
            &|s| {
                let spec = selected("STRICT", json!({}));
                s.istio_in("istio-system", "PeerAuthentication", "me", spec);
            },
            both,
        ),
    ];
    for (name, write, expected) in table {
        let mut script = script();
        write(&mut script);
        assert_eq!(served(&secure(&script), Some(8080)), expected, "{name}");
    }
}

#[test]
fn a_port_that_no_service_has_can_be_named() {
    let mut script = script();
    let ports = json!({"9999": {"mode": "STRICT"}});
    script.istio("PeerAuthentication", "me", selected("DISABLE", ports));
    let told = secure(&script);
    assert_eq!(served(&told, Some(9999)), ["tls/3 opened http", "tls/0 opened bytes"]);
    // Envoy gives what fits no chain to the default one, which would let plain text in there.
    assert!(told.listener("virtualInbound")["defaultFilterChain"].is_null());
    assert_eq!(served(&told, None), ["raw_buffer/2 http", "tls/0 bytes", "raw_buffer/0 bytes"]);
}

#[test]
fn the_context_asks_for_an_identity_of_the_mesh() {
    let mut script = script();
    script.mesh_config("{ trustDomain: bank.example, trustDomainAliases: [ old.example ] }");
    script.istio("PeerAuthentication", "default", rule("STRICT"));
    let listener = secure(&script).listener("virtualInbound");
    let context = &listener["filterChains"][1]["transportSocket"]["typedConfig"];
    assert_eq!(context["requireClientCertificate"], true);
    let common = &context["commonTlsContext"];
    let certificate = &common["tlsCertificateSdsSecretConfigs"][0];
    assert_eq!(certificate["name"], "default");
    let source = &certificate["sdsConfig"]["apiConfigSource"];
    assert_eq!(source["grpcServices"][0]["envoyGrpc"]["clusterName"], "sds-grpc");
    let checks = &common["combinedValidationContext"];
    assert_eq!(checks["validationContextSdsSecretConfig"]["name"], "ROOTCA");
    let names = &checks["defaultValidationContext"]["matchTypedSubjectAltNames"];
    let names: Vec<_> = names.as_array().into_iter().flatten().collect();
    assert_eq!(names[0]["matcher"]["prefix"], "spiffe://bank.example/");
    assert_eq!(names[1]["matcher"]["prefix"], "spiffe://old.example/");
}

#[test]
fn a_proxy_is_told_of_tls_only_if_it_can_speak_it() {
    let mut script = script();
    script.istio("PeerAuthentication", "default", rule("STRICT"));
    let (model, _) = understand(&script.world());
    let told = |agent: &str, has_certificate: bool| {
        let mut node = sidecar("default", &[]);
        (node.agent, node.has_certificate) = (agent.to_owned(), has_certificate);
        served(&Told(publish(&model.view(&node))), Some(8080))
    };
    assert_eq!(told("envoy/1.40.0", false), ["any/0 http"]);
    assert_eq!(told("envoy/1.40.0", true), ["tls/0 opened http"]);
}

#[test]
fn what_does_nothing_is_said() {
    let mut script = script();
    script.istio("PeerAuthentication", "a", rule("PERMISSIVE"));
    script.istio("PeerAuthentication", "b", rule("PERMISSIVE"));
    script.istio("PeerAuthentication", "c", selected("PERMISSIVE", json!({"x": {}})));
    script.istio_in("istio-system", "PeerAuthentication", "d", selected("PERMISSIVE", json!({})));
    script.istio_in(
        "other",
        "PeerAuthentication",
        "e",
        json!({"portLevelMtls": {"80": {"mode": "PERMISSIVE"}}}),
    );
    let expected = [
        "IST0106 spec.portLevelMtls",
        "IST0106 spec.portLevelMtls[x]",
        "IST0106 spec.selector",
        "IST0118 spec.ports[2]",
        "LAT0008 spec",
    ];
    assert_eq!(script.findings(), expected);
}
