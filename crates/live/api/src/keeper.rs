//! The store, shared by all requests, and the one thread that changes it.
//!
//! The thread takes all writes that wait, applies them in memory, makes them durable in one
//! transaction, and only then tells anyone: group commit. A reader never sees what is not on disk:
//! it waits for the commit that is under way, and looks again when that failed.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use objects::{Applied, Draft, Event, Op, Reason, Resource, Status, Store};
use tokio::sync::{mpsc, oneshot, watch};

use crate::admission;
use crate::chance;
use crate::disk::{Disk, Failure, Kept};

/// Writes in one transaction at most, so that the first does not wait for too many others.
const BATCH: usize = 256;
/// Writes that wait at most; more wait in their connections.
const QUEUE: usize = 1024;

/// What is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed {
    /// The last durable revision.
    pub(crate) revision: u64,
    /// How often memory was set back to what the disk has.
    pub(crate) setbacks: u64,
}

/// A write for the thread.
#[derive(Debug)]
pub(crate) enum Write {
    /// Decided here and now, when nobody else is asked.
    Op(Box<Op>),
    /// Decided before, and admitted.
    Draft(Box<Draft>),
}

enum Job {
    Write { write: Write, answer: Asker },
    Stop(oneshot::Sender<()>),
}

/// Access to the store.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    store: Arc<RwLock<Store>>,
    queue: mpsc::Sender<Job>,
    committed: watch::Receiver<Committed>,
}

impl Keeper {
    /// Loads what the disk has and starts the thread.
    pub(crate) fn start(disk: Disk, resources: &'static [Resource]) -> Result<(Keeper, String)> {
        let mut kept = disk.load()?;
        if kept.uid.is_empty() {
            kept.uid = chance::uid().to_string();
            disk.name(&kept.uid)?;
        }
        let uid = kept.uid.clone();
        let store = restored(kept, resources);
        let (tell, committed) =
            watch::channel(Committed { revision: store.revision(), setbacks: 0 });
        let store = Arc::new(RwLock::new(store));
        let (queue, jobs) = mpsc::channel(QUEUE);
        let writer = Writer { disk, store: store.clone(), jobs, tell, broken: false };
        thread::Builder::new()
            .name("api-writer".to_owned())
            .spawn(move || writer.run())
            .context("cannot start the thread that writes the store")?;
        Ok((Keeper { store, queue, committed }, uid))
    }

    /// What is durable, and a signal at each change of that.
    pub(crate) fn committed(&self) -> watch::Receiver<Committed> {
        self.committed.clone()
    }

    /// The store with writes that may not be durable yet: only to decide further writes, which
    /// are durable after them, and to look up events up to a durable revision.
    pub(crate) fn ahead(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a state that is durable when this returns.
    pub(crate) async fn read<T>(&self, look: impl Fn(&Store) -> T) -> T {
        let mut committed = self.committed.clone();
        loop {
            let setbacks = committed.borrow_and_update().setbacks;
            let (seen, revision) = {
                let store = self.ahead();
                (look(&store), store.revision())
            };
            let now = committed
                .wait_for(|now| now.revision >= revision || now.setbacks != setbacks)
                .await
                .map(|now| *now);
            match now {
                Ok(now) if now.setbacks != setbacks => {}
                // The thread is gone with the server: what was seen is as good as it gets.
                Ok(_) | Err(_) => return seen,
            }
        }
    }

    /// Does a write; durable when this returns.
    pub(crate) async fn write(&self, write: Write) -> Result<Applied, Status> {
        let (answer, answered) = oneshot::channel();
        let gone = || Status::unavailable("the API server is stopping");
        self.queue.send(Job::Write { write, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Finishes the writes that wait, closes the disk and ends the thread.
    pub(crate) async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        if self.queue.send(Job::Stop(done)).await.is_ok() {
            let _ = ended.await;
        }
    }
}

fn restored(kept: Kept, resources: &'static [Resource]) -> Store {
    if kept.revision == 0 {
        return Store::new(resources);
    }
    Store::restore(resources, kept.objects, kept.log, kept.revision)
}

type Asker = oneshot::Sender<Result<Applied, Status>>;
type Answer = (Asker, Result<Applied, Status>);

struct Writer {
    disk: Disk,
    store: Arc<RwLock<Store>>,
    jobs: mpsc::Receiver<Job>,
    tell: watch::Sender<Committed>,
    /// The last commit failed: the database must be opened again.
    broken: bool,
}

impl Writer {
    fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            let mut batch = Vec::new();
            let mut stop = None;
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Write { write, answer } => batch.push((write, answer)),
                    Job::Stop(done) => stop = Some(done),
                }
                next = if batch.len() < BATCH { self.jobs.try_recv().ok() } else { None };
            }
            self.batch(batch);
            if let Some(done) = stop {
                // The disk is closed before anyone is told.
                drop(self);
                let _ = done.send(());
                return;
            }
        }
    }

    fn batch(&mut self, batch: Vec<(Write, Asker)>) {
        if self.broken
            && let Err(failure) = self.mend()
        {
            for (_, answer) in batch {
                let _ = answer.send(Err(refused(&failure)));
            }
            return;
        }
        let mut events: Vec<Event> = Vec::new();
        let mut answers: Vec<Answer> = Vec::new();
        // Answers after the first change depend on it.
        let mut firm = 0;
        let revision = {
            let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
            for (write, answer) in batch {
                let result = apply(&mut store, write);
                if let Ok(applied) = &result {
                    events.extend(applied.events.iter().cloned());
                }
                if events.is_empty() {
                    firm += 1;
                }
                answers.push((answer, result));
            }
            store.revision()
        };
        if !events.is_empty() {
            match self.disk.commit(&events, revision) {
                Ok(()) => {
                    self.tell.send_modify(|committed| committed.revision = revision);
                }
                Err(failure) => {
                    tracing::error!(why = failure.why, "the store cannot be written");
                    self.set_back(&events);
                    for (_, result) in answers.iter_mut().skip(firm) {
                        *result = Err(refused(&failure));
                    }
                }
            }
        }
        for (answer, result) in answers {
            // A client that went away does not need its answer.
            let _ = answer.send(result);
        }
    }

    /// Memory forgets what the disk did not take.
    fn set_back(&mut self, events: &[Event]) {
        self.broken = true;
        self.store.write().unwrap_or_else(PoisonError::into_inner).revert(events);
        self.tell.send_modify(|committed| committed.setbacks += 1);
    }

    /// Opens the database again. A commit that was reported as failed may still be there: then
    /// memory takes over what the disk has.
    fn mend(&mut self) -> Result<(), Failure> {
        let unread = |error: anyhow::Error| Failure { full: false, why: format!("{error:#}") };
        self.disk.reopen()?;
        let durable = self.disk.revision().map_err(unread)?;
        if durable != self.tell.borrow().revision {
            let kept = self.disk.load().map_err(unread)?;
            let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
            *store = restored(kept, store.resources());
            self.tell.send_modify(|committed| {
                committed.revision = durable;
                committed.setbacks += 1;
            });
        }
        self.broken = false;
        Ok(())
    }
}

fn apply(store: &mut Store, write: Write) -> Result<Applied, Status> {
    let now = Timestamp::now();
    let mut draft = match write {
        Write::Op(op) => {
            let mut draft = store.prepare(*op, now, chance::uid())?;
            admission::complete(&mut draft);
            draft
        }
        Write::Draft(draft) => *draft,
    };
    admission::allocate(store, &mut draft)?;
    store.commit(draft, now)
}

/// What the client of a write hears that the disk did not take.
fn refused(failure: &Failure) -> Status {
    if failure.full {
        return Status::new(
            507,
            Reason::InternalError,
            "the disk that holds the lateen home is full: nothing was changed; free some space \
             and try again",
        );
    }
    Status::internal(&format!(
        "the store could not be written, nothing was changed: {}",
        failure.why
    ))
}

#[cfg(test)]
mod tests;
