//! The one thread that lives in the node's network namespace and visits those of the pods.
//!
//! A socket belongs for ever to the namespace in which it was made, whoever uses it later. So this
//! thread makes sockets and hands them over, and all other threads stay in the host's namespace.
//! As an ordinary user it could not go back to the host's namespace: it never goes there.

pub(crate) mod redirect;
pub(crate) mod services;

use crate::netlink::{Messages, Socket, route};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

/// The node's own address in its namespace: the API server and the egress listener live there.
pub const NODE_IP: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
/// The port to which connections that leave the mesh's networks are redirected.
pub const EGRESS_PORT: u16 = 15099;

type Job = Box<dyn FnOnce(&mut Home) + Send>;

/// A handle on the thread. Clones are handles on the same one; the namespace goes with the last.
#[derive(Debug, Clone)]
pub struct Netns {
    jobs: mpsc::Sender<Job>,
}

/// The network namespace of one pod. It is gone when this and the pod's processes are gone.
#[derive(Debug)]
pub(crate) struct PodNet {
    /// The namespace.
    pub(crate) fd: OwnedFd,
    /// The pod's address.
    pub(crate) ip: Ipv4Addr,
}

/// What the thread owns.
#[derive(Debug)]
pub(crate) struct Home {
    own: OwnedFd,
    route: Socket,
    filter: Socket,
}

impl Netns {
    /// Makes the node's namespace and the thread in it.
    ///
    /// # Errors
    /// The step that the kernel refused.
    pub fn start() -> io::Result<Netns> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (told, telling) = mpsc::channel();
        let body = move || match Home::new() {
            Ok(mut home) => {
                let _ = told.send(Ok(()));
                while let Ok(job) = inbox.recv() {
                    job(&mut home);
                }
            }
            Err(error) => {
                let _ = told.send(Err(error));
            }
        };
        std::thread::Builder::new().name("netns".to_owned()).spawn(body)?;
        telling.recv().map_err(gone)??;
        Ok(Netns { jobs })
    }

    /// A listener inside the node's namespace, where every pod can reach it.
    ///
    /// # Errors
    /// As for `bind` and `listen`, or the thread is gone.
    pub fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let (answer, wait) = mpsc::channel();
        let job: Job = Box::new(move |_| {
            let _ = answer.send(TcpListener::bind(address));
        });
        self.jobs.send(job).map_err(gone)?;
        wait.recv().map_err(gone)?
    }

    /// Connects from the node's namespace: to a pod's address, or to a Service's.
    ///
    /// # Errors
    /// As for `connect`.
    pub async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.run(move |_| tcp_socket(address)).await??;
        connect(socket, address).await
    }

    /// Connects from inside a pod, past its sidecar.
    pub(crate) async fn dial_in(
        &self,
        pod: std::sync::Arc<PodNet>,
        address: SocketAddr,
    ) -> io::Result<TcpStream> {
        let make = move |home: &mut Home| {
            home.within(&pod.fd, || {
                let socket = tcp_socket(address)?;
                // What stays inside the pod is never redirected without a mark, and what the
                // sidecar itself dials is sent to its inbound side.
                if address.ip() != pod.ip && !address.ip().is_loopback() {
                    socket.set_mark(redirect::MARK)?;
                }
                Ok(socket)
            })
        };
        connect(self.run(make).await??, address).await
    }

    /// A new pod: namespace, link, address, routes; then `rules`, if it is redirected.
    pub(crate) async fn create_pod(
        &self,
        ip: Ipv4Addr,
        index: i32,
        rules: Option<Messages>,
    ) -> io::Result<PodNet> {
        self.run(move |home| home.create_pod(ip, index, rules.as_ref())).await?
    }

    /// Puts a rule set into the node's namespace.
    pub(crate) async fn apply(&self, batch: Messages) -> io::Result<()> {
        self.run(move |home| home.filter.send(&batch)).await?
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Home) -> T + Send + 'static,
    ) -> io::Result<T> {
        let (answer, wait) = oneshot::channel();
        let job: Job = Box::new(move |home| {
            let _ = answer.send(job(home));
        });
        self.jobs.send(job).map_err(gone)?;
        wait.await.map_err(gone)
    }
}

fn tcp_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM.nonblocking().cloexec(),
        None,
    )?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

async fn connect(socket: socket2::Socket, address: SocketAddr) -> io::Result<TcpStream> {
    TcpSocket::from_std_stream(socket.into()).connect(address).await
}

fn current() -> io::Result<OwnedFd> {
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}

/// Gives the calling thread a network namespace of its own.
fn fresh() -> io::Result<()> {
    #[expect(unsafe_code, reason = "rustix marks unshare unsafe for the sake of CLONE_FILES")]
    // SAFETY: only the network namespace is unshared; no descriptor table is touched.
    unsafe {
        rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)?;
    }
    Ok(())
}

fn enter(namespace: impl AsFd) -> io::Result<()> {
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

fn set(name: &str, value: &str) -> io::Result<()> {
    std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value)
        .map_err(|e| io::Error::new(e.kind(), format!("setting net.ipv4.{name}={value}: {e}")))
}

impl Home {
    fn new() -> io::Result<Home> {
        fresh()?;
        let home = Home { own: current()?, route: Socket::route()?, filter: Socket::netfilter()? };
        route::apply(&home.route, |m| {
            route::up(m, route::LO);
            route::address(m, route::LO, NODE_IP);
        })?;
        set("ip_forward", "1")?;
        // A new namespace may inherit these from the host.
        for name in ["conf/all/rp_filter", "conf/default/rp_filter"] {
            set(name, "0")?;
        }
        set("ip_unprivileged_port_start", "0")?;
        home.filter.send(&services::rules(&services::Services::default()))?;
        Ok(home)
    }

    /// Runs `job` inside another namespace.
    fn within<T>(&self, namespace: &OwnedFd, job: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        enter(namespace)?;
        let result = job();
        if let Err(error) = enter(&self.own) {
            // All later sockets would be made in the wrong place; nothing can be right any more.
            tracing::error!(%error, "cannot go back to the node's network namespace");
            std::process::abort();
        }
        result
    }

    fn create_pod(
        &mut self,
        ip: Ipv4Addr,
        index: i32,
        rules: Option<&Messages>,
    ) -> io::Result<PodNet> {
        fresh()?;
        let namespace = current();
        enter(&self.own)?;
        let fd = namespace?;
        let route = self.within(&fd, Socket::route)?;
        route::apply(&self.route, |m| {
            route::veth(m, index, fd.as_fd());
            route::route(m, Some(ip), None, index, Some(NODE_IP));
        })?;
        let pod = PodNet { fd, ip };
        let inside = || {
            route::apply(&route, |m| {
                route::up(m, route::LO);
                route::up(m, route::ETH0);
                route::address(m, route::ETH0, ip);
                route::route(m, Some(NODE_IP), None, route::ETH0, Some(ip));
                route::route(m, None, Some(NODE_IP), route::ETH0, Some(ip));
            })?;
            set("ip_unprivileged_port_start", "0")?;
            for name in ["conf/all/rp_filter", "conf/eth0/rp_filter"] {
                set(name, "0")?;
            }
            if let Some(rules) = rules {
                Socket::netfilter()?.send(rules)?;
            }
            Ok(())
        };
        if let Err(error) = self.within(&pod.fd, inside) {
            let _ = route::apply(&self.route, |m| route::delete(m, index));
            return Err(error);
        }
        Ok(pod)
    }
}

/// Makes in the calling thread what every pod needs, to see whether the kernel allows it.
/// The error names the step.
pub(crate) fn rehearse() -> Result<(), (&'static str, io::Error)> {
    let mut home = Home::new().map_err(|e| ("trying a network namespace with rules", e))?;
    let ip = Ipv4Addr::new(10, 244, 0, 2);
    let rules = redirect::rules(ip, &redirect::Wishes::of(&std::collections::BTreeMap::new()));
    home.create_pod(ip, 100, Some(&rules)).map_err(|e| ("trying a pod's link and rules", e))?;
    Ok(())
}

fn gone<E>(_: E) -> io::Error {
    io::Error::other("the thread of the network namespaces has ended")
}
