//! The roots of the mesh in every namespace, as the ConfigMap that pods mount; kept right.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use controllers::{
    Action, Write,
    certificates::{self, ROOTS, Told},
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    runtime::watcher,
};
use tokio::sync::Notify;

use super::super::{
    Shared, stopped,
    watch::{Pause, follow},
};

/// How long a pod that is being made waits for the roots of a new namespace.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the roots are told, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    seen: Mutex<Seen>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    /// Namespaces that stay.
    namespaces: BTreeSet<String>,
    /// ConfigMaps by their namespace.
    maps: BTreeMap<String, Told>,
    /// Whether all ConfigMaps have been listed: before that, each namespace would seem to lack its own.
    listed: bool,
}

impl Roots {
    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn on_namespace(&self, event: watcher::Event<Namespace>) {
        self.with(|seen| match event {
            watcher::Event::Init => seen.namespaces.clear(),
            watcher::Event::InitDone => {}
            watcher::Event::Apply(namespace) | watcher::Event::InitApply(namespace) => {
                if namespace.metadata.deletion_timestamp.is_some() {
                    seen.namespaces.remove(&namespace.name_any());
                } else {
                    seen.namespaces.insert(namespace.name_any());
                }
            }
            watcher::Event::Delete(namespace) => {
                seen.namespaces.remove(&namespace.name_any());
            }
        });
        self.changed.notify_one();
    }

    fn on_map(&self, event: watcher::Event<ConfigMap>) {
        self.with(|seen| match event {
            watcher::Event::Init => {
                seen.maps.clear();
                seen.listed = false;
            }
            watcher::Event::InitDone => seen.listed = true,
            watcher::Event::Apply(map) | watcher::Event::InitApply(map) => {
                seen.note(map);
            }
            watcher::Event::Delete(map) => {
                seen.maps.remove(&map.namespace().unwrap_or_default());
            }
        });
        self.changed.notify_one();
    }
}

impl Seen {
    fn note(&mut self, map: ConfigMap) {
        let namespace = map.namespace().unwrap_or_default();
        let version = map.resource_version().unwrap_or_default();
        let roots = map.data.and_then(|mut data| data.remove(ROOTS.1));
        self.maps.insert(namespace, Told { roots, version });
    }
}

/// Tells every namespace the roots, until the control plane stops.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut stop = shared.stop.clone();
    let roots = &shared.identities.roots;
    let namespaces: Api<Namespace> = Api::all(shared.client.clone());
    let maps: Api<ConfigMap> = Api::all(shared.client.clone());
    let named = watcher::Config::default().fields(&format!("metadata.name={}", ROOTS.0));
    let all = watcher::Config::default();
    let watches = async {
        tokio::join!(
            follow("namespaces", namespaces, all, |event| roots.on_namespace(event)),
            follow("ConfigMaps of roots", maps, named, |event| roots.on_map(event)),
        )
    };
    tokio::select! {
        _ = watches => {}
        () = work(&shared) => {}
        () = stopped(&mut stop) => {}
    }
}

async fn work(shared: &Shared) {
    let roots = &shared.identities.roots;
    let mut authority = shared.identities.authority.subscribe();
    let mut pause = Pause::default();
    loop {
        let bundle = authority.borrow_and_update().as_ref().map(|it| it.roots_pem());
        let writes = roots.with(|seen| match &bundle {
            Some(bundle) if seen.listed => certificates::tell(&seen.namespaces, &seen.maps, bundle),
            _ => Vec::new(),
        });
        let mut failed = false;
        for write in writes {
            if let Err(error) = carry_out(shared, &write).await {
                let namespace = &write.target.namespace;
                tracing::warn!("the roots of namespace {namespace}: {error:#}; tried again");
                failed = true;
            }
        }
        let wait = if failed { pause.next() } else { Duration::MAX };
        tokio::select! {
            () = roots.changed.notified() => {}
            changed = authority.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait), if failed => {}
        }
    }
}

async fn carry_out(shared: &Shared, write: &Write) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(shared.client.clone(), &write.target.namespace);
    let result = match &write.action {
        Action::Create { object } => {
            let map = serde_json::from_value(object.clone()).context("a ConfigMap")?;
            api.create(&PostParams::default(), &map).await
        }
        Action::Patch { patch, .. } => {
            api.patch(ROOTS.0, &PatchParams::default(), &Patch::Merge(patch)).await
        }
        _ => return Ok(()),
    };
    match result {
        Ok(map) => {
            shared.identities.roots.with(|seen| seen.note(map));
            Ok(())
        }
        // It is there, it changed, or its namespace goes: the watches say so.
        Err(kube::Error::Api(status)) if [403, 404, 409].contains(&status.code) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Sees to it that a pod that is made in this namespace will find the roots; gives up after a while, since the pod can wait for
/// them too.
pub(crate) async fn ensure(shared: &Shared, namespace: &str) {
    let Some(authority) = shared.identities.authority() else { return };
    if shared.identities.roots.with(|seen| seen.maps.contains_key(namespace)) {
        return;
    }
    let write = certificates::announce(namespace, &authority.roots_pem());
    match tokio::time::timeout(PATIENCE, carry_out(shared, &write)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("the roots of namespace {namespace}: {error:#}"),
        Err(_) => tracing::warn!("the roots of namespace {namespace}: no answer in {PATIENCE:?}"),
    }
}
