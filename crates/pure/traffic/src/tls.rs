//! TLS contexts as plain values: what either side of a handshake shows, trusts and offers. Spec: Envoy `CommonTlsContext`.

mod compile;
mod names;
mod sockets;

use std::{fmt, sync::Arc, time::Duration};

pub use names::{NameKind, NameMatch};
pub(crate) use sockets::Sockets;

/// What both directions share.
///
/// Invariant: a value never changes, and two values have different ids.
#[derive(Debug)]
pub struct TlsContext {
    id: u64,
    /// What this side shows, in order of preference.
    pub certificates: Vec<Given<Certificate>>,
    /// What the other side must be; later parts add to earlier ones.
    pub validation: Vec<Given<Validation>>,
    /// Application protocols in order of preference.
    pub alpn: Vec<Box<str>>,
    /// The oldest version that is spoken.
    pub oldest: TlsVersion,
    /// The newest version that is spoken.
    pub newest: TlsVersion,
    /// Cipher suites of TLS 1.2 under OpenSSL's names; empty is all that are safe.
    pub cipher_suites: Vec<Box<str>>,
    /// Key exchange groups by name; empty leaves the choice.
    pub curves: Vec<Box<str>>,
}

/// The side that accepts. Spec: Envoy `DownstreamTlsContext`.
#[derive(Debug)]
pub struct ServerTls {
    /// What both sides share.
    pub context: TlsContext,
    /// Whether a client without a certificate is refused.
    pub requires_client_certificate: bool,
    /// Whether a client without a server name is refused.
    pub requires_server_name: bool,
    /// Whether sessions may be taken up again.
    pub resumes: bool,
    /// How long a handshake may take; `None` leaves it to the proxy's own bound.
    pub handshake_timeout: Option<Duration>,
}

/// The side that connects. Spec: Envoy `UpstreamTlsContext`.
#[derive(Debug)]
pub struct ClientTls {
    /// What both sides share.
    pub context: TlsContext,
    /// The server name that is asked for; empty asks for none.
    pub server_name: Box<str>,
    /// Whether the name of the endpoint is asked for instead.
    pub host_as_server_name: bool,
    /// Whether the certificate must bear the server name that was asked for.
    pub checks_server_name: bool,
    /// Whether sessions may be taken up again.
    pub resumes: bool,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2.
    V12,
    /// 1.3.
    V13,
}

/// A part of a context: in the configuration itself, or a secret of this name.
#[derive(Debug)]
pub enum Given<T> {
    /// It is here.
    Here(Arc<T>),
    /// It is a secret.
    Named(Arc<str>),
}

/// Bytes of a certificate or key, or the path of a file that holds them.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// The bytes.
    Inline(Box<[u8]>),
    /// The path of a file.
    File(Box<str>),
}

/// A certificate chain with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The chain in PEM, the leaf first.
    pub chain: Source,
    /// The private key in PEM.
    pub key: Source,
}

/// What a peer's certificate must be. Spec: Envoy `CertificateValidationContext`.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    /// The roots in PEM; `None` does not look at the chain.
    pub trusted_ca: Option<Source>,
    /// Of the certificate's names one must match one of these; empty asks nothing.
    pub names: Vec<NameMatch>,
    /// Whether a certificate that fails is let through all the same.
    pub accepts_untrusted: bool,
}

/// A secret, as the control plane or the bootstrap file gives it.
#[derive(Clone, Debug)]
pub enum Secret {
    /// A certificate with its key.
    Certificate(Arc<Certificate>),
    /// What to trust.
    Validation(Arc<Validation>),
}

impl fmt::Debug for Source {
    /// Never shows content: it may be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "[{} bytes, redacted]", bytes.len()),
            Self::File(path) => write!(f, "{path:?}"),
        }
    }
}

impl TlsContext {
    /// Tells this context from all others of the process; never 0.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The names of the secrets that it is made of.
    pub fn secret_names(&self) -> impl Iterator<Item = &Arc<str>> {
        let certificates = self.certificates.iter().filter_map(Given::name);
        certificates.chain(self.validation.iter().filter_map(Given::name))
    }
}

impl<T> Given<T> {
    fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Here(_) => None,
            Self::Named(name) => Some(name),
        }
    }
}

impl Validation {
    /// All parts as one: what a later part sets counts, and lists grow. Spec: Envoy `CombinedCertificateValidationContext`.
    #[must_use]
    pub fn merged<'v>(parts: impl IntoIterator<Item = &'v Self>) -> Self {
        let mut merged = Self::default();
        for part in parts {
            if part.trusted_ca.is_some() {
                merged.trusted_ca.clone_from(&part.trusted_ca);
            }
            merged.names.extend(part.names.iter().cloned());
            merged.accepts_untrusted |= part.accepts_untrusted;
        }
        merged
    }

    /// Whether names are good enough; each comes with its kind.
    #[must_use]
    pub fn accepts_names<'n>(&self, names: impl Iterator<Item = (NameKind, &'n str)>) -> bool {
        if self.names.is_empty() {
            return true;
        }
        let mut names = names;
        names.any(|(kind, name)| self.names.iter().any(|wanted| wanted.matches(kind, name)))
    }
}

/// Whether an agreed application protocol is HTTP/2.
#[must_use]
pub fn is_http2(alpn: &[u8]) -> bool {
    matches!(alpn, b"h2" | b"istio-h2")
}

#[cfg(test)]
mod tests;
