//! From a cluster to a connection: a seat at a host, then a pooled or a fresh connection to it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use traffic::cluster::{Cluster, Protocol};
use traffic::{Address, Attempt, Connection, Fault, Host, Permit, Refusal, Seat, Upstream};

use crate::pool::{Lease, Lifetimes, StreamLease};
use crate::socket::{Dialer, How, NOWHERE};
use crate::tls::{Offer, session};
use crate::wire::Wire;
use crate::worker::Worker;

/// A request that waits for a connection of another worker looks again this often.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What an attempt wants.
#[derive(Debug)]
pub(crate) struct Want<'w> {
    pub(crate) permit: &'w Permit,
    pub(crate) attempt: &'w Attempt,
    /// Only a connection of its own will do.
    pub(crate) fresh: bool,
    /// The connection will become a byte stream: HTTP/1.1 only.
    pub(crate) upgrade: bool,
    pub(crate) downstream_http2: bool,
}

/// A connection, ready for a request.
#[derive(Debug)]
pub(crate) enum Tube {
    H1 { lease: Lease, lifetimes: Lifetimes },
    H2(StreamLease),
}

impl Tube {
    /// Our end of it: its address, whether it speaks HTTP/2, and whether it was there before.
    pub(crate) fn end(&self) -> (Option<SocketAddr>, bool, bool) {
        match self {
            Tube::H1 { lease, .. } => (lease.link.wire.local_address(), false, lease.served > 0),
            Tube::H2(lease) => (lease.local, true, lease.served > 0),
        }
    }
}

/// Picks a host and gets a connection to it. A fault after the pick comes with the seat.
pub(crate) async fn reach(
    worker: &Rc<Worker>,
    upstream: &Arc<Upstream>,
    want: &Want<'_>,
) -> Result<(Seat, Tube), (Fault, Option<Seat>)> {
    let picked = pick(worker, upstream, want.permit, want.attempt).await;
    let mut seat = picked.map_err(|refusal| (refusal.into(), None))?;
    let tube = match tube(worker, upstream, &seat, want).await {
        Ok(tube) => tube,
        Err(fault) => return Err((fault, Some(seat))),
    };
    match seat.begin() {
        Ok(()) => Ok((seat, tube)),
        Err(refusal) => {
            if let Tube::H1 { lease, lifetimes } = tube {
                worker.pools.keep(seat.shared_host(), lease, lifetimes);
            }
            Err((refusal.into(), Some(seat)))
        }
    }
}

/// Picks a host. A cluster whose names are being looked up for the first time is given the time that a
/// connection may take.
pub(crate) async fn pick(
    worker: &Worker,
    upstream: &Arc<Upstream>,
    permit: &Permit,
    attempt: &Attempt,
) -> Result<Seat, Refusal> {
    let pick = || {
        let now = worker.shared.clock.now();
        upstream.pick(now, permit, attempt, &mut worker.dice.borrow_mut())
    };
    let picked = pick();
    let unknown = matches!(picked, Err(Refusal::NoHealthyHost | Refusal::NotResolved));
    if !unknown || !upstream.awaits_names(attempt) {
        return picked;
    }
    if attempt.named().is_some() {
        // The request may have brought a name that nobody asked for before.
        worker.shared.changed.notify_one();
    }
    let looked_up = async {
        while upstream.awaits_names(attempt) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let _ = timeout(upstream.cluster().connect_timeout, looked_up).await;
    pick()
}

async fn tube(
    worker: &Rc<Worker>,
    upstream: &Arc<Upstream>,
    seat: &Seat,
    want: &Want<'_>,
) -> Result<Tube, Fault> {
    let cluster = upstream.cluster();
    let lifetimes = Lifetimes {
        idle: cluster.idle_timeout,
        requests: cluster.max_requests_per_connection,
        age: cluster.max_connection_duration,
        streams: cluster.http2.max_concurrent_streams,
        transport: cluster.tls(seat.host().metadata()).map_or(0, |tls| tls.context.id()),
    };
    if cluster.protocol == Protocol::Negotiated && !want.upgrade && lifetimes.transport != 0 {
        return negotiated(worker, &cluster, seat, (lifetimes, want.fresh)).await;
    }
    let http2 = match cluster.protocol {
        Protocol::Http1 | Protocol::Negotiated => false,
        Protocol::Http2 => true,
        Protocol::Downstream => want.downstream_http2,
    };
    if http2 && !want.upgrade {
        return shared(worker, &cluster, seat, (lifetimes, want.fresh)).await.map(Tube::H2);
    }
    let pools = &worker.pools;
    if !want.fresh
        && let Some(lease) = pools.take(seat.host(), lifetimes.transport)
    {
        return Ok(Tube::H1 { lease, lifetimes });
    }
    let _waiting = seat.wait()?;
    loop {
        match seat.connect() {
            Ok(counted) => {
                let wire = connect(worker, &cluster, seat.host(), (&counted, Offer::Http1)).await?;
                counted.established(false);
                let lease = Lease::new(wire, counted, cluster.http1_trailers);
                return Ok(Tube::H1 { lease, lifetimes });
            }
            // At the limit: one that exists has to come free.
            Err(Refusal::Overflow) if !want.fresh => {
                let _ = timeout(LOOK_AGAIN, pools.returned.notified()).await;
                if let Some(lease) = pools.take(seat.host(), lifetimes.transport) {
                    return Ok(Tube::H1 { lease, lifetimes });
                }
            }
            Err(refusal) => return Err(refusal.into()),
        }
    }
}

async fn shared(
    worker: &Rc<Worker>,
    cluster: &Cluster,
    seat: &Seat,
    (lifetimes, fresh): (Lifetimes, bool),
) -> Result<StreamLease, Fault> {
    let (pools, host) = (&worker.pools, seat.shared_host());
    if !fresh && let Some(lease) = pools.share(host, lifetimes) {
        return Ok(lease);
    }
    let _waiting = seat.wait()?;
    let opening = pools.opening(host, lifetimes);
    let _first = opening.lock().await;
    // Somebody else may have opened one while we waited for the lock.
    if let Some(lease) = pools.share(host, lifetimes) {
        return Ok(lease);
    }
    loop {
        match seat.connect() {
            Ok(counted) => {
                let wire = connect(worker, cluster, host, (&counted, Offer::Http2)).await?;
                counted.established(true);
                let opened = pools.open((host, lifetimes), cluster.http2, (wire, counted)).await;
                return opened
                    .map_err(|error| Fault::ConnectFailed { reason: reason(&error).into() });
            }
            Err(Refusal::Overflow) => {
                tokio::time::sleep(LOOK_AGAIN).await;
                if let Some(lease) = pools.share(host, lifetimes) {
                    return Ok(lease);
                }
            }
            Err(refusal) => return Err(refusal.into()),
        }
    }
}

/// A connection whose version of HTTP the TLS handshake tells.
async fn negotiated(
    worker: &Rc<Worker>,
    cluster: &Cluster,
    seat: &Seat,
    (lifetimes, fresh): (Lifetimes, bool),
) -> Result<Tube, Fault> {
    let (pools, host) = (&worker.pools, seat.shared_host());
    let known = || {
        let shared = pools.share(host, lifetimes).map(Tube::H2);
        shared.or_else(|| {
            let lease = pools.take(host, lifetimes.transport)?;
            Some(Tube::H1 { lease, lifetimes })
        })
    };
    if !fresh && let Some(tube) = known() {
        return Ok(tube);
    }
    let _waiting = seat.wait()?;
    loop {
        match seat.connect() {
            Ok(counted) => {
                let wire = connect(worker, cluster, host, (&counted, Offer::Either)).await?;
                if wire.agreed_http2() != Some(true) {
                    counted.established(false);
                    let lease = Lease::new(wire, counted, cluster.http1_trailers);
                    return Ok(Tube::H1 { lease, lifetimes });
                }
                counted.established(true);
                let opened = pools.open((host, lifetimes), cluster.http2, (wire, counted)).await;
                return opened
                    .map(Tube::H2)
                    .map_err(|error| Fault::ConnectFailed { reason: reason(&error).into() });
            }
            Err(Refusal::Overflow) if !fresh => {
                let _ = timeout(LOOK_AGAIN, pools.returned.notified()).await;
                if let Some(tube) = known() {
                    return Ok(tube);
                }
            }
            Err(refusal) => return Err(refusal.into()),
        }
    }
}

/// Connects to a host of a cluster within its connect timeout, and through TLS where the cluster says so.
pub(crate) async fn connect(
    worker: &Worker,
    cluster: &Cluster,
    host: &Host,
    (counted, offer): (&Connection, Offer),
) -> Result<Wire, Fault> {
    let Some(tls) = cluster.tls(host.metadata()) else {
        return dial(worker, cluster, host.address(), counted).await;
    };
    let table = worker.in_force().table.clone();
    let client = worker.shared.contexts.client(tls, &table).map_err(|why| {
        counted.failed(false);
        Fault::ConnectFailed { reason: format!("TLS_error:|{why}:TLS_error_end").into() }
    })?;
    let name = match (tls.host_as_server_name, host.hostname(), &*tls.server_name) {
        (true, Some(name), _) => session::server_name(name),
        (_, _, "") => {
            Ok(session::nameless(host.address().socket().map_or(NOWHERE.ip(), |it| it.ip())))
        }
        (_, _, name) => session::server_name(name),
    };
    let failed = |reason: String| {
        counted.failed(false);
        Fault::ConnectFailed { reason: reason.into() }
    };
    let name = name.map_err(failed)?;
    let shaking = async {
        let wire = dial(worker, cluster, host.address(), counted).await?;
        let shaken = wire.connect_tls(client.offering(offer), name).await;
        shaken.map_err(|failure| failed(failure.to_string()))
    };
    match timeout(cluster.connect_timeout, shaking).await {
        Ok(shaken) => shaken,
        Err(_) => {
            counted.failed(true);
            Err(Fault::ConnectTimeout)
        }
    }
}

async fn dial(
    worker: &Worker,
    cluster: &Cluster,
    address: &Address,
    counted: &Connection,
) -> Result<Wire, Fault> {
    let dialer = worker.shared.dialer;
    let address = match address {
        Address::Ip(address) => *address,
        Address::Pipe(path) => {
            return Dialer::dial_pipe(path).map_err(|error| {
                counted.failed(false);
                Fault::ConnectFailed { reason: reason(&error).into() }
            });
        }
    };
    let address = past_own_redirect(address, cluster.source_address, dialer.mark);
    let how = How {
        source: cluster.source_address.filter(|source| source.is_ipv4() == address.is_ipv4()),
        keepalive: cluster.keepalive,
        options: &cluster.socket_options,
    };
    match timeout(cluster.connect_timeout, dialer.dial(address, &how)).await {
        Ok(Ok(wire)) => Ok(wire),
        Ok(Err(error)) => {
            counted.failed(false);
            Err(Fault::ConnectFailed { reason: reason(&error).into() })
        }
        Err(_) => {
            counted.failed(true);
            Err(Fault::ConnectTimeout)
        }
    }
}

/// Inbound clusters bind 127.0.0.6 so that Istio's rules let their connections to the pod's own
/// address pass. The sandbox tells our sockets by their mark instead, and sends a marked connection
/// to the pod's own address through the inbound listener: there, the application is reached over
/// loopback.
fn past_own_redirect(address: SocketAddr, source: Option<IpAddr>, mark: Option<u32>) -> SocketAddr {
    let inbound = source.is_some_and(|source| source.is_loopback()) || is_six(source);
    if mark.is_none() || !inbound || address.ip().is_loopback() {
        return address;
    }
    let loopback: IpAddr = match address.ip() {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(loopback, address.port())
}

/// Istio's passthrough source for IPv6, `::6`.
fn is_six(source: Option<IpAddr>) -> bool {
    source == Some(IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6)))
}

/// What the transport said, in Envoy's words: without the number of the error.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    format!("delayed connect error: {text}")
}

#[cfg(test)]
mod tests {
    use super::past_own_redirect;

    #[test]
    fn inbound_connections_of_a_marked_proxy_stay_on_loopback() {
        let address = "10.244.0.5:8080".parse().unwrap();
        let six = "127.0.0.6".parse().ok();
        let own = past_own_redirect(address, six, Some(0x539));
        assert_eq!(own, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(past_own_redirect(address, None, Some(0x539)), address);
        assert_eq!(past_own_redirect(address, six, None), address);
        let v6 = "[fd00::5]:80".parse().unwrap();
        let own = past_own_redirect(v6, "::6".parse().ok(), Some(1));
        assert_eq!(own, "[::1]:80".parse().unwrap());
    }
}
