//! What ProxyConfig objects say that nothing acts on.

use super::notes::Notes;
use super::registry::{by_age, created};
use crate::findings::{Code, Finding};
use crate::world::{Key, Kind, World};

/// Notes what has no effect on the sidecars that are injected.
pub(super) fn proxies(world: &World, findings: &mut Vec<Finding>) {
    let mut seen = Vec::new();
    let mut objects: Vec<_> = world.proxy_configs.iter().collect();
    objects.sort_by_cached_key(|((namespace, name), object)| {
        by_age(&created(&object.metadata), name, namespace)
    });
    for ((namespace, name), object) in objects {
        let key = Key { kind: Kind::ProxyConfig, namespace: namespace.clone(), name: name.clone() };
        let mut notes = Notes::new(key, &world.settings, findings);
        let image = object.spec.image.as_ref().and_then(|image| image.image_type.as_ref());
        notes.ignored(image.is_some_and(|word| !word.is_empty()), "spec.image.imageType");
        let selector = object.spec.selector.as_ref().map(|one| one.match_labels.clone());
        let level = (namespace, selector.unwrap_or_default());
        if let Some((_, older)) = seen.iter().find(|(other, _)| *other == level) {
            let text = format!("{older} is older and for the same workloads, and it alone is used");
            notes.note(Code::FieldNotHonoured, "spec", text);
        } else {
            seen.push((level, name));
        }
    }
}
