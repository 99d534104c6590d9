//! ServiceEntry: hosts that no Service object names, inside the mesh or outside.

use std::collections::BTreeMap;

use super::{
    shared::{message, object, words},
    workload_entry::WorkloadEntrySpec,
};

object! {
    /// A ServiceEntry (`networking.istio.io`): hosts, their ports, and where they are.
    ServiceEntry, ServiceEntrySpec
}

message! {
    /// The hosts and where they are.
    pub struct ServiceEntrySpec {
        /// Full host names; `*.` patterns where nothing has to be resolved.
        pub hosts: Vec<String>,
        /// Virtual addresses or networks that belong to the hosts.
        pub addresses: Vec<String>,
        /// Ports.
        pub ports: Vec<EntryPort>,
        /// Inside the mesh or outside; outside if absent.
        pub location: Option<Location>,
        /// How addresses are found; `NONE` if absent.
        pub resolution: Option<Resolution>,
        /// Endpoints; exclude `workloadSelector`.
        pub endpoints: Vec<WorkloadEntrySpec>,
        /// Chooses WorkloadEntries and pods of the own namespace.
        pub workload_selector: Option<LabelSelector>,
        /// Namespaces that see the hosts: `*`, `.`, `~` or names.
        pub export_to: Vec<String>,
        /// Names one of which the server's certificate must carry.
        pub subject_alt_names: Vec<String>,
    }

    /// A port of the hosts.
    pub struct EntryPort {
        /// Number that clients dial.
        pub number: u32,
        /// HTTP, HTTPS, GRPC, GRPC-WEB, HTTP2, MONGO, TCP or TLS; empty: by the first bytes.
        pub protocol: String,
        /// Name.
        pub name: String,
        /// Port of the endpoints; the number if absent.
        pub target_port: Option<u32>,
    }

    /// Chooses workloads by labels.
    pub struct LabelSelector {
        /// Labels that a workload must all have.
        pub labels: BTreeMap<String, String>,
    }
}

words! {
    /// Whether a host is part of the mesh.
    pub enum Location {
        /// No: no mutual TLS, no identity.
        MeshExternal = "MESH_EXTERNAL",
        /// Yes, such as a virtual machine.
        MeshInternal = "MESH_INTERNAL",
    }

    /// How the addresses of a host are found.
    pub enum Resolution {
        /// Not at all: the address that the client dialled.
        None = "NONE",
        /// The endpoints' own addresses.
        Static = "STATIC",
        /// By DNS, every address that it gives.
        Dns = "DNS",
        /// By DNS, the first address, for new connections only.
        DnsRoundRobin = "DNS_ROUND_ROBIN",
        /// By DNS, of the name in the request.
        DynamicDns = "DYNAMIC_DNS",
    }
}
