//! The objects, typed and indexed: what is there, not yet what it means.

mod pod;

use std::collections::BTreeMap;
use std::sync::Arc;

use kinds::{core, istio};
use serde::Deserialize;
use serde_json::Value;

use crate::findings::{Code, Finding};
use crate::model::credential::{Credential, Credentials};
pub(crate) use pod::PodRecord;

/// Whether the proxies of this version speak TLS.
const OURS_SPEAK_TLS: bool = false;

/// Names that hold for the whole mesh.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Last part of service names.
    pub domain: String,
    /// Where rules for the whole mesh live.
    pub root_namespace: String,
    /// Name of this cluster in telemetry.
    pub cluster: String,
    /// Traffic to unknown hosts passes through; otherwise it is refused.
    pub allow_any: bool,
    /// This house's own proxies speak TLS. Where they do not, they are told of none, and findings say so.
    pub speaks_tls: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            domain: "cluster.local".to_owned(),
            root_namespace: "istio-system".to_owned(),
            cluster: "Kubernetes".to_owned(),
            allow_any: true,
            speaks_tls: OURS_SPEAK_TLS,
        }
    }
}

/// The kinds that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Node.
    Node,
    /// Pod.
    Pod,
    /// Service.
    Service,
    /// EndpointSlice of `discovery.k8s.io`.
    EndpointSlice,
    /// VirtualService of `networking.istio.io`.
    VirtualService,
    /// DestinationRule of `networking.istio.io`.
    DestinationRule,
    /// Gateway of `networking.istio.io`.
    Gateway,
    /// ServiceEntry of `networking.istio.io`.
    ServiceEntry,
    /// WorkloadEntry of `networking.istio.io`.
    WorkloadEntry,
    /// WorkloadGroup of `networking.istio.io`.
    WorkloadGroup,
    /// Sidecar of `networking.istio.io`.
    Sidecar,
    /// ProxyConfig of `networking.istio.io`.
    ProxyConfig,
    /// PeerAuthentication of `security.istio.io`.
    PeerAuthentication,
    /// A Secret, as far as it has a credential.
    Secret,
    /// The ConfigMap `istio`, with the defaults of the mesh.
    ConfigMap,
}

/// Group, kind, and its name in configuration references, for each kind.
const KINDS: &[(&str, &str, Kind)] = &[
    ("", "Node", Kind::Node),
    ("", "Pod", Kind::Pod),
    ("", "Service", Kind::Service),
    ("discovery.k8s.io", "EndpointSlice", Kind::EndpointSlice),
    ("networking.istio.io", "VirtualService", Kind::VirtualService),
    ("networking.istio.io", "DestinationRule", Kind::DestinationRule),
    ("networking.istio.io", "Gateway", Kind::Gateway),
    ("networking.istio.io", "ServiceEntry", Kind::ServiceEntry),
    ("networking.istio.io", "WorkloadEntry", Kind::WorkloadEntry),
    ("networking.istio.io", "WorkloadGroup", Kind::WorkloadGroup),
    ("networking.istio.io", "Sidecar", Kind::Sidecar),
    ("networking.istio.io", "ProxyConfig", Kind::ProxyConfig),
    ("security.istio.io", "PeerAuthentication", Kind::PeerAuthentication),
    ("", "Secret", Kind::Secret),
    ("", "ConfigMap", Kind::ConfigMap),
];

/// Name of the ConfigMap with the defaults of the mesh.
pub(crate) const MESH_CONFIG: &str = "istio";

impl Kind {
    /// The kind of an object by its `apiVersion` and `kind`; `None` for kinds without meaning here.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Option<Kind> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        KINDS.iter().find(|row| row.0 == group && row.1 == kind).map(|row| row.2)
    }

    /// The word of the field `kind`.
    #[must_use]
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|row| row.2 == self).map_or("", |row| row.1)
    }
}

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace, empty for kinds without.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The key of an object; `None` if its kind has no meaning here or it has no name.
    #[must_use]
    pub fn of(object: &Value) -> Option<Key> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let kind = Kind::of(text("/apiVersion")?, text("/kind")?)?;
        let name = text("/metadata/name").or_else(|| text("/metadata/generateName"))?;
        if kind == Kind::ConfigMap && name != MESH_CONFIG {
            return None;
        }
        let namespace = match kind {
            Kind::Node => "",
            _ => text("/metadata/namespace").unwrap_or("default"),
        };
        Some(Key { kind, namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            return write!(f, "{} {}", self.kind.word(), self.name);
        }
        write!(f, "{} {}/{}", self.kind.word(), self.namespace, self.name)
    }
}

/// Namespace and name.
pub(crate) type Name = (String, String);

/// All objects that matter, each as its type. Cheap to clone: objects are shared.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Names that hold for the whole mesh.
    pub settings: Settings,
    pub(crate) nodes: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) pods: BTreeMap<Name, Arc<PodRecord>>,
    pub(crate) services: BTreeMap<Name, Arc<core::Service>>,
    pub(crate) slices: BTreeMap<Name, Arc<core::EndpointSlice>>,
    pub(crate) virtual_services: BTreeMap<Name, Arc<istio::VirtualService>>,
    pub(crate) destination_rules: BTreeMap<Name, Arc<istio::DestinationRule>>,
    pub(crate) gateways: BTreeMap<Name, Arc<istio::Gateway>>,
    pub(crate) service_entries: BTreeMap<Name, Arc<istio::ServiceEntry>>,
    pub(crate) workload_entries: BTreeMap<Name, Arc<istio::WorkloadEntry>>,
    pub(crate) workload_groups: BTreeMap<Name, Arc<istio::WorkloadGroup>>,
    pub(crate) sidecars: BTreeMap<Name, Arc<istio::Sidecar>>,
    pub(crate) proxy_configs: BTreeMap<Name, Arc<istio::ProxyConfig>>,
    pub(crate) peer_authentications: BTreeMap<Name, Arc<istio::PeerAuthentication>>,
    /// Secrets with credentials.
    pub(crate) credentials: Credentials,
    /// ConfigMaps of the mesh's name; the one of the root namespace counts.
    pub(crate) configs: BTreeMap<Name, Arc<core::ConfigMap>>,
    pub(crate) broken: BTreeMap<Key, Finding>,
}

impl World {
    /// A world of these objects; those without meaning here are left out.
    pub fn new<'a>(objects: impl IntoIterator<Item = &'a Value>) -> World {
        let mut world = World::default();
        for object in objects {
            world.upsert(object);
        }
        world
    }

    /// Takes in an object, in place of the one with the same key. An object that cannot be read
    /// takes the old one's place too, and shows up as a finding.
    pub fn upsert(&mut self, object: &Value) {
        let Some(key) = Key::of(object) else { return };
        self.remove(&key);
        if let Err(error) = self.insert(&key, object) {
            let finding = Finding {
                object: key.clone(),
                code: Code::SchemaValidationError,
                path: String::new(),
                text: format!("the object cannot be read and does nothing: {error}"),
            };
            self.broken.insert(key, finding);
        }
    }

    /// Forgets an object.
    pub fn remove(&mut self, key: &Key) {
        let name = (key.namespace.clone(), key.name.clone());
        self.broken.remove(key);
        match key.kind {
            Kind::Node => drop(self.nodes.remove(&key.name)),
            Kind::Pod => drop(self.pods.remove(&name)),
            Kind::Service => drop(self.services.remove(&name)),
            Kind::EndpointSlice => drop(self.slices.remove(&name)),
            Kind::VirtualService => drop(self.virtual_services.remove(&name)),
            Kind::DestinationRule => drop(self.destination_rules.remove(&name)),
            Kind::Gateway => drop(self.gateways.remove(&name)),
            Kind::ServiceEntry => drop(self.service_entries.remove(&name)),
            Kind::WorkloadEntry => drop(self.workload_entries.remove(&name)),
            Kind::WorkloadGroup => drop(self.workload_groups.remove(&name)),
            Kind::Sidecar => drop(self.sidecars.remove(&name)),
            Kind::ProxyConfig => drop(self.proxy_configs.remove(&name)),
            Kind::PeerAuthentication => drop(self.peer_authentications.remove(&name)),
            Kind::Secret => drop(self.credentials.remove(&name)),
            Kind::ConfigMap => drop(self.configs.remove(&name)),
        }
    }

    /// The findings about objects that could not be read.
    pub fn broken(&self) -> impl Iterator<Item = &Finding> {
        self.broken.values()
    }

    fn insert(&mut self, key: &Key, object: &Value) -> Result<(), serde_json::Error> {
        let name = (key.namespace.clone(), key.name.clone());
        match key.kind {
            Kind::Node => {
                let node = core::Node::deserialize(object)?;
                self.nodes.insert(name.1, node.metadata.labels.unwrap_or_default());
            }
            Kind::Pod => {
                let pod = PodRecord::new(core::Pod::deserialize(object)?, key);
                self.pods.insert(name, Arc::new(pod));
            }
            Kind::Service => insert(&mut self.services, name, object)?,
            Kind::EndpointSlice => insert(&mut self.slices, name, object)?,
            Kind::VirtualService => insert(&mut self.virtual_services, name, object)?,
            Kind::DestinationRule => insert(&mut self.destination_rules, name, object)?,
            Kind::Gateway => insert(&mut self.gateways, name, object)?,
            Kind::ServiceEntry => insert(&mut self.service_entries, name, object)?,
            Kind::WorkloadEntry => insert(&mut self.workload_entries, name, object)?,
            Kind::WorkloadGroup => insert(&mut self.workload_groups, name, object)?,
            Kind::Sidecar => insert(&mut self.sidecars, name, object)?,
            Kind::ProxyConfig => insert(&mut self.proxy_configs, name, object)?,
            Kind::PeerAuthentication => insert(&mut self.peer_authentications, name, object)?,
            Kind::Secret => {
                // An error of reading could show what was read, so nothing is said of a bad one.
                let secret = core::Secret::deserialize(object).unwrap_or_default();
                let data = secret.data.unwrap_or_default();
                let one = |name: &str| data.get(name).map(|bytes| bytes.0.as_slice());
                let read = Credential::of_data(one);
                self.credentials.extend(read.map(|read| (name, read.into())));
            }
            Kind::ConfigMap => insert(&mut self.configs, name, object)?,
        }
        Ok(())
    }
}

fn insert<'de, T: Deserialize<'de>>(
    map: &mut BTreeMap<Name, Arc<T>>,
    name: Name,
    object: &'de Value,
) -> Result<(), serde_json::Error> {
    map.insert(name, Arc::new(T::deserialize(object)?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_kind_is_told_by_group_and_name() {
        assert_eq!(Kind::of("v1", "Pod"), Some(Kind::Pod));
        assert_eq!(Kind::of("networking.istio.io/v1beta1", "Gateway"), Some(Kind::Gateway));
        assert_eq!(Kind::of("gateway.networking.k8s.io/v1", "Gateway"), None);
    }

    #[test]
    fn an_unreadable_object_takes_the_place_of_the_old_one_and_is_found() {
        let good = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
            "spec": {"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}});
        let mut bad = good.clone();
        bad["spec"]["ports"] = json!("eighty");
        let mut world = World::new([&good]);
        assert_eq!(world.services.len(), 1);
        world.upsert(&bad);
        assert_eq!((world.services.len(), world.broken().count()), (0, 1));
        world.upsert(&good);
        assert_eq!((world.services.len(), world.broken().count()), (1, 0));
        world.remove(&Key::of(&good).expect("a Service has a key"));
        assert_eq!(world.services.len(), 0);
    }
}
