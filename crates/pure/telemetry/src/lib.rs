//! What was seen: the table of metrics, a registry of bounded series, and their exposition text.
//!
//! This room may not know a disk, a socket or a clock: durations and counts are arguments, and what
//! it makes is text and numbers. It uses nothing of the house.

pub mod exposition;
pub mod istio;
pub mod metrics;
pub mod registry;

pub use istio::{Exchange, Reporter, Workload};
pub use metrics::{Id, Kind, METRICS, Metric};
pub use registry::{Registry, Series};
