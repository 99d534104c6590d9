//! One container: what its process is to be, its own init, and its start.

pub(crate) mod init;
pub(crate) mod launch;
mod privileges;
mod root;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// CAP_NET_ADMIN, which SO_MARK takes.
pub(crate) const CAP_NET_ADMIN: u32 = 12;

/// What the init of a container reads before it does anything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Where the process runs.
    pub(crate) place: Place,
    /// The program; `None` is this binary.
    pub(crate) program: Option<String>,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: Option<String>,
    /// `None` keeps the user (the only one there is without root).
    pub(crate) user: Option<User>,
    /// Capabilities it keeps.
    pub(crate) capabilities: Vec<u32>,
    /// The program is pid 1 itself, without an init: our own programs, which start no others.
    pub(crate) direct: bool,
    /// Standard input is a terminal, to be the controlling one.
    pub(crate) terminal: bool,
    /// Descriptor to which a failure is written; closed when the program runs.
    pub(crate) status: i32,
}

/// A user of the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

/// Where a process runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Place {
    /// In a new container.
    New {
        /// Descriptor of the pod's network namespace.
        network: i32,
        hostname: String,
        mounts: Vec<Mount>,
    },
    /// In a container that runs (`exec`).
    Existing {
        /// Descriptor (pidfd) of its first process.
        process: i32,
    },
}

/// A file or directory that a container sees at another place.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) source: PathBuf,
    pub(crate) target: String,
    pub(crate) read_only: bool,
}
