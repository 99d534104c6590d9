//! Starting wrongly: each mistake gets a message with the mend, and nothing half-started stays.

use std::{net::TcpListener, process::Command};

use tests::mesh::{Home, Mesh, lateen, spawn};

/// Runs `lateen up` to its end and gives what it said; it must fail.
fn refused(home: &Home, arguments: &[&str]) -> String {
    let output = Command::new(lateen())
        .args(["up", "--home"])
        .arg(home.path())
        .args(arguments)
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_mends_it() {
    let home = Home::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let free = [
        "--api-port",
        "0",
        "--gateway-https-port",
        "0",
        "--console-port",
        "0",
        "--xds-port",
        "0",
        "--monitoring-port",
        "0",
    ];
    let said = refused(&home, &[&free[..], &["--gateway-http-port", &port]].concat());
    assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
    assert!(said.contains("--gateway-http-port") && said.contains("--ports auto"), "{said}");
    assert!(!home.path().join("run.json").exists());
}

#[test]
fn a_second_mesh_on_the_same_home_is_refused_and_harms_nothing() {
    let mesh = Mesh::start(&[]);
    let output = Command::new(lateen())
        .args(["up", "--ports", "auto", "--home"])
        .arg(mesh.home())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("a mesh is running in") && said.contains("lateen down"), "{said}");
    assert!(mesh.kubectl(&["get", "ns"]).contains("istio-system"));
}

#[test]
fn a_broken_file_is_refused_before_anything_starts() {
    let home = Home::new();
    let file = home.path().join("routes.yaml");
    std::fs::write(&file, "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a\nspec: [\n")
        .unwrap();
    let said = refused(&home, &["--ports", "auto", "-f", file.to_str().unwrap()]);
    assert!(said.contains("routes.yaml:"), "{said}");
    assert!(!home.path().join("state.redb").exists(), "nothing was started");

    let said = refused(&home, &["--ports", "auto", "--demo", "nothing"]);
    assert!(said.contains("fleetman"), "the demos are named: {said}");
    let said = refused(&home, &["--ports", "auto", "-f", "/does/not/exist.yaml"]);
    assert!(said.contains("/does/not/exist.yaml"), "{said}");
}

#[test]
fn a_home_that_cannot_be_made_is_named() {
    let home = Home::new();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = Command::new(lateen())
        .args(["up", "--ports", "auto", "--home"])
        .arg(file.join("home"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("--home"), "{said}");
}

#[test]
fn down_stops_the_mesh_of_a_home_and_status_tells() {
    let home = Home::new();
    let run = |word: &str| {
        Command::new(lateen()).args([word, "--home"]).arg(home.path()).output().unwrap()
    };
    let status = run("status");
    assert_eq!(status.status.code(), Some(1), "nothing runs: {status:?}");
    let mut up = spawn(&home, &[]);
    tests::wait("ready", tests::PATIENCE, || {
        let status = run("status");
        status.status.success().then_some(())
    });
    // kubectl's words are for the mesh of the same home.
    let pods = Command::new(lateen())
        .args(["get", "pods", "-A", "--home"])
        .arg(home.path())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&pods.stdout).contains("istiod-"), "{pods:?}");
    let down = run("down");
    assert!(down.status.success(), "{down:?}");
    assert!(up.wait().unwrap().success());
    assert_eq!(run("status").status.code(), Some(1));
    assert!(!home.path().join("run.json").exists());
}
