//! A control plane of one snapshot: our ADS machine behind gRPC, for whoever connects.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::{Buf as _, Bytes, BytesMut};
use h2::{RecvStream, server::SendResponse};
use http::{Request, Response};
use prost::Message as _;
use xds::{ads::server::Delta, discovery::DeltaDiscoveryRequest, snapshot::Snapshot};

/// What proxies refused, by what they said.
pub(crate) type Refusals = Arc<Mutex<Vec<String>>>;

/// Serves a snapshot until the process ends.
pub(crate) fn serve(snapshot: Snapshot) -> (SocketAddr, Refusals) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let refusals = Refusals::default();
    let (snapshot, kept) = (Arc::new(snapshot), refusals.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                let (snapshot, kept) = (snapshot.clone(), kept.clone());
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(converse(snapshot.clone(), kept.clone(), request, respond));
                    }
                });
            }
        });
    });
    (address, refusals)
}

/// One stream of `DeltaAggregatedResources`.
async fn converse(
    snapshot: Arc<Snapshot>,
    refusals: Refusals,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    assert!(request.uri().path().ends_with("/DeltaAggregatedResources"), "{}", request.uri());
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let Ok(mut out) = respond.send_response(head, false) else { return };
    let mut body = request.into_body();
    let (mut machine, start, mut buffer) = (Delta::new(), Instant::now(), BytesMut::new());
    loop {
        let piece = match machine.next_wake() {
            None => body.data().await,
            Some(due) => tokio::select! {
                piece = body.data() => piece,
                () = tokio::time::sleep_until((start + due).into()) => {
                    for response in machine.on_wake(start.elapsed()) {
                        send(&mut out, &response.encode_delta());
                    }
                    continue;
                }
            },
        };
        let Some(Ok(piece)) = piece else { return };
        body.flow_control().release_capacity(piece.len()).ok();
        buffer.extend_from_slice(&piece);
        while let Some(message) = message(&mut buffer) {
            let request = DeltaDiscoveryRequest::decode(message).unwrap();
            if let Some(why) = &request.error_detail {
                refusals.lock().unwrap().push(why.message.clone());
            }
            for response in machine.on_request(start.elapsed(), &request, &snapshot) {
                send(&mut out, &response.encode_delta());
            }
        }
    }
}

/// One message of gRPC, when it is whole.
fn message(buffer: &mut BytesMut) -> Option<Bytes> {
    let length = buffer.get(1..5)?;
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    let length = usize::try_from(length).ok()?;
    if buffer.len() < 5 + length {
        return None;
    }
    buffer.advance(5);
    Some(buffer.split_to(length).freeze())
}

fn send(out: &mut h2::SendStream<Bytes>, message: &[u8]) {
    let length = u32::try_from(message.len()).expect("a message of ours").to_be_bytes();
    let framed = [&[0], &length[..], message].concat();
    // A proxy that left does not listen any more.
    out.send_data(framed.into(), false).ok();
}
