//! What a controller wants done, as data.

use jiff::Timestamp;
use kinds::core::ObjectMeta;
use serde_json::Value;

/// Names one object, by all that a path and a precondition need.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Group and version: `apps/v1`.
    pub api_version: String,
    /// Kind: `Deployment`.
    pub kind: String,
    /// Namespace; empty for objects without one.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid; empty where any object of that name is meant.
    pub uid: String,
}

impl Target {
    /// The object of this kind with this metadata.
    #[must_use]
    pub fn of(api_version: &str, kind: &str, meta: &ObjectMeta) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
        }
    }
}

/// What is to happen to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It is made; `object` is all of it.
    Create {
        /// The whole object, with `apiVersion` and `kind`.
        object: Value,
    },
    /// It is changed, if it is still the version that was seen.
    Patch {
        /// A merge patch; its `metadata.resourceVersion` is the precondition.
        patch: Value,
        /// `status`, `finalize`, or none for the object itself.
        subresource: Option<&'static str>,
    },
    /// It is replaced, if it is still the version that was seen.
    Replace {
        /// The whole object; its `metadata.resourceVersion` is the precondition.
        object: Value,
        /// `finalize`, or none for the object itself.
        subresource: Option<&'static str>,
    },
    /// It is deleted.
    Delete {
        /// `Background`, `Foreground`, `Orphan`, or what the kind does by itself.
        propagation: Option<&'static str>,
        /// Only if all of these are gone, which is to be asked of the server itself.
        unless: Vec<Target>,
    },
    /// It is given to a node.
    Bind {
        /// Name of the node.
        node: String,
    },
}

/// What an Event says about a write that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The object that the Event is about.
    pub about: Target,
    /// Why, as one word.
    pub reason: &'static str,
    /// What happened; `{}` stands for the name that a created object was given.
    pub message: String,
    /// Which controller.
    pub component: &'static str,
    /// Whether it is a warning.
    pub warning: bool,
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The object that is written. Of a new one without a name, the uid and name are empty.
    pub target: Target,
    /// What is to happen to it.
    pub action: Action,
    /// The object on whose behalf: while a write for it is under way, it is left alone.
    pub owner: Target,
    /// The Event to be written if it succeeds.
    pub note: Option<Note>,
}

impl Write {
    /// A new object. The target is read from it.
    #[must_use]
    pub fn create(object: Value, owner: Target) -> Self {
        let text = |path: &str| {
            object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let target = Target {
            api_version: text("/apiVersion"),
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            uid: String::new(),
        };
        Self { target, action: Action::Create { object }, owner, note: None }
    }

    /// A change of an object.
    #[must_use]
    pub fn patch(target: Target, patch: Value, subresource: Option<&'static str>) -> Self {
        let owner = target.clone();
        Self { target, action: Action::Patch { patch, subresource }, owner, note: None }
    }

    /// The end of an object, whatever its version.
    #[must_use]
    pub fn delete(target: Target, owner: Target) -> Self {
        let action = Action::Delete { propagation: None, unless: Vec::new() };
        Self { target, action, owner, note: None }
    }

    /// The same, on behalf of another object.
    #[must_use]
    pub fn by(mut self, owner: Target) -> Self {
        self.owner = owner;
        self
    }

    /// The same, with an Event.
    #[must_use]
    pub fn noted(mut self, note: Note) -> Self {
        self.note = Some(note);
        self
    }
}

/// What a controller answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What is to be done, in any order.
    pub writes: Vec<Write>,
    /// When to ask again although nothing changed.
    pub look_again: Option<Timestamp>,
    /// Whether the answer needs fresh stubs of the kinds that are not watched.
    pub needs_rest: bool,
}

impl Plan {
    /// Asks to be called again at this time, or earlier.
    pub fn again_at(&mut self, at: Timestamp) {
        self.look_again = Some(self.look_again.map_or(at, |earlier| earlier.min(at)));
    }

    /// Adds another plan.
    pub fn extend(&mut self, other: Self) {
        self.writes.extend(other.writes);
        self.needs_rest |= other.needs_rest;
        if let Some(at) = other.look_again {
            self.again_at(at);
        }
    }
}
