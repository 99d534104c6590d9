//! Columns of the kinds that make pods.

use objects::Column;
use serde_json::Value;

use super::{
    AGE, NAME, NONE, col, containers, labels, number, or_none, selector, short, since, wide,
};
use crate::view::{at, flag, int, list, text};

const CONTAINERS: Column =
    wide("Containers", |o, _| containers(at(o, "spec.template.spec"), "name"));
const IMAGES: Column = wide("Images", |o, _| containers(at(o, "spec.template.spec"), "image"));
const SELECTOR: Column = wide("Selector", |o, _| selector(o, "spec.selector"));

/// NAME READY UP-TO-DATE AVAILABLE AGE
pub(crate) const DEPLOYMENT: &[Column] = &[
    NAME,
    col("Ready", |o, _| {
        format!("{}/{}", int(o, "status.readyReplicas"), int(o, "spec.replicas")).into()
    }),
    number("Up-to-date", |o, _| int(o, "status.updatedReplicas").into()),
    number("Available", |o, _| int(o, "status.availableReplicas").into()),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

/// NAME DESIRED CURRENT READY AGE
pub(crate) const REPLICA_SET: &[Column] = &[
    NAME,
    number("Desired", |o, _| int(o, "spec.replicas").into()),
    number("Current", |o, _| int(o, "status.replicas").into()),
    number("Ready", |o, _| int(o, "status.readyReplicas").into()),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

/// NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE
pub(crate) const DAEMON_SET: &[Column] = &[
    NAME,
    number("Desired", |o, _| int(o, "status.desiredNumberScheduled").into()),
    number("Current", |o, _| int(o, "status.currentNumberScheduled").into()),
    number("Ready", |o, _| int(o, "status.numberReady").into()),
    number("Up-to-date", |o, _| int(o, "status.updatedNumberScheduled").into()),
    number("Available", |o, _| int(o, "status.numberAvailable").into()),
    col("Node Selector", |o, _| labels(o, "spec.template.spec.nodeSelector")),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

/// NAME READY AGE
pub(crate) const STATEFUL_SET: &[Column] = &[
    NAME,
    col("Ready", |o, _| {
        format!("{}/{}", int(o, "status.readyReplicas"), int(o, "spec.replicas")).into()
    }),
    AGE,
    CONTAINERS,
    IMAGES,
];

/// NAME STATUS COMPLETIONS DURATION AGE
pub(crate) const JOB: &[Column] = &[
    NAME,
    col("Status", |o, _| job_status(o).into()),
    col("Completions", |o, _| {
        let done = int(o, "status.succeeded");
        match (at(o, "spec.completions").as_i64(), at(o, "spec.parallelism").as_i64()) {
            (Some(wanted), _) => format!("{done}/{wanted}"),
            (None, Some(parallel)) if parallel > 1 => format!("{done}/1 of {parallel}"),
            (None, _) => format!("{done}/1"),
        }
        .into()
    }),
    col("Duration", |o, now| {
        let start = text(o, "status.startTime").parse::<jiff::Timestamp>();
        let end = text(o, "status.completionTime").parse::<jiff::Timestamp>();
        match (start, end) {
            (Ok(start), Ok(end)) => short(end.as_second() - start.as_second()).into(),
            (Ok(start), Err(_)) => short(now.as_second() - start.as_second()).into(),
            (Err(_), _) => "".into(),
        }
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

fn job_status(job: &Value) -> &'static str {
    let holds = |kind: &str| {
        list(job, "status.conditions")
            .iter()
            .any(|c| text(c, "type") == kind && text(c, "status") == "True")
    };
    if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if !at(job, "metadata.deletionTimestamp").is_null() {
        "Terminating"
    } else if holds("Suspended") {
        "Suspended"
    } else if holds("FailureTarget") {
        "FailureTarget"
    } else if holds("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

/// NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE
pub(crate) const CRON_JOB: &[Column] = &[
    NAME,
    col("Schedule", |o, _| text(o, "spec.schedule").into()),
    col("Timezone", |o, _| or_none(text(o, "spec.timeZone"))),
    col("Suspend", |o, _| if flag(o, "spec.suspend") { "True" } else { "False" }.into()),
    number("Active", |o, _| list(o, "status.active").len().into()),
    col("Last Schedule", |o, now| match text(o, "status.lastScheduleTime") {
        "" => NONE.into(),
        stamp => since(stamp, now).into(),
    }),
    AGE,
    wide("Containers", |o, _| containers(at(o, "spec.jobTemplate.spec.template.spec"), "name")),
    wide("Images", |o, _| containers(at(o, "spec.jobTemplate.spec.template.spec"), "image")),
    wide("Selector", |o, _| selector(o, "spec.jobTemplate.spec.selector")),
];

/// NAME CONTROLLER REVISION AGE
pub(crate) const CONTROLLER_REVISION: &[Column] = &[
    NAME,
    col("Controller", |o, _| {
        let owner = list(o, "metadata.ownerReferences").iter().find(|r| flag(r, "controller"));
        let Some(owner) = owner else { return NONE.into() };
        let kind = text(owner, "kind").to_lowercase();
        match text(owner, "apiVersion").split_once('/') {
            Some((group, _)) => format!("{kind}.{group}/{}", text(owner, "name")),
            None => format!("{kind}/{}", text(owner, "name")),
        }
        .into()
    }),
    number("Revision", |o, _| int(o, "revision").into()),
    AGE,
];
