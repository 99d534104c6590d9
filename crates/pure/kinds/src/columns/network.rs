//! Columns of services, their endpoints, and what leads to them.

use objects::Column;
use serde_json::Value;

use super::{AGE, NAME, NONE, col, labels, or_none, selector, wide};
use crate::view::{at, flag, has, int, list, text};

/// NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE
pub(crate) const SERVICE: &[Column] = &[
    NAME,
    col("Type", |o, _| text(o, "spec.type").into()),
    col("Cluster-IP", |o, _| match text(o, "spec.type") {
        "ExternalName" => NONE.into(),
        _ => or_none(text(o, "spec.clusterIP")),
    }),
    col("External-IP", |o, _| external(o)),
    col("Port(s)", |o, _| ports(o)),
    AGE,
    wide("Selector", |o, _| labels(o, "spec.selector")),
];

fn external(service: &Value) -> Value {
    let mut addresses: Vec<&str> =
        list(service, "spec.externalIPs").iter().filter_map(Value::as_str).collect();
    match text(service, "spec.type") {
        "ExternalName" => return text(service, "spec.externalName").into(),
        "LoadBalancer" => {
            let ingress = list(service, "status.loadBalancer.ingress");
            let given: Vec<&str> = ingress
                .iter()
                .map(|i| match text(i, "ip") {
                    "" => text(i, "hostname"),
                    ip => ip,
                })
                .filter(|name| !name.is_empty())
                .collect();
            addresses.splice(0..0, given);
            if addresses.is_empty() {
                return "<pending>".into();
            }
        }
        _ => {}
    }
    or_none(&addresses.join(","))
}

fn ports(service: &Value) -> Value {
    let each: Vec<String> = list(service, "spec.ports")
        .iter()
        .map(|port| {
            let number = int(port, "port");
            let protocol = text(port, "protocol");
            match int(port, "nodePort") {
                0 => format!("{number}/{protocol}"),
                node => format!("{number}:{node}/{protocol}"),
            }
        })
        .collect();
    or_none(&each.join(","))
}

/// NAME ENDPOINTS AGE
pub(crate) const ENDPOINTS: &[Column] = &[NAME, col("Endpoints", |o, _| endpoints(o)), AGE];

/// At most three of `ip:port`, then how many more.
fn endpoints(object: &Value) -> Value {
    let mut all = Vec::new();
    for subset in list(object, "subsets") {
        let addresses = list(subset, "addresses");
        if !has(subset, "ports") {
            all.extend(addresses.iter().map(|a| text(a, "ip").to_owned()));
        }
        for port in list(subset, "ports") {
            let number = int(port, "port");
            all.extend(addresses.iter().map(|a| format!("{}:{number}", text(a, "ip"))));
        }
    }
    capped(&all, 3)
}

/// The first few, and how many more there are.
fn capped(all: &[String], most: usize) -> Value {
    if all.len() > most {
        format!("{} + {} more...", all[..most].join(","), all.len() - most).into()
    } else {
        or_none(&all.join(","))
    }
}

/// NAME ADDRESSTYPE PORTS ENDPOINTS AGE
pub(crate) const ENDPOINT_SLICE: &[Column] = &[
    NAME,
    col("AddressType", |o, _| text(o, "addressType").into()),
    col("Ports", |o, _| {
        let ports = list(o, "ports");
        if ports.is_empty() {
            return "<unset>".into();
        }
        let each: Vec<String> = ports
            .iter()
            .map(|p| match (at(p, "port").as_i64(), text(p, "name")) {
                (Some(number), _) => number.to_string(),
                (None, "") => "*".to_owned(),
                (None, name) => name.to_owned(),
            })
            .collect();
        capped(&each, 3)
    }),
    col("Endpoints", |o, _| {
        let all: Vec<String> = list(o, "endpoints")
            .iter()
            .flat_map(|e| list(e, "addresses"))
            .filter_map(|a| a.as_str().map(str::to_owned))
            .collect();
        if all.is_empty() { "<unset>".into() } else { capped(&all, 3) }
    }),
    AGE,
];

/// NAME CLASS HOSTS ADDRESS PORTS AGE
pub(crate) const INGRESS: &[Column] = &[
    NAME,
    col("Class", |o, _| or_none(text(o, "spec.ingressClassName"))),
    col("Hosts", |o, _| {
        let hosts: Vec<String> = list(o, "spec.rules")
            .iter()
            .map(|r| match text(r, "host") {
                "" => "*".to_owned(),
                host => host.to_owned(),
            })
            .collect();
        if hosts.is_empty() { "*".into() } else { capped(&hosts, 3) }
    }),
    col("Address", |o, _| {
        let all: Vec<&str> = list(o, "status.loadBalancer.ingress")
            .iter()
            .map(|i| match text(i, "ip") {
                "" => text(i, "hostname"),
                ip => ip,
            })
            .collect();
        all.join(",").into()
    }),
    col("Ports", |o, _| if list(o, "spec.tls").is_empty() { "80" } else { "80, 443" }.into()),
    AGE,
];

/// NAME CONTROLLER PARAMETERS AGE
pub(crate) const INGRESS_CLASS: &[Column] = &[
    NAME,
    col("Controller", |o, _| text(o, "spec.controller").into()),
    col("Parameters", |o, _| {
        let parameters = at(o, "spec.parameters");
        if parameters.is_null() {
            return NONE.into();
        }
        let (kind, name) = (text(parameters, "kind"), text(parameters, "name"));
        match text(parameters, "apiGroup") {
            "" => format!("{kind}/{name}"),
            group => format!("{kind}.{group}/{name}"),
        }
        .into()
    }),
    AGE,
];

/// NAME POD-SELECTOR AGE
pub(crate) const NETWORK_POLICY: &[Column] =
    &[NAME, col("Pod-Selector", |o, _| selector(o, "spec.podSelector")), AGE];

/// NAME SERVICE AVAILABLE AGE
pub(crate) const API_SERVICE: &[Column] = &[
    NAME,
    col("Service", |o, _| match text(o, "spec.service.name") {
        "" => "Local".into(),
        name => format!("{}/{name}", text(o, "spec.service.namespace")).into(),
    }),
    col("Available", |o, _| {
        let available =
            list(o, "status.conditions").iter().find(|c| text(c, "type") == "Available");
        match available {
            None => "Unknown".into(),
            Some(c) if text(c, "status") == "True" => "True".into(),
            Some(c) => format!("{} ({})", text(c, "status"), text(c, "reason")).into(),
        }
    }),
    AGE,
];

/// NAME WEBHOOKS AGE
pub(crate) const WEBHOOKS: &[Column] =
    &[NAME, super::number("Webhooks", |o, _| list(o, "webhooks").len().into()), AGE];

/// NAME HOLDER AGE
pub(crate) const LEASE: &[Column] =
    &[NAME, col("Holder", |o, _| text(o, "spec.holderIdentity").into()), AGE];

/// NAME VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY
pub(crate) const PRIORITY_CLASS: &[Column] = &[
    NAME,
    super::number("Value", |o, _| int(o, "value").into()),
    Column { kind: "boolean", ..col("Global-Default", |o, _| flag(o, "globalDefault").into()) },
    AGE,
    col("PreemptionPolicy", |o, _| text(o, "preemptionPolicy").into()),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_shows_its_outer_side() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let show = |object: &Value, idx: usize| (SERVICE[idx].cell)(object, now);
        let service = json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.7", "ports": [
            {"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 443, "protocol": "TCP"},
        ]}});
        assert_eq!(show(&service, 3), "<pending>");
        assert_eq!(show(&service, 4), "80:30080/TCP,443/TCP");
        let name = json!({"spec": {"type": "ExternalName", "externalName": "x.org"}});
        assert_eq!((show(&name, 2), show(&name, 3)), (NONE.into(), "x.org".into()));
        assert_eq!(show(&name, 4), NONE);
    }

    #[test]
    fn many_endpoints_are_cut_short() {
        let addresses: Vec<Value> = (1..=5).map(|n| json!({"ip": format!("10.0.0.{n}")})).collect();
        let object = json!({"subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]});
        assert_eq!(endpoints(&object), "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...");
        assert_eq!(endpoints(&json!({})), NONE);
    }
}
