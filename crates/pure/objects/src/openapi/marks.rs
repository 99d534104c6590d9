//! The marks by which kubectl makes strategic merge patches of lists: without them it takes an
//! entry that left a file for one that somebody else added, and leaves it in the object.
//!
//! A mark belongs to the place and not to what stands there: it stays beside a reference.
//!
//! Spec: `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key` of Kubernetes' documents.

use serde_json::{Map, Value};

use crate::resource::Resource;

const STRATEGY: &str = "x-kubernetes-patch-strategy";
const MERGE_KEY: &str = "x-kubernetes-patch-merge-key";

/// Whether a field of a schema is one of the marks.
pub(super) fn is_mark(field: &str) -> bool {
    field == STRATEGY || field == MERGE_KEY
}

/// Marks the fields of the schema of one kind as its rules say.
pub(super) fn mark(schema: &mut Value, resource: &Resource) {
    if resource.strategic {
        mark_below(schema, resource, "");
    }
}

fn mark_below(schema: &mut Value, resource: &Resource, path: &str) {
    if let Some(items) = schema.get_mut("items") {
        mark_below(items, resource, path);
    }
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for (field, property) in properties {
        let path = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
        if let (Some(rule), Some(property)) = (resource.patch_rule(&path), property.as_object_mut())
        {
            set(property, STRATEGY, rule.strategy());
            if let Some(key) = rule.merge_key() {
                set(property, MERGE_KEY, key);
            }
        }
        mark_below(property, resource, &path);
    }
}

fn set(property: &mut Map<String, Value>, field: &str, word: &str) {
    property.insert(field.to_owned(), word.into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::PatchRule;

    const RESOURCE: Resource = Resource {
        patch_rules: |path| match path {
            "spec.parts" => Some(PatchRule::MergeUnions("name")),
            "spec.parts.words" => Some(PatchRule::Set),
            "spec.way" => Some(PatchRule::Union),
            _ => None,
        },
        ..Resource::BLANK
    };

    fn schema() -> Value {
        let words = json!({"type": "array", "items": {"type": "string"}});
        let part = json!({"type": "object", "properties": {"words": words, "others": words}});
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "parts": {"type": "array", "items": part},
            "way": {"type": "object", "properties": {"words": words}},
        }}}})
    }

    #[test]
    fn fields_are_marked_at_any_depth_and_no_others() {
        let mut marked = schema();
        mark(&mut marked, &RESOURCE);
        let spec = &marked["properties"]["spec"]["properties"];
        assert_eq!(spec["parts"][STRATEGY], "merge,retainKeys");
        assert_eq!(spec["parts"][MERGE_KEY], "name");
        let part = &spec["parts"]["items"]["properties"];
        assert_eq!(part["words"][STRATEGY], "merge");
        assert_eq!(part["words"].get(MERGE_KEY), None);
        assert_eq!(part["others"].get(STRATEGY), None);
        assert_eq!(spec["way"][STRATEGY], "retainKeys");
        assert_eq!(spec["way"]["properties"]["words"].get(STRATEGY), None);
    }

    #[test]
    fn a_kind_without_strategic_patches_has_no_marks() {
        let mut marked = schema();
        mark(&mut marked, &Resource { strategic: false, ..RESOURCE });
        assert_eq!(marked, schema());
    }
}
