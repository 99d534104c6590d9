//! Services, workloads and endpoints from Service, Pod, Node and EndpointSlice objects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kinds::core;

use super::entries;
use super::notes::Notes;
use crate::findings::{Code, Finding};
use crate::host;
use crate::model::network::{Gateways, NETWORK};
use crate::model::peer::Takes;
use crate::model::registry::Endpoints;
use crate::model::{
    Address, Endpoint, Export, Locality, MeshConfig, Model, Port, Protocol, Resolution, Service,
    ServiceName, Shared, Target, Workload,
};
use crate::world::{Key, Kind, PodRecord, World};

/// Annotation that stands for `trafficDistribution`.
const DISTRIBUTION: &str = "networking.istio.io/traffic-distribution";
/// Label of services whose sessions Istio pins to a pod by a cookie of its own.
const PERSISTENT: &str = "istio.io/persistent-session";

/// Workloads by address.
pub(super) fn workloads(world: &World) -> BTreeMap<IpAddr, Shared<Workload>> {
    let mut workloads = BTreeMap::new();
    for pod in world.pods.values() {
        if pod.addresses.is_empty() {
            continue;
        }
        let workload = Shared::new(placed(world, pod));
        for address in &pod.addresses {
            workloads.insert(*address, workload.clone());
        }
    }
    for (name, entry) in &world.workload_entries {
        let address = entry.spec.address.as_deref().and_then(|text| text.parse().ok());
        if let Some(address) = address {
            // A pod knows better what runs at its address.
            let of_entry = || Shared::new(entries::workload_of(name, entry));
            workloads.entry(address).or_insert_with(of_entry);
        }
    }
    workloads
}

/// The workload of a pod, with its node's place where the pod itself names none.
pub(super) fn placed(world: &World, pod: &PodRecord) -> Workload {
    let mut workload = pod.workload.clone();
    if workload.locality.is_unknown() {
        workload.locality = place_of_node(world, &pod.node);
    }
    workload
}

fn place_of_node(world: &World, node: &str) -> Locality {
    let Some(labels) = world.nodes.get(node) else { return Locality::default() };
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    Locality {
        region: label("topology.kubernetes.io/region"),
        zone: label("topology.kubernetes.io/zone"),
        subzone: label("topology.istio.io/subzone"),
    }
}

/// Services by host and namespace.
pub(super) fn services(
    world: &World,
    mesh: &MeshConfig,
    findings: &mut Vec<Finding>,
) -> BTreeMap<ServiceName, Shared<Service>> {
    let mut services = BTreeMap::new();
    for ((namespace, name), object) in &world.services {
        let key = Key { kind: Kind::Service, namespace: namespace.clone(), name: name.clone() };
        let mut notes = Notes::new(key, &world.settings, findings);
        if let Some(service) = service(&mut notes, mesh, object) {
            services.insert(service.key(), service);
        }
    }
    entries::services(world, mesh, findings, &mut services);
    services.into_iter().map(|(name, service)| (name, Shared::new(service))).collect()
}

fn service(notes: &mut Notes<'_>, mesh: &MeshConfig, object: &core::Service) -> Option<Service> {
    let spec = object.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        let text = "an ExternalName service is an alias in DNS only: its traffic passes through";
        notes.note(Code::ServiceNotServed, "spec.type", text);
        return None;
    }
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let all = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    let addresses: BTreeSet<IpAddr> = all.filter_map(|ip| ip.parse().ok()).collect();
    let ports = spec.ports.iter().flatten().enumerate();
    let ports = ports.filter_map(|(index, port)| self::port(notes, index, port)).collect();
    let annotations = object.metadata.annotations.as_ref();
    let words = annotations.and_then(|all| all.get("networking.istio.io/exportTo"));
    let words = words.into_iter().flat_map(|words| words.split(','));
    let export = Export::from_words(words, &mesh.export_services, notes.namespace());
    let pinned = object.metadata.labels.as_ref();
    let pinned = pinned.is_some_and(|labels| labels.contains_key(PERSISTENT));
    notes.ignored(pinned, &format!("metadata.labels[{PERSISTENT}]"));
    let near = near(notes, spec.traffic_distribution.as_deref(), &object.metadata);
    Some(Service {
        near,
        host: host::service(&notes.key.name, notes.namespace(), &notes.settings.domain),
        name: notes.key.name.clone(),
        namespace: notes.key.namespace.clone(),
        entry: false,
        external: false,
        resolution: Resolution::Endpoints,
        networks: Vec::new(),
        created: created(&object.metadata),
        addresses: addresses.into_iter().collect(),
        headless,
        ports,
        selector: spec.selector.clone().unwrap_or_default(),
        names: Vec::new(),
        export,
    })
}

/// Whether near endpoints come first: the field `trafficDistribution`, else the annotation that stands for it.
pub(super) fn near(
    notes: &mut Notes<'_>,
    field: Option<&str>,
    metadata: &core::ObjectMeta,
) -> bool {
    let note = metadata.annotations.as_ref().and_then(|all| all.get(DISTRIBUTION));
    let (path, word) = match (field, note) {
        (Some(word), _) => ("spec.trafficDistribution".to_owned(), word),
        (None, Some(word)) => (format!("metadata.annotations[{DISTRIBUTION}]"), word.as_str()),
        (None, None) => return false,
    };
    match word {
        "PreferClose" | "PreferSameZone" => true,
        "PreferSameNode" => {
            let text = "nodes are not told apart: endpoints of the same zone come first";
            notes.note(Code::FieldNotHonoured, &path, text);
            true
        }
        "" | "Any" => false,
        _ => {
            notes.note(Code::FieldNotHonoured, &path, format!("{word:?} is no distribution"));
            false
        }
    }
}

fn port(notes: &mut Notes<'_>, index: usize, port: &core::ServicePort) -> Option<Port> {
    let transport = port.protocol.as_deref().unwrap_or("TCP");
    if !transport.eq_ignore_ascii_case("TCP") {
        return None;
    }
    let path = format!("spec.ports[{index}]");
    let number = u32::try_from(port.port).unwrap_or(0);
    let number = notes.port(&format!("{path}.port"), number).ok()?;
    let name = port.name.clone().unwrap_or_default();
    let protocol = Protocol::of_port(transport, port.app_protocol.as_deref(), &name, number);
    // Nobody mends the ports of the cluster's own services.
    let own =
        notes.namespace() == "kube-system" || notes.namespace() == notes.settings.root_namespace;
    if protocol == Protocol::Unknown && !own {
        let text = format!("port {number} (name {name:?}) declares no protocol");
        notes.note(Code::PortNameIsNotUnderNamingConvention, &path, text);
    }
    let target = match &port.target_port {
        Some(core::IntOrString::String(name)) => Target::Name(name.clone()),
        Some(core::IntOrString::Int(target)) if *target != 0 => {
            let target = u32::try_from(*target).unwrap_or(0);
            Target::Number(notes.port(&format!("{path}.targetPort"), target).ok()?)
        }
        _ => Target::Number(number),
    };
    Some(Port { number, name, protocol, target })
}

/// Port at which a gateway between networks listens.
const GATEWAY_PORT: u16 = 15443;
/// Label of its Service that names another one.
const GATEWAY_PORT_LABEL: &str = "networking.istio.io/gatewayPort";

/// The gateways of each network: at the addresses that a Service has outside, else at its own.
pub(super) fn networks(world: &World, findings: &mut Vec<Finding>) -> Gateways {
    let mut gateways = Gateways::new();
    for ((namespace, name), object) in &world.services {
        let labels = object.metadata.labels.as_ref();
        let label = |key: &str| labels.and_then(|labels| labels.get(key));
        let Some(network) = label(NETWORK).filter(|network| !network.is_empty()) else { continue };
        let Some(spec) = &object.spec else { continue };
        let key = Key { kind: Kind::Service, namespace: namespace.clone(), name: name.clone() };
        let mut notes = Notes::new(key, &world.settings, findings);
        let port = match label(GATEWAY_PORT_LABEL) {
            None => GATEWAY_PORT,
            Some(text) => {
                let path = format!("metadata.labels[{GATEWAY_PORT_LABEL}]");
                match notes.port(&path, text.parse().unwrap_or(0)) {
                    Ok(port) => port,
                    Err(_) => continue,
                }
            }
        };
        // A Service of a network that has no such port is no gateway: the label marks what is in the network, too.
        if !spec.ports.iter().flatten().any(|one| one.port == i32::from(port)) {
            continue;
        }
        let status = object.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        let given = status.and_then(|it| it.ingress.as_ref()).into_iter().flatten();
        let given =
            given.filter_map(|one| one.ip.as_ref()).chain(spec.external_ips.iter().flatten());
        let mut addresses: Vec<IpAddr> = given.filter_map(|ip| ip.parse().ok()).collect();
        if addresses.is_empty() {
            addresses.extend(spec.cluster_ip.iter().filter_map(|ip| ip.parse::<IpAddr>().ok()));
        }
        let list = gateways.entry(network.clone()).or_default();
        list.extend(addresses.into_iter().map(|address| (address, port)));
        list.sort_unstable();
        list.dedup();
    }
    gateways.retain(|_, list| !list.is_empty());
    gateways
}

/// Endpoints in the making.
pub(super) type Found = BTreeMap<ServiceName, Endpoints>;

/// Ready endpoints of each service.
pub(super) fn endpoints(
    world: &World,
    model: &Model,
    findings: &mut Vec<Finding>,
) -> BTreeMap<ServiceName, Shared<Endpoints>> {
    let mut found = Found::new();
    for ((namespace, _), slice) in &world.slices {
        let labels = slice.metadata.labels.as_ref();
        let name = labels.and_then(|labels| labels.get("kubernetes.io/service-name"));
        let Some(name) = name else { continue };
        let host = host::service(name, namespace, &world.settings.domain);
        let host = ServiceName { host, namespace: namespace.clone() };
        let Some(service) = model.services.get(&host).filter(|one| !one.entry) else { continue };
        let own = found.entry(host).or_default();
        for port in slice.ports.iter().flatten() {
            let name = port.name.as_deref().unwrap_or_default();
            let Some(service_port) = service.ports.iter().find(|port| port.name == name) else {
                continue;
            };
            let Some(number) = port.port.and_then(|number| u16::try_from(number).ok()) else {
                continue;
            };
            let list = own.entry(service_port.number).or_default();
            for endpoint in &slice.endpoints {
                list.extend(addresses(world, model, namespace, endpoint).map(
                    |(address, workload, locality)| Endpoint {
                        address: Address::Ip(address),
                        port: number,
                        weight: 1,
                        workload,
                        locality,
                        tls: false,
                    },
                ));
            }
        }
    }
    entries::endpoints(world, model, findings, &mut found);
    for list in found.values_mut().flat_map(BTreeMap::values_mut) {
        for one in list.iter_mut() {
            let workload = one.workload.as_ref().filter(|it| it.tls);
            one.tls = workload
                .is_some_and(|it| model.takes(&it.namespace, &it.labels, one.port) != Takes::Plain);
        }
        let at = |one: &Endpoint| (one.address.clone(), one.port);
        list.sort_by_cached_key(at);
        // Those behind a gateway have no address that would tell them apart.
        list.dedup_by(|one, other| one.address != Address::Behind && at(one) == at(other));
    }
    found.into_iter().map(|(host, ports)| (host, Shared::new(ports))).collect()
}

/// The addresses of a slice's endpoint that may get requests, each with its workload and place.
fn addresses<'a>(
    world: &'a World,
    model: &'a Model,
    namespace: &'a str,
    endpoint: &'a core::Endpoint,
) -> impl Iterator<Item = (IpAddr, Option<Shared<Workload>>, Locality)> + 'a {
    // An absent `ready` means yes (Kubernetes, EndpointConditions).
    let ready = endpoint.conditions.as_ref().and_then(|is| is.ready) != Some(false);
    let pod = endpoint.target_ref.as_ref().filter(|to| to.kind.as_deref() == Some("Pod"));
    let pod = pod.and_then(|to| {
        let namespace = to.namespace.as_deref().unwrap_or(namespace);
        world.pods.get(&(namespace.to_owned(), to.name.clone()?))
    });
    let zone = Locality { zone: endpoint.zone.clone().unwrap_or_default(), ..Locality::default() };
    endpoint.addresses.iter().filter(move |_| ready).filter_map(move |address| {
        let address: IpAddr = address.parse().ok()?;
        // By name first: a pod's status may lag behind its slice.
        let workload = pod
            .map(|pod| Shared::new(placed(world, pod)))
            .or_else(|| model.workloads.get(&address).cloned());
        Some((address, workload, zone.clone()))
    })
}

/// The creation stamp as RFC 3339 text, which sorts by time; empty for an object not stored yet.
pub(crate) fn created(meta: &core::ObjectMeta) -> String {
    let stamp = meta.creation_timestamp.as_ref();
    stamp
        .and_then(|stamp| serde_json::to_value(stamp).ok())
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A key that sorts objects from the oldest; one without stamp is the youngest.
pub(super) fn by_age(created: &str, name: &str, namespace: &str) -> (bool, String, String, String) {
    (created.is_empty(), created.to_owned(), name.to_owned(), namespace.to_owned())
}
