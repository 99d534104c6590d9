//! `envoy.config.cluster.v3`: upstream clusters.

use std::collections::BTreeMap;

messages! {
    CircuitBreakers = "envoy.config.cluster.v3.CircuitBreakers" {
        thresholds: Vec<circuit_breakers::Thresholds> = [message, repeated, tag = 1],
        per_host_thresholds: Vec<circuit_breakers::Thresholds> = [message, repeated, tag = 2],
    }
    OutlierDetection = "envoy.config.cluster.v3.OutlierDetection" {
        consecutive_5xx: Option<u32> = [message, optional, tag = 1],
        interval: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        base_ejection_time: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        max_ejection_percent: Option<u32> = [message, optional, tag = 4],
        enforcing_consecutive_5xx: Option<u32> = [message, optional, tag = 5],
        enforcing_success_rate: Option<u32> = [message, optional, tag = 6],
        success_rate_minimum_hosts: Option<u32> = [message, optional, tag = 7],
        success_rate_request_volume: Option<u32> = [message, optional, tag = 8],
        success_rate_stdev_factor: Option<u32> = [message, optional, tag = 9],
        consecutive_gateway_failure: Option<u32> = [message, optional, tag = 10],
        enforcing_consecutive_gateway_failure: Option<u32> = [message, optional, tag = 11],
        split_external_local_origin_errors: bool = [bool, tag = 12],
        consecutive_local_origin_failure: Option<u32> = [message, optional, tag = 13],
        enforcing_consecutive_local_origin_failure: Option<u32> = [message, optional, tag = 14],
        enforcing_local_origin_success_rate: Option<u32> = [message, optional, tag = 15],
        failure_percentage_threshold: Option<u32> = [message, optional, tag = 16],
        enforcing_failure_percentage: Option<u32> = [message, optional, tag = 17],
        enforcing_failure_percentage_local_origin: Option<u32> = [message, optional, tag = 18],
        failure_percentage_minimum_hosts: Option<u32> = [message, optional, tag = 19],
        failure_percentage_request_volume: Option<u32> = [message, optional, tag = 20],
        max_ejection_time: Option<crate::wkt::Duration> = [message, optional, tag = 21],
        max_ejection_time_jitter: Option<crate::wkt::Duration> = [message, optional, tag = 22],
        successful_active_health_check_uneject_host: Option<bool> = [message, optional, tag = 23],
        monitors: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 24],
        always_eject_one_host: Option<bool> = [message, optional, tag = 25],
        detect_degraded_hosts: Option<bool> = [message, optional, tag = 26],
    }
    ClusterCollection = "envoy.config.cluster.v3.ClusterCollection" {
        entries: Option<crate::cncf::CollectionEntry> = [message, optional, tag = 1],
    }
    Cluster = "envoy.config.cluster.v3.Cluster" {
        transport_socket_matches: Vec<cluster::TransportSocketMatch> = [message, repeated, tag = 43],
        transport_socket_matcher: Option<crate::cncf::Matcher> = [message, optional, tag = 59],
        name: String = [string, tag = 1],
        alt_stat_name: String = [string, tag = 28],
        stats_matcher: Option<crate::metrics::StatsMatcher> = [message, optional, tag = 61],
        cluster_discovery_type: Option<cluster::ClusterDiscoveryType> =
            [oneof = "cluster::ClusterDiscoveryType", tags(2, 38)],
        eds_cluster_config: Option<cluster::EdsClusterConfig> = [message, optional, tag = 3],
        connect_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 4],
        per_connection_buffer_limit_bytes: Option<u32> = [message, optional, tag = 5],
        per_connection_buffer_high_watermark_timeout: Option<crate::wkt::Duration> =
            [message, optional, tag = 60],
        lb_policy: i32 = [enumeration(cluster::LbPolicy), tag = 6],
        load_assignment: Option<crate::endpoint::ClusterLoadAssignment> = [message, optional, tag = 33],
        health_checks: Vec<crate::core::HealthCheck> = [message, repeated, tag = 8],
        max_requests_per_connection: Option<u32> = [message, optional, tag = 9],
        circuit_breakers: Option<CircuitBreakers> = [message, optional, tag = 10],
        upstream_http_protocol_options: Option<crate::core::UpstreamHttpProtocolOptions> =
            [message, optional, tag = 46],
        common_http_protocol_options: Option<crate::core::HttpProtocolOptions> =
            [message, optional, tag = 29],
        http_protocol_options: Option<crate::core::Http1ProtocolOptions> = [message, optional, tag = 13],
        http2_protocol_options: Option<crate::core::Http2ProtocolOptions> = [message, optional, tag = 14],
        typed_extension_protocol_options: BTreeMap<String, crate::wkt::Any> =
            [btree_map = "string, message", tag = 36],
        dns_refresh_rate: Option<crate::wkt::Duration> = [message, optional, tag = 16],
        dns_jitter: Option<crate::wkt::Duration> = [message, optional, tag = 58],
        dns_failure_refresh_rate: Option<cluster::RefreshRate> = [message, optional, tag = 44],
        respect_dns_ttl: bool = [bool, tag = 39],
        dns_lookup_family: i32 = [enumeration(cluster::DnsLookupFamily), tag = 17],
        dns_resolvers: Vec<crate::core::Address> = [message, repeated, tag = 18],
        use_tcp_for_dns_lookups: bool = [bool, tag = 45],
        dns_resolution_config: Option<crate::core::DnsResolutionConfig> = [message, optional, tag = 53],
        typed_dns_resolver_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 55],
        wait_for_warm_on_init: Option<bool> = [message, optional, tag = 54],
        outlier_detection: Option<OutlierDetection> = [message, optional, tag = 19],
        cleanup_interval: Option<crate::wkt::Duration> = [message, optional, tag = 20],
        upstream_bind_config: Option<crate::core::BindConfig> = [message, optional, tag = 21],
        lb_subset_config: Option<cluster::LbSubsetConfig> = [message, optional, tag = 22],
        lb_config: Option<cluster::LbConfig> = [oneof = "cluster::LbConfig", tags(23, 52, 34, 37, 56)],
        common_lb_config: Option<cluster::CommonLbConfig> = [message, optional, tag = 27],
        transport_socket: Option<crate::core::TransportSocket> = [message, optional, tag = 24],
        metadata: Option<crate::core::Metadata> = [message, optional, tag = 25],
        protocol_selection: i32 = [enumeration(cluster::ClusterProtocolSelection), tag = 26],
        upstream_connection_options: Option<UpstreamConnectionOptions> = [message, optional, tag = 30],
        close_connections_on_host_health_failure: bool = [bool, tag = 31],
        ignore_health_on_host_removal: bool = [bool, tag = 32],
        load_balancing_policy: Option<LoadBalancingPolicy> = [message, optional, tag = 41],
        lrs_server: Option<crate::core::ConfigSource> = [message, optional, tag = 42],
        lrs_report_endpoint_metrics: Vec<String> = [string, repeated, tag = 57],
        track_timeout_budgets: bool = [bool, tag = 47],
        upstream_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 48],
        track_cluster_stats: Option<TrackClusterStats> = [message, optional, tag = 49],
        preconnect_policy: Option<cluster::PreconnectPolicy> = [message, optional, tag = 50],
        connection_pool_per_downstream_connection: bool = [bool, tag = 51],
        queuing_policies: Option<cluster::QueuingPolicies> = [message, optional, tag = 62],
    }
    LoadBalancingPolicy = "envoy.config.cluster.v3.LoadBalancingPolicy" {
        policies: Vec<load_balancing_policy::Policy> = [message, repeated, tag = 1],
    }
    UpstreamConnectionOptions = "envoy.config.cluster.v3.UpstreamConnectionOptions" {
        tcp_keepalive: Option<crate::core::TcpKeepalive> = [message, optional, tag = 1],
        set_local_interface_name_on_upstream_connections: bool = [bool, tag = 2],
        happy_eyeballs_config: Option<upstream_connection_options::HappyEyeballsConfig> =
            [message, optional, tag = 3],
    }
    TrackClusterStats = "envoy.config.cluster.v3.TrackClusterStats" {
        timeout_budgets: bool = [bool, tag = 1],
        request_response_sizes: bool = [bool, tag = 2],
        per_endpoint_stats: bool = [bool, tag = 3],
    }
}

/// Types inside [`CircuitBreakers`](super::CircuitBreakers).
pub mod circuit_breakers {
    messages! {
        Thresholds = "envoy.config.cluster.v3.CircuitBreakers.Thresholds" {
            priority: i32 = [enumeration(crate::core::RoutingPriority), tag = 1],
            max_connections: Option<u32> = [message, optional, tag = 2],
            max_pending_requests: Option<u32> = [message, optional, tag = 3],
            max_requests: Option<u32> = [message, optional, tag = 4],
            max_retries: Option<u32> = [message, optional, tag = 5],
            retry_budget: Option<thresholds::RetryBudget> = [message, optional, tag = 8],
            track_remaining: bool = [bool, tag = 6],
            max_connection_pools: Option<u32> = [message, optional, tag = 7],
        }
    }

    /// Types inside [`Thresholds`](super::Thresholds).
    pub mod thresholds {
        messages! {
            RetryBudget = "envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget" {
                budget_percent: Option<crate::kind::Percent> = [message, optional, tag = 1],
                budget_interval: Option<crate::wkt::Duration> = [message, optional, tag = 3],
                min_retry_concurrency: Option<u32> = [message, optional, tag = 2],
            }
        }
    }
}

/// Types inside [`Cluster`](super::Cluster).
pub mod cluster {
    messages! {
        TransportSocketMatch = "envoy.config.cluster.v3.Cluster.TransportSocketMatch" {
            name: String = [string, tag = 1],
            r#match: Option<crate::wkt::Struct> = [message, optional, tag = 2],
            transport_socket: Option<crate::core::TransportSocket> = [message, optional, tag = 3],
        }
        CustomClusterType = "envoy.config.cluster.v3.Cluster.CustomClusterType" {
            name: String = [string, tag = 1],
            typed_config: Option<crate::wkt::Any> = [message, optional, tag = 2],
        }
        EdsClusterConfig = "envoy.config.cluster.v3.Cluster.EdsClusterConfig" {
            eds_config: Option<crate::core::ConfigSource> = [message, optional, tag = 1],
            service_name: String = [string, tag = 2],
        }
        LbSubsetConfig = "envoy.config.cluster.v3.Cluster.LbSubsetConfig" {
            fallback_policy: i32 = [enumeration(lb_subset_config::LbSubsetFallbackPolicy), tag = 1],
            default_subset: Option<crate::wkt::Struct> = [message, optional, tag = 2],
            subset_selectors: Vec<lb_subset_config::LbSubsetSelector> = [message, repeated, tag = 3],
            locality_weight_aware: bool = [bool, tag = 4],
            scale_locality_weight: bool = [bool, tag = 5],
            panic_mode_any: bool = [bool, tag = 6],
            list_as_any: bool = [bool, tag = 7],
            metadata_fallback_policy: i32 =
                [enumeration(lb_subset_config::LbSubsetMetadataFallbackPolicy), tag = 8],
        }
        SlowStartConfig = "envoy.config.cluster.v3.Cluster.SlowStartConfig" {
            slow_start_window: Option<crate::wkt::Duration> = [message, optional, tag = 1],
            aggression: Option<crate::core::RuntimeDouble> = [message, optional, tag = 2],
            min_weight_percent: Option<crate::kind::Percent> = [message, optional, tag = 3],
        }
        RoundRobinLbConfig = "envoy.config.cluster.v3.Cluster.RoundRobinLbConfig" {
            slow_start_config: Option<SlowStartConfig> = [message, optional, tag = 1],
        }
        LeastRequestLbConfig = "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig" {
            choice_count: Option<u32> = [message, optional, tag = 1],
            active_request_bias: Option<crate::core::RuntimeDouble> = [message, optional, tag = 2],
            slow_start_config: Option<SlowStartConfig> = [message, optional, tag = 3],
        }
        RingHashLbConfig = "envoy.config.cluster.v3.Cluster.RingHashLbConfig" {
            minimum_ring_size: Option<u64> = [message, optional, tag = 1],
            hash_function: i32 = [enumeration(ring_hash_lb_config::HashFunction), tag = 3],
            maximum_ring_size: Option<u64> = [message, optional, tag = 4],
        }
        MaglevLbConfig = "envoy.config.cluster.v3.Cluster.MaglevLbConfig" {
            table_size: Option<u64> = [message, optional, tag = 1],
        }
        OriginalDstLbConfig = "envoy.config.cluster.v3.Cluster.OriginalDstLbConfig" {
            use_http_header: bool = [bool, tag = 1],
            http_header_name: String = [string, tag = 2],
            upstream_port_override: Option<u32> = [message, optional, tag = 3],
            metadata_key: Option<crate::kind::MetadataKey> = [message, optional, tag = 4],
        }
        CommonLbConfig = "envoy.config.cluster.v3.Cluster.CommonLbConfig" {
            healthy_panic_threshold: Option<crate::kind::Percent> = [message, optional, tag = 1],
            locality_config_specifier: Option<common_lb_config::LocalityConfigSpecifier> =
                [oneof = "common_lb_config::LocalityConfigSpecifier", tags(2, 3)],
            update_merge_window: Option<crate::wkt::Duration> = [message, optional, tag = 4],
            ignore_new_hosts_until_first_hc: bool = [bool, tag = 5],
            close_connections_on_host_set_change: bool = [bool, tag = 6],
            consistent_hashing_lb_config: Option<common_lb_config::ConsistentHashingLbConfig> =
                [message, optional, tag = 7],
            override_host_status: Option<crate::core::HealthStatusSet> = [message, optional, tag = 8],
        }
        RefreshRate = "envoy.config.cluster.v3.Cluster.RefreshRate" {
            base_interval: Option<crate::wkt::Duration> = [message, optional, tag = 1],
            max_interval: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        }
        PreconnectPolicy = "envoy.config.cluster.v3.Cluster.PreconnectPolicy" {
            per_upstream_preconnect_ratio: Option<f64> = [message, optional, tag = 1],
            predictive_preconnect_ratio: Option<f64> = [message, optional, tag = 2],
            preconnect_enabled_metadata: Option<crate::kind::MetadataMatcher> = [message, optional, tag = 3],
        }
        QueuingPolicies = "envoy.config.cluster.v3.Cluster.QueuingPolicies" {
            pending_rq_policy: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 1],
        }
    }

    enums! {
        DiscoveryType = "envoy.config.cluster.v3.Cluster.DiscoveryType" {
            Static = 0, "STATIC";
            StrictDns = 1, "STRICT_DNS";
            LogicalDns = 2, "LOGICAL_DNS";
            Eds = 3, "EDS";
            OriginalDst = 4, "ORIGINAL_DST";
        }
        LbPolicy = "envoy.config.cluster.v3.Cluster.LbPolicy" {
            RoundRobin = 0, "ROUND_ROBIN";
            LeastRequest = 1, "LEAST_REQUEST";
            RingHash = 2, "RING_HASH";
            Random = 3, "RANDOM";
            Maglev = 5, "MAGLEV";
            ClusterProvided = 6, "CLUSTER_PROVIDED";
            LoadBalancingPolicyConfig = 7, "LOAD_BALANCING_POLICY_CONFIG";
        }
        DnsLookupFamily = "envoy.config.cluster.v3.Cluster.DnsLookupFamily" {
            Auto = 0, "AUTO";
            V4Only = 1, "V4_ONLY";
            V6Only = 2, "V6_ONLY";
            V4Preferred = 3, "V4_PREFERRED";
            All = 4, "ALL";
        }
        ClusterProtocolSelection = "envoy.config.cluster.v3.Cluster.ClusterProtocolSelection" {
            UseConfiguredProtocol = 0, "USE_CONFIGURED_PROTOCOL";
            UseDownstreamProtocol = 1, "USE_DOWNSTREAM_PROTOCOL";
        }
    }

    oneofs! {
        ClusterDiscoveryType = "envoy.config.cluster.v3.Cluster.cluster_discovery_type" {
            r#type => Type(i32) = [enumeration(DiscoveryType), tag = 2],
            cluster_type => ClusterType(CustomClusterType) = [message, tag = 38],
        }
        LbConfig = "envoy.config.cluster.v3.Cluster.lb_config" {
            ring_hash_lb_config => RingHashLbConfig(RingHashLbConfig) = [message, tag = 23],
            maglev_lb_config => MaglevLbConfig(MaglevLbConfig) = [message, tag = 52],
            original_dst_lb_config => OriginalDstLbConfig(OriginalDstLbConfig) = [message, tag = 34],
            least_request_lb_config => LeastRequestLbConfig(LeastRequestLbConfig) = [message, tag = 37],
            round_robin_lb_config => RoundRobinLbConfig(RoundRobinLbConfig) = [message, tag = 56],
        }
    }

    /// Types inside [`LbSubsetConfig`](super::LbSubsetConfig).
    pub mod lb_subset_config {
        messages! {
            LbSubsetSelector = "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector" {
                keys: Vec<String> = [string, repeated, tag = 1],
                single_host_per_subset: bool = [bool, tag = 4],
                fallback_policy: i32 =
                    [enumeration(lb_subset_selector::LbSubsetSelectorFallbackPolicy), tag = 2],
                fallback_keys_subset: Vec<String> = [string, repeated, tag = 3],
            }
        }

        enums! {
            LbSubsetFallbackPolicy = "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetFallbackPolicy" {
                NoFallback = 0, "NO_FALLBACK";
                AnyEndpoint = 1, "ANY_ENDPOINT";
                DefaultSubset = 2, "DEFAULT_SUBSET";
            }
            LbSubsetMetadataFallbackPolicy = "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetMetadataFallbackPolicy" {
                MetadataNoFallback = 0, "METADATA_NO_FALLBACK";
                FallbackList = 1, "FALLBACK_LIST";
            }
        }

        /// Types inside [`LbSubsetSelector`](super::LbSubsetSelector).
        pub mod lb_subset_selector {
            enums! {
                LbSubsetSelectorFallbackPolicy = "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector.LbSubsetSelectorFallbackPolicy" {
                    NotDefined = 0, "NOT_DEFINED";
                    NoFallback = 1, "NO_FALLBACK";
                    AnyEndpoint = 2, "ANY_ENDPOINT";
                    DefaultSubset = 3, "DEFAULT_SUBSET";
                    KeysSubset = 4, "KEYS_SUBSET";
                }
            }
        }
    }

    /// Types inside [`RingHashLbConfig`](super::RingHashLbConfig).
    pub mod ring_hash_lb_config {
        enums! {
            HashFunction = "envoy.config.cluster.v3.Cluster.RingHashLbConfig.HashFunction" {
                XxHash = 0, "XX_HASH";
                MurmurHash2 = 1, "MURMUR_HASH_2";
            }
        }
    }

    /// Types inside [`CommonLbConfig`](super::CommonLbConfig).
    pub mod common_lb_config {
        messages! {
            ZoneAwareLbConfig = "envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig" {
                routing_enabled: Option<crate::kind::Percent> = [message, optional, tag = 1],
                min_cluster_size: Option<u64> = [message, optional, tag = 2],
                fail_traffic_on_panic: bool = [bool, tag = 3],
            }
            LocalityWeightedLbConfig = "envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig" {}
            ConsistentHashingLbConfig = "envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig" {
                use_hostname_for_hashing: bool = [bool, tag = 1],
                hash_balance_factor: Option<u32> = [message, optional, tag = 2],
            }
        }

        oneofs! {
            LocalityConfigSpecifier = "envoy.config.cluster.v3.Cluster.CommonLbConfig.locality_config_specifier" {
                zone_aware_lb_config => ZoneAwareLbConfig(ZoneAwareLbConfig) = [message, tag = 2],
                locality_weighted_lb_config => LocalityWeightedLbConfig(LocalityWeightedLbConfig) =
                    [message, tag = 3],
            }
        }
    }
}

/// Types inside [`LoadBalancingPolicy`](super::LoadBalancingPolicy).
pub mod load_balancing_policy {
    messages! {
        Policy = "envoy.config.cluster.v3.LoadBalancingPolicy.Policy" {
            typed_extension_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 4],
        }
    }
}

/// Types inside [`UpstreamConnectionOptions`](super::UpstreamConnectionOptions).
pub mod upstream_connection_options {
    messages! {
        HappyEyeballsConfig = "envoy.config.cluster.v3.UpstreamConnectionOptions.HappyEyeballsConfig" {
            first_address_family_version: i32 = [enumeration(FirstAddressFamilyVersion), tag = 1],
            first_address_family_count: Option<u32> = [message, optional, tag = 2],
        }
    }

    enums! {
        FirstAddressFamilyVersion = "envoy.config.cluster.v3.UpstreamConnectionOptions.FirstAddressFamilyVersion" {
            Default = 0, "DEFAULT";
            V4 = 1, "V4";
            V6 = 2, "V6";
            Pipe = 3, "PIPE";
            Internal = 4, "INTERNAL";
        }
    }
}
