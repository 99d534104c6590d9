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
fn objects_come_from_standard_input_too() {
    let home = Home::new();
    let file = home.path().join("input");
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: piped }\n";
    std::fs::write(&file, object).unwrap();
    let mut script = Command::new("sh");
    script.args(["-c", "cat \"$1/input\" | \"$0\" up --ports auto --detach --home \"$1\" -f -"]);
    let output = script.arg(lateen()).arg(home.path()).env("HOME", home.path()).output().unwrap();
    let run = |words: &[&str]| {
        Command::new(lateen()).args(words).arg("--home").arg(home.path()).output().unwrap()
    };
    let found = run(&["get", "configmap", "piped", "-o", "name"]);
    let down = run(&["down"]);
    assert!(output.status.success() && down.status.success(), "{output:?} {down:?}");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "configmap/piped\n", "{found:?}");
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

/// Runs `lateen up` after `before` in a user namespace of its own, where limits and mounts are nobody else's; gives what it said.
fn refused_after(home: &Home, before: &str) -> String {
    let script = format!("{before} && exec \"$0\" up --ports auto --home \"$1\"");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .arg(lateen())
        .arg(home.path())
        .env("HOME", home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let complaints = said.lines().filter(|line| line.to_lowercase().starts_with("error"));
    assert_eq!(complaints.count(), 1, "one message, said once: {said}");
    assert_eq!(processes(home), Vec::<String>::new(), "something of it still runs: {said}");
    said
}

/// Command lines of processes that name this home.
fn processes(home: &Home) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = entries.filter_map(|it| std::fs::read_to_string(it.path().join("cmdline")).ok());
    lines.filter(|it| it.contains(home.path().to_str().unwrap())).collect()
}

#[test]
fn each_step_of_the_start_that_fails_is_named_and_leaves_nothing() {
    // What the kernel refuses, by limits of a namespace of the test's own.
    for (limit, step) in [
        ("max_pid_namespaces", "new pid namespace"),
        ("max_mnt_namespaces", "new mount namespace"),
        ("max_net_namespaces", "trying a network namespace"),
    ] {
        let home = Home::new();
        let said = refused_after(&home, &format!("echo 0 > /proc/sys/user/{limit}"));
        assert!(said.contains(step) && said.contains("sysctl user.max_user_namespaces"), "{said}");
        assert!(!home.path().join("state.redb").exists(), "nothing was started");
    }
    // What stands in the way in the home, in the order in which it is met.
    for name in ["lock", "lateen.log", "ports.json", "state.redb", "kubeconfig", "run.json"] {
        let home = Home::new();
        std::fs::create_dir(home.path().join(name)).unwrap();
        let said = refused_after(&home, "true");
        assert!(said.contains(home.path().join(name).to_str().unwrap()), "{name}: {said}");
        assert!(!home.path().join("run.json").is_file(), "{name} leaves word of a mesh");
    }
    let home = Home::new();
    std::fs::write(home.path().join("state.redb"), "no database").unwrap();
    let said = refused_after(&home, "true");
    assert!(said.contains("state.redb") && said.contains("move it away"), "{said}");
    // The last part to start: the node. The API server, the store and the namespaces are there by then.
    let home = Home::new();
    std::fs::create_dir(home.path().join("kubelet.sock")).unwrap();
    let said = refused_after(&home, "true");
    assert!(said.contains("kubelet.sock"), "{said}");
    assert!(!home.path().join("run.json").exists());
}

#[test]
fn a_missing_privilege_is_named() {
    let home = Home::new();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "setpriv", "--bounding-set=-sys_admin"])
        .args(["--inh-caps=-sys_admin"])
        .arg(lateen())
        .args(["up", "--ports", "auto", "--home"])
        .arg(home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("Operation not permitted") && said.contains("--privileged"), "{said}");
    assert!(!home.path().join("state.redb").exists(), "nothing was started");
}

#[test]
fn a_full_disk_is_named_at_the_start() {
    for size in ["4k", "100k", "200k"] {
        let home = Home::new();
        let said = refused_after(&home, &format!("mount -t tmpfs -o size={size} none \"$1\""));
        assert!(said.contains("full") || said.contains("No space left"), "{size}: {said}");
        assert!(
            said.contains(home.path().to_str().unwrap()) || said.contains("the lateen home"),
            "{said}"
        );
    }
}

#[test]
fn a_disk_that_fills_up_loses_nothing_and_recovers() {
    let home = Home::new();
    let path = home.path().to_str().unwrap();
    let mut mesh = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=8m none \"$1\" && exec \"$0\" up --ports auto --home \"$1\"")
        .arg(lateen())
        .arg(path)
        .env("HOME", path)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // The home as the mesh sees it: the mount is in a namespace of its own.
    let inside = format!("/proc/{}/root{path}", mesh.id());
    let outcome = std::panic::catch_unwind(|| {
        let read = |name: &str| std::fs::read(format!("{inside}/{name}")).ok();
        tests::wait("ready", tests::PATIENCE, || {
            let running: serde_json::Value = serde_json::from_slice(&read("run.json")?).ok()?;
            (running["ready"] == true).then_some(())
        });
        let kubeconfig = home.path().join("kubeconfig");
        std::fs::write(&kubeconfig, read("kubeconfig").unwrap()).unwrap();
        let kubectl = |arguments: &[&str]| {
            Command::new(tests::mesh::tool("kubectl"))
                .arg("--kubeconfig")
                .arg(&kubeconfig)
                .args(arguments)
                .env("HOME", path)
                .output()
                .unwrap()
        };
        let made = kubectl(&["create", "configmap", "before", "--from-literal=a=b"]);
        assert!(made.status.success(), "{made:?}");
        // Fills the disk to the last byte, as far as a file may.
        let mut filler = std::fs::File::create(format!("{inside}/filler")).unwrap();
        while std::io::Write::write_all(&mut filler, &[0; 4096]).is_ok() {}
        drop(filler);
        let big = format!("--from-literal=a={}", "x".repeat(100_000));
        let refused = tests::wait("a write is refused", tests::PATIENCE, || {
            let output = kubectl(&["create", "configmap", "during", &big]);
            if output.status.success() {
                // The database had pages to spare.
                assert!(kubectl(&["delete", "configmap", "during"]).status.success());
                return None;
            }
            Some(String::from_utf8_lossy(&output.stderr).into_owned())
        });
        assert!(refused.contains("full") && refused.contains("free some space"), "{refused}");
        assert!(kubectl(&["get", "configmap", "before"]).status.success(), "reading goes on");
        assert!(!kubectl(&["get", "configmap", "during"]).status.success(), "it was refused");
        std::fs::remove_file(format!("{inside}/filler")).unwrap();
        tests::wait("writes are taken again", tests::PATIENCE, || {
            kubectl(&["create", "configmap", "after", &big]).status.success().then_some(())
        });
    });
    let pid = rustix::process::Pid::from_child(&mesh);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    mesh.wait().unwrap();
    outcome.unwrap();
}
