//! A response that the proxy gives by itself.

use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    edits::{self, Editable, Headers as _},
    flags::Flags,
    head::Head,
    http::HttpSettings,
    inject::ActiveFault,
    manners::Manners,
};

/// A response made here: a direct response, a redirect, an injected fault, or an error.
///
/// The headers are complete but for `content-length` and `date`, which belong to the codec and the clock.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status; 200 with a `grpc-status` header when the request was gRPC.
    pub status: u16,
    /// Headers, names in lower case, in order.
    pub headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    /// The gRPC status that a gRPC client gets, where it is not the one that stands for the HTTP status.
    pub(crate) grpc: Option<u32>,
    /// The body; empty when there is none.
    pub body: Cow<'static, [u8]>,
    /// Why, for access records and metrics.
    pub flags: Flags,
    /// Why, under the name that Envoy's `%RESPONSE_CODE_DETAILS%` prints.
    pub details: Cow<'static, str>,
    /// How long to wait before the answer is sent: a delay that was injected.
    pub delay: Option<Duration>,
    /// The name of the route that answered; empty when there was none.
    pub route: String,
    /// The name of the virtual host that answered; empty when there was none.
    pub virtual_host: String,
    /// The cluster that the request was meant for; empty when there was none.
    pub cluster: String,
    /// Whether the connection ends after it.
    pub is_last: bool,
    /// Counts among the requests that suffer, until this one is over.
    pub(crate) active: ActiveFault,
    /// What was done to the headers of the request, where an access log wants to know.
    pub(crate) manners: Option<Box<(Manners, Arc<HttpSettings>)>>,
}

impl Answer {
    /// An answer with a body. What kind of text it is says [`Answer::suited_to`], unless edits have said it before.
    #[must_use]
    pub fn new(
        status: u16,
        body: impl Into<Cow<'static, str>>,
        flags: impl Into<Flags>,
        details: impl Into<Cow<'static, str>>,
    ) -> Self {
        let body = match body.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self { status, body, flags: flags.into(), details: details.into(), ..Self::default() }
    }

    /// The connection ends after it: who sends such a request is not believed about where the next one begins.
    pub(crate) fn last(mut self) -> Self {
        self.is_last = true;
        self
    }

    /// Makes the changes to the head of the request that were made before it was answered, where an access log wants to know.
    pub fn edit_request(&self, request: &mut impl Editable) {
        if let Some(made) = &self.manners {
            edits::apply(request, made.0.request_edits(&made.1));
        }
    }

    /// Whom the request came from, past trusted proxies, where an access log wants to know.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        self.manners.as_ref().map(|made| made.0.remote_address)
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.header(name)
    }

    /// The answer in the form that suits the request, once all edits are done: a gRPC client gets status 200 and the
    /// reason in `grpc-status` and `grpc-message`, without a body; others get text.
    #[must_use]
    pub fn suited_to(mut self, head: &Head<'_>) -> Self {
        self.headers.remove_all("content-length");
        // Who sends bad requests is not believed about where the next one begins.
        self.is_last |= self.status == 400;
        if head.is_grpc() {
            return self.into_grpc(head.method == "HEAD");
        }
        if self.body.is_empty() {
            self.headers.remove_all("content-type");
        } else if self.header("content-type").is_none() {
            self.headers.add("content-type", b"text/plain");
        }
        self
    }

    fn into_grpc(mut self, to_head: bool) -> Self {
        let status = self.grpc.unwrap_or_else(|| grpc_status(self.status));
        self.headers.set("content-type", b"application/grpc");
        if self.header("grpc-status").is_none() {
            self.headers.add("grpc-status", status.to_string().as_bytes());
        }
        if !self.body.is_empty() && !to_head {
            self.headers.set("grpc-message", &percent_encode(&self.body));
        }
        self.body = Cow::Borrowed(b"");
        self.status = 200;
        self
    }
}

/// The gRPC status that stands for an HTTP status. Spec: gRPC, "HTTP to gRPC Status Code Mapping".
pub(crate) const fn grpc_status(http: u16) -> u32 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// The HTTP status that outlier detection sees for a gRPC status.
pub(crate) const fn http_status(grpc: u32) -> u16 {
    match grpc {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

/// Percent-encodes what a `grpc-message` may not hold. Spec: gRPC over HTTP/2, `Percent-Encoded`.
fn percent_encode(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if matches!(byte, b' '..=b'~') && *byte != b'%' {
            encoded.push(*byte);
        } else {
            encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{flags::Flag, head::Header};

    #[test]
    fn a_grpc_client_gets_trailers_only() {
        let headers = [Header { name: "content-type", value: b"application/grpc" }];
        let head = Head { headers: &headers, ..Head::default() };
        let answer = Answer::new(503, "no healthy\nupstream", Flag::NoHealthyUpstream, "x");
        let answer = answer.suited_to(&head);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("grpc-status"), Some(&b"14"[..]));
        assert_eq!(answer.header("grpc-message"), Some(&b"no healthy%0Aupstream"[..]));
        assert_eq!(answer.header("content-type"), Some(&b"application/grpc"[..]));
        assert!(answer.body.is_empty());
    }

    #[test]
    fn a_plain_client_gets_text() {
        let answer = Answer::new(404, "gone", Flags::NONE, "x").suited_to(&Head::default());
        assert_eq!(answer.status, 404);
        assert_eq!(answer.header("content-type"), Some(&b"text/plain"[..]));
        assert_eq!(&*answer.body, b"gone");
    }
}
