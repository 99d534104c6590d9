//! One host of a cluster, with what is known about it while it serves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use xds::{core, wkt};

use crate::{
    address::Address,
    cluster::{Endpoint, Health, Place},
    moment::Moment,
    upstream::{outlier::Monitor, stats::Counter},
};

/// Tells one host from all others, also from an earlier one at the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(u64);

impl HostId {
    /// The number, unique in this process.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// One host of a cluster. It lives as long as someone uses it, also when its cluster has let it go.
#[derive(Debug)]
pub struct Host {
    id: HostId,
    address: Address,
    address_text: String,
    hostname: Box<str>,
    /// What is hashed for it instead of its address. Spec: Envoy, `hash_key` under `envoy.lb`.
    hash_key: Option<Box<str>>,
    place: Place,
    metadata: Option<core::Metadata>,
    weight: AtomicU32,
    priority: AtomicU32,
    /// When it was first seen healthy, in nanoseconds; [`UNSEEN`] before that.
    healthy_since: AtomicU64,
    may_serve: AtomicBool,
    is_removed: AtomicBool,
    active_requests: AtomicU32,
    connections: AtomicU32,
    pub(crate) monitor: Monitor,
    /// Requests that were sent to it.
    pub rq_total: Counter,
    /// Requests that ended well.
    pub rq_success: Counter,
    /// Requests that ended badly.
    pub rq_error: Counter,
    /// Connections that were opened to it.
    pub cx_total: Counter,
    /// Connections that could not be made.
    pub cx_connect_fail: Counter,
}

/// No moment.
const UNSEEN: u64 = u64::MAX;

/// The next id. Ids are names, not chance: only their being different counts.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Host {
    pub(crate) fn new(address: Address, endpoint: &Endpoint, place: &Place) -> Self {
        Self {
            id: HostId(NEXT_ID.fetch_add(1, Ordering::Relaxed)),
            address_text: address.to_string(),
            address,
            hostname: endpoint.hostname.as_str().into(),
            hash_key: endpoint.metadata.as_ref().and_then(named_hash_key),
            place: place.clone(),
            metadata: endpoint.metadata.clone(),
            weight: AtomicU32::new(endpoint.weight),
            priority: AtomicU32::new(0),
            healthy_since: AtomicU64::new(UNSEEN),
            may_serve: AtomicBool::new(endpoint.health == Health::Healthy),
            is_removed: AtomicBool::new(false),
            active_requests: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            monitor: Monitor::default(),
            rq_total: Counter::default(),
            rq_success: Counter::default(),
            rq_error: Counter::default(),
            cx_total: Counter::default(),
            cx_connect_fail: Counter::default(),
        }
    }

    /// Takes what the control plane says now. False when this needs another host, since connections depend on it.
    pub(crate) fn update(&self, endpoint: &Endpoint, place: &Place) -> bool {
        if *self.hostname != *endpoint.hostname
            || self.metadata != endpoint.metadata
            || self.place != *place
        {
            return false;
        }
        self.weight.store(endpoint.weight, Ordering::Relaxed);
        self.may_serve.store(endpoint.health == Health::Healthy, Ordering::Relaxed);
        true
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> HostId {
        self.id
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The address as text, as it is hashed and logged.
    #[must_use]
    pub fn address_text(&self) -> &str {
        &self.address_text
    }

    /// The name that goes with the address.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        (!self.hostname.is_empty()).then_some(&*self.hostname)
    }

    /// Where it is.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// What the control plane says about it.
    #[must_use]
    pub const fn metadata(&self) -> Option<&core::Metadata> {
        self.metadata.as_ref()
    }

    /// Its share of traffic among its neighbours.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Its priority; 0 is used first.
    #[must_use]
    pub fn priority(&self) -> u32 {
        self.priority.load(Ordering::Relaxed)
    }

    pub(crate) fn rank(&self, priority: u32) {
        self.priority.store(priority, Ordering::Relaxed);
    }

    /// Notes that it is there; its time as a new host begins when it is healthy for the first time.
    pub(crate) fn seen(&self, now: Moment) {
        if self.is_healthy() && self.healthy_since.load(Ordering::Relaxed) == UNSEEN {
            self.healthy_since.store(now.as_nanos(), Ordering::Relaxed);
        }
    }

    /// How long it has been there since it was first healthy; zero if it never was.
    pub(crate) fn age(&self, now: Moment) -> Duration {
        match self.healthy_since.load(Ordering::Relaxed) {
            UNSEEN => Duration::ZERO,
            since => now - Moment::from_nanos(since),
        }
    }

    /// Whether the control plane says that it may be used, and outlier detection does not say otherwise.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.may_serve.load(Ordering::Relaxed) && !self.is_ejected()
    }

    /// Whether outlier detection has put it out.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        self.monitor.is_ejected()
    }

    /// Whether its cluster has let it go: idle connections to it should be closed.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Relaxed)
    }

    pub(crate) fn remove(&self) {
        self.is_removed.store(true, Ordering::Relaxed);
    }

    /// How many requests it works on.
    #[must_use]
    pub fn active_requests(&self) -> u32 {
        self.active_requests.load(Ordering::Relaxed)
    }

    /// How many connections to it are open or being made.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn enter(&self) {
        self.active_requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.active_requests.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn connect(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn disconnect(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// What is hashed for it on rings.
    pub(crate) fn hash_key(&self, by_hostname: bool) -> &str {
        match &self.hash_key {
            Some(key) => key,
            None if by_hostname && !self.hostname.is_empty() => &self.hostname,
            None => &self.address_text,
        }
    }
}

fn named_hash_key(metadata: &core::Metadata) -> Option<Box<str>> {
    let key = metadata.filter_metadata.get("envoy.lb")?.fields.get("hash_key")?;
    match &key.kind {
        Some(wkt::value::Kind::StringValue(key)) if !key.is_empty() => Some(key.as_str().into()),
        _ => None,
    }
}

/// Hosts in the order of the configuration.
pub(crate) type Hosts = Vec<Arc<Host>>;
