//! Deployments: from one set of pods to the next, never with fewer than was promised.
//!
//! Spec: the deployment controller of Kubernetes. A Deployment moves by the numbers of its
//! ReplicaSets alone: at each step the new one grows as far as `maxSurge` lets it, and the old
//! ones shrink as far as `maxUnavailable` lets them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kinds::core::{Deployment, DeploymentSpec, IntOrString, ObjectMeta, ReplicaSet};
use kinds::words;
use serde_json::{Value, json};

use crate::seen::{
    Seen, by_controller, controller, created, is_at_rest, is_same_template, name, namespace,
    owned_by, selects, uid,
};
use crate::{Note, Plan, Target, Write, replicaset};

mod revision;
mod rolling;
mod status;

pub use revision::hash;

/// The label that tells the pods of one revision from those of another.
pub const HASH_LABEL: &str = "pod-template-hash";
/// The annotation with the number of a revision, on the Deployment and on its ReplicaSets.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Annotations of a ReplicaSet with what its Deployment asked for when it was last written.
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";

/// Moves every Deployment one step, and writes its status.
#[must_use]
pub fn step(seen: &Seen, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let sets = by_controller(&seen.replica_sets, |set| &set.metadata);
    for deployment in seen.deployments.values() {
        let mine = sets.get(uid(&deployment.metadata)).cloned().unwrap_or_default();
        let Some(case) = Case::of(deployment, mine) else { continue };
        if deployment.metadata.deletion_timestamp.is_none() {
            case.adopt(seen, &mut plan);
            case.advance(seen, &mut plan);
        }
        // A write to the object itself makes its version another: its status can wait for that.
        let itself = case.target();
        if !plan.writes.iter().any(|write| write.target == itself) {
            case.report(now, &mut plan);
        }
    }
    plan
}

/// One Deployment with its ReplicaSets, and the numbers that follow from its specification.
struct Case<'a> {
    deployment: &'a Deployment,
    spec: &'a DeploymentSpec,
    /// The ReplicaSet of the present template, if it is there.
    new: Option<&'a Arc<ReplicaSet>>,
    /// All others, the oldest first.
    old: Vec<&'a Arc<ReplicaSet>>,
    desired: i32,
    max_surge: i32,
    max_unavailable: i32,
}

impl<'a> Case<'a> {
    fn of(deployment: &'a Deployment, mut sets: Vec<&'a Arc<ReplicaSet>>) -> Option<Self> {
        let spec = deployment.spec.as_ref()?;
        sets.sort_by_key(|set| (created(&set.metadata), name(&set.metadata).to_owned()));
        let position = sets.iter().position(|set| {
            let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
            template.is_some_and(|template| is_same_template(template, &spec.template))
        });
        let new = position.map(|position| sets.remove(position));
        let desired = spec.replicas.unwrap_or(1).max(0);
        let (max_surge, max_unavailable) = limits(spec, desired);
        Some(Self { deployment, spec, new, old: sets, desired, max_surge, max_unavailable })
    }

    fn target(&self) -> Target {
        Target::of("apps/v1", "Deployment", &self.deployment.metadata)
    }

    fn recreates(&self) -> bool {
        kind_of(self.spec) == "Recreate"
    }

    fn is_paused(&self) -> bool {
        self.spec.paused == Some(true)
    }

    fn all(&self) -> impl Iterator<Item = &'a Arc<ReplicaSet>> {
        self.old.iter().copied().chain(self.new)
    }

    /// ReplicaSets that it selects and nobody controls become its own.
    fn adopt(&self, seen: &Seen, plan: &mut Plan) {
        let here = namespace(&self.deployment.metadata);
        let sets = seen
            .replica_sets
            .range((here.to_owned(), String::new())..)
            .take_while(|((namespace, _), _)| namespace == here);
        for (_, set) in sets {
            let meta = &set.metadata;
            let free = controller(meta).is_none() && meta.deletion_timestamp.is_none();
            if free && selects(&self.spec.selector, meta.labels.as_ref()) {
                let set = Target::of("apps/v1", "ReplicaSet", meta);
                plan.writes.push(replicaset::adoption(set, meta, &self.target()));
            }
        }
    }

    fn advance(&self, seen: &Seen, plan: &mut Plan) {
        if self.is_paused() {
            self.scale_paused(plan);
            return;
        }
        let Some(new) = self.new else {
            if self.recreates() && self.must_wait_for_old(seen, plan) {
                return;
            }
            self.create_new(seen, plan);
            return;
        };
        if self.number(new, plan) {
            return;
        }
        if self.recreates() {
            if !self.must_wait_for_old(seen, plan) && replicas(new) != self.desired {
                self.scale(new, self.desired, plan);
            }
        } else {
            self.roll(new, plan);
        }
        if self.is_complete() {
            self.forget(plan);
        }
    }

    /// Recreate: the old sets go to zero, and the new one waits until their pods are gone.
    fn must_wait_for_old(&self, seen: &Seen, plan: &mut Plan) -> bool {
        let mut waits = false;
        for set in &self.old {
            if replicas(set) != 0 {
                self.scale(set, 0, plan);
                waits = true;
            }
        }
        let old: Vec<&str> = self.old.iter().map(|set| uid(&set.metadata)).collect();
        waits
            || replicaset::in_namespace(seen, namespace(&self.deployment.metadata)).any(|pod| {
                let owner = controller(&pod.metadata);
                !is_at_rest(pod) && owner.is_some_and(|owner| old.contains(&owner.uid.as_str()))
            })
    }

    /// While it is paused nothing moves from set to set; only the sum follows the wish.
    fn scale_paused(&self, plan: &mut Plan) {
        let total: i32 = self.all().map(|set| replicas(set)).sum();
        let limit = |set: &ReplicaSet| note_of(set, DESIRED).and_then(|text| text.parse().ok());
        // Surge in the middle of an update is no reason to scale.
        if self.all().filter(|set| replicas(set) > 0).all(|set| limit(set) == Some(self.desired)) {
            return;
        }
        let Some(largest) = self.all().max_by_key(|set| (replicas(set), created(&set.metadata)))
        else {
            return;
        };
        let others = total - replicas(largest);
        self.scale(largest, (self.desired - others).max(0), plan);
    }

    /// Changes the number of a ReplicaSet, and says so in an Event.
    fn scale(&self, set: &ReplicaSet, to: i32, plan: &mut Plan) {
        let from = replicas(set);
        let mut patch = json!({
            "metadata": {
                "uid": set.metadata.uid,
                "resourceVersion": set.metadata.resource_version,
                "annotations": self.size_notes(),
            },
            "spec": {"replicas": to},
        });
        let target = Target::of("apps/v1", "ReplicaSet", &set.metadata);
        if from == to {
            patch.as_object_mut().map(|patch| patch.shift_remove("spec"));
            plan.writes.push(Write::patch(target, patch, None).by(self.target()));
            return;
        }
        let way = if to > from { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {} from {from} to {to}", target.name);
        let write = Write::patch(target, patch, None).by(self.target());
        plan.writes.push(write.noted(self.note("ScalingReplicaSet", message)));
    }

    fn note(&self, reason: &'static str, message: String) -> Note {
        Note {
            about: self.target(),
            reason,
            message,
            component: "deployment-controller",
            warning: false,
        }
    }

    fn size_notes(&self) -> Value {
        json!({
            DESIRED: self.desired.to_string(),
            MAXIMUM: (self.desired + self.max_surge).to_string(),
        })
    }

    /// Makes the ReplicaSet of the present template.
    fn create_new(&self, seen: &Seen, plan: &mut Plan) {
        let meta = &self.deployment.metadata;
        if !seen.is_open(namespace(meta)) {
            return;
        }
        let collisions = self.deployment.status.as_ref().and_then(|s| s.collision_count);
        let hash = hash(&self.spec.template, collisions.unwrap_or(0));
        let set_name = format!("{}-{hash}", name(meta));
        let key = (namespace(meta).to_owned(), set_name.clone());
        if seen.replica_sets.contains_key(&key) {
            // Somebody has that name for other pods: the next hash counts the collision.
            let patch = json!({
                "metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version},
                "status": {"collisionCount": collisions.unwrap_or(0) + 1},
            });
            plan.writes.push(Write::patch(self.target(), patch, Some("status")));
            return;
        }
        let revision = self.old.iter().map(|set| revision_of(set)).max().unwrap_or(0) + 1;
        let mut annotations = inherited(meta);
        annotations.insert(REVISION.to_owned(), revision.to_string());
        for (key, value) in self.size_notes().as_object().into_iter().flatten() {
            annotations.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
        }
        let template = revision::marked(&self.spec.template, &hash);
        let mut selector = self.spec.selector.clone();
        selector.match_labels.get_or_insert_default().insert(HASH_LABEL.to_owned(), hash.clone());
        let size = if self.recreates() { self.desired } else { self.first_size() };
        let object = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": ObjectMeta {
                name: Some(set_name.clone()),
                namespace: meta.namespace.clone(),
                labels: template.metadata.as_ref().and_then(|meta| meta.labels.clone()),
                annotations: Some(annotations),
                owner_references: Some(vec![owned_by(&self.target())]),
                ..ObjectMeta::default()
            },
            "spec": {
                "replicas": size,
                "minReadySeconds": self.spec.min_ready_seconds.unwrap_or(0),
                "selector": selector,
                "template": template,
            },
        });
        let message = format!("Scaled up replica set {set_name} from 0 to {size}");
        let mut write = Write::create(object, self.target());
        if size > 0 {
            write = write.noted(self.note("ScalingReplicaSet", message));
        }
        plan.writes.push(write);
    }

    /// The new set takes the highest number and the Deployment's annotations, and the
    /// Deployment shows the number. True if something had to be written.
    fn number(&self, new: &ReplicaSet, plan: &mut Plan) -> bool {
        let highest = self.old.iter().map(|set| revision_of(set)).max().unwrap_or(0);
        let own = revision_of(new);
        let revision = if own > highest { own } else { highest + 1 };
        let mut notes = inherited(&self.deployment.metadata);
        notes.insert(REVISION.to_owned(), revision.to_string());
        if own != 0 && own != revision {
            let history = note_of(new, HISTORY).map(|old| format!("{old},{own}"));
            notes.insert(HISTORY.to_owned(), history.unwrap_or_else(|| own.to_string()));
        }
        let has = |meta: &ObjectMeta, key: &String, value: &String| {
            meta.annotations.as_ref().and_then(|notes| notes.get(key)) == Some(value)
        };
        let mut written = false;
        let min_ready = self.spec.min_ready_seconds.unwrap_or(0);
        let kept = new.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
        if kept != min_ready || !notes.iter().all(|(k, v)| has(&new.metadata, k, v)) {
            let patch = json!({
                "metadata": {
                    "uid": new.metadata.uid,
                    "resourceVersion": new.metadata.resource_version,
                    "annotations": notes,
                },
                "spec": {"minReadySeconds": min_ready},
            });
            let target = Target::of("apps/v1", "ReplicaSet", &new.metadata);
            plan.writes.push(Write::patch(target, patch, None).by(self.target()));
            written = true;
        }
        let meta = &self.deployment.metadata;
        if !has(meta, &REVISION.to_owned(), &revision.to_string()) {
            let patch = json!({"metadata": {
                "uid": meta.uid,
                "resourceVersion": meta.resource_version,
                "annotations": {REVISION: revision.to_string()},
            }});
            plan.writes.push(Write::patch(self.target(), patch, None));
            // The ReplicaSets may move meanwhile: nothing of theirs depends on it.
        }
        written
    }

    /// Old ReplicaSets without pods are kept as history, up to the limit.
    fn forget(&self, plan: &mut Plan) {
        let Ok(limit) = usize::try_from(self.spec.revision_history_limit.unwrap_or(10)) else {
            return;
        };
        let mut idle: Vec<&Arc<ReplicaSet>> = self
            .old
            .iter()
            .copied()
            .filter(|set| {
                let status = set.status.as_ref();
                replicas(set) == 0
                    && status.is_some_and(|status| status.replicas == 0)
                    && status.and_then(|s| s.observed_generation) == set.metadata.generation
                    && set.metadata.deletion_timestamp.is_none()
            })
            .collect();
        idle.sort_by_key(|set| revision_of(set));
        let surplus = self.old.len().saturating_sub(limit).min(idle.len());
        for set in &idle[..surplus] {
            let target = Target::of("apps/v1", "ReplicaSet", &set.metadata);
            plan.writes.push(Write::delete(target, self.target()));
        }
    }
}

/// How a Deployment moves: `RollingUpdate` unless it says otherwise.
fn kind_of(spec: &DeploymentSpec) -> &str {
    spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()).unwrap_or("RollingUpdate")
}

/// `maxSurge` and `maxUnavailable` in pods. Both zero could never move: then one may be missing.
fn limits(spec: &DeploymentSpec, desired: i32) -> (i32, i32) {
    if kind_of(spec) != "RollingUpdate" {
        return (0, 0);
    }
    let rolling = spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let quarter = IntOrString::String("25%".to_owned());
    let count = |value: Option<&IntOrString>, up: bool| -> i32 {
        let total = u32::try_from(desired).unwrap_or(0);
        let count = words::count_of(value.unwrap_or(&quarter), total, up);
        count.ok().and_then(|count| i32::try_from(count).ok()).unwrap_or(0)
    };
    let surge = count(rolling.and_then(|rolling| rolling.max_surge.as_ref()), true);
    let unavailable = count(rolling.and_then(|rolling| rolling.max_unavailable.as_ref()), false);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable.min(desired)) }
}

/// How many pods a ReplicaSet is to have.
fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

/// How many of its pods serve.
fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

fn note_of<'a>(set: &'a ReplicaSet, key: &str) -> Option<&'a str> {
    set.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

fn revision_of(set: &ReplicaSet) -> i64 {
    note_of(set, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The annotations that a ReplicaSet has from its Deployment.
fn inherited(meta: &ObjectMeta) -> BTreeMap<String, String> {
    const OWN: [&str; 6] = [
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        HISTORY,
        DESIRED,
        MAXIMUM,
        "deprecated.deployment.rollback.to",
    ];
    let mut notes = meta.annotations.clone().unwrap_or_default();
    notes.retain(|key, _| !OWN.contains(&key.as_str()));
    notes
}

#[cfg(test)]
mod tests;
