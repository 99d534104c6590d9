//! `envoy.config.endpoint.v3`: endpoints of clusters and reports on their load.

use std::collections::BTreeMap;

messages! {
    Endpoint = "envoy.config.endpoint.v3.Endpoint" {
        address: Option<crate::core::Address> = [message, optional, tag = 1],
        health_check_config: Option<endpoint::HealthCheckConfig> = [message, optional, tag = 2],
        hostname: String = [string, tag = 3],
        additional_addresses: Vec<endpoint::AdditionalAddress> = [message, repeated, tag = 4],
        observability_name: String = [string, tag = 5],
    }
    LbEndpoint = "envoy.config.endpoint.v3.LbEndpoint" {
        host_identifier: Option<lb_endpoint::HostIdentifier> =
            [oneof = "lb_endpoint::HostIdentifier", tags(1, 5)],
        health_status: i32 = [enumeration(crate::core::HealthStatus), tag = 2],
        metadata: Option<crate::core::Metadata> = [message, optional, tag = 3],
        load_balancing_weight: Option<u32> = [message, optional, tag = 4],
    }
    LbEndpointCollection = "envoy.config.endpoint.v3.LbEndpointCollection" {
        entries: Vec<crate::cncf::CollectionEntry> = [message, repeated, tag = 1],
    }
    LedsClusterLocalityConfig = "envoy.config.endpoint.v3.LedsClusterLocalityConfig" {
        leds_config: Option<crate::core::ConfigSource> = [message, optional, tag = 1],
        leds_collection_name: String = [string, tag = 2],
    }
    LocalityLbEndpoints = "envoy.config.endpoint.v3.LocalityLbEndpoints" {
        locality: Option<crate::core::Locality> = [message, optional, tag = 1],
        metadata: Option<crate::core::Metadata> = [message, optional, tag = 9],
        lb_endpoints: Vec<LbEndpoint> = [message, repeated, tag = 2],
        lb_config: Option<locality_lb_endpoints::LbConfig> =
            [oneof = "locality_lb_endpoints::LbConfig", tags(7, 8)],
        load_balancing_weight: Option<u32> = [message, optional, tag = 3],
        priority: u32 = [uint32, tag = 5],
        proximity: Option<u32> = [message, optional, tag = 6],
    }
    ClusterLoadAssignment = "envoy.config.endpoint.v3.ClusterLoadAssignment" {
        cluster_name: String = [string, tag = 1],
        endpoints: Vec<LocalityLbEndpoints> = [message, repeated, tag = 2],
        named_endpoints: BTreeMap<String, Endpoint> = [btree_map = "string, message", tag = 5],
        policy: Option<cluster_load_assignment::Policy> = [message, optional, tag = 4],
    }
    UpstreamLocalityStats = "envoy.config.endpoint.v3.UpstreamLocalityStats" {
        locality: Option<crate::core::Locality> = [message, optional, tag = 1],
        total_successful_requests: u64 = [uint64, tag = 2],
        total_requests_in_progress: u64 = [uint64, tag = 3],
        total_error_requests: u64 = [uint64, tag = 4],
        total_issued_requests: u64 = [uint64, tag = 8],
        total_active_connections: u64 = [uint64, tag = 9],
        total_new_connections: u64 = [uint64, tag = 10],
        total_fail_connections: u64 = [uint64, tag = 11],
        cpu_utilization: Option<UnnamedEndpointLoadMetricStats> = [message, optional, tag = 12],
        mem_utilization: Option<UnnamedEndpointLoadMetricStats> = [message, optional, tag = 13],
        application_utilization: Option<UnnamedEndpointLoadMetricStats> = [message, optional, tag = 14],
        load_metric_stats: Vec<EndpointLoadMetricStats> = [message, repeated, tag = 5],
        upstream_endpoint_stats: Vec<UpstreamEndpointStats> = [message, repeated, tag = 7],
        priority: u32 = [uint32, tag = 6],
    }
    UpstreamEndpointStats = "envoy.config.endpoint.v3.UpstreamEndpointStats" {
        address: Option<crate::core::Address> = [message, optional, tag = 1],
        metadata: Option<crate::wkt::Struct> = [message, optional, tag = 6],
        total_successful_requests: u64 = [uint64, tag = 2],
        total_requests_in_progress: u64 = [uint64, tag = 3],
        total_error_requests: u64 = [uint64, tag = 4],
        total_issued_requests: u64 = [uint64, tag = 7],
        load_metric_stats: Vec<EndpointLoadMetricStats> = [message, repeated, tag = 5],
    }
    EndpointLoadMetricStats = "envoy.config.endpoint.v3.EndpointLoadMetricStats" {
        metric_name: String = [string, tag = 1],
        num_requests_finished_with_metric: u64 = [uint64, tag = 2],
        total_metric_value: f64 = [double, tag = 3],
    }
    UnnamedEndpointLoadMetricStats = "envoy.config.endpoint.v3.UnnamedEndpointLoadMetricStats" {
        num_requests_finished_with_metric: u64 = [uint64, tag = 1],
        total_metric_value: f64 = [double, tag = 2],
    }
    ClusterStats = "envoy.config.endpoint.v3.ClusterStats" {
        cluster_name: String = [string, tag = 1],
        cluster_service_name: String = [string, tag = 6],
        upstream_locality_stats: Vec<UpstreamLocalityStats> = [message, repeated, tag = 2],
        total_dropped_requests: u64 = [uint64, tag = 3],
        dropped_requests: Vec<cluster_stats::DroppedRequests> = [message, repeated, tag = 5],
        load_report_interval: Option<crate::wkt::Duration> = [message, optional, tag = 4],
    }
}

/// Types inside [`Endpoint`](super::Endpoint).
pub mod endpoint {
    messages! {
        HealthCheckConfig = "envoy.config.endpoint.v3.Endpoint.HealthCheckConfig" {
            port_value: u32 = [uint32, tag = 1],
            hostname: String = [string, tag = 2],
            address: Option<crate::core::Address> = [message, optional, tag = 3],
            disable_active_health_check: bool = [bool, tag = 4],
        }
        AdditionalAddress = "envoy.config.endpoint.v3.Endpoint.AdditionalAddress" {
            address: Option<crate::core::Address> = [message, optional, tag = 1],
        }
    }
}

/// Types inside [`LbEndpoint`](super::LbEndpoint).
pub mod lb_endpoint {
    oneofs! {
        HostIdentifier = "envoy.config.endpoint.v3.LbEndpoint.host_identifier" {
            endpoint => Endpoint(super::Endpoint) = [message, tag = 1],
            endpoint_name => EndpointName(String) = [string, tag = 5],
        }
    }
}

/// Types inside [`LocalityLbEndpoints`](super::LocalityLbEndpoints).
pub mod locality_lb_endpoints {
    messages! {
        LbEndpointList = "envoy.config.endpoint.v3.LocalityLbEndpoints.LbEndpointList" {
            lb_endpoints: Vec<super::LbEndpoint> = [message, repeated, tag = 1],
        }
    }

    oneofs! {
        LbConfig = "envoy.config.endpoint.v3.LocalityLbEndpoints.lb_config" {
            load_balancer_endpoints => LoadBalancerEndpoints(LbEndpointList) = [message, tag = 7],
            leds_cluster_locality_config => LedsClusterLocalityConfig(super::LedsClusterLocalityConfig) =
                [message, tag = 8],
        }
    }
}

/// Types inside [`ClusterLoadAssignment`](super::ClusterLoadAssignment).
pub mod cluster_load_assignment {
    messages! {
        Policy = "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy" {
            drop_overloads: Vec<policy::DropOverload> = [message, repeated, tag = 2],
            overprovisioning_factor: Option<u32> = [message, optional, tag = 3],
            endpoint_stale_after: Option<crate::wkt::Duration> = [message, optional, tag = 4],
            weighted_priority_health: bool = [bool, tag = 6],
        }
    }

    /// Types inside [`Policy`](super::Policy).
    pub mod policy {
        messages! {
            DropOverload = "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload" {
                category: String = [string, tag = 1],
                drop_percentage: Option<crate::kind::FractionalPercent> = [message, optional, tag = 2],
            }
        }
    }
}

/// Types inside [`ClusterStats`](super::ClusterStats).
pub mod cluster_stats {
    messages! {
        DroppedRequests = "envoy.config.endpoint.v3.ClusterStats.DroppedRequests" {
            category: String = [string, tag = 1],
            dropped_count: u64 = [uint64, tag = 2],
        }
    }
}
