//! Decisions about one connection or one request: what Envoy would decide, without a socket.
//!
//! Configuration goes in as xDS resources ([`Config`]) and comes out as an immutable [`Table`]. A connection asks the table
//! for its [`Listener`] and [`Chain`]; a request asks its [`HttpChain`] for a [`Decision`]. What changes while traffic flows
//! (load, ejections, breakers, counters) lives in [`Upstreams`], keyed by cluster, and outlives tables.
//!
//! Invariant: this room knows no object of Kubernetes, no socket and no clock; time ([`Moment`]) and chance ([`Dice`]) are
//! arguments. Invariant: no [`Permit`], no [`Seat`]; only [`access`] makes permits.

pub mod access;
pub mod address;
pub mod answer;
pub mod attempt;
mod chains;
pub mod cluster;
mod compile;
pub mod config;
mod cors;
pub mod decision;
pub mod detect;
pub mod dice;
pub mod edits;
pub mod fault;
pub mod flags;
mod format;
mod hash;
pub mod head;
pub mod http;
mod inject;
pub mod inline;
mod levels;
pub mod listener;
pub mod log;
mod manners;
mod matcher;
pub mod moment;
mod path;
pub mod peer;
pub mod retry;
mod route;
pub mod table;
pub mod tcp;
pub mod tls;
pub mod upstream;

pub use access::Permit;
pub use address::Address;
pub use answer::Answer;
pub use attempt::{Attempt, Next};
pub use cluster::Cluster;
pub use config::{Config, Rejection};
pub use decision::{Decision, Forward, Mirror, ResponseFacts, Surroundings, Tunnel};
pub use detect::{Detected, Inspect, Verdict};
pub use dice::Dice;
pub use edits::{Action, Edit, Editable, EditableHead, Headers, Nowhere, Outside, Value};
pub use fault::{Fault, Outcome};
pub use flags::{Flag, Flags};
pub use head::{Head, Header, Version};
pub use http::HttpChain;
pub use inline::Side;
pub use listener::{Chain, Listener};
pub use log::Log;
pub use moment::Moment;
pub use peer::{Peer, PeerTls};
pub use table::Table;
pub use tcp::{TcpChain, TcpDecision, TcpForward};
pub use tls::{ClientTls, Secret, ServerTls};
pub use upstream::{Connection, Host, Lookup, Refusal, Seat, Stats, Upstream, Upstreams, Waiting};
