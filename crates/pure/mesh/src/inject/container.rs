//! The sidecar's container.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::pod::PodFacts;
use super::settings::put_over;
use super::{CONTAINER, InjectConfig, Settings};

/// Port of the readiness answer.
const STATUS_PORT: u16 = 15021;

pub(super) fn container(
    pod: &PodFacts<'_>,
    namespace: &str,
    new_labels: &BTreeMap<String, String>,
    config: &InjectConfig,
) -> Value {
    let image = pod.annotations.get("sidecar.istio.io/proxyImage").unwrap_or(&config.image);
    let mut container = json!({
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": args(pod, config),
        "ports": [{"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}],
        "env": env(pod, namespace, new_labels, config),
        "resources": resources(pod),
        "volumeMounts": super::volumes::mounts(&pod.annotations),
    });
    if let Some(probe) = probe(pod) {
        container["readinessProbe"] = probe;
    }
    container
}

fn args(pod: &PodFacts<'_>, config: &InjectConfig) -> Vec<String> {
    let mut args = vec![
        "proxy".to_owned(),
        "sidecar".to_owned(),
        "--domain".to_owned(),
        format!("$(POD_NAMESPACE).svc.{}", config.domain),
    ];
    if let Some(level) = pod.annotations.get("sidecar.istio.io/logLevel") {
        args.push(format!("--proxyLogLevel={level}"));
    }
    args
}

fn env(
    pod: &PodFacts<'_>,
    namespace: &str,
    new_labels: &BTreeMap<String, String>,
    config: &InjectConfig,
) -> Vec<Value> {
    let owner = pod.owner();
    let resource = format!(
        "kubernetes://{}/namespaces/{namespace}/{}/{}",
        owner.api, owner.plural, owner.name
    );
    let labels: BTreeMap<&String, &String> = pod.labels.iter().chain(new_labels).collect();
    let ports = Value::Array(pod.ports().into_iter().cloned().collect());
    let text = |name: &str, value: String| json!({"name": name, "value": value});
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let mut env = vec![
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("INSTANCE_IP", "status.podIP"),
        field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
        field("HOST_IP", "status.hostIP"),
        field("ISTIO_META_NODE_NAME", "spec.nodeName"),
        text("LATEEN_DISCOVERY", config.discovery.clone()),
        text("TRUST_DOMAIN", config.domain.clone()),
        text("ISTIO_META_CLUSTER_ID", config.cluster.clone()),
        text("ISTIO_META_MESH_ID", config.mesh.clone()),
        text("ISTIO_META_INTERCEPTION_MODE", "REDIRECT".to_owned()),
        text("ISTIO_META_WORKLOAD_NAME", owner.name),
        text("ISTIO_META_OWNER", resource),
        text("ISTIO_META_APP_CONTAINERS", pod.app_containers().join(",")),
        text("ISTIO_META_POD_PORTS", ports.to_string()),
        text("ISTIO_METAJSON_LABELS", json!(labels).to_string()),
    ];
    match settings(pod, config) {
        Ok(settings) => env.extend(of_settings(&settings, &env)),
        // The sidecar refuses it, and says why.
        Err(unreadable) => env.push(text("PROXY_CONFIG", unreadable.to_owned())),
    }
    // The application's own wish to be scraped, which the merged endpoint of the sidecar follows.
    let scrape = |key: &str| pod.annotations.get(&format!("prometheus.io/{key}")).cloned();
    if let Some(wish) = scrape("scrape") {
        let wish = json!({
            "scrape": wish,
            "port": scrape("port").unwrap_or_default(),
            "path": scrape("path").unwrap_or_default(),
        });
        env.push(text("ISTIO_PROMETHEUS_ANNOTATIONS", wish.to_string()));
    }
    env
}

/// How the sidecar runs: what the control plane says, and the pod's own annotation over it. An annotation that cannot be
/// read is given back.
fn settings<'a>(pod: &'a PodFacts<'_>, config: &InjectConfig) -> Result<Settings, &'a str> {
    let mut settings = config.settings.clone();
    if let Some(text) = pod.annotations.get("proxy.istio.io/config") {
        match serde_saphyr::from_str(text) {
            Ok(Value::Object(own)) => put_over(&mut settings, own),
            _ => return Err(text),
        }
    }
    Ok(settings)
}

/// The variables of settings; those that are there already stay as they are.
fn of_settings(settings: &Settings, known: &[Value]) -> Vec<Value> {
    let text = |name: &str, value: &str| json!({"name": name, "value": value});
    let mut env = Vec::new();
    if !settings.is_empty() {
        env.push(text("PROXY_CONFIG", &Value::Object(settings.clone()).to_string()));
    }
    let variables = settings.get("proxyMetadata").and_then(Value::as_object);
    for (name, value) in variables.into_iter().flatten() {
        let is_new = known.iter().chain(&env).all(|one| one["name"] != name.as_str());
        if let Some(value) = value.as_str().filter(|_| is_new) {
            env.push(text(name, value));
        }
    }
    env
}

/// The probe, unless `status.sidecar.istio.io/port: "0"` switches it off.
fn probe(pod: &PodFacts<'_>) -> Option<Value> {
    let number = |key: &str| pod.annotations.get(key).and_then(|text| text.parse::<u16>().ok());
    let port = number("status.sidecar.istio.io/port").unwrap_or(STATUS_PORT);
    if port == 0 {
        return None;
    }
    let field = |name: &str, default: u16| {
        number(&format!("readiness.status.sidecar.istio.io/{name}")).unwrap_or(default)
    };
    Some(json!({
        "httpGet": {"path": "/healthz/ready", "port": port},
        "initialDelaySeconds": field("initialDelaySeconds", 0),
        "periodSeconds": field("periodSeconds", 15).max(1),
        "timeoutSeconds": 3,
        "failureThreshold": field("failureThreshold", 4).max(1),
    }))
}

fn resources(pod: &PodFacts<'_>) -> Value {
    let mut requests = Map::new();
    let mut limits = Map::new();
    let parts = [("cpu", "CPU", "10m"), ("memory", "Memory", "40Mi")];
    for (resource, word, default) in parts {
        let own = pod.annotations.get(&format!("sidecar.istio.io/proxy{word}"));
        let limit = pod.annotations.get(&format!("sidecar.istio.io/proxy{word}Limit"));
        requests.insert(resource.to_owned(), json!(own.map_or(default, String::as_str)));
        if let Some(limit) = limit {
            limits.insert(resource.to_owned(), json!(limit));
        }
    }
    let mut resources = json!({"requests": requests});
    if !limits.is_empty() {
        resources["limits"] = Value::Object(limits);
    }
    resources
}
