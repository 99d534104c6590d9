//! Route tables of a sidecar: one for each HTTP port, shared by all services of that port.

use std::collections::{BTreeMap, BTreeSet};

use xds::route::route::Action as RouteKind;
use xds::route::{DirectResponseAction, Route, RouteConfiguration, VirtualHost};

use super::route::{Place, default_route, routes, straight};
use super::{BLACK_HOLE, Draft, PASSTHROUGH, Sight, cluster_name, matching};
use crate::host;
use crate::model::{Port, Protocol, Routing, Service, Shared, Unknown};
use crate::view::View;

/// Port for which hosts without a service are routed, as in Istio.
const EXTERNAL_PORT: u16 = 80;
/// Largest body of an answer by the proxy; Envoy's own default of 4 KiB refuses larger ones.
pub(super) const LARGEST_BODY: u32 = 1 << 20;

/// Which routing speaks for a host: the most specific, of several the first.
pub(super) struct Speakers<'a> {
    exact: BTreeMap<&'a str, &'a Routing>,
    patterns: Vec<(&'a str, &'a Routing)>,
}

impl<'a> Speakers<'a> {
    pub(super) fn new(routings: &'a [Shared<Routing>]) -> Speakers<'a> {
        let mut speakers = Speakers { exact: BTreeMap::new(), patterns: Vec::new() };
        for routing in routings {
            for name in routing.hosts.iter().filter(|name| *name != "*") {
                if !host::is_wildcard(name) {
                    speakers.exact.entry(name).or_insert(routing);
                } else if !speakers.patterns.iter().any(|(own, _)| own == name) {
                    speakers.patterns.push((name, routing));
                }
            }
        }
        speakers.patterns.sort_by(|(one, _), (other, _)| host::by_specificity(one, other));
        speakers
    }

    pub(super) fn of(&self, name: &str) -> Option<&'a Routing> {
        let pattern = || self.patterns.iter().find(|(own, _)| host::covers(own, name));
        self.exact.get(name).copied().or_else(|| pattern().map(|(_, routing)| *routing))
    }

    /// Every host that rules speak for, patterns included.
    fn hosts(&self) -> impl Iterator<Item = (&'a str, &'a Routing)> + '_ {
        let exact = self.exact.iter().map(|(name, routing)| (*name, *routing));
        exact.chain(self.patterns.iter().copied())
    }
}

/// All route tables of a sidecar.
pub(super) fn sidecar(view: &Sight<'_>, draft: &mut Draft) {
    let speakers = Speakers::new(&view.routings);
    let external = external(view, &speakers);
    let http = view.outbound.iter().flat_map(|one| {
        one.shown().filter(|port| is_told_by_host(&one.service, port)).map(|port| port.number)
    });
    let ports: BTreeSet<u16> = http.collect();
    for port in ports {
        let place = Place { view, port, own_port: port, secure: false };
        let mut table = Table::default();
        for one in &view.outbound {
            let own = one.service.port(port).filter(|own| is_told_by_host(&one.service, own));
            if own.is_some() && one.shows(port) {
                table.service(&place, &one.service, &speakers);
            }
        }
        for (name, routing, ports) in &external {
            if ports.contains(&port) {
                let routes = routes(&place, routing);
                table.add(&format!("{name}:{port}"), [(*name).to_owned()], routes);
            }
        }
        draft.routes.push(table.finish(view, port.to_string()));
    }
    for one in &view.outbound {
        let unknown = one.shown().filter(|port| port.protocol == Protocol::Unknown);
        for port in unknown.filter(|port| !is_told_by_host(&one.service, port)) {
            let place = Place { view, port: port.number, own_port: port.number, secure: false };
            let mut table = Table::default();
            table.service(&place, &one.service, &speakers);
            draft.routes.push(table.finish(view, sniffed_name(&one.service, port.number)));
        }
    }
}

/// Whether HTTP on this port is told from that of other services by the host of the request alone,
/// because all share one listener.
pub(super) fn is_told_by_host(service: &Service, port: &Port) -> bool {
    port.protocol.is_http() || port.protocol == Protocol::Unknown && service.is_anywhere()
}

/// The route table of a port whose protocol is found by its first bytes.
pub(super) fn sniffed_name(service: &Service, port: u16) -> String {
    format!("{}:{port}", service.host)
}

/// Hosts of rules that are no service: they are routed on the ports of the services that stand
/// beside them in the same rules, else on port 80.
fn external<'a>(
    view: &Sight<'_>,
    speakers: &Speakers<'a>,
) -> Vec<(&'a str, &'a Routing, BTreeSet<u16>)> {
    let covered = |name: &str| -> Vec<&Service> {
        if !host::is_wildcard(name) {
            return view.service(name).map(|one| &*one.service).into_iter().collect();
        }
        let services = view.outbound.iter().map(|one| &*one.service);
        services.filter(|service| host::covers(name, &service.host)).collect()
    };
    speakers
        .hosts()
        .filter(|(name, _)| covered(name).is_empty())
        .map(|(name, routing)| {
            let beside = routing.hosts.iter().flat_map(|name| covered(name));
            let ports = beside.flat_map(|service| {
                service.ports.iter().filter(|port| is_told_by_host(service, port))
            });
            let ports = ports.map(|port| port.number);
            let mut ports: BTreeSet<u16> = ports.collect();
            if ports.is_empty() {
                ports.insert(EXTERNAL_PORT);
            }
            (name, routing, ports)
        })
        .collect()
}

/// A route table in the making: no name of a host may stand in it twice.
#[derive(Default)]
pub(super) struct Table {
    hosts: Vec<VirtualHost>,
    domains: BTreeSet<String>,
}

impl Table {
    /// The virtual host of a service.
    fn service(&mut self, place: &Place<'_>, service: &Service, speakers: &Speakers<'_>) {
        let mut routes =
            speakers.of(&service.host).map(|one| routes(place, one)).unwrap_or_default();
        if routes.is_empty() {
            routes.push(default_route(place, &service.host));
        }
        let domains = domains(place.view, service);
        self.add(&format!("{}:{}", service.host, place.port), domains, routes);
    }

    /// A virtual host; names that another has already are left out.
    pub(super) fn add(
        &mut self,
        name: &str,
        domains: impl IntoIterator<Item = String>,
        routes: Vec<Route>,
    ) {
        let new = domains.into_iter().filter(|domain| self.domains.insert(domain.clone()));
        let domains: Vec<String> = new.collect();
        if !domains.is_empty() && !routes.is_empty() {
            self.hosts.push(virtual_host(name, domains, routes));
        }
    }

    fn finish(mut self, view: &View, name: String) -> RouteConfiguration {
        self.hosts.push(catch_all(view));
        configuration(name, self.hosts)
    }
}

pub(super) fn virtual_host(name: &str, domains: Vec<String>, routes: Vec<Route>) -> VirtualHost {
    VirtualHost {
        name: name.to_owned(),
        domains,
        routes,
        // Gives x-envoy-attempt-count to the application.
        include_request_attempt_count: true,
        ..VirtualHost::default()
    }
}

pub(super) fn configuration(name: String, hosts: Vec<VirtualHost>) -> RouteConfiguration {
    RouteConfiguration {
        name,
        virtual_hosts: hosts,
        validate_clusters: Some(false),
        max_direct_response_body_size_bytes: Some(LARGEST_BODY),
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    }
}

/// What the client may call the service.
fn domains(view: &View, service: &Service) -> Vec<String> {
    let Service { host, name, namespace, .. } = service;
    let mut domains = vec![host.clone()];
    // The host of an entry is said in full.
    if !service.entry {
        domains.push(format!("{host}."));
        if *namespace == view.namespace {
            domains.push(name.clone());
        }
        domains.push(format!("{name}.{namespace}"));
        domains.push(format!("{name}.{namespace}.svc"));
    }
    domains.extend(service.addresses.iter().map(|address| match address {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    }));
    if service.headless {
        domains.push(format!("*.{host}"));
    }
    domains
}

/// Hosts that no rule knows: they pass through, are refused, or go to the one place for them.
fn catch_all(view: &View) -> VirtualHost {
    if view.unknown != Unknown::Refuse {
        let routes = vec![straight("allow_any", &fallback(view))];
        return VirtualHost {
            include_request_attempt_count: false,
            ..virtual_host("allow_any", vec!["*".to_owned()], routes)
        };
    }
    let refuse = Route {
        name: "block_all".to_owned(),
        r#match: Some(matching::any()),
        action: Some(RouteKind::DirectResponse(DirectResponseAction {
            status: 502,
            ..DirectResponseAction::default()
        })),
        ..Route::default()
    };
    virtual_host("block_all", vec!["*".to_owned()], vec![refuse])
}

/// The cluster for connections that no rule knows.
pub(super) fn fallback(view: &View) -> String {
    match &view.unknown {
        Unknown::Pass => PASSTHROUGH.to_owned(),
        Unknown::Refuse => BLACK_HOLE.to_owned(),
        Unknown::To(to) => {
            cluster_name(to.port.unwrap_or_default(), to.subset.as_deref(), &to.host)
        }
    }
}
