//! HTTP/1 on raw sockets: bytes out, and what comes back taken apart without forgiving anything.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// One answer of a proxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    /// Interim answers before it.
    pub(crate) interim: Vec<u16>,
    pub(crate) status: u16,
    pub(crate) version: String,
    /// In the order in which they came, names as they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// How the body ended: `length`, `chunked`, `close`, `none`.
    pub(crate) framing: &'static str,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Closed or reset before a byte of the answer.
    Closed,
    /// Closed in the middle of the answer.
    CutOff,
    /// Nothing came in time.
    Silent,
    /// Not HTTP.
    Garbled,
}

/// A connection with what was read of it and not yet used.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How long to wait for an answer.
    pub(crate) patience: Duration,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, patience: Duration) -> Self {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))
            .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new(), patience }
    }

    /// Writes; a peer that closed early is seen when reading.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.set_write_timeout(Some(self.patience)).unwrap();
        self.stream.write_all(bytes).ok();
    }

    /// Closes our direction.
    pub(crate) fn finish(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).ok();
    }

    /// One more piece; false at the end of the stream.
    fn more(&mut self, deadline: Instant) -> Result<bool, Broken> {
        let mut piece = [0; 16 * 1024];
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Broken::Silent);
        }
        self.stream.set_read_timeout(Some(left)).unwrap();
        match self.stream.read(&mut piece) {
            Ok(0) => Ok(false),
            Ok(n) => {
                self.buffer.extend_from_slice(&piece[..n]);
                Ok(true)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(Broken::Silent),
                _ => Ok(false),
            },
        }
    }

    /// Reads one answer, with the interim ones before it.
    pub(crate) fn reply(&mut self, to_head: bool) -> Result<Reply, Broken> {
        let deadline = Instant::now() + self.patience;
        let mut interim = Vec::new();
        loop {
            let mut reply = self.head(deadline)?;
            if (100..200).contains(&reply.status) && reply.status != 101 {
                interim.push(reply.status);
                continue;
            }
            reply.interim = interim;
            self.body(&mut reply, to_head, deadline)?;
            return Ok(reply);
        }
    }

    /// Reads the head of an answer to CONNECT: where that opens a tunnel, no body follows.
    pub(crate) fn tunnel_reply(&mut self) -> Result<Reply, Broken> {
        let deadline = Instant::now() + self.patience;
        let mut reply = self.head(deadline)?;
        if !(200..300).contains(&reply.status) {
            self.body(&mut reply, false, deadline)?;
        }
        Ok(reply)
    }

    fn head(&mut self, deadline: Instant) -> Result<Reply, Broken> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if !self.more(deadline)? {
                let nothing = self.buffer.is_empty();
                return Err(if nothing { Broken::Closed } else { Broken::CutOff });
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let mut words = first.splitn(3, ' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|it| it.parse().ok()).ok_or(Broken::Garbled)?;
        if !version.starts_with("HTTP/1.") {
            return Err(Broken::Garbled);
        }
        let headers = lines.map(field).collect::<Option<_>>().ok_or(Broken::Garbled)?;
        Ok(Reply { status, version, headers, framing: "none", ..Reply::default() })
    }

    fn body(&mut self, reply: &mut Reply, to_head: bool, until: Instant) -> Result<(), Broken> {
        if to_head || matches!(reply.status, 101 | 204 | 304) {
            return Ok(());
        }
        if reply.header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
            reply.framing = "chunked";
            return self.chunks(reply, until);
        }
        if let Some(length) = reply.header("content-length") {
            let length: usize = length.parse().map_err(|_| Broken::Garbled)?;
            reply.framing = "length";
            while self.buffer.len() < length {
                if !self.more(until)? {
                    return Err(Broken::CutOff);
                }
            }
            reply.body = self.buffer.drain(..length).collect();
            return Ok(());
        }
        reply.framing = "close";
        while self.more(until)? {}
        reply.body = std::mem::take(&mut self.buffer);
        Ok(())
    }

    fn chunks(&mut self, reply: &mut Reply, until: Instant) -> Result<(), Broken> {
        loop {
            let size = self.line(until)?;
            let size = size.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| Broken::Garbled)?;
            if size == 0 {
                break;
            }
            while self.buffer.len() < size + 2 {
                if !self.more(until)? {
                    return Err(Broken::CutOff);
                }
            }
            reply.body.extend(self.buffer.drain(..size));
            self.buffer.drain(..2);
        }
        loop {
            let line = self.line(until)?;
            if line.is_empty() {
                return Ok(());
            }
            reply.trailers.push(field(&line).ok_or(Broken::Garbled)?);
        }
    }

    fn line(&mut self, until: Instant) -> Result<String, Broken> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                break at;
            }
            if !self.more(until)? {
                return Err(Broken::CutOff);
            }
        };
        let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
        Ok(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    /// Whether the peer closes within this time; bytes that come meanwhile are kept.
    pub(crate) fn closes_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            match self.more(deadline) {
                Ok(true) => {}
                Ok(false) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Reads exactly so many bytes of what follows an upgrade.
    pub(crate) fn exactly(&mut self, n: usize) -> Result<Vec<u8>, Broken> {
        let deadline = Instant::now() + self.patience;
        while self.buffer.len() < n {
            if !self.more(deadline)? {
                return Err(Broken::CutOff);
            }
        }
        Ok(self.buffer.drain(..n).collect())
    }
}

fn field(line: impl AsRef<str>) -> Option<(String, String)> {
    let (name, value) = line.as_ref().split_once(':')?;
    Some((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

/// Where a part begins.
pub(crate) fn find(all: &[u8], part: &[u8]) -> Option<usize> {
    all.windows(part.len()).position(|window| window == part)
}

/// A page of an admin interface.
pub(crate) fn fetch(address: SocketAddr, path: &str) -> Option<String> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    let mut connection =
        Connection { stream, buffer: Vec::new(), patience: Duration::from_secs(5) };
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    connection.send(request.as_bytes());
    let reply = connection.reply(false).ok()?;
    Some(String::from_utf8_lossy(&reply.body).into_owned())
}
