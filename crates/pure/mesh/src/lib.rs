//! What the objects mean, and what each proxy must do because of it.
//!
//! `World` (objects, typed) -> [`understand`] -> [`Model`] and findings -> [`Model::view`] of one
//! proxy -> [`publish`] -> snapshot in Envoy's words. Beside it: [`inject`], which adds the sidecar
//! to a pod, and [`admission`], which says at once what an object proves wrong.
//!
//! Invariants: nothing here fails on an object, writes an object, or knows the time. `publish` sees
//! a view alone. Snapshots hold only what upstream Envoy knows.

mod admission;
pub mod findings;
pub mod host;
pub mod inject;
pub mod model;
mod publish;
mod understand;
pub mod view;
pub mod world;

pub use admission::{admission, admission_of_template};
pub use findings::{Code, FINDINGS, Finding, Severity};
pub use model::Model;
pub use publish::{cluster_name, publish};
pub use understand::understand;
pub use view::{Node, NodeKind, View};
pub use world::{Key, Kind, Settings, World};

#[cfg(test)]
mod tests;
