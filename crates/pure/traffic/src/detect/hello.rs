//! Reads a TLS ClientHello. Spec: RFC 8446, section 4.1.2; RFC 6066, section 3; RFC 7301, section 3.1.

use crate::detect::ClientHello;

/// What some bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// The start of a hello.
    More,
    /// A hello.
    Hello(ClientHello),
    /// No TLS.
    Other,
}

/// The longest hello that is waited for, as in Envoy.
const MAX_HELLO: usize = 16 * 1024;
const RECORD_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const EXTENSION_SERVER_NAME: usize = 0;
const EXTENSION_ALPN: usize = 16;
/// Type, version and length of a record.
const RECORD_HEAD: usize = 5;
/// Type and length of a handshake message.
const MESSAGE_HEAD: usize = 4;

/// Reads from the first byte of a connection on. The hello may be spread over several records.
pub(crate) fn read(bytes: &[u8]) -> Read {
    // Every prefix of a record head that cannot be one is told at once.
    let is_record =
        |at: usize, holds: fn(u8) -> bool| bytes.get(at).is_none_or(|byte| holds(*byte));
    if !is_record(0, |byte| byte == RECORD_HANDSHAKE)
        || !is_record(1, |byte| byte == 3)
        || !is_record(2, |byte| byte <= 4)
        || !is_record(RECORD_HEAD, |byte| byte == CLIENT_HELLO)
    {
        return Read::Other;
    }
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        if let Some(length) = message_length(&message) {
            if MAX_HELLO < length {
                return Read::Other;
            }
            if let Some(body) = message.get(MESSAGE_HEAD..MESSAGE_HEAD + length) {
                return parse(body).map_or(Read::Other, Read::Hello);
            }
        }
        let Some(head) = rest.get(..RECORD_HEAD) else { return Read::More };
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        // A record of handshake is never empty, and never longer than this.
        if head[0] != RECORD_HANDSHAKE || head[1] != 3 || length == 0 || MAX_HELLO < length {
            return Read::Other;
        }
        let end = (RECORD_HEAD + length).min(rest.len());
        message.extend_from_slice(&rest[RECORD_HEAD..end]);
        if end < RECORD_HEAD + length {
            let whole = message_length(&message)
                .is_some_and(|length| MESSAGE_HEAD + length <= message.len());
            if !whole {
                return Read::More;
            }
        }
        rest = &rest[end..];
    }
}

/// The length that a handshake message says it has, once its head is there.
fn message_length(message: &[u8]) -> Option<usize> {
    let head = message.get(..MESSAGE_HEAD)?;
    Some(usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]))
}

/// Parses the body of a hello; `None` when it is not one.
fn parse(body: &[u8]) -> Option<ClientHello> {
    let mut body = Cursor(body);
    body.take(2 + 32)?; // version, random
    body.block(1)?; // session
    body.block(2)?; // cipher suites
    body.block(1)?; // compression methods
    let mut hello = ClientHello::default();
    if body.0.is_empty() {
        return Some(hello);
    }
    let mut extensions = body.block(2)?;
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let content = extensions.block(2)?;
        match kind {
            EXTENSION_SERVER_NAME => hello.server_name = server_name(content)?,
            EXTENSION_ALPN => hello.alpn = alpn(content)?,
            _ => {}
        }
    }
    Some(hello)
}

fn server_name(mut content: Cursor<'_>) -> Option<Option<String>> {
    let mut names = content.block(2)?;
    while !names.0.is_empty() {
        let kind = names.number(1)?;
        let name = names.block(2)?;
        if kind == 0 {
            let name = std::str::from_utf8(name.0).ok()?;
            return Some((!name.is_empty()).then(|| name.to_ascii_lowercase()));
        }
    }
    Some(None)
}

fn alpn(mut content: Cursor<'_>) -> Option<Vec<String>> {
    let mut names = content.block(2)?;
    let mut protocols = Vec::new();
    while !names.0.is_empty() {
        let name = names.block(1)?;
        protocols.push(String::from_utf8_lossy(name.0).into_owned());
    }
    Some(protocols)
}

/// Bytes that are read from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of `n` bytes.
    fn number(&mut self, n: usize) -> Option<usize> {
        Some(self.take(n)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    }

    /// Bytes whose length stands before them in `n` bytes.
    fn block(&mut self, n: usize) -> Option<Self> {
        let length = self.number(n)?;
        self.take(length).map(Cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(n: usize, content: &[u8]) -> Vec<u8> {
        let length = content.len().to_be_bytes();
        [&length[length.len() - n..], content].concat()
    }

    /// A hello as one handshake message.
    fn message(name: &str, protocols: &[&str]) -> Vec<u8> {
        let names = block(2, &[vec![0], block(2, name.as_bytes())].concat());
        let alpn: Vec<u8> = protocols.iter().flat_map(|p| block(1, p.as_bytes())).collect();
        let extensions = [
            vec![0, 23, 0, 0],
            vec![0, 0],
            block(2, &names),
            vec![0, 16],
            block(2, &block(2, &alpn)),
        ]
        .concat();
        let body = [
            vec![3, 3],
            vec![7; 32],
            block(1, &[]),
            block(2, &[0x13, 1]),
            block(1, &[0]),
            block(2, &extensions),
        ]
        .concat();
        [vec![CLIENT_HELLO], block(3, &body)].concat()
    }

    fn record(content: &[u8]) -> Vec<u8> {
        [vec![RECORD_HANDSHAKE, 3, 1], block(2, content)].concat()
    }

    fn expected() -> Read {
        Read::Hello(ClientHello {
            server_name: Some("a.example".to_owned()),
            alpn: vec!["h2".to_owned(), "http/1.1".to_owned()],
        })
    }

    #[test]
    fn name_and_protocols_are_read() {
        let bytes = record(&message("A.example", &["h2", "http/1.1"]));
        assert_eq!(read(&bytes), expected());
    }

    #[test]
    fn every_prefix_asks_for_more() {
        let bytes = record(&message("a.example", &["h2", "http/1.1"]));
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), Read::More, "{length}");
        }
    }

    #[test]
    fn a_hello_may_be_spread_over_records() {
        let message = message("a.example", &["h2", "http/1.1"]);
        let bytes: Vec<u8> = message.chunks(20).flat_map(record).collect();
        assert_eq!(read(&bytes), expected());
        assert_eq!(read(&bytes[..bytes.len() - 1]), Read::More);
    }

    #[test]
    fn what_is_not_tls_is_told_at_once() {
        for bytes in [&b"GET / HTTP/1.1"[..], &[22, 2], &[22, 3, 9], &[22, 3, 1, 0, 5, 2]] {
            assert_eq!(read(bytes), Read::Other, "{bytes:?}");
        }
        assert_eq!(read(&[22, 3, 1, 0, 0]), Read::Other);
        assert_eq!(read(&[22, 3, 1, 0xff, 0xff]), Read::Other);
    }

    #[test]
    fn a_hello_without_extensions_is_one() {
        let body = [vec![3, 3], vec![7; 32], block(1, &[]), block(2, &[0, 1]), block(1, &[0])];
        let bytes = record(&[vec![CLIENT_HELLO], block(3, &body.concat())].concat());
        assert_eq!(read(&bytes), Read::Hello(ClientHello::default()));
    }
}
