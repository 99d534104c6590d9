//! What is asked of the store, and what it answers.

use std::sync::Arc;

use serde_json::Value;

use crate::event::Event;
use crate::key::Key;
use crate::resource::Resource;
use crate::selector::Selectors;
use crate::status::Status;

/// What a request is about: the parts of its path.
#[derive(Clone, Debug)]
pub struct Target {
    /// The resource.
    pub resource: &'static Resource,
    /// The version in the path: the body is read, and the answer given, in this version.
    pub version: &'static str,
    /// The namespace in the path; empty for objects without one.
    pub namespace: String,
    /// The name in the path; empty for a collection.
    pub name: String,
    /// The subresource in the path.
    pub subresource: Option<String>,
}

impl Target {
    /// An object, or a collection if `name` is empty, in the stored version.
    #[must_use]
    pub fn new(resource: &'static Resource, namespace: &str, name: &str) -> Self {
        Self {
            resource,
            version: resource.storage_version(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: None,
        }
    }

    /// The same, with a subresource.
    #[must_use]
    pub fn with_subresource(mut self, subresource: &str) -> Self {
        self.subresource = Some(subresource.to_owned());
        self
    }

    /// The key of the object.
    #[must_use]
    pub fn key(&self) -> Key {
        let namespace = if self.resource.namespaced { self.namespace.as_str() } else { "" };
        Key::new(&self.resource.id(), namespace, &self.name)
    }
}

/// One write.
#[derive(Clone, Debug)]
pub struct Op {
    /// What it is about.
    pub target: Target,
    /// What is to happen.
    pub action: Action,
    /// Go all the way but change nothing.
    pub dry_run: bool,
    /// What unknown and duplicate fields lead to.
    pub validation: FieldValidation,
}

impl Op {
    /// A write that is meant, with unknown fields refused.
    #[must_use]
    pub fn new(target: Target, action: Action) -> Self {
        Self { target, action, dry_run: false, validation: FieldValidation::Strict }
    }

    /// Creates an object.
    #[must_use]
    pub fn create(target: Target, object: impl Into<Body>) -> Self {
        Self::new(target, Action::Create { object: object.into() })
    }

    /// Replaces an object.
    #[must_use]
    pub fn update(target: Target, object: impl Into<Body>) -> Self {
        Self::new(target, Action::Update { object: object.into() })
    }

    /// Patches an object.
    #[must_use]
    pub fn patch(target: Target, kind: PatchKind, patch: impl Into<Body>) -> Self {
        Self::new(target, Action::Patch { kind, patch: patch.into() })
    }

    /// Deletes an object.
    #[must_use]
    pub fn delete(target: Target, options: DeleteOptions) -> Self {
        Self::new(target, Action::Delete { options })
    }
}

/// What is to happen.
#[derive(Clone, Debug)]
pub enum Action {
    /// A new object, or a Binding or Eviction of one (POST).
    Create {
        /// The object.
        object: Body,
    },
    /// Another state of an object (PUT).
    Update {
        /// The whole new state.
        object: Body,
    },
    /// A change of an object (PATCH).
    Patch {
        /// How `patch` is to be read.
        kind: PatchKind,
        /// The patch.
        patch: Body,
    },
    /// The end of an object (DELETE).
    Delete {
        /// How it ends.
        options: DeleteOptions,
    },
    /// The end of all matching objects of a collection (DELETE without a name).
    DeleteCollection {
        /// How they end.
        options: DeleteOptions,
        /// Which end.
        selectors: Selectors,
    },
}

/// A JSON document that somebody sent, with the fields that were in it twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// The document; of fields given twice the last.
    pub value: Value,
    /// Paths of fields given twice: `spec.replicas`.
    pub duplicates: Vec<String>,
}

impl Body {
    /// Reads bytes.
    ///
    /// # Errors
    /// 400 if they are not JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, Status> {
        crate::json::read(bytes)
    }
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self { value, duplicates: Vec::new() }
    }
}

/// How a patch is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// `application/json-patch+json`: RFC 6902.
    Json,
    /// `application/merge-patch+json`: RFC 7386.
    Merge,
    /// `application/strategic-merge-patch+json`: Kubernetes' own.
    Strategic,
}

impl PatchKind {
    /// The patch kind of a media type, without parameters; `None` if it is none of the three.
    #[must_use]
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            "application/json-patch+json" => Some(Self::Json),
            "application/merge-patch+json" => Some(Self::Merge),
            "application/strategic-merge-patch+json" => Some(Self::Strategic),
            _ => None,
        }
    }
}

/// What unknown and duplicate fields lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are dropped silently.
    Ignore,
    /// They are dropped, and each gives a warning: the server's default.
    #[default]
    Warn,
    /// They refuse the request.
    Strict,
}

impl FieldValidation {
    /// Reads the query parameter; empty is the default.
    ///
    /// # Errors
    /// 422 for another word.
    pub fn parse(word: &str) -> Result<Self, Status> {
        match word {
            "" | "Warn" => Ok(Self::Warn),
            "Ignore" => Ok(Self::Ignore),
            "Strict" => Ok(Self::Strict),
            other => Err(Status::invalid_request(vec![crate::cause::Cause::not_supported(
                "fieldValidation",
                &other.into(),
                &["Ignore", "Strict", "Warn"],
            )])),
        }
    }
}

/// How an object is to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds it may take to end in peace; `None` leaves it to the object.
    pub grace_seconds: Option<u64>,
    /// What becomes of the objects it owns.
    pub propagation: Option<Propagation>,
    /// What must hold of the object.
    pub preconditions: Preconditions,
    /// Whether the body asked for a dry run (the query may ask for it too).
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads the body of a DELETE; `Value::Null` is the default.
    ///
    /// # Errors
    /// 400 for another kind or type, 422 for a bad value.
    pub fn parse(body: &Value) -> Result<Self, Status> {
        crate::store::delete::parse_options(body)
    }
}

/// What must hold of an object before it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// It is still this one.
    pub uid: Option<String>,
    /// It has not changed.
    pub resource_version: Option<String>,
}

/// What becomes of the objects that a deleted object owns. The cascade is a controller's work;
/// the store only leaves the finalizers that ask for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// The owner goes first, its objects follow.
    #[default]
    Background,
    /// The objects go first: finalizer `foregroundDeletion`.
    Foreground,
    /// The objects stay: finalizer `orphan`.
    Orphan,
}

impl Propagation {
    /// Reads the word on the wire.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "Background" => Some(Self::Background),
            "Foreground" => Some(Self::Foreground),
            "Orphan" => Some(Self::Orphan),
            _ => None,
        }
    }
}

/// What a write led to.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The body of the answer, in the version of the request: the object, or a Status.
    pub object: Arc<Value>,
    /// What changed, in order of revision; empty if nothing did.
    pub events: Vec<Event>,
    /// The HTTP code: 200, 201 (created) or 202.
    pub code: u16,
    /// Texts for `Warning:` headers.
    pub warnings: Vec<String>,
}
