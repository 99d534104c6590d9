//! The control plane's process: it watches objects, understands them, and tells every proxy what it should do.
//!
//! ```text
//! watch -> World -(pace)-> understand -> Plan -> view of each proxy -> snapshot (shared) -> xDS stream
//!                     \-> webhooks: /inject, /validate
//! ```

mod ads;
mod connections;
mod debug;
mod enrol;
mod identity;
mod metrics;
mod options;
mod pace;
mod plan;
mod registration;
mod review;
mod serve;
mod streams;
#[cfg(test)]
mod tests;
mod watch;
mod withdrawn;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use mesh::World;
use serde_json::Value;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch as channel},
    task::JoinSet,
};

pub use options::{Options, Ports};
pub use withdrawn::{reached, withdrawn};
use {
    connections::Connections,
    identity::Identities,
    metrics::Metrics,
    plan::Plans,
    serve::{Door, Role},
};

/// How long streams and requests may take to end after the order to stop.
const FAREWELL: Duration = Duration::from_secs(5);

/// What all parts of the control plane share.
struct Shared {
    options: Options,
    client: kube::Client,
    seen: RwLock<Seen>,
    plans: Plans,
    connections: Connections,
    identities: Identities,
    metrics: Metrics,
    ready: Ready,
    stop: channel::Receiver<bool>,
}

/// The objects, as last seen.
#[derive(Default)]
struct Seen {
    world: World,
    /// Namespaces by name.
    namespaces: BTreeMap<String, Value>,
    /// Address of the control plane's own Service.
    service: Option<String>,
}

/// What must be there before `/ready` says yes.
#[derive(Default)]
struct Ready {
    /// Every watch has given its first list.
    synced: AtomicBool,
    /// Every port is open.
    listening: AtomicBool,
    /// The webhook configurations carry our CA.
    webhooks: AtomicBool,
}

impl Ready {
    /// What is missing; nothing when ready.
    fn missing(&self) -> Vec<&'static str> {
        let parts = [
            (&self.synced, "watches are not synced"),
            (&self.listening, "ports are not open"),
            (&self.webhooks, "webhook configurations do not carry our CA yet"),
        ];
        parts
            .iter()
            .filter(|(flag, _)| !flag.load(Ordering::Acquire))
            .map(|(_, what)| *what)
            .collect()
    }
}

/// Waits for the order to stop.
async fn stopped(stop: &mut channel::Receiver<bool>) {
    // An error means that nobody is left to give the order, which is one.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("missing", &self.ready.missing()).finish_non_exhaustive()
    }
}

/// Runs the control plane until SIGTERM or SIGINT.
///
/// # Errors
/// When no Kubernetes API is configured or a port is taken.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let client = options.client().await?;
    let running = Running::start(options, client)?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: streams are ended, proxies keep what they have"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
    }
    running.stop().await;
    Ok(())
}

/// A control plane at work.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where the xDS port, the debug port, the webhooks and the probes' port listen.
    #[cfg(test)]
    pub(crate) addresses: Addresses,
    shared: Arc<Shared>,
    stop: channel::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Where the control plane listens. Only tests and the log read it: elsewhere the ports are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) xds: SocketAddr,
    pub(crate) secure: SocketAddr,
    pub(crate) debug: SocketAddr,
    pub(crate) webhook: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Running {
    /// Opens the ports and starts everything at once: watches, certificates, servers.
    pub(crate) fn start(mut options: Options, client: kube::Client) -> anyhow::Result<Self> {
        let doors = Doors::open(&mut options)?;
        let addresses = doors.addresses();
        let (stop, stopped) = channel::channel(false);
        let shared = Arc::new(Shared {
            options,
            client,
            seen: RwLock::default(),
            plans: Plans::default(),
            connections: Connections::default(),
            identities: Identities::default(),
            metrics: Metrics::default(),
            ready: Ready::default(),
            stop: stopped,
        });
        let mut tasks = JoinSet::new();
        let (changes, seen) = mpsc::channel(4096);
        watch::spawn(&shared, &changes, &mut tasks);
        tasks.spawn(plan::run(Arc::clone(&shared), seen));
        tasks.spawn(identity::keep::keep(Arc::clone(&shared)));
        tasks.spawn(identity::roots::keep(Arc::clone(&shared)));
        tasks.spawn(registration::keep(Arc::clone(&shared)));
        tasks.spawn(enrol::keep(Arc::clone(&shared)));
        for (role, door) in doors.0 {
            tasks.spawn(serve::serve(Arc::clone(&shared), door, role));
        }
        shared.ready.listening.store(true, Ordering::Release);
        let Addresses { xds, secure, debug: pages, webhook, http: probes } = addresses;
        tracing::info!(%xds, %secure, %pages, %webhook, %probes, "the control plane listens");
        Ok(Self {
            #[cfg(test)]
            addresses,
            shared,
            stop,
            tasks,
        })
    }

    /// Ends streams and requests, then everything.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tracing::warn!("some connections did not end in {FAREWELL:?} and are cut");
        }
        tracing::debug!(shared = ?self.shared, "stopped");
    }
}

/// The ports, by what they answer.
struct Doors([(Role, Door); 5]);

impl Doors {
    fn open(options: &mut Options) -> anyhow::Result<Self> {
        let Ports { xds, secure, debug, webhook, http } = options.ports;
        Ok(Self([
            (Role::Streams, Door::open(options, xds)?),
            (Role::Secure, Door::open(options, secure)?),
            (Role::Pages, Door::open(options, debug)?),
            (Role::Webhooks, Door::open(options, webhook)?),
            (Role::Pages, Door::open(options, http)?),
        ]))
    }

    fn addresses(&self) -> Addresses {
        let [xds, secure, debug, webhook, http] = self.0.each_ref().map(|(_, door)| door.address);
        Addresses { xds, secure, debug, webhook, http }
    }
}
