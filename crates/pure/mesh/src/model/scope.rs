//! Scopes: what a Sidecar object means for the proxies that it selects.

use std::collections::BTreeMap;

use super::policy::Pool;
use super::route::Destination;
use super::{Origin, Protocol};
use crate::host;

/// What some sidecars see and let in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SidecarScope {
    /// The object.
    pub origin: Origin,
    /// Creation stamp, RFC 3339.
    pub created: String,
    /// Labels of the workloads; empty is all of the namespace.
    pub selector: BTreeMap<String, String>,
    /// Ports of the workload, if they are written down; none means as services tell.
    pub ingress: Vec<Ingress>,
    /// Hosts that the workload may call; none means all.
    pub egress: Vec<Egress>,
    /// Limits for all ports of the workload.
    pub inbound_pool: Option<Pool>,
    /// What happens to calls of unknown hosts; `None` is the mesh's default.
    pub unknown: Option<Unknown>,
}

/// What happens to calls of unknown hosts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unknown {
    /// They go where they were going.
    Pass,
    /// They are refused.
    Refuse,
    /// They go to this service.
    To(Destination),
}

/// Where an application listens, on its own machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Application {
    /// At this port.
    Port(u16),
    /// At a unix socket: `/path`, or `@` and a name.
    Pipe(String),
}

/// One port of the workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ingress {
    /// The port that callers dial.
    pub port: u16,
    /// What is spoken.
    pub protocol: Protocol,
    /// Where the application listens.
    pub application: Application,
    /// Limits.
    pub pool: Option<Pool>,
}

/// Hosts that the workload may call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Egress {
    /// On this port only; `None` is on every port that no other names.
    pub port: Option<u16>,
    /// The hosts.
    pub hosts: Vec<Import>,
}

/// Some hosts of some namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Import {
    /// Of this namespace; `None` is any.
    pub namespace: Option<String>,
    /// Host or pattern.
    pub host: String,
}

impl Import {
    /// Reads `namespace/host` written in `own`; `None` if it lets nothing in.
    #[must_use]
    pub fn from_text(text: &str, own: &str) -> Option<Import> {
        let (namespace, host) = text.split_once('/')?;
        let namespace = match namespace {
            "~" => return None,
            "*" => None,
            "." => Some(own.to_owned()),
            other => Some(other.to_owned()),
        };
        Some(Import { namespace, host: host.to_ascii_lowercase() })
    }

    /// Whether a service or rule of `namespace` with this host is let in.
    #[must_use]
    pub fn lets_in(&self, namespace: &str, name: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
            && host::overlaps(&self.host, name)
    }
}

impl SidecarScope {
    /// Whether the workload may call a port of a service by the service's name. Hosts of a list for
    /// one port are seen on that port, and nothing else is.
    #[must_use]
    pub fn shows(&self, namespace: &str, name: &str, port: u16) -> bool {
        let own = self.egress.iter().any(|one| one.port == Some(port));
        let wanted = own.then_some(port);
        let mut lists = self.egress.iter().filter(|one| one.port == wanted);
        self.egress.is_empty() || lists.any(|one| one.lets_in(namespace, name))
    }

    /// Whether rules of `namespace` for this host are seen.
    #[must_use]
    pub fn sees(&self, namespace: &str, name: &str) -> bool {
        self.egress.is_empty() || self.egress.iter().any(|one| one.lets_in(namespace, name))
    }
}

impl Egress {
    fn lets_in(&self, namespace: &str, name: &str) -> bool {
        self.hosts.iter().any(|host| host.lets_in(namespace, name))
    }
}
