//! OpenAPI v3 schemas of the kinds, made from their types and put into Kubernetes' structural form.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The schema of one object of this type: no `$ref`, no unions with null, unknown fields refused.
///
/// It is made once per type and kept, since the larger ones (a pod template) cost milliseconds.
pub(crate) fn of<T: JsonSchema>() -> Value {
    static MADE: Mutex<BTreeMap<String, Arc<Value>>> = Mutex::new(BTreeMap::new());
    let id = T::schema_id().into_owned();
    let known = MADE.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    if let Some(schema) = known {
        return Value::clone(&schema);
    }
    let schema = make::<T>();
    MADE.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(schema.clone()));
    schema
}

fn make<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    schema
}

/// The schema of a kind whose specification is kept as it is, whatever it says.
pub(crate) fn open() -> Value {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": of::<ObjectMeta>(),
            "spec": any,
            "status": any,
        },
    })
}

/// Adds a property to the schema at a path of property names.
pub(crate) fn with(mut schema: Value, path: &[&str], name: &str, property: Value) -> Value {
    let mut here = &mut schema;
    for step in path {
        here = &mut here["properties"][*step];
    }
    here["properties"][name] = property;
    schema
}

/// Rewrites what schemars says into what an API server says.
fn tidy(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for noise in ["title", "nullable", "$schema", "default", "components", "definitions"] {
        map.shift_remove(noise);
    }
    // A reference that is left is a type that contains itself: anything may stand there.
    if map.shift_remove("$ref").is_some() {
        map.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    }
    for union in ["anyOf", "oneOf", "allOf"] {
        if let Some(Value::Array(parts)) = map.shift_remove(union) {
            merge(map, parts);
        }
    }
    if let Some(word) = map.shift_remove("const") {
        map.insert("enum".to_owned(), json!([word]));
    }
    if let Some(Value::Array(types)) = map.get("type") {
        let real = types.iter().find(|name| *name != "null").cloned();
        map.insert("type".to_owned(), real.unwrap_or_else(|| "object".into()));
    }
    if let Some(Value::Array(words)) = map.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(tidy);
    }
    for nested in ["items", "additionalProperties"] {
        match map.get_mut(nested) {
            Some(Value::Bool(_)) => {
                map.shift_remove(nested);
                map.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
            }
            Some(inner) => tidy(inner),
            None => {}
        }
    }
    if map.is_empty() {
        map.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    }
}

/// A union here is one of words, or of something and null: both are one plain schema.
fn merge(map: &mut Map<String, Value>, parts: Vec<Value>) {
    let mut words = Vec::new();
    for mut part in parts {
        tidy(&mut part);
        let Value::Object(part) = part else { continue };
        if part.get("type").is_some_and(|kind| kind == "null") {
            continue;
        }
        for (name, value) in part {
            match (name.as_str(), value) {
                ("enum", Value::Array(more)) => words.extend(more),
                ("description", value) => {
                    map.entry(name).or_insert(value);
                }
                (_, value) => {
                    map.insert(name, value);
                }
            }
        }
    }
    if !words.is_empty() {
        map.insert("enum".to_owned(), words.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(schema: &Value, path: &str, seen: &mut dyn FnMut(&str, &Map<String, Value>)) {
        let Value::Object(map) = schema else { return };
        seen(path, map);
        if let Some(Value::Object(properties)) = map.get("properties") {
            for (name, property) in properties {
                walk(property, &format!("{path}.{name}"), seen);
            }
        }
        for nested in ["items", "additionalProperties"] {
            if let Some(inner) = map.get(nested) {
                walk(inner, &format!("{path}[]"), seen);
            }
        }
    }

    #[test]
    fn schemas_are_structural_and_say_every_type() {
        for schema in [
            of::<crate::istio::VirtualService>(),
            of::<crate::istio::DestinationRule>(),
            of::<crate::istio::Gateway>(),
            of::<crate::core::Pod>(),
            of::<crate::core::Deployment>(),
            of::<crate::core::Service>(),
        ] {
            walk(&schema, "", &mut |path, map| {
                for union in ["$ref", "anyOf", "oneOf", "allOf", "const", "nullable"] {
                    assert!(!map.contains_key(union), "{path}: {union}");
                }
                let typed = map.get("type").is_some_and(Value::is_string);
                let free = map.contains_key("x-kubernetes-int-or-string")
                    || map.contains_key("x-kubernetes-preserve-unknown-fields");
                assert!(typed || free, "{path}: {map:?}");
            });
        }
    }

    #[test]
    fn every_word_of_an_enumeration_is_there() {
        let schema = of::<crate::istio::DestinationRule>();
        let tls = &schema["properties"]["spec"]["properties"]["trafficPolicy"]["properties"]["tls"];
        assert_eq!(
            tls["properties"]["mode"]["enum"],
            json!(["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"])
        );
    }
}
