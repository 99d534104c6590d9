//! When a proxy asks for a certificate: at its start, at half of the life of the one that it holds, and again after a refusal.
//!
//! ```text
//! next_wake -> on_wake -> (a new key and a request go to the certificate service) -> on_given | on_refused
//! ```
//!
//! Times are since 1970, as certificates have them.

use std::time::Duration;

/// Pauses after refusals: the first, doubling to the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Time for an answer; after it the question counts as refused.
const PATIENCE: Duration = Duration::from_secs(15);

/// The certificates of one proxy, as far as time is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// When the one that is held was given, and when it ends.
    held: Option<(Duration, Duration)>,
    /// Refusals in a row.
    refusals: u32,
    /// A question is under way.
    asking: bool,
    wake: Duration,
}

impl Renewal {
    /// A proxy that holds nothing and asks at once.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self { held: None, refusals: 0, asking: false, wake: now }
    }

    /// When to call [`Renewal::on_wake`].
    #[must_use]
    pub fn next_wake(&self) -> Duration {
        self.wake
    }

    /// Time has passed; whether to make a key and ask for a certificate now. A question that was under way until now is given up.
    pub fn on_wake(&mut self, now: Duration) -> bool {
        if now < self.wake {
            return false;
        }
        if self.asking {
            self.on_refused(now);
            return false;
        }
        self.asking = true;
        self.wake = now + PATIENCE;
        true
    }

    /// A certificate has come that ends at `until`; `chance` spreads renewals of those that were given at once.
    pub fn on_given(&mut self, now: Duration, until: Duration, chance: u8) {
        let life = until.saturating_sub(now);
        let spread = life / 100 * u32::from(chance) / 128;
        *self = Self {
            held: Some((now, until)),
            refusals: 0,
            asking: false,
            // Half of it, give or take a hundredth.
            wake: now + (life / 2 + spread).saturating_sub(life / 100).max(FIRST),
        };
    }

    /// No certificate has come. The one that is held is used as long as it is good.
    pub fn on_refused(&mut self, now: Duration) {
        let pause = FIRST.saturating_mul(1 << self.refusals.min(16)).min(LONGEST);
        self.refusals += 1;
        self.asking = false;
        self.wake = now + pause;
    }

    /// The roots have changed, or somebody took the key away: another certificate is wanted at once.
    pub fn on_doubt(&mut self, now: Duration) {
        if !self.asking {
            self.wake = self.wake.min(now);
        }
    }

    /// Whether there is a certificate that can be shown.
    #[must_use]
    pub fn is_good(&self, now: Duration) -> bool {
        self.held.is_some_and(|(_, until)| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_certificate_is_renewed_about_halfway() {
        let mut renewal = Renewal::new(s(1000));
        assert!(!renewal.is_good(s(1000)));
        assert!(renewal.on_wake(s(1000)));
        assert!(!renewal.on_wake(s(1001)), "once");
        renewal.on_given(s(1001), s(1001 + 86_400), 128);
        assert_eq!(renewal.next_wake(), s(1001 + 43_200));
        assert!(renewal.is_good(s(80_000)) && !renewal.is_good(s(1001 + 86_400)));
        assert!(!renewal.on_wake(s(40_000)));
        assert!(renewal.on_wake(s(1001 + 43_200)));
        let spread = |chance| {
            let mut renewal = Renewal::new(s(0));
            renewal.on_given(s(0), s(86_400), chance);
            renewal.next_wake()
        };
        assert!(spread(0) < spread(255) && spread(255) - spread(0) < s(2 * 864));
    }

    #[test]
    fn refusals_are_tried_again_ever_later_while_the_old_one_is_good() {
        let mut renewal = Renewal::new(s(0));
        renewal.on_given(s(0), s(100), 128);
        let mut now = renewal.next_wake();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert!(renewal.on_wake(now));
            renewal.on_refused(now);
            pauses.push((renewal.next_wake() - now).as_secs());
            now = renewal.next_wake();
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(renewal.is_good(s(99)) && !renewal.is_good(s(100)));
        assert!(renewal.on_wake(now));
        renewal.on_given(now, now + s(100), 128);
        assert!(renewal.is_good(now));
    }

    #[test]
    fn an_answer_that_does_not_come_is_a_refusal() {
        let mut renewal = Renewal::new(s(0));
        assert!(renewal.on_wake(s(0)));
        assert_eq!(renewal.next_wake(), PATIENCE);
        assert!(!renewal.on_wake(PATIENCE), "it pauses first");
        assert!(renewal.on_wake(PATIENCE + FIRST));
    }

    #[test]
    fn a_short_life_does_not_keep_anybody_busy_and_doubt_asks_at_once() {
        let mut renewal = Renewal::new(s(0));
        renewal.on_given(s(10), s(10), 0);
        assert_eq!(renewal.next_wake(), s(11));
        renewal.on_given(s(10), s(1010), 128);
        renewal.on_doubt(s(20));
        assert!(renewal.on_wake(s(20)));
    }
}
