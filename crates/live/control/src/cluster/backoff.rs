//! How long an object is left alone after writes for it were refused.

use std::collections::BTreeMap;
use std::time::Duration;

use controllers::Target;
use tokio::time::Instant;

use super::write::Outcome;

/// After the first refusal, and doubled with each that follows.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// After a conflict: the watch is about to tell what is different.
const CONFLICT: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(super) struct Backoffs(BTreeMap<Target, (u32, Instant)>);

impl Backoffs {
    /// Until when the object is left alone; `None` if it may be written for now.
    pub(super) fn until(&mut self, owner: &Target, now: Instant) -> Option<Instant> {
        let (_, until) = self.0.get(owner)?;
        (*until > now).then_some(*until)
    }

    /// Takes note of how a write went.
    pub(super) fn note(&mut self, owner: &Target, outcome: &Outcome, now: Instant) {
        match outcome {
            Outcome::Written(_) | Outcome::Gone => {
                // A success beside refusals of the same moment does not end the waiting.
                if self.0.get(owner).is_none_or(|(_, until)| *until <= now) {
                    self.0.remove(owner);
                }
            }
            Outcome::Conflict => {
                let entry = self.0.entry(owner.clone()).or_insert((0, now));
                entry.1 = entry.1.max(now + CONFLICT);
            }
            Outcome::Refused(_) => {
                let (count, until) = self.0.entry(owner.clone()).or_insert((0, now));
                // Refusals side by side count once.
                if *until <= now {
                    let wait = FIRST.saturating_mul(1 << (*count).min(10)).min(LONGEST);
                    *until = now + wait;
                    *count += 1;
                }
            }
        }
        if self.0.len() > 10_000 {
            self.0.retain(|_, (_, until)| *until > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_wait_ever_longer_and_a_success_ends_it() {
        let mut backoffs = Backoffs::default();
        let owner = Target::default();
        let mut now = Instant::now();
        let refused = || Outcome::Refused("no".to_owned());
        let mut waits = Vec::new();
        for _ in 0..9 {
            backoffs.note(&owner, &refused(), now);
            backoffs.note(&owner, &refused(), now);
            let until = backoffs.until(&owner, now).expect("it waits");
            waits.push((until - now).as_millis());
            now = until;
            assert_eq!(backoffs.until(&owner, now), None);
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        backoffs.note(&owner, &Outcome::Gone, now);
        backoffs.note(&owner, &refused(), now);
        assert_eq!(backoffs.until(&owner, now), Some(now + FIRST));
    }
}
