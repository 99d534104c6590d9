//! Reading TLS contexts and secrets.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use prost::Message as _;
use xds::{core, spiffe, tls as proto};

use crate::{
    compile::{Bad, Within as _, is_plain, refuse, unpack},
    config::Rejection,
    tls::{
        Certificate, ClientTls, Given, NameMatch, Secret, ServerTls, Source, TlsContext,
        TlsVersion, Validation,
    },
};

/// The service by which a proxy of Istio asks its own agent; here that is the proxy itself.
const OWN_SERVICE: &str = "sds-grpc";

/// Suites that we speak with TLS 1.2, under OpenSSL's names and the standard's.
const SUITES: [(&str, &str); 6] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
];

/// Suites that Envoy knows and that have no forward secrecy or no authenticated encryption: never offered.
const WEAK: [&str; 8] = [
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-SHA",
    "AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-RSA-AES128-SHA",
];

const CURVES: [&str; 4] = ["X25519", "P-256", "P-384", "X25519MLKEM768"];

/// The next id. Ids are names, not chance: only their being different counts.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl ServerTls {
    /// Reads the transport socket of a filter chain; `None` is a plain one.
    pub(crate) fn of_socket(socket: Option<&core::TransportSocket>) -> Result<Option<Self>, Bad> {
        if is_plain(socket) {
            return Ok(None);
        }
        let context: proto::DownstreamTlsContext = typed(socket)?;
        use proto::downstream_tls_context::SessionTicketKeysType as Tickets;
        let stateless = match &context.session_ticket_keys_type {
            None => true,
            Some(Tickets::DisableStatelessSessionResumption(off)) => !off,
            Some(Tickets::SessionTicketKeys(_) | Tickets::SessionTicketKeysSdsSecretConfig(_)) => {
                return Err(Bad::unsupported("session_ticket_keys"));
            }
        };
        refuse(&[
            ("ocsp_staple_policy", context.ocsp_staple_policy != 0),
            (
                "full_scan_certs_on_sni_mismatch",
                context.full_scan_certs_on_sni_mismatch == Some(true),
            ),
            ("prefer_client_ciphers", context.prefer_client_ciphers),
        ])?;
        let common = context.common_tls_context.clone().unwrap_or_default();
        let shared = TlsContext::compile(&common, TlsVersion::V13).within("common_tls_context")?;
        if shared.certificates.is_empty() {
            let why = "has no certificate; a server must show one";
            return Err(Bad::new("common_tls_context.tls_certificates", why));
        }
        Ok(Some(Self {
            context: shared,
            requires_client_certificate: context.require_client_certificate == Some(true),
            requires_server_name: context.require_sni == Some(true),
            resumes: stateless,
            handshake_timeout: None,
        }))
    }
}

impl ClientTls {
    /// Reads the transport socket of a cluster; `None` is a plain one.
    pub(crate) fn of_socket(
        socket: Option<&core::TransportSocket>,
    ) -> Result<Option<Arc<Self>>, Bad> {
        if is_plain(socket) {
            return Ok(None);
        }
        let context: proto::UpstreamTlsContext = typed(socket)?;
        refuse(&[("allow_renegotiation", context.allow_renegotiation)])?;
        let common = context.common_tls_context.clone().unwrap_or_default();
        let shared = TlsContext::compile(&common, TlsVersion::V12).within("common_tls_context")?;
        if context.sni.len() > 255 {
            return Err(Bad::new("sni", "is longer than 255 bytes"));
        }
        if shared.certificates.len() > 1 {
            let why = "are several; a client shows one certificate";
            return Err(Bad::new("common_tls_context.tls_certificates", why));
        }
        Ok(Some(Arc::new(Self {
            context: shared,
            server_name: context.sni.as_str().into(),
            host_as_server_name: context.auto_host_sni,
            checks_server_name: context.auto_sni_san_validation,
            resumes: context.max_session_keys != Some(0),
        })))
    }
}

fn typed<M: xds::Named + Default>(socket: Option<&core::TransportSocket>) -> Result<M, Bad> {
    use core::transport_socket::ConfigType;
    let Some(socket) = socket else { return Err(Bad::new("typed_config", "is not set")) };
    match &socket.config_type {
        Some(ConfigType::TypedConfig(any)) if any.is::<M>() => unpack(any),
        Some(ConfigType::TypedConfig(any)) => {
            Err(Bad::unsupported(format!("typed_config {}", any.type_name())))
        }
        None => Err(Bad::new("typed_config", "is not set")),
    }
}

impl TlsContext {
    fn compile(common: &proto::CommonTlsContext, newest: TlsVersion) -> Result<Self, Bad> {
        refuse(&[
            (
                "tls_certificate_provider_instance",
                common.tls_certificate_provider_instance.is_some(),
            ),
            ("custom_tls_certificate_selector", common.custom_tls_certificate_selector.is_some()),
            (
                "tls_certificate_certificate_provider",
                common.tls_certificate_certificate_provider.is_some(),
            ),
            (
                "tls_certificate_certificate_provider_instance",
                common.tls_certificate_certificate_provider_instance.is_some(),
            ),
            ("custom_handshaker", common.custom_handshaker.is_some()),
            ("key_log", common.key_log.is_some()),
        ])?;
        let mut certificates = Vec::new();
        for (at, certificate) in common.tls_certificates.iter().enumerate() {
            let read = Certificate::compile(certificate).within_item("tls_certificates", at)?;
            certificates.push(Given::Here(Arc::new(read)));
        }
        for (at, secret) in common.tls_certificate_sds_secret_configs.iter().enumerate() {
            let name = secret_name(secret).within_item("tls_certificate_sds_secret_configs", at)?;
            certificates.push(Given::Named(name));
        }
        let params = common.tls_params.clone().unwrap_or_default();
        let (oldest, newest) = versions(&params, newest).within("tls_params")?;
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            certificates,
            validation: validation(common)?,
            alpn: alpn(&common.alpn_protocols)?,
            oldest,
            newest,
            cipher_suites: suites(&params).within("tls_params")?,
            curves: curves(&params).within("tls_params")?,
        })
    }
}

fn alpn(protocols: &[String]) -> Result<Vec<Box<str>>, Bad> {
    let names = protocols.iter().flat_map(|list| list.split(',')).map(str::trim);
    let names: Vec<Box<str>> = names.filter(|name| !name.is_empty()).map(Into::into).collect();
    if names.iter().any(|name| name.len() > 255) {
        return Err(Bad::new("alpn_protocols", "has a name of more than 255 bytes"));
    }
    Ok(names)
}

fn versions(
    params: &proto::TlsParameters,
    auto: TlsVersion,
) -> Result<(TlsVersion, TlsVersion), Bad> {
    use proto::tls_parameters::TlsProtocol;
    refuse(&[
        ("signature_algorithms", !params.signature_algorithms.is_empty()),
        ("compliance_policies", !params.compliance_policies.is_empty()),
    ])?;
    let newest = match params.tls_maximum_protocol_version() {
        TlsProtocol::TlsAuto => auto,
        TlsProtocol::TlSv13 => TlsVersion::V13,
        TlsProtocol::TlSv12 => TlsVersion::V12,
        TlsProtocol::TlSv10 | TlsProtocol::TlSv11 => {
            let why = "is below TLS 1.2, the oldest version that this proxy speaks";
            return Err(Bad::new("tls_maximum_protocol_version", why));
        }
    };
    // An older least version only allows more than we speak.
    let oldest = match params.tls_minimum_protocol_version() {
        TlsProtocol::TlSv13 => TlsVersion::V13,
        _ => TlsVersion::V12,
    };
    if oldest > newest {
        return Err(Bad::new("tls_minimum_protocol_version", "is above the maximum"));
    }
    Ok((oldest, newest))
}

fn suites(params: &proto::TlsParameters) -> Result<Vec<Box<str>>, Bad> {
    let mut suites: Vec<Box<str>> = Vec::new();
    for (at, names) in params.cipher_suites.iter().enumerate() {
        let place = format!("cipher_suites[{at}]");
        for name in names.trim_matches(['[', ']']).split(['|', ':']) {
            match SUITES.iter().find(|(ours, standard)| *ours == name || *standard == name) {
                Some((ours, _)) => suites.push((*ours).into()),
                None if WEAK.contains(&name) => {}
                None => return Err(Bad::new(place, format!("{name:?} is not a known suite"))),
            }
        }
    }
    if suites.is_empty() && !params.cipher_suites.is_empty() {
        let why = "names only suites without forward secrecy or authenticated encryption";
        return Err(Bad::new("cipher_suites", why));
    }
    Ok(suites)
}

fn curves(params: &proto::TlsParameters) -> Result<Vec<Box<str>>, Bad> {
    let mut curves = Vec::new();
    for (at, name) in params.ecdh_curves.iter().enumerate() {
        if !CURVES.contains(&name.as_str()) {
            return Err(Bad::unsupported(format!("ecdh_curves[{at}] {name:?}")));
        }
        curves.push(name.as_str().into());
    }
    Ok(curves)
}

fn validation(common: &proto::CommonTlsContext) -> Result<Vec<Given<Validation>>, Bad> {
    use proto::common_tls_context::ValidationContextType as Kind;
    let parts = match &common.validation_context_type {
        None => Vec::new(),
        Some(Kind::ValidationContext(context)) => {
            let read = Validation::compile(context).within("validation_context")?;
            read.is_safe().within("validation_context")?;
            vec![Given::Here(Arc::new(read))]
        }
        Some(Kind::ValidationContextSdsSecretConfig(secret)) => {
            vec![Given::Named(secret_name(secret).within("validation_context_sds_secret_config")?)]
        }
        Some(Kind::CombinedValidationContext(combined)) => {
            let place = "combined_validation_context";
            refuse(&[
                (
                    "validation_context_certificate_provider",
                    combined.validation_context_certificate_provider.is_some(),
                ),
                (
                    "validation_context_certificate_provider_instance",
                    combined.validation_context_certificate_provider_instance.is_some(),
                ),
            ])
            .within(place)?;
            let mut parts = Vec::new();
            if let Some(default) = &combined.default_validation_context {
                let read = Validation::compile(default);
                let read = read.within("default_validation_context").within(place)?;
                parts.push(Given::Here(Arc::new(read)));
            }
            if let Some(secret) = &combined.validation_context_sds_secret_config {
                let name = secret_name(secret);
                let name = name.within("validation_context_sds_secret_config").within(place)?;
                parts.push(Given::Named(name));
            }
            parts
        }
        Some(Kind::ValidationContextCertificateProvider(_)) => {
            return Err(Bad::unsupported("validation_context_certificate_provider"));
        }
        Some(Kind::ValidationContextCertificateProviderInstance(_)) => {
            return Err(Bad::unsupported("validation_context_certificate_provider_instance"));
        }
    };
    Ok(parts)
}

/// The name of a secret, from a place where it can be had.
fn secret_name(secret: &proto::SdsSecretConfig) -> Result<Arc<str>, Bad> {
    use core::{config_source::ConfigSourceSpecifier as From, grpc_service::TargetSpecifier};
    if secret.name.is_empty() {
        return Err(Bad::new("name", "is empty"));
    }
    let is_own = [spiffe::OWN_CERTIFICATE, spiffe::ROOTS].contains(&secret.name.as_str());
    let source = secret.sds_config.as_ref().and_then(|it| it.config_source_specifier.as_ref());
    match source {
        // Without a source it is one of the bootstrap file.
        None | Some(From::Ads(_)) => {}
        Some(From::ApiConfigSource(api)) => {
            let of_own = api.grpc_services.iter().any(|service| {
                matches!(&service.target_specifier,
                    Some(TargetSpecifier::EnvoyGrpc(grpc)) if grpc.cluster_name == OWN_SERVICE)
            });
            if !of_own || !is_own {
                let why = format!(
                    "only {:?} and {:?} are served by {OWN_SERVICE}; ask for others over ads",
                    spiffe::OWN_CERTIFICATE,
                    spiffe::ROOTS
                );
                return Err(Bad::new("sds_config.api_config_source", why));
            }
        }
        Some(From::Path(_) | From::PathConfigSource(_) | From::Self_(_)) => {
            return Err(Bad::unsupported("sds_config"));
        }
    }
    Ok(secret.name.as_str().into())
}

impl Certificate {
    fn compile(certificate: &proto::TlsCertificate) -> Result<Self, Bad> {
        refuse(&[
            ("pkcs12", certificate.pkcs12.is_some()),
            ("private_key_provider", certificate.private_key_provider.is_some()),
            ("password", certificate.password.is_some()),
            ("ocsp_staple", certificate.ocsp_staple.is_some()),
            ("watched_directory", certificate.watched_directory.is_some()),
            ("signed_certificate_timestamp", !certificate.signed_certificate_timestamp.is_empty()),
            ("tls_params", certificate.tls_params.is_some()),
        ])?;
        let chain = Source::compile(certificate.certificate_chain.as_ref());
        let key = Source::compile(certificate.private_key.as_ref());
        let missing = |field| Bad::new(field, "is not set");
        Ok(Self {
            chain: chain
                .within("certificate_chain")?
                .ok_or_else(|| missing("certificate_chain"))?,
            key: key.within("private_key")?.ok_or_else(|| missing("private_key"))?,
        })
    }
}

impl Validation {
    fn compile(context: &proto::CertificateValidationContext) -> Result<Self, Bad> {
        refuse(&[
            (
                "ca_certificate_provider_instance",
                context.ca_certificate_provider_instance.is_some(),
            ),
            ("system_root_certs", context.system_root_certs.is_some()),
            ("verify_certificate_spki", !context.verify_certificate_spki.is_empty()),
            ("verify_certificate_hash", !context.verify_certificate_hash.is_empty()),
            (
                "require_signed_certificate_timestamp",
                context.require_signed_certificate_timestamp == Some(true),
            ),
            ("watched_directory", context.watched_directory.is_some()),
            ("crl", context.crl.is_some()),
            ("allow_expired_certificate", context.allow_expired_certificate),
            ("custom_validator_config", context.custom_validator_config.is_some()),
            ("only_verify_leaf_cert_crl", context.only_verify_leaf_cert_crl),
            ("max_verify_depth", context.max_verify_depth.is_some()),
        ])?;
        let mut names = Vec::new();
        for (at, matcher) in context.match_typed_subject_alt_names.iter().enumerate() {
            let name = NameMatch::typed(matcher);
            names.push(name.within_item("match_typed_subject_alt_names", at)?);
        }
        for (at, matcher) in context.match_subject_alt_names.iter().enumerate() {
            let name = NameMatch::of(None, matcher);
            names.push(name.within_item("match_subject_alt_names", at)?);
        }
        use proto::certificate_validation_context::TrustChainVerification as Trust;
        Ok(Self {
            trusted_ca: Source::compile(context.trusted_ca.as_ref()).within("trusted_ca")?,
            names,
            accepts_untrusted: context.trust_chain_verification() == Trust::AcceptUntrusted,
        })
    }

    /// Names of a certificate that anybody may have made say nothing.
    fn is_safe(&self) -> Result<(), Bad> {
        if self.trusted_ca.is_none() && !self.names.is_empty() {
            let why = "is not set, so that names in certificates would prove nothing";
            return Err(Bad::new("trusted_ca", why));
        }
        Ok(())
    }
}

impl Source {
    /// `None` where nothing is set.
    fn compile(source: Option<&core::DataSource>) -> Result<Option<Self>, Bad> {
        use core::data_source::Specifier;
        Ok(match source.and_then(|source| source.specifier.as_ref()) {
            None => None,
            Some(Specifier::InlineString(text)) => Some(Self::Inline(text.as_bytes().into())),
            Some(Specifier::InlineBytes(bytes)) => Some(Self::Inline(bytes.as_slice().into())),
            Some(Specifier::Filename(path)) => Some(Self::File(path.as_str().into())),
            Some(Specifier::EnvironmentVariable(_)) => {
                return Err(Bad::unsupported("environment_variable"));
            }
        })
    }
}

impl Secret {
    /// Reads an encoded secret.
    ///
    /// # Errors
    /// When it cannot be decoded or asks for something that this proxy does not do.
    pub fn read(name: &str, body: &[u8]) -> Result<Self, Rejection> {
        let refused = |bad: Bad| Rejection {
            kind: "Secret".to_owned(),
            resource: name.to_owned(),
            field: bad.field,
            why: bad.why,
        };
        let secret =
            proto::Secret::decode(body).map_err(|_| refused(Bad::new("", "cannot be decoded")))?;
        Self::compile(&secret).map_err(refused)
    }

    pub(crate) fn compile(secret: &proto::Secret) -> Result<Self, Bad> {
        use proto::secret::Type;
        match &secret.r#type {
            Some(Type::TlsCertificate(certificate)) => {
                let read = Certificate::compile(certificate).within("tls_certificate")?;
                Ok(Self::Certificate(Arc::new(read)))
            }
            Some(Type::ValidationContext(context)) => {
                let read = Validation::compile(context).within("validation_context")?;
                Ok(Self::Validation(Arc::new(read)))
            }
            Some(Type::SessionTicketKeys(_)) => Err(Bad::unsupported("session_ticket_keys")),
            Some(Type::GenericSecret(_)) => Err(Bad::unsupported("generic_secret")),
            None => Err(Bad::new("type", "is not set")),
        }
    }
}
