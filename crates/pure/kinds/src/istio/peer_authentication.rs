//! PeerAuthentication: which connections workloads take, in mutual TLS or in plain text.

use std::collections::BTreeMap;

use super::shared::{WorkloadSelector, message, object, words};

object! {
    /// A PeerAuthentication (`security.istio.io`): whether the callers of some workloads prove who they are.
    PeerAuthentication, PeerAuthenticationSpec
}

message! {
    /// What the chosen workloads take.
    pub struct PeerAuthenticationSpec {
        /// The workloads; all of the namespace if absent, of the mesh in the root namespace.
        pub selector: Option<WorkloadSelector>,
        /// What all ports take that are not named below.
        pub mtls: Option<MutualTls>,
        /// What single ports of the workload take, by the number in the pod.
        pub port_level_mtls: BTreeMap<String, MutualTls>,
    }

    /// What a port takes.
    pub struct MutualTls {
        /// The mode; absent inherits from the wider rule.
        pub mode: Option<MutualTlsMode>,
    }
}

words! {
    /// What a port takes.
    pub enum MutualTlsMode {
        /// What the wider rule says.
        Unset = "UNSET",
        /// Plain text only.
        Disable = "DISABLE",
        /// Both.
        Permissive = "PERMISSIVE",
        /// Mutual TLS only.
        Strict = "STRICT",
    }
}
