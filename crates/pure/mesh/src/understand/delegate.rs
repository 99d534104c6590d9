//! Delegates: rules of another VirtualService, included under the conditions of the including rule.

use std::collections::BTreeMap;

use kinds::istio::{Delegate, HttpMatch, HttpRoute, MatchKind, StringMatch};

use super::notes::Notes;
use crate::findings::Code;
use crate::model::{Export, MeshConfig, Origin};
use crate::world::World;

/// A rule as if it stood in the including object.
pub(super) struct Inlined {
    pub(super) route: HttpRoute,
    pub(super) origin: Origin,
}

/// The delegate's rules under the conditions of `root`.
pub(super) fn inline(
    world: &World,
    mesh: &MeshConfig,
    notes: &mut Notes<'_>,
    path: &str,
    (root, to): (&HttpRoute, &Delegate),
) -> Vec<Inlined> {
    let path = format!("{path}.delegate");
    let namespace = to.namespace.clone().filter(|text| !text.is_empty());
    let namespace = namespace.unwrap_or_else(|| notes.namespace().to_owned());
    let origin = Origin { namespace: namespace.clone(), name: to.name.clone() };
    if !root.route.is_empty() || root.redirect.is_some() || root.direct_response.is_some() {
        notes.wrong(&path, "a rule with a delegate has no route, redirect or directResponse");
        return Vec::new();
    }
    let Some(object) = world.virtual_services.get(&(namespace.clone(), to.name.clone())) else {
        let text = format!("there is no VirtualService {origin}");
        notes.note(Code::ReferencedResourceNotFound, &path, text);
        return Vec::new();
    };
    let spec = &object.spec;
    let words = spec.export_to.iter().map(String::as_str);
    let export = Export::from_words(words, &mesh.export_routings, &namespace);
    if !spec.hosts.is_empty() {
        notes.wrong(&path, format!("{origin} has hosts of its own, so it is no delegate"));
        return Vec::new();
    }
    if !export.reaches(notes.namespace()) {
        notes.wrong(&path, format!("{origin} is not exported to this namespace"));
        return Vec::new();
    }
    let mut inlined = Vec::new();
    for (index, rule) in spec.http.iter().enumerate() {
        if rule.delegate.is_some() {
            notes.wrong(
                &path,
                format!("http[{index}] of {origin} delegates again, which is one too many"),
            );
            continue;
        }
        let Some(matches) = both(&root.matches, &rule.matches) else {
            let text = format!(
                "http[{index}] of {origin} can never match: its conditions are not within this rule's"
            );
            notes.wrong(&path, text);
            continue;
        };
        inlined.push(Inlined { route: merged(root, rule, matches), origin: origin.clone() });
    }
    inlined
}

/// The delegate's rule with what it leaves out taken from the root.
fn merged(root: &HttpRoute, rule: &HttpRoute, matches: Vec<HttpMatch>) -> HttpRoute {
    let mut out = rule.clone();
    out.matches = matches;
    out.name = match (&root.name, &rule.name) {
        (Some(root), Some(own)) => Some(format!("{root}-{own}")),
        (one, other) => one.clone().or_else(|| other.clone()),
    };
    out.rewrite = out.rewrite.or_else(|| root.rewrite.clone());
    out.timeout = out.timeout.or_else(|| root.timeout.clone());
    out.retries = out.retries.or_else(|| root.retries.clone());
    out.fault = out.fault.or_else(|| root.fault.clone());
    out.cors_policy = out.cors_policy.or_else(|| root.cors_policy.clone());
    out.headers = out.headers.or_else(|| root.headers.clone());
    if out.mirror.is_none() && out.mirrors.is_empty() {
        out.mirror = root.mirror.clone();
        out.mirrors = root.mirrors.clone();
        out.mirror_percentage = root.mirror_percentage.clone();
        out.mirror_percent = root.mirror_percent;
        out.mirror_percent_snake = root.mirror_percent_snake;
    }
    out
}

/// Each pair of matches that can hold together; `None` if there are matches and no pair can.
fn both(root: &[HttpMatch], own: &[HttpMatch]) -> Option<Vec<HttpMatch>> {
    if root.is_empty() {
        return Some(own.to_vec());
    }
    if own.is_empty() {
        return Some(root.to_vec());
    }
    let pairs = root.iter().flat_map(|root| own.iter().filter_map(|own| pair(root, own)));
    let pairs: Vec<_> = pairs.collect();
    (!pairs.is_empty()).then_some(pairs)
}

/// One match that holds where both do, if the delegate's is within the root's.
fn pair(root: &HttpMatch, own: &HttpMatch) -> Option<HttpMatch> {
    let same = |a: &Option<u32>, b: &Option<u32>| match (a, b) {
        (Some(a), Some(b)) => (a == b).then_some(Some(*a)),
        (one, other) => Some(one.or(*other)),
    };
    if root.source_namespace.is_some()
        && own.source_namespace.is_some()
        && root.source_namespace != own.source_namespace
    {
        return None;
    }
    let name = match (&root.name, &own.name) {
        (Some(root), Some(own)) => Some(format!("{root}-{own}")),
        (one, other) => one.clone().or_else(|| other.clone()),
    };
    Some(HttpMatch {
        name,
        uri: narrower(&root.uri, &own.uri)?,
        scheme: narrower(&root.scheme, &own.scheme)?,
        method: narrower(&root.method, &own.method)?,
        authority: narrower(&root.authority, &own.authority)?,
        headers: joined(&root.headers, &own.headers)?,
        without_headers: joined(&root.without_headers, &own.without_headers)?,
        query_params: joined(&root.query_params, &own.query_params)?,
        port: same(&root.port, &own.port)?,
        source_labels: root
            .source_labels
            .iter()
            .chain(&own.source_labels)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        source_namespace: own.source_namespace.clone().or_else(|| root.source_namespace.clone()),
        // A delegate has no gateways of its own.
        gateways: root.gateways.clone(),
        ignore_uri_case: root.ignore_uri_case || own.ignore_uri_case,
        stat_prefix: own.stat_prefix.clone().or_else(|| root.stat_prefix.clone()),
    })
}

/// The delegate's condition if it is within the root's; the only one there is.
fn narrower(root: &Option<StringMatch>, own: &Option<StringMatch>) -> Option<Option<StringMatch>> {
    let (Some(root), Some(own)) = (root, own) else {
        return Some(own.clone().or_else(|| root.clone()));
    };
    let within = root == own
        || match (root.kind(), own.kind()) {
            (MatchKind::Present, _) => true,
            (MatchKind::Prefix(root), MatchKind::Prefix(own) | MatchKind::Exact(own)) => {
                own.starts_with(root)
            }
            _ => false,
        };
    within.then(|| Some(own.clone()))
}

fn joined(
    root: &BTreeMap<String, StringMatch>,
    own: &BTreeMap<String, StringMatch>,
) -> Option<BTreeMap<String, StringMatch>> {
    let mut out = root.clone();
    for (name, text) in own {
        let text = narrower(&root.get(name).cloned(), &Some(text.clone()))?;
        out.insert(name.clone(), text?);
    }
    Some(out)
}
