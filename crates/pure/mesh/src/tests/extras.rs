//! Annotations of DestinationRules: breakers, fallbacks, the growth of ejections.

use serde_json::{Value, json};

use super::{Script, sidecar};

fn script(annotations: &Value, spec: Value) -> Script {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1", "v2"]);
    script.app("cache", 80, &["v1"]);
    script.add(json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "r", "annotations": annotations}, "spec": spec}));
    script
}

fn spec() -> Value {
    let subset = |name: &str| json!({"name": name, "labels": {"version": name}});
    json!({"host": "reviews", "subsets": [subset("v1"), subset("v2")]})
}

/// What a client's proxy is told of `SUBSET`, by annotations; and the findings.
fn told(annotations: &Value, subset: &str) -> (Value, Vec<String>) {
    let script = script(annotations, spec());
    let name = format!("outbound|9080|{subset}|reviews.default.svc.cluster.local");
    let cluster = script.snapshot(&sidecar("default", &[])).cluster(&name);
    (cluster["metadata"]["filterMetadata"]["lateen"].clone(), script.findings())
}

#[test]
fn a_breaker_is_told_with_its_defaults() {
    let (said, findings) = told(&json!({"lateen/breaker": "{errors: 5, within: 10s}"}), "");
    assert_eq!(
        said,
        json!({"breaker": {"errors": 5, "within_ms": 10_000, "open_for_ms": 30_000,
            "max_open_for_ms": 300_000, "growth": "exponential", "trials": 1, "on": ["5xx"]}})
    );
    assert!(findings.is_empty(), "{findings:?}");
    let all = "{share: 12.5%, of: 20, openFor: 1m, maxOpenFor: 10m, growth: linear, trials: 3, \
               on: 'gateway-error, 429'}";
    let (said, findings) = told(&json!({"lateen/breaker": all}), "v1");
    assert_eq!(
        said,
        json!({"breaker": {"share_thousandths": 12_500, "of": 20, "open_for_ms": 60_000,
            "max_open_for_ms": 600_000, "growth": "linear", "trials": 3,
            "on": ["gateway-error", "429"]}})
    );
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(told(&json!({}), "").0, Value::Null);
}

#[test]
fn the_most_specific_part_wins_and_off_is_off() {
    let list = "
      - {errors: 1, within: 1s}
      - {for: {port: 9080}, errors: 2, within: 1s}
      - {for: {subset: v1}, errors: 3, within: 1s}
      - {for: {subset: v2}, off: true}
    ";
    let errors = |subset: &str| {
        let (said, findings) = told(&json!({"lateen/breaker": list}), subset);
        assert!(findings.is_empty(), "{findings:?}");
        said["breaker"]["errors"].as_u64()
    };
    assert_eq!((errors(""), errors("v1"), errors("v2")), (Some(2), Some(3), None));
}

#[test]
fn fallbacks_are_answers_or_destinations() {
    let answer = "{status: 203, body: '[]', headers: {Content-Type: application/json, x-age: 5}, grpcStatus: 0}";
    let (said, findings) = told(&json!({"lateen/fallback": answer}), "");
    assert_eq!(
        said["fallback"],
        json!({"status": 203, "body": "[]", "grpc_status": 0,
            "headers": {"content-type": "application/json", "x-age": "5"}})
    );
    assert!(findings.is_empty(), "{findings:?}");
    for (text, subset, expected) in [
        ("{subset: v1}", "v2", Some("outbound|9080|v1|reviews.default.svc.cluster.local")),
        ("{subset: v1}", "", Some("outbound|9080|v1|reviews.default.svc.cluster.local")),
        ("{subset: v1}", "v1", None),
        ("{host: cache}", "", Some("outbound|80||cache.default.svc.cluster.local")),
        ("{host: cache, port: 80}", "v1", Some("outbound|80||cache.default.svc.cluster.local")),
        ("[{for: {subset: v2}, host: cache}]", "v1", None),
    ] {
        let (said, findings) = told(&json!({"lateen/fallback": text}), subset);
        assert_eq!(said["fallback"]["cluster"].as_str(), expected, "{text} of {subset:?}");
        assert!(findings.is_empty(), "{text}: {findings:?}");
    }
}

#[test]
fn the_growth_of_ejections_is_told_where_there_are_any() {
    let with = |word: &str, policy: Value| {
        let mut spec = spec();
        spec["trafficPolicy"] = policy;
        let script = script(&json!({"lateen/ejection-growth": word}), spec);
        let name = "outbound|9080|v1|reviews.default.svc.cluster.local";
        let cluster = script.snapshot(&sidecar("default", &[])).cluster(name);
        (cluster["metadata"]["filterMetadata"]["lateen"].clone(), script.findings())
    };
    let path = "IST0106 metadata.annotations[lateen/ejection-growth]".to_owned();
    let ejection = json!({"ejection": {"growth": "exponential"}});
    assert_eq!(with("exponential", json!({"outlierDetection": {}})), (ejection, vec![]));
    assert_eq!(with("linear", json!({"outlierDetection": {}})), (Value::Null, vec![]));
    assert_eq!(with("exponential", json!({})), (Value::Null, vec![path.clone()]));
    assert_eq!(with("sudden", json!({"outlierDetection": {}})), (Value::Null, vec![path]));
}

#[test]
fn what_is_wrong_is_named_by_its_place_and_harms_only_itself() {
    let table = [
        ("lateen/breaker", "][", vec!["IST0106 "]),
        ("lateen/breaker", "soon", vec!["IST0106 "]),
        ("lateen/breaker", "{}", vec!["IST0106 "]),
        ("lateen/breaker", "{errors: 5}", vec!["IST0106 .errors"]),
        ("lateen/breaker", "{of: 5}", vec!["IST0106 .of"]),
        ("lateen/breaker", "{errors: 0, within: 1s}", vec!["IST0106 .errors"]),
        ("lateen/breaker", "{errors: 1, within: soon}", vec!["IST0106 .within"]),
        ("lateen/breaker", "{errors: 1, within: 25h}", vec!["IST0106 .within"]),
        ("lateen/breaker", "{share: 101%, of: 9}", vec!["IST0106 .share"]),
        ("lateen/breaker", "{share: 50%, of: 10001}", vec!["IST0106 .of"]),
        ("lateen/breaker", "{errors: 1, within: 1s, on: 3xx}", vec!["IST0106 .on"]),
        (
            "lateen/breaker",
            "{errors: 1, within: 1s, for: {subset: v9}}",
            vec!["IST0101 .for.subset"],
        ),
        ("lateen/breaker", "{errors: 1, within: 1s, for: {}}", vec!["IST0106 .for"]),
        ("lateen/breaker", "[{off: maybe}, 7]", vec!["IST0106 [0].off", "IST0106 [1]"]),
        ("lateen/fallback", "{}", vec!["IST0106 "]),
        ("lateen/fallback", "{status: 200, host: cache}", vec!["IST0106 "]),
        ("lateen/fallback", "{status: 100}", vec!["IST0106 .status"]),
        (
            "lateen/fallback",
            "{headers: {content-length: 5}}",
            vec!["IST0106 .headers[content-length]"],
        ),
        ("lateen/fallback", "{host: nobody}", vec!["IST0101 .host"]),
        ("lateen/fallback", "{subset: v9}", vec!["IST0101 .subset"]),
        ("lateen/fallback", "{host: cache, port: 81}", vec!["IST0101 .port.number"]),
    ];
    for (name, text, expected) in table {
        let (said, findings) = told(&json!({name: text}), "");
        let path = format!("metadata.annotations[{name}]");
        let expected: Vec<String> =
            expected.iter().map(|one| one.replacen(' ', &format!(" {path}"), 1)).collect();
        assert_eq!(findings, expected, "{text}");
        let other = told(&json!({name: text, "lateen/ejection-growth": "odd"}), "v1");
        assert_eq!(other.1.len(), expected.len() + 1, "{text}");
        let kept = name == "lateen/fallback" && text.contains("content-length");
        if !kept {
            assert_eq!(said, Value::Null, "{text}");
        }
    }
}

#[test]
fn what_is_wrong_beside_what_is_right_leaves_it() {
    let (said, findings) =
        told(&json!({"lateen/breaker": "{errors: 5, within: 10s, growth: odd, color: red}"}), "");
    assert_eq!(said["breaker"]["errors"], 5);
    assert_eq!(
        findings,
        [
            "IST0106 metadata.annotations[lateen/breaker].color",
            "IST0106 metadata.annotations[lateen/breaker].growth"
        ]
    );
    let list = "[{errors: 5, within: 10s}, {errors: 6, within: 10s}, {errors: 0}]";
    let (said, findings) = told(&json!({"lateen/breaker": list}), "");
    assert_eq!(said["breaker"]["errors"], 5);
    assert_eq!(findings.len(), 2, "{findings:?}");
}

#[test]
fn a_younger_rule_adds_what_the_older_leaves_open() {
    let mut script = script(&json!({"lateen/breaker": "{errors: 5, within: 10s}"}), spec());
    script.add(json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "s", "creationTimestamp": "2026-02-01T00:00:00Z", "annotations": {
            "lateen/breaker": "[{errors: 6, within: 10s}, {for: {port: 9080}, errors: 7, within: 1s}]",
            "lateen/fallback": "{body: sorry}"}}, "spec": {"host": "reviews"}}));
    let name = "outbound|9080||reviews.default.svc.cluster.local";
    let cluster = script.snapshot(&sidecar("default", &[])).cluster(name);
    let said = &cluster["metadata"]["filterMetadata"]["lateen"];
    assert_eq!(
        (&said["breaker"]["errors"], &said["fallback"]["body"]),
        (&json!(7), &json!("sorry"))
    );
    assert_eq!(script.findings(), ["LAT0004 metadata.annotations[lateen/breaker]"]);
}
