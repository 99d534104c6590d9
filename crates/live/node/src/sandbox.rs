//! The private world of `lateen up`: it begins before the first thread and dies with the process.
//!
//! The process that the person started (the stub) stays outside. It starts itself again as pid 1
//! of a new pid namespace (and, for an ordinary user, of a new user namespace), passes signals on
//! and waits. However it ends, `kill -9` included, the kernel kills pid 1 with it, and with pid 1
//! everything inside: processes, mounts, network namespaces, rules. The host's network namespace
//! is kept: sockets on the host are ordinary sockets.

pub(crate) mod signals;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::UnshareFlags;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode};

/// The number of the inherited descriptor by which the inner process sees the stub's end.
const LIFELINE: &str = "LATEEN_LIFELINE";

/// Who asks more often than this to end gets an end at once.
const PATIENCE: u32 = 2;

/// What [`enter`] did.
#[derive(Debug)]
pub enum Entered {
    /// This is the inner process: go on.
    Inside(Inside),
    /// This was the stub and the inner process has ended: leave with this code.
    Over(ExitCode),
}

/// The inner process's world.
#[derive(Debug, Clone, Copy)]
pub struct Inside {
    /// An ordinary user started it: root inside, that user outside.
    pub rootless: bool,
}

/// Why no sandbox could be made.
#[derive(Debug)]
pub struct Refusal {
    step: &'static str,
    error: io::Error,
    mend: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot make a private world for pods: {}: {}\n{}",
            self.step, self.error, self.mend
        )
    }
}

// The text says it all: a source would be printed a second time.
impl std::error::Error for Refusal {}

/// Whether this process was started by [`enter`] to be the inner one.
#[must_use]
pub fn is_inside() -> bool {
    rustix::process::getpid().is_init() && std::env::var_os(LIFELINE).is_some()
}

/// Enters the sandbox. The first thing of `main`, before any thread exists.
///
/// The program is started again with its own arguments inside; there this function returns
/// [`Entered::Inside`].
///
/// # Errors
/// The step that the kernel refused, and what the person can do about it.
pub fn enter() -> Result<Entered, Refusal> {
    if rustix::process::getpid().is_init()
        && let Some(fd) = std::env::var(LIFELINE).ok().and_then(|fd| fd.parse().ok())
    {
        return arrive(fd).map(Entered::Inside);
    }
    depart().map(Entered::Over)
}

fn unshare(flags: UnshareFlags) -> io::Result<()> {
    #[expect(unsafe_code, reason = "rustix marks unshare unsafe for the sake of CLONE_FILES")]
    // SAFETY: CLONE_FILES is never among the flags, and no thread exists yet.
    unsafe {
        rustix::thread::unshare_unsafe(flags)?;
    }
    Ok(())
}

/// The outer half: makes the namespaces, starts the inner half, waits for it.
fn depart() -> Result<ExitCode, Refusal> {
    let root = rustix::process::geteuid().is_root();
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if root {
        unshare(UnshareFlags::NEWPID).map_err(|e| refuse("new pid namespace", e))?;
    } else {
        unshare(UnshareFlags::NEWUSER).map_err(|e| refuse("new user namespace", e))?;
        let write = |file: &str, text: String| {
            std::fs::write(format!("/proc/self/{file}"), text)
                .map_err(|e| refuse("mapping the user into its namespace", e))
        };
        write("setgroups", "deny".to_owned())?;
        write("uid_map", format!("0 {uid} 1"))?;
        write("gid_map", format!("0 {gid} 1"))?;
        unshare(UnshareFlags::NEWPID).map_err(|e| refuse("pid namespace of the user", e))?;
    }
    let starting = |e: io::Error| refuse("starting the inner process", e);
    // The write end dies with this process, whatever kills it.
    let (read, write) = pipe_with(PipeFlags::empty()).map_err(|e| starting(e.into()))?;
    rustix::io::fcntl_setfd(&write, rustix::io::FdFlags::CLOEXEC)
        .map_err(|e| starting(e.into()))?;
    // Before the start: no signal that comes during it is lost.
    let signals = signals::Signals::take(&signals::PASSED_ON);
    let mut arguments = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(LIFELINE, read.as_raw_fd().to_string());
    // In a group of its own the terminal's Ctrl-C reaches it once, through us.
    command.process_group(0);
    let mut child = command.spawn().map_err(starting)?;
    drop(read);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut asked = 0;
    loop {
        let signal = signals.wait();
        if let Some(status) = child.try_wait().map_err(starting)? {
            let code = status.code().or(status.signal().map(|s| 128 + s)).unwrap_or(1);
            return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)));
        }
        if let (Some(pid), Some(signal)) = (pid, signal.filter(|s| *s != Signal::CHILD)) {
            asked += u32::from(matches!(signal, Signal::INT | Signal::TERM));
            // The first process of a namespace does not get signals that it does not catch (yet).
            let signal = if asked > PATIENCE { Signal::KILL } else { signal };
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// The inner half: pid 1 of its namespace.
fn arrive(lifeline: i32) -> Result<Inside, Refusal> {
    let tie = |e: rustix::io::Errno| refuse("tying the inner process to the outer", e.into());
    signals::clear();
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(tie)?;
    #[expect(unsafe_code, reason = "an inherited descriptor is known by its number only")]
    // SAFETY: the stub opened this descriptor for us, and nothing here owns or closes it.
    let fd = unsafe { BorrowedFd::borrow_raw(lifeline) };
    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC).map_err(tie)?;
    let mut polled = [PollFd::new(&fd, PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).map_err(tie)?;
    if polled[0].revents().contains(PollFlags::HUP) {
        // The stub died before the death signal was set.
        std::process::exit(1);
    }
    unshare(UnshareFlags::NEWNS).map_err(|e| refuse("new mount namespace", e))?;
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .map_err(|e| refuse("making mounts private", e.into()))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Inside a container whose /proc is masked this is refused; the old one still serves.
    let _ = mount("proc", "/proc", "proc", flags, None::<&std::ffi::CStr>);
    // Each pod costs descriptors, and the usual limit of 1,024 is made for programs that use select().
    let files = getrlimit(Resource::Nofile);
    // Not fatal: the mesh is just smaller then.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum });
    let rootless = !maps_everyone();
    probe()?;
    Ok(Inside { rootless })
}

/// Whether this user namespace is the machine's own.
fn maps_everyone() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(2).and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n > 1)
}

/// Does for real, and throws away, what each pod will need: a namespace, a link, rules.
fn probe() -> Result<(), Refusal> {
    let run = || -> Result<(), (&'static str, io::Error)> { crate::netns::rehearse() };
    // A thread of its own: the namespace goes with it. No thread is left when it has ended.
    std::thread::spawn(run)
        .join()
        .unwrap_or_else(|_| Err(("trying the network", io::Error::other("the trial panicked"))))
        .map_err(|(step, error)| refuse(step, error))
}

fn refuse(step: &'static str, error: io::Error) -> Refusal {
    let sysctl = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
        text.trim().to_owned()
    };
    let mend = mend(
        &error,
        rustix::process::geteuid().is_root(),
        &sysctl("kernel/apparmor_restrict_unprivileged_userns"),
        &sysctl("kernel/unprivileged_userns_clone"),
        &sysctl("user/max_user_namespaces"),
    );
    Refusal { step, error, mend }
}

/// What the person can do, from what the kernel says about itself.
fn mend(error: &io::Error, root: bool, apparmor: &str, clone: &str, most: &str) -> String {
    let again = "or run it as root: sudo lateen up";
    if apparmor == "1" && !root {
        let exe = std::env::current_exe().unwrap_or_default();
        return format!(
            "AppArmor forbids user namespaces to ordinary users here. Allow this binary:\n  \
             printf 'abi <abi/4.0>,\\nprofile lateen {} flags=(unconfined) {{ userns, }}\\n' | \
             sudo tee /etc/apparmor.d/lateen && sudo apparmor_parser -r /etc/apparmor.d/lateen\n{again}",
            exe.display()
        );
    }
    if clone == "0" && !root {
        return format!(
            "This kernel forbids user namespaces to ordinary users. Allow them:\n  \
             sudo sysctl kernel.unprivileged_userns_clone=1\n{again}"
        );
    }
    let errno = rustix::io::Errno::from_io_error(error);
    if most == "0" || matches!(errno, Some(rustix::io::Errno::NOSPC | rustix::io::Errno::USERS)) {
        return format!(
            "No more namespaces are allowed. Raise the limit:\n  \
             sudo sysctl user.max_user_namespaces=10000 user.max_net_namespaces=10000\n{again}"
        );
    }
    match errno {
        Some(rustix::io::Errno::PERM | rustix::io::Errno::ACCESS) if root => {
            "Root lacks CAP_SYS_ADMIN here, as in a container. Start the container with \
             --privileged, or with --cap-add SYS_ADMIN --cap-add NET_ADMIN \
             --security-opt seccomp=unconfined --security-opt apparmor=unconfined."
                .to_owned()
        }
        Some(rustix::io::Errno::PERM | rustix::io::Errno::ACCESS) => format!(
            "Something above the kernel (a container's seccomp profile, a security module) \
             forbids it. In Docker: --security-opt seccomp=unconfined\n{again}"
        ),
        Some(
            rustix::io::Errno::OPNOTSUPP
            | rustix::io::Errno::NOENT
            | rustix::io::Errno::PROTONOSUPPORT,
        ) => {
            "The kernel lacks a part: it needs namespaces, veth and nf_tables with nat (Linux 5.4 \
             or newer). Try: sudo modprobe -a veth nf_tables nft_nat nft_redir nft_numgen"
                .to_owned()
        }
        _ => format!("Linux 5.4 or newer with namespaces, veth and nf_tables is needed; {again}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mend_fits_what_forbids() {
        let denied = io::Error::from_raw_os_error(1);
        for (root, apparmor, clone, most, word) in [
            (false, "1", "", "100", "apparmor_parser"),
            (false, "0", "0", "100", "unprivileged_userns_clone=1"),
            (false, "", "", "0", "max_user_namespaces"),
            (false, "", "", "100", "seccomp"),
            (true, "1", "", "100", "--privileged"),
        ] {
            let text = mend(&denied, root, apparmor, clone, most);
            assert!(text.contains(word), "{text}");
        }
    }
}
