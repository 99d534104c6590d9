//! What an access record needs to know beyond metrics, and how it becomes lines in files. Made only
//! where an access log is configured.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use traffic::log::{Contact, Facts, Kind, Times};
use traffic::{Answer, Cluster, Fault, Flags, Host, Listener, Log, Peer, Seat, Table, Version};

use crate::edit;
use crate::fields::{Fields, Request, Response};
use crate::record::Record;
use crate::relay::Moved;
use crate::sinks::Sink;
use crate::worker::Worker;

/// The access logs of a chain or a listener, with the files that they go to.
#[derive(Debug)]
pub(crate) struct Logbook {
    logs: Arc<[Log]>,
    sinks: Vec<Option<Arc<Sink>>>,
}

impl Logbook {
    /// `None` where nothing is logged.
    pub(crate) fn of(worker: &Worker, logs: &Arc<[Log]>) -> Option<Logbook> {
        if logs.is_empty() {
            return None;
        }
        let sinks = logs.iter().map(|log| worker.shared.sinks.of(&log.target)).collect();
        Some(Logbook { logs: logs.clone(), sinks })
    }

    /// Writes what these facts are worth.
    fn write(&self, worker: &Worker, facts: &Facts<'_>) {
        let mut line = worker.line.borrow_mut();
        for (log, sink) in self.logs.iter().zip(&self.sinks) {
            line.clear();
            let Some(sink) = sink else { continue };
            if log.write(facts, &mut worker.dice.borrow_mut(), &mut line) {
                sink.take(worker.index, &line);
            }
        }
    }
}

/// What a downstream connection is, as far as records tell.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Of this process.
    pub(crate) number: u64,
    /// Where it arrived, before its original destination was restored.
    pub(crate) local: SocketAddr,
    /// The name of its filter chain.
    pub(crate) chain: String,
    /// The server name that was found.
    pub(crate) server_name: String,
    /// When it came.
    pub(crate) began: (Duration, Instant),
}

impl Arrival {
    /// A connection that came just now; its chain is not known yet.
    pub(crate) fn new(worker: &Worker, local: SocketAddr) -> Arrival {
        let number = worker.accepted.get();
        worker.accepted.set(number + 1);
        Arrival {
            // Workers count in turns, so that no number stands for two connections.
            number: number * worker.shared.workers() as u64 + worker.index as u64,
            local,
            chain: String::new(),
            server_name: String::new(),
            began: (since_1970(), Instant::now()),
        }
    }
}

/// What is noted while a request or a connection goes on.
#[derive(Debug)]
pub(crate) struct Notes {
    /// Since 1970.
    began: Duration,
    /// Why that status, in Envoy's words.
    pub(crate) details: Cow<'static, str>,
    /// The request as it went on.
    pub(crate) request: Option<Request>,
    response: Fields,
    pub(crate) trailers: Option<Fields>,
    pub(crate) route: String,
    pub(crate) cluster: Option<Arc<Cluster>>,
    host: Option<Arc<Host>>,
    local: Option<SocketAddr>,
    protocol: Option<Version>,
    pub(crate) attempts: u32,
    failure: String,
    pub(crate) times: Times,
    /// Whom it came from, past trusted proxies; `None` is the peer.
    pub(crate) remote: Option<SocketAddr>,
}

impl Notes {
    /// Something begins.
    pub(crate) fn new() -> Notes {
        Notes {
            began: since_1970(),
            details: Cow::Borrowed(""),
            request: None,
            response: Fields::default(),
            trailers: None,
            route: String::new(),
            cluster: None,
            host: None,
            local: None,
            protocol: None,
            attempts: 0,
            failure: String::new(),
            times: Times::default(),
            remote: None,
        }
    }

    /// The proxy answers by itself.
    pub(crate) fn answered(&mut self, request: &Request, answer: &Answer, table: &Table) {
        let mut request = request.clone();
        answer.edit_request(&mut request);
        self.request = Some(request);
        answer.route.clone_into(&mut self.route);
        self.cluster = table.cluster(&answer.cluster).cloned();
        self.remote = answer.remote();
    }

    /// A host was picked.
    pub(crate) fn picked(&mut self, seat: &Seat) {
        self.host = Some(seat.shared_host().clone());
        self.local = None;
        self.protocol = None;
        self.failure.clear();
    }

    /// The head of a response went back; nothing reads it any more.
    pub(crate) fn responded_with(&mut self, response: &mut Response, closes: bool) {
        self.response = std::mem::take(&mut response.fields);
        if closes {
            self.response.set("connection", b"close");
        }
    }

    /// The request was complete at this time, if it ever was, and with that was sent.
    pub(crate) fn sent(&mut self, complete: Option<Duration>) {
        self.times.request = complete;
        self.times.sent = match (self.local, self.times.connected, complete) {
            (Some(_), Some(connected), Some(complete)) => Some(connected.max(complete)),
            _ => None,
        };
    }

    /// There is a connection to the host: of HTTP, and which; one that was there already.
    pub(crate) fn connected(
        &mut self,
        local: Option<SocketAddr>,
        (http2, was_there): (Option<bool>, bool),
    ) {
        if was_there {
            self.times.connecting = None;
        }
        self.local = local;
        self.protocol = http2.map(|two| if two { Version::Http2 } else { Version::Http11 });
    }

    /// An attempt failed.
    pub(crate) fn failed(&mut self, fault: &Fault) {
        self.times.connecting = None;
        if let Fault::ConnectFailed { reason } = fault {
            reason.as_ref().clone_into(&mut self.failure);
        }
    }

    /// Adds what is noted to facts.
    fn tell<'a>(&'a self, facts: Facts<'a>) -> Facts<'a> {
        let contact = self.host.as_deref().map(|host| Contact {
            host,
            local: self.local,
            protocol: self.protocol,
        });
        Facts {
            began: self.began,
            times: self.times,
            details: &self.details,
            remote: self.remote.unwrap_or(facts.remote),
            cluster: self.cluster.as_deref(),
            contact,
            attempts: self.attempts,
            failure: &self.failure,
            route: &self.route,
            ..facts
        }
    }
}

/// Writes the records of a request that is over.
pub(crate) fn request(
    worker: &Worker,
    (logbook, arrival): (&Logbook, &Arrival),
    peer: &Peer,
    (record, http2): (&mut Record, bool),
) {
    let Some(notes) = record.notes.as_mut() else { return };
    notes.times.ended = Some(record.started.elapsed());
    let notes = &*notes;
    let headers = notes.request.as_ref().map(edit::request_headers).unwrap_or_default();
    let head = notes.request.as_ref().map(|request| {
        let mut head = edit::head(request, &headers);
        if head.scheme.is_empty() {
            head.scheme = request.fields.text("x-forwarded-proto").unwrap_or_default();
        }
        head
    });
    let response = edit::headers(&notes.response);
    let trailers = notes.trailers.as_ref().map(edit::headers).unwrap_or_default();
    let protocol = match &head {
        Some(head) => head.version,
        None if http2 => Version::Http2,
        None => Version::Http11,
    };
    let facts = Facts {
        head: head.as_ref(),
        response: &response,
        trailers: &trailers,
        protocol: Some(protocol),
        status: record.status,
        flags: record.flags,
        received: record.received,
        sent: record.sent.get(),
        local: arrival.local,
        chain: &arrival.chain,
        server_name: &arrival.server_name,
        connection: arrival.number,
        hostname: &worker.shared.hostname,
        ..Facts::new(Kind::DownstreamEnd, peer)
    };
    logbook.write(worker, &notes.tell(facts));
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    pub(crate) moved: Moved,
    pub(crate) flags: Flags,
    /// Why the connection was closed.
    pub(crate) termination: &'static str,
}

/// Writes the records of a connection that is over: those of its chain, if that is a TCP chain with
/// logs, and those of its listener.
pub(crate) fn connection(
    worker: &Worker,
    (listener, chain): (&Listener, Option<&Logbook>),
    (arrival, peer): (&Arrival, &Peer),
    (notes, ending): (&mut Notes, Ending),
) {
    notes.began = arrival.began.0;
    notes.times.ended = Some(arrival.began.1.elapsed());
    let stream = {
        let mut dice = worker.dice.borrow_mut();
        let mut stream = [0; 16];
        stream[..8].copy_from_slice(&dice.roll().to_be_bytes());
        stream[8..].copy_from_slice(&dice.roll().to_be_bytes());
        stream
    };
    let facts = Facts {
        flags: ending.flags,
        received: ending.moved.received,
        sent: ending.moved.sent,
        termination: ending.termination,
        local: arrival.local,
        chain: &arrival.chain,
        server_name: &arrival.server_name,
        connection: arrival.number,
        hostname: &worker.shared.hostname,
        stream: chain.map(|_| stream),
        ..Facts::new(Kind::TcpConnectionEnd, peer)
    };
    let facts = notes.tell(facts);
    if let Some(chain) = chain {
        chain.write(worker, &facts);
    }
    if let Some(own) = Logbook::of(worker, &listener.logs) {
        own.write(worker, &Facts { kind: Kind::NotSet, ..facts });
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
