//! Ports of the host that lead into pods: opened and closed as asked, each connection carried byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::netns::Netns;
use crate::relay::relay;

/// Which port leads where.
type Wanted = BTreeMap<u16, BTreeSet<SocketAddrV4>>;

/// How long a pod may take to accept.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a port that another process holds is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Opens the ports that are wanted on 127.0.0.1, and closes those that are no more, until `wanted`'s sender is gone.
/// A port that cannot be opened is told to `refused` each time that it is tried, and tried again.
pub async fn run(
    netns: Netns,
    mut wanted: watch::Receiver<Wanted>,
    refused: impl Fn(u16, &io::Error),
) {
    let mut doors = JoinSet::new();
    let mut open: BTreeMap<u16, AbortHandle> = BTreeMap::new();
    loop {
        let ports: BTreeSet<u16> = wanted.borrow_and_update().keys().copied().collect();
        open.retain(|port, door| {
            let stays = ports.contains(port) && !door.is_finished();
            if !stays {
                door.abort();
            }
            stays
        });
        let mut missing = false;
        for port in ports {
            if open.contains_key(&port) {
                continue;
            }
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(listener) => {
                    let door = accept(listener, port, netns.clone(), wanted.clone());
                    open.insert(port, doors.spawn(door));
                }
                Err(error) => {
                    missing = true;
                    refused(port, &error);
                }
            }
        }
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep(AGAIN), if missing => {}
        }
    }
}

/// Accepts for ever; connections live on when their port is closed.
async fn accept(listener: TcpListener, port: u16, netns: Netns, wanted: watch::Receiver<Wanted>) {
    let mut turn = 0_usize;
    loop {
        match listener.accept().await {
            Ok((from, _)) => {
                turn = turn.wrapping_add(1);
                let to = wanted.borrow().get(&port).and_then(|all| {
                    all.iter().nth(turn.checked_rem(all.len()).unwrap_or(0)).copied()
                });
                let netns = netns.clone();
                tokio::spawn(async move {
                    let dial = async {
                        let to = to.ok_or_else(|| io::Error::other("no gateway pod is ready"))?;
                        netns.dial(SocketAddr::V4(to)).await
                    };
                    if let Err(error) = relay(from, dial, CONNECT).await {
                        tracing::debug!(%error, port, "a connection of a host port ended");
                    }
                });
            }
            Err(error) => {
                // Out of descriptors: those that are open end some day.
                tracing::warn!(%error, port, "a host port cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
