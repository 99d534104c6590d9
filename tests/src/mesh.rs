//! A mesh of its own for one test: own home, free ports, ended with the test.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;

use crate::{PATIENCE, http::Client, wait};

/// A running `lateen up`.
#[derive(Debug)]
pub struct Mesh {
    home: Home,
    process: Child,
    /// What `run.json` says: pid, ports, kubeconfig.
    pub running: Value,
}

/// A folder of a test's own, gone with it.
#[derive(Debug)]
pub struct Home(PathBuf);

impl Home {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("lateen-test-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the mesh said is what a person needs to find the cause.
            for name in ["up.log", "lateen.log"] {
                let log = std::fs::read_to_string(self.0.join(name)).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = &lines[lines.len().saturating_sub(30)..];
                writeln!(std::io::stderr(), "the end of {name}:\n{}", tail.join("\n")).ok();
            }
        }
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// The binary under test.
#[must_use]
pub fn lateen() -> PathBuf {
    match std::env::var_os("LATEEN_BIN") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/lateen"),
    }
}

/// A tool that tests/tools/prepare brought.
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    let folder = match std::env::var_os("LATEEN_TOOLS") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache"),
    };
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: run tests/tools/prepare", path.display());
    path
}

impl Mesh {
    /// Starts a mesh with these arguments for `lateen up` and waits until it says that it is ready.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_in(Home::new(), arguments)
    }

    /// The same in a home that may hold an earlier mesh's objects.
    #[must_use]
    pub fn start_in(home: Home, arguments: &[&str]) -> Self {
        std::fs::remove_file(home.path().join("run.json")).ok();
        let process = spawn(&home, arguments);
        let mut mesh = Self { home, process, running: Value::Null };
        let path = mesh.home.path().join("run.json");
        mesh.running = wait("run.json says ready", PATIENCE, || {
            if let Some(status) = mesh.process.try_wait().unwrap() {
                panic!("lateen up ended with {status}");
            }
            let running: Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
            (running["ready"] == true).then_some(running)
        });
        mesh
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The process that `lateen up` was started as.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A port on the host by its name in `run.json`.
    #[must_use]
    pub fn port(&self, name: &str) -> u16 {
        let port = self.running["ports"][name].as_u64().and_then(|it| it.try_into().ok());
        port.unwrap_or_else(|| panic!("run.json has no port {name}: {}", self.running))
    }

    /// A client of the gateway.
    #[must_use]
    pub fn gateway(&self) -> Client {
        Client::new(self.port("gatewayHttp"))
    }

    /// Stock kubectl with this mesh's kubeconfig.
    #[must_use]
    pub fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(tool("kubectl"));
        command.arg("--kubeconfig").arg(self.home().join("kubeconfig"));
        command.arg("--cache-dir").arg(self.home().join("kubectl-cache"));
        command.args(arguments).env("HOME", self.home());
        command
    }

    /// Runs kubectl and gives its output; panics when it fails.
    #[must_use]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.kubectl_command(arguments).output().unwrap();
        succeeded(&format!("kubectl {}", arguments.join(" ")), &output)
    }

    /// `kubectl apply -f -` of this YAML; panics when it fails. Gives what kubectl said, warnings too.
    pub fn apply(&self, yaml: &str) -> String {
        let output = self.feed(&["apply", "-f", "-"], yaml);
        succeeded(&format!("kubectl apply of\n{yaml}"), &output)
    }

    /// Runs kubectl with `input` as its standard input.
    #[must_use]
    pub fn feed(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.kubectl_command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Ends the mesh by a signal and waits until it is gone; the home stays.
    #[must_use]
    pub fn stop(mut self, signal: rustix::process::Signal) -> Home {
        kill(&self.process, signal);
        let limit = std::time::Duration::from_secs(20);
        wait("lateen up ends", limit, || self.process.try_wait().unwrap());
        std::mem::take(&mut self.home)
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|it| it.is_some()) {
            return;
        }
        kill(&self.process, rustix::process::Signal::TERM);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while self.process.try_wait().is_ok_and(|it| it.is_none()) {
            if deadline < std::time::Instant::now() {
                self.process.kill().ok();
                self.process.wait().ok();
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// Starts `lateen up` in a home with its output in `up.log`, without waiting for anything.
#[must_use]
pub fn spawn(home: &Home, arguments: &[&str]) -> Child {
    let log = std::fs::File::create(home.path().join("up.log")).unwrap();
    let mut command = Command::new(lateen());
    command.args(["up", "--ports", "auto", "--home"]).arg(home.path()).args(arguments);
    command.env("HOME", home.path()).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn kill(process: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(process.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Standard output and standard error of a command that must have succeeded.
#[must_use]
pub fn succeeded(what: &str, output: &Output) -> String {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{what}: {}\n{text}", output.status);
    text
}
