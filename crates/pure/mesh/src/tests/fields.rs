//! Every field of Istio's networking kinds: it changes what some proxy is told, or a finding names it.
//!
//! The fields come from our own schemas, so one that is forgotten fails here. `book/fields.md` is what came out.

mod samples;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};
use xds::snapshot::Snapshot;

use super::{Script, sidecar};
use crate::{Node, NodeKind, World, publish, understand};

/// The page that says what becomes of each field.
const PAGE: &str = include_str!("../../../../../book/fields.md");

/// One field: the steps to it, where `[]` is an item of a list and `{}` a value of a map.
struct Field {
    path: String,
    schema: Value,
}

/// All fields of a kind that hold something, in the order of the schema.
fn fields(kind: &str) -> Vec<Field> {
    let resource = kinds::resources()
        .iter()
        .find(|one| one.kind == kind && one.group == "networking.istio.io")
        .expect("the kind is served");
    let mut found = Vec::new();
    walk("", &(resource.schema)()["properties"]["spec"], &mut found);
    found
}

fn walk(path: &str, schema: &Value, found: &mut Vec<Field>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, inner) in properties {
            let dot = if path.is_empty() { "" } else { "." };
            walk(&format!("{path}{dot}{name}"), inner, found);
        }
        return;
    }
    for (nested, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[nested]["properties"].is_object() {
            walk(&format!("{path}{mark}"), &schema[nested], found);
            return;
        }
    }
    found.push(Field { path: path.to_owned(), schema: schema.clone() });
}

/// The place of a path in an object, made where it is missing; a list has one item, a map the key `x-key`.
fn place<'a>(object: &'a mut Value, path: &str) -> &'a mut Value {
    let mut here = object;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let name = step.trim_end_matches("[]").trim_end_matches("{}");
        here = &mut here[name];
        if step.ends_with("[]") {
            if !here.is_array() {
                *here = json!([{}]);
            }
            here = &mut here[0];
        } else if step.ends_with("{}") {
            here = &mut here["x-key"];
        }
    }
    here
}

/// Puts `patch` over `object`; null takes away, and lists of objects are merged item by item.
fn merge(object: &mut Value, patch: &Value) {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (name, value) in patch {
                if value.is_null() {
                    object.remove(name);
                } else {
                    merge(object.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (object, patch) => *object = patch.clone(),
    }
}

/// Those for whom a configuration is made.
fn nodes() -> [Node; 4] {
    let at = |node: Node, ip: &str| Node { ip: ip.parse().ok(), ..node };
    let labels = [("app", "me"), ("version", "v1")];
    [
        Node { network: "own".to_owned(), ..at(sidecar("default", &labels), "10.244.90.1") },
        at(sidecar("default", &[("app", "reviews"), ("version", "v1")]), "10.244.91.1"),
        sidecar("elsewhere", &[]),
        Node {
            kind: NodeKind::Router,
            ip: "10.244.200.1".parse().ok(),
            ..sidecar("istio-system", &[("istio", "ingressgateway")])
        },
    ]
}

/// What all proxies are told, and what is said about the object `subject`.
fn outcome(world: &World, kind: &str, spec: &Value) -> (Vec<Snapshot>, BTreeSet<(String, String)>) {
    let mut world = world.clone();
    world.upsert(&json!({"apiVersion": "networking.istio.io/v1", "kind": kind,
        "metadata": {"name": "subject", "namespace": "default",
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec}));
    let (model, findings) = understand(&world);
    let told = nodes().iter().map(|node| publish(&model.view(node))).collect();
    let said = findings.iter().filter(|one| one.object.name == "subject");
    let said = said.map(|one| (one.code.row().id.to_owned(), one.path.clone())).collect();
    (told, said)
}

/// A path of a finding as the schema has it: without numbers and keys.
fn general(path: &str) -> String {
    let path = path.strip_prefix("spec.").unwrap_or(path);
    let mut out = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => {
                inside = false;
                out.push_str("[]");
            }
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// Whether a finding at `said` speaks of the field: it is at the field, around it, or beside it at the mode of its block.
fn speaks_of(said: &str, field: &str) -> bool {
    let field = field.replace("{}", "[]");
    let block = said.strip_suffix(".mode").unwrap_or(said);
    let rest = field.strip_prefix(block);
    said == field || rest.is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// What becomes of one field.
fn becomes(world: &World, kind: &str, field: &Field) -> Result<String, String> {
    let mut before = samples::base(kind);
    for (place_of, patch) in samples::context(kind, &field.path) {
        merge(place(&mut before, &place_of), &patch);
    }
    let mut after = before.clone();
    *place(&mut after, &field.path) = samples::value(kind, &field.path, &field.schema);
    if before == after {
        return Err("the sample says what stands there anyway".to_owned());
    }
    let (told_before, _) = outcome(world, kind, &before);
    let (told_after, said) = outcome(world, kind, &after);
    let ours = said.iter().filter(|(code, _)| code.starts_with("LAT"));
    if let Some((code, _)) = ours.clone().find(|(_, path)| speaks_of(&general(path), &field.path)) {
        return Ok(format!("nothing, and {code} says so"));
    }
    if told_before != told_after {
        return Ok("works".to_owned());
    }
    match samples::quiet(kind, &field.path) {
        Some(why) => Ok(why.to_owned()),
        None => Err(format!("it changes nothing, and nobody says so: {said:?} {after}")),
    }
}

#[test]
fn no_field_is_silently_ignored() {
    let world = samples::world(Script::default());
    let mut page = String::new();
    let mut wrong = Vec::new();
    for kind in samples::KINDS {
        writeln!(page, "\n## {kind}\n\n| field | what becomes of it |\n|---|---|").ok();
        for field in fields(kind) {
            match becomes(&world, kind, &field) {
                Ok(what) => writeln!(page, "| {} | {what} |", field.path).ok(),
                Err(why) => {
                    wrong.push(format!("{kind} {}: {why}", field.path));
                    None
                }
            };
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (_, written) = PAGE.split_once("\n## ").expect("the page has its tables");
    let written = format!("\n## {written}");
    assert!(
        page == written,
        "book/fields.md is no longer true; from its first table on it must read:\n{page}"
    );
}
