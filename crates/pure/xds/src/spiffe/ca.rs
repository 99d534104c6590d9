//! Istio's certificate service: what a proxy sends to have its key signed, and what it gets.
//!
//! Spec: `istio.v1.auth.IstioCertificateService` (`security/v1alpha1/ca.proto` of Istio's API).

use crate::wkt;

/// Path of the method, as gRPC calls it.
pub const CREATE_CERTIFICATE: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

/// Key of the request's metadata by which a node asks on behalf of a pod of its own.
pub const IMPERSONATED: &str = "ImpersonatedIdentity";

/// `istio.v1.auth.IstioCertificateRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CertificateRequest {
    /// The certificate signing request, in PEM. Of all that it says only the public key counts.
    #[prost(string, tag = "1")]
    pub csr: String,
    /// Wished life of the certificate in seconds; 0 leaves it to the server.
    #[prost(int64, tag = "3")]
    pub validity_duration: i64,
    /// What else the caller says of itself.
    #[prost(message, optional, tag = "4")]
    pub metadata: Option<wkt::Struct>,
}

/// `istio.v1.auth.IstioCertificateResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CertificateResponse {
    /// PEM texts: the certificate; where there are some, those between it and the root; last, all trusted roots.
    #[prost(string, repeated, tag = "1")]
    pub cert_chain: Vec<String>,
}

impl CertificateResponse {
    /// What to present (leaf and intermediates, one PEM text), and what to trust (roots, one PEM text).
    ///
    /// `None` when the answer does not hold both.
    #[must_use]
    pub fn parts(&self) -> Option<(String, &str)> {
        let (roots, presented) = self.cert_chain.split_last()?;
        if presented.is_empty() || roots.is_empty() {
            return None;
        }
        let mut chain = String::new();
        for text in presented {
            chain.push_str(text);
            if !text.ends_with('\n') {
                chain.push('\n');
            }
        }
        Some((chain, roots))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn the_fields_have_istio_s_tags() {
        let request = CertificateRequest { csr: "C".into(), validity_duration: 5, metadata: None };
        assert_eq!(request.encode_to_vec(), [0x0a, 1, b'C', 0x18, 5]);
        let response = CertificateResponse { cert_chain: vec!["a".into(), "r".into()] };
        assert_eq!(response.encode_to_vec(), [0x0a, 1, b'a', 0x0a, 1, b'r']);
    }

    #[test]
    fn an_answer_is_a_chain_and_its_roots() {
        let answer = |parts: &[&str]| CertificateResponse {
            cert_chain: parts.iter().map(|part| (*part).to_owned()).collect(),
        };
        assert_eq!(answer(&["leaf\n", "roots"]).parts(), Some(("leaf\n".into(), "roots")));
        assert_eq!(answer(&["leaf", "ca\n", "r"]).parts(), Some(("leaf\nca\n".into(), "r")));
        assert_eq!(answer(&["leaf"]).parts(), None);
        assert_eq!(answer(&["leaf", ""]).parts(), None);
        assert_eq!(answer(&[]).parts(), None);
    }
}
