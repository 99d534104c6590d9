//! The ConfigMap `istio` to the defaults of the mesh.

use kinds::istio;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use xds::accesslog::format;

use super::notes::Notes;
use crate::findings::{Code, Finding};
use crate::inject::heeded;
use crate::model::MeshConfig;
use crate::world::{Key, Kind, MESH_CONFIG, World};

/// Where in the object the document stands.
const PATH: &str = "data.mesh";

/// The defaults that the ConfigMap of the root namespace states.
pub(super) fn mesh_config(world: &World, findings: &mut Vec<Finding>) -> MeshConfig {
    let name = (world.settings.root_namespace.clone(), MESH_CONFIG.to_owned());
    let mut config = MeshConfig::default();
    let Some(object) = world.configs.get(&name) else { return config };
    let key = Key { kind: Kind::ConfigMap, namespace: name.0, name: name.1 };
    let mut notes = Notes::new(key, &world.settings, findings);
    let text = object.data.as_ref().and_then(|data| data.get("mesh"));
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return config };
    let fields = match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(Value::Null) => return config,
        Ok(_) => {
            notes.wrong(PATH, "it is no YAML object, so the built-in defaults hold");
            return config;
        }
        Err(why) => {
            notes.wrong(PATH, format!("it is no YAML, so the built-in defaults hold: {why}"));
            return config;
        }
    };
    for (name, value) in &fields {
        field(&mut notes, &mut config, name, value);
    }
    let written = config.log.format.as_deref();
    if let Some(Err(why)) = written.map(|text| readable(text, config.log.json)) {
        let text = format!("{why}; no proxy could read it, so Istio's own format holds");
        notes.wrong(&format!("{PATH}: accessLogFormat"), text);
        config.log.format = None;
    }
    config
}

/// Whether proxies can read a format: one that they refuse would cost them every listener.
fn readable(text: &str, is_json: bool) -> Result<(), String> {
    if !is_json {
        return format::check(text);
    }
    let fields = serde_json::from_str::<Map<String, Value>>(text);
    let fields = fields.map_err(|why| format!("it is no JSON object: {why}"))?;
    fields.values().try_for_each(readable_value)
}

fn readable_value(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) => format::check(text),
        Value::Array(values) => values.iter().try_for_each(readable_value),
        Value::Object(fields) => fields.values().try_for_each(readable_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn field(notes: &mut Notes<'_>, config: &mut MeshConfig, name: &str, value: &Value) {
    let path = format!("{PATH}: {name}");
    let text = || value.as_str().map(str::to_owned);
    match name {
        "outboundTrafficPolicy" => {
            let mode = value.get("mode").and_then(Value::as_str).unwrap_or("REGISTRY_ONLY");
            match mode {
                "ALLOW_ANY" => config.allow_any = Some(true),
                "REGISTRY_ONLY" => config.allow_any = Some(false),
                _ => drop(notes.wrong(&path, format!("{mode:?} is no mode"))),
            }
            notes.ignored(value.get("tls").is_some(), &format!("{path}.tls"));
        }
        "localityLbSetting" => {
            let rules = read::<istio::LocalityLoadBalancer>(notes, &path, value);
            config.locality = rules.map(|rules| notes.locality(&path, &rules));
        }
        "connectTimeout" => {
            let time = notes.duration(&path, text().as_ref());
            config.connect_timeout = time.filter(|time| !time.is_zero());
        }
        "tcpKeepalive" => {
            let written = read::<istio::TcpKeepalive>(notes, &path, value);
            config.keepalive = written.map(|written| notes.keepalive(&path, &written));
        }
        "defaultHttpRetryPolicy" => {
            let written = read::<istio::Retries>(notes, &path, value);
            config.retry = written.map(|written| notes.retry(&path, &written));
        }
        "defaultConfig" => default_config(notes, &path, value),
        "h2UpgradePolicy" => config.upgrade_to_http2 = value == "UPGRADE",
        "protocolDetectionTimeout" => config.detection = notes.duration(&path, text().as_ref()),
        "dnsRefreshRate" => {
            let time = notes.duration(&path, text().as_ref());
            config.dns_refresh = time.filter(|time| !time.is_zero());
        }
        "accessLogFile" => config.log.file = text().filter(|file| !file.is_empty()),
        "accessLogFormat" => config.log.format = text().filter(|format| !format.is_empty()),
        "accessLogEncoding" => match value.as_str() {
            Some("TEXT") => config.log.json = false,
            Some("JSON") => config.log.json = true,
            _ => drop(notes.wrong(&path, format!("{value} is neither TEXT nor JSON"))),
        },
        "disableEnvoyListenerLog" => config.log.of_connections = *value != Value::Bool(true),
        "enableAutoMtls" => config.no_auto_mtls = *value == Value::Bool(false),
        "trustDomain" => config.trust_domain = text().filter(|text| !text.is_empty()),
        "trustDomainAliases" => config.trust_domain_aliases = words(value),
        "defaultServiceExportTo" => config.export_services = words(value),
        "defaultVirtualServiceExportTo" => config.export_routings = words(value),
        "defaultDestinationRuleExportTo" => config.export_policies = words(value),
        _ if is_evident(notes, name, value) => {}
        _ if OTHER_FIELDS.contains(&name) => notes.ignored(true, &path),
        _ => {
            let known = FIELDS.iter().chain(OTHER_FIELDS).copied();
            notes.wrong(&path, heeded::no_such("field", name, known));
        }
    }
}

/// Fields that are obeyed.
const FIELDS: &[&str] = &[
    "accessLogEncoding",
    "accessLogFile",
    "accessLogFormat",
    "connectTimeout",
    "defaultConfig",
    "defaultDestinationRuleExportTo",
    "defaultHttpRetryPolicy",
    "defaultServiceExportTo",
    "defaultVirtualServiceExportTo",
    "disableEnvoyListenerLog",
    "dnsRefreshRate",
    "enableAutoMtls",
    "h2UpgradePolicy",
    "localityLbSetting",
    "outboundTrafficPolicy",
    "protocolDetectionTimeout",
    "tcpKeepalive",
    "trustDomain",
    "trustDomainAliases",
];

/// Istio's other fields. Spec: Istio, `MeshConfig`.
const OTHER_FIELDS: &[&str] = &[
    "ca",
    "caCertificates",
    "certificates",
    "configSources",
    "defaultProviders",
    "defaultTrafficPolicy",
    "discoverySelectors",
    "enableEnvoyAccessLogService",
    "enablePrometheusMerge",
    "enableTracing",
    "extensionProviders",
    "hboneIdleTimeout",
    "inboundClusterStatName",
    "inboundTrafficPolicy",
    "ingressClass",
    "ingressControllerMode",
    "ingressSelector",
    "ingressService",
    "meshMTLS",
    "outboundClusterStatName",
    "pathNormalization",
    "proxyHttpPort",
    "proxyInboundListenPort",
    "proxyListenPort",
    "rootNamespace",
    "serviceEntryVisibility",
    "serviceScopeConfigs",
    "serviceSettings",
    "tlsDefaults",
    "verifyCertificateAtClient",
    "zoneAwareLbSetting",
];

/// Notes settings of sidecars that nothing looks at.
fn default_config(notes: &mut Notes<'_>, path: &str, value: &Value) {
    for one in heeded::unheeded_settings(value.as_object().into_iter().flat_map(Map::keys)) {
        let code = if one.unknown { Code::SchemaValidationError } else { Code::FieldNotHonoured };
        notes.note(code, &format!("{path}.{}", one.path), one.text);
    }
}

/// Whether the field says what holds anyway.
fn is_evident(notes: &Notes<'_>, name: &str, value: &Value) -> bool {
    let empty = matches!(value, Value::Null) || value.as_object().is_some_and(Map::is_empty);
    empty
        || match name {
            "rootNamespace" => value == notes.settings.root_namespace.as_str(),
            "enableTracing" => *value == Value::Bool(true),
            _ => false,
        }
}

fn words(value: &Value) -> Vec<String> {
    let words = value.as_array().into_iter().flatten();
    words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

fn read<T: DeserializeOwned>(notes: &mut Notes<'_>, path: &str, value: &Value) -> Option<T> {
    match serde_json::from_value(value.clone()) {
        Ok(read) => Some(read),
        Err(why) => {
            notes.wrong(path, format!("it cannot be read: {why}"));
            None
        }
    }
}
