//! One request on a proxy: pick, connect, send, and again if `traffic` says so; as the live floor does it, without sockets.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use traffic::{
    Attempt, Connection, Fault, Flags, Forward, Header, Next, Nowhere, Outcome, ResponseFacts,
    Seat, Surroundings, Upstream, Waiting,
};

use crate::{
    hosts::{Dialled, Reply},
    invariants,
    oracle::Ask,
    proxy::{Proxy, address},
    scenario::{Event, Stage},
};

/// A request that waits for a connection of another one looks again this often.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// A mirror that takes longer is given up.
const COPY_TIMEOUT: Duration = Duration::from_secs(30);

/// A request under way.
pub(crate) struct Exchange {
    pub(crate) ask: Ask,
    pub(crate) forward: Arc<Forward>,
    /// A copy, whose answer nobody waits for.
    pub(crate) is_mirror: bool,
    pub(crate) upstream: Arc<Upstream>,
    /// Requests that were sent so far.
    pub(crate) sent: u32,
    attempt: Option<Attempt>,
    /// Its seat counts in the breaker for requests.
    has_begun: bool,
    state: State,
    /// Tells what was planned for this state from what was planned before.
    turn: u64,
}

/// Where a request is.
enum State {
    /// It waits: for an injected delay, or for its next attempt.
    Pausing,
    /// It waits for a connection that exists.
    Waiting(Seat, Waiting),
    Dialling(Seat, Waiting, Connection),
    Sent(Seat, Pooled),
    Over,
}

/// A connection that idles, or carries a request.
pub(crate) struct Pooled {
    pub(crate) connection: Connection,
    ip: Ipv4Addr,
    /// The life of the host that took it.
    life: u64,
}

/// What is held of an upstream, counted by hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) begun: u32,
}

/// What an exchange has to do next.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    Reach,
    LookAgain,
    Dialled(Dialled),
    Replied(Reply),
    PerTry,
}

fn ip(seat: &Seat) -> Ipv4Addr {
    match seat.host().address().socket().expect("hosts have addresses").ip() {
        std::net::IpAddr::V4(ip) => ip,
        std::net::IpAddr::V6(ip) => panic!("nobody has the address {ip}"),
    }
}

impl Proxy {
    /// Begins an exchange, and the copies of it.
    pub(crate) fn begin(&mut self, stage: &mut Stage<'_>, ask: &Ask, forward: Forward) {
        let forward = Arc::new(forward);
        let Some(upstream) = self.directory.of(&forward.cluster).cloned() else {
            panic!("{} is in the table, and has no upstream", forward.cluster);
        };
        let delay = forward.delay.unwrap_or_default();
        if let Some(timeout) = forward.timeout() {
            stage.deadline(self.number, timeout);
        }
        stage.leave(self.number);
        self.enter(stage, (ask, &forward), upstream, false, delay);
        for mirror in &forward.mirrors {
            // A copy to nowhere is not sent.
            if let Some(upstream) = self.directory.of(&mirror.cluster).cloned() {
                stage.next_exchange();
                stage.deadline(self.number, COPY_TIMEOUT);
                self.enter(stage, (ask, &forward), upstream, true, Duration::ZERO);
            }
        }
    }

    fn enter(
        &mut self,
        stage: &mut Stage<'_>,
        (ask, forward): (&Ask, &Arc<Forward>),
        upstream: Arc<Upstream>,
        is_mirror: bool,
        delay: Duration,
    ) {
        let exchange = Exchange {
            ask: ask.clone(),
            forward: Arc::clone(forward),
            is_mirror,
            upstream,
            sent: 0,
            attempt: Some(forward.first_attempt(stage.now())),
            has_begun: false,
            state: State::Pausing,
            turn: 0,
        };
        let id = stage.exchange;
        self.exchanges.insert(id, exchange);
        if delay.is_zero() {
            self.turn(stage, id, 0, Turn::Reach);
        } else {
            stage.turn(delay, self.number, id, 0, Turn::Reach);
        }
    }

    /// Does what an exchange has to do next, unless something else came first.
    pub(crate) fn turn(&mut self, stage: &mut Stage<'_>, id: u64, turn: u64, what: Turn) {
        let Some(mut exchange) = self.exchanges.remove(&id) else { return };
        if exchange.turn != turn {
            self.exchanges.insert(id, exchange);
            return;
        }
        exchange.turn += 1;
        let state = std::mem::replace(&mut exchange.state, State::Over);
        match (what, state) {
            (Turn::Reach, State::Pausing) => self.reach(stage, id, exchange),
            (Turn::LookAgain, State::Waiting(seat, waiting)) => match self.take(stage, &seat) {
                Some(pooled) => {
                    drop(waiting);
                    self.send(stage, id, exchange, seat, pooled);
                }
                None => self.dial(stage, id, exchange, seat, waiting),
            },
            (Turn::Dialled(dialled), State::Dialling(seat, waiting, connection)) => {
                let host = ip(&seat);
                // Who is gone since has refused.
                let life = stage.hosts.life(host);
                match (dialled, life) {
                    (Dialled::Stands, Some(life)) => {
                        connection.established(false);
                        drop(waiting);
                        self.send(stage, id, exchange, seat, Pooled { connection, ip: host, life });
                    }
                    (Dialled::Lost, _) => {
                        connection.failed(true);
                        drop((waiting, connection));
                        self.fault(stage, id, exchange, Fault::ConnectTimeout, Some(seat));
                    }
                    (Dialled::Refused | Dialled::Stands, _) => {
                        connection.failed(false);
                        drop((waiting, connection));
                        let fault = Fault::ConnectFailed { reason: "refused".into() };
                        self.fault(stage, id, exchange, fault, Some(seat));
                    }
                }
            }
            (Turn::Replied(reply), State::Sent(seat, pooled)) => {
                let is_there = stage.hosts.life(pooled.ip) == Some(pooled.life);
                match reply {
                    Reply::Status { status, grpc_status } if is_there => {
                        let facts = (status, grpc_status);
                        self.reply(stage, id, exchange, (seat, pooled), facts);
                    }
                    Reply::Fault(fault) if is_there => {
                        drop(pooled);
                        self.fault(stage, id, exchange, fault, Some(seat));
                    }
                    _ => {
                        drop(pooled);
                        let fault = Fault::Terminated { request_sent: true };
                        self.fault(stage, id, exchange, fault, Some(seat));
                    }
                }
            }
            (Turn::PerTry, State::Sent(seat, pooled)) => {
                drop(pooled);
                self.fault(stage, id, exchange, Fault::PerTryTimeout, Some(seat));
            }
            _ => panic!("exchange {id} is not where it was planned to be"),
        }
    }

    /// Picks a host, and gets a connection to it.
    fn reach(&mut self, stage: &mut Stage<'_>, id: u64, exchange: Exchange) {
        let attempt = exchange.attempt.as_ref().expect("an attempt is made");
        let (upstream, permit) = (&exchange.upstream, &exchange.forward.permit);
        let seat = match upstream.pick(stage.now(), permit, attempt, &mut self.dice) {
            Ok(seat) => seat,
            Err(refusal) => {
                invariants::nobody_is_well(self, &exchange);
                self.fault(stage, id, exchange, refusal.into(), None);
                return;
            }
        };
        invariants::host_may_be_asked(self, &exchange, &seat);
        if let Some(hash) = attempt.hash()
            && attempt.number() == 1
            && !exchange.is_mirror
        {
            invariants::user_stays(self, &exchange, &seat, hash);
        }
        if let Some(pooled) = self.take(stage, &seat) {
            self.send(stage, id, exchange, seat, pooled);
            return;
        }
        match seat.wait() {
            Ok(waiting) => self.dial(stage, id, exchange, seat, waiting),
            Err(refusal) => self.fault(stage, id, exchange, refusal.into(), Some(seat)),
        }
    }

    /// An idle connection to the host.
    fn take(&mut self, stage: &Stage<'_>, seat: &Seat) -> Option<Pooled> {
        let idle = self.pools.get_mut(&seat.host().id())?;
        // Those that the host has closed are seen before they are used.
        idle.retain(|pooled| stage.hosts.life(pooled.ip) == Some(pooled.life));
        idle.pop()
    }

    fn dial(
        &mut self,
        stage: &mut Stage<'_>,
        id: u64,
        mut exchange: Exchange,
        seat: Seat,
        waiting: Waiting,
    ) {
        let turn = exchange.turn;
        match seat.connect() {
            Ok(connection) => {
                let (dialled, time) = stage.hosts.dial(ip(&seat), &mut self.dice);
                let time = match dialled {
                    Dialled::Lost => exchange.upstream.cluster().connect_timeout,
                    Dialled::Stands | Dialled::Refused => time,
                };
                stage.turn(time, self.number, id, turn, Turn::Dialled(dialled));
                exchange.state = State::Dialling(seat, waiting, connection);
            }
            Err(_) => {
                stage.turn(LOOK_AGAIN, self.number, id, turn, Turn::LookAgain);
                exchange.state = State::Waiting(seat, waiting);
            }
        }
        self.exchanges.insert(id, exchange);
    }

    fn send(
        &mut self,
        stage: &mut Stage<'_>,
        id: u64,
        mut exchange: Exchange,
        mut seat: Seat,
        pooled: Pooled,
    ) {
        let begun = seat.begin();
        let held = self.held.entry(address(&exchange.upstream)).or_default();
        invariants::breaker(&self.config, &exchange, *held, begun.is_ok());
        if let Err(refusal) = begun {
            self.give_back(&seat, pooled);
            self.fault(stage, id, exchange, refusal.into(), Some(seat));
            return;
        }
        held.begun += 1;
        exchange.has_begun = true;
        exchange.sent += 1;
        invariants::attempts(&exchange);
        let (reply, time) = stage.hosts.ask(pooled.ip, &mut self.dice);
        let turn = exchange.turn;
        if let Some(reply) = reply {
            stage.turn(time, self.number, id, turn, Turn::Replied(reply));
        }
        if let Some(limit) = exchange.forward.per_try_timeout() {
            stage.turn(limit, self.number, id, turn, Turn::PerTry);
        }
        exchange.state = State::Sent(seat, pooled);
        self.exchanges.insert(id, exchange);
    }

    fn reply(
        &mut self,
        stage: &mut Stage<'_>,
        id: u64,
        mut exchange: Exchange,
        (seat, pooled): (Seat, Pooled),
        (status, grpc_status): (u16, Option<&'static str>),
    ) {
        let header = grpc_status.map(|code| Header { name: "grpc-status", value: code.as_bytes() });
        let headers = Vec::from_iter(header);
        let outcome = Outcome::Response { status, headers: &headers };
        let mut flags = Flags::NONE;
        if !exchange.is_mirror && exchange.forward.retry_policy().is_some() {
            let attempt = exchange.attempt.take().expect("an attempt was made");
            match attempt.next(&outcome, Some(&seat), &exchange.upstream, &mut self.dice) {
                Next::Done(more) => flags = more,
                Next::Again { attempt, after } => {
                    self.report(stage, &exchange, &seat, &outcome);
                    self.stand_up(&mut exchange, seat);
                    // The rest of the answer is not read, so that its connection cannot serve again.
                    drop(pooled);
                    self.pause(stage, id, exchange, attempt, after);
                    return;
                }
            }
        }
        self.report(stage, &exchange, &seat, &outcome);
        self.give_back(&seat, pooled);
        self.stand_up(&mut exchange, seat);
        stage.answered(self.number, id, &exchange, status, flags);
    }

    /// The attempt ended without an answer.
    fn fault(
        &mut self,
        stage: &mut Stage<'_>,
        id: u64,
        mut exchange: Exchange,
        fault: Fault,
        seat: Option<Seat>,
    ) {
        let outcome = Outcome::Fault(fault.clone());
        if let Some(seat) = &seat {
            self.report(stage, &exchange, seat, &outcome);
        }
        let mut flags = fault.flags();
        let attempt = exchange.attempt.take().filter(|_| !exchange.is_mirror);
        let next =
            attempt.map(|it| it.next(&outcome, seat.as_ref(), &exchange.upstream, &mut self.dice));
        if let Some(seat) = seat {
            self.stand_up(&mut exchange, seat);
        }
        match next {
            Some(Next::Again { attempt, after }) => {
                self.pause(stage, id, exchange, attempt, after);
            }
            Some(Next::Done(more)) => {
                flags = flags.union(more);
                let peer = exchange.ask.peer();
                let around = Surroundings { peer: &peer, outside: &Nowhere };
                let known = ResponseFacts { attempts: exchange.sent, ..ResponseFacts::default() };
                let answer = exchange.ask.with_head(|head| {
                    exchange.forward.fault_answer((&fault, flags), (head, head), &known, &around)
                });
                stage.answered(self.number, id, &exchange, answer.status, flags);
            }
            None => stage.answered(self.number, id, &exchange, fault.status(), flags),
        }
    }

    fn pause(
        &mut self,
        stage: &mut Stage<'_>,
        id: u64,
        mut exchange: Exchange,
        attempt: Attempt,
        after: Duration,
    ) {
        exchange.attempt = Some(attempt);
        exchange.state = State::Pausing;
        stage.turn(after, self.number, id, exchange.turn, Turn::Reach);
        self.exchanges.insert(id, exchange);
    }

    /// The time for the whole exchange is over.
    pub(crate) fn deadline(&mut self, stage: &mut Stage<'_>, id: u64) {
        let Some(mut exchange) = self.exchanges.remove(&id) else { return };
        match std::mem::replace(&mut exchange.state, State::Over) {
            State::Waiting(seat, _) | State::Dialling(seat, ..) | State::Sent(seat, _) => {
                self.fault(stage, id, exchange, Fault::Timeout, Some(seat));
            }
            State::Pausing | State::Over => {
                let flags = Fault::Timeout.flags();
                stage.answered(self.number, id, &exchange, Fault::Timeout.status(), flags);
            }
        }
    }

    /// The client goes away.
    pub(crate) fn leave(&mut self, stage: &mut Stage<'_>, id: u64) {
        let Some(mut exchange) = self.exchanges.remove(&id) else { return };
        match std::mem::replace(&mut exchange.state, State::Over) {
            State::Sent(seat, pooled) => {
                drop(pooled);
                self.report(stage, &exchange, &seat, &Outcome::Cancelled);
                self.stand_up(&mut exchange, seat);
            }
            // Who leaves while it waits gives everything back by dropping it.
            State::Waiting(seat, _) | State::Dialling(seat, ..) => {
                self.stand_up(&mut exchange, seat);
            }
            State::Pausing | State::Over => {}
        }
        stage.left(self.number, id);
    }

    /// Gives a seat back.
    fn stand_up(&mut self, exchange: &mut Exchange, seat: Seat) {
        let before = seat.upstream().stats().upstream_rq_active.value();
        let held = self.held.entry(address(&exchange.upstream)).or_default();
        held.begun -= u32::from(std::mem::take(&mut exchange.has_begun));
        drop(seat);
        let after = exchange.upstream.stats().upstream_rq_active.value();
        assert_eq!(after + 1, before, "a seat at {} was not given back", exchange.upstream.name());
    }

    fn give_back(&mut self, seat: &Seat, pooled: Pooled) {
        if !seat.host().is_removed() {
            self.pools.entry(seat.host().id()).or_default().push(pooled);
        }
    }

    /// Tells outlier detection.
    fn report(
        &mut self,
        stage: &mut Stage<'_>,
        exchange: &Exchange,
        seat: &Seat,
        outcome: &Outcome<'_>,
    ) {
        let upstream = &exchange.upstream;
        let out = |upstream: &Upstream| -> Vec<_> {
            let hosts = upstream.hosts();
            hosts
                .iter()
                .filter(|host| host.is_ejected())
                .map(|host| host.address().clone())
                .collect()
        };
        let before = out(upstream);
        upstream.on_outcome(stage.now(), seat, outcome);
        let after = out(upstream);
        if before != after {
            invariants::ejection(&self.config, upstream, &before, &after);
            stage.journal(format_args!("proxy {} {} out {after:?}", self.number, upstream.name()));
        }
    }
}

impl Stage<'_> {
    fn turn(&mut self, wait: Duration, proxy: usize, exchange: u64, turn: u64, what: Turn) {
        self.clock.after(wait, Event::Turn { proxy, exchange, turn, what });
    }
}
