//! Weighted turns: who has waited longest for its share goes next.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// A schedule by earliest deadline. An entry of weight w comes round w times as often as one of weight 1.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    queue: BinaryHeap<Reverse<Entry>>,
    now: f64,
    /// Breaks ties in the order of insertion.
    next_order: u64,
}

#[derive(Debug)]
struct Entry {
    deadline: f64,
    order: u64,
    item: usize,
}

impl Schedule {
    /// Adds an item.
    pub(crate) fn add(&mut self, item: usize, weight: f64) {
        let deadline = self.now + 1.0 / weight.max(f64::MIN_POSITIVE);
        self.queue.push(Reverse(Entry { deadline, order: self.next_order, item }));
        self.next_order += 1;
    }

    /// The next item, which is put back with the weight that it has now.
    pub(crate) fn next(&mut self, weight: impl Fn(usize) -> f64) -> Option<usize> {
        let Reverse(entry) = self.queue.pop()?;
        self.now = entry.deadline;
        self.add(entry.item, weight(entry.item));
        Some(entry.item)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.deadline.total_cmp(&other.deadline).then(self.order.cmp(&other.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_weights() {
        let weights = [1.0, 2.0, 5.0];
        let mut schedule = Schedule::default();
        weights.iter().enumerate().for_each(|(item, weight)| schedule.add(item, *weight));
        let mut counts = [0; 3];
        for _ in 0..800 {
            counts[schedule.next(|item| weights[item]).unwrap()] += 1;
        }
        assert_eq!(counts, [100, 200, 500]);
    }

    #[test]
    fn equals_take_turns() {
        let mut schedule = Schedule::default();
        (0..3).for_each(|item| schedule.add(item, 1.0));
        let turns: Vec<_> = (0..6).filter_map(|_| schedule.next(|_| 1.0)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
    }
}
