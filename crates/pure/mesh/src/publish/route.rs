//! Rules to routes.

use serde_json::json;
use xds::core::Metadata;
use xds::route::route::Action as RouteKind;
use xds::route::route_action::{ClusterSpecifier, HostRewriteSpecifier};
use xds::route::weighted_cluster::{ClusterWeight, RandomValueSpecifier, cluster_weight};
use xds::route::{Decorator, Route, RouteAction, WeightedCluster};

use super::Sight;
use super::action;
use super::cluster::cluster_name;
use super::matching;
use super::wire::{config_path, metadata};
use crate::model::policy::HashOn;
use crate::model::route::{Action, Destination, Forward, HeaderEdits, HttpMatch, Weighted};
use crate::model::{HttpRule, Origin, Resolution, Routing, Target};

/// Where routes are made for.
pub(super) struct Place<'a> {
    pub(super) view: &'a Sight<'a>,
    /// Port that the client dialled, as services or the gateway's Service number it.
    pub(super) port: u16,
    /// The same as the gateway's pod numbers it.
    pub(super) own_port: u16,
    /// By TLS that is opened here.
    pub(super) secure: bool,
}

impl Place<'_> {
    pub(super) fn is_here(&self, port: Option<u16>) -> bool {
        port.is_none_or(|port| port == self.port || port == self.own_port)
    }

    /// The cluster of a destination: its port as named, else its only one, else the one dialled.
    pub(super) fn cluster(&self, to: &Destination) -> String {
        cluster_name(self.destination_port(to), to.subset.as_deref(), &to.host)
    }

    fn destination_port(&self, to: &Destination) -> u16 {
        let only = || match self.view.service(&to.host)?.service.ports.as_slice() {
            [only] => Some(only.number),
            _ => None,
        };
        to.port.or_else(only).unwrap_or(self.port)
    }

    /// Whether the destination is looked up by the name in each request.
    fn is_by_request(&self, to: &Destination) -> bool {
        let service = self.view.service(&to.host).map(|one| &one.service);
        service.is_some_and(|one| one.resolution == Resolution::ByRequest)
    }

    /// The port of the host that a destination looks up by request; `None` for other destinations.
    pub(super) fn port_by_request(&self, to: &Destination) -> Option<u16> {
        let service = &self.view.service(&to.host).filter(|_| self.is_by_request(to))?.service;
        let port = self.destination_port(to);
        match service.port(port).map(|port| &port.target) {
            Some(Target::Number(target)) => Some(*target),
            _ => Some(port),
        }
    }

    /// What is hashed to pick a host of the destination.
    fn hash(&self, to: &Destination) -> Option<HashOn> {
        let policy = self.view.service(&to.host)?.policy.as_ref()?;
        let traffic = policy.traffic(self.destination_port(to), to.subset.as_deref());
        traffic.balance?.hash
    }
}

/// The routes of a routing for one port, as far as the first that takes everything.
pub(super) fn routes(place: &Place<'_>, routing: &Routing) -> Vec<Route> {
    let mut routes = Vec::new();
    for rule in &routing.http {
        if rule.matches.is_empty() {
            routes.push(route(place, routing, rule, None));
            return routes;
        }
        for one in rule.matches.iter().filter(|one| place.is_here(one.scope.port)) {
            routes.push(route(place, routing, rule, Some(one)));
            if one.is_catch_all() {
                return routes;
            }
        }
    }
    routes
}

/// Whether the route takes every request.
pub(super) fn is_catch_all(route: &Route) -> bool {
    route.r#match.as_ref() == Some(&matching::any())
}

fn route(place: &Place<'_>, routing: &Routing, rule: &HttpRule, one: Option<&HttpMatch>) -> Route {
    let name = match (&rule.name, one.and_then(|one| one.name.as_ref())) {
        (Some(rule), Some(own)) => format!("{rule}.{own}"),
        (Some(rule), None) => rule.clone(),
        (None, Some(own)) => own.clone(),
        (None, None) => "default".to_owned(),
    };
    let mut route = Route {
        name,
        r#match: Some(one.map_or_else(matching::any, matching::route_match)),
        metadata: Some(about(&routing.origin, &rule.origin)),
        typed_per_filter_config: action::filters(&rule.fault, rule.cors.as_ref()),
        stat_prefix: one.and_then(|one| one.stat_prefix.clone()).unwrap_or_default(),
        ..Route::default()
    };
    edit(&mut route, &rule.headers);
    match &rule.action {
        Action::Redirect(redirect) => {
            let redirect = action::redirect(redirect, place.port, place.secure);
            route.action = Some(RouteKind::Redirect(redirect));
        }
        Action::Answer(answer) => {
            route.action = Some(RouteKind::DirectResponse(action::answer(answer)));
        }
        Action::Forward(forward) => {
            if let Some(first) = forward.to.first() {
                route.decorator = operation(&first.destination.host, place, &first.destination);
            }
            let action = self::forward(place, rule, forward, &mut route);
            route.action = Some(RouteKind::Route(action));
        }
    }
    route
}

/// Adds header edits to a route.
fn edit(route: &mut Route, edits: &HeaderEdits) {
    route.request_headers_to_add.extend(action::headers(&edits.request));
    route.request_headers_to_remove.extend(edits.request.remove.iter().cloned());
    route.response_headers_to_add.extend(action::headers(&edits.response));
    route.response_headers_to_remove.extend(edits.response.remove.iter().cloned());
}

fn forward(
    place: &Place<'_>,
    rule: &HttpRule,
    forward: &Forward,
    route: &mut Route,
) -> RouteAction {
    let mut out = RouteAction::default();
    action::timeout(&mut out, forward.timeout);
    if let Some(authority) = &rule.headers.authority {
        out.host_rewrite_specifier =
            Some(HostRewriteSpecifier::HostRewriteLiteral(authority.clone()));
    }
    if let Some(rewrite) = &forward.rewrite {
        action::rewrite(&mut out, rewrite);
    }
    out.request_mirror_policies = forward
        .mirrors
        .iter()
        .map(|mirror| action::mirror(mirror, place.cluster(&mirror.destination)))
        .collect();
    for to in &forward.to {
        let hash = place.hash(&to.destination).map(|hash| action::hash(&hash));
        out.hash_policy.extend(hash.filter(|hash| !out.hash_policy.contains(hash)));
    }
    let hashed = forward.to.len() == 1 && !out.hash_policy.is_empty();
    out.retry_policy = action::retry(forward.retry.as_ref(), &place.view.mesh, hashed);
    if let [only] = forward.to.as_slice() {
        // Edits of a single destination are the route's own, after the rule's.
        edit(route, &only.headers);
        if let (Some(authority), None) = (&only.headers.authority, &out.host_rewrite_specifier) {
            out.host_rewrite_specifier =
                Some(HostRewriteSpecifier::HostRewriteLiteral(authority.clone()));
        }
        out.cluster_specifier = Some(ClusterSpecifier::Cluster(place.cluster(&only.destination)));
    } else {
        // With a hash the part is chosen by it too, so that who is sticky stays in one part.
        let sticky = !out.hash_policy.is_empty();
        out.cluster_specifier = Some(ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters: forward.to.iter().map(|one| weighted(place, one)).collect(),
            random_value_specifier: sticky.then_some(RandomValueSpecifier::UseHashPolicy(true)),
            ..WeightedCluster::default()
        }));
    }
    if forward.to.iter().all(|one| place.is_by_request(&one.destination))
        && let Some(HostRewriteSpecifier::HostRewriteLiteral(host)) = &out.host_rewrite_specifier
    {
        // Envoy looks up what it sees before routes rewrite it: the filter has to do it.
        let name = super::dynamic::NAMES.to_owned();
        route.typed_per_filter_config.insert(name, super::dynamic::instead(host.clone()));
        out.host_rewrite_specifier = None;
    }
    out
}

fn weighted(place: &Place<'_>, one: &Weighted) -> ClusterWeight {
    let headers = &one.headers;
    ClusterWeight {
        name: place.cluster(&one.destination),
        weight: Some(one.weight),
        request_headers_to_add: action::headers(&headers.request),
        request_headers_to_remove: headers.request.remove.clone(),
        response_headers_to_add: action::headers(&headers.response),
        response_headers_to_remove: headers.response.remove.clone(),
        host_rewrite_specifier: headers
            .authority
            .clone()
            .map(cluster_weight::HostRewriteSpecifier::HostRewriteLiteral),
        ..ClusterWeight::default()
    }
}

/// The name of spans of this route.
fn operation(host: &str, place: &Place<'_>, to: &Destination) -> Option<Decorator> {
    let port = place.destination_port(to);
    Some(Decorator { operation: format!("{host}:{port}/*"), ..Decorator::default() })
}

/// Which objects decided, for telemetry and for `explain`.
fn about(routing: &Origin, rule: &Origin) -> Metadata {
    let mut about = json!({"config": config_path("virtual-service", routing)});
    if routing != rule {
        about["delegate"] = config_path("virtual-service", rule).into();
    }
    metadata("istio", &about)
}

/// The route of a service that no rule speaks for.
pub(super) fn default_route(place: &Place<'_>, host: &str) -> Route {
    let to = Destination { host: host.to_owned(), subset: None, port: Some(place.port) };
    let mut out = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(place.cluster(&to))),
        hash_policy: place.hash(&to).map(|hash| action::hash(&hash)).into_iter().collect(),
        ..RouteAction::default()
    };
    action::timeout(&mut out, None);
    out.retry_policy = action::retry(None, &place.view.mesh, !out.hash_policy.is_empty());
    Route {
        name: "default".to_owned(),
        r#match: Some(matching::any()),
        decorator: operation(host, place, &to),
        action: Some(RouteKind::Route(out)),
        ..Route::default()
    }
}

/// Everything to one cluster, without limits and retries.
pub(super) fn straight(name: &str, cluster: &str) -> Route {
    let mut out = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..RouteAction::default()
    };
    action::timeout(&mut out, None);
    Route {
        name: name.to_owned(),
        r#match: Some(matching::any()),
        action: Some(RouteKind::Route(out)),
        ..Route::default()
    }
}
