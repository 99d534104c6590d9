//! Rules of Sidecar and ProxyConfig.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use objects::Cause;
use serde_json::Value;

use super::super::Faults;
use super::entries::protocol;
use super::{host, pool, values, why_no_host};
use crate::view::{at, has, int, list, text};

/// A Sidecar.
pub(crate) fn sidecar(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let spec = at(object, "spec");
    let parts = ["ingress", "egress", "outboundTrafficPolicy", "inboundConnectionPool"];
    if !parts.iter().any(|part| has(spec, part)) {
        faults.add(Cause::required("spec", "sidecar: empty configuration provided"));
    }
    faults.labels("spec.workloadSelector.labels", at(spec, "workloadSelector.labels"));
    let mut numbers = BTreeSet::new();
    for (idx, listener) in list(spec, "ingress").iter().enumerate() {
        let path = format!("spec.ingress[{idx}]");
        ingress(&mut faults, &path, listener);
        let number = int(listener, "port.number");
        if number != 0 && !numbers.insert((text(listener, "bind"), number)) {
            faults.add(Cause::duplicate(format!("{path}.port.number"), &number.into()));
        }
    }
    egress(&mut faults, spec);
    let proxy = at(spec, "outboundTrafficPolicy.egressProxy");
    if !proxy.is_null() {
        host(&mut faults, "spec.outboundTrafficPolicy.egressProxy", proxy);
    }
    pool(&mut faults, "spec.inboundConnectionPool", at(spec, "inboundConnectionPool"));
    values(&mut faults, "spec", spec);
    faults.0
}

fn ingress(faults: &mut Faults, path: &str, listener: &Value) {
    if !has(listener, "port") {
        let detail = "port on ingress listener is required";
        faults.add(Cause::required(format!("{path}.port"), detail));
    } else {
        faults.port(&format!("{path}.port.number"), at(listener, "port.number"));
        protocol(faults, &format!("{path}.port.protocol"), at(listener, "port.protocol"));
    }
    bind(faults, path, listener);
    let endpoint = text(listener, "defaultEndpoint");
    if !endpoint.is_empty() && !is_default_endpoint(endpoint) {
        faults.invalid(
            &format!("{path}.defaultEndpoint"),
            &endpoint.into(),
            "must be of the form 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT, unix:///PATH or unset",
        );
    }
    pool(faults, &format!("{path}.connectionPool"), at(listener, "connectionPool"));
}

/// An address of the workload itself, or a socket.
fn is_default_endpoint(text: &str) -> bool {
    if let Some(path) = text.strip_prefix("unix://") {
        return path.starts_with(['/', '@']);
    }
    text.parse::<SocketAddr>()
        .is_ok_and(|at| at.port() != 0 && (at.ip().is_loopback() || at.ip().is_unspecified()))
}

fn bind(faults: &mut Faults, path: &str, listener: &Value) {
    let bind = text(listener, "bind");
    if !bind.is_empty() && !bind.starts_with("unix://") && bind.parse::<IpAddr>().is_err() {
        let detail = "must be an IP address or unix:///path";
        faults.invalid(&format!("{path}.bind"), &bind.into(), detail);
    }
}

fn egress(faults: &mut Faults, spec: &Value) {
    let listeners = list(spec, "egress");
    let mut numbers = BTreeSet::new();
    for (idx, listener) in listeners.iter().enumerate() {
        let path = format!("spec.egress[{idx}]");
        bind(faults, &path, listener);
        if has(listener, "port") {
            faults.port(&format!("{path}.port.number"), at(listener, "port.number"));
            protocol(faults, &format!("{path}.port.protocol"), at(listener, "port.protocol"));
            let number = int(listener, "port.number");
            if number != 0 && !numbers.insert((text(listener, "bind"), number)) {
                faults.add(Cause::duplicate(format!("{path}.port.number"), &number.into()));
            }
        } else if idx + 1 < listeners.len() {
            faults.add(Cause::required(
                format!("{path}.port"),
                "the egress listener with empty port should be the last listener in the list",
            ));
        }
        let hosts = list(listener, "hosts");
        if hosts.is_empty() {
            let detail = "egress listener must contain at least one host";
            faults.add(Cause::required(format!("{path}.hosts"), detail));
        }
        for (nth, value) in hosts.iter().enumerate() {
            let why = why_no_import(value.as_str().unwrap_or_default());
            if let Some(why) = why {
                faults.invalid(&format!("{path}.hosts[{nth}]"), value, why);
            }
        }
    }
}

/// Why this is no `namespace/host`.
fn why_no_import(text: &str) -> Option<&'static str> {
    let Some((namespace, name)) = text.split_once('/') else {
        return Some("must be of the form namespace/dnsName");
    };
    if !matches!(namespace, "*" | "." | "~") && !crate::words::is_label(namespace) {
        return Some("the namespace must be a DNS label, \"*\", \".\" or \"~\"");
    }
    why_no_host(name)
}

/// A ProxyConfig.
pub(crate) fn proxy_config(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    faults.not_negative("spec.concurrency", at(object, "spec.concurrency"));
    faults.labels("spec.selector.matchLabels", at(object, "spec.selector.matchLabels"));
    faults.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(spec: Value) -> Vec<String> {
        sidecar(&json!({"spec": spec})).into_iter().map(|one| one.field).collect()
    }

    #[test]
    fn good_sidecars_pass() {
        for spec in [
            json!({"egress": [{"hosts": ["./*", "istio-system/*", "~/*", "*/a.example.com"]}]}),
            json!({"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}),
            json!({"egress": [{"port": {"number": 9080, "protocol": "HTTP", "name": "e"}, "hosts": ["./*"]},
                {"hosts": ["istio-system/*"]}]}),
            json!({"ingress": [{"port": {"number": 80, "protocol": "HTTP", "name": "i"},
                "defaultEndpoint": "127.0.0.1:8080", "connectionPool": {"tcp": {"maxConnections": 5}}}]}),
        ] {
            assert_eq!(fields(spec.clone()), Vec::<String>::new(), "{spec}");
        }
    }

    #[test]
    fn each_fault_of_a_sidecar_names_its_field() {
        let port = json!({"number": 80, "protocol": "HTTP", "name": "i"});
        for (spec, expected) in [
            (json!({}), "spec"),
            (json!({"egress": [{"hosts": []}]}), "spec.egress[0].hosts"),
            (json!({"egress": [{"hosts": ["a.com"]}]}), "spec.egress[0].hosts[0]"),
            (json!({"egress": [{"hosts": ["a b/*"]}]}), "spec.egress[0].hosts[0]"),
            (
                json!({"egress": [{"hosts": ["./*"]}, {"port": port, "hosts": ["./*"]}]}),
                "spec.egress[0].port",
            ),
            (
                json!({"egress": [{"port": port, "hosts": ["./*"]}, {"port": port, "hosts": ["./*"]}]}),
                "spec.egress[1].port.number",
            ),
            (json!({"ingress": [{}]}), "spec.ingress[0].port"),
            (
                json!({"ingress": [{"port": port, "defaultEndpoint": "10.0.0.1:80"}]}),
                "spec.ingress[0].defaultEndpoint",
            ),
            (json!({"ingress": [{"port": port}, {"port": port}]}), "spec.ingress[1].port.number"),
            (
                json!({"ingress": [{"port": port, "connectionPool": {"tcp": {"maxConnections": -5}}}]}),
                "spec.ingress[0].connectionPool.tcp.maxConnections",
            ),
            (
                json!({"outboundTrafficPolicy": {"egressProxy": {}}}),
                "spec.outboundTrafficPolicy.egressProxy.host",
            ),
        ] {
            assert_eq!(fields(spec), [expected]);
        }
    }
}
