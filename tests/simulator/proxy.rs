//! A proxy: the real client machine, configuration and upstreams, driven as the live floor drives them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message as _;
use traffic::{
    Config, Dice, Moment, Table, Upstream, Upstreams,
    config::Upsert,
    upstream::{Directory, HostId},
};
use xds::{
    ads::client::{Delta, Wanted},
    core::{Locality, Node},
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
    snapshot::{CLUSTER, ENDPOINT, LISTENER, ROUTE, Snapshot},
};

use crate::{
    exchange::{Exchange, Held, Pooled},
    oracle::Oracle,
    plane::POISON,
    tally::Tally,
    wire::Wire,
};

/// Resources that do not come are not waited for longer than this. As on the live floor.
const INITIAL_FETCH: Duration = Duration::from_secs(15);

/// One proxy with all that it has under way.
pub(crate) struct Proxy {
    pub(crate) number: usize,
    /// A gateway, not a sidecar.
    pub(crate) is_gateway: bool,
    client: Delta,
    node: Node,
    pub(crate) wire: Wire,
    /// Messages on their way down.
    pub(crate) on_the_way: usize,
    pub(crate) config: Config,
    pub(crate) table: Arc<Table>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) upstreams: Upstreams,
    pub(crate) dice: Dice,
    pub(crate) pools: BTreeMap<HostId, Vec<Pooled>>,
    pub(crate) exchanges: BTreeMap<u64, Exchange>,
    /// What is held of each upstream, counted by hand; by its address, for names come again.
    pub(crate) held: BTreeMap<usize, Held>,
    /// Every upstream that there ever was: none may keep anything.
    pub(crate) ever: BTreeMap<usize, Arc<Upstream>>,
    /// The snapshots that the proxy may be anywhere between: the last one it had as a whole, and all since.
    pub(crate) recent: Vec<Oracle>,
    /// The wire is quick enough that each step of a change is acknowledged before the next one is told.
    pub(crate) is_prompt: bool,
    pub(crate) refusals: u64,
    waits_since: Option<Moment>,
    pub(crate) tally: Tally,
}

impl Proxy {
    pub(crate) fn new(number: usize, seed: u64) -> Self {
        let is_gateway = number == 0;
        let (kind, name) = if is_gateway {
            ("router", "istio-ingressgateway.istio-system".to_owned())
        } else {
            ("sidecar", format!("client-{number}.default"))
        };
        let zone = ["r1/z1", "r1/z2", "r2/z3"][number % 3];
        let (region, zone) = zone.split_once('/').expect("a region and a zone");
        let labels = [("app", "istio-ingressgateway"), ("istio", "ingressgateway")];
        let node = Node {
            id: format!("{kind}~10.244.200.{number}~{name}~cluster.local"),
            locality: Some(Locality {
                region: region.to_owned(),
                zone: zone.to_owned(),
                sub_zone: String::new(),
            }),
            metadata: is_gateway.then(|| metadata(&labels)),
            ..Node::default()
        };
        let mut client = Delta::new(node.clone());
        // Nothing is connected yet, so that no request is due.
        let _ = client.want(CLUSTER, Wanted::All);
        let _ = client.want(LISTENER, Wanted::All);
        Self {
            number,
            is_gateway,
            client,
            node,
            wire: Wire { delay: Duration::from_millis(1), ..Wire::default() },
            on_the_way: 0,
            config: Config::new(),
            table: Arc::default(),
            directory: Arc::default(),
            upstreams: Upstreams::new(),
            dice: Dice::seeded(seed),
            pools: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            held: BTreeMap::new(),
            ever: BTreeMap::new(),
            recent: Vec::new(),
            is_prompt: true,
            refusals: 0,
            waits_since: None,
            tally: Tally::default(),
        }
    }

    /// The proxy as the control plane knows it.
    pub(crate) fn node(&self) -> mesh::Node {
        mesh::Node::from_xds(&self.node).expect("the node has its four parts")
    }

    /// A stream stands: what is said first on it.
    pub(crate) fn connected(&mut self) -> Vec<Bytes> {
        let mut requests = self.client.connected();
        // A first request without names would mean "everything" to the server.
        requests.retain(|request| !request.resource_names_subscribe.is_empty());
        requests.extend(self.subscribe());
        encoded(&requests)
    }

    pub(crate) fn disconnected(&mut self) {
        self.client.disconnected();
        self.wire.stream = None;
        self.on_the_way = 0;
    }

    /// A response: what is said to it.
    pub(crate) fn response(&mut self, now: Moment, bytes: &Bytes) -> Vec<Bytes> {
        let response =
            DeltaDiscoveryResponse::decode(bytes.clone()).expect("the server encoded it");
        let change = self.client.on_response(response);
        let before = self.contents();
        let table = Arc::clone(&self.table);
        let upserts: Vec<Upsert<'_>> = change
            .upserts
            .iter()
            .map(|(name, version, body)| (name.as_str(), version.as_str(), &**body))
            .collect();
        let answer = match self.config.update(&change.type_url, &upserts, &change.removed) {
            Ok(()) => {
                self.put_in_place(now);
                self.client.ack(&change)
            }
            Err(why) => {
                self.refusals += 1;
                let poisoned = upserts.iter().any(|(name, ..)| *name == POISON);
                assert!(poisoned, "proxy {} refuses what is good: {why}", self.number);
                assert_eq!(before, self.contents(), "a refused response left something behind");
                assert!(Arc::ptr_eq(&table, &self.config.table()), "a refusal made a new table");
                self.client.nack(&change, &why.to_string())
            }
        };
        let mut requests = vec![answer];
        requests.extend(self.subscribe());
        encoded(&requests)
    }

    /// Asks for what the configuration names.
    fn subscribe(&mut self) -> Vec<DeltaDiscoveryRequest> {
        let wanted = self.config.wanted();
        let mut requests = Vec::new();
        for (type_url, names) in [(ENDPOINT, wanted.endpoints), (ROUTE, wanted.routes)] {
            if names.is_empty() && self.client.versions(type_url).is_none() {
                continue;
            }
            let names = names.into_iter().collect();
            requests.extend(self.client.want(type_url, Wanted::Names(names)));
        }
        requests
    }

    fn put_in_place(&mut self, now: Moment) {
        self.table = self.config.table();
        self.config.forget_unused();
        self.upstreams.sync(now, &self.table);
        self.directory = self.upstreams.directory();
        for upstream in self.directory.iter() {
            self.ever.insert(address(upstream), Arc::clone(upstream));
        }
    }

    /// Version and name of everything that it has, by type.
    fn contents(&self) -> Vec<(String, String)> {
        let all = [CLUSTER, ENDPOINT, LISTENER, ROUTE].into_iter();
        all.flat_map(|type_url| self.config.resources(type_url))
            .map(|(name, version, _)| (name.to_owned(), version.to_owned()))
            .collect()
    }

    /// What is due: ejections end, and what does not come is waited for no longer.
    pub(crate) fn tick(&mut self, now: Moment) {
        self.upstreams.on_wake(now);
        self.pools.retain(|_, idle| {
            idle.retain(|pooled| !pooled.connection.host().is_removed());
            !idle.is_empty()
        });
        if self.config.warming().is_empty() {
            self.waits_since = None;
            return;
        }
        let since = *self.waits_since.get_or_insert(now);
        if self.wire.stream.is_none() || now - since < INITIAL_FETCH {
            return;
        }
        let wanted = self.config.wanted();
        for (type_url, names) in [(ENDPOINT, wanted.endpoints), (ROUTE, wanted.routes)] {
            let known: Vec<String> = self
                .config
                .resources(type_url)
                .iter()
                .map(|(name, ..)| (*name).to_owned())
                .collect();
            for name in names.iter().filter(|name| !known.contains(name)) {
                self.config.give_up(type_url, name);
            }
        }
        self.put_in_place(now);
    }

    /// The proxy is being brought to this snapshot.
    pub(crate) fn aims_at(&mut self, oracle: Oracle) {
        let same = self.recent.last().is_some_and(|last| last.snapshot == oracle.snapshot);
        if !same {
            self.recent.push(oracle);
        }
    }

    /// Notes when the proxy has all of the newest snapshot; true when that is news.
    pub(crate) fn note_arrival(&mut self) -> bool {
        let Some(last) = self.recent.last() else { return false };
        if self.on_the_way != 0 || self.difference(&last.snapshot).is_some() {
            return false;
        }
        let is_news = self.recent.len() > 1 || self.tally.snapshot.is_none();
        if is_news {
            let last = self.recent.pop().expect("there is a last one");
            self.tally.begin(&last.snapshot);
            self.recent = vec![last];
        }
        is_news
    }

    /// What the proxy has that the snapshot has not, or the other way round; `None` when it has all of it.
    pub(crate) fn difference(&self, snapshot: &Snapshot) -> Option<String> {
        for type_url in [CLUSTER, LISTENER, ENDPOINT, ROUTE] {
            let mut has: BTreeMap<&str, &str> = BTreeMap::new();
            for (name, version, _) in self.config.resources(type_url) {
                has.insert(name, version);
            }
            let resources = snapshot.of(type_url).iter().filter(|(name, _)| *name != POISON);
            let target: BTreeMap<&str, &str> =
                resources.map(|(name, it)| (name.as_str(), it.version.as_str())).collect();
            let wanted = self.config.wanted();
            let named = match type_url {
                ENDPOINT => Some(wanted.endpoints),
                ROUTE => Some(wanted.routes),
                _ => None,
            };
            let names: Vec<&str> = match &named {
                Some(names) => names.iter().map(String::as_str).collect(),
                None => has.keys().chain(target.keys()).copied().collect(),
            };
            if let Some(name) = names.into_iter().find(|name| has.get(name) != target.get(name)) {
                return Some(format!("{type_url} {name}"));
            }
        }
        let warming = self.config.warming();
        (!warming.is_empty()).then(|| format!("{warming:?} wait"))
    }

    /// Resources that it keeps although nothing refers to them.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let wanted = self.config.wanted();
        let mut left = Vec::new();
        for (type_url, names) in [(ENDPOINT, wanted.endpoints), (ROUTE, wanted.routes)] {
            let has = self.config.resources(type_url);
            let unused = has.iter().filter(|(name, ..)| !names.iter().any(|used| used == name));
            left.extend(unused.map(|(name, ..)| format!("{type_url} {name}")));
        }
        left
    }
}

/// Tells an upstream from a later one of the same name.
pub(crate) fn address(upstream: &Arc<Upstream>) -> usize {
    Arc::as_ptr(upstream).addr()
}

fn encoded(requests: &[DeltaDiscoveryRequest]) -> Vec<Bytes> {
    requests.iter().map(|request| request.encode_to_vec().into()).collect()
}

fn metadata(labels: &[(&str, &str)]) -> xds::wkt::Struct {
    use xds::wkt::{Struct, Value, value::Kind};
    let word = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), word(value)));
    let labels = Value { kind: Some(Kind::StructValue(Struct { fields: labels.collect() })) };
    Struct { fields: [("LABELS".to_owned(), labels)].into_iter().collect() }
}
