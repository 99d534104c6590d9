//! Fields of metadata, and of the messages that make and scale pods.
//!
//! The notation is that of [`super::messages`].

use k8s_pb::api::apps::v1 as apps;
use k8s_pb::api::autoscaling::v1 as scale1;
use k8s_pb::api::autoscaling::v2 as scale2;
use k8s_pb::api::batch::v1 as batch;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;

use super::messages;

messages! {
    meta::Condition { [observed_generation] ![r#type status last_transition_time reason message] }
    meta::DeleteOptions { [dry_run] ?[grace_period_seconds preconditions orphan_dependents
        propagation_policy ignore_store_read_error_with_cluster_breaking_potential] }
    meta::FieldSelectorRequirement { [values] ![key operator] }
    meta::LabelSelector { [match_labels match_expressions] }
    meta::LabelSelectorRequirement { [values] ![key operator] }
    meta::ObjectMeta { [name generate_name namespace self_link uid resource_version generation
        creation_timestamp labels annotations owner_references finalizers] ?[deletion_timestamp
        deletion_grace_period_seconds] -[managed_fields] }
    meta::OwnerReference { ?[controller block_owner_deletion] ![api_version kind name uid] }
    meta::Preconditions { ?[uid resource_version] }
    apps::ControllerRevision { [metadata] ![data revision] }
    apps::DaemonSet { [metadata spec status] }
    apps::DaemonSetCondition { [last_transition_time reason message] ![r#type status] }
    apps::DaemonSetSpec { [update_strategy min_ready_seconds] ?[selector revision_history_limit]
        ![template] }
    apps::DaemonSetStatus { [observed_generation updated_number_scheduled number_available
        number_unavailable conditions] ?[collision_count] ![current_number_scheduled
        number_misscheduled desired_number_scheduled number_ready] }
    apps::DaemonSetUpdateStrategy { [r#type] ?[rolling_update] }
    apps::Deployment { [metadata spec status] }
    apps::DeploymentCondition { [last_update_time last_transition_time reason message] ![r#type
        status] }
    apps::DeploymentSpec { [strategy min_ready_seconds paused] ?[replicas selector
        revision_history_limit progress_deadline_seconds] ![template] }
    apps::DeploymentStatus { [observed_generation replicas updated_replicas ready_replicas
        available_replicas unavailable_replicas conditions] ?[terminating_replicas collision_count]
        }
    apps::DeploymentStrategy { [r#type] ?[rolling_update] }
    apps::ReplicaSet { [metadata spec status] }
    apps::ReplicaSetCondition { [last_transition_time reason message] ![r#type status] }
    apps::ReplicaSetSpec { [min_ready_seconds template] ?[replicas selector] }
    apps::ReplicaSetStatus { [fully_labeled_replicas ready_replicas available_replicas
        observed_generation conditions] ?[terminating_replicas] ![replicas] }
    apps::RollingUpdateDaemonSet { ?[max_unavailable max_surge] }
    apps::RollingUpdateDeployment { ?[max_unavailable max_surge] }
    apps::RollingUpdateStatefulSetStrategy { ?[partition max_unavailable] }
    apps::StatefulSet { [metadata spec status] }
    apps::StatefulSetCondition { [last_transition_time reason message] ![r#type status] }
    apps::StatefulSetOrdinals { ![start] }
    apps::StatefulSetPersistentVolumeClaimRetentionPolicy { [when_deleted when_scaled] }
    apps::StatefulSetSpec { [volume_claim_templates pod_management_policy update_strategy
        min_ready_seconds] ?[replicas selector revision_history_limit
        persistent_volume_claim_retention_policy ordinals] ![template service_name] }
    apps::StatefulSetStatus { [observed_generation ready_replicas current_replicas updated_replicas
        current_revision update_revision conditions] ?[collision_count] ![replicas
        available_replicas] }
    apps::StatefulSetUpdateStrategy { [r#type] ?[rolling_update] }
    batch::CronJob { [metadata spec status] }
    batch::CronJobSpec { [concurrency_policy] ?[time_zone starting_deadline_seconds suspend
        successful_jobs_history_limit failed_jobs_history_limit] ![schedule job_template] }
    batch::CronJobStatus { [active] ?[last_schedule_time last_successful_time] }
    batch::Job { [metadata spec status] }
    batch::JobCondition { [last_probe_time last_transition_time reason message] ![r#type status] }
    batch::JobSpec { ?[parallelism completions active_deadline_seconds pod_failure_policy
        success_policy backoff_limit backoff_limit_per_index max_failed_indexes selector
        manual_selector ttl_seconds_after_finished completion_mode suspend pod_replacement_policy
        managed_by] ![template] }
    batch::JobStatus { [conditions active succeeded failed completed_indexes] ?[start_time
        completion_time terminating failed_indexes uncounted_terminated_pods ready] }
    batch::JobTemplateSpec { [metadata spec] }
    batch::PodFailurePolicy { ![rules] }
    batch::PodFailurePolicyOnExitCodesRequirement { ?[container_name] ![operator values] }
    batch::PodFailurePolicyOnPodConditionsPattern { ![r#type status] }
    batch::PodFailurePolicyRule { [on_pod_conditions] ?[on_exit_codes] ![action] }
    batch::SuccessPolicy { ![rules] }
    batch::SuccessPolicyRule { ?[succeeded_indexes succeeded_count] }
    batch::UncountedTerminatedPods { [succeeded failed] }
    scale1::CrossVersionObjectReference { [api_version] ![kind name] }
    scale1::HorizontalPodAutoscaler { [metadata spec status] }
    scale1::HorizontalPodAutoscalerSpec { ?[min_replicas
        target_cpu_utilization_percentage="targetCPUUtilizationPercentage"] ![scale_target_ref
        max_replicas] }
    scale1::HorizontalPodAutoscalerStatus { ?[observed_generation last_scale_time
        current_cpu_utilization_percentage="currentCPUUtilizationPercentage"] ![current_replicas
        desired_replicas] }
    scale1::Scale { [metadata spec status] }
    scale1::ScaleSpec { [replicas] }
    scale1::ScaleStatus { [selector] ![replicas] }
    scale2::ContainerResourceMetricSource { ![name target container] }
    scale2::ContainerResourceMetricStatus { ![name current container] }
    scale2::CrossVersionObjectReference { [api_version] ![kind name] }
    scale2::ExternalMetricSource { ![metric target] }
    scale2::ExternalMetricStatus { ![metric current] }
    scale2::HorizontalPodAutoscaler { [metadata spec status] }
    scale2::HorizontalPodAutoscalerBehavior { ?[scale_up scale_down] }
    scale2::HorizontalPodAutoscalerCondition { [last_transition_time reason message] ![r#type
        status] }
    scale2::HorizontalPodAutoscalerSpec { [metrics] ?[min_replicas behavior] ![scale_target_ref
        max_replicas] }
    scale2::HorizontalPodAutoscalerStatus { [current_replicas conditions] ?[observed_generation
        last_scale_time] ![desired_replicas current_metrics] }
    scale2::HpaScalingPolicy { ![r#type value period_seconds] }
    scale2::HpaScalingRules { [policies] ?[stabilization_window_seconds select_policy tolerance] }
    scale2::MetricIdentifier { ?[selector] ![name] }
    scale2::MetricSpec { ?[object pods resource container_resource external] ![r#type] }
    scale2::MetricStatus { ?[object pods resource container_resource external] ![r#type] }
    scale2::MetricTarget { ?[value average_value average_utilization] ![r#type] }
    scale2::MetricValueStatus { ?[value average_value average_utilization] }
    scale2::ObjectMetricSource { ![described_object target metric] }
    scale2::ObjectMetricStatus { ![metric current described_object] }
    scale2::PodsMetricSource { ![metric target] }
    scale2::PodsMetricStatus { ![metric current] }
    scale2::ResourceMetricSource { ![name target] }
    scale2::ResourceMetricStatus { ![name current] }
}
