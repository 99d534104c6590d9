//! Questions for the world, forwarded verbatim through one socket of the host.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket as StdUdpSocket},
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
    sync::Mutex,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{net::UdpSocket, sync::oneshot};

/// Open questions at the same time; more are refused with SERVFAIL.
const OPEN_MAX: usize = 1024;
/// How long upstream has to answer; resolvers ask again after 5 s.
const PATIENCE: Duration = Duration::from_secs(4);

/// The server that knows the names of the world.
#[derive(Debug)]
pub(super) struct Upstream {
    socket: UdpSocket,
    server: SocketAddr,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// The last number given. Numbers are unlike the askers', so that no asker can guess another's.
    last: u16,
    waiting: BTreeMap<u16, oneshot::Sender<Vec<u8>>>,
}

impl Upstream {
    /// The upstream that the node named and handed a socket for; none where it did not.
    pub(super) fn inherited() -> anyhow::Result<Option<Self>> {
        let (Ok(server), Ok(fd)) =
            (std::env::var("LATEEN_UPSTREAM_DNS"), std::env::var("LATEEN_UPSTREAM_UDP_FD"))
        else {
            return Ok(None);
        };
        let server: SocketAddr = server.parse().with_context(|| format!("LATEEN_UPSTREAM_DNS={server}"))?;
        let fd: RawFd = fd.parse().with_context(|| format!("LATEEN_UPSTREAM_UDP_FD={fd}"))?;
        anyhow::ensure!(fd > 2, "LATEEN_UPSTREAM_UDP_FD={fd} is a standard stream");
        #[expect(unsafe_code, reason = "an inherited descriptor can only be named by its number")]
        // SAFETY: the node opened this descriptor for this process and nothing else here uses its number;
        // it is taken once, at start.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let socket = StdUdpSocket::from(fd);
        socket.set_nonblocking(true)?;
        Ok(Some(Self { socket: UdpSocket::from_std(socket)?, server, open: Mutex::default() }))
    }

    /// Asks and waits; none when too much is open or no answer came in time.
    pub(super) async fn ask(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (own, rest) = question.split_at_checked(2)?;
        let (sender, receiver) = oneshot::channel();
        let number = {
            let mut open = self.open.lock().expect("no holder of this lock panics");
            if open.waiting.len() >= OPEN_MAX {
                return None;
            }
            // 65,536 numbers and at most 1,024 open ones: a free one is near.
            loop {
                open.last = open.last.wrapping_mul(25173).wrapping_add(13849);
                if !open.waiting.contains_key(&open.last) {
                    break;
                }
            }
            let number = open.last;
            open.waiting.insert(number, sender);
            number
        };
        let sent = [&number.to_be_bytes(), rest].concat();
        let answer = async {
            self.socket.send_to(&sent, self.server).await.ok()?;
            receiver.await.ok()
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await.ok().flatten();
        self.open.lock().expect("no holder of this lock panics").waiting.remove(&number);
        let mut answer = answer?;
        answer.get_mut(..2)?.copy_from_slice(own);
        Some(answer)
    }

    async fn receive(&self) {
        let mut buffer = vec![0; 4096];
        loop {
            let Ok((n, from)) = self.socket.recv_from(&mut buffer).await else { continue };
            let Some(number) = buffer.first_chunk().map(|it| u16::from_be_bytes(*it)).filter(|_| n >= 12) else {
                continue;
            };
            // Only the server that was asked may answer.
            if from == self.server {
                let mut open = self.open.lock().expect("no holder of this lock panics");
                if let Some(waiting) = open.waiting.remove(&number) {
                    // The asker may have given up in between.
                    waiting.send(buffer[..n].to_vec()).ok();
                }
            }
        }
    }
}

/// Hands upstream's answers to those who wait for them; never ends.
pub(super) async fn answers(upstream: &Option<Upstream>) {
    match upstream {
        Some(upstream) => upstream.receive().await,
        None => std::future::pending().await,
    }
}
