//! The rules of the house that the compiler does not know.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Who may know whom. A new edge is a new line here, seen by every reviewer.
const MAY_USE: &[(&str, &[&str])] = &[
    ("objects", &[]),
    ("xds", &[]),
    ("telemetry", &[]),
    ("workloads", &[]),
    ("kinds", &["objects"]),
    ("traffic", &["xds"]),
    ("mesh", &["kinds", "xds"]),
    ("controllers", &["kinds", "telemetry"]),
    ("explain", &["kinds", "mesh", "traffic", "xds"]),
    ("proxy", &["telemetry", "traffic", "xds"]),
    ("node", &["controllers", "kinds"]),
    ("api", &["kinds", "objects"]),
    ("control", &["controllers", "kinds", "mesh", "telemetry", "xds"]),
    ("observe", &["telemetry"]),
    ("console", &["explain", "kinds", "mesh", "telemetry"]),
    ("cli", &["explain", "kinds", "mesh", "telemetry"]),
    ("app", &["api", "cli", "console", "control", "node", "observe", "proxy", "workloads"]),
];

/// Crates that bring a clock, a socket, a runtime or a handshake: not upstairs, at any depth.
const WORLDLY: &[&str] =
    &["axum", "h2", "hyper", "mio", "rustls", "socket2", "tokio", "tonic", "tower"];

/// Lines of one file, without its tests.
const FILE_LINES_MAX: usize = 700;

#[test]
fn crates_know_only_whom_they_may() {
    let metadata = metadata(&["--no-deps"]);
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if ["tests", "bench"].contains(&name) {
            continue;
        }
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} is not in MAY_USE"));
        for used in package["dependencies"].as_array().unwrap() {
            let used = used["name"].as_str().unwrap();
            let in_house = MAY_USE.iter().any(|(house, _)| *house == used);
            assert!(!in_house || allowed.contains(&used), "{name} must not know {used}");
        }
    }
}

#[test]
fn no_path_leads_from_the_pure_floor_to_the_world() {
    let metadata = metadata(&[]);
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let uses: BTreeMap<&str, Vec<&str>> = nodes
        .iter()
        .map(|node| {
            let normal = node["deps"].as_array().unwrap().iter().filter(|dep| {
                dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null())
            });
            (node["id"].as_str().unwrap(), normal.map(|dep| dep["pkg"].as_str().unwrap()).collect())
        })
        .collect();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeMap<&str, &str> = packages
        .iter()
        .map(|it| (it["id"].as_str().unwrap(), it["name"].as_str().unwrap()))
        .collect();
    for package in packages {
        let manifest = package["manifest_path"].as_str().unwrap();
        if !manifest.starts_with(root().join("crates/pure").to_str().unwrap()) {
            continue;
        }
        let (mut seen, mut open) = (BTreeSet::new(), vec![package["id"].as_str().unwrap()]);
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                assert!(
                    !WORLDLY.contains(&names[id]),
                    "{} reaches {}",
                    package["name"].as_str().unwrap(),
                    names[id]
                );
                open.extend(&uses[id]);
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_stays_small() {
    let mut files = rust_files(&root().join("crates"));
    files.extend(rust_files(&root().join("tests")));
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{}: begin with `//! ` and one sentence", path.display());
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(
            lines <= FILE_LINES_MAX,
            "{}: {lines} lines, at most {FILE_LINES_MAX}",
            path.display()
        );
    }
}

#[test]
fn the_map_shows_every_room() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for path in rust_files(&root().join("crates")) {
        if !path.ends_with("src/lib.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let modules = text.lines().filter_map(|line| line.strip_prefix("pub mod "));
        for module in modules.filter_map(|line| line.strip_suffix(';')) {
            let known = map.contains(&format!("`{module}`"));
            assert!(known, "ARCHITECTURE.md lacks `{module}` of {}", path.display());
        }
    }
}

#[test]
fn each_outside_crate_has_its_reason() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, table) = text.split_once("# One line per outside crate").unwrap();
    let (table, _) = table.split_once("\n[").unwrap();
    for line in table.lines().skip(1).filter(|line| !line.is_empty()) {
        assert!(line.contains(" # "), "Cargo.toml: why is it here? {line}");
    }
}

#[test]
fn nothing_names_this_machine() {
    let files = Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    for file in String::from_utf8(files.stdout).unwrap().lines() {
        let Ok(text) = fs::read_to_string(root().join(file)) else { continue };
        let here = concat!("/work", "/main");
        assert!(!text.contains(here), "{file} names a path of one machine");
    }
}

fn metadata(more: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(more)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                rust_files(&path)
            } else {
                Vec::from_iter(path.extension().is_some_and(|it| it == "rs").then_some(path))
            }
        })
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
