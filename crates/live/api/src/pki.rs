//! The certificates of the API server: its authority, its own, and the administrator's.
//!
//! The authority and the administrator's certificate stay in the home, so that a kubeconfig that
//! was copied away goes on working. The server's own certificate is made anew at each start: its
//! names depend on how this process was started, and it costs less than a read from disk.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::home::Home;

/// Names by which pods reach the API server, whatever the command line says.
const NAMES: [&str; 7] = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    "127.0.0.1",
    "10.96.0.1",
];

const AUTHORITY_DAYS: i64 = 3650;
const LEAF_DAYS: i64 = 365;
/// A client certificate with less than this left is renewed at the next start.
const RENEW_DAYS: i64 = 180;

/// A client certificate with its key and the authority to trust, as PEM and as files of the home.
#[derive(Clone)]
pub struct Credentials {
    /// The file of `ca_pem`.
    pub ca: PathBuf,
    /// The file of `certificate_pem`.
    pub certificate: PathBuf,
    /// The file of `key_pem`, mode 0600.
    pub key: PathBuf,
    /// The authority that signed the server's certificate.
    pub ca_pem: String,
    /// The client certificate: O=system:masters, CN=kubernetes-admin.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key stays out of logs.
        f.debug_struct("Credentials")
            .field("ca", &self.ca)
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// The authority of one home.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// Reads the authority of the home, making it at the first start.
    pub(crate) fn open(home: &Home, now: Timestamp) -> Result<Authority> {
        if let (Some(pem), Some(key)) = (home.read("ca.crt")?, home.read("ca.key")?) {
            let read = KeyPair::from_pem(&key)
                .and_then(|key| Issuer::from_ca_cert_pem(&pem, key))
                .with_context(|| {
                    format!(
                        "{} or ca.key beside it is damaged; delete both to make new ones",
                        home.path("ca.crt").display()
                    )
                })?;
            return Ok(Authority { issuer: read, pem });
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "lateen-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        set_validity(&mut params, now, AUTHORITY_DAYS);
        let pem = params.self_signed(&key)?.pem();
        // The key goes first: a certificate without its key would be taken for damage.
        home.write("ca.key", &key.serialize_pem())?;
        home.write("ca.crt", &pem)?;
        Ok(Authority { issuer: Issuer::new(params, key), pem })
    }

    /// The administrator's certificate, kept in the home and renewed in time.
    pub(crate) fn admin(&self, home: &Home, now: Timestamp) -> Result<Credentials> {
        let kept = match (home.read("client.crt")?, home.read("client.key")?) {
            (Some(certificate), Some(key)) if self.still_good(&certificate, now) => {
                Some((certificate, key))
            }
            _ => None,
        };
        let (certificate_pem, key_pem) = match kept {
            Some(kept) => kept,
            None => self.client("kubernetes-admin", "system:masters", now)?,
        };
        Ok(Credentials {
            ca: home.path("ca.crt"),
            key: home.keep("client.key", &key_pem)?,
            certificate: home.keep("client.crt", &certificate_pem)?,
            ca_pem: self.pem.clone(),
            certificate_pem,
            key_pem,
        })
    }

    /// A new client certificate and its key, as PEM.
    fn client(&self, name: &str, group: &str, now: Timestamp) -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, LEAF_DAYS);
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }

    /// True when this authority signed the certificate and it lasts for a while yet.
    fn still_good(&self, certificate_pem: &str, now: Timestamp) -> bool {
        let later = now.as_second() + RENEW_DAYS * 24 * 3600;
        let later = Duration::from_secs(u64::try_from(later).unwrap_or_default());
        let Ok(certificate) = CertificateDer::from_pem_slice(certificate_pem.as_bytes()) else {
            return false;
        };
        self.verifier().is_ok_and(|verifier| {
            let later = UnixTime::since_unix_epoch(later);
            verifier.verify_client_cert(&certificate, &[], later).is_ok()
        })
    }

    /// Judges the certificates of clients: those that this authority signed are good.
    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes())?)?;
        Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .allow_unauthenticated()
            .build()?)
    }

    /// The server's side of TLS: its certificate for `names`, clients' certificates welcome but
    /// not required, HTTP/2 and HTTP/1.1 by ALPN.
    pub(crate) fn server(&self, names: &[String], now: Timestamp) -> Result<ServerConfig> {
        let key = KeyPair::generate()?;
        let mut all: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
        for name in names {
            if !all.contains(name) {
                all.push(name.clone());
            }
        }
        let mut params = CertificateParams::new(all)
            .with_context(|| format!("a name for the server's certificate is wrong: {names:?}"))?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "lateen-api");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, LEAF_DAYS);
        let certificate = params.signed_by(&key, &self.issuer)?;

        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|error| anyhow!("the server's key cannot be read back: {error}"))?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(self.verifier()?)
            .with_single_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The cryptography behind all TLS of this room.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

/// From yesterday, because clocks differ, for `days`.
fn set_validity(params: &mut CertificateParams, now: Timestamp, days: i64) {
    let day = |offset: i64| {
        let day = now
            .to_zoned(TimeZone::UTC)
            .checked_add(offset.days())
            .unwrap_or_else(|_| now.to_zoned(TimeZone::UTC));
        rcgen::date_time_ymd(
            i32::from(day.year()),
            day.month().unsigned_abs(),
            day.day().unsigned_abs(),
        )
    };
    params.not_before = day(-1);
    params.not_after = day(days);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dir;

    #[test]
    fn the_administrators_certificate_is_kept_until_it_nears_its_end() {
        let dir = Dir::new();
        let home = Home::open(dir.path()).unwrap();
        let now: Timestamp = "2026-03-04T05:06:07Z".parse().unwrap();
        let days = |days: i64| Timestamp::from_second(now.as_second() + days * 86_400).unwrap();
        let at = |now| Authority::open(&home, now).unwrap().admin(&home, now).unwrap();
        let first = at(now);
        assert_eq!(at(days(100)).certificate_pem, first.certificate_pem);
        let renewed = at(days(LEAF_DAYS - RENEW_DAYS + 1));
        assert_ne!(renewed.certificate_pem, first.certificate_pem);
        assert_eq!(renewed.ca_pem, first.ca_pem);
        // Another authority's certificate is of no use.
        std::fs::remove_file(home.path("ca.crt")).unwrap();
        assert_ne!(at(now).certificate_pem, renewed.certificate_pem);
    }

    #[test]
    fn a_damaged_authority_is_named() {
        let dir = Dir::new();
        let home = Home::open(dir.path()).unwrap();
        home.write("ca.crt", "nonsense").unwrap();
        home.write("ca.key", "nonsense").unwrap();
        let error = Authority::open(&home, Timestamp::UNIX_EPOCH).err().unwrap();
        assert!(error.to_string().contains("ca.crt or ca.key beside it is damaged"), "{error}");
    }
}
