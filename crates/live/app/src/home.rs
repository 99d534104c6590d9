//! The home: one folder that holds all of one mesh, used by one `lateen up` at a time.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// A disk with less room than this, in bytes, is full.
const FULL: u64 = 64 << 10;

/// The folder of one mesh.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    path: PathBuf,
}

/// What a running mesh says of itself in `run.json`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Running {
    /// The process to signal.
    pub(crate) pid: u32,
    /// When it began, as RFC 3339.
    pub(crate) started: String,
    /// Where the API server's kubeconfig is.
    pub(crate) kubeconfig: PathBuf,
    /// Addresses on the host.
    pub(crate) ports: Ports,
    /// Whether everything that was asked for is up.
    pub(crate) ready: bool,
}

/// The ports on 127.0.0.1.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ports {
    /// The API server, HTTPS.
    pub(crate) api: u16,
    /// The ingress gateway, HTTP.
    pub(crate) gateway_http: u16,
    /// The ingress gateway, HTTPS.
    pub(crate) gateway_https: u16,
    /// The console, HTTP.
    pub(crate) console: u16,
    /// xDS in plain text.
    pub(crate) xds: u16,
    /// The control plane's metrics and debug pages.
    pub(crate) monitoring: u16,
}

impl Home {
    /// `given`, else `$LATEEN_HOME`, else `~/.lateen`.
    pub(crate) fn find(given: Option<PathBuf>) -> anyhow::Result<Self> {
        let named = given.or_else(|| std::env::var_os("LATEEN_HOME").map(PathBuf::from));
        let path = match named {
            Some(path) => path,
            None => {
                let user = std::env::var_os("HOME").context("neither --home nor $HOME is set")?;
                Path::new(&user).join(".lateen")
            }
        };
        Ok(Self { path: std::path::absolute(path)? })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the disk under it has no room left: a page or so that a file may still find changes nothing.
    pub(crate) fn is_full(&self) -> bool {
        rustix::fs::statvfs(&self.path)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < FULL)
    }

    /// Makes the folder, for its owner alone.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path).with_context(|| {
            format!("make the home {}; choose another with --home DIR", self.path.display())
        })
    }

    /// Takes the home for this process, until the returned file is dropped or the process ends.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => {
                let by =
                    self.running().map_or(String::new(), |it| format!(" (process {})", it.pid));
                anyhow::bail!(
                    "a mesh is running in {}{by}; stop it with `lateen down`, or give this one a home of its own with --home DIR --ports auto",
                    self.path.display()
                )
            }
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("lock {}", path.display()))
            }
        }
    }

    /// Whether some process holds the home.
    pub(crate) fn is_taken(&self) -> bool {
        let Ok(file) = File::open(self.path.join("lock")) else { return false };
        matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock))
    }

    /// What the mesh that runs here, or ran here last, said of itself.
    pub(crate) fn running(&self) -> Option<Running> {
        serde_json::from_slice(&fs::read(self.path.join("run.json")).ok()?).ok()
    }

    /// Says how the mesh can be reached; readers never see half of it.
    pub(crate) fn say(&self, running: &Running) -> anyhow::Result<()> {
        let (new, path) = (self.path.join("run.json.new"), self.path.join("run.json"));
        let text = serde_json::to_vec_pretty(running)?;
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(&text)?;
            fs::rename(&new, &path)
        };
        write().with_context(|| format!("write {}", path.display()))
    }

    /// The mesh is no more.
    pub(crate) fn forget(&self) {
        // It may never have been written.
        fs::remove_file(self.path.join("run.json")).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_for_one_mesh_at_a_time() {
        let folder = std::env::temp_dir().join(format!("lateen-home-{}", std::process::id()));
        let home = Home::find(Some(folder.clone())).unwrap();
        home.create().unwrap();
        assert!(!home.is_taken());
        let lock = home.lock().unwrap();
        assert!(home.is_taken());
        let said = home.lock().unwrap_err().to_string();
        assert!(said.contains("lateen down") && said.contains("--home"), "{said}");
        drop(lock);
        home.lock().unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}
