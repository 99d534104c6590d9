//! Clusters: where requests go.

mod balancing;
mod clusters;
mod extensions;

pub use balancing::*;
pub use clusters::*;
pub use extensions::*;
