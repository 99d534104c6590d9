//! Columns of quotas, budgets and autoscalers.

use objects::Column;
use serde_json::Value;

use super::{AGE, NAME, col, number};
use crate::view::{at, int, list, map, text};

/// NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE
pub(crate) const AUTOSCALER: &[Column] = &[
    NAME,
    col("Reference", |o, _| {
        format!("{}/{}", text(o, "spec.scaleTargetRef.kind"), text(o, "spec.scaleTargetRef.name"))
            .into()
    }),
    col("Targets", |o, _| targets(o)),
    col("MinPods", |o, _| match at(o, "spec.minReplicas").as_i64() {
        Some(least) => least.to_string().into(),
        None => "<unset>".into(),
    }),
    number("MaxPods", |o, _| int(o, "spec.maxReplicas").into()),
    number("Replicas", |o, _| int(o, "status.currentReplicas").into()),
    AGE,
];

/// Nothing measures here, so each target's present value is unknown.
fn targets(autoscaler: &Value) -> Value {
    let each: Vec<String> = list(autoscaler, "spec.metrics")
        .iter()
        .map(|metric| {
            let name = text(metric, "resource.name");
            let target = at(metric, "resource.target");
            match at(target, "averageUtilization").as_i64() {
                Some(percent) => format!("{name}: <unknown>/{percent}%"),
                None => format!("{name}: <unknown>/{}", text(target, "averageValue")),
            }
        })
        .collect();
    if each.is_empty() { "<none>".into() } else { each.join(", ").into() }
}

/// NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE
pub(crate) const DISRUPTION_BUDGET: &[Column] = &[
    NAME,
    col("Min Available", |o, _| limit(at(o, "spec.minAvailable"))),
    col("Max Unavailable", |o, _| limit(at(o, "spec.maxUnavailable"))),
    number("Allowed Disruptions", |o, _| int(o, "status.disruptionsAllowed").into()),
    AGE,
];

fn limit(value: &Value) -> Value {
    match value {
        Value::Null => "N/A".into(),
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

/// NAME REQUEST LIMIT AGE
pub(crate) const QUOTA: &[Column] =
    &[NAME, col("Request", |o, _| used(o, false)), col("Limit", |o, _| used(o, true)), AGE];

/// `name: used/hard` of the limits, or of everything else.
fn used(quota: &Value, limits: bool) -> Value {
    let mut each: Vec<String> = map(quota, "spec.hard")
        .filter(|(name, _)| name.starts_with("limits") == limits)
        .map(|(name, hard)| {
            let used = map(quota, "status.used").find(|(key, _)| *key == name);
            let used = used.and_then(|(_, value)| value.as_str()).unwrap_or("0");
            format!("{name}: {used}/{}", hard.as_str().unwrap_or_default())
        })
        .collect();
    each.sort();
    each.join(", ").into()
}
