//! WorkloadEntries of proxies that register themselves: made of a WorkloadGroup when one connects, marked when it
//! goes, and deleted when it stays away.
//!
//! Spec: annotations, names and the time of grace are Istio's (`istio.io/autoRegistrationGroup` and its kin).

use std::{collections::BTreeMap, net::IpAddr};

use jiff::{SignedDuration, Timestamp};
use kinds::{
    core::ObjectMeta,
    istio::{WorkloadEntry, WorkloadEntrySpec, WorkloadGroup},
};
use serde_json::{Value, json};

use crate::{Name, Plan, Target, Write};

/// The group that an entry was made of.
pub const GROUP: &str = "istio.io/autoRegistrationGroup";
/// The control plane that its proxy is, or was, connected to.
pub const CONTROLLER: &str = "istio.io/workloadController";
/// Since when its proxy is connected.
pub const CONNECTED: &str = "istio.io/connectedAt";
/// Since when it is not.
pub const DISCONNECTED: &str = "istio.io/disconnectedAt";
/// Its proxy looks after its health: without good news it gets no traffic.
pub const CHECKED: &str = "proxy.istio.io/health-checks-enabled";

/// So long an entry outlives its proxy's connection.
pub const GRACE: SignedDuration = SignedDuration::from_secs(10);

/// The version that entries are written in.
const API: &str = "networking.istio.io/v1";
/// Longest name of an object.
const LONGEST_NAME: usize = 253;

/// A connected proxy that asks to be an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// Namespace of the group, and of the proxy.
    pub namespace: String,
    /// Name of the group.
    pub group: String,
    /// Where it is.
    pub address: IpAddr,
    /// The network that it says it is in; may be empty.
    pub network: String,
    /// `region/zone/subzone` as it says; may be empty.
    pub locality: String,
    /// The service account that it has proven to be; nobody else's wish counts.
    pub service_account: String,
    /// It will tell of its health.
    pub is_checked: bool,
    /// What it told last; `Err` says what is wrong.
    pub health: Option<Result<(), String>>,
}

impl Enrolled {
    /// The name of its entry: group, address and network, as Istio builds it.
    #[must_use]
    pub fn entry(&self) -> String {
        let mut name = format!("{}-{}", self.group, self.address.to_string().replace(':', "-"));
        if !self.network.is_empty() {
            name = format!("{name}-{}", self.network);
        }
        // The end tells entries apart.
        name.split_off(name.len().saturating_sub(LONGEST_NAME))
    }

    /// Why it may not be an entry of this group; `None` if it may.
    #[must_use]
    pub fn refusal(&self, group: Option<&WorkloadGroup>) -> Option<String> {
        let Some(group) = group else {
            return Some(format!("there is no WorkloadGroup {}/{}", self.namespace, self.group));
        };
        let template = group.spec.template.as_ref();
        let account = template.and_then(|it| it.service_account.as_deref()).unwrap_or_default();
        (!account.is_empty() && account != self.service_account).then(|| {
            format!(
                "WorkloadGroup {}/{} is for service account {account:?}, and the proxy has proven to be {:?}",
                self.namespace, self.group, self.service_account
            )
        })
    }
}

/// What is seen of entries and their proxies.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// All groups.
    pub groups: &'a BTreeMap<Name, WorkloadGroup>,
    /// All entries.
    pub entries: &'a BTreeMap<Name, WorkloadEntry>,
    /// The proxies that are connected here.
    pub connected: &'a [Enrolled],
    /// Who writes: a name that tells this control plane from others.
    pub controller: &'a str,
}

/// What is to be done about entries.
#[must_use]
pub fn step(seen: &Seen<'_>, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let mut here: BTreeMap<Name, &Enrolled> = BTreeMap::new();
    for proxy in seen.connected {
        let group = seen.groups.get(&(proxy.namespace.clone(), proxy.group.clone()));
        let name = (proxy.namespace.clone(), proxy.entry());
        let Some(group) = group.filter(|group| proxy.refusal(Some(group)).is_none()) else {
            continue;
        };
        match seen.entries.get(&name) {
            None => plan.writes.push(create(seen, group, proxy, now)),
            Some(entry) => plan.writes.extend(present(seen, entry, proxy, now)),
        }
        here.insert(name, proxy);
    }
    for (name, entry) in seen.entries {
        if !here.contains_key(name) {
            absent(seen, entry, now, &mut plan);
        }
    }
    plan
}

fn annotation<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(name).map(String::as_str)
}

fn target(entry: &WorkloadEntry) -> Target {
    Target::of(API, "WorkloadEntry", &entry.metadata)
}

/// The entry of a proxy that has none.
fn create(seen: &Seen<'_>, group: &WorkloadGroup, proxy: &Enrolled, now: Timestamp) -> Write {
    let shape = group.spec.metadata.clone().unwrap_or_default();
    let template = group.spec.template.clone().unwrap_or_default();
    let mut labels = template.labels.clone();
    labels.extend(shape.labels);
    let said = |own: &str, of_template: Option<String>| {
        if own.is_empty() { of_template } else { Some(own.to_owned()) }
    };
    let spec = WorkloadEntrySpec {
        address: Some(proxy.address.to_string()),
        labels: labels.clone(),
        network: said(&proxy.network, template.network.clone()),
        locality: said(&proxy.locality, template.locality.clone()),
        ..template
    };
    let mut annotations = shape.annotations;
    annotations.extend([
        (GROUP.to_owned(), proxy.group.clone()),
        (CONTROLLER.to_owned(), seen.controller.to_owned()),
        (CONNECTED.to_owned(), now.to_string()),
    ]);
    if proxy.is_checked {
        annotations.insert(CHECKED.to_owned(), "true".to_owned());
    }
    let owner = Target::of(API, "WorkloadGroup", &group.metadata);
    let object = json!({
        "apiVersion": API,
        "kind": "WorkloadEntry",
        "metadata": {
            "name": proxy.entry(),
            "namespace": proxy.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [{"apiVersion": API, "kind": "WorkloadGroup", "name": owner.name,
                "uid": owner.uid, "controller": true}],
        },
        "spec": spec,
    });
    Write::create(object, owner)
}

/// What to change at the entry of a proxy that is here: who has it, and how it is.
fn present(
    seen: &Seen<'_>,
    entry: &WorkloadEntry,
    proxy: &Enrolled,
    now: Timestamp,
) -> Option<Write> {
    let meta = &entry.metadata;
    let is_gone = annotation(meta, DISCONNECTED).is_some();
    let is_ours = annotation(meta, CONTROLLER) == Some(seen.controller);
    // Whoever wrote an entry by hand keeps it.
    annotation(meta, GROUP)?;
    if is_gone || !is_ours {
        let annotations =
            json!({CONTROLLER: seen.controller, CONNECTED: now.to_string(), DISCONNECTED: null});
        return Some(annotate(entry, annotations));
    }
    let health = proxy.health.as_ref()?;
    let condition = condition(entry, health, now)?;
    let patch = json!({
        "metadata": {"resourceVersion": meta.resource_version},
        "status": {"conditions": condition},
    });
    Some(Write::patch(target(entry), patch, Some("status")))
}

/// The conditions of an entry with another word on its health; `None` where it says so already.
fn condition(
    entry: &WorkloadEntry,
    health: &Result<(), String>,
    now: Timestamp,
) -> Option<Vec<Value>> {
    let status = if health.is_ok() { "True" } else { "False" };
    let known = entry.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    if known.iter().any(|it| it.type_ == "Healthy" && it.status == status) {
        return None;
    }
    let others = known.iter().filter(|it| it.type_ != "Healthy");
    let others = others.filter_map(|it| serde_json::to_value(it).ok());
    let now = now.to_string();
    let mut own = json!({
        "type": "Healthy", "status": status, "lastProbeTime": now, "lastTransitionTime": now,
    });
    if let Err(why) = health {
        own["message"] = why.as_str().into();
    }
    Some(others.chain([own]).collect())
}

/// What to do about an entry whose proxy is not here.
fn absent(seen: &Seen<'_>, entry: &WorkloadEntry, now: Timestamp, plan: &mut Plan) {
    let meta = &entry.metadata;
    if annotation(meta, GROUP).is_none() || meta.deletion_timestamp.is_some() {
        return;
    }
    let since = annotation(meta, DISCONNECTED).and_then(|at| at.parse::<Timestamp>().ok());
    match since {
        // Its proxy may be connected to another control plane.
        None if annotation(meta, CONTROLLER) != Some(seen.controller) => {}
        None => {
            plan.writes.push(annotate(entry, json!({DISCONNECTED: now.to_string()})));
            plan.again_at(now + GRACE);
        }
        Some(since) if since + GRACE <= now => {
            let own = target(entry);
            plan.writes.push(Write::delete(own.clone(), own));
        }
        Some(since) => plan.again_at(since + GRACE),
    }
}

fn annotate(entry: &WorkloadEntry, annotations: Value) -> Write {
    let version = &entry.metadata.resource_version;
    let patch = json!({"metadata": {"resourceVersion": version, "annotations": annotations}});
    Write::patch(target(entry), patch, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;

    const NOW: &str = "2026-01-01T00:01:00Z";

    fn proxy() -> Enrolled {
        Enrolled {
            namespace: "default".into(),
            group: "vms".into(),
            address: "10.0.0.9".parse().unwrap(),
            network: String::new(),
            locality: "eu/a".into(),
            service_account: "vm".into(),
            is_checked: false,
            health: None,
        }
    }

    fn group(account: &str) -> WorkloadGroup {
        serde_json::from_value(json!({
            "metadata": {"name": "vms", "namespace": "default", "uid": "g"},
            "spec": {
                "metadata": {"labels": {"from": "group"}, "annotations": {"note": "kept"}},
                "template": {"serviceAccount": account, "labels": {"app": "shop"}, "ports": {"http": 8080},
                    "network": "home", "locality": "us/b", "weight": 3},
            },
        }))
        .unwrap()
    }

    fn entry(annotations: Value, status: Value) -> WorkloadEntry {
        serde_json::from_value(json!({
            "metadata": {"name": "vms-10.0.0.9", "namespace": "default", "uid": "e",
                "resourceVersion": "7", "annotations": annotations},
            "spec": {"address": "10.0.0.9"}, "status": status,
        }))
        .unwrap()
    }

    fn plan(groups: &[WorkloadGroup], entries: &[WorkloadEntry], connected: &[Enrolled]) -> Plan {
        let name =
            |meta: &ObjectMeta| (meta.namespace.clone().unwrap(), meta.name.clone().unwrap());
        let groups = groups.iter().map(|it| (name(&it.metadata), it.clone())).collect();
        let entries = entries.iter().map(|it| (name(&it.metadata), it.clone())).collect();
        let seen = Seen { groups: &groups, entries: &entries, connected, controller: "istiod-1" };
        step(&seen, NOW.parse().unwrap())
    }

    #[test]
    fn a_proxy_becomes_an_entry_of_its_group() {
        let plan = plan(&[group("vm")], &[], &[proxy()]);
        let [Write { action: Action::Create { object }, .. }] = &plan.writes[..] else {
            panic!("{plan:?}")
        };
        let meta = &object["metadata"];
        assert_eq!(meta["name"], "vms-10.0.0.9");
        assert_eq!(meta["labels"], json!({"app": "shop", "from": "group"}));
        assert_eq!(meta["annotations"][GROUP], "vms");
        assert_eq!(meta["annotations"][CONTROLLER], "istiod-1");
        assert_eq!(meta["annotations"]["note"], "kept");
        assert_eq!(meta["ownerReferences"][0]["uid"], "g");
        assert_eq!(
            object["spec"],
            json!({"address": "10.0.0.9", "labels": {"app": "shop", "from": "group"}, "ports": {"http": 8080},
                "network": "home", "locality": "eu/a", "weight": 3, "serviceAccount": "vm"})
        );
    }

    #[test]
    fn nobody_becomes_an_entry_of_a_group_that_is_not_for_them() {
        assert!(plan(&[], &[], &[proxy()]).writes.is_empty());
        assert!(plan(&[group("somebody")], &[], &[proxy()]).writes.is_empty());
        let why = proxy().refusal(Some(&group("somebody"))).unwrap();
        assert!(why.contains("\"somebody\"") && why.contains("\"vm\""), "{why}");
        assert_eq!(plan(&[group("")], &[], &[proxy()]).writes.len(), 1);
    }

    #[test]
    fn an_entry_outlives_its_connection_by_ten_seconds() {
        let ours = json!({GROUP: "vms", CONTROLLER: "istiod-1"});
        let gone_at = |at: &str| json!({GROUP: "vms", CONTROLLER: "istiod-1", DISCONNECTED: at});
        let by_hand = json!({});
        let elsewhere = json!({GROUP: "vms", CONTROLLER: "istiod-2"});
        for (annotations, expected) in [
            (ours, "mark"),
            (gone_at("2026-01-01T00:00:55Z"), "wait"),
            (gone_at("2026-01-01T00:00:50Z"), "delete"),
            (by_hand, "nothing"),
            (elsewhere, "nothing"),
        ] {
            let plan = plan(&[group("vm")], &[entry(annotations.clone(), json!({}))], &[]);
            let done = match (plan.writes.first().map(|it| &it.action), plan.look_again) {
                (Some(Action::Patch { patch, .. }), Some(again)) => {
                    assert_eq!(patch["metadata"]["annotations"][DISCONNECTED], NOW);
                    assert_eq!(again.to_string(), "2026-01-01T00:01:10Z");
                    "mark"
                }
                (Some(Action::Delete { .. }), None) => "delete",
                (None, Some(again)) => {
                    assert_eq!(again.to_string(), "2026-01-01T00:01:05Z");
                    "wait"
                }
                (None, None) => "nothing",
                other => panic!("{other:?}"),
            };
            assert_eq!(done, expected, "{annotations}");
        }
        // Who comes back in time keeps its entry, and so does who comes from another control plane.
        for annotations in
            [gone_at("2026-01-01T00:00:55Z"), json!({GROUP: "vms", CONTROLLER: "istiod-2"})]
        {
            let plan = plan(&[group("vm")], &[entry(annotations, json!({}))], &[proxy()]);
            let [Write { action: Action::Patch { patch, .. }, .. }] = &plan.writes[..] else {
                panic!("{plan:?}")
            };
            assert_eq!(patch["metadata"]["annotations"][DISCONNECTED], Value::Null);
            assert_eq!(patch["metadata"]["annotations"][CONTROLLER], "istiod-1");
        }
    }

    #[test]
    fn what_a_proxy_tells_of_its_health_is_written_once() {
        let ours = || json!({GROUP: "vms", CONTROLLER: "istiod-1"});
        let healthy = |status: &str| json!({"conditions": [{"type": "Healthy", "status": status}, {"type": "Other", "status": "True"}]});
        for (told, known, expected) in [
            (None, json!({}), None),
            (Some(Ok(())), json!({}), Some("True")),
            (Some(Ok(())), healthy("True"), None),
            (Some(Err("it is down".to_owned())), healthy("True"), Some("False")),
            (Some(Err("it is down".to_owned())), healthy("False"), None),
        ] {
            let proxy = Enrolled { health: told.clone(), ..proxy() };
            let plan = plan(&[group("vm")], &[entry(ours(), known)], &[proxy]);
            let patch = plan.writes.first().map(|it| match &it.action {
                Action::Patch { patch, subresource: Some("status") } => patch.clone(),
                other => panic!("{other:?}"),
            });
            let conditions = patch.map(|patch| patch["status"]["conditions"].clone());
            let last = conditions.as_ref().and_then(|all| all.as_array()?.last().cloned());
            assert_eq!(last.map(|it| it["status"].clone()), expected.map(Value::from), "{told:?}");
        }
    }
}
