//! One request from its head to the last byte of its response: asks `traffic`, obeys, reports back.
//! Both sides run in one future on one thread.

mod attempt;
pub(crate) mod deadlines;
mod fallback;
mod local;
mod mirror;
mod outgoing;
mod transfer;
mod tunnel;

use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;
use traffic::{Decision, HttpChain, Peer};

use crate::clock::World;
use crate::edit;
use crate::fields::Request;
use crate::flow::{Progress, Replay, Source};
use crate::h1::Link;
use crate::notes::{Arrival, Logbook, Notes};
use crate::pool::Lease;
use crate::record::Record;
use crate::respond::Responder;
use crate::worker::Worker;

/// Request bodies are kept up to this size for retries and mirrors: Envoy's buffer of a connection.
const REPLAY_BYTES: usize = 1024 * 1024;

/// A downstream connection that speaks HTTP.
#[derive(Debug)]
pub(crate) struct Downstream {
    pub(crate) peer: Peer,
    pub(crate) chain: Arc<HttpChain>,
    /// Traffic that arrives for this workload: metrics are the destination's.
    pub(crate) inbound: bool,
    /// The listener was removed or changed, or the proxy stops: no further requests.
    pub(crate) closing: std::cell::Cell<bool>,
    /// Requests of HTTP/2 that the client took back as soon as it had sent them.
    pub(crate) abandoned: std::cell::Cell<u32>,
    /// It speaks HTTP/2.
    pub(crate) http2: bool,
    /// Where records of its requests go; `None` makes none.
    pub(crate) logbook: Option<Logbook>,
    pub(crate) arrival: Arrival,
}

impl Downstream {
    /// A record of a request that begins.
    pub(crate) fn record(&self, started: Instant) -> Record {
        Record::new(started, self.logbook.as_ref().map(|_| Box::new(Notes::new())))
    }
}

/// Who takes a request back sooner than this had no use for an answer. Spec: Envoy,
/// `overload.premature_reset_min_stream_lifetime_seconds`.
const PREMATURE: std::time::Duration = std::time::Duration::from_secs(1);

/// What becomes of the downstream connection.
#[derive(Debug)]
pub(crate) enum Disposition {
    /// The next request may come.
    KeepAlive,
    /// It ends, after what was sent has arrived.
    Close,
    /// It became a byte stream to this upstream connection.
    Upgraded(Box<Upgraded>),
}

/// Both ends of what became a byte stream.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) lease: Lease,
    /// The client's end, where it is a stream of HTTP/2; else its connection.
    pub(crate) client: Option<::h2::SendStream<bytes::Bytes>>,
}

/// Serves one request.
pub(crate) async fn serve(
    worker: &Rc<Worker>,
    downstream: &Downstream,
    request: &Request,
    source: Source<'_>,
    mut responder: Responder<'_>,
) -> Disposition {
    let started = Instant::now();
    let _active = worker.shared.active.enter();
    let settings = downstream.chain.settings();
    let mut record = downstream.record(started);
    if request.expects_continue
        && !settings.proxy_100_continue
        && responder.proceed().await.is_err()
    {
        record.left();
        worker.finish(downstream, &mut record);
        return Disposition::Close;
    }
    let now = worker.in_force();
    let headers = edit::request_headers(request);
    let head = edit::head(request, &headers);
    let world = World::since(started);
    let decision = downstream.chain.decide_in(
        &world,
        &now.table,
        &head,
        &downstream.peer,
        &mut worker.dice.borrow_mut(),
    );
    let progress = Progress::default();
    record.grpc = head.is_grpc();
    let disposition = match decision {
        Decision::Answer(answer) => {
            record.note(|notes| notes.answered(request, &answer, &now.table));
            let body = Replay::new(source, 0, &progress);
            local::answer(worker, downstream, request, body, responder, (&answer, &mut record))
                .await
        }
        Decision::Forward(forward) => {
            record.flags = forward.flags;
            record.cluster = Some(forward.cluster.clone());
            record.note(|notes| {
                forward.route_name().clone_into(&mut notes.route);
                notes.cluster = now.table.cluster(&forward.cluster).cloned();
                notes.remote = Some(forward.remote());
            });
            let keeps = forward.retry_policy().is_some()
                || !forward.mirrors.is_empty()
                || attempt::is_idempotent(request.method());
            let bound = if keeps { REPLAY_BYTES } else { 0 };
            let body = Replay::new(source, bound, &progress).borrowing(&worker.kept);
            let run = attempt::Run {
                worker,
                downstream,
                request,
                head,
                forward: &forward,
                progress: &progress,
                now: &now,
                started,
                world,
            };
            Box::pin(run.forward(body, responder, &mut record)).await
        }
    };
    if request.http2 && record.status == 0 && started.elapsed() < PREMATURE {
        downstream.abandoned.set(downstream.abandoned.get().saturating_add(1));
    }
    record.received = progress.bytes.get();
    worker.finish(downstream, &mut record);
    disposition
}
