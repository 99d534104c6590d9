//! Port-forward over a WebSocket: for the n-th port, channel 2n carries bytes and 2n+1 errors.

use super::Socket;
use crate::agent::{PodEntry, Shared};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

fn message(channel: usize, data: &[u8]) -> Message {
    let mut bytes = vec![u8::try_from(channel).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(data);
    Message::Binary(Bytes::from(bytes))
}

/// Joins the client's channels to connections into the pod, until it leaves.
pub(super) async fn run(shared: &Shared, pod: &PodEntry, ports: &[u16], mut socket: Socket) {
    let Some(net) = pod.net() else { return };
    let (send, mut outgoing) = mpsc::channel::<Message>(16);
    let mut writers: Vec<Option<OwnedWriteHalf>> = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        // Both channels begin with the port's number, low byte first.
        for channel in [2 * i, 2 * i + 1] {
            if socket.send(message(channel, &port.to_le_bytes())).await.is_err() {
                return;
            }
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        let netns = &shared.config.netns;
        // A program may listen on all addresses, on loopback, or on the pod's own.
        let mut dialled = netns.dial_in(net.clone(), address).await;
        if dialled.is_err() {
            let address = SocketAddr::from((net.ip, *port));
            dialled = netns.dial_in(net.clone(), address).await;
        }
        match dialled {
            Ok(stream) => {
                let (read, write) = stream.into_split();
                tokio::spawn(copy(read, 2 * i, send.clone()));
                writers.push(Some(write));
            }
            Err(error) => {
                let text = format!("port {port} of pod {}: {error}", pod.key.1);
                let _ = socket.send(message(2 * i + 1, text.as_bytes())).await;
                writers.push(None);
            }
        }
    }
    drop(send);
    loop {
        tokio::select! {
            out = outgoing.recv() => match out {
                Some(out) => if socket.send(out).await.is_err() { return },
                // Every connection ended.
                None => break,
            },
            incoming = socket.next() => match incoming {
                Some(Ok(Message::Binary(data))) => {
                    let Some((channel, bytes)) = data.split_first() else { continue };
                    let i = usize::from(*channel) / 2;
                    if channel % 2 == 0 && let Some(Some(writer)) = writers.get_mut(i)
                        && writer.write_all(bytes).await.is_err() {
                            writers[i] = None;
                        }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    let _ = socket.close(None).await;
}

async fn copy(mut from: OwnedReadHalf, channel: usize, to: mpsc::Sender<Message>) {
    let mut chunk = vec![0; 16 << 10];
    while let Ok(len) = from.read(&mut chunk).await {
        if len == 0 || to.send(message(channel, &chunk[..len])).await.is_err() {
            break;
        }
    }
}
