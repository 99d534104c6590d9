//! How a sidecar runs: the mesh's defaults, ProxyConfig objects, and the pod's own annotation, one over the other.
//!
//! Spec: Istio, `ProxyConfig` (networking.istio.io/v1beta1), and `defaultConfig` of the mesh.

use std::collections::BTreeMap;

use kinds::istio::ProxyConfigSpec;
use serde_json::{Map, Value, json};

use crate::model::registry::contains;
use crate::world::{MESH_CONFIG, World};

/// Settings by the names that `defaultConfig` has for them.
pub type Settings = Map<String, Value>;

/// What holds for the sidecar of a pod of this namespace before its own annotation speaks.
///
/// Of several ProxyConfig objects of one level the oldest counts; a narrower level goes over a wider one: the root
/// namespace, then the pod's namespace, then objects that select the pod.
#[must_use]
pub fn settings(world: &World, namespace: &str, pod: &Value) -> Settings {
    let root = world.settings.root_namespace.clone();
    let mut settings = defaults(world, &root);
    let labels = super::pod::text_map(pod.pointer("/metadata/labels"));
    for (place, selects) in [(root.as_str(), false), (namespace, false), (namespace, true)] {
        if let Some(spec) = oldest(world, place, &labels, selects) {
            put_over(&mut settings, of_spec(spec));
        }
    }
    settings
}

/// `defaultConfig` of the mesh.
fn defaults(world: &World, root: &str) -> Settings {
    let object = world.configs.get(&(root.to_owned(), MESH_CONFIG.to_owned()));
    let text = object.and_then(|object| object.data.as_ref()?.get("mesh"));
    let mesh: Option<Value> = text.and_then(|text| serde_saphyr::from_str(text).ok());
    let config = mesh.as_ref().and_then(|mesh| mesh.get("defaultConfig")?.as_object());
    config.cloned().unwrap_or_default()
}

fn oldest<'a>(
    world: &'a World,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    selects: bool,
) -> Option<&'a ProxyConfigSpec> {
    let of_level = world.proxy_configs.iter().filter(|((own, _), object)| {
        let wanted = object.spec.selector.as_ref().map(|one| &one.match_labels);
        let wanted = wanted.filter(|wanted| !wanted.is_empty());
        own == namespace
            && match wanted {
                None => !selects,
                Some(wanted) => selects && contains(labels, wanted),
            }
    });
    of_level
        .min_by_key(|((_, name), object)| {
            (crate::understand::created(&object.metadata), name.clone())
        })
        .map(|(_, object)| &object.spec)
}

fn of_spec(spec: &ProxyConfigSpec) -> Settings {
    let mut settings = Settings::new();
    if let Some(threads) = spec.concurrency {
        settings.insert("concurrency".to_owned(), threads.into());
    }
    if !spec.environment_variables.is_empty() {
        settings.insert("proxyMetadata".to_owned(), json!(spec.environment_variables));
    }
    settings
}

/// Puts settings over others; of environment variables each stays that the narrower level does not name.
pub(super) fn put_over(settings: &mut Settings, over: Settings) {
    for (name, value) in over {
        match (settings.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) if name == "proxyMetadata" => {
                old.extend(new);
            }
            (_, value) => {
                settings.insert(name, value);
            }
        }
    }
}
