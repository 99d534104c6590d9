//! Logs, exec, attach and port-forward: handed to the node agent's socket and back, byte for byte.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::watch;

use crate::answer::Body;
use crate::stop::raised;

/// A local socket answers at once, or its owner is gone.
const CONNECT: Duration = Duration::from_secs(5);

/// Sends the request to the node agent at `path_and_query` and gives its answer to the client.
/// When both sides agree to another protocol, the two sockets are joined until one closes or
/// `stop` is raised.
pub(crate) async fn relay(
    socket: &Path,
    path_and_query: &str,
    request: Request<Incoming>,
    stop: watch::Receiver<bool>,
) -> io::Result<Response<Body>> {
    let stream = tokio::time::timeout(CONNECT, UnixStream::connect(socket))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the node agent does not accept"))??;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection.with_upgrades());

    let onward = onward(&request, path_and_query)?;
    let upgrade = request.headers().contains_key(header::UPGRADE);
    let answer = sender.send_request(onward).await.map_err(io::Error::other)?;
    if !upgrade || answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (parts, body) = answer.into_parts();
        let mut back = Response::new(body.map_err(Into::into).boxed_unsync());
        *back.status_mut() = parts.status;
        copy_headers(&parts.headers, back.headers_mut(), false);
        return Ok(back);
    }

    let mut back = Response::new(crate::answer::empty());
    *back.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    copy_headers(answer.headers(), back.headers_mut(), true);
    tokio::spawn(join(request, answer, stop));
    Ok(back)
}

/// The request as the node agent gets it.
fn onward(request: &Request<Incoming>, path_and_query: &str) -> io::Result<Request<Empty<Bytes>>> {
    let upgrade = request.headers().contains_key(header::UPGRADE);
    let mut onward = Request::builder()
        .method(request.method().clone())
        .uri(path_and_query)
        .body(Empty::new())
        .map_err(io::Error::other)?;
    copy_headers(request.headers(), onward.headers_mut(), upgrade);
    // Who the client is was decided here; the node agent need not see how it was proved.
    onward.headers_mut().remove(header::AUTHORIZATION);
    onward.headers_mut().remove(header::CONTENT_LENGTH);
    if onward.method() == Method::POST && !upgrade {
        onward.headers_mut().insert(header::CONTENT_LENGTH, 0.into());
    }
    onward.headers_mut().insert(header::HOST, header::HeaderValue::from_static("kubelet"));
    Ok(onward)
}

/// Copies headers; those that belong to one connection only when that connection changes its
/// protocol.
fn copy_headers(from: &HeaderMap, to: &mut HeaderMap, upgrade: bool) {
    const HOP: [HeaderName; 5] = [
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    for (name, value) in from {
        let switches = name == header::CONNECTION || name == header::UPGRADE;
        if HOP.contains(name) || (switches && !upgrade) {
            continue;
        }
        to.append(name, value.clone());
    }
}

/// Copies bytes both ways between two connections that left HTTP.
async fn join(
    request: Request<Incoming>,
    answer: Response<Incoming>,
    mut stop: watch::Receiver<bool>,
) {
    let (client, node) = tokio::join!(hyper::upgrade::on(request), hyper::upgrade::on(answer));
    let (Ok(client), Ok(node)) = (client, node) else {
        tracing::debug!("a client or the node agent went away before the streams were joined");
        return;
    };
    let (mut client, mut node) = (TokioIo::new(client), TokioIo::new(node));
    tokio::select! {
        result = tokio::io::copy_bidirectional(&mut client, &mut node) => {
            if let Err(error) = result {
                tracing::debug!(%error, "a stream to a container ended early");
            }
        }
        () = raised(&mut stop) => {}
    }
}
