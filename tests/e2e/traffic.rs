//! What rules do to requests between pods, seen by the application that asks.

use std::net::Ipv4Addr;

use tests::{PATIENCE, mesh::Mesh, wait};

use crate::world::World;

/// A pod to ask from, with its sidecar.
pub(crate) const ASKER: &str = "apiVersion: v1
kind: Namespace
metadata: { name: default, labels: { istio-injection: enabled } }
---
apiVersion: v1
kind: Pod
metadata: { name: asker, labels: { app: asker } }
spec: { containers: [ { name: main, image: host, command: [ sleep, '900' ] } ] }
---
";

/// A pod that plays a built-in image, with these labels and settings.
pub(crate) fn pod(name: &str, labels: &str, image: &str, env: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{ name: {name}, labels: {{ {labels} }} }}
spec: {{ containers: [ {{ name: main, image: {image}, ports: [ {{ containerPort: 8080 }} ], env: [ {env} ] }} ] }}
---
"
    )
}

/// A Service of HTTP for the pods of an app.
pub(crate) fn service(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{ name: {name} }}
spec: {{ selector: {{ app: {name} }}, ports: [ {{ name: http, port: 80, targetPort: 8080 }} ] }}
---
"
    )
}

/// A mesh with these pods, all ready.
pub(crate) fn mesh_of(arguments: &[&str], yaml: &str) -> Mesh {
    let mesh = Mesh::start(arguments);
    mesh.apply(&format!("{ASKER}{yaml}"));
    let _ = mesh.kubectl(&["wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s"]);
    mesh
}

/// Runs a script in the pod that asks.
pub(crate) fn ask(mesh: &Mesh, script: &str) -> String {
    let said = mesh.kubectl(&["exec", "asker", "-c", "main", "--", "bash", "-c", script]);
    said.trim_end().to_owned()
}

/// The status of a GET, then what a `curl -w` format says.
fn status(mesh: &Mesh, url: &str, more: &str) -> String {
    ask(mesh, &format!("curl -s -m 20 -o /dev/null -w '%{{http_code}}' {more} {url} || true"))
}

/// How many requests a pod's sidecar has seen arrive, by this word of its labels.
fn arrived(mesh: &Mesh, pod: &str, with: &str) -> u64 {
    let script = "curl -s http://127.0.0.1:15090/stats/prometheus";
    let said = mesh.kubectl(&["exec", pod, "-c", "istio-proxy", "--", "sh", "-c", script]);
    let lines = said.lines().filter(|line| {
        line.starts_with("istio_requests_total{")
            && line.contains("reporter=\"destination\"")
            && line.contains(with)
    });
    let counts = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let sum = counts.sum::<f64>() as u64;
    sum
}

const WEB: &str = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec:
  hosts: [ web ]
  http:
  - match: [ { headers: { x-case: { exact: abort } } } ]
    fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }
    route: [ { destination: { host: web } } ]
  - match: [ { headers: { x-case: { exact: delay } } } ]
    fault: { delay: { fixedDelay: 800ms, percentage: { value: 100 } } }
    route: [ { destination: { host: web } } ]
  - match: [ { uri: { prefix: /delay } } ]
    timeout: 300ms
    route: [ { destination: { host: web } } ]
  - match: [ { uri: { prefix: /status } } ]
    retries: { attempts: 2, retryOn: 5xx }
    route: [ { destination: { host: web } } ]
  - match: [ { uri: { prefix: /old/ } } ]
    rewrite: { uri: /headers/ }
    headers: { request: { set: { x-set: 'yes' }, remove: [ x-gone ] }, response: { add: { x-said: web } } }
    route: [ { destination: { host: echo } } ]
  - route: [ { destination: { host: web } } ]
    mirror: { host: echo }
";

#[test]
fn rules_between_pods_do_what_they_say() {
    let pods = [
        pod("web", "app: web", "lateen/httpbin", ""),
        service("web"),
        pod("echo", "app: echo", "lateen/echo", ""),
        service("echo"),
    ];
    let mesh = mesh_of(&[], &pods.concat());
    assert_eq!(status(&mesh, "http://web/get", ""), "200");
    mesh.apply(WEB);
    wait("an abort", PATIENCE, || {
        (status(&mesh, "http://web/get", "-H 'x-case: abort'") == "418").then_some(())
    });
    let timed = ask(
        &mesh,
        "curl -s -o /dev/null -w '%{http_code} %{time_total}' -H 'x-case: delay' http://web/get",
    );
    let (code, seconds) = timed.split_once(' ').unwrap();
    assert!(code == "200" && 0.8 <= seconds.parse::<f64>().unwrap(), "a delay: {timed}");
    assert_eq!(status(&mesh, "http://web/delay/9", ""), "504");
    assert_eq!(status(&mesh, "http://web/status/503", ""), "503");
    assert_eq!(arrived(&mesh, "web", "response_code=\"503\""), 3, "one request and two retries");

    let said = ask(&mesh, "curl -si -H 'x-gone: 1' -H 'x-stays: 1' http://web/old/a?b=c");
    for (text, is_there) in [
        ("URL=/headers/a?b=c", true),
        ("RequestHeader=x-set=yes", true),
        ("RequestHeader=x-stays=1", true),
        ("x-gone", false),
        ("x-said: web", true),
    ] {
        assert_eq!(said.contains(text), is_there, "{text} in {said}");
    }

    let before = arrived(&mesh, "echo", "");
    for _ in 0..5 {
        assert_eq!(status(&mesh, "http://web/get", ""), "200");
    }
    wait("five mirrored requests", PATIENCE, || {
        (arrived(&mesh, "echo", "") == before + 5).then_some(())
    });
    // Nobody answers the mirror: the real answers do not mind.
    let _ = mesh.kubectl(&["delete", "pod", "echo"]);
    for _ in 0..5 {
        assert_eq!(status(&mesh, "http://web/get", ""), "200");
    }
}

const PAIR: &str = "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: pair }
spec:
  host: pair
  trafficPolicy:
    outlierDetection: { consecutive5xxErrors: 2, interval: 1s, baseEjectionTime: 300s }
";

const NARROW: &str = "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web }
spec:
  host: web
  trafficPolicy:
    connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } }
";

#[test]
fn a_sick_host_of_two_is_taken_out_and_a_full_one_says_so() {
    let pods = [
        pod("well", "app: pair, version: v1", "lateen/service", "{ name: VERSION, value: well }"),
        pod(
            "sick",
            "app: pair, version: v2",
            "lateen/service",
            "{ name: VERSION, value: sick }, { name: ERROR_RATE, value: '1' }",
        ),
        service("pair"),
        pod("web", "app: web", "lateen/httpbin", ""),
        service("web"),
    ];
    let mesh = mesh_of(&[], &pods.concat());
    let twenty =
        "for i in $(seq 20); do curl -s -o /dev/null -w '%{http_code} ' http://pair/; done";
    let said = ask(&mesh, twenty);
    assert!(said.contains("500") && said.contains("200"), "without a rule both are asked: {said}");
    mesh.apply(PAIR);
    wait("only the well one is asked", PATIENCE, || {
        (!ask(&mesh, twenty).contains("500")).then_some(())
    });

    let six = "for i in $(seq 6); do
      curl -s -o /dev/null -D - http://web/delay/1 | tr -d '\\r' | grep -E '^HTTP|overloaded' | tr '\\n' ' ' & done; wait";
    let said = ask(&mesh, six);
    assert_eq!(said.matches("HTTP/1.1 200").count(), 6, "without a rule all are served: {said}");
    mesh.apply(NARROW);
    let said = wait("the third at once is too many", PATIENCE, || {
        Some(ask(&mesh, six)).filter(|said| said.contains("HTTP/1.1 503"))
    });
    let refused = said.matches("HTTP/1.1 503").count();
    assert_eq!(said.matches("x-envoy-overloaded: true").count(), refused, "{said}");
    assert!(said.contains("HTTP/1.1 200"), "one is served: {said}");
}

const STICKY: &str = "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shop }
spec:
  host: shop
  trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } }
  subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v2, labels: { version: v2 } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [ shop ]
  http:
  - route:
    - { destination: { host: shop, subset: v1 }, weight: 60 }
    - { destination: { host: shop, subset: v2 }, weight: 40 }
";

#[test]
fn users_stay_on_their_version_and_growing_one_moves_nobody_back() {
    let pods = [
        pod("v1", "app: shop, version: v1", "lateen/service", "{ name: VERSION, value: v1 }"),
        pod("v2", "app: shop, version: v2", "lateen/service", "{ name: VERSION, value: v2 }"),
        service("shop"),
    ];
    let mesh = mesh_of(&[], &pods.concat());
    mesh.apply(STICKY);
    // One line a user: the versions that answered its three requests.
    let script = "for u in $(seq 30); do
      for n in 1 2 3; do curl -s -H \"x-user: u$u\" http://shop/ | grep -o '\"version\": \"v[12]\"' | grep -o 'v[12]' | tr -d '\\n'; done; echo; done";
    let users = |said: &str| -> Vec<String> { said.lines().map(str::to_owned).collect() };
    let first = wait("each user stays on one version", PATIENCE, || {
        let seen = users(&ask(&mesh, script));
        let steady = seen.len() == 30 && seen.iter().all(|it| it == "v1v1v1" || it == "v2v2v2");
        steady.then_some(seen)
    });
    let on_v2 = |seen: &[String]| seen.iter().filter(|it| *it == "v2v2v2").count();
    assert!((1..30).contains(&on_v2(&first)), "both are used: {first:?}");
    mesh.apply(&STICKY.replace("weight: 60", "weight: 20").replace("weight: 40", "weight: 80"));
    let later = wait("v2 has grown", PATIENCE, || {
        let seen = users(&ask(&mesh, script));
        (on_v2(&first) < on_v2(&seen)).then_some(seen)
    });
    for (user, (before, after)) in first.iter().zip(&later).enumerate() {
        assert!(before != "v2v2v2" || after == "v2v2v2", "user {user}: {before} then {after}");
    }
}

const ENTRY: &str = "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: outside }
spec:
  hosts: [ outside.example ]
  resolution: DNS
  ports: [ { number: 8080, name: http, protocol: HTTP } ]
";

const SUSPENDED: &str = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: outside }
spec:
  hosts: [ outside.example ]
  http: [ { directResponse: { status: 503, body: { string: suspended } } } ]
";

const ONLY_KNOWN: &str = "apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default }
spec: { outboundTrafficPolicy: { mode: REGISTRY_ONLY } }
";

#[test]
fn a_host_outside_is_reached_blocked_known_and_suspended() {
    let world = World::start();
    let far = pod("far", "app: far, sidecar.istio.io/inject: 'false'", "lateen/echo", "");
    let mesh = mesh_of(&["--upstream-dns", &world.server()], &far);
    let address = mesh.kubectl(&["get", "pod", "far", "-o", "jsonpath={.status.podIP}"]);
    world.put(address.trim().parse::<Ipv4Addr>().unwrap());
    let expect = |what: &str, code: &str| {
        wait(what, PATIENCE, || {
            (status(&mesh, "http://outside.example:8080/", "") == code).then_some(())
        });
    };
    expect("anything is allowed", "200");
    mesh.apply(ONLY_KNOWN);
    // Nobody speaks HTTP on this port, so there is no answer, only a reset.
    expect("what nobody declared is blocked", "000");
    mesh.apply(ENTRY);
    expect("what is declared is reached", "200");
    mesh.apply(SUSPENDED);
    expect("the traffic is suspended", "503");
    assert_eq!(ask(&mesh, "curl -s http://outside.example:8080/"), "suspended");
    let _ = mesh.kubectl(&["delete", "virtualservice", "outside"]);
    expect("and resumed", "200");
    assert!(world.asked() > 0);
}

/// A server of three ports: two on which it speaks first, one on which it waits. Real bytes, no HTTP.
const GREETER: &str = r#"apiVersion: v1
kind: Pod
metadata: { name: greeter, labels: { app: greeter } }
spec:
  containers:
  - name: main
    image: host
    command:
    - perl
    - -MIO::Socket::INET
    - -e
    - |
      $SIG{PIPE} = 'IGNORE';
      for my $port (3306, 7000, 7001) {
        next if fork;
        my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 9, ReuseAddr => 1) or die $!;
        while (my $client = $server->accept) {
          next if fork;
          $client->autoflush(1);
          print $client "hello on $port\n" unless $port == 7001;
          my $line = <$client>;
          print $client "you said $line";
          exit;
        }
      }
      sleep;
    ports: [ { containerPort: 7000 } ]
---
apiVersion: v1
kind: Service
metadata: { name: greeter }
spec:
  selector: { app: greeter }
  ports: [ { name: odd, port: 3306 }, { name: tcp-hello, port: 7000 }, { name: unknown, port: 7001 } ]
---
apiVersion: v1
kind: Service
metadata: { name: echo }
spec:
  selector: { app: echo }
  ports:
  - { name: http, port: 80, targetPort: 8080 }
  - { name: grpc, port: 81, targetPort: 8080 }
  - { name: unknown, port: 82, targetPort: 8080 }
  - { name: other, appProtocol: http, port: 83, targetPort: 8080 }
---
"#;

#[test]
fn protocols_pass_as_they_are() {
    let mesh = mesh_of(&[], &[GREETER, &pod("echo", "app: echo", "lateen/echo", "")].concat());
    // Bytes: a known number, a declared name, and a port that is looked at.
    for (port, greeting) in [(3306, "hello on 3306\n"), (7000, "hello on 7000\n"), (7001, "")] {
        let listen =
            if greeting.is_empty() { "" } else { "read -r -t 10 line <&3; echo \"$line\";" };
        let script = format!(
            "exec 3<>/dev/tcp/greeter/{port}; {listen} echo abc >&3; read -r -t 10 line <&3; echo \"$line\""
        );
        let said = wait(&format!("port {port} answers"), PATIENCE, || {
            let output = mesh
                .kubectl_command(&["exec", "asker", "-c", "main", "--", "bash", "-c", &script])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            said.contains("you said").then_some(said)
        });
        assert_eq!(said, format!("{greeting}you said abc\n"), "port {port}");
    }
    // HTTP of each version, on ports of each kind; the client's version is what it gets back.
    for (options, version) in
        [("--http1.0", "1.0"), ("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")]
    {
        for port in [80, 81, 82, 83] {
            if version == "1.0" && port == 81 {
                continue;
            }
            let said = ask(
                &mesh,
                &format!(
                    "curl -s -m 20 -w '\\n%{{http_code}} %{{http_version}}' {options} http://echo:{port}/a"
                ),
            );
            let (body, last) = said.rsplit_once('\n').unwrap();
            let expected = if version == "1.0" { "426 1.1" } else { &format!("200 {version}") };
            if version != "1.0" {
                assert!(body.contains("URL=/a"), "{options} on {port}: {said}");
            }
            assert_eq!(last, expected, "{options} on {port}: {said}");
        }
    }
}
