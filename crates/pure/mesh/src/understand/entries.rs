//! Services and endpoints of ServiceEntry and WorkloadEntry objects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kinds::istio::{self, ServiceEntry, WorkloadEntry, WorkloadEntrySpec};

use super::notes::Notes;
use super::registry::{Found, by_age, created, near, placed};
use crate::findings::{Code, Finding};
use crate::host;
use crate::model::network::NETWORK;
use crate::model::registry::contains;
use crate::model::{
    Address, Endpoint, Export, Locality, MeshConfig, Model, Port, Protocol, Resolution, Service,
    ServiceName, Shared, Target, Workload,
};
use crate::world::{Key, Kind, Name, World};

/// Longest path of a unix socket in bytes, as the kernel holds it with its end.
const LONGEST_PATH: usize = 107;

/// The protocols of a port; `None` is a word that names none.
pub(super) fn protocol(word: &str) -> Option<Protocol> {
    Some(match word.to_ascii_uppercase().as_str() {
        "HTTP" => Protocol::Http,
        "HTTP2" => Protocol::Http2,
        "GRPC" => Protocol::Grpc,
        "GRPC-WEB" => Protocol::GrpcWeb,
        "HTTPS" => Protocol::Https,
        "TLS" => Protocol::Tls,
        "TCP" | "MONGO" => Protocol::Tcp,
        "" => Protocol::Unknown,
        _ => return None,
    })
}

fn key_of((namespace, name): &Name, kind: Kind) -> Key {
    Key { kind, namespace: namespace.clone(), name: name.clone() }
}

/// Entries from the oldest, which has the say where two speak for one host.
fn by_creation(world: &World) -> Vec<(&Name, &ServiceEntry)> {
    let mut entries: Vec<_> =
        world.service_entries.iter().map(|(name, entry)| (name, &**entry)).collect();
    entries.sort_by_cached_key(|((namespace, name), entry)| {
        by_age(&created(&entry.metadata), name, namespace)
    });
    entries
}

fn resolution(entry: &ServiceEntry) -> Resolution {
    match entry.spec.resolution.unwrap_or(istio::Resolution::None) {
        istio::Resolution::None => Resolution::Dialled,
        istio::Resolution::DynamicDns => Resolution::ByRequest,
        istio::Resolution::Static => Resolution::Endpoints,
        istio::Resolution::Dns => Resolution::Dns,
        istio::Resolution::DnsRoundRobin => Resolution::DnsRoundRobin,
    }
}

/// Adds the services of entries to those of Service objects.
pub(super) fn services(
    world: &World,
    mesh: &MeshConfig,
    findings: &mut Vec<Finding>,
    services: &mut BTreeMap<ServiceName, Service>,
) {
    for (name, entry) in by_creation(world) {
        let key = key_of(name, Kind::ServiceEntry);
        let mut notes = Notes::new(key, &world.settings, findings);
        for service in of_entry(&mut notes, mesh, entry) {
            let path = "spec.hosts";
            match services.get_mut(&service.key()) {
                None => drop(services.insert(service.key(), service)),
                Some(older) if older.entry && older.resolution == service.resolution => {
                    join(older, service);
                }
                Some(older) => {
                    let what = if older.entry { "an older ServiceEntry" } else { "a Service" };
                    let text = format!(
                        "{} belongs to {what} of this namespace, which alone is used",
                        service.host
                    );
                    notes.note(Code::HostTaken, path, text);
                }
            }
        }
    }
}

/// Adds ports and addresses of a younger entry for the same host.
fn join(older: &mut Service, younger: Service) {
    for port in younger.ports {
        if older.port(port.number).is_none() {
            older.ports.push(port);
        }
    }
    for address in younger.addresses {
        if !older.addresses.contains(&address) {
            older.addresses.push(address);
        }
    }
    for network in younger.networks {
        if !older.networks.contains(&network) {
            older.networks.push(network);
        }
    }
    if older.selector.is_empty() {
        older.selector = younger.selector;
    }
    for name in younger.names {
        if !older.names.contains(&name) {
            older.names.push(name);
        }
    }
}

fn of_entry(notes: &mut Notes<'_>, mesh: &MeshConfig, entry: &ServiceEntry) -> Vec<Service> {
    let spec = &entry.spec;
    let mut ports: Vec<Port> = Vec::new();
    for (index, written) in spec.ports.iter().enumerate() {
        if let Some(port) = port(notes, &format!("spec.ports[{index}]"), written) {
            if ports.iter().any(|one| one.number == port.number) {
                let path = format!("spec.ports[{index}].number");
                notes.wrong(&path, format!("the port {} stands twice", port.number));
            } else {
                ports.push(port);
            }
        }
    }
    let resolution = resolution(entry);
    if resolution == Resolution::ByRequest {
        by_request(notes, spec, &mut ports);
    }
    let named = !spec.subject_alt_names.is_empty();
    notes.ignored(named && !notes.settings.speaks_tls, "spec.subjectAltNames");
    let (addresses, networks) = addresses(notes, &spec.addresses);
    // Only an address tells bytes for this host from bytes for another.
    let blind = |port: &&Port| matches!(port.protocol, Protocol::Tcp | Protocol::Unknown);
    if addresses.is_empty()
        && networks.is_empty()
        && let Some(port) = ports.iter().find(blind)
    {
        let text = format!(
            "port {} declares no HTTP and no TLS: without addresses every unknown connection to it counts as this host's",
            port.number
        );
        notes.note(Code::ServiceEntryAddressesRequired, "spec.addresses", text);
    }
    let export = Export::from_words(
        spec.export_to.iter().map(String::as_str),
        &mesh.export_services,
        notes.namespace(),
    );
    let selector = spec.workload_selector.as_ref().map(|one| one.labels.clone());
    let near = near(notes, None, &entry.metadata);
    let mut services = Vec::new();
    for (index, text) in spec.hosts.iter().enumerate() {
        let path = format!("spec.hosts[{index}]");
        // Hosts of an entry are whole names: nothing is completed.
        let host = text.to_ascii_lowercase();
        if host == "*" || notes.host(&path, &format!("{host}.")).is_err() {
            notes.wrong(&path, format!("{text:?} cannot be the host of an entry"));
            continue;
        }
        if host::is_wildcard(&host) && resolution.is_dns() && spec.endpoints.is_empty() {
            notes.wrong(&path, "a pattern cannot be resolved: name endpoints, or use NONE");
            continue;
        }
        services.push(Service {
            name: host.clone(),
            host,
            namespace: notes.namespace().to_owned(),
            entry: true,
            external: spec.location != Some(istio::Location::MeshInternal),
            resolution,
            created: created(&entry.metadata),
            addresses: addresses.clone(),
            networks: networks.clone(),
            headless: false,
            ports: ports.clone(),
            selector: selector.clone().unwrap_or_default(),
            names: spec.subject_alt_names.clone(),
            export: export.clone(),
            near,
        });
    }
    services
}

/// Ports of an entry that is looked up by request: something in the request must name the host.
fn by_request(notes: &mut Notes<'_>, spec: &istio::ServiceEntrySpec, ports: &mut Vec<Port>) {
    for (index, written) in spec.ports.iter().enumerate() {
        let Some(port) = ports.iter().find(|port| u32::from(port.number) == written.number) else {
            continue;
        };
        if matches!(port.protocol, Protocol::Tcp | Protocol::Unknown) {
            let text = "bytes name no host that could be looked up: with DYNAMIC_DNS the protocol must be of HTTP or TLS";
            notes.wrong(&format!("spec.ports[{index}].protocol"), text);
        } else if port.protocol.is_http() {
            let elsewhere = written.target_port.is_some_and(|target| target != written.number);
            if elsewhere {
                let text = "with DYNAMIC_DNS a request goes to the port that its own host names";
                let path = format!("spec.ports[{index}].targetPort");
                notes.note(Code::FieldNotHonoured, &path, text);
            }
        }
    }
    ports.retain(|port| !matches!(port.protocol, Protocol::Tcp | Protocol::Unknown));
}

fn port(notes: &mut Notes<'_>, path: &str, written: &istio::EntryPort) -> Option<Port> {
    let number = notes.port(&format!("{path}.number"), written.number).ok()?;
    let Some(protocol) = protocol(&written.protocol) else {
        let text = format!(
            "{:?} is none of HTTP, HTTPS, GRPC, GRPC-WEB, HTTP2, MONGO, TCP, TLS",
            written.protocol
        );
        notes.wrong(&format!("{path}.protocol"), text);
        return None;
    };
    let target = match written.target_port.filter(|port| *port != 0) {
        None => number,
        Some(target) => notes.port(&format!("{path}.targetPort"), target).ok()?,
    };
    Some(Port { number, name: written.name.clone(), protocol, target: Target::Number(target) })
}

/// Addresses and networks that clients dial.
fn addresses(notes: &mut Notes<'_>, words: &[String]) -> (Vec<IpAddr>, Vec<ipnet::IpNet>) {
    let (mut addresses, mut networks) = (BTreeSet::new(), BTreeSet::new());
    for (index, word) in words.iter().enumerate() {
        match host::network(word) {
            Some(one) if one.prefix_len() == one.max_prefix_len() => {
                addresses.insert(one.addr());
            }
            Some(network) => {
                networks.insert(network.trunc());
            }
            None => {
                let path = format!("spec.addresses[{index}]");
                notes.wrong(&path, format!("{word:?} is no address or network"));
            }
        }
    }
    (addresses.into_iter().collect(), networks.into_iter().collect())
}

/// Adds the endpoints of entries, and WorkloadEntries that Service objects select.
pub(super) fn endpoints(
    world: &World,
    model: &Model,
    findings: &mut Vec<Finding>,
    found: &mut Found,
) {
    for (name, entry) in by_creation(world) {
        let key = key_of(name, Kind::ServiceEntry);
        let mut notes = Notes::new(key, &world.settings, findings);
        for host in &entry.spec.hosts {
            let of = ServiceName { host: host.to_ascii_lowercase(), namespace: name.0.clone() };
            let service = model.services.get(&of).filter(|one| one.entry);
            // One that could not be joined with an older is not used, and its endpoints neither.
            let service = service.filter(|one| one.resolution == resolution(entry));
            let Some(service) = service else { continue };
            let list = found.entry(of).or_default();
            for (index, spec) in entry.spec.endpoints.iter().enumerate() {
                let path = format!("spec.endpoints[{index}]");
                let workload = inline(&name.1, &name.0, spec);
                let place = Place { service, path: &path, workload };
                add(&mut notes, (list, model), &place, spec);
            }
            if entry.spec.workload_selector.is_some() {
                selected_pods(world, service, list);
            } else if entry.spec.endpoints.is_empty() && service.resolution.is_dns() {
                for port in &service.ports {
                    let Target::Number(target) = port.target else { continue };
                    let address = Address::Name(service.host.clone());
                    list.entry(port.number).or_default().push(endpoint(address, target, 1, None));
                }
            }
        }
    }
    for (name, entry) in &world.workload_entries {
        let mut notes = Notes::new(key_of(name, Kind::WorkloadEntry), &world.settings, findings);
        if !is_healthy(entry) {
            continue;
        }
        let workload = workload_of(name, entry);
        let selecting =
            model.services.values().filter(|one| one.selects(&name.0, &entry.spec.labels));
        for service in selecting {
            let list = found.entry(service.key()).or_default();
            let place = Place { service, path: "spec", workload: workload.clone() };
            add(&mut notes, (list, model), &place, &entry.spec);
        }
    }
}

/// Says that an agent beside the workload looks after its health.
const CHECKED: &str = "proxy.istio.io/health-checks-enabled";

/// A workload that says of itself that it is ill gets nothing, nor does one that is looked after and has not said yet.
fn is_healthy(entry: &WorkloadEntry) -> bool {
    let conditions = entry.status.as_ref().map(|status| status.conditions.as_slice());
    let mut conditions = conditions.unwrap_or_default().iter();
    let annotations = entry.metadata.annotations.as_ref();
    let is_checked = annotations.is_some_and(|all| all.get(CHECKED).is_some_and(|it| it == "true"));
    match conditions.find(|one| one.type_ == "Healthy") {
        Some(condition) => condition.status == "True" || !is_checked && condition.status != "False",
        None => !is_checked,
    }
}

/// The workload of a WorkloadEntry.
pub(super) fn workload_of((namespace, name): &Name, entry: &WorkloadEntry) -> Workload {
    Workload { name: name.clone(), ..inline(name, namespace, &entry.spec) }
}

/// A workload that has no object of its own.
fn inline(owner: &str, namespace: &str, spec: &WorkloadEntrySpec) -> Workload {
    let ports = spec.ports.iter();
    Workload {
        name: String::new(),
        namespace: namespace.to_owned(),
        labels: spec.labels.clone(),
        service_account: spec.service_account.clone().unwrap_or_default(),
        owner: owner.to_owned(),
        locality: spec.locality.as_deref().map(Locality::from_text).unwrap_or_default(),
        ports: ports
            .filter_map(|(name, port)| Some((name.clone(), u16::try_from(*port).ok()?)))
            .collect(),
        network: spec.network.clone().unwrap_or_default(),
        tls: spec.labels.get("security.istio.io/tlsMode").is_some_and(|mode| mode == "istio"),
    }
}

/// Notes a workload that nobody of another network comes to.
fn network(notes: &mut Notes<'_>, place: &Place<'_>, model: &Model, has_no_address: bool) {
    let own = &place.workload.network;
    let has_gateway = model.networks.contains_key(own);
    let path = |field: &str| format!("{}.{field}", place.path);
    if has_no_address && !has_gateway {
        let text = format!(
            "a workload without address is reached through a gateway of its network, and no Service with the label {NETWORK}: {own} is one"
        );
        notes.note(Code::ReferencedResourceNotFound, &path("network"), text);
    } else if !own.is_empty() && !has_gateway {
        let text = format!(
            "no Service with the label {NETWORK}: {own} is a gateway, so everybody dials the workload itself"
        );
        notes.note(Code::NetworkWithoutGateway, &path("network"), text);
    } else if has_gateway && !place.workload.tls {
        let text = "gateways between networks pass mutual TLS only: without the label security.istio.io/tlsMode: istio it gets no traffic of other networks";
        notes.note(Code::NotReachedFromOtherNetworks, &path("labels"), text);
    }
}

/// The path in `unix:///path`, or the name in `unix://@name`.
pub(super) fn socket_path(text: &str) -> Option<String> {
    let path = text.strip_prefix("unix://")?;
    let good = path.starts_with(['/', '@']) && path.len() > 1 && path.len() <= LONGEST_PATH;
    good.then(|| path.to_owned())
}

struct Place<'a> {
    service: &'a Service,
    path: &'a str,
    workload: Workload,
}

/// Adds one workload behind every port of a service.
fn add(
    notes: &mut Notes<'_>,
    (list, model): (&mut crate::model::registry::Endpoints, &Model),
    place: &Place<'_>,
    spec: &WorkloadEntrySpec,
) {
    let path = format!("{}.address", place.path);
    let text = spec.address.as_deref().unwrap_or_default();
    network(notes, place, model, text.is_empty());
    let address = match text.parse() {
        Ok(ip) => Address::Ip(ip),
        Err(_) if text.is_empty() => Address::Behind,
        Err(_) if text.starts_with("unix://") => match socket_path(text) {
            Some(path) => Address::Pipe(path),
            None => {
                let text = format!("{text:?} is neither unix:///path nor unix://@name");
                notes.wrong(&path, text);
                return;
            }
        },
        Err(_) if !place.service.resolution.is_dns() => {
            let text = format!("{text:?} is a name, and {} resolves none", place.service.host);
            notes.wrong(&path, text);
            return;
        }
        Err(_) => match notes.host(&path, &format!("{text}.")) {
            Ok(_) => Address::Name(text.to_ascii_lowercase()),
            Err(_) => return,
        },
    };
    let weight = spec.weight.filter(|weight| *weight > 0).unwrap_or(1);
    let workload = Shared::new(place.workload.clone());
    for port in &place.service.ports {
        let named = place.workload.ports.get(&port.name).copied();
        let target = named.or_else(|| match &port.target {
            Target::Number(number) => Some(*number),
            Target::Name(name) => place.workload.ports.get(name).copied(),
        });
        let target = if matches!(address, Address::Pipe(_)) { Some(0) } else { target };
        let Some(target) = target else { continue };
        let one = endpoint(address.clone(), target, weight, Some(workload.clone()));
        list.entry(port.number).or_default().push(one);
    }
}

fn endpoint(
    address: Address,
    port: u16,
    weight: u32,
    workload: Option<Shared<Workload>>,
) -> Endpoint {
    Endpoint { address, port, weight, workload, locality: Locality::default(), tls: false }
}

/// Ready pods that an entry selects.
fn selected_pods(world: &World, service: &Service, list: &mut crate::model::registry::Endpoints) {
    for ((namespace, _), pod) in &world.pods {
        let labels = &pod.workload.labels;
        if *namespace != service.namespace || !contains(labels, &service.selector) || !pod.ready {
            continue;
        }
        let workload = Shared::new(placed(world, pod));
        for address in &pod.addresses {
            for port in &service.ports {
                let Target::Number(target) = port.target else { continue };
                let one = endpoint(Address::Ip(*address), target, 1, Some(workload.clone()));
                list.entry(port.number).or_default().push(one);
            }
        }
    }
}
