//! Copies of requests for mirror clusters: sent beside the request, answers thrown away.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use traffic::{Attempt, Mirror, Outcome, Permit, Upstream};

use super::attempt::Run;
use super::deadlines::Deadlines;
use super::transfer::{Arrived, Reader, Upload, await_head};
use crate::fields::{Request, Response};
use crate::flow::{Frame, Progress, Replay, Sink, Source, upload};
use crate::h1::{Decoder, Encoder};
use crate::reach::{self, Tube, Want};
use crate::worker::Worker;

/// Copies under way per worker; beyond it copies are dropped, never the requests.
const COPIES: usize = 1024;
/// Bytes of bodies that copies under way hold.
const COPIED_BYTES: usize = 64 * 1024 * 1024;
/// A mirror that takes longer is given up.
const COPY_TIMEOUT: Duration = Duration::from_secs(30);
/// A mirror's answer is read up to this size, so that its connection can be used again.
const ANSWER_BYTES: usize = 1 << 20;

/// What a copy needs to know; it outlives the request.
struct Copy {
    request: Request,
    body: Vec<Frame>,
    attempt: Attempt,
    permit: Permit,
    upstream: Arc<Upstream>,
}

/// Starts the copies of a request whose body was kept whole; a body beyond the bound is not copied.
pub(super) fn send(run: &Run<'_>, sent: &Request, body: &Replay<'_>) {
    for mirror in &run.forward.mirrors {
        let copies = run.worker.mirrors.get();
        let upstream = run.now.directory.of(&mirror.cluster).cloned();
        let (Some(frames), Some(upstream), true) = (body.kept(), upstream, copies < COPIES) else {
            tracing::debug!(cluster = %mirror.cluster, "a copy was not sent");
            continue;
        };
        let size: usize = frames.iter().map(size_of).sum();
        let copied = run.worker.mirrored_bytes.get();
        if copied + size > COPIED_BYTES {
            tracing::debug!(cluster = %mirror.cluster, "a copy was not sent");
            continue;
        }
        run.worker.mirrored_bytes.set(copied + size);
        run.worker.mirrors.set(copies + 1);
        let attempt = run.forward.first_attempt(run.worker.shared.clock.now());
        let copy = Copy {
            request: outgoing(sent, mirror),
            body: frames.to_vec(),
            attempt,
            permit: run.forward.permit.clone(),
            upstream,
        };
        let worker = run.worker.clone();
        tokio::task::spawn_local(async move {
            let sent = timeout(COPY_TIMEOUT, deliver(&worker, copy)).await;
            if sent.is_err() {
                tracing::debug!("a copy took too long");
            }
            worker.mirrors.set(worker.mirrors.get() - 1);
            worker.mirrored_bytes.set(worker.mirrored_bytes.get() - size);
        });
    }
}

fn size_of(frame: &Frame) -> usize {
    match frame {
        Frame::Data(data) => data.len(),
        Frame::Trailers(fields) => fields.bytes(),
    }
}

fn outgoing(sent: &Request, mirror: &Mirror) -> Request {
    let mut request = sent.clone();
    request.upgrade = None;
    request.fields.remove("expect");
    if let Some(authority) = &mirror.authority {
        request.set_authority(authority);
    }
    request
}

async fn deliver(worker: &Rc<Worker>, copy: Copy) {
    let want = Want {
        permit: &copy.permit,
        attempt: &copy.attempt,
        fresh: false,
        upgrade: false,
        downstream_http2: copy.request.http2,
    };
    let Ok((seat, tube)) = reach::reach(worker, &copy.upstream, &want).await else { return };
    let progress = Progress::default();
    let mut body = Replay::replaying(copy.body, &progress);
    let empty = body.is_empty();
    let outcome = match tube {
        Tube::H1 { mut lease, lifetimes } => {
            let mut request = copy.request;
            let length = request.fields.text("content-length").and_then(|text| text.parse().ok());
            let encoder = match length {
                _ if empty => Encoder::Exact(0),
                Some(length) => Encoder::Exact(length),
                None => Encoder::Chunked,
            };
            sent_by(&mut request, lease.link.wire.local_ip());
            let (incoming, sending) = lease.link.split(Decoder::Done, encoder);
            crate::h1::write_request(&request, &sending.encoder, sending.out);
            let to_head = request.method() == "HEAD";
            let whole = answer(Sink::H1(sending), Reader::H1(incoming), &mut body, to_head).await;
            if whole.is_some_and(|(_, reusable)| reusable) {
                worker.pools.give_back(seat.shared_host(), lease, lifetimes);
            }
            whole
        }
        Tube::H2(mut lease) => {
            let mut request = copy.request;
            sent_by(&mut request, lease.local.map(|local| local.ip()));
            let Ok(request) = crate::h2::to_request(&request) else { return };
            let Ok((future, sending)) = lease.send.send_request(request, empty) else { return };
            let sink = if empty { Sink::Closed } else { Sink::H2(sending) };
            answer(sink, Reader::H2(future), &mut body, false).await
        }
    };
    let outcome = match outcome {
        Some((status, _)) => Outcome::Response { status, headers: &[] },
        None => Outcome::Fault(traffic::Fault::Terminated { request_sent: true }),
    };
    copy.upstream.on_outcome(worker.shared.clock.now(), &seat, &outcome);
}

/// A copy is sent by the proxy itself, which says so.
fn sent_by(request: &mut Request, own: Option<IpAddr>) {
    request.fields.set("x-envoy-internal", b"true");
    if let Some(own) = own {
        request.fields.join("x-forwarded-for", own.to_string().as_bytes(), ",");
    }
}

/// Sends a copy and reads its answer away: the status, and whether the connection is whole.
async fn answer(
    mut sink: Sink<'_>,
    mut reader: Reader<'_>,
    body: &mut Replay<'_>,
    to_head: bool,
) -> Option<(u16, bool)> {
    let mut response = Response::default();
    let none = Deadlines::none();
    let mut future = std::pin::pin!(upload(body, &mut sink, &none));
    let mut going_up = Upload { future: future.as_mut(), ended: None };
    let arrived =
        await_head(&mut going_up, &mut reader, None, &none, (to_head, false, &mut response)).await;
    if !matches!(arrived, Arrived::Head) {
        return None;
    }
    let reusable = response.keep_alive && response.status != 101;
    let (mut source, _) = reader.into_body(&response);
    let whole = drop_all(&mut source).await && going_up.is_complete();
    Some((response.status, whole && reusable))
}

/// Reads a body away; false when it is too long or breaks off.
async fn drop_all(source: &mut Source<'_>) -> bool {
    let mut dropped = 0;
    loop {
        match source.next().await {
            Ok(None) => return true,
            Ok(Some(Frame::Data(data))) => dropped += data.len(),
            Ok(Some(Frame::Trailers(_))) => {}
            Err(_) => return false,
        }
        if dropped > ANSWER_BYTES {
            return false;
        }
    }
}
