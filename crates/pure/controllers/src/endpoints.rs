//! Where the traffic of each Service goes: Endpoints and EndpointSlices from pods.
//!
//! A pod that is being deleted is withdrawn at once. Services without selector have Endpoints
//! that somebody else writes; these are repeated as EndpointSlices.
//!
//! Spec: the endpoints, endpointslice and endpointslicemirroring controllers of Kubernetes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use kinds::core::{
    EndpointAddress, EndpointSubset, Endpoints, EndpointsPort, IntOrString, LabelSelector,
    ObjectMeta, ObjectReference, Pod, Service, ServicePort, ServiceSpec,
};
use serde_json::{Value, json};

use crate::replicaset::in_namespace;
use crate::seen::{Seen, is_at_rest, is_ready, name, namespace, selects};
use crate::{Plan, Target, Write};

mod slices;

/// Marks Endpoints that are made here, which go with their Service.
const MANAGED: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const HEADLESS: &str = "service.kubernetes.io/headless";

/// Brings Endpoints and EndpointSlices of every Service in line with its pods.
#[must_use]
pub fn step(seen: &Seen) -> Plan {
    let mut plan = Plan::default();
    for service in seen.services.values() {
        if service.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let Some(spec) = &service.spec else { continue };
        let selector = spec.selector.clone().unwrap_or_default();
        let subsets = if selector.is_empty() || spec.type_.as_deref() == Some("ExternalName") {
            let key = (namespace(&service.metadata).to_owned(), name(&service.metadata).to_owned());
            let Some(written) = seen.endpoints.get(&key) else { continue };
            written.subsets.clone().unwrap_or_default()
        } else {
            let subsets = subsets(seen, service, spec, selector);
            write(seen, service, spec, &subsets, &mut plan);
            subsets
        };
        slices::write(seen, service, spec, &subsets, &mut plan);
    }
    withdraw(seen, &mut plan);
    plan
}

/// The addresses of ready pods that some Service selects: those that proxies must come to know.
#[must_use]
pub fn addresses(services: &[Service], pods: &[Pod]) -> Vec<IpAddr> {
    let leads = |service: &Service, pod: &Pod| {
        let labels = service.spec.as_ref().and_then(|spec| spec.selector.clone());
        let some = labels.as_ref().is_some_and(|labels| !labels.is_empty());
        let selector = LabelSelector { match_labels: labels, match_expressions: None };
        some && service.metadata.namespace == pod.metadata.namespace
            && selects(&selector, pod.metadata.labels.as_ref())
    };
    pods.iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod))
        .filter(|pod| services.iter().any(|service| leads(service, pod)))
        .filter_map(|pod| pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok())
        .collect()
}

/// Ends what was made for a Service that is no more.
fn withdraw(seen: &Seen, plan: &mut Plan) {
    for (key, endpoints) in &seen.endpoints {
        let meta = &endpoints.metadata;
        let made_here =
            meta.labels.as_ref().and_then(|l| l.get(MANAGED)).is_some_and(|m| m == MANAGER);
        if made_here && !seen.services.contains_key(key) && meta.deletion_timestamp.is_none() {
            let target = Target::of("v1", "Endpoints", meta);
            plan.writes.push(Write::delete(target.clone(), target));
        }
    }
}

fn subsets(
    seen: &Seen,
    service: &Service,
    spec: &ServiceSpec,
    selector: BTreeMap<String, String>,
) -> Vec<EndpointSubset> {
    let selector = LabelSelector { match_labels: Some(selector), match_expressions: None };
    let unready = spec.publish_not_ready_addresses == Some(true);
    // Pods may mean different numbers by one port name: those that agree share a subset.
    let mut groups: BTreeMap<Vec<PortKey>, (Vec<EndpointAddress>, Vec<EndpointAddress>)> =
        BTreeMap::new();
    for pod in in_namespace(seen, namespace(&service.metadata)) {
        let gone = pod.metadata.deletion_timestamp.is_some() || is_at_rest(pod);
        if gone || !selects(&selector, pod.metadata.labels.as_ref()) {
            continue;
        }
        let ip =
            pod.status.as_ref().and_then(|status| status.pod_ip.as_deref()).unwrap_or_default();
        if ip.is_empty() {
            continue;
        }
        let ports: Vec<PortKey> = spec
            .ports
            .iter()
            .flatten()
            .filter_map(|port| Some(PortKey::of(port, target_port(port, pod)?)))
            .collect();
        if ports.is_empty() && spec.ports.as_ref().is_some_and(|ports| !ports.is_empty()) {
            continue;
        }
        let (ready, waiting) = groups.entry(ports).or_default();
        let address = address(service, pod, ip);
        if unready || is_ready(pod) { ready.push(address) } else { waiting.push(address) }
    }
    groups
        .into_iter()
        .map(|(ports, (mut ready, mut waiting))| {
            let order =
                |address: &EndpointAddress| (address.ip.parse::<IpAddr>().ok(), address.ip.clone());
            ready.sort_by_key(order);
            waiting.sort_by_key(order);
            EndpointSubset {
                addresses: Some(ready).filter(|all| !all.is_empty()),
                not_ready_addresses: Some(waiting).filter(|all| !all.is_empty()),
                ports: Some(ports.into_iter().map(PortKey::port).collect())
                    .filter(|all: &Vec<_>| !all.is_empty()),
            }
        })
        .collect()
}

/// A port of Endpoints, in an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PortKey {
    name: Option<String>,
    port: i32,
    protocol: String,
    app_protocol: Option<String>,
}

impl PortKey {
    fn of(port: &ServicePort, number: i32) -> Self {
        Self {
            name: port.name.clone().filter(|name| !name.is_empty()),
            port: number,
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
            app_protocol: port.app_protocol.clone(),
        }
    }

    fn port(self) -> EndpointsPort {
        EndpointsPort {
            name: self.name,
            port: self.port,
            protocol: Some(self.protocol),
            app_protocol: self.app_protocol,
        }
    }
}

/// The number that a Service's port has in a pod; `None` if the pod has no port of that name.
fn target_port(port: &ServicePort, pod: &Pod) -> Option<i32> {
    let wanted = match &port.target_port {
        None | Some(IntOrString::Int(0)) => return Some(port.port),
        Some(IntOrString::Int(number)) => return Some(*number),
        Some(IntOrString::String(name)) => name,
    };
    if let Ok(number) = wanted.parse() {
        return Some(number);
    }
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    let spec = pod.spec.as_ref()?;
    // Init containers that stay (sidecars) serve too.
    let staying = spec
        .init_containers
        .iter()
        .flatten()
        .filter(|container| container.restart_policy.as_deref() == Some("Always"));
    spec.containers
        .iter()
        .chain(staying)
        .flat_map(|container| container.ports.iter().flatten())
        .find(|port| {
            port.name.as_ref() == Some(wanted)
                && port.protocol.as_deref().unwrap_or("TCP") == protocol
        })
        .map(|port| port.container_port)
}

fn address(service: &Service, pod: &Pod, ip: &str) -> EndpointAddress {
    let spec = pod.spec.as_ref();
    let domain = spec.and_then(|spec| spec.subdomain.as_deref()).unwrap_or_default();
    let named = domain == name(&service.metadata) && !domain.is_empty();
    EndpointAddress {
        ip: ip.to_owned(),
        hostname: spec.and_then(|spec| spec.hostname.clone()).filter(|_| named),
        node_name: spec.and_then(|spec| spec.node_name.clone()),
        target_ref: Some(ObjectReference {
            kind: Some("Pod".to_owned()),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
            ..ObjectReference::default()
        }),
    }
}

fn write(
    seen: &Seen,
    service: &Service,
    spec: &ServiceSpec,
    subsets: &[EndpointSubset],
    plan: &mut Plan,
) {
    let meta = &service.metadata;
    let key = (namespace(meta).to_owned(), name(meta).to_owned());
    let mut labels = meta.labels.clone().unwrap_or_default();
    labels.insert(MANAGED.to_owned(), MANAGER.to_owned());
    if spec.cluster_ip.as_deref() == Some("None") {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    let owner = owner(service, "Endpoints");
    match seen.endpoints.get(&key) {
        Some(old) if is_current(old, subsets, &labels) => {}
        Some(old) => {
            let patch = json!({
                "metadata": {
                    "uid": old.metadata.uid,
                    "resourceVersion": old.metadata.resource_version,
                    "labels": replaced(old.metadata.labels.as_ref(), &labels),
                },
                "subsets": subsets,
            });
            let target = Target::of("v1", "Endpoints", &old.metadata);
            plan.writes.push(Write::patch(target, patch, None).by(owner));
        }
        None if !seen.is_open(namespace(meta)) => {}
        None => {
            let object = json!({
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {"name": key.1, "namespace": key.0, "labels": labels},
                "subsets": subsets,
            });
            plan.writes.push(Write::create(object, owner));
        }
    }
}

fn is_current(
    old: &Endpoints,
    subsets: &[EndpointSubset],
    labels: &BTreeMap<String, String>,
) -> bool {
    old.subsets.as_deref().unwrap_or_default() == subsets
        && old.metadata.labels.as_ref() == Some(labels)
}

/// A merge patch from the labels that are there to those that ought to be.
fn replaced(old: Option<&BTreeMap<String, String>>, new: &BTreeMap<String, String>) -> Value {
    let mut patch = json!(new);
    for key in old.into_iter().flatten().map(|(key, _)| key).filter(|key| !new.contains_key(*key)) {
        patch[key] = Value::Null;
    }
    patch
}

/// Endpoints and slices of a Service are written independently of each other.
fn owner(service: &Service, what: &str) -> Target {
    let mut owner = Target::of("v1", "Service", &service.metadata);
    owner.uid = format!("{}/{what}", owner.uid);
    owner
}

/// The name and namespace of new metadata.
fn meta_for(service: &ObjectMeta, name: String) -> ObjectMeta {
    ObjectMeta { name: Some(name), namespace: service.namespace.clone(), ..ObjectMeta::default() }
}

#[cfg(test)]
mod tests;
