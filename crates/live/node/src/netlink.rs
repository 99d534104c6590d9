//! Netlink without tools: messages as bytes, one request and its answer.
//!
//! Spec: Linux `Documentation/userspace-api/netlink/intro.rst`; constants from the kernel's
//! `include/uapi/linux/{netlink,rtnetlink,if_link}.h` and `netfilter/nf_tables.h`.

pub(crate) mod nft;
pub(crate) mod route;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::io;
use std::os::fd::OwnedFd;

pub(crate) const NLM_F_REQUEST: u16 = 1;
pub(crate) const NLM_F_ACK: u16 = 4;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_REPLACE: u16 = 0x100;
pub(crate) const NLM_F_APPEND: u16 = 0x800;
const NLMSG_ERROR: u16 = 2;
/// Set in the type of an attribute that holds attributes.
const NLA_F_NESTED: u16 = 0x8000;

/// One or more netlink messages in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    last: usize,
    sequence: u32,
}

impl Messages {
    /// Begins a message: type, flags, and the family's fixed header.
    pub(crate) fn begin(&mut self, kind: u16, flags: u16, header: &[u8]) {
        self.last = self.bytes.len();
        self.sequence += 1;
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags | NLM_F_REQUEST).to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(header);
        self.close();
    }

    /// Asks for an answer to the message begun last.
    pub(crate) fn acknowledge(&mut self) {
        let flags = &mut self.bytes[self.last + 6..self.last + 8];
        let old = u16::from_ne_bytes([flags[0], flags[1]]);
        flags.copy_from_slice(&(old | NLM_F_ACK).to_ne_bytes());
    }

    /// Appends an attribute.
    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        let len = u16::try_from(value.len() + 4).expect("attributes are short");
        self.bytes.extend(len.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.close();
    }

    /// Appends a string attribute with its final zero.
    pub(crate) fn put_str(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes);
    }

    /// Appends a number in network order, as nf_tables wants it.
    pub(crate) fn put_be32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Appends an attribute that holds what `fill` appends.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Messages)) {
        self.nest_after(kind, &[], fill);
    }

    /// The same with a fixed header before the inner attributes.
    pub(crate) fn nest_after(
        &mut self,
        kind: u16,
        header: &[u8],
        fill: impl FnOnce(&mut Messages),
    ) {
        let at = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend((kind | NLA_F_NESTED).to_ne_bytes());
        self.bytes.extend(header);
        self.close();
        fill(self);
        let len = u16::try_from(self.bytes.len() - at).expect("lists are cut into short ones");
        self.bytes[at..at + 2].copy_from_slice(&len.to_ne_bytes());
    }

    /// Pads to four bytes and writes the length of the message begun last.
    fn close(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
        let len = u32::try_from(self.bytes.len() - self.last).expect("messages are short");
        self.bytes[self.last..self.last + 4].copy_from_slice(&len.to_ne_bytes());
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes so far, to know when a list must be cut.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// A netlink socket of the network namespace in which it was made.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// Links, addresses and routes.
    pub(crate) fn route() -> io::Result<Socket> {
        Socket::new(None)
    }

    /// nf_tables.
    pub(crate) fn netfilter() -> io::Result<Socket> {
        Socket::new(Some(netlink::NETFILTER))
    }

    fn new(protocol: Option<rustix::net::Protocol>) -> io::Result<Socket> {
        let flags = SocketFlags::CLOEXEC;
        let fd =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        rustix::net::bind(&fd, &netlink::SocketAddrNetlink::new(0, 0))?;
        // A big rule set must fit one send; the kernel doubles and caps the figure.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&fd, 4 << 20);
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&fd, 1 << 20);
        // An answer that never comes must not stop the only thread that makes sockets.
        let wait = Some(std::time::Duration::from_secs(5));
        rustix::net::sockopt::set_socket_timeout(&fd, rustix::net::sockopt::Timeout::Recv, wait)?;
        Ok(Socket { fd })
    }

    /// Sends the messages and waits for the answer to the one that asked for it (the last that
    /// did); the first error of any of them is the error of all.
    pub(crate) fn send(&self, messages: &Messages) -> io::Result<()> {
        let wanted = last_acknowledged(&messages.bytes);
        let kernel = netlink::SocketAddrNetlink::new(0, 0);
        rustix::net::sendto(&self.fd, &messages.bytes, SendFlags::empty(), &kernel)?;
        let mut first_error = None;
        let mut buffer = vec![0_u8; 64 << 10];
        loop {
            let (len, _) = rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::empty())?;
            let mut rest = &buffer[..len];
            while let Some((kind, sequence, body, tail)) = split(rest) {
                rest = tail;
                if kind != NLMSG_ERROR {
                    continue;
                }
                let code = number(body).unwrap_or(0);
                if code != 0 && first_error.is_none() {
                    first_error = Some(io::Error::from_raw_os_error(code.wrapping_neg()));
                }
                let refused_whole = code != 0 && sequence <= 1;
                if Some(sequence) == wanted || refused_whole {
                    return first_error.map_or(Ok(()), Err);
                }
            }
        }
    }
}

fn number(bytes: &[u8]) -> Option<i32> {
    bytes.get(..4).and_then(|b| b.try_into().ok()).map(i32::from_ne_bytes)
}

/// Type, sequence number, body, and what follows the first message.
fn split(bytes: &[u8]) -> Option<(u16, u32, &[u8], &[u8])> {
    let len = usize::try_from(number(bytes)?).ok()?;
    if len < 16 || len > bytes.len() {
        return None;
    }
    let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
    let sequence = u32::from_ne_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    let next = len.next_multiple_of(4).min(bytes.len());
    Some((kind, sequence, &bytes[16..len], &bytes[next..]))
}

fn last_acknowledged(bytes: &[u8]) -> Option<u32> {
    let mut rest = bytes;
    let mut last = None;
    while let Some((_, sequence, _, tail)) = split(rest) {
        let flags = u16::from_ne_bytes([rest[6], rest[7]]);
        if flags & NLM_F_ACK != 0 {
            last = Some(sequence);
        }
        rest = tail;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_padded_and_its_lengths_are_right() {
        let mut m = Messages::default();
        m.begin(7, NLM_F_CREATE, &[9, 9, 9, 9]);
        m.put_str(3, "lo");
        m.nest(4, |m| m.put_be32(1, 5));
        m.acknowledge();
        let expected: &[u8] = &[
            40, 0, 0, 0, 7, 0, 5, 4, 1, 0, 0, 0, 0, 0, 0,
            0, // header: length, type, flags, seq
            9, 9, 9, 9, // fixed header
            7, 0, 3, 0, b'l', b'o', 0, 0, // a string, padded
            12, 0, 4, 0x80, 8, 0, 1, 0, 0, 0, 0, 5, // nested, a number in network order
        ];
        assert_eq!(m.bytes(), expected);
        assert_eq!(last_acknowledged(m.bytes()), Some(1));
    }
}
