//! What WorkloadGroup objects say that nothing acts on. Their entries are made elsewhere, when a proxy connects.

use super::notes::Notes;
use crate::findings::{Code, Finding};
use crate::world::{Key, Kind, World};

/// Notes probes: like Istio's, they are run by the agent beside the workload.
pub(super) fn groups(world: &World, findings: &mut Vec<Finding>) {
    for ((namespace, name), object) in &world.workload_groups {
        let key =
            Key { kind: Kind::WorkloadGroup, namespace: namespace.clone(), name: name.clone() };
        let mut notes = Notes::new(key, &world.settings, findings);
        if object.spec.probe.is_some() {
            let text = "nobody reads it here: an agent of Istio runs the readinessProbe of its own proxy configuration and tells, and lateen's proxy runs none yet";
            notes.note(Code::FieldNotHonoured, "spec.probe", text);
        }
        let template = object.spec.template.as_ref();
        let address = template.and_then(|it| it.address.as_ref());
        if address.is_some_and(|address| !address.is_empty()) {
            let text = "an entry has the address of its own proxy";
            notes.note(Code::FieldNotHonoured, "spec.template.address", text);
        }
    }
}
