//! Making sockets: listeners, dialled connections, and where a redirected connection wanted to go.
//! The one factory: whoever needs a socket in another namespace changes only this file.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpSocket, TcpStream};
use traffic::cluster::{KeepAlive, SocketOption};

use crate::wire::Wire;

/// Waiting connections per listener and worker; beyond it the kernel drops SYNs.
const BACKLOG: i32 = 4096;

/// Binds a listener that shares its port with those of the other workers.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The source and destination of connections over a unix socket, which have none.
pub(crate) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A listening socket, handed to a worker.
#[derive(Debug)]
pub(crate) enum Door {
    Ip(TcpListener),
    Pipe(std::os::unix::net::UnixListener),
}

impl Door {
    pub(crate) fn try_clone(&self) -> io::Result<Door> {
        match self {
            Door::Ip(socket) => socket.try_clone().map(Door::Ip),
            Door::Pipe(socket) => socket.try_clone().map(Door::Pipe),
        }
    }

    /// Puts it into the event loop of this thread.
    pub(crate) fn open(self) -> io::Result<OpenDoor> {
        match self {
            Door::Ip(socket) => tokio::net::TcpListener::from_std(socket).map(OpenDoor::Ip),
            Door::Pipe(socket) => tokio::net::UnixListener::from_std(socket).map(OpenDoor::Pipe),
        }
    }
}

/// A listening socket in an event loop.
#[derive(Debug)]
pub(crate) enum OpenDoor {
    Ip(tokio::net::TcpListener),
    Pipe(tokio::net::UnixListener),
}

impl OpenDoor {
    /// Accepts one connection, and says where it comes from.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            OpenDoor::Ip(socket) => socket.accept().await,
            OpenDoor::Pipe(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((as_stream(Socket::from(OwnedFd::from(stream.into_std()?)))?, NOWHERE))
            }
        }
    }

    /// The address, as metrics name it.
    pub(crate) fn name(&self) -> String {
        match self {
            OpenDoor::Ip(socket) => {
                socket.local_addr().map(|it| it.to_string()).unwrap_or_default()
            }
            OpenDoor::Pipe(socket) => {
                let address = socket.local_addr().ok();
                let path = address.as_ref().and_then(|it| it.as_pathname());
                path.map_or_else(|| "pipe".to_owned(), |path| path.display().to_string())
            }
        }
    }
}

/// A connected unix socket in the type of the data path: what that does with a socket is the same for both families;
/// it has no addresses, and options of TCP are refused by it.
fn as_stream(socket: Socket) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    TcpStream::from_std(socket.into())
}

/// The address of a unix socket for the kernel: `@` stands for the null byte of the abstract space.
fn pipe_address(path: &str) -> io::Result<SockAddr> {
    match path.strip_prefix('@') {
        Some(name) => SockAddr::unix(format!("\0{name}")),
        None => SockAddr::unix(path),
    }
}

/// Listens on a unix socket; a file that an earlier process left there is replaced, if it is a socket.
pub(crate) fn listen_on_pipe(
    path: &str,
    mode: u32,
) -> io::Result<std::os::unix::net::UnixListener> {
    let has_file = path.starts_with('/');
    if has_file && std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&pipe_address(path)?)?;
    if has_file && mode != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(OwnedFd::from(socket).into())
}

/// Takes over a listener that the parent process made and passed by number.
pub(crate) fn inherit(fd: RawFd) -> io::Result<TcpListener> {
    if fd <= 2 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "fds 0, 1 and 2 are no listeners"));
    }
    #[expect(
        unsafe_code,
        reason = "a number in the environment is the only form an fd passes exec"
    )]
    // SAFETY: the parent names each fd once, for this process to own; nobody else closes it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let socket = Socket::from(fd);
    if !socket.is_listener()? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the fd is not a listening socket",
        ));
    }
    socket.set_cloexec(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Where a redirected connection was going. `None` when the kernel redirected nothing.
pub(crate) fn original_destination(stream: &TcpStream) -> Option<SocketAddr> {
    let socket = SockRef::from(stream);
    let local = stream.local_addr().ok()?;
    // A v4 client of a dual-stack listener was redirected in the v4 table.
    let original = match unmapped(local).ip() {
        IpAddr::V4(_) => socket.original_dst_v4(),
        IpAddr::V6(_) => socket.original_dst_v6(),
    };
    original.ok()?.as_socket().map(unmapped)
}

/// `::ffff:1.2.3.4` as `1.2.3.4`.
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// How one upstream socket is made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How<'h> {
    /// Where it comes from; the kernel chooses otherwise.
    pub(crate) source: Option<IpAddr>,
    pub(crate) keepalive: Option<KeepAlive>,
    pub(crate) options: &'h [SocketOption],
}

/// How upstream sockets are made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dialer {
    /// Told apart from the application's traffic by this mark (0x539 in a sandbox pod).
    pub(crate) mark: Option<u32>,
}

impl Dialer {
    /// Connects; the caller bounds the time.
    pub(crate) async fn dial(self, address: SocketAddr, how: &How<'_>) -> io::Result<Wire> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(mark) = self.mark {
            SockRef::from(&socket).set_mark(mark).map_err(|error| {
                let text = format!(
                    "setting mark {mark:#x} on an upstream socket: {error}; the proxy needs CAP_NET_ADMIN in its namespace"
                );
                io::Error::new(error.kind(), text)
            })?;
        }
        for option in how.options {
            set_option(&socket, option)?;
        }
        if let Some(keepalive) = how.keepalive {
            set_keepalive(&socket, keepalive)?;
        }
        if let Some(source) = how.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        socket.connect(address).await.map(Wire::new)
    }

    /// Connects to a unix socket, which happens at once or not at all.
    pub(crate) fn dial_pipe(path: &str) -> io::Result<Wire> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&pipe_address(path)?)?;
        as_stream(socket).map(Wire::new)
    }

    /// A UDP socket towards a name server.
    pub(crate) fn udp(self, server: SocketAddr) -> io::Result<tokio::net::UdpSocket> {
        let any: SocketAddr = if server.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0).into()
        };
        let socket = Socket::new(Domain::for_address(any), Type::DGRAM, Some(Protocol::UDP))?;
        if let Some(mark) = self.mark {
            socket.set_mark(mark)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&any.into())?;
        socket.connect(&server.into())?;
        tokio::net::UdpSocket::from_std(socket.into())
    }
}

fn set_keepalive(socket: &TcpSocket, keepalive: KeepAlive) -> io::Result<()> {
    let mut params = TcpKeepalive::new();
    if let Some(time) = keepalive.time {
        params = params.with_time(time);
    }
    if let Some(interval) = keepalive.interval {
        params = params.with_interval(interval);
    }
    if let Some(probes) = keepalive.probes {
        params = params.with_retries(probes);
    }
    SockRef::from(socket).set_tcp_keepalive(&params)
}

/// Sets an option by number, as the configuration names it.
fn set_option(socket: &TcpSocket, option: &SocketOption) -> io::Result<()> {
    let number = |value: i64| {
        libc::c_int::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
    };
    let (level, name, value) = (number(option.level)?, number(option.name)?, number(option.value)?);
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(4);
    #[expect(unsafe_code, reason = "no safe crate sets an option that is only known by number")]
    // SAFETY: the fd lives as long as `socket`; the pointer and length describe one `c_int`.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::{inherit, listen, original_destination, unmapped};
    use std::os::fd::IntoRawFd;

    #[test]
    fn two_workers_listen_on_one_port() {
        let first = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let second = listen(first.local_addr().unwrap()).unwrap();
        assert_eq!(first.local_addr().unwrap(), second.local_addr().unwrap());
    }

    #[test]
    fn only_listening_sockets_are_inherited() {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(inherit(udp.into_raw_fd()).is_err());
        assert!(inherit(1).is_err());
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        assert_eq!(inherit(tcp.into_raw_fd()).unwrap().local_addr().unwrap(), address);
    }

    #[test]
    fn mapped_addresses_are_v4() {
        let mapped = "[::ffff:10.1.2.3]:80".parse().unwrap();
        assert_eq!(unmapped(mapped), "10.1.2.3:80".parse().unwrap());
    }

    #[tokio::test]
    async fn a_connection_that_was_not_redirected_has_no_original_destination() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = tokio::net::TcpStream::connect(address);
        let (accepted, _client) = tokio::join!(listener.accept(), client);
        let original = original_destination(&accepted.unwrap().0);
        assert!(original.is_none() || original == Some(address));
    }
}
