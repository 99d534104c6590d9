//! What the objects mean, in the words of this house: the mesh as values without JSON.
//!
//! Everything here compares and hashes, because a [`View`](crate::View) is made of it and a view is
//! a cache key.

pub mod credential;
pub mod extras;
pub mod gateway;
pub mod mesh_config;
pub mod network;
pub mod peer;
pub mod policy;
pub mod registry;
pub mod route;
pub mod scope;
pub mod shared;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::world::Settings;
pub use gateway::{Gateway, Server, ServerHost, ServerTls, TlsMode};
pub use mesh_config::MeshConfig;
pub use policy::{Policy, Subset, Traffic};
pub use registry::{
    Address, Endpoint, Locality, Port, Protocol, Resolution, Service, ServiceName, Target, Workload,
};
pub use route::{HttpMatch, HttpRule, Routing};
pub use scope::{SidecarScope, Unknown};
pub use shared::Shared;

/// Which object a part of the model comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Which namespaces may see an object (`exportTo`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Export {
    /// Every namespace (`*`, the default).
    pub all: bool,
    /// The namespaces named, `.` already resolved. Nothing and not `all` means nobody (`~`).
    pub namespaces: Vec<String>,
}

impl Export {
    /// Visible everywhere.
    #[must_use]
    pub fn everywhere() -> Export {
        Export { all: true, namespaces: Vec::new() }
    }

    /// Reads the words of an `exportTo` list written in `namespace`; an empty list is the mesh's
    /// default, and an empty default is everywhere.
    pub fn from_words<'a>(
        words: impl IntoIterator<Item = &'a str>,
        default: &'a [String],
        namespace: &str,
    ) -> Export {
        let mut export = Export::default();
        let mut words = words.into_iter().peekable();
        let default = default.iter().map(String::as_str).filter(|_| words.peek().is_none());
        let default: Vec<&str> = default.collect();
        let mut any = false;
        for word in words.chain(default) {
            any = true;
            match word.trim() {
                "*" => export.all = true,
                "~" | "" => {}
                "." => export.namespaces.push(namespace.to_owned()),
                other => export.namespaces.push(other.to_owned()),
            }
        }
        if any { export } else { Export::everywhere() }
    }

    /// Whether a proxy of `namespace` sees the object.
    #[must_use]
    pub fn reaches(&self, namespace: &str) -> bool {
        self.all || self.namespaces.iter().any(|name| name == namespace)
    }

    /// Whether only the object's own namespace sees it.
    #[must_use]
    pub fn is_private(&self, own: &str) -> bool {
        !self.all && self.namespaces.iter().all(|name| name == own)
    }
}

/// The whole mesh, understood.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Names that hold for the whole mesh.
    pub settings: Settings,
    /// Defaults of the mesh's rules.
    pub mesh: Shared<MeshConfig>,
    /// Services by host and namespace.
    pub services: BTreeMap<ServiceName, Shared<Service>>,
    /// Endpoints of each service, in order of address and port.
    pub endpoints: BTreeMap<ServiceName, Shared<registry::Endpoints>>,
    /// Gateways between networks.
    pub networks: Shared<network::Gateways>,
    /// Workloads by address.
    pub workloads: BTreeMap<IpAddr, Shared<Workload>>,
    /// Meaning of each VirtualService, oldest first.
    pub routings: Vec<Shared<Routing>>,
    /// Meaning of the DestinationRules by (namespace, host), those of one host merged.
    pub policies: BTreeMap<(String, String), Vec<Shared<Policy>>>,
    /// Gateways, oldest first.
    pub gateways: Vec<Shared<Gateway>>,
    /// What workloads take, oldest first.
    pub peers: Vec<Shared<peer::Peers>>,
    /// Secrets with credentials.
    pub credentials: credential::Credentials,
    /// Scopes of sidecars, oldest first.
    pub scopes: Vec<Shared<SidecarScope>>,
}

impl Model {
    /// The services of a host, one for each namespace that has an object for it.
    pub fn named<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Shared<Service>> {
        let from = ServiceName { host: host.to_owned(), namespace: String::new() };
        let all = self.services.range(from..);
        all.take_while(move |(name, _)| name.host == host).map(|(_, service)| service)
    }
}
