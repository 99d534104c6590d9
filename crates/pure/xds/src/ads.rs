//! Aggregated discovery: the machines of both ends of an xDS stream, without the stream.
//!
//! Spec: <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol>.

pub mod client;
pub mod server;
