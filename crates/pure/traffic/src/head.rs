//! A request as decisions see it: borrowed slices of the bytes that arrived.

/// One header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name, in lower case.
    pub name: &'a str,
    /// The value, without white space around it.
    pub value: &'a [u8],
}

/// The version of HTTP that the downstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

impl Version {
    /// The name that `%PROTOCOL%` prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// The head of a request.
///
/// `Host` is not among the headers: it is the authority, as in HTTP/2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// `http` or `https`; empty when the request does not say.
    pub scheme: &'a str,
    /// Host and port, as sent.
    pub authority: &'a str,
    /// It names no host at all, not even an empty one.
    pub has_no_host: bool,
    /// Path and query; `*` or empty for OPTIONS and CONNECT.
    pub path: &'a str,
    /// All other headers, in the order they came.
    pub headers: &'a [Header<'a>],
    /// The version of the downstream side.
    pub version: Version,
}

impl crate::edits::Headers for Head<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        Head::header(self, name)
    }
}

impl<'a> Head<'a> {
    /// The first header of this name; pseudo headers and `host` are answered from their fields.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        if let Some(pseudo) = name.strip_prefix(':') {
            let value = match pseudo {
                "authority" => self.authority,
                "path" => self.path,
                "method" => self.method,
                "scheme" => self.scheme,
                _ => return None,
            };
            return (!value.is_empty()).then_some(value.as_bytes());
        }
        if name == "host" {
            return (!self.authority.is_empty()).then_some(self.authority.as_bytes());
        }
        self.headers.iter().find(|header| header.name == name).map(|header| header.value)
    }

    /// All values of a header that is no pseudo header, in order.
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.headers.iter().filter(move |header| header.name == name).map(|header| header.value)
    }

    /// The path without query and fragment.
    #[must_use]
    pub fn bare_path(&self) -> &'a str {
        split_path(self.path).0
    }

    /// The query without its `?`; empty when there is none.
    #[must_use]
    pub fn query(&self) -> &'a str {
        let rest = split_path(self.path).1;
        let rest = rest.split('#').next().unwrap_or(rest);
        rest.strip_prefix('?').unwrap_or("")
    }

    /// Whether this is a gRPC request, by its content type.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.header("content-type").is_some_and(|value| {
            value
                .strip_prefix(b"application/grpc")
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'+' || rest[0] == b';')
        })
    }

    /// The protocol that the request wants to upgrade to, as sent: `websocket`.
    #[must_use]
    pub fn upgrade(&self) -> Option<&'a [u8]> {
        let wants = self.header("connection").is_some_and(|value| {
            value
                .split(|byte| *byte == b',')
                .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        });
        if wants { self.header("upgrade") } else { None }
    }
}

/// Splits path and query; the second half keeps its `?` or `#`.
pub(crate) fn split_path(path: &str) -> (&str, &str) {
    match path.bytes().position(|byte| byte == b'?' || byte == b'#') {
        Some(at) => path.split_at(at),
        None => (path, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudo_headers_are_headers_too() {
        let headers = [Header { name: "a", value: b"1" }, Header { name: "a", value: b"2" }];
        let head = Head {
            method: "GET",
            authority: "x:80",
            path: "/p?q=1#f",
            headers: &headers,
            ..Head::default()
        };
        assert_eq!(head.header(":authority"), Some(&b"x:80"[..]));
        assert_eq!(head.header("host"), Some(&b"x:80"[..]));
        assert_eq!(head.header(":method"), Some(&b"GET"[..]));
        assert_eq!(head.header(":scheme"), None);
        assert_eq!(head.header("a"), Some(&b"1"[..]));
        assert_eq!(head.values("a").count(), 2);
        assert_eq!(head.bare_path(), "/p");
        assert_eq!(head.query(), "q=1");
    }

    #[test]
    fn grpc_is_told_by_its_content_type() {
        for (value, is_grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let headers = [Header { name: "content-type", value: value.as_bytes() }];
            assert_eq!(Head { headers: &headers, ..Head::default() }.is_grpc(), is_grpc, "{value}");
        }
    }

    #[test]
    fn an_upgrade_needs_both_headers() {
        let connection = Header { name: "connection", value: b"keep-alive, Upgrade" };
        let upgrade = Header { name: "upgrade", value: b"websocket" };
        let both = [connection, upgrade];
        assert_eq!(Head { headers: &both, ..Head::default() }.upgrade(), Some(&b"websocket"[..]));
        assert_eq!(Head { headers: &both[1..], ..Head::default() }.upgrade(), None);
    }
}
