//! temporary
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let client = kube::Client::try_default().await?;
    let l = std::net::TcpListener::bind("127.0.0.1:21001")?;
    let (_s, r) = tokio::sync::watch::channel(false);
    console::run(l, client, r).await
}
