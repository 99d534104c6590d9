//! HTTP filters that check who calls: JWT, external authorization, basic.

use std::collections::BTreeMap;

messages! {
    BasicAuth = "envoy.extensions.filters.http.basic_auth.v3.BasicAuth" {
        users: Option<crate::core::DataSource> = [message, optional, tag = 1],
        forward_username_header: String = [string, tag = 2],
        authentication_header: String = [string, tag = 3],
        allow_missing: bool = [bool, tag = 4],
        emit_dynamic_metadata: bool = [bool, tag = 5],
    }
    BasicAuthPerRoute = "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute" {
        users: Option<crate::core::DataSource> = [message, optional, tag = 1],
    }
    ExtAuthz = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz" {
        services: Option<ext_authz::Services> = [oneof = "ext_authz::Services", tags(1, 3)],
        transport_api_version: i32 = [enumeration(crate::core::ApiVersion), tag = 12],
        failure_mode_allow: bool = [bool, tag = 2],
        failure_mode_allow_header_add: bool = [bool, tag = 19],
        with_request_body: Option<BufferSettings> = [message, optional, tag = 5],
        clear_route_cache: bool = [bool, tag = 6],
        status_on_error: Option<crate::kind::HttpStatus> = [message, optional, tag = 7],
        validate_mutations: bool = [bool, tag = 24],
        metadata_context_namespaces: Vec<String> = [string, repeated, tag = 8],
        typed_metadata_context_namespaces: Vec<String> = [string, repeated, tag = 16],
        route_metadata_context_namespaces: Vec<String> = [string, repeated, tag = 21],
        route_typed_metadata_context_namespaces: Vec<String> = [string, repeated, tag = 22],
        filter_enabled: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 9],
        filter_enabled_metadata: Option<crate::kind::MetadataMatcher> = [message, optional, tag = 14],
        deny_at_disable: Option<crate::core::RuntimeFeatureFlag> = [message, optional, tag = 11],
        include_peer_certificate: bool = [bool, tag = 10],
        stat_prefix: String = [string, tag = 13],
        bootstrap_metadata_labels_key: String = [string, tag = 15],
        allowed_headers: Option<crate::kind::ListStringMatcher> = [message, optional, tag = 17],
        disallowed_headers: Option<crate::kind::ListStringMatcher> = [message, optional, tag = 25],
        include_tls_session: bool = [bool, tag = 18],
        charge_cluster_response_stats: Option<bool> = [message, optional, tag = 20],
        encode_raw_headers: bool = [bool, tag = 23],
        decoder_header_mutation_rules: Option<crate::core::HeaderMutationRules> =
            [message, optional, tag = 26],
        enable_dynamic_metadata_ingestion: Option<bool> = [message, optional, tag = 27],
        filter_metadata: Option<crate::wkt::Struct> = [message, optional, tag = 28],
        emit_filter_state_stats: bool = [bool, tag = 29],
        max_denied_response_body_bytes: u32 = [uint32, tag = 30],
        enforce_response_header_limits: bool = [bool, tag = 31],
        shadow_mode: bool = [bool, tag = 32],
        emit_client_span: Option<bool> = [message, optional, tag = 33],
    }
    ShadowDecision = "envoy.extensions.filters.http.ext_authz.v3.ShadowDecision" {
        check_result: i32 = [enumeration(shadow_decision::CheckResult), tag = 1],
        status_code: u32 = [uint32, tag = 2],
        response_headers: Vec<crate::core::HeaderValue> = [message, repeated, tag = 3],
    }
    BufferSettings = "envoy.extensions.filters.http.ext_authz.v3.BufferSettings" {
        max_request_bytes: u32 = [uint32, tag = 1],
        allow_partial_message: bool = [bool, tag = 2],
        pack_as_bytes: bool = [bool, tag = 3],
    }
    HttpService = "envoy.extensions.filters.http.ext_authz.v3.HttpService" {
        server_uri: Option<crate::core::HttpUri> = [message, optional, tag = 1],
        path_prefix: String = [string, tag = 2],
        path_override: String = [string, tag = 10],
        authorization_request: Option<AuthorizationRequest> = [message, optional, tag = 7],
        authorization_response: Option<AuthorizationResponse> = [message, optional, tag = 8],
        retry_policy: Option<crate::core::RetryPolicy> = [message, optional, tag = 9],
    }
    AuthorizationRequest = "envoy.extensions.filters.http.ext_authz.v3.AuthorizationRequest" {
        allowed_headers: Option<crate::kind::ListStringMatcher> = [message, optional, tag = 1],
        headers_to_add: Vec<crate::core::HeaderValue> = [message, repeated, tag = 2],
    }
    AuthorizationResponse = "envoy.extensions.filters.http.ext_authz.v3.AuthorizationResponse" {
        allowed_upstream_headers: Option<crate::kind::ListStringMatcher> = [message, optional, tag = 1],
        allowed_upstream_headers_to_append: Option<crate::kind::ListStringMatcher> =
            [message, optional, tag = 3],
        allowed_client_headers: Option<crate::kind::ListStringMatcher> = [message, optional, tag = 2],
        allowed_client_headers_on_success: Option<crate::kind::ListStringMatcher> =
            [message, optional, tag = 4],
        dynamic_metadata_from_headers: Option<crate::kind::ListStringMatcher> = [message, optional, tag = 5],
    }
    ExtAuthzPerRoute = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute" {
        r#override: Option<ext_authz_per_route::Override> =
            [oneof = "ext_authz_per_route::Override", tags(1, 2)],
    }
    CheckSettings = "envoy.extensions.filters.http.ext_authz.v3.CheckSettings" {
        context_extensions: BTreeMap<String, String> = [btree_map = "string, string", tag = 1],
        disable_request_body_buffering: bool = [bool, tag = 2],
        with_request_body: Option<BufferSettings> = [message, optional, tag = 3],
        service_override: Option<check_settings::ServiceOverride> =
            [oneof = "check_settings::ServiceOverride", tags(4, 5)],
        emit_client_span: Option<bool> = [message, optional, tag = 6],
    }
    JwtProvider = "envoy.extensions.filters.http.jwt_authn.v3.JwtProvider" {
        issuer: String = [string, tag = 1],
        audiences: Vec<String> = [string, repeated, tag = 2],
        subjects: Option<crate::kind::StringMatcher> = [message, optional, tag = 19],
        require_expiration: bool = [bool, tag = 20],
        max_lifetime: Option<crate::wkt::Duration> = [message, optional, tag = 21],
        jwks_source_specifier: Option<jwt_provider::JwksSourceSpecifier> =
            [oneof = "jwt_provider::JwksSourceSpecifier", tags(3, 4)],
        forward: bool = [bool, tag = 5],
        from_headers: Vec<JwtHeader> = [message, repeated, tag = 6],
        from_params: Vec<String> = [string, repeated, tag = 7],
        from_cookies: Vec<String> = [string, repeated, tag = 13],
        forward_payload_header: String = [string, tag = 8],
        pad_forward_payload_header: bool = [bool, tag = 11],
        payload_in_metadata: String = [string, tag = 9],
        normalize_payload_in_metadata: Option<jwt_provider::NormalizePayload> = [message, optional, tag = 18],
        header_in_metadata: String = [string, tag = 14],
        failed_status_in_metadata: String = [string, tag = 16],
        clock_skew_seconds: u32 = [uint32, tag = 10],
        jwt_cache_config: Option<JwtCacheConfig> = [message, optional, tag = 12],
        claim_to_headers: Vec<JwtClaimToHeader> = [message, repeated, tag = 15],
        clear_route_cache: bool = [bool, tag = 17],
    }
    JwtCacheConfig = "envoy.extensions.filters.http.jwt_authn.v3.JwtCacheConfig" {
        jwt_cache_size: u32 = [uint32, tag = 1],
        jwt_max_token_size: u32 = [uint32, tag = 2],
    }
    RemoteJwks = "envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks" {
        http_uri: Option<crate::core::HttpUri> = [message, optional, tag = 1],
        cache_duration: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        async_fetch: Option<JwksAsyncFetch> = [message, optional, tag = 3],
        retry_policy: Option<crate::core::RetryPolicy> = [message, optional, tag = 4],
    }
    JwksAsyncFetch = "envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch" {
        fast_listener: bool = [bool, tag = 1],
        failed_refetch_duration: Option<crate::wkt::Duration> = [message, optional, tag = 2],
    }
    JwtHeader = "envoy.extensions.filters.http.jwt_authn.v3.JwtHeader" {
        name: String = [string, tag = 1],
        value_prefix: String = [string, tag = 2],
    }
    ProviderWithAudiences = "envoy.extensions.filters.http.jwt_authn.v3.ProviderWithAudiences" {
        provider_name: String = [string, tag = 1],
        audiences: Vec<String> = [string, repeated, tag = 2],
    }
    JwtRequirement = "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement" {
        requires_type: Option<jwt_requirement::RequiresType> =
            [oneof = "jwt_requirement::RequiresType", tags(1, 2, 3, 4, 5, 6, 7)],
    }
    ExtractOnlyWithoutValidation = "envoy.extensions.filters.http.jwt_authn.v3.ExtractOnlyWithoutValidation" {
        verification_status_header: String = [string, tag = 1],
    }
    JwtRequirementOrList = "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementOrList" {
        requirements: Vec<JwtRequirement> = [message, repeated, tag = 1],
    }
    JwtRequirementAndList = "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementAndList" {
        requirements: Vec<JwtRequirement> = [message, repeated, tag = 1],
    }
    RequirementRule = "envoy.extensions.filters.http.jwt_authn.v3.RequirementRule" {
        r#match: Option<crate::route::RouteMatch> = [message, optional, tag = 1],
        requirement_type: Option<requirement_rule::RequirementType> =
            [oneof = "requirement_rule::RequirementType", tags(2, 3)],
    }
    FilterStateRule = "envoy.extensions.filters.http.jwt_authn.v3.FilterStateRule" {
        name: String = [string, tag = 1],
        requires: BTreeMap<String, JwtRequirement> = [btree_map = "string, message", tag = 3],
    }
    JwtAuthentication = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" {
        providers: BTreeMap<String, JwtProvider> = [btree_map = "string, message", tag = 1],
        rules: Vec<RequirementRule> = [message, repeated, tag = 2],
        filter_state_rules: Option<FilterStateRule> = [message, optional, tag = 3],
        bypass_cors_preflight: bool = [bool, tag = 4],
        requirement_map: BTreeMap<String, JwtRequirement> = [btree_map = "string, message", tag = 5],
        strip_failure_response: bool = [bool, tag = 6],
        stat_prefix: String = [string, tag = 7],
    }
    PerRouteConfig = "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig" {
        requirement_specifier: Option<per_route_config::RequirementSpecifier> =
            [oneof = "per_route_config::RequirementSpecifier", tags(1, 2)],
    }
    JwtClaimToHeader = "envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader" {
        header_name: String = [string, tag = 1],
        claim_name: String = [string, tag = 2],
        claim_path: Vec<jwt_claim_to_header::PathSegment> = [message, repeated, tag = 3],
    }
}

/// Types inside [`ExtAuthz`](super::ExtAuthz).
pub mod ext_authz {
    oneofs! {
        Services = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz.services" {
            grpc_service => GrpcService(crate::core::GrpcService) = [message, tag = 1],
            http_service => HttpService(super::HttpService) = [message, tag = 3],
        }
    }
}

/// Types inside [`ShadowDecision`](super::ShadowDecision).
pub mod shadow_decision {
    enums! {
        CheckResult = "envoy.extensions.filters.http.ext_authz.v3.ShadowDecision.CheckResult" {
            Unspecified = 0, "UNSPECIFIED";
            Ok = 1, "OK";
            Denied = 2, "DENIED";
            Error = 3, "ERROR";
        }
    }
}

/// Types inside [`ExtAuthzPerRoute`](super::ExtAuthzPerRoute).
pub mod ext_authz_per_route {
    oneofs! {
        Override = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute.override" {
            disabled => Disabled(bool) = [bool, tag = 1],
            check_settings => CheckSettings(super::CheckSettings) = [message, tag = 2],
        }
    }
}

/// Types inside [`CheckSettings`](super::CheckSettings).
pub mod check_settings {
    oneofs! {
        ServiceOverride = "envoy.extensions.filters.http.ext_authz.v3.CheckSettings.service_override" {
            grpc_service => GrpcService(crate::core::GrpcService) = [message, tag = 4],
            http_service => HttpService(super::HttpService) = [message, tag = 5],
        }
    }
}

/// Types inside [`JwtProvider`](super::JwtProvider).
pub mod jwt_provider {
    messages! {
        NormalizePayload = "envoy.extensions.filters.http.jwt_authn.v3.JwtProvider.NormalizePayload" {
            space_delimited_claims: Vec<String> = [string, repeated, tag = 1],
        }
    }

    oneofs! {
        JwksSourceSpecifier = "envoy.extensions.filters.http.jwt_authn.v3.JwtProvider.jwks_source_specifier" {
            remote_jwks => RemoteJwks(super::RemoteJwks) = [message, tag = 3],
            local_jwks => LocalJwks(crate::core::DataSource) = [message, tag = 4],
        }
    }
}

/// Types inside [`JwtRequirement`](super::JwtRequirement).
pub mod jwt_requirement {
    oneofs! {
        RequiresType = "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement.requires_type" {
            provider_name => ProviderName(String) = [string, tag = 1],
            provider_and_audiences => ProviderAndAudiences(super::ProviderWithAudiences) = [message, tag = 2],
            requires_any => RequiresAny(super::JwtRequirementOrList) = [message, tag = 3],
            requires_all => RequiresAll(super::JwtRequirementAndList) = [message, tag = 4],
            allow_missing_or_failed => AllowMissingOrFailed(crate::wkt::Empty) = [message, tag = 5],
            allow_missing => AllowMissing(crate::wkt::Empty) = [message, tag = 6],
            extract_only_without_validation => ExtractOnlyWithoutValidation(super::ExtractOnlyWithoutValidation) =
                [message, tag = 7],
        }
    }
}

/// Types inside [`RequirementRule`](super::RequirementRule).
pub mod requirement_rule {
    oneofs! {
        RequirementType = "envoy.extensions.filters.http.jwt_authn.v3.RequirementRule.requirement_type" {
            requires => Requires(super::JwtRequirement) = [message, tag = 2],
            requirement_name => RequirementName(String) = [string, tag = 3],
        }
    }
}

/// Types inside [`PerRouteConfig`](super::PerRouteConfig).
pub mod per_route_config {
    oneofs! {
        RequirementSpecifier = "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig.requirement_specifier" {
            disabled => Disabled(bool) = [bool, tag = 1],
            requirement_name => RequirementName(String) = [string, tag = 2],
        }
    }
}

/// Types inside [`JwtClaimToHeader`](super::JwtClaimToHeader).
pub mod jwt_claim_to_header {
    messages! {
        PathSegment = "envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader.PathSegment" {
            key: String = [string, tag = 1],
        }
    }
}
