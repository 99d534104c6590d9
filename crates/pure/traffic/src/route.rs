//! Routes: which virtual host, which route, and what it does.

mod compile;
mod direct;
mod hosts;
mod times;

use std::{sync::Arc, time::Duration};

pub(crate) use direct::Direct;
use regex::bytes::Regex;
pub(crate) use times::{GrpcTimeout, TimeLimits, Times};

use crate::{
    compile::Fraction,
    cors::CorsPolicy,
    hash::HashPolicy,
    head::Head,
    inject::FaultPolicy,
    levels::EditList,
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
    /// Headers that requests from outside may not have.
    pub(crate) internal_only: InternalOnly,
}

/// Names of headers that only requests from within may have, in lower case; `None` is the usual empty list.
#[derive(Clone, Debug, Default)]
pub(crate) struct InternalOnly(Option<Arc<[Box<str>]>>);

impl InternalOnly {
    fn of(names: &[String]) -> Self {
        let lower = || names.iter().map(|name| name.to_ascii_lowercase().into()).collect();
        Self((!names.is_empty()).then(lower))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|names| names.iter()).map(|name| &**name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.iter().any(|other| other == name)
    }
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
    /// The host that is looked up, in place of the one that the request names.
    Named(HostRewrite),
    Disabled,
    /// The filter is on, with its own configuration.
    Enabled,
}

/// A route that leads to clusters.
#[derive(Debug)]
pub(crate) struct Forwarding {
    pub(crate) targets: Vec<Target>,
    pub(crate) total_weight: u64,
    pub(crate) chance: Chance,
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
    /// Whether CONNECT ends here, so that the upstream gets bytes.
    pub(crate) ends_connect: bool,
    pub(crate) attempt_count_in_request: bool,
    pub(crate) attempt_count_in_response: bool,
}

/// What decides between the clusters of a route.
#[derive(Debug)]
pub(crate) enum Chance {
    /// The dice.
    Dice,
    /// The hash of the request, where it has one: a client stays with one cluster.
    Hash,
    /// The number in this header, where there is one.
    Header(Box<str>),
}

/// One cluster of a route.
#[derive(Debug)]
pub(crate) struct Target {
    /// Its name; empty when a header names it.
    pub(crate) cluster: Arc<str>,
    /// The header that names the cluster.
    pub(crate) cluster_header: Option<Box<str>>,
    pub(crate) weight: u64,
    pub(crate) request_edits: Option<Arc<EditList>>,
    pub(crate) response_edits: Option<Arc<EditList>>,
    pub(crate) host_rewrite: Option<HostRewrite>,
    filters: Vec<(Box<str>, PerFilter)>,
}

/// What becomes of the authority.
#[derive(Clone, Debug)]
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
    pub(crate) cluster_header: Option<Box<str>>,
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
    /// Picks a cluster by weight.
    pub(crate) fn pick(&self, head: &Head<'_>, random: u64, hash: Option<u64>) -> usize {
        if self.targets.len() == 1 {
            return 0;
        }
        let value = match &self.chance {
            Chance::Dice => random,
            Chance::Hash => hash.unwrap_or(random),
            Chance::Header(name) => {
                let text = head.header(name).and_then(|value| std::str::from_utf8(value).ok());
                text.and_then(|text| text.trim().parse().ok()).unwrap_or(random)
            }
        };
        let mut left = value % self.total_weight;
        for (at, target) in self.targets.iter().enumerate() {
            if left < target.weight {
                return at;
            }
            left -= target.weight;
        }
        self.targets.len() - 1
    }

    /// What is retried for this request. Only one that `may_ask` changes it with `x-envoy-…` headers.
    pub(crate) fn retry_policy(&self, head: &Head<'_>, may_ask: bool) -> Option<Arc<RetryPolicy>> {
        let asked = if may_ask { RetryPolicy::asked(self.retry.as_deref(), head) } else { None };
        asked.or_else(|| self.retry.clone()).filter(|policy| {
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
}

impl Target {
    /// The name of the cluster, for one request; empty when the header that names it is not there.
    pub(crate) fn cluster_of(&self, head: &Head<'_>) -> Arc<str> {
        named(&self.cluster, self.cluster_header.as_deref(), head)
    }
}

/// A name, or what a header says instead.
fn named(name: &Arc<str>, header: Option<&str>, head: &Head<'_>) -> Arc<str> {
    let Some(header) = header else { return Arc::clone(name) };
    let value = head.header(header).and_then(|value| std::str::from_utf8(value).ok());
    Arc::from(value.unwrap_or_default())
}

impl MirrorPolicy {
    /// The name of the cluster, for one request; `None` when the header that names it is not there.
    pub(crate) fn cluster_of(&self, head: &Head<'_>) -> Option<Arc<str>> {
        let name = named(&self.cluster, self.cluster_header.as_deref(), head);
        (!name.is_empty()).then_some(name)
    }

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
