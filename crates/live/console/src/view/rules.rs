//! VirtualServices: who is asked for, through where, and per rule what matches and where it leads.

use kinds::istio::{Destination, HttpRoute, TcpDestination, VirtualService};
use mesh::Finding;
use serde::Deserialize as _;
use serde_json::Value;

use super::sentence::{self, Sentence};
use super::service_of;
use crate::scene::{Id, Scene};

/// One VirtualService.
#[derive(Debug)]
pub(crate) struct VirtualView<'a> {
    /// The object.
    pub(crate) id: &'a Id,
    /// Whose requests it routes.
    pub(crate) hosts: Vec<String>,
    /// Where it holds; `mesh` is every sidecar.
    pub(crate) gateways: Vec<String>,
    /// Its rules in order: HTTP, then TLS, then TCP.
    pub(crate) routes: Vec<RouteView>,
    /// What is wrong with it.
    pub(crate) findings: Vec<&'a Finding>,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct RouteView {
    /// `HTTP`, `TLS` or `TCP`.
    pub(crate) protocol: &'static str,
    /// Its name, may be empty.
    pub(crate) name: String,
    /// Any of these must hold; none means always.
    pub(crate) when: Vec<Sentence>,
    /// What happens then.
    pub(crate) then: Then,
    /// What happens on the way.
    pub(crate) extras: Vec<Sentence>,
}

/// Where a rule leads.
#[derive(Debug)]
pub(crate) enum Then {
    /// To these, by share.
    Routes(Vec<Share>),
    /// Something else.
    Does(Sentence),
}

/// One destination of a rule.
#[derive(Debug)]
pub(crate) struct Share {
    /// Host and port, as written.
    pub(crate) to: String,
    /// The Service of that host.
    pub(crate) service: Option<Id>,
    /// The subset, may be empty.
    pub(crate) subset: String,
    /// Thousandths of the requests; `None` if the weights make no sense.
    pub(crate) share: Option<u16>,
}

impl<'a> VirtualView<'a> {
    pub(super) fn new(
        scene: &Scene,
        id: &'a Id,
        object: &Value,
        findings: Vec<&'a Finding>,
    ) -> VirtualView<'a> {
        // One that cannot be read has a finding that says so.
        let spec = VirtualService::deserialize(object).unwrap_or_default().spec;
        let mut routes: Vec<RouteView> =
            spec.http.iter().map(|rule| http(scene, &id.namespace, rule)).collect();
        let stream = |protocol, when: Vec<Option<Sentence>>, route: &[TcpDestination]| RouteView {
            protocol,
            name: String::new(),
            when: any(when),
            then: Then::Routes(shares(
                scene,
                &id.namespace,
                route.iter().map(|it| (&it.destination, it.weight)).collect(),
            )),
            extras: Vec::new(),
        };
        for rule in &spec.tls {
            let when = rule.matches.iter().map(sentence::tls_match).collect();
            routes.push(stream("TLS", when, &rule.route));
        }
        for rule in &spec.tcp {
            let when = rule.matches.iter().map(sentence::tcp_match).collect();
            routes.push(stream("TCP", when, &rule.route));
        }
        let gateways =
            if spec.gateways.is_empty() { vec!["mesh".to_owned()] } else { spec.gateways };
        VirtualView { id, hosts: spec.hosts, gateways, routes, findings }
    }
}

fn http(scene: &Scene, namespace: &str, rule: &HttpRoute) -> RouteView {
    let then = if let Some(redirect) = &rule.redirect {
        Then::Does(sentence::redirect(redirect))
    } else if let Some(answer) = &rule.direct_response {
        Then::Does(Sentence::of("answer at once with").code(answer.status))
    } else if let Some(delegate) = &rule.delegate {
        let namespace = delegate.namespace.as_deref().unwrap_or(namespace);
        let name = format!("{namespace}/{}", delegate.name);
        Then::Does(Sentence::of("go on with the rules of VirtualService").code(name))
    } else {
        let to = rule.route.iter().map(|it| (&it.destination, it.weight)).collect();
        Then::Routes(shares(scene, namespace, to))
    };
    RouteView {
        protocol: "HTTP",
        name: rule.name.clone().unwrap_or_default(),
        when: any(rule.matches.iter().map(sentence::http_match).collect()),
        then,
        extras: sentence::extras(rule),
    }
}

/// The alternatives; none if one of them always holds.
fn any(when: Vec<Option<Sentence>>) -> Vec<Sentence> {
    when.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn shares(scene: &Scene, namespace: &str, to: Vec<(&Destination, Option<i32>)>) -> Vec<Share> {
    let weights: Vec<i32> = to.iter().map(|(_, weight)| weight.unwrap_or(0)).collect();
    let shares = share_out(&weights);
    to.into_iter()
        .zip(shares)
        .map(|((to, _), share)| Share {
            to: sentence::place(to),
            service: service_of(scene, &to.host, namespace),
            subset: to.subset.clone().unwrap_or_default(),
            share,
        })
        .collect()
}

/// Weights as thousandths of their sum, as the mesh reads them: a single one is all.
fn share_out(weights: &[i32]) -> Vec<Option<u16>> {
    if weights.len() == 1 {
        return vec![Some(1000)];
    }
    let weights: Vec<u64> = weights.iter().map(|it| u64::try_from(*it).unwrap_or(0)).collect();
    let total: u64 = weights.iter().sum();
    let share = |weight: &u64| {
        let share = (weight * 1000 + total / 2).checked_div(total)?;
        u16::try_from(share).ok()
    };
    weights.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::share_out;

    #[test]
    fn weights_are_relative() {
        let table: [(&[i32], &[Option<u16>]); 7] = [
            (&[], &[]),
            (&[0], &[Some(1000)]),
            (&[80, 20], &[Some(800), Some(200)]),
            (&[1, 1, 1], &[Some(333), Some(333), Some(333)]),
            (&[2, 1], &[Some(667), Some(333)]),
            (&[0, 0], &[None, None]),
            (&[-5, i32::MAX, i32::MAX], &[Some(0), Some(500), Some(500)]),
        ];
        for (weights, expected) in table {
            assert_eq!(share_out(weights), expected, "{weights:?}");
        }
    }
}
