//! The built-in images that demos, tutorials and tests run as applications.
//!
//! Invariant: this room knows nothing of the mesh. An application here is as ignorant of its
//! sidecar as any other; what it shows is what any application would see.

mod echo;
mod httpbin;
mod page;
mod request;
mod serve;
mod service;
mod settings;

pub use settings::Settings;

/// Plays one built-in image until SIGTERM: `service`, `httpbin` or `echo`.
///
/// # Errors
/// When the name is unknown, a setting cannot be read, or the port cannot be bound.
pub async fn run(image: &str, settings: &Settings) -> anyhow::Result<()> {
    match image {
        "service" => service::run(settings).await,
        "httpbin" => serve::run(settings, httpbin::httpbin).await,
        "echo" => serve::run(settings, echo::echo).await,
        other => anyhow::bail!(
            "no built-in workload is called {other:?}; there are \"service\", \"httpbin\" and \"echo\""
        ),
    }
}
