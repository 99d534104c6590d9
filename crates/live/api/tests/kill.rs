//! The real server process, killed at 200 random moments under concurrent writers: whatever it
//! acknowledged is there afterwards, and watches go on as if nothing had happened.
//!
//! The process is the example `serve`, which `cargo test` builds. A run is repeated with the seed
//! that it printed, in `LATEEN_SEED`; the moments are the same, as far as a machine repeats itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::client::{Client, Frames, Trust};

#[path = "kill/client.rs"]
mod client;

const ROUNDS: u64 = 200;
/// Writers at once, each with config maps of its own.
const WRITERS: u64 = 4;
const NAMES: u64 = 6;
/// The longest that writers work before the process is killed.
const LONGEST: Duration = Duration::from_millis(60);
/// The longest that a process lives that is killed while it starts.
const STARTING: Duration = Duration::from_millis(120);
/// The log on disk holds 1000 events: a place that is nearer must not be forgotten.
const REMEMBERED: u64 = 900;
/// Nothing here takes long; what does hangs.
const PATIENCE: Duration = Duration::from_secs(20);
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Config maps by name, with the number that each holds.
type State = BTreeMap<String, u64>;

/// One change of one config map: its name, and the number that it holds from then on.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    name: String,
    number: Option<u64>,
}

impl Change {
    fn apply(&self, state: &mut State) {
        match self.number {
            Some(number) => state.insert(self.name.clone(), number),
            None => state.remove(&self.name),
        };
    }
}

/// All that clients know, whatever happens to the server.
#[derive(Default)]
struct Model {
    /// What was acknowledged.
    known: State,
    /// What was asked for and not answered: it may have happened.
    doubtful: Vec<Change>,
    /// Acknowledged revisions, until a watch has told of them too.
    acknowledged: BTreeMap<u64, Change>,
    /// What watches told, by revision, without gaps.
    told: BTreeMap<u64, Change>,
    /// What `told` amounts to.
    replayed: State,
    /// The revision at which the first process had started; no config map is older.
    origin: u64,
    n_acknowledged: usize,
    /// Writes without an answer, and those of them that had happened.
    n_cut: usize,
    n_cut_and_done: usize,
}

impl Model {
    /// The last revision that a watch told of.
    fn last(&self) -> u64 {
        self.told.last_key_value().map_or(self.origin, |(revision, _)| *revision)
    }

    /// Takes one frame of a watch: a revision that was told before is told again as it was.
    fn hear(&mut self, revision: u64, change: Change) -> Result<()> {
        if let Some(before) = self.told.get(&revision) {
            ensure!(*before == change, "revision {revision} was {before:?} and is now {change:?}");
            return Ok(());
        }
        ensure!(revision == self.last() + 1, "{revision} was told after {}", self.last());
        if let Some(acknowledged) = self.acknowledged.remove(&revision) {
            ensure!(acknowledged == change, "{revision}: {acknowledged:?} became {change:?}");
        }
        change.apply(&mut self.replayed);
        self.told.insert(revision, change);
        Ok(())
    }

    /// Compares what a new process has with what is known, and takes over what was in doubt.
    fn compare(&mut self, found: State) -> Result<()> {
        let names: BTreeSet<&String> = self.known.keys().chain(found.keys()).collect();
        for name in names {
            let (known, found) = (self.known.get(name), found.get(name));
            if known == found {
                continue;
            }
            let is = |change: &Change| change.name == *name && change.number.as_ref() == found;
            ensure!(
                self.doubtful.iter().any(is),
                "{name} was acknowledged as {known:?} and is {found:?}; in doubt: {:?}",
                self.doubtful
            );
            self.n_cut_and_done += 1;
        }
        self.n_cut += self.doubtful.len();
        self.known = found;
        self.doubtful.clear();
        Ok(())
    }
}

/// A small generator of numbers that look random, the same for the same seed.
#[derive(Clone)]
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }

    fn duration(&mut self, longest: Duration) -> Duration {
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_nine_loses_nothing_that_was_acknowledged() {
    let seed = std::env::var("LATEEN_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    });
    eprintln!("LATEEN_SEED={seed}");
    let home = std::env::temp_dir().join(format!("lateen-kill-{}", std::process::id()));
    let mut numbers = Numbers(seed);
    let mut model = Model::default();
    for round in 0..ROUNDS {
        let done = tokio::time::timeout(PATIENCE, one_round(&home, &mut numbers, &mut model)).await;
        let done = done.map_err(anyhow::Error::from).and_then(|done| done);
        if let Err(error) = done {
            // The home stays, to be looked at.
            panic!("LATEEN_SEED={seed}, round {round}, home {}: {error:?}", home.display());
        }
    }
    std::fs::remove_dir_all(&home).unwrap();
    eprintln!(
        "{} writes were acknowledged; of {} others {} had happened",
        model.n_acknowledged, model.n_cut, model.n_cut_and_done
    );
    assert!(model.n_acknowledged > 200 && model.n_cut > 200, "the kills must hit writers");
}

/// Starts a process, compares what it has, lets writers and a watcher work, and kills it.
async fn one_round(home: &Path, numbers: &mut Numbers, model: &mut Model) -> Result<()> {
    if numbers.below(8) == 0 {
        let mut process = spawn(home)?;
        tokio::time::sleep(numbers.duration(STARTING)).await;
        process.kill().await?;
    }
    let mut process = spawn(home)?;
    let mut lines = BufReader::new(process.stdout.take().context("stdout is piped")?).lines();
    ensure!(lines.next_line().await?.is_some(), "the server did not start");
    let trust = Trust::of(home)?;
    let client = trust.connect().await?;
    let revision = check(&client, numbers, model).await.context("after the restart")?;

    let mut frames = client.watch(MAPS, revision).await?;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let prefix = format!("w{writer}-");
        let own = model.known.iter().filter(|(name, _)| name.starts_with(&prefix));
        let writer = Writer {
            client: client.clone(),
            numbers: Numbers(numbers.below(u64::MAX)),
            prefix: prefix.clone(),
            state: own.map(|(name, number)| (name.clone(), *number)).collect(),
            acknowledged: Vec::new(),
            highest: revision,
        };
        writers.spawn(writer.run());
    }
    let moment = tokio::time::sleep(numbers.duration(LONGEST));
    tokio::pin!(moment);
    loop {
        tokio::select! {
            () = &mut moment => break,
            frame = frames.next() => {
                let (revision, change) = read(&frame?.context("the watch ended")?)?;
                model.hear(revision, change)?;
            }
        }
    }
    process.kill().await?;
    while let Some(writer) = writers.join_next().await {
        let (writer, cut) = writer??;
        model.n_acknowledged += writer.acknowledged.len();
        model.known.retain(|name, _| !name.starts_with(&writer.prefix));
        model.known.extend(writer.state);
        for (revision, change) in writer.acknowledged {
            let Some(revision) = revision else { continue };
            match model.told.get(&revision) {
                Some(told) => ensure!(*told == change, "{revision}: {change:?}, told {told:?}"),
                None => {
                    let twice = model.acknowledged.insert(revision, change);
                    ensure!(twice.is_none(), "revision {revision} was acknowledged twice");
                }
            }
        }
        model.doubtful.push(cut);
    }
    Ok(())
}

/// Compares a new process with what is known; returns its revision.
async fn check(client: &Client, numbers: &mut Numbers, model: &mut Model) -> Result<u64> {
    let (code, list) = client.ask(Method::GET, MAPS, &Value::Null).await?;
    ensure!(code == 200, "{list}");
    let revision = revision(&list)?;
    if model.origin == 0 {
        model.origin = revision;
    }
    let acknowledged = model.acknowledged.last_key_value().map_or(0, |(last, _)| *last);
    let known = acknowledged.max(model.last());
    ensure!(revision >= known, "the revision went back from {known} to {revision}");
    let items = list["items"].as_array().context("a list has items")?;
    let found: Result<State> = items
        .iter()
        .map(|item| {
            let Change { name, number } = read_map(item)?;
            Ok((name, number.context("a map has a number")?))
        })
        .collect();
    model.compare(found?)?;

    // Some way back, now and then as far as it goes.
    let last = model.last();
    let back = if numbers.below(10) == 0 { last } else { numbers.below(120) };
    let since = last.saturating_sub(back).max(model.origin);
    match resume(client, model, since, revision).await? {
        Resumed::Whole => {}
        Resumed::Forgotten => {
            ensure!(revision - since > REMEMBERED, "{since} is forgotten at {revision}");
            let again = resume(client, model, last, revision).await?;
            ensure!(matches!(again, Resumed::Whole), "{last} is forgotten at {revision}");
        }
    }
    ensure!(model.acknowledged.is_empty(), "no watch tells of {:?}", model.acknowledged);
    ensure!(model.replayed == model.known, "watches told {:?}", model.replayed);
    Ok(revision)
}

enum Resumed {
    Whole,
    Forgotten,
}

/// Watches from a revision up to another: each one between is told once, and in order.
async fn resume(client: &Client, model: &mut Model, since: u64, until: u64) -> Result<Resumed> {
    let mut frames: Frames = client.watch(MAPS, since).await?;
    if frames.code == 410 {
        return Ok(Resumed::Forgotten);
    }
    ensure!(frames.code == 200, "the watch was refused: {}", frames.code);
    for expected in since + 1..=until {
        let frame = frames.next().await?.context("the watch ended early")?;
        let (revision, change) = read(&frame)?;
        ensure!(revision == expected, "the watch told {revision} for {expected}: {frame}");
        model.hear(revision, change)?;
    }
    Ok(Resumed::Whole)
}

/// A client that writes as fast as it is answered.
struct Writer {
    client: Client,
    numbers: Numbers,
    prefix: String,
    /// Its own config maps, as acknowledged.
    state: State,
    /// What was acknowledged, with the revision where the answer tells it (not for deletions).
    acknowledged: Vec<(Option<u64>, Change)>,
    /// The highest revision that it saw.
    highest: u64,
}

impl Writer {
    /// Writes until the server is gone; also returns the write that was not answered.
    async fn run(mut self) -> Result<(Writer, Change)> {
        loop {
            let name = format!("{}{}", self.prefix, self.numbers.below(NAMES));
            let number = self.numbers.below(u64::MAX);
            let path = format!("{MAPS}/{name}");
            let map = json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": name},
                "data": {"number": number.to_string()},
            });
            let (method, path, body) = match (self.state.contains_key(&name), number % 4) {
                (false, _) => (Method::POST, MAPS.to_owned(), map),
                (true, 0) => (Method::DELETE, path, Value::Null),
                (true, 1) => (Method::PATCH, path, json!({"data": map["data"]})),
                (true, _) => (Method::PUT, path, map),
            };
            let number = (method != Method::DELETE).then_some(number);
            let change = Change { name, number };
            let Ok((code, answer)) = self.client.ask(method, &path, &body).await else {
                return Ok((self, change));
            };
            ensure!(code < 300, "{change:?} was refused: {answer}");
            let revision = number.map(|_| revision(&answer)).transpose()?;
            if let Some(revision) = revision {
                ensure!(revision > self.highest, "{revision} came after {}", self.highest);
                self.highest = revision;
            }
            change.apply(&mut self.state);
            self.acknowledged.push((revision, change));
        }
    }
}

/// Starts the server on a port that the system chooses.
fn spawn(home: &Path) -> Result<Child> {
    let program = example()?;
    Command::new(&program)
        .arg("0")
        .arg(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// The example, which cargo puts beside the folder of the test's own program.
fn example() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let profile = own.parent().and_then(Path::parent).context("a test has a target folder")?;
    let program = profile.join("examples/serve");
    ensure!(
        program.exists(),
        "{} is not there: build it with `cargo build -p api --example serve`",
        program.display()
    );
    Ok(program)
}

fn revision(object: &Value) -> Result<u64> {
    let text = object["metadata"]["resourceVersion"].as_str();
    text.and_then(|text| text.parse().ok()).with_context(|| format!("no revision in {object}"))
}

/// A frame of a watch as a change, with its revision.
fn read(frame: &Value) -> Result<(u64, Change)> {
    let object = &frame["object"];
    let mut change = read_map(object)?;
    match frame["type"].as_str() {
        Some("ADDED" | "MODIFIED") => {}
        Some("DELETED") => change.number = None,
        _ => bail!("the watch told {frame}"),
    }
    Ok((revision(object)?, change))
}

fn read_map(object: &Value) -> Result<Change> {
    let name = object["metadata"]["name"].as_str().context("an object has a name")?.to_owned();
    let number = object["data"]["number"].as_str().and_then(|number| number.parse().ok());
    Ok(Change { name, number })
}
