//! What a request gets instead, when the breaker of its cluster is open or the cluster has no host left.

use traffic::cluster::Fallback;
use traffic::{Answer, Attempt, Fault, Flags, Headers, ResponseFacts};

use super::attempt::{Effort, Run};
use crate::record::Record;

impl Run<'_> {
    /// Turns a request that was refused to the cluster that it falls back to; its first attempt there. Nobody falls back twice.
    pub(super) fn elsewhere(
        &self,
        effort: &mut Effort<'_>,
        fault: &Fault,
        record: &mut Record,
    ) -> Option<Box<Attempt>> {
        // What was sent already and not kept cannot be sent there.
        if effort.fallback.is_some() || !self.progress.can_replay() {
            return None;
        }
        let fallback = effort.upstream.fallback(fault)?;
        let Fallback::Cluster(name) = &*fallback else { return None };
        let other = self.now.directory.of(name)?.clone();
        effort.upstream.stats().fallback_forwarded.add(1);
        record.flags = record.flags.union(fault.flags());
        record.cluster = Some(other.name().clone());
        effort.upstream = other;
        effort.fallback = fault.refusal();
        Some(Box::new(self.forward.first_attempt(self.worker.shared.clock.now())))
    }

    /// The answer that the cluster has for a refusal.
    pub(super) fn fixed(
        &self,
        effort: &Effort<'_>,
        (fault, flags, attempts): (&Fault, Flags, u32),
    ) -> Option<Answer> {
        if effort.fallback.is_some() {
            return None;
        }
        let fallback = effort.upstream.fallback(fault)?;
        let Fallback::Answer(fixed) = &*fallback else { return None };
        effort.upstream.stats().fallback_answered.add(1);
        let known = ResponseFacts { attempts, ..ResponseFacts::default() };
        let request = (&effort.outgoing as &dyn Headers, &self.head);
        let why = (fault, flags);
        let around = self.surroundings();
        Some(self.forward.fallback_answer(fixed, why, request, &known, &around))
    }
}
