//! What one proxy has of each type, and what it still has to be told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use prost::Message as _;

use super::Response;
use crate::{
    cluster::{
        Cluster,
        cluster::{ClusterDiscoveryType, DiscoveryType},
    },
    discovery::DeltaDiscoveryRequest,
    snapshot::{
        CLUSTER, ENDPOINT, EXTENSION, LISTENER, PUSH_ORDER, ROUTE, Resource, Resources, SECRET,
        Snapshot, version_of,
    },
};

/// Which of the two protocols a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Delta,
    Sotw,
}

/// How far a proxy is with one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The type.
    pub type_url: String,
    /// Resources that it has.
    pub resources: usize,
    /// Version and nonce of what was sent last; empty when nothing was.
    pub sent: (String, String),
    /// Version and nonce of what it acknowledged last; empty when nothing was.
    pub acknowledged: (String, String),
    /// Why it refused the last response that it answered, if it did.
    pub refusal: Option<String>,
    /// Responses that it refused on this stream.
    pub refusals: u64,
}

/// A resource that the proxy has, or was sent.
#[derive(Debug)]
struct Held {
    version: String,
    /// Absent when the proxy brought it from an earlier connection.
    resource: Option<Arc<Resource>>,
}

/// Resources by name, to be told.
type Upserts = Vec<(String, Arc<Resource>)>;

/// A response that is not answered yet.
#[derive(Debug)]
struct Outstanding {
    nonce: String,
    version: String,
    upserts: Vec<String>,
    removed: Vec<String>,
}

/// One type on one stream.
#[derive(Debug)]
pub(super) struct Type {
    type_url: String,
    kind: Kind,
    /// No request of this type was seen yet.
    fresh: bool,
    /// The proxy had resources of this type before this connection.
    returning: bool,
    wildcard: bool,
    /// The first response is owed, even an empty one.
    owed: bool,
    names: BTreeSet<String>,
    held: BTreeMap<String, Held>,
    /// Names that the proxy was told do not exist.
    absent: BTreeSet<String>,
    /// Resources of a refused response, told again one by one, so that one bad resource harms only itself.
    singly: BTreeSet<String>,
    outstanding: Option<Outstanding>,
    counter: u64,
    sent: (String, String),
    acknowledged: (String, String),
    refusal: Option<String>,
    refusals: u64,
}

/// All types on one stream.
#[derive(Debug, Default)]
pub(super) struct Types {
    types: BTreeMap<String, Type>,
    /// Endpoints of clusters that were just told: the clusters serve only when these are there.
    awaited: BTreeSet<String>,
}

impl Type {
    fn new(type_url: &str, kind: Kind) -> Self {
        Self {
            type_url: type_url.to_owned(),
            kind,
            fresh: true,
            returning: false,
            wildcard: false,
            owed: false,
            names: BTreeSet::new(),
            held: BTreeMap::new(),
            absent: BTreeSet::new(),
            singly: BTreeSet::new(),
            outstanding: None,
            counter: 0,
            sent: Default::default(),
            acknowledged: Default::default(),
            refusal: None,
            refusals: 0,
        }
    }

    /// The proxy answered a response. Whether it was the one that is waited for.
    pub(super) fn answered(&mut self, nonce: &str, error: Option<String>) -> bool {
        let Some(outstanding) = self.outstanding.take_if(|outstanding| outstanding.nonce == nonce)
        else {
            // An answer repeated with new names is as good as the last one.
            return nonce == self.sent.1;
        };
        if error.is_none() {
            self.acknowledged = (outstanding.version, outstanding.nonce);
        } else {
            self.refusals += 1;
            if self.kind == Kind::Delta && outstanding.upserts.len() + outstanding.removed.len() > 1
            {
                for name in outstanding.upserts {
                    self.held.remove(&name);
                    self.singly.insert(name);
                }
                for name in outstanding.removed {
                    self.held.insert(name, Held { version: String::new(), resource: None });
                }
            }
        }
        self.refusal = error;
        true
    }

    /// Takes over what a delta request says about names.
    pub(super) fn subscribe_delta(&mut self, request: &DeltaDiscoveryRequest) {
        if std::mem::replace(&mut self.fresh, false) {
            self.returning = !request.initial_resource_versions.is_empty();
            // A cluster that changed while the proxy was away waits for its endpoints, so these are told in any case.
            if self.type_url != ENDPOINT {
                for (name, version) in &request.initial_resource_versions {
                    self.held
                        .insert(name.clone(), Held { version: version.clone(), resource: None });
                }
            }
            self.wildcard =
                request.resource_names_subscribe.is_empty() && wildcard_by_default(&self.type_url);
            self.owed = self.wildcard;
        } else {
            for name in &request.resource_names_subscribe {
                // Who asks again wants to be told again.
                self.held.remove(name);
                self.absent.remove(name);
            }
        }
        for name in &request.resource_names_subscribe {
            if name == "*" {
                self.owed |= !std::mem::replace(&mut self.wildcard, true);
            } else {
                self.names.insert(name.clone());
            }
        }
        for name in &request.resource_names_unsubscribe {
            if name == "*" {
                self.wildcard = false;
                let names = &self.names;
                self.held.retain(|name, _| names.contains(name));
            } else {
                self.names.remove(name);
                self.forget(name);
            }
        }
    }

    /// Takes over the names of a request for the state of the world: all that are wanted from now on.
    pub(super) fn subscribe_sotw(&mut self, wanted: &[String], returning: bool) {
        let all = wanted.iter().any(|name| name == "*");
        if std::mem::replace(&mut self.fresh, false) {
            self.returning = returning;
            self.wildcard = all || (wanted.is_empty() && wildcard_by_default(&self.type_url));
            self.owed = self.wildcard;
        } else if !(self.wildcard && wanted.is_empty()) {
            self.owed |= all && !self.wildcard;
            self.wildcard = all;
        }
        let wanted: BTreeSet<String> = wanted.iter().filter(|name| *name != "*").cloned().collect();
        let gone: Vec<String> = self.names.difference(&wanted).cloned().collect();
        self.names = wanted;
        for name in gone {
            self.forget(&name);
        }
    }

    fn forget(&mut self, name: &str) {
        self.absent.remove(name);
        if !self.wildcard {
            self.held.remove(name);
            self.singly.remove(name);
        }
    }

    fn differs(&self, name: &str, resource: &Resource) -> bool {
        self.held.get(name).is_none_or(|held| held.version != resource.version)
    }

    /// Resources that the proxy wants and has not.
    fn upserts(&self, target: &Resources) -> Upserts {
        let owned =
            |(name, resource): (&String, &Arc<Resource>)| (name.clone(), Arc::clone(resource));
        if self.wildcard {
            target
                .iter()
                .filter(|(name, resource)| self.differs(name, resource))
                .map(owned)
                .collect()
        } else {
            let named = self.names.iter().filter_map(|name| target.get_key_value(name));
            named.filter(|(name, resource)| self.differs(name, resource)).map(owned).collect()
        }
    }

    /// Resources that the proxy has and should not.
    fn gone(&self, target: &Resources) -> Vec<String> {
        self.held.keys().filter(|name| !target.contains_key(*name)).cloned().collect()
    }

    /// Names that were asked for, do not exist, and of which the proxy was not told so.
    fn unknown(&self, target: &Resources) -> Vec<String> {
        let unknown = |name: &&String| {
            !target.contains_key(*name)
                && !self.held.contains_key(*name)
                && !self.absent.contains(*name)
        };
        self.names.iter().filter(unknown).cloned().collect()
    }

    fn has_all(&self, target: &Resources) -> bool {
        self.outstanding.is_none() && !self.owed && self.upserts(target).is_empty()
    }

    /// Makes a response of changes, if there is one to make; with it, the resources that are new in it.
    fn tell(
        &mut self,
        mut upserts: Upserts,
        mut removed: Vec<String>,
    ) -> Option<(Response, Upserts)> {
        self.singly.retain(|name| upserts.iter().any(|(upsert, _)| upsert == name));
        if let Some(one) = self.singly.pop_first() {
            upserts.retain(|(name, _)| *name == one);
            removed.clear();
        }
        let owed = std::mem::take(&mut self.owed);
        if upserts.is_empty() && removed.is_empty() && !owed {
            return None;
        }
        for (name, resource) in &upserts {
            self.absent.remove(name);
            self.held.insert(
                name.clone(),
                Held { version: resource.version.clone(), resource: Some(Arc::clone(resource)) },
            );
        }
        for name in &removed {
            self.held.remove(name);
            if self.names.contains(name) {
                self.absent.insert(name.clone());
            }
        }
        let mut resources = upserts.clone();
        let mut told_gone = removed;
        if self.kind == Kind::Sotw {
            if whole_by_protocol(&self.type_url) {
                resources = self
                    .held
                    .iter()
                    .filter_map(|(name, held)| Some((name.clone(), held.resource.clone()?)))
                    .collect();
            } else if resources.is_empty() && !owed {
                return None;
            }
            told_gone = Vec::new();
        }
        self.counter += 1;
        let nonce = self.counter.to_string();
        let version =
            version_of(self.held.iter().map(|(name, held)| (name.as_str(), held.version.as_str())));
        self.sent = (version.clone(), nonce.clone());
        self.outstanding = Some(Outstanding {
            nonce: nonce.clone(),
            version: version.clone(),
            upserts: resources.iter().map(|(name, _)| name.clone()).collect(),
            removed: told_gone.clone(),
        });
        Some((
            Response {
                type_url: self.type_url.clone(),
                nonce,
                version,
                resources,
                removed: told_gone,
            },
            upserts,
        ))
    }
}

impl Types {
    /// The type, known from now on.
    pub(super) fn of(&mut self, type_url: &str, kind: Kind) -> &mut Type {
        self.types.entry(type_url.to_owned()).or_insert_with(|| Type::new(type_url, kind))
    }

    /// Tells what is new and changed of a type; of types that nothing waits for also what is gone.
    pub(super) fn make(&mut self, type_url: &str, target: &Snapshot, out: &mut Vec<Response>) {
        let Some(resources) =
            self.types.get_mut(type_url).filter(|resources| resources.outstanding.is_none())
        else {
            return;
        };
        let target = target.of(type_url);
        let mut removed = resources.unknown(target);
        if ![CLUSTER, ENDPOINT, ROUTE].contains(&type_url) {
            removed.extend(resources.gone(target));
        }
        let response = resources.tell(resources.upserts(target), removed);
        self.told(response, out);
    }

    /// Tells what a proxy asks for that has none of it yet.
    pub(super) fn make_new(&mut self, type_url: &str, target: &Snapshot, out: &mut Vec<Response>) {
        let Some(resources) =
            self.types.get_mut(type_url).filter(|resources| resources.outstanding.is_none())
        else {
            return;
        };
        if resources.returning && resources.counter == 0 {
            return;
        }
        let target = target.of(type_url);
        let mut upserts = resources.upserts(target);
        if !resources.owed {
            upserts.retain(|(name, _)| {
                resources.names.contains(name) && !resources.held.contains_key(name)
            });
        }
        let removed = resources.unknown(target);
        let response = resources.tell(upserts, removed);
        self.told(response, out);
    }

    /// Tells what is new, changed and gone of the types that no order binds.
    pub(super) fn make_others(&mut self, target: &Snapshot, out: &mut Vec<Response>) {
        let bound = [CLUSTER, ENDPOINT, LISTENER, ROUTE];
        let mut others: Vec<String> =
            self.types.keys().filter(|url| !bound.contains(&url.as_str())).cloned().collect();
        others.sort_by_key(|url| {
            PUSH_ORDER.iter().position(|known| known == url).unwrap_or(PUSH_ORDER.len())
        });
        for type_url in others {
            self.make(&type_url, target, out);
        }
    }

    /// Tells what is gone of a type.
    pub(super) fn withdraw(&mut self, type_url: &str, target: &Snapshot, out: &mut Vec<Response>) {
        let Some(resources) =
            self.types.get_mut(type_url).filter(|resources| resources.outstanding.is_none())
        else {
            return;
        };
        let gone = resources.gone(target.of(type_url));
        if !gone.is_empty() {
            let response = resources.tell(Vec::new(), gone);
            self.told(response, out);
        }
    }

    fn told(&mut self, told: Option<(Response, Upserts)>, out: &mut Vec<Response>) {
        let Some((response, upserts)) = told else { return };
        if response.type_url == CLUSTER {
            // Envoy lets a changed cluster wait for endpoints that it was told before: tell them again.
            for (_, resource) in &upserts {
                if let Some(name) = endpoints_of(resource) {
                    if let Some(endpoints) = self.types.get_mut(ENDPOINT) {
                        endpoints.held.remove(&name);
                    }
                    self.awaited.insert(name);
                }
            }
        }
        out.push(response);
    }

    /// Whether the proxy has all of a type that it wants, and has said so.
    pub(super) fn has_all(&self, type_url: &str, target: &Snapshot) -> bool {
        self.types.get(type_url).is_none_or(|resources| resources.has_all(target.of(type_url)))
    }

    /// Whether a cluster that was told still waits for its endpoints.
    pub(super) fn awaits_endpoints(&mut self, target: &Snapshot) -> bool {
        let there = target.of(ENDPOINT);
        let held = self.types.get(ENDPOINT).map(|endpoints| &endpoints.held);
        self.awaited.retain(|name| {
            there.contains_key(name) && !held.is_some_and(|held| held.contains_key(name))
        });
        !self.awaited.is_empty()
    }

    /// Waits for the endpoints of clusters no longer: this proxy does not ask for them.
    pub(super) fn await_no_endpoints(&mut self) {
        self.awaited.clear();
    }

    /// Whether the proxy has clusters, endpoints or routes that are gone.
    pub(super) fn withdraws(&self, target: &Snapshot) -> bool {
        [CLUSTER, ENDPOINT, ROUTE].iter().any(|type_url| {
            self.types
                .get(*type_url)
                .is_some_and(|resources| !resources.gone(target.of(type_url)).is_empty())
        })
    }

    /// Whether nothing is left to tell or to be acknowledged.
    pub(super) fn settled(&self, target: &Snapshot) -> bool {
        self.types.iter().all(|(type_url, resources)| {
            let target = target.of(type_url);
            resources.has_all(target) && resources.gone(target).is_empty()
        })
    }

    /// How far the proxy is, per type, in push order.
    pub(super) fn progress(&self) -> Vec<Progress> {
        let mut all: Vec<Progress> = self
            .types
            .values()
            .map(|resources| Progress {
                type_url: resources.type_url.clone(),
                resources: resources.held.len(),
                sent: resources.sent.clone(),
                acknowledged: resources.acknowledged.clone(),
                refusal: resources.refusal.clone(),
                refusals: resources.refusals,
            })
            .collect();
        all.sort_by_key(|progress| PUSH_ORDER.iter().position(|known| *known == progress.type_url));
        all
    }
}

/// Whether a first request without names asks for everything.
fn wildcard_by_default(type_url: &str) -> bool {
    ![ENDPOINT, ROUTE, SECRET, EXTENSION].contains(&type_url)
}

/// Whether the state of the world of this type must be complete in every response, as what is missing is removed.
fn whole_by_protocol(type_url: &str) -> bool {
    wildcard_by_default(type_url)
}

/// The name under which a cluster asks for its endpoints, if it does.
fn endpoints_of(resource: &Resource) -> Option<String> {
    let cluster = Cluster::decode(resource.body.clone()).ok()?;
    let by_eds = matches!(
        cluster.cluster_discovery_type,
        Some(ClusterDiscoveryType::Type(kind)) if kind == DiscoveryType::Eds as i32
    );
    let service = cluster.eds_cluster_config.map(|config| config.service_name).unwrap_or_default();
    by_eds.then_some(if service.is_empty() { cluster.name } else { service })
}
