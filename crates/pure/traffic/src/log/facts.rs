//! What is known of a request or a connection when it is over.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::{
    cluster::Cluster,
    flags::Flags,
    head::{Head, Header, Version},
    peer::Peer,
    upstream::Host,
};

/// What kind of record it is. Spec: Envoy `AccessLogType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// That of a listener about a connection.
    #[default]
    NotSet,
    /// A TCP connection ended.
    TcpConnectionEnd,
    /// A request ended.
    DownstreamEnd,
}

impl Kind {
    /// Envoy's name and number.
    pub(crate) const fn name(self) -> (&'static str, i32) {
        match self {
            Self::NotSet => ("NotSet", 0),
            Self::TcpConnectionEnd => ("TcpConnectionEnd", 3),
            Self::DownstreamEnd => ("DownstreamEnd", 6),
        }
    }
}

/// When things happened, counted from the beginning of the request or connection; `None` is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The last byte of the request had arrived.
    pub request: Option<Duration>,
    /// A connection to the upstream was begun; `None` where one was there already.
    pub connecting: Option<Duration>,
    /// The upstream's connection was ready.
    pub connected: Option<Duration>,
    /// The first byte went to the upstream.
    pub sending: Option<Duration>,
    /// The last byte went to the upstream.
    pub sent: Option<Duration>,
    /// The head of the upstream's response arrived.
    pub answered: Option<Duration>,
    /// The last byte of the upstream's response arrived.
    pub received: Option<Duration>,
    /// The first byte went back.
    pub responding: Option<Duration>,
    /// The last byte went back.
    pub responded: Option<Duration>,
    /// All was over.
    pub ended: Option<Duration>,
}

/// The upstream host that was tried last.
#[derive(Clone, Copy, Debug)]
pub struct Contact<'a> {
    /// The host.
    pub host: &'a Host,
    /// Our end of the connection to it, where there was one.
    pub local: Option<SocketAddr>,
    /// The version of HTTP spoken with it, where it was HTTP.
    pub protocol: Option<Version>,
}

/// What is known of a request or a connection when it is over; what is empty or `None` is not known.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Which kind of record is wanted.
    pub kind: Kind,
    /// When it began, since 1970.
    pub began: Duration,
    /// When things happened since then.
    pub times: Times,
    /// The head of the request, as it went on.
    pub head: Option<&'a Head<'a>>,
    /// The headers of the response, as they went back.
    pub response: &'a [Header<'a>],
    /// The trailers of the response.
    pub trailers: &'a [Header<'a>],
    /// What the downstream speaks.
    pub protocol: Option<Version>,
    /// The status; 0 where none was sent.
    pub status: u16,
    /// Why that status.
    pub details: &'a str,
    /// What went wrong.
    pub flags: Flags,
    /// Why the connection was closed.
    pub termination: &'a str,
    /// Bytes of body from the downstream.
    pub received: u64,
    /// Bytes of body to the downstream.
    pub sent: u64,
    /// Who connected.
    pub peer: &'a Peer,
    /// Where the connection arrived, before its original destination was restored.
    pub local: SocketAddr,
    /// Whom the request came from, past trusted proxies.
    pub remote: SocketAddr,
    /// The server name that detection found.
    pub server_name: &'a str,
    /// The cluster that was chosen.
    pub cluster: Option<&'a Cluster>,
    /// The host that was tried last.
    pub contact: Option<Contact<'a>>,
    /// How many attempts there were.
    pub attempts: u32,
    /// What the transport said of a connection that failed.
    pub failure: &'a str,
    /// The name of the route.
    pub route: &'a str,
    /// The name of the filter chain.
    pub chain: &'a str,
    /// The number of the downstream's connection.
    pub connection: u64,
    /// The name of this machine.
    pub hostname: &'a str,
    /// What names a connection of bytes, as a request is named by its id.
    pub stream: Option<[u8; 16]>,
}

impl<'a> Facts<'a> {
    /// A record of this kind about this peer, of which nothing else is known yet.
    #[must_use]
    pub fn new(kind: Kind, peer: &'a Peer) -> Self {
        Self {
            kind,
            began: Duration::ZERO,
            times: Times::default(),
            head: None,
            response: &[],
            trailers: &[],
            protocol: None,
            status: 0,
            details: "",
            flags: Flags::NONE,
            termination: "",
            received: 0,
            sent: 0,
            peer,
            local: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
            remote: peer.source,
            server_name: "",
            cluster: None,
            contact: None,
            attempts: 0,
            failure: "",
            route: "",
            chain: "",
            connection: 0,
            hostname: "",
            stream: None,
        }
    }

    /// The number of the gRPC status, if there is one.
    pub(crate) fn grpc_status(&self) -> Option<i64> {
        let of = |list: &[Header<'_>]| {
            let found = list.iter().find(|header| header.name == "grpc-status")?;
            std::str::from_utf8(found.value).ok()?.trim().parse().ok()
        };
        let derived = || (self.status != 0).then(|| crate::answer::grpc_status(self.status).into());
        of(self.trailers).or_else(|| of(self.response)).or_else(derived)
    }
}
