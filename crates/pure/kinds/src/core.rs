//! Kubernetes' own kinds as types: k8s-openapi's, under the names that the house uses.

pub use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
pub use k8s_openapi::api::apps::v1::{
    ControllerRevision, Deployment, DeploymentCondition, DeploymentSpec, DeploymentStatus,
    DeploymentStrategy, ReplicaSet, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus,
    RollingUpdateDeployment,
};
pub use k8s_openapi::api::authentication::v1::{
    TokenRequest, TokenRequestSpec, TokenRequestStatus,
};
pub use k8s_openapi::api::autoscaling::v1::{Scale, ScaleSpec, ScaleStatus};
pub use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
pub use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapKeySelector, Container, ContainerPort, ContainerState,
    ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    EndpointAddress, EndpointPort as EndpointsPort, EndpointSubset, Endpoints, EnvFromSource,
    EnvVar, EnvVarSource, Event, EventSource, ExecAction, GRPCAction, HTTPGetAction, HTTPHeader,
    HostAlias, KeyToPath, Lifecycle, LifecycleHandler, LoadBalancerIngress, LoadBalancerStatus,
    Namespace, NamespaceSpec, NamespaceStatus, Node, NodeAddress, NodeCondition, NodeSpec,
    NodeStatus, NodeSystemInfo, ObjectFieldSelector, ObjectReference, Pod, PodCondition, PodIP,
    PodReadinessGate, PodSecurityContext, PodSpec, PodStatus, PodTemplateSpec, Probe,
    ResourceRequirements, Secret, SecretKeySelector, SecurityContext, Service, ServiceAccount,
    ServicePort, ServiceSpec, ServiceStatus, TCPSocketAction, Volume, VolumeMount,
};
pub use k8s_openapi::api::discovery::v1::{
    Endpoint, EndpointConditions, EndpointPort, EndpointSlice,
};
pub use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    Condition, LabelSelector, LabelSelectorRequirement, MicroTime, ObjectMeta, OwnerReference, Time,
};
pub use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
