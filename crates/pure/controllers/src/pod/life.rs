//! The machine of one pod: from the first sight of the object to its last deletion.

use super::container::{Ctr, State, Stop, Turn};
use super::probe::Verdict;
use super::{Do, Notice, ProbeKind, Seen, Settings};
use jiff::{SignedDuration, Timestamp};
use kinds::core::{Container, ContainerStateTerminated, Pod, PodSpec, Time};
use std::collections::BTreeMap;

/// The sidecar gets at least so long to drain, even when the applications used the whole grace.
const SIDECAR_GRACE: SignedDuration = SignedDuration::from_secs(2);
/// First wait before namespaces and volumes are tried again.
const SET_UP_AGAIN: SignedDuration = SignedDuration::from_millis(50);
/// What is mended sooner is not worth an Event: a new namespace's service account, say.
const SET_UP_TOLD: SignedDuration = SignedDuration::from_millis(400);

/// Namespaces, links and volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ground {
    /// To be made at this time.
    Wanted(Timestamp),
    Asked,
    Stands,
    Leaving,
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Withdraw,
    Apps,
    Sidecars,
    Ground,
    Object,
    Over,
}

#[derive(Debug, Clone)]
struct Ending {
    stage: Stage,
    kill_at: Timestamp,
    /// The object is gone already: nobody waits, nothing is to be deleted.
    forced: bool,
}

/// The life of one pod on this node.
#[derive(Debug)]
pub struct Life {
    pub(super) pod: Pod,
    pub(super) settings: Settings,
    pub(super) ip: Option<String>,
    pub(super) seen_at: Timestamp,
    pub(super) ground: Ground,
    ground_delay: SignedDuration,
    pub(super) containers: Vec<Ctr>,
    /// Condition -> (holds, since when).
    pub(super) conditions: BTreeMap<&'static str, (bool, Timestamp)>,
    ending: Option<Ending>,
    out: Vec<Do>,
}

impl Life {
    /// A pod that was assigned to this node. One that has run before (its status says so) belongs
    /// to a node process that is no more: its containers count one more restart.
    #[must_use]
    pub fn new(pod: Pod, settings: Settings, now: Timestamp) -> Life {
        let spec = pod.spec.clone().unwrap_or_default();
        let init = spec.init_containers.clone().unwrap_or_default();
        let waits = !init.is_empty();
        let mut containers: Vec<Ctr> = Vec::new();
        for one in init {
            let helper = one.restart_policy.as_deref() == Some("Always");
            let turn = if helper { Turn::Helper } else { Turn::Init };
            containers.push(Ctr::new(one, turn, waits, now));
        }
        for one in spec.containers {
            containers.push(Ctr::new(one, Turn::Main, waits, now));
        }
        let started = pod.status.as_ref().and_then(|s| s.start_time.clone()).map(|t| t.0);
        let mut life = Life {
            pod,
            settings,
            ip: None,
            seen_at: started.unwrap_or(now),
            ground: Ground::Wanted(now),
            ground_delay: SET_UP_AGAIN,
            containers,
            conditions: BTreeMap::new(),
            ending: None,
            out: Vec::new(),
        };
        life.remember(now);
        life
    }

    /// Takes over what an earlier node process wrote.
    fn remember(&mut self, now: Timestamp) {
        let status = self.pod.status.clone().unwrap_or_default();
        let over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let never = self.policy() == "Never";
        let rows = status.container_statuses.into_iter().flatten();
        for row in rows.chain(status.init_container_statuses.into_iter().flatten()) {
            let Some(ctr) = self.containers.iter_mut().find(|c| c.spec.name == row.name) else {
                continue;
            };
            ctr.restarts = row.restart_count;
            let state = row.state.unwrap_or_default();
            let ended = state.terminated.clone();
            if let Some(running) = state.running {
                ctr.restarts += i32::from(!never);
                ctr.last = Some(ContainerStateTerminated {
                    exit_code: 137,
                    reason: Some("ContainerStatusUnknown".to_owned()),
                    message: Some("The node was stopped while the container ran.".to_owned()),
                    started_at: running.started_at,
                    finished_at: Some(Time(now)),
                    ..ContainerStateTerminated::default()
                });
            } else {
                ctr.last = ended.clone().or(row.last_state.and_then(|s| s.terminated));
            }
            if over || (never && (ended.is_some() || ctr.last.is_some())) {
                ctr.state = State::Ended;
            }
        }
        if over {
            self.ground = Ground::Gone;
        }
    }

    /// The newest object: labels, annotations, or the wish to delete it.
    pub fn on_pod(&mut self, pod: Pod, now: Timestamp) {
        self.pod = pod;
        if self.pod.metadata.deletion_timestamp.is_none() {
            return self.advance(now);
        }
        let spec_grace = self.pod.spec.as_ref().and_then(|s| s.termination_grace_period_seconds);
        let grace = self.pod.metadata.deletion_grace_period_seconds.or(spec_grace).unwrap_or(30);
        let kill_at = now + SignedDuration::from_secs(grace.max(0));
        match &mut self.ending {
            Some(ending) => ending.kill_at = ending.kill_at.min(kill_at),
            None => {
                self.ending = Some(Ending { stage: Stage::Withdraw, kill_at, forced: false });
                if self.containers.iter().any(Ctr::is_running) {
                    self.out.push(Do::Withdraw);
                } else {
                    self.set_stage(Stage::Apps);
                }
            }
        }
        self.advance(now);
    }

    /// The object is gone without our doing: everything ends at once.
    pub fn on_removed(&mut self, now: Timestamp) {
        let stage = match &self.ending {
            Some(ending) if ending.stage > Stage::Withdraw => ending.stage,
            _ => Stage::Apps,
        };
        self.ending = Some(Ending { stage, kill_at: now, forced: true });
        for ctr in &mut self.containers {
            if let State::Running { stop: Some(stop), .. } = &mut ctr.state {
                stop.kill_at = now;
            }
        }
        self.advance(now);
    }

    /// Something happened.
    pub fn on_seen(&mut self, seen: Seen, now: Timestamp) {
        match seen {
            Seen::Ready { ip } => {
                self.ip = Some(ip);
                self.ground = Ground::Stands;
            }
            Seen::NotReady { reason, message } => {
                let reason =
                    if reason == "FailedMount" { "FailedMount" } else { "FailedCreatePodSandBox" };
                if self.ground_delay >= SET_UP_TOLD {
                    self.say(true, reason, message, None);
                }
                self.ground = Ground::Wanted(now + self.ground_delay);
                self.ground_delay = (self.ground_delay * 2).min(SignedDuration::from_secs(60));
            }
            Seen::Started { container } => self.on_started(&container, now),
            Seen::Refused { container, reason, message } => {
                self.on_refused(&container, reason, message, now);
            }
            Seen::Exited { container, code, signal } => {
                self.on_exited(&container, code, signal, now);
            }
            Seen::Probed { container, probe, outcome } => {
                self.on_probed(&container, probe, outcome, now);
            }
            Seen::PreStopped { container } => {
                if let Some(State::Running { stop: Some(stop), .. }) =
                    self.find(&container).map(|c| &mut c.state)
                    && stop.in_hook
                {
                    stop.in_hook = false;
                    self.out.push(Do::Signal { container, kill: false });
                }
            }
            Seen::Withdrawn => {
                if self.stage() == Some(Stage::Withdraw) {
                    self.set_stage(Stage::Apps);
                }
            }
            Seen::TornDown => {
                self.ground = Ground::Gone;
                self.ip = None;
            }
            Seen::LookAgain => self.look_again(now),
        }
        self.advance(now);
    }

    /// The time that [`Life::next_wake`] named has come.
    pub fn on_wake(&mut self, now: Timestamp) {
        self.advance(now);
    }

    /// What to do now; each is told once.
    pub fn take(&mut self) -> Vec<Do> {
        std::mem::take(&mut self.out)
    }

    /// Nothing is left to do for this pod, ever.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage() == Some(Stage::Over)
    }

    /// When something is due without any event.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        let mut times: Vec<Timestamp> = Vec::new();
        if let (Ground::Wanted(at), None) = (&self.ground, &self.ending) {
            times.push(*at);
        }
        for ctr in &self.containers {
            match &ctr.state {
                State::Waiting { until, .. }
                    if self.ending.is_none()
                        && self.ground == Ground::Stands
                        && self.has_turn(ctr) =>
                {
                    times.push(*until);
                }
                State::Running { stop: Some(stop), .. } if !stop.killed => times.push(stop.kill_at),
                State::Running { stop: None, .. } => {
                    times.extend(ctr.clocks.iter().filter_map(super::probe::Clock::next));
                }
                _ => {}
            }
        }
        times.into_iter().min()
    }

    pub(super) fn policy(&self) -> &str {
        self.spec().and_then(|s| s.restart_policy.as_deref()).unwrap_or("Always")
    }

    pub(super) fn spec(&self) -> Option<&PodSpec> {
        self.pod.spec.as_ref()
    }

    /// Whether this container restarts after it ended so.
    pub(super) fn restarts_after(&self, turn: Turn, code: i32) -> bool {
        match (turn, self.policy()) {
            (Turn::Helper, _) | (Turn::Main, "Always") => true,
            (_, "Never") => false,
            _ => code != 0,
        }
    }

    /// `name_namespace(uid)`, as kubelets write it.
    fn long_name(&self) -> String {
        let meta = &self.pod.metadata;
        let part = |p: &Option<String>| p.clone().unwrap_or_default();
        format!("{}_{}({})", part(&meta.name), part(&meta.namespace), part(&meta.uid))
    }

    fn find(&mut self, name: &str) -> Option<&mut Ctr> {
        self.containers.iter_mut().find(|c| c.spec.name == name)
    }

    fn say(&mut self, warning: bool, reason: &'static str, text: String, container: Option<&str>) {
        let container = container.map(str::to_owned);
        self.out.push(Do::Say(Notice { warning, reason, message: text, container }));
    }

    fn stage(&self) -> Option<Stage> {
        self.ending.as_ref().map(|e| e.stage)
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Some(ending) = &mut self.ending {
            ending.stage = stage;
        }
    }

    fn on_started(&mut self, name: &str, now: Timestamp) {
        let Some(ctr) = self.find(name) else { return };
        if !matches!(ctr.state, State::Starting) {
            return;
        }
        ctr.run(now);
        self.say(false, "Created", format!("Created container: {name}"), Some(name));
        self.say(false, "Started", format!("Started container {name}"), Some(name));
    }

    fn on_refused(&mut self, name: &str, reason: String, message: String, now: Timestamp) {
        let (first, most) = (self.settings.back_off, self.settings.back_off_max);
        let Some(ctr) = self.find(name) else { return };
        let until = now + ctr.next_start_delay(first, most);
        let image = ctr.spec.image.clone().unwrap_or_default();
        // A kubelet shows the failed pull for a moment, then the back-off; one object tells both.
        let pull = reason == "ErrImagePull";
        ctr.state = State::Waiting { reason, message: Some(message.clone()), until };
        if pull {
            let text = format!("Failed to pull image \"{image}\": {message}");
            self.say(true, "Failed", text, Some(name));
            self.say(true, "Failed", "Error: ErrImagePull".to_owned(), Some(name));
        } else {
            self.say(true, "Failed", format!("Error: {message}"), Some(name));
        }
    }

    fn on_exited(&mut self, name: &str, code: i32, signal: Option<i32>, now: Timestamp) {
        let ending = self.ending.is_some();
        let (first, most) = (self.settings.back_off, self.settings.back_off_max);
        let long = self.long_name();
        let Some(ctr) = self.find(name) else { return };
        let since = match &ctr.state {
            State::Running { since, .. } => Some(*since),
            State::Starting => None,
            _ => return,
        };
        ctr.last = Some(ContainerStateTerminated {
            exit_code: code,
            signal,
            reason: Some(if code == 0 { "Completed" } else { "Error" }.to_owned()),
            started_at: Some(Time(since.unwrap_or(now))),
            finished_at: Some(Time(now)),
            ..ContainerStateTerminated::default()
        });
        ctr.started = false;
        ctr.ready = false;
        ctr.clocks.clear();
        let turn = ctr.turn;
        if ending || !self.restarts_after(turn, code) {
            if let Some(ctr) = self.find(name) {
                ctr.state = State::Ended;
            }
            return;
        }
        let Some(ctr) = self.find(name) else { return };
        let delay = ctr.next_delay(since, now, first, most);
        ctr.restarts += 1;
        let text =
            format!("back-off {} restarting failed container={name} pod={long}", words(delay));
        ctr.state = State::Waiting {
            reason: "CrashLoopBackOff".to_owned(),
            message: Some(text),
            until: now + delay,
        };
        if !delay.is_zero() {
            let text = format!("Back-off restarting failed container {name} in pod {long}");
            self.say(true, "BackOff", text, Some(name));
        }
    }

    fn on_probed(
        &mut self,
        name: &str,
        probe: ProbeKind,
        outcome: Result<(), String>,
        now: Timestamp,
    ) {
        let grace = self.spec().and_then(|s| s.termination_grace_period_seconds).unwrap_or(30);
        let Some(ctr) = self.find(name) else { return };
        if !matches!(ctr.state, State::Running { stop: None, .. }) {
            return;
        }
        let Some(clock) = ctr.clocks.iter_mut().find(|c| c.kind == probe) else { return };
        let (verdict, counts) = clock.outcome(now, outcome.is_ok());
        match (probe, verdict) {
            (_, Verdict::Open) => {}
            (ProbeKind::Startup, Verdict::Passed) => ctr.start_clocks(now),
            (ProbeKind::Port, Verdict::Passed) => {
                ctr.ready = true;
                ctr.clocks.retain(|c| c.kind != ProbeKind::Port);
            }
            (ProbeKind::Readiness, verdict) => ctr.ready = verdict == Verdict::Passed,
            (ProbeKind::Liveness, Verdict::Passed) | (ProbeKind::Port, _) => {}
            (ProbeKind::Startup | ProbeKind::Liveness, Verdict::Failed) => {
                let own = match probe {
                    ProbeKind::Startup => &ctr.spec.startup_probe,
                    _ => &ctr.spec.liveness_probe,
                };
                let own = own.as_ref().and_then(|p| p.termination_grace_period_seconds);
                let kill_at = now + SignedDuration::from_secs(own.unwrap_or(grace).max(1));
                let word = probe.word().to_lowercase();
                let text = format!("Container {name} failed {word} probe, will be restarted");
                self.say(false, "Killing", text, Some(name));
                self.stop(name, kill_at, now);
            }
        }
        if let (Err(text), true) = (outcome, counts) {
            let text = format!("{} probe failed: {text}", probe.word());
            self.say(true, "Unhealthy", text, Some(name));
        }
    }

    /// Asks a running container to end.
    fn stop(&mut self, name: &str, kill_at: Timestamp, now: Timestamp) {
        let Some(ctr) = self.find(name) else { return };
        let State::Running { stop: stop @ None, .. } = &mut ctr.state else { return };
        let hook = ctr.spec.lifecycle.as_ref().is_some_and(|l| l.pre_stop.is_some());
        let hook = hook && kill_at > now;
        let killed = kill_at <= now;
        *stop = Some(Stop { kill_at, in_hook: hook, killed });
        let container = name.to_owned();
        self.out.push(if hook {
            Do::PreStop { container }
        } else {
            Do::Signal { container, kill: killed }
        });
    }

    /// Containers that wait for images or configuration try at once; so do volumes.
    fn look_again(&mut self, now: Timestamp) {
        if let Ground::Wanted(at) = &mut self.ground {
            *at = now;
        }
        for ctr in &mut self.containers {
            if let State::Waiting { reason, until, .. } = &mut ctr.state
                && reason != "CrashLoopBackOff"
            {
                *until = now;
            }
        }
    }

    /// Init containers come in turn; the others when all are past.
    fn has_turn(&self, ctr: &Ctr) -> bool {
        let before = self.containers.iter().take_while(|c| c.spec.name != ctr.spec.name);
        match ctr.turn {
            Turn::Main => self.containers.iter().all(Ctr::is_past),
            _ => before.filter(|c| c.turn != Turn::Main).all(Ctr::is_past),
        }
    }

    /// The pod came to its own end: all containers ended and none restarts.
    pub(super) fn is_finished(&self) -> bool {
        let dead_init = self
            .containers
            .iter()
            .any(|c| c.turn == Turn::Init && matches!(c.state, State::Ended) && !c.is_past());
        let main_over = self
            .containers
            .iter()
            .filter(|c| c.turn == Turn::Main)
            .all(|c| matches!(c.state, State::Ended));
        dead_init || main_over
    }

    fn advance(&mut self, now: Timestamp) {
        self.kill_what_lingers(now);
        if self.ending.is_some() {
            self.advance_ending(now);
        } else if self.is_finished() {
            self.advance_finished(now);
        } else {
            self.advance_living(now);
        }
        self.note_conditions(now);
    }

    fn advance_living(&mut self, now: Timestamp) {
        match &self.ground {
            Ground::Wanted(at) if *at <= now => {
                self.ground = Ground::Asked;
                self.out.push(Do::SetUp);
            }
            Ground::Stands => {}
            _ => return,
        }
        if self.ground != Ground::Stands {
            return;
        }
        for i in 0..self.containers.len() {
            let due =
                matches!(&self.containers[i].state, State::Waiting { until, .. } if *until <= now);
            if due && self.has_turn(&self.containers[i]) {
                let ctr = &mut self.containers[i];
                ctr.state = State::Starting;
                let (container, restarts) = (ctr.spec.name.clone(), ctr.restarts);
                self.out.push(Do::Start { container, restarts });
            }
            let ctr = &mut self.containers[i];
            if let State::Running { stop: None, .. } = ctr.state {
                let due = ctr.clocks.iter_mut().filter_map(|c| c.take(now).then_some(c.kind));
                let name = &ctr.spec.name;
                self.out.extend(due.map(|probe| Do::Probe { container: name.clone(), probe }));
            }
        }
    }

    /// A finished pod keeps its object and its logs, nothing else.
    fn advance_finished(&mut self, now: Timestamp) {
        let helpers: Vec<String> = self
            .containers
            .iter()
            .filter(|c| c.turn == Turn::Helper && c.is_running())
            .map(|c| c.spec.name.clone())
            .collect();
        for name in &helpers {
            self.stop(name, now + SIDECAR_GRACE, now);
        }
        if helpers.is_empty() && self.ground == Ground::Stands {
            self.ground = Ground::Leaving;
            self.out.push(Do::TearDown);
        }
    }

    fn kill_what_lingers(&mut self, now: Timestamp) {
        for ctr in &mut self.containers {
            if let State::Running { stop: Some(stop), .. } = &mut ctr.state
                && !stop.killed
                && stop.kill_at <= now
            {
                stop.killed = true;
                let container = ctr.spec.name.clone();
                self.out.push(Do::Signal { container, kill: true });
            }
        }
    }

    fn stop_all(&mut self, sidecars: bool, kill_at: Timestamp, now: Timestamp) -> bool {
        let wanted = |c: &&Ctr| c.is_sidecar() == sidecars && c.is_alive();
        let names: Vec<String> =
            self.containers.iter().filter(wanted).map(|c| c.spec.name.clone()).collect();
        for name in &names {
            let fresh = self
                .find(name)
                .is_some_and(|c| matches!(c.state, State::Running { stop: None, .. }));
            if fresh {
                self.say(false, "Killing", format!("Stopping container {name}"), Some(name));
                self.stop(name, kill_at, now);
            }
        }
        names.is_empty()
    }

    fn advance_ending(&mut self, now: Timestamp) {
        let Some(Ending { stage, kill_at, forced }) = self.ending.clone() else { return };
        match stage {
            Stage::Withdraw | Stage::Over => return,
            Stage::Apps => {
                if !self.stop_all(false, kill_at, now) {
                    return;
                }
                self.set_stage(Stage::Sidecars);
            }
            Stage::Sidecars => {
                let grace = if forced { SignedDuration::ZERO } else { SIDECAR_GRACE };
                if !self.stop_all(true, kill_at.max(now + grace), now) {
                    return;
                }
                self.set_stage(Stage::Ground);
                if self.ground == Ground::Stands {
                    self.ground = Ground::Leaving;
                    self.out.push(Do::TearDown);
                }
            }
            Stage::Ground => {
                // What is being made is awaited, then taken away.
                match self.ground {
                    Ground::Asked | Ground::Leaving => return,
                    Ground::Stands => {
                        self.ground = Ground::Leaving;
                        self.out.push(Do::TearDown);
                        return;
                    }
                    Ground::Wanted(_) | Ground::Gone => {}
                }
                self.set_stage(Stage::Object);
            }
            Stage::Object => {
                self.set_stage(Stage::Over);
                if !forced {
                    self.out.push(Do::Delete);
                }
            }
        }
        self.advance_ending(now);
    }

    /// The container of that name, as written.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|c| c.spec.name == name).map(|c| &c.spec)
    }
}

/// `10s`, `1m20s`, `5m0s`: Go's words for a duration.
fn words(delay: SignedDuration) -> String {
    let millis = delay.as_millis();
    match millis {
        _ if millis % 1000 != 0 => format!("{millis}ms"),
        _ if millis < 60_000 => format!("{}s", millis / 1000),
        _ => format!("{}m{}s", millis / 60_000, millis / 1000 % 60),
    }
}
