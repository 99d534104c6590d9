//! The data plane on sockets: accepts, asks `traffic`, obeys, counts.
//!
//! This room may know neither Kubernetes objects nor the mesh's model: it sees xDS resources, bytes and
//! clocks. It decides nothing: routes, hosts, retries, faults and answers are `traffic`'s.
//!
//! One main thread talks to the control plane, resolves names and serves the admin pages. Each worker
//! is a thread with its own event loop, listeners and upstream connections; a request lives and dies on
//! one worker, its two sides in one future.

mod accept;
mod admin;
mod ads;
mod clock;
mod dns;
mod downstream;
mod edit;
mod exchange;
mod fields;
mod flow;
mod h1;
mod h2;
mod inventory;
mod keeper;
mod names;
mod notes;
mod options;
mod pages;
mod pool;
mod reach;
mod record;
mod relay;
mod respond;
mod run;
mod shared;
mod sinks;
mod socket;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod wire;
mod worker;

pub use options::{Kind, Options, SANDBOX_MARK};
pub use run::run;
