//! Built-in kinds that tutorials' files contain and nothing acts on: stored, shown, checked.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::api::{networking, policy, rbac, scheduling, storage};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use objects::{NameRule, Resource};
use serde_json::{Value, json};

use crate::{checks, columns, defaults, merge, schema};

const STORED: Resource = Resource { acted_on: false, ..Resource::BLANK };
const RBAC: Resource =
    Resource { group: "rbac.authorization.k8s.io", name_rule: NameRule::PathSegment, ..STORED };
const NETWORKING: Resource = Resource { group: "networking.k8s.io", generation: true, ..STORED };

/// The newer form, with the one field of the older that it lacks.
fn autoscaler() -> Value {
    let percent = json!({
        "type": "integer",
        "format": "int32",
        "description": "The autoscaling/v1 form of a metric of type Resource for cpu.",
    });
    let newer = schema::of::<HorizontalPodAutoscaler>();
    schema::with(newer, &["spec"], "targetCPUUtilizationPercentage", percent)
}

pub(super) const PLAIN: &[Resource] = &[
    Resource {
        kind: "PersistentVolumeClaim",
        plural: "persistentvolumeclaims",
        singular: "persistentvolumeclaim",
        short_names: &["pvc"],
        subresources: &["status"],
        columns: columns::storage::CLAIM,
        schema: schema::of::<k8s::PersistentVolumeClaim>,
        defaults: defaults::volume_claim,
        patch_rules: merge::common,
        ..STORED
    },
    Resource {
        kind: "PersistentVolume",
        plural: "persistentvolumes",
        singular: "persistentvolume",
        short_names: &["pv"],
        namespaced: false,
        subresources: &["status"],
        columns: columns::storage::VOLUME,
        schema: schema::of::<k8s::PersistentVolume>,
        defaults: defaults::volume,
        ..STORED
    },
    Resource {
        group: "storage.k8s.io",
        kind: "StorageClass",
        plural: "storageclasses",
        singular: "storageclass",
        short_names: &["sc"],
        namespaced: false,
        columns: columns::storage::CLASS,
        schema: schema::of::<storage::v1::StorageClass>,
        defaults: defaults::storage_class,
        ..STORED
    },
    Resource {
        kind: "Role",
        plural: "roles",
        singular: "role",
        columns: columns::cluster::CREATED_AT,
        schema: schema::of::<rbac::v1::Role>,
        ..RBAC
    },
    Resource {
        kind: "RoleBinding",
        plural: "rolebindings",
        singular: "rolebinding",
        columns: columns::cluster::ROLE_BINDING,
        schema: schema::of::<rbac::v1::RoleBinding>,
        defaults: defaults::role_binding,
        check: checks::cluster::role_binding,
        check_change: checks::change::role,
        ..RBAC
    },
    Resource {
        kind: "ClusterRole",
        plural: "clusterroles",
        singular: "clusterrole",
        namespaced: false,
        columns: columns::cluster::CREATED_AT,
        schema: schema::of::<rbac::v1::ClusterRole>,
        ..RBAC
    },
    Resource {
        kind: "ClusterRoleBinding",
        plural: "clusterrolebindings",
        singular: "clusterrolebinding",
        namespaced: false,
        columns: columns::cluster::ROLE_BINDING,
        schema: schema::of::<rbac::v1::ClusterRoleBinding>,
        defaults: defaults::role_binding,
        check: checks::cluster::role_binding,
        check_change: checks::change::role,
        ..RBAC
    },
    Resource {
        kind: "Ingress",
        plural: "ingresses",
        singular: "ingress",
        short_names: &["ing"],
        subresources: &["status"],
        columns: columns::network::INGRESS,
        schema: schema::of::<networking::v1::Ingress>,
        ..NETWORKING
    },
    Resource {
        kind: "IngressClass",
        plural: "ingressclasses",
        singular: "ingressclass",
        namespaced: false,
        columns: columns::network::INGRESS_CLASS,
        schema: schema::of::<networking::v1::IngressClass>,
        ..NETWORKING
    },
    Resource {
        kind: "NetworkPolicy",
        plural: "networkpolicies",
        singular: "networkpolicy",
        short_names: &["netpol"],
        columns: columns::network::NETWORK_POLICY,
        schema: schema::of::<networking::v1::NetworkPolicy>,
        defaults: defaults::network_policy,
        ..NETWORKING
    },
    Resource {
        group: "autoscaling",
        versions: &["v2", "v1"],
        kind: "HorizontalPodAutoscaler",
        plural: "horizontalpodautoscalers",
        singular: "horizontalpodautoscaler",
        short_names: &["hpa"],
        categories: &["all"],
        subresources: &["status"],
        columns: columns::policy::AUTOSCALER,
        schema: autoscaler,
        defaults: defaults::autoscaler,
        patch_rules: merge::common,
        ..STORED
    },
    Resource {
        group: "policy",
        kind: "PodDisruptionBudget",
        plural: "poddisruptionbudgets",
        singular: "poddisruptionbudget",
        short_names: &["pdb"],
        subresources: &["status"],
        columns: columns::policy::DISRUPTION_BUDGET,
        schema: schema::of::<policy::v1::PodDisruptionBudget>,
        patch_rules: merge::disruption_budget,
        generation: true,
        ..STORED
    },
    Resource {
        kind: "LimitRange",
        plural: "limitranges",
        singular: "limitrange",
        short_names: &["limits"],
        columns: columns::cluster::CREATED_AT,
        schema: schema::of::<k8s::LimitRange>,
        ..STORED
    },
    Resource {
        kind: "ResourceQuota",
        plural: "resourcequotas",
        singular: "resourcequota",
        short_names: &["quota"],
        subresources: &["status"],
        columns: columns::policy::QUOTA,
        schema: schema::of::<k8s::ResourceQuota>,
        ..STORED
    },
    Resource {
        group: "scheduling.k8s.io",
        kind: "PriorityClass",
        plural: "priorityclasses",
        singular: "priorityclass",
        short_names: &["pc"],
        namespaced: false,
        columns: columns::network::PRIORITY_CLASS,
        schema: schema::of::<scheduling::v1::PriorityClass>,
        defaults: defaults::priority_class,
        ..STORED
    },
    Resource {
        group: "apiextensions.k8s.io",
        kind: "CustomResourceDefinition",
        plural: "customresourcedefinitions",
        singular: "customresourcedefinition",
        short_names: &["crd", "crds"],
        categories: &["api-extensions"],
        namespaced: false,
        subresources: &["status"],
        columns: columns::cluster::CREATED_AT,
        schema: schema::open,
        generation: true,
        ..STORED
    },
    Resource {
        group: "apiregistration.k8s.io",
        kind: "APIService",
        plural: "apiservices",
        singular: "apiservice",
        categories: &["api-extensions"],
        namespaced: false,
        subresources: &["status"],
        columns: columns::network::API_SERVICE,
        schema: schema::of::<APIService>,
        patch_rules: merge::common,
        ..STORED
    },
];
