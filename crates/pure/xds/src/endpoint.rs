//! Endpoints of clusters.

mod endpoints;

pub use endpoints::*;
