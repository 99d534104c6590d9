//! Which ports a gateway opens, and which rules each server has.

use std::collections::BTreeMap;

use super::select::{Caller, applicable};
use super::{GatewayPort, GatewayServer, Node};
use crate::model::registry::contains;
use crate::model::route::Bind;
use crate::model::{Model, Routing, Shared};

impl Model {
    /// The ports of the gateways that select this node, each with its servers.
    pub(super) fn gateway_ports(&self, node: &Node) -> Vec<GatewayPort> {
        let mut ports: BTreeMap<(u16, Option<String>), Vec<GatewayServer>> = BTreeMap::new();
        for gateway in self.gateways.iter().filter(|one| contains(&node.labels, &one.selector)) {
            let routings = self.bound_to(node, &Bind::Gateway(gateway.origin.clone()));
            for server in &gateway.servers {
                let port = self.port_in_pod(node, server.number);
                ports.entry((port, server.bind.clone())).or_default().push(GatewayServer {
                    gateway: gateway.origin.clone(),
                    server: server.clone(),
                    routings: routings.clone(),
                });
            }
        }
        ports
            .into_iter()
            .map(|((port, bind), servers)| GatewayPort { port, bind, servers })
            .collect()
    }

    /// Servers are numbered as the gateway's Service numbers them: 80 may be 8080 in the pod.
    fn port_in_pod(&self, node: &Node, number: u16) -> u16 {
        self.services
            .values()
            .filter(|service| service.selects(&node.namespace, &node.labels))
            .filter_map(|service| service.port(number))
            .find_map(|port| self.target(node, &port.target))
            .unwrap_or(number)
    }

    /// Rules bound to a gateway that its pods see, oldest first.
    fn bound_to(&self, node: &Node, bind: &Bind) -> Vec<Shared<Routing>> {
        let caller = Caller { bind, node: None };
        self.routings
            .iter()
            .filter(|one| one.export.reaches(&node.namespace))
            .filter_map(|one| applicable(one, &caller))
            .collect()
    }
}
