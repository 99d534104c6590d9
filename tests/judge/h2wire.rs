//! HTTP/2 on raw sockets: frames out as bytes, and what comes back as events.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// The client's preface.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITIZED: u8 = 0x20;
pub(crate) const ACK: u8 = 1;

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A header block: every field a literal without indexing and without Huffman's code.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        text(&mut out, name);
        text(&mut out, value);
    }
    out
}

fn text(out: &mut Vec<u8>, text: &str) {
    let length = text.len();
    if length < 127 {
        out.push(u8::try_from(length).unwrap_or(0));
    } else {
        out.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            out.push(u8::try_from(rest % 128).unwrap_or(0) | 0x80);
            rest /= 128;
        }
        out.push(u8::try_from(rest).unwrap_or(0));
    }
    out.extend_from_slice(text.as_bytes());
}

/// What a proxy said, as far as verdicts need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The head of an answer, with its status, or trailers, without.
    Head(u32, Option<u16>),
    Reset(u32, u32),
    Away(u32),
    Pong,
    Closed,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Link {
    /// Dials; nothing is sent yet.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        self.stream.write_all(bytes).ok();
    }

    /// Events until one is the last that is waited for, the connection ends, or time is up.
    pub(crate) fn events(&mut self, limit: Duration, last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let deadline = Instant::now() + limit;
        let mut events = Vec::new();
        loop {
            while let Some(event) = self.next_frame() {
                let Some(event) = event else { continue };
                let ends = last(&event);
                events.push(event);
                if ends {
                    return events;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return events;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut piece = [0; 16 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => {
                    events.push(Event::Closed);
                    return events;
                }
                Ok(n) => self.buffer.extend_from_slice(&piece[..n]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => {
                    events.push(Event::Closed);
                    return events;
                }
            }
        }
    }

    /// Takes a frame; `Some(None)` is one that says nothing of interest.
    fn next_frame(&mut self) -> Option<Option<Event>> {
        let head = self.buffer.get(..9)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        if self.buffer.len() < 9 + length {
            return None;
        }
        let frame: Vec<u8> = self.buffer.drain(..9 + length).collect();
        let number = |at: usize| -> u32 {
            frame.get(at..at + 4).map_or(0, |it| u32::from_be_bytes([it[0], it[1], it[2], it[3]]))
        };
        let stream = number(5) & 0x7fff_ffff;
        Some(match (frame[3], frame[4]) {
            (HEADERS, _) => Some(Event::Head(stream, status(&frame[9..]))),
            (RST_STREAM, _) => Some(Event::Reset(stream, number(9))),
            (GOAWAY, _) => Some(Event::Away(number(13))),
            (PING, flags) if flags & ACK != 0 => Some(Event::Pong),
            (SETTINGS, flags) if flags & ACK == 0 => {
                let ack = self::frame(SETTINGS, ACK, 0, &[]);
                self.send(&ack);
                None
            }
            _ => None,
        })
    }
}

/// The `:status` with which a block of an answer begins.
fn status(block: &[u8]) -> Option<u16> {
    // A change of the table's size may stand before it.
    let first = block.iter().position(|byte| byte & 0xe0 != 0x20)?;
    let (byte, rest) = block[first..].split_first()?;
    match byte {
        0x88 => return Some(200),
        0x89 => return Some(204),
        0x8a => return Some(206),
        0x8b => return Some(304),
        0x8c => return Some(400),
        0x8d => return Some(404),
        0x8e => return Some(500),
        _ => {}
    }
    // A literal whose name is one of the seven entries of `:status`.
    let index = if byte & 0x40 != 0 { byte & 0x3f } else { byte & 0x0f };
    if byte & 0x80 != 0 || !(8..=14).contains(&index) {
        return None;
    }
    let (length, value) = rest.split_first()?;
    let value = value.get(..usize::from(length & 0x7f))?;
    if length & 0x80 == 0 {
        return std::str::from_utf8(value).ok()?.parse().ok();
    }
    huffman_digits(value)
}

/// Three digits in Huffman's code: `0` to `2` have five bits, the others six.
fn huffman_digits(bytes: &[u8]) -> Option<u16> {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let mut number = 0;
    for _ in 0..3 {
        let mut code = 0;
        for _ in 0..5 {
            code = code << 1 | bits.next()?;
        }
        let digit =
            if code <= 2 { code } else { (code << 1 | bits.next()?).checked_sub(0x19)? + 3 };
        number = number * 10 + u16::from(digit);
    }
    Some(number)
}
