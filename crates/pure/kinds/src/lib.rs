//! Every kind as a type, and the table of all that are served: how each looks, what it must hold.
//!
//! Invariant: nothing here ever looks at two objects at once, and nothing knows of HTTP or stores.

mod checks;
mod columns;
pub mod core;
mod defaults;
pub mod istio;
mod merge;
pub mod protobuf;
mod rows;
mod schema;
pub mod service;
mod view;
pub mod words;

pub use rows::resources;
