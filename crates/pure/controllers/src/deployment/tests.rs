//! Scripts: a Deployment, what happens to it, and what must hold at every moment.

use serde_json::{Value, json};

use super::*;
use crate::stage::{Stage, deployment};

const HERE: &str = "default";

fn key(name: &str) -> (String, String) {
    (HERE.to_owned(), name.to_owned())
}

/// A Deployment that is there with all its pods.
fn settled(replicas: i32) -> Stage {
    let mut stage = Stage::new();
    stage.put("apps/v1", "Deployment", deployment("web", replicas, "one"));
    stage.settle(&mut |_| ());
    stage
}

fn change(stage: &mut Stage, edit: impl FnOnce(&mut Value)) {
    let mut object = stage.find("Deployment", &key("web")).unwrap();
    edit(&mut object);
    stage.put("apps/v1", "Deployment", object);
}

fn set_image(stage: &mut Stage, image: &str) {
    change(stage, |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
    });
}

fn status(stage: &Stage) -> Value {
    stage.find("Deployment", &key("web")).unwrap()["status"].clone()
}

fn progressing(stage: &Stage) -> (String, String) {
    let status = status(stage);
    let all = status["conditions"].as_array().unwrap();
    let found = all.iter().find(|c| c["type"] == "Progressing").unwrap();
    (found["status"].as_str().unwrap().to_owned(), found["reason"].as_str().unwrap().to_owned())
}

fn images(stage: &Stage) -> Vec<String> {
    let image = |pod: &Arc<kinds::core::Pod>| {
        pod.spec.as_ref().unwrap().containers[0].image.clone().unwrap()
    };
    let mut images: Vec<String> = stage.seen.pods.values().map(image).collect();
    images.sort();
    images
}

#[test]
fn a_new_deployment_gets_its_pods_and_says_so() {
    let stage = settled(3);
    assert_eq!(stage.serving(), 3);
    let status = status(&stage);
    for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        assert_eq!(status[field], 3, "{field}");
    }
    assert_eq!(status["observedGeneration"], 1);
    assert_eq!(progressing(&stage).1, "NewReplicaSetAvailable");
    let set = stage.seen.replica_sets.values().next().unwrap();
    assert_eq!(note_of(set, REVISION), Some("1"));
    assert!(
        stage
            .notes
            .iter()
            .any(|note| note.starts_with("ScalingReplicaSet: Scaled up replica set web-"))
    );
    for pod in stage.seen.pods.values() {
        assert!(pod.metadata.labels.as_ref().unwrap().contains_key(HASH_LABEL));
        assert_eq!(pod.spec.as_ref().unwrap().node_name.as_deref(), Some("lateen"));
    }
}

#[test]
fn a_rolling_update_keeps_what_was_promised() {
    for (replicas, surge, unavailable, least, most) in [
        (4, json!("25%"), json!("25%"), 3, 5),
        (1, json!("25%"), json!("25%"), 1, 2),
        (3, json!(0), json!(1), 2, 3),
        (5, json!(2), json!(0), 5, 7),
        (10, json!("100%"), json!(0), 10, 20),
    ] {
        let mut stage = settled(replicas);
        change(&mut stage, |object| {
            object["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {
                "maxSurge": surge, "maxUnavailable": unavailable,
            }});
        });
        set_image(&mut stage, "two");
        stage.settle(&mut |stage| {
            assert!(stage.serving() >= least, "{} of {replicas} serve", stage.serving());
            let sum: i32 = stage.seen.replica_sets.values().map(|set| super::replicas(set)).sum();
            assert!(sum <= most, "{sum} pods asked for, {most} allowed");
        });
        assert_eq!(images(&stage), vec!["two".to_owned(); usize::try_from(replicas).unwrap()]);
        assert_eq!(progressing(&stage).1, "NewReplicaSetAvailable");
        let revision = &stage.find("Deployment", &key("web")).unwrap()["metadata"]["annotations"];
        assert_eq!(revision[REVISION], "2");
    }
}

#[test]
fn a_broken_update_stops_and_misses_its_deadline() {
    let mut stage = settled(4);
    stage.broken = |pod| pod.spec.as_ref().unwrap().containers[0].image.as_deref() == Some("bad");
    change(&mut stage, |object| object["spec"]["progressDeadlineSeconds"] = 60.into());
    set_image(&mut stage, "bad");
    stage.settle(&mut |stage| assert!(stage.serving() >= 3));
    assert_eq!(progressing(&stage), ("True".to_owned(), "ReplicaSetUpdated".to_owned()));
    assert_eq!(images(&stage).iter().filter(|image| *image == "one").count(), 3);
    let plan = step(&stage.seen, stage.now);
    stage.now = plan.look_again.expect("it has a deadline");
    stage.settle(&mut |_| ());
    assert_eq!(progressing(&stage), ("False".to_owned(), "ProgressDeadlineExceeded".to_owned()));
    // Back again: the first template has its ReplicaSet still, which takes the next number.
    set_image(&mut stage, "one");
    stage.settle(&mut |stage| assert!(stage.serving() >= 3));
    assert_eq!(images(&stage), vec!["one"; 4]);
    assert_eq!(stage.seen.replica_sets.len(), 2);
    let meta = &stage.find("Deployment", &key("web")).unwrap()["metadata"];
    assert_eq!(meta["annotations"][REVISION], "3");
    assert_eq!(progressing(&stage).1, "NewReplicaSetAvailable");
}

#[test]
fn recreate_never_has_two_templates_at_once() {
    let mut stage = settled(3);
    change(&mut stage, |object| object["spec"]["strategy"] = json!({"type": "Recreate"}));
    set_image(&mut stage, "two");
    stage.settle(&mut |stage| {
        let mut images = images(stage);
        images.dedup();
        assert!(images.len() <= 1, "{images:?}");
    });
    assert_eq!(images(&stage), vec!["two"; 3]);
}

#[test]
fn a_paused_deployment_scales_and_does_not_move() {
    let mut stage = settled(2);
    change(&mut stage, |object| object["spec"]["paused"] = true.into());
    set_image(&mut stage, "two");
    change(&mut stage, |object| object["spec"]["replicas"] = 5.into());
    stage.settle(&mut |_| ());
    assert_eq!(images(&stage), vec!["one"; 5]);
    assert_eq!(progressing(&stage), ("Unknown".to_owned(), "DeploymentPaused".to_owned()));
    change(&mut stage, |object| object["spec"]["paused"] = false.into());
    stage.settle(&mut |stage| assert!(stage.serving() >= 4));
    assert_eq!(images(&stage), vec!["two"; 5]);
}

#[test]
fn scaling_goes_both_ways_and_to_nothing() {
    let mut stage = settled(1);
    for replicas in [5, 1, 0, 2] {
        change(&mut stage, |object| object["spec"]["replicas"] = replicas.into());
        stage.settle(&mut |_| ());
        assert_eq!(stage.serving(), replicas);
        assert_eq!(
            status(&stage)["observedGeneration"],
            stage.find("Deployment", &key("web")).unwrap()["metadata"]["generation"]
        );
        assert_eq!(progressing(&stage).1, "NewReplicaSetAvailable");
    }
}

#[test]
fn history_is_kept_up_to_its_limit() {
    let mut stage = settled(1);
    change(&mut stage, |object| object["spec"]["revisionHistoryLimit"] = 2.into());
    for image in ["two", "three", "four", "five"] {
        set_image(&mut stage, image);
        stage.settle(&mut |_| ());
    }
    let mut revisions: Vec<i64> =
        stage.seen.replica_sets.values().map(|set| revision_of(set)).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, [3, 4, 5]);
}

#[test]
fn a_killed_pod_is_replaced_and_a_foreign_name_is_avoided() {
    let mut stage = settled(2);
    let victim = stage.seen.pods.keys().next().unwrap().clone();
    stage.delete("Pod", &victim, None);
    stage.settle(&mut |_| ());
    assert_eq!(stage.serving(), 2);
    assert!(!stage.seen.pods.contains_key(&victim));

    let mut stage = Stage::new();
    stage.put("apps/v1", "Deployment", deployment("web", 1, "one"));
    let spec: DeploymentSpec =
        serde_json::from_value(deployment("web", 1, "one")["spec"].clone()).unwrap();
    let name = format!("web-{}", hash(&spec.template, 0));
    let other = json!({
        "metadata": {"name": name, "namespace": HERE},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "other"}}},
    });
    stage.put("apps/v1", "ReplicaSet", other);
    stage.settle(&mut |_| ());
    assert_eq!(stage.serving(), 1);
    assert_eq!(status(&stage)["collisionCount"], 1);
}

#[test]
fn pods_without_owner_are_taken_on_and_the_newest_go_first() {
    let mut stage = Stage::new();
    stage.put(
        "v1",
        "Pod",
        json!({
            "metadata": {"name": "stray", "namespace": HERE, "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "one"}]},
        }),
    );
    stage.settle(&mut |_| ());
    stage.put(
        "apps/v1",
        "ReplicaSet",
        json!({
            "metadata": {"name": "web", "namespace": HERE},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "one"}]},
            }},
        }),
    );
    stage.settle(&mut |_| ());
    let mut set = stage.find("ReplicaSet", &key("web")).unwrap();
    set["spec"]["replicas"] = 1.into();
    stage.put("apps/v1", "ReplicaSet", set);
    stage.settle(&mut |_| ());
    let names: Vec<_> = stage.seen.pods.keys().map(|(_, name)| name.clone()).collect();
    assert_eq!(names, ["stray"]);
}

#[test]
fn refused_pods_are_a_condition_of_both() {
    let mut stage = Stage::new();
    stage.put("apps/v1", "Deployment", deployment("web", 1, "one"));
    let plan = step(&stage.seen, stage.now);
    stage.carry_out(plan);
    let set = stage.seen.replica_sets.values().next().unwrap();
    let set_uid = uid(&set.metadata).to_owned();
    stage.seen.refusals.insert(set_uid, "webhook says no".to_owned());
    let mut plan = replicaset::step(&stage.seen, stage.now);
    plan.writes.retain(|write| write.target.kind == "ReplicaSet");
    stage.carry_out(plan);
    for _ in 0..2 {
        let plan = step(&stage.seen, stage.now);
        stage.carry_out(plan);
    }
    let status = status(&stage);
    let failure = status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|condition| condition["type"] == "ReplicaFailure")
        .unwrap();
    assert_eq!(failure["message"], "webhook says no");
}

#[test]
fn equal_templates_have_equal_marks() {
    let spec = |image: &str| -> DeploymentSpec {
        serde_json::from_value(deployment("web", 1, image)["spec"].clone()).unwrap()
    };
    let (one, two) = (spec("one").template, spec("two").template);
    assert_eq!(hash(&one, 0), hash(&revision::marked(&one, "x"), 0));
    assert_ne!(hash(&one, 0), hash(&two, 0));
    assert_ne!(hash(&one, 0), hash(&one, 1));
    assert_eq!(hash(&one, 0).len(), 10);
}
