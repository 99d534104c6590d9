//! The store: all objects, in memory, with one revision counter and the recent past.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::event::Event;
use crate::key::{Key, Uid};
use crate::op::{Action, Applied, Op, Target};
use crate::resource::Resource;
use crate::selector::Selectors;
use crate::status::Status;
use crate::{document, meta, scale};

use crate::store::collection::Collection;
pub use crate::store::draft::Draft;

mod body;
mod collection;
mod commit;
pub(crate) mod delete;
mod draft;
mod prepare;
#[cfg(test)]
mod tests;

/// All objects, in memory.
///
/// Invariants: the resourceVersion of an object is the revision of the event that made it; the
/// revision never falls but by [`Store::revert`]; a refused write changes nothing.
#[derive(Debug)]
pub struct Store {
    resources: &'static [Resource],
    collections: BTreeMap<Arc<str>, Collection>,
    revision: u64,
    window: usize,
}

impl Store {
    /// How many events of each resource are remembered, unless [`Store::with_window`] says
    /// otherwise. More than a watcher can miss in the seconds that a reconnect takes.
    pub const WINDOW: usize = 1024;

    /// An empty store at revision 1: 0 means "any" to clients.
    #[must_use]
    pub fn new(resources: &'static [Resource]) -> Self {
        Self::restore(resources, [], [], 1)
    }

    /// A store as it was: all objects, the most recent events in order, and the last revision.
    /// Watches resume from any revision since the one before the first of `log`.
    #[must_use]
    pub fn restore(
        resources: &'static [Resource],
        objects: impl IntoIterator<Item = (Key, Arc<Value>)>,
        log: impl IntoIterator<Item = Event>,
        revision: u64,
    ) -> Self {
        let collections = resources.iter().map(|resource| {
            let id: Arc<str> = resource.id().into();
            (Arc::clone(&id), Collection::new(id))
        });
        let mut store =
            Self { resources, collections: collections.collect(), revision, window: Self::WINDOW };
        for (key, object) in objects {
            store.collection_mut(&key.resource).set(&key, Some(object));
        }
        let mut first = None;
        for event in log {
            first = first.or(Some(event.revision));
            let id = Arc::clone(&event.key.resource);
            store.collection_mut(&id).log.push_back(event);
        }
        let forgotten = first.map_or(revision, |first| first.saturating_sub(1));
        for collection in store.collections.values_mut() {
            collection.forgotten = forgotten;
        }
        store
    }

    /// The same store, remembering this many events of each resource; at least one.
    #[must_use]
    pub fn with_window(mut self, events: usize) -> Self {
        self.window = events.max(1);
        self
    }

    /// The resources that are served.
    #[must_use]
    pub fn resources(&self) -> &'static [Resource] {
        self.resources
    }

    /// The resource of this id (`deployments.apps`).
    #[must_use]
    pub fn resource(&self, id: &str) -> Option<&'static Resource> {
        let (plural, group) = id.split_once('.').unwrap_or((id, ""));
        self.resources.iter().find(|resource| resource.plural == plural && resource.group == group)
    }

    /// Decides and does a write: [`Store::prepare`] and [`Store::commit`] at once.
    ///
    /// # Errors
    /// Every refusal of a Kubernetes API server; nothing has changed then.
    pub fn apply(&mut self, op: Op, now: Timestamp, uid: Uid) -> Result<Applied, Status> {
        let draft = self.prepare(op, now, uid)?;
        self.commit(draft, now)
    }

    /// Decides a write: reads the body, patches, fills in defaults and identity. Changes nothing.
    ///
    /// # Errors
    /// The refusals that do not need the final state of the object.
    pub fn prepare(&self, mut op: Op, now: Timestamp, uid: Uid) -> Result<Draft, Status> {
        // The body is consumed here; what a draft needs later is in its object.
        let nothing = Action::Create { object: Value::Null.into() };
        match std::mem::replace(&mut op.action, nothing) {
            Action::Create { object } => self.prepare_create(op, object, now, uid),
            Action::Update { object } => self.prepare_update(op, object),
            Action::Patch { kind, patch } => self.prepare_patch(op, kind, patch),
            Action::Delete { options } => self.prepare_delete(op, options),
            Action::DeleteCollection { options, selectors } => {
                self.prepare_delete_collection(op, options, selectors)
            }
        }
    }

    /// Takes back the last writes: `events` are the last ones that were made, in order. For when
    /// the disk refuses. The revisions are used again, so nobody may have been told of them.
    ///
    /// Everything is as before, but that events which the writes pushed out of the window stay
    /// forgotten.
    pub fn revert(&mut self, events: &[Event]) {
        for event in events.iter().rev() {
            debug_assert_eq!(self.revision, event.revision, "only the last writes can be reverted");
            let collection = self.collection_mut(&event.key.resource);
            collection.set(&event.key, event.old.clone());
            if collection.log.back().is_some_and(|last| last.revision == event.revision) {
                collection.log.pop_back();
            }
            self.revision = event.revision.saturating_sub(1);
        }
        // Of a batch larger than the window the first events are forgotten already. They never
        // were, so a watcher that knows the revision before them misses nothing.
        for collection in self.collections.values_mut() {
            collection.forgotten = collection.forgotten.min(self.revision);
        }
    }

    /// One object, in the stored version.
    ///
    /// # Errors
    /// 404.
    pub fn object(&self, key: &Key) -> Result<Arc<Value>, Status> {
        self.find(key).cloned().ok_or_else(|| Status::not_found_id(&key.resource, &key.name))
    }

    /// One object as a request sees it: in the version and the subresource (`status`, `scale`)
    /// of the target.
    ///
    /// # Errors
    /// 404.
    pub fn read(&self, target: &Target) -> Result<Arc<Value>, Status> {
        let object = self.object(&target.key())?;
        match target.subresource.as_deref() {
            Some(sub) if !target.resource.has_subresource(sub) => Err(Status::no_such_path()),
            Some("scale") => Ok(Arc::new(scale::read(&object))),
            _ => Ok(document::at_version(target.resource, target.version, &object)),
        }
    }

    /// The matching objects of one namespace, or of all, in order of key and in the stored
    /// version, and the revision of the whole store. Objects are shared, not copied.
    #[must_use]
    pub fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selectors: &Selectors,
    ) -> (Vec<Arc<Value>>, u64) {
        let Some(collection) = self.collections.get(resource.id().as_str()) else {
            return (Vec::new(), self.revision);
        };
        let matches = |object: &&Arc<Value>| selectors.matches(resource, object);
        let objects = match (namespace, selectors.fields.exact_name()) {
            (Some(namespace), Some(name)) => {
                let found = collection.find(&Key::new(&collection.id, namespace, name));
                found.into_iter().filter(matches).cloned().collect()
            }
            (Some(namespace), None) => collection
                .in_namespace(namespace)
                .map(|(_, object)| object)
                .filter(matches)
                .cloned()
                .collect(),
            (None, _) => collection.objects.values().filter(matches).cloned().collect(),
        };
        (objects, self.revision)
    }

    /// All objects of all resources, in order of key: what a snapshot on disk holds.
    pub fn objects(&self) -> impl Iterator<Item = (Key, &Arc<Value>)> {
        self.collections.values().flat_map(|collection| {
            collection.objects.iter().map(|(place, object)| (collection.key(place), object))
        })
    }

    /// The events of a resource after revision `since`, oldest first.
    ///
    /// # Errors
    /// 410 Expired if some of them are forgotten, or `since` is in the future.
    pub fn events_since(
        &self,
        resource: &Resource,
        since: u64,
    ) -> Result<impl Iterator<Item = &Event>, Status> {
        let log = self.collections.get(resource.id().as_str());
        let oldest = log.map_or(self.revision, |collection| collection.forgotten);
        // A future revision comes from another life of this store: only a new list helps.
        if since < oldest || self.revision < since {
            return Err(Status::expired(since, oldest.max(1)));
        }
        Ok(log.into_iter().flat_map(move |collection| {
            let start = collection.log.partition_point(|event| event.revision <= since);
            collection.log.range(start..)
        }))
    }

    /// The revision of the last change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether nothing lives in a namespace.
    #[must_use]
    pub fn is_namespace_empty(&self, namespace: &str) -> bool {
        self.collections
            .values()
            .all(|collection| collection.in_namespace(namespace).next().is_none())
    }

    fn find(&self, key: &Key) -> Option<&Arc<Value>> {
        self.collections.get(&key.resource)?.find(key)
    }

    /// Makes one change and remembers it. `new` gets its resourceVersion here.
    fn record(&mut self, key: Key, new: Option<Value>) -> Event {
        self.revision += 1;
        let (revision, window) = (self.revision, self.window);
        let new = new.map(|mut new| {
            meta::set_resource_version(&mut new, revision);
            Arc::new(new)
        });
        let collection = self.collection_mut(&key.resource);
        let old = collection.set(&key, new.clone());
        let event = Event { revision, key, old, new };
        collection.remember(event.clone(), window);
        event
    }

    fn collection_mut(&mut self, id: &Arc<str>) -> &mut Collection {
        // Objects of a resource that is not served (any more) are kept, so that an older binary
        // does not lose what a newer one stored.
        self.collections
            .entry(Arc::clone(id))
            .or_insert_with_key(|id| Collection::new(Arc::clone(id)))
    }
}

/// Whether the resource is the one whose objects hold the objects of others.
fn is_namespaces(resource: &Resource) -> bool {
    resource.group.is_empty() && resource.plural == "namespaces"
}
