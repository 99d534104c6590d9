//! TLS on either side: who is let in, who is believed, and what is agreed on.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use xds::snapshot::SECRET;

use super::backend::Backend;
use super::client::Client;
use super::{Proxy, cluster, http2_cluster, listener, tcp_listener, to};

/// A root, and what it signs.
struct Root(CertifiedIssuer<'static, KeyPair>);

impl Root {
    fn new(name: &str) -> Root {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Root(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn validation(&self, names: &[Value]) -> Value {
        json!({"trusted_ca": {"inline_string": self.0.pem()}, "match_typed_subject_alt_names": names})
    }

    /// A certificate of these names and its key; `over`: its time is over.
    fn sign(&self, names: &[&str], over: bool) -> Value {
        let mut params = CertificateParams::default();
        for name in names {
            params.subject_alt_names.push(match name.contains("://") {
                true => SanType::URI((*name).try_into().unwrap()),
                false => SanType::DnsName((*name).try_into().unwrap()),
            });
        }
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Fleet, Inc");
        params.distinguished_name.push(DnType::CommonName, "leaf");
        if over {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.0).unwrap();
        json!({"certificate_chain": {"inline_string": signed.pem()},
            "private_key": {"inline_string": key.serialize_pem()}})
    }
}

const A: &str = "spiffe://cluster.local/ns/a/sa/a";
const B: &str = "spiffe://cluster.local/ns/b/sa/b";

fn socket(kind: &str, mut config: Value) -> Value {
    config["@type"] = json!(format!(
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}TlsContext"
    ));
    json!({"name": "envoy.transport_sockets.tls", "typed_config": config})
}

fn secured(mut listener: Value, config: Value) -> Value {
    listener["filter_chains"][0]["transport_socket"] = socket("Downstream", config);
    listener
}

fn through(mut cluster: Value, config: Value) -> Value {
    cluster["transport_socket"] = socket("Upstream", config);
    cluster
}

fn uri(name: &str) -> Value {
    json!({"san_type": "URI", "matcher": {"exact": name}})
}

/// A proxy that asks itself: a plain listener, TLS between, and an application.
struct Pair {
    proxy: Proxy,
    backend: Backend,
    secure: SocketAddr,
    plain: SocketAddr,
}

impl Pair {
    async fn start(server: Value) -> Pair {
        let backend = Backend::named("app").await;
        let listeners =
            [secured(listener("secure", &[to("app")]), server), listener("plain", &[to("tls")])];
        let proxy = Proxy::start(&[cluster("app", &[backend.address])], &listeners).await;
        let (secure, plain) = (proxy.address("secure").await, proxy.address("plain").await);
        Pair { proxy, backend, secure, plain }
    }

    /// Status and body of a request through this client context.
    async fn ask(&self, client: Value) -> (u16, String) {
        let clusters = [
            cluster("app", &[self.backend.address]),
            through(cluster("tls", &[self.secure]), client),
        ];
        self.proxy.clusters(&clusters).await.unwrap();
        Client::connect(self.plain).await.get("/x").await
    }
}

#[tokio::test]
async fn both_sides_prove_who_they_are() {
    let (root, other) = (Root::new("root"), Root::new("other"));
    let server = json!({"require_client_certificate": true, "common_tls_context": {
        "tls_certificates": [root.sign(&[B], false)],
        "validation_context": root.validation(&[json!({"san_type": "URI", "matcher": {"prefix": "spiffe://cluster.local/"}})]),
        "alpn_protocols": ["h2", "http/1.1"]}});
    let pair = Pair::start(server).await;
    let client = |certificate: Option<Value>, validation: Value| {
        let certificates: Vec<Value> = certificate.into_iter().collect();
        json!({"sni": "outbound_.80_._.b.b.svc.cluster.local", "common_tls_context": {"tls_certificates": certificates,
            "validation_context": validation,
            "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}}})
    };
    let own = || Some(root.sign(&[A], false));
    assert_eq!(pair.ask(client(own(), root.validation(&[uri(B)]))).await, (200, "app".into()));
    for (what, certificate, validation) in [
        ("the server is somebody else", own(), root.validation(&[uri(A)])),
        ("its root is unknown", own(), other.validation(&[])),
        ("no certificate", None, root.validation(&[uri(B)])),
        ("one that is over", Some(root.sign(&[A], true)), root.validation(&[uri(B)])),
        ("one of another root", Some(other.sign(&[A], false)), root.validation(&[uri(B)])),
        (
            "one of another trust domain",
            Some(root.sign(&["spiffe://evil/ns/a/sa/a"], false)),
            root.validation(&[uri(B)]),
        ),
    ] {
        let (status, body) = pair.ask(client(certificate, validation)).await;
        assert_eq!(status, 503, "{what}: {body}");
        assert!(!body.contains("TLS"), "strangers are not told why: {body}");
    }
    assert_eq!(pair.ask(client(own(), root.validation(&[uri(B)]))).await, (200, "app".into()));
    let (_, dump) = pair.proxy.admin("GET", "/config_dump").await;
    assert!(dump.contains("[redacted]") && dump.contains("BEGIN CERTIFICATE"));
    let key = root.sign(&[A], false)["private_key"]["inline_string"].to_string();
    let line = key.split("\\n").nth(1).unwrap();
    assert!(!dump.contains(&line[..12]), "the first bytes of every such key are the same");
}

#[tokio::test]
async fn a_plain_client_is_no_client_and_a_slow_one_is_given_up() {
    let root = Root::new("root");
    let mut server = secured(
        listener("secure", &[to("app")]),
        json!({"common_tls_context": {"tls_certificates": [root.sign(&["a.example"], false)]}}),
    );
    server["filter_chains"][0]["transport_socket_connect_timeout"] = json!("0.2s");
    let proxy = Proxy::start(&[], &[server]).await;
    let address = proxy.address("secure").await;
    let answer = super::client::raw(address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!answer.contains("HTTP"), "{answer}");
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut end = [0; 1];
    let read = tokio::time::timeout(super::PATIENCE, silent.read(&mut end)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn http_2_and_bytes_pass_and_large_bodies_arrive_whole() {
    let root = Root::new("root");
    let server = json!({"common_tls_context": {"tls_certificates": [root.sign(&["a.example"], false)], "alpn_protocols": ["h2", "http/1.1"]}});
    let backend = Backend::http1(|request| async move {
        let body = super::backend::body_of(request).await;
        http::Response::new(super::client::full(body))
    })
    .await;
    let listeners = [
        secured(listener("secure", &[to("app")]), server.clone()),
        secured(tcp_listener("secure-bytes", "app"), server),
        listener("plain", &[to("tls")]),
        listener("auto", &[to("auto")]),
        listener("over-bytes", &[to("bytes")]),
    ];
    let proxy = Proxy::start(&[cluster("app", &[backend.address])], &listeners).await;
    let client = json!({"sni": "a.example", "auto_sni_san_validation": true, "common_tls_context": {"validation_context": root.validation(&[])}});
    let (secure, bytes) = (proxy.address("secure").await, proxy.address("secure-bytes").await);
    let mut auto = through(cluster("auto", &[secure]), client.clone());
    auto["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "auto_config": {},
        }
    });
    let clusters = [
        cluster("app", &[backend.address]),
        through(http2_cluster("tls", &[secure]), client.clone()),
        auto,
        through(cluster("bytes", &[bytes]), client),
    ];
    proxy.clusters(&clusters).await.unwrap();
    let body = Bytes::from(vec![b'x'; 3 << 20]);
    for name in ["plain", "auto", "over-bytes"] {
        let mut client = Client::connect(proxy.address(name).await).await;
        for _ in 0..2 {
            let answer = client.send(super::client::post("/", body.clone())).await;
            assert_eq!(answer.status(), 200, "{name}");
            assert_eq!(super::client::bytes(answer).await.len(), body.len(), "{name}");
        }
    }
}

fn secret(value: Value) -> super::Resource {
    let secret: xds::tls::Secret = serde_json::from_value(value.clone()).unwrap();
    (value["name"].as_str().unwrap().to_owned(), "1".to_owned(), secret.encode_to_vec().into())
}

#[tokio::test]
async fn a_listener_waits_for_its_secret_and_a_new_one_counts_for_new_connections() {
    let (root, later) = (Root::new("root"), Root::new("later"));
    let sds = json!({"name": "kubernetes://shop", "sds_config": {"ads": {}}});
    let server = json!({"common_tls_context": {"tls_certificate_sds_secret_configs": [sds]}});
    let backend = Backend::named("app").await;
    let listeners = [secured(listener("secure", &[to("app")]), server)];
    let proxy = Proxy::start(&[cluster("app", &[backend.address])], &listeners).await;
    assert!(!proxy.addresses().await.contains_key("secure"), "it has nothing to show yet");
    let given = |root: &Root| {
        let value = json!({"name": "kubernetes://shop", "tls_certificate": root.sign(&["shop.example"], false)});
        secret(value)
    };
    proxy.apply(SECRET, vec![given(&root)], &[]).await.unwrap();
    let address = proxy.address("secure").await;
    let mut first = handshake(address, &root).await.unwrap();
    proxy.apply(SECRET, vec![given(&later)], &[]).await.unwrap();
    assert!(handshake(address, &root).await.is_err(), "the old one is not shown any more");
    handshake(address, &later).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200", "a connection that stands goes on");
    let bad = json!({"name": "kubernetes://shop", "tls_certificate": {"certificate_chain": {"inline_string": later.0.pem()}, "private_key": {"inline_string": "no key"}}});
    let why = proxy.apply(SECRET, vec![secret(bad)], &[]).await.unwrap_err();
    assert!(why.contains("Failed to load private key") && !why.contains("no key\""), "{why}");
    handshake(address, &later).await.unwrap();
}

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

async fn handshake(address: SocketAddr, root: &Root) -> std::io::Result<Stream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.0.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = "shop.example".try_into().unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}
