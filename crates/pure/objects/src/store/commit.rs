//! Doing a write: validation of the final state, and the change itself.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::event::Event;
use crate::key::Key;
use crate::op::{Applied, DeleteOptions, Target};
use crate::resource::Resource;
use crate::selector::Selectors;
use crate::status::Status;
use crate::store::body;
use crate::store::delete::{self, Ending};
use crate::store::draft::{Answer, Draft, Part, Write};
use crate::store::prepare::{compose, faults};
use crate::store::{Store, is_namespaces};
use crate::{document, meta, scale};

impl Store {
    /// Does a write that was prepared, after admission: validates the final state and stores it.
    ///
    /// # Errors
    /// 422 with causes, 409 if the object changed since [`Store::prepare`].
    pub fn commit(&mut self, draft: Draft, now: Timestamp) -> Result<Applied, Status> {
        let Draft { op, object, old, warnings, write } = draft;
        let (target, dry_run) = (op.target, op.dry_run);
        let mut applied = match write {
            Write::Create { identity } => {
                self.commit_create(&target, object.unwrap_or_default(), &identity, dry_run)?
            }
            Write::Update { part, answer, .. } => {
                let change = Change {
                    old: old.unwrap_or_default(),
                    new: object.unwrap_or_default(),
                    part,
                    answer,
                };
                self.commit_update(&target, change, dry_run)?
            }
            Write::Delete { options, answer } => {
                let is_dry = dry_run || options.dry_run;
                self.commit_delete(&target, &options, answer, is_dry, now)?
            }
            Write::DeleteCollection { options, selectors } => {
                let is_dry = dry_run || options.dry_run;
                self.commit_delete_collection(&target, &options, &selectors, is_dry, now)
            }
        };
        applied.warnings.splice(..0, warnings);
        Ok(applied)
    }

    fn commit_create(
        &mut self,
        target: &Target,
        object: Value,
        identity: &[(&'static str, Value)],
        dry_run: bool,
    ) -> Result<Applied, Status> {
        let resource = target.resource;
        let mut object = self.admitted(resource, object);
        for (field, value) in identity {
            meta::set(&mut object, field, Some(value.clone()));
        }
        (resource.defaults)(&mut object);
        self.check_namespace(resource, &object)?;
        let name = meta::name(&object).to_owned();
        let causes = faults(self, resource, None, &object, Part::Main);
        if !causes.is_empty() {
            return Err(Status::invalid(resource, &name, causes));
        }
        let key = Key::new(&resource.id(), meta::namespace(&object), &name);
        if self.find(&key).is_some() {
            return Err(Status::already_exists(resource, &name));
        }
        let warnings = ignored_kind(resource, &name);
        let (object, events) = self.put(key, object, dry_run);
        let object = document::at_version(resource, target.version, &object);
        Ok(Applied { object, events, code: 201, warnings })
    }

    fn commit_update(
        &mut self,
        target: &Target,
        change: Change,
        dry_run: bool,
    ) -> Result<Applied, Status> {
        let Change { old, new, part, answer } = change;
        let (resource, key) = (target.resource, target.key());
        match self.find(&key) {
            None => return Err(Status::not_found(resource, &target.name)),
            Some(current) if Arc::ptr_eq(current, &old) => {}
            Some(_) => return Err(Status::modified(resource, &target.name)),
        }
        let new = self.admitted(resource, new);
        let mut new = compose(resource, &old, new, part);
        if resource.generation && is_specification_changed(&old, &new) {
            meta::set(&mut new, "generation", Some((meta::generation(&old) + 1).into()));
        }
        let is_changed = new != *old;
        let mut warnings = Vec::new();
        let (object, events) = if is_changed {
            let causes = faults(self, resource, Some(&old), &new, part);
            if !causes.is_empty() {
                return Err(Status::invalid(resource, &target.name, causes));
            }
            warnings = ignored_kind(resource, &target.name);
            let is_end = meta::is_deleting(&new)
                && delete::grace_of(&new) == 0
                && !delete::is_held(resource, &new);
            if !is_end {
                self.put(key, new, dry_run)
            } else if dry_run {
                (Arc::new(new), Vec::new())
            } else {
                (Arc::new(new), vec![self.record(key, None)])
            }
        } else {
            (old, Vec::new())
        };
        let (object, code) = match answer {
            Answer::Object => (document::at_version(resource, target.version, &object), 200),
            Answer::Scale => (Arc::new(scale::read(&object)), 200),
            Answer::Made => (made(), 201),
        };
        Ok(Applied { object, events, code, warnings })
    }

    fn commit_delete(
        &mut self,
        target: &Target,
        options: &DeleteOptions,
        answer: Answer,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Applied, Status> {
        let resource = target.resource;
        // A deletion means the object as it is now; what must hold of it is in the options.
        let current = self.object(&target.key())?;
        delete::check(resource, &current, options)?;
        let is_empty = is_namespaces(resource) && self.is_namespace_empty(&target.name);
        let ending = delete::ending(resource, &current, options, is_empty, now)?;
        let is_removed = matches!(ending, Ending::Remove);
        let (object, events) = self.end(target.key(), current, ending, dry_run);
        let uid = meta::uid(&object).to_owned();
        let (object, code) = match answer {
            Answer::Made => (made(), 201),
            _ if is_removed => (Arc::new(document::success(target, &uid)), 200),
            _ => (document::at_version(resource, target.version, &object), 200),
        };
        Ok(Applied { object, events, code, warnings: Vec::new() })
    }

    fn commit_delete_collection(
        &mut self,
        target: &Target,
        options: &DeleteOptions,
        selectors: &Selectors,
        dry_run: bool,
        now: Timestamp,
    ) -> Applied {
        let resource = target.resource;
        let namespace = Some(target.namespace.as_str()).filter(|_| resource.namespaced);
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        let (objects, revision) = self.list(resource, namespace, selectors);
        let (mut ended, mut all_events) = (Vec::new(), Vec::new());
        for object in objects {
            let key = Key::new(&resource.id(), meta::namespace(&object), meta::name(&object));
            let is_empty = is_namespaces(resource) && self.is_namespace_empty(&key.name);
            // What may not end, or not yet, stays without spoiling the end of the others.
            if delete::check(resource, &object, options).is_err() {
                continue;
            }
            let Ok(ending) = delete::ending(resource, &object, options, is_empty, now) else {
                continue;
            };
            let (object, events) = self.end(key, object, ending, dry_run);
            ended.push(object);
            all_events.extend(events);
        }
        let form = document::Form::Object;
        let list = document::list(resource, target.version, form, &ended, revision, now);
        let object = serde_json::to_value(&list).unwrap_or_default();
        Applied { object: Arc::new(object), events: all_events, code: 200, warnings: Vec::new() }
    }

    fn end(
        &mut self,
        key: Key,
        current: Arc<Value>,
        ending: Ending,
        dry_run: bool,
    ) -> (Arc<Value>, Vec<Event>) {
        match ending {
            Ending::Stay => (current, Vec::new()),
            Ending::Mark(marked) => self.put(key, marked, dry_run),
            Ending::Remove if dry_run => (current, Vec::new()),
            Ending::Remove => (current, vec![self.record(key, None)]),
        }
    }

    fn put(&mut self, key: Key, object: Value, dry_run: bool) -> (Arc<Value>, Vec<Event>) {
        if dry_run {
            return (Arc::new(object), Vec::new());
        }
        let event = self.record(key, Some(object));
        (event.state(), vec![event])
    }

    /// What admission made of an object: fields that nobody knows are dropped again.
    fn admitted(&self, resource: &Resource, mut object: Value) -> Value {
        self.schema(resource).prune(&mut object);
        body::normalized(resource, object)
    }
}

/// One update, ready to be checked.
struct Change {
    old: Arc<Value>,
    new: Value,
    part: Part,
    answer: Answer,
}

/// Whether anything but metadata and status differs.
fn is_specification_changed(old: &Value, new: &Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return true };
    let is_specification = |field: &str| field != "metadata" && field != "status";
    let is_same = old
        .iter()
        .filter(|(field, _)| is_specification(field))
        .all(|(field, value)| new.get(field) == Some(value));
    let is_added = new.keys().any(|field| is_specification(field) && !old.contains_key(field));
    !is_same || is_added
}

fn ignored_kind(resource: &Resource, name: &str) -> Vec<String> {
    if resource.acted_on {
        return Vec::new();
    }
    vec![format!("{} {name:?} is stored, but nothing in this mesh acts on it", resource.id())]
}

/// The answer to something made that is not stored.
fn made() -> Arc<Value> {
    Arc::new(serde_json::json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 201,
    }))
}
