//! What only several objects together show: references into nothing, and conflicts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kinds::istio;

use super::notes::Notes;
use crate::findings::{Code, Finding};
use crate::host;
use crate::model::credential;
use crate::model::extras::Fallback;
use crate::model::peer::Takes;
use crate::model::registry::contains;
use crate::model::route::Bind;
use crate::model::{Export, Gateway, Model, Routing, Shared};
use crate::world::{Key, Kind, World};

/// Notes what the objects say about each other that cannot be.
pub(super) fn check(world: &World, model: &Model, findings: &mut Vec<Finding>) {
    for ((namespace, name), object) in &world.virtual_services {
        let key =
            Key { kind: Kind::VirtualService, namespace: namespace.clone(), name: name.clone() };
        destinations(model, &mut Notes::new(key, &world.settings, findings), object);
    }
    hosts_in_mesh(world, model, findings);
    for routing in &model.routings {
        gateways_of(world, model, findings, routing);
    }
    for gateway in &model.gateways {
        ports_of(world, model, findings, gateway);
        if world.settings.speaks_tls {
            credentials_of(world, model, findings, gateway);
        }
    }
    gateways_in_conflict(world, model, findings);
    policies(world, model, findings);
    fallbacks(world, model, findings);
    plain_to_strict(world, model, findings);
}

/// Every place in a VirtualService that names a destination.
fn destinations(model: &Model, notes: &mut Notes<'_>, object: &Arc<istio::VirtualService>) {
    for (index, rule) in object.spec.http.iter().enumerate() {
        let path = format!("spec.http[{index}]");
        for (at, one) in rule.route.iter().enumerate() {
            destination(model, notes, &format!("{path}.route[{at}].destination"), &one.destination);
        }
        if let Some(one) = &rule.mirror {
            destination(model, notes, &format!("{path}.mirror"), one);
        }
        for (at, one) in rule.mirrors.iter().enumerate() {
            destination(
                model,
                notes,
                &format!("{path}.mirrors[{at}].destination"),
                &one.destination,
            );
        }
    }
    let tls: Vec<_> = object.spec.tls.iter().map(|rule| &rule.route).collect();
    let tcp: Vec<_> = object.spec.tcp.iter().map(|rule| &rule.route).collect();
    for (list, rules) in [("tls", tls), ("tcp", tcp)] {
        for (index, route) in rules.iter().enumerate() {
            for (at, one) in route.iter().enumerate() {
                let path = format!("spec.{list}[{index}].route[{at}].destination");
                destination(model, notes, &path, &one.destination);
            }
        }
    }
}

fn destination(model: &Model, notes: &mut Notes<'_>, path: &str, to: &istio::Destination) {
    let name = host::resolve(&to.host, notes.namespace(), &notes.settings.domain);
    let Some(service) = model.named(&name).next() else {
        let text = format!("no service has the host {name:?}: requests to it get 503");
        notes.note(Code::ReferencedResourceNotFound, &format!("{path}.host"), text);
        return;
    };
    let port = to.port.as_ref().map_or(0, |port| port.number);
    if port == 0 && service.ports.len() > 1 {
        let text = format!("{name} has {} ports: name one in port.number", service.ports.len());
        notes.note(Code::VirtualServiceDestinationPortSelectorRequired, path, text);
    }
    if port != 0 && !service.ports.iter().any(|own| u32::from(own.number) == port) {
        let text = format!("{name} has no port {port}");
        notes.note(Code::ReferencedResourceNotFound, &format!("{path}.port.number"), text);
    }
    let Some(subset) = to.subset.as_ref().filter(|subset| !subset.is_empty()) else { return };
    let defined = model
        .policies
        .iter()
        .filter(|((_, pattern), _)| host::covers(pattern, &name))
        .flat_map(|(_, list)| list)
        .any(|policy| policy.subset(subset).is_some());
    if !defined {
        let text =
            format!("no DestinationRule of {name} has the subset {subset:?}: requests get 503");
        notes.note(Code::ReferencedResourceNotFound, &format!("{path}.subset"), text);
    }
}

/// Two routings for one host in the mesh: the older is used.
fn hosts_in_mesh(world: &World, model: &Model, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, Vec<&Shared<Routing>>> = BTreeMap::new();
    for routing in model.routings.iter().filter(|one| one.binds.contains(&Bind::Mesh)) {
        for (index, name) in routing.hosts.iter().enumerate() {
            let older = seen.entry(name).or_default();
            let rival = older.iter().find(|older| {
                // One for its own namespace only is meant to differ from one for all.
                let private = |one: &Routing| one.export.is_private(&one.origin.namespace);
                private(older) == private(routing) && meet(&older.export, &routing.export)
            });
            if let Some(rival) = rival {
                let mut notes = Notes::new(key_of(routing), &world.settings, findings);
                notes.note(
                    Code::ConflictingMeshGatewayVirtualServiceHosts,
                    &format!("spec.hosts[{index}]"),
                    format!(
                        "{} is older and speaks for {name} already: only its rules are used",
                        rival.origin
                    ),
                );
            }
            older.push(routing);
        }
    }
}

/// Whether some namespace sees both.
fn meet(one: &Export, other: &Export) -> bool {
    let some = |export: &Export| export.all || !export.namespaces.is_empty();
    match (one.all, other.all) {
        (true, _) => some(other),
        (_, true) => some(one),
        _ => one.namespaces.iter().any(|name| other.namespaces.contains(name)),
    }
}

fn key_of(routing: &Routing) -> Key {
    Key {
        kind: Kind::VirtualService,
        namespace: routing.origin.namespace.clone(),
        name: routing.origin.name.clone(),
    }
}

/// The gateways that a routing names: are they there, do they let its hosts in?
fn gateways_of(world: &World, model: &Model, findings: &mut Vec<Finding>, routing: &Routing) {
    let mut notes = Notes::new(key_of(routing), &world.settings, findings);
    for (index, bind) in routing.binds.iter().enumerate() {
        let Bind::Gateway(origin) = bind else { continue };
        let path = format!("spec.gateways[{index}]");
        let Some(gateway) = model.gateways.iter().find(|one| one.origin == *origin) else {
            let text = format!("there is no Gateway {origin}");
            notes.note(Code::ReferencedResourceNotFound, &path, text);
            continue;
        };
        for name in &routing.hosts {
            let hosts = gateway.servers.iter().flat_map(|server| &server.hosts);
            if !hosts.clone().any(|own| own.common(&routing.origin.namespace, name).is_some()) {
                let text = format!("no server of Gateway {origin} lets the host {name} in");
                notes.note(Code::VirtualServiceHostNotFoundInGateway, &path, text);
            }
        }
    }
}

fn gateway_key(gateway: &Gateway) -> Key {
    Key {
        kind: Kind::Gateway,
        namespace: gateway.origin.namespace.clone(),
        name: gateway.origin.name.clone(),
    }
}

/// The pods that a gateway selects: are there any, and does a Service lead to its ports?
fn ports_of(world: &World, model: &Model, findings: &mut Vec<Finding>, gateway: &Gateway) {
    let mut notes = Notes::new(gateway_key(gateway), &world.settings, findings);
    let pods: Vec<_> =
        model.workloads.values().filter(|pod| contains(&pod.labels, &gateway.selector)).collect();
    if pods.is_empty() {
        let text = "no pod has these labels, so nothing listens";
        notes.note(Code::ReferencedResourceNotFound, "spec.selector", text);
        return;
    }
    let services: Vec<_> = model
        .services
        .values()
        .filter(|service| pods.iter().any(|pod| service.selects(&pod.namespace, &pod.labels)))
        .collect();
    if services.is_empty() {
        return;
    }
    // A unix socket has no port.
    let numbered = gateway.servers.iter().enumerate().filter(|(_, server)| server.number != 0);
    for (index, server) in numbered {
        let own = services.iter().flat_map(|service| &service.ports);
        let known = own.into_iter().any(|port| {
            port.number == server.number
                || port.target == crate::model::Target::Number(server.number)
        });
        if !known {
            let path = format!("spec.servers[{index}].port.number");
            let text = format!("the Service of the gateway pods has no port {}", server.number);
            notes.note(Code::GatewayPortNotDefinedOnService, &path, text);
        }
    }
}

/// The Secrets that a gateway's servers name: are they in the namespaces of its pods, and complete?
fn credentials_of(world: &World, model: &Model, findings: &mut Vec<Finding>, gateway: &Gateway) {
    let pods = model.workloads.values().filter(|pod| contains(&pod.labels, &gateway.selector));
    let namespaces: BTreeSet<&str> = pods.map(|pod| pod.namespace.as_str()).collect();
    let mut notes = Notes::new(gateway_key(gateway), &world.settings, findings);
    for (at, server) in gateway.servers.iter().enumerate() {
        let Some(tls) = server.tls.as_ref().filter(|_| server.is_opened()) else { continue };
        let path = format!("spec.servers[{at}].tls.credentialName");
        for namespace in &namespaces {
            let known = |name: &str| credential::named(&model.credentials, namespace, name);
            for name in &tls.credentials {
                if !known(name).is_some_and(|one| one.is_pair()) {
                    let text = format!(
                        "no Secret {namespace}/{name} has a certificate and its key in PEM (tls.crt and tls.key, or cert and key): this server does not listen"
                    );
                    notes.note(Code::ReferencedResourceNotFound, &path, text);
                }
            }
            let roots = tls.roots_in().filter(|_| tls.asks() && tls.roots.is_none());
            if let Some(name) = roots.filter(|name| !known(name).is_some_and(|one| one.has_roots()))
            {
                let text = format!(
                    "neither Secret {namespace}/{name} nor {name}-cacert has roots in PEM (ca.crt or cacert): this server does not listen"
                );
                notes.note(Code::ReferencedResourceNotFound, &path, text);
            }
        }
    }
}

/// Servers of different gateways with the same pods, port and host.
fn gateways_in_conflict(world: &World, model: &Model, findings: &mut Vec<Finding>) {
    for (index, gateway) in model.gateways.iter().enumerate() {
        for older in &model.gateways[..index] {
            if older.selector != gateway.selector {
                continue;
            }
            for (at, server) in gateway.servers.iter().enumerate() {
                let rivals = older.servers.iter().filter(|own| own.number == server.number);
                for rival in rivals {
                    let kinds = rival.is_plain_http() != server.is_plain_http();
                    let hosts = rival.hosts.iter().any(|host| server.hosts.contains(host));
                    if kinds || hosts {
                        let path = format!("spec.servers[{at}]");
                        let text = format!(
                            "Gateway {} has port {} for the same pods{}",
                            older.origin,
                            server.number,
                            if kinds { " with another protocol" } else { " and the same hosts" },
                        );
                        let mut notes = Notes::new(gateway_key(gateway), &world.settings, findings);
                        notes.note(Code::ConflictingGateways, &path, text);
                    }
                }
            }
        }
    }
}

/// Destinations that rules fall back to.
fn fallbacks(world: &World, model: &Model, findings: &mut Vec<Finding>) {
    for policy in model.policies.values().flatten() {
        for extra in &policy.extras.fallbacks {
            let Some(Fallback::To { host, subset, port }) = &extra.what else { continue };
            let own = &policy.host;
            // The host itself may be a pattern, which is no destination.
            let Some(host) = host.as_ref().or(Some(own).filter(|it| !host::is_wildcard(it))) else {
                continue;
            };
            // Without a port it is the same number there, where all have it.
            let covered = model.services.values().filter(|one| host::covers(own, &one.host));
            let mut numbers = covered.flat_map(|one| &one.ports).map(|port| port.number);
            let there = model.named(host).next();
            let has =
                |number| there.is_some_and(|it| it.ports.iter().any(|to| to.number == number));
            let same = extra.port.or(numbers.next()).filter(|one| has(*one) && numbers.all(has));
            let number = port.or(same);
            let to = istio::Destination {
                host: host.clone(),
                subset: subset.clone(),
                port: number.map(|number| istio::PortSelector { number: number.into() }),
            };
            let key = Key {
                kind: Kind::DestinationRule,
                namespace: extra.origin.namespace.clone(),
                name: extra.origin.name.clone(),
            };
            let mut notes = Notes::new(key, &world.settings, findings);
            destination(model, &mut notes, "metadata.annotations[lateen/fallback]", &to);
        }
    }
}

/// DestinationRules that make clients call in plain text who is not listened to.
fn plain_to_strict(world: &World, model: &Model, findings: &mut Vec<Finding>) {
    let is_plain = |tls: &Option<istio::TlsSettings>| {
        tls.as_ref().is_some_and(|it| matches!(it.mode, None | Some(istio::TlsMode::Disable)))
    };
    for ((namespace, name), object) in &world.destination_rules {
        let subsets = object.spec.subsets.iter().enumerate();
        let subsets = subsets.filter_map(|(index, one)| {
            let path = format!("spec.subsets[{index}].trafficPolicy");
            Some((path, one.traffic_policy.as_ref()?, Some(&one.labels)))
        });
        let whole = object.spec.traffic_policy.as_ref();
        let whole = whole.map(|policy| ("spec.trafficPolicy".to_owned(), policy, None));
        let mut plain = Vec::new();
        for (path, policy, labels) in whole.into_iter().chain(subsets) {
            if is_plain(&policy.tls) {
                plain.push((format!("{path}.tls.mode"), None, labels));
            }
            for (index, one) in policy.port_level_settings.iter().enumerate() {
                if is_plain(&one.tls) {
                    let port = one.port.as_ref().map_or(0, |port| port.number);
                    let path = format!("{path}.portLevelSettings[{index}].tls.mode");
                    plain.push((path, Some(port), labels));
                }
            }
        }
        if plain.is_empty() {
            continue;
        }
        let pattern = host::resolve(&object.spec.host, namespace, &world.settings.domain);
        let covered = model.endpoints.iter().filter(|(one, _)| host::covers(&pattern, &one.host));
        let covered: Vec<_> = covered.flat_map(|(_, ports)| ports.iter()).collect();
        let key =
            Key { kind: Kind::DestinationRule, namespace: namespace.clone(), name: name.clone() };
        let mut notes = Notes::new(key, &world.settings, findings);
        for (path, port, labels) in plain {
            let here =
                covered.iter().filter(|(own, _)| port.is_none_or(|it| it == u32::from(**own)));
            let mut here = here.flat_map(|(_, list)| list.iter());
            let strict = here.find_map(|one| {
                let workload = one.workload.as_ref().filter(|it| it.tls)?;
                let chosen = labels.is_none_or(|labels| one.has_labels(labels));
                let takes = model.takes(&workload.namespace, &workload.labels, one.port);
                (chosen && takes == Takes::Tls).then_some((workload, one.port))
            });
            if let Some((workload, port)) = strict {
                let text = format!(
                    "{}/{} takes mutual TLS only at port {port}: calls in plain text are refused",
                    workload.namespace, workload.name
                );
                notes.note(Code::MtlsPolicyConflict, &path, text);
            }
        }
    }
}

/// Hosts and subsets of DestinationRules that select nothing.
fn policies(world: &World, model: &Model, findings: &mut Vec<Finding>) {
    for ((namespace, name), object) in &world.destination_rules {
        let key =
            Key { kind: Kind::DestinationRule, namespace: namespace.clone(), name: name.clone() };
        let mut notes = Notes::new(key, &world.settings, findings);
        let pattern = host::resolve(&object.spec.host, namespace, &world.settings.domain);
        let services: Vec<_> =
            model.services.keys().filter(|name| host::covers(&pattern, &name.host)).collect();
        if services.is_empty() {
            let text = format!("no service has the host {pattern:?}");
            notes.note(Code::UnknownDestinationRuleHost, "spec.host", text);
            continue;
        }
        let endpoints: Vec<_> = services
            .iter()
            .filter_map(|name| model.endpoints.get(*name))
            .flat_map(|ports| ports.values().flatten())
            .collect();
        let mut reported = BTreeSet::new();
        for (index, subset) in object.spec.subsets.iter().enumerate() {
            let found = endpoints.iter().any(|endpoint| endpoint.has_labels(&subset.labels));
            if !found && reported.insert(&subset.name) {
                let path = format!("spec.subsets[{index}].labels");
                let text = format!("no ready pod has the labels of subset {:?}", subset.name);
                notes.note(Code::DestinationRuleSubsetNotSelectPods, &path, text);
            }
        }
    }
}
