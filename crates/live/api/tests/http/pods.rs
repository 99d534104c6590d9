//! Logs and streams of pods: relayed to the node agent's socket.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use crate::client::{Client, Home, serve};

/// A node agent that answers logs with text and echoes streams in capitals.
fn node_agent(home: &Home) -> Arc<Mutex<Vec<String>>> {
    std::fs::create_dir_all(home.path()).unwrap();
    let listener = UnixListener::bind(home.path().join("kubelet.sock")).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let kept = kept.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                assert!(!request.headers().contains_key(header::AUTHORIZATION));
                kept.lock().unwrap().push(request.uri().to_string());
                async move {
                    let upgrade = request.headers().get(header::UPGRADE).cloned();
                    let Some(upgrade) = upgrade else {
                        return Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(
                            "a line\n",
                        ))));
                    };
                    let key = request.headers()["sec-websocket-protocol"].clone();
                    let upgraded = hyper::upgrade::on(&mut request);
                    tokio::spawn(async move {
                        let mut stream = TokioIo::new(upgraded.await.unwrap());
                        let mut buffer = [0; 64];
                        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                            let said = buffer[..count].to_ascii_uppercase();
                            stream.write_all(&said).await.unwrap();
                        }
                    });
                    let response = Response::builder()
                        .status(StatusCode::SWITCHING_PROTOCOLS)
                        .header(header::CONNECTION, "Upgrade")
                        .header(header::UPGRADE, upgrade)
                        .header("sec-websocket-protocol", key);
                    Ok(response.body(Full::default()).unwrap())
                }
            });
            tokio::spawn(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades(),
            );
        }
    });
    asked
}

async fn pod(client: &Client) {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {
            "nodeName": "lateen",
            "containers": [{"name": "app", "image": "a"}, {"name": "istio-proxy", "image": "b"}],
        },
    });
    client.post("/api/v1/namespaces/default/pods", &pod).await.expect(201);
}

const POD: &str = "/api/v1/namespaces/default/pods/web";

#[tokio::test]
async fn logs_come_from_the_node_agent() {
    let home = Home::new();
    let asked = node_agent(&home);
    let server = serve(&home).await;
    let client = Client::new(&server);
    pod(&client).await;
    let log = client.get(&format!("{POD}/log?container=app&tailLines=5&follow=true")).await;
    assert_eq!((log.code, &log.body[..]), (200, &b"a line\n"[..]));
    let refused = client.get(&format!("{POD}/log")).await.expect(400);
    assert_eq!(
        refused["message"],
        "a container name must be specified for pod web, choose one of: [app istio-proxy]"
    );
    client.get("/api/v1/namespaces/default/pods/none/log").await.expect(404);
    assert_eq!(*asked.lock().unwrap(), ["/containerLogs/default/web/app?tailLines=5&follow=true"]);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_is_joined_byte_for_byte() {
    let home = Home::new();
    let asked = node_agent(&home);
    let server = serve(&home).await;
    let client = Client::new(&server);
    pod(&client).await;
    let path = format!("{POD}/exec?command=sh&command=-c&container=istio-proxy&stdin=true");
    let request = Request::get(path)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header("sec-websocket-protocol", "v5.channel.k8s.io")
        .body(Full::default())
        .unwrap();
    let answer = client.open(request).await;
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "v5.channel.k8s.io");
    let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    stream.write_all(b"hello").await.unwrap();
    let mut said = [0; 5];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"HELLO");
    assert_eq!(
        *asked.lock().unwrap(),
        ["/exec/default/web/istio-proxy?command=sh&command=-c&stdin=true"]
    );
    server.stop().await;
    assert_eq!(stream.read(&mut said).await.unwrap_or(0), 0, "the stream ends with the server");
}

#[tokio::test]
async fn without_a_node_agent_the_error_says_so() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    pod(&client).await;
    let refused = client.get(&format!("{POD}/log?container=app")).await.expect(500);
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("the node agent cannot be reached at "), "{message}");
    server.stop().await;
}
