//! The answer to each request, from the one scene that all pages of a moment share.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::answer::{self, Body, content};
use crate::events::{Change, events};
use crate::page;
use crate::patience::Patience;
use crate::request::{Wanted, wanted};
use crate::scene::{Id, Scene};
use crate::view::Overview;
use crate::watch::Watches;

/// More streams than this are refused.
const STREAMS: usize = 64;

const SCRIPT: &str = include_str!("../web/live.js");
const STYLE: &str = include_str!("../web/style.css");

/// What all connections share.
pub(crate) struct Service {
    /// Names this run, in milliseconds: a page that outlives a restart is out of date.
    run: u128,
    began: Instant,
    watches: Watches,
    change: Arc<watch::Sender<Change>>,
    shown: Mutex<Shown>,
    streams: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("change", &*self.change.borrow())
            .field("streams", &self.streams.available_permits())
            .finish_non_exhaustive()
    }
}

/// The last look at the cluster.
#[derive(Default)]
struct Shown {
    look: Option<(u64, Arc<Look>)>,
    patience: Patience,
}

/// A scene and its main page, made when first asked for.
struct Look {
    scene: Scene,
    overview: OnceLock<Bytes>,
}

impl Service {
    /// Starts the watches, in tasks that end with `tasks`.
    pub(crate) fn new(
        client: &kube::Client,
        tasks: &mut JoinSet<()>,
        stop: watch::Receiver<bool>,
    ) -> Service {
        let began = Instant::now();
        let change = Arc::new(watch::Sender::new(Change { count: 0, moved: began }));
        let moved = Arc::clone(&change);
        let changed = move || {
            moved.send_modify(|change| {
                *change = Change { count: change.count + 1, moved: Instant::now() };
            });
        };
        Service {
            run: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
            began,
            watches: Watches::start(client, tasks, changed),
            change,
            shown: Mutex::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            stop,
        }
    }

    /// Raised when the console stops.
    pub(crate) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }

    /// Answers a request. Its body is not looked at: nothing that is answered has one.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let words = |status, words: &'static str| answer::whole(status, content::TEXT, words);
        match wanted(request.method(), request.uri(), request.headers()) {
            Wanted::Overview => self.page(overview).await,
            Wanted::Object { namespace, kind, name } => {
                match Id::from_path(&namespace, &kind, &name) {
                    Some(id) => self.page(|look| object(look, &id)).await,
                    None => words(StatusCode::NOT_FOUND, "The console does not show this kind.\n"),
                }
            }
            Wanted::Events if request.method() == Method::HEAD => {
                answer::whole(StatusCode::OK, content::EVENTS, "")
            }
            Wanted::Events => self.events(),
            Wanted::Script => answer::whole(StatusCode::OK, content::SCRIPT, SCRIPT),
            Wanted::Style => answer::whole(StatusCode::OK, content::STYLE, STYLE),
            Wanted::Health => words(StatusCode::OK, "ok\n"),
            Wanted::Nothing => words(StatusCode::NOT_FOUND, "There is no such page.\n"),
            Wanted::Elsewhere(why) => words(StatusCode::FORBIDDEN, why),
            Wanted::Method => {
                let mut answer = words(StatusCode::METHOD_NOT_ALLOWED, "The console only reads.\n");
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
                answer
            }
        }
    }

    async fn page(&self, make: impl FnOnce(&Look) -> (StatusCode, Bytes)) -> Response<Body> {
        match self.look().await {
            Ok(look) => {
                let (status, page) = make(&look);
                answer::whole(status, content::HTML, page)
            }
            Err(error) => {
                tracing::error!(%error, "the console could not make sense of the objects");
                let words = "The console could not make sense of the objects; its log says why.\n";
                answer::whole(StatusCode::INTERNAL_SERVER_ERROR, content::TEXT, words)
            }
        }
    }

    fn events(&self) -> Response<Body> {
        let Ok(permit) = Arc::clone(&self.streams).try_acquire_owned() else {
            let words = "Too many pages follow the mesh: close some of them.\n";
            return answer::whole(StatusCode::SERVICE_UNAVAILABLE, content::TEXT, words);
        };
        let run = self.run;
        let name = move |count| stamp(run, count);
        answer::stream(
            content::EVENTS,
            events(self.change.subscribe(), self.stop.clone(), permit, name),
        )
    }

    /// The cluster as it is now: made once for each change, by the first who asks.
    async fn look(&self) -> Result<Arc<Look>, JoinError> {
        let mut shown = self.shown.lock().await;
        // Read before the objects: what changes meanwhile counts as not yet seen.
        let change = *self.change.borrow();
        if let Some((count, look)) = &shown.look
            && *count == change.count
        {
            return Ok(Arc::clone(look));
        }
        let (objects, notices) = self.watches.seen();
        let stamp = stamp(self.run, change.count);
        let making = tokio::task::spawn_blocking(move || Scene::new(stamp, notices, objects));
        let mut scene = making.await?;
        let now = self.began.elapsed();
        let unchanged = change.moved.saturating_duration_since(self.began);
        if let Some(due) = shown.patience.step(&mut scene.findings, unchanged, now) {
            let (change, due) = (Arc::downgrade(&self.change), self.began + due);
            tokio::spawn(async move {
                tokio::time::sleep_until(due).await;
                if let Some(change) = change.upgrade() {
                    change.send_modify(|change| change.count += 1);
                }
            });
        }
        let look = Arc::new(Look { scene, overview: OnceLock::new() });
        shown.look = Some((change.count, Arc::clone(&look)));
        Ok(look)
    }
}

fn overview(look: &Look) -> (StatusCode, Bytes) {
    let page = look.overview.get_or_init(|| page::overview(&Overview::of(&look.scene)).into());
    (StatusCode::OK, page.clone())
}

fn object(look: &Look, id: &Id) -> (StatusCode, Bytes) {
    match page::object(&look.scene, id) {
        Some(page) => (StatusCode::OK, page.into()),
        None => (StatusCode::NOT_FOUND, page::gone(&look.scene, id).into()),
    }
}

/// Names a moment of a run.
fn stamp(run: u128, count: u64) -> String {
    format!("{run}-{count}")
}
