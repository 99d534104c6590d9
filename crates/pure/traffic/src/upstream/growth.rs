//! How a time out grows from one to the next.

use std::time::Duration;

/// How a time out grows with the number of times in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Growth {
    /// The base times the number: Envoy's way.
    #[default]
    Linear,
    /// The base, twice, four times, eight times, and so on.
    Exponential,
}

impl Growth {
    /// Reads the word for it.
    pub(crate) fn read(word: &str) -> Option<Self> {
        match word {
            "linear" => Some(Self::Linear),
            "exponential" => Some(Self::Exponential),
            _ => None,
        }
    }

    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Exponential => "exponential",
        }
    }

    /// The time for the `times`th time in a row, `most` at the most; nothing for the zeroth.
    pub(crate) fn length(self, base: Duration, times: u32, most: Duration) -> Duration {
        let factor = match self {
            Self::Linear => times,
            Self::Exponential if times == 0 => 0,
            Self::Exponential => 1_u32.checked_shl(times - 1).unwrap_or(u32::MAX),
        };
        base.saturating_mul(factor).min(most)
    }

    /// Whether the next time in a row may be longer than the `times`th.
    pub(crate) fn goes_on(self, base: Duration, times: u32, most: Duration) -> bool {
        match self {
            // Envoy counts one further than it needs to.
            Self::Linear => base.saturating_mul(times) < most.saturating_add(base),
            Self::Exponential => self.length(base, times, Duration::MAX) < most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(growth: Growth, times: u32, most: u64) -> u64 {
        let (base, most) = (Duration::from_secs(30), Duration::from_secs(most));
        growth.length(base, times, most).as_secs()
    }

    #[test]
    fn linear_adds_the_base_and_exponential_doubles_until_the_most() {
        let linear: Vec<u64> = (0..6).map(|n| seconds(Growth::Linear, n, 100)).collect();
        assert_eq!(linear, [0, 30, 60, 90, 100, 100]);
        let doubled: Vec<u64> = (0..6).map(|n| seconds(Growth::Exponential, n, 300)).collect();
        assert_eq!(doubled, [0, 30, 60, 120, 240, 300]);
        assert_eq!(seconds(Growth::Exponential, u32::MAX, 300), 300);
        assert_eq!(seconds(Growth::Exponential, 40, u64::MAX), 30 * u64::from(u32::MAX));
    }

    #[test]
    fn counting_ends_where_the_most_is_reached() {
        let (base, most) = (Duration::from_secs(30), Duration::from_secs(100));
        let last = |growth: Growth| (0..99).take_while(|n| growth.goes_on(base, *n, most)).count();
        assert_eq!(last(Growth::Linear), 5);
        assert_eq!(last(Growth::Exponential), 3);
    }
}
