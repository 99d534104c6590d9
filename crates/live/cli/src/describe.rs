//! `describe`: an object for people, with the events about it.

mod node;
mod pod;
mod service;
mod sheet;
mod workload;

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    analyze,
    api::Api,
    apply::is,
    get::{query, targets, whole},
    jsonpath::text,
    out::{complain, print},
    resources::Resource,
};
use sheet::{Sheet, age};

/// The arguments of `describe`.
#[derive(Debug, clap::Args)]
pub struct Describe {
    /// KIND, KIND NAME…, or KIND/NAME…; the first letters of a name are enough
    #[arg(required = true)]
    what: Vec<String>,
    /// The namespace [default: the kubeconfig's, which is `default`]
    #[arg(short, long)]
    namespace: Option<String>,
    /// Every namespace
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Whether to show events
    #[arg(long, action = clap::ArgAction::Set, default_value_t = true, value_name = "true|false")]
    show_events: bool,
}

/// What is known around an object.
#[derive(Debug, Default)]
struct Around {
    /// Events about it.
    events: Vec<Value>,
    /// EndpointSlices of a Service, ReplicaSets of a Deployment, Pods of a Node.
    others: Vec<Value>,
    /// What is wrong with it, a line each.
    findings: Vec<String>,
}

pub(crate) async fn run(api: &Api, describe: &Describe) -> anyhow::Result<ExitCode> {
    let namespace = api.namespace(describe.namespace.as_deref());
    let within = (!describe.all_namespaces).then_some(namespace);
    let (mut failed, mut shown) = (false, 0);
    for (word, names) in targets(&describe.what)? {
        for resource in api.resources().await?.words(&word)? {
            let mut objects = Vec::new();
            if names.is_empty() {
                let selector = query(&[("labelSelector", describe.selector.as_deref())]);
                let list = api.read(&(resource.path(within, None) + &selector)).await?;
                objects.extend(list["items"].as_array().cloned().unwrap_or_default());
            }
            for name in &names {
                match named(api, resource, namespace, name).await {
                    Ok(found) => objects.extend(found),
                    Err(error) => {
                        failed = true;
                        complain(&error);
                    }
                }
            }
            for object in &objects {
                let object = whole(object, resource);
                let around = around(api, &object, resource, describe.show_events).await?;
                let text = sheet(&object, &around, Timestamp::now());
                print(&if shown == 0 { text } else { format!("\n\n{text}") })?;
                shown += 1;
            }
        }
    }
    if shown == 0 && !failed {
        eprintln!("No resources found in {namespace} namespace.");
        if let Some(hint) = api.namespace_hint(namespace).await {
            eprintln!("  {hint}");
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The object of that name, else those whose names begin with it.
async fn named(
    api: &Api,
    resource: &Resource,
    namespace: &str,
    name: &str,
) -> anyhow::Result<Vec<Value>> {
    let error = match api.read(&resource.path(Some(namespace), Some(name))).await {
        Ok(object) => return Ok(vec![object]),
        Err(error) if is(&error, 404) => error,
        Err(error) => return Err(error),
    };
    let list = api.read(&resource.path(Some(namespace), None)).await?;
    let begins =
        |it: &&Value| it["metadata"]["name"].as_str().is_some_and(|it| it.starts_with(name));
    let found: Vec<Value> =
        list["items"].as_array().into_iter().flatten().filter(begins).cloned().collect();
    if found.is_empty() {
        return Err(api.with_hint(error, resource, namespace, name).await);
    }
    Ok(found)
}

/// Looks at what belongs to the object.
async fn around(
    api: &Api,
    object: &Value,
    resource: &Resource,
    events: bool,
) -> anyhow::Result<Around> {
    let mut around = Around::default();
    let metadata = &object["metadata"];
    let word = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let (name, namespace) = (word(&metadata["name"]), word(&metadata["namespace"]));
    let list = async |path: String| -> anyhow::Result<Vec<Value>> {
        Ok(api.read(&path).await?["items"].as_array().cloned().unwrap_or_default())
    };
    if events && resource.kind != "Event" {
        let field = format!("involvedObject.name={name},involvedObject.kind={}", resource.kind);
        let path = if resource.namespaced {
            format!("/api/v1/namespaces/{namespace}/events")
        } else {
            "/api/v1/events".to_owned()
        };
        around.events = list(path + &query(&[("fieldSelector", Some(&field))])).await?;
        // Of this very object, not of one that had its name before; a node's events name it twice.
        let uid = &metadata["uid"];
        around.events.retain(|it| {
            let about = &it["involvedObject"]["uid"];
            about == uid || about.is_null() || *about == metadata["name"]
        });
    }
    let path = match resource.kind.as_str() {
        "Service" => {
            let label = format!("kubernetes.io/service-name={name}");
            let query = query(&[("labelSelector", Some(&label))]);
            Some(format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices{query}"))
        }
        "Deployment" => Some(format!("/apis/apps/v1/namespaces/{namespace}/replicasets")),
        "Node" => {
            let field = format!("spec.nodeName={name}");
            Some("/api/v1/pods".to_owned() + &query(&[("fieldSelector", Some(&field))]))
        }
        _ => None,
    };
    if let Some(path) = path {
        around.others = list(path).await.unwrap_or_default();
    }
    if analyze::has_findings(object) {
        around.findings = analyze::of_object(api, object).await.unwrap_or_default();
    }
    Ok(around)
}

/// The text: who it is, what it wants, how it is, what is wrong, what happened.
fn sheet(object: &Value, around: &Around, now: Timestamp) -> String {
    let mut sheet = Sheet::default();
    let metadata = &object["metadata"];
    sheet.field("Name", &text(&metadata["name"]));
    if let Some(namespace) = metadata["namespace"].as_str() {
        sheet.field("Namespace", namespace);
    }
    if let Some(at) = metadata["deletionTimestamp"].as_str() {
        let grace = metadata["deletionGracePeriodSeconds"].as_u64();
        let grace = grace.map_or(String::new(), |it| format!(" (grace period {it}s)"));
        sheet.field("Terminating", &format!("since {at}{grace}"));
    }
    if let Some(at) = metadata["creationTimestamp"].as_str() {
        sheet.field("Created", &format!("{at} ({} ago)", age(at, now)));
    }
    sheet.pairs("Labels", "=", &metadata["labels"]);
    sheet.pairs("Annotations", ": ", &metadata["annotations"]);
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    if let Some(owner) = owners.into_iter().find(|it| it["controller"] == true) {
        sheet.field("Controlled By", &format!("{}/{}", text(&owner["kind"]), text(&owner["name"])));
    }
    match object["kind"].as_str().unwrap_or("") {
        "Pod" => pod::pod(&mut sheet, object, now),
        "Service" => service::service(&mut sheet, object, &around.others),
        "Deployment" => workload::deployment(&mut sheet, object, &around.others),
        "ReplicaSet" => workload::replicaset(&mut sheet, object),
        "Node" => node::node(&mut sheet, object, &around.others, now),
        "ConfigMap" => config_map(&mut sheet, object),
        "Secret" => secret(&mut sheet, object),
        "Namespace" => sheet.field("Status", &text(&object["status"]["phase"])),
        _ => plain(&mut sheet, object),
    }
    if !around.findings.is_empty() {
        sheet.title("Findings");
        for finding in &around.findings {
            sheet.line(1, finding);
        }
    }
    sheet.events(&around.events, now);
    sheet.text()
}

fn config_map(sheet: &mut Sheet, object: &Value) {
    sheet.title("Data");
    for (name, value) in object["data"].as_object().into_iter().flatten() {
        sheet.block(name, &text(value));
    }
    for (name, value) in object["binaryData"].as_object().into_iter().flatten() {
        sheet.block(name, &format!("{} bytes", bytes(value)));
    }
}

fn secret(sheet: &mut Sheet, object: &Value) {
    sheet.field("Type", &text(&object["type"]));
    sheet.title("Data");
    for (name, value) in object["data"].as_object().into_iter().flatten() {
        sheet.inner(1, name, &format!("{} bytes", bytes(value)));
    }
}

/// How many bytes a base64 text holds.
fn bytes(value: &Value) -> usize {
    let text = value.as_str().unwrap_or("");
    let padding = text.bytes().rev().take_while(|it| *it == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// Everything else as YAML: a person wrote it so.
fn plain(sheet: &mut Sheet, object: &Value) {
    for (name, value) in object.as_object().into_iter().flatten() {
        if matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
            continue;
        }
        let mut letters = name.chars();
        let title = letters.next().map_or(String::new(), |it| it.to_uppercase().to_string());
        let title = format!("{title}{}", letters.as_str());
        if value.is_object() || value.is_array() {
            sheet.title(&title);
            let yaml = serde_saphyr::to_string(value).unwrap_or_default();
            yaml.lines().for_each(|line| sheet.line(1, line));
        } else {
            sheet.field(&title, &text(value));
        }
    }
}

#[cfg(test)]
mod tests;
