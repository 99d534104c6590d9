//! One call of a webhook: connect, TLS against its own bundle, POST, read the answer.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use objects::Value;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::endpoint::{At, Place};
use crate::Dial;

/// Answers are patches of objects; larger ones than a whole object with its patch are a mistake.
const ANSWER_BYTES: usize = 6 * 1024 * 1024;
/// Connections kept open to one webhook, and places that are remembered.
const IDLE: usize = 8;
const PLACES: usize = 64;

type Sender = SendRequest<Full<Bytes>>;

/// Calls webhooks, and keeps connections to them open: many pods begin at once.
pub(crate) struct Caller {
    dial: Dial,
    /// By place and bundle.
    idle: Mutex<BTreeMap<(At, String), Vec<Sender>>>,
    trust: Mutex<BTreeMap<String, Arc<ClientConfig>>>,
}

impl Caller {
    pub(crate) fn new(dial: Dial) -> Caller {
        Caller { dial, idle: Mutex::default(), trust: Mutex::default() }
    }

    /// Sends `review` to a place and reads the answer.
    pub(crate) async fn call(
        &self,
        place: &Place,
        bundle: &str,
        review: &Value,
    ) -> Result<Value, String> {
        let body = serde_json::to_vec(review).map_err(|error| error.to_string())?;
        let body = Bytes::from(body);
        let key = (place.at.clone(), bundle.to_owned());
        // A connection that was idle may have been closed by the other side just now.
        while let Some(mut sender) = self.take(&key) {
            if sender.ready().await.is_err() {
                continue;
            }
            if let Ok(answer) = exchange(&mut sender, place, body.clone()).await {
                self.give_back(key, sender);
                return answer;
            }
        }
        let mut sender = self.connect(place, bundle).await?;
        let answer = exchange(&mut sender, place, body).await.map_err(|error| error.to_string())?;
        self.give_back(key, sender);
        answer
    }

    fn take(&self, key: &(At, String)) -> Option<Sender> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key)?.pop()
    }

    fn give_back(&self, key: (At, String), sender: Sender) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= PLACES && !idle.contains_key(&key) {
            idle.clear();
        }
        let senders = idle.entry(key).or_default();
        if senders.len() < IDLE {
            senders.push(sender);
        }
    }

    async fn connect(&self, place: &Place, bundle: &str) -> Result<Sender, String> {
        let config = self.trusting(bundle)?;
        let name = ServerName::try_from(place.server_name.clone())
            .map_err(|_| format!("{:?} is not a server name", place.server_name))?;
        let stream = self.stream(&place.at).await.map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(|error| format!("tls: {error}"))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a webhook ended");
            }
        });
        Ok(sender)
    }

    async fn stream(&self, at: &At) -> io::Result<TcpStream> {
        let stream = match at {
            At::Pod(address) => (self.dial)(*address).await?,
            At::Host(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// The client's side of TLS that trusts what a `caBundle` holds.
    fn trusting(&self, bundle: &str) -> Result<Arc<ClientConfig>, String> {
        let mut trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = trust.get(bundle) {
            return Ok(config.clone());
        }
        let config = Arc::new(client_config(bundle)?);
        if trust.len() >= PLACES {
            trust.clear();
        }
        trust.insert(bundle.to_owned(), config.clone());
        Ok(config)
    }
}

fn client_config(bundle: &str) -> Result<ClientConfig, String> {
    let text: String = bundle.split_whitespace().collect();
    let pem = STANDARD.decode(text).map_err(|error| format!("caBundle is not base64: {error}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate =
            certificate.map_err(|error| format!("caBundle cannot be read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("caBundle cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err("caBundle holds no certificate, so the webhook cannot be trusted".to_owned());
    }
    Ok(ClientConfig::builder_with_provider(crate::pki::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// One request on a connection. The outer error means that the connection is no good.
async fn exchange(
    sender: &mut Sender,
    place: &Place,
    body: Bytes,
) -> Result<Result<Value, String>, hyper::Error> {
    let request = Request::post(&place.path)
        .header(header::HOST, &place.authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Full::new(body));
    let request = match request {
        Ok(request) => request,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = match Limited::new(answer.into_body(), ANSWER_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Ok(Err(format!("the answer could not be read: {error}"))),
    };
    if status != StatusCode::OK {
        let text: String = String::from_utf8_lossy(&body).chars().take(200).collect();
        return Ok(Err(format!("the webhook answered {status}: {}", text.trim())));
    }
    Ok(serde_json::from_slice(&body).map_err(|error| format!("the answer is not JSON: {error}")))
}
