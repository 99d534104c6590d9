//! `envoy.admin.v3`: what the admin port answers.

messages! {
    SimpleMetric = "envoy.admin.v3.SimpleMetric" {
        r#type: i32 = [enumeration(simple_metric::Type), tag = 1],
        value: u64 = [uint64, tag = 2],
        name: String = [string, tag = 3],
    }
    Clusters = "envoy.admin.v3.Clusters" {
        cluster_statuses: Vec<ClusterStatus> = [message, repeated, tag = 1],
    }
    ClusterStatus = "envoy.admin.v3.ClusterStatus" {
        name: String = [string, tag = 1],
        added_via_api: bool = [bool, tag = 2],
        success_rate_ejection_threshold: Option<crate::kind::Percent> = [message, optional, tag = 3],
        host_statuses: Vec<HostStatus> = [message, repeated, tag = 4],
        local_origin_success_rate_ejection_threshold: Option<crate::kind::Percent> =
            [message, optional, tag = 5],
        circuit_breakers: Option<crate::cluster::CircuitBreakers> = [message, optional, tag = 6],
        observability_name: String = [string, tag = 7],
        eds_service_name: String = [string, tag = 8],
    }
    HostStatus = "envoy.admin.v3.HostStatus" {
        address: Option<crate::core::Address> = [message, optional, tag = 1],
        stats: Vec<SimpleMetric> = [message, repeated, tag = 2],
        health_status: Option<HostHealthStatus> = [message, optional, tag = 3],
        success_rate: Option<crate::kind::Percent> = [message, optional, tag = 4],
        weight: u32 = [uint32, tag = 5],
        hostname: String = [string, tag = 6],
        priority: u32 = [uint32, tag = 7],
        local_origin_success_rate: Option<crate::kind::Percent> = [message, optional, tag = 8],
        locality: Option<crate::core::Locality> = [message, optional, tag = 9],
    }
    HostHealthStatus = "envoy.admin.v3.HostHealthStatus" {
        failed_active_health_check: bool = [bool, tag = 1],
        failed_outlier_check: bool = [bool, tag = 2],
        failed_active_degraded_check: bool = [bool, tag = 4],
        pending_dynamic_removal: bool = [bool, tag = 5],
        pending_active_hc: bool = [bool, tag = 6],
        excluded_via_immediate_hc_fail: bool = [bool, tag = 7],
        active_hc_timeout: bool = [bool, tag = 8],
        failed_degraded_outlier_detection: bool = [bool, tag = 9],
        eds_health_status: i32 = [enumeration(crate::core::HealthStatus), tag = 3],
    }
    UpdateFailureState = "envoy.admin.v3.UpdateFailureState" {
        failed_configuration: Option<crate::wkt::Any> = [message, optional, tag = 1],
        last_update_attempt: Option<crate::wkt::Timestamp> = [message, optional, tag = 2],
        details: String = [string, tag = 3],
        version_info: String = [string, tag = 4],
    }
    ListenersConfigDump = "envoy.admin.v3.ListenersConfigDump" {
        version_info: String = [string, tag = 1],
        static_listeners: Vec<listeners_config_dump::StaticListener> = [message, repeated, tag = 2],
        dynamic_listeners: Vec<listeners_config_dump::DynamicListener> = [message, repeated, tag = 3],
    }
    ClustersConfigDump = "envoy.admin.v3.ClustersConfigDump" {
        version_info: String = [string, tag = 1],
        static_clusters: Vec<clusters_config_dump::StaticCluster> = [message, repeated, tag = 2],
        dynamic_active_clusters: Vec<clusters_config_dump::DynamicCluster> = [message, repeated, tag = 3],
        dynamic_warming_clusters: Vec<clusters_config_dump::DynamicCluster> = [message, repeated, tag = 4],
    }
    RoutesConfigDump = "envoy.admin.v3.RoutesConfigDump" {
        static_route_configs: Vec<routes_config_dump::StaticRouteConfig> = [message, repeated, tag = 2],
        dynamic_route_configs: Vec<routes_config_dump::DynamicRouteConfig> = [message, repeated, tag = 3],
    }
    ScopedRoutesConfigDump = "envoy.admin.v3.ScopedRoutesConfigDump" {
        inline_scoped_route_configs: Vec<scoped_routes_config_dump::InlineScopedRouteConfigs> =
            [message, repeated, tag = 1],
        dynamic_scoped_route_configs: Vec<scoped_routes_config_dump::DynamicScopedRouteConfigs> =
            [message, repeated, tag = 2],
    }
    EndpointsConfigDump = "envoy.admin.v3.EndpointsConfigDump" {
        static_endpoint_configs: Vec<endpoints_config_dump::StaticEndpointConfig> =
            [message, repeated, tag = 2],
        dynamic_endpoint_configs: Vec<endpoints_config_dump::DynamicEndpointConfig> =
            [message, repeated, tag = 3],
    }
    ConfigDump = "envoy.admin.v3.ConfigDump" {
        configs: Vec<crate::wkt::Any> = [message, repeated, tag = 1],
    }
    BootstrapConfigDump = "envoy.admin.v3.BootstrapConfigDump" {
        bootstrap: Option<crate::bootstrap::Bootstrap> = [message, optional, tag = 1],
        last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 2],
    }
    SecretsConfigDump = "envoy.admin.v3.SecretsConfigDump" {
        static_secrets: Vec<secrets_config_dump::StaticSecret> = [message, repeated, tag = 1],
        dynamic_active_secrets: Vec<secrets_config_dump::DynamicSecret> = [message, repeated, tag = 2],
        dynamic_warming_secrets: Vec<secrets_config_dump::DynamicSecret> = [message, repeated, tag = 3],
    }
    Listeners = "envoy.admin.v3.Listeners" {
        listener_statuses: Vec<ListenerStatus> = [message, repeated, tag = 1],
    }
    ListenerStatus = "envoy.admin.v3.ListenerStatus" {
        name: String = [string, tag = 1],
        local_address: Option<crate::core::Address> = [message, optional, tag = 2],
        additional_local_addresses: Vec<crate::core::Address> = [message, repeated, tag = 3],
    }
    ServerInfo = "envoy.admin.v3.ServerInfo" {
        version: String = [string, tag = 1],
        state: i32 = [enumeration(server_info::State), tag = 2],
        uptime_current_epoch: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        uptime_all_epochs: Option<crate::wkt::Duration> = [message, optional, tag = 4],
        hot_restart_version: String = [string, tag = 5],
        command_line_options: Option<CommandLineOptions> = [message, optional, tag = 6],
        node: Option<crate::core::Node> = [message, optional, tag = 7],
        hot_restart_initializing: bool = [bool, tag = 8],
    }
    CommandLineOptions = "envoy.admin.v3.CommandLineOptions" {
        base_id: u64 = [uint64, tag = 1],
        use_dynamic_base_id: bool = [bool, tag = 31],
        skip_hot_restart_on_no_parent: bool = [bool, tag = 39],
        skip_hot_restart_parent_stats: bool = [bool, tag = 40],
        base_id_path: String = [string, tag = 32],
        concurrency: u32 = [uint32, tag = 2],
        config_path: String = [string, tag = 3],
        config_yaml: String = [string, tag = 4],
        allow_unknown_static_fields: bool = [bool, tag = 5],
        reject_unknown_dynamic_fields: bool = [bool, tag = 26],
        ignore_unknown_dynamic_fields: bool = [bool, tag = 30],
        skip_deprecated_logs: bool = [bool, tag = 41],
        admin_address_path: String = [string, tag = 6],
        local_address_ip_version: i32 = [enumeration(command_line_options::IpVersion), tag = 7],
        log_level: String = [string, tag = 8],
        component_log_level: String = [string, tag = 9],
        log_format: String = [string, tag = 10],
        log_format_escaped: bool = [bool, tag = 27],
        log_path: String = [string, tag = 11],
        service_cluster: String = [string, tag = 13],
        service_node: String = [string, tag = 14],
        service_zone: String = [string, tag = 15],
        file_flush_interval: Option<crate::wkt::Duration> = [message, optional, tag = 16],
        file_flush_min_size: u32 = [uint32, tag = 42],
        drain_time: Option<crate::wkt::Duration> = [message, optional, tag = 17],
        drain_strategy: i32 = [enumeration(command_line_options::DrainStrategy), tag = 33],
        parent_shutdown_time: Option<crate::wkt::Duration> = [message, optional, tag = 18],
        mode: i32 = [enumeration(command_line_options::Mode), tag = 19],
        disable_hot_restart: bool = [bool, tag = 22],
        enable_mutex_tracing: bool = [bool, tag = 23],
        restart_epoch: u32 = [uint32, tag = 24],
        cpuset_threads: bool = [bool, tag = 25],
        disabled_extensions: Vec<String> = [string, repeated, tag = 28],
        enable_fine_grain_logging: bool = [bool, tag = 34],
        log_stacktrace_single_entry: bool = [bool, tag = 43],
        socket_path: String = [string, tag = 35],
        socket_mode: u32 = [uint32, tag = 36],
        enable_core_dump: bool = [bool, tag = 37],
        stats_tag: Vec<String> = [string, repeated, tag = 38],
    }
}

enums! {
    ClientResourceStatus = "envoy.admin.v3.ClientResourceStatus" {
        Unknown = 0, "UNKNOWN";
        Requested = 1, "REQUESTED";
        DoesNotExist = 2, "DOES_NOT_EXIST";
        Acked = 3, "ACKED";
        Nacked = 4, "NACKED";
        ReceivedError = 5, "RECEIVED_ERROR";
        Timeout = 6, "TIMEOUT";
    }
}

/// Types inside [`SimpleMetric`](super::SimpleMetric).
pub mod simple_metric {
    enums! {
        Type = "envoy.admin.v3.SimpleMetric.Type" {
            Counter = 0, "COUNTER";
            Gauge = 1, "GAUGE";
        }
    }
}

/// Types inside [`ListenersConfigDump`](super::ListenersConfigDump).
pub mod listeners_config_dump {
    messages! {
        StaticListener = "envoy.admin.v3.ListenersConfigDump.StaticListener" {
            listener: Option<crate::wkt::Any> = [message, optional, tag = 1],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 2],
        }
        DynamicListenerState = "envoy.admin.v3.ListenersConfigDump.DynamicListenerState" {
            version_info: String = [string, tag = 1],
            listener: Option<crate::wkt::Any> = [message, optional, tag = 2],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 3],
        }
        DynamicListener = "envoy.admin.v3.ListenersConfigDump.DynamicListener" {
            name: String = [string, tag = 1],
            active_state: Option<DynamicListenerState> = [message, optional, tag = 2],
            warming_state: Option<DynamicListenerState> = [message, optional, tag = 3],
            draining_state: Option<DynamicListenerState> = [message, optional, tag = 4],
            error_state: Option<super::UpdateFailureState> = [message, optional, tag = 5],
            client_status: i32 = [enumeration(super::ClientResourceStatus), tag = 6],
        }
    }
}

/// Types inside [`ClustersConfigDump`](super::ClustersConfigDump).
pub mod clusters_config_dump {
    messages! {
        StaticCluster = "envoy.admin.v3.ClustersConfigDump.StaticCluster" {
            cluster: Option<crate::wkt::Any> = [message, optional, tag = 1],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 2],
        }
        DynamicCluster = "envoy.admin.v3.ClustersConfigDump.DynamicCluster" {
            version_info: String = [string, tag = 1],
            cluster: Option<crate::wkt::Any> = [message, optional, tag = 2],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 3],
            error_state: Option<super::UpdateFailureState> = [message, optional, tag = 4],
            client_status: i32 = [enumeration(super::ClientResourceStatus), tag = 5],
        }
    }
}

/// Types inside [`RoutesConfigDump`](super::RoutesConfigDump).
pub mod routes_config_dump {
    messages! {
        StaticRouteConfig = "envoy.admin.v3.RoutesConfigDump.StaticRouteConfig" {
            route_config: Option<crate::wkt::Any> = [message, optional, tag = 1],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 2],
        }
        DynamicRouteConfig = "envoy.admin.v3.RoutesConfigDump.DynamicRouteConfig" {
            version_info: String = [string, tag = 1],
            route_config: Option<crate::wkt::Any> = [message, optional, tag = 2],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 3],
            error_state: Option<super::UpdateFailureState> = [message, optional, tag = 4],
            client_status: i32 = [enumeration(super::ClientResourceStatus), tag = 5],
        }
    }
}

/// Types inside [`ScopedRoutesConfigDump`](super::ScopedRoutesConfigDump).
pub mod scoped_routes_config_dump {
    messages! {
        InlineScopedRouteConfigs = "envoy.admin.v3.ScopedRoutesConfigDump.InlineScopedRouteConfigs" {
            name: String = [string, tag = 1],
            scoped_route_configs: Vec<crate::wkt::Any> = [message, repeated, tag = 2],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 3],
        }
        DynamicScopedRouteConfigs = "envoy.admin.v3.ScopedRoutesConfigDump.DynamicScopedRouteConfigs" {
            name: String = [string, tag = 1],
            version_info: String = [string, tag = 2],
            scoped_route_configs: Vec<crate::wkt::Any> = [message, repeated, tag = 3],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 4],
            error_state: Option<super::UpdateFailureState> = [message, optional, tag = 5],
            client_status: i32 = [enumeration(super::ClientResourceStatus), tag = 6],
        }
    }
}

/// Types inside [`EndpointsConfigDump`](super::EndpointsConfigDump).
pub mod endpoints_config_dump {
    messages! {
        StaticEndpointConfig = "envoy.admin.v3.EndpointsConfigDump.StaticEndpointConfig" {
            endpoint_config: Option<crate::wkt::Any> = [message, optional, tag = 1],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 2],
        }
        DynamicEndpointConfig = "envoy.admin.v3.EndpointsConfigDump.DynamicEndpointConfig" {
            version_info: String = [string, tag = 1],
            endpoint_config: Option<crate::wkt::Any> = [message, optional, tag = 2],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 3],
            error_state: Option<super::UpdateFailureState> = [message, optional, tag = 4],
            client_status: i32 = [enumeration(super::ClientResourceStatus), tag = 5],
        }
    }
}

/// Types inside [`SecretsConfigDump`](super::SecretsConfigDump).
pub mod secrets_config_dump {
    messages! {
        DynamicSecret = "envoy.admin.v3.SecretsConfigDump.DynamicSecret" {
            name: String = [string, tag = 1],
            version_info: String = [string, tag = 2],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 3],
            secret: Option<crate::wkt::Any> = [message, optional, tag = 4],
            error_state: Option<super::UpdateFailureState> = [message, optional, tag = 5],
            client_status: i32 = [enumeration(super::ClientResourceStatus), tag = 6],
        }
        StaticSecret = "envoy.admin.v3.SecretsConfigDump.StaticSecret" {
            name: String = [string, tag = 1],
            last_updated: Option<crate::wkt::Timestamp> = [message, optional, tag = 2],
            secret: Option<crate::wkt::Any> = [message, optional, tag = 3],
        }
    }
}

/// Types inside [`ServerInfo`](super::ServerInfo).
pub mod server_info {
    enums! {
        State = "envoy.admin.v3.ServerInfo.State" {
            Live = 0, "LIVE";
            Draining = 1, "DRAINING";
            PreInitializing = 2, "PRE_INITIALIZING";
            Initializing = 3, "INITIALIZING";
        }
    }
}

/// Types inside [`CommandLineOptions`](super::CommandLineOptions).
pub mod command_line_options {
    enums! {
        IpVersion = "envoy.admin.v3.CommandLineOptions.IpVersion" {
            V4 = 0, "v4";
            V6 = 1, "v6";
        }
        Mode = "envoy.admin.v3.CommandLineOptions.Mode" {
            Serve = 0, "Serve";
            Validate = 1, "Validate";
            InitOnly = 2, "InitOnly";
        }
        DrainStrategy = "envoy.admin.v3.CommandLineOptions.DrainStrategy" {
            Gradual = 0, "Gradual";
            Immediate = 1, "Immediate";
        }
    }
}
