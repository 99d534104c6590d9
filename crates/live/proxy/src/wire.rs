//! One connected socket, and the only place that knows what it is made of: plain bytes, or TLS.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use traffic::PeerTls;

use crate::tls::Server;
use crate::tls::session::{self, Failure, Session, Taken};

/// First read of a connection; grows with what the peer sends, up to [`READ_MOST`].
const READ_LEAST: usize = 8 * 1024;
/// A buffer up to this size stays with a connection that waits.
const READ_KEPT: usize = 16 * 1024;
/// Largest single read: large bodies move in few system calls, an idle connection holds none of it.
const READ_MOST: usize = 256 * 1024;

/// A connected TCP socket. Reading and writing take `&self`, so that the two directions of one
/// connection are two futures of one task without a lock.
#[derive(Debug)]
pub(crate) struct Wire {
    tcp: TcpStream,
    /// The TLS around what is read and written, if there is any.
    session: Option<Box<Session>>,
    /// Size of the next read; follows the peer's pace.
    next_read: std::cell::Cell<usize>,
}

impl Wire {
    /// Takes over a connected socket, which may be of the unix family. Nagle is off: heads and bodies leave in one write each.
    pub(crate) fn new(tcp: TcpStream) -> Wire {
        // A socket that refuses the option still works, only slower.
        let _ = tcp.set_nodelay(true);
        Wire { tcp, session: None, next_read: std::cell::Cell::new(READ_LEAST) }
    }

    /// The server's end of TLS on this socket, of whose bytes `input` was read already.
    pub(crate) async fn accept_tls(
        mut self,
        server: &Server,
        input: BytesMut,
    ) -> Result<(Wire, PeerTls), Failure> {
        let (session, peer) = session::accept(&self.tcp, server, input).await?;
        self.session = Some(Box::new(session));
        Ok((self, peer))
    }

    /// The client's end of TLS on this socket.
    pub(crate) async fn connect_tls(
        mut self,
        config: Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Wire, Failure> {
        self.session = Some(Box::new(session::connect(&self.tcp, config, name).await?));
        Ok(self)
    }

    /// Whether the handshake agreed on HTTP/2, or on something else; `None` when it named nothing.
    pub(crate) fn agreed_http2(&self) -> Option<bool> {
        let session = self.session.as_ref()?;
        session.alpn().map(|_| session::is_http2(session))
    }

    async fn read_session(&self, session: &Session, buf: &mut BytesMut) -> io::Result<usize> {
        loop {
            if let Taken::Bytes(n) = session.take(buf)? {
                return Ok(n);
            }
            if buf.is_empty() && buf.capacity() > READ_KEPT {
                *buf = BytesMut::new();
            }
            self.tcp.readable().await?;
            match session.pull(&self.tcp) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                pulled => pulled?,
            }
        }
    }

    async fn write_session(&self, session: &Session, parts: [&[u8]; 2]) -> io::Result<()> {
        for mut part in parts {
            while !part.is_empty() {
                let n = session.put(part)?;
                part = &part[n..];
                if n == 0 {
                    self.push_session(session).await?;
                }
            }
        }
        self.push_session(session).await
    }

    async fn push_session(&self, session: &Session) -> io::Result<()> {
        while session.wants_write() {
            self.tcp.writable().await?;
            match session.push(&self.tcp) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                pushed => drop(pushed?),
            }
        }
        Ok(())
    }

    /// Reads once, appending to `buf`; 0 is the end of the peer's sending. Safe to cancel.
    pub(crate) async fn read(&self, buf: &mut BytesMut) -> io::Result<usize> {
        if let Some(session) = &self.session {
            return self.read_session(session, buf).await;
        }
        loop {
            self.tcp.readable().await?;
            let want = self.next_read.get();
            buf.reserve(want);
            match self.tcp.try_read_buf(buf) {
                Ok(n) => {
                    if n >= want {
                        self.next_read.set((want * 2).min(READ_MOST));
                    } else {
                        self.drained();
                        if n < want / 4 {
                            self.next_read.set((want / 2).max(READ_LEAST));
                        }
                    }
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Whoever waits long holds no large buffer.
                    if buf.is_empty() && buf.capacity() > READ_KEPT {
                        *buf = BytesMut::new();
                        self.next_read.set(READ_LEAST);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Notes that the kernel holds nothing more: a read that leaves room has taken all there was, and epoll tells of what comes
    /// next. Whoever waits then does so without asking the kernel once more in vain.
    fn drained(&self) {
        let nothing = || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) };
        let _ = self.tcp.try_io(tokio::io::Interest::READABLE, nothing);
    }

    /// Writes all of `head`, then all of `body`, in as few calls as the kernel allows.
    pub(crate) async fn write(&self, mut head: &[u8], mut body: &[u8]) -> io::Result<()> {
        if let Some(session) = &self.session {
            return self.write_session(session, [head, body]).await;
        }
        while !head.is_empty() || !body.is_empty() {
            let written = if head.is_empty() {
                self.tcp.try_write(body)
            } else if body.is_empty() {
                self.tcp.try_write(head)
            } else {
                self.tcp.try_write_vectored(&[IoSlice::new(head), IoSlice::new(body)])
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    let of_head = n.min(head.len());
                    head = &head[of_head..];
                    body = &body[n - of_head..];
                }
                // Mostly there is room, and to ask first would cost more than to try.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.tcp.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The address of this end.
    pub(crate) fn local_ip(&self) -> Option<std::net::IpAddr> {
        self.tcp.local_addr().ok().map(|address| address.ip().to_canonical())
    }

    /// Address and port of this end.
    pub(crate) fn local_address(&self) -> Option<std::net::SocketAddr> {
        self.tcp.local_addr().ok().map(crate::socket::unmapped)
    }

    /// Tells the peer that nothing more comes, and keeps reading possible.
    pub(crate) fn finish_writing(&self) {
        if let Some(session) = &self.session {
            session.end(&self.tcp);
        }
        let _ = socket2::SockRef::from(&self.tcp).shutdown(Shutdown::Write);
    }

    /// An idle connection is usable if nothing waits to be read: neither an end nor stray bytes, as far as epoll has told. What
    /// came since the event loop last looked is seen by whoever reads next, as in Envoy.
    pub(crate) fn is_quiet(&self) -> bool {
        if let Some(session) = &self.session {
            // Tickets of sessions are no stray bytes.
            let mut none = BytesMut::new();
            loop {
                match session.pull(&self.tcp) {
                    Ok(()) if matches!(session.take(&mut none), Ok(Taken::Nothing)) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                    _ => return false,
                }
            }
        }
        let mut byte = [0u8; 1];
        matches!(self.tcp.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Completes when the peer has gone away; never when it sends more bytes instead.
    pub(crate) async fn gone(&self) {
        if let Some(session) = &self.session {
            return self.session_gone(session).await;
        }
        let mut byte = [0u8; 1];
        match self.tcp.peek(&mut byte).await {
            Ok(0) | Err(_) => {}
            Ok(_) => std::future::pending().await,
        }
    }

    async fn session_gone(&self, session: &Session) {
        loop {
            match session.is_over() {
                Some(true) => return,
                Some(false) => std::future::pending().await,
                None => {}
            }
            if self.tcp.readable().await.is_err() {
                return;
            }
            match session.pull(&self.tcp) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }

    /// Makes the next close a reset: the peer must not take a cut-off body for a whole one.
    pub(crate) fn reset_on_close(&self) {
        let _ = socket2::SockRef::from(&self.tcp).set_linger(Some(std::time::Duration::ZERO));
    }

    /// For protocols that a library reads: first `prefix`, which was already read, then the socket.
    pub(crate) fn with_prefix(self, prefix: Bytes) -> Prefixed {
        Prefixed { prefix, wire: self }
    }
}

/// A socket whose first bytes were already read while its protocol was detected.
#[derive(Debug)]
pub(crate) struct Prefixed {
    prefix: Bytes,
    wire: Wire,
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            if let Some(session) = &self.wire.session {
                return poll_read_session(&self.wire.tcp, session, cx, buf);
            }
            return Pin::new(&mut self.wire.tcp).poll_read(cx, buf);
        }
        let n = self.prefix.len().min(buf.remaining());
        buf.put_slice(&self.prefix[..n]);
        self.prefix.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(session) = &self.wire.session {
            return poll_write_session(&self.wire.tcp, session, cx, &[IoSlice::new(buf)]);
        }
        Pin::new(&mut self.wire.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(session) = &self.wire.session {
            return poll_write_session(&self.wire.tcp, session, cx, bufs);
        }
        Pin::new(&mut self.wire.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.wire.session {
            Some(session) => poll_push_session(&self.wire.tcp, session, cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(session) = &self.wire.session {
            session.end(&self.wire.tcp);
            std::task::ready!(poll_push_session(&self.wire.tcp, session, cx))?;
        }
        Pin::new(&mut self.wire.tcp).poll_shutdown(cx)
    }
}

fn poll_read_session(
    tcp: &TcpStream,
    session: &Session,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        let unfilled = buf.initialize_unfilled();
        if let Taken::Bytes(n) = session.take_into(unfilled)? {
            buf.advance(n);
            return Poll::Ready(Ok(()));
        }
        std::task::ready!(tcp.poll_read_ready(cx))?;
        match session.pull(tcp) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            pulled => pulled?,
        }
    }
}

fn poll_write_session(
    tcp: &TcpStream,
    session: &Session,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    loop {
        let mut taken = 0;
        for buf in bufs {
            let n = session.put(buf)?;
            taken += n;
            if n < buf.len() {
                break;
            }
        }
        let pushed = poll_push_session(tcp, session, cx);
        if taken > 0 || bufs.iter().all(|buf| buf.is_empty()) {
            if let Poll::Ready(Err(error)) = pushed {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(taken));
        }
        std::task::ready!(pushed)?;
    }
}

fn poll_push_session(
    tcp: &TcpStream,
    session: &Session,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while session.wants_write() {
        std::task::ready!(tcp.poll_write_ready(cx))?;
        match session.push(tcp) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            pushed => drop(pushed?),
        }
    }
    Poll::Ready(Ok(()))
}
