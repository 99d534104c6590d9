//! The API server alone, to try clients against: `cargo run -p api --example serve -- PORT HOME`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().unwrap_or_else(|| "6443".to_owned()).parse()?;
    let home = PathBuf::from(arguments.next().unwrap_or_else(|| "lateen-home".to_owned()));
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .with_context(|| format!("port {port} cannot be used"))?;
    let advertise = listener.local_addr()?;
    let server = api::start(api::Config {
        kubelet: home.join("kubelet.sock"),
        home,
        listeners: vec![listener],
        names: Vec::new(),
        advertise,
        dial: api::dial_directly(),
    })
    .await?;
    tracing::info!(%advertise, "ready");
    std::io::Write::write_all(
        &mut std::io::stdout(),
        format!("export KUBECONFIG={}\n", server.kubeconfig.display()).as_bytes(),
    )?;
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}
