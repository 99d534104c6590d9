//! HTTP to a port of a pod, through the API server's port-forward.
//!
//! Spec: Kubernetes port-forward over WebSocket, `v4.channel.k8s.io`: channel 0 carries bytes,
//! channel 1 what went wrong; both begin with the port's number.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::client::generate_key, protocol::Role},
};

use crate::api::Api;

/// The protocol of the channels.
const PROTOCOL: &str = "v4.channel.k8s.io";
/// How long a page of a proxy may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Bytes in flight between the WebSocket and the HTTP client.
const BUFFER: usize = 64 << 10;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Where a page is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) port: u16,
}

/// GET of a page of a pod.
///
/// # Errors
/// When the pod cannot be reached, nothing listens on the port, or it answers no 200.
pub(crate) async fn page(api: &Api, door: Door<'_>, path: &str) -> anyhow::Result<Bytes> {
    let Door { namespace, pod, port } = door;
    tokio::time::timeout(PATIENCE, fetch(api, door, path))
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in {PATIENCE:?}")))
        .with_context(|| format!("port {port} of pod {namespace}/{pod}"))
}

async fn fetch(api: &Api, door: Door<'_>, path: &str) -> anyhow::Result<Bytes> {
    let socket = connect(api, door).await?;
    let (near, far) = tokio::io::duplex(BUFFER);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(near)).await?;
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(
            status.is_success(),
            "{path} answers {status}: {}",
            String::from_utf8_lossy(&bytes).lines().next().unwrap_or("")
        );
        Ok(bytes)
    };
    let connection = async {
        connection.await?;
        // The exchange ends by itself once the connection has.
        std::future::pending::<anyhow::Result<Bytes>>().await
    };
    tokio::select! {
        page = exchange => page,
        error = connection => error,
        error = carry(socket, far) => Err(error),
    }
}

/// Opens the WebSocket.
async fn connect(api: &Api, door: Door<'_>) -> anyhow::Result<Socket> {
    let Door { namespace, pod, port } = door;
    let request =
        Request::get(format!("/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}"))
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, generate_key())
            .header(header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL)
            .body(Body::empty())?;
    let response = api.raw(request).await?;
    anyhow::ensure!(
        response.status() == http::StatusCode::SWITCHING_PROTOCOLS,
        "the API server does not forward ports: {}",
        response.status()
    );
    let upgraded = hyper::upgrade::on(response).await?;
    Ok(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await)
}

/// Carries bytes between the channels and the HTTP client until something goes wrong.
async fn carry(mut socket: Socket, mut far: DuplexStream) -> anyhow::Error {
    let mut greeted = [false; 2];
    let mut chunk = vec![0; BUFFER];
    let mut over = false;
    loop {
        tokio::select! {
            read = far.read(&mut chunk), if !over => match read {
                Ok(0) | Err(_) => over = true,
                Ok(len) => {
                    let mut data = vec![0];
                    data.extend_from_slice(&chunk[..len]);
                    if let Err(error) = socket.send(Message::Binary(data.into())).await {
                        return error.into();
                    }
                }
            },
            message = socket.next() => match message {
                Some(Ok(Message::Binary(data))) => {
                    let Some((&channel, bytes)) = data.split_first() else { continue };
                    let channel = usize::from(channel);
                    let Some(greeted) = greeted.get_mut(channel) else { continue };
                    if !*greeted {
                        *greeted = true;
                    } else if channel == 1 && !bytes.is_empty() {
                        return anyhow::anyhow!("{}", String::from_utf8_lossy(bytes).trim());
                    } else if channel == 0 && far.write_all(bytes).await.is_err() {
                        over = true;
                    }
                }
                Some(Ok(Message::Close(_))) | None => {
                    // The client sees the end, and says what it lacks.
                    drop(far);
                    return std::future::pending().await;
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.into(),
            }
        }
    }
}
