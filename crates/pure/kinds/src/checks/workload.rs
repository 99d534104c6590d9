//! Rules of the kinds that make pods.

use objects::Cause;
use serde_json::Value;

use super::{Faults, pod, selects};
use crate::view::{at, has, int, list, says, text};

/// A Deployment.
pub(crate) fn deployment(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let spec = at(object, "spec");
    owner_of_pods(&mut faults, spec, "deployment");
    let kind = at(spec, "strategy.type");
    faults.word("spec.strategy.type", kind, &["Recreate", "RollingUpdate"]);
    let rolling = at(spec, "strategy.rollingUpdate");
    if kind == "Recreate" && !rolling.is_null() {
        faults.add(Cause::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ));
    } else {
        for field in ["maxUnavailable", "maxSurge"] {
            let path = format!("spec.strategy.rollingUpdate.{field}");
            faults.count_or_percent(&path, at(rolling, field));
        }
        let none = |value: &Value| *value == 0 || value == "0%";
        if none(at(rolling, "maxUnavailable")) && none(at(rolling, "maxSurge")) {
            faults.invalid(
                "spec.strategy.rollingUpdate.maxUnavailable",
                at(rolling, "maxUnavailable"),
                "may not be 0 when `maxSurge` is 0",
            );
        }
    }
    for field in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        faults.not_negative(&format!("spec.{field}"), at(spec, field));
    }
    if let Some(deadline) = at(spec, "progressDeadlineSeconds").as_i64()
        && deadline <= int(spec, "minReadySeconds")
    {
        faults.invalid(
            "spec.progressDeadlineSeconds",
            &deadline.into(),
            "must be greater than minReadySeconds",
        );
    }
    faults.0
}

/// A ReplicaSet.
pub(crate) fn replica_set(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    owner_of_pods(&mut faults, at(object, "spec"), "deployment");
    faults.not_negative("spec.minReadySeconds", at(object, "spec.minReadySeconds"));
    faults.0
}

/// A StatefulSet.
pub(crate) fn stateful_set(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    owner_of_pods(&mut faults, at(object, "spec"), "statefulset");
    faults.0
}

/// A DaemonSet.
pub(crate) fn daemon_set(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    owner_of_pods(&mut faults, at(object, "spec"), "daemonset");
    faults.0
}

/// A Job.
pub(crate) fn job(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    ends(&mut faults, "spec.template", at(object, "spec.template"));
    faults.0
}

/// A CronJob.
pub(crate) fn cron_job(object: &Value) -> Vec<Cause> {
    let mut faults = Faults::default();
    let schedule = text(object, "spec.schedule");
    if schedule.is_empty() {
        faults.required("spec.schedule");
    } else if !schedule.starts_with('@') && schedule.split_whitespace().count() != 5 {
        let detail = format!(
            "expected exactly 5 fields, found {}: [{schedule}]",
            schedule.split_whitespace().count()
        );
        faults.invalid("spec.schedule", &schedule.into(), &detail);
    }
    let path = "spec.jobTemplate.spec.template";
    ends(&mut faults, path, at(object, path));
    faults.0
}

/// A template whose pods come to an end.
fn ends(faults: &mut Faults, path: &str, template: &Value) {
    pod::template(faults, path, template);
    let policy = at(template, "spec.restartPolicy");
    if policy == "Always" {
        let path = format!("{path}.spec.restartPolicy");
        faults.add(Cause::not_supported(path, policy, &["OnFailure", "Never"]));
    }
}

/// Selector, template and replicas of a kind that keeps pods alive.
fn owner_of_pods(faults: &mut Faults, spec: &Value, kind: &str) {
    faults.not_negative("spec.replicas", at(spec, "replicas"));
    let selector = at(spec, "selector");
    if selector.is_null() {
        faults.required("spec.selector");
    } else {
        faults.selector("spec.selector", selector);
        if !says(at(selector, "matchLabels")) && list(selector, "matchExpressions").is_empty() {
            let detail = format!("empty selector is invalid for {kind}");
            faults.invalid("spec.selector", selector, &detail);
        }
    }
    if !has(spec, "template") {
        return faults.required("spec.template");
    }
    let labels = at(spec, "template.metadata.labels");
    if !selector.is_null() && !selects(selector, labels) {
        let shown =
            if labels.is_null() { Value::Object(serde_json::Map::new()) } else { labels.clone() };
        faults.invalid(
            "spec.template.metadata.labels",
            &shown,
            "`selector` does not match template `labels`",
        );
    }
    pod::template(faults, "spec.template", at(spec, "template"));
    let policy = at(spec, "template.spec.restartPolicy");
    if matches!(policy.as_str(), Some("OnFailure" | "Never")) {
        faults.add(Cause::not_supported("spec.template.spec.restartPolicy", policy, &["Always"]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(spec: Value) -> Vec<String> {
        deployment(&json!({"spec": spec}))
            .into_iter()
            .map(|c| format!("{}: {}", c.field, c.message))
            .collect()
    }

    fn template(labels: Value) -> Value {
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b"}]}})
    }

    #[test]
    fn a_selector_must_select_the_template() {
        let selector = json!({"matchLabels": {"app": "web"}});
        let good = json!({"selector": selector, "template": template(json!({"app": "web"}))});
        assert!(faults(good).is_empty());
        let other = json!({"selector": selector, "template": template(json!({"app": "db"}))});
        assert_eq!(
            faults(other),
            [
                "spec.template.metadata.labels: Invalid value: {\"app\":\"db\"}: `selector` does not match template `labels`"
            ]
        );
        let none = json!({"template": template(json!({}))});
        assert_eq!(faults(none), ["spec.selector: Required value"]);
    }

    #[test]
    fn a_rolling_update_must_be_able_to_move() {
        let spec = json!({
            "selector": {"matchLabels": {"app": "web"}}, "template": template(json!({"app": "web"})),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
        });
        assert_eq!(
            faults(spec),
            [
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"
            ]
        );
    }
}
