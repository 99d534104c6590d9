//! What a proxy is started with.

mod obeyed;
mod startup;

pub use obeyed::Refusal;
pub use startup::*;
