//! What can be said about an object in the moment it is applied.

use serde_json::Value;

use crate::findings::{Code, Finding};
use crate::inject::{self, heeded};
use crate::understand::understand;
use crate::world::{Key, World};

/// What this object alone, or an object that exists, proves wrong. Never what may mend itself when
/// another object arrives: correct files, applied in any order, give nothing here.
#[must_use]
pub fn admission(object: &Value, world: &World) -> Vec<Finding> {
    let Some(key) = Key::of(object) else { return Vec::new() };
    let mut then = world.clone();
    then.upsert(object);
    let (_, mut findings) = understand(&then);
    findings.retain(|finding| finding.object == key && !finding.waits());
    findings
}

/// What is wrong with the wishes that the template of a workload (a Deployment and its like) has for the sidecars of its
/// pods, each in the form of [`Finding::at_apply`]. `namespace` is the Namespace object, `revision` ours.
#[must_use]
pub fn admission_of_template(object: &Value, namespace: &Value, revision: &str) -> Vec<String> {
    let Some(template) = object.pointer("/spec/template") else { return Vec::new() };
    if !inject::wanted(template, namespace, revision) {
        return Vec::new();
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let whose = format!(
        "{} {}/{}",
        text("/kind"),
        namespace.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("default"),
        text("/metadata/name")
    );
    let annotations = inject::annotations(template);
    let said = heeded::unheeded(&annotations).into_iter().map(|one| {
        let code = if one.unknown { Code::SchemaValidationError } else { Code::FieldNotHonoured };
        format!("[{}] ({whose}) spec.template.{}: {}", code.row().id, one.path, one.text)
    });
    said.collect()
}
