//! The sandbox as a whole, through `examples/sandbox.rs`: as root, as an ordinary user, and killed.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// An ordinary user that every Linux has.
const NOBODY: u32 = 65_534;

/// Cargo builds the examples of a package together with its tests, one directory up.
fn example() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    let path = own.ancestors().nth(2).expect("target/debug/deps/NAME").join("examples/sandbox");
    assert!(path.exists(), "run all targets: cargo test -p node");
    path
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A copy of the example where every user may run it: a checkout may be closed to others.
struct Staged(PathBuf);

impl Staged {
    fn new() -> Staged {
        let folder = PathBuf::from(format!("/opt/lateen-pods-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("root may write here");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&folder, open).expect("the folder is ours");
        std::fs::copy(example(), folder.join("sandbox")).expect("there is room for a copy");
        Staged(folder)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn run(user: Option<u32>) {
    let staged = user.map(|_| Staged::new());
    let program = staged.as_ref().map_or_else(example, |it| it.0.join("sandbox"));
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let output = command.output().expect("the example starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

#[test]
fn pods_live_and_reach_each_other() {
    run(None);
}

#[test]
fn pods_live_for_an_ordinary_user_too() {
    if is_root() {
        run(Some(NOBODY));
    }
}

/// Network namespaces that some process of this machine is in.
fn namespaces() -> BTreeSet<PathBuf> {
    let all = std::fs::read_dir("/proc").expect("Linux").flatten();
    all.filter_map(|entry| std::fs::read_link(entry.path().join("ns/net")).ok()).collect()
}

/// Processes started by this very run of the example.
fn family(mark: &str) -> usize {
    let all = std::fs::read_dir("/proc").expect("Linux").flatten();
    let texts = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    texts.filter(|text| String::from_utf8_lossy(text).contains(mark)).count()
}

#[test]
fn kill_9_leaves_no_process_and_no_namespace() {
    let before = namespaces();
    // An argument that only this family of processes has.
    let mark = format!("3 {}", std::process::id());
    let mut stub = Command::new(example())
        .args(["3", &mark])
        .env("SANDBOX_STAYS", "1")
        .process_group(0)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(stub.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("staying")), "the pods stand");
    assert!(family(&mark) >= 2, "stub and inner process");
    stub.kill().unwrap();
    stub.wait().unwrap();
    let began = Instant::now();
    while family(&mark) > 0 || !namespaces().is_subset(&before) {
        // Other tests of this file have namespaces of their own for a while.
        assert!(began.elapsed() < Duration::from_secs(20), "something was left");
        std::thread::sleep(Duration::from_millis(20));
    }
}
