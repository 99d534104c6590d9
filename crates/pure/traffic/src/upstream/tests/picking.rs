//! New hosts, tried priorities, places and limits of one host.

use proto::cluster::{
    CommonLbConfig, LbConfig, LbPolicy, LeastRequestLbConfig, RoundRobinLbConfig, SlowStartConfig,
    common_lb_config::{LocalityConfigSpecifier, LocalityWeightedLbConfig},
};

use super::*;

fn at(seconds: u64) -> Moment {
    Moment::START + Duration::from_secs(seconds)
}

fn warming(config: fn(Option<SlowStartConfig>) -> LbConfig, policy: LbPolicy) -> Arc<Cluster> {
    cluster(|c| {
        c.lb_policy = policy.into();
        c.lb_config = Some(config(Some(SlowStartConfig {
            slow_start_window: Some(wkt::Duration { seconds: 100, nanos: 0 }),
            ..Default::default()
        })));
    })
}

fn in_turn() -> Arc<Cluster> {
    let config =
        |slow_start_config| LbConfig::RoundRobinLbConfig(RoundRobinLbConfig { slow_start_config });
    warming(config, LbPolicy::RoundRobin)
}

/// Percent of picks at this moment that go to the host, when each request ends at once.
fn share(upstream: &Arc<Upstream>, now: Moment, ip: &str) -> u32 {
    let mut dice = Dice::seeded(7);
    let mut hits = 0;
    for _ in 0..10_000 {
        let seat = upstream.pick(now, &permit(), &attempt(None), &mut dice).unwrap();
        hits += u32::from(seat.host().address().socket().unwrap().ip().to_string() == ip);
    }
    hits / 100
}

#[test]
fn a_new_host_begins_with_a_little() {
    let least = |slow_start_config| {
        LbConfig::LeastRequestLbConfig(LeastRequestLbConfig {
            slow_start_config,
            ..Default::default()
        })
    };
    for slow in [in_turn(), warming(least, LbPolicy::LeastRequest)] {
        let upstreams = upstreams(&slow, &endpoints(&[group(0, "10.0.0.1")]));
        let upstream = upstreams.of("c").unwrap();
        let both = endpoints(&[group(0, "10.0.0.1 10.0.0.2")]);
        upstreams.sync(at(1000), &table(&slow, &both));
        // Its share is its factor by the sum: 10 % of one weight at first, then the part of the window that is over.
        for (after, expected) in [(0, 9), (5, 9), (25, 20), (50, 33), (75, 42), (100, 50)] {
            let share = share(&upstream, at(1000 + after), "10.0.0.2");
            assert!(share.abs_diff(expected) <= 1, "{after} s: {share} %");
        }
    }
}

#[test]
fn hosts_that_begin_together_share_evenly() {
    let hosts = endpoints(&[group(0, "10.0.0.1 10.0.0.2")]);
    let upstream = upstreams(&in_turn(), &hosts).of("c").unwrap();
    assert_eq!(share(&upstream, at(3), "10.0.0.1"), 50);
}

#[test]
fn a_host_is_new_from_when_it_is_healthy() {
    let slow = in_turn();
    let upstreams = upstreams(&slow, &endpoints(&[group(0, "10.0.0.1 10.0.0.2!")]));
    let upstream = upstreams.of("c").unwrap();
    let well = endpoints(&[group(0, "10.0.0.1 10.0.0.2")]);
    upstreams.sync(at(500), &table(&slow, &well));
    assert!(share(&upstream, at(500), "10.0.0.2") <= 10);
    assert!(share(&upstream, at(600), "10.0.0.2").abs_diff(50) <= 1);
    // Being unhealthy for a while makes nobody new.
    upstreams.sync(at(700), &table(&slow, &endpoints(&[group(0, "10.0.0.1 10.0.0.2!")])));
    upstreams.sync(at(710), &table(&slow, &well));
    assert!(share(&upstream, at(710), "10.0.0.2").abs_diff(50) <= 1);
}

#[test]
fn retries_leave_the_priorities_that_were_tried() {
    let hosts = endpoints(&[
        group(0, "10.0.0.1 10.0.0.2 10.0.0.3"),
        group(1, "10.1.0.1"),
        group(2, "10.2.0.1"),
    ]);
    let upstream = upstreams(&cluster(|_| ()), &hosts).of("c").unwrap();
    let bad = Outcome::Response { status: 503, headers: &[] };
    let walk = |every: u32| {
        let policy = RetryPolicy {
            on: RetryOn::parse("5xx"),
            num_retries: 7,
            previous_priorities: Some(every),
            ..RetryPolicy::default()
        };
        let mut dice = Dice::seeded(1);
        let mut attempt = Attempt::first(Moment::START, Some(Arc::new(policy)), None, None);
        let mut seen = String::new();
        loop {
            let seat = upstream.pick(Moment::START, &permit(), &attempt, &mut dice).unwrap();
            seen.push_str(&seat.host().priority().to_string());
            match attempt.next(&bad, Some(&seat), &upstream, &mut dice) {
                Next::Done(_) => return seen,
                Next::Again { attempt: next, .. } => attempt = next,
            }
        }
    };
    // When all were tried it begins anew.
    assert_eq!(walk(1), "01201201");
    assert_eq!(walk(2), "00112200");
}

fn weighted(threshold: f64) -> Arc<Cluster> {
    cluster(|c| {
        c.common_lb_config = Some(CommonLbConfig {
            locality_config_specifier: Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(
                LocalityWeightedLbConfig {},
            )),
            healthy_panic_threshold: Some(xds::kind::Percent { value: threshold }),
            ..Default::default()
        });
    })
}

fn place(weight: Option<u32>, hosts: &str) -> endpoint::LocalityLbEndpoints {
    endpoint::LocalityLbEndpoints { load_balancing_weight: weight, ..group(0, hosts) }
}

#[test]
fn a_place_that_loses_hosts_loses_its_share() {
    let hosts = endpoints(&[
        place(Some(50), "10.0.0.1 10.0.0.2! 10.0.0.3! 10.0.0.4!"),
        place(Some(50), "10.1.0.1 10.1.0.2 10.1.0.3 10.1.0.4"),
    ]);
    let upstream = upstreams(&weighted(0.0), &hosts).of("c").unwrap();
    // A quarter, overprovisioned by 1.4: 35 of 50, by 85 of 100.
    assert!(share(&upstream, at(0), "10.0.0.1").abs_diff(26) <= 1);
}

#[test]
fn in_panic_and_without_weights_places_do_not_count() {
    let sick = [place(Some(99), "10.0.0.1!"), place(Some(1), "10.1.0.1! 10.1.0.2! 10.1.0.3!")];
    let upstream = upstreams(&weighted(50.0), &endpoints(&sick)).of("c").unwrap();
    assert_eq!(share(&upstream, at(0), "10.0.0.1"), 25);
    let unweighted = [place(None, "10.0.0.1"), place(None, "10.1.0.1 10.1.0.2 10.1.0.3")];
    let upstream = upstreams(&weighted(50.0), &endpoints(&unweighted)).of("c").unwrap();
    assert_eq!(share(&upstream, at(0), "10.0.0.1"), 25);
}

#[test]
fn one_host_has_a_limit_of_its_own() {
    let limited = cluster(|c| {
        c.circuit_breakers = Some(proto::CircuitBreakers {
            per_host_thresholds: vec![proto::circuit_breakers::Thresholds {
                max_connections: Some(2),
                ..Default::default()
            }],
            ..Default::default()
        });
    });
    let hosts = endpoints(&[group(0, "10.0.0.1 10.0.0.2")]);
    let upstream = upstreams(&limited, &hosts).of("c").unwrap();
    let mut dice = Dice::seeded(1);
    let (first, second) =
        (pick(&upstream, None, &mut dice).unwrap(), pick(&upstream, None, &mut dice).unwrap());
    assert_ne!(first.host().id(), second.host().id());
    let held = (first.connect().unwrap(), first.connect().unwrap());
    assert_eq!(first.connect().unwrap_err(), Refusal::Overflow);
    assert!(second.connect().is_ok());
    drop(held);
    assert!(first.connect().is_ok());
}

#[test]
fn a_new_limit_holds_for_connections_that_are_open_already() {
    let limited = cluster(|c| {
        c.circuit_breakers = Some(proto::CircuitBreakers {
            thresholds: vec![proto::circuit_breakers::Thresholds {
                max_connections: Some(1),
                ..Default::default()
            }],
            ..Default::default()
        });
    });
    let hosts = endpoints(&[group(0, "10.0.0.1")]);
    let all = upstreams(&cluster(|_| {}), &hosts);
    let upstream = all.of("c").unwrap();
    let seat = pick(&upstream, None, &mut Dice::seeded(1)).unwrap();
    let (first, second) = (seat.connect().unwrap(), seat.connect().unwrap());
    assert!(!first.is_surplus());
    all.sync(Moment::START, &table(&limited, &hosts));
    assert!(first.is_surplus() && second.is_surplus());
    drop(first);
    assert!(!second.is_surplus(), "a host keeps its last");
}

#[test]
fn destinations_that_clients_name_are_bounded() {
    let original = cluster(|c| {
        c.cluster_discovery_type = Some(ClusterDiscoveryType::Type(4));
        c.lb_policy = LbPolicy::ClusterProvided.into();
    });
    let upstream = upstreams(&original, &endpoints(&[])).of("c").unwrap();
    let mut dice = Dice::seeded(1);
    let mut go = |n: u32| {
        let to = std::net::SocketAddr::new(std::net::Ipv4Addr::from(n).into(), 80);
        let attempt = Attempt::first(Moment::START, None, None, Some(to));
        upstream.pick(Moment::START, &permit(), &attempt, &mut dice).map(|_| ())
    };
    for n in 0..65_536 {
        go(n).unwrap();
    }
    assert_eq!(go(1 << 20), Err(Refusal::NoHealthyHost));
    assert_eq!(go(7), Ok(()), "who is known stays");
    upstream.lock().on_wake(at(10), upstream.stats());
    assert_eq!(upstream.hosts().len(), 0);
}

#[test]
fn names_are_awaited_until_something_is_heard() {
    let named = cluster(|c| {
        c.cluster_discovery_type = Some(ClusterDiscoveryType::Type(1));
        c.dns_failure_refresh_rate = Some(proto::cluster::RefreshRate {
            base_interval: Some(wkt::Duration { seconds: 2, nanos: 0 }),
            ..Default::default()
        });
        c.load_assignment = Some(endpoint::ClusterLoadAssignment {
            endpoints: vec![group(0, "one.example two.example")],
            ..Default::default()
        });
    });
    let hosts = named.endpoints.clone().unwrap();
    let upstreams = upstreams(&named, &hosts);
    let upstream = upstreams.of("c").unwrap();
    let any = attempt(None);
    assert_eq!(upstreams.lookups()[0].failure_refresh, Duration::from_secs(2));
    assert!(upstream.awaits_names(&any));
    upstreams.resolved(Moment::START, "c", "one.example", &["10.0.0.1".parse().unwrap()]);
    assert!(upstream.awaits_names(&any));
    upstreams.unresolved(Moment::START, "c", "two.example");
    assert!(!upstream.awaits_names(&any));
    // Who is known stays when no server answers.
    upstreams.unresolved(Moment::START, "c", "one.example");
    assert_eq!(upstream.hosts().len(), 1);
}
