//! The listener of a sidecar for what arrives for its application.

use xds::core::TrafficDirection;
use xds::listener::{FilterChain, Listener};
use xds::route::{Decorator, RetryPolicy, Route, RouteConfiguration, route};

use super::cluster::{self, inbound_name};
use super::listener::{
    chain, chain_for, except, http_inspector, is_http, listener, original_dst, to_port,
    to_port_in_plain,
};
use super::manager::{Side, with_routes};
use super::outbound::detection;
use super::route::straight;
use super::stream::{to_cluster, to_cluster_within};
use super::vhost::{configuration, virtual_host};
use super::wire::{any_address, span};
use super::{BLACK_HOLE, Draft, INBOUND_PASSTHROUGH, INBOUND_PORT};
use crate::model::Protocol;
use crate::view::{Inbound, View};

/// The inbound listener and its clusters.
pub(super) fn sidecar(view: &View, draft: &mut Draft) {
    draft.clusters.push(cluster::inbound_passthrough());
    draft.clusters.extend(view.inbound.iter().map(|one| cluster::inbound(view, one)));
    draft.listeners.push(virtual_inbound(view));
}

fn virtual_inbound(view: &View) -> Listener {
    // Somebody who dials the port itself would be sent to it again, without end.
    let mut chains =
        vec![chain_for("virtualInbound-blackhole", to_port(INBOUND_PORT), to_cluster(BLACK_HOLE))];
    for one in view.inbound.iter().filter(|one| one.port != INBOUND_PORT) {
        chains.extend(chains_of(one));
    }
    let name = "virtualInbound-catchall-http";
    let manager = with_routes(Side::Inbound, name, routes(INBOUND_PASSTHROUGH, None));
    chains.push(chain_for(name, is_http(), manager));
    let any = any_address(None);
    let mut out =
        listener("virtualInbound", (any, INBOUND_PORT), TrafficDirection::Inbound, chains);
    out.default_filter_chain = Some(chain("virtualInbound", to_cluster(INBOUND_PASSTHROUGH)));
    // A declared port needs no look at its first bytes, which a server that speaks first would
    // wait for in vain.
    let declared = view.inbound.iter().filter(|one| one.protocol != Protocol::Unknown);
    let declared: Vec<u16> = declared.map(|one| one.port).collect();
    out.listener_filters = vec![original_dst(), except(http_inspector(), &declared)];
    out.listener_filters_timeout = span(detection(view));
    out
}

fn chains_of(one: &Inbound) -> Vec<FilterChain> {
    let name = format!("{}_{}", any_address(None), one.port);
    let cluster = inbound_name(one.port);
    let http =
        || with_routes(Side::Inbound, &format!("inbound_{name}"), routes(&cluster, Some(one)));
    let at = to_port(one.port);
    let bytes = to_cluster_within(&cluster, one.pool.as_ref());
    match one.protocol {
        Protocol::Unknown => {
            let mut is_http = is_http();
            is_http.destination_port = at.destination_port;
            let other = to_port_in_plain(one.port);
            vec![chain_for(&name, is_http, http()), chain_for(&name, other, bytes)]
        }
        protocol if protocol.is_http() => vec![chain_for(&name, at, http())],
        _ => vec![chain_for(&name, at, bytes)],
    }
}

/// Everything to the one cluster. A connection that the application closed under an unsent request
/// is tried again.
fn routes(cluster: &str, one: Option<&Inbound>) -> RouteConfiguration {
    let mut all: Route = straight("default", cluster);
    if let Some(route::Action::Route(action)) = &mut all.action {
        action.retry_policy = Some(RetryPolicy {
            retry_on: "reset-before-request".to_owned(),
            num_retries: Some(2),
            ..RetryPolicy::default()
        });
    }
    let name = match one {
        Some(one) => {
            let operation = format!("{}:{}/*", one.host, one.service_port);
            all.decorator = Some(Decorator { operation, ..Decorator::default() });
            format!("inbound|http|{}", one.service_port)
        }
        None => "inbound|http|0".to_owned(),
    };
    let mut host = virtual_host(&name, vec!["*".to_owned()], vec![all]);
    // The application sees the count that the caller's proxy made.
    host.include_request_attempt_count = false;
    configuration(cluster.to_owned(), vec![host])
}
