//! Watches the frames of a client's HTTP/2 connection for what the library lets pass: floods of frames that cost
//! more than they bring, a start without settings, trailers that pretend to be a request.
//!
//! It looks at the nine bytes before each frame and copies nothing but trailers, so that a request pays for a few
//! comparisons. Spec: RFC 9113 sections 3.4, 8.1 and 10.5; the limits are Envoy's.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{
    CONTINUATION, DATA, Frame, Frames, HEADERS, PING, PRIORITY, PRIORITY_UPDATE, Piece, SETTINGS,
    WINDOW_UPDATE, names_framing,
};

/// Bytes of the preface, which the library reads.
const PREFACE: usize = 24;
/// Frames that want an answer and have none yet. Spec: Envoy `max_outbound_control_frames`.
const UNANSWERED: u32 = 1000;
/// Frames without content in a row. Spec: Envoy `max_consecutive_inbound_frames_with_empty_payload`.
const EMPTY: u32 = 1;
/// Priorities for each stream. Spec: Envoy `max_inbound_priority_frames_per_stream`.
const PRIORITIES: u64 = 100;
/// Window updates for each frame of data. Spec: Envoy
/// `max_inbound_window_update_frames_per_data_frame_sent`.
const UPDATES: u64 = 10;
/// Largest block of trailers that is looked at.
const TRAILERS: usize = crate::h1::HEAD_BYTES;

/// What a connection is closed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offence {
    NoSettings,
    Control,
    Empty,
    Priorities,
    WindowUpdates,
    Trailers,
}

impl Offence {
    fn text(self) -> &'static str {
        match self {
            Offence::NoSettings => "the first frame is no SETTINGS",
            Offence::Control => "too many pings and settings at once",
            Offence::Empty => "too many frames without content",
            Offence::Priorities => "too many priorities",
            Offence::WindowUpdates => "too many window updates",
            Offence::Trailers => "trailers with pseudo headers or a length, or too many of them",
        }
    }
}

/// What was counted of one connection.
#[derive(Debug, Default)]
pub(super) struct Counts {
    has_begun: bool,
    /// The highest stream that the client opened.
    highest: u32,
    streams: u64,
    /// Wanting an answer, and not answered.
    unanswered: u32,
    /// Wanting an answer since there was nothing to read, less the frames that brought something.
    burst: u32,
    empty: u32,
    priorities: u64,
    updates: u64,
    data_sent: u64,
    trailers: Option<Trailers>,
}

/// Trailers on their way.
#[derive(Debug, Default)]
struct Trailers {
    frame: Frame,
    payload: Vec<u8>,
    block: Vec<u8>,
}

impl Counts {
    /// Takes note of a frame of the client.
    fn begins(&mut self, frame: Frame) -> Result<(), Offence> {
        if !self.has_begun {
            if frame.kind != SETTINGS || frame.is_ack() {
                return Err(Offence::NoSettings);
            }
            self.has_begun = true;
        }
        if matches!(frame.kind, DATA | HEADERS | CONTINUATION) {
            self.contents(frame)?;
        }
        match frame.kind {
            HEADERS if frame.stream > self.highest => {
                self.highest = frame.stream;
                self.streams += 1;
            }
            // What comes on a stream that was opened before can only be its trailers.
            HEADERS => self.trailers = Some(Trailers { frame, ..Trailers::default() }),
            CONTINUATION => {
                if let Some(trailers) = &mut self.trailers {
                    trailers.frame = frame;
                }
            }
            PING | SETTINGS if !frame.is_ack() => {
                self.unanswered += 1;
                self.burst += 1;
                if self.unanswered.max(self.burst) > UNANSWERED {
                    return Err(Offence::Control);
                }
            }
            PRIORITY | PRIORITY_UPDATE => {
                self.priorities += 1;
                if self.priorities > PRIORITIES * (1 + self.streams) {
                    return Err(Offence::Priorities);
                }
            }
            WINDOW_UPDATE => {
                self.updates += 1;
                if self.updates > 5 + 2 * (self.streams + UPDATES * self.data_sent) {
                    return Err(Offence::WindowUpdates);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn contents(&mut self, frame: Frame) -> Result<(), Offence> {
        if !frame.is_empty() {
            self.burst = self.burst.saturating_sub(1);
        }
        if frame.is_empty() && !frame.ends_stream() {
            self.empty += 1;
            if self.empty > EMPTY {
                return Err(Offence::Empty);
            }
        } else {
            self.empty = 0;
        }
        Ok(())
    }

    fn payload(&mut self, bytes: &[u8]) -> Result<(), Offence> {
        if let Some(trailers) = &mut self.trailers {
            if trailers.block.len() + trailers.payload.len() + bytes.len() > TRAILERS {
                return Err(Offence::Trailers);
            }
            trailers.payload.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn ends(&mut self) -> Result<(), Offence> {
        let Some(trailers) = &mut self.trailers else { return Ok(()) };
        trailers.block.extend_from_slice(trailers.frame.block(&trailers.payload));
        trailers.payload.clear();
        if trailers.frame.ends_headers() {
            let pretends = names_framing(&trailers.block);
            self.trailers = None;
            if pretends {
                return Err(Offence::Trailers);
            }
        }
        Ok(())
    }

    /// Takes note of a frame of ours.
    fn sent(&mut self, frame: Frame) {
        match frame.kind {
            DATA => self.data_sent += 1,
            PING | SETTINGS if frame.is_ack() => {
                self.unanswered = self.unanswered.saturating_sub(1);
            }
            _ => {}
        }
    }
}

/// A connection whose frames are watched. An offence is an error of reading, which ends the connection.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    io: T,
    received: Frames,
    sent: Frames,
    counts: Counts,
}

impl<T> Watched<T> {
    /// Watches a client's connection from its first byte on.
    pub(crate) fn client(io: T) -> Watched<T> {
        Watched {
            io,
            received: Frames::after(PREFACE),
            sent: Frames::after(0),
            counts: Counts::default(),
        }
    }

    fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        let counts = &mut self.counts;
        let seen = self.received.pass(bytes, |piece| match piece {
            Piece::Begins(frame) => counts.begins(frame),
            Piece::Payload(bytes) => counts.payload(bytes),
            Piece::Ends => counts.ends(),
        });
        seen.map_err(|offence| {
            tracing::debug!(reason = offence.text(), "closed a connection of HTTP/2");
            io::Error::new(io::ErrorKind::InvalidData, offence.text())
        })
    }

    fn wrote(&mut self, bytes: &[u8]) {
        let counts = &mut self.counts;
        let seen: Result<(), std::convert::Infallible> = self.sent.pass(bytes, |piece| {
            if let Piece::Begins(frame) = piece {
                counts.sent(frame);
            }
            Ok(())
        });
        match seen {
            Ok(()) => {}
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => Poll::Ready(self.received(&buf.filled()[before..])),
            Poll::Pending => {
                self.counts.burst = 0;
                Poll::Pending
            }
            failed => failed,
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = written {
            self.wrote(buf.get(..n).unwrap_or(buf));
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(mut left)) = written {
            for buf in bufs {
                let n = left.min(buf.len());
                self.wrote(&buf[..n]);
                left -= n;
            }
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::{Offence, PREFACE, Watched};

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut out = length[1..].to_vec();
        out.extend([kind, flags]);
        out.extend_from_slice(&stream.to_be_bytes());
        out.extend_from_slice(payload);
        out
    }

    /// What a client that sends this is closed for; `answered` is sent to it meanwhile.
    fn judged(parts: &[Vec<u8>], answered: &[Vec<u8>]) -> Option<String> {
        let mut watched = Watched::client(());
        watched.received(&[b' '; PREFACE]).unwrap();
        answered.iter().for_each(|part| watched.wrote(part));
        parts.iter().find_map(|part| watched.received(part).err()).map(|error| error.to_string())
    }

    #[test]
    fn what_a_browser_does_is_no_offence() {
        let settings = frame(4, 0, 0, &[]);
        let head = |stream| frame(1, 5, stream, &[0x82]);
        let many = |part: Vec<u8>, n: usize| std::iter::repeat_n(part, n).collect::<Vec<_>>();
        let data = vec![frame(0, 0, 1, b"x"); 100];
        for (name, mut parts) in [
            ("requests", vec![head(1), head(3), head(5)]),
            ("a hundred priorities", many(frame(2, 0, 1, &[0; 5]), 100)),
            ("pings", many(frame(6, 0, 0, &[0; 8]), 900)),
            ("window updates", many(frame(8, 0, 0, &[0, 0, 0, 1]), 1000)),
            ("acknowledgements", many(frame(4, 1, 0, &[]), 5000)),
            (
                "an empty end",
                vec![frame(1, 4, 1, &[0x82]), frame(0, 0, 1, &[]), frame(0, 1, 1, &[])],
            ),
            ("trailers", vec![frame(1, 4, 1, &[0x82]), frame(1, 5, 1, &[0, 1, b'a', 1, b':'])]),
        ] {
            parts.insert(0, settings.clone());
            assert_eq!(judged(&parts, &data), None, "{name}");
        }
    }

    #[test]
    fn floods_and_false_starts_are_offences() {
        let settings = frame(4, 0, 0, &[]);
        let many = |part: Vec<u8>, n: usize| std::iter::repeat_n(part, n).collect::<Vec<_>>();
        let open = frame(1, 4, 1, &[0x82]);
        for (offence, parts) in [
            (Offence::NoSettings, vec![open.clone()]),
            (Offence::NoSettings, vec![frame(4, 1, 0, &[])]),
            (
                Offence::Control,
                [vec![settings.clone()], many(frame(6, 0, 0, &[0; 8]), 1001)].concat(),
            ),
            (Offence::Control, many(settings.clone(), 1001)),
            (
                Offence::Empty,
                vec![settings.clone(), open.clone(), frame(0, 0, 1, &[]), frame(0, 8, 1, &[1, 0])],
            ),
            (
                Offence::Priorities,
                [vec![settings.clone()], many(frame(2, 0, 1, &[0; 5]), 101)].concat(),
            ),
            (
                Offence::WindowUpdates,
                [vec![settings.clone()], many(frame(8, 0, 0, &[0; 4]), 6)].concat(),
            ),
            (Offence::Trailers, vec![settings.clone(), open.clone(), frame(1, 5, 1, &[0x82])]),
            (
                Offence::Trailers,
                vec![
                    settings.clone(),
                    open.clone(),
                    frame(1, 1, 1, &[0]),
                    frame(9, 4, 1, &[2, b':', b'm', 0]),
                ],
            ),
            (
                Offence::Trailers,
                [
                    vec![settings, open, frame(1, 1, 1, &[0])],
                    many(frame(9, 0, 1, &[b'x'; 16_000]), 4),
                ]
                .concat(),
            ),
        ] {
            assert_eq!(judged(&parts, &[]).as_deref(), Some(offence.text()));
        }
    }

    #[test]
    fn what_was_answered_counts_no_more() {
        let mut watched = Watched::client(());
        watched.received(&[b' '; PREFACE]).unwrap();
        watched.received(&frame(4, 0, 0, &[])).unwrap();
        for _ in 0..5000 {
            watched.received(&frame(6, 0, 0, &[0; 8])).unwrap();
            watched.wrote(&frame(6, 1, 0, &[0; 8]));
            // As when there is nothing more to read.
            watched.counts.burst = 0;
        }
    }
}
