//! A breaker: when too many requests to a cluster fail, none are sent for a while, then a few on trial.
//!
//! Envoy has nothing like it. It comes as `filter_metadata["lateen"]` of a cluster, which Envoy ignores.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use xds::wkt;

use crate::{
    compile::Bad,
    fault::{Fault, Outcome},
    moment::Moment,
    upstream::{growth::Growth, outlier::local_status, stats::Stats},
};

/// So many errors are remembered at most: each takes 8 bytes.
const MOST_ERRORS: u32 = 1_000;
/// So many requests are remembered at most: each takes a bit.
const MOST_REQUESTS: u32 = 10_000;
/// So many trials are made at most.
const MOST_TRIALS: u32 = 100;

/// When a breaker opens, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BreakerPolicy {
    /// So many errors within so long.
    errors: Option<(u32, Duration)>,
    /// So many thousandths of a percent of the last so many requests.
    share: Option<(u32, u32)>,
    open_for: Duration,
    max_open_for: Duration,
    growth: Growth,
    /// How many requests have to go well before it closes, and how many are let through for that.
    trials: u32,
    counted: Counted,
}

/// What counts as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counted {
    server_errors: bool,
    gateway_errors: bool,
    connect_failures: bool,
    statuses: Vec<u16>,
}

/// The state of the breaker of one cluster. Its size is fixed by its policy.
#[derive(Debug)]
pub(crate) struct Breaker {
    policy: Arc<BreakerPolicy>,
    phase: Phase,
    /// Grows with each change of phase: who was let in before it has no say after it.
    epoch: u64,
    /// How often it has opened since it was closed last.
    times: u32,
    errors: Errors,
    recent: Recent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Open {
        until: Moment,
    },
    /// Half open: a few requests are let through on trial.
    Trying {
        since: Moment,
        admitted: u32,
        good: u32,
    },
}

/// The moments of the last errors.
#[derive(Debug)]
struct Errors {
    moments: Box<[Moment]>,
    next: usize,
    count: usize,
}

/// How the last requests went, a bit each.
#[derive(Debug)]
struct Recent {
    bad: Box<[u64]>,
    size: u32,
    next: u32,
    count: u32,
    n_bad: u32,
}

/// Leave to send one request, and what its outcome has to say. It is given back with the seat.
#[derive(Debug)]
pub(crate) struct Admission {
    policy: Arc<BreakerPolicy>,
    pub(crate) ticket: Ticket,
    /// Whether its outcome is known already.
    pub(crate) is_settled: AtomicBool,
}

/// When a request was let through, and whether on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    epoch: u64,
    pub(crate) on_trial: bool,
}

impl BreakerPolicy {
    /// Reads it from metadata.
    pub(crate) fn compile(fields: &wkt::Struct) -> Result<Self, Bad> {
        let mut policy = Self {
            errors: None,
            share: None,
            open_for: Duration::from_secs(30),
            max_open_for: Duration::ZERO,
            growth: Growth::Exponential,
            trials: 1,
            counted: Counted { server_errors: true, ..Counted::default() },
        };
        let (mut errors, mut within, mut share, mut of) = (None, None, None, None);
        for (name, value) in &fields.fields {
            match name.as_str() {
                "errors" => errors = Some(number(name, value, 1, MOST_ERRORS)?),
                "within_ms" => within = Some(span(name, value)?),
                "share_thousandths" => share = Some(number(name, value, 1, 100_000)?),
                "of" => of = Some(number(name, value, 1, MOST_REQUESTS)?),
                "open_for_ms" => policy.open_for = span(name, value)?,
                "max_open_for_ms" => policy.max_open_for = span(name, value)?,
                "growth" => policy.growth = growth(name, value)?,
                "trials" => policy.trials = number(name, value, 1, MOST_TRIALS)?,
                "on" => policy.counted = Counted::compile(name, value)?,
                _ => return Err(Bad::new(name.as_str(), "is no field of a breaker")),
            }
        }
        policy.errors = errors.zip(within);
        policy.share = share.zip(of);
        if errors.is_some() != within.is_some() || share.is_some() != of.is_some() {
            return Err(Bad::new("", "needs errors and within_ms, or share_thousandths and of"));
        }
        if policy.errors.is_none() && policy.share.is_none() {
            return Err(Bad::new("", "says neither how many errors open it nor which share"));
        }
        if policy.max_open_for.is_zero() {
            policy.max_open_for = Duration::from_secs(300);
        }
        policy.max_open_for = policy.max_open_for.max(policy.open_for);
        Ok(policy)
    }

    /// What an outcome says: whether it was good; `None` for those that say nothing about the cluster.
    pub(crate) fn judges(&self, outcome: &Outcome<'_>) -> Option<bool> {
        let counted = &self.counted;
        match outcome {
            Outcome::Cancelled => None,
            Outcome::Connected => Some(true),
            Outcome::Response { .. } => outcome.status().map(|status| !counted.has_status(status)),
            Outcome::Fault(fault) => local_status(fault).map(|status| {
                let is_connecting = matches!(
                    fault,
                    Fault::ConnectFailed { .. } | Fault::ConnectTimeout | Fault::NotResolved
                );
                !(counted.has_status(status) || counted.connect_failures && is_connecting)
            }),
        }
    }

    /// Whether a closed breaker has to be told of good outcomes too.
    const fn looks_at_all(&self) -> bool {
        self.share.is_some()
    }

    fn length(&self, times: u32) -> Duration {
        self.growth.length(self.open_for, times, self.max_open_for)
    }
}

impl fmt::Display for BreakerPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("opens after ")?;
        if let Some((errors, within)) = self.errors {
            let word = if errors == 1 { "error" } else { "errors" };
            write!(f, "{errors} {word} within {within:?}")?;
        }
        if let Some((share, of)) = self.share {
            let or = if self.errors.is_some() { " or " } else { "" };
            write!(f, "{or}{}% of {of} requests failed", f64::from(share) / 1000.0)?;
        }
        write!(f, ", for {:?}", self.open_for)?;
        if self.open_for < self.max_open_for {
            write!(f, " ({} to {:?})", self.growth.word(), self.max_open_for)?;
        }
        match self.trials {
            1 => f.write_str("; a good trial closes it"),
            trials => write!(f, "; {trials} good trials close it"),
        }
    }
}

impl Counted {
    fn compile(name: &str, value: &wkt::Value) -> Result<Self, Bad> {
        let Some(wkt::value::Kind::ListValue(list)) = &value.kind else {
            return Err(Bad::new(name, "is no list"));
        };
        let mut counted = Self::default();
        for word in list.values.iter().map(|value| value.as_str().unwrap_or("")) {
            match word {
                "5xx" => counted.server_errors = true,
                "gateway-error" => counted.gateway_errors = true,
                "connect-failure" => counted.connect_failures = true,
                _ => match word.parse() {
                    Ok(status @ 400..=599) => counted.statuses.push(status),
                    _ => return Err(Bad::new(name, format!("{word:?} is no kind of error"))),
                },
            }
        }
        Ok(counted)
    }

    fn has_status(&self, status: u16) -> bool {
        self.server_errors && (500..600).contains(&status)
            || self.gateway_errors && matches!(status, 502..=504)
            || self.statuses.contains(&status)
    }
}

impl Breaker {
    pub(crate) fn new(policy: Arc<BreakerPolicy>) -> Self {
        let (errors, recent) = (Errors::new(&policy), Recent::new(&policy));
        Self { policy, phase: Phase::Closed, epoch: 0, times: 0, errors, recent }
    }

    pub(crate) fn policy(&self) -> &BreakerPolicy {
        &self.policy
    }

    /// Takes another policy. What was counted is forgotten; whether it is open is not.
    pub(crate) fn obey(&mut self, policy: Arc<BreakerPolicy>) {
        self.errors = Errors::new(&policy);
        self.recent = Recent::new(&policy);
        self.policy = policy;
    }

    /// Asks to send one request; `None` when it may not be sent.
    pub(crate) fn admit(&mut self, now: Moment, stats: &Stats) -> Option<Admission> {
        match &mut self.phase {
            Phase::Closed => {}
            Phase::Open { until } if *until <= now => self.try_again(now),
            Phase::Trying { admitted, .. } if *admitted < self.policy.trials => *admitted += 1,
            // Trials that never end are not waited for longer than the breaker was open.
            Phase::Trying { since, .. } if self.policy.length(self.times) <= now - *since => {
                self.try_again(now);
            }
            Phase::Open { .. } | Phase::Trying { .. } => {
                stats.breaker_refused.add(1);
                return None;
            }
        }
        let on_trial = self.phase != Phase::Closed;
        stats.breaker_trials.add(on_trial.into());
        Some(Admission {
            policy: Arc::clone(&self.policy),
            ticket: Ticket { epoch: self.epoch, on_trial },
            is_settled: AtomicBool::new(false),
        })
    }

    /// A request on trial ended in a way that says nothing: another one may be made.
    pub(crate) fn release(&mut self, ticket: Ticket) {
        if let Phase::Trying { admitted, .. } = &mut self.phase
            && ticket.on_trial
            && ticket.epoch == self.epoch
        {
            *admitted = admitted.saturating_sub(1);
        }
    }

    /// Takes note of how a request ended.
    pub(crate) fn settle(&mut self, now: Moment, ticket: Ticket, is_good: bool, stats: &Stats) {
        if ticket.epoch != self.epoch {
            return;
        }
        match &mut self.phase {
            // Nobody was let in during this epoch.
            Phase::Open { .. } => {}
            Phase::Closed => {
                let by_share = self.recent.note(&self.policy, is_good);
                let by_errors = !is_good && self.errors.note(&self.policy, now);
                if by_share || by_errors {
                    self.open(now, stats);
                }
            }
            Phase::Trying { good, .. } if is_good => {
                *good += 1;
                if self.policy.trials <= *good {
                    self.close(stats);
                }
            }
            Phase::Trying { .. } => self.open(now, stats),
        }
    }

    /// Lets the first of the trials through.
    fn try_again(&mut self, now: Moment) {
        self.epoch += 1;
        self.phase = Phase::Trying { since: now, admitted: 1, good: 0 };
    }

    fn open(&mut self, now: Moment, stats: &Stats) {
        self.epoch += 1;
        self.times = self.times.saturating_add(1);
        self.phase = Phase::Open { until: now + self.policy.length(self.times) };
        self.errors.clear();
        self.recent.clear();
        stats.breaker_opened.add(1);
        stats.breaker_open.set(1);
    }

    fn close(&mut self, stats: &Stats) {
        self.epoch += 1;
        self.times = 0;
        self.phase = Phase::Closed;
        stats.breaker_closed.add(1);
        stats.breaker_open.set(0);
    }
}

impl Admission {
    /// What an outcome says.
    pub(crate) fn judges(&self, outcome: &Outcome<'_>) -> Option<bool> {
        self.policy.judges(outcome)
    }

    /// Whether the breaker has to be told of such an outcome; a closed one that only counts errors has no use for good ones.
    pub(crate) fn is_news(&self, is_good: bool) -> bool {
        !is_good || self.ticket.on_trial || self.policy.looks_at_all()
    }
}

impl Errors {
    fn new(policy: &BreakerPolicy) -> Self {
        let size = policy.errors.map_or(0, |(count, _)| usize::try_from(count).unwrap_or(0));
        Self { moments: vec![Moment::START; size].into(), next: 0, count: 0 }
    }

    /// Notes an error; true when there were too many within the time.
    fn note(&mut self, policy: &BreakerPolicy, now: Moment) -> bool {
        let Some((_, within)) = policy.errors else { return false };
        self.moments[self.next] = now;
        self.next = (self.next + 1) % self.moments.len();
        self.count = (self.count + 1).min(self.moments.len());
        // The place of the next one holds the oldest.
        self.count == self.moments.len() && now - self.moments[self.next] <= within
    }

    const fn clear(&mut self) {
        self.next = 0;
        self.count = 0;
    }
}

impl Recent {
    fn new(policy: &BreakerPolicy) -> Self {
        let size = policy.share.map_or(0, |(_, of)| of);
        let words = usize::try_from(size.div_ceil(64)).unwrap_or(0);
        Self { bad: vec![0; words].into(), size, next: 0, count: 0, n_bad: 0 }
    }

    /// Notes a request; true when too large a share of the last ones failed.
    fn note(&mut self, policy: &BreakerPolicy, is_good: bool) -> bool {
        let Some((share, of)) = policy.share else { return false };
        let word = &mut self.bad[usize::try_from(self.next / 64).unwrap_or(0)];
        let bit = 1 << (self.next % 64);
        if self.count == self.size && *word & bit != 0 {
            self.n_bad -= 1;
        }
        *word = if is_good { *word & !bit } else { *word | bit };
        self.n_bad += u32::from(!is_good);
        self.next = (self.next + 1) % self.size;
        self.count = (self.count + 1).min(self.size);
        let is_full = self.count == self.size;
        is_full && u64::from(share) * u64::from(of) <= u64::from(self.n_bad) * 100_000
    }

    const fn clear(&mut self) {
        self.next = 0;
        self.count = 0;
        self.n_bad = 0;
    }
}

/// A whole number of metadata.
pub(crate) fn number(name: &str, value: &wkt::Value, least: u32, most: u32) -> Result<u32, Bad> {
    let Some(wkt::value::Kind::NumberValue(number)) = &value.kind else {
        return Err(Bad::new(name, "is no number"));
    };
    if number.fract() != 0.0 || !(f64::from(least)..=f64::from(most)).contains(number) {
        let why = format!("{number} is no whole number from {least} to {most}");
        return Err(Bad::new(name, why));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
    let whole = *number as u32;
    Ok(whole)
}

/// A time of metadata, in milliseconds.
fn span(name: &str, value: &wkt::Value) -> Result<Duration, Bad> {
    number(name, value, 1, u32::MAX).map(|millis| Duration::from_millis(millis.into()))
}

/// A growth of metadata.
pub(crate) fn growth(name: &str, value: &wkt::Value) -> Result<Growth, Bad> {
    let word = value.as_str().unwrap_or("");
    Growth::read(word).ok_or_else(|| Bad::new(name, format!("{word:?} is no kind of growth")))
}

#[cfg(test)]
mod tests;
