//! Real Envoy as a sidecar of our control plane: it rejects nothing and splits as ours does.

use tests::{
    PATIENCE,
    mesh::{Mesh, tool},
    wait,
};

/// A pod whose `istio-proxy` is stock Envoy with a bootstrap that knows only where xDS is.
fn pod(envoy: &str, api_type: &str) -> String {
    format!(
        "apiVersion: v1
kind: ConfigMap
metadata: {{ name: envoy-bootstrap }}
data:
  bootstrap.yaml: |
    node:
      id: sidecar~POD_IP~enclosed.default~default.svc.cluster.local
      cluster: enclosed.default
      metadata: {{ NAMESPACE: default, LABELS: {{ app: enclosed }}, LATEEN_MARK: true, INSTANCE_IPS: POD_IP }}
    admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 15000 }} }} }}
    cluster_manager:
      upstream_bind_config:
        source_address: {{ address: 0.0.0.0, port_value: 0 }}
        socket_options: [ {{ level: 1, name: 36, int_value: 1337, state: STATE_PREBIND }} ]
    dynamic_resources:
      ads_config: {{ api_type: {api_type}, transport_api_version: V3, grpc_services: [ {{ envoy_grpc: {{ cluster_name: xds }} }} ] }}
      lds_config: {{ ads: {{}}, resource_api_version: V3 }}
      cds_config: {{ ads: {{}}, resource_api_version: V3 }}
    static_resources:
      clusters:
      - name: xds
        type: STRICT_DNS
        connect_timeout: 5s
        typed_extension_protocol_options:
          envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
            '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
            explicit_http_config: {{ http2_protocol_options: {{}} }}
        load_assignment:
          cluster_name: xds
          endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: istiod.istio-system.svc.cluster.local, port_value: 15010 }} }} }} }} ] }} ]
---
apiVersion: v1
kind: Pod
metadata: {{ name: enclosed, labels: {{ app: enclosed, sidecar.istio.io/inject: 'false' }} }}
spec:
  containers:
  - {{ name: app, image: sh, command: [ sleep, '600' ] }}
  - name: istio-proxy
    image: envoy
    command: [ sh, -c, 'sed s/POD_IP/$IP/g /etc/envoy/bootstrap.yaml > /tmp/b.yaml && exec {envoy} -c /tmp/b.yaml --concurrency 1' ]
    env: [ {{ name: IP, valueFrom: {{ fieldRef: {{ fieldPath: status.podIP }} }} }} ]
    volumeMounts: [ {{ name: bootstrap, mountPath: /etc/envoy }} ]
    securityContext: {{ capabilities: {{ add: [ NET_ADMIN ] }} }}
    readinessProbe: {{ exec: {{ command: [ sh, -c, 'curl -sf http://127.0.0.1:15000/ready' ] }}, periodSeconds: 1 }}
  volumes: [ {{ name: bootstrap, configMap: {{ name: envoy-bootstrap }} }} ]
"
    )
}

const RULES: &str = "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: catalog }
spec:
  host: catalog
  subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v2, labels: { version: v2 } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: catalog }
spec:
  hosts: [ catalog ]
  http:
  - route:
    - { destination: { host: catalog, subset: v1 }, weight: 90 }
    - { destination: { host: catalog, subset: v2 }, weight: 10 }
";

#[test]
fn real_envoy_obeys_our_control_plane_by_delta() {
    splits("DELTA_GRPC");
}

#[test]
fn real_envoy_obeys_our_control_plane_by_state_of_the_world() {
    splits("GRPC");
}

fn splits(api_type: &str) {
    let mesh = Mesh::start(&["--demo", "catalog"]);
    mesh.apply(RULES);
    let envoy = std::fs::canonicalize(tool("envoy")).unwrap();
    mesh.apply(&pod(envoy.to_str().unwrap(), api_type));
    let _ = mesh.kubectl(&["wait", "--for=condition=Ready", "pod/enclosed", "--timeout=60s"]);
    let inside =
        |script: &str| mesh.kubectl(&["exec", "enclosed", "-c", "app", "--", "sh", "-c", script]);
    wait("Envoy routes by our rules", PATIENCE, || {
        inside("curl -s http://catalog/ || true").contains("\"service\": \"catalog\"").then_some(())
    });
    let said = inside("for i in $(seq 1000); do curl -s http://catalog/; done");
    let (v1, v2) =
        (said.matches("\"version\": \"v1\"").count(), said.matches("\"version\": \"v2\"").count());
    assert_eq!(v1 + v2, 1000, "every request was answered");
    assert!((70..=130).contains(&v2), "90/10 by Envoy: {v2} of 1000 to v2");
    // Nothing that we sent was rejected.
    let stats =
        inside("curl -s 'http://127.0.0.1:15000/stats?filter=update_rejected|update_success'");
    for kind in ["listener_manager.lds", "cluster_manager.cds"] {
        let success = stats.lines().find(|it| it.starts_with(&format!("{kind}.update_success")));
        assert!(success.is_some_and(|it| !it.ends_with(": 0")), "{kind}: {stats}");
    }
    for line in stats.lines().filter(|it| it.contains("update_rejected")) {
        assert!(line.ends_with(": 0"), "{line}");
    }
    let dump = inside("curl -s http://127.0.0.1:15000/config_dump");
    assert!(!dump.contains("\"error_state\""), "{dump}");
}
