//! DestinationRules: which subsets a host has, and how many pods stand behind each.

use kinds::istio::{DestinationRule, TrafficPolicy};
use mesh::Finding;
use serde::Deserialize as _;
use serde_json::Value;

use super::workloads::{self, Count, PodView, Pods};
use super::{pairs, service_of, word};
use crate::scene::{Id, Scene, text};

/// One DestinationRule.
#[derive(Debug)]
pub(crate) struct RuleView<'a> {
    /// The object.
    pub(crate) id: &'a Id,
    /// The host, as written.
    pub(crate) host: String,
    /// The Service of that host.
    pub(crate) service: Option<Id>,
    /// What it sets for all pods of the host.
    pub(crate) policy: Vec<String>,
    /// The subsets.
    pub(crate) subsets: Vec<SubsetView>,
    /// What is wrong with it.
    pub(crate) findings: Vec<&'a Finding>,
}

/// One subset.
#[derive(Debug)]
pub(crate) struct SubsetView {
    /// Its name.
    pub(crate) name: String,
    /// The labels of its pods.
    pub(crate) labels: Vec<String>,
    /// Its ready pods; `None` if the host is no Service.
    pub(crate) ready: Option<Count>,
    /// What it sets for its pods alone.
    pub(crate) policy: Vec<String>,
}

impl<'a> RuleView<'a> {
    pub(super) fn new(
        scene: &Scene,
        id: &'a Id,
        object: &Value,
        pods: &Pods<'_>,
        findings: Vec<&'a Finding>,
    ) -> RuleView<'a> {
        // One that cannot be read has a finding that says so.
        let spec = DestinationRule::deserialize(object).unwrap_or_default().spec;
        let service = service_of(scene, &spec.host, &id.namespace);
        let behind = service.as_ref().and_then(|service| {
            let selector = workloads::selector(scene.object(service)?);
            let own = pods.get(service.namespace.as_str()).map_or(&[][..], Vec::as_slice);
            let chosen = |pod: &&PodView<'_>| {
                !pod.over && !selector.is_empty() && pod.has(selector.iter().map(|(k, v)| (*k, *v)))
            };
            Some(own.iter().filter(chosen).collect::<Vec<_>>())
        });
        let subsets = spec.subsets.iter().map(|subset| {
            let labels = || subset.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            SubsetView {
                name: subset.name.clone(),
                labels: pairs(&subset.labels),
                ready: behind.as_ref().map(|behind| {
                    Count::ready(behind.iter().copied().filter(|pod| pod.has(labels())))
                }),
                policy: subset.traffic_policy.as_ref().map(policy).unwrap_or_default(),
            }
        });
        let host = if spec.host.is_empty() { text(object, "/spec/host") } else { &spec.host };
        RuleView {
            id,
            host: host.to_owned(),
            policy: spec.traffic_policy.as_ref().map(policy).unwrap_or_default(),
            subsets: subsets.collect(),
            service,
            findings,
        }
    }
}

/// The parts of a policy, a few words each.
fn policy(policy: &TrafficPolicy) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(balancer) = &policy.load_balancer {
        parts.extend(balancer.simple.map(|simple| format!("balance {}", word(simple))));
        if balancer.consistent_hash.is_some() {
            parts.push("sticky (consistent hash)".to_owned());
        }
        if balancer.locality_lb_setting.is_some() {
            parts.push("by locality".to_owned());
        }
    }
    if let Some(tls) = &policy.tls {
        parts.push(format!("TLS {}", tls.mode.map_or_else(|| "DISABLE".to_owned(), word)));
    }
    let rest = [
        (policy.connection_pool.is_some(), "connection limits"),
        (policy.outlier_detection.is_some(), "outlier ejection"),
        (policy.retry_budget.is_some(), "retry budget"),
        (!policy.port_level_settings.is_empty(), "settings per port"),
        (policy.tunnel.is_some(), "tunnel"),
        (policy.proxy_protocol.is_some(), "PROXY protocol"),
    ];
    parts.extend(rest.into_iter().filter(|it| it.0).map(|it| it.1.to_owned()));
    parts
}
