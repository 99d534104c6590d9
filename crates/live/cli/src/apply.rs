//! `apply`: create what is missing, change what differs, leave alone what others wrote.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::{
    Scope,
    api::{Api, Failure},
    documents::{self, Document},
};

/// Where the last applied form is kept, so that the next apply (ours or kubectl's) knows what was dropped.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What applying one document did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was not there.
    Created,
    /// It was there and differed.
    Configured,
    /// It was there as wanted.
    Unchanged,
}

pub(crate) async fn run(api: &Api, files: &[PathBuf], scope: &Scope) -> anyhow::Result<()> {
    let documents = documents::read(files)?;
    anyhow::ensure!(!documents.is_empty(), "no objects passed to apply");
    let mut failed = 0;
    for document in &documents {
        match apply_document(api, document, &scope.namespace).await {
            Ok((label, applied)) => {
                let word = match applied {
                    Applied::Created => "created",
                    Applied::Configured => "configured",
                    Applied::Unchanged => "unchanged",
                };
                println!("{label} {word}");
            }
            // The other objects are still applied: one mistake harms only itself.
            Err(error) => {
                failed += 1;
                eprintln!("{}: {error:#}", document.place());
            }
        }
    }
    anyhow::ensure!(failed == 0, "{failed} of {} objects were not applied", documents.len());
    Ok(())
}

/// Applies one document; gives `kind.group/name` and what was done.
///
/// # Errors
/// When the kind is not served, or the server refuses the object.
pub async fn apply_document(
    api: &Api,
    document: &Document,
    namespace: &str,
) -> anyhow::Result<(String, Applied)> {
    let mut wanted = document.value.clone();
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let (api_version, kind) = (text(&wanted["apiVersion"]), text(&wanted["kind"]));
    let resource = api.kind(&api_version, &kind).await?;
    let name = text(&wanted["metadata"]["name"]);
    anyhow::ensure!(!name.is_empty(), "the {kind} has no metadata.name");
    let label = format!("{}/{name}", resource.label());
    let namespace = match wanted["metadata"]["namespace"].as_str() {
        Some(own) => own.to_owned(),
        None => namespace.to_owned(),
    };
    if resource.namespaced {
        wanted["metadata"]["namespace"] = json!(namespace);
    }
    let plain = wanted.clone();
    wanted["metadata"]["annotations"][LAST_APPLIED] = json!(format!("{plain}\n"));

    let path = resource.path(Some(&namespace), Some(&name));
    let live = match api.read(&path).await {
        Ok(live) => live,
        Err(error) if is(&error, 404) => {
            let path = resource.path(Some(&namespace), None);
            let path = format!("{path}?fieldManager=lateen-apply&fieldValidation=Strict");
            let body = Some(("application/json", &wanted));
            match api.call("POST", &path, "application/json", body).await {
                Ok(_) => return Ok((label, Applied::Created)),
                // Somebody was faster; then it is theirs that we change.
                Err(error) if is(&error, 409) => {
                    api.read(&resource.path(Some(&namespace), Some(&name))).await?
                }
                Err(error) => return Err(error),
            }
        }
        Err(error) => return Err(error),
    };
    let last = live["metadata"]["annotations"][LAST_APPLIED].as_str();
    let last: Value = last.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let patch = difference(&last, &plain, &live);
    if patch.as_object().is_some_and(Map::is_empty) && last == plain {
        return Ok((label, Applied::Unchanged));
    }
    let mut patch = patch;
    patch["metadata"]["annotations"][LAST_APPLIED] = json!(format!("{plain}\n"));
    let path = format!("{path}?fieldManager=lateen-apply&fieldValidation=Strict");
    let body = Some(("application/merge-patch+json", &patch));
    api.call("PATCH", &path, "application/json", body).await?;
    Ok((label, Applied::Configured))
}

pub(crate) fn is(error: &anyhow::Error, code: u16) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|it| it.code == code)
}

/// The merge patch that brings `live` to `wanted`: sets what differs, and drops what was applied
/// last time and no longer is. What others added stays.
fn difference(last: &Value, wanted: &Value, live: &Value) -> Value {
    let mut patch = Map::new();
    let empty = Map::new();
    let object = |value: &'_ Value| value.as_object().cloned().unwrap_or_default();
    for (name, value) in wanted.as_object().unwrap_or(&empty) {
        let here = &live[name];
        if value.is_object() && here.is_object() {
            let inner = difference(&last[name], value, here);
            if inner.as_object().is_some_and(|it| !it.is_empty()) {
                patch.insert(name.clone(), inner);
            }
        } else if !(covers(here, value) || value.is_null() && here.is_null()) {
            patch.insert(name.clone(), value.clone());
        }
    }
    for name in object(last).keys() {
        if wanted.get(name).is_none() && live.get(name).is_some() {
            patch.insert(name.clone(), Value::Null);
        }
    }
    Value::Object(patch)
}

/// Whether `live` is `wanted`, apart from what the server filled in.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, value)| live.get(name).map_or(value.is_null(), |it| covers(it, value))),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        _ => live == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_sent_and_what_was_dropped_is_removed() {
        let last = json!({ "spec": { "a": 1, "gone": 2 } });
        let wanted = json!({ "spec": { "a": 3, "list": [{ "x": 1 }] } });
        let live = json!({ "spec": { "a": 1, "gone": 2, "theirs": 5, "list": [{ "x": 1, "filled": 0 }] }, "status": {} });
        assert_eq!(difference(&last, &wanted, &live), json!({ "spec": { "a": 3, "gone": null } }));
    }

    #[test]
    fn the_same_again_sends_nothing() {
        let wanted = json!({ "spec": { "http": [ { "route": [ { "weight": 90 } ] } ] } });
        let live = json!({ "spec": { "http": [ { "route": [ { "weight": 90 } ] } ] }, "metadata": { "uid": "u" } });
        assert_eq!(difference(&wanted, &wanted, &live), json!({}));
    }
}
