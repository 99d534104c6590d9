//! Where access records go: a thread per file, so that no worker waits for a disk or a reader.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use traffic::log::Target;

/// Lines wait so long for others before they are written together.
const GATHER: Duration = Duration::from_millis(100);
/// So many waiting bytes of one worker are written at once.
const FULL: usize = 64 * 1024;
/// So many bytes of one worker may wait for a slow disk or reader; lines beyond are dropped and counted.
const MOST: usize = 1024 * 1024;
/// When the proxy ends, a slow disk or reader is waited for so long.
const LAST: Duration = Duration::from_secs(1);
/// Files at once: each costs a thread.
const FILES: usize = 64;

/// All files that are written to.
#[derive(Debug)]
pub(crate) struct Sinks {
    workers: usize,
    open: Mutex<BTreeMap<Target, Arc<Sink>>>,
    /// What became of lines, of all files together.
    counts: Arc<Counts>,
}

/// What became of lines.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Bytes written.
    written: AtomicU64,
    /// Lines that found no room.
    dropped: AtomicU64,
    /// Writes that failed; their lines are lost.
    failed: AtomicU64,
    /// Files that could not be opened anew; the old one is used on.
    reopen_failed: AtomicU64,
}

/// A file; written to until the last one who holds it lets go.
#[derive(Debug)]
pub(crate) struct Sink {
    desk: Arc<Desk>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.desk.tell(|orders| orders.close = true);
    }
}

/// What the writing thread of a file shares with those who have lines.
#[derive(Debug)]
struct Desk {
    target: Target,
    /// One per worker, so that they do not wait for each other.
    waiting: Vec<Mutex<Vec<u8>>>,
    orders: Mutex<Orders>,
    changed: Condvar,
    counts: Arc<Counts>,
}

/// What the writing thread has to do.
#[derive(Clone, Copy, Debug, Default)]
struct Orders {
    /// Some lines wait.
    write: bool,
    /// Many lines wait.
    full: bool,
    reopen: bool,
    /// Write what waits, and end.
    close: bool,
    /// The thread has ended.
    ended: bool,
}

impl Sinks {
    /// No files yet.
    pub(crate) fn new(workers: usize) -> Sinks {
        Sinks { workers, open: Mutex::default(), counts: Arc::default() }
    }

    /// Opens these files, where they are not open, and lets go of all others.
    pub(crate) fn open<'t>(&self, targets: impl Iterator<Item = &'t Target>) -> Result<(), String> {
        let mut open = lock(&self.open);
        let mut wanted = BTreeMap::new();
        for target in targets {
            if wanted.contains_key(target) {
                continue;
            }
            let sink = match open.get(target) {
                Some(sink) => sink.clone(),
                None => Arc::new(self.start(target)?),
            };
            wanted.insert(target.clone(), sink);
            if wanted.len() > FILES {
                return Err(format!("access logs go to more than {FILES} files; use fewer"));
            }
        }
        *open = wanted;
        Ok(())
    }

    fn start(&self, target: &Target) -> Result<Sink, String> {
        let file = open(target).map_err(|error| {
            format!(
                "cannot open {target:?} for access logs: {error}; change the path or its rights"
            )
        })?;
        let desk = Arc::new(Desk {
            target: target.clone(),
            waiting: (0..self.workers).map(|_| Mutex::default()).collect(),
            orders: Mutex::default(),
            changed: Condvar::new(),
            counts: self.counts.clone(),
        });
        let writer = desk.clone();
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run(file))
            .map_err(|error| format!("cannot start a thread for access logs: {error}"))?;
        Ok(Sink { desk })
    }

    /// The file of this target; `None` when it was let go of.
    pub(crate) fn of(&self, target: &Target) -> Option<Arc<Sink>> {
        lock(&self.open).get(target).cloned()
    }

    /// Opens all files anew: somebody moved them away.
    pub(crate) fn reopen(&self) {
        for sink in lock(&self.open).values() {
            sink.desk.tell(|orders| orders.reopen = true);
        }
    }

    /// Writes what waits, and waits until it is written, though not for ever.
    pub(crate) fn finish(&self) {
        let sinks: Vec<Arc<Sink>> = lock(&self.open).values().cloned().collect();
        for sink in &sinks {
            sink.desk.tell(|orders| orders.close = true);
        }
        let until = Instant::now() + LAST;
        for sink in &sinks {
            sink.desk.await_end(until);
        }
    }

    /// Names and values for the statistics page, in Envoy's words where it has some.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 4] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("access_log.bytes_written", of(&self.counts.written)),
            ("access_log.lines_dropped", of(&self.counts.dropped)),
            ("filesystem.reopen_failed", of(&self.counts.reopen_failed)),
            ("filesystem.write_failed", of(&self.counts.failed)),
        ]
    }
}

impl Sink {
    /// Takes a line, or several whole ones, of this worker. Never waits for the disk.
    pub(crate) fn take(&self, worker: usize, lines: &[u8]) {
        let desk = &*self.desk;
        let (before, after) = {
            let mut waiting = lock(&desk.waiting[worker]);
            let before = waiting.len();
            if before + lines.len() <= MOST {
                waiting.extend_from_slice(lines);
            }
            (before, waiting.len())
        };
        if after == before && !lines.is_empty() {
            desk.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if before == 0 {
            desk.tell(|orders| orders.write = true);
        } else if before < FULL && after >= FULL {
            desk.tell(|orders| orders.full = true);
        }
    }
}

impl Desk {
    fn tell(&self, order: impl FnOnce(&mut Orders)) {
        order(&mut lock(&self.orders));
        self.changed.notify_all();
    }

    /// The writing thread: sleeps until there is something, and a little longer for more of it.
    fn run(&self, mut file: File) {
        let mut lines = Vec::new();
        let mut dropped = 0;
        loop {
            let orders = self.next();
            if orders.reopen {
                match open(&self.target) {
                    Ok(new) => file = new,
                    Err(error) => {
                        self.counts.reopen_failed.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(target = ?self.target, %error, "cannot reopen an access log");
                    }
                }
            }
            for waiting in &self.waiting {
                std::mem::swap(&mut *lock(waiting), &mut lines);
                match file.write_all(&lines) {
                    Ok(()) => {
                        self.counts.written.fetch_add(lines.len() as u64, Ordering::Relaxed);
                    }
                    Err(error) => {
                        self.counts.failed.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(target = ?self.target, %error, "cannot write an access log");
                    }
                }
                lines.clear();
            }
            // A burst's memory is given back.
            lines.shrink_to(FULL);
            let now = self.counts.dropped.load(Ordering::Relaxed);
            if std::mem::replace(&mut dropped, now) != now {
                tracing::warn!(target = ?self.target, dropped = now, "access log lines were dropped");
            }
            if orders.close {
                self.tell(|orders| orders.ended = true);
                return;
            }
        }
    }

    /// Waits for something to do.
    fn next(&self) -> Orders {
        let mut orders = lock(&self.orders);
        while !(orders.write || orders.full || orders.reopen || orders.close) {
            orders = self.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + GATHER;
        while !(orders.full || orders.reopen || orders.close) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(orders, left);
            orders = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let seen = *orders;
        *orders = Orders { close: seen.close, ..Orders::default() };
        seen
    }

    fn await_end(&self, until: Instant) {
        let mut orders = lock(&self.orders);
        while !orders.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(target = ?self.target, "an access log was not written to its end");
                return;
            }
            let waited = self.changed.wait_timeout(orders, left);
            orders = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Opens a file at its end; reading is asked for too, so that a pipe without a reader does not hold us up.
fn open(target: &Target) -> io::Result<File> {
    let own = |fd: OwnedFd| File::from(fd);
    match target {
        Target::Stdout => io::stdout().as_fd().try_clone_to_owned().map(own),
        Target::Stderr => io::stderr().as_fd().try_clone_to_owned().map(own),
        Target::File(path) => OpenOptions::new().read(true).append(true).create(true).open(&**path),
    }
}

/// A lock whose holder panicked still guards whole lines.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::PathBuf;

    use super::*;

    /// A path of this test's own.
    fn path(name: &str) -> (PathBuf, Target) {
        let path = std::env::temp_dir().join(format!("lateen-sinks-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let target = Target::File(path.to_str().unwrap().into());
        (path, target)
    }

    fn await_text(path: &PathBuf, wanted: &str) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if text == wanted {
                return;
            }
            assert!(Instant::now() < until, "{text:?} is not {wanted:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn lines_arrive_soon_and_after_a_move_in_the_new_file() {
        let (path, target) = path("move");
        let sinks = Sinks::new(2);
        sinks.open([&target].into_iter()).unwrap();
        let sink = sinks.of(&target).unwrap();
        sink.take(0, b"one\n");
        await_text(&path, "one\n");
        let moved = path.with_extension("old");
        std::fs::rename(&path, &moved).unwrap();
        sinks.reopen();
        await_text(&path, "");
        sink.take(1, b"two\n");
        sinks.finish();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\n");
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(&moved).unwrap();
    }

    #[test]
    fn who_still_holds_a_file_that_was_let_go_of_writes_to_it() {
        let (path, target) = path("hold");
        let sinks = Sinks::new(1);
        sinks.open([&target].into_iter()).unwrap();
        let sink = sinks.of(&target).unwrap();
        sinks.open([].into_iter()).unwrap();
        assert!(sinks.of(&target).is_none());
        sink.take(0, b"late\n");
        drop(sink);
        await_text(&path, "late\n");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_not_time() {
        let (path, target) = path("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let mut reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let sinks = Sinks::new(1);
        sinks.open([&target].into_iter()).unwrap();
        let sink = sinks.of(&target).unwrap();
        let line = [b'x'; 1024];
        for _ in 0..4 * MOST / line.len() {
            sink.take(0, &line);
        }
        let dropped = sinks.counts()[1].1;
        assert!(dropped > 0, "nothing was dropped");
        let mut some = [0; 1024];
        reader.read_exact(&mut some).unwrap();
        assert_eq!(some, line);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_is_refused_with_the_reason() {
        let sinks = Sinks::new(1);
        let target = Target::File("/no/such/folder/log".into());
        let why = sinks.open([&target].into_iter()).unwrap_err();
        assert!(why.contains("/no/such/folder/log") && why.contains("No such file"), "{why}");
    }
}
