//! TLS of the control plane's own ports, with certificates that the mesh's CA signs and that are renewed in time.

use std::sync::Arc;

use controllers::certificates;
use jiff::Timestamp;
use rcgen::KeyPair;
use rustls::{
    ServerConfig,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::PrivateKeyDer;

use super::{super::Options, authority::Authority, chance, provider};

/// TLS of the ports, for new connections.
#[derive(Debug)]
pub(crate) struct Tls {
    /// xDS and the certificate service: a client certificate of the mesh is welcome, any other is refused.
    pub(crate) secure: Arc<ServerConfig>,
    /// Webhooks.
    pub(crate) webhooks: Arc<ServerConfig>,
    /// When it is to be made anew.
    pub(crate) renewal: Timestamp,
}

impl Tls {
    /// A new key and certificate for both ports.
    pub(crate) fn make(
        authority: &Authority,
        options: &Options,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let signed = authority.serving(&names(options), &key, now)?;
        let config = |verifier: Arc<dyn ClientCertVerifier>, protocols: &[&[u8]]| {
            let key = PrivateKeyDer::try_from(key.serialize_der())
                .map_err(|why| anyhow::anyhow!("{why}"))?;
            let mut config = ServerConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()?
                .with_client_cert_verifier(verifier)
                .with_single_cert(signed.chain.clone(), key)?;
            config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
            // A resumed session would bring back a client's certificate without asking whether it is still good.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            anyhow::Ok(Arc::new(config))
        };
        Ok(Self {
            secure: config(authority.verifier()?, &[b"h2"])?,
            webhooks: config(WebPkiClientVerifier::no_client_auth(), &[b"h2", b"http/1.1"])?,
            renewal: certificates::renewal(signed.validity, chance::<1>()[0]),
        })
    }
}

/// The names by which the control plane is reached.
fn names(options: &Options) -> Vec<String> {
    let (service, namespace) = (&options.service, &options.namespace);
    vec![
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.{}", options.settings.domain),
        format!("{service}.{namespace}"),
        service.clone(),
        "localhost".to_owned(),
    ]
}
