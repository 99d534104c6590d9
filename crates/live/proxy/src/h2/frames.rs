//! The frames of one direction of an HTTP/2 connection, told apart as their bytes pass by.

/// Kinds of frames (RFC 9113 section 6).
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
/// RFC 9218 section 7.1.
pub(super) const PRIORITY_UPDATE: u8 = 0x10;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITIZED: u8 = 0x20;

/// Length, kind, flags and stream.
const HEAD: usize = 9;

/// The head of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) length: u32,
    pub(super) kind: u8,
    flags: u8,
    pub(super) stream: u32,
    /// The bytes of padding at its end and of what tells its length.
    padding: u32,
}

impl Frame {
    fn of(head: [u8; HEAD]) -> Frame {
        let [a, b, c, kind, flags, s, t, u, v] = head;
        Frame {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes([s, t, u, v]) & 0x7fff_ffff,
            padding: 0,
        }
    }

    /// SETTINGS and PING: an answer, which wants none.
    pub(super) fn is_ack(self) -> bool {
        self.flags & ACK != 0
    }

    pub(super) fn ends_stream(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    pub(super) fn ends_headers(self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// Nothing but padding.
    pub(super) fn is_empty(self) -> bool {
        self.length <= self.padding
    }

    fn is_padded(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & PADDED != 0 && self.length > 0
    }

    /// The part of a payload of HEADERS or CONTINUATION that is the header block.
    pub(super) fn block(self, payload: &[u8]) -> &[u8] {
        let padded = self.kind == HEADERS && self.flags & PADDED != 0;
        let prioritized = self.kind == HEADERS && self.flags & PRIORITIZED != 0;
        let start = usize::from(padded) + if prioritized { 5 } else { 0 };
        let behind = if padded { payload.first().copied().unwrap_or(0) } else { 0 };
        let end = payload.len().saturating_sub(usize::from(behind));
        payload.get(start..end).unwrap_or_default()
    }
}

/// What passes by.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// A frame begins.
    Begins(Frame),
    /// Some of its payload.
    Payload(&'a [u8]),
    /// All of it has passed.
    Ends,
}

/// Where in the stream of frames a direction is.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes before the first frame.
    before: usize,
    head: [u8; HEAD + 1],
    have: usize,
    /// Payload that is still to come, once the head is whole.
    left: Option<usize>,
}

impl Frames {
    /// A direction whose first frame comes after so many bytes.
    pub(super) fn after(before: usize) -> Frames {
        Frames { before, head: [0; HEAD + 1], have: 0, left: None }
    }

    /// Looks at bytes that pass by; stops where `see` fails.
    pub(super) fn pass<E>(
        &mut self,
        mut bytes: &[u8],
        mut see: impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let skipped = self.before.min(bytes.len());
        self.before -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if let Some(left) = &mut self.left {
                let n = bytes.len().min(*left);
                see(Piece::Payload(&bytes[..n]))?;
                *left -= n;
                bytes = &bytes[n..];
            } else {
                bytes = self.take_head(bytes);
                let Some(frame) = self.whole_head() else { continue };
                see(Piece::Begins(frame))?;
                if frame.padding > 0 {
                    // The byte that told it is payload, too.
                    see(Piece::Payload(&self.head[HEAD..]))?;
                }
                let seen = usize::from(frame.padding > 0);
                self.left = Some(usize::try_from(frame.length).unwrap_or(usize::MAX) - seen);
            }
            if self.left == Some(0) {
                see(Piece::Ends)?;
                self.left = None;
                self.have = 0;
            }
        }
        Ok(())
    }

    /// Takes what is missing of the head; the rest.
    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            if self.have == HEAD && !Frame::of(self.fixed()).is_padded() || self.have > HEAD {
                break;
            }
            self.head[self.have] = *byte;
            self.have += 1;
            rest = behind;
        }
        rest
    }

    fn fixed(&self) -> [u8; HEAD] {
        let [a, b, c, d, e, f, g, h, i, _] = self.head;
        [a, b, c, d, e, f, g, h, i]
    }

    /// The frame, once its head is whole; with its padding, the byte of that has to be there as well.
    fn whole_head(&self) -> Option<Frame> {
        if self.have < HEAD {
            return None;
        }
        let frame = Frame::of(self.fixed());
        match (frame.is_padded(), self.have > HEAD) {
            (true, false) => None,
            (true, true) => Some(Frame { padding: u32::from(self.head[HEAD]) + 1, ..frame }),
            (false, _) => Some(frame),
        }
    }
}

/// Whether a header block names what trailers may not: a pseudo header or the length, by the table that never changes
/// or in letters. A name in the table that a connection makes for itself is not looked up.
/// Spec: RFC 9113 section 8.1; RFC 7541, section 6 and appendix A.
pub(super) fn names_framing(block: &[u8]) -> bool {
    let mut rest = block;
    while let Some(first) = rest.first().copied() {
        let (prefix, has_value) = match first {
            0x80.. => (7, false),
            0x40..0x80 => (6, true),
            0x20..0x40 => (5, false),
            _ => (4, true),
        };
        let is_size = (0x20..0x40).contains(&first);
        let Some(index) = number(&mut rest, prefix) else { return false };
        if is_size {
            continue;
        }
        if (1..=PSEUDO).contains(&index) || index == LENGTH {
            return true;
        }
        if has_value {
            if index == 0 {
                match string(&mut rest) {
                    Some((true, name)) if is_framing(name, COLON, &CODED_LENGTH) => return true,
                    Some((false, name)) if is_framing(name, b':', b"content-length") => {
                        return true;
                    }
                    Some(_) => {}
                    None => return false,
                }
            }
            if string(&mut rest).is_none() {
                return false;
            }
        }
    }
    false
}

/// Pseudo headers are the first entries of the table that never changes.
const PSEUDO: usize = 14;
/// `content-length` is there, too.
const LENGTH: usize = 28;
/// A colon in Huffman's code, which has seven bits.
const COLON: u8 = 0b1011_1000;
/// `content-length` in Huffman's code.
const CODED_LENGTH: [u8; 10] = [0x21, 0xea, 0x49, 0x6a, 0x4a, 0xd4, 0x16, 0xa9, 0x93, 0x3f];

/// Whether a name begins with a colon, of which the last bit does not count, or is that of the length.
fn is_framing(name: &[u8], colon: u8, length: &[u8]) -> bool {
    // A semicolon, which the last bit would make of it, is not allowed in a name either.
    name == length || name.first().is_some_and(|first| first >> 1 == colon >> 1)
}

/// A number with a prefix of so many bits (RFC 7541 section 5.1).
fn number(rest: &mut &[u8], prefix: u32) -> Option<usize> {
    let (first, mut behind) = rest.split_first()?;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (byte, after) = behind.split_first()?;
            behind = after;
            if shift > 28 {
                return None;
            }
            value += usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = behind;
    Some(value)
}

/// A string, and whether it is in Huffman's code (RFC 7541 section 5.2).
fn string<'a>(rest: &mut &'a [u8]) -> Option<(bool, &'a [u8])> {
    let coded = rest.first()? & 0x80 != 0;
    let length = number(rest, 7)?;
    let text = rest.get(..length)?;
    *rest = &rest[length..];
    Some((coded, text))
}

#[cfg(test)]
mod tests {
    use super::{Frame, Frames, Piece, names_framing};

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut out = length[1..].to_vec();
        out.extend([kind, flags, 0, 0, 0, 7]);
        out.extend_from_slice(payload);
        out
    }

    /// What is seen when bytes come in pieces of this size.
    fn seen(bytes: &[u8], size: usize) -> Vec<(Frame, Vec<u8>)> {
        let mut frames = Frames::after(3);
        let (mut all, mut now) = (Vec::new(), (Frame::default(), Vec::new()));
        for piece in bytes.chunks(size) {
            let passed: Result<(), ()> = frames.pass(piece, |piece| {
                match piece {
                    Piece::Begins(frame) => now = (frame, Vec::new()),
                    Piece::Payload(bytes) => now.1.extend_from_slice(bytes),
                    Piece::Ends => all.push(now.clone()),
                }
                Ok(())
            });
            passed.unwrap();
        }
        all
    }

    #[test]
    fn frames_are_the_same_however_their_bytes_arrive() {
        let mut bytes = b"PRI".to_vec();
        bytes.extend(frame(4, 0, b""));
        bytes.extend(frame(0, 8, &[2, b'x', 0, 0]));
        bytes.extend(frame(0, 9, &[0]));
        bytes.extend(frame(0, 8, &[]));
        bytes.extend(frame(1, 0x2c, &[1, 0, 0, 0, 0, 9, b'b', b'l', 0]));
        let whole = seen(&bytes, bytes.len());
        let shown: Vec<_> =
            whole.iter().map(|(frame, payload)| (frame.kind, frame.is_empty(), payload)).collect();
        let payloads = [&b""[..], &[2, b'x', 0, 0], &[0], b"", &[1, 0, 0, 0, 0, 9, b'b', b'l', 0]];
        let expected: Vec<_> = [4, 0, 0, 0, 1]
            .into_iter()
            .zip([true, false, true, true, false])
            .zip(payloads)
            .map(|((kind, empty), payload)| (kind, empty, payload.to_vec()))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(k, e, p)| (*k, *e, p)).collect();
        assert_eq!(shown, expected);
        assert_eq!(whole[4].0.block(&whole[4].1), b"bl");
        assert_eq!(whole[4].0.stream, 7);
        for size in 1..bytes.len() {
            assert_eq!(seen(&bytes, size), whole, "pieces of {size}");
        }
    }

    #[test]
    fn pseudo_headers_and_lengths_are_found_in_every_form() {
        for (block, is) in [
            (&[0x82][..], true),
            (&[0x8f], false),
            (&[0x20, 0x82], true),
            (&[0x3f, 0xe1, 0x1f, 0x82], true),
            (&[0x44, 1, b'/'], true),
            (&[0x04, 1, b'/'], true),
            (&[0x14, 1, b'/'], true),
            (&[0, 5, b':', b'p', b'a', b't', b'h', 1, b'/'], true),
            (&[0x10, 5, b':', b'p', b'a', b't', b'h', 1, b'/'], true),
            // ":path" in Huffman's code.
            (&[0x40, 0x84, 0xb9, 0x58, 0xd3, 0x3f, 1, b'/'], true),
            (&[0x0f, 0x0d, 1, b'9'], true),
            (b"\0\x0econtent-length\x019", true),
            (b"\0\x0dcontent-lengt\x019", false),
            (b"\0\x8a\x21\xea\x49\x6a\x4a\xd4\x16\xa9\x93\x3f\x019", true),
            (&[0, 3, b'x', b'-', b't', 1, b':', 0x82], true),
            (&[0, 3, b'x', b'-', b't', 1, b':'], false),
            (&[0x7f, 0x00, 1, b'v'], false),
            (&[0, 9, b':'], false),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], false),
            (&[], false),
        ] {
            assert_eq!(names_framing(block), is, "{block:02x?}");
        }
    }
}
