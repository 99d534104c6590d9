//! `envoy.config.route.v3`: route configurations and virtual hosts.

use std::collections::BTreeMap;

messages! {
    VirtualHost = "envoy.config.route.v3.VirtualHost" {
        name: String = [string, tag = 1],
        domains: Vec<String> = [string, repeated, tag = 2],
        routes: Vec<Route> = [message, repeated, tag = 3],
        matcher: Option<crate::cncf::Matcher> = [message, optional, tag = 21],
        require_tls: i32 = [enumeration(virtual_host::TlsRequirementType), tag = 4],
        virtual_clusters: Vec<VirtualCluster> = [message, repeated, tag = 5],
        rate_limits: Vec<RateLimit> = [message, repeated, tag = 6],
        request_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 7],
        request_headers_to_remove: Vec<String> = [string, repeated, tag = 13],
        response_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 10],
        response_headers_to_remove: Vec<String> = [string, repeated, tag = 11],
        cors: Option<crate::route::CorsPolicy> = [message, optional, tag = 8],
        typed_per_filter_config: BTreeMap<String, crate::wkt::Any> =
            [btree_map = "string, message", tag = 15],
        include_request_attempt_count: bool = [bool, tag = 14],
        include_attempt_count_in_response: bool = [bool, tag = 19],
        retry_policy: Option<crate::route::RetryPolicy> = [message, optional, tag = 16],
        retry_policy_typed_config: Option<crate::wkt::Any> = [message, optional, tag = 20],
        hedge_policy: Option<crate::route::HedgePolicy> = [message, optional, tag = 17],
        include_is_timeout_retry_header: bool = [bool, tag = 23],
        per_request_buffer_limit_bytes: Option<u32> = [message, optional, tag = 18],
        request_body_buffer_limit: Option<u64> = [message, optional, tag = 25],
        request_mirror_policies: Vec<crate::route::route_action::RequestMirrorPolicy> =
            [message, repeated, tag = 22],
        metadata: Option<crate::core::Metadata> = [message, optional, tag = 24],
        route_specifiers: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 26],
    }
    FilterAction = "envoy.config.route.v3.FilterAction" {
        action: Option<crate::wkt::Any> = [message, optional, tag = 1],
    }
    RouteList = "envoy.config.route.v3.RouteList" {
        routes: Vec<Route> = [message, repeated, tag = 1],
    }
    Route = "envoy.config.route.v3.Route" {
        name: String = [string, tag = 14],
        r#match: Option<crate::route::RouteMatch> = [message, optional, tag = 1],
        action: Option<route::Action> = [oneof = "route::Action", tags(2, 3, 7, 17, 18)],
        metadata: Option<crate::core::Metadata> = [message, optional, tag = 4],
        decorator: Option<Decorator> = [message, optional, tag = 5],
        typed_per_filter_config: BTreeMap<String, crate::wkt::Any> =
            [btree_map = "string, message", tag = 13],
        request_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 9],
        request_headers_to_remove: Vec<String> = [string, repeated, tag = 12],
        response_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 10],
        response_headers_to_remove: Vec<String> = [string, repeated, tag = 11],
        tracing: Option<Tracing> = [message, optional, tag = 15],
        per_request_buffer_limit_bytes: Option<u32> = [message, optional, tag = 16],
        stat_prefix: String = [string, tag = 19],
        request_body_buffer_limit: Option<u64> = [message, optional, tag = 20],
        route_specifiers: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 21],
    }
    WeightedCluster = "envoy.config.route.v3.WeightedCluster" {
        clusters: Vec<weighted_cluster::ClusterWeight> = [message, repeated, tag = 1],
        total_weight: Option<u32> = [message, optional, tag = 3],
        runtime_key_prefix: String = [string, tag = 2],
        random_value_specifier: Option<weighted_cluster::RandomValueSpecifier> =
            [oneof = "weighted_cluster::RandomValueSpecifier", tags(4, 5)],
    }
    ClusterSpecifierPlugin = "envoy.config.route.v3.ClusterSpecifierPlugin" {
        extension: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 1],
        is_optional: bool = [bool, tag = 2],
    }
    Decorator = "envoy.config.route.v3.Decorator" {
        operation: String = [string, tag = 1],
        propagate: Option<bool> = [message, optional, tag = 2],
    }
    Tracing = "envoy.config.route.v3.Tracing" {
        client_sampling: Option<crate::kind::FractionalPercent> = [message, optional, tag = 1],
        random_sampling: Option<crate::kind::FractionalPercent> = [message, optional, tag = 2],
        overall_sampling: Option<crate::kind::FractionalPercent> = [message, optional, tag = 3],
        custom_tags: Vec<crate::kind::CustomTag> = [message, repeated, tag = 4],
        operation: String = [string, tag = 5],
        upstream_operation: String = [string, tag = 6],
    }
    VirtualCluster = "envoy.config.route.v3.VirtualCluster" {
        headers: Vec<crate::route::HeaderMatcher> = [message, repeated, tag = 4],
        name: String = [string, tag = 2],
    }
    RateLimit = "envoy.config.route.v3.RateLimit" {
        stage: Option<u32> = [message, optional, tag = 1],
        disable_key: String = [string, tag = 2],
        actions: Vec<rate_limit::Action> = [message, repeated, tag = 3],
        limit: Option<rate_limit::Override> = [message, optional, tag = 4],
        hits_addend: Option<rate_limit::HitsAddend> = [message, optional, tag = 5],
        apply_on_stream_done: bool = [bool, tag = 6],
        x_ratelimit_option: i32 = [enumeration(rate_limit::XRateLimitOption), tag = 7],
    }
    InternalRedirectPolicy = "envoy.config.route.v3.InternalRedirectPolicy" {
        max_internal_redirects: Option<u32> = [message, optional, tag = 1],
        redirect_response_codes: Vec<u32> = [uint32, repeated, packed = "false", tag = 2],
        predicates: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 3],
        allow_cross_scheme_redirect: bool = [bool, tag = 4],
        response_headers_to_copy: Vec<String> = [string, repeated, tag = 5],
    }
    FilterConfig = "envoy.config.route.v3.FilterConfig" {
        config: Option<crate::wkt::Any> = [message, optional, tag = 1],
        is_optional: bool = [bool, tag = 2],
        disabled: bool = [bool, tag = 3],
    }
    RouteConfiguration = "envoy.config.route.v3.RouteConfiguration" {
        name: String = [string, tag = 1],
        virtual_hosts: Vec<VirtualHost> = [message, repeated, tag = 2],
        vhds: Option<Vhds> = [message, optional, tag = 9],
        internal_only_headers: Vec<String> = [string, repeated, tag = 3],
        response_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 4],
        response_headers_to_remove: Vec<String> = [string, repeated, tag = 5],
        request_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 6],
        request_headers_to_remove: Vec<String> = [string, repeated, tag = 8],
        most_specific_header_mutations_wins: bool = [bool, tag = 10],
        validate_clusters: Option<bool> = [message, optional, tag = 7],
        max_direct_response_body_size_bytes: Option<u32> = [message, optional, tag = 11],
        cluster_specifier_plugins: Vec<ClusterSpecifierPlugin> = [message, repeated, tag = 12],
        request_mirror_policies: Vec<crate::route::route_action::RequestMirrorPolicy> =
            [message, repeated, tag = 13],
        ignore_port_in_host_matching: bool = [bool, tag = 14],
        vhost_header: String = [string, tag = 18],
        ignore_path_parameters_in_path_matching: bool = [bool, tag = 15],
        typed_per_filter_config: BTreeMap<String, crate::wkt::Any> =
            [btree_map = "string, message", tag = 16],
        metadata: Option<crate::core::Metadata> = [message, optional, tag = 17],
        route_specifiers: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 19],
    }
    Vhds = "envoy.config.route.v3.Vhds" {
        config_source: Option<crate::core::ConfigSource> = [message, optional, tag = 1],
    }
    ScopedRouteConfiguration = "envoy.config.route.v3.ScopedRouteConfiguration" {
        on_demand: bool = [bool, tag = 4],
        name: String = [string, tag = 1],
        route_configuration_name: String = [string, tag = 2],
        route_configuration: Option<RouteConfiguration> = [message, optional, tag = 5],
        key: Option<scoped_route_configuration::Key> = [message, optional, tag = 3],
    }
}

/// Types inside [`VirtualHost`](super::VirtualHost).
pub mod virtual_host {
    enums! {
        TlsRequirementType = "envoy.config.route.v3.VirtualHost.TlsRequirementType" {
            None = 0, "NONE";
            ExternalOnly = 1, "EXTERNAL_ONLY";
            All = 2, "ALL";
        }
    }
}

/// Types inside [`Route`](super::Route).
pub mod route {
    oneofs! {
        Action = "envoy.config.route.v3.Route.action" {
            route => Route(crate::route::RouteAction) = [message, tag = 2],
            redirect => Redirect(crate::route::RedirectAction) = [message, tag = 3],
            direct_response => DirectResponse(crate::route::DirectResponseAction) = [message, tag = 7],
            filter_action => FilterAction(super::FilterAction) = [message, tag = 17],
            non_forwarding_action => NonForwardingAction(crate::route::NonForwardingAction) =
                [message, tag = 18],
        }
    }
}

/// Types inside [`WeightedCluster`](super::WeightedCluster).
pub mod weighted_cluster {
    use std::collections::BTreeMap;

    messages! {
        ClusterWeight = "envoy.config.route.v3.WeightedCluster.ClusterWeight" {
            name: String = [string, tag = 1],
            cluster_header: String = [string, tag = 12],
            weight: Option<u32> = [message, optional, tag = 2],
            metadata_match: Option<crate::core::Metadata> = [message, optional, tag = 3],
            request_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 4],
            request_headers_to_remove: Vec<String> = [string, repeated, tag = 9],
            response_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 5],
            response_headers_to_remove: Vec<String> = [string, repeated, tag = 6],
            typed_per_filter_config: BTreeMap<String, crate::wkt::Any> =
                [btree_map = "string, message", tag = 10],
            host_rewrite_specifier: Option<cluster_weight::HostRewriteSpecifier> =
                [oneof = "cluster_weight::HostRewriteSpecifier", tags(11)],
        }
    }

    oneofs! {
        RandomValueSpecifier = "envoy.config.route.v3.WeightedCluster.random_value_specifier" {
            header_name => HeaderName(String) = [string, tag = 4],
            use_hash_policy => UseHashPolicy(bool) = [message, tag = 5],
        }
    }

    /// Types inside [`ClusterWeight`](super::ClusterWeight).
    pub mod cluster_weight {
        oneofs! {
            HostRewriteSpecifier = "envoy.config.route.v3.WeightedCluster.ClusterWeight.host_rewrite_specifier" {
                host_rewrite_literal => HostRewriteLiteral(String) = [string, tag = 11],
            }
        }
    }
}

/// Types inside [`RateLimit`](super::RateLimit).
pub mod rate_limit {
    messages! {
        Action = "envoy.config.route.v3.RateLimit.Action" {
            action_specifier: Option<action::ActionSpecifier> =
                [oneof = "action::ActionSpecifier", tags(1, 2, 3, 12, 4, 5, 6, 7, 8, 9, 10, 11, 13)],
        }
        Override = "envoy.config.route.v3.RateLimit.Override" {
            override_specifier: Option<r#override::OverrideSpecifier> =
                [oneof = "r#override::OverrideSpecifier", tags(1, 2)],
        }
        HitsAddend = "envoy.config.route.v3.RateLimit.HitsAddend" {
            number: Option<u64> = [message, optional, tag = 1],
            format: String = [string, tag = 2],
            is_negative_hits: bool = [bool, tag = 3],
        }
    }

    enums! {
        XRateLimitOption = "envoy.config.route.v3.RateLimit.XRateLimitOption" {
            Unspecified = 0, "UNSPECIFIED";
            Off = 1, "OFF";
            DraftVersion03 = 2, "DRAFT_VERSION_03";
        }
    }

    /// Types inside [`Action`](super::Action).
    pub mod action {
        messages! {
            SourceCluster = "envoy.config.route.v3.RateLimit.Action.SourceCluster" {}
            DestinationCluster = "envoy.config.route.v3.RateLimit.Action.DestinationCluster" {}
            RequestHeaders = "envoy.config.route.v3.RateLimit.Action.RequestHeaders" {
                header_name: String = [string, tag = 1],
                descriptor_key: String = [string, tag = 2],
                skip_if_absent: bool = [bool, tag = 3],
            }
            QueryParameters = "envoy.config.route.v3.RateLimit.Action.QueryParameters" {
                query_parameter_name: String = [string, tag = 1],
                descriptor_key: String = [string, tag = 2],
                skip_if_absent: bool = [bool, tag = 3],
            }
            RemoteAddress = "envoy.config.route.v3.RateLimit.Action.RemoteAddress" {}
            MaskedRemoteAddress = "envoy.config.route.v3.RateLimit.Action.MaskedRemoteAddress" {
                v4_prefix_mask_len: Option<u32> = [message, optional, tag = 1],
                v6_prefix_mask_len: Option<u32> = [message, optional, tag = 2],
            }
            GenericKey = "envoy.config.route.v3.RateLimit.Action.GenericKey" {
                descriptor_value: String = [string, tag = 1],
                default_value: String = [string, tag = 3],
                descriptor_key: String = [string, tag = 2],
            }
            HeaderValueMatch = "envoy.config.route.v3.RateLimit.Action.HeaderValueMatch" {
                descriptor_value: String = [string, tag = 1],
                default_value: String = [string, tag = 5],
                descriptor_key: String = [string, tag = 4],
                expect_match: Option<bool> = [message, optional, tag = 2],
                headers: Vec<crate::route::HeaderMatcher> = [message, repeated, tag = 3],
            }
            DynamicMetaData = "envoy.config.route.v3.RateLimit.Action.DynamicMetaData" {
                descriptor_key: String = [string, tag = 1],
                metadata_key: Option<crate::kind::MetadataKey> = [message, optional, tag = 2],
                default_value: String = [string, tag = 3],
            }
            MetaData = "envoy.config.route.v3.RateLimit.Action.MetaData" {
                descriptor_key: String = [string, tag = 1],
                metadata_key: Option<crate::kind::MetadataKey> = [message, optional, tag = 2],
                default_value: String = [string, tag = 3],
                source: i32 = [enumeration(meta_data::Source), tag = 4],
                skip_if_absent: bool = [bool, tag = 5],
            }
            QueryParameterValueMatch = "envoy.config.route.v3.RateLimit.Action.QueryParameterValueMatch" {
                descriptor_value: String = [string, tag = 1],
                default_value: String = [string, tag = 5],
                descriptor_key: String = [string, tag = 4],
                expect_match: Option<bool> = [message, optional, tag = 2],
                query_parameters: Vec<crate::route::QueryParameterMatcher> = [message, repeated, tag = 3],
            }
            RemoteAddressMatch = "envoy.config.route.v3.RateLimit.Action.RemoteAddressMatch" {
                descriptor_value: String = [string, tag = 1],
                descriptor_key: String = [string, tag = 2],
                default_value: String = [string, tag = 3],
                address_matcher: Option<crate::kind::AddressMatcher> = [message, optional, tag = 4],
            }
        }

        oneofs! {
            ActionSpecifier = "envoy.config.route.v3.RateLimit.Action.action_specifier" {
                source_cluster => SourceCluster(SourceCluster) = [message, tag = 1],
                destination_cluster => DestinationCluster(DestinationCluster) = [message, tag = 2],
                request_headers => RequestHeaders(RequestHeaders) = [message, tag = 3],
                query_parameters => QueryParameters(QueryParameters) = [message, tag = 12],
                remote_address => RemoteAddress(RemoteAddress) = [message, tag = 4],
                generic_key => GenericKey(GenericKey) = [message, tag = 5],
                header_value_match => HeaderValueMatch(HeaderValueMatch) = [message, tag = 6],
                dynamic_metadata => DynamicMetadata(DynamicMetaData) = [message, tag = 7],
                metadata => Metadata(MetaData) = [message, tag = 8],
                extension => Extension(crate::core::TypedExtensionConfig) = [message, tag = 9],
                masked_remote_address => MaskedRemoteAddress(MaskedRemoteAddress) = [message, tag = 10],
                query_parameter_value_match => QueryParameterValueMatch(QueryParameterValueMatch) =
                    [message, tag = 11],
                remote_address_match => RemoteAddressMatch(RemoteAddressMatch) = [message, tag = 13],
            }
        }

        /// Types inside [`MetaData`](super::MetaData).
        pub mod meta_data {
            enums! {
                Source = "envoy.config.route.v3.RateLimit.Action.MetaData.Source" {
                    Dynamic = 0, "DYNAMIC";
                    RouteEntry = 1, "ROUTE_ENTRY";
                    ClusterEntry = 2, "CLUSTER_ENTRY";
                    ClusterLocalityEntry = 3, "CLUSTER_LOCALITY_ENTRY";
                }
            }
        }
    }

    /// Types inside [`Override`](super::Override).
    pub mod r#override {
        messages! {
            DynamicMetadata = "envoy.config.route.v3.RateLimit.Override.DynamicMetadata" {
                metadata_key: Option<crate::kind::MetadataKey> = [message, optional, tag = 1],
            }
            RateLimitOverride = "envoy.config.route.v3.RateLimit.Override.RateLimitOverride" {
                requests_per_unit: u32 = [uint32, tag = 1],
                unit: i32 = [enumeration(crate::kind::RateLimitUnit), tag = 2],
            }
        }

        oneofs! {
            OverrideSpecifier = "envoy.config.route.v3.RateLimit.Override.override_specifier" {
                dynamic_metadata => DynamicMetadata(DynamicMetadata) = [message, tag = 1],
                rate_limit => RateLimit(RateLimitOverride) = [message, tag = 2],
            }
        }
    }
}

/// Types inside [`ScopedRouteConfiguration`](super::ScopedRouteConfiguration).
pub mod scoped_route_configuration {
    messages! {
        Key = "envoy.config.route.v3.ScopedRouteConfiguration.Key" {
            fragments: Vec<key::Fragment> = [message, repeated, tag = 1],
        }
    }

    /// Types inside [`Key`](super::Key).
    pub mod key {
        messages! {
            Fragment = "envoy.config.route.v3.ScopedRouteConfiguration.Key.Fragment" {
                r#type: Option<fragment::Type> = [oneof = "fragment::Type", tags(1)],
            }
        }

        /// Types inside [`Fragment`](super::Fragment).
        pub mod fragment {
            oneofs! {
                Type = "envoy.config.route.v3.ScopedRouteConfiguration.Key.Fragment.type" {
                    string_key => StringKey(String) = [string, tag = 1],
                }
            }
        }
    }
}
