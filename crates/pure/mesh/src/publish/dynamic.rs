//! Names that are looked up by request: the cluster that does it, and the filters before it.

use xds::cluster::cluster::{ClusterDiscoveryType, CustomClusterType, DnsLookupFamily};
use xds::dynamic::{
    ClusterConfig, DnsCacheConfig, FilterConfig, PerRouteConfig, SniFilterConfig, cluster_config,
    filter_config, per_route_config, sni_filter_config,
};
use xds::listener::Filter;
use xds::wkt::Any;

use super::cluster::DNS_REFRESH;
use super::wire::{network_filter, span};
use crate::model::MeshConfig;

/// Name of the filter that looks up what requests name, and key of its settings by route.
pub(super) const NAMES: &str = "envoy.filters.http.dynamic_forward_proxy";

/// The one table of names that all clusters and filters of a proxy share; Envoy wants it said in each place.
fn names(mesh: &MeshConfig) -> DnsCacheConfig {
    DnsCacheConfig {
        name: "dynamic_dns".to_owned(),
        dns_lookup_family: DnsLookupFamily::V4Only as i32,
        dns_refresh_rate: span(mesh.dns_refresh.unwrap_or(DNS_REFRESH)),
        ..DnsCacheConfig::default()
    }
}

/// The type of a cluster whose hosts are what requests name.
pub(super) fn cluster_type(mesh: &MeshConfig) -> ClusterDiscoveryType {
    let config = ClusterConfig {
        // It starts no TLS, so there is no server's name to check.
        allow_insecure_cluster_options: true,
        cluster_implementation_specifier: Some(
            cluster_config::ClusterImplementationSpecifier::DnsCacheConfig(names(mesh)),
        ),
        ..ClusterConfig::default()
    };
    ClusterDiscoveryType::ClusterType(CustomClusterType {
        name: "envoy.clusters.dynamic_forward_proxy".to_owned(),
        typed_config: Some(Any::pack(&config)),
    })
}

/// The HTTP filter before such clusters.
pub(super) fn http_filter(mesh: &MeshConfig) -> FilterConfig {
    FilterConfig {
        implementation_specifier: Some(filter_config::ImplementationSpecifier::DnsCacheConfig(
            names(mesh),
        )),
        ..FilterConfig::default()
    }
}

/// What one route looks up in place of what its requests name.
pub(super) fn instead(host: String) -> Any {
    Any::pack(&PerRouteConfig {
        host_rewrite_specifier: Some(per_route_config::HostRewriteSpecifier::HostRewriteLiteral(
            host,
        )),
    })
}

/// The network filter before such clusters: it looks up the server name of a TLS greeting.
pub(super) fn tls_filter(mesh: &MeshConfig, port: u16) -> Filter {
    let config = SniFilterConfig {
        dns_cache_config: Some(names(mesh)),
        port_specifier: Some(sni_filter_config::PortSpecifier::PortValue(u32::from(port))),
        ..SniFilterConfig::default()
    };
    network_filter("envoy.filters.network.sni_dynamic_forward_proxy", &config)
}
