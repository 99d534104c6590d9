//! Secrets of a proxy's namespace in Envoy's words.

use xds::core::{DataSource, data_source};
use xds::tls::{CertificateValidationContext, Secret, TlsCertificate, secret::Type};

use super::tls::{of_kubernetes, roots_of};
use crate::view::View;

/// What the proxy's listeners and clusters name. Only a stream that has proven who it is gets them.
pub(super) fn secrets(view: &View) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for (name, one) in &view.credentials {
        if one.is_pair() {
            secrets.push(Secret {
                name: of_kubernetes(name),
                r#type: Some(Type::TlsCertificate(TlsCertificate {
                    certificate_chain: inline(&one.certificate),
                    private_key: inline(&one.key),
                    ..TlsCertificate::default()
                })),
            });
        }
        if one.has_roots() {
            secrets.push(Secret {
                name: of_kubernetes(&roots_of(name)),
                r#type: Some(Type::ValidationContext(CertificateValidationContext {
                    trusted_ca: inline(&one.roots),
                    crl: inline(&one.revoked).filter(|_| !one.revoked.is_empty()),
                    ..CertificateValidationContext::default()
                })),
            });
        }
    }
    secrets
}

fn inline(bytes: &[u8]) -> Option<DataSource> {
    let specifier = Some(data_source::Specifier::InlineBytes(bytes.to_vec()));
    Some(DataSource { specifier, ..DataSource::default() })
}
