//! Clusters: a service port, a subset of it, or one of the few that always are there.

use std::time::Duration;

use serde_json::{Value, json};
use xds::cluster::Cluster;
use xds::cluster::cluster::{ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbPolicy};
use xds::core::{BindConfig, SocketOption, socket_option};
use xds::endpoint::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};

use super::traffic;
use super::wire::{address, ads, config_path, metadata, socket_address, span};
use super::{BLACK_HOLE, Draft, INBOUND_PASSTHROUGH, PASSTHROUGH, endpoint};
use crate::model::policy::Algorithm;
use crate::model::{Policy, Port, Protocol, Traffic};
use crate::view::{Inbound, Outbound, View};

/// Time to connect, if nobody says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Source address of connections that must not be redirected again.
const INBOUND_SOURCE: &str = "127.0.0.6";

/// The name of an outbound cluster: `outbound|PORT|SUBSET|HOST`.
#[must_use]
pub fn cluster_name(port: u16, subset: Option<&str>, host: &str) -> String {
    format!("outbound|{port}|{}|{host}", subset.unwrap_or_default())
}

/// A cluster of this type with what all have.
fn cluster(name: &str, kind: DiscoveryType) -> Cluster {
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(kind as i32)),
        connect_timeout: span(CONNECT_TIMEOUT),
        lb_policy: match kind {
            DiscoveryType::OriginalDst => LbPolicy::ClusterProvided as i32,
            _ => LbPolicy::LeastRequest as i32,
        },
        circuit_breakers: traffic::circuit_breakers(&Traffic::default()),
        ..Cluster::default()
    }
}

/// Clusters and endpoints of all services that the proxy may call.
pub(super) fn outbound(view: &View, draft: &mut Draft) {
    draft.clusters.push(cluster(BLACK_HOLE, DiscoveryType::Static));
    if view.is_sidecar() {
        let mut passthrough = cluster(PASSTHROUGH, DiscoveryType::OriginalDst);
        traffic::client_protocol(&mut passthrough);
        draft.clusters.push(passthrough);
    }
    for one in &view.outbound {
        for port in &one.service.ports {
            add(view, one, port, None, draft);
            for subset in one.policy.iter().flat_map(|policy| &policy.subsets) {
                add(view, one, port, Some(&subset.name), draft);
            }
        }
    }
}

fn add(view: &View, one: &Outbound, port: &Port, subset: Option<&str>, draft: &mut Draft) {
    let policy = one.policy.as_ref();
    let name = cluster_name(port.number, subset, &one.service.host);
    let traffic = policy.map(|policy| policy.traffic(port.number, subset)).unwrap_or_default();
    let algorithm = traffic.balance.as_ref().map(|balance| balance.algorithm);
    // A gateway is not where the client dialled to, so there is no original destination to take.
    let direct = one.service.headless || algorithm == Some(Algorithm::Passthrough);
    let direct = direct && view.is_sidecar();
    let kind = if direct { DiscoveryType::OriginalDst } else { DiscoveryType::Eds };
    let mut cluster = cluster(&name, kind);
    cluster.metadata = Some(metadata("istio", &about(one, port, subset)));
    if !direct {
        cluster.eds_cluster_config =
            Some(EdsClusterConfig { eds_config: ads(), service_name: name.clone() });
        draft.endpoints.push(endpoint::assignment(view, one, port, subset, &traffic, name));
    }
    traffic::apply(&mut cluster, &traffic, port.protocol, view.is_sidecar());
    draft.clusters.push(cluster);
}

/// What telemetry and tools want to know of a cluster.
fn about(one: &Outbound, port: &Port, subset: Option<&str>) -> Value {
    let service = &one.service;
    let mut about = json!({
        "default_original_port": port.number,
        "services": [
            {"host": service.host, "name": service.name, "namespace": service.namespace},
        ],
    });
    if let Some(policy) = &one.policy {
        about["config"] = Policy::origin_path(policy).into();
    }
    if let Some(subset) = subset {
        about["subset"] = subset.into();
    }
    about
}

impl Policy {
    fn origin_path(&self) -> String {
        config_path("destination-rule", &self.origin)
    }
}

/// The cluster of one port of the proxy's own workload: the application, on the loopback address.
pub(super) fn inbound(one: &Inbound) -> Cluster {
    let name = inbound_name(one.port);
    let mut cluster = cluster(&name, DiscoveryType::Static);
    cluster.load_assignment = Some(ClusterLoadAssignment {
        cluster_name: name,
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![LbEndpoint {
                host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(Endpoint {
                    address: address("127.0.0.1", one.port),
                    ..Endpoint::default()
                })),
                ..LbEndpoint::default()
            }],
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    });
    cluster.metadata = Some(metadata(
        "istio",
        &json!({"services": [
            {"host": one.host, "name": one.service, "namespace": one.namespace},
        ]}),
    ));
    match one.protocol {
        Protocol::Unknown => traffic::client_protocol(&mut cluster),
        protocol if protocol.is_http2() => traffic::http2(&mut cluster),
        _ => {}
    }
    cluster
}

/// The name of an inbound cluster: `inbound|PORT||`.
pub(super) fn inbound_name(port: u16) -> String {
    format!("inbound|{port}||")
}

/// Where connections go to ports that no service declares.
pub(super) fn inbound_passthrough() -> Cluster {
    let mut cluster = cluster(INBOUND_PASSTHROUGH, DiscoveryType::OriginalDst);
    traffic::client_protocol(&mut cluster);
    cluster.upstream_bind_config = Some(BindConfig {
        source_address: Some(socket_address(INBOUND_SOURCE, 0)),
        ..BindConfig::default()
    });
    cluster
}

/// Marks the sockets of a cluster, so that they are told from the application's own.
pub(super) fn mark(cluster: &mut Cluster, mark: u32) {
    /// Linux' SOL_SOCKET and SO_MARK.
    const SOL_SOCKET: i64 = 1;
    const SO_MARK: i64 = 36;
    cluster.upstream_bind_config.get_or_insert_default().socket_options.push(SocketOption {
        description: "the proxy's own traffic".to_owned(),
        level: SOL_SOCKET,
        name: SO_MARK,
        value: Some(socket_option::Value::IntValue(i64::from(mark))),
        state: socket_option::SocketState::StatePrebind as i32,
        ..SocketOption::default()
    });
}
