//! A stage for scripts: a small API server and kubelet in memory that carries plans out.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kinds::core::{
    Deployment, EndpointSlice, Endpoints, Namespace, Node, Pod, ReplicaSet, Service,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Action, Name, Plan, Seen, Stub, Write};

/// Time, objects and a counter from which uids, versions and names are made.
pub(crate) struct Stage {
    pub(crate) seen: Seen,
    pub(crate) now: Timestamp,
    /// Names of pods that do not get ready.
    pub(crate) broken: fn(&Pod) -> bool,
    /// Every Event: reason and message.
    pub(crate) notes: Vec<String>,
    count: u64,
}

fn named(object: &Value) -> Name {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let map = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            map.shift_remove(key);
        } else {
            merge(map.entry(key).or_insert(Value::Null), value);
        }
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let mut stage = Self {
            seen: Seen::default(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            broken: |_| false,
            notes: Vec::new(),
            count: 0,
        };
        stage.put("v1", "Node", json!({"metadata": {"name": "lateen"}}));
        stage.put("v1", "Namespace", json!({"metadata": {"name": "default"}}));
        stage
    }

    /// Stores an object as a server would: uid, version, time, generation.
    pub(crate) fn put(&mut self, api_version: &str, kind: &str, mut object: Value) {
        self.count += 1;
        let old = self.find(kind, &named(&object));
        let meta = object["metadata"].as_object_mut().unwrap();
        if meta.get("name").is_none() {
            let prefix = meta.get("generateName").and_then(Value::as_str).unwrap_or_default();
            let name = format!("{prefix}{:05}", self.count);
            meta.insert("name".into(), name.into());
        }
        let count = self.count;
        meta.entry("uid").or_insert_with(|| format!("uid-{count}").into());
        meta.entry("creationTimestamp").or_insert_with(|| self.now.to_string().into());
        meta.insert("resourceVersion".into(), self.count.to_string().into());
        let generation = match &old {
            None => 1,
            Some(old) => {
                let before = old["metadata"]["generation"].as_i64().unwrap_or(1);
                before + i64::from(old["spec"] != object["spec"])
            }
        };
        object["metadata"]["generation"] = generation.into();
        let deployment_like = (api_version, kind) == ("apps/v1", "Deployment");
        if deployment_like && object["spec"].get("replicas").is_none() {
            object["spec"]["replicas"] = 1.into();
        }
        self.set(api_version, kind, object);
    }

    fn set(&mut self, api_version: &str, kind: &str, object: Value) {
        fn into<T: DeserializeOwned>(object: Value) -> Arc<T> {
            Arc::new(serde_json::from_value(object).unwrap())
        }
        let key = named(&object);
        let seen = &mut self.seen;
        match kind {
            "Namespace" => drop(seen.namespaces.insert(key, into::<Namespace>(object))),
            "Node" => drop(seen.nodes.insert(key, into::<Node>(object))),
            "Pod" => drop(seen.pods.insert(key, into::<Pod>(object))),
            "Service" => drop(seen.services.insert(key, into::<Service>(object))),
            "Endpoints" => drop(seen.endpoints.insert(key, into::<Endpoints>(object))),
            "EndpointSlice" => drop(seen.slices.insert(key, into::<EndpointSlice>(object))),
            "Deployment" => drop(seen.deployments.insert(key, into::<Deployment>(object))),
            "ReplicaSet" => drop(seen.replica_sets.insert(key, into::<ReplicaSet>(object))),
            _ => {
                let meta = into(object["metadata"].clone());
                let stub =
                    Stub { api_version: api_version.to_owned(), kind: kind.to_owned(), meta };
                seen.stubs.insert((api_version.to_owned(), kind.to_owned(), key), stub);
            }
        }
    }

    pub(crate) fn find(&self, kind: &str, key: &Name) -> Option<Value> {
        fn one<T: Serialize>(map: &BTreeMap<Name, Arc<T>>, key: &Name) -> Option<Value> {
            map.get(key).map(|object| json!(object))
        }
        let seen = &self.seen;
        match kind {
            "Namespace" => one(&seen.namespaces, key),
            "Node" => one(&seen.nodes, key),
            "Pod" => one(&seen.pods, key),
            "Service" => one(&seen.services, key),
            "Endpoints" => one(&seen.endpoints, key),
            "EndpointSlice" => one(&seen.slices, key),
            "Deployment" => one(&seen.deployments, key),
            "ReplicaSet" => one(&seen.replica_sets, key),
            _ => seen
                .stubs
                .values()
                .find(|stub| stub.kind == kind && stub.meta.name.as_deref() == Some(&key.1))
                .map(|stub| json!({"metadata": &*stub.meta})),
        }
    }

    pub(crate) fn remove(&mut self, kind: &str, key: &Name) {
        self.count += 1;
        let seen = &mut self.seen;
        match kind {
            "Namespace" => drop(seen.namespaces.remove(key)),
            "Pod" => drop(seen.pods.remove(key)),
            "Service" => drop(seen.services.remove(key)),
            "Endpoints" => drop(seen.endpoints.remove(key)),
            "EndpointSlice" => drop(seen.slices.remove(key)),
            "Deployment" => drop(seen.deployments.remove(key)),
            "ReplicaSet" => drop(seen.replica_sets.remove(key)),
            _ => seen.stubs.retain(|(_, of, name), _| of != kind || name != key),
        }
    }

    /// Carries out a plan.
    pub(crate) fn carry_out(&mut self, plan: Plan) {
        for write in plan.writes {
            self.write(write);
        }
    }

    fn write(&mut self, write: Write) {
        let Write { target, action, note, .. } = write;
        let key = (target.namespace.clone(), target.name.clone());
        match action {
            Action::Create { object } => {
                assert!(target.name.is_empty() || self.find(&target.kind, &key).is_none());
                self.put(&target.api_version, &target.kind, object);
            }
            Action::Patch { patch, .. } => {
                let Some(mut object) = self.find(&target.kind, &key) else { return };
                let wanted = &patch["metadata"]["resourceVersion"];
                if !wanted.is_null() && *wanted != object["metadata"]["resourceVersion"] {
                    return;
                }
                merge(&mut object, &patch);
                if has_ended(&object) {
                    return self.remove(&target.kind, &key);
                }
                self.put(&target.api_version, &target.kind, object);
            }
            Action::Replace { object, .. } => {
                if object["spec"]["finalizers"] == json!([]) {
                    return self.remove(&target.kind, &key);
                }
                self.put(&target.api_version, &target.kind, object);
            }
            Action::Delete { propagation, .. } => self.delete(&target.kind, &key, propagation),
            Action::Bind { node } => {
                let Some(mut pod) = self.find("Pod", &key) else { return };
                pod["spec"]["nodeName"] = node.into();
                self.put("v1", "Pod", pod);
            }
        }
        self.notes.extend(note.map(|note| format!("{}: {}", note.reason, note.message)));
    }

    pub(crate) fn delete(&mut self, kind: &str, key: &Name, propagation: Option<&str>) {
        let Some(mut object) = self.find(kind, key) else { return };
        let finalizer = match propagation {
            Some("Foreground") => Some("foregroundDeletion"),
            Some("Orphan") => Some("orphan"),
            _ => None,
        };
        if let Some(finalizer) = finalizer {
            object["metadata"]["finalizers"] = json!([finalizer]);
        }
        let held = kind == "Pod" && object["spec"]["nodeName"].is_string();
        if finalizer.is_none() && !held && kind != "Namespace" {
            return self.remove(kind, key);
        }
        object["metadata"]["deletionTimestamp"] = self.now.to_string().into();
        self.put("", kind, object);
    }

    /// What a kubelet does in one moment: deleted pods go, bound ones get ready unless broken.
    pub(crate) fn kubelet(&mut self) {
        for (key, pod) in self.seen.pods.clone() {
            if pod.metadata.deletion_timestamp.is_some() {
                if pod.metadata.finalizers.is_none() {
                    self.remove("Pod", &key);
                }
                continue;
            }
            let bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
            if !bound || pod.status.is_some() {
                continue;
            }
            let ready = if (self.broken)(&pod) { "False" } else { "True" };
            let mut object = json!(pod);
            self.count += 1;
            object["status"] = json!({
                "phase": "Running",
                "podIP": format!("10.244.0.{}", self.count % 250 + 2),
                "conditions": [{
                    "type": "Ready", "status": ready, "lastTransitionTime": self.now.to_string(),
                }],
            });
            self.put("v1", "Pod", object);
        }
    }

    /// All controllers once, then the kubelet; `check` looks at every state on the way.
    pub(crate) fn round(&mut self, check: &mut dyn FnMut(&Self)) {
        let steps: [fn(&Seen, Timestamp) -> Plan; 5] = [
            crate::deployment::step,
            crate::replicaset::step,
            crate::schedule::step,
            |seen, _| crate::endpoints::step(seen),
            |seen, now| {
                let mut seen = seen.clone();
                seen.rest = Some(Vec::new());
                crate::cleanup::step(&seen, now)
            },
        ];
        for step in steps {
            let plan = step(&self.seen, self.now);
            self.carry_out(plan);
            check(self);
        }
        self.kubelet();
        check(self);
        self.now += SignedDuration::from_secs(1);
    }

    /// Rounds until nothing is left to write; the number of rounds.
    pub(crate) fn settle(&mut self, check: &mut dyn FnMut(&Self)) -> usize {
        for round in 1..100 {
            let before = self.count;
            self.round(check);
            if self.count == before {
                return round;
            }
        }
        panic!("it never comes to rest");
    }

    /// Pods that are ready and stay.
    pub(crate) fn serving(&self) -> usize {
        let stays = |pod: &&Arc<Pod>| {
            crate::seen::is_ready(pod) && pod.metadata.deletion_timestamp.is_none()
        };
        self.seen.pods.values().filter(stays).count()
    }
}

fn has_ended(object: &Value) -> bool {
    let meta = &object["metadata"];
    meta["deletionTimestamp"].is_string()
        && meta["finalizers"].as_array().is_none_or(Vec::is_empty)
        && object["spec"]["nodeName"].is_null()
}

/// A Deployment of these many pods of this image.
pub(crate) fn deployment(name: &str, replicas: i32, image: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image, "ports": [
                    {"name": "http", "containerPort": 8080},
                ]}]},
            },
        },
    })
}
