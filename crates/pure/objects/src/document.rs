//! The forms in which clients see objects: as they are, as metadata alone, as tables, in lists.

use std::sync::Arc;

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use crate::op::Target;
use crate::resource::Resource;
use crate::{meta, table};

/// The form that a client asks for with `Accept`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The whole object.
    #[default]
    Object,
    /// `as=PartialObjectMetadata` or `as=PartialObjectMetadataList`.
    Metadata,
    /// `as=Table`.
    Table(IncludeObject),
}

/// How much of the object a row of a table carries (query parameter `includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata: the default.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

impl IncludeObject {
    /// Reads the query parameter; `None` for an unknown word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "" | "Metadata" => Some(Self::Metadata),
            "None" => Some(Self::None),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// One object in a form and a version.
#[must_use]
pub fn one(
    resource: &Resource,
    version: &str,
    form: Form,
    object: &Arc<Value>,
    now: Timestamp,
) -> Arc<Value> {
    match form {
        Form::Object => at_version(resource, version, object),
        Form::Metadata => Arc::new(partial(object)),
        Form::Table(include) => {
            let revision = meta::text(object, "resourceVersion").to_owned();
            let objects = std::slice::from_ref(object);
            Arc::new(table::render(resource, version, include, objects, &revision, now))
        }
    }
}

/// Several objects in a form and a version: a list, ready to be serialized.
#[must_use]
pub fn list<'a>(
    resource: &'a Resource,
    version: &'a str,
    form: Form,
    objects: &'a [Arc<Value>],
    revision: u64,
    now: Timestamp,
) -> ListDocument<'a> {
    let revision = revision.to_string();
    match form {
        Form::Object => ListDocument(Inner::Objects { resource, version, objects, revision }),
        Form::Metadata => {
            let items: Vec<Value> = objects.iter().map(|object| partial(object)).collect();
            ListDocument(Inner::Whole(json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": revision},
                "items": items,
            })))
        }
        Form::Table(include) => ListDocument(Inner::Whole(table::render(
            resource, version, include, objects, &revision, now,
        ))),
    }
}

/// The metadata of an object as a PartialObjectMetadata.
#[must_use]
pub fn partial(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

/// The object as a client of `version` sees it; shared, unless its apiVersion must be rewritten.
#[must_use]
pub fn at_version(resource: &Resource, version: &str, object: &Arc<Value>) -> Arc<Value> {
    let wanted = resource.api_version(version);
    match object.get("apiVersion").and_then(Value::as_str) {
        Some(found) if found != wanted && is_of(resource, object) => {
            let mut object = Value::clone(object);
            object["apiVersion"] = wanted.into();
            Arc::new(object)
        }
        _ => Arc::clone(object),
    }
}

/// The Status that tells of a success, as deletions answer.
#[must_use]
pub fn success(target: &Target, uid: &str) -> Value {
    let mut details = Map::new();
    details.insert("name".to_owned(), target.name.as_str().into());
    if !target.resource.group.is_empty() {
        details.insert("group".to_owned(), target.resource.group.into());
    }
    details.insert("kind".to_owned(), target.resource.plural.into());
    if !uid.is_empty() {
        details.insert("uid".to_owned(), uid.into());
    }
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}

/// An object that is serialized with the apiVersion of one version, without being copied.
#[derive(Debug)]
pub struct InVersion<'a> {
    object: &'a Value,
    api_version: Option<String>,
}

impl<'a> InVersion<'a> {
    /// The object in this version of its resource.
    #[must_use]
    pub fn new(resource: &Resource, version: &str, object: &'a Value) -> Self {
        let api_version = is_of(resource, object).then(|| resource.api_version(version));
        Self { object, api_version }
    }

    /// The object as it is.
    #[must_use]
    pub fn as_is(object: &'a Value) -> Self {
        Self { object, api_version: None }
    }
}

impl Serialize for InVersion<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (Some(fields), Some(api_version)) = (self.object.as_object(), &self.api_version) else {
            return self.object.serialize(serializer);
        };
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (field, value) in fields {
            match field.as_str() {
                "apiVersion" => map.serialize_entry(field, api_version)?,
                _ => map.serialize_entry(field, value)?,
            }
        }
        map.end()
    }
}

/// A list ready to be serialized; the objects are not copied.
#[derive(Debug)]
pub struct ListDocument<'a>(Inner<'a>);

#[derive(Debug)]
enum Inner<'a> {
    Objects {
        resource: &'a Resource,
        version: &'a str,
        objects: &'a [Arc<Value>],
        revision: String,
    },
    Whole(Value),
}

impl Serialize for ListDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (resource, version, objects, revision) = match &self.0 {
            Inner::Whole(value) => return value.serialize(serializer),
            Inner::Objects { resource, version, objects, revision } => {
                (resource, version, objects, revision)
            }
        };
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("kind", &resource.list_kind())?;
        map.serialize_entry("apiVersion", &resource.api_version(version))?;
        map.serialize_entry("metadata", &json!({"resourceVersion": revision}))?;
        map.serialize_entry("items", &Items { resource, version, objects })?;
        map.end()
    }
}

struct Items<'a> {
    resource: &'a Resource,
    version: &'a str,
    objects: &'a [Arc<Value>],
}

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.objects.iter().map(|object| InVersion::new(self.resource, self.version, object)),
        )
    }
}

/// Whether a document is an object of the resource, and not a Status or another kind's answer.
fn is_of(resource: &Resource, object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some(resource.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    static GATEWAYS: Resource = Resource {
        group: "networking.istio.io",
        versions: &["v1", "v1beta1"],
        kind: "Gateway",
        plural: "gateways",
        ..Resource::BLANK
    };

    fn gateway() -> Arc<Value> {
        Arc::new(json!({
            "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
            "metadata": {"name": "g", "resourceVersion": "3"}, "spec": {},
        }))
    }

    #[test]
    fn another_version_rewrites_the_api_version_alone() {
        let stored = gateway();
        let other = at_version(&GATEWAYS, "v1beta1", &stored);
        assert_eq!(other["apiVersion"], "networking.istio.io/v1beta1");
        assert!(Arc::ptr_eq(&at_version(&GATEWAYS, "v1", &stored), &stored));
        let text = serde_json::to_string(&InVersion::new(&GATEWAYS, "v1beta1", &stored)).unwrap();
        assert_eq!(text, other.to_string());
    }

    #[test]
    fn lists_in_every_form() {
        let objects = [gateway()];
        let list = |form| {
            serde_json::to_value(list(
                &GATEWAYS,
                "v1beta1",
                form,
                &objects,
                8,
                Timestamp::UNIX_EPOCH,
            ))
            .unwrap()
        };
        let plain = list(Form::Object);
        assert_eq!(plain["kind"], "GatewayList");
        assert_eq!(plain["apiVersion"], "networking.istio.io/v1beta1");
        assert_eq!(plain["metadata"]["resourceVersion"], "8");
        assert_eq!(plain["items"][0]["apiVersion"], "networking.istio.io/v1beta1");
        let partial = list(Form::Metadata);
        assert_eq!(partial["kind"], "PartialObjectMetadataList");
        assert_eq!(partial["items"][0]["kind"], "PartialObjectMetadata");
        assert_eq!(partial["items"][0].get("spec"), None);
        assert_eq!(list(Form::Table(IncludeObject::None))["kind"], "Table");
    }
}
