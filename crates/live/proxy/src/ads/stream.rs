//! One delta ADS stream: length-prefixed protobuf both ways on one HTTP/2 stream.
//!
//! Spec: gRPC over HTTP/2; Envoy `AggregatedDiscoveryService.DeltaAggregatedResources`.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use tokio::time::timeout;
use xds::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};

use crate::h2::{io_error, send_data};
use crate::wire::Wire;

const METHOD: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
/// Largest response; a mesh of 10,000 services stays below it.
const MESSAGE_BYTES: usize = 256 * 1024 * 1024;
/// A connection without a sign of life is asked for one this often.
const PING_EVERY: Duration = Duration::from_secs(20);
/// And given up when none comes.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    send: ::h2::SendStream<Bytes>,
    receive: Receive,
    buf: BytesMut,
    connection: tokio::task::JoinHandle<()>,
}

/// A server may send its head together with the first message only.
#[derive(Debug)]
enum Receive {
    Head(::h2::client::ResponseFuture),
    Body(::h2::RecvStream),
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Stream {
    /// Opens a stream on a fresh connection.
    pub(crate) async fn open(wire: Wire, authority: &str) -> io::Result<Stream> {
        let io = wire.with_prefix(Bytes::new());
        let mut builder = ::h2::client::Builder::new();
        builder.initial_window_size(4 << 20).initial_connection_window_size(8 << 20);
        let (send_request, mut connection) = builder.handshake(io).await.map_err(io_error)?;
        let pings = connection.ping_pong();
        let connection = tokio::task::spawn_local(async move {
            tokio::select! {
                _ = connection => {}
                () = keep_asking(pings) => {}
            }
        });
        let mut ready = send_request.ready().await.map_err(io_error)?;
        let request = http::Request::builder()
            .method("POST")
            .version(http::Version::HTTP_2)
            .uri(format!("http://{authority}{METHOD}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", concat!("lateen/", env!("CARGO_PKG_VERSION")))
            .body(())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let (head, send) = ready.send_request(request, false).map_err(io_error)?;
        Ok(Stream { send, receive: Receive::Head(head), buf: BytesMut::new(), connection })
    }

    /// Sends one request.
    pub(crate) async fn send(&mut self, request: &DeltaDiscoveryRequest) -> io::Result<()> {
        let length = request.encoded_len();
        let mut framed = BytesMut::with_capacity(length + 5);
        framed.put_u8(0);
        framed.put_u32(u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?);
        request.encode(&mut framed).map_err(|_| io::ErrorKind::InvalidInput)?;
        send_data(&mut self.send, framed.freeze()).await
    }

    /// The next response, or why the stream ended. Safe to cancel.
    pub(crate) async fn next(&mut self) -> io::Result<DeltaDiscoveryResponse> {
        loop {
            if let Some(response) = self.take_message()? {
                return Ok(response);
            }
            match &mut self.receive {
                Receive::Head(head) => {
                    let response = head.await.map_err(io_error)?;
                    check_head(&response)?;
                    self.receive = Receive::Body(response.into_body());
                }
                Receive::Body(body) => match poll_fn(|cx| body.poll_data(cx)).await {
                    Some(data) => {
                        let data = data.map_err(io_error)?;
                        let _ = body.flow_control().release_capacity(data.len());
                        self.buf.extend_from_slice(&data);
                    }
                    None => {
                        let trailers =
                            poll_fn(|cx| body.poll_trailers(cx)).await.map_err(io_error)?;
                        return Err(ended(&trailers.unwrap_or_default()));
                    }
                },
            }
        }
    }

    fn take_message(&mut self) -> io::Result<Option<DeltaDiscoveryResponse>> {
        let Some(prefix) = self.buf.get(..5) else { return Ok(None) };
        if prefix[0] != 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a compressed gRPC message"));
        }
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        if length > MESSAGE_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a gRPC message over 256 MiB"));
        }
        if self.buf.len() < length + 5 {
            return Ok(None);
        }
        self.buf.advance(5);
        let message = self.buf.split_to(length).freeze();
        DeltaDiscoveryResponse::decode(message)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// A gRPC server that refuses says so in the head.
fn check_head<B>(response: &http::Response<B>) -> io::Result<()> {
    if response.headers().contains_key("grpc-status") {
        return Err(ended(response.headers()));
    }
    if response.status() != http::StatusCode::OK {
        return Err(io::Error::other(format!("the control plane answered {}", response.status())));
    }
    Ok(())
}

fn ended(trailers: &http::HeaderMap) -> io::Error {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    let status = text("grpc-status").unwrap_or("none");
    let message = text("grpc-message").unwrap_or("no message");
    io::Error::other(format!("the stream ended with grpc-status {status}: {message}"))
}

/// Ends when the peer stops answering.
async fn keep_asking(pings: Option<::h2::PingPong>) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        tokio::time::sleep(PING_EVERY).await;
        let pong = timeout(PING_TIMEOUT, pings.ping(::h2::Ping::opaque())).await;
        if !matches!(pong, Ok(Ok(_))) {
            return;
        }
    }
}
