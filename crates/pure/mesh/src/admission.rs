//! What can be said about an object in the moment it is applied.

use serde_json::Value;

use crate::findings::Finding;
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
