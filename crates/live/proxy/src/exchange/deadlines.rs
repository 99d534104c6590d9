//! Until when an exchange may go on: what `traffic` said, against the clock.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use traffic::{Cluster, Fault, Forward};

/// Deadlines of an exchange; all may be absent.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// Of all of it, from the end of the request on.
    timeout: Option<Duration>,
    overall: Cell<Option<Instant>>,
    /// Of all of it, from its start.
    life: Option<Instant>,
    /// Of the request's arrival.
    arrival: Option<Instant>,
    /// Of silence on both sides.
    idle: Option<Duration>,
    /// Of one attempt's head, from when it has both a connection and the whole request.
    per_try: Option<Duration>,
    head: Cell<Option<Instant>>,
    /// Of silence within one attempt.
    attempt_idle: Option<Duration>,
    /// Of one attempt, from when it has a connection.
    attempt_life: Cell<Option<Instant>>,
    /// The request is on a connection.
    connected: Cell<bool>,
    /// All of the request is there, since then.
    complete: Cell<Option<Instant>>,
    /// When anything moved last.
    moved: Cell<Instant>,
}

impl Deadlines {
    /// Those of a request that began at `started`.
    pub(crate) fn new(forward: &Forward, started: Instant) -> Deadlines {
        Deadlines {
            timeout: forward.timeout(),
            life: forward.max_stream_duration().map(|life| started + life),
            arrival: forward.request_timeout().map(|limit| started + limit),
            idle: forward.idle_timeout(),
            per_try: forward.per_try_timeout(),
            attempt_idle: forward.per_try_idle_timeout(),
            ..Deadlines::none()
        }
    }

    /// No limit at all.
    pub(crate) fn none() -> Deadlines {
        Deadlines {
            timeout: None,
            overall: Cell::new(None),
            life: None,
            arrival: None,
            idle: None,
            per_try: None,
            head: Cell::new(None),
            attempt_idle: None,
            attempt_life: Cell::new(None),
            connected: Cell::new(false),
            complete: Cell::new(None),
            moved: Cell::new(Instant::now()),
        }
    }

    /// Of silence alone.
    pub(crate) fn silence(idle: Option<Duration>) -> Deadlines {
        let deadlines = Deadlines { idle, ..Deadlines::none() };
        deadlines.complete.set(Some(Instant::now()));
        deadlines
    }

    /// Something moved.
    pub(crate) fn touch(&self) {
        if self.idle.is_some() || self.attempt_idle.is_some() {
            self.moved.set(Instant::now());
        }
    }

    /// The request is complete: the time for the whole exchange begins.
    pub(crate) fn request_complete(&self) {
        if self.complete.get().is_some() {
            return;
        }
        self.complete.set(Some(Instant::now()));
        self.touch();
        self.overall.set(self.timeout.map(|timeout| Instant::now() + timeout));
        self.attempt_begins();
    }

    /// When the request was complete; `None` while it is not.
    pub(crate) fn completed(&self) -> Option<Instant> {
        self.complete.get()
    }

    /// How long ago the request was complete; `None` while it is not.
    pub(crate) fn since_complete(&self) -> Option<Duration> {
        self.complete.get().map(|complete| complete.elapsed())
    }

    /// An attempt looks for a connection.
    pub(crate) fn attempt(&self) {
        self.connected.set(false);
        self.head.set(None);
        self.attempt_life.set(None);
    }

    /// An attempt has its connection.
    pub(crate) fn connected(&self, cluster: &Cluster) {
        self.connected.set(true);
        let life = cluster.max_stream_duration;
        self.attempt_life.set(life.map(|life| Instant::now() + life));
        self.touch();
        self.attempt_begins();
    }

    fn attempt_begins(&self) {
        if self.connected.get() && self.complete.get().is_some() {
            self.head.set(self.per_try.map(|limit| Instant::now() + limit));
        }
    }

    /// Waits for the first of the deadlines; that of an attempt's head counts only `before_head`.
    pub(crate) async fn passed(&self, before_head: bool) -> Fault {
        loop {
            let Some((at, fault)) = self.next(before_head) else {
                return std::future::pending().await;
            };
            if at <= Instant::now() {
                return fault;
            }
            // Silence may have been broken meanwhile, and the request be complete.
            sleep_until(at).await;
        }
    }

    fn next(&self, before_head: bool) -> Option<(Instant, Fault)> {
        let request_complete = self.complete.get().is_some();
        let moved = self.moved.get();
        let of_attempt = self.connected.get();
        let all = [
            self.overall.get().map(|at| (at, Fault::Timeout)),
            self.life.map(|at| (at, Fault::DurationOver { request_complete })),
            self.arrival.filter(|_| !request_complete).map(|at| (at, Fault::RequestTimeout)),
            self.idle.map(|idle| (moved + idle, Fault::StreamIdle { request_complete })),
            self.head.get().filter(|_| before_head).map(|at| (at, Fault::PerTryTimeout)),
            self.attempt_idle
                .filter(|_| of_attempt && request_complete)
                .map(|idle| (moved + idle, Fault::PerTryIdleTimeout)),
            self.attempt_life.get().map(|at| (at, Fault::MaxStreamDuration)),
        ];
        all.into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}
