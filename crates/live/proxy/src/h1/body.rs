//! Bodies of HTTP/1.1 messages: by length, chunked, or until the connection ends.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

use super::{HEAD_BYTES, HEAD_FIELDS};
use crate::fields::Fields;
use crate::flow::Frame;
use crate::wire::Wire;

/// Longest line that announces a chunk, with its extensions.
const CHUNK_LINE_BYTES: usize = 4096;
/// Small pieces are gathered up to this size before they leave.
const GATHER_BYTES: usize = 16 * 1024;

/// How the rest of an incoming body is framed.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// All of it was read, or there is none.
    Done,
    /// This many bytes are still to come.
    Exact(u64),
    /// Chunked coding, and where in it the reader is.
    Chunked(Chunk),
    /// The end of the connection ends it (responses only).
    UntilClose,
}

/// Where in the chunked coding the reader is.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Before a line with a size.
    Size,
    /// Inside a chunk with this many bytes left.
    Data(u64),
    /// Before the line end after a chunk.
    DataEnd,
    /// After the last chunk: trailer fields, then an empty line.
    Trailer,
}

/// What one decoding step found.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing: read more.
    Starved,
    /// A frame.
    Frame(Frame),
    /// The body is over.
    End,
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("chunked body: {what}"))
}

impl Decoder {
    /// A body of `size` bytes.
    pub(crate) fn exact(size: u64) -> Decoder {
        if size == 0 { Decoder::Done } else { Decoder::Exact(size) }
    }

    /// A chunked body from its start.
    pub(crate) fn chunked() -> Decoder {
        Decoder::Chunked(Chunk::Size)
    }

    /// Nothing more belongs to this message.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Decoder::Done)
    }

    /// Takes the next frame out of `buf`.
    pub(crate) fn step(&mut self, buf: &mut BytesMut) -> io::Result<Step> {
        match self {
            Decoder::Done => Ok(Step::End),
            Decoder::Exact(left) => {
                let data = take(buf, left);
                if *left == 0 {
                    *self = Decoder::Done;
                }
                Ok(data.map_or(Step::Starved, |data| Step::Frame(Frame::Data(data))))
            }
            Decoder::UntilClose if buf.is_empty() => Ok(Step::Starved),
            Decoder::UntilClose => Ok(Step::Frame(Frame::Data(buf.split().freeze()))),
            Decoder::Chunked(_) => self.step_chunked(buf),
        }
    }

    /// The peer's sending ended: right for [`Decoder::UntilClose`], a cut-off body otherwise.
    pub(crate) fn ended(&mut self) -> io::Result<()> {
        if matches!(self, Decoder::UntilClose | Decoder::Done) {
            *self = Decoder::Done;
            return Ok(());
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    fn step_chunked(&mut self, buf: &mut BytesMut) -> io::Result<Step> {
        loop {
            let Decoder::Chunked(chunk) = self else { return Ok(Step::End) };
            match chunk {
                Chunk::Size => {
                    let Some(size) = chunk_size(buf)? else { return Ok(Step::Starved) };
                    *chunk = if size == 0 { Chunk::Trailer } else { Chunk::Data(size) };
                }
                Chunk::Data(left) => {
                    let Some(data) = take(buf, left) else { return Ok(Step::Starved) };
                    if *left == 0 {
                        *chunk = Chunk::DataEnd;
                    }
                    return Ok(Step::Frame(Frame::Data(data)));
                }
                Chunk::DataEnd => {
                    if buf.len() < 2 {
                        return Ok(Step::Starved);
                    }
                    if &buf[..2] != b"\r\n" {
                        return Err(malformed("no line end after a chunk"));
                    }
                    buf.advance(2);
                    *chunk = Chunk::Size;
                }
                Chunk::Trailer => {
                    let Some(trailers) = trailers(buf)? else { return Ok(Step::Starved) };
                    *self = Decoder::Done;
                    if trailers.len() > 0 {
                        return Ok(Step::Frame(Frame::Trailers(trailers)));
                    }
                }
            }
        }
    }
}

/// Up to `left` bytes of `buf`, at least one.
fn take(buf: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    if buf.is_empty() {
        return None;
    }
    let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
    *left -= most as u64;
    Some(buf.split_to(most).freeze())
}

fn chunk_size(buf: &mut BytesMut) -> io::Result<Option<u64>> {
    let Some(end) = buf.iter().take(CHUNK_LINE_BYTES).position(|byte| *byte == b'\n') else {
        return if buf.len() >= CHUNK_LINE_BYTES {
            Err(malformed("the size line is too long"))
        } else {
            Ok(None)
        };
    };
    if end == 0 || buf[end - 1] != b'\r' {
        return Err(malformed("a size line ends without CR"));
    }
    let line = &buf[..end - 1];
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = &line[digits..];
    // Extensions are dropped, but a stray CR inside them could hide a second reading.
    let extension = rest.trim_ascii_start();
    if digits == 0 || digits > 15 || rest.contains(&b'\r') || !matches!(extension, [] | [b';', ..])
    {
        return Err(malformed("a size is not hexadecimal"));
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| malformed("size"))?;
    let size = u64::from_str_radix(text, 16).map_err(|_| malformed("size"))?;
    buf.advance(end + 1);
    Ok(Some(size))
}

fn trailers(buf: &mut BytesMut) -> io::Result<Option<Fields>> {
    // A sender that trickles must not make us read all of it again for each byte.
    let is_whole = buf.starts_with(b"\r\n") || buf.windows(4).any(|end| end == b"\r\n\r\n");
    if !is_whole && buf.len() <= HEAD_BYTES {
        return Ok(None);
    }
    let mut slots = [httparse::EMPTY_HEADER; HEAD_FIELDS];
    match httparse::parse_headers(buf, &mut slots) {
        Ok(httparse::Status::Complete((length, headers))) => {
            let mut fields = Fields::default();
            for header in headers {
                let name = header.name.to_ascii_lowercase();
                // RFC 9110 section 6.5.1: framing and routing may not arrive late.
                if !matches!(
                    name.as_str(),
                    "content-length" | "transfer-encoding" | "host" | "connection"
                ) {
                    fields.append(&name, header.value);
                }
            }
            buf.advance(length);
            Ok(Some(fields))
        }
        Ok(httparse::Status::Partial) if buf.len() <= HEAD_BYTES => Ok(None),
        _ => Err(malformed("trailers")),
    }
}

/// How an outgoing body is framed.
#[derive(Debug)]
pub(crate) enum Encoder {
    /// This many bytes are still to be sent; 0 also stands for "no body".
    Exact(u64),
    /// Chunked coding.
    Chunked,
    /// The end of the connection ends it.
    UntilClose,
}

/// The reading half of a connection while one message is on it.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) wire: &'a Wire,
    pub(crate) input: &'a mut BytesMut,
    pub(crate) decoder: Decoder,
    /// Trailers are passed on; they are dropped otherwise.
    pub(crate) trailers: bool,
}

impl Incoming<'_> {
    /// The next frame of the body, `None` at its end. Safe to cancel.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            match self.decoder.step(self.input)? {
                Step::Frame(Frame::Trailers(_)) if !self.trailers => {}
                Step::Frame(frame) => return Ok(Some(frame)),
                Step::End => return Ok(None),
                Step::Starved => {
                    if self.wire.read(self.input).await? == 0 {
                        self.decoder.ended()?;
                    }
                }
            }
        }
    }
}

/// The writing half of a connection while one message is on it.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) wire: &'a Wire,
    /// What was written but has not left: the head, small chunks.
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) encoder: Encoder,
    /// Trailers are passed on; they are dropped otherwise.
    pub(crate) trailers: bool,
}

impl Outgoing<'_> {
    /// Sends a piece; a small one waits for [`Outgoing::flush`] or what follows.
    pub(crate) async fn data(&mut self, data: Bytes) -> io::Result<()> {
        match &mut self.encoder {
            Encoder::Exact(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(io::ErrorKind::InvalidData)?;
            }
            Encoder::UntilClose => {}
            Encoder::Chunked => {
                if data.is_empty() {
                    return Ok(());
                }
                self.out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
            }
        }
        let chunked = matches!(self.encoder, Encoder::Chunked);
        if self.out.len() + data.len() <= GATHER_BYTES {
            self.out.extend_from_slice(&data);
            if chunked {
                self.out.extend_from_slice(b"\r\n");
            }
            return Ok(());
        }
        self.wire.write(self.out, &data).await?;
        self.out.clear();
        if chunked {
            self.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Ends the message; an error if the body is shorter than announced.
    pub(crate) async fn finish(&mut self, trailers: Option<&Fields>) -> io::Result<()> {
        match self.encoder {
            Encoder::Exact(0) | Encoder::UntilClose => {}
            Encoder::Exact(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Encoder::Chunked => {
                self.out.extend_from_slice(b"0\r\n");
                let trailers = trailers.filter(|_| self.trailers);
                for (name, value) in trailers.into_iter().flat_map(Fields::iter) {
                    self.out.extend_from_slice(name.as_bytes());
                    self.out.extend_from_slice(b": ");
                    self.out.extend_from_slice(value);
                    self.out.extend_from_slice(b"\r\n");
                }
                self.out.extend_from_slice(b"\r\n");
                self.encoder = Encoder::Exact(0);
            }
        }
        self.flush().await
    }

    /// Sends what waits.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.wire.write(self.out, &[]).await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Only the end of the connection tells the reader where the body ends.
    pub(crate) fn ends_with_connection(&self) -> bool {
        matches!(self.encoder, Encoder::UntilClose)
    }

    /// Something waits to be flushed.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.out.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Step};
    use crate::flow::Frame;
    use bytes::BytesMut;

    /// Feeds `wire` in pieces of `size`; the body, its trailers, and what was left unread.
    fn read(wire: &[u8], size: usize) -> std::io::Result<(Vec<u8>, usize, Vec<u8>)> {
        let mut decoder = Decoder::chunked();
        let (mut buf, mut body, mut trailers) = (BytesMut::new(), Vec::new(), 0);
        let mut pieces = wire.chunks(size);
        loop {
            match decoder.step(&mut buf)? {
                Step::Frame(Frame::Data(data)) => body.extend_from_slice(&data),
                Step::Frame(Frame::Trailers(fields)) => trailers += fields.len(),
                Step::End => {
                    let rest = pieces.flatten().copied();
                    return Ok((body, trailers, buf.iter().copied().chain(rest).collect()));
                }
                Step::Starved => match pieces.next() {
                    Some(piece) => buf.extend_from_slice(piece),
                    None => decoder.ended()?,
                },
            }
        }
    }

    #[test]
    fn chunks_are_read_the_same_however_they_arrive() {
        let wire =
            b"5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nx-a: 1\r\ncontent-length: 9\r\n\r\nGET /";
        for size in 1..wire.len() {
            let (body, trailers, rest) = read(wire, size).unwrap();
            assert_eq!(body, b"hello world", "pieces of {size}");
            assert_eq!((trailers, rest.as_slice()), (1, &b"GET /"[..]));
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for wire in [
            &b"5\nhello\r\n0\r\n\r\n"[..],
            b"g\r\n",
            b"\r\n",
            b"-1\r\n",
            b"0x5\r\nhello\r\n",
            b"5 5\r\nhello\r\n",
            b"5\r\nhelloXX0\r\n\r\n",
            b"fffffffffffffffff\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhel",
        ] {
            assert!(read(wire, 64).is_err(), "{}", String::from_utf8_lossy(wire));
        }
    }
}
