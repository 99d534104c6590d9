//! Gateway objects to gateways.

use kinds::istio;

use super::entries::{self, socket_path};
use super::notes::{Bad, Notes};
use super::registry::{by_age, created};
use crate::findings::{Code, Finding};
use crate::model::{Gateway, Origin, Server, ServerHost, ServerTls, Shared, TlsMode};
use crate::world::{Key, Kind, World};

/// All gateways, oldest first.
pub(super) fn gateways(world: &World, findings: &mut Vec<Finding>) -> Vec<Shared<Gateway>> {
    let mut gateways: Vec<Gateway> = Vec::new();
    for ((namespace, name), object) in &world.gateways {
        let key = Key { kind: Kind::Gateway, namespace: namespace.clone(), name: name.clone() };
        let mut notes = Notes::new(key, &world.settings, findings);
        let mut servers = Vec::new();
        for (index, written) in object.spec.servers.iter().enumerate() {
            servers.extend(server(&mut notes, &format!("spec.servers[{index}]"), written));
        }
        gateways.push(Gateway {
            origin: Origin { namespace: namespace.clone(), name: name.clone() },
            created: created(&object.metadata),
            selector: object.spec.selector.clone(),
            servers,
        });
    }
    gateways
        .sort_by_cached_key(|one| by_age(&one.created, &one.origin.name, &one.origin.namespace));
    gateways.into_iter().map(Shared::new).collect()
}

fn server(notes: &mut Notes<'_>, path: &str, written: &istio::Server) -> Result<Server, Bad> {
    let bind = written.bind.as_deref().filter(|bind| !bind.is_empty());
    let socket = bind.and_then(socket_path);
    let path_of_number = format!("{path}.port.number");
    let number = match written.port.number {
        0 if socket.is_some() => 0,
        _ if socket.is_some() => {
            return Err(notes.wrong(&path_of_number, "a unix socket has no port: 0 is to be said"));
        }
        number => notes.port(&path_of_number, number)?,
    };
    let word = &written.port.protocol;
    let protocol = entries::protocol(word).filter(|_| !word.is_empty());
    let Some(protocol) = protocol else {
        let text =
            format!("{word:?} is none of HTTP, HTTPS, GRPC, GRPC-WEB, HTTP2, MONGO, TCP, TLS");
        return Err(notes.wrong(&format!("{path}.port.protocol"), text));
    };
    if written.hosts.is_empty() {
        return Err(notes.wrong(&format!("{path}.hosts"), "a server needs at least one host"));
    }
    let mut hosts = Vec::new();
    for (index, text) in written.hosts.iter().enumerate() {
        let host = ServerHost::from_text(text, notes.namespace());
        if notes.host(&format!("{path}.hosts[{index}]"), &host.host).is_ok() {
            hosts.push(host);
        }
    }
    let set = written.default_endpoint.as_ref().is_some_and(|text| !text.is_empty());
    notes.ignored(set, &format!("{path}.defaultEndpoint"));
    notes.ignored(written.port.target_port.is_some(), &format!("{path}.port.targetPort"));
    if let Some(bind) = bind.filter(|bind| socket.is_none() && !crate::host::is_address(bind)) {
        let text = format!("{bind:?} is neither an IP address nor unix:///path nor unix://@name");
        return Err(notes.wrong(&format!("{path}.bind"), text));
    }
    let bind = socket.or_else(|| bind.map(str::to_owned));
    let tls = written.tls.as_ref().filter(|_| protocol.is_tls());
    let tls = tls.map(|tls| self::tls(notes, &format!("{path}.tls"), tls));
    if protocol.is_tls() && tls.is_none() {
        return Err(notes.wrong(&format!("{path}.tls"), format!("a server of {word} needs tls")));
    }
    Ok(Server {
        number,
        name: written.port.name.clone(),
        protocol,
        hosts,
        tls,
        redirect_to_https: written.tls.as_ref().and_then(|tls| tls.https_redirect) == Some(true),
        bind,
    })
}

fn tls(notes: &mut Notes<'_>, path: &str, written: &istio::ServerTls) -> ServerTls {
    // An absent mode is the enum's zero, which is PASSTHROUGH.
    let mode = match written.mode.unwrap_or(istio::ServerTlsMode::Passthrough) {
        istio::ServerTlsMode::Passthrough => TlsMode::Passthrough,
        istio::ServerTlsMode::Simple => TlsMode::Simple,
        istio::ServerTlsMode::Mutual => TlsMode::Mutual,
        istio::ServerTlsMode::AutoPassthrough => TlsMode::AutoPassthrough,
        istio::ServerTlsMode::IstioMutual => TlsMode::IstioMutual,
        istio::ServerTlsMode::OptionalMutual => TlsMode::OptionalMutual,
    };
    let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let speaks = notes.settings.speaks_tls;
    if mode != TlsMode::Passthrough && !speaks {
        let text = "the gateway opens no TLS yet, so this server does not listen";
        notes.note(Code::TlsServerNotServed, &format!("{path}.mode"), text);
    }
    let mut credentials: Vec<String> = said(&written.credential_name).into_iter().collect();
    if credentials.is_empty() {
        credentials.extend(written.credential_names.iter().cloned());
    } else if !written.credential_names.is_empty() {
        let text = "credentialName says it already";
        notes.note(Code::FieldNotHonoured, &format!("{path}.credentialNames"), text);
    }
    let mut files: Vec<_> = written
        .tls_certificates
        .iter()
        .map(|one| (&one.server_certificate, &one.private_key))
        .collect();
    if files.is_empty() {
        files.push((&written.server_certificate, &written.private_key));
    }
    let pairs = files.into_iter().filter_map(|(one, key)| Some((said(one)?, said(key)?)));
    let tls = ServerTls {
        mode,
        credentials,
        roots_credential: said(&written.ca_cert_credential_name),
        pairs: pairs.collect(),
        roots: said(&written.ca_certificates),
        revoked: said(&written.ca_crl),
        names: written.subject_alt_names.clone(),
        keys: written.verify_certificate_spki.clone(),
        hashes: written.verify_certificate_hash.clone(),
        lowest: written.min_protocol_version.and_then(version),
        highest: written.max_protocol_version.and_then(version),
        ciphers: written.cipher_suites.clone(),
        unchecked: written.insecure_skip_verify == Some(true),
    };
    let needs = tls.asks() || mode == TlsMode::Simple;
    if needs && speaks && tls.credentials.is_empty() && tls.pairs.is_empty() {
        let text = "without credentialName, or serverCertificate and privateKey, this server does not listen";
        notes.wrong(path, text);
    }
    if tls.asks() && speaks && tls.roots_in().is_none() && tls.roots.is_none() && !tls.unchecked {
        let text = "without roots for the clients' certificates this server does not listen: name caCertificates or credentialName";
        notes.wrong(&format!("{path}.caCertificates"), text);
    }
    tls
}

/// The second number of a version 1.x; `None` is the proxy's choice.
fn version(written: istio::TlsVersion) -> Option<u8> {
    match written {
        istio::TlsVersion::Auto => None,
        istio::TlsVersion::V1_0 => Some(0),
        istio::TlsVersion::V1_1 => Some(1),
        istio::TlsVersion::V1_2 => Some(2),
        istio::TlsVersion::V1_3 => Some(3),
    }
}
