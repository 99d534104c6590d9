//! Addresses and node ports of Services: which to take, given those in use.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use objects::Cause;
use serde_json::{Value, json};

use crate::view::{at, entries, int, list, open, text};

/// First two bytes of every ClusterIP: 10.96.0.0/16.
const NETWORK: [u8; 2] = [10, 96];
/// Addresses below this one are only given when asked for by number.
const FIRST_FREE: u16 = 256;
/// The node ports.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// What the Services of a cluster have in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Their ClusterIPs.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// Their node ports.
    pub node_ports: BTreeSet<u16>,
}

impl Used {
    /// What these Services use.
    pub fn by<'a>(services: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut used = Self::default();
        for service in services {
            used.addresses.extend(text(service, "spec.clusterIP").parse::<Ipv4Addr>());
            for port in list(service, "spec.ports") {
                used.node_ports
                    .extend(u16::try_from(int(port, "nodePort")).ok().filter(|p| *p != 0));
            }
        }
        used
    }
}

/// The address for a Service that asks for this one, or for any.
///
/// # Errors
/// Says why the wanted address cannot be given, or that none is left.
pub fn allocate(wanted: Option<&str>, used: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr, String> {
    const RANGE: &str = "failed to allocate IP: the provided IP is not in the valid range. The range of valid IPs \
         is 10.96.0.0/16";
    if let Some(text) = wanted.filter(|text| !text.is_empty()) {
        let address: Ipv4Addr = text.parse().map_err(|_| RANGE.to_owned())?;
        let [a, b, c, d] = address.octets();
        if [a, b] != NETWORK || [c, d] == [0, 0] || [c, d] == [255, 255] {
            return Err(RANGE.to_owned());
        }
        if used.contains(&address) {
            return Err(format!(
                "failed to allocate IP {address}: provided IP is already allocated"
            ));
        }
        return Ok(address);
    }
    (FIRST_FREE..u16::MAX)
        .map(|host| {
            let [c, d] = host.to_be_bytes();
            Ipv4Addr::new(NETWORK[0], NETWORK[1], c, d)
        })
        .find(|address| !used.contains(address))
        .ok_or_else(|| "failed to allocate IP: range is full".to_owned())
}

/// Gives a new or changed Service the addresses and node ports that its type asks for.
///
/// `old` is the Service as it was, whose own addresses are kept where the new one is silent;
/// `used` is what all other Services have in use.
///
/// # Errors
/// The causes of a 422: an address or node port is taken or out of range.
pub fn assign(service: &mut Value, old: Option<&Value>, used: &Used) -> Result<(), Vec<Cause>> {
    let kind = text(service, "spec.type").to_owned();
    if kind == "ExternalName" {
        if let Some(spec) = open(service, "spec") {
            spec.shift_remove("clusterIP");
            spec.shift_remove("clusterIPs");
        }
        return Ok(());
    }
    let mut wanted = text(service, "spec.clusterIP").to_owned();
    if wanted.is_empty() {
        wanted = list(service, "spec.clusterIPs")
            .first()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
    }
    if wanted.is_empty() {
        old.map_or("", |old| text(old, "spec.clusterIP")).clone_into(&mut wanted);
    }
    let kept = old.is_some_and(|old| text(old, "spec.clusterIP") == wanted) && !wanted.is_empty();
    let address = if wanted == "None" || kept {
        wanted
    } else {
        let given = allocate(Some(&wanted), &used.addresses)
            .map_err(|why| vec![Cause::invalid("spec.clusterIPs", &json!([wanted]), &why)])?;
        given.to_string()
    };
    if let Some(spec) = open(service, "spec") {
        spec.insert("clusterIPs".to_owned(), json!([address]));
        spec.insert("clusterIP".to_owned(), address.into());
    }
    node_ports(service, old, &kind, used)
}

fn node_ports(
    service: &mut Value,
    old: Option<&Value>,
    kind: &str,
    used: &Used,
) -> Result<(), Vec<Cause>> {
    let wants = match kind {
        "NodePort" => true,
        "LoadBalancer" => *at(service, "spec.allocateLoadBalancerNodePorts") != false,
        _ => false,
    };
    let had = |port: &Value| {
        let old = old?;
        let same = |other: &&Value| {
            other["port"] == port["port"] && text(other, "protocol") == text(port, "protocol")
        };
        list(old, "spec.ports").iter().find(same).map(|other| int(other, "nodePort"))
    };
    let mut taken = used.node_ports.clone();
    let mut causes = Vec::new();
    for (idx, port) in entries(service, "spec.ports").enumerate() {
        let before = had(port).filter(|number| *number != 0);
        let path = format!("spec.ports[{idx}].nodePort");
        let asked = int(port, "nodePort");
        let number = if asked != 0 { Some(asked) } else { before.filter(|_| wants) };
        let number = match number.map(u16::try_from) {
            Some(Ok(number)) if NODE_PORTS.contains(&number) => {
                if !taken.insert(number) {
                    causes.push(Cause::invalid(
                        path,
                        &number.into(),
                        "provided port is already allocated",
                    ));
                    continue;
                }
                number
            }
            Some(_) => {
                const RANGE: &str = "provided port is not in the valid range. The range of valid ports is 30000-32767";
                causes.push(Cause::invalid(path, &asked.into(), RANGE));
                continue;
            }
            None if !wants => continue,
            None => {
                let Some(free) = NODE_PORTS.into_iter().find(|port| !taken.contains(port)) else {
                    causes.push(Cause::invalid(path, &0.into(), "range is full"));
                    continue;
                };
                taken.insert(free);
                free
            }
        };
        if let Some(port) = port.as_object_mut() {
            port.insert("nodePort".to_owned(), number.into());
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(causes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_once() {
        let mut used = BTreeSet::new();
        let first = allocate(None, &used).unwrap();
        assert_eq!(first.to_string(), "10.96.1.0");
        used.insert(first);
        assert_eq!(allocate(None, &used).unwrap().to_string(), "10.96.1.1");
        assert_eq!(allocate(Some("10.96.0.10"), &used).unwrap().to_string(), "10.96.0.10");
        assert!(allocate(Some("10.96.1.0"), &used).unwrap_err().contains("already allocated"));
        assert!(allocate(Some("10.97.0.1"), &used).unwrap_err().contains("10.96.0.0/16"));
    }

    #[test]
    fn a_service_keeps_what_it_had() {
        let used = Used::default();
        let mut service =
            json!({"spec": {"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP"}]}});
        assign(&mut service, None, &used).unwrap();
        assert_eq!(service["spec"]["clusterIPs"], json!(["10.96.1.0"]));
        assert_eq!(service["spec"]["ports"][0]["nodePort"], 30_000);
        let others =
            Used { addresses: [Ipv4Addr::new(10, 96, 1, 1)].into(), node_ports: [30_001].into() };
        let mut again = json!({"spec": {"type": "NodePort", "ports": [
            {"port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"},
        ]}});
        assign(&mut again, Some(&service), &others).unwrap();
        assert_eq!(again["spec"]["clusterIP"], "10.96.1.0");
        assert_eq!(again["spec"]["ports"][0]["nodePort"], 30_000);
        assert_eq!(again["spec"]["ports"][1]["nodePort"], 30_002);
    }

    #[test]
    fn a_headless_service_has_none_and_a_taken_port_is_refused() {
        let mut headless = json!({"spec": {"type": "ClusterIP", "clusterIP": "None"}});
        assign(&mut headless, None, &Used::default()).unwrap();
        assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
        let used = Used { node_ports: [30_080].into(), ..Used::default() };
        let mut node =
            json!({"spec": {"type": "NodePort", "ports": [{"port": 1, "nodePort": 30_080}]}});
        assert_eq!(assign(&mut node, None, &used).unwrap_err()[0].field, "spec.ports[0].nodePort");
    }
}
