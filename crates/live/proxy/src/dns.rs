//! Names to addresses over UDP, as resolv.conf says: bounded in time and size, cached by TTL.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::time::timeout;

use crate::socket::Dialer;

/// One question to one server.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// Rounds over all servers.
const ROUNDS: usize = 2;
/// Names kept; beyond it the cache starts anew.
const CACHED_NAMES: usize = 4096;
/// A name that does not exist is asked again after this long.
const NEGATIVE_TTL: Duration = Duration::from_secs(5);
/// An answer is believed this long at most, however long its TTL.
const LONGEST_TTL: Duration = Duration::from_secs(300);

/// Asks name servers.
#[derive(Debug)]
pub(crate) struct Resolver {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
    /// `/etc/hosts`.
    hosts: Vec<(String, IpAddr)>,
    dialer: Dialer,
    cache: Mutex<BTreeMap<String, (Instant, Resolved)>>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// In the server's order, IPv4 first; empty when the name does not exist.
    pub(crate) addresses: Vec<IpAddr>,
    /// How long that holds.
    pub(crate) ttl: Duration,
}

impl Resolver {
    /// Reads the machine's resolver files; without them 127.0.0.1 is asked, as libc does.
    pub(crate) fn from_system(dialer: Dialer) -> Resolver {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Resolver::new(&read("/etc/resolv.conf"), &read("/etc/hosts"), dialer)
    }

    /// From the text of `resolv.conf` and `hosts`.
    pub(crate) fn new(resolv: &str, hosts: &str, dialer: Dialer) -> Resolver {
        let mut resolver = Resolver {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            hosts: Vec::new(),
            dialer,
            cache: Mutex::default(),
        };
        for line in resolv.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(server_address);
                    resolver.servers.extend(address);
                }
                Some("search") => resolver.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    let ndots = words.find_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    resolver.ndots = ndots.unwrap_or(resolver.ndots);
                }
                _ => {}
            }
        }
        if resolver.servers.is_empty() {
            resolver.servers.push(([127, 0, 0, 1], 53).into());
        }
        for line in hosts.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse().ok()) else { continue };
            resolver.hosts.extend(words.map(|name| (name.to_ascii_lowercase(), address)));
        }
        resolver
    }

    /// Resolves a host name; an address stands for itself.
    ///
    /// An error means that no server answered in time; a name that does not exist is an empty list.
    pub(crate) async fn resolve(&self, host: &str) -> io::Result<Resolved> {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if let Ok(address) = host.parse() {
            return Ok(Resolved { addresses: vec![address], ttl: LONGEST_TTL });
        }
        let known: Vec<IpAddr> =
            self.hosts.iter().filter(|(name, _)| *name == host).map(|(_, ip)| *ip).collect();
        if !known.is_empty() {
            return Ok(Resolved { addresses: known, ttl: LONGEST_TTL });
        }
        if let Some(resolved) = self.cached(&host) {
            return Ok(resolved);
        }
        let mut resolved = Resolved { addresses: Vec::new(), ttl: NEGATIVE_TTL };
        for name in self.candidates(&host) {
            resolved = self.ask(&name).await?;
            if !resolved.addresses.is_empty() {
                break;
            }
        }
        let mut cache = self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if cache.len() >= CACHED_NAMES {
            cache.clear();
        }
        cache.insert(host, (Instant::now() + resolved.ttl, resolved.clone()));
        Ok(resolved)
    }

    fn cached(&self, host: &str) -> Option<Resolved> {
        let cache = self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (until, resolved) = cache.get(host)?;
        (*until > Instant::now()).then(|| resolved.clone())
    }

    /// The names to try, in order: search domains first for a name with few dots.
    fn candidates(&self, host: &str) -> Vec<String> {
        if let Some(absolute) = host.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{host}.{domain}"));
        if host.matches('.').count() >= self.ndots {
            std::iter::once(host.to_owned()).chain(searched).collect()
        } else {
            searched.chain([host.to_owned()]).collect()
        }
    }

    async fn ask(&self, name: &str) -> io::Result<Resolved> {
        let mut failure = io::Error::from(io::ErrorKind::TimedOut);
        for server in self.servers.iter().cycle().take(self.servers.len() * ROUNDS) {
            let both = async {
                tokio::try_join!(
                    self.ask_one(*server, name, RecordType::A),
                    self.ask_one(*server, name, RecordType::AAAA)
                )
            };
            match timeout(ASK_TIMEOUT, both).await {
                Ok(Ok((v4, v6))) => {
                    let mut addresses = v4.addresses;
                    addresses.extend(v6.addresses);
                    let ttl = if addresses.is_empty() { NEGATIVE_TTL } else { v4.ttl.min(v6.ttl) };
                    return Ok(Resolved { addresses, ttl });
                }
                Ok(Err(error)) => failure = error,
                Err(_) => {}
            }
        }
        Err(io::Error::new(failure.kind(), format!("resolving {name}: {failure}")))
    }

    async fn ask_one(
        &self,
        server: SocketAddr,
        name: &str,
        kind: RecordType,
    ) -> io::Result<Resolved> {
        let invalid = |error: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("name {name:?}: {error}"))
        };
        let mut query_name = Name::from_str(name).map_err(|error| invalid(&error))?;
        query_name.set_fqdn(true);
        // A fresh source port and a random id make blind forgery impractical (RFC 5452).
        let bytes = RandomState::new().hash_one(name).to_ne_bytes();
        let id = u16::from_ne_bytes([bytes[0], bytes[1]]);
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(query_name.clone(), kind));
        let socket = self.dialer.udp(server)?;
        socket.send(&message.to_vec().map_err(|error| invalid(&error))?).await?;
        let mut buf = vec![0; 4096];
        loop {
            let n = socket.recv(&mut buf).await?;
            let Ok(answer) = Message::from_vec(&buf[..n]) else { continue };
            let asked = answer.queries.first();
            let ours = answer.metadata.id == id
                && answer.metadata.message_type == MessageType::Response
                && asked.is_some_and(|q| q.query_type() == kind && *q.name() == query_name);
            if ours {
                return read_answer(&answer, name);
            }
        }
    }
}

fn read_answer(answer: &Message, name: &str) -> io::Result<Resolved> {
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        code => return Err(io::Error::other(format!("the server answered {code} for {name}"))),
    }
    // Record order is the server's; a CNAME chain's last records hold the addresses.
    let mut resolved = Resolved { addresses: Vec::new(), ttl: LONGEST_TTL };
    for record in &answer.answers {
        let address = match &record.data {
            RData::A(a) => IpAddr::V4(a.0),
            RData::AAAA(aaaa) => IpAddr::V6(aaaa.0),
            _ => continue,
        };
        resolved.addresses.push(address);
        resolved.ttl = resolved.ttl.min(Duration::from_secs(u64::from(record.ttl).max(1)));
    }
    Ok(resolved)
}

fn server_address(word: &str) -> Option<SocketAddr> {
    word.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)).or_else(|_| word.parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::Resolver;
    use crate::socket::Dialer;
    use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
    use hickory_proto::rr::{RData, Record, RecordType};
    use std::net::IpAddr;

    /// A name server that knows `a.b.svc` only; counts what it was asked.
    async fn server() -> (std::net::SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (asked, questions) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut buf = [0; 512];
            while let Ok((n, from)) = socket.recv_from(&mut buf).await {
                let query = Message::from_vec(&buf[..n]).unwrap();
                let question = query.queries[0].clone();
                let mut answer =
                    Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
                answer.add_query(question.clone());
                let name = question.name().to_string();
                if name == "a.b.svc." && question.query_type() == RecordType::A {
                    let data = RData::A(std::net::Ipv4Addr::new(10, 0, 0, 7).into());
                    answer.add_answer(Record::from_rdata(question.name().clone(), 60, data));
                } else if name != "a.b.svc." {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                }
                let _ = asked.send(name);
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        (address, questions)
    }

    #[tokio::test]
    async fn search_domains_are_tried_in_order_and_answers_are_kept() {
        let (address, mut questions) = server().await;
        let resolv = format!("nameserver {address}\nsearch x.svc b.svc\noptions ndots:5\n");
        let resolver = Resolver::new(&resolv, "127.0.0.1 localhost # here\n", Dialer::default());
        let seven: IpAddr = [10, 0, 0, 7].into();
        for _ in 0..3 {
            assert_eq!(resolver.resolve("a").await.unwrap().addresses, [seven]);
        }
        let mut asked = Vec::new();
        while let Ok(name) = questions.try_recv() {
            asked.push(name);
        }
        assert_eq!(asked, ["a.x.svc.", "a.x.svc.", "a.b.svc.", "a.b.svc."]);
        assert!(resolver.resolve("none.").await.unwrap().addresses.is_empty());
        let local: IpAddr = [127, 0, 0, 1].into();
        assert_eq!(resolver.resolve("localhost").await.unwrap().addresses, [local]);
        assert_eq!(resolver.resolve("10.0.0.7").await.unwrap().addresses, [seven]);
    }
}
