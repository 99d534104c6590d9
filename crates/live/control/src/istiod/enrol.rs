//! WorkloadEntries of proxies that register themselves (`AUTO_REGISTER_GROUP`): what is seen of them, and the writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use controllers::{
    Action, Name, Write,
    workloads::{self, Enrolled},
};
use jiff::Timestamp;
use kinds::istio::{WorkloadEntry, WorkloadGroup};
use kube::{
    Api,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
    },
    runtime::watcher,
};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::{
    Shared,
    connections::Proxy,
    stopped,
    watch::{Pause, follow},
};

/// A write that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Groups and entries, as far as is known.
#[derive(Debug)]
struct Objects<T> {
    by_name: Mutex<(BTreeMap<Name, T>, bool)>,
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self { by_name: Mutex::new((BTreeMap::new(), false)) }
    }
}

impl<T: DeserializeOwned + Clone> Objects<T> {
    fn on(&self, event: watcher::Event<DynamicObject>) {
        let mut seen = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            watcher::Event::Init => *seen = (BTreeMap::new(), false),
            watcher::Event::InitDone => seen.1 = true,
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                let name = name_of(&object);
                // What cannot be read has a finding of its own, or is nobody's.
                match serde_json::to_value(object).and_then(serde_json::from_value) {
                    Ok(read) => drop(seen.0.insert(name, read)),
                    Err(_) => drop(seen.0.remove(&name)),
                }
            }
            watcher::Event::Delete(object) => drop(seen.0.remove(&name_of(&object))),
        }
    }

    /// All of them; `None` before the first list is whole.
    fn all(&self) -> Option<BTreeMap<Name, T>> {
        let seen = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        seen.1.then(|| seen.0.clone())
    }
}

fn name_of(object: &DynamicObject) -> Name {
    let meta = &object.metadata;
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

fn resource(kind: &str, plural: &str) -> ApiResource {
    let kind = GroupVersionKind::gvk("networking.istio.io", "v1", kind);
    ApiResource::from_gvk_with_plural(&kind, plural)
}

/// Keeps the entries right until the control plane stops.
pub(super) async fn keep(shared: Arc<Shared>) {
    let (groups, entries) =
        (Objects::<WorkloadGroup>::default(), Objects::<WorkloadEntry>::default());
    let changed = Notify::new();
    let of = |kind, plural| Api::all_with(shared.client.clone(), &resource(kind, plural));
    let watches = async {
        let all = watcher::Config::default;
        tokio::join!(
            follow("WorkloadGroups", of("WorkloadGroup", "workloadgroups"), all(), |event| {
                groups.on(event);
                changed.notify_one();
            }),
            follow("WorkloadEntries", of("WorkloadEntry", "workloadentries"), all(), |event| {
                entries.on(event);
                changed.notify_one();
            }),
        )
    };
    let mut stop = shared.stop.clone();
    tokio::select! {
        _ = watches => {}
        () = work(&shared, (&groups, &entries), &changed) => {}
        () = stopped(&mut stop) => {}
    }
}

async fn work(
    shared: &Shared,
    (groups, entries): (&Objects<WorkloadGroup>, &Objects<WorkloadEntry>),
    changed: &Notify,
) {
    let controller = std::env::var("POD_NAME").unwrap_or_else(|_| shared.options.service.clone());
    let mut connections = shared.connections.changes();
    let mut pause = Pause::default();
    let mut refused = BTreeSet::new();
    loop {
        connections.mark_unchanged();
        let mut again = None;
        if let (Some(groups), Some(entries)) = (groups.all(), entries.all()) {
            let connected = enrolled(&shared.connections.all());
            refused = refusals(&connected, &groups, &refused);
            let seen = workloads::Seen {
                groups: &groups,
                entries: &entries,
                connected: &connected,
                controller: &controller,
            };
            let now = Timestamp::now();
            let plan = workloads::step(&seen, now);
            let until =
                |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
            again = plan.look_again.map(until);
            for write in plan.writes {
                if let Err(error) = carry_out(shared, &write).await {
                    tracing::warn!(entry = %write.target.name, namespace = %write.target.namespace,
                        "an entry was not written: {error}; it is tried again");
                    again = Some(pause.next());
                }
            }
        }
        tokio::select! {
            () = changed.notified() => {}
            changed = connections.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(again.unwrap_or(Duration::MAX)), if again.is_some() => {}
        }
    }
}

/// The proxies that ask to be entries, and have proven who they are.
fn enrolled(proxies: &[Proxy]) -> Vec<Enrolled> {
    let of = |proxy: &Proxy| {
        let node = &proxy.node;
        let place = &node.locality;
        let locality = match place.is_unknown() {
            true => String::new(),
            false => [&place.region, &place.zone, &place.subzone].map(String::as_str).join("/"),
        };
        Some(Enrolled {
            namespace: node.namespace.clone(),
            group: node.register.clone()?,
            address: node.ip?,
            network: node.network.clone(),
            locality: locality.trim_end_matches('/').to_owned(),
            service_account: proxy.proven.then(|| node.service_account.clone())?,
            is_checked: node.checks_health,
            health: proxy.health.clone(),
        })
    };
    proxies.iter().filter_map(of).collect()
}

/// Tells of proxies that may not be entries, once each.
fn refusals(
    connected: &[Enrolled],
    groups: &BTreeMap<Name, WorkloadGroup>,
    told: &BTreeSet<String>,
) -> BTreeSet<String> {
    let judge = |proxy: &Enrolled| {
        let group = groups.get(&(proxy.namespace.clone(), proxy.group.clone()));
        let why = proxy.refusal(group)?;
        Some(format!("{} does not become a WorkloadEntry: {why}", proxy.address))
    };
    let now: BTreeSet<String> = connected.iter().filter_map(judge).collect();
    now.difference(told).for_each(|why| tracing::warn!("{why}"));
    now
}

async fn carry_out(shared: &Shared, write: &Write) -> Result<(), String> {
    let entries = resource("WorkloadEntry", "workloadentries");
    let api: Api<DynamicObject> =
        Api::namespaced_with(shared.client.clone(), &write.target.namespace, &entries);
    let name = write.target.name.as_str();
    let params = PatchParams::default();
    let asking = async {
        match &write.action {
            Action::Create { object } => {
                let object = serde_json::from_value(object.clone());
                let object = object.map_err(kube::Error::SerdeError)?;
                api.create(&PostParams::default(), &object).await.map(drop)
            }
            Action::Patch { patch, subresource: None } => {
                api.patch(name, &params, &Patch::Merge(patch)).await.map(drop)
            }
            Action::Patch { patch, .. } => {
                api.patch_status(name, &params, &Patch::Merge(patch)).await.map(drop)
            }
            Action::Delete { .. } => api.delete(name, &DeleteParams::default()).await.map(drop),
            Action::Replace { .. } | Action::Bind { .. } => Ok(()),
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(())) => Ok(()),
        // It is there, it changed, or it is gone: the watch says so.
        Ok(Err(kube::Error::Api(status))) if [404, 409].contains(&status.code) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer in {PATIENCE:?}")),
    }
}
