//! Services, ports, workloads and endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Export, Shared};

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1, or HTTP/2 where the client speaks it.
    Http,
    /// HTTP/2 without TLS.
    Http2,
    /// gRPC over HTTP/2 without TLS.
    Grpc,
    /// gRPC-Web over HTTP/1.1.
    GrpcWeb,
    /// HTTP inside TLS, which is not opened.
    Https,
    /// TLS, which is not opened.
    Tls,
    /// Bytes.
    Tcp,
    /// Datagrams: outside of the mesh.
    Udp,
    /// Not declared: the first bytes decide.
    Unknown,
}

impl Protocol {
    /// HTTP that the proxy reads.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Protocol::Http | Protocol::Http2 | Protocol::Grpc | Protocol::GrpcWeb)
    }

    /// HTTP/2 towards the application.
    #[must_use]
    pub fn is_http2(self) -> bool {
        matches!(self, Protocol::Http2 | Protocol::Grpc)
    }

    /// TLS of the application's own, routable by server name.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Protocol::Https | Protocol::Tls)
    }

    /// Reads a word of an `appProtocol` or the first part of a port name. `None` is a word that
    /// names no protocol.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Protocol> {
        let protocol = match word.to_ascii_lowercase().as_str() {
            "http" | "kubernetes.io/ws" | "http_proxy" => Protocol::Http,
            "http2" | "kubernetes.io/h2c" => Protocol::Http2,
            "grpc" => Protocol::Grpc,
            "grpc-web" => Protocol::GrpcWeb,
            "https" | "kubernetes.io/wss" => Protocol::Https,
            "tls" => Protocol::Tls,
            "tcp" | "mongo" | "redis" | "mysql" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return None,
        };
        Some(protocol)
    }

    /// The protocol of a Service port, as Istio finds it: transport, `appProtocol`, name, number.
    #[must_use]
    pub fn of_port(transport: &str, app: Option<&str>, name: &str, number: u16) -> Protocol {
        if transport.eq_ignore_ascii_case("UDP") {
            return Protocol::Udp;
        }
        let by_app = app.and_then(Protocol::from_word);
        let by_name = || {
            let lower = name.to_ascii_lowercase();
            if lower == "grpc-web" || lower.starts_with("grpc-web-") {
                return Some(Protocol::GrpcWeb);
            }
            Protocol::from_word(lower.split('-').next().unwrap_or_default())
        };
        // Servers of these speak first: waiting for the client's first bytes would hang.
        let by_number = || matches!(number, 25 | 53 | 3306 | 27017).then_some(Protocol::Tcp);
        by_app.or_else(by_name).or_else(by_number).unwrap_or(Protocol::Unknown)
    }
}

/// The port of the workload behind a service port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A number.
    Number(u16),
    /// The name of a container port.
    Name(String),
}

/// One port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Port {
    /// The number that clients dial.
    pub number: u16,
    /// Its name, may be empty.
    pub name: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Where it leads.
    pub target: Target,
}

/// Which service: two namespaces may each have an entry for one host outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName {
    /// Full host name, or a pattern.
    pub host: String,
    /// Namespace of the object.
    pub namespace: String,
}

/// How the addresses behind a service are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Resolution {
    /// The control plane tells them.
    #[default]
    Endpoints,
    /// The address that the client dialled.
    Dialled,
    /// By DNS, all that it gives.
    Dns,
    /// By DNS, one that it gives, for new connections.
    DnsRoundRobin,
    /// By DNS, of the name in each request.
    ByRequest,
}

impl Resolution {
    /// Whether the proxy asks DNS for names that the configuration holds.
    #[must_use]
    pub fn is_dns(self) -> bool {
        matches!(self, Resolution::Dns | Resolution::DnsRoundRobin)
    }
}

/// A service that clients name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Service {
    /// Full host name, or a pattern.
    pub host: String,
    /// Name of the Service object; the host for one of a ServiceEntry.
    pub name: String,
    /// Namespace of the object.
    pub namespace: String,
    /// It comes from a ServiceEntry: clients call it by its host alone.
    pub entry: bool,
    /// Not part of the mesh.
    pub external: bool,
    /// How addresses are found.
    pub resolution: Resolution,
    /// Networks that belong to it, as clients dial them.
    pub networks: Vec<ipnet::IpNet>,
    /// Creation stamp, RFC 3339.
    pub created: String,
    /// Virtual addresses; none for a headless service.
    pub addresses: Vec<IpAddr>,
    /// No virtual address: clients dial the pods.
    pub headless: bool,
    /// Ports in the order of the object, datagram ports left out.
    pub ports: Vec<Port>,
    /// Labels of the pods behind it; empty selects nothing.
    pub selector: BTreeMap<String, String>,
    /// Names one of which a certificate of the service may carry beside those of its workloads.
    pub names: Vec<String>,
    /// Who sees it.
    pub export: Export,
    /// Endpoints in the caller's zone come first, then those of its region (`trafficDistribution`).
    pub near: bool,
}

impl Service {
    /// Its place in the model.
    #[must_use]
    pub fn key(&self) -> ServiceName {
        ServiceName { host: self.host.clone(), namespace: self.namespace.clone() }
    }

    /// Whether clients may dial any address for it: only the words of a connection tell.
    #[must_use]
    pub fn is_anywhere(&self) -> bool {
        self.entry && self.addresses.is_empty() && self.networks.is_empty()
    }

    /// The port with this number.
    #[must_use]
    pub fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// Whether it selects a pod with these labels in `namespace`.
    #[must_use]
    pub fn selects(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        self.namespace == namespace && !self.selector.is_empty() && contains(labels, &self.selector)
    }
}

/// Whether `labels` has every pair of `wanted`.
#[must_use]
pub fn contains(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Where something runs; empty parts are not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Locality {
    /// Region.
    pub region: String,
    /// Zone.
    pub zone: String,
    /// Part of a zone.
    pub subzone: String,
}

impl Locality {
    /// Reads `region/zone/subzone`, or with dots, as the pod label `istio-locality` has it.
    #[must_use]
    pub fn from_text(text: &str) -> Locality {
        let separator = if text.contains('/') { '/' } else { '.' };
        let mut parts = text.splitn(3, separator).map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        Locality { region: part(), zone: part(), subzone: part() }
    }

    /// Nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.region.is_empty() && self.zone.is_empty() && self.subzone.is_empty()
    }
}

/// One pod (or machine) that takes part.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Workload {
    /// Name of the pod.
    pub name: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Labels of the pod.
    pub labels: BTreeMap<String, String>,
    /// Service account it runs as.
    pub service_account: String,
    /// What owns it, as telemetry names it: the Deployment, else the pod.
    pub owner: String,
    /// Where it runs.
    pub locality: Locality,
    /// Named container ports.
    pub ports: BTreeMap<String, u16>,
    /// The network that it is in; empty is every caller's own.
    pub network: String,
    /// It has a sidecar that accepts mutual TLS.
    pub tls: bool,
}

impl Workload {
    /// The application's name for telemetry: its labels, else what owns it.
    #[must_use]
    pub fn canonical_name(&self) -> &str {
        ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]
            .iter()
            .find_map(|label| self.labels.get(*label).filter(|value| !value.is_empty()))
            .map_or(&self.owner, |value| value)
    }

    /// The application's version for telemetry; `latest` where no label tells.
    #[must_use]
    pub fn canonical_revision(&self) -> &str {
        ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]
            .iter()
            .find_map(|label| self.labels.get(*label).filter(|value| !value.is_empty()))
            .map_or("latest", |value| value)
    }
}

/// Where a workload is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// At an address.
    Ip(IpAddr),
    /// At whatever addresses DNS gives for a name.
    Name(String),
    /// At a unix socket of the caller's machine: `/path`, or `@` and a name.
    Pipe(String),
    /// Nowhere but through a gateway of its network.
    Behind,
}

impl Address {
    /// The address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Ip(ip) => Some(*ip),
            Address::Name(_) | Address::Pipe(_) | Address::Behind => None,
        }
    }
}

impl PartialEq<IpAddr> for Address {
    fn eq(&self, other: &IpAddr) -> bool {
        self.ip() == Some(*other)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Ip(ip) => ip.fmt(f),
            Address::Name(text) | Address::Pipe(text) => f.write_str(text),
            Address::Behind => f.write_str("(behind a gateway)"),
        }
    }
}

/// One address behind one port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Address of the workload.
    pub address: Address,
    /// Port of the workload.
    pub port: u16,
    /// Its share among the others; at least 1.
    pub weight: u32,
    /// The workload, where an object tells.
    pub workload: Option<Shared<Workload>>,
    /// Where it runs, by its slice; the workload's own wins.
    pub locality: Locality,
    /// It takes mutual TLS at this port.
    pub tls: bool,
}

impl Endpoint {
    /// Where it runs.
    #[must_use]
    pub fn locality(&self) -> &Locality {
        match &self.workload {
            Some(workload) if !workload.locality.is_unknown() => &workload.locality,
            _ => &self.locality,
        }
    }

    /// Whether the workload has these labels; no labels wanted is always true.
    #[must_use]
    pub fn has_labels(&self, wanted: &BTreeMap<String, String>) -> bool {
        wanted.is_empty()
            || self.workload.as_ref().is_some_and(|workload| contains(&workload.labels, wanted))
    }
}

/// The ready endpoints of one service, by port number of the service.
pub type Endpoints = BTreeMap<u16, Vec<Endpoint>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_of_a_port_is_found_in_order() {
        let table = [
            ("UDP", None, "http", 80, Protocol::Udp),
            ("TCP", Some("http2"), "tcp-x", 80, Protocol::Http2),
            ("TCP", Some("kubernetes.io/h2c"), "", 80, Protocol::Http2),
            ("TCP", Some("my.company/x"), "http", 80, Protocol::Http),
            ("TCP", None, "http", 80, Protocol::Http),
            ("TCP", None, "HTTP-web", 80, Protocol::Http),
            ("TCP", None, "http-web-2", 80, Protocol::Http),
            ("TCP", None, "grpc-web", 80, Protocol::GrpcWeb),
            ("TCP", None, "grpc-web-x", 80, Protocol::GrpcWeb),
            ("TCP", None, "grpc-x", 80, Protocol::Grpc),
            ("TCP", None, "https", 443, Protocol::Https),
            ("TCP", None, "mongo", 27017, Protocol::Tcp),
            ("TCP", None, "web", 3306, Protocol::Tcp),
            ("TCP", None, "web", 8080, Protocol::Unknown),
            ("TCP", None, "", 80, Protocol::Unknown),
        ];
        for (transport, app, name, number, expected) in table {
            let found = Protocol::of_port(transport, app, name, number);
            assert_eq!(found, expected, "{transport} {app:?} {name} {number}");
        }
    }

    #[test]
    fn a_locality_is_read_with_slashes_or_dots() {
        let eu = Locality { region: "eu".into(), zone: "a".into(), subzone: "r1".into() };
        assert_eq!(Locality::from_text("eu/a/r1"), eu);
        assert_eq!(Locality::from_text("eu.a.r1"), eu);
        assert_eq!(Locality::from_text("eu").zone, "");
        assert!(Locality::from_text("").is_unknown());
    }
}
