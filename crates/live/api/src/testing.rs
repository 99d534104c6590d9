//! What the tests of this room share: a folder that goes away with the test, and a storage that
//! forgets what was not synced.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use redb::StorageBackend;

/// A folder of its own for one test.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("lateen-api-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Dir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A disk with a volatile cache. [`Volatile::crash`] loses of what was not synced a part that a
/// seed chooses, as a power cut does.
#[derive(Clone, Default)]
pub(crate) struct Volatile(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when syncs are no longer held.
    released: Condvar,
}

#[derive(Default)]
struct State {
    /// What a reader sees.
    current: Vec<u8>,
    /// What is safe.
    durable: Vec<u8>,
    /// What is not safe yet, in order.
    pending: Vec<Pending>,
    /// The power is off for this owner: it may do nothing more.
    owner: u64,
    /// Syncs wait.
    held: bool,
    /// After so many more syncs all fails, as on a full disk.
    syncs_left: Option<u32>,
}

enum Pending {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Pending {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Pending::Length(length) => bytes.resize(*length, 0),
            Pending::Write(offset, data) => {
                let end = offset + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(data);
            }
        }
    }
}

impl Volatile {
    /// The storage as its present owner sees it.
    pub(crate) fn handle(&self) -> Handle {
        let owner = self.0.state.lock().unwrap().owner;
        Handle { shared: self.0.clone(), owner }
    }

    /// The power fails: of what was not synced, each write is kept or lost as `keep` says, and
    /// the owner so far can do nothing more.
    pub(crate) fn crash(&self, mut keep: impl FnMut() -> bool) {
        let mut state = self.0.state.lock().unwrap();
        let mut after = std::mem::take(&mut state.durable);
        for pending in std::mem::take(&mut state.pending) {
            if keep() {
                pending.apply(&mut after);
            }
        }
        state.current = after.clone();
        state.durable = after;
        state.owner += 1;
        state.syncs_left = None;
    }

    /// Syncs wait, or go on.
    pub(crate) fn hold(&self, held: bool) {
        self.0.state.lock().unwrap().held = held;
        self.0.released.notify_all();
    }

    /// After `syncs` more syncs the disk is full; `None`: it has room again.
    pub(crate) fn fill_after(&self, syncs: Option<u32>) {
        self.0.state.lock().unwrap().syncs_left = syncs;
    }
}

/// One owner's view of a [`Volatile`] storage.
pub(crate) struct Handle {
    shared: Arc<Shared>,
    owner: u64,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Handle {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.shared.state.lock().unwrap();
        if state.owner != self.owner {
            return Err(io::Error::other("the power is off"));
        }
        work(&mut state)
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        self.with(|state| Ok(state.current.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|state| {
            let offset = usize::try_from(offset).unwrap();
            let found = state.current.get(offset..offset + out.len());
            out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.with(|state| change(state, Pending::Length(usize::try_from(length).unwrap())))
    }

    fn sync_data(&self) -> io::Result<()> {
        let state = self.shared.state.lock().unwrap();
        drop(self.shared.released.wait_while(state, |state| state.held).unwrap());
        self.with(|state| {
            match &mut state.syncs_left {
                Some(0) => return Err(io::ErrorKind::StorageFull.into()),
                Some(left) => *left -= 1,
                None => {}
            }
            state.durable = state.current.clone();
            state.pending.clear();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.with(|state| change(state, Pending::Write(offset, data.to_vec())))
    }
}

fn change(state: &mut State, pending: Pending) -> io::Result<()> {
    if state.syncs_left == Some(0) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    pending.apply(&mut state.current);
    state.pending.push(pending);
    Ok(())
}

/// A small generator of numbers that look random, the same for the same seed.
#[derive(Debug)]
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
