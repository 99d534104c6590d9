//! Room `api`: the embedded Kubernetes-shaped API server. It owns sockets, TLS, the disk and the
//! calls of admission webhooks; what an object may be and what a write does is decided by
//! `objects` and `kinds`. It knows nothing of the mesh.
//!
//! ```text
//! connection -> listen (TLS) -> service (who, what) -> read | stream | change | review | pods
//! change -> webhook -> keeper (one thread: Store, then Disk, then everyone is told)
//! ```
//!
//! Invariants: nothing is visible or acknowledged before it is on disk; a revision never goes
//! back; every body, queue and number of connections is bounded.

mod admission;
mod answer;
mod body;
mod chance;
mod change;
mod disk;
mod home;
mod identity;
mod keeper;
mod kubeconfig;
mod listen;
mod negotiate;
mod pki;
mod pods;
mod query;
mod read;
mod relay;
mod review;
mod route;
mod service;
mod stop;
mod stream;
#[cfg(test)]
mod testing;
mod tokens;
mod webhook;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use objects::{Op, Reason, Target};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::disk::Disk;
use crate::home::Home;
use crate::keeper::{Keeper, Write};
use crate::pki::Authority;
use crate::service::Service;
use crate::tokens::Tokens;
use crate::webhook::Webhooks;

pub use crate::pki::Credentials;

/// How to connect to a pod's address: pods live in network namespaces that this room does not know.
pub type Dial = Arc<dyn Fn(SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> + Send + Sync>;

/// Connects directly, from the namespace of the calling thread.
#[must_use]
pub fn dial_directly() -> Dial {
    Arc::new(|address| Box::pin(TcpStream::connect(address)))
}

/// The namespaces that a Kubernetes API server makes for itself.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// What a server needs to start.
pub struct Config {
    /// The folder for the store, the certificates and the kubeconfig; made if it is missing.
    pub home: PathBuf,
    /// Sockets that already listen.
    pub listeners: Vec<std::net::TcpListener>,
    /// Names and addresses for the server's certificate, besides those that pods use.
    pub names: Vec<String>,
    /// Where clients outside of pods reach the server; goes into the kubeconfig.
    pub advertise: SocketAddr,
    /// The node agent's unix socket: HTTP/1.1 with a kubelet's paths
    /// (`/containerLogs/NS/POD/CONTAINER`, `/exec/…`, `/attach/…`, `/portForward/NS/POD`), the
    /// query as the client sent it, without `container`.
    pub kubelet: PathBuf,
    /// How admission webhooks in pods are reached.
    pub dial: Dial,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("home", &self.home)
            .field("listeners", &self.listeners)
            .field("names", &self.names)
            .field("advertise", &self.advertise)
            .field("kubelet", &self.kubelet)
            .finish_non_exhaustive()
    }
}

/// A running server. It runs until [`Server::stop`]; dropped, it leaves its tasks to the runtime.
#[derive(Debug)]
pub struct Server {
    /// The kubeconfig of the administrator, in the home.
    pub kubeconfig: PathBuf,
    /// The administrator's client certificate.
    pub admin: Credentials,
    /// Where it listens, in the order of the listeners.
    pub addresses: Vec<SocketAddr>,
    /// The identity of the store in this home; the same after each restart.
    pub uid: String,
    keeper: Keeper,
    stop: watch::Sender<bool>,
    listening: JoinHandle<()>,
}

impl Server {
    /// Stops accepting, ends watches, lets requests finish for a second, and closes the store.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.listening.await {
            tracing::warn!(%error, "the API server's listeners ended badly");
        }
        self.keeper.stop().await;
    }
}

/// Starts a server: when this returns it accepts, and the kubeconfig is written.
///
/// # Errors
/// When the home cannot be made or is in use, a key of it is damaged, the store cannot be read,
/// or a listener does not work; the message says which and what to do.
pub async fn start(config: Config) -> Result<Server> {
    if config.listeners.is_empty() {
        bail!("the API server was given no listener");
    }
    let now = Timestamp::now();
    let home = Home::open(&config.home)?;
    let disk = Disk::open(&home.path("state.redb"))?;
    let authority = Authority::open(&home, now)?;
    let admin = authority.admin(&home, now)?;
    let tokens = Tokens::open(&home)?;
    let tls = TlsAcceptor::from(Arc::new(authority.server(&config.names, now)?));
    let kubeconfig = home.keep("kubeconfig", &kubeconfig::render(config.advertise, &admin))?;
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for listener in config.listeners {
        addresses.push(listener.local_addr().context("a listener has no address")?);
        listener.set_nonblocking(true).context("a listener cannot be used")?;
        listeners.push(
            tokio::net::TcpListener::from_std(listener).context("a listener cannot be used")?,
        );
    }

    let (keeper, uid) = Keeper::start(disk, kinds::resources())?;
    begin(&keeper).await?;
    let (stop, stopped) = watch::channel(false);
    let service = Service::new(
        keeper.clone(),
        tokens,
        Webhooks::new(config.dial),
        config.kubelet,
        config.advertise.to_string(),
        stopped.clone(),
    );
    let listening = tokio::spawn(listen::run(listeners, tls, Arc::new(service), stopped));
    Ok(Server { kubeconfig, admin, addresses, uid, keeper, stop, listening })
}

/// Makes the namespaces that every cluster has.
async fn begin(keeper: &Keeper) -> Result<()> {
    let resource = kinds::resources()
        .iter()
        .find(|resource| resource.group.is_empty() && resource.plural == "namespaces")
        .context("namespaces are among the kinds that are served")?;
    let writes = NAMESPACES.map(|name| {
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name},
        });
        keeper.write(Write::Op(Box::new(Op::create(Target::new(resource, "", ""), object))))
    });
    for written in futures_util::future::join_all(writes).await {
        match written {
            Ok(_) => {}
            Err(status) if status.reason == Reason::AlreadyExists => {}
            Err(status) => bail!("a first namespace could not be made: {status}"),
        }
    }
    Ok(())
}
