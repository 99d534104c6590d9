//! The proxy's end of a delta stream: what it asks for, what it has, and what it answers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{
    core::Node,
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    wkt::Status,
};

/// gRPC's code for a configuration that is refused.
const INVALID_ARGUMENT: i32 = 3;

/// What a proxy wants of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything the server has for this proxy.
    All,
    /// These names.
    Names(BTreeSet<String>),
}

/// What a response changes. It counts as had only once it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Type of all resources in it.
    pub type_url: String,
    /// The server's mark of this response.
    pub nonce: String,
    /// Name, version and encoded message of each resource that is new or different.
    pub upserts: Vec<(String, String, Bytes)>,
    /// Names of resources that are no more.
    pub removed: Vec<String>,
}

#[derive(Debug)]
struct Subscription {
    wanted: Wanted,
    versions: BTreeMap<String, String>,
}

/// A client of the delta protocol. It outlives its connections: after a reconnect, the server sends what differs only.
#[derive(Debug)]
pub struct Delta {
    node: Node,
    /// Types in the order in which they were first asked for.
    order: Vec<String>,
    types: BTreeMap<String, Subscription>,
    /// Whether the first request of this connection, which carries the node, was made.
    introduced: bool,
}

impl Delta {
    /// A client that wants nothing yet.
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self { node, order: Vec::new(), types: BTreeMap::new(), introduced: false }
    }

    /// States what is wanted of a type from now on. Gives the request to send if the server does not know it yet; without a
    /// connection none is needed, as [`Self::connected`] tells everything.
    pub fn want(&mut self, type_url: &str, wanted: Wanted) -> Option<DeltaDiscoveryRequest> {
        let Some(subscription) = self.types.get_mut(type_url) else {
            self.order.push(type_url.to_owned());
            self.types
                .insert(type_url.to_owned(), Subscription { wanted, versions: BTreeMap::new() });
            return self.introduced.then(|| self.first_request(type_url));
        };
        if subscription.wanted == wanted {
            return None;
        }
        let (old, new) = (names(&subscription.wanted), names(&wanted));
        let request = DeltaDiscoveryRequest {
            type_url: type_url.to_owned(),
            resource_names_subscribe: new.difference(&old).cloned().collect(),
            resource_names_unsubscribe: old.difference(&new).cloned().collect(),
            ..DeltaDiscoveryRequest::default()
        };
        if let Wanted::Names(kept) = &wanted {
            subscription.versions.retain(|name, _| kept.contains(name));
        }
        subscription.wanted = wanted;
        self.introduced.then_some(request)
    }

    /// A new connection stands: the requests to send first, in order.
    pub fn connected(&mut self) -> Vec<DeltaDiscoveryRequest> {
        self.introduced = false;
        let order = self.order.clone();
        let requests = order.iter().map(|type_url| self.first_request(type_url)).collect();
        self.introduced = true;
        requests
    }

    /// The connection is gone; what was received stays.
    pub fn disconnected(&mut self) {
        self.introduced = false;
    }

    fn first_request(&mut self, type_url: &str) -> DeltaDiscoveryRequest {
        let node = (!std::mem::replace(&mut self.introduced, true)).then(|| self.node.clone());
        let subscription = self.types.get(type_url);
        DeltaDiscoveryRequest {
            node,
            type_url: type_url.to_owned(),
            resource_names_subscribe: subscription
                .map(|s| names(&s.wanted))
                .into_iter()
                .flatten()
                .collect(),
            initial_resource_versions: subscription.map(|s| s.versions.clone()).unwrap_or_default(),
            ..DeltaDiscoveryRequest::default()
        }
    }

    /// What a response changes, for the proxy to try and then to [`Self::ack`] or [`Self::nack`].
    #[must_use]
    pub fn on_response(&self, response: DeltaDiscoveryResponse) -> Change {
        let upserts = response
            .resources
            .into_iter()
            .map(|resource| {
                (
                    resource.name,
                    resource.version,
                    resource.resource.unwrap_or_default().value.into(),
                )
            })
            .collect();
        Change {
            type_url: response.type_url,
            nonce: response.nonce,
            upserts,
            removed: response.removed_resources,
        }
    }

    /// The change holds: the request that says so.
    pub fn ack(&mut self, change: &Change) -> DeltaDiscoveryRequest {
        if let Some(subscription) = self.types.get_mut(&change.type_url) {
            for (name, version, _) in &change.upserts {
                let kept = match &subscription.wanted {
                    Wanted::All => true,
                    Wanted::Names(names) => names.contains(name),
                };
                if kept {
                    subscription.versions.insert(name.clone(), version.clone());
                }
            }
            for name in &change.removed {
                subscription.versions.remove(name);
            }
        }
        answer(change)
    }

    /// The change is refused and nothing of it holds: the request that says why.
    #[must_use]
    pub fn nack(&self, change: &Change, why: &str) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            error_detail: Some(Status {
                code: INVALID_ARGUMENT,
                message: why.to_owned(),
                details: Vec::new(),
            }),
            ..answer(change)
        }
    }

    /// Versions of the resources of a type that this proxy has.
    #[must_use]
    pub fn versions(&self, type_url: &str) -> Option<&BTreeMap<String, String>> {
        self.types.get(type_url).map(|subscription| &subscription.versions)
    }
}

fn names(wanted: &Wanted) -> BTreeSet<String> {
    match wanted {
        Wanted::All => BTreeSet::from(["*".to_owned()]),
        Wanted::Names(names) => names.clone(),
    }
}

fn answer(change: &Change) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: change.type_url.clone(),
        response_nonce: change.nonce.clone(),
        ..DeltaDiscoveryRequest::default()
    }
}
