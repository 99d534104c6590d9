//! The table: everything that decisions need, ready for use, never changed.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use crate::{
    cluster::{Cluster, Endpoints},
    compile::Map,
    listener::Listener,
    peer::Peer,
    route::Routes,
    tls::Secret,
};

/// Everything that decisions need. A change makes another table; parts that stay are shared.
#[derive(Debug, Default)]
pub struct Table {
    pub(crate) listeners: Arc<[Arc<Listener>]>,
    pub(crate) by_address: Arc<Map<SocketAddr, usize>>,
    pub(crate) routes: Arc<Map<Box<str>, Arc<Routes>>>,
    pub(crate) secrets: Arc<Map<Box<str>, Secret>>,
    pub(crate) clusters: Arc<Map<Arc<str>, Entry>>,
    /// In the order of their names.
    pub(crate) sorted: Arc<[Arc<str>]>,
}

/// A cluster with its hosts.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) endpoints: Arc<Endpoints>,
}

impl Table {
    /// All listeners, in the order of their names, also those without a socket.
    #[must_use]
    pub fn listeners(&self) -> &[Arc<Listener>] {
        &self.listeners
    }

    /// The listener that serves a connection which arrived at `listener`.
    ///
    /// A listener that uses the original destination hands the connection to the listener of exactly that address, else of
    /// that port on all addresses, else it keeps it. Spec: Envoy, `use_original_dst`.
    #[must_use]
    pub fn accept(&self, listener: &Arc<Listener>, peer: &Peer) -> Arc<Listener> {
        if !listener.use_original_dst {
            return Arc::clone(listener);
        }
        let (ip, port) = (peer.destination.ip(), peer.destination.port());
        let any: IpAddr = match ip {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        [ip, any]
            .into_iter()
            .find_map(|ip| self.by_address.get(&SocketAddr::new(ip, port)))
            .map_or_else(|| Arc::clone(listener), |at| Arc::clone(&self.listeners[*at]))
    }

    /// Whether a connection to an address would come back to a socket of this proxy. One that listens on all addresses
    /// is reached by those of loopback and by those that the peer's connection shows to be of this machine.
    #[must_use]
    pub fn listens_at(&self, address: SocketAddr, peer: &Peer) -> bool {
        let has_socket = |address: SocketAddr| {
            self.by_address.get(&address).is_some_and(|at| self.listeners[*at].bind_to_port)
        };
        let ip = address.ip();
        let any: IpAddr = match ip {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let is_here = ip.is_loopback()
            || ip.is_unspecified()
            || ip == peer.source.ip()
            || !peer.redirected && ip == peer.destination.ip();
        has_socket(address) || is_here && has_socket(SocketAddr::new(any, address.port()))
    }

    /// A listener by its name.
    #[must_use]
    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| *listener.name == *name)
    }

    /// The configuration of a cluster.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.clusters.get(name).map(|entry| &entry.cluster)
    }

    /// The configured hosts of a cluster.
    #[must_use]
    pub fn endpoints(&self, name: &str) -> Option<&Arc<Endpoints>> {
        self.clusters.get(name).map(|entry| &entry.endpoints)
    }

    /// The names of all clusters, in order.
    #[must_use]
    pub fn cluster_names(&self) -> &[Arc<str>] {
        &self.sorted
    }

    /// A secret by its name.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }

    pub(crate) fn routes(&self, name: &str) -> Option<&Arc<Routes>> {
        self.routes.get(name)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.sorted.iter().filter_map(|name| self.clusters.get(name))
    }
}
