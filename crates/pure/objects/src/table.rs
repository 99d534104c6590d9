//! Tables, as `kubectl get` prints them, and the cells that many kinds share.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::document::{self, IncludeObject};
use crate::meta;
use crate::resource::{Column, Resource};

/// The first column of nearly every kind.
pub const NAME: Column = Column {
    name: "Name",
    kind: "string",
    priority: 0,
    cell: |object, _| meta::name(object).into(),
};

/// How long the object exists: usually the last column that is not wide.
pub const AGE: Column = Column {
    name: "Age",
    kind: "string",
    priority: 0,
    cell: |object, now| age(meta::text(object, "creationTimestamp"), now).into(),
};

/// A Table of objects. `revision` is the resourceVersion of the list, or of the one object.
#[must_use]
pub fn render(
    resource: &Resource,
    version: &str,
    include: IncludeObject,
    objects: &[Arc<Value>],
    revision: &str,
    now: Timestamp,
) -> Value {
    let columns: Vec<Value> = resource
        .columns
        .iter()
        .map(|column| {
            json!({
                "name": column.name,
                "type": column.kind,
                "format": if column.name == "Name" { "name" } else { "" },
                "description": "",
                "priority": column.priority,
            })
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> =
                resource.columns.iter().map(|column| (column.cell)(object, now)).collect();
            let mut row = json!({"cells": cells});
            match include {
                IncludeObject::None => {}
                IncludeObject::Metadata => row["object"] = document::partial(object),
                IncludeObject::Object => {
                    row["object"] = Value::clone(&document::at_version(resource, version, object));
                }
            }
            row
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": revision},
        "columnDefinitions": columns,
        "rows": rows,
    })
}

/// How long ago a time of an object was, `<unknown>` if it cannot be read: `5m12s`.
#[must_use]
pub fn age(stamp: &str, now: Timestamp) -> String {
    match meta::parse_stamp(stamp) {
        Some(then) => human_duration(now.as_second() - then.as_second()),
        None => "<unknown>".to_owned(),
    }
}

/// A duration as kubectl prints ages: at most two units, the finer the shorter it is.
///
/// Spec: `duration.HumanDuration`.
#[must_use]
pub fn human_duration(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let (years, rest_days) = (days / 365, days % 365);
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{small_unit}"),
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(years, "y", rest_days, "d"),
        _ => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_kubectl_prints_them() {
        for (seconds, text) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (12_000, "3h20m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (63_158_400, "2y1d"),
            (252_288_000, "8y"),
        ] {
            assert_eq!(human_duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn a_table_has_columns_and_rows() {
        static NODES: Resource = Resource { kind: "Node", plural: "nodes", ..Resource::BLANK };
        let now: Timestamp = "2026-01-01T00:05:12Z".parse().unwrap();
        let node = Arc::new(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "lateen", "creationTimestamp": "2026-01-01T00:00:00Z"},
        }));
        let table = |include| render(&NODES, "v1", include, std::slice::from_ref(&node), "7", now);
        let metadata = table(IncludeObject::Metadata);
        assert_eq!(metadata["columnDefinitions"][0]["format"], "name");
        assert_eq!(metadata["rows"][0]["cells"], json!(["lateen", "5m12s"]));
        assert_eq!(metadata["rows"][0]["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(metadata["metadata"]["resourceVersion"], "7");
        assert_eq!(table(IncludeObject::None)["rows"][0].get("object"), None);
        assert_eq!(table(IncludeObject::Object)["rows"][0]["object"]["kind"], "Node");
        assert_eq!(age("", now), "<unknown>");
    }
}
