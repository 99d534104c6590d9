//! What a Sidecar object leaves of the mesh for the proxies that it selects.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inbound, Node, NodeKind};
use crate::model::peer::Takes;
use crate::model::registry::contains;
use crate::model::route::Action;
use crate::model::scope::Application;
use crate::model::{Model, Routing, Shared, SidecarScope};

impl Model {
    /// The scope of a sidecar: one that selects it, else its namespace's, else the mesh's.
    pub(super) fn scope(&self, node: &Node) -> Option<&Shared<SidecarScope>> {
        if node.kind != NodeKind::Sidecar {
            return None;
        }
        let in_namespace = |namespace: &str| {
            let namespace = namespace.to_owned();
            self.scopes.iter().filter(move |one| one.origin.namespace == namespace)
        };
        let selecting = |one: &&Shared<SidecarScope>| {
            !one.selector.is_empty() && contains(&node.labels, &one.selector)
        };
        let for_all = |one: &&Shared<SidecarScope>| one.selector.is_empty();
        in_namespace(&node.namespace)
            .find(selecting)
            .or_else(|| in_namespace(&node.namespace).find(for_all))
            .or_else(|| in_namespace(&self.settings.root_namespace).find(for_all))
    }

    /// Ports of the workload as its scope writes them down.
    pub(super) fn inbound_of(&self, node: &Node, scope: &SidecarScope) -> Vec<Inbound> {
        let by_service: BTreeMap<u16, Inbound> =
            self.inbound_of_services(node).into_iter().map(|one| (one.port, one)).collect();
        let mut ports: Vec<Inbound> = scope
            .ingress
            .iter()
            .map(|written| {
                // Telemetry knows a port by the service that leads to it, or to its application.
                let known = by_service
                    .get(&written.port)
                    .or_else(|| match &written.application {
                        Application::Port(port) => by_service.get(port),
                        Application::Pipe(_) => None,
                    })
                    .cloned();
                let known = known.unwrap_or_else(|| Inbound {
                    port: written.port,
                    application: written.application.clone(),
                    protocol: written.protocol,
                    host: format!("{}.{}", scope.origin.name, scope.origin.namespace),
                    service: scope.origin.name.clone(),
                    namespace: scope.origin.namespace.clone(),
                    service_port: written.port,
                    pool: None,
                    takes: Takes::Plain,
                });
                Inbound {
                    port: written.port,
                    application: written.application.clone(),
                    protocol: written.protocol,
                    pool: written
                        .pool
                        .clone()
                        .or(known.pool)
                        .or_else(|| scope.inbound_pool.clone()),
                    ..known
                }
            })
            .collect();
        ports.sort_by_key(|one| one.port);
        ports
    }
}

/// The hosts to which rules lead.
pub(super) fn destinations(routings: &[Shared<Routing>]) -> BTreeSet<&str> {
    let mut hosts = BTreeSet::new();
    for routing in routings {
        for rule in &routing.http {
            let Action::Forward(forward) = &rule.action else { continue };
            hosts.extend(forward.to.iter().map(|one| one.destination.host.as_str()));
            hosts.extend(forward.mirrors.iter().map(|one| one.destination.host.as_str()));
        }
        let streams = routing.tls.iter().chain(&routing.tcp).flat_map(|rule| &rule.to);
        hosts.extend(streams.map(|one| one.destination.host.as_str()));
    }
    hosts
}
