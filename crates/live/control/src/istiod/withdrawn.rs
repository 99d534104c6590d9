//! The question of a node to the control plane: does any proxy still send to this pod?

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use anyhow::Context as _;
use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
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
    let pods: Api<Pod> = Api::all(client.clone());
    let planes = pods
        .list(&ListParams::default().labels("app=istiod"))
        .await
        .context("cannot list the control planes")?;
    let ready = planes
        .iter()
        .filter(|plane| is_ready(plane))
        .filter_map(address_of)
        .filter(|plane| *plane != address);
    for plane in ready {
        let plane = SocketAddr::new(plane, Ports::default().debug);
        ask(dial(plane).await.with_context(|| format!("dial {plane}"))?, address)
            .await
            .with_context(|| format!("ask the control plane at {plane}"))?;
    }
    Ok(())
}

fn address_of(pod: &Pod) -> Option<IpAddr> {
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions =
        pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

async fn ask(stream: TcpStream, address: IpAddr) -> anyhow::Result<()> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(format!("/debug/withdrawn?address={address}"))
        .header("host", "istiod")
        .body(Empty::<Bytes>::new())?;
    let response = tokio::select! {
        response = sender.send_request(request) => response?,
        result = connection => return result.context("the connection ended before the answer"),
    };
    anyhow::ensure!(response.status().is_success(), "some proxy may still send to {address}");
    Ok(())
}
