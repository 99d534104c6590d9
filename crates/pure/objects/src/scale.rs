//! The `scale` subresource: one number of an object that has replicas.

use serde_json::{Value, json};

use crate::meta;
use crate::resource::{Column, Resource};
use crate::selector::LabelSelector;
use crate::table;

/// How a Scale is shown; it is no resource of its own, and is neither listed nor stored.
pub const SCALE: Resource = Resource {
    group: "autoscaling",
    kind: "Scale",
    columns: &[
        table::NAME,
        Column {
            name: "Desired",
            kind: "integer",
            priority: 0,
            cell: |scale, _| scale["spec"]["replicas"].clone(),
        },
        Column {
            name: "Available",
            kind: "integer",
            priority: 0,
            cell: |scale, _| scale["status"]["replicas"].clone(),
        },
        table::AGE,
    ],
    ..Resource::BLANK
};

/// The autoscaling/v1 Scale of an object: `.spec.replicas`, `.status.replicas` and the selector
/// of its pods as text.
#[must_use]
pub fn read(object: &Value) -> Value {
    let mut metadata = serde_json::Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = meta::field(object, field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let number = |part: &str| {
        let replicas = object.get(part).and_then(|part| part.get("replicas"));
        replicas.and_then(Value::as_i64).unwrap_or(0)
    };
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": number("spec")},
        "status": {"replicas": number("status")},
    });
    if let Some(selector) = selector(object) {
        scale["status"]["selector"] = selector.into();
    }
    scale
}

/// The number of replicas that a Scale asks for; one that is left out is 0.
///
/// # Errors
/// What is wrong with it: a sentence for a cause at `spec.replicas`, and the value.
pub fn wanted(scale: &Value) -> Result<i32, (Value, &'static str)> {
    let replicas = scale.get("spec").and_then(|spec| spec.get("replicas")).unwrap_or(&Value::Null);
    match replicas {
        Value::Null => Ok(0),
        number => match number.as_i64().map(i32::try_from) {
            Some(Ok(number)) if 0 <= number => Ok(number),
            Some(Ok(_)) => Err((number.clone(), "must be greater than or equal to 0")),
            _ => Err((number.clone(), "must be a 32-bit integer")),
        },
    }
}

fn selector(object: &Value) -> Option<String> {
    let selector = object.get("spec")?.get("selector")?;
    if let Some(text) = selector.as_str() {
        return Some(text.to_owned());
    }
    if selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some() {
        return LabelSelector::from_object(selector).ok().map(|selector| selector.to_string());
    }
    let labels = selector.as_object()?.iter();
    let labels = labels.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    Some(LabelSelector::of_labels(labels).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_shows_numbers_and_selector() {
        let scale = read(&json!({
            "metadata": {"name": "web", "namespace": "ns", "uid": "u", "resourceVersion": "5",
                "labels": {"x": "y"}},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"b": "2", "a": "1"}}},
            "status": {"replicas": 2},
        }));
        assert_eq!(
            scale,
            json!({
                "kind": "Scale", "apiVersion": "autoscaling/v1",
                "metadata": {"name": "web", "namespace": "ns", "uid": "u", "resourceVersion": "5"},
                "spec": {"replicas": 3}, "status": {"replicas": 2, "selector": "a=1,b=2"},
            })
        );
    }

    #[test]
    fn a_wanted_number_is_a_count() {
        assert_eq!(wanted(&json!({"spec": {"replicas": 4}})), Ok(4));
        assert_eq!(wanted(&json!({})), Ok(0));
        assert!(wanted(&json!({"spec": {"replicas": -1}})).is_err());
        assert!(wanted(&json!({"spec": {"replicas": "3"}})).is_err());
        assert!(wanted(&json!({"spec": {"replicas": 1_u64 << 40}})).is_err());
    }
}
