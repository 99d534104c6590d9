//! `envoy.config.route.v3`: how requests find their cluster.

mod actions;
mod virtual_hosts;

pub use actions::*;
pub use virtual_hosts::*;
