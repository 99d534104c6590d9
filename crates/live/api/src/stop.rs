//! The flag that ends everything.

use std::future::pending;

use tokio::sync::watch;

/// Returns when the flag is up.
pub(crate) async fn raised(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stopped| *stopped).await.is_err() {
        // The server was dropped without a word: what runs ends on its own.
        pending::<()>().await;
    }
}
