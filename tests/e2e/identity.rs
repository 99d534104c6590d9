//! Real Envoy on the secure port, and those who have no business there.

use tests::{
    PATIENCE,
    mesh::{Mesh, tool},
    wait,
};

/// Where the control plane listens for those who prove who they are.
const SECURE: &str = "https://istiod.istio-system.svc:15012";
const CREATE: &str = "istio.v1.auth.IstioCertificateService/CreateCertificate";

/// A pod whose `istio-proxy` is stock Envoy, which knows the roots from its namespace and proves itself by its token.
fn enclosed(envoy: &str, named: &str, says: &str) -> String {
    format!(
        "apiVersion: v1
kind: ConfigMap
metadata: {{ name: envoy-{named} }}
data:
  bootstrap.yaml: |
    node:
      id: sidecar~POD_IP~enclosed.{named}~{named}.svc.cluster.local
      cluster: enclosed.default
      metadata: {{ NAMESPACE: {named}, LABELS: {{ app: enclosed }}, LATEEN_MARK: true, INSTANCE_IPS: POD_IP{says} }}
    admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 15000 }} }} }}
    cluster_manager:
      upstream_bind_config:
        source_address: {{ address: 0.0.0.0, port_value: 0 }}
        socket_options: [ {{ level: 1, name: 36, int_value: 1337, state: STATE_PREBIND }} ]
    dynamic_resources:
      ads_config:
        api_type: DELTA_GRPC
        transport_api_version: V3
        grpc_services:
        - envoy_grpc: {{ cluster_name: xds }}
          initial_metadata: [ {{ key: authorization, value: Bearer TOKEN }} ]
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
        transport_socket:
          name: envoy.transport_sockets.tls
          typed_config:
            '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
            sni: istiod.istio-system.svc
            common_tls_context:
              alpn_protocols: [ h2 ]
              validation_context:
                trusted_ca: {{ filename: /var/run/secrets/istio/root-cert.pem }}
                match_typed_subject_alt_names: [ {{ san_type: DNS, matcher: {{ exact: istiod.istio-system.svc }} }} ]
        load_assignment:
          cluster_name: xds
          endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: istiod.istio-system.svc.cluster.local, port_value: 15012 }} }} }} }} ] }} ]
---
apiVersion: v1
kind: Pod
metadata: {{ name: enclosed-{named}, labels: {{ app: enclosed, sidecar.istio.io/inject: 'false' }} }}
spec:
  containers:
  - {{ name: app, image: sh, command: [ sleep, '600' ] }}
  - {{ name: echo, image: lateen/echo }}
  - name: istio-proxy
    image: envoy
    command: [ sh, -c, 'sed \"s/POD_IP/$IP/g; s/TOKEN/$(cat /var/run/secrets/tokens/istio-token)/\" /etc/envoy/bootstrap.yaml > /tmp/b.yaml && exec {envoy} -c /tmp/b.yaml --concurrency 1' ]
    env: [ {{ name: IP, valueFrom: {{ fieldRef: {{ fieldPath: status.podIP }} }} }} ]
    volumeMounts:
    - {{ name: bootstrap, mountPath: /etc/envoy }}
    - {{ name: token, mountPath: /var/run/secrets/tokens }}
    - {{ name: roots, mountPath: /var/run/secrets/istio }}
    securityContext: {{ capabilities: {{ add: [ NET_ADMIN ] }} }}
  volumes:
  - {{ name: bootstrap, configMap: {{ name: envoy-{named} }} }}
  - {{ name: token, projected: {{ sources: [ {{ serviceAccountToken: {{ audience: istio-ca, path: istio-token }} }} ] }} }}
  - {{ name: roots, configMap: {{ name: istio-ca-root-cert }} }}
"
    )
}

#[test]
fn real_envoy_subscribes_over_tls_as_who_it_is_and_as_nobody_else() {
    let mesh = Mesh::start(&["--demo", "catalog"]);
    let envoy = std::fs::canonicalize(tool("envoy")).unwrap();
    let envoy = envoy.to_str().unwrap();
    mesh.apply(&enclosed(envoy, "default", ""));
    mesh.apply(&enclosed(envoy, "kube-system", ""));
    let inside = |pod: &str, script: &str| {
        let pod = format!("enclosed-{pod}");
        let arguments = ["exec", &pod, "-c", "app", "--", "sh", "-c", script];
        let output = mesh.kubectl_command(&arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let stats = "curl -s 'http://127.0.0.1:15000/stats?filter=update_|connected_state|http2|ssl'";
    wait("Envoy routes by what it was told over TLS", PATIENCE, || {
        let said = inside("default", "curl -s http://catalog/ || true");
        said.contains("\"service\": \"catalog\"").then_some(())
    });
    let said = inside("default", stats);
    assert!(said.contains("control_plane.connected_state: 1"), "{said}");
    for line in said.lines().filter(|it| it.contains("update_rejected")) {
        assert!(line.ends_with(": 0"), "{line}");
    }
    let syncz =
        inside("default", "curl -s http://istiod.istio-system.svc.cluster.local:15014/debug/syncz");
    assert!(syncz.contains("\"enclosed.default\""), "{syncz}");
    // The other one has the same token, and says that it is of a namespace whose secrets it would like to see.
    let said = wait("the other Envoy has been refused", PATIENCE, || {
        let said = inside("kube-system", stats);
        let tries = said.lines().find(|it| it.starts_with("cluster_manager.cds.update_failure"))?;
        (!tries.ends_with(": 0")).then_some(said)
    });
    assert!(said.contains("cluster_manager.cds.update_success: 0"), "{said}");
    assert!(!syncz.contains("enclosed.kube-system"), "{syncz}");
}

/// A group of machines, with the Service before them.
const GROUPS: &str = "apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: { name: vms }
spec:
  metadata: { labels: { app: vms } }
  template: { serviceAccount: default, ports: { http: 8080 } }
---
apiVersion: v1
kind: Service
metadata: { name: vms }
spec: { selector: { app: vms }, ports: [ { name: http, port: 80, targetPort: 8080 } ] }
---
";

#[test]
fn a_proxy_becomes_an_entry_of_its_group_for_as_long_as_it_is_there() {
    let mesh = crate::traffic::mesh_of(&[], "");
    let said = mesh.feed(&["apply", "-f", "-"], GROUPS);
    assert!(said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
    let envoy = std::fs::canonicalize(tool("envoy")).unwrap();
    mesh.apply(&enclosed(envoy.to_str().unwrap(), "default", ", AUTO_REGISTER_GROUP: vms"));
    let entries = || mesh.kubectl(&["get", "workloadentries", "-o", "name"]);
    let entry = wait("an entry", PATIENCE, || {
        let said = entries();
        said.lines().next().map(str::to_owned)
    });
    let ip = mesh.kubectl(&["get", "pod", "enclosed-default", "-o", "jsonpath={.status.podIP}"]);
    assert_eq!(entry, format!("workloadentry.networking.istio.io/vms-{ip}"));
    wait("an answer from the machine", PATIENCE, || {
        let status = "curl -s -m 5 -o /dev/null -w '%{http_code}' http://vms/ || true";
        (crate::traffic::ask(&mesh, status) == "200").then_some(())
    });
    let _ = mesh.kubectl(&["delete", "pod", "enclosed-default", "--grace-period=1"]);
    wait("the entry goes", PATIENCE, || entries().is_empty().then_some(()));
}

/// A pod with curl, openssl, its token and the roots; and one without any right token.
const CALLER: &str = "apiVersion: v1
kind: ServiceAccount
metadata: { name: caller }
---
apiVersion: v1
kind: Pod
metadata: { name: caller, labels: { sidecar.istio.io/inject: 'false' } }
spec:
  serviceAccountName: caller
  containers:
  - name: app
    image: sh
    command: [ sleep, '600' ]
    volumeMounts:
    - { name: token, mountPath: /tokens }
    - { name: roots, mountPath: /roots }
  volumes:
  - name: token
    projected:
      sources:
      - serviceAccountToken: { audience: istio-ca, path: good }
      - serviceAccountToken: { audience: vault, path: vault }
      - serviceAccountToken: { path: api }
  - { name: roots, configMap: { name: istio-ca-root-cert } }
";

/// Makes a key and a request that names somebody else, and puts it into a gRPC message: flag, length, field 1.
const REQUEST: &str = "cd /tmp
openssl ecparam -name prime256v1 -genkey -noout -out key.pem
openssl req -new -key key.pem -subj /O=bank -addext subjectAltName=URI:spiffe://cluster.local/ns/bank/sa/till -out csr.pem
openssl req -x509 -key key.pem -subj /O=me -addext subjectAltName=URI:spiffe://cluster.local/ns/default/sa/caller -days 2 -out self.pem
n=$(wc -c < csr.pem); m=$((n + 3))
{ printf \"\\\\000\\\\000\\\\000\\\\$(printf %03o $((m / 256)))\\\\$(printf %03o $((m % 256)))\"; printf \"\\\\012\\\\$(printf %03o $((n % 128 + 128)))\\\\$(printf %03o $((n / 128)))\"; cat csr.pem; } > message
wc -c < message";

#[test]
fn who_cannot_prove_who_it_is_gets_a_clear_refusal_and_nothing_else() {
    let mesh = Mesh::start(&[]);
    mesh.apply(CALLER);
    let _ = mesh.kubectl(&["wait", "--for=condition=Ready", "pod/caller", "--timeout=60s"]);
    let inside = |script: &str| {
        let output =
            mesh.kubectl_command(&["exec", "caller", "--", "sh", "-c", script]).output().unwrap();
        let both = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&both).into_owned()
    };
    let said = inside(REQUEST);
    assert!(said.trim().ends_with(|it: char| it.is_ascii_digit()), "{said}");
    let call = |more: &str| {
        inside(&format!(
            "cd /tmp; curl -sS -i --http2 --max-time 20 --cacert /roots/root-cert.pem -H 'content-type: application/grpc' -H 'te: trailers' --data-binary @message {more} {SECURE}/{CREATE} 2>&1 | tr -d '\\000'"
        ))
    };
    let token = |name: &str| format!("-H \"authorization: Bearer $(cat /tokens/{name})\"");
    let good = call(&format!("{} -o answer -D head", token("good")));
    let given = inside(
        "cd /tmp; cat head; export LC_ALL=C; sed -n '/BEGIN/,/END/p' answer | tr -d '\\000' | sed 's/^.*-----BEGIN/-----BEGIN/' > chain.pem; openssl x509 -in chain.pem -noout -ext subjectAltName -dates; openssl verify -CAfile /roots/root-cert.pem chain.pem",
    );
    assert!(given.contains("URI:spiffe://cluster.local/ns/default/sa/caller"), "{good}\n{given}");
    assert!(given.contains("chain.pem: OK") && !given.contains("bank"), "{given}");

    let refused = [
        ("no token", call("")),
        ("a token for the API", call(&token("api"))),
        ("a token for another audience", call(&token("vault"))),
        ("no token at all", call("-H 'authorization: Bearer e30.e30.e30'")),
    ];
    for (what, said) in refused {
        assert!(said.contains("grpc-status: 16"), "{what}: {said}");
        assert!(!said.contains("BEGIN CERTIFICATE"), "{what}: {said}");
    }
    let said = call(&format!("{} --cert self.pem --key key.pem", token("good")));
    assert!(!said.contains("BEGIN CERTIFICATE") && !said.contains("grpc-status: 0"), "{said}");
    assert!(said.contains("curl: "), "the handshake is refused: {said}");
    // The certificate that was given opens the port, for the same identity.
    let renewed = call("--cert chain.pem --key key.pem");
    assert!(renewed.contains("BEGIN CERTIFICATE"), "{renewed}");

    // A token dies with its pod, also one that was copied away.
    let copy = inside("cat /tokens/good");
    let _ = mesh.kubectl(&["delete", "pod", "caller", "--grace-period=1"]);
    let _ = mesh.kubectl(&["wait", "--for=delete", "pod/caller", "--timeout=60s"]);
    let review = format!(
        "apiVersion: authentication.k8s.io/v1\nkind: TokenReview\nspec: {{ audiences: [ istio-ca ], token: {copy} }}\n"
    );
    let answer = mesh.feed(&["create", "-o", "json", "-f", "-"], &review);
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(answer.contains("\"authenticated\": false"), "{answer}");

    // Nothing secret is in what the mesh logs.
    let logs = mesh.kubectl(&["logs", "-n", "istio-system", "deploy/istiod"]);
    assert!(logs.contains("certificate given"), "{logs}");
    for secret in [copy.trim(), "PRIVATE KEY"] {
        assert!(!logs.contains(secret), "{logs}");
    }
}
