//! Who got what while a configuration stood still: shares by weight, and who stays where.

use std::{collections::BTreeMap, sync::Arc};

use traffic::Address;
use xds::snapshot::Snapshot;

/// One user at one cluster, with the hosts that it had: all, and those that were well.
type Whereabouts = (String, String, Vec<Address>, Vec<Address>);

/// What was seen under one snapshot.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    clusters: BTreeMap<(String, String), String>,
    hosts: BTreeMap<Whereabouts, Address>,
}

impl Tally {
    /// Begins anew: what follows happens under another snapshot.
    pub(crate) fn begin(&mut self, snapshot: &Arc<Snapshot>) {
        *self = Self { snapshot: Some(Arc::clone(snapshot)), ..Self::default() };
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
        (all, well): (Vec<Address>, Vec<Address>),
        host: Address,
    ) {
        let key = (cluster.to_owned(), user.to_owned(), all, well);
        let before = self.hosts.entry(key).or_insert_with(|| host.clone()).clone();
        assert_eq!(before, host, "{user} got another host of {cluster} while nothing changed");
    }
}

/// What the first cluster of weighted routes got over a whole run, of all routes and proxies together.
#[derive(Debug, Default)]
pub(crate) struct Draws {
    seen: f64,
    expected: f64,
    variance: f64,
}

impl Draws {
    /// A request of somebody who never asked before.
    pub(crate) fn count(&mut self, shares: &[(&str, u64)], cluster: &str) {
        let number = |n: u64| f64::from(u32::try_from(n).expect("weights are small"));
        let total: f64 = shares.iter().map(|(_, weight)| number(*weight)).sum();
        let Some((first, weight)) = shares.first().filter(|_| shares.len() > 1) else { return };
        let part = number(*weight) / total;
        self.seen += f64::from(u8::from(*first == cluster));
        self.expected += part;
        self.variance += part * (1.0 - part);
    }

    /// Six deviations: once in half a billion.
    pub(crate) fn judge(&self) {
        let slack = 6.0 * self.variance.sqrt() + 1.0;
        assert!((self.seen - self.expected).abs() <= slack, "weights are not honoured: {self:?}");
    }
}
