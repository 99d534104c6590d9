//! xDS over gRPC, on raw bytes: responses are spliced from resources that were encoded once.
//!
//! Spec: `envoy.service.discovery.v3.AggregatedDiscoveryService`.

use std::{
    future::{Ready, ready},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::{Buf as _, BufMut as _, Bytes};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, StreamingService},
};

use xds::spiffe::{Identity, ca::CREATE_CERTIFICATE};

use super::{
    Shared, ads,
    identity::{callers, signing},
    serve::Peer,
};

/// The delta method.
pub(super) const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
/// The method of the state of the world.
pub(super) const SOTW: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

/// Largest request: a proxy that comes back names the versions of all that it has.
const LARGEST_REQUEST: usize = 64 << 20;
/// What is thrown away of a stranger's request, in bytes, and how long that is waited for.
const DISCARDED: usize = 16 << 10;
const PATIENCE: Duration = Duration::from_millis(250);
/// Responses that wait for the network.
const WAITING: usize = 16;

/// Answers one gRPC call of somebody who must prove who it is: before that, nothing of its body is looked at.
pub(super) async fn secure(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    peer: &Peer,
) -> Response<Body> {
    let path = request.uri().path();
    let signs = path == CREATE_CERTIFICATE;
    if !signs && ![DELTA, SOTW].contains(&path) {
        return unknown(path);
    }
    match callers::caller(&shared, peer.certificate.as_ref(), request.headers()).await {
        Ok(caller) => {
            peer.known.store(true, Ordering::Release);
            if signs {
                signing::call(shared, caller, request).await
            } else {
                call(shared, request, Some(caller.identity)).await
            }
        }
        Err(status) => {
            discard(request.into_body()).await;
            status.into_http()
        }
    }
}

/// Throws away what a stranger still sends, for a moment and up to a bound: some clients make of an answer in the middle of their
/// request a reset without reason.
async fn discard(body: Incoming) {
    let mut body = Limited::new(body, DISCARDED);
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whoever sends longer gets its answer all the same.
    tokio::time::timeout(PATIENCE, rest).await.ok();
}

/// Answers one gRPC call for xDS, of a proxy that has proven its identity, or of anybody.
pub(super) async fn call(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    identity: Option<Identity>,
) -> Response<Body> {
    let protocol = match request.uri().path() {
        DELTA => ads::Protocol::Delta,
        SOTW => ads::Protocol::Sotw,
        other => return unknown(other),
    };
    let mut grpc = Grpc::new(Raw).max_decoding_message_size(LARGEST_REQUEST);
    grpc.streaming(Streams { shared, protocol, identity }, request).await
}

fn unknown(path: &str) -> Response<Body> {
    tracing::debug!("unknown gRPC method {path}");
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static("12"));
    headers.insert("grpc-message", HeaderValue::from_static("no such method is served here"));
    response
}

struct Streams {
    shared: Arc<Shared>,
    protocol: ads::Protocol,
    identity: Option<Identity>,
}

impl StreamingService<Bytes> for Streams {
    type Response = Bytes;
    type ResponseStream = ReceiverStream<Result<Bytes, Status>>;
    type Future = Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let (out, responses) = mpsc::channel(WAITING);
        let (shared, protocol) = (Arc::clone(&self.shared), self.protocol);
        let identity = self.identity.take();
        tokio::spawn(async move {
            if let Err(status) =
                ads::converse(shared, protocol, identity, request.into_inner(), out.clone()).await
            {
                let _ = out.send(Err(status)).await;
            }
        });
        ready(Ok(tonic::Response::new(ReceiverStream::new(responses))))
    }
}

/// Messages as the bytes that they are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}
