//! What changes about one cluster: hosts, their health, and the balancer over them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use xxhash_rust::xxh64::xxh64;

use crate::{
    address::Address,
    attempt::Attempt,
    cluster::{Cluster, Discovery, DnsFamily, Endpoint, Endpoints, Named, Place},
    compile::Map,
    dice::Dice,
    moment::Moment,
    upstream::{
        OutlierPolicy, Refusal, Stats,
        balance::{Balancer, Group, Wish},
        breaker::Breaker,
        host::{Host, Hosts},
        named::Book,
        outlier::{Outlier, Reason},
    },
};

/// So many hosts that connections brought are known at once; who wants to go to another one is refused.
const MOST_ORIGINALS: usize = 65_536;
/// How long a host that connections brought stays known when nobody uses it. Envoy's `cleanup_interval`.
const CLEANUP: Duration = Duration::from_secs(5);

/// A name that a cluster needs resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The cluster.
    pub cluster: Arc<str>,
    /// The name.
    pub name: String,
    /// Which addresses are wanted.
    pub family: DnsFamily,
    /// How often.
    pub refresh: Duration,
    /// How soon again after no server answered.
    pub failure_refresh: Duration,
    /// Whether the time to live of the answer counts instead.
    pub respect_ttl: bool,
}

/// What changes about one cluster.
#[derive(Debug)]
pub(crate) struct State {
    cluster: Arc<Cluster>,
    endpoints: Arc<Endpoints>,
    /// Addresses of names, as far as they are known.
    addresses: BTreeMap<String, Vec<IpAddr>>,
    groups: Vec<Group>,
    hosts: Hosts,
    balancer: Balancer,
    outlier: Option<Outlier>,
    breaker: Option<Breaker>,
    policy: Option<Arc<OutlierPolicy>>,
    originals: Map<SocketAddr, Arc<Host>>,
    /// Names that requests brought.
    book: Book,
    next_cleanup: Option<Moment>,
    /// Whether hosts were looked at at all: the first update must not be skipped.
    is_fresh: bool,
}

impl State {
    pub(crate) fn new(name: &str, cluster: Arc<Cluster>) -> Self {
        let seed = xxh64(name.as_bytes(), 0);
        let outlier = cluster.outlier.clone().map(|policy| Outlier::new(policy, seed));
        let policy = cluster.outlier.clone().map(Arc::new);
        let breaker = cluster.breaker.clone().map(Breaker::new);
        Self {
            cluster,
            endpoints: Arc::default(),
            addresses: BTreeMap::new(),
            groups: Vec::new(),
            hosts: Vec::new(),
            balancer: Balancer::default(),
            outlier,
            breaker,
            policy,
            originals: Map::default(),
            book: Book::default(),
            next_cleanup: None,
            is_fresh: true,
        }
    }

    pub(crate) const fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    pub(crate) fn hosts(&self) -> &[Arc<Host>] {
        &self.hosts
    }

    pub(crate) const fn breaker(&mut self) -> Option<&mut Breaker> {
        self.breaker.as_mut()
    }

    pub(crate) fn outlier_policy(&self) -> Option<Arc<OutlierPolicy>> {
        self.policy.clone()
    }

    /// Takes a new configuration; hosts that stay keep their state.
    pub(crate) fn update(
        &mut self,
        now: Moment,
        cluster: &Arc<Cluster>,
        endpoints: &Arc<Endpoints>,
        stats: &Stats,
    ) {
        let same_cluster = Arc::ptr_eq(&self.cluster, cluster);
        if same_cluster && Arc::ptr_eq(&self.endpoints, endpoints) && !self.is_fresh {
            return;
        }
        if !same_cluster {
            if !matches!(cluster.discovery, Discovery::Named(_)) {
                self.book = Book::default();
            }
            self.update_outlier(cluster);
            self.update_breaker(cluster, stats);
            self.cluster = Arc::clone(cluster);
        }
        self.endpoints = Arc::clone(endpoints);
        self.is_fresh = false;
        let names = endpoints.names();
        self.addresses.retain(|name, _| names.contains(&name.as_str()));
        self.rebuild(now, stats);
    }

    fn update_outlier(&mut self, cluster: &Cluster) {
        match (&mut self.outlier, &cluster.outlier) {
            (Some(outlier), Some(policy)) => outlier.policy = policy.clone(),
            (outlier, policy) => {
                let seed = xxh64(cluster.name.as_bytes(), 0);
                *outlier = policy.clone().map(|policy| Outlier::new(policy, seed));
            }
        }
        self.policy = cluster.outlier.clone().map(Arc::new);
    }

    fn update_breaker(&mut self, cluster: &Cluster, stats: &Stats) {
        match (&mut self.breaker, &cluster.breaker) {
            (Some(breaker), Some(policy)) => {
                if *breaker.policy() != **policy {
                    breaker.obey(Arc::clone(policy));
                }
            }
            (breaker, policy) => {
                *breaker = policy.clone().map(Breaker::new);
                stats.breaker_open.set(0);
            }
        }
    }

    /// Takes the addresses of a name.
    pub(crate) fn resolved(
        &mut self,
        now: Moment,
        name: &str,
        addresses: &[IpAddr],
        stats: &Stats,
    ) {
        if matches!(self.cluster.discovery, Discovery::Named(_)) {
            let gone = self.book.resolved(name, addresses);
            self.let_go(&gone, stats);
            return;
        }
        if !self.endpoints.names().contains(&name) {
            return;
        }
        let mut addresses = addresses.to_vec();
        if self.cluster.discovery == Discovery::LogicalDns {
            addresses.truncate(1);
        } else {
            // Resolvers turn the order round; that is no change.
            addresses.sort_unstable();
            addresses.dedup();
        }
        if self.addresses.get(name) != Some(&addresses) {
            self.addresses.insert(name.to_owned(), addresses);
            self.rebuild(now, stats);
        }
    }

    /// Whether a name is wanted and nothing was heard about it yet.
    pub(crate) fn awaits(&self, name: &str) -> bool {
        self.book.awaits_host(name)
            || !self.addresses.contains_key(name) && self.endpoints.names().contains(&name)
    }

    /// Whether nothing was heard yet about a name that the attempt needs.
    pub(crate) fn awaits_names(&self, attempt: &Attempt) -> bool {
        if matches!(self.cluster.discovery, Discovery::Named(_)) {
            return attempt.named().is_some_and(|named| self.book.awaits(named));
        }
        self.endpoints.names().iter().any(|name| !self.addresses.contains_key(*name))
    }

    /// The names that have to be resolved.
    pub(crate) fn lookups(&self) -> Vec<Lookup> {
        let cluster = &self.cluster;
        let lookup = |name: &str| Lookup {
            cluster: Arc::clone(&cluster.name),
            name: name.to_owned(),
            family: cluster.dns_family,
            refresh: cluster.dns_refresh,
            failure_refresh: cluster.dns_failure_refresh,
            respect_ttl: cluster.respect_dns_ttl,
        };
        let brought = self.book.names();
        self.endpoints.names().into_iter().chain(brought).map(lookup).collect()
    }

    /// Makes the hosts anew from endpoints and addresses, and keeps those that are the same.
    fn rebuild(&mut self, now: Moment, stats: &Stats) {
        if matches!(self.cluster.discovery, Discovery::OriginalDst { .. } | Discovery::Named(_)) {
            // Its hosts come from connections, and go with them.
            return;
        }
        self.originals.clear();
        let mut old: Map<Address, Arc<Host>> =
            self.hosts.drain(..).map(|host| (host.address().clone(), host)).collect();
        let n_old = old.len();
        let mut kept = 0;
        let endpoints = Arc::clone(&self.endpoints);
        self.groups.clear();
        let mut seen: Map<Address, ()> = Map::default();
        for locality in &endpoints.localities {
            let mut hosts = Hosts::with_capacity(locality.endpoints.len());
            for endpoint in &locality.endpoints {
                for address in self.addresses_of(endpoint) {
                    if seen.insert(address.clone(), ()).is_some() {
                        continue;
                    }
                    let named = self.named(endpoint);
                    let endpoint = named.as_ref().unwrap_or(endpoint);
                    let stays =
                        old.remove(&address).filter(|host| host.update(endpoint, &locality.place));
                    kept += usize::from(stays.is_some());
                    hosts.push(stays.unwrap_or_else(|| {
                        Arc::new(Host::new(address, endpoint, &locality.place))
                    }));
                }
            }
            hosts.iter().for_each(|host| host.rank(locality.priority));
            self.hosts.extend(hosts.iter().cloned());
            let (priority, weight) = (locality.priority, locality.weight);
            self.groups.push(Group { priority, weight, hosts });
        }
        let mut gone: Vec<Arc<Host>> = old.into_values().collect();
        gone.sort_by_key(|host| host.id());
        gone.iter().for_each(|host| host.remove());
        if kept != n_old || kept != self.hosts.len() {
            stats.membership_change.add(1);
        }
        self.rebalance(now, stats);
    }

    /// For a cluster of names, the name is the host's name.
    fn named(&self, endpoint: &Endpoint) -> Option<Endpoint> {
        let by_name =
            matches!(self.cluster.discovery, Discovery::StrictDns | Discovery::LogicalDns);
        (by_name && endpoint.hostname.is_empty())
            .then(|| Endpoint { hostname: endpoint.host.clone(), ..endpoint.clone() })
    }

    fn addresses_of(&self, endpoint: &Endpoint) -> Vec<Address> {
        match endpoint.address() {
            Some(address) => vec![address],
            None => self
                .addresses
                .get(&endpoint.host)
                .into_iter()
                .flatten()
                .map(|ip| SocketAddr::new(*ip, endpoint.port).into())
                .collect(),
        }
    }

    /// Makes the balancer anew, after hosts or their health changed.
    fn rebalance(&mut self, now: Moment, stats: &Stats) {
        self.hosts.iter().for_each(|host| host.seen(now));
        let overprovisioning = self.endpoints.overprovisioning.max(1);
        let factor = if self.endpoints.overprovisioning == 0 { 140 } else { overprovisioning };
        self.balancer = Balancer::new(&self.cluster, factor, &self.groups);
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let healthy = self.hosts.iter().filter(|host| host.is_healthy()).count();
        let ejected = self.hosts.iter().filter(|host| host.is_ejected()).count();
        stats.membership_total.set(count(self.hosts.len()));
        stats.membership_healthy.set(count(healthy));
        stats.ejections_active.set(count(ejected));
    }

    /// Picks a host for an attempt, past those that earlier attempts tried.
    pub(crate) fn pick(
        &mut self,
        now: Moment,
        attempt: &Attempt,
        dice: &mut Dice,
        stats: &Stats,
    ) -> Option<Arc<Host>> {
        let mut turned_down = 0;
        let excluded = attempt.excluded_priorities(self.balancer.available());
        loop {
            let wish =
                Wish { now, hash: attempt.hash(), attempt: turned_down, excluded: &excluded };
            let picked = self.balancer.pick(&self.cluster, &wish, dice)?;
            // After so many tries the last pick is taken, tried or not.
            if turned_down < attempt.host_attempts() && attempt.has_tried(picked.host.id()) {
                turned_down += 1;
                continue;
            }
            if picked.in_panic {
                stats.lb_healthy_panic.add(1);
            }
            return Some(picked.host);
        }
    }

    /// The host that the downstream wanted to reach.
    pub(crate) fn original(
        &mut self,
        now: Moment,
        destination: Option<SocketAddr>,
        port: Option<u16>,
        stats: &Stats,
    ) -> Option<Arc<Host>> {
        let mut address = destination?;
        if let Some(port) = port {
            address.set_port(port);
        }
        self.next_cleanup.get_or_insert(now + CLEANUP);
        if let Some(host) = self.originals.get(&address) {
            return Some(Arc::clone(host));
        }
        if MOST_ORIGINALS <= self.originals.len() {
            return None;
        }
        let endpoint = Endpoint {
            host: String::new(),
            port: address.port(),
            hostname: String::new(),
            weight: 1,
            health: Default::default(),
            metadata: None,
        };
        let host = Arc::new(Host::new(address.into(), &endpoint, &Place::default()));
        self.originals.insert(address, Arc::clone(&host));
        self.hosts.push(Arc::clone(&host));
        stats.membership_change.add(1);
        stats.membership_total.add(1);
        stats.membership_healthy.add(1);
        Some(host)
    }

    /// The host of the name that a request brought.
    pub(crate) fn by_name(
        &mut self,
        now: Moment,
        named: &Named,
        stats: &Stats,
    ) -> Result<Arc<Host>, Refusal> {
        let Discovery::Named(rules) = &self.cluster.discovery else {
            return Err(Refusal::NoHealthyHost);
        };
        self.next_cleanup.get_or_insert(now + CLEANUP);
        let (host, is_new) = self.book.host(now, named, rules)?;
        if is_new {
            self.hosts.push(Arc::clone(&host));
            stats.membership_change.add(1);
            stats.membership_total.add(1);
            stats.membership_healthy.add(1);
        }
        Ok(host)
    }

    /// Lets hosts go whose names are forgotten, or lead elsewhere.
    fn let_go(&mut self, gone: &[Arc<Host>], stats: &Stats) {
        if gone.is_empty() {
            return;
        }
        gone.iter().for_each(|host| host.remove());
        self.hosts.retain(|host| !gone.iter().any(|gone| Arc::ptr_eq(gone, host)));
        let count = u64::try_from(self.hosts.len()).unwrap_or(u64::MAX);
        stats.membership_change.add(1);
        stats.membership_total.set(count);
        stats.membership_healthy.set(count);
    }

    /// Puts a host out, if outlier detection allows.
    pub(crate) fn eject(&mut self, now: Moment, host: &Arc<Host>, reason: Reason, stats: &Stats) {
        let Some(outlier) = &mut self.outlier else { return };
        if outlier.eject(now, &self.hosts, host, reason, stats) {
            self.rebalance(now, stats);
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Moment> {
        let tick = self.outlier.as_ref().map(Outlier::next_wake);
        tick.into_iter().chain(self.next_cleanup).min()
    }

    pub(crate) fn on_wake(&mut self, now: Moment, stats: &Stats) {
        if let Some(outlier) = &mut self.outlier
            && outlier.on_wake(now, &self.hosts, stats)
        {
            self.rebalance(now, stats);
        }
        if self.next_cleanup.is_some_and(|due| due <= now) {
            self.clean_up(stats);
            if let Discovery::Named(rules) = &self.cluster.discovery {
                let gone = self.book.forget(now, rules);
                self.let_go(&gone, stats);
            }
            let is_empty = self.originals.is_empty() && self.book.is_empty();
            self.next_cleanup = (!is_empty).then(|| now + CLEANUP);
        }
    }

    /// Forgets hosts that connections brought and nobody uses.
    fn clean_up(&mut self, stats: &Stats) {
        let is_used = |host: &Host| host.active_requests() != 0 || host.connections() != 0;
        let n_before = self.originals.len();
        self.originals.retain(|_, host| is_used(host));
        if self.originals.len() == n_before {
            return;
        }
        let originals = &self.originals;
        self.hosts.retain(|host| {
            let stays =
                host.address().socket().is_some_and(|address| originals.contains_key(&address));
            if !stays {
                host.remove();
            }
            stays
        });
        let count = u64::try_from(self.hosts.len()).unwrap_or(u64::MAX);
        stats.membership_change.add(1);
        stats.membership_total.set(count);
        stats.membership_healthy.set(count);
    }

    /// The cluster is gone: its hosts take nothing new.
    pub(crate) fn dissolve(&mut self) {
        self.hosts.iter().for_each(|host| host.remove());
    }
}
