//! `envoy.config.metrics.v3`: statistics and where they go.

messages! {
    StatsSink = "envoy.config.metrics.v3.StatsSink" {
        name: String = [string, tag = 1],
        config_type: Option<stats_sink::ConfigType> = [oneof = "stats_sink::ConfigType", tags(3)],
    }
    StatsConfig = "envoy.config.metrics.v3.StatsConfig" {
        stats_tags: Vec<TagSpecifier> = [message, repeated, tag = 1],
        use_all_default_tags: Option<bool> = [message, optional, tag = 2],
        stats_matcher: Option<StatsMatcher> = [message, optional, tag = 3],
        histogram_bucket_settings: Vec<HistogramBucketSettings> = [message, repeated, tag = 4],
        allow_default_tag_overrides: Option<bool> = [message, optional, tag = 5],
    }
    StatsMatcher = "envoy.config.metrics.v3.StatsMatcher" {
        stats_matcher: Option<stats_matcher::StatsMatcher> =
            [oneof = "stats_matcher::StatsMatcher", tags(1, 2, 3)],
    }
    TagSpecifier = "envoy.config.metrics.v3.TagSpecifier" {
        tag_name: String = [string, tag = 1],
        tag_value: Option<tag_specifier::TagValue> = [oneof = "tag_specifier::TagValue", tags(2, 3)],
    }
    HistogramBucketSettings = "envoy.config.metrics.v3.HistogramBucketSettings" {
        r#match: Option<crate::kind::StringMatcher> = [message, optional, tag = 1],
        buckets: Vec<f64> = [double, repeated, packed = "false", tag = 2],
        bins: Option<u32> = [message, optional, tag = 3],
    }
    StatsdSink = "envoy.config.metrics.v3.StatsdSink" {
        statsd_specifier: Option<statsd_sink::StatsdSpecifier> =
            [oneof = "statsd_sink::StatsdSpecifier", tags(1, 2)],
        prefix: String = [string, tag = 3],
    }
    DogStatsdSink = "envoy.config.metrics.v3.DogStatsdSink" {
        dog_statsd_specifier: Option<dog_statsd_sink::DogStatsdSpecifier> =
            [oneof = "dog_statsd_sink::DogStatsdSpecifier", tags(1)],
        prefix: String = [string, tag = 3],
        max_bytes_per_datagram: Option<u64> = [message, optional, tag = 4],
    }
    HystrixSink = "envoy.config.metrics.v3.HystrixSink" {
        num_buckets: i64 = [int64, tag = 1],
    }
    MetricsServiceConfig = "envoy.config.metrics.v3.MetricsServiceConfig" {
        grpc_service: Option<crate::core::GrpcService> = [message, optional, tag = 1],
        transport_api_version: i32 = [enumeration(crate::core::ApiVersion), tag = 3],
        report_counters_as_deltas: Option<bool> = [message, optional, tag = 2],
        emit_tags_as_labels: bool = [bool, tag = 4],
        histogram_emit_mode: i32 = [enumeration(HistogramEmitMode), tag = 5],
        batch_size: u32 = [uint32, tag = 6],
    }
}

enums! {
    HistogramEmitMode = "envoy.config.metrics.v3.HistogramEmitMode" {
        SummaryAndHistogram = 0, "SUMMARY_AND_HISTOGRAM";
        Summary = 1, "SUMMARY";
        Histogram = 2, "HISTOGRAM";
    }
}

/// Types inside [`StatsSink`](super::StatsSink).
pub mod stats_sink {
    oneofs! {
        ConfigType = "envoy.config.metrics.v3.StatsSink.config_type" {
            typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
        }
    }
}

/// Types inside [`StatsMatcher`](super::StatsMatcher).
pub mod stats_matcher {
    oneofs! {
        StatsMatcher = "envoy.config.metrics.v3.StatsMatcher.stats_matcher" {
            reject_all => RejectAll(bool) = [bool, tag = 1],
            exclusion_list => ExclusionList(crate::kind::ListStringMatcher) = [message, tag = 2],
            inclusion_list => InclusionList(crate::kind::ListStringMatcher) = [message, tag = 3],
        }
    }
}

/// Types inside [`TagSpecifier`](super::TagSpecifier).
pub mod tag_specifier {
    oneofs! {
        TagValue = "envoy.config.metrics.v3.TagSpecifier.tag_value" {
            regex => Regex(String) = [string, tag = 2],
            fixed_value => FixedValue(String) = [string, tag = 3],
        }
    }
}

/// Types inside [`StatsdSink`](super::StatsdSink).
pub mod statsd_sink {
    oneofs! {
        StatsdSpecifier = "envoy.config.metrics.v3.StatsdSink.statsd_specifier" {
            address => Address(crate::core::Address) = [message, tag = 1],
            tcp_cluster_name => TcpClusterName(String) = [string, tag = 2],
        }
    }
}

/// Types inside [`DogStatsdSink`](super::DogStatsdSink).
pub mod dog_statsd_sink {
    oneofs! {
        DogStatsdSpecifier = "envoy.config.metrics.v3.DogStatsdSink.dog_statsd_specifier" {
            address => Address(crate::core::Address) = [message, tag = 1],
        }
    }
}
