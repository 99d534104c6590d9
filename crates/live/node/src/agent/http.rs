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
        let body = Limited::new(answer.into_body(), BODY_MAX);
        let collected = body.collect().await.map_err(|error| error.to_string())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;
    use hyper::body::{Frame, Incoming};
    use std::convert::Infallible;

    /// A health service that answers once: with this status for `name`, with NOT_FOUND for others.
    async fn health(name: &'static str, serving: u8) -> std::net::SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let service =
                hyper::service::service_fn(move |request: Request<Incoming>| async move {
                    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                    let asked = request.into_body().collect().await.unwrap().to_bytes();
                    let mut wanted = vec![0, 0, 0, 0, 0];
                    if !name.is_empty() {
                        wanted[4] = u8::try_from(name.len() + 2).unwrap();
                        wanted.extend([0x0a, u8::try_from(name.len()).unwrap()]);
                        wanted.extend(name.as_bytes());
                    }
                    let known = asked == wanted;
                    let data = if known { vec![0, 0, 0, 0, 2, 8, serving] } else { Vec::new() };
                    let status = if known { "0" } else { "5" };
                    let trailers = [("grpc-status".parse().unwrap(), status.parse().unwrap())];
                    let frames = [
                        Ok::<_, Infallible>(Frame::data(Bytes::from(data))),
                        Ok(Frame::trailers(trailers.into_iter().collect())),
                    ];
                    let body = StreamBody::new(futures_util::stream::iter(frames));
                    let answer = Response::builder().header("content-type", "application/grpc");
                    answer.body(body)
                });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.serve_connection(TokioIo::new(stream), service).await.ok();
        });
        address
    }

    #[tokio::test]
    async fn a_grpc_probe_reads_the_serving_status() {
        for (name, serving, asked, wanted) in
            [("", 1, "", Ok(1)), ("shop", 2, "shop", Ok(2)), ("shop", 1, "other", Err("status 5"))]
        {
            let stream = TcpStream::connect(health(name, serving).await).await.unwrap();
            let found = grpc_health(stream, asked).await;
            match (found, wanted) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
                (Err(found), Err(wanted)) => assert!(found.contains(wanted), "{found}"),
                (found, _) => unreachable!("{found:?}"),
            }
        }
    }
}
