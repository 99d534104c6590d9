//! Updates, patches and subresources.

use super::*;

#[test]
fn an_update_keeps_identity_and_status_and_counts_specifications() {
    let mut fixture = Fixture::with_objects();
    fixture.merge(
        place(DEPLOYMENTS, "web").with_subresource("status"),
        json!({"status": {"replicas": 1}}),
    );
    let before = fixture.stored(DEPLOYMENTS, "web");
    assert_eq!(meta::generation(&before), 1, "a status is no specification");
    let mut object = deployment();
    object["spec"]["replicas"] = 3.into();
    object["status"] = json!({"replicas": 9});
    object["metadata"]["uid"] = meta::uid(&before).into();
    object["metadata"]["generation"] = 77.into();
    object["metadata"]["creationTimestamp"] = "1999-01-01T00:00:00Z".into();
    object["metadata"]["deletionTimestamp"] = "1999-01-01T00:00:00Z".into();
    object["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    let applied = fixture.apply(Op::update(place(DEPLOYMENTS, "web"), object));
    let mut expected = Value::clone(&before);
    expected["spec"]["replicas"] = 3.into();
    expected["metadata"]["generation"] = 2.into();
    expected["metadata"]["resourceVersion"] = "6".into();
    assert_eq!(*applied.object, expected);
    assert_eq!(applied.code, 200);
    let event = &applied.events[0];
    assert!(Arc::ptr_eq(event.old.as_ref().unwrap(), &before));
    let labels = json!({"metadata": {"labels": {"x": "y"}}});
    let applied = fixture.merge(place(DEPLOYMENTS, "web"), labels);
    assert_eq!(meta::generation(&applied.object), 2, "a label is no specification");
}

#[test]
fn a_status_update_changes_the_status_alone() {
    let mut fixture = Fixture::with_objects();
    let mut object = pod("a");
    object["spec"]["containers"][0]["image"] = "other".into();
    object["metadata"]["labels"]["x"] = "y".into();
    object["status"] = json!({"phase": "Running"});
    let applied =
        fixture.apply(Op::update(place(PODS, "a").with_subresource("status"), object.clone()));
    assert_eq!(applied.object["status"]["phase"], "Running");
    assert_eq!(applied.object["spec"]["containers"][0]["image"], "i:1");
    assert_eq!(meta::label(&applied.object, "x"), None);
    // And the other way round.
    object["status"] = json!({"phase": "Failed"});
    let applied = fixture.apply(Op::update(place(PODS, "a"), object));
    assert_eq!(applied.object["status"]["phase"], "Running");
    assert_eq!(applied.object["spec"]["containers"][0]["image"], "other");
}

#[test]
fn a_change_of_nothing_is_no_event() {
    let mut fixture = Fixture::with_objects();
    let before = fixture.stored(DEPLOYMENTS, "web");
    for op in [
        Op::update(place(DEPLOYMENTS, "web"), Value::clone(&before)),
        Op::update(place(DEPLOYMENTS, "web"), deployment()),
        Op::patch(place(DEPLOYMENTS, "web"), PatchKind::Merge, json!({})),
        Op::patch(
            place(DEPLOYMENTS, "web"),
            PatchKind::Strategic,
            json!({"spec": {"replicas": 1}}),
        ),
        Op::patch(place(DEPLOYMENTS, "web"), PatchKind::Json, json!([])),
        Op::patch(
            place(DEPLOYMENTS, "web").with_subresource("scale"),
            PatchKind::Merge,
            json!({"spec": {"replicas": 1}}),
        ),
    ] {
        let applied = fixture.apply(op);
        assert!(applied.events.is_empty());
        assert_eq!(applied.code, 200);
    }
    assert!(Arc::ptr_eq(&fixture.stored(DEPLOYMENTS, "web"), &before));
}

#[test]
fn a_stale_version_conflicts() {
    let mut fixture = Fixture::with_objects();
    let stale = fixture.stored(DEPLOYMENTS, "web");
    fixture.merge(place(DEPLOYMENTS, "web"), json!({"spec": {"replicas": 2}}));
    let message = "Operation cannot be fulfilled on deployments.apps \"web\": the object has been \
                   modified; please apply your changes to the latest version and try again";
    for op in [
        Op::update(place(DEPLOYMENTS, "web"), Value::clone(&stale)),
        Op::update(place(DEPLOYMENTS, "web").with_subresource("status"), Value::clone(&stale)),
        Op::patch(
            place(DEPLOYMENTS, "web"),
            PatchKind::Merge,
            json!({"metadata": {"resourceVersion": "3"}}),
        ),
        Op::update(
            place(DEPLOYMENTS, "web").with_subresource("scale"),
            json!({
                "metadata": {"name": "web", "resourceVersion": "3"}, "spec": {"replicas": 9},
            }),
        ),
    ] {
        let found = refusal(fixture.try_apply(op));
        assert_eq!(found, (409, "Conflict", message.to_owned()));
    }
    let mut any = deployment();
    any["metadata"]["resourceVersion"] = "0".into();
    fixture.apply(Op::update(place(DEPLOYMENTS, "web"), any));
    let mut other = deployment();
    other["metadata"]["uid"] = "another".into();
    let found = refusal(fixture.try_apply(Op::update(place(DEPLOYMENTS, "web"), other)));
    assert!(found.2.contains("Precondition failed: UID in precondition: another"), "{}", found.2);
}

#[test]
fn immutable_fields_and_names_cannot_change() {
    let mut fixture = Fixture::with_objects();
    let patch = json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}});
    let op = Op::patch(place(DEPLOYMENTS, "web"), PatchKind::Merge, patch);
    let status = fixture.try_apply(op).unwrap_err();
    assert_eq!(status.causes()[0].field, "spec.selector");
    assert!(status.message.ends_with("field is immutable"));
    let patch = json!({"metadata": {"name": "other"}});
    let op = Op::patch(place(DEPLOYMENTS, "web"), PatchKind::Merge, patch);
    assert_eq!(
        refusal(fixture.try_apply(op)).2,
        "the name of the object (other) does not match the name on the URL (web)"
    );
}

#[test]
fn kubectl_set_image_and_label_and_json_patch() {
    let mut fixture = Fixture::with_objects();
    let applied = fixture.apply(Op::patch(
        place(PODS, "a"),
        PatchKind::Strategic,
        json!({"spec": {
            "$setElementOrder/containers": [{"name": "c"}],
            "containers": [{"name": "c", "image": "i:2"}],
        }}),
    ));
    assert_eq!(applied.object["spec"]["containers"], json!([{"name": "c", "image": "i:2"}]));
    let applied = fixture.merge(place(PODS, "a"), json!({"metadata": {"labels": {"app": null}}}));
    assert_eq!(meta::field(&applied.object, "labels"), None);
    let patch = json!([
        {"op": "test", "path": "/spec/containers/0/name", "value": "c"},
        {"op": "replace", "path": "/spec/containers/0/image", "value": "i:3"},
    ]);
    let applied = fixture.apply(Op::patch(place(PODS, "a"), PatchKind::Json, patch));
    assert_eq!(applied.object["spec"]["containers"][0]["image"], "i:3");
    let patch = json!([{"op": "test", "path": "/spec/containers/0/name", "value": "x"}]);
    let status =
        fixture.try_apply(Op::patch(place(PODS, "a"), PatchKind::Json, patch)).unwrap_err();
    assert_eq!(status.code, 422);
    assert!(status.message.ends_with("testing value /spec/containers/0/name failed: test failed"));
    assert!(status.causes().is_empty(), "kubectl prints causes and drops the message");
}

#[test]
fn a_patch_with_an_unknown_field_is_invalid() {
    let mut fixture = Fixture::with_objects();
    let patch = json!({"spec": {"foo": 1}});
    let op = Op::patch(place(DEPLOYMENTS, "web"), PatchKind::Strategic, patch.clone());
    let status = fixture.try_apply(op).unwrap_err();
    assert_eq!(status.code, 422);
    let cause = &status.causes()[0];
    assert_eq!(cause.field, "patch");
    assert_eq!(
        cause.message,
        "Invalid value: \"{\\\"spec\\\":{\\\"foo\\\":1}}\": strict decoding error: unknown field \"spec.foo\""
    );
    let mut op = Op::patch(place(DEPLOYMENTS, "web"), PatchKind::Strategic, patch);
    op.validation = FieldValidation::Warn;
    let applied = fixture.apply(op);
    assert_eq!(applied.warnings, ["unknown field \"spec.foo\""]);
    assert!(applied.events.is_empty());
    for (kind, body) in [
        (PatchKind::Json, json!({})),
        (PatchKind::Merge, json!([])),
        (PatchKind::Strategic, json!([])),
        (PatchKind::Strategic, json!({"spec": {"$patch": "burn"}})),
    ] {
        let op = Op::patch(place(DEPLOYMENTS, "web"), kind, body);
        assert_eq!(refusal(fixture.try_apply(op)).0, 400);
    }
}

#[test]
fn kubectl_scale() {
    let mut fixture = Fixture::with_objects();
    let target = || place(DEPLOYMENTS, "web").with_subresource("scale");
    let scale = fixture.store.read(&target()).unwrap();
    assert_eq!(scale["kind"], "Scale");
    assert_eq!(scale["status"]["selector"], "app=web");
    let applied = fixture.merge(target(), json!({"spec": {"replicas": 5}}));
    assert_eq!(applied.object["spec"]["replicas"], 5);
    assert_eq!(applied.object["kind"], "Scale");
    let stored = fixture.stored(DEPLOYMENTS, "web");
    assert_eq!(stored["spec"]["replicas"], 5);
    assert_eq!(meta::generation(&stored), 2);
    let update = json!({"apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"name": "web", "namespace": "ns"}, "spec": {"replicas": 0}});
    assert_eq!(fixture.apply(Op::update(target(), update)).object["spec"]["replicas"], 0);
    let patch = json!({"spec": {"replicas": -1}});
    let found = refusal(fixture.try_apply(Op::patch(target(), PatchKind::Merge, patch)));
    assert_eq!(
        found.2,
        "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
}

#[test]
fn a_binding_gives_a_pod_to_a_node_once() {
    let mut fixture = Fixture::with_objects();
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a"},
        "target": {"kind": "Node", "name": "lateen"},
    });
    let bind = || Op::create(place(PODS, "a").with_subresource("binding"), binding.clone());
    let applied = fixture.apply(bind());
    assert_eq!((applied.code, &applied.object["status"]), (201, &json!("Success")));
    let pod = fixture.stored(PODS, "a");
    assert_eq!(pod["spec"]["nodeName"], "lateen");
    assert_eq!(pod["status"]["conditions"][0]["type"], "PodScheduled");
    let selectors = Selectors::parse(PODS, "", "spec.nodeName=lateen").unwrap();
    assert_eq!(fixture.store.list(PODS, None, &selectors).0.len(), 1);
    let found = refusal(fixture.try_apply(bind()));
    assert!(found.2.ends_with("pod a is already assigned to node \"lateen\""), "{}", found.2);
    let nobody = json!({"target": {}});
    let found = refusal(
        fixture.try_apply(Op::create(place(PODS, "a").with_subresource("binding"), nobody)),
    );
    assert_eq!(found.2, "Binding \"a\" is invalid: target.name: Required value");
}
