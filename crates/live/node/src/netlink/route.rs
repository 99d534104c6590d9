//! Links, addresses and routes of the node's and the pods' namespaces.

use super::{Messages, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Socket};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
/// What a veth can carry at once; there is no wire between that would want less.
const MTU: u32 = 65_535;

/// The loopback device of any namespace.
pub(crate) const LO: i32 = 1;
/// The index of `eth0` in every pod. High, because some kernels put tunnel devices into a new
/// namespace at 2 and 3.
pub(crate) const ETH0: i32 = 1000;

fn link_header(index: i32, up: bool) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    if up {
        header[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
        header[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    }
    header
}

/// Raises a device.
pub(crate) fn up(m: &mut Messages, index: i32) {
    m.begin(RTM_NEWLINK, NLM_F_ACK, &link_header(index, true));
}

/// A veth whose near end gets this index and name here, and whose far end is `eth0` in `pod`.
pub(crate) fn veth(m: &mut Messages, index: i32, pod: BorrowedFd<'_>) {
    let near = link_header(index, true);
    m.begin(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &near);
    m.put_str(3, &format!("v{index}"));
    m.put(4, &MTU.to_ne_bytes());
    m.nest(18, |m| {
        m.put_str(1, "veth");
        m.nest(2, |m| {
            // The far end must not be created up: the near end is not linked to it yet.
            m.nest_after(1, &link_header(ETH0, false), |m| {
                m.put_str(3, "eth0");
                m.put(4, &MTU.to_ne_bytes());
                m.put(28, &pod.as_raw_fd().to_ne_bytes());
            });
        });
    });
}

/// Removes a device and with it the other end of a veth.
pub(crate) fn delete(m: &mut Messages, index: i32) {
    m.begin(RTM_DELLINK, NLM_F_ACK, &link_header(index, false));
}

/// Gives a device one address, alone (/32).
pub(crate) fn address(m: &mut Messages, index: i32, ip: Ipv4Addr) {
    let mut header = [AF_INET, 32, 0, 0, 0, 0, 0, 0];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    m.begin(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &header);
    m.put(2, &ip.octets());
    m.put(1, &ip.octets());
}

/// A route out of a device: to one address on the link, or to all through a gateway.
pub(crate) fn route(
    m: &mut Messages,
    to: Option<Ipv4Addr>,
    gateway: Option<Ipv4Addr>,
    index: i32,
    source: Option<Ipv4Addr>,
) {
    let (len, scope) = (if to.is_some() { 32 } else { 0 }, if gateway.is_some() { 0 } else { 253 });
    // family, lengths, tos, table main, protocol static, scope, type unicast
    let header = [AF_INET, len, 0, 0, 254, 4, scope, 1, 0, 0, 0, 0];
    m.begin(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &header);
    if let Some(to) = to {
        m.put(1, &to.octets());
    }
    if let Some(gateway) = gateway {
        m.put(5, &gateway.octets());
    }
    m.put(4, &index.to_ne_bytes());
    if let Some(source) = source {
        m.put(7, &source.octets());
    }
}

/// Sends what the closures wrote, in one go.
pub(crate) fn apply(socket: &Socket, fill: impl FnOnce(&mut Messages)) -> io::Result<()> {
    let mut m = Messages::default();
    fill(&mut m);
    socket.send(&m)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_route_on_the_link_is_this() {
        let mut m = Messages::default();
        route(&mut m, Some(Ipv4Addr::new(10, 244, 0, 1)), None, 1000, None);
        let expected: &[u8] = &[
            44, 0, 0, 0, 24, 0, 5, 5, 1, 0, 0, 0, 0, 0, 0, 0, // header
            2, 32, 0, 0, 254, 4, 253, 1, 0, 0, 0, 0, // rtmsg
            8, 0, 1, 0, 10, 244, 0, 1, // RTA_DST
            8, 0, 4, 0, 0xe8, 3, 0, 0, // RTA_OIF
        ];
        assert_eq!(m.bytes(), expected);
    }

    #[test]
    fn an_address_is_alone_on_its_device() {
        let mut m = Messages::default();
        address(&mut m, LO, Ipv4Addr::new(10, 244, 0, 1));
        let expected: &[u8] = &[
            40, 0, 0, 0, 20, 0, 5, 5, 1, 0, 0, 0, 0, 0, 0, 0, // header
            2, 32, 0, 0, 1, 0, 0, 0, // ifaddrmsg
            8, 0, 2, 0, 10, 244, 0, 1, // IFA_LOCAL
            8, 0, 1, 0, 10, 244, 0, 1, // IFA_ADDRESS
        ];
        assert_eq!(m.bytes(), expected);
    }
}
