//! What was sent to a proxy beside what it has.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use crate::proxy_config::resources;

/// The outcome of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) text: String,
    pub(super) same: bool,
}

/// Compares two config dumps type by type.
pub(super) fn compare(sent: &Value, has: &Value) -> Compared {
    let mut out = Compared { text: String::new(), same: true };
    for (title, kind) in [
        ("Clusters", "Cluster"),
        ("Endpoints", "ClusterLoadAssignment"),
        ("Listeners", "Listener"),
        ("Routes", "RouteConfiguration"),
    ] {
        let (sent, has) = (named(sent, kind), named(has, kind));
        let mut lines = String::new();
        for (name, resource) in &sent {
            match has.get(name) {
                None => writeln!(lines, "  {name}: was sent, and the proxy does not have it").ok(),
                Some(own) if own != resource => {
                    let path = first_difference(resource, own, String::new());
                    writeln!(lines, "  {name}: differs at {path}").ok()
                }
                Some(_) => None,
            };
        }
        for name in has.keys().filter(|it| !sent.contains_key(*it)) {
            writeln!(lines, "  {name}: the proxy has it, and it was not sent").ok();
        }
        if lines.is_empty() {
            writeln!(out.text, "{title} Match ({})", sent.len()).ok();
        } else {
            out.same = false;
            write!(out.text, "{title} Don't Match\n{lines}").ok();
        }
    }
    out
}

fn named<'a>(dump: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let key = if kind == "ClusterLoadAssignment" { "clusterName" } else { "name" };
    let dynamic = resources(dump, kind).into_iter().filter(|it| it.is_dynamic);
    dynamic.map(|it| (it.body[key].as_str().unwrap_or(""), it.body)).collect()
}

/// Where two documents part.
fn first_difference(a: &Value, b: &Value, path: String) -> String {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names: Vec<&String> = a.keys().chain(b.keys()).collect();
            let differs = names.into_iter().find(|name| a.get(*name) != b.get(*name));
            match differs.and_then(|name| Some((name, a.get(name)?, b.get(name)?))) {
                Some((name, a, b)) => first_difference(a, b, format!("{path}.{name}")),
                None => format!("{path}.{}", differs.map_or("", String::as_str)),
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(0);
            first_difference(&a[at], &b[at], format!("{path}[{at}]"))
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dump(clusters: &[Value]) -> Value {
        let clusters: Vec<Value> = clusters.iter().map(|it| json!({ "cluster": it })).collect();
        json!({ "configs": [ {
            "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
            "dynamicActiveClusters": clusters } ] })
    }

    #[test]
    fn what_differs_is_named_with_its_place() {
        let (a, b) = (json!({ "name": "a", "x": [ { "y": 1 } ] }), json!({ "name": "b" }));
        let same = compare(&dump(&[a.clone(), b.clone()]), &dump(&[b.clone(), a.clone()]));
        assert!(same.same && same.text.starts_with("Clusters Match (2)\n"), "{same:?}");
        let other = json!({ "name": "a", "x": [ { "y": 2 } ] });
        let differs = compare(&dump(&[a, b]), &dump(&[other, json!({ "name": "c" })]));
        assert!(!differs.same);
        for part in ["a: differs at .x[0].y", "b: was sent", "c: the proxy has it"] {
            assert!(differs.text.contains(part), "{part}: {}", differs.text);
        }
    }
}
