//! Listeners and route tables of a gateway.

use std::collections::{BTreeMap, BTreeSet};

use xds::core::TrafficDirection;
use xds::listener::Listener;
use xds::route::virtual_host::TlsRequirementType;
use xds::route::{Route, RouteConfiguration, VirtualHost};

use super::listener::{chain, listener, tls_inspector};
use super::manager::{Side, by_name};
use super::route::{Place, is_catch_all, routes};
use super::stream::{Chains, Opened, to_cluster};
use super::vhost::{configuration, virtual_host};
use super::{Draft, Sight, cluster, tls};
use crate::host;
use crate::model::{Origin, Protocol, Routing, Server};
use crate::view::{GatewayPort, GatewayServer};

/// Everything of a gateway beyond its clusters.
pub(super) fn gateway(view: &Sight<'_>, draft: &mut Draft) {
    for port in &view.gateway {
        // Servers that cannot share a port with the oldest are left out; findings tell.
        match port.servers.first() {
            Some(first) if first.server.is_plain_http() => {
                draft.listeners.push(http(view, port));
                let plain = port.servers.iter().filter(|one| one.server.is_plain_http());
                draft.routes.push(route_table(view, port, routes_name(port), plain));
            }
            Some(_) => {
                let listener = opaque(view, port, draft);
                draft.listeners.extend(listener);
            }
            None => {}
        }
    }
}

fn address(port: &GatewayPort) -> &str {
    port.bind.as_deref().unwrap_or("0.0.0.0")
}

/// The name of the route table that all plain servers of a port share.
fn routes_name(port: &GatewayPort) -> String {
    match &port.bind {
        None => format!("http.{}", port.port),
        Some(bind) => format!("http.{}.{bind}", port.port),
    }
}

fn http(view: &Sight<'_>, port: &GatewayPort) -> Listener {
    let name = format!("{}_{}", address(port), port.port);
    let prefix = format!("outbound_{name}");
    let manager = by_name(view, Side::Gateway, &prefix, &routes_name(port));
    let at = (address(port), port.port);
    listener(&name, at, TrafficDirection::Outbound, vec![chain(&name, manager)])
}

fn place<'a>(view: &'a Sight<'a>, port: &GatewayPort, one: &GatewayServer) -> Place<'a> {
    Place { view, port: one.server.number, own_port: port.port, secure: one.server.is_opened() }
}

/// The names under which a server lets the hosts of a routing in.
fn names(server: &Server, routing: &Routing) -> BTreeSet<String> {
    let pairs = routing.hosts.iter().flat_map(|host| {
        server.hosts.iter().map(move |own| own.common(&routing.origin.namespace, host))
    });
    pairs.flatten().collect()
}

/// One virtual host in the making.
#[derive(Default)]
struct Host {
    /// Rules of several objects stand one after the other, those of the oldest first.
    routes: Vec<(Age, Vec<Route>)>,
    to_https: bool,
}

/// Creation stamp (objects without one are the youngest), name and namespace.
type Age = (bool, String, Origin);

fn route_table<'a>(
    view: &Sight<'_>,
    port: &GatewayPort,
    table: String,
    servers: impl Iterator<Item = &'a GatewayServer>,
) -> RouteConfiguration {
    let mut hosts: BTreeMap<String, Host> = BTreeMap::new();
    for one in servers {
        let place = place(view, port, one);
        let to_https = one.server.redirect_to_https && !one.server.is_opened();
        for routing in &one.routings {
            let routes = routes(&place, routing);
            let age: Age =
                (routing.created.is_empty(), routing.created.clone(), routing.origin.clone());
            for name in names(&one.server, routing) {
                let host = hosts.entry(name).or_default();
                host.to_https |= to_https;
                // Two gateways may lead to the same rules.
                if !routes.is_empty() && !host.routes.iter().any(|(other, _)| *other == age) {
                    host.routes.push((age.clone(), routes.clone()));
                }
            }
        }
        if to_https {
            for own in &one.server.hosts {
                hosts.entry(own.host.clone()).or_default().to_https = true;
            }
        }
    }
    hosts.retain(|_, host| host.to_https || !host.routes.is_empty());
    let mut made: Vec<VirtualHost> =
        hosts.into_iter().map(|(name, host)| finish(port.port, &name, host)).collect();
    if made.is_empty() {
        // A table without hosts would not tell "no rule" from "not yet": this one answers 404.
        let name = format!("blackhole:{}", port.port);
        made.push(virtual_host(&name, vec!["*".to_owned()], Vec::new()));
    }
    configuration(table, made)
}

fn finish(port: u16, name: &str, mut host: Host) -> VirtualHost {
    host.routes.sort_by(|(one, _), (other, _)| one.cmp(other));
    let all = host.routes.into_iter().flat_map(|(_, routes)| routes);
    // What takes everything goes last, or rules of another object would never be reached.
    let (last, mut routes): (Vec<Route>, Vec<Route>) = all.partition(is_catch_all);
    routes.extend(last.into_iter().next());
    let mut made = virtual_host(&format!("{name}:{port}"), vec![name.to_owned()], routes);
    if host.to_https {
        made.require_tls = TlsRequirementType::All as i32;
    }
    made
}

/// A port of bytes, or of TLS that is not opened. Without any rule nothing listens.
fn opaque(view: &Sight<'_>, port: &GatewayPort, draft: &mut Draft) -> Option<Listener> {
    let mut chains = Chains::default();
    for one in port.servers.iter().filter(|one| !one.server.protocol.is_http()) {
        let place = place(view, port, one);
        let tls = one.server.protocol.is_tls();
        if tls && !one.server.is_passthrough() {
            if view.speaks_tls {
                secure(view, port, one, &mut chains, draft);
            }
            continue;
        }
        for routing in one.routings.iter().filter(|one_of| !names(&one.server, one_of).is_empty()) {
            if tls {
                let namespace = &routing.origin.namespace;
                chains.tls(&place, routing, |name| {
                    one.server.hosts.iter().find_map(|own| own.common(namespace, name))
                });
            }
            chains.tcp(&place, routing);
        }
    }
    let chains = chains.finish(None);
    if chains.is_empty() {
        return None;
    }
    let name = format!("{}_{}", address(port), port.port);
    let by_name = chains.iter().any(|chain| {
        chain.filter_chain_match.as_ref().is_some_and(|on| on.transport_protocol == "tls")
    });
    let at = (address(port), port.port);
    let mut out = listener(&name, at, TrafficDirection::Outbound, chains);
    out.listener_filters = by_name.then(tls_inspector).into_iter().collect();
    Some(out)
}

/// The names of a server; a client must send one of them.
fn server_names(server: &Server) -> Vec<String> {
    let names: BTreeSet<&String> = server.hosts.iter().map(|own| &own.host).collect();
    names.into_iter().cloned().collect()
}

/// A server whose TLS is opened here, or passed on to the workload that its name is made of. One whose credential is missing
/// has no chain, so that it harms no other of the port.
fn secure(
    view: &Sight<'_>,
    port: &GatewayPort,
    one: &GatewayServer,
    chains: &mut Chains,
    draft: &mut Draft,
) {
    let server = &one.server;
    if !server.is_opened() {
        let lets_in = |host: &str| server.hosts.iter().any(|own| host::covers(&own.host, host));
        let opened = Opened { transport: None, alpn: tls::of_mesh() };
        for name in cluster::passed(view, draft, lets_in) {
            chains.opened(vec![name.clone()], vec![to_cluster(&name)], &opened);
        }
        return;
    }
    let Some(context) = tls::opened(view, server) else { return };
    let opened = Opened { transport: tls::transport(&context), alpn: Vec::new() };
    let names = server_names(server);
    if server.protocol == Protocol::Https {
        let Origin { namespace, name } = &one.gateway;
        let table = format!("https.{}.{}.{name}.{namespace}", server.number, server.name);
        let prefix = format!("outbound_{}_{}", address(port), port.port);
        let manager = by_name(view, Side::Gateway, &prefix, &table);
        chains.opened(names, vec![manager], &opened);
        draft.routes.push(route_table(view, port, table, std::iter::once(one)));
        return;
    }
    let place = place(view, port, one);
    for routing in one.routings.iter().filter(|it| !self::names(server, it).is_empty()) {
        chains.opened_tcp(&place, routing, &names, &opened);
    }
}
