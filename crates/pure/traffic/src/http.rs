//! A chain that speaks HTTP: its settings, and the decision about one request.

mod overlay;
mod settings;

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU32},
};

use overlay::Overlay;
pub use settings::{Codec, Http2Settings, HttpSettings, ServerHeader, Underscores};
pub(crate) use settings::{refuse_http1, split_port};

use crate::{
    access,
    answer::Answer,
    cluster::{Cluster, Discovery, Named},
    cors::{self, Grant, Verdict},
    decision::{Authority, Decision, Forward, Mirror, Tunnel},
    dice::Dice,
    edits::{self, Edit, Editable as _, Nowhere, Outside, Value},
    flags::{Flag, Flags},
    format::Facts,
    hash::{self, Sender},
    head::{Head, Header, Version},
    inject::{ActiveFault, FaultPolicy},
    levels::EditList,
    manners::Manners,
    path::Normal,
    peer::Peer,
    route::{Action, Forwarding, HostRewrite, InternalOnly, PerFilter, Route, Routes},
    table::Table,
};

/// A chain that speaks HTTP. Spec: Envoy `HttpConnectionManager`.
#[derive(Debug)]
pub struct HttpChain {
    pub(crate) settings: Arc<HttpSettings>,
    pub(crate) routes: RouteSource,
    pub(crate) filters: Vec<Filter>,
}

/// Where the routes of a chain are.
#[derive(Debug)]
pub(crate) enum RouteSource {
    /// In the listener.
    Inline(Arc<Routes>),
    /// In a resource of this name.
    Named(Arc<str>),
}

/// One HTTP filter before the router.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) name: Box<str>,
    pub(crate) kind: FilterKind,
    pub(crate) disabled: bool,
}

/// What a filter does.
#[derive(Debug)]
pub(crate) enum FilterKind {
    /// With how many requests suffer by it now.
    Fault(Arc<FaultPolicy>, Arc<AtomicU32>),
    Cors,
    /// Names of hosts are looked up, for clusters whose hosts these are.
    Named,
}

/// A request while it is decided.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    /// With the path made normal and the scheme known.
    head: &'a Head<'a>,
    peer: &'a Peer,
    manners: &'a Manners,
    random: u64,
    outside: &'a dyn Outside,
}

/// What the filters left behind.
#[derive(Default)]
struct Filtered {
    cors: Option<Grant>,
    delay: Option<std::time::Duration>,
    flags: Flags,
    active: ActiveFault,
    /// The authority by which the host is looked up; `None` where nobody looks it up.
    named: Option<Authority>,
}

impl HttpChain {
    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Arc<HttpSettings> {
        &self.settings
    }

    /// The name of the route configuration, where it is a resource of its own.
    #[must_use]
    pub fn route_config_name(&self) -> Option<&str> {
        match &self.routes {
            RouteSource::Named(name) => Some(name),
            RouteSource::Inline(_) => None,
        }
    }

    /// Decides about one request, of which no value tells the time.
    pub fn decide(&self, table: &Table, head: &Head<'_>, peer: &Peer, dice: &mut Dice) -> Decision {
        self.decide_in(&Nowhere, table, head, peer, dice)
    }

    /// Decides about one request. Values of answers may tell of the world outside.
    pub fn decide_in(
        &self,
        outside: &dyn Outside,
        table: &Table,
        head: &Head<'_>,
        peer: &Peer,
        dice: &mut Dice,
    ) -> Decision {
        let came = head;
        let mut head = *came;
        if head.has_no_host
            && head.version == Version::Http10
            && !self.settings.default_host_for_http_10.is_empty()
        {
            head.authority = &self.settings.default_host_for_http_10;
            head.has_no_host = false;
        }
        let head = &head;
        if let Some(answer) = self.refusal(head) {
            return self.answer(answer, head);
        }
        let is_path = head.path.starts_with('/');
        let path = match self.settings.normalization.apply(head.path) {
            Normal::Path(path) if is_path => path,
            Normal::Redirect(path) if is_path => {
                let mut answer = Answer::new(307, "", Flags::NONE, "path_normalization_failed");
                answer.headers.push((Cow::Borrowed("location"), path.into_bytes()));
                return self.answer(answer, head);
            }
            Normal::Rejected if is_path => {
                let answer = Answer::new(400, "", Flags::NONE, "path_normalization_failed");
                return self.answer(answer.last(), head);
            }
            _ => Cow::Borrowed(head.path),
        };
        let manners = Manners::of(head, peer, &self.settings, dice);
        let scheme = if head.scheme.is_empty() { manners.scheme(head) } else { head.scheme };
        let authority = self.settings.strip_port(head.authority, peer);
        let routes = match &self.routes {
            RouteSource::Inline(routes) => Some(routes),
            RouteSource::Named(name) => table.routes(name),
        };
        let internal = routes.filter(|_| !manners.is_internal).map(|routes| &routes.internal_only);
        let internal = internal.filter(|names| head.headers.iter().any(|it| names.has(it.name)));
        let kept: Vec<Header<'_>> = internal.map_or_else(Vec::new, |names| {
            head.headers.iter().filter(|header| !names.has(header.name)).copied().collect()
        });
        let headers = if internal.is_some() { &kept } else { head.headers };
        let seen = Head { path: &path, scheme, authority, headers, ..*head };
        let random = dice.roll();
        let arrival = Arrival { head: &seen, peer, manners: &manners, random, outside };
        let decision = self.route((table, routes), &arrival, dice);
        match decision {
            Decision::Forward(mut forward) => {
                forward.internal_only = internal.cloned().unwrap_or_default();
                if let Cow::Owned(path) = path {
                    forward.path.get_or_insert(path);
                }
                if forward.normal_authority.is_none() && authority.len() != came.authority.len() {
                    forward.normal_authority = Some(authority.to_owned());
                }
                Decision::Forward(forward)
            }
            Decision::Answer(mut answer) => {
                if !self.settings.logs.is_empty() {
                    answer.manners = Some(Box::new((manners, Arc::clone(&self.settings))));
                }
                Decision::Answer(answer)
            }
        }
    }

    /// What is wrong with the head itself.
    fn refusal(&self, head: &Head<'_>) -> Option<Answer> {
        if head.version == Version::Http10 && !self.settings.accept_http_10 {
            let flag = Flag::DownstreamProtocolError;
            return Some(Answer::new(426, "Upgrade Required", flag, "low_version").last());
        }
        if head.has_no_host {
            return Some(Answer::new(400, "", Flags::NONE, "missing_host_header").last());
        }
        // A fragment is the client's alone. Who sends one means to hide a path behind it.
        if head.path.contains('#') {
            return Some(Answer::new(400, "", Flags::NONE, "path_normalization_failed").last());
        }
        if head.method == "CONNECT" || head.path.starts_with('/') {
            return None;
        }
        let details =
            if head.path.is_empty() { "missing_path_rejected" } else { "absolute_path_rejected" };
        Some(Answer::new(404, "", Flags::NONE, details))
    }

    /// Finds the route and asks the filters.
    fn route(
        &self,
        (table, routes): (&Table, Option<&Arc<Routes>>),
        arrival: &Arrival<'_>,
        dice: &mut Dice,
    ) -> Decision {
        let head = arrival.head;
        let found = routes.and_then(|routes| routes.find(head, arrival.peer, arrival.random));
        let upgrade = head.upgrade().filter(|protocol| !protocol.eq_ignore_ascii_case(b"h2c"));
        let is_connect = head.method == "CONNECT";
        let Some(route) = found else {
            let answer = Answer::new(404, "", Flag::NoRouteFound, "route_not_found");
            return self.answer_to(answer, arrival, None);
        };
        if upgrade.is_some() || is_connect {
            let protocol = upgrade.unwrap_or(b"CONNECT");
            let of_route = route.forwarding().and_then(|it| it.allows_upgrade(protocol));
            if !of_route.unwrap_or_else(|| self.settings.allows_upgrade(protocol)) {
                let mut answer = Answer::new(403, "", Flags::NONE, "upgrade_failed");
                let target = route.forwarding().map(|forwarding| {
                    let target = forwarding.pick(head, arrival.random, None);
                    forwarding.targets[target].cluster_of(head)
                });
                // What a client names is no label for metrics until it is known to exist.
                let target = target.filter(|target| table.cluster(target).is_some());
                name(&mut answer, route, target.as_deref().unwrap_or_default());
                return self.answer_to(answer.last(), arrival, None);
            }
        }
        match &route.action {
            Action::Answer(direct) => {
                let edits = direct.response_edits().as_deref();
                // The edits of a route that answers are for its own answers alone.
                if let Err((mut answer, _)) = self.filter(route, None, arrival, dice) {
                    name(&mut answer, route, "");
                    return self.answer_to(*answer, arrival, None);
                }
                let mut answer = direct.answer(route, head);
                name(&mut answer, route, "");
                let path = direct.rewritten_path(route, head);
                self.edit(&mut answer, edits, (arrival, route, ""), path);
                self.answer_to(answer, arrival, None)
            }
            Action::Forward(forwarding) => {
                let mut decision = self.forward(table, route, forwarding, arrival, dice);
                if let Decision::Forward(forward) = &mut decision {
                    forward.tunnel = match (is_connect, upgrade) {
                        (true, _) if forwarding.ends_connect => Tunnel::Terminate,
                        (true, _) => Tunnel::Connect,
                        (false, Some(_)) => Tunnel::Upgrade,
                        (false, None) => Tunnel::No,
                    };
                }
                decision
            }
        }
    }

    /// A request that goes to a cluster.
    fn forward(
        &self,
        table: &Table,
        route: &Arc<Route>,
        forwarding: &Forwarding,
        arrival: &Arrival<'_>,
        dice: &mut Dice,
    ) -> Decision {
        let Arrival { head, peer, manners, random, .. } = *arrival;
        let sender = Sender { remote: manners.remote, connection: (peer.source, peer.destination) };
        let (hash, set_cookie) = hash::hash(&forwarding.hash, head, &sender);
        let target = forwarding.pick(head, random, hash);
        let chosen = &forwarding.targets[target];
        let cluster_name = chosen.cluster_of(head);
        // What a client names is no label for metrics until it is known to exist.
        let known = table.cluster(&cluster_name).is_some() || chosen.cluster_header.is_none();
        let label = if known { &*cluster_name } else { "" };
        let filtered = match self.filter(route, Some((target, &cluster_name)), arrival, dice) {
            Ok(filtered) => filtered,
            Err((mut answer, cors)) => {
                name(&mut answer, route, label);
                if answer.details != cors::PREFLIGHT {
                    let edits = chosen.response_edits.as_deref();
                    self.edit(&mut answer, edits, (arrival, route, &cluster_name), None);
                }
                return self.answer_to(*answer, arrival, cors.as_ref());
            }
        };
        let permit = match access::check(Some(head), peer) {
            Ok(permit) => permit,
            Err(answer) => return self.answer_to(*answer, arrival, None),
        };
        let Some(cluster) = table.cluster(&cluster_name) else {
            let status = forwarding.cluster_not_found;
            let mut answer = Answer::new(status, "", Flag::NoClusterFound, "cluster_not_found");
            name(&mut answer, route, label);
            let edits = chosen.response_edits.as_deref();
            self.edit(&mut answer, edits, (arrival, route, ""), None);
            return self.answer_to(answer, arrival, filtered.cors.as_ref());
        };
        let destination = destination(cluster, head, peer);
        if let Some(mut answer) = own_listener(table, cluster, destination, peer) {
            name(&mut answer, route, label);
            let edits = chosen.response_edits.as_deref();
            self.edit(&mut answer, edits, (arrival, route, &cluster_name), None);
            return self.answer_to(answer, arrival, filtered.cors.as_ref());
        }
        let path = forwarding.path_rewrite.apply(head.path, &route.matcher.path);
        let authority = match (forwarding.host_rewrite.apply(head), &chosen.host_rewrite) {
            (Authority::Keep, Some(of_target)) => of_target.apply(head),
            (of_route, _) => of_route,
        };
        let (named, normal_authority) = named(cluster, filtered.named, head, &authority);
        let may_ask = manners.is_internal;
        let retry = forwarding.retry_policy(head, may_ask);
        let per_try = forwarding.retry.as_ref().and_then(|policy| policy.per_try_timeout);
        let life = self.settings.max_stream_duration;
        Decision::Forward(Box::new(Forward {
            cluster: Arc::clone(&cluster_name),
            permit,
            delay: filtered.delay,
            flags: filtered.flags,
            mirrors: self.mirrors(forwarding, head, &authority, dice),
            route: Arc::clone(route),
            settings: Arc::clone(&self.settings),
            target,
            original_path: path.as_ref().map(|_| head.path.to_owned()),
            path,
            authority,
            normal_authority,
            version: head.version,
            manners: manners.clone(),
            times: forwarding.limits.of(head, may_ask, per_try, life),
            hash,
            // Where nothing is hashed a cookie would say nothing.
            set_cookie: set_cookie.filter(|_| cluster.hashes()),
            retry,
            destination,
            named,
            cors: filtered.cors,
            active: filtered.active,
            internal_only: InternalOnly::default(),
            tunnel: Tunnel::No,
        }))
    }

    /// Asks the filters in order. An error is the answer of a filter, and the permission that it has to state.
    fn filter(
        &self,
        route: &Route,
        target: Option<(usize, &str)>,
        arrival: &Arrival<'_>,
        dice: &mut Dice,
    ) -> Result<Filtered, (Box<Answer>, Option<Grant>)> {
        let mut filtered = Filtered::default();
        let (target, cluster) = (target.map(|(at, _)| at), target.map_or("", |(_, name)| name));
        for filter in &self.filters {
            let own = route.per_filter(target, &filter.name);
            match own {
                Some(PerFilter::Disabled) => continue,
                None if filter.disabled => continue,
                _ => {}
            }
            match &filter.kind {
                FilterKind::Fault(of_chain, count) => {
                    let policy = match own {
                        Some(PerFilter::Fault(policy)) => policy,
                        _ => of_chain,
                    };
                    let injected = policy.strike(arrival.head, cluster, count, dice);
                    if injected.delay.is_some() {
                        filtered.delay = injected.delay;
                        filtered.flags.insert(Flag::DelayInjected);
                    }
                    filtered.active = injected.active;
                    if let Some(mut answer) = injected.abort {
                        answer.delay = filtered.delay;
                        answer.flags = filtered.flags.union(answer.flags);
                        answer.active = filtered.active;
                        return Err((Box::new(answer), filtered.cors));
                    }
                }
                FilterKind::Named => {
                    filtered.named = Some(match own {
                        Some(PerFilter::Named(rewrite)) => rewrite.apply(arrival.head),
                        _ => Authority::Keep,
                    });
                }
                // It looks at requests that go to a cluster only.
                FilterKind::Cors if target.is_none() => {}
                FilterKind::Cors => {
                    let Some(PerFilter::Cors(policy)) = own else { continue };
                    match policy.judge(arrival.head, dice.roll()) {
                        Verdict::Pass => {}
                        Verdict::Grant(grant) => filtered.cors = Some(grant),
                        Verdict::Answer(mut answer) => {
                            answer.delay = filtered.delay;
                            answer.flags = filtered.flags.union(answer.flags);
                            return Err((Box::new(answer), None));
                        }
                    }
                }
            }
        }
        Ok(filtered)
    }

    fn mirrors(
        &self,
        forwarding: &Forwarding,
        head: &Head<'_>,
        authority: &Authority,
        dice: &mut Dice,
    ) -> Vec<Mirror> {
        forwarding
            .mirrors
            .iter()
            .filter(|mirror| mirror.share.holds(dice.roll()))
            .filter_map(|mirror| {
                let authority = match authority {
                    Authority::Rewritten(authority) => authority,
                    _ => head.authority,
                };
                let cluster = mirror.cluster_of(head)?;
                Some(Mirror { cluster, authority: mirror.host(authority) })
            })
            .collect()
    }

    /// Edits an answer as its route says. `path` is what the answer made of the path of the request.
    fn edit(
        &self,
        answer: &mut Answer,
        edits: Option<&EditList>,
        (arrival, route, cluster): (&Arrival<'_>, &Route, &str),
        path: Option<String>,
    ) {
        let Some(edits) = edits else { return };
        let facts = Facts {
            remote: arrival.manners.remote_address,
            version: arrival.head.version,
            route: &route.name,
            cluster,
            answered: answer.status,
            flags: answer.flags,
            details: &answer.details,
            ..Facts::new(arrival.peer, arrival.outside)
        };
        // Only values that look at the request need it as it is after what the connection manager did to it.
        let mut request = Overlay::new(arrival.head);
        if edits.has_formats() {
            request.take_headers();
            edits::apply(&mut request, arrival.manners.request_edits(&self.settings));
            if let Some(path) = path {
                if !self.settings.suppress_envoy_headers {
                    request.set("x-envoy-original-path", arrival.head.path.as_bytes());
                }
                request.path = Some(path);
            }
        }
        edits.apply(&mut answer.headers, Some(&request), &facts);
    }

    /// An answer to what is no request, with the headers that every response of this chain has.
    fn answer(&self, answer: Answer, head: &Head<'_>) -> Decision {
        let mut answer = answer.suited_to(head);
        edits::apply(&mut answer.headers, self.settings.response_edits(None));
        Decision::Answer(Box::new(answer))
    }

    /// The same to a request, with a permission that the response has to state.
    fn answer_to(&self, answer: Answer, arrival: &Arrival<'_>, cors: Option<&Grant>) -> Decision {
        let head = arrival.head;
        // The answer to a preflight is no error that gRPC would have its own form for.
        let mut answer =
            if answer.details == cors::PREFLIGHT { answer } else { answer.suited_to(head) };
        edits::apply(&mut answer.headers, cors.into_iter().flat_map(Grant::edits));
        let id = arrival.manners.request_id.map(Value::Uuid);
        let id = id.or_else(|| head.header("x-request-id").map(Value::Bytes));
        edits::apply(&mut answer.headers, self.settings.response_edits(id));
        Decision::Answer(Box::new(answer))
    }

    /// The headers that a response of our own gets when live makes it: `server`, `via`.
    pub fn response_edits(&self) -> impl Iterator<Item = Edit<'_>> {
        self.settings.response_edits(None)
    }
}

/// Where a cluster that goes where the downstream wants to go shall go.
fn destination(cluster: &Cluster, head: &Head<'_>, peer: &Peer) -> Option<SocketAddr> {
    match &cluster.discovery {
        Discovery::OriginalDst { header: Some(header), .. } => {
            let named = head.header(header).and_then(|value| std::str::from_utf8(value).ok());
            // Without the header the connection decides, as without this rule.
            named.and_then(|text| text.trim().parse().ok()).or(peer.original_destination())
        }
        _ => peer.original_destination(),
    }
}

/// The answer where a request would come back to the proxy that sends it, again and again.
fn own_listener(
    table: &Table,
    cluster: &Cluster,
    destination: Option<SocketAddr>,
    peer: &Peer,
) -> Option<Answer> {
    let Discovery::OriginalDst { port, .. } = &cluster.discovery else { return None };
    let mut address = destination?;
    address.set_port(port.unwrap_or(address.port()));
    table.listens_at(address, peer).then(|| {
        let details = "original_dst_is_own_listener";
        Answer::new(503, "no healthy upstream", Flag::NoHealthyUpstream, details)
    })
}

/// Notes in an answer which route gave it.
fn name(answer: &mut Answer, route: &Route, cluster: &str) {
    route.name.clone_into(&mut answer.route);
    (*route.virtual_host).clone_into(&mut answer.virtual_host);
    cluster.clone_into(&mut answer.cluster);
}

/// What a cluster shall look up, if it does: the authority that goes out. Where the filter has another name than the
/// request, that one takes the place of the request's before the route rewrites it; it is given back, too.
fn named(
    cluster: &Cluster,
    filtered: Option<Authority>,
    head: &Head<'_>,
    authority: &Authority,
) -> (Option<Named>, Option<String>) {
    let (Discovery::Named(_), Some(filtered)) = (&cluster.discovery, filtered) else {
        return (None, None);
    };
    let instead = match filtered {
        Authority::Rewritten(name) => Some(name),
        _ => None,
    };
    let outgoing = match authority {
        Authority::Rewritten(name) => name,
        _ => instead.as_deref().unwrap_or(head.authority),
    };
    (Named::read(outgoing, 80), instead)
}

impl HostRewrite {
    fn apply(&self, head: &Head<'_>) -> Authority {
        match self {
            Self::Keep => Authority::Keep,
            Self::OfHost => Authority::OfHost,
            Self::Literal(host) => Authority::Rewritten(String::from(&**host)),
            Self::Header(name) => match head.header(name).map(std::str::from_utf8) {
                Some(Ok(value)) if !value.is_empty() => Authority::Rewritten(value.to_owned()),
                _ => Authority::Keep,
            },
            Self::PathRegex(regex, text) => {
                let host = regex.replace_all(head.bare_path().as_bytes(), &**text);
                Authority::Rewritten(String::from_utf8_lossy(&host).into_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests;
