//! A write that is decided but not done.

use std::sync::Arc;

use serde_json::Value;

use crate::op::{DeleteOptions, Op};
use crate::selector::Selectors;

/// A write that is decided but not done: what admission sees and may still change.
///
/// A write that was turned into another one (an Eviction into a deletion) is told apart by
/// `object` and `old`: created has `object` alone, deleted `old` alone, changed both.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The write; its body is consumed.
    pub op: Op,
    /// The state that is to be stored, in the stored version; `None` when something is deleted.
    /// Admission may change it, but not its identity.
    pub object: Option<Value>,
    /// The state before; `None` when something is created, or a whole collection deleted.
    pub old: Option<Arc<Value>>,
    /// Texts for `Warning:` headers; admission may add its own.
    pub warnings: Vec<String>,
    pub(super) write: Write,
}

#[derive(Clone, Debug)]
pub(super) enum Write {
    Create {
        /// Name, namespace, uid and creationTimestamp, which admission may not change.
        identity: Vec<(&'static str, Value)>,
    },
    Update {
        part: Part,
        answer: Answer,
        /// The client said which version it changes.
        names_version: bool,
    },
    Delete {
        options: DeleteOptions,
        answer: Answer,
    },
    DeleteCollection {
        options: DeleteOptions,
        selectors: Selectors,
    },
}

/// Which part of an object an update may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All but the status, if that has a subresource.
    Main,
    /// The status alone.
    Status,
    /// What the store itself decided to change.
    Whole,
}

/// What the client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Object,
    Scale,
    /// A Status with code 201: something was made that is not stored (Binding, Eviction).
    Made,
}

impl Draft {
    /// Whether [`super::Store::commit`]'s 409 may be answered by preparing the same [`Op`] again:
    /// it is not about a version that the client named.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        match &self.write {
            Write::Create { .. } => false,
            Write::Update { names_version, .. } => !names_version,
            Write::Delete { .. } | Write::DeleteCollection { .. } => true,
        }
    }
}
