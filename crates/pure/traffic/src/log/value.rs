//! What operators show of the facts.

use std::{borrow::Cow, net::SocketAddr};

use xds::{core, wkt};

use crate::{
    dice::Dice,
    edits::{Value, write_number},
    flags::Flags,
    head::{Head, Header},
    log::{
        Facts,
        filter::millis,
        json,
        operator::{GrpcForm, Message, Operator, Owner, PathSource, Point, Show, What},
    },
    matcher::query_parameter,
};

/// What an operator shows.
#[derive(Debug)]
pub(super) enum Shown<'a> {
    /// There is nothing to show: `-` in text, null in JSON.
    Nothing,
    Text(Cow<'a, [u8]>),
    Number(u64),
    Json(&'a wkt::Value),
    Object(&'a wkt::Struct),
}

impl<'a> Shown<'a> {
    fn text(text: &'a str) -> Self {
        if text.is_empty() { Self::Nothing } else { Self::Text(Cow::Borrowed(text.as_bytes())) }
    }

    fn owned(text: impl Into<String>) -> Self {
        Self::Text(Cow::Owned(text.into().into_bytes()))
    }

    fn maybe(text: Option<&'a [u8]>) -> Self {
        text.map_or(Self::Nothing, |text| Self::Text(Cow::Borrowed(text)))
    }

    fn address(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::Nothing, |address| Self::owned(address.to_string()))
    }

    fn ip(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::Nothing, |address| Self::owned(address.ip().to_string()))
    }

    fn port(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::Nothing, |address| Self::Number(address.port().into()))
    }

    fn names(names: &[String]) -> Self {
        if names.is_empty() { Self::Nothing } else { Self::owned(names.join(",")) }
    }

    fn cut(self, length: Option<usize>) -> Self {
        let Some(length) = length else { return self };
        match self {
            Self::Text(Cow::Borrowed(text)) => {
                Self::Text(Cow::Borrowed(&text[..text.len().min(length)]))
            }
            Self::Text(Cow::Owned(mut text)) => {
                text.truncate(length);
                Self::Text(Cow::Owned(text))
            }
            other => other,
        }
    }

    /// Appends it as text; false when there is nothing to show.
    pub(super) fn write(&self, length: Option<usize>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        match self {
            Self::Nothing => return false,
            Self::Text(text) => out.extend_from_slice(text),
            Self::Number(number) => write_number(*number, out),
            Self::Json(value) => match value.as_str() {
                Some(text) => out.extend_from_slice(text.as_bytes()),
                None => json::value(value, out),
            },
            Self::Object(fields) => json::object(fields, out),
        }
        if let Some(length) = length {
            out.truncate(start + length.min(out.len() - start));
        }
        true
    }
}

impl Operator {
    /// What this operator shows.
    pub(super) fn show<'a>(&'a self, facts: &Facts<'a>, dice: &mut Dice) -> Shown<'a> {
        let shown = match &self.what {
            What::Fact(show) => show(facts),
            What::Began(format) => {
                let mut out = Vec::new();
                format.write(facts.began, &mut out);
                Shown::Text(Cow::Owned(out))
            }
            What::Now(format) => {
                let mut out = Vec::new();
                format.write(facts.began + facts.times.ended.unwrap_or_default(), &mut out);
                Shown::Text(Cow::Owned(out))
            }
            What::Header { of, name, alternative, bare } => {
                let found = header(facts, *of, name)
                    .or_else(|| header(facts, *of, alternative.as_deref()?));
                match found {
                    Some(Cow::Borrowed(text)) if *bare => {
                        let end = text.iter().position(|byte| *byte == b'?');
                        Shown::Text(Cow::Borrowed(&text[..end.unwrap_or(text.len())]))
                    }
                    Some(text) => Shown::Text(text),
                    None => Shown::Nothing,
                }
            }
            What::HeaderBytes(of) => Shown::Number(header_bytes(facts, *of)),
            What::Parameter(name) => facts
                .head
                .and_then(|head| query_parameter(original_path(head)?, name))
                .map_or(Shown::Nothing, |value| Shown::Text(Cow::Owned(decoded(value)))),
            What::Path { query, source } => path(facts, *query, *source),
            What::Grpc(form) => grpc(facts, *form),
            What::Span { from, to, nanos } => match (point(facts, *from), point(facts, *to)) {
                (Some(from), Some(to)) if to >= from => {
                    let nanoseconds = u64::try_from((to - from).as_nanos()).unwrap_or(u64::MAX);
                    Shown::Number(nanoseconds / nanos)
                }
                _ => Shown::Nothing,
            },
            What::Metadata { of, keys } => metadata(facts, *of, keys),
            What::Unique => Shown::Text(Cow::Owned(Value::Uuid(dice.bytes()).to_vec())),
        };
        // Values that are no text are cut when they are written.
        shown.cut(self.length)
    }
}

fn header<'a>(facts: &Facts<'a>, of: Message, name: &str) -> Option<Cow<'a, [u8]>> {
    let within = |list: &'a [Header<'a>]| {
        list.iter().find(|header| header.name == name).map(|header| Cow::Borrowed(header.value))
    };
    match of {
        Message::Request => {
            let head: &'a Head<'a> = facts.head?;
            head.header(name).map(Cow::Borrowed)
        }
        Message::Response if name == ":status" => {
            (facts.status != 0).then(|| Cow::Owned(facts.status.to_string().into_bytes()))
        }
        Message::Response => within(facts.response),
        Message::Trailers => within(facts.trailers),
    }
}

/// Names and values of all headers, pseudo headers among them.
fn header_bytes(facts: &Facts<'_>, of: Message) -> u64 {
    let all = |list: &[Header<'_>]| -> usize {
        list.iter().map(|header| header.name.len() + header.value.len()).sum()
    };
    let bytes = match of {
        Message::Request => facts.head.map_or(0, |head| {
            let pseudo = [":authority", ":path", ":method", ":scheme"].into_iter();
            let pseudo = pseudo.filter_map(|name| Some(name.len() + head.header(name)?.len()));
            pseudo.sum::<usize>() + all(head.headers)
        }),
        Message::Response if facts.status == 0 => 0,
        Message::Response => ":status".len() + 3 + all(facts.response),
        Message::Trailers => all(facts.trailers),
    };
    bytes as u64
}

/// The path as the client sent it.
fn came<'a>(head: &'a Head<'a>) -> Option<&'a [u8]> {
    head.header("x-envoy-original-path")
}

/// The query of the path as the client sent it.
fn original_path<'a>(head: &'a Head<'a>) -> Option<&'a str> {
    let path = came(head).and_then(|path| std::str::from_utf8(path).ok()).unwrap_or(head.path);
    path.split_once('?').map(|(_, query)| query)
}

fn path<'a>(facts: &Facts<'a>, query: bool, source: PathSource) -> Shown<'a> {
    let Some(head) = facts.head else { return Shown::Nothing };
    let head: &'a Head<'a> = head;
    let original = came(head).and_then(|path| std::str::from_utf8(path).ok());
    let own = (!head.path.is_empty()).then_some(head.path);
    let path = match source {
        PathSource::Original => original,
        PathSource::Path => own,
        PathSource::OriginalOrPath => original.or(own),
    };
    let bare = |path: &'a str| if query { path } else { path.split('?').next().unwrap_or(path) };
    path.map_or(Shown::Nothing, |path| Shown::text(bare(path)))
}

/// A value of a query without its percent signs.
fn decoded(value: &str) -> Vec<u8> {
    let bytes = value.as_bytes();
    let digit = |at: usize| {
        let byte = bytes.get(at)?;
        u8::try_from(char::from(*byte).to_digit(16)?).ok()
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// Names of gRPC statuses in both spellings. Spec: gRPC, "Status codes".
const GRPC: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

fn grpc<'a>(facts: &Facts<'a>, form: GrpcForm) -> Shown<'a> {
    let is_grpc = facts.head.is_some_and(Head::is_grpc);
    let Some(status) = facts.grpc_status().filter(|_| is_grpc) else { return Shown::Nothing };
    let names = usize::try_from(status).ok().and_then(|status| GRPC.get(status));
    match (form, names, u64::try_from(status)) {
        (GrpcForm::Camel, Some((camel, _)), _) => Shown::text(camel),
        (GrpcForm::Snake, Some((_, snake)), _) => Shown::text(snake),
        (GrpcForm::Number, _, Ok(number)) => Shown::Number(number),
        _ => Shown::owned(status.to_string()),
    }
}

fn point(facts: &Facts<'_>, point: Point) -> Option<std::time::Duration> {
    let times = &facts.times;
    match point {
        Point::Began => Some(std::time::Duration::ZERO),
        Point::Request => times.request,
        Point::Connecting => times.connecting,
        Point::Connected => times.connecting.and(times.connected),
        Point::Sending => times.sending,
        Point::Sent => times.sent,
        Point::Answered => times.answered,
        Point::Received => times.received,
        Point::Responding => times.responding,
        Point::Responded => times.responded,
    }
}

fn metadata<'a>(facts: &Facts<'a>, of: Owner, keys: &[Box<str>]) -> Shown<'a> {
    let found: Option<&'a core::Metadata> = match of {
        Owner::Nobody => None,
        Owner::Cluster => facts.cluster.and_then(|cluster| cluster.metadata.as_ref()),
        Owner::Host => facts.contact.and_then(|contact| contact.host.metadata()),
    };
    let mut keys = keys.iter();
    let space = keys.next().and_then(|space| found?.filter_metadata.get(&**space));
    let Some(mut fields) = space else { return Shown::Nothing };
    let mut shown = Shown::Object(fields);
    while let Some(key) = keys.next() {
        let Some(value) = fields.fields.get(&**key) else { return Shown::Nothing };
        shown = Shown::Json(value);
        match value.as_struct() {
            Some(inner) => fields = inner,
            None if keys.len() > 0 => return Shown::Nothing,
            None => {}
        }
    }
    shown
}

/// The details of a response code, blanks and all.
pub(super) fn details_as_they_are<'a>(facts: &Facts<'a>) -> Shown<'a> {
    Shown::text(facts.details)
}

/// Blanks would break a line of words into more words.
fn without_blanks(text: &str) -> Shown<'_> {
    if text.contains(char::is_whitespace) {
        return Shown::owned(text.replace(char::is_whitespace, "_"));
    }
    Shown::text(text)
}

fn flags(flags: Flags, long: bool) -> Shown<'static> {
    if flags.is_empty() {
        return Shown::text("-");
    }
    let names: Vec<&str> =
        flags.names().map(|(short, name)| if long { name } else { short }).collect();
    Shown::owned(names.join(","))
}

fn spent<'a>(from: Option<std::time::Duration>, to: Option<std::time::Duration>) -> Shown<'a> {
    match (from, to) {
        (Some(from), Some(to)) => Shown::Number(millis(to.saturating_sub(from))),
        _ => Shown::Nothing,
    }
}

/// What shows a fact that takes no arguments, by its name.
#[expect(clippy::too_many_lines, reason = "a table of names")]
pub(super) fn fact(name: &str) -> Option<Show> {
    Some(match name {
        "PROTOCOL" => |facts| Shown::text(facts.protocol.map_or("", |version| version.name())),
        "UPSTREAM_PROTOCOL" => |facts| {
            let version = facts.contact.and_then(|contact| contact.protocol);
            Shown::text(version.map_or("", |version| version.name()))
        },
        "RESPONSE_CODE" => |facts| Shown::Number(facts.status.into()),
        "RESPONSE_CODE_DETAILS" => |facts| without_blanks(facts.details),
        "CONNECTION_TERMINATION_DETAILS" => |facts| Shown::text(facts.termination),
        "RESPONSE_FLAGS" => |facts| flags(facts.flags, false),
        "RESPONSE_FLAGS_LONG" => |facts| flags(facts.flags, true),
        "BYTES_RECEIVED" => |facts| Shown::Number(facts.received),
        "BYTES_SENT" => |facts| Shown::Number(facts.sent),
        "DURATION" => |facts| spent(Some(std::time::Duration::ZERO), facts.times.ended),
        "REQUEST_DURATION" => |facts| spent(Some(std::time::Duration::ZERO), facts.times.request),
        "REQUEST_TX_DURATION" => |facts| spent(Some(std::time::Duration::ZERO), facts.times.sent),
        "RESPONSE_DURATION" => |facts| spent(Some(std::time::Duration::ZERO), facts.times.answered),
        "RESPONSE_TX_DURATION" => |facts| spent(facts.times.answered, facts.times.responded),
        "UPSTREAM_CONNECTION_POOL_READY_DURATION" => {
            |facts| spent(Some(std::time::Duration::ZERO), facts.times.connected)
        }
        "UPSTREAM_HOST" => {
            |facts| Shown::text(facts.contact.map_or("", |contact| contact.host.address_text()))
        }
        "UPSTREAM_HOST_NAME" => |facts| match facts.contact {
            Some(contact) => match contact.host.hostname() {
                Some(name) => Shown::text(name),
                None => Shown::text(contact.host.address_text()),
            },
            None => Shown::Nothing,
        },
        "UPSTREAM_HOST_NAME_WITHOUT_PORT" => |facts| match facts.contact {
            Some(contact) => match contact.host.hostname() {
                Some(name) => Shown::text(crate::http::split_port(name).0),
                None => match contact.host.address().socket() {
                    Some(address) => Shown::ip(Some(address)),
                    None => Shown::text(contact.host.address_text()),
                },
            },
            None => Shown::Nothing,
        },
        "UPSTREAM_CLUSTER" => {
            |facts| Shown::text(facts.cluster.map_or("", |cluster| &*cluster.stat_name))
        }
        "UPSTREAM_CLUSTER_RAW" => {
            |facts| Shown::text(facts.cluster.map_or("", |cluster| &*cluster.name))
        }
        "UPSTREAM_LOCAL_ADDRESS" => |facts| Shown::address(facts.contact.and_then(|it| it.local)),
        "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => {
            |facts| Shown::ip(facts.contact.and_then(|it| it.local))
        }
        "UPSTREAM_LOCAL_PORT" => |facts| Shown::port(facts.contact.and_then(|it| it.local)),
        "UPSTREAM_REMOTE_ADDRESS" => |facts| Shown::address(dialled(facts)),
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => |facts| Shown::ip(dialled(facts)),
        "UPSTREAM_REMOTE_PORT" => |facts| Shown::port(dialled(facts)),
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => |facts| without_blanks(facts.failure),
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => |facts| Shown::Number(facts.attempts.into()),
        "DOWNSTREAM_LOCAL_ADDRESS" => |facts| Shown::address(Some(facts.peer.destination)),
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => |facts| Shown::ip(Some(facts.peer.destination)),
        "DOWNSTREAM_LOCAL_PORT" => |facts| Shown::port(Some(facts.peer.destination)),
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS" => |facts| Shown::address(Some(facts.local)),
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT" => |facts| Shown::ip(Some(facts.local)),
        "DOWNSTREAM_DIRECT_LOCAL_PORT" => |facts| Shown::port(Some(facts.local)),
        "DOWNSTREAM_REMOTE_ADDRESS" => |facts| Shown::address(Some(facts.remote)),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => |facts| Shown::ip(Some(facts.remote)),
        "DOWNSTREAM_REMOTE_PORT" => |facts| Shown::port(Some(facts.remote)),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => |facts| Shown::address(Some(facts.peer.source)),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => {
            |facts| Shown::ip(Some(facts.peer.source))
        }
        "DOWNSTREAM_DIRECT_REMOTE_PORT" => |facts| Shown::port(Some(facts.peer.source)),
        "REQUESTED_SERVER_NAME" => |facts| Shown::text(facts.server_name),
        "ROUTE_NAME" => |facts| Shown::text(facts.route),
        "FILTER_CHAIN_NAME" => |facts| Shown::text(facts.chain),
        "CONNECTION_ID" => |facts| Shown::Number(facts.connection),
        "HOSTNAME" => |facts| Shown::text(facts.hostname),
        "ACCESS_LOG_TYPE" => |facts| Shown::text(facts.kind.name().0),
        "STREAM_ID" => |facts| match facts.head {
            Some(head) => Shown::maybe(head.header("x-request-id")),
            None => match facts.stream {
                Some(random) => Shown::Text(Cow::Owned(Value::Uuid(random).to_vec())),
                None => Shown::Nothing,
            },
        },
        "QUERY_PARAMS" => {
            |facts| Shown::text(facts.head.and_then(original_path).unwrap_or_default())
        }
        // A record is made when the body of an answer of our own is long gone; flags of one's own need a filter.
        "LOCAL_REPLY_BODY" | "CUSTOM_FLAGS" => |_| Shown::Text(Cow::Borrowed(b"")),
        "DOWNSTREAM_PEER_URI_SAN" => {
            |facts| Shown::names(facts.peer.tls.as_ref().map_or(&[], |tls| &tls.uri_sans))
        }
        "DOWNSTREAM_PEER_DNS_SAN" => {
            |facts| Shown::names(facts.peer.tls.as_ref().map_or(&[], |tls| &tls.dns_sans))
        }
        "DOWNSTREAM_PEER_SUBJECT" => |facts| {
            let subject = facts.peer.tls.as_ref().and_then(|tls| tls.subject.as_deref());
            Shown::text(subject.unwrap_or_default())
        },
        // Virtual clusters, tracing, QUIC and TLS are not configurable here, so there is never one to name.
        "VIRTUAL_CLUSTER_NAME"
        | "TRACE_ID"
        | "SPAN_ID"
        | "ROUNDTRIP_DURATION"
        | "DOWNSTREAM_HANDSHAKE_DURATION"
        | "DOWNSTREAM_TLS_VERSION"
        | "DOWNSTREAM_TLS_CIPHER"
        | "DOWNSTREAM_TLS_SESSION_ID"
        | "DOWNSTREAM_TRANSPORT_FAILURE_REASON"
        | "UPSTREAM_TLS_VERSION"
        | "UPSTREAM_TLS_CIPHER"
        | "UPSTREAM_TLS_SESSION_ID"
        | "UPSTREAM_PEER_SUBJECT"
        | "UPSTREAM_PEER_ISSUER"
        | "UPSTREAM_PEER_URI_SAN"
        | "UPSTREAM_SERVER_NAME" => |_| Shown::Nothing,
        _ => return None,
    })
}

/// The host's address, where there was a connection to it.
fn dialled(facts: &Facts<'_>) -> Option<SocketAddr> {
    let contact = facts.contact?;
    contact.local.and_then(|_| contact.host.address().socket())
}
