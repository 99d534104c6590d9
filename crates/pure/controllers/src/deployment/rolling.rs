//! One step of a rolling update.

use std::sync::Arc;

use kinds::core::ReplicaSet;

use super::{Case, available, replicas};
use crate::Plan;

impl Case<'_> {
    /// How many pods a new ReplicaSet may begin with.
    pub(super) fn first_size(&self) -> i32 {
        let present: i32 = self.old.iter().map(|set| replicas(set)).sum();
        let room = self.desired + self.max_surge - present;
        room.clamp(0, self.desired)
    }

    /// Grows the new set, or else shrinks the old ones: never both at once, so that each step
    /// is taken on numbers that hold.
    pub(super) fn roll(&self, new: &ReplicaSet, plan: &mut Plan) {
        let size = self.new_size(new);
        if size != replicas(new) {
            self.scale(new, size, plan);
            return;
        }
        self.shrink_old(new, plan);
    }

    fn new_size(&self, new: &ReplicaSet) -> i32 {
        let own = replicas(new);
        if own >= self.desired {
            return self.desired;
        }
        let present: i32 = self.all().map(|set| replicas(set)).sum();
        let room = self.desired + self.max_surge - present;
        own + room.clamp(0, self.desired - own)
    }

    fn shrink_old(&self, new: &ReplicaSet, plan: &mut Plan) {
        let old: Vec<&Arc<ReplicaSet>> =
            self.old.iter().copied().filter(|set| replicas(set) > 0).collect();
        if old.is_empty() {
            return;
        }
        let least = self.desired - self.max_unavailable;
        let present: i32 = self.all().map(|set| replicas(set)).sum();
        let new_missing = replicas(new) - available(new);
        let mut budget = present - least - new_missing;
        if budget <= 0 {
            return;
        }
        // Pods that serve nobody go first: they cost nothing.
        let mut sizes: Vec<i32> = old.iter().map(|set| replicas(set)).collect();
        for (size, set) in sizes.iter_mut().zip(&old) {
            let idle = (*size - available(set)).clamp(0, budget);
            *size -= idle;
            budget -= idle;
        }
        // Of those that serve, as many as may be missed.
        let serving: i32 = self.all().map(|set| available(set).min(replicas(set))).sum();
        let mut spare = serving - least;
        for size in &mut sizes {
            let fewer = (*size).min(spare).max(0);
            *size -= fewer;
            spare -= fewer;
        }
        for (size, set) in sizes.into_iter().zip(old) {
            if size != replicas(set) {
                self.scale(set, size, plan);
            }
        }
    }
}
