//! From what a client sent to an object in the stored version.

use serde_json::{Map, Value};

use crate::cause::Cause;
use crate::op::{Body, FieldValidation, Op};
use crate::resource::Resource;
use crate::schema::Schema;
use crate::status::Status;
use crate::{document, meta};

/// Checks kind and fields of a body, and brings it into the stored version.
///
/// `patch` is the patch that led to the body, if one did: faults are then worded about it.
pub(super) fn decode(
    schema: &Schema,
    op: &Op,
    body: Body,
    patch: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let Body { mut value, duplicates } = body;
    let resource = op.target.resource;
    check_kind(resource, op.target.version, &value)?;
    let unknown = schema.prune(&mut value);
    let faults: Vec<String> = unknown
        .iter()
        .map(|path| format!("unknown field {path:?}"))
        .chain(duplicates.iter().map(|path| format!("duplicate field {path:?}")))
        .collect();
    match op.validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => warnings.extend(faults),
        FieldValidation::Strict if faults.is_empty() => {}
        FieldValidation::Strict => {
            let why = format!("strict decoding error: {}", faults.join(", "));
            return Err(match patch {
                None => cannot_be_handled(resource, op.target.version, resource.kind, &why),
                Some(patch) => {
                    let patch = patch.to_string().into();
                    Status::invalid_request(vec![Cause::invalid("patch", &patch, &why)])
                }
            });
        }
    }
    // Custom resources are validated later, with a cause for each field.
    if resource.strategic
        && let Some(why) = schema.decode_error(resource.kind, &value)
    {
        return Err(cannot_be_handled(resource, op.target.version, resource.kind, &why));
    }
    Ok(normalized(resource, value))
}

fn check_kind(resource: &Resource, version: &str, body: &Value) -> Result<(), Status> {
    let Some(fields) = body.as_object() else {
        let why = format!("json: cannot unmarshal {} into an object", type_word(body));
        return Err(cannot_be_handled(resource, version, resource.kind, &why));
    };
    let word = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or("");
    let (found, expected) = (word("apiVersion"), resource.api_version(version));
    if !found.is_empty() && found != expected {
        return Err(Status::bad_request(format!(
            "the API version in the data ({found}) does not match the expected API version \
             ({expected})"
        )));
    }
    match word("kind") {
        "" => Ok(()),
        kind if kind == resource.kind => Ok(()),
        kind => {
            let why = format!("this path takes objects of kind {}", resource.kind);
            Err(cannot_be_handled(resource, version, kind, &why))
        }
    }
}

fn cannot_be_handled(resource: &Resource, version: &str, kind: &str, why: &str) -> Status {
    Status::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {}: {why}",
        resource.kind
    ))
}

fn type_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The stored version, the fields that every object has first, and no empty or foreign metadata.
pub(super) fn normalized(resource: &Resource, value: Value) -> Value {
    let Value::Object(mut fields) = value else { return value };
    let mut object = Map::with_capacity(fields.len() + 3);
    let api_version = resource.api_version(resource.storage_version());
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), resource.kind.into());
    let metadata = fields.shift_remove("metadata").filter(Value::is_object);
    object.insert("metadata".to_owned(), metadata.unwrap_or_else(|| Map::new().into()));
    object.extend(fields.into_iter().filter(|(name, _)| name != "apiVersion" && name != "kind"));
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        // Who manages which field is not tracked; the rest is what Go's omitempty leaves out.
        metadata.retain(|name, value| match name.as_str() {
            "managedFields" | "selfLink" => false,
            "labels" | "annotations" => value.as_object().is_none_or(|map| !map.is_empty()),
            "finalizers" | "ownerReferences" => {
                value.as_array().is_none_or(|list| !list.is_empty())
            }
            "generateName" | "resourceVersion" | "uid" => value != "",
            _ => !value.is_null(),
        });
    }
    Value::Object(object)
}

/// Checks that a body and the path that it was sent to mean the same object.
pub(super) fn check_place(op: &Op, object: &mut Value) -> Result<(), Status> {
    let target = &op.target;
    if !target.resource.namespaced {
        meta::set(object, "namespace", None);
    } else if target.namespace.is_empty() {
        return Err(Status::bad_request("an empty namespace may not be set during creation"));
    } else {
        match meta::namespace(object) {
            "" => meta::set(object, "namespace", Some(target.namespace.as_str().into())),
            found if found == target.namespace => {}
            _ => {
                return Err(Status::bad_request(
                    "the namespace of the provided object does not match the namespace sent on \
                     the request",
                ));
            }
        }
    }
    if target.name.is_empty() {
        return Ok(());
    }
    match meta::name(object) {
        "" => meta::set(object, "name", Some(target.name.as_str().into())),
        found if found == target.name => {}
        found => {
            return Err(Status::bad_request(format!(
                "the name of the object ({found}) does not match the name on the URL ({})",
                target.name
            )));
        }
    }
    Ok(())
}

/// A stored object as the target's version sees it, to be patched.
pub(super) fn at_target(op: &Op, object: &std::sync::Arc<Value>) -> Value {
    let target = &op.target;
    Value::clone(&document::at_version(target.resource, target.version, object))
}
