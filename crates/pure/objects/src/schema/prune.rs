//! Removal of the fields that a schema does not know.

use serde_json::Value;

use crate::schema::Node;

pub(super) fn prune(root: &Node, object: &mut Value) -> Vec<String> {
    let mut walk = Walk { path: String::new(), unknown: Vec::new() };
    walk.value(root, object);
    walk.unknown
}

struct Walk {
    path: String,
    unknown: Vec<String>,
}

impl Walk {
    fn value(&mut self, node: &Node, value: &mut Value) {
        let length = self.path.len();
        match value {
            Value::Object(fields) => {
                let mut n_kept = fields.len();
                for (name, value) in fields.iter_mut() {
                    if length != 0 {
                        self.path.push('.');
                    }
                    self.path.push_str(name);
                    match node.field(name) {
                        Err(()) => {
                            self.unknown.push(self.path.clone());
                            n_kept -= 1;
                        }
                        Ok(Some(node)) if value.is_null() => {
                            n_kept -= usize::from(!node.may_be_null());
                        }
                        Ok(Some(node)) => self.value(node, value),
                        Ok(None) => {}
                    }
                    self.path.truncate(length);
                }
                if n_kept != fields.len() {
                    fields.retain(|name, value| match node.field(name) {
                        Err(()) => false,
                        Ok(Some(node)) => !value.is_null() || node.may_be_null(),
                        Ok(None) => true,
                    });
                }
            }
            Value::Array(items) => {
                let Some(node) = node.items() else { return };
                for (idx, item) in items.iter_mut().enumerate() {
                    if item.is_object() || item.is_array() {
                        self.path.push_str(&format!("[{idx}]"));
                        self.value(node, item);
                        self.path.truncate(length);
                    }
                }
            }
            _ => {}
        }
    }
}
