//! Short ways to look into an object that is still JSON, and to fill what is not there.

use serde_json::{Map, Value};

/// What stands for a value that is not there.
static NOTHING: Value = Value::Null;

/// The value at a dotted path, or null.
pub(crate) fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(object, |here, name| here.get(name).unwrap_or(&NOTHING))
}

/// The text at a dotted path, or the empty one.
pub(crate) fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    at(object, path).as_str().unwrap_or_default()
}

/// The whole number at a dotted path, or 0.
pub(crate) fn int(object: &Value, path: &str) -> i64 {
    at(object, path).as_i64().unwrap_or_default()
}

/// The truth at a dotted path, or false.
pub(crate) fn flag(object: &Value, path: &str) -> bool {
    at(object, path).as_bool().unwrap_or_default()
}

/// The entries of the list at a dotted path, or none.
pub(crate) fn list<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    at(object, path).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The entries of the map at a dotted path, or none.
pub(crate) fn map<'a>(object: &'a Value, path: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    at(object, path).as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// Whether a value is there and says something: not null, not empty.
pub(crate) fn says(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(entries) => !entries.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Whether there is an object or anything else than null at a dotted path.
pub(crate) fn has(object: &Value, path: &str) -> bool {
    !at(object, path).is_null()
}

/// The map at a dotted path, made if it is not there; `None` where something else stands.
pub(crate) fn open<'a>(object: &'a mut Value, path: &str) -> Option<&'a mut Map<String, Value>> {
    let mut here = object;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let map = here.as_object_mut()?;
        let next = map.entry(name).or_insert(Value::Null);
        if next.is_null() {
            *next = Value::Object(Map::new());
        }
        here = next;
    }
    here.as_object_mut()
}

/// The map at a dotted path if there is one.
pub(crate) fn find<'a>(object: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(object, |here, name| here.get_mut(name))
}

/// The entries of the list at a dotted path, to change.
pub(crate) fn entries<'a>(
    object: &'a mut Value,
    path: &str,
) -> impl Iterator<Item = &'a mut Value> {
    find(object, path).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Sets the field of a map unless it says something already.
pub(crate) fn fill(map: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    match map.get_mut(field) {
        Some(here) if here.is_null() || here.as_str() == Some("") => *here = value.into(),
        Some(_) => {}
        None => {
            map.insert(field.to_owned(), value.into());
        }
    }
}
