//! Strategic merge patches: Kubernetes' own, which merge lists by key.
//!
//! Spec: sig-api-machinery, `strategic-merge-patch.md`: directives `$patch`, `$retainKeys`,
//! `$setElementOrder/LIST`, `$deleteFromPrimitiveList/LIST`.

use serde_json::{Map, Value};

use crate::resource::PatchRule;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE_VALUES: &str = "$deleteFromPrimitiveList/";

/// Applies a patch; `rule` says how what stands at a path is treated.
///
/// # Errors
/// A sentence that says what in the patch cannot be understood.
pub fn apply(
    object: &mut Value,
    patch: &Value,
    rule: impl Fn(&str) -> Option<PatchRule>,
) -> Result<(), String> {
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return Err("a strategic merge patch must be an object".to_owned());
    };
    Merge { rule: &rule, path: String::new() }.map(object, patch)
}

struct Merge<'a> {
    rule: &'a dyn Fn(&str) -> Option<PatchRule>,
    /// Where we are, without indexes.
    path: String,
}

/// How one list is merged; the key may come from the patch itself.
enum ListRule<'a> {
    Atomic,
    Set,
    Field(&'a str),
}

impl Merge<'_> {
    fn map(
        &mut self,
        target: &mut Map<String, Value>,
        patch: &Map<String, Value>,
    ) -> Result<(), String> {
        match directive(patch)? {
            Directive::Merge => {}
            Directive::Delete => {
                target.clear();
                return Ok(());
            }
            Directive::Replace => target.clear(),
        }
        if let Some(kept) = patch.get(RETAIN_KEYS) {
            retain(target, patch, kept)?;
        }
        for (field, values) in patch {
            if let Some(list) = field.strip_prefix(DELETE_VALUES)
                && let Some(Value::Array(items)) = target.get_mut(list)
            {
                let unwanted = values.as_array().map_or(&[][..], Vec::as_slice);
                items.retain(|item| !unwanted.contains(item));
            }
        }
        for (field, value) in patch.iter().filter(|(field, _)| !field.starts_with('$')) {
            let order = patch.get(&format!("{ORDER}{field}"));
            self.field(target, field, value, order)?;
        }
        for (field, order) in patch {
            if let Some(list) = field.strip_prefix(ORDER)
                && !patch.contains_key(list)
                && let Some(value @ Value::Array(_)) = target.get_mut(list)
            {
                let value = value.as_array_mut().ok_or("a list is a list")?;
                self.at(list, |merge| merge.list(value, &[], Some(order)))?;
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        target: &mut Map<String, Value>,
        field: &str,
        value: &Value,
        order: Option<&Value>,
    ) -> Result<(), String> {
        if value.is_null() {
            target.shift_remove(field);
            return Ok(());
        }
        self.at(field, |merge| match value {
            Value::Object(patch) => {
                if matches!(directive(patch)?, Directive::Delete) {
                    target.shift_remove(field);
                    return Ok(());
                }
                let is_replaced = (merge.rule)(&merge.path) == Some(PatchRule::Replace);
                let slot = target.entry(field).or_insert_with(|| Value::Object(Map::new()));
                if is_replaced || !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                slot.as_object_mut().map_or(Ok(()), |slot| merge.map(slot, patch))
            }
            Value::Array(patch) => {
                let slot = target.entry(field).or_insert_with(|| Value::Array(Vec::new()));
                if !slot.is_array() {
                    *slot = Value::Array(Vec::new());
                }
                slot.as_array_mut().map_or(Ok(()), |slot| merge.list(slot, patch, order))
            }
            plain => {
                target.insert(field.to_owned(), plain.clone());
                Ok(())
            }
        })
    }

    /// Runs `step` one field deeper.
    fn at(
        &mut self,
        field: &str,
        step: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        let length = self.path.len();
        if length != 0 {
            self.path.push('.');
        }
        self.path.push_str(field);
        let result = step(self);
        self.path.truncate(length);
        result
    }

    fn list(
        &mut self,
        target: &mut Vec<Value>,
        patch: &[Value],
        order: Option<&Value>,
    ) -> Result<(), String> {
        let order = match order {
            None => None,
            Some(Value::Array(order)) => Some(order.as_slice()),
            Some(_) => return Err(format!("{ORDER}{} must be a list", self.path)),
        };
        let before = target.clone();
        match self.list_rule(order) {
            ListRule::Atomic => {
                // An order without a list says nothing about a list that is one value.
                if !patch.is_empty() || order.is_none() {
                    *target =
                        patch.iter().filter(|item| !is_directive_only(item)).cloned().collect();
                }
                Ok(())
            }
            ListRule::Set => {
                for item in patch {
                    if !target.contains(item) {
                        target.push(item.clone());
                    }
                }
                if let Some(order) = order {
                    sort(target, &before, order, |a, b| a == b);
                }
                Ok(())
            }
            ListRule::Field(key) => {
                self.keyed_list(target, patch, key)?;
                if let Some(order) = order {
                    sort(target, &before, order, |a, b| {
                        a.get(key).is_some() && a.get(key) == b.get(key)
                    });
                }
                Ok(())
            }
        }
    }

    /// What the kind says, else what the order shows: kubectl lists merge keys there, so a list
    /// that this server's tables do not know is still merged and never cut down to the patch.
    fn list_rule<'a>(&self, order: Option<&'a [Value]>) -> ListRule<'a> {
        match ((self.rule)(&self.path), order.and_then(<[Value]>::first)) {
            (Some(PatchRule::Merge(key) | PatchRule::MergeUnions(key)), _) => ListRule::Field(key),
            (Some(PatchRule::Set), _) => ListRule::Set,
            (Some(PatchRule::Union | PatchRule::Replace), _) => ListRule::Atomic,
            (None, Some(Value::Object(entry))) if entry.len() == 1 => {
                entry.keys().next().map_or(ListRule::Atomic, |key| ListRule::Field(key))
            }
            (None, Some(Value::Object(_)) | None) => ListRule::Atomic,
            (None, Some(_)) => ListRule::Set,
        }
    }

    fn keyed_list(
        &mut self,
        target: &mut Vec<Value>,
        patch: &[Value],
        key: &str,
    ) -> Result<(), String> {
        for item in patch {
            if let Some(item) = item.as_object()
                && matches!(directive(item)?, Directive::Replace)
            {
                target.clear();
            }
        }
        for item in patch {
            let Some(fields) = item.as_object() else {
                return Err(format!("{}: {item} is not an object with {key:?}", self.path));
            };
            let Some(name) = fields.get(key) else {
                if is_directive_only(item) {
                    continue;
                }
                return Err(format!("map: {item} does not contain declared merge key: {key}"));
            };
            let has_name = |item: &Value| item.get(key) == Some(name);
            if matches!(directive(fields)?, Directive::Delete) {
                target.retain(|item| !has_name(item));
                continue;
            }
            let idx = target.iter().position(has_name).unwrap_or_else(|| {
                target.push(Value::Object(Map::new()));
                target.len() - 1
            });
            if let Some(slot) = target[idx].as_object_mut() {
                self.map(slot, fields)?;
            }
        }
        Ok(())
    }
}

enum Directive {
    Merge,
    Replace,
    Delete,
}

fn directive(patch: &Map<String, Value>) -> Result<Directive, String> {
    match patch.get(PATCH).map(|word| word.as_str().unwrap_or("")) {
        None | Some("merge") => Ok(Directive::Merge),
        Some("replace") => Ok(Directive::Replace),
        Some("delete") => Ok(Directive::Delete),
        Some(other) => Err(format!("unknown patch type: {other:?}")),
    }
}

/// Whether an entry of a list is only there for its `$patch`.
fn is_directive_only(item: &Value) -> bool {
    item.as_object().is_some_and(|fields| fields.len() == 1 && fields.contains_key(PATCH))
}

/// Removes the fields that `$retainKeys` does not name.
fn retain(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    kept: &Value,
) -> Result<(), String> {
    let Some(kept) = kept.as_array() else {
        return Err(format!("{RETAIN_KEYS} must be a list of fields"));
    };
    let is_kept = |field: &str| kept.iter().any(|kept| kept.as_str() == Some(field));
    for (field, value) in patch {
        if !field.starts_with('$') && !value.is_null() && !is_kept(field) {
            return Err(format!("{RETAIN_KEYS} must name {field:?}, which the patch sets"));
        }
    }
    target.retain(|field, _| is_kept(field));
    Ok(())
}

/// Brings `items` into `order`. Items that the order does not name (only the server has them)
/// keep their order among each other, and stay before those named ones that they preceded.
fn sort(
    items: &mut Vec<Value>,
    before: &[Value],
    order: &[Value],
    is_same: impl Fn(&Value, &Value) -> bool,
) {
    let place = |list: &[Value], item: &Value| list.iter().position(|other| is_same(other, item));
    let (mut named, unnamed): (Vec<Value>, Vec<Value>) =
        std::mem::take(items).into_iter().partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    let mut named = named.into_iter().peekable();
    for item in unnamed {
        let own = place(before, &item);
        while let Some(next) = named.peek() {
            let next_place = place(before, next);
            if own.is_some() && next_place.is_some() && own < next_place {
                break;
            }
            items.extend(named.next());
        }
        items.push(item);
    }
    items.extend(named);
}

#[cfg(test)]
mod tests;
