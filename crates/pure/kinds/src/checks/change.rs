//! Rules of changes: what stays as it was first written.

use objects::Cause;
use serde_json::Value;

use crate::view::{at, entries, find, flag, text};

const IMMUTABLE: &str = "field is immutable";
const POD: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
     `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
     additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set \
     to 1 if it was previously negative)";

fn fixed(old: &Value, new: &Value, path: &str) -> Vec<Cause> {
    if at(old, path) == at(new, path) {
        Vec::new()
    } else {
        vec![Cause::invalid(path, at(new, path), IMMUTABLE)]
    }
}

/// The selector of a kind that keeps pods alive.
pub(crate) fn selector(old: &Value, new: &Value) -> Vec<Cause> {
    fixed(old, new, "spec.selector")
}

/// The template of a Job.
pub(crate) fn job(old: &Value, new: &Value) -> Vec<Cause> {
    fixed(old, new, "spec.template")
}

/// The role of a binding.
pub(crate) fn role(old: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = fixed(old, new, "roleRef");
    for cause in &mut causes {
        cause.message = cause.message.replace(IMMUTABLE, "cannot change roleRef");
    }
    causes
}

/// Everything of a pod but its images, deadline and tolerations; and it is bound only once.
pub(crate) fn pod(old: &Value, new: &Value) -> Vec<Cause> {
    let rest = |object: &Value| {
        let mut spec = at(object, "spec").clone();
        for list in ["containers", "initContainers"] {
            for container in entries(&mut spec, list) {
                if let Some(image) = find(container, "image") {
                    *image = Value::Null;
                }
            }
        }
        if let Some(spec) = spec.as_object_mut() {
            for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
                spec.shift_remove(field);
            }
            if text(old, "spec.nodeName").is_empty() {
                spec.shift_remove("nodeName");
            }
        }
        spec
    };
    if rest(old) == rest(new) { Vec::new() } else { vec![Cause::forbidden("spec", POD)] }
}

/// The address of a service, once it has one.
pub(crate) fn service(old: &Value, new: &Value) -> Vec<Cause> {
    let (before, after) = (text(old, "spec.clusterIP"), text(new, "spec.clusterIP"));
    let named = |object| text(object, "spec.type") == "ExternalName";
    if before == after || before.is_empty() || named(old) || named(new) {
        return Vec::new();
    }
    let shown = at(new, "spec.clusterIPs").clone();
    vec![Cause::invalid("spec.clusterIPs[0]", &shown, "may not change once set")]
}

/// A ConfigMap or a Secret that was declared immutable; and the type of a Secret.
pub(crate) fn configuration(old: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = fixed(old, new, "type");
    if flag(old, "immutable") {
        const DETAIL: &str = "field is immutable when `immutable` is set";
        for field in ["immutable", "data", "binaryData"] {
            if at(old, field) != at(new, field) {
                causes.push(Cause::forbidden(field, DETAIL));
            }
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_may_change_its_image_and_be_bound_once() {
        let old = json!({"spec": {"containers": [{"name": "a", "image": "1"}]}});
        let mut new = old.clone();
        new["spec"]["containers"][0]["image"] = "2".into();
        new["spec"]["nodeName"] = "lateen".into();
        assert!(pod(&old, &new).is_empty());
        let mut moved = new.clone();
        moved["spec"]["nodeName"] = "other".into();
        assert_eq!(pod(&new, &moved)[0].field, "spec");
        moved["spec"]["nodeName"] = "lateen".into();
        moved["spec"]["containers"][0]["name"] = "b".into();
        assert_eq!(pod(&new, &moved).len(), 1);
    }

    #[test]
    fn an_address_stays() {
        let service_of = |ip: &str| json!({"spec": {"clusterIP": ip, "type": "ClusterIP"}});
        assert!(service(&service_of(""), &service_of("10.96.0.5")).is_empty());
        assert_eq!(service(&service_of("10.96.0.5"), &service_of("10.96.0.6")).len(), 1);
    }
}
