//! Certificates and keys: from PEM to what a handshake shows. No error tells content.

use std::borrow::Cow;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use traffic::tls::{Certificate, NameKind, NameMatch, Source};

use super::Names;

fn bytes(source: &Source) -> Result<Cow<'_, [u8]>, String> {
    match source {
        Source::Inline(bytes) => Ok(Cow::Borrowed(bytes)),
        Source::File(path) => std::fs::read(&**path)
            .map(Cow::Owned)
            .map_err(|error| format!("cannot read {path}: {error}")),
    }
}

/// A certificate chain with its key.
pub(super) fn key(certificate: &Certificate) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(&bytes(&certificate.chain)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "Failed to load certificate chain: it is not PEM".to_owned())?;
    if chain.is_empty() {
        return Err("Failed to load certificate chain: it holds no certificate".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes(&certificate.key)?)
        .map_err(|_| "Failed to load private key: it is not a key in PEM".to_owned())?;
    let key = any_supported_type(&key)
        .map_err(|_| "Failed to load private key: its kind is not supported".to_owned())?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(_) => Err("Failed to load private key: it is not that of the certificate".to_owned()),
    }
}

/// Roots that are trusted.
pub(super) fn roots(source: &Source) -> Result<RootCertStore, String> {
    let all = CertificateDer::pem_slice_iter(&bytes(source)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "Failed to load trusted CA certificates: it is not PEM".to_owned())?;
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(all);
    if good == 0 {
        return Err("Failed to load trusted CA certificates: there is none".to_owned());
    }
    Ok(roots)
}

/// The certificates of one side, with the DNS names of each.
#[derive(Debug)]
pub(super) struct Certificates {
    all: Vec<(Arc<CertifiedKey>, Names)>,
}

impl Certificates {
    pub(super) fn new(keys: Vec<Arc<CertifiedKey>>) -> Certificates {
        let named = |key: Arc<CertifiedKey>| {
            let names = key.cert.first().map(|leaf| Names::of(leaf)).unwrap_or_default();
            (key, names)
        };
        Certificates { all: keys.into_iter().map(named).collect() }
    }

    /// The URI names of the first certificate.
    pub(super) fn uris(&self) -> Vec<String> {
        self.all.first().map(|(_, names)| names.uris.clone()).unwrap_or_default()
    }
}

impl ResolvesServerCert for Certificates {
    /// The first whose names hold the server name, of those whose key the client can check; else the first of these.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable = || {
            self.all
                .iter()
                .filter(|(key, _)| key.key.choose_scheme(hello.signature_schemes()).is_some())
        };
        let wanted = hello.server_name().map(NameMatch::dns);
        let named = wanted.and_then(|wanted| {
            usable()
                .find(|(_, names)| names.dns.iter().any(|name| wanted.matches(NameKind::Dns, name)))
        });
        named.or_else(|| usable().next()).map(|(key, _)| key.clone())
    }
}

impl ResolvesClientCert for Certificates {
    fn resolve(
        &self,
        _roots: &[&[u8]],
        schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let mut usable =
            self.all.iter().filter(|(key, _)| key.key.choose_scheme(schemes).is_some());
        usable.next().map(|(key, _)| key.clone())
    }

    fn has_certs(&self) -> bool {
        !self.all.is_empty()
    }
}
