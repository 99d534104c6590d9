//! Rules of services and of what leads to their pods.

use objects::Cause;
use serde_json::Value;

use super::Faults;
use crate::view::{at, has, int, list, text};

const IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

/// A Service.
pub(crate) fn service(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let spec = at(object, "spec");
    let kind = text(spec, "type");
    faults.word(
        "spec.type",
        at(spec, "type"),
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
    );
    faults.word("spec.sessionAffinity", at(spec, "sessionAffinity"), &["ClientIP", "None"]);
    faults.labels("spec.selector", at(spec, "selector"));
    if kind == "ExternalName" {
        if text(spec, "externalName").is_empty() {
            faults.required("spec.externalName");
        }
    } else {
        addresses(&mut faults, spec);
    }
    ports(&mut faults, spec, kind);
    faults.0
}

fn addresses(faults: &mut Faults, spec: &Value) {
    let address = text(spec, "clusterIP");
    let headless = address == "None";
    if headless && matches!(text(spec, "type"), "NodePort" | "LoadBalancer") {
        let detail = format!("may not be set to 'None' for {} services", text(spec, "type"));
        faults.invalid("spec.clusterIPs[0]", &address.into(), &detail);
    }
    if !address.is_empty() && !headless && address.parse::<std::net::IpAddr>().is_err() {
        faults.invalid("spec.clusterIPs[0]", &address.into(), IP);
    }
    for (idx, address) in list(spec, "externalIPs").iter().enumerate() {
        if address.as_str().is_none_or(|ip| ip.parse::<std::net::IpAddr>().is_err()) {
            faults.invalid(&format!("spec.externalIPs[{idx}]"), address, IP);
        }
    }
}

fn ports(faults: &mut Faults, spec: &Value, kind: &str) {
    let ports = list(spec, "ports");
    if ports.is_empty() && kind != "ExternalName" && text(spec, "clusterIP") != "None" {
        faults.required("spec.ports");
    }
    let mut names: Vec<&str> = Vec::new();
    let mut numbers = Vec::new();
    for (idx, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{idx}]");
        let name = text(port, "name");
        if name.is_empty() {
            if ports.len() > 1 {
                faults.required(&format!("{path}.name"));
            }
        } else {
            if !crate::words::is_label(name) {
                faults.invalid(&format!("{path}.name"), &name.into(), super::LABEL);
            }
            if names.contains(&name) {
                faults.add(Cause::duplicate(format!("{path}.name"), &name.into()));
            }
            names.push(name);
        }
        match at(port, "port").as_i64() {
            Some(1..=65_535) => {}
            _ => faults.invalid(&format!("{path}.port"), at(port, "port"), super::PORT_RANGE),
        }
        faults.word(&format!("{path}.protocol"), at(port, "protocol"), &["SCTP", "TCP", "UDP"]);
        if has(port, "targetPort") {
            faults.port_or_name(&format!("{path}.targetPort"), at(port, "targetPort"));
        }
        if int(port, "nodePort") != 0 && !matches!(kind, "NodePort" | "LoadBalancer") {
            faults.add(Cause::forbidden(
                format!("{path}.nodePort"),
                "may not be used when `type` is 'ClusterIP'",
            ));
        }
        let number = (int(port, "port"), text(port, "protocol"));
        if numbers.contains(&number) {
            faults.add(Cause::duplicate(path, port));
        }
        numbers.push(number);
    }
}

/// Endpoints.
pub(crate) fn endpoints(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    for (idx, subset) in list(object, "subsets").iter().enumerate() {
        let path = format!("subsets[{idx}]");
        let kinds = ["addresses", "notReadyAddresses"];
        if kinds.iter().all(|kind| list(subset, kind).is_empty()) {
            faults.add(Cause::required(
                path.as_str(),
                "must specify `addresses` or `notReadyAddresses`",
            ));
        }
        for kind in kinds {
            for (nth, address) in list(subset, kind).iter().enumerate() {
                ip(&mut faults, &format!("{path}.{kind}[{nth}].ip"), at(address, "ip"));
            }
        }
        endpoint_ports(&mut faults, &format!("{path}.ports"), list(subset, "ports"), true);
    }
    faults.0
}

/// An EndpointSlice.
pub(crate) fn endpoint_slice(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    if text(object, "addressType").is_empty() {
        faults.required("addressType");
    }
    faults.word("addressType", at(object, "addressType"), &["FQDN", "IPv4", "IPv6"]);
    for (idx, endpoint) in list(object, "endpoints").iter().enumerate() {
        let path = format!("endpoints[{idx}].addresses");
        if list(endpoint, "addresses").is_empty() {
            faults.add(Cause::required(path.as_str(), "must contain at least 1 address"));
        }
        if text(object, "addressType") != "FQDN" {
            for (nth, address) in list(endpoint, "addresses").iter().enumerate() {
                ip(&mut faults, &format!("{path}[{nth}]"), address);
            }
        }
    }
    endpoint_ports(&mut faults, "ports", list(object, "ports"), false);
    faults.0
}

fn ip(faults: &mut Faults, path: &str, value: &Value) {
    match value.as_str() {
        None | Some("") => faults.required(path),
        Some(ip) if ip.parse::<std::net::IpAddr>().is_err() => faults.invalid(path, value, IP),
        Some(_) => {}
    }
}

fn endpoint_ports(faults: &mut Faults, path: &str, ports: &[Value], numbered: bool) {
    let mut names: Vec<&str> = Vec::new();
    for (idx, port) in ports.iter().enumerate() {
        let name = text(port, "name");
        if names.contains(&name) {
            faults.add(Cause::duplicate(format!("{path}[{idx}].name"), &name.into()));
        }
        names.push(name);
        if numbered || has(port, "port") {
            let path = format!("{path}[{idx}].port");
            if !at(port, "port").as_i64().is_some_and(|n| (1..=65_535).contains(&n)) {
                faults.invalid(&path, at(port, "port"), super::PORT_RANGE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(spec: Value) -> Vec<String> {
        service(&json!({"spec": spec}))
            .into_iter()
            .map(|c| format!("{}: {}", c.field, c.message))
            .collect()
    }

    #[test]
    fn ports_are_named_and_different() {
        assert!(faults(json!({"ports": [{"port": 80, "protocol": "TCP"}]})).is_empty());
        assert!(faults(json!({"clusterIP": "None"})).is_empty());
        for (spec, expected) in [
            (json!({}), vec!["spec.ports: Required value"]),
            (
                json!({"ports": [{"port": 80}, {"port": 81}]}),
                vec!["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
            ),
            (
                json!({"ports": [{"port": 0}]}),
                vec![
                    "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
                ],
            ),
            (
                json!({"type": "Other", "ports": [{"port": 1}]}),
                vec![
                    "spec.type: Unsupported value: \"Other\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
                ],
            ),
            (json!({"type": "ExternalName"}), vec!["spec.externalName: Required value"]),
        ] {
            assert_eq!(faults(spec), expected);
        }
        let twice = json!({"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]});
        assert!(faults(twice)[0].starts_with("spec.ports[1]: Duplicate value: "));
    }
}
