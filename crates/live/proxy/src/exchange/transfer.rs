//! One exchange on one upstream connection: request up, head back, body down, both directions at once.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

use traffic::Fault;

use super::deadlines::Deadlines;

use crate::fields::{Fields, Response};
use crate::flow::{PumpError, Sink, Source, download};
use crate::h1::{Decoder, Incoming, link::response_head};
use crate::h2;
use crate::respond::{Responder, Size};

/// Where the response comes from, until its head is there.
#[derive(Debug)]
pub(crate) enum Reader<'a> {
    H1(Incoming<'a>),
    H2(::h2::client::ResponseFuture),
    /// The head came with its body's stream.
    Stream(::h2::RecvStream),
}

impl<'a> Reader<'a> {
    /// Reads the head; `Ok(false)` when the connection ended before its first byte. Safe to cancel.
    async fn head(&mut self, to_head: bool, response: &mut Response) -> io::Result<bool> {
        match self {
            Reader::H1(incoming) => response_head(incoming, to_head, response).await,
            Reader::H2(future) => {
                let arrived = poll_fn(|cx| match future.poll_informational(cx) {
                    Poll::Ready(Some(Ok(interim))) => Poll::Ready(Err(interim.status())),
                    _ => Pin::new(&mut *future).poll(cx).map(Ok),
                });
                let (parts, body) = match arrived.await {
                    Ok(whole) => whole.map_err(h2::io_error)?.into_parts(),
                    Err(interim) => {
                        response.status = interim.as_u16();
                        return Ok(true);
                    }
                };
                h2::from_response(&parts, response);
                *self = Reader::Stream(body);
                Ok(true)
            }
            Reader::Stream(_) => Ok(true),
        }
    }

    /// The body, and what is known about its size.
    pub(crate) fn into_body(self, response: &Response) -> (Source<'a>, Size) {
        match self {
            Reader::H1(incoming) => {
                let size = match incoming.decoder {
                    Decoder::Done => Size::Empty,
                    Decoder::Exact(size) => Size::Exact(size),
                    Decoder::Chunked(_) | Decoder::UntilClose => Size::Unknown,
                };
                (Source::H1(incoming), size)
            }
            Reader::H2(_) => (Source::Empty, Size::Empty),
            Reader::Stream(body) if body.is_end_stream() => (Source::Empty, Size::Empty),
            Reader::Stream(body) => {
                let length =
                    response.fields.text("content-length").and_then(|text| text.parse().ok());
                (Source::H2(body), length.map_or(Size::Unknown, Size::Exact))
            }
        }
    }
}

/// A request on its way up, as one pinned future that goes on while the response comes down.
pub(crate) struct Upload<'f> {
    pub(crate) future: Pin<&'f mut dyn Future<Output = Result<(), PumpError>>>,
    /// How it ended; `None` while it goes.
    pub(crate) ended: Option<Result<(), PumpError>>,
}

impl Upload<'_> {
    /// All of the request was sent.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.ended, Some(Ok(())))
    }

    /// Moves it on; completes once, when it ends.
    async fn go_on(&mut self) {
        if self.ended.is_some() {
            std::future::pending::<()>().await;
        }
        let ended = poll_fn(|cx| self.future.as_mut().poll(cx)).await;
        self.ended = Some(ended);
    }
}

/// How waiting for a response head ended.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// There it is.
    Head,
    /// The upstream closed without a byte of a response.
    Closed,
    /// The upstream broke off, or broke the protocol.
    Broken(io::Error),
    /// A deadline passed.
    Late(Fault),
    /// The client went away.
    Left,
    /// The client's body broke its framing.
    Malformed,
}

/// Sends the request and waits for the response's head. Without a responder no client waits for it;
/// with `interim` it is told when the upstream says `100 Continue`.
pub(crate) async fn await_head(
    upload: &mut Upload<'_>,
    reader: &mut Reader<'_>,
    mut responder: Option<&mut Responder<'_>>,
    deadlines: &Deadlines,
    (to_head, interim, response): (bool, bool, &mut Response),
) -> Arrived {
    loop {
        let sending = upload.ended.is_none();
        // While the client sends, its departure shows as the end of its body.
        let watched = !sending && responder.is_some();
        tokio::select! {
            biased;
            () = upload.go_on(), if sending => match &upload.ended {
                Some(Ok(())) => deadlines.request_complete(),
                Some(Err(PumpError::Source(error))) if error.kind() == io::ErrorKind::InvalidData => {
                    return Arrived::Malformed;
                }
                Some(Err(PumpError::Source(_))) => return Arrived::Left,
                // The upstream may have answered early and closed: its answer counts.
                Some(Err(PumpError::Sink)) | None => {}
            },
            read = reader.head(to_head, response) => return match read {
                // An interim answer is the client's when it is the one to say whether it goes on.
                Ok(true) if is_interim(response.status) => {
                    if response.status == 100
                        && let Some(waiting) = responder.as_mut().filter(|_| interim)
                        && waiting.proceed().await.is_err()
                    {
                        return Arrived::Left;
                    }
                    deadlines.touch();
                    continue;
                }
                Ok(true) => {
                    deadlines.touch();
                    Arrived::Head
                }
                Ok(false) => Arrived::Closed,
                Err(error) => Arrived::Broken(error),
            },
            () = gone(&mut responder), if watched => return Arrived::Left,
            late = deadlines.passed(true) => return Arrived::Late(late),
        }
    }
}

/// A response that another one follows.
fn is_interim(status: u16) -> bool {
    (100..200).contains(&status) && status != 101
}

async fn gone(responder: &mut Option<&mut Responder<'_>>) {
    match responder {
        Some(responder) => responder.gone().await,
        None => std::future::pending().await,
    }
}

/// How sending the body down ended.
#[derive(Debug)]
pub(crate) enum Sent {
    /// All of it arrived.
    Whole,
    /// The upstream broke off.
    Broken(io::Error),
    /// The client went away.
    Left,
    /// A deadline passed.
    Late(Fault),
}

/// Moves the response body down while the rest of the request goes up.
pub(crate) async fn send_body(
    upload: &mut Upload<'_>,
    source: &mut Source<'_>,
    sink: &mut Sink<'_>,
    deadlines: &Deadlines,
    (bytes, trailers): (&Cell<u64>, &mut Option<Fields>),
) -> Sent {
    let mut down = pin!(download(source, sink, deadlines, (bytes, trailers)));
    loop {
        let sending = upload.ended.is_none();
        tokio::select! {
            biased;
            ended = &mut down => return match ended {
                Ok(()) => Sent::Whole,
                Err(PumpError::Source(error)) => Sent::Broken(error),
                Err(PumpError::Sink) => Sent::Left,
            },
            () = upload.go_on(), if sending => match &upload.ended {
                Some(Ok(())) => deadlines.request_complete(),
                Some(Err(PumpError::Source(_))) => return Sent::Left,
                Some(Err(PumpError::Sink)) | None => {}
            },
            late = deadlines.passed(false) => return Sent::Late(late),
        }
    }
}

/// Gives the upload one more chance to notice that it is complete: a response often arrives in the
/// same moment as the last acknowledgement.
pub(crate) async fn settle(upload: &mut Upload<'_>) {
    if upload.ended.is_none() {
        let future = &mut upload.future;
        let ended = poll_fn(|cx| {
            Poll::Ready(match future.as_mut().poll(cx) {
                Poll::Ready(ended) => Some(ended),
                Poll::Pending => None,
            })
        })
        .await;
        upload.ended = ended;
    }
}
