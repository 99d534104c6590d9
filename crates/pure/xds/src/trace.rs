//! Tracers.

mod tracers;

pub use tracers::*;
