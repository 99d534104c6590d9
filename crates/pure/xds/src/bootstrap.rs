//! What a proxy is started with.

mod startup;

pub use startup::*;
