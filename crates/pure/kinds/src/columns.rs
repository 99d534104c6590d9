//! What `kubectl get` shows of each kind: the columns that Kubernetes itself prints.
//!
//! Spec: the printers of kube-apiserver 1.32, and the printer columns of Istio's definitions.

use jiff::Timestamp;
use objects::Column;
use objects::table::{AGE, NAME, age as since, human_duration as short};
use serde_json::Value;

use crate::view::{at, list, map, text};

pub(crate) mod cluster;
pub(crate) mod istio;
pub(crate) mod network;
pub(crate) mod pod;
pub(crate) mod policy;
pub(crate) mod storage;
pub(crate) mod workload;

/// What stands for a value that is not there.
pub(crate) const NONE: &str = "<none>";

/// A column of text that is always shown.
const fn col(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, kind: "string", priority: 0, cell }
}

/// A column of whole numbers that is always shown.
const fn number(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, kind: "integer", priority: 0, cell }
}

/// A column of text for `-o wide`.
const fn wide(name: &'static str, cell: fn(&Value, Timestamp) -> Value) -> Column {
    Column { name, kind: "string", priority: 1, cell }
}

/// The text, or `<none>` where it is empty.
fn or_none(text: &str) -> Value {
    if text.is_empty() { NONE.into() } else { text.into() }
}

/// A map of labels as `a=b,c=d`, in order of the keys; `<none>` where it is empty.
fn labels(object: &Value, path: &str) -> Value {
    let mut pairs: Vec<String> = map(object, path)
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    or_none(&pairs.join(","))
}

/// A label selector in kubectl's notation; `<none>` where it selects everything.
fn selector(object: &Value, path: &str) -> Value {
    let selector = at(object, path);
    let mut parts: Vec<String> = map(selector, "matchLabels")
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    parts.sort();
    for rule in list(selector, "matchExpressions") {
        let key = text(rule, "key");
        let values: Vec<&str> = list(rule, "values").iter().filter_map(Value::as_str).collect();
        parts.push(match text(rule, "operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    or_none(&parts.join(","))
}

/// One field of every container of a pod specification, joined by commas.
fn containers(spec: &Value, field: &str) -> Value {
    let each: Vec<&str> = list(spec, "containers").iter().map(|c| text(c, field)).collect();
    each.join(",").into()
}

/// How many entries a list or a map has.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(entries) => entries.len(),
        Value::Object(entries) => entries.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_are_written_as_kubectl_takes_them() {
        let object = json!({"s": {
            "matchLabels": {"b": "2", "a": "1"},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["x", "y"]},
                {"key": "d", "operator": "DoesNotExist"},
            ],
        }});
        assert_eq!(selector(&object, "s"), "a=1,b=2,c in (x,y),!d");
        assert_eq!(selector(&object, "t"), "<none>");
    }
}
