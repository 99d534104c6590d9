//! Fields of the core messages: pods, services, configuration, nodes, volumes.
//!
//! The notation is that of [`super::messages`].

use k8s_pb::api::core::v1 as core;

use super::messages;

messages! {
    core::Affinity { ?[node_affinity pod_affinity pod_anti_affinity] }
    core::AppArmorProfile { ?[localhost_profile] ![r#type] }
    core::AttachedVolume { ![name device_path] }
    core::AwsElasticBlockStoreVolumeSource { [fs_type partition read_only] ![volume_id="volumeID"] }
    core::AzureDiskVolumeSource { ?[caching_mode fs_type read_only kind] ![disk_name
        disk_uri="diskURI"] }
    core::AzureFileVolumeSource { [read_only] ![secret_name share_name] }
    core::Binding { [metadata] ![target] }
    core::CSIVolumeSource { [volume_attributes] ?[read_only fs_type node_publish_secret_ref]
        ![driver] }
    core::Capabilities { [add drop] }
    core::CephFsVolumeSource { [path user secret_file read_only] ?[secret_ref] ![monitors] }
    core::CinderVolumeSource { [fs_type read_only] ?[secret_ref] ![volume_id="volumeID"] }
    core::ClientIpConfig { ?[timeout_seconds] }
    core::ClusterTrustBundleProjection { ?[name signer_name label_selector optional] ![path] }
    core::ConfigMap { [metadata data binary_data] ?[immutable] }
    core::ConfigMapEnvSource { ?[optional] +[local_object_reference] }
    core::ConfigMapKeySelector { ?[optional] ![key] +[local_object_reference] }
    core::ConfigMapNodeConfigSource { [uid resource_version] ![namespace name kubelet_config_key] }
    core::ConfigMapProjection { [items] ?[optional] +[local_object_reference] }
    core::ConfigMapVolumeSource { [items] ?[default_mode optional] +[local_object_reference] }
    core::Container { [image command args working_dir ports env_from env resources resize_policy
        restart_policy_rules volume_mounts volume_devices termination_message_path
        termination_message_policy image_pull_policy stdin stdin_once tty] ?[restart_policy
        liveness_probe readiness_probe startup_probe lifecycle security_context] ![name] }
    core::ContainerExtendedResourceRequest { ![container_name resource_name request_name] }
    core::ContainerImage { [size_bytes] ![names] }
    core::ContainerPort { [name host_port protocol host_ip="hostIP"] ![container_port] }
    core::ContainerResizePolicy { ![resource_name restart_policy] }
    core::ContainerRestartRule { [action] ?[exit_codes] }
    core::ContainerRestartRuleOnExitCodes { [operator values] }
    core::ContainerState { ?[waiting running terminated] }
    core::ContainerStateRunning { [started_at] }
    core::ContainerStateTerminated { [signal reason message started_at finished_at
        container_id="containerID"] ![exit_code] }
    core::ContainerStateWaiting { [reason message] }
    core::ContainerStatus { [state last_state container_id="containerID" allocated_resources
        volume_mounts allocated_resources_status] ?[started resources user stop_signal] ![name ready
        restart_count image image_id="imageID"] }
    core::ContainerUser { ?[linux] }
    core::DaemonEndpoint { ![port="Port"] }
    core::DownwardAPIProjection { [items] }
    core::DownwardAPIVolumeFile { ?[field_ref resource_field_ref mode] ![path] }
    core::DownwardAPIVolumeSource { [items] ?[default_mode] }
    core::EmptyDirVolumeSource { [medium] ?[size_limit] }
    core::EndpointAddress { [hostname] ?[node_name target_ref] ![ip] }
    core::EndpointPort { [name protocol] ?[app_protocol] ![port] }
    core::EndpointSubset { [addresses not_ready_addresses ports] }
    core::Endpoints { [metadata subsets] }
    core::EnvFromSource { [prefix] ?[config_map_ref secret_ref] }
    core::EnvVar { [value] ?[value_from] ![name] }
    core::EnvVarSource { ?[field_ref resource_field_ref config_map_key_ref secret_key_ref
        file_key_ref] }
    core::EphemeralContainer { [target_container_name] +[ephemeral_container_common] }
    core::EphemeralContainerCommon { [image command args working_dir ports env_from env resources
        resize_policy restart_policy_rules volume_mounts volume_devices termination_message_path
        termination_message_policy image_pull_policy stdin stdin_once tty] ?[restart_policy
        liveness_probe readiness_probe startup_probe lifecycle security_context] ![name] }
    core::EphemeralVolumeSource { ?[volume_claim_template] }
    core::Event { [reason message source first_timestamp last_timestamp count r#type event_time
        action] ?[series related] ![metadata involved_object reporting_component reporting_instance]
        }
    core::EventSeries { [count last_observed_time] }
    core::EventSource { [component host] }
    core::ExecAction { [command] }
    core::FcVolumeSource { [target_ww_ns="targetWWNs" fs_type read_only wwids] ?[lun] }
    core::FileKeySelector { ?[optional] ![volume_name path key] }
    core::FlexVolumeSource { [fs_type read_only options] ?[secret_ref] ![driver] }
    core::FlockerVolumeSource { [dataset_name dataset_uuid="datasetUUID"] }
    core::GcePersistentDiskVolumeSource { [fs_type partition read_only] ![pd_name] }
    core::GitRepoVolumeSource { [revision directory] ![repository] }
    core::GlusterfsVolumeSource { [read_only] ![endpoints path] }
    core::GrpcAction { ?[service] ![port] }
    core::HostAlias { [hostnames] ![ip] }
    core::HostIp { ![ip] }
    core::HostPathVolumeSource { ?[r#type] ![path] }
    core::HttpGetAction { [path host scheme http_headers] ![port] }
    core::HttpHeader { ![name value] }
    core::ImageVolumeSource { [reference pull_policy] }
    core::IscsiVolumeSource { [iscsi_interface fs_type read_only portals chap_auth_discovery
        chap_auth_session] ?[secret_ref initiator_name] ![target_portal iqn lun] }
    core::KeyToPath { ?[mode] ![key path] }
    core::Lifecycle { ?[post_start pre_stop stop_signal] }
    core::LifecycleHandler { ?[exec http_get tcp_socket sleep] }
    core::LimitRange { [metadata spec] }
    core::LimitRangeItem { [max min default default_request max_limit_request_ratio] ![r#type] }
    core::LimitRangeSpec { ![limits] }
    core::LinuxContainerUser { [supplemental_groups] ![uid gid] }
    core::LoadBalancerIngress { [ip hostname ports] ?[ip_mode] }
    core::LoadBalancerStatus { [ingress] }
    core::LocalObjectReference { [name] }
    core::ModifyVolumeStatus { [target_volume_attributes_class_name] ![status] }
    core::Namespace { [metadata spec status] }
    core::NamespaceCondition { [last_transition_time reason message] ![r#type status] }
    core::NamespaceSpec { [finalizers] }
    core::NamespaceStatus { [phase conditions] }
    core::NfsVolumeSource { [read_only] ![server path] }
    core::Node { [metadata spec status] }
    core::NodeAddress { ![r#type address] }
    core::NodeAffinity { [preferred_during_scheduling_ignored_during_execution]
        ?[required_during_scheduling_ignored_during_execution] }
    core::NodeCondition { [last_heartbeat_time last_transition_time reason message] ![r#type status]
        }
    core::NodeConfigSource { ?[config_map] }
    core::NodeConfigStatus { [error] ?[assigned active last_known_good] }
    core::NodeDaemonEndpoints { [kubelet_endpoint] }
    core::NodeFeatures { ?[supplemental_groups_policy] }
    core::NodeRuntimeHandler { ?[features] ![name] }
    core::NodeRuntimeHandlerFeatures { ?[recursive_read_only_mounts user_namespaces] }
    core::NodeSelector { ![node_selector_terms] }
    core::NodeSelectorRequirement { [values] ![key operator] }
    core::NodeSelectorTerm { [match_expressions match_fields] }
    core::NodeSpec { [pod_cidr="podCIDR" pod_cid_rs="podCIDRs" provider_id="providerID"
        unschedulable taints external_id="externalID"] ?[config_source] }
    core::NodeStatus { [capacity allocatable phase conditions addresses daemon_endpoints node_info
        images volumes_in_use volumes_attached runtime_handlers declared_features] ?[config
        features] }
    core::NodeSwapStatus { ?[capacity] }
    core::NodeSystemInfo { ?[swap] ![machine_id="machineID" system_uuid="systemUUID"
        boot_id="bootID" kernel_version os_image container_runtime_version kubelet_version
        kube_proxy_version operating_system architecture] }
    core::ObjectFieldSelector { [api_version] ![field_path] }
    core::ObjectReference { [kind namespace name uid api_version resource_version field_path] }
    core::PersistentVolumeClaim { [metadata spec status] }
    core::PersistentVolumeClaimCondition { [last_probe_time last_transition_time reason message]
        ![r#type status] }
    core::PersistentVolumeClaimSpec { [access_modes resources volume_name] ?[selector
        storage_class_name volume_mode data_source data_source_ref volume_attributes_class_name] }
    core::PersistentVolumeClaimStatus { [phase access_modes capacity conditions allocated_resources
        allocated_resource_statuses] ?[current_volume_attributes_class_name modify_volume_status] }
    core::PersistentVolumeClaimTemplate { [metadata] ![spec] }
    core::PersistentVolumeClaimVolumeSource { [read_only] ![claim_name] }
    core::PhotonPersistentDiskVolumeSource { [fs_type] ![pd_id="pdID"] }
    core::Pod { [metadata spec status] }
    core::PodAffinity { [required_during_scheduling_ignored_during_execution
        preferred_during_scheduling_ignored_during_execution] }
    core::PodAffinityTerm { [namespaces match_label_keys mismatch_label_keys] ?[label_selector
        namespace_selector] ![topology_key] }
    core::PodAntiAffinity { [required_during_scheduling_ignored_during_execution
        preferred_during_scheduling_ignored_during_execution] }
    core::PodCertificateProjection { [signer_name key_type credential_bundle_path key_path
        certificate_chain_path user_annotations] ?[max_expiration_seconds] }
    core::PodCondition { [observed_generation last_probe_time last_transition_time reason message]
        ![r#type status] }
    core::PodDnsConfig { [nameservers searches options] }
    core::PodDnsConfigOption { [name] ?[value] }
    core::PodExtendedResourceClaimStatus { ![request_mappings resource_claim_name] }
    core::PodIp { ![ip] }
    core::PodOs { ![name] }
    core::PodReadinessGate { ![condition_type] }
    core::PodResourceClaim { ?[resource_claim_name resource_claim_template_name] ![name] }
    core::PodResourceClaimStatus { ?[resource_claim_name] ![name] }
    core::PodSchedulingGate { ![name] }
    core::PodSecurityContext { [supplemental_groups sysctls] ?[se_linux_options windows_options
        run_as_user run_as_group run_as_non_root supplemental_groups_policy fs_group
        fs_group_change_policy seccomp_profile app_armor_profile se_linux_change_policy] }
    core::PodSpec { [volumes init_containers ephemeral_containers restart_policy dns_policy
        node_selector service_account_name service_account node_name host_network host_pid="hostPID"
        host_ipc="hostIPC" image_pull_secrets hostname subdomain scheduler_name tolerations
        host_aliases priority_class_name readiness_gates overhead topology_spread_constraints
        scheduling_gates resource_claims] ?[termination_grace_period_seconds active_deadline_seconds
        automount_service_account_token share_process_namespace security_context affinity priority
        dns_config runtime_class_name enable_service_links preemption_policy
        set_hostname_as_fqdn="setHostnameAsFQDN" os host_users resources hostname_override]
        ![containers] -[workload_ref] }
    core::PodStatus { [observed_generation phase conditions message reason nominated_node_name
        host_ip="hostIP" host_ips="hostIPs" pod_ip="podIP" pod_ips="podIPs" init_container_statuses
        container_statuses qos_class ephemeral_container_statuses resize resource_claim_statuses
        allocated_resources] ?[start_time extended_resource_claim_status resources] }
    core::PodTemplateSpec { [metadata spec] }
    core::PortStatus { ?[error] ![port protocol] }
    core::PortworxVolumeSource { [fs_type read_only] ![volume_id="volumeID"] }
    core::PreferredSchedulingTerm { ![weight preference] }
    core::Probe { [initial_delay_seconds timeout_seconds period_seconds success_threshold
        failure_threshold] ?[termination_grace_period_seconds] +[handler] }
    core::ProbeHandler { ?[exec http_get tcp_socket grpc] }
    core::ProjectedVolumeSource { ?[default_mode] ![sources] }
    core::QuobyteVolumeSource { [read_only user group tenant] ![registry volume] }
    core::RbdVolumeSource { [fs_type pool user keyring read_only] ?[secret_ref] ![monitors image] }
    core::ResourceClaim { [request] ![name] }
    core::ResourceFieldSelector { [container_name divisor] ![resource] }
    core::ResourceHealth { [health] ![resource_id="resourceID"] }
    core::ResourceQuota { [metadata spec status] }
    core::ResourceQuotaSpec { [hard scopes] ?[scope_selector] }
    core::ResourceQuotaStatus { [hard used] }
    core::ResourceRequirements { [limits requests claims] }
    core::ResourceStatus { [resources] ![name] }
    core::ScaleIoVolumeSource { [ssl_enabled protection_domain storage_pool storage_mode volume_name
        fs_type read_only] ?[secret_ref] ![gateway system] }
    core::ScopeSelector { [match_expressions] }
    core::ScopedResourceSelectorRequirement { [values] ![scope_name operator] }
    core::SeLinuxOptions { [user role r#type level] }
    core::SeccompProfile { ?[localhost_profile] ![r#type] }
    core::Secret { [metadata data string_data r#type] ?[immutable] }
    core::SecretEnvSource { ?[optional] +[local_object_reference] }
    core::SecretKeySelector { ?[optional] ![key] +[local_object_reference] }
    core::SecretProjection { [items] ?[optional] +[local_object_reference] }
    core::SecretVolumeSource { [secret_name items] ?[default_mode optional] }
    core::SecurityContext { ?[capabilities privileged se_linux_options windows_options run_as_user
        run_as_group run_as_non_root read_only_root_filesystem allow_privilege_escalation proc_mount
        seccomp_profile app_armor_profile] }
    core::Service { [metadata spec status] }
    core::ServiceAccount { [metadata secrets image_pull_secrets] ?[automount_service_account_token]
        }
    core::ServiceAccountTokenProjection { [audience] ?[expiration_seconds] ![path] }
    core::ServicePort { [name protocol target_port node_port] ?[app_protocol] ![port] }
    core::ServiceSpec { [ports selector cluster_ip="clusterIP" cluster_ips="clusterIPs" r#type
        external_ips="externalIPs" session_affinity load_balancer_ip="loadBalancerIP"
        load_balancer_source_ranges external_name external_traffic_policy health_check_node_port
        publish_not_ready_addresses ip_families] ?[session_affinity_config ip_family_policy
        allocate_load_balancer_node_ports load_balancer_class internal_traffic_policy
        traffic_distribution] }
    core::ServiceStatus { [load_balancer conditions] }
    core::SessionAffinityConfig { ?[client_ip="clientIP"] }
    core::SleepAction { ![seconds] }
    core::StorageOsVolumeSource { [volume_name volume_namespace fs_type read_only] ?[secret_ref] }
    core::Sysctl { ![name value] }
    core::Taint { [value] ?[time_added] ![key effect] }
    core::TcpSocketAction { [host] ![port] }
    core::Toleration { [key operator value effect] ?[toleration_seconds] }
    core::TopologySpreadConstraint { [match_label_keys] ?[label_selector min_domains
        node_affinity_policy node_taints_policy] ![max_skew topology_key when_unsatisfiable] }
    core::TypedLocalObjectReference { ?[api_group] ![kind name] }
    core::TypedObjectReference { ?[api_group namespace] ![kind name] }
    core::Volume { ![name] +[volume_source] }
    core::VolumeDevice { ![name device_path] }
    core::VolumeMount { [read_only sub_path sub_path_expr] ?[recursive_read_only mount_propagation]
        ![name mount_path] }
    core::VolumeMountStatus { [read_only] ?[recursive_read_only] ![name mount_path] }
    core::VolumeProjection { ?[secret downward_api="downwardAPI" config_map service_account_token
        cluster_trust_bundle pod_certificate] }
    core::VolumeResourceRequirements { [limits requests] }
    core::VolumeSource { ?[host_path empty_dir gce_persistent_disk aws_elastic_block_store git_repo
        secret nfs iscsi glusterfs persistent_volume_claim rbd flex_volume cinder cephfs flocker
        downward_api="downwardAPI" fc azure_file config_map vsphere_volume quobyte azure_disk
        photon_persistent_disk projected portworx_volume scale_io="scaleIO" storageos csi ephemeral
        image] }
    core::VsphereVirtualDiskVolumeSource { [fs_type storage_policy_name
        storage_policy_id="storagePolicyID"] ![volume_path] }
    core::WeightedPodAffinityTerm { ![weight pod_affinity_term] }
    core::WindowsSecurityContextOptions { ?[gmsa_credential_spec_name gmsa_credential_spec
        run_as_user_name host_process] }
}
