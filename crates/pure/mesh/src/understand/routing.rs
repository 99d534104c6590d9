//! VirtualServices to routings.

use kinds::istio;

use super::delegate::{self, Inlined};
use super::matching::WrittenScope;
use super::notes::{Bad, Notes};
use super::registry::{by_age, created};
use crate::findings::{Code, Finding};
use crate::host;
use crate::model::route::{Bind, HttpRule, StreamRule};
use crate::model::{Export, MeshConfig, Origin, Routing, Shared};
use crate::world::{Key, Kind, World};

/// All routings, oldest first.
pub(super) fn routings(
    world: &World,
    mesh: &MeshConfig,
    findings: &mut Vec<Finding>,
) -> Vec<Shared<Routing>> {
    let mut routings = Vec::new();
    for ((namespace, name), object) in &world.virtual_services {
        let key =
            Key { kind: Kind::VirtualService, namespace: namespace.clone(), name: name.clone() };
        let mut notes = Notes::new(key, &world.settings, findings);
        if let Ok(routing) = routing(world, mesh, &mut notes, object) {
            routings.push(routing);
        }
    }
    routings.sort_by_cached_key(|routing: &Routing| {
        by_age(&routing.created, &routing.origin.name, &routing.origin.namespace)
    });
    routings.into_iter().map(Shared::new).collect()
}

fn routing(
    world: &World,
    mesh: &MeshConfig,
    notes: &mut Notes<'_>,
    object: &istio::VirtualService,
) -> Result<Routing, Bad> {
    let spec = &object.spec;
    if spec.hosts.is_empty() {
        return delegated(notes, spec);
    }
    let mut hosts = Vec::new();
    for (index, text) in spec.hosts.iter().enumerate() {
        let path = format!("spec.hosts[{index}]");
        let Ok(host) = notes.host(&path, text) else { continue };
        if hosts.contains(&host) {
            notes.wrong(&path, format!("{text:?} stands twice in the list"));
        } else {
            hosts.push(host);
        }
    }
    let binds: Vec<Bind> = if spec.gateways.is_empty() {
        vec![Bind::Mesh]
    } else {
        spec.gateways.iter().map(|word| notes.bind(word)).collect()
    };
    if binds.contains(&Bind::Mesh) && hosts.iter().any(|host| host == "*") {
        let text =
            "the host * cannot be used in the mesh: name the hosts, or bind to a gateway only";
        notes.wrong("spec.hosts", text);
    }
    if spec.http.is_empty() && spec.tls.is_empty() && spec.tcp.is_empty() {
        notes.wrong("spec", "it has none of http, tls and tcp, so it does nothing");
    }
    let origin = Origin { namespace: notes.namespace().to_owned(), name: notes.key.name.clone() };
    Ok(Routing {
        created: created(&object.metadata),
        export: Export::from_words(
            spec.export_to.iter().map(String::as_str),
            &mesh.export_routings,
            notes.namespace(),
        ),
        http: http_rules(world, mesh, notes, spec, &origin),
        tls: tls_rules(notes, spec),
        tcp: tcp_rules(notes, spec),
        origin,
        hosts,
        binds,
    })
}

/// An object without hosts is for others to include; alone it routes nothing.
fn delegated(notes: &mut Notes<'_>, spec: &istio::VirtualServiceSpec) -> Result<Routing, Bad> {
    if !spec.gateways.is_empty() {
        notes.wrong(
            "spec.gateways",
            "without hosts it is a delegate, and a delegate has no gateways",
        );
    }
    if !spec.tls.is_empty() || !spec.tcp.is_empty() || spec.http.is_empty() {
        notes.wrong(
            "spec.hosts",
            "without hosts it is a delegate, and a delegate has http rules only",
        );
    }
    Err(Bad)
}

fn http_rules(
    world: &World,
    mesh: &MeshConfig,
    notes: &mut Notes<'_>,
    spec: &istio::VirtualServiceSpec,
    origin: &Origin,
) -> Vec<HttpRule> {
    let mut rules: Vec<HttpRule> = Vec::new();
    let mut taken: Option<usize> = None;
    for (index, written) in spec.http.iter().enumerate() {
        let path = format!("spec.http[{index}]");
        if let Some(by) = taken {
            notes.unreachable(&path, by);
        }
        let inlined = match &written.delegate {
            None => vec![Inlined { route: written.clone(), origin: origin.clone() }],
            Some(to) => delegate::inline(world, mesh, notes, &path, (written, to)),
        };
        for Inlined { route, origin: writer } in inlined {
            // Findings of a delegate's rule are shown at the rule that includes it.
            let Ok(rule) = notes.http_rule(&path, &route, writer) else { continue };
            repeated(notes, &path, &rules, &rule);
            let all = rule.matches.is_empty()
                || rule
                    .matches
                    .iter()
                    .any(|one| one.is_catch_all() && one.scope == Default::default());
            if all && taken.is_none() {
                taken = Some(index);
            }
            rules.push(rule);
        }
    }
    rules
}

/// Notes matches of `rule` that an earlier rule has word for word.
fn repeated(notes: &mut Notes<'_>, path: &str, rules: &[HttpRule], rule: &HttpRule) {
    for (index, one) in rule.matches.iter().enumerate() {
        let nameless = |one: &crate::model::HttpMatch| crate::model::HttpMatch {
            name: None,
            stat_prefix: None,
            ..one.clone()
        };
        let own = nameless(one);
        if rules.iter().flat_map(|rule| &rule.matches).any(|other| nameless(other) == own) {
            let path = format!("{path}.match[{index}]");
            notes.note(
                Code::VirtualServiceIneffectiveMatch,
                &path,
                "an earlier rule has the same match, so this one never gets a request",
            );
        }
    }
}

fn tls_rules(notes: &mut Notes<'_>, spec: &istio::VirtualServiceSpec) -> Vec<StreamRule> {
    let mut rules = Vec::new();
    for (index, written) in spec.tls.iter().enumerate() {
        let path = format!("spec.tls[{index}]");
        if written.matches.iter().any(|one| one.sni_hosts.is_empty()) || written.matches.is_empty()
        {
            notes.wrong(&format!("{path}.match"), "a TLS rule needs sniHosts in each match");
            continue;
        }
        for name in written.matches.iter().flat_map(|one| &one.sni_hosts) {
            let lower = name.to_ascii_lowercase();
            let inside = spec.hosts.iter().any(|host| {
                host::covers(
                    &host::resolve(host, notes.namespace(), &notes.settings.domain),
                    &lower,
                ) || host.eq_ignore_ascii_case(name)
            });
            if !inside {
                let text = format!("the server name {name:?} is not among spec.hosts");
                notes.wrong(&format!("{path}.match"), text);
            }
        }
        let matches = written.matches.iter().map(|one| {
            (
                one.sni_hosts.as_slice(),
                one.destination_subnets.as_slice(),
                WrittenScope {
                    port: one.port,
                    source_labels: &one.source_labels,
                    source_namespace: one.source_namespace.as_ref(),
                    gateways: &one.gateways,
                },
            )
        });
        rules.extend(notes.stream_rule(&path, matches, &written.route));
    }
    rules
}

fn tcp_rules(notes: &mut Notes<'_>, spec: &istio::VirtualServiceSpec) -> Vec<StreamRule> {
    let mut rules = Vec::new();
    for (index, written) in spec.tcp.iter().enumerate() {
        let path = format!("spec.tcp[{index}]");
        for (at, one) in written.matches.iter().enumerate() {
            let set = one.source_subnet.as_ref().is_some_and(|subnet| !subnet.is_empty());
            notes.ignored(set, &format!("{path}.match[{at}].sourceSubnet"));
        }
        let matches = written.matches.iter().map(|one| {
            (
                &[][..],
                one.destination_subnets.as_slice(),
                WrittenScope {
                    port: one.port,
                    source_labels: &one.source_labels,
                    source_namespace: one.source_namespace.as_ref(),
                    gateways: &one.gateways,
                },
            )
        });
        rules.extend(notes.stream_rule(&path, matches, &written.route));
    }
    rules
}
