//! Metadata of the kinds that nobody watches, listed only when a controller has to know.

use std::sync::Arc;
use std::time::Duration;

use controllers::{Seen, Stub};
use futures_util::StreamExt;
use http::{Request, header};
use kinds::core::ObjectMeta;
use kube::Client;
use serde::Deserialize;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Between the end of one listing and the next.
const PAUSE: Duration = Duration::from_millis(300);
/// After which the last listing is old.
const STALE: Duration = Duration::from_secs(30);
/// Lists side by side.
const SIDE_BY_SIDE: usize = 4;

/// Lists objects, at most one listing at a time.
pub(super) struct Rest {
    client: Client,
    running: Option<JoinHandle<Option<Vec<Stub>>>>,
    last: Option<Instant>,
}

impl Rest {
    pub(super) fn new(client: Client) -> Self {
        Self { client, running: None, last: None }
    }

    /// Whether it is long that everything was listed.
    pub(super) fn is_stale(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() > STALE)
    }

    /// Begins a listing; or says how long to wait before the next may begin.
    pub(super) fn begin(&mut self) -> Option<Duration> {
        if self.running.is_some() {
            return None;
        }
        let elapsed = self.last.map_or(PAUSE, |last| last.elapsed());
        if elapsed < PAUSE {
            return Some(PAUSE - elapsed);
        }
        self.running = Some(tokio::spawn(list_all(self.client.clone())));
        None
    }

    /// The result of the listing that is under way; pending while there is none.
    pub(super) async fn listed(&mut self) -> Vec<Stub> {
        loop {
            let Some(running) = &mut self.running else { return std::future::pending().await };
            let result = running.await;
            self.last = Some(Instant::now());
            self.running = None;
            match result {
                Ok(Some(stubs)) => return stubs,
                // A list that lacks a kind proves nothing: it is made anew.
                _ => {
                    tokio::time::sleep(PAUSE).await;
                    self.running = Some(tokio::spawn(list_all(self.client.clone())));
                }
            }
        }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

#[derive(Deserialize)]
struct List {
    items: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    metadata: ObjectMeta,
}

/// Every object of every kind that is not watched; `None` if a list failed.
async fn list_all(client: Client) -> Option<Vec<Stub>> {
    let mut requests = Vec::new();
    for resource in kinds::resources() {
        let api_version = resource.api_version(resource.storage_version());
        if !Seen::watches(&api_version, resource.kind) {
            let root = if resource.group.is_empty() { "/api" } else { "/apis" };
            let path = format!("{root}/{api_version}/{}", resource.plural);
            requests.push(list(client.clone(), path, api_version, resource.kind));
        }
    }
    let mut all = Vec::new();
    let mut lists = futures_util::stream::iter(requests).buffer_unordered(SIDE_BY_SIDE);
    while let Some(list) = lists.next().await {
        all.extend(list?);
    }
    Some(all)
}

/// Every object of one kind; none where the kind is not served.
async fn list(
    client: Client,
    path: String,
    api_version: String,
    kind: &'static str,
) -> Option<Vec<Stub>> {
    const METADATA: &str =
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
    let request = Request::get(path).header(header::ACCEPT, METADATA).body(Vec::new()).ok()?;
    let list: List = match client.request(request).await {
        Ok(list) => list,
        Err(kube::Error::Api(status)) if status.code == 404 => List { items: Vec::new() },
        Err(why) => {
            tracing::debug!(%kind, %why, "a list failed");
            return None;
        }
    };
    let stub = |entry: Entry| Stub {
        api_version: api_version.clone(),
        kind: kind.to_owned(),
        meta: Arc::new(entry.metadata),
    };
    Some(list.items.into_iter().map(stub).collect())
}
