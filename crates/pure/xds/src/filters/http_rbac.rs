//! The HTTP filter that enforces RBAC.

messages! {
    Rbac = "envoy.extensions.filters.http.rbac.v3.RBAC" {
        rules: Option<crate::rbac::Rbac> = [message, optional, tag = 1],
        rules_stat_prefix: String = [string, tag = 6],
        matcher: Option<crate::cncf::Matcher> = [message, optional, tag = 4],
        shadow_rules: Option<crate::rbac::Rbac> = [message, optional, tag = 2],
        shadow_matcher: Option<crate::cncf::Matcher> = [message, optional, tag = 5],
        shadow_rules_stat_prefix: String = [string, tag = 3],
        track_per_rule_stats: bool = [bool, tag = 7],
    }
    RbacPerRoute = "envoy.extensions.filters.http.rbac.v3.RBACPerRoute" {
        rbac: Option<Rbac> = [message, optional, tag = 2],
    }
}
