//! What a sidecar needs to get a certificate: a token for the mesh's CA, and the roots by which it trusts the control plane.
//!
//! Spec: names and paths are Istio's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Names of the volumes.
pub(super) const NAMES: [&str; 2] = ["istio-token", "istiod-ca-cert"];
/// Where the sidecar finds them.
const PATHS: [&str; 2] = ["/var/run/secrets/tokens", "/var/run/secrets/istio"];
/// Life of a token; whoever mounts it renews it in time.
const TOKEN_SECONDS: u32 = 43_200;

/// The annotations by which a pod gives its sidecar volumes and mounts of its own.
pub(super) const USER_VOLUME: &str = "sidecar.istio.io/userVolume";
pub(super) const USER_VOLUME_MOUNT: &str = "sidecar.istio.io/userVolumeMount";

/// Volumes or mounts of an annotation: a JSON array, or an object whose keys are their names.
pub(super) fn read(text: &str) -> Result<Vec<Value>, String> {
    let wrong = || "it is neither a JSON array of objects nor an object of them".to_owned();
    let named = match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(all)) => all,
        Ok(Value::Object(all)) => all
            .into_iter()
            .map(|(name, mut one)| {
                if let Some(fields) = one.as_object_mut() {
                    fields.insert("name".to_owned(), name.into());
                }
                one
            })
            .collect(),
        Ok(_) => return Err(wrong()),
        Err(why) => return Err(format!("it is no JSON: {why}")),
    };
    let good = |one: &Value| one.get("name").is_some_and(Value::is_string);
    if named.iter().all(good) { Ok(named) } else { Err(wrong()) }
}

/// What an annotation of the pod gives; nothing where it cannot be read, which [`super::heeded`] tells.
fn given(annotations: &BTreeMap<String, String>, name: &str) -> Vec<Value> {
    annotations.get(name).and_then(|text| read(text).ok()).unwrap_or_default()
}

/// The sidecar's mounts.
pub(super) fn mounts(annotations: &BTreeMap<String, String>) -> Value {
    let pairs = NAMES.iter().zip(PATHS);
    let own = pairs.map(|(name, path)| json!({"name": name, "mountPath": path, "readOnly": true}));
    own.chain(given(annotations, USER_VOLUME_MOUNT)).collect()
}

/// Adds the volumes that the pod does not have yet.
pub(super) fn add(patch: &mut Vec<Value>, pod: &Value) {
    let [token, roots] = NAMES;
    let wanted = [
        json!({"name": token, "projected": {"sources": [{"serviceAccountToken": {
            "audience": "istio-ca", "expirationSeconds": TOKEN_SECONDS, "path": "istio-token",
        }}]}}),
        json!({"name": roots, "configMap": {"name": "istio-ca-root-cert"}}),
    ];
    let users = given(&super::annotations(pod), USER_VOLUME);
    let own = pod.pointer("/spec/volumes").and_then(Value::as_array);
    let missing = wanted.into_iter().chain(users).filter(|volume| {
        own.is_none_or(|own| own.iter().all(|one| one.get("name") != volume.get("name")))
    });
    if own.is_some() {
        patch
            .extend(missing.map(|it| json!({"op": "add", "path": "/spec/volumes/-", "value": it})));
    } else {
        let all: Vec<Value> = missing.collect();
        patch.push(json!({"op": "add", "path": "/spec/volumes", "value": all}));
    }
}
