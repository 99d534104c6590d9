//! The other end of a downstream connection.

use std::net::{Ipv4Addr, SocketAddr};

/// Who connected, and where they wanted to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address that the connection comes from.
    pub source: SocketAddr,
    /// The address that the peer dialled: the original destination where traffic is redirected,
    /// else the local address.
    pub destination: SocketAddr,
    /// Whether that is an original destination, restored after the kernel led the connection here.
    pub redirected: bool,
    /// What the TLS handshake that we ended told; `None` on a plain connection.
    pub tls: Option<PeerTls>,
}

/// What a TLS handshake told about the peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerTls {
    /// The server name that the client asked for.
    pub server_name: Option<String>,
    /// The application protocol that was agreed on.
    pub alpn: Option<String>,
    /// The URI names of the client's certificate, such as its SPIFFE id.
    pub uri_sans: Vec<String>,
    /// The DNS names of the client's certificate.
    pub dns_sans: Vec<String>,
    /// The subject of the client's certificate, as RFC 2253 writes it.
    pub subject: Option<String>,
    /// The hash of the client's certificate: SHA-256 in lower-case hex digits.
    pub hash: Option<String>,
    /// The client's certificate in PEM, encoded for a URL.
    pub certificate: Option<String>,
    /// The same of the whole chain that the client sent.
    pub chain: Option<String>,
    /// The URI names of the certificate that was shown to the client.
    pub local_uri_sans: Vec<String>,
    /// The version of TLS, such as `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite under OpenSSL's name.
    pub cipher: &'static str,
}

impl Peer {
    /// A plain connection.
    #[must_use]
    pub const fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        Self { source, destination, redirected: false, tls: None }
    }

    /// A plain connection that the kernel led here on its way to `destination`.
    #[must_use]
    pub const fn redirected(source: SocketAddr, destination: SocketAddr) -> Self {
        Self { source, destination, redirected: true, tls: None }
    }

    /// Where it was going before it was led here; `None` where it was going here.
    #[must_use]
    pub const fn original_destination(&self) -> Option<SocketAddr> {
        if self.redirected { Some(self.destination) } else { None }
    }
}

impl Default for Peer {
    /// A connection from nowhere to nowhere, for `explain` and tests.
    fn default() -> Self {
        let nowhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        Self::new(nowhere, nowhere)
    }
}
