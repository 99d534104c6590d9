//! A chain that passes bytes on. Spec: Envoy `TcpProxy`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use xds::{filters, kind};
use xxhash_rust::xxh64::xxh64;

use crate::{
    access::{self, Permit},
    attempt::Attempt,
    cluster::{Discovery, Named},
    compile::{Bad, Within as _, refuse, timeout},
    dice::Dice,
    flags::{Flag, Flags},
    log::Log,
    moment::Moment,
    peer::Peer,
    table::Table,
};

/// A chain that passes bytes on.
#[derive(Debug)]
pub struct TcpChain {
    /// The prefix of its metrics.
    pub stat_prefix: String,
    /// Where access records go.
    pub logs: Arc<[Log]>,
    targets: Vec<(Arc<str>, u64)>,
    total_weight: u64,
    /// Whether the cluster is named by the server name of the TLS handshake.
    by_server_name: bool,
    /// The port at which the host of that name is looked up, for clusters that do.
    named_port: Option<u16>,
    idle_timeout: Option<Duration>,
    max_duration: Option<Duration>,
    max_connect_attempts: u32,
    hash_source_ip: bool,
    /// For chains without an upstream: what is sent before the connection is closed.
    response: Option<Vec<u8>>,
}

/// What shall become of a connection.
#[derive(Debug)]
pub enum TcpDecision {
    /// It goes to a cluster.
    Forward(TcpForward),
    /// It is closed, after these bytes.
    Close(TcpClose),
}

/// A connection that goes to a cluster.
#[derive(Debug)]
pub struct TcpForward {
    /// The name of the cluster.
    pub cluster: Arc<str>,
    /// The proof that the connection was let through.
    pub permit: Permit,
    /// How long neither side may be silent; `None` is no limit.
    pub idle_timeout: Option<Duration>,
    /// How long the connection may last; `None` is no limit.
    pub max_duration: Option<Duration>,
    /// How many hosts are tried before the connection is given up.
    pub max_connect_attempts: u32,
    hash: Option<u64>,
    destination: Option<SocketAddr>,
    named: Option<Named>,
}

/// A connection that is closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpClose {
    /// What is sent first.
    pub response: Vec<u8>,
    /// Why, for access records.
    pub flags: Flags,
    /// The cluster that it was meant for; empty when there was none.
    pub cluster: String,
}

impl TcpForward {
    /// An attempt at it. TCP tries again with another host by asking for the next attempt.
    #[must_use]
    pub fn attempt(&self, now: Moment) -> Attempt {
        Attempt::first(now, None, self.hash, self.destination).to(self.named.clone())
    }
}

impl TcpChain {
    pub(crate) fn compile(
        proxy: &filters::TcpProxy,
        by_server_name: bool,
        named_port: Option<u16>,
    ) -> Result<Self, Bad> {
        use filters::tcp_proxy::ClusterSpecifier;
        refuse(&[
            ("on_demand", proxy.on_demand.is_some()),
            ("tunneling_config", proxy.tunneling_config.is_some()),
            ("backoff_options", proxy.backoff_options.is_some()),
            ("proxy_protocol_tlvs", !proxy.proxy_protocol_tlvs.is_empty()),
            ("upstream_connect_mode", proxy.upstream_connect_mode != 0),
            ("access_log_flush_interval", proxy.access_log_flush_interval.is_some()),
            ("flush_access_log_on_connected", proxy.flush_access_log_on_connected),
            ("access_log_options", proxy.access_log_options.is_some()),
        ])?;
        let targets: Vec<(Arc<str>, u64)> = match &proxy.cluster_specifier {
            Some(ClusterSpecifier::Cluster(cluster)) => vec![(cluster.as_str().into(), 1)],
            Some(ClusterSpecifier::WeightedClusters(weighted)) => weighted
                .clusters
                .iter()
                .map(|cluster| (cluster.name.as_str().into(), u64::from(cluster.weight)))
                .collect(),
            None => return Err(Bad::new("cluster_specifier", "is not set")),
        };
        let total_weight = targets.iter().map(|(_, weight)| weight).sum();
        if total_weight == 0 {
            return Err(Bad::new("weighted_clusters", "the sum of the weights must be above 0"));
        }
        let max_duration = &proxy.max_downstream_connection_duration;
        let idle_timeout = match &proxy.idle_timeout {
            // Envoy's default.
            None => Some(Duration::from_secs(3600)),
            set => timeout(set.as_ref(), "idle_timeout")?,
        };
        Ok(Self {
            stat_prefix: proxy.stat_prefix.clone(),
            logs: Log::compile_all(&proxy.access_log)?.into(),
            targets,
            total_weight,
            by_server_name,
            named_port,
            idle_timeout,
            max_duration: timeout(max_duration.as_ref(), "max_downstream_connection_duration")?,
            max_connect_attempts: proxy.max_connect_attempts.unwrap_or(1).max(1),
            hash_source_ip: hashes_source_ip(&proxy.hash_policy).within("hash_policy")?,
            response: None,
        })
    }

    /// A chain that sends these bytes and closes.
    pub(crate) fn responding(response: Vec<u8>) -> Self {
        Self {
            stat_prefix: String::new(),
            logs: Arc::default(),
            targets: Vec::new(),
            total_weight: 0,
            by_server_name: false,
            named_port: None,
            idle_timeout: None,
            max_duration: None,
            max_connect_attempts: 1,
            hash_source_ip: false,
            response: Some(response),
        }
    }

    /// Decides about one connection. `server_name` is what detection found in its TLS handshake, if it did.
    pub fn decide(
        &self,
        table: &Table,
        peer: &Peer,
        server_name: Option<&str>,
        dice: &mut Dice,
    ) -> TcpDecision {
        if let Some(response) = &self.response {
            let response = response.clone();
            return TcpDecision::Close(TcpClose { response, ..TcpClose::default() });
        }
        let cluster = match server_name.filter(|_| self.by_server_name) {
            Some(name) => Arc::from(name),
            None => Arc::clone(self.target(dice)),
        };
        let close = |flags| {
            // What a client names is no label for metrics.
            let label = if self.by_server_name { "" } else { &*cluster };
            TcpDecision::Close(TcpClose { flags, cluster: label.to_owned(), ..TcpClose::default() })
        };
        let permit = match access::check(None, peer) {
            Ok(permit) => permit,
            Err(answer) => return close(answer.flags),
        };
        let Some(config) = table.cluster(&cluster) else {
            return close(Flag::NoClusterFound.into());
        };
        let destination = peer.original_destination();
        if let (Discovery::OriginalDst { port, .. }, Some(mut address)) =
            (&config.discovery, destination)
        {
            address.set_port(port.unwrap_or(address.port()));
            // It would come back to the proxy that sends it, again and again.
            if table.listens_at(address, peer) {
                return close(Flag::NoHealthyUpstream.into());
            }
        }
        let hash = self.hash_source_ip.then(|| xxh64(peer.source.ip().to_string().as_bytes(), 0));
        TcpDecision::Forward(TcpForward {
            cluster,
            permit,
            idle_timeout: self.idle_timeout,
            max_duration: self.max_duration,
            max_connect_attempts: self.max_connect_attempts,
            hash,
            destination,
            named: self.named_port.and_then(|port| Named::read(server_name?, port)),
        })
    }

    fn target(&self, dice: &mut Dice) -> &Arc<str> {
        let mut left = dice.below(self.total_weight);
        for (cluster, weight) in &self.targets {
            if left < *weight {
                return cluster;
            }
            left -= weight;
        }
        &self.targets.last().expect("a chain without response has a target").0
    }

    /// The clusters that connections may go to, as far as they are known.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<str>> {
        self.targets.iter().map(|(cluster, _)| cluster)
    }
}

/// Whether connections of one source go to one host. Envoy allows a single policy.
fn hashes_source_ip(policies: &[kind::HashPolicy]) -> Result<bool, Bad> {
    use kind::hash_policy::PolicySpecifier;
    let Some(policy) = policies.first() else { return Ok(false) };
    match &policy.policy_specifier {
        Some(PolicySpecifier::SourceIp(_)) => Ok(true),
        Some(PolicySpecifier::FilterState(_)) => Err(Bad::unsupported("filter_state")),
        None => Err(Bad::new("policy_specifier", "is not set")),
    }
}
