//! What workloads take from their callers: mutual TLS, plain text, or both.
//!
//! Spec: Istio, `PeerAuthentication`: the rule of the workload goes over its namespace's, and that over the mesh's.

use std::collections::BTreeMap;

use super::registry::contains;
use super::{Model, Origin};

/// What a port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Takes {
    /// Plain text only.
    Plain,
    /// Both.
    #[default]
    Both,
    /// Mutual TLS only.
    Tls,
}

/// What one PeerAuthentication says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peers {
    /// The object.
    pub origin: Origin,
    /// Creation stamp, RFC 3339.
    pub created: String,
    /// Labels of the workloads; empty is all of the namespace, or of the mesh.
    pub selector: BTreeMap<String, String>,
    /// For every port; `None` is what the wider rule says.
    pub all: Option<Takes>,
    /// For single ports of the workload; `None` is what holds for the others.
    pub ports: BTreeMap<u16, Option<Takes>>,
}

impl Model {
    /// What the ports of a workload take, and those that differ.
    #[must_use]
    pub fn takes_all(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> (Takes, BTreeMap<u16, Takes>) {
        let root = self.settings.root_namespace.as_str();
        // They stand in order of age, so the first that fits counts.
        let wide = |of: &str| {
            let mut all = self.peers.iter();
            all.find(|one| one.origin.namespace == of && one.selector.is_empty())
        };
        let own = self.peers.iter().find(|one| {
            one.origin.namespace == namespace
                && namespace != root
                && !one.selector.is_empty()
                && contains(labels, &one.selector)
        });
        let levels = [own, wide(namespace), wide(root)];
        let all = levels.iter().flatten().find_map(|one| one.all).unwrap_or_default();
        let ports = own.map(|one| &one.ports).into_iter().flatten();
        let ports = ports.map(|(port, takes)| (*port, takes.unwrap_or(all))).collect();
        (all, ports)
    }

    /// What one port of a workload takes.
    #[must_use]
    pub fn takes(&self, namespace: &str, labels: &BTreeMap<String, String>, port: u16) -> Takes {
        let (all, ports) = self.takes_all(namespace, labels);
        ports.get(&port).copied().unwrap_or(all)
    }
}
