//! A relay of bytes that looks at none: one thread, epoll, one read and one write for what is there. What it costs, any proxy
//! on this machine costs at least.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd as _, AsRawFd as _, RawFd},
};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, CreateFlags, EventData, EventFlags},
};

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// One end of a relayed connection.
struct End {
    stream: TcpStream,
    /// The other end.
    peer: RawFd,
    /// What the other end has sent and this one has not taken yet.
    pending: Vec<u8>,
}

/// Relays until it is killed.
pub(crate) fn run(own: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(own)?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    let token = |fd: RawFd| EventData::new_u64(u64::try_from(fd).unwrap_or_default());
    epoll::add(&poll, &listener, token(listener.as_raw_fd()), EventFlags::IN)?;
    let mut ends: HashMap<RawFd, End> = HashMap::new();
    let mut events = Vec::with_capacity(256);
    let mut chunk = vec![0; CHUNK];
    loop {
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let fd = RawFd::try_from(event.data.u64()).unwrap_or(-1);
            if fd == listener.as_raw_fd() {
                while let Ok((stream, _)) = listener.accept() {
                    let Ok(other) = TcpStream::connect(upstream) else { continue };
                    let pair = [
                        (stream.as_raw_fd(), other.as_raw_fd()),
                        (other.as_raw_fd(), stream.as_raw_fd()),
                    ];
                    for (end, (own, peer)) in [stream, other].into_iter().zip(pair) {
                        end.set_nodelay(true)?;
                        end.set_nonblocking(true)?;
                        epoll::add(&poll, end.as_fd(), token(own), EventFlags::IN)?;
                        ends.insert(own, End { stream: end, peer, pending: Vec::new() });
                    }
                }
            } else if !moved(&poll, &mut ends, fd, event.flags, &mut chunk)
                && let Some(end) = ends.remove(&fd)
            {
                // Closing a socket takes it out of the set.
                ends.remove(&end.peer);
            }
        }
    }
}

/// Moves what can be moved at one end; false when the connection is over.
fn moved(
    poll: &rustix::fd::OwnedFd,
    ends: &mut HashMap<RawFd, End>,
    fd: RawFd,
    flags: EventFlags,
    chunk: &mut [u8],
) -> bool {
    let Some(end) = ends.get_mut(&fd) else { return true };
    let watch = |end: &End, flags| {
        let token = EventData::new_u64(u64::try_from(end.stream.as_raw_fd()).unwrap_or_default());
        epoll::modify(poll, end.stream.as_fd(), token, flags).is_ok()
    };
    let peer = end.peer;
    if flags.contains(EventFlags::OUT) {
        match end.stream.write(&end.pending) {
            Ok(n) => drop(end.pending.drain(..n)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        if end.pending.is_empty() {
            let both = watch(end, EventFlags::IN);
            // The other side may send again.
            return both && ends.get(&peer).is_some_and(|other| watch(other, EventFlags::IN));
        }
        return true;
    }
    let n = match end.stream.read(chunk) {
        Ok(0) | Err(_) => return false,
        Ok(n) => n,
    };
    let Some(other) = ends.get_mut(&peer) else { return false };
    let written = match other.stream.write(&chunk[..n]) {
        Ok(written) => written,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(_) => return false,
    };
    if written == n {
        return true;
    }
    other.pending.extend_from_slice(&chunk[written..n]);
    // Until it has taken that, nothing more is read for it.
    watch(other, EventFlags::OUT)
        && ends.get(&fd).is_some_and(|end| watch(end, EventFlags::empty()))
}
