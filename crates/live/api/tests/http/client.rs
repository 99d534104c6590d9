//! A server of its own for each test, and a client that speaks to it over TLS.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use api::{Config, Credentials, Server};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// No step of a test takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that goes away with the test.
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new() -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lateen-api-http-{}-{number}", std::process::id());
        Home(std::env::temp_dir().join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The permission bits of one file, or of the home itself.
    pub(crate) fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.0.join(name)).unwrap().permissions().mode() & 0o777
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Starts a server on a free port with this home.
pub(crate) async fn serve(home: &Home) -> Server {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let advertise = listener.local_addr().unwrap();
    api::start(Config {
        home: home.path().to_owned(),
        listeners: vec![listener],
        names: vec!["api.example".to_owned(), "10.244.0.1".to_owned()],
        advertise,
        kubelet: home.path().join("kubelet.sock"),
        dial: api::dial_directly(),
    })
    .await
    .unwrap()
}

/// Who the client says it is.
#[derive(Clone)]
pub(crate) enum Who {
    Admin,
    Token(String),
    Nobody,
}

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    credentials: Credentials,
    pub(crate) who: Who,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The body, which must have come with this code.
    #[track_caller]
    pub(crate) fn expect(&self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let all = self.headers.get_all(header::WARNING).iter();
        all.map(|value| value.to_str().unwrap().to_owned()).collect()
    }
}

impl Client {
    pub(crate) fn new(server: &Server) -> Client {
        Client { address: server.addresses[0], credentials: server.admin.clone(), who: Who::Admin }
    }

    pub(crate) fn with(&self, who: Who) -> Client {
        Client { who, ..self.clone() }
    }

    /// A TLS connection, with these protocols offered.
    pub(crate) async fn connect(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.credentials.ca_pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.who {
            Who::Admin => builder
                .with_client_auth_cert(
                    vec![
                        CertificateDer::from_pem_slice(self.credentials.certificate_pem.as_bytes())
                            .unwrap(),
                    ],
                    PrivateKeyDer::from_pem_slice(self.credentials.key_pem.as_bytes()).unwrap(),
                )
                .unwrap(),
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("kubernetes.default.svc").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// Sends one request; the body of the answer is still to be read.
    pub(crate) async fn open(&self, mut request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = self.connect(&[b"http/1.1"]).await;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        if let Who::Token(token) = &self.who {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        request.headers_mut().insert(header::HOST, "localhost".parse().unwrap());
        tokio::time::timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap();
        Answer { code: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> Answer {
        let request = Request::get(path).header(header::ACCEPT, accept);
        self.send(request.body(Full::default()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Request::delete(path).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.write(Method::POST, path, "application/json", body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.write(Method::PUT, path, "application/json", body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, content_type: &str, body: &Value) -> Answer {
        self.write(Method::PATCH, path, content_type, body.to_string()).await
    }

    pub(crate) async fn write(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, content_type)
            .body(Full::new(body.into()))
            .unwrap();
        self.send(request).await
    }

    /// Begins a watch.
    pub(crate) async fn watch(&self, path: &str) -> Frames {
        let response = self.open(Request::get(path).body(Full::default()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        Frames { body: response.into_body(), rest: Vec::new() }
    }
}

/// One connection for many requests.
pub(crate) struct Line(http1::SendRequest<Full<Bytes>>);

impl Client {
    pub(crate) async fn line(&self) -> Line {
        let stream = self.connect(&[b"http/1.1"]).await;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Line(sender)
    }
}

impl Line {
    /// Sends a merge patch, which must succeed.
    pub(crate) async fn merge(&mut self, path: &str, patch: &Value) {
        let request = Request::patch(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/merge-patch+json")
            .body(Full::new(patch.to_string().into()))
            .unwrap();
        let answer = self.0.send_request(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body().collect().await.unwrap();
    }
}

/// The frames of a watch, as they come.
pub(crate) struct Frames {
    body: Incoming,
    rest: Vec<u8>,
}

impl Frames {
    /// The next frame; nothing at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.unwrap();
            match frame {
                Some(frame) => self.rest.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                None => return None,
            }
        }
    }

    /// The type and the name of the object of the next frame.
    pub(crate) async fn told(&mut self) -> (String, String) {
        let frame = self.next().await.expect("the watch goes on");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&frame["type"]), text(&frame["object"]["metadata"]["name"]))
    }
}
