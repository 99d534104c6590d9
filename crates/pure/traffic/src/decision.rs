//! What shall become of a request: everything that the codec has to do, as data.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use crate::{
    access::Permit,
    answer::Answer,
    attempt::Attempt,
    cluster::{FixedAnswer, Named},
    cors::Grant,
    edits::{self, Action, Edit, Editable, EditableHead, Headers, Outside, Value},
    fault::Fault,
    flags::Flags,
    format::Facts,
    head::{Head, Version},
    http::HttpSettings,
    inject::ActiveFault,
    manners::Manners,
    moment::Moment,
    peer::Peer,
    retry::RetryPolicy,
    route::{Forwarding, GrpcTimeout, HostRewrite, InternalOnly, Route, Target, Times},
    upstream::{Host, Seat},
};

/// What shall become of a request.
#[derive(Debug)]
pub enum Decision {
    /// It goes to a cluster.
    Forward(Box<Forward>),
    /// The proxy answers by itself.
    Answer(Box<Answer>),
}

/// A request that goes to a cluster, with all that is changed on the way.
#[derive(Debug)]
pub struct Forward {
    /// The name of the cluster; [`crate::Upstreams::of`] knows it.
    pub cluster: Arc<str>,
    /// The proof that the request was let through.
    pub permit: Permit,
    /// How long to wait before the request goes out: a delay that was injected.
    pub delay: Option<Duration>,
    /// Flags that are known already, such as `DI`.
    pub flags: Flags,
    /// Clusters that get a copy of the request, whose answers are thrown away.
    pub mirrors: Vec<Mirror>,
    pub(crate) route: Arc<Route>,
    pub(crate) settings: Arc<HttpSettings>,
    pub(crate) target: usize,
    pub(crate) path: Option<String>,
    pub(crate) original_path: Option<String>,
    pub(crate) authority: Authority,
    /// What the authority becomes before any edit; `None` keeps the one that came.
    pub(crate) normal_authority: Option<String>,
    pub(crate) version: Version,
    pub(crate) manners: Manners,
    pub(crate) times: Times,
    pub(crate) hash: Option<u64>,
    pub(crate) set_cookie: Option<String>,
    pub(crate) retry: Option<Arc<RetryPolicy>>,
    pub(crate) destination: Option<SocketAddr>,
    pub(crate) named: Option<Named>,
    pub(crate) cors: Option<Grant>,
    /// Counts among the requests that suffer, until this one is over.
    #[expect(dead_code, reason = "it counts by being there")]
    pub(crate) active: ActiveFault,
    /// Headers that the request may not have, since it comes from outside.
    pub(crate) internal_only: InternalOnly,
    pub(crate) tunnel: Tunnel,
}

/// What a request wants its connection to become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tunnel {
    /// It is HTTP to its end.
    #[default]
    No,
    /// A stream of another protocol, once the upstream has switched to it (101).
    Upgrade,
    /// A tunnel that the upstream makes (CONNECT, answered with 2xx).
    Connect,
    /// A tunnel that begins here: the upstream gets nothing but what comes out of it.
    Terminate,
}

impl Tunnel {
    /// Whether there is one.
    #[must_use]
    pub const fn is_wanted(self) -> bool {
        !matches!(self, Self::No)
    }

    /// Whether a response of this status makes the connection a stream of bytes.
    #[must_use]
    pub const fn opens_with(self, status: u16) -> bool {
        match self {
            Self::No => false,
            Self::Upgrade => status == 101,
            Self::Connect | Self::Terminate => 200 <= status && status < 300,
        }
    }
}

/// A copy of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The cluster that gets it.
    pub cluster: Arc<str>,
    /// The authority of the copy; `None` keeps that of the request.
    pub authority: Option<String>,
}

/// The authority of the request that goes out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    /// As it came.
    Keep,
    /// The name of the host that is picked.
    OfHost,
    /// This one.
    Rewritten(String),
}

/// What is known when the head of a response arrives, for [`Forward::edit_response`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseFacts<'a> {
    /// Its status.
    pub status: u16,
    /// From the last byte of the request to the head of the response; `None` for an answer of our own.
    pub service_time: Option<Duration>,
    /// How many attempts were made.
    pub attempts: u32,
    /// The host that answered, or failed to.
    pub host: Option<&'a Host>,
    /// Why the answer comes from elsewhere than the request was meant for; see [`Fault::refusal`].
    pub fallback: Option<&'static str>,
}

/// What surrounds a message that is edited.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The other end of the downstream connection.
    pub peer: &'a Peer,
    /// What values may tell of the world outside.
    pub outside: &'a dyn Outside,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("peer", self.peer).finish_non_exhaustive()
    }
}

impl Forward {
    /// Every cluster that the route may choose, with its weight, for `explain`.
    #[must_use]
    pub fn shares(&self) -> Vec<(&str, u64)> {
        let targets = &self.forwarding().targets;
        targets.iter().map(|target| (&*target.cluster, target.weight)).collect()
    }

    /// The name of the route; empty when it has none.
    #[must_use]
    pub fn route_name(&self) -> &str {
        &self.route.name
    }

    /// The name of the virtual host.
    #[must_use]
    pub fn virtual_host(&self) -> &str {
        &self.route.virtual_host
    }

    /// The path and query that go out, where they differ from those that came.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The same address with its port, which is 0 where it is not known.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.manners.remote_address
    }

    /// The address that the request really comes from, past trusted proxies.
    #[must_use]
    pub fn remote_address(&self) -> IpAddr {
        self.manners.remote
    }

    /// The random part of the `x-request-id` that was made for the request; `None` when it brought one.
    #[must_use]
    pub fn request_id(&self) -> Option<[u8; 16]> {
        self.manners.request_id
    }

    /// How long the whole exchange may take, retries included, from the end of the request on; `None` is no limit.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.times.timeout
    }

    /// How long one attempt may take until the head of the response; `None` is no limit.
    #[must_use]
    pub const fn per_try_timeout(&self) -> Option<Duration> {
        self.times.per_try
    }

    /// How long one attempt may be idle until the head of the response; `None` is no limit.
    #[must_use]
    pub fn per_try_idle_timeout(&self) -> Option<Duration> {
        self.forwarding().retry.as_ref().and_then(|policy| policy.per_try_idle_timeout)
    }

    /// How long the stream may be idle: the route's word, else the connection manager's; `None` is no limit.
    #[must_use]
    pub fn idle_timeout(&self) -> Option<Duration> {
        match self.forwarding().idle_timeout {
            Some(timeout) => (!timeout.is_zero()).then_some(timeout),
            None => self.settings.stream_idle_timeout,
        }
    }

    /// How long the request may live from its start, whatever happens; `None` is no limit, zero is over at once.
    #[must_use]
    pub const fn max_stream_duration(&self) -> Option<Duration> {
        self.times.life
    }

    /// How long the request may take to arrive as a whole; `None` is no limit.
    #[must_use]
    pub fn request_timeout(&self) -> Option<Duration> {
        self.settings.request_timeout
    }

    /// What the request wants its connection to become, and may.
    #[must_use]
    pub const fn tunnel(&self) -> Tunnel {
        self.tunnel
    }

    /// What is retried; `None` is nothing.
    #[must_use]
    pub const fn retry_policy(&self) -> Option<&Arc<RetryPolicy>> {
        self.retry.as_ref()
    }

    /// The first attempt.
    #[must_use]
    pub fn first_attempt(&self, now: Moment) -> Attempt {
        Attempt::first(now, self.retry_policy().cloned(), self.hash, self.destination)
            .to(self.named.clone())
    }

    /// Makes the request what leaves for the first attempt: all edits, in Envoy's order. `Err` says what no codec may send.
    ///
    /// Hop-by-hop headers (`connection`, `transfer-encoding`, `te`, …) stay as they are: framing is the codec's.
    ///
    /// # Errors
    ///
    /// When an edit of the route made such a header; the request must not be sent then.
    pub fn edit_request<M: EditableHead>(
        &self,
        message: &mut M,
        (now, attempt): (Moment, &Attempt),
        around: &Surroundings<'_>,
    ) -> Result<(), Fault> {
        if let Some(path) = self.original_path.as_deref().or(self.path.as_deref()) {
            message.set_path(path);
        }
        if let Some(authority) = &self.normal_authority {
            message.set_authority(authority);
        }
        edits::apply(message, self.manners.request_edits(&self.settings));
        edits::apply(message, self.internal_only.iter().map(Edit::remove));
        self.edit_attempt(message, (now, attempt));
        let list = self.target().request_edits.as_ref();
        let facts = Facts { attempts: attempt.number(), ..self.facts(around) };
        let mut wrong = list.and_then(|list| list.apply_of_target(message, None, &facts));
        if let Some(HostRewrite::Literal(host)) = &self.target().host_rewrite {
            message.set_authority(host);
        }
        wrong = wrong.or(list.and_then(|list| list.apply_of_others(message, None, &facts)));
        self.rewrite_host(message);
        if let (Some(old), Some(path)) = (&self.original_path, &self.path) {
            if self.talks() {
                message.set("x-envoy-original-path", old.as_bytes());
            }
            message.set_path(path);
        }
        wrong.map_or(Ok(()), |what| Err(Fault::InvalidHeader { what }))
    }

    /// What differs from attempt to attempt: how many there were, and the time that is left.
    pub fn edit_attempt<M: Editable>(&self, message: &mut M, (now, attempt): (Moment, &Attempt)) {
        let number = u64::from(attempt.number());
        // Retries have what the attempts before them left.
        let elapsed = if number == 1 { Duration::ZERO } else { now - attempt.started() };
        let expected = self.times.expected(elapsed);
        let grpc = match self.times.grpc {
            GrpcTimeout::Keep => None,
            GrpcTimeout::Expected => expected,
            GrpcTimeout::Fixed(time) => Some(time),
        };
        let grpc = grpc.map(|time| Edit::set("grpc-timeout", Value::GrpcTimeout(time)));
        let expected = expected.filter(|_| self.talks()).map(|timeout| {
            let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            Edit::set("x-envoy-expected-rq-timeout-ms", Value::Number(millis))
        });
        let count = self.forwarding().attempt_count_in_request;
        let count = count.then(|| Edit::set("x-envoy-attempt-count", Value::Number(number)));
        edits::apply(message, [grpc, expected, count].into_iter().flatten());
    }

    /// What follows from the host that was picked.
    pub fn edit_for_host<M: EditableHead>(&self, message: &mut M, seat: &Seat) {
        if let (Authority::OfHost, Some(name)) = (&self.authority, seat.host().hostname()) {
            self.set_authority(message, name);
        }
    }

    /// Rewrites the authority as the route says it. Unlike a name of the target, this is told.
    fn rewrite_host<M: EditableHead>(&self, message: &mut M) {
        let new = match (&self.forwarding().host_rewrite, &self.authority) {
            // Edits may have changed that header.
            (HostRewrite::Header(name), _) => {
                let value = message.header(name).and_then(|value| std::str::from_utf8(value).ok());
                value.filter(|value| !value.is_empty()).map(str::to_owned)
            }
            (HostRewrite::Keep | HostRewrite::OfHost, _) => None,
            (HostRewrite::Literal(host), _) => Some(String::from(&**host)),
            (HostRewrite::PathRegex(..), Authority::Rewritten(host)) => Some(host.clone()),
            (HostRewrite::PathRegex(..), _) => None,
        };
        if let Some(host) = new.filter(|host| !host.is_empty()) {
            self.set_authority(message, &host);
        }
    }

    fn set_authority<M: EditableHead>(&self, message: &mut M, host: &str) {
        let old = message.header(":authority").unwrap_or_default().to_vec();
        if self.forwarding().append_x_forwarded_host && !old.is_empty() {
            let told = message.header("x-forwarded-host");
            let last = told.and_then(|told| told.rsplit(|byte| *byte == b',').next());
            if last != Some(&old) {
                message.join("x-forwarded-host", &old, ",");
            }
        }
        if self.talks() {
            message.set("x-envoy-original-host", &old);
        }
        message.set_authority(host);
    }

    /// Edits the head of a response, in Envoy's order; `request` is what was sent for it.
    pub fn edit_response<M: Editable>(
        &self,
        message: &mut M,
        request: &dyn Headers,
        known: &ResponseFacts<'_>,
        around: &Surroundings<'_>,
    ) {
        if let Some(elapsed) = known.service_time.filter(|_| self.talks()) {
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            edits::apply(
                message,
                [Edit::set("x-envoy-upstream-service-time", Value::Number(millis))],
            );
        }
        edits::apply(message, self.told_fallback(known));
        if let Some(list) = &self.target().response_edits {
            let facts = Facts {
                status: known.status,
                answered: known.status,
                flags: self.flags,
                details: "via_upstream",
                attempts: known.attempts,
                host: known.host,
                ..self.facts(around)
            };
            list.apply(message, Some(request), &facts);
        }
        edits::apply(message, self.later_response_edits(known.attempts, request));
    }

    /// Where the answer does not come from where the request was meant to go.
    fn told_fallback(&self, known: &ResponseFacts<'_>) -> Option<Edit<'static>> {
        let why = known.fallback.filter(|_| self.talks())?;
        Some(Edit::set("x-lateen-fallback", Value::Bytes(why.as_bytes())))
    }

    /// What every response gets after the edits of the route.
    fn later_response_edits<'a>(
        &'a self,
        attempts: u32,
        request: &'a dyn Headers,
    ) -> impl Iterator<Item = Edit<'a>> {
        let count = self.forwarding().attempt_count_in_response && attempts != 0;
        let count =
            count.then(|| Edit::set("x-envoy-attempt-count", Value::Number(u64::from(attempts))));
        let cookie = self.set_cookie.as_deref().map(|cookie| Edit {
            action: Action::Append,
            name: "set-cookie",
            value: Value::Bytes(cookie.as_bytes()),
        });
        let id = request.header("x-request-id").map(Value::Bytes);
        let first = [count, cookie].into_iter().flatten();
        first.chain(self.cors.iter().flat_map(Grant::edits)).chain(self.settings.response_edits(id))
    }

    /// The answer to give when all attempts ended with a fault; `request` is what was sent, `head` what came.
    #[must_use]
    pub fn fault_answer(
        &self,
        (fault, flags): (&Fault, Flags),
        (request, head): (&dyn Headers, &Head<'_>),
        known: &ResponseFacts<'_>,
        around: &Surroundings<'_>,
    ) -> Answer {
        self.own_answer(fault.answer(known.attempts), flags, (request, head), known, around)
    }

    /// The answer to give in place of a refusal; the refusal itself where the fixed answer does not suit the request.
    #[must_use]
    pub fn fallback_answer(
        &self,
        fixed: &FixedAnswer,
        (fault, flags): (&Fault, Flags),
        (request, head): (&dyn Headers, &Head<'_>),
        known: &ResponseFacts<'_>,
        around: &Surroundings<'_>,
    ) -> Answer {
        let refusal = fault.answer(known.attempts);
        let mut known = *known;
        let answer = match fixed.in_place_of(&refusal, head.is_grpc()) {
            Some(answer) => {
                known.fallback = fault.refusal();
                answer
            }
            None => refusal,
        };
        self.own_answer(answer, flags, (request, head), &known, around)
    }

    fn own_answer(
        &self,
        mut answer: Answer,
        flags: Flags,
        (request, head): (&dyn Headers, &Head<'_>),
        known: &ResponseFacts<'_>,
        around: &Surroundings<'_>,
    ) -> Answer {
        answer.flags = self.flags.union(flags).union(answer.flags);
        self.route.name.clone_into(&mut answer.route);
        (*self.route.virtual_host).clone_into(&mut answer.virtual_host);
        (*self.cluster).clone_into(&mut answer.cluster);
        edits::apply(&mut answer.headers, self.told_fallback(known));
        if let Some(list) = &self.target().response_edits {
            let facts = Facts {
                answered: answer.status,
                flags: answer.flags,
                details: &answer.details,
                attempts: known.attempts,
                host: known.host,
                ..self.facts(around)
            };
            list.apply(&mut answer.headers, Some(request), &facts);
        }
        let mut answer = answer.suited_to(head);
        edits::apply(&mut answer.headers, self.later_response_edits(known.attempts, request));
        answer
    }

    fn facts<'a>(&'a self, around: &Surroundings<'a>) -> Facts<'a> {
        Facts {
            remote: self.manners.remote_address,
            version: self.version,
            route: &self.route.name,
            cluster: &self.cluster,
            ..Facts::new(around.peer, around.outside)
        }
    }

    /// Whether `x-envoy-…` headers are written.
    fn talks(&self) -> bool {
        !self.settings.suppress_envoy_headers
    }

    pub(crate) fn forwarding(&self) -> &Forwarding {
        self.route.forwarding().expect("only a route that forwards makes a Forward")
    }

    pub(crate) fn target(&self) -> &Target {
        &self.forwarding().targets[self.target]
    }
}
