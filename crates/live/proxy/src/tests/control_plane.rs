//! The whole way from a control plane: a gRPC server with the house's own ADS machine behind it.

use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use xds::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use xds::snapshot::{CLUSTER, ENDPOINT, LISTENER};

use super::backend::Backend;
use super::client::{get, once, text};
use super::{PATIENCE, Proxy, assignment, eds_cluster, listener, resource, to};
use crate::Options;

/// One connection of the proxy, seen from the control plane.
struct Session {
    requests: mpsc::UnboundedReceiver<DeltaDiscoveryRequest>,
    responses: mpsc::UnboundedSender<DeltaDiscoveryResponse>,
}

/// Accepts proxies; each connection is a session.
async fn control_plane() -> (SocketAddr, mpsc::UnboundedReceiver<Session>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sessions, accepted) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sessions = sessions.clone();
            tokio::spawn(async move {
                let mut connection = ::h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    assert_eq!(
                        request.uri().path(),
                        "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
                    );
                    let (to_test, requests) = mpsc::unbounded_channel();
                    let (responses, from_test) = mpsc::unbounded_channel();
                    tokio::spawn(read(request.into_body(), to_test));
                    tokio::spawn(write(respond, from_test));
                    let _ = sessions.send(Session { requests, responses });
                }
            });
        }
    });
    (address, accepted)
}

async fn read(mut body: ::h2::RecvStream, requests: mpsc::UnboundedSender<DeltaDiscoveryRequest>) {
    let mut buf = BytesMut::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        buf.extend_from_slice(&data);
        while buf.len() >= 5 {
            let length = u32::from_be_bytes([buf[1], buf[2], buf[3], buf[4]]) as usize;
            if buf.len() < length + 5 {
                break;
            }
            buf.advance(5);
            let message = DeltaDiscoveryRequest::decode(buf.split_to(length)).unwrap();
            let _ = requests.send(message);
        }
    }
}

async fn write(
    mut respond: ::h2::server::SendResponse<Bytes>,
    mut responses: mpsc::UnboundedReceiver<DeltaDiscoveryResponse>,
) {
    let head = http::Response::builder().header("content-type", "application/grpc").body(());
    let Ok(mut stream) = respond.send_response(head.unwrap(), false) else { return };
    while let Some(response) = responses.recv().await {
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(response.encoded_len()).unwrap());
        response.encode(&mut framed).unwrap();
        if stream.send_data(framed.freeze(), false).is_err() {
            return;
        }
    }
    // The sender is gone: the control plane hangs up.
    stream.send_reset(::h2::Reason::CANCEL);
}

impl Session {
    async fn next(&mut self) -> DeltaDiscoveryRequest {
        timeout(PATIENCE, self.requests.recv()).await.unwrap().expect("the session goes on")
    }

    fn send<M>(&self, type_url: &str, name: &str, nonce: &str, resources: &[Value])
    where
        M: Message + serde::de::DeserializeOwned,
    {
        let resources = resources.iter().map(|value| {
            let (name, version, body) = resource::<M>(value, name);
            let any = xds::wkt::Any { type_url: type_url.to_owned(), value: body.to_vec() };
            xds::discovery::Resource { name, version, resource: Some(any), ..Default::default() }
        });
        let response = DeltaDiscoveryResponse {
            resources: resources.collect(),
            type_url: type_url.to_owned(),
            nonce: nonce.to_owned(),
            ..Default::default()
        };
        self.responses.send(response).unwrap();
    }
}

#[tokio::test]
async fn a_proxy_subscribes_acknowledges_refuses_and_comes_back() {
    let backend = Backend::named("a").await;
    let (address, mut sessions) = control_plane().await;
    let node = xds::core::Node { id: "sidecar~1~a.b~c".to_owned(), ..Default::default() };
    let options = Options { node, discovery: Some(address.to_string()), ..Options::default() };
    let proxy = Proxy::with(options);
    let mut session = timeout(PATIENCE, sessions.recv()).await.unwrap().unwrap();
    let first = session.next().await;
    assert_eq!(first.type_url, CLUSTER);
    assert_eq!(first.node.unwrap().id, "sidecar~1~a.b~c");
    assert_eq!(session.next().await.type_url, LISTENER);
    assert_eq!(proxy.admin("GET", "/ready").await.0, 503);

    session.send::<xds::cluster::Cluster>(CLUSTER, "name", "1", &[eds_cluster("x")]);
    let ack = session.next().await;
    assert_eq!((ack.response_nonce.as_str(), ack.error_detail), ("1", None));
    let subscribe = session.next().await;
    assert_eq!(subscribe.type_url, ENDPOINT);
    assert_eq!(subscribe.resource_names_subscribe, ["x"]);
    let hosts = [assignment("x", &[backend.address])];
    session.send::<xds::endpoint::ClusterLoadAssignment>(ENDPOINT, "cluster_name", "2", &hosts);
    assert_eq!(session.next().await.response_nonce, "2");
    session.send::<xds::listener::Listener>(LISTENER, "name", "3", &[listener("in", &[to("x")])]);
    assert_eq!(session.next().await.response_nonce, "3");
    // Acknowledged is in force.
    let proxied = proxy.address("in").await;
    assert_eq!(text(once(proxied, get("/")).await).await, "a");
    assert_eq!(proxy.admin("GET", "/ready").await.0, 200);

    // A refusal says why, and the old configuration stays.
    let mut broken = listener("in", &[to("x")]);
    broken["filter_chains"] = serde_json::json!([{"filters": [{"name": "no.such.filter"}]}]);
    session.send::<xds::listener::Listener>(LISTENER, "name", "4", &[broken]);
    let nack = session.next().await;
    assert_eq!(nack.response_nonce, "4");
    assert!(nack.error_detail.unwrap().message.contains("in"));
    assert_eq!(text(once(proxied, get("/")).await).await, "a");

    // Without its control plane it serves on, and comes back with what it has.
    drop(session);
    let mut session = timeout(PATIENCE, sessions.recv()).await.unwrap().unwrap();
    assert_eq!(text(once(proxied, get("/")).await).await, "a");
    let again = session.next().await;
    assert_eq!(again.type_url, CLUSTER);
    assert_eq!(again.initial_resource_versions["x"], "1");
}
