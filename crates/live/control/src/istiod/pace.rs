//! When changes are told: at once when idle; under load when it is quiet, or after a second; endpoints never wait.

use std::time::Duration;

/// So long without a change is quiet.
const QUIET: Duration = Duration::from_millis(25);
/// No change waits longer.
const LIMIT: Duration = Duration::from_secs(1);

/// Decides when to tell what has changed. `now` is a time since any fixed point.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Since when there is something to tell.
    since: Option<Duration>,
    /// When something changed last.
    last: Option<Duration>,
    due: Option<Duration>,
}

impl Pace {
    /// Something changed; an urgent change waits for nothing.
    pub(super) fn on_change(&mut self, now: Duration, urgent: bool) {
        let idle =
            self.since.is_none() && self.last.is_none_or(|last| now.saturating_sub(last) >= QUIET);
        let since = *self.since.get_or_insert(now);
        self.last = Some(now);
        let already = self.due.is_some_and(|due| due <= now);
        self.due =
            Some(if urgent || idle || already { now } else { (now + QUIET).min(since + LIMIT) });
    }

    /// When to tell; `None` when there is nothing.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Since when the oldest untold change waits.
    pub(super) fn since(&self) -> Option<Duration> {
        self.since
    }

    /// All is told.
    pub(super) fn told(&mut self) {
        self.since = None;
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_first_change_and_one_after_a_pause_are_told_at_once() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(), None);
        pace.on_change(ms(100), false);
        assert_eq!(pace.due(), Some(ms(100)));
        pace.told();
        pace.on_change(ms(125), false);
        assert_eq!(pace.due(), Some(ms(125)));
    }

    #[test]
    fn changes_in_a_row_wait_for_quiet_but_not_longer_than_a_second() {
        let mut pace = Pace::default();
        pace.on_change(ms(0), false);
        pace.told();
        let mut told = Vec::new();
        for now in (10..2500).step_by(10) {
            if pace.due().is_some_and(|due| due <= ms(now)) {
                told.push(now);
                pace.told();
            }
            pace.on_change(ms(now), false);
        }
        assert_eq!(told, [1010, 2010]);
        assert_eq!(pace.due(), Some(ms(2515)));
    }

    #[test]
    fn an_urgent_change_takes_all_others_along() {
        let mut pace = Pace::default();
        pace.on_change(ms(0), false);
        pace.told();
        pace.on_change(ms(10), false);
        assert_eq!(pace.due(), Some(ms(35)));
        pace.on_change(ms(12), true);
        assert_eq!(pace.due(), Some(ms(12)));
        pace.on_change(ms(13), false);
        assert!(pace.due() <= Some(ms(13)), "what is due stays due");
        assert_eq!(pace.since(), Some(ms(10)));
    }
}
