//! Values with `%OPERATORS%` in them. Spec: Envoy, "Custom request/response headers".

mod operator;
mod time;

use std::net::SocketAddr;

use operator::Operator;

use crate::{
    compile::Bad,
    edits::{Headers, Outside},
    flags::Flags,
    head::Version,
    peer::Peer,
    upstream::Host,
};

/// A value, prepared.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    /// It is always the same.
    Literal(Box<[u8]>),
    /// It is made anew each time.
    Format(Box<[Piece]>),
}

/// A part of a value.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Text(Box<str>),
    Operator(Operator),
}

/// What is known of an exchange when a value is made.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) peer: &'a Peer,
    /// Where the request really comes from, past trusted proxies.
    pub(crate) remote: SocketAddr,
    pub(crate) version: Version,
    pub(crate) route: &'a str,
    pub(crate) cluster: &'a str,
    /// The status that the upstream gave; 0 where there is none.
    pub(crate) status: u16,
    /// The status of the response that is edited; 0 where there is none yet.
    pub(crate) answered: u16,
    pub(crate) flags: Flags,
    pub(crate) details: &'a str,
    pub(crate) attempts: u32,
    /// The host that was picked.
    pub(crate) host: Option<&'a Host>,
    pub(crate) outside: &'a dyn Outside,
}

/// Where a value is made: the messages as they are at that moment, and what is known.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) request: &'a dyn Headers,
    pub(crate) response: Option<&'a dyn Headers>,
    pub(crate) facts: &'a Facts<'a>,
}

impl<'a> Facts<'a> {
    /// What is known when a request has arrived.
    pub(crate) const fn new(peer: &'a Peer, outside: &'a dyn Outside) -> Self {
        Self {
            peer,
            remote: peer.source,
            version: Version::Http11,
            route: "",
            cluster: "",
            status: 0,
            answered: 0,
            flags: Flags::NONE,
            details: "",
            attempts: 0,
            host: None,
            outside,
        }
    }
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("route", &self.route).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Scene<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Template {
    /// Reads a value; `%%` is a percent sign.
    pub(crate) fn parse(text: &str) -> Result<Self, Bad> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                literal.push('%');
                rest = after;
                continue;
            }
            let (operator, after) = Operator::parse(rest).map_err(|why| {
                Bad::new("", format!("{text:?} cannot be read at \"%{rest}\": {why}"))
            })?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
            }
            pieces.push(Piece::Operator(operator));
            rest = after;
        }
        literal.push_str(rest);
        if pieces.is_empty() {
            return Ok(Self::Literal(literal.into_bytes().into()));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal.into()));
        }
        Ok(Self::Format(pieces.into()))
    }

    /// Appends the value. What has none leaves nothing behind.
    pub(crate) fn write(&self, scene: &Scene<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Literal(text) => out.extend_from_slice(text),
            Self::Format(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                        Piece::Operator(operator) => operator.write(scene, out),
                    }
                }
            }
        }
    }
}
