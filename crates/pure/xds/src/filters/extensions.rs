//! Small extensions of routes and of the connection manager.

use std::collections::BTreeMap;

messages! {
    RateLimitServiceConfig = "envoy.config.ratelimit.v3.RateLimitServiceConfig" {
        grpc_service: Option<crate::core::GrpcService> = [message, optional, tag = 2],
        transport_api_version: i32 = [enumeration(crate::core::ApiVersion), tag = 4],
    }
    RateLimitDescriptor = "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor" {
        entries: Vec<rate_limit_descriptor::Entry> = [message, repeated, tag = 1],
        limit: Option<rate_limit_descriptor::RateLimitOverride> = [message, optional, tag = 2],
        hits_addend: Option<u64> = [message, optional, tag = 3],
        is_negative_hits: bool = [bool, tag = 4],
    }
    LocalRateLimitDescriptor = "envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor" {
        entries: Vec<rate_limit_descriptor::Entry> = [message, repeated, tag = 1],
        token_bucket: Option<crate::kind::TokenBucket> = [message, optional, tag = 2],
        shadow_mode: bool = [bool, tag = 3],
    }
    LocalClusterRateLimit = "envoy.extensions.common.ratelimit.v3.LocalClusterRateLimit" {}
    Lua = "envoy.extensions.filters.http.lua.v3.Lua" {
        inline_code: String = [string, tag = 1],
        source_codes: BTreeMap<String, crate::core::DataSource> = [btree_map = "string, message", tag = 2],
        default_source_code: Option<crate::core::DataSource> = [message, optional, tag = 3],
        stat_prefix: String = [string, tag = 4],
        clear_route_cache: Option<bool> = [message, optional, tag = 5],
        filter_context: Option<crate::wkt::Struct> = [message, optional, tag = 6],
        package_paths: Vec<String> = [string, repeated, tag = 7],
        package_cpaths: Vec<String> = [string, repeated, tag = 8],
    }
    LuaPerRoute = "envoy.extensions.filters.http.lua.v3.LuaPerRoute" {
        r#override: Option<lua_per_route::Override> = [oneof = "lua_per_route::Override", tags(1, 2, 3)],
        filter_context: Option<crate::wkt::Struct> = [message, optional, tag = 4],
        package_paths: Vec<String> = [string, repeated, tag = 5],
        package_cpaths: Vec<String> = [string, repeated, tag = 6],
    }
    RateLimit = "envoy.extensions.filters.http.ratelimit.v3.RateLimit" {
        domain: String = [string, tag = 1],
        stage: u32 = [uint32, tag = 2],
        request_type: String = [string, tag = 3],
        timeout: Option<crate::wkt::Duration> = [message, optional, tag = 4],
        failure_mode_deny: bool = [bool, tag = 5],
        rate_limited_as_resource_exhausted: bool = [bool, tag = 6],
        rate_limit_service: Option<RateLimitServiceConfig> = [message, optional, tag = 7],
        enable_x_ratelimit_headers: i32 = [enumeration(rate_limit::XRateLimitHeadersRfcVersion), tag = 8],
        disable_x_envoy_ratelimited_header: bool = [bool, tag = 9],
        rate_limited_status: Option<crate::kind::HttpStatus> = [message, optional, tag = 10],
        response_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 11],
        status_on_error: Option<crate::kind::HttpStatus> = [message, optional, tag = 12],
        stat_prefix: String = [string, tag = 13],
        filter_enabled: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 14],
        filter_enforced: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 15],
        failure_mode_deny_percent: Option<crate::core::RuntimeFractionalPercent> =
            [message, optional, tag = 16],
        rate_limits: Vec<crate::route::RateLimit> = [message, repeated, tag = 17],
        metadata_namespace: String = [string, tag = 18],
        enable_retry_after_header: bool = [bool, tag = 19],
    }
    RateLimitPerRoute = "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute" {
        vh_rate_limits: i32 = [enumeration(rate_limit_per_route::VhRateLimitsOptions), tag = 1],
        override_option: i32 = [enumeration(rate_limit_per_route::OverrideOptions), tag = 2],
        rate_limits: Vec<crate::route::RateLimit> = [message, repeated, tag = 3],
        domain: String = [string, tag = 4],
    }
    PreserveCaseFormatterConfig = "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig" {
        forward_reason_phrase: bool = [bool, tag = 1],
        formatter_type_on_envoy_headers: i32 =
            [enumeration(preserve_case_formatter_config::FormatterTypeOnEnvoyHeaders), tag = 2],
    }
    CustomHeaderConfig = "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig" {
        header_name: String = [string, tag = 1],
        allow_extension_to_set_address_as_trusted: bool = [bool, tag = 2],
        reject_with_status: Option<crate::kind::HttpStatus> = [message, optional, tag = 3],
    }
    XffConfig = "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig" {
        xff_num_trusted_hops: u32 = [uint32, tag = 1],
        xff_trusted_cidrs: Option<XffTrustedCidrs> = [message, optional, tag = 2],
        skip_xff_append: Option<bool> = [message, optional, tag = 3],
    }
    XffTrustedCidrs = "envoy.extensions.http.original_ip_detection.xff.v3.XffTrustedCidrs" {
        cidrs: Vec<crate::core::CidrRange> = [message, repeated, tag = 1],
    }
    UriTemplateMatchConfig = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig" {
        path_template: String = [string, tag = 1],
    }
    UriTemplateRewriteConfig = "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig" {
        path_template_rewrite: String = [string, tag = 1],
    }
    UuidRequestIdConfig = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig" {
        pack_trace_reason: Option<bool> = [message, optional, tag = 1],
        use_request_id_for_trace_sampling: Option<bool> = [message, optional, tag = 2],
    }
    OmitCanaryHostsPredicate = "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate" {}
    OmitHostMetadataConfig = "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig" {
        metadata_match: Option<crate::core::Metadata> = [message, optional, tag = 1],
    }
    PreviousHostsPredicate = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate" {}
    PreviousPrioritiesConfig = "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig" {
        update_frequency: i32 = [int32, tag = 1],
    }
}

enums! {
    XRateLimitHeadersRfcVersion = "envoy.extensions.common.ratelimit.v3.XRateLimitHeadersRFCVersion" {
        Off = 0, "OFF";
        DraftVersion03 = 1, "DRAFT_VERSION_03";
    }
    VhRateLimitsOptions = "envoy.extensions.common.ratelimit.v3.VhRateLimitsOptions" {
        Override = 0, "OVERRIDE";
        Include = 1, "INCLUDE";
        Ignore = 2, "IGNORE";
    }
}

/// Types inside [`RateLimitDescriptor`](super::RateLimitDescriptor).
pub mod rate_limit_descriptor {
    messages! {
        Entry = "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry" {
            key: String = [string, tag = 1],
            value: String = [string, tag = 2],
        }
        RateLimitOverride = "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.RateLimitOverride" {
            requests_per_unit: u32 = [uint32, tag = 1],
            unit: i32 = [enumeration(crate::kind::RateLimitUnit), tag = 2],
        }
    }
}

/// Types inside [`LuaPerRoute`](super::LuaPerRoute).
pub mod lua_per_route {
    oneofs! {
        Override = "envoy.extensions.filters.http.lua.v3.LuaPerRoute.override" {
            disabled => Disabled(bool) = [bool, tag = 1],
            name => Name(String) = [string, tag = 2],
            source_code => SourceCode(crate::core::DataSource) = [message, tag = 3],
        }
    }
}

/// Types inside [`RateLimit`](super::RateLimit).
pub mod rate_limit {
    enums! {
        XRateLimitHeadersRfcVersion = "envoy.extensions.filters.http.ratelimit.v3.RateLimit.XRateLimitHeadersRFCVersion" {
            Off = 0, "OFF";
            DraftVersion03 = 1, "DRAFT_VERSION_03";
        }
    }
}

/// Types inside [`RateLimitPerRoute`](super::RateLimitPerRoute).
pub mod rate_limit_per_route {
    enums! {
        VhRateLimitsOptions = "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute.VhRateLimitsOptions" {
            Override = 0, "OVERRIDE";
            Include = 1, "INCLUDE";
            Ignore = 2, "IGNORE";
        }
        OverrideOptions = "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute.OverrideOptions" {
            Default = 0, "DEFAULT";
            OverridePolicy = 1, "OVERRIDE_POLICY";
            IncludePolicy = 2, "INCLUDE_POLICY";
            IgnorePolicy = 3, "IGNORE_POLICY";
        }
    }
}

/// Types inside [`PreserveCaseFormatterConfig`](super::PreserveCaseFormatterConfig).
pub mod preserve_case_formatter_config {
    enums! {
        FormatterTypeOnEnvoyHeaders = "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig.FormatterTypeOnEnvoyHeaders" {
            Default = 0, "DEFAULT";
            ProperCase = 1, "PROPER_CASE";
        }
    }
}
