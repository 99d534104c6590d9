//! What a sidecar needs to get a certificate: a token for the mesh's CA, and the roots by which it trusts the control plane.
//!
//! Spec: names and paths are Istio's.

use serde_json::{Value, json};

/// Names of the volumes.
pub(super) const NAMES: [&str; 2] = ["istio-token", "istiod-ca-cert"];
/// Where the sidecar finds them.
const PATHS: [&str; 2] = ["/var/run/secrets/tokens", "/var/run/secrets/istio"];
/// Life of a token; whoever mounts it renews it in time.
const TOKEN_SECONDS: u32 = 43_200;

/// The sidecar's mounts.
pub(super) fn mounts() -> Value {
    let pairs = NAMES.iter().zip(PATHS);
    pairs.map(|(name, path)| json!({"name": name, "mountPath": path, "readOnly": true})).collect()
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
    let own = pod.pointer("/spec/volumes").and_then(Value::as_array);
    let missing = wanted.into_iter().filter(|volume| {
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
