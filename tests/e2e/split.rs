//! The main job: a canary of 90/10 by stock kubectl, shifted and disturbed under load.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tests::{PATIENCE, mesh::Mesh, wait};

use crate::load::Load;

/// A DestinationRule of two subsets and a VirtualService that splits between them.
fn split(safe: u32, risky: u32) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: fleetman-staff-service }}
spec:
  host: fleetman-staff-service
  subsets:
  - {{ name: safe, labels: {{ version: safe }} }}
  - {{ name: risky, labels: {{ version: risky }} }}
---
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {{ name: fleetman-staff-service }}
spec:
  hosts: [ fleetman-staff-service.default.svc.cluster.local ]
  http:
  - route:
    - {{ destination: {{ host: fleetman-staff-service, subset: safe }}, weight: {safe} }}
    - {{ destination: {{ host: fleetman-staff-service, subset: risky }}, weight: {risky} }}
"
    )
}

/// The version of the staff service that took part in an answer of the webapp.
fn staff_version(answer: &Value) -> Option<&str> {
    let gateway = &answer["upstreams"][0]["said"];
    let parts = gateway["upstreams"].as_array()?;
    parts.iter().find(|it| it["name"] == "staff-service")?["said"]["version"].as_str()
}

/// The share of `risky` in `n` requests through the gateway, all of which must answer 200.
fn risky_share(mesh: &Mesh, n: u32) -> f64 {
    let mut client = mesh.gateway();
    let mut risky = 0;
    for _ in 0..n {
        let answer = client.get("/", &[]).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        match staff_version(&answer.json()) {
            Some("risky") => risky += 1,
            Some("safe") => {}
            _ => unreachable!("no staff service in {}", answer.text()),
        }
    }
    f64::from(risky) / f64::from(n)
}

/// Waits until 40 requests in a row show a split that this test can tell from any other.
fn until_share(mesh: &Mesh, what: &str, wanted: impl Fn(f64) -> bool) {
    wait(what, PATIENCE, || wanted(risky_share(mesh, 40)).then_some(()));
}

#[test]
fn a_canary_is_split_shifted_and_survives_what_happens_to_pods() {
    let mesh = Mesh::start(&["--demo", "fleetman"]);

    // Without rules both versions answer alike.
    let share = risky_share(&mesh, 200);
    assert!((0.3..0.7).contains(&share), "without rules: {share}");

    let said = mesh.apply(&split(90, 10));
    assert!(
        said.contains("virtualservice.networking.istio.io/fleetman-staff-service created"),
        "{said}"
    );
    assert!(!said.contains("Warning"), "{said}");
    until_share(&mesh, "90/10 is obeyed", |share| share < 0.3);
    let share = risky_share(&mesh, 2000);
    assert!((0.07..=0.13).contains(&share), "90/10: {share}");

    // 50/50 under 200 requests a second: no request fails.
    let load = Load::start(mesh.port("gatewayHttp"), 200);
    mesh.apply(&split(50, 50));
    until_share(&mesh, "50/50 is obeyed", |share| share > 0.3);
    let share = risky_share(&mesh, 1000);
    assert!((0.45..=0.55).contains(&share), "50/50: {share}");
    load.finish_without_failure("a change of weights");

    // A pod of two is deleted under load: no request fails.
    let _ = mesh.kubectl(&["scale", "deploy/staff-service", "deploy/api-gateway", "--replicas=2"]);
    let _ = mesh.kubectl(&["rollout", "status", "deploy/staff-service", "--timeout=60s"]);
    let _ = mesh.kubectl(&["rollout", "status", "deploy/api-gateway", "--timeout=60s"]);
    let load = Load::start(mesh.port("gatewayHttp"), 200);
    for app in ["staff-service", "api-gateway"] {
        let pod = mesh.kubectl(&[
            "get",
            "pods",
            "-l",
            &format!("app={app}"),
            "-o",
            "jsonpath={.items[0].metadata.name}",
        ]);
        let _ = mesh.kubectl(&["delete", "pod", &pod, "--timeout=60s"]);
        let deployment = format!("deploy/{app}");
        let _ = mesh.kubectl(&["rollout", "status", &deployment, "--timeout=60s"]);
    }
    load.finish_without_failure("the deletion of one pod of two");

    // Up to five and back.
    let _ = mesh.kubectl(&["scale", "deploy/webapp", "--replicas=5"]);
    let _ = mesh.kubectl(&["rollout", "status", "deploy/webapp", "--timeout=60s"]);
    let ready =
        || mesh.kubectl(&["get", "deploy/webapp", "-o", "jsonpath={.status.readyReplicas}"]);
    assert_eq!(ready(), "5");
    let _ = mesh.kubectl(&["scale", "deploy/webapp", "--replicas=1"]);
    wait("one webapp is left", PATIENCE, || (ready() == "1").then_some(()));

    // kill -9 of all, and up again: everything is back, rules too.
    let before = mesh.kubectl(&["get", "vs,dr,deploy,svc", "-A", "-o", "name"]);
    let home = mesh.stop(Signal::KILL);
    let mesh = Mesh::start_in(home, &[]);
    assert_eq!(before, mesh.kubectl(&["get", "vs,dr,deploy,svc", "-A", "-o", "name"]));
    wait("the gateway answers again", PATIENCE, || {
        mesh.gateway().get("/", &[]).ok().filter(|it| it.status == 200)
    });
    let share = risky_share(&mesh, 400);
    assert!((0.4..=0.6).contains(&share), "50/50 after kill -9: {share}");
}

#[test]
fn a_deployment_heals_when_its_only_pod_is_deleted() {
    let mesh = Mesh::start(&["--demo", "catalog"]);
    let pod = mesh.kubectl(&[
        "get",
        "pods",
        "-l",
        "app=webapp",
        "-o",
        "jsonpath={.items[0].metadata.name}",
    ]);
    let _ = mesh.kubectl(&["delete", "pod", &pod]);
    wait("the shop answers again", PATIENCE, || {
        mesh.gateway().get("/", &[]).ok().filter(|it| it.status == 200)
    });
    let pods = mesh.kubectl(&["get", "pods", "-l", "app=webapp", "-o", "name"]);
    assert!(!pods.contains(&pod), "{pods}");
}

#[test]
fn a_plain_service_without_sidecars_spreads_over_its_pods() {
    let mesh = Mesh::start(&[]);
    let deployment = |name: &str, version: &str, replicas: u32| {
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name} }}
spec:
  replicas: {replicas}
  selector: {{ matchLabels: {{ app: plain, version: {version} }} }}
  template:
    metadata: {{ labels: {{ app: plain, version: {version} }} }}
    spec:
      containers:
      - {{ name: app, image: lateen/service, ports: [ {{ containerPort: 8080 }} ],
          env: [ {{ name: NAME, value: plain }}, {{ name: VERSION, value: {version} }} ] }}
---
"
        )
    };
    let caller = "apiVersion: v1
kind: Service
metadata: { name: plain }
spec: { selector: { app: plain }, ports: [ { name: http, port: 80, targetPort: 8080 } ] }
---
apiVersion: v1
kind: Pod
metadata: { name: caller }
spec: { containers: [ { name: curl, image: curl, command: [ sleep, '600' ] } ] }
";
    mesh.apply(&(deployment("plain", "v1", 3) + &deployment("plain-canary", "v2", 1) + caller));
    let _ = mesh.kubectl(&["rollout", "status", "deploy/plain", "--timeout=60s"]);
    let _ = mesh.kubectl(&["rollout", "status", "deploy/plain-canary", "--timeout=60s"]);
    let _ = mesh.kubectl(&["wait", "--for=condition=Ready", "pod/caller", "--timeout=60s"]);
    let pods = mesh.kubectl(&["get", "pods"]);
    assert!(!pods.contains("2/2"), "nobody asked for a sidecar: {pods}");
    // One process makes the 400 requests, each on a connection of its own.
    let script = "for i in $(seq 400); do curl -s http://plain/; done";
    let said = mesh.kubectl(&["exec", "caller", "--", "sh", "-c", script]);
    let canary = said.matches("\"version\": \"v2\"").count();
    let all = said.matches("\"version\": ").count();
    assert_eq!(all, 400, "{said}");
    assert!((60..=140).contains(&canary), "75/25 of 400: {canary}");
}

#[test]
fn a_change_reaches_the_proxies_in_time() {
    let mesh = Mesh::start(&["--demo", "fleetman"]);
    mesh.apply(&split(100, 0));
    until_share(&mesh, "100/0", |share| share < 0.001);
    let mut slowest = Duration::ZERO;
    for (safe, risky) in [(0, 100), (100, 0), (0, 100)] {
        let kubectl = mesh.apply(&split(safe, risky));
        assert!(kubectl.contains("configured"), "{kubectl}");
        let applied = std::time::Instant::now();
        until_share(&mesh, "the whole shift", |share| (share > 0.5) == (risky == 100));
        slowest = slowest.max(applied.elapsed());
    }
    // The figure of the README is measured by `bench/`; this only tells seconds from milliseconds.
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
}
