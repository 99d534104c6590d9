//! Which rules apply to a proxy: visibility, binding, and conditions on the caller.

use crate::model::registry::contains;
use crate::model::route::{Bind, HttpMatch, HttpRule, Scope, StreamMatch, StreamRule};
use crate::model::{Model, Routing, Shared, SidecarScope};

use super::Node;

/// Who asks for rules.
pub(super) struct Caller<'a> {
    /// The bind under which they are asked for.
    pub(super) bind: &'a Bind,
    /// The calling workload; a gateway's rules are for callers from outside, so it has none.
    pub(super) node: Option<&'a Node>,
}

impl Model {
    /// Rules for sidecars that this one sees. Rules for its namespace alone come first, then those
    /// exported to it by name, then public ones; each oldest first.
    pub(super) fn mesh_routings(
        &self,
        node: &Node,
        scope: Option<&SidecarScope>,
    ) -> Vec<Shared<Routing>> {
        let rank = |routing: &Routing| {
            (routing.export.all, !routing.export.is_private(&routing.origin.namespace))
        };
        let caller = Caller { bind: &Bind::Mesh, node: Some(node) };
        let visible = self.routings.iter().filter(|one| {
            let sees =
                |host: &String| scope.is_none_or(|scope| scope.sees(&one.origin.namespace, host));
            one.export.reaches(&node.namespace) && one.hosts.iter().any(sees)
        });
        let mut routings: Vec<_> = visible.filter_map(|one| applicable(one, &caller)).collect();
        // Stable: the model's order is by age.
        routings.sort_by_key(|routing| rank(routing));
        routings
    }
}

/// The rules of a routing that are for this caller, without the conditions that are thereby met;
/// `None` if it is not bound there at all.
pub(super) fn applicable(
    routing: &Shared<Routing>,
    caller: &Caller<'_>,
) -> Option<Shared<Routing>> {
    let bound = routing.binds.contains(caller.bind);
    let scopes = || {
        let http = routing.http.iter().flat_map(|rule| rule.matches.iter().map(|one| &one.scope));
        let streams = routing.tls.iter().chain(&routing.tcp);
        http.chain(streams.flat_map(|rule| rule.matches.iter().map(|one| &one.scope)))
    };
    let bound_by_match =
        || scopes().any(|scope| scope.binds.as_ref().is_some_and(|to| to.contains(caller.bind)));
    if !bound && !bound_by_match() {
        return None;
    }
    let plain = |scope: &Scope| {
        scope.binds.is_none() && scope.source_labels.is_empty() && scope.source_namespace.is_none()
    };
    if bound && scopes().all(plain) {
        return Some(routing.clone());
    }
    let http = routing.http.iter().filter_map(|rule| http_rule(rule, bound, caller)).collect();
    let tls = routing.tls.iter().filter_map(|rule| stream_rule(rule, bound, caller)).collect();
    let tcp = routing.tcp.iter().filter_map(|rule| stream_rule(rule, bound, caller)).collect();
    Some(Shared::new(Routing { http, tls, tcp, ..Routing::clone(routing) }))
}

fn http_rule(rule: &HttpRule, bound: bool, caller: &Caller<'_>) -> Option<HttpRule> {
    if rule.matches.is_empty() {
        return bound.then(|| rule.clone());
    }
    let fit = rule.matches.iter().filter(|one| fits(&one.scope, bound, caller));
    let matches: Vec<_> =
        fit.map(|one| HttpMatch { scope: met(&one.scope), ..one.clone() }).collect();
    (!matches.is_empty()).then(|| HttpRule { matches, ..rule.clone() })
}

fn stream_rule(rule: &StreamRule, bound: bool, caller: &Caller<'_>) -> Option<StreamRule> {
    if rule.matches.is_empty() {
        return bound.then(|| rule.clone());
    }
    let fit = rule.matches.iter().filter(|one| fits(&one.scope, bound, caller));
    let matches: Vec<_> =
        fit.map(|one| StreamMatch { scope: met(&one.scope), ..one.clone() }).collect();
    (!matches.is_empty()).then(|| StreamRule { matches, to: rule.to.clone() })
}

fn fits(scope: &Scope, bound: bool, caller: &Caller<'_>) -> bool {
    let bound = scope.binds.as_ref().map_or(bound, |to| to.contains(caller.bind));
    let Some(node) = caller.node else { return bound };
    bound
        && contains(&node.labels, &scope.source_labels)
        && scope.source_namespace.as_ref().is_none_or(|namespace| *namespace == node.namespace)
}

/// What is left to decide: the port, per listener.
fn met(scope: &Scope) -> Scope {
    Scope { port: scope.port, ..Scope::default() }
}
