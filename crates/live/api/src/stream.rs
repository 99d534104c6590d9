//! Watches: frames, one to a line, as long as the client stays.
//!
//! A watcher keeps no queue. It remembers the revision that it has told, and when more is durable
//! it reads on in the store's own record of events. One that reads too slowly finds its place
//! forgotten there, is told so (410) and ended.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::Frame as BodyFrame;
use http_body_util::{BodyExt as _, StreamBody};
use jiff::Timestamp;
use objects::{
    Cause, Form, Frame, FrameKind, IncludeObject, Reason, Status, Target, Watcher, document,
};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use crate::answer::Body;
use crate::keeper::{Committed, Keeper};
use crate::query::Query;
use crate::read;
use crate::service::{Call, Service};
use crate::stop::raised;

/// Idle watchers are told this often how far the store is, so that they resume from there.
const BOOKMARK: Duration = Duration::from_secs(50);
/// A watch without a timeout of its own ends after this long; clients begin anew.
const LONGEST: Duration = Duration::from_secs(3600);
/// Frames that are ready leave together, up to about this size.
const CHUNK_BYTES: usize = 64 * 1024;

/// Begins a watch.
pub(crate) async fn watch(
    service: &Service,
    target: &Target,
    call: &Call,
) -> Result<Response<Body>, Status> {
    let query = &call.query;
    let begin = Begin::of(query)?;
    let form = read::form(&call.wanted, query)?;
    let timeout = query.seconds("timeoutSeconds").map_err(Status::bad_request)?;
    let mut selectors = read::selectors(target, query)?;
    if !target.name.is_empty() {
        selectors.fields.narrow_to_name(&target.name);
    }
    let watcher = Watcher {
        resource: target.resource,
        namespace: read::namespace(target).map(str::to_owned),
        selectors,
    };
    let permit = service.watches.clone().try_acquire_owned().map_err(|_| too_many())?;
    let mut stream = Stream {
        keeper: service.keeper.clone(),
        committed: service.keeper.committed(),
        stop: service.stop.clone(),
        version: target.version,
        form,
        bookmarks: query.switch("allowWatchBookmarks"),
        bookmark_at: Instant::now() + BOOKMARK,
        end_at: Instant::now() + timeout.unwrap_or(LONGEST).min(LONGEST),
        told: 0,
        ready: VecDeque::new(),
        ended: false,
        watcher,
        _permit: permit,
    };
    stream.begin(begin).await?;
    let frames = futures_util::stream::unfold(stream, |mut stream| async move {
        let chunk = stream.next().await?;
        Some((Ok::<_, Infallible>(BodyFrame::data(chunk)), stream))
    });
    let body = StreamBody::new(frames).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

fn too_many() -> Status {
    let mut status =
        Status::new(429, Reason::TooManyRequests, "too many watches are open on this server");
    status.details =
        Some(Box::new(objects::Details { retry_after_seconds: 1, ..objects::Details::default() }));
    status
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// With all that is there, as ADDED; then a bookmark that says so, if asked for.
    Everything { mark_end: bool },
    /// With what happens from now on.
    Now,
    /// After this revision.
    After(u64),
}

impl Begin {
    /// Spec: Kubernetes' API concepts, "semantics for watch" and "streaming lists".
    fn of(query: &Query) -> Result<Begin, Status> {
        let revision = read::revision(query)?;
        let rule = query.text("resourceVersionMatch");
        let refused = |field: &str, why: &str| {
            Err(Status::invalid_request(vec![Cause::forbidden(field, why)]))
        };
        if query.text("sendInitialEvents").is_none() {
            if rule.is_some() {
                return refused(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                     provided",
                );
            }
            return Ok(match revision {
                None | Some(0) => Begin::Everything { mark_end: false },
                Some(revision) => Begin::After(revision),
            });
        }
        if rule != Some("NotOlderThan") {
            return refused(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            );
        }
        Ok(match (query.switch("sendInitialEvents"), revision) {
            (true, _) => Begin::Everything { mark_end: query.switch("allowWatchBookmarks") },
            (false, None | Some(0)) => Begin::Now,
            (false, Some(revision)) => Begin::After(revision),
        })
    }
}

struct Stream {
    keeper: Keeper,
    committed: watch::Receiver<Committed>,
    stop: watch::Receiver<bool>,
    watcher: Watcher,
    version: &'static str,
    form: Form,
    bookmarks: bool,
    bookmark_at: Instant,
    end_at: Instant,
    /// All up to this revision was told.
    told: u64,
    ready: VecDeque<Bytes>,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl Stream {
    async fn begin(&mut self, begin: Begin) -> Result<(), Status> {
        let watcher = &self.watcher;
        match begin {
            Begin::After(revision) => {
                self.told = revision;
                // A place that is forgotten is refused at once, rather than in the stream.
                self.collect()?;
            }
            Begin::Now => self.told = self.committed.borrow_and_update().revision,
            Begin::Everything { mark_end } => {
                let (found, revision) = self
                    .keeper
                    .read(|store| {
                        let namespace = watcher.namespace.as_deref();
                        store.list(watcher.resource, namespace, &watcher.selectors)
                    })
                    .await;
                self.told = revision;
                for object in found {
                    self.push(Frame::new(FrameKind::Added, object));
                }
                if mark_end {
                    self.push(Frame::initial_events_end(self.watcher.resource, revision));
                }
            }
        }
        Ok(())
    }

    /// What leaves next; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.ready.is_empty() {
                return Some(self.chunk());
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                changed = self.committed.changed() => match changed {
                    Ok(()) => self.read_on(),
                    Err(_) => self.ended = true,
                },
                () = tokio::time::sleep_until(self.bookmark_at), if self.bookmarks => {
                    self.bookmark_at = Instant::now() + BOOKMARK;
                    self.push(Frame::bookmark(self.watcher.resource, self.told));
                }
                () = tokio::time::sleep_until(self.end_at) => self.ended = true,
                () = raised(&mut self.stop) => self.ended = true,
            }
        }
    }

    /// Takes what became durable; a place that is forgotten ends the watch with the reason.
    fn read_on(&mut self) {
        if let Err(status) = self.collect() {
            self.push(Frame::error(&status));
            self.ended = true;
        }
    }

    fn collect(&mut self) -> Result<(), Status> {
        let durable = self.committed.borrow_and_update().revision;
        let frames: Vec<Frame> = {
            let store = self.keeper.ahead();
            let events = store.events_since(self.watcher.resource, self.told)?;
            events
                .take_while(|event| event.revision <= durable)
                .filter_map(|event| self.watcher.frame(event))
                .collect()
        };
        for frame in frames {
            self.push(frame);
        }
        self.told = self.told.max(durable);
        Ok(())
    }

    fn push(&mut self, frame: Frame) {
        let resource = self.watcher.resource;
        // A bookmark has the form of what it stands between; the reason of an end is a Status.
        let form = match (frame.kind, self.form) {
            (FrameKind::Error, _) => Form::Object,
            (FrameKind::Bookmark, Form::Table(_)) => Form::Table(IncludeObject::Metadata),
            (_, form) => form,
        };
        let frame = match form {
            Form::Object => frame,
            form => {
                let shown =
                    document::one(resource, self.version, form, &frame.object, Timestamp::now());
                Frame::new(frame.kind, shown)
            }
        };
        let mut line = serde_json::to_vec(&frame.in_version(resource, self.version))
            .expect("an object is a JSON document, which can always be written");
        line.push(b'\n');
        self.ready.push_back(line.into());
    }

    /// Frames that are ready, joined.
    fn chunk(&mut self) -> Bytes {
        let mut chunk = match self.ready.pop_front() {
            Some(first) if self.ready.is_empty() => return first,
            Some(first) => Vec::from(first),
            None => Vec::new(),
        };
        while let Some(next) = self.ready.front() {
            if chunk.len() + next.len() > CHUNK_BYTES {
                break;
            }
            chunk.extend_from_slice(next);
            self.ready.pop_front();
        }
        chunk.into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use objects::{Resource, Selectors};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::disk::Disk;
    use crate::testing::Volatile;

    static WIDGETS: [Resource; 1] =
        [Resource { kind: "Widget", plural: "widgets", namespaced: false, ..Resource::BLANK }];

    /// A watch whose next bookmark is due now, on an empty store.
    fn stream(keeper: &Keeper, stop: &watch::Sender<bool>) -> Stream {
        Stream {
            keeper: keeper.clone(),
            committed: keeper.committed(),
            stop: stop.subscribe(),
            version: "v1",
            form: Form::Object,
            bookmarks: true,
            bookmark_at: Instant::now(),
            end_at: Instant::now() + LONGEST,
            told: keeper.committed().borrow().revision,
            ready: VecDeque::new(),
            ended: false,
            watcher: Watcher {
                resource: &WIDGETS[0],
                namespace: None,
                selectors: Selectors::default(),
            },
            _permit: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
        }
    }

    fn keeper() -> Keeper {
        let storage = Volatile::default();
        Keeper::start(Disk::on(move || storage.handle()).unwrap(), &WIDGETS).unwrap().0
    }

    #[tokio::test]
    async fn an_idle_watcher_is_told_how_far_the_store_is() {
        let keeper = keeper();
        let stop = watch::Sender::new(false);
        let mut stream = stream(&keeper, &stop);
        let line = stream.next().await.unwrap();
        assert!(line.ends_with(b"\n"));
        let frame: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(frame["type"], "BOOKMARK");
        assert_eq!(frame["object"]["metadata"]["resourceVersion"], stream.told.to_string());
        assert!(stream.bookmark_at > Instant::now() + BOOKMARK / 2, "the next one is later");
    }

    #[tokio::test]
    async fn a_bookmark_has_the_form_that_was_asked_for() {
        let keeper = keeper();
        let stop = watch::Sender::new(false);
        let mut stream = stream(&keeper, &stop);
        let revision = stream.told.to_string();
        for (form, kind) in [
            (Form::Object, "Widget"),
            (Form::Metadata, "PartialObjectMetadata"),
            (Form::Table(IncludeObject::None), "Table"),
        ] {
            (stream.form, stream.bookmark_at) = (form, Instant::now());
            let line = stream.next().await.unwrap();
            let frame: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(frame["type"], "BOOKMARK");
            assert_eq!(frame["object"]["kind"], kind);
            assert_eq!(frame["object"]["metadata"]["resourceVersion"], revision);
        }
        stream.push(Frame::error(&Status::expired(1, 2)));
        let frame: serde_json::Value = serde_json::from_slice(&stream.chunk()).unwrap();
        assert_eq!(frame["object"]["kind"], "Status");
    }

    #[tokio::test]
    async fn a_watch_ends_when_its_time_is_up_and_when_the_server_stops() {
        let keeper = keeper();
        let stop = watch::Sender::new(false);
        let mut stream = stream(&keeper, &stop);
        stream.bookmarks = false;
        stream.end_at = Instant::now();
        assert_eq!(stream.next().await, None);
        (stream.ended, stream.end_at) = (false, Instant::now() + LONGEST);
        stop.send_replace(true);
        assert_eq!(stream.next().await, None);
    }

    #[tokio::test]
    async fn frames_that_are_ready_leave_together() {
        let keeper = keeper();
        let stop = watch::Sender::new(false);
        let mut stream = stream(&keeper, &stop);
        for letter in ["a", "b"] {
            stream.ready.push_back(Bytes::from(letter));
        }
        stream.ready.push_back(Bytes::from(vec![b'c'; CHUNK_BYTES]));
        assert_eq!(stream.next().await, Some(Bytes::from("ab")));
        assert_eq!(stream.next().await.unwrap().len(), CHUNK_BYTES);
    }

    #[test]
    fn where_a_watch_begins() {
        let all = Begin::Everything { mark_end: false };
        let marked = Begin::Everything { mark_end: true };
        let modern = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
        for (query, expected) in [
            ("watch=1", Some(all)),
            ("watch=1&resourceVersion=0", Some(all)),
            ("watch=1&resourceVersion=7", Some(Begin::After(7))),
            (&format!("{modern}&allowWatchBookmarks=true"), Some(marked)),
            (&format!("{modern}&allowWatchBookmarks=true&resourceVersion=7"), Some(marked)),
            ("sendInitialEvents=false&resourceVersionMatch=NotOlderThan", Some(Begin::Now)),
            ("sendInitialEvents=true", None),
            ("resourceVersion=7&resourceVersionMatch=Exact", None),
            ("resourceVersion=seven", None),
        ] {
            let found = Begin::of(&Query::parse(Some(query)));
            assert_eq!(found.as_ref().ok(), expected.as_ref(), "{query}");
            if let Err(status) = found {
                assert_eq!(status.code, 422, "clients fall back on 422: {query}");
            }
        }
    }
}
