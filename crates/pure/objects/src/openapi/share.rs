//! What stands several times in a document is told once, and referred to.
//!
//! A pod template is in every workload: shared, a document is a quarter as large, and clients
//! parse it as much faster.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::marks::is_mark;

/// Smaller schemas are not worth a reference.
const MIN_BYTES: usize = 400;

/// Replaces the objects that stand in `schemas` more than once by references to new entries.
/// New names begin with `prefix`.
pub(super) fn share(schemas: &mut Map<String, Value>, prefix: &str) {
    let mut seen = BTreeMap::new();
    for schema in schemas.values() {
        for (field, child) in children(schema) {
            count(field, child, &mut seen);
        }
    }
    seen.retain(|_, part| 1 < part.n_uses);
    let mut names: Vec<String> = schemas.keys().cloned().collect();
    for part in seen.values_mut() {
        let wanted = format!("{prefix}{}", capitalized(part.field));
        let mut name = wanted.clone();
        let mut number = 1;
        while names.contains(&name) {
            number += 1;
            name = format!("{wanted}{number}");
        }
        names.push(name.clone());
        part.name = name;
    }
    let mut names = BTreeMap::new();
    let mut shared = Vec::new();
    for (text, part) in &seen {
        let mut schema = part.schema.clone();
        names.insert(text.clone(), part.name.clone());
        schema.retain(|field, _| !is_of_place(field));
        shared.push((part.name.clone(), Value::Object(schema)));
    }
    for (name, schema) in shared {
        schemas.insert(name, schema);
    }
    for schema in schemas.values_mut() {
        refer_below(schema, &names);
    }
}

struct Part<'a> {
    field: &'a str,
    schema: &'a Map<String, Value>,
    n_uses: usize,
    name: String,
}

fn count<'a>(field: &'a str, schema: &'a Value, seen: &mut BTreeMap<String, Part<'a>>) {
    if let Some((text, map)) = shareable(schema) {
        let part =
            seen.entry(text).or_insert(Part { field, schema: map, n_uses: 0, name: String::new() });
        part.n_uses += 1;
        // What is inside a shared part stands there once.
        if 1 < part.n_uses {
            return;
        }
    }
    for (inner, child) in children(schema) {
        // The entries of a list and the values of a map go by the name of what holds them.
        let name = if ["items", "additionalProperties"].contains(&inner) { field } else { inner };
        count(name, child, seen);
    }
}

fn refer_below(schema: &mut Value, names: &BTreeMap<String, String>) {
    let Some(map) = schema.as_object_mut() else { return };
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        for child in properties.values_mut() {
            refer(child, names);
        }
    }
    for nested in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(nested) {
            refer(child, names);
        }
    }
}

fn refer(schema: &mut Value, names: &BTreeMap<String, String>) {
    let name = shareable(schema).and_then(|(text, _)| names.get(&text));
    let Some(name) = name else {
        refer_below(schema, names);
        return;
    };
    let reference = super::reference(name);
    let mut place = Map::new();
    for (field, value) in schema.as_object().into_iter().flatten() {
        if field == "description" || is_mark(field) {
            place.insert(field.clone(), value.clone());
        }
    }
    // In OpenAPI 3.0 nothing may stand beside a $ref.
    *schema = if place.is_empty() {
        reference
    } else {
        place.insert("allOf".to_owned(), json!([reference]));
        Value::Object(place)
    };
}

/// What a schema says of the place where it stands, and not of what stands there.
fn is_of_place(field: &str) -> bool {
    field == "description" || field == "default" || is_mark(field)
}

/// The text by which equal schemas are told, without what belongs to the place.
fn shareable(schema: &Value) -> Option<(String, &Map<String, Value>)> {
    let map = schema.as_object()?;
    map.get("properties")?;
    let bare: Map<String, Value> = map
        .iter()
        .filter(|(field, _)| !is_of_place(field))
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect();
    let text = Value::Object(bare).to_string();
    (MIN_BYTES <= text.len()).then_some((text, map))
}

fn children(schema: &Value) -> Vec<(&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut children: Vec<(&str, &Value)> =
        properties.into_iter().flatten().map(|(field, child)| (field.as_str(), child)).collect();
    for nested in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(nested) {
            children.push((nested, child));
        }
    }
    children
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema with all references put back in place.
    fn resolved(schema: &Value, schemas: &Map<String, Value>) -> Value {
        let Value::Object(map) = schema else { return schema.clone() };
        let reference = map.get("$ref").or_else(|| map.get("allOf")?.get(0)?.get("$ref"));
        if let Some(reference) = reference {
            let name = reference.as_str().unwrap().rsplit('/').next().unwrap();
            let mut found = resolved(&schemas[name], schemas);
            match map.get("description") {
                Some(description) => found["description"] = description.clone(),
                None => {
                    found.as_object_mut().unwrap().shift_remove("description");
                }
            }
            return found;
        }
        let fields = map.iter().map(|(field, value)| {
            let value = match field.as_str() {
                "items" | "additionalProperties" => resolved(value, schemas),
                "properties" => Value::Object(
                    value
                        .as_object()
                        .unwrap()
                        .iter()
                        .map(|(field, value)| (field.clone(), resolved(value, schemas)))
                        .collect(),
                ),
                _ => value.clone(),
            };
            (field.clone(), value)
        });
        Value::Object(fields.collect())
    }

    #[test]
    fn a_mark_stays_at_its_place_beside_the_reference() {
        let way = json!({"type": "object", "properties": {
            "type": {"type": "string", "description": "t".repeat(MIN_BYTES)},
        }});
        let mut marked = way.clone();
        marked["x-kubernetes-patch-strategy"] = "retainKeys".into();
        let of = |way: &Value| json!({"type": "object", "properties": {"way": way}});
        let mut schemas =
            Map::from_iter([("x.A".to_owned(), of(&way)), ("x.B".to_owned(), of(&marked))]);
        share(&mut schemas, "x.");
        let reference = json!({"$ref": "#/components/schemas/x.Way"});
        assert_eq!(schemas["x.A"]["properties"]["way"], reference);
        assert_eq!(
            schemas["x.B"]["properties"]["way"],
            json!({"x-kubernetes-patch-strategy": "retainKeys", "allOf": [reference]})
        );
        assert_eq!(schemas["x.Way"], way);
    }

    #[test]
    fn equal_parts_are_told_once_and_mean_the_same() {
        let long = |text: &str| json!({"type": "string", "description": text.repeat(500)});
        let inner = |place: &str| {
            json!({
                "type": "object", "description": place,
                "properties": {"name": long("n"), "Kind": long("k")},
            })
        };
        let template = |place: &str| {
            json!({
                "type": "object", "description": place,
                "properties": {"pod": inner("the pod"), "list": {
                    "type": "array", "items": inner("one of many"),
                }},
            })
        };
        let mut schemas = Map::new();
        for kind in ["x.A", "x.B"] {
            let schema = json!({"type": "object", "properties": {
                "template": template(kind), "other": long(kind),
            }});
            schemas.insert(kind.to_owned(), schema);
        }
        let before = schemas.clone();
        share(&mut schemas, "x.");
        assert_eq!(
            schemas["x.A"]["properties"]["template"],
            json!({"description": "x.A", "allOf": [{"$ref": "#/components/schemas/x.Template"}]})
        );
        assert!(schemas.contains_key("x.Pod"));
        for kind in ["x.A", "x.B"] {
            assert_eq!(resolved(&schemas[kind], &schemas), before[kind]);
        }
        let size = |schemas: &Map<String, Value>| Value::Object(schemas.clone()).to_string().len();
        assert!(size(&schemas) * 3 < size(&before) * 2, "{} {}", size(&schemas), size(&before));
    }
}
