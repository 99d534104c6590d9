//! Heads of HTTP/1.1 messages: parsing with the strictness that keeps smuggling out, and writing.

use std::mem::MaybeUninit;

use super::body::{Decoder, Encoder};
use super::{Limits, PARSED_FIELDS};
use crate::fields::{Fields, Request, Response};

/// Why a head was refused; each has one HTTP status for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not HTTP/1.1, or framed in a way that two readers could read differently: 400.
    Malformed,
    /// More than [`Limits`] say: 431.
    TooLarge,
    /// A transfer coding other than `chunked`: 501.
    UnknownCoding,
    /// Another version of HTTP than 1.0 and 1.1: 426.
    Version,
}

impl Fault {
    /// Why, as access records tell it in Envoy's words.
    pub(crate) fn details(self) -> &'static str {
        match self {
            Fault::Malformed => "http1.codec_error",
            Fault::TooLarge => "http1.headers_too_large",
            Fault::UnknownCoding => "http1.invalid_transfer_encoding",
            Fault::Version => "low_version",
        }
    }

    /// The status that tells the client.
    pub(crate) fn status(self) -> u16 {
        match self {
            Fault::Malformed => 400,
            Fault::TooLarge => 431,
            Fault::UnknownCoding => 501,
            Fault::Version => 426,
        }
    }
}

/// Parses a request head at the start of `input` into `request`. `None`: more bytes are needed;
/// else the head's length and how the body is framed.
pub(crate) fn parse_request(
    input: &[u8],
    limits: Limits,
    request: &mut Request,
) -> Result<Option<(usize, Decoder)>, Fault> {
    let mut slots = [const { MaybeUninit::uninit() }; PARSED_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed.parse_with_uninit_headers(input, &mut slots);
    let length = match status {
        Ok(httparse::Status::Complete(length)) if length <= limits.bytes => length,
        Ok(httparse::Status::Partial) if input.len() <= limits.bytes => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooLarge),
        Err(httparse::Error::Version) if names_other_version(input) => return Err(Fault::Version),
        Err(_) => return Err(Fault::Malformed),
    };
    if parsed.headers.len() > limits.fields {
        return Err(Fault::TooLarge);
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Fault::Malformed);
    };
    if !limits.any_method && !METHODS.contains(&method) {
        return Err(Fault::Malformed);
    }
    request.clear();
    let fields = &mut request.fields;
    adopt(fields, &input[..length], parsed.headers);
    request.method = fields.store_word(method);
    request.http10 = version == 0;
    // Few requests have one, and without it there is nothing to look for.
    let has_connection = fields.value("connection").is_some();
    request.keep_alive = version == 1 || fields.has_token("connection", "keep-alive");
    let decoder = request_framing(fields)?;
    if has_connection {
        refuse_nominations(fields)?;
    }
    if request.http10 && matches!(decoder, Decoder::Chunked(_)) {
        return Err(Fault::Malformed);
    }
    target_form(request, method, target)?;
    let fields = &mut request.fields;
    request.scheme = fields.store_word("http");
    if has_connection && fields.has_token("connection", "close") {
        request.keep_alive = false;
    }
    if fields.value("expect").is_some_and(|expect| expect.eq_ignore_ascii_case(b"100-continue")) {
        // An old client does not know the answer that it would wait for.
        request.expects_continue = version == 1;
        fields.remove("expect");
    }
    if has_connection
        && fields.has_token("connection", "upgrade")
        && fields.value("upgrade").is_some()
    {
        // h2c by upgrade is not offered (RFC 9113 removed it): such a request is served as HTTP/1.1.
        let wanted = fields.value("upgrade").unwrap_or_default().to_vec();
        if !wanted.eq_ignore_ascii_case(b"h2c") {
            let values: Vec<&[u8]> = fields.values("connection").collect();
            let connection = values.join(&b","[..]);
            request.connection = fields.store(&connection);
            request.upgrade = Some(fields.store(&wanted));
        }
    }
    if has_connection {
        strip_nominated(fields);
    }
    strip_hop_by_hop(fields);
    Ok(Some((length, decoder)))
}

/// Whether the request line ends in a version of HTTP, which is not one of ours.
fn names_other_version(input: &[u8]) -> bool {
    let line = input.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    match version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] => {
            major.is_ascii_digit() && minor.is_ascii_digit() && !line.ends_with(b"HTTP/1.1")
        }
        _ => false,
    }
}

/// Parses a response head. `to_head`: it answers a HEAD request, so that it has no body.
pub(crate) fn parse_response(
    input: &[u8],
    to_head: bool,
    response: &mut Response,
) -> Result<Option<(usize, Decoder)>, Fault> {
    let limits = Limits::default();
    let mut slots = [const { MaybeUninit::uninit() }; PARSED_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        input,
        &mut slots,
    );
    let length = match status {
        Ok(httparse::Status::Complete(length)) if length <= limits.bytes => length,
        Ok(httparse::Status::Partial) if input.len() <= limits.bytes => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooLarge),
        Err(_) => return Err(Fault::Malformed),
    };
    let (Some(status), Some(version)) = (parsed.code, parsed.version) else {
        return Err(Fault::Malformed);
    };
    let fields = &mut response.fields;
    adopt(fields, &input[..length], parsed.headers);
    response.status = status;
    response.keep_alive = if version == 1 {
        !fields.has_token("connection", "close")
    } else {
        fields.has_token("connection", "keep-alive")
    };
    if status < 100 {
        return Err(Fault::Malformed);
    }
    let chunked = chunked(fields)?;
    let size = content_length(fields)?;
    if status < 200 || status == 204 {
        // Who believes that a body follows would read another answer than we do.
        if chunked || size.is_some_and(|size| size != 0) {
            return Err(Fault::Malformed);
        }
        fields.remove("content-length");
    }
    let decoder = if to_head || (100..200).contains(&status) || status == 204 || status == 304 {
        Decoder::Done
    } else if chunked {
        if size.is_some() {
            return Err(Fault::Malformed);
        }
        Decoder::chunked()
    } else if let Some(size) = size {
        Decoder::exact(size)
    } else {
        response.keep_alive = false;
        Decoder::UntilClose
    };
    if status != 101 {
        strip_hop_by_hop(fields);
    }
    Ok(Some((length, decoder)))
}

fn adopt(fields: &mut Fields, head: &[u8], headers: &[httparse::Header<'_>]) {
    fields.adopt(head);
    let base = head.as_ptr() as usize;
    for header in headers {
        // An empty value may point anywhere; its offset does not matter.
        let value = if header.value.is_empty() {
            (0, 0)
        } else {
            (header.value.as_ptr() as usize - base, header.value.len())
        };
        fields.push_within(header.name, value);
    }
}

/// Splits the request target and settles the authority (RFC 9112 section 3.2).
fn target_form(request: &mut Request, method: &str, target: &str) -> Result<(), Fault> {
    let mut hosts = request.fields.values("host");
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Fault::Malformed);
    }
    // Without one the decision is `traffic`'s: HTTP/1.0 may have a default.
    let has_no_host = host.is_none();
    let host = host.unwrap_or_default();
    if host.iter().any(|byte| !byte.is_ascii_graphic() || b"/?#@\\".contains(byte)) {
        return Err(Fault::Malformed);
    }
    drop(hosts);
    request.has_no_host = has_no_host;
    if !target.is_ascii() {
        return Err(Fault::Malformed);
    }
    let host = request.fields.word_of("host").unwrap_or_default();
    request.fields.remove("host");
    if method == "CONNECT" {
        let has_port = target.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty());
        if !has_port || target.contains(['/', '@']) || !has_good_port(target) {
            return Err(Fault::Malformed);
        }
        request.has_no_host = false;
        request.authority = request.fields.store_word(target);
        request.path = request.fields.store_word("");
        return Ok(());
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        request.authority = host;
        request.path = request.fields.store_word(target);
        return Ok(());
    }
    // Absolute form: its authority replaces Host (RFC 9112 section 3.2.2).
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let head = target.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &target[scheme.len()..])
    });
    let Some(rest) = rest else { return Err(Fault::Malformed) };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    if end == 0 || rest[..end].contains('@') || !has_good_port(&rest[..end]) {
        return Err(Fault::Malformed);
    }
    request.has_no_host = false;
    request.authority = request.fields.store_word(&rest[..end]);
    // One that is a query alone is refused later.
    request.path = request.fields.store_word(match &rest[end..] {
        "" => "/",
        path => path,
    });
    Ok(())
}

/// Whether the port of an authority, if it has one, is a number that a port may be.
fn has_good_port(authority: &str) -> bool {
    if authority.ends_with(']') {
        return true;
    }
    match authority.rsplit_once(':') {
        Some((_, port)) => {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        }
        None => true,
    }
}

/// The methods that standards name, which is all that Envoy takes on HTTP/1 as well.
const METHODS: &[&str] = &[
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "PATCH",
    "CONNECT",
    "TRACE",
    "ACL",
    "BIND",
    "CHECKOUT",
    "COPY",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// More fields than this nobody has a reason to name in `connection`.
const MOST_NOMINATED: usize = 10;

/// Refuses a `connection` that names what tells where a request comes from or goes to, or very much: it
/// could only be meant to hide something from who decides upstream.
fn refuse_nominations(fields: &Fields) -> Result<(), Fault> {
    let tokens = || {
        let values = fields.values("connection");
        values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
    };
    let hides = |token: &[u8]| {
        let names = ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
        token.starts_with(b":") || names.iter().any(|it| token.eq_ignore_ascii_case(it.as_bytes()))
    };
    if tokens().any(hides) || tokens().nth(MOST_NOMINATED).is_some() {
        return Err(Fault::Malformed);
    }
    Ok(())
}

fn request_framing(fields: &Fields) -> Result<Decoder, Fault> {
    let chunked = chunked(fields)?;
    match (chunked, content_length(fields)?) {
        (true, Some(_)) => Err(Fault::Malformed),
        (true, None) => Ok(Decoder::chunked()),
        (false, Some(size)) => Ok(Decoder::exact(size)),
        (false, None) => Ok(Decoder::Done),
    }
}

/// True for exactly one `transfer-encoding: chunked`; any other coding is refused.
fn chunked(fields: &Fields) -> Result<bool, Fault> {
    let mut codings = fields.values("transfer-encoding");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(true),
        // With a length beside it, two readers could disagree about more than the coding.
        _ if fields.value("content-length").is_some() => Err(Fault::Malformed),
        _ => Err(Fault::UnknownCoding),
    }
}

/// The one `content-length`: digits only, no list, no repetition, at most 18 digits.
fn content_length(fields: &Fields) -> Result<Option<u64>, Fault> {
    let mut sizes = fields.values("content-length");
    let Some(size) = sizes.next() else { return Ok(None) };
    let digits = !size.is_empty() && size.len() <= 18 && size.iter().all(u8::is_ascii_digit);
    if sizes.next().is_some() || !digits {
        return Err(Fault::Malformed);
    }
    let text = std::str::from_utf8(size).map_err(|_| Fault::Malformed)?;
    text.parse().map(Some).map_err(|_| Fault::Malformed)
}

/// Fields that a `connection` header may not take away: they carry identity or routing, and a client
/// that could name them would hide them from whoever decides upstream.
fn may_be_nominated(name: &str) -> bool {
    !(name.starts_with("x-forwarded-")
        || name.starts_with("x-envoy-")
        || name.starts_with("x-b3-")
        || matches!(
            name,
            "authorization" | "cookie" | "host" | "content-length" | "x-request-id" | "traceparent"
        ))
}

/// Removes what `connection` names (RFC 9110 section 7.6.1).
fn strip_nominated(fields: &mut Fields) {
    let nominated: Vec<String> = fields
        .values("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .filter_map(|token| std::str::from_utf8(token.trim_ascii()).ok())
        .map(str::to_ascii_lowercase)
        .filter(|name| !name.is_empty() && may_be_nominated(name))
        .collect();
    for name in &nominated {
        if name != "te" {
            fields.remove(name);
        }
    }
}

/// Removes what concerns one connection only (RFC 9110 section 7.6.1).
fn strip_hop_by_hop(fields: &mut Fields) {
    // `te: trailers` is what gRPC needs end to end; other values concern this hop.
    let trailers = fields.has_token("te", "trailers");
    fields.remove_all_of(|name| {
        matches!(
            name,
            "te" | "connection"
                | "keep-alive"
                | "proxy-connection"
                | "transfer-encoding"
                | "upgrade"
                | "http2-settings"
        )
    });
    if trailers {
        fields.append("te", b"trailers");
    }
}

/// Writes a request head in HTTP/1.1. `encoder` says how the body will follow.
pub(crate) fn write_request(request: &Request, encoder: &Encoder, out: &mut Vec<u8>) {
    out.extend_from_slice(request.method().as_bytes());
    out.push(b' ');
    let target = match (request.method(), request.path()) {
        ("CONNECT", _) => request.authority(),
        (_, "") => "/",
        (_, path) => path,
    };
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(request.authority().as_bytes());
    out.extend_from_slice(b"\r\n");
    let framed = write_fields(&request.fields, encoder, out);
    if !framed
        && matches!(encoder, Encoder::Exact(0))
        && !matches!(request.method(), "GET" | "HEAD" | "DELETE" | "TRACE" | "CONNECT")
        && request.upgrade.is_none()
    {
        // RFC 9110 section 8.6: a method that may have a body says that there is none.
        out.extend_from_slice(b"content-length: 0\r\n");
    }
    if let Some(protocol) = request.upgrade {
        out.extend_from_slice(b"connection: ");
        out.extend_from_slice(request.fields.at(request.connection));
        out.extend_from_slice(b"\r\nupgrade: ");
        out.extend_from_slice(request.fields.at(protocol));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a response head in the client's version of HTTP/1. `close` announces the end of the connection; an
/// old client (`http10`) expects it unless it is told otherwise.
pub(crate) fn write_response(
    response: &Response,
    encoder: &Encoder,
    (http10, close): (bool, bool),
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(if http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    let status = response.status.clamp(100, 999);
    let digits = [status / 100, status / 10 % 10, status % 10];
    out.extend(digits.map(|digit| b'0' + u8::try_from(digit).unwrap_or_default()));
    out.push(b' ');
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    out.extend_from_slice(reason.unwrap_or("Unknown").as_bytes());
    out.extend_from_slice(b"\r\n");
    write_fields(&response.fields, encoder, out);
    if close {
        out.extend_from_slice(b"connection: close\r\n");
    } else if http10 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// True if a framing field was written.
fn write_fields(fields: &Fields, encoder: &Encoder, out: &mut Vec<u8>) -> bool {
    let mut framed = false;
    for (name, value) in fields.iter() {
        if name == "content-length" {
            // A body that leaves chunked must not carry a length as well.
            if matches!(encoder, Encoder::Chunked) {
                continue;
            }
            framed = true;
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    if matches!(encoder, Encoder::Chunked) {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        framed = true;
    }
    framed
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
