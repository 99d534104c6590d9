//! The control plane on any Kubernetes API: it watches, understands, tells proxies, and runs the cluster's loops.
//!
//! Invariant: this room never sees a store; all it knows and all it writes goes through a Kubernetes API.

pub mod cluster;
pub mod hostports;
pub mod istiod;

pub use istiod::{reached, withdrawn};
