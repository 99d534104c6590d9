//! The attempts at one request: which host next, and whether again.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    cluster::Named,
    dice::Dice,
    fault::Outcome,
    flags::{Flag, Flags},
    moment::Moment,
    retry::RetryPolicy,
    upstream::{HostId, Retrying, Seat, Upstream},
};

/// One attempt at a request.
#[derive(Debug)]
pub struct Attempt {
    number: u32,
    started: Moment,
    policy: Option<Arc<RetryPolicy>>,
    retries_left: u32,
    next_interval: Duration,
    /// Where earlier attempts went, and the priorities of these hosts.
    tried: Vec<(HostId, u32)>,
    hash: Option<u64>,
    destination: Option<SocketAddr>,
    named: Option<Named>,
    /// Counts in the breaker for retries, as long as this attempt lives.
    retrying: Option<Retrying>,
}

/// What comes after an attempt.
#[derive(Debug)]
pub enum Next {
    /// Nothing: the outcome is the answer. The flags (`URX`, `UO`) say why there is no further attempt, if there would have
    /// been one.
    Done(Flags),
    /// Another attempt.
    Again {
        /// That attempt.
        attempt: Attempt,
        /// How long to wait before it.
        after: Duration,
    },
}

impl Attempt {
    pub(crate) fn first(
        now: Moment,
        policy: Option<Arc<RetryPolicy>>,
        hash: Option<u64>,
        destination: Option<SocketAddr>,
    ) -> Self {
        let retries_left = policy.as_ref().map_or(0, |policy| policy.num_retries);
        let next_interval = policy.as_ref().map_or(Duration::ZERO, |policy| policy.base_interval);
        Self {
            number: 1,
            started: now,
            policy,
            retries_left,
            next_interval,
            tried: Vec::new(),
            hash,
            destination,
            named: None,
            retrying: None,
        }
    }

    /// The same, for a cluster that looks up what the request names.
    pub(crate) fn to(mut self, named: Option<Named>) -> Self {
        self.named = named;
        self
    }

    /// Counts from 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// When the first attempt began.
    #[must_use]
    pub const fn started(&self) -> Moment {
        self.started
    }

    /// The hash that the route's hash policy made of the request.
    #[must_use]
    pub const fn hash(&self) -> Option<u64> {
        self.hash
    }

    /// Where the downstream wanted to go, for clusters that go there.
    #[must_use]
    pub const fn destination(&self) -> Option<SocketAddr> {
        self.destination
    }

    /// The host that the request names, for clusters that look it up.
    #[must_use]
    pub const fn named(&self) -> Option<&Named> {
        self.named.as_ref()
    }

    /// How often a host is picked anew because an attempt went there before.
    pub(crate) fn host_attempts(&self) -> u32 {
        match &self.policy {
            Some(policy) if policy.avoid_previous_hosts && !self.tried.is_empty() => {
                policy.host_selection_attempts
            }
            _ => 0,
        }
    }

    /// Whether an earlier attempt went to this host.
    pub(crate) fn has_tried(&self, host: HostId) -> bool {
        self.tried.iter().any(|(tried, _)| *tried == host)
    }

    /// The priorities that this attempt keeps away from, by their places; empty for none. `available` is the health of each.
    ///
    /// After every so many attempts those that they went to are left out, until none is left: then all begin anew.
    /// Spec: Envoy, `previous_priorities`.
    pub(crate) fn excluded_priorities(&self, available: &[u64]) -> Vec<bool> {
        let every = self.policy.as_ref().and_then(|policy| policy.previous_priorities);
        let Some(every) = every.and_then(|every| usize::try_from(every).ok()) else {
            return Vec::new();
        };
        let mut excluded: Vec<bool> = Vec::new();
        let mut seen: Vec<u32> = Vec::new();
        for (_, priority) in &self.tried {
            seen.push(*priority);
            if !seen.len().is_multiple_of(every.max(1)) {
                continue;
            }
            excluded.resize(available.len(), false);
            for priority in &seen {
                let at = usize::try_from(*priority).unwrap_or(usize::MAX);
                excluded.get_mut(at).into_iter().for_each(|out| *out = true);
            }
            let has_left = available.iter().zip(&excluded).any(|(a, out)| !out && *a != 0);
            if !has_left {
                excluded.clear();
                seen.clear();
            }
        }
        excluded
    }

    /// Decides whether to try again, and when. `seat` is where the attempt went; `None` when no host was picked.
    ///
    /// Call it once for each attempt: a retry that succeeds is counted here too.
    #[must_use]
    pub fn next(
        mut self,
        outcome: &Outcome<'_>,
        seat: Option<&Seat>,
        upstream: &Arc<Upstream>,
        dice: &mut Dice,
    ) -> Next {
        let was_retry = self.retrying.take().is_some();
        let Some(policy) = &self.policy else { return Next::Done(Flags::NONE) };
        if !policy.wants_retry(outcome) {
            if was_retry {
                upstream.stats().upstream_rq_retry_success.add(1);
            }
            return Next::Done(Flags::NONE);
        }
        if self.retries_left == 0 {
            upstream.stats().upstream_rq_retry_limit_exceeded.add(1);
            return Next::Done(Flag::UpstreamRetryLimitExceeded.into());
        }
        let Some(retrying) = upstream.retry() else {
            upstream.stats().upstream_rq_retry_overflow.add(1);
            return Next::Done(Flag::UpstreamOverflow.into());
        };
        upstream.stats().upstream_rq_retry.add(1);
        let after = policy.jittered(self.next_interval, dice);
        self.next_interval = (self.next_interval * 2).min(policy.max_interval);
        self.retries_left -= 1;
        self.number += 1;
        self.retrying = Some(retrying);
        self.tried.extend(seat.map(|seat| (seat.host().id(), seat.host().priority())));
        Next::Again { attempt: self, after }
    }
}
