//! What one proxy sees of the model: exactly what its configuration is made of, and nothing else.
//!
//! Invariant: `publish` sees a view and nothing more, so equal views are equal configuration. What
//! differs from proxy to proxy without a rule that looks at it (name, address) is not in it.

mod gateway;
mod node;
mod scope;
mod select;

use std::collections::{BTreeMap, BTreeSet};

use crate::host;
use crate::model::credential::{self, Credential};
use crate::model::network::{Gateways, NETWORK, Way, way};
use crate::model::peer::Takes;
use crate::model::policy::Pool;
use crate::model::registry::Endpoints;
use crate::model::scope::Application;
use crate::model::{
    Endpoint, Locality, MeshConfig, Model, Origin, Policy, Port, Protocol, Routing, Server,
    Service, Shared, SidecarScope, Target, Unknown,
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
    /// What happens to calls of unknown hosts.
    pub unknown: Unknown,
    /// Defaults of the mesh's rules.
    pub mesh: Shared<MeshConfig>,
    /// Mark of the proxy's own sockets, where the proxy wants to be told.
    pub mark: Option<u32>,
    /// Where the proxy runs, if any policy looks at it.
    pub locality: Locality,
    /// The network that the proxy is in; empty where it makes no difference.
    pub network: String,
    /// Gateways between networks; none where it makes no difference.
    pub networks: Shared<Gateways>,
    /// The proxy's labels that some policy looks at.
    pub labels: BTreeMap<String, String>,
    /// Services it may call, oldest first.
    pub outbound: Vec<Outbound>,
    /// Rules that apply to it as a sidecar, the winner of two first.
    pub routings: Vec<Shared<Routing>>,
    /// Ports of its own workload that services lead to, in order of port.
    pub inbound: Vec<Inbound>,
    /// It has a certificate of the mesh and speaks TLS; if not, it is told of none.
    pub speaks_tls: bool,
    /// What ports of its own workload take that no service leads to.
    pub takes: Takes,
    /// The same for single ones.
    pub takes_by_port: BTreeMap<u16, Takes>,
    /// Credentials of its own namespace that its rules name, roots of their own put in.
    pub credentials: BTreeMap<String, Shared<Credential>>,
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
    /// Ports on which it may be called by name; `None` is all. On the others only rules lead here.
    pub ports: Option<Vec<u16>>,
}

impl Outbound {
    /// Whether it may be called by name on this port.
    #[must_use]
    pub fn shows(&self, port: u16) -> bool {
        self.ports.as_ref().is_none_or(|ports| ports.contains(&port))
    }

    /// The ports on which it may be called by name.
    pub fn shown(&self) -> impl Iterator<Item = &Port> {
        self.service.ports.iter().filter(|port| self.shows(port.number))
    }
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
    /// Where the application listens.
    pub application: Application,
    /// Limits.
    pub pool: Option<Pool>,
    /// Whether callers must speak mutual TLS.
    pub takes: Takes,
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

    /// The DestinationRules of which a proxy that is not this house's leaves something aside.
    #[must_use]
    pub fn ours_alone(&self) -> BTreeSet<&Origin> {
        let policies = self.outbound.iter().filter_map(|one| one.policy.as_ref());
        let origins = policies.flat_map(|policy| {
            let extras = &policy.extras;
            let breakers = extras.breakers.iter().map(|one| &one.origin);
            let growth = extras.ejection_growth.map(|_| &policy.origin);
            breakers.chain(extras.fallbacks.iter().map(|one| &one.origin)).chain(growth)
        });
        origins.collect()
    }
}

impl Model {
    /// What a proxy sees.
    #[must_use]
    pub fn view(&self, node: &Node) -> View {
        let node = &self.known(node);
        let scope = self.scope(node);
        let (routings, gateway) = match node.kind {
            NodeKind::Sidecar => (self.mesh_routings(node, scope.map(|one| &**one)), Vec::new()),
            NodeKind::Router => (Vec::new(), self.gateway_ports(node)),
        };
        let outbound = self.outbound(node, scope.map(|one| &**one), &routings);
        let mut inbound = match scope {
            Some(scope) if !scope.ingress.is_empty() => self.inbound_of(node, scope),
            _ if node.kind == NodeKind::Sidecar => self.inbound_of_services(node),
            _ => Vec::new(),
        };
        let speaks_tls = self.speaks_tls(node);
        let mut taking = (Takes::Plain, BTreeMap::new());
        if speaks_tls && node.kind == NodeKind::Sidecar {
            taking = self.takes_all(&node.namespace, &node.labels);
            for one in &mut inbound {
                one.takes = taking.1.get(&one.port).copied().unwrap_or(taking.0);
            }
            taking.1.retain(|port, _| !inbound.iter().any(|one| one.port == *port));
        }
        let (locality, labels) = self.looked_at(node, &outbound);
        let (network, networks) = self.network(node, &outbound);
        let credentials = match speaks_tls {
            true => self.credentials_of(node, &gateway, &outbound),
            false => BTreeMap::new(),
        };
        let by_mesh = if self.settings.allow_any { Unknown::Pass } else { Unknown::Refuse };
        View {
            kind: node.kind,
            namespace: node.namespace.clone(),
            domain: self.settings.domain.clone(),
            cluster: self.settings.cluster.clone(),
            unknown: scope.and_then(|scope| scope.unknown.clone()).unwrap_or(by_mesh),
            mesh: self.mesh.clone(),
            mark: node.mark,
            locality,
            network,
            networks,
            labels,
            outbound,
            routings,
            inbound,
            speaks_tls,
            takes: taking.0,
            takes_by_port: taking.1,
            credentials,
            gateway,
        }
    }

    /// Whether a proxy can be told of TLS: our own can as this version can, others if their agent gives them certificates.
    fn speaks_tls(&self, node: &Node) -> bool {
        if node.is_ours() { self.settings.speaks_tls } else { node.has_certificate }
    }

    /// The credentials that the rules of a proxy name, as far as its own namespace has them.
    fn credentials_of(
        &self,
        node: &Node,
        gateway: &[GatewayPort],
        outbound: &[Outbound],
    ) -> BTreeMap<String, Shared<Credential>> {
        let servers = gateway.iter().flat_map(|port| &port.servers);
        let servers = servers.filter_map(|one| one.server.tls.as_ref());
        let mut names: BTreeSet<&str> = servers
            .flat_map(|tls| tls.credentials.iter().chain(&tls.roots_credential))
            .map(String::as_str)
            .collect();
        let policies = outbound.iter().filter_map(|one| one.policy.as_ref());
        let layers = policies.flat_map(|policy| policy.layers());
        let clients = layers.filter_map(|layer| layer.tls.as_ref()?.credential.as_deref());
        names.extend(clients);
        let known = |name: &str| credential::named(&self.credentials, &node.namespace, name);
        names.into_iter().filter_map(|name| Some((name.to_owned(), known(name)?.into()))).collect()
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

    fn outbound(
        &self,
        node: &Node,
        scope: Option<&SidecarScope>,
        routings: &[Shared<Routing>],
    ) -> Vec<Outbound> {
        let mut by_rules = scope.map(|_| scope::destinations(routings)).unwrap_or_default();
        if let Some(Unknown::To(to)) = scope.and_then(|scope| scope.unknown.as_ref()) {
            by_rules.insert(&to.host);
        }
        let mut chosen: BTreeMap<&str, (&Shared<Service>, Option<Vec<u16>>)> = BTreeMap::new();
        for service in self.services.values().filter(|one| one.export.reaches(&node.namespace)) {
            let ports = shown(scope, service);
            let named = ports.as_ref().is_none_or(|ports| !ports.is_empty());
            if !named && !by_rules.contains(service.host.as_str()) {
                continue;
            }
            // Of several objects for one host the one of the own namespace counts, then a Service,
            // then the oldest.
            let rank = |one: &Service, named: bool| {
                (!named, one.namespace != node.namespace, one.entry, one.created.clone())
            };
            let better = chosen.get(service.host.as_str()).is_none_or(|(other, ports)| {
                let other_named = ports.as_ref().is_none_or(|ports| !ports.is_empty());
                rank(service, named) < rank(other, other_named)
            });
            if better {
                chosen.insert(&service.host, (service, ports));
            }
        }
        let mut outbound: Vec<Outbound> = chosen
            .into_values()
            .map(|(service, ports)| Outbound {
                service: service.clone(),
                endpoints: self.endpoints.get(&service.key()).cloned(),
                policy: self.policy(node, service).cloned(),
                ports,
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
        // A rule for the whole mesh needs no policy to look at places.
        let by_mesh = self.mesh.locality.as_ref();
        let mut by_place = by_mesh.is_some_and(|rules| !rules.distribute.is_empty())
            || outbound.iter().any(|one| one.service.near);
        let mut labels = BTreeMap::new();
        for traffic in
            outbound.iter().filter_map(|one| one.policy.as_ref()).flat_map(|one| one.layers())
        {
            let rules = traffic.balance.as_ref().and_then(|balance| balance.locality.as_ref());
            let rules = rules.or(self.mesh.locality.as_ref());
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

    /// The proxy's network and the gateways of others, if any of its endpoints is in one of these.
    fn network(&self, node: &Node, outbound: &[Outbound]) -> (String, Shared<Gateways>) {
        let own = match node.network.as_str() {
            "" => node.labels.get(NETWORK).map_or("", String::as_str),
            said => said,
        };
        let all = outbound.iter().filter_map(|one| one.endpoints.as_ref());
        let mut all = all.flat_map(|ports| ports.values()).flatten();
        let is_direct = |one: &Endpoint| way(own, &self.networks, one) == Way::Direct;
        if all.all(is_direct) {
            return (String::new(), Shared::default());
        }
        (own.to_owned(), self.networks.clone())
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
    fn inbound_of_services(&self, node: &Node) -> Vec<Inbound> {
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
                    application: Application::Port(number),
                    pool: self.inbound_pool(node, service, port.number),
                    protocol: port.protocol,
                    host: service.host.clone(),
                    service: service.name.clone(),
                    namespace: service.namespace.clone(),
                    service_port: port.number,
                    takes: Takes::Plain,
                });
            }
        }
        ports.into_values().collect()
    }

    /// Limits of a port of the workload: those of its scope, else what callers in its namespace have
    /// for the service, so that the server takes what its callers may send.
    fn inbound_pool(&self, node: &Node, service: &Service, port: u16) -> Option<Pool> {
        let scope = self.scope(node).and_then(|scope| scope.inbound_pool.clone());
        scope.or_else(|| self.policy(node, service)?.traffic(port, None).pool)
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

/// The ports of a service on which a scope shows it; `None` is all of them.
fn shown(scope: Option<&SidecarScope>, service: &Service) -> Option<Vec<u16>> {
    let scope = scope?;
    let shows = |port: &&Port| scope.shows(&service.namespace, &service.host, port.number);
    let ports: Vec<u16> = service.ports.iter().filter(shows).map(|port| port.number).collect();
    (ports.len() < service.ports.len() || ports.is_empty()).then_some(ports)
}
