//! A small client of the API: HTTP/2 over TLS with the administrator's certificate.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where a server is, and how it and the administrator prove who they are.
pub(crate) struct Trust {
    tls: TlsConnector,
    address: String,
}

impl Trust {
    /// Reads the home of a server that has started.
    pub(crate) fn of(home: &Path) -> Result<Trust> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(home.join("ca.crt"))?)?;
        let certificate = CertificateDer::from_pem_file(home.join("client.crt"))?;
        let key = PrivateKeyDer::from_pem_file(home.join("client.key"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let kubeconfig = std::fs::read_to_string(home.join("kubeconfig"))?;
        let (_, rest) = kubeconfig.split_once("https://").context("a kubeconfig has a server")?;
        let address = rest
            .split(|letter: char| letter.is_whitespace() || letter == '"')
            .next()
            .unwrap_or_default();
        Ok(Trust { tls: TlsConnector::from(Arc::new(config)), address: address.to_owned() })
    }

    pub(crate) async fn connect(&self) -> Result<Client> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(ServerName::try_from("localhost")?, stream).await?;
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // It ends with the server, and each request under way then fails.
        tokio::spawn(connection);
        Ok(Client { sender, address: self.address.clone() })
    }
}

/// One connection, shared.
#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    address: String,
}

impl Client {
    /// Asks and reads the whole answer: its code and its document. An error means that there is
    /// no whole answer.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(u16, Value)> {
        let answer = self.send(method, path, body).await?;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await?.to_bytes();
        Ok((code, serde_json::from_slice(&bytes)?))
    }

    /// Watches a collection after a revision.
    pub(crate) async fn watch(&self, path: &str, since: u64) -> Result<Frames> {
        let path = format!("{path}?watch=1&resourceVersion={since}");
        let answer = self.send(Method::GET, &path, &Value::Null).await?;
        let code = answer.status().as_u16();
        Ok(Frames { code, body: answer.into_body(), unread: Vec::new() })
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Response<Incoming>> {
        let content = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.address))
            .header(header::CONTENT_TYPE, content)
            .body(Full::new(body))?;
        let mut sender = self.sender.clone();
        sender.ready().await?;
        Ok(sender.send_request(request).await?)
    }
}

/// The frames of a watch.
pub(crate) struct Frames {
    /// The HTTP code; frames come with 200 only.
    pub(crate) code: u16,
    body: Incoming,
    unread: Vec<u8>,
}

impl Frames {
    /// The next frame; nothing at the end. A call that is dropped loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            match self.body.frame().await.transpose()? {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        self.unread.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}
