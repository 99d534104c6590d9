//! What is wrong with one object alone, in Kubernetes' words and with its field paths.
//!
//! Names, labels and annotations of the object itself, and its types, are checked before
//! (room `objects`); here is what a kind's own rules say.
//!
//! Spec: the validation functions of kube-apiserver 1.32 and of Istio.

use objects::Cause;
use objects::names::{why_no_label_key, why_no_label_value};
use serde_json::Value;

use crate::view::{at, list, map, says, text};
use crate::words;

pub(crate) mod change;
pub(crate) mod cluster;
pub(crate) mod istio;
pub(crate) mod pod;
pub(crate) mod service;
pub(crate) mod workload;

/// How a DNS label must look (RFC 1123).
pub(crate) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
     characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  \
     or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// How a DNS subdomain must look (RFC 1123).
pub(crate) const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case \
     alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character \
     (e.g. 'example.com', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const PORT_RANGE: &str = "must be between 1 and 65535, inclusive";
const NOT_NEGATIVE: &str = "must be greater than or equal to 0";

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Cause>);

impl Faults {
    fn add(&mut self, cause: Cause) {
        self.0.push(cause);
    }

    fn invalid(&mut self, path: &str, value: &Value, detail: &str) {
        self.add(Cause::invalid(path, value, detail));
    }

    fn required(&mut self, path: &str) {
        self.add(Cause::required(path, ""));
    }

    /// The word must be one of those that exist; an absent one is somebody else's matter.
    fn word(&mut self, path: &str, value: &Value, known: &[&str]) {
        if says(value) && !known.iter().any(|word| value == word) {
            self.add(Cause::not_supported(path, value, known));
        }
    }

    /// The number must not be below zero.
    fn not_negative(&mut self, path: &str, value: &Value) {
        if value.as_i64().is_some_and(|number| number < 0) {
            self.invalid(path, value, NOT_NEGATIVE);
        }
    }

    /// The number must be that of a port; zero counts as absent.
    fn port(&mut self, path: &str, value: &Value) {
        match value.as_i64() {
            None | Some(0) => self.required(path),
            Some(1..=65_535) => {}
            Some(_) => self.invalid(path, value, PORT_RANGE),
        }
    }

    /// The number or name of a port.
    fn port_or_name(&mut self, path: &str, value: &Value) {
        match value {
            Value::Number(number)
                if !number.as_i64().is_some_and(|number| (1..=65_535).contains(&number)) =>
            {
                self.invalid(path, value, PORT_RANGE);
            }
            Value::String(name) => self.port_name(path, name),
            _ => {}
        }
    }

    fn port_name(&mut self, path: &str, name: &str) {
        if words::is_port_name(name) {
            return;
        }
        let value = Value::from(name);
        let fault = if name.len() > 15 {
            "must be no more than 15 characters"
        } else if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            "must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)"
        } else if !name.bytes().any(|b| b.is_ascii_lowercase()) {
            "must contain at least one letter (a-z)"
        } else if name.contains("--") {
            "must not contain consecutive hyphens"
        } else {
            "must not begin or end with a hyphen"
        };
        self.invalid(path, &value, fault);
    }

    /// A name that must be there and be a DNS label, unlike all in `seen`.
    fn unique_label(&mut self, path: &str, name: &str, seen: &mut Vec<String>) {
        if name.is_empty() {
            return self.required(path);
        }
        if !words::is_label(name) {
            let detail = if name.len() > 63 { "must be no more than 63 bytes" } else { LABEL };
            self.invalid(path, &name.into(), detail);
        }
        if seen.iter().any(|other| other == name) {
            self.add(Cause::duplicate(path, &name.into()));
        }
        seen.push(name.to_owned());
    }

    /// Keys and values of a map of labels.
    fn labels(&mut self, path: &str, labels: &Value) {
        for (key, value) in labels.as_object().into_iter().flatten() {
            if let Some(why) = why_no_label_key(key) {
                self.invalid(path, &key.as_str().into(), &why);
            }
            if let Some(why) = value.as_str().and_then(why_no_label_value) {
                self.invalid(path, value, &why);
            }
        }
    }

    /// A number, or a percentage.
    fn count_or_percent(&mut self, path: &str, value: &Value) {
        match value {
            Value::Number(_) => self.not_negative(path, value),
            Value::String(text) if words::percent(text).is_err() => self.invalid(
                path,
                value,
                "a valid percent string must be a numeric string followed by an ending '%' \
                 (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
            ),
            _ => {}
        }
    }

    /// A label selector.
    fn selector(&mut self, path: &str, selector: &Value) {
        self.labels(&format!("{path}.matchLabels"), at(selector, "matchLabels"));
        for (idx, rule) in list(selector, "matchExpressions").iter().enumerate() {
            let path = format!("{path}.matchExpressions[{idx}]");
            let values = list(rule, "values");
            match text(rule, "operator") {
                "In" | "NotIn" if values.is_empty() => self.add(Cause::required(
                    format!("{path}.values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                )),
                "Exists" | "DoesNotExist" if !values.is_empty() => self.add(Cause::forbidden(
                    format!("{path}.values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                )),
                "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
                _ => self.invalid(
                    &format!("{path}.operator"),
                    at(rule, "operator"),
                    "not a valid selector operator",
                ),
            }
        }
    }
}

/// Whether a label selector selects these labels; one without any rule selects everything.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    map(selector, "matchLabels").all(|(key, value)| labels.get(key) == Some(value))
        && list(selector, "matchExpressions").iter().all(|rule| {
            let found = labels.get(text(rule, "key"));
            let among = || list(rule, "values").iter().any(|value| Some(value) == found);
            match text(rule, "operator") {
                "In" => among(),
                "NotIn" => !among(),
                "Exists" => found.is_some(),
                _ => found.is_none(),
            }
        })
}
