//! What a connection speaks, told by its first bytes. Spec: Envoy's TLS and HTTP inspectors.

mod hello;

use std::slice::Iter;

/// What is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspect {
    /// A TLS handshake.
    pub tls: bool,
    /// HTTP, in plain text.
    pub http: bool,
}

/// What detection found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Detected {
    /// A TLS handshake.
    Tls(ClientHello),
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2 without TLS.
    Http2,
    /// Nothing that is known here.
    #[default]
    Opaque,
}

/// What a client says before it trusts the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The server that it wants, in lower case.
    pub server_name: Option<String>,
    /// The protocols that it offers, in its order.
    pub alpn: Vec<String>,
}

/// What can be said after some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: more bytes are needed.
    More,
    /// This is it.
    Known(Detected),
}

/// The first bytes of HTTP/2. Spec: RFC 9113, section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The longest request line that is waited for.
const MAX_LINE: usize = 64 * 1024;
/// No method of HTTP is longer than this.
const MAX_METHOD: usize = 32;

impl Inspect {
    /// Whether anything is looked for at all.
    #[must_use]
    pub const fn is_needed(self) -> bool {
        self.tls || self.http
    }
}

impl Detected {
    /// The server name of a TLS handshake.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        match self {
            Self::Tls(hello) => hello.server_name.as_deref(),
            _ => None,
        }
    }

    /// The word of filter chains for the transport.
    pub(crate) const fn transport(&self) -> &'static str {
        match self {
            Self::Tls(_) => "tls",
            _ => "raw_buffer",
        }
    }

    /// The words of filter chains for the protocols.
    pub(crate) fn applications(&self) -> Applications<'_> {
        match self {
            Self::Tls(hello) => Applications::Offered(hello.alpn.iter()),
            Self::Http10 => Applications::One(Some("http/1.0")),
            Self::Http11 => Applications::One(Some("http/1.1")),
            Self::Http2 => Applications::One(Some("h2c")),
            Self::Opaque => Applications::One(None),
        }
    }
}

/// The protocols of a connection.
#[derive(Debug)]
pub(crate) enum Applications<'a> {
    Offered(Iter<'a, String>),
    One(Option<&'static str>),
}

impl<'a> Iterator for Applications<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match self {
            Self::Offered(names) => names.next().map(String::as_str),
            Self::One(name) => name.take(),
        }
    }
}

/// Looks at all bytes that have arrived so far.
///
/// At the end of the stream, or when the listener's time for detection is over, a connection of which nothing is known is
/// [`Detected::Opaque`].
#[must_use]
pub fn feed(inspect: Inspect, bytes: &[u8]) -> Verdict {
    let Inspect { tls, http } = inspect;
    if !inspect.is_needed() {
        return Verdict::Known(Detected::Opaque);
    }
    if bytes.is_empty() {
        return Verdict::More;
    }
    if tls {
        match hello::read(bytes) {
            hello::Read::More => return Verdict::More,
            hello::Read::Hello(hello) => return Verdict::Known(Detected::Tls(hello)),
            hello::Read::Other => {}
        }
    }
    if http { read_http(bytes) } else { Verdict::Known(Detected::Opaque) }
}

fn read_http(bytes: &[u8]) -> Verdict {
    let common = bytes.len().min(PREFACE.len());
    if bytes[..common] == PREFACE[..common] {
        let is_whole = common == PREFACE.len();
        return if is_whole { Verdict::Known(Detected::Http2) } else { Verdict::More };
    }
    match read_request_line(bytes) {
        None => Verdict::More,
        Some(detected) => Verdict::Known(detected),
    }
}

/// Reads `METHOD target HTTP/1.x`; `None` when it is not complete. The target may be absolute.
fn read_request_line(bytes: &[u8]) -> Option<Detected> {
    let opaque = Some(Detected::Opaque);
    // Some clients send an empty line first.
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let bytes = &bytes[start..];
    let method = bytes.iter().take_while(|byte| is_method(**byte)).count();
    match bytes.get(method) {
        None if method <= MAX_METHOD => return None,
        Some(b' ') if 0 < method && method <= MAX_METHOD => {}
        Some(b'\r') if start == 0 && method == 0 && bytes.len() == 1 => return None,
        _ => return opaque,
    }
    let rest = &bytes[method + 1..];
    let target = rest.iter().take_while(|byte| b' ' < **byte && **byte != 0x7f).count();
    match rest.get(target) {
        None if target < MAX_LINE => return None,
        Some(b' ') if 0 < target => {}
        _ => return opaque,
    }
    let version = &rest[target + 1..];
    let known = [(&b"HTTP/1.1"[..], Detected::Http11), (&b"HTTP/1.0"[..], Detected::Http10)];
    for (name, detected) in known {
        let common = version.len().min(name.len());
        if version[..common] != name[..common] {
            continue;
        }
        if common < name.len() {
            return None;
        }
        return match version.get(common) {
            None => None,
            Some(b'\r' | b'\n') => Some(detected),
            Some(_) => opaque,
        };
    }
    opaque
}

/// Methods are written in capitals; extensions use hyphens and underscores.
const fn is_method(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HTTP: Inspect = Inspect { tls: false, http: true };
    const BOTH: Inspect = Inspect { tls: true, http: true };

    #[test]
    fn http_is_told_by_its_request_line() {
        let known = |detected| Verdict::Known(detected);
        let table = [
            ("GET / HTTP/1.1\r\n", known(Detected::Http11)),
            ("GET / HTTP/1.0\r\n", known(Detected::Http10)),
            ("POST http://a.b/c?d HTTP/1.1\r\nhost", known(Detected::Http11)),
            ("CONNECT a.b:443 HTTP/1.1\r\n", known(Detected::Http11)),
            ("OPTIONS * HTTP/1.1\n", known(Detected::Http11)),
            ("\r\nGET / HTTP/1.1\r\n", known(Detected::Http11)),
            ("GET / HTTP/1.1", Verdict::More),
            ("GET / HT", Verdict::More),
            ("GET ", Verdict::More),
            ("G", Verdict::More),
            ("P", Verdict::More),
            ("PR", Verdict::More),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r", Verdict::More),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", known(Detected::Http2)),
            ("PRI * HTTP/2.0\r\n\r\nXX", known(Detected::Opaque)),
            ("GET / HTTP/2.0\r\n", known(Detected::Opaque)),
            ("GET  / HTTP/1.1\r\n", known(Detected::Opaque)),
            ("get / HTTP/1.1\r\n", known(Detected::Opaque)),
            ("SSH-2.0-OpenSSH\r\n", known(Detected::Opaque)),
            ("*1\r\n$4\r\nPING\r\n", known(Detected::Opaque)),
            ("GET / HTTP/1.1x\r\n", known(Detected::Opaque)),
        ];
        for (text, expected) in table {
            assert_eq!(feed(HTTP, text.as_bytes()), expected, "{text:?}");
            assert_eq!(feed(BOTH, text.as_bytes()), expected, "{text:?} with TLS");
        }
    }

    #[test]
    fn nothing_is_looked_for_without_need() {
        assert_eq!(feed(Inspect::default(), b""), Verdict::Known(Detected::Opaque));
        assert_eq!(feed(BOTH, b""), Verdict::More);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut line = b"GET /".to_vec();
        line.resize(MAX_LINE * 2, b'a');
        assert_eq!(feed(HTTP, &line), Verdict::Known(Detected::Opaque));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = feed(BOTH, &bytes);
        }

        #[test]
        fn no_handshake_makes_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 9..600)) {
            bytes[..3].copy_from_slice(&[22, 3, 1]);
            bytes[5] = 1;
            let _ = feed(BOTH, &bytes);
        }

        #[test]
        fn a_verdict_stands_whatever_follows(
            text in "[A-Z]{1,8} [a-z/:]{1,20} HTTP/1\\.[01]\r\n",
            tail in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let first = feed(BOTH, text.as_bytes());
            prop_assert!(first != Verdict::More);
            let mut longer = text.into_bytes();
            longer.extend(tail);
            prop_assert_eq!(feed(BOTH, &longer), first);
        }
    }
}
