//! The node's side of a container's start: its descriptors, its output, its end.

use super::{Place, Spec};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::thread::UnshareFlags;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;

/// Standard streams of a new process.
#[derive(Debug)]
pub(crate) enum Streams {
    /// Output by pipes; input from a pipe too, if asked for.
    Pipes { input: bool },
    /// All three are this terminal.
    Terminal(OwnedFd),
}

/// What to start, besides the spec.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) spec: Spec,
    /// The pod's network namespace, or the pidfd of the container to enter.
    pub(crate) place: OwnedFd,
    /// Descriptors that the program gets, under their numbers here.
    pub(crate) handed: Vec<OwnedFd>,
    pub(crate) streams: Streams,
}

/// A started process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    watch: AsyncFd<OwnedFd>,
    /// For signals, and to enter its namespaces.
    pub(crate) handle: Arc<OwnedFd>,
    pub(crate) input: Option<pipe::Sender>,
    pub(crate) output: Option<pipe::Receiver>,
    pub(crate) errors: Option<pipe::Receiver>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit {
    /// The exit code; 128 + signal for one that was killed.
    pub(crate) code: i32,
    pub(crate) signal: Option<i32>,
}

/// Starts the process and waits until the program runs, or could not be run.
///
/// # Errors
/// What could not be done, in words for the container's status.
pub(crate) async fn launch(mut launch: Launch<'_>) -> io::Result<Process> {
    let (status_read, status_write) = pipe_with(PipeFlags::CLOEXEC)?;
    let is_new = match &mut launch.spec.place {
        Place::New { network, .. } => {
            *network = launch.place.as_raw_fd();
            true
        }
        Place::Existing { process } => {
            *process = launch.place.as_raw_fd();
            false
        }
    };
    launch.spec.status = status_write.as_raw_fd();
    let mut spec = File::from(memfd_create("container", MemfdFlags::CLOEXEC)?);
    spec.write_all(&serde_json::to_vec(&launch.spec)?)?;

    let mut command = Command::new(launch.binary);
    command.arg0("lateen").arg("container-init").arg(spec.as_raw_fd().to_string()).env_clear();
    match launch.streams {
        Streams::Pipes { input } => {
            command.stdin(if input { Stdio::piped() } else { Stdio::null() });
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        Streams::Terminal(terminal) => {
            command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
        }
    }
    let mut handed = launch.handed;
    handed.extend([spec.into(), status_write, launch.place]);
    let numbers: Vec<i32> = handed.iter().map(|fd| fd.as_raw_fd()).collect();
    #[expect(unsafe_code, reason = "only the child may let descriptors pass through exec")]
    // SAFETY: the closure makes one system call per descriptor and allocates nothing; the
    // descriptors are open in the child because `handed` lives until the start is over.
    unsafe {
        command.pre_exec(move || {
            for fd in &numbers {
                fcntl_setfd(std::os::fd::BorrowedFd::borrow_raw(*fd), FdFlags::empty())?;
            }
            Ok(())
        });
    }
    let (answer, wait) = tokio::sync::oneshot::channel();
    // A thread of its own: what it unshares must not stick to a thread that goes on.
    std::thread::Builder::new().name("launch".to_owned()).spawn(move || {
        let started = if is_new { own_pid_namespace() } else { Ok(()) };
        let _ = answer.send(started.and_then(|()| command.spawn()));
        drop(handed);
    })?;
    let mut child = wait.await.map_err(io::Error::other)??;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("the kernel gave no process id"))?;
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    let process = Process {
        input: child.stdin.take().map(|s| pipe::Sender::from_owned_fd(s.into())).transpose()?,
        output: child.stdout.take().map(|s| pipe::Receiver::from_owned_fd(s.into())).transpose()?,
        errors: child.stderr.take().map(|s| pipe::Receiver::from_owned_fd(s.into())).transpose()?,
        child,
        watch: watch(handle.try_clone()?)?,
        handle: Arc::new(handle),
    };
    let mut failure = String::new();
    pipe::Receiver::from_owned_fd(status_read)?.read_to_string(&mut failure).await?;
    if failure.is_empty() {
        return Ok(process);
    }
    let mut process = process;
    process.ended().await?;
    Err(io::Error::other(failure))
}

/// Tells when a pidfd's process has ended.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "AsyncFd cannot see that the descriptor stays the same")]
    // SAFETY: an `OwnedFd` owns one open descriptor, returns the same one always, and closes it
    // only when it is dropped, which is after its registration.
    let watch = unsafe { AsyncFd::register_with_interest(fd, tokio::io::Interest::READABLE) };
    watch.map_err(io::Error::from)
}

fn own_pid_namespace() -> io::Result<()> {
    #[expect(unsafe_code, reason = "rustix marks unshare unsafe for the sake of CLONE_FILES")]
    // SAFETY: only the pid namespace of coming children is unshared.
    unsafe {
        rustix::thread::unshare_unsafe(UnshareFlags::NEWPID)?;
    }
    Ok(())
}

impl Process {
    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end.
    pub(crate) async fn ended(&mut self) -> io::Result<Exit> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                let signal = status.signal();
                let code = status.code().or(signal.map(|s| 128 + s)).unwrap_or(255);
                return Ok(Exit { code, signal });
            }
            // A pidfd is readable once the process has ended, and stays so.
            let _ready = self.watch.readable().await?;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whoever lets go of a process that runs does not want it any more.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal; a process that has ended gets none.
pub(crate) fn signal(handle: &OwnedFd, kill: bool) {
    let signal = if kill { Signal::KILL } else { Signal::TERM };
    let _ = pidfd_send_signal(handle, signal);
}
