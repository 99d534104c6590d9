//! Chance as decisions see it: a small generator with a seed.

/// A seeded generator of random numbers; fast, not secret.
///
/// Each thread of the proxy owns one. The same seed gives the same decisions, which is what the
/// tests and the simulator stand on. Spec: SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Begins a sequence.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, but not including, `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        scale(self.roll(), n)
    }

    /// Whether an event of `numerator` in `denominator` happens.
    pub fn happens(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// Sixteen random bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.roll().to_be_bytes());
        bytes[8..].copy_from_slice(&self.roll().to_be_bytes());
        bytes
    }
}

/// Scales 64 random bits down to a number below `n`, without a division.
fn scale(bits: u64, n: u64) -> u64 {
    let wide = u128::from(bits) * u128::from(n);
    u64::try_from(wide >> 64).expect("the upper half of a 128-bit product fits 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rolls_the_same() {
        let (mut a, mut b) = (Dice::seeded(7), Dice::seeded(7));
        for _ in 0..100 {
            assert_eq!(a.roll(), b.roll());
        }
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let mut dice = Dice::seeded(1);
        let mut seen = [0_u32; 10];
        for _ in 0..100_000 {
            seen[usize::try_from(dice.below(10)).unwrap()] += 1;
        }
        for count in seen {
            assert!((9_600..10_400).contains(&count), "{seen:?}");
        }
    }

    #[test]
    fn nothing_below_zero_and_never_above() {
        let mut dice = Dice::seeded(3);
        assert_eq!(dice.below(0), 0);
        assert!((0..1000).all(|_| dice.below(3) < 3));
        assert!(!dice.happens(0, 100));
        assert!(dice.happens(100, 100));
    }
}
