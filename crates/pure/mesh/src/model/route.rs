//! Routing rules: what a VirtualService means.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Export, Origin};

/// Parts per million: how often something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(pub u32);

impl Share {
    /// Always.
    pub const ALL: Share = Share(1_000_000);
    /// Never.
    pub const NONE: Share = Share(0);
}

/// Where a rule applies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bind {
    /// All sidecars (the reserved word `mesh`).
    Mesh,
    /// One Gateway object.
    Gateway(Origin),
}

/// What one VirtualService means, short names completed and delegates inlined.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Routing {
    /// The object.
    pub origin: Origin,
    /// Creation stamp, RFC 3339; empty for an object that is not stored yet.
    pub created: String,
    /// Hosts it speaks for.
    pub hosts: Vec<String>,
    /// Where it applies.
    pub binds: Vec<Bind>,
    /// Who sees it.
    pub export: Export,
    /// Rules for HTTP, first match wins.
    pub http: Vec<HttpRule>,
    /// Rules for TLS that is not opened, by server name.
    pub tls: Vec<StreamRule>,
    /// Rules for bytes.
    pub tcp: Vec<StreamRule>,
}

/// One rule of the list `http`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpRule {
    /// The object that wrote it; a delegate's own name for a delegate's rule.
    pub origin: Origin,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Any of these; none means every request.
    pub matches: Vec<HttpMatch>,
    /// What happens.
    pub action: Action,
    /// Header edits of the rule.
    pub headers: HeaderEdits,
    /// Faults injected before the request leaves.
    pub fault: Fault,
    /// Cross-origin rules.
    pub cors: Option<Cors>,
}

/// All of these must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct HttpMatch {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Path without query.
    pub uri: Option<TextMatch>,
    /// Letter case of exact and prefix paths does not count.
    pub ignore_uri_case: bool,
    /// `:scheme`.
    pub scheme: Option<TextMatch>,
    /// `:method`.
    pub method: Option<TextMatch>,
    /// `:authority`, with the port that the client sent.
    pub authority: Option<TextMatch>,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, TextMatch>,
    /// Headers that must not match.
    pub without_headers: BTreeMap<String, TextMatch>,
    /// Query parameters.
    pub query: BTreeMap<String, TextMatch>,
    /// Prefix of the statistics of this match.
    pub stat_prefix: Option<String>,
    /// Decided when configuration is made, not by request.
    pub scope: Scope,
}

impl HttpMatch {
    /// Whether every request matches that the scope lets in.
    #[must_use]
    pub fn is_catch_all(&self) -> bool {
        let any_path = match &self.uri {
            None => true,
            Some(TextMatch::Prefix(prefix)) => prefix == "/",
            Some(TextMatch::Regex(regex)) => regex == "*" || regex == ".*" || regex == "/.*",
            Some(_) => false,
        };
        any_path
            && self.scheme.is_none()
            && self.method.is_none()
            && self.authority.is_none()
            && self.headers.is_empty()
            && self.without_headers.is_empty()
            && self.query.is_empty()
    }
}

/// Which proxies and listeners a match is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    /// Service port dialled.
    pub port: Option<u16>,
    /// Labels of the calling workload.
    pub source_labels: BTreeMap<String, String>,
    /// Namespace of the calling workload.
    pub source_namespace: Option<String>,
    /// Replaces the routing's own binds.
    pub binds: Option<Vec<Bind>>,
}

/// How a text must look.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TextMatch {
    /// The whole text.
    Exact(String),
    /// How it begins.
    Prefix(String),
    /// An RE2 expression over the whole text.
    Regex(String),
    /// It is there, whatever it says.
    Present,
}

/// What happens to a request that matched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// It goes on.
    Forward(Forward),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// The proxy answers.
    Answer(Answer),
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Forward {
    /// At least one; weights are relative, none of them zero when there are several.
    pub to: Vec<Weighted>,
    /// Path and authority changes.
    pub rewrite: Option<Rewrite>,
    /// Copies.
    pub mirrors: Vec<Mirror>,
    /// Time for the whole answer, retries included. `None` is unlimited.
    pub timeout: Option<Duration>,
    /// `None` is the mesh's default policy.
    pub retry: Option<Retry>,
}

/// One destination of several.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Weighted {
    /// Where.
    pub destination: Destination,
    /// Its relative weight.
    pub weight: u32,
    /// Header edits for this destination alone.
    pub headers: HeaderEdits,
}

/// A service, a part of it, a port of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// Full host name.
    pub host: String,
    /// Name of a subset.
    pub subset: Option<String>,
    /// Service port; `None` is the only one, or the port the client dialled.
    pub port: Option<u16>,
}

/// Changes of path and authority before forwarding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Rewrite {
    /// Replaces the matched prefix, or the whole path of any other match.
    pub uri: Option<String>,
    /// Replaces the authority.
    pub authority: Option<String>,
    /// RE2 expression and substitution.
    pub regex: Option<(String, String)>,
}

/// A copy of the request, whose answer is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mirror {
    /// Where.
    pub destination: Destination,
    /// How often.
    pub share: Share,
}

/// When and how a request is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Retry {
    /// Further tries; 0 switches retries off.
    pub attempts: u32,
    /// Time for each try.
    pub per_try: Option<Duration>,
    /// Envoy's condition names; empty is the mesh's default conditions.
    pub on: Vec<String>,
    /// Status codes.
    pub codes: Vec<u32>,
    /// Later tries may leave the locality.
    pub remote_localities: bool,
    /// Later tries may choose a host that failed before.
    pub may_repeat_hosts: bool,
    /// First pause; `None` is 25 ms.
    pub backoff: Option<Duration>,
}

/// Where the client is sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Redirect {
    /// Whole new path.
    pub uri: Option<String>,
    /// Replaces the matched prefix only.
    pub prefix: Option<String>,
    /// New authority.
    pub authority: Option<String>,
    /// New scheme.
    pub scheme: Option<String>,
    /// New port.
    pub port: RedirectPort,
    /// 301, 302, 303, 307 or 308.
    pub code: u32,
}

/// The port of a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RedirectPort {
    /// That of the new scheme, or none.
    #[default]
    OfScheme,
    /// This one.
    Number(u16),
    /// The one that the client dialled.
    OfRequest,
}

/// An answer by the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Answer {
    /// Status code.
    pub status: u32,
    /// Body.
    pub body: Option<Body>,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Body {
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// Header edits in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct HeaderEdits {
    /// On the way to the destination.
    pub request: Edits,
    /// On the way back.
    pub response: Edits,
    /// `host` or `:authority` among the request's edits: replaces the authority.
    pub authority: Option<String>,
}

/// Header edits in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Edits {
    /// Overwritten.
    pub set: BTreeMap<String, String>,
    /// Appended.
    pub add: BTreeMap<String, String>,
    /// Taken away.
    pub remove: Vec<String>,
}

/// Faults on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Fault {
    /// Pause.
    pub delay: Option<(Duration, Share)>,
    /// Refusal.
    pub abort: Option<(Abort, Share)>,
}

/// How a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Abort {
    /// HTTP status.
    Http(u32),
    /// gRPC status.
    Grpc(u32),
}

/// Cross-origin rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Cors {
    /// Origins let in.
    pub origins: Vec<TextMatch>,
    /// Methods let in.
    pub methods: Vec<String>,
    /// Request headers let in.
    pub headers: Vec<String>,
    /// Response headers shown.
    pub expose: Vec<String>,
    /// How long a browser may remember.
    pub max_age: Option<Duration>,
    /// Cookies and the like are let in.
    pub credentials: Option<bool>,
    /// Preflights that match no origin go to the application (the default) or are answered.
    pub forward_unmatched: bool,
}

/// One rule of the lists `tls` and `tcp`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamRule {
    /// Any of these; none means every connection.
    pub matches: Vec<StreamMatch>,
    /// Where, by weight.
    pub to: Vec<Weighted>,
}

/// All of these must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct StreamMatch {
    /// Server names of the TLS greeting; only in `tls`.
    pub names: Vec<String>,
    /// Destination networks, as written.
    pub destinations: Vec<String>,
    /// Decided when configuration is made.
    pub scope: Scope,
}
