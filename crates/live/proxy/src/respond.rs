//! Sending a response head downstream, in whichever protocol the client speaks.

use std::future::poll_fn;
use std::io;

use bytes::Bytes;

use crate::fields::{Fields, Response};
use crate::flow::Sink;
use crate::{h1, h2};

/// What is known about the size of a response body before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// There is none.
    Empty,
    /// This many bytes.
    Exact(u64),
    /// It ends when it ends.
    Unknown,
}

/// How a response has to be sent, apart from its head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// It answers a HEAD request: no body, whatever its length says.
    pub(crate) to_head: bool,
    /// The client knows no chunks.
    pub(crate) http10: bool,
    /// The connection ends after it.
    pub(crate) close: bool,
}

/// The way back to a client, until the head of the response is sent.
#[derive(Debug)]
pub(crate) enum Responder<'a> {
    /// HTTP/1.1.
    H1(h1::Outgoing<'a>),
    /// An HTTP/2 stream.
    H2(::h2::server::SendResponse<Bytes>),
}

impl<'a> Responder<'a> {
    /// Tells a waiting client to send its body.
    pub(crate) async fn proceed(&mut self) -> io::Result<()> {
        match self {
            Responder::H1(outgoing) => {
                outgoing.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                outgoing.flush().await
            }
            Responder::H2(stream) => {
                let mut interim = http::Response::new(());
                *interim.status_mut() = http::StatusCode::CONTINUE;
                stream.send_informational(interim).map_err(h2::io_error)
            }
        }
    }

    /// Completes when the client has gone away.
    pub(crate) async fn gone(&mut self) {
        match self {
            Responder::H1(outgoing) => outgoing.wire.gone().await,
            Responder::H2(stream) => {
                let _ = poll_fn(|cx| stream.poll_reset(cx)).await;
            }
        }
    }

    /// Sends the head; the body goes into the sink, which must be finished even when it is empty.
    pub(crate) fn send(
        self,
        response: &mut Response,
        size: Size,
        manner: Manner,
    ) -> io::Result<Sink<'a>> {
        let bodiless = manner.to_head || matches!(response.status, 100..200 | 204 | 304);
        match self {
            Responder::H1(mut outgoing) => {
                if matches!(response.status, 100..200 | 204) {
                    response.fields.remove("content-length");
                }
                let is_empty = matches!(response.status, 100..200 | 204 | 304);
                let announces_chunks = manner.to_head && !manner.http10 && !is_empty;
                let body = (bodiless, announces_chunks);
                outgoing.encoder = h1_encoder(&mut response.fields, size, body);
                let unframed = manner.http10 && matches!(outgoing.encoder, h1::Encoder::Chunked);
                if unframed {
                    outgoing.encoder = h1::Encoder::UntilClose;
                }
                let close = manner.close || unframed;
                // Where HTTP/1.0 is not spoken the client is told so in HTTP/1.1.
                let http10 = manner.http10 && response.status != 426;
                h1::write_response(response, &outgoing.encoder, (http10, close), outgoing.out);
                Ok(Sink::H1(outgoing))
            }
            Responder::H2(mut stream) => {
                let end = bodiless || size == Size::Empty;
                let sent = stream.send_response(h2::to_response(response), end);
                let sent = sent.map_err(h2::io_error)?;
                Ok(if end { Sink::Closed } else { Sink::H2(sent) })
            }
        }
    }

    /// Switches protocols: after this head the connection is a byte stream, or this stream of HTTP/2,
    /// whose sending half comes back.
    pub(crate) async fn switch(
        self,
        response: &mut Response,
    ) -> io::Result<Option<::h2::SendStream<Bytes>>> {
        // A stream of bytes has no length.
        response.fields.remove("content-length");
        match self {
            Responder::H1(mut outgoing) => {
                let manner = (false, false);
                h1::write_response(response, &h1::Encoder::UntilClose, manner, outgoing.out);
                outgoing.flush().await.map(|()| None)
            }
            Responder::H2(mut stream) => {
                // Switching is answered with success there (RFC 8441 section 5).
                response.status = 200;
                let sent = stream.send_response(h2::to_response(response), false);
                sent.map(Some).map_err(h2::io_error)
            }
        }
    }
}

/// `announces_chunks`: what has no body would have been sent in chunks, as far as is known.
fn h1_encoder(
    fields: &mut Fields,
    size: Size,
    (bodiless, announces_chunks): (bool, bool),
) -> h1::Encoder {
    if bodiless {
        if announces_chunks && fields.value("content-length").is_none() {
            fields.append("transfer-encoding", b"chunked");
        }
        return h1::Encoder::Exact(0);
    }
    match size {
        Size::Empty => {
            fields.set("content-length", b"0");
            h1::Encoder::Exact(0)
        }
        Size::Exact(size) => {
            if fields.value("content-length").is_none() {
                fields.append("content-length", size.to_string().as_bytes());
            }
            h1::Encoder::Exact(size)
        }
        Size::Unknown => h1::Encoder::Chunked,
    }
}
