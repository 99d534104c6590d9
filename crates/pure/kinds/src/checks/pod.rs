//! Rules of pods and pod templates.

use objects::Cause;
use serde_json::Value;

use super::{Faults, LABEL, SUBDOMAIN};
use crate::view::{at, has, int, list, says, text};
use crate::words;

const ONE_SOURCE: &str = "may not specify more than 1 volume type";
const ONE_HANDLER: &str = "may not specify more than 1 handler type";

/// A pod.
pub(crate) fn pod(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    spec(&mut faults, "spec", at(object, "spec"));
    faults.0
}

/// A template: its labels and its specification.
pub(crate) fn template(faults: &mut Faults, path: &str, template: &Value) {
    faults.labels(&format!("{path}.metadata.labels"), at(template, "metadata.labels"));
    spec(faults, &format!("{path}.spec"), at(template, "spec"));
}

/// The specification of a pod.
pub(crate) fn spec(faults: &mut Faults, path: &str, spec: &Value) {
    let volumes = volumes(faults, path, spec);
    if list(spec, "containers").is_empty() {
        faults.required(&format!("{path}.containers"));
    }
    let mut names = Vec::new();
    for kind in ["containers", "initContainers"] {
        for (idx, entry) in list(spec, kind).iter().enumerate() {
            let path = format!("{path}.{kind}[{idx}]");
            faults.unique_label(&format!("{path}.name"), text(entry, "name"), &mut names);
            container(faults, &path, entry, &volumes);
        }
    }
    faults.word(
        &format!("{path}.restartPolicy"),
        at(spec, "restartPolicy"),
        &["Always", "OnFailure", "Never"],
    );
    faults.word(
        &format!("{path}.dnsPolicy"),
        at(spec, "dnsPolicy"),
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    );
    faults.not_negative(
        &format!("{path}.terminationGracePeriodSeconds"),
        at(spec, "terminationGracePeriodSeconds"),
    );
    faults.labels(&format!("{path}.nodeSelector"), at(spec, "nodeSelector"));
    let account = text(spec, "serviceAccountName");
    if !account.is_empty() && !words::is_subdomain(account) {
        faults.invalid(&format!("{path}.serviceAccountName"), &account.into(), SUBDOMAIN);
    }
    let hostname = text(spec, "hostname");
    if !hostname.is_empty() && !words::is_label(hostname) {
        faults.invalid(&format!("{path}.hostname"), &hostname.into(), LABEL);
    }
    for (idx, alias) in list(spec, "hostAliases").iter().enumerate() {
        let ip = text(alias, "ip");
        if ip.parse::<std::net::IpAddr>().is_err() {
            faults.invalid(
                &format!("{path}.hostAliases[{idx}].ip"),
                &ip.into(),
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            );
        }
    }
}

/// Checks the volumes, and returns their names.
fn volumes(faults: &mut Faults, path: &str, spec: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for (idx, volume) in list(spec, "volumes").iter().enumerate() {
        let path = format!("{path}.volumes[{idx}]");
        faults.unique_label(&format!("{path}.name"), text(volume, "name"), &mut names);
        let sources: Vec<&String> = volume
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, source)| *key != "name" && !source.is_null())
            .map(|(key, _)| key)
            .collect();
        if let [_, second, ..] = sources.as_slice() {
            faults.add(Cause::forbidden(format!("{path}.{second}"), ONE_SOURCE));
        }
        for (source, field) in [
            ("configMap", "name"),
            ("secret", "secretName"),
            ("hostPath", "path"),
            ("persistentVolumeClaim", "claimName"),
        ] {
            if has(volume, source) && text(at(volume, source), field).is_empty() {
                faults.required(&format!("{path}.{source}.{field}"));
            }
        }
    }
    names
}

fn container(faults: &mut Faults, path: &str, entry: &Value, volumes: &[String]) {
    let image = text(entry, "image");
    if image.is_empty() {
        faults.required(&format!("{path}.image"));
    } else if image.trim() != image {
        faults.invalid(
            &format!("{path}.image"),
            &image.into(),
            "must not have leading or trailing whitespace",
        );
    }
    faults.word(
        &format!("{path}.imagePullPolicy"),
        at(entry, "imagePullPolicy"),
        &["Always", "IfNotPresent", "Never"],
    );
    ports(faults, path, entry);
    environment(faults, path, entry);
    mounts(faults, path, entry, volumes);
    resources(faults, path, entry);
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = at(entry, name);
        if !probe.is_null() {
            self::probe(faults, &format!("{path}.{name}"), probe, name != "readinessProbe");
        }
    }
    for name in ["postStart", "preStop"] {
        let hook = at(at(entry, "lifecycle"), name);
        if !hook.is_null() {
            let path = format!("{path}.lifecycle.{name}");
            handler(faults, &path, hook, &["exec", "httpGet", "tcpSocket", "sleep"]);
        }
    }
}

fn ports(faults: &mut Faults, path: &str, entry: &Value) {
    let mut names: Vec<&str> = Vec::new();
    for (idx, port) in list(entry, "ports").iter().enumerate() {
        let path = format!("{path}.ports[{idx}]");
        let name = text(port, "name");
        if !name.is_empty() {
            faults.port_name(&format!("{path}.name"), name);
            if names.contains(&name) {
                faults.add(Cause::duplicate(format!("{path}.name"), &name.into()));
            }
            names.push(name);
        }
        faults.port(&format!("{path}.containerPort"), at(port, "containerPort"));
        if int(port, "hostPort") != 0 {
            faults.port(&format!("{path}.hostPort"), at(port, "hostPort"));
        }
        faults.word(&format!("{path}.protocol"), at(port, "protocol"), &["SCTP", "TCP", "UDP"]);
    }
}

fn environment(faults: &mut Faults, path: &str, entry: &Value) {
    for (idx, variable) in list(entry, "env").iter().enumerate() {
        let path = format!("{path}.env[{idx}]");
        if text(variable, "name").is_empty() {
            faults.required(&format!("{path}.name"));
        }
        let source = at(variable, "valueFrom");
        if source.is_null() {
            continue;
        }
        let path = format!("{path}.valueFrom");
        if says(at(variable, "value")) {
            faults.invalid(&path, &"".into(), "may not be specified when `value` is not empty");
        }
        let known = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"];
        let given = known.iter().filter(|name| has(source, name)).count();
        if given != 1 {
            let detail = match given {
                0 => {
                    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or \
                     `secretKeyRef`"
                }
                _ => "may not have more than one field specified at a time",
            };
            faults.invalid(&path, &"".into(), detail);
        }
        for name in ["configMapKeyRef", "secretKeyRef"] {
            if has(source, name) && text(at(source, name), "key").is_empty() {
                faults.required(&format!("{path}.{name}.key"));
            }
        }
    }
}

fn mounts(faults: &mut Faults, path: &str, entry: &Value, volumes: &[String]) {
    let mut places: Vec<&str> = Vec::new();
    for (idx, mount) in list(entry, "volumeMounts").iter().enumerate() {
        let path = format!("{path}.volumeMounts[{idx}]");
        let name = text(mount, "name");
        if name.is_empty() {
            faults.required(&format!("{path}.name"));
        } else if !volumes.iter().any(|volume| volume == name) {
            faults.add(Cause::not_found(format!("{path}.name"), &name.into()));
        }
        let place = text(mount, "mountPath");
        if place.is_empty() {
            faults.required(&format!("{path}.mountPath"));
        } else if places.contains(&place) {
            faults.invalid(&format!("{path}.mountPath"), &place.into(), "must be unique");
        }
        places.push(place);
    }
}

fn resources(faults: &mut Faults, path: &str, entry: &Value) {
    let mut amounts = Vec::new();
    for part in ["limits", "requests"] {
        for (name, amount) in crate::view::map(at(entry, "resources"), part) {
            let path = format!("{path}.resources.{part}[{name}]");
            let parsed = match amount {
                Value::String(text) => words::quantity(text),
                Value::Number(number) => words::quantity(&number.to_string()),
                _ => continue,
            };
            match parsed {
                Ok(value) if value < 0 => faults.invalid(&path, amount, super::NOT_NEGATIVE),
                Ok(value) => amounts.push((part, name, value, amount)),
                Err(why) => faults.invalid(&path, amount, &why),
            }
        }
    }
    for (_, name, wanted, amount) in amounts.iter().filter(|(part, ..)| *part == "requests") {
        let limit = amounts.iter().find(|(part, other, ..)| *part == "limits" && other == name);
        if let Some((_, _, limit, shown)) = limit.filter(|(_, _, limit, _)| wanted > limit) {
            let _ = limit;
            let shown = shown.as_str().map_or_else(|| shown.to_string(), str::to_owned);
            let detail = format!("must be less than or equal to {name} limit of {shown}");
            faults.invalid(&format!("{path}.resources.requests"), amount, &detail);
        }
    }
}

/// `once`: a probe for which one success must be enough.
fn probe(faults: &mut Faults, path: &str, probe: &Value, once: bool) {
    handler(faults, path, probe, &["exec", "httpGet", "tcpSocket", "grpc"]);
    for field in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        faults.not_negative(&format!("{path}.{field}"), at(probe, field));
    }
    if once && at(probe, "successThreshold").as_i64().is_some_and(|count| count > 1) {
        let path = format!("{path}.successThreshold");
        faults.invalid(&path, at(probe, "successThreshold"), "must be 1");
    }
}

fn handler(faults: &mut Faults, path: &str, object: &Value, kinds: &[&str]) {
    let given: Vec<&str> = kinds.iter().copied().filter(|kind| has(object, kind)).collect();
    match given.as_slice() {
        [] => faults.add(Cause::required(path, "must specify a handler type")),
        [_] => {}
        [_, second, ..] => faults.add(Cause::forbidden(format!("{path}.{second}"), ONE_HANDLER)),
    }
    if has(object, "exec") && list(object, "exec.command").is_empty() {
        faults.required(&format!("{path}.exec.command"));
    }
    for kind in ["httpGet", "tcpSocket"] {
        if has(object, kind) {
            faults.port_or_name(&format!("{path}.{kind}.port"), at(at(object, kind), "port"));
        }
    }
    faults.word(
        &format!("{path}.httpGet.scheme"),
        at(object, "httpGet.scheme"),
        &["HTTP", "HTTPS"],
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(spec: Value) -> Vec<String> {
        pod(&json!({"spec": spec}))
            .into_iter()
            .map(|c| format!("{}: {}", c.field, c.message))
            .collect()
    }

    #[test]
    fn a_plain_pod_is_fine() {
        assert!(
            faults(json!({"containers": [{"name": "a", "image": "b", "ports": [
                {"containerPort": 80, "name": "http"},
            ]}]}))
            .is_empty()
        );
    }

    #[test]
    fn each_fault_names_its_field() {
        for (spec, expected) in [
            (json!({}), "spec.containers: Required value"),
            (json!({"containers": [{"image": "b"}]}), "spec.containers[0].name: Required value"),
            (json!({"containers": [{"name": "a"}]}), "spec.containers[0].image: Required value"),
            (
                json!({"containers": [{"name": "a", "image": "b"}, {"name": "a", "image": "b"}]}),
                "spec.containers[1].name: Duplicate value: \"a\"",
            ),
            (
                json!({"containers": [{"name": "a", "image": "b", "ports": [{"containerPort": 70000}]}]}),
                "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ),
            (
                json!({"containers": [{"name": "a", "image": "b", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}),
                "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
            ),
            (
                json!({"containers": [{"name": "a", "image": "b", "livenessProbe": {}}]}),
                "spec.containers[0].livenessProbe: Required value: must specify a handler type",
            ),
            (
                json!({"containers": [{"name": "a", "image": "b", "resources":
                    {"limits": {"cpu": "1"}, "requests": {"cpu": "1500m"}}}]}),
                "spec.containers[0].resources.requests: Invalid value: \"1500m\": must be less than or equal to cpu limit of 1",
            ),
            (
                json!({"restartPolicy": "Sometimes", "containers": [{"name": "a", "image": "b"}]}),
                "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
            ),
        ] {
            assert_eq!(faults(spec), [expected]);
        }
    }
}
