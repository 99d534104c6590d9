//! Runs the cases of an area on both proxies and compares what was seen.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    case::{Case, Eye, domain, equal, slug},
    config,
    known::Known,
    proxy::{Proxy, Which},
    upstream::Upstreams,
};

/// How long an answer may take at the first look, and at those that a disagreement leads to.
const PATIENCE: [Duration; LOOKS] =
    [Duration::from_secs(8), Duration::from_secs(20), Duration::from_secs(20)];
/// How often a case is looked at that disagreed once.
const LOOKS: usize = 3;
/// How long records of requests may take to appear.
const RECORDS: Duration = Duration::from_secs(2);

/// Cases that share their listeners and one pair of proxies.
#[derive(Debug)]
pub(crate) struct Area {
    pub(crate) name: String,
    /// Names of listeners, and YAML of their connection managers.
    pub(crate) listeners: Vec<(&'static str, &'static str)>,
    pub(crate) cases: Vec<Case>,
    /// The whole bootstrap, where the resources come from a control plane; else it is made of the cases.
    served: Option<Value>,
}

impl Area {
    /// Cases about what a control plane serves.
    pub(crate) fn served(name: &str, cases: Vec<Case>, bootstrap: Value) -> Self {
        Self { name: name.to_owned(), listeners: Vec::new(), cases, served: Some(bootstrap) }
    }

    /// Cases on listeners of these kinds; `main` has nothing but defaults.
    pub(crate) fn new(name: &str, cases: Vec<Case>) -> Self {
        Self { name: name.to_owned(), listeners: vec![("main", "{}")], cases, served: None }
    }

    /// With another `main`.
    pub(crate) fn main(mut self, manager: &'static str) -> Self {
        self.listeners[0] = ("main", manager);
        self
    }

    /// With one more listener.
    pub(crate) fn listener(mut self, name: &'static str, manager: &'static str) -> Self {
        self.listeners.push((name, manager));
        self
    }
}

/// What came of a case.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    /// The disagreement, in full, if there is one.
    pub(crate) disagreement: Option<String>,
    /// The disagreement of the first look, where both others agreed.
    pub(crate) unsteady: Option<Unsteady>,
    pub(crate) requests: usize,
    /// What was seen of both, where they could be looked at.
    seen: Option<Both>,
}

/// What was seen of Envoy and of ours.
#[derive(Clone, Debug)]
struct Both {
    envoy: Vec<String>,
    ours: Vec<String>,
    /// Whether each run has to show the same.
    is_deterministic: bool,
}

/// A disagreement that did not come again.
#[derive(Debug)]
pub(crate) struct Unsteady {
    /// Ours did once what it did not do again while Envoy always did the same, in a case without chance.
    pub(crate) is_ours: bool,
    pub(crate) text: String,
}

/// What was seen of one proxy in one case.
#[derive(Debug, Default)]
struct Sight {
    seen: Vec<String>,
    ended: usize,
    token: String,
    /// Lines of the access log about it, without what differs from run to run.
    records: Vec<String>,
}

/// Runs all cases of an area.
pub(crate) fn area(area: &Area, upstreams: &Upstreams, known: &Known) -> Vec<Verdict> {
    let cases: Vec<&Case> = area.cases.iter().collect();
    let mut verdicts = Vec::new();
    run(area, &cases, upstreams, 0, &mut verdicts);
    // Twice more, with more patience, on proxies of their own: what a busy machine did is no disagreement, and
    // what our proxy does now and then is none that may be forgotten.
    let again: Vec<&Case> = cases
        .iter()
        .copied()
        .filter(|case| {
            let name = format!("{}/{}", area.name, case.name);
            let disagrees = verdicts.iter().any(|it| it.name == name && it.disagreement.is_some());
            disagrees && known.is_open(&name).is_none()
        })
        .collect();
    let mut later = Vec::new();
    for look in 1..LOOKS {
        run(area, &again, upstreams, look, &mut later);
    }
    for verdict in &mut verdicts {
        let looks: Vec<&Verdict> = later.iter().filter(|it| it.name == verdict.name).collect();
        if looks.is_empty() {
            continue;
        }
        if let Some(text) = looks.iter().find_map(|it| it.disagreement.clone()) {
            verdict.disagreement = Some(text);
            continue;
        }
        let seen: Vec<&Both> = looks.iter().filter_map(|it| it.seen.as_ref()).collect();
        let is_ours = verdict.seen.as_ref().is_some_and(|first| first.is_ours(&seen));
        let text = verdict.disagreement.take().unwrap_or_default();
        verdict.unsteady = Some(Unsteady { is_ours, text });
    }
    verdicts
}

impl Both {
    fn new(case: &Case, envoy: &Sight, ours: &Sight) -> Self {
        // Flags are left out: they come from counters, which a busy machine may show late.
        Self {
            envoy: envoy.seen.clone(),
            ours: ours.seen.clone(),
            is_deterministic: case.is_deterministic,
        }
    }

    /// Whether it was ours that did something else at this first look than later. Not to answer in time is what a
    /// busy machine does to both.
    fn is_ours(&self, later: &[&Both]) -> bool {
        self.is_deterministic
            && later.iter().all(|it| it.envoy == self.envoy && it.ours != self.ours)
            && !self.ours.iter().any(|line| line.contains("Silent"))
    }
}

fn run(
    area: &Area,
    cases: &[&Case],
    upstreams: &Upstreams,
    look: usize,
    verdicts: &mut Vec<Verdict>,
) {
    let Some(first) = cases.first() else { return };
    // What shall be refused would take all others with it.
    let (alone, cases): (Vec<&Case>, Vec<&Case>) =
        cases.iter().partition(|case| cases.len() > 1 && case.name.contains(" refused"));
    for case in alone {
        run(area, &[case], upstreams, look, verdicts);
    }
    let cases = &cases[..];
    let bootstrap = bootstrap(area, cases, upstreams);
    let (envoy, ours) = std::thread::scope(|scope| {
        let envoy = scope.spawn(|| Proxy::start(Which::Envoy, &bootstrap));
        let ours = Proxy::start(Which::Lateen, &bootstrap);
        (envoy.join().expect("starting Envoy"), ours)
    });
    let name = |case: &Case| format!("{}/{}", area.name, case.name);
    match (envoy, ours) {
        (Ok(envoy), Ok(ours)) => {
            for (case, (left, right)) in
                cases.iter().zip(both(&envoy, &ours, cases, upstreams, look))
            {
                verdicts.push(Verdict {
                    name: name(case),
                    requests: left.ended,
                    disagreement: compare(case, &left, &right)
                        .err()
                        .map(|why| report(case, &why, &left, &right, &[&envoy, &ours])),
                    unsteady: None,
                    seen: Some(Both::new(case, &left, &right)),
                });
            }
        }
        (envoy, ours) if cases.len() > 1 => {
            let said = [envoy.err().unwrap_or_default(), ours.err().unwrap_or_default()].concat();
            // The culprit, when it is named; else half by half.
            let named = |case: &&Case| said.contains(&format!("({})", slug(&case.name)));
            let (mut left, mut right): (Vec<_>, Vec<_>) = cases.iter().copied().partition(named);
            if left.is_empty() || right.is_empty() {
                let halves = cases.split_at(cases.len() / 2);
                (left, right) = (halves.0.to_vec(), halves.1.to_vec());
            }
            run(area, &left, upstreams, look, verdicts);
            run(area, &right, upstreams, look, verdicts);
        }
        (Err(_), Err(_)) if !first.is_accepted => verdicts.push(Verdict {
            name: name(first),
            disagreement: None,
            unsteady: None,
            requests: 0,
            seen: None,
        }),
        (envoy, ours) => {
            let say =
                |it: Result<Proxy, String>| it.map_or_else(|why| why, |_| "accepted".to_owned());
            let text = format!(
                "the configuration was refused\n{}Envoy: {}\nlateen: {}\n",
                first.configuration(),
                say(envoy),
                say(ours)
            );
            verdicts.push(Verdict {
                name: name(first),
                disagreement: Some(text),
                unsteady: None,
                requests: 0,
                seen: None,
            });
        }
    }
}

fn bootstrap(area: &Area, cases: &[&Case], upstreams: &Upstreams) -> Value {
    if let Some(bootstrap) = &area.served {
        return bootstrap.clone();
    }
    let listeners = area.listeners.iter().map(|(name, manager)| {
        let own = cases.iter().filter(|case| case.listener == *name);
        let hosts = own.flat_map(|case| case.hosts.iter().cloned()).collect();
        config::listener(name, &config::yaml(manager), hosts)
    });
    let mut clusters: BTreeMap<String, Value> = BTreeMap::new();
    for cluster in cases.iter().flat_map(|case| &case.clusters) {
        let name = cluster["name"].as_str().expect("a cluster has a name").to_owned();
        clusters.insert(name, config::cluster(upstreams, cluster));
    }
    config::bootstrap(upstreams, listeners.collect(), clusters.into_values())
}

/// Does all cases with both, at the same time, one case after the other.
fn both(
    envoy: &Proxy,
    ours: &Proxy,
    cases: &[&Case],
    upstreams: &Upstreams,
    look: usize,
) -> Vec<(Sight, Sight)> {
    std::thread::scope(|scope| {
        let look_at = |proxy: &Proxy| {
            let mut sights: Vec<Sight> =
                cases.iter().map(|case| one(proxy, case, upstreams, look)).collect();
            records(proxy, &mut sights);
            sights
        };
        let left = scope.spawn(move || look_at(envoy));
        let right = look_at(ours);
        left.join().expect("looking at Envoy").into_iter().zip(right).collect()
    })
}

fn one(proxy: &Proxy, case: &Case, upstreams: &Upstreams, look: usize) -> Sight {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    // As long for both, for what counts bytes.
    let token = format!("{}{n:06}", &proxy.which.name()[..1]);
    let mut eye = Eye {
        address: *proxy.listeners.get(case.listener).unwrap_or_else(|| {
            panic!("{} has no listener {} of {:?}", case.name, case.listener, proxy.listeners)
        }),
        token: token.clone(),
        domain: domain(&case.name),
        upstreams,
        patience: PATIENCE[look],
        looks_again: look > 0,
        seen: Vec::new(),
        ended: 0,
    };
    (case.act)(&mut eye);
    Sight { seen: eye.seen, ended: eye.ended, token, records: Vec::new() }
}

/// What a proxy's access log says of each case.
fn records(proxy: &Proxy, sights: &mut [Sight]) {
    let wanted: usize = sights.iter().map(|sight| sight.ended).sum();
    let deadline = Instant::now() + RECORDS;
    while proxy.access_log().lines().count() < wanted && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = proxy.access_log();
    for sight in sights {
        let own = log.lines().filter(|line| line.contains(&sight.token));
        sight.records = own.map(|line| plain(&line.replace(&sight.token, "<case>"))).collect();
        // Requests that overlap end in any order.
        sight.records.sort();
    }
}

/// A record without the machine's own words about a failed connection.
fn plain(line: &str) -> String {
    let Some((start, rest)) = line.split_once("remote_connection_failure|") else {
        return line.to_owned();
    };
    let mut line =
        format!("{start}remote_connection_failure{}", rest.trim_start_matches(|c| c != '}'));
    // The body of such an answer holds these words, too.
    if let Some((start, rest)) = line.split_once("\"sent\":") {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        line = format!("{start}\"sent\":0{rest}");
    }
    line
}

/// Response flags, and how often.
fn flags(records: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        let record: Value = serde_json::from_str(record).unwrap_or_default();
        *counts.entry(in_order(record["flags"].as_str().unwrap_or_default())).or_default() += 1;
    }
    counts
}

/// A set of flags in alphabetical order: which was raised first is nobody's business.
fn in_order(flags: &str) -> String {
    let mut flags: Vec<&str> = flags.split(',').collect();
    flags.sort_unstable();
    flags.join(",")
}

fn compare(case: &Case, envoy: &Sight, ours: &Sight) -> Result<(), String> {
    let mut why = (case.judge)(&envoy.seen, &ours.seen).err().unwrap_or_default();
    if case.records {
        why += &equal(&envoy.records, &ours.records).err().unwrap_or_default();
    } else if case.flags {
        let (envoy, ours) = (flags(&envoy.records), flags(&ours.records));
        if envoy != ours {
            writeln!(why, "flags: Envoy {envoy:?}, lateen {ours:?}").ok();
        }
    }
    if why.is_empty() { Ok(()) } else { Err(why) }
}

fn report(case: &Case, why: &str, envoy: &Sight, ours: &Sight, proxies: &[&Proxy; 2]) -> String {
    let mut out = String::new();
    out += why;
    out += &case.configuration();
    for (sight, proxy) in [(envoy, proxies[0]), (ours, proxies[1])] {
        writeln!(out, "-- {}:", proxy.which.name()).ok();
        for line in &sight.seen {
            writeln!(out, "   {line}").ok();
        }
        let log = proxy.access_log();
        for line in log.lines().filter(|line| line.contains(&sight.token)) {
            writeln!(out, "   log {line}").ok();
        }
        let said = proxy.said();
        if !said.is_empty() && proxy.which == Which::Lateen {
            writeln!(out, "   it said: {}", said.lines().last().unwrap_or_default()).ok();
        }
    }
    out
}
