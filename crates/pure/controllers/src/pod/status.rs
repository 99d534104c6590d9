//! The status document of a pod, as a kubelet writes it.

use super::Life;
use super::container::{Ctr, State, Turn};
use super::life::Ground;
use jiff::Timestamp;
use kinds::core::{
    Container, ContainerState, ContainerStateRunning, ContainerStateWaiting, ContainerStatus,
    PodCondition, PodIP, PodStatus, Time,
};
use std::collections::BTreeMap;

/// The conditions that this machine owns, in the order in which they are shown.
const OWN: [&str; 4] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];

impl Life {
    /// The whole `status` of the pod.
    #[must_use]
    pub fn status(&self) -> PodStatus {
        let rows = |turn: &dyn Fn(Turn) -> bool| -> Option<Vec<ContainerStatus>> {
            let rows: Vec<ContainerStatus> =
                self.containers.iter().filter(|c| turn(c.turn)).map(|c| self.row(c)).collect();
            (!rows.is_empty()).then_some(rows)
        };
        PodStatus {
            phase: Some(self.phase().to_owned()),
            conditions: Some(self.condition_rows()),
            container_statuses: rows(&|t| t == Turn::Main),
            init_container_statuses: rows(&|t| t != Turn::Main),
            host_ip: Some(self.settings.host_ip.clone()),
            pod_ip: self.ip.clone(),
            pod_ips: self.ip.as_ref().map(|ip| vec![PodIP { ip: ip.clone() }]),
            qos_class: Some(self.qos_class().to_owned()),
            start_time: Some(Time(self.seen_at)),
            ..PodStatus::default()
        }
    }

    /// Whether traffic may come: every container is ready, every readiness gate open.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let status = self.pod.status.as_ref();
        let is_true = |kind: &str| {
            let rows = status.into_iter().flat_map(|s| s.conditions.iter().flatten());
            rows.into_iter().any(|c| c.type_ == kind && c.status == "True")
        };
        let gates = self.spec().and_then(|s| s.readiness_gates.as_ref());
        self.containers_ready()
            && gates.into_iter().flatten().all(|gate| is_true(&gate.condition_type))
    }

    fn containers_ready(&self) -> bool {
        let mut rows = self.containers.iter().filter(|c| c.turn != Turn::Init);
        rows.all(|c| c.is_running() && c.started && (c.ready || c.turn == Turn::Helper))
    }

    fn phase(&self) -> &'static str {
        let ended_badly = |c: &Ctr| c.last.as_ref().is_some_and(|l| l.exit_code != 0);
        if self.is_finished() {
            let bad = self.containers.iter().filter(|c| c.turn != Turn::Helper).any(ended_badly);
            return if bad { "Failed" } else { "Succeeded" };
        }
        let mut main = self.containers.iter().filter(|c| c.turn == Turn::Main);
        let ran = |c: &Ctr| c.is_running() || c.last.is_some();
        if main.all(ran) { "Running" } else { "Pending" }
    }

    fn row(&self, ctr: &Ctr) -> ContainerStatus {
        let uid = self.pod.metadata.uid.clone().unwrap_or_default();
        let name = ctr.spec.name.clone();
        let id = |n: i32| format!("lateen://{uid}/{name}/{n}");
        let image = ctr.spec.image.clone().unwrap_or_default();
        let ended = |n: i32| {
            let mut last = ctr.last.clone();
            if let Some(last) = &mut last {
                last.container_id = Some(id(n));
            }
            last
        };
        let mut state = ContainerState::default();
        let mut before = None;
        match &ctr.state {
            State::Running { since, .. } => {
                state.running = Some(ContainerStateRunning { started_at: Some(Time(*since)) });
                before = ended(ctr.restarts - 1);
            }
            State::Ended => state.terminated = ended(ctr.restarts),
            // Between two runs without a wait the last end is still the news.
            State::Starting if ctr.last.is_some() => state.terminated = ended(ctr.restarts - 1),
            State::Starting => state.waiting = Some(self.waiting("ContainerCreating", None)),
            State::Waiting { reason, message, .. } => {
                state.waiting = Some(self.waiting(reason, message.clone()));
                before = ended(ctr.restarts - 1);
            }
        }
        let existed = ctr.is_running() || ctr.last.is_some();
        let ready = match ctr.turn {
            Turn::Init => ctr.is_past(),
            _ => ctr.is_running() && ctr.ready,
        };
        ContainerStatus {
            name: name.clone(),
            image_id: if existed { format!("lateen://{image}") } else { String::new() },
            image,
            container_id: existed.then(|| id(ctr.restarts)),
            ready,
            started: Some(ctr.is_running() && ctr.started),
            restart_count: ctr.restarts,
            state: Some(state),
            last_state: Some(ContainerState { terminated: before, ..ContainerState::default() }),
            ..ContainerStatus::default()
        }
    }

    fn waiting(&self, reason: &str, message: Option<String>) -> ContainerStateWaiting {
        // What still waits for its turn says so with the word for the ground.
        let reason = match (reason, &self.ground) {
            ("PodInitializing", Ground::Wanted(_) | Ground::Asked) => "ContainerCreating",
            _ => reason,
        };
        ContainerStateWaiting { reason: Some(reason.to_owned()), message }
    }

    /// Whether each own condition holds.
    fn facts(&self) -> BTreeMap<&'static str, bool> {
        let finished = self.is_finished();
        let initialized = self.containers.iter().filter(|c| c.turn != Turn::Main).all(Ctr::is_past);
        let ready = !finished && self.is_ready();
        BTreeMap::from([
            ("PodReadyToStartContainers", self.ground == Ground::Stands),
            ("Initialized", initialized),
            ("Ready", ready),
            ("ContainersReady", !finished && self.containers_ready()),
        ])
    }

    /// Keeps the times of transitions.
    pub(super) fn note_conditions(&mut self, now: Timestamp) {
        for (kind, holds) in self.facts() {
            let slot = self.conditions.entry(kind).or_insert((holds, now));
            if slot.0 != holds {
                *slot = (holds, now);
            }
        }
    }

    fn condition_rows(&self) -> Vec<PodCondition> {
        let old = self.pod.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        let unready: Vec<&str> = self
            .containers
            .iter()
            .filter(|c| c.turn == Turn::Main && !(c.is_running() && c.ready))
            .map(|c| c.spec.name.as_str())
            .collect();
        let mut rows = Vec::new();
        for kind in OWN {
            let Some((holds, since)) = self.conditions.get(kind) else { continue };
            let (reason, message) = match kind {
                _ if *holds => (None, None),
                "Ready" | "ContainersReady" if self.is_finished() => {
                    (Some("PodCompleted".to_owned()), None)
                }
                "Ready" | "ContainersReady" => (
                    Some("ContainersNotReady".to_owned()),
                    Some(format!("containers with unready status: [{}]", unready.join(" "))),
                ),
                "Initialized" => (Some("ContainersNotInitialized".to_owned()), None),
                _ => (None, None),
            };
            rows.push(condition(kind, *holds, *since, reason, message));
        }
        if !old.iter().any(|c| c.type_ == "PodScheduled") {
            rows.push(condition("PodScheduled", true, self.seen_at, None, None));
        }
        rows.extend(old.into_iter().filter(|c| !OWN.contains(&c.type_.as_str())));
        rows
    }

    /// Spec: Kubernetes, Pod Quality of Service Classes.
    fn qos_class(&self) -> &'static str {
        let limits_equal = |c: &Container| {
            let own = c.resources.clone().unwrap_or_default();
            let limits = own.limits.unwrap_or_default();
            let requests = own.requests.unwrap_or_else(|| limits.clone());
            ["cpu", "memory"].iter().all(|what| {
                let limit = limits.get(*what);
                limit.is_some() && requests.get(*what).or(limit) == limit
            })
        };
        let nothing = |c: &Container| {
            c.resources.as_ref().is_none_or(|r| {
                r.limits.as_ref().is_none_or(BTreeMap::is_empty)
                    && r.requests.as_ref().is_none_or(BTreeMap::is_empty)
            })
        };
        let mut all = self.containers.iter().map(|c| &c.spec);
        if self.containers.iter().map(|c| &c.spec).all(nothing) {
            "BestEffort"
        } else if all.all(limits_equal) {
            "Guaranteed"
        } else {
            "Burstable"
        }
    }
}

fn condition(
    kind: &str,
    holds: bool,
    since: Timestamp,
    reason: Option<String>,
    message: Option<String>,
) -> PodCondition {
    PodCondition {
        type_: kind.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        last_transition_time: Some(Time(since)),
        reason,
        message,
        ..PodCondition::default()
    }
}
