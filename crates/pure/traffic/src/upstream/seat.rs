//! What is held while a request or connection is under way, and given back when it is dropped.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    fault::Fault,
    upstream::{Host, OutlierPolicy, Upstream, breaker::Admission, take},
};

/// A place at a host for one request. The balancer sees it as active until it is dropped.
#[derive(Debug)]
pub struct Seat {
    upstream: Arc<Upstream>,
    host: Arc<Host>,
    outlier: Option<Arc<OutlierPolicy>>,
    /// Leave of the breaker, where there is one.
    admission: Option<Admission>,
    /// Whether it counts in the breaker for requests.
    has_begun: bool,
}

/// Why there is no seat, no place in the queue, or no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The cluster has no host to offer.
    NoHealthyHost,
    /// A circuit breaker is open: too much is under way.
    Overflow,
    /// The breaker is open: too much has failed.
    BreakerOpen,
    /// The name of the host has no address, as far as is known.
    NotResolved,
    /// The cluster knows too many names already.
    TooManyNames,
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoHealthyHost => Self::NoHealthyUpstream,
            Refusal::Overflow => Self::Overflow,
            Refusal::BreakerOpen => Self::BreakerOpen,
            Refusal::NotResolved => Self::NotResolved,
            Refusal::TooManyNames => Self::TooManyNames,
        }
    }
}

/// A place in the queue for a connection. It is given back when it is dropped.
#[derive(Debug)]
pub struct Waiting {
    upstream: Arc<Upstream>,
}

/// A connection to a host, from its first packet on. It counts until it is dropped.
#[derive(Debug)]
pub struct Connection {
    upstream: Arc<Upstream>,
    host: Arc<Host>,
}

/// A retry that is under way.
#[derive(Debug)]
pub struct Retrying {
    upstream: Arc<Upstream>,
}

impl Seat {
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        host: Arc<Host>,
        outlier: Option<Arc<OutlierPolicy>>,
        admission: Option<Admission>,
    ) -> Self {
        host.enter();
        host.rq_total.add(1);
        upstream.stats().upstream_rq_total.add(1);
        upstream.stats().upstream_rq_active.add(1);
        Self { upstream, host, outlier, admission, has_begun: false }
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The host, to keep.
    #[must_use]
    pub const fn shared_host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The upstream that the host belongs to.
    #[must_use]
    pub const fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    pub(crate) fn outlier_policy(&self) -> Option<&OutlierPolicy> {
        self.outlier.as_deref()
    }

    pub(crate) const fn admission(&self) -> Option<&Admission> {
        self.admission.as_ref()
    }

    /// Counts a request that has its connection and is about to leave. Byte streams are not requests.
    ///
    /// # Errors
    /// When the circuit breaker for requests is open.
    pub fn begin(&mut self) -> Result<(), Refusal> {
        if self.has_begun {
            return Ok(());
        }
        let upstream = &self.upstream;
        if !take(&upstream.in_use().requests, upstream.limits().requests) {
            upstream.stats().upstream_rq_pending_overflow.add(1);
            return Err(Refusal::Overflow);
        }
        self.has_begun = true;
        Ok(())
    }

    /// Takes a place in the queue, for a request that finds no idle connection.
    ///
    /// # Errors
    /// When the circuit breaker for pending requests is open.
    pub fn wait(&self) -> Result<Waiting, Refusal> {
        let upstream = &self.upstream;
        if !take(&upstream.in_use().pending, upstream.limits().pending) {
            upstream.stats().upstream_rq_pending_overflow.add(1);
            return Err(Refusal::Overflow);
        }
        upstream.stats().upstream_rq_pending_total.add(1);
        upstream.stats().upstream_rq_pending_active.add(1);
        Ok(Waiting { upstream: Arc::clone(upstream) })
    }

    /// Takes leave to open another connection to the host. A host without any connection always gets one.
    ///
    /// # Errors
    /// When the circuit breaker for connections is open: the request waits for a connection that exists.
    pub fn connect(&self) -> Result<Connection, Refusal> {
        let upstream = &self.upstream;
        let (in_use, limits) = (upstream.in_use(), upstream.limits());
        if limits.host_connections <= self.host.connections() && self.host.connections() != 0 {
            upstream.stats().upstream_cx_overflow.add(1);
            return Err(Refusal::Overflow);
        }
        if !take(&in_use.connections, limits.connections) {
            upstream.stats().upstream_cx_overflow.add(1);
            if self.host.connections() != 0 {
                return Err(Refusal::Overflow);
            }
            in_use.connections.fetch_add(1, Ordering::Relaxed);
        }
        upstream.stats().upstream_cx_total.add(1);
        upstream.stats().upstream_cx_active.add(1);
        self.host.cx_total.add(1);
        self.host.connect();
        Ok(Connection { upstream: Arc::clone(upstream), host: Arc::clone(&self.host) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.host.leave();
        if let Some(admission) = &self.admission {
            self.upstream.give_back(admission);
        }
        if self.has_begun {
            self.upstream.in_use().requests.fetch_sub(1, Ordering::Relaxed);
        }
        self.upstream.stats().upstream_rq_active.sub(1);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.upstream.in_use().pending.fetch_sub(1, Ordering::Relaxed);
        self.upstream.stats().upstream_rq_pending_active.sub(1);
    }
}

impl Connection {
    /// The host at the other end.
    #[must_use]
    pub const fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Whether more connections are open than the breakers allow, which happens when a new configuration
    /// allows fewer. An idle one is then closed rather than used; a host keeps its last.
    #[must_use]
    pub fn is_surplus(&self) -> bool {
        let (open, limits) = (self.host.connections(), self.upstream.limits());
        let in_all = self.upstream.in_use().connections.load(Ordering::Relaxed);
        open > 1 && (limits.host_connections < open || limits.connections < in_all)
    }

    /// Counts that the connection could not be made.
    pub fn failed(&self, timed_out: bool) {
        self.host.cx_connect_fail.add(1);
        self.upstream.stats().upstream_cx_connect_fail.add(1);
        if timed_out {
            self.upstream.stats().upstream_cx_connect_timeout.add(1);
        }
    }

    /// Counts that the connection was made, and speaks this version of HTTP.
    pub fn established(&self, is_http2: bool) {
        let stats = self.upstream.stats();
        if is_http2 {
            stats.upstream_cx_http2_total.add(1);
        } else {
            stats.upstream_cx_http1_total.add(1);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.host.disconnect();
        self.upstream.in_use().connections.fetch_sub(1, Ordering::Relaxed);
        self.upstream.stats().upstream_cx_active.sub(1);
    }
}

impl Retrying {
    pub(crate) fn new(upstream: Arc<Upstream>) -> Self {
        upstream.stats().upstream_rq_retry_active.add(1);
        Self { upstream }
    }
}

impl Drop for Retrying {
    fn drop(&mut self) {
        self.upstream.in_use().retries.fetch_sub(1, Ordering::Relaxed);
        self.upstream.stats().upstream_rq_retry_active.sub(1);
    }
}
