//! A snapshot: all resources that one proxy should have, encoded once and shared by all proxies that see the same.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use xxhash_rust::xxh64::Xxh64;

use crate::{Named, cluster::Cluster, core, endpoint, listener::Listener, route, tls};

/// Type URL of listeners.
pub const LISTENER: &str = Listener::TYPE_URL;
/// Type URL of clusters.
pub const CLUSTER: &str = Cluster::TYPE_URL;
/// Type URL of route configurations.
pub const ROUTE: &str = route::RouteConfiguration::TYPE_URL;
/// Type URL of the endpoints of clusters.
pub const ENDPOINT: &str = endpoint::ClusterLoadAssignment::TYPE_URL;
/// Type URL of secrets.
pub const SECRET: &str = tls::Secret::TYPE_URL;
/// Type URL of filter configurations (ECDS).
pub const EXTENSION: &str = core::TypedExtensionConfig::TYPE_URL;
/// Type URL of the table of names that a proxy answers DNS from (NDS).
pub const NAME_TABLE: &str = crate::discovery::NameTable::TYPE_URL;

/// Types in the order in which changes are told: what is referred to comes before what refers to it.
pub const PUSH_ORDER: [&str; 7] =
    [CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, EXTENSION, NAME_TABLE];

/// One resource, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Hash of the bytes, so that equal resources have equal versions at every server and after every restart.
    pub version: String,
    /// The encoded message, without the `Any` around it.
    pub body: Bytes,
}

impl Resource {
    /// Encodes a message.
    #[must_use]
    pub fn of<M: Named>(message: &M) -> Self {
        Self::encoded(message.encode_to_vec().into())
    }

    /// Takes a message that is encoded already.
    #[must_use]
    pub fn encoded(body: Bytes) -> Self {
        Self { version: format!("{:016x}", xxhash_rust::xxh64::xxh64(&body, 0)), body }
    }
}

/// Resources of one type, by name.
pub type Resources = BTreeMap<String, Arc<Resource>>;

/// All resources for one proxy, by type URL and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    by_type: BTreeMap<String, Resources>,
}

static NONE: Resources = BTreeMap::new();

impl Snapshot {
    /// A snapshot without resources.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a resource; one of the same type and name is replaced.
    pub fn insert<M: Named>(&mut self, name: impl Into<String>, message: &M) {
        self.put(M::TYPE_URL, name, Arc::new(Resource::of(message)));
    }

    /// Adds an encoded resource, possibly shared with other snapshots.
    pub fn put(&mut self, type_url: &str, name: impl Into<String>, resource: Arc<Resource>) {
        if let Some(resources) = self.by_type.get_mut(type_url) {
            resources.insert(name.into(), resource);
        } else {
            self.by_type.insert(type_url.to_owned(), BTreeMap::from([(name.into(), resource)]));
        }
    }

    /// The resources of a type; none when the type is unknown.
    #[must_use]
    pub fn of(&self, type_url: &str) -> &Resources {
        self.by_type.get(type_url).unwrap_or(&NONE)
    }

    /// One resource.
    #[must_use]
    pub fn resource(&self, type_url: &str, name: &str) -> Option<&Arc<Resource>> {
        self.of(type_url).get(name)
    }

    /// Takes all resources of a type away.
    pub fn remove_all(&mut self, type_url: &str) {
        self.by_type.remove(type_url);
    }

    /// All types and their resources, by type URL.
    pub fn types(&self) -> impl Iterator<Item = (&str, &Resources)> {
        self.by_type.iter().map(|(type_url, resources)| (type_url.as_str(), resources))
    }

    /// Version of all resources of a type together.
    #[must_use]
    pub fn version(&self, type_url: &str) -> String {
        version_of(
            self.of(type_url)
                .iter()
                .map(|(name, resource)| (name.as_str(), resource.version.as_str())),
        )
    }
}

/// One version for a set of named versions.
pub(crate) fn version_of<'a>(resources: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut hash = Xxh64::new(0);
    for (name, version) in resources {
        hash.update(name.as_bytes());
        hash.update(&[0]);
        hash.update(version.as_bytes());
        hash.update(&[0]);
    }
    format!("{:016x}", hash.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_messages_have_equal_versions_and_different_ones_do_not() {
        let cluster = |name: &str| Cluster { name: name.into(), ..Cluster::default() };
        let (mut one, mut two) = (Snapshot::new(), Snapshot::new());
        one.insert("a", &cluster("a"));
        two.insert("a", &cluster("a"));
        assert_eq!(one.version(CLUSTER), two.version(CLUSTER));
        two.insert("b", &cluster("b"));
        assert_ne!(one.version(CLUSTER), two.version(CLUSTER));
        assert_eq!(one.resource(CLUSTER, "a"), two.resource(CLUSTER, "a"));
        assert!(one.of(LISTENER).is_empty());
        one.remove_all(CLUSTER);
        assert!(one.of(CLUSTER).is_empty());
    }
}
