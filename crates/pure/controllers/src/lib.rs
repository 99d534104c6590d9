//! Who changes what, and why: each controller is a function of what is seen and of the time.
//!
//! `step(&Seen, now) -> Plan`: a controller never waits, never asks, never remembers. Whoever runs
//! it carries the writes out, adds their results to what is seen, and asks again.

pub mod certificates;
pub mod cleanup;
pub mod deployment;
pub mod endpoints;
pub mod hostports;
pub mod names;
pub mod pod;
pub mod replicaset;
pub mod schedule;
mod seen;
pub mod serviceaccounts;
#[cfg(test)]
mod stage;
pub mod workloads;
mod write;

pub use seen::{Name, Seen, Stub, selects};
pub use write::{Action, Note, Plan, Target, Write};
