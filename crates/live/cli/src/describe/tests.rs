//! What `describe` says of the main kinds.
use super::*;
use serde_json::json;

fn described(object: &Value, around: &Around) -> String {
    sheet(object, around, "2030-01-01T00:10:00Z".parse().unwrap())
}

#[test]
fn a_secret_shows_no_value() {
    let secret = json!({ "kind": "Secret", "metadata": { "name": "s" }, "type": "Opaque", "data": { "key": "cGFzc3dvcmQ=" } });
    let text = described(&secret, &Around::default());
    assert!(text.contains("key:  8 bytes") && !text.contains("cGFzc3dvcmQ="), "{text}");
}

#[test]
fn events_come_oldest_first_with_their_count() {
    let event = |at: &str, reason: &str, count: u32| json!({ "firstTimestamp": "2030-01-01T00:00:00Z", "lastTimestamp": at, "reason": reason, "type": "Normal", "message": "m", "count": count, "source": { "component": "kubelet" } });
    let events = vec![
        event("2030-01-01T00:09:30Z", "Started", 1),
        event("2030-01-01T00:09:00Z", "Pulled", 3),
    ];
    let text = described(&json!({ "kind": "Pod" }), &Around { events, ..Around::default() });
    assert!(text.find("Pulled").unwrap() < text.find("Started").unwrap());
    assert!(text.contains("60s (x3 over 10m)"), "{text}");
    assert!(text.contains("Normal   Started   30s"), "{text}");
}

#[test]
fn a_pod_says_why_it_is_not_ready() {
    let pod = json!({
        "kind": "Pod",
        "metadata": { "name": "a", "namespace": "n", "labels": { "app": "a" },
            "creationTimestamp": "2030-01-01T00:00:00Z",
            "ownerReferences": [ { "kind": "ReplicaSet", "name": "a-1", "controller": true } ] },
        "spec": { "serviceAccountName": "default", "nodeName": "lateen",
            "containers": [ { "name": "web", "image": "lateen/service",
                "ports": [ { "containerPort": 8080, "name": "http" } ],
                "env": [ { "name": "A", "value": "1" },
                    { "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } } ],
                "readinessProbe": { "httpGet": { "path": "/ready", "port": 8080 }, "periodSeconds": 3 } } ] },
        "status": { "phase": "Running", "podIP": "10.244.0.7",
            "conditions": [ { "type": "Ready", "status": "False", "reason": "ContainersNotReady" } ],
            "containerStatuses": [ { "name": "web", "ready": false, "restartCount": 4,
                "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s" } },
                "lastState": { "terminated": { "exitCode": 3, "reason": "Error" } } } ] } });
    let text = described(&pod, &Around::default());
    for part in [
        "Created:          2030-01-01T00:00:00Z (10m ago)",
        "Controlled By:    ReplicaSet/a-1",
        "  web:\n    Image:",
        "8080/TCP (http)",
        "http-get http://:8080/ready delay=0s timeout=1s period=3s #success=1 #failure=3",
        "A=1\n",
        "IP=<status.podIP>",
        "Waiting",
        "CrashLoopBackOff",
        "back-off 40s",
        "Exit Code:",
        "Restart Count:  4",
        "Ready   False    ContainersNotReady",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_service_names_who_stands_behind_each_port() {
    let service = json!({ "kind": "Service", "metadata": { "name": "a" },
        "spec": { "clusterIP": "10.96.1.2", "type": "ClusterIP", "selector": { "app": "a" },
            "ports": [ { "name": "http", "port": 80, "targetPort": 8080 }, { "name": "other", "port": 81, "targetPort": 81 } ] } });
    let slices = vec![json!({ "ports": [ { "name": "http", "port": 8080 } ],
        "endpoints": [ { "addresses": ["10.244.0.7"], "conditions": { "ready": true } },
                       { "addresses": ["10.244.0.8"], "conditions": { "ready": false } } ] })];
    let text = described(&service, &Around { others: slices, ..Around::default() });
    assert!(text.contains("Endpoints:         10.244.0.7:8080\n"), "{text}");
    assert!(text.contains("Not Ready:         10.244.0.8:8080\n"), "{text}");
    assert!(text.contains("<none>: no pod"), "{text}");
}

#[test]
fn a_deployment_shows_its_replica_sets_old_and_new() {
    let deployment = json!({ "kind": "Deployment",
        "metadata": { "name": "a", "uid": "u", "annotations": { "deployment.kubernetes.io/revision": "2" } },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "a" } }, "strategy": { "type": "Recreate" },
            "template": { "metadata": { "labels": { "app": "a" } }, "spec": { "containers": [ { "name": "web", "image": "i" } ] } } },
        "status": { "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1, "unavailableReplicas": 1 } });
    let set = |name: &str, revision: &str, owner: &str| {
        json!({ "metadata": { "name": name,
        "ownerReferences": [ { "uid": owner } ], "annotations": { "deployment.kubernetes.io/revision": revision } },
        "spec": { "replicas": 1 }, "status": { "replicas": 1 } })
    };
    let others = vec![set("a-1", "1", "u"), set("a-2", "2", "u"), set("b-1", "2", "other")];
    let text = described(&deployment, &Around { others, ..Around::default() });
    assert!(
        text.contains("2 desired | 2 updated | 2 total | 1 available | 1 unavailable"),
        "{text}"
    );
    assert!(text.contains("New ReplicaSet:   a-2 (1/1"), "{text}");
    assert!(text.contains("Old ReplicaSets:  a-1 (1/1") && !text.contains("b-1"), "{text}");
}

#[test]
fn what_has_no_form_of_its_own_is_yaml_with_its_findings() {
    let rule = json!({ "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": { "name": "a", "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}" } },
        "spec": { "hosts": ["a"] } });
    let findings = vec!["Error [IST0101] …".to_owned()];
    let text = described(&rule, &Around { findings, ..Around::default() });
    assert!(text.contains("Spec:\n  hosts:\n  - a\n"), "{text}");
    assert!(text.contains("Findings:\n  Error [IST0101]"), "{text}");
    assert!(text.contains("Annotations:  <none>"), "{text}");
}
