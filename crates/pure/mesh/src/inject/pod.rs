//! What of a pod the injector looks at, read from its JSON.

use std::collections::BTreeMap;

use serde_json::Value;

/// A pod that is being made.
#[derive(Debug)]
pub(super) struct PodFacts<'a> {
    pod: &'a Value,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// What made the pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// Name of the workload.
    pub(super) name: String,
    /// Path of its resource: `apis/apps/v1`.
    pub(super) api: String,
    /// Plural of its kind.
    pub(super) plural: String,
}

impl<'a> PodFacts<'a> {
    pub(super) fn new(pod: &'a Value) -> PodFacts<'a> {
        PodFacts {
            pod,
            labels: text_map(pod.pointer("/metadata/labels")),
            annotations: text_map(pod.pointer("/metadata/annotations")),
        }
    }

    fn text(&self, pointer: &str) -> Option<&'a str> {
        self.pod.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn host_network(&self) -> bool {
        self.pod.pointer("/spec/hostNetwork").and_then(Value::as_bool) == Some(true)
    }

    pub(super) fn is_injected(&self) -> bool {
        let named = |list: &str| {
            let list = self.pod.pointer(list).and_then(Value::as_array);
            list.into_iter()
                .flatten()
                .any(|one| one.get("name").and_then(Value::as_str) == Some(super::CONTAINER))
        };
        self.annotations.contains_key(super::STATUS)
            || named("/spec/containers")
            || named("/spec/initContainers")
    }

    fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten()
    }

    /// Names of the application's containers.
    pub(super) fn app_containers(&self) -> Vec<&'a str> {
        self.containers().filter_map(|one| one.get("name").and_then(Value::as_str)).collect()
    }

    /// The ports that the application's containers declare.
    pub(super) fn ports(&self) -> Vec<&'a Value> {
        self.containers()
            .filter_map(|one| one.get("ports").and_then(Value::as_array))
            .flatten()
            .collect()
    }

    /// What made the pod: the Deployment behind a ReplicaSet, another controller, else itself.
    pub(super) fn owner(&self) -> Owner {
        let list = self.pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let controller = list
            .into_iter()
            .flatten()
            .find(|one| one.get("controller").and_then(Value::as_bool) == Some(true));
        let Some(controller) = controller else {
            let generated =
                self.text("/metadata/generateName").map(|name| name.trim_end_matches('-'));
            let name = self.text("/metadata/name").or(generated).unwrap_or("pod");
            return Owner { name: name.to_owned(), api: "apis/v1".into(), plural: "pods".into() };
        };
        let field = |name: &str| controller.get(name).and_then(Value::as_str).unwrap_or_default();
        let (kind, name, version) = (field("kind"), field("name"), field("apiVersion"));
        let hash = self.labels.get("pod-template-hash").filter(|_| kind == "ReplicaSet");
        let deployment = hash.and_then(|hash| name.strip_suffix(hash.as_str())?.strip_suffix('-'));
        match deployment {
            Some(name) => Owner {
                name: name.to_owned(),
                api: format!("apis/{version}"),
                plural: "deployments".to_owned(),
            },
            None => Owner {
                name: name.to_owned(),
                api: format!("apis/{version}"),
                plural: format!("{}s", kind.to_ascii_lowercase()),
            },
        }
    }
}

/// The texts of a JSON map.
pub(super) fn text_map(map: Option<&Value>) -> BTreeMap<String, String> {
    map.and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
