//! The control plane's end of an xDS stream, one machine per connection.
//!
//! A new snapshot is told so that no request is lost on the way: first the clusters and endpoints that are new or changed; when
//! the proxy has them, the listeners and routes that may refer to them; when it has those, the clusters that nothing refers to
//! any more are withdrawn. Each step waits [`PATIENCE`] at most for its acknowledgement. Of one type, one response at a time is
//! on its way: what changes meanwhile is told in one go with the next.

mod response;
mod types;

use std::{sync::Arc, time::Duration};

pub use response::Response;
pub use types::Progress;
use types::{Kind, Types};

use crate::{
    discovery::{DeltaDiscoveryRequest, DiscoveryRequest},
    snapshot::{CLUSTER, ENDPOINT, LISTENER, ROUTE, Snapshot},
};

/// How long a later step waits for the acknowledgement of the one before.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// The delta (incremental) protocol.
#[derive(Debug, Default)]
pub struct Delta {
    stream: Stream,
}

/// The state-of-the-world protocol.
#[derive(Debug, Default)]
pub struct Sotw {
    stream: Stream,
}

impl Delta {
    /// A machine for a new connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The proxy said something: a subscription, an acknowledgement or a refusal.
    pub fn on_request(
        &mut self,
        now: Duration,
        request: &DeltaDiscoveryRequest,
        snapshot: &Arc<Snapshot>,
    ) -> Vec<Response> {
        self.stream.target = Arc::clone(snapshot);
        let resources = self.stream.types.of(&request.type_url, Kind::Delta);
        if !request.response_nonce.is_empty() {
            let error = request.error_detail.as_ref().map(|status| status.message.clone());
            resources.answered(&request.response_nonce, error);
        }
        resources.subscribe_delta(request);
        self.stream.advance(now)
    }

    /// The resources for this proxy changed.
    pub fn on_snapshot(&mut self, now: Duration, snapshot: &Arc<Snapshot>) -> Vec<Response> {
        self.stream.on_snapshot(now, snapshot)
    }

    /// The time of [`Self::next_wake`] has come.
    pub fn on_wake(&mut self, now: Duration) -> Vec<Response> {
        self.stream.advance(now)
    }

    /// When to call [`Self::on_wake`], on the clock of `now`; `None` when nothing waits.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        self.stream.wake
    }

    /// How far the proxy is, per type.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.stream.types.progress()
    }

    /// Whether the proxy has acknowledged all that the last snapshot has for it.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.stream.settled()
    }
}

impl Sotw {
    /// A machine for a new connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The proxy said something: a subscription, an acknowledgement or a refusal.
    pub fn on_request(
        &mut self,
        now: Duration,
        request: &DiscoveryRequest,
        snapshot: &Arc<Snapshot>,
    ) -> Vec<Response> {
        self.stream.target = Arc::clone(snapshot);
        let resources = self.stream.types.of(&request.type_url, Kind::Sotw);
        if !request.response_nonce.is_empty() {
            let error = request.error_detail.as_ref().map(|status| status.message.clone());
            if !resources.answered(&request.response_nonce, error) {
                // Said before it saw our last response: it will speak again when it has.
                return Vec::new();
            }
        }
        resources.subscribe_sotw(&request.resource_names, !request.version_info.is_empty());
        self.stream.advance(now)
    }

    /// The resources for this proxy changed.
    pub fn on_snapshot(&mut self, now: Duration, snapshot: &Arc<Snapshot>) -> Vec<Response> {
        self.stream.on_snapshot(now, snapshot)
    }

    /// The time of [`Self::next_wake`] has come.
    pub fn on_wake(&mut self, now: Duration) -> Vec<Response> {
        self.stream.advance(now)
    }

    /// When to call [`Self::on_wake`], on the clock of `now`; `None` when nothing waits.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        self.stream.wake
    }

    /// How far the proxy is, per type.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.stream.types.progress()
    }

    /// Whether the proxy has acknowledged all that the last snapshot has for it.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.stream.settled()
    }
}

/// What both protocols share.
#[derive(Debug, Default)]
struct Stream {
    target: Arc<Snapshot>,
    types: Types,
    /// Since when listeners and routes wait for clusters and endpoints.
    routes_wait: Option<Duration>,
    /// Since when withdrawals wait for listeners and routes.
    withdrawals_wait: Option<Duration>,
    wake: Option<Duration>,
}

impl Stream {
    fn on_snapshot(&mut self, now: Duration, snapshot: &Arc<Snapshot>) -> Vec<Response> {
        self.target = Arc::clone(snapshot);
        self.advance(now)
    }

    /// Tells what may be told now.
    fn advance(&mut self, now: Duration) -> Vec<Response> {
        self.wake = None;
        let mut out = Vec::new();
        self.types.make(CLUSTER, &self.target, &mut out);
        self.types.make(ENDPOINT, &self.target, &mut out);
        // Secrets and the rest depend on nothing and nothing is withdrawn because of them.
        self.types.make_others(&self.target, &mut out);

        let clusters_there = self.types.has_all(CLUSTER, &self.target)
            && self.types.has_all(ENDPOINT, &self.target)
            && !self.types.awaits_endpoints(&self.target);
        let routes_pending = !(self.types.has_all(LISTENER, &self.target)
            && self.types.has_all(ROUTE, &self.target));
        if self.may_go(now, clusters_there || !routes_pending, Step::Routes) {
            self.types.make(LISTENER, &self.target, &mut out);
            self.types.make(ROUTE, &self.target, &mut out);
        } else {
            // A proxy that asks for the first time, or for a name that it does not have, gets it at once.
            self.types.make_new(LISTENER, &self.target, &mut out);
            self.types.make_new(ROUTE, &self.target, &mut out);
            self.withdrawals_wait = None;
            return out;
        }

        let routes_there =
            self.types.has_all(LISTENER, &self.target) && self.types.has_all(ROUTE, &self.target);
        let withdraws = self.types.withdraws(&self.target);
        if self.may_go(now, (clusters_there && routes_there) || !withdraws, Step::Withdrawals) {
            for type_url in [CLUSTER, ENDPOINT, ROUTE] {
                self.types.withdraw(type_url, &self.target, &mut out);
            }
        }
        out
    }

    /// Whether a step may go: when the one before is done, or has been waited for long enough.
    fn may_go(&mut self, now: Duration, done: bool, step: Step) -> bool {
        let since = match step {
            Step::Routes => &mut self.routes_wait,
            Step::Withdrawals => &mut self.withdrawals_wait,
        };
        if done {
            *since = None;
            return true;
        }
        let until = *since.get_or_insert(now) + PATIENCE;
        if now < until {
            self.wake = Some(self.wake.map_or(until, |wake| wake.min(until)));
            return false;
        }
        self.types.await_no_endpoints();
        true
    }

    fn settled(&self) -> bool {
        self.types.settled(&self.target)
    }
}

#[derive(Clone, Copy)]
enum Step {
    Routes,
    Withdrawals,
}

#[cfg(test)]
mod tests;
