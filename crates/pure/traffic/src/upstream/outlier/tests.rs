//! Scripts for outlier detection: lines of a time, an event, and what it must cause.

use super::*;
use crate::{
    cluster::{Endpoint, Health, Place},
    head::Header,
};

fn seconds(n: i64) -> Option<wkt::Duration> {
    Some(wkt::Duration { seconds: n, nanos: 0 })
}

/// Istio's defaults but for the share that may sit out.
fn all_may_go() -> proto::OutlierDetection {
    proto::OutlierDetection {
        max_ejection_percent: Some(100),
        enforcing_success_rate: Some(0),
        ..Default::default()
    }
}

/// Plays a script. Hosts are letters; an event is `<host> <status>`, `<host> connect` for a failed connection, `<host> gone`
/// for a cancelled request, `<host> <status> xN` for N times the same, or `wake`.
#[track_caller]
fn check(config: &proto::OutlierDetection, hosts: &str, script: &str) {
    let policy = OutlierPolicy::compile(config).unwrap();
    let mut outlier = Outlier::new(policy, 1);
    let stats = Stats::default();
    let hosts: Vec<(char, Arc<Host>)> =
        hosts.chars().map(|name| (name, Arc::new(host(name)))).collect();
    let all: Vec<Arc<Host>> = hosts.iter().map(|(_, host)| Arc::clone(host)).collect();
    let out = || -> String {
        hosts.iter().filter(|(_, host)| host.is_ejected()).map(|(name, _)| *name).collect()
    };
    outlier.on_wake(Moment::START, &all, &stats);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (event, expected) = line.split_once("->").unwrap_or((line, "="));
        let before = out();
        let words: Vec<&str> = event.split_whitespace().collect();
        let second: u64 = words[0].trim_end_matches('s').parse().unwrap();
        let now = Moment::START + Duration::from_secs(second);
        let times = words.get(3).map_or(1, |times| times[1..].parse().unwrap());
        if words[1] == "wake" {
            outlier.on_wake(now, &all, &stats);
        } else {
            let name = words[1].chars().next().unwrap();
            let host = &hosts.iter().find(|(other, _)| *other == name).unwrap().1;
            for _ in 0..times {
                let outcome = outcome(words[2]);
                let reasons = host.monitor.note(&outlier.policy, &outcome);
                for reason in reasons.into_iter().flatten() {
                    outlier.eject(now, &all, host, reason, &stats);
                }
            }
        }
        let expected = match expected.trim() {
            "=" => before,
            "none out" => String::new(),
            expected => expected.trim_end_matches(" out").to_owned(),
        };
        assert_eq!(out(), expected, "at line: {line}");
    }
}

fn outcome(word: &str) -> Outcome<'static> {
    match word {
        "connect" => Outcome::Fault(Fault::ConnectFailed { reason: "".into() }),
        "gone" => Outcome::Cancelled,
        "overflow" => Outcome::Fault(Fault::Overflow),
        "grpc-unavailable" => Outcome::Response {
            status: 200,
            headers: &[Header { name: "grpc-status", value: b"14" }],
        },
        status => Outcome::Response { status: status.parse().unwrap(), headers: &[] },
    }
}

fn host(name: char) -> Host {
    let endpoint = Endpoint {
        host: String::new(),
        port: 80,
        hostname: name.to_string(),
        weight: 1,
        health: Health::Healthy,
        metadata: None,
    };
    let address: std::net::SocketAddr = "10.0.0.1:80".parse().unwrap();
    Host::new(address.into(), &endpoint, &Place::default())
}

#[test]
fn five_in_a_row_put_a_host_out_and_any_success_begins_anew() {
    check(
        &all_may_go(),
        "ab",
        "
         0s a 500 x4
         0s a 200
         0s a 500 x4
         0s b 503 x4
         0s a 404
         0s a 500 x4
         0s a 503        -> a out
        ",
    );
}

#[test]
fn time_out_is_base_times_count_rounded_up_to_the_interval() {
    check(
        &all_may_go(),
        "ab",
        "
          1s a 500 x5    -> a out
         10s wake
         20s wake
         30s wake
         40s wake        -> none out
         41s a 500 x5    -> a out
         50s wake
         100s wake
         101s wake
         110s wake       -> none out
        ",
    );
}

#[test]
fn the_count_falls_by_one_for_each_interval_of_health() {
    check(
        &all_may_go(),
        "ab",
        "
          1s a 500 x5    -> a out
         31s wake        -> none out
         32s a 500 x5    -> a out
         92s wake        -> none out
        102s wake
        112s wake
        113s a 500 x5    -> a out
        123s wake
        143s wake        -> none out
        ",
    );
}

#[test]
fn the_longest_time_is_a_limit() {
    let config = proto::OutlierDetection {
        base_ejection_time: seconds(30),
        max_ejection_time: seconds(45),
        ..all_may_go()
    };
    check(
        &config,
        "ab",
        "
          1s a 500 x5    -> a out
         31s wake        -> none out
         32s a 500 x5    -> a out
         76s wake
         86s wake        -> none out
         87s a 500 x5    -> a out
         131s wake
         141s wake       -> none out
        ",
    );
}

#[test]
fn with_ten_percent_nothing_happens_below_ten_hosts() {
    let config = proto::OutlierDetection { max_ejection_percent: None, ..all_may_go() };
    check(&config, "abcdefghi", "0s a 500 x50");
    check(
        &config,
        "abcdefghij",
        "
        0s a 500 x5     -> a out
        0s b 500 x50
        ",
    );
}

#[test]
fn one_host_always_goes_where_that_is_set() {
    let config = proto::OutlierDetection {
        max_ejection_percent: None,
        always_eject_one_host: Some(true),
        ..all_may_go()
    };
    check(
        &config,
        "ab",
        "
        0s a 500 x5     -> a out
        0s b 500 x5
        ",
    );
}

#[test]
fn half_of_three_is_one() {
    let config = proto::OutlierDetection { max_ejection_percent: Some(50), ..all_may_go() };
    check(
        &config,
        "abc",
        "
        0s a 500 x5     -> a out
        0s b 500 x5
        30s wake        -> none out
        30s b 500 x5    -> b out
        ",
    );
}

#[test]
fn gateway_errors_count_apart_when_enforced() {
    let config = proto::OutlierDetection {
        consecutive_5xx: Some(0),
        consecutive_gateway_failure: Some(3),
        enforcing_consecutive_gateway_failure: Some(100),
        ..all_may_go()
    };
    check(
        &config,
        "ab",
        "
        0s a 500 x20
        0s a 503 x2
        0s a 500
        0s a 502
        0s a 504
        0s a 503        -> a out
        ",
    );
}

#[test]
fn a_failed_connection_counts_as_503_unless_split() {
    check(&all_may_go(), "ab", "0s a connect x5 -> a out");
    let split = proto::OutlierDetection {
        split_external_local_origin_errors: true,
        consecutive_local_origin_failure: Some(2),
        ..all_may_go()
    };
    check(
        &split,
        "ab",
        "
        0s a connect
        0s a 500 x4
        0s a connect
        0s a connect    -> a out
        ",
    );
}

#[test]
fn what_says_nothing_about_the_host_counts_nothing() {
    check(
        &all_may_go(),
        "ab",
        "
        0s a 500 x4
        0s a gone x9
        0s a overflow x9
        0s a 500        -> a out
        ",
    );
}

#[test]
fn a_grpc_status_counts_as_its_http_status() {
    check(&all_may_go(), "ab", "0s a grpc-unavailable x5 -> a out");
}

#[test]
fn a_host_much_worse_than_the_others_goes_out() {
    let config = proto::OutlierDetection {
        consecutive_5xx: Some(0),
        max_ejection_percent: Some(100),
        success_rate_minimum_hosts: Some(5),
        success_rate_request_volume: Some(100),
        ..Default::default()
    };
    check(
        &config,
        "abcde",
        "
        1s a 500 x50
        1s a 200 x50
        1s b 200 x100
        1s c 200 x100
        1s d 200 x100
        1s e 200 x100
        10s wake        -> a out
        20s wake
        30s wake
        40s wake        -> none out
        ",
    );
}

#[test]
fn a_share_of_failures_above_the_threshold_puts_a_host_out() {
    let config = proto::OutlierDetection {
        consecutive_5xx: Some(0),
        enforcing_success_rate: Some(0),
        enforcing_failure_percentage: Some(100),
        failure_percentage_threshold: Some(60),
        failure_percentage_minimum_hosts: Some(2),
        failure_percentage_request_volume: Some(10),
        max_ejection_percent: Some(100),
        ..Default::default()
    };
    check(
        &config,
        "ab",
        "
        1s a 500 x6
        1s a 200 x4
        1s b 500 x5
        1s b 200 x5
        10s wake        -> a out
        ",
    );
}

#[test]
fn enforcing_zero_percent_only_counts() {
    let config = proto::OutlierDetection { enforcing_consecutive_5xx: Some(0), ..all_may_go() };
    check(&config, "ab", "0s a 500 x50");
}

#[test]
fn wrong_values_are_refused() {
    let config = proto::OutlierDetection { interval: seconds(0), ..Default::default() };
    assert_eq!(OutlierPolicy::compile(&config).unwrap_err().field, "interval");
    let config = proto::OutlierDetection { interval: seconds(-1), ..Default::default() };
    assert!(OutlierPolicy::compile(&config).is_err());
}

#[test]
fn time_out_may_double_instead() {
    let policy = OutlierPolicy::compile(&all_may_go()).unwrap();
    let mut outlier = Outlier::new(OutlierPolicy { growth: Growth::Exponential, ..policy }, 1);
    let stats = Stats::default();
    let all: Vec<Arc<Host>> = ['a', 'b'].map(|name| Arc::new(host(name))).into();
    outlier.on_wake(Moment::START, &all, &stats);
    let mut second = 1;
    let mut lengths = Vec::new();
    for _ in 0..6 {
        let now = Moment::START + Duration::from_secs(second);
        assert!(outlier.eject(now, &all, &all[0], Reason::Consecutive5xx, &stats));
        let began = second;
        while all[0].is_ejected() {
            second += 1;
            outlier.on_wake(Moment::START + Duration::from_secs(second), &all, &stats);
        }
        // Intervals of 10 s: it comes back at the end of one.
        lengths.push((second - began) / 10 * 10);
        second += 1;
    }
    assert_eq!(lengths, [30, 60, 120, 240, 300, 300]);
}
