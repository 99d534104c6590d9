//! Unix sockets on both sides: a listener with a path, and a host with one.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

use serde_json::{Value, json};

use super::backend::Backend;
use super::client::{Client, get, text};
use super::{Options, Proxy, cluster, listener, to};

fn pipe(path: &str, mode: u32) -> Value {
    json!({"pipe": {"path": path, "mode": mode}})
}

fn cluster_at(name: &str, path: &str) -> Value {
    json!({"name": name, "type": "STATIC", "connect_timeout": "2s", "load_assignment": {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": pipe(path, 0)}}]}]}})
}

fn listener_at(name: &str, path: &str, to_cluster: &str) -> Value {
    let mut listener = listener(name, &[to(to_cluster)]);
    listener["address"] = pipe(path, 0o600);
    listener
}

#[tokio::test]
async fn requests_pass_through_unix_sockets() {
    let path = std::env::temp_dir().join(format!("lateen-pipes-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    // What an earlier process left does not stop this one.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let name = format!("@lateen-{}", path.display());
    let backend = Backend::named("behind").await;
    let proxy = Proxy::with(Options { concurrency: 2, ..Options::default() });
    let path = path.to_str().unwrap();
    proxy
        .clusters(&[
            cluster_at("file", path),
            cluster_at("name", &name),
            cluster("behind", &[backend.address]),
        ])
        .await
        .unwrap();
    let inner = [listener_at("of-file", path, "name"), listener_at("of-name", &name, "behind")];
    proxy
        .listeners(&[listener("in", &[to("file")]), inner[0].clone(), inner[1].clone()])
        .await
        .unwrap();
    let about = std::fs::metadata(path).unwrap();
    assert!(about.file_type().is_socket());
    assert_eq!(about.permissions().mode() & 0o777, 0o600);

    let mut client = Client::connect(proxy.address("in").await).await;
    for _ in 0..20 {
        let response = client.send(get("/")).await;
        assert_eq!((response.status().as_u16(), text(response).await.as_str()), (200, "behind"));
    }
    let (_, hosts) = proxy.admin("GET", "/clusters").await;
    assert!(hosts.contains(&format!("file::{path}::rq_success::20")), "{hosts}");
    let (_, listeners) = proxy.admin("GET", "/listeners").await;
    assert!(listeners.contains(&format!("of-file::{path}")), "{listeners}");

    // A socket that is gone is a host that cannot be reached.
    proxy.apply(super::LISTENER, Vec::new(), &["of-name"]).await.unwrap();
    let mut fresh = Client::connect(proxy.address("in").await).await;
    assert_eq!(fresh.get("/").await.0, 503);
    proxy.apply(super::LISTENER, Vec::new(), &["of-file"]).await.unwrap();
    assert!(!std::path::Path::new(path).exists(), "the file goes with its listener");
}
