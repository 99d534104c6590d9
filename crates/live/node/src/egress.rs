//! The way out: connections that leave the mesh's networks are dialled from the host.

use crate::netns::Netns;
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
                    if let Err(error) = relay(from, address).await {
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

async fn relay(mut from: TcpStream, own: SocketAddr) -> io::Result<()> {
    let to = SocketAddr::from(rustix::net::sockopt::ip_original_dst(&from)?);
    if to == own {
        return Err(io::Error::other("not redirected: somebody dialled the egress itself"));
    }
    let dialled = tokio::time::timeout(CONNECT, TcpStream::connect(to)).await;
    let mut out = match dialled {
        Ok(Ok(out)) => out,
        refused => {
            // A reset tells the pod at once what a closed connection would not.
            from.set_zero_linger()?;
            refused.map_err(io::Error::other)??;
            return Ok(());
        }
    };
    from.set_nodelay(true)?;
    out.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut from, &mut out).await?;
    Ok(())
}
