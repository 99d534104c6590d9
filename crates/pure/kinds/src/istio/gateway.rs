//! Gateway: which ports a gateway workload opens, for which hosts, with which TLS.

use std::collections::BTreeMap;

use super::shared::{Silent, message, object, words};

object! {
    /// A Gateway (`networking.istio.io`): servers on the workloads that it selects.
    Gateway, GatewaySpec
}

message! {
    /// The servers, and the workloads that play them.
    pub struct GatewaySpec {
        /// Servers.
        pub servers: Vec<Server>,
        /// Pod labels of the gateway workloads, in any namespace.
        pub selector: BTreeMap<String, String>,
    }

    /// One port for some hosts.
    pub struct Server {
        /// Name, unique among the servers if set.
        pub name: Option<String>,
        /// The port.
        pub port: ServerPort,
        /// Address to bind, instead of all.
        pub bind: Option<String>,
        /// Hosts, `[namespace/]name`, wildcards allowed.
        pub hosts: Vec<String>,
        /// TLS of the server.
        pub tls: Option<ServerTls>,
        /// In Istio's schema; nothing honours it.
        pub default_endpoint: Option<String>,
    }

    /// The port of a server.
    pub struct ServerPort {
        /// Number as the gateway's Service shows it.
        pub number: u32,
        /// HTTP, HTTPS, GRPC, GRPC-WEB, HTTP2, MONGO, TCP or TLS.
        pub protocol: String,
        /// Name.
        pub name: String,
        /// Deprecated; without effect.
        pub target_port: Option<u32>,
    }

    /// TLS of a server.
    pub struct ServerTls {
        /// Answer plain HTTP with a redirect to https.
        pub https_redirect: Option<bool>,
        /// What kind of TLS; absent means PASSTHROUGH.
        pub mode: Option<ServerTlsMode>,
        /// File of the certificate.
        pub server_certificate: Option<String>,
        /// File of the key.
        pub private_key: Option<String>,
        /// File of the CA for clients' certificates.
        pub ca_certificates: Option<String>,
        /// File of revoked certificates.
        pub ca_crl: Option<String>,
        /// Secret of certificate and key, in the gateway pod's namespace.
        pub credential_name: Option<String>,
        /// Secrets of two certificates, RSA and ECDSA.
        pub credential_names: Vec<String>,
        /// Secret or ConfigMap with the CA for clients' certificates.
        pub ca_cert_credential_name: Option<String>,
        /// Files of two certificates.
        pub tls_certificates: Vec<TlsCertificate>,
        /// Names one of which a client's certificate must carry.
        pub subject_alt_names: Vec<String>,
        /// SPKI hashes (base64 SHA-256) of allowed client certificates.
        pub verify_certificate_spki: Vec<String>,
        /// Hashes (hex SHA-256) of allowed client certificates.
        pub verify_certificate_hash: Vec<String>,
        /// Lowest version; 1.2 if absent.
        pub min_protocol_version: Option<TlsVersion>,
        /// Highest version; 1.3 if absent.
        pub max_protocol_version: Option<TlsVersion>,
        /// Cipher suites by OpenSSL's names.
        pub cipher_suites: Vec<String>,
        /// Accept clients whose certificate does not check.
        pub insecure_skip_verify: Option<bool>,
    }

    /// Files of one certificate.
    pub struct TlsCertificate {
        /// File of the certificate.
        pub server_certificate: Option<String>,
        /// File of the key.
        pub private_key: Option<String>,
        /// File of the CA for clients' certificates.
        pub ca_certificates: Option<String>,
    }
}

impl Silent for ServerPort {
    fn silent(&self) -> bool {
        *self == Self::default()
    }
}

words! {
    /// What kind of TLS a server speaks.
    pub enum ServerTlsMode {
        /// None: the connection is passed on by its SNI.
        Passthrough = "PASSTHROUGH",
        /// The server shows a certificate.
        Simple = "SIMPLE",
        /// Both show certificates.
        Mutual = "MUTUAL",
        /// Passed on to the cluster that the SNI names.
        AutoPassthrough = "AUTO_PASSTHROUGH",
        /// Both show the mesh's own certificates.
        IstioMutual = "ISTIO_MUTUAL",
        /// The client may show a certificate.
        OptionalMutual = "OPTIONAL_MUTUAL",
    }

    /// A version of TLS.
    pub enum TlsVersion {
        /// As the proxy likes.
        Auto = "TLS_AUTO",
        /// 1.0.
        V1_0 = "TLSV1_0",
        /// 1.1.
        V1_1 = "TLSV1_1",
        /// 1.2.
        V1_2 = "TLSV1_2",
        /// 1.3.
        V1_3 = "TLSV1_3",
    }
}
