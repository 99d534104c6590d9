//! The application behind a proxy: HTTP/1.1 and HTTP/2 without TLS on one port, answers of fixed sizes.
//!
//! `/k` is 1 KiB, `/m` is 1 MiB; a gRPC request is answered with its own message.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// The first bytes of HTTP/2.
const PREFACE: &[u8] = b"PRI ";
/// A head that is longer is nobody's here.
const LONGEST_HEAD: usize = 16 * KIB;

/// Serves until it is killed.
pub(crate) fn run(own: SocketAddr) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(own).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                // A client that breaks off is the end of its connection, and of nothing else.
                let _ = connection(stream).await;
            });
        }
    })
}

async fn connection(stream: TcpStream) -> anyhow::Result<()> {
    let mut first = [0; 4];
    let mut seen = 0;
    while seen < first.len() {
        let n = stream.peek(&mut first).await?;
        if n == 0 {
            return Ok(());
        }
        if n == seen {
            tokio::task::yield_now().await;
        }
        seen = n;
    }
    if first == *PREFACE { http2(stream).await } else { http1(stream).await }
}

fn answer(size: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {size}\r\n\r\n"
    );
    let mut whole = head.into_bytes();
    whole.resize(whole.len() + size, b'x');
    whole
}

async fn http1(mut stream: TcpStream) -> anyhow::Result<()> {
    let (small, large) = (answer(KIB), answer(MIB));
    let mut input = Vec::with_capacity(4 * KIB);
    loop {
        let end = loop {
            if let Some(at) = input.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            anyhow::ensure!(input.len() < LONGEST_HEAD, "a head without end");
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        };
        let wants_large = input[..end].starts_with(b"GET /m");
        input.drain(..end);
        stream.write_all(if wants_large { &large } else { &small }).await?;
    }
}

async fn http2(stream: TcpStream) -> anyhow::Result<()> {
    let mut server = h2::server::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(16 << 20)
        .max_concurrent_streams(10_000)
        .handshake::<_, Bytes>(stream)
        .await?;
    let (small, large) = (Bytes::from(vec![b'x'; KIB]), Bytes::from(vec![b'x'; MIB]));
    while let Some(accepted) = server.accept().await {
        let (request, mut respond) = accepted?;
        let is_grpc =
            request.headers().get("content-type").is_some_and(|it| it == "application/grpc");
        let body =
            if request.uri().path().starts_with("/m") { large.clone() } else { small.clone() };
        tokio::spawn(async move {
            if is_grpc {
                grpc(request.into_body(), respond).await
            } else {
                let response = Response::builder()
                    .header("content-type", "application/octet-stream")
                    .header("content-length", body.len())
                    .body(())?;
                respond.send_response(response, false)?.send_data(body, true)?;
                Ok(())
            }
        });
    }
    Ok(())
}

async fn grpc(
    mut body: h2::RecvStream,
    mut respond: h2::server::SendResponse<Bytes>,
) -> anyhow::Result<()> {
    let mut message = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        message.extend_from_slice(&part);
    }
    let head = Response::builder().header("content-type", "application/grpc").body(())?;
    let mut send = respond.send_response(head, false)?;
    send.send_data(message.into(), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    send.send_trailers(trailers)?;
    Ok(())
}
