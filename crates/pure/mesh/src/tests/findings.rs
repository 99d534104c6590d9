//! Findings, and which of them are said at apply.

use serde_json::{Value, json};

use super::Script;
use crate::admission;

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": kind,
        "metadata": {"name": name, "namespace": "default"}, "spec": spec})
}

/// Ids and paths of what is said when `object` is applied to a world.
fn said(script: &Script, object: &Value) -> Vec<String> {
    let findings = admission(object, &script.world());
    findings.iter().map(|one| format!("{} {}", one.code.row().id, one.path)).collect()
}

fn rule(http: Value) -> Value {
    object("VirtualService", "v", json!({"hosts": ["reviews"], "http": http}))
}

#[test]
fn correct_files_in_any_order_warn_of_nothing() {
    let route = object(
        "VirtualService",
        "v",
        json!({"hosts": ["reviews"], "gateways": ["gw", "mesh"],
        "http": [{"route": [{"destination": {"host": "reviews", "subset": "v1"}}]}]}),
    );
    let policy = object(
        "DestinationRule",
        "d",
        json!({"host": "reviews",
        "subsets": [{"name": "v1", "labels": {"version": "v1"}}]}),
    );
    let gateway = object(
        "Gateway",
        "gw",
        json!({"selector": {"a": "b"}, "servers": [
        {"port": {"number": 80, "name": "h", "protocol": "HTTP"}, "hosts": ["*"]}]}),
    );
    for object in [&route, &policy, &gateway] {
        assert_eq!(admission(object, &Script::default().world()), []);
    }
    // But they are found, until the rest arrives.
    let mut script = Script::default();
    script.add(route).add(policy).add(gateway);
    assert_eq!(
        script.findings(),
        [
            "IST0101 spec.http[0].route[0].destination.host",
            "IST0101 spec.selector",
            "IST0174 spec.host",
        ]
    );
}

#[test]
fn what_is_proved_wrong_is_said_at_apply() {
    let to = json!([{"destination": {"host": "reviews"}}]);
    let table = [
        (
            rule(json!([{"route": [
            {"destination": {"host": "a"}, "weight": 0}, {"destination": {"host": "b"}, "weight": 0}]}])),
            "IST0106 spec.http[0].route",
        ),
        (
            rule(json!([{"route": [{"destination": {"host": "a"}, "weight": -5}]}])),
            "IST0106 spec.http[0].route[0].weight",
        ),
        (
            rule(json!([{"match": [{"uri": {"regex": "("}}], "route": to}])),
            "IST0106 spec.http[0].match[0].uri",
        ),
        (rule(json!([{"timeout": "soon", "route": to}])), "IST0106 spec.http[0].timeout"),
        (rule(json!([{"route": to}, {"route": to}])), "IST0130 spec.http[1]"),
        (
            rule(
                json!([{"match": [{"uri": {"prefix": "/a"}}], "route": to}, {"match": [{"uri": {"prefix": "/a"}}], "route": to}]),
            ),
            "IST0131 spec.http[1].match[0]",
        ),
        (
            rule(json!([{"redirect": {"redirectCode": 200}}])),
            "IST0106 spec.http[0].redirect.redirectCode",
        ),
        (
            rule(json!([{"fault": {"abort": {"http2Error": "X"}}, "route": to}])),
            "LAT0001 spec.http[0].fault.abort.http2Error",
        ),
        (
            rule(json!([{"match": [{"headers": {"uri": {"exact": "/"}}}], "route": to}])),
            "LAT0001 spec.http[0].match[0].headers[uri]",
        ),
        (
            object("VirtualService", "v", json!({"hosts": ["*"], "http": [{"route": to}]})),
            "IST0106 spec.hosts",
        ),
        (object("VirtualService", "v", json!({"hosts": ["reviews"]})), "IST0106 spec"),
        (
            object(
                "DestinationRule",
                "d",
                json!({"host": "reviews", "trafficPolicy": {"tls": {"mode": "SIMPLE"}}}),
            ),
            "LAT0001 spec.trafficPolicy.tls.mode",
        ),
        (
            object(
                "DestinationRule",
                "d",
                json!({"host": "reviews", "trafficPolicy": {"tunnel": {"targetHost": "x", "targetPort": 1}}}),
            ),
            "LAT0001 spec.trafficPolicy.tunnel",
        ),
        (
            object(
                "Gateway",
                "g",
                json!({"servers": [{"port": {"number": 0, "protocol": "HTTP", "name": "h"}, "hosts": ["*"]}]}),
            ),
            "IST0106 spec.servers[0].port.number",
        ),
        (
            object(
                "Gateway",
                "g",
                json!({"servers": [{"port": {"number": 443, "protocol": "HTTPS", "name": "h"}, "hosts": ["*"], "tls": {"mode": "SIMPLE"}}]}),
            ),
            "LAT0003 spec.servers[0].tls.mode",
        ),
        (object("VirtualService", "v", json!({"hosts": 5})), "IST0106 "),
    ];
    for (object, expected) in table {
        assert_eq!(said(&Script::default(), &object), [expected], "{object}");
    }
}

#[test]
fn an_older_object_for_the_same_host_is_said_at_apply() {
    let mut script = Script::default();
    script.istio(
        "VirtualService",
        "old",
        json!({"hosts": ["reviews"], "http": [{"redirect": {"uri": "/"}}]}),
    );
    assert_eq!(
        said(&script, &rule(json!([{"redirect": {"uri": "/"}}]))),
        ["IST0109 spec.hosts[0]"]
    );
    let text =
        admission(&rule(json!([{"redirect": {"uri": "/"}}])), &script.world())[0].to_string();
    assert!(
        text.starts_with(
            "Error [IST0109] (VirtualService default/v) spec.hosts[0]: default/old is older"
        ),
        "{text}"
    );
}

#[test]
fn a_deleted_object_takes_its_findings_along() {
    let mut script = Script::default();
    let bad = rule(json!([{"timeout": "soon", "redirect": {"uri": "/"}}]));
    script.add(bad.clone());
    assert_eq!(script.findings().len(), 1);
    let mut world = script.world();
    world.remove(&crate::Key::of(&bad).expect("it has a key"));
    assert_eq!(crate::understand(&world).1, []);
}

#[test]
fn bad_objects_leave_the_others_alone() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    let before = script.sidecar().0;
    script.istio("VirtualService", "a", json!({"hosts": ["reviews"], "http": "nonsense"}));
    script.istio(
        "DestinationRule",
        "b",
        json!({"host": "reviews", "subsets": [{"name": "no spaces"}]}),
    );
    script.istio("Gateway", "c", json!({"servers": [{"port": {"number": 70000}}]}));
    script.add(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd"}, "spec": {"ports": 7}}));
    assert_eq!(
        script.sidecar().clusters().keys().collect::<Vec<_>>(),
        super::Told(before).clusters().keys().collect::<Vec<_>>()
    );
    assert_eq!(script.sidecar().targets("9080", "reviews"), ["9080||reviews"]);
    assert!(script.findings().len() >= 4, "{:?}", script.findings());
}
