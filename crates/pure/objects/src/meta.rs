//! Reading and writing `metadata`, which every object has.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The text at `metadata.FIELD`; empty if there is none.
#[must_use]
pub fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get("metadata").and_then(|meta| meta.get(field)).and_then(Value::as_str).unwrap_or("")
}

/// `metadata.name`.
#[must_use]
pub fn name(object: &Value) -> &str {
    text(object, "name")
}

/// `metadata.namespace`.
#[must_use]
pub fn namespace(object: &Value) -> &str {
    text(object, "namespace")
}

/// `metadata.uid`.
#[must_use]
pub fn uid(object: &Value) -> &str {
    text(object, "uid")
}

/// `metadata.resourceVersion` as a number; 0 if there is none.
#[must_use]
pub fn resource_version(object: &Value) -> u64 {
    text(object, "resourceVersion").parse().unwrap_or(0)
}

/// `metadata.generation`; 0 if there is none.
#[must_use]
pub fn generation(object: &Value) -> u64 {
    field(object, "generation").and_then(Value::as_u64).unwrap_or(0)
}

/// The value of one label.
#[must_use]
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    field(object, "labels")?.get(key)?.as_str()
}

/// `metadata.finalizers`.
pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    field(object, "finalizers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Whether the object is being deleted.
#[must_use]
pub fn is_deleting(object: &Value) -> bool {
    !text(object, "deletionTimestamp").is_empty()
}

/// `metadata.FIELD`, if it is there and not null.
#[must_use]
pub fn field<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object.get("metadata")?.get(field).filter(|value| !value.is_null())
}

/// Sets `metadata.FIELD`; `None` removes it.
pub fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(object) = object.as_object_mut() else { return };
    let meta = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if !meta.is_object() {
        *meta = Value::Object(Map::new());
    }
    let Some(meta) = meta.as_object_mut() else { return };
    match value {
        Some(value) => {
            meta.insert(field.to_owned(), value);
        }
        None => {
            meta.shift_remove(field);
        }
    }
}

/// Sets `metadata.resourceVersion`.
pub fn set_resource_version(object: &mut Value, revision: u64) {
    set(object, "resourceVersion", Some(revision.to_string().into()));
}

/// A time as objects carry it: RFC 3339 in UTC, whole seconds.
#[must_use]
pub fn stamp(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// Reads a time that an object carries.
#[must_use]
pub fn parse_stamp(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stamps_have_whole_seconds() {
        let time: Timestamp = "2026-03-04T05:06:07.891Z".parse().unwrap();
        assert_eq!(stamp(time), "2026-03-04T05:06:07Z");
    }

    #[test]
    fn fields_are_set_and_removed() {
        let mut object = json!({"kind": "X"});
        set(&mut object, "name", Some("a".into()));
        assert_eq!(name(&object), "a");
        set(&mut object, "name", None);
        assert_eq!(object, json!({"kind": "X", "metadata": {}}));
    }
}
