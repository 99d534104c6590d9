//! Clusters as they are configured: how hosts are found, picked, dialled and judged.

mod compile;
mod dynamic;
mod endpoints;
mod extras;
mod fallback;
mod picking;
mod slow_start;

use std::{net::IpAddr, sync::Arc, time::Duration};

pub use dynamic::{Named, Names};
pub use endpoints::{Endpoint, Endpoints, Health, Locality, Place};
pub use fallback::{Fallback, FixedAnswer};
pub(crate) use slow_start::SlowStart;
use xds::core;

use crate::{
    http::Http2Settings,
    tls::{ClientTls, Sockets},
    upstream::{BreakerPolicy, Hasher, OutlierPolicy},
};

/// A cluster as it is configured. Spec: Envoy `Cluster`.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The name.
    pub name: Arc<str>,
    /// The name that its metrics bear.
    pub stat_name: Arc<str>,
    /// How its hosts are found.
    pub discovery: Discovery,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// Which version of HTTP its hosts get.
    pub protocol: Protocol,
    /// Limits of HTTP/2.
    pub http2: Http2Settings,
    /// Whether trailers of HTTP/1.1 are passed on, or dropped.
    pub http1_trailers: bool,
    /// How long a pooled connection without requests is kept; `None` is for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a connection lives; `None` is for ever.
    pub max_connection_duration: Option<Duration>,
    /// How many requests a connection carries; `None` is without limit.
    pub max_requests_per_connection: Option<u32>,
    /// The address that connections come from; `None` lets the kernel choose.
    pub source_address: Option<IpAddr>,
    /// TCP keep-alive.
    pub keepalive: Option<KeepAlive>,
    /// Socket options that connections get before they are made: level, name, value.
    pub socket_options: Vec<SocketOption>,
    /// How often names are resolved anew.
    pub dns_refresh: Duration,
    /// How soon a name is resolved anew after no server answered.
    pub dns_failure_refresh: Duration,
    /// Whether the time to live of DNS answers counts instead.
    pub respect_dns_ttl: bool,
    /// Which addresses are looked for.
    pub dns_family: DnsFamily,
    /// Metadata, such as what Istio says about the service.
    pub metadata: Option<core::Metadata>,
    /// How long one attempt at a host may live; `None` is for ever.
    pub max_stream_duration: Option<Duration>,
    pub(crate) sockets: Sockets,
    pub(crate) balance: Balance,
    /// How the share of a new host grows.
    pub(crate) slow_start: Option<SlowStart>,
    pub(crate) panic_threshold: f64,
    pub(crate) locality_weighted: bool,
    pub(crate) hash_hostnames: bool,
    /// How much of its share of the active requests a host that is picked by hash may have, in percent.
    pub(crate) hash_balance: Option<u32>,
    pub(crate) limits: Limits,
    pub(crate) outlier: Option<OutlierPolicy>,
    pub(crate) breaker: Option<Arc<BreakerPolicy>>,
    /// What a request gets while the breaker is open or no host is left.
    pub fallback: Option<Arc<Fallback>>,
    /// The hosts, unless they come from elsewhere.
    pub(crate) endpoints: Option<Arc<Endpoints>>,
}

/// How the hosts of a cluster are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// They are in the configuration.
    Static,
    /// Each name stands for all its addresses.
    StrictDns,
    /// The name stands for one of its addresses.
    LogicalDns,
    /// They are a resource of this name.
    Eds(Arc<str>),
    /// They are the names that requests bring, looked up as they come.
    Named(Names),
    /// Each connection goes where its downstream wanted to go.
    OriginalDst {
        /// The port that is dialled instead.
        port: Option<u16>,
        /// Whether the header `x-envoy-original-dst-host` decides instead.
        header: Option<Box<str>>,
    },
}

/// Which version of HTTP an upstream gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
    /// The version that the downstream speaks.
    Downstream,
    /// The version that the TLS handshake agrees on; HTTP/1.1 where there is none.
    Negotiated,
}

/// Which addresses of a name are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsFamily {
    /// IPv6, and IPv4 when there is none.
    #[default]
    Auto,
    /// IPv4.
    V4Only,
    /// IPv6.
    V6Only,
    /// IPv4, and IPv6 when there is none.
    V4Preferred,
    /// Both.
    All,
}

/// TCP keep-alive; `None` leaves the kernel's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// How many probes go unanswered before the connection is dead.
    pub probes: Option<u32>,
    /// How long a connection is idle before the first probe.
    pub time: Option<Duration>,
    /// How long between probes.
    pub interval: Option<Duration>,
}

/// A socket option that is set before a connection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOption {
    /// The level, such as `SOL_SOCKET`.
    pub level: i64,
    /// The name, such as `SO_MARK`.
    pub name: i64,
    /// The value.
    pub value: i64,
}

/// How a host is picked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Balance {
    RoundRobin,
    LeastRequest {
        choices: u32,
        bias: f64,
    },
    Random,
    RingHash {
        min: u64,
        max: u64,
        hasher: Hasher,
    },
    Maglev {
        size: u64,
    },
    /// The cluster's discovery decides.
    Provided,
}

/// What circuit breakers allow at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    pub(crate) connections: u32,
    /// Connections to one host.
    pub(crate) host_connections: u32,
    pub(crate) pending: u32,
    pub(crate) requests: u32,
    pub(crate) retries: u32,
    /// Percent of active requests that may be retries, and the least number; instead of `retries`.
    pub(crate) retry_budget: Option<(f64, u32)>,
}

impl Cluster {
    /// Whether the hash of a request decides which host it gets.
    pub(crate) const fn hashes(&self) -> bool {
        matches!(self.balance, Balance::RingHash { .. } | Balance::Maglev { .. })
    }

    /// How a host with this metadata is spoken to; `None` is in the plain.
    #[must_use]
    pub fn tls(&self, metadata: Option<&core::Metadata>) -> Option<&Arc<ClientTls>> {
        self.sockets.of(metadata)
    }

    /// All TLS contexts of its hosts.
    pub fn tls_contexts(&self) -> impl Iterator<Item = &Arc<ClientTls>> {
        self.sockets.all()
    }

    /// The names of the secrets that have to be there before it can serve.
    pub(crate) fn secret_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sockets.all().flat_map(|socket| socket.context.secret_names())
    }

    /// The name of the endpoint resource, for clusters that have one.
    #[must_use]
    pub fn endpoints_name(&self) -> Option<&Arc<str>> {
        match &self.discovery {
            Discovery::Eds(name) => Some(name),
            _ => None,
        }
    }
}
