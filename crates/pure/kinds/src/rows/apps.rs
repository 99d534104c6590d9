//! Kinds that make pods.

use k8s_openapi::api::apps::v1 as k8s;
use k8s_openapi::api::batch::v1 as batch;
use objects::Resource;

use super::select;
use crate::{checks, columns, core, defaults, merge, schema};

pub(super) const APPS: &[Resource] = &[
    Resource {
        group: "apps",
        kind: "Deployment",
        plural: "deployments",
        singular: "deployment",
        short_names: &["deploy"],
        categories: &["all"],
        subresources: &["scale", "status"],
        columns: columns::workload::DEPLOYMENT,
        schema: schema::of::<core::Deployment>,
        defaults: defaults::deployment,
        check: checks::workload::deployment,
        check_change: checks::change::selector,
        patch_rules: merge::deployment,
        generation: true,
        ..Resource::BLANK
    },
    Resource {
        group: "apps",
        kind: "ReplicaSet",
        plural: "replicasets",
        singular: "replicaset",
        short_names: &["rs"],
        categories: &["all"],
        subresources: &["scale", "status"],
        columns: columns::workload::REPLICA_SET,
        schema: schema::of::<core::ReplicaSet>,
        defaults: defaults::replica_set,
        check: checks::workload::replica_set,
        check_change: checks::change::selector,
        selectable: select::replica_set,
        patch_rules: merge::template,
        generation: true,
        ..Resource::BLANK
    },
    Resource {
        group: "apps",
        kind: "ControllerRevision",
        plural: "controllerrevisions",
        singular: "controllerrevision",
        columns: columns::workload::CONTROLLER_REVISION,
        schema: schema::of::<core::ControllerRevision>,
        ..Resource::BLANK
    },
    Resource {
        group: "apps",
        kind: "DaemonSet",
        plural: "daemonsets",
        singular: "daemonset",
        short_names: &["ds"],
        categories: &["all"],
        subresources: &["status"],
        columns: columns::workload::DAEMON_SET,
        schema: schema::of::<k8s::DaemonSet>,
        defaults: defaults::daemon_set,
        check: checks::workload::daemon_set,
        check_change: checks::change::selector,
        patch_rules: merge::template,
        generation: true,
        acted_on: false,
        ..Resource::BLANK
    },
    Resource {
        group: "apps",
        kind: "StatefulSet",
        plural: "statefulsets",
        singular: "statefulset",
        short_names: &["sts"],
        categories: &["all"],
        subresources: &["scale", "status"],
        columns: columns::workload::STATEFUL_SET,
        schema: schema::of::<k8s::StatefulSet>,
        defaults: defaults::stateful_set,
        check: checks::workload::stateful_set,
        check_change: checks::change::selector,
        patch_rules: merge::template,
        generation: true,
        acted_on: false,
        ..Resource::BLANK
    },
    Resource {
        group: "batch",
        kind: "Job",
        plural: "jobs",
        singular: "job",
        categories: &["all"],
        subresources: &["status"],
        columns: columns::workload::JOB,
        schema: schema::of::<batch::Job>,
        defaults: defaults::job,
        check: checks::workload::job,
        check_change: checks::change::job,
        patch_rules: merge::template,
        generation: true,
        acted_on: false,
        ..Resource::BLANK
    },
    Resource {
        group: "batch",
        kind: "CronJob",
        plural: "cronjobs",
        singular: "cronjob",
        short_names: &["cj"],
        categories: &["all"],
        subresources: &["status"],
        columns: columns::workload::CRON_JOB,
        schema: schema::of::<batch::CronJob>,
        defaults: defaults::cron_job,
        check: checks::workload::cron_job,
        patch_rules: merge::cron_job,
        generation: true,
        acted_on: false,
        ..Resource::BLANK
    },
];
