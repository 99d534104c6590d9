//! The kubelet's width: what a pod may ask for, seen from inside by exec and from outside by status.

use tests::{PATIENCE, mesh::Mesh, wait};

use crate::world::World;

const FULL: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { color: blue, app.conf: "depth = 3\n" }
---
apiVersion: v1
kind: Secret
metadata: { name: key }
stringData: { word: hush }
---
apiVersion: v1
kind: Pod
metadata: { name: full, labels: { app: full }, annotations: { note: hello } }
spec:
  initContainers:
  - name: first
    image: host
    command: [ sh, -c, 'echo one > /work/order' ]
    volumeMounts: [ { name: work, mountPath: /work } ]
  - name: second
    image: host
    command: [ sh, -c, 'echo two >> /work/order' ]
    volumeMounts: [ { name: work, mountPath: /work } ]
  containers:
  - name: main
    image: host
    command: [ sh, -c, 'echo up as $NAME; trap "echo asked to end; exit 0" TERM; while :; do sleep 0.1; done' ]
    args: [ ignored ]
    workingDir: /work
    env:
    - { name: PLAIN, value: 'plain-$(COLOR)' }
    - { name: COLOR, valueFrom: { configMapKeyRef: { name: settings, key: color } } }
    - { name: LATER, value: 'is $(COLOR)' }
    - { name: WORD, valueFrom: { secretKeyRef: { name: key, key: word } } }
    - { name: NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
    - { name: IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
    - { name: NONE, valueFrom: { configMapKeyRef: { name: nobody, key: a, optional: true } } }
    envFrom: [ { configMapRef: { name: settings }, prefix: CM_ } ]
    volumeMounts:
    - { name: work, mountPath: /work }
    - { name: conf, mountPath: /etc/app }
    - { name: key, mountPath: /etc/key, readOnly: true }
    - { name: info, mountPath: /etc/info }
    startupProbe: { exec: { command: [ sh, -c, 'test -e /work/order' ] }, periodSeconds: 1 }
    readinessProbe: { exec: { command: [ test, '!', -e, /work/busy ] }, periodSeconds: 1 }
  - name: web
    image: lateen/service
    ports: [ { containerPort: 8080, name: http } ]
    livenessProbe: { httpGet: { path: /, port: http }, periodSeconds: 1 }
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }
  volumes:
  - { name: work, emptyDir: {} }
  - { name: conf, configMap: { name: settings, items: [ { key: app.conf, path: sub/app.conf } ] } }
  - { name: key, secret: { secretName: key, defaultMode: 0400 } }
  - name: info
    downwardAPI:
      items:
      - { path: labels, fieldRef: { fieldPath: metadata.labels } }
      - { path: note, fieldRef: { fieldPath: "metadata.annotations['note']" } }
---
apiVersion: v1
kind: Service
metadata: { name: front }
spec: { selector: { app: full }, ports: [ { port: 80, targetPort: http } ] }
"#;

/// Runs words in a container and gives what they print, without the last line's end.
fn inside(mesh: &Mesh, pod: &str, script: &str) -> String {
    let said = mesh.kubectl(&["exec", pod, "-c", "main", "--", "sh", "-c", script]);
    said.trim_end().to_owned()
}

#[test]
fn a_pod_gets_what_its_spec_says() {
    let mesh = Mesh::start(&[]);
    mesh.apply(FULL);
    let _ = mesh.kubectl(&["wait", "--for=condition=Ready", "pod/full", "--timeout=60s"]);
    let ip = mesh.kubectl(&["get", "pod", "full", "-o", "jsonpath={.status.podIP}"]);
    for (script, wanted) in [
        ("cat order", "one\ntwo"),
        ("pwd", "/work"),
        ("echo $PLAIN", "plain-$(COLOR)"),
        ("echo $LATER", "is blue"),
        ("echo $WORD $NAME", "hush full"),
        ("echo $IP", ip.as_str()),
        ("echo ${NONE-unset}", "unset"),
        ("echo $CM_color", "blue"),
        ("cat /etc/app/sub/app.conf", "depth = 3"),
        ("cat /etc/key/word", "hush"),
        ("cat /etc/info/labels", "app=\"full\""),
        ("cat /etc/info/note", "hello"),
        ("hostname; cat /etc/hostname", "full\nfull"),
        ("grep -c svc.cluster.local /etc/resolv.conf", "1"),
        ("(echo x > /etc/key/word) 2>/dev/null || echo refused", "refused"),
        ("touch /tmp/mine && ls /tmp", "mine"),
        ("cat /var/run/secrets/kubernetes.io/serviceaccount/namespace", "default"),
    ] {
        assert_eq!(inside(&mesh, "full", script), wanted, "{script}");
    }
    // Service names in every form, and names that nobody has.
    let service = mesh.kubectl(&["get", "svc", "front", "-o", "jsonpath={.spec.clusterIP}"]);
    for name in ["front", "front.default", "front.default.svc", "front.default.svc.cluster.local"] {
        let found = inside(&mesh, "full", &format!("getent ahostsv4 {name} | head -n 1"));
        assert!(found.starts_with(&service), "{name}: {found:?} is not {service}");
    }
    let found =
        inside(&mesh, "full", "getent ahostsv4 nobody.default.svc.cluster.local || echo none");
    assert_eq!(found, "none");
    // Containers of a pod share its network, and their logs are apart.
    let listening = inside(&mesh, "full", "grep -c ' 0A ' /proc/net/tcp");
    assert_ne!(listening, "0", "the other container's port is seen");
    assert!(mesh.kubectl(&["logs", "full", "-c", "main"]).contains("up as full"));
    assert!(!mesh.kubectl(&["logs", "full", "-c", "web"]).contains("up as full"));

    // Not ready: out of the endpoints; ready again: back.
    let endpoints = || {
        mesh.kubectl(&["get", "endpoints", "front", "-o", "jsonpath={.subsets[*].addresses[*].ip}"])
    };
    assert_eq!(endpoints(), ip);
    inside(&mesh, "full", "touch /work/busy");
    wait("withdrawn", PATIENCE, || endpoints().is_empty().then_some(()));
    inside(&mesh, "full", "rm /work/busy");
    wait("back", PATIENCE, || (endpoints() == ip).then_some(()));

    // The file of a ConfigMap follows it.
    let _ = mesh.kubectl(&[
        "patch",
        "configmap",
        "settings",
        "-p",
        r#"{"data":{"app.conf":"depth = 4\n"}}"#,
    ]);
    wait("the file changes", PATIENCE, || {
        (inside(&mesh, "full", "cat /etc/app/sub/app.conf") == "depth = 4").then_some(())
    });
}

#[test]
fn probes_restart_what_is_sick_and_the_end_is_asked_for_first() {
    let mesh = Mesh::start(&[]);
    mesh.apply(
        r#"apiVersion: v1
kind: Pod
metadata: { name: sick }
spec:
  containers:
  - name: main
    image: host
    command: [ sh, -c, 'sleep 600' ]
    livenessProbe: { exec: { command: [ 'false' ] }, periodSeconds: 1, failureThreshold: 1 }
  terminationGracePeriodSeconds: 1
---
apiVersion: v1
kind: Pod
metadata: { name: polite }
spec:
  terminationGracePeriodSeconds: 20
  containers:
  - name: main
    image: host
    command: [ sh, -c, 'trap "echo asked to end; exit 0" TERM; echo up; while :; do sleep 0.1; done' ]
    lifecycle: { preStop: { exec: { command: [ sh, -c, 'echo before the end > /proc/1/root/dev/null' ] } } }
---
apiVersion: v1
kind: Pod
metadata: { name: once }
spec:
  restartPolicy: Never
  containers: [ { name: main, image: host, command: [ sh, -c, 'echo done; exit 4' ] } ]
---
apiVersion: v1
kind: Pod
metadata: { name: lost }
spec:
  containers:
  - name: main
    image: host
    command: [ sleep, '600' ]
    env: [ { name: A, valueFrom: { secretKeyRef: { name: nobody, key: a } } } ]
"#,
    );
    let status = |pod: &str, path: &str| {
        mesh.kubectl(&["get", "pod", pod, "-o", &format!("jsonpath={{.status.{path}}}")])
    };
    wait("the sick one is restarted", PATIENCE, || {
        let count = status("sick", "containerStatuses[0].restartCount");
        (count.parse().unwrap_or(0) >= 1).then_some(())
    });
    let said = mesh.kubectl(&["describe", "pod", "sick"]);
    assert!(said.contains("Liveness probe failed"), "{said}");
    wait("the other came to its end", PATIENCE, || {
        (status("once", "phase") == "Failed").then_some(())
    });
    assert_eq!(status("once", "containerStatuses[0].state.terminated.exitCode"), "4");
    assert_eq!(mesh.kubectl(&["logs", "once"]), "done\n");
    wait("the lost one says what it lacks", PATIENCE, || {
        let reason = status("lost", "containerStatuses[0].state.waiting.reason");
        (reason == "CreateContainerConfigError").then_some(())
    });
    let message = status("lost", "containerStatuses[0].state.waiting.message");
    assert!(message.contains("nobody"), "{message}");
    // It goes on as soon as the Secret is there.
    let _ = mesh.kubectl(&["create", "secret", "generic", "nobody", "--from-literal=a=b"]);
    let _ = mesh.kubectl(&["wait", "--for=condition=Ready", "pod/lost", "--timeout=60s"]);

    let _ = mesh.kubectl(&["wait", "--for=condition=Ready", "pod/polite", "--timeout=60s"]);
    let log = mesh.home().join("polite.log");
    let mut follow = mesh.kubectl_command(&["logs", "-f", "polite"]);
    let mut follow = follow.stdout(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    wait("the log is followed", PATIENCE, || {
        std::fs::read_to_string(&log).unwrap().contains("up").then_some(())
    });
    let _ = mesh.kubectl(&["delete", "pod", "polite", "--timeout=30s"]);
    wait("logs -f ends with the pod", PATIENCE, || follow.try_wait().unwrap());
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("asked to end"), "SIGTERM came before SIGKILL: {said}");
}

#[test]
fn names_of_the_world_come_from_the_host_s_server() {
    let world = World::start();
    world.put(std::net::Ipv4Addr::new(192, 0, 2, 7));
    let mesh = Mesh::start(&["--upstream-dns", &world.server()]);
    mesh.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: { name: asker }\nspec: { containers: [ { name: main, image: host, command: [ sleep, '600' ] } ] }\n",
    );
    let _ = mesh.kubectl(&["wait", "--for=condition=Ready", "pod/asker", "--timeout=60s"]);
    let found = inside(&mesh, "asker", "getent ahostsv4 outside.example | head -n 1");
    assert!(found.starts_with("192.0.2.7"), "{found}");
    assert!(world.asked() > 0);
    assert_eq!(inside(&mesh, "asker", "getent ahostsv4 nowhere.example || echo none"), "none");
}
