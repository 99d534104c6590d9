//! When the next probe of a container is due, and what a row of outcomes means.

use super::ProbeKind;
use jiff::{SignedDuration, Timestamp};
use kinds::core::Probe;

/// First wait between two tries before the first success.
const EAGER: SignedDuration = SignedDuration::from_millis(100);
/// Longest wait between two tries before the first success (or the period, when that is less).
const EAGER_MAX: SignedDuration = SignedDuration::from_secs(1);
/// First wait for a port that nobody wrote a probe for.
const PORT_FIRST: SignedDuration = SignedDuration::from_millis(10);
/// After this a port that nobody wrote a probe for is taken as open.
const PORT_PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// What an outcome changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet.
    Open,
    /// The success threshold was reached.
    Passed,
    /// The failure threshold was reached.
    Failed,
}

/// The clock of one probe of one run of a container.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    pub(super) kind: ProbeKind,
    period: SignedDuration,
    successes_wanted: i32,
    failures_allowed: i32,
    began: Timestamp,
    next: Timestamp,
    flying: bool,
    gap: SignedDuration,
    ever: bool,
    good: i32,
    bad: i32,
    counted: Option<Timestamp>,
}

fn seconds(value: Option<i32>, default: i32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(value.filter(|s| *s > 0).unwrap_or(default)))
}

impl Clock {
    /// The clock of a written probe whose container started `now`.
    pub(super) fn new(kind: ProbeKind, probe: &Probe, now: Timestamp) -> Clock {
        let wait = SignedDuration::from_secs(i64::from(probe.initial_delay_seconds.unwrap_or(0)));
        Clock {
            kind,
            period: seconds(probe.period_seconds, 10),
            successes_wanted: probe.success_threshold.unwrap_or(1).max(1),
            failures_allowed: probe.failure_threshold.unwrap_or(3).max(1),
            began: now,
            next: now + wait,
            flying: false,
            gap: EAGER,
            ever: false,
            good: 0,
            bad: 0,
            counted: None,
        }
    }

    /// The clock of a port that nobody wrote a probe for.
    pub(super) fn port(now: Timestamp) -> Clock {
        let mut clock = Clock::new(ProbeKind::Port, &Probe::default(), now);
        clock.gap = PORT_FIRST;
        clock
    }

    /// When to look again; `None` while an answer is awaited.
    pub(super) fn next(&self) -> Option<Timestamp> {
        (!self.flying).then_some(self.next)
    }

    /// Whether the probe is to be sent now; if so it counts as sent.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        let due = !self.flying && self.next <= now;
        self.flying |= due;
        due
    }

    /// An answer came. The second value: this failure counts (and is worth an Event).
    ///
    /// Before the first success tries come fast, but only one failure a period counts: a
    /// slow starter is not killed earlier than Kubernetes would.
    pub(super) fn outcome(&mut self, now: Timestamp, ok: bool) -> (Verdict, bool) {
        self.flying = false;
        if ok {
            let first = !self.ever;
            self.ever = true;
            self.bad = 0;
            self.good += 1;
            self.next = now + if first && self.successes_wanted > 1 { EAGER } else { self.period };
            let passed = self.good >= self.successes_wanted;
            return (if passed { Verdict::Passed } else { Verdict::Open }, false);
        }
        self.good = 0;
        if self.ever {
            self.next = now + self.period;
        } else {
            self.next = now + self.gap;
            self.gap = (self.gap * 2).min(EAGER_MAX).min(self.period);
        }
        if self.kind == ProbeKind::Port {
            let tired = now.duration_since(self.began) >= PORT_PATIENCE;
            self.next = self.next.min(self.began + PORT_PATIENCE);
            return (if tired { Verdict::Passed } else { Verdict::Open }, false);
        }
        let counts = self.counted.is_none_or(|last| now.duration_since(last) >= self.period);
        if !counts {
            return (Verdict::Open, false);
        }
        self.counted = Some(now);
        self.bad += 1;
        (if self.bad >= self.failures_allowed { Verdict::Failed } else { Verdict::Open }, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000 + millis).unwrap()
    }

    fn probe(period: i32, failures: i32) -> Probe {
        Probe {
            period_seconds: Some(period),
            failure_threshold: Some(failures),
            ..Probe::default()
        }
    }

    #[test]
    fn tries_before_the_first_success_come_fast_but_count_once_a_period() {
        let mut clock = Clock::new(ProbeKind::Liveness, &probe(10, 2), at(0));
        let mut tries = Vec::new();
        let mut verdict = Verdict::Open;
        while verdict == Verdict::Open {
            let now = clock.next().unwrap();
            assert!(clock.take(now));
            tries.push(now.duration_since(at(0)).as_millis());
            verdict = clock.outcome(now, false).0;
        }
        assert_eq!(tries[..6], [0, 100, 300, 700, 1500, 2500]);
        assert_eq!(verdict, Verdict::Failed);
        assert!(*tries.last().unwrap() >= 10_000);
    }

    #[test]
    fn after_a_success_the_period_holds() {
        let mut clock = Clock::new(ProbeKind::Readiness, &probe(7, 1), at(0));
        clock.take(at(0));
        assert_eq!(clock.outcome(at(5), true), (Verdict::Passed, false));
        assert_eq!(clock.next(), Some(at(7005)));
        clock.take(at(7005));
        assert_eq!(clock.outcome(at(7010), false), (Verdict::Failed, true));
        assert_eq!(clock.next(), Some(at(14010)));
    }

    #[test]
    fn an_undeclared_readiness_is_given_after_five_seconds_at_most() {
        let mut clock = Clock::port(at(0));
        let mut now = at(0);
        loop {
            assert!(clock.take(now));
            if clock.outcome(now, false).0 == Verdict::Passed {
                break;
            }
            now = clock.next().unwrap();
        }
        assert_eq!(now, at(5000));
    }
}
