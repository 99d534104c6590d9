//! Rules of configuration, roles and webhooks.

use base64::Engine;
use objects::Cause;
use serde_json::Value;

use super::Faults;
use crate::view::{at, list, map, text};

/// Most bytes that a ConfigMap or a Secret may hold.
const MOST_BYTES: usize = 1_048_576;
const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' \
     (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
     '[-._a-zA-Z0-9]+')";

fn is_config_key(key: &str) -> bool {
    (1..=253).contains(&key.len())
        && key != "."
        && !key.starts_with("..")
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A ConfigMap.
pub(crate) fn config_map(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let mut bytes = 0;
    for part in ["data", "binaryData"] {
        for (key, value) in map(object, part) {
            if !is_config_key(key) {
                faults.invalid(&format!("{part}[{key}]"), &key.into(), KEY);
            }
            if part == "binaryData" && at(object, "data").get(key).is_some() {
                faults.invalid(
                    &format!("{part}[{key}]"),
                    &key.into(),
                    "duplicate of key present in data",
                );
            }
            bytes += value.as_str().map_or(0, str::len);
        }
    }
    if bytes > MOST_BYTES {
        faults.add(Cause::too_long("", MOST_BYTES));
    }
    faults.0
}

/// A Secret.
pub(crate) fn secret(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let mut bytes = 0;
    for (key, value) in map(object, "data") {
        let path = format!("data[{key}]");
        if !is_config_key(key) {
            faults.invalid(&path, &key.into(), KEY);
        }
        match base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap_or_default()) {
            Ok(plain) => bytes += plain.len(),
            Err(why) => {
                faults.invalid(&path, &"<hidden>".into(), &format!("must be base64: {why}"));
            }
        }
    }
    if bytes > MOST_BYTES {
        faults.add(Cause::too_long("data", MOST_BYTES));
    }
    let wanted: &[&str] = match text(object, "type") {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        _ => &[],
    };
    for key in wanted {
        if at(object, "data").get(key).is_none() {
            faults.required(&format!("data[{key}]"));
        }
    }
    faults.0
}

/// A RoleBinding or a ClusterRoleBinding.
pub(crate) fn role_binding(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    if text(object, "roleRef.name").is_empty() {
        faults.required("roleRef.name");
    }
    faults.word("roleRef.kind", at(object, "roleRef.kind"), &["Role", "ClusterRole"]);
    for (idx, subject) in list(object, "subjects").iter().enumerate() {
        if text(subject, "name").is_empty() {
            faults.required(&format!("subjects[{idx}].name"));
        }
        let path = format!("subjects[{idx}].kind");
        faults.word(&path, at(subject, "kind"), &["ServiceAccount", "User", "Group"]);
    }
    faults.0
}

/// A MutatingWebhookConfiguration or a ValidatingWebhookConfiguration.
pub(crate) fn webhooks(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let mut names: Vec<&str> = Vec::new();
    for (idx, hook) in list(object, "webhooks").iter().enumerate() {
        let path = format!("webhooks[{idx}]");
        let name = text(hook, "name");
        if name.split('.').count() < 3 || !crate::words::is_subdomain(name) {
            faults.invalid(
                &format!("{path}.name"),
                &name.into(),
                "should be a domain with at least three segments separated by dots",
            );
        }
        if names.contains(&name) {
            faults.add(Cause::duplicate(format!("{path}.name"), &name.into()));
        }
        names.push(name);
        let client = at(hook, "clientConfig");
        if text(client, "url").is_empty() == at(client, "service").is_null() {
            faults.add(Cause::required(
                format!("{path}.clientConfig"),
                "exactly one of url or service is required",
            ));
        }
        if list(hook, "admissionReviewVersions").is_empty() {
            faults.add(Cause::required(
                format!("{path}.admissionReviewVersions"),
                "must specify one of v1, v1beta1",
            ));
        }
        if text(hook, "sideEffects").is_empty() {
            faults.add(Cause::required(
                format!("{path}.sideEffects"),
                "must specify one of None, NoneOnDryRun",
            ));
        }
        faults.word(
            &format!("{path}.sideEffects"),
            at(hook, "sideEffects"),
            &["None", "NoneOnDryRun"],
        );
        faults.word(
            &format!("{path}.failurePolicy"),
            at(hook, "failurePolicy"),
            &["Fail", "Ignore"],
        );
        faults.selector(&format!("{path}.namespaceSelector"), at(hook, "namespaceSelector"));
        faults.selector(&format!("{path}.objectSelector"), at(hook, "objectSelector"));
        if !at(hook, "timeoutSeconds").as_i64().is_none_or(|s| (1..=30).contains(&s)) {
            faults.invalid(
                &format!("{path}.timeoutSeconds"),
                at(hook, "timeoutSeconds"),
                "the timeout value must be between 1 and 30 seconds",
            );
        }
    }
    faults.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_of_configuration_are_file_names() {
        assert!(config_map(&json!({"data": {"a.b-C_1": ""}})).is_empty());
        assert_eq!(config_map(&json!({"data": {"a b": ""}}))[0].field, "data[a b]");
        assert_eq!(config_map(&json!({"data": {"..": ""}})).len(), 1);
        let large = "x".repeat(MOST_BYTES + 1);
        assert_eq!(config_map(&json!({"data": {"a": large}})).len(), 1);
    }

    #[test]
    fn a_tls_secret_holds_both_files() {
        let secret = secret(&json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "YQ=="}}));
        assert_eq!(secret[0].field, "data[tls.key]");
        assert_eq!(super::secret(&json!({"data": {"a": "%"}})).len(), 1);
    }
}
