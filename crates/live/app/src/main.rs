//! The binary `lateen`: arguments and wiring.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to people")]

mod banner;
mod home;
mod install;
mod ports;
mod status;
mod up;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::home::Home;

/// Gives memory back after a burst, which glibc's allocator does not.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A whole service mesh in one binary: Istio's YAML, on one machine, without a cluster
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = FIRST_STEPS)]
struct Arguments {
    /// The home of the mesh [default: $LATEEN_HOME, else ~/.lateen]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "First steps:
  lateen up --demo fleetman        start a mesh with a demo application; Ctrl-C ends it
  lateen status                    where everything is
  lateen apply -f routes.yaml      or kubectl, with the kubeconfig that `up` prints";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a mesh on this machine, in the foreground until Ctrl-C
    Up(Box<up::Up>),
    /// Stop the mesh of this home
    Down,
    /// Tell whether a mesh runs here, where it listens and what it runs
    Status {
        /// As JSON, for scripts
        #[arg(short, long, value_parser = ["json"])]
        output: Option<String>,
    },
    #[command(flatten)]
    Client(ClientCommand),
    /// Run one proxy from an Envoy bootstrap file
    #[command(
        after_help = "Examples:\n  lateen proxy -c bootstrap.yaml\n  lateen proxy -c bootstrap.json --concurrency 2"
    )]
    Proxy {
        /// The bootstrap: node, admin, static_resources, dynamic_resources; JSON or YAML
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
        /// Worker threads
        #[arg(long, default_value_t = 2)]
        concurrency: usize,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  source <(lateen completion bash)")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    #[command(flatten)]
    Container(ContainerCommand),
}

/// kubectl's words.
#[derive(Debug, Subcommand)]
enum ClientCommand {
    #[command(flatten)]
    Kubectl(cli::Command),
}

/// What runs in the containers of a mesh; started by the node, not by people.
#[derive(Debug, Subcommand)]
enum ContainerCommand {
    /// pid 1 of a container
    #[command(hide = true)]
    ContainerInit { arguments: Vec<String> },
    /// The control plane
    #[command(hide = true)]
    Istiod,
    /// The sidecar of a pod
    #[command(hide = true)]
    Sidecar {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The ingress gateway
    #[command(hide = true)]
    Gateway,
    /// Cluster DNS
    #[command(hide = true)]
    Dns,
    /// A built-in application
    #[command(hide = true)]
    Workload {
        image: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command, arguments.home) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lateen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, home: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let done = match command {
        Command::Up(up) => return up::run(&up, home),
        Command::Container(ContainerCommand::ContainerInit { arguments }) => {
            return Ok(node::container_init(&arguments));
        }
        Command::Down => status::down(&Home::find(home)?),
        Command::Status { output } => {
            let home = Home::find(home)?;
            on_one_thread(status::status(&home, output.is_some()))
        }
        Command::Client(ClientCommand::Kubectl(command)) => {
            let home = Home::find(home)?;
            on_one_thread(cli::run(command, home.path()))
        }
        Command::Proxy { config, concurrency } => {
            log_to_stderr();
            proxy::run(proxy::Options::from_bootstrap_file(&config, concurrency)?)
        }
        Command::Completion { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "lateen", &mut std::io::stdout());
            Ok(())
        }
        Command::Container(command) => contain(command),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// What the node starts in containers.
fn contain(command: ContainerCommand) -> anyhow::Result<()> {
    match command {
        ContainerCommand::ContainerInit { .. } => unreachable!("it gives an exit code of its own"),
        ContainerCommand::Istiod => {
            log_to_stderr();
            on_one_thread(control::istiod::run(control::istiod::Options::from_environment()?))
        }
        ContainerCommand::Sidecar { .. } => {
            log_to_stderr();
            proxy::run(proxy::Options::from_environment(proxy::Kind::Sidecar, &environment())?)
        }
        ContainerCommand::Gateway => {
            log_to_stderr();
            proxy::run(proxy::Options::from_environment(proxy::Kind::Gateway, &environment())?)
        }
        ContainerCommand::Dns => {
            log_to_stderr();
            node::dns::run()
        }
        ContainerCommand::Workload { image, .. } => {
            log_to_stderr();
            let settings = workloads::Settings::new(environment());
            on_one_thread(workloads::run(&image, &settings))
        }
    }
}

/// The environment of this process; what is not text is nobody's setting.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

fn on_one_thread(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Logs of the processes that live in pods: `kubectl logs` shows them.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LATEEN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
}
