//! Schemas: which fields an object may have, and of which types.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::cause::Cause;

mod check;
mod prune;
#[cfg(test)]
mod tests;

/// A compiled OpenAPI v3 schema of one kind.
///
/// Understood: `type`, `properties`, `additionalProperties`, `items`, `required`, `enum`,
/// `pattern`, bounds and lengths, `nullable`, `allOf`, `anyOf`, `oneOf`, `not`, the formats
/// `int32` and `byte`, `x-kubernetes-int-or-string`, `x-kubernetes-preserve-unknown-fields`.
#[derive(Debug)]
pub struct Schema {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// Allowed JSON types; empty allows all.
    types: Vec<Type>,
    is_nullable: bool,
    is_int_or_string: bool,
    format: Format,
    properties: BTreeMap<String, Node>,
    rest: Rest,
    items: Option<Box<Node>>,
    required: Vec<String>,
    choices: Vec<Value>,
    pattern: Option<Regex>,
    bounds: Bounds,
    all_of: Vec<Node>,
    any_of: Vec<Node>,
    one_of: Vec<Node>,
    not: Option<Box<Node>>,
}

/// What holds for the fields that `properties` does not name.
#[derive(Debug, Default)]
enum Rest {
    /// Nothing is said: they are unknown if any field is named, else everything is allowed.
    #[default]
    Unsaid,
    Open,
    Closed,
    Each(Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Array,
    Boolean,
    Integer,
    Null,
    Number,
    Object,
    String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    #[default]
    None,
    Byte,
    Int32,
}

#[derive(Debug, Default)]
struct Bounds {
    min: Option<f64>,
    max: Option<f64>,
    is_min_exclusive: bool,
    is_max_exclusive: bool,
    min_length: Option<u64>,
    max_length: Option<u64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
}

impl Schema {
    /// Compiles a schema. `apiVersion`, `kind` and `metadata` are always known, whatever it says.
    #[must_use]
    pub fn compile(schema: &Value) -> Self {
        let mut root = Node::compile(schema);
        let known = Node::compile(&json!({"properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": object_meta(),
        }}));
        // With nothing said and no field named, naming these three must not close the object.
        if matches!(root.rest, Rest::Unsaid) && !root.names_fields() {
            root.rest = Rest::Open;
        }
        root.properties.extend(known.properties);
        // Identity is the store's business, which words its refusals better.
        root.required.retain(|field| !["apiVersion", "kind", "metadata"].contains(&field.as_str()));
        Self { root }
    }

    /// Removes the fields that the schema does not know, and returns their paths in order of the
    /// document. Null fields are removed too, unless they may be null: they mean "not given".
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        prune::prune(&self.root, object)
    }

    /// What breaks the schema: types, required fields, enumerations, patterns, bounds.
    #[must_use]
    pub fn check(&self, object: &Value) -> Vec<Cause> {
        check::check(&self.root, object)
    }

    /// The first field of a wrong type, as Kubernetes words it for its built-in kinds.
    #[must_use]
    pub fn decode_error(&self, kind: &str, object: &Value) -> Option<String> {
        check::decode_error(&self.root, kind, object)
    }
}

impl Node {
    fn compile(schema: &Value) -> Self {
        let number = |field: &str| schema.get(field).and_then(Value::as_f64);
        let count = |field: &str| schema.get(field).and_then(Value::as_u64);
        let flag = |field: &str| schema.get(field) == Some(&Value::Bool(true));
        let nodes =
            |field: &str| -> Vec<Self> { list(schema, field).iter().map(Self::compile).collect() };
        let types: Vec<Type> = match schema.get("type") {
            Some(Value::Array(words)) => words.iter().filter_map(Type::of_word).collect(),
            Some(word) => Type::of_word(word).into_iter().collect(),
            None => Vec::new(),
        };
        let is_nullable = flag("nullable") || types.contains(&Type::Null);
        let properties = schema.get("properties").and_then(Value::as_object);
        Self {
            types,
            is_nullable,
            is_int_or_string: flag("x-kubernetes-int-or-string"),
            format: match schema.get("format").and_then(Value::as_str) {
                Some("byte") => Format::Byte,
                Some("int32") => Format::Int32,
                _ => Format::None,
            },
            properties: properties
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), Self::compile(schema)))
                .collect(),
            rest: if flag("x-kubernetes-preserve-unknown-fields") {
                Rest::Open
            } else {
                match schema.get("additionalProperties") {
                    None => Rest::Unsaid,
                    Some(Value::Bool(false)) => Rest::Closed,
                    Some(schema @ Value::Object(fields)) if !fields.is_empty() => {
                        Rest::Each(Box::new(Self::compile(schema)))
                    }
                    Some(_) => Rest::Open,
                }
            },
            items: schema.get("items").map(|items| Box::new(Self::compile(items))),
            required: list(schema, "required")
                .iter()
                .filter_map(|field| field.as_str().map(str::to_owned))
                .collect(),
            choices: match schema.get("const") {
                Some(only) => vec![only.clone()],
                None => list(schema, "enum").to_vec(),
            },
            // A pattern that this engine cannot read is left out rather than refuse every value.
            pattern: schema
                .get("pattern")
                .and_then(Value::as_str)
                .and_then(|pattern| Regex::new(pattern).ok()),
            bounds: Bounds {
                min: number("minimum").or_else(|| number("exclusiveMinimum")),
                max: number("maximum").or_else(|| number("exclusiveMaximum")),
                is_min_exclusive: flag("exclusiveMinimum") || number("exclusiveMinimum").is_some(),
                is_max_exclusive: flag("exclusiveMaximum") || number("exclusiveMaximum").is_some(),
                min_length: count("minLength"),
                max_length: count("maxLength"),
                min_items: count("minItems"),
                max_items: count("maxItems"),
                min_properties: count("minProperties"),
                max_properties: count("maxProperties"),
            },
            all_of: nodes("allOf"),
            any_of: nodes("anyOf"),
            one_of: nodes("oneOf"),
            not: schema.get("not").map(|not| Box::new(Self::compile(not))),
        }
    }

    /// The alternatives and parts of this node, which may name fields too.
    fn branches(&self) -> impl Iterator<Item = &Self> {
        self.all_of.iter().chain(&self.any_of).chain(&self.one_of)
    }

    fn names_fields(&self) -> bool {
        !self.properties.is_empty() || self.branches().any(Self::names_fields)
    }

    /// The schema of a field: `Err` if the field is unknown, `Ok(None)` if anything goes.
    fn field(&self, name: &str) -> Result<Option<&Self>, ()> {
        if let Some(node) = self.named(name) {
            return Ok(Some(node));
        }
        match self.rest() {
            Rest::Each(node) => Ok(Some(node)),
            Rest::Open => Ok(None),
            Rest::Closed => Err(()),
            Rest::Unsaid if self.names_fields() => Err(()),
            Rest::Unsaid => Ok(None),
        }
    }

    fn named(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or_else(|| self.branches().find_map(|branch| branch.named(name)))
    }

    fn rest(&self) -> &Rest {
        match self.rest {
            Rest::Unsaid => self
                .branches()
                .map(Self::rest)
                .find(|rest| !matches!(rest, Rest::Unsaid))
                .unwrap_or(&self.rest),
            _ => &self.rest,
        }
    }

    /// The schema of the entries of a list.
    fn items(&self) -> Option<&Self> {
        match &self.items {
            Some(items) => Some(items),
            None => self.branches().find_map(Self::items),
        }
    }

    fn may_be_null(&self) -> bool {
        self.is_nullable || self.branches().any(Self::may_be_null)
    }
}

impl Type {
    fn of_word(word: &Value) -> Option<Self> {
        match word.as_str()? {
            "array" => Some(Self::Array),
            "boolean" => Some(Self::Boolean),
            "integer" => Some(Self::Integer),
            "null" => Some(Self::Null),
            "number" => Some(Self::Number),
            "object" => Some(Self::Object),
            "string" => Some(Self::String),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Null => "null",
            Self::Number => "number",
            Self::Object => "object",
            Self::String => "string",
        }
    }
}

fn list<'a>(schema: &'a Value, field: &str) -> &'a [Value] {
    schema.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The schema of `metadata`, which is the same for all kinds.
///
/// Spec: `metav1.ObjectMeta`.
#[must_use]
pub fn object_meta() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let time = |description: &str| json!({"type": "string", "format": "date-time", "description": description});
    let texts = |description: &str| {
        json!({
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": description,
        })
    };
    let mut fields = Map::new();
    for (name, schema) in [
        ("annotations", texts("Free texts of tools and people; selectors do not see them.")),
        ("creationTimestamp", time("When the object was created. Set by the server.")),
        (
            "deletionGracePeriodSeconds",
            json!({
                "type": "integer", "format": "int64",
                "description": "Seconds the object may take to end. Set by the server.",
            }),
        ),
        ("deletionTimestamp", time("When the object is to be gone. Set by the server.")),
        (
            "finalizers",
            json!({
                "type": "array", "items": {"type": "string"},
                "description": "The object stays, being deleted, until this list is empty.",
            }),
        ),
        ("generateName", text("Prefix from which the server makes a name if there is none.")),
        (
            "generation",
            json!({
                "type": "integer", "format": "int64",
                "description": "Counts changes of the specification. Set by the server.",
            }),
        ),
        ("labels", texts("Texts by which selectors find objects.")),
        (
            "managedFields",
            json!({
                "type": "array",
                "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "description": "Which manager owns which field.",
            }),
        ),
        ("name", text("Unique among objects of the kind in the namespace; cannot change.")),
        ("namespace", text("The namespace; empty for objects that live in none.")),
        (
            "ownerReferences",
            json!({
                "type": "array",
                "description": "The objects without which this one has no reason to be.",
                "items": {
                    "type": "object",
                    "required": ["apiVersion", "kind", "name", "uid"],
                    "properties": {
                        "apiVersion": text("API version of the owner."),
                        "blockOwnerDeletion": {"type": "boolean"},
                        "controller": {"type": "boolean"},
                        "kind": text("Kind of the owner."),
                        "name": text("Name of the owner."),
                        "uid": text("Uid of the owner."),
                    },
                },
            }),
        ),
        ("resourceVersion", text("The revision of the last change. Set by the server.")),
        ("selfLink", text("Not used any more.")),
        ("uid", text("Unique in time and space. Set by the server.")),
    ] {
        fields.insert(name.to_owned(), schema);
    }
    json!({
        "type": "object",
        "description": "What every object has: name, labels, annotations, owners, revision.",
        "properties": fields,
    })
}
