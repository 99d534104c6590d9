//! Sidecar objects to scopes.

use std::net::SocketAddr;

use kinds::istio;

use super::entries::{protocol, socket_path};
use super::notes::{Bad, Notes};
use super::registry::{by_age, created};
use crate::findings::{Code, Finding};
use crate::model::policy::Pool;
use crate::model::scope::{Application, Egress, Import, Ingress};
use crate::model::{Origin, Shared, SidecarScope, Unknown};
use crate::world::{Key, Kind, World};

/// All scopes, oldest first.
pub(super) fn scopes(world: &World, findings: &mut Vec<Finding>) -> Vec<Shared<SidecarScope>> {
    let mut scopes: Vec<SidecarScope> = Vec::new();
    for ((namespace, name), object) in &world.sidecars {
        let key = Key { kind: Kind::Sidecar, namespace: namespace.clone(), name: name.clone() };
        scopes.push(scope(&mut Notes::new(key, &world.settings, findings), object));
    }
    scopes.sort_by_cached_key(|one| by_age(&one.created, &one.origin.name, &one.origin.namespace));
    for (index, one) in scopes.iter().enumerate() {
        let older = scopes[..index].iter().find(|older| {
            older.origin.namespace == one.origin.namespace && older.selector == one.selector
        });
        let Some(older) = older else { continue };
        let Origin { namespace, name } = one.origin.clone();
        let mut notes =
            Notes::new(Key { kind: Kind::Sidecar, namespace, name }, &world.settings, findings);
        let text = format!("{} is older, and it alone is used", older.origin);
        if one.selector.is_empty() {
            notes.note(Code::MultipleSidecarsWithoutWorkloadSelectors, "spec", text);
        } else {
            notes.note(Code::ConflictingSidecarWorkloadSelectors, "spec.workloadSelector", text);
        }
    }
    scopes.into_iter().map(Shared::new).collect()
}

fn scope(notes: &mut Notes<'_>, object: &istio::Sidecar) -> SidecarScope {
    let spec = &object.spec;
    let mut ingress: Vec<Ingress> = Vec::new();
    for (index, written) in spec.ingress.iter().enumerate() {
        let path = format!("spec.ingress[{index}]");
        let Ok(one) = self::ingress(notes, &path, written) else { continue };
        if ingress.iter().any(|other| other.port == one.port) {
            notes.wrong(&format!("{path}.port.number"), "this port stands twice");
        } else {
            ingress.push(one);
        }
    }
    let egress = spec.egress.iter().enumerate();
    let egress = egress
        .filter_map(|(index, one)| egress_list(notes, &format!("spec.egress[{index}]"), one).ok())
        .collect();
    SidecarScope {
        origin: Origin { namespace: notes.namespace().to_owned(), name: notes.key.name.clone() },
        created: created(&object.metadata),
        selector: spec.workload_selector.as_ref().map(|one| one.labels.clone()).unwrap_or_default(),
        ingress,
        egress,
        inbound_pool: spec
            .inbound_connection_pool
            .as_ref()
            .map(|pool| inbound_pool(notes, "spec.inboundConnectionPool", pool)),
        unknown: spec.outbound_traffic_policy.as_ref().map(|policy| unknown(notes, policy)),
    }
}

/// Limits towards the application.
fn inbound_pool(notes: &mut Notes<'_>, path: &str, written: &istio::ConnectionPool) -> Pool {
    let upgrade = written.http.as_ref().and_then(|http| http.h2_upgrade_policy);
    if upgrade == Some(istio::H2Upgrade::Upgrade) {
        let text = "the application gets the protocol that its port declares";
        notes.note(Code::FieldNotHonoured, &format!("{path}.http.h2UpgradePolicy"), text);
    }
    notes.pool(path, written)
}

fn unknown(notes: &mut Notes<'_>, written: &istio::OutboundPolicy) -> Unknown {
    let path = "spec.outboundTrafficPolicy.egressProxy";
    if let Some(to) = &written.egress_proxy
        && let Ok(to) = notes.destination(path, to)
    {
        if to.port.is_some() {
            return Unknown::To(to);
        }
        notes.wrong(&format!("{path}.port"), "the egress proxy needs a port number");
    }
    match written.mode {
        Some(istio::OutboundMode::AllowAny) => Unknown::Pass,
        // An absent mode is the enum's zero.
        Some(istio::OutboundMode::RegistryOnly) | None => Unknown::Refuse,
    }
}

fn ingress(
    notes: &mut Notes<'_>,
    path: &str,
    written: &istio::IngressListener,
) -> Result<Ingress, Bad> {
    let Some(port) = &written.port else {
        return Err(notes.wrong(&format!("{path}.port"), "an ingress listener needs a port"));
    };
    let number = notes.port(&format!("{path}.port.number"), port.number)?;
    let Some(protocol) = protocol(&port.protocol) else {
        let text = format!("{:?} is no protocol", port.protocol);
        return Err(notes.wrong(&format!("{path}.port.protocol"), text));
    };
    // What is redirected arrives at every address of the pod, so the address says nothing more.
    let bind = written.bind.as_deref().unwrap_or_default();
    notes.ignored(!matches!(bind, "" | "0.0.0.0" | "::"), &format!("{path}.bind"));
    let direct = written.capture_mode == Some(istio::CaptureMode::None);
    notes.ignored(direct, &format!("{path}.captureMode"));
    notes.ignored(written.tls.is_some(), &format!("{path}.tls"));
    notes.ignored(port.target_port.is_some(), &format!("{path}.port.targetPort"));
    let endpoint = written.default_endpoint.as_deref().unwrap_or_default();
    let application = match endpoint.parse::<SocketAddr>() {
        _ if endpoint.is_empty() => Application::Port(number),
        Ok(at) => Application::Port(at.port()),
        Err(_) => match socket_path(endpoint) {
            Some(socket) => Application::Pipe(socket),
            None => {
                let text = format!("{endpoint:?} is no address with a port and no unix socket");
                return Err(notes.wrong(&format!("{path}.defaultEndpoint"), text));
            }
        },
    };
    let pool = written.connection_pool.as_ref();
    Ok(Ingress {
        port: number,
        protocol,
        application,
        pool: pool.map(|pool| inbound_pool(notes, &format!("{path}.connectionPool"), pool)),
    })
}

fn egress_list(
    notes: &mut Notes<'_>,
    path: &str,
    written: &istio::EgressListener,
) -> Result<Egress, Bad> {
    let target = written.port.as_ref().and_then(|port| port.target_port);
    notes.ignored(target.is_some(), &format!("{path}.port.targetPort"));
    let port = written.port.as_ref().filter(|port| port.number != 0);
    let port = port.map(|port| notes.port(&format!("{path}.port.number"), port.number));
    let bind = written.bind.as_deref().unwrap_or_default();
    notes.ignored(!matches!(bind, "" | "0.0.0.0" | "::"), &format!("{path}.bind"));
    let direct = written.capture_mode == Some(istio::CaptureMode::None);
    notes.ignored(direct, &format!("{path}.captureMode"));
    let mut hosts = Vec::new();
    for (index, text) in written.hosts.iter().enumerate() {
        if !text.contains('/') {
            let text = format!("{text:?} has not the form namespace/host");
            notes.wrong(&format!("{path}.hosts[{index}]"), text);
        }
        hosts.extend(Import::from_text(text, notes.namespace()));
    }
    Ok(Egress { port: port.transpose()?, hosts })
}
