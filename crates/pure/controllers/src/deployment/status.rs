//! What a Deployment says about itself; `kubectl rollout status` reads nothing else.

use jiff::{SignedDuration, Timestamp};
use kinds::core::{DeploymentCondition, DeploymentStatus, Time};
use serde_json::{Value, json};

use super::{Case, available};
use crate::seen::name;
use crate::{Plan, Write};

const AVAILABLE: &str = "Available";
const PROGRESSING: &str = "Progressing";
const FAILURE: &str = "ReplicaFailure";

impl Case<'_> {
    /// Whether every pod is of the present template, and serves.
    pub(super) fn is_complete(&self) -> bool {
        is_complete(&self.counts(), self.desired)
    }

    fn counts(&self) -> DeploymentStatus {
        let sum = |number: fn(&kinds::core::ReplicaSetStatus) -> i32| -> i32 {
            self.all().filter_map(|set| set.status.as_ref()).map(number).sum()
        };
        let all: i32 = sum(|status| status.replicas);
        let serving: i32 = self.all().map(|set| available(set)).sum();
        let updated = self.new.and_then(|set| set.status.as_ref()).map_or(0, |s| s.replicas);
        let wanted: i32 = self.all().map(|set| super::replicas(set)).sum();
        let old = self.deployment.status.clone().unwrap_or_default();
        DeploymentStatus {
            replicas: Some(all),
            updated_replicas: Some(updated),
            ready_replicas: Some(sum(|status| status.ready_replicas.unwrap_or(0))),
            available_replicas: Some(serving),
            unavailable_replicas: Some((wanted.max(self.desired) - serving).max(0)),
            observed_generation: self.deployment.metadata.generation,
            collision_count: old.collision_count,
            conditions: old.conditions,
            terminating_replicas: old.terminating_replicas,
        }
    }

    /// Writes the status if it is another than the one that is there.
    pub(super) fn report(&self, now: Timestamp, plan: &mut Plan) {
        let old = self.deployment.status.clone().unwrap_or_default();
        let mut status = self.counts();
        let mut conditions = status.conditions.take().unwrap_or_default();
        let least = self.desired - self.max_unavailable;
        let serving = status.available_replicas.unwrap_or(0);
        let told = if serving >= least {
            condition(
                AVAILABLE,
                "True",
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
            )
        } else {
            condition(
                AVAILABLE,
                "False",
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            )
        };
        put(&mut conditions, told, now, false);
        self.failure(&mut conditions, now);
        self.progress(&old, &status, &mut conditions, now, plan);
        status.conditions = Some(conditions);
        if !same(&old, &status) {
            let meta = &self.deployment.metadata;
            let patch = json!({
                "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version},
                "status": written(&status),
            });
            plan.writes.push(Write::patch(self.target(), patch, Some("status")));
        }
    }

    /// The failure of a ReplicaSet is the Deployment's.
    fn failure(&self, conditions: &mut Vec<DeploymentCondition>, now: Timestamp) {
        let failed = self.new.into_iter().chain(self.old.iter().copied()).find_map(|set| {
            let conditions = set.status.as_ref()?.conditions.as_ref()?;
            conditions.iter().find(|c| c.type_ == FAILURE && c.status == "True")
        });
        match failed {
            Some(failed) => {
                let reason = failed.reason.as_deref().unwrap_or("FailedCreate");
                let message = failed.message.as_deref().unwrap_or_default();
                put(conditions, condition(FAILURE, "True", reason, message), now, false);
            }
            None => conditions.retain(|condition| condition.type_ != FAILURE),
        }
    }

    fn progress(
        &self,
        old: &DeploymentStatus,
        status: &DeploymentStatus,
        conditions: &mut Vec<DeploymentCondition>,
        now: Timestamp,
        plan: &mut Plan,
    ) {
        if self.is_paused() {
            let told =
                condition(PROGRESSING, "Unknown", "DeploymentPaused", "Deployment is paused");
            return put(conditions, told, now, false);
        }
        let last = conditions.iter().find(|c| c.type_ == PROGRESSING).cloned();
        let was = last.as_ref().and_then(|condition| condition.reason.as_deref());
        let set = self.new.map_or_else(
            || format!("Deployment {:?}", name(&self.deployment.metadata)),
            |set| format!("ReplicaSet {:?}", name(&set.metadata)),
        );
        if is_complete(status, self.desired) && self.new.is_some() {
            let message = format!("{set} has successfully progressed.");
            let told = condition(PROGRESSING, "True", "NewReplicaSetAvailable", &message);
            return put(conditions, told, now, false);
        }
        let moved = has_progressed(old, status)
            || matches!(was, None | Some("DeploymentPaused" | "NewReplicaSetAvailable"))
            || old.observed_generation != status.observed_generation;
        if moved {
            let message = format!("{set} is progressing.");
            put(
                conditions,
                condition(PROGRESSING, "True", "ReplicaSetUpdated", &message),
                now,
                true,
            );
        }
        let Some(deadline) = self.spec.progress_deadline_seconds.filter(|s| *s < i32::MAX) else {
            return;
        };
        let since =
            if moved { None } else { last.as_ref().and_then(|c| c.last_update_time.clone()) };
        let until =
            since.map_or(now, |time| time.0) + SignedDuration::from_secs(i64::from(deadline));
        if until > now {
            plan.again_at(until);
        } else if was != Some("ProgressDeadlineExceeded") {
            let message = format!("{set} has timed out progressing.");
            let told = condition(PROGRESSING, "False", "ProgressDeadlineExceeded", &message);
            put(conditions, told, now, false);
        }
    }
}

fn is_complete(status: &DeploymentStatus, desired: i32) -> bool {
    status.updated_replicas == Some(desired)
        && status.replicas == Some(desired)
        && status.available_replicas == Some(desired)
}

/// Whether pods of the new template came, went or served, or old ones left.
fn has_progressed(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let number = |value: Option<i32>| value.unwrap_or(0);
    let rest =
        |status: &DeploymentStatus| number(status.replicas) - number(status.updated_replicas);
    number(new.updated_replicas) > number(old.updated_replicas)
        || rest(new) < rest(old)
        || number(new.ready_replicas) > number(old.ready_replicas)
        || number(new.available_replicas) > number(old.available_replicas)
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_update_time: None,
        last_transition_time: None,
    }
}

/// Sets a condition; its times move only if it says something new, or `touch` asks for it.
fn put(
    conditions: &mut Vec<DeploymentCondition>,
    mut told: DeploymentCondition,
    now: Timestamp,
    touch: bool,
) {
    let position = conditions.iter().position(|condition| condition.type_ == told.type_);
    let Some(position) = position else {
        told.last_update_time = Some(Time(now));
        told.last_transition_time = Some(Time(now));
        conditions.push(told);
        return;
    };
    let kept = &mut conditions[position];
    let says_the_same =
        kept.status == told.status && kept.reason == told.reason && kept.message == told.message;
    if says_the_same && !touch {
        return;
    }
    told.last_update_time = Some(Time(now));
    told.last_transition_time =
        if kept.status == told.status { kept.last_transition_time.take() } else { Some(Time(now)) };
    *kept = told;
}

/// Whether two statuses say the same; what is absent counts as zero. Times of conditions alone,
/// which the server keeps to the second, are no news.
fn same(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let numbers = |s: &DeploymentStatus| {
        [
            s.replicas,
            s.updated_replicas,
            s.ready_replicas,
            s.available_replicas,
            s.unavailable_replicas,
            s.collision_count,
        ]
        .map(|value| value.unwrap_or(0))
    };
    let conditions =
        |s: &DeploymentStatus| -> Vec<(String, String, Option<String>, Option<String>)> {
            let each = s.conditions.iter().flatten();
            each.map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone(), c.message.clone()))
                .collect()
        };
    numbers(old) == numbers(new)
        && old.observed_generation == new.observed_generation
        && conditions(old) == conditions(new)
}

/// The status as Kubernetes writes it: counts of zero are absent, so a patch takes them away.
fn written(status: &DeploymentStatus) -> Value {
    let mut value = json!(status);
    for field in
        ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"]
    {
        if value[field] == 0 {
            value[field] = Value::Null;
        }
    }
    value
}
