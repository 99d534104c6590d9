//! Field selectors: equality of the few fields that a resource makes selectable.

use serde_json::Value;

use crate::meta;
use crate::resource::Resource;
use crate::status::Status;

/// Which fields an object must have. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    field: String,
    value: String,
    is_equal: bool,
}

impl FieldSelector {
    /// Reads `metadata.name=web,status.phase!=Running`; `\,`, `\=` and `\\` stand for themselves.
    ///
    /// # Errors
    /// 400 for bad syntax, and for a field that the resource does not know.
    ///
    /// Spec: `fields.ParseSelector`.
    pub fn parse(resource: &Resource, text: &str) -> Result<Self, Status> {
        let mut terms = Vec::new();
        for part in split(text).into_iter().filter(|part| !part.is_empty()) {
            let Some(term) = term(&part) else {
                return Err(Status::bad_request(format!(
                    "invalid selector: '{part}'; can't understand '{part}'"
                )));
            };
            if field_of(resource, &Value::Null, &term.field).is_none() {
                return Err(Status::bad_request(format!(
                    "field label not supported: {}",
                    term.field
                )));
            }
            terms.push(term);
        }
        Ok(Self { terms })
    }

    /// Selects the one object of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let term =
            Term { field: "metadata.name".to_owned(), value: name.to_owned(), is_equal: true };
        Self { terms: vec![term] }
    }

    /// Only objects of this name match from now on.
    pub fn narrow_to_name(&mut self, name: &str) {
        self.terms.extend(Self::of_name(name).terms);
    }

    /// Whether everything matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The name that every matching object has, if the selector says one.
    #[must_use]
    pub fn exact_name(&self) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.is_equal && term.field == "metadata.name")
            .map(|term| term.value.as_str())
    }

    /// Whether an object of this resource matches.
    #[must_use]
    pub fn matches(&self, resource: &Resource, object: &Value) -> bool {
        self.terms.iter().all(|term| {
            let value = match term.field.as_str() {
                "metadata.name" => return (meta::name(object) == term.value) == term.is_equal,
                "metadata.namespace" => {
                    return (meta::namespace(object) == term.value) == term.is_equal;
                }
                field => (resource.selectable)(object, field).unwrap_or_default(),
            };
            (value == term.value) == term.is_equal
        })
    }
}

fn field_of(resource: &Resource, object: &Value, field: &str) -> Option<String> {
    match field {
        "metadata.name" => Some(meta::name(object).to_owned()),
        "metadata.namespace" if resource.namespaced => Some(meta::namespace(object).to_owned()),
        field => (resource.selectable)(object, field),
    }
}

/// Splits at commas that no backslash protects; the backslashes stay.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_protected = false;
    for c in text.chars() {
        if c == ',' && !is_protected {
            parts.push(String::new());
            continue;
        }
        is_protected = c == '\\' && !is_protected;
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

fn term(part: &str) -> Option<Term> {
    let start = part
        .char_indices()
        .find(|(at, c)| *c == '=' && !part[..*at].ends_with('\\') || part[*at..].starts_with("!="))?
        .0;
    let (field, rest) = part.split_at(start);
    let (is_equal, value) = match rest.strip_prefix("!=") {
        Some(value) => (false, value),
        None => (true, rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?),
    };
    let field = field.trim().to_owned();
    (!field.is_empty()).then_some(Term { field, value: unescaped(value)?, is_equal })
}

/// Removes the backslashes; `None` if one protects nothing, or an `=` is not protected.
fn unescaped(value: &str) -> Option<String> {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(|c| matches!(c, '\\' | ',' | '='))?),
            '=' => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PODS: Resource = Resource {
        kind: "Pod",
        plural: "pods",
        selectable: |object, field| {
            let found = match field {
                "spec.nodeName" => &object["spec"]["nodeName"],
                "status.phase" => &object["status"]["phase"],
                _ => return None,
            };
            Some(found.as_str().unwrap_or("").to_owned())
        },
        ..Resource::BLANK
    };

    #[test]
    fn terms_are_joined_by_and() {
        let pod = json!({
            "metadata": {"name": "a", "namespace": "ns"},
            "spec": {"nodeName": "n1"}, "status": {"phase": "Running"},
        });
        for (text, expected) in [
            ("", true),
            ("metadata.name=a", true),
            ("metadata.name==a", true),
            ("metadata.name=b", false),
            ("metadata.name!=b", true),
            ("metadata.namespace=ns,spec.nodeName=n1", true),
            ("spec.nodeName=n1,status.phase!=Running", false),
            ("status.phase!=Failed,status.phase!=Succeeded", true),
            ("spec.nodeName=", false),
            ("metadata.name=a\\,b", false),
        ] {
            let selector = FieldSelector::parse(&PODS, text).unwrap();
            assert_eq!(selector.matches(&PODS, &pod), expected, "{text}");
        }
    }

    #[test]
    fn unknown_fields_and_bad_syntax_are_refused() {
        for (text, message) in [
            ("spec.foo=1", "field label not supported: spec.foo"),
            (
                "metadata.name",
                "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
            ),
            ("=a", "invalid selector: '=a'; can't understand '=a'"),
        ] {
            let status = FieldSelector::parse(&PODS, text).unwrap_err();
            assert_eq!((status.code, status.message.as_str()), (400, message));
        }
    }

    #[test]
    fn an_exact_name_is_told() {
        let selector = FieldSelector::parse(&PODS, "status.phase=x,metadata.name=web").unwrap();
        assert_eq!(selector.exact_name(), Some("web"));
        let selector = FieldSelector::parse(&PODS, "metadata.name!=web").unwrap();
        assert_eq!(selector.exact_name(), None);
    }
}
