//! Network and listener filters.

messages! {
    FaultDelay = "envoy.extensions.filters.common.fault.v3.FaultDelay" {
        fault_delay_secifier: Option<fault_delay::FaultDelaySecifier> =
            [oneof = "fault_delay::FaultDelaySecifier", tags(3, 5)],
        percentage: Option<crate::kind::FractionalPercent> = [message, optional, tag = 4],
    }
    FaultRateLimit = "envoy.extensions.filters.common.fault.v3.FaultRateLimit" {
        limit_type: Option<fault_rate_limit::LimitType> = [oneof = "fault_rate_limit::LimitType", tags(1, 3)],
        percentage: Option<crate::kind::FractionalPercent> = [message, optional, tag = 2],
    }
    HttpInspector = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector" {}
    OriginalDst = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst" {}
    OriginalSrc = "envoy.extensions.filters.listener.original_src.v3.OriginalSrc" {
        bind_port: bool = [bool, tag = 1],
        mark: u32 = [uint32, tag = 2],
    }
    ProxyProtocol = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol" {
        rules: Vec<proxy_protocol::Rule> = [message, repeated, tag = 1],
        allow_requests_without_proxy_protocol: bool = [bool, tag = 2],
        pass_through_tlvs: Option<crate::core::ProxyProtocolPassThroughTlVs> = [message, optional, tag = 3],
        disallowed_versions: Vec<i32> =
            [enumeration(crate::core::proxy_protocol_config::Version), repeated, tag = 4],
        stat_prefix: String = [string, tag = 5],
        tlv_location: i32 = [enumeration(proxy_protocol::TlvLocation), tag = 6],
    }
    TlsInspector = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" {
        enable_ja3_fingerprinting: Option<bool> = [message, optional, tag = 1],
        enable_ja4_fingerprinting: Option<bool> = [message, optional, tag = 3],
        initial_read_buffer_size: Option<u32> = [message, optional, tag = 2],
        close_connection_on_client_hello_parsing_errors: bool = [bool, tag = 4],
        max_client_hello_size: Option<u32> = [message, optional, tag = 5],
    }
    ConnectionLimit = "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit" {
        stat_prefix: String = [string, tag = 1],
        max_connections: Option<u64> = [message, optional, tag = 2],
        delay: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        runtime_enabled: Option<crate::core::RuntimeFeatureFlag> = [message, optional, tag = 4],
    }
    Config = "envoy.extensions.filters.network.direct_response.v3.Config" {
        response: Option<crate::core::DataSource> = [message, optional, tag = 1],
    }
    Echo = "envoy.extensions.filters.network.echo.v3.Echo" {}
    MongoProxy = "envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy" {
        stat_prefix: String = [string, tag = 1],
        access_log: String = [string, tag = 2],
        delay: Option<FaultDelay> = [message, optional, tag = 3],
        emit_dynamic_metadata: bool = [bool, tag = 4],
        commands: Vec<String> = [string, repeated, tag = 5],
        max_bson_depth: Option<u32> = [message, optional, tag = 6],
    }
    SniCluster = "envoy.extensions.filters.network.sni_cluster.v3.SniCluster" {}
    TcpProxy = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy" {
        stat_prefix: String = [string, tag = 1],
        cluster_specifier: Option<tcp_proxy::ClusterSpecifier> =
            [oneof = "tcp_proxy::ClusterSpecifier", tags(2, 10)],
        on_demand: Option<tcp_proxy::OnDemand> = [message, optional, tag = 14],
        metadata_match: Option<crate::core::Metadata> = [message, optional, tag = 9],
        idle_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 8],
        downstream_idle_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        upstream_idle_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 4],
        access_log: Vec<crate::accesslog::AccessLog> = [message, repeated, tag = 5],
        max_connect_attempts: Option<u32> = [message, optional, tag = 7],
        backoff_options: Option<crate::core::BackoffStrategy> = [message, optional, tag = 18],
        hash_policy: Vec<crate::kind::HashPolicy> = [message, repeated, tag = 11],
        tunneling_config: Option<tcp_proxy::TunnelingConfig> = [message, optional, tag = 12],
        max_downstream_connection_duration: Option<crate::wkt::Duration> = [message, optional, tag = 13],
        max_downstream_connection_duration_jitter_percentage: Option<crate::kind::Percent> =
            [message, optional, tag = 20],
        access_log_flush_interval: Option<crate::wkt::Duration> = [message, optional, tag = 15],
        flush_access_log_on_connected: bool = [bool, tag = 16],
        access_log_options: Option<tcp_proxy::TcpAccessLogOptions> = [message, optional, tag = 17],
        proxy_protocol_tlvs: Vec<crate::core::TlvEntry> = [message, repeated, tag = 19],
        proxy_protocol_tlv_merge_policy: i32 = [enumeration(ProxyProtocolTlvMergePolicy), tag = 23],
        upstream_connect_mode: i32 = [enumeration(UpstreamConnectMode), tag = 21],
        max_early_data_bytes: Option<u32> = [message, optional, tag = 22],
        check_drain_close: Option<bool> = [message, optional, tag = 24],
    }
}

enums! {
    UpstreamConnectMode = "envoy.extensions.filters.network.tcp_proxy.v3.UpstreamConnectMode" {
        Immediate = 0, "IMMEDIATE";
        OnDownstreamData = 1, "ON_DOWNSTREAM_DATA";
        OnDownstreamTlsHandshake = 2, "ON_DOWNSTREAM_TLS_HANDSHAKE";
    }
    ProxyProtocolTlvMergePolicy = "envoy.extensions.filters.network.tcp_proxy.v3.ProxyProtocolTlvMergePolicy" {
        AddIfAbsent = 0, "ADD_IF_ABSENT";
        OverwriteByTypeIfExistsOrAdd = 1, "OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD";
        AppendIfExistsOrAdd = 2, "APPEND_IF_EXISTS_OR_ADD";
    }
}

/// Types inside [`FaultDelay`](super::FaultDelay).
pub mod fault_delay {
    messages! {
        HeaderDelay = "envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay" {}
    }

    oneofs! {
        FaultDelaySecifier = "envoy.extensions.filters.common.fault.v3.FaultDelay.fault_delay_secifier" {
            fixed_delay => FixedDelay(crate::wkt::Duration) = [message, tag = 3],
            header_delay => HeaderDelay(HeaderDelay) = [message, tag = 5],
        }
    }
}

/// Types inside [`FaultRateLimit`](super::FaultRateLimit).
pub mod fault_rate_limit {
    messages! {
        FixedLimit = "envoy.extensions.filters.common.fault.v3.FaultRateLimit.FixedLimit" {
            limit_kbps: u64 = [uint64, tag = 1],
        }
        HeaderLimit = "envoy.extensions.filters.common.fault.v3.FaultRateLimit.HeaderLimit" {}
    }

    oneofs! {
        LimitType = "envoy.extensions.filters.common.fault.v3.FaultRateLimit.limit_type" {
            fixed_limit => FixedLimit(FixedLimit) = [message, tag = 1],
            header_limit => HeaderLimit(HeaderLimit) = [message, tag = 3],
        }
    }
}

/// Types inside [`ProxyProtocol`](super::ProxyProtocol).
pub mod proxy_protocol {
    messages! {
        KeyValuePair = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair" {
            metadata_namespace: String = [string, tag = 1],
            key: String = [string, tag = 2],
            value_string_encoding: i32 = [enumeration(key_value_pair::ValueStringEncoding), tag = 3],
        }
        Rule = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule" {
            tlv_type: u32 = [uint32, tag = 1],
            on_tlv_present: Option<KeyValuePair> = [message, optional, tag = 2],
        }
    }

    enums! {
        TlvLocation = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.TlvLocation" {
            DynamicMetadata = 0, "DYNAMIC_METADATA";
            FilterState = 1, "FILTER_STATE";
        }
    }

    /// Types inside [`KeyValuePair`](super::KeyValuePair).
    pub mod key_value_pair {
        enums! {
            ValueStringEncoding = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair.ValueStringEncoding" {
                Unspecified = 0, "UNSPECIFIED";
                SanitizedUtf8 = 1, "SANITIZED_UTF8";
                Base64 = 2, "BASE64";
            }
        }
    }
}

/// Types inside [`TcpProxy`](super::TcpProxy).
pub mod tcp_proxy {
    messages! {
        WeightedCluster = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster" {
            clusters: Vec<weighted_cluster::ClusterWeight> = [message, repeated, tag = 1],
        }
        TunnelingConfig = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig" {
            hostname: String = [string, tag = 1],
            use_post: bool = [bool, tag = 2],
            headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 3],
            propagate_response_headers: bool = [bool, tag = 4],
            post_path: String = [string, tag = 5],
            propagate_response_trailers: bool = [bool, tag = 6],
            request_id_extension: Option<crate::filters::RequestIdExtension> = [message, optional, tag = 7],
            request_id_header: String = [string, tag = 8],
            request_id_metadata_key: String = [string, tag = 9],
            formatters: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 10],
        }
        OnDemand = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.OnDemand" {
            odcds_config: Option<crate::core::ConfigSource> = [message, optional, tag = 1],
            resources_locator: String = [string, tag = 2],
            timeout: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        }
        TcpAccessLogOptions = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions" {
            access_log_flush_interval: Option<crate::wkt::Duration> = [message, optional, tag = 1],
            flush_access_log_on_connected: bool = [bool, tag = 2],
            flush_access_log_on_start: bool = [bool, tag = 3],
        }
    }

    oneofs! {
        ClusterSpecifier = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.cluster_specifier" {
            cluster => Cluster(String) = [string, tag = 2],
            weighted_clusters => WeightedClusters(WeightedCluster) = [message, tag = 10],
        }
    }

    /// Types inside [`WeightedCluster`](super::WeightedCluster).
    pub mod weighted_cluster {
        messages! {
            ClusterWeight = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight" {
                name: String = [string, tag = 1],
                weight: u32 = [uint32, tag = 2],
                metadata_match: Option<crate::core::Metadata> = [message, optional, tag = 3],
            }
        }
    }
}
