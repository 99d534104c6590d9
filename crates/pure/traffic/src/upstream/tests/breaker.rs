//! The breaker of a cluster as requests meet it.

use serde_json::json;

use super::*;
use crate::cluster::Fallback;

fn extras(document: &serde_json::Value) -> Option<core::Metadata> {
    let extras = wkt::Struct::from(document.as_object().unwrap());
    let filter_metadata = BTreeMap::from([("lateen".to_owned(), extras)]);
    Some(core::Metadata { filter_metadata, ..Default::default() })
}

fn with(document: &serde_json::Value) -> Arc<Cluster> {
    cluster(|cluster| cluster.metadata = extras(document))
}

fn pick_at(upstream: &Arc<Upstream>, now: u64) -> Result<Seat, Refusal> {
    let now = Moment::START + Duration::from_secs(now);
    upstream.pick(now, &permit(), &attempt(None), &mut Dice::seeded(1))
}

fn end_at(upstream: &Arc<Upstream>, now: u64, status: u16) {
    let seat = pick_at(upstream, now).unwrap();
    let outcome = Outcome::Response { status, headers: &[] };
    upstream.on_outcome(Moment::START + Duration::from_secs(now), &seat, &outcome);
}

#[test]
fn an_open_breaker_gives_no_seat_and_a_good_trial_gives_all_back() {
    let breaker = json!({"errors": 2, "within_ms": 10_000, "open_for_ms": 20_000});
    let cluster = with(&json!({"breaker": breaker}));
    let upstream = upstreams(&cluster, &endpoints(&[group(0, "10.0.0.1")])).of("c").unwrap();
    end_at(&upstream, 0, 200);
    end_at(&upstream, 0, 500);
    end_at(&upstream, 1, 503);
    assert_eq!(pick_at(&upstream, 1).unwrap_err(), Refusal::BreakerOpen);
    assert_eq!(pick_at(&upstream, 20).unwrap_err(), Refusal::BreakerOpen);
    // Dropped without an outcome, a trial may be made again; and only one is made at once.
    drop(pick_at(&upstream, 21).unwrap());
    let trial = pick_at(&upstream, 21).unwrap();
    assert_eq!(pick_at(&upstream, 21).unwrap_err(), Refusal::BreakerOpen);
    let good = Outcome::Response { status: 200, headers: &[] };
    upstream.on_outcome(Moment::START + Duration::from_secs(21), &trial, &good);
    drop(trial);
    end_at(&upstream, 21, 200);
    let stats = upstream.stats();
    let counted = [&stats.breaker_opened, &stats.breaker_closed, &stats.breaker_refused];
    assert_eq!(counted.map(Counter::value), [1, 1, 3]);
    assert_eq!((stats.breaker_trials.value(), stats.breaker_open.value()), (2, 0));
}

#[test]
fn a_trial_that_finds_no_host_is_given_back() {
    let breaker = json!({"errors": 1, "within_ms": 1000, "open_for_ms": 1000});
    let cluster = with(&json!({"breaker": breaker}));
    let upstreams = upstreams(&cluster, &endpoints(&[group(0, "10.0.0.1")]));
    let upstream = upstreams.of("c").unwrap();
    end_at(&upstream, 0, 500);
    upstreams.sync(Moment::START, &table(&cluster, &endpoints(&[])));
    for _ in 0..3 {
        assert_eq!(pick_at(&upstream, 1).unwrap_err(), Refusal::NoHealthyHost);
    }
    upstreams.sync(Moment::START, &table(&cluster, &endpoints(&[group(0, "10.0.0.1")])));
    end_at(&upstream, 1, 200);
    assert_eq!(upstream.stats().breaker_open.value(), 0);
}

#[test]
fn a_change_of_hosts_leaves_it_open_and_its_removal_closes_it() {
    let breaker = json!({"errors": 1, "within_ms": 1000});
    let hosts = endpoints(&[group(0, "10.0.0.1")]);
    let upstreams = upstreams(&with(&json!({"breaker": breaker})), &hosts);
    let upstream = upstreams.of("c").unwrap();
    end_at(&upstream, 0, 500);
    let other = endpoints(&[group(0, "10.0.0.2")]);
    upstreams.sync(Moment::START, &table(&with(&json!({"breaker": breaker})), &other));
    assert_eq!(pick_at(&upstream, 0).unwrap_err(), Refusal::BreakerOpen);
    assert_eq!(upstream.stats().breaker_open.value(), 1);
    upstreams.sync(Moment::START, &table(&with(&json!({})), &other));
    end_at(&upstream, 0, 500);
    assert_eq!(upstream.stats().breaker_open.value(), 0);
}

#[test]
fn only_refusals_have_a_fallback() {
    let cluster = with(&json!({"fallback": {"cluster": "other"}}));
    let upstream = upstreams(&cluster, &endpoints(&[])).of("c").unwrap();
    for fault in [Fault::BreakerOpen, Fault::NoHealthyUpstream] {
        let fallback = upstream.fallback(&fault).unwrap();
        assert_eq!(*fallback, Fallback::Cluster("other".into()));
    }
    for fault in [Fault::Overflow, Fault::Timeout, Fault::ConnectTimeout, Fault::NoCluster] {
        assert_eq!(upstream.fallback(&fault), None, "{fault:?}");
    }
    let plain = upstreams(&with(&json!({})), &endpoints(&[])).of("c").unwrap();
    assert_eq!(plain.fallback(&Fault::NoHealthyUpstream), None);
}

#[test]
fn bad_extras_are_refused_by_their_path() {
    let said = |document: serde_json::Value| {
        let mut cluster = proto::Cluster {
            name: "c".into(),
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(3)),
            ..Default::default()
        };
        cluster.metadata = extras(&document);
        Cluster::compile(&cluster).unwrap_err().field
    };
    let breaker = said(json!({"breaker": {"errors": -1}}));
    assert_eq!(breaker, "metadata.filter_metadata[lateen].breaker.errors");
    let ejection = said(json!({"ejection": {"growth": "wild"}}));
    assert_eq!(ejection, "metadata.filter_metadata[lateen].ejection.growth");
    assert_eq!(said(json!({"sails": {}})), "metadata.filter_metadata[lateen].sails");
}
