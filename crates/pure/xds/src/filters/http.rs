//! HTTP filters.

use std::collections::BTreeMap;

messages! {
    Gzip = "envoy.extensions.compression.gzip.compressor.v3.Gzip" {
        memory_level: Option<u32> = [message, optional, tag = 1],
        compression_level: i32 = [enumeration(gzip::CompressionLevel), tag = 2],
        compression_strategy: i32 = [enumeration(gzip::CompressionStrategy), tag = 3],
        window_bits: Option<u32> = [message, optional, tag = 4],
        chunk_size: Option<u32> = [message, optional, tag = 5],
    }
    Buffer = "envoy.extensions.filters.http.buffer.v3.Buffer" {
        max_request_bytes: Option<u32> = [message, optional, tag = 1],
    }
    BufferPerRoute = "envoy.extensions.filters.http.buffer.v3.BufferPerRoute" {
        r#override: Option<buffer_per_route::Override> = [oneof = "buffer_per_route::Override", tags(1, 2)],
    }
    Compressor = "envoy.extensions.filters.http.compressor.v3.Compressor" {
        content_length: Option<u32> = [message, optional, tag = 1],
        content_type: Vec<String> = [string, repeated, tag = 2],
        disable_on_etag_header: bool = [bool, tag = 3],
        remove_accept_encoding_header: bool = [bool, tag = 4],
        runtime_enabled: Option<crate::core::RuntimeFeatureFlag> = [message, optional, tag = 5],
        compressor_library: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 6],
        request_direction_config: Option<compressor::RequestDirectionConfig> = [message, optional, tag = 7],
        response_direction_config: Option<compressor::ResponseDirectionConfig> = [message, optional, tag = 8],
        choose_first: bool = [bool, tag = 9],
    }
    ResponseDirectionOverrides = "envoy.extensions.filters.http.compressor.v3.ResponseDirectionOverrides" {
        remove_accept_encoding_header: Option<bool> = [message, optional, tag = 1],
    }
    CompressorOverrides = "envoy.extensions.filters.http.compressor.v3.CompressorOverrides" {
        response_direction_config: Option<ResponseDirectionOverrides> = [message, optional, tag = 1],
        compressor_library: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 2],
    }
    CompressorPerRoute = "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute" {
        r#override: Option<compressor_per_route::Override> =
            [oneof = "compressor_per_route::Override", tags(1, 2)],
    }
    Cors = "envoy.extensions.filters.http.cors.v3.Cors" {}
    CorsPolicy = "envoy.extensions.filters.http.cors.v3.CorsPolicy" {
        allow_origin_string_match: Vec<crate::kind::StringMatcher> = [message, repeated, tag = 1],
        allow_methods: String = [string, tag = 2],
        allow_headers: String = [string, tag = 3],
        expose_headers: String = [string, tag = 4],
        max_age: String = [string, tag = 5],
        allow_credentials: Option<bool> = [message, optional, tag = 6],
        filter_enabled: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 7],
        shadow_enabled: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 8],
        allow_private_network_access: Option<bool> = [message, optional, tag = 9],
        forward_not_matching_preflights: Option<bool> = [message, optional, tag = 10],
    }
    CsrfPolicy = "envoy.extensions.filters.http.csrf.v3.CsrfPolicy" {
        filter_enabled: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 1],
        shadow_enabled: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 2],
        additional_origins: Vec<crate::kind::StringMatcher> = [message, repeated, tag = 3],
    }
    FaultAbort = "envoy.extensions.filters.http.fault.v3.FaultAbort" {
        error_type: Option<fault_abort::ErrorType> = [oneof = "fault_abort::ErrorType", tags(2, 5, 4)],
        percentage: Option<crate::kind::FractionalPercent> = [message, optional, tag = 3],
        response_body: String = [string, tag = 6],
    }
    HttpFault = "envoy.extensions.filters.http.fault.v3.HTTPFault" {
        delay: Option<crate::filters::FaultDelay> = [message, optional, tag = 1],
        abort: Option<FaultAbort> = [message, optional, tag = 2],
        upstream_cluster: String = [string, tag = 3],
        headers: Vec<crate::route::HeaderMatcher> = [message, repeated, tag = 4],
        downstream_nodes: Vec<String> = [string, repeated, tag = 5],
        max_active_faults: Option<u32> = [message, optional, tag = 6],
        response_rate_limit: Option<crate::filters::FaultRateLimit> = [message, optional, tag = 7],
        delay_percent_runtime: String = [string, tag = 8],
        abort_percent_runtime: String = [string, tag = 9],
        delay_duration_runtime: String = [string, tag = 10],
        abort_http_status_runtime: String = [string, tag = 11],
        max_active_faults_runtime: String = [string, tag = 12],
        response_rate_limit_percent_runtime: String = [string, tag = 13],
        abort_grpc_status_runtime: String = [string, tag = 14],
        disable_downstream_cluster_stats: bool = [bool, tag = 15],
        filter_metadata: Option<crate::wkt::Struct> = [message, optional, tag = 16],
    }
    FilterConfig = "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig" {
        emit_filter_state: bool = [bool, tag = 1],
        per_method_stat_specifier: Option<filter_config::PerMethodStatSpecifier> =
            [oneof = "filter_config::PerMethodStatSpecifier", tags(2, 3)],
        enable_upstream_stats: bool = [bool, tag = 4],
        replace_dots_in_grpc_service_name: bool = [bool, tag = 5],
    }
    FilterObject = "envoy.extensions.filters.http.grpc_stats.v3.FilterObject" {
        request_message_count: u64 = [uint64, tag = 1],
        response_message_count: u64 = [uint64, tag = 2],
    }
    GrpcWeb = "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb" {}
    Mutations = "envoy.extensions.filters.http.header_mutation.v3.Mutations" {
        request_mutations: Vec<crate::core::HeaderMutation> = [message, repeated, tag = 1],
        query_parameter_mutations: Vec<crate::core::KeyValueMutation> = [message, repeated, tag = 3],
        response_mutations: Vec<crate::core::HeaderMutation> = [message, repeated, tag = 2],
        response_trailers_mutations: Vec<crate::core::HeaderMutation> = [message, repeated, tag = 4],
        request_trailers_mutations: Vec<crate::core::HeaderMutation> = [message, repeated, tag = 5],
    }
    HeaderMutationPerRoute = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute" {
        mutations: Option<Mutations> = [message, optional, tag = 1],
    }
    HeaderMutation = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation" {
        mutations: Option<Mutations> = [message, optional, tag = 1],
        most_specific_header_mutations_wins: bool = [bool, tag = 2],
    }
    HealthCheck = "envoy.extensions.filters.http.health_check.v3.HealthCheck" {
        pass_through_mode: Option<bool> = [message, optional, tag = 1],
        cache_time: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        cluster_min_healthy_percentages: BTreeMap<String, crate::kind::Percent> =
            [btree_map = "string, message", tag = 4],
        headers: Vec<crate::route::HeaderMatcher> = [message, repeated, tag = 5],
    }
    LocalRateLimit = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit" {
        stat_prefix: String = [string, tag = 1],
        status: Option<crate::kind::HttpStatus> = [message, optional, tag = 2],
        token_bucket: Option<crate::kind::TokenBucket> = [message, optional, tag = 3],
        filter_enabled: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 4],
        filter_enforced: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 5],
        request_headers_to_add_when_not_enforced: Vec<crate::core::HeaderValueOption> =
            [message, repeated, tag = 10],
        response_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 6],
        descriptors: Vec<crate::filters::LocalRateLimitDescriptor> = [message, repeated, tag = 8],
        stage: u32 = [uint32, tag = 9],
        local_rate_limit_per_downstream_connection: bool = [bool, tag = 11],
        local_cluster_rate_limit: Option<crate::filters::LocalClusterRateLimit> =
            [message, optional, tag = 16],
        enable_x_ratelimit_headers: i32 =
            [enumeration(crate::filters::XRateLimitHeadersRfcVersion), tag = 12],
        vh_rate_limits: i32 = [enumeration(crate::filters::VhRateLimitsOptions), tag = 13],
        always_consume_default_token_bucket: Option<bool> = [message, optional, tag = 14],
        rate_limited_as_resource_exhausted: bool = [bool, tag = 15],
        rate_limits: Vec<crate::route::RateLimit> = [message, repeated, tag = 17],
        max_dynamic_descriptors: Option<u32> = [message, optional, tag = 18],
        enable_retry_after_header: bool = [bool, tag = 19],
    }
    Router = "envoy.extensions.filters.http.router.v3.Router" {
        dynamic_stats: Option<bool> = [message, optional, tag = 1],
        start_child_span: bool = [bool, tag = 2],
        upstream_log: Vec<crate::accesslog::AccessLog> = [message, repeated, tag = 3],
        upstream_log_options: Option<router::UpstreamAccessLogOptions> = [message, optional, tag = 9],
        suppress_envoy_headers: bool = [bool, tag = 4],
        strict_check_headers: Vec<String> = [string, repeated, tag = 5],
        respect_expected_rq_timeout: bool = [bool, tag = 6],
        suppress_grpc_request_failure_code_stats: bool = [bool, tag = 7],
        upstream_http_filters: Vec<crate::filters::HttpFilter> = [message, repeated, tag = 8],
        reject_connect_request_early_data: Option<bool> = [message, optional, tag = 10],
    }
    StatefulSession = "envoy.extensions.filters.http.stateful_session.v3.StatefulSession" {
        session_state: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 1],
        strict: bool = [bool, tag = 2],
        stat_prefix: String = [string, tag = 3],
        status_on_strict_destination_not_found: u32 = [uint32, tag = 4],
    }
    StatefulSessionPerRoute = "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute" {
        r#override: Option<stateful_session_per_route::Override> =
            [oneof = "stateful_session_per_route::Override", tags(1, 2)],
    }
    UpstreamCodec = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec" {}
    CookieBasedSessionState = "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState" {
        cookie: Option<crate::kind::Cookie> = [message, optional, tag = 1],
    }
    EnvelopeSessionState = "envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState" {
        header: Option<envelope_session_state::Header> = [message, optional, tag = 1],
    }
    HeaderBasedSessionState = "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState" {
        name: String = [string, tag = 1],
    }
}

/// Types inside [`Gzip`](super::Gzip).
pub mod gzip {
    enums! {
        CompressionStrategy = "envoy.extensions.compression.gzip.compressor.v3.Gzip.CompressionStrategy" {
            DefaultStrategy = 0, "DEFAULT_STRATEGY";
            Filtered = 1, "FILTERED";
            HuffmanOnly = 2, "HUFFMAN_ONLY";
            Rle = 3, "RLE";
            Fixed = 4, "FIXED";
        }
        CompressionLevel = "envoy.extensions.compression.gzip.compressor.v3.Gzip.CompressionLevel" {
            DefaultCompression = 0, "DEFAULT_COMPRESSION";
            BestSpeed = 1, "BEST_SPEED";
            CompressionLevel2 = 2, "COMPRESSION_LEVEL_2";
            CompressionLevel3 = 3, "COMPRESSION_LEVEL_3";
            CompressionLevel4 = 4, "COMPRESSION_LEVEL_4";
            CompressionLevel5 = 5, "COMPRESSION_LEVEL_5";
            CompressionLevel6 = 6, "COMPRESSION_LEVEL_6";
            CompressionLevel7 = 7, "COMPRESSION_LEVEL_7";
            CompressionLevel8 = 8, "COMPRESSION_LEVEL_8";
            CompressionLevel9 = 9, "COMPRESSION_LEVEL_9";
        }
    }
}

/// Types inside [`BufferPerRoute`](super::BufferPerRoute).
pub mod buffer_per_route {
    oneofs! {
        Override = "envoy.extensions.filters.http.buffer.v3.BufferPerRoute.override" {
            disabled => Disabled(bool) = [bool, tag = 1],
            buffer => Buffer(super::Buffer) = [message, tag = 2],
        }
    }
}

/// Types inside [`Compressor`](super::Compressor).
pub mod compressor {
    messages! {
        CommonDirectionConfig = "envoy.extensions.filters.http.compressor.v3.Compressor.CommonDirectionConfig" {
            enabled: Option<crate::core::RuntimeFeatureFlag> = [message, optional, tag = 1],
            min_content_length: Option<u32> = [message, optional, tag = 2],
            content_type: Vec<String> = [string, repeated, tag = 3],
            content_type_matcher: Vec<crate::kind::StringMatcher> = [message, repeated, tag = 4],
        }
        RequestDirectionConfig = "envoy.extensions.filters.http.compressor.v3.Compressor.RequestDirectionConfig" {
            common_config: Option<CommonDirectionConfig> = [message, optional, tag = 1],
        }
        ResponseDirectionConfig = "envoy.extensions.filters.http.compressor.v3.Compressor.ResponseDirectionConfig" {
            common_config: Option<CommonDirectionConfig> = [message, optional, tag = 1],
            disable_on_etag_header: bool = [bool, tag = 2],
            weaken_etag_on_compress: bool = [bool, tag = 6],
            remove_accept_encoding_header: bool = [bool, tag = 3],
            uncompressible_response_codes: Vec<u32> = [uint32, repeated, packed = "false", tag = 4],
            status_header_enabled: bool = [bool, tag = 5],
        }
    }
}

/// Types inside [`CompressorPerRoute`](super::CompressorPerRoute).
pub mod compressor_per_route {
    oneofs! {
        Override = "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute.override" {
            disabled => Disabled(bool) = [bool, tag = 1],
            overrides => Overrides(super::CompressorOverrides) = [message, tag = 2],
        }
    }
}

/// Types inside [`FaultAbort`](super::FaultAbort).
pub mod fault_abort {
    messages! {
        HeaderAbort = "envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort" {}
    }

    oneofs! {
        ErrorType = "envoy.extensions.filters.http.fault.v3.FaultAbort.error_type" {
            http_status => HttpStatus(u32) = [uint32, tag = 2],
            grpc_status => GrpcStatus(u32) = [uint32, tag = 5],
            header_abort => HeaderAbort(HeaderAbort) = [message, tag = 4],
        }
    }
}

/// Types inside [`FilterConfig`](super::FilterConfig).
pub mod filter_config {
    oneofs! {
        PerMethodStatSpecifier = "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig.per_method_stat_specifier" {
            individual_method_stats_allowlist => IndividualMethodStatsAllowlist(crate::core::GrpcMethodList) =
                [message, tag = 2],
            stats_for_all_methods => StatsForAllMethods(bool) = [message, tag = 3],
        }
    }
}

/// Types inside [`Router`](super::Router).
pub mod router {
    messages! {
        UpstreamAccessLogOptions = "envoy.extensions.filters.http.router.v3.Router.UpstreamAccessLogOptions" {
            flush_upstream_log_on_upstream_stream: bool = [bool, tag = 1],
            upstream_log_flush_interval: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        }
    }
}

/// Types inside [`StatefulSessionPerRoute`](super::StatefulSessionPerRoute).
pub mod stateful_session_per_route {
    oneofs! {
        Override = "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute.override" {
            disabled => Disabled(bool) = [bool, tag = 1],
            stateful_session => StatefulSession(super::StatefulSession) = [message, tag = 2],
        }
    }
}

/// Types inside [`EnvelopeSessionState`](super::EnvelopeSessionState).
pub mod envelope_session_state {
    messages! {
        Header = "envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState.Header" {
            name: String = [string, tag = 1],
        }
    }
}
