//! How objects end.

use super::*;

fn options(body: Value) -> DeleteOptions {
    DeleteOptions::parse(&body).unwrap()
}

fn delete(target: Target, body: Value) -> Op {
    Op::delete(target, options(body))
}

#[test]
fn most_kinds_go_at_once() {
    let mut fixture = Fixture::with_objects();
    let target = place(DEPLOYMENTS, "web");
    let body = json!({"propagationPolicy": "Background", "gracePeriodSeconds": 30});
    let applied = fixture.apply(delete(target.clone(), body));
    assert_eq!(applied.code, 200);
    assert_eq!(applied.object["status"], "Success");
    assert_eq!(applied.object["details"]["kind"], "deployments");
    assert!(applied.object["details"]["uid"].is_string());
    let event = &applied.events[0];
    assert!(event.new.is_none());
    assert_eq!(meta::resource_version(&event.state()), event.revision);
    assert_eq!(fixture.store.read(&target).unwrap_err().code, 404);
}

#[test]
fn a_pod_has_time_to_end() {
    let mut fixture = Fixture::with_objects();
    let binding = json!({"target": {"name": "lateen"}});
    fixture.apply(Op::create(place(PODS, "a").with_subresource("binding"), binding));
    let target = || place(PODS, "a");
    let applied = fixture.apply(delete(target(), json!({})));
    let begin = fixture.seconds;
    let deadline = |object: &Value| -> i64 {
        meta::parse_stamp(meta::text(object, "deletionTimestamp")).unwrap().as_second() - begin
    };
    assert_eq!(applied.object["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(deadline(&applied.object), 30);
    // Asking again changes nothing; less time is granted, more is not.
    assert!(fixture.apply(delete(target(), json!({}))).events.is_empty());
    assert!(fixture.apply(delete(target(), json!({"gracePeriodSeconds": 60}))).events.is_empty());
    let applied = fixture.apply(delete(target(), json!({"gracePeriodSeconds": 5})));
    assert_eq!(deadline(&applied.object), 5);
    // The kubelet says at last that it is over.
    let applied = fixture.apply(delete(target(), json!({"gracePeriodSeconds": 0})));
    assert!(applied.events[0].new.is_none());
}

#[test]
fn a_pod_that_runs_nowhere_goes_at_once() {
    let mut fixture = Fixture::with_objects();
    let applied = fixture.apply(delete(place(PODS, "a"), json!({"gracePeriodSeconds": 30})));
    assert!(applied.events[0].new.is_none());
}

#[test]
fn finalizers_hold_an_object_until_the_last_is_gone() {
    let mut fixture = Fixture::with_objects();
    let target = || place(DEPLOYMENTS, "web");
    fixture.merge(target(), json!({"metadata": {"finalizers": ["x.io/a", "x.io/b"]}}));
    let applied = fixture.apply(delete(target(), json!({})));
    assert!(meta::is_deleting(&applied.object));
    assert_eq!(applied.object["metadata"]["deletionGracePeriodSeconds"], 0);
    assert_eq!(meta::generation(&applied.object), 2);
    assert!(fixture.apply(delete(target(), json!({}))).events.is_empty());
    let add = json!({"metadata": {"finalizers": ["x.io/a", "x.io/b", "x.io/c"]}});
    let status = fixture.try_apply(Op::patch(target(), PatchKind::Merge, add)).unwrap_err();
    assert_eq!(status.causes()[0].reason.as_str(), "FieldValueForbidden");
    let applied = fixture.merge(target(), json!({"metadata": {"finalizers": ["x.io/b"]}}));
    assert!(applied.events[0].new.is_some());
    let applied = fixture.merge(target(), json!({"metadata": {"finalizers": null}}));
    assert!(applied.events[0].new.is_none());
    assert_eq!(fixture.store.read(&target()).unwrap_err().code, 404);
}

#[test]
fn a_finished_pod_with_a_finalizer_waits_for_it_alone() {
    let mut fixture = Fixture::with_objects();
    fixture.merge(
        place(PODS, "a"),
        json!({"spec": {"nodeName": "n"}, "metadata": {"finalizers": ["x.io/a"]}}),
    );
    fixture.apply(delete(place(PODS, "a"), json!({})));
    // The finalizer goes while the pod still has time: it stays until the kubelet is done.
    let applied = fixture.merge(place(PODS, "a"), json!({"metadata": {"finalizers": null}}));
    assert!(applied.events[0].new.is_some());
    let applied = fixture.apply(delete(place(PODS, "a"), json!({"gracePeriodSeconds": 0})));
    assert!(applied.events[0].new.is_none());
}

#[test]
fn propagation_leaves_finalizers_for_the_controller() {
    for (policy, finalizers) in [
        ("Foreground", json!(["x.io/a", "foregroundDeletion"])),
        ("Orphan", json!(["x.io/a", "orphan"])),
        ("Background", json!(["x.io/a"])),
    ] {
        let mut fixture = Fixture::with_objects();
        let target = || place(DEPLOYMENTS, "web");
        fixture.merge(target(), json!({"metadata": {"finalizers": ["x.io/a"]}}));
        fixture.apply(delete(target(), json!({"propagationPolicy": policy})));
        let object = fixture.stored(DEPLOYMENTS, "web");
        assert_eq!(object["metadata"]["finalizers"], finalizers, "{policy}");
        // A change of mind: in the background after all.
        fixture.apply(delete(target(), json!({"propagationPolicy": "Background"})));
        let object = fixture.stored(DEPLOYMENTS, "web");
        assert_eq!(object["metadata"]["finalizers"], json!(["x.io/a"]), "{policy}");
    }
    let mut fixture = Fixture::with_objects();
    fixture.apply(delete(place(DEPLOYMENTS, "web"), json!({"propagationPolicy": "Foreground"})));
    let body = json!({"propagationPolicy": "Background"});
    let applied = fixture.apply(delete(place(DEPLOYMENTS, "web"), body));
    assert!(applied.events[0].new.is_none());
}

#[test]
fn preconditions_must_hold() {
    for (preconditions, part) in [
        (json!({"uid": "x"}), "the UID in the precondition (x) does not match the UID in record"),
        (
            json!({"resourceVersion": "1"}),
            "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (3)",
        ),
    ] {
        let mut fixture = Fixture::with_objects();
        let body = json!({"preconditions": preconditions});
        let found = refusal(fixture.try_apply(delete(place(DEPLOYMENTS, "web"), body)));
        assert_eq!(found.1, "Conflict");
        assert!(found.2.contains(part), "{}", found.2);
    }
    let mut fixture = Fixture::with_objects();
    let body = json!({"preconditions": {"resourceVersion": "3"}});
    fixture.apply(delete(place(DEPLOYMENTS, "web"), body));
}

#[test]
fn a_namespace_ends_when_it_is_finalized() {
    let mut fixture = Fixture::with_objects();
    let target = || place(NAMESPACES, "ns");
    assert_eq!(fixture.stored(NAMESPACES, "ns")["status"]["phase"], "Active");
    let applied = fixture.apply(delete(target(), json!({})));
    assert_eq!(applied.object["status"]["phase"], "Terminating");
    let found = refusal(fixture.try_apply(delete(target(), json!({}))));
    assert!(found.2.contains("The system is ensuring all content is removed"), "{}", found.2);
    // A plain update cannot let it go.
    let applied = fixture.apply(Op::update(target(), json!({"metadata": {"name": "ns"}})));
    assert_eq!(applied.object["spec"]["finalizers"], json!(["kubernetes"]));
    for (resource, name) in [(DEPLOYMENTS, "web"), (PODS, "a")] {
        fixture.apply(delete(place(resource, name), json!({})));
    }
    let body = json!({"metadata": {"name": "ns"}, "spec": {"finalizers": []}});
    let applied = fixture.apply(Op::update(target().with_subresource("finalize"), body));
    assert!(applied.events[0].new.is_none());
    assert_eq!(fixture.store.read(&target()).unwrap_err().code, 404);
}

#[test]
fn an_empty_namespace_ends_when_asked_again() {
    let mut fixture = Fixture::new();
    fixture.apply(delete(place(NAMESPACES, "ns"), json!({})));
    let applied = fixture.apply(delete(place(NAMESPACES, "ns"), json!({})));
    assert!(applied.events[0].new.is_none());
}

#[test]
fn some_namespaces_never_end() {
    let mut fixture = Fixture::new();
    fixture.create(NAMESPACES, json!({"metadata": {"name": "default"}}));
    assert_eq!(
        refusal(fixture.try_apply(delete(place(NAMESPACES, "default"), json!({})))),
        (
            403,
            "Forbidden",
            "namespaces \"default\" is forbidden: this namespace may not be deleted".to_owned()
        )
    );
}

#[test]
fn a_collection_ends_by_selector() {
    let mut fixture = Fixture::with_objects();
    fixture.create(PODS, json!({"metadata": {"name": "b"}, "spec": {"containers": []}}));
    let action = |labels: &str| Action::DeleteCollection {
        options: DeleteOptions::default(),
        selectors: Selectors::parse(PODS, labels, "").unwrap(),
    };
    let applied = fixture.apply(Op::new(place(PODS, ""), action("app=web")));
    assert_eq!(applied.object["kind"], "PodList");
    assert_eq!(applied.object["items"].as_array().unwrap().len(), 1);
    assert_eq!(applied.events.len(), 1);
    let applied = fixture.apply(Op::new(place(PODS, ""), action("")));
    assert_eq!(applied.events[0].key.name.as_ref(), "b");
    assert!(fixture.store.list(PODS, None, &Selectors::default()).0.is_empty());
}

#[test]
fn an_eviction_is_a_deletion() {
    let mut fixture = Fixture::with_objects();
    let body = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"},
        "deleteOptions": {"gracePeriodSeconds": 0},
    });
    let applied = fixture.apply(Op::create(place(PODS, "a").with_subresource("eviction"), body));
    assert_eq!((applied.code, &applied.object["status"]), (201, &json!("Success")));
    assert!(applied.events[0].new.is_none());
}

#[test]
fn delete_options_are_read() {
    let read = options(json!({
        "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground", "dryRun": ["All"],
        "preconditions": {"uid": "u", "resourceVersion": ""},
    }));
    assert_eq!(
        read,
        DeleteOptions {
            grace_seconds: Some(0),
            propagation: Some(Propagation::Foreground),
            preconditions: Preconditions { uid: Some("u".to_owned()), resource_version: None },
            dry_run: true,
        }
    );
    assert_eq!(options(Value::Null), DeleteOptions::default());
    assert_eq!(options(json!({"orphanDependents": true})).propagation, Some(Propagation::Orphan));
    for (body, code) in [
        (json!([]), 400),
        (json!({"kind": "Pod"}), 400),
        (json!({"gracePeriodSeconds": -1}), 422),
        (json!({"propagationPolicy": "Maybe"}), 422),
        (json!({"dryRun": ["Some"]}), 422),
    ] {
        assert_eq!(DeleteOptions::parse(&body).unwrap_err().code, code, "{body}");
    }
}

#[test]
fn configuration_that_owns_nothing_is_just_gone() {
    let mut fixture = Fixture::new();
    fixture.create(CONFIG_MAPS, json!({"metadata": {"name": "c"}, "data": {"a": "b"}}));
    let applied = fixture.apply(delete(place(CONFIG_MAPS, "c"), json!({})));
    assert_eq!(applied.object["details"].get("group"), None);
}
