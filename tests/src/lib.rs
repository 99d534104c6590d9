//! Fixtures of the end-to-end tests: a mesh as a process, stock kubectl, and a plain HTTP client.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test stops at the first surprise"
)]

pub mod http;
pub mod mesh;

use std::time::{Duration, Instant};

/// Waits until `ready` gives something, asking again and again; panics with `what` after `limit`.
pub fn wait<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < deadline, "after {limit:?} still not: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ten seconds on a quiet machine are enough for anything here; this allows for a busy one.
pub const PATIENCE: Duration = Duration::from_secs(60);
