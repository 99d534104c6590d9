//! The attempts at one forwarded request: pick, connect, exchange, and again if `traffic` says so.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use traffic::{
    Answer, Attempt, Fault, Flags, Forward, Head, Host, Next, Outcome, ResponseFacts, Seat, Side,
    Tunnel, Upstream,
};

use super::deadlines::Deadlines;
use super::transfer::{Arrived, Reader, Sent, Upload, await_head, send_body, settle};
use super::{Disposition, Downstream, Upgraded, local, mirror, tunnel};
use crate::clock::World;
use crate::edit;
use crate::fields::{Request, Response};
use crate::flow::{Progress, Replay, Sink, Source, upload};
use crate::h1::{Decoder, Encoder};
use crate::pool::Lease;
use crate::reach::{self, Tube, Want};
use crate::record::Record;
use crate::respond::{Manner, Responder, Size};
use crate::shared::InForce;
use crate::worker::Worker;

/// Sending such a request twice does what sending it once does (RFC 9110 section 9.2.2).
pub(crate) fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE")
}

/// One request that goes to a cluster.
pub(crate) struct Run<'r> {
    pub(crate) worker: &'r Rc<Worker>,
    pub(crate) downstream: &'r Downstream,
    pub(crate) request: &'r Request,
    pub(crate) head: Head<'r>,
    pub(crate) forward: &'r Forward,
    pub(crate) progress: &'r Progress,
    /// What was in force when the request was decided.
    pub(crate) now: &'r InForce,
    pub(crate) started: Instant,
    /// What values of headers may tell of the world.
    pub(crate) world: World,
}

/// What all attempts of a request share.
pub(super) struct Effort<'e> {
    pub(super) upstream: Arc<Upstream>,
    deadlines: &'e Deadlines,
    /// Only a connection of its own will do.
    fresh: bool,
    /// Why it goes elsewhere than it was meant to, where it does.
    pub(super) fallback: Option<&'static str>,
    /// The request as it leaves.
    pub(super) outgoing: Request,
    /// Why it must not leave.
    invalid: Option<Fault>,
    /// The host that the latest attempt went to.
    host: Option<Arc<Host>>,
}

/// What becomes of the upstream connection.
enum After {
    /// It is closed.
    Drop,
    /// It may serve again.
    GiveBack,
    /// It is a byte stream now; the client's end, where that is a stream of HTTP/2.
    Switch(Option<::h2::SendStream<Bytes>>),
}

/// How an exchange on one connection ended.
struct Done {
    end: End,
    after: After,
}

impl Done {
    fn dropped(end: End) -> Done {
        Done { end, after: After::Drop }
    }
}

/// How an attempt ended.
enum End {
    /// The client has its answer, or is gone.
    Over(Disposition),
    /// Another attempt, after a pause.
    Again(Box<Attempt>, std::time::Duration),
    /// No answer, and no further attempt after so many.
    Failed(Fault, Flags, u32),
    /// A connection from the pool had been closed while it idled: once more on a fresh one, which is
    /// not an attempt of the retry policy.
    Stale(Box<Attempt>),
    /// The client went away.
    Left,
}

impl Run<'_> {
    /// Forwards the request until the client has an answer.
    pub(crate) async fn forward(
        &self,
        mut body: Replay<'_>,
        mut responder: Responder<'_>,
        record: &mut Record,
    ) -> Disposition {
        if let Some(delay) = self.forward.delay {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = responder.gone() => {
                    record.left();
                    return Disposition::Close;
                }
            }
        }
        let Some(upstream) = self.now.directory.of(&self.forward.cluster).cloned() else {
            let failure = (&Fault::NoCluster, Flags::NONE, 0);
            return self.fail(failure, (self.request, None), body, responder, record).await;
        };
        let deadlines = Deadlines::new(self.forward, self.started);
        let wants_tunnel = self.forward.tunnel().is_wanted();
        // What comes through a tunnel is no part of the request.
        if body.is_read() || wants_tunnel && self.request.http2 {
            deadlines.request_complete();
        }
        let mut attempt = Box::new(self.forward.first_attempt(self.worker.shared.clock.now()));
        let (outgoing, invalid) = self.outgoing(&attempt);
        let mirrored = body.is_empty();
        if mirrored {
            mirror::send(self, &outgoing, &body);
        }
        let mut responder = Some(responder);
        let mut effort = Effort {
            upstream,
            deadlines: &deadlines,
            fresh: false,
            fallback: None,
            outgoing,
            invalid,
            host: None,
        };
        let end = loop {
            let end = self.attempt(attempt, &mut effort, &mut body, &mut responder, record).await;
            effort.fresh = false;
            match end {
                End::Stale(same) => {
                    effort.fresh = true;
                    attempt = same;
                }
                End::Again(next, pause) => {
                    let tried = next.number() - 1;
                    if let Some(end) = self.wait(pause, tried, &deadlines, &mut responder).await {
                        break end;
                    }
                    attempt = next;
                }
                End::Failed(fault, flags, attempts) => {
                    match self.elsewhere(&mut effort, &fault, record) {
                        Some(first) => attempt = first,
                        None => break End::Failed(fault, flags, attempts),
                    }
                }
                end => break end,
            }
            body.rewind();
        };
        if !mirrored {
            mirror::send(self, &effort.outgoing, &body);
        }
        let completed = deadlines.completed().map(|at| at.duration_since(self.started));
        record.note(|notes| notes.sent(completed));
        match end {
            End::Over(Disposition::Upgraded(upgraded)) if upgraded.client.is_some() => {
                tunnel::carry(body.into_source(), *upgraded, self.forward.idle_timeout()).await;
                Disposition::Close
            }
            End::Over(disposition) => disposition,
            End::Failed(fault, flags, attempts) => {
                // The responder is only taken when a response is sent, which is no failure.
                let Some(responder) = responder else { return Disposition::Close };
                record.unsent(&effort.outgoing);
                let failure = (&fault, flags, attempts);
                match self.fixed(&effort, failure) {
                    Some(answer) => self.answer(&answer, body, responder, record).await,
                    None => {
                        let sent = (&effort.outgoing, effort.host.as_deref());
                        self.fail(failure, sent, body, responder, record).await
                    }
                }
            }
            End::Left | End::Stale(_) | End::Again(..) => {
                record.left();
                Disposition::Close
            }
        }
    }

    /// The pause before another attempt; how it all ended, if it did so meanwhile.
    async fn wait(
        &self,
        pause: std::time::Duration,
        tried: u32,
        deadlines: &Deadlines,
        responder: &mut Option<Responder<'_>>,
    ) -> Option<End> {
        deadlines.attempt();
        let Some(waiting) = responder.as_mut() else { return Some(End::Left) };
        tokio::select! {
            () = tokio::time::sleep(pause) => None,
            fault = deadlines.passed(false) => Some(End::Failed(fault, Flags::NONE, tried)),
            () = waiting.gone(), if self.progress.is_read() => Some(End::Left),
        }
    }

    /// The answer when no upstream gave one.
    async fn fail(
        &self,
        (fault, flags, attempts): (&Fault, Flags, u32),
        (sent, host): (&Request, Option<&Host>),
        mut body: Replay<'_>,
        responder: Responder<'_>,
        record: &mut Record,
    ) -> Disposition {
        let at_once = self.forward.delay.is_none()
            && matches!(
                fault,
                Fault::NoCluster | Fault::NoHealthyUpstream | Fault::Overflow | Fault::BreakerOpen
            );
        if !at_once {
            // It took a while to know, and what came meanwhile does not cost the connection.
            body.skip_arrived().await;
        }
        let known = ResponseFacts { attempts, host, ..ResponseFacts::default() };
        let request = (sent as &dyn traffic::Headers, &self.head);
        let answer =
            self.forward.fault_answer((fault, flags), request, &known, &self.surroundings());
        self.answer(&answer, body, responder, record).await
    }

    /// Sends an answer of our own.
    async fn answer(
        &self,
        answer: &Answer,
        body: Replay<'_>,
        responder: Responder<'_>,
        record: &mut Record,
    ) -> Disposition {
        let (worker, downstream) = (self.worker, self.downstream);
        local::answer(worker, downstream, self.request, body, responder, (answer, record)).await
    }

    /// One attempt on one host.
    async fn attempt(
        &self,
        attempt: Box<Attempt>,
        effort: &mut Effort<'_>,
        body: &mut Replay<'_>,
        responder: &mut Option<Responder<'_>>,
        record: &mut Record,
    ) -> End {
        let worker = self.worker;
        effort.deadlines.attempt();
        if attempt.number() > 1 || effort.fallback.is_some() {
            let now = worker.shared.clock.now();
            self.forward.edit_attempt(&mut effort.outgoing, (now, &attempt));
        }
        record.attempt(attempt.number());
        let tunnel = self.forward.tunnel();
        let Some(waiting) = responder.as_mut() else { return End::Left };
        let want = Want {
            permit: &self.forward.permit,
            attempt: &attempt,
            fresh: effort.fresh || tunnel == Tunnel::Terminate,
            upgrade: tunnel.is_wanted(),
            downstream_http2: self.request.http2,
        };
        let reached = tokio::select! {
            biased;
            reached = reach::reach(worker, &effort.upstream, &want) => reached,
            () = waiting.gone(), if self.progress.is_read() => return End::Left,
            fault = effort.deadlines.passed(true) => Err((fault, None)),
        };
        let (seat, tube) = match reached {
            Ok(reached) => reached,
            Err((fault, seat)) => {
                record.unreached(seat.as_ref(), &fault);
                effort.host = seat.as_ref().map(Seat::shared_host).cloned();
                return self.settle_fault(*attempt, effort, fault, seat.as_ref());
            }
        };
        effort.deadlines.connected(&seat.upstream().cluster());
        effort.host = Some(seat.shared_host().clone());
        self.forward.edit_for_host(&mut effort.outgoing, &seat);
        if let Some(fault) = &effort.invalid {
            if let Tube::H1 { lease, lifetimes } = tube {
                worker.pools.give_back(seat.shared_host(), lease, lifetimes);
            }
            self.report(effort, &seat, &Outcome::Cancelled);
            return End::Failed(fault.clone(), Flags::NONE, attempt.number());
        }
        self.send(attempt, effort, (seat, tube), body, (responder, record)).await
    }

    /// Sends the request on the connection that was reached.
    async fn send(
        &self,
        attempt: Box<Attempt>,
        effort: &Effort<'_>,
        (seat, tube): (Seat, Tube),
        body: &mut Replay<'_>,
        (responder, record): (&mut Option<Responder<'_>>, &mut Record),
    ) -> End {
        let outgoing = &effort.outgoing;
        record.reached(&seat, outgoing, || tube.end());
        match tube {
            Tube::H1 { lease, .. } if self.forward.tunnel() == Tunnel::Terminate => {
                let response = Response { status: 200, ..Response::default() };
                let facts = (attempt.number(), response);
                let Some(responder) = responder.take() else { return End::Left };
                let after = self.switch(effort, &seat, facts, (responder, record)).await;
                end_of_switch(after, lease)
            }
            Tube::H1 { mut lease, lifetimes } => {
                let served = lease.served;
                let encoder = self.encoder(body);
                let (incoming, mut sending) = lease.link.split(Decoder::Done, encoder);
                crate::h1::write_request(outgoing, &sending.encoder, sending.out);
                let is_all = body.is_empty() || self.holds_body_back();
                if is_all && matches!(sending.encoder, Encoder::Exact(0)) {
                    // Nothing else to send: out with it before anything is polled.
                    if sending.flush().await.is_err() && served == 0 {
                        let fault = Fault::Terminated { request_sent: false };
                        return self.settle_fault(*attempt, effort, fault, Some(&seat));
                    }
                }
                let pair = (Sink::H1(sending), Reader::H1(incoming));
                let done = self
                    .exchange(attempt, (effort, &seat, served), pair, body, (responder, record))
                    .await;
                match done.after {
                    After::Drop => {}
                    After::GiveBack => {
                        self.worker.pools.give_back(seat.shared_host(), lease, lifetimes);
                    }
                    after @ After::Switch(_) => return end_of_switch(after, lease),
                }
                done.end
            }
            Tube::H2(mut lease) => {
                let request = match crate::h2::to_request(outgoing) {
                    Ok(request) => request,
                    Err(error) => {
                        let fault = Fault::Protocol { reason: error.to_string().into() };
                        return self.settle_fault(*attempt, effort, fault, Some(&seat));
                    }
                };
                let sent = lease.send.send_request(request, body.is_empty());
                let (future, sending) = match sent {
                    Ok(sent) => sent,
                    Err(error) => {
                        let error = crate::h2::io_error(error);
                        return self.broken(attempt, effort, (&seat, lease.served), &error);
                    }
                };
                let sink = if body.is_empty() { Sink::Closed } else { Sink::H2(sending) };
                let pair = (sink, Reader::H2(future));
                self.exchange(
                    attempt,
                    (effort, &seat, lease.served),
                    pair,
                    body,
                    (responder, record),
                )
                .await
                .end
            }
        }
    }

    /// Sends the request on a connection and brings the response down, unless it shall be tried again.
    async fn exchange(
        &self,
        attempt: Box<Attempt>,
        (effort, seat, served): (&Effort<'_>, &Seat, u32),
        (mut sink, mut reader): (Sink<'_>, Reader<'_>),
        body: &mut Replay<'_>,
        (responder, record): (&mut Option<Responder<'_>>, &mut Record),
    ) -> Done {
        let to_head = self.head.method == "HEAD";
        let tunnel = self.forward.tunnel();
        let proxies_continue = self.downstream.chain.settings().proxy_100_continue;
        let mut response = Response::default();
        let sent_nothing = body.is_empty() || self.holds_body_back();
        let mut going_up = pin!(upload(body, &mut sink, effort.deadlines));
        let mut going_up =
            Upload { future: going_up.as_mut(), ended: sent_nothing.then_some(Ok(())) };
        let Some(waiting) = responder.as_mut() else { return Done::dropped(End::Left) };
        let arrived = await_head(
            &mut going_up,
            &mut reader,
            Some(waiting),
            effort.deadlines,
            (to_head, self.request.expects_continue && proxies_continue, &mut response),
        )
        .await;
        let error = match arrived {
            Arrived::Head if response.status == 101 && !tunnel.opens_with(101) => {
                Some(io::Error::new(io::ErrorKind::InvalidData, "an upgrade nobody asked for"))
            }
            Arrived::Head => {
                record.note_time(|times| &mut times.answered);
                None
            }
            Arrived::Closed => Some(io::ErrorKind::ConnectionReset.into()),
            Arrived::Broken(error) => Some(error),
            Arrived::Late(fault) => {
                return Done::dropped(self.settle_fault(*attempt, effort, fault, Some(seat)));
            }
            Arrived::Malformed => {
                self.report(effort, seat, &Outcome::Cancelled);
                let number = attempt.number();
                return Done::dropped(End::Failed(Fault::BadRequest, Flags::NONE, number));
            }
            Arrived::Left => {
                self.report(effort, seat, &Outcome::Cancelled);
                return Done::dropped(End::Left);
            }
        };
        if let Some(error) = error {
            return Done::dropped(self.broken(attempt, effort, (seat, served), &error));
        }
        response.fields.join_lines(|name| Side::Response.joins(name));
        let number = attempt.number();
        if let Some(again) = self.retry_response(*attempt, effort, seat, (&response, record)) {
            return Done::dropped(again);
        }
        let Some(responder) = responder.take() else { return Done::dropped(End::Left) };
        self.respond(effort, seat, (number, response), (reader, going_up), (responder, record))
            .await
    }

    /// Decides about another attempt after a response; notes its flags in the record if there is none.
    fn retry_response(
        &self,
        attempt: Attempt,
        effort: &Effort<'_>,
        seat: &Seat,
        (response, record): (&Response, &mut Record),
    ) -> Option<End> {
        if self.forward.retry_policy().is_none() || !self.progress.can_replay() {
            return None;
        }
        let headers = edit::headers(&response.fields);
        let outcome = Outcome::Response { status: response.status, headers: &headers };
        let dice = &mut self.worker.dice.borrow_mut();
        match attempt.next(&outcome, Some(seat), &effort.upstream, dice) {
            Next::Done(flags) => {
                record.flags = record.flags.union(flags);
                None
            }
            Next::Again { attempt, after } => {
                self.report(effort, seat, &outcome);
                Some(End::Again(Box::new(attempt), after))
            }
        }
    }

    /// Brings the response down.
    async fn respond(
        &self,
        effort: &Effort<'_>,
        seat: &Seat,
        (number, mut response): (u32, Response),
        (reader, mut going_up): (Reader<'_>, Upload<'_>),
        (responder, record): (Responder<'_>, &mut Record),
    ) -> Done {
        if self.forward.tunnel().opens_with(response.status) {
            let after = self.switch(effort, seat, (number, response), (responder, record)).await;
            return Done { end: End::Over(Disposition::Close), after };
        }
        record.status = response.status;
        record.grpc_status = grpc_status(&response.fields);
        let facts = ResponseFacts {
            status: response.status,
            // A request for a tunnel has no end to count from.
            service_time: effort
                .deadlines
                .since_complete()
                .filter(|_| !self.forward.tunnel().is_wanted()),
            attempts: number,
            host: Some(seat.host()),
            fallback: effort.fallback,
        };
        let sent = &effort.outgoing;
        self.forward.edit_response(&mut response.fields, sent, &facts, &self.surroundings());
        if response.fields.value("date").is_none() {
            self.worker.date.now(|date| response.fields.append("date", date.as_bytes()));
        }
        let handshake_failed = self.fails_handshake(&reader, response.status);
        let reusable = response.keep_alive && !handshake_failed;
        let (mut source, size) = if handshake_failed {
            response.fields.remove("content-length");
            response.fields.remove("content-type");
            (Source::Empty, Size::Empty)
        } else {
            reader.into_body(&response)
        };
        let manner = Manner {
            to_head: self.head.method == "HEAD",
            http10: self.request.http10,
            close: !self.request.keep_alive
                // What follows a request for a tunnel is no request.
                || self.forward.tunnel().is_wanted()
                || self.downstream.closing.get()
                || self.worker.shared.is_draining()
                // Who answers before it was asked does not want the rest.
                || !self.progress.is_read()
                // Only the end of the connection tells an HTTP/1.0 client where such a body ends.
                || (self.request.http10 && size == Size::Unknown),
        };
        let Ok(mut sink) = responder.send(&mut response, size, manner) else {
            record.broke_off();
            self.report(effort, seat, &Outcome::Cancelled);
            return Done::dropped(End::Over(Disposition::Close));
        };
        record.responding(&mut response, manner.close && !self.request.http2);
        let mut trailers = None;
        let bytes = record.sent.clone();
        let sent = send_body(
            &mut going_up,
            &mut source,
            &mut sink,
            effort.deadlines,
            (&bytes, &mut trailers),
        )
        .await;
        record.grpc_status = trailers.as_ref().and_then(grpc_status).or(record.grpc_status);
        record.responded(trailers);
        let fault = match sent {
            Sent::Whole => None,
            Sent::Left => {
                record.broke_off();
                self.report(effort, seat, &Outcome::Cancelled);
                return Done::dropped(End::Over(Disposition::Close));
            }
            // It ended before its own word, which is no way to end.
            Sent::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Some(Fault::Protocol { reason: "cut off".into() })
            }
            Sent::Broken(error) => Some(fault_of_error(&error)),
            Sent::Late(fault) => Some(fault),
        };
        if let Some(fault) = fault {
            // The client must not take what it has for the whole.
            sink.abort();
            record.cut_off(&fault);
            self.report(effort, seat, &outcome_of(&fault));
            return Done::dropped(End::Over(Disposition::Close));
        }
        let code = record.grpc_status.map(|code| code.to_string()).unwrap_or_default();
        let of_grpc = [traffic::Header { name: "grpc-status", value: code.as_bytes() }];
        let headers = if code.is_empty() { &[][..] } else { &of_grpc[..] };
        self.report(effort, seat, &Outcome::Response { status: response.status, headers });
        settle(&mut going_up).await;
        let whole = going_up.is_complete();
        let after =
            if whole && reusable && source.is_end() { After::GiveBack } else { After::Drop };
        let keeps = whole && self.progress.is_read() && !manner.close;
        let disposition = if keeps { Disposition::KeepAlive } else { Disposition::Close };
        Done { end: End::Over(disposition), after }
    }

    /// Whether a response is the end of an upgrade to WebSocket that neither succeeded nor was refused: its head
    /// is all that the client gets of it (RFC 6455 section 4.1).
    fn fails_handshake(&self, reader: &Reader<'_>, status: u16) -> bool {
        matches!(reader, Reader::H1(_))
            && (200..400).contains(&status)
            && self.forward.tunnel() == Tunnel::Upgrade
            && self.request.upgrade.is_some_and(|protocol| {
                self.request.fields.at(protocol).eq_ignore_ascii_case(b"websocket")
            })
    }

    /// Tells the client that its connection is a byte stream from here on.
    async fn switch(
        &self,
        effort: &Effort<'_>,
        seat: &Seat,
        (number, mut response): (u32, Response),
        (responder, record): (Responder<'_>, &mut Record),
    ) -> After {
        record.status = response.status;
        let facts = ResponseFacts {
            status: response.status,
            service_time: None,
            attempts: number,
            host: Some(seat.host()),
            fallback: effort.fallback,
        };
        let sent = &effort.outgoing;
        self.forward.edit_response(&mut response.fields, sent, &facts, &self.surroundings());
        if response.fields.value("date").is_none() {
            self.worker.date.now(|date| response.fields.append("date", date.as_bytes()));
        }
        self.report(effort, seat, &Outcome::Response { status: response.status, headers: &[] });
        let switched = responder.switch(&mut response).await;
        record.responding(&mut response, false);
        match switched {
            Ok(client) => After::Switch(client),
            Err(_) => {
                record.broke_off();
                After::Drop
            }
        }
    }

    /// The connection ended without an answer.
    fn broken(
        &self,
        attempt: Box<Attempt>,
        effort: &Effort<'_>,
        (seat, served): (&Seat, u32),
        error: &io::Error,
    ) -> End {
        let fault = fault_of_error(error);
        // A connection that idled in the pool may have been closed under our hands. Whether the request was
        // read before is not known, so only what may be sent twice (RFC 9110, 9.2.2) is sent again.
        let safe = is_idempotent(self.head.method) || fault == Fault::RefusedStream;
        let closed_idle = matches!(fault, Fault::Terminated { .. } | Fault::RefusedStream);
        if served > 0 && !effort.fresh && closed_idle && safe && self.progress.can_replay() {
            self.report(effort, seat, &Outcome::Cancelled);
            return End::Stale(attempt);
        }
        self.settle_fault(*attempt, effort, fault, Some(seat))
    }

    /// Decides what follows a fault.
    fn settle_fault(
        &self,
        attempt: Attempt,
        effort: &Effort<'_>,
        fault: Fault,
        seat: Option<&Seat>,
    ) -> End {
        let number = attempt.number();
        let outcome = outcome_of(&fault);
        if let Some(seat) = seat {
            self.report(effort, seat, &outcome);
        }
        if !self.progress.can_replay() {
            return End::Failed(fault, Flags::NONE, number);
        }
        let dice = &mut self.worker.dice.borrow_mut();
        match attempt.next(&outcome, seat, &effort.upstream, dice) {
            Next::Done(flags) => End::Failed(fault, flags, number),
            Next::Again { attempt, after } => End::Again(Box::new(attempt), after),
        }
    }

    fn report(&self, effort: &Effort<'_>, seat: &Seat, outcome: &Outcome<'_>) {
        effort.upstream.on_outcome(self.worker.shared.clock.now(), seat, outcome);
    }
}

/// What becomes of the request once its client was told to switch.
fn end_of_switch(after: After, lease: Lease) -> End {
    match after {
        After::Switch(client) => {
            End::Over(Disposition::Upgraded(Box::new(Upgraded { lease, client })))
        }
        After::Drop | After::GiveBack => End::Over(Disposition::Close),
    }
}

/// What a fault says about the host: nothing, if it is one of our own side.
fn outcome_of(fault: &Fault) -> Outcome<'static> {
    if fault.is_of_downstream() { Outcome::Cancelled } else { Outcome::Fault(fault.clone()) }
}

fn fault_of_error(error: &io::Error) -> Fault {
    if crate::h2::was_refused(error) {
        return Fault::RefusedStream;
    }
    if crate::h2::was_reset(error) {
        return Fault::Reset { request_sent: true };
    }
    if error.kind() == io::ErrorKind::InvalidData || crate::h2::broke_protocol(error) {
        return Fault::Protocol { reason: error.to_string().into() };
    }
    Fault::Terminated { request_sent: true }
}

/// gRPC's status, if it is one that exists; others would be labels without bound.
fn grpc_status(fields: &crate::fields::Fields) -> Option<u32> {
    fields.text("grpc-status").and_then(|text| text.trim().parse().ok()).filter(|code| *code <= 16)
}
