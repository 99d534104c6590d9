//! Pods on one machine: processes in namespaces of their own, their links, redirection, probes
//! and logs, and the kubelet's API over them.
//!
//! This room knows no API server and no mesh: it sees objects through a Kubernetes client, and
//! what to do next it asks `controllers::pod`.
//!
//! The order in `lateen up`: [`sandbox::enter`] before any thread; [`Netns::start`]; sockets of
//! the API server by [`Netns::listen`]; then [`run`] with a client of that server.

mod agent;
mod container;
pub mod dns;
mod egress;
pub mod hostports;
mod kubelet;
mod logs;
mod netlink;
mod netns;
mod relay;
pub mod sandbox;

pub use agent::{Config, HostPort, Upstream, Withdrawn, run};
pub use container::init::main as container_init;
pub use netns::{EGRESS_PORT, NODE_IP, Netns};

/// The name of the only node.
pub const NODE_NAME: &str = "lateen";
