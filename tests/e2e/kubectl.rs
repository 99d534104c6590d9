//! kubectl's width: each verb that people use daily, stock kubectl against one mesh.

use std::process::Output;

use tests::{PATIENCE, mesh::Mesh, wait};

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop, labels: { app: web } }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
      - name: app
        image: lateen/service:1
        ports: [ { containerPort: 8080 } ]
        env: [ { name: VERSION, value: one } ]
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [ { port: 80, targetPort: 8080 } ] }
";

/// kubectl's words, split at spaces, in namespace `shop`.
fn words(line: &str) -> Vec<&str> {
    let mut words: Vec<&str> = line.split(' ').collect();
    words.extend(["-n", "shop"]);
    words
}

struct Shop(Mesh);

impl Shop {
    /// What kubectl says, which must succeed.
    fn ok(&self, line: &str) -> String {
        self.0.kubectl(&words(line))
    }

    /// What kubectl says on standard error when it fails, as it must.
    fn no(&self, line: &str) -> String {
        let output: Output = self.0.kubectl_command(&words(line)).output().unwrap();
        assert!(!output.status.success(), "kubectl {line} should fail: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn path(&self, what: &str, path: &str) -> String {
        self.0.kubectl(&["get", what, "-n", "shop", "-o", &format!("jsonpath={path}")])
    }
}

#[test]
fn every_daily_verb_does_what_kubectl_users_know() {
    let shop = Shop(Mesh::start(&[]));
    let said = shop.0.kubectl(&["create", "namespace", "shop"]);
    assert_eq!(said.trim(), "namespace/shop created");
    let said = shop.0.apply(WEB);
    assert_eq!(said.trim(), "deployment.apps/web created\nservice/web created");
    let said = shop.0.apply(WEB);
    assert_eq!(said.trim(), "deployment.apps/web unchanged\nservice/web unchanged");
    assert!(
        shop.ok("rollout status deployment/web --timeout=60s").contains("successfully rolled out")
    );

    generators(&shop);
    reads(&shop);
    changes(&shop);
    rollouts(&shop);
    deletions(&shop);
}

/// These send protobuf bodies.
fn generators(shop: &Shop) {
    for (line, said) in [
        ("create configmap settings --from-literal=color=blue", "configmap/settings created"),
        ("create secret generic key --from-literal=word=hush", "secret/key created"),
        ("create serviceaccount robot", "serviceaccount/robot created"),
        (
            "create deployment idle --image=lateen/service:1 --replicas=0",
            "deployment.apps/idle created",
        ),
        ("create service clusterip idle --tcp=80:8080", "service/idle created"),
    ] {
        assert_eq!(shop.ok(line).trim(), said);
    }
    assert_eq!(shop.path("configmap/settings", "{.data.color}"), "blue");
    assert_eq!(shop.path("secret/key", "{.data.word}"), "aHVzaA==");
    assert!(shop.no("create configmap settings").contains("already exists"));
    // A dry run stores nothing.
    let said = shop.ok("create configmap never --from-literal=a=b --dry-run=server");
    assert_eq!(said.trim(), "configmap/never created (server dry run)");
    assert!(shop.no("get configmap never").contains("\"never\" not found"));
}

fn reads(shop: &Shop) {
    let table = shop.ok("get deployments -o wide");
    let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    let columns =
        ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"];
    assert_eq!(head, columns, "{table}");
    let table = shop.ok("get pods -o wide");
    assert!(table.contains("NODE") && table.contains("10.244."), "{table}");
    assert!(shop.ok("get pods -l app=web -o name").starts_with("pod/web-"));
    assert_eq!(shop.ok("get pods -l app!=web -o name"), "");
    assert!(shop.ok("get pods --field-selector=status.phase=Running -o name").contains("pod/web-"));
    assert_eq!(shop.ok("get pods --field-selector=status.phase=Failed -o name"), "");
    assert!(shop.ok("get all").contains("replicaset.apps/web-"));
    assert!(shop.ok("get deployment web -o yaml").contains("kind: Deployment"));
    assert!(shop.0.kubectl(&["get", "pods", "-A"]).contains("kube-system"));
    let said = shop.ok("describe deployment web");
    for wanted in ["Pod Template:", "RollingUpdateStrategy:", "ScalingReplicaSet"] {
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
    let said = shop.ok("describe pod -l app=web");
    for wanted in ["Events:", "Started container app", "Conditions:", "lateen/service:1"] {
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
    let said = shop.0.kubectl(&["api-resources"]);
    for wanted in ["virtualservices", "networking.istio.io/v1", "deployments", "deploy", "vs"] {
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
    assert!(shop.0.kubectl(&["version"]).contains("Server Version: v1."));
    assert!(shop.0.kubectl(&["explain", "virtualservice.spec.http"]).contains("route"));
    assert!(shop.0.kubectl(&["explain", "pod.spec.containers.livenessProbe"]).contains("httpGet"));
    assert!(shop.no("get pods nobody").contains("pods \"nobody\" not found"));
    assert!(
        shop.no("get nonsense").contains("the server doesn't have a resource type \"nonsense\"")
    );
    assert_eq!(shop.0.kubectl(&["auth", "can-i", "create", "pods"]).trim(), "yes");
}

fn changes(shop: &Shop) {
    let _ = shop.ok("label deployment web tier=front");
    assert_eq!(shop.path("deployment/web", "{.metadata.labels.tier}"), "front");
    assert!(shop.no("label deployment web tier=back").contains("--overwrite is false"));
    let _ = shop.ok("label deployment web tier-");
    assert_eq!(shop.path("deployment/web", "{.metadata.labels.tier}"), "");
    let _ = shop.ok("annotate deployment web note=hello");
    assert_eq!(shop.path("deployment/web", "{.metadata.annotations.note}"), "hello");
    for (kind, body) in [
        ("merge", r#"{"data":{"color":"red"}}"#),
        ("json", r#"[{"op":"replace","path":"/data/color","value":"green"}]"#),
        ("strategic", r#"{"data":{"size":"big"}}"#),
    ] {
        let _ = shop.ok(&format!("patch configmap settings --type={kind} -p {body}"));
    }
    assert_eq!(shop.path("configmap/settings", "{.data}"), r#"{"color":"green","size":"big"}"#);
    // A list with merge keys: the other container's fields stay.
    let body = r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","workingDir":"/"}]}}}}"#;
    let _ = shop.ok(&format!("patch deployment web -p {body}"));
    assert_eq!(
        shop.path("deployment/web", "{.spec.template.spec.containers[0].image}"),
        "lateen/service:1"
    );
    assert!(shop.no("patch configmap settings --type=json -p [{\"op\":\"test\",\"path\":\"/data/color\",\"value\":\"x\"}]").contains("test"));
    // An editor that changes one word.
    let mut edit = shop.0.kubectl_command(&words("edit configmap settings"));
    let edited = edit.env("KUBE_EDITOR", "sed -i s/green/yellow/").output().unwrap();
    assert!(
        String::from_utf8_lossy(&edited.stdout).contains("configmap/settings edited"),
        "{edited:?}"
    );
    assert_eq!(shop.path("configmap/settings", "{.data.color}"), "yellow");
    // diff: 1 when something would change, 0 when not; nothing is written.
    let other = WEB.replace("value: one", "value: two");
    let diff = shop.0.feed(&["diff", "-f", "-"], &other);
    assert_eq!(diff.status.code(), Some(1), "{diff:?}");
    assert!(String::from_utf8_lossy(&diff.stdout).contains("two"), "{diff:?}");
    assert_eq!(
        shop.path("deployment/web", "{.spec.template.spec.containers[0].env[0].value}"),
        "one"
    );
    // An old resourceVersion is a conflict.
    let stale = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings, namespace: shop, resourceVersion: '1' }\n";
    let refused = shop.0.feed(&["replace", "-f", "-"], stale);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("(Conflict)"), "{refused:?}");
}

fn rollouts(shop: &Shop) {
    let _ = shop.ok("rollout status deployment/web --timeout=60s");
    let _ = shop.ok("set image deployment/web app=lateen/service:2");
    assert!(
        shop.ok("rollout status deployment/web --timeout=60s").contains("successfully rolled out")
    );
    let before = shop.path("pods", "{.items[*].metadata.name}");
    let _ = shop.ok("rollout restart deployment/web");
    let _ = shop.ok("rollout status deployment/web --timeout=60s");
    wait("other pods", PATIENCE, || {
        (shop.path("pods", "{.items[*].metadata.name}") != before).then_some(())
    });
    let history = shop.ok("rollout history deployment/web");
    assert!(
        history.lines().filter(|it| it.starts_with(|c: char| c.is_ascii_digit())).count() >= 3,
        "{history}"
    );
    let _ = shop.ok("rollout undo deployment/web --to-revision=1");
    let _ = shop.ok("rollout status deployment/web --timeout=60s");
    assert_eq!(
        shop.path("deployment/web", "{.spec.template.spec.containers[0].image}"),
        "lateen/service:1"
    );
    let _ = shop.ok("rollout pause deployment/web");
    assert_eq!(shop.path("deployment/web", "{.spec.paused}"), "true");
    let _ = shop.ok("rollout resume deployment/web");
    let _ = shop.ok("scale deployment/web --replicas=3");
    let said =
        shop.ok("wait --for=jsonpath={.status.readyReplicas}=3 deployment/web --timeout=60s");
    assert!(said.contains("condition met"), "{said}");
    let _ = shop.ok("wait --for=condition=Ready pod -l app=web --timeout=60s");
    assert!(
        shop.no("scale deployment/web --replicas=1 --current-replicas=9")
            .contains("Expected replicas")
    );
}

fn deletions(shop: &Shop) {
    // The owner goes, what it owns stays.
    let _ = shop.ok("delete deployment web --cascade=orphan");
    assert!(shop.ok("get replicasets -o name").contains("replicaset.apps/web-"));
    shop.0.apply(WEB);
    let _ = shop.ok("delete deployment web --cascade=foreground --timeout=60s");
    assert_eq!(shop.ok("get pods -l app=web -o name"), "");
    // A finalizer holds an object until somebody takes it off.
    let _ =
        shop.ok(r#"patch configmap settings -p {"metadata":{"finalizers":["example.com/hold"]}}"#);
    let _ = shop.ok("delete configmap settings --wait=false");
    assert!(!shop.path("configmap/settings", "{.metadata.deletionTimestamp}").is_empty());
    let _ = shop.ok(r#"patch configmap settings -p {"metadata":{"finalizers":null}}"#);
    assert!(shop.no("get configmap settings").contains("not found"));
    let _ = shop.ok("run shell --image=lateen/service:1 --labels=app=shell");
    let _ = shop.ok("wait --for=condition=Ready pod/shell --timeout=60s");
    let _ = shop.ok("delete pod shell --grace-period=1");
    // A namespace takes everything in it along.
    let _ = shop.0.kubectl(&["delete", "namespace", "shop", "--timeout=60s"]);
    assert_eq!(
        shop.0.kubectl(&["get", "configmaps,secrets,pods,deployments", "-n", "shop", "-o", "name"]),
        ""
    );
}

#[test]
fn a_watch_tells_every_change() {
    let mesh = Mesh::start(&[]);
    let mut command = mesh.kubectl_command(&["get", "configmaps", "-w", "--output-watch-events"]);
    let log = mesh.home().join("watch.log");
    let file = std::fs::File::create(&log).unwrap();
    let mut watch = command.stdout(file).spawn().unwrap();
    let told = |word: &str| {
        let text = std::fs::read_to_string(&log).unwrap();
        text.lines().any(|line| line.starts_with(word) && line.contains(" seen "))
    };
    wait("the watch has begun", PATIENCE, || {
        let text = std::fs::read_to_string(&log).unwrap();
        text.contains("kube-root-ca.crt").then_some(())
    });
    let _ = mesh.kubectl(&["create", "configmap", "seen"]);
    let _ = mesh.kubectl(&["label", "configmap", "seen", "a=b"]);
    let _ = mesh.kubectl(&["delete", "configmap", "seen"]);
    let all = std::panic::catch_unwind(|| {
        for word in ["ADDED", "MODIFIED", "DELETED"] {
            wait(word, PATIENCE, || told(word).then_some(()));
        }
    });
    watch.kill().unwrap();
    watch.wait().unwrap();
    all.unwrap();
}
