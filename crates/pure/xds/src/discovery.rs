//! `envoy.service.discovery.v3`: the requests and responses of xDS.

use std::collections::BTreeMap;

messages! {
    ResourceLocator = "envoy.service.discovery.v3.ResourceLocator" {
        name: String = [string, tag = 1],
        dynamic_parameters: BTreeMap<String, String> = [btree_map = "string, string", tag = 2],
    }
    ResourceName = "envoy.service.discovery.v3.ResourceName" {
        name: String = [string, tag = 1],
        dynamic_parameter_constraints: Option<DynamicParameterConstraints> = [message, optional, tag = 2],
    }
    ResourceError = "envoy.service.discovery.v3.ResourceError" {
        resource_name: Option<ResourceName> = [message, optional, tag = 1],
        error_detail: Option<crate::wkt::Status> = [message, optional, tag = 2],
    }
    DiscoveryRequest = "envoy.service.discovery.v3.DiscoveryRequest" {
        version_info: String = [string, tag = 1],
        node: Option<crate::core::Node> = [message, optional, tag = 2],
        resource_names: Vec<String> = [string, repeated, tag = 3],
        resource_locators: Vec<ResourceLocator> = [message, repeated, tag = 7],
        type_url: String = [string, tag = 4],
        response_nonce: String = [string, tag = 5],
        error_detail: Option<crate::wkt::Status> = [message, optional, tag = 6],
    }
    DiscoveryResponse = "envoy.service.discovery.v3.DiscoveryResponse" {
        version_info: String = [string, tag = 1],
        resources: Vec<crate::wkt::Any> = [message, repeated, tag = 2],
        canary: bool = [bool, tag = 3],
        type_url: String = [string, tag = 4],
        nonce: String = [string, tag = 5],
        control_plane: Option<crate::core::ControlPlane> = [message, optional, tag = 6],
        resource_errors: Vec<ResourceError> = [message, repeated, tag = 7],
    }
    DeltaDiscoveryRequest = "envoy.service.discovery.v3.DeltaDiscoveryRequest" {
        node: Option<crate::core::Node> = [message, optional, tag = 1],
        type_url: String = [string, tag = 2],
        resource_names_subscribe: Vec<String> = [string, repeated, tag = 3],
        resource_names_unsubscribe: Vec<String> = [string, repeated, tag = 4],
        resource_locators_subscribe: Vec<ResourceLocator> = [message, repeated, tag = 8],
        resource_locators_unsubscribe: Vec<ResourceLocator> = [message, repeated, tag = 9],
        initial_resource_versions: BTreeMap<String, String> = [btree_map = "string, string", tag = 5],
        response_nonce: String = [string, tag = 6],
        error_detail: Option<crate::wkt::Status> = [message, optional, tag = 7],
    }
    DeltaDiscoveryResponse = "envoy.service.discovery.v3.DeltaDiscoveryResponse" {
        system_version_info: String = [string, tag = 1],
        resources: Vec<Resource> = [message, repeated, tag = 2],
        type_url: String = [string, tag = 4],
        removed_resources: Vec<String> = [string, repeated, tag = 6],
        removed_resource_names: Vec<ResourceName> = [message, repeated, tag = 8],
        nonce: String = [string, tag = 5],
        control_plane: Option<crate::core::ControlPlane> = [message, optional, tag = 7],
        resource_errors: Vec<ResourceError> = [message, repeated, tag = 9],
    }
    DynamicParameterConstraints = "envoy.service.discovery.v3.DynamicParameterConstraints" {
        r#type: Option<dynamic_parameter_constraints::Type> =
            [oneof = "dynamic_parameter_constraints::Type", tags(1, 2, 3, 4)],
    }
    Resource = "envoy.service.discovery.v3.Resource" {
        name: String = [string, tag = 3],
        resource_name: Option<ResourceName> = [message, optional, tag = 8],
        aliases: Vec<String> = [string, repeated, tag = 4],
        version: String = [string, tag = 1],
        resource: Option<crate::wkt::Any> = [message, optional, tag = 2],
        ttl: Option<crate::wkt::Duration> = [message, optional, tag = 6],
        cache_control: Option<resource::CacheControl> = [message, optional, tag = 7],
        metadata: Option<crate::core::Metadata> = [message, optional, tag = 9],
    }
    AdsDummy = "envoy.service.discovery.v3.AdsDummy" {}
}

/// Types inside [`DynamicParameterConstraints`](super::DynamicParameterConstraints).
pub mod dynamic_parameter_constraints {
    messages! {
        SingleConstraint = "envoy.service.discovery.v3.DynamicParameterConstraints.SingleConstraint" {
            key: String = [string, tag = 1],
            constraint_type: Option<single_constraint::ConstraintType> =
                [oneof = "single_constraint::ConstraintType", tags(2, 3)],
        }
        ConstraintList = "envoy.service.discovery.v3.DynamicParameterConstraints.ConstraintList" {
            constraints: Vec<super::DynamicParameterConstraints> = [message, repeated, tag = 1],
        }
    }

    oneofs! {
        Type = "envoy.service.discovery.v3.DynamicParameterConstraints.type" {
            constraint => Constraint(SingleConstraint) = [message, tag = 1],
            or_constraints => OrConstraints(ConstraintList) = [message, tag = 2],
            and_constraints => AndConstraints(ConstraintList) = [message, tag = 3],
            not_constraints => NotConstraints(Box<super::DynamicParameterConstraints>) =
                [message, boxed, tag = 4],
        }
    }

    /// Types inside [`SingleConstraint`](super::SingleConstraint).
    pub mod single_constraint {
        messages! {
            Exists = "envoy.service.discovery.v3.DynamicParameterConstraints.SingleConstraint.Exists" {}
        }

        oneofs! {
            ConstraintType = "envoy.service.discovery.v3.DynamicParameterConstraints.SingleConstraint.constraint_type" {
                value => Value(String) = [string, tag = 2],
                exists => Exists(Exists) = [message, tag = 3],
            }
        }
    }
}

/// Types inside [`Resource`](super::Resource).
pub mod resource {
    messages! {
        CacheControl = "envoy.service.discovery.v3.Resource.CacheControl" {
            do_not_cache: bool = [bool, tag = 1],
        }
    }
}

messages! {
    /// Names that a proxy answers DNS questions from.
    NameTable = "istio.networking.nds.v1.NameTable" {
        table: BTreeMap<String, name_table::NameInfo> = [btree_map = "string, message", tag = 1],
    }
}

/// Types inside [`NameTable`](super::NameTable).
pub mod name_table {
    messages! {
        NameInfo = "istio.networking.nds.v1.NameTable.NameInfo" {
            ips: Vec<String> = [string, repeated, tag = 1],
            registry: String = [string, tag = 2],
            shortname: String = [string, tag = 3],
            namespace: String = [string, tag = 4],
            alt_hosts: Vec<String> = [string, repeated, tag = 5],
        }
    }
}
