//! A small HTTP client for probes and hooks: one request, one answer, inside a pod.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// No more of an answer is read.
const BODY_MAX: usize = 10 << 10;

/// Sends a GET by HTTP/1.1 and returns the status and the beginning of the body.
pub(crate) async fn get(
    stream: TcpStream,
    tls: bool,
    request: Request<Full<Bytes>>,
) -> io::Result<(u16, Bytes)> {
    if tls {
        let name = ServerName::IpAddress(stream.peer_addr()?.ip().into());
        let stream = connector().connect(name, stream).await?;
        one(stream, request).await
    } else {
        one(stream, request).await
    }
}

async fn one<S>(stream: S, request: Request<Full<Bytes>>) -> io::Result<(u16, Bytes)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let answer = send.send_request(request).await.map_err(io::Error::other);
    let result = async {
        let answer = answer?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), BODY_MAX).collect().await;
        Ok((status, body.map(http_body_util::Collected::to_bytes).unwrap_or_default()))
    };
    let result = result.await;
    connection.abort();
    result
}

/// Asks `grpc.health.v1.Health/Check` and returns the serving status's number.
///
/// Spec: gRPC Health Checking Protocol.
pub(crate) async fn grpc_health(stream: TcpStream, service: &str) -> Result<u8, String> {
    let text = |e: hyper::Error| e.to_string();
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(text)?;
    let connection = tokio::spawn(connection);
    let mut message = Vec::new();
    if let (false, Ok(len)) = (service.is_empty(), u8::try_from(service.len())) {
        message.extend([0x0a, len]);
        message.extend_from_slice(service.as_bytes());
    }
    let mut body = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap_or(0)];
    body.extend(message);
    let request = Request::builder()
        .method(Method::POST)
        .uri("http://localhost/grpc.health.v1.Health/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from(body)))
        .map_err(|e| e.to_string())?;
    let result = async {
        let answer: Response<hyper::body::Incoming> =
            send.send_request(request).await.map_err(text)?;
        let early = answer.headers().get("grpc-status").cloned();
        let collected = answer.into_body().collect().await.map_err(text)?;
        let late = collected.trailers().and_then(|t| t.get("grpc-status").cloned());
        let status = early.or(late);
        let status = status.as_ref().and_then(|s| s.to_str().ok()).unwrap_or("2");
        if status != "0" {
            return Err(format!("the health service answered with gRPC status {status}"));
        }
        // Five bytes of framing, then field 1 as a varint; absent means UNKNOWN.
        Ok(collected.to_bytes().get(6).copied().unwrap_or(0))
    };
    let result = result.await;
    connection.abort();
    result
}

fn connector() -> tokio_rustls::TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody { provider }))
        .with_no_client_auth();
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

/// A probe asks whether the program answers, not who it is. Spec: Kubernetes, HTTP probes:
/// "the kubelet skips the certificate verification".
#[derive(Debug)]
struct Anybody {
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
