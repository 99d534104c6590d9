//! The kubeconfig that kubectl and kube-rs read, with everything embedded.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::pki::Credentials;

/// The text of a kubeconfig with one cluster, one user and one context, all named `lateen`.
pub(crate) fn render(server: SocketAddr, credentials: &Credentials) -> String {
    let encode = |pem: &str| STANDARD.encode(pem);
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: lateen
  cluster:
    server: https://{server}
    certificate-authority-data: {}
users:
- name: lateen
  user:
    client-certificate-data: {}
    client-key-data: {}
contexts:
- name: lateen
  context:
    cluster: lateen
    user: lateen
current-context: lateen
preferences: {{}}
",
        encode(&credentials.ca_pem),
        encode(&credentials.certificate_pem),
        encode(&credentials.key_pem),
    )
}
