//! Access logs: `envoy.config.accesslog.v3` and the loggers.

pub mod format;

messages! {
    AccessLog = "envoy.config.accesslog.v3.AccessLog" {
        name: String = [string, tag = 1],
        filter: Option<AccessLogFilter> = [message, optional, tag = 2],
        config_type: Option<access_log::ConfigType> = [oneof = "access_log::ConfigType", tags(4)],
    }
    AccessLogFilter = "envoy.config.accesslog.v3.AccessLogFilter" {
        filter_specifier: Option<access_log_filter::FilterSpecifier> =
            [oneof = "access_log_filter::FilterSpecifier", tags(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)],
    }
    ComparisonFilter = "envoy.config.accesslog.v3.ComparisonFilter" {
        op: i32 = [enumeration(comparison_filter::Op), tag = 1],
        value: Option<crate::core::RuntimeUInt32> = [message, optional, tag = 2],
    }
    StatusCodeFilter = "envoy.config.accesslog.v3.StatusCodeFilter" {
        comparison: Option<ComparisonFilter> = [message, optional, tag = 1],
    }
    DurationFilter = "envoy.config.accesslog.v3.DurationFilter" {
        comparison: Option<ComparisonFilter> = [message, optional, tag = 1],
    }
    NotHealthCheckFilter = "envoy.config.accesslog.v3.NotHealthCheckFilter" {}
    TraceableFilter = "envoy.config.accesslog.v3.TraceableFilter" {}
    RuntimeFilter = "envoy.config.accesslog.v3.RuntimeFilter" {
        runtime_key: String = [string, tag = 1],
        percent_sampled: Option<crate::kind::FractionalPercent> = [message, optional, tag = 2],
        use_independent_randomness: bool = [bool, tag = 3],
    }
    AndFilter = "envoy.config.accesslog.v3.AndFilter" {
        filters: Vec<AccessLogFilter> = [message, repeated, tag = 1],
    }
    OrFilter = "envoy.config.accesslog.v3.OrFilter" {
        filters: Vec<AccessLogFilter> = [message, repeated, tag = 2],
    }
    HeaderFilter = "envoy.config.accesslog.v3.HeaderFilter" {
        header: Option<crate::route::HeaderMatcher> = [message, optional, tag = 1],
    }
    ResponseFlagFilter = "envoy.config.accesslog.v3.ResponseFlagFilter" {
        flags: Vec<String> = [string, repeated, tag = 1],
    }
    GrpcStatusFilter = "envoy.config.accesslog.v3.GrpcStatusFilter" {
        statuses: Vec<i32> = [enumeration(grpc_status_filter::Status), repeated, packed = "false", tag = 1],
        exclude: bool = [bool, tag = 2],
    }
    MetadataFilter = "envoy.config.accesslog.v3.MetadataFilter" {
        matcher: Option<crate::kind::MetadataMatcher> = [message, optional, tag = 1],
        match_if_key_not_found: Option<bool> = [message, optional, tag = 2],
    }
    LogTypeFilter = "envoy.config.accesslog.v3.LogTypeFilter" {
        types: Vec<i32> = [enumeration(AccessLogType), repeated, packed = "false", tag = 1],
        exclude: bool = [bool, tag = 2],
    }
    ExtensionFilter = "envoy.config.accesslog.v3.ExtensionFilter" {
        name: String = [string, tag = 1],
        config_type: Option<extension_filter::ConfigType> = [oneof = "extension_filter::ConfigType", tags(3)],
    }
    FileAccessLog = "envoy.extensions.access_loggers.file.v3.FileAccessLog" {
        path: String = [string, tag = 1],
        access_log_format: Option<file_access_log::AccessLogFormat> =
            [oneof = "file_access_log::AccessLogFormat", tags(2, 3, 4, 5)],
    }
    HttpGrpcAccessLogConfig = "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig" {
        common_config: Option<CommonGrpcAccessLogConfig> = [message, optional, tag = 1],
        additional_request_headers_to_log: Vec<String> = [string, repeated, tag = 2],
        additional_response_headers_to_log: Vec<String> = [string, repeated, tag = 3],
        additional_response_trailers_to_log: Vec<String> = [string, repeated, tag = 4],
    }
    TcpGrpcAccessLogConfig = "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig" {
        common_config: Option<CommonGrpcAccessLogConfig> = [message, optional, tag = 1],
    }
    CommonGrpcAccessLogConfig = "envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig" {
        log_name: String = [string, tag = 1],
        grpc_service: Option<crate::core::GrpcService> = [message, optional, tag = 2],
        transport_api_version: i32 = [enumeration(crate::core::ApiVersion), tag = 6],
        buffer_flush_interval: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        buffer_size_bytes: Option<u32> = [message, optional, tag = 4],
        filter_state_objects_to_log: Vec<String> = [string, repeated, tag = 5],
        grpc_stream_retry_policy: Option<crate::core::RetryPolicy> = [message, optional, tag = 7],
        custom_tags: Vec<crate::kind::CustomTag> = [message, repeated, tag = 8],
    }
    OpenTelemetryAccessLogConfig = "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig" {
        common_config: Option<CommonGrpcAccessLogConfig> = [message, optional, tag = 1],
        http_service: Option<crate::core::HttpService> = [message, optional, tag = 8],
        grpc_service: Option<crate::core::GrpcService> = [message, optional, tag = 9],
        disable_builtin_labels: bool = [bool, tag = 5],
        resource_detectors: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 15],
        stat_prefix: String = [string, tag = 6],
        formatters: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 7],
        log_name: String = [string, tag = 10],
        buffer_flush_interval: Option<crate::wkt::Duration> = [message, optional, tag = 11],
        buffer_size_bytes: Option<u32> = [message, optional, tag = 12],
        filter_state_objects_to_log: Vec<String> = [string, repeated, tag = 13],
        custom_tags: Vec<crate::kind::CustomTag> = [message, repeated, tag = 14],
    }
    StdoutAccessLog = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog" {
        access_log_format: Option<stdout_access_log::AccessLogFormat> =
            [oneof = "stdout_access_log::AccessLogFormat", tags(1)],
    }
    StderrAccessLog = "envoy.extensions.access_loggers.stream.v3.StderrAccessLog" {
        access_log_format: Option<stderr_access_log::AccessLogFormat> =
            [oneof = "stderr_access_log::AccessLogFormat", tags(1)],
    }
    Metadata = "envoy.extensions.formatter.metadata.v3.Metadata" {}
    ReqWithoutQuery = "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery" {}
}

enums! {
    AccessLogType = "envoy.data.accesslog.v3.AccessLogType" {
        NotSet = 0, "NotSet";
        TcpUpstreamConnected = 1, "TcpUpstreamConnected";
        TcpPeriodic = 2, "TcpPeriodic";
        TcpConnectionStart = 14, "TcpConnectionStart";
        TcpConnectionEnd = 3, "TcpConnectionEnd";
        DownstreamStart = 4, "DownstreamStart";
        DownstreamPeriodic = 5, "DownstreamPeriodic";
        DownstreamEnd = 6, "DownstreamEnd";
        UpstreamPoolReady = 7, "UpstreamPoolReady";
        UpstreamPeriodic = 8, "UpstreamPeriodic";
        UpstreamEnd = 9, "UpstreamEnd";
        DownstreamTunnelSuccessfullyEstablished = 10, "DownstreamTunnelSuccessfullyEstablished";
        UdpTunnelUpstreamConnected = 11, "UdpTunnelUpstreamConnected";
        UdpPeriodic = 12, "UdpPeriodic";
        UdpSessionEnd = 13, "UdpSessionEnd";
    }
}

/// Types inside [`AccessLog`](super::AccessLog).
pub mod access_log {
    oneofs! {
        ConfigType = "envoy.config.accesslog.v3.AccessLog.config_type" {
            typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 4],
        }
    }
}

/// Types inside [`AccessLogFilter`](super::AccessLogFilter).
pub mod access_log_filter {
    oneofs! {
        FilterSpecifier = "envoy.config.accesslog.v3.AccessLogFilter.filter_specifier" {
            status_code_filter => StatusCodeFilter(super::StatusCodeFilter) = [message, tag = 1],
            duration_filter => DurationFilter(super::DurationFilter) = [message, tag = 2],
            not_health_check_filter => NotHealthCheckFilter(super::NotHealthCheckFilter) = [message, tag = 3],
            traceable_filter => TraceableFilter(super::TraceableFilter) = [message, tag = 4],
            runtime_filter => RuntimeFilter(super::RuntimeFilter) = [message, tag = 5],
            and_filter => AndFilter(super::AndFilter) = [message, tag = 6],
            or_filter => OrFilter(super::OrFilter) = [message, tag = 7],
            header_filter => HeaderFilter(super::HeaderFilter) = [message, tag = 8],
            response_flag_filter => ResponseFlagFilter(super::ResponseFlagFilter) = [message, tag = 9],
            grpc_status_filter => GrpcStatusFilter(super::GrpcStatusFilter) = [message, tag = 10],
            extension_filter => ExtensionFilter(super::ExtensionFilter) = [message, tag = 11],
            metadata_filter => MetadataFilter(super::MetadataFilter) = [message, tag = 12],
            log_type_filter => LogTypeFilter(super::LogTypeFilter) = [message, tag = 13],
        }
    }
}

/// Types inside [`ComparisonFilter`](super::ComparisonFilter).
pub mod comparison_filter {
    enums! {
        Op = "envoy.config.accesslog.v3.ComparisonFilter.Op" {
            Eq = 0, "EQ";
            Ge = 1, "GE";
            Le = 2, "LE";
            Ne = 3, "NE";
        }
    }
}

/// Types inside [`GrpcStatusFilter`](super::GrpcStatusFilter).
pub mod grpc_status_filter {
    enums! {
        Status = "envoy.config.accesslog.v3.GrpcStatusFilter.Status" {
            Ok = 0, "OK";
            Canceled = 1, "CANCELED";
            Unknown = 2, "UNKNOWN";
            InvalidArgument = 3, "INVALID_ARGUMENT";
            DeadlineExceeded = 4, "DEADLINE_EXCEEDED";
            NotFound = 5, "NOT_FOUND";
            AlreadyExists = 6, "ALREADY_EXISTS";
            PermissionDenied = 7, "PERMISSION_DENIED";
            ResourceExhausted = 8, "RESOURCE_EXHAUSTED";
            FailedPrecondition = 9, "FAILED_PRECONDITION";
            Aborted = 10, "ABORTED";
            OutOfRange = 11, "OUT_OF_RANGE";
            Unimplemented = 12, "UNIMPLEMENTED";
            Internal = 13, "INTERNAL";
            Unavailable = 14, "UNAVAILABLE";
            DataLoss = 15, "DATA_LOSS";
            Unauthenticated = 16, "UNAUTHENTICATED";
        }
    }
}

/// Types inside [`ExtensionFilter`](super::ExtensionFilter).
pub mod extension_filter {
    oneofs! {
        ConfigType = "envoy.config.accesslog.v3.ExtensionFilter.config_type" {
            typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
        }
    }
}

/// Types inside [`FileAccessLog`](super::FileAccessLog).
pub mod file_access_log {
    oneofs! {
        AccessLogFormat = "envoy.extensions.access_loggers.file.v3.FileAccessLog.access_log_format" {
            format => Format(String) = [string, tag = 2],
            json_format => JsonFormat(crate::wkt::Struct) = [message, tag = 3],
            typed_json_format => TypedJsonFormat(crate::wkt::Struct) = [message, tag = 4],
            log_format => LogFormat(crate::core::SubstitutionFormatString) = [message, tag = 5],
        }
    }
}

/// Types inside [`StdoutAccessLog`](super::StdoutAccessLog).
pub mod stdout_access_log {
    oneofs! {
        AccessLogFormat = "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog.access_log_format" {
            log_format => LogFormat(crate::core::SubstitutionFormatString) = [message, tag = 1],
        }
    }
}

/// Types inside [`StderrAccessLog`](super::StderrAccessLog).
pub mod stderr_access_log {
    oneofs! {
        AccessLogFormat = "envoy.extensions.access_loggers.stream.v3.StderrAccessLog.access_log_format" {
            log_format => LogFormat(crate::core::SubstitutionFormatString) = [message, tag = 1],
        }
    }
}
