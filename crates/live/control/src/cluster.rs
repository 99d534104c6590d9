//! The cluster's own loops: runs the controllers of `lateen up` against the API server.
//!
//! Everything they need is watched into one [`cache::Cache`]. At each change all of them are asked
//! anew, and what they want is written, some writes side by side. The answer to a write goes into
//! the cache before the watch tells of it, and nothing more is done for an object while writes on
//! its behalf are under way: so nothing is ever done twice because the watch lags.

mod backoff;
mod cache;
mod events;
mod rest;
mod watch;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use controllers::{Plan, Target, Write};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch as signal};
use tokio::task::JoinSet;
use tokio::time::Instant;

use backoff::Backoffs;
use cache::Cache;
use rest::Rest;
use write::{Done, Writer};

/// Runs until `stop` says true or its sender is gone. `root_ca_pem` is what pods trust.
///
/// # Errors
/// None at present: whatever the API server answers is tried again.
pub async fn run(
    client: kube::Client,
    root_ca_pem: String,
    mut stop: signal::Receiver<bool>,
) -> anyhow::Result<()> {
    let (sender, mut changes) = mpsc::unbounded_channel();
    let _watches = watch::start(&client, &sender);
    let mut driver = Driver::new(client, root_ca_pem);
    loop {
        let wake = driver.wake;
        tokio::select! {
            told = stop.changed() => {
                if told.is_err() || *stop.borrow() {
                    return Ok(());
                }
            }
            Some(change) = changes.recv() => {
                driver.cache.apply(change);
                while let Ok(change) = changes.try_recv() {
                    driver.cache.apply(change);
                }
            }
            Some(done) = driver.writes.join_next() => {
                driver.finish(done);
                while let Some(done) = driver.writes.try_join_next() {
                    driver.finish(done);
                }
            }
            listed = driver.rest.listed() => driver.cache.put_rest(listed),
            () = sleep_until(wake) => {}
        }
        driver.advance();
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

struct Driver {
    cache: Cache,
    root_ca_pem: String,
    writer: Writer,
    writes: JoinSet<Done>,
    /// How many writes are under way on behalf of an object.
    busy: BTreeMap<Target, usize>,
    backoffs: Backoffs,
    rest: Rest,
    wake: Option<Instant>,
}

impl Driver {
    fn new(client: kube::Client, root_ca_pem: String) -> Self {
        Self {
            cache: Cache::default(),
            root_ca_pem,
            writer: Writer::new(client.clone()),
            writes: JoinSet::new(),
            busy: BTreeMap::new(),
            backoffs: Backoffs::default(),
            rest: Rest::new(client),
            wake: None,
        }
    }

    /// Asks the controllers, and begins what they want and nothing forbids.
    fn advance(&mut self) {
        self.wake = None;
        if !self.cache.is_complete() {
            return;
        }
        self.cache.age(self.rest.is_stale());
        let now = Timestamp::now();
        let plan = self.plan(now);
        if let Some(at) = plan.look_again {
            let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
            self.wake_in(wait);
        }
        if plan.needs_rest
            && !self.cache.has_rest()
            && let Some(wait) = self.rest.begin()
        {
            self.wake_in(wait);
        }
        self.cache.settle_departures();
        self.begin(plan.writes);
    }

    fn plan(&self, now: Timestamp) -> Plan {
        let seen = self.cache.seen();
        let mut plan = controllers::schedule::step(seen, now);
        plan.extend(controllers::endpoints::step(seen));
        plan.extend(controllers::replicaset::step(seen, now));
        plan.extend(controllers::deployment::step(seen, now));
        plan.extend(controllers::serviceaccounts::step(seen, &self.root_ca_pem));
        plan.extend(controllers::cleanup::step(seen, now));
        plan
    }

    fn begin(&mut self, writes: Vec<Write>) {
        let now = Instant::now();
        let mut begun: BTreeMap<Target, usize> = BTreeMap::new();
        for write in writes {
            if self.busy.contains_key(&write.owner) {
                continue;
            }
            if let Some(at) = self.backoffs.until(&write.owner, now) {
                self.wake_at(at);
                continue;
            }
            *begun.entry(write.owner.clone()).or_default() += 1;
            let writer = self.writer.clone();
            self.writes.spawn(async move { writer.carry_out(write).await });
        }
        self.busy.extend(begun);
    }

    fn finish(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let Ok(done) = done else {
            // A write that panicked has told why; its owner must not be locked for ever.
            self.busy.clear();
            return;
        };
        let owner = &done.write.owner;
        if let Some(count) = self.busy.get_mut(owner) {
            *count -= 1;
            if *count == 0 {
                self.busy.remove(owner);
            }
        }
        self.cache.learn(&done);
        self.backoffs.note(owner, &done.outcome, Instant::now());
        self.writer.report(&done, &mut self.cache);
    }

    fn wake_in(&mut self, wait: Duration) {
        // Times of objects are whole seconds or less: one millisecond more is late enough.
        self.wake_at(Instant::now() + wait + Duration::from_millis(1));
    }

    fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |earlier| earlier.min(at)));
    }
}
