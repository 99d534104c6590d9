//! A node: its conditions, what it has, and the pods on it.

use jiff::Timestamp;
use serde_json::Value;

use super::sheet::{Sheet, age};
use crate::{get::labels, jsonpath::text};

pub(super) fn node(sheet: &mut Sheet, node: &Value, pods: &[Value], now: Timestamp) {
    let (spec, status) = (&node["spec"], &node["status"]);
    let taints = spec["taints"].as_array().into_iter().flatten();
    let taints = taints.map(|it| {
        let value = it["value"].as_str().map_or(String::new(), |it| format!("={it}"));
        format!("{}{value}:{}", text(&it["key"]), text(&it["effect"]))
    });
    sheet.list(0, "Taints", taints);
    sheet.field("Unschedulable", if spec["unschedulable"] == true { "true" } else { "false" });
    let addresses = status["addresses"].as_array().into_iter().flatten();
    let addresses = addresses.map(|it| format!("{} {}", text(&it["type"]), text(&it["address"])));
    sheet.list(0, "Addresses", addresses);
    for (title, field) in [("Capacity", "capacity"), ("Allocatable", "allocatable")] {
        sheet.field(title, &labels(&status[field]));
    }
    let about = &status["nodeInfo"];
    for (title, field) in [
        ("Kernel", "kernelVersion"),
        ("OS", "osImage"),
        ("Runtime", "containerRuntimeVersion"),
        ("Kubelet", "kubeletVersion"),
    ] {
        sheet.field(title, &text(&about[field]));
    }
    sheet.title("Conditions");
    let mut rows =
        vec![["Type", "Status", "Since", "Reason", "Message"].map(str::to_owned).to_vec()];
    for it in status["conditions"].as_array().into_iter().flatten() {
        let since = age(&text(&it["lastTransitionTime"]), now);
        rows.push(vec![
            text(&it["type"]),
            text(&it["status"]),
            since,
            text(&it["reason"]),
            text(&it["message"]),
        ]);
    }
    sheet.table(1, &rows);
    sheet.title(&format!("Pods ({} in total)", pods.len()));
    let mut rows = vec![["Namespace", "Name", "Status", "IP"].map(str::to_owned).to_vec()];
    for pod in pods {
        let (metadata, status) = (&pod["metadata"], &pod["status"]);
        let cells = [&metadata["namespace"], &metadata["name"], &status["phase"], &status["podIP"]];
        rows.push(cells.map(text).to_vec());
    }
    sheet.table(1, &rows);
}
