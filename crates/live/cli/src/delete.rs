//! `delete`: by name, by label, all of a kind, or what a file names.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use serde_json::{Value, json};

use crate::{
    api::Api,
    apply::is,
    documents,
    get::{query, targets},
    out::{complain, print},
    resources::Resource,
};

/// The arguments of `delete`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct Delete {
    /// KIND NAME…, or KIND/NAME…
    what: Vec<String>,
    /// The objects of these files or folders; - for standard input
    #[arg(short, long = "filename", value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// Look into the folders below, too
    #[arg(short = 'R', long)]
    recursive: bool,
    /// The namespace [default: the kubeconfig's, which is `default`]
    #[arg(short, long)]
    namespace: Option<String>,
    /// In every namespace; with -l or --all
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Those with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// All of the kind in the namespace
    #[arg(long, conflicts_with = "selector")]
    all: bool,
    /// Seconds a pod has to end by itself
    #[arg(long, value_name = "SECONDS")]
    grace_period: Option<u32>,
    /// As --grace-period=1
    #[arg(long, conflicts_with = "grace_period")]
    now: bool,
    /// As --grace-period=0: end it at once
    #[arg(long, conflicts_with = "now")]
    force: bool,
    /// What happens to what the object owns
    #[arg(long, value_enum, default_value = "background", value_name = "HOW")]
    cascade: Cascade,
    /// Whether to wait until they are gone
    #[arg(long, action = clap::ArgAction::Set, default_value_t = true, value_name = "true|false")]
    wait: bool,
    /// Longest wait, in seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
    /// What is not there is no error
    #[arg(long)]
    ignore_not_found: bool,
}

/// Kubernetes' propagation policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Cascade {
    Background,
    Foreground,
    Orphan,
}

/// One object to delete.
struct Doomed<'a> {
    resource: &'a Resource,
    namespace: String,
    name: String,
}

pub(crate) async fn run(api: &Api, delete: &Delete) -> anyhow::Result<ExitCode> {
    let mut failed = false;
    let doomed = doomed(api, delete, &mut failed).await?;
    let mut options = json!({ "propagationPolicy": match delete.cascade {
        Cascade::Background => "Background",
        Cascade::Foreground => "Foreground",
        Cascade::Orphan => "Orphan",
    } });
    let grace = delete.grace_period.or(delete.now.then_some(1)).or(delete.force.then_some(0));
    if let Some(grace) = grace {
        options["gracePeriodSeconds"] = json!(grace);
    }
    let mut waiting = Vec::new();
    for one in &doomed {
        let path = one.resource.path(Some(&one.namespace), Some(&one.name));
        let body = Some(("application/json", &options));
        match api.call("DELETE", &path, "application/json", body).await {
            Ok(answer) => {
                print(&format!("{} \"{}\" deleted\n", one.resource.label(), one.name))?;
                let uid = &answer["metadata"]["uid"];
                let uid = uid.as_str().or(answer["details"]["uid"].as_str());
                waiting.push((one, path, uid.unwrap_or("").to_owned()));
            }
            Err(error) if is(&error, 404) && delete.ignore_not_found => {}
            // The others still go.
            Err(error) => {
                failed = true;
                let hinted = api.with_hint(error, one.resource, &one.namespace, &one.name).await;
                complain(&hinted);
            }
        }
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(delete.timeout);
    for (one, path, uid) in waiting.into_iter().filter(|_| delete.wait) {
        if let Err(error) = gone(api, one, &path, &uid, deadline).await {
            failed = true;
            complain(&error);
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is to be deleted, found before anything is.
async fn doomed<'a>(
    api: &'a Api,
    delete: &Delete,
    failed: &mut bool,
) -> anyhow::Result<Vec<Doomed<'a>>> {
    let namespace = api.namespace(delete.namespace.as_deref());
    let mut doomed: Vec<Doomed<'a>> = Vec::new();
    let reading = documents::read_each(&delete.filename, delete.recursive)?;
    for error in &reading.errors {
        *failed = true;
        complain(error);
    }
    for document in &reading.documents {
        let text =
            |pointer: &str| document.value.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        match api.kind(text("/apiVersion"), text("/kind")).await {
            Ok(resource) => doomed.push(Doomed {
                resource,
                namespace: match text("/metadata/namespace") {
                    "" => namespace.to_owned(),
                    own => own.to_owned(),
                },
                name: text("/metadata/name").to_owned(),
            }),
            Err(error) => {
                *failed = true;
                complain(&error.context(document.place()));
            }
        }
    }
    if delete.what.is_empty() {
        anyhow::ensure!(
            !delete.filename.is_empty(),
            "say what to delete: KIND NAME, KIND -l LABELS, KIND --all, or -f FILE"
        );
        return Ok(doomed);
    }
    for (word, names) in targets(&delete.what)? {
        anyhow::ensure!(
            !names.is_empty() || delete.all || delete.selector.is_some(),
            "say which {word}: by name, with -l LABELS, or --all"
        );
        anyhow::ensure!(
            names.is_empty() || !(delete.all || delete.selector.is_some() || delete.all_namespaces),
            "a name is given: leave out --all, -l and -A"
        );
        for resource in api.resources().await?.words(&word)? {
            let named = |name: &String| Doomed {
                resource,
                namespace: namespace.to_owned(),
                name: name.clone(),
            };
            doomed.extend(names.iter().map(named));
            if names.is_empty() {
                let within = (!delete.all_namespaces).then_some(namespace);
                let selector = query(&[("labelSelector", delete.selector.as_deref())]);
                let list = api.read(&(resource.path(within, None) + &selector)).await?;
                for item in list["items"].as_array().into_iter().flatten() {
                    let text =
                        |name: &str| item["metadata"][name].as_str().unwrap_or("").to_owned();
                    let (namespace, name) = (text("namespace"), text("name"));
                    doomed.push(Doomed { resource, namespace, name });
                }
            }
        }
    }
    if doomed.is_empty() {
        eprintln!("No resources found");
    }
    Ok(doomed)
}

/// Waits until the object, or at least this one of its name, is there no more.
async fn gone(
    api: &Api,
    one: &Doomed<'_>,
    path: &str,
    uid: &str,
    deadline: tokio::time::Instant,
) -> anyhow::Result<()> {
    loop {
        let live = match api.read(path).await {
            Err(error) if is(&error, 404) => return Ok(()),
            Err(error) => return Err(error),
            Ok(live) if live["metadata"]["uid"].as_str() != Some(uid) => return Ok(()),
            Ok(live) => live,
        };
        if tokio::time::Instant::now() >= deadline {
            let held = live["metadata"]["finalizers"].as_array().filter(|it| !it.is_empty());
            let why = held.map_or(String::new(), |it| {
                let names: Vec<&str> = it.iter().filter_map(Value::as_str).collect();
                format!(": its finalizers {} hold it", names.join(", "))
            });
            anyhow::bail!(
                "{}/{} is still there{why}\n  --timeout SECONDS waits longer, --wait=false does not wait",
                one.resource.label(),
                one.name
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
