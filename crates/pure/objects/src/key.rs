//! Where an object lives, and the chance from which a new one gets its identity.

use std::fmt;
use std::sync::Arc;

/// Where an object lives. Cheap to clone.
///
/// The order is that of lists: by resource, then namespace, then name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The id of the resource: `deployments.apps`, `pods`.
    pub resource: Arc<str>,
    /// Empty for objects without a namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// A key from its parts; `namespace` is empty for objects without one.
    #[must_use]
    pub fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => write!(f, "{}/{}", self.resource, self.name),
            namespace => write!(f, "{}/{namespace}/{}", self.resource, self.name),
        }
    }
}

/// 128 bits of chance, from which an object gets its uid and its generated name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uid(pub u128);

impl Uid {
    /// The `attempt`-th five characters for a generated name.
    ///
    /// The alphabet has no vowels and no digits that look like letters, so that no word appears.
    #[must_use]
    pub fn suffix(self, attempt: u32) -> String {
        const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        let high = u64::try_from(self.0 >> 64).unwrap_or_default();
        let low = u64::try_from(self.0 & u128::from(u64::MAX)).unwrap_or_default();
        let mut state = mixed(low ^ mixed(high.wrapping_add(u64::from(attempt))));
        let mut suffix = String::with_capacity(5);
        for _ in 0..5 {
            let idx = usize::try_from(state % 27).unwrap_or_default();
            suffix.push(char::from(LETTERS[idx]));
            state /= 27;
        }
        suffix
    }
}

impl fmt::Display for Uid {
    /// A random UUID: version 4, variant 1 (RFC 9562, section 5.4).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = (self.0 & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            (bits >> 80) & 0xffff,
            (bits >> 64) & 0xffff,
            (bits >> 48) & 0xffff,
            bits & 0xffff_ffff_ffff
        )
    }
}

/// Spreads each bit over the whole word (the finalizer of SplitMix64).
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_a_uuid_of_version_4() {
        assert_eq!(Uid(u128::MAX).to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(Uid(0).to_string(), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn suffixes_differ_by_chance_and_by_attempt() {
        assert_ne!(Uid(1).suffix(0), Uid(2).suffix(0));
        assert_ne!(Uid(1).suffix(0), Uid(1).suffix(1));
        assert_ne!(Uid(1 << 64).suffix(0), Uid(0).suffix(0));
        assert_eq!(Uid(7).suffix(3).len(), 5);
    }
}
