//! `envoy.config.bootstrap.v3`: what a proxy is started with.

use std::collections::BTreeMap;

messages! {
    ResourceMonitor = "envoy.config.overload.v3.ResourceMonitor" {
        name: String = [string, tag = 1],
        config_type: Option<resource_monitor::ConfigType> = [oneof = "resource_monitor::ConfigType", tags(3)],
    }
    ThresholdTrigger = "envoy.config.overload.v3.ThresholdTrigger" {
        value: f64 = [double, tag = 1],
    }
    ScaledTrigger = "envoy.config.overload.v3.ScaledTrigger" {
        scaling_threshold: f64 = [double, tag = 1],
        saturation_threshold: f64 = [double, tag = 2],
    }
    Trigger = "envoy.config.overload.v3.Trigger" {
        name: String = [string, tag = 1],
        trigger_oneof: Option<trigger::TriggerOneof> = [oneof = "trigger::TriggerOneof", tags(2, 3)],
    }
    OverloadAction = "envoy.config.overload.v3.OverloadAction" {
        name: String = [string, tag = 1],
        triggers: Vec<Trigger> = [message, repeated, tag = 2],
        typed_config: Option<crate::wkt::Any> = [message, optional, tag = 3],
    }
    LoadShedPoint = "envoy.config.overload.v3.LoadShedPoint" {
        name: String = [string, tag = 1],
        triggers: Vec<Trigger> = [message, repeated, tag = 2],
    }
    BufferFactoryConfig = "envoy.config.overload.v3.BufferFactoryConfig" {
        minimum_account_to_track_power_of_two: u32 = [uint32, tag = 1],
    }
    OverloadManager = "envoy.config.overload.v3.OverloadManager" {
        refresh_interval: Option<crate::wkt::Duration> = [message, optional, tag = 1],
        resource_monitors: Vec<ResourceMonitor> = [message, repeated, tag = 2],
        actions: Vec<OverloadAction> = [message, repeated, tag = 3],
        loadshed_points: Vec<LoadShedPoint> = [message, repeated, tag = 5],
        buffer_factory_config: Option<BufferFactoryConfig> = [message, optional, tag = 4],
    }
    Bootstrap = "envoy.config.bootstrap.v3.Bootstrap" {
        node: Option<crate::core::Node> = [message, optional, tag = 1],
        node_context_params: Vec<String> = [string, repeated, tag = 26],
        static_resources: Option<bootstrap::StaticResources> = [message, optional, tag = 2],
        dynamic_resources: Option<bootstrap::DynamicResources> = [message, optional, tag = 3],
        cluster_manager: Option<ClusterManager> = [message, optional, tag = 4],
        hds_config: Option<crate::core::ApiConfigSource> = [message, optional, tag = 14],
        flags_path: String = [string, tag = 5],
        stats_sinks: Vec<crate::metrics::StatsSink> = [message, repeated, tag = 6],
        deferred_stat_options: Option<bootstrap::DeferredStatOptions> = [message, optional, tag = 39],
        stats_config: Option<crate::metrics::StatsConfig> = [message, optional, tag = 13],
        stats_flush_interval: Option<crate::wkt::Duration> = [message, optional, tag = 7],
        stats_flush: Option<bootstrap::StatsFlush> = [oneof = "bootstrap::StatsFlush", tags(29)],
        stats_eviction: Option<bootstrap::StatsEviction> = [oneof = "bootstrap::StatsEviction", tags(42)],
        watchdog: Option<Watchdog> = [message, optional, tag = 8],
        watchdogs: Option<Watchdogs> = [message, optional, tag = 27],
        tracing: Option<crate::trace::Tracing> = [message, optional, tag = 9],
        layered_runtime: Option<LayeredRuntime> = [message, optional, tag = 17],
        admin: Option<Admin> = [message, optional, tag = 12],
        overload_manager: Option<OverloadManager> = [message, optional, tag = 15],
        enable_dispatcher_stats: bool = [bool, tag = 16],
        header_prefix: String = [string, tag = 18],
        stats_server_version_override: Option<u64> = [message, optional, tag = 19],
        use_tcp_for_dns_lookups: bool = [bool, tag = 20],
        dns_resolution_config: Option<crate::core::DnsResolutionConfig> = [message, optional, tag = 30],
        typed_dns_resolver_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 31],
        bootstrap_extensions: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 21],
        fatal_actions: Vec<FatalAction> = [message, repeated, tag = 28],
        config_sources: Vec<crate::core::ConfigSource> = [message, repeated, tag = 22],
        default_config_source: Option<crate::core::ConfigSource> = [message, optional, tag = 23],
        default_socket_interface: String = [string, tag = 24],
        certificate_provider_instances: BTreeMap<String, crate::core::TypedExtensionConfig> =
            [btree_map = "string, message", tag = 25],
        inline_headers: Vec<CustomInlineHeader> = [message, repeated, tag = 32],
        perf_tracing_file_path: String = [string, tag = 33],
        default_regex_engine: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 34],
        xds_delegate_extension: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 35],
        xds_config_tracker_extension: Option<crate::core::TypedExtensionConfig> =
            [message, optional, tag = 36],
        listener_manager: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 37],
        application_log_config: Option<bootstrap::ApplicationLogConfig> = [message, optional, tag = 38],
        grpc_async_client_manager_config: Option<bootstrap::GrpcAsyncClientManagerConfig> =
            [message, optional, tag = 40],
        memory_allocator_manager: Option<MemoryAllocatorManager> = [message, optional, tag = 41],
        enable_worker_cpu_affinity: bool = [bool, tag = 43],
    }
    Admin = "envoy.config.bootstrap.v3.Admin" {
        access_log: Vec<crate::accesslog::AccessLog> = [message, repeated, tag = 5],
        access_log_path: String = [string, tag = 1],
        profile_path: String = [string, tag = 2],
        address: Option<crate::core::Address> = [message, optional, tag = 3],
        socket_options: Vec<crate::core::SocketOption> = [message, repeated, tag = 4],
        ignore_global_conn_limit: bool = [bool, tag = 6],
        allow_paths: Vec<crate::kind::StringMatcher> = [message, repeated, tag = 7],
    }
    ClusterManager = "envoy.config.bootstrap.v3.ClusterManager" {
        local_cluster_name: String = [string, tag = 1],
        outlier_detection: Option<cluster_manager::OutlierDetection> = [message, optional, tag = 2],
        upstream_bind_config: Option<crate::core::BindConfig> = [message, optional, tag = 3],
        load_stats_config: Option<crate::core::ApiConfigSource> = [message, optional, tag = 4],
        enable_deferred_cluster_creation: bool = [bool, tag = 5],
    }
    Watchdogs = "envoy.config.bootstrap.v3.Watchdogs" {
        main_thread_watchdog: Option<Watchdog> = [message, optional, tag = 1],
        worker_watchdog: Option<Watchdog> = [message, optional, tag = 2],
    }
    Watchdog = "envoy.config.bootstrap.v3.Watchdog" {
        actions: Vec<watchdog::WatchdogAction> = [message, repeated, tag = 7],
        miss_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 1],
        megamiss_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        kill_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        max_kill_timeout_jitter: Option<crate::wkt::Duration> = [message, optional, tag = 6],
        multikill_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 4],
        multikill_threshold: Option<crate::kind::Percent> = [message, optional, tag = 5],
    }
    FatalAction = "envoy.config.bootstrap.v3.FatalAction" {
        config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 1],
    }
    Runtime = "envoy.config.bootstrap.v3.Runtime" {
        symlink_root: String = [string, tag = 1],
        subdirectory: String = [string, tag = 2],
        override_subdirectory: String = [string, tag = 3],
        base: Option<crate::wkt::Struct> = [message, optional, tag = 4],
    }
    RuntimeLayer = "envoy.config.bootstrap.v3.RuntimeLayer" {
        name: String = [string, tag = 1],
        layer_specifier: Option<runtime_layer::LayerSpecifier> =
            [oneof = "runtime_layer::LayerSpecifier", tags(2, 3, 4, 5)],
    }
    LayeredRuntime = "envoy.config.bootstrap.v3.LayeredRuntime" {
        layers: Vec<RuntimeLayer> = [message, repeated, tag = 1],
    }
    CustomInlineHeader = "envoy.config.bootstrap.v3.CustomInlineHeader" {
        inline_header_name: String = [string, tag = 1],
        inline_header_type: i32 = [enumeration(custom_inline_header::InlineHeaderType), tag = 2],
    }
    MemoryAllocatorManager = "envoy.config.bootstrap.v3.MemoryAllocatorManager" {
        bytes_to_release: u64 = [uint64, tag = 1],
        memory_release_interval: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        soft_memory_limit_bytes: Option<u64> = [message, optional, tag = 3],
        max_per_cpu_cache_size_bytes: Option<u32> = [message, optional, tag = 4],
        max_unfreed_memory_bytes: u64 = [uint64, tag = 5],
    }
    ListenerManager = "envoy.config.bootstrap.v3.ListenerManager" {}
    ValidationListenerManager = "envoy.config.bootstrap.v3.ValidationListenerManager" {}
    ApiListenerManager = "envoy.config.bootstrap.v3.ApiListenerManager" {
        threading_model: i32 = [enumeration(api_listener_manager::ThreadingModel), tag = 1],
    }
    InternalListener = "envoy.extensions.bootstrap.internal_listener.v3.InternalListener" {
        buffer_size_kb: Option<u32> = [message, optional, tag = 1],
    }
    GoogleRe2 = "envoy.extensions.regex_engines.v3.GoogleRE2" {}
    DownstreamConnectionsConfig = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig" {
        max_active_downstream_connections: i64 = [int64, tag = 1],
    }
    FixedHeapConfig = "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig" {
        max_heap_size_bytes: u64 = [uint64, tag = 1],
        max_heap_size_bytes_runtime: Option<crate::core::RuntimeUInt64> = [message, optional, tag = 2],
    }
}

/// Types inside [`ResourceMonitor`](super::ResourceMonitor).
pub mod resource_monitor {
    oneofs! {
        ConfigType = "envoy.config.overload.v3.ResourceMonitor.config_type" {
            typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
        }
    }
}

/// Types inside [`Trigger`](super::Trigger).
pub mod trigger {
    oneofs! {
        TriggerOneof = "envoy.config.overload.v3.Trigger.trigger_oneof" {
            threshold => Threshold(super::ThresholdTrigger) = [message, tag = 2],
            scaled => Scaled(super::ScaledTrigger) = [message, tag = 3],
        }
    }
}

/// Types inside [`Bootstrap`](super::Bootstrap).
pub mod bootstrap {
    messages! {
        StaticResources = "envoy.config.bootstrap.v3.Bootstrap.StaticResources" {
            listeners: Vec<crate::listener::Listener> = [message, repeated, tag = 1],
            clusters: Vec<crate::cluster::Cluster> = [message, repeated, tag = 2],
            secrets: Vec<crate::tls::Secret> = [message, repeated, tag = 3],
        }
        DynamicResources = "envoy.config.bootstrap.v3.Bootstrap.DynamicResources" {
            lds_config: Option<crate::core::ConfigSource> = [message, optional, tag = 1],
            lds_resources_locator: String = [string, tag = 5],
            cds_config: Option<crate::core::ConfigSource> = [message, optional, tag = 2],
            cds_resources_locator: String = [string, tag = 6],
            ads_config: Option<crate::core::ApiConfigSource> = [message, optional, tag = 3],
        }
        ApplicationLogConfig = "envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig" {
            log_format: Option<application_log_config::LogFormat> = [message, optional, tag = 1],
        }
        DeferredStatOptions = "envoy.config.bootstrap.v3.Bootstrap.DeferredStatOptions" {
            enable_deferred_creation_stats: bool = [bool, tag = 1],
        }
        GrpcAsyncClientManagerConfig = "envoy.config.bootstrap.v3.Bootstrap.GrpcAsyncClientManagerConfig" {
            max_cached_entry_idle_duration: Option<crate::wkt::Duration> = [message, optional, tag = 1],
        }
    }

    oneofs! {
        StatsFlush = "envoy.config.bootstrap.v3.Bootstrap.stats_flush" {
            stats_flush_on_admin => StatsFlushOnAdmin(bool) = [bool, tag = 29],
        }
        StatsEviction = "envoy.config.bootstrap.v3.Bootstrap.stats_eviction" {
            stats_eviction_interval => StatsEvictionInterval(crate::wkt::Duration) = [message, tag = 42],
        }
    }

    /// Types inside [`ApplicationLogConfig`](super::ApplicationLogConfig).
    pub mod application_log_config {
        messages! {
            LogFormat = "envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig.LogFormat" {
                log_format: Option<log_format::LogFormat> = [oneof = "log_format::LogFormat", tags(1, 2)],
            }
        }

        /// Types inside [`LogFormat`](super::LogFormat).
        pub mod log_format {
            oneofs! {
                LogFormat = "envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig.LogFormat.log_format" {
                    json_format => JsonFormat(crate::wkt::Struct) = [message, tag = 1],
                    text_format => TextFormat(String) = [string, tag = 2],
                }
            }
        }
    }
}

/// Types inside [`ClusterManager`](super::ClusterManager).
pub mod cluster_manager {
    messages! {
        OutlierDetection = "envoy.config.bootstrap.v3.ClusterManager.OutlierDetection" {
            event_log_path: String = [string, tag = 1],
        }
    }
}

/// Types inside [`Watchdog`](super::Watchdog).
pub mod watchdog {
    messages! {
        WatchdogAction = "envoy.config.bootstrap.v3.Watchdog.WatchdogAction" {
            config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 1],
            event: i32 = [enumeration(watchdog_action::WatchdogEvent), tag = 2],
        }
    }

    /// Types inside [`WatchdogAction`](super::WatchdogAction).
    pub mod watchdog_action {
        enums! {
            WatchdogEvent = "envoy.config.bootstrap.v3.Watchdog.WatchdogAction.WatchdogEvent" {
                Unknown = 0, "UNKNOWN";
                Kill = 1, "KILL";
                Multikill = 2, "MULTIKILL";
                Megamiss = 3, "MEGAMISS";
                Miss = 4, "MISS";
            }
        }
    }
}

/// Types inside [`RuntimeLayer`](super::RuntimeLayer).
pub mod runtime_layer {
    messages! {
        DiskLayer = "envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer" {
            symlink_root: String = [string, tag = 1],
            subdirectory: String = [string, tag = 3],
            append_service_cluster: bool = [bool, tag = 2],
        }
        AdminLayer = "envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer" {}
        RtdsLayer = "envoy.config.bootstrap.v3.RuntimeLayer.RtdsLayer" {
            name: String = [string, tag = 1],
            rtds_config: Option<crate::core::ConfigSource> = [message, optional, tag = 2],
        }
    }

    oneofs! {
        LayerSpecifier = "envoy.config.bootstrap.v3.RuntimeLayer.layer_specifier" {
            static_layer => StaticLayer(crate::wkt::Struct) = [message, tag = 2],
            disk_layer => DiskLayer(DiskLayer) = [message, tag = 3],
            admin_layer => AdminLayer(AdminLayer) = [message, tag = 4],
            rtds_layer => RtdsLayer(RtdsLayer) = [message, tag = 5],
        }
    }
}

/// Types inside [`CustomInlineHeader`](super::CustomInlineHeader).
pub mod custom_inline_header {
    enums! {
        InlineHeaderType = "envoy.config.bootstrap.v3.CustomInlineHeader.InlineHeaderType" {
            RequestHeader = 0, "REQUEST_HEADER";
            RequestTrailer = 1, "REQUEST_TRAILER";
            ResponseHeader = 2, "RESPONSE_HEADER";
            ResponseTrailer = 3, "RESPONSE_TRAILER";
        }
    }
}

/// Types inside [`ApiListenerManager`](super::ApiListenerManager).
pub mod api_listener_manager {
    enums! {
        ThreadingModel = "envoy.config.bootstrap.v3.ApiListenerManager.ThreadingModel" {
            MainThreadOnly = 0, "MAIN_THREAD_ONLY";
            StandaloneWorkerThread = 1, "STANDALONE_WORKER_THREAD";
        }
    }
}
