//! Deciding a write: from body and patch to the state that is to be stored.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cause::Cause;
use crate::key::{Key, Uid};
use crate::op::{Body, DeleteOptions, Op, PatchKind};
use crate::patch;
use crate::resource::Resource;
use crate::selector::Selectors;
use crate::status::Status;
use crate::store::body;
use crate::store::draft::{Answer, Draft, Part, Write};
use crate::store::{Store, is_namespaces};
use crate::{meta, names, scale};

/// How many generated names are tried before one that is taken is let through to its 409.
const NAME_ATTEMPTS: u32 = 8;

impl Store {
    pub(super) fn prepare_create(
        &self,
        op: Op,
        object: Body,
        now: Timestamp,
        uid: Uid,
    ) -> Result<Draft, Status> {
        let resource = op.target.resource;
        match op.target.subresource.as_deref() {
            None => {}
            Some(sub) if !resource.has_subresource(sub) => return Err(Status::no_such_path()),
            Some("binding") => return self.prepare_binding(op, &object.value, now),
            Some("eviction") => {
                let options = object.value.get("deleteOptions").unwrap_or(&Value::Null);
                let options = DeleteOptions::parse(options)?;
                let mut draft = self.prepare_delete(op, options)?;
                if let Write::Delete { answer, .. } = &mut draft.write {
                    *answer = Answer::Made;
                }
                return Ok(draft);
            }
            Some(_) => return Err(Status::method_not_allowed(resource, "create")),
        }
        if !resource.verbs.contains(&"create") || !op.target.name.is_empty() {
            return Err(Status::method_not_allowed(resource, "create"));
        }
        let mut warnings = Vec::new();
        let schema = self.schema(resource);
        let mut object = body::decode(schema, &op, object, None, &mut warnings)?;
        body::check_place(&op, &mut object)?;
        if !meta::text(&object, "resourceVersion").is_empty() {
            // Kubernetes answers a bare 500 here; the client is at fault, and is told so.
            return Err(Status::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        if meta::name(&object).is_empty() && !meta::text(&object, "generateName").is_empty() {
            let name = self.generated_name(resource, &object, uid);
            meta::set(&mut object, "name", Some(name.into()));
        }
        self.check_namespace(resource, &object)?;
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
            meta::set(&mut object, field, None);
        }
        meta::set(&mut object, "uid", Some(uid.to_string().into()));
        meta::set(&mut object, "creationTimestamp", Some(meta::stamp(now).into()));
        if resource.generation {
            meta::set(&mut object, "generation", Some(1.into()));
        }
        if resource.has_subresource("status")
            && let Some(fields) = object.as_object_mut()
        {
            fields.shift_remove("status");
        }
        if is_namespaces(resource) {
            // The namespace stays until whoever deletes its objects has finalized it.
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"]["phase"] = "Active".into();
        }
        (resource.defaults)(&mut object);
        let identity = ["name", "namespace", "uid", "creationTimestamp", "generation"]
            .into_iter()
            .filter_map(|field| Some((field, meta::field(&object, field)?.clone())))
            .collect();
        let write = Write::Create { identity };
        Ok(Draft { op, object: Some(object), old: None, warnings, write })
    }

    fn generated_name(&self, resource: &Resource, object: &Value, uid: Uid) -> String {
        // A name must leave room for the suffix within a label's 63 bytes.
        let base: String = meta::text(object, "generateName").chars().take(58).collect();
        let name = |attempt| format!("{base}{}", uid.suffix(attempt));
        let is_free = |name: &String| {
            let key = Key::new(&resource.id(), meta::namespace(object), name);
            self.find(&key).is_none()
        };
        (0..NAME_ATTEMPTS).map(name).find(is_free).unwrap_or_else(|| name(0))
    }

    /// Refuses a new object in a namespace that is not there, or not for long.
    pub(super) fn check_namespace(
        &self,
        resource: &Resource,
        object: &Value,
    ) -> Result<(), Status> {
        if !resource.namespaced {
            return Ok(());
        }
        let name = meta::namespace(object);
        let namespace = self.object(&Key::new("namespaces", "", name))?;
        if meta::is_deleting(&namespace) {
            return Err(Status::terminating(resource, meta::name(object), name));
        }
        Ok(())
    }

    pub(super) fn prepare_update(&self, op: Op, object: Body) -> Result<Draft, Status> {
        let old = self.old(&op, "update")?;
        self.update(op, old, object, None)
    }

    pub(super) fn prepare_patch(
        &self,
        op: Op,
        kind: PatchKind,
        patch: Body,
    ) -> Result<Draft, Status> {
        let old = self.old(&op, "patch")?;
        let resource = op.target.resource;
        let is_scale = op.target.subresource.as_deref() == Some("scale");
        let mut patched = if is_scale { scale::read(&old) } else { body::at_target(&op, &old) };
        match kind {
            PatchKind::Json => {
                if !patch.value.is_array() {
                    return Err(Status::bad_request(
                        "error decoding patch: a JSON patch must be a list of operations",
                    ));
                }
                patch::json::apply(&mut patched, &patch.value)
                    .map_err(|why| Status::patch_does_not_apply(&why))?;
            }
            PatchKind::Merge => {
                if !patch.value.is_object() {
                    return Err(Status::bad_request(
                        "error decoding patch: a merge patch must be an object",
                    ));
                }
                patch::merge::apply(&mut patched, &patch.value);
            }
            PatchKind::Strategic if !resource.strategic && !is_scale => {
                return Err(Status::unsupported_media_type(&[
                    "application/json-patch+json",
                    "application/merge-patch+json",
                ]));
            }
            PatchKind::Strategic => {
                patch::strategic::apply(&mut patched, &patch.value, |path| {
                    resource.patch_rule(path)
                })
                .map_err(Status::bad_request)?;
            }
        }
        let body = Body { value: patched, duplicates: patch.duplicates };
        self.update(op, old, body, Some(&patch.value))
    }

    fn old(&self, op: &Op, verb: &str) -> Result<Arc<Value>, Status> {
        let target = &op.target;
        let knows = |sub: &String| target.resource.has_subresource(sub);
        if !target.subresource.as_ref().is_none_or(knows) {
            return Err(Status::no_such_path());
        }
        if target.name.is_empty() || !target.resource.verbs.contains(&verb) {
            return Err(Status::method_not_allowed(target.resource, verb));
        }
        self.object(&target.key())
    }

    fn update(
        &self,
        op: Op,
        old: Arc<Value>,
        new: Body,
        patch: Option<&Value>,
    ) -> Result<Draft, Status> {
        let resource = op.target.resource;
        let mut warnings = Vec::new();
        let names_version = match patch {
            // A patched object has the version it was read at, unless the patch says one.
            Some(Value::Object(patch)) => {
                patch.get("metadata").and_then(|meta| meta.get("resourceVersion")).is_some()
            }
            Some(_) => {
                meta::text(&new.value, "resourceVersion") != meta::text(&old, "resourceVersion")
            }
            None => !meta::text(&new.value, "resourceVersion").is_empty(),
        };
        check_version(resource, &old, &new.value)?;
        let (object, part, answer) = match op.target.subresource.as_deref() {
            None | Some("status") => {
                let schema = self.schema(resource);
                let mut new = body::decode(schema, &op, new, patch, &mut warnings)?;
                body::check_place(&op, &mut new)?;
                let is_status = op.target.subresource.is_some();
                let part = if is_status { Part::Status } else { Part::Main };
                (compose(resource, &old, new, part), part, Answer::Object)
            }
            Some("scale") => {
                let replicas = scale::wanted(&new.value).map_err(|(value, detail)| {
                    let cause = Cause::invalid("spec.replicas", &value, detail);
                    Status::invalid(&scale::SCALE, &op.target.name, vec![cause])
                })?;
                let mut object = Value::clone(&old);
                object["spec"]["replicas"] = replicas.into();
                (object, Part::Main, Answer::Scale)
            }
            Some("finalize") => {
                let finalizers = new.value.get("spec").and_then(|spec| spec.get("finalizers"));
                let mut object = Value::clone(&old);
                object["spec"]["finalizers"] = finalizers.cloned().unwrap_or_else(|| json!([]));
                (object, Part::Whole, Answer::Object)
            }
            Some(_) => return Err(Status::method_not_allowed(resource, "update")),
        };
        let write = Write::Update { part, answer, names_version };
        Ok(Draft { op, object: Some(object), old: Some(old), warnings, write })
    }

    /// A Binding gives a pod to a node, once.
    fn prepare_binding(&self, op: Op, binding: &Value, now: Timestamp) -> Result<Draft, Status> {
        let resource = op.target.resource;
        let name = op.target.name.clone();
        let old = self.object(&op.target.key())?;
        let node = binding.get("target").and_then(|target| target.get("name"));
        let Some(node) = node.and_then(Value::as_str).filter(|node| !node.is_empty()) else {
            let binding = Resource { group: "", kind: "Binding", ..*resource };
            let cause = Cause::required("target.name", "");
            return Err(Status::invalid(&binding, &name, vec![cause]));
        };
        if meta::is_deleting(&old) {
            let why = format!("pod {name} is being deleted, cannot be assigned to a host");
            return Err(Status::conflict(resource, &name, &why));
        }
        let assigned = old.get("spec").and_then(|spec| spec.get("nodeName"));
        if let Some(assigned) = assigned.and_then(Value::as_str).filter(|node| !node.is_empty()) {
            let why = format!("pod {name} is already assigned to node {assigned:?}");
            return Err(Status::conflict(resource, &name, &why));
        }
        let mut object = Value::clone(&old);
        object["spec"]["nodeName"] = node.into();
        let condition = json!({
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": null,
            "lastTransitionTime": meta::stamp(now),
        });
        let conditions = &mut object["status"]["conditions"];
        if !conditions.is_array() {
            *conditions = json!([]);
        }
        if let Some(conditions) = conditions.as_array_mut() {
            conditions.retain(|condition| condition["type"] != "PodScheduled");
            conditions.push(condition);
        }
        let write = Write::Update { part: Part::Whole, answer: Answer::Made, names_version: false };
        Ok(Draft { op, object: Some(object), old: Some(old), warnings: Vec::new(), write })
    }

    pub(super) fn prepare_delete(&self, op: Op, options: DeleteOptions) -> Result<Draft, Status> {
        let target = &op.target;
        if target.name.is_empty() || !target.resource.verbs.contains(&"delete") {
            return Err(Status::method_not_allowed(target.resource, "delete"));
        }
        let old = self.object(&target.key())?;
        super::delete::check(target.resource, &old, &options)?;
        let write = Write::Delete { options, answer: Answer::Object };
        Ok(Draft { op, object: None, old: Some(old), warnings: Vec::new(), write })
    }

    pub(super) fn prepare_delete_collection(
        &self,
        op: Op,
        options: DeleteOptions,
        selectors: Selectors,
    ) -> Result<Draft, Status> {
        let resource = op.target.resource;
        if !resource.verbs.contains(&"deletecollection") {
            return Err(Status::method_not_allowed(resource, "deletecollection"));
        }
        let write = Write::DeleteCollection { options, selectors };
        Ok(Draft { op, object: None, old: None, warnings: Vec::new(), write })
    }

    pub(super) fn schema(&self, resource: &Resource) -> &crate::schema::Schema {
        let collection = self.collections.get(resource.id().as_str());
        collection.expect("every served resource has a collection from the start").schema(resource)
    }
}

/// Puts together what an update may change and what it may not.
pub(super) fn compose(resource: &Resource, old: &Value, new: Value, part: Part) -> Value {
    let mut object = match part {
        Part::Status => {
            let mut object = old.clone();
            put_status(&mut object, new.get("status").cloned());
            return object;
        }
        Part::Main | Part::Whole => new,
    };
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        meta::set(&mut object, field, meta::field(old, field).cloned());
    }
    if part == Part::Main && resource.has_subresource("status") {
        put_status(&mut object, old.get("status").cloned());
    }
    if part == Part::Main && is_namespaces(resource) {
        // Only `finalize` lets a namespace go.
        let finalizers = old.get("spec").and_then(|spec| spec.get("finalizers"));
        object["spec"]["finalizers"] = finalizers.cloned().unwrap_or_else(|| json!([]));
    }
    (resource.defaults)(&mut object);
    object
}

fn put_status(object: &mut Value, status: Option<Value>) {
    let Some(fields) = object.as_object_mut() else { return };
    match status {
        Some(status) => {
            fields.insert("status".to_owned(), status);
        }
        None => {
            fields.shift_remove("status");
        }
    }
}

/// Refuses a change of another version, or of another object of the same name.
fn check_version(resource: &Resource, old: &Value, new: &Value) -> Result<(), Status> {
    let name = meta::name(old);
    let (found, expected) = (meta::uid(new), meta::uid(old));
    if !found.is_empty() && found != expected {
        let why = format!(
            "Precondition failed: UID in precondition: {found}, UID in object meta: {expected}"
        );
        return Err(Status::conflict(resource, name, &why));
    }
    let version = meta::text(new, "resourceVersion");
    // 0 is no version of any object: it says "whatever there is".
    if version.is_empty() || version == "0" || version == meta::text(old, "resourceVersion") {
        return Ok(());
    }
    if version.parse::<u64>().is_err() {
        let cause = Cause::invalid("metadata.resourceVersion", &version.into(), "must be a number");
        return Err(Status::invalid(resource, name, vec![cause]));
    }
    Err(Status::modified(resource, name))
}

/// Everything that is wrong with the final state of an object.
pub(super) fn faults(
    store: &Store,
    resource: &Resource,
    old: Option<&Value>,
    new: &Value,
    part: Part,
) -> Vec<Cause> {
    let mut causes = store.schema(resource).check(new);
    // The rest of the object passed these checks when it was written.
    if part == Part::Status {
        return causes;
    }
    causes.extend(names::check_metadata(resource.name_rule, new));
    // Checks of one kind may rely on the types that the schema promises.
    if causes.is_empty() {
        causes.extend((resource.check)(new));
    }
    let Some(old) = old else { return causes };
    if causes.is_empty() {
        causes.extend((resource.check_change)(old, new));
    }
    let added: Vec<&str> = meta::finalizers(new)
        .filter(|finalizer| meta::finalizers(old).all(|kept| kept != *finalizer))
        .collect();
    if meta::is_deleting(old) && !added.is_empty() {
        let added: Vec<String> = added.iter().map(|finalizer| format!("{finalizer:?}")).collect();
        causes.push(Cause::forbidden(
            "metadata.finalizers",
            &format!(
                "no new finalizers can be added if the object is being deleted, found new \
                 finalizers []string{{{}}}",
                added.join(", ")
            ),
        ));
    }
    causes
}
