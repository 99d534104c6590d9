//! One change of one object.

use std::sync::Arc;

use serde_json::Value;

use crate::key::Key;
use crate::meta;

/// One change of one object. Cheap to clone.
///
/// Invariant: not both `old` and `new` are `None`; `new` carries `revision` as resourceVersion.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The revision that the change made; strictly rising over all resources.
    pub revision: u64,
    /// Which object.
    pub key: Key,
    /// The state before; `None`: created.
    pub old: Option<Arc<Value>>,
    /// The state after; `None`: deleted.
    pub new: Option<Arc<Value>>,
}

impl Event {
    /// The state that watchers are told: the new one, or the last one of a deleted object with
    /// the resourceVersion of its deletion.
    #[must_use]
    pub fn state(&self) -> Arc<Value> {
        match (&self.new, &self.old) {
            (Some(new), _) => Arc::clone(new),
            (None, Some(old)) => self.at_revision(old),
            (None, None) => Arc::new(Value::Null),
        }
    }

    /// A copy of `state` that carries the resourceVersion of this event.
    #[must_use]
    pub fn at_revision(&self, state: &Value) -> Arc<Value> {
        let mut state = state.clone();
        meta::set_resource_version(&mut state, self.revision);
        Arc::new(state)
    }
}
