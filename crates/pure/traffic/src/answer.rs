//! A response that the proxy gives by itself.

use std::{borrow::Cow, time::Duration};

use crate::{
    edits::{Action, Edit},
    flags::Flags,
    head::Head,
    inject::ActiveFault,
};

/// A response made here: a direct response, a redirect, an injected fault, or an error.
///
/// The headers are complete but for `content-length` and `date`, which belong to the codec and the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status; 200 with a `grpc-status` header when the request was gRPC.
    pub status: u16,
    /// Headers, names in lower case, in order.
    pub headers: Vec<(Cow<'static, str>, Vec<u8>)>,
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
}

impl Answer {
    /// An answer with a plain text body.
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
        let mut headers = Vec::new();
        if !body.is_empty() {
            headers.push((Cow::Borrowed("content-type"), b"text/plain".to_vec()));
        }
        Self {
            status,
            headers,
            body,
            flags: flags.into(),
            details: details.into(),
            ..Self::default()
        }
    }

    /// The connection ends after it: who sends such a request is not believed about where the next one begins.
    pub(crate) fn last(mut self) -> Self {
        self.is_last = true;
        self
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    /// The answer in the form that suits the request: a gRPC client gets status 200 and the reason in `grpc-status` and
    /// `grpc-message`, without a body.
    #[must_use]
    pub fn suited_to(self, head: &Head<'_>) -> Self {
        if head.is_grpc() { self.into_grpc(None) } else { self }
    }

    /// The gRPC form; the status is derived from the HTTP status unless it is given.
    pub(crate) fn into_grpc(mut self, status: Option<u32>) -> Self {
        let status = status.unwrap_or_else(|| grpc_status(self.status));
        self.headers.retain(|(name, _)| name != "content-type");
        self.headers.push((Cow::Borrowed("content-type"), b"application/grpc".to_vec()));
        self.headers.push((Cow::Borrowed("grpc-status"), status.to_string().into_bytes()));
        if !self.body.is_empty() {
            let message = percent_encode(&self.body);
            self.headers.push((Cow::Borrowed("grpc-message"), message));
        }
        self.body = Cow::Borrowed(b"");
        self.status = 200;
        self
    }

    /// Applies edits to the headers.
    pub(crate) fn edit<'a>(&mut self, edits: impl IntoIterator<Item = Edit<'a>>) {
        for edit in edits {
            let value = || {
                let mut bytes = Vec::new();
                edit.value.write(&mut bytes);
                bytes
            };
            let has = self.headers.iter().any(|(name, _)| name == edit.name);
            match edit.action {
                Action::Remove => self.headers.retain(|(name, _)| name != edit.name),
                Action::AddIfAbsent if has => {}
                Action::SetIfPresent if !has => {}
                Action::Set | Action::SetIfPresent => {
                    self.headers.retain(|(name, _)| name != edit.name);
                    self.headers.push((Cow::Owned(edit.name.to_owned()), value()));
                }
                Action::Append | Action::AddIfAbsent => {
                    self.headers.push((Cow::Owned(edit.name.to_owned()), value()));
                }
                Action::Join => match self.headers.iter_mut().find(|(name, _)| name == edit.name) {
                    Some((_, old)) => {
                        old.extend_from_slice(b", ");
                        edit.value.write(old);
                    }
                    None => {
                        self.headers.push((Cow::Owned(edit.name.to_owned()), value()));
                    }
                },
            }
        }
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
    use crate::{edits::Value, flags::Flag, head::Header};

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

    #[test]
    fn edits_do_what_their_names_say() {
        let mut answer = Answer::new(200, "", Flags::NONE, "x");
        let edit =
            |action, name, value: &'static [u8]| Edit { action, name, value: Value::Bytes(value) };
        answer.edit([
            edit(Action::Append, "a", b"1"),
            edit(Action::Append, "a", b"2"),
            edit(Action::AddIfAbsent, "a", b"3"),
            edit(Action::SetIfPresent, "b", b"4"),
            edit(Action::Set, "c", b"5"),
            edit(Action::Set, "c", b"6"),
            edit(Action::Join, "c", b"7"),
            edit(Action::Append, "d", b"8"),
            edit(Action::Remove, "d", b""),
        ]);
        let all: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            .collect();
        assert_eq!(all, ["a=1", "a=2", "c=6, 7"]);
    }
}
