//! Listeners, and how they pick what serves a connection.

mod listeners;

pub use listeners::*;
