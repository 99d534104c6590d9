//! Upstreams: what changes while traffic flows, by cluster. It outlives tables.

mod balance;
mod bounded;
pub(crate) mod breaker;
mod edf;
pub(crate) mod growth;
mod hashing;
mod host;
mod named;
mod outlier;
mod seat;
mod state;
mod stats;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

pub(crate) use breaker::BreakerPolicy;
pub(crate) use hashing::Hasher;
pub use host::{Host, HostId};
pub(crate) use outlier::{Errors, OutlierPolicy};
pub use seat::{Connection, Refusal, Retrying, Seat, Waiting};
pub use state::Lookup;
use state::State;
pub use stats::{Counter, Stats};

use crate::{
    access::Permit,
    attempt::Attempt,
    cluster::{Cluster, Discovery, Fallback, Limits},
    compile::Map,
    dice::Dice,
    fault::{Fault, Outcome},
    moment::Moment,
    table::Table,
    upstream::breaker::Admission,
};

/// The upstreams of all clusters.
///
/// Calls are short and take a lock for each cluster; a thread that wants none at all keeps a [`Directory`] beside its table.
#[derive(Debug, Default)]
pub struct Upstreams {
    directory: RwLock<Arc<Directory>>,
}

/// The upstreams at one moment, by name.
#[derive(Debug, Default)]
pub struct Directory {
    upstreams: Map<Arc<str>, Arc<Upstream>>,
    /// In the order of their names.
    sorted: Vec<Arc<Upstream>>,
}

/// The state of one cluster.
#[derive(Debug)]
pub struct Upstream {
    name: Arc<str>,
    stats: Stats,
    in_use: InUse,
    state: Mutex<State>,
}

/// What counts against the circuit breakers.
#[derive(Debug, Default)]
pub(crate) struct InUse {
    pub(crate) connections: AtomicU32,
    pub(crate) pending: AtomicU32,
    pub(crate) requests: AtomicU32,
    pub(crate) retries: AtomicU32,
}

impl Upstreams {
    /// No upstreams yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over a new table: new clusters appear, old ones go, and those that stay keep their state.
    ///
    /// Call it before the table decides about requests.
    pub fn sync(&self, now: Moment, table: &Table) {
        let old = self.directory();
        let mut new = Directory::default();
        for entry in table.entries() {
            let name = &entry.cluster.name;
            let upstream = match old.of(name) {
                Some(upstream) => Arc::clone(upstream),
                None => Arc::new(Upstream::new(Arc::clone(name), Arc::clone(&entry.cluster))),
            };
            let mut state = upstream.lock();
            state.update(now, &entry.cluster, &entry.endpoints, &upstream.stats);
            drop(state);
            new.upstreams.insert(Arc::clone(name), Arc::clone(&upstream));
            new.sorted.push(upstream);
        }
        new.sorted.sort_by(|a, b| a.name.cmp(&b.name));
        for gone in old.sorted.iter().filter(|upstream| new.of(&upstream.name).is_none()) {
            gone.lock().dissolve();
        }
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }

    /// The upstream of a cluster.
    #[must_use]
    pub fn of(&self, cluster: &str) -> Option<Arc<Upstream>> {
        self.directory().of(cluster).cloned()
    }

    /// All upstreams as they are now.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// When [`Self::on_wake`] has something to do; `None` when nothing waits.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        self.directory().sorted.iter().filter_map(|upstream| upstream.lock().next_wake()).min()
    }

    /// Does what is due: hosts come back, are compared, and are forgotten where nobody uses them.
    pub fn on_wake(&self, now: Moment) {
        for upstream in &self.directory().sorted {
            upstream.lock().on_wake(now, &upstream.stats);
        }
    }

    /// The names that clusters need resolved, and how often.
    #[must_use]
    pub fn lookups(&self) -> Vec<Lookup> {
        self.directory().sorted.iter().flat_map(|upstream| upstream.lock().lookups()).collect()
    }

    /// Takes the addresses of a name. An empty list means that the name has none; a failed look-up is not reported, so that
    /// the old addresses stay.
    pub fn resolved(&self, now: Moment, cluster: &str, name: &str, addresses: &[IpAddr]) {
        if let Some(upstream) = self.of(cluster) {
            upstream.lock().resolved(now, name, addresses, &upstream.stats);
        }
    }
}

impl Upstreams {
    /// Notes that no server answered for a name: who waits for its first addresses waits no longer.
    pub fn unresolved(&self, now: Moment, cluster: &str, name: &str) {
        if let Some(upstream) = self.of(cluster) {
            let mut state = upstream.lock();
            if state.awaits(name) {
                state.resolved(now, name, &[], &upstream.stats);
            }
        }
    }
}

impl Directory {
    /// The upstream of a cluster.
    #[must_use]
    pub fn of(&self, cluster: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.get(cluster)
    }

    /// All upstreams, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.sorted.iter()
    }
}

impl Upstream {
    fn new(name: Arc<str>, cluster: Arc<Cluster>) -> Self {
        let state = Mutex::new(State::new(&name, cluster));
        Self { name, stats: Stats::default(), in_use: InUse::default(), state }
    }

    /// The name of the cluster.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The configuration of the cluster.
    #[must_use]
    pub fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(self.lock().cluster())
    }

    /// What was counted.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The hosts, in the order of the configuration.
    #[must_use]
    pub fn hosts(&self) -> Vec<Arc<Host>> {
        self.lock().hosts().to_vec()
    }

    /// Whether a name that the attempt needs was never looked up yet, so that it is too soon to say that there is no host.
    #[must_use]
    pub fn awaits_names(&self, attempt: &Attempt) -> bool {
        self.lock().awaits_names(attempt)
    }

    /// Picks a host for an attempt. To the balancer the seat is one active request until it is dropped; the circuit breaker
    /// counts it from [`Seat::begin`] on.
    ///
    /// # Errors
    /// When no host is there, or the breaker is open.
    pub fn pick(
        self: &Arc<Self>,
        now: Moment,
        permit: &Permit,
        attempt: &Attempt,
        dice: &mut Dice,
    ) -> Result<Seat, Refusal> {
        // The permit says that somebody looked at the peer; there is nothing else to learn from it.
        let _ = permit;
        let mut state = self.lock();
        let admission = match state.breaker().map(|breaker| breaker.admit(now, &self.stats)) {
            None => None,
            Some(Some(admission)) => Some(admission),
            Some(None) => return Err(Refusal::BreakerOpen),
        };
        let picked = match &state.cluster().discovery {
            Discovery::Named(_) => match attempt.named() {
                Some(named) => state.by_name(now, named, &self.stats),
                None => Err(Refusal::NoHealthyHost),
            },
            Discovery::OriginalDst { port, .. } => {
                let port = *port;
                let host = state.original(now, attempt.destination(), port, &self.stats);
                host.ok_or(Refusal::NoHealthyHost)
            }
            _ => state.pick(now, attempt, dice, &self.stats).ok_or(Refusal::NoHealthyHost),
        };
        let host = match picked {
            Ok(host) => host,
            Err(refusal) => {
                if let Some((breaker, admission)) = state.breaker().zip(admission) {
                    breaker.release(admission.ticket);
                }
                if refusal == Refusal::NoHealthyHost {
                    self.stats.upstream_cx_none_healthy.add(1);
                }
                return Err(refusal);
            }
        };
        let outlier = state.outlier_policy();
        drop(state);
        Ok(Seat::new(Arc::clone(self), host, outlier, admission))
    }

    /// Takes note of how an attempt ended: counters, outlier detection, and the breaker.
    pub fn on_outcome(&self, now: Moment, seat: &Seat, outcome: &Outcome<'_>) {
        self.count(seat, outcome);
        if let Some(admission) = seat.admission() {
            self.settle(now, admission, outcome);
        }
        let host = seat.shared_host();
        if let Some(policy) = seat.outlier_policy() {
            let reasons = host.monitor.note(policy, outcome);
            if reasons != [None; 2] {
                let mut state = self.lock();
                for reason in reasons.into_iter().flatten() {
                    state.eject(now, host, reason, &self.stats);
                }
            }
        }
    }

    fn settle(&self, now: Moment, admission: &Admission, outcome: &Outcome<'_>) {
        let Some(is_good) = admission.judges(outcome) else { return };
        if !admission.is_settled.swap(true, Ordering::Relaxed)
            && admission.is_news(is_good)
            && let Some(breaker) = self.lock().breaker()
        {
            breaker.settle(now, admission.ticket, is_good, &self.stats);
        }
    }

    /// A seat is given back. Where nothing was learnt from a trial, another may be made.
    pub(crate) fn give_back(&self, admission: &Admission) {
        if admission.ticket.on_trial
            && !admission.is_settled.load(Ordering::Relaxed)
            && let Some(breaker) = self.lock().breaker()
        {
            breaker.release(admission.ticket);
        }
    }

    /// What a request gets instead of this fault, if its cluster says so. Who gives it counts it.
    #[must_use]
    pub fn fallback(&self, fault: &Fault) -> Option<Arc<Fallback>> {
        fault.refusal()?;
        self.lock().cluster().fallback.clone()
    }

    fn count(&self, seat: &Seat, outcome: &Outcome<'_>) {
        let host = seat.host();
        let stats = &self.stats;
        match outcome {
            Outcome::Response { status, .. } => {
                stats.upstream_rq_completed.add(1);
                stats.count_status(*status);
                let is_bad = outcome.status().is_some_and(|status| 500 <= status);
                if is_bad { host.rq_error.add(1) } else { host.rq_success.add(1) }
            }
            Outcome::Fault(fault) => {
                host.rq_error.add(1);
                match fault {
                    Fault::PerTryTimeout | Fault::PerTryIdleTimeout => {
                        stats.upstream_rq_per_try_timeout.add(1);
                    }
                    Fault::Timeout => stats.upstream_rq_timeout.add(1),
                    Fault::Terminated { .. } | Fault::Reset { .. } | Fault::RefusedStream => {
                        stats.upstream_rq_rx_reset.add(1);
                    }
                    Fault::LocalReset | Fault::MaxStreamDuration => {
                        stats.upstream_rq_tx_reset.add(1);
                    }
                    _ => {}
                }
            }
            Outcome::Cancelled => stats.upstream_rq_cancelled.add(1),
            Outcome::Connected => host.rq_success.add(1),
        }
    }

    /// Takes one of the places for retries; `None` when they are all taken.
    pub(crate) fn retry(self: &Arc<Self>) -> Option<Retrying> {
        let limits = self.limits();
        let limit = match limits.retry_budget {
            None => limits.retries,
            Some((percent, at_least)) => {
                let active = self.in_use.requests.load(Ordering::Relaxed)
                    + self.in_use.pending.load(Ordering::Relaxed);
                whole(f64::from(active) * percent / 100.0).max(at_least)
            }
        };
        take(&self.in_use.retries, limit).then(|| Retrying::new(Arc::clone(self)))
    }

    pub(crate) fn limits(&self) -> Limits {
        self.lock().cluster().limits
    }

    pub(crate) const fn in_use(&self) -> &InUse {
        &self.in_use
    }

    /// A thread that panicked left the state whole: each method finishes its changes before it can fail.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one place, if fewer than `limit` are taken.
pub(crate) fn take(taken: &AtomicU32, limit: u32) -> bool {
    taken
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < limit).then_some(now + 1))
        .is_ok()
}

/// The whole part of a number that is not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from float to integer saturates, and the number is not negative"
)]
const fn whole(number: f64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests;
