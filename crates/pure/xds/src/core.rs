//! `envoy.config.core.v3`: the words that all other messages share.

mod addresses;
mod basics;
mod health;
mod mutations;
mod protocols;
mod sources;

pub use addresses::*;
pub use basics::*;
pub use health::*;
pub use mutations::*;
pub use protocols::*;
pub use sources::*;
