//! Watches: the objects that matter, each kind in a task of its own, all at once.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
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
const KINDS: [(&str, &str, &str, &str); 8] = [
    ("", "v1", "Service", "services"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Namespace", "namespaces"),
    ("", "v1", "Node", "nodes"),
    ("networking.istio.io", "v1", "VirtualService", "virtualservices"),
    ("networking.istio.io", "v1", "DestinationRule", "destinationrules"),
    ("networking.istio.io", "v1", "Gateway", "gateways"),
];

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
        let mut events = watcher(self.api.clone(), watcher::Config::default()).boxed();
        let mut listed = BTreeSet::new();
        let mut pause = Pause::default();
        while let Some(event) = events.next().await {
            let result = match event {
                Ok(event) => {
                    pause = Pause::default();
                    self.on_event(event, &mut listed).await
                }
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

/// Pauses between attempts: 50 ms, doubling to 5 s.
#[derive(Debug)]
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Pause {
    /// The pause to make now.
    pub(super) fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(Duration::from_secs(5));
        now
    }
}
