//! `delete`: by name, by label, all of a kind, or what a file names.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::{
    api::Api,
    apply::is,
    documents,
    get::{query, targets},
    resources::Resource,
};

/// How long `delete` waits for an object to be gone.
const WAIT: Duration = Duration::from_secs(60);

/// The arguments of `delete`.
#[derive(Debug, clap::Args)]
pub struct Delete {
    /// KIND NAME…, or KIND/NAME…
    what: Vec<String>,
    /// The objects of these files
    #[arg(short, long = "filename")]
    filename: Vec<PathBuf>,
    /// The namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Those with these labels
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// All of the kind in the namespace
    #[arg(long)]
    all: bool,
    /// Seconds a pod has to end by itself
    #[arg(long)]
    grace_period: Option<u32>,
    /// Do not wait until they are gone
    #[arg(long)]
    no_wait: bool,
    /// What is not there is no error
    #[arg(long)]
    ignore_not_found: bool,
}

pub(crate) async fn run(api: &Api, delete: &Delete) -> anyhow::Result<()> {
    let mut doomed: Vec<(&Resource, String, String)> = Vec::new();
    for document in documents::read(&delete.filename)? {
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let value = &document.value;
        let resource = api.kind(&text(&value["apiVersion"]), &text(&value["kind"])).await?;
        let namespace = value["metadata"]["namespace"].as_str().unwrap_or(&delete.namespace);
        doomed.push((resource, namespace.to_owned(), text(&value["metadata"]["name"])));
    }
    if !delete.what.is_empty() {
        for (word, names) in targets(&delete.what)? {
            for resource in api.resources().await?.words(&word)? {
                let named =
                    names.iter().map(|name| (resource, delete.namespace.clone(), name.clone()));
                doomed.extend(named);
                if names.is_empty() {
                    anyhow::ensure!(
                        delete.all || delete.selector.is_some(),
                        "say which {word}: by name, with -l, or --all"
                    );
                    let selector = query(&[("labelSelector", delete.selector.as_deref())]);
                    let list = api
                        .read(&(resource.path(Some(&delete.namespace), None) + &selector))
                        .await?;
                    for item in list["items"].as_array().into_iter().flatten() {
                        let name = item["metadata"]["name"].as_str().unwrap_or("").to_owned();
                        doomed.push((resource, delete.namespace.clone(), name));
                    }
                }
            }
        }
    }
    anyhow::ensure!(
        !doomed.is_empty() || delete.selector.is_some() || delete.all,
        "say what to delete: KIND NAME, -l LABELS, --all, or -f FILE"
    );
    let mut waiting = Vec::new();
    for (resource, namespace, name) in doomed {
        let path = resource.path(Some(&namespace), Some(&name));
        let mut options = json!({ "propagationPolicy": "Background" });
        if let Some(grace) = delete.grace_period {
            options["gracePeriodSeconds"] = json!(grace);
        }
        let body = Some(("application/json", &options));
        match api.call("DELETE", &path, "application/json", body).await {
            Ok(answer) => {
                println!("{} \"{name}\" deleted", resource.label());
                let uid = &answer["metadata"]["uid"];
                let uid =
                    uid.as_str().or(answer["details"]["uid"].as_str()).unwrap_or("").to_owned();
                waiting.push((path, uid));
            }
            Err(error) if is(&error, 404) && delete.ignore_not_found => {}
            Err(error) => return Err(error),
        }
    }
    if !delete.no_wait {
        for (path, uid) in waiting {
            gone(api, &path, &uid).await?;
        }
    }
    Ok(())
}

/// Waits until the object, or at least this one of its name, is there no more.
async fn gone(api: &Api, path: &str, uid: &str) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + WAIT;
    loop {
        match api.read(path).await {
            Err(error) if is(&error, 404) => return Ok(()),
            Err(error) => return Err(error),
            Ok(live) if live["metadata"]["uid"].as_str() != Some(uid) => return Ok(()),
            Ok(live) => anyhow::ensure!(
                tokio::time::Instant::now() < deadline,
                "{path} is still there after 60 s; finalizers: {}",
                live["metadata"]["finalizers"]
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
