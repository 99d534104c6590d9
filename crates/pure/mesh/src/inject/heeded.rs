//! Which annotations of a pod and which settings of a sidecar are obeyed, and what to say of the others.
//!
//! Spec: Istio, "Resource Annotations" and `ProxyConfig` of the mesh.

use std::collections::BTreeMap;

use kinds::words::nearest;
use serde_json::Value;

use super::volumes::{self, USER_VOLUME, USER_VOLUME_MOUNT};

/// Annotations that are obeyed.
const OBEYED: &[&str] = &[
    "istio.io/rev",
    "prometheus.istio.io/merge-metrics",
    CONFIG,
    "readiness.status.sidecar.istio.io/failureThreshold",
    "readiness.status.sidecar.istio.io/initialDelaySeconds",
    "readiness.status.sidecar.istio.io/periodSeconds",
    "sidecar.istio.io/inject",
    "sidecar.istio.io/logLevel",
    "sidecar.istio.io/proxyCPU",
    "sidecar.istio.io/proxyCPULimit",
    "sidecar.istio.io/proxyImage",
    "sidecar.istio.io/proxyMemory",
    "sidecar.istio.io/proxyMemoryLimit",
    "sidecar.istio.io/status",
    USER_VOLUME,
    USER_VOLUME_MOUNT,
    "status.sidecar.istio.io/port",
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "traffic.sidecar.istio.io/includeInboundPorts",
    "traffic.sidecar.istio.io/includeOutboundIPRanges",
    "traffic.sidecar.istio.io/includeOutboundPorts",
];

/// Annotations that are not, each with what holds instead; empty where nothing more can be said.
const LEFT_ASIDE: &[(&str, &str)] = &[
    ("inject.istio.io/templates", "there is one template, the sidecar's"),
    ("istio.io/reroute-virtual-interfaces", ""),
    ("proxy.istio.io/overrides", ""),
    ("readiness.status.sidecar.istio.io/applicationPorts", ""),
    (
        "sidecar.istio.io/agentLogLevel",
        "agent and proxy are one process: use sidecar.istio.io/logLevel",
    ),
    ("sidecar.istio.io/bootstrapOverride", "the sidecar has no bootstrap file"),
    ("sidecar.istio.io/componentLogLevel", "use sidecar.istio.io/logLevel"),
    ("sidecar.istio.io/discoveryAddress", "use discoveryAddress in proxy.istio.io/config"),
    ("sidecar.istio.io/extraStatTags", ""),
    ("sidecar.istio.io/nativeSidecar", "the sidecar is a container like the others"),
    ("sidecar.istio.io/proxyImageType", "there is one type of image"),
    (
        "sidecar.istio.io/rewriteAppHTTPProbers",
        "on one machine probes reach the application past the sidecar",
    ),
    ("sidecar.istio.io/statsCompression", ""),
    ("sidecar.istio.io/statsEvictionInterval", ""),
    ("sidecar.istio.io/statsFlushInterval", ""),
    ("sidecar.istio.io/statsHistogramBins", ""),
    ("sidecar.istio.io/statsHistogramBuckets", ""),
    ("sidecar.istio.io/statsInclusionPrefixes", ""),
    ("sidecar.istio.io/statsInclusionRegexps", ""),
    ("sidecar.istio.io/statsInclusionSuffixes", ""),
    ("traffic.sidecar.istio.io/excludeInterfaces", ""),
    ("traffic.sidecar.istio.io/kubevirtInterfaces", ""),
];

/// The annotation that names how traffic is led to the sidecar.
const INTERCEPTION: &str = "sidecar.istio.io/interceptionMode";

/// The annotation with settings of its own for the sidecar.
const CONFIG: &str = "proxy.istio.io/config";

/// Beginnings of annotations that only Istio makes; what else stands there is a slip of the pen.
const OURS: &[&str] = &[
    "inject.istio.io/",
    "proxy.istio.io/",
    "readiness.status.sidecar.istio.io/",
    "sidecar.istio.io/",
    "status.sidecar.istio.io/",
    "traffic.sidecar.istio.io/",
];

/// Fields of `defaultConfig`, and of the annotation `proxy.istio.io/config`, that a sidecar looks at.
const SETTINGS: &[&str] =
    &["concurrency", "discoveryAddress", "proxyMetadata", "terminationDrainDuration"];

/// Its other fields.
const OTHER_SETTINGS: &[&str] = &[
    "availabilityZone",
    "binaryPath",
    "caCertificatesPem",
    "configPath",
    "connectionSettings",
    "controlPlaneAuthPolicy",
    "customConfigFile",
    "discoveryRefreshDelay",
    "drainDuration",
    "envoyAccessLogService",
    "envoyMetricsService",
    "envoyMetricsServiceAddress",
    "extraStatTags",
    "fileFlushInterval",
    "fileFlushMinSizeKb",
    "gatewayTopology",
    "holdApplicationUntilProxyStarts",
    "image",
    "interceptionMode",
    "meshId",
    "privateKeyProvider",
    "proxyAdminPort",
    "proxyBootstrapTemplatePath",
    "proxyHeaders",
    "proxyStatsMatcher",
    "readinessProbe",
    "runtimeValues",
    "sds",
    "serviceCluster",
    "statNameLength",
    "statsCompression",
    "statsdUdpAddress",
    "statusPort",
    "tracing",
    "tracingServiceName",
    "zipkinAddress",
];

/// What of something does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unheeded {
    /// Where it stands: `metadata.annotations[NAME]` of a pod, or the name of a field of settings.
    pub path: String,
    /// What is wrong with it, in a sentence.
    pub text: String,
    /// There is no such thing at all.
    pub unknown: bool,
}

/// The annotations of a pod that do nothing.
#[must_use]
pub fn unheeded(annotations: &BTreeMap<String, String>) -> Vec<Unheeded> {
    let mut out = Vec::new();
    for (name, value) in annotations {
        let known = LEFT_ASIDE.iter().find(|(known, _)| known == name);
        let place = format!("metadata.annotations[{name}]");
        if name == CONFIG {
            out.extend(of_config(&place, value));
        } else if name == INTERCEPTION {
            out.extend(of_interception(place, value));
        } else if name == USER_VOLUME || name == USER_VOLUME_MOUNT {
            if let Err(why) = volumes::read(value) {
                out.push(Unheeded { path: place, text: why, unknown: true });
            }
        } else if let Some((_, instead)) = known {
            out.push(nothing(place, instead));
        } else if OURS.iter().any(|ours| name.starts_with(ours)) && !OBEYED.contains(&&**name) {
            let others = OBEYED.iter().copied().chain(LEFT_ASIDE.iter().map(|(name, _)| *name));
            let text = no_such("annotation", name, others.chain([INTERCEPTION]));
            out.push(Unheeded { path: place, text, unknown: true });
        }
    }
    out
}

/// The fields of settings that do nothing.
pub(crate) fn unheeded_settings<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Unheeded> {
    let judge = |name: &String| {
        if SETTINGS.contains(&name.as_str()) {
            None
        } else if OTHER_SETTINGS.contains(&name.as_str()) {
            Some(nothing(name.clone(), ""))
        } else {
            let text = no_such("field", name, SETTINGS.iter().chain(OTHER_SETTINGS).copied());
            Some(Unheeded { path: name.clone(), text, unknown: true })
        }
    };
    names.filter_map(judge).collect()
}

fn of_config(place: &str, text: &str) -> Vec<Unheeded> {
    let why = match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Null) => return Vec::new(),
        Ok(Value::Object(fields)) => {
            let mut found = unheeded_settings(fields.keys());
            found.iter_mut().for_each(|one| one.path = format!("{place}.{}", one.path));
            return found;
        }
        Ok(_) => "it is no YAML object".to_owned(),
        Err(why) => format!("it is no YAML: {why}"),
    };
    let text = format!("the sidecar will not start, for {why}");
    vec![Unheeded { path: place.to_owned(), text, unknown: true }]
}

fn of_interception(path: String, value: &str) -> Option<Unheeded> {
    let text = match value {
        "REDIRECT" => return None,
        "TPROXY" | "NONE" => format!("{value} does not work here: traffic is redirected"),
        _ => format!("{value:?} is none of REDIRECT, TPROXY, NONE; traffic is redirected"),
    };
    Some(Unheeded { path, text, unknown: false })
}

fn nothing(path: String, instead: &str) -> Unheeded {
    let text = match instead {
        "" => "it does nothing yet".to_owned(),
        _ => format!("it does nothing: {instead}"),
    };
    Unheeded { path, text, unknown: false }
}

/// That something does not exist, with what may have been meant.
pub(crate) fn no_such<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(near) => format!("there is no such {what}; did you mean {near}?"),
        None => format!("there is no such {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&str, &str)]) -> Vec<(String, bool)> {
        let all = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        unheeded(&all.collect()).into_iter().map(|one| (one.text, one.unknown)).collect()
    }

    #[test]
    fn annotations_that_do_nothing_are_named() {
        for name in OBEYED {
            assert_eq!(said(&[(name, "{}")]), [], "{name}");
        }
        assert_eq!(
            said(&[("example.com/other", "x"), ("sidecar.istio.io/interceptionMode", "REDIRECT")]),
            []
        );
        let table = [
            (
                "sidecar.istio.io/bootstrapOverride",
                "x",
                "it does nothing: the sidecar has no bootstrap file",
            ),
            (
                "sidecar.istio.io/interceptionMode",
                "TPROXY",
                "TPROXY does not work here: traffic is redirected",
            ),
            ("sidecar.istio.io/statsCompression", "gzip", "it does nothing yet"),
        ];
        for (name, value, text) in table {
            assert_eq!(said(&[(name, value)]), [(text.to_owned(), false)]);
        }
        let table = [
            (
                "sidecar.istio.io/proxyCpu",
                "there is no such annotation; did you mean sidecar.istio.io/proxyCPU?",
            ),
            (
                "sidecar.istio.io/loglevel",
                "there is no such annotation; did you mean sidecar.istio.io/logLevel?",
            ),
            ("traffic.sidecar.istio.io/whatever", "there is no such annotation"),
        ];
        for (name, text) in table {
            assert_eq!(said(&[(name, "1")]), [(text.to_owned(), true)]);
        }
    }

    #[test]
    fn settings_in_the_annotation_are_looked_at_too() {
        let config = "concurrency: 2\nholdApplicationUntilProxyStarts: true\nconcurency: 3\n";
        let all = unheeded(&BTreeMap::from([(CONFIG.to_owned(), config.to_owned())]));
        let place = |field: &str| format!("metadata.annotations[proxy.istio.io/config].{field}");
        let found: Vec<_> = all.into_iter().map(|one| (one.path, one.text)).collect();
        assert_eq!(
            found,
            [
                (place("holdApplicationUntilProxyStarts"), "it does nothing yet".to_owned()),
                (
                    place("concurency"),
                    "there is no such field; did you mean concurrency?".to_owned()
                ),
            ]
        );
        assert!(said(&[(CONFIG, "7")])[0].0.contains("no YAML object"));
    }
}
