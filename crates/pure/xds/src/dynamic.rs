//! The dynamic forward proxy: a cluster whose hosts are the names that requests bring, and the filters that look them up.

messages! {
    KeyValueStoreConfig = "envoy.config.common.key_value.v3.KeyValueStoreConfig" {
        config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 1],
    }
    ClusterConfig = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig" {
        allow_insecure_cluster_options: bool = [bool, tag = 2],
        allow_coalesced_connections: bool = [bool, tag = 3],
        cluster_implementation_specifier: Option<cluster_config::ClusterImplementationSpecifier> =
            [oneof = "cluster_config::ClusterImplementationSpecifier", tags(1, 4)],
    }
    SubClustersConfig = "envoy.extensions.clusters.dynamic_forward_proxy.v3.SubClustersConfig" {
        lb_policy: i32 = [enumeration(crate::cluster::cluster::LbPolicy), tag = 1],
        max_sub_clusters: Option<u32> = [message, optional, tag = 2],
        sub_cluster_ttl: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        preresolve_clusters: Vec<crate::core::SocketAddress> = [message, repeated, tag = 4],
        dns_cluster_config: Option<crate::cluster::DnsCluster> = [message, optional, tag = 5],
    }
    DnsCacheCircuitBreakers = "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheCircuitBreakers" {
        max_pending_requests: Option<u32> = [message, optional, tag = 1],
    }
    DnsCacheConfig = "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig" {
        name: String = [string, tag = 1],
        dns_lookup_family: i32 = [enumeration(crate::cluster::cluster::DnsLookupFamily), tag = 2],
        dns_refresh_rate: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        dns_min_refresh_rate: Option<crate::wkt::Duration> = [message, optional, tag = 14],
        host_ttl: Option<crate::wkt::Duration> = [message, optional, tag = 4],
        max_hosts: Option<u32> = [message, optional, tag = 5],
        disable_dns_refresh_on_failure: bool = [bool, tag = 15],
        dns_failure_refresh_rate: Option<crate::cluster::cluster::RefreshRate> = [message, optional, tag = 6],
        dns_cache_circuit_breaker: Option<DnsCacheCircuitBreakers> = [message, optional, tag = 7],
        use_tcp_for_dns_lookups: bool = [bool, tag = 8],
        dns_resolution_config: Option<crate::core::DnsResolutionConfig> = [message, optional, tag = 9],
        typed_dns_resolver_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 12],
        preresolve_hostnames: Vec<crate::core::SocketAddress> = [message, repeated, tag = 10],
        dns_query_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 11],
        key_value_config: Option<KeyValueStoreConfig> = [message, optional, tag = 13],
        resolved_address_filter: Option<crate::kind::AddressMatcher> = [message, optional, tag = 16],
    }
    FilterConfig = "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig" {
        save_upstream_address: bool = [bool, tag = 2],
        allow_dynamic_host_from_filter_state: bool = [bool, tag = 4],
        implementation_specifier: Option<filter_config::ImplementationSpecifier> =
            [oneof = "filter_config::ImplementationSpecifier", tags(1, 3)],
    }
    PerRouteConfig = "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig" {
        host_rewrite_specifier: Option<per_route_config::HostRewriteSpecifier> =
            [oneof = "per_route_config::HostRewriteSpecifier", tags(1, 2)],
    }
    SubClusterConfig = "envoy.extensions.filters.http.dynamic_forward_proxy.v3.SubClusterConfig" {
        cluster_init_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 3],
    }
    SniFilterConfig = "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig" {
        dns_cache_config: Option<DnsCacheConfig> = [message, optional, tag = 1],
        save_upstream_address: bool = [bool, tag = 3],
        port_specifier: Option<sni_filter_config::PortSpecifier> =
            [oneof = "sni_filter_config::PortSpecifier", tags(2)],
    }
}

/// Types inside [`ClusterConfig`](super::ClusterConfig).
pub mod cluster_config {
    oneofs! {
        ClusterImplementationSpecifier = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig.cluster_implementation_specifier" {
            dns_cache_config => DnsCacheConfig(super::DnsCacheConfig) = [message, tag = 1],
            sub_clusters_config => SubClustersConfig(super::SubClustersConfig) = [message, tag = 4],
        }
    }
}

/// Types inside [`FilterConfig`](super::FilterConfig).
pub mod filter_config {
    oneofs! {
        ImplementationSpecifier = "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig.implementation_specifier" {
            dns_cache_config => DnsCacheConfig(super::DnsCacheConfig) = [message, tag = 1],
            sub_cluster_config => SubClusterConfig(super::SubClusterConfig) = [message, tag = 3],
        }
    }
}

/// Types inside [`PerRouteConfig`](super::PerRouteConfig).
pub mod per_route_config {
    oneofs! {
        HostRewriteSpecifier = "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig.host_rewrite_specifier" {
            host_rewrite_literal => HostRewriteLiteral(String) = [string, tag = 1],
            host_rewrite_header => HostRewriteHeader(String) = [string, tag = 2],
        }
    }
}

/// Types inside [`SniFilterConfig`](super::SniFilterConfig).
pub mod sni_filter_config {
    oneofs! {
        PortSpecifier = "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig.port_specifier" {
            port_value => PortValue(u32) = [uint32, tag = 2],
        }
    }
}
