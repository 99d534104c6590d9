//! Who may do what.

mod policies;

pub use policies::*;
