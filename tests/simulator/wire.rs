//! The wire between a proxy and the control plane: ordered, late, and cut without a word.

use std::time::Duration;

use traffic::{Dice, Moment};

/// One stream of a proxy. What was sent on a stream that was cut does not arrive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    /// The number of the stream that stands; `None` while there is none.
    pub(crate) stream: Option<u64>,
    /// How long a message takes at least; chance doubles it at most.
    pub(crate) delay: Duration,
    /// When the last message of each direction arrives: none overtakes another.
    pub(crate) last: [Moment; 2],
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// To the control plane.
    Up,
    /// To the proxy.
    Down,
}

impl Wire {
    /// A new stream stands.
    pub(crate) fn open(&mut self, stream: u64) {
        self.stream = Some(stream);
        self.last = [Moment::START; 2];
    }

    /// When a message that is sent now arrives.
    pub(crate) fn arrival(&mut self, now: Moment, way: Way, dice: &mut Dice) -> Moment {
        let least = u64::try_from(self.delay.as_nanos()).unwrap_or(u64::MAX);
        let at = now + self.delay + Duration::from_nanos(dice.below(least));
        let last = &mut self.last[way as usize];
        *last = at.max(*last + Duration::from_nanos(1));
        *last
    }
}
