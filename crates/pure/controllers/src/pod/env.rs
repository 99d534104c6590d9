//! The environment of a container: values, references, and `$(NAME)` in both.

use kinds::core::{Container, EnvVar, Pod};
use std::collections::BTreeMap;

/// Where references lead. Data only: the caller has looked everything up.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// The pod's namespace's ConfigMaps that are known, by name.
    pub config_maps: BTreeMap<&'a str, BTreeMap<String, String>>,
    /// The pod's namespace's Secrets that are known, by name; values as text.
    pub secrets: BTreeMap<&'a str, BTreeMap<String, String>>,
    /// Variables that every container gets first (Services, the API's address).
    pub given: Vec<(String, String)>,
    /// `status.podIP`.
    pub pod_ip: &'a str,
    /// `status.hostIP`.
    pub host_ip: &'a str,
    /// Cores and bytes of the node: a limit that is not set is the node's.
    pub capacity: Capacity,
}

/// What the node has.
#[derive(Debug, Default, Clone, Copy)]
pub struct Capacity {
    /// Cores.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory: u64,
}

/// Replaces `$(NAME)` by its value; `$$` is a dollar, an unknown name stays as it is.
///
/// Spec: Kubernetes, "Define dependent environment variables".
#[must_use]
pub fn expand(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) =
            rest.strip_prefix('(').and_then(|inner| inner.split_once(')'))
        {
            match value(name) {
                Some(value) => out.push_str(&value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

/// The variables of a container in order, each name once.
///
/// # Errors
/// A reference that leads nowhere and is not optional, in a kubelet's words.
pub fn resolve(
    pod: &Pod,
    container: &Container,
    sources: &Sources<'_>,
) -> Result<Vec<(String, String)>, String> {
    let mut out: Vec<(String, String)> = sources.given.clone();
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or("");
        let (kind, name, optional, data) = match (&from.config_map_ref, &from.secret_ref) {
            (Some(r), _) => {
                ("configmap", &r.name, r.optional, sources.config_maps.get(r.name.as_str()))
            }
            (None, Some(r)) => {
                ("secret", &r.name, r.optional, sources.secrets.get(r.name.as_str()))
            }
            (None, None) => continue,
        };
        match data {
            Some(data) => {
                for (key, value) in data {
                    set(&mut out, format!("{prefix}{key}"), value.clone());
                }
            }
            None if optional == Some(true) => {}
            None => return Err(format!("{kind} \"{name}\" not found")),
        }
    }
    for var in container.env.iter().flatten() {
        if let Some(value) = one(pod, container, sources, var, &out)? {
            set(&mut out, var.name.clone(), value);
        }
    }
    Ok(out)
}

fn set(out: &mut Vec<(String, String)>, name: String, value: String) {
    match out.iter_mut().find(|(n, _)| *n == name) {
        Some(slot) => slot.1 = value,
        None => out.push((name, value)),
    }
}

fn one(
    pod: &Pod,
    container: &Container,
    sources: &Sources<'_>,
    var: &EnvVar,
    before: &[(String, String)],
) -> Result<Option<String>, String> {
    let Some(from) = &var.value_from else {
        let look = |name: &str| before.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        return Ok(Some(expand(var.value.as_deref().unwrap_or(""), &look)));
    };
    if let Some(r) = &from.field_ref {
        let value = field(pod, &r.field_path, sources);
        return value.map(Some).ok_or_else(|| {
            format!("env {}: the field path {} is not supported", var.name, r.field_path)
        });
    }
    if let Some(r) = &from.resource_field_ref {
        let divisor = r.divisor.as_ref().map(|q| q.0.as_str());
        return resource(container, &r.resource, divisor, sources.capacity).map(Some).ok_or_else(
            || format!("env {}: the resource {} is not supported", var.name, r.resource),
        );
    }
    let (kind, name, key, optional, data) = match (&from.config_map_key_ref, &from.secret_key_ref) {
        (Some(r), _) => {
            let data = sources.config_maps.get(r.name.as_str());
            ("configmap", &r.name, &r.key, r.optional, data)
        }
        (None, Some(r)) => {
            let data = sources.secrets.get(r.name.as_str());
            ("secret", &r.name, &r.key, r.optional, data)
        }
        (None, None) => return Ok(Some(String::new())),
    };
    let value = data.and_then(|d| d.get(key));
    match (value, data) {
        (Some(value), _) => Ok(Some(value.clone())),
        (None, _) if optional == Some(true) => Ok(None),
        (None, None) => Err(format!("{kind} \"{name}\" not found")),
        (None, Some(_)) => {
            let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
            let kind = if kind == "secret" { "Secret" } else { "ConfigMap" };
            Err(format!("couldn't find key {key} in {kind} {namespace}/{name}"))
        }
    }
}

/// The value of a downward API path: `metadata.labels['app']`, `spec.nodeName`, `status.podIP`.
/// A whole map is written as a downward API file shows it, `key="value"` a line.
#[must_use]
pub fn field(pod: &Pod, path: &str, sources: &Sources<'_>) -> Option<String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let text = |value: &Option<String>| Some(value.clone().unwrap_or_default());
    let map = |map: &Option<BTreeMap<String, String>>| {
        let rows = map.iter().flatten().map(|(k, v)| format!("{k}={v:?}"));
        Some(rows.collect::<Vec<_>>().join("\n"))
    };
    match path {
        "metadata.name" => text(&meta.name),
        "metadata.namespace" => text(&meta.namespace),
        "metadata.uid" => text(&meta.uid),
        "metadata.labels" => map(&meta.labels),
        "metadata.annotations" => map(&meta.annotations),
        "spec.nodeName" => text(&spec.and_then(|s| s.node_name.clone())),
        "spec.serviceAccountName" => {
            let name = spec.and_then(|s| s.service_account_name.clone());
            Some(name.unwrap_or_else(|| "default".to_owned()))
        }
        "status.podIP" | "status.podIPs" => Some(sources.pod_ip.to_owned()),
        "status.hostIP" | "status.hostIPs" => Some(sources.host_ip.to_owned()),
        _ => {
            let (base, key) = path.strip_suffix("']")?.split_once("['")?;
            let map = match base {
                "metadata.labels" => &meta.labels,
                "metadata.annotations" => &meta.annotations,
                _ => return None,
            };
            Some(map.as_ref().and_then(|m| m.get(key)).cloned().unwrap_or_default())
        }
    }
}

/// The value of `limits.cpu`, `requests.memory` and so on, divided and rounded up.
#[must_use]
pub fn resource(
    container: &Container,
    path: &str,
    divisor: Option<&str>,
    capacity: Capacity,
) -> Option<String> {
    let (side, what) = path.split_once('.')?;
    let own = container.resources.as_ref();
    let limits = own.and_then(|r| r.limits.as_ref());
    let map = match side {
        "limits" => limits,
        "requests" => own.and_then(|r| r.requests.as_ref()).or(limits),
        _ => return None,
    };
    let written = map.and_then(|m| m.get(what)).and_then(|q| milli(&q.0));
    let value = match (written, side, what) {
        (Some(value), _, _) => value,
        (None, "limits", "cpu") => i128::from(capacity.cpus) * 1000,
        (None, "limits", "memory") => i128::from(capacity.memory) * 1000,
        (None, _, "cpu" | "memory" | "ephemeral-storage") => 0,
        _ => return None,
    };
    let divisor = divisor.and_then(milli).filter(|d| *d > 0).unwrap_or(1000);
    Some(((value + divisor - 1) / divisor).to_string())
}

/// A Kubernetes quantity in thousandths: `250m` is 250, `1Ki` is 1024000.
fn milli(quantity: &str) -> Option<i128> {
    let at = quantity.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(quantity.len());
    let (number, unit) = quantity.split_at(at);
    let scale: i128 = match unit {
        "m" => 1,
        "" => 1000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        "Ti" => 1000_i128 << 40,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let mut value = whole.parse::<i128>().unwrap_or(0) * scale;
    let mut step = scale;
    for digit in part.bytes() {
        step /= 10;
        value += i128::from(digit.checked_sub(b'0')?) * step;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_expand_as_kubernetes_does() {
        let look = |name: &str| (name == "A").then(|| "1".to_owned());
        for (input, output) in [
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$A", "$A"),
            ("$(A", "$(A"),
            ("cost: 5$", "cost: 5$"),
            ("", ""),
        ] {
            assert_eq!(expand(input, &look), output, "{input}");
        }
    }

    fn container(yaml: serde_json::Value) -> Container {
        serde_json::from_value(yaml).unwrap()
    }

    #[test]
    fn later_variables_see_earlier_ones_and_replace_them() {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "p", "namespace": "n", "labels": {"app": "x"}}, "spec": {"containers": []}
        }))
        .unwrap();
        let container = container(serde_json::json!({
            "name": "c",
            "envFrom": [{"prefix": "C_", "configMapRef": {"name": "m"}}],
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "value": "$(A)-$(C_K)"},
                {"name": "A", "value": "2"},
                {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                {"name": "NO", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "z", "optional": true}}},
            ],
            "resources": {"limits": {"cpu": "1500m"}}
        }));
        let mut sources = Sources::default();
        sources.config_maps.insert("m", BTreeMap::from([("K".to_owned(), "v".to_owned())]));
        let env = resolve(&pod, &container, &sources).unwrap();
        let env: Vec<String> = env.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(env, ["C_K=v", "A=2", "B=1-v", "APP=x", "CPU=2"]);
    }

    #[test]
    fn a_missing_reference_is_named_in_the_kubelets_words() {
        let pod = Pod::default();
        let container = container(serde_json::json!({
            "name": "c",
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
        }));
        let error = resolve(&pod, &container, &Sources::default()).unwrap_err();
        assert_eq!(error, "secret \"s\" not found");
    }
}
