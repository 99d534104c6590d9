//! ReplicaSets: as many pods as they ask for.
//!
//! Spec: the replicaset controller of Kubernetes; pods that end are chosen as it chooses them.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kinds::core::{ObjectMeta, Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus, Time};
use serde_json::{Value, json};

use crate::seen::{
    Seen, by_controller, controller, created, is_at_rest, is_ready, name, namespace, owned_by,
    ready_condition, selects, uid,
};
use crate::{Note, Plan, Target, Write};

/// Most pods that are made or ended for one ReplicaSet at once.
const BURST: usize = 100;
/// Pods with less of this go first. Spec: KEP-2255.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Makes and ends pods, takes on orphans, and writes the status, of every ReplicaSet.
#[must_use]
pub fn step(seen: &Seen, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let pods = by_controller(&seen.pods, |pod| &pod.metadata);
    for set in seen.replica_sets.values() {
        let mine = pods.get(uid(&set.metadata)).map_or(&[][..], Vec::as_slice);
        if set.metadata.deletion_timestamp.is_none() {
            adopt(seen, set, &mut plan);
            manage(seen, set, mine, &mut plan);
        }
        report(seen, set, mine, now, &mut plan);
    }
    plan
}

fn target(set: &ReplicaSet) -> Target {
    Target::of("apps/v1", "ReplicaSet", &set.metadata)
}

/// Pods that the set selects and nobody controls become its own.
fn adopt(seen: &Seen, set: &ReplicaSet, plan: &mut Plan) {
    let Some(spec) = &set.spec else { return };
    for pod in in_namespace(seen, namespace(&set.metadata)) {
        let meta = &pod.metadata;
        let free = controller(meta).is_none() && meta.deletion_timestamp.is_none();
        if free && !is_at_rest(pod) && selects(&spec.selector, meta.labels.as_ref()) {
            plan.writes.push(adoption(Target::of("v1", "Pod", meta), meta, &target(set)));
        }
    }
}

/// The pods of one namespace.
pub(crate) fn in_namespace<'a>(
    seen: &'a Seen,
    namespace: &'a str,
) -> impl Iterator<Item = &'a Arc<Pod>> {
    seen.pods
        .range((namespace.to_owned(), String::new())..)
        .take_while(move |((here, _), _)| here == namespace)
        .map(|(_, pod)| pod)
}

/// The write by which an object gets a controller.
pub(crate) fn adoption(object: Target, meta: &ObjectMeta, owner: &Target) -> Write {
    let mut owners = meta.owner_references.clone().unwrap_or_default();
    owners.push(owned_by(owner));
    let patch = json!({"metadata": {
        "uid": meta.uid,
        "resourceVersion": meta.resource_version,
        "ownerReferences": owners,
    }});
    Write::patch(object, patch, None).by(owner.clone())
}

fn is_active(pod: &Pod) -> bool {
    !is_at_rest(pod) && pod.metadata.deletion_timestamp.is_none()
}

fn wanted(set: &ReplicaSet) -> usize {
    let replicas = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    usize::try_from(replicas).unwrap_or(0)
}

fn manage(seen: &Seen, set: &ReplicaSet, mine: &[&Arc<Pod>], plan: &mut Plan) {
    let mut active: Vec<&Pod> =
        mine.iter().map(|pod| pod.as_ref()).filter(|pod| is_active(pod)).collect();
    let wanted = wanted(set);
    if active.len() < wanted && seen.is_open(namespace(&set.metadata)) {
        let missing = (wanted - active.len()).min(BURST);
        plan.writes.extend((0..missing).map(|_| birth(set)));
    } else if active.len() > wanted {
        active.sort_by_key(|pod| preference(pod));
        let surplus = (active.len() - wanted).min(BURST);
        plan.writes.extend(active[..surplus].iter().map(|pod| end(set, pod)));
    }
}

/// The order in which pods are given up: the smallest first.
fn preference(pod: &Pod) -> impl Ord + use<> {
    let status = pod.status.as_ref();
    let bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let phase = match status.and_then(|status| status.phase.as_deref()) {
        Some("Pending") => 0,
        Some("Running") => 2,
        _ => 1,
    };
    let cost: i32 = pod
        .metadata
        .annotations
        .as_ref()
        .and_then(|notes| notes.get(DELETION_COST)?.parse().ok())
        .unwrap_or(0);
    let since = ready_condition(pod)
        .and_then(|condition| condition.last_transition_time.as_ref())
        .map(|time| time.0);
    let restarts = status
        .and_then(|status| status.container_statuses.as_ref())
        .and_then(|all| all.iter().map(|container| container.restart_count).max())
        .unwrap_or(0);
    (
        bound,
        phase,
        is_ready(pod),
        cost,
        Reverse(since),
        Reverse(restarts),
        Reverse(created(&pod.metadata)),
        name(&pod.metadata).to_owned(),
    )
}

fn birth(set: &ReplicaSet) -> Write {
    let owner = target(set);
    let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
    let mut meta = template.and_then(|template| template.metadata.clone()).unwrap_or_default();
    meta.creation_timestamp = None;
    meta.namespace = set.metadata.namespace.clone();
    meta.generate_name = Some(format!("{}-", owner.name));
    meta.owner_references = Some(vec![owned_by(&owner)]);
    let object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": template.and_then(|template| template.spec.as_ref()),
    });
    let note = note(&owner, "SuccessfulCreate", "Created pod: {}".to_owned());
    Write::create(object, owner).noted(note)
}

fn end(set: &ReplicaSet, pod: &Pod) -> Write {
    let owner = target(set);
    let message = format!("Deleted pod: {}", name(&pod.metadata));
    let note = note(&owner, "SuccessfulDelete", message);
    Write::delete(Target::of("v1", "Pod", &pod.metadata), owner).noted(note)
}

fn note(about: &Target, reason: &'static str, message: String) -> Note {
    Note {
        about: about.clone(),
        reason,
        message,
        component: "replicaset-controller",
        warning: false,
    }
}

/// Writes the status if it is another than the one that is there.
fn report(seen: &Seen, set: &ReplicaSet, mine: &[&Arc<Pod>], now: Timestamp, plan: &mut Plan) {
    let spec = set.spec.clone().unwrap_or_default();
    let patience = SignedDuration::from_secs(i64::from(spec.min_ready_seconds.unwrap_or(0)));
    let labels = spec.template.as_ref().and_then(|t| t.metadata.as_ref()?.labels.as_ref());
    let (mut all, mut labelled, mut ready, mut available) = (0, 0, 0, 0);
    for pod in mine.iter().filter(|pod| is_active(pod)) {
        all += 1;
        labelled += i32::from(labels.into_iter().flatten().all(|(key, value)| {
            pod.metadata.labels.as_ref().and_then(|labels| labels.get(key)) == Some(value)
        }));
        if !is_ready(pod) {
            continue;
        }
        ready += 1;
        let since = ready_condition(pod).and_then(|c| c.last_transition_time.as_ref());
        let free_at = since.map_or(now, |time| time.0) + patience;
        if patience.is_zero() || free_at <= now {
            available += 1;
        } else {
            plan.again_at(free_at);
        }
    }
    let old = set.status.clone().unwrap_or_default();
    let status = ReplicaSetStatus {
        replicas: all,
        fully_labeled_replicas: Some(labelled),
        ready_replicas: Some(ready),
        available_replicas: Some(available),
        observed_generation: set.metadata.generation,
        conditions: failure(seen, set, &old, now),
        terminating_replicas: old.terminating_replicas,
    };
    if !same(&old, &status) {
        let patch = json!({
            "metadata": {"uid": set.metadata.uid, "resourceVersion": set.metadata.resource_version},
            "status": full(&status),
        });
        plan.writes.push(Write::patch(target(set), patch, Some("status")));
    }
}

/// The status with zeroes and an empty list of conditions written out, so that a patch resets.
fn full(status: &ReplicaSetStatus) -> Value {
    let mut value = json!(status);
    if status.conditions.is_none() {
        value["conditions"] = Value::Null;
    }
    value
}

/// Whether two statuses say the same; what is absent counts as zero.
fn same(old: &ReplicaSetStatus, new: &ReplicaSetStatus) -> bool {
    let number = |value: Option<i32>| value.unwrap_or(0);
    old.replicas == new.replicas
        && number(old.fully_labeled_replicas) == number(new.fully_labeled_replicas)
        && number(old.ready_replicas) == number(new.ready_replicas)
        && number(old.available_replicas) == number(new.available_replicas)
        && old.observed_generation == new.observed_generation
        && old.conditions.clone().unwrap_or_default() == new.conditions.clone().unwrap_or_default()
}

/// The condition that says why pods could not be made or ended.
fn failure(
    seen: &Seen,
    set: &ReplicaSet,
    old: &ReplicaSetStatus,
    now: Timestamp,
) -> Option<Vec<ReplicaSetCondition>> {
    let message = seen.refusals.get(uid(&set.metadata))?;
    let kept = old.conditions.iter().flatten().find(|condition| {
        condition.type_ == "ReplicaFailure" && condition.message.as_ref() == Some(message)
    });
    Some(vec![kept.cloned().unwrap_or_else(|| ReplicaSetCondition {
        type_: "ReplicaFailure".to_owned(),
        status: "True".to_owned(),
        reason: Some("FailedCreate".to_owned()),
        message: Some(message.clone()),
        last_transition_time: Some(Time(now)),
    })])
}
