//! The command line as a newcomer meets it: right and wrong, beside stock kubectl.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tests::{
    PATIENCE,
    mesh::{Home, Mesh, lateen},
    wait,
};

/// What a command said and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(lateen());
    command.args(arguments).arg("--home").arg(home).env("HOME", home);
    command.env_remove("KUBECONFIG").env_remove("LATEEN_HOME").current_dir(home);
    command
}

fn say(home: &Path, arguments: &[&str]) -> Said {
    command(home, arguments).stdin(Stdio::null()).output().unwrap().into()
}

/// The output of a command that must succeed.
fn done(home: &Path, arguments: &[&str]) -> String {
    let said = say(home, arguments);
    assert_eq!(said.code, Some(0), "lateen {}: {}{}", arguments.join(" "), said.out, said.err);
    said.out
}

fn feed(home: &Path, arguments: &[&str], input: &str) -> Said {
    let mut command = command(home, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: NAME }\ndata: { a: b }\n";

fn map(name: &str) -> String {
    MAP.replace("NAME", name)
}

const SPLIT: &str = "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: fleetman-staff-service }
spec:
  host: fleetman-staff-service
  subsets:
  - { name: safe, labels: { version: safe } }
  - { name: risky, labels: { version: risky } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: fleetman-staff-service }
spec:
  hosts: [ fleetman-staff-service ]
  http:
  - name: split
    route:
    - { destination: { host: fleetman-staff-service, subset: safe }, weight: 90 }
    - { destination: { host: fleetman-staff-service, subset: risky }, weight: 10 }
";

#[test]
fn without_a_mesh_each_command_says_how_to_get_one() {
    let home = Home::new();
    for arguments in [
        &["get", "pods"][..],
        &["delete", "pod", "a"],
        &["logs", "a"],
        &["describe", "pods"],
        &["proxy-status"],
        &["pc", "routes", "a"],
        &["analyze"],
        &["explain", "--to", "http://a/"],
        &["dashboard"],
        &["status"],
    ] {
        let said = say(home.path(), arguments);
        assert_eq!(said.code, Some(1), "{arguments:?}: {}", said.err);
        assert!(said.err.contains("lateen up"), "{arguments:?}: {}", said.err);
    }
    let said = say(home.path(), &["version"]);
    assert!(said.code == Some(0) && said.out.starts_with("client version: "), "{}", said.err);
    // Some other cluster's kubeconfig is not taken where a home was named.
    let other = home.path().join("other");
    std::fs::write(&other, "apiVersion: v1\nkind: Config\n").unwrap();
    let said: Said = command(home.path(), &["delete", "pod", "--all"])
        .env("KUBECONFIG", &other)
        .output()
        .unwrap()
        .into();
    assert!(said.err.contains("no mesh has been started in"), "{}", said.err);
    // A wrong command line is another thing than a refusal.
    let said = say(home.path(), &["status", "--kubeconfig", "other"]);
    assert!(said.code == Some(2) && said.err.contains("--home"), "{}", said.err);
    for arguments in [&["gat", "pods"][..], &["apply"], &["get", "pods", "-o", "ymal"], &["get"]] {
        assert_eq!(say(home.path(), arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn files_are_judged_without_a_mesh() {
    let home = Home::new();
    let file = home.path().join("rules.yaml");
    std::fs::write(&file, SPLIT.replace("hosts:", "hostss:")).unwrap();
    let said = say(home.path(), &["analyze", "rules.yaml"]);
    assert_eq!(said.code, Some(79), "{}{}", said.out, said.err);
    let slip = "Error [IST0106] (VirtualService default/fleetman-staff-service rules.yaml:14:3)";
    assert!(said.out.contains(slip) && said.out.contains("Did you mean hosts?"), "{}", said.out);
    let said = say(home.path(), &["analyze", "-f", "rules.yaml", "--use-kube=false", "-o", "json"]);
    let rows: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    assert!(rows.iter().any(|it| it["line"] == 14 && it["level"] == "Error"), "{}", said.out);
    let said = feed(home.path(), &["analyze", "-f", "-"], "a: [\n");
    assert_eq!(said.code, Some(1), "what cannot be read is no finding: {}", said.out);
    assert!(said.err.contains("standard input:"), "{}", said.err);
    let said = say(home.path(), &["explain", "-f", "rules.yaml", "--to", "https://x/"]);
    assert!(said.code == Some(1) && said.err.contains("--to tls://x"), "{}", said.err);
}

#[test]
fn words_that_miss_are_answered_with_what_was_meant() {
    let mesh = Mesh::start(&["--demo", "fleetman"]);
    let home = mesh.home();
    for (arguments, part) in [
        (&["get", "pds"][..], "did you mean pods?"),
        (&["get", "bananas"], "there are: "),
        (&["get", "pod", "webapp"], "did you mean webapp-"),
        (&["get", "svc", "fleetman-webap"], "did you mean fleetman-webapp?"),
        (&["get", "deploy", "istiod"], "add -n istio-system"),
        (&["get", "pods", "a", "-A"], "say -n NAMESPACE"),
        (&["describe", "pod", "nobody-at-all"], "`lateen get pods -n default`"),
        (&["logs", "webapp"], "say deploy/webapp"),
        (&["logs", "deploy/webapp", "-c", "istio-prox"], "did you mean -c istio-proxy?"),
        (&["delete", "pods"], "--all"),
        (&["delete", "cm", "nobody-at-all"], "NotFound"),
        (&["apply", "nothing.yaml"], "lateen apply -f nothing.yaml"),
        (&["apply", "-f", "nothing.yaml"], "\"nothing.yaml\" does not exist"),
        (&["apply", "-f", "https://example.com/a.yaml"], "curl -fsSL https://example.com/a.yaml |"),
        (&["apply", "-f", "-", "-f", "-"], "once"),
        (&["ps", "deploy/istiod", "-n", "istio-system"], "has no proxy in it"),
        (&["explain", "--from", "nobody-at-all", "--to", "http://a/"], "not found"),
    ] {
        let said = say(home, arguments);
        assert_eq!(said.code, Some(1), "{arguments:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(part), "{arguments:?}: {}", said.err);
    }
    let said = say(home, &["get", "pods", "-n", "nowhere"]);
    assert_eq!(said.code, Some(0), "as kubectl");
    assert!(said.err.contains("there is no namespace nowhere; there are default"), "{}", said.err);

    // One bad document harms only itself, whatever is wrong with it.
    let text = format!(
        "{}---\n{}---\na: [\n---\n{}",
        map("one"),
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: bad }\nspec: { hosts: [ a ], htp: [] }\n",
        map("two")
    );
    let said = feed(home, &["apply", "-f", "-"], &text);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert_eq!(said.out, "configmap/one created\nconfigmap/two created\n");
    for part in [
        "standard input:6: Error from server (BadRequest)",
        "\"spec.htp\"",
        "standard input:11:4:",
        "2 of 4 documents not applied",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    let said = feed(
        home,
        &["apply", "-f", "-"],
        "apiVersion: networking.istio.io/v2\nkind: VirtualService\nmetadata: { name: a }\n",
    );
    assert!(said.err.contains("is served as apiVersion networking.istio.io/v1"), "{}", said.err);
    // kubectl and this command agree on what is unchanged, in both orders.
    let said = mesh.feed(&["apply", "-f", "-"], &map("one"));
    assert_eq!(String::from_utf8_lossy(&said.stdout), "configmap/one unchanged\n");
    let _ = mesh.feed(&["apply", "-f", "-"], &map("three"));
    assert_eq!(feed(home, &["apply", "-f", "-"], &map("three")).out, "configmap/three unchanged\n");
    // A dry run stores nothing.
    let said = feed(home, &["apply", "-f", "-", "--dry-run=server"], &map("four"));
    assert_eq!(said.out, "configmap/four created (server dry run)\n", "{}", said.err);
    // Deleting goes on past what is not there.
    let said = say(home, &["delete", "cm", "one", "four", "two"]);
    assert_eq!(said.out, "configmap \"one\" deleted\nconfigmap \"two\" deleted\n");
    assert_eq!(said.code, Some(1), "{}", said.err);
    let said = say(home, &["delete", "cm", "one", "--ignore-not-found"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""));
}

#[test]
fn get_shows_what_kubectl_shows() {
    let mesh = Mesh::start(&["--demo", "fleetman"]);
    let home = mesh.home();
    for arguments in [
        &["get", "svc"][..],
        &["get", "ns"],
        &["get", "pods", "-o", "name"],
        &["get", "vs,gw", "-o", "name", "-A"],
        &["get", "pods", "-l", "app=staff-service", "-L", "version", "--no-headers"],
        &["get", "svc", "-o", "jsonpath={.items[*].metadata.name}"],
        &[
            "get",
            "pods",
            "-o",
            "jsonpath={range .items[*]}{.metadata.name}{\"\\t\"}{.status.podIP}{\"\\n\"}{end}",
        ],
        &[
            "get",
            "svc",
            "fleetman-webapp",
            "-o",
            "jsonpath={.spec.ports[?(@.name==\"http\")].targetPort}",
        ],
        &["get", "pods", "-o", "custom-columns=NAME:.metadata.name,IP:.status.podIP,NO:.nothing"],
        &["get", "svc", "--sort-by=.spec.clusterIP"],
        &["get", "svc", "fleetman-webapp", "-o", "json"],
        &["get", "svc", "-o", "json"],
        &["get", "svc", "fleetman-webapp", "-o", "jsonpath={.spec}"],
        &[
            "get",
            "deploy",
            "webapp",
            "-o",
            "jsonpath={.spec.template.spec.containers[*].env[?(@.name==\"VERSION\")].value}",
        ],
    ] {
        // Ages may tick between the two.
        wait(&format!("{arguments:?} are equal"), PATIENCE, || {
            (done(home, arguments) == mesh.kubectl(arguments)).then_some(())
        });
    }
    let json: Value = serde_json::from_str(&done(home, &["get", "vs", "-o", "json"])).unwrap();
    assert_eq!(json["kind"], "List");
    assert_eq!(json["items"][0]["kind"], "VirtualService");

    // A pipe that is closed is no crash.
    let mut child = command(home, &["get", "pods", "-A", "-o", "yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(141), ""));

    let text = done(home, &["describe", "pod", "webapp"]);
    for part in
        ["Controlled By:", "istio-proxy:", "Readiness:", "Conditions:", "Events:", "Scheduled"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = done(home, &["describe", "svc/fleetman-webapp", "deploy/webapp"]);
    assert!(text.contains("Endpoints:") && text.contains("1 desired | 1 updated"), "{text}");

    assert!(done(home, &["logs", "deploy/webapp", "--tail", "1"]).lines().count() == 1);
    assert!(done(home, &["logs", "deploy/webapp", "-c", "istio-proxy"]).contains("proxy"));
    let text = done(home, &["logs", "-l", "app=webapp", "--prefix", "--tail=1"]);
    assert!(text.lines().count() == 2 && text.starts_with("[pod/webapp"), "{text}");
    assert_eq!(done(home, &["logs", "deploy/webapp", "--since=1s", "--tail=0"]), "");
    for shell in ["bash", "zsh", "fish"] {
        assert!(done(home, &["completion", shell]).contains("proxy-status"), "{shell}");
    }
    let url = done(home, &["dashboard", "--browser=false"]);
    assert_eq!(url.trim(), format!("http://127.0.0.1:{}", mesh.port("console")));
}

#[test]
fn a_mesh_can_be_asked_what_it_does_and_why() {
    let mesh = Mesh::start(&["--demo", "fleetman"]);
    let home = mesh.home();
    let said = feed(home, &["apply", "-f", "-"], SPLIT);
    assert_eq!(said.code, Some(0), "{}", said.err);

    let ask =
        ["explain", "--from", "deploy/api-gateway", "--to", "http://fleetman-staff-service:8080/"];
    let text = done(home, &ask);
    for part in [
        "fleetman-staff-service/safe",
        "90%",
        "fleetman-staff-service/risky",
        "10%",
        "\"split\" of VirtualService default/fleetman-staff-service",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let url = format!("http://127.0.0.1:{}/", mesh.port("gatewayHttp"));
    let json: Value =
        serde_json::from_str(&done(home, &["explain", "--to", &url, "-o", "json"])).unwrap();
    assert_eq!(json["virtualServices"], serde_json::json!(["default/fleetman-webapp"]), "{json}");

    // Every proxy is there and in step.
    wait("all proxies are synced", PATIENCE, || {
        let text = done(home, &["proxy-status"]);
        let in_step = text.lines().skip(1).all(|it| it.matches("SYNCED").count() == 4);
        (text.lines().count() == 10 && in_step).then_some(())
    });
    wait("a proxy has what was sent", PATIENCE, || {
        let said = say(home, &["ps", "deploy/webapp"]);
        (said.code == Some(0) && said.out.contains("Clusters Match")).then_some(())
    });
    let text = done(
        home,
        &[
            "pc",
            "clusters",
            "deploy/api-gateway",
            "--fqdn",
            "fleetman-staff-service",
            "--subset",
            "risky",
        ],
    );
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("EDS") && text.contains("fleetman-staff-service.default"), "{text}");
    let text = done(
        home,
        &[
            "pc",
            "routes",
            "deploy/api-gateway",
            "--name",
            "8080",
            "--fqdn",
            "fleetman-staff-service",
        ],
    );
    assert!(text.contains("|safe|") && text.contains("(90)"), "{text}");
    let text = done(home, &["pc", "listeners", "deploy/api-gateway", "--port", "15001"]);
    assert!(text.contains("PassthroughCluster"), "{text}");
    let text = done(
        home,
        &["pc", "endpoints", "deploy/api-gateway", "--cluster", "|risky|fleetman-staff-service"],
    );
    assert!(text.contains("HEALTHY") && text.lines().count() == 2, "{text}");
    let text = done(home, &["version"]);
    assert!(text.contains("API server version: v1.") && text.contains("9 proxies"), "{text}");

    // A mistake is found by analyze, and described with the object.
    assert_eq!(say(home, &["analyze"]).code, Some(0));
    let said = feed(home, &["apply", "-f", "-"], &SPLIT.replace("subset: risky", "subset: rsky"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let said = say(home, &["analyze"]);
    assert_eq!(said.code, Some(79), "{}", said.out);
    assert!(
        said.out.contains("Error [IST0101] (VirtualService default/fleetman-staff-service)"),
        "{}",
        said.out
    );
    let text = done(home, &["describe", "vs", "fleetman-staff-service"]);
    assert!(text.contains("Findings:") && text.contains("IST0101"), "{text}");
    assert!(done(home, &ask).contains("Error [IST0101] (VirtualService default/"));
    assert_eq!(say(home, &["analyze", "--suppress", "IST0101"]).code, Some(0));
    // The same in a file, before it is applied.
    let said = feed(
        home,
        &["analyze", "-f", "-"],
        &SPLIT.replace("host: fleetman-staff-service, subset: safe", "host: flet"),
    );
    assert!(said.out.contains("standard input:18:24)"), "{}", said.out);
}

#[test]
fn watches_and_logs_go_on_until_they_are_ended() {
    let mesh = Mesh::start(&[]);
    let home = mesh.home();
    let crasher = "apiVersion: v1
kind: Pod
metadata: { name: crasher }
spec:
  containers:
  - { name: a, image: sh, command: [ sh, -c, 'echo dying; exit 3' ] }
---
apiVersion: v1
kind: Pod
metadata: { name: talker }
spec:
  containers:
  - { name: a, image: sh, command: [ sh, -c, 'i=0; while true; do i=$((i+1)); echo line $i; sleep 0.1; done' ] }
";
    let mut watch = command(home, &["get", "pods", "-w"]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let said = feed(home, &["apply", "-f", "-"], crasher);
    assert_eq!(said.code, Some(0), "{}", said.err);
    read_until(&mut watch, "CrashLoopBackOff");
    let mut follow = command(home, &["logs", "-f", "talker", "--tail", "1", "--timestamps"]);
    let mut follow = follow.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    read_until(&mut follow, "line 20");
    wait("the last run is there", PATIENCE, || {
        let said = say(home, &["logs", "crasher", "--previous"]);
        (said.out == "dying\n").then_some(())
    });
    let text = done(home, &["describe", "pod", "crasher"]);
    for part in ["CrashLoopBackOff", "Exit Code:", "BackOff"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Reads what a process writes until a text is there, then ends the process.
fn read_until(child: &mut std::process::Child, wanted: &str) {
    let mut pipe = child.stdout.take().unwrap();
    let (mut text, mut chunk) = (String::new(), [0; 4096]);
    while !text.contains(wanted) {
        let n = pipe.read(&mut chunk).unwrap();
        assert!(n > 0, "it ended without {wanted}: {text}");
        text += &String::from_utf8_lossy(&chunk[..n]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
