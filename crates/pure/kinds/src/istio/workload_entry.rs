//! WorkloadEntry and WorkloadGroup: workloads that are no pods.

use std::collections::BTreeMap;

use super::shared::{message, object};

object! {
    /// A WorkloadEntry (`networking.istio.io`): one workload at an address, chosen by its labels.
    WorkloadEntry, WorkloadEntrySpec
}

object! {
    /// A WorkloadGroup (`networking.istio.io`): the form of the WorkloadEntries that register
    /// themselves.
    WorkloadGroup, WorkloadGroupSpec
}

message! {
    /// One workload; the endpoints of a ServiceEntry are written the same way.
    pub struct WorkloadEntrySpec {
        /// IP address, DNS name (only where names are resolved), or `unix:///path`.
        pub address: Option<String>,
        /// Ports of the workload by the names of the service's ports.
        pub ports: BTreeMap<String, u32>,
        /// Labels, by which services and subsets choose it.
        pub labels: BTreeMap<String, String>,
        /// Network it is in.
        pub network: Option<String>,
        /// Where it runs: `region/zone/subzone`.
        pub locality: Option<String>,
        /// Its share among the endpoints, relative.
        pub weight: Option<u32>,
        /// Service account it runs as.
        pub service_account: Option<String>,
    }

    /// The form of the entries, and how their health is found.
    pub struct WorkloadGroupSpec {
        /// Labels and annotations of the entries.
        pub metadata: Option<GroupMetadata>,
        /// What the entries say; the address is the workload's own.
        pub template: Option<WorkloadEntrySpec>,
        /// How the agent beside the workload finds its health.
        pub probe: Option<GroupProbe>,
    }

    /// Labels and annotations of the entries of a group.
    pub struct GroupMetadata {
        /// Labels.
        pub labels: BTreeMap<String, String>,
        /// Annotations.
        pub annotations: BTreeMap<String, String>,
    }

    /// A probe of a workload's health; one of the four ways.
    pub struct GroupProbe {
        /// Seconds before the first.
        pub initial_delay_seconds: Option<i32>,
        /// Seconds until one counts as failed.
        pub timeout_seconds: Option<i32>,
        /// Seconds between two.
        pub period_seconds: Option<i32>,
        /// Successes in a row that make it healthy.
        pub success_threshold: Option<i32>,
        /// Failures in a row that make it unhealthy.
        pub failure_threshold: Option<i32>,
        /// By an HTTP request.
        pub http_get: Option<HttpProbe>,
        /// By opening a connection.
        pub tcp_socket: Option<TcpProbe>,
        /// By a command.
        pub exec: Option<ExecProbe>,
        /// By gRPC's health protocol.
        pub grpc: Option<GrpcProbe>,
    }

    /// A probe by HTTP.
    pub struct HttpProbe {
        /// Path.
        pub path: Option<String>,
        /// Port.
        pub port: u32,
        /// Host, instead of the workload's address.
        pub host: Option<String>,
        /// `HTTP` or `HTTPS`.
        pub scheme: Option<String>,
        /// Headers to send.
        pub http_headers: Vec<ProbeHeader>,
    }

    /// A header of a probe.
    pub struct ProbeHeader {
        /// Name.
        pub name: Option<String>,
        /// Value.
        pub value: Option<String>,
    }

    /// A probe by connection.
    pub struct TcpProbe {
        /// Host, instead of the workload's address.
        pub host: Option<String>,
        /// Port.
        pub port: u32,
    }

    /// A probe by command.
    pub struct ExecProbe {
        /// Command and arguments; exit code 0 is healthy.
        pub command: Vec<String>,
    }

    /// A probe by gRPC.
    pub struct GrpcProbe {
        /// Port.
        pub port: u32,
        /// Service to ask for.
        pub service: Option<String>,
    }
}
