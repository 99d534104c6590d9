//! Tables of strategic merge patches, with bodies as kubectl sends them.

use serde_json::json;

use super::*;

fn rules(path: &str) -> Option<PatchRule> {
    match path {
        "spec.containers" | "spec.containers.env" => Some(PatchRule::Merge("name")),
        "spec.volumes" => Some(PatchRule::MergeUnions("name")),
        "spec.containers.ports" => Some(PatchRule::Merge("containerPort")),
        "metadata.finalizers" => Some(PatchRule::Set),
        "spec.strategy" => Some(PatchRule::Union),
        "spec.chosen" => Some(PatchRule::Replace),
        _ => None,
    }
}

#[track_caller]
fn check(object: &Value, patch: &Value, expected: &Value) {
    let mut result = object.clone();
    apply(&mut result, patch, rules).unwrap();
    // As text: the order of lists and fields matters to people.
    assert_eq!(result.to_string(), expected.to_string());
}

#[test]
fn maps_merge_and_null_removes() {
    check(
        &json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "x": 1}),
        &json!({"metadata": {"labels": {"b": null, "c": "3"}}, "x": 2, "gone": null}),
        &json!({"metadata": {"labels": {"a": "1", "c": "3"}}, "x": 2}),
    );
}

#[test]
fn set_image_merges_the_container_by_name() {
    check(
        &json!({"spec": {"containers": [
            {"name": "a", "image": "a:1", "env": [{"name": "K", "value": "v"}]},
            {"name": "b", "image": "b:1"},
        ]}}),
        &json!({"spec": {
            "$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
            "containers": [{"name": "b", "image": "b:2"}],
        }}),
        &json!({"spec": {"containers": [
            {"name": "a", "image": "a:1", "env": [{"name": "K", "value": "v"}]},
            {"name": "b", "image": "b:2"},
        ]}}),
    );
}

#[test]
fn a_new_container_takes_its_place_and_a_deleted_one_goes() {
    check(
        &json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "injected"}]}}),
        &json!({"spec": {
            "$setElementOrder/containers": [{"name": "new"}, {"name": "b"}],
            "containers": [
                {"name": "new", "image": "n", "ports": [{"containerPort": 80}]},
                {"$patch": "delete", "name": "a"},
            ],
        }}),
        &json!({"spec": {"containers": [
            {"name": "new", "image": "n", "ports": [{"containerPort": 80}]},
            {"name": "b"},
            {"name": "injected"},
        ]}}),
    );
}

#[test]
fn nested_lists_merge_by_their_own_keys() {
    check(
        &json!({"spec": {"containers": [{"name": "a", "ports": [
            {"containerPort": 80, "name": "http"}, {"containerPort": 90},
        ], "args": ["x", "y"]}]}}),
        &json!({"spec": {"containers": [{"name": "a", "ports": [
            {"containerPort": 80, "name": "web"}, {"containerPort": 90, "$patch": "delete"},
        ], "args": ["z"]}]}}),
        &json!({"spec": {"containers": [{"name": "a", "ports": [
            {"containerPort": 80, "name": "web"},
        ], "args": ["z"]}]}}),
    );
}

#[test]
fn server_only_entries_stay_before_what_they_preceded() {
    check(
        &json!({"spec": {"containers": [{"name": "s1"}, {"name": "a"}, {"name": "s2"}, {"name": "b"}]}}),
        &json!({"spec": {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}]}}),
        &json!({"spec": {"containers": [{"name": "s1"}, {"name": "a"}, {"name": "s2"}, {"name": "b"}]}}),
    );
    check(
        &json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}),
        &json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}),
        &json!({"spec": {"containers": [{"name": "b"}, {"name": "a"}]}}),
    );
}

#[test]
fn a_list_that_no_table_knows_merges_by_the_key_of_the_order() {
    check(
        &json!({"spec": {"things": [{"id": 1, "x": 1}, {"id": 2, "x": 2}]}}),
        &json!({"spec": {
            "$setElementOrder/things": [{"id": 1}, {"id": 2}], "things": [{"id": 2, "x": 3}],
        }}),
        &json!({"spec": {"things": [{"id": 1, "x": 1}, {"id": 2, "x": 3}]}}),
    );
    check(
        &json!({"spec": {"things": [{"id": 1, "x": 1}]}}),
        &json!({"spec": {"things": [{"id": 2}]}}),
        &json!({"spec": {"things": [{"id": 2}]}}),
    );
}

#[test]
fn sets_of_plain_values() {
    check(
        &json!({"metadata": {"finalizers": ["a", "b", "c"]}}),
        &json!({"metadata": {
            "$deleteFromPrimitiveList/finalizers": ["b"],
            "$setElementOrder/finalizers": ["d", "a", "c"],
            "finalizers": ["d", "a"],
        }}),
        &json!({"metadata": {"finalizers": ["d", "a", "c"]}}),
    );
    check(
        &json!({"metadata": {"finalizers": ["a", "b"]}}),
        &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}),
        &json!({"metadata": {"finalizers": ["b"]}}),
    );
}

#[test]
fn directives_replace_and_delete_maps() {
    check(
        &json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
        &json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
        &json!({"spec": {"strategy": {"type": "Recreate"}}}),
    );
    check(
        &json!({"spec": {"selector": {"a": "1"}, "x": 1}}),
        &json!({"spec": {"selector": {"$patch": "replace", "b": "2"}}}),
        &json!({"spec": {"selector": {"b": "2"}, "x": 1}}),
    );
    check(
        &json!({"spec": {"selector": {"a": "1"}, "x": 1}}),
        &json!({"spec": {"selector": {"$patch": "delete"}}}),
        &json!({"spec": {"x": 1}}),
    );
    check(
        &json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}),
        &json!({"spec": {"containers": [{"name": "c"}, {"$patch": "replace"}]}}),
        &json!({"spec": {"containers": [{"name": "c"}]}}),
    );
    check(
        &json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}),
        &json!({"spec": {"volumes": [
            {"$retainKeys": ["name", "configMap"], "name": "v", "configMap": {"name": "c"}},
        ]}}),
        &json!({"spec": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}}),
    );
}

#[test]
fn a_map_that_is_one_value_is_replaced() {
    check(
        &json!({"spec": {"chosen": {"labels": {"a": "1"}, "x": 1}, "other": {"a": "1"}}}),
        &json!({"spec": {"chosen": {"labels": {"b": "2"}}, "other": {"b": "2"}}}),
        &json!({"spec": {"chosen": {"labels": {"b": "2"}}, "other": {"a": "1", "b": "2"}}}),
    );
}

#[test]
fn directives_do_not_stay_in_new_objects() {
    check(
        &json!({}),
        &json!({"spec": {
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [{"name": "a", "x": {"$patch": "replace", "y": 1}, "z": null}],
        }}),
        &json!({"spec": {"containers": [{"name": "a", "x": {"y": 1}}]}}),
    );
}

#[test]
fn nonsense_is_refused() {
    for patch in [
        json!([]),
        json!({"spec": {"$patch": "burn"}}),
        json!({"spec": {"containers": [{"image": "x"}]}}),
        json!({"spec": {"containers": ["x"]}}),
        json!({"spec": {"$retainKeys": "x"}}),
        json!({"spec": {"$retainKeys": ["a"], "b": 1}}),
        json!({"spec": {"$setElementOrder/containers": "x", "containers": []}}),
    ] {
        let mut object = json!({"spec": {"containers": [{"name": "a"}]}});
        assert!(apply(&mut object, &patch, rules).is_err(), "{patch}");
    }
}
