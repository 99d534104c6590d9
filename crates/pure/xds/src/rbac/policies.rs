//! `envoy.config.rbac.v3`: policies of who may do what.

use std::collections::BTreeMap;

messages! {
    Rbac = "envoy.config.rbac.v3.RBAC" {
        action: i32 = [enumeration(rbac::Action), tag = 1],
        policies: BTreeMap<String, Policy> = [btree_map = "string, message", tag = 2],
        audit_logging_options: Option<rbac::AuditLoggingOptions> = [message, optional, tag = 3],
    }
    Policy = "envoy.config.rbac.v3.Policy" {
        permissions: Vec<Permission> = [message, repeated, tag = 1],
        principals: Vec<Principal> = [message, repeated, tag = 2],
        cel_config: Option<crate::core::CelExpressionConfig> = [message, optional, tag = 5],
    }
    SourcedMetadata = "envoy.config.rbac.v3.SourcedMetadata" {
        metadata_matcher: Option<crate::kind::MetadataMatcher> = [message, optional, tag = 1],
        metadata_source: i32 = [enumeration(MetadataSource), tag = 2],
    }
    Permission = "envoy.config.rbac.v3.Permission" {
        rule: Option<permission::Rule> =
            [oneof = "permission::Rule", tags(1, 2, 3, 4, 10, 5, 6, 11, 7, 8, 9, 12, 13, 14)],
    }
    Principal = "envoy.config.rbac.v3.Principal" {
        identifier: Option<principal::Identifier> =
            [oneof = "principal::Identifier", tags(1, 2, 3, 4, 5, 10, 11, 6, 9, 7, 12, 8, 13, 14)],
    }
    Action = "envoy.config.rbac.v3.Action" {
        name: String = [string, tag = 1],
        action: i32 = [enumeration(rbac::Action), tag = 2],
    }
}

enums! {
    MetadataSource = "envoy.config.rbac.v3.MetadataSource" {
        Dynamic = 0, "DYNAMIC";
        Route = 1, "ROUTE";
    }
}

/// Types inside [`Rbac`](super::Rbac).
pub mod rbac {
    messages! {
        AuditLoggingOptions = "envoy.config.rbac.v3.RBAC.AuditLoggingOptions" {
            audit_condition: i32 = [enumeration(audit_logging_options::AuditCondition), tag = 1],
            logger_configs: Vec<audit_logging_options::AuditLoggerConfig> = [message, repeated, tag = 2],
        }
    }

    enums! {
        Action = "envoy.config.rbac.v3.RBAC.Action" {
            Allow = 0, "ALLOW";
            Deny = 1, "DENY";
            Log = 2, "LOG";
        }
    }

    /// Types inside [`AuditLoggingOptions`](super::AuditLoggingOptions).
    pub mod audit_logging_options {
        messages! {
            AuditLoggerConfig = "envoy.config.rbac.v3.RBAC.AuditLoggingOptions.AuditLoggerConfig" {
                audit_logger: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 1],
                is_optional: bool = [bool, tag = 2],
            }
        }

        enums! {
            AuditCondition = "envoy.config.rbac.v3.RBAC.AuditLoggingOptions.AuditCondition" {
                None = 0, "NONE";
                OnDeny = 1, "ON_DENY";
                OnAllow = 2, "ON_ALLOW";
                OnDenyAndAllow = 3, "ON_DENY_AND_ALLOW";
            }
        }
    }
}

/// Types inside [`Permission`](super::Permission).
pub mod permission {
    messages! {
        Set = "envoy.config.rbac.v3.Permission.Set" {
            rules: Vec<super::Permission> = [message, repeated, tag = 1],
        }
    }

    oneofs! {
        Rule = "envoy.config.rbac.v3.Permission.rule" {
            and_rules => AndRules(Set) = [message, tag = 1],
            or_rules => OrRules(Set) = [message, tag = 2],
            any => Any(bool) = [bool, tag = 3],
            header => Header(crate::route::HeaderMatcher) = [message, tag = 4],
            url_path => UrlPath(crate::kind::PathMatcher) = [message, tag = 10],
            destination_ip => DestinationIp(crate::core::CidrRange) = [message, tag = 5],
            destination_port => DestinationPort(u32) = [uint32, tag = 6],
            destination_port_range => DestinationPortRange(crate::kind::Int32Range) = [message, tag = 11],
            metadata => Metadata(crate::kind::MetadataMatcher) = [message, tag = 7],
            not_rule => NotRule(Box<super::Permission>) = [message, boxed, tag = 8],
            requested_server_name => RequestedServerName(crate::kind::StringMatcher) = [message, tag = 9],
            matcher => Matcher(crate::core::TypedExtensionConfig) = [message, tag = 12],
            uri_template => UriTemplate(crate::core::TypedExtensionConfig) = [message, tag = 13],
            sourced_metadata => SourcedMetadata(super::SourcedMetadata) = [message, tag = 14],
        }
    }
}

/// Types inside [`Principal`](super::Principal).
pub mod principal {
    messages! {
        Set = "envoy.config.rbac.v3.Principal.Set" {
            ids: Vec<super::Principal> = [message, repeated, tag = 1],
        }
        Authenticated = "envoy.config.rbac.v3.Principal.Authenticated" {
            principal_name: Option<crate::kind::StringMatcher> = [message, optional, tag = 2],
        }
    }

    oneofs! {
        Identifier = "envoy.config.rbac.v3.Principal.identifier" {
            and_ids => AndIds(Set) = [message, tag = 1],
            or_ids => OrIds(Set) = [message, tag = 2],
            any => Any(bool) = [bool, tag = 3],
            authenticated => Authenticated(Authenticated) = [message, tag = 4],
            source_ip => SourceIp(crate::core::CidrRange) = [message, tag = 5],
            direct_remote_ip => DirectRemoteIp(crate::core::CidrRange) = [message, tag = 10],
            remote_ip => RemoteIp(crate::core::CidrRange) = [message, tag = 11],
            header => Header(crate::route::HeaderMatcher) = [message, tag = 6],
            url_path => UrlPath(crate::kind::PathMatcher) = [message, tag = 9],
            metadata => Metadata(crate::kind::MetadataMatcher) = [message, tag = 7],
            filter_state => FilterState(crate::kind::FilterStateMatcher) = [message, tag = 12],
            not_id => NotId(Box<super::Principal>) = [message, boxed, tag = 8],
            sourced_metadata => SourcedMetadata(super::SourcedMetadata) = [message, tag = 13],
            custom => Custom(crate::core::TypedExtensionConfig) = [message, tag = 14],
        }
    }
}
