//! All that is watched, brought up to date by watches and by the answers to our own writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use controllers::{Action, Name, Seen, Stub};
use kinds::core::ObjectMeta;
use serde_json::Value;

use super::watch::{Change, Kind, Object};
use super::write::{Done, Outcome};

/// The objects, and what is needed to tell news from echoes.
#[derive(Debug, Default)]
pub(super) struct Cache {
    seen: Seen,
    complete: BTreeSet<Kind>,
    /// Uids of objects that an answer said are gone, until their watch says so too.
    gone: BTreeMap<String, Kind>,
}

/// Runs `$body` with `$map` bound to the map of a kind that is kept whole.
macro_rules! with_map {
    ($seen:expr, $kind:expr, $map:ident => $body:expr, stubs => $stubs:expr) => {
        match $kind {
            Kind::Namespace => {
                let $map = &mut $seen.namespaces;
                $body
            }
            Kind::Node => {
                let $map = &mut $seen.nodes;
                $body
            }
            Kind::Pod => {
                let $map = &mut $seen.pods;
                $body
            }
            Kind::Service => {
                let $map = &mut $seen.services;
                $body
            }
            Kind::Endpoints => {
                let $map = &mut $seen.endpoints;
                $body
            }
            Kind::EndpointSlice => {
                let $map = &mut $seen.slices;
                $body
            }
            Kind::Deployment => {
                let $map = &mut $seen.deployments;
                $body
            }
            Kind::ReplicaSet => {
                let $map = &mut $seen.replica_sets;
                $body
            }
            Kind::ConfigMap | Kind::Secret | Kind::ServiceAccount => $stubs,
        }
    };
}

fn key(meta: &ObjectMeta) -> Name {
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

fn stub_key(kind: Kind, name: &Name) -> (String, String, Name) {
    let (api_version, kind) = kind.names();
    (api_version.to_owned(), kind.to_owned(), name.clone())
}

/// The number of a version; versions of our own server count up.
fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Object {
    fn kind(&self) -> Kind {
        match self {
            Self::Namespace(_) => Kind::Namespace,
            Self::Node(_) => Kind::Node,
            Self::Pod(_) => Kind::Pod,
            Self::Service(_) => Kind::Service,
            Self::Endpoints(_) => Kind::Endpoints,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Deployment(_) => Kind::Deployment,
            Self::ReplicaSet(_) => Kind::ReplicaSet,
            Self::Stub(kind, ..) => *kind,
        }
    }

    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Namespace(object) => &object.metadata,
            Self::Node(object) => &object.metadata,
            Self::Pod(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::Endpoints(object) => &object.metadata,
            Self::EndpointSlice(object) => &object.metadata,
            Self::Deployment(object) => &object.metadata,
            Self::ReplicaSet(object) => &object.metadata,
            Self::Stub(_, stub, _) => &stub.meta,
        }
    }
}

impl Cache {
    /// What the controllers see.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Whether every kind was listed once: before that, absence means nothing.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.len() == Kind::ALL.len()
    }

    /// Takes what a watch tells.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Is(object) => self.put(object),
            Change::Gone(object) => {
                let uid = object.meta().uid.clone().unwrap_or_default();
                self.gone.remove(&uid);
                self.remove(object.kind(), &key(object.meta()), &uid);
            }
            Change::All(kind, objects) => self.replace(kind, objects),
        }
    }

    /// Keeps an object unless what is known of it is as new.
    fn put(&mut self, object: Object) {
        let (kind, name) = (object.kind(), key(object.meta()));
        if object.meta().uid.as_ref().is_some_and(|uid| self.gone.contains_key(uid)) {
            return;
        }
        if let Some(known) = self.meta(kind, &name) {
            let same = known.uid == object.meta().uid;
            if same && version(known) >= version(object.meta()) && version(known) != 0 {
                return;
            }
        }
        let seen = &mut self.seen;
        match object {
            Object::Namespace(object) => drop(seen.namespaces.insert(name, object)),
            Object::Node(object) => drop(seen.nodes.insert(name, object)),
            Object::Pod(object) => drop(seen.pods.insert(name, object)),
            Object::Service(object) => drop(seen.services.insert(name, object)),
            Object::Endpoints(object) => drop(seen.endpoints.insert(name, object)),
            Object::EndpointSlice(object) => drop(seen.slices.insert(name, object)),
            Object::Deployment(object) => drop(seen.deployments.insert(name, object)),
            Object::ReplicaSet(object) => drop(seen.replica_sets.insert(name, object)),
            Object::Stub(kind, stub, certificate) => {
                if let Some(certificate) = certificate {
                    seen.root_certificates.insert(name.0.clone(), certificate);
                }
                seen.stubs.insert(stub_key(kind, &name), stub);
            }
        }
    }

    /// Forgets an object; `uid` keeps a newer one of the same name.
    fn remove(&mut self, kind: Kind, name: &Name, uid: &str) {
        let known = self.meta(kind, name).and_then(|meta| meta.uid.as_deref());
        if known.is_none() || (!uid.is_empty() && known != Some(uid)) {
            return;
        }
        if let Some(uid) = known {
            let uid = uid.to_owned();
            self.seen.refusals.remove(&uid);
        }
        // Objects of these kinds own nothing, or nothing that is not watched.
        let owns = !matches!(kind, Kind::Pod | Kind::Endpoints | Kind::EndpointSlice);
        self.seen.departed |= owns;
        let seen = &mut self.seen;
        with_map!(seen, kind, map => { map.remove(name); }, stubs => {
            seen.stubs.remove(&stub_key(kind, name));
            if kind == Kind::ConfigMap
                && name.1 == controllers::serviceaccounts::ROOT_CERTIFICATE
            {
                seen.root_certificates.remove(&name.0);
            }
        });
    }

    /// Takes a whole list. What was written after it was made is kept.
    fn replace(&mut self, kind: Kind, objects: Vec<Object>) {
        self.complete.insert(kind);
        self.gone.retain(|_, of| *of != kind);
        let newest = objects.iter().map(|object| version(object.meta())).max().unwrap_or(0);
        let listed: BTreeSet<Name> = objects.iter().map(|object| key(object.meta())).collect();
        let missing: Vec<Name> = self
            .names(kind)
            .into_iter()
            .filter(|name| {
                let is_older = self.meta(kind, name).is_some_and(|m| version(m) <= newest);
                !listed.contains(name) && is_older
            })
            .collect();
        for name in missing {
            self.remove(kind, &name, "");
        }
        for object in objects {
            self.put(object);
        }
    }

    fn names(&mut self, kind: Kind) -> Vec<Name> {
        let seen = &mut self.seen;
        with_map!(seen, kind, map => map.keys().cloned().collect(), stubs => {
            let (_, word) = kind.names();
            seen.stubs.keys().filter(|(_, of, _)| of == word).map(|(.., name)| name.clone()).collect()
        })
    }

    fn meta(&self, kind: Kind, name: &Name) -> Option<&ObjectMeta> {
        let seen = &self.seen;
        match kind {
            Kind::Namespace => seen.namespaces.get(name).map(|object| &object.metadata),
            Kind::Node => seen.nodes.get(name).map(|object| &object.metadata),
            Kind::Pod => seen.pods.get(name).map(|object| &object.metadata),
            Kind::Service => seen.services.get(name).map(|object| &object.metadata),
            Kind::Endpoints => seen.endpoints.get(name).map(|object| &object.metadata),
            Kind::EndpointSlice => seen.slices.get(name).map(|object| &object.metadata),
            Kind::Deployment => seen.deployments.get(name).map(|object| &object.metadata),
            Kind::ReplicaSet => seen.replica_sets.get(name).map(|object| &object.metadata),
            Kind::ConfigMap | Kind::Secret | Kind::ServiceAccount => {
                seen.stubs.get(&stub_key(kind, name)).map(|stub| &*stub.meta)
            }
        }
    }

    /// Takes what the answer to a write tells.
    pub(super) fn learn(&mut self, done: &Done) {
        let target = &done.write.target;
        let Some(kind) = Kind::of(&target.api_version, &target.kind) else {
            // Somebody must look again before the rest is believed.
            self.seen.rest = None;
            return;
        };
        match (&done.outcome, &done.write.action) {
            (Outcome::Written(Some(answer)), _) if answer["kind"] == target.kind.as_str() => {
                self.learn_state(kind, answer.clone());
            }
            (Outcome::Written(_), Action::Bind { node }) => self.bind(done, node),
            (Outcome::Written(_) | Outcome::Gone, Action::Delete { .. }) => {
                let name = (target.namespace.clone(), target.name.clone());
                self.bury(kind, &name, &target.uid);
            }
            _ => {}
        }
    }

    fn learn_state(&mut self, kind: Kind, answer: Value) {
        let meta = &answer["metadata"];
        let is_deleting = meta["deletionTimestamp"].is_string();
        let held = meta["finalizers"].as_array().is_some_and(|all| !all.is_empty())
            || meta["deletionGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds > 0)
            || kind == Kind::Namespace;
        match Object::read(kind, answer) {
            Ok(object) if is_deleting && !held => {
                let uid = object.meta().uid.clone().unwrap_or_default();
                self.bury(kind, &key(object.meta()), &uid);
            }
            Ok(object) => self.put(object),
            Err(why) => tracing::debug!(?kind, %why, "an answer could not be read"),
        }
    }

    /// An object is gone, although its watch has not said so.
    fn bury(&mut self, kind: Kind, name: &Name, uid: &str) {
        self.remove(kind, name, uid);
        if !uid.is_empty() {
            self.gone.insert(uid.to_owned(), kind);
        }
    }

    /// A binding answers without the pod: what it did is known all the same.
    fn bind(&mut self, done: &Done, node: &str) {
        let target = &done.write.target;
        let name = (target.namespace.clone(), target.name.clone());
        if let Some(pod) = self.seen.pods.get_mut(&name)
            && let Some(spec) = &mut Arc::make_mut(pod).spec
        {
            spec.node_name.get_or_insert_with(|| node.to_owned());
        }
    }

    /// Why the last write for an object was refused, or that it no longer is.
    pub(super) fn note_refusal(&mut self, uid: &str, why: Option<String>) -> bool {
        match why {
            Some(why) => self.seen.refusals.insert(uid.to_owned(), why.clone()) != Some(why),
            None => self.seen.refusals.remove(uid).is_some(),
        }
    }

    /// Whether the kinds that are not watched were listed.
    pub(super) fn has_rest(&self) -> bool {
        self.seen.rest.is_some()
    }

    /// Takes the metadata of all objects of kinds that are not watched.
    pub(super) fn put_rest(&mut self, stubs: Vec<Stub>) {
        self.seen.rest = Some(stubs);
    }

    /// What was listed is believed for one round of the controllers.
    pub(super) fn settle_departures(&mut self) {
        if self.seen.rest.take().is_some() {
            self.seen.departed = false;
        }
    }

    /// Whether it is long that the rest was listed.
    pub(super) fn age(&mut self, stale: bool) {
        self.seen.stale = stale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controllers::{Target, Write};
    use serde_json::json;

    fn pod(uid: &str, version: u64) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n", "uid": uid,
                "resourceVersion": version.to_string()},
            "spec": {"containers": []},
        })
    }

    fn object(uid: &str, version: u64) -> Object {
        Object::read(Kind::Pod, pod(uid, version)).unwrap()
    }

    fn known(cache: &Cache) -> Option<(String, u64)> {
        let meta = cache.meta(Kind::Pod, &("n".to_owned(), "p".to_owned()))?;
        Some((meta.uid.clone().unwrap(), version(meta)))
    }

    fn done(uid: &str, action: Action, answer: Option<Value>) -> Done {
        let target = Target {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: "n".into(),
            name: "p".into(),
            uid: uid.into(),
        };
        let write = Write { owner: target.clone(), target, action, note: None };
        Done { write, outcome: Outcome::Written(answer), name: "p".into() }
    }

    fn deletion() -> Action {
        Action::Delete { propagation: None, unless: Vec::new() }
    }

    #[test]
    fn an_echo_of_the_past_changes_nothing() {
        let mut cache = Cache::default();
        let create = Action::Create { object: Value::Null };
        cache.learn(&done("", create, Some(pod("a", 7))));
        cache.apply(Change::Is(object("a", 5)));
        assert_eq!(known(&cache), Some(("a".into(), 7)));
        cache.apply(Change::Is(object("a", 8)));
        assert_eq!(known(&cache), Some(("a".into(), 8)));
    }

    #[test]
    fn what_was_deleted_does_not_come_back_by_an_old_event() {
        let mut cache = Cache::default();
        cache.apply(Change::Is(object("a", 5)));
        cache.learn(&done("a", deletion(), None));
        assert_eq!(known(&cache), None);
        cache.apply(Change::Is(object("a", 6)));
        assert_eq!(known(&cache), None);
        cache.apply(Change::Is(object("b", 7)));
        cache.apply(Change::Gone(object("a", 8)));
        assert_eq!(known(&cache), Some(("b".into(), 7)));
        assert!(cache.gone.is_empty());
    }

    #[test]
    fn a_pod_with_time_to_end_is_kept_until_it_ends() {
        let mut cache = Cache::default();
        cache.apply(Change::Is(object("a", 5)));
        let mut ending = pod("a", 6);
        ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        ending["metadata"]["deletionGracePeriodSeconds"] = 30.into();
        cache.learn(&done("a", deletion(), Some(ending)));
        assert_eq!(known(&cache), Some(("a".into(), 6)));
        cache.apply(Change::Gone(object("a", 9)));
        assert_eq!(known(&cache), None);
    }

    #[test]
    fn a_binding_is_known_before_the_watch_tells() {
        let mut cache = Cache::default();
        cache.apply(Change::Is(object("a", 5)));
        cache.learn(&done("a", Action::Bind { node: "lateen".into() }, None));
        let pod = cache.seen.pods.values().next().unwrap();
        assert_eq!(pod.spec.as_ref().unwrap().node_name.as_deref(), Some("lateen"));
    }

    #[test]
    fn a_list_takes_away_what_is_not_in_it_but_not_what_is_newer() {
        let mut cache = Cache::default();
        cache.apply(Change::Is(object("a", 5)));
        let mut other = pod("o", 6);
        other["metadata"]["name"] = "other".into();
        let other = Object::read(Kind::Pod, other).unwrap();
        cache.apply(Change::All(Kind::Pod, vec![other.clone()]));
        assert_eq!(known(&cache), None);
        cache.apply(Change::Is(object("b", 9)));
        cache.apply(Change::All(Kind::Pod, vec![other]));
        assert_eq!(known(&cache), Some(("b".into(), 9)));
    }
}
