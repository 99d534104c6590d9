//! Keeps the configuration: takes changes, binds listeners, puts the new table in place.
//! Lives on the main thread.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use telemetry::Id;
use tokio::sync::mpsc::UnboundedSender;
use traffic::config::Upsert;
use traffic::{Address, Config, Listener, Table};
use xds::snapshot::{CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET};
use xds::spiffe;

use crate::inventory::Inventory;
use crate::shared::Shared;
use crate::socket::{self, Door};
use crate::worker::Command;

/// Resources that the control plane does not send are not waited for longer than this.
const INITIAL_FETCH: Duration = Duration::from_secs(15);

/// Whether the proxy serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Initializing,
    Live,
    Draining,
}

impl State {
    /// As Envoy's admin interface spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Initializing => "INITIALIZING",
            State::Live => "LIVE",
            State::Draining => "DRAINING",
        }
    }
}

/// A resource as it comes: name, version, encoded message.
pub(crate) type Resource = (String, String, Bytes);

/// The configuration and what hangs on it.
#[derive(Debug)]
pub(crate) struct Keeper {
    config: Config,
    shared: Arc<Shared>,
    workers: Vec<UnboundedSender<Command>>,
    /// By listener name and configured address.
    bound: BTreeMap<Socket, Bound>,
    /// Listeners of the parent process, by the port they stand for, until one is configured.
    inherited: BTreeMap<u16, TcpListener>,
    pub(crate) inventory: Inventory,
    /// Types that were received at least once.
    received: BTreeSet<String>,
    /// Since when something warms.
    waits_since: Option<Instant>,
    /// There is a control plane to wait for.
    dynamic: bool,
    /// The control plane is connected.
    pub(crate) connected: bool,
    /// `/healthcheck/fail`.
    pub(crate) failed: bool,
    went_live: bool,
    accepted: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
}

/// A listener's name and one of its configured addresses, whose port may be 0.
pub(crate) type Socket = (Arc<str>, Address);

/// A listener that is bound.
#[derive(Debug)]
struct Bound {
    /// As the kernel has it.
    actual: Address,
    /// To see whether a change touched it.
    listener: Arc<Listener>,
}

impl Keeper {
    /// With an empty configuration.
    pub(crate) fn new(
        shared: Arc<Shared>,
        workers: Vec<UnboundedSender<Command>>,
        inherited: BTreeMap<u16, TcpListener>,
        dynamic: bool,
    ) -> Keeper {
        Keeper {
            config: Config::new(),
            shared,
            workers,
            bound: BTreeMap::new(),
            inherited,
            inventory: Inventory::default(),
            received: BTreeSet::new(),
            waits_since: None,
            dynamic,
            connected: false,
            failed: false,
            went_live: false,
            accepted: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Takes a change from the control plane. When this returns `Ok`, no worker begins a request
    /// with the old table, and new listeners are bound; an error changed nothing.
    pub(crate) fn apply(
        &mut self,
        type_url: &str,
        upserts: &[Resource],
        removed: &[String],
    ) -> Result<(), String> {
        let upserts: Vec<Upsert<'_>> = upserts
            .iter()
            .map(|(name, version, body)| (name.as_str(), version.as_str(), &**body))
            .collect();
        let result = self.change(type_url, &upserts, removed);
        let counts = if result.is_ok() { &mut self.accepted } else { &mut self.refused };
        *counts.entry(type_url.to_owned()).or_default() += 1;
        result?;
        self.inventory.note(type_url, &upserts, removed);
        self.received.insert(type_url.to_owned());
        self.live_if_complete();
        Ok(())
    }

    /// Takes resources of the bootstrap file.
    pub(crate) fn apply_fixed(
        &mut self,
        type_url: &str,
        named: &[(String, Bytes)],
    ) -> Result<(), String> {
        let upserts: Vec<Upsert<'_>> =
            named.iter().map(|(name, body)| (name.as_str(), "", &**body)).collect();
        self.change(type_url, &upserts, &[])?;
        self.live_if_complete();
        Ok(())
    }

    fn change(
        &mut self,
        type_url: &str,
        upserts: &[Upsert<'_>],
        removed: &[String],
    ) -> Result<(), String> {
        if type_url == SECRET {
            self.read_keys(type_url, upserts)?;
        }
        let undo = self.undo(type_url, upserts, removed);
        self.config
            .update(type_url, upserts, removed)
            .map_err(|rejection| rejection.to_string())?;
        let keys = if type_url == SECRET { Ok(()) } else { self.read_keys(type_url, &[]) };
        keys.and_then(|()| self.put_in_place()).inspect_err(|_| {
            // Nothing of the change may hold: the configuration goes back to what it was, which
            // was accepted once and is so again.
            let old: Vec<Upsert<'_>> = undo
                .old
                .iter()
                .map(|(name, version, body)| (name.as_str(), version.as_str(), &**body))
                .collect();
            if let Err(error) = self.config.update(type_url, &old, &undo.new) {
                tracing::error!(%error, "could not take back a refused configuration");
            }
            let _ = self.config.table();
        })?;
        self.config.forget_unused();
        Ok(())
    }

    /// Looks whether certificates, keys and roots can be used.
    fn read_keys(&mut self, type_url: &str, upserts: &[Upsert<'_>]) -> Result<(), String> {
        match type_url {
            SECRET => {
                for (name, _, body) in upserts {
                    let secret = traffic::Secret::read(name, body).map_err(|it| it.to_string())?;
                    let checked = self.shared.contexts.check_secret(&secret);
                    checked.map_err(|why| format!("Secret {name}: {why}"))?;
                }
                Ok(())
            }
            LISTENER | CLUSTER => {
                let table = self.config.table();
                self.shared.contexts.check(&table)
            }
            _ => Ok(()),
        }
    }

    /// What takes a change back, of the types that can fail after they were read: ports may be taken, and keys be none.
    fn undo(&self, type_url: &str, upserts: &[Upsert<'_>], removed: &[String]) -> Undo {
        let mut undo = Undo::default();
        if ![LISTENER, CLUSTER].contains(&type_url) {
            return undo;
        }
        let held: BTreeMap<&str, (&str, &[u8])> = self
            .config
            .resources(type_url)
            .into_iter()
            .map(|(name, version, body)| (name, (version, body)))
            .collect();
        let names =
            upserts.iter().map(|(name, ..)| *name).chain(removed.iter().map(String::as_str));
        for name in names {
            match held.get(name) {
                Some((version, body)) => undo.old.push((
                    name.to_owned(),
                    (*version).to_owned(),
                    Bytes::copy_from_slice(body),
                )),
                None => undo.new.push(name.to_owned()),
            }
        }
        undo
    }

    /// Makes the table of the configuration as it is now, and puts it in place.
    fn put_in_place(&mut self) -> Result<(), String> {
        let table = self.config.table();
        let plan = self.open(&table)?;
        let logs = table.listeners().iter().flat_map(|listener| listener.all_logs());
        self.shared.sinks.open(logs.map(|log| &log.target))?;
        self.shared.publish(table);
        let listeners = plan.touched || !plan.closed.is_empty();
        for (index, worker) in self.workers.iter().enumerate() {
            // A worker that is gone has ended with the process.
            for key in &plan.closed {
                let _ = worker.send(Command::Unlisten { key: key.clone() });
            }
            for (key, sockets) in &plan.opened {
                // Sockets come in rounds of one per worker.
                for socket in sockets.iter().skip(index).step_by(self.workers.len()) {
                    match socket.try_clone() {
                        Ok(socket) => {
                            let _ = worker.send(Command::Listen { key: key.clone(), socket });
                        }
                        Err(error) => tracing::error!(listener = %key.0, %error, "cannot listen"),
                    }
                }
            }
            let _ = worker.send(Command::Changed { listeners });
        }
        Ok(())
    }

    /// Binds what the table listens on and does not yet, and says what is no longer listened on.
    fn open(&mut self, table: &Table) -> Result<Plan, String> {
        let mut plan = Plan::default();
        let mut bound = BTreeMap::new();
        for listener in table.listeners().iter().filter(|listener| listener.bind_to_port) {
            for configured in listener.addresses() {
                let key = (listener.name.clone(), configured.clone());
                let actual = match self.bound.get(&key) {
                    Some(old) => {
                        plan.touched |= !Arc::ptr_eq(&old.listener, listener);
                        old.actual.clone()
                    }
                    None => {
                        let opened = self.bind(configured, listener.pipe_mode);
                        let (actual, sockets) = opened.map_err(|error| {
                            format!(
                                "listener {}: cannot bind {configured}: {error}; free the port or \
                                 change the listener",
                                listener.name
                            )
                        })?;
                        plan.opened.push((key.clone(), sockets));
                        actual
                    }
                };
                bound.insert(key, Bound { actual, listener: listener.clone() });
            }
        }
        plan.closed = self.bound.keys().filter(|key| !bound.contains_key(*key)).cloned().collect();
        for (_, address) in &plan.closed {
            if let Address::Pipe(path) = address {
                // One of the abstract space has no file; somebody else may have taken it away.
                let _ = std::fs::remove_file(&**path);
            }
        }
        self.bound = bound;
        Ok(plan)
    }

    /// One socket per worker; where the parent holds the port, all accept from its one socket.
    fn bind(&self, configured: &Address, mode: u32) -> std::io::Result<(Address, Vec<Door>)> {
        let workers = self.workers.len().max(1);
        let configured = match configured {
            Address::Ip(address) => *address,
            Address::Pipe(path) => {
                let first = Door::Pipe(socket::listen_on_pipe(path, mode)?);
                let others = (1..workers).map(|_| first.try_clone());
                let mut sockets = others.collect::<Result<Vec<Door>, _>>()?;
                sockets.push(first);
                return Ok((Address::Pipe(path.clone()), sockets));
            }
        };
        let mut sockets = Vec::with_capacity(workers);
        if let Some(socket) = self.inherited.get(&configured.port()) {
            for _ in 0..workers {
                sockets.push(Door::Ip(socket.try_clone()?));
            }
        }
        let mut address = configured;
        for _ in 0..workers {
            match socket::listen(address) {
                // Port 0 is settled by the first socket.
                Ok(socket) => {
                    address = socket.local_addr()?;
                    sockets.push(Door::Ip(socket));
                }
                // In the same namespace the parent's socket is this port's only one.
                Err(_) if self.inherited.contains_key(&configured.port()) => break,
                Err(error) => return Err(error),
            }
        }
        Ok((address.into(), sockets))
    }

    /// The names to subscribe to, by type.
    pub(crate) fn wanted(&self) -> [(&'static str, BTreeSet<String>); 3] {
        let wanted = self.config.wanted();
        [
            (ENDPOINT, wanted.endpoints.into_iter().collect()),
            (ROUTE, wanted.routes.into_iter().collect()),
            (SECRET, wanted.secrets.into_iter().collect()),
        ]
    }

    /// What `/config_dump` shows.
    pub(crate) fn dump(&self, with_endpoints: bool) -> xds::admin::ConfigDump {
        self.inventory.dump(&self.config, with_endpoints)
    }

    /// The control plane came or went.
    pub(crate) fn control_plane(&mut self, connected: bool) {
        self.connected = connected;
    }

    fn live_if_complete(&mut self) {
        let first = self.received.contains(CLUSTER) && self.received.contains(LISTENER);
        self.went_live |= !self.dynamic || (first && self.config.warming().is_empty());
    }

    /// Called by the clock: who waits for resources that do not come goes on without them.
    pub(crate) fn tick(&mut self) {
        let warming = self.config.warming();
        if warming.is_empty() {
            self.waits_since = None;
            return;
        }
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        if !self.connected || since.elapsed() < INITIAL_FETCH {
            return;
        }
        tracing::warn!(?warming, "resources did not come in time; going on without them");
        for (type_url, names) in self.wanted() {
            let known: BTreeSet<String> = self
                .config
                .resources(type_url)
                .iter()
                .map(|(name, ..)| (*name).to_owned())
                .collect();
            for name in names.difference(&known) {
                self.config.give_up(type_url, name);
            }
        }
        for own in [spiffe::OWN_CERTIFICATE, spiffe::ROOTS] {
            if !self.config.resources(SECRET).iter().any(|(name, ..)| *name == own) {
                self.config.give_up(SECRET, own);
            }
        }
        if let Err(why) = self.put_in_place() {
            tracing::warn!(why, "could not put the configuration in place");
        }
        self.live_if_complete();
    }

    /// Whether the proxy serves.
    pub(crate) fn state(&self) -> State {
        if self.shared.is_draining() || self.failed {
            State::Draining
        } else if self.went_live {
            State::Live
        } else {
            State::Initializing
        }
    }

    /// What is still waited for, for people.
    pub(crate) fn awaits(&self) -> String {
        if !self.connected {
            return "no connection to the control plane yet".to_owned();
        }
        format!(
            "clusters {}, listeners {}, waiting for what these refer to: {:?}",
            if self.received.contains(CLUSTER) { "received" } else { "missing" },
            if self.received.contains(LISTENER) { "received" } else { "missing" },
            self.config.warming()
        )
    }

    /// Stops taking new work; requests under way go on.
    pub(crate) fn drain(&mut self) {
        self.shared.drain();
        for worker in &self.workers {
            let _ = worker.send(Command::Drain);
        }
    }

    /// Names and addresses that are listened on.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&str, &Address)> {
        self.bound.iter().map(|((name, _), bound)| (&**name, &bound.actual))
    }

    /// Updates taken and refused, as metrics.
    pub(crate) fn updates(&self) -> [(Id, u64); 4] {
        let count = |counts: &BTreeMap<String, u64>, kind| counts.get(kind).copied().unwrap_or(0);
        [
            (Id::UpdateSuccess, count(&self.accepted, CLUSTER)),
            (Id::UpdateRejected, count(&self.refused, CLUSTER)),
            (Id::ListenerUpdateSuccess, count(&self.accepted, LISTENER)),
            (Id::ListenerUpdateRejected, count(&self.refused, LISTENER)),
        ]
    }
}

/// What a new table means for sockets.
#[derive(Debug, Default)]
struct Plan {
    opened: Vec<(Socket, Vec<Door>)>,
    closed: Vec<Socket>,
    /// A bound listener differs from before.
    touched: bool,
}

/// What takes a change back.
#[derive(Debug, Default)]
struct Undo {
    old: Vec<Resource>,
    /// Names that were not there before.
    new: Vec<String>,
}
