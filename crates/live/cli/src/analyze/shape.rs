//! What the schema of a kind says of an object that no server has seen yet.

use kinds::resources;
use serde_json::Value;

use kinds::words::nearest;

/// Something that the server would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) help: String,
}

/// Whether an object's kind has no namespaces; kinds that are not known here have.
pub(super) fn is_cluster_wide(object: &Value) -> bool {
    let (group, _, kind) = names(object);
    resources().iter().any(|it| it.group == group && it.kind == kind && !it.namespaced)
}

/// Unknown kinds of groups that are known, fields that the kind does not have, and values that it
/// cannot take.
pub(super) fn faults(object: &Value) -> Vec<Fault> {
    let (group, version, kind) = names(object);
    let Some(resource) = resources().iter().find(|it| it.group == group && it.kind == kind) else {
        let known: Vec<&str> =
            resources().iter().filter(|it| it.group == group).map(|it| it.kind).collect();
        let near = nearest(&kind, known.iter().copied());
        // Of other groups nothing is known: they may be served by whoever brings them.
        return near.map_or_else(Vec::new, |near| {
            let help = format!("Did you mean {near}?");
            let text = format!("no kind of {} is called {kind}", object["apiVersion"]);
            vec![Fault { path: "kind".to_owned(), text, help }]
        });
    };
    if !resource.versions.contains(&version.as_str()) {
        let help = format!("{kind} is served as {}.", resource.versions.join(", "));
        let text = format!("{kind} has no version {version}");
        return vec![Fault { path: "apiVersion".to_owned(), text, help }];
    }
    let mut faults = Vec::new();
    strangers(&(resource.schema)(), object, "", &mut faults);
    let mut whole = object.clone();
    (resource.defaults)(&mut whole);
    for cause in (resource.check)(&whole) {
        let help = "The server refuses the object until this is corrected.".to_owned();
        faults.push(Fault { path: cause.field, text: cause.message, help });
    }
    faults
}

/// Group, version and kind.
fn names(object: &Value) -> (String, String, String) {
    let version = object["apiVersion"].as_str().unwrap_or("");
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    (group.to_owned(), version.to_owned(), object["kind"].as_str().unwrap_or("").to_owned())
}

/// Fields that the schema does not know.
fn strangers(schema: &Value, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) => {
            let mut known = Vec::new();
            fields_of(schema, &mut known);
            let open = is_open(schema) || known.is_empty();
            let rest = rest_of(schema);
            for (name, inner) in fields {
                if path.is_empty()
                    && ["apiVersion", "kind", "metadata", "status"].contains(&name.as_str())
                {
                    continue;
                }
                let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if let Some((_, schema)) = known.iter().find(|(known, _)| *known == name) {
                    strangers(schema, inner, &here, faults);
                } else if let Some(rest) = rest {
                    strangers(rest, inner, &here, faults);
                } else if !open {
                    let near = nearest(name, known.iter().map(|(name, _)| name.as_str()));
                    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
                    let help = near.map_or_else(
                        || format!("There are {}.", names.join(", ")),
                        |near| format!("Did you mean {near}?"),
                    );
                    faults.push(Fault {
                        path: here,
                        text: format!("unknown field {name:?}"),
                        help,
                    });
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = items_of(schema) {
                for (idx, item) in items.iter().enumerate() {
                    strangers(schema, item, &format!("{path}[{idx}]"), faults);
                }
            }
        }
        _ => {}
    }
}

fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    ["allOf", "anyOf", "oneOf"]
        .into_iter()
        .flat_map(|it| schema[it].as_array().into_iter().flatten())
}

fn fields_of<'a>(schema: &'a Value, known: &mut Vec<(&'a String, &'a Value)>) {
    known.extend(schema["properties"].as_object().into_iter().flatten());
    branches(schema).for_each(|it| fields_of(it, known));
}

fn is_open(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
        || schema["additionalProperties"] == true
        || branches(schema).any(is_open)
}

fn rest_of(schema: &Value) -> Option<&Value> {
    let own = Some(&schema["additionalProperties"]).filter(|it| it.is_object());
    own.or_else(|| branches(schema).find_map(rest_of))
}

fn items_of(schema: &Value) -> Option<&Value> {
    let own = Some(&schema["items"]).filter(|it| it.is_object());
    own.or_else(|| branches(schema).find_map(items_of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(object: &Value) -> Vec<(String, String)> {
        faults(object).into_iter().map(|it| (it.path, it.help)).collect()
    }

    #[test]
    fn a_slip_in_a_field_is_found_where_it_is() {
        let rule = json!({ "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": { "name": "a", "namespace": "b" },
            "spec": { "hosts": ["a"], "htp": [], "http": [ { "route": [ { "destination": { "hots": "a", "host": "a" } } ], "retires": {} } ] } });
        let found = said(&rule);
        assert!(
            found.contains(&("spec.htp".to_owned(), "Did you mean http?".to_owned())),
            "{found:?}"
        );
        let inner = "spec.http[0].route[0].destination.hots".to_owned();
        assert!(found.contains(&(inner, "Did you mean host?".to_owned())), "{found:?}");
        let retries = ("spec.http[0].retires".to_owned(), "Did you mean retries?".to_owned());
        assert!(found.contains(&retries), "{found:?}");
    }

    #[test]
    fn what_a_server_takes_has_no_fault() {
        let rule = json!({ "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": { "name": "a", "labels": { "any": "thing" } },
            "spec": { "host": "a", "subsets": [ { "name": "v1", "labels": { "version": "v1" } } ] } });
        assert_eq!(said(&rule), []);
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "x": "y" } });
        assert_eq!(said(&map), []);
        let stranger =
            json!({ "apiVersion": "example.com/v1", "kind": "Banana", "metadata": {}, "spec": {} });
        assert_eq!(said(&stranger), []);
    }

    #[test]
    fn a_slip_in_the_kind_or_its_version_is_found() {
        let object = |version: &str, kind: &str| json!({ "apiVersion": version, "kind": kind });
        let found = said(&object("networking.istio.io/v1", "VirtualServce"));
        assert_eq!(found, [("kind".to_owned(), "Did you mean VirtualService?".to_owned())]);
        let found = said(&object("networking.istio.io/v9", "VirtualService"));
        assert!(found[0].0 == "apiVersion" && found[0].1.contains("v1beta1"), "{found:?}");
        assert!(is_cluster_wide(&object("v1", "Namespace")));
        assert!(!is_cluster_wide(&object("v1", "Pod")));
    }
}
