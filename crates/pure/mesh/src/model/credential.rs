//! Credentials of Secrets: certificates, keys and roots, which are shown to nobody.

use std::collections::BTreeMap;

/// What of a Secret matters for TLS. Its `Debug` tells nothing of it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Credential {
    /// Chain of certificates in PEM (`tls.crt` or `cert`); empty if absent.
    pub certificate: Vec<u8>,
    /// Its key in PEM (`tls.key` or `key`).
    pub key: Vec<u8>,
    /// Roots in PEM (`ca.crt` or `cacert`).
    pub roots: Vec<u8>,
    /// Revoked certificates in PEM (`ca.crl` or `crl`).
    pub revoked: Vec<u8>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}

impl Credential {
    /// Reads the data of a Secret; `None` if it has nothing of a credential.
    #[must_use]
    pub fn of_data<'a>(one: impl Fn(&str) -> Option<&'a [u8]>) -> Option<Credential> {
        let either = |names: [&str; 2]| {
            names.iter().find_map(|name| one(name)).map(<[u8]>::to_vec).unwrap_or_default()
        };
        let read = Credential {
            certificate: either(["tls.crt", "cert"]),
            key: either(["tls.key", "key"]),
            roots: either(["ca.crt", "cacert"]),
            revoked: either(["ca.crl", "crl"]),
        };
        (read != Credential::default()).then_some(read)
    }

    /// Whether it has a certificate and a key, as far as their form shows.
    #[must_use]
    pub fn is_pair(&self) -> bool {
        has(&self.certificate, "-----BEGIN CERTIFICATE-----") && has(&self.key, "PRIVATE KEY-----")
    }

    /// Whether it has roots, as far as their form shows.
    #[must_use]
    pub fn has_roots(&self) -> bool {
        has(&self.roots, "-----BEGIN CERTIFICATE-----")
    }
}

fn has(pem: &[u8], words: &str) -> bool {
    pem.windows(words.len()).any(|part| part == words.as_bytes())
}

/// The Secrets with credentials, by namespace and name.
pub type Credentials = BTreeMap<(String, String), super::Shared<Credential>>;

/// The credential of a name: roots may have a Secret of their own, `NAME-cacert`.
#[must_use]
pub fn named(all: &Credentials, namespace: &str, name: &str) -> Option<Credential> {
    let one = |name: String| all.get(&(namespace.to_owned(), name)).map(|one| (**one).clone());
    let (own, roots) = (one(name.to_owned()), one(format!("{name}-cacert")));
    let Some(other) = roots.filter(Credential::has_roots) else { return own };
    let own = own.unwrap_or_default();
    Some(Credential { roots: other.roots, revoked: other.revoked, ..own })
}
