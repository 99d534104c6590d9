//! Endpoints of a cluster, grouped and ranked by place.

use std::collections::BTreeMap;

use serde_json::json;
use xds::core::{HealthStatus, Metadata};
use xds::endpoint::{ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints, lb_endpoint};

use super::wire::{address, metadata};
use crate::model::network::{Way, way};
use crate::model::policy::LocalityRules;
use crate::model::{Endpoint, Locality, Port, Traffic};
use crate::view::{Outbound, View};

/// What an endpoint that is near has in common with the caller, most important first.
const NEAR: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// The words of [`NEAR`] that say something of this caller.
fn near(view: &View) -> Vec<String> {
    let known = NEAR.iter().filter(|key| label(key, &view.locality, None).is_some());
    known.map(|key| (*key).to_owned()).collect()
}

/// Endpoints of one place and one priority.
type Groups<'a> = BTreeMap<(u32, &'a Locality), Vec<&'a Endpoint>>;

/// The endpoints of one cluster.
pub(super) fn assignment(
    view: &View,
    one: &Outbound,
    port: &Port,
    subset: Option<&str>,
    traffic: &Traffic,
    name: String,
) -> ClusterLoadAssignment {
    let labels =
        one.policy.as_ref().and_then(|policy| policy.subset(subset?)).map(|one| &one.labels);
    let all = one.endpoints.as_ref().and_then(|ports| ports.get(&port.number));
    let endpoints = all
        .into_iter()
        .flatten()
        .filter(|endpoint| labels.is_none_or(|labels| endpoint.has_labels(labels)))
        .filter(|endpoint| way_of(view, endpoint) != Way::None);
    let near = near(view);
    // A rule about places goes over what the service asks for.
    let by_near = one.service.near && rules_of(view, traffic).is_none();
    let mut groups = Groups::new();
    for endpoint in endpoints {
        let rank = if by_near {
            rank_by_labels(view, &near, endpoint)
        } else {
            rank(view, traffic, endpoint)
        };
        groups.entry((rank, endpoint.locality())).or_default().push(endpoint);
    }
    let shares = shares(view, traffic, &groups);
    // Envoy wants priorities without gaps.
    let mut ranks: Vec<u32> = groups.keys().map(|(rank, _)| *rank).collect();
    ranks.dedup();
    let endpoints = groups
        .iter()
        .filter_map(|((rank, locality), endpoints)| {
            let priority = ranks.iter().position(|own| own == rank)?;
            let weight = match &shares {
                Some(shares) => *shares.get(locality)?,
                None => total(endpoints),
            };
            Some(LocalityLbEndpoints {
                locality: Some(xds::core::Locality {
                    region: locality.region.clone(),
                    zone: locality.zone.clone(),
                    sub_zone: locality.subzone.clone(),
                }),
                lb_endpoints: lb_endpoints(view, endpoints),
                load_balancing_weight: Some(weight),
                priority: u32::try_from(priority).unwrap_or(u32::MAX),
                ..LocalityLbEndpoints::default()
            })
        })
        .collect();
    ClusterLoadAssignment { cluster_name: name, endpoints, ..ClusterLoadAssignment::default() }
}

/// Weights of the endpoints of one place together; Envoy takes sums below 2^32.
fn total(endpoints: &[&Endpoint]) -> u32 {
    endpoints.iter().map(|one| one.weight).fold(0, u32::saturating_add)
}

fn way_of<'a>(view: &View, endpoint: &'a Endpoint) -> Way<'a> {
    way(&view.network, &view.networks, endpoint)
}

/// The endpoints of one place: those within reach, and for those of each other network its gateways, which share their weight.
fn lb_endpoints(view: &View, endpoints: &[&Endpoint]) -> Vec<LbEndpoint> {
    let mut near = Vec::with_capacity(endpoints.len());
    let mut far: BTreeMap<&str, Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        match way_of(view, endpoint) {
            Way::Through(network) => far.entry(network).or_default().push(endpoint),
            Way::Direct | Way::None => near.push(lb_endpoint(endpoint, &view.cluster)),
        }
    }
    if far.is_empty() {
        return near;
    }
    // Weights are whole numbers: all are multiplied, such that each network's is divided by its gateways without rest.
    let gateways = |network: &str| view.networks.get(network).map_or(&[][..], Vec::as_slice);
    let counts = far.keys().map(|network| u32::try_from(gateways(network).len()).unwrap_or(1));
    let scale = counts.fold(1_u32, |scale, count| scale.saturating_mul(count.max(1)));
    for one in &mut near {
        one.load_balancing_weight = one.load_balancing_weight.map(|it| it.saturating_mul(scale));
    }
    for (network, endpoints) in &far {
        let (gateways, weight) = (gateways(network), total(endpoints).saturating_mul(scale));
        let share = weight / u32::try_from(gateways.len()).unwrap_or(1).max(1);
        near.extend(gateways.iter().map(|(ip, port)| LbEndpoint {
            host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(xds::endpoint::Endpoint {
                address: address(&ip.to_string(), *port),
                ..xds::endpoint::Endpoint::default()
            })),
            health_status: HealthStatus::Healthy as i32,
            metadata: Some(metadata("envoy.transport_socket_match", &json!({"tlsMode": "istio"}))),
            load_balancing_weight: Some(share.max(1)),
        }));
    }
    near
}

fn lb_endpoint(endpoint: &Endpoint, cluster: &str) -> LbEndpoint {
    LbEndpoint {
        host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(xds::endpoint::Endpoint {
            address: address(&endpoint.address.to_string(), endpoint.port),
            ..xds::endpoint::Endpoint::default()
        })),
        health_status: HealthStatus::Healthy as i32,
        metadata: about(endpoint, cluster),
        load_balancing_weight: Some(endpoint.weight),
    }
}

/// Who answers there, for telemetry; and whether it takes mutual TLS.
fn about(endpoint: &Endpoint, cluster: &str) -> Option<Metadata> {
    let workload = endpoint.workload.as_ref()?;
    let text = format!(
        "{};{};{};{};{cluster}",
        workload.owner,
        workload.namespace,
        workload.canonical_name(),
        workload.canonical_revision(),
    );
    let mut about = metadata("istio", &json!({"workload": text}));
    if endpoint.tls {
        let tls = metadata("envoy.transport_socket_match", &json!({"tlsMode": "istio"}));
        about.filter_metadata.extend(tls.filter_metadata);
    }
    Some(about)
}

/// What a policy says of places, else what the mesh does.
fn rules_of<'a>(view: &'a View, traffic: &'a Traffic) -> Option<&'a LocalityRules> {
    let own = traffic.balance.as_ref().and_then(|balance| balance.locality.as_ref());
    own.or(view.mesh.locality.as_ref())
}

/// How far away an endpoint is; 0 for all where places do not count.
fn rank(view: &View, traffic: &Traffic, endpoint: &Endpoint) -> u32 {
    let default = LocalityRules::default();
    let rules = rules_of(view, traffic).unwrap_or(&default);
    // Without ejection nothing would ever fail over, and a sick place would keep its callers.
    if traffic.outlier.is_none() || rules.disabled || !rules.distribute.is_empty() {
        return 0;
    }
    if rules.priority.is_empty() {
        return rank_by_place(view, rules, endpoint);
    }
    let by_labels = rank_by_labels(view, &rules.priority, endpoint);
    // With both, labels come first and regions decide among equals.
    let by_place = if rules.failover.is_empty() { 0 } else { rank_by_place(view, rules, endpoint) };
    by_labels.saturating_mul(FARTHEST + 1).saturating_add(by_place)
}

/// The rank of a region that is not the one to fail over to.
const FARTHEST: u32 = 4;

fn rank_by_place(view: &View, rules: &LocalityRules, endpoint: &Endpoint) -> u32 {
    if view.locality.is_unknown() {
        return 0;
    }
    let (own, other) = (&view.locality, endpoint.locality());
    if own.region != other.region {
        let takes_over = |(from, to): &(String, String)| *from == own.region && *to == other.region;
        let named = rules.failover.iter().any(|(from, _)| *from == own.region);
        return if named && !rules.failover.iter().any(takes_over) { FARTHEST } else { 3 };
    }
    match (own.zone == other.zone, own.subzone == other.subzone) {
        (false, _) => 2,
        (true, false) => 1,
        (true, true) => 0,
    }
}

/// One step farther for each label from the first that differs.
fn rank_by_labels(view: &View, words: &[String], endpoint: &Endpoint) -> u32 {
    let same = |word: &&String| {
        let (key, wanted) = match word.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => {
                (word.as_str(), label(key_of(word), &view.locality, view.labels.get(key_of(word))))
            }
        };
        let labels = endpoint.workload.as_ref().and_then(|workload| workload.labels.get(key));
        wanted.is_some() && label(key, endpoint.locality(), labels) == wanted
    };
    let equal = words.iter().take_while(same).count();
    u32::try_from(words.len() - equal).unwrap_or(u32::MAX)
}

fn key_of(word: &str) -> &str {
    word.split('=').next().unwrap_or(word)
}

/// A label's value; the labels of places are known without being written at the pod.
fn label(key: &str, place: &Locality, own: Option<&String>) -> Option<String> {
    let place = match key {
        "topology.kubernetes.io/region" => &place.region,
        "topology.kubernetes.io/zone" => &place.zone,
        "topology.istio.io/subzone" => &place.subzone,
        _ => return own.cloned(),
    };
    own.cloned().or_else(|| Some(place.clone()).filter(|place| !place.is_empty()))
}

/// Weights of places by a rule for the proxy's own place; a place that gets none is absent.
fn shares<'a>(
    view: &View,
    traffic: &Traffic,
    groups: &Groups<'a>,
) -> Option<BTreeMap<&'a Locality, u32>> {
    let rules = rules_of(view, traffic).filter(|rules| !rules.disabled)?;
    let (_, to) = rules.distribute.iter().find(|(from, _)| within(from, &view.locality))?;
    let mut shares = BTreeMap::new();
    for (pattern, share) in to.iter().filter(|(_, share)| **share > 0) {
        let places = groups.iter().filter(|((_, place), _)| within(pattern, place));
        let sum: u64 = places.clone().map(|(_, endpoints)| u64::from(total(endpoints))).sum();
        for ((_, place), endpoints) in places {
            // In thousandths, so that places of one pattern share exactly enough.
            let part = u64::from(*share) * 1000 * u64::from(total(endpoints)) / sum.max(1);
            *shares.entry(*place).or_insert(0) += u32::try_from(part.max(1)).unwrap_or(u32::MAX);
        }
    }
    Some(shares)
}

/// Whether a place is within a pattern `region/zone/subzone`, whose tail may be `*` or left out.
fn within(pattern: &str, place: &Locality) -> bool {
    let own = [place.region.as_str(), &place.zone, &place.subzone];
    pattern
        .split('/')
        .zip(own)
        .take_while(|(wanted, _)| *wanted != "*")
        .all(|(wanted, own)| wanted == own)
}
