//! Reading a cluster.

use std::{net::IpAddr, sync::Arc, time::Duration};

use xds::{cluster as proto, core};

use crate::{
    cluster::{
        Cluster, Discovery, DnsFamily, Endpoints, KeepAlive, Limits, Names, Protocol, SocketOption,
        picking::Picking,
    },
    compile::{Bad, Within as _, refuse, timeout, unpack},
    http::{Http2Settings, refuse_http1},
    tls::Sockets,
    upstream::{Errors, OutlierPolicy},
};

/// The key of HTTP options among the typed options of a cluster.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

impl Cluster {
    pub(crate) fn compile(cluster: &proto::Cluster) -> Result<Self, Bad> {
        if cluster.name.is_empty() {
            return Err(Bad::new("name", "is empty"));
        }
        refuse_unsupported(cluster)?;
        let discovery = discovery(cluster)?;
        let picking = Picking::compile(cluster, &discovery)?;
        let endpoints = cluster.load_assignment.as_ref().map(Endpoints::compile).transpose();
        let endpoints = endpoints.within("load_assignment")?;
        if discovery == Discovery::Static
            && let Some(name) = endpoints.as_ref().and_then(|e| e.names().first().copied())
        {
            let why = format!("{name:?} is not an IP address; a STATIC cluster resolves no names");
            return Err(Bad::new("load_assignment", why));
        }
        let endpoints = match discovery {
            Discovery::Eds(_) | Discovery::OriginalDst { .. } | Discovery::Named(_) => None,
            _ => Some(Arc::new(endpoints.unwrap_or_default())),
        };
        let name: Arc<str> = cluster.name.as_str().into();
        let alt = &cluster.alt_stat_name;
        let stat_name = if alt.is_empty() { Arc::clone(&name) } else { alt.as_str().into() };
        let connect_timeout = timeout(cluster.connect_timeout.as_ref(), "connect_timeout")?;
        let dns_refresh = timeout(cluster.dns_refresh_rate.as_ref(), "dns_refresh_rate")?;
        let dns_refresh = dns_refresh.unwrap_or(Duration::from_secs(5));
        let after_failure = cluster.dns_failure_refresh_rate.as_ref();
        let dns_failure_refresh = timeout(
            after_failure.and_then(|rate| rate.base_interval.as_ref()),
            "dns_failure_refresh_rate.base_interval",
        )?;
        let common = cluster.common_lb_config.clone().unwrap_or_default();
        let threshold = common.healthy_panic_threshold.map_or(50.0, |percent| percent.value);
        let mut compiled = Self {
            name,
            stat_name,
            discovery,
            connect_timeout: connect_timeout.unwrap_or(Duration::from_secs(5)),
            protocol: Protocol::Http1,
            http2: Http2Settings::default(),
            http1_trailers: false,
            idle_timeout: Some(Duration::from_secs(3600)),
            max_connection_duration: None,
            max_requests_per_connection: cluster.max_requests_per_connection.filter(|n| *n != 0),
            source_address: None,
            keepalive: None,
            socket_options: Vec::new(),
            dns_refresh,
            dns_failure_refresh: dns_failure_refresh.unwrap_or(dns_refresh),
            respect_dns_ttl: cluster.respect_dns_ttl,
            dns_family: dns_family(cluster.dns_lookup_family()),
            metadata: cluster.metadata.clone(),
            max_stream_duration: None,
            sockets: Sockets::compile(cluster)?,
            balance: picking.balance,
            slow_start: picking.slow_start,
            panic_threshold: threshold.clamp(0.0, 100.0),
            locality_weighted: picking.locality_weighted,
            hash_hostnames: picking.hash_hostnames,
            hash_balance: picking.hash_balance,
            limits: limits(cluster.circuit_breakers.as_ref()),
            outlier: None,
            breaker: None,
            fallback: None,
            endpoints,
        };
        if let Discovery::Named(names) = &compiled.discovery {
            compiled.dns_family = names.family;
            compiled.dns_refresh = names.refresh;
            compiled.dns_failure_refresh = names.failure_refresh;
            compiled.respect_dns_ttl = true;
        }
        compiled.read_protocol(cluster)?;
        compiled.read_sockets(cluster)?;
        if let Some(outlier) = &cluster.outlier_detection {
            let policy = OutlierPolicy::compile(outlier).within("outlier_detection")?;
            compiled.outlier = Some(policy.with_errors(error_matcher(cluster)?));
        }
        compiled.read_extras(cluster.metadata.as_ref())?;
        Ok(compiled)
    }

    fn read_protocol(&mut self, cluster: &proto::Cluster) -> Result<(), Bad> {
        if let Some(options) = &cluster.http2_protocol_options {
            self.protocol = Protocol::Http2;
            self.http2 = Http2Settings::of(options);
        }
        if let Some(options) = &cluster.http_protocol_options {
            self.read_http1(options).within("http_protocol_options")?;
        }
        if cluster.protocol_selection != 0 {
            self.protocol = Protocol::Downstream;
        }
        if let Some(common) = &cluster.common_http_protocol_options {
            self.read_common(common).within("common_http_protocol_options")?;
        }
        for (key, options) in &cluster.typed_extension_protocol_options {
            let place = format!("typed_extension_protocol_options[{key}]");
            if key == HTTP_OPTIONS {
                self.read_http_options(&unpack(options).within(&place)?).within(&place)?;
            } else {
                return Err(Bad::unsupported(place));
            }
        }
        Ok(())
    }

    fn read_http_options(&mut self, options: &proto::HttpProtocolOptions) -> Result<(), Bad> {
        use proto::http_protocol_options::{
            UpstreamProtocolOptions as Options, explicit_http_config::ProtocolConfig,
        };
        refuse(&[
            ("http_filters", has_other_filters(&options.http_filters)),
            ("request_mirror_policies", !options.request_mirror_policies.is_empty()),
            ("hash_policy", !options.hash_policy.is_empty()),
            ("retry_policy", options.retry_policy.is_some()),
        ])?;
        if let Some(common) = &options.common_http_protocol_options {
            self.read_common(common).within("common_http_protocol_options")?;
        }
        match &options.upstream_protocol_options {
            Some(Options::ExplicitHttpConfig(explicit)) => match &explicit.protocol_config {
                None => self.protocol = Protocol::Http1,
                Some(ProtocolConfig::HttpProtocolOptions(http1)) => {
                    self.read_http1(http1).within("http_protocol_options")?;
                    self.protocol = Protocol::Http1;
                }
                Some(ProtocolConfig::Http2ProtocolOptions(http2)) => {
                    self.protocol = Protocol::Http2;
                    self.http2 = Http2Settings::of(http2);
                }
                Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
                    return Err(Bad::unsupported("http3_protocol_options"));
                }
            },
            Some(Options::UseDownstreamProtocolConfig(config)) => {
                self.protocol = Protocol::Downstream;
                if let Some(http1) = &config.http_protocol_options {
                    self.read_http1(http1).within("http_protocol_options")?;
                }
                if let Some(http2) = &config.http2_protocol_options {
                    self.http2 = Http2Settings::of(http2);
                }
            }
            Some(Options::AutoConfig(config)) => {
                refuse(&[
                    ("auto_config.http3_protocol_options", config.http3_protocol_options.is_some()),
                    (
                        "auto_config.alternate_protocols_cache_options",
                        config.alternate_protocols_cache_options.is_some(),
                    ),
                ])?;
                if self.sockets.all().next().is_none() {
                    return Err(Bad::new("auto_config", "needs a transport socket with ALPN"));
                }
                self.protocol = Protocol::Negotiated;
                if let Some(http1) = &config.http_protocol_options {
                    self.read_http1(http1).within("http_protocol_options")?;
                }
                if let Some(http2) = &config.http2_protocol_options {
                    self.http2 = Http2Settings::of(http2);
                }
            }
            None => return Err(Bad::new("upstream_protocol_options", "is not set")),
        }
        Ok(())
    }

    fn read_http1(&mut self, options: &core::Http1ProtocolOptions) -> Result<(), Bad> {
        refuse_http1(options)?;
        self.http1_trailers = options.enable_trailers;
        Ok(())
    }

    fn read_common(&mut self, common: &core::HttpProtocolOptions) -> Result<(), Bad> {
        if common.idle_timeout.is_some() {
            self.idle_timeout = timeout(common.idle_timeout.as_ref(), "idle_timeout")?;
        }
        self.max_connection_duration =
            timeout(common.max_connection_duration.as_ref(), "max_connection_duration")?;
        self.max_stream_duration =
            timeout(common.max_stream_duration.as_ref(), "max_stream_duration")?;
        if let Some(count) = common.max_requests_per_connection {
            self.max_requests_per_connection = (count != 0).then_some(count);
        }
        Ok(())
    }

    fn read_sockets(&mut self, cluster: &proto::Cluster) -> Result<(), Bad> {
        use core::socket_option::Value;
        if let Some(options) = &cluster.upstream_connection_options {
            self.keepalive = options.tcp_keepalive.as_ref().map(|keepalive| KeepAlive {
                probes: keepalive.keepalive_probes,
                time: keepalive.keepalive_time.map(|s| Duration::from_secs(s.into())),
                interval: keepalive.keepalive_interval.map(|s| Duration::from_secs(s.into())),
            });
        }
        let Some(bind) = &cluster.upstream_bind_config else { return Ok(()) };
        refuse(&[
            (
                "upstream_bind_config.extra_source_addresses",
                !bind.extra_source_addresses.is_empty(),
            ),
            ("upstream_bind_config.local_address_selector", bind.local_address_selector.is_some()),
        ])?;
        if let Some(source) = bind.source_address.as_ref().filter(|s| !s.address.is_empty()) {
            let ip: IpAddr = source.address.parse().map_err(|_| {
                let why = format!("{:?} is not an IP address", source.address);
                Bad::new("upstream_bind_config.source_address", why)
            })?;
            self.source_address = (!ip.is_unspecified()).then_some(ip);
        }
        for (at, option) in bind.socket_options.iter().enumerate() {
            let Some(Value::IntValue(value)) = option.value else {
                let field = format!("upstream_bind_config.socket_options[{at}].buf_value");
                return Err(Bad::unsupported(field));
            };
            self.socket_options.push(SocketOption {
                level: option.level,
                name: option.name,
                value,
            });
        }
        Ok(())
    }
}

/// What counts as an error for outlier detection, where the cluster says so itself.
fn error_matcher(cluster: &proto::Cluster) -> Result<Option<Errors>, Bad> {
    let Some(options) = cluster.typed_extension_protocol_options.get(HTTP_OPTIONS) else {
        return Ok(None);
    };
    let place = format!("typed_extension_protocol_options[{HTTP_OPTIONS}].outlier_detection");
    let options: proto::HttpProtocolOptions = unpack(options).within(&place)?;
    let matcher = options.outlier_detection.and_then(|detection| detection.error_matcher);
    matcher.map(|matcher| Errors::compile(&matcher).within(place)).transpose()
}

/// Whether there is any filter besides the codec, which every upstream has.
fn has_other_filters(filters: &[xds::filters::HttpFilter]) -> bool {
    filters.iter().any(|filter| filter.name != "envoy.filters.http.upstream_codec")
}

fn refuse_unsupported(cluster: &proto::Cluster) -> Result<(), Bad> {
    refuse(&[
        ("transport_socket_matcher", cluster.transport_socket_matcher.is_some()),
        ("health_checks", !cluster.health_checks.is_empty()),
        ("lb_subset_config", cluster.lb_subset_config.is_some()),
        ("upstream_config", cluster.upstream_config.is_some()),
        ("queuing_policies", cluster.queuing_policies.is_some()),
        (
            "connection_pool_per_downstream_connection",
            cluster.connection_pool_per_downstream_connection,
        ),
    ])
}

fn discovery(cluster: &proto::Cluster) -> Result<Discovery, Bad> {
    use proto::cluster::{ClusterDiscoveryType, DiscoveryType, LbConfig};
    let kind = match &cluster.cluster_discovery_type {
        None => DiscoveryType::Static,
        Some(ClusterDiscoveryType::Type(kind)) => DiscoveryType::try_from(*kind)
            .map_err(|_| Bad::new("type", format!("{kind} is not a type of cluster")))?,
        Some(ClusterDiscoveryType::ClusterType(custom)) => {
            let names = Names::of_cluster(custom).within("cluster_type.typed_config")?;
            return match names {
                Some(names) => Ok(Discovery::Named(names)),
                None => Err(Bad::unsupported(format!("cluster_type {}", custom.name))),
            };
        }
    };
    Ok(match kind {
        DiscoveryType::Static => Discovery::Static,
        DiscoveryType::StrictDns => Discovery::StrictDns,
        DiscoveryType::LogicalDns => {
            let names = cluster.load_assignment.as_ref();
            let count = names
                .map_or(0, |all| all.endpoints.iter().map(|group| group.lb_endpoints.len()).sum());
            if count != 1 {
                let why = "a LOGICAL_DNS cluster must have exactly one endpoint";
                return Err(Bad::new("load_assignment", why));
            }
            Discovery::LogicalDns
        }
        DiscoveryType::Eds => {
            let service = cluster.eds_cluster_config.as_ref().map(|eds| &eds.service_name);
            let name = service.filter(|name| !name.is_empty()).unwrap_or(&cluster.name);
            Discovery::Eds(name.as_str().into())
        }
        DiscoveryType::OriginalDst => {
            let Some(LbConfig::OriginalDstLbConfig(config)) = &cluster.lb_config else {
                return Ok(Discovery::OriginalDst { port: None, header: None });
            };
            if config.metadata_key.is_some() {
                return Err(Bad::unsupported("original_dst_lb_config.metadata_key"));
            }
            let port = config.upstream_port_override.map(u16::try_from).transpose();
            let header = config.use_http_header.then(|| match config.http_header_name.as_str() {
                "" => "x-envoy-original-dst-host".into(),
                name => name.to_ascii_lowercase().into(),
            });
            let port = port.map_err(|_| {
                Bad::new("original_dst_lb_config.upstream_port_override", "is above 65535")
            })?;
            Discovery::OriginalDst { port, header }
        }
    })
}

pub(crate) fn dns_family(family: proto::cluster::DnsLookupFamily) -> DnsFamily {
    use proto::cluster::DnsLookupFamily as Family;
    match family {
        Family::Auto => DnsFamily::Auto,
        Family::V4Only => DnsFamily::V4Only,
        Family::V6Only => DnsFamily::V6Only,
        Family::V4Preferred => DnsFamily::V4Preferred,
        Family::All => DnsFamily::All,
    }
}

/// The limits of the default priority, Envoy's where none are set.
fn limits(breakers: Option<&proto::CircuitBreakers>) -> Limits {
    let thresholds = breakers.and_then(|all| all.thresholds.iter().find(|t| t.priority == 0));
    let set = |value: fn(&proto::circuit_breakers::Thresholds) -> Option<u32>, default| {
        thresholds.and_then(value).unwrap_or(default)
    };
    let per_host =
        breakers.and_then(|all| all.per_host_thresholds.iter().find(|t| t.priority == 0));
    Limits {
        connections: set(|t| t.max_connections, 1024),
        host_connections: per_host.and_then(|t| t.max_connections).unwrap_or(u32::MAX),
        pending: set(|t| t.max_pending_requests, 1024),
        requests: set(|t| t.max_requests, 1024),
        retries: set(|t| t.max_retries, 3),
        retry_budget: thresholds.and_then(|t| t.retry_budget.as_ref()).map(|budget| {
            let percent = budget.budget_percent.as_ref().map_or(20.0, |percent| percent.value);
            (percent, budget.min_retry_concurrency.unwrap_or(3))
        }),
    }
}
