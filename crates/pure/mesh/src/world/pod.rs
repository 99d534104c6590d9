//! What of a pod matters here; the rest is let go, for pods are many.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kinds::core;

use super::Key;
use crate::inject::heeded::{Unheeded, unheeded};
use crate::model::network::NETWORK;
use crate::model::{Locality, Workload};

/// A pod, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodRecord {
    /// What it is, its locality by its own label only.
    pub(crate) workload: Workload,
    /// Its addresses.
    pub(crate) addresses: Vec<IpAddr>,
    /// The node it runs on, may be empty.
    pub(crate) node: String,
    /// Nothing says that it is not ready.
    pub(crate) ready: bool,
    /// Wishes to its sidecar that do nothing.
    pub(crate) unheeded: Vec<Unheeded>,
}

impl PodRecord {
    pub(crate) fn new(pod: core::Pod, key: &Key) -> PodRecord {
        let labels: BTreeMap<_, _> = pod.metadata.labels.unwrap_or_default();
        let annotations = pod.metadata.annotations.unwrap_or_default();
        let owner = pod.metadata.owner_references.unwrap_or_default();
        let owner = owner
            .iter()
            .find(|owner| owner.controller == Some(true))
            .map_or(key.name.as_str(), |owner| deployment_of(&owner.kind, &owner.name, &labels));
        let owner = labels.get("service.istio.io/workload-name").map_or(owner, String::as_str);
        let spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let conditions = status.conditions.iter().flatten();
        let ready = !conditions.into_iter().any(|one| one.type_ == "Ready" && one.status != "True");
        let over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        // A finished pod's address may already be another's.
        let addresses = if over {
            Vec::new()
        } else {
            let ips = status.pod_ips.unwrap_or_default();
            ips.iter()
                .map(|ip| ip.ip.as_str())
                .chain(status.pod_ip.as_deref())
                .filter_map(|ip| ip.parse().ok())
                .collect()
        };
        let ports = spec
            .containers
            .iter()
            .filter(|container| container.name != crate::inject::CONTAINER)
            .flat_map(|container| container.ports.iter().flatten())
            .filter_map(|port| Some((port.name.clone()?, u16::try_from(port.container_port).ok()?)))
            .collect();
        let locality = labels
            .get("topology.istio.io/locality")
            .or_else(|| labels.get("istio-locality"))
            .map(|text| Locality::from_text(text))
            .unwrap_or_default();
        let is_injected = annotations.contains_key(crate::inject::STATUS);
        let tls = labels.get("security.istio.io/tlsMode").is_some_and(|mode| mode == "istio")
            && is_injected;
        let network = labels.get(NETWORK).cloned().unwrap_or_default();
        let unheeded = if is_injected { unheeded(&annotations) } else { Vec::new() };
        let workload = Workload {
            name: key.name.clone(),
            namespace: key.namespace.clone(),
            owner: owner.to_owned(),
            service_account: spec.service_account_name.unwrap_or_else(|| "default".to_owned()),
            labels,
            locality,
            ports,
            network,
            tls,
        };
        let node = spec.node_name.unwrap_or_default();
        PodRecord { workload, addresses, node, ready, unheeded }
    }
}

/// The Deployment behind a ReplicaSet, whose name ends with the template's hash; any other owner is
/// itself.
fn deployment_of<'a>(kind: &str, name: &'a str, labels: &BTreeMap<String, String>) -> &'a str {
    labels
        .get("pod-template-hash")
        .filter(|_| kind == "ReplicaSet")
        .and_then(|hash| name.strip_suffix(hash.as_str())?.strip_suffix('-'))
        .unwrap_or(name)
}
