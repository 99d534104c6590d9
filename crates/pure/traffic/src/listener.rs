//! Listeners: where connections arrive, and which chain serves them.

mod compile;

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use crate::{
    address::Address,
    chains::{self, ChainMatch},
    detect::{Detected, Inspect},
    http::{HttpChain, HttpSettings},
    log::Log,
    peer::Peer,
    tcp::TcpChain,
    tls::ServerTls,
};

/// Where connections arrive. Spec: Envoy `Listener`.
///
/// A listener that a change leaves alone is the same `Arc` in the next table.
#[derive(Debug)]
pub struct Listener {
    /// The name.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Address,
    /// Further addresses.
    pub additional_addresses: Vec<Address>,
    /// The mode of the files of its unix sockets; 0 is what the process' mask leaves.
    pub pipe_mode: u32,
    /// Whether it has a socket of its own; otherwise it gets connections from another listener only.
    pub bind_to_port: bool,
    /// Whether it hands connections to the listener of their original destination.
    pub use_original_dst: bool,
    /// Whether connections bring an original destination that has to be asked for.
    pub restores_original_dst: bool,
    /// The socket may bind addresses that this machine does not have.
    pub transparent: bool,
    /// The prefix of its metrics.
    pub stat_prefix: String,
    /// The logs that get a record of each connection.
    pub logs: Arc<[Log]>,
    /// Which way its traffic goes.
    pub direction: Direction,
    /// How long to wait for the first bytes; `None` is for ever.
    pub detection_timeout: Option<Duration>,
    /// Whether a connection goes on when that time is over, or is closed.
    pub continue_on_timeout: bool,
    inspectors: Vec<Inspector>,
    matches: Vec<ChainMatch>,
    chains: Vec<Arc<Chain>>,
    names: Vec<String>,
    /// How each chain is spoken to; `None` is in the plain.
    sockets: Vec<Option<Arc<ServerTls>>>,
    default_socket: Option<Arc<ServerTls>>,
    default_chain: Option<Arc<Chain>>,
    default_name: String,
}

/// Which way traffic goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// It was not said.
    #[default]
    Unspecified,
    /// To the application beside the proxy.
    Inbound,
    /// From the application beside the proxy.
    Outbound,
}

/// What serves a connection.
#[derive(Clone, Debug)]
pub enum Chain {
    /// HTTP.
    Http(Arc<HttpChain>),
    /// Anything else.
    Tcp(Arc<TcpChain>),
}

/// A listener filter that looks at first bytes, and where it does not.
#[derive(Debug)]
struct Inspector {
    looks_for: Inspect,
    disabled: Option<Predicate>,
}

/// When a listener filter is off.
#[derive(Debug)]
enum Predicate {
    Any,
    Or(Vec<Self>),
    And(Vec<Self>),
    Not(Box<Self>),
    Port(RangeInclusive<u16>),
}

impl Predicate {
    fn holds(&self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Or(rules) => rules.iter().any(|rule| rule.holds(port)),
            Self::And(rules) => rules.iter().all(|rule| rule.holds(port)),
            Self::Not(rule) => !rule.holds(port),
            Self::Port(range) => range.contains(&port),
        }
    }
}

impl Chain {
    /// The logs that get a record of each of its requests, or connections.
    #[must_use]
    pub fn logs(&self) -> &Arc<[Log]> {
        match self {
            Self::Http(chain) => &chain.settings().logs,
            Self::Tcp(chain) => &chain.logs,
        }
    }
}

impl Listener {
    /// What has to be looked for in the first bytes of a connection before [`Self::chain`] can be asked.
    #[must_use]
    pub fn must_detect(&self, peer: &Peer) -> Inspect {
        let port = peer.destination.port();
        let mut looks_for = Inspect::default();
        for inspector in &self.inspectors {
            if inspector.disabled.as_ref().is_some_and(|disabled| disabled.holds(port)) {
                continue;
            }
            looks_for.tls |= inspector.looks_for.tls;
            looks_for.http |= inspector.looks_for.http;
        }
        looks_for
    }

    /// The chain that serves a connection; `None` closes it (flag `NR`, details `filter_chain_not_found`).
    #[must_use]
    pub fn chain(&self, peer: &Peer, detected: &Detected) -> Option<Arc<Chain>> {
        match self.chain_at(peer, detected) {
            Some(at) => Some(Arc::clone(&self.chains[at])),
            None => self.default_chain.clone(),
        }
    }

    /// How that chain is spoken to; `None` is in the plain.
    #[must_use]
    pub fn tls(&self, peer: &Peer, detected: &Detected) -> Option<&Arc<ServerTls>> {
        self.tls_contexts().next()?;
        let at = self.chain_at(peer, detected);
        at.map_or(self.default_socket.as_ref(), |at| self.sockets[at].as_ref())
    }

    /// All TLS contexts of its chains.
    pub fn tls_contexts(&self) -> impl Iterator<Item = &Arc<ServerTls>> {
        self.sockets.iter().flatten().chain(&self.default_socket)
    }

    /// The names of the secrets that have to be there before it can serve.
    pub(crate) fn secret_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.tls_contexts().flat_map(|tls| tls.context.secret_names())
    }

    /// The name of that chain, for access records and `explain`.
    #[must_use]
    pub fn chain_name(&self, peer: &Peer, detected: &Detected) -> Option<&str> {
        match self.chain_at(peer, detected) {
            Some(at) => Some(&self.names[at]),
            None => self.default_chain.as_ref().map(|_| "default"),
        }
    }

    /// The name of that chain as it is configured, for access records; empty when it has none, or none was found.
    #[must_use]
    pub fn filter_chain_name(&self, peer: &Peer, detected: &Detected) -> &str {
        self.chain_at(peer, detected).map_or(&self.default_name, |at| &self.names[at])
    }

    /// The access logs of the listener and of all its chains.
    pub fn all_logs(&self) -> impl Iterator<Item = &Log> {
        let chains = self.chains.iter().chain(&self.default_chain);
        self.logs.iter().chain(chains.flat_map(|chain| chain.logs().iter()))
    }

    fn chain_at(&self, peer: &Peer, detected: &Detected) -> Option<usize> {
        chains::find(&self.matches, peer, detected)
    }

    /// All chains, with their names.
    pub fn chains(&self) -> impl Iterator<Item = (&str, &Chain)> {
        let named = self.names.iter().map(String::as_str).zip(self.chains.iter().map(|c| &**c));
        named.chain(self.default_chain.iter().map(|chain| ("default", &**chain)))
    }

    /// All addresses that it listens on.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        std::iter::once(&self.address).chain(&self.additional_addresses)
    }
}

impl Chain {
    /// The settings of HTTP, if it speaks it.
    #[must_use]
    pub fn http_settings(&self) -> Option<&Arc<HttpSettings>> {
        match self {
            Self::Http(chain) => Some(chain.settings()),
            Self::Tcp(_) => None,
        }
    }
}
