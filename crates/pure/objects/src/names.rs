//! What names, labels and annotations may look like.

use serde_json::Value;

use crate::cause::Cause;
use crate::meta;
use crate::resource::NameRule;

/// The longest subdomain, by RFC 1123.
const SUBDOMAIN_MAX_BYTES: usize = 253;
/// The longest label, by RFC 1123.
const LABEL_MAX_BYTES: usize = 63;
/// All annotations of an object together, keys and values: Kubernetes' own limit.
const ANNOTATIONS_MAX_BYTES: usize = 256 * 1024;

/// Why `name` breaks `rule`; `None` if it is fine.
#[must_use]
pub fn why_no_name(rule: NameRule, name: &str) -> Option<String> {
    match rule {
        NameRule::Subdomain => why_no_subdomain(name),
        NameRule::Label => why_no_label(name),
        NameRule::Label1035 => why_no_label_1035(name),
        NameRule::PathSegment => match name {
            "." | ".." => Some(format!("may not be '{name}'")),
            name => ["/", "%"]
                .into_iter()
                .find(|part| name.contains(part))
                .map(|part| format!("may not contain '{part}'")),
        },
    }
}

fn why_no_subdomain(name: &str) -> Option<String> {
    if SUBDOMAIN_MAX_BYTES < name.len() {
        return Some(format!("must be no more than {SUBDOMAIN_MAX_BYTES} characters"));
    }
    let is_fine = name.split('.').all(|label| {
        !label.is_empty()
            && label.bytes().all(is_lower_or_dash)
            && !label.starts_with('-')
            && !label.ends_with('-')
    });
    (!is_fine).then(|| {
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' \
         or '.', and must start and end with an alphanumeric character (e.g. 'example.com', \
         regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .to_owned()
    })
}

fn why_no_label(name: &str) -> Option<String> {
    if LABEL_MAX_BYTES < name.len() {
        return Some(format!("must be no more than {LABEL_MAX_BYTES} characters"));
    }
    let is_fine = !name.is_empty()
        && name.bytes().all(is_lower_or_dash)
        && !name.starts_with('-')
        && !name.ends_with('-');
    (!is_fine).then(|| {
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
         and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
         regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            .to_owned()
    })
}

fn why_no_label_1035(name: &str) -> Option<String> {
    if LABEL_MAX_BYTES < name.len() {
        return Some(format!("must be no more than {LABEL_MAX_BYTES} characters"));
    }
    let is_fine = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && name.bytes().all(is_lower_or_dash)
        && !name.ends_with('-');
    (!is_fine).then(|| {
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with \
         an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or \
         'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
            .to_owned()
    })
}

fn is_lower_or_dash(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Why this is no label key (`app.kubernetes.io/name`); `None` if it is one.
#[must_use]
pub fn why_no_label_key(key: &str) -> Option<String> {
    let name = match key.split_once('/') {
        None => key,
        Some(("", _)) => return Some("prefix part must be non-empty".to_owned()),
        Some((prefix, name)) => {
            if let Some(why) = why_no_subdomain(prefix) {
                return Some(format!("prefix part {why}"));
            }
            name
        }
    };
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if LABEL_MAX_BYTES < name.len() {
        return Some(format!("name part must be no more than {LABEL_MAX_BYTES} characters"));
    }
    (!is_qualified(name)).then(|| {
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and \
         end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex \
         used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            .to_owned()
    })
}

/// Why this is no label value; `None` if it is one.
#[must_use]
pub fn why_no_label_value(value: &str) -> Option<String> {
    if LABEL_MAX_BYTES < value.len() {
        return Some(format!("must be no more than {LABEL_MAX_BYTES} characters"));
    }
    (!value.is_empty() && !is_qualified(value)).then(|| {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' \
         or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
         'my_value',  or '12345', regex used for validation is \
         '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            .to_owned()
    })
}

fn is_qualified(name: &str) -> bool {
    let is_edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    is_edge(name.bytes().next())
        && is_edge(name.bytes().last())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// What is wrong with the name, the labels, the annotations and the finalizers of an object.
#[must_use]
pub fn check_metadata(rule: NameRule, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = meta::name(object);
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if let Some(why) = why_no_name(rule, name) {
        causes.push(Cause::invalid("metadata.name", &name.into(), &why));
    }
    let map = |field| meta::field(object, field).and_then(Value::as_object).into_iter().flatten();
    for (key, value) in map("labels") {
        if let Some(why) = why_no_label_key(key) {
            causes.push(Cause::invalid("metadata.labels", &key.as_str().into(), &why));
        }
        if let Some(why) = value.as_str().and_then(why_no_label_value) {
            causes.push(Cause::invalid("metadata.labels", value, &why));
        }
    }
    let mut n_bytes = 0;
    for (key, value) in map("annotations") {
        if let Some(why) = why_no_label_key(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &key.as_str().into(), &why));
        }
        n_bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if ANNOTATIONS_MAX_BYTES < n_bytes {
        causes.push(Cause::too_long("metadata.annotations", ANNOTATIONS_MAX_BYTES));
    }
    for finalizer in meta::finalizers(object) {
        if let Some(why) = why_no_label_key(finalizer) {
            causes.push(Cause::invalid("metadata.finalizers", &finalizer.into(), &why));
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_by_rule() {
        use NameRule::{Label, Label1035, PathSegment, Subdomain};
        for (rule, name, is_fine) in [
            (Subdomain, "web", true),
            (Subdomain, "a.b-c.d", true),
            (Subdomain, "Web", false),
            (Subdomain, "a_b", false),
            (Subdomain, "-a", false),
            (Subdomain, "a.", false),
            (Subdomain, "", false),
            (Label, "1a", true),
            (Label, "a.b", false),
            (Label1035, "a1", true),
            (Label1035, "1a", false),
            (PathSegment, "system:node", true),
            (PathSegment, "a/b", false),
            (PathSegment, "..", false),
        ] {
            assert_eq!(why_no_name(rule, name).is_none(), is_fine, "{rule:?} {name}");
        }
        assert!(why_no_name(Label, &"a".repeat(64)).is_some());
        assert!(why_no_name(Subdomain, &"a".repeat(254)).is_some());
    }

    #[test]
    fn labels_and_annotations_are_checked() {
        let object = json!({"metadata": {
            "name": "a",
            "labels": {"app.kubernetes.io/name": "x", "bad key": "y", "ok": "not ok"},
            "annotations": {"Upper.example.com/Ok": "any text, even spaces"},
            "finalizers": ["example.com/f", "no/good/one"],
        }});
        let fields: Vec<String> = check_metadata(NameRule::Subdomain, &object)
            .into_iter()
            .map(|cause| cause.field)
            .collect();
        assert_eq!(fields, ["metadata.labels", "metadata.labels", "metadata.finalizers"]);
    }
}
