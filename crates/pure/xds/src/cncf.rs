//! `xds.core.v3` and `xds.type`: the messages that xDS shares beyond Envoy.

mod matching;
mod names;

pub use matching::*;
pub use names::*;
