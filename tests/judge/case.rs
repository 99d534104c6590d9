//! One case: its part of the configuration, what is done, what is seen, and what counts as the same.

use std::{collections::BTreeSet, fmt::Write as _, net::SocketAddr, time::Duration};

use serde_json::Value;

use crate::{
    config,
    upstream::{Received, Upstreams},
    wire::{Broken, Connection, Reply},
};

/// What is done with one proxy.
type Act = Box<dyn Fn(&mut Eye<'_>) + Send + Sync>;
/// Whether what was seen of Envoy and of ours is the same; `Err` says what is not.
type Judge = Box<dyn Fn(&[String], &[String]) -> Result<(), String> + Send + Sync>;

/// One case.
pub(crate) struct Case {
    pub(crate) name: String,
    /// The listener that it is about.
    pub(crate) listener: &'static str,
    /// Its virtual hosts.
    pub(crate) hosts: Vec<Value>,
    /// Its clusters, in the shorthand of [`config::cluster`].
    pub(crate) clusters: Vec<Value>,
    pub(crate) act: Act,
    pub(crate) judge: Judge,
    /// Whether response flags are compared.
    pub(crate) flags: bool,
    /// Whether each run has to show the same: there is neither chance nor a clock in it.
    pub(crate) is_deterministic: bool,
    /// Whether all of the access records is.
    pub(crate) records: bool,
    /// Whether both have to take the configuration.
    pub(crate) is_accepted: bool,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Requests of a table, sent one after the other; see [`ask`]. `routes` is a list of routes or a whole
/// virtual host, in YAML.
pub(crate) fn case(name: &str, routes: &str, asks: &[&str]) -> Case {
    let asks: Vec<String> = asks.iter().map(|ask| (*ask).to_owned()).collect();
    act(name, routes, move |eye| {
        for text in &asks {
            eye.ask(text);
        }
        eye.upstream();
    })
}

/// A case with actions of its own.
pub(crate) fn act(
    name: &str,
    routes: &str,
    act: impl Fn(&mut Eye<'_>) + Send + Sync + 'static,
) -> Case {
    let host = domain(name);
    let routes = routes.replace("CASE", &slug(name));
    let mut hosts = Vec::new();
    if !routes.is_empty() {
        let mut virtual_host = serde_json::json!({ "name": slug(name), "domains": [host] });
        let read = config::yaml(&routes);
        if read.is_array() {
            virtual_host["routes"] = read;
        } else {
            config::merge(&mut virtual_host, &read);
        }
        hosts.push(virtual_host);
    }
    Case {
        name: name.to_owned(),
        listener: "main",
        hosts,
        clusters: Vec::new(),
        act: Box::new(act),
        judge: Box::new(equal),
        flags: true,
        is_deterministic: true,
        records: true,
        is_accepted: false,
    }
}

impl Case {
    /// On another listener than `main`.
    pub(crate) fn on(mut self, listener: &'static str) -> Self {
        self.listener = listener;
        self
    }

    /// With clusters of its own: a YAML list; `CASE` in it is the name of the case.
    pub(crate) fn clusters(mut self, yaml: &str) -> Self {
        let read = config::yaml(&yaml.replace("CASE", &slug(&self.name)));
        self.clusters.extend(read.as_array().expect("a list of clusters").iter().cloned());
        self
    }

    /// About what happens with its configuration: that both refuse it is no agreement.
    pub(crate) fn accepted(mut self) -> Self {
        self.is_accepted = true;
        self
    }

    /// Judged in its own way.
    pub(crate) fn judged(
        mut self,
        judge: impl Fn(&[String], &[String]) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.judge = Box::new(judge);
        self.is_deterministic = false;
        // What is left to chance shows in the records, too.
        self.records = false;
        self
    }

    /// Without comparing response flags, and the rest of the access records.
    pub(crate) fn without_flags(mut self) -> Self {
        self.flags = false;
        self.records = false;
        self
    }

    /// What a person needs to see of its configuration.
    pub(crate) fn configuration(&self) -> String {
        let mut out = format!("listener: {}\n", self.listener);
        for host in &self.hosts {
            writeln!(out, "virtual host: {host}").ok();
        }
        for cluster in &self.clusters {
            writeln!(out, "cluster: {cluster}").ok();
        }
        out
    }
}

/// The name of a case as a word of configurations.
pub(crate) fn slug(name: &str) -> String {
    let word: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    word
}

/// The host name that requests of a case ask for.
pub(crate) fn domain(name: &str) -> String {
    format!("{}.judge", slug(name))
}

/// Line by line the same.
pub(crate) fn equal(envoy: &[String], ours: &[String]) -> Result<(), String> {
    if envoy == ours {
        return Ok(());
    }
    let (left, right): (BTreeSet<_>, BTreeSet<_>) = (envoy.iter().collect(), ours.iter().collect());
    let mut out = String::new();
    for line in envoy.iter().filter(|line| !right.contains(line)) {
        writeln!(out, "only Envoy:  {line}").ok();
    }
    for line in ours.iter().filter(|line| !left.contains(line)) {
        writeln!(out, "only lateen: {line}").ok();
    }
    if out.is_empty() {
        out.push_str("the same lines in another order or number\n");
    }
    Err(out)
}

/// A proxy while a case is done with it, and what is seen.
pub(crate) struct Eye<'a> {
    pub(crate) address: SocketAddr,
    /// What requests carry in `x-case`, so that upstreams know whose they are.
    pub(crate) token: String,
    /// The host that requests ask for.
    pub(crate) domain: String,
    pub(crate) upstreams: &'a Upstreams,
    pub(crate) patience: Duration,
    /// Whether this is the second look, for which silence has to be longer.
    pub(crate) looks_again: bool,
    pub(crate) seen: Vec<String>,
    /// Requests that reached their end, each of which leaves a record.
    pub(crate) ended: usize,
}

impl Eye<'_> {
    /// Notes something.
    pub(crate) fn see(&mut self, line: impl Into<String>) {
        let line = line.into().replace(&self.token, "<case>");
        let port = self.address.port().to_string();
        let line = line.replace(&format!(":{port}"), ":<port>");
        self.seen.push(match line.strip_suffix(&format!(" {port}")) {
            Some(start) => format!("{start} <port>"),
            None => line,
        });
    }

    pub(crate) fn open(&self) -> Connection {
        Connection::open(self.address, self.patience)
    }

    /// Sends one request on a connection of its own, and notes the answer.
    pub(crate) fn ask(&mut self, text: &str) -> Option<Reply> {
        let mut connection = self.open();
        self.ask_on(&mut connection, text)
    }

    /// Sends one request on this connection, and notes the answer.
    pub(crate) fn ask_on(&mut self, connection: &mut Connection, text: &str) -> Option<Reply> {
        connection.send(&self.bytes(text));
        let result = connection.reply(text.starts_with("HEAD "));
        self.see(format!("{text}:"));
        self.note(&result);
        result.ok()
    }

    /// Sends a request without noting anything.
    pub(crate) fn quietly(
        &mut self,
        connection: &mut Connection,
        text: &str,
    ) -> Result<Reply, Broken> {
        connection.send(&self.bytes(text));
        self.ended += 1;
        connection.reply(text.starts_with("HEAD "))
    }

    /// The bytes of a request of a table.
    pub(crate) fn bytes(&self, text: &str) -> Vec<u8> {
        ask(text, &self.domain, &self.token)
    }

    pub(crate) fn note(&mut self, result: &Result<Reply, Broken>) {
        self.ended += 1;
        match result {
            Err(broken) => self.see(format!("< {broken:?}")),
            Ok(reply) => {
                let interim: String =
                    reply.interim.iter().map(|it| format!(" (after {it})")).collect();
                self.see(format!(
                    "< {} {}{interim}, {}",
                    reply.version, reply.status, reply.framing
                ));
                let mut headers = reply.headers.clone();
                headers.sort_by(|one, two| one.0.cmp(&two.0));
                let body = without_transport(&shown(&reply.body));
                for (name, value) in headers {
                    // The length of a text that may hold the machine's own words.
                    let own_words = name == "content-length" && body.contains("reset reason");
                    let value =
                        if own_words { "<length>".to_owned() } else { plain(&name, &value, 0) };
                    self.see(format!("< {name}: {}", without_transport(&value)));
                }
                self.see(format!("< {body}"));
                for (name, value) in &reply.trailers {
                    self.see(format!("< trailer {name}: {value}"));
                }
            }
        }
    }

    /// Notes all that reached the upstreams.
    pub(crate) fn upstream(&mut self) {
        let all = self.upstreams.received(&self.token);
        self.see_received(&all);
    }

    /// Notes what reached the upstreams, once it is so many requests, in order of hosts.
    pub(crate) fn upstream_of(&mut self, n: usize) {
        let mut all =
            self.upstreams.wait(&self.token, n, self.patience.min(Duration::from_secs(3)));
        all.sort_by(|one, two| one.host.cmp(&two.host));
        self.see_received(&all);
    }

    fn see_received(&mut self, all: &[Received]) {
        for (n, one) in all.iter().enumerate() {
            self.see(format!("> {}: {}", one.host, one.line));
            let mut headers = one.headers.clone();
            headers.sort_by(|one, two| one.0.cmp(&two.0));
            for (name, value) in headers {
                self.see(format!("> {name}: {}", plain(&name, &value, n)));
            }
            if !one.body.is_empty() || one.chunked {
                let framing = if one.chunked { "chunked" } else { "length" };
                self.see(format!("> {framing}, {}", shown(&one.body)));
            }
            for (name, value) in &one.trailers {
                self.see(format!("> trailer {name}: {value}"));
            }
        }
    }
}

/// A body for people: its text when it is short.
fn shown(body: &[u8]) -> String {
    if body.len() > 400 {
        let sum =
            body.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
        return format!("{} bytes of body, sum {sum:x}", body.len());
    }
    format!("body {:?}", String::from_utf8_lossy(body))
}

/// A text without what the system said of a failed connection: whether `connect` fails at once or later,
/// and with that whether Envoy has words for it, depends on the machine.
fn without_transport(text: &str) -> String {
    let Some(at) = text.find(", transport failure reason: ") else { return text.to_owned() };
    let end = text[at..].find('"').map_or(text.len(), |end| at + end);
    format!("{}{}", &text[..at], &text[end..])
}

/// The address that this machine would dial out from.
fn own_address() -> &'static str {
    static OWN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    OWN.get_or_init(|| {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        // Nothing is sent; the system only looks for a way.
        let dialled = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
        dialled.map_or_else(|_| "0.0.0.0".to_owned(), |address| address.ip().to_string())
    })
}

/// A header's value without what differs from run to run.
pub(crate) fn plain(name: &str, value: &str, attempt: usize) -> String {
    match name.to_ascii_lowercase().as_str() {
        "date" => "<date>".to_owned(),
        "x-envoy-upstream-service-time" => "<ms>".to_owned(),
        // It shrinks with the time that earlier attempts took.
        "x-envoy-expected-rq-timeout-ms" if attempt > 0 => "<ms>".to_owned(),
        "x-request-id" if is_uuid(value) => format!("<uuid of kind {}>", &value[14..15]),
        // Envoy writes the machine's own address where the peer is on loopback.
        "x-forwarded-for" => value.replace(own_address(), "127.0.0.1"),
        _ => value.to_owned(),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The bytes of `METHOD TARGET | header: value | … || body`. Without a `host`, that of the case is
/// asked for; a body has a length unless the headers say otherwise.
pub(crate) fn ask(text: &str, domain: &str, token: &str) -> Vec<u8> {
    let (head, body) = text.split_once(" || ").unwrap_or((text, ""));
    let mut parts = head.split(" | ");
    let mut line = parts.next().unwrap_or_default().to_owned();
    if !line.ends_with("HTTP/1.0") {
        line += " HTTP/1.1";
    }
    let headers: Vec<&str> = parts.collect();
    let has = |name: &str| headers.iter().any(|it| it.to_ascii_lowercase().starts_with(name));
    let mut out = format!("{line}\r\n");
    if !has("host:") {
        out += &format!("host: {domain}\r\n");
    }
    for header in &headers {
        out += &format!("{header}\r\n");
    }
    out += &format!("x-case: {token}\r\n");
    if !body.is_empty() && !has("content-length:") && !has("transfer-encoding:") {
        out += &format!("content-length: {}\r\n", body.len());
    }
    out += "\r\n";
    out += body;
    out.into_bytes()
}
