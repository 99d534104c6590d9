//! Consistent hashing: rings and maglev tables that choose Envoy's own host.

use xxhash_rust::xxh64::xxh64;

/// A key with its share of the whole; shares add up to one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share<'a> {
    pub(crate) key: &'a str,
    pub(crate) weight: f64,
}

/// Which function makes the hashes of a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hasher {
    /// xxHash64.
    #[default]
    Xx,
    /// MurmurHash2 with 64 bits, as the standard library of GCC has it.
    Murmur2,
}

impl Hasher {
    fn hash(self, bytes: &[u8]) -> u64 {
        match self {
            Self::Xx => xxh64(bytes, 0),
            Self::Murmur2 => murmur2(bytes),
        }
    }
}

/// MurmurHash2 with 64 bits and the seed of GCC's `std::hash`. Spec: Austin Appleby, `MurmurHash64A`.
fn murmur2(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0xc70f_6907;
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |value: u64| value ^ (value >> 47);
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    for word in words {
        let word = u64::from_le_bytes(word.try_into().expect("a chunk of eight"));
        let data = mix(word.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
        hash = (hash ^ data).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let data = rest.iter().rev().fold(0, |data, byte| data << 8 | u64::from(*byte));
        hash = (hash ^ data).wrapping_mul(FACTOR);
    }
    mix(mix(hash).wrapping_mul(FACTOR))
}

/// A ring of hashes. Spec: Envoy, "Ring hash", ketama with xxHash64.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Sorted by hash; the number is the host's place in the list.
    entries: Vec<(u64, u32)>,
}

impl Ring {
    pub(crate) fn new(shares: &[Share<'_>], (min, max): (u64, u64), hasher: Hasher) -> Self {
        let Some(least) = shares.iter().map(|share| share.weight).reduce(f64::min) else {
            return Self { entries: Vec::new() };
        };
        // The host of least weight gets a whole number of hashes, and the ring at least its smallest size.
        let scale = ((least * to_f64(min)).ceil() / least).min(to_f64(max));
        let mut entries = Vec::new();
        let (mut current, mut target) = (0.0, 0.0);
        let mut key = String::new();
        for (host, share) in (0_u32..).zip(shares) {
            target += scale * share.weight;
            let mut replica = 0_u64;
            while current < target {
                key.clear();
                key.push_str(share.key);
                key.push('_');
                key.push_str(&replica.to_string());
                entries.push((hasher.hash(key.as_bytes()), host));
                replica += 1;
                current += 1.0;
            }
        }
        entries.sort_by_key(|(hash, _)| *hash);
        Self { entries }
    }

    /// The place of the host for a hash; `attempt` moves on along the ring.
    pub(crate) fn pick(&self, hash: u64, attempt: u32) -> Option<usize> {
        let len = self.entries.len();
        let first = self.entries.partition_point(|(entry, _)| *entry < hash);
        let at = if first == len { 0 } else { first };
        let moved = (at + attempt as usize).checked_rem(len)?;
        Some(self.entries[moved].1 as usize)
    }
}

/// A maglev table. Spec: "Maglev: A Fast and Reliable Software Network Load Balancer", section 3.4, with weights as in Envoy.
#[derive(Debug)]
pub(crate) struct Maglev {
    table: Vec<u32>,
}

/// A free place of the table while it is built.
const FREE: u32 = u32::MAX;

struct Builder {
    host: u32,
    offset: u64,
    skip: u64,
    next: u64,
    weight: f64,
    target: f64,
}

impl Maglev {
    pub(crate) fn new(shares: &[Share<'_>], size: u64) -> Self {
        let Some(most) = shares.iter().map(|share| share.weight).reduce(f64::max) else {
            return Self { table: Vec::new() };
        };
        let mut order: Vec<(u32, &Share<'_>)> = (0_u32..).zip(shares).collect();
        // The table depends on the order in which hosts take their places.
        order.sort_by(|a, b| a.1.key.cmp(b.1.key));
        let mut builders: Vec<Builder> = order
            .into_iter()
            .map(|(host, share)| Builder {
                host,
                offset: xxh64(share.key.as_bytes(), 0) % size,
                skip: xxh64(share.key.as_bytes(), 1) % (size - 1).max(1) + 1,
                next: 0,
                weight: share.weight,
                target: 0.0,
            })
            .collect();
        let len = usize::try_from(size).expect("the size of a table was limited when it was read");
        let mut table = vec![FREE; len];
        let mut taken = 0;
        let mut iteration = 1.0;
        while taken < len {
            for builder in &mut builders {
                if taken == len {
                    break;
                }
                if iteration * builder.weight < builder.target {
                    continue;
                }
                builder.target += most;
                let mut at = builder.place(size);
                while table[at] != FREE {
                    builder.next += 1;
                    at = builder.place(size);
                }
                table[at] = builder.host;
                builder.next += 1;
                taken += 1;
            }
            iteration += 1.0;
        }
        Self { table }
    }

    /// The place of the host for a hash; `attempt` changes the hash.
    pub(crate) fn pick(&self, hash: u64, attempt: u32) -> Option<usize> {
        let hash = match attempt {
            0 => hash,
            attempt => hash ^ (u64::MAX - u64::from(attempt) + 1),
        };
        let at = hash.checked_rem(self.table.len() as u64)?;
        Some(self.table[usize::try_from(at).ok()?] as usize)
    }
}

impl Builder {
    fn place(&self, size: u64) -> usize {
        let at = (self.offset + self.skip * self.next) % size;
        usize::try_from(at).expect("a place is below the size of the table, which is a Vec")
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes are below 2^53")]
fn to_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] =
        ["127.0.0.1:90", "127.0.0.1:91", "127.0.0.1:92", "127.0.0.1:93", "127.0.0.1:94"];

    fn shares<'a>(keys: &[&'a str], weights: &[f64]) -> Vec<Share<'a>> {
        let sum: f64 = weights.iter().sum();
        keys.iter().zip(weights).map(|(key, weight)| Share { key, weight: weight / sum }).collect()
    }

    fn hashes() -> impl Iterator<Item = u64> {
        (0_u64..10_000).map(|n| xxh64(&n.to_le_bytes(), 0))
    }

    fn spread(pick: impl Fn(u64) -> Option<usize>, n: usize) -> Vec<f64> {
        let mut counts = vec![0_u32; n];
        hashes().for_each(|hash| counts[pick(hash).unwrap()] += 1);
        counts.into_iter().map(|count| f64::from(count) / 10_000.0).collect()
    }

    #[test]
    fn a_ring_has_a_whole_number_of_hashes_for_the_least_host() {
        // Three hosts and at least 1024: 342 for each, so 1026.
        let ring = Ring::new(&shares(&KEYS[..3], &[1.0; 3]), (1024, 8_388_608), Hasher::Xx);
        assert_eq!(ring.entries.len(), 1026);
        let ring = Ring::new(&shares(&KEYS[..2], &[1.0, 2.0]), (3, 8_388_608), Hasher::Xx);
        assert_eq!(ring.entries.len(), 3);
        let small = Ring::new(&shares(&KEYS, &[1.0; 5]), (1024, 2000), Hasher::Xx);
        assert!(small.entries.len() <= 2000);
    }

    #[test]
    fn the_next_hash_on_the_ring_decides() {
        let ring = Ring::new(&shares(&KEYS, &[1.0; 5]), (5, 5), Hasher::Xx);
        for (at, (hash, host)) in ring.entries.iter().enumerate() {
            assert_eq!(ring.pick(*hash, 0), Some(*host as usize));
            let next = ring.entries[(at + 1) % 5].1 as usize;
            assert_eq!(ring.pick(hash.wrapping_add(1), 0), Some(next));
            assert_eq!(ring.pick(*hash, 1), Some(next));
        }
        assert_eq!(ring.pick(u64::MAX, 0), Some(ring.entries[0].1 as usize));
    }

    #[test]
    fn murmur_is_that_of_gcc() {
        // `std::hash<std::string>` of libstdc++ on a machine with 64 bits.
        for (text, hash) in [("", 6_142_509_188_972_423_790), ("foo", 9_631_199_822_919_835_226)] {
            assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn no_host_no_pick() {
        assert_eq!(Ring::new(&[], (1024, 1024), Hasher::Xx).pick(7, 0), None);
        assert_eq!(Maglev::new(&[], 65_537).pick(7, 1), None);
    }

    #[test]
    fn weights_share_the_keys() {
        let weights = [1.0, 1.0, 2.0, 4.0, 2.0];
        let ring = Ring::new(&shares(&KEYS, &weights), (65_536, 8_388_608), Hasher::Xx);
        let maglev = Maglev::new(&shares(&KEYS, &weights), 65_537);
        for spread in [spread(|h| ring.pick(h, 0), 5), spread(|h| maglev.pick(h, 0), 5)] {
            for (share, weight) in spread.iter().zip(weights) {
                assert!((share - weight / 10.0).abs() < 0.02, "{spread:?}");
            }
        }
    }

    #[test]
    fn a_new_host_takes_only_its_own_share() {
        let (four, five) = (shares(&KEYS[..4], &[1.0; 4]), shares(&KEYS, &[1.0; 5]));
        // With as many hashes for each host before and after, keys move to the new host only.
        let (old, new) = (
            Ring::new(&four, (8000, 8000), Hasher::Xx),
            Ring::new(&five, (10_000, 10_000), Hasher::Xx),
        );
        let moved: Vec<_> = hashes().filter(|h| old.pick(*h, 0) != new.pick(*h, 0)).collect();
        assert!(moved.len() < 2_200, "{}", moved.len());
        assert!(moved.iter().all(|hash| new.pick(*hash, 0) == Some(4)));
        // Maglev trades a little of this for evenness.
        let (old, new) = (Maglev::new(&four, 65_537), Maglev::new(&five, 65_537));
        let moved = hashes().filter(|h| old.pick(*h, 0) != new.pick(*h, 0)).count();
        assert!(moved < 2_400, "{moved}");
    }

    #[test]
    fn the_order_of_hosts_does_not_matter() {
        let forth = shares(&KEYS, &[1.0; 5]);
        let back: Vec<_> = forth.iter().rev().copied().collect();
        let (a, b) = (Maglev::new(&forth, 251), Maglev::new(&back, 251));
        assert!(hashes().all(|h| a.pick(h, 0).unwrap() == 4 - b.pick(h, 0).unwrap()));
    }

    #[test]
    fn a_small_maglev_table_is_shared_fairly() {
        let maglev = Maglev::new(&shares(&KEYS, &[1.0; 5]), 7);
        let mut counts = [0; 5];
        maglev.table.iter().for_each(|host| counts[*host as usize] += 1);
        counts.sort_unstable();
        assert_eq!(counts, [1, 1, 1, 2, 2]);
    }
}
