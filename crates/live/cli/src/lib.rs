//! kubectl's and istioctl's words without either: a client of any Kubernetes API, ours first.
//!
//! Invariant: this room writes only through the Kubernetes API, and is the only one besides the
//! binary that prints. What it says of a mesh is what `mesh` and `explain` say.
#![expect(clippy::print_stderr, reason = "a command line talks to people")]

mod analyze;
mod api;
mod apply;
mod delete;
mod describe;
mod documents;
mod explain;
mod forward;
mod get;
mod jsonpath;
mod logs;
mod out;
mod output;
mod proxy_config;
mod proxy_status;
mod resources;
mod version;

use std::process::ExitCode;

pub use analyze::Analyze;
pub use api::{Api, Failure, Target};
pub use apply::{Applied, Apply, apply_document};
pub use delete::Delete;
pub use describe::Describe;
pub use documents::{Document, parse as parse_documents, read as read_documents};
pub use explain::Explain;
pub use get::Get;
pub use logs::Logs;
pub use out::{Closed, complaint, print};
pub use proxy_config::ProxyConfig;
pub use proxy_status::ProxyStatus;
pub use version::Version;

/// What a person can ask of the API in kubectl's and istioctl's words.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create or change objects from files
    #[command(after_help = "Examples:
  lateen apply -f routes.yaml
  lateen apply -f ./config/ -R
  cat routes.yaml | lateen apply -f -
  lateen apply -f routes.yaml --dry-run=server")]
    Apply(Apply),
    /// Show objects as a table, or whole
    #[command(after_help = "Examples:
  lateen get pods
  lateen get vs,dr -A
  lateen get all -l app=webapp
  lateen get deploy webapp -o yaml
  lateen get pods -o jsonpath='{.items[*].metadata.name}'
  lateen get pods -w")]
    Get(Box<Get>),
    /// Delete objects by name, label or file
    #[command(after_help = "Examples:
  lateen delete pod webapp-5d8f7c
  lateen delete vs --all
  lateen delete pods -l app=webapp --now
  lateen delete -f routes.yaml")]
    Delete(Box<Delete>),
    /// Show an object for people: how it is, what is wrong with it, what happened
    #[command(after_help = "Examples:
  lateen describe pod webapp-5d8f7c
  lateen describe deploy/webapp svc/webapp
  lateen describe vs")]
    Describe(Describe),
    /// Print what containers wrote
    #[command(after_help = "Examples:
  lateen logs deploy/webapp
  lateen logs -f webapp-5d8f7c -c istio-proxy --tail 20
  lateen logs -l app=webapp --since 5m --prefix
  lateen logs webapp-5d8f7c --previous")]
    Logs(Box<Logs>),
    /// Find what is wrong with the objects of a mesh or of files
    #[command(after_help = "Examples:
  lateen analyze                    the namespace `default`
  lateen analyze -A                 every namespace
  lateen analyze routes.yaml        what would be wrong if this were applied
  lateen analyze -R ./config --use-kube=false -o json

Exit code: 0 nothing as bad as --failure-threshold, 79 something is, 1 it could not be looked at.")]
    Analyze(Box<Analyze>),
    /// Say where a request would go, and which rule decides
    #[command(after_help = "Examples:
  lateen explain --to http://127.0.0.1:8080/          as somebody outside, at the gateway
  lateen explain --from deploy/webapp --to http://reviews:9080/reviews/0
  lateen explain --from webapp-5d8f7c --to http://shop/cart -X POST -H 'x-user: tester'
  lateen explain -f routes.yaml --from client --to http://shop/")]
    Explain(Box<Explain>),
    /// Show which proxies are connected, and whether they have what was sent to them
    #[command(
        visible_alias = "ps",
        after_help = "Examples:
  lateen proxy-status
  lateen ps deploy/webapp           compare what this proxy has with what was sent"
    )]
    ProxyStatus(ProxyStatus),
    /// Show what a proxy was told: its clusters, listeners, routes, endpoints
    #[command(
        visible_alias = "pc",
        subcommand_required = true,
        after_help = "Examples:
  lateen proxy-config routes deploy/webapp
  lateen pc clusters webapp-5d8f7c --fqdn reviews
  lateen pc endpoints webapp-5d8f7c.default --cluster 'outbound|9080||reviews'
  lateen pc listeners istio-ingressgateway-6b8d -n istio-system -o json"
    )]
    ProxyConfig {
        /// What to show
        #[command(subcommand)]
        what: Box<ProxyConfig>,
    },
    /// Print the versions of this binary, the API server and the control plane
    #[command(after_help = "Examples:\n  lateen version\n  lateen version --client")]
    Version(Version),
}

/// Runs one command against the API that is meant; gives the exit code.
///
/// # Errors
/// When the API cannot be reached or refuses; the text is the server's, with what to do next.
pub async fn run(command: &Command, target: &Target) -> anyhow::Result<ExitCode> {
    match command {
        // These find out by themselves whether they need an API.
        Command::Analyze(wanted) => return analyze::run(target, wanted).await,
        Command::Explain(wanted) => return explain::run(target, wanted).await,
        Command::ProxyConfig { what } => return proxy_config::run(target, what).await,
        Command::Version(wanted) => return version::run(target, wanted).await,
        _ => {}
    }
    let api = Api::reach(target).await?;
    match command {
        Command::Apply(wanted) => apply::run(&api, wanted).await,
        Command::Get(wanted) => get::run(&api, wanted).await,
        Command::Delete(wanted) => delete::run(&api, wanted).await,
        Command::Describe(wanted) => describe::run(&api, wanted).await,
        Command::Logs(wanted) => logs::run(&api, wanted).await,
        Command::ProxyStatus(wanted) => proxy_status::run(&api, wanted).await,
        Command::Analyze(_)
        | Command::Explain(_)
        | Command::ProxyConfig { .. }
        | Command::Version(_) => unreachable!("they ran above"),
    }
}
