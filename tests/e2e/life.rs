//! Pods as a kubelet would run them, looked at with stock kubectl.

use tests::{PATIENCE, mesh::Mesh, wait};

#[test]
fn istio_system_is_what_people_expect() {
    let mesh = Mesh::start(&["--demo", "fleetman"]);
    let pods = mesh.kubectl(&["get", "pods", "-n", "istio-system", "--show-labels"]);
    for wanted in
        ["istiod-", "istio-ingressgateway-", "istio=ingressgateway", "app=istio-ingressgateway"]
    {
        assert!(pods.contains(wanted), "{wanted} in {pods}");
    }
    let jsonpath = |path: &str| {
        mesh.kubectl(&[
            "get",
            "svc",
            "istio-ingressgateway",
            "-n",
            "istio-system",
            "-o",
            &format!("jsonpath={path}"),
        ])
    };
    assert_eq!(jsonpath("{.status.loadBalancer.ingress[0].ip}"), "127.0.0.1");
    let port = jsonpath("{.spec.ports[?(@.name==\"http2\")].port}");
    assert_eq!(port, mesh.port("gatewayHttp").to_string());
    // Applications of a labelled namespace have their sidecar, and kubectl shows it.
    let pods = mesh.kubectl(&["get", "pods"]);
    assert!(pods.lines().skip(1).all(|it| it.contains("2/2")), "{pods}");

    // A deleted gateway comes back.
    let gateway = [
        "get",
        "pods",
        "-n",
        "istio-system",
        "-l",
        "istio=ingressgateway",
        "-o",
        "jsonpath={.items[0].metadata.name}",
    ];
    let before = mesh.kubectl(&gateway);
    let _ = mesh.kubectl(&["delete", "pod", "-n", "istio-system", &before]);
    wait("another gateway answers", PATIENCE, || {
        let answer = mesh.gateway().get("/", &[]).ok()?;
        (answer.status == 200).then_some(())
    });
    assert_ne!(before, mesh.kubectl(&gateway));
    // A deleted control plane comes back, and obeys again.
    let _ = mesh.kubectl(&["delete", "pod", "-n", "istio-system", "-l", "app=istiod"]);
    let _ = mesh.kubectl(&[
        "rollout",
        "status",
        "-n",
        "istio-system",
        "deploy/istiod",
        "--timeout=60s",
    ]);
    mesh.apply(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: fleetman-webapp }
spec:
  hosts: [ '*' ]
  gateways: [ ingress-gateway-configuration ]
  http: [ { directResponse: { status: 299, body: { string: by the new istiod } } } ]
",
    );
    wait("the new istiod is obeyed", PATIENCE, || {
        (mesh.gateway().get("/", &[]).ok()?.status == 299).then_some(())
    });
}

#[test]
fn wrong_objects_get_kubernetes_own_errors() {
    let mesh = Mesh::start(&[]);
    let refused = |yaml: &str| {
        let output = mesh.feed(&["apply", "-f", "-"], yaml);
        assert!(!output.status.success(), "{yaml}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: a }\nspec: { hosts: [ a ], htp: [] }\n",
    );
    assert!(said.contains("strict decoding error: unknown field \"spec.htp\""), "{said}");
    let said = refused(
        "apiVersion: v1\nkind: Pod\nmetadata: { name: Not_A_Name }\nspec: { containers: [ { name: a, image: b } ] }\n",
    );
    assert!(said.contains("is invalid") && said.contains("metadata.name"), "{said}");
    let said = refused(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec: { selector: { matchLabels: { a: b } }, template: { metadata: { labels: { a: c } }, spec: { containers: [ { name: a, image: b } ] } } }\n",
    );
    assert!(said.contains("`selector` does not match template `labels`"), "{said}");
    let said = refused("apiVersion: nothing.example/v1\nkind: Thing\nmetadata: { name: a }\n");
    assert!(said.contains("no matches for kind \"Thing\""), "{said}");
    let output = mesh.kubectl_command(&["get", "pod", "nobody"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Error from server (NotFound): pods \"nobody\" not found"), "{said}");
    assert_eq!(mesh.kubectl(&["get", "pods,deploy,vs", "-o", "name"]), "");
    // What nothing acts on is stored, and said.
    let said = mesh.apply("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: { name: a }\nrules: []\n");
    assert!(said.contains("Warning:"), "{said}");
}

#[test]
fn an_unknown_image_says_what_to_do() {
    let mesh = Mesh::start(&[]);
    mesh.apply("apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec: { containers: [ { name: a, image: nobody/knows } ] }\n");
    wait("the pod waits with a reason", PATIENCE, || {
        let pods = mesh.kubectl(&["get", "pods"]);
        (pods.contains("ErrImagePull") || pods.contains("ImagePullBackOff")).then_some(())
    });
    let said = mesh.kubectl(&["describe", "pod", "a"]);
    assert!(said.contains("lateen-images"), "{said}");
}

#[test]
fn logs_exec_and_crashes_are_what_kubectl_users_know() {
    let mesh = Mesh::start(&[]);
    mesh.apply(
        "apiVersion: v1
kind: Pod
metadata: { name: talker }
spec:
  containers:
  - { name: a, image: sh, command: [ sh, -c, 'echo first line; echo to stderr >&2; sleep 600' ] }
---
apiVersion: v1
kind: Pod
metadata: { name: crasher }
spec:
  containers:
  - { name: a, image: sh, command: [ sh, -c, 'echo dying; exit 3' ] }
",
    );
    let _ = mesh.kubectl(&["wait", "--for=condition=Ready", "pod/talker", "--timeout=60s"]);
    wait("its lines are there", PATIENCE, || {
        let logs = mesh.kubectl(&["logs", "talker"]);
        (logs.contains("first line") && logs.contains("to stderr")).then_some(())
    });
    assert_eq!(mesh.kubectl(&["exec", "talker", "--", "echo", "hello"]), "hello\n");
    let output =
        mesh.kubectl_command(&["exec", "talker", "--", "sh", "-c", "exit 7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let fed = mesh.feed(&["exec", "-i", "talker", "--", "cat"], "through a pipe");
    assert_eq!(String::from_utf8_lossy(&fed.stdout), "through a pipe");
    assert_eq!(mesh.kubectl(&["exec", "talker", "--", "cat", "/etc/hostname"]).trim(), "talker");

    wait("the crasher is restarted and then backed off", PATIENCE, || {
        mesh.kubectl(&["get", "pod", "crasher"]).contains("CrashLoopBackOff").then_some(())
    });
    let code = mesh.kubectl(&[
        "get",
        "pod",
        "crasher",
        "-o",
        "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}",
    ]);
    assert_eq!(code, "3");
    assert!(mesh.kubectl(&["logs", "crasher", "--previous"]).contains("dying"));
}
