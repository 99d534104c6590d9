//! Sidecar and ProxyConfig: what single proxies see, and how they run.

use std::collections::BTreeMap;

use super::{
    destination_rule::ConnectionPool,
    gateway::ServerTls,
    service_entry::LabelSelector,
    shared::{WorkloadSelector, message, object, words},
    virtual_service::Destination,
};

object! {
    /// A Sidecar (`networking.istio.io`): what the proxies of some workloads let in and out.
    Sidecar, SidecarSpec
}

object! {
    /// A ProxyConfig (`networking.istio.io`): how the proxies of some workloads run.
    ProxyConfig, ProxyConfigSpec
}

message! {
    /// What the proxies of the chosen workloads see.
    pub struct SidecarSpec {
        /// The workloads; all of the namespace if absent.
        pub workload_selector: Option<LabelSelector>,
        /// Ports of the workload, in place of those that services tell.
        pub ingress: Vec<IngressListener>,
        /// Hosts that the workload may call, in place of all.
        pub egress: Vec<EgressListener>,
        /// Limits for all ports of the workload.
        pub inbound_connection_pool: Option<ConnectionPool>,
        /// What happens to calls of unknown hosts.
        pub outbound_traffic_policy: Option<OutboundPolicy>,
    }

    /// One port of the workload.
    pub struct IngressListener {
        /// The port.
        pub port: Option<SidecarPort>,
        /// Address to listen on.
        pub bind: Option<String>,
        /// How connections get to the listener.
        pub capture_mode: Option<CaptureMode>,
        /// Where the application listens: `127.0.0.1:PORT` or `unix:///path`; the same port if
        /// absent.
        pub default_endpoint: Option<String>,
        /// TLS of the listener.
        pub tls: Option<ServerTls>,
        /// Limits for this port.
        pub connection_pool: Option<ConnectionPool>,
    }

    /// Hosts that the workload may call.
    pub struct EgressListener {
        /// Only on this port.
        pub port: Option<SidecarPort>,
        /// Address to listen on.
        pub bind: Option<String>,
        /// How connections get to the listener.
        pub capture_mode: Option<CaptureMode>,
        /// `namespace/host`; `*`, `.` and `~` may stand for the namespace.
        pub hosts: Vec<String>,
    }

    /// A port of a listener.
    pub struct SidecarPort {
        /// Number.
        pub number: u32,
        /// What is spoken.
        pub protocol: String,
        /// Name.
        pub name: String,
        /// Deprecated; without effect.
        pub target_port: Option<u32>,
    }

    /// What happens to calls of unknown hosts.
    pub struct OutboundPolicy {
        /// The mode; the object without it means `REGISTRY_ONLY`.
        pub mode: Option<OutboundMode>,
        /// Where such calls go instead of where they were going.
        pub egress_proxy: Option<Destination>,
    }

    /// How proxies run.
    pub struct ProxyConfigSpec {
        /// The workloads; all of the namespace if absent.
        pub selector: Option<WorkloadSelector>,
        /// Worker threads; 0 is one for each core.
        pub concurrency: Option<i32>,
        /// Environment of the proxy.
        pub environment_variables: BTreeMap<String, String>,
        /// Which image.
        pub image: Option<ProxyImage>,
    }

    /// Which image of the proxy.
    pub struct ProxyImage {
        /// `default`, `debug` or `distroless`.
        pub image_type: Option<String>,
    }
}

words! {
    /// How connections get to a listener.
    pub enum CaptureMode {
        /// As everywhere in the pod.
        Default = "DEFAULT",
        /// Redirected.
        Iptables = "IPTABLES",
        /// Dialled by the application itself.
        None = "NONE",
    }

    /// What happens to calls of unknown hosts.
    pub enum OutboundMode {
        /// They are refused.
        RegistryOnly = "REGISTRY_ONLY",
        /// They pass through.
        AllowAny = "ALLOW_ANY",
    }
}
