//! One HTTP/1.1 connection, downstream or upstream: its socket and the buffers that live with it.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::timeout;

use super::{Decoder, Encoder, Fault, Incoming, Limits, Outgoing, parse_request, parse_response};
use crate::fields::{Request, Response};
use crate::wire::Wire;

/// A connection between messages.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) wire: Wire,
    /// Bytes that arrived and belong to no message yet (pipelined requests).
    pub(crate) input: BytesMut,
    out: Vec<u8>,
    pub(crate) limits: Limits,
    /// Trailers are passed on, both ways; they are dropped otherwise.
    pub(crate) trailers: bool,
}

/// How waiting for a request ended.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A head, and how its body is framed.
    Head(Decoder),
    /// The client closed, or was silent for the whole idle time: close without a word.
    Over,
    /// The head began and did not end in time: 408.
    Late,
    /// The head is refused.
    Fault(Fault),
}

impl Link {
    /// A connection whose first bytes, `input`, were already read.
    pub(crate) fn new(wire: Wire, input: BytesMut) -> Link {
        Link { wire, input, out: Vec::new(), limits: Limits::default(), trailers: false }
    }

    /// Both halves for one message exchange.
    pub(crate) fn split(
        &mut self,
        decoder: Decoder,
        encoder: Encoder,
    ) -> (Incoming<'_>, Outgoing<'_>) {
        (
            Incoming { wire: &self.wire, input: &mut self.input, decoder, trailers: self.trailers },
            Outgoing { wire: &self.wire, out: &mut self.out, encoder, trailers: self.trailers },
        )
    }

    /// Waits for the next request: `idle` for its first byte, then `head` for the whole of it; `None`
    /// waits for ever.
    pub(crate) async fn request(
        &mut self,
        request: &mut Request,
        idle: Option<Duration>,
        head: Option<Duration>,
    ) -> Arrival {
        // Empty lines before a request are tolerated (RFC 9112 section 2.2).
        self.skip_empty_lines();
        if self.input.is_empty() {
            let first = async {
                loop {
                    let n = self.wire.read(&mut self.input).await?;
                    self.input.advance(leading_line_ends(&self.input));
                    if n == 0 || !self.input.is_empty() {
                        return io::Result::Ok(n);
                    }
                }
            };
            let first = match idle {
                Some(idle) => timeout(idle, first).await.unwrap_or(Ok(0)),
                None => first.await,
            };
            if !matches!(first, Ok(n) if n > 0) {
                return Arrival::Over;
            }
        }
        // Nearly always the head came whole: no timer is made then.
        match parse_request(&self.input, self.limits, request) {
            Ok(Some((length, decoder))) => {
                self.input.advance(length);
                return Arrival::Head(decoder);
            }
            Ok(None) => {}
            Err(fault) => return Arrival::Fault(fault),
        }
        let rest = self.rest_of_request(request);
        match head {
            Some(head) => timeout(head, rest).await.unwrap_or(Arrival::Late),
            None => rest.await,
        }
    }

    async fn rest_of_request(&mut self, request: &mut Request) -> Arrival {
        loop {
            let seen = self.input.len();
            match self.wire.read(&mut self.input).await {
                Ok(0) | Err(_) => return Arrival::Over,
                Ok(_) => {}
            }
            if !worth_parsing(&self.input, seen, self.limits.bytes) {
                continue;
            }
            match parse_request(&self.input, self.limits, request) {
                Ok(Some((length, decoder))) => {
                    self.input.advance(length);
                    return Arrival::Head(decoder);
                }
                Ok(None) => {}
                Err(fault) => return Arrival::Fault(fault),
            }
        }
    }

    fn skip_empty_lines(&mut self) {
        let n = leading_line_ends(&self.input);
        self.input.advance(n);
    }
}

fn leading_line_ends(input: &[u8]) -> usize {
    input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// A head that trickles in is parsed again only when it may be whole or too long, so that a slow
/// sender cannot make us parse it once per byte. `seen` bytes were looked at before.
fn worth_parsing(input: &[u8], seen: usize, most: usize) -> bool {
    let from = seen.saturating_sub(3);
    input.len() > most
        || input[from..].windows(2).any(|pair| pair == b"\n\n")
        || input[from..].windows(3).any(|end| end == b"\n\r\n")
}

/// Reads a response head on the upstream side; `Ok(false)` when the connection ended before its
/// first byte, which is what makes a retry on another connection safe. After a 1xx other than 101 call it
/// again.
/// Safe to cancel.
pub(crate) async fn response_head(
    incoming: &mut Incoming<'_>,
    to_head: bool,
    response: &mut Response,
) -> io::Result<bool> {
    loop {
        let parsed = if incoming.input.is_empty() {
            Ok(None)
        } else {
            parse_response(incoming.input, to_head, response)
        };
        match parsed {
            Ok(Some((length, decoder))) => {
                incoming.input.advance(length);
                if (100..200).contains(&response.status) && response.status != 101 {
                    // The one that counts follows.
                    return Ok(true);
                }
                incoming.decoder = decoder;
                return Ok(true);
            }
            Ok(None) => {
                if incoming.wire.read(incoming.input).await? == 0 {
                    if incoming.input.is_empty() {
                        return Ok(false);
                    }
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "cut response head"));
                }
            }
            Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "response head")),
        }
    }
}
