//! When a mesh is up: its own parts and what was asked for are available, and every proxy knows where they are.

use std::time::Duration;

use cli::{Api, Document};
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
/// Longest wait for the proxies: one that never answers must not hold up those who only want to look.
const PROXIES: Duration = Duration::from_secs(10);

/// Waits until the mesh itself and the Deployments that were asked for are available, and reached.
pub(super) async fn ready(
    api: &Api,
    client: &Client,
    netns: &Netns,
    home: &Home,
    documents: &[Document],
) -> anyhow::Result<()> {
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
    if tokio::time::timeout(PROXIES, reached(client, netns)).await.is_err() {
        tracing::warn!("some proxy does not know all pods after {PROXIES:?}; going on");
    }
    Ok(())
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
