//! Rules for bytes: TCP, and TLS that is not opened.

use std::collections::BTreeSet;

use xds::core::TransportSocket;
use xds::filters::TcpProxy;
use xds::filters::tcp_proxy::weighted_cluster::ClusterWeight;
use xds::filters::tcp_proxy::{ClusterSpecifier, WeightedCluster};
use xds::kind::{HashPolicy, hash_policy};
use xds::listener::{Filter, FilterChain, FilterChainMatch};

use super::dynamic::tls_filter;
use super::route::Place;
use super::wire::{network_filter, range};
use crate::model::policy::{HashOn, Pool};
use crate::model::route::{Destination, StreamMatch, StreamRule, Weighted};
use crate::model::{Routing, Traffic};

/// A filter that hands bytes to one cluster.
pub(super) fn to_cluster(cluster: &str) -> Filter {
    proxy(&TcpProxy {
        stat_prefix: cluster.to_owned(),
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..TcpProxy::default()
    })
}

/// The same, within the limits of a pool.
pub(super) fn to_cluster_within(cluster: &str, pool: Option<&Pool>) -> Filter {
    let Some(pool) = pool else { return to_cluster(cluster) };
    proxy(&TcpProxy {
        stat_prefix: cluster.to_owned(),
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        idle_timeout: pool.tcp_idle_timeout.map(Into::into),
        max_downstream_connection_duration: pool.max_connection_duration.map(Into::into),
        ..TcpProxy::default()
    })
}

fn proxy(proxy: &TcpProxy) -> Filter {
    network_filter("envoy.filters.network.tcp_proxy", proxy)
}

/// Filters that hand bytes to destinations by weight.
fn to_weighted(place: &Place<'_>, to: &[Weighted]) -> Vec<Filter> {
    let clusters: Vec<_> =
        to.iter().map(|one| (place.cluster(&one.destination), one.weight)).collect();
    let first = to.first().map(|one| traffic(place, &one.destination)).unwrap_or_default();
    let stat_prefix = clusters.first().map_or_else(|| "tcp".to_owned(), |(name, _)| name.clone());
    let specifier = match clusters.as_slice() {
        [(only, _)] => ClusterSpecifier::Cluster(only.clone()),
        _ => ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: clusters
                .into_iter()
                .map(|(name, weight)| ClusterWeight { name, weight, ..ClusterWeight::default() })
                .collect(),
        }),
    };
    let by_source = first.balance.is_some_and(|balance| balance.hash == Some(HashOn::SourceIp));
    let source = HashPolicy {
        policy_specifier: Some(hash_policy::PolicySpecifier::SourceIp(
            hash_policy::SourceIp::default(),
        )),
    };
    let pool = first.pool.unwrap_or_default();
    let hand_on = proxy(&TcpProxy {
        stat_prefix,
        cluster_specifier: Some(specifier),
        idle_timeout: pool.tcp_idle_timeout.map(Into::into),
        max_downstream_connection_duration: pool.max_connection_duration.map(Into::into),
        hash_policy: by_source.then_some(source).into_iter().collect(),
        ..TcpProxy::default()
    });
    let look_up = to.iter().find_map(|one| place.port_by_request(&one.destination));
    let look_up = look_up.map(|port| tls_filter(&place.view.mesh, port));
    look_up.into_iter().chain([hand_on]).collect()
}

fn traffic(place: &Place<'_>, to: &Destination) -> Traffic {
    let policy = place.view.service(&to.host).and_then(|one| one.policy.as_ref());
    policy
        .map(|policy| policy.traffic(to.port.unwrap_or(place.port), to.subset.as_deref()))
        .unwrap_or_default()
}

/// Bytes to a service as it is.
pub(super) fn to_service(place: &Place<'_>, host: &str) -> Vec<Filter> {
    let destination = Destination { host: host.to_owned(), subset: None, port: Some(place.port) };
    to_weighted(place, &[Weighted { destination, weight: 100, headers: Default::default() }])
}

/// What is done with the TLS of a chain.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// Opens it.
    pub(super) transport: Option<TransportSocket>,
    /// What a client must say of what it will speak; nothing is anything.
    pub(super) alpn: Vec<String>,
}

/// The chains of a listener for bytes, in the making: Envoy refuses two of the same match.
#[derive(Default)]
pub(super) struct Chains {
    chains: Vec<FilterChain>,
    seen: BTreeSet<(Vec<String>, Vec<String>)>,
    default: bool,
}

impl Chains {
    /// Adds the rules for bytes of a routing, as far as the first that takes every connection.
    pub(super) fn tcp(&mut self, place: &Place<'_>, routing: &Routing) {
        for rule in &routing.tcp {
            self.rule(place, rule, |_| Some(Vec::new()));
        }
    }

    /// Adds the rules for TLS of a routing, with the names that `let_in` leaves of each match.
    pub(super) fn tls(
        &mut self,
        place: &Place<'_>,
        routing: &Routing,
        let_in: impl Fn(&str) -> Option<String>,
    ) {
        for rule in &routing.tls {
            self.rule(place, rule, |one| {
                let names: Vec<String> = one.names.iter().filter_map(|name| let_in(name)).collect();
                (!names.is_empty()).then_some(names)
            });
        }
    }

    fn rule(
        &mut self,
        place: &Place<'_>,
        rule: &StreamRule,
        names: impl Fn(&StreamMatch) -> Option<Vec<String>>,
    ) {
        let everything = StreamMatch::default();
        let matches =
            if rule.matches.is_empty() { std::slice::from_ref(&everything) } else { &rule.matches };
        for one in matches.iter().filter(|one| place.is_here(one.scope.port)) {
            if let Some(names) = names(one) {
                self.add(
                    names,
                    &one.destinations,
                    to_weighted(place, &rule.to),
                    &Opened::default(),
                );
            }
        }
    }

    /// Adds a chain of a service: for these server names, or any bytes; to these networks, or all.
    pub(super) fn service(
        &mut self,
        names: Vec<String>,
        networks: &[String],
        filters: Vec<Filter>,
    ) {
        self.add(names, networks, filters, &Opened::default());
    }

    /// Adds a chain for these server names, whose TLS is opened by a transport or only callers of the mesh may use.
    pub(super) fn opened(&mut self, names: Vec<String>, filters: Vec<Filter>, opened: &Opened) {
        self.add(names, &[], filters, opened);
    }

    /// Adds the rules for bytes of a routing behind TLS that is opened here for these names.
    pub(super) fn opened_tcp(
        &mut self,
        place: &Place<'_>,
        routing: &Routing,
        names: &[String],
        opened: &Opened,
    ) {
        for rule in &routing.tcp {
            let fits = |one: &StreamMatch| place.is_here(one.scope.port);
            if rule.matches.is_empty() || rule.matches.iter().any(fits) {
                self.add(names.to_vec(), &[], to_weighted(place, &rule.to), opened);
            }
        }
    }

    /// Whether some chain looks at server names.
    pub(super) fn by_name(&self) -> bool {
        let looks = |on: &FilterChainMatch| on.transport_protocol == "tls";
        self.chains.iter().any(|chain| chain.filter_chain_match.as_ref().is_some_and(looks))
    }

    /// Whether one chain takes every connection.
    pub(super) fn is_whole(&self) -> bool {
        self.default
    }

    /// Adds a chain, for what no earlier chain takes.
    fn add(
        &mut self,
        names: Vec<String>,
        networks: &[String],
        filters: Vec<Filter>,
        opened: &Opened,
    ) {
        let any_name = names.is_empty() || names.iter().any(|name| name == "*");
        let tls = !names.is_empty();
        // Only a TLS greeting has a name that could be looked up.
        let last = filters.len() - 1;
        let filters = if tls { filters } else { filters[last..].to_vec() };
        let names = if any_name { Vec::new() } else { names };
        // One chain for each name and network, so that a name said twice is dropped alone.
        let keep = |one: Option<&String>| one.cloned().into_iter().collect::<Vec<_>>();
        let each_name: Vec<Option<&String>> = options(&names);
        let each_network: Vec<Option<&String>> = options(networks);
        for name in each_name {
            for network in &each_network {
                let word = if tls && name.is_none() { vec!["tls".to_owned()] } else { keep(name) };
                if !self.seen.insert((word, keep(*network))) {
                    continue;
                }
                let on = FilterChainMatch {
                    server_names: keep(name),
                    transport_protocol: if tls { "tls".to_owned() } else { String::new() },
                    application_protocols: opened.alpn.clone(),
                    prefix_ranges: network.and_then(|text| range(text)).into_iter().collect(),
                    ..FilterChainMatch::default()
                };
                let any = on == FilterChainMatch::default();
                self.default |= any;
                self.chains.push(FilterChain {
                    filter_chain_match: (!any).then_some(on),
                    filters: filters.clone(),
                    transport_socket: opened.transport.clone(),
                    ..FilterChain::default()
                });
            }
        }
    }

    /// The chains, ended by `default` unless one takes every connection already.
    pub(super) fn finish(mut self, default: Option<Vec<Filter>>) -> Vec<FilterChain> {
        if let Some(filters) = default.filter(|_| !self.default) {
            self.chains.push(FilterChain { filters, ..FilterChain::default() });
        }
        self.chains
    }
}

/// The items, or one "any".
fn options(items: &[String]) -> Vec<Option<&String>> {
    if items.is_empty() { vec![None] } else { items.iter().map(Some).collect() }
}
