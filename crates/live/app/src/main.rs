//! The binary `lateen`: arguments and wiring.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to people")]

mod banner;
mod dashboard;
mod home;
mod install;
mod ports;
mod status;
mod up;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

use crate::home::Home;

/// Gives memory back after a burst, which glibc's allocator does not.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A whole service mesh in one binary: Istio's YAML, on one machine, without a cluster
#[derive(Debug, Parser)]
#[command(
    name = "lateen",
    bin_name = "lateen",
    version,
    after_help = FIRST_STEPS
)]
struct Arguments {
    /// The home of the mesh [default: $LATEEN_HOME, else ~/.lateen]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// For kubectl's and istioctl's words: the cluster of this kubeconfig instead of the home's mesh
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "First steps:
  lateen up --demo fleetman        start a mesh with a demo application; Ctrl-C ends it
  lateen status                    where everything is
  lateen get pods                  what runs; kubectl does as well, with the home's kubeconfig
  lateen apply -f routes.yaml      change where requests go
  lateen explain --to http://...   see where a request goes, and why
  lateen analyze                   find what is wrong

Every command has examples: lateen COMMAND --help.
Exit codes: 0 done, 1 not done, 2 the command line is wrong, 79 `analyze` has findings.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a mesh on this machine, in the foreground until Ctrl-C
    Up(Box<up::Up>),
    /// Stop the mesh of this home
    #[command(after_help = "Examples:
  lateen down
  lateen down --home /tmp/a

The objects stay in the home: the next `lateen up` has them again.")]
    Down,
    /// Tell whether a mesh runs here, where it listens and what it runs
    #[command(after_help = "Examples:
  lateen status
  lateen status -o json | jq .ports.gatewayHttp
  until lateen status >/dev/null 2>&1; do sleep 0.1; done

Exit code: 0 when a mesh runs and all of it is up, 1 when not.")]
    Status {
        /// As JSON, for scripts
        #[arg(short, long, value_parser = ["json"])]
        output: Option<String>,
    },
    #[command(flatten)]
    Client(ClientCommand),
    /// Open a page of the mesh in the browser, or print where it is
    #[command(
        after_help = "Examples:\n  lateen dashboard\n  lateen dashboard gateway --browser=false"
    )]
    Dashboard {
        /// Which page
        #[arg(value_enum, default_value = "console")]
        page: dashboard::Page,
        /// Whether to open it; without a screen it is only printed
        #[arg(long, action = clap::ArgAction::Set, default_value_t = true, value_name = "true|false")]
        browser: bool,
    },
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
    #[command(after_help = "Examples:
  source <(lateen completion bash)                                   this shell
  lateen completion bash > ~/.local/share/bash-completion/completions/lateen
  lateen completion zsh > \"${fpath[1]}/_lateen\"
  lateen completion fish > ~/.config/fish/completions/lateen.fish")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    #[command(flatten)]
    Container(ContainerCommand),
}

/// kubectl's and istioctl's words.
#[derive(Debug, Subcommand)]
enum ClientCommand {
    #[command(flatten)]
    Words(cli::Command),
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

/// What a shell says of a process that writes to a pipe which nobody reads: 128 + SIGPIPE.
const NOBODY_READS: u8 = 141;

fn main() -> ExitCode {
    let Arguments { home, kubeconfig, command } = Arguments::parse();
    match run(command, home, kubeconfig) {
        Ok(code) => code,
        Err(error) if error.is::<cli::Closed>() => ExitCode::from(NOBODY_READS),
        Err(error) => {
            eprint!("{}", cli::complaint(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(
    command: Command,
    home: Option<PathBuf>,
    kubeconfig: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    if kubeconfig.is_some() && !matches!(command, Command::Client(_)) {
        let said =
            "--kubeconfig is for kubectl's and istioctl's words; here --home DIR names the mesh";
        Arguments::command().error(ErrorKind::ArgumentConflict, said).exit();
    }
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
        Command::Client(ClientCommand::Words(command)) => {
            let home_is_named = home.is_some() || std::env::var_os("LATEEN_HOME").is_some();
            let home = Home::find(home)?.path().to_path_buf();
            let target = cli::Target { kubeconfig, home, home_is_named };
            return on_one_thread(cli::run(&command, &target));
        }
        Command::Dashboard { page, browser } => {
            dashboard::dashboard(&Home::find(home)?, page, browser)
        }
        Command::Proxy { config, concurrency } => {
            log_to_stderr();
            proxy::run(proxy::Options::from_bootstrap_file(&config, concurrency)?)
        }
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "lateen", &mut script);
            cli::print(&String::from_utf8_lossy(&script))
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

fn on_one_thread<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
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
