//! The output of containers: kept in files as kubelets keep it, bounded, and followed.
//!
//! A line is `TIME STREAM F|P TEXT`; `P` means that the line goes on in the next one.
//! Spec: Kubernetes, CRI logging.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::{broadcast, mpsc, watch};

/// A file that reaches this size becomes the older of two.
const ROTATE: u64 = 10 << 20;
/// Longer lines are cut into parts.
const LINE_MAX: usize = 16 << 10;

/// The log of one run of a container.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: Mutex<Open>,
    /// Grows with each write; `None` when the run has ended.
    news: watch::Sender<Option<u64>>,
    /// The raw output, for those who are attached: (is standard error, bytes).
    live: broadcast::Sender<(bool, Bytes)>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) follow: bool,
    pub(crate) tail: Option<usize>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) timestamps: bool,
    pub(crate) limit: Option<u64>,
}

/// The file of a run.
pub(crate) fn file(dir: &Path, run: i32) -> PathBuf {
    dir.join(format!("{run}.log"))
}

/// The newest run of which a file is there.
pub(crate) fn newest(dir: &Path) -> Option<i32> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let runs = entries.filter_map(|e| e.file_name().to_str()?.strip_suffix(".log")?.parse().ok());
    runs.max()
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("log.old")
}

impl Log {
    /// Opens the log of a run; of earlier runs only the one before is kept.
    ///
    /// # Errors
    /// The directory or the file cannot be made.
    pub(crate) fn open(dir: &Path, run: i32) -> io::Result<Arc<Log>> {
        std::fs::create_dir_all(dir)?;
        if run >= 2 {
            let old = file(dir, run - 2);
            let _ = std::fs::remove_file(older(&old));
            let _ = std::fs::remove_file(old);
        }
        let path = file(dir, run);
        let open = File::options().create(true).append(true).open(&path)?;
        let size = open.metadata()?.len();
        let (news, _) = watch::channel(Some(0));
        let (live, _) = broadcast::channel(64);
        Ok(Arc::new(Log { path, file: Mutex::new(Open { file: open, size }), news, live }))
    }

    /// The raw output from now on.
    pub(crate) fn attach(&self) -> broadcast::Receiver<(bool, Bytes)> {
        self.live.subscribe()
    }

    /// Waits for the end of the run.
    pub(crate) async fn ended(&self) {
        let mut news = self.news.subscribe();
        let _ = news.wait_for(Option::is_none).await;
    }

    /// Copies a terminal until its programs have ended.
    pub(crate) async fn copy_terminal(self: Arc<Self>, from: pipe::Receiver) {
        // A terminal ends its lines with CR LF; `kubectl logs` shows them so, too.
        self.copy(from, "stdout").await;
    }

    fn write(&self, lines: &[u8]) {
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.append(&mut open, lines) {
            // A full disk must not stop the container: its output is lost, and said to be.
            tracing::warn!(path = %self.path.display(), %error, "container output is lost");
        }
        drop(open);
        self.news.send_modify(|n| *n = n.map(|n| n + 1));
    }

    fn append(&self, open: &mut Open, lines: &[u8]) -> io::Result<()> {
        if open.size + lines.len() as u64 > ROTATE && open.size > 0 {
            std::fs::rename(&self.path, older(&self.path))?;
            open.file = File::options().create(true).append(true).open(&self.path)?;
            open.size = 0;
        }
        open.file.write_all(lines)?;
        open.size += lines.len() as u64;
        Ok(())
    }

    /// The run has ended: who follows comes to an end.
    pub(crate) fn end(&self) {
        self.news.send_replace(None);
    }

    /// Copies a stream until its end.
    pub(crate) async fn copy(self: Arc<Self>, mut from: pipe::Receiver, stream: &'static str) {
        let mut chunk = vec![0; 16 << 10];
        let mut partial: Vec<u8> = Vec::new();
        while let Ok(len) = from.read(&mut chunk).await {
            if len == 0 {
                break;
            }
            if self.live.receiver_count() > 0 {
                let _ = self.live.send((stream == "stderr", Bytes::copy_from_slice(&chunk[..len])));
            }
            partial.extend_from_slice(&chunk[..len]);
            let lines = cut(&mut partial, stream, Timestamp::now());
            if !lines.is_empty() {
                self.write(&lines);
            }
        }
        if !partial.is_empty() {
            partial.push(b'\n');
            let lines = cut(&mut partial, stream, Timestamp::now());
            self.write(&lines);
        }
    }
}

/// Takes the whole lines out of `partial`, as the file holds them.
fn cut(partial: &mut Vec<u8>, stream: &str, now: Timestamp) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = &partial[..];
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n');
        let (text, tag, next) = match end {
            Some(at) if at <= LINE_MAX => (&rest[..at], 'F', at + 1),
            _ if rest.len() > LINE_MAX => (&rest[..LINE_MAX], 'P', LINE_MAX),
            _ => break,
        };
        let _ = write!(out, "{now:.9} {stream} {tag} ");
        out.extend_from_slice(text);
        out.push(b'\n');
        rest = &rest[next..];
    }
    let left = rest.len();
    partial.drain(..partial.len() - left);
    out
}

/// Sends the wanted lines; with `follow` until the run ends or nobody listens.
pub(crate) async fn read(
    path: PathBuf,
    log: Option<Arc<Log>>,
    wanted: Wanted,
    to: mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    let mut news = log.map(|log| log.news.subscribe());
    let mut reader = Reader { wanted, sent: 0 };
    let (first, mut at) = {
        let mut reader = reader.clone();
        let path = path.clone();
        tokio::task::spawn_blocking(move || reader.begin(&path))
            .await
            .map_err(io::Error::other)??
    };
    reader.sent += first.len() as u64;
    if !first.is_empty() && to.send(first).await.is_err() {
        return Ok(());
    }
    let follow = reader.wanted.follow;
    while let (true, Some(news), false) = (follow, &mut news, reader.is_full()) {
        let ended = news.borrow_and_update().is_none();
        loop {
            let text = reader.go_on(&path, &mut at)?;
            if text.is_empty() {
                break;
            }
            reader.sent += text.len() as u64;
            if to.send(text).await.is_err() || reader.is_full() {
                return Ok(());
            }
        }
        if ended {
            break;
        }
        tokio::select! {
            changed = news.changed() => if changed.is_err() { break },
            () = to.closed() => break,
        }
    }
    Ok(())
}

/// A place in the file.
#[derive(Debug)]
struct At {
    file: File,
}

#[derive(Debug, Clone)]
struct Reader {
    wanted: Wanted,
    sent: u64,
}

impl Reader {
    fn is_full(&self) -> bool {
        self.wanted.limit.is_some_and(|limit| self.sent >= limit)
    }

    /// All wanted lines that are there, and the place after them.
    fn begin(&mut self, path: &Path) -> io::Result<(Vec<u8>, At)> {
        let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
        let mut lines = 0;
        // The part that was rotated away comes first.
        if let Ok(old) = File::open(older(path)) {
            self.collect(BufReader::new(old), &mut kept, &mut lines)?;
        }
        let file = File::open(path)?;
        let mut reader = BufReader::new(file);
        self.collect(&mut reader, &mut kept, &mut lines)?;
        // The reader stands at the end of the last whole line: nothing is left in its buffer.
        let mut out: Vec<u8> = kept.into_iter().flatten().collect();
        if let Some(limit) = self.wanted.limit {
            out.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        Ok((out, At { file: reader.into_inner() }))
    }

    fn collect(
        &self,
        mut from: impl io::BufRead,
        kept: &mut VecDeque<Vec<u8>>,
        lines: &mut usize,
    ) -> io::Result<()> {
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line)? > 0 {
            if let Some((text, whole)) = self.show(&line) {
                kept.push_back(text);
                *lines += usize::from(whole);
                while self.wanted.tail.is_some_and(|tail| *lines > tail)
                    && let Some(first) = kept.pop_front()
                {
                    *lines -= usize::from(first.ends_with(b"\n"));
                }
            }
            line.clear();
        }
        Ok(())
    }

    /// What has come since; the file may have been rotated meanwhile.
    fn go_on(&self, path: &Path, at: &mut At) -> io::Result<Vec<u8>> {
        use std::os::unix::fs::MetadataExt as _;
        let mut out = Vec::new();
        let mut reader = BufReader::new(&at.file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            out.extend(self.show(&line).into_iter().flat_map(|(text, _)| text));
            line.clear();
        }
        if out.is_empty()
            && let (Ok(new), Ok(old)) = (File::open(path), at.file.metadata())
            && new.metadata()?.ino() != old.ino()
        {
            *at = At { file: new };
            return self.go_on(path, at);
        }
        if let Some(limit) = self.wanted.limit {
            out.truncate(usize::try_from(limit - self.sent.min(limit)).unwrap_or(usize::MAX));
        }
        Ok(out)
    }

    /// A line of the file as a person sees it, and whether it ends there.
    fn show(&self, line: &[u8]) -> Option<(Vec<u8>, bool)> {
        let mut parts = line.splitn(4, |b| *b == b' ');
        let (time, _stream, tag, text) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if let Some(since) = self.wanted.since {
            let time: Timestamp = std::str::from_utf8(time).ok()?.parse().ok()?;
            if time < since {
                return None;
            }
        }
        let mut out = Vec::new();
        if self.wanted.timestamps {
            out.extend_from_slice(time);
            out.push(b' ');
        }
        let whole = tag == b"F";
        out.extend_from_slice(text.strip_suffix(b"\n").unwrap_or(text));
        if whole {
            out.push(b'\n');
        }
        Some((out, whole))
    }
}

/// `sinceSeconds` before `now`.
pub(crate) fn ago(seconds: i64, now: Timestamp) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_long_ones_are_marked_as_parts() {
        let now: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
        let mut partial = b"one\ntwo\nthr".to_vec();
        let out = String::from_utf8(cut(&mut partial, "stdout", now)).unwrap();
        assert_eq!(
            out,
            "2026-01-02T03:04:05.500000000Z stdout F one\n\
             2026-01-02T03:04:05.500000000Z stdout F two\n"
        );
        assert_eq!(partial, b"thr");
        let mut long = vec![b'x'; LINE_MAX + 3];
        long.push(b'\n');
        let out = String::from_utf8(cut(&mut long, "stderr", now)).unwrap();
        let tags: Vec<&str> = out.lines().map(|l| l.split(' ').nth(2).unwrap()).collect();
        assert_eq!(tags, ["P", "F"]);
    }

    #[test]
    fn tail_since_and_limit_choose_lines() {
        let dir = std::env::temp_dir().join(format!("lateen-logs-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = file(&dir, 0);
        std::fs::write(
            &path,
            "2026-01-01T00:00:01Z stdout F a\n2026-01-01T00:00:02Z stdout P b\n\
             2026-01-01T00:00:02Z stdout F c\n2026-01-01T00:00:03Z stderr F d\n",
        )
        .unwrap();
        let get = |wanted: Wanted| {
            let (out, _) = Reader { wanted, sent: 0 }.begin(&path).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(get(Wanted::default()), "a\nbc\nd\n");
        assert_eq!(get(Wanted { tail: Some(1), ..Wanted::default() }), "d\n");
        assert_eq!(get(Wanted { tail: Some(2), ..Wanted::default() }), "bc\nd\n");
        assert_eq!(get(Wanted { limit: Some(3), ..Wanted::default() }), "a\nb");
        let since = "2026-01-01T00:00:03Z".parse().ok();
        let wanted = Wanted { since, timestamps: true, ..Wanted::default() };
        assert_eq!(get(wanted), "2026-01-01T00:00:03Z d\n");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
