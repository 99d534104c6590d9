//! Tests of reading TLS contexts.

use serde_json::{Value, json};
use xds::{cluster as proto, core};

use super::*;

fn cluster(value: Value) -> proto::Cluster {
    serde_json::from_value(value).unwrap()
}

fn socket(kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!(
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}TlsContext"
    ));
    json!({"name": "envoy.transport_sockets.tls", "typed_config": config})
}

fn server(config: Value) -> Result<ServerTls, String> {
    let socket: core::TransportSocket =
        serde_json::from_value(socket("Downstream", config)).unwrap();
    ServerTls::of_socket(Some(&socket)).map(Option::unwrap).map_err(|bad| bad.field)
}

fn name(matcher: Value) -> NameMatch {
    NameMatch::typed(&serde_json::from_value(matcher).unwrap()).unwrap()
}

#[test]
fn the_first_match_within_the_labels_of_an_endpoint_wins() {
    let own = socket("Upstream", json!({"sni": "istio"}));
    let other = socket("Upstream", json!({"sni": "other"}));
    let plain = json!({"name": "envoy.transport_sockets.raw_buffer"});
    let of = |matches: Value, labels: Option<Value>| {
        let cluster = cluster(
            json!({"name": "c", "transport_socket": other, "transport_socket_matches": matches}),
        );
        let metadata = labels.map(|labels| {
            let metadata = json!({"filter_metadata": {"envoy.transport_socket_match": labels}});
            serde_json::from_value(metadata).unwrap()
        });
        let sockets = Sockets::compile(&cluster).unwrap();
        sockets.of(metadata.as_ref()).map(|socket| socket.server_name.to_string())
    };
    let matches = json!([
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": own},
        {"name": "tlsMode-disabled", "match": {}, "transport_socket": plain},
    ]);
    let istio = || Some(json!({"tlsMode": "istio", "more": "1"}));
    assert_eq!(of(matches.clone(), istio()), Some("istio".into()));
    assert_eq!(of(matches.clone(), Some(json!({"tlsMode": "disabled"}))), None);
    assert_eq!(of(matches.clone(), None), None);
    let only_own = json!([matches[0]]);
    assert_eq!(of(only_own.clone(), None), Some("other".into()), "none: the cluster's own");
    assert_eq!(of(json!([]), istio()), Some("other".into()));
}

#[test]
fn names_are_told_apart_by_kind() {
    let uri = name(json!({"san_type": "URI", "matcher": {"exact": "spiffe://td/ns/a/sa/b"}}));
    assert!(uri.matches(NameKind::Uri, "spiffe://td/ns/a/sa/b"));
    assert!(!uri.matches(NameKind::Dns, "spiffe://td/ns/a/sa/b"));
    assert!(!uri.matches(NameKind::Uri, "spiffe://td/ns/a/sa/bc"));
    let prefix = name(json!({"san_type": "URI", "matcher": {"prefix": "spiffe://td/"}}));
    assert!(prefix.matches(NameKind::Uri, "spiffe://td/ns/x"));
    let dns = name(json!({"san_type": "DNS", "matcher": {"exact": "a.example.com"}}));
    for (presented, good) in [
        ("a.example.com", true),
        ("A.Example.com", true),
        ("*.example.com", true),
        ("*.com", false),
        ("b.example.com", false),
        ("*", false),
    ] {
        assert_eq!(dns.matches(NameKind::Dns, presented), good, "{presented}");
    }
}

#[test]
fn a_server_needs_a_certificate_and_keeps_its_key_to_itself() {
    assert_eq!(server(json!({})).unwrap_err(), "common_tls_context.tls_certificates");
    let pair = json!({"certificate_chain": {"inline_string": "PUBLIC"}, "private_key": {"inline_string": "SECRET"}});
    let read = server(json!({
        "common_tls_context": {"tls_certificates": [pair], "alpn_protocols": ["h2,http/1.1"]},
        "require_client_certificate": true,
    }))
    .unwrap();
    assert!(read.requires_client_certificate);
    assert_eq!(read.context.alpn, ["h2".into(), "http/1.1".into()]);
    assert_eq!((read.context.oldest, read.context.newest), (TlsVersion::V12, TlsVersion::V13));
    assert!(!format!("{read:?}").contains("SECRET"));
}

#[test]
fn what_is_not_honoured_is_refused_with_its_path() {
    let secret = |name: &str, source: Value| json!({"name": name, "sds_config": source});
    let own = json!({"api_config_source": {"api_type": "GRPC", "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}]}});
    let common = |more: Value| {
        let mut common =
            json!({"tls_certificate_sds_secret_configs": [secret("default", own.clone())]});
        for (key, value) in more.as_object().unwrap() {
            common[key] = value.clone();
        }
        server(json!({"common_tls_context": common}))
    };
    let names: Vec<String> =
        common(json!({})).unwrap().context.secret_names().map(ToString::to_string).collect();
    assert_eq!(names, ["default"]);
    for (more, path) in [
        (json!({"key_log": {"path": "/tmp/x"}}), "common_tls_context.key_log"),
        (
            json!({"tls_params": {"tls_maximum_protocol_version": "TLSv1_1"}}),
            "common_tls_context.tls_params.tls_maximum_protocol_version",
        ),
        (
            json!({"tls_params": {"cipher_suites": ["NULL"]}}),
            "common_tls_context.tls_params.cipher_suites[0]",
        ),
        (
            json!({"tls_params": {"cipher_suites": ["AES128-SHA"]}}),
            "common_tls_context.tls_params.cipher_suites",
        ),
        (
            json!({"validation_context": {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "a"}}]}}),
            "common_tls_context.validation_context.trusted_ca",
        ),
        (
            json!({"validation_context_sds_secret_config": secret("other", own.clone())}),
            "common_tls_context.validation_context_sds_secret_config.sds_config.api_config_source",
        ),
    ] {
        assert_eq!(common(more).unwrap_err(), path);
    }
    let suites = json!({"tls_params": {"cipher_suites": ["[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]", "AES128-SHA"]}});
    assert_eq!(common(suites).unwrap().context.cipher_suites.len(), 2);
}

#[test]
fn parts_of_a_validation_add_up() {
    let default = Validation {
        names: vec![name(json!({"san_type": "URI", "matcher": {"exact": "u"}}))],
        ..Validation::default()
    };
    let roots = Validation { trusted_ca: Some(Source::File("/r".into())), ..Validation::default() };
    let merged = Validation::merged([&default, &roots]);
    assert_eq!(merged.trusted_ca, roots.trusted_ca);
    assert!(merged.accepts_names([(NameKind::Uri, "u")].into_iter()));
    assert!(!merged.accepts_names([(NameKind::Uri, "v")].into_iter()));
    assert!(roots.accepts_names(std::iter::empty()));
}
