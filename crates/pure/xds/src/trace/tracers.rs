//! `envoy.config.trace.v3`: tracers.

use std::collections::BTreeMap;

messages! {
    Tracing = "envoy.config.trace.v3.Tracing" {
        http: Option<tracing::Http> = [message, optional, tag = 1],
    }
    OpenTelemetryConfig = "envoy.config.trace.v3.OpenTelemetryConfig" {
        grpc_service: Option<crate::core::GrpcService> = [message, optional, tag = 1],
        http_service: Option<crate::core::HttpService> = [message, optional, tag = 3],
        exporter: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 10],
        service_name: String = [string, tag = 2],
        resource_detectors: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 4],
        sampler: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 5],
        max_cache_size: Option<u32> = [message, optional, tag = 6],
        set_telemetry_sdk_resource_attributes: Option<bool> = [message, optional, tag = 7],
        set_service_name_resource_attribute: Option<bool> = [message, optional, tag = 8],
        set_instrumentation_scope: Option<bool> = [message, optional, tag = 9],
    }
    ZipkinConfig = "envoy.config.trace.v3.ZipkinConfig" {
        collector_cluster: String = [string, tag = 1],
        collector_endpoint: String = [string, tag = 2],
        trace_id_128bit: bool = [bool, tag = 3],
        shared_span_context: Option<bool> = [message, optional, tag = 4],
        collector_endpoint_version: i32 = [enumeration(zipkin_config::CollectorEndpointVersion), tag = 5],
        collector_hostname: String = [string, tag = 6],
        split_spans_for_request: bool = [bool, tag = 7],
        trace_context_option: i32 = [enumeration(zipkin_config::TraceContextOption), tag = 8],
        collector_service: Option<crate::core::HttpService> = [message, optional, tag = 9],
        timestamp_trace_ids: bool = [bool, tag = 10],
    }
    DynatraceResourceDetectorConfig = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.DynatraceResourceDetectorConfig" {}
    EnvironmentResourceDetectorConfig = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig" {}
    StaticConfigResourceDetectorConfig = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig" {
        attributes: BTreeMap<String, String> = [btree_map = "string, string", tag = 1],
    }
    AlwaysOnSamplerConfig = "envoy.extensions.tracers.opentelemetry.samplers.v3.AlwaysOnSamplerConfig" {}
    CelSamplerConfig = "envoy.extensions.tracers.opentelemetry.samplers.v3.CELSamplerConfig" {
        expression: Option<crate::cncf::CelExpression> = [message, optional, tag = 1],
    }
    DynatraceSamplerConfig = "envoy.extensions.tracers.opentelemetry.samplers.v3.DynatraceSamplerConfig" {
        tenant: String = [string, tag = 1],
        cluster_id: i32 = [int32, tag = 2],
        http_service: Option<crate::core::HttpService> = [message, optional, tag = 3],
        root_spans_per_minute: u32 = [uint32, tag = 4],
    }
    ParentBasedSamplerConfig = "envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig" {
        wrapped_sampler: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 1],
    }
    TraceIdRatioBasedSamplerConfig = "envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig" {
        sampling_percentage: Option<crate::kind::FractionalPercent> = [message, optional, tag = 1],
    }
}

/// Types inside [`Tracing`](super::Tracing).
pub mod tracing {
    messages! {
        Http = "envoy.config.trace.v3.Tracing.Http" {
            name: String = [string, tag = 1],
            config_type: Option<http::ConfigType> = [oneof = "http::ConfigType", tags(3)],
        }
    }

    /// Types inside [`Http`](super::Http).
    pub mod http {
        oneofs! {
            ConfigType = "envoy.config.trace.v3.Tracing.Http.config_type" {
                typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
            }
        }
    }
}

/// Types inside [`ZipkinConfig`](super::ZipkinConfig).
pub mod zipkin_config {
    enums! {
        TraceContextOption = "envoy.config.trace.v3.ZipkinConfig.TraceContextOption" {
            UseB3 = 0, "USE_B3";
            UseB3WithW3cPropagation = 1, "USE_B3_WITH_W3C_PROPAGATION";
        }
        CollectorEndpointVersion = "envoy.config.trace.v3.ZipkinConfig.CollectorEndpointVersion" {
            DeprecatedAndUnavailableDoNotUse = 0, "DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE";
            HttpJson = 1, "HTTP_JSON";
            HttpProto = 2, "HTTP_PROTO";
            Grpc = 3, "GRPC";
        }
    }
}
