//! Which webhooks want to see a write.
//!
//! Spec: Kubernetes' dynamic admission control, "matching requests".

use objects::{LabelSelector, Resource, Value, meta};

/// A write, as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) resource: &'a Resource,
    /// The version of the request.
    pub(crate) version: &'static str,
    pub(crate) subresource: &'a str,
    /// `CREATE`, `UPDATE` or `DELETE`.
    pub(crate) operation: &'a str,
}

/// The version in which a webhook wants to see the write; nothing if none of its rules is about it.
pub(crate) fn version(hook: &Value, asked: &Asked<'_>) -> Option<&'static str> {
    let rules = || hook["rules"].as_array().into_iter().flatten();
    if rules().any(|rule| is_about(rule, asked, asked.version)) {
        return Some(asked.version);
    }
    if hook["matchPolicy"].as_str() == Some("Exact") {
        return None;
    }
    // The same object in another version: the webhook gets that one.
    let others = asked.resource.versions.iter().copied();
    others.into_iter().find(|version| rules().any(|rule| is_about(rule, asked, version)))
}

fn is_about(rule: &Value, asked: &Asked<'_>, version: &str) -> bool {
    let has = |field: &str, wanted: &str| {
        let mut entries = rule[field].as_array().into_iter().flatten();
        entries.any(|entry| matches!(entry.as_str(), Some(text) if text == "*" || text == wanted))
    };
    let scope = match rule["scope"].as_str() {
        Some("Namespaced") => asked.resource.namespaced,
        Some("Cluster") => !asked.resource.namespaced,
        _ => true,
    };
    scope
        && has("operations", asked.operation)
        && has("apiGroups", asked.resource.group)
        && has("apiVersions", version)
        && names_resource(rule, asked)
}

fn names_resource(rule: &Value, asked: &Asked<'_>) -> bool {
    let mut entries = rule["resources"].as_array().into_iter().flatten();
    entries.any(|entry| {
        let entry = entry.as_str().unwrap_or_default();
        let (plural, part) = entry.split_once('/').unwrap_or((entry, ""));
        // `*` alone is all resources without their parts, `*/*` all with them.
        (plural == "*" || plural == asked.resource.plural)
            && (part == asked.subresource || part == "*")
    })
}

/// Whether the selectors of a webhook let the write through to it. `namespace` is the Namespace
/// object that the write is in (or is about); without one only `objectSelector` counts.
pub(crate) fn selects(
    hook: &Value,
    namespace: Option<&Value>,
    states: &[&Value],
) -> Result<bool, String> {
    let in_namespace = match namespace {
        None => true,
        Some(namespace) => {
            let name = meta::name(namespace);
            selector(&hook["namespaceSelector"])?.matches_with(|key| match key {
                "kubernetes.io/metadata.name" => Some(name),
                _ => meta::label(namespace, key),
            })
        }
    };
    if !in_namespace {
        return Ok(false);
    }
    let labels = selector(&hook["objectSelector"])?;
    Ok(labels.is_empty() || states.iter().any(|state| labels.matches(state)))
}

fn selector(value: &Value) -> Result<LabelSelector, String> {
    if value.is_null() {
        return Ok(LabelSelector::default());
    }
    LabelSelector::from_object(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static ROUTES: Resource = Resource {
        group: "networking.istio.io",
        versions: &["v1", "v1beta1", "v1alpha3"],
        kind: "VirtualService",
        plural: "virtualservices",
        ..Resource::BLANK
    };

    fn asked(version: &'static str, subresource: &'static str) -> Asked<'static> {
        Asked { resource: &ROUTES, version, subresource, operation: "CREATE" }
    }

    fn hook(resources: &str, versions: &[&str], policy: &str) -> Value {
        json!({
            "matchPolicy": policy,
            "rules": [{
                "operations": ["CREATE", "UPDATE"],
                "apiGroups": ["networking.istio.io"],
                "apiVersions": versions,
                "resources": [resources],
            }],
        })
    }

    #[test]
    fn rules_name_resources_versions_and_parts() {
        let any = ["*"];
        for (hook, asked, expected) in [
            (hook("*", &any, "Equivalent"), asked("v1", ""), Some("v1")),
            (hook("virtualservices", &any, "Exact"), asked("v1beta1", ""), Some("v1beta1")),
            (hook("gateways", &any, "Equivalent"), asked("v1", ""), None),
            (hook("*", &any, "Equivalent"), asked("v1", "status"), None),
            (hook("*/*", &any, "Equivalent"), asked("v1", "status"), Some("v1")),
            (hook("virtualservices/status", &any, "Exact"), asked("v1", "status"), Some("v1")),
            (hook("*/scale", &any, "Equivalent"), asked("v1", "status"), None),
            (hook("*", &["v1beta1"], "Equivalent"), asked("v1", ""), Some("v1beta1")),
            (hook("*", &["v1beta1"], "Exact"), asked("v1", ""), None),
        ] {
            assert_eq!(version(&hook, &asked), expected, "{hook}");
        }
        let deletion = Asked { operation: "DELETE", ..asked("v1", "") };
        assert_eq!(version(&hook("*", &any, "Exact"), &deletion), None);
    }

    #[test]
    fn selectors_look_at_the_namespace_and_at_either_state() {
        let namespace =
            json!({"metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}}});
        let plain = json!({"metadata": {"labels": {"app": "web"}}});
        let out = json!({"metadata": {"labels": {"app": "db"}}});
        let hook = json!({
            "namespaceSelector": {"matchExpressions": [
                {"key": "istio-injection", "operator": "In", "values": ["enabled"]},
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]},
            ]},
            "objectSelector": {"matchLabels": {"app": "web"}},
        });
        assert_eq!(selects(&hook, Some(&namespace), &[&plain]), Ok(true));
        assert_eq!(selects(&hook, Some(&namespace), &[&out, &plain]), Ok(true));
        assert_eq!(selects(&hook, Some(&namespace), &[&out]), Ok(false));
        let other = json!({"metadata": {"name": "kube-system",
                                        "labels": {"istio-injection": "enabled"}}});
        assert_eq!(selects(&hook, Some(&other), &[&plain]), Ok(false));
        assert_eq!(selects(&json!({}), Some(&other), &[&plain]), Ok(true));
    }
}
