//! SPIFFE identities as Istio writes them: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
//!
//! Spec: <https://spiffe.io/docs/latest/spiffe-about/spiffe-concepts/>.

pub mod ca;
pub mod renewal;

use std::{fmt, str::FromStr};

use crate::{core::Node, wkt::value::Kind as Word};

/// Name under which listeners and clusters refer to the proxy's own certificate; its key never leaves the pod.
pub const OWN_CERTIFICATE: &str = "default";
/// Name under which listeners and clusters refer to the roots of the mesh.
pub const ROOTS: &str = "ROOTCA";

/// Longest identity in bytes.
///
/// Spec: SPIFFE-ID, section 2.3.
const LONGEST: usize = 2048;

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

    /// The identity of a user of the Kubernetes API, which must be a ServiceAccount:
    /// `system:serviceaccount:<namespace>:<name>`.
    #[must_use]
    pub fn of_user(trust_domain: &str, user: &str) -> Option<Self> {
        let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        let good = is_segment(namespace) && is_segment(name);
        good.then(|| Self::new(trust_domain, namespace, name))
    }

    /// Whether a proxy of this identity may introduce itself as `node`.
    ///
    /// The namespace in its id and, where they are said, namespace and service account of its metadata must be those of the
    /// identity: what a proxy gets depends on them.
    ///
    /// # Errors
    /// A sentence that says what does not fit.
    pub fn vouches_for(&self, node: &Node) -> Result<(), String> {
        let Some(pod) = node.id.split('~').nth(2) else {
            return Err(format!("node id {:?} names no pod and namespace", node.id));
        };
        let namespace = pod.rsplit_once('.').map_or("", |(_, namespace)| namespace);
        let said = [
            ("its id names the namespace", Some(namespace)),
            ("its metadata names the namespace", text(node, "NAMESPACE")),
            ("its metadata names the namespace", text(node, "CONFIG_NAMESPACE")),
        ];
        for (what, said) in said {
            if said.is_some_and(|said| said != self.namespace) {
                return Err(format!(
                    "{self} is no proxy of another namespace: {what} {:?}",
                    said.unwrap_or_default()
                ));
            }
        }
        match text(node, "SERVICE_ACCOUNT") {
            Some(account) if account != self.service_account => Err(format!(
                "{self} is no proxy of another service account: its metadata names {account:?}"
            )),
            _ => Ok(()),
        }
    }
}

/// A text of a node's metadata that is there and not empty.
fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    match node.metadata.as_ref()?.fields.get(key)?.kind.as_ref()? {
        Word::StringValue(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
        // What is no text cannot be compared, and must not pass for absent.
        _ => Some("(not a text)"),
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
        // Whoever sent it chose it: it is shown escaped, and not at any length.
        let shown: String = self.0.chars().take(200).collect();
        write!(
            f,
            "{shown:?} is not of the form spiffe://<trust domain>/ns/<namespace>/sa/<service account>"
        )
    }
}

impl std::error::Error for NotAnIdentity {}

impl FromStr for Identity {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        let wrong = || NotAnIdentity(text.to_owned());
        if text.len() > LONGEST {
            return Err(wrong());
        }
        let rest = text.strip_prefix("spiffe://").ok_or_else(wrong)?;
        let parts: Vec<&str> = rest.splitn(6, '/').collect();
        match parts.as_slice() {
            &[domain, "ns", namespace, "sa", account]
                if is_trust_domain(domain) && is_segment(namespace) && is_segment(account) =>
            {
                Ok(Self::new(domain, namespace, account))
            }
            _ => Err(wrong()),
        }
    }
}

/// Spec: SPIFFE-ID, section 2.1: lower-case letters, digits, `.`, `-` and `_`.
fn is_trust_domain(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    !text.is_empty() && text.len() <= 255 && text.bytes().all(good)
}

/// Spec: SPIFFE-ID, section 2.2: letters, digits, `.`, `-` and `_`; not `.` or `..`; nothing encoded.
fn is_segment(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !matches!(text, "" | "." | "..") && text.bytes().all(good)
}

/// The trust domains whose identities count as the mesh's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDomains {
    /// The domain of identities that are given out.
    pub own: String,
    /// Domains that mean the same, such as a former name.
    pub aliases: Vec<String>,
}

impl Default for TrustDomains {
    fn default() -> Self {
        Self { own: "cluster.local".to_owned(), aliases: Vec::new() }
    }
}

impl TrustDomains {
    /// Reads a `meshConfig`: `trustDomain` and `trustDomainAliases`.
    ///
    /// # Errors
    /// A sentence, if a name is no trust domain; then nothing of it should be used.
    pub fn of_mesh_config(config: &serde_json::Value) -> Result<Self, String> {
        let checked = |text: &str| {
            if is_trust_domain(text) {
                return Ok(text.to_owned());
            }
            Err(format!("{text:?} is no trust domain: lower-case letters, digits, . - _"))
        };
        let default = Self::default();
        let own = match config.get("trustDomain").and_then(|it| it.as_str()) {
            None | Some("") => default.own,
            Some(text) => checked(text)?,
        };
        let aliases = config.get("trustDomainAliases").and_then(|it| it.as_array());
        let aliases = aliases.into_iter().flatten().filter_map(|it| it.as_str());
        Ok(Self { own, aliases: aliases.map(checked).collect::<Result<_, _>>()? })
    }

    /// Whether a domain is the own one or an alias.
    #[must_use]
    pub fn knows(&self, domain: &str) -> bool {
        self.own == domain || self.aliases.iter().any(|alias| alias == domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wkt::{Struct, Value};

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        let text = "spiffe://cluster.local/ns/default/sa/fleetman";
        let identity: Identity = text.parse().unwrap();
        assert_eq!(identity, Identity::new("cluster.local", "default", "fleetman"));
        assert_eq!(identity.to_string(), text);
    }

    #[test]
    fn other_uris_are_refused() {
        let long = format!("spiffe://td/ns/a/sa/{}", "b".repeat(LONGEST));
        for text in [
            "",
            "cluster.local/ns/a/sa/b",
            "spiffe://td/ns/a",
            "spiffe://td/ns/a/sa/",
            "spiffe:///ns/a/sa/b",
            "spiffe://td/ns/a/sa/b/c",
            "spiffe://td/ns/a/sa/b/",
            "spiffe://td/ns//sa/b",
            "spiffe://td/sa/a/ns/b",
            "spiffe://TD/ns/a/sa/b",
            "SPIFFE://td/ns/a/sa/b",
            "spiffe://td:443/ns/a/sa/b",
            "spiffe://u@td/ns/a/sa/b",
            "spiffe://td/ns/../sa/b",
            "spiffe://td/ns/a/sa/b%2fc",
            "spiffe://td/ns/a/sa/b?x",
            "spiffe://td/ns/a/sa/b#x",
            "spiffe://td/ns/a/sa/b\0",
            "spiffe://td/ns/a/sa/\u{e4}",
            " spiffe://td/ns/a/sa/b",
            long.as_str(),
        ] {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_service_accounts_are_identities() {
        assert_eq!(
            Identity::of_user("td", "system:serviceaccount:shop:web"),
            Some(Identity::new("td", "shop", "web"))
        );
        for user in
            ["kubernetes-admin", "system:serviceaccount:shop", "system:serviceaccount:a/b:c", ""]
        {
            assert_eq!(Identity::of_user("td", user), None, "{user}");
        }
    }

    #[test]
    fn a_node_must_be_of_its_identity() {
        let identity = Identity::new("td", "shop", "web");
        let node = |id: &str, fields: &[(&str, &str)]| Node {
            id: id.to_owned(),
            metadata: Some(Struct {
                fields: fields
                    .iter()
                    .map(|(key, value)| {
                        let kind = Some(Word::StringValue((*value).to_owned()));
                        ((*key).to_owned(), Value { kind })
                    })
                    .collect(),
            }),
            ..Node::default()
        };
        let id = "sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local";
        for (node, good) in [
            (node(id, &[]), true),
            (node(id, &[("NAMESPACE", "shop"), ("SERVICE_ACCOUNT", "web")]), true),
            (node(id, &[("NAMESPACE", "bank")]), false),
            (node(id, &[("CONFIG_NAMESPACE", "bank")]), false),
            (node(id, &[("SERVICE_ACCOUNT", "till")]), false),
            (node("sidecar~10.0.0.1~web-1.bank~bank.svc", &[("NAMESPACE", "shop")]), false),
            (node("sidecar~10.0.0.1~web-1~x", &[]), false),
            (node("nonsense", &[]), false),
        ] {
            assert_eq!(identity.vouches_for(&node).is_ok(), good, "{node:?}");
        }
        let mut list = node(id, &[]);
        let fields = &mut list.metadata.as_mut().unwrap().fields;
        fields.insert("NAMESPACE".to_owned(), Value { kind: Some(Word::BoolValue(true)) });
        assert!(identity.vouches_for(&list).is_err(), "what is no text does not pass");
    }

    #[test]
    fn trust_domains_come_from_the_mesh_config() {
        let read = |text: &str| TrustDomains::of_mesh_config(&serde_json::from_str(text).unwrap());
        assert_eq!(read("{}"), Ok(TrustDomains::default()));
        let domains = read(r#"{"trustDomain": "new", "trustDomainAliases": ["old"]}"#).unwrap();
        assert!(domains.knows("new") && domains.knows("old") && !domains.knows("cluster.local"));
        assert!(read(r#"{"trustDomain": "a/b"}"#).is_err());
    }
}
