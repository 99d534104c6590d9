//! From changes to plans: what the mesh is now, understood; and the snapshots made of it, shared by proxies that see the same.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use mesh::{Finding, Key, Model, Node, View};
use serde_json::Value;
use tokio::sync::{mpsc, watch as channel};
use xds::snapshot::Snapshot;

use super::{Seen, Shared, pace::Pace, stopped, watch::Change};

/// The mesh, understood at one time.
#[derive(Debug)]
pub(super) struct Plan {
    /// Counts plans.
    pub(super) generation: u64,
    /// What the mesh means.
    pub(super) model: Model,
    /// What is wrong with objects.
    pub(super) findings: Vec<Finding>,
    /// When the oldest change in it was seen.
    pub(super) since: Instant,
}

/// The latest plan, and the snapshots made of plans.
#[derive(Debug)]
pub(super) struct Plans {
    latest: channel::Sender<Option<Arc<Plan>>>,
    /// Snapshots by what their proxies see, and the generation that used each last.
    snapshots: Mutex<HashMap<View, (Arc<Snapshot>, u64)>>,
}

impl Default for Plans {
    fn default() -> Self {
        Self { latest: channel::Sender::new(None), snapshots: Mutex::default() }
    }
}

impl Plans {
    /// Tells of new plans; the first value may be none, before all watches are synced.
    pub(super) fn subscribe(&self) -> channel::Receiver<Option<Arc<Plan>>> {
        self.latest.subscribe()
    }

    /// The latest plan.
    pub(super) fn latest(&self) -> Option<Arc<Plan>> {
        self.latest.borrow().clone()
    }

    /// The snapshot for a proxy; proxies that see the same share it.
    pub(super) fn snapshot(&self, plan: &Plan, node: &Node) -> Arc<Snapshot> {
        let view = plan.model.view(node);
        let mut known = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((snapshot, used)) = known.get_mut(&view) {
            *used = (*used).max(plan.generation);
            return Arc::clone(snapshot);
        }
        drop(known);
        // Two proxies may make the same one at the same time: the later is dropped, the wait of all others is spared.
        let made = Arc::new(mesh::publish(&view));
        let mut known = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known.entry(view).or_insert((made, plan.generation)).0)
    }

    /// Snapshots that are kept.
    pub(super) fn kept(&self) -> usize {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn tell(&self, plan: Plan) {
        // One generation back is still asked for, by proxies that did not hear of this one yet.
        let oldest = plan.generation.saturating_sub(1);
        self.snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, (_, used)| *used >= oldest);
        self.latest.send_replace(Some(Arc::new(plan)));
    }
}

/// Takes in changes and makes plans of them, until the control plane stops.
pub(super) async fn run(shared: Arc<Shared>, mut changes: mpsc::Receiver<Change>) {
    let start = Instant::now();
    let mut stop = shared.stop.clone();
    let mut pace = Pace::default();
    let mut synced = false;
    let mut generation = 0;
    let mut batch = Vec::new();
    loop {
        let due = pace.due().filter(|_| synced);
        let wait = due.map(|due| due.saturating_sub(start.elapsed()));
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            count = changes.recv_many(&mut batch, 4096) => {
                if count == 0 {
                    return;
                }
                for change in batch.drain(..) {
                    synced |= matches!(change, Change::Synced);
                    if let Some(urgent) = take(&shared, change) {
                        pace.on_change(start.elapsed(), urgent);
                    }
                }
            }
            () = tokio::time::sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {
                let since = start + pace.since().unwrap_or_default();
                pace.told();
                generation += 1;
                let thinker = Arc::clone(&shared);
                let plan = tokio::task::spawn_blocking(move || think(&thinker, generation, since)).await;
                match plan {
                    Ok(plan) => {
                        shared.plans.tell(plan);
                        shared.ready.synced.store(true, std::sync::atomic::Ordering::Release);
                    }
                    Err(error) => tracing::error!("a plan failed and the last one stays: {error}"),
                }
            }
        }
    }
}

/// Takes a change in; whether it is urgent, or `None` if it does not change what proxies are told.
fn take(shared: &Shared, change: Change) -> Option<bool> {
    let mut seen = shared.seen.write().unwrap_or_else(PoisonError::into_inner);
    let (object, there) = match change {
        Change::Is(object) => (object, true),
        Change::Gone(object) => (object, false),
        Change::Synced => return Some(true),
    };
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = text("/kind");
    shared.metrics.seen(kind);
    if kind == "Namespace" {
        let name = text("/metadata/name").to_owned();
        if there {
            seen.namespaces.insert(name, object);
        } else {
            seen.namespaces.remove(&name);
        }
        return None;
    }
    let own = (shared.options.namespace.as_str(), shared.options.service.as_str());
    if kind == "Service" && (text("/metadata/namespace"), text("/metadata/name")) == own {
        let address = Some(text("/spec/clusterIP"))
            .filter(|address| there && !["", "None"].contains(address));
        seen.service = address.map(str::to_owned);
    }
    let key = Key::of(&object)?;
    if there {
        seen.world.upsert(&object);
    } else {
        seen.world.remove(&key);
    }
    Some(matches!(key.kind, mesh::Kind::EndpointSlice | mesh::Kind::Pod))
}

fn think(shared: &Shared, generation: u64, since: Instant) -> Plan {
    let world = {
        let seen: &Seen = &shared.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.world.clone()
    };
    let (model, findings) = mesh::understand(&world);
    shared.metrics.understood(&model);
    Plan { generation, model, findings, since }
}
