//! Outlier detection: which hosts sit out, and until when. Spec: Envoy, "Outlier detection".

mod errors;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

pub(crate) use errors::Errors;
use xds::{cluster as proto, wkt};

use crate::{
    compile::{Bad, duration, refuse},
    dice::Dice,
    fault::{Fault, Outcome},
    moment::Moment,
    upstream::{
        growth::Growth,
        host::Host,
        stats::{Counter, Stats},
    },
};

/// When a host is put out, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct OutlierPolicy {
    pub(crate) interval: Duration,
    base_ejection: Duration,
    max_ejection: Duration,
    jitter: Duration,
    max_ejected_percent: u32,
    always_eject_one: bool,
    splits_local_origin: bool,
    consecutive: [Threshold; 3],
    success_rate: RateRule,
    failure_percentage: RateRule,
    stdev_factor: f64,
    failure_threshold: f64,
    /// How the time out grows; Envoy knows one way only, and ours comes by metadata.
    pub(crate) growth: Growth,
    /// Which responses count as errors; `None` is every one from 500.
    errors: Option<Arc<Errors>>,
}

/// So many in a row, and in how many percent of cases that has consequences.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Threshold {
    count: u32,
    enforcing: u32,
}

/// A rule that compares hosts at the end of each interval.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RateRule {
    min_hosts: usize,
    min_requests: u64,
    enforcing: u32,
    enforcing_local: u32,
}

/// What may be wrong with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Consecutive5xx,
    ConsecutiveGateway,
    ConsecutiveLocal,
    SuccessRate { local: bool },
    FailurePercentage { local: bool },
}

/// What is noted about one host. All of it is atomic, so that a good outcome needs no lock.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    in_row: [AtomicU32; 3],
    external: Rate,
    local: Rate,
    is_ejected: AtomicBool,
    ejected_at: AtomicU64,
    jitter: AtomicU64,
    /// How many times the base time the next ejection lasts.
    backoff: AtomicU32,
    /// When it came back last; 0 is never.
    restored_at: AtomicU64,
}

/// Outcomes of one interval, and of the one before.
#[derive(Debug, Default)]
struct Rate {
    total: AtomicU64,
    good: AtomicU64,
    last_total: AtomicU64,
    last_good: AtomicU64,
}

/// The state of outlier detection for one cluster.
#[derive(Debug)]
pub(crate) struct Outlier {
    pub(crate) policy: OutlierPolicy,
    next_tick: Option<Moment>,
    dice: Dice,
}

impl OutlierPolicy {
    pub(crate) fn compile(config: &proto::OutlierDetection) -> Result<Self, Bad> {
        refuse(&[
            ("monitors", !config.monitors.is_empty()),
            ("detect_degraded_hosts", config.detect_degraded_hosts == Some(true)),
        ])?;
        let time = |value: &Option<wkt::Duration>, field: &str, default: u64| {
            Ok(duration(value.as_ref(), field)?.unwrap_or(Duration::from_secs(default)))
        };
        let interval = time(&config.interval, "interval", 10)?;
        if interval.is_zero() {
            return Err(Bad::new("interval", "must be greater than zero"));
        }
        let base_ejection = time(&config.base_ejection_time, "base_ejection_time", 30)?;
        let max_ejection = duration(config.max_ejection_time.as_ref(), "max_ejection_time")?;
        let threshold = |count: Option<u32>, enforcing: Option<u32>, default: u32| Threshold {
            count: count.unwrap_or(5),
            enforcing: enforcing.unwrap_or(default),
        };
        let size = |n: Option<u32>, default: u32| {
            usize::try_from(n.unwrap_or(default)).unwrap_or(usize::MAX)
        };
        Ok(Self {
            interval,
            base_ejection,
            max_ejection: max_ejection.unwrap_or(base_ejection.max(Duration::from_secs(300))),
            jitter: time(&config.max_ejection_time_jitter, "max_ejection_time_jitter", 0)?,
            max_ejected_percent: config.max_ejection_percent.unwrap_or(10).min(100),
            always_eject_one: config.always_eject_one_host.unwrap_or(false),
            splits_local_origin: config.split_external_local_origin_errors,
            consecutive: [
                threshold(config.consecutive_5xx, config.enforcing_consecutive_5xx, 100),
                threshold(
                    config.consecutive_gateway_failure,
                    config.enforcing_consecutive_gateway_failure,
                    0,
                ),
                threshold(
                    config.consecutive_local_origin_failure,
                    config.enforcing_consecutive_local_origin_failure,
                    100,
                ),
            ],
            success_rate: RateRule {
                min_hosts: size(config.success_rate_minimum_hosts, 5),
                min_requests: config.success_rate_request_volume.unwrap_or(100).into(),
                enforcing: config.enforcing_success_rate.unwrap_or(100),
                enforcing_local: config.enforcing_local_origin_success_rate.unwrap_or(100),
            },
            failure_percentage: RateRule {
                min_hosts: size(config.failure_percentage_minimum_hosts, 5),
                min_requests: config.failure_percentage_request_volume.unwrap_or(50).into(),
                enforcing: config.enforcing_failure_percentage.unwrap_or(0),
                enforcing_local: config.enforcing_failure_percentage_local_origin.unwrap_or(0),
            },
            stdev_factor: f64::from(config.success_rate_stdev_factor.unwrap_or(1900)) / 1000.0,
            failure_threshold: f64::from(config.failure_percentage_threshold.unwrap_or(85)),
            growth: Growth::Linear,
            errors: None,
        })
    }

    /// The same, where only these responses count as errors.
    pub(crate) fn with_errors(mut self, errors: Option<Errors>) -> Self {
        self.errors = errors.map(Arc::new);
        self
    }

    /// The status that a response counts as.
    fn status_of(&self, outcome: &Outcome<'_>) -> u16 {
        match (outcome, &self.errors) {
            (Outcome::Response { status, headers }, Some(errors))
                if outcome.grpc_status().is_none() =>
            {
                errors.status(*status, headers)
            }
            _ => outcome.status().unwrap_or(200),
        }
    }

    const fn enforcing(&self, reason: Reason) -> u32 {
        match reason {
            Reason::Consecutive5xx => self.consecutive[0].enforcing,
            Reason::ConsecutiveGateway => self.consecutive[1].enforcing,
            Reason::ConsecutiveLocal => self.consecutive[2].enforcing,
            Reason::SuccessRate { local: false } => self.success_rate.enforcing,
            Reason::SuccessRate { local: true } => self.success_rate.enforcing_local,
            Reason::FailurePercentage { local: false } => self.failure_percentage.enforcing,
            Reason::FailurePercentage { local: true } => self.failure_percentage.enforcing_local,
        }
    }
}

impl Monitor {
    pub(crate) fn is_ejected(&self) -> bool {
        self.is_ejected.load(Ordering::Relaxed)
    }

    /// Notes an outcome. What comes back is due for ejection; the caller then asks [`Outlier::eject`].
    pub(crate) fn note(
        &self,
        policy: &OutlierPolicy,
        outcome: &Outcome<'_>,
    ) -> [Option<Reason>; 2] {
        match outcome {
            Outcome::Cancelled => [None; 2],
            Outcome::Connected if policy.splits_local_origin => {
                self.note_local(policy, true);
                [None; 2]
            }
            Outcome::Connected => self.note_status(policy, 200),
            Outcome::Response { .. } => {
                if policy.splits_local_origin {
                    self.note_local(policy, true);
                }
                self.note_status(policy, policy.status_of(outcome))
            }
            Outcome::Fault(fault) => match local_status(fault) {
                None => [None; 2],
                Some(_) if policy.splits_local_origin => [self.note_local(policy, false), None],
                Some(status) => self.note_status(policy, status),
            },
        }
    }

    fn note_status(&self, policy: &OutlierPolicy, status: u16) -> [Option<Reason>; 2] {
        self.external.total.fetch_add(1, Ordering::Relaxed);
        if !(500..600).contains(&status) {
            self.external.good.fetch_add(1, Ordering::Relaxed);
            self.reset(0);
            self.reset(1);
            return [None; 2];
        }
        let gateway = if matches!(status, 502..=504) {
            self.is_due(policy, 1).then_some(Reason::ConsecutiveGateway)
        } else {
            self.reset(1);
            None
        };
        [gateway, self.is_due(policy, 0).then_some(Reason::Consecutive5xx)]
    }

    fn note_local(&self, policy: &OutlierPolicy, success: bool) -> Option<Reason> {
        self.local.total.fetch_add(1, Ordering::Relaxed);
        if success {
            self.local.good.fetch_add(1, Ordering::Relaxed);
            self.reset(2);
            return None;
        }
        self.is_due(policy, 2).then_some(Reason::ConsecutiveLocal)
    }

    /// Counts one more failure in a row; true when that makes the number full.
    fn is_due(&self, policy: &OutlierPolicy, which: usize) -> bool {
        let count = self.in_row[which].fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        count == policy.consecutive[which].count
    }

    /// Written only where it changes something, so that healthy hosts share their cache line.
    fn reset(&self, which: usize) {
        if self.in_row[which].load(Ordering::Relaxed) != 0 {
            self.in_row[which].store(0, Ordering::Relaxed);
        }
    }
}

/// The status that stands for a failure of our own side of the exchange; `None` for faults that say nothing about the host.
pub(crate) const fn local_status(fault: &Fault) -> Option<u16> {
    match fault {
        Fault::ConnectFailed { .. }
        | Fault::NotResolved
        | Fault::Terminated { .. }
        | Fault::Reset { .. }
        | Fault::RefusedStream
        | Fault::Protocol { .. } => Some(503),
        Fault::ConnectTimeout
        | Fault::PerTryTimeout
        | Fault::PerTryIdleTimeout
        | Fault::Timeout
        | Fault::MaxStreamDuration => Some(504),
        Fault::StreamIdle { .. }
        | Fault::RequestTimeout
        | Fault::DurationOver { .. }
        | Fault::BadRequest => None,
        Fault::LocalReset
        | Fault::Overflow
        | Fault::BreakerOpen
        | Fault::NoHealthyUpstream
        | Fault::NoCluster
        | Fault::TooManyNames
        | Fault::InvalidHeader { .. } => None,
    }
}

impl Rate {
    /// Begins a new interval.
    fn turn(&self) {
        self.last_total.store(self.total.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        self.last_good.store(self.good.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Percent of good outcomes in the last interval, and of how many.
    #[expect(clippy::cast_precision_loss, reason = "counts of an interval are below 2^53")]
    fn last(&self) -> Option<(f64, u64)> {
        let total = self.last_total.load(Ordering::Relaxed);
        let good = self.last_good.load(Ordering::Relaxed);
        (total != 0).then(|| (good as f64 * 100.0 / total as f64, total))
    }
}

impl Outlier {
    pub(crate) fn new(policy: OutlierPolicy, seed: u64) -> Self {
        Self { policy, next_tick: None, dice: Dice::seeded(seed) }
    }

    /// When [`Self::on_wake`] has something to do: at once until it has been called, then each interval.
    pub(crate) fn next_wake(&self) -> Moment {
        self.next_tick.unwrap_or(Moment::START)
    }

    /// Puts a host out, if the limits allow; true when it is out now. The count in a row begins anew either way.
    pub(crate) fn eject(
        &mut self,
        now: Moment,
        hosts: &[Arc<Host>],
        host: &Arc<Host>,
        reason: Reason,
        stats: &Stats,
    ) -> bool {
        if host.is_ejected() || host.is_removed() {
            return false;
        }
        let is_out = self.eject_within_limits(now, hosts, host, reason, stats);
        match reason {
            Reason::Consecutive5xx => host.monitor.reset(0),
            Reason::ConsecutiveGateway => host.monitor.reset(1),
            Reason::ConsecutiveLocal => host.monitor.reset(2),
            Reason::SuccessRate { .. } | Reason::FailurePercentage { .. } => {}
        }
        is_out
    }

    fn eject_within_limits(
        &mut self,
        now: Moment,
        hosts: &[Arc<Host>],
        host: &Arc<Host>,
        reason: Reason,
        stats: &Stats,
    ) -> bool {
        let (detected, enforced) = counters(stats, reason);
        detected.add(1);
        let ejected = hosts.iter().filter(|host| host.is_ejected()).count();
        let limit = usize::try_from(self.policy.max_ejected_percent).unwrap_or(100);
        let has_room = (ejected + 1) * 100 <= limit * hosts.len();
        let is_first = self.policy.always_eject_one && ejected == 0;
        if !has_room && !is_first {
            stats.ejections_overflow.add(1);
            return false;
        }
        if !self.dice.happens(self.policy.enforcing(reason).into(), 100) {
            return false;
        }
        stats.ejections_enforced_total.add(1);
        enforced.add(1);
        let monitor = &host.monitor;
        monitor.is_ejected.store(true, Ordering::Relaxed);
        monitor.ejected_at.store(now.as_nanos(), Ordering::Relaxed);
        let jitter = u64::try_from(self.policy.jitter.as_millis()).unwrap_or(u64::MAX);
        let jitter = self.dice.below(jitter.saturating_add(1));
        monitor.jitter.store(jitter, Ordering::Relaxed);
        // It grows until the longest time is reached once.
        let backoff = monitor.backoff.load(Ordering::Relaxed);
        let (base, most) = (self.policy.base_ejection, self.policy.max_ejection);
        if self.policy.growth.goes_on(base, backoff, most) {
            monitor.backoff.store(backoff + 1, Ordering::Relaxed);
        }
        true
    }

    /// The end of an interval: hosts come back, are compared, and are forgiven. True when a host came back or went out.
    pub(crate) fn on_wake(&mut self, now: Moment, hosts: &[Arc<Host>], stats: &Stats) -> bool {
        let mut changed = false;
        match self.next_tick {
            None => {
                self.next_tick = Some(now + self.policy.interval);
                return false;
            }
            Some(tick) if now < tick => return false,
            Some(_) => self.next_tick = Some(now + self.policy.interval),
        }
        for host in hosts {
            let monitor = &host.monitor;
            if monitor.is_ejected() && self.is_over(now, monitor) {
                monitor.is_ejected.store(false, Ordering::Relaxed);
                (0..3).for_each(|which| monitor.reset(which));
                monitor.restored_at.store(now.as_nanos().max(1), Ordering::Relaxed);
                changed = true;
            }
            monitor.external.turn();
            monitor.local.turn();
        }
        for local in [false, true] {
            changed |= self.compare(now, hosts, local, stats);
        }
        for monitor in hosts.iter().map(|host| &host.monitor) {
            let restored = monitor.restored_at.load(Ordering::Relaxed);
            let backoff = monitor.backoff.load(Ordering::Relaxed);
            let rested = self.policy.interval <= now - Moment::from_nanos(restored);
            if !monitor.is_ejected() && restored != 0 && rested && backoff != 0 {
                monitor.backoff.store(backoff - 1, Ordering::Relaxed);
            }
        }
        changed
    }

    fn is_over(&self, now: Moment, monitor: &Monitor) -> bool {
        let times = monitor.backoff.load(Ordering::Relaxed);
        let jitter = Duration::from_millis(monitor.jitter.load(Ordering::Relaxed));
        let (base, most) = (self.policy.base_ejection, self.policy.max_ejection);
        let length = self.policy.growth.length(base, times, most);
        let since = Moment::from_nanos(monitor.ejected_at.load(Ordering::Relaxed));
        length + jitter <= now - since
    }

    /// Puts out hosts that did much worse than the others in the last interval.
    fn compare(&mut self, now: Moment, hosts: &[Arc<Host>], local: bool, stats: &Stats) -> bool {
        let mut changed = false;
        let (by_rate, by_share) = (self.policy.success_rate, self.policy.failure_percentage);
        if hosts.len() < by_rate.min_hosts.min(by_share.min_hosts) {
            return false;
        }
        let seen: Vec<(&Arc<Host>, f64, u64)> = hosts
            .iter()
            .filter(|host| !host.is_ejected())
            .filter_map(|host| {
                let rate = if local { &host.monitor.local } else { &host.monitor.external };
                rate.last().map(|(rate, volume)| (host, rate, volume))
            })
            .collect();
        let rated: Vec<_> =
            seen.iter().filter(|(_, _, volume)| by_rate.min_requests <= *volume).collect();
        if !rated.is_empty() && by_rate.min_hosts <= rated.len() {
            let rates: Vec<f64> = rated.iter().map(|(_, rate, _)| *rate).collect();
            let threshold = rate_threshold(&rates, self.policy.stdev_factor);
            for (host, rate, _) in rated {
                if *rate < threshold {
                    let reason = Reason::SuccessRate { local };
                    changed |= self.eject(now, hosts, host, reason, stats);
                }
            }
        }
        let shared: Vec<_> =
            seen.iter().filter(|(_, _, volume)| by_share.min_requests <= *volume).collect();
        if !shared.is_empty() && by_share.min_hosts <= shared.len() {
            for (host, rate, _) in shared {
                if self.policy.failure_threshold <= 100.0 - *rate {
                    let reason = Reason::FailurePercentage { local };
                    changed |= self.eject(now, hosts, host, reason, stats);
                }
            }
        }
        changed
    }
}

/// The success rate below which a host is an outlier: the mean less so many standard deviations.
#[expect(clippy::cast_precision_loss, reason = "a count of hosts")]
fn rate_threshold(rates: &[f64], factor: f64) -> f64 {
    let count = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / count;
    let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
    mean - factor * variance.sqrt()
}

/// The counters of detected and of enforced ejections.
const fn counters(stats: &Stats, reason: Reason) -> (&Counter, &Counter) {
    match reason {
        Reason::Consecutive5xx => {
            (&stats.ejections_detected_consecutive_5xx, &stats.ejections_enforced_consecutive_5xx)
        }
        Reason::ConsecutiveGateway => (
            &stats.ejections_detected_consecutive_gateway_failure,
            &stats.ejections_enforced_consecutive_gateway_failure,
        ),
        Reason::ConsecutiveLocal => (
            &stats.ejections_detected_consecutive_local_origin_failure,
            &stats.ejections_enforced_consecutive_local_origin_failure,
        ),
        Reason::SuccessRate { local: false } => {
            (&stats.ejections_detected_success_rate, &stats.ejections_enforced_success_rate)
        }
        Reason::SuccessRate { local: true } => (
            &stats.ejections_detected_local_origin_success_rate,
            &stats.ejections_enforced_local_origin_success_rate,
        ),
        Reason::FailurePercentage { local: false } => (
            &stats.ejections_detected_failure_percentage,
            &stats.ejections_enforced_failure_percentage,
        ),
        Reason::FailurePercentage { local: true } => (
            &stats.ejections_detected_local_origin_failure_percentage,
            &stats.ejections_enforced_local_origin_failure_percentage,
        ),
    }
}

#[cfg(test)]
mod tests;
