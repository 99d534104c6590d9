//! The settings of a connection manager.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use xds::{
    core,
    filters::{HttpConnectionManager, http_connection_manager as proto},
};

use crate::{
    compile::{Bad, Within as _, cidr, refuse, timeout},
    edits::{Action, Edit, Value},
    log::Log,
    path::{EscapedSlashes, Normalization},
    peer::Peer,
};

/// Which protocol the downstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// Told by ALPN or the first bytes.
    #[default]
    Auto,
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What becomes of the `server` header of responses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerHeader {
    /// It is replaced.
    #[default]
    Overwrite,
    /// It is set where there is none.
    AppendIfAbsent,
    /// It is left alone.
    PassThrough,
}

/// Limits of HTTP/2, where they differ from the codec's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http2Settings {
    /// The most streams at once on a connection.
    pub max_concurrent_streams: Option<u32>,
    /// The flow-control window of a stream, in bytes.
    pub initial_stream_window: Option<u32>,
    /// The flow-control window of a connection, in bytes.
    pub initial_connection_window: Option<u32>,
    /// How often a quiet connection is asked whether it is alive, and how long the answer may take.
    pub keepalive: Option<(Duration, Duration)>,
    /// Whether a stream may become a tunnel of another protocol (RFC 8441).
    pub allow_connect: bool,
}

impl Http2Settings {
    pub(crate) fn of(options: &core::Http2ProtocolOptions) -> Self {
        Self {
            max_concurrent_streams: options.max_concurrent_streams,
            initial_stream_window: options.initial_stream_window_size,
            initial_connection_window: options.initial_connection_window_size,
            keepalive: options.connection_keepalive.as_ref().and_then(|keepalive| {
                let interval = timeout(keepalive.interval.as_ref(), "interval").ok()??;
                let patience = timeout(keepalive.timeout.as_ref(), "timeout").ok()??;
                Some((interval, patience))
            }),
            allow_connect: options.allow_connect,
        }
    }
}

/// The settings of a connection manager. Durations are `None` where there is no limit.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The prefix of its metrics.
    pub stat_prefix: String,
    /// Which protocol the downstream speaks.
    pub codec: Codec,
    /// The value of the `server` header.
    pub server_name: String,
    /// What becomes of that header.
    pub server_header: ServerHeader,
    /// How long a connection without requests stays open.
    pub idle_timeout: Option<Duration>,
    /// How long a connection lives.
    pub max_connection_duration: Option<Duration>,
    /// How many requests a connection carries.
    pub max_requests_per_connection: Option<u32>,
    /// How long a stream may be idle.
    pub stream_idle_timeout: Option<Duration>,
    /// How long a request may take to arrive as a whole.
    pub request_timeout: Option<Duration>,
    /// How long the head of a request may take to arrive.
    pub request_headers_timeout: Option<Duration>,
    /// How long a request may live.
    pub max_stream_duration: Option<Duration>,
    /// How long a connection is drained before it is closed.
    pub drain_timeout: Duration,
    /// How long to wait for the peer to close after the last byte was sent.
    pub delayed_close_timeout: Option<Duration>,
    /// The largest head, in bytes.
    pub max_head_bytes: usize,
    /// The most headers.
    pub max_headers: usize,
    /// Whether trailers of HTTP/1.1 are passed on, or dropped.
    pub http1_trailers: bool,
    /// Whether methods that no standard names are taken on HTTP/1.1.
    pub allow_custom_methods: bool,
    /// Whether HTTP/1.0 is spoken.
    pub accept_http_10: bool,
    /// The authority of HTTP/1.0 requests without one; empty for none.
    pub default_host_for_http_10: String,
    /// Whether `100 Continue` of the upstream is passed on, rather than answered here.
    pub proxy_100_continue: bool,
    /// What becomes of headers with an underscore.
    pub underscores: Underscores,
    /// Limits of HTTP/2.
    pub http2: Http2Settings,
    /// Where access records go.
    pub logs: Arc<[Log]>,
    /// How requests are traced; `None` when they are not.
    pub tracing: Option<Box<proto::Tracing>>,
    /// Whether the router keeps its `x-envoy-…` headers to itself.
    pub suppress_envoy_headers: bool,
    pub(crate) use_remote_address: bool,
    pub(crate) xff_num_trusted_hops: usize,
    pub(crate) skip_xff_append: bool,
    pub(crate) append_x_forwarded_port: bool,
    pub(crate) internal_ranges: Vec<IpNet>,
    pub(crate) via: Option<Box<str>>,
    pub(crate) generate_request_id: bool,
    pub(crate) preserve_external_request_id: bool,
    pub(crate) request_id_in_response: bool,
    pub(crate) always_forwards_client_cert: bool,
    pub(crate) normalization: Normalization,
    pub(crate) strip: StripPort,
    pub(crate) upgrades: Vec<(Box<[u8]>, bool)>,
}

/// What becomes of a header whose name holds an underscore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// It is a header like any other.
    #[default]
    Allow,
    /// The request is refused with 400.
    Reject,
    /// It is dropped.
    Drop,
}

/// Which parts of the authority are cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StripPort {
    any: bool,
    matching: bool,
    dot: bool,
}

impl Default for HttpSettings {
    /// Envoy's defaults.
    fn default() -> Self {
        Self {
            stat_prefix: String::new(),
            codec: Codec::Auto,
            server_name: "envoy".to_owned(),
            server_header: ServerHeader::Overwrite,
            idle_timeout: Some(Duration::from_secs(3600)),
            max_connection_duration: None,
            max_requests_per_connection: None,
            stream_idle_timeout: Some(Duration::from_secs(300)),
            request_timeout: None,
            request_headers_timeout: None,
            max_stream_duration: None,
            drain_timeout: Duration::from_secs(5),
            delayed_close_timeout: Some(Duration::from_secs(1)),
            max_head_bytes: 60 * 1024,
            max_headers: 100,
            http1_trailers: false,
            allow_custom_methods: false,
            accept_http_10: false,
            default_host_for_http_10: String::new(),
            proxy_100_continue: false,
            underscores: Underscores::Allow,
            http2: Http2Settings::default(),
            logs: Arc::default(),
            tracing: None,
            suppress_envoy_headers: false,
            use_remote_address: false,
            xff_num_trusted_hops: 0,
            skip_xff_append: false,
            append_x_forwarded_port: false,
            internal_ranges: Vec::new(),
            via: None,
            generate_request_id: true,
            preserve_external_request_id: false,
            request_id_in_response: false,
            always_forwards_client_cert: false,
            normalization: Normalization {
                dot_segments: false,
                merge_slashes: false,
                escaped_slashes: EscapedSlashes::Keep,
            },
            strip: StripPort::default(),
            upgrades: Vec::new(),
        }
    }
}

impl HttpSettings {
    /// Reads all but routes and filters.
    pub(crate) fn compile(manager: &HttpConnectionManager) -> Result<Self, Bad> {
        refuse(&[
            ("add_user_agent", manager.add_user_agent == Some(true)),
            (
                "original_ip_detection_extensions",
                !manager.original_ip_detection_extensions.is_empty(),
            ),
            (
                "early_header_mutation_extensions",
                !manager.early_header_mutation_extensions.is_empty(),
            ),
            ("scheme_header_transformation", manager.scheme_header_transformation.is_some()),
            ("local_reply_config", manager.local_reply_config.is_some()),
            ("path_normalization_options", manager.path_normalization_options.is_some()),
            ("typed_header_validation_config", manager.typed_header_validation_config.is_some()),
            ("forward_client_cert_matcher", manager.forward_client_cert_matcher.is_some()),
            ("forward_proto_config", manager.forward_proto_config.is_some()),
            ("proxy_status_config", manager.proxy_status_config.is_some()),
            ("access_log_flush_interval", manager.access_log_flush_interval.is_some()),
            ("flush_access_log_on_new_request", manager.flush_access_log_on_new_request),
            ("access_log_options", manager.access_log_options.is_some()),
        ])?;
        let mut settings = Self::default();
        settings.read_protocols(manager)?;
        settings.read_times(manager)?;
        settings.read_manners(manager)?;
        Ok(settings)
    }

    fn read_protocols(&mut self, manager: &HttpConnectionManager) -> Result<(), Bad> {
        self.stat_prefix.clone_from(&manager.stat_prefix);
        self.codec = match manager.codec_type() {
            proto::CodecType::Auto => Codec::Auto,
            proto::CodecType::Http1 => Codec::Http1,
            proto::CodecType::Http2 => Codec::Http2,
            proto::CodecType::Http3 => return Err(Bad::unsupported("codec_type HTTP3")),
        };
        if let Some(options) = &manager.http_protocol_options {
            refuse_http1(options).within("http_protocol_options")?;
            self.http1_trailers = options.enable_trailers;
            self.allow_custom_methods = options.allow_custom_methods;
            self.accept_http_10 = options.accept_http_10;
            self.default_host_for_http_10.clone_from(&options.default_host_for_http_10);
        }
        if let Some(options) = &manager.http2_protocol_options {
            self.http2 = Http2Settings::of(options);
        }
        if let Some(options) = &manager.common_http_protocol_options {
            use core::http_protocol_options::HeadersWithUnderscoresAction as Action;
            let field = "common_http_protocol_options";
            if let Some(count) = options.max_headers_count {
                self.max_headers = usize::try_from(count).unwrap_or(usize::MAX);
            }
            self.max_requests_per_connection =
                options.max_requests_per_connection.filter(|count| *count != 0);
            self.max_stream_duration =
                timeout(options.max_stream_duration.as_ref(), "max_stream_duration")
                    .within(field)?;
            self.max_connection_duration =
                timeout(options.max_connection_duration.as_ref(), "max_connection_duration")
                    .within(field)?;
            if options.idle_timeout.is_some() {
                self.idle_timeout =
                    timeout(options.idle_timeout.as_ref(), "idle_timeout").within(field)?;
            }
            self.underscores = match options.headers_with_underscores_action() {
                Action::Allow => Underscores::Allow,
                Action::RejectRequest => Underscores::Reject,
                Action::DropHeader => Underscores::Drop,
            };
        }
        if let Some(kib) = manager.max_request_headers_kb {
            self.max_head_bytes = usize::try_from(kib).unwrap_or(usize::MAX).saturating_mul(1024);
        }
        self.proxy_100_continue = manager.proxy_100_continue;
        self.upgrades = manager
            .upgrade_configs
            .iter()
            .map(|upgrade| {
                (upgrade.upgrade_type.as_bytes().into(), upgrade.enabled.unwrap_or(true))
            })
            .collect();
        if manager.upgrade_configs.iter().any(|upgrade| !upgrade.filters.is_empty()) {
            return Err(Bad::unsupported("upgrade_configs.filters"));
        }
        Ok(())
    }

    fn read_times(&mut self, manager: &HttpConnectionManager) -> Result<(), Bad> {
        if manager.stream_idle_timeout.is_some() {
            self.stream_idle_timeout =
                timeout(manager.stream_idle_timeout.as_ref(), "stream_idle_timeout")?;
        }
        self.request_timeout = timeout(manager.request_timeout.as_ref(), "request_timeout")?;
        self.request_headers_timeout =
            timeout(manager.request_headers_timeout.as_ref(), "request_headers_timeout")?;
        if manager.drain_timeout.is_some() {
            self.drain_timeout =
                timeout(manager.drain_timeout.as_ref(), "drain_timeout")?.unwrap_or_default();
        }
        if manager.delayed_close_timeout.is_some() {
            self.delayed_close_timeout =
                timeout(manager.delayed_close_timeout.as_ref(), "delayed_close_timeout")?;
        }
        Ok(())
    }

    fn read_manners(&mut self, manager: &HttpConnectionManager) -> Result<(), Bad> {
        use proto::{
            ForwardClientCertDetails, PathWithEscapedSlashesAction as Slashes,
            ServerHeaderTransformation as Transformation,
        };
        if !manager.server_name.is_empty() {
            self.server_name.clone_from(&manager.server_name);
        }
        self.server_header = match manager.server_header_transformation() {
            Transformation::Overwrite => ServerHeader::Overwrite,
            Transformation::AppendIfAbsent => ServerHeader::AppendIfAbsent,
            Transformation::PassThrough => ServerHeader::PassThrough,
        };
        self.use_remote_address = manager.use_remote_address.unwrap_or(false);
        self.xff_num_trusted_hops =
            usize::try_from(manager.xff_num_trusted_hops).unwrap_or(usize::MAX);
        self.skip_xff_append = manager.skip_xff_append;
        self.append_x_forwarded_port = manager.append_x_forwarded_port;
        if let Some(internal) = &manager.internal_address_config {
            for (at, range) in internal.cidr_ranges.iter().enumerate() {
                let net = cidr(range).within_item("internal_address_config.cidr_ranges", at)?;
                self.internal_ranges.push(net);
            }
        }
        self.via = (!manager.via.is_empty()).then(|| manager.via.as_str().into());
        self.generate_request_id = manager.generate_request_id.unwrap_or(true);
        self.preserve_external_request_id = manager.preserve_external_request_id;
        self.request_id_in_response = manager.always_set_request_id_in_response;
        self.always_forwards_client_cert =
            manager.forward_client_cert_details() == ForwardClientCertDetails::AlwaysForwardOnly;
        self.normalization = Normalization {
            dot_segments: manager.normalize_path.unwrap_or(false),
            merge_slashes: manager.merge_slashes,
            escaped_slashes: match manager.path_with_escaped_slashes_action() {
                Slashes::ImplementationSpecificDefault | Slashes::KeepUnchanged => {
                    EscapedSlashes::Keep
                }
                Slashes::RejectRequest => EscapedSlashes::Reject,
                Slashes::UnescapeAndRedirect => EscapedSlashes::Redirect,
                Slashes::UnescapeAndForward => EscapedSlashes::Forward,
            },
        };
        let strips_any =
            matches!(manager.strip_port_mode, Some(proto::StripPortMode::StripAnyHostPort(true)));
        self.strip = StripPort {
            any: strips_any,
            matching: manager.strip_matching_host_port,
            dot: manager.strip_trailing_host_dot,
        };
        self.logs = Log::compile_all(&manager.access_log)?.into();
        self.tracing = manager.tracing.clone().map(Box::new);
        Ok(())
    }

    /// Whether a request may upgrade to this protocol.
    pub(crate) fn allows_upgrade(&self, protocol: &[u8]) -> bool {
        self.upgrades
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(protocol))
            .is_some_and(|(_, enabled)| *enabled)
    }

    /// The authority without the parts that shall be cut off.
    pub(crate) fn strip_port<'a>(&self, authority: &'a str, peer: &Peer) -> &'a str {
        let StripPort { any, matching, dot } = self.strip;
        let mut host = authority;
        if any || matching {
            let (name, port) = split_port(authority);
            let is_own = port.and_then(|port| port.parse().ok()) == Some(peer.destination.port());
            if any || is_own {
                host = name;
            }
        }
        if dot { host.strip_suffix('.').unwrap_or(host) } else { host }
    }

    /// The changes that every response gets. `request_id` is that of its request.
    pub(crate) fn response_edits<'a>(
        &'a self,
        request_id: Option<Value<'a>>,
    ) -> impl Iterator<Item = Edit<'a>> {
        let server = match self.server_header {
            ServerHeader::Overwrite => Some(Action::Set),
            ServerHeader::AppendIfAbsent => Some(Action::AddIfAbsent),
            ServerHeader::PassThrough => None,
        };
        let server = server.map(|action| Edit {
            action,
            name: "server",
            value: Value::Bytes(self.server_name.as_bytes()),
        });
        let via = self.via.as_deref().map(|via| Edit {
            action: Action::Join(", "),
            name: "via",
            value: Value::Bytes(via.as_bytes()),
        });
        let id = request_id
            .filter(|_| self.request_id_in_response)
            .map(|id| Edit::set("x-request-id", id));
        [server, via, id].into_iter().flatten()
    }
}

/// What we do not do of HTTP/1.
pub(crate) fn refuse_http1(options: &core::Http1ProtocolOptions) -> Result<(), Bad> {
    refuse(&[
        ("header_key_format", options.header_key_format.is_some()),
        ("allow_chunked_length", options.allow_chunked_length),
        ("send_fully_qualified_url", options.send_fully_qualified_url),
        ("ignore_http_11_upgrade", !options.ignore_http_11_upgrade.is_empty()),
        ("allow_absolute_url", options.allow_absolute_url == Some(false)),
    ])
}

/// Splits an authority into host and port; IPv6 addresses keep their brackets.
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (host.ends_with(']') || !host.contains(':')) =>
        {
            (host, Some(port))
        }
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_split_off() {
        for (authority, host, port) in [
            ("a.b", "a.b", None),
            ("a.b:80", "a.b", Some("80")),
            ("1.2.3.4:80", "1.2.3.4", Some("80")),
            ("[::1]", "[::1]", None),
            ("[::1]:80", "[::1]", Some("80")),
            ("::1", "::1", None),
            ("a:x", "a:x", None),
        ] {
            assert_eq!(split_port(authority), (host, port), "{authority}");
        }
    }

    #[test]
    fn hosts_are_stripped_as_told() {
        let peer = Peer::new("1.1.1.1:1".parse().unwrap(), "2.2.2.2:80".parse().unwrap());
        let strip = |any, matching, dot, host| {
            let settings =
                HttpSettings { strip: StripPort { any, matching, dot }, ..HttpSettings::default() };
            settings.strip_port(host, &peer).to_owned()
        };
        assert_eq!(strip(false, false, false, "a:80"), "a:80");
        assert_eq!(strip(true, false, false, "a:81"), "a");
        assert_eq!(strip(false, true, false, "a:81"), "a:81");
        assert_eq!(strip(false, true, false, "a:80"), "a");
        assert_eq!(strip(false, true, true, "a.:80"), "a");
    }
}
