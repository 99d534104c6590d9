//! An application that listens on a unix socket, behind its sidecar.

use tests::{PATIENCE, mesh::Mesh, wait};

use crate::traffic::{ASKER, ask};

/// A pod whose application is a proxy of its own on a socket of the abstract space, which is the pod's alone.
fn application() -> String {
    let lateen = tests::mesh::lateen();
    let lateen = lateen.display();
    format!(
        r#"apiVersion: v1
kind: Pod
metadata: {{ name: app, labels: {{ app: app }} }}
spec:
  containers:
  - name: main
    image: host
    command:
    - sh
    - -c
    - |
      cat > /tmp/app.yaml <<'END'
      static_resources:
        listeners:
        - name: app
          address: {{ pipe: {{ path: "@app" }} }}
          filter_chains:
          - filters:
            - name: http
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: app
                route_config: {{ virtual_hosts: [ {{ name: all, domains: [ "*" ], routes: [ {{ match: {{ prefix: / }}, direct_response: {{ status: 200, body: {{ inline_string: by-socket }} }} }} ] }} ] }}
                http_filters: [ {{ name: router, typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }} }} ]
      END
      exec {lateen} proxy -c /tmp/app.yaml
---
apiVersion: v1
kind: Service
metadata: {{ name: app }}
spec: {{ selector: {{ app: app }}, ports: [ {{ name: http, port: 80, targetPort: 8080 }} ] }}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{ name: app }}
spec:
  workloadSelector: {{ labels: {{ app: app }} }}
  ingress: [ {{ port: {{ number: 8080, name: http, protocol: HTTP }}, defaultEndpoint: "unix://@app" }} ]
  egress: [ {{ hosts: [ "./*" ] }} ]
"#
    )
}

#[test]
fn a_sidecar_reaches_its_application_over_a_unix_socket() {
    let mesh = Mesh::start(&[]);
    mesh.apply(&format!("{ASKER}{}", application()));
    let _ = mesh.kubectl(&["wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s"]);
    wait("an answer by the socket", PATIENCE, || {
        (ask(&mesh, "curl -s -m 5 http://app/ || true") == "by-socket").then_some(())
    });
}
