//! A proxy as the control plane sees it: a stream of either protocol, and what it has been told.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use base64::Engine as _;
use bytes::Bytes;
use http::{Uri, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::Value;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    client::{Grpc, GrpcService},
    transport::Channel,
};
use xds::{
    ads::client::{Delta, Wanted},
    core::{BuildVersion, Node, node::UserAgentVersionType},
    discovery::{DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse},
    endpoint::{ClusterLoadAssignment, lb_endpoint::HostIdentifier},
    kind::SemanticVersion,
    listener::Listener,
    route::{RouteConfiguration, route::Action, route_action::ClusterSpecifier},
    snapshot::{CLUSTER, ENDPOINT, LISTENER, ROUTE},
};

use super::super::streams::{DELTA, Raw, SOTW};
use super::{PATIENCE, identity::Wire};

/// What a proxy has been told.
#[derive(Debug, Default)]
pub(super) struct Has {
    resources: BTreeMap<String, BTreeMap<String, Bytes>>,
    /// Types in the order in which they were told.
    order: Vec<String>,
    pub(super) refused: usize,
}

impl Has {
    pub(super) fn contains(&self, type_url: &str, name: &str) -> bool {
        self.resources.get(type_url).is_some_and(|all| all.contains_key(name))
    }

    fn names(&self, type_url: &str) -> BTreeSet<String> {
        self.resources.get(type_url).into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// Addresses of a cluster's endpoints.
    pub(super) fn endpoints(&self, cluster: &str) -> Vec<String> {
        let Some(body) = self.resources.get(ENDPOINT).and_then(|all| all.get(cluster)) else {
            return Vec::new();
        };
        let load = ClusterLoadAssignment::decode(body.clone()).unwrap();
        let mut out = Vec::new();
        for endpoint in load.endpoints.into_iter().flat_map(|locality| locality.lb_endpoints) {
            let Some(HostIdentifier::Endpoint(endpoint)) = endpoint.host_identifier else {
                continue;
            };
            if let Some(xds::core::address::Address::SocketAddress(socket)) =
                endpoint.address.and_then(|a| a.address)
            {
                let Some(xds::core::socket_address::PortSpecifier::PortValue(port)) =
                    socket.port_specifier
                else {
                    continue;
                };
                out.push(format!("{}:{port}", socket.address));
            }
        }
        out.sort();
        out
    }

    /// Weights of the first weighted route.
    pub(super) fn weights(&self, route: &str) -> Vec<u32> {
        let Some(body) = self.resources.get(ROUTE).and_then(|all| all.get(route)) else {
            return Vec::new();
        };
        let routes = RouteConfiguration::decode(body.clone()).unwrap();
        for route in routes.virtual_hosts.into_iter().flat_map(|host| host.routes) {
            if let Some(Action::Route(action)) = route.action
                && let Some(ClusterSpecifier::WeightedClusters(weighted)) = action.cluster_specifier
            {
                return weighted
                    .clusters
                    .iter()
                    .map(|cluster| cluster.weight.unwrap_or_default())
                    .collect();
            }
        }
        Vec::new()
    }

    /// Names of the routes that the listeners refer to.
    fn route_names(&self) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for body in self.resources.get(LISTENER).into_iter().flat_map(BTreeMap::values) {
            let listener = Listener::decode(body.clone()).unwrap();
            for filter in listener
                .filter_chains
                .into_iter()
                .chain(listener.default_filter_chain)
                .flat_map(|c| c.filters)
            {
                use xds::{
                    filters::HttpConnectionManager,
                    filters::http_connection_manager::RouteSpecifier,
                };
                let Some(xds::listener::filter::ConfigType::TypedConfig(any)) = filter.config_type
                else {
                    continue;
                };
                let Ok(manager) = any.unpack::<HttpConnectionManager>() else { continue };
                if let Some(RouteSpecifier::Rds(rds)) = manager.route_specifier {
                    out.insert(rds.route_config_name);
                }
            }
        }
        out
    }
}

enum Client {
    Delta(Box<Delta>),
    Sotw(Box<World>),
}

/// A client of the state of the world.
struct World {
    node: Node,
    /// Version and nonce that were seen last, by type.
    answered: BTreeMap<String, (String, String)>,
    /// Names that were asked for last, by type.
    asked: BTreeMap<String, BTreeSet<String>>,
}

pub(super) struct Proxy {
    client: Client,
    has: Has,
    refuses: Option<(String, String)>,
    out: mpsc::Sender<Bytes>,
    responses: Streaming<Bytes>,
}

impl Proxy {
    pub(super) async fn delta(server: SocketAddr, id: &str) -> Self {
        let mut client = Delta::new(node(id));
        client.want(CLUSTER, Wanted::All);
        client.want(LISTENER, Wanted::All);
        let first =
            client.connected().iter().map(|request| request.encode_to_vec().into()).collect();
        Self::open(server, DELTA, Client::Delta(Box::new(client)), first).await.unwrap()
    }

    pub(super) async fn sotw(server: SocketAddr, id: &str) -> Self {
        let first = [CLUSTER, LISTENER].map(|type_url| {
            let request = DiscoveryRequest {
                node: Some(envoy(id)),
                type_url: type_url.into(),
                ..Default::default()
            };
            Bytes::from(request.encode_to_vec())
        });
        let client = Client::Sotw(Box::new(World {
            node: envoy(id),
            answered: BTreeMap::new(),
            asked: BTreeMap::new(),
        }));
        Self::open(server, SOTW, client, first.into()).await.unwrap()
    }

    /// The status with which a stream ends that begins with this node.
    pub(super) async fn refused(server: SocketAddr, id: &str) -> Status {
        let mut client = Delta::new(node(id));
        client.want(CLUSTER, Wanted::All);
        let first =
            client.connected().iter().map(|request| request.encode_to_vec().into()).collect();
        match Self::open(server, DELTA, Client::Delta(Box::new(client)), first).await {
            Err(status) => status,
            Ok(mut proxy) => proxy.responses.message().await.unwrap_err(),
        }
    }

    /// A proxy that proves who it is.
    pub(super) async fn secure(
        wire: Wire,
        token: Option<&str>,
        node: Node,
    ) -> Result<Self, Status> {
        let mut client = Delta::new(node);
        client.want(CLUSTER, Wanted::All);
        let first =
            client.connected().iter().map(|request| request.encode_to_vec().into()).collect();
        let origin = Uri::from_static("https://istiod.istio-system.svc");
        let grpc = Grpc::with_origin(wire, origin);
        Self::open_on(grpc, token, DELTA, Client::Delta(Box::new(client)), first).await
    }

    /// The status with which a stream ends at once.
    pub(super) async fn ends(&mut self) -> Status {
        tokio::time::timeout(PATIENCE, self.responses.message()).await.unwrap().unwrap_err()
    }

    async fn open(
        server: SocketAddr,
        method: &'static str,
        client: Client,
        first: Vec<Bytes>,
    ) -> Result<Self, Status> {
        let channel =
            Channel::from_shared(format!("http://{server}")).unwrap().connect().await.unwrap();
        Self::open_on(Grpc::new(channel), None, method, client, first).await
    }

    async fn open_on<T>(
        mut grpc: Grpc<T>,
        token: Option<&str>,
        method: &'static str,
        client: Client,
        first: Vec<Bytes>,
    ) -> Result<Self, Status>
    where
        T: GrpcService<tonic::body::Body>,
        T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
        <T::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (out, requests) = mpsc::channel(64);
        for request in first {
            out.send(request).await.unwrap();
        }
        grpc.ready().await.map_err(|_| Status::unknown("not ready"))?;
        let mut request = tonic::Request::new(ReceiverStream::new(requests));
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let responses =
            grpc.streaming(request, PathAndQuery::from_static(method), Raw).await?.into_inner();
        Ok(Self { client, has: Has::default(), refuses: None, out, responses })
    }

    /// Refuses all responses of a type from now on.
    pub(super) fn refuse(&mut self, type_url: &str, why: &str) {
        self.refuses = Some((type_url.to_owned(), why.to_owned()));
    }

    pub(super) fn has(&self) -> &Has {
        &self.has
    }

    /// Types told since the last call.
    pub(super) fn order(&self) -> Vec<String> {
        self.has.order.clone()
    }

    /// Takes in responses until something holds.
    pub(super) async fn until(&mut self, holds: impl Fn(&Has) -> bool) {
        while !holds(&self.has) {
            let message = tokio::time::timeout(PATIENCE, self.responses.message()).await;
            let Ok(message) = message else {
                panic!("never; the proxy has {:#?}", summary(&self.has))
            };
            self.take(message.unwrap().expect("the stream goes on")).await;
        }
    }

    /// Takes in what has come.
    pub(super) async fn turn(&mut self) {
        let soon = std::time::Duration::from_millis(5);
        while let Ok(message) = tokio::time::timeout(soon, self.responses.message()).await {
            self.take(message.unwrap().expect("the stream goes on")).await;
        }
    }

    async fn take(&mut self, bytes: Bytes) {
        let requests = match &mut self.client {
            Client::Delta(client) => delta(client, &mut self.has, self.refuses.as_ref(), bytes),
            Client::Sotw(world) => sotw(world, &mut self.has, bytes),
        };
        for request in requests {
            self.out.send(request).await.unwrap();
        }
    }
}

fn delta(
    client: &mut Delta,
    has: &mut Has,
    refuses: Option<&(String, String)>,
    bytes: Bytes,
) -> Vec<Bytes> {
    let change = client.on_response(DeltaDiscoveryResponse::decode(bytes).unwrap());
    has.order.push(change.type_url.clone());
    let mut requests = Vec::new();
    if let Some((_, why)) = refuses.filter(|(type_url, _)| *type_url == change.type_url) {
        has.refused += 1;
        requests.push(client.nack(&change, why));
    } else {
        let all = has.resources.entry(change.type_url.clone()).or_default();
        for (name, _, body) in &change.upserts {
            all.insert(name.clone(), body.clone());
        }
        for name in &change.removed {
            all.remove(name);
        }
        requests.push(client.ack(&change));
        match change.type_url.as_str() {
            CLUSTER => requests.extend(client.want(ENDPOINT, Wanted::Names(eds(has)))),
            LISTENER => requests.extend(client.want(ROUTE, Wanted::Names(has.route_names()))),
            _ => {}
        }
    }
    requests.iter().map(|request| request.encode_to_vec().into()).collect()
}

/// Clusters that ask for endpoints.
fn eds(has: &Has) -> BTreeSet<String> {
    has.names(CLUSTER).into_iter().filter(|name| name.starts_with("outbound|")).collect()
}

fn sotw(world: &mut World, has: &mut Has, bytes: Bytes) -> Vec<Bytes> {
    let World { node, answered, asked } = world;
    let response = DiscoveryResponse::decode(bytes).unwrap();
    let type_url = response.type_url.clone();
    has.order.push(type_url.clone());
    let all = has.resources.entry(type_url.clone()).or_default();
    if [CLUSTER, LISTENER].contains(&type_url.as_str()) {
        all.clear();
    }
    for resource in response.resources {
        let name = match type_url.as_str() {
            CLUSTER => xds::cluster::Cluster::decode(resource.value.as_slice()).unwrap().name,
            LISTENER => Listener::decode(resource.value.as_slice()).unwrap().name,
            ROUTE => RouteConfiguration::decode(resource.value.as_slice()).unwrap().name,
            _ => ClusterLoadAssignment::decode(resource.value.as_slice()).unwrap().cluster_name,
        };
        all.insert(name, resource.value.into());
    }
    answered.insert(type_url.clone(), (response.version_info, response.nonce));
    let (eds, rds) = (eds(has), has.route_names());
    has.resources.entry(ENDPOINT.into()).or_default().retain(|name, _| eds.contains(name));
    let mut speak = vec![type_url];
    for (type_url, names) in [(ENDPOINT, eds), (ROUTE, rds)] {
        if !names.is_empty() && asked.get(type_url) != Some(&names) {
            asked.insert(type_url.into(), names);
            if speak[0] != type_url {
                speak.push(type_url.into());
            }
        }
    }
    let request = |type_url: &String| {
        let (version_info, response_nonce) = answered.get(type_url).cloned().unwrap_or_default();
        let resource_names = asked.get(type_url).cloned().unwrap_or_default().into_iter().collect();
        let node = Some(node.clone());
        DiscoveryRequest {
            node,
            type_url: type_url.clone(),
            version_info,
            response_nonce,
            resource_names,
            ..Default::default()
        }
    };
    speak.iter().map(|type_url| request(type_url).encode_to_vec().into()).collect()
}

fn summary(has: &Has) -> BTreeMap<&str, Vec<&String>> {
    has.resources.iter().map(|(type_url, all)| (type_url.as_str(), all.keys().collect())).collect()
}

pub(super) fn node(id: &str) -> Node {
    Node { id: id.into(), user_agent_name: "lateen".into(), ..Node::default() }
}

/// Envoy introduces itself so.
fn envoy(id: &str) -> Node {
    let version = UserAgentVersionType::UserAgentBuildVersion(BuildVersion {
        version: Some(SemanticVersion { major_number: 1, minor_number: 40, patch: 0 }),
        ..BuildVersion::default()
    });
    let user_agent_version_type = Some(version);
    Node { user_agent_name: "envoy".into(), user_agent_version_type, ..node(id) }
}

/// A page over plain HTTP.
pub(super) async fn get(server: SocketAddr, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(server).await.unwrap();
    let request =
        http::Request::get(path).header("host", "istiod").body(Full::<Bytes>::default()).unwrap();
    let (status, body) = exchange(stream, request).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A call of the API server to a webhook, which trusts the CA of the configuration alone.
pub(super) async fn post(server: SocketAddr, bundle: &str, path: &str, body: &Value) -> Value {
    let pem = base64::engine::general_purpose::STANDARD.decode(bundle).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("istiod.istio-system.svc").unwrap();
    let stream = TcpStream::connect(server).await.unwrap();
    let stream =
        tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
    let request = http::Request::post(path)
        .header("host", "istiod.istio-system.svc")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let (status, body) = exchange(stream, request).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

async fn exchange(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    request: http::Request<Full<Bytes>>,
) -> (u16, Bytes) {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}
