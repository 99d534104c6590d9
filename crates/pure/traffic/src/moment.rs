//! Time as decisions see it.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A point in time: nanoseconds since the proxy began.
///
/// Only `live/proxy` makes moments from a clock. Tests and the simulator make them from numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment at which the proxy began.
    pub const START: Self = Self(0);

    /// The moment this many nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment this long after the start; five centuries later at most.
    #[must_use]
    pub fn after_start(elapsed: Duration) -> Self {
        Self(nanos(elapsed))
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(nanos(rhs)))
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// The time from `rhs` to `self`; zero if `rhs` is the later one.
    fn sub(self, rhs: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(rhs.0))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

/// A duration in nanoseconds, held at the largest number that fits.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_never_negative() {
        let late = Moment::START + Duration::from_secs(3);
        assert_eq!(late - Moment::START, Duration::from_secs(3));
        assert_eq!(Moment::START - late, Duration::ZERO);
        assert_eq!(late.to_string(), "3s");
    }

    #[test]
    fn the_far_future_does_not_wrap() {
        let end = Moment::from_nanos(u64::MAX) + Duration::MAX;
        assert_eq!(end, Moment::from_nanos(u64::MAX));
    }
}
