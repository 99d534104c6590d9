//! Clients: hyper for well-formed traffic, raw bytes for the rest.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

pub(super) type Body = BoxBody<Bytes, std::convert::Infallible>;

pub(super) fn empty() -> Body {
    Empty::new().boxed()
}

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// A connection that stays open.
pub(super) struct Client {
    sender: hyper::client::conn::http1::SendRequest<Body>,
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Client {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Client { sender }
    }

    pub(super) async fn send(&mut self, request: Request<Body>) -> Response<Incoming> {
        self.try_send(request).await.unwrap()
    }

    pub(super) async fn try_send(
        &mut self,
        request: Request<Body>,
    ) -> hyper::Result<Response<Incoming>> {
        timeout(PATIENCE, self.sender.ready()).await.unwrap()?;
        timeout(PATIENCE, self.sender.send_request(request)).await.unwrap()
    }

    /// GET and the body of the answer.
    pub(super) async fn get(&mut self, path: &str) -> (u16, String) {
        let response = self.send(get(path)).await;
        (response.status().as_u16(), text(response).await)
    }
}

pub(super) fn get(path: &str) -> Request<Body> {
    Request::builder().uri(path).header("host", "test.example").body(empty()).unwrap()
}

pub(super) fn post(path: &str, body: impl Into<Bytes>) -> Request<Body> {
    let request = Request::builder().method("POST").uri(path).header("host", "test.example");
    request.body(full(body)).unwrap()
}

/// One request on a connection of its own.
pub(super) async fn once(address: SocketAddr, request: Request<Body>) -> Response<Incoming> {
    Client::connect(address).await.send(request).await
}

pub(super) async fn bytes(response: Response<Incoming>) -> Bytes {
    timeout(PATIENCE, response.into_body().collect()).await.unwrap().unwrap().to_bytes()
}

pub(super) async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(bytes(response).await.to_vec()).unwrap()
}

/// A connection with HTTP/2 by prior knowledge.
pub(super) async fn http2(address: SocketAddr) -> hyper::client::conn::http2::SendRequest<Body> {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends bytes as they are; everything that comes back until the end.
pub(super) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = match TcpStream::connect(address).await {
        // Who closes at once may have done so before this is known to be open, and has read nothing.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return String::new(),
        connected => connected.unwrap(),
    };
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    // A reset after the answer is an end too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
