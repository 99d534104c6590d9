//! Columns of volumes, their claims and their classes.

use objects::Column;
use serde_json::Value;

use super::{AGE, NAME, col, wide};
use crate::view::{at, flag, has, list, text};

/// NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE
pub(crate) const CLAIM: &[Column] = &[
    NAME,
    col("Status", |o, _| phase(o)),
    col("Volume", |o, _| text(o, "spec.volumeName").into()),
    col("Capacity", |o, _| match text(o, "spec.volumeName") {
        "" => "".into(),
        _ => text(o, "status.capacity.storage").into(),
    }),
    col("Access Modes", |o, _| match text(o, "spec.volumeName") {
        "" => "".into(),
        _ => modes(o, "status.accessModes"),
    }),
    col("StorageClass", |o, _| text(o, "spec.storageClassName").into()),
    col("VolumeAttributesClass", |o, _| or_unset(text(o, "spec.volumeAttributesClassName"))),
    AGE,
    wide("VolumeMode", |o, _| or_unset(text(o, "spec.volumeMode"))),
];

/// NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS VOLUMEATTRIBUTESCLASS ...
pub(crate) const VOLUME: &[Column] = &[
    NAME,
    col("Capacity", |o, _| text(o, "spec.capacity.storage").into()),
    col("Access Modes", |o, _| modes(o, "spec.accessModes")),
    col("Reclaim Policy", |o, _| text(o, "spec.persistentVolumeReclaimPolicy").into()),
    col("Status", |o, _| phase(o)),
    col("Claim", |o, _| match text(o, "spec.claimRef.name") {
        "" => "".into(),
        name => format!("{}/{name}", text(o, "spec.claimRef.namespace")).into(),
    }),
    col("StorageClass", |o, _| text(o, "spec.storageClassName").into()),
    col("VolumeAttributesClass", |o, _| or_unset(text(o, "spec.volumeAttributesClassName"))),
    col("Reason", |o, _| text(o, "status.reason").into()),
    AGE,
    wide("VolumeMode", |o, _| or_unset(text(o, "spec.volumeMode"))),
];

/// NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE
pub(crate) const CLASS: &[Column] = &[
    NAME,
    col("Provisioner", |o, _| text(o, "provisioner").into()),
    col("ReclaimPolicy", |o, _| text(o, "reclaimPolicy").into()),
    col("VolumeBindingMode", |o, _| text(o, "volumeBindingMode").into()),
    Column {
        kind: "boolean",
        ..col("AllowVolumeExpansion", |o, _| flag(o, "allowVolumeExpansion").into())
    },
    AGE,
];

fn or_unset(text: &str) -> Value {
    if text.is_empty() { "<unset>".into() } else { text.into() }
}

fn phase(object: &Value) -> Value {
    if has(object, "metadata.deletionTimestamp") {
        "Terminating".into()
    } else {
        at(object, "status.phase").as_str().unwrap_or_default().into()
    }
}

/// `RWO,ROX`, each mode once.
fn modes(object: &Value, path: &str) -> Value {
    let known = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let given = list(object, path);
    let short: Vec<&str> = known
        .into_iter()
        .filter(|(long, _)| given.iter().any(|mode| mode == long))
        .map(|(_, short)| short)
        .collect();
    short.join(",").into()
}
