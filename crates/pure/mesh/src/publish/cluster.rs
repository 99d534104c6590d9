//! Clusters: a service port, a subset of it, or one of the few that always are there.

use std::time::Duration;

use serde_json::{Value, json};
use xds::cluster::Cluster;
use xds::cluster::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbPolicy,
};
use xds::core::{BindConfig, SocketOption, socket_option};
use xds::endpoint::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint,
};
use xds::wkt::Struct;

use super::traffic;
use super::wire::{address, ads, config_path, metadata, socket_address, span};
use super::{
    BLACK_HOLE, Draft, INBOUND_PASSTHROUGH, PASSTHROUGH, client, dynamic, endpoint, extras,
};
use crate::model::policy::Algorithm;
use crate::model::scope::Application;
use crate::model::{MeshConfig, Policy, Port, Resolution, Service, Traffic};
use crate::view::{Inbound, Outbound, View};

/// Time to connect, if nobody says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two questions to DNS, if an answer says nothing.
pub(super) const DNS_REFRESH: Duration = Duration::from_secs(60);
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
            add(view, one, port, None, draft, Opening::Itself);
            for subset in one.policy.iter().flat_map(|policy| &policy.subsets) {
                add(view, one, port, Some(&subset.name), draft, Opening::Itself);
            }
        }
    }
}

/// Who started the TLS that a cluster sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// The proxy.
    Itself,
    /// Somebody before it.
    Before,
}

/// The cluster to which a gateway passes mutual TLS that it does not open, by the server's name.
pub(super) fn passed_name(port: u16, subset: Option<&str>, host: &str) -> String {
    format!("outbound_.{port}_.{}_.{host}", subset.unwrap_or_default())
}

/// Clusters for mutual TLS that passes, and the names by which each is found; of hosts that `lets_in` takes.
pub(super) fn passed(
    view: &View,
    draft: &mut Draft,
    lets_in: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut names = Vec::new();
    for one in view.outbound.iter().filter(|one| lets_in(&one.service.host)) {
        for port in &one.service.ports {
            let subsets = one.policy.iter().flat_map(|policy| &policy.subsets);
            let subsets = subsets.map(|subset| Some(subset.name.as_str()));
            for subset in std::iter::once(None).chain(subsets) {
                names.push(passed_name(port.number, subset, &one.service.host));
                add(view, one, port, subset, draft, Opening::Before);
            }
        }
    }
    names
}

fn add(
    view: &View,
    one: &Outbound,
    port: &Port,
    subset: Option<&str>,
    draft: &mut Draft,
    opening: Opening,
) {
    let policy = one.policy.as_ref();
    let name = match opening {
        Opening::Itself => cluster_name(port.number, subset, &one.service.host),
        Opening::Before => passed_name(port.number, subset, &one.service.host),
    };
    let traffic = policy.map(|policy| policy.traffic(port.number, subset)).unwrap_or_default();
    let algorithm = traffic.balance.as_ref().map(|balance| balance.algorithm);
    let endpoints = endpoint::assignment(view, one, port, subset, &traffic, name.clone());
    let hosts = endpoints.endpoints.iter().map(|place| place.lb_endpoints.len()).sum();
    let kind = discovery(view, &one.service, algorithm, hosts);
    let mut cluster = cluster(&name, kind);
    let mut said = metadata("istio", &about(one, port, subset));
    let extras = extras::extras(view, one, (port, subset), &traffic);
    if !extras.is_empty() {
        said.filter_metadata.insert("lateen".to_owned(), Struct::from(&extras));
    }
    cluster.metadata = Some(said);
    if one.service.resolution == Resolution::ByRequest {
        cluster.cluster_discovery_type = Some(dynamic::cluster_type(&view.mesh));
    }
    match kind {
        DiscoveryType::OriginalDst => {}
        DiscoveryType::Eds => {
            cluster.eds_cluster_config =
                Some(EdsClusterConfig { eds_config: ads(), service_name: name });
            draft.endpoints.push(endpoints);
        }
        _ => {
            cluster.load_assignment = Some(endpoints);
            resolve(&mut cluster, &view.mesh);
        }
    }
    let target = traffic::Target {
        protocol: port.protocol,
        // What is outside of the mesh has no sidecar that would take an upgrade.
        sidecar: view.is_sidecar() && !one.service.external,
        hosts: knows_hosts(one.service.resolution).then_some(hosts),
        mesh: &view.mesh,
    };
    traffic::apply(&mut cluster, &traffic, &target);
    if view.speaks_tls && opening == Opening::Itself {
        client::start(view, (one, port, subset), &traffic, kind, &mut cluster);
    }
    draft.clusters.push(cluster);
}

/// How the proxy finds the hosts of a cluster.
fn discovery(
    view: &View,
    service: &Service,
    algorithm: Option<Algorithm>,
    hosts: usize,
) -> DiscoveryType {
    let direct = service.headless
        || service.resolution == Resolution::Dialled
        || algorithm == Some(Algorithm::Passthrough);
    // Its type is Envoy's own; like here, the cluster itself picks the host.
    if service.resolution == Resolution::ByRequest {
        return DiscoveryType::OriginalDst;
    }
    // A gateway is not where the client dialled to, so there is no original destination to take.
    if direct && view.is_sidecar() {
        return DiscoveryType::OriginalDst;
    }
    match service.resolution {
        Resolution::Endpoints | Resolution::Dialled | Resolution::ByRequest => DiscoveryType::Eds,
        // Envoy takes this type with exactly one name.
        Resolution::DnsRoundRobin if hosts == 1 => DiscoveryType::LogicalDns,
        Resolution::Dns | Resolution::DnsRoundRobin => DiscoveryType::StrictDns,
    }
}

/// Whether the hosts of a service are known here, and not to the proxy alone.
fn knows_hosts(resolution: Resolution) -> bool {
    !resolution.is_dns() && resolution != Resolution::ByRequest
}

/// How names are asked for.
fn resolve(cluster: &mut Cluster, mesh: &MeshConfig) {
    cluster.dns_lookup_family = DnsLookupFamily::V4Only as i32;
    cluster.respect_dns_ttl = true;
    cluster.dns_refresh_rate = span(mesh.dns_refresh.unwrap_or(DNS_REFRESH));
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
pub(super) fn inbound(view: &View, one: &Inbound) -> Cluster {
    let name = inbound_name(one.port);
    let mut cluster = cluster(&name, DiscoveryType::Static);
    cluster.load_assignment = Some(ClusterLoadAssignment {
        cluster_name: name,
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![LbEndpoint {
                host_identifier: Some(lb_endpoint::HostIdentifier::Endpoint(Endpoint {
                    address: match &one.application {
                        Application::Port(port) => address("127.0.0.1", *port),
                        Application::Pipe(path) => address(path, 0),
                    },
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
    let traffic = Traffic { pool: one.pool.clone(), ..Traffic::default() };
    let target = traffic::Target {
        protocol: one.protocol,
        // The application itself is not asked to take an upgrade.
        sidecar: false,
        hosts: Some(1),
        mesh: &view.mesh,
    };
    traffic::apply(&mut cluster, &traffic, &target);
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
