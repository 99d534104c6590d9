//! The kubelet's API on a unix socket: logs, exec, attach and port-forward of this node's pods.
//!
//! Spec: Kubernetes kubelet server, `remotecommand` over WebSocket (v4 and v5.channel.k8s.io).

pub(crate) mod exec;
mod forward;
mod query;
mod session;

use crate::agent::{PodEntry, Shared};
use crate::logs::{self, Wanted};
use anyhow::Context as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use query::Query;
use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

type Body = BoxBody<Bytes, Infallible>;

/// The WebSocket of an upgraded request.
pub(crate) type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Binds the socket; what a dead process left there is replaced.
pub(crate) fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path)
        .with_context(|| format!("the kubelet's socket {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves for ever.
pub(crate) async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the kubelet's API cannot accept");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(answer(shared, request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection of the kubelet's API ended");
            }
        });
    }
}

fn full(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text.into())).boxed());
    *response.status_mut() = status;
    response
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (verb, namespace, name, container) = match parts[..] {
        ["healthz"] => return full(StatusCode::OK, "ok"),
        [verb, namespace, name] => (verb, namespace, name, None),
        [verb, namespace, name, container] => (verb, namespace, name, Some(container)),
        _ => return full(StatusCode::NOT_FOUND, format!("no such path: {path}")),
    };
    let Some(pod) = shared.pod(namespace, name) else {
        let text = format!("pod {name} in namespace {namespace} does not run on this node");
        return full(StatusCode::NOT_FOUND, text);
    };
    match (verb, container) {
        ("containerLogs", Some(container)) => log(&pod, container, &query),
        ("exec" | "attach", Some(container)) => {
            let known = pod.container(container);
            if known.as_ref().is_none_or(|c| c.handle.is_none()) {
                let text = format!("container {container} of pod {name} is not running");
                return full(StatusCode::BAD_REQUEST, text);
            }
            let mut wants = session::Wants::of(&query);
            let container = container.to_owned();
            let attach = verb == "attach";
            if !attach && query.all("command").is_empty() {
                return full(StatusCode::BAD_REQUEST, "you must specify at least 1 command");
            }
            let protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
            let words = query.all("command");
            upgrade(request, &protocols, move |socket, protocol| async move {
                wants.can_close = protocol.starts_with("v5");
                if attach {
                    session::attach(&pod, &container, wants, socket).await;
                } else {
                    session::exec(&shared, &pod, &container, words, wants, socket).await;
                }
            })
        }
        ("portForward", None) => {
            let ports: Vec<u16> = query
                .all("ports")
                .iter()
                .chain(&query.all("port"))
                .flat_map(|p| p.split(','))
                .filter_map(|p| p.parse().ok())
                .collect();
            let protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
            upgrade(request, &protocols, move |socket, _| async move {
                forward::run(&shared, &pod, &ports, socket).await;
            })
        }
        _ => full(StatusCode::NOT_FOUND, format!("no such path: {path}")),
    }
}

/// Answers an upgrade and goes on with the WebSocket, or says what is spoken here.
fn upgrade<F>(
    mut request: Request<Incoming>,
    spoken: &[&'static str],
    go_on: impl FnOnce(Socket, &'static str) -> F + Send + 'static,
) -> Response<Body>
where
    F: Future<Output = ()> + Send + 'static,
{
    let header = |name: header::HeaderName| {
        request.headers().get_all(name).iter().filter_map(|v| v.to_str().ok()).collect::<Vec<_>>()
    };
    let offered = header(header::SEC_WEBSOCKET_PROTOCOL).join(",");
    let offered: Vec<&str> = offered.split(',').map(str::trim).collect();
    let protocol = spoken.iter().find(|p| offered.contains(p)).copied();
    let key = header(header::SEC_WEBSOCKET_KEY).first().map(|k| derive_accept_key(k.as_bytes()));
    let (Some(protocol), Some(key)) = (protocol, key) else {
        let text = format!(
            "a WebSocket with one of the protocols {} is needed here (kubectl 1.30 or newer for \
             exec and attach)",
            spoken.join(", ")
        );
        return full(StatusCode::BAD_REQUEST, text);
    };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(stream) => {
                let stream = TokioIo::new(stream);
                let socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
                go_on(socket, protocol).await;
            }
            Err(error) => tracing::debug!(%error, "an upgrade was not completed"),
        }
    });
    let mut response = full(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, header::HeaderValue::from_static(protocol));
    if let Ok(key) = header::HeaderValue::from_str(&key) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    response
}

fn log(pod: &PodEntry, container: &str, query: &Query) -> Response<Body> {
    let known = pod.container(container);
    // A pod that ended before this node began has its files only.
    let newest = known.as_ref().map(|k| k.run).or_else(|| logs::newest(&pod.logs.join(container)));
    let Some(newest) = newest else {
        let text =
            format!("container \"{container}\" in pod \"{}\" is waiting to start", pod.key.1);
        return full(StatusCode::BAD_REQUEST, text);
    };
    let previous = query.is_true("previous");
    let run = newest - i32::from(previous);
    let path = logs::file(&pod.logs.join(container), run);
    if run < 0 || !path.exists() {
        let text = format!(
            "previous terminated container \"{container}\" in pod \"{}\" not found",
            pod.key.1
        );
        return full(StatusCode::BAD_REQUEST, text);
    }
    let number = |name: &str| query.one(name).and_then(|v| v.parse::<i64>().ok());
    let now = jiff::Timestamp::now();
    let since = query.one("sinceTime").and_then(|t| t.parse().ok());
    let wanted = Wanted {
        follow: query.is_true("follow") && !previous,
        tail: number("tailLines").and_then(|n| usize::try_from(n).ok()),
        since: number("sinceSeconds").map(|s| logs::ago(s, now)).or(since),
        timestamps: query.is_true("timestamps"),
        limit: number("limitBytes").and_then(|n| u64::try_from(n).ok()),
    };
    let (send, receive) = mpsc::channel(8);
    let live = known.map(|k| k.log).filter(|_| !previous);
    tokio::spawn(async move {
        if let Err(error) = logs::read(path, live, wanted, send).await {
            tracing::debug!(%error, "a log was not read to its end");
        }
    });
    let chunks = futures_util::stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|chunk| (chunk, receive))
    });
    let frames = chunks.map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from(chunk))));
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(frames)));
    let plain = header::HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
