//! `envoy.config.route.v3`: what matches a request and what is done with it.

messages! {
    RouteMatch = "envoy.config.route.v3.RouteMatch" {
        path_specifier: Option<route_match::PathSpecifier> =
            [oneof = "route_match::PathSpecifier", tags(1, 2, 10, 12, 14, 15)],
        case_sensitive: Option<bool> = [message, optional, tag = 4],
        runtime_fraction: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 9],
        headers: Vec<HeaderMatcher> = [message, repeated, tag = 6],
        query_parameters: Vec<QueryParameterMatcher> = [message, repeated, tag = 7],
        cookies: Vec<CookieMatcher> = [message, repeated, tag = 17],
        grpc: Option<route_match::GrpcRouteMatchOptions> = [message, optional, tag = 8],
        tls_context: Option<route_match::TlsContextMatchOptions> = [message, optional, tag = 11],
        dynamic_metadata: Vec<crate::kind::MetadataMatcher> = [message, repeated, tag = 13],
        filter_state: Vec<crate::kind::FilterStateMatcher> = [message, repeated, tag = 16],
    }
    CorsPolicy = "envoy.config.route.v3.CorsPolicy" {
        allow_origin_string_match: Vec<crate::kind::StringMatcher> = [message, repeated, tag = 11],
        allow_methods: String = [string, tag = 2],
        allow_headers: String = [string, tag = 3],
        expose_headers: String = [string, tag = 4],
        max_age: String = [string, tag = 5],
        allow_credentials: Option<bool> = [message, optional, tag = 6],
        enabled_specifier: Option<cors_policy::EnabledSpecifier> =
            [oneof = "cors_policy::EnabledSpecifier", tags(9)],
        shadow_enabled: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 10],
        allow_private_network_access: Option<bool> = [message, optional, tag = 12],
        forward_not_matching_preflights: Option<bool> = [message, optional, tag = 13],
    }
    RouteAction = "envoy.config.route.v3.RouteAction" {
        cluster_specifier: Option<route_action::ClusterSpecifier> =
            [oneof = "route_action::ClusterSpecifier", tags(1, 2, 3, 37, 39)],
        cluster_not_found_response_code: i32 =
            [enumeration(route_action::ClusterNotFoundResponseCode), tag = 20],
        metadata_match: Option<crate::core::Metadata> = [message, optional, tag = 4],
        prefix_rewrite: String = [string, tag = 5],
        regex_rewrite: Option<crate::kind::RegexMatchAndSubstitute> = [message, optional, tag = 32],
        path_rewrite_policy: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 41],
        path_rewrite: String = [string, tag = 45],
        host_rewrite_specifier: Option<route_action::HostRewriteSpecifier> =
            [oneof = "route_action::HostRewriteSpecifier", tags(6, 7, 29, 35, 44)],
        append_x_forwarded_host: bool = [bool, tag = 38],
        timeout: Option<crate::wkt::Duration> = [message, optional, tag = 8],
        idle_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 24],
        flush_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 42],
        early_data_policy: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 40],
        retry_policy: Option<RetryPolicy> = [message, optional, tag = 9],
        retry_policy_typed_config: Option<crate::wkt::Any> = [message, optional, tag = 33],
        request_mirror_policies: Vec<route_action::RequestMirrorPolicy> = [message, repeated, tag = 30],
        priority: i32 = [enumeration(crate::core::RoutingPriority), tag = 11],
        rate_limits: Vec<crate::route::RateLimit> = [message, repeated, tag = 13],
        include_vh_rate_limits: Option<bool> = [message, optional, tag = 14],
        hash_policy: Vec<route_action::HashPolicy> = [message, repeated, tag = 15],
        cors: Option<CorsPolicy> = [message, optional, tag = 17],
        max_grpc_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 23],
        grpc_timeout_offset: Option<crate::wkt::Duration> = [message, optional, tag = 28],
        upgrade_configs: Vec<route_action::UpgradeConfig> = [message, repeated, tag = 25],
        internal_redirect_policy: Option<crate::route::InternalRedirectPolicy> =
            [message, optional, tag = 34],
        internal_redirect_action: i32 = [enumeration(route_action::InternalRedirectAction), tag = 26],
        max_internal_redirects: Option<u32> = [message, optional, tag = 31],
        hedge_policy: Option<HedgePolicy> = [message, optional, tag = 27],
        max_stream_duration: Option<route_action::MaxStreamDuration> = [message, optional, tag = 36],
    }
    RetryPolicy = "envoy.config.route.v3.RetryPolicy" {
        retry_on: String = [string, tag = 1],
        num_retries: Option<u32> = [message, optional, tag = 2],
        per_try_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        per_try_idle_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 13],
        retry_priority: Option<retry_policy::RetryPriority> = [message, optional, tag = 4],
        retry_host_predicate: Vec<retry_policy::RetryHostPredicate> = [message, repeated, tag = 5],
        retry_options_predicates: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 12],
        host_selection_retry_max_attempts: i64 = [int64, tag = 6],
        retriable_status_codes: Vec<u32> = [uint32, repeated, tag = 7],
        retry_back_off: Option<retry_policy::RetryBackOff> = [message, optional, tag = 8],
        rate_limited_retry_back_off: Option<retry_policy::RateLimitedRetryBackOff> =
            [message, optional, tag = 11],
        retriable_headers: Vec<HeaderMatcher> = [message, repeated, tag = 9],
        retriable_request_headers: Vec<HeaderMatcher> = [message, repeated, tag = 10],
        refresh_cluster_on_retry: bool = [bool, tag = 14],
    }
    HedgePolicy = "envoy.config.route.v3.HedgePolicy" {
        initial_requests: Option<u32> = [message, optional, tag = 1],
        additional_request_chance: Option<crate::kind::FractionalPercent> = [message, optional, tag = 2],
        hedge_on_per_try_timeout: bool = [bool, tag = 3],
    }
    RedirectAction = "envoy.config.route.v3.RedirectAction" {
        scheme_rewrite_specifier: Option<redirect_action::SchemeRewriteSpecifier> =
            [oneof = "redirect_action::SchemeRewriteSpecifier", tags(4, 7)],
        host_redirect: String = [string, tag = 1],
        port_redirect: u32 = [uint32, tag = 8],
        path_rewrite_specifier: Option<redirect_action::PathRewriteSpecifier> =
            [oneof = "redirect_action::PathRewriteSpecifier", tags(2, 5, 9, 10)],
        response_code: i32 = [enumeration(redirect_action::RedirectResponseCode), tag = 3],
        strip_query: bool = [bool, tag = 6],
    }
    DirectResponseAction = "envoy.config.route.v3.DirectResponseAction" {
        status: u32 = [uint32, tag = 1],
        body: Option<crate::core::DataSource> = [message, optional, tag = 2],
        body_format: Option<crate::core::SubstitutionFormatString> = [message, optional, tag = 3],
    }
    NonForwardingAction = "envoy.config.route.v3.NonForwardingAction" {}
    HeaderMatcher = "envoy.config.route.v3.HeaderMatcher" {
        name: String = [string, tag = 1],
        header_match_specifier: Option<header_matcher::HeaderMatchSpecifier> =
            [oneof = "header_matcher::HeaderMatchSpecifier", tags(4, 11, 6, 7, 9, 10, 12, 13)],
        invert_match: bool = [bool, tag = 8],
        treat_missing_header_as_empty: bool = [bool, tag = 14],
    }
    QueryParameterMatcher = "envoy.config.route.v3.QueryParameterMatcher" {
        name: String = [string, tag = 1],
        query_parameter_match_specifier: Option<query_parameter_matcher::QueryParameterMatchSpecifier> =
            [oneof = "query_parameter_matcher::QueryParameterMatchSpecifier", tags(5, 6)],
    }
    CookieMatcher = "envoy.config.route.v3.CookieMatcher" {
        name: String = [string, tag = 1],
        string_match: Option<crate::kind::StringMatcher> = [message, optional, tag = 2],
        invert_match: bool = [bool, tag = 3],
    }
}

/// Types inside [`RouteMatch`](super::RouteMatch).
pub mod route_match {
    messages! {
        GrpcRouteMatchOptions = "envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions" {}
        TlsContextMatchOptions = "envoy.config.route.v3.RouteMatch.TlsContextMatchOptions" {
            presented: Option<bool> = [message, optional, tag = 1],
            validated: Option<bool> = [message, optional, tag = 2],
        }
        ConnectMatcher = "envoy.config.route.v3.RouteMatch.ConnectMatcher" {}
    }

    oneofs! {
        PathSpecifier = "envoy.config.route.v3.RouteMatch.path_specifier" {
            prefix => Prefix(String) = [string, tag = 1],
            path => Path(String) = [string, tag = 2],
            safe_regex => SafeRegex(crate::kind::RegexMatcher) = [message, tag = 10],
            connect_matcher => ConnectMatcher(ConnectMatcher) = [message, tag = 12],
            path_separated_prefix => PathSeparatedPrefix(String) = [string, tag = 14],
            path_match_policy => PathMatchPolicy(crate::core::TypedExtensionConfig) = [message, tag = 15],
        }
    }
}

/// Types inside [`CorsPolicy`](super::CorsPolicy).
pub mod cors_policy {
    oneofs! {
        EnabledSpecifier = "envoy.config.route.v3.CorsPolicy.enabled_specifier" {
            filter_enabled => FilterEnabled(crate::core::RuntimeFractionalPercent) = [message, tag = 9],
        }
    }
}

/// Types inside [`RouteAction`](super::RouteAction).
pub mod route_action {
    messages! {
        RequestMirrorPolicy = "envoy.config.route.v3.RouteAction.RequestMirrorPolicy" {
            cluster: String = [string, tag = 1],
            cluster_header: String = [string, tag = 5],
            runtime_fraction: Option<crate::core::RuntimeFractionalPercent> = [message, optional, tag = 3],
            trace_sampled: Option<bool> = [message, optional, tag = 4],
            disable_shadow_host_suffix_append: bool = [bool, tag = 6],
            request_headers_mutations: Vec<crate::core::HeaderMutation> = [message, repeated, tag = 7],
            host_rewrite_literal: String = [string, tag = 8],
        }
        HashPolicy = "envoy.config.route.v3.RouteAction.HashPolicy" {
            policy_specifier: Option<hash_policy::PolicySpecifier> =
                [oneof = "hash_policy::PolicySpecifier", tags(1, 2, 3, 5, 6)],
            terminal: bool = [bool, tag = 4],
        }
        UpgradeConfig = "envoy.config.route.v3.RouteAction.UpgradeConfig" {
            upgrade_type: String = [string, tag = 1],
            enabled: Option<bool> = [message, optional, tag = 2],
            connect_config: Option<upgrade_config::ConnectConfig> = [message, optional, tag = 3],
        }
        MaxStreamDuration = "envoy.config.route.v3.RouteAction.MaxStreamDuration" {
            max_stream_duration: Option<crate::wkt::Duration> = [message, optional, tag = 1],
            grpc_timeout_header_max: Option<crate::wkt::Duration> = [message, optional, tag = 2],
            grpc_timeout_header_offset: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        }
    }

    enums! {
        ClusterNotFoundResponseCode = "envoy.config.route.v3.RouteAction.ClusterNotFoundResponseCode" {
            ServiceUnavailable = 0, "SERVICE_UNAVAILABLE";
            NotFound = 1, "NOT_FOUND";
            InternalServerError = 2, "INTERNAL_SERVER_ERROR";
        }
        InternalRedirectAction = "envoy.config.route.v3.RouteAction.InternalRedirectAction" {
            PassThroughInternalRedirect = 0, "PASS_THROUGH_INTERNAL_REDIRECT";
            HandleInternalRedirect = 1, "HANDLE_INTERNAL_REDIRECT";
        }
    }

    oneofs! {
        ClusterSpecifier = "envoy.config.route.v3.RouteAction.cluster_specifier" {
            cluster => Cluster(String) = [string, tag = 1],
            cluster_header => ClusterHeader(String) = [string, tag = 2],
            weighted_clusters => WeightedClusters(crate::route::WeightedCluster) = [message, tag = 3],
            cluster_specifier_plugin => ClusterSpecifierPlugin(String) = [string, tag = 37],
            inline_cluster_specifier_plugin => InlineClusterSpecifierPlugin(crate::route::ClusterSpecifierPlugin) =
                [message, tag = 39],
        }
        HostRewriteSpecifier = "envoy.config.route.v3.RouteAction.host_rewrite_specifier" {
            host_rewrite_literal => HostRewriteLiteral(String) = [string, tag = 6],
            auto_host_rewrite => AutoHostRewrite(bool) = [message, tag = 7],
            host_rewrite_header => HostRewriteHeader(String) = [string, tag = 29],
            host_rewrite_path_regex => HostRewritePathRegex(crate::kind::RegexMatchAndSubstitute) =
                [message, tag = 35],
            host_rewrite => HostRewrite(String) = [string, tag = 44],
        }
    }

    /// Types inside [`HashPolicy`](super::HashPolicy).
    pub mod hash_policy {
        messages! {
            Header = "envoy.config.route.v3.RouteAction.HashPolicy.Header" {
                header_name: String = [string, tag = 1],
                regex_rewrite: Option<crate::kind::RegexMatchAndSubstitute> = [message, optional, tag = 2],
            }
            CookieAttribute = "envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute" {
                name: String = [string, tag = 1],
                value: String = [string, tag = 2],
            }
            Cookie = "envoy.config.route.v3.RouteAction.HashPolicy.Cookie" {
                name: String = [string, tag = 1],
                ttl: Option<crate::wkt::Duration> = [message, optional, tag = 2],
                path: String = [string, tag = 3],
                attributes: Vec<CookieAttribute> = [message, repeated, tag = 4],
            }
            ConnectionProperties = "envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties" {
                source_ip: bool = [bool, tag = 1],
            }
            QueryParameter = "envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter" {
                name: String = [string, tag = 1],
            }
            FilterState = "envoy.config.route.v3.RouteAction.HashPolicy.FilterState" {
                key: String = [string, tag = 1],
            }
        }

        oneofs! {
            PolicySpecifier = "envoy.config.route.v3.RouteAction.HashPolicy.policy_specifier" {
                header => Header(Header) = [message, tag = 1],
                cookie => Cookie(Cookie) = [message, tag = 2],
                connection_properties => ConnectionProperties(ConnectionProperties) = [message, tag = 3],
                query_parameter => QueryParameter(QueryParameter) = [message, tag = 5],
                filter_state => FilterState(FilterState) = [message, tag = 6],
            }
        }
    }

    /// Types inside [`UpgradeConfig`](super::UpgradeConfig).
    pub mod upgrade_config {
        messages! {
            ConnectConfig = "envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig" {
                proxy_protocol_config: Option<crate::core::ProxyProtocolConfig> =
                    [message, optional, tag = 1],
                allow_post: bool = [bool, tag = 2],
            }
        }
    }
}

/// Types inside [`RetryPolicy`](super::RetryPolicy).
pub mod retry_policy {
    messages! {
        RetryPriority = "envoy.config.route.v3.RetryPolicy.RetryPriority" {
            name: String = [string, tag = 1],
            config_type: Option<retry_priority::ConfigType> = [oneof = "retry_priority::ConfigType", tags(3)],
        }
        RetryHostPredicate = "envoy.config.route.v3.RetryPolicy.RetryHostPredicate" {
            name: String = [string, tag = 1],
            config_type: Option<retry_host_predicate::ConfigType> =
                [oneof = "retry_host_predicate::ConfigType", tags(3)],
        }
        RetryBackOff = "envoy.config.route.v3.RetryPolicy.RetryBackOff" {
            base_interval: Option<crate::wkt::Duration> = [message, optional, tag = 1],
            max_interval: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        }
        ResetHeader = "envoy.config.route.v3.RetryPolicy.ResetHeader" {
            name: String = [string, tag = 1],
            format: i32 = [enumeration(ResetHeaderFormat), tag = 2],
        }
        RateLimitedRetryBackOff = "envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff" {
            reset_headers: Vec<ResetHeader> = [message, repeated, tag = 1],
            max_interval: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        }
    }

    enums! {
        ResetHeaderFormat = "envoy.config.route.v3.RetryPolicy.ResetHeaderFormat" {
            Seconds = 0, "SECONDS";
            UnixTimestamp = 1, "UNIX_TIMESTAMP";
        }
    }

    /// Types inside [`RetryPriority`](super::RetryPriority).
    pub mod retry_priority {
        oneofs! {
            ConfigType = "envoy.config.route.v3.RetryPolicy.RetryPriority.config_type" {
                typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
            }
        }
    }

    /// Types inside [`RetryHostPredicate`](super::RetryHostPredicate).
    pub mod retry_host_predicate {
        oneofs! {
            ConfigType = "envoy.config.route.v3.RetryPolicy.RetryHostPredicate.config_type" {
                typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
            }
        }
    }
}

/// Types inside [`RedirectAction`](super::RedirectAction).
pub mod redirect_action {
    enums! {
        RedirectResponseCode = "envoy.config.route.v3.RedirectAction.RedirectResponseCode" {
            MovedPermanently = 0, "MOVED_PERMANENTLY";
            Found = 1, "FOUND";
            SeeOther = 2, "SEE_OTHER";
            TemporaryRedirect = 3, "TEMPORARY_REDIRECT";
            PermanentRedirect = 4, "PERMANENT_REDIRECT";
        }
    }

    oneofs! {
        SchemeRewriteSpecifier = "envoy.config.route.v3.RedirectAction.scheme_rewrite_specifier" {
            https_redirect => HttpsRedirect(bool) = [bool, tag = 4],
            scheme_redirect => SchemeRedirect(String) = [string, tag = 7],
        }
        PathRewriteSpecifier = "envoy.config.route.v3.RedirectAction.path_rewrite_specifier" {
            path_redirect => PathRedirect(String) = [string, tag = 2],
            prefix_rewrite => PrefixRewrite(String) = [string, tag = 5],
            regex_rewrite => RegexRewrite(crate::kind::RegexMatchAndSubstitute) = [message, tag = 9],
            path_rewrite => PathRewrite(String) = [string, tag = 10],
        }
    }
}

/// Types inside [`HeaderMatcher`](super::HeaderMatcher).
pub mod header_matcher {
    oneofs! {
        HeaderMatchSpecifier = "envoy.config.route.v3.HeaderMatcher.header_match_specifier" {
            exact_match => ExactMatch(String) = [string, tag = 4],
            safe_regex_match => SafeRegexMatch(crate::kind::RegexMatcher) = [message, tag = 11],
            range_match => RangeMatch(crate::kind::Int64Range) = [message, tag = 6],
            present_match => PresentMatch(bool) = [bool, tag = 7],
            prefix_match => PrefixMatch(String) = [string, tag = 9],
            suffix_match => SuffixMatch(String) = [string, tag = 10],
            contains_match => ContainsMatch(String) = [string, tag = 12],
            string_match => StringMatch(crate::kind::StringMatcher) = [message, tag = 13],
        }
    }
}

/// Types inside [`QueryParameterMatcher`](super::QueryParameterMatcher).
pub mod query_parameter_matcher {
    oneofs! {
        QueryParameterMatchSpecifier = "envoy.config.route.v3.QueryParameterMatcher.query_parameter_match_specifier" {
            string_match => StringMatch(crate::kind::StringMatcher) = [message, tag = 5],
            present_match => PresentMatch(bool) = [bool, tag = 6],
        }
    }
}
