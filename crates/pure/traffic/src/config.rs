//! The configuration: xDS resources as they come, read, checked and kept until they change.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use prost::Message;
use xds::snapshot::{CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET};
use xds::spiffe::{OWN_CERTIFICATE, ROOTS};

use crate::{
    cluster::{Cluster, Endpoints},
    compile::{Bad, Map},
    listener::Listener,
    route::Routes,
    table::{Entry, Table},
    tls::Secret,
};

/// A resource of a response: its name, its version and its encoded message.
pub type Upsert<'a> = (&'a str, &'a str, &'a [u8]);

/// Everything that the control plane has told.
///
/// What is new takes effect only when all that it refers to is there: a cluster waits for its endpoints, a listener for its
/// routes, both for their secrets, and until then the old one stays in the table. Spec: Envoy, "Warming".
#[derive(Debug, Default)]
pub struct Config {
    listeners: Resources<Listener>,
    clusters: Resources<Cluster>,
    routes: Resources<Routes>,
    endpoints: Resources<Endpoints>,
    secrets: Resources<Secret>,
    /// Names that the control plane was asked for and has nothing about, by type.
    absent: BTreeMap<&'static str, Vec<String>>,
    table: Arc<Table>,
    stale: Stale,
}

/// What has to be made anew for the next table.
#[derive(Clone, Copy, Debug, Default)]
struct Stale {
    listeners: bool,
    clusters: bool,
    routes: bool,
    secrets: bool,
}

/// Resources of one type.
#[derive(Debug)]
struct Resources<T> {
    by_name: BTreeMap<String, Resource<T>>,
}

#[derive(Debug)]
struct Resource<T> {
    version: String,
    compiled: Arc<T>,
    body: Arc<[u8]>,
    /// What is in use while the newest waits for what it refers to.
    in_use: Option<Arc<T>>,
}

/// What was read of a response, by name.
type Read<T> = Vec<(String, Resource<T>)>;

/// The resources to ask for by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Names of endpoint resources.
    pub endpoints: Vec<String>,
    /// Names of route configurations.
    pub routes: Vec<String>,
    /// Names of secrets.
    pub secrets: Vec<String>,
}

/// Why a response is refused. Its text is the reason in the NACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The type of the resource, without its package.
    pub kind: String,
    /// The name of the resource.
    pub resource: String,
    /// The path of the field; empty for the resource as a whole.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, resource, field, why } = self;
        let colon = if field.is_empty() { "" } else { ": " };
        write!(f, "{kind} {resource}{colon}{field}: {why}")
    }
}

impl std::error::Error for Rejection {}

impl<T> Default for Resources<T> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new() }
    }
}

impl<T> Resource<T> {
    /// The newest, and the one that is in use while that waits.
    fn all(&self) -> impl Iterator<Item = &T> {
        self.in_use.iter().map(|used| &**used).chain([&*self.compiled])
    }
}

impl<T> Resources<T> {
    /// Reads all resources of a response; nothing is kept yet.
    fn read<M: Message + Default>(
        &self,
        upserts: &[Upsert<'_>],
        compile: fn(&M) -> Result<T, Bad>,
    ) -> Result<Read<T>, (String, Bad)> {
        let mut read = Vec::with_capacity(upserts.len());
        for (name, version, body) in upserts {
            if self.by_name.get(*name).is_some_and(|old| *old.body == **body) {
                continue;
            }
            let refused = |bad| ((*name).to_owned(), bad);
            let message = M::decode(*body)
                .map_err(|error| refused(Bad::new("", format!("cannot be decoded: {error}"))))?;
            let compiled = Arc::new(compile(&message).map_err(refused)?);
            let in_use = None;
            let resource =
                Resource { version: (*version).to_owned(), compiled, body: (*body).into(), in_use };
            read.push(((*name).to_owned(), resource));
        }
        Ok(read)
    }

    /// Keeps what was read. True when anything changed.
    fn keep(&mut self, read: Read<T>, removed: &[String]) -> bool {
        let mut changed = !read.is_empty();
        for (name, mut resource) in read {
            let old = self.by_name.remove(&name);
            resource.in_use = old.and_then(|old| old.in_use);
            self.by_name.insert(name, resource);
        }
        for name in removed {
            changed |= self.by_name.remove(name).is_some();
        }
        changed
    }
}

impl Config {
    /// No configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one response: all of it, or nothing.
    ///
    /// # Errors
    /// When a resource cannot be read or asks for something that this proxy does not do.
    pub fn update(
        &mut self,
        type_url: &str,
        upserts: &[Upsert<'_>],
        removed: &[String],
    ) -> Result<(), Rejection> {
        let kind = type_url.rsplit('.').next().unwrap_or(type_url);
        let refuse = |(resource, bad): (String, Bad)| Rejection {
            kind: kind.to_owned(),
            resource,
            field: bad.field,
            why: bad.why,
        };
        match type_url {
            LISTENER => {
                let read = self.listeners.read(upserts, Listener::compile).map_err(refuse)?;
                self.stale.listeners |= self.listeners.keep(read, removed);
            }
            CLUSTER => {
                let read = self.clusters.read(upserts, Cluster::compile).map_err(refuse)?;
                self.stale.clusters |= self.clusters.keep(read, removed);
            }
            ROUTE => {
                let read = self.routes.read(upserts, Routes::compile).map_err(refuse)?;
                self.note_absent(ROUTE, upserts, removed);
                // Envoy keeps the routes that a control plane takes away from under a listener.
                let changed = self.routes.keep(read, &[]);
                self.stale.routes |= changed;
                self.stale.listeners |= changed || !removed.is_empty();
            }
            ENDPOINT => {
                let read = self.endpoints.read(upserts, Endpoints::compile).map_err(refuse)?;
                self.note_absent(ENDPOINT, upserts, removed);
                let changed = self.endpoints.keep(read, &[]);
                self.stale.clusters |= changed || !removed.is_empty();
            }
            SECRET => {
                let read = self.secrets.read(upserts, Secret::compile).map_err(refuse)?;
                // New names may be all that somebody waits for; new content touches nobody.
                let is_new = read.iter().any(|(name, _)| !self.secrets.by_name.contains_key(name));
                self.note_absent(SECRET, upserts, removed);
                let changed = self.secrets.keep(read, &[]);
                self.stale.secrets |= changed;
                self.stale.clusters |= is_new || !removed.is_empty();
                self.stale.listeners |= is_new || !removed.is_empty();
            }
            _ => {
                let why = "is a type that this proxy does not ask for".to_owned();
                let resource = type_url.to_owned();
                return Err(Rejection {
                    kind: kind.to_owned(),
                    resource,
                    field: String::new(),
                    why,
                });
            }
        }
        Ok(())
    }

    /// Takes resources of a bootstrap file, which have no versions.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn update_static<'a>(
        &mut self,
        type_url: &str,
        resources: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<(), Rejection> {
        let upserts: Vec<Upsert<'_>> =
            resources.into_iter().map(|(name, body)| (name, "", body)).collect();
        self.update(type_url, &upserts, &[])
    }

    /// Gives up waiting for a resource that does not come (`initial_fetch_timeout`): who refers to it goes on without it.
    pub fn give_up(&mut self, type_url: &str, name: &str) {
        let removed = [name.to_owned()];
        match type_url {
            ROUTE => {
                self.note_absent(ROUTE, &[], &removed);
                self.stale.listeners = true;
            }
            ENDPOINT => {
                self.note_absent(ENDPOINT, &[], &removed);
                self.stale.clusters = true;
            }
            SECRET => {
                self.note_absent(SECRET, &[], &removed);
                self.stale.clusters = true;
                self.stale.listeners = true;
            }
            _ => {}
        }
    }

    /// Forgets endpoints and routes that nothing refers to any more: the proxy no longer subscribes to them, so that nobody
    /// says when they change, and names come and go without end. Call it when the last change is in force and stays.
    pub fn forget_unused(&mut self) {
        let clusters = self.clusters.by_name.values().flat_map(Resource::all);
        let endpoints: BTreeSet<&str> =
            clusters.filter_map(|cluster| cluster.endpoints_name()).map(|name| &**name).collect();
        let listeners = self.listeners.by_name.values().flat_map(Resource::all);
        let routes: BTreeSet<&str> =
            listeners.flat_map(|listener| listener.route_names()).map(|name| &**name).collect();
        let clusters = self.clusters.by_name.values().flat_map(Resource::all);
        let of_clusters = clusters.flat_map(|cluster| cluster.secret_names());
        let listeners = self.listeners.by_name.values().flat_map(Resource::all);
        let of_listeners = listeners.flat_map(|listener| listener.secret_names());
        let secrets: BTreeSet<&str> = of_clusters.chain(of_listeners).map(|name| &**name).collect();
        // Those that nobody asked the control plane for were given by the proxy itself or its bootstrap file.
        self.secrets
            .by_name
            .retain(|name, secret| secret.version.is_empty() || secrets.contains(name.as_str()));
        self.endpoints.by_name.retain(|name, _| endpoints.contains(name.as_str()));
        self.routes.by_name.retain(|name, _| routes.contains(name.as_str()));
        for (kind, used) in [(ENDPOINT, &endpoints), (ROUTE, &routes), (SECRET, &secrets)] {
            if let Some(absent) = self.absent.get_mut(kind) {
                absent.retain(|name| used.contains(name.as_str()));
            }
        }
    }

    fn note_absent(&mut self, kind: &'static str, here: &[Upsert<'_>], gone: &[String]) {
        let absent = self.absent.entry(kind).or_default();
        absent.retain(|name| !here.iter().any(|(here, ..)| here == name));
        for name in gone {
            if !absent.contains(name) {
                absent.push(name.clone());
            }
        }
    }

    fn is_absent(&self, kind: &str, name: &str) -> bool {
        self.absent.get(kind).is_some_and(|absent| absent.iter().any(|other| other == name))
    }

    /// The names that the resources so far refer to, in order.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let sorted = |names: &mut Vec<String>| {
            names.sort_unstable();
            names.dedup();
        };
        let mut wanted = Wanted::default();
        for resource in self.clusters.by_name.values() {
            wanted.endpoints.extend(resource.compiled.endpoints_name().map(|n| n.to_string()));
            wanted.secrets.extend(resource.compiled.secret_names().map(|name| name.to_string()));
        }
        for resource in self.listeners.by_name.values() {
            wanted.routes.extend(resource.compiled.route_names().map(|name| name.to_string()));
            wanted.secrets.extend(resource.compiled.secret_names().map(|name| name.to_string()));
        }
        sorted(&mut wanted.endpoints);
        sorted(&mut wanted.routes);
        // Its own and those of the bootstrap file are not the control plane's to give.
        let is_own = |name: &String| {
            [OWN_CERTIFICATE, ROOTS].contains(&name.as_str())
                || self.secrets.by_name.get(name).is_some_and(|secret| secret.version.is_empty())
        };
        wanted.secrets.retain(|name| !is_own(name));
        sorted(&mut wanted.secrets);
        wanted
    }

    /// Names of listeners and clusters that wait for what they refer to.
    #[must_use]
    pub fn warming(&self) -> Vec<String> {
        let listeners = self.listeners.by_name.iter();
        let listeners =
            listeners.filter(|(_, resource)| !self.is_ready_listener(&resource.compiled));
        let clusters = self.clusters.by_name.iter();
        let clusters = clusters.filter(|(_, resource)| !self.is_ready_cluster(&resource.compiled));
        let names = listeners.map(|(name, _)| name).chain(clusters.map(|(name, _)| name));
        names.cloned().collect()
    }

    /// Version and body of every resource of a type, for `config_dump`.
    pub fn resources(&self, type_url: &str) -> Vec<(&str, &str, &[u8])> {
        fn all<T>(resources: &Resources<T>) -> Vec<(&str, &str, &[u8])> {
            let all = resources.by_name.iter();
            all.map(|(name, r)| (name.as_str(), r.version.as_str(), &*r.body)).collect()
        }
        match type_url {
            LISTENER => all(&self.listeners),
            CLUSTER => all(&self.clusters),
            ROUTE => all(&self.routes),
            ENDPOINT => all(&self.endpoints),
            SECRET => all(&self.secrets),
            _ => Vec::new(),
        }
    }

    /// The table of all that is ready. It is the same one as before when nothing changed.
    pub fn table(&mut self) -> Arc<Table> {
        let stale = std::mem::take(&mut self.stale);
        if !(stale.listeners || stale.clusters || stale.routes || stale.secrets) {
            return Arc::clone(&self.table);
        }
        let old = Arc::clone(&self.table);
        let mut new = Table {
            listeners: Arc::clone(&old.listeners),
            by_address: Arc::clone(&old.by_address),
            routes: Arc::clone(&old.routes),
            secrets: Arc::clone(&old.secrets),
            clusters: Arc::clone(&old.clusters),
            sorted: Arc::clone(&old.sorted),
        };
        if stale.routes {
            let all = self.routes.by_name.iter();
            let all = all.map(|(name, r)| (name.as_str().into(), Arc::clone(&r.compiled)));
            new.routes = Arc::new(all.collect());
        }
        if stale.secrets {
            let all = self.secrets.by_name.iter();
            let all = all.map(|(name, r)| (name.as_str().into(), (*r.compiled).clone()));
            new.secrets = Arc::new(all.collect());
        }
        if stale.clusters {
            self.warm_clusters(&mut new);
        }
        if stale.listeners {
            self.warm_listeners(&mut new);
        }
        self.table = Arc::new(new);
        Arc::clone(&self.table)
    }

    fn is_ready_cluster(&self, cluster: &Cluster) -> bool {
        let has_hosts = cluster.endpoints_name().is_none_or(|name| {
            self.endpoints.by_name.contains_key(&**name) || self.is_absent(ENDPOINT, name)
        });
        has_hosts && self.has_secrets(cluster.secret_names())
    }

    fn is_ready_listener(&self, listener: &Listener) -> bool {
        let mut names = listener.route_names();
        names.all(|name| self.routes.by_name.contains_key(&**name) || self.is_absent(ROUTE, name))
            && self.has_secrets(listener.secret_names())
    }

    fn has_secrets<'n>(&self, mut names: impl Iterator<Item = &'n Arc<str>>) -> bool {
        names.all(|name| self.secrets.by_name.contains_key(&**name) || self.is_absent(SECRET, name))
    }

    fn warm_clusters(&mut self, table: &mut Table) {
        let ready: Vec<String> = self
            .clusters
            .by_name
            .iter()
            .filter(|(_, resource)| self.is_ready_cluster(&resource.compiled))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &ready {
            if let Some(resource) = self.clusters.by_name.get_mut(name) {
                resource.in_use = Some(Arc::clone(&resource.compiled));
            }
        }
        let mut clusters: Map<Arc<str>, Entry> = Map::default();
        let mut sorted = Vec::with_capacity(self.clusters.by_name.len());
        let nothing = Arc::new(Endpoints::default());
        for resource in self.clusters.by_name.values() {
            let Some(cluster) = &resource.in_use else { continue };
            let endpoints = match cluster.endpoints_name() {
                None => cluster.endpoints.as_ref(),
                Some(name) => self.endpoints.by_name.get(&**name).map(|r| &r.compiled),
            };
            let endpoints = Arc::clone(endpoints.unwrap_or(&nothing));
            sorted.push(Arc::clone(&cluster.name));
            let entry = Entry { cluster: Arc::clone(cluster), endpoints };
            clusters.insert(Arc::clone(&cluster.name), entry);
        }
        table.clusters = Arc::new(clusters);
        table.sorted = sorted.into();
    }

    fn warm_listeners(&mut self, table: &mut Table) {
        let ready: Vec<String> = self
            .listeners
            .by_name
            .iter()
            .filter(|(_, resource)| self.is_ready_listener(&resource.compiled))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &ready {
            if let Some(resource) = self.listeners.by_name.get_mut(name) {
                resource.in_use = Some(Arc::clone(&resource.compiled));
            }
        }
        let in_use = self.listeners.by_name.values().filter_map(|r| r.in_use.clone());
        table.listeners = in_use.collect();
        let mut by_address = Map::default();
        for (at, listener) in table.listeners.iter().enumerate() {
            for address in listener.addresses() {
                // Nobody is redirected to a unix socket.
                if let Some(address) = address.socket() {
                    by_address.insert(address, at);
                }
            }
        }
        table.by_address = Arc::new(by_address);
    }
}

#[cfg(test)]
mod tests;
