//! When a mesh is up: its own parts and what was asked for are available, and every proxy knows where they are.

use std::time::Duration;

use cli::{Api, Document};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt as _, api::ListParams};
use node::Netns;
use serde_json::Value;
use tokio::time::Instant;

use crate::home::Home;

/// How often a question is asked again.
const PAUSE: Duration = Duration::from_millis(10);
/// When what is waited for is said, and how often.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest wait for what nobody asked for this time: one that was broken before may be so for ever.
const RESTORED: Duration = Duration::from_secs(10);
/// Longest wait for the proxies: one that never answers must not hold up those who only want to look.
const PROXIES: Duration = Duration::from_secs(10);

/// Waits until the mesh itself and the Deployments that were asked for are available, and reached; `begun` is when this run began.
pub(super) async fn ready(
    api: &Api,
    client: &Client,
    netns: &Netns,
    (home, begun): (&Home, Timestamp),
    documents: &[Document],
) -> anyhow::Result<()> {
    if tokio::time::timeout(RESTORED, renewed(client, begun)).await.is_err() {
        tracing::warn!("some pod of an earlier run did not start again; going on");
    }
    let wanted = wanted(documents);
    let mut said = Instant::now();
    loop {
        let deployments = api.deployments().await?;
        let missing: Vec<&(String, String)> = wanted
            .iter()
            .filter(|(namespace, name)| {
                !deployments.iter().any(|it| is_available(it, namespace, name))
            })
            .collect();
        if missing.is_empty() {
            break;
        }
        if said.elapsed() > PATIENCE {
            said = Instant::now();
            anyhow::ensure!(
                !home.is_full(),
                "the disk that holds {} is full; free some space and try again, or choose another place with --home DIR",
                home.path().display()
            );
            let pods = kube::Api::<Pod>::all(client.clone()).list(&ListParams::default()).await?;
            let names: Vec<String> = missing.iter().map(|it| why(it, &pods.items)).collect();
            eprintln!("waiting for {}", names.join(", "));
        }
        tokio::time::sleep(PAUSE).await;
    }
    if tokio::time::timeout(RESTORED, restored(api)).await.is_err() {
        tracing::warn!("some Deployment of an earlier run is not available; going on");
    }
    if tokio::time::timeout(PROXIES, reached(client, netns)).await.is_err() {
        tracing::warn!("some proxy does not know all pods after {PROXIES:?}; going on");
    }
    Ok(())
}

/// Waits until no pod shows a container of an earlier run as running: until then its status, and that of its Deployment,
/// tells of a world that is gone.
async fn renewed(client: &Client, begun: Timestamp) {
    let pods = kube::Api::<Pod>::all(client.clone());
    loop {
        if let Ok(pods) = pods.list(&ListParams::default()).await
            && !pods.items.iter().any(|pod| is_of_before(pod, begun))
        {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_of_before(pod: &Pod, begun: Timestamp) -> bool {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut started =
        statuses.filter_map(|status| status.state.as_ref()?.running.as_ref()?.started_at.as_ref());
    // Statuses tell whole seconds.
    started.any(|time| time.0.as_second() < begun.as_second())
}

/// Waits until everything that an earlier run left in the home is available as well.
async fn restored(api: &Api) {
    loop {
        let deployments = api.deployments().await.unwrap_or_default();
        let text = |it: &Value, name: &str| it["metadata"][name].as_str().unwrap_or("").to_owned();
        let there = |it: &Value| is_available(it, &text(it, "namespace"), &text(it, "name"));
        if !deployments.is_empty() && deployments.iter().all(there) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until sidecars can be injected: pods that come before are refused, and tried again later than need be.
pub(super) async fn injector(api: &Api) -> anyhow::Result<()> {
    let there = async {
        loop {
            let deployments = api.deployments().await?;
            if deployments.iter().any(|it| is_available(it, "istio-system", "istiod")) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    // If it does not come, going on shows why.
    tokio::time::timeout(PROXIES, there).await.unwrap_or(Ok(()))
}

/// Waits until every proxy has acknowledged each ready pod of a Service: the first request finds its way.
async fn reached(client: &Client, netns: &Netns) {
    loop {
        let answer = control::reached(client, |address| {
            let netns = netns.clone();
            async move { netns.dial(address).await }
        });
        match answer.await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "the control plane could not be asked"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A Deployment that is waited for, and what its pods say is in the way.
fn why((namespace, name): &(String, String), pods: &[Pod]) -> String {
    let own = pods.iter().filter(|pod| {
        pod.namespace().as_deref() == Some(namespace)
            && pod.name_any().strip_prefix(name.as_str()).is_some_and(|it| it.starts_with('-'))
    });
    let statuses = own.filter_map(|pod| pod.status.as_ref()).flat_map(|status| {
        status.container_statuses.iter().chain(&status.init_container_statuses).flatten()
    });
    let waiting = statuses.filter_map(|it| it.state.as_ref()?.waiting.as_ref());
    let reasons = waiting.filter_map(|it| {
        let reason = it.reason.as_deref().filter(|it| *it != "ContainerCreating")?;
        Some(format!("{reason}: {}", it.message.as_deref().unwrap_or_default()))
    });
    match reasons.max() {
        Some(reason) => format!("{namespace}/{name} ({reason})"),
        None => format!("{namespace}/{name}"),
    }
}

/// Namespace and name of the Deployments that must be available.
fn wanted(documents: &[Document]) -> Vec<(String, String)> {
    let own = [
        ("istio-system", "istiod"),
        ("istio-system", "istio-ingressgateway"),
        ("kube-system", "kube-dns"),
    ];
    let own = own.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    let asked = documents.iter().filter(|it| it.value["kind"] == "Deployment").map(|it| {
        let metadata = &it.value["metadata"];
        let text =
            |name: &str, default: &str| metadata[name].as_str().unwrap_or(default).to_owned();
        (text("namespace", "default"), text("name", ""))
    });
    own.into_iter().chain(asked).collect()
}

fn is_available(deployment: &Value, namespace: &str, name: &str) -> bool {
    let metadata = &deployment["metadata"];
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    metadata["namespace"] == namespace
        && metadata["name"] == name
        && number(&deployment["status"]["observedGeneration"]) >= number(&metadata["generation"])
        && number(&deployment["status"]["availableReplicas"])
            >= number(&deployment["spec"]["replicas"])
}
