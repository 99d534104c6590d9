//! Where something listens: an IP address with a port, or a unix socket.

use std::{fmt, net::SocketAddr, sync::Arc};

use xds::core;

use crate::compile::{Bad, socket_address};

/// Longest path of a unix socket in bytes, as the kernel holds it with its end.
const LONGEST: usize = 107;

/// Where a host or a listener is. Spec: Envoy `core.v3.Address`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A unix socket: an absolute path, or `@` and a name of the kernel's abstract space, which belongs to the network
    /// namespace. Spec: Envoy `core.v3.Pipe`.
    Pipe(Arc<str>),
}

impl Address {
    /// The IP address and the port, if it has them.
    #[must_use]
    pub const fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Pipe(_) => None,
        }
    }

    /// Whether a text is the path of a unix socket; no IP address and no name begins like one.
    pub(crate) fn is_path(text: &str) -> bool {
        text.starts_with(['/', '@'])
    }

    /// An address whose host is an IP, or a unix socket; with the mode of its file, 0 for the process' own.
    pub(crate) fn compile(address: Option<&core::Address>) -> Result<(Self, u32), Bad> {
        match pipe(address)? {
            Some(pipe) => Ok((Self::Pipe(pipe.path.as_str().into()), pipe.mode)),
            None => Ok((Self::Ip(socket_address(address)?), 0)),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Pipe(path) => path.fmt(f),
        }
    }
}

/// The unix socket that an address is, if it is one.
pub(crate) fn pipe(address: Option<&core::Address>) -> Result<Option<&core::Pipe>, Bad> {
    let Some(core::address::Address::Pipe(pipe)) = address.and_then(|a| a.address.as_ref()) else {
        return Ok(None);
    };
    let path = &pipe.path;
    let wrong = |why: String| Err(Bad::new("address.pipe.path", why));
    if !Address::is_path(path) || path.len() < 2 {
        return wrong(format!("{path:?} is neither an absolute path nor @ and a name"));
    }
    if path.len() > LONGEST || path.contains('\0') {
        return wrong(format!("is longer than {LONGEST} bytes, or has a null byte"));
    }
    if pipe.mode > 0o777 {
        return Err(Bad::new("address.pipe.mode", "is above 0777"));
    }
    Ok(Some(pipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, mode: u32) -> Result<(Address, u32), Bad> {
        let pipe = core::Pipe { path: path.to_owned(), mode };
        let address = core::Address { address: Some(core::address::Address::Pipe(pipe)) };
        Address::compile(Some(&address))
    }

    #[test]
    fn unix_sockets_have_an_absolute_path_or_a_name() {
        let (address, mode) = read("/run/app", 0o660).unwrap();
        assert_eq!((address, mode), (Address::Pipe("/run/app".into()), 0o660));
        assert_eq!(read("@app", 0).unwrap().0.to_string(), "@app");
        let longest = format!("/{}", "a".repeat(LONGEST - 1));
        assert!(read(&longest, 0).is_ok());
        for (path, mode) in [("run/app", 0), ("", 0), ("@", 0), ("/a\0b", 0), ("/a", 0o1777)] {
            assert!(read(path, mode).is_err(), "{path:?} {mode:o}");
        }
        assert!(read(&format!("{longest}a"), 0).is_err());
    }
}
