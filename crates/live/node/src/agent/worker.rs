//! The worker of one pod: hears, asks the machine, does what it says, writes the status.

use super::{ContainerEntry, Message, PodEntry, Shared, caches, check, compose, volumes};
use crate::container::launch::{Exit, Launch, Process, Streams, launch, signal};
use crate::logs::Log;
use crate::netns::{PodNet, redirect};
use controllers::pod::{Do, Life, Notice, SIDECAR, Seen, Settings};
use jiff::{SignedDuration, Timestamp};
use kinds::core::{Pod, PodStatus};
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Proxies are waited for no longer.
const WITHDRAW: Duration = Duration::from_secs(1);
/// After the end of a container its last output is waited for so long: a process that it left
/// behind may hold the pipe.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// A token that could not be renewed is tried again after this long.
const TOKEN_RETRY: Duration = Duration::from_secs(30);
/// The status is gathered for so long before it is written.
const GATHER: Duration = Duration::from_millis(3);

struct Worker {
    shared: Arc<Shared>,
    entry: Arc<PodEntry>,
    life: Life,
    pod: Arc<Pod>,
    ip: String,
    status: watch::Sender<Option<PodStatus>>,
}

/// Starts the worker of a pod; it ends when nothing of the pod is left.
pub(crate) fn start(shared: Arc<Shared>, pod: Pod) -> mpsc::UnboundedSender<Message> {
    let (tell, hear) = mpsc::unbounded_channel();
    let key = caches::key(&pod);
    let uid = pod.uid().unwrap_or_default();
    let entry = Arc::new(PodEntry {
        dir: volumes::pods_dir(&shared.config.home).join(&uid),
        logs: shared.config.home.join("logs").join(format!("{}_{}_{uid}", key.0, key.1)),
        key,
        net: Mutex::default(),
        containers: Mutex::default(),
        seen: tell.clone(),
    });
    let mut pods = shared.pods.lock().unwrap_or_else(PoisonError::into_inner);
    pods.insert(entry.key.clone(), Arc::clone(&entry));
    drop(pods);
    let now = Timestamp::now();
    let settings = Settings { back_off: shared.config.back_off, ..Settings::default() };
    let (status, written) = watch::channel(None);
    tokio::spawn(write_status(Arc::clone(&shared), pod.clone(), written));
    let life = Life::new(pod.clone(), settings, now);
    let mut worker =
        Worker { shared, entry, life, pod: Arc::new(pod.clone()), ip: String::new(), status };
    tokio::spawn(async move {
        worker.life.on_pod(pod, now);
        worker.run(hear).await;
    });
    tell
}

impl Worker {
    async fn run(&mut self, mut hear: mpsc::UnboundedReceiver<Message>) {
        let mut maps = self.shared.config_maps.changes();
        let mut secrets = self.shared.secrets.changes();
        let mut ending = self.shared.ending.subscribe();
        let begin = |wait: Duration| tokio::time::Instant::now() + wait;
        let mut tokens = volumes::token_renewal(&self.pod).map(begin);
        loop {
            for action in self.life.take() {
                self.carry_out(action);
            }
            if self.life.is_over() {
                break;
            }
            let status = self.life.status();
            self.status.send_if_modified(|old| {
                let news = old.as_ref() != Some(&status);
                *old = Some(status);
                news
            });
            let wake = self.life.next_wake();
            tokio::select! {
                message = hear.recv() => match message {
                    Some(message) => self.hear(message),
                    None => break,
                },
                () = until(wake) => self.life.on_wake(Timestamp::now()),
                () = at(tokens) => {
                    let done = self.entry.net().is_none() || self.renew_tokens().await;
                    let next = volumes::token_renewal(&self.pod);
                    tokens = next.map(|next| begin(if done { next } else { TOKEN_RETRY }));
                }
                _ = maps.changed() => self.look_again().await,
                _ = secrets.changed() => self.look_again().await,
                // Who ends now was ended with the node: the object lives on.
                _ = async { ending.wait_for(|ending| *ending).await.map(drop) } => return,
            }
        }
        let mut pods = self.shared.pods.lock().unwrap_or_else(PoisonError::into_inner);
        if pods.get(&self.entry.key).is_some_and(|known| Arc::ptr_eq(known, &self.entry)) {
            pods.remove(&self.entry.key);
        }
        drop(pods);
        let _ = std::fs::remove_dir_all(&self.entry.logs);
    }

    fn hear(&mut self, message: Message) {
        let now = Timestamp::now();
        match message {
            Message::Object(pod) => {
                self.pod = Arc::new((*pod).clone());
                self.life.on_pod(*pod, now);
            }
            Message::Removed => self.life.on_removed(now),
            Message::Seen(seen) => {
                if let Seen::Ready { ip } = &seen {
                    self.ip.clone_from(ip);
                }
                self.life.on_seen(seen, now);
            }
        }
    }

    async fn renew_tokens(&self) -> bool {
        volumes::renew_tokens(&self.shared, &self.entry, &self.pod, &self.ip).await
    }

    /// A ConfigMap or a Secret changed, maybe one of ours.
    async fn look_again(&mut self) {
        if self.entry.net().is_some() {
            volumes::refresh(&self.shared, &self.entry, &self.pod, &self.ip).await;
        }
        self.life.on_seen(Seen::LookAgain, Timestamp::now());
    }

    fn carry_out(&mut self, action: Do) {
        let shared = Arc::clone(&self.shared);
        let entry = Arc::clone(&self.entry);
        let pod = Arc::clone(&self.pod);
        match action {
            Do::SetUp => {
                tokio::spawn(async move {
                    let seen = match set_up(&shared, &entry, &pod).await {
                        Ok(ip) => Seen::Ready { ip },
                        Err((reason, message)) => {
                            Seen::NotReady { reason: reason.to_owned(), message }
                        }
                    };
                    entry.tell(seen);
                });
            }
            Do::Start { container, restarts } => {
                let job = Job { shared, entry, pod, name: container, ip: self.ip.clone() };
                tokio::spawn(job.play(restarts));
            }
            Do::Probe { container, probe } => {
                let Some(written) = self.life.container(&container).cloned() else { return };
                let ip = self.ip.clone();
                tokio::spawn(async move {
                    let outcome = check::probe(&shared, &entry, &written, probe, &ip).await;
                    entry.tell(Seen::Probed { container, probe, outcome });
                });
            }
            Do::PreStop { container } => {
                let Some(written) = self.life.container(&container).cloned() else { return };
                let ip = self.ip.clone();
                tokio::spawn(async move {
                    let hook = written.lifecycle.as_ref().and_then(|l| l.pre_stop.as_ref());
                    if let Some(hook) = hook
                        && let Err(error) = check::hook(&shared, &entry, &written, hook, &ip).await
                    {
                        let message = format!("PreStopHook failed: {error}");
                        say(&shared, &pod, true, "FailedPreStopHook", message, &container);
                    }
                    entry.tell(Seen::PreStopped { container });
                });
            }
            Do::Signal { container, kill } => {
                if let Some(known) = entry.container(&container)
                    && let Some(handle) = known.handle
                {
                    // The kernel keeps a first process from signals that it does not catch.
                    let deaf = known.spec.direct && !catches_term(known.pid);
                    signal(&handle, kill || deaf);
                }
            }
            Do::Withdraw => {
                tokio::spawn(async move {
                    let told = (shared.config.withdrawn)((*pod).clone());
                    let _ = tokio::time::timeout(WITHDRAW, told).await;
                    entry.tell(Seen::Withdrawn);
                });
            }
            Do::TearDown => {
                tokio::spawn(async move {
                    tear_down(&shared, &entry);
                    entry.tell(Seen::TornDown);
                });
            }
            Do::Delete => {
                tokio::spawn(delete(shared, pod));
            }
            Do::Say(notice) => shared.events.say(&pod, &notice),
        }
    }
}

async fn at(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn until(wake: Option<Timestamp>) {
    match wake {
        Some(at) => {
            let wait = at.duration_since(Timestamp::now()).max(SignedDuration::ZERO);
            tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}

fn say(shared: &Shared, pod: &Pod, warning: bool, reason: &'static str, text: String, of: &str) {
    let container = Some(of.to_owned());
    shared.events.say(pod, &Notice { warning, reason, message: text, container });
}

/// Whether a process has a handler for SIGTERM.
fn catches_term(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let bits = caught.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    bits.is_none_or(|bits| bits & (1 << 14) != 0)
}

/// Network and volumes, both at once.
async fn set_up(
    shared: &Arc<Shared>,
    entry: &PodEntry,
    pod: &Pod,
) -> Result<String, (&'static str, String)> {
    let Some((ip, link)) = shared.address() else {
        return Err(("FailedCreatePodSandBox", "all pod addresses are taken".to_owned()));
    };
    let containers = pod.spec.iter().flat_map(|s| {
        s.containers.iter().chain(s.init_containers.iter().flatten()).map(|c| c.name.as_str())
    });
    let containers: Vec<&str> = containers.collect();
    // A gateway is a proxy that stands alone: nothing is beside it whose traffic could be redirected.
    let meshed = containers.len() > 1 && containers.contains(&SIDECAR);
    let annotations = pod.metadata.annotations.clone().unwrap_or_default();
    let rules = meshed.then(|| redirect::rules(ip, &redirect::Wishes::of(&annotations)));
    let text = ip.to_string();
    let network = shared.config.netns.create_pod(ip, link, rules);
    let (network, files) = tokio::join!(network, volumes::make(shared, entry, pod, &text));
    let failed = match (network, files) {
        (Ok(network), Ok(())) => {
            *entry.net.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(network));
            return Ok(text);
        }
        (Ok(_), Err(error)) => ("FailedMount", error),
        (Err(error), _) => {
            ("FailedCreatePodSandBox", format!("Failed to create pod sandbox: {error}"))
        }
    };
    shared.give_back(ip);
    Err(failed)
}

/// With the last handle the kernel takes the namespace away, and with it the link and the route;
/// it does so for many at once, which removing them one by one would not.
fn tear_down(shared: &Shared, entry: &PodEntry) {
    let net: Option<Arc<PodNet>> = entry.net.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(net) = net {
        shared.give_back(net.ip);
    }
    volumes::remove(&entry.dir);
}

/// Deletes the object for good, and only this one.
async fn delete(shared: Arc<Shared>, pod: Arc<Pod>) {
    let api: Api<Pod> =
        Api::namespaced(shared.config.client.clone(), &pod.namespace().unwrap_or_default());
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions { uid: pod.uid(), ..Preconditions::default() }),
        ..DeleteParams::default()
    };
    let mut wait = Duration::from_millis(100);
    loop {
        match api.delete(&pod.name_any(), &params).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => return,
            Err(error) => tracing::warn!(%error, pod = pod.name_any(), "deleting a finished pod"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(10));
    }
}

/// Writes the newest status, one write at a time, until the worker ends.
async fn write_status(
    shared: Arc<Shared>,
    pod: Pod,
    mut status: watch::Receiver<Option<PodStatus>>,
) {
    let api: Api<Pod> =
        Api::namespaced(shared.config.client.clone(), &pod.namespace().unwrap_or_default());
    let name = pod.name_any();
    let mut wait = Duration::from_millis(100);
    while status.changed().await.is_ok() {
        tokio::time::sleep(GATHER).await;
        loop {
            let Some(newest) = status.borrow_and_update().clone() else { break };
            // The uid keeps a status from reaching another pod of the same name.
            let patch =
                serde_json::json!({"metadata": {"uid": pod.uid()}, "status": whole(&newest)});
            match api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                Ok(_) => break,
                Err(kube::Error::Api(s)) if s.code == 404 || s.code == 409 || s.code == 422 => {
                    tracing::debug!(name, error = s.message, "a status found no pod");
                    break;
                }
                Err(error) => tracing::warn!(%error, name, "a pod's status was not written"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(10));
        }
    }
}

/// The status with `null` where something was and is no more: a merge patch keeps what it does
/// not name.
fn whole(status: &PodStatus) -> serde_json::Value {
    let mut value = serde_json::to_value(status).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        for key in ["podIP", "podIPs", "message", "reason"] {
            map.entry(key).or_insert(serde_json::Value::Null);
        }
    }
    value
}

/// One run of one container.
struct Job {
    shared: Arc<Shared>,
    entry: Arc<PodEntry>,
    pod: Arc<Pod>,
    name: String,
    ip: String,
}

impl Job {
    async fn play(self, run: i32) {
        let container = self.name.clone();
        match self.start(run).await {
            Err((reason, message)) => {
                self.entry.tell(Seen::Refused { container, reason: reason.to_owned(), message });
            }
            Ok((process, log, outputs)) => {
                let exit = self.live(process).await;
                let rest = futures_util::future::join_all(outputs);
                let _ = tokio::time::timeout(LAST_WORDS, rest).await;
                log.end();
                if let Some(known) = self.containers().get_mut(&self.name) {
                    known.handle = None;
                    known.input = None;
                    known.terminal = None;
                }
                let (code, signal) = (exit.code, exit.signal);
                self.entry.tell(Seen::Exited { container, code, signal });
            }
        }
    }

    fn containers(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, ContainerEntry>> {
        self.entry.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> Option<&kinds::core::Container> {
        let spec = self.pod.spec.as_ref()?;
        let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        all.find(|c| c.name == self.name)
    }

    async fn start(
        &self,
        run: i32,
    ) -> Result<(Process, Arc<Log>, Vec<tokio::task::JoinHandle<()>>), compose::Refused> {
        let failed = |e: std::io::Error| ("RunContainerError", e.to_string());
        let gone = || ("RunContainerError", "the pod is leaving".to_owned());
        if *self.shared.ending.borrow() {
            return Err(gone());
        }
        let written = self.written().ok_or_else(gone)?;
        let net = self.entry.net().ok_or_else(gone)?;
        let (spec, handed) =
            compose::compose(&self.shared, &self.entry, &self.pod, written, &self.ip)?;
        let log = Log::open(&self.entry.logs.join(&self.name), run)
            .map_err(|e| ("RunContainerError", format!("log file: {e}")))?;
        let wants_input = written.stdin == Some(true);
        let (streams, master) = if spec.terminal {
            let (master, slave) = crate::kubelet::exec::terminal().map_err(failed)?;
            (Streams::Terminal(slave), Some(Arc::new(master)))
        } else {
            (Streams::Pipes { input: wants_input }, None)
        };
        let launched = Launch {
            binary: &self.shared.config.binary,
            spec: spec.clone(),
            place: net.fd.try_clone().map_err(failed)?,
            handed,
            streams,
        };
        let image = written.image.clone().unwrap_or_default();
        let text = format!("Container image \"{image}\" already present on machine");
        say(&self.shared, &self.pod, false, "Pulled", text, &self.name);
        let mut process = launch(launched).await.map_err(failed)?;
        let mut outputs = Vec::new();
        for (pipe, stream) in [(process.output.take(), "stdout"), (process.errors.take(), "stderr")]
        {
            outputs.extend(pipe.map(|pipe| tokio::spawn(Arc::clone(&log).copy(pipe, stream))));
        }
        if let Some(master) = &master {
            let reader = crate::kubelet::exec::duplicate(master).map_err(failed)?;
            outputs.push(tokio::spawn(Arc::clone(&log).copy_terminal(reader)));
        }
        let input = process.input.take().map(feed);
        let entry = ContainerEntry {
            handle: Some(Arc::clone(&process.handle)),
            pid: process.id(),
            spec,
            run,
            log: Arc::clone(&log),
            input,
            terminal: master,
        };
        self.containers().insert(self.name.clone(), entry);
        Ok((process, log, outputs))
    }

    /// From the first instruction to the exit, with the postStart hook.
    async fn live(&self, mut process: Process) -> Exit {
        let container = self.name.clone();
        let written = self.written();
        let hook = written.and_then(|c| Some((c, c.lifecycle.as_ref()?.post_start.as_ref()?)));
        if let Some((written, hook)) = hook {
            let handle = Arc::clone(&process.handle);
            let done = check::hook(&self.shared, &self.entry, written, hook, &self.ip);
            tokio::select! {
                outcome = done => if let Err(error) = outcome {
                    let message = format!("PostStartHook failed: {error}");
                    say(&self.shared, &self.pod, true, "FailedPostStartHook", message, &container);
                    signal(&handle, true);
                },
                exit = process.ended() => return exit.unwrap_or(LOST),
            }
        }
        self.entry.tell(Seen::Started { container });
        process.ended().await.unwrap_or(LOST)
    }
}

/// What is reported when the kernel does not tell how a process ended.
const LOST: Exit = Exit { code: 255, signal: None };

/// Writes what comes to the container's standard input; closed when nobody can send any more.
fn feed(mut pipe: tokio::net::unix::pipe::Sender) -> mpsc::Sender<Vec<u8>> {
    let (send, mut receive) = mpsc::channel::<Vec<u8>>(16);
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        while let Some(chunk) = receive.recv().await {
            // An empty chunk is the end of input.
            if chunk.is_empty() || pipe.write_all(&chunk).await.is_err() {
                break;
            }
        }
    });
    send
}
