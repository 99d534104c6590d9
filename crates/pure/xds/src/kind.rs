//! `envoy.type`: values, matchers and tags.

mod matchers;
mod tags;
mod values;

pub use matchers::*;
pub use tags::*;
pub use values::*;
