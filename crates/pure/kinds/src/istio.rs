//! Istio's kinds as types: what a person writes, field by field, nothing decided.
//!
//! Durations stay text here (`words::duration` reads them): a bad one must harm its own rule alone.

mod destination_rule;
mod gateway;
mod peer_authentication;
mod service_entry;
mod shared;
mod sidecar;
mod virtual_service;
mod workload_entry;

pub use destination_rule::{
    ConnectionPool, ConsistentHash, CookieAttribute, DestinationRule, DestinationRuleSpec,
    Distribute, Failover, H2Upgrade, Http2KeepAlive, HttpCookie, HttpPool, LoadBalancer,
    LocalityLoadBalancer, Maglev, OutlierDetection, PortPolicy, ProxyProtocol,
    ProxyProtocolVersion, RetryBudget, RingHash, SimpleBalancer, Subset, TcpKeepalive, TcpPool,
    TlsMode, TlsSettings, TrafficPolicy, Tunnel, Warmup, ZoneAware,
};
pub use gateway::{
    Gateway, GatewaySpec, Server, ServerPort, ServerTls, ServerTlsMode, TlsCertificate, TlsVersion,
};
pub use peer_authentication::{
    MutualTls, MutualTlsMode, PeerAuthentication, PeerAuthenticationSpec,
};
pub use service_entry::{
    EntryPort, LabelSelector, Location, Resolution, ServiceEntry, ServiceEntrySpec,
};
pub use shared::{Condition, IstioStatus, MatchKind, PortSelector, StringMatch, WorkloadSelector};
pub use sidecar::{
    CaptureMode, EgressListener, IngressListener, OutboundMode, OutboundPolicy, ProxyConfig,
    ProxyConfigSpec, ProxyImage, Sidecar, SidecarPort, SidecarSpec,
};
pub use virtual_service::{
    Body, Cors, Delegate, DerivePort, Destination, DirectResponse, Fault, FaultAbort, FaultDelay,
    HeaderEdits, Headers, HttpMatch, HttpRoute, Mirror, Percent, Redirect, RegexRewrite, Retries,
    Rewrite, RouteDestination, TcpDestination, TcpMatch, TcpRoute, TlsMatch, TlsRoute,
    UnmatchedPreflights, VirtualService, VirtualServiceSpec,
};
pub use workload_entry::{
    ExecProbe, GroupMetadata, GroupProbe, GrpcProbe, HttpProbe, ProbeHeader, TcpProbe,
    WorkloadEntry, WorkloadEntrySpec, WorkloadGroup, WorkloadGroupSpec,
};
