//! What happened, line by line: the last lines for people, and a hash of all for comparing runs.

use std::{collections::VecDeque, fmt::Write as _};

use traffic::Moment;
use xxhash_rust::xxh64::Xxh64;

/// So many lines are shown when a run fails.
const SHOWN: usize = 60;

/// What happened in one run.
pub(crate) struct Journal {
    hash: Xxh64,
    last: VecDeque<String>,
    lines: u64,
    /// Every line is shown as it comes.
    loud: bool,
}

impl Journal {
    pub(crate) fn new() -> Self {
        let loud = std::env::var_os("SIM_TRACE").is_some();
        Self { hash: Xxh64::new(0), last: VecDeque::with_capacity(SHOWN), lines: 0, loud }
    }

    pub(crate) fn note(&mut self, now: Moment, what: std::fmt::Arguments<'_>) {
        if self.last.len() == SHOWN {
            self.last.pop_front();
        }
        let micros = now.as_nanos() / 1000;
        let line = format!("{:>4}.{:06} {what}", micros / 1_000_000, micros % 1_000_000);
        if self.loud {
            eprintln!("{line}");
        }
        self.hash.update(line.as_bytes());
        self.last.push_back(line);
        self.lines += 1;
    }

    /// Equal for runs in which the same happened.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.digest()
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> String {
        let mut tail = String::new();
        for line in &self.last {
            writeln!(tail, "  {line}").expect("writing to a String does not fail");
        }
        tail
    }
}
