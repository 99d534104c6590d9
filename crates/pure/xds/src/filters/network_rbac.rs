//! The network filter that enforces RBAC.

messages! {
    Rbac = "envoy.extensions.filters.network.rbac.v3.RBAC" {
        rules: Option<crate::rbac::Rbac> = [message, optional, tag = 1],
        matcher: Option<crate::cncf::Matcher> = [message, optional, tag = 6],
        shadow_rules: Option<crate::rbac::Rbac> = [message, optional, tag = 2],
        shadow_matcher: Option<crate::cncf::Matcher> = [message, optional, tag = 7],
        shadow_rules_stat_prefix: String = [string, tag = 5],
        stat_prefix: String = [string, tag = 3],
        enforcement_type: i32 = [enumeration(rbac::EnforcementType), tag = 4],
        delay_deny: Option<crate::wkt::Duration> = [message, optional, tag = 8],
    }
}

/// Types inside [`Rbac`](super::Rbac).
pub mod rbac {
    enums! {
        EnforcementType = "envoy.extensions.filters.network.rbac.v3.RBAC.EnforcementType" {
            OneTimeOnFirstByte = 0, "ONE_TIME_ON_FIRST_BYTE";
            Continuous = 1, "CONTINUOUS";
        }
    }
}
