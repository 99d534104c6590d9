//! TLS that a cluster starts: what its policy wants, else mutual TLS wherever the other side takes it.

use std::collections::BTreeSet;

use serde_json::json;
use xds::cluster::Cluster;
use xds::cluster::cluster::{DiscoveryType, TransportSocketMatch};
use xds::core::{TransportSocket, transport_socket};
use xds::tls::certificate_validation_context::SystemRootCerts;
use xds::tls::common_tls_context::{CombinedCertificateValidationContext, ValidationContextType};
use xds::tls::{
    CertificateValidationContext, CommonTlsContext, RawBuffer, SubjectAltNameMatcher,
    TlsCertificate, UpstreamTlsContext,
};
use xds::wkt::{Any, Struct};

use super::tls::{
    exact, file, of_control_plane, of_workload, roots_of, transport, trust_domains, words,
};
use super::traffic;
use crate::model::policy::{ClientMode, ClientTls};
use crate::model::{Endpoint, Port, Service, Traffic};
use crate::view::{Outbound, View};

/// Where the system's roots stand, as Istio's proxies have them.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Puts TLS into the cluster of a port, or of a subset of it.
pub(super) fn start(
    view: &View,
    (one, port, subset): (&Outbound, &Port, Option<&str>),
    traffic: &Traffic,
    kind: DiscoveryType,
    cluster: &mut Cluster,
) {
    let written = traffic.tls.as_ref();
    let mode = written.map(|tls| tls.mode);
    let client_protocol = traffic.pool.as_ref().is_some_and(|pool| pool.client_protocol);
    let is_http2 = port.protocol.is_http2() && !client_protocol;
    match (mode, written) {
        (Some(ClientMode::Disable), _) => {}
        (Some(ClientMode::Simple | ClientMode::Mutual), Some(tls)) => {
            let by_host = tls.sni.is_none() && port.protocol.is_http();
            if by_host {
                traffic::name_by_host(cluster, tls.names.is_empty() && !tls.unchecked);
            }
            let alpn = if is_http2 { words(&["h2"]) } else { Vec::new() };
            cluster.transport_socket = transport(&outside(view, one, tls, alpn));
        }
        (Some(ClientMode::IstioMutual), Some(tls)) => {
            let socket = mutual(view, (one, port, subset), Some(tls), is_http2);
            cluster.transport_socket = socket;
        }
        _ if one.service.external || view.mesh.no_auto_mtls => {}
        _ => {
            let socket = || mutual(view, (one, port, subset), None, is_http2);
            let mut taking = endpoints(one, port).map(|endpoint| endpoint.tls);
            if kind == DiscoveryType::OriginalDst {
                // Nothing tells the addresses apart there, so all of them have to take it.
                let some = taking.clone().next().is_some();
                cluster.transport_socket =
                    if some && taking.all(|it| it) { socket() } else { None };
            } else if taking.any(|it| it) {
                cluster.transport_socket_matches = vec![
                    choice("tlsMode-istio", &json!({"tlsMode": "istio"}), socket()),
                    choice("tlsMode-disabled", &json!({}), in_plain()),
                ];
            }
        }
    }
}

fn endpoints<'a>(one: &'a Outbound, port: &Port) -> impl Iterator<Item = &'a Endpoint> + Clone {
    let ports = one.endpoints.as_ref().and_then(|ports| ports.get(&port.number));
    ports.into_iter().flatten()
}

fn choice(
    name: &str,
    on: &serde_json::Value,
    transport_socket: Option<TransportSocket>,
) -> TransportSocketMatch {
    TransportSocketMatch {
        name: name.to_owned(),
        r#match: on.as_object().map(Struct::from),
        transport_socket,
    }
}

fn in_plain() -> Option<TransportSocket> {
    Some(TransportSocket {
        name: "envoy.transport_sockets.raw_buffer".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(Any::pack(&RawBuffer {}))),
    })
}

/// Mutual TLS between workloads. ALPN tells the other side whether to expect HTTP, as Istio's own proxies do for each request.
fn mutual(
    view: &View,
    (one, port, subset): (&Outbound, &Port, Option<&str>),
    written: Option<&ClientTls>,
    is_http2: bool,
) -> Option<TransportSocket> {
    let alpn: &[&str] = match port.protocol.is_http() {
        true if is_http2 => &["istio-h2", "istio", "h2"],
        true => &["istio-http/1.1", "istio"],
        false => &["istio"],
    };
    let own = written.map(|tls| tls.names.as_slice()).filter(|names| !names.is_empty());
    let names = match own {
        Some(names) => names.iter().map(|name| exact(name)).collect(),
        None => identities(view, one, port),
    };
    let sni = written.and_then(|tls| tls.sni.clone());
    let subset = subset.unwrap_or_default();
    let sni =
        sni.unwrap_or_else(|| format!("outbound_.{}_.{subset}_.{}", port.number, one.service.host));
    transport(&UpstreamTlsContext {
        common_tls_context: Some(of_workload(names, words(alpn))),
        sni,
        ..UpstreamTlsContext::default()
    })
}

/// Who may answer: the workloads behind the port, in each trust domain of the mesh; and what the service adds.
fn identities(view: &View, one: &Outbound, port: &Port) -> Vec<SubjectAltNameMatcher> {
    let workloads = endpoints(one, port).filter(|endpoint| endpoint.tls);
    let workloads = workloads.filter_map(|endpoint| endpoint.workload.as_ref());
    let accounts: BTreeSet<(&str, &str)> = workloads
        .filter(|it| !it.service_account.is_empty())
        .map(|it| (it.namespace.as_str(), it.service_account.as_str()))
        .collect();
    let of = |domain: &str| {
        let names = accounts.iter().map(move |(namespace, account)| {
            xds::spiffe::Identity::new(domain, namespace, account).to_string()
        });
        names.collect::<Vec<_>>()
    };
    let all = trust_domains(view).flat_map(of).chain(one.service.names.iter().cloned());
    all.map(|name| exact(&name)).collect()
}

/// TLS to what has no sidecar of this mesh.
fn outside(view: &View, one: &Outbound, tls: &ClientTls, alpn: Vec<String>) -> UpstreamTlsContext {
    // A Secret is for those whom a rule chooses: sidecars of its namespace by a selector, or gateways.
    let chosen = !view.is_sidecar() || one.policy.as_ref().is_some_and(|it| !it.clients.is_empty());
    let secret = tls.credential.as_deref().filter(|_| chosen);
    let mut common = CommonTlsContext { alpn_protocols: alpn, ..CommonTlsContext::default() };
    match (tls.mode, secret, &tls.certificate, &tls.key) {
        (ClientMode::Mutual, Some(name), ..) => {
            common.tls_certificate_sds_secret_configs = vec![of_control_plane(name)];
        }
        (ClientMode::Mutual, None, Some(certificate), Some(key)) => {
            common.tls_certificates = vec![TlsCertificate {
                certificate_chain: file(certificate),
                private_key: file(key),
                ..TlsCertificate::default()
            }];
        }
        _ => {}
    }
    if !tls.unchecked {
        common.validation_context_type = Some(checks(&one.service, tls, secret));
    }
    UpstreamTlsContext {
        common_tls_context: Some(common),
        sni: tls.sni.clone().unwrap_or_default(),
        ..UpstreamTlsContext::default()
    }
}

/// What the server's certificate must be.
fn checks(service: &Service, tls: &ClientTls, secret: Option<&str>) -> ValidationContextType {
    let names = if tls.names.is_empty() { &service.names } else { &tls.names };
    let mut checks = CertificateValidationContext {
        match_typed_subject_alt_names: names.iter().map(|name| exact(name)).collect(),
        crl: tls.revoked.as_deref().and_then(file),
        ..CertificateValidationContext::default()
    };
    if let Some(name) = secret {
        return ValidationContextType::CombinedValidationContext(
            CombinedCertificateValidationContext {
                default_validation_context: Some(checks),
                validation_context_sds_secret_config: Some(of_control_plane(&roots_of(name))),
                ..CombinedCertificateValidationContext::default()
            },
        );
    }
    match tls.roots.as_deref() {
        // Envoy compares names only with roots that a field of the context names.
        None | Some("system") if !names.is_empty() => checks.trusted_ca = file(SYSTEM_ROOTS),
        None | Some("system") => checks.system_root_certs = Some(SystemRootCerts {}),
        Some(path) => checks.trusted_ca = file(path),
    }
    ValidationContextType::ValidationContext(checks)
}
