//! One worker: a thread with its own event loop, listeners, pools and counters. Nothing of it is
//! shared with another worker but the table's pointer and the state of upstreams.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use telemetry::Workload;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use traffic::Dice;

use crate::accept;
use crate::clock::Date;
use crate::exchange::Downstream;
use crate::keeper::Socket;
use crate::notes;
use crate::pool::Pools;
use crate::record::{Record, Recorder};
use crate::shared::{InForce, Shared};
use crate::socket::Door;

/// Idle upstream connections are looked through this often, and after each new table.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// What the main thread tells a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Accept connections of the listener of this name and configured address.
    Listen { key: Socket, socket: Door },
    /// Accept no more; connections that stand go on until they are idle.
    Unlisten { key: Socket },
    /// A new table is in place; `listeners`: some listener differs, so that idle connections look
    /// whether theirs does.
    Changed { listeners: bool },
    /// The proxy stops taking new work.
    Drain,
}

/// The state of one worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) index: usize,
    now: RefCell<Arc<InForce>>,
    version: Cell<u64>,
    pub(crate) dice: RefCell<Dice>,
    pub(crate) pools: Pools,
    pub(crate) date: Date,
    pub(crate) recorder: RefCell<Recorder>,
    /// Copies under way, and the bytes of their bodies.
    pub(crate) mirrors: Cell<usize>,
    pub(crate) mirrored_bytes: Cell<usize>,
    /// Bytes of request bodies that are kept beyond each one's own part.
    pub(crate) kept: Cell<usize>,
    /// Connections that were accepted.
    pub(crate) accepted: Cell<u64>,
    /// A line of an access log in the making.
    pub(crate) line: RefCell<Vec<u8>>,
    /// Wakes idle downstream connections when the proxy drains or a listener goes.
    pub(crate) wake_idle: Notify,
}

impl Worker {
    fn new(shared: Arc<Shared>, index: usize, workload: Workload) -> Worker {
        Worker {
            version: Cell::new(shared.version()),
            now: RefCell::new(shared.in_force()),
            shared,
            index,
            dice: RefCell::new(Dice::seeded(seed())),
            pools: Pools::default(),
            date: Date::default(),
            recorder: RefCell::new(Recorder::new(workload)),
            mirrors: Cell::new(0),
            mirrored_bytes: Cell::new(0),
            kept: Cell::new(0),
            accepted: Cell::new(0),
            line: RefCell::default(),
            wake_idle: Notify::new(),
        }
    }

    /// What is in force: one atomic read unless there is a new table.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        let version = self.shared.version();
        if self.version.get() != version {
            *self.now.borrow_mut() = self.shared.in_force();
            self.version.set(version);
        }
        self.now.borrow().clone()
    }

    /// Counts a finished request.
    pub(crate) fn finish(&self, downstream: &Downstream, record: &mut Record) {
        let mut registry = self.shared.registry(self.index);
        self.recorder.borrow_mut().request(&mut registry, record, downstream.inbound);
        drop(registry);
        self.log(downstream, record);
    }

    /// Writes the access records of a finished request.
    pub(crate) fn log(&self, downstream: &Downstream, record: &mut Record) {
        if let Some(logbook) = &downstream.logbook {
            let of = (logbook, &downstream.arrival);
            notes::request(self, of, &downstream.peer, (record, downstream.http2));
        }
    }
}

/// A seed that differs between threads and starts.
pub(crate) fn seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Runs a worker until its command channel closes.
pub(crate) fn run(
    shared: Arc<Shared>,
    index: usize,
    workload: Workload,
    commands: mpsc::UnboundedReceiver<Command>,
) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let worker = Rc::new(Worker::new(shared, index, workload));
    runtime.block_on(obey(worker, commands));
    Ok(())
}

async fn obey(worker: Rc<Worker>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut accepting: HashMap<Socket, Vec<AbortHandle>> = HashMap::new();
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let command = tokio::select! {
            command = commands.recv() => command,
            _ = sweep.tick() => {
                worker.pools.sweep();
                continue;
            }
        };
        match command {
            None => return,
            Some(Command::Listen { key, socket }) => match socket.open() {
                Ok(listener) => {
                    let task = accept::run(worker.clone(), key.0.clone(), listener);
                    let handle = tokio::task::spawn_local(task).abort_handle();
                    accepting.entry(key).or_default().push(handle);
                }
                Err(error) => tracing::error!(listener = %key.0, %error, "cannot listen"),
            },
            Some(Command::Unlisten { key }) => {
                for handle in accepting.remove(&key).unwrap_or_default() {
                    handle.abort();
                }
                worker.wake_idle.notify_waiters();
            }
            Some(Command::Changed { listeners }) => {
                worker.pools.sweep();
                if listeners {
                    worker.wake_idle.notify_waiters();
                }
            }
            Some(Command::Drain) => worker.wake_idle.notify_waiters(),
        }
    }
}
