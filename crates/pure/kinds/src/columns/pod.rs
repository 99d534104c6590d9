//! Columns of pods, and the word that stands under STATUS.

use jiff::Timestamp;
use objects::Column;
use serde_json::Value;

use super::{AGE, NAME, NONE, col, or_none, since, wide};
use crate::view::{at, flag, has, int, list, text};

/// NAME READY STATUS RESTARTS AGE, and where it runs.
pub(crate) const POD: &[Column] = &[
    NAME,
    col("Ready", |pod, _| {
        let summary = summary(pod);
        format!("{}/{}", summary.ready, summary.containers).into()
    }),
    col("Status", |pod, _| summary(pod).status.into()),
    col("Restarts", |pod, now| {
        let summary = summary(pod);
        match summary.last_restart {
            Some(at) if summary.restarts > 0 => {
                format!("{} ({} ago)", summary.restarts, since(at, now)).into()
            }
            _ => summary.restarts.to_string().into(),
        }
    }),
    AGE,
    wide("IP", |pod, _| match list(pod, "status.podIPs") {
        [first, ..] => or_none(text(first, "ip")),
        [] => or_none(text(pod, "status.podIP")),
    }),
    wide("Node", |pod, _| or_none(text(pod, "spec.nodeName"))),
    wide("Nominated Node", |pod, _| or_none(text(pod, "status.nominatedNodeName"))),
    wide("Readiness Gates", |pod, _: Timestamp| readiness_gates(pod)),
];

/// What the columns of a pod are made of.
struct Summary<'a> {
    ready: usize,
    containers: usize,
    restarts: i64,
    last_restart: Option<&'a str>,
    status: String,
}

fn readiness_gates(pod: &Value) -> Value {
    let gates = list(pod, "spec.readinessGates");
    if gates.is_empty() {
        return NONE.into();
    }
    let met = gates
        .iter()
        .filter(|gate| {
            list(pod, "status.conditions").iter().any(|condition| {
                text(condition, "type") == text(gate, "conditionType")
                    && text(condition, "status") == "True"
            })
        })
        .count();
    format!("{met}/{}", gates.len()).into()
}

fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    list(pod, "status.conditions").iter().find(|condition| text(condition, "type") == kind)
}

/// Whether an init container stays beside the others (a sidecar in Kubernetes' sense).
fn stays(pod: &Value, name: &str) -> bool {
    list(pod, "spec.initContainers")
        .iter()
        .any(|c| text(c, "name") == name && text(c, "restartPolicy") == "Always")
}

/// Spec: `printPod` of kube-apiserver.
fn summary(pod: &Value) -> Summary<'_> {
    let phase = text(pod, "status.phase");
    let why = text(pod, "status.reason");
    let mut status = if why.is_empty() { phase } else { why }.to_owned();
    if let Some(scheduled) = condition(pod, "PodScheduled")
        && text(scheduled, "reason") == "SchedulingGated"
    {
        status = "SchedulingGated".to_owned();
    }
    let stayers = list(pod, "spec.initContainers")
        .iter()
        .filter(|c| text(c, "restartPolicy") == "Always")
        .count();
    let mut summary = Summary {
        ready: 0,
        containers: list(pod, "spec.containers").len() + stayers,
        restarts: 0,
        last_restart: None,
        status,
    };
    let stayer_restarts = initialise(pod, &mut summary);
    let initialised = condition(pod, "Initialized").is_some_and(|c| text(c, "status") == "True");
    if stayer_restarts.1 || initialised {
        let last = summary.last_restart.filter(|_| stayer_restarts.0 > 0);
        summary.restarts = stayer_restarts.0;
        summary.last_restart = last;
        run(pod, &mut summary);
    }
    if has(pod, "metadata.deletionTimestamp") {
        if why == "NodeLost" {
            summary.status = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            summary.status = "Terminating".to_owned();
        }
    }
    summary
}

/// Reads the init containers: restarts of those that stay, and whether all is through.
fn initialise<'a>(pod: &'a Value, summary: &mut Summary<'a>) -> (i64, bool) {
    let mut stayer_restarts = 0;
    for (idx, container) in list(pod, "status.initContainerStatuses").iter().enumerate() {
        count_restarts(container, summary);
        let stays = stays(pod, text(container, "name"));
        if stays {
            stayer_restarts += int(container, "restartCount");
        }
        let ended = at(container, "state.terminated");
        let waiting = text(container, "state.waiting.reason");
        if !ended.is_null() && int(ended, "exitCode") == 0 {
            continue;
        }
        if stays && flag(container, "started") {
            summary.ready += usize::from(flag(container, "ready"));
            continue;
        }
        summary.status = if !ended.is_null() {
            format!("Init:{}", ending(ended))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{idx}/{}", list(pod, "spec.initContainers").len())
        };
        return (stayer_restarts, false);
    }
    (stayer_restarts, true)
}

/// Reads the containers, the last first, so that the first has the last word.
fn run<'a>(pod: &'a Value, summary: &mut Summary<'a>) {
    let mut running = false;
    for container in list(pod, "status.containerStatuses").iter().rev() {
        count_restarts(container, summary);
        let ended = at(container, "state.terminated");
        let waiting = text(container, "state.waiting.reason");
        if !waiting.is_empty() {
            waiting.clone_into(&mut summary.status);
        } else if !ended.is_null() {
            summary.status = ending(ended);
        } else if flag(container, "ready") && has(container, "state.running") {
            running = true;
            summary.ready += 1;
        }
    }
    if summary.status == "Completed" && running {
        let ready = condition(pod, "Ready").is_some_and(|c| text(c, "status") == "True");
        summary.status = if ready { "Running" } else { "NotReady" }.to_owned();
    }
}

fn count_restarts<'a>(container: &'a Value, summary: &mut Summary<'a>) {
    summary.restarts += int(container, "restartCount");
    let ended = text(container, "lastState.terminated.finishedAt");
    if !ended.is_empty() && summary.last_restart.is_none_or(|last| last < ended) {
        summary.last_restart = Some(ended);
    }
}

/// How a container ended: the reason, else the signal, else the exit code.
fn ending(ended: &Value) -> String {
    match (text(ended, "reason"), int(ended, "signal")) {
        ("", 0) => format!("ExitCode:{}", int(ended, "exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cells(pod: &Value) -> Vec<String> {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        POD[1..4].iter().map(|c| (c.cell)(pod, now).as_str().unwrap().to_owned()).collect()
    }

    fn pod(phase: &str, containers: Value) -> Value {
        json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "a"}, {"name": "b"}]},
            "status": {"phase": phase, "containerStatuses": containers},
        })
    }

    #[test]
    fn the_status_is_the_word_that_kubernetes_prints() {
        let up = json!({"name": "a", "ready": true, "state": {"running": {}}});
        let back_off = json!({"name": "b", "restartCount": 3, "ready": false,
            "lastState": {"terminated": {"finishedAt": "2026-01-01T00:05:00Z"}},
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        let done =
            json!({"name": "b", "state": {"terminated": {"reason": "Completed", "exitCode": 0}}});
        let killed = json!({"name": "b", "state": {"terminated": {"signal": 9, "exitCode": 137}}});
        for (phase, containers, expected) in [
            ("Pending", json!([]), ["0/2", "Pending", "0"]),
            ("Running", json!([up, up]), ["2/2", "Running", "0"]),
            ("Running", json!([up, back_off]), ["1/2", "CrashLoopBackOff", "3 (5m ago)"]),
            ("Succeeded", json!([done, done]), ["0/2", "Completed", "0"]),
            ("Running", json!([up, done]), ["1/2", "NotReady", "0"]),
            ("Failed", json!([killed]), ["0/2", "Signal:9", "0"]),
        ] {
            assert_eq!(cells(&pod(phase, containers)), expected);
        }
    }

    #[test]
    fn init_containers_come_first() {
        let mut object =
            pod("Pending", json!([{"state": {"waiting": {"reason": "PodInitializing"}}}]));
        object["spec"]["initContainers"] = json!([{"name": "x"}, {"name": "y"}]);
        object["status"]["initContainerStatuses"] = json!([
            {"name": "x", "state": {"terminated": {"exitCode": 0}}},
            {"name": "y", "state": {"running": {}}},
        ]);
        assert_eq!(cells(&object), ["0/2", "Init:1/2", "0"]);
        object["status"]["initContainerStatuses"][1] =
            json!({"name": "y", "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        assert_eq!(cells(&object), ["0/2", "Init:CrashLoopBackOff", "0"]);
        object["status"]["initContainerStatuses"][1] =
            json!({"name": "y", "state": {"terminated": {"exitCode": 0}}});
        assert_eq!(cells(&object), ["0/2", "PodInitializing", "0"]);
    }

    #[test]
    fn a_deleted_pod_is_terminating_until_it_is_at_rest() {
        let mut object = pod("Running", json!([]));
        object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(cells(&object)[1], "Terminating");
        object["status"]["phase"] = "Failed".into();
        assert_eq!(cells(&object)[1], "Failed");
    }
}
