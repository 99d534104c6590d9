//! What is wrong with objects, as a table of codes and as findings about one object.
//!
//! Where Istio's analyzers have a code, it is theirs (`IST…`); what only we say begins with `LAT`.

use crate::world::Key;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Probably not what was meant.
    Warning,
    /// Does not work.
    Error,
}

impl Severity {
    /// The word that people and tools see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "Info",
            Severity::Warning => "Warning",
            Severity::Error => "Error",
        }
    }
}

/// One row of [`FINDINGS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    /// Which finding.
    pub code: Code,
    /// What people search for.
    pub id: &'static str,
    /// Name as in Istio's analyzers.
    pub name: &'static str,
    /// How bad.
    pub severity: Severity,
    /// It may mend itself when another object arrives: never a warning at apply.
    pub waits: bool,
    /// What it means and what to do.
    pub help: &'static str,
}

macro_rules! findings {
    ($($code:ident $id:literal $severity:ident $waits:literal $help:literal;)*) => {
        /// Every finding that this room can give.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $help] $code,)*
        }

        /// The table of findings: one row for each code.
        pub const FINDINGS: &[Row] = &[$(Row {
            code: Code::$code,
            id: $id,
            name: stringify!($code),
            severity: Severity::$severity,
            waits: $waits,
            help: $help,
        },)*];
    };
}

findings! {
    ReferencedResourceNotFound "IST0101" Error true
        "Something that the object names does not exist. Create it, or correct the name.";
    SchemaValidationError "IST0106" Error false
        "The object says something that cannot be; the part named does nothing. Correct it.";
    ConflictingMeshGatewayVirtualServiceHosts "IST0109" Error false
        "An older VirtualService speaks for the same host in the mesh, and it alone is used. Merge the two.";
    ConflictingSidecarWorkloadSelectors "IST0110" Error false
        "An older Sidecar of the namespace selects the same workloads, and it alone is used. Merge the two.";
    MultipleSidecarsWithoutWorkloadSelectors "IST0111" Error false
        "An older Sidecar is for the whole namespace already, and it alone is used. Merge the two, or add a workloadSelector.";
    VirtualServiceDestinationPortSelectorRequired "IST0112" Error false
        "The service has several ports and the route names none. Add destination.port.number.";
    MtlsPolicyConflict "IST0113" Error true
        "Clients are told to call in plain text, and the workload takes mutual TLS only. Set tls.mode to ISTIO_MUTUAL, or the PeerAuthentication to PERMISSIVE.";
    PortNameIsNotUnderNamingConvention "IST0118" Info false
        "The port declares no protocol, so the first bytes of each connection are looked at. Name it http-…, grpc-…, tcp-… or set appProtocol.";
    VirtualServiceUnreachableRule "IST0130" Warning false
        "A rule before this one takes every request. Move this one up.";
    VirtualServiceIneffectiveMatch "IST0131" Info false
        "The same match stands in an earlier rule. Remove one.";
    VirtualServiceHostNotFoundInGateway "IST0132" Warning true
        "No server of the gateway lets this host in. Add it to the servers' hosts.";
    ServiceEntryAddressesRequired "IST0134" Warning false
        "Bytes without HTTP or TLS carry no host, so without addresses every connection to the port that nothing else knows counts as this host's. Add addresses, or declare the protocol.";
    ConflictingGateways "IST0145" Error false
        "Two servers claim the same port for the same pods in ways that cannot be joined; the older is used.";
    GatewayPortNotDefinedOnService "IST0162" Warning true
        "The Service of the gateway pods has no such port, so the port is opened in the pod but cannot be reached through the Service.";
    DestinationRuleSubsetNotSelectPods "IST0173" Error true
        "No pod behind the service has the labels of this subset: requests to it get 503. Correct the labels, or wait for the pods.";
    UnknownDestinationRuleHost "IST0174" Warning true
        "No service has this host. Correct it; short names are completed with the rule's own namespace.";
    FieldNotHonoured "LAT0001" Warning false
        "The field is stored and does nothing in this version.";
    ServiceNotServed "LAT0002" Info false
        "Clients reach this service past the mesh's rules: routing and telemetry by name do not apply.";
    TlsServerNotServed "LAT0003" Warning false
        "The gateway does not open TLS in this version, so this server does not listen. Use HTTP, or mode PASSTHROUGH.";
    OlderDestinationRule "LAT0004" Warning false
        "An older DestinationRule of the same host has this part already, and it alone is used. Merge the two.";
    OlderPeerAuthentication "LAT0008" Warning false
        "An older PeerAuthentication is for the same workloads, and it alone is used. Merge the two.";
    NotReachedFromOtherNetworks "LAT0006" Warning true
        "The workload is in another network and takes no mutual TLS, which is all that gateways between networks pass. Give it a sidecar and the label security.istio.io/tlsMode: istio.";
    NetworkWithoutGateway "LAT0007" Info true
        "No Service is the gateway of this network, so its workloads are dialled at their own addresses, as if they were near. Label the gateway's Service with topology.istio.io/network.";
    HostTaken "LAT0005" Warning false
        "Another object of the namespace has this host already, and it alone is used. Rename the host, or remove one of the two.";
}

impl Code {
    /// The row of this code.
    #[must_use]
    pub fn row(self) -> &'static Row {
        // The rows stand in the order of the variants: both come from one list.
        &FINDINGS[self as usize]
    }
}

/// One thing found wrong with one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Finding {
    /// The object.
    pub object: Key,
    /// Which finding.
    pub code: Code,
    /// Where in the object, such as `spec.http[0].route[1].weight`; empty is the whole.
    pub path: String,
    /// What, in a sentence.
    pub text: String,
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.row().severity
    }

    /// Whether another object may still mend it.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.code.row().waits
    }
}

impl Finding {
    /// What is shown where it is applied: a client puts its own word "Warning" before it.
    #[must_use]
    pub fn at_apply(&self) -> String {
        let place = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        format!("[{}] ({}) {place}{}", self.code.row().id, self.object, self.text)
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.severity().word(), self.at_apply())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_its_own_row() {
        for row in FINDINGS {
            assert_eq!(row.code.row(), row);
            assert!(row.help.ends_with('.'), "{}", row.id);
        }
        let mut ids: Vec<_> = FINDINGS.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), FINDINGS.len());
    }
}
