//! Tables of values against schemas.

use serde_json::{Value, json};

use super::*;

fn deployment() -> Schema {
    Schema::compile(&json!({
        "type": "object",
        "required": ["metadata"],
        "properties": {
            "metadata": {"type": "object"},
            "spec": {
                "type": "object",
                "required": ["selector"],
                "properties": {
                    "replicas": {"type": "integer", "format": "int32", "minimum": 0},
                    "paused": {"type": "boolean"},
                    "selector": {"type": "object", "additionalProperties": {"type": "string"}},
                    "policy": {"type": "string", "enum": ["Always", "Never"]},
                    "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                    "surge": {"x-kubernetes-int-or-string": true},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "token": {"type": "string", "format": "byte"},
                    "maybe": {"type": ["string", "null"]},
                    "choice": {
                        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
                        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                    },
                    "either": {"anyOf": [
                        {"type": "object", "properties": {"x": {"type": "integer"}}},
                        {"type": "null"},
                    ]},
                    "containers": {"type": "array", "minItems": 1, "items": {
                        "allOf": [{
                            "type": "object", "required": ["name"],
                            "properties": {"name": {"type": "string"}, "image": {"type": "string"}},
                        }],
                    }},
                },
            },
            "status": {"type": "object"},
        },
    }))
}

#[track_caller]
fn causes(spec: Value) -> Vec<String> {
    let mut spec = spec;
    if spec.get("selector").is_none() {
        spec["selector"] = json!({});
    }
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec});
    let causes = deployment().check(&object);
    causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

#[test]
fn unknown_fields_are_told_and_removed() {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "extra": 1,
        "metadata": {"name": "a", "labels": {"any": "x"}, "lables": {}, "creationTimestamp": null,
            "ownerReferences": [{"kind": "x", "king": 1}]},
        "spec": {
            "replica": 3, "selector": {"any": "x"}, "free": {"any": {"thing": null}},
            "containers": [{"name": "a"}, {"name": "b", "img": 1, "image": null}],
            "choice": {"a": "x", "c": 1}, "either": {"x": 1, "y": 2}, "maybe": null,
        },
        "status": {"anything": true},
    });
    assert_eq!(
        deployment().prune(&mut object),
        [
            "extra",
            "metadata.lables",
            "metadata.ownerReferences[0].king",
            "spec.replica",
            "spec.containers[1].img",
            "spec.choice.c",
            "spec.either.y",
        ]
    );
    assert_eq!(
        object,
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "a", "labels": {"any": "x"}, "ownerReferences": [{"kind": "x"}]},
            "spec": {
                "selector": {"any": "x"}, "free": {"any": {"thing": null}},
                "containers": [{"name": "a"}, {"name": "b"}],
                "choice": {"a": "x"}, "either": {"x": 1}, "maybe": null,
            },
            "status": {"anything": true},
        })
    );
    assert!(deployment().prune(&mut object).is_empty());
}

#[test]
fn an_empty_schema_is_open_but_metadata_is_not() {
    let mut object = json!({"anything": {"goes": 1}, "metadata": {"name": "a", "nome": "b"}});
    assert_eq!(Schema::compile(&json!({})).prune(&mut object), ["metadata.nome"]);
    assert_eq!(object["anything"]["goes"], 1);
}

#[test]
fn good_values_have_no_causes() {
    for spec in [
        json!({"replicas": 0, "paused": true, "selector": {"a": "b"}, "policy": "Never"}),
        json!({"name": "abc", "surge": 1, "free": {"x": []}, "token": "YWJj", "maybe": null}),
        json!({"surge": "25%", "choice": {"a": "x"}, "either": null, "token": ""}),
        json!({"either": {"x": 1}, "containers": [{"name": "a"}], "replicas": 3}),
    ] {
        assert_eq!(causes(spec.clone()), [""; 0], "{spec}");
    }
}

#[test]
fn bad_values_have_kubernetes_causes() {
    for (spec, cause) in [
        (
            json!({"replicas": "3"}),
            r#"spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string""#,
        ),
        (
            json!({"replicas": 3.0}),
            r#"spec.replicas: Invalid value: "number": spec.replicas in body must be of type integer: "number""#,
        ),
        (
            json!({"replicas": -1}),
            "spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
        ),
        (
            json!({"policy": "Maybe"}),
            r#"spec.policy: Unsupported value: "Maybe": supported values: "Always", "Never""#,
        ),
        (
            json!({"name": "A1"}),
            r#"spec.name: Invalid value: "A1": spec.name in body should match '^[a-z]+$'"#,
        ),
        (json!({"name": "abcdef"}), "spec.name: Too long: may not be more than 5 bytes"),
        (
            json!({"surge": true}),
            r#"spec.surge: Invalid value: "boolean": spec.surge in body must be of type integer,string: "boolean""#,
        ),
        (
            json!({"selector": {"a": 1}}),
            r#"spec.selector.a: Invalid value: "integer": spec.selector.a in body must be of type string: "integer""#,
        ),
        (json!({"containers": [{"image": "x"}]}), "spec.containers[0].name: Required value"),
        (
            json!({"containers": []}),
            "spec.containers: Invalid value: 0: spec.containers in body should have at least 1 items",
        ),
        (
            json!({"choice": {}}),
            "spec.choice: Invalid value: {}: spec.choice in body must validate one and only one schema (oneOf). Found none valid",
        ),
        (
            json!({"either": {"x": "y"}}),
            r#"spec.either.x: Invalid value: "string": spec.either.x in body must be of type integer: "string""#,
        ),
        (
            json!({"token": "a b"}),
            r#"spec.token: Invalid value: "a b": illegal base64 data at input byte 1"#,
        ),
    ] {
        assert_eq!(causes(spec.clone()), [cause], "{spec}");
    }
    let missing = deployment().check(&json!({"spec": {}}));
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].field, "spec.selector");
}

#[test]
fn wrong_types_of_built_in_kinds_are_worded_as_go_does() {
    let schema = deployment();
    for (spec, message) in [
        (
            json!({"replicas": "3"}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"replicas": 3_000_000_000_u64}),
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"replicas": 1.5}),
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"paused": "yes"}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
        (
            json!({"containers": [{"name": 5}]}),
            "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string",
        ),
        (
            json!({"selector": "a"}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.selector of type map[string]string",
        ),
        (json!({"token": "YWJ"}), "illegal base64 data at input byte 3"),
    ] {
        let object = json!({"spec": spec});
        assert_eq!(schema.decode_error("Deployment", &object).as_deref(), Some(message));
    }
    let missing = json!({"spec": {"policy": "Maybe"}});
    assert_eq!(schema.decode_error("Deployment", &missing), None);
}
