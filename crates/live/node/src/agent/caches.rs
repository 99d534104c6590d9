//! Objects that the node reads often, kept by watching.

use futures_util::StreamExt as _;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Namespace and name.
pub(crate) type Key = (String, String);

/// All objects of one kind, as last seen.
#[derive(Debug)]
pub(crate) struct Cache<K> {
    objects: Mutex<BTreeMap<Key, Arc<K>>>,
    /// Counts changes; 0 until the first list is complete.
    changes: watch::Sender<u64>,
}

impl<K> Cache<K>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + Debug + Send + Sync + 'static,
{
    pub(crate) fn new() -> Arc<Cache<K>> {
        let (changes, _) = watch::channel(0);
        Arc::new(Cache { objects: Mutex::default(), changes })
    }

    /// Follows the kind for ever.
    pub(crate) async fn follow(self: Arc<Self>, api: Api<K>) {
        let stream = watcher(api, watcher::Config::default()).default_backoff();
        let mut stream = std::pin::pin!(stream);
        let mut fresh = BTreeMap::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(watcher::Event::Init) => fresh.clear(),
                Ok(watcher::Event::InitApply(object)) => {
                    fresh.insert(key(&object), Arc::new(object));
                }
                Ok(watcher::Event::InitDone) => {
                    *self.lock() = std::mem::take(&mut fresh);
                    self.changes.send_modify(|n| *n += 1);
                }
                Ok(watcher::Event::Apply(object)) => {
                    self.lock().insert(key(&object), Arc::new(object));
                    self.changes.send_modify(|n| *n += 1);
                }
                Ok(watcher::Event::Delete(object)) => {
                    self.lock().remove(&key(&object));
                    self.changes.send_modify(|n| *n += 1);
                }
                Err(error) => tracing::debug!(%error, "a watch broke and begins again"),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Arc<K>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One object.
    pub(crate) fn one(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.lock().get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// All objects.
    pub(crate) fn all(&self) -> Vec<Arc<K>> {
        self.lock().values().cloned().collect()
    }

    /// Tells of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits for the first list.
    pub(crate) async fn filled(&self) {
        let mut changes = self.changes.subscribe();
        // The sender lives as long as this cache.
        let _ = changes.wait_for(|n| *n > 0).await;
    }
}

/// The key of an object.
pub(crate) fn key<K: kube::Resource>(object: &K) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}
