//! The areas, each a table of cases.

mod answers;
mod balance;
mod calls;
mod edits;
mod frames;
mod logs;
mod malformed;
mod manners;
mod named;
mod random;
mod retries;
mod routing;
mod served;

use crate::{run::Area, upstream::Upstreams};

/// All areas; the random ones from this seed.
pub(crate) fn all(seed: u64, rounds: u64, upstreams: &Upstreams) -> Vec<Area> {
    let mut areas = vec![
        retries::area(),
        balance::area(),
        edits::area(),
        answers::area(),
        routing::area(),
        retries::faults(),
        edits::internal(),
        frames::area(),
        logs::area(),
    ];
    areas.extend(calls::areas());
    areas.extend(manners::areas());
    areas.extend(malformed::areas());
    areas.extend(named::areas());
    areas.extend((0..rounds).map(|round| random::area(seed, round)));
    areas.extend(balance::hashing());
    areas.extend(served::areas(upstreams));
    areas
}

/// Whether both numbers, the first lines seen, are what they should be, give or take `spread`.
fn within(
    what: &str,
    envoy: &[String],
    ours: &[String],
    expected: f64,
    spread: f64,
) -> Result<(), String> {
    for (who, seen) in [("Envoy", envoy), ("lateen", ours)] {
        let number: f64 = seen.first().and_then(|it| it.parse().ok()).unwrap_or(f64::NAN);
        let fits = (number - expected).abs() <= spread;
        if !fits {
            return Err(format!(
                "{who}: {what} {number}, expected {expected} give or take {spread:.0}\n"
            ));
        }
    }
    Ok(())
}
