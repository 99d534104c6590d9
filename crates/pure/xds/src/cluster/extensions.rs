//! Typed extensions of clusters: upstream HTTP options and cluster types.

messages! {
    ClusterConfig = "envoy.extensions.clusters.aggregate.v3.ClusterConfig" {
        clusters: Vec<String> = [string, repeated, tag = 1],
    }
    AggregateClusterResource = "envoy.extensions.clusters.aggregate.v3.AggregateClusterResource" {
        config_source: Option<crate::core::ConfigSource> = [message, optional, tag = 1],
        resource_name: String = [string, tag = 2],
    }
    DnsCluster = "envoy.extensions.clusters.dns.v3.DnsCluster" {
        dns_refresh_rate: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        dns_failure_refresh_rate: Option<dns_cluster::RefreshRate> = [message, optional, tag = 4],
        respect_dns_ttl: bool = [bool, tag = 5],
        dns_jitter: Option<crate::wkt::Duration> = [message, optional, tag = 6],
        typed_dns_resolver_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 7],
        dns_lookup_family: i32 = [enumeration(DnsLookupFamily), tag = 8],
        all_addresses_in_single_endpoint: bool = [bool, tag = 9],
        dns_min_refresh_rate: Option<crate::wkt::Duration> = [message, optional, tag = 10],
    }
    CaresDnsResolverConfig = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig" {
        resolvers: Vec<crate::core::Address> = [message, repeated, tag = 1],
        use_resolvers_as_fallback: bool = [bool, tag = 3],
        filter_unroutable_families: bool = [bool, tag = 4],
        dns_resolver_options: Option<crate::core::DnsResolverOptions> = [message, optional, tag = 2],
        udp_max_queries: Option<u32> = [message, optional, tag = 5],
        query_timeout_seconds: Option<u64> = [message, optional, tag = 6],
        query_tries: Option<u32> = [message, optional, tag = 7],
        rotate_nameservers: bool = [bool, tag = 8],
        edns0_max_payload_size: Option<u32> = [message, optional, tag = 9],
        max_udp_channel_duration: Option<crate::wkt::Duration> = [message, optional, tag = 10],
        reinit_channel_on_timeout: bool = [bool, tag = 11],
        qcache_max_ttl: Option<u32> = [message, optional, tag = 12],
    }
    GetAddrInfoDnsResolverConfig = "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig" {
        num_retries: Option<u32> = [message, optional, tag = 1],
        num_resolver_threads: Option<u32> = [message, optional, tag = 2],
    }
    HttpProtocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" {
        common_http_protocol_options: Option<crate::core::HttpProtocolOptions> = [message, optional, tag = 1],
        upstream_http_protocol_options: Option<crate::core::UpstreamHttpProtocolOptions> =
            [message, optional, tag = 2],
        upstream_protocol_options: Option<http_protocol_options::UpstreamProtocolOptions> =
            [oneof = "http_protocol_options::UpstreamProtocolOptions", tags(3, 4, 5)],
        http_filters: Vec<crate::filters::HttpFilter> = [message, repeated, tag = 6],
        header_validation_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 7],
        outlier_detection: Option<http_protocol_options::OutlierDetection> = [message, optional, tag = 8],
        request_mirror_policies: Vec<crate::route::route_action::RequestMirrorPolicy> =
            [message, repeated, tag = 9],
        hash_policy: Vec<crate::route::route_action::HashPolicy> = [message, repeated, tag = 10],
        retry_policy: Option<crate::route::RetryPolicy> = [message, optional, tag = 11],
    }
    TcpProtocolOptions = "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions" {
        idle_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 1],
    }
}

enums! {
    DnsLookupFamily = "envoy.extensions.clusters.common.dns.v3.DnsLookupFamily" {
        Unspecified = 0, "UNSPECIFIED";
        Auto = 1, "AUTO";
        V4Only = 2, "V4_ONLY";
        V6Only = 3, "V6_ONLY";
        V4Preferred = 4, "V4_PREFERRED";
        All = 5, "ALL";
    }
}

/// Types inside [`DnsCluster`](super::DnsCluster).
pub mod dns_cluster {
    messages! {
        RefreshRate = "envoy.extensions.clusters.dns.v3.DnsCluster.RefreshRate" {
            base_interval: Option<crate::wkt::Duration> = [message, optional, tag = 1],
            max_interval: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        }
    }
}

/// Types inside [`HttpProtocolOptions`](super::HttpProtocolOptions).
pub mod http_protocol_options {
    messages! {
        ExplicitHttpConfig = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig" {
            protocol_config: Option<explicit_http_config::ProtocolConfig> =
                [oneof = "explicit_http_config::ProtocolConfig", tags(1, 2, 3)],
        }
        UseDownstreamHttpConfig = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig" {
            http_protocol_options: Option<crate::core::Http1ProtocolOptions> = [message, optional, tag = 1],
            http2_protocol_options: Option<crate::core::Http2ProtocolOptions> = [message, optional, tag = 2],
            http3_protocol_options: Option<crate::core::Http3ProtocolOptions> = [message, optional, tag = 3],
        }
        AutoHttpConfig = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig" {
            http_protocol_options: Option<crate::core::Http1ProtocolOptions> = [message, optional, tag = 1],
            http2_protocol_options: Option<crate::core::Http2ProtocolOptions> = [message, optional, tag = 2],
            http3_protocol_options: Option<crate::core::Http3ProtocolOptions> = [message, optional, tag = 3],
            alternate_protocols_cache_options: Option<crate::core::AlternateProtocolsCacheOptions> =
                [message, optional, tag = 4],
        }
        OutlierDetection = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.OutlierDetection" {
            error_matcher: Option<crate::core::MatchPredicate> = [message, optional, tag = 1],
        }
    }

    oneofs! {
        UpstreamProtocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.upstream_protocol_options" {
            explicit_http_config => ExplicitHttpConfig(ExplicitHttpConfig) = [message, tag = 3],
            use_downstream_protocol_config => UseDownstreamProtocolConfig(UseDownstreamHttpConfig) =
                [message, tag = 4],
            auto_config => AutoConfig(AutoHttpConfig) = [message, tag = 5],
        }
    }

    /// Types inside [`ExplicitHttpConfig`](super::ExplicitHttpConfig).
    pub mod explicit_http_config {
        oneofs! {
            ProtocolConfig = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig.protocol_config" {
                http_protocol_options => HttpProtocolOptions(crate::core::Http1ProtocolOptions) =
                    [message, tag = 1],
                http2_protocol_options => Http2ProtocolOptions(crate::core::Http2ProtocolOptions) =
                    [message, tag = 2],
                http3_protocol_options => Http3ProtocolOptions(crate::core::Http3ProtocolOptions) =
                    [message, tag = 3],
            }
        }
    }
}
