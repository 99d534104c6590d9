//! Listeners of a sidecar for what its application calls.

use std::collections::BTreeSet;
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
use super::vhost::{Speakers, fallback, sniffed_name};
use super::wire::{any_address, span};
use super::{BLACK_HOLE, Draft, INBOUND_PORT, OUTBOUND_PORT, Sight};
use crate::model::{Port, Protocol};
use crate::view::{Outbound, View};

/// How long a port of unknown protocol waits for the client's first bytes. A server that speaks
/// first must not hang for ever (Istio's default is to wait without end).
pub(super) const DETECTION: Duration = Duration::from_secs(1);

/// All outbound listeners.
pub(super) fn sidecar(view: &Sight<'_>, draft: &mut Draft) {
    let speakers = Speakers::new(&view.routings);
    let mut named = BTreeSet::new();
    let mut add = |one: Listener| {
        if named.insert(one.name.clone()) {
            draft.listeners.push(one);
        }
    };
    add(virtual_outbound(view));
    for one in &view.outbound {
        for port in &one.service.ports {
            if matches!(port.number, OUTBOUND_PORT | INBOUND_PORT) {
                continue;
            }
            if port.protocol.is_http() {
                add(http(view, one.service.addresses.first().copied(), port.number));
                continue;
            }
            for (address, number) in addresses(one, port) {
                let name = format!("{address}_{number}");
                add(opaque(view, &speakers, one, port, &name, (&address.to_string(), number)));
            }
        }
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
            chain("virtualOutbound-catchall-tcp", to_cluster(fallback(view))),
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

/// One port of HTTP, whatever the address: the host in the request decides. What is no HTTP passes.
fn http(view: &View, sample: Option<IpAddr>, port: u16) -> Listener {
    let any = any_address(sample.filter(|ip| ip.is_ipv6()));
    let name = format!("{any}_{port}");
    let manager = by_name(Side::Outbound, &format!("outbound_{name}"), &port.to_string());
    let mut out = listener(
        &name,
        (any, port),
        TrafficDirection::Outbound,
        vec![chain_for("", is_http(), manager)],
    );
    out.default_filter_chain = Some(chain("PassthroughFilterChain", to_cluster(fallback(view))));
    out.listener_filters = vec![http_inspector()];
    unbound(out)
}

/// The addresses that clients dial for a port: the service's own, or those of its pods.
fn addresses(one: &Outbound, port: &Port) -> Vec<(IpAddr, u16)> {
    if !one.service.headless {
        return one.service.addresses.iter().map(|address| (*address, port.number)).collect();
    }
    let endpoints = one.endpoints.as_ref().and_then(|ports| ports.get(&port.number));
    endpoints.into_iter().flatten().map(|endpoint| (endpoint.address, endpoint.port)).collect()
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
    let mut chains = chains.finish(Some(to_service(&place, &service.host)));
    let by_name_of_server = chains.iter().any(|chain| {
        chain.filter_chain_match.as_ref().is_some_and(|on| on.transport_protocol == "tls")
    });
    let mut filters = Vec::new();
    if by_name_of_server {
        filters.push(tls_inspector());
    }
    let mut timeout = Duration::ZERO;
    if port.protocol == Protocol::Unknown {
        let routes = sniffed_name(service, port.number);
        let manager = by_name(Side::Outbound, &format!("outbound_{name}"), &routes);
        chains.insert(0, chain_for("", is_http(), manager));
        filters.push(http_inspector());
        timeout = DETECTION;
    }
    let mut out = listener(name, at, TrafficDirection::Outbound, chains);
    out.listener_filters = filters;
    out.listener_filters_timeout = span(timeout);
    unbound(out)
}
