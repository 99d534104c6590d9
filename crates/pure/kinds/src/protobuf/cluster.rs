//! Fields of the messages on roles, networking, policy, leases, reviews and webhooks.
//!
//! The notation is that of [`super::messages`].

use k8s_pb::api::admissionregistration::v1 as admission;
use k8s_pb::api::authentication::v1 as authentication;
use k8s_pb::api::authorization::v1 as authorization;
use k8s_pb::api::coordination::v1 as coordination;
use k8s_pb::api::discovery::v1 as discovery;
use k8s_pb::api::networking::v1 as networking;
use k8s_pb::api::policy::v1 as policy;
use k8s_pb::api::rbac::v1 as rbac;
use k8s_pb::api::scheduling::v1 as scheduling;

use super::messages;

messages! {
    rbac::AggregationRule { [cluster_role_selectors] }
    rbac::ClusterRole { [metadata] ?[aggregation_rule] ![rules] }
    rbac::ClusterRoleBinding { [metadata subjects] ![role_ref] }
    rbac::PolicyRule { [api_groups resources resource_names non_resource_ur_ls="nonResourceURLs"]
        ![verbs] }
    rbac::Role { [metadata] ![rules] }
    rbac::RoleBinding { [metadata subjects] ![role_ref] }
    rbac::RoleRef { ![api_group kind name] }
    rbac::Subject { [api_group namespace] ![kind name] }
    networking::HttpIngressPath { [path] ?[path_type] ![backend] }
    networking::HttpIngressRuleValue { ![paths] }
    networking::Ingress { [metadata spec status] }
    networking::IngressBackend { ?[service resource] }
    networking::IngressLoadBalancerIngress { [ip hostname ports] }
    networking::IngressLoadBalancerStatus { [ingress] }
    networking::IngressPortStatus { ?[error] ![port protocol] }
    networking::IngressRule { [host] +[ingress_rule_value] }
    networking::IngressRuleValue { ?[http] }
    networking::IngressServiceBackend { [port] ![name] }
    networking::IngressSpec { [tls rules] ?[ingress_class_name default_backend] }
    networking::IngressStatus { [load_balancer] }
    networking::IngressTls { [hosts secret_name] }
    networking::IpBlock { [except] ![cidr] }
    networking::NetworkPolicy { [metadata spec] }
    networking::NetworkPolicyEgressRule { [ports to] }
    networking::NetworkPolicyIngressRule { [ports from] }
    networking::NetworkPolicyPeer { ?[pod_selector namespace_selector ip_block] }
    networking::NetworkPolicyPort { ?[protocol port end_port] }
    networking::NetworkPolicySpec { [ingress egress policy_types] ![pod_selector] }
    networking::ServiceBackendPort { [name number] }
    policy::Eviction { [metadata] ?[delete_options] }
    policy::PodDisruptionBudget { [metadata spec status] }
    policy::PodDisruptionBudgetSpec { ?[min_available selector max_unavailable
        unhealthy_pod_eviction_policy] }
    policy::PodDisruptionBudgetStatus { [observed_generation disrupted_pods conditions]
        ![disruptions_allowed current_healthy desired_healthy expected_pods] }
    coordination::Lease { [metadata spec] }
    coordination::LeaseSpec { ?[holder_identity lease_duration_seconds acquire_time renew_time
        lease_transitions strategy preferred_holder] }
    discovery::Endpoint { [conditions deprecated_topology] ?[hostname target_ref node_name zone
        hints] ![addresses] }
    discovery::EndpointConditions { ?[ready serving terminating] }
    discovery::EndpointHints { [for_zones for_nodes] }
    discovery::EndpointPort { ?[name protocol port app_protocol] }
    discovery::EndpointSlice { [metadata] ![address_type endpoints ports] }
    discovery::ForNode { ![name] }
    discovery::ForZone { ![name] }
    authentication::BoundObjectReference { [kind api_version name u_id="uid"] }
    authentication::TokenRequest { [metadata status] ![spec] }
    authentication::TokenRequestSpec { ?[expiration_seconds bound_object_ref] ![audiences] }
    authentication::TokenRequestStatus { ![token expiration_timestamp] }
    authentication::TokenReview { [metadata status] ![spec] }
    authentication::TokenReviewSpec { [token audiences] }
    authentication::TokenReviewStatus { [authenticated user audiences error] }
    authentication::UserInfo { [username uid groups extra] }
    authorization::FieldSelectorAttributes { [raw_selector requirements] }
    authorization::LabelSelectorAttributes { [raw_selector requirements] }
    authorization::LocalSubjectAccessReview { [metadata status] ![spec] }
    authorization::NonResourceAttributes { [path verb] }
    authorization::NonResourceRule { [non_resource_ur_ls="nonResourceURLs"] ![verbs] }
    authorization::ResourceAttributes { [namespace verb group version resource subresource name]
        ?[field_selector label_selector] }
    authorization::ResourceRule { [api_groups resources resource_names] ![verbs] }
    authorization::SelfSubjectAccessReview { [metadata status] ![spec] }
    authorization::SelfSubjectAccessReviewSpec { ?[resource_attributes non_resource_attributes] }
    authorization::SelfSubjectRulesReview { [metadata status] ![spec] }
    authorization::SelfSubjectRulesReviewSpec { [namespace] }
    authorization::SubjectAccessReview { [metadata status] ![spec] }
    authorization::SubjectAccessReviewSpec { [user groups extra uid] ?[resource_attributes
        non_resource_attributes] }
    authorization::SubjectAccessReviewStatus { [denied reason evaluation_error] ![allowed] }
    authorization::SubjectRulesReviewStatus { [evaluation_error] ![resource_rules non_resource_rules
        incomplete] }
    scheduling::PriorityClass { [metadata global_default description] ?[preemption_policy] ![value]
        }
    admission::MatchCondition { ![name expression] }
    admission::MutatingWebhook { [rules match_conditions] ?[failure_policy match_policy
        namespace_selector object_selector side_effects timeout_seconds reinvocation_policy] ![name
        client_config admission_review_versions] }
    admission::MutatingWebhookConfiguration { [metadata webhooks] }
    admission::Rule { [api_groups api_versions resources] ?[scope] }
    admission::RuleWithOperations { [operations] +[rule] }
    admission::ServiceReference { ?[path port] ![namespace name] }
    admission::ValidatingWebhook { [rules match_conditions] ?[failure_policy match_policy
        namespace_selector object_selector side_effects timeout_seconds] ![name client_config
        admission_review_versions] }
    admission::ValidatingWebhookConfiguration { [metadata webhooks] }
    admission::WebhookClientConfig { [ca_bundle] ?[url service] }
}
