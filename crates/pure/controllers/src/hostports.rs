//! Which ports of gateways are opened on the host of one machine, and which pods answer there.
//!
//! A server of a Gateway on port N is reached at port N of the host. The ports that the machine's own gateway has from the
//! start are not among these, and neither are privileged ones, which an ordinary user cannot open.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use kinds::core::{IntOrString, LabelSelector, Pod, Service};
use kinds::istio::Gateway;

use crate::seen::{is_ready, selects};

/// The first port that needs no privilege.
const UNPRIVILEGED: u32 = 1024;
/// Ports that are opened at most: each costs a socket, and anybody who may write Gateways can ask.
pub const MOST: usize = 64;

/// Where connections to a port of the host go: any of these; none while no gateway pod is ready.
pub type HostPorts = BTreeMap<u16, BTreeSet<SocketAddrV4>>;

/// The ports to open, of all Gateways, [`MOST`] at most.
///
/// `taken` are ports of the host that lead to a gateway anyhow.
///
/// Spec: Istio Gateway `servers[].port.number`, which a Service of the gateway's pods may map to another target port.
#[must_use]
pub fn wanted<'a>(
    gateways: impl IntoIterator<Item = &'a Gateway>,
    services: &[&Service],
    pods: &[&Pod],
    taken: &[u16],
) -> HostPorts {
    let mut ports = HostPorts::new();
    for gateway in gateways {
        let players: Vec<&Pod> = pods.iter().copied().filter(|pod| plays(pod, gateway)).collect();
        for server in &gateway.spec.servers {
            let number = server.port.number;
            let Some(port) = u16::try_from(number).ok().filter(|_| number >= UNPRIVILEGED) else {
                continue;
            };
            let known = ports.contains_key(&port);
            if players.is_empty() || taken.contains(&port) || (!known && ports.len() >= MOST) {
                continue;
            }
            let ready = players.iter().filter(|pod| is_ready(pod));
            let addresses = ready.filter_map(|pod| {
                Some(SocketAddrV4::new(address(pod)?, target(pod, services, port)))
            });
            ports.entry(port).or_default().extend(addresses);
        }
    }
    ports
}

/// Whether this is a gateway's pod that the Gateway selects: an application's pod opens no ports by Gateways.
fn plays(pod: &Pod, gateway: &Gateway) -> bool {
    let labels = Some(gateway.spec.selector.clone());
    let selector = LabelSelector { match_labels: labels, match_expressions: None };
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let alone = matches!(containers, [only] if only.name == "istio-proxy");
    alone
        && pod.metadata.deletion_timestamp.is_none()
        && selects(&selector, pod.metadata.labels.as_ref())
}

fn address(pod: &Pod) -> Option<Ipv4Addr> {
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
}

/// The port in the pod that a Service of this pod means by a number.
fn target(pod: &Pod, services: &[&Service], port: u16) -> u16 {
    let of_pod = services.iter().filter(|service| {
        let labels = service.spec.as_ref().and_then(|spec| spec.selector.clone());
        let some = labels.as_ref().is_some_and(|labels| !labels.is_empty());
        let selector = LabelSelector { match_labels: labels, match_expressions: None };
        some && service.metadata.namespace == pod.metadata.namespace
            && selects(&selector, pod.metadata.labels.as_ref())
    });
    let mut ports = of_pod.filter_map(|service| service.spec.as_ref()?.ports.as_ref()).flatten();
    let meant = ports.find(|one| one.port == i32::from(port));
    let number = meant.and_then(|one| match &one.target_port {
        Some(IntOrString::Int(number)) => u16::try_from(*number).ok(),
        Some(IntOrString::String(name)) => named(pod, name),
        None => None,
    });
    number.unwrap_or(port)
}

fn named(pod: &Pod, name: &str) -> Option<u16> {
    let mut ports =
        pod.spec.as_ref()?.containers.iter().filter_map(|it| it.ports.as_ref()).flatten();
    let port = ports.find(|port| port.name.as_deref() == Some(name))?;
    u16::try_from(port.container_port).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    fn gateway(selector: &Value, ports: &[u32]) -> Gateway {
        let servers: Vec<Value> = ports
            .iter()
            .map(
                |n| json!({"port": {"number": n, "name": "a", "protocol": "HTTP"}, "hosts": ["*"]}),
            )
            .collect();
        from_value(json!({"metadata": {"name": "g", "namespace": "default"},
            "spec": {"selector": selector, "servers": servers}}))
        .unwrap()
    }

    fn pod(ip: &str, ready: &str, containers: &Value) -> Pod {
        from_value(json!({"metadata": {"name": "p", "namespace": "istio-system", "labels": {"istio": "ingressgateway"}},
            "spec": {"containers": containers},
            "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": ready}]}}))
        .unwrap()
    }

    #[test]
    fn a_port_of_a_gateway_leads_to_its_ready_pods() {
        let selector = json!({"istio": "ingressgateway"});
        let alone =
            json!([{"name": "istio-proxy", "ports": [{"name": "deep", "containerPort": 7000}]}]);
        let pods = [pod("10.244.0.9", "True", &alone), pod("10.244.0.8", "False", &alone)];
        let app = pod("10.244.0.7", "True", &json!([{"name": "app"}, {"name": "istio-proxy"}]));
        let pods: Vec<&Pod> = pods.iter().chain([&app]).collect();
        let service: Service =
            from_value(json!({"metadata": {"name": "s", "namespace": "istio-system"},
            "spec": {"selector": selector, "ports": [
                {"port": 9001, "targetPort": 9901}, {"port": 9002, "targetPort": "deep"}]}}))
            .unwrap();
        let one = gateway(&selector, &[80, 8080, 9000, 9001, 9002, 70000]);
        let other = gateway(&json!({"istio": "egressgateway"}), &[9100]);
        let found = wanted([&one, &other], &[&service], &pods, &[8080]);
        let text: Vec<String> = found
            .iter()
            .map(|(port, to)| {
                format!("{port} {}", to.iter().map(ToString::to_string).collect::<String>())
            })
            .collect();
        assert_eq!(text, ["9000 10.244.0.9:9000", "9001 10.244.0.9:9901", "9002 10.244.0.9:7000"]);
    }

    #[test]
    fn nobody_opens_all_ports_of_the_host() {
        let selector = json!({"istio": "ingressgateway"});
        let pod = pod("10.244.0.9", "True", &json!([{"name": "istio-proxy"}]));
        let many: Vec<u32> = (2000..3000).collect();
        assert_eq!(wanted([&gateway(&selector, &many)], &[], &[&pod], &[]).len(), MOST);
    }
}
