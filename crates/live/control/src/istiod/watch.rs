//! Watches: the objects that matter, each kind in a task of its own, all at once.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::watcher,
};
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};

use super::{Shared, stopped};

/// What a watch saw.
#[derive(Debug)]
pub(super) enum Change {
    /// An object is there, or is different.
    Is(Value),
    /// An object is gone; as much of it as names it.
    Gone(Value),
    /// Every watch has given its first list.
    Synced,
}

/// Group, version, kind and plural of all objects that are watched.
const KINDS: [(&str, &str, &str, &str); 15] = [
    ("", "v1", "Service", "services"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Namespace", "namespaces"),
    ("", "v1", "Node", "nodes"),
    ("networking.istio.io", "v1", "VirtualService", "virtualservices"),
    ("networking.istio.io", "v1", "DestinationRule", "destinationrules"),
    ("networking.istio.io", "v1", "Gateway", "gateways"),
    ("networking.istio.io", "v1", "ServiceEntry", "serviceentries"),
    ("networking.istio.io", "v1", "WorkloadEntry", "workloadentries"),
    ("networking.istio.io", "v1", "Sidecar", "sidecars"),
    ("networking.istio.io", "v1beta1", "ProxyConfig", "proxyconfigs"),
    ("security.istio.io", "v1", "PeerAuthentication", "peerauthentications"),
    ("", "v1", "Secret", "secrets"),
    ("", "v1", "ConfigMap", "configmaps"),
];

/// What of a kind is watched: of ConfigMaps only the one with the defaults of the mesh.
fn wanted(kind: &str) -> watcher::Config {
    let all = watcher::Config::default();
    if kind == "ConfigMap" { all.fields("metadata.name=istio") } else { all }
}

/// Starts all watches.
pub(super) fn spawn(shared: &Arc<Shared>, changes: &mpsc::Sender<Change>, tasks: &mut JoinSet<()>) {
    let waiting = Arc::new(AtomicUsize::new(KINDS.len()));
    for (group, version, kind, plural) in KINDS {
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let watch = Watch {
            api: Api::all_with(shared.client.clone(), &resource),
            resource,
            changes: changes.clone(),
            known: BTreeSet::new(),
            waiting: Some(Arc::clone(&waiting)),
        };
        let mut stop = shared.stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = watch.run() => {}
                () = stopped(&mut stop) => {}
            }
        });
    }
}

struct Watch {
    api: Api<DynamicObject>,
    resource: ApiResource,
    changes: mpsc::Sender<Change>,
    /// Namespace and name of all objects that were told.
    known: BTreeSet<(String, String)>,
    /// Watches that have not given their first list yet, until this one has.
    waiting: Option<Arc<AtomicUsize>>,
}

impl Watch {
    async fn run(mut self) {
        let mut events = watcher(self.api.clone(), wanted(&self.resource.kind)).boxed();
        let mut listed = BTreeSet::new();
        let mut pause = Pause::default();
        while let Some(event) = events.next().await {
            let result = match event {
                Ok(event) => self.on_event(event, &mut listed).await,
                Err(error) => {
                    self.on_error(&error, &mut pause).await;
                    Ok(())
                }
            };
            if result.is_err() {
                return; // nobody listens any more: the control plane stops
            }
        }
    }

    async fn on_event(
        &mut self,
        event: watcher::Event<DynamicObject>,
        listed: &mut BTreeSet<(String, String)>,
    ) -> Result<(), mpsc::error::SendError<Change>> {
        match event {
            watcher::Event::Init => listed.clear(),
            watcher::Event::InitApply(object) => {
                listed.insert(name_of(&object));
                self.known.insert(name_of(&object));
                self.changes.send(Change::Is(self.value(object))).await?;
            }
            watcher::Event::InitDone => {
                // What was there before and is not in the new list went while nobody watched.
                let gone: Vec<_> = self.known.difference(listed).cloned().collect();
                for name in gone {
                    self.known.remove(&name);
                    self.changes.send(Change::Gone(self.named(&name))).await?;
                }
                self.synced().await?;
            }
            watcher::Event::Apply(object) => {
                self.known.insert(name_of(&object));
                self.changes.send(Change::Is(self.value(object))).await?;
            }
            watcher::Event::Delete(object) => {
                self.known.remove(&name_of(&object));
                self.changes.send(Change::Gone(self.value(object))).await?;
            }
        }
        Ok(())
    }

    async fn synced(&mut self) -> Result<(), mpsc::error::SendError<Change>> {
        if let Some(waiting) = self.waiting.take()
            && waiting.fetch_sub(1, Ordering::AcqRel) == 1
        {
            self.changes.send(Change::Synced).await?;
        }
        Ok(())
    }

    async fn on_error(&mut self, error: &watcher::Error, pause: &mut Pause) {
        let plural = &self.resource.plural;
        if let watcher::Error::InitialListFailed(kube::Error::Api(status)) = error
            && status.code == 404
        {
            // A cluster without these kinds has none of their objects; they may come later.
            tracing::warn!(
                "the API knows no {plural} of {}: install the CRDs",
                self.resource.group
            );
            let _ = self.synced().await;
        } else {
            tracing::warn!("watch of {plural}: {error}; it is tried again");
        }
        tokio::time::sleep(pause.next()).await;
    }

    /// The object as JSON; those of a list do not name their kind.
    fn value(&self, mut object: DynamicObject) -> Value {
        object.types = Some(kube::api::TypeMeta {
            api_version: self.resource.api_version.clone(),
            kind: self.resource.kind.clone(),
        });
        object.metadata.managed_fields = None;
        serde_json::to_value(object).unwrap_or_default()
    }

    fn named(&self, (namespace, name): &(String, String)) -> Value {
        let mut object = DynamicObject::new(name, &self.resource);
        if !namespace.is_empty() {
            object = object.within(namespace);
        }
        self.value(object)
    }
}

fn name_of(object: &DynamicObject) -> (String, String) {
    (
        object.metadata.namespace.clone().unwrap_or_default(),
        object.metadata.name.clone().unwrap_or_default(),
    )
}

/// Follows a watch for ever: everything that it brings goes to `see`, errors are told and tried again.
pub(super) async fn follow<K>(
    what: impl std::fmt::Display,
    api: Api<K>,
    only: watcher::Config,
    mut see: impl FnMut(watcher::Event<K>),
) where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let mut events = watcher(api, only).boxed();
    let mut pause = Pause::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => see(event),
            Err(error) => {
                tracing::warn!("watch of {what}: {error}; it is tried again");
                tokio::time::sleep(pause.next()).await;
            }
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After so long without a failure, the next one is a first one again.
const PEACE: Duration = Duration::from_secs(10);

/// Pauses between attempts: 50 ms, doubling to 5 s. Only time begins them anew: an attempt that starts well may still fail.
#[derive(Debug, Default)]
pub(super) struct Pause(Option<(Duration, Instant)>);

impl Pause {
    /// The pause to make now.
    pub(super) fn next(&mut self) -> Duration {
        self.after(Instant::now())
    }

    fn after(&mut self, now: Instant) -> Duration {
        let pause = match self.0 {
            Some((last, ended)) if now.saturating_duration_since(ended) < PEACE => {
                (last * 2).min(LONGEST_PAUSE)
            }
            _ => FIRST_PAUSE,
        };
        self.0 = Some((pause, now + pause));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_there_was_peace_for_a_while() {
        let (mut pause, mut now) = (Pause::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let next = pause.after(now);
            pauses.push(next.as_millis());
            // The next attempt begins well, and fails a second later.
            now += next + Duration::from_secs(1);
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        now += PEACE;
        assert_eq!(pause.after(now), FIRST_PAUSE);
    }
}
