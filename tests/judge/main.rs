//! The judge: real Envoy and our proxy side by side, the same configuration, the same bytes, the same answers.
//!
//! `JUDGE_SEED` chooses the random configurations, `JUDGE_ROUNDS` how many of them there are; words on the
//! command line choose areas and cases by a part of their names.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod ads;
mod areas;
mod case;
mod config;
mod h2wire;
mod known;
mod proxy;
mod run;
mod upstream;
mod wire;

use std::{
    collections::{BTreeMap, VecDeque},
    io::Write as _,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use run::{Area, Verdict};

/// Pairs of proxies that run at the same time.
const LANES: usize = 3;

fn main() -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
    };
    let seed = number("JUDGE_SEED", 1);
    let rounds = number("JUDGE_ROUNDS", 6);
    let upstreams = upstream::Upstreams::default();
    let mut areas = areas::all(seed, rounds, &upstreams);
    for area in &mut areas {
        let name = area.name.clone();
        area.cases.retain(|case| {
            let full = format!("{name}/{}", case.name);
            filters.is_empty() || filters.iter().any(|filter| full.contains(filter))
        });
    }
    areas.retain(|area| !area.cases.is_empty());
    let started = Instant::now();
    let known = known::Known::read();
    let verdicts = judge(areas, &upstreams, &known);
    say(&verdicts, &known, Run { seed, rounds, started, whole: filters.is_empty() })
}

/// Judges all areas, some at a time.
fn judge(
    areas: Vec<Area>,
    upstreams: &upstream::Upstreams,
    known: &known::Known,
) -> Vec<(Verdict, f64)> {
    let queue = Mutex::new(VecDeque::from(areas));
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(area) = next else { return };
                    let started = Instant::now();
                    let found = run::area(&area, upstreams, known);
                    let took = started.elapsed().as_secs_f64();
                    let mut all = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
                    all.extend(found.into_iter().map(|verdict| (verdict, took)));
                }
            });
        }
    });
    verdicts.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// How it was run.
#[derive(Clone, Copy, Debug)]
struct Run {
    seed: u64,
    rounds: u64,
    started: Instant,
    /// Whether all cases were wanted.
    whole: bool,
}

/// Prints what came of it, and says whether that is good.
fn say(verdicts: &[(Verdict, f64)], known: &known::Known, run: Run) -> ExitCode {
    let Run { seed, rounds, started, whole } = run;
    let mut out = std::io::stdout().lock();
    let mut failed = 0;
    let (mut open, mut deliberate, mut unsteady, mut requests) = (0, 0, 0, 0);
    let mut areas: BTreeMap<&str, (usize, usize, f64)> = BTreeMap::new();
    for (verdict, took) in verdicts {
        requests += verdict.requests;
        let area = areas.entry(verdict.name.split('/').next().unwrap_or_default()).or_default();
        area.0 += 1;
        area.2 = area.2.max(*took);
        match (&verdict.disagreement, known.is_open(&verdict.name)) {
            (None, None) => {}
            (Some(text), Some(is_open)) => {
                open += usize::from(is_open);
                deliberate += usize::from(!is_open);
                if !whole {
                    writeln!(out, "\n==== known: {}\n{text}", verdict.name).ok();
                }
            }
            (Some(text), None) => {
                failed += 1;
                area.1 += 1;
                writeln!(out, "\n==== DISAGREEMENT {} (seed {seed})\n{text}", verdict.name).ok();
            }
            (None, Some(_)) => {
                failed += 1;
                let name = &verdict.name;
                writeln!(out, "\n==== {name} agrees now: take it out of tests/judge/known.md").ok();
            }
        }
        if let Some(once) = &verdict.unsteady {
            unsteady += 1;
            failed += usize::from(once.is_ours);
            area.1 += usize::from(once.is_ours);
            let whose =
                if once.is_ours { "and it was ours that changed" } else { "for whatever reason" };
            let name = &verdict.name;
            writeln!(
                out,
                "\n==== UNSTEADY {name}: disagreed at 1 of 3 looks, {whose} (seed {seed})\n{}",
                once.text
            )
            .ok();
        }
    }
    // Names of random cases hold their seed and round, so that not every run has them.
    for name in known.names().filter(|name| whole && !name.starts_with("random/")) {
        if !verdicts.iter().any(|(verdict, _)| verdict.name == name) {
            failed += 1;
            writeln!(out, "{name} is in tests/judge/known.md and no case has that name").ok();
        }
    }
    writeln!(out, "\n{:<14} {:>6} {:>9} {:>7}", "area", "cases", "disagree", "s").ok();
    for (area, (cases, disagree, took)) in &areas {
        writeln!(out, "{area:<14} {cases:>6} {disagree:>9} {took:>7.1}").ok();
    }
    writeln!(
        out,
        "\nseed {seed}, {rounds} random rounds: {} cases, {requests} requests to each proxy, {:.1} s",
        verdicts.len(),
        started.elapsed().as_secs_f64()
    )
    .ok();
    writeln!(out, "deliberate differences: {deliberate}").ok();
    writeln!(out, "open disagreements: {open}").ok();
    writeln!(out, "unsteady: {unsteady}").ok();
    if failed > 0 {
        writeln!(out, "FAILED: {failed}").ok();
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
