//! Options of HTTP, HTTP/2, gRPC and TCP.

messages! {
    TcpProtocolOptions = "envoy.config.core.v3.TcpProtocolOptions" {}
    UpstreamHttpProtocolOptions = "envoy.config.core.v3.UpstreamHttpProtocolOptions" {
        auto_sni: bool = [bool, tag = 1],
        auto_san_validation: bool = [bool, tag = 2],
        override_auto_sni_header: String = [string, tag = 3],
    }
    AlternateProtocolsCacheOptions = "envoy.config.core.v3.AlternateProtocolsCacheOptions" {
        name: String = [string, tag = 1],
        max_entries: Option<u32> = [message, optional, tag = 2],
        key_value_store_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 3],
        prepopulated_entries: Vec<alternate_protocols_cache_options::AlternateProtocolsCacheEntry> =
            [message, repeated, tag = 4],
        canonical_suffixes: Vec<String> = [string, repeated, tag = 5],
    }
    HttpProtocolOptions = "envoy.config.core.v3.HttpProtocolOptions" {
        idle_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 1],
        max_connection_duration: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        max_connection_duration_jitter: Option<crate::kind::Percent> = [message, optional, tag = 8],
        max_headers_count: Option<u32> = [message, optional, tag = 2],
        max_response_headers_kb: Option<u32> = [message, optional, tag = 7],
        max_stream_duration: Option<crate::wkt::Duration> = [message, optional, tag = 4],
        headers_with_underscores_action: i32 =
            [enumeration(http_protocol_options::HeadersWithUnderscoresAction), tag = 5],
        max_requests_per_connection: Option<u32> = [message, optional, tag = 6],
    }
    Http1ProtocolOptions = "envoy.config.core.v3.Http1ProtocolOptions" {
        allow_absolute_url: Option<bool> = [message, optional, tag = 1],
        accept_http_10: bool = [bool, tag = 2],
        default_host_for_http_10: String = [string, tag = 3],
        header_key_format: Option<http1_protocol_options::HeaderKeyFormat> = [message, optional, tag = 4],
        enable_trailers: bool = [bool, tag = 5],
        allow_chunked_length: bool = [bool, tag = 6],
        override_stream_error_on_invalid_http_message: Option<bool> = [message, optional, tag = 7],
        send_fully_qualified_url: bool = [bool, tag = 8],
        use_balsa_parser: Option<bool> = [message, optional, tag = 9],
        allow_custom_methods: bool = [bool, tag = 10],
        ignore_http_11_upgrade: Vec<crate::kind::StringMatcher> = [message, repeated, tag = 11],
    }
    KeepaliveSettings = "envoy.config.core.v3.KeepaliveSettings" {
        interval: Option<crate::wkt::Duration> = [message, optional, tag = 1],
        timeout: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        interval_jitter: Option<crate::kind::Percent> = [message, optional, tag = 3],
        connection_idle_interval: Option<crate::wkt::Duration> = [message, optional, tag = 4],
    }
    Http2ProtocolOptions = "envoy.config.core.v3.Http2ProtocolOptions" {
        hpack_table_size: Option<u32> = [message, optional, tag = 1],
        max_concurrent_streams: Option<u32> = [message, optional, tag = 2],
        initial_stream_window_size: Option<u32> = [message, optional, tag = 3],
        initial_connection_window_size: Option<u32> = [message, optional, tag = 4],
        allow_connect: bool = [bool, tag = 5],
        allow_metadata: bool = [bool, tag = 6],
        max_outbound_frames: Option<u32> = [message, optional, tag = 7],
        max_outbound_control_frames: Option<u32> = [message, optional, tag = 8],
        max_consecutive_inbound_frames_with_empty_payload: Option<u32> = [message, optional, tag = 9],
        max_inbound_priority_frames_per_stream: Option<u32> = [message, optional, tag = 10],
        max_inbound_window_update_frames_per_data_frame_sent: Option<u32> = [message, optional, tag = 11],
        stream_error_on_invalid_http_messaging: bool = [bool, tag = 12],
        override_stream_error_on_invalid_http_message: Option<bool> = [message, optional, tag = 14],
        custom_settings_parameters: Vec<http2_protocol_options::SettingsParameter> =
            [message, repeated, tag = 13],
        connection_keepalive: Option<KeepaliveSettings> = [message, optional, tag = 15],
        use_oghttp2_codec: Option<bool> = [message, optional, tag = 16],
        max_metadata_size: Option<u64> = [message, optional, tag = 17],
        enable_huffman_encoding: Option<bool> = [message, optional, tag = 18],
        max_header_field_size_kb: Option<u32> = [message, optional, tag = 19],
        disallow_obs_text: Option<bool> = [message, optional, tag = 20],
        stream_reset_burst: Option<u64> = [message, optional, tag = 21],
        stream_reset_rate: Option<u64> = [message, optional, tag = 22],
    }
    GrpcProtocolOptions = "envoy.config.core.v3.GrpcProtocolOptions" {
        http2_protocol_options: Option<Http2ProtocolOptions> = [message, optional, tag = 1],
    }
    Http3ProtocolOptions = "envoy.config.core.v3.Http3ProtocolOptions" {
        override_stream_error_on_invalid_http_message: Option<bool> = [message, optional, tag = 2],
        allow_extended_connect: bool = [bool, tag = 5],
        allow_metadata: bool = [bool, tag = 6],
        disable_qpack: bool = [bool, tag = 7],
        disable_connection_flow_control_for_streams: bool = [bool, tag = 8],
        disallow_obs_text: Option<bool> = [message, optional, tag = 9],
    }
    SchemeHeaderTransformation = "envoy.config.core.v3.SchemeHeaderTransformation" {
        transformation: Option<scheme_header_transformation::Transformation> =
            [oneof = "scheme_header_transformation::Transformation", tags(1)],
        match_upstream: bool = [bool, tag = 2],
    }
}

/// Types inside [`AlternateProtocolsCacheOptions`](super::AlternateProtocolsCacheOptions).
pub mod alternate_protocols_cache_options {
    messages! {
        AlternateProtocolsCacheEntry = "envoy.config.core.v3.AlternateProtocolsCacheOptions.AlternateProtocolsCacheEntry" {
            hostname: String = [string, tag = 1],
            port: u32 = [uint32, tag = 2],
        }
    }
}

/// Types inside [`HttpProtocolOptions`](super::HttpProtocolOptions).
pub mod http_protocol_options {
    enums! {
        HeadersWithUnderscoresAction = "envoy.config.core.v3.HttpProtocolOptions.HeadersWithUnderscoresAction" {
            Allow = 0, "ALLOW";
            RejectRequest = 1, "REJECT_REQUEST";
            DropHeader = 2, "DROP_HEADER";
        }
    }
}

/// Types inside [`Http1ProtocolOptions`](super::Http1ProtocolOptions).
pub mod http1_protocol_options {
    messages! {
        HeaderKeyFormat = "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat" {
            header_format: Option<header_key_format::HeaderFormat> =
                [oneof = "header_key_format::HeaderFormat", tags(1, 8)],
        }
    }

    /// Types inside [`HeaderKeyFormat`](super::HeaderKeyFormat).
    pub mod header_key_format {
        messages! {
            ProperCaseWords = "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords" {}
        }

        oneofs! {
            HeaderFormat = "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.header_format" {
                proper_case_words => ProperCaseWords(ProperCaseWords) = [message, tag = 1],
                stateful_formatter => StatefulFormatter(crate::core::TypedExtensionConfig) =
                    [message, tag = 8],
            }
        }
    }
}

/// Types inside [`Http2ProtocolOptions`](super::Http2ProtocolOptions).
pub mod http2_protocol_options {
    messages! {
        SettingsParameter = "envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter" {
            identifier: Option<u32> = [message, optional, tag = 1],
            value: Option<u32> = [message, optional, tag = 2],
        }
    }
}

/// Types inside [`SchemeHeaderTransformation`](super::SchemeHeaderTransformation).
pub mod scheme_header_transformation {
    oneofs! {
        Transformation = "envoy.config.core.v3.SchemeHeaderTransformation.transformation" {
            scheme_to_overwrite => SchemeToOverwrite(String) = [string, tag = 1],
        }
    }
}
