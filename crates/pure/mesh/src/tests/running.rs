//! How sidecars run, and what services say of nearness.

use serde_json::{Value, json};

use super::Script;
use crate::Node;
use crate::inject::{self, InjectConfig};

fn proxy_config(script: &mut Script, namespace: &str, name: &str, spec: Value) {
    script.istio_in(namespace, "ProxyConfig", name, spec);
}

/// The environment of the sidecar of a pod in `default` with the label `app: web`.
fn environment(script: &Script, annotations: Value) -> Vec<(String, String)> {
    let pod = json!({"metadata": {"name": "web", "labels": {"app": "web"}, "annotations": annotations},
        "spec": {"containers": [{"name": "app"}]}});
    let settings = inject::settings(&script.world(), "default", &pod);
    let config = InjectConfig { settings, ..InjectConfig::default() };
    let namespace =
        json!({"metadata": {"name": "default", "labels": {"istio-injection": "enabled"}}});
    let patch = inject::patch(&pod, &namespace, &config).expect("it is wanted");
    let sidecar =
        patch.as_array().expect("a list").iter().find(|op| op["path"] == "/spec/containers/-");
    let env = sidecar.expect("a container")["value"]["env"].as_array().expect("a list").clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    env.iter().map(|one| (text(&one["name"]), text(&one["value"]))).collect()
}

fn of(environment: &[(String, String)], name: &str) -> Option<String> {
    environment.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
}

#[test]
fn settings_of_a_narrower_level_go_over_those_of_a_wider_one() {
    let mut script = Script::default();
    script.mesh_config(
        "defaultConfig: { concurrency: 1, drainDuration: 9s, proxyMetadata: { A: mesh, B: mesh } }",
    );
    proxy_config(
        &mut script,
        "istio-system",
        "root",
        json!({"concurrency": 2, "environmentVariables": {"B": "root", "C": "root"}}),
    );
    proxy_config(
        &mut script,
        "default",
        "all",
        json!({"concurrency": 3, "environmentVariables": {"C": "all"}}),
    );
    proxy_config(
        &mut script,
        "default",
        "other",
        json!({"selector": {"matchLabels": {"app": "other"}}, "concurrency": 9}),
    );
    let env = environment(&script, json!({}));
    let config: Value =
        serde_json::from_str(&of(&env, "PROXY_CONFIG").expect("it is set")).expect("JSON");
    assert_eq!((&config["concurrency"], &config["drainDuration"]), (&json!(3), &json!("9s")));
    let all = ["A", "B", "C"].map(|name| of(&env, name).unwrap_or_default());
    assert_eq!(all, ["mesh", "root", "all"]);
    // Who selects the pod goes over that, and the pod's own annotation over all.
    proxy_config(
        &mut script,
        "default",
        "own",
        json!({"selector": {"matchLabels": {"app": "web"}}, "concurrency": 4}),
    );
    let threads = |annotations: Value| {
        let text = of(&environment(&script, annotations), "PROXY_CONFIG").expect("it is set");
        serde_json::from_str::<Value>(&text).expect("JSON")["concurrency"].clone()
    };
    assert_eq!(threads(json!({})), 4);
    assert_eq!(threads(json!({"proxy.istio.io/config": "concurrency: 5"})), 5);
    // A variable that the sidecar needs is not for others to change.
    proxy_config(
        &mut script,
        "default",
        "bad",
        json!({"selector": {"matchLabels": {"app": "web"}, }, "environmentVariables": {"POD_NAME": "x"}}),
    );
    let names: Vec<_> = environment(&script, json!({})).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.iter().filter(|name| *name == "POD_NAME").count(), 1);
}

#[test]
fn what_does_nothing_in_a_proxy_config_is_said() {
    let mut script = Script::default();
    proxy_config(
        &mut script,
        "default",
        "one",
        json!({"concurrency": 1, "image": {"imageType": "debug"}}),
    );
    proxy_config(&mut script, "default", "two", json!({"concurrency": 2}));
    assert_eq!(script.findings(), ["LAT0001 spec", "LAT0001 spec.image.imageType"]);
}

/// Zone and priority of the endpoints of `web`, for a caller in zone `a`.
fn priorities(of: Value) -> Vec<String> {
    let mut script = Script::default();
    let mut service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"clusterIP": "10.96.0.9", "selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]}});
    for part in ["metadata", "spec"] {
        for (name, value) in of[part].as_object().into_iter().flatten() {
            service[part][name] = value.clone();
        }
    }
    script.add(service);
    let endpoints: Vec<Value> = ["a", "b"]
        .iter()
        .zip(1..)
        .map(|(zone, at)| json!({"addresses": [format!("10.244.1.{at}")], "zone": zone}))
        .collect();
    script.add(
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": 80}], "endpoints": endpoints}),
    );
    let node = Node {
        locality: crate::model::Locality { zone: "a".to_owned(), ..Default::default() },
        ..super::sidecar("default", &[])
    };
    let told = script.snapshot(&node).endpoints("outbound|80||web.default.svc.cluster.local");
    let places = told["endpoints"].as_array().cloned().unwrap_or_default();
    places
        .iter()
        .map(|place| {
            format!(
                "{} {}",
                place["locality"]["zone"].as_str().unwrap_or(""),
                place["priority"].as_u64().unwrap_or(0)
            )
        })
        .collect()
}

#[test]
fn a_service_may_ask_for_near_endpoints() {
    let even = ["a 0", "b 0"];
    assert_eq!(priorities(json!({})), even);
    let near = ["a 0", "b 1"];
    for word in ["PreferClose", "PreferSameZone", "PreferSameNode"] {
        assert_eq!(priorities(json!({"spec": {"trafficDistribution": word}})), near, "{word}");
        let note = json!({"metadata": {"annotations": {"networking.istio.io/traffic-distribution": word}}});
        assert_eq!(priorities(note), near, "{word}");
    }
}

#[test]
fn what_a_service_asks_in_vain_is_said() {
    let mut script = Script::default();
    script.add(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web",
        "labels": {"istio.io/persistent-session": "cookie:/path"}},
        "spec": {"clusterIP": "10.96.0.9", "trafficDistribution": "PreferSameNode", "ports": [{"name": "http", "port": 80}]}}));
    assert_eq!(
        script.findings(),
        [
            "LAT0001 metadata.labels[istio.io/persistent-session]",
            "LAT0001 spec.trafficDistribution"
        ]
    );
}
