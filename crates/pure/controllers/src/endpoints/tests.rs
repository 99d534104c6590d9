//! Scripts: Services, pods, and the addresses that follow.

use serde_json::{Value, json};

use crate::stage::{Stage, deployment};

fn key(name: &str) -> (String, String) {
    ("default".to_owned(), name.to_owned())
}

fn stage(port: Value) -> Stage {
    let mut stage = Stage::new();
    stage.put("apps/v1", "Deployment", deployment("web", 2, "one"));
    stage.put(
        "v1",
        "Service",
        json!({
            "metadata": {"name": "web", "namespace": "default", "labels": {"team": "a"}},
            "spec": {"selector": {"app": "web"}, "clusterIP": "10.96.1.0", "type": "ClusterIP",
                "ports": [port]},
        }),
    );
    stage
}

fn endpoints(stage: &Stage) -> Value {
    stage.find("Endpoints", &key("web")).unwrap()
}

fn slice(stage: &Stage) -> Value {
    assert_eq!(stage.seen.slices.len(), 1);
    json!(stage.seen.slices.values().next().unwrap())
}

#[test]
fn ready_pods_are_addresses_and_ports_go_by_name_or_number() {
    for (port, name) in [
        (json!({"port": 80, "targetPort": 8080}), Value::Null),
        (json!({"name": "web", "port": 80, "targetPort": "http"}), json!("web")),
    ] {
        let mut stage = stage(port);
        stage.settle(&mut |_| ());
        let object = endpoints(&stage);
        let subset = &object["subsets"][0];
        assert_eq!(subset["addresses"].as_array().unwrap().len(), 2);
        assert_eq!(subset["addresses"][0]["targetRef"]["kind"], "Pod");
        assert_eq!(subset["addresses"][0]["nodeName"], "lateen");
        assert_eq!(
            (&subset["ports"][0]["port"], &subset["ports"][0]["name"]),
            (&json!(8080), &name)
        );
        assert_eq!(object["metadata"]["labels"]["team"], "a");
        let slice = slice(&stage);
        assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], "web");
        assert_eq!(slice["endpoints"].as_array().unwrap().len(), 2);
        assert_eq!(slice["endpoints"][0]["conditions"]["ready"], true);
        assert_eq!(slice["ports"][0]["port"], 8080);
    }
}

#[test]
fn a_pod_that_is_deleted_is_withdrawn_at_once() {
    let mut stage = stage(json!({"port": 80, "targetPort": 8080}));
    stage.settle(&mut |_| ());
    let victim = stage.seen.pods.keys().next().unwrap().clone();
    stage.delete("Pod", &victim, None);
    let plan = super::step(&stage.seen);
    stage.carry_out(plan);
    assert!(stage.seen.pods.contains_key(&victim), "it has not ended yet");
    assert_eq!(endpoints(&stage)["subsets"][0]["addresses"].as_array().unwrap().len(), 1);
    assert_eq!(slice(&stage)["endpoints"].as_array().unwrap().len(), 1);
}

#[test]
fn pods_that_are_not_ready_wait_unless_they_are_published() {
    let mut stage = stage(json!({"port": 80, "targetPort": 8080}));
    stage.broken = |_| true;
    stage.settle(&mut |_| ());
    let subset = endpoints(&stage)["subsets"][0].clone();
    assert!(subset["addresses"].is_null());
    assert_eq!(subset["notReadyAddresses"].as_array().unwrap().len(), 2);
    assert_eq!(slice(&stage)["endpoints"][0]["conditions"]["ready"], false);
    let mut service = stage.find("Service", &key("web")).unwrap();
    service["spec"]["publishNotReadyAddresses"] = true.into();
    stage.put("v1", "Service", service);
    stage.settle(&mut |_| ());
    assert_eq!(endpoints(&stage)["subsets"][0]["addresses"].as_array().unwrap().len(), 2);
}

#[test]
fn a_service_without_pods_has_an_empty_slice_and_one_without_selector_is_left_alone() {
    let mut stage = Stage::new();
    stage.put(
        "v1",
        "Service",
        json!({
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"app": "none"}, "ports": [{"port": 80}]},
        }),
    );
    stage.put(
        "v1",
        "Service",
        json!({
            "metadata": {"name": "outside", "namespace": "default"},
            "spec": {"ports": [{"port": 80}]},
        }),
    );
    stage.settle(&mut |_| ());
    assert!(endpoints(&stage)["subsets"].as_array().is_none_or(Vec::is_empty));
    assert_eq!(slice(&stage)["endpoints"], json!([]));
    assert!(stage.find("Endpoints", &key("outside")).is_none());
    stage.put(
        "v1",
        "Endpoints",
        json!({
            "metadata": {"name": "outside", "namespace": "default"},
            "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 80}]}],
        }),
    );
    stage.settle(&mut |_| ());
    assert_eq!(stage.seen.slices.len(), 2);
    let mirrored = stage.seen.slices.values().find(|slice| slice.endpoints.len() == 1).unwrap();
    assert_eq!(mirrored.endpoints[0].addresses, ["192.0.2.1"]);
}

#[test]
fn what_was_made_for_a_service_goes_with_it() {
    let mut stage = stage(json!({"port": 80, "targetPort": 8080}));
    stage.settle(&mut |_| ());
    stage.delete("Service", &key("web"), None);
    stage.settle(&mut |_| ());
    assert!(stage.seen.endpoints.is_empty());
    assert!(stage.seen.slices.is_empty());
}
