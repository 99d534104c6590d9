//! OpenAPI v3: the documents by which kubectl validates, applies and explains.
//!
//! kubectl looks for a `patch` operation with the kind and a parameter `fieldValidation`; having
//! found them it leaves validation to the server.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::discovery;
use crate::resource::Resource;
use crate::schema;

mod marks;
mod share;

/// All OpenAPI v3 documents of a table of resources. Costly to build (tens of milliseconds for a
/// whole cluster's kinds): build once, and not while somebody waits for the first answer.
#[derive(Clone, Debug)]
pub struct OpenApi {
    documents: BTreeMap<String, Document>,
}

#[derive(Clone, Debug)]
struct Document {
    hash: String,
    body: String,
}

impl OpenApi {
    /// Builds the documents of all group-versions.
    #[must_use]
    pub fn build(resources: &[Resource]) -> Self {
        let mut documents = BTreeMap::new();
        for group in discovery::groups(resources) {
            for version in discovery::versions(resources, group) {
                let body = document(resources, group, version).to_string();
                let hash = format!("{:016X}", fnv1a(body.as_bytes()));
                documents.insert(path(group, version), Document { hash, body });
            }
        }
        Self { documents }
    }

    /// The index, `/openapi/v3`.
    #[must_use]
    pub fn index(&self) -> Value {
        let paths: Map<String, Value> = self
            .documents
            .iter()
            .map(|(path, document)| {
                let url = format!("/openapi/v3/{path}?hash={}", document.hash);
                (path.clone(), json!({"serverRelativeURL": url}))
            })
            .collect();
        json!({"paths": paths})
    }

    /// The JSON text of `/openapi/v3/PATH`, where PATH is `api/v1` or `apis/GROUP/VERSION`.
    #[must_use]
    pub fn document(&self, path: &str) -> Option<&str> {
        self.documents.get(path).map(|document| document.body.as_str())
    }

    /// The hash by which clients cache the document of a path (an ETag).
    #[must_use]
    pub fn hash(&self, path: &str) -> Option<&str> {
        self.documents.get(path).map(|document| document.hash.as_str())
    }
}

fn path(group: &str, version: &str) -> String {
    match group {
        "" => format!("api/{version}"),
        group => format!("apis/{group}/{version}"),
    }
}

fn document(resources: &[Resource], group: &str, version: &str) -> Value {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for resource in discovery::served(resources, group, version) {
        let name = schema_name(resource, version);
        schemas.insert(format!("{name}List"), list_schema(resource, version, &name));
        schemas.insert(name.clone(), object_schema(resource, version));
        let base = format!("/{}", path(group, version));
        if resource.namespaced {
            let all = format!("{base}/{}", resource.plural);
            paths.insert(all, collection(resource, version, &name, &["list"]));
        }
        let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        let here = format!("{base}{scope}/{}", resource.plural);
        let verbs = ["list", "create", "deletecollection"];
        paths.insert(here.clone(), collection(resource, version, &name, &verbs));
        paths.insert(format!("{here}/{{name}}"), item(resource, version, &name, ""));
        if resource.has_subresource("status") {
            let path = format!("{here}/{{name}}/status");
            paths.insert(path, item(resource, version, &name, "Status"));
        }
    }
    share::share(&mut schemas, &schema_prefix(group, version));
    json!({
        "openapi": "3.0.0",
        "info": {"title": "lateen", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// `io.k8s.api.apps.v1.Deployment`, `io.istio.networking.v1.Gateway`: names as others have them.
fn schema_name(resource: &Resource, version: &str) -> String {
    schema_prefix(resource.group, version) + resource.kind
}

fn schema_prefix(group: &str, version: &str) -> String {
    let short = group.strip_suffix(".k8s.io").unwrap_or(group);
    if group.is_empty() {
        return format!("io.k8s.api.core.{version}.");
    }
    if !short.contains('.') {
        return format!("io.k8s.api.{short}.{version}.");
    }
    let reversed: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}.", reversed.join("."))
}

fn gvk(resource: &Resource, version: &str, kind: &str) -> Value {
    json!({"group": resource.group, "version": version, "kind": kind})
}

fn object_schema(resource: &Resource, version: &str) -> Value {
    let mut schema = (resource.schema)();
    let Some(fields) = schema.as_object_mut() else { return schema };
    fields.insert("type".to_owned(), "object".into());
    let properties = fields.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        for (name, description) in [
            ("apiVersion", "The group and the version of this document."),
            ("kind", "The kind of object that this document is."),
        ] {
            let text = json!({"type": "string", "description": description});
            properties.entry(name).or_insert(text);
        }
        let metadata = properties.entry("metadata").or_insert(Value::Null);
        if metadata.get("properties").is_none() {
            *metadata = schema::object_meta();
        }
    }
    let kinds = json!([gvk(resource, version, resource.kind)]);
    fields.insert("x-kubernetes-group-version-kind".to_owned(), kinds);
    marks::mark(&mut schema, resource);
    schema
}

fn list_schema(resource: &Resource, version: &str, name: &str) -> Value {
    json!({
        "type": "object",
        "description": format!("A list of objects of kind {}.", resource.kind),
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {
                "continue": {"type": "string"},
                "remainingItemCount": {"type": "integer", "format": "int64"},
                "resourceVersion": {"type": "string"},
            }},
            "items": {"type": "array", "items": reference(name)},
        },
        "x-kubernetes-group-version-kind": [gvk(resource, version, &resource.list_kind())],
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn collection(resource: &Resource, version: &str, name: &str, verbs: &[&str]) -> Value {
    let mut item = Map::new();
    for (method, verb) in [("get", "list"), ("post", "create"), ("delete", "deletecollection")] {
        if verbs.contains(&verb) && resource.verbs.contains(&verb) {
            let answer = if verb == "list" { format!("{name}List") } else { name.to_owned() };
            item.insert(method.to_owned(), operation(resource, version, verb, &answer, ""));
        }
    }
    Value::Object(item)
}

fn item(resource: &Resource, version: &str, name: &str, part: &str) -> Value {
    let mut item = Map::new();
    for (method, verb) in
        [("get", "get"), ("put", "update"), ("delete", "delete"), ("patch", "patch")]
    {
        let is_there = part.is_empty() || verb != "delete";
        if is_there && resource.verbs.contains(&verb) {
            item.insert(method.to_owned(), operation(resource, version, verb, name, part));
        }
    }
    Value::Object(item)
}

fn operation(resource: &Resource, version: &str, verb: &str, answer: &str, part: &str) -> Value {
    let action = match verb {
        "create" => "post",
        "update" => "put",
        verb => verb,
    };
    let mut operation = json!({
        "operationId": format!("{verb}_{}_{version}_{}{part}", resource.group, resource.kind),
        "responses": {"200": {
            "description": "OK",
            "content": {"application/json": {"schema": reference(answer)}},
        }},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(resource, version, resource.kind),
    });
    if ["create", "update", "patch"].contains(&verb) {
        let media_types: &[&str] = match verb {
            "patch" if resource.strategic => &[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
            ],
            "patch" => &["application/json-patch+json", "application/merge-patch+json"],
            _ => &["application/json"],
        };
        let schema = if verb == "patch" { json!({"type": "object"}) } else { reference(answer) };
        let content: Map<String, Value> = media_types
            .iter()
            .map(|media_type| ((*media_type).to_owned(), json!({"schema": schema})))
            .collect();
        operation["requestBody"] = json!({"content": content, "required": true});
        let query = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
        operation["parameters"] =
            json!([query("dryRun"), query("fieldManager"), query("fieldValidation")]);
    }
    operation
}

/// A hash that is the same on every machine (FNV-1a, 64 bits); it only has to change when the
/// document does.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static RESOURCES: [Resource; 3] = [
        Resource { kind: "Pod", plural: "pods", subresources: &["status"], ..Resource::BLANK },
        Resource { group: "apps", kind: "Deployment", plural: "deployments", ..Resource::BLANK },
        Resource {
            group: "networking.istio.io",
            versions: &["v1", "v1beta1"],
            kind: "Gateway",
            plural: "gateways",
            strategic: false,
            schema: || json!({"type": "object", "properties": {"spec": {"type": "object"}}}),
            ..Resource::BLANK
        },
    ];

    #[test]
    fn the_index_names_every_group_version() {
        let index = OpenApi::build(&RESOURCES).index();
        let paths: Vec<&String> = index["paths"].as_object().unwrap().keys().collect();
        assert_eq!(
            paths,
            [
                "api/v1",
                "apis/apps/v1",
                "apis/networking.istio.io/v1",
                "apis/networking.istio.io/v1beta1",
            ]
        );
        let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
        assert!(url.starts_with("/openapi/v3/apis/apps/v1?hash="));
    }

    #[test]
    fn kubectl_finds_the_patch_operation_with_field_validation() {
        let documents = OpenApi::build(&RESOURCES);
        let text = documents.document("apis/networking.istio.io/v1").unwrap();
        let document: Value = serde_json::from_str(text).unwrap();
        let path = "/apis/networking.istio.io/v1/namespaces/{namespace}/gateways/{name}";
        let patch = &document["paths"][path]["patch"];
        assert_eq!(
            patch["x-kubernetes-group-version-kind"],
            json!({"group": "networking.istio.io", "version": "v1", "kind": "Gateway"})
        );
        let names: Vec<&Value> =
            patch["parameters"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
        assert!(names.contains(&&json!("fieldValidation")));
        let schema = &document["components"]["schemas"]["io.istio.networking.v1.Gateway"];
        assert_eq!(schema["x-kubernetes-group-version-kind"][0]["kind"], "Gateway");
        assert!(schema["properties"]["metadata"]["properties"]["labels"].is_object());
    }

    #[test]
    fn schema_names_are_those_of_kubernetes() {
        let core: Value =
            serde_json::from_str(OpenApi::build(&RESOURCES).document("api/v1").unwrap()).unwrap();
        let pod = &core["components"]["schemas"]["io.k8s.api.core.v1.Pod"];
        let owners = &pod["properties"]["metadata"]["properties"]["ownerReferences"];
        assert_eq!(owners["x-kubernetes-patch-merge-key"], "uid");
        assert!(core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/status"].is_object());
        assert_eq!(schema_name(&RESOURCES[1], "v1"), "io.k8s.api.apps.v1.Deployment");
    }

    #[test]
    fn the_hash_changes_with_the_schema() {
        let before = OpenApi::build(&RESOURCES);
        let mut changed = RESOURCES;
        changed[1].schema = || json!({"type": "object"});
        let after = OpenApi::build(&changed);
        assert_eq!(before.hash("api/v1"), after.hash("api/v1"));
        assert_ne!(before.hash("apis/apps/v1"), after.hash("apis/apps/v1"));
    }
}
