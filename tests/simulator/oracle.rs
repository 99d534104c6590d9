//! What a snapshot alone would do with a request: the same code, without a wire and without a past.

use std::{net::SocketAddr, sync::Arc};

use traffic::{
    Chain, Config, Decision, Detected, Dice, Flag, Flags, Head, Header, Listener, Peer, Table,
};
use xds::snapshot::Snapshot;

use crate::plane::POISON;

/// A request of a client, before anybody decided about it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) destination: SocketAddr,
    /// It arrives at a gateway, not at a sidecar.
    pub(crate) at_gateway: bool,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    /// One of these clusters gets it; whether all of them have hosts.
    Forwarded { clusters: Vec<String>, served: bool },
    /// The proxy answers; `cluster` is where the route leads, which may not be there.
    Answered { status: u16, flags: Flags, cluster: String },
    /// Nobody listens, or no chain takes it.
    Closed,
}

/// A snapshot, and the table that it makes.
#[derive(Clone)]
pub(crate) struct Oracle {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) table: Arc<Table>,
}

impl Ask {
    pub(crate) fn peer(&self) -> Peer {
        let source = SocketAddr::from(([10, 244, 200, 1], 40_000));
        if self.at_gateway {
            Peer::new(source, self.destination)
        } else {
            Peer::redirected(source, self.destination)
        }
    }

    /// Runs `then` with the head.
    pub(crate) fn with_head<T>(&self, then: impl FnOnce(&Head<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> = self
            .headers
            .iter()
            .map(|(name, value)| Header { name, value: value.as_bytes() })
            .collect();
        then(&Head {
            method: "GET",
            authority: &self.authority,
            path: &self.path,
            headers: &headers,
            ..Head::default()
        })
    }

    /// Decides by a table; `None` when no chain takes it.
    pub(crate) fn decide(&self, table: &Table, dice: &mut Dice) -> Option<Decision> {
        let peer = self.peer();
        let at: &Arc<Listener> = if self.at_gateway {
            let port = self.destination.port();
            let on_port = |it: &&Arc<Listener>| {
                it.addresses().any(|at| at.socket().is_some_and(|at| at.port() == port))
            };
            table.listeners().iter().find(on_port)?
        } else {
            table.listener("virtualOutbound")?
        };
        let listener = table.accept(at, &peer);
        let chain = listener.chain(&peer, &Detected::Http11)?;
        match &*chain {
            Chain::Http(chain) => {
                Some(self.with_head(|head| chain.decide(table, head, &peer, dice)))
            }
            Chain::Tcp(_) => None,
        }
    }
}

impl Oracle {
    pub(crate) fn new(snapshot: &Arc<Snapshot>) -> Self {
        let mut config = Config::new();
        for (type_url, resources) in snapshot.types() {
            let good = resources.iter().filter(|(name, _)| *name != POISON);
            let good = good.map(|(name, resource)| {
                (name.as_str(), resource.version.as_str(), &*resource.body)
            });
            config
                .update(type_url, &good.collect::<Vec<_>>(), &[])
                .unwrap_or_else(|why| panic!("our proxy refuses what we publish: {why}"));
        }
        assert!(config.warming().is_empty(), "a snapshot is whole: {:?} wait", config.warming());
        Self { snapshot: Arc::clone(snapshot), table: config.table() }
    }

    /// What would become of a request.
    pub(crate) fn fate(&self, ask: &Ask, dice: &Dice) -> Fate {
        match ask.decide(&self.table, &mut dice.clone()) {
            None => Fate::Closed,
            Some(Decision::Answer(answer)) => {
                let (status, flags) = (answer.status, answer.flags);
                Fate::Answered { status, flags, cluster: answer.cluster }
            }
            Some(Decision::Forward(forward)) => {
                let shares = forward.shares();
                let used = shares.iter().filter(|(_, weight)| *weight > 0);
                let clusters: Vec<String> = used.map(|(name, _)| (*name).to_owned()).collect();
                let served = clusters.iter().all(|cluster| self.hosts(cluster) > 0);
                Fate::Forwarded { clusters, served }
            }
        }
    }

    /// How many hosts a cluster has; a cluster that goes where the client wanted always has one.
    pub(crate) fn hosts(&self, cluster: &str) -> usize {
        let Some(known) = self.table.cluster(cluster) else { return 0 };
        if matches!(known.discovery, traffic::cluster::Discovery::OriginalDst { .. }) {
            return 1;
        }
        let endpoints = self.table.endpoints(cluster);
        let places = endpoints.iter().flat_map(|it| &it.localities);
        places.map(|place| place.endpoints.len()).sum()
    }
}

impl Fate {
    /// Whether the request is served as far as configuration goes.
    pub(crate) fn is_served(&self) -> bool {
        match self {
            Self::Forwarded { served, .. } => *served,
            Self::Answered { flags, .. } => {
                !flags.has(Flag::NoRouteFound) && !flags.has(Flag::NoClusterFound)
            }
            Self::Closed => false,
        }
    }
}
