//! Active health checks.

messages! {
    HealthStatusSet = "envoy.config.core.v3.HealthStatusSet" {
        statuses: Vec<i32> = [enumeration(HealthStatus), repeated, packed = "false", tag = 1],
    }
    HealthCheck = "envoy.config.core.v3.HealthCheck" {
        timeout: Option<crate::wkt::Duration> = [message, optional, tag = 1],
        interval: Option<crate::wkt::Duration> = [message, optional, tag = 2],
        initial_jitter: Option<crate::wkt::Duration> = [message, optional, tag = 20],
        interval_jitter: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        interval_jitter_percent: u32 = [uint32, tag = 18],
        unhealthy_threshold: Option<u32> = [message, optional, tag = 4],
        healthy_threshold: Option<u32> = [message, optional, tag = 5],
        alt_port: Option<u32> = [message, optional, tag = 6],
        reuse_connection: Option<bool> = [message, optional, tag = 7],
        health_checker: Option<health_check::HealthChecker> =
            [oneof = "health_check::HealthChecker", tags(8, 9, 11, 13)],
        no_traffic_interval: Option<crate::wkt::Duration> = [message, optional, tag = 12],
        no_traffic_healthy_interval: Option<crate::wkt::Duration> = [message, optional, tag = 24],
        unhealthy_interval: Option<crate::wkt::Duration> = [message, optional, tag = 14],
        unhealthy_edge_interval: Option<crate::wkt::Duration> = [message, optional, tag = 15],
        healthy_edge_interval: Option<crate::wkt::Duration> = [message, optional, tag = 16],
        event_log_path: String = [string, tag = 17],
        event_logger: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 25],
        always_log_health_check_failures: bool = [bool, tag = 19],
        always_log_health_check_success: bool = [bool, tag = 26],
        tls_options: Option<health_check::TlsOptions> = [message, optional, tag = 21],
        transport_socket_match_criteria: Option<crate::wkt::Struct> = [message, optional, tag = 23],
    }
}

enums! {
    HealthStatus = "envoy.config.core.v3.HealthStatus" {
        Unknown = 0, "UNKNOWN";
        Healthy = 1, "HEALTHY";
        Unhealthy = 2, "UNHEALTHY";
        Draining = 3, "DRAINING";
        Timeout = 4, "TIMEOUT";
        Degraded = 5, "DEGRADED";
    }
}

/// Types inside [`HealthCheck`](super::HealthCheck).
pub mod health_check {
    messages! {
        Payload = "envoy.config.core.v3.HealthCheck.Payload" {
            payload: Option<payload::Payload> = [oneof = "payload::Payload", tags(1, 2)],
        }
        HttpHealthCheck = "envoy.config.core.v3.HealthCheck.HttpHealthCheck" {
            host: String = [string, tag = 1],
            path: String = [string, tag = 2],
            send: Option<Payload> = [message, optional, tag = 3],
            receive: Vec<Payload> = [message, repeated, tag = 4],
            response_buffer_size: Option<u64> = [message, optional, tag = 14],
            request_headers_to_add: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 6],
            request_headers_to_remove: Vec<String> = [string, repeated, tag = 8],
            expected_statuses: Vec<crate::kind::Int64Range> = [message, repeated, tag = 9],
            retriable_statuses: Vec<crate::kind::Int64Range> = [message, repeated, tag = 12],
            codec_client_type: i32 = [enumeration(crate::kind::CodecClientType), tag = 10],
            service_name_matcher: Option<crate::kind::StringMatcher> = [message, optional, tag = 11],
            method: i32 = [enumeration(crate::core::RequestMethod), tag = 13],
        }
        TcpHealthCheck = "envoy.config.core.v3.HealthCheck.TcpHealthCheck" {
            send: Option<Payload> = [message, optional, tag = 1],
            receive: Vec<Payload> = [message, repeated, tag = 2],
            proxy_protocol_config: Option<crate::core::ProxyProtocolConfig> = [message, optional, tag = 3],
        }
        RedisHealthCheck = "envoy.config.core.v3.HealthCheck.RedisHealthCheck" {
            key: String = [string, tag = 1],
        }
        GrpcHealthCheck = "envoy.config.core.v3.HealthCheck.GrpcHealthCheck" {
            service_name: String = [string, tag = 1],
            authority: String = [string, tag = 2],
            initial_metadata: Vec<crate::core::HeaderValueOption> = [message, repeated, tag = 3],
        }
        CustomHealthCheck = "envoy.config.core.v3.HealthCheck.CustomHealthCheck" {
            name: String = [string, tag = 1],
            config_type: Option<custom_health_check::ConfigType> =
                [oneof = "custom_health_check::ConfigType", tags(3)],
        }
        TlsOptions = "envoy.config.core.v3.HealthCheck.TlsOptions" {
            alpn_protocols: Vec<String> = [string, repeated, tag = 1],
        }
    }

    oneofs! {
        HealthChecker = "envoy.config.core.v3.HealthCheck.health_checker" {
            http_health_check => HttpHealthCheck(HttpHealthCheck) = [message, tag = 8],
            tcp_health_check => TcpHealthCheck(TcpHealthCheck) = [message, tag = 9],
            grpc_health_check => GrpcHealthCheck(GrpcHealthCheck) = [message, tag = 11],
            custom_health_check => CustomHealthCheck(CustomHealthCheck) = [message, tag = 13],
        }
    }

    /// Types inside [`Payload`](super::Payload).
    pub mod payload {
        oneofs! {
            Payload = "envoy.config.core.v3.HealthCheck.Payload.payload" {
                text => Text(String) = [string, tag = 1],
                binary => Binary(Vec<u8>) = [bytes = "vec", tag = 2],
            }
        }
    }

    /// Types inside [`CustomHealthCheck`](super::CustomHealthCheck).
    pub mod custom_health_check {
        oneofs! {
            ConfigType = "envoy.config.core.v3.HealthCheck.CustomHealthCheck.config_type" {
                typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
            }
        }
    }
}
