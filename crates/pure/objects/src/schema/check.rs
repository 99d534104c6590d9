//! Validation of a value against a schema.

use serde_json::Value;

use crate::cause::{Cause, CauseReason};
use crate::schema::{Format, Node, Type};

pub(super) fn check(root: &Node, object: &Value) -> Vec<Cause> {
    let mut walk = Walk::default();
    walk.value(root, object);
    walk.causes
}

pub(super) fn decode_error(root: &Node, kind: &str, object: &Value) -> Option<String> {
    let mut walk = Walk { wants_decode_error: true, ..Walk::default() };
    walk.value(root, object);
    let error = walk.decode_error?;
    Some(match error.wanted {
        Wanted::Base64 { bad_byte } => format!("illegal base64 data at input byte {bad_byte}"),
        Wanted::Type(go_type) => format!(
            "json: cannot unmarshal {} into Go struct field {}.{} of type {go_type}",
            error.found,
            go_struct(kind, &error.fields),
            error.fields.join("."),
        ),
    })
}

/// A value that the schema's type cannot hold.
struct DecodeError {
    fields: Vec<String>,
    found: String,
    wanted: Wanted,
}

enum Wanted {
    Type(String),
    Base64 { bad_byte: usize },
}

#[derive(Default)]
struct Walk {
    path: String,
    causes: Vec<Cause>,
    /// Stop at the first wrong type, and look at nothing else.
    wants_decode_error: bool,
    decode_error: Option<DecodeError>,
}

impl Walk {
    fn value(&mut self, node: &Node, value: &Value) {
        if self.decode_error.is_some() || (value.is_null() && node.may_be_null()) {
            return;
        }
        if !self.has_type(node, value) {
            return;
        }
        if !self.wants_decode_error {
            self.limits(node, value);
        }
        for part in &node.all_of {
            self.value(part, value);
        }
        if !self.wants_decode_error {
            self.alternatives(node, value);
        }
        match value {
            Value::Object(fields) => self.object(node, fields),
            Value::Array(items) => {
                let Some(node) = &node.items else { return };
                let length = self.path.len();
                for (idx, item) in items.iter().enumerate() {
                    self.path.push_str(&format!("[{idx}]"));
                    self.value(node, item);
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, node: &Node, fields: &serde_json::Map<String, Value>) {
        let length = self.path.len();
        if !self.wants_decode_error {
            for field in node.required.iter().filter(|field| !fields.contains_key(*field)) {
                self.enter(field);
                self.causes.push(Cause::required(self.path.clone(), ""));
                self.path.truncate(length);
            }
        }
        for (field, value) in fields {
            let node = match &node.rest {
                _ if node.properties.contains_key(field) => &node.properties[field],
                crate::schema::Rest::Each(node) => node,
                _ => continue,
            };
            self.enter(field);
            self.value(node, value);
            self.path.truncate(length);
        }
    }

    fn enter(&mut self, field: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(field);
    }

    /// Whether the JSON type fits; tells if not.
    fn has_type(&mut self, node: &Node, value: &Value) -> bool {
        let found = type_of(value);
        let fits = |wanted: &Type| match (wanted, found) {
            (Type::Number, Type::Integer) => true,
            (Type::Integer, Type::Integer) => {
                node.format != Format::Int32
                    || value.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
            }
            (wanted, found) => *wanted == found,
        };
        let is_fine = if node.is_int_or_string {
            matches!(found, Type::Integer | Type::Number | Type::String)
        } else {
            node.types.is_empty() || node.types.iter().any(fits)
        };
        if is_fine {
            if node.format == Format::Byte
                && let Some(bad_byte) = value.as_str().and_then(bad_base64)
            {
                let detail = format!("illegal base64 data at input byte {bad_byte}");
                self.wrong(value, Wanted::Base64 { bad_byte }, &detail);
                return false;
            }
            return true;
        }
        let wanted = if node.is_int_or_string {
            "integer,string".to_owned()
        } else {
            let words: Vec<&str> = node.types.iter().map(|kind| kind.as_str()).collect();
            words.join(",")
        };
        let detail =
            format!("{} in body must be of type {wanted}: {:?}", self.path, found.as_str());
        let last = self.fields().pop().unwrap_or_default();
        self.wrong(value, Wanted::Type(go_type(node, &last)), &detail);
        false
    }

    fn wrong(&mut self, value: &Value, wanted: Wanted, detail: &str) {
        if self.wants_decode_error {
            let found = match value {
                Value::Bool(_) => "bool".to_owned(),
                // Go shows the number only where it has the right type but does not fit.
                Value::Number(number) if matches!(&wanted, Wanted::Type(go) if go == "int32" || go == "int64") =>
                {
                    format!("number {number}")
                }
                Value::Number(_) => "number".to_owned(),
                other => type_of(other).as_str().to_owned(),
            };
            self.decode_error = Some(DecodeError { fields: self.fields(), found, wanted });
            return;
        }
        let shown = match value {
            Value::String(_) if matches!(wanted, Wanted::Base64 { .. }) => value.clone(),
            other => type_of(other).as_str().into(),
        };
        self.causes.push(Cause::type_invalid(self.path.clone(), &shown, detail));
    }

    /// The path without indexes.
    fn fields(&self) -> Vec<String> {
        self.path
            .split('.')
            .map(|field| field.split_once('[').map_or(field, |(field, _)| field).to_owned())
            .collect()
    }

    fn limits(&mut self, node: &Node, value: &Value) {
        if !node.choices.is_empty() && !node.choices.contains(value) {
            let words: Vec<String> = node
                .choices
                .iter()
                .map(|choice| choice.as_str().map_or_else(|| choice.to_string(), str::to_owned))
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.causes.push(Cause::not_supported(self.path.clone(), value, &words));
        }
        let below = |count: usize, min: Option<u64>| {
            min.filter(|min| u64::try_from(count).is_ok_and(|count| count < *min))
        };
        let above = |count: usize, max: Option<u64>| {
            max.filter(|max| u64::try_from(count).is_ok_and(|count| *max < count))
        };
        let bounds = &node.bounds;
        match value {
            Value::String(text) => {
                if let Some(pattern) = &node.pattern
                    && !pattern.is_match(text)
                {
                    self.invalid(value, &format!("should match '{pattern}'"));
                }
                let n_chars = text.chars().count();
                if let Some(min) = below(n_chars, bounds.min_length) {
                    self.invalid(value, &format!("should be at least {min} chars long"));
                }
                if let Some(max) = above(n_chars, bounds.max_length) {
                    self.causes.push(Cause {
                        reason: CauseReason::FieldValueTooLong,
                        message: format!("Too long: may not be more than {max} bytes"),
                        field: self.path.clone(),
                    });
                }
            }
            Value::Number(number) => {
                let Some(number) = number.as_f64() else { return };
                if let Some(min) = bounds.min
                    && (number < min || (bounds.is_min_exclusive && number <= min))
                {
                    let or_equal = if bounds.is_min_exclusive { "" } else { " or equal to" };
                    self.invalid(value, &format!("should be greater than{or_equal} {min}"));
                }
                if let Some(max) = bounds.max
                    && (max < number || (bounds.is_max_exclusive && max <= number))
                {
                    let or_equal = if bounds.is_max_exclusive { "" } else { " or equal to" };
                    self.invalid(value, &format!("should be less than{or_equal} {max}"));
                }
            }
            Value::Array(items) => {
                if let Some(min) = below(items.len(), bounds.min_items) {
                    self.invalid(&items.len().into(), &format!("should have at least {min} items"));
                }
                if let Some(max) = above(items.len(), bounds.max_items) {
                    self.causes.push(Cause {
                        reason: CauseReason::FieldValueTooMany,
                        message: format!(
                            "Too many: {}: must have at most {max} items",
                            items.len()
                        ),
                        field: self.path.clone(),
                    });
                }
            }
            Value::Object(fields) => {
                if let Some(min) = below(fields.len(), bounds.min_properties) {
                    self.invalid(
                        &fields.len().into(),
                        &format!("should have at least {min} properties"),
                    );
                }
                if let Some(max) = above(fields.len(), bounds.max_properties) {
                    self.invalid(
                        &fields.len().into(),
                        &format!("should have at most {max} properties"),
                    );
                }
            }
            _ => {}
        }
    }

    fn invalid(&mut self, value: &Value, rule: &str) {
        let detail = format!("{} in body {rule}", self.path);
        self.causes.push(Cause::invalid(self.path.clone(), value, &detail));
    }

    fn alternatives(&mut self, node: &Node, value: &Value) {
        let fits = |node: &Node| check(node, value).is_empty();
        if !node.any_of.is_empty() && !node.any_of.iter().any(fits) {
            // Of a value or null, the value is meant: its own faults say more.
            match node.any_of.as_slice() {
                [only, null] if null.types == [Type::Null] => {
                    self.value(only, value);
                }
                _ => self.invalid(value, "must validate at least one schema (anyOf)"),
            }
        }
        if !node.one_of.is_empty() {
            let n_fitting = node.one_of.iter().filter(|node| fits(node)).count();
            if n_fitting != 1 {
                let found = if n_fitting == 0 { "none" } else { "more than one" };
                self.invalid(
                    value,
                    &format!("must validate one and only one schema (oneOf). Found {found} valid"),
                );
            }
        }
        if node.not.as_deref().is_some_and(fits) {
            self.invalid(value, "must not validate the schema (not)");
        }
    }
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Boolean,
        Value::Number(number) => {
            // 3.0 is no integer: what reads the object into a typed struct would choke on it.
            if number.is_f64() { Type::Number } else { Type::Integer }
        }
        Value::String(_) => Type::String,
        Value::Array(_) => Type::Array,
        Value::Object(_) => Type::Object,
    }
}

/// The first byte that is wrong in base64 (RFC 4648, with padding); `None` if all are right.
fn bad_base64(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let n_padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    let content = &bytes[..bytes.len() - n_padding];
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'+' || *byte == b'/';
    // Go skips line ends.
    let bad = content.iter().position(|byte| !is_digit(byte) && *byte != b'\n' && *byte != b'\r');
    if bad.is_some() {
        return bad;
    }
    let n_digits = content.iter().filter(|byte| is_digit(byte)).count();
    let is_full = (n_digits + n_padding).is_multiple_of(4) && n_padding <= 2;
    (!is_full).then_some(content.len())
}

/// The Go type that Kubernetes has where the schema has this node, as far as a schema can tell.
fn go_type(node: &Node, field: &str) -> String {
    if node.is_int_or_string {
        return "intstr.IntOrString".to_owned();
    }
    let noun = capitalized(field);
    match (node.types.iter().find(|kind| **kind != Type::Null), node.format) {
        (Some(Type::Integer), Format::Int32) => "int32".to_owned(),
        (Some(Type::Integer), _) => "int64".to_owned(),
        (Some(Type::Number), _) => "float64".to_owned(),
        (Some(Type::Boolean), _) => "bool".to_owned(),
        (Some(Type::String), Format::Byte) => "[]uint8".to_owned(),
        (Some(Type::String), _) => "string".to_owned(),
        (Some(Type::Array), _) => {
            let singular = field.strip_suffix('s').unwrap_or(field);
            let items = node.items.as_deref();
            format!("[]{}", items.map_or_else(|| noun.clone(), |items| go_type(items, singular)))
        }
        _ => match &node.rest {
            crate::schema::Rest::Each(each) => format!("map[string]{}", go_type(each, field)),
            _ => format!("v1.{noun}"),
        },
    }
}

/// The Go struct that holds the last field: named after the kind at the top, and after the field
/// above it further down.
fn go_struct(kind: &str, fields: &[String]) -> String {
    match fields {
        [] | [_] => kind.to_owned(),
        [above, _] => format!("{kind}{}", capitalized(above)),
        [.., above, _] => capitalized(above.strip_suffix('s').unwrap_or(above)),
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}
