//! Balancing: which priority, which locality, which host. Spec: Envoy, "Load balancing".

use std::sync::Arc;

use crate::{
    cluster::{Balance, Cluster},
    dice::Dice,
    moment::Moment,
    upstream::{
        bounded,
        edf::Schedule,
        hashing::{Maglev, Ring, Share},
        host::{Host, Hosts},
    },
};

/// The hosts of one locality.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) priority: u32,
    pub(crate) weight: u32,
    pub(crate) hosts: Hosts,
}

/// The state of the balancer of one cluster. It is built anew when hosts or their health change.
#[derive(Debug, Default)]
pub(crate) struct Balancer {
    priorities: Vec<Priority>,
    /// Percent of requests for each priority; the sum is 100 unless there is no host at all.
    loads: Vec<u64>,
    /// The health of each priority in percent.
    available: Vec<u64>,
}

#[derive(Debug)]
struct Priority {
    pools: Vec<Pool>,
    total_weight: u64,
    is_panicking: bool,
}

/// Hosts that are equals but for their weights.
#[derive(Debug)]
struct Pool {
    hosts: Hosts,
    /// The share of a locality.
    weight: u64,
    /// The share of each host for consistent hashing, where localities are weighted too.
    shares: Option<Vec<f64>>,
    /// Built at the first pick: a ring costs more than most clusters are worth.
    picker: Option<Picker>,
}

#[derive(Debug)]
enum Picker {
    InTurn(usize),
    Scheduled(Schedule),
    LeastOfSome(u32),
    LeastScheduled(Schedule, f64),
    Uniform,
    Weighted(Vec<u64>),
    Ring(Ring),
    Maglev(Maglev),
}

/// What one pick knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) now: Moment,
    pub(crate) hash: Option<u64>,
    /// How often a host was turned down already.
    pub(crate) attempt: u32,
    /// Priorities that a retry keeps away from, by their places; empty for none.
    pub(crate) excluded: &'a [bool],
}

/// The host that was picked.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) host: Arc<Host>,
    pub(crate) in_panic: bool,
}

impl Balancer {
    pub(crate) fn new(cluster: &Cluster, overprovisioning: u32, groups: &[Group]) -> Self {
        let n_priorities = groups.iter().map(|group| group.priority + 1).max().unwrap_or(0);
        let census: Vec<Census> = (0..n_priorities)
            .map(|priority| Census::of(groups.iter().filter(|group| group.priority == priority)))
            .collect();
        let (loads, panics) = loads(&census, overprovisioning.into(), cluster.panic_threshold);
        let priorities = (0..n_priorities)
            .zip(panics)
            .map(|(priority, is_panicking)| {
                let groups = groups.iter().filter(|group| group.priority == priority);
                Priority::new(cluster, overprovisioning, groups, is_panicking)
            })
            .collect();
        let available =
            census.iter().map(|census| census.availability(overprovisioning.into())).collect();
        Self { priorities, loads, available }
    }

    /// The health of each priority in percent.
    pub(crate) fn available(&self) -> &[u64] {
        &self.available
    }

    /// Picks a host; `None` when no priority that gets traffic has one.
    pub(crate) fn pick(
        &mut self,
        cluster: &Cluster,
        wish: &Wish<'_>,
        dice: &mut Dice,
    ) -> Option<Picked> {
        let hashes = cluster.hashes();
        let hash = match wish.hash {
            Some(hash) if hashes => hash,
            _ => dice.roll(),
        };
        let priority = match self.priorities.len() {
            1 => 0,
            _ => self.priority(hash % 100 + 1, wish.excluded)?,
        };
        let priority = self.priorities.get_mut(priority)?;
        let in_panic = priority.is_panicking;
        let pool = priority.pool(dice)?;
        let host = pool.pick(cluster, hash, wish, dice)?;
        Some(Picked { host, in_panic })
    }

    fn priority(&self, percent: u64, excluded: &[bool]) -> Option<usize> {
        let without = (!excluded.is_empty()).then(|| without(&self.available, excluded));
        let mut sum = 0;
        without.as_ref().unwrap_or(&self.loads).iter().position(|load| {
            sum += load;
            percent <= sum
        })
    }
}

/// How many hosts a priority has, and how many are healthy.
#[derive(Clone, Copy, Debug)]
struct Census {
    all: u64,
    healthy: u64,
}

impl Census {
    fn of<'a>(groups: impl Iterator<Item = &'a Group>) -> Self {
        let mut census = Self { all: 0, healthy: 0 };
        for host in groups.flat_map(|group| &group.hosts) {
            census.all += 1;
            census.healthy += u64::from(host.is_healthy());
        }
        census
    }

    /// Health in percent, where a little loss does not count.
    fn availability(self, overprovisioning: u64) -> u64 {
        (overprovisioning * self.healthy).checked_div(self.all).unwrap_or(0).min(100)
    }

    /// Whether so few are healthy that all are used.
    #[expect(clippy::cast_precision_loss, reason = "counts of hosts are below 2^53")]
    fn is_panicking(self, threshold: f64) -> bool {
        let healthy =
            if self.all == 0 { 0.0 } else { 100.0 * self.healthy as f64 / self.all as f64 };
        healthy < threshold
    }
}

/// The load of each priority in percent, and which of them panic.
fn loads(census: &[Census], overprovisioning: u64, threshold: f64) -> (Vec<u64>, Vec<bool>) {
    let available: Vec<u64> = census.iter().map(|c| c.availability(overprovisioning)).collect();
    let total = available.iter().sum::<u64>().min(100);
    if total == 0 && threshold <= 0.0 {
        let mut loads = vec![0; census.len()];
        loads.iter_mut().take(1).for_each(|load| *load = 100);
        return (loads, vec![false; census.len()]);
    }
    let panics: Vec<bool> =
        census.iter().map(|c| total != 100 && c.is_panicking(threshold)).collect();
    let hosts: u64 = census.iter().map(|c| c.all).sum();
    let shares: Vec<u64> = if panics.iter().all(|panics| *panics) {
        // All panic: health says nothing any more, so numbers decide.
        census.iter().map(|c| (100 * c.all).checked_div(hosts).unwrap_or(0)).collect()
    } else {
        available.iter().map(|a| (a * 100).checked_div(total).unwrap_or(0)).collect()
    };
    (shared_out(&shares), panics)
}

/// The load of each priority when some are left out. Spec: Envoy, `previous_priorities`.
fn without(available: &[u64], excluded: &[bool]) -> Vec<u64> {
    let is_out = |at: usize| excluded.get(at).is_some_and(|out| *out);
    let left = available.iter().enumerate().map(|(at, a)| if is_out(at) { 0 } else { *a });
    let left: Vec<u64> = left.collect();
    let total = left.iter().sum::<u64>().min(100);
    let shares: Vec<u64> = left.iter().map(|a| (a * 100).checked_div(total).unwrap_or(0)).collect();
    shared_out(&shares)
}

/// Gives each its share as long as there is some of the hundred left.
fn shared_out(shares: &[u64]) -> Vec<u64> {
    let mut loads = vec![0; shares.len()];
    let mut left = 100;
    for (load, share) in loads.iter_mut().zip(shares) {
        *load = left.min(*share);
        left -= *load;
    }
    // What rounding left over goes to the first that can take it.
    if let Some((load, _)) = loads.iter_mut().zip(shares).find(|(_, share)| **share != 0) {
        *load += left;
    }
    loads
}

impl Priority {
    fn new<'a>(
        cluster: &Cluster,
        overprovisioning: u32,
        groups: impl Iterator<Item = &'a Group> + Clone,
        is_panicking: bool,
    ) -> Self {
        let usable = |group: &Group| -> Hosts {
            let hosts = group.hosts.iter();
            hosts.filter(|host| is_panicking || host.is_healthy()).cloned().collect()
        };
        let hashes = cluster.hashes();
        // In panic everyone is needed, wherever they are. Rings and tables keep to their places all the same.
        let mut pools: Vec<Pool> = if !cluster.locality_weighted || is_panicking && !hashes {
            vec![Pool::new(groups.clone().flat_map(usable).collect(), 1)]
        } else if hashes {
            vec![Pool::of_localities(groups.clone().map(|group| (group.weight, usable(group))))]
        } else {
            let with_weight = groups.clone().map(|group| {
                let hosts = usable(group);
                let all = u64::try_from(group.hosts.len()).unwrap_or(u64::MAX);
                let census = Census { all, healthy: u64::try_from(hosts.len()).unwrap_or(0) };
                let health = census.availability(overprovisioning.into());
                Pool::new(hosts, u64::from(group.weight) * health)
            });
            with_weight.collect()
        };
        pools.retain(|pool| !pool.hosts.is_empty() && pool.weight != 0);
        if pools.is_empty() {
            // No place has a weight: then places do not count.
            pools.push(Pool::new(groups.flat_map(usable).collect(), 1));
            pools.retain(|pool| !pool.hosts.is_empty());
        }
        let total_weight = pools.iter().map(|pool| pool.weight).sum();
        Self { pools, total_weight, is_panicking }
    }

    fn pool(&mut self, dice: &mut Dice) -> Option<&mut Pool> {
        if self.pools.len() == 1 {
            return self.pools.first_mut();
        }
        let mut left = dice.below(self.total_weight);
        self.pools.iter_mut().find(|pool| match left.checked_sub(pool.weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    }
}

impl Pool {
    const fn new(hosts: Hosts, weight: u64) -> Self {
        Self { hosts, weight, shares: None, picker: None }
    }

    /// One pool of several localities, where a host's share is its locality's divided by its neighbours.
    fn of_localities(groups: impl Iterator<Item = (u32, Hosts)>) -> Self {
        let mut pool = Self::new(Vec::new(), 1);
        let mut shares = Vec::new();
        for (weight, hosts) in groups.filter(|(weight, _)| *weight != 0) {
            let sum: f64 = hosts.iter().map(|host| f64::from(host.weight())).sum();
            for host in hosts {
                shares.push(f64::from(weight) * f64::from(host.weight()) / sum);
                pool.hosts.push(host);
            }
        }
        let total: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= total);
        pool.shares = Some(shares);
        pool
    }

    fn pick(
        &mut self,
        cluster: &Cluster,
        hash: u64,
        wish: &Wish<'_>,
        dice: &mut Dice,
    ) -> Option<Arc<Host>> {
        if let [only] = self.hosts.as_slice() {
            return Some(Arc::clone(only));
        }
        let hosts = &self.hosts;
        let shares = self.shares.as_deref();
        let begin = || Picker::new(cluster, hosts, shares, (wish.now, dice));
        let picker = self.picker.get_or_insert_with(begin);
        let warms = cluster.slow_start.as_ref();
        let factor = |host: &Host| warms.map_or(1.0, |slow| slow.factor(host.age(wish.now)));
        let mut at = picker.pick(hosts, (hash, wish.attempt), factor, dice)?;
        if let Some(factor) = cluster.hash_balance {
            let active: Vec<u32> = hosts.iter().map(|host| host.active_requests()).collect();
            let sum: f64 = hosts.iter().map(|host| f64::from(host.weight())).sum();
            let share = |at: usize| match shares {
                Some(shares) => shares[at],
                None => f64::from(hosts[at].weight()) / sum,
            };
            at = bounded::pick(at, hash, factor, &active, share);
        }
        hosts.get(at).cloned()
    }
}

impl Picker {
    fn new(
        cluster: &Cluster,
        hosts: &[Arc<Host>],
        shares: Option<&[f64]>,
        (now, dice): (Moment, &mut Dice),
    ) -> Self {
        let weights: Vec<f64> = hosts.iter().map(|host| f64::from(host.weight())).collect();
        let slow = cluster.slow_start.as_ref();
        let is_new = |host: &Arc<Host>| slow.is_some_and(|slow| slow.covers(host.age(now)));
        let is_even = weights.windows(2).all(|pair| pair[0].total_cmp(&pair[1]).is_eq())
            && !hosts.iter().any(is_new);
        let schedule = || {
            let mut schedule = Schedule::default();
            let part = |at: usize| slow.map_or(1.0, |slow| slow.factor(hosts[at].age(now)));
            for (at, weight) in weights.iter().enumerate() {
                schedule.add(at, *weight * part(at));
            }
            schedule
        };
        let hashed = || -> Vec<Share<'_>> {
            let sum: f64 = weights.iter().sum();
            let even = weights.iter().map(|weight| weight / sum);
            let keys = hosts.iter().map(|host| host.hash_key(cluster.hash_hostnames));
            match shares {
                Some(shares) => {
                    keys.zip(shares).map(|(key, weight)| Share { key, weight: *weight }).collect()
                }
                None => keys.zip(even).map(|(key, weight)| Share { key, weight }).collect(),
            }
        };
        match cluster.balance {
            // Proxies that start together must not all begin with the same host.
            Balance::RoundRobin | Balance::Provided if is_even => {
                let first = dice.below(u64::try_from(hosts.len()).unwrap_or(1));
                Self::InTurn(usize::try_from(first).unwrap_or(0))
            }
            Balance::RoundRobin | Balance::Provided => {
                let mut schedule = schedule();
                for _ in 0..dice.below(u64::try_from(hosts.len()).unwrap_or(1)) {
                    schedule.next(|at| {
                        weights[at] * slow.map_or(1.0, |slow| slow.factor(hosts[at].age(now)))
                    });
                }
                Self::Scheduled(schedule)
            }
            Balance::LeastRequest { choices, .. } if is_even => Self::LeastOfSome(choices),
            Balance::LeastRequest { bias, .. } => Self::LeastScheduled(schedule(), bias),
            Balance::Random if is_even => Self::Uniform,
            Balance::Random => {
                let mut sum = 0;
                let sums = hosts.iter().map(|host| {
                    sum += u64::from(host.weight());
                    sum
                });
                Self::Weighted(sums.collect())
            }
            Balance::RingHash { min, max, hasher } => {
                Self::Ring(Ring::new(&hashed(), (min, max), hasher))
            }
            Balance::Maglev { size } => Self::Maglev(Maglev::new(&hashed(), size)),
        }
    }

    fn pick(
        &mut self,
        hosts: &[Arc<Host>],
        (hash, attempt): (u64, u32),
        factor: impl Fn(&Host) -> f64,
        dice: &mut Dice,
    ) -> Option<usize> {
        let len = u64::try_from(hosts.len()).ok()?;
        let any = |dice: &mut Dice| usize::try_from(dice.below(len)).ok();
        match self {
            Self::InTurn(next) => {
                let at = *next % hosts.len();
                *next = at + 1;
                Some(at)
            }
            Self::Scheduled(schedule) => {
                schedule.next(|at| f64::from(hosts[at].weight()) * factor(&hosts[at]))
            }
            Self::LeastOfSome(choices) => {
                let mut best = any(dice)?;
                for _ in 1..*choices {
                    let other = any(dice)?;
                    if hosts[other].active_requests() < hosts[best].active_requests() {
                        best = other;
                    }
                }
                Some(best)
            }
            Self::LeastScheduled(schedule, bias) => schedule.next(|at| {
                let host = &hosts[at];
                let busy = f64::from(host.active_requests()) + 1.0;
                f64::from(host.weight()) / busy.powf(*bias) * factor(host)
            }),
            Self::Uniform => any(dice),
            Self::Weighted(sums) => {
                let ticket = dice.below(*sums.last()?);
                Some(sums.partition_point(|sum| *sum <= ticket))
            }
            Self::Ring(ring) => ring.pick(hash, attempt),
            Self::Maglev(maglev) => maglev.pick(hash, attempt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(all: u64, healthy: u64) -> Census {
        Census { all, healthy }
    }

    #[test]
    fn load_spills_over_gradually() {
        type Row<'a> = (&'a [(u64, u64)], &'a [u64]);
        let table: [Row<'_>; 7] = [
            (&[(10, 10), (10, 10)], &[100, 0]),
            (&[(10, 8), (10, 10)], &[100, 0]),
            (&[(10, 7), (10, 10)], &[98, 2]),
            (&[(10, 5), (10, 10)], &[70, 30]),
            (&[(10, 0), (10, 10)], &[0, 100]),
            (&[(10, 1), (10, 1)], &[50, 50]),
            (&[(4, 1), (4, 1), (4, 4)], &[35, 35, 30]),
        ];
        for (hosts, expected) in table {
            let hosts: Vec<_> = hosts.iter().map(|(all, well)| census(*all, *well)).collect();
            let (loads, _) = loads(&hosts, 140, 0.0);
            assert_eq!(loads, expected, "{hosts:?}");
        }
    }

    #[test]
    fn panic_begins_below_the_threshold() {
        let panics = |all, healthy, threshold| loads(&[census(all, healthy)], 140, threshold).1[0];
        assert!(panics(10, 4, 50.0));
        assert!(!panics(10, 5, 50.0));
        assert!(panics(3, 0, 50.0));
        assert!(!panics(3, 0, 0.0));
    }

    #[test]
    fn in_total_panic_numbers_decide() {
        let (loads, panics) = loads(&[census(30, 0), census(10, 0)], 140, 50.0);
        assert_eq!(loads, [75, 25]);
        assert_eq!(panics, [true, true]);
    }

    #[test]
    fn priorities_that_were_tried_get_nothing() {
        type Row<'a> = (&'a [u64], &'a [bool], &'a [u64]);
        let table: [Row<'_>; 5] = [
            (&[100, 100], &[true, false], &[0, 100]),
            (&[100, 100, 100], &[true, true], &[0, 0, 100]),
            (&[70, 30, 100], &[false, true], &[70, 0, 30]),
            (&[20, 30, 30], &[true], &[0, 50, 50]),
            (&[100, 0], &[true, false], &[0, 0]),
        ];
        for (available, excluded, expected) in table {
            assert_eq!(without(available, excluded), expected, "{available:?} {excluded:?}");
        }
    }

    #[test]
    fn without_panic_and_hosts_the_first_priority_fails() {
        assert_eq!(loads(&[census(3, 0), census(3, 0)], 140, 0.0).0, [100, 0]);
    }
}
