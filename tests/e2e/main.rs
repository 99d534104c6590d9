//! The mesh end to end: the real binary, stock kubectl, real Envoy, real namespaces.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cli;
mod envoy;
mod gateway;
mod identity;
mod kubectl;
mod kubelet;
mod leftovers;
mod life;
mod load;
mod mtls;
mod notes;
mod sockets;
mod split;
mod start;
mod traffic;
mod world;
