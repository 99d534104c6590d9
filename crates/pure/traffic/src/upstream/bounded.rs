//! Bounded load: a host that has more than its share of the work passes keys on. Spec: Envoy, `hash_balance_factor`;
//! the order of the others is that of "Consistent Hashing with Bounded Loads" with random jumps.

/// Where a key goes whose own host is `first`: there, unless it has more than `factor` percent of its share of the
/// active requests, then to the next of an order that the key alone decides; if all have, to the one that has least.
pub(crate) fn pick(
    first: usize,
    hash: u64,
    factor: u32,
    active: &[u32],
    share: impl Fn(usize) -> f64,
) -> usize {
    let all = active.iter().map(|n| u64::from(*n)).sum::<u64>();
    let slots = ((all + 1) * u64::from(factor)).div_ceil(100);
    let load = |at: usize| f64::from(active[at]) / slots_of(slots, share(at));
    let (mut least, mut least_load) = (first, load(first));
    if least_load <= 1.0 {
        return first;
    }
    let mut order: Vec<usize> = (0..active.len()).collect();
    let mut twister = Twister::new(hash);
    for at in 0..order.len() {
        let jump = twister.below(order.len() - at);
        order.swap(at, at + jump);
        let host = order[at];
        if host == first {
            continue;
        }
        let load = load(host);
        if load <= 1.0 {
            return host;
        }
        if load < least_load {
            (least, least_load) = (host, load);
        }
    }
    least
}

/// The requests that a host may have at once: at least one.
#[expect(clippy::cast_precision_loss, reason = "active requests are far below 2^53")]
fn slots_of(slots: u64, share: f64) -> f64 {
    (slots as f64 * share).ceil().max(1.0)
}

/// Numbers of the state.
const N: usize = 624;
/// How far apart those are that are mixed.
const M: usize = 397;

/// The Mersenne Twister with 32 bits, since its order is the one that Envoy takes.
/// Spec: Matsumoto and Nishimura, MT19937.
struct Twister {
    state: [u32; N],
    at: usize,
}

impl Twister {
    /// Seeded by the lower half of a hash.
    fn new(seed: u64) -> Self {
        let mut state = [0; N];
        let mut last = u32::try_from(seed & u64::from(u32::MAX)).unwrap_or(0);
        state[0] = last;
        for (at, number) in (0_u32..).zip(&mut state).skip(1) {
            last = (last ^ last >> 30).wrapping_mul(1_812_433_253).wrapping_add(at);
            *number = last;
        }
        Self { state, at: N }
    }

    fn next(&mut self) -> u32 {
        if self.at == N {
            self.twist();
        }
        let mut number = self.state[self.at];
        self.at += 1;
        number ^= number >> 11;
        number ^= number << 7 & 0x9d2c_5680;
        number ^= number << 15 & 0xefc6_0000;
        number ^ number >> 18
    }

    fn twist(&mut self) {
        for at in 0..N {
            let both = self.state[at] & 0x8000_0000 | self.state[(at + 1) % N] & 0x7fff_ffff;
            let odd = if both & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[at] = self.state[(at + M) % N] ^ both >> 1 ^ odd;
        }
        self.at = 0;
    }

    /// A number below `end`, each as likely as the others.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(1).max(1);
        let part = (1_u64 << 32) / end;
        loop {
            let number = u64::from(self.next()) / part;
            if number < end {
                return usize::try_from(number).unwrap_or(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Twister, pick};

    #[test]
    fn the_twister_is_the_one_of_the_paper() {
        let mut twister = Twister::new(5489);
        assert_eq!(twister.next(), 3_499_211_612);
        // The standard of C++ names the ten thousandth number.
        let last = (0..9_999).map(|_| twister.next()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn a_host_with_too_much_work_passes_keys_on() {
        let even = |_| 0.25;
        // Eight active and one to come, twice the fair share: five for each.
        assert_eq!(pick(2, 7, 200, &[1, 1, 5, 1], even), 2);
        let next = pick(2, 7, 200, &[1, 1, 6, 1], even);
        assert_ne!(next, 2);
        assert_eq!(pick(2, 7, 200, &[1, 1, 9, 1], even), next, "the key alone decides where to");
        let elsewhere: Vec<_> = (0..50).map(|key| pick(2, key, 200, &[0, 0, 9, 0], even)).collect();
        assert!([0, 1, 3].iter().all(|host| elsewhere.contains(host)), "not all to one");
    }

    #[test]
    fn a_share_is_as_large_as_its_weight() {
        let shares = [0.9, 0.05, 0.05];
        assert_eq!(pick(0, 1, 100, &[100, 7, 8], |at| shares[at]), 0);
        assert_eq!(pick(1, 1, 100, &[100, 60, 50], |at| shares[at]), 0);
    }
}
