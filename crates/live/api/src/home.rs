//! The files of a home: where they are, and that only their owner can read them.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The folder that holds the store, the certificates and the kubeconfig.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
}

impl Home {
    /// Opens the folder, making it when it is missing; nobody but its owner may enter. A folder
    /// that somebody uses for other things too keeps its mode.
    pub(crate) fn open(root: &Path) -> Result<Home> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .with_context(|| format!("cannot make the home {}", root.display()))?;
        let home = Home { root: root.to_owned() };
        let is_ours = || -> io::Result<bool> {
            Ok(home.path("ca.key").exists() || fs::read_dir(root)?.next().is_none())
        };
        let private = || -> io::Result<()> {
            if is_ours()? {
                fs::set_permissions(root, fs::Permissions::from_mode(0o700))?;
            }
            Ok(())
        };
        private().with_context(|| format!("cannot make the home {} private", root.display()))?;
        Ok(home)
    }

    /// The path of one file of the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The text of one file, or nothing when there is none.
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes one file with mode 0600. It is whole or not there: a reader never sees half of it,
    /// also not after a power cut.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        self.replace(name, text, true)
    }

    fn replace(&self, name: &str, text: &str, durable: bool) -> Result<PathBuf> {
        let path = self.path(name);
        let beside = self.path(&format!(".{name}.new"));
        let write = || -> io::Result<()> {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(text.as_bytes())?;
            if durable {
                file.sync_all()?;
            }
            fs::rename(&beside, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Writes one file unless it already has this text. It is not made durable: the next start
    /// would make it again.
    pub(crate) fn keep(&self, name: &str, text: &str) -> Result<PathBuf> {
        if self.read(name)?.as_deref() == Some(text) {
            return Ok(self.path(name));
        }
        self.replace(name, text, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Dir;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_home_is_made_private_and_a_shared_folder_is_left_alone() {
        let dir = Dir::new();
        let home = Home::open(&dir.path().join("new")).unwrap();
        assert_eq!(mode(&home.path("")), 0o700);
        home.write("ca.key", "secret").unwrap();
        assert_eq!(mode(&home.path("ca.key")), 0o600);

        let shared = dir.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::write(shared.join("somebody's"), "").unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
        Home::open(&shared).unwrap();
        assert_eq!(mode(&shared), 0o755);
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = Dir::new();
        let home = Home::open(dir.path()).unwrap();
        assert_eq!(home.read("a").unwrap(), None);
        home.keep("a", "one").unwrap();
        home.keep("a", "two").unwrap();
        assert_eq!(home.read("a").unwrap().as_deref(), Some("two"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
