//! The questions of a node to the control plane: does any proxy still send to this pod, does every proxy know these?

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use anyhow::Context as _;
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, Client, api::ListParams};
use tokio::net::TcpStream;

use super::Ports;

/// Waits until every control plane says that all its proxies have acknowledged that the pod gets nothing any more. Each answers
/// within a second; `dial` connects to an address from where pods can be reached.
///
/// # Errors
/// When the control planes cannot be listed, or one cannot be asked.
pub async fn withdrawn<F>(
    client: &Client,
    pod: &Pod,
    dial: impl Fn(SocketAddr) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<TcpStream>>,
{
    let Some(address) = address_of(pod) else { return Ok(()) };
    let path = format!("/debug/withdrawn?address={address}");
    for plane in planes(client).await?.into_iter().filter(|plane| *plane != address) {
        let answered = ask(plane, &path, &dial).await?;
        anyhow::ensure!(answered, "some proxy may still send to {address}");
    }
    Ok(())
}

/// Waits until every control plane says that its proxies have acknowledged every ready pod that a Service selects. Each answers
/// within a second; false when one of them says no, or when there is none.
///
/// # Errors
/// When the control planes cannot be listed, or one cannot be asked.
pub async fn reached<F>(client: &Client, dial: impl Fn(SocketAddr) -> F) -> anyhow::Result<bool>
where
    F: Future<Output = io::Result<TcpStream>>,
{
    let every = ListParams::default();
    let pods = Api::<Pod>::all(client.clone()).list(&every).await.context("list pods")?;
    let services =
        Api::<Service>::all(client.clone()).list(&every).await.context("list Services")?;
    let addresses = controllers::endpoints::addresses(&services.items, &pods.items);
    let parameters: Vec<String> = addresses.iter().map(|it| format!("address={it}")).collect();
    let path = format!("/debug/reached?{}", parameters.join("&"));
    let planes = planes(client).await?;
    for plane in &planes {
        if !ask(*plane, &path, &dial).await? {
            return Ok(false);
        }
    }
    Ok(!planes.is_empty())
}

/// The addresses of the control planes that are ready.
async fn planes(client: &Client) -> anyhow::Result<Vec<IpAddr>> {
    let pods: Api<Pod> = Api::all(client.clone());
    let planes = pods
        .list(&ListParams::default().labels("app=istiod"))
        .await
        .context("cannot list the control planes")?;
    Ok(planes.iter().filter(|plane| is_ready(plane)).filter_map(address_of).collect())
}

fn address_of(pod: &Pod) -> Option<IpAddr> {
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions =
        pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Whether the control plane says yes.
async fn ask<F>(plane: IpAddr, path: &str, dial: &impl Fn(SocketAddr) -> F) -> anyhow::Result<bool>
where
    F: Future<Output = io::Result<TcpStream>>,
{
    let plane = SocketAddr::new(plane, Ports::default().debug);
    let answer = async {
        let stream = dial(plane).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::get(path).header("host", "istiod").body(Empty::<Bytes>::new())?;
        let response = tokio::select! {
            response = sender.send_request(request) => response?,
            result = connection => {
                return result.context("the connection ended before the answer").map(|()| false);
            }
        };
        Ok(response.status().is_success())
    };
    answer.await.with_context(|| format!("ask the control plane at {plane}"))
}
