//! SPIFFE identities as Istio writes them: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
//!
//! Spec: <https://spiffe.io/docs/latest/spiffe-about/spiffe-concepts/>.

use std::{fmt, str::FromStr};

/// Who a workload is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Trust domain, `cluster.local` unless the mesh says otherwise.
    pub trust_domain: String,
    /// Kubernetes namespace.
    pub namespace: String,
    /// Kubernetes service account.
    pub service_account: String,
}

impl Identity {
    /// An identity of its three parts.
    #[must_use]
    pub fn new(trust_domain: &str, namespace: &str, service_account: &str) -> Self {
        Self {
            trust_domain: trust_domain.to_owned(),
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "spiffe://{}/ns/{}/sa/{}",
            self.trust_domain, self.namespace, self.service_account
        )
    }
}

/// A text that is no identity of this form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnIdentity(String);

impl fmt::Display for NotAnIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not of the form spiffe://<trust domain>/ns/<namespace>/sa/<service account>",
            self.0
        )
    }
}

impl std::error::Error for NotAnIdentity {}

impl FromStr for Identity {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        let wrong = || NotAnIdentity(text.to_owned());
        let mut parts = text.strip_prefix("spiffe://").ok_or_else(wrong)?.split('/');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        match (part(), part(), part(), part(), part(), part()) {
            (Some(trust_domain), Some("ns"), Some(namespace), Some("sa"), Some(account), None)
                if text.split('/').count() == 7 =>
            {
                Ok(Self::new(trust_domain, namespace, account))
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        let text = "spiffe://cluster.local/ns/default/sa/fleetman";
        let identity: Identity = text.parse().unwrap();
        assert_eq!(identity, Identity::new("cluster.local", "default", "fleetman"));
        assert_eq!(identity.to_string(), text);
    }

    #[test]
    fn other_uris_are_refused() {
        for text in [
            "",
            "cluster.local/ns/a/sa/b",
            "spiffe://td/ns/a",
            "spiffe://td/ns/a/sa/",
            "spiffe:///ns/a/sa/b",
            "spiffe://td/ns/a/sa/b/c",
            "spiffe://td/ns/a/sa/b/",
            "spiffe://td/sa/a/ns/b",
        ] {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
    }
}
