//! A stream of HTTP/2 that became a tunnel: its frames on one side, a connection's bytes on the other.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::deadlines::Deadlines;
use super::{Link, Upgraded};
use crate::flow::{Frame, Source};
use crate::h2;

/// Carries bytes both ways until both directions ended, one broke, or nothing moved for `idle`.
pub(super) async fn carry(mut source: Source<'_>, upgraded: Upgraded, idle: Option<Duration>) {
    let Upgraded { lease, client: Some(mut client) } = upgraded else { return };
    let Link { wire, input, .. } = lease.link;
    let deadlines = Deadlines::silence(idle);
    let up = async {
        loop {
            let frame = source.next().await?;
            deadlines.touch();
            match frame {
                Some(Frame::Data(data)) => wire.write(&data, &[]).await?,
                Some(Frame::Trailers(_)) | None => {
                    wire.finish_writing();
                    return io::Result::Ok(());
                }
            }
        }
    };
    let down = async {
        let mut input: BytesMut = input;
        loop {
            if !input.is_empty() {
                let data: Bytes = input.split().freeze();
                h2::send_data(&mut client, data).await?;
            }
            if wire.read(&mut input).await? == 0 {
                return h2::send_end(&mut client, None);
            }
            deadlines.touch();
        }
    };
    let both = async { tokio::try_join!(up, down).map(|_| ()) };
    let ended = tokio::select! {
        ended = both => ended,
        _ = deadlines.passed(false) => Err(io::ErrorKind::TimedOut.into()),
    };
    if ended.is_err() {
        // Neither side may take a broken stream for a finished one.
        wire.reset_on_close();
        client.send_reset(::h2::Reason::CONNECT_ERROR);
    }
}
