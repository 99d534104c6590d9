//! `logs`: what a container wrote.

use std::io::Write as _;

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::{
    api::Api,
    get::{query, targets},
};

/// The arguments of `logs`.
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// POD, pod/POD, or deploy/NAME for one of its pods
    what: String,
    /// The namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// The container; the application's unless said
    #[arg(short, long)]
    container: Option<String>,
    /// Go on as more is written
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines
    #[arg(long)]
    tail: Option<u32>,
    /// Of the container before its last restart
    #[arg(short, long)]
    previous: bool,
    /// With the time of each line
    #[arg(long)]
    timestamps: bool,
}

pub(crate) async fn run(api: &Api, logs: &Logs) -> anyhow::Result<()> {
    let what =
        if logs.what.contains('/') { logs.what.clone() } else { format!("pod/{}", logs.what) };
    let (kind, names) = targets(&[what])?.remove(0);
    let name = names.into_iter().next().unwrap_or_default();
    let pod = pod_of(api, logs, &kind, &name).await?;
    let tail = logs.tail.map(|it| it.to_string());
    let parameters = query(&[
        ("container", logs.container.as_deref()),
        ("follow", logs.follow.then_some("true")),
        ("tailLines", tail.as_deref()),
        ("previous", logs.previous.then_some("true")),
        ("timestamps", logs.timestamps.then_some("true")),
    ]);
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/log{parameters}", logs.namespace);
    let mut frames = api.stream(&path, "*/*").await?;
    let mut out = std::io::stdout().lock();
    while let Some(bytes) = frames.next().await {
        out.write_all(&bytes?)?;
        out.flush()?;
    }
    Ok(())
}

/// The pod itself, or the first of the pods that the owner's selector matches.
async fn pod_of(api: &Api, logs: &Logs, kind: &str, name: &str) -> anyhow::Result<String> {
    let resource = api.resources().await?.words(kind)?.remove(0);
    if resource.kind == "Pod" {
        return Ok(name.to_owned());
    }
    let owner = api.read(&resource.path(Some(&logs.namespace), Some(name))).await?;
    let labels = &owner["spec"]["selector"];
    let labels = labels["matchLabels"].as_object().or(labels.as_object());
    let selector = labels.into_iter().flatten();
    let selector = selector.filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    let selector = selector.collect::<Vec<_>>().join(",");
    anyhow::ensure!(!selector.is_empty(), "{kind}/{name} has no selector, so no pods of its own");
    let path = format!("/api/v1/namespaces/{}/pods", logs.namespace);
    let list = api.read(&(path + &query(&[("labelSelector", Some(&selector))]))).await?;
    let first = list["items"].as_array().and_then(|it| it.first());
    let first = first.and_then(|pod: &Value| pod["metadata"]["name"].as_str());
    first.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("{kind}/{name} has no pods now"))
}
