//! The mark of a pod template: equal templates have equal marks.

use std::collections::BTreeMap;

use kinds::core::PodTemplateSpec;
use serde_json::Value;

use super::HASH_LABEL;
use crate::seen::plain;

/// Letters that make neither words nor confusion. Spec: `rand.SafeEncodeString`.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The mark of a template, ten letters; another one for each collision counted.
#[must_use]
pub fn hash(template: &PodTemplateSpec, collisions: i32) -> String {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let plain = PodTemplateSpec {
        metadata: Some(plain(template.metadata.as_ref())),
        spec: template.spec.clone(),
    };
    let value = serde_json::to_value(plain).unwrap_or_default();
    feed(sorted(&value).as_bytes());
    feed(&collisions.to_le_bytes());
    let mut text = String::new();
    for _ in 0..10 {
        let count = LETTERS.len() as u64;
        let idx = usize::try_from(state % count).unwrap_or(0);
        text.push(char::from(LETTERS[idx]));
        state /= count;
    }
    text
}

/// JSON with the keys of every object in order.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<&String, &Value> = map.iter().collect();
            let each: Vec<String> =
                ordered.iter().map(|(key, value)| format!("{key:?}:{}", sorted(value))).collect();
            format!("{{{}}}", each.join(","))
        }
        Value::Array(entries) => {
            format!("[{}]", entries.iter().map(sorted).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// The template with its mark as a label.
pub(super) fn marked(template: &PodTemplateSpec, hash: &str) -> PodTemplateSpec {
    let mut template = template.clone();
    let meta = template.metadata.get_or_insert_default();
    meta.creation_timestamp = None;
    meta.labels.get_or_insert_default().insert(HASH_LABEL.to_owned(), hash.to_owned());
    template
}
