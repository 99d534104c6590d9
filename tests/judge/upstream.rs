//! The servers behind the proxies: they do what a request's `x-do` says, and remember what reached them.

pub(crate) mod http2;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// More than any case sends: a length beyond is a proxy's mistake, which must not take the judge's memory.
const LARGEST: usize = 64 << 20;

/// One request as an upstream saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// The name of the host that it reached.
    pub(crate) host: String,
    /// Method, target and version.
    pub(crate) line: String,
    /// In the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether the body came in chunks.
    pub(crate) chunked: bool,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// All upstream hosts, and what they received by the token of the case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upstreams {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    hosts: Mutex<BTreeMap<String, SocketAddr>>,
    /// Unix sockets that are served.
    pipes: Mutex<BTreeSet<String>>,
    /// Bound and not listening: connecting to them is refused for as long as they are held.
    deaf: Mutex<Vec<socket2::Socket>>,
    log: Mutex<BTreeMap<String, Vec<Received>>>,
    changed: Condvar,
}

impl Upstreams {
    /// The address of a host; the host begins to exist with the first call. A name that ends in
    /// `-h2` speaks HTTP/2, one that ends in `-closed` accepts nothing.
    pub(crate) fn host(&self, name: &str) -> SocketAddr {
        let mut hosts = lock(&self.shared.hosts);
        if let Some(address) = hosts.get(name) {
            return *address;
        }
        if name.ends_with("-closed") {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
            let socket = socket.unwrap();
            socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
            let address = socket.local_addr().unwrap().as_socket().unwrap();
            lock(&self.shared.deaf).push(socket);
            hosts.insert(name.to_owned(), address);
            return address;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        hosts.insert(name.to_owned(), address);
        drop(hosts);
        let (this, name) = (self.clone(), name.to_owned());
        if name.ends_with("-h2") {
            std::thread::spawn(move || http2::serve(&this, &name, listener));
        } else {
            std::thread::spawn(move || this.serve(&name, &listener));
        }
        address
    }

    /// The path of a unix socket; a name that ends in `-gone-pipe` has nobody behind it.
    pub(crate) fn pipe(&self, name: &str) -> String {
        // A name of the kernel's abstract space leaves no file behind.
        let path = format!("@lateen-judge-{}-{name}", std::process::id());
        let mut pipes = lock(&self.shared.pipes);
        if name.ends_with("-gone-pipe") || !pipes.insert(name.to_owned()) {
            return path;
        }
        let address = socket2::SockAddr::unix(path.replace('@', "\0")).unwrap();
        let socket =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.bind(&address).unwrap();
        socket.listen(64).unwrap();
        let (this, name) = (self.clone(), name.to_owned());
        std::thread::spawn(move || {
            while let Ok((stream, _)) = socket.accept() {
                let (this, name) = (this.clone(), name.clone());
                let thread = std::thread::Builder::new().stack_size(256 * 1024);
                // Reading and writing are the same for both families.
                thread.spawn(move || while_open(&this, &name, &stream.into())).unwrap();
            }
        });
        path
    }

    /// What arrived under a token so far.
    pub(crate) fn received(&self, token: &str) -> Vec<Received> {
        lock(&self.shared.log).get(token).cloned().unwrap_or_default()
    }

    /// What arrived under a token, once it is that many or the time is over.
    pub(crate) fn wait(&self, token: &str, n: usize, limit: Duration) -> Vec<Received> {
        let deadline = Instant::now() + limit;
        let mut log = lock(&self.shared.log);
        loop {
            let here = log.get(token).map_or(0, Vec::len);
            let left = deadline.saturating_duration_since(Instant::now());
            if here >= n || left.is_zero() {
                return log.get(token).cloned().unwrap_or_default();
            }
            log = self.shared.changed.wait_timeout(log, left).unwrap().0;
        }
    }

    /// Remembers a request; its number among those of its token, from 0.
    pub(crate) fn note(&self, received: Received) -> usize {
        let token = received.header("x-case").unwrap_or_default().to_owned();
        let mut log = lock(&self.shared.log);
        let list = log.entry(token).or_default();
        list.push(received);
        let n = list.len() - 1;
        drop(log);
        self.shared.changed.notify_all();
        n
    }

    fn serve(&self, name: &str, listener: &TcpListener) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let (this, name) = (self.clone(), name.to_owned());
            let thread = std::thread::Builder::new().stack_size(256 * 1024);
            thread.spawn(move || while_open(&this, &name, &stream)).unwrap();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn while_open(upstreams: &Upstreams, name: &str, stream: &TcpStream) {
    stream.set_nodelay(true).ok();
    let mut reader = BufReader::new(stream);
    while let Some(received) = read(name, &mut reader, stream) {
        let script = received.header("x-do").unwrap_or("200").to_owned();
        let says = received.header("x-say").map(str::to_owned);
        let method = received.line.split(' ').next().unwrap_or_default().to_owned();
        let upgrade = received.header("upgrade").map(str::to_owned);
        let n = upstreams.note(received);
        let step = script.split(',').nth(n).or_else(|| script.split(',').next_back());
        let mut out = stream;
        match step.unwrap_or("200").trim() {
            "reset" => {
                // Closed with unread or unsent data in mind: the peer sees a reset.
                socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok();
                return;
            }
            "close" => return,
            "hang" => {
                // Until the proxy gives up.
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest).ok();
                return;
            }
            "echo" => {
                let upgrade = upgrade.unwrap_or_default();
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {upgrade}\r\n\r\n"
                );
                out.write_all(head.as_bytes()).ok();
                let mut piece = [0; 1024];
                while let Ok(n @ 1..) = reader.read(&mut piece) {
                    out.write_all(&piece[..n]).ok();
                }
                return;
            }
            raw if raw.starts_with("raw=") => {
                out.write_all(&unescape(&raw[4..])).ok();
                return;
            }
            step => {
                let answer = answer(name, step, says.as_deref(), method == "HEAD");
                if out.write_all(&answer).is_err() {
                    return;
                }
            }
        }
    }
}

/// The bytes of an answer: `STATUS`, `STATUS/MS` after a delay, `STATUS+SIZE` with a body of that size.
fn answer(name: &str, step: &str, says: Option<&str>, to_head: bool) -> Vec<u8> {
    let (step, size) = step.split_once('+').unwrap_or((step, ""));
    let (status, delay) = step.split_once('/').unwrap_or((step, "0"));
    std::thread::sleep(Duration::from_millis(delay.parse().unwrap_or(0)));
    let body = match size.parse() {
        Ok(size) => vec![b'x'; size],
        Err(_) => format!("from {name}\n").into_bytes(),
    };
    let mut out = format!("HTTP/1.1 {status} Said\r\ncontent-type: text/plain\r\n");
    for header in says.into_iter().flat_map(|says| says.split('|')) {
        out += &format!("{header}\r\n");
    }
    if matches!(status, "204" | "304") {
        return (out + "\r\n").into_bytes();
    }
    out += &format!("content-length: {}\r\n\r\n", body.len());
    let mut out = out.into_bytes();
    if !to_head {
        out.extend_from_slice(&body);
    }
    out
}

/// `%0D%0A` and the like into bytes.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
        let digits = std::str::from_utf8(&digits).unwrap_or("3f");
        out.push(u8::from_str_radix(digits, 16).unwrap_or(b'?'));
    }
    out
}

/// The next request, or `None` at the end.
fn read(name: &str, reader: &mut BufReader<&TcpStream>, stream: &TcpStream) -> Option<Received> {
    let line = text_line(reader)?;
    let mut received = Received { host: name.to_owned(), line, ..Received::default() };
    received.headers = fields(reader)?;
    if received.header("expect").is_some_and(|it| it.eq_ignore_ascii_case("100-continue")) {
        let mut out = stream;
        out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    if received.header("transfer-encoding").is_some() {
        received.chunked = true;
        loop {
            let size = text_line(reader)?;
            let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
            if size == 0 {
                break;
            }
            let mut chunk = vec![0; size.checked_add(2).filter(|size| *size < LARGEST)?];
            reader.read_exact(&mut chunk).ok()?;
            received.body.extend_from_slice(&chunk[..size]);
        }
        received.trailers = fields(reader)?;
    } else if let Some(length) = received.header("content-length") {
        let mut body = vec![0; length.parse().ok().filter(|size| *size < LARGEST)?];
        reader.read_exact(&mut body).ok()?;
        received.body = body;
    }
    Some(received)
}

fn fields(reader: &mut BufReader<&TcpStream>) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = text_line(reader)?;
        if line.is_empty() {
            return Some(fields);
        }
        let (name, value) = line.split_once(':')?;
        fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

fn text_line(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line).ok()? == 0 {
        return None;
    }
    while matches!(line.last(), Some(b'\r' | b'\n')) {
        line.pop();
    }
    Some(String::from_utf8_lossy(&line).into_owned())
}
