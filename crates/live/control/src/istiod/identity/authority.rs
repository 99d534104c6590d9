//! The certificate authority of the mesh: the Secret that it is read from, and what it signs.
//!
//! Spec: names and fields of the Secrets are Istio's.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use controllers::certificates::{self, Rotation, Validity};
use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::api::ObjectMeta;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SanType, SerialNumber,
};
use rustls::{RootCertStore, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject as _};
use xds::spiffe::Identity;

use super::chance;

/// The Secret of a root that the control plane made by itself.
pub(crate) const OWN: &str = "istio-ca-secret";
/// The Secret of a CA that a person plugs in; where it is there, it is the one.
pub(crate) const PLUGGED_IN: &str = "cacerts";

/// Type of the Secret.
const TYPE: &str = "istio.io/ca-root";
const CERTIFICATE: &str = "ca-cert.pem";
const KEY: &str = "ca-key.pem";
const ROOTS: &str = "root-cert.pem";
const CHAIN: &str = "cert-chain.pem";
/// A root that is trusted already, and signs later.
const NEXT_CERTIFICATE: &str = "next-ca-cert.pem";
const NEXT_KEY: &str = "next-ca-key.pem";

/// Certificates that one Secret may hold: each costs every handshake.
const MOST: usize = 16;
/// Longest signing request, in bytes of PEM; one of an RSA key of 8192 bits has 3 kB.
const LONGEST_REQUEST: usize = 16 << 10;

/// A certificate authority that has been proven to work.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The certificates between what it signs and a root.
    chain: Vec<CertificateDer<'static>>,
    /// All roots that are trusted; the first is its own.
    roots: Vec<CertificateDer<'static>>,
    /// When its own certificate is valid.
    pub(crate) validity: Validity,
    /// When a root that will take over is valid.
    next: Option<Validity>,
    /// A person asked for another root.
    wish: bool,
    /// Name and resourceVersion of its Secret.
    pub(crate) source: (String, String),
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key stays out of logs.
        f.debug_struct("Authority")
            .field("source", &self.source)
            .field("validity", &self.validity)
            .field("roots", &self.roots.len())
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// A certificate with what belongs to it.
pub(crate) struct Signed {
    /// It, and the certificates between it and a root.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) validity: Validity,
}

impl Authority {
    /// Reads the authority that a Secret holds, and tries it: what cannot vouch for a certificate of its own is refused.
    pub(crate) fn read(secret: &Secret, now: Timestamp) -> anyhow::Result<Self> {
        let own = certificates(secret, CERTIFICATE)?;
        let signer = own.first().with_context(|| format!("it has no {CERTIFICATE}"))?.clone();
        let (validity, is_root) = facts(&signer).with_context(|| format!("its {CERTIFICATE}"))?;
        let key = text(secret, KEY)?.with_context(|| format!("it has no {KEY}"))?;
        // What the library says of a key that it cannot read may quote it.
        let key = KeyPair::from_pem(&key)
            .ok()
            .with_context(|| format!("its {KEY} cannot be read: it must be an unencrypted PEM"))?;
        let mut roots: Vec<CertificateDer<'static>> = Vec::new();
        if is_root {
            roots.push(signer.clone());
        }
        let next = certificates(secret, NEXT_CERTIFICATE)?.into_iter().next();
        for root in certificates(secret, ROOTS)?.into_iter().chain(next.clone()) {
            if !roots.contains(&root) && facts(&root)?.0.until > now {
                roots.push(root);
            }
        }
        ensure!(!roots.is_empty(), "its {ROOTS} holds no root that is valid");
        let mut chain: Vec<CertificateDer<'static>> = Vec::new();
        for between in own.into_iter().chain(certificates(secret, CHAIN)?) {
            if !roots.contains(&between) && !chain.contains(&between) {
                chain.push(between);
            }
        }
        ensure!(roots.len() <= MOST && chain.len() <= MOST, "it holds more than {MOST} roots");
        let metadata = &secret.metadata;
        let authority = Self {
            issuer: Issuer::from_ca_cert_der(&signer, key)
                .with_context(|| format!("its {CERTIFICATE} cannot be read"))?,
            chain,
            roots,
            validity,
            next: next.map(|next| facts(&next)).transpose()?.map(|(validity, _)| validity),
            wish: metadata
                .annotations
                .as_ref()
                .is_some_and(|all| all.contains_key(certificates::ROTATE)),
            source: (
                metadata.name.clone().unwrap_or_default(),
                metadata.resource_version.clone().unwrap_or_default(),
            ),
        };
        authority.prove(now)?;
        Ok(authority)
    }

    /// Signs a certificate and has it verified as a proxy would.
    fn prove(&self, now: Timestamp) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        let nobody = Identity::new("cluster.local", "proof", "proof");
        let validity = certificates::grant(None, self.validity, now).map_err(|_| {
            anyhow::anyhow!("its {CERTIFICATE} is valid until {} only", self.validity.until)
        })?;
        let signed = self.sign(identity(&nobody)?, &key, validity)?;
        let (leaf, between) = signed.chain.split_first().context("a chain has a leaf")?;
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        self.verifier()?
            .verify_client_cert(leaf, between, UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
            .with_context(|| {
                format!(
                    "its parts do not belong together: {KEY} must be the key of {CERTIFICATE}, and {CHAIN} must lead from there to a certificate of {ROOTS}"
                )
            })?;
        Ok(())
    }

    /// A verifier of certificates of the mesh; clients without one are let through.
    pub(crate) fn verifier(
        &self,
    ) -> anyhow::Result<Arc<dyn rustls::server::danger::ClientCertVerifier>> {
        let mut roots = RootCertStore::empty();
        for root in &self.roots {
            roots.add(root.clone()).context("a root cannot be trusted")?;
        }
        let provider = super::provider();
        Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()?)
    }

    /// All roots that are trusted, as one PEM text; its own first.
    pub(crate) fn roots_pem(&self) -> String {
        pem(&self.roots)
    }

    /// When the first of the trusted roots ends that has not ended yet.
    pub(crate) fn roots_end(&self) -> Timestamp {
        let ends = self.roots.iter().filter_map(|root| facts(root).ok());
        ends.map(|(validity, _)| validity.until).min().unwrap_or(self.validity.until)
    }

    /// Signs the key of a request for an identity. Nothing else of the request counts.
    pub(crate) fn workload(
        &self,
        key: &impl PublicKeyData,
        who: &Identity,
        validity: Validity,
    ) -> anyhow::Result<Signed> {
        self.sign(identity(who)?, key, validity)
    }

    /// A serving certificate for names of the control plane.
    pub(crate) fn serving(
        &self,
        names: &[String],
        key: &KeyPair,
        now: Timestamp,
    ) -> anyhow::Result<Signed> {
        let mut parameters = CertificateParams::new(names)?;
        parameters.distinguished_name = DistinguishedName::new();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let validity = certificates::grant(None, self.validity, now)
            .map_err(|_| anyhow::anyhow!("the CA has expired"))?;
        self.sign(parameters, key, validity)
    }

    fn sign(
        &self,
        mut parameters: CertificateParams,
        key: &impl PublicKeyData,
        validity: Validity,
    ) -> anyhow::Result<Signed> {
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        parameters.use_authority_key_identifier_extension = true;
        parameters.serial_number = Some(serial());
        limit(&mut parameters, validity);
        let leaf = parameters.signed_by(key, &self.issuer)?;
        let mut chain = vec![leaf.der().clone()];
        chain.extend(self.chain.iter().cloned());
        Ok(Signed { chain, validity })
    }

    /// What is to be done about a root of the control plane's own.
    pub(crate) fn rotation(&self, now: Timestamp) -> Rotation {
        let roots = certificates::Roots { signer: self.validity, next: self.next, wish: self.wish };
        certificates::rotation(&roots, now)
    }
}

/// A certificate of a workload.
fn identity(who: &Identity) -> anyhow::Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    // Without a subject the name of the workload is a critical part, which nobody may overlook.
    parameters.distinguished_name = DistinguishedName::new();
    parameters.subject_alt_names = vec![SanType::URI(who.to_string().try_into()?)];
    parameters.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(parameters)
}

/// The public key of a signing request, whose signature proves that its sender has the private one.
///
/// # Errors
/// A sentence for the sender.
pub(crate) fn requested_key(request: &str) -> Result<rcgen::PublicKey, String> {
    if request.len() > LONGEST_REQUEST {
        return Err(format!("the CSR has {} bytes, at most {LONGEST_REQUEST}", request.len()));
    }
    let read = CertificateSigningRequestParams::from_pem(request)
        .map_err(|error| format!("the CSR cannot be used: {error}"))?;
    let key = read.public_key;
    let (name, sizes) = match key.algorithm() {
        it if *it == rcgen::PKCS_ECDSA_P256_SHA256 => ("ECDSA P-256", 65..=65),
        it if *it == rcgen::PKCS_ECDSA_P384_SHA384 => ("ECDSA P-384", 97..=97),
        // DER of modulus and exponent: 2048 to 8192 bits.
        it if *it == rcgen::PKCS_RSA_SHA256 => ("RSA", 268..=1048),
        it if *it == rcgen::PKCS_ED25519 => ("Ed25519", 32..=32),
        _ => return Err("the key of the CSR is neither ECDSA P-256, P-384, Ed25519 nor RSA".into()),
    };
    if sizes.contains(&key.der_bytes().len()) {
        Ok(key)
    } else {
        Err(format!("the key of the CSR is no {name} key of a size that is accepted"))
    }
}

/// A Secret with a new root.
pub(crate) fn new_root(
    namespace: &str,
    trust_domain: &str,
    now: Timestamp,
) -> anyhow::Result<Secret> {
    let (certificate, key) = make(trust_domain, now)?;
    let entry = |name: &str, text: &str| (name.to_owned(), ByteString(text.as_bytes().to_vec()));
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(OWN.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        data: Some(BTreeMap::from([
            entry(CERTIFICATE, &certificate),
            entry(KEY, &key),
            entry(ROOTS, &certificate),
            entry(CHAIN, ""),
        ])),
        ..Secret::default()
    })
}

/// Has a Secret list the roots of another authority after its own.
pub(crate) fn trust_too(secret: &mut Secret, other: &Authority) -> anyhow::Result<()> {
    let mut roots = certificates(secret, ROOTS)?;
    roots.extend(
        other.roots.iter().filter(|root| !roots.contains(root)).cloned().collect::<Vec<_>>(),
    );
    let data = secret.data.get_or_insert_default();
    data.insert(ROOTS.to_owned(), ByteString(pem(&roots).into_bytes()));
    Ok(())
}

/// The Secret with another root beside the one that signs.
pub(crate) fn prepare(
    secret: &Secret,
    trust_domain: &str,
    now: Timestamp,
) -> anyhow::Result<Secret> {
    let (certificate, key) = make(trust_domain, now)?;
    let mut secret = secret.clone();
    let data = secret.data.get_or_insert_default();
    data.insert(NEXT_CERTIFICATE.to_owned(), ByteString(certificate.into_bytes()));
    data.insert(NEXT_KEY.to_owned(), ByteString(key.into_bytes()));
    if let Some(annotations) = &mut secret.metadata.annotations {
        annotations.remove(certificates::ROTATE);
    }
    Ok(secret)
}

/// The Secret with the other root as the one that signs, and the old one in the list of those that are trusted.
pub(crate) fn promote(secret: &Secret, now: Timestamp) -> anyhow::Result<Secret> {
    let old = certificates(secret, CERTIFICATE)?;
    let mut roots = certificates(secret, NEXT_CERTIFICATE)?;
    for root in old.into_iter().chain(certificates(secret, ROOTS)?) {
        if !roots.contains(&root) && facts(&root)?.0.until > now {
            roots.push(root);
        }
    }
    let mut secret = secret.clone();
    let data = secret.data.get_or_insert_default();
    let (Some(certificate), Some(key)) = (data.remove(NEXT_CERTIFICATE), data.remove(NEXT_KEY))
    else {
        bail!("it has no {NEXT_CERTIFICATE} with {NEXT_KEY}");
    };
    data.insert(CERTIFICATE.to_owned(), certificate);
    data.insert(KEY.to_owned(), key);
    data.insert(CHAIN.to_owned(), ByteString::default());
    data.insert(ROOTS.to_owned(), ByteString(pem(&roots).into_bytes()));
    Ok(secret)
}

/// A root and its key, in PEM.
fn make(trust_domain: &str, now: Timestamp) -> anyhow::Result<(String, String)> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, trust_domain);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.serial_number = Some(serial());
    let until = now + certificates::ROOT_LIFE;
    limit(&mut parameters, Validity { from: now - certificates::BACKDATE, until });
    Ok((parameters.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn limit(parameters: &mut CertificateParams, validity: Validity) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let after = |time: Timestamp| {
        epoch + Duration::from_secs(u64::try_from(time.as_second()).unwrap_or_default())
    };
    parameters.not_before = after(validity.from);
    parameters.not_after = after(validity.until);
}

/// 120 bits that nobody can guess, and positive.
fn serial() -> SerialNumber {
    let mut bytes = chance::<16>();
    bytes[0] = 1;
    SerialNumber::from_slice(&bytes)
}

/// When a certificate is valid, and whether it signed itself.
pub(crate) fn facts(certificate: &CertificateDer<'_>) -> anyhow::Result<(Validity, bool)> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .ok()
        .context("holds something that is no certificate")?;
    let time = |at: x509_parser::time::ASN1Time| Timestamp::from_second(at.timestamp());
    let validity = Validity {
        from: time(parsed.validity().not_before)?,
        until: time(parsed.validity().not_after)?,
    };
    Ok((validity, parsed.subject().as_raw() == parsed.issuer().as_raw()))
}

fn text(secret: &Secret, field: &str) -> anyhow::Result<Option<String>> {
    let Some(bytes) = secret.data.as_ref().and_then(|data| data.get(field)) else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes.0.clone());
    Ok(Some(text.ok().with_context(|| format!("its {field} is not PEM"))?))
}

fn certificates(secret: &Secret, field: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let text = text(secret, field)?.unwrap_or_default();
    CertificateDer::pem_slice_iter(text.as_bytes())
        .take(MOST + 1)
        .collect::<Result<_, _>>()
        .ok()
        .with_context(|| format!("its {field} is not PEM"))
}

/// Certificates as PEM.
pub(crate) fn pem(certificates: &[CertificateDer<'_>]) -> String {
    let mut out = String::new();
    for certificate in certificates {
        out.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = base64::engine::general_purpose::STANDARD.encode(certificate);
        for (index, letter) in text.chars().enumerate() {
            if index > 0 && index % 64 == 0 {
                out.push('\n');
            }
            out.push(letter);
        }
        out.push_str("\n-----END CERTIFICATE-----\n");
    }
    out
}

#[cfg(test)]
mod tests;
