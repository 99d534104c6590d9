//! Fields by which lists of a kind may be narrowed, beyond name and namespace.
//!
//! A known field that is not set is the empty text; an unknown field is `None`.

use serde_json::Value;

use crate::view::{at, text};

/// The field of this path if it is among those known.
fn known(object: &Value, field: &str, fields: &[&str]) -> Option<String> {
    fields.contains(&field).then(|| match at(object, field) {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

/// A field that says false where it is not set.
fn truth(object: &Value, field: &str, name: &str) -> Option<String> {
    (field == name).then(|| at(object, name).as_bool().unwrap_or_default().to_string())
}

pub(super) fn namespace(object: &Value, field: &str) -> Option<String> {
    match field {
        "name" => Some(text(object, "metadata.name").to_owned()),
        _ => known(object, field, &["status.phase"]),
    }
}

pub(super) fn pod(object: &Value, field: &str) -> Option<String> {
    match field {
        "status.podIP" => Some(text(object, "status.podIP").to_owned()),
        _ => truth(object, field, "spec.hostNetwork").or_else(|| {
            let fields = [
                "spec.nodeName",
                "spec.restartPolicy",
                "spec.schedulerName",
                "spec.serviceAccountName",
                "status.phase",
                "status.nominatedNodeName",
            ];
            known(object, field, &fields)
        }),
    }
}

pub(super) fn service(object: &Value, field: &str) -> Option<String> {
    known(object, field, &["spec.clusterIP", "spec.type"])
}

pub(super) fn secret(object: &Value, field: &str) -> Option<String> {
    known(object, field, &["type"])
}

pub(super) fn node(object: &Value, field: &str) -> Option<String> {
    truth(object, field, "spec.unschedulable")
}

pub(super) fn event(object: &Value, field: &str) -> Option<String> {
    if field == "source" {
        let source = text(object, "source.component");
        let source = if source.is_empty() { text(object, "reportingComponent") } else { source };
        return Some(source.to_owned());
    }
    let fields = [
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "type",
    ];
    known(object, field, &fields)
}

pub(super) fn replica_set(object: &Value, field: &str) -> Option<String> {
    (field == "status.replicas")
        .then(|| at(object, "status.replicas").as_i64().unwrap_or_default().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_field_that_is_not_set_is_empty() {
        assert_eq!(pod(&Value::Null, "spec.nodeName"), Some(String::new()));
        assert_eq!(pod(&Value::Null, "spec.hostNetwork").as_deref(), Some("false"));
        assert_eq!(pod(&Value::Null, "spec.colour"), None);
        assert_eq!(event(&Value::Null, "involvedObject.uid"), Some(String::new()));
    }
}
