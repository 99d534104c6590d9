//! Listeners and their filter chains, the parts that all sides share.

use std::time::Duration;

use xds::core::TrafficDirection;
use xds::filters::{HttpInspector, OriginalDst, TlsInspector};
use xds::kind::Int32Range;
use xds::listener::listener_filter_chain_match_predicate::{MatchSet, Rule};
use xds::listener::{
    Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter,
    ListenerFilterChainMatchPredicate, listener_filter,
};
use xds::wkt::Any;

use super::wire::{address, span};

/// The transport of a connection that is not TLS.
pub(super) const RAW_BUFFER: &str = "raw_buffer";
/// What an inspector finds in HTTP without TLS.
const HTTP: &[&str] = &["http/1.1", "h2c"];

/// A listener on `address:port`.
///
/// Envoy never goes back: once a chain fits by its transport, chains that ask for none are out, even
/// if the first then fails by its protocols. So a chain that takes everything is the default one.
pub(super) fn listener(
    name: &str,
    at: (&str, u16),
    direction: TrafficDirection,
    mut filter_chains: Vec<FilterChain>,
) -> Listener {
    let asks_for_transport = |chain: &FilterChain| {
        chain.filter_chain_match.as_ref().is_some_and(|it| !it.transport_protocol.is_empty())
    };
    let whole = filter_chains.iter().position(|chain| chain.filter_chain_match.is_none());
    let default_filter_chain = whole
        .filter(|_| filter_chains.iter().any(asks_for_transport))
        .map(|at| filter_chains.remove(at));
    Listener {
        name: name.to_owned(),
        address: address(at.0, at.1),
        traffic_direction: direction as i32,
        filter_chains,
        default_filter_chain,
        // A client that says nothing within the time is no HTTP client: its bytes pass as they are.
        continue_on_listener_filters_timeout: true,
        listener_filters_timeout: span(Duration::ZERO),
        ..Listener::default()
    }
}

/// A chain for every connection.
pub(super) fn chain(name: &str, filter: Filter) -> FilterChain {
    FilterChain { name: name.to_owned(), filters: vec![filter], ..FilterChain::default() }
}

/// A chain for some connections.
pub(super) fn chain_for(name: &str, on: FilterChainMatch, filter: Filter) -> FilterChain {
    FilterChain { filter_chain_match: Some(on), ..chain(name, filter) }
}

/// Connections that the inspector found to be HTTP.
pub(super) fn is_http() -> FilterChainMatch {
    FilterChainMatch {
        transport_protocol: RAW_BUFFER.to_owned(),
        application_protocols: HTTP.iter().map(|word| (*word).to_owned()).collect(),
        ..FilterChainMatch::default()
    }
}

/// Connections to one port.
pub(super) fn to_port(port: u16) -> FilterChainMatch {
    FilterChainMatch { destination_port: Some(u32::from(port)), ..FilterChainMatch::default() }
}

/// Restores where a redirected connection went.
pub(super) fn original_dst() -> ListenerFilter {
    filter("envoy.filters.listener.original_dst", Any::pack(&OriginalDst::default()))
}

/// Looks whether the first bytes are HTTP.
pub(super) fn http_inspector() -> ListenerFilter {
    filter("envoy.filters.listener.http_inspector", Any::pack(&HttpInspector::default()))
}

/// Looks for the server name in a TLS greeting.
pub(super) fn tls_inspector() -> ListenerFilter {
    filter("envoy.filters.listener.tls_inspector", Any::pack(&TlsInspector::default()))
}

fn filter(name: &str, config: Any) -> ListenerFilter {
    ListenerFilter {
        name: name.to_owned(),
        config_type: Some(listener_filter::ConfigType::TypedConfig(config)),
        filter_disabled: None,
    }
}

/// Switches a listener filter off for these ports.
pub(super) fn except(mut filter: ListenerFilter, ports: &[u16]) -> ListenerFilter {
    let rules = ports.iter().map(|port| ListenerFilterChainMatchPredicate {
        rule: Some(Rule::DestinationPortRange(Int32Range {
            start: i32::from(*port),
            end: i32::from(*port) + 1,
        })),
    });
    let mut rules: Vec<_> = rules.collect();
    filter.filter_disabled = match rules.len() {
        0 => None,
        1 => rules.pop(),
        // Envoy wants two at least in an "or".
        _ => Some(ListenerFilterChainMatchPredicate {
            rule: Some(Rule::OrMatch(MatchSet { rules })),
        }),
    };
    filter
}
