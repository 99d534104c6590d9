//! Programs started inside a container that runs, and the terminals they may have.

use crate::agent::{PodEntry, Shared};
use crate::container::launch::{Launch, Process, Streams, launch};
use crate::container::{Place, Spec};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

/// Probes and hooks keep no more of the output than this.
const OUTPUT_MAX: u64 = 10 << 10;

/// A new terminal: our end, and the program's.
pub(crate) fn terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    Ok((master, slave))
}

/// A reader of a terminal's output.
pub(crate) fn duplicate(master: &OwnedFd) -> io::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd_unchecked(nonblocking(master)?)
}

/// A writer of a terminal's input.
pub(crate) fn typist(master: &OwnedFd) -> io::Result<pipe::Sender> {
    pipe::Sender::from_owned_fd_unchecked(nonblocking(master)?)
}

fn nonblocking(fd: &OwnedFd) -> io::Result<OwnedFd> {
    let fd = fd.try_clone()?;
    rustix::io::ioctl_fionbio(&fd, true)?;
    Ok(fd)
}

/// Starts a program in a container with its user, environment and directory.
pub(crate) async fn start(
    shared: &Shared,
    pod: &PodEntry,
    container: &str,
    words: Vec<String>,
    streams: Streams,
) -> Result<Process, String> {
    let known = pod.container(container).ok_or("the container does not run")?;
    let handle = known.handle.ok_or("the container does not run")?;
    let mut words = words.into_iter();
    let program = words.next().ok_or("no command was given")?;
    let mut env = known.spec.env.clone();
    let terminal = matches!(streams, Streams::Terminal(_));
    if terminal && !env.iter().any(|(name, _)| name == "TERM") {
        env.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    let spec = Spec {
        place: Place::Existing { process: -1 },
        program: Some(program),
        args: words.collect(),
        capabilities: Vec::new(),
        direct: false,
        terminal,
        env,
        ..known.spec
    };
    let launched = Launch {
        binary: &shared.config.binary,
        spec,
        place: handle.try_clone().map_err(|e| e.to_string())?,
        handed: Vec::new(),
        streams,
    };
    launch(launched).await.map_err(|e| e.to_string())
}

/// Runs a program to its end: exit code and the beginning of its output.
pub(crate) async fn run(
    shared: &Shared,
    pod: &PodEntry,
    container: &str,
    words: Vec<String>,
) -> Result<(i32, String), String> {
    let streams = Streams::Pipes { input: false };
    let mut process = start(shared, pod, container, words, streams).await?;
    let read = |pipe: Option<pipe::Receiver>| async {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = (&mut pipe).take(OUTPUT_MAX).read_to_end(&mut text).await;
            // The rest is read so that the program does not stop at a full pipe.
            let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let (output, errors) = (process.output.take(), process.errors.take());
    let (output, errors) = tokio::join!(read(output), read(errors));
    let exit = process.ended().await.map_err(|e| e.to_string())?;
    Ok((exit.code, output + &errors))
}
