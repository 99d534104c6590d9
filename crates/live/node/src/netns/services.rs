//! The virtual addresses of Services, and the way out of the mesh, as rules of the node.

use super::{EGRESS_PORT, NODE_IP};
use crate::netlink::Messages;
use crate::netlink::nft::{Batch, Hook, Part, TCP, UDP};
use kinds::core::{EndpointSlice, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Nobody listens there on the node: who is sent there is refused at once.
const CLOSED_PORT: u16 = 9;
const PODS: Part<'_> = Part::To(Ipv4Addr::new(10, 244, 0, 0), 16);
const SERVICES: Part<'_> = Part::To(Ipv4Addr::new(10, 96, 0, 0), 16);

/// (virtual address, protocol, port) -> who serves it.
pub(crate) type Services = BTreeMap<(Ipv4Addr, u8, u16), BTreeSet<SocketAddrV4>>;

/// What the objects ask for. An endpoint that is not ready gets nothing new.
pub(crate) fn understand<'a>(
    services: impl IntoIterator<Item = &'a Service>,
    slices: impl IntoIterator<Item = &'a EndpointSlice>,
) -> Services {
    let mut by_service: BTreeMap<(&str, &str), Vec<&EndpointSlice>> = BTreeMap::new();
    for slice in slices {
        let labels = slice.metadata.labels.as_ref();
        let name = labels.and_then(|l| l.get("kubernetes.io/service-name"));
        if let (Some(name), Some(namespace)) = (name, &slice.metadata.namespace) {
            by_service.entry((namespace, name)).or_default().push(slice);
        }
    }
    let mut out = Services::new();
    for service in services {
        let Some(spec) = &service.spec else { continue };
        let meta = &service.metadata;
        let name =
            (meta.namespace.as_deref().unwrap_or(""), meta.name.as_deref().unwrap_or_default());
        let slices = by_service.get(&name).map_or(&[][..], Vec::as_slice);
        let ips = spec.cluster_ip.iter().chain(spec.external_ips.iter().flatten());
        for ip in ips.filter_map(|ip| ip.parse::<Ipv4Addr>().ok()) {
            for port in spec.ports.iter().flatten() {
                let (Some(protocol), Ok(number)) =
                    (protocol(port.protocol.as_deref()), u16::try_from(port.port))
                else {
                    continue;
                };
                out.insert((ip, protocol, number), backends(slices, port.name.as_deref()));
            }
        }
    }
    out
}

fn protocol(name: Option<&str>) -> Option<u8> {
    match name.unwrap_or("TCP") {
        "TCP" => Some(TCP),
        "UDP" => Some(UDP),
        _ => None,
    }
}

fn backends(slices: &[&EndpointSlice], port: Option<&str>) -> BTreeSet<SocketAddrV4> {
    let mut out = BTreeSet::new();
    for slice in slices {
        let wanted = port.unwrap_or("");
        let mut ports = slice.ports.iter().flatten();
        let Some(number) = ports
            .find(|p| p.name.as_deref().unwrap_or("") == wanted)
            .and_then(|p| u16::try_from(p.port?).ok())
        else {
            continue;
        };
        for endpoint in &slice.endpoints {
            let ready = endpoint.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true);
            for ip in endpoint.addresses.iter().filter(|_| ready) {
                out.extend(ip.parse().ok().map(|ip: Ipv4Addr| SocketAddrV4::new(ip, number)));
            }
        }
    }
    out
}

/// The whole table of the node.
pub(crate) fn rules(services: &Services) -> Messages {
    let mut batch = Batch::replace("lateen");
    batch.chain("refuse");
    for protocol in [TCP, UDP] {
        let parts = [Part::Protocol(protocol), Part::SendTo(NODE_IP, CLOSED_PORT)];
        batch.rule("refuse", &parts);
    }
    let mut rows = Vec::new();
    let mut hairpins = BTreeSet::new();
    for ((ip, protocol, port), backends) in services {
        let chain = if backends.is_empty() {
            "refuse".to_owned()
        } else {
            let word = if *protocol == TCP { "tcp" } else { "udp" };
            let chain = format!("{word}-{ip}-{port}");
            batch.chain(&chain);
            // Rule i is asked when those before it were not taken: 1/n, 1/(n-1), … is even.
            let mut left = u32::try_from(backends.len()).unwrap_or(u32::MAX);
            for backend in backends {
                let mut parts = vec![Part::Protocol(*protocol)];
                if left > 1 {
                    parts.push(Part::OneIn(left));
                }
                parts.push(Part::SendTo(*backend.ip(), backend.port()));
                batch.rule(&chain, &parts);
                left -= 1;
                hairpins.insert((*backend.ip(), *backend.ip()));
            }
            chain
        };
        rows.push((*ip, *protocol, *port, chain));
    }
    batch.service_map("services", &rows);
    batch.pair_set("hairpins", &hairpins.into_iter().collect::<Vec<_>>());

    for (chain, hook) in [("pre", Hook::Prerouting), ("out", Hook::Output)] {
        batch.nat_chain(chain, hook);
        batch.rule(chain, &[Part::Dispatch("services")]);
        batch.rule(chain, &[SERVICES, Part::Goto("refuse")]);
    }
    batch.rule("pre", &[PODS, Part::Return]);
    batch.rule("pre", &[Part::Protocol(TCP), Part::SendTo(NODE_IP, EGRESS_PORT)]);

    // A pod that a Service sent to itself would drop a packet from its own address.
    batch.nat_chain("post", Hook::Postrouting);
    batch.rule("post", &[Part::PairIn("hairpins"), Part::SourceIs(NODE_IP)]);
    batch.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ready_endpoints_of_the_named_port_serve_a_virtual_address() {
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "n"},
            "spec": {"clusterIP": "10.96.1.1", "ports": [
                {"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "s", "port": 9, "protocol": "SCTP"}]}
        }))
        .unwrap();
        let headless: Service = serde_json::from_value(json!({
            "metadata": {"name": "db", "namespace": "n"},
            "spec": {"clusterIP": "None", "ports": [{"port": 80}]}
        }))
        .unwrap();
        let slice: EndpointSlice = serde_json::from_value(json!({
            "metadata": {"name": "web-1", "namespace": "n",
                "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [
                {"addresses": ["10.244.0.7"], "conditions": {"ready": true}},
                {"addresses": ["10.244.0.8"], "conditions": {"ready": false}},
                {"addresses": ["10.244.0.9"]}]
        }))
        .unwrap();
        let found = understand([&service, &headless], [&slice]);
        let vip = Ipv4Addr::new(10, 96, 1, 1);
        let backends: Vec<String> =
            found[&(vip, TCP, 80)].iter().map(ToString::to_string).collect();
        assert_eq!(backends, ["10.244.0.7:8080", "10.244.0.9:8080"]);
        assert!(found[&(vip, UDP, 53)].is_empty());
        assert_eq!(found.len(), 2);
    }
}
