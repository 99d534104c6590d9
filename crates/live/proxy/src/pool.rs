//! Upstream connections of one worker: idle HTTP/1.1 ones, last in first out, and shared HTTP/2 ones.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use traffic::http::Http2Settings;
use traffic::upstream::HostId;
use traffic::{Connection, Host};

use crate::h1::Link;
use crate::h2::io_error;
use crate::wire::Wire;

/// Idle HTTP/1.1 connections kept per host and worker.
const IDLE_PER_HOST: usize = 512;
/// Idle HTTP/1.1 connections kept per worker.
const IDLE_IN_ALL: usize = 16 * 1024;
/// Window of one upstream HTTP/2 stream, and of its connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// How long connections live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    /// Longest idle time; `None` keeps them for ever.
    pub(crate) idle: Option<Duration>,
    /// Most requests on one connection.
    pub(crate) requests: Option<u32>,
    /// Longest life.
    pub(crate) age: Option<Duration>,
    /// Most streams at once on one connection.
    pub(crate) streams: Option<u32>,
    /// What the connections are spoken through: the id of a TLS context, or 0 for none.
    pub(crate) transport: u64,
}

impl Lifetimes {
    /// Whether a connection has served its time.
    fn are_over(&self, served: u32, opened: Instant) -> bool {
        self.requests.is_some_and(|most| served >= most)
            || self.age.is_some_and(|most| opened.elapsed() >= most)
    }
}

/// A connection with HTTP/1.1 on it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) link: Link,
    /// Requests that it served before this one; above zero a sudden end may mean "closed while idle".
    pub(crate) served: u32,
    opened: Instant,
    idle_since: Instant,
    /// Counts in the breaker as long as the connection lives.
    counted: Connection,
}

impl Lease {
    /// A fresh connection.
    pub(crate) fn new(wire: Wire, counted: Connection, trailers: bool) -> Lease {
        let now = Instant::now();
        let mut link = Link::new(wire, BytesMut::new());
        link.trailers = trailers;
        Lease { link, served: 0, opened: now, idle_since: now, counted }
    }
}

/// A connection with HTTP/2 on it, shared by streams.
#[derive(Debug)]
struct Shared {
    /// The address of this end.
    local: Option<SocketAddr>,
    send: ::h2::client::SendRequest<Bytes>,
    state: Rc<SharedState>,
    opened: Instant,
}

#[derive(Debug)]
struct SharedState {
    closed: Cell<bool>,
    streams: Cell<usize>,
    served: Cell<u32>,
    idle_since: Cell<Instant>,
}

/// One stream's hold on a shared connection.
#[derive(Debug)]
pub(crate) struct StreamLease {
    pub(crate) send: ::h2::client::SendRequest<Bytes>,
    /// Streams that it served before this one.
    pub(crate) served: u32,
    /// The address of this end.
    pub(crate) local: Option<SocketAddr>,
    state: Rc<SharedState>,
}

impl Drop for StreamLease {
    fn drop(&mut self) {
        self.state.streams.set(self.state.streams.get() - 1);
        self.state.idle_since.set(Instant::now());
    }
}

/// Connections to one host.
#[derive(Debug)]
struct HostPool {
    host: Arc<Host>,
    lifetimes: Lifetimes,
    idle: Vec<Lease>,
    shared: Vec<Shared>,
    /// Held by the one who opens a shared connection, so that a burst opens one and not many.
    opening: Rc<tokio::sync::Mutex<()>>,
}

/// The pools of a worker. A host belongs to one cluster, so clusters do not share connections.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    hosts: RefCell<HashMap<HostId, HostPool, foldhash::fast::FixedState>>,
    /// Idle ones of all hosts.
    idle: Cell<usize>,
    /// Wakes those who wait for a connection when one comes back.
    pub(crate) returned: tokio::sync::Notify,
}

impl Pools {
    /// The idle connection that was used last and still lives.
    pub(crate) fn take(&self, host: &Host, transport: u64) -> Option<Lease> {
        let mut hosts = self.hosts.borrow_mut();
        let pool =
            hosts.get_mut(&host.id()).filter(|pool| pool.lifetimes.transport == transport)?;
        while let Some(lease) = pool.idle.pop() {
            self.idle.set(self.idle.get() - 1);
            let old = pool.lifetimes.are_over(lease.served, lease.opened);
            if !old && !lease.counted.is_surplus() && lease.link.wire.is_quiet() {
                return Some(lease);
            }
        }
        None
    }

    /// Takes a connection back after a complete exchange.
    pub(crate) fn give_back(&self, host: &Arc<Host>, mut lease: Lease, lifetimes: Lifetimes) {
        lease.served += 1;
        self.keep(host, lease, lifetimes);
    }

    /// Takes a connection back that was not used after all.
    pub(crate) fn keep(&self, host: &Arc<Host>, mut lease: Lease, lifetimes: Lifetimes) {
        lease.idle_since = Instant::now();
        let worn = lifetimes.are_over(lease.served, lease.opened);
        let surplus = lease.counted.is_surplus();
        if worn || surplus || !lease.link.input.is_empty() || host.is_removed() {
            return;
        }
        self.with(host, lifetimes, |pool| {
            if pool.idle.len() < IDLE_PER_HOST && self.idle.get() < IDLE_IN_ALL {
                pool.idle.push(lease);
                self.idle.set(self.idle.get() + 1);
            }
        });
        self.returned.notify_waiters();
    }

    /// A stream's place on a shared connection that has room.
    pub(crate) fn share(&self, host: &Host, lifetimes: Lifetimes) -> Option<StreamLease> {
        let mut hosts = self.hosts.borrow_mut();
        let pool = hosts.get_mut(&host.id());
        let pool = pool.filter(|pool| pool.lifetimes.transport == lifetimes.transport)?;
        pool.shared.retain(|connection| !connection.state.closed.get());
        let fresh = pool.shared.iter().find(|connection| {
            let state = &connection.state;
            let most = lifetimes.streams.and_then(|most| usize::try_from(most).ok());
            let most = most.unwrap_or(usize::MAX).min(connection.send.current_max_send_streams());
            state.streams.get() < most && !lifetimes.are_over(state.served.get(), connection.opened)
        })?;
        Some(fresh.lease())
    }

    /// The lock to hold while opening a shared connection to this host.
    pub(crate) fn opening(
        &self,
        host: &Arc<Host>,
        lifetimes: Lifetimes,
    ) -> Rc<tokio::sync::Mutex<()>> {
        self.with(host, lifetimes, |pool| pool.opening.clone())
    }

    /// Makes a shared connection of a fresh socket.
    pub(crate) async fn open(
        &self,
        (host, lifetimes): (&Arc<Host>, Lifetimes),
        http2: Http2Settings,
        (wire, counted): (Wire, Connection),
    ) -> io::Result<StreamLease> {
        let mut builder = ::h2::client::Builder::new();
        builder
            .initial_window_size(
                http2.initial_stream_window.unwrap_or(STREAM_WINDOW).min(STREAM_WINDOW),
            )
            .initial_connection_window_size(
                http2.initial_connection_window.unwrap_or(CONNECTION_WINDOW).min(CONNECTION_WINDOW),
            )
            .max_header_list_size(u32::try_from(crate::h1::HEAD_BYTES).unwrap_or(u32::MAX))
            .enable_push(false);
        let local = wire.local_address();
        let io = wire.with_prefix(Bytes::new());
        let (send, mut connection) = builder.handshake::<_, Bytes>(io).await.map_err(io_error)?;
        let pings = connection.ping_pong();
        let state = Rc::new(SharedState {
            closed: Cell::new(false),
            streams: Cell::new(0),
            served: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
        });
        let ends = state.clone();
        tokio::task::spawn_local(async move {
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "an upstream HTTP/2 connection ended");
                    }
                }
                () = crate::h2::silent(pings, http2.keepalive) => {
                    tracing::debug!("an upstream HTTP/2 connection answers no ping");
                }
            }
            ends.closed.set(true);
            drop(counted);
        });
        let made = Shared { local, send, state, opened: Instant::now() };
        let lease = made.lease();
        self.with(host, lifetimes, |pool| pool.shared.push(made));
        Ok(lease)
    }

    fn with<T>(
        &self,
        host: &Arc<Host>,
        lifetimes: Lifetimes,
        act: impl FnOnce(&mut HostPool) -> T,
    ) -> T {
        let mut hosts = self.hosts.borrow_mut();
        let pool = hosts.entry(host.id()).or_insert_with(|| HostPool {
            host: host.clone(),
            lifetimes,
            idle: Vec::new(),
            shared: Vec::new(),
            opening: Rc::default(),
        });
        if pool.lifetimes.transport != lifetimes.transport {
            // The cluster is spoken to in another way now.
            self.idle.set(self.idle.get() - pool.idle.len());
            pool.idle.clear();
            pool.shared.clear();
        }
        pool.lifetimes = lifetimes;
        act(pool)
    }

    /// Closes idle connections that are too old, dead, or lead to hosts that are gone. In-flight
    /// requests keep theirs.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.hosts.borrow_mut().retain(|_, pool| {
            let gone = pool.host.is_removed();
            let idle_limit = pool.lifetimes.idle;
            let stale = |since| gone || idle_limit.is_some_and(|most| now - since >= most);
            let lifetimes = pool.lifetimes;
            pool.idle.retain(|lease| {
                let old = lifetimes.are_over(lease.served, lease.opened);
                !old && !stale(lease.idle_since) && lease.link.wire.is_quiet()
            });
            pool.shared.retain(|connection| {
                let state = &connection.state;
                let unused = state.streams.get() == 0;
                let old = lifetimes.are_over(state.served.get(), connection.opened);
                !(state.closed.get() || (unused && (old || stale(state.idle_since.get()))))
            });
            let opening = Rc::strong_count(&pool.opening) > 1;
            opening || !pool.idle.is_empty() || !pool.shared.is_empty()
        });
        let left = self.hosts.borrow().values().map(|pool| pool.idle.len()).sum();
        self.idle.set(left);
    }
}

impl Shared {
    fn lease(&self) -> StreamLease {
        self.state.streams.set(self.state.streams.get() + 1);
        self.state.served.set(self.state.served.get() + 1);
        StreamLease {
            send: self.send.clone(),
            served: self.state.served.get() - 1,
            local: self.local,
            state: self.state.clone(),
        }
    }
}
