//! What a container sees of the host's files: all of it read-only, /tmp and /run its own, and its
//! volumes where they belong.

use super::Mount;
use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind, move_mount,
    open_tree, unmount,
};
use std::ffi::{CStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// Directories that every container has for itself. /run holds the sockets of the host's services
/// (resolvers, D-Bus, container engines), which would lead around the mesh.
const OWN: [&str; 5] = ["/tmp", "/var/tmp", "/run", "/var/run", "/dev/shm"];

/// Makes the view, in a mount namespace that is already private.
pub(super) fn build(mounts: &[Mount], cwd: Option<&str>) -> io::Result<()> {
    // Sources may lie under what is about to be hidden or made read-only.
    let mut trees = Vec::new();
    for one in mounts {
        let tree = clone_tree(&one.source)
            .map_err(|e| told(&format!("volume source {}", one.source.display()), &e))?;
        trees.push((tree, one, one.source.is_dir()));
    }
    if let Err(error) = read_only(Path::new("/"), true) {
        tracing::debug!(%error, "the host's files stay as writable as they are");
    }
    for path in OWN {
        let is_dir = fs::symlink_metadata(path).is_ok_and(|m| m.is_dir());
        if is_dir {
            tmpfs(Path::new(path), "mode=1777").map_err(|e| told(path, &e))?;
        }
    }
    fs::set_permissions("/run", fs::Permissions::from_mode(0o755))
        .or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
    proc();
    trees.sort_by_key(|(_, one, _)| Path::new(&one.target).components().count());
    for (tree, one, is_dir) in trees {
        let place = prepare(Path::new(&one.target), is_dir)
            .map_err(|e| told(&format!("mount point {}", one.target), &e))?;
        move_mount(&tree, c"", CWD, &place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .map_err(|e| told(&format!("mounting at {}", one.target), &e.into()))?;
        if one.read_only {
            read_only(&place, true)?;
        }
    }
    if let Some(cwd) = cwd {
        prepare(Path::new(cwd), true).map_err(|e| told(&format!("workingDir {cwd}"), &e))?;
    }
    Ok(())
}

fn told(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn clone_tree(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(CWD, path, flags)?)
}

fn tmpfs(path: &Path, options: &str) -> io::Result<()> {
    let options = std::ffi::CString::new(options).map_err(io::Error::other)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount("tmpfs", path, "tmpfs", flags, Some(options.as_c_str()))?)
}

/// The processes of this container, and the kernel's switches out of reach.
fn proc() {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Refused where an outer container masks /proc: the old one shows more than it should, but
    // only processes of the same user.
    if mount("proc", "/proc", "proc", flags, None::<&CStr>).is_err() {
        return;
    }
    for path in ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"] {
        let path = Path::new(path);
        let _ =
            mount_bind(path, path).map_err(io::Error::from).and_then(|()| read_only(path, false));
    }
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Makes a mount, or all below a place too, read-only. Spec: mount_setattr(2), Linux 5.12.
#[expect(unsafe_code, reason = "neither rustix nor libc wraps mount_setattr")]
fn read_only(path: &Path, recursive: bool) -> io::Result<()> {
    const RDONLY: u64 = 1;
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
    let attributes = MountAttr { set: RDONLY, clear: 0, propagation: 0, user_namespace: 0 };
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path ends in zero, the structure is the kernel's first published layout and its
    // size is passed along; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The real place of `path` (symbolic links followed), made if it is missing.
fn prepare(path: &Path, is_dir: bool) -> io::Result<PathBuf> {
    let mut at = PathBuf::from("/");
    let mut rest: Vec<OsString> = names(path);
    rest.reverse();
    let mut links = 0;
    while let Some(name) = rest.pop() {
        let next = at.join(&name);
        match fs::symlink_metadata(&next) {
            Ok(meta) if meta.is_symlink() => {
                links += 1;
                if links > 40 {
                    return Err(io::Error::other("too many symbolic links"));
                }
                let target = fs::read_link(&next)?;
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(names(&target).into_iter().rev());
            }
            Ok(_) => at = next,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let as_dir = is_dir || !rest.is_empty();
                if make(&next, as_dir).is_err() {
                    open_up(&at)?;
                    make(&next, as_dir)?;
                }
                at = next;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

fn names(path: &Path) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => out.push(name.to_owned()),
            std::path::Component::ParentDir => {
                out.pop();
            }
            _ => {}
        }
    }
    out
}

fn make(path: &Path, as_dir: bool) -> io::Result<()> {
    if as_dir { fs::create_dir(path) } else { fs::File::create_new(path).map(drop) }
}

/// Replaces a directory of the host by one of ours that shows the same entries and takes new ones.
fn open_up(dir: &Path) -> io::Result<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let tree = if kind.is_symlink() { None } else { Some(clone_tree(&entry.path())?) };
        entries.push((entry.file_name(), kind, tree, fs::read_link(entry.path()).ok()));
    }
    // The root itself cannot be covered: the new one is made over /tmp, then becomes the root.
    let is_root = dir == Path::new("/");
    let place = if is_root { Path::new("/tmp") } else { dir };
    tmpfs(place, "mode=755")?;
    for (name, kind, tree, link) in entries {
        let path = place.join(name);
        match (tree, link) {
            (Some(tree), _) => {
                make(&path, kind.is_dir())?;
                move_mount(&tree, c"", CWD, &path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
            }
            (None, Some(link)) => symlink(link, &path)?,
            (None, None) => {}
        }
    }
    if is_root {
        std::env::set_current_dir(place)?;
        rustix::process::pivot_root(".", ".")?;
        unmount(".", UnmountFlags::DETACH)?;
        std::env::set_current_dir("/")?;
    }
    Ok(())
}
