//! Virtual time: what happens when, in one order for one seed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use traffic::Moment;

/// Times of the clock begin here for objects, which bear dates.
const EPOCH_SECONDS: i64 = 1_767_225_600;

/// The time, and what is still to happen.
#[derive(Debug)]
pub(crate) struct Clock<E> {
    now: Moment,
    /// By time, then in the order in which they were planned.
    queue: BinaryHeap<Reverse<(Moment, u64)>>,
    events: BTreeMap<u64, E>,
    planned: u64,
}

impl<E> Clock<E> {
    pub(crate) fn new() -> Self {
        Self { now: Moment::START, queue: BinaryHeap::new(), events: BTreeMap::new(), planned: 0 }
    }

    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now - Moment::START
    }

    /// The date that objects get.
    pub(crate) fn date(&self) -> jiff::Timestamp {
        let nanos = i128::from(EPOCH_SECONDS) * 1_000_000_000 + i128::from(self.now.as_nanos());
        jiff::Timestamp::from_nanosecond(nanos).expect("a run lasts minutes, not centuries")
    }

    pub(crate) fn after(&mut self, wait: Duration, event: E) {
        self.at(self.now + wait, event);
    }

    /// Plans an event; one for the past happens now.
    pub(crate) fn at(&mut self, at: Moment, event: E) {
        self.planned += 1;
        self.queue.push(Reverse((at.max(self.now), self.planned)));
        self.events.insert(self.planned, event);
    }

    /// When the next event is.
    pub(crate) fn next_at(&self) -> Option<Moment> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Goes on to a time before which nothing is planned.
    pub(crate) fn wait_until(&mut self, until: Moment) {
        self.now = until.max(self.now);
    }

    /// Goes on to the next event.
    pub(crate) fn next(&mut self) -> Option<E> {
        let Reverse((at, number)) = self.queue.pop()?;
        self.now = at;
        self.events.remove(&number)
    }
}
