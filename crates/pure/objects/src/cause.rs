//! Why one field of an object is refused: the entries of `details.causes`.

use serde_json::Value;

/// What is wrong with a field, in Kubernetes' words.
///
/// Spec: `metav1.CauseType` and `field.ErrorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CauseReason {
    /// The field must have a value.
    FieldValueRequired,
    /// The value is malformed or out of range.
    FieldValueInvalid,
    /// The value is not one of the allowed ones.
    FieldValueNotSupported,
    /// The value is there twice.
    FieldValueDuplicate,
    /// The value may not be given here.
    FieldValueForbidden,
    /// The value has too many bytes.
    FieldValueTooLong,
    /// The list has too many entries.
    FieldValueTooMany,
    /// The value has the wrong JSON type.
    FieldValueTypeInvalid,
    /// The value names something that does not exist.
    FieldValueNotFound,
    /// A part of the server gave an answer that fits no other reason.
    UnexpectedServerResponse,
    /// Another field manager owns the field.
    FieldManagerConflict,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The exit code of a command, as `exec` reports it.
    ExitCode,
}

impl CauseReason {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FieldValueRequired => "FieldValueRequired",
            Self::FieldValueInvalid => "FieldValueInvalid",
            Self::FieldValueNotSupported => "FieldValueNotSupported",
            Self::FieldValueDuplicate => "FieldValueDuplicate",
            Self::FieldValueForbidden => "FieldValueForbidden",
            Self::FieldValueTooLong => "FieldValueTooLong",
            Self::FieldValueTooMany => "FieldValueTooMany",
            Self::FieldValueTypeInvalid => "FieldValueTypeInvalid",
            Self::FieldValueNotFound => "FieldValueNotFound",
            Self::UnexpectedServerResponse => "UnexpectedServerResponse",
            Self::FieldManagerConflict => "FieldManagerConflict",
            Self::NamespaceTerminating => "NamespaceTerminating",
            Self::ExitCode => "ExitCode",
        }
    }
}

/// One entry of `details.causes`: a field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What sort of fault it is.
    pub reason: CauseReason,
    /// The sentence for people, without the field: `Invalid value: "x": must be ...`.
    pub message: String,
    /// The path of the field: `spec.containers[0].name`.
    pub field: String,
}

impl Cause {
    /// The field must have a value; `detail` may be empty.
    #[must_use]
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = match detail {
            "" => "Required value".to_owned(),
            detail => format!("Required value: {detail}"),
        };
        Self { reason: CauseReason::FieldValueRequired, message, field: field.into() }
    }

    /// The value is malformed or out of range.
    #[must_use]
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        let message = format!("Invalid value: {}: {detail}", shown(value));
        Self { reason: CauseReason::FieldValueInvalid, message, field: field.into() }
    }

    /// The value has the wrong JSON type.
    #[must_use]
    pub fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        let message = format!("Invalid value: {}: {detail}", shown(value));
        Self { reason: CauseReason::FieldValueTypeInvalid, message, field: field.into() }
    }

    /// The value is not one of `supported`, which are named in this order.
    #[must_use]
    pub fn not_supported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let mut message = format!("Unsupported value: {}", shown(value));
        for (idx, word) in supported.iter().enumerate() {
            message.push_str(if idx == 0 { ": supported values: " } else { ", " });
            message.push_str(&format!("{word:?}"));
        }
        Self { reason: CauseReason::FieldValueNotSupported, message, field: field.into() }
    }

    /// The value is there twice.
    #[must_use]
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Duplicate value: {}", shown(value));
        Self { reason: CauseReason::FieldValueDuplicate, message, field: field.into() }
    }

    /// The field may not be given, or not changed.
    #[must_use]
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        let message = format!("Forbidden: {detail}");
        Self { reason: CauseReason::FieldValueForbidden, message, field: field.into() }
    }

    /// The value has more than `max_bytes` bytes.
    #[must_use]
    pub fn too_long(field: impl Into<String>, max_bytes: usize) -> Self {
        let message = format!("Too long: may not be more than {max_bytes} bytes");
        Self { reason: CauseReason::FieldValueTooLong, message, field: field.into() }
    }

    /// The value names something that does not exist.
    #[must_use]
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        let message = format!("Not found: {}", shown(value));
        Self { reason: CauseReason::FieldValueNotFound, message, field: field.into() }
    }

    /// The JSON form inside a Status.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut map = serde_json::Map::new();
        map.insert("reason".into(), self.reason.as_str().into());
        map.insert("message".into(), self.message.as_str().into());
        if !self.field.is_empty() {
            map.insert("field".into(), self.field.as_str().into());
        }
        Value::Object(map)
    }
}

/// Strings in quotes, everything else as JSON: how Kubernetes shows a bad value.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
