//! Lives of pods as scripts: at a time something is seen, and these things are to be done.

use super::{Do, Life, ProbeKind, Seen, Settings};
use jiff::{SignedDuration, Timestamp};
use kinds::core::Pod;
use serde_json::{Value, json};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + millis).unwrap()
}

fn pod(spec: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": spec
    }))
    .unwrap()
}

/// A life under test, and what it wanted so far.
struct Stage {
    life: Life,
}

impl Stage {
    fn new(spec: Value) -> Stage {
        Stage::of(pod(spec))
    }

    fn of(pod: Pod) -> Stage {
        let mut life = Life::new(pod.clone(), Settings::default(), at(0));
        life.on_pod(pod, at(0));
        Stage { life }
    }

    fn told(&mut self) -> Vec<String> {
        let word = |action: Do| match action {
            Do::SetUp => "set up".to_owned(),
            Do::Start { container, restarts } => format!("start {container} {restarts}"),
            Do::Probe { container, probe } => format!("probe {container} {probe:?}"),
            Do::PreStop { container } => format!("prestop {container}"),
            Do::Signal { container, kill: false } => format!("term {container}"),
            Do::Signal { container, kill: true } => format!("kill {container}"),
            Do::Withdraw => "withdraw".to_owned(),
            Do::TearDown => "tear down".to_owned(),
            Do::Delete => "delete".to_owned(),
            Do::Say(notice) => format!("say {}", notice.reason),
        };
        self.life.take().into_iter().map(word).collect()
    }

    #[track_caller]
    fn expect(&mut self, expected: &[&str]) {
        let told: Vec<String> =
            self.told().into_iter().filter(|t| !t.starts_with("say ")).collect();
        assert_eq!(told, expected);
    }

    fn see(&mut self, millis: i64, seen: Seen) {
        self.life.on_seen(seen, at(millis));
    }

    fn up(&mut self, millis: i64) {
        self.see(millis, Seen::Ready { ip: "10.244.0.9".into() });
    }

    fn started(&mut self, millis: i64, name: &str) {
        self.see(millis, Seen::Started { container: name.into() });
    }

    fn exited(&mut self, millis: i64, name: &str, code: i32) {
        self.see(millis, Seen::Exited { container: name.into(), code, signal: None });
    }

    fn probed(&mut self, millis: i64, name: &str, probe: ProbeKind, ok: bool) {
        let outcome = if ok { Ok(()) } else { Err("no".to_owned()) };
        self.see(millis, Seen::Probed { container: name.into(), probe, outcome });
    }

    fn delete(&mut self, millis: i64, grace: i64) {
        let mut pod = self.life.pod.clone();
        pod.metadata.deletion_timestamp =
            Some(kinds::core::Time(at(millis) + SignedDuration::from_secs(grace)));
        pod.metadata.deletion_grace_period_seconds = Some(grace);
        self.life.on_pod(pod, at(millis));
    }

    /// Phase, and the state of the first container: `Running waiting:CrashLoopBackOff 2`.
    fn summary(&self) -> String {
        let status = serde_json::to_value(self.life.status()).unwrap();
        let row = &status["containerStatuses"][0];
        let (kind, state) = row["state"].as_object().unwrap().iter().next().unwrap();
        let reason = state["reason"].as_str().map(|r| format!(":{r}")).unwrap_or_default();
        let phase = status["phase"].as_str().unwrap();
        format!("{phase} {kind}{reason} {}", row["restartCount"])
    }

    fn condition(&self, kind: &str) -> String {
        let rows = self.life.status().conditions.unwrap();
        rows.into_iter().find(|c| c.type_ == kind).unwrap().status
    }
}

#[test]
fn init_containers_come_in_turn_then_all_others_at_once() {
    let mut s = Stage::new(json!({
        "initContainers": [{"name": "i1"}, {"name": "i2"}],
        "containers": [{"name": "a"}, {"name": "b"}]
    }));
    s.expect(&["set up"]);
    s.up(1);
    s.expect(&["start i1 0"]);
    s.started(2, "i1");
    s.exited(3, "i1", 0);
    s.expect(&["start i2 0"]);
    s.started(4, "i2");
    assert_eq!(s.summary(), "Pending waiting:PodInitializing 0");
    assert_eq!(s.condition("Initialized"), "False");
    s.exited(5, "i2", 0);
    s.expect(&["start a 0", "start b 0"]);
    s.started(6, "a");
    assert_eq!(s.condition("Ready"), "False");
    s.started(6, "b");
    assert_eq!(s.summary(), "Running running 0");
    for kind in ["Initialized", "Ready", "ContainersReady", "PodScheduled"] {
        assert_eq!(s.condition(kind), "True", "{kind}");
    }
}

#[test]
fn a_failing_init_container_is_tried_again_and_with_never_fails_the_pod() {
    let spec = |policy: &str| json!({"restartPolicy": policy, "initContainers": [{"name": "i"}], "containers": [{"name": "a"}]});
    let mut s = Stage::new(spec("Always"));
    s.up(1);
    s.started(2, "i");
    s.exited(3, "i", 1);
    s.expect(&["set up", "start i 0", "start i 1"]);
    let mut s = Stage::new(spec("Never"));
    s.up(1);
    s.started(2, "i");
    s.exited(3, "i", 1);
    s.expect(&["set up", "start i 0", "tear down"]);
    assert_eq!(s.life.status().phase.as_deref(), Some("Failed"));
}

#[test]
fn the_first_restart_is_at_once_then_ten_seconds_doubling_to_five_minutes() {
    let mut s = Stage::new(json!({"containers": [{"name": "a"}]}));
    s.up(0);
    s.expect(&["set up", "start a 0"]);
    let (mut now, mut waits) = (0, Vec::new());
    for _ in 0..8 {
        s.started(now, "a");
        s.exited(now, "a", 1);
        let wait = match s.told().iter().any(|t| t.starts_with("start")) {
            true => 0,
            false => {
                assert!(s.summary().contains("waiting:CrashLoopBackOff"), "{}", s.summary());
                let wake = s.life.next_wake().unwrap();
                let wait = wake.duration_since(at(now)).as_secs();
                now += wait * 1000;
                s.life.on_wake(at(now));
                assert!(s.told().iter().any(|t| t.starts_with("start")));
                wait
            }
        };
        waits.push(wait);
    }
    assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    // Ten good minutes, and all is forgiven.
    s.started(now, "a");
    s.exited(now + 600_000, "a", 1);
    s.expect(&["start a 9"]);
}

#[test]
fn policies_say_who_restarts_and_what_the_pod_becomes() {
    for (policy, code, restarts, phase) in [
        ("Always", 0, true, "Running"),
        ("OnFailure", 0, false, "Succeeded"),
        ("OnFailure", 2, true, "Running"),
        ("Never", 0, false, "Succeeded"),
        ("Never", 2, false, "Failed"),
    ] {
        let mut s = Stage::new(json!({"restartPolicy": policy, "containers": [{"name": "a"}]}));
        s.up(0);
        s.started(1, "a");
        s.told();
        s.exited(2, "a", code);
        let told = s.told();
        assert_eq!(told.contains(&"start a 1".to_owned()), restarts, "{policy} {code}");
        assert_eq!(told.contains(&"tear down".to_owned()), !restarts, "{policy} {code}");
        assert_eq!(s.life.status().phase.as_deref(), Some(phase), "{policy} {code}");
    }
}

#[test]
fn a_startup_probe_holds_the_others_back() {
    let probe = json!({"tcpSocket": {"port": 1}, "periodSeconds": 5});
    let mut s = Stage::new(json!({"containers": [
        {"name": "a", "startupProbe": probe, "livenessProbe": probe, "readinessProbe": probe}]}));
    s.up(0);
    s.started(0, "a");
    s.expect(&["set up", "start a 0", "probe a Startup"]);
    s.probed(1, "a", ProbeKind::Startup, true);
    s.expect(&["probe a Liveness", "probe a Readiness"]);
    s.probed(2, "a", ProbeKind::Readiness, true);
    assert_eq!(s.condition("Ready"), "True");
    let row = &s.life.status().container_statuses.unwrap()[0];
    assert_eq!((row.ready, row.started), (true, Some(true)));
}

#[test]
fn a_container_that_fails_its_liveness_probe_is_stopped_and_starts_again() {
    let mut s = Stage::new(json!({"terminationGracePeriodSeconds": 3, "containers": [{"name": "a",
        "livenessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1},
        "readinessProbe": {"tcpSocket": {"port": 1}}}]}));
    s.up(0);
    s.started(0, "a");
    s.probed(1, "a", ProbeKind::Readiness, true);
    s.told();
    s.probed(2, "a", ProbeKind::Liveness, false);
    assert_eq!(s.told(), ["say Killing", "term a", "say Unhealthy"]);
    s.life.on_wake(at(3002));
    s.expect(&["kill a"]);
    s.exited(3003, "a", 137);
    s.expect(&["start a 1"]);
    assert_eq!(s.condition("Ready"), "False");
}

#[test]
fn readiness_comes_and_goes() {
    let mut s = Stage::new(json!({"containers": [{"name": "a",
        "readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 2}}]}));
    s.up(0);
    s.started(0, "a");
    for (now, ok, ready) in
        [(0, true, "True"), (1000, false, "True"), (2000, false, "False"), (3000, true, "True")]
    {
        s.life.on_wake(at(now));
        s.probed(now, "a", ProbeKind::Readiness, ok);
        assert_eq!(s.condition("Ready"), ready, "{now}");
    }
}

#[test]
fn the_sidecar_stops_when_the_applications_are_gone() {
    let mut s = Stage::new(json!({"containers": [
        {"name": "istio-proxy"},
        {"name": "a", "lifecycle": {"preStop": {"exec": {"command": ["x"]}}}},
        {"name": "b"}]}));
    s.up(0);
    for name in ["istio-proxy", "a", "b"] {
        s.started(1, name);
    }
    s.told();
    s.delete(10, 30);
    s.expect(&["withdraw"]);
    s.see(11, Seen::Withdrawn);
    s.expect(&["prestop a", "term b"]);
    s.exited(12, "b", 0);
    s.see(13, Seen::PreStopped { container: "a".into() });
    s.expect(&["term a"]);
    s.exited(14, "a", 143);
    s.expect(&["term istio-proxy"]);
    s.exited(15, "istio-proxy", 0);
    s.expect(&["tear down"]);
    s.see(16, Seen::TornDown);
    s.expect(&["delete"]);
    assert!(s.life.is_over());
}

#[test]
fn who_does_not_stop_in_time_is_killed() {
    let mut s = Stage::new(json!({"containers": [{"name": "a"}]}));
    s.up(0);
    s.started(1, "a");
    s.told();
    s.delete(0, 2);
    s.see(1, Seen::Withdrawn);
    s.expect(&["withdraw", "term a"]);
    let wake = s.life.next_wake().unwrap();
    assert!(wake <= at(4000), "{wake}");
    s.life.on_wake(wake);
    s.expect(&["kill a"]);
}

#[test]
fn a_pod_that_never_ran_is_deleted_at_once() {
    let mut s = Stage::new(json!({"containers": [{"name": "a"}]}));
    s.expect(&["set up"]);
    s.see(1, Seen::NotReady { reason: "FailedMount".into(), message: "no".into() });
    s.delete(2, 30);
    s.expect(&["delete"]);
}

#[test]
fn what_is_being_made_is_awaited_before_it_is_taken_away() {
    let mut s = Stage::new(json!({"containers": [{"name": "a"}]}));
    s.expect(&["set up"]);
    s.delete(1, 30);
    s.expect(&[]);
    s.up(2);
    s.expect(&["tear down"]);
    s.see(3, Seen::TornDown);
    s.expect(&["delete"]);
}

#[test]
fn a_container_that_starts_while_the_pod_ends_is_stopped() {
    let mut s = Stage::new(json!({"containers": [{"name": "a"}]}));
    s.up(0);
    s.expect(&["set up", "start a 0"]);
    s.delete(1, 30);
    s.expect(&[]);
    s.started(2, "a");
    s.expect(&["term a"]);
}

#[test]
fn an_object_removed_by_force_takes_everything_with_it() {
    let mut s = Stage::new(json!({"containers": [{"name": "a"}, {"name": "istio-proxy"}]}));
    s.up(0);
    s.started(0, "a");
    s.started(0, "istio-proxy");
    s.told();
    s.life.on_removed(at(1));
    s.expect(&["kill a"]);
    s.exited(2, "a", 137);
    s.expect(&["kill istio-proxy"]);
    s.exited(3, "istio-proxy", 137);
    s.see(4, Seen::TornDown);
    s.expect(&["tear down"]);
    assert!(s.life.is_over());
}

#[test]
fn an_image_that_cannot_be_played_waits_and_heals() {
    let mut s = Stage::new(json!({"containers": [{"name": "a", "image": "x"}]}));
    s.up(0);
    s.told();
    let (container, message) = ("a".to_owned(), "unknown".to_owned());
    s.see(1, Seen::Refused { container, reason: "ErrImagePull".into(), message });
    assert_eq!(s.told(), ["say Failed", "say Failed"]);
    assert_eq!(s.summary(), "Pending waiting:ErrImagePull 0");
    s.see(2, Seen::LookAgain);
    s.expect(&["start a 0"]);
}

#[test]
fn after_the_node_was_killed_containers_start_again_and_count_it() {
    let status = |policy: &str, phase: &str| -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"restartPolicy": policy, "containers": [{"name": "a"}]},
            "status": {"phase": phase, "containerStatuses": [{"name": "a", "image": "x",
                "imageID": "x", "ready": true, "restartCount": 4,
                "state": {"running": {"startedAt": "2023-01-01T00:00:00Z"}}}]}
        }))
        .unwrap()
    };
    let mut s = Stage::of(status("Always", "Running"));
    s.up(1);
    s.expect(&["set up", "start a 5"]);
    s.started(2, "a");
    let row = &s.life.status().container_statuses.unwrap()[0];
    let last = row.last_state.clone().unwrap().terminated.unwrap();
    assert_eq!((row.restart_count, last.exit_code), (5, 137));

    let mut s = Stage::of(status("Never", "Running"));
    s.expect(&[]);
    assert_eq!(s.life.status().phase.as_deref(), Some("Failed"));

    let mut s = Stage::of(status("Always", "Succeeded"));
    s.expect(&[]);
    s.delete(5, 30);
    s.expect(&["delete"]);
}

#[test]
fn a_helper_starts_in_turn_and_stays() {
    let mut s = Stage::new(json!({
        "initContainers": [{"name": "h", "restartPolicy": "Always"}, {"name": "i"}],
        "containers": [{"name": "a"}]}));
    s.up(0);
    s.expect(&["set up", "start h 0"]);
    s.started(1, "h");
    s.expect(&["start i 0"]);
    s.started(2, "i");
    s.exited(3, "i", 0);
    s.expect(&["start a 0"]);
    s.started(4, "a");
    assert_eq!(s.condition("Ready"), "True");
    s.exited(5, "h", 1);
    s.expect(&["start h 1"]);
}
