//! Simulates whole meshes on a virtual clock, from a seed, and checks at each step what must always hold.
//!
//! `SIM_SEED=N SIM_STEPS=N cargo test -p tests --test simulator` plays one seed again, as long as you like.
#![expect(
    clippy::panic,
    clippy::print_stderr,
    reason = "a simulation stops at the first surprise and tells of it"
)]

mod acts;
mod clients;
mod clock;
mod exchange;
mod fleet;
mod hosts;
mod invariants;
mod journal;
mod oracle;
mod plane;
mod proxy;
mod rules;
mod scenario;
mod tally;
mod wire;

use scenario::Mesh;

/// Acts of one seed, unless `SIM_STEPS` says otherwise.
const STEPS: u64 = 36;
/// Seeds that are played at every run.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=6;

/// Tells what happened last, and how to see it again, when a run fails.
struct Guard {
    mesh: Mesh,
    seed: u64,
    steps: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, steps) = (self.seed, self.steps);
            eprintln!(
                "seed {seed} fails after {} lines, the last of which are:\n{}play it again: SIM_SEED={seed} SIM_STEPS={steps} cargo test -p tests --test simulator",
                self.mesh.journal.lines(),
                self.mesh.journal.tail(),
            );
        }
    }
}

/// Plays a seed; the hash of all that happened.
fn play(seed: u64, steps: u64) -> u64 {
    let mut guard = Guard { mesh: Mesh::new(seed), seed, steps };
    guard.mesh.play(steps);
    let mesh = &guard.mesh;
    assert!(mesh.answers > steps * 10, "seed {seed}: hardly anybody asked");
    assert!(
        mesh.served * 3 > mesh.answers,
        "seed {seed}: {} of {} served",
        mesh.served,
        mesh.answers
    );
    assert!(mesh.settlements > steps / 2, "seed {seed}: hardly anything was told");
    mesh.journal.hash()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[test]
fn what_must_hold_holds_for_every_seed() {
    let steps = number("SIM_STEPS").unwrap_or(STEPS);
    match number("SIM_SEED") {
        Some(first) => {
            for seed in first..first + number("SIM_SEEDS").unwrap_or(1) {
                let hash = play(seed, steps);
                eprintln!("seed {seed}: {hash:016x}");
            }
        }
        None => SEEDS.for_each(|seed| {
            play(seed, steps);
        }),
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let seed = number("SIM_SEED").unwrap_or(7);
    assert_eq!(play(seed, 24), play(seed, 24), "seed {seed} depends on something else");
    assert_ne!(play(seed, 12), play(seed + 1, 12), "the seed changes nothing");
}
