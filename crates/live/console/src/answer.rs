//! Answers as HTTP: bodies, and the headers that every one of them carries.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;

/// Any body.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Types of content.
pub(crate) mod content {
    /// Pages.
    pub(crate) const HTML: &str = "text/html; charset=utf-8";
    /// The script.
    pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";
    /// The style sheet.
    pub(crate) const STYLE: &str = "text/css; charset=utf-8";
    /// Words.
    pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
    /// Server-Sent Events.
    pub(crate) const EVENTS: &str = "text/event-stream";
}

/// What a browser may do with an answer of ours: run our one script and our one style sheet, talk to
/// us, and nothing else; show it in no frame, give it to no other site, keep nothing.
const ALWAYS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// An answer with all of its body at hand.
pub(crate) fn whole(
    status: StatusCode,
    content: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    answer(status, content, Full::new(body.into()).boxed_unsync())
}

/// An answer whose body comes bit by bit.
pub(crate) fn stream(
    content: &'static str,
    body: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    let frames = body.map(|bytes| Ok(Frame::data(bytes)));
    answer(StatusCode::OK, content, StreamBody::new(frames).boxed_unsync())
}

fn answer(status: StatusCode, content: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content));
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
