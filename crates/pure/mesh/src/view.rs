//! What one proxy sees of the model: exactly what its configuration is made of, and nothing else.
//!
//! Invariant: `publish` sees a view and nothing more, so equal views are equal configuration. What
//! differs from proxy to proxy without a rule that looks at it (name, address) is not in it.

mod gateway;
mod node;
mod select;

use std::collections::{BTreeMap, BTreeSet};

use crate::host;
use crate::model::registry::Endpoints;
use crate::model::{
    Locality, Model, Origin, Policy, Protocol, Routing, Server, Service, Shared, Target,
};
pub use node::{Node, NodeKind};

/// The configuration of one proxy, before it is put into Envoy's words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct View {
    /// What the proxy is.
    pub kind: NodeKind,
    /// Its namespace.
    pub namespace: String,
    /// Last part of service names.
    pub domain: String,
    /// Name of the cluster, for telemetry.
    pub cluster: String,
    /// Traffic to unknown hosts passes through.
    pub allow_any: bool,
    /// Mark of the proxy's own sockets, where the proxy wants to be told.
    pub mark: Option<u32>,
    /// Where the proxy runs, if any policy looks at it.
    pub locality: Locality,
    /// The proxy's labels that some policy looks at.
    pub labels: BTreeMap<String, String>,
    /// Services it may call, oldest first.
    pub outbound: Vec<Outbound>,
    /// Rules that apply to it as a sidecar, the winner of two first.
    pub routings: Vec<Shared<Routing>>,
    /// Ports of its own workload that services lead to, in order of port.
    pub inbound: Vec<Inbound>,
    /// Ports that it opens as a gateway, in order of port.
    pub gateway: Vec<GatewayPort>,
}

/// A service, as this proxy calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Outbound {
    /// The service.
    pub service: Shared<Service>,
    /// Its ready endpoints.
    pub endpoints: Option<Shared<Endpoints>>,
    /// The policy that applies to this client.
    pub policy: Option<Shared<Policy>>,
}

/// A port of the proxy's own workload.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Inbound {
    /// Port of the workload.
    pub port: u16,
    /// What is spoken.
    pub protocol: Protocol,
    /// Host of the service that leads here.
    pub host: String,
    /// Name of the Service object.
    pub service: String,
    /// Namespace of the Service object.
    pub namespace: String,
    /// Port of that service.
    pub service_port: u16,
}

/// A port that a gateway opens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GatewayPort {
    /// Port in the pod.
    pub port: u16,
    /// Address, if not all.
    pub bind: Option<String>,
    /// Its servers, oldest gateway first.
    pub servers: Vec<GatewayServer>,
}

/// One server of a gateway's port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GatewayServer {
    /// The Gateway object.
    pub gateway: Origin,
    /// The server.
    pub server: Server,
    /// Rules bound to the gateway, oldest first.
    pub routings: Vec<Shared<Routing>>,
}

impl View {
    /// Whether it is a sidecar's.
    #[must_use]
    pub fn is_sidecar(&self) -> bool {
        self.kind == NodeKind::Sidecar
    }
}

impl Model {
    /// What a proxy sees.
    #[must_use]
    pub fn view(&self, node: &Node) -> View {
        let node = &self.known(node);
        let outbound = self.outbound(node);
        let (locality, labels) = self.looked_at(node, &outbound);
        let (routings, inbound, gateway) = match node.kind {
            NodeKind::Sidecar => (self.mesh_routings(node), self.inbound(node), Vec::new()),
            NodeKind::Router => (Vec::new(), Vec::new(), self.gateway_ports(node)),
        };
        View {
            kind: node.kind,
            namespace: node.namespace.clone(),
            domain: self.settings.domain.clone(),
            cluster: self.settings.cluster.clone(),
            allow_any: self.settings.allow_any,
            mark: node.mark,
            locality,
            labels,
            outbound,
            routings,
            inbound,
            gateway,
        }
    }

    /// The node with the labels that its pod has now; what it said itself may be from its start.
    fn known(&self, node: &Node) -> Node {
        let mut node = node.clone();
        let pod = node.ip.and_then(|ip| self.workloads.get(&ip));
        if let Some(pod) = pod.filter(|pod| pod.namespace == node.namespace) {
            node.labels.clone_from(&pod.labels);
        }
        node
    }

    fn outbound(&self, node: &Node) -> Vec<Outbound> {
        let visible = self.services.values().filter(|one| one.export.reaches(&node.namespace));
        let mut outbound: Vec<Outbound> = visible
            .map(|service| Outbound {
                service: service.clone(),
                endpoints: self.endpoints.get(&service.host).cloned(),
                policy: self.policy(node, service).cloned(),
            })
            .collect();
        outbound.sort_by(|one, other| {
            (&one.service.created, &one.service.host)
                .cmp(&(&other.service.created, &other.service.host))
        });
        outbound
    }

    /// The policy for calls of this client to a service: of the client's namespace, else of the
    /// service's, else of the mesh's root namespace. Nothing merges across these.
    #[must_use]
    pub fn policy(&self, node: &Node, service: &Service) -> Option<&Shared<Policy>> {
        let root = self.settings.root_namespace.as_str();
        let mut tried = BTreeSet::new();
        [node.namespace.as_str(), service.namespace.as_str(), root]
            .into_iter()
            .filter(|namespace| tried.insert(*namespace))
            .find_map(|namespace| self.policy_in(namespace, node, &service.host))
    }

    fn policy_in(&self, namespace: &str, node: &Node, name: &str) -> Option<&Shared<Policy>> {
        let fit =
            |list: &&Vec<Shared<Policy>>| list.iter().any(|one| applies(one, namespace, node));
        let exact = self.policies.get(&(namespace.to_owned(), name.to_owned())).filter(fit);
        let list = exact.or_else(|| {
            // Patterns begin with `*`, which sorts before every letter of a host.
            let from = (namespace.to_owned(), "*".to_owned());
            self.policies
                .range(from..)
                .take_while(|((own, pattern), _)| own == namespace && host::is_wildcard(pattern))
                .filter(|((_, pattern), list)| host::covers(pattern, name) && fit(list))
                .min_by(|((_, one), _), ((_, other), _)| host::by_specificity(one, other))
                .map(|(_, list)| list)
        })?;
        // One for just these clients comes before one for all.
        let mut fitting = list.iter().filter(|one| applies(one, namespace, node));
        let first = fitting.clone().find(|one| !one.clients.is_empty());
        first.or_else(|| fitting.next())
    }

    /// The proxy's place and labels, as far as a policy looks at them.
    fn looked_at(
        &self,
        node: &Node,
        outbound: &[Outbound],
    ) -> (Locality, BTreeMap<String, String>) {
        let mut by_place = false;
        let mut labels = BTreeMap::new();
        for traffic in
            outbound.iter().filter_map(|one| one.policy.as_ref()).flat_map(|one| one.layers())
        {
            let rules = traffic.balance.as_ref().and_then(|balance| balance.locality.as_ref());
            by_place |= rules.is_some() || traffic.outlier.is_some();
            for word in rules.iter().flat_map(|rules| &rules.priority) {
                let key = word.split('=').next().unwrap_or_default();
                if let Some(value) = node.labels.get(key) {
                    labels.insert(key.to_owned(), value.clone());
                }
            }
        }
        let locality = if by_place { self.place(node) } else { Locality::default() };
        (locality, labels)
    }

    /// Where a proxy runs: as it says itself, else as its workload does.
    fn place(&self, node: &Node) -> Locality {
        if !node.locality.is_unknown() {
            return node.locality.clone();
        }
        node.ip
            .and_then(|ip| self.workloads.get(&ip))
            .map(|workload| workload.locality.clone())
            .unwrap_or_default()
    }

    /// Ports of the workload that services lead to. Of two services with one target port the older
    /// names it.
    fn inbound(&self, node: &Node) -> Vec<Inbound> {
        let mut services: Vec<_> = self
            .services
            .values()
            .filter(|service| service.selects(&node.namespace, &node.labels))
            .collect();
        services
            .sort_by(|one, other| (&one.created, &one.host).cmp(&(&other.created, &other.host)));
        let mut ports: BTreeMap<u16, Inbound> = BTreeMap::new();
        for service in services {
            for port in &service.ports {
                let Some(number) = self.target(node, &port.target) else { continue };
                ports.entry(number).or_insert_with(|| Inbound {
                    port: number,
                    protocol: port.protocol,
                    host: service.host.clone(),
                    service: service.name.clone(),
                    namespace: service.namespace.clone(),
                    service_port: port.number,
                });
            }
        }
        ports.into_values().collect()
    }

    /// The port number of a target in the node's workload.
    fn target(&self, node: &Node, target: &Target) -> Option<u16> {
        match target {
            Target::Number(number) => Some(*number),
            Target::Name(name) => {
                self.workloads.get(&node.ip?).and_then(|pod| pod.ports.get(name).copied())
            }
        }
    }
}

/// Whether a policy of `namespace` is for this client.
fn applies(policy: &Policy, namespace: &str, node: &Node) -> bool {
    // A selector of clients reaches only clients of the rule's own namespace.
    let clients = policy.clients.is_empty()
        || namespace == node.namespace
            && crate::model::registry::contains(&node.labels, &policy.clients);
    clients && (namespace == node.namespace || policy.export.reaches(&node.namespace))
}
