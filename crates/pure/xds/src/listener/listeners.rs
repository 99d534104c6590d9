//! `envoy.config.listener.v3`: listeners and their filter chains.

messages! {
    ApiListener = "envoy.config.listener.v3.ApiListener" {
        api_listener: Option<crate::wkt::Any> = [message, optional, tag = 1],
    }
    Filter = "envoy.config.listener.v3.Filter" {
        name: String = [string, tag = 1],
        config_type: Option<filter::ConfigType> = [oneof = "filter::ConfigType", tags(4, 5)],
    }
    FilterChainMatch = "envoy.config.listener.v3.FilterChainMatch" {
        destination_port: Option<u32> = [message, optional, tag = 8],
        prefix_ranges: Vec<crate::core::CidrRange> = [message, repeated, tag = 3],
        address_suffix: String = [string, tag = 4],
        suffix_len: Option<u32> = [message, optional, tag = 5],
        direct_source_prefix_ranges: Vec<crate::core::CidrRange> = [message, repeated, tag = 13],
        source_type: i32 = [enumeration(filter_chain_match::ConnectionSourceType), tag = 12],
        source_prefix_ranges: Vec<crate::core::CidrRange> = [message, repeated, tag = 6],
        source_ports: Vec<u32> = [uint32, repeated, packed = "false", tag = 7],
        server_names: Vec<String> = [string, repeated, tag = 11],
        transport_protocol: String = [string, tag = 9],
        application_protocols: Vec<String> = [string, repeated, tag = 10],
    }
    FilterChain = "envoy.config.listener.v3.FilterChain" {
        filter_chain_match: Option<FilterChainMatch> = [message, optional, tag = 1],
        filters: Vec<Filter> = [message, repeated, tag = 3],
        use_proxy_proto: Option<bool> = [message, optional, tag = 4],
        metadata: Option<crate::core::Metadata> = [message, optional, tag = 5],
        transport_socket: Option<crate::core::TransportSocket> = [message, optional, tag = 6],
        transport_socket_connect_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 9],
        name: String = [string, tag = 7],
    }
    ListenerFilterChainMatchPredicate = "envoy.config.listener.v3.ListenerFilterChainMatchPredicate" {
        rule: Option<listener_filter_chain_match_predicate::Rule> =
            [oneof = "listener_filter_chain_match_predicate::Rule", tags(1, 2, 3, 4, 5)],
    }
    ListenerFilter = "envoy.config.listener.v3.ListenerFilter" {
        name: String = [string, tag = 1],
        config_type: Option<listener_filter::ConfigType> =
            [oneof = "listener_filter::ConfigType", tags(3, 5)],
        filter_disabled: Option<ListenerFilterChainMatchPredicate> = [message, optional, tag = 4],
    }
    QuicProtocolOptions = "envoy.config.listener.v3.QuicProtocolOptions" {
        idle_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        crypto_handshake_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        enabled: Option<crate::core::RuntimeFeatureFlag> = [message, optional, tag = 4],
        packets_to_read_to_connection_count_ratio: Option<u32> = [message, optional, tag = 5],
        crypto_stream_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 6],
        proof_source_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 7],
        connection_id_generator_config: Option<crate::core::TypedExtensionConfig> =
            [message, optional, tag = 8],
        server_preferred_address_config: Option<crate::core::TypedExtensionConfig> =
            [message, optional, tag = 9],
        send_disable_active_migration: Option<bool> = [message, optional, tag = 10],
        connection_debug_visitor_config: Option<crate::core::TypedExtensionConfig> =
            [message, optional, tag = 11],
        save_cmsg_config: Vec<crate::core::SocketCmsgHeaders> = [message, repeated, tag = 12],
        reject_new_connections: bool = [bool, tag = 13],
        max_sessions_per_event_loop: Option<u32> = [message, optional, tag = 14],
    }
    UdpListenerConfig = "envoy.config.listener.v3.UdpListenerConfig" {
        downstream_socket_config: Option<crate::core::UdpSocketConfig> = [message, optional, tag = 5],
        quic_options: Option<QuicProtocolOptions> = [message, optional, tag = 7],
        udp_packet_packet_writer_config: Option<crate::core::TypedExtensionConfig> =
            [message, optional, tag = 8],
    }
    ActiveRawUdpListenerConfig = "envoy.config.listener.v3.ActiveRawUdpListenerConfig" {}
    AdditionalAddress = "envoy.config.listener.v3.AdditionalAddress" {
        address: Option<crate::core::Address> = [message, optional, tag = 1],
        socket_options: Option<crate::core::SocketOptionsOverride> = [message, optional, tag = 2],
        tcp_keepalive: Option<crate::core::TcpKeepalive> = [message, optional, tag = 3],
    }
    ListenerCollection = "envoy.config.listener.v3.ListenerCollection" {
        entries: Vec<crate::cncf::CollectionEntry> = [message, repeated, tag = 1],
    }
    Listener = "envoy.config.listener.v3.Listener" {
        name: String = [string, tag = 1],
        address: Option<crate::core::Address> = [message, optional, tag = 2],
        additional_addresses: Vec<AdditionalAddress> = [message, repeated, tag = 33],
        stat_prefix: String = [string, tag = 28],
        stats_matcher: Option<crate::metrics::StatsMatcher> = [message, optional, tag = 39],
        filter_chains: Vec<FilterChain> = [message, repeated, tag = 3],
        fcds_config: Option<listener::FcdsConfig> = [message, optional, tag = 36],
        filter_chain_matcher: Option<crate::cncf::Matcher> = [message, optional, tag = 32],
        use_original_dst: Option<bool> = [message, optional, tag = 4],
        default_filter_chain: Option<FilterChain> = [message, optional, tag = 25],
        per_connection_buffer_limit_bytes: Option<u32> = [message, optional, tag = 5],
        per_connection_buffer_high_watermark_timeout: Option<crate::wkt::Duration> =
            [message, optional, tag = 38],
        metadata: Option<crate::core::Metadata> = [message, optional, tag = 6],
        deprecated_v1: Option<listener::DeprecatedV1> = [message, optional, tag = 7],
        drain_type: i32 = [enumeration(listener::DrainType), tag = 8],
        listener_filters: Vec<ListenerFilter> = [message, repeated, tag = 9],
        listener_filters_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 15],
        continue_on_listener_filters_timeout: bool = [bool, tag = 17],
        transparent: Option<bool> = [message, optional, tag = 10],
        freebind: Option<bool> = [message, optional, tag = 11],
        socket_options: Vec<crate::core::SocketOption> = [message, repeated, tag = 13],
        tcp_fast_open_queue_length: Option<u32> = [message, optional, tag = 12],
        traffic_direction: i32 = [enumeration(crate::core::TrafficDirection), tag = 16],
        udp_listener_config: Option<UdpListenerConfig> = [message, optional, tag = 18],
        api_listener: Option<ApiListener> = [message, optional, tag = 19],
        connection_balance_config: Option<listener::ConnectionBalanceConfig> = [message, optional, tag = 20],
        reuse_port: bool = [bool, tag = 21],
        enable_reuse_port: Option<bool> = [message, optional, tag = 29],
        access_log: Vec<crate::accesslog::AccessLog> = [message, repeated, tag = 22],
        tcp_backlog_size: Option<u32> = [message, optional, tag = 24],
        max_connections_to_accept_per_socket_event: Option<u32> = [message, optional, tag = 34],
        bind_to_port: Option<bool> = [message, optional, tag = 26],
        listener_specifier: Option<listener::ListenerSpecifier> =
            [oneof = "listener::ListenerSpecifier", tags(27)],
        enable_mptcp: bool = [bool, tag = 30],
        ignore_global_conn_limit: bool = [bool, tag = 31],
        bypass_overload_manager: bool = [bool, tag = 35],
        tcp_keepalive: Option<crate::core::TcpKeepalive> = [message, optional, tag = 37],
    }
}

/// Types inside [`Filter`](super::Filter).
pub mod filter {
    oneofs! {
        ConfigType = "envoy.config.listener.v3.Filter.config_type" {
            typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 4],
            config_discovery => ConfigDiscovery(crate::core::ExtensionConfigSource) = [message, tag = 5],
        }
    }
}

/// Types inside [`FilterChainMatch`](super::FilterChainMatch).
pub mod filter_chain_match {
    enums! {
        ConnectionSourceType = "envoy.config.listener.v3.FilterChainMatch.ConnectionSourceType" {
            Any = 0, "ANY";
            SameIpOrLoopback = 1, "SAME_IP_OR_LOOPBACK";
            External = 2, "EXTERNAL";
        }
    }
}

/// Types inside [`ListenerFilterChainMatchPredicate`](super::ListenerFilterChainMatchPredicate).
pub mod listener_filter_chain_match_predicate {
    messages! {
        MatchSet = "envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet" {
            rules: Vec<super::ListenerFilterChainMatchPredicate> = [message, repeated, tag = 1],
        }
    }

    oneofs! {
        Rule = "envoy.config.listener.v3.ListenerFilterChainMatchPredicate.rule" {
            or_match => OrMatch(MatchSet) = [message, tag = 1],
            and_match => AndMatch(MatchSet) = [message, tag = 2],
            not_match => NotMatch(Box<super::ListenerFilterChainMatchPredicate>) = [message, boxed, tag = 3],
            any_match => AnyMatch(bool) = [bool, tag = 4],
            destination_port_range => DestinationPortRange(crate::kind::Int32Range) = [message, tag = 5],
        }
    }
}

/// Types inside [`ListenerFilter`](super::ListenerFilter).
pub mod listener_filter {
    oneofs! {
        ConfigType = "envoy.config.listener.v3.ListenerFilter.config_type" {
            typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
            config_discovery => ConfigDiscovery(crate::core::ExtensionConfigSource) = [message, tag = 5],
        }
    }
}

/// Types inside [`Listener`](super::Listener).
pub mod listener {
    messages! {
        DeprecatedV1 = "envoy.config.listener.v3.Listener.DeprecatedV1" {
            bind_to_port: Option<bool> = [message, optional, tag = 1],
        }
        ConnectionBalanceConfig = "envoy.config.listener.v3.Listener.ConnectionBalanceConfig" {
            balance_type: Option<connection_balance_config::BalanceType> =
                [oneof = "connection_balance_config::BalanceType", tags(1, 2, 3)],
        }
        InternalListenerConfig = "envoy.config.listener.v3.Listener.InternalListenerConfig" {}
        FcdsConfig = "envoy.config.listener.v3.Listener.FcdsConfig" {
            name: String = [string, tag = 1],
            config_source: Option<crate::core::ConfigSource> = [message, optional, tag = 2],
        }
    }

    enums! {
        DrainType = "envoy.config.listener.v3.Listener.DrainType" {
            Default = 0, "DEFAULT";
            ModifyOnly = 1, "MODIFY_ONLY";
        }
    }

    oneofs! {
        ListenerSpecifier = "envoy.config.listener.v3.Listener.listener_specifier" {
            internal_listener => InternalListener(InternalListenerConfig) = [message, tag = 27],
        }
    }

    /// Types inside [`ConnectionBalanceConfig`](super::ConnectionBalanceConfig).
    pub mod connection_balance_config {
        messages! {
            ExactBalance = "envoy.config.listener.v3.Listener.ConnectionBalanceConfig.ExactBalance" {}
            CpuLocalityBalance = "envoy.config.listener.v3.Listener.ConnectionBalanceConfig.CpuLocalityBalance" {}
        }

        oneofs! {
            BalanceType = "envoy.config.listener.v3.Listener.ConnectionBalanceConfig.balance_type" {
                exact_balance => ExactBalance(ExactBalance) = [message, tag = 1],
                extend_balance => ExtendBalance(crate::core::TypedExtensionConfig) = [message, tag = 2],
                cpu_locality_balance => CpuLocalityBalance(CpuLocalityBalance) = [message, tag = 3],
            }
        }
    }
}
