//! `lateen dns`: the cluster's name server, a process in a pod.
//!
//! Names of Services and pods it answers itself, from what it watches. All others go, as they
//! are, to the host's DNS server through a socket of the host that it inherited.

mod answer;
mod names;

use crate::agent::caches::Cache;
use answer::Answer;
use anyhow::Context as _;
use kinds::core::{EndpointSlice, Service};
use kube::{Api, Client};
use names::Names;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{oneshot, watch};

/// The variable with the number of the inherited host socket.
const UPSTREAM_FD: &str = "LATEEN_UPSTREAM_UDP_FD";
/// The variable with the address of the host's DNS server.
const UPSTREAM: &str = "LATEEN_UPSTREAM_DNS";
/// A forwarded question waits so long for its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many questions are forwarded at once; more are refused at once, and asked again.
const IN_FLIGHT: usize = 2048;
/// The largest UDP message.
const DATAGRAM: usize = 65_535;

/// The DNS server that the host itself uses: the first of its `/etc/resolv.conf`.
#[must_use]
pub fn host_upstream() -> Option<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let servers = text.lines().filter_map(|l| l.trim().strip_prefix("nameserver"));
    let mut ips = servers.filter_map(|s| s.trim().parse::<Ipv4Addr>().ok());
    ips.next().map(|ip| SocketAddr::from((ip, 53)))
}

/// Serves until the process is told to end.
///
/// # Errors
/// Not in a pod of lateen, or port 53 cannot be bound.
pub fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let config = kube::Config::incluster_env().context("lateen dns runs in a pod of lateen")?;
    let client = Client::try_from(config)?;
    let services: Arc<Cache<Service>> = Cache::new();
    let slices: Arc<Cache<EndpointSlice>> = Cache::new();
    tokio::spawn(Arc::clone(&services).follow(Api::all(client.clone())));
    tokio::spawn(Arc::clone(&slices).follow(Api::all(client)));
    // Who asks too early would be told that nothing exists.
    services.filled().await;
    slices.filled().await;
    let (tell, names) = watch::channel(Arc::new(Names::default()));
    let (mut one, mut two) = (services.changes(), slices.changes());
    tokio::spawn(async move {
        loop {
            let (all, parts) = (services.all(), slices.all());
            let fresh = Names::new(all.iter().map(|s| &**s), parts.iter().map(|s| &**s));
            if tell.send(Arc::new(fresh)).is_err() {
                return;
            }
            tokio::select! {
                _ = one.changed() => {}
                _ = two.changed() => {}
            }
        }
    });
    let upstream = upstream()?;
    let server = Server { names, upstream };
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 53));
    let udp = UdpSocket::bind(everywhere).await.context("UDP port 53")?;
    let tcp = TcpListener::bind(everywhere).await.context("TCP port 53")?;
    tokio::select! {
        result = server.clone().serve_udp(Arc::new(udp)) => result?,
        result = server.serve_tcp(tcp) => result?,
        _ = stop.recv() => {}
    }
    Ok(())
}

fn upstream() -> anyhow::Result<Option<Arc<Upstream>>> {
    let (Ok(fd), Ok(server)) = (std::env::var(UPSTREAM_FD), std::env::var(UPSTREAM)) else {
        return Ok(None);
    };
    let fd: i32 = fd.parse().with_context(|| format!("{UPSTREAM_FD}={fd}"))?;
    let server = server.parse().with_context(|| format!("{UPSTREAM}={server}"))?;
    anyhow::ensure!(fd > 2, "{UPSTREAM_FD}={fd} is a standard stream");
    #[expect(unsafe_code, reason = "an inherited descriptor is known by its number only")]
    // SAFETY: the node handed this descriptor to this process for this purpose alone.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let socket = std::net::UdpSocket::from(fd);
    socket.set_nonblocking(true)?;
    let upstream = Arc::new(Upstream {
        socket: UdpSocket::from_std(socket)?,
        server,
        waiting: Mutex::default(),
        chance: RandomState::new(),
    });
    tokio::spawn(Arc::clone(&upstream).listen());
    Ok(Some(upstream))
}

/// The way to the host's DNS server.
#[derive(Debug)]
struct Upstream {
    socket: UdpSocket,
    server: SocketAddr,
    /// Our number of a question -> who waits for the answer.
    waiting: Mutex<BTreeMap<u16, oneshot::Sender<Vec<u8>>>>,
    chance: RandomState,
}

impl Upstream {
    async fn listen(self: Arc<Self>) {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            // An ICMP refusal of an earlier question arrives as an error here; go on.
            let Ok((len, from)) = self.socket.recv_from(&mut buffer).await else { continue };
            let Some(id) = answer::id(&buffer[..len]) else { continue };
            if from != self.server {
                continue;
            }
            let waiting = self.lock().remove(&id);
            if let Some(waiting) = waiting {
                let _ = waiting.send(buffer[..len].to_vec());
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u16, oneshot::Sender<Vec<u8>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks; the answer carries the number of the question.
    async fn ask(&self, question: &[u8]) -> Option<Vec<u8>> {
        let own = answer::id(question)?;
        let (tell, hear) = oneshot::channel();
        let id = {
            let mut waiting = self.lock();
            if waiting.len() >= IN_FLIGHT {
                return None;
            }
            // A number that others cannot guess, and that is free.
            let id = (0_u32..64).find_map(|i| {
                let hash = self.chance.hash_one((own, std::time::Instant::now(), i));
                let id = u16::try_from(hash & 0xffff).ok()?;
                (!waiting.contains_key(&id)).then_some(id)
            })?;
            waiting.insert(id, tell);
            id
        };
        let mut bytes = question.to_vec();
        answer::set_id(&mut bytes, id);
        let answered = async {
            self.socket.send_to(&bytes, self.server).await.ok()?;
            tokio::time::timeout(PATIENCE, hear).await.ok()?.ok()
        };
        let reply = answered.await;
        self.lock().remove(&id);
        let mut reply = reply?;
        if !answer::is_reply_to(&reply, question) {
            return None;
        }
        answer::set_id(&mut reply, own);
        Some(reply)
    }

    /// Asks by TCP, through the pod's way out.
    async fn ask_tcp(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.server).await?;
        write_message(&mut stream, question).await?;
        read_message(&mut stream).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

#[derive(Debug, Clone)]
struct Server {
    names: watch::Receiver<Arc<Names>>,
    upstream: Option<Arc<Upstream>>,
}

impl Server {
    async fn serve_udp(self, socket: Arc<UdpSocket>) -> io::Result<()> {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let Ok((len, from)) = socket.recv_from(&mut buffer).await else { continue };
            let question = &buffer[..len];
            let names = Arc::clone(&self.names.borrow());
            // What we know is answered without a task.
            if let Answer::Reply(reply) = answer::answer(question, &names, false) {
                let _ = socket.send_to(&reply, from).await;
                continue;
            }
            let (server, question, socket) = (self.clone(), question.to_vec(), Arc::clone(&socket));
            tokio::spawn(async move {
                if let Some(reply) = server.reply(&question, false).await {
                    let _ = socket.send_to(&reply, from).await;
                }
            });
        }
    }

    async fn serve_tcp(self, listener: TcpListener) -> io::Result<()> {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let server = self.clone();
            tokio::spawn(async move {
                let job = async {
                    while let Some(question) = read_message(&mut stream).await? {
                        if let Some(reply) = server.reply(&question, true).await {
                            write_message(&mut stream, &reply).await?;
                        }
                    }
                    io::Result::Ok(())
                };
                // A silent client does not hold its connection for ever.
                let _ = tokio::time::timeout(Duration::from_secs(120), job).await;
            });
        }
    }

    async fn reply(&self, question: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let names = Arc::clone(&self.names.borrow());
        match answer::answer(question, &names, tcp) {
            Answer::Reply(reply) => Some(reply),
            Answer::Ignore => None,
            Answer::Forward => {
                let reply = self.forward(question, tcp).await;
                Some(reply.unwrap_or_else(|| answer::failure(question)))
            }
            Answer::Alias(target) => {
                let asked = answer::ask_instead(question, &target)?;
                // The target may be one of ours.
                let found = match answer::answer(&asked, &names, tcp) {
                    Answer::Reply(reply) => Some(reply),
                    _ => self.forward(&asked, tcp).await,
                };
                Some(match found {
                    Some(found) => answer::with_alias(question, &target, &found),
                    None => answer::failure(question),
                })
            }
        }
    }

    async fn forward(&self, question: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let upstream = self.upstream.as_ref()?;
        // The host's loopback cannot be dialled from a pod.
        if tcp && !upstream.server.ip().is_loopback() {
            let asked = tokio::time::timeout(PATIENCE, upstream.ask_tcp(question)).await;
            if let Ok(Ok(reply)) = asked {
                return Some(reply);
            }
        }
        upstream.ask(question).await
    }
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let len = match stream.read_u16().await {
        Ok(len) => len,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; usize::from(len)];
    stream.read_exact(&mut bytes).await?;
    Ok(Some(bytes))
}

async fn write_message(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let len = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut framed = len.to_be_bytes().to_vec();
    framed.extend_from_slice(bytes);
    stream.write_all(&framed).await
}
