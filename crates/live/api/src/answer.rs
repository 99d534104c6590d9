//! Answers: documents and refusals as HTTP responses.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use objects::Status;
use serde::Serialize;

use crate::negotiate::{Media, Wanted};

/// What can go wrong while a body is sent.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// More warnings than this say nothing more; the header block of clients is bounded.
const WARNINGS: usize = 32;
const WARNING_CHARS: usize = 512;

/// No body.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer of plain text.
pub(crate) fn text(code: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    bytes(code, "text/plain; charset=utf-8", text.into())
}

/// An answer of ready bytes. Never compressed: clients are on this machine or beside it, where
/// packing a list takes longer than sending it.
pub(crate) fn bytes(code: StatusCode, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A document in the letters that the client wants.
pub(crate) fn document<T: Serialize>(code: u16, value: &T, wanted: &Wanted) -> Response<Body> {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match encode(value, wanted) {
        Ok(encoded) => bytes(code, wanted.content_type(), encoded),
        Err(why) => refusal(&Status::internal(&why)),
    }
}

fn encode<T: Serialize>(value: &T, wanted: &Wanted) -> Result<Bytes, String> {
    let write = if wanted.pretty { serde_json::to_vec_pretty } else { serde_json::to_vec };
    match wanted.media {
        Media::Json => write(value)
            .map(|mut encoded| {
                encoded.push(b'\n');
                encoded.into()
            })
            .map_err(|error| error.to_string()),
        Media::Yaml => {
            serde_saphyr::to_string(value).map(Into::into).map_err(|error| error.to_string())
        }
    }
}

/// A refusal: always JSON, which every client reads.
pub(crate) fn refusal(status: &Status) -> Response<Body> {
    let mut response = document(status.code, &status.to_value(), &Wanted::PLAIN);
    let seconds = status.details.as_deref().map_or(0, |details| details.retry_after_seconds);
    if seconds > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if status.code == 401 {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lateen\""));
    }
    response
}

/// Adds `Warning:` headers.
///
/// Spec: RFC 7234 section 5.5, code 299 with agent `-`, as kubectl and client-go read it.
pub(crate) fn warn(response: &mut Response<Body>, warnings: &[String]) {
    let mut told: Vec<&String> = Vec::new();
    for warning in warnings {
        if told.contains(&warning) {
            continue;
        }
        told.push(warning);
        if told.len() > WARNINGS {
            return;
        }
        let mut quoted = String::from("299 - \"");
        for letter in warning.chars().take(WARNING_CHARS) {
            match letter {
                '"' | '\\' => quoted.extend(['\\', letter]),
                letter if letter.is_control() => quoted.push(' '),
                letter => quoted.push(letter),
            }
        }
        quoted.push('"');
        if let Ok(value) = HeaderValue::from_bytes(quoted.as_bytes()) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_quoted_and_told_once() {
        let mut response = Response::new(empty());
        let text = "field \"a\\b\"\nis old".to_owned();
        warn(&mut response, &[text.clone(), text, "other".to_owned()]);
        let told: Vec<&[u8]> =
            response.headers().get_all(header::WARNING).iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(told, [&b"299 - \"field \\\"a\\\\b\\\" is old\""[..], &b"299 - \"other\""[..]]);
    }
}
