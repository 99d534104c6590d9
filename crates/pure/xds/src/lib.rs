//! The contract between control plane and proxy: Envoy's xDS messages, once, and the machines that carry them.
//!
//! The messages are prost structs with the names and tags of Envoy's v3 API, in the shape that `prost-build` would give them,
//! except that maps are `BTreeMap`s, so that equal messages are equal bytes. All of them also read and write proto-JSON, which
//! is what bootstrap files, `config_dump` and `proxy-config` are made of.
//!
//! Invariant: this room knows no Kubernetes object, no request, no socket and no tonic.
#![expect(clippy::large_enum_variant, reason = "oneofs have the shape that prost-build gives them")]

#[macro_use]
mod macros;

pub mod accesslog;
pub mod admin;
pub mod ads;
pub mod bootstrap;
pub mod cluster;
pub mod cncf;
pub mod core;
pub mod discovery;
pub mod dynamic;
pub mod endpoint;
pub mod filters;
pub mod json;
pub mod kind;
pub mod listener;
pub mod metrics;
pub mod rbac;
mod registry;
pub mod route;
#[cfg(test)]
mod sample;
pub mod snapshot;
pub mod spiffe;
pub mod tls;
pub mod trace;
#[cfg(test)]
mod wire;
pub mod wkt;

/// A message that has a name of its own, so that it can stand in an `Any` and be a resource.
pub trait Named: prost::Message {
    /// Full protobuf name.
    const NAME: &'static str;
    /// `type.googleapis.com/` and the name: the type URL of xDS.
    const TYPE_URL: &'static str;
}
