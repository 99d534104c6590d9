//! The sidecar, as a JSON patch of a pod that is being made.

mod container;
pub mod heeded;
mod pod;
mod settings;
mod volumes;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use pod::PodFacts;
pub use settings::{Settings, settings};

/// Name of the container that is the sidecar.
pub const CONTAINER: &str = "istio-proxy";
/// Annotation that says what was injected.
pub const STATUS: &str = "sidecar.istio.io/status";
/// Label (and old annotation) by which a pod asks for a sidecar, or for none.
const WISH: &str = "sidecar.istio.io/inject";
/// Label of namespaces and pods that names a revision of the control plane.
const REVISION: &str = "istio.io/rev";
/// Namespaces of the cluster's own, which never get sidecars.
const CLUSTERS_OWN: &[&str] = &["kube-system", "kube-public", "kube-node-lease"];

/// What the injector is told by the control plane that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectConfig {
    /// Image of the sidecar.
    pub image: String,
    /// `host:port` where the sidecar finds its control plane.
    pub discovery: String,
    /// Name of the cluster, for telemetry.
    pub cluster: String,
    /// Name of the mesh, for telemetry.
    pub mesh: String,
    /// Trust domain of identities, and last part of service names.
    pub domain: String,
    /// Revision of the control plane that injects.
    pub revision: String,
    /// How the sidecar runs, before the pod's own annotation speaks.
    pub settings: Settings,
}

impl Default for InjectConfig {
    fn default() -> InjectConfig {
        InjectConfig {
            image: "lateen/proxyv2".to_owned(),
            discovery: "istiod.istio-system.svc:15010".to_owned(),
            cluster: "Kubernetes".to_owned(),
            mesh: "cluster.local".to_owned(),
            domain: "cluster.local".to_owned(),
            revision: "default".to_owned(),
            settings: Settings::new(),
        }
    }
}

/// Whether a pod of this namespace gets a sidecar.
///
/// The pod's own wish (label, else annotation) wins over the namespace's label; pods on the host's
/// network and pods that have a sidecar never get one.
#[must_use]
pub fn wanted(pod: &Value, namespace: &Value, revision: &str) -> bool {
    let pod = PodFacts::new(pod);
    let labels = pod::text_map(namespace.pointer("/metadata/labels"));
    let name = namespace.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if pod.host_network() || pod.is_injected() || CLUSTERS_OWN.contains(&name) {
        return false;
    }
    let wish = pod.labels.get(WISH).or_else(|| pod.annotations.get(WISH));
    match wish.map(|word| word.to_ascii_lowercase()).as_deref() {
        Some("true" | "yes" | "on" | "y") => return true,
        Some("false" | "no" | "off" | "n") => return false,
        _ => {}
    }
    if let Some(own) = pod.labels.get(REVISION) {
        return own == revision;
    }
    match labels.get("istio-injection").map(String::as_str) {
        Some("enabled") => true,
        Some(_) => false,
        None => labels.get(REVISION).is_some_and(|own| own == revision),
    }
}

/// The JSON patch (RFC 6902) that adds a sidecar to `pod`, or `None` where none is wanted.
///
/// `namespace` is the Namespace object that the pod is made in.
#[must_use]
pub fn patch(pod: &Value, namespace: &Value, config: &InjectConfig) -> Option<Value> {
    if !wanted(pod, namespace, &config.revision) {
        return None;
    }
    let name = namespace.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("default");
    let facts = PodFacts::new(pod);
    let labels = new_labels(&facts);
    let annotations = new_annotations(&facts, config);
    let sidecar = container::container(&facts, name, &labels, config);
    let mut patch = Vec::new();
    add_all(&mut patch, pod, "labels", &labels);
    add_all(&mut patch, pod, "annotations", &annotations);
    // A pod without containers is not valid, but that is for the API server to say.
    if pod.pointer("/spec/containers").is_some_and(Value::is_array) {
        patch.push(json!({"op": "add", "path": "/spec/containers/-", "value": sidecar}));
    } else {
        patch.push(json!({"op": "add", "path": "/spec/containers", "value": [sidecar]}));
    }
    volumes::add(&mut patch, pod);
    Some(Value::Array(patch))
}

/// Labels that mark the pod as one of the mesh and name its application for telemetry.
fn new_labels(pod: &PodFacts<'_>) -> BTreeMap<String, String> {
    let first = |names: &[&str]| names.iter().find_map(|name| pod.labels.get(*name).cloned());
    let name = first(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]);
    let revision =
        first(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]);
    let mut labels = BTreeMap::new();
    let own = |label: &str| pod.labels.contains_key(label);
    let mut add = |label: &str, value: String| {
        if !own(label) {
            labels.insert(label.to_owned(), value);
        }
    };
    add("security.istio.io/tlsMode", "istio".to_owned());
    add("service.istio.io/canonical-name", name.unwrap_or_else(|| pod.owner().name));
    add("service.istio.io/canonical-revision", revision.unwrap_or_else(|| "latest".to_owned()));
    labels
}

/// The annotations of a pod, or of a template of pods.
pub(crate) fn annotations(pod: &Value) -> BTreeMap<String, String> {
    pod::text_map(pod.pointer("/metadata/annotations"))
}

fn new_annotations(pod: &PodFacts<'_>, config: &InjectConfig) -> BTreeMap<String, String> {
    let status = json!({
        "initContainers": null,
        "containers": [CONTAINER],
        "volumes": volumes::NAMES,
        "imagePullSecrets": null,
        "revision": config.revision,
    });
    let mut annotations = BTreeMap::from([
        (STATUS.to_owned(), status.to_string()),
        (REVISION.to_owned(), config.revision.clone()),
    ]);
    let merges = pod.annotations.get("prometheus.istio.io/merge-metrics");
    if merges.is_none_or(|word| word != "false") {
        let own = [("scrape", "true"), ("port", "15020"), ("path", "/stats/prometheus")];
        for (key, value) in own {
            annotations.insert(format!("prometheus.io/{key}"), value.to_owned());
        }
    }
    // So that `kubectl exec` and `kubectl logs` mean the application.
    if let Some(first) = pod.app_containers().first() {
        for kind in ["default-container", "default-logs-container"] {
            let key = format!("kubectl.kubernetes.io/{kind}");
            if !pod.annotations.contains_key(&key) {
                annotations.insert(key, (*first).to_owned());
            }
        }
    }
    annotations
}

/// Operations that add these pairs to a map of the metadata, which may not be there yet.
fn add_all(patch: &mut Vec<Value>, pod: &Value, map: &str, pairs: &BTreeMap<String, String>) {
    let path = format!("/metadata/{map}");
    if pod.pointer(&path).is_none_or(|map| !map.is_object()) {
        patch.push(json!({"op": "add", "path": path, "value": pairs}));
        return;
    }
    for (key, value) in pairs {
        // RFC 6901: `~` and `/` inside of a key.
        let key = key.replace('~', "~0").replace('/', "~1");
        patch.push(json!({"op": "add", "path": format!("{path}/{key}"), "value": value}));
    }
}

#[cfg(test)]
mod tests;
