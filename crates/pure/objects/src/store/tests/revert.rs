//! A write that is taken back leaves no trace.

use proptest::prelude::*;

use super::*;

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Create(usize, bool),
    Merge(usize, u8),
    Status(usize, u8),
    Scale(u8),
    Bind(usize),
    Delete(usize, bool, Option<Propagation>),
    DeleteAll,
    Release(usize),
    DeleteNamespace,
}

fn steps() -> impl Strategy<Value = Step> {
    let name = 0..4_usize;
    prop_oneof![
        4 => (name.clone(), any::<bool>()).prop_map(|(name, held)| Step::Create(name, held)),
        3 => (name.clone(), 0..3_u8).prop_map(|(name, value)| Step::Merge(name, value)),
        2 => (name.clone(), 0..3_u8).prop_map(|(name, value)| Step::Status(name, value)),
        1 => (0..3_u8).prop_map(Step::Scale),
        1 => name.clone().prop_map(Step::Bind),
        3 => (name.clone(), any::<bool>(), prop::option::of(prop_oneof![
            Just(Propagation::Background), Just(Propagation::Foreground), Just(Propagation::Orphan),
        ])).prop_map(|(name, now, propagation)| Step::Delete(name, now, propagation)),
        1 => Just(Step::DeleteAll),
        2 => name.prop_map(Step::Release),
        1 => Just(Step::DeleteNamespace),
    ]
}

impl Step {
    fn op(&self) -> Op {
        /// Three pods and a deployment.
        fn target(name: usize) -> Target {
            match name {
                3 => place(DEPLOYMENTS, "web"),
                name => place(PODS, ["a", "b", "c"][name]),
            }
        }
        match *self {
            Self::Create(name, is_held) => {
                let mut object = if name == 3 { deployment() } else { pod(&target(name).name) };
                if is_held {
                    object["metadata"]["finalizers"] = json!(["x.io/a"]);
                }
                Op::create(Target { name: String::new(), ..target(name) }, object)
            }
            Self::Merge(name, value) => {
                let patch = json!({"metadata": {"labels": {"value": value.to_string()}}});
                Op::patch(target(name), PatchKind::Merge, patch)
            }
            Self::Status(name, value) => Op::patch(
                target(name).with_subresource("status"),
                PatchKind::Merge,
                json!({"status": {"value": value}}),
            ),
            Self::Scale(value) => Op::patch(
                target(3).with_subresource("scale"),
                PatchKind::Merge,
                json!({"spec": {"replicas": value}}),
            ),
            Self::Bind(name) => Op::create(
                target(name).with_subresource("binding"),
                json!({"target": {"name": "n"}}),
            ),
            Self::Delete(name, now, propagation) => {
                let grace_seconds = now.then_some(0);
                let options =
                    DeleteOptions { grace_seconds, propagation, ..DeleteOptions::default() };
                Op::delete(target(name), options)
            }
            Self::DeleteAll => Op::new(
                place(PODS, ""),
                Action::DeleteCollection {
                    options: DeleteOptions::default(),
                    selectors: Selectors::default(),
                },
            ),
            Self::Release(name) => {
                let patch = json!({"metadata": {"finalizers": null}});
                Op::patch(target(name), PatchKind::Merge, patch)
            }
            Self::DeleteNamespace => Op::delete(place(NAMESPACES, "ns"), DeleteOptions::default()),
        }
    }
}

/// Revision, objects and events.
type Seen = (u64, Vec<(Key, Arc<Value>)>, Vec<Event>);

/// All that can be seen of a store.
fn seen(store: &Store) -> Seen {
    let objects = store.objects().map(|(key, object)| (key, Arc::clone(object))).collect();
    let events = RESOURCES
        .iter()
        .flat_map(|resource| store.events_since(resource, 1).unwrap().cloned())
        .collect();
    (store.revision(), objects, events)
}

proptest! {
    /// Apply and revert is identity, for one write and for a batch of writes.
    #[test]
    fn a_reverted_batch_leaves_no_trace(
        before in prop::collection::vec(steps(), 0..12),
        batch in prop::collection::vec(steps(), 1..8),
    ) {
        let mut fixture = Fixture::new();
        for step in before {
            let _ = fixture.try_apply(step.op());
        }
        let expected = seen(&fixture.store);
        let mut events = Vec::new();
        for step in &batch {
            if let Ok(applied) = fixture.try_apply(step.op()) {
                events.extend(applied.events);
            }
        }
        fixture.store.revert(&events);
        prop_assert_eq!(seen(&fixture.store), expected);
    }

    /// The events tell the whole story: played on the objects before, they give those after.
    #[test]
    fn events_lead_from_one_state_to_the_next(
        history in prop::collection::vec(steps(), 1..20),
    ) {
        let mut fixture = Fixture::new();
        let mut mirror: std::collections::BTreeMap<Key, Arc<Value>> =
            fixture.store.objects().map(|(key, object)| (key, Arc::clone(object))).collect();
        for step in history {
            for event in fixture.try_apply(step.op()).map(|done| done.events).unwrap_or_default() {
                let old = match &event.new {
                    Some(new) => {
                        prop_assert_eq!(meta::resource_version(new), event.revision);
                        mirror.insert(event.key.clone(), Arc::clone(new))
                    }
                    None => mirror.remove(&event.key),
                };
                prop_assert_eq!(old, event.old);
            }
        }
        let stored: Vec<(Key, Arc<Value>)> =
            fixture.store.objects().map(|(key, object)| (key, Arc::clone(object))).collect();
        prop_assert_eq!(mirror.into_iter().collect::<Vec<_>>(), stored);
    }
}
