//! The life of one pod: what to start, what to probe, and the status that a kubelet would write.
//!
//! [`Life`] is the machine: the node tells it what it saw ([`Seen`]) and does what it answers
//! ([`Do`]). It knows no socket, no process and no clock.

mod container;
pub mod env;
pub mod image;
mod life;
mod probe;
mod status;

pub use life::Life;

use jiff::SignedDuration;

/// The container that stops last and starts like any other: Istio's name for the sidecar.
pub const SIDECAR: &str = "istio-proxy";

/// What the machine does not find in the pod itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Wait before the second restart of a container that ends; it doubles with each.
    pub back_off: SignedDuration,
    /// The longest wait before a restart.
    pub back_off_max: SignedDuration,
    /// The node's own address, for `status.hostIP`.
    pub host_ip: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            back_off: SignedDuration::from_secs(10),
            back_off_max: SignedDuration::from_secs(300),
            host_ip: "10.244.0.1".to_owned(),
        }
    }
}

/// Which check of a container is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    /// Until it succeeds the other probes wait.
    Startup,
    /// When it fails the container is restarted.
    Liveness,
    /// When it fails the pod gets no traffic.
    Readiness,
    /// No readiness probe was written: does the first declared TCP port accept?
    Port,
}

impl ProbeKind {
    /// The word in events: `Readiness probe failed: …`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ProbeKind::Startup => "Startup",
            ProbeKind::Liveness => "Liveness",
            ProbeKind::Readiness | ProbeKind::Port => "Readiness",
        }
    }
}

/// Something that happened to the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Namespaces, links and volumes stand.
    Ready {
        /// The pod's address.
        ip: String,
    },
    /// They could not be made; it is tried again.
    NotReady {
        /// Reason of the Event: `FailedMount` or `FailedCreatePodSandBox`.
        reason: String,
        /// What, where, why.
        message: String,
    },
    /// The container's process runs, and its postStart hook succeeded.
    Started {
        /// Its name.
        container: String,
    },
    /// The container could not be started.
    Refused {
        /// Its name.
        container: String,
        /// A kubelet's word: `ErrImagePull`, `CreateContainerConfigError`, `RunContainerError`.
        reason: String,
        /// What, where, why, and what to do.
        message: String,
    },
    /// The container's process ended.
    Exited {
        /// Its name.
        container: String,
        /// The exit code; 128 + signal for one that was killed.
        code: i32,
        /// The signal that killed it.
        signal: Option<i32>,
    },
    /// A probe came back.
    Probed {
        /// The container's name.
        container: String,
        /// Which probe.
        probe: ProbeKind,
        /// Success, or the text of the failure.
        outcome: Result<(), String>,
    },
    /// The preStop hook ended, well or not.
    PreStopped {
        /// The container's name.
        container: String,
    },
    /// Proxies know that this pod leaves, or were waited for long enough.
    Withdrawn,
    /// Nothing of the pod's namespaces, links and volumes is left.
    TornDown,
    /// Something that a waiting container may have waited for has changed.
    LookAgain,
}

/// Something to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Do {
    /// Make namespaces, links and volumes; answered by [`Seen::Ready`] or [`Seen::NotReady`].
    SetUp,
    /// Start a container; answered by [`Seen::Started`] or [`Seen::Refused`].
    Start {
        /// Its name.
        container: String,
        /// How often it was restarted before.
        restarts: i32,
    },
    /// Run a probe; answered by [`Seen::Probed`].
    Probe {
        /// The container's name.
        container: String,
        /// Which probe.
        probe: ProbeKind,
    },
    /// Run the preStop hook; answered by [`Seen::PreStopped`].
    PreStop {
        /// The container's name.
        container: String,
    },
    /// Signal the container.
    Signal {
        /// Its name.
        container: String,
        /// SIGKILL instead of SIGTERM.
        kill: bool,
    },
    /// Wait until no proxy sends new requests; answered by [`Seen::Withdrawn`].
    Withdraw,
    /// Take namespaces, links and volumes away; answered by [`Seen::TornDown`].
    TearDown,
    /// Delete the Pod object for good.
    Delete,
    /// Write an Event.
    Say(Notice),
}

/// One Event about the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `Warning` instead of `Normal`.
    pub warning: bool,
    /// A kubelet's word: `Started`, `Killing`, `BackOff`.
    pub reason: &'static str,
    /// The text.
    pub message: String,
    /// The container it is about.
    pub container: Option<String>,
}

#[cfg(test)]
mod tests;
