//! Networks: which endpoints a proxy reaches by itself, and which through a gateway of theirs.
//!
//! Spec: Istio, multi-network meshes; the gateways are Services with the label `topology.istio.io/network`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Address, Endpoint};

/// Label of pods and Services: the network that they are in.
pub const NETWORK: &str = "topology.istio.io/network";

/// Where the gateways of each network take traffic from the others: addresses and ports.
pub type Gateways = BTreeMap<String, Vec<(IpAddr, u16)>>;

/// How a proxy comes to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'a> {
    /// By itself.
    Direct,
    /// Through the gateways of this network.
    Through(&'a str),
    /// It does not.
    None,
}

/// How a proxy of the network `own` comes to an endpoint. What names no network is in all of them; a network without a gateway
/// is believed to be within reach; and a gateway passes mutual TLS only, since it goes by the server's name.
#[must_use]
pub fn way<'a>(own: &str, gateways: &Gateways, endpoint: &'a Endpoint) -> Way<'a> {
    let workload = endpoint.workload.as_ref();
    let network = workload.map_or("", |workload| workload.network.as_str());
    let is_near = own.is_empty() || network.is_empty() || own == network;
    match gateways.contains_key(network) {
        true if !is_near && endpoint.tls => Way::Through(network),
        true if !is_near => Way::None,
        _ if endpoint.address == Address::Behind => Way::None,
        _ => Way::Direct,
    }
}
