//! Defaults for the whole mesh, as the ConfigMap `istio` of the root namespace says.

use std::time::Duration;

use super::policy::{Keepalive, LocalityRules};
use super::route::Retry;

/// What holds where no rule says otherwise; `None` is the built-in default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MeshConfig {
    /// Whether traffic to unknown hosts passes through.
    pub allow_any: Option<bool>,
    /// Preference by place.
    pub locality: Option<LocalityRules>,
    /// Time to connect.
    pub connect_timeout: Option<Duration>,
    /// Keep-alive probes of TCP.
    pub keepalive: Option<Keepalive>,
    /// When and how a request is tried again.
    pub retry: Option<Retry>,
    /// Talk HTTP/2 to sidecars of HTTP/1.1 applications.
    pub upgrade_to_http2: bool,
    /// How long the first bytes of a connection are waited for.
    pub detection: Option<Duration>,
    /// Time between two questions to DNS where an answer says nothing.
    pub dns_refresh: Option<Duration>,
    /// `exportTo` of services that say nothing.
    pub export_services: Vec<String>,
    /// `exportTo` of VirtualServices that say nothing.
    pub export_routings: Vec<String>,
    /// `exportTo` of DestinationRules that say nothing.
    pub export_policies: Vec<String>,
    /// Sidecars never start mutual TLS by themselves.
    pub no_auto_mtls: bool,
    /// Trust domain of the mesh's identities, if it is not the domain of its services.
    pub trust_domain: Option<String>,
    /// Other trust domains, whose identities count as the same.
    pub trust_domain_aliases: Vec<String>,
    /// The access log of all proxies.
    pub log: LogFile,
}

/// An access log that every proxy keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogFile {
    /// Where it is written; `None` is nowhere.
    pub file: Option<String>,
    /// What a record looks like; `None` is Istio's own format.
    pub format: Option<String>,
    /// Whether records are JSON.
    pub json: bool,
    /// Whether connections that no filter chain serves leave a record.
    pub of_connections: bool,
}

impl Default for LogFile {
    fn default() -> LogFile {
        LogFile { file: None, format: None, json: false, of_connections: true }
    }
}
