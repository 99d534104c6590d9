//! Who gets a sidecar, and how the pod looks then.

use super::*;

fn pod(extra: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "web-5d9c-", "labels": {"app": "web", "pod-template-hash": "5d9c"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d9c", "controller": true}]},
        "spec": {"containers": [{"name": "app", "image": "x", "ports": [{"containerPort": 8080}]}]},
    });
    merge(&mut pod, extra);
    pod
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn namespace(labels: Value) -> Value {
    json!({"metadata": {"name": "shop", "labels": labels}})
}

#[test]
fn the_pod_s_own_wish_wins_over_the_namespace() {
    let on = json!({"istio-injection": "enabled"});
    let off = json!({"istio-injection": "disabled"});
    let label = |word: &str| json!({"metadata": {"labels": {"sidecar.istio.io/inject": word}}});
    let note = |word: &str| json!({"metadata": {"annotations": {"sidecar.istio.io/inject": word}}});
    let table = [
        (json!({}), json!({}), false),
        (json!({}), on.clone(), true),
        (json!({}), off.clone(), false),
        (json!({}), json!({"istio.io/rev": "default"}), true),
        (json!({}), json!({"istio.io/rev": "canary"}), false),
        (label("true"), json!({}), true),
        (label("true"), off.clone(), true),
        (label("false"), on.clone(), false),
        (note("false"), on.clone(), false),
        (note("true"), json!({}), true),
        (json!({"metadata": {"labels": {"istio.io/rev": "default"}}}), json!({}), true),
        (json!({"spec": {"hostNetwork": true}}), on.clone(), false),
        (
            json!({"metadata": {"annotations": {"sidecar.istio.io/status": "{}"}}}),
            on.clone(),
            false,
        ),
        (json!({"spec": {"containers": [{"name": "istio-proxy"}]}}), on.clone(), false),
        (json!({"spec": {"initContainers": [{"name": "istio-proxy"}]}}), on, false),
    ];
    for (extra, labels, expected) in table {
        let found = wanted(&pod(extra.clone()), &namespace(labels.clone()), "default");
        assert_eq!(found, expected, "{extra} in {labels}");
    }
    let system =
        json!({"metadata": {"name": "kube-system", "labels": {"istio-injection": "enabled"}}});
    assert!(!wanted(&pod(json!({})), &system, "default"));
}

fn injected(pod: &Value) -> Value {
    let on = namespace(json!({"istio-injection": "enabled"}));
    let patch = patch(pod, &on, &InjectConfig::default()).expect("it is wanted");
    let mut out = pod.clone();
    for op in patch.as_array().expect("a patch is a list") {
        let path = op["path"].as_str().expect("an operation has a path");
        let (parent, key) = path.rsplit_once('/').expect("a path has parts");
        let key = key.replace("~1", "/").replace("~0", "~");
        let parent = out.pointer_mut(parent).expect("the parent is there");
        match parent {
            Value::Array(list) if key == "-" => list.push(op["value"].clone()),
            other => other[key] = op["value"].clone(),
        }
    }
    out
}

#[test]
fn the_sidecar_is_a_container_with_its_environment() {
    let out = injected(&pod(json!({})));
    let sidecar = &out["spec"]["containers"][1];
    assert_eq!(sidecar["name"], "istio-proxy");
    assert_eq!(sidecar["args"][0], "proxy");
    assert_eq!(
        sidecar["readinessProbe"]["httpGet"],
        json!({"path": "/healthz/ready", "port": 15021})
    );
    let env = |name: &str| {
        let list = sidecar["env"].as_array().expect("a list");
        list.iter().find(|one| one["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(env("ISTIO_META_WORKLOAD_NAME")["value"], "web");
    assert_eq!(
        env("ISTIO_META_OWNER")["value"],
        "kubernetes://apis/apps/v1/namespaces/shop/deployments/web"
    );
    assert_eq!(env("INSTANCE_IP")["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP");
    let labels = env("ISTIO_METAJSON_LABELS");
    let labels: Value =
        serde_json::from_str(labels["value"].as_str().expect("text")).expect("JSON");
    assert_eq!(labels["app"], "web");
    assert_eq!(labels["service.istio.io/canonical-name"], "web");
    assert_eq!(out["metadata"]["labels"]["security.istio.io/tlsMode"], "istio");
    assert_eq!(out["metadata"]["labels"]["service.istio.io/canonical-revision"], "latest");
    let notes = &out["metadata"]["annotations"];
    assert_eq!(notes["prometheus.io/port"], "15020");
    assert_eq!(notes["kubectl.kubernetes.io/default-container"], "app");
    assert!(notes["sidecar.istio.io/status"].as_str().expect("text").contains("istio-proxy"));
    assert!(!wanted(&out, &namespace(json!({"istio-injection": "enabled"})), "default"));
}

#[test]
fn annotations_change_the_sidecar() {
    let notes = json!({"metadata": {"annotations": {
        "sidecar.istio.io/proxyImage": "mine",
        "sidecar.istio.io/proxyCPULimit": "1",
        "status.sidecar.istio.io/port": "0",
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9000",
    }}});
    let out = injected(&pod(notes));
    let sidecar = &out["spec"]["containers"][1];
    assert_eq!(sidecar["image"], "mine");
    assert_eq!(sidecar["resources"]["limits"]["cpu"], "1");
    assert!(sidecar.get("readinessProbe").is_none());
    assert_eq!(out["metadata"]["annotations"]["prometheus.io/port"], "15020");
    let kept = sidecar["env"].to_string();
    assert!(kept.contains("9000"), "{kept}");
}

#[test]
fn the_sidecar_mounts_its_token_and_the_roots_beside_the_pod_s_own_volumes() {
    let own = json!({"name": "istio-token", "emptyDir": {}});
    for (volumes, expected) in [
        (Value::Null, vec!["istio-token", "istiod-ca-cert"]),
        (json!([{"name": "data"}]), vec!["data", "istio-token", "istiod-ca-cert"]),
        (json!([own]), vec!["istio-token", "istiod-ca-cert"]),
    ] {
        let out = injected(&pod(json!({"spec": {"volumes": volumes}})));
        let names: Vec<_> = out["spec"]["volumes"].as_array().expect("a list").iter().collect();
        let names: Vec<_> = names.iter().map(|one| one["name"].as_str().expect("text")).collect();
        assert_eq!(names, expected);
        let mounts = &out["spec"]["containers"][1]["volumeMounts"];
        assert_eq!(mounts[0]["mountPath"], "/var/run/secrets/tokens");
        assert_eq!(mounts[1]["mountPath"], "/var/run/secrets/istio");
        assert!(out["spec"]["containers"][0].get("volumeMounts").is_none());
    }
    let out = injected(&pod(json!({})));
    let token = &out["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], "istio-ca");
}

#[test]
fn a_pod_gives_its_sidecar_volumes_of_its_own() {
    let with = |volume: &str, mount: &str| {
        let annotations = json!({"sidecar.istio.io/userVolume": volume, "sidecar.istio.io/userVolumeMount": mount});
        let pod = injected(&pod(json!({"metadata": {"annotations": annotations}})));
        let names = |list: &Value| -> Vec<String> {
            let all = list.as_array().unwrap().iter();
            all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
        };
        let sidecar = &pod["spec"]["containers"][1];
        (names(&pod["spec"]["volumes"]), names(&sidecar["volumeMounts"]))
    };
    let own = ["istio-token", "istiod-ca-cert"];
    let mount = r#"[{"name": "run", "mountPath": "/run/app"}]"#;
    for volume in [r#"[{"name": "run", "emptyDir": {}}]"#, r#"{"run": {"emptyDir": {}}}"#] {
        let (volumes, mounts) = with(volume, mount);
        assert_eq!(volumes, [own[0], own[1], "run"], "{volume}");
        assert_eq!(mounts, [own[0], own[1], "run"], "{volume}");
    }
    for broken in ["", "7", "[7]", "{"] {
        assert_eq!(with(broken, broken).1, own, "{broken}");
    }
}

#[test]
fn what_a_template_asks_for_in_vain_is_said_at_apply() {
    let deployment = |annotations: Value| {
        json!({"kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"template": {"metadata": {"annotations": annotations}, "spec": {"containers": []}}}})
    };
    let on = namespace(json!({"istio-injection": "enabled"}));
    let said = |annotations, namespace: &Value| {
        crate::admission_of_template(&deployment(annotations), namespace, "default")
    };
    assert_eq!(said(json!({"sidecar.istio.io/logLevel": "debug"}), &on), Vec::<String>::new());
    let wish = json!({"sidecar.istio.io/interceptionMode": "TPROXY"});
    assert_eq!(
        said(wish.clone(), &on),
        [
            "[LAT0001] (Deployment shop/web) spec.template.metadata.annotations[sidecar.istio.io/interceptionMode]: TPROXY does not work here: traffic is redirected"
        ]
    );
    assert_eq!(said(wish, &namespace(json!({}))), Vec::<String>::new(), "no sidecar, no wish");
}
