//! Who gets a certificate, who may subscribe, and who gets nothing.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use base64::Engine as _;
use bytes::Bytes;
use controllers::certificates::{ROTATE, Validity};
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response, Uri, uri::PathAndQuery};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use prost::Message as _;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, SanType};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tonic::{Code, Status, body::Body, client::Grpc};
use xds::{
    snapshot::CLUSTER,
    spiffe::{
        Identity,
        ca::{CREATE_CERTIFICATE, CertificateRequest, CertificateResponse, IMPERSONATED},
    },
    wkt,
};

use super::{
    super::{
        Running,
        identity::{authority, authority::Authority, callers::of_certificate},
        streams::Raw,
    },
    FakeApi, Proxy, STAFF, mesh, proxy, until,
};

/// One connection over TLS.
pub(super) struct Wire(http2::SendRequest<Body>);

impl tower_service::Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, hyper::Result<Response<Incoming>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.send_request(request).boxed()
    }
}

/// A certificate (with those between it and a root) and its key.
type Card = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn card(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Card {
    (chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

async fn connect(server: SocketAddr, roots: &str, card: Option<Card>) -> std::io::Result<Wire> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        store.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store);
    let mut tls = match card {
        Some((chain, key)) => tls.with_client_auth_cert(chain, key).unwrap(),
        None => tls.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("istiod.istio-system.svc").unwrap();
    let stream = TcpStream::connect(server).await?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)?;
    tokio::spawn(connection);
    Ok(Wire(sender))
}

/// The roots, as a pod of this namespace finds them.
async fn roots(api: &FakeApi, namespace: &str) -> String {
    let read = || {
        let map = api.object("configmaps", namespace, "istio-ca-root-cert")?;
        Some(map["data"]["root-cert.pem"].as_str()?.to_owned())
    };
    until("the roots are told", async || read().is_some()).await;
    read().unwrap()
}

async fn start() -> (FakeApi, Running, String) {
    let (api, running) = mesh().await;
    api.put(json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "client", "namespace": "default"}}));
    let roots = roots(&api, "default").await;
    (api, running, roots)
}

/// A request that names somebody else.
fn request(key: &KeyPair) -> CertificateRequest {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    let other = "spiffe://cluster.local/ns/bank/sa/till".to_owned();
    parameters.subject_alt_names = vec![SanType::URI(other.try_into().unwrap())];
    let csr = parameters.serialize_request(key).unwrap().pem().unwrap();
    CertificateRequest { csr, ..Default::default() }
}

async fn create(
    wire: Wire,
    token: Option<&str>,
    request: &CertificateRequest,
) -> Result<CertificateResponse, Status> {
    let origin = Uri::from_static("https://istiod.istio-system.svc");
    let mut grpc = Grpc::with_origin(wire, origin);
    grpc.ready().await.unwrap();
    let mut call = tonic::Request::new(Bytes::from(request.encode_to_vec()));
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        call.metadata_mut().insert("authorization", value);
    }
    let answer = grpc.unary(call, PathAndQuery::from_static(CREATE_CERTIFICATE), Raw).await?;
    Ok(CertificateResponse::decode(answer.into_inner()).unwrap())
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

/// The CA itself, as only who may read its Secret has it.
fn stolen(api: &FakeApi) -> Authority {
    let secret = api.object("secrets", "istio-system", authority::OWN).unwrap();
    Authority::read(&serde_json::from_value(secret).unwrap(), Timestamp::now()).unwrap()
}

const CLIENT: &str = "good:default:client";

#[tokio::test]
async fn a_workload_gets_a_certificate_for_itself_whatever_it_asks_for() {
    let (api, running, roots) = start().await;
    let server = running.addresses.secure;
    let key = KeyPair::generate().unwrap();
    let wire = connect(server, &roots, None).await.unwrap();
    let answer = create(wire, Some(CLIENT), &request(&key)).await.unwrap();
    assert_eq!(answer.cert_chain.len(), 2);
    let (chain, told) = answer.parts().unwrap();
    assert_eq!(told, roots, "the last part is what to trust");
    let chain = certificates(&chain);
    let own = Identity::new("cluster.local", "default", "client");
    assert_eq!(of_certificate(&chain[0]), Ok(own.clone()));
    let (validity, _) = authority::facts(&chain[0]).unwrap();
    let day = validity.until.duration_since(Timestamp::now());
    assert!((SignedDuration::from_hours(23)..=SignedDuration::from_hours(24)).contains(&day));

    // The certificate is a proof too: for the next one, and for a stream.
    let proof = || Some(card(chain.clone(), &key));
    let hour = CertificateRequest { validity_duration: 3600, ..request(&key) };
    let wire = connect(server, &roots, proof()).await.unwrap();
    let renewed = create(wire, None, &hour).await.unwrap();
    let renewed = certificates(&renewed.cert_chain[0]);
    assert_eq!(of_certificate(&renewed[0]), Ok(own));
    let (validity, _) = authority::facts(&renewed[0]).unwrap();
    let hour_left = validity.until.duration_since(Timestamp::now());
    assert!(hour_left <= SignedDuration::from_hours(1), "{hour_left:?}");
    let wire = connect(server, &roots, proof()).await.unwrap();
    let mut stream = Proxy::secure(wire, None, proxy::node(super::SIDECAR)).await.unwrap();
    stream.until(|has| has.contains(CLUSTER, STAFF)).await;

    // Without its ServiceAccount, a certificate is not renewed.
    api.delete(&json!({"kind": "ServiceAccount",
        "metadata": {"name": "client", "namespace": "default"}}));
    let wire = connect(server, &roots, proof()).await.unwrap();
    let refused = create(wire, None, &request(&key)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    let (_, metrics) = proxy::get(running.addresses.debug, "/metrics").await;
    for line in ["citadel_server_csr_count 3", "citadel_server_success_cert_issuance_count 2"] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    running.stop().await;
}

#[tokio::test]
async fn who_cannot_prove_who_it_is_gets_nothing() {
    let (_api, running, roots) = start().await;
    let server = running.addresses.secure;
    let key = KeyPair::generate().unwrap();
    for (token, said) in [
        (None, "say who you are"),
        (Some("expired:default:client"), "expired"),
        (Some("vault:default:client"), "not valid"),
        (Some("blind:default:client"), "audience"),
        (Some("person:x:y"), "not one of a ServiceAccount"),
        (Some("good:default"), "not one of a ServiceAccount"),
        (Some(""), "say who you are"),
    ] {
        let wire = connect(server, &roots, None).await.unwrap();
        let refused = create(wire, token, &request(&key)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{token:?}: {refused:?}");
        assert!(refused.message().contains(said), "{token:?}: {}", refused.message());
        let told = token.is_some_and(|it| !it.is_empty() && refused.message().contains(it));
        assert!(!told, "the token is not told again");
        let wire = connect(server, &roots, None).await.unwrap();
        let stream = Proxy::secure(wire, token, proxy::node(super::SIDECAR)).await;
        let refused = stream.err().expect("the stream does not begin");
        assert_eq!(refused.code(), Code::Unauthenticated, "{token:?}: {refused:?}");
    }
    let long = format!("good:{}", "x".repeat(9000));
    let wire = connect(server, &roots, None).await.unwrap();
    let refused = create(wire, Some(&long), &request(&key)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(running.shared.connections.count(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_not_of_the_mesh_opens_nothing() {
    let (api, running, roots) = start().await;
    let server = running.addresses.secure;
    let (key, now) = (KeyPair::generate().unwrap(), Timestamp::now());
    let client = Identity::new("cluster.local", "default", "client");
    let strange = authority::new_root("istio-system", "cluster.local", now).unwrap();
    let (ours, theirs) = (stolen(&api), Authority::read(&strange, now).unwrap());
    let hour = SignedDuration::from_hours(1);
    let soon = Validity { from: now - hour, until: now + hour };
    let over = Validity { from: now - hour * 2, until: now - hour };
    let mut parameters = CertificateParams::default();
    parameters.subject_alt_names = vec![SanType::URI(client.to_string().try_into().unwrap())];
    let alone = parameters.self_signed(&key).unwrap();
    let expired = ours.workload(&key, &client, over).unwrap().chain;
    let foreign = theirs.workload(&key, &client, soon).unwrap().chain;
    let no_client = ours.serving(&["web.default.svc".to_owned()], &key, now).unwrap().chain;
    // These fail in the handshake, which the caller sees at its first call at the latest.
    for (what, chain) in [
        ("self-signed", vec![alone.der().clone()]),
        ("expired", expired),
        ("of another root", foreign),
        ("for servers only", no_client),
    ] {
        let Ok(wire) = connect(server, &roots, Some(card(chain, &key))).await else { continue };
        // A good token does not help whoever shows a bad certificate.
        let refused = create(wire, Some(CLIENT), &request(&key)).await;
        assert!(refused.is_err(), "{what}");
    }
    let elsewhere = Identity { trust_domain: "elsewhere".to_owned(), ..client.clone() };
    let elsewhere = ours.workload(&key, &elsewhere, soon).unwrap().chain;
    let wire = connect(server, &roots, Some(card(elsewhere, &key))).await.unwrap();
    let refused = create(wire, None, &request(&key)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("elsewhere"), "{}", refused.message());
    running.stop().await;
}

#[tokio::test]
async fn a_stream_must_be_of_the_identity_that_it_proves() {
    let (_api, running, roots) = start().await;
    let server = running.addresses.secure;
    let node = |id: &str, account: &str| {
        let mut node = proxy::node(id);
        if !account.is_empty() {
            let kind = Some(wkt::value::Kind::StringValue(account.to_owned()));
            let fields = [("SERVICE_ACCOUNT".to_owned(), wkt::Value { kind })];
            node.metadata = Some(wkt::Struct { fields: fields.into() });
        }
        node
    };
    let other = "sidecar~10.244.0.9~till.bank~bank.svc.cluster.local";
    for (id, account) in [(other, ""), (super::SIDECAR, "till")] {
        let wire = connect(server, &roots, None).await.unwrap();
        let mut stream = Proxy::secure(wire, Some(CLIENT), node(id, account)).await.unwrap();
        let refused = stream.ends().await;
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    }
    let wire = connect(server, &roots, None).await.unwrap();
    let mut stream =
        Proxy::secure(wire, Some(CLIENT), node(super::SIDECAR, "client")).await.unwrap();
    stream.until(|has| has.contains(CLUSTER, STAFF)).await;
    running.stop().await;
}

#[tokio::test]
async fn a_request_for_somebody_else_or_without_a_key_is_refused() {
    let (_api, running, roots) = start().await;
    let key = KeyPair::generate().unwrap();
    let kind = Some(wkt::value::Kind::StringValue("spiffe://cluster.local/ns/a/sa/b".to_owned()));
    let fields = [(IMPERSONATED.to_owned(), wkt::Value { kind })];
    let metadata = Some(wkt::Struct { fields: fields.into() });
    let garbage = |csr: String| CertificateRequest { csr, ..Default::default() };
    for (request, code) in [
        (CertificateRequest { metadata, ..request(&key) }, Code::PermissionDenied),
        (garbage(String::new()), Code::InvalidArgument),
        (garbage("x".repeat(20 << 10)), Code::InvalidArgument),
        (garbage("x".repeat(100 << 10)), Code::OutOfRange),
    ] {
        let wire = connect(running.addresses.secure, &roots, None).await.unwrap();
        let refused = create(wire, Some(CLIENT), &request).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_roots_are_kept_in_every_namespace() {
    let (api, running, first) = start().await;
    assert_eq!(certificates(&first).len(), 1);
    api.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later"}}));
    assert_eq!(roots(&api, "later").await, first);
    let mut map = api.object("configmaps", "later", "istio-ca-root-cert").unwrap();
    map["data"]["root-cert.pem"] = json!("somebody's");
    api.put(map.clone());
    until("put right", async || roots(&api, "later").await == first).await;
    api.delete(&map);
    assert_eq!(roots(&api, "later").await, first);
    // A pod that comes before the watch has told of its namespace finds them too.
    until("ready", async || super::get(&running, "/ready").await.0 == 200).await;
    let kind = "mutatingwebhookconfigurations";
    let bundle = api.object(kind, "", "istio-sidecar-injector").unwrap();
    let bundle = bundle.pointer("/webhooks/0/clientConfig/caBundle").and_then(Value::as_str);
    api.put_silently(json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "fresh", "labels": {"istio-injection": "enabled"}}}));
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "namespace": "fresh", "operation": "CREATE", "object": super::pod("new", "", "new")}});
    proxy::post(running.addresses.webhook, bundle.unwrap(), "/inject", &review).await;
    assert!(api.object("configmaps", "fresh", "istio-ca-root-cert").is_some());
    running.stop().await;
}

#[tokio::test]
async fn a_root_that_a_person_wishes_is_trusted_before_it_signs() {
    let (api, running, first) = start().await;
    let mut secret = api.object("secrets", "istio-system", authority::OWN).unwrap();
    secret["metadata"]["annotations"][ROTATE] = json!("");
    api.put(secret);
    until("both roots are told", async || certificates(&roots(&api, "default").await).len() == 2)
        .await;
    let both = roots(&api, "default").await;
    assert!(both.starts_with(&first), "the one that signs comes first");
    let webhooks = api.object("mutatingwebhookconfigurations", "", "istio-sidecar-injector");
    let bundle = base64::engine::general_purpose::STANDARD.encode(&both);
    until("the API server trusts both", async || {
        let webhooks = api.object("mutatingwebhookconfigurations", "", "istio-sidecar-injector");
        webhooks.is_some_and(|it| it["webhooks"][0]["clientConfig"]["caBundle"] == bundle.as_str())
    })
    .await;
    assert!(webhooks.is_some());
    // Who knows only the old root is served as before.
    let key = KeyPair::generate().unwrap();
    let wire = connect(running.addresses.secure, &first, None).await.unwrap();
    let answer = create(wire, Some(CLIENT), &request(&key)).await.unwrap();
    assert_eq!(answer.cert_chain.last(), Some(&both));
    running.stop().await;
}

#[tokio::test]
async fn a_root_whose_secret_was_deleted_is_trusted_beside_the_next() {
    let (api, running, first) = start().await;
    api.delete(&json!({"kind": "Secret",
        "metadata": {"name": authority::OWN, "namespace": "istio-system"}}));
    until("another root is told", async || roots(&api, "default").await != first).await;
    let now = roots(&api, "default").await;
    assert!(now.ends_with(&first) && certificates(&now).len() == 2);
    running.stop().await;
}

#[tokio::test]
async fn a_plugged_in_ca_takes_over_and_a_broken_one_does_not() {
    let (api, running, first) = start().await;
    let other = authority::new_root("istio-system", "cluster.local", Timestamp::now()).unwrap();
    let put = |mut secret: Secret| {
        secret.metadata.name = Some(authority::PLUGGED_IN.to_owned());
        let mut secret = serde_json::to_value(secret).unwrap();
        secret["kind"] = json!("Secret");
        api.put(secret);
    };
    let mut broken = other.clone();
    let data = broken.data.as_mut().unwrap();
    data.insert("ca-key.pem".to_owned(), ByteString(b"nonsense".to_vec()));
    put(broken);
    let key = KeyPair::generate().unwrap();
    let wire = connect(running.addresses.secure, &first, None).await.unwrap();
    create(wire, Some(CLIENT), &request(&key)).await.unwrap();
    put(other);
    until("the plugged-in root is told", async || roots(&api, "default").await != first).await;
    let now = roots(&api, "default").await;
    let wire = connect(running.addresses.secure, &now, None).await.unwrap();
    let answer = create(wire, Some(CLIENT), &request(&key)).await.unwrap();
    assert_eq!(answer.cert_chain.last(), Some(&now));
    running.stop().await;
}
