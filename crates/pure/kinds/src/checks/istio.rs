//! Rules of Istio's kinds: what one object alone shows to be wrong.
//!
//! Spec: the definitions of the custom resources and `pkg/config/validation` of Istio.

mod entries;
mod scope;

use std::collections::BTreeSet;
use std::time::Duration;

use objects::Cause;
use serde_json::Value;

use super::Faults;
use crate::view::{at, has, int, list, map, says, text};
use crate::words;

pub(crate) use entries::{service_entry, workload_entry, workload_group};
pub(crate) use scope::{proxy_config, sidecar};

/// Most bytes of a regular expression.
const LONGEST_REGEX: usize = 1024;

/// Fields with a duration of at least a millisecond, wherever they stand.
const DURATIONS: &[&str] = &[
    "timeout",
    "perTryTimeout",
    "backoff",
    "fixedDelay",
    "exponentialDelay",
    "maxAge",
    "connectTimeout",
    "maxConnectionDuration",
    "idleTimeout",
    "time",
    "interval",
    "baseEjectionTime",
    "warmupDurationSecs",
    "duration",
];

/// Fields with a duration that may be zero.
const SPANS: &[&str] = &["ttl", "budgetInterval"];

/// A VirtualService.
pub(crate) fn virtual_service(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let spec = at(object, "spec");
    hosts(&mut faults, spec);
    for (idx, rule) in list(spec, "http").iter().enumerate() {
        http(&mut faults, &format!("spec.http[{idx}]"), rule);
    }
    for kind in ["tls", "tcp"] {
        for (idx, rule) in list(spec, kind).iter().enumerate() {
            let path = format!("spec.{kind}[{idx}]");
            if list(rule, "route").is_empty() {
                let detail = format!("{} route is required", kind.to_uppercase());
                faults.add(Cause::required(format!("{path}.route"), &detail));
            }
            weights(&mut faults, &path, rule);
            if kind == "tls" {
                tls_match(&mut faults, &path, rule, spec);
            }
        }
    }
    if ["http", "tls", "tcp"].iter().all(|kind| list(spec, kind).is_empty()) {
        faults.add(Cause::required("spec", "http, tcp or tls must be provided in virtual service"));
    }
    values(&mut faults, "spec", spec);
    faults.0
}

fn hosts(faults: &mut Faults, spec: &Value) {
    let hosts = list(spec, "hosts");
    let gateways = list(spec, "gateways");
    if hosts.is_empty() {
        // Without hosts it is a part that another VirtualService refers to.
        if !gateways.is_empty() {
            faults
                .add(Cause::required("spec.hosts", "virtual service must have at least one host"));
        } else if says(at(spec, "tls")) || says(at(spec, "tcp")) {
            faults.add(Cause::required("spec.hosts", "only HTTP rules may be delegated to"));
        }
        return;
    }
    let in_mesh = gateways.is_empty() || gateways.iter().any(|name| name == "mesh");
    let mut seen = BTreeSet::new();
    for (idx, value) in hosts.iter().enumerate() {
        let path = format!("spec.hosts[{idx}]");
        let host = value.as_str().unwrap_or_default();
        if host == "*" && in_mesh {
            faults.invalid(
                &path,
                value,
                "wildcard host * is not allowed for virtual services bound to the mesh gateway",
            );
        } else if let Some(why) = why_no_host(host) {
            faults.invalid(&path, value, why);
        }
        if !seen.insert(host) {
            faults.add(Cause::duplicate(path, value));
        }
    }
}

/// Why this is no host: a name, an IP address, `*`, or `*.` and a name.
fn why_no_host(host: &str) -> Option<&'static str> {
    let name = host.strip_prefix("*.").unwrap_or(host);
    if host.is_empty() {
        Some("a host must not be empty")
    } else if host == "*" || host.parse::<std::net::IpAddr>().is_ok() {
        None
    } else if name.contains('*') {
        Some("a wildcard may only stand at the beginning, followed by a dot")
    } else if words::is_subdomain(&name.to_ascii_lowercase()) {
        None
    } else {
        Some("must be a domain name, an IP address, \"*\", or \"*.\" followed by a domain name")
    }
}

fn http(faults: &mut Faults, path: &str, rule: &Value) {
    let route = says(at(rule, "route"));
    let redirect = has(rule, "redirect");
    let direct = has(rule, "directResponse");
    let delegate = has(rule, "delegate");
    let here = |detail: &str| Cause::forbidden(path, detail);
    if redirect && route {
        faults.add(here("HTTP route cannot contain both route and redirect"));
    }
    if direct && route {
        faults.add(here("HTTP route cannot contain both route and direct_response"));
    }
    if direct && redirect {
        faults.add(here("HTTP route cannot contain both redirect and direct_response"));
    }
    if delegate && (route || redirect || direct) {
        faults.add(here(
            "HTTP route with a delegate cannot contain route, redirect or direct_response",
        ));
    }
    if (redirect || direct) && has(rule, "fault") {
        faults.add(here("HTTP route with a redirect or direct_response cannot contain fault"));
    }
    if redirect && has(rule, "rewrite") {
        faults.add(here("HTTP route rule cannot contain both rewrite and redirect"));
    }
    if !(route || redirect || direct || delegate) {
        faults.add(Cause::required(path, "HTTP route, redirect or direct_response is required"));
    }
    if has(rule, "mirror") && says(at(rule, "mirrors")) {
        faults.add(here("HTTP route cannot contain both mirror and mirrors"));
    }
    weights(faults, path, rule);
    actions(faults, path, rule);
    for (idx, alternative) in list(rule, "match").iter().enumerate() {
        let path = format!("{path}.match[{idx}]");
        for field in ["uri", "scheme", "method", "authority"] {
            string_match(faults, &format!("{path}.{field}"), at(alternative, field));
        }
        for field in ["headers", "withoutHeaders", "queryParams"] {
            for (name, test) in map(alternative, field) {
                if name.is_empty() {
                    faults.required(&format!("{path}.{field}"));
                }
                string_match(faults, &format!("{path}.{field}[{name}]"), test);
            }
        }
    }
    for (idx, test) in list(rule, "corsPolicy.allowOrigins").iter().enumerate() {
        string_match(faults, &format!("{path}.corsPolicy.allowOrigins[{idx}]"), test);
    }
}

/// What a rule does besides choosing a destination.
fn actions(faults: &mut Faults, path: &str, rule: &Value) {
    let redirect = at(rule, "redirect");
    if !redirect.is_null() {
        let code = int(redirect, "redirectCode");
        if !matches!(code, 0 | 301 | 302 | 303 | 307 | 308) {
            let path = format!("{path}.redirect.redirectCode");
            faults.invalid(&path, &code.into(), "must be 301, 302, 303, 307 or 308");
        }
        if has(redirect, "port") && has(redirect, "derivePort") {
            one_of(faults, &format!("{path}.redirect"), "port, derivePort");
        }
    }
    let direct = at(rule, "directResponse");
    if !direct.is_null() && !(100..600).contains(&int(direct, "status")) {
        let path = format!("{path}.directResponse.status");
        faults.invalid(&path, at(direct, "status"), "must be an HTTP status code");
    }
    let abort = at(rule, "fault.abort");
    if let Some(status) = at(abort, "httpStatus").as_i64()
        && !(200..600).contains(&status)
    {
        let path = format!("{path}.fault.abort.httpStatus");
        faults.invalid(&path, &status.into(), "must be between 200 and 599");
    }
    if !abort.is_null() {
        let kinds = ["httpStatus", "grpcStatus", "http2Error"];
        if kinds.iter().filter(|kind| has(abort, kind)).count() != 1 {
            one_of(faults, &format!("{path}.fault.abort"), "httpStatus, grpcStatus, http2Error");
        }
    }
    let attempts = at(rule, "retries.attempts");
    faults.not_negative(&format!("{path}.retries.attempts"), attempts);
    if *attempts == 0 && (has(rule, "retries.perTryTimeout") || has(rule, "retries.retryOn")) {
        faults.add(Cause::forbidden(
            format!("{path}.retries"),
            "http retry policy configured when attempts are set to 0 (disabled)",
        ));
    }
    if has(rule, "rewrite.uri") && has(rule, "rewrite.uriRegexRewrite") {
        let path = format!("{path}.rewrite");
        faults
            .add(Cause::forbidden(path, "rewrite may only contain one of uri or uriRegexRewrite"));
    }
    for place in ["mirrorPercentage", "fault.abort.percentage", "fault.delay.percentage"] {
        percentage(faults, &format!("{path}.{place}"), at(rule, place));
    }
    for (idx, mirror) in list(rule, "mirrors").iter().enumerate() {
        let path = format!("{path}.mirrors[{idx}]");
        percentage(faults, &format!("{path}.percentage"), at(mirror, "percentage"));
        host(faults, &format!("{path}.destination"), at(mirror, "destination"));
    }
    if has(rule, "mirror") {
        host(faults, &format!("{path}.mirror"), at(rule, "mirror"));
    }
    if has(rule, "delegate") && text(rule, "delegate.name").is_empty() {
        faults.required(&format!("{path}.delegate.name"));
    }
}

fn percentage(faults: &mut Faults, path: &str, share: &Value) {
    let value = at(share, "value");
    if value.as_f64().is_some_and(|value| !(0.0..=100.0).contains(&value)) {
        faults.invalid(&format!("{path}.value"), value, "must be between 0 and 100");
    }
}

fn host(faults: &mut Faults, path: &str, destination: &Value) {
    let name = text(destination, "host");
    let path = format!("{path}.host");
    if name.is_empty() {
        faults.required(&path);
    } else if let Some(why) =
        why_no_host(name).or((name == "*").then_some("a destination must be one host"))
    {
        faults.invalid(&path, &name.into(), why);
    }
}

/// Destinations and their weights.
fn weights(faults: &mut Faults, path: &str, rule: &Value) {
    let route = list(rule, "route");
    let mut total = 0;
    for (idx, entry) in route.iter().enumerate() {
        let path = format!("{path}.route[{idx}]");
        let weight = int(entry, "weight");
        if weight < 0 {
            let detail = format!("weight {weight} < 0");
            faults.invalid(&format!("{path}.weight"), &weight.into(), &detail);
        }
        total += weight.max(0);
        if has(entry, "destination") {
            host(faults, &format!("{path}.destination"), at(entry, "destination"));
            let port = at(entry, "destination.port.number");
            if !port.is_null() {
                faults.port(&format!("{path}.destination.port.number"), port);
            }
        } else {
            faults.required(&format!("{path}.destination"));
        }
    }
    if route.len() > 1 && total == 0 {
        faults.invalid(&format!("{path}.route"), &0.into(), "total destination weight = 0");
    }
}

fn tls_match(faults: &mut Faults, path: &str, rule: &Value, spec: &Value) {
    if list(rule, "match").is_empty() {
        faults.add(Cause::required(
            format!("{path}.match"),
            "TLS route must have at least one match condition",
        ));
    }
    let hosts: Vec<&str> = list(spec, "hosts").iter().filter_map(Value::as_str).collect();
    for (idx, alternative) in list(rule, "match").iter().enumerate() {
        let path = format!("{path}.match[{idx}].sniHosts");
        if list(alternative, "sniHosts").is_empty() {
            faults.add(Cause::required(path.as_str(), "TLS match must have at least one SNI host"));
        }
        for (nth, value) in list(alternative, "sniHosts").iter().enumerate() {
            let name = value.as_str().unwrap_or_default();
            if !hosts.iter().any(|host| words::host_covers(host, name)) {
                let detail = format!(
                    "SNI host {name:?} is not a compatible subset of any of the virtual service hosts"
                );
                faults.invalid(&format!("{path}[{nth}]"), value, &detail);
            }
        }
    }
}

fn one_of(faults: &mut Faults, path: &str, names: &str) {
    let detail = format!("must validate one and only one schema (oneOf): {names}");
    faults.invalid(path, &"object".into(), &detail);
}

fn string_match(faults: &mut Faults, path: &str, test: &Value) {
    if ["exact", "prefix", "regex"].iter().filter(|kind| has(test, kind)).count() > 1 {
        one_of(faults, path, "exact, prefix, regex");
    }
    if text(test, "regex").len() > LONGEST_REGEX {
        faults.add(Cause::too_long(format!("{path}.regex"), LONGEST_REGEX));
    }
}

/// Durations and ports, wherever they stand.
fn values(faults: &mut Faults, path: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let path = format!("{path}.{name}");
                match inner {
                    Value::String(text) => duration(faults, &path, name, text),
                    // Values of maps with free keys are no fields.
                    _ if matches!(
                        name.as_str(),
                        "headers" | "sourceLabels" | "labels" | "selector"
                    ) => {}
                    _ => values(faults, &path, inner),
                }
            }
        }
        Value::Array(entries) => {
            for (idx, entry) in entries.iter().enumerate() {
                values(faults, &format!("{path}[{idx}]"), entry);
            }
        }
        _ => {}
    }
}

fn duration(faults: &mut Faults, path: &str, name: &str, text: &str) {
    let free = SPANS.contains(&name) || path.ends_with("tcp.idleTimeout");
    if !free && !DURATIONS.contains(&name) {
        return;
    }
    match words::duration(text) {
        Ok(span) if free || span >= Duration::from_millis(1) => {}
        Ok(_) => faults.invalid(path, &text.into(), "must be a valid duration greater than 1ms"),
        Err(why) => faults.invalid(path, &text.into(), &why),
    }
}

/// A DestinationRule.
pub(crate) fn destination_rule(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let spec = at(object, "spec");
    let name = text(spec, "host");
    if name.is_empty() {
        faults.required("spec.host");
    } else if let Some(why) = why_no_host(name) {
        faults.invalid("spec.host", &name.into(), why);
    }
    policy(&mut faults, "spec.trafficPolicy", at(spec, "trafficPolicy"));
    let mut names = Vec::new();
    for (idx, subset) in list(spec, "subsets").iter().enumerate() {
        let path = format!("spec.subsets[{idx}]");
        faults.unique_label(&format!("{path}.name"), text(subset, "name"), &mut names);
        faults.labels(&format!("{path}.labels"), at(subset, "labels"));
        policy(&mut faults, &format!("{path}.trafficPolicy"), at(subset, "trafficPolicy"));
    }
    values(&mut faults, "spec", spec);
    faults.0
}

fn policy(faults: &mut Faults, path: &str, policy: &Value) {
    blocks(faults, path, policy);
    for (idx, port) in list(policy, "portLevelSettings").iter().enumerate() {
        let path = format!("{path}.portLevelSettings[{idx}]");
        if has(port, "port") {
            faults.port(&format!("{path}.port.number"), at(port, "port.number"));
        } else {
            faults.required(&format!("{path}.port"));
        }
        blocks(faults, &path, port);
    }
}

fn blocks(faults: &mut Faults, path: &str, policy: &Value) {
    let balancer = at(policy, "loadBalancer");
    if has(balancer, "simple") && has(balancer, "consistentHash") {
        one_of(faults, &format!("{path}.loadBalancer"), "simple, consistentHash");
    }
    let hash = at(balancer, "consistentHash");
    if !hash.is_null() {
        let path = format!("{path}.loadBalancer.consistentHash");
        let keys = ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"];
        if keys.iter().filter(|key| has(hash, key)).count() > 1 {
            one_of(faults, &path, &keys.join(", "));
        }
        if has(hash, "httpCookie") && text(hash, "httpCookie.name").is_empty() {
            faults.required(&format!("{path}.httpCookie.name"));
        }
    }
    let locality = at(balancer, "localityLbSetting");
    for (idx, entry) in list(locality, "distribute").iter().enumerate() {
        let sum: i64 = map(entry, "to").filter_map(|(_, share)| share.as_i64()).sum();
        if sum != 100 {
            let path = format!("{path}.loadBalancer.localityLbSetting.distribute[{idx}].to");
            let detail = format!("total locality weight {sum} != 100");
            faults.invalid(&path, at(entry, "to"), &detail);
        }
    }
    for (idx, entry) in list(locality, "failover").iter().enumerate() {
        let path = format!("{path}.loadBalancer.localityLbSetting.failover[{idx}]");
        for field in ["from", "to"] {
            let region = text(entry, field);
            if region.contains(['/', '*']) {
                let detail = "locality lb failover only specify region";
                faults.invalid(&format!("{path}.{field}"), &region.into(), detail);
            }
        }
        if text(entry, "from") == text(entry, "to") {
            let detail = "locality lb failover settings must specify different regions";
            faults.invalid(&path, entry, detail);
        }
    }
    if says(at(locality, "distribute")) && says(at(locality, "failover")) {
        faults.add(Cause::forbidden(
            format!("{path}.loadBalancer.localityLbSetting"),
            "can not simultaneously specify 'distribute' and 'failover'",
        ));
    }
    let outlier = at(policy, "outlierDetection");
    for field in ["maxEjectionPercent", "minHealthPercent"] {
        let value = at(outlier, field);
        if value.as_i64().is_some_and(|percent| !(0..=100).contains(&percent)) {
            let path = format!("{path}.outlierDetection.{field}");
            faults.invalid(&path, value, "must be in range of 0 to 100");
        }
    }
    pool(faults, &format!("{path}.connectionPool"), at(policy, "connectionPool"));
    if text(policy, "tls.mode") == "MUTUAL" && text(policy, "tls.credentialName").is_empty() {
        for field in ["clientCertificate", "privateKey"] {
            if text(at(policy, "tls"), field).is_empty() {
                let detail = format!("{field} required for mutual tls");
                faults.add(Cause::required(format!("{path}.tls.{field}"), &detail));
            }
        }
    }
}

/// A connection pool.
fn pool(faults: &mut Faults, path: &str, written: &Value) {
    for (block, fields) in [
        ("tcp", &["maxConnections"][..]),
        (
            "http",
            &[
                "http1MaxPendingRequests",
                "http2MaxRequests",
                "maxRequestsPerConnection",
                "maxRetries",
                "maxConcurrentStreams",
            ][..],
        ),
    ] {
        let part = at(written, block);
        for field in fields {
            faults.not_negative(&format!("{path}.{block}.{field}"), at(part, field));
        }
    }
}

/// A Gateway.
pub(crate) fn gateway(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    if list(object, "spec.servers").is_empty() {
        faults.add(Cause::required("spec.servers", "gateway must have at least one server"));
    }
    let mut names: Vec<&str> = Vec::new();
    for (idx, server) in list(object, "spec.servers").iter().enumerate() {
        let path = format!("spec.servers[{idx}]");
        let port = at(server, "port");
        if port.is_null() {
            faults.add(Cause::required(format!("{path}.port"), "port is required"));
        } else {
            faults.port(&format!("{path}.port.number"), at(port, "number"));
            if text(port, "name").is_empty() {
                faults.required(&format!("{path}.port.name"));
            }
            if text(port, "protocol").is_empty() {
                faults.required(&format!("{path}.port.protocol"));
            }
            entries::protocol(&mut faults, &format!("{path}.port.protocol"), at(port, "protocol"));
        }
        if list(server, "hosts").is_empty() {
            faults.add(Cause::required(
                format!("{path}.hosts"),
                "server config must contain at least one host",
            ));
        }
        for (nth, value) in list(server, "hosts").iter().enumerate() {
            let host = value.as_str().unwrap_or_default();
            let name = host.split_once('/').map_or(host, |(_, name)| name);
            if let Some(why) = why_no_host(name) {
                faults.invalid(&format!("{path}.hosts[{nth}]"), value, why);
            }
        }
        let name = text(server, "name");
        if !name.is_empty() && names.contains(&name) {
            faults.add(Cause::duplicate(format!("{path}.name"), &name.into()));
        }
        names.push(name);
        server_tls(&mut faults, &path, server);
    }
    faults.0
}

fn server_tls(faults: &mut Faults, path: &str, server: &Value) {
    let tls = at(server, "tls");
    let protocol = text(server, "port.protocol").to_ascii_uppercase();
    if matches!(protocol.as_str(), "HTTPS" | "TLS") && tls.is_null() {
        let detail = format!("server must have TLS settings for {protocol} protocol");
        faults.add(Cause::required(format!("{path}.tls"), &detail));
    }
    if tls.is_null() {
        return;
    }
    let path = format!("{path}.tls");
    let mode = text(tls, "mode");
    if matches!(protocol.as_str(), "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB") && !mode.is_empty() {
        faults.add(Cause::forbidden(
            format!("{path}.mode"),
            "server cannot have TLS settings for non HTTPS/TLS ports",
        ));
    }
    let named = says(at(tls, "credentialName"))
        || says(at(tls, "credentialNames"))
        || says(at(tls, "tlsCertificates"));
    if matches!(mode, "SIMPLE" | "MUTUAL" | "OPTIONAL_MUTUAL") && !named {
        for field in ["serverCertificate", "privateKey"] {
            if text(tls, field).is_empty() {
                let detail = format!("{mode} TLS requires a credentialName, or a {field}");
                faults.add(Cause::required(format!("{path}.{field}"), &detail));
            }
        }
        if mode == "MUTUAL" && text(tls, "caCertificates").is_empty() {
            faults.add(Cause::required(
                format!("{path}.caCertificates"),
                "MUTUAL TLS requires a client CA bundle",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(causes: Vec<Cause>) -> Vec<String> {
        causes.into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
    }

    fn rule(rule: Value) -> Vec<String> {
        shown(virtual_service(&json!({"spec": {"hosts": ["a"], "http": [rule]}})))
    }

    #[test]
    fn each_fault_of_a_rule_names_its_field() {
        let to = |weight: i64| json!({"destination": {"host": "a"}, "weight": weight});
        for (object, expected) in [
            (json!({"route": [to(90), to(10)]}), vec![]),
            (json!({"route": [{"destination": {"host": "a"}}]}), vec![]),
            (json!({"route": [{"destination": {"host": "a"}}], "timeout": "1s"}), vec![]),
            (
                json!({"route": [to(0), to(0)]}),
                vec!["spec.http[0].route: Invalid value: 0: total destination weight = 0"],
            ),
            (
                json!({"route": [to(-1), to(5)]}),
                vec!["spec.http[0].route[0].weight: Invalid value: -1: weight -1 < 0"],
            ),
            (
                json!({"route": [to(1)], "redirect": {"uri": "/"}}),
                vec!["spec.http[0]: Forbidden: HTTP route cannot contain both route and redirect"],
            ),
            (
                json!({}),
                vec![
                    "spec.http[0]: Required value: HTTP route, redirect or direct_response is required",
                ],
            ),
            (
                json!({"route": [{"destination": {}}]}),
                vec!["spec.http[0].route[0].destination.host: Required value"],
            ),
            (
                json!({"route": [to(1)], "timeout": "0s"}),
                vec![
                    "spec.http[0].timeout: Invalid value: \"0s\": must be a valid duration greater than 1ms",
                ],
            ),
            (
                json!({"route": [to(1)], "match": [{"uri": {"exact": "a", "prefix": "b"}}]}),
                vec![
                    "spec.http[0].match[0].uri: Invalid value: \"object\": must validate one and only one schema (oneOf): exact, prefix, regex",
                ],
            ),
        ] {
            assert_eq!(rule(object), expected);
        }
        let long = json!({"route": [to(1)], "match": [{"uri": {"regex": "a".repeat(1025)}}]});
        assert_eq!(
            rule(long),
            ["spec.http[0].match[0].uri.regex: Too long: may not be more than 1024 bytes"]
        );
    }

    #[test]
    fn headers_named_like_durations_are_no_durations() {
        let object = json!({
            "match": [{"headers": {"timeout": {"exact": "never"}}, "sourceLabels": {"time": "noon"}}],
            "route": [{"destination": {"host": "a"}, "headers": {"request": {"set": {"time": "noon"}}}}],
        });
        assert!(rule(object).is_empty());
    }

    #[test]
    fn a_virtual_service_without_hosts_is_a_part_of_another() {
        let to = json!([{"route": [{"destination": {"host": "a"}}]}]);
        let part = json!({"spec": {"http": to}});
        assert!(virtual_service(&part).is_empty());
        let bound = json!({"spec": {"http": to, "gateways": ["g"]}});
        assert_eq!(virtual_service(&bound)[0].field, "spec.hosts");
        let all = json!({"spec": {"http": to, "hosts": ["*"]}});
        assert_eq!(virtual_service(&all)[0].field, "spec.hosts[0]");
        let gateway = json!({"spec": {"http": to, "hosts": ["*"], "gateways": ["g"]}});
        assert!(virtual_service(&gateway).is_empty());
    }

    #[test]
    fn subsets_have_different_names() {
        let object = json!({"spec": {"host": "a", "subsets": [{"name": "v1"}, {"name": "v1"}]}});
        assert_eq!(
            shown(destination_rule(&object)),
            ["spec.subsets[1].name: Duplicate value: \"v1\""]
        );
        assert_eq!(shown(destination_rule(&json!({"spec": {}}))), ["spec.host: Required value"]);
        let idle = json!({"spec": {"host": "a", "trafficPolicy": {"connectionPool": {
            "tcp": {"idleTimeout": "0s"}, "http": {"idleTimeout": "0s"}}}}});
        assert_eq!(
            destination_rule(&idle)[0].field,
            "spec.trafficPolicy.connectionPool.http.idleTimeout"
        );
    }

    #[test]
    fn a_region_fails_over_to_another() {
        let rule = |from: &str, to: &str| {
            let object = json!({"spec": {"host": "a", "trafficPolicy": {"loadBalancer": {
                "localityLbSetting": {"failover": [{"from": from, "to": to}]}}}}});
            destination_rule(&object).len()
        };
        assert_eq!((rule("eu", "us"), rule("eu", "eu"), rule("eu/a", "us")), (0, 1, 1));
    }

    #[test]
    fn a_server_has_a_port_and_hosts() {
        let object = json!({"spec": {"servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]}});
        assert!(gateway(&object).is_empty());
        let object = json!({"spec": {"servers": [{"port": {"number": 80, "name": "a", "protocol": "UDP"}}]}});
        let fields: Vec<_> = gateway(&object).into_iter().map(|c| c.field).collect();
        assert_eq!(fields, ["spec.servers[0].port.protocol", "spec.servers[0].hosts"]);
    }
}
