//! The proxies that are connected, and how far each is.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use mesh::Node;
use tokio::sync::watch as channel;
use xds::{ads::server::Progress, snapshot::Snapshot};

use super::ads::Protocol;

/// One connected proxy.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    /// Who it is.
    pub(super) node: Node,
    /// What its stream speaks.
    pub(super) protocol: Protocol,
    /// It has proven to be its service account.
    pub(super) proven: bool,
    /// What it told last of its application's health; `Err` says what is wrong.
    pub(super) health: Option<Result<(), String>>,
    /// Since when it is connected.
    pub(super) connected: jiff::Timestamp,
    /// How far it is, per type.
    pub(super) progress: Vec<Progress>,
    /// The plan that it was told of last.
    pub(super) generation: u64,
    /// It has acknowledged all of that plan.
    pub(super) settled: bool,
    /// What it should have.
    pub(super) snapshot: Arc<Snapshot>,
}

impl Proxy {
    /// Its name as people type it: `pod.namespace`.
    pub(super) fn name(&self) -> &str {
        self.node.id.split('~').nth(2).unwrap_or(&self.node.id)
    }
}

/// All connected proxies.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Arc<Table>);

#[derive(Debug, Default)]
struct Table {
    counter: AtomicU64,
    proxies: Mutex<BTreeMap<u64, Proxy>>,
    changed: channel::Sender<()>,
}

impl Table {
    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<u64, Proxy>) -> T) -> T {
        change(&mut self.proxies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a stream tells of itself.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) progress: Vec<Progress>,
    pub(super) generation: u64,
    pub(super) settled: bool,
    pub(super) snapshot: &'a Arc<Snapshot>,
}

/// The place of one proxy in the table; it leaves with its stream.
#[derive(Debug)]
pub(super) struct Entry {
    number: u64,
    table: Arc<Table>,
}

impl Connections {
    /// Takes in a proxy, which has proven who it is or has not.
    pub(super) fn enter(
        &self,
        (node, proven): (Node, bool),
        protocol: Protocol,
        snapshot: &Arc<Snapshot>,
    ) -> Entry {
        let number = self.0.counter.fetch_add(1, Ordering::Relaxed);
        let proxy = Proxy {
            node,
            protocol,
            proven,
            health: None,
            connected: jiff::Timestamp::now(),
            progress: Vec::new(),
            generation: 0,
            settled: false,
            snapshot: Arc::clone(snapshot),
        };
        self.0.with(|proxies| proxies.insert(number, proxy));
        Entry { number, table: Arc::clone(&self.0) }
    }

    /// All proxies, in the order in which they came.
    pub(super) fn all(&self) -> Vec<Proxy> {
        self.0.with(|proxies| proxies.values().cloned().collect())
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.with(|proxies| proxies.len())
    }

    /// Whether all proxies have heard of a plan and acknowledged all that it changes.
    pub(super) fn settled(&self, generation: u64) -> bool {
        self.0.with(|proxies| {
            proxies.values().all(|proxy| proxy.settled && proxy.generation >= generation)
        })
    }

    /// Tells of every change of the table.
    pub(super) fn changes(&self) -> channel::Receiver<()> {
        self.0.changed.subscribe()
    }
}

impl Entry {
    /// The stream moved on.
    pub(super) fn update(&self, told: Told<'_>) {
        self.table.with(|proxies| {
            if let Some(proxy) = proxies.get_mut(&self.number) {
                proxy.progress = told.progress;
                proxy.generation = told.generation;
                proxy.settled = told.settled;
                proxy.snapshot = Arc::clone(told.snapshot);
            }
        });
        self.table.changed.send_replace(());
    }
}

impl Entry {
    /// The proxy told of its application's health.
    pub(super) fn tells(&self, health: Result<(), String>) {
        self.table.with(|proxies| {
            if let Some(proxy) = proxies.get_mut(&self.number) {
                proxy.health = Some(health);
            }
        });
        self.table.changed.send_replace(());
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(proxy) = self.table.with(|proxies| proxies.remove(&self.number)) {
            tracing::info!(proxy = %proxy.node.id, "disconnected");
        }
        self.table.changed.send_replace(());
    }
}
