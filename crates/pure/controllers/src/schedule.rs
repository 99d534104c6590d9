//! Which node a pod runs on: the first that takes it. There is one in a mesh on one machine.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kinds::core::{Node, Pod, PodCondition, Time};
use serde_json::json;

use crate::seen::{Seen, name};
use crate::{Action, Note, Plan, Target, Write};

/// The scheduler that pods ask for unless they say otherwise.
const OWN: &str = "default-scheduler";

/// Binds every pod that has no node; says at each of the others why it has to wait.
#[must_use]
pub fn step(seen: &Seen, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for pod in seen.pods.values() {
        let Some(spec) = &pod.spec else { continue };
        let waits = spec.node_name.as_deref().unwrap_or_default().is_empty()
            && pod.metadata.deletion_timestamp.is_none()
            && spec.scheduler_name.as_deref().unwrap_or(OWN) == OWN
            && spec.scheduling_gates.as_deref().unwrap_or_default().is_empty();
        if !waits || seen.nodes.is_empty() {
            continue;
        }
        let target = Target::of("v1", "Pod", &pod.metadata);
        match choose(seen, pod) {
            Ok(node) => plan.writes.push(bind(target, node)),
            Err(why) => plan.writes.extend(refuse(target, pod, why, now)),
        }
    }
    plan
}

fn choose<'a>(seen: &'a Seen, pod: &Pod) -> Result<&'a str, String> {
    let wanted = pod.spec.as_ref().and_then(|spec| spec.node_selector.as_ref());
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for node in seen.nodes.values() {
        match obstacle(node, wanted) {
            None => return Ok(name(&node.metadata)),
            Some(reason) => *reasons.entry(reason).or_default() += 1,
        }
    }
    let each: Vec<String> =
        reasons.iter().map(|(reason, count)| format!("{count} node(s) {reason}")).collect();
    Err(format!("0/{} nodes are available: {}.", seen.nodes.len(), each.join(", ")))
}

fn obstacle(node: &Node, wanted: Option<&BTreeMap<String, String>>) -> Option<&'static str> {
    let labels = node.metadata.labels.as_ref();
    let fits = wanted
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value));
    let ready = node.status.as_ref().is_none_or(|status| {
        let ready = status.conditions.iter().flatten().find(|c| c.type_ == "Ready");
        ready.is_none_or(|condition| condition.status == "True")
    });
    if node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true) {
        Some("were unschedulable")
    } else if !ready {
        Some("had untolerated taint {node.kubernetes.io/not-ready: }")
    } else if !fits {
        Some("didn't match Pod's node affinity/selector")
    } else {
        None
    }
}

fn bind(target: Target, node: &str) -> Write {
    let message = format!("Successfully assigned {}/{} to {node}", target.namespace, target.name);
    let note = note(&target, "Scheduled", message, false);
    Write {
        owner: target.clone(),
        target,
        action: Action::Bind { node: node.to_owned() },
        note: Some(note),
    }
}

/// The condition that says why, unless it is there already.
fn refuse(target: Target, pod: &Pod, why: String, now: Timestamp) -> Option<Write> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.clone());
    let mut conditions = conditions.unwrap_or_default();
    let told = |c: &PodCondition| c.type_ == "PodScheduled" && c.message.as_ref() == Some(&why);
    if conditions.iter().any(told) {
        return None;
    }
    conditions.retain(|condition| condition.type_ != "PodScheduled");
    conditions.push(PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some("Unschedulable".to_owned()),
        message: Some(why.clone()),
        last_transition_time: Some(Time(now)),
        ..PodCondition::default()
    });
    let patch = json!({
        "metadata": {"uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version},
        "status": {"conditions": conditions},
    });
    let note = note(&target, "FailedScheduling", why, true);
    Some(Write::patch(target, patch, Some("status")).noted(note))
}

fn note(about: &Target, reason: &'static str, message: String, warning: bool) -> Note {
    Note { about: about.clone(), reason, message, component: OWN, warning }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;

    fn pod(spec: serde_json::Value) -> Stage {
        let mut stage = Stage::new();
        let meta = json!({"name": "p", "namespace": "default"});
        stage.put("v1", "Pod", json!({"metadata": meta, "spec": spec}));
        stage
    }

    #[test]
    fn a_pod_without_a_node_gets_one() {
        let mut stage = pod(json!({"containers": []}));
        let plan = step(&stage.seen, stage.now);
        assert_eq!(plan.writes[0].action, Action::Bind { node: "lateen".to_owned() });
        stage.carry_out(plan);
        assert!(step(&stage.seen, stage.now).writes.is_empty());
        assert_eq!(stage.notes, ["Scheduled: Successfully assigned default/p to lateen"]);
    }

    #[test]
    fn a_pod_that_no_node_takes_is_told_why_once() {
        let mut stage = pod(json!({"containers": [], "nodeSelector": {"disk": "fast"}}));
        let plan = step(&stage.seen, stage.now);
        stage.carry_out(plan);
        assert!(step(&stage.seen, stage.now).writes.is_empty());
        assert_eq!(
            stage.notes,
            [
                "FailedScheduling: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
            ]
        );
    }

    #[test]
    fn another_schedulers_pod_is_left_alone() {
        let stage = pod(json!({"containers": [], "schedulerName": "mine"}));
        assert!(step(&stage.seen, stage.now).writes.is_empty());
    }
}
