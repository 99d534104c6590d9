//! Istio's certificate service: signs the key of a caller for the identity that the caller has proven.
//!
//! Spec: `istio.v1.auth.IstioCertificateService`. As Istio's, it takes nothing from the request but the public key and the wished
//! life; names in it are ignored.

use std::sync::Arc;

use bytes::Bytes;
use controllers::certificates;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use prost::Message as _;
use tonic::{
    Status,
    body::Body,
    server::{Grpc, UnaryService},
};
use xds::spiffe::ca::{CertificateRequest, CertificateResponse, IMPERSONATED};

use super::{
    super::{Shared, streams::Raw},
    authority::{pem, requested_key},
    callers::{Caller, still_there},
};

/// Largest request in bytes.
const LARGEST: usize = 64 << 10;

/// Answers one call of a caller who has proven who it is.
pub(crate) async fn call(
    shared: Arc<Shared>,
    caller: Caller,
    request: Request<Incoming>,
) -> Response<Body> {
    let mut grpc = Grpc::new(Raw).max_decoding_message_size(LARGEST);
    grpc.unary(Signing { shared, caller }, request).await
}

struct Signing {
    shared: Arc<Shared>,
    caller: Caller,
}

impl UnaryService<Bytes> for Signing {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (shared, caller) = (Arc::clone(&self.shared), self.caller.clone());
        async move {
            let answer = sign(&shared, &caller, request.into_inner()).await;
            shared.metrics.signing(answer.is_ok());
            if let Err(status) = &answer {
                tracing::info!(identity = %caller.identity, "no certificate: {}", status.message());
            }
            answer.map(|answer| tonic::Response::new(answer.encode_to_vec().into()))
        }
        .boxed()
    }
}

async fn sign(
    shared: &Shared,
    caller: &Caller,
    request: Bytes,
) -> Result<CertificateResponse, Status> {
    let request = CertificateRequest::decode(request).map_err(|error| {
        Status::invalid_argument(format!("not an IstioCertificateRequest: {error}"))
    })?;
    let other = request.metadata.as_ref().is_some_and(|it| it.fields.contains_key(IMPERSONATED));
    if other {
        return Err(Status::permission_denied(format!(
            "{} may have a certificate for itself only, not on behalf of another",
            caller.identity
        )));
    }
    let key = requested_key(&request.csr).map_err(Status::invalid_argument)?;
    still_there(shared, caller).await?;
    let authority = shared
        .identities
        .authority()
        .ok_or_else(|| Status::unavailable("the CA is not there yet; try again"))?;
    let asked = (request.validity_duration > 0)
        .then(|| SignedDuration::from_secs(request.validity_duration));
    let validity =
        certificates::grant(asked, authority.validity, Timestamp::now()).map_err(|_| {
            tracing::error!("the CA has expired: no certificate can be given");
            Status::unavailable("the CA has expired")
        })?;
    let signed = authority.workload(&key, &caller.identity, validity).map_err(|error| {
        tracing::error!("a certificate cannot be signed: {error:#}");
        Status::internal("the certificate cannot be signed")
    })?;
    tracing::info!(identity = %caller.identity, until = %validity.until, by = ?caller.proof, "certificate given");
    let (leaf, between) = signed.chain.split_at(1);
    let mut cert_chain = vec![pem(leaf)];
    if !between.is_empty() {
        cert_chain.push(pem(between));
    }
    cert_chain.push(authority.roots_pem());
    Ok(CertificateResponse { cert_chain })
}
