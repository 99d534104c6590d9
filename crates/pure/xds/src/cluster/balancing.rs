//! `envoy.extensions.load_balancing_policies`: how a host is picked.

messages! {
    LocalityLbConfig = "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig" {
        locality_config_specifier: Option<locality_lb_config::LocalityConfigSpecifier> =
            [oneof = "locality_lb_config::LocalityConfigSpecifier", tags(1, 2)],
    }
    SlowStartConfig = "envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig" {
        slow_start_window: Option<crate::wkt::Duration> = [message, optional, tag = 1],
        aggression: Option<crate::core::RuntimeDouble> = [message, optional, tag = 2],
        min_weight_percent: Option<crate::kind::Percent> = [message, optional, tag = 3],
    }
    ConsistentHashingLbConfig = "envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig" {
        use_hostname_for_hashing: bool = [bool, tag = 1],
        hash_balance_factor: Option<u32> = [message, optional, tag = 2],
        hash_policy: Vec<crate::route::route_action::HashPolicy> = [message, repeated, tag = 3],
    }
    OrcaOobReportingConfig = "envoy.extensions.load_balancing_policies.common.v3.OrcaOobReportingConfig" {
        port_value: u32 = [uint32, tag = 1],
        authority: String = [string, tag = 2],
        transport_socket_match_criteria: Option<crate::wkt::Struct> = [message, optional, tag = 3],
    }
    ClientSideWeightedRoundRobin = "envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin" {
        enable_oob_load_report: Option<bool> = [message, optional, tag = 1],
        oob_reporting_period: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        blackout_period: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        weight_expiration_period: Option<crate::wkt::Duration> = [message, optional, tag = 4],
        weight_update_period: Option<crate::wkt::Duration> = [message, optional, tag = 5],
        error_utilization_penalty: Option<f32> = [message, optional, tag = 6],
        metric_names_for_computing_utilization: Vec<String> = [string, repeated, tag = 7],
        slow_start_config: Option<SlowStartConfig> = [message, optional, tag = 8],
        oob_reporting_config: Option<OrcaOobReportingConfig> = [message, optional, tag = 9],
    }
    ClusterProvided = "envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided" {}
    LeastRequest = "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest" {
        choice_count: Option<u32> = [message, optional, tag = 1],
        active_request_bias: Option<crate::core::RuntimeDouble> = [message, optional, tag = 2],
        slow_start_config: Option<SlowStartConfig> = [message, optional, tag = 3],
        locality_lb_config: Option<LocalityLbConfig> = [message, optional, tag = 4],
        enable_full_scan: Option<bool> = [message, optional, tag = 5],
        selection_method: i32 = [enumeration(least_request::SelectionMethod), tag = 6],
    }
    Maglev = "envoy.extensions.load_balancing_policies.maglev.v3.Maglev" {
        table_size: Option<u64> = [message, optional, tag = 1],
        consistent_hashing_lb_config: Option<ConsistentHashingLbConfig> = [message, optional, tag = 2],
        locality_weighted_lb_config: Option<locality_lb_config::LocalityWeightedLbConfig> =
            [message, optional, tag = 3],
    }
    OverrideHost = "envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost" {
        override_host_sources: Vec<override_host::OverrideHostSource> = [message, repeated, tag = 1],
        selected_host_key: Option<crate::kind::MetadataKey> = [message, optional, tag = 2],
        fallback_policy: Option<crate::cluster::LoadBalancingPolicy> = [message, optional, tag = 3],
    }
    PickFirst = "envoy.extensions.load_balancing_policies.pick_first.v3.PickFirst" {
        shuffle_address_list: bool = [bool, tag = 1],
    }
    Random = "envoy.extensions.load_balancing_policies.random.v3.Random" {
        locality_lb_config: Option<LocalityLbConfig> = [message, optional, tag = 1],
    }
    RingHash = "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash" {
        hash_function: i32 = [enumeration(ring_hash::HashFunction), tag = 1],
        minimum_ring_size: Option<u64> = [message, optional, tag = 2],
        maximum_ring_size: Option<u64> = [message, optional, tag = 3],
        use_hostname_for_hashing: bool = [bool, tag = 4],
        hash_balance_factor: Option<u32> = [message, optional, tag = 5],
        consistent_hashing_lb_config: Option<ConsistentHashingLbConfig> = [message, optional, tag = 6],
        locality_weighted_lb_config: Option<locality_lb_config::LocalityWeightedLbConfig> =
            [message, optional, tag = 7],
    }
    RoundRobin = "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin" {
        slow_start_config: Option<SlowStartConfig> = [message, optional, tag = 1],
        locality_lb_config: Option<LocalityLbConfig> = [message, optional, tag = 2],
    }
    Subset = "envoy.extensions.load_balancing_policies.subset.v3.Subset" {
        fallback_policy: i32 = [enumeration(subset::LbSubsetFallbackPolicy), tag = 1],
        default_subset: Option<crate::wkt::Struct> = [message, optional, tag = 2],
        subset_selectors: Vec<subset::LbSubsetSelector> = [message, repeated, tag = 3],
        allow_redundant_keys: bool = [bool, tag = 10],
        locality_weight_aware: bool = [bool, tag = 4],
        scale_locality_weight: bool = [bool, tag = 5],
        panic_mode_any: bool = [bool, tag = 6],
        list_as_any: bool = [bool, tag = 7],
        metadata_fallback_policy: i32 = [enumeration(subset::LbSubsetMetadataFallbackPolicy), tag = 8],
        subset_lb_policy: Option<crate::cluster::LoadBalancingPolicy> = [message, optional, tag = 9],
    }
    WrrLocality = "envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality" {
        endpoint_picking_policy: Option<crate::cluster::LoadBalancingPolicy> = [message, optional, tag = 1],
    }
}

/// Types inside [`LocalityLbConfig`](super::LocalityLbConfig).
pub mod locality_lb_config {
    messages! {
        ZoneAwareLbConfig = "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig" {
            routing_enabled: Option<crate::kind::Percent> = [message, optional, tag = 1],
            min_cluster_size: Option<u64> = [message, optional, tag = 2],
            fail_traffic_on_panic: bool = [bool, tag = 3],
            force_locality_direct_routing: bool = [bool, tag = 4],
            force_local_zone: Option<zone_aware_lb_config::ForceLocalZone> = [message, optional, tag = 5],
            locality_basis: i32 = [enumeration(zone_aware_lb_config::LocalityBasis), tag = 6],
        }
        LocalityWeightedLbConfig = "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.LocalityWeightedLbConfig" {}
    }

    oneofs! {
        LocalityConfigSpecifier = "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.locality_config_specifier" {
            zone_aware_lb_config => ZoneAwareLbConfig(ZoneAwareLbConfig) = [message, tag = 1],
            locality_weighted_lb_config => LocalityWeightedLbConfig(LocalityWeightedLbConfig) =
                [message, tag = 2],
        }
    }

    /// Types inside [`ZoneAwareLbConfig`](super::ZoneAwareLbConfig).
    pub mod zone_aware_lb_config {
        messages! {
            ForceLocalZone = "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone" {
                min_size: Option<u32> = [message, optional, tag = 1],
            }
        }

        enums! {
            LocalityBasis = "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.LocalityBasis" {
                HealthyHostsNum = 0, "HEALTHY_HOSTS_NUM";
                HealthyHostsWeight = 1, "HEALTHY_HOSTS_WEIGHT";
            }
        }
    }
}

/// Types inside [`LeastRequest`](super::LeastRequest).
pub mod least_request {
    enums! {
        SelectionMethod = "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest.SelectionMethod" {
            NChoices = 0, "N_CHOICES";
            FullScan = 1, "FULL_SCAN";
        }
    }
}

/// Types inside [`OverrideHost`](super::OverrideHost).
pub mod override_host {
    messages! {
        OverrideHostSource = "envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost.OverrideHostSource" {
            header: String = [string, tag = 1],
            metadata: Option<crate::kind::MetadataKey> = [message, optional, tag = 2],
        }
    }
}

/// Types inside [`RingHash`](super::RingHash).
pub mod ring_hash {
    enums! {
        HashFunction = "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash.HashFunction" {
            DefaultHash = 0, "DEFAULT_HASH";
            XxHash = 1, "XX_HASH";
            MurmurHash2 = 2, "MURMUR_HASH_2";
        }
    }
}

/// Types inside [`Subset`](super::Subset).
pub mod subset {
    messages! {
        LbSubsetSelector = "envoy.extensions.load_balancing_policies.subset.v3.Subset.LbSubsetSelector" {
            keys: Vec<String> = [string, repeated, tag = 1],
            single_host_per_subset: bool = [bool, tag = 4],
            fallback_policy: i32 = [enumeration(lb_subset_selector::LbSubsetSelectorFallbackPolicy), tag = 2],
            fallback_keys_subset: Vec<String> = [string, repeated, tag = 3],
        }
    }

    enums! {
        LbSubsetFallbackPolicy = "envoy.extensions.load_balancing_policies.subset.v3.Subset.LbSubsetFallbackPolicy" {
            NoFallback = 0, "NO_FALLBACK";
            AnyEndpoint = 1, "ANY_ENDPOINT";
            DefaultSubset = 2, "DEFAULT_SUBSET";
        }
        LbSubsetMetadataFallbackPolicy = "envoy.extensions.load_balancing_policies.subset.v3.Subset.LbSubsetMetadataFallbackPolicy" {
            MetadataNoFallback = 0, "METADATA_NO_FALLBACK";
            FallbackList = 1, "FALLBACK_LIST";
        }
    }

    /// Types inside [`LbSubsetSelector`](super::LbSubsetSelector).
    pub mod lb_subset_selector {
        enums! {
            LbSubsetSelectorFallbackPolicy = "envoy.extensions.load_balancing_policies.subset.v3.Subset.LbSubsetSelector.LbSubsetSelectorFallbackPolicy" {
                NotDefined = 0, "NOT_DEFINED";
                NoFallback = 1, "NO_FALLBACK";
                AnyEndpoint = 2, "ANY_ENDPOINT";
                DefaultSubset = 3, "DEFAULT_SUBSET";
                KeysSubset = 4, "KEYS_SUBSET";
            }
        }
    }
}
