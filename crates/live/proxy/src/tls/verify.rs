//! Whether a peer's certificate is good: its chain leads to a root, and one of its names is asked for.
//! The host name counts only where the configuration says so.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use traffic::tls::{NameKind, NameMatch, Validation};

use super::Names;

/// Judges certificates of servers.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Option<Arc<RootCertStore>>,
    validation: Validation,
    /// The certificate must bear the server name that was asked for.
    checks_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Judges certificates of clients.
#[derive(Debug)]
pub(super) struct OfClients {
    verifier: Verifier,
    chain: Option<Arc<dyn ClientCertVerifier>>,
    required: bool,
}

impl Verifier {
    pub(super) fn new(
        roots: Option<Arc<RootCertStore>>,
        validation: Validation,
        checks_name: bool,
    ) -> Verifier {
        let algorithms = default_provider().signature_verification_algorithms;
        Verifier { roots, validation, checks_name, algorithms }
    }

    /// Whether there is anything to judge.
    pub(super) fn is_needed(&self) -> bool {
        self.roots.is_some()
    }

    /// The same for clients; one without a certificate is refused where it is required.
    pub(super) fn of_clients(self, required: bool) -> Result<OfClients, String> {
        let chain = match &self.roots {
            Some(roots) => {
                let builder = WebPkiClientVerifier::builder_with_provider(
                    roots.clone(),
                    Arc::new(default_provider()),
                );
                Some(builder.build().map_err(|error| error.to_string())?)
            }
            None => None,
        };
        Ok(OfClients { verifier: self, chain, required })
    }

    fn names(&self, leaf: &CertificateDer<'_>, asked: Option<&str>) -> Result<(), Error> {
        let checks_name = self.checks_name.then_some(asked).flatten();
        if self.validation.names.is_empty() && checks_name.is_none() {
            return Ok(());
        }
        let names = Names::of(leaf);
        let good = self.validation.accepts_names(names.all());
        let bears = checks_name.is_none_or(|asked| {
            let asked = NameMatch::dns(asked);
            names.dns.iter().any(|name| asked.matches(NameKind::Dns, name))
        });
        if good && bears {
            return Ok(());
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidForName))
    }

    fn judge(&self, verdict: Result<(), Error>) -> Result<(), Error> {
        if self.validation.accepts_untrusted { Ok(()) } else { verdict }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = || {
            if let Some(roots) = &self.roots {
                let leaf = ParsedCertificate::try_from(leaf)?;
                verify_server_cert_signed_by_trust_anchor(
                    &leaf,
                    roots,
                    between,
                    now,
                    self.algorithms.all,
                )?;
            }
            let asked = match name {
                ServerName::DnsName(name) => Some(name.as_ref()),
                _ => None,
            };
            self.names(leaf, asked)
        };
        self.judge(verdict()).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for OfClients {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = || {
            if let Some(chain) = &self.chain {
                chain.verify_client_cert(leaf, between, now)?;
            }
            self.verifier.names(leaf, None)
        };
        self.verifier.judge(verdict()).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
