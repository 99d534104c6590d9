//! The main thread: starts the workers, keeps the configuration, stops in good order.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use prost::Message;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep};
use traffic::Table;
use xds::snapshot::{CLUSTER, LISTENER, SECRET};

use crate::admin::Admin;
use crate::clock::Clock;
use crate::keeper::{Keeper, Resource};
use crate::options::Options;
use crate::pages::{self, Pages};
use crate::shared::Shared;
use crate::socket::{self, Dialer};
use crate::worker::{self, Command};
use crate::{ads, names};

/// Timers of upstreams and of warming are looked at this often at least, and at most.
const TICK_LONGEST: Duration = Duration::from_secs(1);
const TICK_SHORTEST: Duration = Duration::from_millis(10);
/// A drain looks this often whether it is done.
const DRAIN_LOOK: Duration = Duration::from_millis(25);

/// What another thread may ask of the main thread.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "tests give orders; a running proxy hears signals and admin pages")
)]
#[derive(Debug)]
pub(crate) enum Order {
    /// Take a change of resources, as from the control plane.
    Apply {
        type_url: &'static str,
        upserts: Vec<Resource>,
        removed: Vec<String>,
        done: oneshot::Sender<Result<(), String>>,
    },
    /// Where the listeners and the admin interface are.
    Addresses(oneshot::Sender<BTreeMap<String, SocketAddr>>),
    /// Drain and end.
    Stop,
}

/// Runs a proxy until SIGTERM, SIGINT or `/quitquitquit`, and drains it.
///
/// # Errors
/// When a port that it needs is taken, or the static resources are refused.
pub fn run(options: Options) -> anyhow::Result<()> {
    let (keep_open, orders) = mpsc::unbounded_channel();
    let result = serve(options, orders);
    drop(keep_open);
    result
}

/// As [`run`], with somebody who gives orders.
pub(crate) fn serve(
    options: Options,
    orders: mpsc::UnboundedReceiver<Order>,
) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let ((commands, threads), shared) = runtime.block_on(main(options, orders))?;
    // Their channels closed, the workers end; what they still serve was given its time. The tasks
    // of this thread hold the other ends.
    drop(runtime);
    drop(commands);
    for thread in threads {
        let _ = thread.join();
    }
    shared.sinks.finish();
    Ok(())
}

type Workers = (Vec<mpsc::UnboundedSender<Command>>, Vec<JoinHandle<()>>);

async fn main(
    options: Options,
    mut orders: mpsc::UnboundedReceiver<Order>,
) -> anyhow::Result<(Workers, Arc<Shared>)> {
    let dialer = Dialer { mark: options.mark };
    let workers = options.concurrency.max(1);
    let shared = Arc::new(Shared::new(workers, Arc::new(Table::default()), dialer, Clock::start()));
    let (commands, threads) = start_workers(&shared, &options)?;
    let mut inherited = BTreeMap::new();
    for (port, fd) in &options.inherited {
        let socket = socket::inherit(*fd)
            .with_context(|| format!("fd {fd}, which stands for port {port}, was not usable"))?;
        inherited.insert(*port, socket);
    }
    let keeper =
        Keeper::new(shared.clone(), commands.clone(), inherited, options.discovery.is_some());
    let keeper = Rc::new(RefCell::new(keeper));
    apply_static(&keeper, &options)?;
    let quit = Rc::new(Notify::new());
    let admin = Rc::new(Admin {
        keeper: keeper.clone(),
        shared: shared.clone(),
        node: options.node.clone(),
        concurrency: workers,
        quit: quit.clone(),
    });
    let admin_address = serve_pages(&admin, &options).await?;
    if let Some(server) = options.discovery.clone() {
        let talk = ads::run(keeper.clone(), shared.clone(), options.node.clone(), server);
        tokio::task::spawn_local(talk);
    }
    tokio::task::spawn_local(names::run(shared.clone()));
    tokio::task::spawn_local(tick(keeper.clone(), shared.clone()));
    tracing::info!(admin = %admin_address, workers, "the proxy runs");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut moved = signal(SignalKind::user_defined1())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // Somebody moved the files of access logs away, as logrotate does.
            _ = moved.recv() => shared.sinks.reopen(),
            () = quit.notified() => break,
            order = orders.recv() => match order {
                Some(Order::Apply { type_url, upserts, removed, done }) => {
                    let _ = done.send(keeper.borrow_mut().apply(type_url, &upserts, &removed));
                }
                Some(Order::Addresses(done)) => {
                    let mut addresses: BTreeMap<String, SocketAddr> = keeper
                        .borrow()
                        .addresses()
                        .filter_map(|(name, address)| Some((name.to_owned(), address.socket()?)))
                        .collect();
                    addresses.insert("admin".to_owned(), admin_address);
                    let _ = done.send(addresses);
                }
                Some(Order::Stop) | None => break,
            },
        }
    }
    drain(&keeper, &shared, &options).await;
    Ok(((commands, threads), shared))
}

fn start_workers(shared: &Arc<Shared>, options: &Options) -> anyhow::Result<Workers> {
    let (mut commands, mut threads) = (Vec::new(), Vec::new());
    for index in 0..options.concurrency.max(1) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (shared, workload) = (shared.clone(), options.workload.clone());
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                if let Err(error) = worker::run(shared, index, workload, receiver) {
                    tracing::error!(index, %error, "a worker could not start");
                }
            })
            .context("starting a worker thread")?;
        commands.push(sender);
        threads.push(thread);
    }
    Ok((commands, threads))
}

/// Takes the clusters and listeners of the bootstrap file.
fn apply_static(keeper: &Rc<RefCell<Keeper>>, options: &Options) -> anyhow::Result<()> {
    let mut keeper = keeper.borrow_mut();
    keeper.inventory.bootstrap.clone_from(&options.bootstrap);
    let statics =
        options.bootstrap.as_ref().and_then(|bootstrap| bootstrap.static_resources.as_ref());
    let Some(statics) = statics else {
        return keeper.apply_fixed(CLUSTER, &[]).map_err(anyhow::Error::msg);
    };
    let refused = |why| anyhow::anyhow!("the bootstrap's static resources were refused: {why}");
    let secrets: Vec<_> = statics
        .secrets
        .iter()
        .map(|secret| (secret.name.clone(), secret.encode_to_vec().into()))
        .collect();
    keeper.apply_fixed(SECRET, &secrets).map_err(refused)?;
    let clusters: Vec<_> = statics
        .clusters
        .iter()
        .map(|cluster| (cluster.name.clone(), cluster.encode_to_vec().into()))
        .collect();
    keeper.apply_fixed(CLUSTER, &clusters).map_err(refused)?;
    let listeners: Vec<_> = statics
        .listeners
        .iter()
        .enumerate()
        .map(|(index, listener)| {
            let mut listener = listener.clone();
            if listener.name.is_empty() {
                listener.name = format!("listener_{index}");
            }
            (listener.name.clone(), listener.encode_to_vec().into())
        })
        .collect();
    keeper.apply_fixed(LISTENER, &listeners).map_err(refused)
}

/// Serves the admin interface, and the status and metrics ports where they are wanted.
async fn serve_pages(admin: &Rc<Admin>, options: &Options) -> anyhow::Result<SocketAddr> {
    let bind = async |address: SocketAddr, what: &str| {
        TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot bind {address} for {what}; is another proxy running?"))
    };
    let listener = bind(options.admin, "the admin interface").await?;
    let address = listener.local_addr()?;
    let own = admin.clone();
    let page: Pages = Rc::new(move |method, path| own.page(method, path));
    tokio::task::spawn_local(pages::serve(listener, page));
    for (address, what) in [(options.status, "health checks"), (options.metrics, "metrics")] {
        let Some(address) = address else { continue };
        let listener = bind(address, what).await?;
        let own = admin.clone();
        let page: Pages = Rc::new(move |_, path| own.status_page(path));
        tokio::task::spawn_local(pages::serve(listener, page));
    }
    Ok(address)
}

/// Moves on what waits for time to pass.
async fn tick(keeper: Rc<RefCell<Keeper>>, shared: Arc<Shared>) {
    loop {
        let now = shared.clock.now();
        if shared.upstreams.next_wake().is_some_and(|due| due <= now) {
            shared.upstreams.on_wake(now);
        }
        keeper.borrow_mut().tick();
        let pause = shared.upstreams.next_wake().map_or(TICK_LONGEST, |due| due - now);
        sleep(pause.clamp(TICK_SHORTEST, TICK_LONGEST)).await;
    }
}

/// Takes no new work, and waits until what is under way is done or time is up.
async fn drain(keeper: &Rc<RefCell<Keeper>>, shared: &Shared, options: &Options) {
    keeper.borrow_mut().drain();
    let until = Instant::now() + options.drain;
    let mut quiet = 0;
    tracing::info!(seconds = options.drain.as_secs_f64(), "draining");
    // Twice quiet: a request whose bytes wait in a socket is not counted yet.
    while quiet < 2 && Instant::now() < until {
        let busy = shared.active.count() > 0
            || (options.drain_waits_for_connections && shared.connections.count() > 0);
        quiet = if busy { 0 } else { quiet + 1 };
        sleep(DRAIN_LOOK).await;
    }
    if shared.active.count() > 0 {
        tracing::warn!(active = shared.active.count(), "the drain time is over; closing");
    }
}
