//! Listeners of a sidecar for what its application calls.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use xds::core::TrafficDirection;
use xds::listener::Listener;

use super::listener::{
    chain, chain_for, http_inspector, is_http, listener, original_dst, tls_inspector, to_port,
};
use super::manager::{Side, by_name};
use super::route::Place;
use super::stream::{Chains, to_cluster, to_service};
use super::vhost::{Speakers, fallback, is_told_by_host, sniffed_name};
use super::wire::{any_address, span};
use super::{BLACK_HOLE, Draft, INBOUND_PORT, OUTBOUND_PORT, Sight};
use crate::model::{Port, Protocol};
use crate::view::{Outbound, View};

/// How long a port of unknown protocol waits for the client's first bytes. A server that speaks
/// first must not hang for ever (Istio's default is to wait without end).
const DETECTION: Duration = Duration::from_secs(1);

/// The time for which first bytes are waited for.
pub(super) fn detection(view: &View) -> Duration {
    view.mesh.detection.unwrap_or(DETECTION)
}

/// All outbound listeners.
pub(super) fn sidecar(view: &Sight<'_>, draft: &mut Draft) {
    let speakers = Speakers::new(&view.routings);
    let mut named = BTreeSet::new();
    let mut anywhere: BTreeMap<u16, Anywhere> = BTreeMap::new();
    let mut add = |one: Listener| {
        if named.insert(one.name.clone()) {
            draft.listeners.push(one);
        }
    };
    add(virtual_outbound(view));
    for one in &view.outbound {
        for port in one.shown() {
            if matches!(port.number, OUTBOUND_PORT | INBOUND_PORT) {
                continue;
            }
            if is_told_by_host(&one.service, port) {
                let shared = anywhere.entry(port.number).or_default();
                shared.http = true;
                shared.sample = shared.sample.or(one.service.addresses.first().copied());
            }
            if port.protocol.is_http() {
                continue;
            }
            for (address, number) in addresses(one, port) {
                let name = format!("{address}_{number}");
                add(opaque(view, &speakers, one, port, &name, (&address.to_string(), number)));
            }
            if one.service.is_anywhere() || !one.service.networks.is_empty() {
                anywhere.entry(port.number).or_default().service(view, &speakers, one, port);
            }
        }
    }
    for (port, shared) in anywhere {
        add(shared.listener(view, port));
    }
}

/// Where every redirected connection arrives, and stays if no other listener is for it.
fn virtual_outbound(view: &View) -> Listener {
    let mut out = listener(
        "virtualOutbound",
        (any_address(None), OUTBOUND_PORT),
        TrafficDirection::Outbound,
        vec![
            // Somebody who dials the port itself would be sent to it again, without end.
            chain_for("virtualOutbound-blackhole", to_port(OUTBOUND_PORT), to_cluster(BLACK_HOLE)),
            chain("virtualOutbound-catchall-tcp", to_cluster(&fallback(view))),
        ],
    );
    out.use_original_dst = Some(true);
    out.listener_filters = vec![original_dst()];
    out
}

/// A listener that is only reached from `virtualOutbound`.
fn unbound(mut out: Listener) -> Listener {
    out.bind_to_port = Some(false);
    out
}

/// One port, whatever the address: all its services that no address of their own tells apart. Of
/// HTTP the host in the request decides, of TLS the server name; the rest is one service's, or
/// nobody's.
#[derive(Default)]
struct Anywhere {
    http: bool,
    chains: Chains,
    /// An address of one of the services, for the family.
    sample: Option<IpAddr>,
}

impl Anywhere {
    fn service(&mut self, view: &Sight<'_>, speakers: &Speakers<'_>, one: &Outbound, port: &Port) {
        let service = &one.service;
        let place = Place { view, port: port.number, own_port: port.number, secure: false };
        let networks: Vec<String> = service.networks.iter().map(ToString::to_string).collect();
        let routing = speakers.of(&service.host);
        if port.protocol.is_tls() && networks.is_empty() {
            if let Some(routing) = routing {
                self.chains.tls(&place, routing, |name| Some(name.to_owned()));
            }
            let filter = to_service(&place, &service.host);
            self.chains.service(vec![service.host.clone()], &[], filter);
            return;
        }
        if let Some(routing) = routing {
            self.chains.tcp(&place, routing);
        }
        self.chains.service(Vec::new(), &networks, to_service(&place, &service.host));
    }

    fn listener(self, view: &Sight<'_>, port: u16) -> Listener {
        let any = any_address(self.sample.filter(|ip| ip.is_ipv6()));
        let name = format!("{any}_{port}");
        let (by_name_of_server, whole) = (self.chains.by_name(), self.chains.is_whole());
        let mut chains = self.chains.finish(None);
        let mut filters = Vec::new();
        if by_name_of_server {
            filters.push(tls_inspector());
        }
        if self.http {
            let prefix = format!("outbound_{name}");
            let manager = by_name(view, Side::Outbound, &prefix, &port.to_string());
            chains.insert(0, chain_for("", is_http(), manager));
            filters.push(http_inspector());
        }
        // Clients of HTTP speak first; of anything else a server may wait to be let speak.
        let wait = if chains.len() > 1 && !filters.is_empty() || whole {
            detection(view)
        } else {
            Duration::ZERO
        };
        let mut out = listener(&name, (any, port), TrafficDirection::Outbound, chains);
        if !whole {
            let filter = to_cluster(&fallback(view));
            out.default_filter_chain = Some(chain("PassthroughFilterChain", filter));
        }
        out.listener_filters = filters;
        out.listener_filters_timeout = span(wait);
        unbound(out)
    }
}

/// The addresses that clients dial for a port: the service's own, or those of its pods.
fn addresses(one: &Outbound, port: &Port) -> Vec<(IpAddr, u16)> {
    if !one.service.headless {
        return one.service.addresses.iter().map(|address| (*address, port.number)).collect();
    }
    let endpoints = one.endpoints.as_ref().and_then(|ports| ports.get(&port.number));
    let endpoints = endpoints.into_iter().flatten();
    endpoints.filter_map(|endpoint| Some((endpoint.address.ip()?, endpoint.port))).collect()
}

/// One port of one address, of bytes, TLS, or unknown protocol.
fn opaque(
    view: &Sight<'_>,
    speakers: &Speakers<'_>,
    one: &Outbound,
    port: &Port,
    name: &str,
    at: (&str, u16),
) -> Listener {
    let service = &one.service;
    let place = Place { view, port: port.number, own_port: port.number, secure: false };
    let mut chains = Chains::default();
    if let Some(routing) = speakers.of(&service.host) {
        if port.protocol.is_tls() {
            chains.tls(&place, routing, |name| Some(name.to_owned()));
        }
        chains.tcp(&place, routing);
    }
    let mut filters = Vec::new();
    if chains.by_name() {
        filters.push(tls_inspector());
    }
    let mut chains = chains.finish(Some(to_service(&place, &service.host)));
    let mut timeout = Duration::ZERO;
    if port.protocol == Protocol::Unknown {
        let routes = sniffed_name(service, port.number);
        let manager = by_name(view, Side::Outbound, &format!("outbound_{name}"), &routes);
        chains.insert(0, chain_for("", is_http(), manager));
        filters.push(http_inspector());
        timeout = detection(view);
    }
    let mut out = listener(name, at, TrafficDirection::Outbound, chains);
    out.listener_filters = filters;
    out.listener_filters_timeout = span(timeout);
    unbound(out)
}
