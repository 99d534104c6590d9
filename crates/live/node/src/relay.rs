//! One connection carried into another, byte for byte.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// Carries bytes both ways until both sides are done; `out` may take `limit` to connect.
pub(crate) async fn relay(
    mut from: TcpStream,
    out: impl Future<Output = io::Result<TcpStream>>,
    limit: Duration,
) -> io::Result<()> {
    let mut out = match tokio::time::timeout(limit, out).await {
        Ok(Ok(out)) => out,
        refused => {
            // A reset tells the caller at once what a closed connection would not.
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
