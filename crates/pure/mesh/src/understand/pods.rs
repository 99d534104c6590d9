//! What pods ask of their sidecars and do not get.

use std::collections::BTreeSet;

use super::notes::Notes;
use crate::findings::{Code, Finding};
use crate::world::{Key, Kind, World};

/// Notes annotations that do nothing, at the first pod of each workload: the others have the same template.
pub(super) fn pods(world: &World, findings: &mut Vec<Finding>) {
    let mut said = BTreeSet::new();
    for ((namespace, name), pod) in &world.pods {
        if pod.unheeded.is_empty() || !said.insert((namespace, &pod.workload.owner)) {
            continue;
        }
        let key = Key { kind: Kind::Pod, namespace: namespace.clone(), name: name.clone() };
        let mut notes = Notes::new(key, &world.settings, findings);
        for one in &pod.unheeded {
            let code =
                if one.unknown { Code::SchemaValidationError } else { Code::FieldNotHonoured };
            notes.note(code, &one.path, one.text.clone());
        }
    }
}
