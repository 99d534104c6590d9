//! What a program may do: nothing that its image does not need.

use super::User;
use rustix::process::{Gid, Resource, Rlimit, Uid, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_gid, set_thread_groups, set_thread_uid,
};
use std::io;

/// Gives up the user, all capabilities but `kept`, and the way to get any back.
///
/// Runs between fork and exec in a process of one thread, so per-thread calls are enough.
pub(super) fn drop(user: Option<&User>, kept: &[u32]) -> io::Result<()> {
    let kept =
        CapabilitySet::from_bits_retain(kept.iter().fold(0, |bits, cap| bits | 1_u64 << cap));
    for bit in 0..=40 {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if !kept.contains(one) {
            // A capability that this kernel does not know is not there to be dropped.
            match remove_capability_from_bounding_set(one) {
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    if let Some(user) = user {
        let gid = |n: u32| Gid::from_raw(n);
        set_thread_groups(&user.groups.iter().map(|g| gid(*g)).collect::<Vec<_>>())?;
        set_thread_gid(gid(user.gid))?;
        set_keep_capabilities(true)?;
        set_thread_uid(Uid::from_raw(user.uid))?;
    }
    clear_ambient_capability_set()?;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: kept })?;
    for one in kept {
        configure_capability_in_ambient_set(one, true)?;
    }
    set_no_new_privs(true)?;
    Ok(())
}

/// As many files as the node may give; no core files on the host.
pub(super) fn limits() {
    let files = rustix::process::getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum });
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
