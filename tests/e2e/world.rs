//! The world outside a mesh: a DNS server on loopback that knows one name.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

/// The only name there is.
const NAME: &[u8] = b"\x07outside\x07example\0";

/// Knows `outside.example` once it was put somewhere, and how often somebody asked for it. No other name is looked up.
pub(crate) struct World {
    port: u16,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Zero: there is no such name yet.
    address: AtomicU32,
    asked: AtomicUsize,
}

impl World {
    /// Starts to answer; ends with the process.
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                socket.send_to(&shared.answer(&buffer[..len]), from).unwrap();
            }
        });
        Self { port, seen }
    }

    /// From now on `outside.example` has this address.
    pub(crate) fn put(&self, address: Ipv4Addr) {
        self.seen.address.store(address.into(), Ordering::Relaxed);
    }

    /// Where it answers, for `--upstream-dns`.
    pub(crate) fn server(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How often an address was given.
    pub(crate) fn asked(&self) -> usize {
        self.seen.asked.load(Ordering::Relaxed)
    }
}

impl Seen {
    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let question = &query[12..];
        let end = question.iter().position(|byte| *byte == 0).unwrap() + 5;
        let address = self.address.load(Ordering::Relaxed);
        let known = question.starts_with(NAME) && address != 0;
        let found = known && question[end - 3] == 1;
        self.asked.fetch_add(usize::from(found), Ordering::Relaxed);
        let code = if known { 0x80 } else { 0x83 };
        let mut answer = vec![query[0], query[1], 0x81, code, 0, 1, 0, u8::from(found), 0, 0, 0, 0];
        answer.extend(&question[..end]);
        if found {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
            answer.extend(address.to_be_bytes());
        }
        answer
    }
}
