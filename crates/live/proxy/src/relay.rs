//! Bytes both ways between two sockets, each direction ending on its own (half-close).

use std::cell::Cell;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, sleep_until};

use crate::wire::Wire;

/// What moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// From the client.
    pub(crate) received: u64,
    /// To the client.
    pub(crate) sent: u64,
}

/// Relays until both directions ended, one broke, or nothing moved for `idle`. The first bytes of
/// each direction may have been read already.
pub(crate) async fn relay(
    client: (&Wire, BytesMut),
    upstream: (&Wire, BytesMut),
    idle: Option<Duration>,
) -> (Moved, io::Result<()>) {
    let (received, sent) = (Cell::new(0), Cell::new(0));
    let last = Cell::new(Instant::now());
    let forth = copy(client.0, upstream.0, client.1, &received, &last);
    let back = copy(upstream.0, client.0, upstream.1, &sent, &last);
    let both = async { tokio::try_join!(forth, back).map(|_| ()) };
    let result = match idle {
        None => both.await,
        Some(idle) => {
            tokio::select! {
                result = both => result,
                () = silence(&last, idle) => Err(io::ErrorKind::TimedOut.into()),
            }
        }
    };
    (Moved { received: received.get(), sent: sent.get() }, result)
}

async fn copy(
    from: &Wire,
    to: &Wire,
    mut buf: BytesMut,
    moved: &Cell<u64>,
    last: &Cell<Instant>,
) -> io::Result<()> {
    loop {
        if !buf.is_empty() {
            to.write(&buf, &[]).await?;
            moved.set(moved.get() + buf.len() as u64);
            buf.clear();
        }
        let n = from.read(&mut buf).await?;
        last.set(Instant::now());
        if n == 0 {
            to.finish_writing();
            return Ok(());
        }
    }
}

async fn silence(last: &Cell<Instant>, idle: Duration) {
    loop {
        let until = last.get() + idle;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}
