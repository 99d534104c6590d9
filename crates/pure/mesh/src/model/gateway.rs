//! Gateways: what a Gateway object means.

use std::collections::BTreeMap;

use super::{Origin, Protocol};
use crate::host;

/// One Gateway object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gateway {
    /// The object.
    pub origin: Origin,
    /// Creation stamp, RFC 3339.
    pub created: String,
    /// Labels of the gateway pods; empty selects all.
    pub selector: BTreeMap<String, String>,
    /// What it listens on.
    pub servers: Vec<Server>,
}

/// One listening server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// Port as the gateway's Service numbers it.
    pub number: u16,
    /// Name of the port.
    pub name: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Hosts let in.
    pub hosts: Vec<ServerHost>,
    /// What is done with TLS; `None` is none.
    pub tls: Option<ServerTls>,
    /// Every plain request is sent to https.
    pub redirect_to_https: bool,
    /// Address to listen on, if not all; or a unix socket: `/path`, or `@` and a name.
    pub bind: Option<String>,
}

impl Server {
    /// Plain HTTP: shares one route table with all plain servers of the port.
    #[must_use]
    pub fn is_plain_http(&self) -> bool {
        self.protocol.is_http()
    }

    /// TLS that is opened here.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        let mode = self.tls.as_ref().map(|tls| tls.mode);
        let closed = matches!(mode, None | Some(TlsMode::Passthrough | TlsMode::AutoPassthrough));
        self.protocol.is_tls() && !closed
    }

    /// TLS that is not opened here.
    #[must_use]
    pub fn is_passthrough(&self) -> bool {
        self.protocol.is_tls()
            && self.tls.as_ref().is_some_and(|tls| tls.mode == TlsMode::Passthrough)
    }
}

/// A host of a server: `[namespace/]name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerHost {
    /// Only rules of this namespace; `None` is any.
    pub namespace: Option<String>,
    /// Host or pattern.
    pub host: String,
}

impl ServerHost {
    /// Reads `[namespace/]host` written in `own`; `*/` is any namespace, `./` is `own`.
    #[must_use]
    pub fn from_text(text: &str, own: &str) -> ServerHost {
        match text.split_once('/') {
            None => ServerHost { namespace: None, host: text.to_ascii_lowercase() },
            Some((namespace, host)) => ServerHost {
                namespace: match namespace {
                    "*" => None,
                    "." => Some(own.to_owned()),
                    other => Some(other.to_owned()),
                },
                host: host.to_ascii_lowercase(),
            },
        }
    }

    /// The host that a rule of `namespace` for `host` and this server have in common: the narrower.
    #[must_use]
    pub fn common(&self, namespace: &str, host: &str) -> Option<String> {
        if self.namespace.as_deref().is_some_and(|own| own != namespace) {
            return None;
        }
        if host::covers(&self.host, host) {
            return Some(host.to_owned());
        }
        host::covers(host, &self.host).then(|| self.host.clone())
    }
}

/// What a server does with TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerTls {
    /// The mode.
    pub mode: TlsMode,
    /// Secrets with certificate and key, in the gateway's namespace.
    pub credentials: Vec<String>,
    /// Secret with the roots for clients' certificates, if not the first of those.
    pub roots_credential: Option<String>,
    /// Files of certificates and their keys.
    pub pairs: Vec<(String, String)>,
    /// File of the roots for clients' certificates.
    pub roots: Option<String>,
    /// File of revoked certificates.
    pub revoked: Option<String>,
    /// Names one of which a client's certificate must carry.
    pub names: Vec<String>,
    /// Hashes of allowed keys, in base64.
    pub keys: Vec<String>,
    /// Hashes of allowed certificates, in hexadecimal.
    pub hashes: Vec<String>,
    /// Lowest version, as the second number of 1.x.
    pub lowest: Option<u8>,
    /// Highest version, as the second number of 1.x.
    pub highest: Option<u8>,
    /// Ciphers up to TLS 1.2.
    pub ciphers: Vec<String>,
    /// Clients' certificates are not checked against roots.
    pub unchecked: bool,
}

impl ServerTls {
    /// Clients are asked for a certificate, which has to check.
    #[must_use]
    pub fn asks(&self) -> bool {
        matches!(self.mode, TlsMode::Mutual | TlsMode::OptionalMutual)
    }

    /// The name of the Secret with the roots, if a Secret has them.
    #[must_use]
    pub fn roots_in(&self) -> Option<&str> {
        let own = self.credentials.first().filter(|_| self.roots.is_none());
        self.roots_credential.as_ref().or(own).map(String::as_str)
    }
}

/// Modes of TLS at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Not opened; the server name chooses the destination.
    Passthrough,
    /// Opened here.
    Simple,
    /// Opened here, the client shows a certificate.
    Mutual,
    /// Not opened; the server name is a cluster of the mesh.
    AutoPassthrough,
    /// Opened with the mesh's own certificate.
    IstioMutual,
    /// Opened here, the client may show a certificate.
    OptionalMutual,
}
