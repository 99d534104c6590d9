//! The control plane: what it watches, what it understands, and what it tells on each stream.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use mesh::{Finding, Model, Node, View, World};
use prost::Message as _;
use serde_json::Value;
use xds::{
    ads::server::{Delta, Response},
    cluster::Cluster,
    discovery::DeltaDiscoveryRequest,
    snapshot::{CLUSTER, Snapshot},
};

/// Resources of this name are such as no proxy of ours takes.
pub(crate) const POISON: &str = "poison";

/// One change of an object, as a watch tells it.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Is(Arc<Value>),
    Gone(Arc<Value>),
}

/// The control plane; while it is down, nobody can reach it.
pub(crate) struct Plane {
    pub(crate) up: bool,
    world: World,
    model: Model,
    sessions: BTreeMap<u64, Session>,
    snapshots: Vec<(View, Arc<Snapshot>)>,
    /// A plan is due.
    pub(crate) thinks: bool,
    /// It tells of things that this proxy cannot do.
    poisoned: bool,
}

struct Session {
    proxy: usize,
    /// What the proxy said of itself; known from the first request on.
    node: Option<Node>,
    machine: Delta,
    snapshot: Arc<Snapshot>,
}

/// What goes down a stream.
pub(crate) struct Told {
    pub(crate) stream: u64,
    pub(crate) proxy: usize,
    pub(crate) messages: Vec<Bytes>,
    /// The snapshot that the proxy is being brought to.
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) wake: Option<Duration>,
}

impl Plane {
    pub(crate) fn new() -> Self {
        Self {
            up: false,
            world: World::default(),
            model: Model::default(),
            sessions: BTreeMap::new(),
            snapshots: Vec::new(),
            thinks: false,
            poisoned: false,
        }
    }

    /// Starts with all objects that are there.
    pub(crate) fn start(&mut self, objects: &[Arc<Value>]) {
        *self = Self { up: true, ..Self::new() };
        self.world = World::new(objects.iter().map(|object| &**object));
        self.understand();
    }

    /// Ends; its streams are gone.
    pub(crate) fn stop(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn watch(&mut self, change: &Change) {
        match change {
            Change::Is(object) => self.world.upsert(object),
            Change::Gone(object) => {
                if let Some(key) = mesh::Key::of(object) {
                    self.world.remove(&key);
                }
            }
        }
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn poison(&mut self, poisoned: bool) {
        self.poisoned = poisoned;
        self.snapshots.clear();
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn understand(&mut self) -> Vec<Finding> {
        let (model, findings) = mesh::understand(&self.world);
        self.model = model;
        self.snapshots.clear();
        findings
    }

    /// Makes a new plan, and tells it on every stream.
    pub(crate) fn think(&mut self, now: Duration) -> (Vec<Told>, Vec<Finding>) {
        self.thinks = false;
        let findings = self.understand();
        let mut told = Vec::new();
        let streams: Vec<u64> = self.sessions.keys().copied().collect();
        for stream in streams {
            let Some(node) = self.sessions.get(&stream).and_then(|it| it.node.clone()) else {
                continue;
            };
            let snapshot = self.snapshot(&node);
            let Some(session) = self.sessions.get_mut(&stream) else { continue };
            session.snapshot = snapshot;
            let responses = session.machine.on_snapshot(now, &session.snapshot);
            told.push(session.told(stream, &responses));
        }
        (told, findings)
    }

    /// What a proxy of this node is to be told.
    pub(crate) fn snapshot(&mut self, node: &Node) -> Arc<Snapshot> {
        let view = self.model.view(node);
        if let Some((_, snapshot)) = self.snapshots.iter().find(|(known, _)| *known == view) {
            return Arc::clone(snapshot);
        }
        let mut snapshot = mesh::publish(&view);
        if self.poisoned {
            // A newer control plane may speak of things that an older proxy does not know.
            let cluster = Cluster {
                name: POISON.to_owned(),
                lb_policy: xds::cluster::cluster::LbPolicy::LoadBalancingPolicyConfig as i32,
                ..Cluster::default()
            };
            snapshot.insert(POISON, &cluster);
            debug_assert!(snapshot.resource(CLUSTER, POISON).is_some());
        }
        let snapshot = Arc::new(snapshot);
        self.snapshots.push((view, Arc::clone(&snapshot)));
        snapshot
    }

    pub(crate) fn accept(&mut self, stream: u64, proxy: usize) {
        let session =
            Session { proxy, node: None, machine: Delta::new(), snapshot: Arc::default() };
        self.sessions.insert(stream, session);
    }

    /// A stream is gone.
    pub(crate) fn forget(&mut self, stream: u64) {
        self.sessions.remove(&stream);
    }

    /// A message of a proxy.
    pub(crate) fn request(&mut self, now: Duration, stream: u64, bytes: &Bytes) -> Option<Told> {
        let request = DeltaDiscoveryRequest::decode(bytes.clone()).expect("a proxy encoded it");
        let session = self.sessions.get_mut(&stream)?;
        if session.node.is_none() {
            let said = request.node.as_ref().expect("the first request names the node");
            let node = Node::from_xds(said).expect("the node has its four parts");
            let snapshot = self.snapshot(&node);
            let session = self.sessions.get_mut(&stream)?;
            session.node = Some(node);
            session.snapshot = snapshot;
        }
        let session = self.sessions.get_mut(&stream)?;
        let responses = session.machine.on_request(now, &request, &session.snapshot);
        Some(session.told(stream, &responses))
    }

    /// The time that the machine of a stream asked for has come.
    pub(crate) fn wake(&mut self, now: Duration, stream: u64) -> Option<Told> {
        let session = self.sessions.get_mut(&stream)?;
        if session.machine.next_wake().is_none_or(|due| now < due) {
            return None;
        }
        let responses = session.machine.on_wake(now);
        Some(session.told(stream, &responses))
    }

    /// Whether the proxy on this stream has acknowledged everything.
    pub(crate) fn settled(&self, stream: u64) -> bool {
        self.sessions.get(&stream).is_some_and(|session| session.machine.settled())
    }
}

impl Session {
    fn told(&self, stream: u64, responses: &[Response]) -> Told {
        Told {
            stream,
            proxy: self.proxy,
            messages: responses.iter().map(Response::encode_delta).collect(),
            snapshot: Arc::clone(&self.snapshot),
            wake: self.machine.next_wake(),
        }
    }
}
