//! EndpointSlices of a Service: one for each set of ports that its pods agree on.

use std::collections::BTreeMap;
use std::sync::Arc;

use kinds::core::{
    Endpoint, EndpointAddress, EndpointConditions, EndpointPort, EndpointSlice, EndpointSubset,
    ObjectMeta, Service, ServiceSpec,
};
use serde_json::json;

use super::{HEADLESS, meta_for, owner, replaced};
use crate::seen::{Seen, controlled_by, name, namespace, owned_by, uid};
use crate::{Plan, Target, Write};

const SERVICE: &str = "kubernetes.io/service-name";
const MANAGED: &str = "endpointslice.kubernetes.io/managed-by";

/// Brings the slices of one Service in line with its subsets.
pub(super) fn write(
    seen: &Seen,
    service: &Service,
    spec: &ServiceSpec,
    subsets: &[EndpointSubset],
    plan: &mut Plan,
) {
    let meta = &service.metadata;
    let mirrored = spec.selector.as_ref().is_none_or(BTreeMap::is_empty);
    let manager = if mirrored {
        "endpointslicemirroring-controller.k8s.io"
    } else {
        "endpointslice-controller.k8s.io"
    };
    let mut labels = meta.labels.clone().unwrap_or_default();
    labels.insert(SERVICE.to_owned(), name(meta).to_owned());
    labels.insert(MANAGED.to_owned(), manager.to_owned());
    if spec.cluster_ip.as_deref() == Some("None") {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    let mut present: Vec<&Arc<EndpointSlice>> = of_service(seen, meta).collect();
    let owner = owner(service, "EndpointSlice");
    // A Service always has one, be it empty: that says its pods were looked for.
    let empty = [EndpointSubset::default()];
    let wanted = if subsets.is_empty() { &empty[..] } else { subsets };
    for (idx, subset) in wanted.iter().enumerate() {
        let (endpoints, ports) = content(subset);
        let position = present
            .iter()
            .position(|old| old.ports.as_deref().unwrap_or_default() == ports)
            .or(if idx + 1 == wanted.len() && !present.is_empty() { Some(0) } else { None });
        let Some(position) = position else {
            if seen.is_open(namespace(meta)) {
                let object = json!({
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": ObjectMeta {
                        labels: Some(labels.clone()),
                        owner_references: Some(vec![owned_by(&Target::of("v1", "Service", meta))]),
                        name: None,
                        generate_name: Some(format!("{}-", name(meta))),
                        ..meta_for(meta, String::new())
                    },
                    "addressType": "IPv4",
                    "endpoints": endpoints,
                    "ports": ports,
                });
                plan.writes.push(Write::create(object, owner.clone()));
            }
            continue;
        };
        let old = present.remove(position);
        let current = old.endpoints == endpoints
            && old.ports.as_deref().unwrap_or_default() == ports
            && old.metadata.labels.as_ref() == Some(&labels);
        if !current {
            let patch = json!({
                "metadata": {
                    "uid": old.metadata.uid,
                    "resourceVersion": old.metadata.resource_version,
                    "labels": replaced(old.metadata.labels.as_ref(), &labels),
                },
                "endpoints": endpoints,
                "ports": ports,
            });
            let target = Target::of("discovery.k8s.io/v1", "EndpointSlice", &old.metadata);
            plan.writes.push(Write::patch(target, patch, None).by(owner.clone()));
        }
    }
    for old in present {
        let target = Target::of("discovery.k8s.io/v1", "EndpointSlice", &old.metadata);
        plan.writes.push(Write::delete(target, owner.clone()));
    }
}

/// The slices that a Service controls.
fn of_service<'a>(
    seen: &'a Seen,
    service: &'a ObjectMeta,
) -> impl Iterator<Item = &'a Arc<EndpointSlice>> {
    let here = namespace(service);
    seen.slices
        .range((here.to_owned(), String::new())..)
        .take_while(move |((namespace, _), _)| namespace == here)
        .map(|(_, slice)| slice)
        .filter(|slice| {
            controlled_by(&slice.metadata, uid(service))
                && slice.metadata.deletion_timestamp.is_none()
        })
}

fn content(subset: &EndpointSubset) -> (Vec<Endpoint>, Vec<EndpointPort>) {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for (addresses, ready) in [(&subset.addresses, true), (&subset.not_ready_addresses, false)] {
        endpoints.extend(addresses.iter().flatten().map(|address| endpoint(address, ready)));
    }
    let ports = subset.ports.iter().flatten().map(|port| EndpointPort {
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(port.port),
        protocol: port.protocol.clone(),
        app_protocol: port.app_protocol.clone(),
    });
    (endpoints, ports.collect())
}

fn endpoint(address: &EndpointAddress, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.ip.clone()],
        conditions: Some(EndpointConditions {
            ready: Some(ready),
            serving: Some(ready),
            terminating: Some(false),
        }),
        hostname: address.hostname.clone(),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..Endpoint::default()
    }
}
