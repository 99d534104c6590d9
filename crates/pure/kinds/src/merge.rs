//! How strategic merge patches treat the lists of a kind, and the few maps that are special.
//!
//! Spec: the `patchStrategy` and `patchMergeKey` marks of Kubernetes' types. Lists that are not
//! named here are replaced as a whole, as there: arguments, tolerations, the rules of a role.

use objects::PatchRule;

/// What a path below some prefix is; paths have no indexes.
type Rules = &'static [(&'static str, PatchRule)];

/// The fields of a pod specification.
const POD_SPEC: Rules = &[
    ("containers", PatchRule::Merge("name")),
    ("initContainers", PatchRule::Merge("name")),
    ("ephemeralContainers", PatchRule::Merge("name")),
    ("volumes", PatchRule::MergeUnions("name")),
    ("imagePullSecrets", PatchRule::Merge("name")),
    ("hostAliases", PatchRule::Merge("ip")),
    ("topologySpreadConstraints", PatchRule::Merge("topologyKey")),
    ("resourceClaims", PatchRule::MergeUnions("name")),
    ("schedulingGates", PatchRule::Merge("name")),
];

/// The lists of a pod specification that hold containers.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The fields of one container.
const CONTAINER: Rules = &[
    ("ports", PatchRule::Merge("containerPort")),
    ("env", PatchRule::Merge("name")),
    ("volumeMounts", PatchRule::Merge("mountPath")),
    ("volumeDevices", PatchRule::Merge("devicePath")),
];

const CONDITIONS: Rules = &[("status.conditions", PatchRule::Merge("type"))];

const POD_STATUS: Rules = &[
    ("status.podIPs", PatchRule::Merge("ip")),
    ("status.hostIPs", PatchRule::Merge("ip")),
    ("status.resourceClaimStatuses", PatchRule::MergeUnions("name")),
];

/// The lists of a pod's status that tell of containers.
const CONTAINER_STATUSES: [&str; 3] = [
    "status.containerStatuses",
    "status.initContainerStatuses",
    "status.ephemeralContainerStatuses",
];

/// The fields of one container's status.
const CONTAINER_STATUS: Rules = &[
    ("volumeMounts", PatchRule::Merge("mountPath")),
    ("allocatedResourcesStatus", PatchRule::Merge("name")),
];

const DEPLOYMENT: Rules = &[("spec.strategy", PatchRule::Union)];

const SERVICE: Rules = &[("spec.ports", PatchRule::Merge("port"))];

const SERVICE_ACCOUNT: Rules = &[("secrets", PatchRule::Merge("name"))];

const NODE: Rules =
    &[("status.addresses", PatchRule::Merge("type")), ("spec.podCIDRs", PatchRule::Set)];

const DISRUPTION_BUDGET: Rules = &[("spec.selector", PatchRule::Replace)];

const WEBHOOKS: Rules = &[
    ("webhooks", PatchRule::Merge("name")),
    ("webhooks.matchConditions", PatchRule::Merge("name")),
];

fn look_up(rules: Rules, path: &str) -> Option<PatchRule> {
    rules.iter().find(|(field, _)| *field == path).map(|(_, rule)| *rule)
}

/// What is left of a path below a prefix.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix)?.strip_prefix('.')
}

/// The rule of a path in the entries of several lists.
fn in_lists(lists: &[&str], rules: Rules, path: &str) -> Option<PatchRule> {
    lists.iter().find_map(|list| look_up(rules, below(path, list)?))
}

/// The rule of a path in a pod specification that stands at `prefix`.
fn pod_spec(path: &str, prefix: &str) -> Option<PatchRule> {
    let path = below(path, prefix)?;
    look_up(POD_SPEC, path).or_else(|| in_lists(&CONTAINERS, CONTAINER, path))
}

/// Kinds of which only the conditions of their status are special.
pub(crate) fn common(path: &str) -> Option<PatchRule> {
    look_up(CONDITIONS, path)
}

/// Pods.
pub(crate) fn pod(path: &str) -> Option<PatchRule> {
    pod_spec(path, "spec")
        .or_else(|| common(path))
        .or_else(|| look_up(POD_STATUS, path))
        .or_else(|| in_lists(&CONTAINER_STATUSES, CONTAINER_STATUS, path))
}

/// Kinds with a pod template at `spec.template`.
pub(crate) fn template(path: &str) -> Option<PatchRule> {
    pod_spec(path, "spec.template.spec").or_else(|| common(path))
}

/// Deployments.
pub(crate) fn deployment(path: &str) -> Option<PatchRule> {
    look_up(DEPLOYMENT, path).or_else(|| template(path))
}

/// Cron jobs, whose pod template stands deeper.
pub(crate) fn cron_job(path: &str) -> Option<PatchRule> {
    pod_spec(path, "spec.jobTemplate.spec.template.spec")
}

/// Services.
pub(crate) fn service(path: &str) -> Option<PatchRule> {
    look_up(SERVICE, path).or_else(|| common(path))
}

/// Service accounts.
pub(crate) fn service_account(path: &str) -> Option<PatchRule> {
    look_up(SERVICE_ACCOUNT, path)
}

/// Nodes.
pub(crate) fn node(path: &str) -> Option<PatchRule> {
    look_up(NODE, path).or_else(|| common(path))
}

/// Disruption budgets of pods.
pub(crate) fn disruption_budget(path: &str) -> Option<PatchRule> {
    look_up(DISRUPTION_BUDGET, path).or_else(|| common(path))
}

/// Webhook configurations.
pub(crate) fn webhooks(path: &str) -> Option<PatchRule> {
    look_up(WEBHOOKS, path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn lists_of_a_pod_merge_wherever_its_template_stands() {
        assert_eq!(pod("spec.containers"), Some(PatchRule::Merge("name")));
        let ports = template("spec.template.spec.containers.ports");
        assert_eq!(ports, Some(PatchRule::Merge("containerPort")));
        assert_eq!(template("spec.template.spec.containers.args"), None);
        assert_eq!(template("spec.containers"), None);
        let volumes = cron_job("spec.jobTemplate.spec.template.spec.volumes");
        assert_eq!(volumes, Some(PatchRule::MergeUnions("name")));
        assert_eq!(pod("status.conditions"), Some(PatchRule::Merge("type")));
        assert_eq!(deployment("spec.strategy"), Some(PatchRule::Union));
        assert_eq!(template("spec.strategy"), None);
    }

    /// The paths of a kind that have a rule, as its schema has them.
    fn ruled(kind: &str) -> BTreeSet<String> {
        fn walk(
            schema: &Value,
            path: &str,
            resource: &objects::Resource,
            out: &mut BTreeSet<String>,
        ) {
            if let Some(items) = schema.get("items") {
                walk(items, path, resource, out);
            }
            for (field, property) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{field}");
                let path = path.trim_start_matches('.');
                if let Some(rule) = resource.patch_rule(path) {
                    let is_list = property["type"] == "array";
                    let of_list = !matches!(rule, PatchRule::Union | PatchRule::Replace);
                    assert_eq!(is_list, of_list, "{path}: {rule:?}");
                    if let Some(key) = rule.merge_key() {
                        let entry = &property["items"]["properties"];
                        assert!(entry[key].is_object(), "{path} has no {key:?}");
                    }
                    out.insert(path.to_owned());
                }
                walk(property, path, resource, out);
            }
        }
        let resource = crate::resources().iter().find(|row| row.kind == kind).unwrap();
        let mut out = BTreeSet::new();
        walk(&(resource.schema)(), "", resource, &mut out);
        out
    }

    /// A misspelt path would be found nowhere in the schema, and mark nothing.
    #[test]
    fn every_rule_is_about_a_field_that_exists() {
        let names = |rules: Rules, prefix: &str| -> BTreeSet<String> {
            rules.iter().map(|(field, _)| format!("{prefix}{field}")).collect()
        };
        let mut expected = names(POD_SPEC, "spec.");
        expected.extend(names(CONDITIONS, ""));
        expected.extend(names(POD_STATUS, ""));
        for list in CONTAINERS {
            expected.extend(names(CONTAINER, &format!("spec.{list}.")));
        }
        for list in CONTAINER_STATUSES {
            expected.extend(names(CONTAINER_STATUS, &format!("{list}.")));
        }
        let metadata = ["metadata.finalizers", "metadata.ownerReferences"];
        expected.extend(metadata.map(str::to_owned));
        assert_eq!(ruled("Pod"), expected);
        for (kind, rules) in [
            ("Deployment", DEPLOYMENT),
            ("Service", SERVICE),
            ("ServiceAccount", SERVICE_ACCOUNT),
            ("Node", NODE),
            ("PodDisruptionBudget", DISRUPTION_BUDGET),
            ("MutatingWebhookConfiguration", WEBHOOKS),
            ("ValidatingWebhookConfiguration", WEBHOOKS),
            ("StatefulSet", CONDITIONS),
            ("APIService", CONDITIONS),
        ] {
            assert!(names(rules, "").is_subset(&ruled(kind)), "{kind}: {:?}", ruled(kind));
        }
    }
}
