//! The API server over TLS, as clients see it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod admission;
mod client;
mod identity;
mod objects;
mod pods;
mod watches;
