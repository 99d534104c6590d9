//! The node agent: a worker per pod that was assigned to this node, and what they share.

pub(crate) mod caches;
pub(crate) mod check;
pub(crate) mod compose;
mod events;
mod heartbeat;
pub(crate) mod http;
pub(crate) mod volumes;
mod worker;

use crate::container::Spec;
use crate::container::launch::{signal, watch as watch_end};
use crate::logs::Log;
use crate::netns::{Netns, PodNet, services};
use crate::{egress, kubelet};
use anyhow::Context as _;
use caches::{Cache, Key, key};
use controllers::pod::{Seen, image};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use kinds::core::{ConfigMap, EndpointSlice, Pod, Secret, Service};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Waits until no proxy sends new requests to a pod that leaves.
pub type Withdrawn = Arc<dyn Fn(Pod) -> BoxFuture<'static, ()> + Send + Sync>;

/// A listener on the host that a pod's own program accepts on, besides its port in the pod.
#[derive(Debug)]
pub struct HostPort {
    /// The image whose containers get it; `*` stands for any text.
    pub image: String,
    /// The port in the container that it stands for.
    pub port: u16,
    /// The listener, already listening. Containers get duplicates, so a restarted pod has it too.
    pub listener: TcpListener,
}

/// Where DNS questions about the outside world go.
#[derive(Debug)]
pub struct Upstream {
    /// An unconnected socket of the host's network namespace.
    pub socket: UdpSocket,
    /// The server.
    pub server: SocketAddr,
}

/// What the agent needs.
pub struct Config {
    /// The home: logs and volumes live in it.
    pub home: PathBuf,
    /// A client of the Kubernetes API.
    pub client: Client,
    /// The binary that plays the built-in images; `/proc/self/exe` is it.
    pub binary: PathBuf,
    /// Where the kubelet's API listens (a unix socket, 0600).
    pub kubelet_socket: PathBuf,
    /// The thread of the network namespaces.
    pub netns: Netns,
    /// An ordinary user started lateen: there is only one user id inside.
    pub rootless: bool,
    /// The API server's CA certificate, PEM; pods find it beside their token.
    pub ca: String,
    /// Host listeners for built-in programs.
    pub host_ports: Vec<HostPort>,
    /// DNS server of the host, for `lateen/dns`.
    pub upstream: Option<Upstream>,
    /// First wait before a container is restarted again (Kubernetes: 10 s).
    pub back_off: SignedDuration,
    /// Tells when proxies have stopped to use a pod; waited for 1 s at most.
    pub withdrawn: Withdrawn,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("home", &self.home).finish_non_exhaustive()
    }
}

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) config_maps: Arc<Cache<ConfigMap>>,
    pub(crate) secrets: Arc<Cache<Secret>>,
    pub(crate) services: Arc<Cache<Service>>,
    pub(crate) images: Mutex<image::Table>,
    pub(crate) pods: Mutex<BTreeMap<Key, Arc<PodEntry>>>,
    pub(crate) capacity: controllers::pod::env::Capacity,
    events: events::Recorder,
    addresses: Mutex<Addresses>,
    /// The node ends: nothing is started any more.
    ending: watch::Sender<bool>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A pod as others than its worker need it: the kubelet's API and probes.
#[derive(Debug)]
pub(crate) struct PodEntry {
    pub(crate) key: Key,
    /// Its volumes and generated files.
    pub(crate) dir: PathBuf,
    pub(crate) logs: PathBuf,
    pub(crate) net: Mutex<Option<Arc<PodNet>>>,
    pub(crate) containers: Mutex<BTreeMap<String, ContainerEntry>>,
    pub(crate) seen: mpsc::UnboundedSender<Message>,
}

/// A container that runs or ran.
#[derive(Debug, Clone)]
pub(crate) struct ContainerEntry {
    /// The first process's handle while it runs.
    pub(crate) handle: Option<Arc<OwnedFd>>,
    /// Its number.
    pub(crate) pid: u32,
    /// How it was started: `exec` uses the same user, environment and directory.
    pub(crate) spec: Spec,
    pub(crate) run: i32,
    pub(crate) log: Arc<Log>,
    /// Standard input, if the container asked for one.
    pub(crate) input: Option<mpsc::Sender<Vec<u8>>>,
    /// The terminal's other end, if it asked for one.
    pub(crate) terminal: Option<Arc<OwnedFd>>,
}

/// What a worker hears.
#[derive(Debug)]
pub(crate) enum Message {
    Object(Box<Pod>),
    Removed,
    Seen(Seen),
}

impl PodEntry {
    pub(crate) fn net(&self) -> Option<Arc<PodNet>> {
        self.net.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn container(&self, name: &str) -> Option<ContainerEntry> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn tell(&self, seen: Seen) {
        let _ = self.seen.send(Message::Seen(seen));
    }
}

impl Shared {
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<Arc<PodEntry>> {
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    pub(crate) fn image_table(&self) -> image::Table {
        self.images.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn address(&self) -> Option<(Ipv4Addr, i32)> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn give_back(&self, ip: Ipv4Addr) {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).used.remove(&ip);
    }
}

/// Pod addresses, the longest unused first: a stale entry somewhere must not meet a new pod.
#[derive(Debug, Default)]
struct Addresses {
    last: u32,
    links: i32,
    used: BTreeSet<Ipv4Addr>,
}

impl Addresses {
    const FIRST: u32 = 10;
    const COUNT: u32 = 65_000;

    fn take(&mut self) -> Option<(Ipv4Addr, i32)> {
        let base = u32::from(Ipv4Addr::new(10, 244, 0, 0));
        for _ in 0..Self::COUNT {
            let ip = Ipv4Addr::from(base + Self::FIRST + self.last);
            self.last = (self.last + 1) % Self::COUNT;
            if !matches!(ip.octets()[3], 0 | 255) && self.used.insert(ip) {
                self.links = self.links % 1_000_000 + 1;
                return Some((ip, 1000 + self.links));
            }
        }
        None
    }
}

/// Runs the node until `stop` is ready; then every container is killed and nothing is left.
///
/// # Errors
/// The home cannot be used, or the node's namespace lacks what it should have.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let client = config.client.clone();
    volumes::ground(&config.home).context("the place for volumes")?;
    let slices: Arc<Cache<EndpointSlice>> = Cache::new();
    let shared = Arc::new(Shared {
        config_maps: Cache::new(),
        secrets: Cache::new(),
        services: Cache::new(),
        images: Mutex::new(image::Table::built_in()),
        pods: Mutex::default(),
        capacity: heartbeat::capacity(),
        events: events::Recorder::start(client.clone()),
        addresses: Mutex::default(),
        ending: watch::Sender::new(false),
        config,
    });
    let listener = kubelet::listen(&shared.config.kubelet_socket)?;
    let mut tasks = JoinSet::new();
    let all = || client.clone();
    tasks.spawn(Arc::clone(&shared.config_maps).follow(Api::all(all())));
    tasks.spawn(Arc::clone(&shared.secrets).follow(Api::all(all())));
    tasks.spawn(Arc::clone(&shared.services).follow(Api::all(all())));
    tasks.spawn(Arc::clone(&slices).follow(Api::all(all())));
    tasks.spawn(heartbeat::run(all()));
    tasks.spawn(kubelet::serve(listener, Arc::clone(&shared)));
    tasks.spawn(keep_services(Arc::clone(&shared), slices));
    tasks.spawn(keep_images(Arc::clone(&shared)));
    let netns = shared.config.netns.clone();
    tasks.spawn(async move {
        if let Err(error) = egress::run(netns).await {
            tracing::error!(%error, "pods cannot reach the outside world");
        }
    });
    tasks.spawn(follow_pods(Arc::clone(&shared)));
    stop.await;
    shared.ending.send_replace(true);
    tasks.shutdown().await;
    end_all(&shared).await;
    Ok(())
}

/// Kills every container and waits until the kernel has cleaned up.
async fn end_all(shared: &Shared) {
    let pods: Vec<Arc<PodEntry>> = {
        let pods = shared.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.values().cloned().collect()
    };
    let mut handles = Vec::new();
    for pod in &pods {
        let containers = pod.containers.lock().unwrap_or_else(PoisonError::into_inner);
        handles.extend(containers.values().filter_map(|c| c.handle.clone()));
    }
    for handle in &handles {
        signal(handle, true);
    }
    let all = async {
        for handle in handles {
            if let Ok(fd) = handle.try_clone()
                && let Ok(fd) = watch_end(fd)
            {
                let _ = fd.readable().await;
            }
        }
    };
    if tokio::time::timeout(Duration::from_secs(5), all).await.is_err() {
        tracing::warn!("some containers did not end within 5 s");
    }
    let _ = std::fs::remove_file(&shared.config.kubelet_socket);
}

/// Gives every pod of this node a worker, and tells the workers what changes.
async fn follow_pods(shared: Arc<Shared>) {
    // A worker reads these without asking the API.
    shared.config_maps.filled().await;
    shared.secrets.filled().await;
    shared.services.filled().await;
    let api: Api<Pod> = Api::all(shared.config.client.clone());
    let mine = watcher::Config::default().fields(&format!("spec.nodeName={}", crate::NODE_NAME));
    let mut stream = std::pin::pin!(watcher(api, mine).default_backoff());
    let mut workers = Workers::new();
    let mut listed: BTreeSet<Key> = BTreeSet::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(pod)) => {
                listed.insert(key(&pod));
                apply(&shared, &mut workers, pod);
            }
            Ok(watcher::Event::InitDone) => {
                workers.retain(|key, (_, worker)| {
                    listed.contains(key) || worker.send(Message::Removed).is_err()
                });
                workers.retain(|key, _| listed.contains(key));
                sweep_logs(&shared, &workers);
            }
            Ok(watcher::Event::Apply(pod)) => apply(&shared, &mut workers, pod),
            Ok(watcher::Event::Delete(pod)) => {
                if let Some((_, worker)) = workers.remove(&key(&pod)) {
                    let _ = worker.send(Message::Removed);
                }
            }
            Err(error) => tracing::debug!(%error, "the watch of pods broke and begins again"),
        }
    }
}

type Workers = BTreeMap<Key, (Option<String>, mpsc::UnboundedSender<Message>)>;

fn apply(shared: &Arc<Shared>, workers: &mut Workers, pod: Pod) {
    let key = key(&pod);
    let uid = pod.uid();
    if let Some((known, worker)) = workers.get(&key) {
        if *known == uid {
            let _ = worker.send(Message::Object(Box::new(pod)));
            return;
        }
        // The same name, another pod: the old one is gone.
        let _ = worker.send(Message::Removed);
    }
    let worker = worker::start(Arc::clone(shared), pod);
    workers.insert(key, (uid, worker));
}

/// Removes the logs of pods that went away while no node ran.
fn sweep_logs(shared: &Shared, workers: &Workers) {
    let entries = std::fs::read_dir(shared.config.home.join("logs")).into_iter().flatten();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let uid = name.to_str().and_then(|n| n.rsplit('_').next());
        if !workers.values().any(|(known, _)| known.as_deref() == uid) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Waits for the next change, and a moment more for those that come with it.
async fn settle(changes: &mut watch::Receiver<u64>, others: &mut watch::Receiver<u64>) {
    tokio::select! {
        _ = changes.changed() => {}
        _ = others.changed() => {}
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
    changes.mark_unchanged();
    others.mark_unchanged();
}

/// Keeps the node's rules in step with Services and their endpoints.
async fn keep_services(shared: Arc<Shared>, slices: Arc<Cache<EndpointSlice>>) {
    let (mut one, mut two) = (shared.services.changes(), slices.changes());
    let mut known = services::Services::new();
    loop {
        let (all, parts) = (shared.services.all(), slices.all());
        let wanted = services::understand(all.iter().map(|s| &**s), parts.iter().map(|s| &**s));
        if wanted != known {
            match shared.config.netns.apply(services::rules(&wanted)).await {
                Ok(()) => known = wanted,
                Err(error) => tracing::error!(%error, "the rules of Services were not accepted"),
            }
        }
        settle(&mut one, &mut two).await;
    }
}

/// Keeps the image table in step with the ConfigMap lateen-images.
async fn keep_images(shared: Arc<Shared>) {
    let mut changes = shared.config_maps.changes();
    let mut known = BTreeMap::new();
    loop {
        let map = shared.config_maps.one("lateen-system", "lateen-images");
        let rows = map.and_then(|m| m.data.clone()).unwrap_or_default();
        if rows != known {
            let (table, wrong) = image::Table::with(&rows);
            for row in wrong {
                tracing::warn!(row, "a row of ConfigMap lateen-system/lateen-images is left out");
            }
            *shared.images.lock().unwrap_or_else(PoisonError::into_inner) = table;
            known = rows;
            let pods = shared.pods.lock().unwrap_or_else(PoisonError::into_inner);
            for pod in pods.values() {
                pod.tell(Seen::LookAgain);
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_not_given_again_soon_and_never_twice() {
        let mut pool = Addresses::default();
        let (first, link) = pool.take().unwrap();
        assert_eq!(first, Ipv4Addr::new(10, 244, 0, 10));
        pool.used.remove(&first);
        let (second, other) = pool.take().unwrap();
        assert_ne!((first, link), (second, other));
        pool.last = 0;
        pool.used.insert(first);
        let (third, _) = pool.take().unwrap();
        assert!(third != first && third != second);
    }
}
