//! What must hold at each step, whatever the seed.

use std::{collections::BTreeMap, sync::Arc};

use mesh::{Finding, Node, World, publish, understand};
use prost::Message as _;
use traffic::{Address, Config, Decision, Dice, Flag, Forward, Host, Moment, Seat, Upstream};
use xds::{
    cluster::{Cluster, cluster::LbPolicy},
    route::{RouteConfiguration, VirtualHost},
    snapshot::{CLUSTER, ROUTE, Snapshot},
};

use crate::{
    exchange::{Exchange, Held},
    oracle::{Ask, Fate, Oracle},
    proxy::Proxy,
    rules,
    tally::Draws,
};

/// A decision is one that the last whole configuration or one since would make; and what all of them can serve is served.
pub(crate) fn decision(proxy: &Proxy, ask: &Ask, decided: Option<&Decision>, dice: &Dice) {
    if proxy.tally.snapshot.is_none() {
        // It was never whole yet.
        return;
    }
    let fates: Vec<Fate> = proxy.recent.iter().map(|oracle| oracle.fate(ask, dice)).collect();
    let where_ = || format!("proxy {}: {} {}: {fates:?}", proxy.number, ask.authority, ask.path);
    match decided {
        None => assert!(fates.contains(&Fate::Closed), "nobody listens: {}", where_()),
        Some(Decision::Forward(forward)) => {
            let allowed = fates.iter().any(|fate| match fate {
                Fate::Forwarded { clusters, .. } => {
                    clusters.iter().any(|cluster| **cluster == *forward.cluster)
                }
                // A cluster that the new routes name may be there still, although it is on its way out.
                Fate::Answered { cluster, .. } => **cluster == *forward.cluster,
                Fate::Closed => false,
            });
            assert!(allowed, "{} is nobody's wish: {}", forward.cluster, where_());
        }
        Some(Decision::Answer(answer)) => {
            // Faults strike by chance, and a slow wire may break before it makes.
            let breaks = answer.flags.has(Flag::NoClusterFound);
            if answer.flags.has(Flag::FaultInjected) || breaks && !proxy.is_prompt {
                return;
            }
            let told = (answer.status, answer.flags);
            let allowed = fates.iter().any(|fate| match fate {
                Fate::Answered { status, flags, .. } => told == (*status, *flags),
                _ => false,
            });
            let served = fates.iter().all(Fate::is_served);
            let what = if served { "a change alone broke it" } else { "nobody's wish" };
            assert!(allowed, "{} {}: {what}: {}", told.0, told.1, where_());
        }
    }
}

/// A pick finds nobody only when nobody is there or nobody is well.
pub(crate) fn nobody_is_well(proxy: &Proxy, exchange: &Exchange) {
    let hosts = exchange.upstream.hosts();
    let name = exchange.upstream.name();
    assert!(
        !hosts.iter().any(|host| host.is_healthy() && !host.is_removed()),
        "no host of {name} for proxy {}, and some are well",
        proxy.number
    );
    let is_new = proxy.tally.snapshot.is_none() || !proxy.is_prompt;
    if hosts.is_empty() && !is_new {
        // A request may have begun before the change that took the cluster away.
        let gone = proxy.directory.of(name).is_none();
        let empty = |oracle: &Oracle| oracle.hosts(name) == 0;
        assert!(
            gone || proxy.recent.iter().any(empty),
            "{name} has no host at proxy {}, and every configuration gives it some",
            proxy.number
        );
    }
}

/// Counts who goes where; known users stay where they are while nothing changes.
pub(crate) fn counted(
    draws: &mut Draws,
    proxy: &mut Proxy,
    ask: &Ask,
    forward: &Forward,
    now: Moment,
) {
    let shares = forward.shares();
    let (user, is_known) = ask.user();
    // Who draws a cluster that is not there gets an answer, and is not counted.
    let all_there = shares.iter().all(|(name, _)| proxy.table.cluster(name).is_some());
    if !is_known && all_there {
        draws.count(&shares, &forward.cluster);
    } else if is_known && proxy.recent.len() == 1 && forward.first_attempt(now).hash().is_some() {
        let route = format!("{} {}", forward.virtual_host(), forward.route_name());
        proxy.tally.stays(route, user, &forward.cluster);
    }
}

/// The cluster as the control plane told it, if that is the one in use.
fn told(config: &Config, name: &str) -> Option<Cluster> {
    let waits = config.warming().iter().any(|warming| warming == name);
    let all = config.resources(CLUSTER);
    let (.., body) = all.iter().find(|(own, ..)| *own == name && !waits)?;
    Some(Cluster::decode(*body).expect("the proxy took it"))
}

/// Nobody asks a host that sits out while others are well, but in panic.
pub(crate) fn host_may_be_asked(proxy: &Proxy, exchange: &Exchange, seat: &Seat) {
    let host = seat.host();
    if !host.is_ejected() {
        return;
    }
    let upstream = &exchange.upstream;
    let Some(cluster) = told(&proxy.config, upstream.name()) else { return };
    let threshold = cluster.common_lb_config.and_then(|it| it.healthy_panic_threshold);
    let threshold = threshold.map_or(50.0, |percent| percent.value);
    let all = upstream.hosts();
    let peers: Vec<&Arc<Host>> = all.iter().filter(|it| it.priority() == host.priority()).collect();
    let well = peers.iter().filter(|it| it.is_healthy()).count();
    let count = |n: usize| f64::from(u32::try_from(n).expect("hosts are few"));
    let panics = count(well) * 100.0 < threshold * count(peers.len());
    assert!(
        panics,
        "proxy {} asks {} of {}, which sits out, and {well} of {} are well",
        proxy.number,
        host.address(),
        upstream.name(),
        peers.len()
    );
}

/// A known user stays at its host while nothing changes.
pub(crate) fn user_stays(proxy: &mut Proxy, exchange: &Exchange, seat: &Seat, hash: u64) {
    let name = exchange.upstream.name();
    let Some(cluster) = told(&proxy.config, name) else { return };
    if !matches!(cluster.lb_policy(), LbPolicy::RingHash | LbPolicy::Maglev) {
        return;
    }
    let hosts = exchange.upstream.hosts();
    let sorted = |keep: fn(&Host) -> bool| {
        let kept = hosts.iter().filter(|host| keep(host));
        let mut all: Vec<Address> = kept.map(|host| host.address().clone()).collect();
        all.sort_unstable();
        all
    };
    let (all, well) = (sorted(|_| true), sorted(Host::is_healthy));
    // The endpoints of a configuration that is being left may rank the same hosts in another way.
    if proxy.recent.len() == 1 {
        proxy.tally.lands((name, &format!("{hash:x}")), (all, well), seat.host().address().clone());
    }
}

/// A breaker opens exactly at its limit.
pub(crate) fn breaker(config: &Config, exchange: &Exchange, held: Held, begun: bool) {
    let name = exchange.upstream.name();
    let Some(cluster) = told(config, name) else { return };
    let thresholds = cluster.circuit_breakers.and_then(|all| all.thresholds.into_iter().next());
    let limit = thresholds.and_then(|it| it.max_requests).unwrap_or(1024);
    assert_eq!(begun, held.begun < limit, "{} requests of {limit} at {name}", held.begun);
}

/// No request is sent more often than its policy says.
pub(crate) fn attempts(exchange: &Exchange) {
    let retries = exchange.forward.retry_policy().map_or(0, |policy| policy.num_retries);
    let most = if exchange.is_mirror { 1 } else { 1 + retries };
    assert!(exchange.sent <= most, "{} requests for {most}", exchange.sent);
    assert!(most <= 1 + rules::MOST_RETRIES, "{most} attempts are nobody's wish");
}

/// Hosts go out only as far as the limit allows.
pub(crate) fn ejection(
    config: &Config,
    upstream: &Upstream,
    before: &[Address],
    after: &[Address],
) {
    let Some(cluster) = told(config, upstream.name()) else { return };
    let detection = cluster.outlier_detection.unwrap_or_default();
    let limit = usize::try_from(detection.max_ejection_percent.unwrap_or(10)).unwrap_or(100);
    let n = upstream.hosts().len();
    let first = detection.always_eject_one_host == Some(true) && after.len() == 1;
    assert!(
        after.len() <= before.len() || first || after.len() * 100 <= limit * n,
        "{} of {n} hosts of {} are out, {limit} % may",
        after.len(),
        upstream.name()
    );
}

/// When the wire is quiet, every proxy has what the newest plan says, and nothing else.
pub(crate) fn converged(proxy: &Proxy, settled: bool, snapshot: &Snapshot, poisoned: bool) {
    let number = proxy.number;
    if let Some(what) = proxy.difference(snapshot) {
        panic!("proxy {number} does not come to rest: {what}");
    }
    assert!(settled || poisoned, "proxy {number} has everything, and the server waits");
    let left = proxy.leftovers();
    assert!(left.is_empty(), "proxy {number} keeps what nobody refers to: {left:?}");
    let oracle = &proxy.recent.last().expect("it was told something").snapshot;
    assert!(
        poisoned || **oracle == *snapshot,
        "proxy {number} is brought to another snapshot than the newest"
    );
}

/// When all exchanges are over, nothing is held any more.
pub(crate) fn nothing_is_held(proxy: &mut Proxy) {
    assert!(proxy.exchanges.is_empty(), "{} exchanges do not end", proxy.exchanges.len());
    proxy.pools.clear();
    for upstream in proxy.ever.values() {
        let stats = upstream.stats();
        let active: Vec<(&str, u64)> = stats
            .gauges()
            .filter(|(name, value)| name.ends_with("_active") && *value != 0)
            .filter(|(name, _)| !name.starts_with("outlier"))
            .collect();
        assert!(
            active.is_empty(),
            "{} at proxy {} keeps {active:?}",
            upstream.name(),
            proxy.number
        );
        for host in upstream.hosts() {
            let (requests, connections) = (host.active_requests(), host.connections());
            assert_eq!((requests, connections), (0, 0), "{} keeps some", host.address());
        }
    }
    let held: u32 = proxy.held.values().map(|held| held.begun).sum();
    assert_eq!(held, 0, "the simulator lost count");
}

/// A bad object changes nothing but what belongs to its own host, or leads to it.
pub(crate) fn harms_only_itself(
    world: &World,
    bad: &serde_json::Value,
    host: &str,
    nodes: &[Node],
) {
    let mut without = world.clone();
    let key = mesh::Key::of(bad).expect("the object has a key");
    without.remove(&key);
    let mut with = without.clone();
    with.upsert(bad);
    let (before, _) = understand(&without);
    let (after, findings) = understand(&with);
    let own = |finding: &&Finding| finding.object == key;
    assert!(findings.iter().any(|it| own(&it)), "{key} is bad, and nobody says so");
    for node in nodes {
        let (before, after) = (publish(&before.view(node)), publish(&after.view(node)));
        let mut strange = differences(&before, &after);
        strange.retain(|(name, body)| !name.contains(host) && !body.contains(host));
        assert!(strange.is_empty(), "{key} of {host} changes {strange:?} of {}", node.id);
    }
}

/// Resources, and virtual hosts within routes, that differ: names, and of virtual hosts what was in them.
fn differences(before: &Snapshot, after: &Snapshot) -> Vec<(String, String)> {
    let mut names = Vec::new();
    let mut types: Vec<&str> = before.types().chain(after.types()).map(|(url, _)| url).collect();
    types.sort_unstable();
    types.dedup();
    for type_url in types {
        let (before, after) = (before.of(type_url), after.of(type_url));
        let both = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
        for name in both.filter(|name| before.get(*name) != after.get(*name)) {
            match (before.get(name), after.get(name)) {
                (Some(before), Some(after)) if type_url == ROUTE => {
                    names.extend(hosts_that_differ(&before.body, &after.body));
                }
                _ => names.push((name.clone(), String::new())),
            }
        }
    }
    names
}

fn hosts_that_differ(before: &[u8], after: &[u8]) -> Vec<(String, String)> {
    let hosts = |body: &[u8]| -> BTreeMap<String, VirtualHost> {
        let routes = RouteConfiguration::decode(body).expect("we encoded it");
        routes.virtual_hosts.into_iter().map(|host| (host.name.clone(), host)).collect()
    };
    let (before, after) = (hosts(before), hosts(after));
    let both = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    both.filter(|name| before.get(*name) != after.get(*name))
        .map(|name| (name.clone(), format!("{:?}", before.get(name))))
        .collect()
}

/// Mirrors change nothing about the request itself: with the same chance, the same cluster, times and retries.
pub(crate) fn mirrors_change_nothing(with: &Oracle, without: &Oracle, ask: &Ask, seed: u64) {
    for n in 0..20 {
        let (mut one, mut other) = (Dice::seeded(seed ^ n), Dice::seeded(seed ^ n));
        let (with, without) =
            (ask.decide(&with.table, &mut one), ask.decide(&without.table, &mut other));
        let told = |decision: Option<Decision>| match decision {
            Some(Decision::Forward(it)) => format!(
                "{} {:?} {:?} {:?} {:?} {:?} {}",
                it.cluster,
                it.delay,
                it.timeout(),
                it.per_try_timeout(),
                it.retry_policy().map(|policy| policy.num_retries),
                it.path(),
                it.route_name(),
            ),
            Some(Decision::Answer(answer)) => format!("{} {}", answer.status, answer.flags),
            None => "closed".to_owned(),
        };
        assert_eq!(told(with), told(without), "a mirror changed what becomes of {ask:?}");
    }
}
