//! PeerAuthentication objects to what workloads take.

use std::collections::BTreeMap;

use kinds::istio;

use super::notes::Notes;
use super::registry::{by_age, created};
use crate::findings::{Code, Finding};
use crate::model::peer::{Peers, Takes};
use crate::model::{Origin, Shared};
use crate::world::{Key, Kind, World};

/// All rules, oldest first; of two for the same workloads only the older.
pub(super) fn peers(world: &World, findings: &mut Vec<Finding>) -> Vec<Shared<Peers>> {
    let mut read: Vec<Peers> = Vec::new();
    for ((namespace, name), object) in &world.peer_authentications {
        let origin = Origin { namespace: namespace.clone(), name: name.clone() };
        read.push(one(&mut Notes::new(key(&origin), &world.settings, findings), object));
    }
    read.sort_by_cached_key(|one| by_age(&one.created, &one.origin.name, &one.origin.namespace));
    let mut kept: Vec<Peers> = Vec::new();
    for one in read {
        let older = kept.iter().find(|older| {
            older.origin.namespace == one.origin.namespace && older.selector == one.selector
        });
        if let Some(older) = older {
            let mut notes = Notes::new(key(&one.origin), &world.settings, findings);
            let path = if one.selector.is_empty() { "spec" } else { "spec.selector" };
            let text = format!("{} is older, and it alone is used", older.origin);
            notes.note(Code::OlderPeerAuthentication, path, text);
        } else {
            kept.push(one);
        }
    }
    kept.into_iter().map(Shared::new).collect()
}

fn key(origin: &Origin) -> Key {
    Key {
        kind: Kind::PeerAuthentication,
        namespace: origin.namespace.clone(),
        name: origin.name.clone(),
    }
}

fn one(notes: &mut Notes<'_>, object: &istio::PeerAuthentication) -> Peers {
    let spec = &object.spec;
    let selector = spec.selector.as_ref().map(|one| one.match_labels.clone()).unwrap_or_default();
    let by_port = "spec.portLevelMtls";
    let mut ports = BTreeMap::new();
    for (text, written) in &spec.port_level_mtls {
        let path = format!("{by_port}[{text}]");
        if let Ok(port) = notes.port(&path, text.parse().unwrap_or(0)) {
            ports.insert(port, takes(written.mode));
        }
    }
    if selector.is_empty() && !ports.is_empty() {
        ports.clear();
        notes.wrong(by_port, "ports can only be named of selected workloads: add a selector");
    }
    if !selector.is_empty() && notes.namespace() == notes.settings.root_namespace {
        let text = "in the root namespace only a rule without selector counts, which is for the whole mesh";
        notes.wrong("spec.selector", text);
    }
    if !notes.settings.speaks_tls {
        let mode = spec.mtls.as_ref().and_then(|mtls| mtls.mode);
        let modes = spec.port_level_mtls.values().map(|one| one.mode).chain([mode]);
        let strict = modes.flatten().any(|mode| mode == istio::MutualTlsMode::Strict);
        if strict {
            let text = "our own proxies speak no TLS yet, so they take plain text all the same";
            notes.note(Code::FieldNotHonoured, "spec.mtls", text);
        }
    }
    Peers {
        origin: Origin { namespace: notes.key.namespace.clone(), name: notes.key.name.clone() },
        created: created(&object.metadata),
        all: takes(spec.mtls.as_ref().and_then(|mtls| mtls.mode)),
        selector,
        ports,
    }
}

fn takes(mode: Option<istio::MutualTlsMode>) -> Option<Takes> {
    match mode? {
        istio::MutualTlsMode::Unset => None,
        istio::MutualTlsMode::Disable => Some(Takes::Plain),
        istio::MutualTlsMode::Permissive => Some(Takes::Both),
        istio::MutualTlsMode::Strict => Some(Takes::Tls),
    }
}
