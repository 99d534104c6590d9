//! What the mesh says of itself: access records in the logs of sidecars, and warnings at apply.

use tests::{PATIENCE, mesh::Mesh, wait};

use crate::traffic::{ask, mesh_of, pod, service};

/// The defaults of the mesh, with these lines.
fn mesh_config(lines: &str) -> String {
    format!(
        "apiVersion: v1
kind: ConfigMap
metadata: {{ name: istio, namespace: istio-system }}
data:
  mesh: |
    {lines}
"
    )
}

/// What kubectl says when it applies this: standard error, where warnings are.
fn said(mesh: &Mesh, yaml: &str) -> String {
    let output = mesh.feed(&["apply", "-f", "-"], yaml);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn access_records_are_in_the_logs_of_both_sidecars() {
    let pods = [pod("web", "app: web", "lateen/httpbin", ""), service("web")];
    let mesh = mesh_of(&[], &pods.concat());
    let log = |pod: &str| mesh.kubectl(&["logs", pod, "-c", "istio-proxy"]);
    let call = |mark: &str| {
        ask(
            &mesh,
            &format!("curl -s -o /dev/null -H 'x-mark: {mark}' http://web/status/202 || true"),
        );
    };
    call("before");
    let format =
        "accessLogFormat: 'seen %REQ(X-MARK)% %REQ(:METHOD)% %RESPONSE_CODE% %RESPONSE_FLAGS%'";
    let good = format!("accessLogFile: /dev/stdout\n    {format}");
    assert_eq!(said(&mesh, &mesh_config(&good)), "");
    wait("a record at both ends", PATIENCE, || {
        call("during");
        let both = ["asker", "web"].map(|pod| log(pod).contains("seen during GET 202 -"));
        (both == [true, true]).then_some(())
    });
    assert!(!log("web").contains("seen before"), "logs were off");

    // What no proxy could read is said at once, and the records go on in Istio's own format.
    let bad = "accessLogFile: /dev/stdout\n    accessLogFormat: '%NO_SUCH_THING%'";
    let warned = said(&mesh, &mesh_config(bad));
    assert!(warned.contains("Warning:") && warned.contains("accessLogFormat"), "{warned}");
    wait("a record in the default format", PATIENCE, || {
        call("after");
        log("web").contains("\"GET /status/202 HTTP/1.1\" 202").then_some(())
    });

    // A slip in a field's name, with the name that was meant.
    let warned = said(&mesh, &mesh_config("accessLogFiel: /dev/stdout"));
    assert!(warned.contains("did you mean accessLogFile?"), "{warned}");
}

#[test]
fn wishes_to_a_sidecar_that_do_nothing_are_said_at_apply() {
    let mesh = mesh_of(&[], "");
    let deployment = |annotation: &str| {
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{ name: web }}
spec:
  replicas: 1
  selector: {{ matchLabels: {{ app: web }} }}
  template:
    metadata: {{ labels: {{ app: web }}, annotations: {{ {annotation} }} }}
    spec: {{ containers: [ {{ name: main, image: lateen/httpbin }} ] }}
"
        )
    };
    assert_eq!(said(&mesh, &deployment("sidecar.istio.io/logLevel: debug")), "");
    let warned = said(&mesh, &deployment("sidecar.istio.io/interceptionMode: TPROXY"));
    assert!(
        warned.contains("Warning:") && warned.contains("TPROXY does not work here"),
        "{warned}"
    );
    let warned = said(&mesh, &deployment("sidecar.istio.io/proxyCpu: 100m"));
    assert!(warned.contains("did you mean sidecar.istio.io/proxyCPU?"), "{warned}");
}
