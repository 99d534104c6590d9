//! The two proxies as processes: started with one configuration, asked over their admin pages, ended by pid.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::wire;

/// How long a proxy may take to start on a busy machine.
const START: Duration = Duration::from_secs(30);

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Envoy,
    Lateen,
}

impl Which {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Lateen => "lateen",
        }
    }
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) which: Which,
    /// Where each listener is, by name.
    pub(crate) listeners: BTreeMap<String, SocketAddr>,
    process: Process,
}

/// A child that does not outlive its handle.
#[derive(Debug)]
struct Process {
    child: Child,
    folder: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::env::var_os("JUDGE_KEEP").is_none() {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// Stands in a configuration for a file of the proxy's own.
pub(crate) const ACCESS_LOG: &str = "<access log>";

impl Proxy {
    /// Starts one of the proxies; `Err` is what it said when it refused the configuration.
    pub(crate) fn start(which: Which, bootstrap: &Value) -> Result<Self, String> {
        let folder = folder(which);
        let config = folder.join("bootstrap.json");
        let log = folder.join("access.log");
        fs::write(&log, "").unwrap();
        let text = bootstrap.to_string().replace(ACCESS_LOG, log.to_str().unwrap());
        fs::write(&config, text).unwrap();
        let mut command = match which {
            Which::Envoy => envoy(&folder),
            Which::Lateen => {
                let mut command = Command::new(tests::mesh::lateen());
                command.args(["proxy", "--concurrency", "1"]);
                command
            }
        };
        // A proxy may open its own output once more for its access log: nobody writes over the other.
        let said = File::options().create(true).append(true).open(folder.join("said.log")).unwrap();
        command.arg("-c").arg(&config).stdin(Stdio::null());
        let child = command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
        let mut process = Process { child, folder };
        let admin = process.wait_for(|process| process.admin(which))?;
        let listeners = process.wait_for(|_| listeners(admin, bootstrap))?;
        Ok(Self { which, listeners, process })
    }

    /// What it wrote to its standard outputs; the last lines.
    pub(crate) fn said(&self) -> String {
        self.process.said()
    }

    /// Its access log so far: what is in its file, and what it wrote to its standard output instead.
    pub(crate) fn access_log(&self) -> String {
        let read = |name| fs::read_to_string(self.process.folder.join(name)).unwrap_or_default();
        let mut log = read("access.log");
        for line in read("said.log").lines().filter(|line| line.starts_with('{')) {
            log.push_str(line);
            log.push('\n');
        }
        log
    }
}

impl Process {
    /// Waits until something of the proxy is there, or the proxy is gone.
    fn wait_for<T>(&mut self, mut ready: impl FnMut(&Self) -> Option<T>) -> Result<T, String> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(found) = ready(self) {
                return Ok(found);
            }
            if self.child.try_wait().unwrap().is_some() {
                return Err(self.said());
            }
            assert!(Instant::now() < deadline, "the proxy did not start:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn said(&self) -> String {
        let text = fs::read_to_string(self.folder.join("said.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    fn admin(&self, which: Which) -> Option<SocketAddr> {
        match which {
            Which::Envoy => fs::read_to_string(self.folder.join("admin")).ok()?.trim().parse().ok(),
            Which::Lateen => {
                let said = fs::read_to_string(self.folder.join("said.log")).ok()?;
                said.split("admin=").nth(1)?.split_whitespace().next()?.parse().ok()
            }
        }
    }
}

fn envoy(folder: &Path) -> Command {
    let mut command = Command::new(tests::mesh::tool("envoy"));
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]);
    // Access records are wanted soon, not every ten seconds.
    command.args(["--file-flush-interval-msec", "10", "--admin-address-path"]);
    command.arg(folder.join("admin"));
    command
}

/// A folder of one proxy's own.
fn folder(which: Which) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("lateen-judge-{}-{n}-{}", std::process::id(), which.name());
    let path = std::env::temp_dir().join(name);
    fs::create_dir_all(&path).unwrap();
    path
}

/// The listeners, once all that the bootstrap names are there and the proxy is ready.
fn listeners(admin: SocketAddr, bootstrap: &Value) -> Option<BTreeMap<String, SocketAddr>> {
    if !wire::fetch(admin, "/ready")?.starts_with("LIVE") {
        return None;
    }
    let page: Value = serde_json::from_str(&wire::fetch(admin, "/listeners?format=json")?).ok()?;
    let mut found = BTreeMap::new();
    for status in page["listener_statuses"].as_array()? {
        let address = &status["local_address"]["socket_address"];
        let ip = address["address"].as_str()?.parse().ok()?;
        let port = u16::try_from(address["port_value"].as_u64()?).ok()?;
        found.insert(status["name"].as_str()?.to_owned(), SocketAddr::new(ip, port));
    }
    // A control plane's listeners come when they come; the judge's have one.
    let wanted = bootstrap["static_resources"]["listeners"].as_array().map_or(1, Vec::len);
    let enough = found.len() >= wanted;
    (enough && found.values().all(|address| address.port() != 0)).then_some(found)
}
