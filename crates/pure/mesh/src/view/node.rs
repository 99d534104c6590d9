//! A proxy, as it introduces itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use xds::wkt::value::Kind as Word;

use crate::model::Locality;

/// What a proxy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeKind {
    /// Beside one workload.
    Sidecar,
    /// A gateway.
    Router,
}

/// A proxy that asks for configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Its whole id: `sidecar~IP~POD.NAMESPACE~DOMAIN`.
    pub id: String,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// Its namespace.
    pub namespace: String,
    /// Labels of its pod.
    pub labels: BTreeMap<String, String>,
    /// Service account it runs as.
    pub service_account: String,
    /// Name of its workload.
    pub workload: String,
    /// Where it runs, if it says so.
    pub locality: Locality,
    /// Mark that it wants on its sockets (metadata `LATEEN_MARK`).
    pub mark: Option<u32>,
    /// The WorkloadGroup of which it asks to become an entry (metadata `AUTO_REGISTER_GROUP`).
    pub register: Option<String>,
    /// The network that it says it is in (metadata `NETWORK`); empty is the mesh's own.
    pub network: String,
    /// It looks after its application's health and will tell (a readinessProbe in metadata `PROXY_CONFIG`).
    pub checks_health: bool,
    /// It says that its agent gives it a certificate (metadata `ISTIO_VERSION`, which Istio's agents say).
    pub has_certificate: bool,
    /// Which program it says it is, as `envoy/1.40.0`; empty if it does not.
    pub agent: String,
}

impl Node {
    /// Reads what a proxy says of itself: its id, then its metadata.
    ///
    /// # Errors
    /// A sentence, if the id does not have its four parts or begins with another kind.
    pub fn from_xds(node: &xds::core::Node) -> Result<Node, String> {
        let parts: Vec<&str> = node.id.split('~').collect();
        let &[kind, ip, pod, _domain] = parts.as_slice() else {
            return Err(format!(
                "node id {:?} has not the four parts kind~address~pod.namespace~domain",
                node.id
            ));
        };
        let kind = match kind {
            "sidecar" => NodeKind::Sidecar,
            "router" => NodeKind::Router,
            other => {
                return Err(format!(
                    "node id {:?}: {other:?} is neither sidecar nor router",
                    node.id
                ));
            }
        };
        let metadata = Metadata(node.metadata.as_ref());
        let by_id = pod.rsplit_once('.').map_or("default", |(_, namespace)| namespace);
        let ips = metadata.text("INSTANCE_IPS");
        let ip = ips.as_deref().and_then(|ips| ips.split(',').next()).unwrap_or(ip);
        let locality = node.locality.as_ref().map(|place| Locality {
            region: place.region.clone(),
            zone: place.zone.clone(),
            subzone: place.sub_zone.clone(),
        });
        Ok(Node {
            kind,
            id: node.id.clone(),
            ip: ip.trim().parse().ok(),
            namespace: metadata.text("NAMESPACE").unwrap_or_else(|| by_id.to_owned()),
            labels: metadata.map("LABELS"),
            service_account: metadata.text("SERVICE_ACCOUNT").unwrap_or_default(),
            workload: metadata.text("WORKLOAD_NAME").unwrap_or_default(),
            locality: locality.unwrap_or_default(),
            mark: metadata.mark(),
            register: metadata.text("AUTO_REGISTER_GROUP"),
            network: metadata.text("NETWORK").unwrap_or_default(),
            checks_health: metadata.checks_health(),
            has_certificate: metadata.text("ISTIO_VERSION").is_some(),
            agent: agent(node),
        })
    }

    /// Whether it is this house's own proxy, which obeys what it is told in metadata `lateen`; no other does.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.agent.split('/').next() == Some("lateen")
    }
}

/// Name and version of the program, as far as it says them.
fn agent(node: &xds::core::Node) -> String {
    use xds::core::node::UserAgentVersionType as Version;
    let name = &node.user_agent_name;
    match &node.user_agent_version_type {
        Some(Version::UserAgentVersion(version)) => format!("{name}/{version}"),
        Some(Version::UserAgentBuildVersion(build)) => match &build.version {
            Some(it) => format!("{name}/{}.{}.{}", it.major_number, it.minor_number, it.patch),
            None => name.clone(),
        },
        None => name.clone(),
    }
}

/// The metadata of a node, which may say anything or nothing.
struct Metadata<'a>(Option<&'a xds::wkt::Struct>);

impl Metadata<'_> {
    fn word(&self, key: &str) -> Option<&Word> {
        self.0?.fields.get(key)?.kind.as_ref()
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.word(key)? {
            Word::StringValue(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn map(&self, key: &str) -> BTreeMap<String, String> {
        let Some(Word::StructValue(fields)) = self.word(key) else { return BTreeMap::new() };
        fields
            .fields
            .iter()
            .filter_map(|(key, value)| match value.kind.as_ref()? {
                Word::StringValue(text) => Some((key.clone(), text.clone())),
                _ => None,
            })
            .collect()
    }

    fn checks_health(&self) -> bool {
        let Some(Word::StructValue(config)) = self.word("PROXY_CONFIG") else { return false };
        config.fields.get("readinessProbe").is_some_and(|probe| {
            matches!(&probe.kind, Some(Word::StructValue(probe)) if !probe.fields.is_empty())
        })
    }

    /// A number, a number as text (`0x539` too), or just "true" for the house's own mark.
    fn mark(&self) -> Option<u32> {
        const HOUSE: u32 = 0x539;
        match self.word("LATEEN_MARK")? {
            Word::BoolValue(true) => Some(HOUSE),
            Word::NumberValue(number) if *number >= 1.0 && *number <= f64::from(u32::MAX) =>
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "in range"
                )]
                Some(*number as u32)
            }
            Word::StringValue(text) if text == "true" => Some(HOUSE),
            Word::StringValue(text) => match text.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            },
            _ => None,
        }
    }
}
