//! The table of all kinds that are served.

use objects::{NameRule, Resource};
use serde_json::Value;

use crate::view::{at, text};
use crate::{checks, columns, core, defaults, merge, schema};

mod apps;
mod istio;
mod plain;
mod select;

/// Every kind that is served, as the store and the server need to know it.
///
/// Virtual kinds (reviews of tokens and access, discovery) are not here: they are never stored.
#[must_use]
pub fn resources() -> &'static [Resource] {
    static ALL: std::sync::LazyLock<Vec<Resource>> =
        std::sync::LazyLock::new(|| [CORE, apps::APPS, istio::ISTIO, plain::PLAIN].concat());
    &ALL
}

/// Seconds that a pod has to end in peace: none where nothing runs, before a node has it and
/// after its containers have ended.
fn pod_grace(pod: &Value) -> Option<u64> {
    let at_rest = matches!(text(pod, "status.phase"), "Succeeded" | "Failed");
    if at_rest || text(pod, "spec.nodeName").is_empty() {
        return Some(0);
    }
    Some(at(pod, "spec.terminationGracePeriodSeconds").as_u64().unwrap_or(30))
}

const CORE: &[Resource] = &[
    Resource {
        kind: "Namespace",
        plural: "namespaces",
        singular: "namespace",
        short_names: &["ns"],
        namespaced: false,
        verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
        subresources: &["finalize", "status"],
        columns: columns::cluster::NAMESPACE,
        schema: schema::of::<core::Namespace>,
        defaults: defaults::namespace,
        selectable: select::namespace,
        patch_rules: merge::common,
        name_rule: NameRule::Label,
        ..Resource::BLANK
    },
    Resource {
        kind: "Pod",
        plural: "pods",
        singular: "pod",
        short_names: &["po"],
        categories: &["all"],
        subresources: &[
            "attach",
            "binding",
            "eviction",
            "exec",
            "log",
            "portforward",
            "proxy",
            "status",
        ],
        columns: columns::pod::POD,
        schema: schema::of::<core::Pod>,
        defaults: defaults::pod::pod,
        check: checks::pod::pod,
        check_change: checks::change::pod,
        selectable: select::pod,
        patch_rules: merge::pod,
        generation: true,
        grace: pod_grace,
        ..Resource::BLANK
    },
    Resource {
        kind: "Service",
        plural: "services",
        singular: "service",
        short_names: &["svc"],
        categories: &["all"],
        subresources: &["proxy", "status"],
        columns: columns::network::SERVICE,
        schema: schema::of::<core::Service>,
        defaults: defaults::service,
        check: checks::service::service,
        check_change: checks::change::service,
        selectable: select::service,
        patch_rules: merge::service,
        name_rule: NameRule::Label1035,
        ..Resource::BLANK
    },
    Resource {
        kind: "Endpoints",
        plural: "endpoints",
        singular: "endpoints",
        short_names: &["ep"],
        columns: columns::network::ENDPOINTS,
        schema: schema::of::<core::Endpoints>,
        defaults: defaults::endpoints,
        check: checks::service::endpoints,
        ..Resource::BLANK
    },
    Resource {
        group: "discovery.k8s.io",
        kind: "EndpointSlice",
        plural: "endpointslices",
        singular: "endpointslice",
        columns: columns::network::ENDPOINT_SLICE,
        schema: schema::of::<core::EndpointSlice>,
        defaults: defaults::endpoint_slice,
        check: checks::service::endpoint_slice,
        generation: true,
        ..Resource::BLANK
    },
    Resource {
        kind: "ConfigMap",
        plural: "configmaps",
        singular: "configmap",
        short_names: &["cm"],
        columns: columns::cluster::CONFIG_MAP,
        schema: schema::of::<core::ConfigMap>,
        check: checks::cluster::config_map,
        check_change: checks::change::configuration,
        ..Resource::BLANK
    },
    Resource {
        kind: "Secret",
        plural: "secrets",
        singular: "secret",
        columns: columns::cluster::SECRET,
        schema: schema::of::<core::Secret>,
        defaults: defaults::secret,
        check: checks::cluster::secret,
        check_change: checks::change::configuration,
        selectable: select::secret,
        ..Resource::BLANK
    },
    Resource {
        kind: "ServiceAccount",
        plural: "serviceaccounts",
        singular: "serviceaccount",
        short_names: &["sa"],
        subresources: &["token"],
        columns: columns::cluster::SERVICE_ACCOUNT,
        schema: schema::of::<core::ServiceAccount>,
        patch_rules: merge::service_account,
        ..Resource::BLANK
    },
    Resource {
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        columns: columns::cluster::EVENT,
        schema: schema::of::<core::Event>,
        selectable: select::event,
        ..Resource::BLANK
    },
    Resource {
        kind: "Node",
        plural: "nodes",
        singular: "node",
        short_names: &["no"],
        namespaced: false,
        subresources: &["proxy", "status"],
        columns: columns::cluster::NODE,
        schema: schema::of::<core::Node>,
        selectable: select::node,
        patch_rules: merge::node,
        ..Resource::BLANK
    },
    Resource {
        group: "coordination.k8s.io",
        kind: "Lease",
        plural: "leases",
        singular: "lease",
        columns: columns::network::LEASE,
        schema: schema::of::<core::Lease>,
        ..Resource::BLANK
    },
    Resource {
        group: "admissionregistration.k8s.io",
        kind: "MutatingWebhookConfiguration",
        plural: "mutatingwebhookconfigurations",
        singular: "mutatingwebhookconfiguration",
        categories: &["api-extensions"],
        namespaced: false,
        columns: columns::network::WEBHOOKS,
        schema: schema::of::<core::MutatingWebhookConfiguration>,
        defaults: defaults::mutating_webhooks,
        check: checks::cluster::webhooks,
        patch_rules: merge::webhooks,
        generation: true,
        ..Resource::BLANK
    },
    Resource {
        group: "admissionregistration.k8s.io",
        kind: "ValidatingWebhookConfiguration",
        plural: "validatingwebhookconfigurations",
        singular: "validatingwebhookconfiguration",
        categories: &["api-extensions"],
        namespaced: false,
        columns: columns::network::WEBHOOKS,
        schema: schema::of::<core::ValidatingWebhookConfiguration>,
        defaults: defaults::validating_webhooks,
        check: checks::cluster::webhooks,
        patch_rules: merge::webhooks,
        generation: true,
        ..Resource::BLANK
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_is_whole_and_there_once() {
        let mut kinds = BTreeSet::new();
        for row in resources() {
            assert!(kinds.insert((row.group, row.kind)), "{} twice", row.kind);
            assert!(!row.versions.is_empty() && !row.plural.is_empty() && !row.singular.is_empty());
            assert_eq!(row.singular, row.kind.to_lowercase());
            let schema = (row.schema)();
            assert_eq!(schema["type"], "object", "{}", row.kind);
            assert!(schema["properties"]["metadata"].is_object(), "{}", row.kind);
        }
        let short: Vec<_> = resources().iter().flat_map(|row| row.short_names).collect();
        assert_eq!(short.len(), short.iter().collect::<BTreeSet<_>>().len());
    }

    #[test]
    fn columns_and_rules_take_an_object_that_says_nothing() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        for row in resources() {
            let empty = serde_json::json!({"metadata": {"name": "a"}});
            for column in row.columns {
                (column.cell)(&empty, now);
            }
            (row.check)(&empty);
            let mut full = empty.clone();
            (row.defaults)(&mut full);
            let once = full.clone();
            (row.defaults)(&mut full);
            assert_eq!(full, once, "{}", row.kind);
        }
    }
}
