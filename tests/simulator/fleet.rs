//! The cluster: objects in the real store, the real controllers, and a kubelet that starts and ends pods.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use controllers::{Action, Plan, Seen, Write};
use jiff::Timestamp;
use objects::{DeleteOptions, Event, FieldValidation, Op, PatchKind, Status, Store, Target, Uid};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use traffic::Dice;

/// So many addresses there are for pods: few, so that new pods get those of pods that are gone.
const ADDRESSES: u32 = 40;
/// Rounds of the controllers after one change; they come to rest long before.
const ROUNDS: usize = 50;

/// Objects, and what keeps them in line.
pub(crate) struct Fleet {
    pub(crate) store: Store,
    seen: Seen,
    dice: Dice,
    /// Addresses in use, by pod.
    addresses: BTreeMap<String, Ipv4Addr>,
    next_address: u32,
}

/// What the kubelet has to do about a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chore {
    Start,
    End,
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl Fleet {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            store: Store::new(kinds::resources()),
            seen: Seen::default(),
            dice: Dice::seeded(seed),
            addresses: BTreeMap::new(),
            next_address: 0,
        }
    }

    fn uid(&mut self) -> Uid {
        Uid(u128::from(self.dice.roll()) << 64 | u128::from(self.dice.roll()))
    }

    fn target(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Target {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let resource = self
            .store
            .resources()
            .iter()
            .find(|resource| resource.group == group && resource.kind == kind)
            .unwrap_or_else(|| panic!("{api_version} {kind} is not served"));
        Target::new(resource, if resource.namespaced { namespace } else { "" }, name)
    }

    fn op(&mut self, mut op: Op, now: Timestamp) -> Result<Vec<Event>, Status> {
        op.validation = FieldValidation::Ignore;
        let uid = self.uid();
        let events = self.store.apply(op, now, uid)?.events;
        for event in &events {
            self.learn(event);
        }
        Ok(events)
    }

    /// Creates an object, or replaces the one that is there.
    pub(crate) fn apply(&mut self, object: &Value, now: Timestamp) -> Result<Vec<Event>, Status> {
        let (namespace, name) =
            (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let target = self.target(version, kind, namespace, name);
        if self.store.read(&target).is_err() {
            let target = self.target(version, kind, namespace, "");
            return self.op(Op::create(target, object.clone()), now);
        }
        // A merge patch would keep what the new specification leaves out.
        let patch = json!([{"op": "replace", "path": "/spec", "value": object["spec"]}]);
        self.op(Op::patch(target, PatchKind::Json, patch), now)
    }

    /// Changes part of an object.
    pub(crate) fn patch(
        &mut self,
        (version, kind, namespace, name): (&str, &str, &str, &str),
        patch: Value,
        now: Timestamp,
    ) -> Result<Vec<Event>, Status> {
        let target = self.target(version, kind, namespace, name);
        self.op(Op::patch(target, PatchKind::Merge, patch), now)
    }

    /// Deletes an object.
    pub(crate) fn delete(
        &mut self,
        (version, kind, namespace, name): (&str, &str, &str, &str),
        now: Timestamp,
    ) -> Result<Vec<Event>, Status> {
        let target = self.target(version, kind, namespace, name);
        self.op(Op::delete(target, DeleteOptions::default()), now)
    }

    /// Lets the controllers do what they want until they want nothing; the events in order.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..ROUNDS {
            let plan = self.plan(now);
            let mut done = false;
            for write in plan.writes {
                // Who writes on what has changed meanwhile is refused, and asks again.
                if let Ok(made) = self.carry_out(write, now) {
                    done |= !made.is_empty();
                    events.extend(made);
                }
            }
            if !done {
                return events;
            }
        }
        panic!("the controllers do not come to rest");
    }

    fn plan(&self, now: Timestamp) -> Plan {
        let mut plan = controllers::schedule::step(&self.seen, now);
        plan.extend(controllers::endpoints::step(&self.seen));
        plan.extend(controllers::replicaset::step(&self.seen, now));
        plan.extend(controllers::deployment::step(&self.seen, now));
        plan
    }

    fn carry_out(&mut self, write: Write, now: Timestamp) -> Result<Vec<Event>, Status> {
        let to = &write.target;
        let whole = self.target(&to.api_version, &to.kind, &to.namespace, &to.name);
        let op = match write.action {
            Action::Create { object } => {
                Op::create(self.target(&to.api_version, &to.kind, &to.namespace, ""), object)
            }
            Action::Patch { patch, subresource } => {
                let target = match subresource {
                    Some(sub) => whole.with_subresource(sub),
                    None => whole,
                };
                Op::patch(target, PatchKind::Merge, patch)
            }
            Action::Replace { object, .. } => Op::update(whole, object),
            Action::Delete { .. } => Op::delete(whole, DeleteOptions::default()),
            Action::Bind { node } => {
                let binding = json!({"apiVersion": "v1", "kind": "Binding",
                    "metadata": {"name": to.name, "namespace": to.namespace},
                    "target": {"kind": "Node", "name": node}});
                Op::create(whole.with_subresource("binding"), binding)
            }
        };
        self.op(op, now)
    }

    fn learn(&mut self, event: &Event) {
        fn put<T: DeserializeOwned>(map: &mut BTreeMap<controllers::Name, Arc<T>>, event: &Event) {
            let key = (event.key.namespace.to_string(), event.key.name.to_string());
            match &event.new {
                None => drop(map.remove(&key)),
                Some(new) => {
                    let object = T::deserialize(&**new).expect("the store checked it");
                    map.insert(key, Arc::new(object));
                }
            }
        }
        let seen = &mut self.seen;
        match &*event.key.resource {
            "namespaces" => put(&mut seen.namespaces, event),
            "nodes" => put(&mut seen.nodes, event),
            "pods" => put(&mut seen.pods, event),
            "services" => put(&mut seen.services, event),
            "endpoints" => put(&mut seen.endpoints, event),
            "endpointslices.discovery.k8s.io" => put(&mut seen.slices, event),
            "deployments.apps" => put(&mut seen.deployments, event),
            "replicasets.apps" => put(&mut seen.replica_sets, event),
            _ => {}
        }
    }

    /// What an event asks of the kubelet: the pod, and what to do.
    pub(crate) fn chore(event: &Event) -> Option<(String, Chore)> {
        if &*event.key.resource != "pods" {
            return None;
        }
        let pod = event.new.as_ref()?;
        let was =
            |pointer: &str| event.old.as_ref().is_some_and(|old| !text(old, pointer).is_empty());
        let name = event.key.name.to_string();
        if !text(pod, "/metadata/deletionTimestamp").is_empty() {
            return (!was("/metadata/deletionTimestamp")).then_some((name, Chore::End));
        }
        let bound = !text(pod, "/spec/nodeName").is_empty() && !was("/spec/nodeName");
        bound.then_some((name, Chore::Start))
    }

    /// Starts a pod: it gets an address and is ready. `None` when it is no more, or there is no address.
    pub(crate) fn start(&mut self, pod: &str, now: Timestamp) -> Option<(Ipv4Addr, Vec<Event>)> {
        if !self.has_pod(pod) {
            return None;
        }
        let ip = (0..ADDRESSES).find_map(|_| {
            self.next_address = (self.next_address + 1) % ADDRESSES;
            let ip = Ipv4Addr::from(0x0af4_0001 + self.next_address);
            (!self.addresses.values().any(|used| *used == ip)).then_some(ip)
        })?;
        let events = self.ready(pod, Some(ip), true, now).ok()?;
        self.addresses.insert(pod.to_owned(), ip);
        Some((ip, events))
    }

    /// Says that a pod is ready, or is not.
    pub(crate) fn ready(
        &mut self,
        pod: &str,
        ip: Option<Ipv4Addr>,
        ready: bool,
        now: Timestamp,
    ) -> Result<Vec<Event>, Status> {
        let target = self.target("v1", "Pod", "default", pod).with_subresource("status");
        let word = if ready { "True" } else { "False" };
        let mut status = json!({"phase": "Running", "conditions": [
            {"type": "Ready", "status": word, "lastTransitionTime": now.to_string()}]});
        if let Some(ip) = ip {
            status["podIP"] = ip.to_string().into();
            status["podIPs"] = json!([{"ip": ip.to_string()}]);
        }
        self.op(Op::patch(target, PatchKind::Merge, json!({"status": status})), now)
    }

    /// Ends a pod that was told to go; its address is free again.
    pub(crate) fn end(&mut self, pod: &str, now: Timestamp) -> (Option<Ipv4Addr>, Vec<Event>) {
        let options = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        let target = self.target("v1", "Pod", "default", pod);
        let events = self.op(Op::delete(target, options), now).unwrap_or_default();
        (self.addresses.remove(pod), events)
    }

    /// Whether there is such a pod, and it shall not go.
    pub(crate) fn has_pod(&self, pod: &str) -> bool {
        let pod = self.seen.pods.get(&("default".to_owned(), pod.to_owned()));
        pod.is_some_and(|pod| pod.metadata.deletion_timestamp.is_none())
    }

    /// Pods with an address, by name.
    pub(crate) fn running(&self) -> &BTreeMap<String, Ipv4Addr> {
        &self.addresses
    }

    /// All objects, for a control plane that starts.
    pub(crate) fn objects(&self) -> Vec<Arc<Value>> {
        self.store.objects().map(|(_, object)| Arc::clone(object)).collect()
    }
}
