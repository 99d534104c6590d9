//! TLS in Envoy's words: the contexts of listeners and clusters, and where their secrets come from.
//!
//! Spec: `envoy.extensions.transport_sockets.tls.v3`; names, order and ciphers are Istio's.

use std::net::IpAddr;
use std::time::Duration;

use xds::Named;
use xds::core::config_source::ConfigSourceSpecifier;
use xds::core::grpc_service::{EnvoyGrpc, TargetSpecifier};
use xds::core::{
    ApiConfigSource, ApiVersion, ConfigSource, DataSource, GrpcService, TransportSocket,
    api_config_source, data_source, transport_socket,
};
use xds::kind::{StringMatcher, string_matcher::MatchPattern};
use xds::spiffe::{OWN_CERTIFICATE, ROOTS};
use xds::tls::certificate_validation_context::TrustChainVerification;
use xds::tls::common_tls_context::{CombinedCertificateValidationContext, ValidationContextType};
use xds::tls::subject_alt_name_matcher::SanType;
use xds::tls::tls_parameters::TlsProtocol;
use xds::tls::{
    CertificateValidationContext, CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
    SubjectAltNameMatcher, TlsCertificate, TlsParameters,
};
use xds::wkt::Any;

use super::wire::{ads, span};
use crate::model::{Protocol, Server, ServerTls, TlsMode};
use crate::view::View;

/// The cluster of a proxy's bootstrap that leads to its own agent.
const AGENT: &str = "sds-grpc";
/// Ciphers of TLS 1.2 between workloads.
const CIPHERS: &[&str] = &[
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// What callers within the mesh say they will speak when it is HTTP.
pub(super) const MESH_HTTP: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// What they say of anything else.
pub(super) const MESH_BYTES: &[&str] = &["istio-peer-exchange", "istio"];

/// Everything that callers within the mesh say.
pub(super) fn of_mesh() -> Vec<String> {
    words(MESH_BYTES).into_iter().chain(words(MESH_HTTP)).collect()
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A transport of this context.
pub(super) fn transport<M: Named>(context: &M) -> Option<TransportSocket> {
    Some(TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(Any::pack(context))),
    })
}

/// A secret that the proxy's own agent has.
pub(super) fn of_agent(name: &str) -> SdsSecretConfig {
    let agent = EnvoyGrpc { cluster_name: AGENT.to_owned(), ..EnvoyGrpc::default() };
    let source = ApiConfigSource {
        api_type: api_config_source::ApiType::Grpc as i32,
        transport_api_version: ApiVersion::V3 as i32,
        grpc_services: vec![GrpcService {
            target_specifier: Some(TargetSpecifier::EnvoyGrpc(agent)),
            ..GrpcService::default()
        }],
        set_node_on_first_message_only: true,
        ..ApiConfigSource::default()
    };
    SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(ConfigSource {
            config_source_specifier: Some(ConfigSourceSpecifier::ApiConfigSource(source)),
            initial_fetch_timeout: span(Duration::ZERO),
            resource_api_version: ApiVersion::V3 as i32,
            ..ConfigSource::default()
        }),
    }
}

/// A Secret of the proxy's namespace, which comes by the same stream as this.
pub(super) fn of_control_plane(name: &str) -> SdsSecretConfig {
    SdsSecretConfig { name: of_kubernetes(name), sds_config: ads() }
}

/// The name of a Secret's certificate, as Istio writes it.
pub(super) fn of_kubernetes(name: &str) -> String {
    format!("kubernetes://{name}")
}

/// The name of the roots that belong to a credential.
pub(super) fn roots_of(name: &str) -> String {
    format!("{name}-cacert")
}

/// TLS as a gateway's server opens it; `None` while a credential of it is missing.
pub(super) fn opened(view: &View, server: &Server) -> Option<DownstreamTlsContext> {
    let alpn: &[&str] = if server.protocol == Protocol::Https { &["h2", "http/1.1"] } else { &[] };
    let tls = server.tls.as_ref()?;
    let params = TlsParameters {
        tls_minimum_protocol_version: version(tls.lowest.unwrap_or(2)),
        tls_maximum_protocol_version: version(tls.highest.unwrap_or(3)),
        cipher_suites: tls.ciphers.clone(),
        ..TlsParameters::default()
    };
    let mut context = if tls.mode == TlsMode::IstioMutual {
        taken(view, alpn)
    } else {
        let known = |name: &String| view.credentials.get(name).is_some_and(|one| one.is_pair());
        if !tls.credentials.iter().all(known) || tls.credentials.len() + tls.pairs.len() == 0 {
            return None;
        }
        let by_file = || tls.pairs.iter().filter(|_| tls.credentials.is_empty());
        let common = CommonTlsContext {
            tls_certificates: by_file()
                .map(|(certificate, key)| TlsCertificate {
                    certificate_chain: file(certificate),
                    private_key: file(key),
                    ..TlsCertificate::default()
                })
                .collect(),
            tls_certificate_sds_secret_configs: tls
                .credentials
                .iter()
                .map(|name| of_control_plane(name))
                .collect(),
            validation_context_type: if tls.asks() { Some(clients(view, tls)?) } else { None },
            alpn_protocols: words(alpn),
            ..CommonTlsContext::default()
        };
        DownstreamTlsContext {
            common_tls_context: Some(common),
            require_client_certificate: Some(tls.mode == TlsMode::Mutual),
            ..DownstreamTlsContext::default()
        }
    };
    context.common_tls_context.get_or_insert_default().tls_params = Some(params);
    Some(context)
}

fn version(minor: u8) -> i32 {
    let version = match minor {
        0 => TlsProtocol::TlSv10,
        1 => TlsProtocol::TlSv11,
        2 => TlsProtocol::TlSv12,
        _ => TlsProtocol::TlSv13,
    };
    version as i32
}

/// What a client's certificate must be; `None` while the roots are missing.
fn clients(view: &View, tls: &ServerTls) -> Option<ValidationContextType> {
    let mut checks = CertificateValidationContext {
        match_typed_subject_alt_names: tls.names.iter().map(|name| exact(name)).collect(),
        verify_certificate_spki: tls.keys.clone(),
        verify_certificate_hash: tls.hashes.clone(),
        crl: tls.revoked.as_deref().and_then(file),
        trusted_ca: tls.roots.as_deref().and_then(file),
        ..CertificateValidationContext::default()
    };
    if tls.unchecked {
        checks.trust_chain_verification = TrustChainVerification::AcceptUntrusted as i32;
    }
    let Some(name) = tls.roots_in().filter(|_| tls.roots.is_none()) else {
        let some = checks.trusted_ca.is_some() || tls.unchecked;
        return some.then_some(ValidationContextType::ValidationContext(checks));
    };
    view.credentials.get(name).filter(|one| one.has_roots())?;
    let by_secret = CombinedCertificateValidationContext {
        default_validation_context: Some(checks),
        validation_context_sds_secret_config: Some(of_control_plane(&roots_of(name))),
        ..CombinedCertificateValidationContext::default()
    };
    Some(ValidationContextType::CombinedValidationContext(by_secret))
}

/// A name as people write it: with a scheme it is a URI, else an address or a host.
pub(super) fn exact(name: &str) -> SubjectAltNameMatcher {
    let kind = match name {
        _ if name.contains("://") => SanType::Uri,
        _ if name.parse::<IpAddr>().is_ok() => SanType::IpAddress,
        _ => SanType::Dns,
    };
    san(kind, MatchPattern::Exact(name.to_owned()))
}

pub(super) fn file(path: &str) -> Option<DataSource> {
    let specifier = Some(data_source::Specifier::Filename(path.to_owned()));
    Some(DataSource { specifier, ..DataSource::default() })
}

/// The trust domains of the mesh, its own first.
pub(super) fn trust_domains(view: &View) -> impl Iterator<Item = &str> {
    let own = view.mesh.trust_domain.as_deref().unwrap_or(&view.domain);
    std::iter::once(own).chain(view.mesh.trust_domain_aliases.iter().map(String::as_str))
}

/// A name of a certificate.
pub(super) fn san(kind: SanType, pattern: MatchPattern) -> SubjectAltNameMatcher {
    SubjectAltNameMatcher {
        san_type: kind as i32,
        matcher: Some(StringMatcher { match_pattern: Some(pattern), ignore_case: false }),
        ..SubjectAltNameMatcher::default()
    }
}

/// The mesh's own certificate, shown; and its roots, which vouch for the other side's, which has one of these names.
pub(super) fn of_workload(
    names: Vec<SubjectAltNameMatcher>,
    alpn: Vec<String>,
) -> CommonTlsContext {
    let default = CertificateValidationContext {
        match_typed_subject_alt_names: names,
        ..CertificateValidationContext::default()
    };
    CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![of_agent(OWN_CERTIFICATE)],
        validation_context_type: Some(ValidationContextType::CombinedValidationContext(
            CombinedCertificateValidationContext {
                default_validation_context: Some(default),
                validation_context_sds_secret_config: Some(of_agent(ROOTS)),
                ..CombinedCertificateValidationContext::default()
            },
        )),
        alpn_protocols: alpn,
        ..CommonTlsContext::default()
    }
}

/// Mutual TLS as a workload takes it: every identity of the mesh is welcome.
pub(super) fn taken(view: &View, alpn: &[&str]) -> DownstreamTlsContext {
    let names = trust_domains(view)
        .map(|domain| san(SanType::Uri, MatchPattern::Prefix(format!("spiffe://{domain}/"))));
    let mut common = of_workload(names.collect(), words(alpn));
    common.tls_params = Some(TlsParameters {
        tls_minimum_protocol_version: TlsProtocol::TlSv12 as i32,
        tls_maximum_protocol_version: TlsProtocol::TlSv13 as i32,
        cipher_suites: words(CIPHERS),
        ..TlsParameters::default()
    });
    DownstreamTlsContext {
        common_tls_context: Some(common),
        require_client_certificate: Some(true),
        ..DownstreamTlsContext::default()
    }
}
