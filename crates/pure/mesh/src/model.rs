//! What the objects mean, in the words of this house: the mesh as values without JSON.
//!
//! Everything here compares and hashes, because a [`View`](crate::View) is made of it and a view is
//! a cache key.

pub mod gateway;
pub mod policy;
pub mod registry;
pub mod route;
pub mod shared;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::world::Settings;
pub use gateway::{Gateway, Server, ServerHost, ServerTls, TlsMode};
pub use policy::{Policy, Subset, Traffic};
pub use registry::{Endpoint, Locality, Port, Protocol, Service, Target, Workload};
pub use route::{HttpMatch, HttpRule, Routing};
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

    /// Reads the words of an `exportTo` list written in `namespace`; an empty list is everywhere.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>, namespace: &str) -> Export {
        let mut export = Export::default();
        let mut any = false;
        for word in words {
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
    /// Services by full host name.
    pub services: BTreeMap<String, Shared<Service>>,
    /// Endpoints of each service, by host name, in order of address and port.
    pub endpoints: BTreeMap<String, Shared<registry::Endpoints>>,
    /// Workloads by address.
    pub workloads: BTreeMap<IpAddr, Shared<Workload>>,
    /// Meaning of each VirtualService, oldest first.
    pub routings: Vec<Shared<Routing>>,
    /// Meaning of the DestinationRules by (namespace, host), those of one host merged.
    pub policies: BTreeMap<(String, String), Vec<Shared<Policy>>>,
    /// Gateways, oldest first.
    pub gateways: Vec<Shared<Gateway>>,
}
