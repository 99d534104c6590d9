//! What the controllers see: the objects of a cluster, as far as they care.

use std::collections::BTreeMap;
use std::sync::Arc;

use kinds::core::{
    Deployment, EndpointSlice, Endpoints, LabelSelector, Namespace, Node, ObjectMeta,
    OwnerReference, Pod, PodTemplateSpec, ReplicaSet, Service,
};

use crate::Target;

/// Namespace and name; the namespace of objects without one is empty.
pub type Name = (String, String);

/// An object of which only the metadata matters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stub {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Metadata.
    pub meta: Arc<ObjectMeta>,
}

/// One object by its metadata, wherever it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) api_version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) meta: &'a ObjectMeta,
}

impl Item<'_> {
    /// The object as a target.
    pub(crate) fn target(&self) -> Target {
        Target::of(self.api_version, self.kind, self.meta)
    }
}

/// The objects of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Namespaces, by name.
    pub namespaces: BTreeMap<Name, Arc<Namespace>>,
    /// Nodes, by name.
    pub nodes: BTreeMap<Name, Arc<Node>>,
    /// Pods.
    pub pods: BTreeMap<Name, Arc<Pod>>,
    /// Services.
    pub services: BTreeMap<Name, Arc<Service>>,
    /// Endpoints.
    pub endpoints: BTreeMap<Name, Arc<Endpoints>>,
    /// EndpointSlices.
    pub slices: BTreeMap<Name, Arc<EndpointSlice>>,
    /// Deployments.
    pub deployments: BTreeMap<Name, Arc<Deployment>>,
    /// ReplicaSets.
    pub replica_sets: BTreeMap<Name, Arc<ReplicaSet>>,
    /// Metadata of watched objects of other kinds, by apiVersion, kind and name.
    pub stubs: BTreeMap<(String, String, Name), Stub>,
    /// Content of each `kube-root-ca.crt`, by namespace.
    pub root_certificates: BTreeMap<String, String>,
    /// Metadata of objects of kinds that are not watched, listed when a plan asked for them;
    /// `None` while nobody has listed them since the last change that matters.
    pub rest: Option<Vec<Stub>>,
    /// Whether an object that may own others went since the rest was last listed.
    pub departed: bool,
    /// Whether it is long that the rest was listed.
    pub stale: bool,
    /// Why the last write on behalf of an object was refused, by its uid.
    pub refusals: BTreeMap<String, String>,
}

impl Seen {
    /// Whether objects of this kind are watched, so that one that is not here does not exist.
    #[must_use]
    pub fn watches(api_version: &str, kind: &str) -> bool {
        WATCHED.contains(&(api_version, kind)) || STUBS.contains(&(api_version, kind))
    }

    /// All objects by their metadata: the watched ones, then the rest that is known.
    pub(crate) fn all(&self) -> Vec<Item<'_>> {
        let mut all = Vec::new();
        macro_rules! add {
            ($($map:ident, $api_version:literal, $kind:literal;)*) => {$(
                all.extend(self.$map.values().map(|object| Item {
                    api_version: $api_version,
                    kind: $kind,
                    meta: &object.metadata,
                }));
            )*};
        }
        add! {
            namespaces, "v1", "Namespace";
            nodes, "v1", "Node";
            pods, "v1", "Pod";
            services, "v1", "Service";
            endpoints, "v1", "Endpoints";
            slices, "discovery.k8s.io/v1", "EndpointSlice";
            deployments, "apps/v1", "Deployment";
            replica_sets, "apps/v1", "ReplicaSet";
        }
        all.extend(self.stubs.values().chain(self.rest.iter().flatten()).map(|stub| Item {
            api_version: &stub.api_version,
            kind: &stub.kind,
            meta: &stub.meta,
        }));
        all
    }

    /// Whether new objects may be made in this namespace: it is there and stays.
    #[must_use]
    pub fn is_open(&self, namespace: &str) -> bool {
        self.namespaces
            .get(&(String::new(), namespace.to_owned()))
            .is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_none())
    }
}

/// Kinds of which the whole object is watched.
const WATCHED: &[(&str, &str)] = &[
    ("v1", "Namespace"),
    ("v1", "Node"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Endpoints"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
];

/// Kinds of which the metadata is watched.
const STUBS: &[(&str, &str)] = &[("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "ServiceAccount")];

impl Stub {
    /// The object as a target.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::of(&self.api_version, &self.kind, &self.meta)
    }
}

/// Whether a label selector selects these labels. One without any rule selects everything.
#[must_use]
pub fn selects(selector: &LabelSelector, labels: Option<&BTreeMap<String, String>>) -> bool {
    let found = |key: &str| labels.and_then(|labels| labels.get(key));
    let all = selector.match_labels.iter().flatten().all(|(key, value)| found(key) == Some(value));
    all && selector.match_expressions.iter().flatten().all(|rule| {
        let value = found(&rule.key);
        let among = || value.is_some_and(|value| rule.values.iter().flatten().any(|v| v == value));
        match rule.operator.as_str() {
            "In" => among(),
            "NotIn" => !among(),
            "Exists" => value.is_some(),
            _ => value.is_none(),
        }
    })
}

/// The owner that controls an object.
pub(crate) fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// Whether this uid controls the object.
pub(crate) fn controlled_by(meta: &ObjectMeta, uid: &str) -> bool {
    controller(meta).is_some_and(|owner| owner.uid == uid)
}

/// A reference by which the owner controls an object, and waits for its end if asked to.
pub(crate) fn owned_by(owner: &Target) -> OwnerReference {
    OwnerReference {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Objects by the uid of their controller.
pub(crate) fn by_controller<T>(
    objects: &BTreeMap<Name, Arc<T>>,
    meta: impl Fn(&T) -> &ObjectMeta,
) -> BTreeMap<String, Vec<&Arc<T>>> {
    let mut map: BTreeMap<String, Vec<&Arc<T>>> = BTreeMap::new();
    for object in objects.values() {
        if let Some(owner) = controller(meta(object)) {
            map.entry(owner.uid.clone()).or_default().push(object);
        }
    }
    map
}

/// The uid, or the empty text.
pub(crate) fn uid(meta: &ObjectMeta) -> &str {
    meta.uid.as_deref().unwrap_or_default()
}

/// The name, or the empty text.
pub(crate) fn name(meta: &ObjectMeta) -> &str {
    meta.name.as_deref().unwrap_or_default()
}

/// The namespace, or the empty text.
pub(crate) fn namespace(meta: &ObjectMeta) -> &str {
    meta.namespace.as_deref().unwrap_or_default()
}

/// When the object was made; the beginning of time where nobody said.
pub(crate) fn created(meta: &ObjectMeta) -> jiff::Timestamp {
    meta.creation_timestamp.as_ref().map_or(jiff::Timestamp::UNIX_EPOCH, |time| time.0)
}

/// Whether a pod's Ready condition holds.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    ready_condition(pod).is_some_and(|condition| condition.status == "True")
}

/// A pod's Ready condition.
pub(crate) fn ready_condition(pod: &Pod) -> Option<&kinds::core::PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == "Ready")
}

/// Whether a pod has come to rest: its containers ended and will not start again.
pub(crate) fn is_at_rest(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether two pod templates mean the same pods; the label that marks a revision does not count.
pub(crate) fn is_same_template(one: &PodTemplateSpec, other: &PodTemplateSpec) -> bool {
    one.spec == other.spec && plain(one.metadata.as_ref()) == plain(other.metadata.as_ref())
}

/// The metadata of a pod template without the label that marks its revision.
pub(crate) fn plain(meta: Option<&ObjectMeta>) -> ObjectMeta {
    let mut meta = meta.cloned().unwrap_or_default();
    // The server writes it into templates that once were empty.
    meta.creation_timestamp = None;
    if let Some(labels) = &mut meta.labels {
        labels.remove(crate::deployment::HASH_LABEL);
    }
    meta.labels = meta.labels.filter(|labels| !labels.is_empty());
    meta.annotations = meta.annotations.filter(|notes| !notes.is_empty());
    meta
}
