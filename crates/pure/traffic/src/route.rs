//! Routes: which virtual host, which route, and what it does.

mod compile;
mod direct;
mod hosts;

use std::{sync::Arc, time::Duration};

pub(crate) use direct::Direct;
use regex::bytes::Regex;

use crate::{
    compile::Fraction,
    cors::CorsPolicy,
    format::EditList,
    hash::HashPolicy,
    head::Head,
    inject::FaultPolicy,
    matcher::{HeaderMatch, QueryMatch},
    path::{PathMatch, PathRewrite},
    peer::Peer,
    retry::RetryPolicy,
};

/// A route configuration, ready for use. Spec: Envoy `RouteConfiguration`.
#[derive(Debug)]
pub(crate) struct Routes {
    hosts: Vec<VirtualHost>,
    domains: hosts::Domains,
    ignore_port: bool,
    ignore_path_parameters: bool,
}

/// The routes of some domains.
#[derive(Debug)]
struct VirtualHost {
    require_tls: RequireTls,
    routes: Vec<Arc<Route>>,
    /// The route that sends everything to https.
    to_https: Option<Arc<Route>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequireTls {
    No,
    External,
    Always,
}

/// One route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) virtual_host: Arc<str>,
    pub(crate) matcher: RouteMatch,
    pub(crate) action: Action,
    pub(crate) filters: Vec<(Box<str>, PerFilter)>,
}

/// What a request must be like.
#[derive(Debug)]
pub(crate) struct RouteMatch {
    pub(crate) path: PathMatch,
    headers: Vec<HeaderMatch>,
    query: Vec<QueryMatch>,
    fraction: Option<Fraction>,
    grpc: bool,
    tls_presented: Option<bool>,
}

/// What a route does.
#[derive(Debug)]
pub(crate) enum Action {
    Forward(Box<Forwarding>),
    Answer(Box<Direct>),
}

/// What a route, virtual host or cluster weight says to a filter.
#[derive(Clone, Debug)]
pub(crate) enum PerFilter {
    Fault(Arc<FaultPolicy>),
    Cors(Arc<CorsPolicy>),
    Disabled,
    /// The filter is on, with its own configuration.
    Enabled,
}

/// A route that leads to clusters.
#[derive(Debug)]
pub(crate) struct Forwarding {
    pub(crate) targets: Vec<Target>,
    pub(crate) total_weight: u64,
    pub(crate) pick_by_hash: bool,
    pub(crate) cluster_not_found: u16,
    pub(crate) path_rewrite: PathRewrite,
    pub(crate) host_rewrite: HostRewrite,
    pub(crate) append_x_forwarded_host: bool,
    pub(crate) limits: TimeLimits,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) retry: Option<Arc<RetryPolicy>>,
    pub(crate) hash: Vec<HashPolicy>,
    pub(crate) mirrors: Vec<MirrorPolicy>,
    pub(crate) upgrades: Vec<(Box<[u8]>, bool)>,
    pub(crate) attempt_count_in_request: bool,
    pub(crate) attempt_count_in_response: bool,
}

/// How long a request may take, as the route says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeLimits {
    /// Zero is no limit.
    timeout: Duration,
    /// For gRPC: the longest that `grpc-timeout` may ask for; zero is no limit.
    max_grpc: Option<Duration>,
    grpc_offset: Duration,
    stream: Option<StreamLimit>,
}

#[derive(Clone, Copy, Debug)]
struct StreamLimit {
    max: Option<Duration>,
    grpc_header_max: Option<Duration>,
    grpc_header_offset: Duration,
}

/// One cluster of a route.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) cluster: Arc<str>,
    pub(crate) weight: u64,
    pub(crate) request_edits: Option<Arc<EditList>>,
    pub(crate) response_edits: Option<Arc<EditList>>,
    pub(crate) host_rewrite: Option<HostRewrite>,
    filters: Vec<(Box<str>, PerFilter)>,
}

/// What becomes of the authority.
#[derive(Debug)]
pub(crate) enum HostRewrite {
    Keep,
    Literal(Box<str>),
    OfHost,
    Header(Box<str>),
    PathRegex(Regex, Box<[u8]>),
}

/// A cluster that gets copies.
#[derive(Debug)]
pub(crate) struct MirrorPolicy {
    pub(crate) cluster: Arc<str>,
    pub(crate) share: Fraction,
    keeps_host: bool,
    host: Option<Box<str>>,
}

impl Routes {
    /// The route of a request: the virtual host of its domain, then the first route that matches.
    pub(crate) fn find(&self, head: &Head<'_>, peer: &Peer, random: u64) -> Option<&Arc<Route>> {
        let host = self.domains.find(head.authority, self.ignore_port)?;
        let host = &self.hosts[host];
        if let Some(to_https) = &host.to_https
            && head.scheme != "https"
            && host.require_tls != RequireTls::No
        {
            return Some(to_https);
        }
        let mut path = head.bare_path();
        if self.ignore_path_parameters {
            path = path.split(';').next().unwrap_or(path);
        }
        host.routes.iter().find(|route| route.matcher.matches(head, path, peer, random))
    }
}

impl RouteMatch {
    fn matches(&self, head: &Head<'_>, path: &str, peer: &Peer, random: u64) -> bool {
        self.path.matches(path, head.method)
            && self.fraction.is_none_or(|fraction| fraction.holds(random))
            && (!self.grpc || head.is_grpc())
            && self.headers.iter().all(|matcher| matcher.matches(head))
            && (self.query.is_empty() || {
                let query = head.query();
                self.query.iter().all(|matcher| matcher.matches(query))
            })
            && self.tls_presented.is_none_or(|wanted| {
                let presented = peer.tls.as_ref().is_some_and(|tls| tls.subject.is_some());
                presented == wanted
            })
    }
}

impl Route {
    pub(crate) fn forwarding(&self) -> Option<&Forwarding> {
        match &self.action {
            Action::Forward(forwarding) => Some(forwarding),
            Action::Answer(_) => None,
        }
    }

    /// What the most specific level says to a filter.
    pub(crate) fn per_filter(&self, target: Option<usize>, name: &str) -> Option<&PerFilter> {
        let of_target = target
            .and_then(|at| self.forwarding()?.targets.get(at))
            .map_or(&[][..], |target| &target.filters);
        of_target
            .iter()
            .chain(&self.filters)
            .find(|(filter, _)| **filter == *name)
            .map(|(_, config)| config)
    }
}

impl Forwarding {
    /// Picks a cluster by weight. With `use_hash_policy` the request's hash takes the place of chance.
    pub(crate) fn pick(&self, random: u64, hash: Option<u64>) -> usize {
        if self.targets.len() == 1 {
            return 0;
        }
        let value = if self.pick_by_hash { hash.unwrap_or(random) } else { random };
        let mut left = value % self.total_weight;
        for (at, target) in self.targets.iter().enumerate() {
            if left < target.weight {
                return at;
            }
            left -= target.weight;
        }
        self.targets.len() - 1
    }

    /// What is retried for this request.
    pub(crate) fn retry_policy(&self, head: &Head<'_>) -> Option<&Arc<RetryPolicy>> {
        self.retry.as_ref().filter(|policy| {
            let wanted = &policy.request_headers;
            wanted.is_empty() || wanted.iter().any(|matcher| matcher.matches(head))
        })
    }

    /// What the route itself says about an upgrade; `None` when it says nothing.
    pub(crate) fn allows_upgrade(&self, protocol: &[u8]) -> Option<bool> {
        self.upgrades
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(protocol))
            .map(|(_, enabled)| *enabled)
    }

    /// The limits of the whole exchange and of the stream, for one request.
    pub(crate) fn time_limits(&self, head: &Head<'_>) -> (Option<Duration>, Option<Duration>) {
        let limits = &self.limits;
        let asked = || head.header("grpc-timeout").and_then(parse_grpc_timeout);
        let some = |limit: Duration| (!limit.is_zero()).then_some(limit);
        if let Some(stream) = &limits.stream {
            let of_header = stream.grpc_header_max.and_then(|max| {
                let asked = asked()?;
                let capped = if max.is_zero() { asked } else { asked.min(max) };
                Some(capped.saturating_sub(stream.grpc_header_offset))
            });
            return (None, of_header.or(stream.max).and_then(some));
        }
        let Some(max) = limits.max_grpc.filter(|_| head.is_grpc()) else {
            return (some(limits.timeout), None);
        };
        let asked = asked().unwrap_or(Duration::ZERO);
        let mut timeout = asked;
        if timeout > limits.grpc_offset {
            timeout -= limits.grpc_offset;
        }
        if !max.is_zero() && (timeout.is_zero() || max < timeout) {
            timeout = max;
        }
        (some(timeout), None)
    }
}

impl MirrorPolicy {
    /// The authority of the copy: its own, or the old one with `-shadow`; `None` for the old one.
    pub(crate) fn host(&self, authority: &str) -> Option<String> {
        if let Some(host) = &self.host {
            return Some(String::from(&**host));
        }
        if self.keeps_host {
            return None;
        }
        Some(match authority.split_once(':') {
            Some((host, port)) if !port.contains(':') => format!("{host}-shadow:{port}"),
            _ => format!("{authority}-shadow"),
        })
    }
}

/// Reads a `grpc-timeout`. Spec: gRPC over HTTP/2, at most eight digits and a unit.
fn parse_grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || 8 < digits.len() {
        return None;
    }
    let amount: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_are_read() {
        assert_eq!(parse_grpc_timeout(b"10S"), Some(Duration::from_secs(10)));
        assert_eq!(parse_grpc_timeout(b"2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse_grpc_timeout(b"250m"), Some(Duration::from_millis(250)));
        for wrong in [&b"S"[..], b"10", b"-1S", b"123456789S", b"1x", b""] {
            assert_eq!(parse_grpc_timeout(wrong), None);
        }
    }
}
