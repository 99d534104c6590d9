//! The upstream that speaks HTTP/2 with prior knowledge.

use std::{net::TcpListener, time::Duration};

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, Request, Response};

use super::{Received, Upstreams};

/// Serves connections until the process ends.
pub(crate) fn serve(upstreams: &Upstreams, name: &str, listener: TcpListener) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let (upstreams, name) = (upstreams.clone(), name.to_owned());
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(socket).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(one(upstreams.clone(), name.clone(), request, respond));
                }
            });
        }
    });
}

async fn one(
    upstreams: Upstreams,
    name: String,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let (head, mut stream) = request.into_parts();
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let authority = head.uri.authority().map_or("", |authority| authority.as_str());
    let mut received = Received { host: name.clone(), ..Received::default() };
    received.line = format!("{} {path} HTTP/2", head.method);
    received.headers.push((":authority".to_owned(), authority.to_owned()));
    let scheme = head.uri.scheme_str().unwrap_or_default();
    received.headers.push((":scheme".to_owned(), scheme.to_owned()));
    received.headers.extend(pairs(&head.headers));
    // One that streams says back each piece as it comes.
    let mut back = None;
    if received.header("x-do") == Some("stream") {
        let head = Response::builder().header("content-type", "application/grpc").body(());
        back = respond.send_response(head.unwrap(), false).ok();
    }
    while let Some(Ok(data)) = stream.data().await {
        stream.flow_control().release_capacity(data.len()).ok();
        received.body.extend_from_slice(&data);
        if let Some(back) = &mut back {
            back.send_data(data, false).ok();
        }
    }
    if let Ok(Some(trailers)) = stream.trailers().await {
        received.trailers = pairs(&trailers);
    }
    let script = received.header("x-do").unwrap_or("200").to_owned();
    let says = received.header("x-say").map(str::to_owned);
    let to_head = head.method == http::Method::HEAD;
    let n = upstreams.note(received);
    if let Some(mut back) = back {
        back.send_trailers(grpc_trailers("0")).ok();
        return;
    }
    let step = script.split(',').nth(n).or_else(|| script.split(',').next_back());
    let step = step.unwrap_or("200").trim();
    answer(&mut respond, &name, step, (says.as_deref(), to_head)).await;
}

/// `STATUS`, `STATUS/MS`, `stream`, `rst=CODE`, `hang`, `grpc=CODE` in trailers, `grpc-only=CODE` in the head alone.
async fn answer(
    respond: &mut SendResponse<Bytes>,
    name: &str,
    step: &str,
    (says, to_head): (Option<&str>, bool),
) {
    if let Some(code) = step.strip_prefix("rst=") {
        respond.send_reset(h2::Reason::from(code.parse::<u32>().unwrap_or(2)));
        return;
    }
    if step == "hang" {
        std::future::poll_fn(|context| respond.poll_reset(context)).await.ok();
        return;
    }
    let (step, delay) = step.split_once('/').unwrap_or((step, "0"));
    tokio::time::sleep(Duration::from_millis(delay.parse().unwrap_or(0))).await;
    let mut head = Response::builder();
    for (name, value) in
        says.into_iter().flat_map(|it| it.split('|')).filter_map(|it| it.split_once(':'))
    {
        head = head.header(name.trim(), value.trim());
    }
    if let Some(code) = step.strip_prefix("grpc-only=") {
        let head = head.header("content-type", "application/grpc").header("grpc-status", code);
        respond.send_response(head.body(()).unwrap(), true).ok();
        return;
    }
    let grpc = step.strip_prefix("grpc=");
    let status = if grpc.is_some() { "200" } else { step };
    let content = if grpc.is_some() { "application/grpc" } else { "text/plain" };
    let head = head.status(status).header("content-type", content).body(()).unwrap();
    let Ok(mut body) = respond.send_response(head, to_head) else { return };
    if to_head {
        return;
    }
    body.send_data(format!("from {name}\n").into(), grpc.is_none()).ok();
    if let Some(code) = grpc {
        body.send_trailers(grpc_trailers(code)).ok();
    }
}

fn grpc_trailers(code: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.parse().unwrap());
    trailers.insert("grpc-message", "said".parse().unwrap());
    trailers
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
