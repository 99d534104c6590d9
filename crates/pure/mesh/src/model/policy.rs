//! Policies after routing: what the DestinationRules of one host mean.

use std::collections::BTreeMap;
use std::time::Duration;

use super::extras::Extras;
use super::{Export, Origin};

/// What one DestinationRule means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The object.
    pub origin: Origin,
    /// Creation stamp, RFC 3339.
    pub created: String,
    /// Full host or pattern.
    pub host: String,
    /// Who sees it.
    pub export: Export,
    /// Labels of the client workloads it is for; empty is all.
    pub clients: BTreeMap<String, String>,
    /// What holds for the host.
    pub traffic: Layer,
    /// Named parts of the host.
    pub subsets: Vec<Subset>,
    /// What annotations add to all this.
    pub extras: Extras,
}

/// A named part of a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subset {
    /// Its name.
    pub name: String,
    /// Labels of its endpoints.
    pub labels: BTreeMap<String, String>,
    /// What holds for it, over the host's own.
    pub traffic: Layer,
}

/// A traffic policy with its exceptions by port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Layer {
    /// For every port.
    pub all: Traffic,
    /// For one service port, replacing the whole of `all`.
    pub ports: BTreeMap<u16, Traffic>,
}

impl Policy {
    /// What holds for a service port, and for a subset of it if one is named.
    ///
    /// A block of the subset replaces the same block of the host; a port's settings replace all
    /// blocks, and what they leave out is the default, not the host's.
    #[must_use]
    pub fn traffic(&self, port: u16, subset: Option<&str>) -> Traffic {
        let base = self.traffic.ports.get(&port).unwrap_or(&self.traffic.all);
        let Some(subset) = subset.and_then(|name| self.subset(name)) else {
            return base.clone();
        };
        if let Some(own) = subset.traffic.ports.get(&port) {
            // The retry budget is no part of port settings: it stays.
            return Traffic {
                budget: subset.traffic.all.budget.clone().or_else(|| base.budget.clone()),
                ..own.clone()
            };
        }
        let own = subset.traffic.all.clone();
        Traffic {
            balance: own.balance.or_else(|| base.balance.clone()),
            pool: own.pool.or_else(|| base.pool.clone()),
            outlier: own.outlier.or_else(|| base.outlier.clone()),
            tls: own.tls.or_else(|| base.tls.clone()),
            budget: own.budget.or_else(|| base.budget.clone()),
        }
    }

    /// The subset with this name.
    #[must_use]
    pub fn subset(&self, name: &str) -> Option<&Subset> {
        self.subsets.iter().find(|subset| subset.name == name)
    }

    /// Every traffic policy in it, to change it.
    pub(crate) fn layers_mut(&mut self) -> impl Iterator<Item = &mut Traffic> {
        std::iter::once(&mut self.traffic)
            .chain(self.subsets.iter_mut().map(|subset| &mut subset.traffic))
            .flat_map(|layer| std::iter::once(&mut layer.all).chain(layer.ports.values_mut()))
    }

    /// Every traffic policy in it.
    pub fn layers(&self) -> impl Iterator<Item = &Traffic> {
        std::iter::once(&self.traffic)
            .chain(self.subsets.iter().map(|subset| &subset.traffic))
            .flat_map(|layer| std::iter::once(&layer.all).chain(layer.ports.values()))
    }
}

/// One traffic policy; `None` is the mesh's default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Traffic {
    /// How a host is picked.
    pub balance: Option<Balance>,
    /// Limits of connections and requests.
    pub pool: Option<Pool>,
    /// Ejection of bad hosts.
    pub outlier: Option<Outlier>,
    /// TLS that the client starts.
    pub tls: Option<ClientTls>,
    /// Share of requests that may be retries.
    pub budget: Option<Budget>,
}

/// How a host is picked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Balance {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// What is hashed, for the algorithms that hash.
    pub hash: Option<HashOn>,
    /// New hosts start with less.
    pub warmup: Option<Warmup>,
    /// Preference by place, replacing the mesh's.
    pub locality: Option<LocalityRules>,
}

/// Balancing algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// The less busy of two random hosts.
    #[default]
    LeastRequest,
    /// In turn.
    RoundRobin,
    /// At random.
    Random,
    /// None: the address that the client dialled.
    Passthrough,
    /// Ring hash with at least so many entries.
    Ring(u64),
    /// Maglev with a table of this size.
    Maglev(u64),
}

/// What is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HashOn {
    /// A request header.
    Header(String),
    /// A cookie; made by the proxy if a lifetime is given (zero is a session cookie).
    Cookie {
        /// Its name.
        name: String,
        /// Its path, may be empty.
        path: String,
        /// Its lifetime.
        ttl: Option<Duration>,
        /// Further attributes.
        attributes: Vec<(String, String)>,
    },
    /// The client's address.
    SourceIp,
    /// A query parameter.
    Query(String),
}

/// A slow start for new hosts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Warmup {
    /// How long.
    pub duration: Duration,
    /// First weight in thousandths of a percent.
    pub minimum_milli_percent: u32,
    /// Shape of the growth, thousandths; 1000 is linear.
    pub aggression_milli: u32,
}

/// Preference by place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LocalityRules {
    /// Switched off.
    pub disabled: bool,
    /// Shares by place: from a place (pattern) to places (patterns) in percent.
    pub distribute: Vec<(String, BTreeMap<String, u32>)>,
    /// Which region takes over for which.
    pub failover: Vec<(String, String)>,
    /// Labels that should be equal, most important first: `key` or `key=value`.
    pub priority: Vec<String>,
}

/// Limits of connections and requests; `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pool {
    /// Connections.
    pub max_connections: Option<u32>,
    /// Time to connect.
    pub connect_timeout: Option<Duration>,
    /// Keep-alive probes of TCP.
    pub keepalive: Option<Keepalive>,
    /// Life of a connection.
    pub max_connection_duration: Option<Duration>,
    /// Idle time of TCP; zero switches it off.
    pub tcp_idle_timeout: Option<Duration>,
    /// Requests waiting for a connection.
    pub max_pending: Option<u32>,
    /// Requests in flight.
    pub max_requests: Option<u32>,
    /// Requests of one connection.
    pub max_requests_per_connection: Option<u32>,
    /// Retries in flight.
    pub max_retries: Option<u32>,
    /// Idle time of HTTP connections.
    pub http_idle_timeout: Option<Duration>,
    /// Talk HTTP/2 to sidecars of HTTP/1.1 applications; `None` is the mesh's default.
    pub upgrade_to_http2: Option<bool>,
    /// Talk the client's own HTTP version.
    pub client_protocol: bool,
    /// Streams of one HTTP/2 connection.
    pub max_streams: Option<u32>,
    /// Pings of HTTP/2: interval and time-out.
    pub http2_keepalive: Option<(Duration, Duration)>,
}

/// Keep-alive probes of TCP; `None` is the system's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Keepalive {
    /// How many unanswered.
    pub probes: Option<u32>,
    /// Idle time before the first.
    pub time: Option<Duration>,
    /// Between two.
    pub interval: Option<Duration>,
}

/// Ejection of bad hosts; `None` is Envoy's default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Outlier {
    /// Errors in a row; 0 is off.
    pub consecutive_5xx: Option<u32>,
    /// 502, 503, 504 in a row; `None` and 0 are off.
    pub consecutive_gateway: Option<u32>,
    /// Failures to connect and the like in a row, if they are counted apart.
    pub consecutive_local: Option<u32>,
    /// Failures of our own side are counted apart.
    pub split_local: bool,
    /// Time between sweeps.
    pub interval: Option<Duration>,
    /// First ejection.
    pub base_ejection: Option<Duration>,
    /// Largest share of hosts out.
    pub max_ejection_percent: Option<u32>,
    /// Below this share of healthy hosts all hosts are used again.
    pub min_health_percent: u32,
    /// One host is ejected even where that is more than the largest share.
    pub at_least_one: bool,
    /// The status codes that count as errors; empty is every one from 500.
    pub error_codes: Vec<u32>,
}

/// TLS that the client starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ClientTls {
    /// What kind.
    pub mode: ClientMode,
    /// Server name to send.
    pub sni: Option<String>,
    /// Names one of which the server's certificate must carry.
    pub names: Vec<String>,
    /// Secret of the proxy's namespace with certificate, key and roots.
    pub credential: Option<String>,
    /// File of the roots; the system's if absent.
    pub roots: Option<String>,
    /// File of the client's certificate.
    pub certificate: Option<String>,
    /// File of its key.
    pub key: Option<String>,
    /// File of revoked certificates.
    pub revoked: Option<String>,
    /// The server's certificate is not checked.
    pub unchecked: bool,
}

/// Kinds of TLS that a client starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClientMode {
    /// None, ever.
    #[default]
    Disable,
    /// The server shows a certificate.
    Simple,
    /// Both do.
    Mutual,
    /// Both show the mesh's own.
    IstioMutual,
}

/// Share of requests that may be retries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Thousandths of a percent of the requests in flight.
    pub milli_percent: u32,
    /// Always allowed.
    pub minimum: u32,
    /// Window; zero is the requests in flight now.
    pub interval: Duration,
}
