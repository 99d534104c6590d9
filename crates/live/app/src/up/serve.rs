//! Inside the sandbox: the API server, the cluster's loops and the node, wired to each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use cli::{Api, Document};
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, join_all};
use kube::{Client, Config, config::Kubeconfig};
use node::{HostPort, NODE_IP, Netns, Upstream};
use serde_json::{Value, json};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{Up, ready};
use crate::{
    banner,
    home::{Home, Ports, Running},
    install,
    ports::Listeners,
};

/// The port of the API server in the node's namespace; Service `kubernetes` leads there.
const API_PORT: u16 = 6443;
/// Where the gateway listens in its pod.
const GATEWAY_HTTP: u16 = 8080;
const GATEWAY_HTTPS: u16 = 8443;
/// Objects that are applied at the same time.
const AT_ONCE: usize = 8;
/// Longest time that pods have to end when the mesh does.
const STOP: Duration = Duration::from_secs(15);
/// What the gateway's Service shows as its address, so that scripts of tutorials find it.
const GATEWAY_ADDRESS: &str = "127.0.0.1";

/// Runs the mesh until a signal or the failure of a part that nothing works without.
pub(super) fn serve(up: &Up, home: &Home, rootless: bool) -> anyhow::Result<()> {
    log_to(home)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(run(up, home, rootless));
    // Threads that still block (a name look-up, a disk) must not hold the end up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn run(up: &Up, home: &Home, rootless: bool) -> anyhow::Result<()> {
    let begun = jiff::Timestamp::now();
    let mut signals = Signals::new()?;
    let documents = up.documents()?;
    let last = std::fs::read(home.path().join("ports.json")).ok();
    let last = last.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let listeners = Listeners::bind(&up.ports, last)?;
    let ports = listeners.ports()?;
    let path = home.path().join("ports.json");
    std::fs::write(&path, serde_json::to_vec(&ports)?)
        .with_context(|| format!("write {}", path.display()))?;
    let netns = Netns::start().context("make the node's network namespace")?;

    let kubelet = home.path().join("kubelet.sock");
    let server = api_server(home, listeners.api, &netns).await?;
    let kubeconfig = Kubeconfig::read_from(&server.kubeconfig)?;
    let config =
        Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
            .await?;
    let client = Client::try_from(config)?;
    let (stop, stopped) = watch::channel(false);

    let mut running = Running {
        pid: super::outer_pid(home)?,
        started: begun.to_string(),
        kubeconfig: server.kubeconfig.clone(),
        ports,
        ready: false,
    };
    home.say(&running)?;

    let node = node::Config {
        home: home.path().to_path_buf(),
        client: client.clone(),
        binary: "/proc/self/exe".into(),
        kubelet_socket: kubelet,
        netns: netns.clone(),
        rootless,
        ca: server.admin.ca_pem.clone(),
        host_ports: vec![
            host_port("lateen/gateway*", GATEWAY_HTTP, listeners.gateway_http),
            host_port("lateen/gateway*", GATEWAY_HTTPS, listeners.gateway_https),
            host_port("lateen/istiod*", 15010, listeners.xds),
            host_port("lateen/istiod*", 15014, listeners.monitoring),
        ],
        upstream: upstream(up.upstream_dns.as_deref())?,
        back_off: jiff::SignedDuration::from_secs(10),
        withdrawn: withdrawn(netns.clone(), client.clone()),
    };
    let mut told = stopped.clone();
    let told = async move {
        // A sender that is gone has said it too.
        told.wait_for(|stop| *stop).await.ok();
    };
    let mut node = tokio::spawn(node::run(node, told));
    let ca = server.admin.ca_pem.clone();
    let mut console =
        tokio::spawn(console::run(listeners.console, client.clone(), stopped.clone()));
    let mut loops = tokio::spawn(control::cluster::run(client.clone(), ca, stopped));
    tokio::spawn(further_ports(client.clone(), netns.clone(), ports));

    let api = Api::new(client.clone());
    let started = async {
        install(&api, ports).await?;
        ready::injector(&api).await?;
        apply(&api, &documents).await?;
        ready::ready(&api, &client, &netns, (home, begun), &documents).await?;
        running.ready = true;
        home.say(&running)?;
        print!(
            "\n{}{}",
            banner::places(&running),
            banner::next_steps(&running, up.demo.as_deref())
        );
        std::future::pending::<anyhow::Result<()>>().await
    };
    let ended = tokio::select! {
        result = started => result,
        () = signals.any() => Ok(()),
        result = &mut node => Err(gone("the node", result)),
        result = &mut console => Err(gone("the console", result)),
        result = &mut loops => Err(gone("the cluster's loops", result)),
    };
    stop.send_replace(true);
    if !node.is_finished() && tokio::time::timeout(STOP, &mut node).await.is_err() {
        tracing::warn!("pods did not end within {STOP:?}; they are killed");
    }
    if !loops.is_finished() {
        tokio::time::timeout(Duration::from_secs(1), &mut loops).await.ok();
    }
    server.stop().await;
    ended
}

fn host_port(image: &str, port: u16, listener: TcpListener) -> HostPort {
    HostPort { image: image.to_owned(), port, listener }
}

/// The API server: on the host for people, and in the node's namespace for pods.
async fn api_server(
    home: &Home,
    listener: TcpListener,
    netns: &Netns,
) -> anyhow::Result<api::Server> {
    let inside = SocketAddr::from((NODE_IP, API_PORT));
    let inside = netns
        .listen(inside)
        .with_context(|| format!("listen on {inside} in the node's namespace"))?;
    let dialler = netns.clone();
    api::start(api::Config {
        home: home.path().to_path_buf(),
        advertise: listener.local_addr()?,
        listeners: vec![listener, inside],
        names: vec![NODE_IP.to_string()],
        kubelet: home.path().join("kubelet.sock"),
        dial: Arc::new(move |address| {
            let dialler = dialler.clone();
            Box::pin(async move { dialler.dial(address).await })
        }),
    })
    .await
}

/// Opens the ports that Gateways ask for besides those that the machine's gateway has anyhow.
async fn further_ports(client: Client, netns: Netns, ports: Ports) {
    let taken = vec![ports.gateway_http, ports.gateway_https, GATEWAY_HTTP, GATEWAY_HTTPS];
    let (say, wanted) = watch::channel(BTreeMap::new());
    let told = Mutex::new(BTreeSet::new());
    let refused = |port, error: &std::io::Error| {
        if told.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            tracing::warn!(port, %error, "a port of a Gateway cannot be opened");
            eprintln!(
                "port {port} of a Gateway cannot be opened on 127.0.0.1: {error}; it is tried again until it is free"
            );
        }
    };
    tokio::join!(
        control::hostports::run(client, taken, say),
        node::hostports::run(netns, wanted, refused),
    );
}

/// Why a part that should run until it is stopped did not.
fn gone(part: &str, result: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Error {
    match result {
        Ok(Ok(())) => anyhow::anyhow!("{part} ended by itself"),
        Ok(Err(error)) => error.context(format!("{part} failed")),
        Err(error) => anyhow::anyhow!("{part} broke: {error}"),
    }
}

/// The mesh's own objects: namespaces first, then all others at the same time.
async fn install(api: &Api, ports: Ports) -> anyhow::Result<()> {
    let objects = install::objects(ports)?;
    let (namespaces, others): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|it| it.value["kind"] == "Namespace");
    for wave in [namespaces, others] {
        let applied = wave.iter().map(|it| cli::apply_document(api, it, "default"));
        for result in join_all(applied).await {
            result?;
        }
    }
    let gateway = "/api/v1/namespaces/istio-system/services/istio-ingressgateway/status";
    let status =
        json!({ "status": { "loadBalancer": { "ingress": [ { "ip": GATEWAY_ADDRESS } ] } } });
    api.merge(gateway, &status).await
}

/// What the person asked for: namespaces in the order of the files, then the rest, several at a time.
async fn apply(api: &Api, documents: &[Document]) -> anyhow::Result<()> {
    let one = async |document: &Document| {
        let applied = cli::apply_document(api, document, "default").await;
        applied.map(drop).with_context(|| document.place())
    };
    // An object that stands twice is written in the order of the files, so that the last one holds.
    let mut names = BTreeSet::new();
    let name = |it: &Value| {
        let path = ["/kind", "/metadata/namespace", "/metadata/name"];
        path.map(|part| it.pointer(part).cloned().unwrap_or_default().to_string())
    };
    let twice = documents.iter().any(|it| !names.insert(name(&it.value)));
    let (first, rest): (Vec<_>, Vec<_>) =
        documents.iter().partition(|it| twice || it.value["kind"] == "Namespace");
    for document in first {
        one(document).await?;
    }
    let mut rest = futures_util::stream::iter(rest.into_iter().map(one)).buffered(AT_ONCE);
    while let Some(applied) = rest.next().await {
        applied?;
    }
    Ok(())
}

/// Where names of the world are asked: what the person said, else the host's first server.
fn upstream(said: Option<&str>) -> anyhow::Result<Option<Upstream>> {
    let server = match said {
        Some("none") => return Ok(None),
        Some(text) => Some(text.parse::<SocketAddr>().or_else(|_| {
            text.parse().map(|ip| SocketAddr::new(ip, 53)).with_context(|| {
                format!("--upstream-dns {text}: say an address such as 192.0.2.1:53, or none")
            })
        })?),
        None => {
            let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
            let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
            servers.filter_map(|it| it.trim().parse().ok()).map(|ip| SocketAddr::new(ip, 53)).next()
        }
    };
    let Some(server) = server else { return Ok(None) };
    let local = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local).context("a socket for the upstream DNS server")?;
    Ok(Some(Upstream { socket, server }))
}

/// Waits until the control plane says that no proxy sends to the pod any more (1 s at most, which
/// the node sees to).
fn withdrawn(netns: Netns, client: Client) -> node::Withdrawn {
    Arc::new(move |pod| {
        let (netns, client) = (netns.clone(), client.clone());
        let wait: BoxFuture<'static, ()> = Box::pin(async move {
            if let Err(error) = control::withdrawn(&client, &pod, |address| {
                let netns = netns.clone();
                async move { netns.dial(address).await }
            })
            .await
            {
                tracing::debug!(%error, "the control plane could not be asked");
            }
        });
        wait
    })
}

/// The signals that end a mesh.
struct Signals([tokio::signal::unix::Signal; 3]);

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [a, b, c] = kinds.map(signal);
        Ok(Self([a?, b?, c?]))
    }

    async fn any(&mut self) {
        let [a, b, c] = &mut self.0;
        tokio::select! { _ = a.recv() => {}, _ = b.recv() => {}, _ = c.recv() => {} }
    }
}

/// What is not for the person at the terminal goes to `lateen.log` in the home.
fn log_to(home: &Home) -> anyhow::Result<()> {
    let path = home.path().join("lateen.log");
    let file = std::fs::File::create(&path).with_context(|| format!("write {}", path.display()))?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("LATEEN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        // On a full disk each line would say so at the terminal.
        .log_internal_errors(false)
        .with_writer(file)
        .init();
    Ok(())
}
