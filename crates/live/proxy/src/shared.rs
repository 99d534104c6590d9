//! What all threads see: the table, the upstreams, and whether the proxy still takes new work.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use telemetry::Registry;
use traffic::upstream::Directory;
use traffic::{Table, Upstreams};

use crate::clock::Clock;
use crate::dns::Resolver;
use crate::sinks::Sinks;
use crate::socket::Dialer;
use crate::tls::Contexts;

/// A table, and the upstreams of its clusters.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) table: Arc<Table>,
    pub(crate) directory: Arc<Directory>,
}

/// One per proxy.
#[derive(Debug)]
pub(crate) struct Shared {
    now: Mutex<Arc<InForce>>,
    /// Grows with each new table, after it is in place.
    version: AtomicU64,
    pub(crate) upstreams: Upstreams,
    pub(crate) contexts: Contexts,
    pub(crate) clock: Clock,
    pub(crate) dialer: Dialer,
    pub(crate) resolver: Resolver,
    /// One per worker, so that counting never waits for another worker.
    registries: Vec<Mutex<Registry>>,
    /// Requests and TCP connections under way.
    pub(crate) active: Gauge,
    /// Downstream connections open.
    pub(crate) connections: Gauge,
    draining: AtomicBool,
    /// Where access records go.
    pub(crate) sinks: Sinks,
    /// The name of this machine.
    pub(crate) hostname: String,
    /// Wakes who resolves names when there are new ones.
    pub(crate) changed: tokio::sync::Notify,
}

impl Shared {
    /// With an empty table.
    pub(crate) fn new(workers: usize, table: Arc<Table>, dialer: Dialer, clock: Clock) -> Shared {
        Shared {
            now: Mutex::new(Arc::new(InForce { table, directory: Arc::default() })),
            version: AtomicU64::new(1),
            upstreams: Upstreams::new(),
            contexts: Contexts::default(),
            clock,
            dialer,
            resolver: Resolver::from_system(dialer),
            registries: (0..workers).map(|_| Mutex::default()).collect(),
            active: Gauge::default(),
            connections: Gauge::default(),
            draining: AtomicBool::new(false),
            sinks: Sinks::new(workers),
            hostname: hostname(),
            changed: tokio::sync::Notify::new(),
        }
    }

    /// Puts a new table in place. From the moment this returns, no worker begins a request with an
    /// older one: that is what an ACK promises. A request that began with the old table finds the
    /// old upstreams beside it.
    pub(crate) fn publish(&self, table: Arc<Table>) {
        self.contexts.forget_unused(&table);
        self.upstreams.sync(self.clock.now(), &table);
        let directory = self.upstreams.directory();
        *lock(&self.now) = Arc::new(InForce { table, directory });
        self.version.fetch_add(1, Ordering::Release);
        self.changed.notify_one();
    }

    /// Which table is in place.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What is in force.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        lock(&self.now).clone()
    }

    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.registries.len()
    }

    /// A worker's counters.
    pub(crate) fn registry(&self, worker: usize) -> MutexGuard<'_, Registry> {
        lock(&self.registries[worker])
    }

    /// The counters of all workers, added up.
    pub(crate) fn collected(&self) -> Registry {
        let mut sum = Registry::new();
        for registry in &self.registries {
            sum.absorb(&lock(registry));
        }
        sum
    }

    /// No new work from now on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether responses shall end their connections.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// A lock whose holder panicked still guards whole values: each critical section is one assignment
/// or one addition.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the kernel calls this machine.
fn hostname() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    text.trim().to_owned()
}

/// Counts what is under way.
#[derive(Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// One more, until the guard is dropped.
    pub(crate) fn enter(&self) -> Entered {
        self.0.fetch_add(1, Ordering::AcqRel);
        Entered(self.0.clone())
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// Something under way.
#[derive(Debug)]
pub(crate) struct Entered(Arc<AtomicUsize>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
