//! HTTP/2 streams in the words of this room: heads to and from `http` types, frames with flow control.

mod frames;
mod watch;

use std::future::poll_fn;
use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
pub(crate) use watch::Watched;

use crate::fields::{Fields, Request, Response};
use crate::flow::Frame;

/// What h2 says, as an I/O error that keeps the reset reason in its text.
pub(crate) fn io_error(error: ::h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
    }
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}

/// The peer refused the stream before it looked at it: another connection may have it.
pub(crate) fn was_refused(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<::h2::Error>());
    inner.is_some_and(|error| error.reason() == Some(::h2::Reason::REFUSED_STREAM))
}

/// The peer broke the protocol.
pub(crate) fn broke_protocol(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<::h2::Error>());
    inner.is_some_and(|error| {
        error.is_library() && error.reason() == Some(::h2::Reason::PROTOCOL_ERROR)
    })
}

/// The peer reset the stream, not the connection.
pub(crate) fn was_reset(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<::h2::Error>());
    inner.is_some_and(|error| error.is_reset() && error.is_remote())
}

/// Completes when the peer answers no ping in time; never where none are to be sent.
pub(crate) async fn silent(
    pings: Option<::h2::PingPong>,
    keepalive: Option<(std::time::Duration, std::time::Duration)>,
) {
    let (Some(mut pings), Some((interval, patience))) = (pings, keepalive) else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(interval).await;
        let pong = tokio::time::timeout(patience, pings.ping(::h2::Ping::opaque())).await;
        if !matches!(pong, Ok(Ok(_))) {
            return;
        }
    }
}

/// The next frame of a stream's body; hands the window back as it goes. Safe to cancel.
pub(crate) async fn next_frame(stream: &mut ::h2::RecvStream) -> io::Result<Option<Frame>> {
    if let Some(data) = poll_fn(|cx| stream.poll_data(cx)).await {
        let data = data.map_err(io_error)?;
        let _ = stream.flow_control().release_capacity(data.len());
        return Ok(Some(Frame::Data(data)));
    }
    let trailers = poll_fn(|cx| stream.poll_trailers(cx)).await.map_err(io_error)?;
    Ok(trailers.map(|trailers| {
        let mut fields = Fields::default();
        append_all(&mut fields, &trailers);
        Frame::Trailers(fields)
    }))
}

/// Sends a piece when the peer's window has room for it.
pub(crate) async fn send_data(
    stream: &mut ::h2::SendStream<Bytes>,
    mut data: Bytes,
) -> io::Result<()> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let room = room.ok_or(io::ErrorKind::ConnectionReset)?.map_err(io_error)?;
        let piece = data.split_to(room.min(data.len()));
        stream.send_data(piece, false).map_err(io_error)?;
    }
    Ok(())
}

/// Ends a stream.
pub(crate) fn send_end(
    stream: &mut ::h2::SendStream<Bytes>,
    trailers: Option<&Fields>,
) -> io::Result<()> {
    match trailers {
        Some(trailers) => stream.send_trailers(header_map(trailers)).map_err(io_error),
        None => stream.send_data(Bytes::new(), true).map_err(io_error),
    }
}

fn append_all(fields: &mut Fields, headers: &HeaderMap) {
    for (name, value) in headers {
        fields.append(name.as_str(), value.as_bytes());
    }
}

/// Fields that HTTP/2 forbids (RFC 9113 section 8.2.2).
fn is_connection_specific(name: &str) -> bool {
    matches!(
        name,
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" | "host"
    )
}

fn header_map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields.iter() {
        if is_connection_specific(name) {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

/// A request that arrived on a stream; `None` when two readers could read its length differently.
pub(crate) fn from_request(parts: &http::request::Parts) -> Option<Request> {
    if parts.headers.get_all(http::header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return None;
    }
    let mut request = Request { http2: true, keep_alive: true, ..Request::default() };
    let fields = &mut request.fields;
    append_all(fields, &parts.headers);
    join_cookies(fields);
    fields.remove("te");
    if parts.headers.get("te").is_some_and(|value| value == "trailers") {
        fields.append("te", b"trailers");
    }
    request.method = fields.store_word(parts.method.as_str());
    request.scheme = fields.store_word(parts.uri.scheme_str().unwrap_or("http"));
    request.has_no_host = parts.uri.authority().is_none() && fields.value("host").is_none();
    request.authority = match parts.uri.authority() {
        Some(authority) => fields.store_word(authority.as_str()),
        None => fields.word_of("host").unwrap_or_default(),
    };
    fields.remove("host");
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if parts.method == http::Method::CONNECT {
        match parts.extensions.get::<::h2::ext::Protocol>() {
            // An upgrade, as HTTP/2 asks for it (RFC 8441).
            Some(protocol) => {
                request.method = fields.store_word("GET");
                request.path = fields.store_word(path);
                request.upgrade = Some(fields.store(protocol.as_str().as_bytes()));
                request.connection = fields.store(b"upgrade");
            }
            None => request.path = fields.store_word(""),
        }
    } else {
        request.path = fields.store_word(path);
    }
    if fields.value("expect").is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        fields.remove("expect");
        request.expects_continue = true;
    }
    Some(request)
}

/// Puts together what HTTP/2 lets a client take apart, since nobody else has to know of it (RFC 9113 section 8.2.3).
fn join_cookies(fields: &mut Fields) {
    if fields.values("cookie").nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = fields.values("cookie").collect();
    let whole = crumbs.join(&b"; "[..]);
    fields.set("cookie", &whole);
}

/// A request as h2 wants it; an error when path or authority are no URI.
pub(crate) fn to_request(request: &Request) -> io::Result<http::Request<()>> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let path = if request.path().is_empty() { "/" } else { request.path() };
    let uri = http::Uri::builder()
        .scheme(request.scheme())
        .authority(request.authority())
        .path_and_query(path)
        .build()
        .map_err(invalid)?;
    let mut made = http::Request::builder()
        .method(request.method())
        .uri(uri)
        .version(http::Version::HTTP_2)
        .body(())
        .map_err(invalid)?;
    *made.headers_mut() = header_map(&request.fields);
    Ok(made)
}

/// A response that arrived on a stream.
pub(crate) fn from_response(parts: &http::response::Parts, response: &mut Response) {
    response.status = parts.status.as_u16();
    response.keep_alive = true;
    response.fields.clear();
    append_all(&mut response.fields, &parts.headers);
}

/// A response as h2 wants it.
pub(crate) fn to_response(response: &Response) -> http::Response<()> {
    let mut made = http::Response::new(());
    *made.status_mut() =
        http::StatusCode::from_u16(response.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    *made.headers_mut() = header_map(&response.fields);
    made
}
