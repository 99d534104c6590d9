//! One container of a pod: its state, its restarts, its probes.

use super::probe::Clock;
use super::{ProbeKind, SIDECAR};
use jiff::{SignedDuration, Timestamp};
use kinds::core::{Container, ContainerStateTerminated};

/// After so long a run the restarts count from nothing again.
const FORGIVEN: SignedDuration = SignedDuration::from_mins(10);

/// When a container runs relative to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Before the others, to its end.
    Init,
    /// An init container with `restartPolicy: Always`: it starts in turn and stays.
    Helper,
    /// With all others.
    Main,
}

/// What the container is at.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// Not yet, or not again yet.
    Waiting { reason: String, message: Option<String>, until: Timestamp },
    /// The node was told to start it.
    Starting,
    /// Its process runs.
    Running { since: Timestamp, stop: Option<Stop> },
    /// It ended and stays so.
    Ended,
}

/// A running container that was told to stop.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    pub(super) kill_at: Timestamp,
    pub(super) in_hook: bool,
    pub(super) killed: bool,
}

/// One container.
#[derive(Debug, Clone)]
pub(super) struct Ctr {
    pub(super) spec: Container,
    pub(super) turn: Turn,
    pub(super) state: State,
    /// How the latest run ended.
    pub(super) last: Option<ContainerStateTerminated>,
    pub(super) restarts: i32,
    pub(super) started: bool,
    pub(super) ready: bool,
    pub(super) clocks: Vec<Clock>,
    delay: Option<SignedDuration>,
    start_delay: Option<SignedDuration>,
}

impl Ctr {
    pub(super) fn new(spec: Container, turn: Turn, waits_for_init: bool, now: Timestamp) -> Ctr {
        let reason = if waits_for_init { "PodInitializing" } else { "ContainerCreating" };
        Ctr {
            spec,
            turn,
            state: State::Waiting { reason: reason.to_owned(), message: None, until: now },
            last: None,
            restarts: 0,
            started: false,
            ready: false,
            clocks: Vec::new(),
            delay: None,
            start_delay: None,
        }
    }

    pub(super) fn is_sidecar(&self) -> bool {
        self.turn == Turn::Helper || self.spec.name == SIDECAR
    }

    /// A process exists or is being made.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.state, State::Starting | State::Running { .. })
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// It ended well, or (as a helper) it is up: the next init container may start.
    pub(super) fn is_past(&self) -> bool {
        match self.turn {
            Turn::Init => {
                matches!(self.state, State::Ended)
                    && self.last.as_ref().is_some_and(|l| l.exit_code == 0)
            }
            Turn::Helper => self.is_running() && self.started,
            Turn::Main => true,
        }
    }

    /// The process runs since `now`.
    pub(super) fn run(&mut self, now: Timestamp) {
        self.state = State::Running { since: now, stop: None };
        self.start_delay = None;
        self.clocks.clear();
        self.started = self.spec.startup_probe.is_none();
        self.ready = false;
        match &self.spec.startup_probe {
            Some(probe) => self.clocks.push(Clock::new(ProbeKind::Startup, probe, now)),
            None => self.start_clocks(now),
        }
    }

    /// The startup probe, if any, passed: the others begin.
    pub(super) fn start_clocks(&mut self, now: Timestamp) {
        self.clocks.clear();
        self.started = true;
        if self.turn == Turn::Init {
            return;
        }
        if let Some(probe) = &self.spec.liveness_probe {
            self.clocks.push(Clock::new(ProbeKind::Liveness, probe, now));
        }
        match (&self.spec.readiness_probe, self.first_port()) {
            (Some(probe), _) => self.clocks.push(Clock::new(ProbeKind::Readiness, probe, now)),
            (None, Some(_)) if self.spec.startup_probe.is_none() => {
                self.clocks.push(Clock::port(now));
            }
            (None, _) => self.ready = true,
        }
    }

    fn first_port(&self) -> Option<i32> {
        let ports = self.spec.ports.iter().flatten();
        let mut tcp = ports.filter(|p| p.protocol.as_deref().is_none_or(|p| p == "TCP"));
        tcp.next().map(|p| p.container_port)
    }

    /// How long to wait before the next run, now that one ended that began at `since`.
    pub(super) fn next_delay(
        &mut self,
        since: Option<Timestamp>,
        now: Timestamp,
        first: SignedDuration,
        most: SignedDuration,
    ) -> SignedDuration {
        if since.is_some_and(|since| now.duration_since(since) >= FORGIVEN) {
            self.delay = None;
        }
        // The first restart comes at once, as a kubelet's.
        let delay = self.delay.unwrap_or(SignedDuration::ZERO);
        self.delay = Some(if delay.is_zero() { first } else { (delay * 2).min(most) });
        delay
    }

    /// How long to wait before the next try of a start that was refused.
    pub(super) fn next_start_delay(
        &mut self,
        first: SignedDuration,
        most: SignedDuration,
    ) -> SignedDuration {
        let delay = self.start_delay.unwrap_or(first);
        self.start_delay = Some((delay * 2).min(most));
        delay
    }
}
