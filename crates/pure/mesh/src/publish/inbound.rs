//! The listener of a sidecar for what arrives for its application.

use xds::core::TrafficDirection;
use xds::listener::{Filter, FilterChain, FilterChainMatch, Listener};
use xds::route::{Decorator, RetryPolicy, Route, RouteConfiguration, route};

use super::cluster::{self, inbound_name};
use super::listener::{
    RAW_BUFFER, chain, chain_for, except, http_inspector, is_http, listener, original_dst,
    tls_inspector, to_port,
};
use super::manager::{Side, with_routes};
use super::outbound::detection;
use super::route::straight;
use super::stream::{to_cluster, to_cluster_within};
use super::vhost::{configuration, virtual_host};
use super::wire::{any_address, span};
use super::{BLACK_HOLE, Draft, INBOUND_PASSTHROUGH, INBOUND_PORT, tls};
use crate::model::Protocol;
use crate::model::peer::Takes;
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
        let cluster = inbound_name(one.port);
        let name = format!("{}_{}", any_address(None), one.port);
        let prefix = format!("inbound_{name}");
        chains.extend(chains_of(
            view,
            &Port {
                name,
                number: Some(one.port),
                protocol: one.protocol,
                takes: one.takes,
                http: with_routes(Side::Inbound, &prefix, routes(&cluster, Some(one))),
                bytes: to_cluster_within(&cluster, one.pool.as_ref()),
            },
        ));
    }
    for (port, takes) in view.takes_by_port.iter().filter(|(port, _)| **port != INBOUND_PORT) {
        chains.extend(chains_of(view, &undeclared(Some(*port), *takes)));
    }
    let any = any_address(None);
    let mut default = None;
    if view.takes == Takes::Plain {
        let http = undeclared(None, view.takes).http;
        chains.push(chain_for("virtualInbound-catchall-http", is_http(), http));
        default = Some(chain("virtualInbound", to_cluster(INBOUND_PASSTHROUGH)));
        // A port that takes TLS only must have no chain left for what is not: not even this one.
        if view
            .inbound
            .iter()
            .map(|one| one.takes)
            .chain(view.takes_by_port.values().copied())
            .any(|it| it == Takes::Tls)
        {
            default = None;
            chains.extend(in_plain("virtualInbound", None));
        }
    } else {
        chains.extend(chains_of(view, &undeclared(None, view.takes)));
    }
    let mut out =
        listener("virtualInbound", (any, INBOUND_PORT), TrafficDirection::Inbound, chains);
    out.default_filter_chain = default;
    // A declared port needs no look at its first bytes, which a server that speaks first would
    // wait for in vain.
    let declared = view.inbound.iter().filter(|one| one.protocol != Protocol::Unknown);
    let declared: Vec<u16> = declared.map(|one| one.port).collect();
    out.listener_filters = vec![original_dst()];
    if looks_for_tls(view) {
        let plain = view.inbound.iter().map(|one| (one.port, one.takes));
        let plain = plain.chain(view.takes_by_port.iter().map(|(port, takes)| (*port, *takes)));
        let plain: Vec<u16> =
            plain.filter(|(_, it)| *it == Takes::Plain).map(|(port, _)| port).collect();
        out.listener_filters.push(except(tls_inspector(), &plain));
    }
    out.listener_filters.push(except(http_inspector(), &declared));
    out.listener_filters_timeout = span(detection(view));
    out
}

/// Whether some port takes mutual TLS.
fn looks_for_tls(view: &View) -> bool {
    let some = view.inbound.iter().map(|one| one.takes).chain(view.takes_by_port.values().copied());
    some.chain([view.takes]).any(|takes| takes != Takes::Plain)
}

/// A port of the workload, or all that are not declared.
struct Port {
    name: String,
    number: Option<u16>,
    protocol: Protocol,
    takes: Takes,
    http: Filter,
    bytes: Filter,
}

/// What no service leads to.
fn undeclared(number: Option<u16>, takes: Takes) -> Port {
    let name = match number {
        Some(port) => format!("{}_{port}", any_address(None)),
        None => "virtualInbound".to_owned(),
    };
    let prefix = "virtualInbound-catchall-http";
    Port {
        name,
        number,
        protocol: Protocol::Unknown,
        takes,
        http: with_routes(Side::Inbound, prefix, routes(INBOUND_PASSTHROUGH, None)),
        bytes: to_cluster(INBOUND_PASSTHROUGH),
    }
}

/// Bytes to where they were sent, of TLS or not. Envoy never goes back, so both have to be said.
fn in_plain(name: &str, number: Option<u16>) -> Vec<FilterChain> {
    let bytes = || to_cluster(INBOUND_PASSTHROUGH);
    let on = |transport: &str| on(number, transport, Vec::new());
    vec![chain_for(name, on("tls"), bytes()), chain_for(name, on(RAW_BUFFER), bytes())]
}

fn on(
    number: Option<u16>,
    transport: &str,
    application_protocols: Vec<String>,
) -> FilterChainMatch {
    FilterChainMatch {
        destination_port: number.map(u32::from),
        transport_protocol: transport.to_owned(),
        application_protocols,
        ..FilterChainMatch::default()
    }
}

fn chains_of(view: &View, one: &Port) -> Vec<FilterChain> {
    let (http, bytes) = (|| one.http.clone(), || one.bytes.clone());
    let mut chains = Vec::new();
    if one.takes != Takes::Plain {
        chains.extend(in_tls(view, one));
    }
    if one.takes == Takes::Tls {
        return chains;
    }
    let both = one.takes == Takes::Both;
    let http_on = FilterChainMatch { destination_port: one.number.map(u32::from), ..is_http() };
    // Without a look for TLS everything is plain, and with one the application's own TLS is let through.
    let plain = |filter: Filter| match one.number {
        Some(port) if !both => vec![chain_for(&one.name, to_port(port), filter)],
        _ => vec![chain_for(&one.name, on(one.number, RAW_BUFFER, Vec::new()), filter)],
    };
    match one.protocol {
        Protocol::Unknown => {
            chains.push(chain_for(&one.name, http_on, http()));
            let raw = on(one.number, RAW_BUFFER, Vec::new());
            chains.push(chain_for(&one.name, raw, bytes()));
        }
        protocol if protocol.is_http() => chains.extend(plain(http())),
        _ => chains.extend(plain(bytes())),
    }
    if both && !one.protocol.is_http() {
        chains.push(chain_for(&one.name, on(one.number, "tls", Vec::new()), bytes()));
    }
    chains
}

/// Chains for mutual TLS. Where plain text is taken too, only callers of the mesh are meant: they say so in ALPN, and other TLS is
/// the application's own.
fn in_tls(view: &View, one: &Port) -> Vec<FilterChain> {
    let secure = |words: Vec<String>, is_http: bool| {
        let (filter, alpn) = if is_http {
            (one.http.clone(), &["h2", "http/1.1"][..])
        } else {
            (one.bytes.clone(), &["istio-peer-exchange", "h2", "http/1.1"][..])
        };
        FilterChain {
            transport_socket: tls::transport(&tls::taken(view, alpn)),
            ..chain_for(&one.name, on(one.number, "tls", words), filter)
        }
    };
    let strict = one.takes == Takes::Tls;
    let any = |words: Vec<String>| if strict { Vec::new() } else { words };
    match one.protocol {
        Protocol::Unknown => vec![
            secure(tls::words(tls::MESH_HTTP), true),
            secure(any(tls::words(tls::MESH_BYTES)), false),
        ],
        protocol if protocol.is_http() => vec![secure(any(tls::of_mesh()), true)],
        _ => vec![secure(any(tls::of_mesh()), false)],
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
