//! However a mesh ends, nothing of it stays: no process, no mount, no namespace.

use std::{collections::BTreeSet, fs, time::Duration};

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

/// Network namespaces that processes of this user are in, as far as they can be seen.
fn namespaces() -> BTreeSet<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let links = entries.filter_map(|it| fs::read_link(it.path().join("ns/net")).ok());
    links.map(|it| it.display().to_string()).collect()
}

#[test]
fn nothing_stays_however_a_mesh_ends() {
    for signal in [Signal::INT, Signal::HUP, Signal::TERM, Signal::KILL] {
        let mesh = Mesh::start(&["--demo", "catalog"]);
        let path = mesh.home().to_str().unwrap().to_owned();
        assert!(!leftovers(&path).is_empty(), "this test must be able to see a mesh");
        let during = namespaces();
        let pods = mesh.kubectl(&["get", "pods", "-A", "-o", "name"]).lines().count();
        assert!(pods >= 8, "{pods}");
        let home = mesh.stop(signal);
        // Namespaces die with their last process; the kernel takes a moment.
        wait(&format!("all is gone after {signal:?}"), Duration::from_secs(20), || {
            leftovers(&path).is_empty().then_some(())
        });
        let after = namespaces();
        let gone = during.difference(&after).count();
        assert!(gone >= 8, "after {signal:?} only {gone} of {} namespaces are gone", during.len());
        drop(home);
    }
}

#[test]
fn rules_and_links_never_touch_the_host() {
    let rules = || {
        fs::read_to_string("/proc/net/dev")
            .unwrap()
            .lines()
            .map(|it| it.split(':').next().unwrap_or("").to_owned())
            .collect::<Vec<_>>()
    };
    let before = rules();
    let mesh = Mesh::start(&["--demo", "catalog"]);
    assert_eq!(before, rules(), "a link appeared on the host");
    drop(mesh);
    assert_eq!(before, rules());
}
