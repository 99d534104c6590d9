//! `lateen container-init`: the first process of a container, and the door into one that runs.

use super::{Place, Spec, privileges, root};
use crate::sandbox::signals::Signals;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, UnshareFlags, move_into_link_name_space,
    move_into_thread_name_spaces, unshare_unsafe,
};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// Signals that the init passes to the program.
const PASSED: [Signal; 8] = [
    Signal::CHILD,
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
];

/// The entry of `lateen container-init N`, where descriptor N holds what to run. It must be called
/// before the first thread exists. Ends with the program's own exit code.
#[must_use]
pub fn main(args: &[String]) -> ExitCode {
    let Some(fd) = args.first().and_then(|fd| fd.parse::<i32>().ok()).filter(|fd| *fd > 2) else {
        tracing::error!("container-init is started by lateen itself, not by hand");
        return ExitCode::from(2);
    };
    let spec = match read(fd) {
        Ok(spec) => spec,
        Err(error) => {
            tracing::error!(%error, "container-init cannot read what to run");
            return ExitCode::from(2);
        }
    };
    let mut status = File::from(adopt(spec.status));
    match run(&spec) {
        Ok(child) => {
            drop(status);
            guard(child)
        }
        Err(error) => {
            let _ = status.write_all(error.to_string().as_bytes());
            ExitCode::from(127)
        }
    }
}

#[expect(unsafe_code, reason = "an inherited descriptor is known by its number only")]
fn adopt(fd: i32) -> OwnedFd {
    // SAFETY: the starter opened this descriptor for this process alone; nothing else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let _ = rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC);
    fd
}

fn read(fd: i32) -> io::Result<Spec> {
    let mut file = File::from(adopt(fd));
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// Goes to the place and starts the program. With `direct` it becomes the program.
fn run(spec: &Spec) -> io::Result<Pid> {
    privileges::limits();
    match &spec.place {
        Place::New { network, hostname, mounts } => {
            let network = adopt(*network);
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            let flags = UnshareFlags::NEWNS | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC;
            #[expect(unsafe_code, reason = "rustix marks unshare unsafe for CLONE_FILES")]
            // SAFETY: CLONE_FILES is not among the flags, and this process has one thread.
            unsafe {
                unshare_unsafe(flags)?;
            }
            rustix::system::sethostname(hostname.as_bytes())?;
            root::build(mounts, spec.cwd.as_deref())?;
            // The applications go first when memory ends, the node last.
            let score = if spec.direct { "900" } else { "1000" };
            let _ = std::fs::write("/proc/self/oom_score_adj", score);
        }
        Place::Existing { process } => {
            let process = adopt(*process);
            let all = ThreadNameSpaceType::MOUNT
                | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
                | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
                | ThreadNameSpaceType::PROCESS_ID
                | ThreadNameSpaceType::NETWORK;
            move_into_thread_name_spaces(process.as_fd(), all)?;
        }
    }
    let mut command = command(spec);
    if spec.direct {
        privileges::drop(spec.user.as_ref(), &spec.capabilities)?;
        return Err(describe(spec, &command.exec()));
    }
    let (user, capabilities) = (spec.user.clone(), spec.capabilities.clone());
    let terminal = spec.terminal;
    let visits = matches!(spec.place, Place::Existing { .. });
    let prepare = move || {
        if terminal {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        privileges::drop(user.as_ref(), &capabilities)?;
        if visits {
            // Who is no longer waited for ends. (A change of user would clear this again.)
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "privileges are given up between fork and exec")]
    // SAFETY: this process has one thread, so the child may allocate and call anything.
    unsafe {
        command.pre_exec(prepare);
    }
    let signals = Signals::take(&PASSED);
    let child = command.spawn().map_err(|e| describe(spec, &e))?;
    SIGNALS.set(signals).ok();
    // The program holds its own; the init must not keep a terminal or a pipe open.
    silence();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other("the kernel gave no process id"))
}

/// The set that [`guard`] waits on: it must be blocked before the program starts.
static SIGNALS: std::sync::OnceLock<Signals> = std::sync::OnceLock::new();

fn silence() {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

fn describe(spec: &Spec, error: &io::Error) -> io::Error {
    let program = spec.program.as_deref().unwrap_or("lateen");
    let cwd = spec.cwd.as_deref().unwrap_or("/");
    let text = match error.kind() {
        io::ErrorKind::NotFound => format!(
            "exec: \"{program}\": no such file on this host (looked from {cwd}; /tmp and /run of \
             a container are its own)"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("exec: \"{program}\": permission denied (may the container's user run it?)")
        }
        _ => format!("exec: \"{program}\": {error}"),
    };
    io::Error::new(error.kind(), text)
}

fn command(spec: &Spec) -> Command {
    let mut command = match &spec.program {
        Some(program) => Command::new(program),
        None => {
            let mut own = Command::new("/proc/self/exe");
            own.arg0("lateen");
            own
        }
    };
    command.args(&spec.args).env_clear();
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(spec.cwd.as_deref().unwrap_or("/"));
    command
}

/// Passes signals on and reaps, until the program ends; its exit code is ours.
fn guard(program: Pid) -> ExitCode {
    let Some(signals) = SIGNALS.get() else { return ExitCode::from(127) };
    loop {
        match signals.wait() {
            Some(Signal::CHILD) => {
                while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
                    if pid == program
                        && let Some(code) = exit_code(status)
                    {
                        return ExitCode::from(code);
                    }
                }
            }
            Some(signal) => {
                let _ = rustix::process::kill_process(program, signal);
            }
            None => {}
        }
    }
}

fn exit_code(status: WaitStatus) -> Option<u8> {
    let code = status.exit_status().or(status.terminating_signal().map(|s| 128 + s))?;
    Some(u8::try_from(code).unwrap_or(255))
}
