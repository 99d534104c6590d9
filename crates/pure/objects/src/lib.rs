//! Room `objects`: an API server without sockets. It keeps objects, and knows no kind and no HTTP.
//!
//! An object is a JSON document ([`Value`]); what a kind means arrives as data ([`Resource`]).
//! A write is an [`Op`]; [`Store::apply`] answers [`Applied`] with the [`Event`]s it made, or a
//! [`Status`]. Time ([`jiff::Timestamp`]) and chance ([`Uid`]) are arguments, so the same calls
//! give the same bytes.
//!
//! ```text
//! bytes -> Body -> Op -> Store::prepare -> Draft -(admission)-> Store::commit -> Applied{events}
//! Event x Watcher -> Frame            Arc<Value> x Form -> document (object, list, Table, ...)
//! ```
//!
//! Spec: the Kubernetes API conventions and the behaviour of kube-apiserver 1.32.

pub mod cause;
pub mod discovery;
pub mod document;
pub mod event;
pub mod json;
pub mod key;
pub mod meta;
pub mod names;
pub mod op;
pub mod openapi;
pub mod patch;
pub mod resource;
pub mod scale;
pub mod schema;
pub mod selector;
pub mod status;
pub mod store;
pub mod table;
pub mod watch;

pub use cause::{Cause, CauseReason};
pub use document::{Form, IncludeObject};
pub use event::Event;
pub use key::{Key, Uid};
pub use op::{
    Action, Applied, Body, DeleteOptions, FieldValidation, Op, PatchKind, Preconditions,
    Propagation, Target,
};
pub use resource::{Column, NameRule, PatchRule, Resource};
pub use selector::{FieldSelector, LabelSelector, Selectors};
pub use status::{Details, Reason, Status};
pub use store::{Draft, Store};
pub use watch::{Frame, FrameKind, Watcher};

/// An object: a JSON document whose maps keep their order.
pub use serde_json::Value;
