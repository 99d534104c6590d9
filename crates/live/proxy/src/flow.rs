//! Bodies in motion: a frame, where frames come from, where they go, and the pump between.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use bytes::Bytes;

use crate::exchange::deadlines::Deadlines;
use crate::fields::Fields;
use crate::{h1, h2};

/// A piece of a body.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// Bytes.
    Data(Bytes),
    /// The trailer fields; nothing follows.
    Trailers(Fields),
}

/// Where a body comes from.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    /// There is none.
    Empty,
    /// An HTTP/1.1 connection.
    H1(h1::Incoming<'a>),
    /// An HTTP/2 stream.
    H2(::h2::RecvStream),
}

impl Source<'_> {
    /// The next frame, `None` at the end. Safe to cancel.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Frame>> {
        match self {
            Source::Empty => Ok(None),
            Source::H1(incoming) => incoming.next().await,
            Source::H2(stream) => h2::next_frame(stream).await,
        }
    }

    /// The end was reached: nothing of this message is left on the connection.
    pub(crate) fn is_end(&self) -> bool {
        match self {
            Source::Empty => true,
            Source::H1(incoming) => incoming.decoder.is_done(),
            Source::H2(stream) => stream.is_end_stream(),
        }
    }
}

/// Where a body goes.
#[derive(Debug)]
pub(crate) enum Sink<'a> {
    /// An HTTP/1.1 connection.
    H1(h1::Outgoing<'a>),
    /// An HTTP/2 stream.
    H2(::h2::SendStream<Bytes>),
    /// Nowhere: the head already ended the message.
    Closed,
}

impl Sink<'_> {
    /// Sends a piece; a small one may wait for [`Sink::flush`] or [`Sink::finish`].
    pub(crate) async fn data(&mut self, data: Bytes) -> io::Result<()> {
        match self {
            Sink::H1(outgoing) => outgoing.data(data).await,
            Sink::H2(stream) => h2::send_data(stream, data).await,
            Sink::Closed => Ok(()),
        }
    }

    /// Ends the message.
    pub(crate) async fn finish(&mut self, trailers: Option<&Fields>) -> io::Result<()> {
        match self {
            Sink::H1(outgoing) => outgoing.finish(trailers).await,
            Sink::H2(stream) => h2::send_end(stream, trailers),
            Sink::Closed => Ok(()),
        }
    }

    /// Sends what waits, if anything.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::H1(outgoing) if outgoing.is_waiting() => outgoing.flush().await,
            _ => Ok(()),
        }
    }

    /// Breaks the message off, so that the reader cannot take it for whole.
    pub(crate) fn abort(&mut self) {
        match self {
            // Where a length or chunks frame the body, its early end shows by itself.
            Sink::H1(outgoing) if outgoing.ends_with_connection() => {
                outgoing.wire.reset_on_close();
            }
            Sink::H1(_) => {}
            Sink::H2(stream) => stream.send_reset(::h2::Reason::INTERNAL_ERROR),
            Sink::Closed => {}
        }
    }
}

/// Which side a pump failed on.
#[derive(Debug)]
pub(crate) enum PumpError {
    /// The source broke off.
    Source(io::Error),
    /// The sink took no more. Why does not matter: what the other side says next does.
    Sink,
}

/// A request body that may have to be sent twice: what was read is kept up to a bound.
#[derive(Debug)]
pub(crate) struct Replay<'a> {
    source: Source<'a>,
    kept: Vec<Frame>,
    kept_bytes: usize,
    /// `None` once more than the bound was read: this body can no longer be replayed.
    bound: Option<usize>,
    position: usize,
    progress: &'a Progress,
    loan: Option<Loan<'a>>,
}

/// Each request keeps so many bytes without asking.
const FREE_BYTES: usize = 64 * 1024;
/// The requests of one worker keep so many more bytes together.
const LENT_BYTES: usize = 64 * 1024 * 1024;

/// What a request keeps beyond its own part; given back when it is dropped.
#[derive(Debug)]
struct Loan<'a> {
    lent: &'a std::cell::Cell<usize>,
    bytes: usize,
}

impl Loan<'_> {
    /// Holds what `kept` bytes need; false when there is not enough left.
    fn covers(&mut self, kept: usize) -> bool {
        let more = kept.saturating_sub(FREE_BYTES).saturating_sub(self.bytes);
        if self.lent.get() + more > LENT_BYTES {
            return false;
        }
        self.lent.set(self.lent.get() + more);
        self.bytes += more;
        true
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.lent.set(self.lent.get() - self.bytes);
    }
}

/// What became of a request body, visible while a pump holds it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The whole body was read from the client.
    ended: std::cell::Cell<bool>,
    /// Something was read and not kept.
    lost: std::cell::Cell<bool>,
    /// Bytes read from the client.
    pub(crate) bytes: std::cell::Cell<u64>,
}

impl Progress {
    /// Everything read so far can be sent again.
    pub(crate) fn can_replay(&self) -> bool {
        !self.lost.get()
    }

    /// The whole body was read from the client.
    pub(crate) fn is_read(&self) -> bool {
        self.ended.get()
    }
}

impl<'a> Replay<'a> {
    /// Keeps up to `bound` bytes; 0 keeps nothing.
    pub(crate) fn new(source: Source<'a>, bound: usize, progress: &'a Progress) -> Replay<'a> {
        progress.ended.set(source.is_end());
        Replay {
            source,
            kept: Vec::new(),
            kept_bytes: 0,
            bound: (bound > 0).then_some(bound),
            position: 0,
            progress,
            loan: None,
        }
    }

    /// Counts what it keeps in what the requests of a worker keep together.
    pub(crate) fn borrowing(mut self, lent: &'a std::cell::Cell<usize>) -> Replay<'a> {
        self.loan = Some(Loan { lent, bytes: 0 });
        self
    }

    /// A body that was kept whole, once more.
    pub(crate) fn replaying(kept: Vec<Frame>, progress: &'a Progress) -> Replay<'a> {
        let mut replay = Replay::new(Source::Empty, 0, progress);
        replay.kept = kept;
        replay
    }

    /// Starts again from the first byte.
    pub(crate) fn rewind(&mut self) {
        self.position = 0;
    }

    /// The whole body was read from the client.
    pub(crate) fn is_read(&self) -> bool {
        self.progress.is_read()
    }

    /// The body is empty and its end is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.progress.is_read() && self.kept.is_empty() && self.progress.can_replay()
    }

    /// What the rest of it comes from; the parts that were read are left out.
    pub(crate) fn into_source(self) -> Source<'a> {
        self.source
    }

    /// The whole body, if it was read and kept: for mirrors.
    pub(crate) fn kept(&self) -> Option<&[Frame]> {
        (self.progress.can_replay() && self.progress.is_read()).then_some(self.kept.as_slice())
    }

    /// Reads and drops what has arrived already, so that a small body does not cost the connection.
    pub(crate) async fn skip_arrived(&mut self) {
        self.bound = None;
        while !self.progress.is_read() {
            if !matches!(now_or_never(self.next()).await, Some(Ok(Some(_)))) {
                return;
            }
        }
    }

    /// Reads and drops what has arrived already without counting it: it came to an answer that did not wait for it.
    pub(crate) async fn discard_arrived(&mut self) {
        let heeded = self.progress.bytes.get();
        self.skip_arrived().await;
        self.progress.bytes.set(heeded);
    }

    async fn next(&mut self) -> io::Result<Option<Frame>> {
        if let Some(frame) = self.kept.get(self.position) {
            self.position += 1;
            return Ok(Some(frame.clone()));
        }
        if self.progress.is_read() {
            return Ok(None);
        }
        let frame = self.source.next().await?;
        self.progress.ended.set(frame.is_none() || self.source.is_end());
        if let Some(Frame::Data(data)) = &frame {
            self.progress.bytes.set(self.progress.bytes.get() + data.len() as u64);
        }
        match (&frame, self.bound) {
            (None, _) => {}
            (Some(frame), Some(bound)) => {
                self.kept_bytes += match frame {
                    Frame::Data(data) => data.len(),
                    Frame::Trailers(fields) => fields.bytes(),
                };
                let kept = self.kept_bytes;
                let covered = self.loan.as_mut().is_none_or(|loan| loan.covers(kept));
                if kept > bound || !covered {
                    self.bound = None;
                    self.loan = None;
                    self.progress.lost.set(true);
                    self.kept = Vec::new();
                    self.position = 0;
                } else {
                    self.kept.push(frame.clone());
                    self.position = self.kept.len();
                }
            }
            (Some(_), None) => self.progress.lost.set(true),
        }
        Ok(frame)
    }
}

/// Moves the request body upstream.
pub(crate) async fn upload(
    body: &mut Replay<'_>,
    sink: &mut Sink<'_>,
    deadlines: &Deadlines,
) -> Result<(), PumpError> {
    loop {
        // What was gathered leaves when there is nothing more to gather at once.
        let frame = match now_or_never(body.next()).await {
            Some(frame) => frame,
            None => {
                sink.flush().await.map_err(|_| PumpError::Sink)?;
                body.next().await
            }
        };
        deadlines.touch();
        match frame.map_err(PumpError::Source)? {
            Some(Frame::Data(data)) => {
                sink.data(data).await.map_err(|_| PumpError::Sink)?;
            }
            Some(Frame::Trailers(fields)) => {
                return sink.finish(Some(&fields)).await.map_err(|_| PumpError::Sink);
            }
            None => return sink.finish(None).await.map_err(|_| PumpError::Sink),
        }
    }
}

/// Moves the response body downstream. Counts what it moved in `bytes`; `last` keeps the trailers.
pub(crate) async fn download(
    source: &mut Source<'_>,
    sink: &mut Sink<'_>,
    deadlines: &Deadlines,
    (bytes, last): (&std::cell::Cell<u64>, &mut Option<Fields>),
) -> Result<(), PumpError> {
    loop {
        let frame = match now_or_never(source.next()).await {
            Some(frame) => frame,
            None => {
                sink.flush().await.map_err(|_| PumpError::Sink)?;
                source.next().await
            }
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                // What did come is the client's, though more was promised.
                let _ = sink.flush().await;
                return Err(PumpError::Source(error));
            }
        };
        deadlines.touch();
        match frame {
            Some(Frame::Data(data)) => {
                bytes.set(bytes.get() + data.len() as u64);
                sink.data(data).await.map_err(|_| PumpError::Sink)?;
            }
            Some(Frame::Trailers(fields)) => {
                let sent = sink.finish(Some(&fields)).await.map_err(|_| PumpError::Sink);
                *last = Some(fields);
                return sent;
            }
            None => return sink.finish(None).await.map_err(|_| PumpError::Sink),
        }
    }
}

/// Completes at once if `future` is ready now, else gives `None` and drops it.
pub(crate) async fn now_or_never<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{FREE_BYTES, LENT_BYTES, Loan};

    #[test]
    fn what_is_kept_for_retries_is_bounded_for_all_together() {
        let lent = std::cell::Cell::new(0);
        let mut first = Loan { lent: &lent, bytes: 0 };
        assert!(first.covers(FREE_BYTES));
        assert_eq!(lent.get(), 0, "everyone's own part is not counted");
        assert!(first.covers(FREE_BYTES + LENT_BYTES - 10));
        let mut second = Loan { lent: &lent, bytes: 0 };
        assert!(second.covers(FREE_BYTES + 10));
        assert!(!second.covers(FREE_BYTES + 11));
        assert!(second.covers(FREE_BYTES));
        drop(first);
        assert!(second.covers(FREE_BYTES + 11));
        drop(second);
        assert_eq!(lent.get(), 0);
    }
}
