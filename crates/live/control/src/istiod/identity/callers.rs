//! Who calls: a certificate of the mesh, or a ServiceAccount's token that the Kubernetes API vouches for.

use std::time::Duration;

use http::{HeaderMap, header::AUTHORIZATION};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};
use rustls_pki_types::CertificateDer;
use tonic::Status;
use x509_parser::extensions::GeneralName;
use xds::spiffe::Identity;

use super::super::Shared;

/// The audience that tokens must have been made for, so that a token for somebody else's eyes is of no use here.
pub(crate) const AUDIENCE: &str = "istio-ca";
/// Longest token; those of Kubernetes have about 1 kB.
const LONGEST_TOKEN: usize = 8 << 10;
/// How long the Kubernetes API may take to answer, turns included.
const PATIENCE: Duration = Duration::from_secs(10);

/// By what a caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Certificate,
    Token,
}

/// Somebody who has proven who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) proof: Proof,
}

/// Finds out who calls. A certificate has been verified by the handshake; with one, no token is looked at.
///
/// # Errors
/// `Unauthenticated` with the reason, or `Unavailable` when the Kubernetes API cannot be asked.
pub(crate) async fn caller(
    shared: &Shared,
    certificate: Option<&CertificateDer<'static>>,
    headers: &HeaderMap,
) -> Result<Caller, Status> {
    let found = match certificate {
        Some(certificate) => by_certificate(shared, certificate),
        None => by_token(shared, headers).await,
    };
    found.inspect_err(|status| {
        shared.metrics.not_authenticated();
        tracing::debug!("a caller is refused: {}", status.message());
    })
}

fn by_certificate(
    shared: &Shared,
    certificate: &CertificateDer<'static>,
) -> Result<Caller, Status> {
    let identity = of_certificate(certificate).map_err(Status::unauthenticated)?;
    let domains = shared.identities.domains();
    if !domains.knows(&identity.trust_domain) {
        return Err(Status::unauthenticated(format!(
            "the certificate is of trust domain {:?}, which is not of this mesh",
            identity.trust_domain
        )));
    }
    // Former names of the mesh mean the same workload.
    let identity = Identity { trust_domain: domains.own, ..identity };
    Ok(Caller { identity, proof: Proof::Certificate })
}

/// The one identity that a certificate names.
///
/// Spec: X509-SVID, section 2: exactly one URI.
pub(crate) fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Identity, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|_| "the certificate cannot be read".to_owned())?;
    if parsed.is_ca() {
        return Err("the certificate is one of a CA, not of a workload".to_owned());
    }
    let names = parsed
        .subject_alternative_name()
        .map_err(|_| "the names of the certificate cannot be read".to_owned())?;
    let uris =
        names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
    match uris.collect::<Vec<_>>().as_slice() {
        [uri] => uri.parse().map_err(|error| format!("the certificate names nobody: {error}")),
        uris => Err(format!("the certificate has {} URIs, where it must have one", uris.len())),
    }
}

async fn by_token(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Status> {
    let token = bearer(headers)?;
    let _turn = tokio::time::timeout(PATIENCE, shared.identities.reviews.acquire())
        .await
        .map_err(|_| Status::resource_exhausted("too many callers at once; try again"))?;
    let review = TokenReview {
        spec: TokenReviewSpec {
            audiences: Some(vec![AUDIENCE.to_owned()]),
            token: Some(token.to_owned()),
        },
        ..TokenReview::default()
    };
    let reviews: Api<TokenReview> = Api::all(shared.client.clone());
    let parameters = PostParams::default();
    let asked = tokio::time::timeout(PATIENCE, reviews.create(&parameters, &review)).await;
    let answer = match asked {
        Ok(Ok(review)) => review.status.unwrap_or_default(),
        Ok(Err(error)) => {
            tracing::warn!("the Kubernetes API cannot be asked about a token: {error}");
            return Err(Status::unavailable("the Kubernetes API cannot be asked about the token"));
        }
        Err(_) => {
            tracing::warn!("the Kubernetes API gave no answer about a token in {PATIENCE:?}");
            return Err(Status::unavailable("the Kubernetes API gave no answer about the token"));
        }
    };
    let refused = |why: &str| Status::unauthenticated(format!("the token is refused: {why}"));
    if answer.authenticated != Some(true) {
        return Err(refused(&answer.error.unwrap_or_else(|| "it is not valid".to_owned())));
    }
    // An API server that knows no audiences would vouch for a token that was made for somebody else.
    if !answer.audiences.is_some_and(|audiences| audiences.iter().any(|it| it == AUDIENCE)) {
        return Err(refused("it was not made for the audience istio-ca"));
    }
    let user = answer.user.and_then(|user| user.username).unwrap_or_default();
    let identity = Identity::of_user(&shared.identities.domains().own, &user)
        .ok_or_else(|| refused("it is not one of a ServiceAccount"))?;
    Ok(Caller { identity, proof: Proof::Token })
}

fn bearer(headers: &HeaderMap) -> Result<&str, Status> {
    let missing = || {
        Status::unauthenticated(
            "say who you are: a client certificate of the mesh, or metadata `authorization: Bearer TOKEN` with a ServiceAccount's token for the audience istio-ca",
        )
    };
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(missing()) };
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(missing)?;
    if token.len() > LONGEST_TOKEN {
        return Err(Status::unauthenticated("the token is too long to be one"));
    }
    Ok(token)
}

/// Whether the ServiceAccount of a caller still exists. A token says so by itself; a certificate outlives its ServiceAccount, and
/// would be renewed for ever.
///
/// # Errors
/// `PermissionDenied` when it is gone, `Unavailable` when the Kubernetes API cannot be asked.
pub(crate) async fn still_there(shared: &Shared, caller: &Caller) -> Result<(), Status> {
    if caller.proof == Proof::Token {
        return Ok(());
    }
    let Identity { namespace, service_account, .. } = &caller.identity;
    let accounts: Api<ServiceAccount> = Api::namespaced(shared.client.clone(), namespace);
    match tokio::time::timeout(PATIENCE, accounts.get_opt(service_account)).await {
        Ok(Ok(Some(account))) if account.metadata.deletion_timestamp.is_none() => Ok(()),
        Ok(Ok(_)) => Err(Status::permission_denied(format!(
            "the service account {service_account} of namespace {namespace} is gone"
        ))),
        Ok(Err(error)) => {
            tracing::warn!("the Kubernetes API cannot be asked about a ServiceAccount: {error}");
            Err(Status::unavailable("the Kubernetes API cannot be asked"))
        }
        Err(_) => Err(Status::unavailable("the Kubernetes API gave no answer")),
    }
}
