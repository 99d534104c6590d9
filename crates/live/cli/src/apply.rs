//! `apply`: create what is missing, change what differs, leave alone what others wrote.

use std::{path::PathBuf, process::ExitCode};

use serde_json::{Map, Value, json};

use crate::{
    api::{Api, Failure},
    documents::{self, Document},
    out::{complain, print},
};

/// Where the last applied form is kept, so that the next apply (ours or kubectl's) knows what was dropped.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The arguments of `apply`.
#[derive(Debug, clap::Args)]
pub struct Apply {
    /// A file, a folder, or - for standard input; may be given several times
    #[arg(short, long = "filename", value_name = "FILE", required_unless_present = "stray")]
    filename: Vec<PathBuf>,
    /// A file without -f, which is answered with how to say it
    #[arg(hide = true)]
    stray: Vec<PathBuf>,
    /// Look into the folders below, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// The namespace of objects that name none [default: the kubeconfig's, which is `default`]
    #[arg(short, long)]
    namespace: Option<String>,
    /// `server` has everything checked and stores nothing
    #[arg(long, value_enum, default_value = "none", value_name = "HOW")]
    dry_run: DryRun,
}

/// Whether anything is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum DryRun {
    None,
    Server,
}

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

pub(crate) async fn run(api: &Api, apply: &Apply) -> anyhow::Result<ExitCode> {
    if let Some(stray) = apply.stray.first() {
        anyhow::bail!("files are named with -f\n  try: lateen apply -f {}", stray.display());
    }
    let reading = documents::read_each(&apply.filename, apply.recursive)?;
    anyhow::ensure!(
        !reading.documents.is_empty() || !reading.errors.is_empty(),
        "no objects passed to apply: the files hold none"
    );
    let (namespace, dry) =
        (api.namespace(apply.namespace.as_deref()), apply.dry_run == DryRun::Server);
    let note = if dry { " (server dry run)" } else { "" };
    let all = reading.documents.len() + reading.errors.len();
    let mut failed = reading.errors.len();
    for document in &reading.documents {
        match write_document(api, document, namespace, dry).await {
            Ok((label, applied)) => {
                let word = match applied {
                    Applied::Created => "created",
                    Applied::Configured => "configured",
                    Applied::Unchanged => "unchanged",
                };
                print(&format!("{label} {word}{note}\n"))?;
            }
            // The other objects are still applied: one mistake harms only itself.
            Err(error) => {
                failed += 1;
                let hint = namespace_hint(&error);
                eprintln!("{}: {error:#}{hint}", document.place());
            }
        }
    }
    for error in &reading.errors {
        complain(error);
    }
    if failed > 0 {
        let documents = if all == 1 { "document" } else { "documents" };
        eprintln!("error: {failed} of {all} {documents} not applied");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What to do when the namespace of an object is not there.
fn namespace_hint(error: &anyhow::Error) -> String {
    let failure = error.downcast_ref::<Failure>().filter(|it| it.code == 404);
    let name = failure.and_then(|it| it.message.strip_prefix("namespaces \"")?.split('"').next());
    name.map_or(String::new(), |name| {
        format!(
            "\n  apply the namespace first: {{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"
        )
    })
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
    write_document(api, document, namespace, false).await
}

async fn write_document(
    api: &Api,
    document: &Document,
    namespace: &str,
    dry: bool,
) -> anyhow::Result<(String, Applied)> {
    let mut wanted = document.value.clone();
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let (api_version, kind) = (text(&wanted["apiVersion"]), text(&wanted["kind"]));
    let resource = api.kind(&api_version, &kind).await?;
    anyhow::ensure!(wanted["metadata"].is_object(), "the {kind} has no metadata.name");
    let name = text(&wanted["metadata"]["name"]);
    anyhow::ensure!(
        !name.is_empty() || wanted["metadata"]["generateName"].is_null(),
        "the {kind} has generateName: what has no name yet can be created, not applied; give it metadata.name"
    );
    anyhow::ensure!(!name.is_empty(), "the {kind} has no metadata.name");
    let label = format!("{}/{name}", resource.label());
    let namespace = match wanted["metadata"]["namespace"].as_str() {
        Some(own) => own.to_owned(),
        None => namespace.to_owned(),
    };
    if resource.namespaced {
        wanted["metadata"]["namespace"] = json!(namespace);
    }
    let plain = plain(&wanted);
    let applied = last_applied(&plain);
    wanted["metadata"]["annotations"][LAST_APPLIED] = json!(applied);

    let options = format!(
        "?fieldManager=lateen-apply&fieldValidation=Strict{}",
        if dry { "&dryRun=All" } else { "" }
    );
    let path = resource.path(Some(&namespace), Some(&name));
    let live = match api.read(&path).await {
        Ok(live) => live,
        Err(error) if is(&error, 404) => {
            let path = resource.path(Some(&namespace), None) + &options;
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
    let mut patch = difference(&meant(&last), &meant(&plain), &live);
    if patch.as_object().is_some_and(Map::is_empty) && sorted(&last) == plain {
        return Ok((label, Applied::Unchanged));
    }
    patch["metadata"]["annotations"][LAST_APPLIED] = json!(applied);
    let body = Some(("application/merge-patch+json", &patch));
    api.call("PATCH", &(path + &options), "application/json", body).await?;
    Ok((label, Applied::Configured))
}

pub(crate) fn is(error: &anyhow::Error, code: u16) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|it| it.code == code)
}

/// The object as kubectl would keep it: keys in order, and annotations even where there are none,
/// so that kubectl and this command call unchanged what the other has applied.
fn plain(wanted: &Value) -> Value {
    let mut plain = wanted.clone();
    match &mut plain["metadata"]["annotations"] {
        Value::Object(annotations) => drop(annotations.remove(LAST_APPLIED)),
        missing => *missing = json!({}),
    }
    sorted(&plain)
}

/// Without the empty annotations that stand there for kubectl alone.
fn meant(plain: &Value) -> Value {
    let mut meant = plain.clone();
    if let Some(metadata) = meant["metadata"].as_object_mut() {
        metadata.retain(|name, value| name != "annotations" || *value != json!({}));
    }
    meant
}

/// The same with keys in order, at every depth.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            fields.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// The text of the annotation, byte for byte as Go's encoder writes it.
fn last_applied(plain: &Value) -> String {
    let mut text = plain.to_string();
    for (letter, escaped) in [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ] {
        text = text.replace(letter, escaped);
    }
    text + "\n"
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
        let wanted = json!({ "metadata": { "annotations": {} }, "spec": { "http": [ { "route": [ { "weight": 90 } ] } ] } });
        let live = json!({ "spec": { "http": [ { "route": [ { "weight": 90 } ] } ] }, "metadata": { "uid": "u" } });
        assert_eq!(difference(&meant(&wanted), &meant(&wanted), &live), json!({}));
        let wanted = json!({ "spec": { "tls": {} } });
        assert_eq!(difference(&Value::Null, &wanted, &json!({ "spec": {} })), wanted);
    }

    #[test]
    fn what_was_applied_is_kept_as_kubectl_keeps_it() {
        let wanted = json!({ "kind": "ConfigMap", "apiVersion": "v1",
            "metadata": { "namespace": "default", "name": "a" }, "data": { "b": "<&>", "a": "1" } });
        assert_eq!(
            last_applied(&plain(&wanted)),
            "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\",\"b\":\"\\u003c\\u0026\\u003e\"},\"kind\":\"ConfigMap\",\"metadata\":{\"annotations\":{},\"name\":\"a\",\"namespace\":\"default\"}}\n"
        );
    }

    #[test]
    fn a_missing_namespace_is_answered_with_the_object_that_makes_it() {
        let failure = Failure {
            code: 404,
            reason: "NotFound".to_owned(),
            message: "namespaces \"shop\" not found".to_owned(),
            hint: None,
        };
        assert!(
            namespace_hint(&failure.into()).contains("kind: Namespace, metadata: {name: shop}")
        );
        assert_eq!(namespace_hint(&anyhow::anyhow!("other")), "");
    }
}
