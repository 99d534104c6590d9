//! kubectl's words without kubectl: a client of any Kubernetes API, ours first.
//!
//! Invariant: this room writes only through the Kubernetes API, and is the only one besides the
//! binary that prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to people")]

mod api;
mod apply;
mod delete;
mod describe;
mod documents;
mod get;
mod logs;
mod resources;

use std::path::{Path, PathBuf};

pub use api::{Api, Failure};
pub use apply::{Applied, apply_document};
pub use documents::{Document, parse as parse_documents, read as read_documents};

/// What a person can ask of the API in kubectl's words.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create or change objects from files
    #[command(
        after_help = "Examples:\n  lateen apply -f routes.yaml\n  lateen apply -f ./config/\n  cat routes.yaml | lateen apply -f -"
    )]
    Apply {
        /// A file, a folder, or - for standard input; may be given several times
        #[arg(short, long = "filename", required = true)]
        filename: Vec<PathBuf>,
        /// Where
        #[command(flatten)]
        scope: Scope,
    },
    /// Show objects as a table, or whole
    #[command(
        after_help = "Examples:\n  lateen get pods\n  lateen get vs,dr -A\n  lateen get deploy webapp -o yaml\n  lateen get pods -w"
    )]
    Get(get::Get),
    /// Delete objects by name, label or file
    #[command(
        after_help = "Examples:\n  lateen delete pod webapp-5d8f7c\n  lateen delete vs --all\n  lateen delete -f routes.yaml"
    )]
    Delete(delete::Delete),
    /// Show an object with its events
    #[command(
        after_help = "Examples:\n  lateen describe pod webapp-5d8f7c\n  lateen describe deploy/webapp"
    )]
    Describe {
        /// KIND NAME, or KIND/NAME
        #[arg(required = true)]
        what: Vec<String>,
        /// Where
        #[command(flatten)]
        scope: Scope,
    },
    /// Print what a container wrote
    #[command(
        after_help = "Examples:\n  lateen logs deploy/webapp\n  lateen logs -f webapp-5d8f7c -c istio-proxy\n  lateen logs webapp-5d8f7c --previous"
    )]
    Logs(logs::Logs),
}

/// The namespace of a command.
#[derive(Clone, Debug, clap::Args)]
pub struct Scope {
    /// The namespace
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
}

/// Runs one command against the API that `home/kubeconfig` (or, without one, the usual
/// kubeconfig) names.
///
/// # Errors
/// When the API cannot be reached or refuses; the text is the server's, with what was tried.
pub async fn run(command: Command, home: &Path) -> anyhow::Result<()> {
    let api = Api::connect(home).await?;
    match command {
        Command::Apply { filename, scope } => apply::run(&api, &filename, &scope).await,
        Command::Get(get) => get::run(&api, &get).await,
        Command::Delete(delete) => delete::run(&api, &delete).await,
        Command::Describe { what, scope } => describe::run(&api, &what, &scope).await,
        Command::Logs(logs) => logs::run(&api, &logs).await,
    }
}
