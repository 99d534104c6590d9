//! Keeps the CA: reads it, makes it at the first start, replaces its root in time, and renews the control plane's own certificate.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use controllers::certificates::Rotation;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, api::PostParams, runtime::watcher};
use serde_json::Value;
use tokio::sync::watch as channel;
use xds::spiffe::TrustDomains;

use super::{
    super::{
        Shared, stopped,
        watch::{Pause, follow},
    },
    authority::{self, Authority, OWN, PLUGGED_IN},
    tls::Tls,
};

/// The ConfigMap of the mesh's settings, and its key.
const SETTINGS: (&str, &str) = ("istio", "mesh");
/// Longest sleep: a clock that was set forward is noticed after it.
const LONGEST: Duration = Duration::from_secs(3600);
/// Shortest sleep: a CA that is nearly over must not keep us busy.
const SHORTEST: Duration = Duration::from_secs(1);

/// An object that is watched by its name.
#[derive(Clone, Debug, Default)]
enum Slot<T> {
    /// The watch has not said yet.
    #[default]
    Unknown,
    Absent,
    Is(Box<T>),
}

impl<T: Clone> Slot<T> {
    /// Takes in what a watch saw; whether that changed anything.
    fn see(&mut self, event: watcher::Event<T>, listed: &mut bool) -> bool {
        match event {
            watcher::Event::Init => {
                *listed = false;
                return false;
            }
            watcher::Event::InitApply(object) => {
                *listed = true;
                *self = Self::Is(Box::new(object));
            }
            watcher::Event::InitDone if *listed => return false,
            watcher::Event::InitDone | watcher::Event::Delete(_) => *self = Self::Absent,
            watcher::Event::Apply(object) => *self = Self::Is(Box::new(object)),
        }
        true
    }
}

/// All that the CA depends on.
#[derive(Clone, Debug, Default)]
struct Sources {
    plugged_in: Slot<Secret>,
    own: Slot<Secret>,
    settings: Slot<ConfigMap>,
}

/// Keeps the CA until the control plane stops.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let (sources, changes) = channel::channel(Sources::default());
    let mut stop = shared.stop.clone();
    let (client, namespace) = (&shared.client, &shared.options.namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let (mut first, mut second, mut third) = (false, false, false);
    let watches = async {
        tokio::join!(
            follow(format!("Secret {PLUGGED_IN}"), secrets.clone(), named(PLUGGED_IN), |event| {
                sources.send_if_modified(|all| all.plugged_in.see(event, &mut first));
            }),
            follow(format!("Secret {OWN}"), secrets.clone(), named(OWN), |event| {
                sources.send_if_modified(|all| all.own.see(event, &mut second));
            }),
            follow(format!("ConfigMap {}", SETTINGS.0), maps, named(SETTINGS.0), |event| {
                sources.send_if_modified(|all| all.settings.see(event, &mut third));
            }),
        )
    };
    tokio::select! {
        _ = watches => {}
        () = work(&shared, &secrets, changes) => {}
        () = stopped(&mut stop) => {}
    }
}

fn named(name: &str) -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={name}"))
}

async fn work(shared: &Shared, secrets: &Api<Secret>, mut changes: channel::Receiver<Sources>) {
    let mut pause = Pause::default();
    loop {
        let sources = changes.borrow_and_update().clone();
        let wait = match step(shared, secrets, &sources, Timestamp::now()).await {
            Ok(None) => LONGEST,
            Ok(Some(at)) => {
                let wait = at.duration_since(Timestamp::now());
                Duration::try_from(wait).unwrap_or_default().clamp(SHORTEST, LONGEST)
            }
            Err(error) => {
                tracing::warn!("the CA of the mesh: {error:#}; it is tried again");
                pause.next()
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Does what is to be done now; when to look again, if no watch says so before.
async fn step(
    shared: &Shared,
    secrets: &Api<Secret>,
    sources: &Sources,
    now: Timestamp,
) -> anyhow::Result<Option<Timestamp>> {
    let domains = match &sources.settings {
        Slot::Unknown => return Ok(None),
        Slot::Absent => TrustDomains::default(),
        Slot::Is(map) => read_settings(map)
            .with_context(|| format!("the ConfigMap {} has no meshConfig", SETTINGS.0))?,
    };
    let identities = &shared.identities;
    domains.clone_into(&mut identities.domains.write().unwrap_or_else(PoisonError::into_inner));
    let (secret, name) = match (&sources.plugged_in, &sources.own) {
        (Slot::Is(secret), _) => (secret, PLUGGED_IN),
        (Slot::Unknown, _) | (_, Slot::Unknown) => return Ok(None),
        (Slot::Absent, Slot::Is(secret)) => (secret, OWN),
        (Slot::Absent, Slot::Absent) => {
            make(shared, secrets, &domains.own, now).await?;
            return Ok(None); // the watch brings what was made
        }
    };
    let version = secret.metadata.resource_version.clone().unwrap_or_default();
    let source = (name.to_owned(), version);
    let known = identities.authority().filter(|known| known.source == source);
    let authority = if let Some(known) = known {
        known
    } else {
        let read = Authority::read(secret, now).with_context(|| {
            format!(
                "the Secret {name} in {} cannot be used (put it right, or delete it{})",
                shared.options.namespace,
                if name == OWN { " to have a new root made" } else { "" }
            )
        })?;
        tracing::info!(secret = name, until = %read.validity.until, "the CA of the mesh is there");
        Arc::new(read)
    };
    let mut look_again = serve(shared, &authority, now)?;
    if name == OWN {
        let change = match authority.rotation(now) {
            Rotation::Keep(at) => {
                look_again = look_again.min(at);
                None
            }
            Rotation::Prepare => {
                tracing::info!("another root is prepared; both are trusted from now on");
                Some(authority::prepare(secret, &domains.own, now)?)
            }
            Rotation::Promote => {
                tracing::info!("the other root signs from now on; both stay trusted");
                Some(authority::promote(secret, now)?)
            }
        };
        if let Some(change) = change {
            write(secrets, &change).await?;
        }
    }
    Ok(Some(look_again))
}

/// Takes an authority into use, and sees to the control plane's own certificate; when that is to be renewed.
fn serve(shared: &Shared, authority: &Arc<Authority>, now: Timestamp) -> anyhow::Result<Timestamp> {
    let identities = &shared.identities;
    let is_new = identities.authority().is_none_or(|known| !Arc::ptr_eq(&known, authority));
    let held = identities.tls.borrow().as_ref().map(|tls| tls.renewal);
    let held = held.filter(|renewal| !is_new && *renewal > now);
    let renewal = if let Some(renewal) = held {
        renewal
    } else {
        let tls = Tls::make(authority, &shared.options, now)
            .context("a certificate for the control plane itself cannot be made")?;
        let renewal = tls.renewal;
        identities.tls.send_replace(Some(Arc::new(tls)));
        renewal
    };
    if is_new {
        shared.metrics.roots_end(authority.roots_end());
        identities.authority.send_replace(Some(Arc::clone(authority)));
    }
    Ok(renewal)
}

/// A first root; where another control plane was faster, its root is the one.
async fn make(
    shared: &Shared,
    secrets: &Api<Secret>,
    trust_domain: &str,
    now: Timestamp,
) -> anyhow::Result<()> {
    let mut secret = authority::new_root(&shared.options.namespace, trust_domain, now)?;
    // Somebody deleted the Secret under way: what was signed before is good until it ends.
    if let Some(old) = shared.identities.authority().filter(|old| old.source.0 == OWN) {
        authority::trust_too(&mut secret, &old)?;
    }
    match secrets.create(&PostParams::default(), &secret).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        result => {
            result.with_context(|| format!("cannot keep a new root in the Secret {OWN}"))?;
            tracing::info!("a root of the mesh was made");
            Ok(())
        }
    }
}

async fn write(secrets: &Api<Secret>, secret: &Secret) -> anyhow::Result<()> {
    match secrets.replace(OWN, &PostParams::default(), secret).await {
        // It changed meanwhile: the watch says how.
        Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
        result => {
            result.with_context(|| format!("cannot write the Secret {OWN}"))?;
            Ok(())
        }
    }
}

fn read_settings(map: &ConfigMap) -> anyhow::Result<TrustDomains> {
    let Some(text) = map.data.as_ref().and_then(|data| data.get(SETTINGS.1)) else {
        return Ok(TrustDomains::default());
    };
    let settings: Value =
        serde_saphyr::from_str(text).with_context(|| format!("its {} is not YAML", SETTINGS.1))?;
    TrustDomains::of_mesh_config(&settings).map_err(anyhow::Error::msg)
}
