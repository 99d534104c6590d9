//! What the store answers, with bodies as kubectl sends them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::*;

mod deletion;
mod revert;
mod updates;

/// A small table of kinds with every feature that the store knows.
static RESOURCES: [Resource; 5] = [
    Resource {
        kind: "Namespace",
        plural: "namespaces",
        singular: "namespace",
        namespaced: false,
        subresources: &["status", "finalize"],
        name_rule: NameRule::Label,
        ..Resource::BLANK
    },
    Resource {
        kind: "Pod",
        plural: "pods",
        singular: "pod",
        subresources: &["status", "log", "binding", "eviction"],
        schema: || {
            json!({"type": "object", "properties": {
                "spec": {"type": "object", "properties": {
                    "nodeName": {"type": "string"},
                    "containers": {"type": "array", "items": {"type": "object", "properties": {
                        "name": {"type": "string"}, "image": {"type": "string"},
                    }}},
                }},
                "status": {"type": "object"},
            }})
        },
        selectable: |pod, field| match field {
            "spec.nodeName" => Some(pod["spec"]["nodeName"].as_str().unwrap_or("").to_owned()),
            "status.phase" => Some(pod["status"]["phase"].as_str().unwrap_or("").to_owned()),
            _ => None,
        },
        grace: |pod| Some(if pod["spec"].get("nodeName").is_some() { 30 } else { 0 }),
        patch_rules: |path| (path == "spec.containers").then_some(PatchRule::Merge("name")),
        ..Resource::BLANK
    },
    Resource { kind: "ConfigMap", plural: "configmaps", singular: "configmap", ..Resource::BLANK },
    Resource {
        group: "apps",
        kind: "Deployment",
        plural: "deployments",
        singular: "deployment",
        subresources: &["status", "scale"],
        generation: true,
        schema: || {
            json!({"type": "object", "properties": {
                "spec": {"type": "object", "required": ["selector"], "properties": {
                    "replicas": {"type": "integer", "format": "int32"},
                    "selector": {"type": "object", "properties": {
                        "matchLabels": {
                            "type": "object", "additionalProperties": {"type": "string"},
                        },
                    }},
                    "template": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }},
                "status": {"type": "object"},
            }})
        },
        defaults: |deployment| {
            if deployment["spec"].get("replicas").is_none() {
                deployment["spec"]["replicas"] = 1.into();
            }
        },
        check: |deployment| match deployment["spec"]["replicas"].as_i64() {
            Some(..0) => {
                let value = &deployment["spec"]["replicas"];
                vec![Cause::invalid("spec.replicas", value, "must be greater than or equal to 0")]
            }
            _ => Vec::new(),
        },
        check_change: |old, new| {
            if old["spec"]["selector"] == new["spec"]["selector"] {
                return Vec::new();
            }
            vec![Cause::invalid("spec.selector", &new["spec"]["selector"], "field is immutable")]
        },
        ..Resource::BLANK
    },
    Resource {
        group: "networking.istio.io",
        versions: &["v1", "v1beta1"],
        kind: "Gateway",
        plural: "gateways",
        singular: "gateway",
        strategic: false,
        acted_on: false,
        generation: true,
        schema: || {
            json!({"type": "object", "properties": {
                "spec": {"type": "object", "properties": {
                    "selector": {"type": "object", "additionalProperties": {"type": "string"}},
                    "servers": {"type": "array", "items": {
                        "type": "object", "required": ["port"],
                        "properties": {"port": {"type": "object", "properties": {
                            "number": {"type": "integer"}, "name": {"type": "string"},
                        }}},
                    }},
                }},
            }})
        },
        ..Resource::BLANK
    },
];

const NAMESPACES: &Resource = &RESOURCES[0];
const PODS: &Resource = &RESOURCES[1];
const CONFIG_MAPS: &Resource = &RESOURCES[2];
const DEPLOYMENTS: &Resource = &RESOURCES[3];
const GATEWAYS: &Resource = &RESOURCES[4];

/// A store with the namespace `ns`, whose clock moves by a second with each write.
struct Fixture {
    store: Store,
    seconds: i64,
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self { store: Store::new(&RESOURCES), seconds: 1_000_000_000 };
        fixture.create(NAMESPACES, json!({"metadata": {"name": "ns"}}));
        fixture
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.seconds).unwrap()
    }

    fn try_apply(&mut self, op: Op) -> Result<Applied, Status> {
        self.seconds += 1;
        let uid = Uid(u128::try_from(self.seconds).unwrap());
        let (now, revision) = (self.now(), self.store.revision());
        let result = self.store.apply(op, now, uid);
        match &result {
            Err(_) => {
                assert_eq!(self.store.revision(), revision, "a refused write changes nothing");
            }
            Ok(applied) => {
                let n_events = u64::try_from(applied.events.len()).unwrap();
                assert_eq!(self.store.revision(), revision + n_events);
            }
        }
        result
    }

    #[track_caller]
    fn apply(&mut self, op: Op) -> Applied {
        self.try_apply(op).unwrap()
    }

    #[track_caller]
    fn create(&mut self, resource: &'static Resource, object: Value) -> Applied {
        self.apply(Op::create(place(resource, ""), object))
    }

    #[track_caller]
    fn merge(&mut self, target: Target, patch: Value) -> Applied {
        self.apply(Op::patch(target, PatchKind::Merge, patch))
    }

    #[track_caller]
    fn stored(&self, resource: &'static Resource, name: &str) -> Arc<Value> {
        self.store.object(&place(resource, name).key()).unwrap()
    }

    /// A deployment `web` and a pod `a`.
    fn with_objects() -> Self {
        let mut fixture = Self::new();
        fixture.create(DEPLOYMENTS, deployment());
        fixture.create(PODS, pod("a"));
        fixture
    }
}

fn place(resource: &'static Resource, name: &str) -> Target {
    Target::new(resource, if resource.namespaced { "ns" } else { "" }, name)
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}, "creationTimestamp": null},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {}}},
        "status": {},
    })
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]},
    })
}

/// Code, reason and message of a refusal.
#[track_caller]
fn refusal(result: Result<Applied, Status>) -> (u16, &'static str, String) {
    let status = result.unwrap_err();
    (status.code, status.reason.as_str(), status.message)
}

#[test]
fn a_new_object_gets_its_identity() {
    let mut fixture = Fixture::new();
    let applied = fixture.create(DEPLOYMENTS, deployment());
    assert_eq!(applied.code, 201);
    assert_eq!(
        *applied.object,
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "ns", "labels": {"app": "web"}, "generation": 1,
                "uid": "00000000-0000-4000-8000-00003b9aca02", "resourceVersion": "3",
                "creationTimestamp": "2001-09-09T01:46:42Z",
            },
            "spec": {
                "selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {}},
                "replicas": 1,
            },
        })
    );
    assert_eq!(applied.events.len(), 1);
    assert_eq!(applied.events[0].key, Key::new("deployments.apps", "ns", "web"));
    assert!(applied.events[0].old.is_none());
}

#[test]
fn a_new_object_is_refused_for_a_reason() {
    let bad = |change: fn(&mut Value)| {
        let mut object = deployment();
        change(&mut object);
        object
    };
    for (object, code, reason, message) in [
        (deployment(), 409, "AlreadyExists", "deployments.apps \"web\" already exists"),
        (
            bad(|object| object["metadata"]["name"] = "We_b".into()),
            422,
            "Invalid",
            "Deployment.apps \"We_b\" is invalid: metadata.name: Invalid value: \"We_b\": a lowercase RFC 1123 subdomain",
        ),
        (
            bad(|object| object["metadata"] = json!({})),
            422,
            "Invalid",
            "Deployment.apps \"\" is invalid: metadata.name: Required value: name or generateName is required",
        ),
        (
            bad(|object| object["spec"]["foo"] = 1.into()),
            400,
            "BadRequest",
            "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.foo\"",
        ),
        (
            bad(|object| object["spec"]["replicas"] = "3".into()),
            400,
            "BadRequest",
            "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            bad(|object| object["spec"] = json!({"replicas": 1})),
            422,
            "Invalid",
            "Deployment.apps \"web\" is invalid: spec.selector: Required value",
        ),
        (
            bad(|object| object["spec"]["replicas"] = (-1).into()),
            422,
            "Invalid",
            "Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            bad(|object| object["kind"] = "Pod".into()),
            400,
            "BadRequest",
            "Pod in version \"v1\" cannot be handled as a Deployment",
        ),
        (
            bad(|object| object["apiVersion"] = "apps/v1beta1".into()),
            400,
            "BadRequest",
            "the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)",
        ),
        (
            bad(|object| object["metadata"]["namespace"] = "other".into()),
            400,
            "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            bad(|object| object["metadata"]["resourceVersion"] = "7".into()),
            400,
            "BadRequest",
            "resourceVersion should not be set on objects to be created",
        ),
        (json!([]), 400, "BadRequest", "Deployment in version \"v1\" cannot be handled"),
    ] {
        let mut fixture = Fixture::with_objects();
        let found = refusal(fixture.try_apply(Op::create(place(DEPLOYMENTS, ""), object)));
        assert_eq!((found.0, found.1), (code, reason), "{}", found.2);
        assert!(found.2.starts_with(message), "{}\nis not\n{message}", found.2);
    }
}

#[test]
fn a_namespace_must_be_there_and_stay() {
    let mut fixture = Fixture::new();
    let op = Op::create(Target::new(PODS, "nowhere", ""), pod("a"));
    assert_eq!(
        refusal(fixture.try_apply(op)),
        (404, "NotFound", "namespaces \"nowhere\" not found".to_owned())
    );
    fixture.apply(Op::delete(place(NAMESPACES, "ns"), DeleteOptions::default()));
    let status = fixture.try_apply(Op::create(place(PODS, ""), pod("a"))).unwrap_err();
    assert_eq!(
        status.message,
        "pods \"a\" is forbidden: unable to create new content in namespace ns because it is \
         being terminated"
    );
    assert_eq!(status.causes()[0].reason.as_str(), "NamespaceTerminating");
}

#[test]
fn generated_names_are_free_names() {
    let mut fixture = Fixture::new();
    let mut object = pod("");
    object["metadata"] = json!({"generateName": "web-"});
    let op = || Op::create(place(PODS, ""), object.clone());
    let now = fixture.now();
    let mut names: Vec<String> = (0..5)
        .map(|_| {
            // The same chance each time: only the attempts differ.
            let applied = fixture.store.apply(op(), now, Uid(9)).unwrap();
            meta::name(&applied.object).to_owned()
        })
        .collect();
    assert!(names.iter().all(|name| name.starts_with("web-") && name.len() == 9), "{names:?}");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 5);
}

#[test]
fn unknown_fields_warn_or_vanish_when_asked() {
    for (validation, expected) in [
        (
            FieldValidation::Warn,
            vec!["unknown field \"spec.foo\"", "duplicate field \"spec.replicas\""],
        ),
        (FieldValidation::Ignore, vec![]),
    ] {
        let body = Body::parse(
            br#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web"},
                "spec":{"selector":{},"foo":1,"replicas":1,"replicas":2}}"#,
        )
        .unwrap();
        let mut fixture = Fixture::new();
        let mut op = Op::create(place(DEPLOYMENTS, ""), body.clone());
        op.validation = validation;
        let applied = fixture.apply(op);
        assert_eq!(applied.warnings, expected);
        assert_eq!(applied.object["spec"], json!({"selector": {}, "replicas": 2}));
        let strict = Fixture::new().try_apply(Op::create(place(DEPLOYMENTS, ""), body));
        assert!(refusal(strict).2.ends_with(
            "strict decoding error: unknown field \"spec.foo\", duplicate field \"spec.replicas\""
        ));
    }
}

#[test]
fn a_custom_resource_is_validated_with_causes_and_warned_of() {
    let mut fixture = Fixture::new();
    let gateway = |port: Value| {
        json!({
            "apiVersion": "networking.istio.io/v1beta1", "kind": "Gateway",
            "metadata": {"name": "g"}, "spec": {"servers": [{"port": {"number": port}}, {}]},
        })
    };
    let target = Target { version: "v1beta1", ..place(GATEWAYS, "") };
    let status = fixture.try_apply(Op::create(target.clone(), gateway("x".into()))).unwrap_err();
    let fields: Vec<&str> = status.causes().iter().map(|cause| cause.field.as_str()).collect();
    assert_eq!(fields, ["spec.servers[0].port.number", "spec.servers[1].port"]);
    assert_eq!(status.code, 422);
    let mut good = gateway(80.into());
    good["spec"]["servers"][1] = json!({"port": {}});
    let applied = fixture.apply(Op::create(target.clone(), good));
    assert_eq!(applied.object["apiVersion"], "networking.istio.io/v1beta1");
    assert_eq!(
        applied.warnings,
        ["gateways.networking.istio.io \"g\" is stored, but nothing in this mesh acts on it"]
    );
    assert_eq!(fixture.stored(GATEWAYS, "g")["apiVersion"], "networking.istio.io/v1");
    let target = Target { name: "g".to_owned(), ..target };
    let read = fixture.store.read(&target).unwrap();
    assert_eq!(read["apiVersion"], "networking.istio.io/v1beta1");
    // And a patch is made at the version of the request, leading to one stored object.
    let patch =
        json!({"apiVersion": "networking.istio.io/v1beta1", "spec": {"selector": {"a": "b"}}});
    let applied = fixture.merge(target.clone(), patch.clone());
    assert_eq!(applied.object["metadata"]["generation"], 2);
    let strategic = fixture.try_apply(Op::patch(target, PatchKind::Strategic, patch));
    assert_eq!(refusal(strategic).0, 415);
}

#[test]
fn a_dry_run_goes_all_the_way_and_changes_nothing() {
    let mut fixture = Fixture::with_objects();
    let before = fixture.store.revision();
    let dry = |mut op: Op| {
        op.dry_run = true;
        op
    };
    let other = json!({"metadata": {"name": "other"}, "spec": {"selector": {}}});
    let created = fixture.apply(dry(Op::create(place(DEPLOYMENTS, ""), other)));
    assert_eq!(created.object["spec"]["replicas"], 1);
    assert_eq!(created.code, 201);
    let target = place(DEPLOYMENTS, "web");
    let patch = json!({"spec": {"replicas": 5}});
    let patched = fixture.apply(dry(Op::patch(target.clone(), PatchKind::Merge, patch)));
    assert_eq!(patched.object["spec"]["replicas"], 5);
    assert_eq!(patched.object["metadata"]["resourceVersion"], "3");
    fixture.apply(dry(Op::delete(target, DeleteOptions::default())));
    let again = fixture.try_apply(dry(Op::create(place(DEPLOYMENTS, ""), deployment())));
    assert_eq!(refusal(again).1, "AlreadyExists");
    assert_eq!(fixture.store.revision(), before);
    assert_eq!(fixture.stored(DEPLOYMENTS, "web")["spec"]["replicas"], 1);
}

#[test]
fn lists_are_by_namespace_and_selector_and_share_objects() {
    let mut fixture = Fixture::new();
    fixture.create(NAMESPACES, json!({"metadata": {"name": "ns-2"}}));
    for name in ["b", "a"] {
        fixture.create(PODS, pod(name));
    }
    fixture.apply(Op::create(Target::new(PODS, "ns-2", ""), pod("a")));
    let names = |namespace: Option<&str>, labels: &str, fields: &str| -> Vec<String> {
        let selectors = Selectors::parse(PODS, labels, fields).unwrap();
        let (objects, revision) = fixture.store.list(PODS, namespace, &selectors);
        assert_eq!(revision, fixture.store.revision());
        objects
            .iter()
            .map(|object| format!("{}/{}", meta::namespace(object), meta::name(object)))
            .collect()
    };
    assert_eq!(names(None, "", ""), ["ns/a", "ns/b", "ns-2/a"]);
    assert_eq!(names(Some("ns"), "", ""), ["ns/a", "ns/b"]);
    assert_eq!(names(Some("ns"), "app=web", "metadata.name=b"), ["ns/b"]);
    assert_eq!(names(None, "", "metadata.name=a"), ["ns/a", "ns-2/a"]);
    assert_eq!(names(Some("ns"), "app=db", ""), [""; 0]);
    assert_eq!(names(Some("ns"), "app=db", "metadata.name=b"), [""; 0]);
    assert_eq!(names(Some("n"), "", ""), [""; 0]);
    let (objects, _) = fixture.store.list(PODS, None, &Selectors::default());
    assert!(Arc::ptr_eq(&objects[0], &fixture.stored(PODS, "a")));
}

#[test]
fn admission_sees_a_draft_and_may_change_it_but_not_its_identity() {
    let mut fixture = Fixture::new();
    let (now, uid) = (fixture.now(), Uid(5));
    let mut draft = fixture.store.prepare(Op::create(place(PODS, ""), pod("a")), now, uid).unwrap();
    assert!(!draft.may_retry());
    let object = draft.object.as_mut().unwrap();
    object["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "istio-proxy"}));
    object["spec"]["unknown"] = 1.into();
    object["metadata"]["name"] = "b".into();
    object["metadata"]["labels"]["injected"] = "true".into();
    draft.warnings.push("injected".to_owned());
    let applied = fixture.store.commit(draft, now).unwrap();
    assert_eq!(meta::name(&applied.object), "a");
    assert_eq!(applied.object["spec"]["containers"][1]["name"], "istio-proxy");
    assert_eq!(applied.object["spec"].get("unknown"), None);
    assert_eq!(meta::label(&applied.object, "injected"), Some("true"));
    assert_eq!(applied.warnings, ["injected"]);
}

#[test]
fn a_draft_of_an_old_state_conflicts_and_may_be_made_again() {
    let mut fixture = Fixture::with_objects();
    let (now, uid) = (fixture.now(), Uid(5));
    let patch = json!({"spec": {"replicas": 2}});
    let op = Op::patch(place(DEPLOYMENTS, "web"), PatchKind::Merge, patch);
    let draft = fixture.store.prepare(op.clone(), now, uid).unwrap();
    assert!(draft.may_retry());
    fixture.merge(place(DEPLOYMENTS, "web"), json!({"metadata": {"labels": {"x": "y"}}}));
    assert_eq!(refusal(fixture.store.commit(draft, now)).1, "Conflict");
    let applied = fixture.apply(op);
    assert_eq!(applied.object["metadata"]["labels"]["x"], "y");
    assert_eq!(applied.object["spec"]["replicas"], 2);
}

#[test]
fn the_past_is_remembered_up_to_a_bound() {
    let mut fixture = Fixture::new();
    fixture.store = std::mem::replace(&mut fixture.store, Store::new(&[])).with_window(3);
    for name in ["a", "b", "c", "d"] {
        fixture.create(PODS, pod(name));
    }
    let names = |since| -> Result<Vec<String>, u16> {
        let events = fixture.store.events_since(PODS, since).map_err(|status| status.code)?;
        Ok(events.map(|event| event.key.name.to_string()).collect())
    };
    // Revision 2 is the namespace, 3 to 6 are the pods; the event of revision 3 is forgotten.
    assert_eq!(names(6), Ok(vec![]));
    assert_eq!(names(4).unwrap(), ["c", "d"]);
    assert_eq!(names(3).unwrap(), ["b", "c", "d"]);
    assert_eq!(names(2), Err(410));
    assert_eq!(names(7), Err(410));
    // Other resources have a past of their own.
    assert_eq!(fixture.store.events_since(NAMESPACES, 1).unwrap().count(), 1);
}

#[test]
fn a_reverted_batch_larger_than_the_window_expires_nobody() {
    let mut fixture = Fixture::new();
    fixture.store = std::mem::replace(&mut fixture.store, Store::new(&[])).with_window(2);
    let before = fixture.store.revision();
    let events: Vec<Event> =
        ["a", "b", "c", "d"].map(|name| fixture.create(PODS, pod(name)).events).concat();
    fixture.store.revert(&events);
    assert_eq!(fixture.store.events_since(PODS, before).unwrap().count(), 0);
    fixture.create(PODS, pod("e"));
    assert_eq!(fixture.store.events_since(PODS, before).unwrap().count(), 1);
}

#[test]
fn a_restored_store_goes_on_where_it_was() {
    let mut fixture = Fixture::with_objects();
    fixture.merge(place(DEPLOYMENTS, "web"), json!({"spec": {"replicas": 2}}));
    let log: Vec<Event> = fixture.store.events_since(DEPLOYMENTS, 3).unwrap().cloned().collect();
    let objects: Vec<(Key, Arc<Value>)> =
        fixture.store.objects().map(|(key, object)| (key, Arc::clone(object))).collect();
    let revision = fixture.store.revision();
    let mut restored = Store::restore(&RESOURCES, objects, log, revision);
    assert!(restored.objects().eq(fixture.store.objects()));
    assert_eq!(restored.revision(), revision);
    assert_eq!(restored.events_since(DEPLOYMENTS, revision - 1).unwrap().count(), 1);
    assert!(restored.events_since(DEPLOYMENTS, revision - 2).is_err());
    assert_eq!(restored.events_since(PODS, revision).unwrap().count(), 0);
    let applied =
        restored.apply(Op::create(place(PODS, ""), pod("b")), fixture.now(), Uid(1)).unwrap();
    assert_eq!(meta::resource_version(&applied.object), revision + 1);
}

#[test]
fn paths_that_are_not_served_are_refused() {
    let mut fixture = Fixture::with_objects();
    for (op, code) in [
        (Op::create(place(PODS, "a"), pod("a")), 405),
        (Op::create(place(PODS, "a").with_subresource("nothing"), pod("a")), 404),
        (Op::update(place(PODS, ""), pod("a")), 405),
        (Op::update(place(PODS, "a").with_subresource("nothing"), pod("a")), 404),
        (Op::update(place(PODS, "a").with_subresource("log"), pod("a")), 405),
        (Op::update(place(PODS, "zzz"), pod("zzz")), 404),
        (Op::delete(place(PODS, ""), DeleteOptions::default()), 405),
        (Op::delete(place(PODS, "zzz"), DeleteOptions::default()), 404),
    ] {
        assert_eq!(refusal(fixture.try_apply(op)).0, code);
    }
    assert_eq!(
        fixture.store.read(&place(PODS, "a").with_subresource("nothing")).unwrap_err().code,
        404
    );
}
