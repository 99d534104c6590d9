//! `lateen up`: from nothing to a mesh, and back to nothing.

mod ready;
mod serve;

use std::{
    fs::File,
    io::{Read as _, Seek as _, Write as _},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use cli::Document;
use node::sandbox::{self, Entered};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::{banner, home::Home, install, ports::PortOptions};

/// The arguments of `lateen up`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  lateen up --demo fleetman             a mesh with a demo application
  lateen up -f ./config                 a mesh with your own objects
  lateen up --home /tmp/a --ports auto  a second mesh beside the first
  lateen up --detach                    in the background; `lateen down` ends it")]
pub(crate) struct Up {
    /// A demo application: fleetman, catalog or bookinfo
    #[arg(long, value_name = "NAME")]
    pub(crate) demo: Option<String>,
    /// Files or folders with objects to apply at the start; may be given several times
    #[arg(short, long = "filename", value_name = "FILE")]
    pub(crate) filename: Vec<PathBuf>,
    /// Go on in the background once everything is up
    #[arg(long)]
    detach: bool,
    /// DNS server for names outside the mesh, IP:PORT, or `none` [default: the host's]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) upstream_dns: Option<String>,
    #[command(flatten)]
    pub(crate) ports: PortOptions,
}

/// Most bytes that `-f -` takes.
const INPUT: u64 = 64 << 20;
/// Longest time that `--detach` waits for everything to be up.
const DETACH: Duration = Duration::from_secs(120);

impl Up {
    /// What to apply after the mesh itself: the demo, then the files.
    pub(crate) fn documents(&self) -> anyhow::Result<Vec<Document>> {
        let mut documents = match &self.demo {
            Some(name) => install::demo(name)?,
            None => Vec::new(),
        };
        if !self.filename.is_empty() {
            documents.extend(cli::read_documents(&self.filename)?);
        }
        Ok(documents)
    }

    /// What comes from standard input is read here and again inside: it is kept in memory, and takes the place of it.
    fn hold_standard_input(&self) -> anyhow::Result<Option<File>> {
        if !self.filename.iter().any(|it| it.as_os_str() == "-") {
            return Ok(None);
        }
        let held = memfd_create("standard-input", MemfdFlags::CLOEXEC).context("standard input")?;
        let mut held = File::from(held);
        let copied = std::io::copy(&mut std::io::stdin().lock().take(INPUT + 1), &mut held);
        anyhow::ensure!(
            copied.context("read standard input")? <= INPUT,
            "standard input has more than {INPUT} bytes; give the objects as files with -f FILE"
        );
        held.rewind().context("standard input")?;
        rustix::stdio::dup2_stdin(&held).context("standard input")?;
        Ok(Some(held))
    }
}

/// Runs the mesh until a signal ends it.
pub(crate) fn run(up: &Up, home: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let home = Home::find(home)?;
    if !sandbox::is_inside() {
        let standard_input = up.hold_standard_input()?;
        // All that can be wrong is found before anything is made.
        up.documents()?;
        if let Some(mut held) = standard_input.as_ref() {
            held.rewind().context("standard input")?;
        }
        home.create()?;
        if up.detach {
            return detach(&home, standard_input.is_some()).map(|()| ExitCode::SUCCESS);
        }
        // Held by this process, which outlives all that it starts, and let go by the kernel however it ends.
        let lock = home.lock()?;
        write_pid(&lock).context("write the lock")?;
        home.forget();
        let entered = sandbox::enter()?;
        let Entered::Over(code) = entered else {
            anyhow::bail!("the sandbox was entered twice");
        };
        home.forget();
        drop(lock);
        return Ok(code);
    }
    match sandbox::enter()? {
        Entered::Inside(inside) => {
            serve::serve(up, &home, inside.rootless).map(|()| ExitCode::SUCCESS)
        }
        Entered::Over(code) => Ok(code),
    }
}

fn write_pid(mut lock: &File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    write!(lock, "{}", std::process::id())
}

/// The process that the person started, as it wrote itself into the lock.
fn outer_pid(home: &Home) -> anyhow::Result<u32> {
    let mut text = String::new();
    let path = home.path().join("lock");
    File::open(&path)?.read_to_string(&mut text)?;
    text.trim().parse().with_context(|| format!("{}: no process is named in it", path.display()))
}

/// Starts the same command in the background and waits until all of it is up.
fn detach(home: &Home, holds_input: bool) -> anyhow::Result<()> {
    anyhow::ensure!(
        !home.is_taken(),
        "a mesh is running in {}; stop it with `lateen down`",
        home.path().display()
    );
    let path = home.path().join("up.log");
    let log = File::create(&path).with_context(|| format!("write {}", path.display()))?;
    let arguments = std::env::args_os().skip(1).filter(|it| it != "--detach");
    let mut child = {
        use std::os::unix::process::CommandExt as _;
        Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(if holds_input { Stdio::inherit() } else { Stdio::null() })
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("start in the background")?
    };
    let deadline = Instant::now() + DETACH;
    loop {
        if let Some(running) = home.running().filter(|it| it.ready && it.pid == child.id()) {
            print!("{}", banner::places(&running));
            println!("\nIt runs in the background; `lateen down` ends it.");
            return Ok(());
        }
        let said = || std::fs::read_to_string(&path).unwrap_or_default();
        if let Some(status) = child.try_wait()? {
            anyhow::bail!("it did not start ({status}):\n{}", said().trim_end());
        }
        if Instant::now() > deadline {
            child.kill().ok();
            child.wait().ok();
            anyhow::bail!("it was not up after {DETACH:?} and was ended:\n{}", said().trim_end());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
