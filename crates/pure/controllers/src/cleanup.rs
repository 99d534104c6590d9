//! The end of things: objects whose owners are gone, owners that wait for them, and namespaces.
//!
//! Spec: the garbage collector and the namespace controller of Kubernetes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kinds::core::{ObjectMeta, OwnerReference};
use serde_json::{Value, json};

use crate::seen::{Item, Seen, uid};
use crate::{Action, Plan, Target, Write};

/// On an owner that is to go after what it owns.
const FOREGROUND: &str = "foregroundDeletion";
/// On an owner that is to go and leave what it owns.
const ORPHAN: &str = "orphan";
/// The finalizer of a namespace that stands for its contents.
const CONTENT: &str = "kubernetes";
/// When to look again at contents that nobody watches.
const PATIENCE: SignedDuration = SignedDuration::from_millis(500);

/// Ends what has no owner any more, releases owners that waited, and empties namespaces.
#[must_use]
pub fn step(seen: &Seen, now: Timestamp) -> Plan {
    let mut plan = Plan { needs_rest: seen.departed, ..Plan::default() };
    let all = seen.all();
    let by_uid: BTreeMap<&str, Item<'_>> =
        all.iter().filter(|i| !uid(i.meta).is_empty()).map(|i| (uid(i.meta), *i)).collect();
    let mut owned: BTreeMap<&str, Vec<Item<'_>>> = BTreeMap::new();
    for item in &all {
        for owner in owners(item.meta) {
            owned.entry(owner.uid.as_str()).or_default().push(*item);
        }
    }
    let view = View { seen, by_uid, owned };
    for item in &all {
        view.collect(*item, &mut plan);
        view.release(*item, &mut plan);
    }
    namespaces(seen, &all, now, &mut plan);
    plan
}

fn owners(meta: &ObjectMeta) -> impl Iterator<Item = &OwnerReference> {
    meta.owner_references.iter().flatten()
}

fn has_finalizer(item: Item<'_>, finalizer: &str) -> bool {
    item.meta.finalizers.iter().flatten().any(|name| name == finalizer)
}

fn is_going(item: Item<'_>) -> bool {
    item.meta.deletion_timestamp.is_some()
}

/// What has become of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    There,
    /// It waits for what it owns to go first.
    Waiting,
    Gone,
    /// Its kind is not watched, and nobody has looked.
    Unknown,
}

struct View<'a> {
    seen: &'a Seen,
    by_uid: BTreeMap<&'a str, Item<'a>>,
    owned: BTreeMap<&'a str, Vec<Item<'a>>>,
}

impl View<'_> {
    fn fate(&self, owner: &OwnerReference) -> Fate {
        match self.by_uid.get(owner.uid.as_str()) {
            Some(item) if is_going(*item) && has_finalizer(*item, FOREGROUND) => Fate::Waiting,
            Some(_) => Fate::There,
            None if Seen::watches(&owner.api_version, &owner.kind) => Fate::Gone,
            None if self.seen.rest.is_some() && is_served(owner) => Fate::Gone,
            None => Fate::Unknown,
        }
    }

    /// An object all of whose owners are gone, or wait for it, goes.
    fn collect(&self, item: Item<'_>, plan: &mut Plan) {
        if is_going(item) || owners(item.meta).next().is_none() {
            return;
        }
        let fates: Vec<Fate> = owners(item.meta).map(|owner| self.fate(owner)).collect();
        if fates.contains(&Fate::Unknown) {
            plan.needs_rest |= self.seen.stale && owners(item.meta).any(is_served);
            return;
        }
        if fates.contains(&Fate::There) {
            return;
        }
        let waited_for = fates.contains(&Fate::Waiting);
        let has_own = self.owned.contains_key(uid(item.meta));
        let propagation = if waited_for && has_own { "Foreground" } else { "Background" };
        // What was made a moment ago may be seen before its owner is: the server is asked.
        let gone = owners(item.meta).zip(&fates).filter(|(_, fate)| **fate == Fate::Gone);
        let unless = gone
            .map(|(owner, _)| Target {
                api_version: owner.api_version.clone(),
                kind: owner.kind.clone(),
                namespace: item.meta.namespace.clone().unwrap_or_default(),
                name: owner.name.clone(),
                uid: owner.uid.clone(),
            })
            .collect();
        let target = item.target();
        plan.writes.push(Write {
            action: Action::Delete { propagation: Some(propagation), unless },
            owner: collector(&target),
            target,
            note: None,
        });
    }

    /// An owner that waits is let go once nothing holds it any more.
    fn release(&self, item: Item<'_>, plan: &mut Plan) {
        if !is_going(item) {
            return;
        }
        let (foreground, orphan) = (has_finalizer(item, FOREGROUND), has_finalizer(item, ORPHAN));
        if !foreground && !orphan {
            return;
        }
        if self.seen.rest.is_none() {
            plan.needs_rest = true;
        }
        let own = uid(item.meta);
        let dependents = self.owned.get(own).map(Vec::as_slice).unwrap_or_default();
        if orphan && !dependents.is_empty() {
            for dependent in dependents {
                plan.writes.push(disown(*dependent, own));
            }
            return;
        }
        let holds = |dependent: &Item<'_>| {
            owners(dependent.meta).any(|o| o.uid == own && o.block_owner_deletion == Some(true))
        };
        if self.seen.rest.is_none() || dependents.iter().any(holds) {
            return;
        }
        let finalizers: Vec<&String> = item
            .meta
            .finalizers
            .iter()
            .flatten()
            .filter(|name| ![FOREGROUND, ORPHAN].contains(&name.as_str()))
            .collect();
        plan.writes.push(change(item, "finalizers", json!(finalizers)));
    }
}

/// Whether objects of an owner's kind can be listed at all.
fn is_served(owner: &OwnerReference) -> bool {
    let (group, version) = owner.api_version.split_once('/').unwrap_or(("", &owner.api_version));
    kinds::resources().iter().any(|resource| {
        resource.group == group
            && resource.kind == owner.kind
            && resource.versions.contains(&version)
    })
}

/// The collector writes on its own behalf: what else is under way for an object is no obstacle.
fn collector(target: &Target) -> Target {
    Target { uid: format!("{}/collector", target.uid), ..target.clone() }
}

fn disown(dependent: Item<'_>, owner: &str) -> Write {
    let rest: Vec<&OwnerReference> = owners(dependent.meta).filter(|o| o.uid != owner).collect();
    change(dependent, "ownerReferences", json!(rest))
}

/// Changes one list of an object's metadata; an empty one is taken away.
fn change(item: Item<'_>, field: &str, list: Value) -> Write {
    let list = if list.as_array().is_some_and(Vec::is_empty) { Value::Null } else { list };
    let patch = json!({"metadata": {
        "uid": item.meta.uid,
        "resourceVersion": item.meta.resource_version,
        field: list,
    }});
    let target = item.target();
    Write::patch(target.clone(), patch, None).by(collector(&target))
}

fn namespaces(seen: &Seen, all: &[Item<'_>], now: Timestamp, plan: &mut Plan) {
    for namespace in seen.namespaces.values() {
        if namespace.metadata.deletion_timestamp.is_none() {
            continue;
        }
        let content: Vec<&Item<'_>> =
            all.iter().filter(|item| item.meta.namespace == namespace.metadata.name).collect();
        for item in content.iter().filter(|item| !is_going(***item)) {
            let target = item.target();
            plan.writes.push(Write {
                action: Action::Delete { propagation: Some("Background"), unless: Vec::new() },
                owner: collector(&target),
                target,
                note: None,
            });
        }
        let watched = content.iter().any(|s| Seen::watches(s.api_version, s.kind));
        if watched {
            continue;
        }
        match &seen.rest {
            None => plan.needs_rest = true,
            Some(_) if !content.is_empty() => plan.again_at(now + PATIENCE),
            Some(_) => plan.writes.extend(finalize(namespace)),
        }
    }
}

/// Tells the server that a namespace is empty.
fn finalize(namespace: &kinds::core::Namespace) -> Option<Write> {
    let finalizers = namespace.spec.as_ref()?.finalizers.as_ref()?;
    if !finalizers.iter().any(|name| name == CONTENT) {
        return None;
    }
    let rest: Vec<&String> = finalizers.iter().filter(|name| *name != CONTENT).collect();
    let mut object = json!(namespace);
    object["apiVersion"] = "v1".into();
    object["kind"] = "Namespace".into();
    object["spec"]["finalizers"] = json!(rest);
    let target = Target::of("v1", "Namespace", &namespace.metadata);
    Some(Write {
        owner: collector(&target),
        target,
        action: Action::Replace { object, subresource: Some("finalize") },
        note: None,
    })
}

#[cfg(test)]
mod tests;
