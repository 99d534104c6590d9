//! Who got what while a configuration stood still: shares by weight, and who stays where.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use xds::snapshot::Snapshot;

/// Fewer requests than this say nothing about shares.
const ENOUGH: u32 = 200;

/// One user at one cluster, with the hosts that it had: all, and those that were well.
type Whereabouts = (String, String, Vec<SocketAddr>, Vec<SocketAddr>);

/// A route, with the shares that it deals out.
type Dealt = (String, Vec<(String, u64)>);

/// What was seen under one snapshot.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// How many requests each cluster got.
    routes: BTreeMap<Dealt, BTreeMap<String, u32>>,
    clusters: BTreeMap<(String, String), String>,
    hosts: BTreeMap<Whereabouts, SocketAddr>,
}

impl Tally {
    /// Judges what was counted, and begins anew.
    pub(crate) fn begin(&mut self, snapshot: &Arc<Snapshot>) {
        self.judge();
        *self = Self { snapshot: Some(Arc::clone(snapshot)), ..Self::default() };
    }

    /// A request of somebody who never asked before.
    pub(crate) fn count(&mut self, route: String, shares: Vec<(String, u64)>, cluster: &str) {
        let counts = self.routes.entry((route, shares)).or_default();
        *counts.entry(cluster.to_owned()).or_default() += 1;
    }

    /// A request of a known user, whose hash decides.
    pub(crate) fn stays(&mut self, route: String, user: &str, cluster: &str) {
        let before = self.clusters.entry((route, user.to_owned())).or_insert(cluster.to_owned());
        assert_eq!(before, cluster, "{user} went to another cluster while nothing changed");
    }

    /// The host that a known user got.
    pub(crate) fn lands(
        &mut self,
        (cluster, user): (&str, &str),
        (all, well): (Vec<SocketAddr>, Vec<SocketAddr>),
        host: SocketAddr,
    ) {
        let key = (cluster.to_owned(), user.to_owned(), all, well);
        let before = *self.hosts.entry(key).or_insert(host);
        assert_eq!(before, host, "{user} got another host of {cluster} while nothing changed");
    }

    fn judge(&self) {
        for ((route, shares), counts) in &self.routes {
            let draws: u32 = counts.values().sum();
            if draws < ENOUGH {
                continue;
            }
            let number = |n: u64| f64::from(u32::try_from(n).expect("weights are small"));
            let total: f64 = shares.iter().map(|(_, weight)| number(*weight)).sum();
            for (cluster, weight) in shares {
                let part = number(*weight) / total;
                let (draws, seen) =
                    (f64::from(draws), f64::from(counts.get(cluster).copied().unwrap_or(0)));
                // Six deviations: once in half a billion.
                let slack = 6.0 * (draws * part * (1.0 - part)).sqrt() + 1.0;
                assert!(
                    (seen - draws * part).abs() <= slack,
                    "route {route}: {cluster} got {seen} of {draws} requests, and should have {part}"
                );
            }
        }
    }
}
