//! Columns of what a cluster is made of: namespaces, nodes, configuration, accounts, events.

use jiff::Timestamp;
use objects::Column;
use serde_json::Value;

use super::{AGE, NAME, col, count, number, or_none, since, wide};
use crate::view::{at, flag, int, list, map, text};

/// NAME STATUS AGE
pub(crate) const NAMESPACE: &[Column] =
    &[NAME, col("Status", |o, _| text(o, "status.phase").into()), AGE];

/// NAME DATA AGE
pub(crate) const CONFIG_MAP: &[Column] =
    &[NAME, number("Data", |o, _| (count(at(o, "data")) + count(at(o, "binaryData"))).into()), AGE];

/// NAME TYPE DATA AGE
pub(crate) const SECRET: &[Column] = &[
    NAME,
    col("Type", |o, _| text(o, "type").into()),
    number("Data", |o, _| count(at(o, "data")).into()),
    AGE,
];

/// NAME SECRETS AGE
pub(crate) const SERVICE_ACCOUNT: &[Column] =
    &[NAME, number("Secrets", |o, _| list(o, "secrets").len().into()), AGE];

/// NAME STATUS ROLES AGE VERSION
pub(crate) const NODE: &[Column] = &[
    NAME,
    col("Status", |o, _| node_status(o).into()),
    col("Roles", |o, _| {
        let mut roles: Vec<&str> = map(o, "metadata.labels")
            .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
                Some(role) => Some(role).filter(|role| !role.is_empty()),
                None if key == "kubernetes.io/role" => value.as_str(),
                None => None,
            })
            .collect();
        roles.sort_unstable();
        or_none(&roles.join(","))
    }),
    AGE,
    col("Version", |o, _| text(o, "status.nodeInfo.kubeletVersion").into()),
    wide("Internal-IP", |o, _| address(o, "InternalIP")),
    wide("External-IP", |o, _| address(o, "ExternalIP")),
    wide("OS-Image", |o, _| or_unknown(text(o, "status.nodeInfo.osImage"))),
    wide("Kernel-Version", |o, _| or_unknown(text(o, "status.nodeInfo.kernelVersion"))),
    wide("Container-Runtime", |o, _| {
        or_unknown(text(o, "status.nodeInfo.containerRuntimeVersion"))
    }),
];

fn node_status(node: &Value) -> String {
    let ready = list(node, "status.conditions").iter().find(|c| text(c, "type") == "Ready");
    let mut status = match ready {
        Some(ready) if text(ready, "status") == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if flag(node, "spec.unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    status
}

fn address(node: &Value, kind: &str) -> Value {
    let found = list(node, "status.addresses").iter().find(|a| text(a, "type") == kind);
    or_none(found.map_or("", |a| text(a, "address")))
}

fn or_unknown(text: &str) -> Value {
    if text.is_empty() { "<unknown>".into() } else { text.into() }
}

/// LAST SEEN TYPE REASON OBJECT MESSAGE
pub(crate) const EVENT: &[Column] = &[
    col("Last Seen", |o, now| last_seen(o, now).into()),
    col("Type", |o, _| text(o, "type").into()),
    col("Reason", |o, _| text(o, "reason").into()),
    col("Object", |o, _| {
        let kind = text(o, "involvedObject.kind").to_lowercase();
        format!("{kind}/{}", text(o, "involvedObject.name")).into()
    }),
    wide("Subobject", |o, _| text(o, "involvedObject.fieldPath").into()),
    wide("Source", |o, _| {
        let component = match text(o, "source.component") {
            "" => text(o, "reportingComponent"),
            component => component,
        };
        let host = match text(o, "source.host") {
            "" => text(o, "reportingInstance"),
            host => host,
        };
        if host.is_empty() { component.into() } else { format!("{component}, {host}").into() }
    }),
    col("Message", |o, _| text(o, "message").trim().into()),
    wide("First Seen", |o, now| {
        let first = match text(o, "firstTimestamp") {
            "" => text(o, "eventTime"),
            first => first,
        };
        since(first, now).into()
    }),
    wide("Count", |o, _| times(o).to_string().into()),
    wide("Name", |o, _| text(o, "metadata.name").into()),
];

fn times(event: &Value) -> i64 {
    int(event, "series.count").max(int(event, "count")).max(1)
}

fn last_seen(event: &Value, now: Timestamp) -> String {
    let stamps = [
        "series.lastObservedTime",
        "lastTimestamp",
        "eventTime",
        "firstTimestamp",
        "metadata.creationTimestamp",
    ];
    let last = stamps.into_iter().map(|path| text(event, path)).find(|stamp| !stamp.is_empty());
    since(last.unwrap_or_default(), now)
}

/// NAME CREATED AT
pub(crate) const CREATED_AT: &[Column] =
    &[NAME, col("Created At", |o, _| text(o, "metadata.creationTimestamp").into())];

/// NAME ROLE AGE
pub(crate) const ROLE_BINDING: &[Column] = &[
    NAME,
    col("Role", |o, _| format!("{}/{}", text(o, "roleRef.kind"), text(o, "roleRef.name")).into()),
    AGE,
    wide("Users", |o, _| subjects(o, "User")),
    wide("Groups", |o, _| subjects(o, "Group")),
    wide("ServiceAccounts", |o, _| subjects(o, "ServiceAccount")),
];

fn subjects(binding: &Value, kind: &str) -> Value {
    let names: Vec<String> = list(binding, "subjects")
        .iter()
        .filter(|s| text(s, "kind") == kind)
        .map(|s| match (kind, text(s, "namespace")) {
            ("ServiceAccount", namespace) => format!("{namespace}/{}", text(s, "name")),
            _ => text(s, "name").to_owned(),
        })
        .collect();
    names.join(", ").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_as_old_as_its_last_occurrence() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let mut event = json!({"eventTime": "2026-01-01T00:09:00.000000Z", "firstTimestamp": null});
        assert_eq!(last_seen(&event, now), "60s");
        event["lastTimestamp"] = "2026-01-01T00:09:55Z".into();
        assert_eq!(last_seen(&event, now), "5s");
        assert_eq!(last_seen(&json!({}), now), "<unknown>");
    }

    #[test]
    fn a_node_shows_its_roles_and_whether_it_takes_pods() {
        let node = json!({
            "metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}},
            "spec": {"unschedulable": true},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        assert_eq!(node_status(&node), "Ready,SchedulingDisabled");
        assert_eq!((NODE[2].cell)(&node, Timestamp::UNIX_EPOCH), "control-plane");
    }
}
