//! Where configuration and gRPC services come from.

messages! {
    GrpcService = "envoy.config.core.v3.GrpcService" {
        target_specifier: Option<grpc_service::TargetSpecifier> =
            [oneof = "grpc_service::TargetSpecifier", tags(1, 2)],
        timeout: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        initial_metadata: Vec<crate::core::HeaderValue> = [message, repeated, tag = 5],
        retry_policy: Option<crate::core::RetryPolicy> = [message, optional, tag = 6],
    }
    ApiConfigSource = "envoy.config.core.v3.ApiConfigSource" {
        api_type: i32 = [enumeration(api_config_source::ApiType), tag = 1],
        transport_api_version: i32 = [enumeration(ApiVersion), tag = 8],
        cluster_names: Vec<String> = [string, repeated, tag = 2],
        grpc_services: Vec<GrpcService> = [message, repeated, tag = 4],
        refresh_delay: Option<crate::wkt::Duration> = [message, optional, tag = 3],
        request_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 5],
        rate_limit_settings: Option<RateLimitSettings> = [message, optional, tag = 6],
        set_node_on_first_message_only: bool = [bool, tag = 7],
        config_validators: Vec<crate::core::TypedExtensionConfig> = [message, repeated, tag = 9],
    }
    AggregatedConfigSource = "envoy.config.core.v3.AggregatedConfigSource" {}
    SelfConfigSource = "envoy.config.core.v3.SelfConfigSource" {
        transport_api_version: i32 = [enumeration(ApiVersion), tag = 1],
    }
    RateLimitSettings = "envoy.config.core.v3.RateLimitSettings" {
        max_tokens: Option<u32> = [message, optional, tag = 1],
        fill_rate: Option<f64> = [message, optional, tag = 2],
    }
    PathConfigSource = "envoy.config.core.v3.PathConfigSource" {
        path: String = [string, tag = 1],
        watched_directory: Option<crate::core::WatchedDirectory> = [message, optional, tag = 2],
        poll_interval: Option<crate::wkt::Duration> = [message, optional, tag = 3],
    }
    ConfigSource = "envoy.config.core.v3.ConfigSource" {
        authorities: Vec<crate::cncf::Authority> = [message, repeated, tag = 7],
        config_source_specifier: Option<config_source::ConfigSourceSpecifier> =
            [oneof = "config_source::ConfigSourceSpecifier", tags(1, 8, 2, 3, 5)],
        initial_fetch_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 4],
        resource_api_version: i32 = [enumeration(ApiVersion), tag = 6],
    }
    ExtensionConfigSource = "envoy.config.core.v3.ExtensionConfigSource" {
        config_source: Option<ConfigSource> = [message, optional, tag = 1],
        default_config: Option<crate::wkt::Any> = [message, optional, tag = 2],
        apply_default_config_without_warming: bool = [bool, tag = 3],
        type_urls: Vec<String> = [string, repeated, tag = 4],
    }
    GrpcMethodList = "envoy.config.core.v3.GrpcMethodList" {
        services: Vec<grpc_method_list::Service> = [message, repeated, tag = 1],
    }
}

enums! {
    ApiVersion = "envoy.config.core.v3.ApiVersion" {
        Auto = 0, "AUTO";
        V2 = 1, "V2";
        V3 = 2, "V3";
    }
}

/// Types inside [`GrpcService`](super::GrpcService).
pub mod grpc_service {
    messages! {
        EnvoyGrpc = "envoy.config.core.v3.GrpcService.EnvoyGrpc" {
            cluster_name: String = [string, tag = 1],
            authority: String = [string, tag = 2],
            retry_policy: Option<crate::core::RetryPolicy> = [message, optional, tag = 3],
            max_receive_message_length: Option<u32> = [message, optional, tag = 4],
            skip_envoy_headers: bool = [bool, tag = 5],
        }
        GoogleGrpc = "envoy.config.core.v3.GrpcService.GoogleGrpc" {
            target_uri: String = [string, tag = 1],
            channel_credentials: Option<google_grpc::ChannelCredentials> = [message, optional, tag = 2],
            channel_credentials_plugin: Vec<crate::wkt::Any> = [message, repeated, tag = 9],
            call_credentials: Vec<google_grpc::CallCredentials> = [message, repeated, tag = 3],
            call_credentials_plugin: Vec<crate::wkt::Any> = [message, repeated, tag = 10],
            stat_prefix: String = [string, tag = 4],
            credentials_factory_name: String = [string, tag = 5],
            config: Option<crate::wkt::Struct> = [message, optional, tag = 6],
            per_stream_buffer_limit_bytes: Option<u32> = [message, optional, tag = 7],
            channel_args: Option<google_grpc::ChannelArgs> = [message, optional, tag = 8],
        }
    }

    oneofs! {
        TargetSpecifier = "envoy.config.core.v3.GrpcService.target_specifier" {
            envoy_grpc => EnvoyGrpc(EnvoyGrpc) = [message, tag = 1],
            google_grpc => GoogleGrpc(GoogleGrpc) = [message, tag = 2],
        }
    }

    /// Types inside [`GoogleGrpc`](super::GoogleGrpc).
    pub mod google_grpc {
        use std::collections::BTreeMap;

        messages! {
            SslCredentials = "envoy.config.core.v3.GrpcService.GoogleGrpc.SslCredentials" {
                root_certs: Option<crate::core::DataSource> = [message, optional, tag = 1],
                private_key: Option<crate::core::DataSource> = [message, optional, tag = 2],
                cert_chain: Option<crate::core::DataSource> = [message, optional, tag = 3],
            }
            GoogleLocalCredentials = "envoy.config.core.v3.GrpcService.GoogleGrpc.GoogleLocalCredentials" {}
            ChannelCredentials = "envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelCredentials" {
                credential_specifier: Option<channel_credentials::CredentialSpecifier> =
                    [oneof = "channel_credentials::CredentialSpecifier", tags(1, 2, 3)],
            }
            CallCredentials = "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials" {
                credential_specifier: Option<call_credentials::CredentialSpecifier> =
                    [oneof = "call_credentials::CredentialSpecifier", tags(1, 2, 3, 4, 5, 6, 7)],
            }
            ChannelArgs = "envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs" {
                args: BTreeMap<String, channel_args::Value> = [btree_map = "string, message", tag = 1],
            }
        }

        /// Types inside [`ChannelCredentials`](super::ChannelCredentials).
        pub mod channel_credentials {
            oneofs! {
                CredentialSpecifier = "envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelCredentials.credential_specifier" {
                    ssl_credentials => SslCredentials(super::SslCredentials) = [message, tag = 1],
                    google_default => GoogleDefault(crate::wkt::Empty) = [message, tag = 2],
                    local_credentials => LocalCredentials(super::GoogleLocalCredentials) = [message, tag = 3],
                }
            }
        }

        /// Types inside [`CallCredentials`](super::CallCredentials).
        pub mod call_credentials {
            messages! {
                ServiceAccountJwtAccessCredentials = "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.ServiceAccountJWTAccessCredentials" {
                    json_key: String = [string, tag = 1],
                    token_lifetime_seconds: u64 = [uint64, tag = 2],
                }
                GoogleIamCredentials = "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.GoogleIAMCredentials" {
                    authorization_token: String = [string, tag = 1],
                    authority_selector: String = [string, tag = 2],
                }
                MetadataCredentialsFromPlugin = "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.MetadataCredentialsFromPlugin" {
                    name: String = [string, tag = 1],
                    config_type: Option<metadata_credentials_from_plugin::ConfigType> =
                        [oneof = "metadata_credentials_from_plugin::ConfigType", tags(3)],
                }
                StsService = "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.StsService" {
                    token_exchange_service_uri: String = [string, tag = 1],
                    resource: String = [string, tag = 2],
                    audience: String = [string, tag = 3],
                    scope: String = [string, tag = 4],
                    requested_token_type: String = [string, tag = 5],
                    subject_token_path: String = [string, tag = 6],
                    subject_token_type: String = [string, tag = 7],
                    actor_token_path: String = [string, tag = 8],
                    actor_token_type: String = [string, tag = 9],
                }
            }

            oneofs! {
                CredentialSpecifier = "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.credential_specifier" {
                    access_token => AccessToken(String) = [string, tag = 1],
                    google_compute_engine => GoogleComputeEngine(crate::wkt::Empty) = [message, tag = 2],
                    google_refresh_token => GoogleRefreshToken(String) = [string, tag = 3],
                    service_account_jwt_access => ServiceAccountJwtAccess(ServiceAccountJwtAccessCredentials) =
                        [message, tag = 4],
                    google_iam => GoogleIam(GoogleIamCredentials) = [message, tag = 5],
                    from_plugin => FromPlugin(MetadataCredentialsFromPlugin) = [message, tag = 6],
                    sts_service => StsService(StsService) = [message, tag = 7],
                }
            }

            /// Types inside [`MetadataCredentialsFromPlugin`](super::MetadataCredentialsFromPlugin).
            pub mod metadata_credentials_from_plugin {
                oneofs! {
                    ConfigType = "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.MetadataCredentialsFromPlugin.config_type" {
                        typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
                    }
                }
            }
        }

        /// Types inside [`ChannelArgs`](super::ChannelArgs).
        pub mod channel_args {
            messages! {
                Value = "envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs.Value" {
                    value_specifier: Option<value::ValueSpecifier> =
                        [oneof = "value::ValueSpecifier", tags(1, 2)],
                }
            }

            /// Types inside [`Value`](super::Value).
            pub mod value {
                oneofs! {
                    ValueSpecifier = "envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs.Value.value_specifier" {
                        string_value => StringValue(String) = [string, tag = 1],
                        int_value => IntValue(i64) = [int64, tag = 2],
                    }
                }
            }
        }
    }
}

/// Types inside [`ApiConfigSource`](super::ApiConfigSource).
pub mod api_config_source {
    enums! {
        ApiType = "envoy.config.core.v3.ApiConfigSource.ApiType" {
            DeprecatedAndUnavailableDoNotUse = 0, "DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE";
            Rest = 1, "REST";
            Grpc = 2, "GRPC";
            DeltaGrpc = 3, "DELTA_GRPC";
            AggregatedGrpc = 5, "AGGREGATED_GRPC";
            AggregatedDeltaGrpc = 6, "AGGREGATED_DELTA_GRPC";
        }
    }
}

/// Types inside [`ConfigSource`](super::ConfigSource).
pub mod config_source {
    oneofs! {
        ConfigSourceSpecifier = "envoy.config.core.v3.ConfigSource.config_source_specifier" {
            path => Path(String) = [string, tag = 1],
            path_config_source => PathConfigSource(super::PathConfigSource) = [message, tag = 8],
            api_config_source => ApiConfigSource(super::ApiConfigSource) = [message, tag = 2],
            ads => Ads(super::AggregatedConfigSource) = [message, tag = 3],
            self => Self_(super::SelfConfigSource) = [message, tag = 5],
        }
    }
}

/// Types inside [`GrpcMethodList`](super::GrpcMethodList).
pub mod grpc_method_list {
    messages! {
        Service = "envoy.config.core.v3.GrpcMethodList.Service" {
            name: String = [string, tag = 1],
            method_names: Vec<String> = [string, repeated, tag = 2],
        }
    }
}
