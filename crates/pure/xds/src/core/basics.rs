//! The words that all other messages share: node, locality, metadata, headers, data sources, runtime values.

use std::collections::BTreeMap;

messages! {
    TypedExtensionConfig = "envoy.config.core.v3.TypedExtensionConfig" {
        name: String = [string, tag = 1],
        typed_config: Option<crate::wkt::Any> = [message, optional, tag = 2],
    }
    BackoffStrategy = "envoy.config.core.v3.BackoffStrategy" {
        base_interval: Option<crate::wkt::Duration> = [message, optional, tag = 1],
        max_interval: Option<crate::wkt::Duration> = [message, optional, tag = 2],
    }
    HttpUri = "envoy.config.core.v3.HttpUri" {
        uri: String = [string, tag = 1],
        http_upstream_type: Option<http_uri::HttpUpstreamType> =
            [oneof = "http_uri::HttpUpstreamType", tags(2)],
        timeout: Option<crate::wkt::Duration> = [message, optional, tag = 3],
    }
    Locality = "envoy.config.core.v3.Locality" {
        region: String = [string, tag = 1],
        zone: String = [string, tag = 2],
        sub_zone: String = [string, tag = 3],
    }
    BuildVersion = "envoy.config.core.v3.BuildVersion" {
        version: Option<crate::kind::SemanticVersion> = [message, optional, tag = 1],
        metadata: Option<crate::wkt::Struct> = [message, optional, tag = 2],
    }
    Extension = "envoy.config.core.v3.Extension" {
        name: String = [string, tag = 1],
        category: String = [string, tag = 2],
        type_descriptor: String = [string, tag = 3],
        version: Option<BuildVersion> = [message, optional, tag = 4],
        disabled: bool = [bool, tag = 5],
        type_urls: Vec<String> = [string, repeated, tag = 6],
    }
    Node = "envoy.config.core.v3.Node" {
        id: String = [string, tag = 1],
        cluster: String = [string, tag = 2],
        metadata: Option<crate::wkt::Struct> = [message, optional, tag = 3],
        dynamic_parameters: BTreeMap<String, crate::cncf::ContextParams> =
            [btree_map = "string, message", tag = 12],
        locality: Option<Locality> = [message, optional, tag = 4],
        user_agent_name: String = [string, tag = 6],
        user_agent_version_type: Option<node::UserAgentVersionType> =
            [oneof = "node::UserAgentVersionType", tags(7, 8)],
        extensions: Vec<Extension> = [message, repeated, tag = 9],
        client_features: Vec<String> = [string, repeated, tag = 10],
        listening_addresses: Vec<crate::core::Address> = [message, repeated, tag = 11],
    }
    Metadata = "envoy.config.core.v3.Metadata" {
        filter_metadata: BTreeMap<String, crate::wkt::Struct> = [btree_map = "string, message", tag = 1],
        typed_filter_metadata: BTreeMap<String, crate::wkt::Any> = [btree_map = "string, message", tag = 2],
    }
    RuntimeUInt32 = "envoy.config.core.v3.RuntimeUInt32" {
        default_value: u32 = [uint32, tag = 2],
        runtime_key: String = [string, tag = 3],
    }
    RuntimeUInt64 = "envoy.config.core.v3.RuntimeUInt64" {
        default_value: u64 = [uint64, tag = 2],
        runtime_key: String = [string, tag = 3],
    }
    RuntimePercent = "envoy.config.core.v3.RuntimePercent" {
        default_value: Option<crate::kind::Percent> = [message, optional, tag = 1],
        runtime_key: String = [string, tag = 2],
    }
    RuntimeDouble = "envoy.config.core.v3.RuntimeDouble" {
        default_value: f64 = [double, tag = 1],
        runtime_key: String = [string, tag = 2],
    }
    RuntimeFeatureFlag = "envoy.config.core.v3.RuntimeFeatureFlag" {
        default_value: Option<bool> = [message, optional, tag = 1],
        runtime_key: String = [string, tag = 2],
    }
    KeyValue = "envoy.config.core.v3.KeyValue" {
        key: String = [string, tag = 1],
        value: Vec<u8> = [bytes = "vec", tag = 2],
    }
    KeyValuePair = "envoy.config.core.v3.KeyValuePair" {
        key: String = [string, tag = 1],
        value: Option<crate::wkt::Value> = [message, optional, tag = 2],
    }
    KeyValueAppend = "envoy.config.core.v3.KeyValueAppend" {
        record: Option<KeyValuePair> = [message, optional, tag = 3],
        entry: Option<KeyValue> = [message, optional, tag = 1],
        action: i32 = [enumeration(key_value_append::KeyValueAppendAction), tag = 2],
    }
    KeyValueMutation = "envoy.config.core.v3.KeyValueMutation" {
        append: Option<KeyValueAppend> = [message, optional, tag = 1],
        remove: String = [string, tag = 2],
    }
    QueryParameter = "envoy.config.core.v3.QueryParameter" {
        key: String = [string, tag = 1],
        value: String = [string, tag = 2],
    }
    HeaderValue = "envoy.config.core.v3.HeaderValue" {
        key: String = [string, tag = 1],
        value: String = [string, tag = 2],
        raw_value: Vec<u8> = [bytes = "vec", tag = 3],
    }
    HeaderValueOption = "envoy.config.core.v3.HeaderValueOption" {
        header: Option<HeaderValue> = [message, optional, tag = 1],
        append: Option<bool> = [message, optional, tag = 2],
        append_action: i32 = [enumeration(header_value_option::HeaderAppendAction), tag = 3],
        keep_empty_value: bool = [bool, tag = 4],
    }
    HeaderMap = "envoy.config.core.v3.HeaderMap" {
        headers: Vec<HeaderValue> = [message, repeated, tag = 1],
    }
    WatchedDirectory = "envoy.config.core.v3.WatchedDirectory" {
        path: String = [string, tag = 1],
        watch_modify: bool = [bool, tag = 2],
    }
    DataSource = "envoy.config.core.v3.DataSource" {
        specifier: Option<data_source::Specifier> = [oneof = "data_source::Specifier", tags(1, 2, 3, 4)],
        watched_directory: Option<WatchedDirectory> = [message, optional, tag = 5],
    }
    RetryPolicy = "envoy.config.core.v3.RetryPolicy" {
        retry_back_off: Option<BackoffStrategy> = [message, optional, tag = 1],
        num_retries: Option<u32> = [message, optional, tag = 2],
        retry_on: String = [string, tag = 3],
        retry_priority: Option<retry_policy::RetryPriority> = [message, optional, tag = 4],
        retry_host_predicate: Vec<retry_policy::RetryHostPredicate> = [message, repeated, tag = 5],
        host_selection_retry_max_attempts: i64 = [int64, tag = 6],
    }
    RemoteDataSource = "envoy.config.core.v3.RemoteDataSource" {
        http_uri: Option<HttpUri> = [message, optional, tag = 1],
        sha256: String = [string, tag = 2],
        retry_policy: Option<RetryPolicy> = [message, optional, tag = 3],
    }
    AsyncDataSource = "envoy.config.core.v3.AsyncDataSource" {
        specifier: Option<async_data_source::Specifier> =
            [oneof = "async_data_source::Specifier", tags(1, 2)],
    }
    TransportSocket = "envoy.config.core.v3.TransportSocket" {
        name: String = [string, tag = 1],
        config_type: Option<transport_socket::ConfigType> = [oneof = "transport_socket::ConfigType", tags(3)],
    }
    RuntimeFractionalPercent = "envoy.config.core.v3.RuntimeFractionalPercent" {
        default_value: Option<crate::kind::FractionalPercent> = [message, optional, tag = 1],
        runtime_key: String = [string, tag = 2],
    }
    ControlPlane = "envoy.config.core.v3.ControlPlane" {
        identifier: String = [string, tag = 1],
    }
    JsonFormatOptions = "envoy.config.core.v3.JsonFormatOptions" {
        sort_properties: bool = [bool, tag = 1],
    }
    SubstitutionFormatString = "envoy.config.core.v3.SubstitutionFormatString" {
        format: Option<substitution_format_string::Format> =
            [oneof = "substitution_format_string::Format", tags(1, 2, 5)],
        omit_empty_values: bool = [bool, tag = 3],
        content_type: String = [string, tag = 4],
        formatters: Vec<TypedExtensionConfig> = [message, repeated, tag = 6],
        json_format_options: Option<JsonFormatOptions> = [message, optional, tag = 7],
    }
    SocketCmsgHeaders = "envoy.config.core.v3.SocketCmsgHeaders" {
        level: Option<u32> = [message, optional, tag = 1],
        r#type: Option<u32> = [message, optional, tag = 2],
        expected_size: u32 = [uint32, tag = 3],
    }
    CelExpressionConfig = "envoy.config.core.v3.CelExpressionConfig" {
        enable_string_conversion: bool = [bool, tag = 1],
        enable_string_concat: bool = [bool, tag = 2],
        enable_string_functions: bool = [bool, tag = 3],
    }
    HttpService = "envoy.config.core.v3.HttpService" {
        http_uri: Option<HttpUri> = [message, optional, tag = 1],
        request_headers_to_add: Vec<HeaderValueOption> = [message, repeated, tag = 2],
        formatters: Vec<TypedExtensionConfig> = [message, repeated, tag = 3],
    }
}

enums! {
    RoutingPriority = "envoy.config.core.v3.RoutingPriority" {
        Default = 0, "DEFAULT";
        High = 1, "HIGH";
    }
    RequestMethod = "envoy.config.core.v3.RequestMethod" {
        MethodUnspecified = 0, "METHOD_UNSPECIFIED";
        Get = 1, "GET";
        Head = 2, "HEAD";
        Post = 3, "POST";
        Put = 4, "PUT";
        Delete = 5, "DELETE";
        Connect = 6, "CONNECT";
        Options = 7, "OPTIONS";
        Trace = 8, "TRACE";
        Patch = 9, "PATCH";
    }
    TrafficDirection = "envoy.config.core.v3.TrafficDirection" {
        Unspecified = 0, "UNSPECIFIED";
        Inbound = 1, "INBOUND";
        Outbound = 2, "OUTBOUND";
    }
}

/// Types inside [`HttpUri`](super::HttpUri).
pub mod http_uri {
    oneofs! {
        HttpUpstreamType = "envoy.config.core.v3.HttpUri.http_upstream_type" {
            cluster => Cluster(String) = [string, tag = 2],
        }
    }
}

/// Types inside [`Node`](super::Node).
pub mod node {
    oneofs! {
        UserAgentVersionType = "envoy.config.core.v3.Node.user_agent_version_type" {
            user_agent_version => UserAgentVersion(String) = [string, tag = 7],
            user_agent_build_version => UserAgentBuildVersion(super::BuildVersion) = [message, tag = 8],
        }
    }
}

/// Types inside [`KeyValueAppend`](super::KeyValueAppend).
pub mod key_value_append {
    enums! {
        KeyValueAppendAction = "envoy.config.core.v3.KeyValueAppend.KeyValueAppendAction" {
            AppendIfExistsOrAdd = 0, "APPEND_IF_EXISTS_OR_ADD";
            AddIfAbsent = 1, "ADD_IF_ABSENT";
            OverwriteIfExistsOrAdd = 2, "OVERWRITE_IF_EXISTS_OR_ADD";
            OverwriteIfExists = 3, "OVERWRITE_IF_EXISTS";
        }
    }
}

/// Types inside [`HeaderValueOption`](super::HeaderValueOption).
pub mod header_value_option {
    enums! {
        HeaderAppendAction = "envoy.config.core.v3.HeaderValueOption.HeaderAppendAction" {
            AppendIfExistsOrAdd = 0, "APPEND_IF_EXISTS_OR_ADD";
            AddIfAbsent = 1, "ADD_IF_ABSENT";
            OverwriteIfExistsOrAdd = 2, "OVERWRITE_IF_EXISTS_OR_ADD";
            OverwriteIfExists = 3, "OVERWRITE_IF_EXISTS";
        }
    }
}

/// Types inside [`DataSource`](super::DataSource).
pub mod data_source {
    oneofs! {
        Specifier = "envoy.config.core.v3.DataSource.specifier" {
            filename => Filename(String) = [string, tag = 1],
            inline_bytes => InlineBytes(Vec<u8>) = [bytes = "vec", tag = 2],
            inline_string => InlineString(String) = [string, tag = 3],
            environment_variable => EnvironmentVariable(String) = [string, tag = 4],
        }
    }
}

/// Types inside [`RetryPolicy`](super::RetryPolicy).
pub mod retry_policy {
    messages! {
        RetryPriority = "envoy.config.core.v3.RetryPolicy.RetryPriority" {
            name: String = [string, tag = 1],
            config_type: Option<retry_priority::ConfigType> = [oneof = "retry_priority::ConfigType", tags(2)],
        }
        RetryHostPredicate = "envoy.config.core.v3.RetryPolicy.RetryHostPredicate" {
            name: String = [string, tag = 1],
            config_type: Option<retry_host_predicate::ConfigType> =
                [oneof = "retry_host_predicate::ConfigType", tags(2)],
        }
    }

    /// Types inside [`RetryPriority`](super::RetryPriority).
    pub mod retry_priority {
        oneofs! {
            ConfigType = "envoy.config.core.v3.RetryPolicy.RetryPriority.config_type" {
                typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 2],
            }
        }
    }

    /// Types inside [`RetryHostPredicate`](super::RetryHostPredicate).
    pub mod retry_host_predicate {
        oneofs! {
            ConfigType = "envoy.config.core.v3.RetryPolicy.RetryHostPredicate.config_type" {
                typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 2],
            }
        }
    }
}

/// Types inside [`AsyncDataSource`](super::AsyncDataSource).
pub mod async_data_source {
    oneofs! {
        Specifier = "envoy.config.core.v3.AsyncDataSource.specifier" {
            local => Local(super::DataSource) = [message, tag = 1],
            remote => Remote(super::RemoteDataSource) = [message, tag = 2],
        }
    }
}

/// Types inside [`TransportSocket`](super::TransportSocket).
pub mod transport_socket {
    oneofs! {
        ConfigType = "envoy.config.core.v3.TransportSocket.config_type" {
            typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
        }
    }
}

/// Types inside [`SubstitutionFormatString`](super::SubstitutionFormatString).
pub mod substitution_format_string {
    oneofs! {
        Format = "envoy.config.core.v3.SubstitutionFormatString.format" {
            text_format => TextFormat(String) = [string, tag = 1],
            json_format => JsonFormat(crate::wkt::Struct) = [message, tag = 2],
            text_format_source => TextFormatSource(super::DataSource) = [message, tag = 5],
        }
    }
}
