//! Scripts for the breaker: lines of a time, an event, and what becomes of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::head::Header;

fn policy(document: &Value) -> Arc<BreakerPolicy> {
    let fields = wkt::Struct::from(document.as_object().unwrap());
    Arc::new(BreakerPolicy::compile(&fields).unwrap())
}

fn at(millis: u64) -> Moment {
    Moment::START + Duration::from_millis(millis)
}

/// Plays a script. An event is `good` or `bad` for a request that ends at once, with `xN` for N of them; or `enter A` for one
/// that stays, and `A good`, `A bad` or `A gone` for its end. What follows the arrow is `sent`, `trial`, `refused`, or the
/// state after it: `closed`, `open`, `trying`.
#[track_caller]
fn check(document: &Value, script: &str) -> Breaker {
    let stats = Stats::default();
    let mut breaker = Breaker::new(policy(document));
    let mut inside: Vec<(&str, Admission)> = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (event, expected) = line.split_once("->").unwrap_or((line, ""));
        let words: Vec<&str> = event.split_whitespace().collect();
        let seconds: f64 = words[0].trim_end_matches('s').parse().unwrap();
        let now = Moment::START + Duration::from_secs_f64(seconds);
        let told = |admission: &Option<Admission>| match admission {
            None => "refused",
            Some(admission) if admission.ticket.on_trial => "trial",
            Some(_) => "sent",
        };
        let mut became = "";
        match words[1..] {
            ["enter", name] => {
                let admission = breaker.admit(now, &stats);
                became = told(&admission);
                inside.extend(admission.map(|admission| (name, admission)));
            }
            [how @ ("good" | "bad"), ref times @ ..] => {
                let times = times.first().map_or(1, |times| times[1..].parse().unwrap());
                for _ in 0..times {
                    let admission = breaker.admit(now, &stats);
                    became = told(&admission);
                    if let Some(admission) = admission {
                        breaker.settle(now, admission.ticket, how == "good", &stats);
                    }
                }
            }
            [name, how] => {
                let place = inside.iter().position(|(other, _)| *other == name).unwrap();
                let (_, admission) = inside.remove(place);
                match how {
                    "gone" => breaker.release(admission.ticket),
                    _ => breaker.settle(now, admission.ticket, how == "good", &stats),
                }
            }
            _ => panic!("{line}"),
        }
        let state = match breaker.phase {
            Phase::Closed => "closed",
            Phase::Open { .. } => "open",
            Phase::Trying { .. } => "trying",
        };
        for expected in expected.split_whitespace() {
            assert!(expected == state || expected == became, "{line}: {became} {state}");
        }
        let is_open = u64::from(state != "closed");
        assert_eq!(stats.breaker_open.value(), is_open, "the gauge, at {line}");
    }
    breaker
}

fn five_in_ten() -> Value {
    json!({"errors": 5, "within_ms": 10_000, "open_for_ms": 30_000})
}

#[test]
fn it_opens_at_the_last_of_so_many_errors_and_not_before() {
    check(
        &five_in_ten(),
        "
        0s bad x4       -> sent closed
        9s good x100    -> sent closed
        10s bad         -> sent open
        10s good        -> refused open
        39.999s good    -> refused open
        40s good        -> trial closed
        40s bad x4      -> closed
        40s bad         -> open
        ",
    );
}

#[test]
fn the_window_slides() {
    check(
        &five_in_ten(),
        "
        0s bad          -> closed
        1s bad x3       -> closed
        10.001s bad     -> closed
        11s bad         -> open
        ",
    );
}

#[test]
fn a_share_is_that_of_the_last_requests_once_there_are_enough() {
    check(
        &json!({"share_thousandths": 50_000, "of": 10}),
        "
        0s bad x9       -> closed
        0s bad          -> open
        ",
    );
    check(
        &json!({"share_thousandths": 50_000, "of": 10}),
        "
        0s bad x4       -> closed
        0s good x6      -> closed
        1s bad x3       -> closed
        2s good x100    -> closed
        3s bad x4       -> closed
        900s bad        -> open
        ",
    );
}

#[test]
fn either_of_both_opens_it() {
    let both = json!({"errors": 3, "within_ms": 1000, "share_thousandths": 100_000, "of": 4});
    check(&both, "0s bad x2 -> closed\n 1s bad -> open");
    check(&both, "0s bad x2 -> closed\n 2s bad -> closed\n 4s bad -> open");
}

#[test]
fn a_trial_that_fails_opens_it_for_longer() {
    check(
        &json!({"errors": 1, "within_ms": 1000, "open_for_ms": 10_000, "max_open_for_ms": 60_000}),
        "
        0s bad          -> sent open
        9.9s bad        -> refused
        10s bad         -> trial open
        29.9s bad       -> refused
        30s bad         -> trial open
        69.9s bad       -> refused
        70s bad         -> trial open
        129.9s bad      -> refused
        130s good       -> trial closed
        130s bad        -> sent open
        139.9s bad      -> refused
        140s good       -> trial closed
        ",
    );
    check(
        &json!({"errors": 1, "within_ms": 1000, "open_for_ms": 10_000, "growth": "linear"}),
        "
        0s bad          -> sent open
        10s bad         -> trial open
        30s bad         -> trial open
        59.9s bad       -> refused
        60s good        -> trial closed
        ",
    );
}

#[test]
fn while_trials_are_made_nobody_else_is_let_through() {
    check(
        &json!({"errors": 1, "within_ms": 1000, "open_for_ms": 10_000, "trials": 2}),
        "
        0s bad          -> open
        10s enter a     -> trial trying
        10s enter b     -> trial trying
        10s enter c     -> refused trying
        11s a good      -> trying
        11s enter d     -> refused trying
        12s b good      -> closed
        ",
    );
}

#[test]
fn who_was_let_in_before_has_no_say_after() {
    check(
        &json!({"errors": 1, "within_ms": 1000, "open_for_ms": 10_000}),
        "
        0s enter old    -> sent
        0s enter older  -> sent
        0s bad          -> open
        1s old good     -> open
        10s enter a     -> trial
        10s older bad   -> trying
        11s a good      -> closed
        ",
    );
}

#[test]
fn a_client_that_leaves_gives_its_trial_back() {
    check(
        &json!({"errors": 1, "within_ms": 1000, "open_for_ms": 10_000}),
        "
        0s bad          -> open
        10s enter a     -> trial
        10s enter b     -> refused
        11s a gone      -> trying
        11s good        -> trial closed
        ",
    );
}

#[test]
fn a_trial_that_never_ends_is_not_waited_for() {
    check(
        &json!({"errors": 1, "within_ms": 1000, "open_for_ms": 10_000}),
        "
        0s bad          -> open
        10s enter a     -> trial
        19.9s enter b   -> refused
        20s enter b     -> trial trying
        21s a bad       -> trying
        21s b good      -> closed
        ",
    );
}

#[test]
fn another_policy_leaves_an_open_breaker_open() {
    let mut breaker = check(&five_in_ten(), "0s bad x5 -> open");
    let stats = Stats::default();
    breaker.obey(policy(&json!({"errors": 2, "within_ms": 1000, "open_for_ms": 5000})));
    assert!(breaker.admit(at(29_999), &stats).is_none());
    let trial = breaker.admit(at(30_000), &stats).unwrap();
    breaker.settle(at(30_000), trial.ticket, true, &stats);
    for _ in 0..2 {
        let sent = breaker.admit(at(31_000), &stats).unwrap();
        breaker.settle(at(31_000), sent.ticket, false, &stats);
    }
    assert!(breaker.admit(at(35_999), &stats).is_none());
    assert!(breaker.admit(at(36_000), &stats).is_some());
}

#[test]
fn what_counts_is_what_the_policy_names() {
    let refused = Outcome::Fault(Fault::ConnectFailed { reason: "".into() });
    let late = Outcome::Fault(Fault::PerTryTimeout);
    let status = |status| Outcome::Response { status, headers: &[] };
    let unavailable = [Header { name: "grpc-status", value: b"14" }];
    let not_found = [Header { name: "grpc-status", value: b"5" }];
    let grpc = |headers| Outcome::Response { status: 200, headers };
    let table: [(&[&str], Outcome<'_>, Option<bool>); 17] = [
        (&["5xx"], status(500), Some(false)),
        (&["5xx"], status(499), Some(true)),
        (&["5xx"], refused.clone(), Some(false)),
        (&["5xx"], late.clone(), Some(false)),
        (&["5xx"], grpc(&unavailable), Some(false)),
        (&["5xx"], grpc(&not_found), Some(true)),
        (&["5xx"], Outcome::Cancelled, None),
        (&["5xx"], Outcome::Fault(Fault::Overflow), None),
        (&["5xx"], Outcome::Fault(Fault::RequestTimeout), None),
        (&["5xx"], Outcome::Connected, Some(true)),
        (&["gateway-error"], status(500), Some(true)),
        (&["gateway-error"], late.clone(), Some(false)),
        (&["connect-failure"], refused.clone(), Some(false)),
        (&["connect-failure"], late, Some(true)),
        (&["connect-failure"], status(503), Some(true)),
        (&["429", "connect-failure"], status(429), Some(false)),
        (&["404"], grpc(&not_found), Some(false)),
    ];
    for (on, outcome, expected) in table {
        let policy = policy(&json!({"errors": 1, "within_ms": 1, "on": on}));
        assert_eq!(policy.judges(&outcome), expected, "{on:?} {outcome:?}");
    }
}

#[test]
fn what_is_no_breaker_is_refused_by_name() {
    for (document, field) in [
        (json!({"errors": 0, "within_ms": 1}), "errors"),
        (json!({"errors": 1001, "within_ms": 1}), "errors"),
        (json!({"errors": 1.5, "within_ms": 1}), "errors"),
        (json!({"errors": 1, "within_ms": 1, "trials": 101}), "trials"),
        (json!({"errors": 1, "within_ms": 1, "growth": "sudden"}), "growth"),
        (json!({"errors": 1, "within_ms": 1, "on": ["3xx"]}), "on"),
        (json!({"errors": 1, "within_ms": 1, "on": ["399"]}), "on"),
        (json!({"errors": 1, "within_ms": 1, "color": "red"}), "color"),
        (json!({"errors": 1}), ""),
        (json!({"open_for_ms": 1}), ""),
        (json!({"share_thousandths": 1, "of": 10_001}), "of"),
    ] {
        let fields = wkt::Struct::from(document.as_object().unwrap());
        assert_eq!(BreakerPolicy::compile(&fields).unwrap_err().field, field, "{document}");
    }
}

#[test]
fn it_says_what_it_does() {
    let said = policy(&five_in_ten()).to_string();
    let text =
        "opens after 5 errors within 10s, for 30s (exponential to 300s); a good trial closes it";
    assert_eq!(said, text);
    let share = json!({"share_thousandths": 12_500, "of": 8, "open_for_ms": 300_000, "trials": 3});
    let text = "opens after 12.5% of 8 requests failed, for 300s; 3 good trials close it";
    assert_eq!(policy(&share).to_string(), text);
}

/// What may happen to a breaker.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// So many milliseconds pass.
    Pass(u64),
    /// Somebody wants in.
    Enter,
    /// Of those inside one ends, well or badly.
    End(usize, bool),
    /// Of those inside one leaves.
    Leave(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (1_u64..8_000).prop_map(Event::Pass),
        6 => Just(Event::Enter),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(which, good)| Event::End(which, good)),
        1 => any::<usize>().prop_map(Event::Leave),
    ]
}

proptest! {
    /// A plain list of all outcomes decides when it opens; the machine with its rings must agree at every step. And whatever
    /// happens: trials are never more than allowed, it is open exactly as long as the growth says, and it closes only after
    /// enough good trials.
    #[test]
    fn it_does_what_a_plain_list_says(
        errors in 1_u32..6, within in 1_u64..20_000, share in 1_u32..=100, of in 1_u32..80,
        which in 0..3, trials in 1_u32..4, exponential in any::<bool>(),
        events in prop::collection::vec(event(), 1..400),
    ) {
        let mut document = json!({"open_for_ms": 5000, "max_open_for_ms": 35_000, "trials": trials,
            "growth": if exponential { "exponential" } else { "linear" }});
        if which != 1 {
            document["errors"] = errors.into();
            document["within_ms"] = within.into();
        }
        if which != 0 {
            document["share_thousandths"] = (share * 1000).into();
            document["of"] = of.into();
        }
        let mut breaker = Breaker::new(policy(&document));
        let stats = Stats::default();
        let mut now = 0;
        let mut inside: Vec<Admission> = Vec::new();
        let mut seen: Vec<(u64, bool)> = Vec::new();
        // Since when it is open, and how often in a row it has been.
        let (mut opened_at, mut times) = (None::<u64>, 0_u32);
        let mut good = 0;
        let length = |times: u32| -> u64 {
            let factor = if exponential { 1 << (times - 1).min(10) } else { times };
            (5000 * u64::from(factor)).min(35_000)
        };
        for event in events {
            match event {
                Event::Pass(millis) => now += millis,
                Event::Enter => {
                    let admission = breaker.admit(at(now), &stats);
                    match opened_at {
                        None => prop_assert!(admission.as_ref().is_some_and(|it| !it.ticket.on_trial)),
                        Some(since) if now < since + length(times) => prop_assert!(admission.is_none()),
                        Some(_) => {
                            if let Some(admission) = &admission {
                                prop_assert!(admission.ticket.on_trial);
                                if inside.iter().all(|it| it.ticket != admission.ticket) && breaker_is_fresh(&breaker) {
                                    good = 0;
                                }
                            }
                        }
                    }
                    inside.extend(admission);
                    let under_way = inside.iter().filter(|it| it.ticket.on_trial && it.ticket.epoch == breaker.epoch);
                    prop_assert!(under_way.count() <= usize::try_from(trials).unwrap());
                }
                Event::Leave(place) if !inside.is_empty() => {
                    let admission = inside.remove(place % inside.len());
                    breaker.release(admission.ticket);
                }
                Event::End(place, is_good) if !inside.is_empty() => {
                    let admission = inside.remove(place % inside.len());
                    let counts = admission.ticket.epoch == breaker.epoch;
                    breaker.settle(at(now), admission.ticket, is_good, &stats);
                    if !counts {
                        continue;
                    }
                    if opened_at.is_none() {
                        seen.push((now, is_good));
                        let late = seen.iter().filter(|(at, good)| !good && now - at <= within).count();
                        let by_errors = which != 1 && !is_good && late >= usize::try_from(errors).unwrap();
                        let size = usize::try_from(of).unwrap();
                        let last = seen.iter().rev().take(size).filter(|(_, good)| !good).count();
                        let by_share = which != 0 && seen.len() >= size
                            && last * 100 >= usize::try_from(share).unwrap() * size;
                        let is_open = matches!(breaker.phase, Phase::Open { .. });
                        prop_assert_eq!(is_open, by_errors || by_share);
                        if is_open {
                            (opened_at, times) = (Some(now), 1);
                            seen.clear();
                        }
                    } else if is_good {
                        good += 1;
                        prop_assert_eq!(breaker.phase == Phase::Closed, good == trials);
                        if good == trials {
                            (opened_at, times, good) = (None, 0, 0);
                        }
                    } else {
                        let is_open = matches!(breaker.phase, Phase::Open { .. });
                        prop_assert!(is_open);
                        (opened_at, times, good) = (Some(now), times + 1, 0);
                    }
                }
                Event::Leave(_) | Event::End(..) => {}
            }
        }
        prop_assert_eq!(stats.breaker_opened.value() >= stats.breaker_closed.value(), true);
    }
}

/// Whether a round of trials has just begun.
fn breaker_is_fresh(breaker: &Breaker) -> bool {
    matches!(breaker.phase, Phase::Trying { admitted: 1, good: 0, .. })
}
