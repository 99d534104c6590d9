//! The whole mesh on one clock: what happens, in which order, and what chance does to it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use mesh::Node;
use objects::Event as Written;
use traffic::{Decision, Dice, Flags, Moment};
use xds::snapshot::Snapshot;

use crate::{
    clients,
    clock::Clock,
    exchange::{Exchange, Turn},
    fleet::{Chore, Fleet},
    hosts::Hosts,
    invariants,
    journal::Journal,
    oracle::{Ask, Oracle},
    plane::{Change, Plane, Told},
    proxy::Proxy,
    rules,
    tally::Draws,
    wire::Way,
};

/// A gateway and three sidecars.
const PROXIES: usize = 4;
/// With wires that are quicker than this, four messages to and fro take less than the second that the control plane waits for
/// an acknowledgement: such a proxy makes before it breaks.
pub(crate) const PROMPT: Duration = Duration::from_millis(100);
/// What is due in a proxy is looked for this often.
const TICK: Duration = Duration::from_millis(200);
/// The plan waits this long for more changes.
const QUIET: Duration = Duration::from_millis(25);
/// A pod that is told to go serves on for so long, as its node waits for proxies to hear of it.
const DRAIN: Duration = Duration::from_millis(1500);
/// Pauses between attempts to connect: doubled from the first to the longest. As on the live floor.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(5)];

/// Something that happens.
pub(crate) enum Event {
    /// A request arrives at a proxy.
    Arrive(usize),
    /// One for a service, among many at once.
    Burst {
        proxy: usize,
        service: u64,
    },
    Turn {
        proxy: usize,
        exchange: u64,
        turn: u64,
        what: Turn,
    },
    Deadline {
        proxy: usize,
        exchange: u64,
    },
    Leave {
        proxy: usize,
        exchange: u64,
    },
    Tick(usize),
    /// A message arrives at one end of a stream.
    Up {
        stream: u64,
        bytes: Bytes,
    },
    Down {
        proxy: usize,
        stream: u64,
        bytes: Bytes,
    },
    /// The machine of a stream wants to be woken.
    Wake {
        stream: u64,
    },
    Dial {
        proxy: usize,
        pause: Duration,
    },
    /// One end notices that a stream is gone.
    Notice {
        proxy: usize,
        stream: u64,
    },
    Forget {
        stream: u64,
    },
    /// A change reaches the control plane, unless it was restarted since.
    Watch {
        life: u64,
        change: Change,
    },
    Think {
        life: u64,
    },
    Start,
    Kubelet {
        pod: String,
        chore: Chore,
    },
    Controllers,
}

/// What an exchange needs of the world around it.
pub(crate) struct Stage<'a> {
    pub(crate) clock: &'a mut Clock<Event>,
    pub(crate) hosts: &'a Hosts,
    journal: &'a mut Journal,
    dice: &'a mut Dice,
    exchanges: &'a mut u64,
    served: &'a mut u64,
    /// The exchange that begins.
    pub(crate) exchange: u64,
}

impl Stage<'_> {
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(crate) fn next_exchange(&mut self) {
        *self.exchanges += 1;
        self.exchange = *self.exchanges;
    }

    pub(crate) fn journal(&mut self, what: std::fmt::Arguments<'_>) {
        self.journal.note(self.clock.now(), what);
    }

    pub(crate) fn deadline(&mut self, proxy: usize, timeout: Duration) {
        self.clock.after(timeout, Event::Deadline { proxy, exchange: self.exchange });
    }

    /// Some clients go away soon; none waits for ever.
    pub(crate) fn leave(&mut self, proxy: usize) {
        let soon = self.dice.happens(1, 20);
        let patience = Duration::from_millis(self.dice.below(if soon { 400 } else { 20_000 }));
        let patience = if soon { patience } else { patience + Duration::from_secs(10) };
        self.clock.after(patience, Event::Leave { proxy, exchange: self.exchange });
    }

    pub(crate) fn answered(
        &mut self,
        proxy: usize,
        id: u64,
        exchange: &Exchange,
        status: u16,
        flags: Flags,
    ) {
        *self.served += u64::from(status == 200 && !exchange.is_mirror);
        let (cluster, sent) = (exchange.upstream.name(), exchange.sent);
        let who = if exchange.is_mirror { " mirror" } else { "" };
        self.journal(format_args!("proxy {proxy} #{id}{who} {cluster} {status} {flags} x{sent}"));
    }

    pub(crate) fn left(&mut self, proxy: usize, id: u64) {
        self.journal(format_args!("proxy {proxy} #{id} left"));
    }
}

/// The whole mesh.
pub(crate) struct Mesh {
    pub(crate) clock: Clock<Event>,
    pub(crate) journal: Journal,
    pub(crate) fleet: Fleet,
    pub(crate) hosts: Hosts,
    pub(crate) plane: Plane,
    pub(crate) proxies: Vec<Proxy>,
    /// Chance of what happens, apart from that of the proxies.
    pub(crate) dice: Dice,
    streams: u64,
    exchanges: u64,
    /// Lives of the control plane: what was planned for an earlier one is void.
    life: u64,
    /// Proxies that nobody lets through to the control plane.
    pub(crate) walled_off: [bool; PROXIES],
    /// Streams that carry nothing any more, though not all know.
    cut: Vec<u64>,
    /// When a watch told last, by kind: its changes keep their order, those of others do not.
    watched: std::collections::BTreeMap<String, Moment>,
    pub(crate) clients_ask: bool,
    oracles: Vec<Oracle>,
    pub(crate) settlements: u64,
    pub(crate) answers: u64,
    /// Requests that a host answered well.
    pub(crate) served: u64,
    pub(crate) draws: Draws,
}

impl Mesh {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::seeded(seed);
        let proxies = (0..PROXIES).map(|number| Proxy::new(number, dice.roll())).collect();
        let mut mesh = Self {
            clock: Clock::new(),
            journal: Journal::new(),
            fleet: Fleet::new(dice.roll()),
            hosts: Hosts::default(),
            plane: Plane::new(),
            proxies,
            dice,
            streams: 0,
            exchanges: 0,
            life: 0,
            walled_off: [false; PROXIES],
            cut: Vec::new(),
            watched: std::collections::BTreeMap::new(),
            clients_ask: true,
            oracles: Vec::new(),
            settlements: 0,
            answers: 0,
            served: 0,
            draws: Draws::default(),
        };
        for object in rules::foundation() {
            mesh.apply(&object);
        }
        mesh.clock.after(Duration::from_millis(10), Event::Start);
        for proxy in 0..PROXIES {
            mesh.clock.after(TICK, Event::Tick(proxy));
            mesh.clock.after(Duration::ZERO, Event::Dial { proxy, pause: PAUSES[0] });
            mesh.clock.after(Duration::from_secs(1), Event::Arrive(proxy));
        }
        mesh
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.clock.now() + time;
        while self.clock.next_at().is_some_and(|at| at <= until) {
            let event = self.clock.next().expect("there is one");
            self.happen(event);
        }
        self.clock.wait_until(until);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive(proxy) => {
                if self.clients_ask {
                    let pause = clients::pause(&mut self.dice);
                    self.clock.after(pause, Event::Arrive(proxy));
                    let ask = clients::ask(self.proxies[proxy].is_gateway, &mut self.dice);
                    self.arrive(proxy, &ask);
                }
            }
            Event::Burst { proxy, service } => {
                let is_gateway = self.proxies[proxy].is_gateway;
                let ask = clients::ask_for(service, is_gateway, &mut self.dice);
                self.arrive(proxy, &ask);
            }
            Event::Turn { proxy, exchange, turn, what } => {
                self.on_stage(proxy, |proxy, stage| proxy.turn(stage, exchange, turn, what));
            }
            Event::Deadline { proxy, exchange } => {
                self.on_stage(proxy, |proxy, stage| proxy.deadline(stage, exchange));
            }
            Event::Leave { proxy, exchange } => {
                self.on_stage(proxy, |proxy, stage| proxy.leave(stage, exchange));
            }
            Event::Tick(number) => {
                let now = self.clock.now();
                self.proxies[number].tick(now);
                self.clock.after(TICK, Event::Tick(number));
            }
            Event::Up { stream, bytes } => {
                if !self.cut.contains(&stream) {
                    let told = self.plane.request(self.clock.elapsed(), stream, &bytes);
                    self.tell(told);
                }
            }
            Event::Down { proxy, stream, bytes } => self.down(proxy, stream, &bytes),
            Event::Wake { stream } => {
                let told = self.plane.wake(self.clock.elapsed(), stream);
                self.tell(told);
            }
            Event::Dial { proxy, pause } => self.dial(proxy, pause),
            Event::Notice { proxy, stream } => {
                if self.proxies[proxy].wire.stream == Some(stream) {
                    self.proxies[proxy].disconnected();
                    self.note(format_args!("proxy {proxy} lost its stream"));
                    self.clock.after(PAUSES[0], Event::Dial { proxy, pause: PAUSES[0] });
                }
            }
            Event::Forget { stream } => self.plane.forget(stream),
            Event::Watch { life, change } => {
                if life == self.life && self.plane.up {
                    self.plane.watch(&change);
                    if !std::mem::replace(&mut self.plane.thinks, true) {
                        self.clock.after(QUIET, Event::Think { life });
                    }
                }
            }
            Event::Think { life } => {
                if life == self.life && self.plane.up {
                    let (told, findings) = self.plane.think(self.clock.elapsed());
                    self.note(format_args!("a new plan, {} findings", findings.len()));
                    self.tell(told);
                }
            }
            Event::Start => {
                if !self.plane.up {
                    self.plane.start(&self.fleet.objects());
                    self.note(format_args!("the control plane is there"));
                }
            }
            Event::Kubelet { pod, chore } => self.kubelet(&pod, chore),
            Event::Controllers => {
                let events = self.fleet.settle(self.clock.date());
                self.spread(events);
            }
        }
    }

    pub(crate) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.journal.note(self.clock.now(), what);
    }

    fn on_stage(&mut self, number: usize, then: impl FnOnce(&mut Proxy, &mut Stage<'_>)) {
        let exchange = self.exchanges;
        let mut stage = Stage {
            clock: &mut self.clock,
            hosts: &self.hosts,
            journal: &mut self.journal,
            dice: &mut self.dice,
            exchanges: &mut self.exchanges,
            served: &mut self.served,
            exchange,
        };
        then(&mut self.proxies[number], &mut stage);
    }

    /// A client asks.
    fn arrive(&mut self, number: usize, ask: &Ask) {
        let proxy = &mut self.proxies[number];
        let before = proxy.dice.clone();
        let decided = ask.decide(&proxy.table, &mut proxy.dice);
        invariants::decision(proxy, ask, decided.as_ref(), &before);
        self.exchanges += 1;
        self.answers += 1;
        let id = self.exchanges;
        match decided {
            None => self.note(format_args!("proxy {number} #{id} {} closed", ask.authority)),
            Some(Decision::Answer(answer)) => {
                let (status, flags) = (answer.status, answer.flags);
                self.note(format_args!("proxy {number} #{id} {} {status} {flags}", ask.authority));
            }
            Some(Decision::Forward(forward)) => {
                invariants::counted(&mut self.draws, proxy, ask, &forward, self.clock.now());
                self.on_stage(number, |proxy, stage| proxy.begin(stage, ask, *forward));
            }
        }
    }

    /// Sends messages down their streams.
    fn tell(&mut self, told: impl IntoIterator<Item = Told>) {
        for told in told {
            let number = told.proxy;
            let now = self.clock.now();
            if let Some(wake) = told.wake {
                self.clock.at(Moment::START + wake, Event::Wake { stream: told.stream });
            }
            let oracle = self.oracle(&told.snapshot);
            let is_cut = self.cut.contains(&told.stream);
            let proxy = &mut self.proxies[number];
            if proxy.wire.stream != Some(told.stream) {
                continue;
            }
            proxy.aims_at(oracle);
            for bytes in told.messages {
                if is_cut {
                    continue;
                }
                let at = proxy.wire.arrival(now, Way::Down, &mut self.dice);
                proxy.on_the_way += 1;
                self.clock.at(at, Event::Down { proxy: number, stream: told.stream, bytes });
            }
            self.arrived(number);
        }
    }

    fn oracle(&mut self, snapshot: &Arc<Snapshot>) -> Oracle {
        let same = |oracle: &&Oracle| Arc::ptr_eq(&oracle.snapshot, snapshot);
        if let Some(oracle) = self.oracles.iter().find(same) {
            return oracle.clone();
        }
        let oracle = Oracle::new(snapshot);
        self.oracles.push(oracle.clone());
        if self.oracles.len() > 2 * PROXIES {
            self.oracles.remove(0);
        }
        oracle
    }

    /// A response arrives at a proxy.
    fn down(&mut self, number: usize, stream: u64, bytes: &Bytes) {
        let (now, is_cut) = (self.clock.now(), self.cut.contains(&stream));
        let proxy = &mut self.proxies[number];
        if proxy.wire.stream != Some(stream) {
            return;
        }
        proxy.on_the_way -= 1;
        if is_cut {
            return;
        }
        let requests = proxy.response(now, bytes);
        self.send_up(number, requests);
        self.arrived(number);
    }

    fn arrived(&mut self, number: usize) {
        let proxy = &mut self.proxies[number];
        if proxy.note_arrival() {
            proxy.is_prompt = proxy.wire.delay < PROMPT;
            self.settlements += 1;
            self.note(format_args!("proxy {number} has all of it"));
        }
    }

    fn send_up(&mut self, number: usize, messages: Vec<Bytes>) {
        let now = self.clock.now();
        let proxy = &mut self.proxies[number];
        let Some(stream) = proxy.wire.stream else { return };
        for bytes in messages {
            let at = proxy.wire.arrival(now, Way::Up, &mut self.dice);
            self.clock.at(at, Event::Up { stream, bytes });
        }
    }

    fn dial(&mut self, number: usize, pause: Duration) {
        if self.proxies[number].wire.stream.is_some() {
            return;
        }
        if !self.plane.up || self.walled_off[number] {
            let half = u64::try_from(pause.as_micros() / 2).unwrap_or(u64::MAX);
            let wait = pause / 2 + Duration::from_micros(self.dice.below(half));
            let pause = (pause * 2).min(PAUSES[1]);
            self.clock.after(wait, Event::Dial { proxy: number, pause });
            return;
        }
        self.streams += 1;
        let stream = self.streams;
        self.plane.accept(stream, number);
        self.proxies[number].wire.open(stream);
        self.note(format_args!("proxy {number} opens stream {stream}"));
        let requests = self.proxies[number].connected();
        self.send_up(number, requests);
    }

    /// Many ask for a service within a second, at every proxy.
    pub(crate) fn crowd(&mut self, service: u64) {
        for proxy in 0..PROXIES {
            for _ in 0..60 {
                let wait = Duration::from_micros(self.dice.below(1_000_000));
                self.clock.after(wait, Event::Burst { proxy, service });
            }
        }
    }

    /// Cuts the stream of a proxy; each end notices at its own time.
    pub(crate) fn sever(&mut self, number: usize) {
        let Some(stream) = self.proxies[number].wire.stream else { return };
        self.cut.push(stream);
        self.note(format_args!("stream {stream} of proxy {number} is cut"));
        let mut soon = || Duration::from_millis(self.dice.below(3000));
        let (one, other) = (soon(), soon());
        self.clock.after(one, Event::Notice { proxy: number, stream });
        self.clock.after(other, Event::Forget { stream });
    }

    /// The control plane speaks of what the proxies do not know, or does so no longer.
    pub(crate) fn poison(&mut self, poisoned: bool) {
        self.plane.poison(poisoned);
        self.clock.after(QUIET, Event::Think { life: self.life });
    }

    /// Ends the control plane, for so long.
    pub(crate) fn restart_plane(&mut self, away: Duration) {
        self.note(format_args!("the control plane goes for {away:?}"));
        self.plane.stop();
        self.life += 1;
        for number in 0..PROXIES {
            if let Some(stream) = self.proxies[number].wire.stream {
                self.cut.push(stream);
                let wait = Duration::from_millis(self.dice.below(100));
                self.clock.after(wait, Event::Notice { proxy: number, stream });
            }
        }
        self.clock.after(away, Event::Start);
    }

    /// Writes an object, and lets everybody know.
    pub(crate) fn apply(&mut self, object: &serde_json::Value) {
        let what = format!("{} {}", object["kind"], object["metadata"]["name"]);
        let written = self.fleet.apply(object, self.clock.date());
        self.written(&what, written);
    }

    pub(crate) fn delete(&mut self, kind: &str, name: &str) {
        let key = ("networking.istio.io/v1", kind, "default", name);
        let written = self.fleet.delete(key, self.clock.date());
        self.written(&format!("no {kind} {name}"), written);
    }

    pub(crate) fn written(&mut self, what: &str, written: Result<Vec<Written>, objects::Status>) {
        match written {
            Ok(events) => {
                self.note(format_args!("{what}"));
                self.spread(events);
                self.clock.after(Duration::from_millis(1), Event::Controllers);
            }
            Err(status) => self.note(format_args!("{what} is refused: {}", status.message)),
        }
    }

    /// Changes go their ways: to the control plane's watches, each kind in its own time, and to the kubelet.
    fn spread(&mut self, events: Vec<Written>) {
        for event in events {
            let kind = event.key.resource.to_string();
            let change = match &event.new {
                Some(new) => Change::Is(Arc::clone(new)),
                None => Change::Gone(event.state()),
            };
            let late = Duration::from_micros(200 + self.dice.below(20_000));
            let last = self.watched.entry(kind).or_default();
            *last = (self.clock.now() + late).max(*last + Duration::from_nanos(1));
            self.clock.at(*last, Event::Watch { life: self.life, change });
            if let Some((pod, chore)) = Fleet::chore(&event) {
                let wait = match chore {
                    Chore::Start => Duration::from_millis(50 + self.dice.below(800)),
                    Chore::End => DRAIN,
                };
                self.clock.after(wait, Event::Kubelet { pod, chore });
            }
        }
    }

    fn kubelet(&mut self, pod: &str, chore: Chore) {
        let date = self.clock.date();
        let events = match chore {
            Chore::Start => match self.fleet.start(pod, date) {
                Some((ip, events)) => {
                    self.note(format_args!("{pod} runs at {ip}"));
                    self.hosts.start(ip);
                    events
                }
                None => {
                    if self.fleet.has_pod(pod) {
                        let chore = Event::Kubelet { pod: pod.to_owned(), chore };
                        self.clock.after(Duration::from_secs(1), chore);
                    }
                    return;
                }
            },
            Chore::End => {
                let (ip, events) = self.fleet.end(pod, date);
                if let Some(ip) = ip {
                    self.note(format_args!("{pod} at {ip} ends"));
                    self.hosts.stop(ip);
                }
                events
            }
        };
        self.spread(events);
        self.clock.after(Duration::from_millis(1), Event::Controllers);
    }

    /// The proxies as the control plane knows them.
    pub(crate) fn nodes(&self) -> Vec<Node> {
        self.proxies.iter().map(|proxy| proxy.node()).collect()
    }
}

/// Requests by which the decisions of two tables are compared.
pub(crate) fn probes(dice: &mut Dice) -> Vec<Ask> {
    (0..12).map(|n| clients::ask(n % 3 == 0, dice)).collect()
}
