//! The objects of one resource, and what happened to them lately.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::event::Event;
use crate::key::Key;
use crate::resource::Resource;
use crate::schema::Schema;

/// Namespace and name: the order of lists.
pub(super) type Place = (Arc<str>, Arc<str>);

/// The objects of one resource.
///
/// Invariant: `log` has rising revisions, all above `forgotten`.
#[derive(Debug)]
pub(super) struct Collection {
    pub(super) id: Arc<str>,
    pub(super) objects: BTreeMap<Place, Arc<Value>>,
    /// The events after revision `forgotten`, oldest first.
    pub(super) log: VecDeque<Event>,
    pub(super) forgotten: u64,
    schema: OnceLock<Schema>,
}

impl Collection {
    pub(super) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            forgotten: 0,
            schema: OnceLock::new(),
        }
    }

    pub(super) fn schema(&self, resource: &Resource) -> &Schema {
        self.schema.get_or_init(|| Schema::compile(&(resource.schema)()))
    }

    pub(super) fn find(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(&(Arc::clone(&key.namespace), Arc::clone(&key.name)))
    }

    /// Puts or removes an object, and returns the one that was there.
    pub(super) fn set(&mut self, key: &Key, object: Option<Arc<Value>>) -> Option<Arc<Value>> {
        let place = (Arc::clone(&key.namespace), Arc::clone(&key.name));
        match object {
            Some(object) => self.objects.insert(place, object),
            None => self.objects.remove(&place),
        }
    }

    pub(super) fn in_namespace<'a>(
        &'a self,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Place, &'a Arc<Value>)> {
        let first = (Arc::from(namespace), Arc::from(""));
        self.objects
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(move |((found, _), _)| **found == *namespace)
    }

    pub(super) fn key(&self, place: &Place) -> Key {
        Key {
            resource: Arc::clone(&self.id),
            namespace: Arc::clone(&place.0),
            name: Arc::clone(&place.1),
        }
    }

    /// Remembers an event, and forgets the oldest ones beyond `window`.
    pub(super) fn remember(&mut self, event: Event, window: usize) {
        while window <= self.log.len() {
            if let Some(oldest) = self.log.pop_front() {
                self.forgotten = oldest.revision;
            }
        }
        self.log.push_back(event);
    }
}
