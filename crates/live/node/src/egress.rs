//! The way out: connections that leave the mesh's networks are dialled from the host.

use crate::netns::Netns;
use crate::relay::relay;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long the host may try to connect.
const CONNECT: Duration = Duration::from_secs(30);

/// Accepts what the node's rules redirect, for ever.
pub(crate) async fn run(netns: Netns) -> io::Result<()> {
    let address = SocketAddr::from((crate::netns::NODE_IP, crate::netns::EGRESS_PORT));
    let listener = netns.listen(address)?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((from, _)) => {
                tokio::spawn(async move {
                    if let Err(error) = leave(from, address).await {
                        tracing::debug!(%error, "egress connection ended");
                    }
                });
            }
            Err(error) => {
                // Out of descriptors: those that are open end some day.
                tracing::warn!(%error, "egress cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn leave(from: TcpStream, own: SocketAddr) -> io::Result<()> {
    let to = SocketAddr::from(rustix::net::sockopt::ip_original_dst(&from)?);
    if to == own {
        return Err(io::Error::other("not redirected: somebody dialled the egress itself"));
    }
    relay(from, TcpStream::connect(to), CONNECT).await
}
