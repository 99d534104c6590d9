//! Traffic policies in a cluster's words: balancing, limits, ejection, HTTP options.

use std::time::Duration;

use xds::cluster::cluster::{
    CommonLbConfig, LbConfig, LbPolicy, LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig,
    RoundRobinLbConfig, SlowStartConfig, common_lb_config,
};
use xds::cluster::http_protocol_options::{
    ExplicitHttpConfig, OutlierDetection as OutlierErrors, UpstreamProtocolOptions,
    UseDownstreamHttpConfig, explicit_http_config,
};
use xds::cluster::{
    CircuitBreakers, Cluster, HttpProtocolOptions, OutlierDetection, UpstreamConnectionOptions,
    circuit_breakers,
};
use xds::core::{
    Http1ProtocolOptions, Http2ProtocolOptions, HttpHeadersMatch, KeepaliveSettings,
    MatchPredicate, RuntimeDouble, TcpKeepalive, UpstreamHttpProtocolOptions, match_predicate,
};
use xds::kind::{Percent, StringMatcher, string_matcher};
use xds::route::{HeaderMatcher, header_matcher::HeaderMatchSpecifier};
use xds::wkt::Any;

use super::wire::span;
use crate::model::policy::{Algorithm, Balance, LocalityRules, Outlier, Pool, Traffic, Warmup};
use crate::model::{MeshConfig, Protocol};

/// Key under which a cluster's HTTP options stand.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// Streams of one connection, if nobody says otherwise: as many as HTTP/2 can count.
const MANY_STREAMS: u32 = 2_147_483_647;

/// What a policy is put into.
pub(super) struct Target<'a> {
    /// What is spoken to the cluster.
    pub(super) protocol: Protocol,
    /// Towards another sidecar, from one.
    pub(super) sidecar: bool,
    /// How many hosts are known; `None` where only DNS knows.
    pub(super) hosts: Option<usize>,
    /// What holds where the policy says nothing.
    pub(super) mesh: &'a MeshConfig,
}

/// Puts a policy into a cluster.
pub(super) fn apply(cluster: &mut Cluster, traffic: &Traffic, target: &Target<'_>) {
    cluster.circuit_breakers = circuit_breakers(traffic);
    let rules = traffic.balance.as_ref().and_then(|balance| balance.locality.as_ref());
    by_locality(cluster, rules.or(target.mesh.locality.as_ref()));
    if let Some(balance) = &traffic.balance {
        self::balance(cluster, balance);
    }
    if let Some(outlier) = &traffic.outlier {
        // With a single host there is no other to go to: ejecting it would only hide its answers.
        let several = target.hosts != Some(1);
        let mut detection = self::outlier(outlier);
        detection.always_eject_one_host = (outlier.at_least_one && several).then_some(true);
        cluster.outlier_detection = Some(detection);
        let threshold = Percent { value: f64::from(outlier.min_health_percent) };
        common(cluster).healthy_panic_threshold = Some(threshold);
    }
    let pool = traffic.pool.clone().unwrap_or_default();
    if let Some(timeout) = pool.connect_timeout.or(target.mesh.connect_timeout) {
        cluster.connect_timeout = span(timeout);
    }
    if let Some(keepalive) = pool.keepalive.as_ref().or(target.mesh.keepalive.as_ref()) {
        let seconds = |time: Option<Duration>| {
            time.map(|time| u32::try_from(time.as_secs().max(1)).unwrap_or(u32::MAX))
        };
        cluster.upstream_connection_options = Some(UpstreamConnectionOptions {
            tcp_keepalive: Some(TcpKeepalive {
                keepalive_probes: keepalive.probes,
                keepalive_time: seconds(keepalive.time),
                keepalive_interval: seconds(keepalive.interval),
            }),
            ..UpstreamConnectionOptions::default()
        });
    }
    let errors = traffic.outlier.as_ref().map(|outlier| outlier.error_codes.as_slice());
    http(cluster, &pool, target, errors.unwrap_or_default());
}

/// Makes the weights of places count, where a rule gives any.
fn by_locality(cluster: &mut Cluster, rules: Option<&LocalityRules>) {
    let weighted = rules.is_some_and(|rules| !rules.disabled && !rules.distribute.is_empty());
    // A cluster of original destinations knows no places.
    if weighted && cluster.lb_policy != LbPolicy::ClusterProvided as i32 {
        common(cluster).locality_config_specifier =
            Some(common_lb_config::LocalityConfigSpecifier::LocalityWeightedLbConfig(
                common_lb_config::LocalityWeightedLbConfig::default(),
            ));
    }
}

fn common(cluster: &mut Cluster) -> &mut CommonLbConfig {
    cluster.common_lb_config.get_or_insert_default()
}

/// Limits. Envoy's own default of 1024 is replaced by none, as Istio does.
pub(super) fn circuit_breakers(traffic: &Traffic) -> Option<CircuitBreakers> {
    let pool = traffic.pool.clone().unwrap_or_default();
    let or_none = |limit: Option<u32>| Some(limit.unwrap_or(u32::MAX));
    let budget = traffic.budget.as_ref();
    Some(CircuitBreakers {
        thresholds: vec![circuit_breakers::Thresholds {
            max_connections: or_none(pool.max_connections),
            max_pending_requests: or_none(pool.max_pending),
            max_requests: or_none(pool.max_requests),
            max_retries: or_none(pool.max_retries),
            retry_budget: budget.map(|budget| circuit_breakers::thresholds::RetryBudget {
                budget_percent: Some(Percent { value: f64::from(budget.milli_percent) / 1000.0 }),
                min_retry_concurrency: Some(budget.minimum),
                budget_interval: (!budget.interval.is_zero()).then(|| budget.interval.into()),
            }),
            track_remaining: true,
            ..circuit_breakers::Thresholds::default()
        }],
        ..CircuitBreakers::default()
    })
}

fn balance(cluster: &mut Cluster, balance: &Balance) {
    let slow_start_config = balance.warmup.as_ref().map(slow_start);
    let warms = slow_start_config.is_some();
    // A cluster of original destinations brings its own way to pick.
    if cluster.lb_policy == LbPolicy::ClusterProvided as i32 {
        return;
    }
    let (policy, config) = match balance.algorithm {
        Algorithm::LeastRequest | Algorithm::Passthrough => (
            LbPolicy::LeastRequest,
            warms.then(|| {
                LbConfig::LeastRequestLbConfig(LeastRequestLbConfig {
                    slow_start_config,
                    ..LeastRequestLbConfig::default()
                })
            }),
        ),
        Algorithm::RoundRobin => (
            LbPolicy::RoundRobin,
            warms.then_some(LbConfig::RoundRobinLbConfig(RoundRobinLbConfig { slow_start_config })),
        ),
        Algorithm::Random => (LbPolicy::Random, None),
        Algorithm::Ring(size) => (
            LbPolicy::RingHash,
            Some(LbConfig::RingHashLbConfig(RingHashLbConfig {
                minimum_ring_size: Some(size),
                ..RingHashLbConfig::default()
            })),
        ),
        Algorithm::Maglev(size) => (
            LbPolicy::Maglev,
            Some(LbConfig::MaglevLbConfig(MaglevLbConfig { table_size: Some(size) })),
        ),
    };
    cluster.lb_policy = policy as i32;
    cluster.lb_config = config;
}

fn slow_start(warmup: &Warmup) -> SlowStartConfig {
    SlowStartConfig {
        slow_start_window: span(warmup.duration),
        aggression: Some(RuntimeDouble {
            default_value: f64::from(warmup.aggression_milli) / 1000.0,
            // Envoy refuses an empty key.
            runtime_key: "lateen.warmup.aggression".to_owned(),
        }),
        min_weight_percent: Some(Percent {
            value: f64::from(warmup.minimum_milli_percent) / 1000.0,
        }),
    }
}

fn outlier(outlier: &Outlier) -> OutlierDetection {
    let enforced = |count: Option<u32>| count.map(|count| if count > 0 { 100 } else { 0 });
    let local = outlier.consecutive_local.filter(|count| outlier.split_local && *count > 0);
    // Envoy wants counts of at least 1 where the rule is on; where it is off, the count is moot.
    let count = |count: Option<u32>| count.map(|count| count.max(1));
    OutlierDetection {
        consecutive_5xx: count(outlier.consecutive_5xx),
        enforcing_consecutive_5xx: enforced(outlier.consecutive_5xx),
        consecutive_gateway_failure: count(outlier.consecutive_gateway),
        enforcing_consecutive_gateway_failure: enforced(outlier.consecutive_gateway),
        split_external_local_origin_errors: outlier.split_local,
        consecutive_local_origin_failure: local,
        enforcing_consecutive_local_origin_failure: enforced(local),
        // Istio offers no detection by success rate; Envoy's is on by default.
        enforcing_success_rate: Some(0),
        enforcing_local_origin_success_rate: outlier.split_local.then_some(0),
        interval: outlier.interval.map(Into::into),
        base_ejection_time: outlier.base_ejection.map(Into::into),
        max_ejection_percent: outlier.max_ejection_percent,
        ..OutlierDetection::default()
    }
}

fn http(cluster: &mut Cluster, pool: &Pool, target: &Target<'_>, errors: &[u32]) {
    let protocol = target.protocol;
    let common = xds::core::HttpProtocolOptions {
        idle_timeout: pool.http_idle_timeout.map(Into::into),
        max_connection_duration: pool.max_connection_duration.map(Into::into),
        max_requests_per_connection: pool.max_requests_per_connection,
        ..xds::core::HttpProtocolOptions::default()
    };
    let said = common != xds::core::HttpProtocolOptions::default();
    let streams = pool.max_streams.unwrap_or(MANY_STREAMS).min(MANY_STREAMS);
    let two = Http2ProtocolOptions {
        max_concurrent_streams: Some(streams),
        connection_keepalive: pool.http2_keepalive.map(|(interval, timeout)| KeepaliveSettings {
            interval: span(interval),
            timeout: span(timeout),
            ..KeepaliveSettings::default()
        }),
        ..Http2ProtocolOptions::default()
    };
    // Upgrading is for the way between two proxies, on ports of HTTP/1.1.
    let upgrade = pool.upgrade_to_http2.unwrap_or(target.mesh.upgrade_to_http2);
    let upgrade = upgrade && target.sidecar && protocol == Protocol::Http;
    let options = if pool.client_protocol || protocol == Protocol::Unknown {
        downstream(two)
    } else if protocol.is_http2() || upgrade {
        explicit(explicit_http_config::ProtocolConfig::Http2ProtocolOptions(two))
    } else if said || !errors.is_empty() {
        explicit(explicit_http_config::ProtocolConfig::HttpProtocolOptions(
            Http1ProtocolOptions::default(),
        ))
    } else {
        return;
    };
    let outlier_detection =
        error_matcher(errors).map(|matcher| OutlierErrors { error_matcher: Some(matcher) });
    set(
        cluster,
        HttpProtocolOptions {
            common_http_protocol_options: said.then_some(common),
            upstream_protocol_options: Some(options),
            outlier_detection,
            ..HttpProtocolOptions::default()
        },
    );
}

/// A test of a response's status; `None` leaves it to the proxy.
fn error_matcher(codes: &[u32]) -> Option<MatchPredicate> {
    let mut rules: Vec<MatchPredicate> = codes.iter().map(|code| status_is(*code)).collect();
    // Envoy wants two at least in an "or".
    match rules.len() {
        0 | 1 => rules.pop(),
        _ => Some(MatchPredicate {
            rule: Some(match_predicate::Rule::OrMatch(match_predicate::MatchSet { rules })),
        }),
    }
}

fn status_is(code: u32) -> MatchPredicate {
    let header = HeaderMatcher {
        name: ":status".to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(string_matcher::MatchPattern::Exact(code.to_string())),
            ignore_case: false,
        })),
        ..HeaderMatcher::default()
    };
    let headers = HttpHeadersMatch { headers: vec![header] };
    MatchPredicate { rule: Some(match_predicate::Rule::HttpResponseHeadersMatch(headers)) }
}

fn set(cluster: &mut Cluster, options: HttpProtocolOptions) {
    cluster.typed_extension_protocol_options.insert(HTTP_OPTIONS.to_owned(), Any::pack(&options));
}

fn explicit(config: explicit_http_config::ProtocolConfig) -> UpstreamProtocolOptions {
    UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
        protocol_config: Some(config),
    })
}

fn downstream(two: Http2ProtocolOptions) -> UpstreamProtocolOptions {
    UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
        http_protocol_options: Some(Http1ProtocolOptions::default()),
        http2_protocol_options: Some(two),
        ..UseDownstreamHttpConfig::default()
    })
}

/// Makes the cluster speak the HTTP version that the client speaks.
pub(super) fn client_protocol(cluster: &mut Cluster) {
    let two = Http2ProtocolOptions {
        max_concurrent_streams: Some(MANY_STREAMS),
        ..Http2ProtocolOptions::default()
    };
    set(
        cluster,
        HttpProtocolOptions {
            upstream_protocol_options: Some(downstream(two)),
            ..HttpProtocolOptions::default()
        },
    );
}

/// Makes the cluster send the host of each request as the server's name, and check the certificate for it.
pub(super) fn name_by_host(cluster: &mut Cluster, checked: bool) {
    let old = cluster.typed_extension_protocol_options.get(HTTP_OPTIONS);
    let mut options =
        old.and_then(|old| old.unpack().ok()).unwrap_or_else(|| HttpProtocolOptions {
            upstream_protocol_options: Some(explicit(
                explicit_http_config::ProtocolConfig::HttpProtocolOptions(
                    Http1ProtocolOptions::default(),
                ),
            )),
            ..HttpProtocolOptions::default()
        });
    options.upstream_http_protocol_options = Some(UpstreamHttpProtocolOptions {
        auto_sni: true,
        auto_san_validation: checked,
        ..UpstreamHttpProtocolOptions::default()
    });
    set(cluster, options);
}
