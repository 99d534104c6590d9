//! The store on disk: objects, the last events, and the revision, in one redb file.
//!
//! One transaction makes a batch of events durable. The log holds for each event only the state
//! before it: the state after it is the state before the next event of the same object, or the
//! object itself.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use objects::{Event, Key, Value};
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    StorageError, TableDefinition,
};

/// Resource, namespace and name, with a zero byte between them -> the object as JSON.
const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
/// Revision -> key, the object before as JSON, whether there is one after.
const LOG: TableDefinition<'_, u64, (&str, Option<&[u8]>, bool)> = TableDefinition::new("log");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
const WORDS: TableDefinition<'_, &str, &str> = TableDefinition::new("words");

/// The layout above. A later layout gets another number.
const FORMAT: u64 = 1;

/// Events kept over a restart, so that watches resume: each is read at start, so not too many.
const LOG_EVENTS: u64 = 1000;

/// The store holds all objects in memory; redb needs to remember only its own upper pages.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send>;

/// An open database, which can be opened again after the disk failed.
pub(crate) struct Disk {
    open: Opener,
    database: Option<Database>,
}

/// All that the disk remembers.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) objects: Vec<(Key, Arc<Value>)>,
    /// In order of revision.
    pub(crate) log: Vec<Event>,
    pub(crate) revision: u64,
    /// The identity of this store; empty before the first [`Disk::name`].
    pub(crate) uid: String,
}

/// Why a batch is not on the disk.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The disk has no room, rather than being at fault.
    pub(crate) full: bool,
    pub(crate) why: String,
}

impl Failure {
    fn of(error: &redb::Error) -> Failure {
        let full = matches!(error, redb::Error::Io(io) if matches!(
            io.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ));
        Failure { full, why: error.to_string() }
    }
}

impl Disk {
    /// Opens the file, making it at the first start, mode 0600.
    pub(crate) fn open(path: &Path) -> Result<Disk> {
        let path = path.to_owned();
        let shown = path.display().to_string();
        let file = move || -> io::Result<File> {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
        };
        Disk::opened(
            Box::new(move || {
                Database::builder()
                    .set_cache_size(CACHE_BYTES)
                    .create_file(file().map_err(StorageError::Io)?)
            }),
            &shown,
        )
    }

    /// Opens a database on any storage, so that tests can pull the plug; `storage` is asked again each time it must be reopened.
    #[cfg(test)]
    pub(crate) fn on<B: redb::StorageBackend>(
        storage: impl Fn() -> B + Send + 'static,
    ) -> Result<Disk> {
        Disk::opened(
            Box::new(move || {
                Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(storage())
            }),
            "the given storage",
        )
    }

    fn opened(open: Opener, shown: &str) -> Result<Disk> {
        let database = open().map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => {
                anyhow!("{shown} is in use by another process: stop it first (`lateen down`)")
            }
            error => anyhow!(
                "cannot open the store {shown}: {error} (to begin with an empty one, move it away)"
            ),
        })?;
        Ok(Disk { open, database: Some(database) })
    }

    /// Closes and opens the database again, after a failure: redb refuses all work on a database
    /// whose storage failed once.
    pub(crate) fn reopen(&mut self) -> Result<(), Failure> {
        self.database = None;
        self.database = Some((self.open)().map_err(|error| Failure::of(&error.into()))?);
        Ok(())
    }

    fn database(&self) -> Result<&Database> {
        self.database.as_ref().context("the store is closed since the disk failed")
    }

    /// Reads everything.
    pub(crate) fn load(&self) -> Result<Kept> {
        let read = self.database()?.begin_read()?;
        let numbers = match read.open_table(NUMBERS) {
            Ok(numbers) => numbers,
            // A new file.
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Kept::default()),
            Err(error) => return Err(error.into()),
        };
        let number =
            |name| -> Result<u64> { Ok(numbers.get(name)?.map_or(0, |value| value.value())) };
        let format = number("format")?;
        if format != FORMAT {
            bail!(
                "the store has format {format}, and this lateen reads {FORMAT}: use the lateen \
                   that wrote it, or another home"
            );
        }
        let mut kept = Kept { revision: number("revision")?, ..Kept::default() };
        if let Some(uid) = read.open_table(WORDS)?.get("uid")? {
            uid.value().clone_into(&mut kept.uid);
        }

        let mut latest: BTreeMap<Key, Arc<Value>> = BTreeMap::new();
        for row in read.open_table(OBJECTS)?.iter()? {
            let (key, object) = row?;
            let object = Arc::new(parse(key.value(), object.value())?);
            let key = read_key(key.value())?;
            latest.insert(key.clone(), object.clone());
            kept.objects.push((key, object));
        }
        // Backwards: what an event made is what the next event of that object found.
        for row in read.open_table(LOG)?.iter()?.rev() {
            let (revision, event) = row?;
            let (key_text, old, has_new) = event.value();
            let key = read_key(key_text)?;
            let new = if has_new { latest.remove(&key) } else { None };
            let old = old.map(|old| parse(key_text, old).map(Arc::new)).transpose()?;
            if let Some(old) = &old {
                latest.insert(key.clone(), old.clone());
            }
            kept.log.push(Event { revision: revision.value(), key, old, new });
        }
        kept.log.reverse();
        Ok(kept)
    }

    /// The last revision, without reading the rest.
    pub(crate) fn revision(&self) -> Result<u64> {
        let read = self.database()?.begin_read()?;
        Ok(read.open_table(NUMBERS)?.get("revision")?.map_or(0, |value| value.value()))
    }

    /// Gives the store its identity, once.
    pub(crate) fn name(&self, uid: &str) -> Result<()> {
        let write = self.database()?.begin_write()?;
        write.open_table(WORDS)?.insert("uid", uid)?;
        write.open_table(NUMBERS)?.insert("format", FORMAT)?;
        {
            // All tables exist from here on.
            write.open_table(OBJECTS)?;
            write.open_table(LOG)?;
        }
        write.commit()?;
        Ok(())
    }

    /// Makes a batch durable: when this returns, a power cut loses nothing of it.
    pub(crate) fn commit(&self, events: &[Event], revision: u64) -> Result<(), Failure> {
        self.write(events, revision).map_err(|error| Failure::of(&error))
    }

    fn write(&self, events: &[Event], revision: u64) -> Result<(), redb::Error> {
        let database = self.database().map_err(|error| redb::Error::Io(io::Error::other(error)))?;
        let write = database.begin_write()?;
        {
            let mut objects = write.open_table(OBJECTS)?;
            let mut log = write.open_table(LOG)?;
            let mut numbers = write.open_table(NUMBERS)?;
            for event in events {
                let key = key_text(&event.key);
                let old = match &event.new {
                    Some(new) => {
                        let new = serde_json::to_vec(&**new).map_err(io::Error::other)?;
                        objects.insert(key.as_str(), new.as_slice())?
                    }
                    None => objects.remove(key.as_str())?,
                };
                let old = old.as_ref().map(|old| old.value());
                log.insert(event.revision, (key.as_str(), old, event.new.is_some()))?;
            }
            while log.len()? > LOG_EVENTS {
                log.pop_first()?;
            }
            numbers.insert("revision", revision)?;
            numbers.insert("format", FORMAT)?;
        }
        write.commit()?;
        Ok(())
    }
}

fn key_text(key: &Key) -> String {
    format!("{}\0{}\0{}", key.resource, key.namespace, key.name)
}

fn read_key(text: &str) -> Result<Key> {
    let mut parts = text.splitn(3, '\0');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(resource), Some(namespace), Some(name)) => Ok(Key::new(resource, namespace, name)),
        _ => bail!("the store has a broken key {text:?}"),
    }
}

fn parse(key: &str, bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).with_context(|| {
        format!("the object {} in the store cannot be read", key.replace('\0', "/"))
    })
}
