//! Signals taken one at a time by a process without threads.

use rustix::process::Signal;
use std::mem::MaybeUninit;

/// What a stub passes on to the process it stands for, and the news that it ended.
pub(crate) const PASSED_ON: [Signal; 7] = [
    Signal::CHILD,
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
];

/// A blocked set of signals, taken with [`Signals::wait`].
#[derive(Debug)]
pub(crate) struct Signals {
    set: libc::sigset_t,
}

impl Signals {
    /// Blocks these signals for this process and all that it starts (see [`clear`]).
    #[expect(unsafe_code, reason = "rustix has no sigprocmask and no sigwait")]
    pub(crate) fn take(signals: &[Signal]) -> Signals {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `sigemptyset` initialises the set before it is read; the pointers are to locals;
        // the process has one thread, so its mask is the process's mask.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(set.as_mut_ptr(), signal.as_raw());
            }
            libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
            Signals { set: set.assume_init() }
        }
    }

    /// The next of them; `None` if the wait was disturbed.
    #[expect(unsafe_code, reason = "rustix has no sigprocmask and no sigwait")]
    pub(crate) fn wait(&self) -> Option<Signal> {
        let mut number = 0;
        // SAFETY: both pointers are to live values of the right types.
        let result = unsafe { libc::sigwait(&raw const self.set, &raw mut number) };
        if result == 0 { Signal::from_named_raw(number) } else { None }
    }
}

/// Unblocks every signal: a started program must not inherit the mask of its starter.
#[expect(unsafe_code, reason = "rustix has no sigprocmask")]
pub(crate) fn clear() {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigfillset` initialises the set; the pointers are to a local.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_UNBLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}
