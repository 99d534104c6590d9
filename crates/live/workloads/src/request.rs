//! A request as the built-in images see it, and the answers that they give.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, header::CONTENT_TYPE};

/// One request with its whole body (1 MiB at most).
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The address that the connection came from: the sidecar, or the caller.
    pub(crate) from: std::net::SocketAddr,
}

impl Request {
    /// The header as text, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of one query parameter, undecoded.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let pairs = self.uri.query()?.split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    }
}

/// An answer with a whole body.
pub(crate) type Answer = Response<Full<Bytes>>;

/// An answer of JSON, indented for people.
pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    answer(status, "application/json", text)
}

/// An answer of any type.
pub(crate) fn answer(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    if let Ok(value) = content_type.parse() {
        answer.headers_mut().insert(CONTENT_TYPE, value);
    }
    answer
}
