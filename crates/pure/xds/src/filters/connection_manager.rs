//! The network filter that speaks HTTP.

messages! {
    HttpConnectionManager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" {
        codec_type: i32 = [enumeration(http_connection_manager::CodecType), tag = 1],
        stat_prefix: String = [string, tag = 2],
        route_specifier: Option<http_connection_manager::RouteSpecifier> =
            [oneof = "http_connection_manager::RouteSpecifier", tags(3, 4, 31)],
        http_filters: Vec<HttpFilter> = [message, repeated, tag = 5],
        add_user_agent: Option<bool> = [message, optional, tag = 6],
        tracing: Option<http_connection_manager::Tracing> = [message, optional, tag = 7],
        common_http_protocol_options: Option<crate::core::HttpProtocolOptions> =
            [message, optional, tag = 35],
        http1_safe_max_connection_duration: bool = [bool, tag = 58],
        http_protocol_options: Option<crate::core::Http1ProtocolOptions> = [message, optional, tag = 8],
        http2_protocol_options: Option<crate::core::Http2ProtocolOptions> = [message, optional, tag = 9],
        http3_protocol_options: Option<crate::core::Http3ProtocolOptions> = [message, optional, tag = 44],
        server_name: String = [string, tag = 10],
        server_header_transformation: i32 =
            [enumeration(http_connection_manager::ServerHeaderTransformation), tag = 34],
        scheme_header_transformation: Option<crate::core::SchemeHeaderTransformation> =
            [message, optional, tag = 48],
        max_request_headers_kb: Option<u32> = [message, optional, tag = 29],
        stream_idle_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 24],
        stream_flush_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 59],
        request_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 28],
        request_headers_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 41],
        drain_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 12],
        drain_timeout_jitter: Option<crate::kind::Percent> = [message, optional, tag = 62],
        delayed_close_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 26],
        access_log: Vec<crate::accesslog::AccessLog> = [message, repeated, tag = 13],
        access_log_flush_interval: Option<crate::wkt::Duration> = [message, optional, tag = 54],
        flush_access_log_on_new_request: bool = [bool, tag = 55],
        access_log_options: Option<http_connection_manager::HcmAccessLogOptions> =
            [message, optional, tag = 56],
        use_remote_address: Option<bool> = [message, optional, tag = 14],
        xff_num_trusted_hops: u32 = [uint32, tag = 19],
        original_ip_detection_extensions: Vec<crate::core::TypedExtensionConfig> =
            [message, repeated, tag = 46],
        early_header_mutation_extensions: Vec<crate::core::TypedExtensionConfig> =
            [message, repeated, tag = 52],
        internal_address_config: Option<http_connection_manager::InternalAddressConfig> =
            [message, optional, tag = 25],
        skip_xff_append: bool = [bool, tag = 21],
        via: String = [string, tag = 22],
        generate_request_id: Option<bool> = [message, optional, tag = 15],
        preserve_external_request_id: bool = [bool, tag = 32],
        always_set_request_id_in_response: bool = [bool, tag = 37],
        forward_client_cert_details: i32 =
            [enumeration(http_connection_manager::ForwardClientCertDetails), tag = 16],
        set_current_client_cert_details: Option<http_connection_manager::SetCurrentClientCertDetails> =
            [message, optional, tag = 17],
        forward_client_cert_matcher: Option<crate::cncf::Matcher> = [message, optional, tag = 60],
        proxy_100_continue: bool = [bool, tag = 18],
        represent_ipv4_remote_address_as_ipv4_mapped_ipv6: bool = [bool, tag = 20],
        upgrade_configs: Vec<http_connection_manager::UpgradeConfig> = [message, repeated, tag = 23],
        normalize_path: Option<bool> = [message, optional, tag = 30],
        merge_slashes: bool = [bool, tag = 33],
        path_with_escaped_slashes_action: i32 =
            [enumeration(http_connection_manager::PathWithEscapedSlashesAction), tag = 45],
        request_id_extension: Option<RequestIdExtension> = [message, optional, tag = 36],
        local_reply_config: Option<LocalReplyConfig> = [message, optional, tag = 38],
        strip_matching_host_port: bool = [bool, tag = 39],
        strip_port_mode: Option<http_connection_manager::StripPortMode> =
            [oneof = "http_connection_manager::StripPortMode", tags(42)],
        stream_error_on_invalid_http_message: Option<bool> = [message, optional, tag = 40],
        path_normalization_options: Option<http_connection_manager::PathNormalizationOptions> =
            [message, optional, tag = 43],
        strip_trailing_host_dot: bool = [bool, tag = 47],
        proxy_status_config: Option<http_connection_manager::ProxyStatusConfig> =
            [message, optional, tag = 49],
        typed_header_validation_config: Option<crate::core::TypedExtensionConfig> =
            [message, optional, tag = 50],
        append_x_forwarded_port: bool = [bool, tag = 51],
        append_local_overload: bool = [bool, tag = 57],
        add_proxy_protocol_connection_state: Option<bool> = [message, optional, tag = 53],
        forward_proto_config: Option<ForwardProtoConfig> = [message, optional, tag = 61],
    }
    ForwardProtoConfig = "envoy.extensions.filters.network.http_connection_manager.v3.ForwardProtoConfig" {
        https_destination_ports: Vec<u32> = [uint32, repeated, tag = 1],
        http_destination_ports: Vec<u32> = [uint32, repeated, tag = 2],
    }
    LocalReplyConfig = "envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig" {
        mappers: Vec<ResponseMapper> = [message, repeated, tag = 1],
        body_format: Option<crate::core::SubstitutionFormatString> = [message, optional, tag = 2],
    }
    ResponseMapper = "envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper" {
        filter: Option<crate::accesslog::AccessLogFilter> = [message, optional, tag = 1],
        status_code: Option<u32> = [message, optional, tag = 2],
        body: Option<crate::core::DataSource> = [message, optional, tag = 3],
        body_format_override: Option<crate::core::SubstitutionFormatString> = [message, optional, tag = 4],
        headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 5],
    }
    Rds = "envoy.extensions.filters.network.http_connection_manager.v3.Rds" {
        config_source: Option<crate::core::ConfigSource> = [message, optional, tag = 1],
        route_config_name: String = [string, tag = 2],
    }
    ScopedRouteConfigurationsList = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList" {
        scoped_route_configurations: Vec<crate::route::ScopedRouteConfiguration> =
            [message, repeated, tag = 1],
    }
    ScopedRoutes = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes" {
        name: String = [string, tag = 1],
        scope_key_builder: Option<scoped_routes::ScopeKeyBuilder> = [message, optional, tag = 2],
        rds_config_source: Option<crate::core::ConfigSource> = [message, optional, tag = 3],
        config_specifier: Option<scoped_routes::ConfigSpecifier> =
            [oneof = "scoped_routes::ConfigSpecifier", tags(4, 5)],
    }
    ScopedRds = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds" {
        scoped_rds_config_source: Option<crate::core::ConfigSource> = [message, optional, tag = 1],
        srds_resources_locator: String = [string, tag = 2],
    }
    HttpFilter = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter" {
        name: String = [string, tag = 1],
        config_type: Option<http_filter::ConfigType> = [oneof = "http_filter::ConfigType", tags(4, 5)],
        is_optional: bool = [bool, tag = 6],
        disabled: bool = [bool, tag = 7],
    }
    RequestIdExtension = "envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension" {
        typed_config: Option<crate::wkt::Any> = [message, optional, tag = 1],
    }
    EnvoyMobileHttpConnectionManager = "envoy.extensions.filters.network.http_connection_manager.v3.EnvoyMobileHttpConnectionManager" {
        config: Option<HttpConnectionManager> = [message, optional, tag = 1],
    }
}

/// Types inside [`HttpConnectionManager`](super::HttpConnectionManager).
pub mod http_connection_manager {
    messages! {
        Tracing = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing" {
            client_sampling: Option<crate::kind::Percent> = [message, optional, tag = 3],
            random_sampling: Option<crate::kind::Percent> = [message, optional, tag = 4],
            overall_sampling: Option<crate::kind::Percent> = [message, optional, tag = 5],
            verbose: bool = [bool, tag = 6],
            max_path_tag_length: Option<u32> = [message, optional, tag = 7],
            custom_tags: Vec<crate::kind::CustomTag> = [message, repeated, tag = 8],
            provider: Option<crate::trace::tracing::Http> = [message, optional, tag = 9],
            spawn_upstream_span: Option<bool> = [message, optional, tag = 10],
            operation: String = [string, tag = 11],
            upstream_operation: String = [string, tag = 12],
            no_context_propagation: bool = [bool, tag = 13],
        }
        InternalAddressConfig = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig" {
            unix_sockets: bool = [bool, tag = 1],
            cidr_ranges: Vec<crate::core::CidrRange> = [message, repeated, tag = 2],
        }
        SetCurrentClientCertDetails = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails" {
            subject: Option<bool> = [message, optional, tag = 1],
            cert: bool = [bool, tag = 3],
            chain: bool = [bool, tag = 6],
            dns: bool = [bool, tag = 4],
            uri: bool = [bool, tag = 5],
            issuer: bool = [bool, tag = 8],
            format: i32 = [enumeration(ForwardClientCertFormat), tag = 7],
        }
        ForwardClientCertConfig = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertConfig" {
            forward_client_cert_details: i32 = [enumeration(ForwardClientCertDetails), tag = 1],
            set_current_client_cert_details: Option<SetCurrentClientCertDetails> =
                [message, optional, tag = 2],
        }
        UpgradeConfig = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig" {
            upgrade_type: String = [string, tag = 1],
            filters: Vec<super::HttpFilter> = [message, repeated, tag = 2],
            enabled: Option<bool> = [message, optional, tag = 3],
        }
        PathNormalizationOptions = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.PathNormalizationOptions" {
            forwarding_transformation: Option<crate::kind::PathTransformation> = [message, optional, tag = 1],
            http_filter_transformation: Option<crate::kind::PathTransformation> =
                [message, optional, tag = 2],
        }
        ProxyStatusConfig = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ProxyStatusConfig" {
            remove_details: bool = [bool, tag = 1],
            remove_connection_termination_details: bool = [bool, tag = 2],
            remove_response_flags: bool = [bool, tag = 3],
            set_recommended_response_code: bool = [bool, tag = 4],
            proxy_name: Option<proxy_status_config::ProxyName> =
                [oneof = "proxy_status_config::ProxyName", tags(5, 6)],
        }
        HcmAccessLogOptions = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions" {
            access_log_flush_interval: Option<crate::wkt::Duration> = [message, optional, tag = 1],
            flush_access_log_on_new_request: bool = [bool, tag = 2],
            flush_log_on_tunnel_successfully_established: bool = [bool, tag = 3],
        }
    }

    enums! {
        CodecType = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.CodecType" {
            Auto = 0, "AUTO";
            Http1 = 1, "HTTP1";
            Http2 = 2, "HTTP2";
            Http3 = 3, "HTTP3";
        }
        ServerHeaderTransformation = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ServerHeaderTransformation" {
            Overwrite = 0, "OVERWRITE";
            AppendIfAbsent = 1, "APPEND_IF_ABSENT";
            PassThrough = 2, "PASS_THROUGH";
        }
        ForwardClientCertDetails = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertDetails" {
            Sanitize = 0, "SANITIZE";
            ForwardOnly = 1, "FORWARD_ONLY";
            AppendForward = 2, "APPEND_FORWARD";
            SanitizeSet = 3, "SANITIZE_SET";
            AlwaysForwardOnly = 4, "ALWAYS_FORWARD_ONLY";
        }
        PathWithEscapedSlashesAction = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.PathWithEscapedSlashesAction" {
            ImplementationSpecificDefault = 0, "IMPLEMENTATION_SPECIFIC_DEFAULT";
            KeepUnchanged = 1, "KEEP_UNCHANGED";
            RejectRequest = 2, "REJECT_REQUEST";
            UnescapeAndRedirect = 3, "UNESCAPE_AND_REDIRECT";
            UnescapeAndForward = 4, "UNESCAPE_AND_FORWARD";
        }
        ForwardClientCertFormat = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertFormat" {
            Text = 0, "TEXT";
            Json = 1, "JSON";
        }
    }

    oneofs! {
        RouteSpecifier = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.route_specifier" {
            rds => Rds(super::Rds) = [message, tag = 3],
            route_config => RouteConfig(crate::route::RouteConfiguration) = [message, tag = 4],
            scoped_routes => ScopedRoutes(super::ScopedRoutes) = [message, tag = 31],
        }
        StripPortMode = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.strip_port_mode" {
            strip_any_host_port => StripAnyHostPort(bool) = [bool, tag = 42],
        }
    }

    /// Types inside [`ProxyStatusConfig`](super::ProxyStatusConfig).
    pub mod proxy_status_config {
        oneofs! {
            ProxyName = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ProxyStatusConfig.proxy_name" {
                use_node_id => UseNodeId(bool) = [bool, tag = 5],
                literal_proxy_name => LiteralProxyName(String) = [string, tag = 6],
            }
        }
    }
}

/// Types inside [`ScopedRoutes`](super::ScopedRoutes).
pub mod scoped_routes {
    messages! {
        ScopeKeyBuilder = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder" {
            fragments: Vec<scope_key_builder::FragmentBuilder> = [message, repeated, tag = 1],
        }
    }

    oneofs! {
        ConfigSpecifier = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.config_specifier" {
            scoped_route_configurations_list => ScopedRouteConfigurationsList(super::ScopedRouteConfigurationsList) =
                [message, tag = 4],
            scoped_rds => ScopedRds(super::ScopedRds) = [message, tag = 5],
        }
    }

    /// Types inside [`ScopeKeyBuilder`](super::ScopeKeyBuilder).
    pub mod scope_key_builder {
        messages! {
            FragmentBuilder = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder" {
                r#type: Option<fragment_builder::Type> = [oneof = "fragment_builder::Type", tags(1)],
            }
        }

        /// Types inside [`FragmentBuilder`](super::FragmentBuilder).
        pub mod fragment_builder {
            messages! {
                HeaderValueExtractor = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor" {
                    name: String = [string, tag = 1],
                    element_separator: String = [string, tag = 2],
                    extract_type: Option<header_value_extractor::ExtractType> =
                        [oneof = "header_value_extractor::ExtractType", tags(3, 4)],
                }
            }

            oneofs! {
                Type = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.type" {
                    header_value_extractor => HeaderValueExtractor(HeaderValueExtractor) = [message, tag = 1],
                }
            }

            /// Types inside [`HeaderValueExtractor`](super::HeaderValueExtractor).
            pub mod header_value_extractor {
                messages! {
                    KvElement = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor.KvElement" {
                        separator: String = [string, tag = 1],
                        key: String = [string, tag = 2],
                    }
                }

                oneofs! {
                    ExtractType = "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor.extract_type" {
                        index => Index(u32) = [uint32, tag = 3],
                        element => Element(KvElement) = [message, tag = 4],
                    }
                }
            }
        }
    }
}

/// Types inside [`HttpFilter`](super::HttpFilter).
pub mod http_filter {
    oneofs! {
        ConfigType = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter.config_type" {
            typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 4],
            config_discovery => ConfigDiscovery(crate::core::ExtensionConfigSource) = [message, tag = 5],
        }
    }
}
