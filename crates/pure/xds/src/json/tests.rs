//! Documents as people write them, and what is said of those that are wrong.

use serde_json::{Value, json};

use super::{Json as _, camel, is_name};
use crate::{
    bootstrap::Bootstrap,
    cluster::{Cluster, cluster::LbPolicy},
    core::{DataSource, SocketOption, data_source::Specifier, socket_option},
    listener::Listener,
    wkt::{Any, Duration, Struct},
};

#[test]
fn names_are_those_of_protobuf_or_their_camel_case() {
    assert_eq!(camel("connect_timeout"), "connectTimeout");
    assert_eq!(camel("r#type"), "type");
    for (key, field, same) in [
        ("connectTimeout", "connect_timeout", true),
        ("connect_timeout", "connect_timeout", true),
        ("type", "r#type", true),
        ("ConnectTimeout", "connect_timeout", false),
        ("connectTimeouts", "connect_timeout", false),
        ("connect", "connect_timeout", false),
    ] {
        assert_eq!(is_name(key, field), same, "{key} {field}");
    }
}

#[test]
fn an_envoy_bootstrap_is_read() {
    let document = json!({
        "node": {"id": "n", "cluster": "c", "metadata": {"LABELS": {"app": "a"}, "PORT": 8080}},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9901}}},
        "static_resources": {
            "listeners": [{
                "name": "in",
                "address": {"socketAddress": {"address": "0.0.0.0", "portValue": 10000}},
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.tcp_proxy",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                        "stat_prefix": "x", "cluster": "c"},
                }]}],
            }],
            "clusters": [{"name": "c", "type": "STRICT_DNS", "connect_timeout": "0.25s", "lb_policy": 2,
                "per_connection_buffer_limit_bytes": "32768"}],
        },
    });
    let bootstrap: Bootstrap = serde_json::from_value(document).unwrap();
    let resources = bootstrap.static_resources.as_ref().unwrap();
    assert_eq!(resources.clusters[0].lb_policy, LbPolicy::RingHash as i32);
    assert_eq!(resources.clusters[0].per_connection_buffer_limit_bytes, Some(32768));
    assert_eq!(
        resources.clusters[0].connect_timeout,
        Some(Duration { seconds: 0, nanos: 250_000_000 })
    );
    let written = serde_json::to_value(&bootstrap).unwrap();
    let filter =
        &written["staticResources"]["listeners"][0]["filterChains"][0]["filters"][0]["typedConfig"];
    assert_eq!(filter["statPrefix"], "x");
    assert_eq!(written["node"]["metadata"]["PORT"], 8080);
    assert_eq!(serde_json::from_value::<Bootstrap>(written).unwrap(), bootstrap);
}

#[test]
fn an_error_names_the_place_and_what_was_expected() {
    let listener = |filter: Value| {
        let error =
            Listener::read(&json!({"filterChains": [{}, {"filters": [filter]}]})).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        listener(json!({"naem": "x"})),
        "filterChains[1].filters[0]: envoy.config.listener.v3.Filter has no field `naem`; check the spelling"
    );
    assert_eq!(
        listener(json!({"name": 7})),
        "filterChains[1].filters[0].name: expected a string, found 7"
    );
    assert_eq!(
        listener(json!({"typedConfig": {"@type": "type.googleapis.com/a.b.C", "x": 1}})),
        "filterChains[1].filters[0].typedConfig.@type: unknown type `type.googleapis.com/a.b.C`: nothing here obeys it"
    );
    let error = Cluster::read(&json!({"lbPolicy": "ROUND"})).unwrap_err().to_string();
    assert_eq!(error, "lbPolicy: envoy.config.cluster.v3.Cluster.LbPolicy has no value `ROUND`");
    let error =
        DataSource::read(&json!({"filename": "a", "inlineString": "b"})).unwrap_err().to_string();
    assert!(error.contains("another field of the oneof"), "{error}");
}

#[test]
fn integers_of_64_bits_are_strings_and_read_as_numbers_too() {
    let option = SocketOption {
        level: i64::MAX,
        value: Some(socket_option::Value::IntValue(-1)),
        ..SocketOption::default()
    };
    let written = option.write();
    assert_eq!(written, json!({"level": "9223372036854775807", "intValue": "-1"}));
    assert_eq!(SocketOption::read(&written).unwrap(), option);
    assert_eq!(SocketOption::read(&json!({"level": 1, "name": 6.0})).unwrap().name, 6);
    for wrong in [json!({"level": 1.5}), json!({"level": "x"}), json!({"level": true})] {
        assert!(SocketOption::read(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn bytes_are_base64_of_either_alphabet_padded_or_not() {
    for text in ["+/8=", "+/8", "-_8="] {
        let source = DataSource::read(&json!({"inlineBytes": text})).unwrap();
        assert_eq!(source.specifier, Some(Specifier::InlineBytes(vec![0xfb, 0xff])), "{text}");
    }
    assert!(DataSource::read(&json!({"inlineBytes": "*"})).is_err());
}

#[test]
fn durations_are_seconds_with_up_to_nine_digits() {
    for (text, seconds, nanos, written) in [
        ("1s", 1, 0, "1s"),
        ("0.25s", 0, 250_000_000, "0.250s"),
        ("-1.5s", -1, -500_000_000, "-1.500s"),
        ("0.000000001s", 0, 1, "0.000000001s"),
    ] {
        let span = Duration::read(&json!(text)).unwrap();
        assert_eq!(span, Duration { seconds, nanos }, "{text}");
        assert_eq!(span.write(), json!(written));
    }
    for text in ["1", "s", "1m", "1.0000000001s", "+1s", "1.-5s", ""] {
        assert!(Duration::read(&json!(text)).is_err(), "{text}");
    }
}

#[test]
fn any_writes_types_that_it_does_not_know_as_bytes_and_reads_them_back() {
    let any = Any { type_url: "type.googleapis.com/a.b.C".into(), value: vec![1, 2] };
    let written = any.write();
    assert_eq!(written, json!({"@type": "type.googleapis.com/a.b.C", "value": "AQI="}));
    assert_eq!(Any::read(&written).unwrap(), any);
}

#[test]
fn well_known_types_in_any_stand_under_value() {
    let document = json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"a": [1, null, "x"]}});
    let any = Any::read(&document).unwrap();
    assert_eq!(any.write(), document);
    assert!(any.type_name().ends_with("Struct"));
    let fields: Struct = serde_json::from_value(document["value"].clone()).unwrap();
    assert_eq!(prost::Message::encode_to_vec(&fields), any.value);
}
