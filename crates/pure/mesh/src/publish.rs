//! From the view of one proxy to its configuration in Envoy's words.
//!
//! Names are Istio's, for tools and people look for them. What is written here, upstream Envoy takes
//! as it is: no empty names, no field that its validation rules miss, no extension of Istio's own.

mod action;
mod client;
mod cluster;
mod dynamic;
mod endpoint;
mod extras;
mod gateway;
mod inbound;
mod listener;
mod log;
mod manager;
mod matching;
mod outbound;
mod route;
mod secret;
mod stream;
mod tls;
mod traffic;
mod vhost;
mod wire;

use std::collections::BTreeMap;

use xds::cluster::Cluster;
use xds::endpoint::ClusterLoadAssignment;
use xds::listener::Listener;
use xds::route::RouteConfiguration;
use xds::snapshot::Snapshot;

use crate::model::Resolution;
use crate::view::{NodeKind, Outbound, View};
pub use cluster::cluster_name;

/// Where traffic to nowhere goes.
pub(crate) const BLACK_HOLE: &str = "BlackHoleCluster";
/// Where traffic goes that no rule knows: the address that was dialled.
pub(crate) const PASSTHROUGH: &str = "PassthroughCluster";
/// The same for traffic to the proxy's own workload.
pub(crate) const INBOUND_PASSTHROUGH: &str = "InboundPassthroughCluster";
/// Where outbound connections are redirected to.
pub(crate) const OUTBOUND_PORT: u16 = 15001;
/// Where inbound connections are redirected to.
pub(crate) const INBOUND_PORT: u16 = 15006;

/// A view with its services found by host at once.
#[derive(Debug)]
struct Sight<'a> {
    view: &'a View,
    by_host: BTreeMap<&'a str, &'a Outbound>,
    /// Some service is looked up by the name in each request.
    looks_up: bool,
}

impl<'a> Sight<'a> {
    fn new(view: &'a View) -> Sight<'a> {
        let by_host = view.outbound.iter().map(|one| (one.service.host.as_str(), one)).collect();
        let by_request = |one: &Outbound| one.service.resolution == Resolution::ByRequest;
        Sight { view, by_host, looks_up: view.outbound.iter().any(by_request) }
    }

    fn service(&self, host: &str) -> Option<&'a Outbound> {
        self.by_host.get(host).copied()
    }
}

impl std::ops::Deref for Sight<'_> {
    type Target = View;
    fn deref(&self) -> &View {
        self.view
    }
}

/// The resources of one snapshot, before they are encoded.
#[derive(Debug, Default)]
struct Draft {
    clusters: Vec<Cluster>,
    endpoints: Vec<ClusterLoadAssignment>,
    listeners: Vec<Listener>,
    routes: Vec<RouteConfiguration>,
}

/// The configuration of a proxy that sees `view`. Equal views give equal snapshots.
#[must_use]
pub fn publish(view: &View) -> Snapshot {
    let mut draft = Draft::default();
    let sight = Sight::new(view);
    cluster::outbound(view, &mut draft);
    match view.kind {
        NodeKind::Sidecar => {
            inbound::sidecar(view, &mut draft);
            outbound::sidecar(&sight, &mut draft);
            vhost::sidecar(&sight, &mut draft);
        }
        NodeKind::Router => gateway::gateway(&sight, &mut draft),
    }
    log::add(view, &mut draft);
    if let Some(mark) = view.mark {
        draft.clusters.iter_mut().for_each(|cluster| cluster::mark(cluster, mark));
    }
    let mut snapshot = Snapshot::default();
    draft.clusters.iter().for_each(|one| snapshot.insert(&one.name, one));
    draft.endpoints.iter().for_each(|one| snapshot.insert(&one.cluster_name, one));
    draft.listeners.iter().for_each(|one| snapshot.insert(&one.name, one));
    draft.routes.iter().for_each(|one| snapshot.insert(&one.name, one));
    secret::secrets(view).iter().for_each(|one| snapshot.insert(&one.name, one));
    snapshot
}
