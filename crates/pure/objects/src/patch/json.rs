//! JSON patches: RFC 6902.

use serde_json::Value;

/// The most operations in one patch: Kubernetes' own limit.
const MAX_OPERATIONS: usize = 10_000;
/// The most bytes that one patch may copy: a few copies of copies would fill the memory.
const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;
/// How deep a document may become: as deep as the JSON reader reads. Deeper ones would overflow
/// the stack of whoever walks them.
const MAX_DEPTH: usize = 128;

/// Applies a patch. On an error `object` may be half changed.
///
/// # Errors
/// A sentence that says which operation does not apply, and why.
pub fn apply(object: &mut Value, patch: &Value) -> Result<(), String> {
    let Some(operations) = patch.as_array() else {
        return Err("a JSON patch must be a list of operations".to_owned());
    };
    if MAX_OPERATIONS < operations.len() {
        return Err(format!(
            "the allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            operations.len()
        ));
    }
    let mut copied_bytes = 0;
    operations.iter().try_for_each(|operation| step(object, operation, &mut copied_bytes))
}

fn step(object: &mut Value, operation: &Value, copied_bytes: &mut usize) -> Result<(), String> {
    let word = |field: &str| operation.get(field).and_then(Value::as_str);
    let op = word("op").ok_or("operation has no \"op\"")?;
    let path = word("path").ok_or_else(|| format!("{op} operation has no \"path\""))?;
    let value = || {
        operation.get("value").cloned().ok_or_else(|| format!("{op} operation has no \"value\""))
    };
    let from = || word("from").ok_or_else(|| format!("{op} operation has no \"from\""));
    let fails = |why: String| format!("{op} operation does not apply: {why}");
    match op {
        "add" => add(object, path, value()?).map_err(fails),
        "remove" => remove(object, path).map(drop).map_err(fails),
        "replace" => {
            let new = value()?;
            *at(object, path).map_err(fails)? = new;
            Ok(())
        }
        "move" => {
            let from = from()?;
            if path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
                return Err(fails(format!("{from:?} cannot move into itself")));
            }
            let moved = remove(object, from).map_err(fails)?;
            add(object, path, moved).map_err(fails)
        }
        "copy" => {
            let copied = at(object, from()?).map_err(fails)?.clone();
            *copied_bytes += copied.to_string().len();
            if MAX_COPIED_BYTES < *copied_bytes {
                return Err(fails(format!("more than {MAX_COPIED_BYTES} bytes are copied")));
            }
            add(object, path, copied).map_err(fails)
        }
        "test" => {
            let wanted = operation.get("value").unwrap_or(&Value::Null);
            match at(object, path) {
                Ok(found) if found == wanted => Ok(()),
                // A field that is not there equals null, as in the library that Kubernetes uses.
                Err(_) if wanted.is_null() => Ok(()),
                _ => Err(format!("testing value {path} failed: test failed")),
            }
        }
        other => Err(format!("Unexpected kind: {other}")),
    }
}

fn add(object: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if !is_shallow(&value, MAX_DEPTH.saturating_sub(path.matches('/').count())) {
        return Err(format!("the document would be more than {MAX_DEPTH} levels deep"));
    }
    let Some((parent, last)) = split(path)? else {
        *object = value;
        return Ok(());
    };
    match at(object, parent)? {
        Value::Object(fields) => {
            fields.insert(last, value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let idx = index(&last).filter(|idx| *idx <= items.len());
            let idx = idx.ok_or_else(|| no_such_index(path, &last))?;
            items.insert(idx, value);
        }
        _ => return Err(missing(path)),
    }
    Ok(())
}

fn remove(object: &mut Value, path: &str) -> Result<Value, String> {
    let Some((parent, last)) = split(path)? else {
        return Err("the whole document cannot be removed".to_owned());
    };
    match at(object, parent)? {
        Value::Object(fields) => fields.shift_remove(&last).ok_or_else(|| missing(path)),
        Value::Array(items) => {
            let idx = index(&last).filter(|idx| *idx < items.len());
            Ok(items.remove(idx.ok_or_else(|| no_such_index(path, &last))?))
        }
        _ => Err(missing(path)),
    }
}

/// Whether a value has at most this many levels.
fn is_shallow(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|item| is_shallow(item, below)),
        Value::Object(fields) => fields.values().all(|field| is_shallow(field, below)),
        _ => true,
    }
}

/// The value at a pointer.
fn at<'a>(object: &'a mut Value, path: &str) -> Result<&'a mut Value, String> {
    if !path.is_empty() && !path.starts_with('/') {
        return Err(format!("path {path:?} does not begin with \"/\""));
    }
    object.pointer_mut(path).ok_or_else(|| missing(path))
}

/// The pointer of the parent, and the last token; `None` for the whole document.
fn split(path: &str) -> Result<Option<(&str, String)>, String> {
    match path.rsplit_once('/') {
        Some((parent, last)) => Ok(Some((parent, last.replace("~1", "/").replace("~0", "~")))),
        None if path.is_empty() => Ok(None),
        None => Err(format!("path {path:?} does not begin with \"/\"")),
    }
}

/// An index without sign and without leading zeros (RFC 6901, section 4).
fn index(token: &str) -> Option<usize> {
    let is_plain = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| is_plain)
}

fn missing(path: &str) -> String {
    format!("doc is missing path: {path:?}: missing value")
}

fn no_such_index(path: &str, token: &str) -> String {
    format!("doc is missing path: {path:?}: invalid index referenced: {token}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_that_apply() {
        for (object, patch, expected) in [
            (json!({"a":1}), json!([{"op":"add","path":"/b","value":2}]), json!({"a":1,"b":2})),
            (json!({"a":1}), json!([{"op":"add","path":"/a","value":2}]), json!({"a":2})),
            (json!([1, 3]), json!([{"op":"add","path":"/1","value":2}]), json!([1, 2, 3])),
            (json!([1]), json!([{"op":"add","path":"/-","value":2}]), json!([1, 2])),
            (json!([1]), json!([{"op":"add","path":"/1","value":2}]), json!([1, 2])),
            (json!({"a":1}), json!([{"op":"add","path":"","value":{}}]), json!({})),
            (json!({"a":1,"b":2}), json!([{"op":"remove","path":"/a"}]), json!({"b":2})),
            (json!({"a":[1,2]}), json!([{"op":"remove","path":"/a/0"}]), json!({"a":[2]})),
            (json!({"a":1}), json!([{"op":"replace","path":"/a","value":2}]), json!({"a":2})),
            (
                json!({"a":{"b":1},"c":{}}),
                json!([{"op":"move","from":"/a/b","path":"/c/d"}]),
                json!({"a":{},"c":{"d":1}}),
            ),
            (
                json!({"a":[1,2,3]}),
                json!([{"op":"move","from":"/a/0","path":"/a/2"}]),
                json!({"a":[2,3,1]}),
            ),
            (json!({"a":1}), json!([{"op":"copy","from":"/a","path":"/b"}]), json!({"a":1,"b":1})),
            (json!({"a/b":1}), json!([{"op":"remove","path":"/a~1b"}]), json!({})),
            (json!({"a~b":1}), json!([{"op":"remove","path":"/a~0b"}]), json!({})),
            (json!({"a":1}), json!([{"op":"test","path":"/a","value":1}]), json!({"a":1})),
            (json!({}), json!([{"op":"test","path":"/a","value":null}]), json!({})),
        ] {
            let mut result = object.clone();
            apply(&mut result, &patch).unwrap();
            assert_eq!(result, expected, "{object} + {patch}");
        }
    }

    #[test]
    fn patches_that_grow_without_end_are_refused() {
        let copies = ["/a", "/b"].map(|path| json!({"op": "copy", "from": "", "path": path}));
        let copies: Vec<Value> = copies.iter().cycle().take(40).cloned().collect();
        let mut object = json!({"text": "x".repeat(1000)});
        let error = apply(&mut object, &copies.into()).unwrap_err();
        assert!(error.contains("bytes are copied"), "{error}");
        let deeper = json!([
            {"op": "add", "path": "/b", "value": {}},
            {"op": "move", "from": "/a", "path": "/b/a"},
            {"op": "move", "from": "/b", "path": "/a"},
        ]);
        let mut object = json!({"a": {}});
        let errors = (0..200).filter_map(|_| apply(&mut object, &deeper).err()).next();
        assert!(errors.unwrap().contains("more than 128 levels deep"));
    }

    #[test]
    fn operations_that_do_not_apply() {
        for (patch, why) in [
            (json!({}), "a JSON patch must be a list"),
            (json!([{"path":"/a"}]), "operation has no \"op\""),
            (json!([{"op":"add","path":"/a"}]), "has no \"value\""),
            (
                json!([{"op":"remove","path":"/x"}]),
                "remove operation does not apply: doc is missing path: \"/x\"",
            ),
            (json!([{"op":"replace","path":"/x","value":1}]), "replace operation does not apply"),
            (json!([{"op":"add","path":"/x/y","value":1}]), "add operation does not apply"),
            (json!([{"op":"add","path":"/l/9","value":1}]), "invalid index referenced: 9"),
            (json!([{"op":"add","path":"/l/01","value":1}]), "invalid index referenced: 01"),
            (json!([{"op":"remove","path":"/l/-"}]), "invalid index referenced: -"),
            (json!([{"op":"test","path":"/a","value":2}]), "testing value /a failed: test failed"),
            (json!([{"op":"move","from":"/o","path":"/o/p"}]), "cannot move into itself"),
            (json!([{"op":"jump","path":"/a"}]), "Unexpected kind: jump"),
            (json!([{"op":"remove","path":"a"}]), "does not begin with"),
        ] {
            let mut object = json!({"a": 1, "l": [1], "o": {}});
            let error = apply(&mut object, &patch).unwrap_err();
            assert!(error.contains(why), "{patch}: {error}");
        }
    }
}
