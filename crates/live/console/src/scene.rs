//! All objects at one moment, and what is found wrong with them.

use std::collections::BTreeMap;

use mesh::{Finding, World};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// How a kind is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// API group, empty for the core.
    pub(crate) group: &'static str,
    /// Name, as in YAML.
    pub(crate) kind: &'static str,
    /// Name in paths of the API.
    pub(crate) plural: &'static str,
}

/// The kinds that the console watches, all at version `v1`. Secrets are not among them, so nothing
/// here can show one.
pub(crate) const KINDS: [Kind; 11] = [
    Kind { group: "", kind: "Namespace", plural: "namespaces" },
    Kind { group: "", kind: "Pod", plural: "pods" },
    Kind { group: "", kind: "Service", plural: "services" },
    Kind { group: "apps", kind: "Deployment", plural: "deployments" },
    Kind { group: "discovery.k8s.io", kind: "EndpointSlice", plural: "endpointslices" },
    Kind { group: "networking.istio.io", kind: "VirtualService", plural: "virtualservices" },
    Kind { group: "networking.istio.io", kind: "DestinationRule", plural: "destinationrules" },
    Kind { group: "networking.istio.io", kind: "Gateway", plural: "gateways" },
    Kind { group: "networking.istio.io", kind: "ServiceEntry", plural: "serviceentries" },
    Kind { group: "networking.istio.io", kind: "WorkloadEntry", plural: "workloadentries" },
    Kind { group: "networking.istio.io", kind: "Sidecar", plural: "sidecars" },
];

/// Stands for the namespace of kinds without, in paths; no namespace can have this name.
const NO_NAMESPACE: &str = "-";

/// What stays as it is in a path of ours.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    /// Its namespace, empty for kinds without.
    pub(crate) namespace: String,
    /// Its kind.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) name: String,
}

impl Id {
    /// The name of an object of this kind.
    pub(crate) fn new(kind: &'static str, namespace: &str, name: &str) -> Id {
        Id { namespace: namespace.to_owned(), kind, name: name.to_owned() }
    }

    /// Reads the parts of a path; `None` for kinds that the console does not show.
    pub(crate) fn from_path(namespace: &str, kind: &str, name: &str) -> Option<Id> {
        let kind = KINDS.iter().find(|row| row.kind == kind)?.kind;
        let namespace = if namespace == NO_NAMESPACE { "" } else { namespace };
        Some(Id::new(kind, namespace, name))
    }

    /// The path of its page.
    pub(crate) fn path(&self) -> String {
        let namespace = if self.namespace.is_empty() { NO_NAMESPACE } else { &self.namespace };
        let part = |text| utf8_percent_encode(text, PATH);
        format!("/objects/{}/{}/{}", part(namespace), self.kind, part(&self.name))
    }

    /// The key by which findings name it; `None` for kinds that findings are never about.
    fn key(&self) -> Option<mesh::Key> {
        let group = KINDS.iter().find(|row| row.kind == self.kind)?.group;
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let kind = mesh::Kind::of(&version, self.kind)?;
        Some(mesh::Key { kind, namespace: self.namespace.clone(), name: self.name.clone() })
    }

    /// The object of a finding; `None` for kinds that the console does not show.
    pub(crate) fn of_finding(finding: &Finding) -> Option<Id> {
        let key = &finding.object;
        Id::from_path(&key.namespace, key.kind.word(), &key.name)
    }

    fn of(object: &Value) -> Option<Id> {
        let kind = text(object, "/kind");
        let kind = KINDS.iter().find(|row| row.kind == kind)?.kind;
        let name = text(object, "/metadata/name");
        (!name.is_empty()).then(|| Id::new(kind, text(object, "/metadata/namespace"), name))
    }
}

/// The text at a JSON pointer; empty if there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// All objects at one moment, and what is found wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    /// Names the moment: differs for every change.
    pub(crate) stamp: String,
    /// What keeps the console from seeing all, in sentences.
    pub(crate) notices: Vec<String>,
    objects: BTreeMap<Id, Value>,
    /// What is found wrong, in order of object and path.
    pub(crate) findings: Vec<Finding>,
}

impl Scene {
    /// Understands these objects; those of other kinds are left out.
    pub(crate) fn new(stamp: String, notices: Vec<String>, objects: Vec<Value>) -> Scene {
        let objects: BTreeMap<Id, Value> =
            objects.into_iter().filter_map(|object| Some((Id::of(&object)?, object))).collect();
        let (_, findings) = mesh::understand(&World::new(objects.values()));
        Scene { stamp, notices, objects, findings }
    }

    /// One object.
    pub(crate) fn object(&self, id: &Id) -> Option<&Value> {
        self.objects.get(id)
    }

    /// All objects, in order of namespace, kind and name.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (&Id, &Value)> {
        self.objects.iter()
    }

    /// What is wrong with one object.
    pub(crate) fn findings_of(&self, id: &Id) -> Vec<&Finding> {
        let Some(key) = id.key() else { return Vec::new() };
        // They are in order of object.
        let from = self.findings.partition_point(|finding| finding.object < key);
        self.findings[from..].iter().take_while(|finding| finding.object == key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_leads_back_to_its_object() {
        let ids = [
            Id::new("Service", "shop", "cart"),
            Id::new("Namespace", "", "shop"),
            Id::new("Pod", "a/b", "<c>"),
        ];
        for id in ids {
            let path = id.path();
            let parts: Vec<_> = path.split('/').skip(2).collect();
            let part = |at: usize| {
                percent_encoding::percent_decode_str(parts[at]).decode_utf8().unwrap().into_owned()
            };
            assert_eq!(Id::from_path(&part(0), &part(1), &part(2)), Some(id));
        }
    }

    #[test]
    fn secrets_have_no_place_here() {
        assert_eq!(Id::from_path("shop", "Secret", "key"), None);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "shop"}});
        assert_eq!(Scene::new(String::new(), Vec::new(), vec![secret]).objects().count(), 0);
    }
}
