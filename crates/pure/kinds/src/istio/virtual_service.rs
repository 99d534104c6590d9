//! VirtualService: how requests to some hosts are routed.

use std::collections::BTreeMap;

use super::shared::{PortSelector, Silent, StringMatch, message, object, words};

object! {
    /// A VirtualService (`networking.istio.io`): rules for the traffic to some hosts.
    VirtualService, VirtualServiceSpec
}

message! {
    /// The rules and the hosts they are for.
    pub struct VirtualServiceSpec {
        /// Hosts that the rules are for; a short name is completed with the object's own namespace.
        pub hosts: Vec<String>,
        /// Where the rules hold: names of Gateways, or `mesh` for every sidecar (the default).
        pub gateways: Vec<String>,
        /// Rules of HTTP traffic; the first that matches wins.
        pub http: Vec<HttpRoute>,
        /// Rules of TLS connections that are passed through, by SNI.
        pub tls: Vec<TlsRoute>,
        /// Rules of other TCP connections.
        pub tcp: Vec<TcpRoute>,
        /// Namespaces that see the rules: `*`, `.`, `~` or names.
        pub export_to: Vec<String>,
    }

    /// One HTTP rule.
    pub struct HttpRoute {
        /// Name that access logs show.
        pub name: Option<String>,
        /// Alternatives, any of which must hold; none means every request.
        #[serde(rename = "match")]
        pub matches: Vec<HttpMatch>,
        /// Weighted destinations.
        pub route: Vec<RouteDestination>,
        /// Answer with a redirect instead.
        pub redirect: Option<Redirect>,
        /// Answer with fixed content instead.
        pub direct_response: Option<DirectResponse>,
        /// Another VirtualService whose rules stand in this one's place.
        pub delegate: Option<Delegate>,
        /// Changes of path and authority before forwarding.
        pub rewrite: Option<Rewrite>,
        /// Time for the whole request with all its retries; absent or `0s`: none.
        pub timeout: Option<String>,
        /// When and how often a failed request is tried again.
        pub retries: Option<Retries>,
        /// Faults to inject before anything else happens.
        pub fault: Option<Fault>,
        /// Destination of a copy of each request.
        pub mirror: Option<Destination>,
        /// Several destinations of copies.
        pub mirrors: Vec<Mirror>,
        /// Deprecated: share of requests to copy, whole percents.
        pub mirror_percent: Option<u32>,
        /// Deprecated: an older spelling of `mirrorPercent`.
        #[serde(rename = "mirror_percent")]
        pub mirror_percent_snake: Option<u32>,
        /// Share of requests to copy; absent means all.
        pub mirror_percentage: Option<Percent>,
        /// Cross-origin policy.
        pub cors_policy: Option<Cors>,
        /// Changes of headers, for every destination.
        pub headers: Option<Headers>,
    }

    /// Conditions on a request, all of which must hold.
    pub struct HttpMatch {
        /// Name that is appended to the route's.
        pub name: Option<String>,
        /// The path without query.
        pub uri: Option<StringMatch>,
        /// The scheme.
        pub scheme: Option<StringMatch>,
        /// The method.
        pub method: Option<StringMatch>,
        /// The authority as the client sent it, with its port if it did.
        pub authority: Option<StringMatch>,
        /// Headers by name; an empty test asks that the header is there.
        pub headers: BTreeMap<String, StringMatch>,
        /// Headers that must not match.
        pub without_headers: BTreeMap<String, StringMatch>,
        /// Query parameters by name.
        pub query_params: BTreeMap<String, StringMatch>,
        /// The service port that is addressed.
        pub port: Option<u32>,
        /// Labels of the calling workload.
        pub source_labels: BTreeMap<String, String>,
        /// Namespace of the calling workload.
        pub source_namespace: Option<String>,
        /// Where this match holds, instead of the object's own `gateways`.
        pub gateways: Vec<String>,
        /// Ignore case in an exact or prefix test of the path.
        pub ignore_uri_case: bool,
        /// Prefix of statistics of the route.
        pub stat_prefix: Option<String>,
    }

    /// A destination with its weight.
    pub struct RouteDestination {
        /// Where to.
        pub destination: Destination,
        /// Share among the rule's destinations; relative.
        pub weight: Option<i32>,
        /// Changes of headers, for this destination alone.
        pub headers: Option<Headers>,
    }

    /// A service, and which part of it.
    pub struct Destination {
        /// Host of the service; a short name is completed with the object's namespace.
        pub host: String,
        /// Subset, defined in a DestinationRule.
        pub subset: Option<String>,
        /// Port, needed when the service has several.
        pub port: Option<PortSelector>,
    }

    /// Changes of headers of both ways.
    pub struct Headers {
        /// Of the request, before it is forwarded.
        pub request: Option<HeaderEdits>,
        /// Of the response, before it is returned.
        pub response: Option<HeaderEdits>,
    }

    /// Changes of headers of one way.
    pub struct HeaderEdits {
        /// Replace by, or create with, this value.
        pub set: BTreeMap<String, String>,
        /// Append this value.
        pub add: BTreeMap<String, String>,
        /// Take away.
        pub remove: Vec<String>,
    }

    /// A redirect.
    pub struct Redirect {
        /// Replaces the whole path.
        pub uri: Option<String>,
        /// Replaces the prefix that matched.
        pub prefix_rewrite: Option<String>,
        /// Replaces the authority.
        pub authority: Option<String>,
        /// Replaces the port.
        pub port: Option<u32>,
        /// How to find the port.
        pub derive_port: Option<DerivePort>,
        /// Replaces the scheme.
        pub scheme: Option<String>,
        /// Status code; 301 if absent.
        pub redirect_code: Option<u32>,
    }

    /// A fixed answer.
    pub struct DirectResponse {
        /// Status code.
        pub status: u32,
        /// Content.
        pub body: Option<Body>,
    }

    /// Content of a fixed answer; one of the two.
    pub struct Body {
        /// As text.
        pub string: Option<String>,
        /// As base64.
        pub bytes: Option<String>,
    }

    /// Names the VirtualService that stands in a rule's place.
    pub struct Delegate {
        /// Its name.
        pub name: String,
        /// Its namespace; the root's own if absent.
        pub namespace: Option<String>,
    }

    /// Changes of path and authority.
    pub struct Rewrite {
        /// Replaces the matched prefix, or the whole path of an exact or regex match.
        pub uri: Option<String>,
        /// Replaces the authority.
        pub authority: Option<String>,
        /// Replaces what an expression finds in the path.
        pub uri_regex_rewrite: Option<RegexRewrite>,
    }

    /// A substitution in the path.
    pub struct RegexRewrite {
        /// RE2 expression.
        #[serde(rename = "match")]
        pub match_: String,
        /// Replacement, `\1` for groups.
        pub rewrite: String,
    }

    /// When and how often to try again.
    pub struct Retries {
        /// Number of retries, the first try not counted; 0 switches retries off.
        pub attempts: i32,
        /// Time for each try.
        pub per_try_timeout: Option<String>,
        /// Envoy's conditions and status codes, comma separated.
        pub retry_on: Option<String>,
        /// Whether other localities may be tried.
        pub retry_remote_localities: Option<bool>,
        /// Whether hosts that failed are avoided; true if absent.
        pub retry_ignore_previous_hosts: Option<bool>,
        /// Base interval between tries.
        pub backoff: Option<String>,
    }

    /// Faults to inject.
    pub struct Fault {
        /// Wait first.
        pub delay: Option<FaultDelay>,
        /// Answer with an error.
        pub abort: Option<FaultAbort>,
    }

    /// A wait before forwarding.
    pub struct FaultDelay {
        /// How long.
        pub fixed_delay: Option<String>,
        /// In Istio's schema; no proxy honours it.
        pub exponential_delay: Option<String>,
        /// Share of requests; absent falls back on `percent`.
        pub percentage: Option<Percent>,
        /// Deprecated: share of requests, whole percents.
        pub percent: Option<i32>,
    }

    /// An error instead of forwarding.
    pub struct FaultAbort {
        /// HTTP status.
        pub http_status: Option<i32>,
        /// gRPC status by name.
        pub grpc_status: Option<String>,
        /// In Istio's schema; no proxy honours it.
        pub http2_error: Option<String>,
        /// Share of requests; absent means none.
        pub percentage: Option<Percent>,
    }

    /// A share, 0 to 100.
    pub struct Percent {
        /// Percents, fractions allowed.
        pub value: Option<f64>,
    }

    /// A destination of copies.
    pub struct Mirror {
        /// Where to.
        pub destination: Destination,
        /// Share of requests; absent means all.
        pub percentage: Option<Percent>,
    }

    /// Cross-origin policy.
    pub struct Cors {
        /// Deprecated: origins by their exact text.
        pub allow_origin: Vec<String>,
        /// Origins that are allowed.
        pub allow_origins: Vec<StringMatch>,
        /// Methods that are allowed.
        pub allow_methods: Vec<String>,
        /// Request headers that are allowed.
        pub allow_headers: Vec<String>,
        /// Response headers that scripts may read.
        pub expose_headers: Vec<String>,
        /// How long a preflight's answer may be kept.
        pub max_age: Option<String>,
        /// Whether credentials may be sent.
        pub allow_credentials: Option<bool>,
        /// What happens to a preflight from another origin.
        pub unmatched_preflights: Option<UnmatchedPreflights>,
    }

    /// One rule of TLS connections.
    pub struct TlsRoute {
        /// Alternatives, any of which must hold.
        #[serde(rename = "match")]
        pub matches: Vec<TlsMatch>,
        /// Weighted destinations.
        pub route: Vec<TcpDestination>,
    }

    /// Conditions on a TLS connection.
    pub struct TlsMatch {
        /// SNI values, wildcards allowed.
        pub sni_hosts: Vec<String>,
        /// CIDRs of the destination address.
        pub destination_subnets: Vec<String>,
        /// The service port that is addressed.
        pub port: Option<u32>,
        /// Labels of the calling workload.
        pub source_labels: BTreeMap<String, String>,
        /// Namespace of the calling workload.
        pub source_namespace: Option<String>,
        /// Where this match holds.
        pub gateways: Vec<String>,
    }

    /// One rule of TCP connections.
    pub struct TcpRoute {
        /// Alternatives, any of which must hold.
        #[serde(rename = "match")]
        pub matches: Vec<TcpMatch>,
        /// Weighted destinations.
        pub route: Vec<TcpDestination>,
    }

    /// Conditions on a TCP connection.
    pub struct TcpMatch {
        /// CIDRs of the destination address.
        pub destination_subnets: Vec<String>,
        /// The service port that is addressed.
        pub port: Option<u32>,
        /// CIDR of the caller's address.
        pub source_subnet: Option<String>,
        /// Labels of the calling workload.
        pub source_labels: BTreeMap<String, String>,
        /// Namespace of the calling workload.
        pub source_namespace: Option<String>,
        /// Where this match holds.
        pub gateways: Vec<String>,
    }

    /// A destination of connections with its weight.
    pub struct TcpDestination {
        /// Where to.
        pub destination: Destination,
        /// Share among the rule's destinations; relative.
        pub weight: Option<i32>,
    }
}

impl Silent for Destination {
    fn silent(&self) -> bool {
        *self == Self::default()
    }
}

words! {
    /// How a redirect finds its port.
    pub enum DerivePort {
        /// 80 or 443, by scheme.
        FromProtocolDefault = "FROM_PROTOCOL_DEFAULT",
        /// The port of the request.
        FromRequestPort = "FROM_REQUEST_PORT",
    }

    /// What happens to a preflight from an origin that is not allowed.
    pub enum UnmatchedPreflights {
        /// As the proxy likes: it is forwarded.
        Unspecified = "UNSPECIFIED",
        /// It is forwarded.
        Forward = "FORWARD",
        /// It is answered without cross-origin headers.
        Ignore = "IGNORE",
    }
}
