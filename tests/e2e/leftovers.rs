//! However a mesh ends, nothing of it stays: no process, no mount, no namespace.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use tests::{mesh::Mesh, wait};

/// What a mesh with this home leaves on the machine: processes that name it, and mounts below it.
fn leftovers(home: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let pid = entry.file_name().into_string().unwrap_or_default();
        if !pid.bytes().all(|it| it.is_ascii_digit()) {
            continue;
        }
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let (line, environment) = (read("cmdline"), read("environ"));
        let names = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(home);
        let own = pid == std::process::id().to_string();
        if !own && (names(&line) || names(&environment)) {
            found.insert(format!(
                "process {pid}: {}",
                String::from_utf8_lossy(&line).replace('\0', " ")
            ));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    found.extend(mounts.lines().filter(|it| it.contains(home)).map(str::to_owned));
    found
}

/// A process that cannot be mistaken for a later one: its number, and when it started.
type Process = (u32, u64);

/// Every process below this one, with the network namespace it is in.
///
/// Namespaces have no name of their own: the kernel gives an ended one's number to the next. So it is their processes
/// that are watched, for a namespace without process, descriptor or mount is no more.
fn family(root: u32) -> BTreeMap<Process, String> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let pid: Option<u32> = entry.file_name().to_str().and_then(|it| it.parse().ok());
        if let Some((pid, (parent, started))) = pid.and_then(|pid| Some((pid, stat(pid)?))) {
            parents.insert(pid, (parent, started));
        }
    }
    let mut found = BTreeMap::new();
    for (&pid, &(_, started)) in &parents {
        let mut at = pid;
        while at != root && at != 0 {
            at = parents.get(&at).map_or(0, |it| it.0);
        }
        if at == root {
            let network = fs::read_link(format!("/proc/{pid}/ns/net")).unwrap_or_default();
            found.insert((pid, started), network.display().to_string());
        }
    }
    found
}

/// A process's parent, and when it started in ticks since boot; nothing when it is gone or only waits to be reaped.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything, so what follows is counted from the last one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(fields[0], "Z" | "X") {
        return None;
    }
    Some((fields[1].parse().ok()?, fields[19].parse().ok()?))
}

#[test]
fn nothing_stays_however_a_mesh_ends() {
    for signal in [Signal::INT, Signal::HUP, Signal::TERM, Signal::KILL] {
        let mesh = Mesh::start(&["--demo", "catalog"]);
        let path = mesh.home().to_str().unwrap().to_owned();
        assert!(!leftovers(&path).is_empty(), "this test must be able to see a mesh");
        let pods = mesh.kubectl(&["get", "pods", "-A", "-o", "name"]).lines().count();
        assert!(pods >= 8, "{pods}");
        let family = family(mesh.pid());
        let networks: BTreeSet<&String> = family.values().collect();
        assert!(networks.len() >= 8, "only {} namespaces seen: {family:?}", networks.len());
        let home = mesh.stop(signal);
        wait(&format!("all is gone after {signal:?}"), Duration::from_secs(20), || {
            let alive = |it: &&Process| stat(it.0).is_some_and(|now| now.1 == it.1);
            (leftovers(&path).is_empty() && !family.keys().any(|it| alive(&it))).then_some(())
        });
        drop(home);
    }
}

/// The host's links; and its nft rules, which only root may see, and so may change.
fn host() -> (Vec<String>, Option<String>) {
    let links = fs::read_to_string("/proc/net/dev").unwrap();
    let links = links.lines().map(|it| it.split(':').next().unwrap_or("").trim().to_owned());
    let root = rustix::process::geteuid().is_root();
    let rules = root.then(|| {
        let output = Command::new("/usr/sbin/nft")
            .args(["--stateless", "list", "ruleset"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    });
    (links.collect(), rules)
}

#[test]
fn rules_and_links_never_touch_the_host() {
    for signal in [Signal::TERM, Signal::KILL] {
        let before = host();
        let mesh = Mesh::start(&["--demo", "catalog"]);
        assert_eq!(before, host(), "while the mesh runs");
        let home = mesh.stop(signal);
        assert_eq!(before, host(), "after {signal:?}");
        drop(home);
    }
}
