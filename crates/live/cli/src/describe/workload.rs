//! Deployments and ReplicaSets: how many, of what, and how far along.

use serde_json::Value;

use super::{
    pod::{template_lines, volumes},
    sheet::Sheet,
};
use crate::{get::labels, jsonpath::text};

pub(super) fn deployment(sheet: &mut Sheet, deployment: &Value, replica_sets: &[Value]) {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let number = |name: &str| status[name].as_u64().unwrap_or(0);
    sheet.field("Selector", &labels(&spec["selector"]["matchLabels"]));
    sheet.field(
        "Replicas",
        &format!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            spec["replicas"].as_u64().unwrap_or(1),
            number("updatedReplicas"),
            number("replicas"),
            number("availableReplicas"),
            number("unavailableReplicas")
        ),
    );
    if spec["paused"] == true {
        sheet.field("Paused", "true: changes wait until the rollout is resumed");
    }
    sheet.field("Strategy", &strategy(&spec["strategy"]));
    template(sheet, &spec["template"]);
    conditions(sheet, status);
    let owned = replica_sets.iter().filter(|it| {
        let owners = it["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        owners.into_iter().any(|owner| owner["uid"] == deployment["metadata"]["uid"])
    });
    let current = &deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for set in owned {
        let wanted = set["spec"]["replicas"].as_u64().unwrap_or(0);
        let there = set["status"]["replicas"].as_u64().unwrap_or(0);
        let line =
            format!("{} ({there}/{wanted} replicas created)", text(&set["metadata"]["name"]));
        let revision = &set["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
        let list = if revision == current { &mut new } else { &mut old };
        list.push(line);
    }
    sheet.list(0, "Old ReplicaSets", old.into_iter());
    sheet.list(0, "New ReplicaSet", new.into_iter());
}

pub(super) fn replicaset(sheet: &mut Sheet, set: &Value) {
    let (spec, status) = (&set["spec"], &set["status"]);
    sheet.field("Selector", &labels(&spec["selector"]["matchLabels"]));
    let number = |name: &str| status[name].as_u64().unwrap_or(0);
    sheet.field(
        "Replicas",
        &format!(
            "{} current / {} desired, {} ready",
            number("replicas"),
            spec["replicas"].as_u64().unwrap_or(1),
            number("readyReplicas")
        ),
    );
    template(sheet, &spec["template"]);
    conditions(sheet, status);
}

fn strategy(strategy: &Value) -> String {
    let kind = text(&strategy["type"]);
    let rolling = &strategy["rollingUpdate"];
    if !rolling.is_object() {
        return kind;
    }
    let (less, more) = (text(&rolling["maxUnavailable"]), text(&rolling["maxSurge"]));
    format!("{kind}, {less} max unavailable, {more} max surge")
}

fn template(sheet: &mut Sheet, template: &Value) {
    sheet.title("Pod Template");
    sheet.inner(1, "Labels", &labels(&template["metadata"]["labels"]));
    for container in template["spec"]["containers"].as_array().into_iter().flatten() {
        sheet.line(1, &format!("{}:", text(&container["name"])));
        sheet.inner(2, "Image", &text(&container["image"]));
        template_lines(sheet, 2, container);
    }
    volumes(sheet, &template["spec"]["volumes"]);
}

fn conditions(sheet: &mut Sheet, status: &Value) {
    let conditions = status["conditions"].as_array().filter(|it| !it.is_empty());
    let Some(conditions) = conditions else { return };
    sheet.title("Conditions");
    let mut rows = vec![["Type", "Status", "Reason", "Message"].map(str::to_owned).to_vec()];
    rows.extend(
        conditions
            .iter()
            .map(|it| ["type", "status", "reason", "message"].map(|name| text(&it[name])).to_vec()),
    );
    sheet.table(1, &rows);
}
