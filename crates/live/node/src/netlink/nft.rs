//! nf_tables as bytes: tables, chains, rules and verdict maps.
//!
//! A change is one batch, and a batch is one transaction: a packet sees the old rules or the new
//! ones, never a mixture.

use super::{Messages, NLM_F_APPEND, NLM_F_CREATE};
use std::net::Ipv4Addr;

const SUBSYSTEM: u16 = 10 << 8;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEWTABLE: u16 = SUBSYSTEM;
const DELTABLE: u16 = SUBSYSTEM | 2;
const NEWCHAIN: u16 = SUBSYSTEM | 3;
const NEWRULE: u16 = SUBSYSTEM | 6;
const NEWSET: u16 = SUBSYSTEM | 9;
const NEWSETELEM: u16 = SUBSYSTEM | 12;
const NFPROTO_IPV4: u8 = 2;
/// Attribute lists carry their length in 16 bits; cut well before.
const LIST_MAX: usize = 32 << 10;

/// TCP's protocol number.
pub(crate) const TCP: u8 = 6;
/// UDP's protocol number.
pub(crate) const UDP: u8 = 17;

/// 32-bit registers; four of them in a row hold a concatenation.
const REG: u32 = 8;
const VERDICT: u32 = 0;

/// Where a base chain hooks in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hook {
    Prerouting = 0,
    Output = 3,
    Postrouting = 4,
}

/// One batch for one table of family `ip`.
#[derive(Debug)]
pub(crate) struct Batch {
    m: Messages,
    table: &'static str,
}

impl Batch {
    /// A batch that replaces the table as a whole.
    pub(crate) fn replace(table: &'static str) -> Batch {
        let mut batch = Batch { m: Messages::default(), table };
        batch.m.begin(BATCH_BEGIN, 0, &[0, 0, 0, 10]);
        // Delete needs it to exist; creating what exists is no error.
        for kind in [NEWTABLE, DELTABLE, NEWTABLE] {
            batch.begin(kind, if kind == NEWTABLE { NLM_F_CREATE } else { 0 });
            batch.m.put_str(1, table);
        }
        batch
    }

    fn begin(&mut self, kind: u16, flags: u16) {
        self.m.begin(kind, flags, &[NFPROTO_IPV4, 0, 0, 0]);
    }

    /// A chain that others jump to.
    pub(crate) fn chain(&mut self, name: &str) {
        self.begin(NEWCHAIN, NLM_F_CREATE);
        self.m.put_str(1, self.table);
        self.m.put_str(3, name);
    }

    /// A nat chain at a hook. Priority -100 for destinations, 100 for sources.
    pub(crate) fn nat_chain(&mut self, name: &str, hook: Hook) {
        self.chain(name);
        let priority: i32 = if matches!(hook, Hook::Postrouting) { 100 } else { -100 };
        self.m.nest(4, |m| {
            m.put_be32(1, hook as u32);
            m.put(2, &priority.to_be_bytes());
        });
        self.m.put_be32(5, 1);
        self.m.put_str(7, "nat");
    }

    /// Appends a rule to a chain.
    pub(crate) fn rule(&mut self, chain: &str, parts: &[Part<'_>]) {
        self.begin(NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
        self.m.put_str(1, self.table);
        self.m.put_str(2, chain);
        self.m.nest(4, |m| {
            for part in parts {
                part.write(m);
            }
        });
    }

    /// A map from (address, protocol, port) to the chain that handles it.
    pub(crate) fn service_map(&mut self, name: &str, rows: &[(Ipv4Addr, u8, u16, String)]) {
        // Type numbers of nft: ipv4_addr 7, inet_proto 12, inet_service 13, six bits each.
        let key = (7 << 12) | (12 << 6) | 13;
        self.set(name, 1, key, 12, true);
        let mut rows = rows.iter().peekable();
        while rows.peek().is_some() {
            self.begin(NEWSETELEM, NLM_F_CREATE);
            self.m.put_str(1, self.table);
            self.m.put_str(2, name);
            let start = self.m.len();
            self.m.nest(3, |m| {
                while m.len() - start < LIST_MAX
                    && let Some((ip, protocol, port, chain)) = rows.next()
                {
                    let [a, b, c, d] = ip.octets();
                    let [h, l] = port.to_be_bytes();
                    m.nest(1, |m| {
                        m.nest(1, |m| m.put(1, &[a, b, c, d, *protocol, 0, 0, 0, h, l, 0, 0]));
                        m.nest(2, |m| verdict(m, GOTO, Some(chain)));
                    });
                }
            });
        }
    }

    /// A set of (source, destination) pairs.
    pub(crate) fn pair_set(&mut self, name: &str, pairs: &[(Ipv4Addr, Ipv4Addr)]) {
        self.set(name, 2, (7 << 6) | 7, 8, false);
        let mut pairs = pairs.iter().peekable();
        while pairs.peek().is_some() {
            self.begin(NEWSETELEM, NLM_F_CREATE);
            self.m.put_str(1, self.table);
            self.m.put_str(2, name);
            let start = self.m.len();
            self.m.nest(3, |m| {
                while m.len() - start < LIST_MAX
                    && let Some((from, to)) = pairs.next()
                {
                    let value = [from.octets(), to.octets()].concat();
                    m.nest(1, |m| m.nest(1, |m| m.put(1, &value)));
                }
            });
        }
    }

    fn set(&mut self, name: &str, id: u32, key: u32, len: u32, to_verdict: bool) {
        self.begin(NEWSET, NLM_F_CREATE);
        self.m.put_str(1, self.table);
        self.m.put_str(2, name);
        self.m.put_be32(3, if to_verdict { 8 } else { 0 });
        self.m.put_be32(4, key);
        self.m.put_be32(5, len);
        if to_verdict {
            self.m.put_be32(6, 0xffff_ff00);
        }
        self.m.put_be32(10, id);
    }

    /// The batch, ready to be sent.
    pub(crate) fn finish(mut self) -> Messages {
        self.m.acknowledge();
        self.m.begin(BATCH_END, 0, &[0, 0, 0, 10]);
        self.m
    }
}

const GOTO: i32 = -4;
const RETURN: i32 = -5;

fn verdict(m: &mut Messages, code: i32, chain: Option<&str>) {
    m.nest(2, |m| {
        m.put(1, &code.to_be_bytes());
        if let Some(chain) = chain {
            m.put_str(2, chain);
        }
    });
}

/// One part of a rule: a condition, or what is done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// The packet's mark under a mask is this.
    Mark { mask: u32, value: u32 },
    /// The packet came in by this device.
    InputDevice(i32),
    /// The protocol is this.
    Protocol(u8),
    /// The source is this address.
    From(Ipv4Addr),
    /// The destination lies in this network (address, prefix length).
    To(Ipv4Addr, u8),
    /// The destination port (TCP or UDP) is this.
    Port(u16),
    /// One in this many packets, by chance.
    OneIn(u32),
    /// Look (destination, protocol, port) up in this map and go where it says.
    Dispatch(&'a str),
    /// (source, destination) is in this set.
    PairIn(&'a str),
    /// Go to a chain and do not come back.
    Goto(&'a str),
    /// Leave this chain.
    Return,
    /// New destination port on this machine.
    Redirect(u16),
    /// New destination.
    SendTo(Ipv4Addr, u16),
    /// The source becomes the address of the device it leaves by, or this one.
    SourceIs(Ipv4Addr),
}

impl Part<'_> {
    fn write(&self, m: &mut Messages) {
        match *self {
            Part::Mark { mask, value } => {
                meta(m, 3);
                expression(m, "bitwise", |m| {
                    m.put_be32(1, REG);
                    m.put_be32(2, REG);
                    m.put_be32(3, 4);
                    m.nest(4, |m| m.put(1, &mask.to_ne_bytes()));
                    m.nest(5, |m| m.put(1, &[0; 4]));
                });
                equals(m, &value.to_ne_bytes());
            }
            Part::InputDevice(index) => {
                meta(m, 4);
                equals(m, &index.to_ne_bytes());
            }
            Part::Protocol(number) => {
                meta(m, 16);
                equals(m, &[number]);
            }
            Part::From(ip) => {
                payload(m, NETWORK, 12, 4, REG);
                equals(m, &ip.octets());
            }
            Part::To(_, 0) => {}
            Part::To(ip, len) => {
                payload(m, NETWORK, 16, 4, REG);
                let mask = u32::MAX << (32 - u32::from(len.min(32)));
                if len < 32 {
                    expression(m, "bitwise", |m| {
                        m.put_be32(1, REG);
                        m.put_be32(2, REG);
                        m.put_be32(3, 4);
                        m.nest(4, |m| m.put(1, &mask.to_be_bytes()));
                        m.nest(5, |m| m.put(1, &[0; 4]));
                    });
                }
                equals(m, &(u32::from(ip) & mask).to_be_bytes());
            }
            Part::Port(port) => {
                payload(m, TRANSPORT, 2, 2, REG);
                equals(m, &port.to_be_bytes());
            }
            Part::OneIn(count) => {
                expression(m, "numgen", |m| {
                    m.put_be32(1, REG);
                    m.put_be32(2, count);
                    m.put_be32(3, 1);
                });
                equals(m, &[0; 4]);
            }
            Part::Dispatch(map) => {
                payload(m, NETWORK, 16, 4, REG);
                expression(m, "meta", |m| {
                    m.put_be32(1, REG + 1);
                    m.put_be32(2, 16);
                });
                payload(m, TRANSPORT, 2, 2, REG + 2);
                expression(m, "lookup", |m| {
                    m.put_str(1, map);
                    m.put_be32(2, REG);
                    m.put_be32(3, VERDICT);
                });
            }
            Part::PairIn(set) => {
                payload(m, NETWORK, 12, 4, REG);
                payload(m, NETWORK, 16, 4, REG + 1);
                expression(m, "lookup", |m| {
                    m.put_str(1, set);
                    m.put_be32(2, REG);
                });
            }
            _ => self.act(m),
        }
    }

    /// What is done once all conditions hold.
    fn act(&self, m: &mut Messages) {
        match *self {
            Part::Goto(chain) => decide(m, GOTO, Some(chain)),
            Part::Return => decide(m, RETURN, None),
            Part::Redirect(port) => {
                immediate(m, REG, &port.to_be_bytes());
                expression(m, "redir", |m| m.put_be32(1, REG));
            }
            Part::SendTo(ip, port) => {
                immediate(m, REG, &ip.octets());
                immediate(m, REG + 1, &port.to_be_bytes());
                expression(m, "nat", |m| {
                    m.put_be32(1, 1);
                    m.put_be32(2, u32::from(NFPROTO_IPV4));
                    m.put_be32(3, REG);
                    m.put_be32(5, REG + 1);
                });
            }
            Part::SourceIs(ip) => {
                immediate(m, REG, &ip.octets());
                expression(m, "nat", |m| {
                    m.put_be32(1, 0);
                    m.put_be32(2, u32::from(NFPROTO_IPV4));
                    m.put_be32(3, REG);
                });
            }
            _ => {}
        }
    }
}

const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

fn expression(m: &mut Messages, name: &str, fill: impl FnOnce(&mut Messages)) {
    m.nest(1, |m| {
        m.put_str(1, name);
        m.nest(2, fill);
    });
}

fn meta(m: &mut Messages, key: u32) {
    expression(m, "meta", |m| {
        m.put_be32(1, REG);
        m.put_be32(2, key);
    });
}

fn payload(m: &mut Messages, base: u32, offset: u32, len: u32, register: u32) {
    expression(m, "payload", |m| {
        m.put_be32(1, register);
        m.put_be32(2, base);
        m.put_be32(3, offset);
        m.put_be32(4, len);
    });
}

fn equals(m: &mut Messages, value: &[u8]) {
    expression(m, "cmp", |m| {
        m.put_be32(1, REG);
        m.put_be32(2, 0);
        m.nest(3, |m| m.put(1, value));
    });
}

fn immediate(m: &mut Messages, register: u32, value: &[u8]) {
    expression(m, "immediate", |m| {
        m.put_be32(1, register);
        m.nest(2, |m| m.put(1, value));
    });
}

fn decide(m: &mut Messages, code: i32, chain: Option<&str>) {
    expression(m, "immediate", |m| {
        m.put_be32(1, VERDICT);
        m.nest(2, |m| verdict(m, code, chain));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(part: Part<'_>) -> Vec<u8> {
        let mut m = Messages::default();
        m.begin(0, 0, &[]);
        part.write(&mut m);
        m.bytes()[16..].to_vec()
    }

    #[test]
    fn a_protocol_condition_is_meta_and_cmp() {
        let expected: &[u8] = &[
            36, 0, 1, 0x80, 9, 0, 1, 0, b'm', b'e', b't', b'a', 0, 0, 0, 0, // name
            20, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 8, 8, 0, 2, 0, 0, 0, 0,
            16, // into REG, l4proto
            44, 0, 1, 0x80, 8, 0, 1, 0, b'c', b'm', b'p', 0, // name
            32, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 8, 8, 0, 2, 0, 0, 0, 0, 0, // REG equals
            12, 0, 3, 0x80, 5, 0, 1, 0, 6, 0, 0, 0, // TCP
        ];
        assert_eq!(written(Part::Protocol(TCP)), expected);
    }

    #[test]
    fn a_network_is_compared_under_its_mask() {
        let bytes = written(Part::To(Ipv4Addr::new(10, 244, 3, 4), 16));
        assert!(bytes.ends_with(&[8, 0, 1, 0, 10, 244, 0, 0]));
        assert!(written(Part::To(Ipv4Addr::UNSPECIFIED, 0)).is_empty());
    }
}
