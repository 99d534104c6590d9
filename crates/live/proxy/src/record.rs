//! What is known of one exchange when it is over, and how it becomes metrics.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use telemetry::istio::service_of;
use telemetry::metrics::{REQUEST_LABELS, TCP_LABELS};
use telemetry::{Exchange, Id, Registry, Reporter, Series, Workload};
use tokio::time::Instant;
use traffic::{Fault, Flag, Flags, Seat};

use crate::fields::{Fields, Request, Response};
use crate::notes::Notes;
use crate::relay::Moved;

/// One request, filled in while it goes.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) started: Instant,
    /// 0: the client left before there was one.
    pub(crate) status: u16,
    pub(crate) flags: Flags,
    pub(crate) cluster: Option<Arc<str>>,
    pub(crate) grpc: bool,
    pub(crate) grpc_status: Option<u32>,
    pub(crate) received: u64,
    pub(crate) sent: Rc<Cell<u64>>,
    /// For access records, where there are logs.
    pub(crate) notes: Option<Box<Notes>>,
}

impl Record {
    /// A request whose head just arrived.
    pub(crate) fn new(started: Instant, notes: Option<Box<Notes>>) -> Record {
        Record {
            started,
            status: 0,
            flags: Flags::NONE,
            cluster: None,
            grpc: false,
            grpc_status: None,
            received: 0,
            sent: Rc::default(),
            notes,
        }
    }

    /// The client went away before it had its answer.
    pub(crate) fn left(&mut self) {
        self.status = 0;
        self.broke_off();
    }

    /// The client went away, at whatever moment.
    pub(crate) fn broke_off(&mut self) {
        self.flags.insert(Flag::DownstreamConnectionTermination);
        self.note(|notes| notes.details = "downstream_remote_disconnect".into());
    }

    /// Notes something for access records, where there are logs.
    pub(crate) fn note(&mut self, note: impl FnOnce(&mut Notes)) {
        if let Some(notes) = &mut self.notes {
            note(notes);
        }
    }

    /// An attempt begins.
    pub(crate) fn attempt(&mut self, number: u32) {
        self.note_time(|times| &mut times.connecting);
        self.note(|notes| notes.attempts = number);
    }

    /// The head of the upstream's response went back.
    pub(crate) fn responding(&mut self, response: &mut Response, closes: bool) {
        self.note_time(|times| &mut times.responding);
        self.note(|notes| {
            notes.details = "via_upstream".into();
            notes.responded_with(response, closes);
        });
    }

    /// The body of the upstream's response went back, as far as it came.
    pub(crate) fn responded(&mut self, trailers: Option<Fields>) {
        self.note_time(|times| &mut times.responded);
        self.note(|notes| {
            notes.times.received = notes.times.responded;
            notes.trailers = trailers;
        });
    }

    /// The response broke off after its head had gone back.
    pub(crate) fn cut_off(&mut self, fault: &Fault) {
        self.flags = self.flags.union(fault.flags());
        self.note(|notes| notes.details = fault.details_after_head());
    }

    /// An attempt got no connection to its host, if it got a host at all.
    pub(crate) fn unreached(&mut self, seat: Option<&Seat>, fault: &Fault) {
        if let Some(seat) = seat {
            self.note_time(|times| &mut times.connected);
            self.note(|notes| notes.picked(seat));
        }
        self.note(|notes| notes.failed(fault));
    }

    /// What no host got was ready to go all the same.
    pub(crate) fn unsent(&mut self, outgoing: &Request) {
        self.note(|notes| _ = notes.request.get_or_insert_with(|| outgoing.clone()));
    }

    /// An attempt has a connection: its address here, whether it speaks HTTP/2, whether it was there.
    pub(crate) fn reached(
        &mut self,
        seat: &Seat,
        outgoing: &Request,
        end: impl FnOnce() -> (Option<SocketAddr>, bool, bool),
    ) {
        self.note_time(|times| &mut times.connected);
        self.note(|notes| {
            let (local, http2, was_there) = end();
            notes.picked(seat);
            notes.times.sending = notes.times.connected;
            notes.request = Some(outgoing.clone());
            notes.connected(local, (Some(http2), was_there));
        });
    }

    /// Notes that it begins to be answered, or is, at this moment.
    pub(crate) fn note_time(
        &mut self,
        which: impl FnOnce(&mut traffic::log::Times) -> &mut Option<std::time::Duration>,
    ) {
        let started = self.started;
        self.note(|notes| *which(&mut notes.times) = Some(started.elapsed()));
    }
}

/// The handles of one label set.
#[derive(Clone, Copy, Debug)]
struct Handles {
    requests: Option<Series>,
    duration: Option<Series>,
    received: Option<Series>,
    sent: Option<Series>,
}

/// Label sets that differ within one cluster and direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    inbound: bool,
    status: u16,
    flags: Flags,
    grpc: bool,
    grpc_status: Option<u32>,
}

/// Turns records into series; remembers handles, so that a request builds no labels.
#[derive(Debug)]
pub(crate) struct Recorder {
    own: Workload,
    peer: Workload,
    handles: HashMap<Arc<str>, Vec<(Outcome, Handles)>, foldhash::fast::FixedState>,
    none: Arc<str>,
}

impl Recorder {
    /// For a proxy of this workload; the other side is not known yet.
    pub(crate) fn new(own: Workload) -> Recorder {
        Recorder { own, peer: Workload::unknown(), handles: HashMap::default(), none: "".into() }
    }

    /// Counts one request.
    pub(crate) fn request(&mut self, registry: &mut Registry, record: &Record, inbound: bool) {
        let outcome = Outcome {
            inbound,
            status: record.status,
            flags: record.flags,
            grpc: record.grpc,
            grpc_status: record.grpc_status,
        };
        let cluster = record.cluster.as_ref().unwrap_or(&self.none);
        let known = self.handles.get(cluster).and_then(|known| {
            known.iter().find(|(other, _)| *other == outcome).map(|(_, handles)| *handles)
        });
        let handles = match known {
            Some(handles) => handles,
            None => {
                let cluster = cluster.clone();
                let handles = self.make(registry, &cluster, outcome);
                self.handles.entry(cluster).or_default().push((outcome, handles));
                handles
            }
        };
        if let Some(series) = handles.requests {
            registry.add_to(series, 1);
        }
        if let Some(series) = handles.duration {
            registry.observe(series, record.started.elapsed().as_secs_f64() * 1000.0);
        }
        for (series, bytes) in
            [(handles.received, record.received), (handles.sent, record.sent.get())]
        {
            if let Some(series) = series {
                // Sizes beyond 2^53 lose their last bits, which no bucket can show.
                let bytes = u32::try_from(bytes).map_or(f64::from(u32::MAX), f64::from);
                registry.observe(series, bytes);
            }
        }
    }

    fn make(&self, registry: &mut Registry, cluster: &str, outcome: Outcome) -> Handles {
        let (code, flags) = (outcome.status.to_string(), outcome.flags.to_string());
        let grpc_status = outcome.grpc_status.map(|status| status.to_string()).unwrap_or_default();
        let mut exchange = self.exchange(cluster, outcome.inbound);
        exchange.protocol = if outcome.grpc { "grpc" } else { "http" };
        exchange.code = &code;
        exchange.flags = &flags;
        exchange.grpc_status = &grpc_status;
        let labels = exchange.labels();
        Handles {
            requests: registry.series(Id::Requests, &labels),
            duration: registry.series(Id::RequestDuration, &labels),
            received: registry.series(Id::RequestBytes, &labels),
            sent: registry.series(Id::ResponseBytes, &labels),
        }
    }

    /// Counts one finished TCP connection.
    pub(crate) fn connection(
        &self,
        registry: &mut Registry,
        cluster: &str,
        inbound: bool,
        ended: (Moved, Flags),
    ) {
        let (moved, flags) = (ended.0, ended.1.to_string());
        let mut exchange = self.exchange(cluster, inbound);
        exchange.protocol = "tcp";
        exchange.flags = &flags;
        let labels = exchange.labels();
        debug_assert_eq!(TCP_LABELS.len() + 1, REQUEST_LABELS.len());
        let labels = &labels[..TCP_LABELS.len()];
        registry.add(Id::TcpOpened, labels, 1);
        registry.add(Id::TcpClosed, labels, 1);
        registry.add(Id::TcpSent, labels, moved.sent);
        registry.add(Id::TcpReceived, labels, moved.received);
    }

    fn exchange<'a>(&'a self, cluster: &'a str, inbound: bool) -> Exchange<'a> {
        let (service, service_name, service_namespace) = service_of(cluster);
        // An inbound cluster names a port only; its service is this workload's own.
        let own_service =
            inbound && service == telemetry::istio::UNKNOWN && cluster.starts_with("inbound|");
        Exchange {
            reporter: if inbound { Reporter::Destination } else { Reporter::Source },
            source: if inbound { &self.peer } else { &self.own },
            destination: if inbound { &self.own } else { &self.peer },
            service,
            service_name: if own_service { &self.own.canonical_service } else { service_name },
            service_namespace: if own_service { &self.own.namespace } else { service_namespace },
            protocol: "http",
            code: "0",
            grpc_status: "",
            flags: "-",
            security: if inbound { "none" } else { "unknown" },
        }
    }
}
