//! Clusters at work: picks, breakers, health, changes of hosts.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use xds::{
    cluster::{self as proto, cluster::ClusterDiscoveryType},
    core, endpoint, wkt,
};

mod breaker;
mod picking;
mod properties;

use super::*;
use crate::{
    access,
    attempt::Next,
    cluster::Endpoints,
    head::Header,
    peer::Peer,
    retry::{RetryOn, RetryPolicy},
    table::{Entry, Table},
};

fn address(host: &str, port: u32) -> Option<core::Address> {
    Some(core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: host.into(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port)),
            ..Default::default()
        })),
    })
}

/// Hosts of one priority, from `10.0.0.1=3` (weight 3) or `10.0.0.1!` (unhealthy).
fn group(priority: u32, hosts: &str) -> endpoint::LocalityLbEndpoints {
    let lb_endpoints = hosts.split_whitespace().map(|host| {
        let (text, weight) = match host.split_once('=') {
            Some((text, weight)) => (text, weight.parse().ok()),
            None => (host, None),
        };
        let health = if text.ends_with('!') {
            core::HealthStatus::Unhealthy
        } else {
            core::HealthStatus::Healthy
        };
        endpoint::LbEndpoint {
            host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(
                endpoint::Endpoint {
                    address: address(text.trim_end_matches('!'), 80),
                    ..Default::default()
                },
            )),
            health_status: health.into(),
            load_balancing_weight: weight,
            ..Default::default()
        }
    });
    endpoint::LocalityLbEndpoints {
        lb_endpoints: lb_endpoints.collect(),
        priority,
        ..Default::default()
    }
}

fn endpoints(groups: &[endpoint::LocalityLbEndpoints]) -> Arc<Endpoints> {
    let assignment =
        endpoint::ClusterLoadAssignment { endpoints: groups.to_vec(), ..Default::default() };
    Arc::new(Endpoints::compile(&assignment).unwrap())
}

fn cluster(change: impl FnOnce(&mut proto::Cluster)) -> Arc<Cluster> {
    let mut cluster = proto::Cluster {
        name: "c".into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(3)),
        ..Default::default()
    };
    change(&mut cluster);
    Arc::new(Cluster::compile(&cluster).unwrap())
}

fn table(cluster: &Arc<Cluster>, endpoints: &Arc<Endpoints>) -> Table {
    let mut clusters = Map::default();
    let entry = Entry { cluster: Arc::clone(cluster), endpoints: Arc::clone(endpoints) };
    clusters.insert(Arc::clone(&cluster.name), entry);
    Table {
        clusters: Arc::new(clusters),
        sorted: Arc::new([Arc::clone(&cluster.name)]),
        ..Table::default()
    }
}

/// One cluster `c` with its hosts.
fn upstreams(cluster: &Arc<Cluster>, endpoints: &Arc<Endpoints>) -> Upstreams {
    let upstreams = Upstreams::new();
    upstreams.sync(Moment::START, &table(cluster, endpoints));
    upstreams
}

fn permit() -> Permit {
    access::check(None, &Peer::default()).unwrap()
}

fn attempt(hash: Option<u64>) -> Attempt {
    Attempt::first(Moment::START, None, hash, None)
}

fn pick(upstream: &Arc<Upstream>, hash: Option<u64>, dice: &mut Dice) -> Result<Seat, Refusal> {
    upstream.pick(Moment::START, &permit(), &attempt(hash), dice)
}

/// How often each host is picked in so many tries, when each request ends at once.
fn counts(upstream: &Arc<Upstream>, tries: u32, seed: u64) -> BTreeMap<String, u32> {
    let mut dice = Dice::seeded(seed);
    let mut counts = BTreeMap::new();
    for _ in 0..tries {
        let seat = pick(upstream, None, &mut dice).unwrap();
        *counts.entry(seat.host().address().socket().unwrap().ip().to_string()).or_default() += 1;
    }
    counts
}

fn told(counts: &BTreeMap<String, u32>) -> String {
    counts.iter().map(|(host, n)| format!("{host}:{n}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn round_robin_takes_turns() {
    let upstreams =
        upstreams(&cluster(|_| ()), &endpoints(&[group(0, "10.0.0.1 10.0.0.2 10.0.0.3")]));
    let upstream = upstreams.of("c").unwrap();
    assert_eq!(told(&counts(&upstream, 300, 1)), "10.0.0.1:100 10.0.0.2:100 10.0.0.3:100");
}

#[test]
fn weights_of_hosts_are_exact_in_turn() {
    let hosts = endpoints(&[group(0, "10.0.0.1=1 10.0.0.2=3")]);
    let upstream = upstreams(&cluster(|_| ()), &hosts).of("c").unwrap();
    assert_eq!(told(&counts(&upstream, 400, 1)), "10.0.0.1:100 10.0.0.2:300");
}

#[test]
fn least_request_avoids_the_busy_host() {
    let least = cluster(|c| c.lb_policy = proto::cluster::LbPolicy::LeastRequest.into());
    let upstream = upstreams(&least, &endpoints(&[group(0, "10.0.0.1 10.0.0.2")])).of("c").unwrap();
    let mut dice = Dice::seeded(3);
    let mut seats: Vec<Seat> =
        (0..100).map(|_| pick(&upstream, None, &mut dice).unwrap()).collect();
    let active: Vec<u32> = upstream.hosts().iter().map(|host| host.active_requests()).collect();
    assert_eq!(active.iter().sum::<u32>(), 100);
    assert!(active[0].abs_diff(active[1]) < 10, "{active:?}");
    seats.clear();
    assert!(upstream.hosts().iter().all(|host| host.active_requests() == 0));
    assert_eq!(upstream.stats().upstream_rq_active.value(), 0);
    assert_eq!(upstream.stats().upstream_rq_total.value(), 100);
}

#[test]
fn least_request_with_weights_follows_both() {
    let least = cluster(|c| c.lb_policy = proto::cluster::LbPolicy::LeastRequest.into());
    let hosts = endpoints(&[group(0, "10.0.0.1=1 10.0.0.2=4")]);
    let upstream = upstreams(&least, &hosts).of("c").unwrap();
    assert_eq!(told(&counts(&upstream, 500, 1)), "10.0.0.1:100 10.0.0.2:400");
}

#[test]
fn the_same_hash_finds_the_same_host() {
    for policy in [proto::cluster::LbPolicy::RingHash, proto::cluster::LbPolicy::Maglev] {
        let hashed = cluster(|c| c.lb_policy = policy.into());
        let hosts = endpoints(&[group(0, "10.0.0.1 10.0.0.2 10.0.0.3")]);
        let upstream = upstreams(&hashed, &hosts).of("c").unwrap();
        let mut dice = Dice::seeded(1);
        for hash in [1, 77, u64::MAX / 3] {
            let first = pick(&upstream, Some(hash), &mut dice).unwrap().host().id();
            for _ in 0..20 {
                assert_eq!(pick(&upstream, Some(hash), &mut dice).unwrap().host().id(), first);
            }
        }
        assert_eq!(counts(&upstream, 1000, 5).len(), 3, "without a hash chance decides");
    }
}

#[test]
fn no_host_is_no_healthy_upstream() {
    let without = upstreams(&cluster(|_| ()), &endpoints(&[])).of("c").unwrap();
    let mut dice = Dice::seeded(1);
    assert_eq!(pick(&without, None, &mut dice).unwrap_err(), Refusal::NoHealthyHost);
    assert_eq!(without.stats().upstream_cx_none_healthy.value(), 1);
    assert_eq!(Fault::from(Refusal::NoHealthyHost), Fault::NoHealthyUpstream);
}

#[test]
fn panic_uses_all_hosts_unless_its_threshold_is_zero() {
    let hosts = endpoints(&[group(0, "10.0.0.1! 10.0.0.2!")]);
    let panicking = upstreams(&cluster(|_| ()), &hosts).of("c").unwrap();
    assert_eq!(counts(&panicking, 10, 1).len(), 2);
    assert_eq!(panicking.stats().lb_healthy_panic.value(), 10);
    let calm = cluster(|c| {
        c.common_lb_config = Some(proto::cluster::CommonLbConfig {
            healthy_panic_threshold: Some(xds::kind::Percent { value: 0.0 }),
            ..Default::default()
        });
    });
    let calm = upstreams(&calm, &hosts).of("c").unwrap();
    let refusal = pick(&calm, None, &mut Dice::seeded(1)).unwrap_err();
    assert_eq!(refusal, Refusal::NoHealthyHost);
}

#[test]
fn the_next_priority_takes_what_the_first_cannot() {
    let hosts = endpoints(&[group(0, "10.0.0.1 10.0.0.2!"), group(1, "10.1.0.1")]);
    let upstream = upstreams(&cluster(|_| ()), &hosts).of("c").unwrap();
    let counts = counts(&upstream, 10_000, 1);
    // Half of the hosts, overprovisioned by 1.4: 70 %.
    assert!((6_800..7_200).contains(&counts["10.0.0.1"]), "{counts:?}");
    assert!(!counts.contains_key("10.0.0.2"));
}

#[test]
fn localities_share_by_their_weights() {
    let weighted = cluster(|c| {
        use proto::cluster::common_lb_config::{LocalityConfigSpecifier, LocalityWeightedLbConfig};
        c.common_lb_config = Some(proto::cluster::CommonLbConfig {
            locality_config_specifier: Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(
                LocalityWeightedLbConfig {},
            )),
            ..Default::default()
        });
    });
    let with_weight = |weight, hosts| endpoint::LocalityLbEndpoints {
        load_balancing_weight: Some(weight),
        ..group(0, hosts)
    };
    let hosts = endpoints(&[with_weight(80, "10.0.0.1"), with_weight(20, "10.1.0.1 10.1.0.2")]);
    let upstream = upstreams(&weighted, &hosts).of("c").unwrap();
    let counts = counts(&upstream, 10_000, 2);
    assert!((7_800..8_200).contains(&counts["10.0.0.1"]), "{counts:?}");
}

#[test]
fn a_breaker_for_requests_overflows() {
    let limited = cluster(|c| {
        c.circuit_breakers = Some(proto::CircuitBreakers {
            thresholds: vec![proto::circuit_breakers::Thresholds {
                max_requests: Some(2),
                max_pending_requests: Some(1),
                max_connections: Some(1),
                max_retries: Some(1),
                ..Default::default()
            }],
            ..Default::default()
        });
    });
    let upstream =
        upstreams(&limited, &endpoints(&[group(0, "10.0.0.1 10.0.0.2")])).of("c").unwrap();
    let mut dice = Dice::seeded(1);
    let begun = |dice: &mut Dice| {
        let mut seat = pick(&upstream, None, dice).unwrap();
        seat.begin().map(|()| seat)
    };
    let (first, second) = (begun(&mut dice).unwrap(), begun(&mut dice).unwrap());
    let waits = pick(&upstream, None, &mut dice).unwrap();
    assert_eq!(begun(&mut dice).unwrap_err(), Refusal::Overflow);
    drop(waits);
    assert_eq!(upstream.stats().upstream_rq_pending_overflow.value(), 1);
    let waiting = first.wait().unwrap();
    assert_eq!(second.wait().unwrap_err(), Refusal::Overflow);
    drop(waiting);
    assert!(second.wait().is_ok());
    // One connection is allowed; a host that has none gets one all the same.
    let connection = first.connect().unwrap();
    assert_eq!(first.connect().unwrap_err(), Refusal::Overflow);
    let other = second.connect().unwrap();
    assert_eq!(upstream.stats().upstream_cx_active.value(), 2);
    drop((connection, other));
    assert_eq!(upstream.stats().upstream_cx_active.value(), 0);
    drop(first);
    assert!(begun(&mut dice).is_ok());
    let retrying = upstream.retry().unwrap();
    assert!(upstream.retry().is_none());
    drop(retrying);
    assert!(upstream.retry().is_some());
}

fn retry_policy(on: &str) -> Arc<RetryPolicy> {
    Arc::new(RetryPolicy {
        on: RetryOn::parse(on),
        num_retries: 2,
        per_try_timeout: None,
        per_try_idle_timeout: None,
        base_interval: Duration::from_millis(25),
        max_interval: Duration::from_millis(250),
        status_codes: Vec::new(),
        avoid_previous_hosts: true,
        host_selection_attempts: 20,
        previous_priorities: None,
        headers: Vec::new(),
        request_headers: Vec::new(),
    })
}

#[test]
fn retries_go_elsewhere_and_end() {
    let hosts = endpoints(&[group(0, "10.0.0.1 10.0.0.2 10.0.0.3")]);
    let random = cluster(|c| c.lb_policy = proto::cluster::LbPolicy::Random.into());
    let upstream = upstreams(&random, &hosts).of("c").unwrap();
    let bad = Outcome::Response { status: 503, headers: &[] };
    for seed in 0..50 {
        let mut dice = Dice::seeded(seed);
        let mut attempt = Attempt::first(Moment::START, Some(retry_policy("5xx")), None, None);
        let mut seen = Vec::new();
        let flags = loop {
            let seat = upstream.pick(Moment::START, &permit(), &attempt, &mut dice).unwrap();
            seen.push(seat.host().id());
            match attempt.next(&bad, Some(&seat), &upstream, &mut dice) {
                Next::Done(flags) => break flags,
                Next::Again { attempt: next, after } => {
                    assert!(after < Duration::from_millis(50));
                    attempt = next;
                }
            }
        };
        assert_eq!(flags.to_string(), "URX");
        assert_eq!(seen.len(), 3);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 3, "each attempt has a host of its own");
    }
    assert_eq!(upstream.stats().upstream_rq_retry.value(), 100);
    assert_eq!(upstream.stats().upstream_rq_retry_limit_exceeded.value(), 50);
    assert_eq!(upstream.stats().upstream_rq_retry_active.value(), 0);
}

#[test]
fn a_retry_that_succeeds_is_counted() {
    let upstream =
        upstreams(&cluster(|_| ()), &endpoints(&[group(0, "10.0.0.1")])).of("c").unwrap();
    let mut dice = Dice::seeded(1);
    let first = Attempt::first(Moment::START, Some(retry_policy("5xx")), None, None);
    let bad = Outcome::Response { status: 500, headers: &[] };
    let Next::Again { attempt, .. } = first.next(&bad, None, &upstream, &mut dice) else {
        panic!()
    };
    assert_eq!(attempt.number(), 2);
    let good = Outcome::Response { status: 200, headers: &[] };
    let Next::Done(flags) = attempt.next(&good, None, &upstream, &mut dice) else { panic!() };
    assert!(flags.is_empty());
    assert_eq!(upstream.stats().upstream_rq_retry_success.value(), 1);
}

#[test]
fn a_retry_budget_is_a_share_of_what_is_active() {
    let budget = cluster(|c| {
        c.circuit_breakers = Some(proto::CircuitBreakers {
            thresholds: vec![proto::circuit_breakers::Thresholds {
                retry_budget: Some(proto::circuit_breakers::thresholds::RetryBudget {
                    budget_percent: Some(xds::kind::Percent { value: 25.0 }),
                    min_retry_concurrency: Some(1),
                    ..Default::default()
                }),
                ..Default::default()
            }],
            ..Default::default()
        });
    });
    let upstream = upstreams(&budget, &endpoints(&[group(0, "10.0.0.1")])).of("c").unwrap();
    let mut dice = Dice::seeded(1);
    let one = upstream.retry();
    assert!(one.is_some() && upstream.retry().is_none());
    let begun = |dice: &mut Dice| {
        let mut seat = pick(&upstream, None, dice).unwrap();
        seat.begin().unwrap();
        seat
    };
    let _seats: Vec<_> = (0..8).map(|_| begun(&mut dice)).collect();
    assert!(upstream.retry().is_some(), "two of eight may be retries");
}

fn with_outlier() -> Arc<Cluster> {
    cluster(|c| {
        c.outlier_detection = Some(proto::OutlierDetection {
            consecutive_5xx: Some(2),
            base_ejection_time: Some(wkt::Duration { seconds: 30, nanos: 0 }),
            max_ejection_percent: Some(100),
            ..Default::default()
        });
        c.common_lb_config = Some(proto::cluster::CommonLbConfig {
            healthy_panic_threshold: Some(xds::kind::Percent { value: 0.0 }),
            ..Default::default()
        });
    })
}

fn fail(upstream: &Arc<Upstream>, now: Moment, ip: &str, times: u32) {
    let mut dice = Dice::seeded(1);
    let mut left = times;
    while left != 0 {
        let seat = upstream.pick(now, &permit(), &attempt(None), &mut dice).unwrap();
        if seat.host().address().socket().unwrap().ip().to_string() == ip {
            let headers: &[Header<'_>] = &[];
            upstream.on_outcome(now, &seat, &Outcome::Response { status: 503, headers });
            left -= 1;
        }
    }
}

#[test]
fn an_ejected_host_gets_nothing_until_it_is_back() {
    let outlier = with_outlier();
    let hosts = endpoints(&[group(0, "10.0.0.1 10.0.0.2")]);
    let upstreams = upstreams(&outlier, &hosts);
    let upstream = upstreams.of("c").unwrap();
    assert_eq!(upstreams.next_wake(), Some(Moment::START));
    upstreams.on_wake(Moment::START);
    let at = |seconds| Moment::START + Duration::from_secs(seconds);
    assert_eq!(upstreams.next_wake(), Some(at(10)));
    fail(&upstream, at(1), "10.0.0.1", 2);
    assert_eq!(told(&counts(&upstream, 20, 1)), "10.0.0.2:20");
    assert_eq!(upstream.stats().ejections_active.value(), 1);
    // A new table forgets nothing.
    let more = endpoints(&[group(0, "10.0.0.1 10.0.0.2 10.0.0.3")]);
    upstreams.sync(Moment::START, &table(&outlier, &more));
    assert!(!counts(&upstream, 20, 1).contains_key("10.0.0.1"));
    for seconds in [10, 20, 30] {
        upstreams.on_wake(at(seconds));
        assert!(!counts(&upstream, 20, 1).contains_key("10.0.0.1"), "{seconds}");
    }
    upstreams.on_wake(at(40));
    assert!(counts(&upstream, 30, 1).contains_key("10.0.0.1"));
    assert_eq!(upstream.stats().ejections_active.value(), 0);
}

#[test]
fn when_all_are_out_there_is_no_healthy_upstream() {
    let hosts = endpoints(&[group(0, "10.0.0.1 10.0.0.2")]);
    let upstream = upstreams(&with_outlier(), &hosts).of("c").unwrap();
    fail(&upstream, Moment::START, "10.0.0.1", 2);
    fail(&upstream, Moment::START, "10.0.0.2", 2);
    let refusal = pick(&upstream, None, &mut Dice::seeded(1)).unwrap_err();
    assert_eq!(refusal, Refusal::NoHealthyHost);
}

#[test]
fn a_removed_host_finishes_what_it_has() {
    let plain = cluster(|_| ());
    let upstreams = upstreams(&plain, &endpoints(&[group(0, "10.0.0.1")]));
    let upstream = upstreams.of("c").unwrap();
    let seat = pick(&upstream, None, &mut Dice::seeded(1)).unwrap();
    upstreams.sync(Moment::START, &table(&plain, &endpoints(&[group(0, "10.0.0.2")])));
    assert!(seat.host().is_removed());
    assert_eq!(seat.host().active_requests(), 1);
    assert_eq!(told(&counts(&upstream, 10, 1)), "10.0.0.2:10");
    drop(seat);
    assert_eq!(upstream.stats().upstream_rq_active.value(), 0);
}

#[test]
fn a_host_that_stays_is_the_same_host() {
    let plain = cluster(|_| ());
    let upstreams = upstreams(&plain, &endpoints(&[group(0, "10.0.0.1 10.0.0.2")]));
    let upstream = upstreams.of("c").unwrap();
    let before = upstream.hosts()[1].id();
    upstreams.sync(Moment::START, &table(&plain, &endpoints(&[group(0, "10.0.0.2=7 10.0.0.3")])));
    let after = upstream.hosts();
    assert_eq!((after[0].id(), after[0].weight()), (before, 7));
    assert!(Arc::ptr_eq(&upstream, &upstreams.of("c").unwrap()));
    upstreams.sync(Moment::START, &Table::default());
    assert!(upstreams.of("c").is_none());
    assert!(after[0].is_removed());
}

#[test]
fn names_become_hosts_when_they_are_resolved() {
    let assignment = endpoint::ClusterLoadAssignment {
        endpoints: vec![group(0, "a.example")],
        ..Default::default()
    };
    for (kind, expected) in [(1, 2), (2, 1)] {
        let dns = cluster(|c| {
            c.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind));
            c.load_assignment = Some(assignment.clone());
        });
        let own = Arc::clone(dns.endpoints.as_ref().unwrap());
        let upstreams = upstreams(&dns, &own);
        let lookups = upstreams.lookups();
        assert_eq!(lookups.len(), 1);
        assert_eq!((&*lookups[0].cluster, lookups[0].name.as_str()), ("c", "a.example"));
        let upstream = upstreams.of("c").unwrap();
        assert!(upstream.hosts().is_empty());
        let addresses: [IpAddr; 2] = ["1.1.1.2".parse().unwrap(), "1.1.1.1".parse().unwrap()];
        upstreams.resolved(Moment::START, "c", "a.example", &addresses);
        let hosts = upstream.hosts();
        assert_eq!(hosts.len(), expected);
        assert_eq!(hosts[0].hostname(), Some("a.example"));
        upstreams.resolved(Moment::START, "c", "other.example", &addresses);
        // The order of an answer is no change.
        upstreams.resolved(Moment::START, "c", "a.example", &[addresses[1], addresses[0]]);
        if kind == 1 {
            assert_eq!(upstream.stats().membership_change.value(), 1);
            assert_eq!(upstream.hosts()[0].id(), hosts[0].id());
        }
    }
}

#[test]
fn a_passthrough_goes_where_the_downstream_wanted() {
    let through = cluster(|c| {
        c.cluster_discovery_type = Some(ClusterDiscoveryType::Type(4));
        c.lb_policy = proto::cluster::LbPolicy::ClusterProvided.into();
    });
    let upstreams = upstreams(&through, &endpoints(&[]));
    let upstream = upstreams.of("c").unwrap();
    let to = |address: &str| {
        let destination = address.parse().ok();
        let attempt = Attempt::first(Moment::START, None, None, destination);
        upstream.pick(Moment::START, &permit(), &attempt, &mut Dice::seeded(1)).unwrap()
    };
    let (one, other) = (to("1.2.3.4:80"), to("1.2.3.4:81"));
    assert_eq!(one.host().address_text(), "1.2.3.4:80");
    assert_ne!(one.host().id(), other.host().id());
    assert_eq!(to("1.2.3.4:80").host().id(), one.host().id());
    // Hosts that nobody uses are forgotten.
    drop(other);
    let later = upstreams.next_wake().unwrap();
    upstreams.on_wake(later);
    let left: Vec<_> = upstream.hosts().iter().map(|host| host.address_text().to_owned()).collect();
    assert_eq!(left, ["1.2.3.4:80"]);
    drop(one);
    upstreams.on_wake(later + Duration::from_secs(5));
    assert!(upstream.hosts().is_empty());
    assert_eq!(upstreams.next_wake(), None);
}

#[test]
fn metrics_bear_envoys_names() {
    let stats = Stats::default();
    stats.upstream_rq_total.add(3);
    assert!(stats.counters().any(|counter| counter == ("upstream_rq_total", 3)));
    assert!(stats.gauges().any(|gauge| gauge.0 == "outlier_detection.ejections_active"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Weights are honoured by every policy that knows them, whatever the seed.
    #[test]
    fn weights_are_honoured(
        weights in proptest::collection::vec(1_u32..20, 2..6),
        seed in any::<u64>(),
        policy in prop_oneof![
            Just(proto::cluster::LbPolicy::RoundRobin),
            Just(proto::cluster::LbPolicy::Random),
            Just(proto::cluster::LbPolicy::LeastRequest),
        ],
    ) {
        let is_even = weights.windows(2).all(|pair| pair[0] == pair[1]);
        let hosts: Vec<String> = weights
            .iter()
            .enumerate()
            .map(|(at, weight)| format!("10.0.0.{at}={weight}"))
            .collect();
        let cluster = cluster(|c| c.lb_policy = policy.into());
        let upstream = upstreams(&cluster, &endpoints(&[group(0, &hosts.join(" "))])).of("c").unwrap();
        let counts = counts(&upstream, 20_000, seed);
        let sum: u32 = weights.iter().sum();
        for (at, weight) in weights.iter().enumerate() {
            let seen = f64::from(*counts.get(&format!("10.0.0.{at}")).unwrap_or(&0)) / 20_000.0;
            let wanted = f64::from(*weight) / f64::from(sum);
            // Five standard deviations of a fair draw; turns are far closer.
            let slack = 5.0 * (wanted * (1.0 - wanted) / 20_000.0_f64).sqrt() + 0.001;
            prop_assert!((seen - wanted).abs() < slack, "{policy:?} {weights:?} {counts:?} {is_even}");
        }
    }

    /// The share of hosts that sit out stays within its limit, whatever happens.
    #[test]
    fn never_more_sit_out_than_allowed(
        limit in 0_u32..=100,
        events in proptest::collection::vec((0_usize..6, any::<bool>(), 0_u64..5), 0..300),
    ) {
        let outlier = cluster(|c| c.outlier_detection = Some(proto::OutlierDetection {
            consecutive_5xx: Some(2),
            max_ejection_percent: Some(limit),
            ..Default::default()
        }));
        let hosts = (0..6).map(|n| format!("10.0.0.{n}")).collect::<Vec<_>>().join(" ");
        let upstreams = upstreams(&outlier, &endpoints(&[group(0, &hosts)]));
        let upstream = upstreams.of("c").unwrap();
        let mut now = Moment::START;
        for (host, good, wait) in events {
            now = now + Duration::from_secs(wait);
            upstreams.on_wake(now);
            let hosts = upstream.hosts();
            let seat = Seat::new(Arc::clone(&upstream), Arc::clone(&hosts[host]), upstream.lock().outlier_policy(), None);
            upstream.in_use.requests.fetch_add(1, Ordering::Relaxed);
            let status = if good { 200 } else { 500 };
            upstream.on_outcome(now, &seat, &Outcome::Response { status, headers: &[] });
            let out = hosts.iter().filter(|host| host.is_ejected()).count();
            prop_assert!(out * 100 <= usize::try_from(limit).unwrap() * 6, "{out} of 6 at {limit} %");
        }
    }
}

#[test]
fn a_cluster_of_names_looks_up_what_a_request_names() {
    use xds::dynamic::{ClusterConfig, DnsCacheConfig, cluster_config};
    let config = ClusterConfig {
        cluster_implementation_specifier: Some(
            cluster_config::ClusterImplementationSpecifier::DnsCacheConfig(DnsCacheConfig {
                name: "d".into(),
                dns_lookup_family: proto::cluster::DnsLookupFamily::V4Only.into(),
                max_hosts: Some(2),
                ..Default::default()
            }),
        ),
        ..Default::default()
    };
    let named = cluster(|c| {
        c.cluster_discovery_type =
            Some(ClusterDiscoveryType::ClusterType(proto::cluster::CustomClusterType {
                name: "envoy.clusters.dynamic_forward_proxy".into(),
                typed_config: Some(wkt::Any::pack(&config)),
            }));
        c.lb_policy = proto::cluster::LbPolicy::ClusterProvided.into();
    });
    let upstreams = upstreams(&named, &endpoints(&[]));
    let upstream = upstreams.of("c").unwrap();
    let to = |authority: &str| {
        let attempt = attempt(None).to(crate::cluster::Named::read(authority, 80));
        let picked = upstream.pick(Moment::START, &permit(), &attempt, &mut Dice::seeded(1));
        picked.map(|seat| seat.host().address_text().to_owned())
    };
    assert_eq!(to("a.example"), Err(Refusal::NotResolved));
    let asked = upstreams.lookups();
    assert_eq!((asked.len(), asked[0].name.as_str(), asked[0].respect_ttl), (1, "a.example", true));
    upstreams.resolved(Moment::START, "c", "a.example", &["10.0.0.1".parse().unwrap()]);
    assert_eq!(to("a.example").as_deref(), Ok("10.0.0.1:80"));
    assert_eq!(to("A.example:80").as_deref(), Ok("10.0.0.1:80"));
    // A failure is heard of too, and mended by the next answer.
    assert_eq!(to("b.example"), Err(Refusal::NotResolved));
    upstreams.unresolved(Moment::START, "c", "b.example");
    assert_eq!(to("b.example"), Err(Refusal::NotResolved));
    upstreams.resolved(Moment::START, "c", "b.example", &["10.0.0.2".parse().unwrap()]);
    assert_eq!(to("b.example").as_deref(), Ok("10.0.0.2:80"));
    assert_eq!(to("c.example"), Err(Refusal::TooManyNames));
    // Names that nobody asks for are forgotten, and their hosts with them.
    assert_eq!(upstream.hosts().len(), 2);
    upstreams.on_wake(Moment::START + Duration::from_secs(300));
    assert_eq!(upstream.hosts().len(), 0);
    assert_eq!(upstreams.lookups(), []);
}
