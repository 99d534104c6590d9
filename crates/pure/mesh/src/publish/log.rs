//! Access logs of the whole mesh, as `accessLogFile` asks for them, on every listener.

use serde_json::Value;
use xds::Named;
use xds::accesslog::{
    AccessLog, AccessLogFilter, FileAccessLog, Metadata, ReqWithoutQuery, ResponseFlagFilter,
    access_log, access_log_filter::FilterSpecifier, file_access_log,
};
use xds::core::substitution_format_string::Format;
use xds::core::{
    DataSource, SubstitutionFormatString, TypedExtensionConfig, data_source::Specifier,
};
use xds::filters::{HttpConnectionManager, TcpProxy};
use xds::listener::{FilterChain, Listener, filter};
use xds::wkt::{Any, Struct};

use super::Draft;
use crate::model::mesh_config::LogFile;
use crate::view::{NodeKind, View};

/// Istio's format of a line.
const TEXT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% \
    %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% \
    %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% \
    %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \
    \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" \
    %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% \
    %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// The same as members of an object.
const JSON: &[(&str, &str)] = &[
    ("start_time", "%START_TIME%"),
    ("route_name", "%ROUTE_NAME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
];

/// Adds the mesh's access log to all listeners, if there is one.
pub(super) fn add(view: &View, draft: &mut Draft) {
    let Some(file) = view.mesh.log.file.as_ref() else { return };
    let log = logger(file, &view.mesh.log);
    let of_connections = AccessLog {
        // Connections that a chain serves have records of their own.
        filter: Some(AccessLogFilter {
            filter_specifier: Some(FilterSpecifier::ResponseFlagFilter(ResponseFlagFilter {
                flags: vec!["NR".to_owned()],
            })),
        }),
        ..log.clone()
    };
    for listener in &mut draft.listeners {
        let chains = listener.filter_chains.iter_mut().chain(&mut listener.default_filter_chain);
        chains.for_each(|chain| add_to_chain(chain, &log));
        if view.mesh.log.of_connections && is_entrance(view, listener) {
            listener.access_log.push(of_connections.clone());
        }
    }
}

/// Whether connections arrive at the listener itself, and not from another one.
fn is_entrance(view: &View, listener: &Listener) -> bool {
    view.kind == NodeKind::Router || matches!(&*listener.name, "virtualInbound" | "virtualOutbound")
}

fn add_to_chain(chain: &mut FilterChain, log: &AccessLog) {
    for one in &mut chain.filters {
        let Some(filter::ConfigType::TypedConfig(any)) = &mut one.config_type else { continue };
        if let Ok(mut manager) = any.unpack::<HttpConnectionManager>() {
            manager.access_log.push(log.clone());
            *any = Any::pack(&manager);
        } else if let Ok(mut proxy) = any.unpack::<TcpProxy>() {
            proxy.access_log.push(log.clone());
            *any = Any::pack(&proxy);
        }
    }
}

fn logger(path: &str, wanted: &LogFile) -> AccessLog {
    let (format, words) = if wanted.json {
        let own = wanted.format.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let fields = match own {
            Some(Value::Object(fields)) => fields,
            _ => JSON.iter().map(|(key, text)| ((*key).to_owned(), Value::from(*text))).collect(),
        };
        let words = Value::Object(fields.clone()).to_string();
        (Format::JsonFormat(Struct::from(&fields)), words)
    } else {
        let mut text = wanted.format.clone().unwrap_or_else(|| TEXT.to_owned());
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let source = DataSource {
            specifier: Some(Specifier::InlineString(text.clone())),
            ..DataSource::default()
        };
        (Format::TextFormatSource(source), text)
    };
    let mut formatters = Vec::new();
    if words.contains("%REQ_WITHOUT_QUERY") {
        let config = ReqWithoutQuery::default();
        formatters.push(formatter("envoy.formatter.req_without_query", &config));
    }
    if words.contains("%METADATA") {
        formatters.push(formatter("envoy.formatter.metadata", &Metadata::default()));
    }
    let file = FileAccessLog {
        path: path.to_owned(),
        access_log_format: Some(file_access_log::AccessLogFormat::LogFormat(
            SubstitutionFormatString {
                format: Some(format),
                formatters,
                ..SubstitutionFormatString::default()
            },
        )),
    };
    AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        filter: None,
        config_type: Some(access_log::ConfigType::TypedConfig(Any::pack(&file))),
    }
}

fn formatter<M: Named>(name: &str, config: &M) -> TypedExtensionConfig {
    TypedExtensionConfig { name: name.to_owned(), typed_config: Some(Any::pack(config)) }
}
