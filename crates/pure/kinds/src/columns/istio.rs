//! Columns of Istio's kinds, as its definitions declare them: raw values of paths.

use objects::Column;
use serde_json::Value;

use super::{AGE, NAME, col};
use crate::view::at;

/// A value as a printer column of a custom resource shows it: text as it is, lists as JSON.
fn raw(object: &Value, path: &str) -> Value {
    match at(object, path) {
        Value::Null => Value::Null,
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

/// NAME GATEWAYS HOSTS AGE
pub(crate) const VIRTUAL_SERVICE: &[Column] = &[
    NAME,
    col("Gateways", |o, _| raw(o, "spec.gateways")),
    col("Hosts", |o, _| raw(o, "spec.hosts")),
    AGE,
];

/// NAME HOST AGE
pub(crate) const DESTINATION_RULE: &[Column] =
    &[NAME, col("Host", |o, _| raw(o, "spec.host")), AGE];

/// NAME HOSTS LOCATION RESOLUTION AGE
pub(crate) const SERVICE_ENTRY: &[Column] = &[
    NAME,
    col("Hosts", |o, _| raw(o, "spec.hosts")),
    col("Location", |o, _| raw(o, "spec.location")),
    col("Resolution", |o, _| raw(o, "spec.resolution")),
    AGE,
];

/// NAME AGE ADDRESS
pub(crate) const WORKLOAD_ENTRY: &[Column] =
    &[NAME, AGE, col("Address", |o, _| raw(o, "spec.address"))];

/// NAME MODE AGE
pub(crate) const PEER_AUTHENTICATION: &[Column] =
    &[NAME, col("Mode", |o, _| raw(o, "spec.mtls.mode")), AGE];

/// NAME ACTION AGE
pub(crate) const AUTHORIZATION_POLICY: &[Column] =
    &[NAME, col("Action", |o, _| raw(o, "spec.action")), AGE];
