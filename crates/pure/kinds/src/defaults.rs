//! What a kind says when its author says nothing: the values that an API server fills in.
//!
//! Spec: the defaulting functions of kube-apiserver 1.32. All are idempotent.

use base64::Engine;
use serde_json::{Value, json};

use crate::view::{entries, fill, find, open, says, text};

pub(crate) mod pod;

/// Namespaces: their name as a label, the finalizer that empties them, their phase.
pub(crate) fn namespace(object: &mut Value) {
    let name = text(object, "metadata.name").to_owned();
    if let Some(labels) = open(object, "metadata.labels")
        && !name.is_empty()
    {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
    }
    let ending = crate::view::has(object, "metadata.deletionTimestamp");
    if let Some(spec) = open(object, "spec")
        && !ending
    {
        fill(spec, "finalizers", json!(["kubernetes"]));
    }
    if let Some(status) = open(object, "status") {
        fill(status, "phase", "Active");
    }
}

/// Services: type, ports, affinity and policies. Addresses are chosen by `service::assign`.
pub(crate) fn service(object: &mut Value) {
    let Some(spec) = open(object, "spec") else { return };
    fill(spec, "type", "ClusterIP");
    fill(spec, "sessionAffinity", "None");
    if spec["sessionAffinity"] == "ClientIP" && !spec.contains_key("sessionAffinityConfig") {
        spec.insert(
            "sessionAffinityConfig".into(),
            json!({"clientIP": {"timeoutSeconds": 10_800}}),
        );
    }
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        fill(spec, "internalTrafficPolicy", "Cluster");
        fill(spec, "ipFamilies", json!(["IPv4"]));
        fill(spec, "ipFamilyPolicy", "SingleStack");
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        fill(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        fill(spec, "allocateLoadBalancerNodePorts", true);
    }
    for port in entries(object, "spec.ports") {
        let number = port["port"].clone();
        let Some(port) = port.as_object_mut() else { continue };
        fill(port, "protocol", "TCP");
        let unset = port.get("targetPort").is_none_or(|target| !says(target) || *target == 0);
        if unset && !number.is_null() {
            port.insert("targetPort".to_owned(), number);
        }
    }
    if let Some(status) = open(object, "status") {
        fill(status, "loadBalancer", json!({}));
    }
}

/// Endpoints: TCP.
pub(crate) fn endpoints(object: &mut Value) {
    for subset in entries(object, "subsets") {
        for port in entries(subset, "ports") {
            if let Some(port) = port.as_object_mut() {
                fill(port, "protocol", "TCP");
            }
        }
    }
}

/// EndpointSlices: TCP, and a name for each port, which may be the empty one.
pub(crate) fn endpoint_slice(object: &mut Value) {
    for port in entries(object, "ports") {
        if let Some(port) = port.as_object_mut() {
            fill(port, "protocol", "TCP");
            fill(port, "name", "");
        }
    }
}

/// Secrets: their type; plain text moves to where the encoded data is.
pub(crate) fn secret(object: &mut Value) {
    if let Some(secret) = object.as_object_mut() {
        fill(secret, "type", "Opaque");
    }
    let plain = object.as_object_mut().and_then(|secret| secret.shift_remove("stringData"));
    let Some(Value::Object(plain)) = plain else { return };
    if plain.is_empty() {
        return;
    }
    let Some(data) = open(object, "data") else { return };
    for (key, value) in plain {
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        data.insert(key, encoded.into());
    }
}

/// Deployments: replicas, rolling update, history, deadline, and the pod template.
pub(crate) fn deployment(object: &mut Value) {
    if let Some(spec) = open(object, "spec") {
        fill(spec, "replicas", 1);
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "progressDeadlineSeconds", 600);
    }
    if let Some(strategy) = open(object, "spec.strategy") {
        fill(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = open(object, "spec.strategy.rollingUpdate")
        {
            fill(rolling, "maxUnavailable", "25%");
            fill(rolling, "maxSurge", "25%");
        }
    }
    template(object);
}

/// ReplicaSets: one replica, and the pod template.
pub(crate) fn replica_set(object: &mut Value) {
    if let Some(spec) = open(object, "spec") {
        fill(spec, "replicas", 1);
    }
    template(object);
}

/// StatefulSets.
pub(crate) fn stateful_set(object: &mut Value) {
    if let Some(spec) = open(object, "spec") {
        fill(spec, "replicas", 1);
        fill(spec, "podManagementPolicy", "OrderedReady");
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "updateStrategy", json!({"type": "RollingUpdate"}));
    }
    if text(object, "spec.updateStrategy.type") == "RollingUpdate"
        && let Some(rolling) = open(object, "spec.updateStrategy.rollingUpdate")
    {
        fill(rolling, "partition", 0);
    }
    for claim in entries(object, "spec.volumeClaimTemplates") {
        volume_claim(claim);
    }
    template(object);
}

/// DaemonSets.
pub(crate) fn daemon_set(object: &mut Value) {
    if let Some(spec) = open(object, "spec") {
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "updateStrategy", json!({"type": "RollingUpdate"}));
    }
    if text(object, "spec.updateStrategy.type") == "RollingUpdate"
        && let Some(rolling) = open(object, "spec.updateStrategy.rollingUpdate")
    {
        fill(rolling, "maxUnavailable", 1);
        fill(rolling, "maxSurge", 0);
    }
    template(object);
}

/// Jobs.
pub(crate) fn job(object: &mut Value) {
    job_spec(object, "spec");
}

fn job_spec(object: &mut Value, path: &str) {
    if let Some(spec) = open(object, path) {
        let single = !spec.contains_key("completions") && !spec.contains_key("parallelism");
        if single {
            fill(spec, "completions", 1);
        }
        fill(spec, "parallelism", 1);
        fill(spec, "backoffLimit", 6);
        fill(spec, "completionMode", "NonIndexed");
        fill(spec, "suspend", false);
    }
    if let Some(template) = find(object, &format!("{path}.template")) {
        pod::spec(template, "spec");
    }
}

/// CronJobs.
pub(crate) fn cron_job(object: &mut Value) {
    if let Some(spec) = open(object, "spec") {
        fill(spec, "concurrencyPolicy", "Allow");
        fill(spec, "suspend", false);
        fill(spec, "successfulJobsHistoryLimit", 3);
        fill(spec, "failedJobsHistoryLimit", 1);
    }
    if let Some(template) = find(object, "spec.jobTemplate") {
        // The number of completions is filled in for the jobs, not for their template.
        if let Some(pods) = find(template, "spec.template") {
            pod::spec(pods, "spec");
        }
    }
}

fn template(object: &mut Value) {
    if let Some(template) = find(object, "spec.template") {
        pod::spec(template, "spec");
    }
}

/// PersistentVolumeClaims.
pub(crate) fn volume_claim(object: &mut Value) {
    if let Some(spec) = open(object, "spec") {
        fill(spec, "volumeMode", "Filesystem");
    }
    if let Some(status) = open(object, "status") {
        fill(status, "phase", "Pending");
    }
}

/// PersistentVolumes.
pub(crate) fn volume(object: &mut Value) {
    if let Some(spec) = open(object, "spec") {
        fill(spec, "volumeMode", "Filesystem");
        fill(spec, "persistentVolumeReclaimPolicy", "Retain");
    }
    if let Some(status) = open(object, "status") {
        fill(status, "phase", "Available");
    }
}

/// StorageClasses.
pub(crate) fn storage_class(object: &mut Value) {
    if let Some(class) = object.as_object_mut() {
        fill(class, "reclaimPolicy", "Delete");
        fill(class, "volumeBindingMode", "Immediate");
    }
}

/// PriorityClasses.
pub(crate) fn priority_class(object: &mut Value) {
    if let Some(class) = object.as_object_mut() {
        fill(class, "preemptionPolicy", "PreemptLowerPriority");
    }
}

/// HorizontalPodAutoscalers: the older single target becomes a metric of the newer form.
pub(crate) fn autoscaler(object: &mut Value) {
    let Some(spec) = open(object, "spec") else { return };
    fill(spec, "minReplicas", 1);
    let percent = spec.shift_remove("targetCPUUtilizationPercentage");
    let metrics = match percent {
        Some(percent) if percent.is_number() => json!([cpu(percent)]),
        _ => json!([cpu(80.into())]),
    };
    fill(spec, "metrics", metrics);
}

fn cpu(percent: Value) -> Value {
    json!({
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}},
    })
}

/// NetworkPolicies: which directions they are about.
pub(crate) fn network_policy(object: &mut Value) {
    let Some(spec) = open(object, "spec") else { return };
    let mut kinds = vec!["Ingress"];
    if spec.get("egress").is_some_and(says) {
        kinds.push("Egress");
    }
    fill(spec, "policyTypes", json!(kinds));
}

/// RoleBindings and ClusterRoleBindings: the API groups of what they name.
pub(crate) fn role_binding(object: &mut Value) {
    const RBAC: &str = "rbac.authorization.k8s.io";
    if let Some(Value::Object(role)) = find(object, "roleRef") {
        fill(role, "apiGroup", RBAC);
    }
    for subject in entries(object, "subjects") {
        let Some(subject) = subject.as_object_mut() else { continue };
        if matches!(subject.get("kind").and_then(Value::as_str), Some("User" | "Group")) {
            fill(subject, "apiGroup", RBAC);
        }
    }
}

/// Webhook configurations, both kinds; `mutating` ones also say whether they are called again.
fn webhooks(object: &mut Value, mutating: bool) {
    for hook in entries(object, "webhooks") {
        for rule in entries(hook, "rules") {
            if let Some(rule) = rule.as_object_mut() {
                fill(rule, "scope", "*");
            }
        }
        if let Some(Value::Object(service)) = find(hook, "clientConfig.service") {
            fill(service, "port", 443);
        }
        let Some(hook) = hook.as_object_mut() else { continue };
        fill(hook, "failurePolicy", "Fail");
        fill(hook, "matchPolicy", "Equivalent");
        fill(hook, "namespaceSelector", json!({}));
        fill(hook, "objectSelector", json!({}));
        fill(hook, "timeoutSeconds", 10);
        if mutating {
            fill(hook, "reinvocationPolicy", "Never");
        }
    }
}

/// MutatingWebhookConfigurations.
pub(crate) fn mutating_webhooks(object: &mut Value) {
    webhooks(object, true);
}

/// ValidatingWebhookConfigurations.
pub(crate) fn validating_webhooks(object: &mut Value) {
    webhooks(object, false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_deployment_is_filled_in_and_filling_again_changes_nothing() {
        let mut object =
            json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}}});
        deployment(&mut object);
        assert_eq!(object["spec"]["replicas"], 1);
        assert_eq!(object["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
        assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "Always");
        let once = object.clone();
        deployment(&mut object);
        assert_eq!(object, once);
    }

    #[test]
    fn recreate_has_no_rolling_update_and_zero_replicas_stay() {
        let mut object = json!({"spec": {"replicas": 0, "strategy": {"type": "Recreate"}}});
        deployment(&mut object);
        assert_eq!(object["spec"]["replicas"], 0);
        assert_eq!(object["spec"]["strategy"], json!({"type": "Recreate"}));
    }

    #[test]
    fn a_service_port_leads_to_its_own_number() {
        let mut object = json!({"spec": {"ports": [
            {"port": 80}, {"port": 81, "targetPort": "web"}, {"port": 82, "targetPort": 0},
        ]}});
        service(&mut object);
        let targets: Vec<_> = object["spec"]["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port["targetPort"].clone())
            .collect();
        assert_eq!(targets, [json!(80), json!("web"), json!(82)]);
        assert_eq!(object["spec"]["type"], "ClusterIP");
    }

    #[test]
    fn plain_text_of_a_secret_is_stored_encoded() {
        let mut object = json!({"data": {"a": "YQ=="}, "stringData": {"a": "x", "b": ""}});
        secret(&mut object);
        assert_eq!(object, json!({"data": {"a": "eA==", "b": ""}, "type": "Opaque"}));
    }

    #[test]
    fn an_older_autoscaler_becomes_a_newer_one() {
        let mut object = json!({"spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}});
        autoscaler(&mut object);
        let target = &object["spec"]["metrics"][0]["resource"]["target"];
        assert_eq!(target["averageUtilization"], 50);
        assert!(object["spec"].get("targetCPUUtilizationPercentage").is_none());
    }
}
