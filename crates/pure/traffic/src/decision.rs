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
    cluster::FixedAnswer,
    cors::Grant,
    edits::{Action, Edit, Value},
    fault::Fault,
    flags::Flags,
    format::Rendered,
    head::Head,
    http::HttpSettings,
    inject::ActiveFault,
    manners::Manners,
    moment::Moment,
    retry::RetryPolicy,
    route::{Forwarding, GrpcTimeout, InternalOnly, Route, Target, Times},
    upstream::Seat,
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
    /// What came, where it is changed here.
    pub(crate) original_authority: Option<String>,
    pub(crate) tells_forwarded_host: bool,
    pub(crate) manners: Manners,
    pub(crate) rendered: Rendered,
    pub(crate) rendered_response: Rendered,
    pub(crate) times: Times,
    pub(crate) hash: Option<u64>,
    pub(crate) set_cookie: Option<String>,
    pub(crate) retry: Option<Arc<RetryPolicy>>,
    pub(crate) destination: Option<SocketAddr>,
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

/// What is known when the head of a response arrives, for [`Forward::response_edits`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseFacts {
    /// From the last byte of the request to the head of the response; `None` for an answer of our own.
    pub service_time: Option<Duration>,
    /// How many attempts were made.
    pub attempts: u32,
    /// The host that answered.
    pub upstream: Option<SocketAddr>,
    /// Why the answer comes from elsewhere than the request was meant for; see [`Fault::refusal`].
    pub fallback: Option<&'static str>,
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

    /// The authority that goes out, where it differs from the one that came.
    #[must_use]
    pub fn authority<'a>(&'a self, seat: &'a Seat) -> Option<&'a str> {
        match &self.authority {
            Authority::Keep => None,
            Authority::OfHost => seat.host().hostname(),
            Authority::Rewritten(authority) => Some(authority),
        }
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
    }

    /// The changes to the headers of the request, in order, for this attempt.
    ///
    /// Hop-by-hop headers (`connection`, `transfer-encoding`, `te`, …) are not among them: framing is the codec's.
    pub fn request_edits(&self, now: Moment, attempt: &Attempt) -> impl Iterator<Item = Edit<'_>> {
        let forwarding = self.forwarding();
        let talks = !self.settings.suppress_envoy_headers;
        let number = u64::from(attempt.number());
        // Retries have what the attempts before them left.
        let elapsed = if number == 1 { Duration::ZERO } else { now - attempt.started() };
        let expected = self.times.expected(elapsed);
        let grpc = match self.times.grpc {
            GrpcTimeout::Keep => None,
            GrpcTimeout::Expected => expected,
            GrpcTimeout::Fixed(time) => Some(time),
        };
        let count = forwarding.attempt_count_in_request.then_some(number);
        let target = self.target();
        self.manners
            .request_edits(&self.settings)
            .chain(self.internal_only.iter().map(Edit::remove))
            .chain(grpc.map(|time| Edit::set("grpc-timeout", Value::GrpcTimeout(time))))
            .chain(expected.filter(|_| talks).map(|timeout| {
                let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                Edit::set("x-envoy-expected-rq-timeout-ms", Value::Number(millis))
            }))
            .chain(count.map(|count| Edit::set("x-envoy-attempt-count", Value::Number(count))))
            .chain(target.request_edits.iter().flat_map(|list| list.edits(&self.rendered)))
            .chain(self.original_authority.as_deref().filter(|_| self.tells_forwarded_host).map(
                |authority| Edit {
                    action: Action::Join,
                    name: "x-forwarded-host",
                    value: Value::Bytes(authority.as_bytes()),
                },
            ))
            .chain(
                self.original_authority
                    .as_deref()
                    .filter(|_| talks)
                    .map(|old| Edit::set("x-envoy-original-host", Value::Bytes(old.as_bytes()))),
            )
            .chain(
                self.original_path
                    .as_deref()
                    .filter(|_| talks)
                    .map(|path| Edit::set("x-envoy-original-path", Value::Bytes(path.as_bytes()))),
            )
    }

    /// The changes to the headers of the response, in order.
    pub fn response_edits(&self, facts: &ResponseFacts) -> impl Iterator<Item = Edit<'_>> {
        let talks = !self.settings.suppress_envoy_headers;
        let forwarding = self.forwarding();
        let service_time = facts.service_time.filter(|_| talks).map(|elapsed| {
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            Edit::set("x-envoy-upstream-service-time", Value::Number(millis))
        });
        let fallback = facts
            .fallback
            .filter(|_| talks)
            .map(|why| Edit::set("x-lateen-fallback", Value::Bytes(why.as_bytes())));
        let attempts = forwarding
            .attempt_count_in_response
            .then(|| Edit::set("x-envoy-attempt-count", Value::Number(u64::from(facts.attempts))));
        service_time
            .into_iter()
            .chain(fallback)
            .chain(attempts)
            .chain(
                self.target()
                    .response_edits
                    .iter()
                    .flat_map(|list| list.edits(&self.rendered_response)),
            )
            .chain(self.set_cookie.as_deref().map(|cookie| Edit {
                action: Action::Append,
                name: "set-cookie",
                value: Value::Bytes(cookie.as_bytes()),
            }))
            .chain(self.cors.iter().flat_map(Grant::edits))
            .chain(self.settings.response_edits(self.manners.request_id))
    }

    /// The answer to give when so many attempts ended with a fault.
    #[must_use]
    pub fn fault_answer(
        &self,
        fault: &Fault,
        flags: Flags,
        attempts: u32,
        head: &Head<'_>,
    ) -> Answer {
        let facts = ResponseFacts { attempts, ..ResponseFacts::default() };
        self.own_answer(fault.answer_to(head, attempts), flags, &facts)
    }

    /// The answer to give in place of a refusal; the refusal itself where the fixed answer does not suit the request.
    #[must_use]
    pub fn fallback_answer(
        &self,
        fixed: &FixedAnswer,
        fault: &Fault,
        flags: Flags,
        attempts: u32,
        head: &Head<'_>,
    ) -> Answer {
        let refusal = fault.answer_to(head, attempts);
        let mut facts = ResponseFacts { attempts, ..ResponseFacts::default() };
        let answer = match fixed.in_place_of(&refusal, head.is_grpc()) {
            Some(answer) => {
                facts.fallback = fault.refusal();
                answer
            }
            None => refusal,
        };
        self.own_answer(answer, flags, &facts)
    }

    fn own_answer(&self, mut answer: Answer, flags: Flags, facts: &ResponseFacts) -> Answer {
        answer.flags = answer.flags.union(flags).union(self.flags);
        self.route.name.clone_into(&mut answer.route);
        (*self.route.virtual_host).clone_into(&mut answer.virtual_host);
        (*self.cluster).clone_into(&mut answer.cluster);
        answer.edit(self.response_edits(facts));
        answer
    }

    pub(crate) fn forwarding(&self) -> &Forwarding {
        self.route.forwarding().expect("only a route that forwards makes a Forward")
    }

    pub(crate) fn target(&self) -> &Target {
        &self.forwarding().targets[self.target]
    }
}
