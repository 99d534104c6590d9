//! Scripts: what goes when its owner goes, and what stays.

use serde_json::json;

use super::*;
use crate::stage::{Stage, deployment};

fn key(name: &str) -> (String, String) {
    ("default".to_owned(), name.to_owned())
}

fn settled() -> Stage {
    let mut stage = Stage::new();
    stage.put("apps/v1", "Deployment", deployment("web", 2, "one"));
    stage.settle(&mut |_| ());
    stage
}

#[test]
fn pods_and_sets_go_with_their_deployment() {
    let mut stage = settled();
    stage.delete("Deployment", &key("web"), Some("Background"));
    assert!(stage.seen.deployments.is_empty());
    stage.settle(&mut |_| ());
    assert!(stage.seen.replica_sets.is_empty());
    assert!(stage.seen.pods.is_empty());
}

#[test]
fn in_the_foreground_the_owner_goes_last() {
    let mut stage = settled();
    stage.delete("Deployment", &key("web"), Some("Foreground"));
    stage.settle(&mut |stage| {
        let left = !stage.seen.replica_sets.is_empty() || !stage.seen.pods.is_empty();
        assert!(!left || !stage.seen.deployments.is_empty(), "the owner went first");
    });
    assert!(stage.seen.deployments.is_empty());
    assert!(stage.seen.replica_sets.is_empty());
    assert!(stage.seen.pods.is_empty());
}

#[test]
fn orphans_stay_and_are_taken_on_again() {
    let mut stage = settled();
    stage.delete("Deployment", &key("web"), Some("Orphan"));
    stage.settle(&mut |_| ());
    assert!(stage.seen.deployments.is_empty());
    assert_eq!(stage.serving(), 2);
    let set = stage.seen.replica_sets.values().next().unwrap();
    assert!(set.metadata.owner_references.as_deref().unwrap_or_default().is_empty());
    stage.put("apps/v1", "Deployment", deployment("web", 2, "one"));
    stage.settle(&mut |_| ());
    assert_eq!((stage.seen.replica_sets.len(), stage.serving()), (1, 2));
}

#[test]
fn an_owner_that_is_only_unseen_is_asked_for() {
    let mut stage = Stage::new();
    stage.put(
        "v1",
        "ConfigMap",
        json!({"metadata": {"name": "c", "namespace": "default",
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u"},
        ]}}),
    );
    let plan = step(&stage.seen, stage.now);
    let [write] = plan.writes.as_slice() else { panic!("{plan:?}") };
    let Action::Delete { unless, .. } = &write.action else { panic!("{write:?}") };
    assert_eq!((unless[0].name.as_str(), unless[0].uid.as_str()), ("web", "u"));
    assert_eq!(unless[0].namespace, "default");
}

#[test]
fn an_owner_of_an_unknown_kind_is_believed_in() {
    let mut stage = Stage::new();
    stage.put(
        "v1",
        "ConfigMap",
        json!({"metadata": {"name": "c", "namespace": "default",
        "ownerReferences": [
            {"apiVersion": "example.org/v1", "kind": "Thing", "name": "t", "uid": "u"},
        ]}}),
    );
    stage.seen.rest = Some(Vec::new());
    assert_eq!(step(&stage.seen, stage.now), Plan::default());
}

#[test]
fn an_owner_that_is_not_watched_is_looked_up_when_it_is_time() {
    let mut stage = Stage::new();
    stage.put(
        "v1",
        "ConfigMap",
        json!({"metadata": {"name": "c", "namespace": "default",
        "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u"},
        ]}}),
    );
    assert_eq!(step(&stage.seen, stage.now), Plan::default());
    stage.seen.stale = true;
    assert!(step(&stage.seen, stage.now).needs_rest);
    stage.seen.rest = Some(Vec::new());
    assert_eq!(step(&stage.seen, stage.now).writes.len(), 1);
}

#[test]
fn a_namespace_goes_when_it_is_empty() {
    let mut stage = settled();
    stage.put(
        "v1",
        "Namespace",
        json!({"metadata": {"name": "default"},
        "spec": {"finalizers": ["kubernetes"]}}),
    );
    stage.put("v1", "ConfigMap", json!({"metadata": {"name": "c", "namespace": "default"}}));
    let home = (String::new(), "default".to_owned());
    stage.delete("Namespace", &home, None);
    assert!(!step(&stage.seen, stage.now).needs_rest, "what is watched goes first");
    stage.settle(&mut |stage| {
        let empty = stage.seen.pods.is_empty() && stage.seen.stubs.is_empty();
        assert!(empty || stage.seen.namespaces.contains_key(&home));
    });
    assert!(stage.seen.namespaces.is_empty());
    assert!(stage.seen.deployments.is_empty() && stage.seen.replica_sets.is_empty());
}
