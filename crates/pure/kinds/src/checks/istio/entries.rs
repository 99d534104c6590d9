//! Rules of ServiceEntry, WorkloadEntry and WorkloadGroup.

use std::collections::BTreeSet;
use std::net::IpAddr;

use objects::Cause;
use serde_json::Value;

use super::super::Faults;
use super::why_no_host;
use crate::view::{at, has, list, map, says, text};
use crate::words;

/// Words of a port's protocol.
pub(super) const PROTOCOLS: &[&str] =
    &["HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "TCP", "TLS"];

/// A ServiceEntry.
pub(crate) fn service_entry(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let spec = at(object, "spec");
    let resolution = match text(spec, "resolution") {
        "" => "NONE",
        word => word,
    };
    hosts(&mut faults, spec, resolution);
    addresses(&mut faults, spec, resolution);
    let names = ports(&mut faults, spec);
    let chosen = has(spec, "workloadSelector");
    let endpoints = list(spec, "endpoints");
    if chosen && !endpoints.is_empty() {
        faults.add(Cause::forbidden(
            "spec.endpoints",
            "only one of workloadSelector or endpoints is allowed in service entry",
        ));
    }
    faults.labels("spec.workloadSelector.labels", at(spec, "workloadSelector.labels"));
    match resolution {
        "NONE" | "DYNAMIC_DNS" if !endpoints.is_empty() => faults.add(Cause::forbidden(
            "spec.endpoints",
            &format!("no endpoints should be provided for resolution type {resolution}"),
        )),
        "DYNAMIC_DNS" if chosen => faults.add(Cause::forbidden(
            "spec.workloadSelector",
            "no workloadSelector should be provided for resolution type DYNAMIC_DNS",
        )),
        "DNS_ROUND_ROBIN" if endpoints.len() > 1 => faults.add(Cause::forbidden(
            "spec.endpoints",
            "there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN",
        )),
        _ => {}
    }
    for (idx, one) in endpoints.iter().enumerate() {
        let path = format!("spec.endpoints[{idx}]");
        workload(&mut faults, &path, one, Place { resolution, port_names: Some(&names) });
    }
    faults.0
}

fn hosts(faults: &mut Faults, spec: &Value, resolution: &str) {
    let hosts = list(spec, "hosts");
    if hosts.is_empty() {
        faults.add(Cause::required("spec.hosts", "service entry must have at least one host"));
    }
    let by_name = matches!(resolution, "DNS" | "DNS_ROUND_ROBIN");
    let mut seen = BTreeSet::new();
    for (idx, value) in hosts.iter().enumerate() {
        let path = format!("spec.hosts[{idx}]");
        let host = value.as_str().unwrap_or_default();
        if host == "*" {
            faults.invalid(&path, value, "full wildcard \"*\" is not a valid host");
        } else if let Some(why) = why_no_host(host) {
            faults.invalid(&path, value, why);
        } else if host.starts_with('*') && by_name {
            let detail = format!("wildcard hosts are not allowed for resolution {resolution}");
            faults.invalid(&path, value, &detail);
        } else if !host.starts_with('*') && resolution == "DYNAMIC_DNS" {
            faults.invalid(&path, value, "resolution DYNAMIC_DNS is for wildcard hosts only");
        }
        if !seen.insert(host) {
            faults.add(Cause::duplicate(path, value));
        }
    }
    let named = |port: &Value| {
        let word = text(port, "protocol").to_ascii_uppercase();
        !matches!(word.as_str(), "TCP" | "MONGO" | "")
    };
    if hosts.len() > 1 && !list(spec, "ports").iter().all(named) {
        faults.add(Cause::forbidden(
            "spec.hosts",
            "multiple hosts provided with non-HTTP, non-TLS ports",
        ));
    }
}

fn addresses(faults: &mut Faults, spec: &Value, resolution: &str) {
    for (idx, value) in list(spec, "addresses").iter().enumerate() {
        let path = format!("spec.addresses[{idx}]");
        let word = value.as_str().unwrap_or_default();
        let (address, length) = match word.split_once('/') {
            None => (word, None),
            Some((address, length)) => (address, Some(length)),
        };
        let most = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => {
                faults.invalid(&path, value, "must be an IP address or a network in CIDR form");
                continue;
            }
        };
        match length.map(str::parse::<u8>) {
            None => {}
            Some(Ok(length)) if length <= most && matches!(resolution, "NONE" | "STATIC") => {}
            Some(Ok(length)) if length <= most => {
                let detail = "CIDR addresses are allowed only for NONE/STATIC resolution types";
                faults.invalid(&path, value, detail);
            }
            Some(_) => faults.invalid(&path, value, "must be a network in CIDR form"),
        }
    }
}

/// Looks at the ports and gives their names.
fn ports<'a>(faults: &mut Faults, spec: &'a Value) -> Vec<&'a str> {
    let mut names = Vec::new();
    let mut numbers = BTreeSet::new();
    for (idx, port) in list(spec, "ports").iter().enumerate() {
        let path = format!("spec.ports[{idx}]");
        faults.port(&format!("{path}.number"), at(port, "number"));
        if let Some(number) = at(port, "number").as_i64()
            && !numbers.insert(number)
        {
            faults.add(Cause::duplicate(format!("{path}.number"), &number.into()));
        }
        if !at(port, "targetPort").is_null() {
            faults.port(&format!("{path}.targetPort"), at(port, "targetPort"));
        }
        let name = text(port, "name");
        if name.is_empty() {
            faults.required(&format!("{path}.name"));
        } else if !words::is_label(name) {
            faults.invalid(&format!("{path}.name"), &name.into(), "must be a DNS label");
        } else if names.contains(&name) {
            faults.add(Cause::duplicate(format!("{path}.name"), &name.into()));
        }
        names.push(name);
        protocol(faults, &format!("{path}.protocol"), at(port, "protocol"));
    }
    names
}

/// The protocol of a port; empty is "find it out".
pub(super) fn protocol(faults: &mut Faults, path: &str, value: &Value) {
    let word = value.as_str().unwrap_or_default().to_ascii_uppercase();
    if !word.is_empty() && !PROTOCOLS.contains(&word.as_str()) {
        faults.add(Cause::not_supported(path, value, PROTOCOLS));
    }
}

/// Where a workload is written.
struct Place<'a> {
    /// How the service finds addresses; empty where no service is near.
    resolution: &'a str,
    /// Names of the service's ports, if there is a service.
    port_names: Option<&'a [&'a str]>,
}

fn workload(faults: &mut Faults, path: &str, spec: &Value, place: Place<'_>) {
    let address = text(spec, "address");
    let path_of_address = format!("{path}.address");
    if let Some(socket) = address.strip_prefix("unix://") {
        if !socket.starts_with(['/', '@']) || socket.ends_with('/') {
            let detail = "UDS must be an absolute path or abstract socket, and no directory";
            faults.invalid(&path_of_address, &address.into(), detail);
        }
        if matches!(place.resolution, "DNS" | "DNS_ROUND_ROBIN") {
            let detail = "a unix socket has no name that could be resolved";
            faults.invalid(&path_of_address, &address.into(), detail);
        }
        if says(at(spec, "ports")) {
            faults.add(Cause::forbidden(format!("{path}.ports"), "UDS may not include ports"));
        }
    } else if address.is_empty() {
        if text(spec, "network").is_empty() {
            faults.add(Cause::required(path_of_address, "address must be set, or network"));
        }
    } else if address.parse::<IpAddr>().is_err() {
        let name = words::is_subdomain(&address.to_ascii_lowercase());
        if !name {
            let detail = "must be an IP address, a DNS name or unix:///path";
            faults.invalid(&path_of_address, &address.into(), detail);
        } else if place.resolution == "STATIC" {
            let detail = "must be an IP address for resolution STATIC";
            faults.invalid(&path_of_address, &address.into(), detail);
        }
    }
    for (name, number) in map(spec, "ports") {
        let path = format!("{path}.ports[{name}]");
        faults.port(&path, number);
        if place.port_names.is_some_and(|names| !names.contains(&name)) {
            let detail = format!("endpoint port {name:?} is not defined by the service entry");
            faults.invalid(&path, number, &detail);
        } else if !words::is_label(name) {
            faults.invalid(&path, &name.into(), "must be a DNS label");
        }
    }
    faults.labels(&format!("{path}.labels"), at(spec, "labels"));
}

/// A WorkloadEntry.
pub(crate) fn workload_entry(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let anywhere = Place { resolution: "", port_names: None };
    workload(&mut faults, "spec", at(object, "spec"), anywhere);
    faults.0
}

/// A WorkloadGroup.
pub(crate) fn workload_group(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let spec = at(object, "spec");
    if !has(spec, "template") {
        faults.add(Cause::required("spec.template", "template is required"));
    }
    let ways = ["httpGet", "tcpSocket", "exec", "grpc"];
    let probe = at(spec, "probe");
    if !probe.is_null() && ways.iter().filter(|way| has(probe, way)).count() != 1 {
        super::one_of(&mut faults, "spec.probe", &ways.join(", "));
    }
    for way in ["httpGet", "tcpSocket", "grpc"] {
        if has(probe, way) {
            faults.port(&format!("spec.probe.{way}.port"), at(at(probe, way), "port"));
        }
    }
    for field in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        faults.not_negative(&format!("spec.probe.{field}"), at(probe, field));
    }
    faults.labels("spec.metadata.labels", at(spec, "metadata.labels"));
    faults.labels("spec.template.labels", at(spec, "template.labels"));
    faults.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(spec: Value) -> Vec<String> {
        let found = service_entry(&json!({"spec": spec}));
        found.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    fn port(number: u16, protocol: &str) -> Value {
        json!({"number": number, "name": format!("p{number}"), "protocol": protocol})
    }

    #[test]
    fn good_entries_pass() {
        for spec in [
            json!({"hosts": ["api.example.com"], "ports": [port(443, "TLS")], "resolution": "DNS"}),
            json!({"hosts": ["*.example.com"], "ports": [port(80, "HTTP"), port(443, "tls")]}),
            json!({"hosts": ["*.example.com"], "ports": [port(443, "TLS")], "resolution": "DYNAMIC_DNS"}),
            json!({"hosts": ["db.example"], "addresses": ["10.1.0.0/16"], "ports": [port(5432, "TCP")]}),
            json!({"hosts": ["vm.example"], "ports": [port(80, "HTTP")], "resolution": "STATIC",
                "location": "MESH_INTERNAL", "workloadSelector": {"labels": {"app": "vm"}}}),
            json!({"hosts": ["vm.example"], "ports": [port(80, "HTTP")], "resolution": "STATIC",
                "endpoints": [{"address": "10.0.0.9", "ports": {"p80": 8080}}]}),
        ] {
            assert_eq!(entry(spec.clone()), Vec::<String>::new(), "{spec}");
        }
    }

    #[test]
    fn each_fault_of_an_entry_names_its_field() {
        let web = json!([port(80, "HTTP")]);
        for (spec, expected) in [
            (json!({}), "spec.hosts: Required value: service entry must have at least one host"),
            (
                json!({"hosts": ["*"], "ports": web}),
                "spec.hosts[0]: Invalid value: \"*\": full wildcard \"*\" is not a valid host",
            ),
            (
                json!({"hosts": ["*.a.com"], "ports": web, "resolution": "DNS"}),
                "spec.hosts[0]: Invalid value: \"*.a.com\": wildcard hosts are not allowed for resolution DNS",
            ),
            (
                json!({"hosts": ["a.com"], "ports": web, "resolution": "DYNAMIC_DNS"}),
                "spec.hosts[0]: Invalid value: \"a.com\": resolution DYNAMIC_DNS is for wildcard hosts only",
            ),
            (
                json!({"hosts": ["a.com", "b.com"], "ports": [port(99, "TCP")]}),
                "spec.hosts: Forbidden: multiple hosts provided with non-HTTP, non-TLS ports",
            ),
            (
                json!({"hosts": ["a.com"], "addresses": ["10.0.0.0/8"], "ports": web, "resolution": "DNS"}),
                "spec.addresses[0]: Invalid value: \"10.0.0.0/8\": CIDR addresses are allowed only for NONE/STATIC resolution types",
            ),
            (
                json!({"hosts": ["a.com"], "ports": [port(80, "HTTP"), {"number": 80, "name": "x"}]}),
                "spec.ports[1].number: Duplicate value: 80",
            ),
            (
                json!({"hosts": ["a.com"], "ports": web, "endpoints": [{"address": "10.0.0.1"}]}),
                "spec.endpoints: Forbidden: no endpoints should be provided for resolution type NONE",
            ),
            (
                json!({"hosts": ["a.com"], "ports": web, "resolution": "STATIC", "endpoints": [{"address": "b.com"}]}),
                "spec.endpoints[0].address: Invalid value: \"b.com\": must be an IP address for resolution STATIC",
            ),
            (
                json!({"hosts": ["a.com"], "ports": web, "resolution": "STATIC",
                    "endpoints": [{"address": "10.0.0.1", "ports": {"y": 1}}]}),
                "spec.endpoints[0].ports[y]: Invalid value: 1: endpoint port \"y\" is not defined by the service entry",
            ),
            (
                json!({"hosts": ["a.com"], "ports": web, "resolution": "DNS_ROUND_ROBIN",
                    "endpoints": [{"address": "b.com"}, {"address": "c.com"}]}),
                "spec.endpoints: Forbidden: there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN",
            ),
            (
                json!({"hosts": ["a.com"], "ports": web, "resolution": "STATIC",
                    "workloadSelector": {"labels": {"a": "b"}}, "endpoints": [{"address": "10.0.0.1"}]}),
                "spec.endpoints: Forbidden: only one of workloadSelector or endpoints is allowed in service entry",
            ),
        ] {
            assert_eq!(entry(spec), [expected]);
        }
    }

    #[test]
    fn a_workload_has_an_address() {
        let fields = |spec: Value| -> Vec<String> {
            workload_entry(&json!({"spec": spec})).into_iter().map(|one| one.field).collect()
        };
        assert!(fields(json!({"address": "10.0.0.1", "ports": {"http": 80}})).is_empty());
        assert!(fields(json!({"address": "vm.example"})).is_empty());
        assert!(fields(json!({"network": "far"})).is_empty());
        assert!(fields(json!({"address": "unix:///run/app"})).is_empty());
        assert_eq!(fields(json!({})), ["spec.address"]);
        assert_eq!(
            fields(json!({"address": "unix:///run/app", "ports": {"a": 1}})),
            ["spec.ports"]
        );
        assert_eq!(fields(json!({"address": "unix://run"})), ["spec.address"]);
        assert_eq!(fields(json!({"address": "10.0.0.1", "ports": {"a": 0}})), ["spec.ports[a]"]);
        let group = workload_group(&json!({"spec": {"probe": {"httpGet": {}, "exec": {}}}}));
        let fields: Vec<_> = group.into_iter().map(|one| one.field).collect();
        assert_eq!(fields, ["spec.template", "spec.probe", "spec.probe.httpGet.port"]);
    }
}
