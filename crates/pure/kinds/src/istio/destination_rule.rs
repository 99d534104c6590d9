//! DestinationRule: what holds after routing: subsets, balancing, pools, ejection, TLS.

use std::collections::BTreeMap;

use super::shared::{PortSelector, WorkloadSelector, message, object, words};

object! {
    /// A DestinationRule (`networking.istio.io`): policies for the traffic to one host.
    DestinationRule, DestinationRuleSpec
}

message! {
    /// The policies and the host they are for.
    pub struct DestinationRuleSpec {
        /// Host; a short name is completed with the object's own namespace; wildcards allowed.
        pub host: String,
        /// Policy for all of the host.
        pub traffic_policy: Option<TrafficPolicy>,
        /// Named parts of the host.
        pub subsets: Vec<Subset>,
        /// Namespaces that see the rule: `*`, `.`, `~` or names.
        pub export_to: Vec<String>,
        /// The calling workloads that the rule is for; all if absent.
        pub workload_selector: Option<WorkloadSelector>,
    }

    /// A part of a host's endpoints, by label.
    pub struct Subset {
        /// Its name, a DNS label.
        pub name: String,
        /// Labels that an endpoint must all have.
        pub labels: BTreeMap<String, String>,
        /// Policy for this part; it replaces the host's block by block.
        pub traffic_policy: Option<TrafficPolicy>,
    }

    /// Balancing, pools, ejection and TLS.
    pub struct TrafficPolicy {
        /// How an endpoint is chosen.
        pub load_balancer: Option<LoadBalancer>,
        /// Limits of connections and requests.
        pub connection_pool: Option<ConnectionPool>,
        /// When an endpoint is ejected.
        pub outlier_detection: Option<OutlierDetection>,
        /// TLS towards the host.
        pub tls: Option<TlsSettings>,
        /// Policies for single ports.
        pub port_level_settings: Vec<PortPolicy>,
        /// Tunnel to an address through the host.
        pub tunnel: Option<Tunnel>,
        /// PROXY protocol towards the host.
        pub proxy_protocol: Option<ProxyProtocol>,
        /// Limit of retries in flight.
        pub retry_budget: Option<RetryBudget>,
    }

    /// Policy for one port; blocks that it lacks go back to the defaults.
    pub struct PortPolicy {
        /// The service port.
        pub port: Option<PortSelector>,
        /// How an endpoint is chosen.
        pub load_balancer: Option<LoadBalancer>,
        /// Limits of connections and requests.
        pub connection_pool: Option<ConnectionPool>,
        /// When an endpoint is ejected.
        pub outlier_detection: Option<OutlierDetection>,
        /// TLS towards the host.
        pub tls: Option<TlsSettings>,
    }

    /// How an endpoint is chosen.
    pub struct LoadBalancer {
        /// A plain algorithm; excludes `consistentHash`.
        pub simple: Option<SimpleBalancer>,
        /// By a hash of something in the request.
        pub consistent_hash: Option<ConsistentHash>,
        /// Preference for near endpoints.
        pub locality_lb_setting: Option<LocalityLoadBalancer>,
        /// Preference for the own zone; excludes `localityLbSetting`.
        pub zone_aware_lb_setting: Option<ZoneAware>,
        /// Deprecated: time in which a new endpoint gets its full share.
        pub warmup_duration_secs: Option<String>,
        /// How a new endpoint gets its full share.
        pub warmup: Option<Warmup>,
    }

    /// What is hashed, and over which table; one key only.
    pub struct ConsistentHash {
        /// A header.
        pub http_header_name: Option<String>,
        /// A cookie, made if absent when it has a lifetime.
        pub http_cookie: Option<HttpCookie>,
        /// The caller's address.
        pub use_source_ip: Option<bool>,
        /// A query parameter.
        pub http_query_parameter_name: Option<String>,
        /// Hash over a ring (the default).
        pub ring_hash: Option<RingHash>,
        /// Hash over a Maglev table.
        pub maglev: Option<Maglev>,
        /// Deprecated: smallest ring.
        pub minimum_ring_size: Option<u64>,
    }

    /// The cookie that is hashed.
    pub struct HttpCookie {
        /// Its name.
        pub name: String,
        /// Its path.
        pub path: Option<String>,
        /// Its lifetime; `0s` lasts as long as the browser; absent: never made.
        pub ttl: Option<String>,
        /// Further attributes of a cookie that is made.
        pub attributes: Vec<CookieAttribute>,
    }

    /// An attribute of a cookie.
    pub struct CookieAttribute {
        /// Its name.
        pub name: String,
        /// Its value.
        pub value: Option<String>,
    }

    /// A ring.
    pub struct RingHash {
        /// Smallest number of entries; 1024 if absent.
        pub minimum_ring_size: Option<u64>,
    }

    /// A Maglev table.
    pub struct Maglev {
        /// Number of entries, a prime; 65537 if absent.
        pub table_size: Option<u64>,
    }

    /// Preference for near endpoints.
    pub struct LocalityLoadBalancer {
        /// Shares per locality; excludes the two below.
        pub distribute: Vec<Distribute>,
        /// Where a region's traffic goes when it fails.
        pub failover: Vec<Failover>,
        /// Labels in order of their weight for nearness.
        pub failover_priority: Vec<String>,
        /// Whether any of this holds.
        pub enabled: Option<bool>,
    }

    /// Shares of the traffic from one locality.
    pub struct Distribute {
        /// `region/zone/subzone`, `*` at the end.
        pub from: String,
        /// Percents by locality; they sum up to 100.
        pub to: BTreeMap<String, u32>,
    }

    /// Where a region's traffic goes when it fails.
    pub struct Failover {
        /// The region that fails.
        pub from: String,
        /// The region that takes over.
        pub to: String,
    }

    /// Preference for the own zone.
    pub struct ZoneAware {
        /// Whether it holds.
        pub enabled: Option<bool>,
        /// Where a region's traffic goes when it fails.
        pub failover: Vec<Failover>,
        /// Labels in order of their weight for nearness.
        pub failover_priority: Vec<String>,
        /// Fewest endpoints for which it holds; 6 if absent.
        pub min_cluster_size: Option<u64>,
    }

    /// How a new endpoint gets its full share.
    pub struct Warmup {
        /// In which time.
        pub duration: Option<String>,
        /// Its first share, percent; 10 if absent.
        pub minimum_percent: Option<f64>,
        /// The curve: 1 is a line, more is later.
        pub aggression: Option<f64>,
    }

    /// Limits of connections and requests.
    pub struct ConnectionPool {
        /// Of connections.
        pub tcp: Option<TcpPool>,
        /// Of requests.
        pub http: Option<HttpPool>,
    }

    /// Limits of connections.
    pub struct TcpPool {
        /// Most connections; 0 or absent: practically none.
        pub max_connections: Option<i32>,
        /// Time to connect; 10 s if absent.
        pub connect_timeout: Option<String>,
        /// Keep-alive probes of the kernel.
        pub tcp_keepalive: Option<TcpKeepalive>,
        /// Longest life of a connection.
        pub max_connection_duration: Option<String>,
        /// Longest silence of a connection; `0s`: no limit.
        pub idle_timeout: Option<String>,
    }

    /// Keep-alive probes of the kernel.
    pub struct TcpKeepalive {
        /// Unanswered probes until a connection is dead.
        pub probes: Option<u32>,
        /// Silence before the first probe.
        pub time: Option<String>,
        /// Time between probes.
        pub interval: Option<String>,
    }

    /// Limits of requests.
    pub struct HttpPool {
        /// Most requests that wait for a connection, HTTP/2 too.
        pub http1_max_pending_requests: Option<i32>,
        /// Most requests in flight, HTTP/1.1 too.
        pub http2_max_requests: Option<i32>,
        /// Most requests of a connection; 0: no limit.
        pub max_requests_per_connection: Option<i32>,
        /// Most retries in flight.
        pub max_retries: Option<i32>,
        /// Longest silence of an upstream connection; 1 h if absent.
        pub idle_timeout: Option<String>,
        /// Whether HTTP/1.1 is raised to HTTP/2 between proxies.
        pub h2_upgrade_policy: Option<H2Upgrade>,
        /// Keep the client's protocol.
        pub use_client_protocol: Option<bool>,
        /// Most streams of an HTTP/2 connection.
        pub max_concurrent_streams: Option<i32>,
        /// Pings of HTTP/2 connections.
        pub http2_keep_alive: Option<Http2KeepAlive>,
    }

    /// Pings of HTTP/2 connections.
    pub struct Http2KeepAlive {
        /// Time between pings.
        pub interval: Option<String>,
        /// Time for the answer.
        pub timeout: Option<String>,
    }

    /// When an endpoint is ejected.
    pub struct OutlierDetection {
        /// In Istio's schema; no proxy honours it.
        pub consecutive_errors: Option<i32>,
        /// Whether failures to connect are counted apart.
        pub split_external_local_origin_errors: Option<bool>,
        /// Failures to connect in a row; 5 if absent.
        pub consecutive_local_origin_failures: Option<u32>,
        /// Answers of 502, 503 or 504 in a row; off if absent.
        pub consecutive_gateway_errors: Option<u32>,
        /// Answers of 5xx in a row; 5 if absent, 0 switches off.
        #[serde(rename = "consecutive5xxErrors")]
        pub consecutive_5xx_errors: Option<u32>,
        /// Time between sweeps, which bring endpoints back; 10 s if absent.
        pub interval: Option<String>,
        /// Time of a first ejection; 30 s if absent.
        pub base_ejection_time: Option<String>,
        /// Largest share of ejected endpoints, percent; 10 if absent.
        pub max_ejection_percent: Option<i32>,
        /// Share of healthy endpoints below which ejection is ignored; 0 if absent.
        pub min_health_percent: Option<i32>,
        /// The codes that count as errors, in place of 5xx.
        pub outlier_detection_http_error_codes: Vec<u32>,
    }

    /// TLS towards a host.
    pub struct TlsSettings {
        /// What kind of TLS.
        pub mode: Option<TlsMode>,
        /// File of the client's certificate.
        pub client_certificate: Option<String>,
        /// File of the client's key.
        pub private_key: Option<String>,
        /// File of the CA's certificates; the system's if absent.
        pub ca_certificates: Option<String>,
        /// Secret with all three.
        pub credential_name: Option<String>,
        /// Names one of which the server's certificate must carry.
        pub subject_alt_names: Vec<String>,
        /// Server name to send.
        pub sni: Option<String>,
        /// Do not check the server's certificate.
        pub insecure_skip_verify: Option<bool>,
        /// File of revoked certificates.
        pub ca_crl: Option<String>,
    }

    /// Tunnel to an address through the host.
    pub struct Tunnel {
        /// `CONNECT` (the default) or `POST`.
        pub protocol: Option<String>,
        /// Host at the far end.
        pub target_host: String,
        /// Port at the far end.
        pub target_port: u32,
    }

    /// PROXY protocol towards the host.
    pub struct ProxyProtocol {
        /// Version of the header.
        pub version: Option<ProxyProtocolVersion>,
    }

    /// Limit of retries in flight, as a share of requests in flight.
    pub struct RetryBudget {
        /// Share, percent; 20 if absent.
        pub percent: Option<f64>,
        /// Retries that are always allowed; 3 if absent.
        pub min_retry_concurrency: Option<u32>,
        /// Time over which requests are counted.
        pub budget_interval: Option<String>,
    }
}

words! {
    /// A plain algorithm of choosing an endpoint.
    pub enum SimpleBalancer {
        /// As the mesh likes: least request.
        Unspecified = "UNSPECIFIED",
        /// Deprecated name of least request.
        LeastConn = "LEAST_CONN",
        /// Any.
        Random = "RANDOM",
        /// No choice: the address that the client dialled.
        Passthrough = "PASSTHROUGH",
        /// In turn.
        RoundRobin = "ROUND_ROBIN",
        /// The less busy of two at random.
        LeastRequest = "LEAST_REQUEST",
    }

    /// Whether HTTP/1.1 is raised to HTTP/2 between proxies.
    pub enum H2Upgrade {
        /// As the mesh says.
        Default = "DEFAULT",
        /// No.
        DoNotUpgrade = "DO_NOT_UPGRADE",
        /// Yes.
        Upgrade = "UPGRADE",
    }

    /// What kind of TLS a client speaks.
    pub enum TlsMode {
        /// None.
        Disable = "DISABLE",
        /// The server shows a certificate.
        Simple = "SIMPLE",
        /// Both show certificates, from files.
        Mutual = "MUTUAL",
        /// Both show the mesh's own certificates.
        IstioMutual = "ISTIO_MUTUAL",
    }

    /// Version of the PROXY protocol.
    pub enum ProxyProtocolVersion {
        /// Text.
        V1 = "V1",
        /// Binary.
        V2 = "V2",
    }
}
