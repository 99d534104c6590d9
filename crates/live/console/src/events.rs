//! The stream that tells a page when to look again: Server-Sent Events.
//!
//! Spec: <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::serve::raised;

/// Least time between two events of a stream: at most four a second.
const PAUSE: Duration = Duration::from_millis(250);
/// After this long without a change a comment is sent, so that a client that went away is noticed.
const BEAT: Duration = Duration::from_secs(15);

/// How far the cluster has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    /// Counts what may look different.
    pub(crate) count: u64,
    /// When an object last changed.
    pub(crate) moved: Instant,
}

/// What a stream needs from one event to the next.
struct Follower<N> {
    changes: watch::Receiver<Change>,
    stop: watch::Receiver<bool>,
    name: N,
    fresh: bool,
    _permit: OwnedSemaphorePermit,
}

/// A stream of events: first where things stand now, then one for all changes since the last.
///
/// Each has the `name` of the change as its id, by which a page knows whether it shows it already.
/// Ends when `stop` is raised or `changes` has no sender any more; gives `permit` back then.
pub(crate) fn events<N>(
    changes: watch::Receiver<Change>,
    stop: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
    name: N,
) -> impl Stream<Item = Bytes> + Send + 'static
where
    N: Fn(u64) -> String + Send + 'static,
{
    let follower = Follower { changes, stop, name, fresh: true, _permit: permit };
    stream::unfold(follower, |mut follower| async move {
        let text = follower.next().await?;
        Some((Bytes::from(text), follower))
    })
}

impl<N: Fn(u64) -> String> Follower<N> {
    async fn next(&mut self) -> Option<String> {
        let Follower { changes, stop, fresh, name, .. } = self;
        let first = std::mem::take(fresh);
        if !first {
            let changed = async {
                sleep(PAUSE).await;
                timeout(BEAT, changes.changed()).await
            };
            let changed = tokio::select! {
                () = raised(stop) => return None,
                changed = changed => changed,
            };
            match changed {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some(":\n\n".to_owned()),
            }
        }
        let id = name(changes.borrow_and_update().count);
        let retry = if first { "retry: 1000\n" } else { "" };
        Some(format!("{retry}id: {id}\ndata: changed\n\n"))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;

    use futures_util::StreamExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_changes_is_told_four_times_a_second() {
        let (change, changes) = watch::channel(Change { count: 7, moved: Instant::now() });
        let (_stop, stop) = watch::channel(false);
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let mut events = pin!(events(changes, stop, permit, |at| format!("x-{at}")));
        assert_eq!(events.next().await.unwrap(), "retry: 1000\nid: x-7\ndata: changed\n\n");
        let begin = Instant::now();
        let burst = async {
            for _ in 0..1000 {
                change.send_modify(|at| at.count += 1);
                sleep(Duration::from_millis(1)).await;
            }
        };
        let told = async {
            let mut told = Vec::new();
            loop {
                let event = events.next().await.unwrap();
                told.push((begin.elapsed(), event.clone()));
                if event.starts_with(b"id: x-1007\n") {
                    return told;
                }
            }
        };
        let ((), told) = tokio::join!(burst, told);
        assert!(told.len() <= 5, "{told:?}");
        assert!(told.windows(2).all(|two| two[1].0 - two[0].0 >= PAUSE), "{told:?}");
        assert!(begin.elapsed() <= Duration::from_millis(1300), "the last change waits no longer");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_broken_by_comments_and_ended_by_stop() {
        let (_change, changes) = watch::channel(Change { count: 0, moved: Instant::now() });
        let (stop, stopped) = watch::channel(false);
        let room = Arc::new(Semaphore::new(1));
        let permit = room.clone().acquire_owned().await.unwrap();
        {
            let mut events = pin!(events(changes, stopped, permit, |at| at.to_string()));
            events.next().await.unwrap();
            assert_eq!(events.next().await.unwrap(), ":\n\n");
            stop.send_replace(true);
            assert_eq!(events.next().await, None);
        }
        assert_eq!(room.available_permits(), 1);
    }
}
