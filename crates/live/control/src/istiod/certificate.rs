//! The certificate of the webhooks, and the CA that the API server trusts for it.
//!
//! The CA is kept in a Secret, so that all control planes of a cluster, and each after a restart, have the same.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;
use jiff::civil::Date;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{Options, Shared, stopped, watch::Pause};

/// Name of the Secret.
const SECRET: &str = "lateen-webhook-ca";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
/// Years for which certificates are valid.
const YEARS: i16 = 10;

/// A CA.
#[derive(Debug)]
pub(super) struct Authority {
    /// Its certificate, in PEM.
    pub(super) pem: String,
    key: String,
}

impl Authority {
    /// Makes a new CA.
    fn make(today: Date) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.distinguished_name.push(DnType::CommonName, "lateen webhooks");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        limit(&mut parameters, today)?;
        let pem = parameters.self_signed(&key)?.pem();
        Ok(Self { pem, key: key.serialize_pem() })
    }

    /// Reads a CA that was kept.
    fn read(secret: &Secret) -> anyhow::Result<Self> {
        let data = secret.data.as_ref().context("it has no data")?;
        let text = |key: &str| -> anyhow::Result<String> {
            let bytes = data.get(key).with_context(|| format!("it has no {key}"))?;
            String::from_utf8(bytes.0.clone()).with_context(|| format!("its {key} is not PEM"))
        };
        let authority = Self { pem: text(CERTIFICATE)?, key: text(KEY)? };
        authority.issuer()?;
        Ok(authority)
    }

    fn secret(&self, options: &Options) -> Secret {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        Secret {
            metadata: ObjectMeta {
                name: Some(SECRET.to_owned()),
                namespace: Some(options.namespace.clone()),
                ..ObjectMeta::default()
            },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(BTreeMap::from([
                (CERTIFICATE.to_owned(), bytes(&self.pem)),
                (KEY.to_owned(), bytes(&self.key)),
            ])),
            ..Secret::default()
        }
    }

    fn issuer(&self) -> anyhow::Result<Issuer<'static, KeyPair>> {
        let key = KeyPair::from_pem(&self.key).context("its key cannot be read")?;
        Issuer::from_ca_cert_pem(&self.pem, key).context("its certificate cannot be read")
    }

    /// TLS with a new certificate of this CA.
    pub(super) fn serving(&self, options: &Options) -> anyhow::Result<Arc<ServerConfig>> {
        let (service, namespace, domain) =
            (&options.service, &options.namespace, &options.settings.domain);
        let names = vec![
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.{domain}"),
            format!("{service}.{namespace}"),
            service.clone(),
            "localhost".to_owned(),
        ];
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(names)?;
        parameters
            .distinguished_name
            .push(DnType::CommonName, format!("{service}.{namespace}.svc"));
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        limit(&mut parameters, today())?;
        let certificate = parameters.signed_by(&key, &self.issuer()?)?;
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let private =
            PrivateKeyDer::try_from(key.serialize_der()).map_err(|why| anyhow::anyhow!("{why}"))?;
        let mut tls = ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(tls))
    }
}

fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Valid from yesterday, for clocks that differ, and for years.
fn limit(parameters: &mut CertificateParams, today: Date) -> anyhow::Result<()> {
    let time = |date: Date| -> anyhow::Result<_> {
        Ok(rcgen::date_time_ymd(
            i32::from(date.year()),
            u8::try_from(date.month())?,
            u8::try_from(date.day())?,
        ))
    };
    parameters.not_before = time(today.yesterday()?)?;
    // The first of the month: it exists in every year.
    parameters.not_after = time(Date::new(today.year() + YEARS, today.month(), 1)?)?;
    Ok(())
}

/// The CA of this cluster: the one that is kept, or else a new one. `None` when the control plane stops before the API answers.
pub(super) async fn authority(shared: &Shared) -> Option<Authority> {
    let mut stop = shared.stop.clone();
    let mut pause = Pause::default();
    loop {
        match kept_or_new(shared).await {
            Ok(authority) => return Some(authority),
            Err(error) => tracing::warn!("the CA of the webhooks: {error:#}; it is tried again"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause.next()) => {}
            () = stopped(&mut stop) => return None,
        }
    }
}

async fn kept_or_new(shared: &Shared) -> anyhow::Result<Authority> {
    let options = &shared.options;
    let secrets: Api<Secret> = Api::namespaced(shared.client.clone(), &options.namespace);
    let mut broken = None;
    if let Some(secret) =
        secrets.get_opt(SECRET).await.with_context(|| format!("cannot read the Secret {SECRET}"))?
    {
        match Authority::read(&secret) {
            Ok(authority) => return Ok(authority),
            Err(error) => {
                tracing::warn!("the Secret {SECRET} holds no CA ({error:#}) and is replaced");
                broken = Some(secret.metadata.resource_version);
            }
        }
    }
    let authority = Authority::make(today())?;
    let mut secret = authority.secret(options);
    // A conflict means that another control plane was faster: the next attempt finds its CA.
    if let Some(version) = broken {
        secret.metadata.resource_version = version;
        secrets.replace(SECRET, &PostParams::default(), &secret).await
    } else {
        secrets.create(&PostParams::default(), &secret).await
    }
    .with_context(|| format!("cannot keep a new CA in the Secret {SECRET}"))?;
    Ok(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_authority_serves_and_a_broken_one_is_refused() {
        let authority = Authority::make(jiff::civil::date(2024, 2, 29)).unwrap();
        let mut secret = authority.secret(&Options::default());
        let again = Authority::read(&secret).unwrap();
        assert_eq!(again.pem, authority.pem);
        again.serving(&Options::default()).unwrap();
        secret.data.as_mut().unwrap().remove(KEY);
        assert!(Authority::read(&secret).is_err());
    }
}
