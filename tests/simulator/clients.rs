//! What clients ask for, and when.

use std::{net::SocketAddr, time::Duration};

use traffic::Dice;

use crate::{oracle::Ask, rules};

/// Requests of one proxy come so far apart, on average.
const APART: u64 = 50_000;
/// So many users come again; all others are new.
const USERS: u64 = 10;

/// How long until the next request at a proxy: anything up to twice the average.
pub(crate) fn pause(dice: &mut Dice) -> Duration {
    Duration::from_micros(dice.below(2 * APART))
}

/// A request at a sidecar, or at the gateway.
pub(crate) fn ask(at_gateway: bool, dice: &mut Dice) -> Ask {
    let service = dice.below(5);
    ask_for(service, at_gateway, dice)
}

/// A request for one of the services, by its number; one more than there are is the host outside.
pub(crate) fn ask_for(service: u64, at_gateway: bool, dice: &mut Dice) -> Ask {
    let (name, ip) = match rules::SERVICES.get(usize::try_from(service).expect("below five")) {
        Some(name) => (*name, [10, 96, 0, 10 + u8::try_from(service).expect("below five")]),
        None => ("outside", [240, 1, 1, 1]),
    };
    let destination = if at_gateway {
        SocketAddr::from(([10, 244, 200, 1], 8080))
    } else {
        SocketAddr::from((ip, 80))
    };
    let outside = at_gateway || name == "outside";
    let authority = if outside { format!("{name}.example") } else { name.to_owned() };
    let user = match dice.below(3) {
        0 => format!("known-{}", dice.below(USERS)),
        _ => format!("{:x}", dice.roll()),
    };
    let mut headers = vec![(rules::USER, user)];
    if dice.happens(1, 4) {
        headers.push(("x-canary", "yes".to_owned()));
    }
    let path = rules::of(&["/", "/", "/", "/away", "/still", "/a/b?c=d"], dice).to_owned();
    Ask { authority, path, headers, destination, at_gateway }
}

impl Ask {
    /// The user, and whether it is one that comes again.
    pub(crate) fn user(&self) -> (&str, bool) {
        let user = self.headers.first().map_or("", |(_, user)| user.as_str());
        (user, user.starts_with("known-"))
    }
}
