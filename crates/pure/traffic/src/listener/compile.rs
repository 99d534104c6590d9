//! Reading a listener.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use xds::{core, dynamic, filters, kind, listener as proto, wkt};

use crate::{
    address::Address,
    chains::ChainMatch,
    cluster::Names,
    compile::{Bad, Within as _, duration, refuse, timeout, unpack},
    detect::Inspect,
    http::{Filter, FilterKind, HttpChain, HttpSettings, RouteSource},
    inject::FaultPolicy,
    listener::{Chain, Direction, Inspector, Listener, Predicate},
    log::Log,
    route::Routes,
    tcp::TcpChain,
    tls::ServerTls,
};

/// Envoy's time for detection, where none is set.
const DEFAULT_DETECTION: Duration = Duration::from_secs(15);

impl Listener {
    pub(crate) fn compile(listener: &proto::Listener) -> Result<Self, Bad> {
        refuse_unsupported(listener)?;
        let (address, pipe_mode) = Address::compile(listener.address.as_ref())?;
        let additional = listener.additional_addresses.iter().enumerate().map(|(at, address)| {
            let read = Address::compile(address.address.as_ref());
            read.map(|(address, _)| address).within_item("additional_addresses", at)
        });
        let mut restores = false;
        let mut inspectors = Vec::new();
        for (at, filter) in listener.listener_filters.iter().enumerate() {
            match compile_filter(filter).within_item("listener_filters", at)? {
                ListenerFilter::OriginalDst => restores = true,
                ListenerFilter::Inspector(inspector) => inspectors.push(inspector),
            }
        }
        let (mut matches, mut chains, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let mut sockets = Vec::new();
        for (at, chain) in listener.filter_chains.iter().enumerate() {
            let place = format!("filter_chains[{at}]");
            let wanted = ChainMatch::compile(chain.filter_chain_match.as_ref())
                .within("filter_chain_match")
                .within(&place)?;
            if let Some(twin) = matches.iter().position(|other| *other == wanted) {
                let why = format!("is the same as that of filter_chains[{twin}]");
                return Err(Bad::new(format!("{place}.filter_chain_match"), why));
            }
            matches.push(wanted);
            chains.push(Arc::new(Chain::compile(chain).within(&place)?));
            names.push(chain.name.clone());
            sockets.push(socket(chain).within(&place)?);
        }
        let default_chain = listener.default_filter_chain.as_ref();
        let default_name = default_chain.map(|chain| chain.name.clone()).unwrap_or_default();
        let default_socket = default_chain.map(socket).transpose();
        let default_socket = default_socket.within("default_filter_chain")?.flatten();
        let default_chain = default_chain.map(Chain::compile).transpose();
        let default_chain = default_chain.within("default_filter_chain")?.map(Arc::new);
        if chains.is_empty() && default_chain.is_none() {
            return Err(Bad::new("filter_chains", "is empty"));
        }
        let timeout =
            duration(listener.listener_filters_timeout.as_ref(), "listener_filters_timeout")?;
        let old_bind = listener.deprecated_v1.as_ref().and_then(|old| old.bind_to_port);
        Ok(Self {
            name: listener.name.as_str().into(),
            address,
            additional_addresses: additional.collect::<Result<_, _>>()?,
            pipe_mode,
            bind_to_port: listener.bind_to_port.or(old_bind).unwrap_or(true),
            use_original_dst: listener.use_original_dst.unwrap_or(false),
            restores_original_dst: restores || listener.use_original_dst.unwrap_or(false),
            transparent: listener.transparent.unwrap_or(false),
            stat_prefix: listener.stat_prefix.clone(),
            logs: Log::compile_all(&listener.access_log)?.into(),
            direction: match listener.traffic_direction() {
                core::TrafficDirection::Unspecified => Direction::Unspecified,
                core::TrafficDirection::Inbound => Direction::Inbound,
                core::TrafficDirection::Outbound => Direction::Outbound,
            },
            detection_timeout: Some(timeout.unwrap_or(DEFAULT_DETECTION))
                .filter(|timeout| !timeout.is_zero()),
            continue_on_timeout: listener.continue_on_listener_filters_timeout,
            inspectors,
            matches,
            chains,
            names,
            sockets,
            default_socket,
            default_chain,
            default_name,
        })
    }

    /// The route configurations that have to be there before it can serve.
    pub(crate) fn route_names(&self) -> impl Iterator<Item = &Arc<str>> {
        let all = self.chains.iter().chain(&self.default_chain);
        all.filter_map(|chain| match &**chain {
            Chain::Http(chain) => match &chain.routes {
                RouteSource::Named(name) => Some(name),
                RouteSource::Inline(_) => None,
            },
            Chain::Tcp(_) => None,
        })
    }
}

fn refuse_unsupported(listener: &proto::Listener) -> Result<(), Bad> {
    refuse(&[
        ("fcds_config", listener.fcds_config.is_some()),
        ("filter_chain_matcher", listener.filter_chain_matcher.is_some()),
        ("udp_listener_config", listener.udp_listener_config.is_some()),
        ("api_listener", listener.api_listener.is_some()),
        ("listener_specifier", listener.listener_specifier.is_some()),
    ])
}

/// How a chain is spoken to.
fn socket(chain: &proto::FilterChain) -> Result<Option<Arc<ServerTls>>, Bad> {
    let tls = ServerTls::of_socket(chain.transport_socket.as_ref()).within("transport_socket")?;
    let timeout = timeout(
        chain.transport_socket_connect_timeout.as_ref(),
        "transport_socket_connect_timeout",
    )?;
    Ok(tls.map(|tls| Arc::new(ServerTls { handshake_timeout: timeout, ..tls })))
}

enum ListenerFilter {
    OriginalDst,
    Inspector(Inspector),
}

fn compile_filter(filter: &proto::ListenerFilter) -> Result<ListenerFilter, Bad> {
    use proto::listener_filter::ConfigType;
    let name = match &filter.config_type {
        Some(ConfigType::TypedConfig(any)) => any.type_name(),
        Some(ConfigType::ConfigDiscovery(_)) => return Err(Bad::unsupported("config_discovery")),
        None => "",
    };
    let disabled = filter
        .filter_disabled
        .as_ref()
        .map(Predicate::compile)
        .transpose()
        .within("filter_disabled")?;
    let inspector = |tls, http| {
        Ok(ListenerFilter::Inspector(Inspector { looks_for: Inspect { tls, http }, disabled }))
    };
    match name.rsplit('.').next().unwrap_or(name) {
        "OriginalDst" => Ok(ListenerFilter::OriginalDst),
        "TlsInspector" => inspector(true, false),
        "HttpInspector" => inspector(false, true),
        _ if filter.name == "envoy.filters.listener.original_dst" => {
            Ok(ListenerFilter::OriginalDst)
        }
        _ => Err(Bad::unsupported(format!("{} ({name})", filter.name))),
    }
}

impl Predicate {
    fn compile(predicate: &proto::ListenerFilterChainMatchPredicate) -> Result<Self, Bad> {
        use proto::listener_filter_chain_match_predicate::Rule;
        let all = |rules: &[proto::ListenerFilterChainMatchPredicate]| -> Result<Vec<Self>, Bad> {
            rules.iter().map(Self::compile).collect()
        };
        match &predicate.rule {
            Some(Rule::AnyMatch(true)) => Ok(Self::Any),
            Some(Rule::OrMatch(set)) => Ok(Self::Or(all(&set.rules)?)),
            Some(Rule::AndMatch(set)) => Ok(Self::And(all(&set.rules)?)),
            Some(Rule::NotMatch(rule)) => Ok(Self::Not(Box::new(Self::compile(rule)?))),
            Some(Rule::DestinationPortRange(range)) => ports(range),
            Some(Rule::AnyMatch(false)) | None => Err(Bad::new("rule", "is not set")),
        }
    }
}

/// A range whose end is not part of it.
fn ports(range: &kind::Int32Range) -> Result<Predicate, Bad> {
    let port = |port: i32| {
        u16::try_from(port).map_err(|_| Bad::new("destination_port_range", "is not a port"))
    };
    if range.end <= range.start {
        return Err(Bad::new("destination_port_range", "is empty"));
    }
    Ok(Predicate::Port(port(range.start)?..=port(range.end - 1)?))
}

impl Chain {
    fn compile(chain: &proto::FilterChain) -> Result<Self, Bad> {
        use proto::filter::ConfigType;
        refuse(&[("use_proxy_proto", chain.use_proxy_proto == Some(true))])?;
        let mut by_server_name = false;
        let mut named_port = None;
        for (at, filter) in chain.filters.iter().enumerate() {
            let place = format!("filters[{at}]");
            let any = match &filter.config_type {
                Some(ConfigType::TypedConfig(any)) => any,
                Some(ConfigType::ConfigDiscovery(_)) => {
                    return Err(Bad::unsupported(format!("{place}.config_discovery")));
                }
                None => return Err(Bad::new(place, "has no configuration")),
            };
            if any.is::<filters::SniCluster>() {
                by_server_name = true;
                continue;
            }
            if any.is::<dynamic::SniFilterConfig>() {
                named_port = Some(named_port_of(&unpack(any).within(&place)?).within(&place)?);
                continue;
            }
            let terminal = Self::terminal(any, by_server_name, named_port).within(&place)?;
            let Some(terminal) = terminal else {
                let name = format!("{} ({})", filter.name, any.type_name());
                return Err(Bad::unsupported(format!("{place} {name}")));
            };
            if at + 1 != chain.filters.len() {
                return Err(Bad::new(place, "must be the last filter"));
            }
            return Ok(terminal);
        }
        Err(Bad::new("filters", "has no filter that ends the chain"))
    }

    /// A filter that ends a chain; `None` for one that we do not know.
    fn terminal(
        any: &wkt::Any,
        by_server_name: bool,
        named_port: Option<u16>,
    ) -> Result<Option<Self>, Bad> {
        if any.is::<filters::HttpConnectionManager>() {
            let chain = HttpChain::compile(&unpack(any)?)?;
            return Ok(Some(Self::Http(Arc::new(chain))));
        }
        if any.is::<filters::TcpProxy>() {
            let chain = TcpChain::compile(&unpack(any)?, by_server_name, named_port)?;
            return Ok(Some(Self::Tcp(Arc::new(chain))));
        }
        if any.type_name() == "envoy.extensions.filters.network.direct_response.v3.Config" {
            let config = DirectResponse::decode(any.value.as_slice())
                .map_err(|error| Bad::new("typed_config", error.to_string()))?;
            let response = inline(config.response.as_ref()).within("response")?;
            return Ok(Some(Self::Tcp(Arc::new(TcpChain::responding(response)))));
        }
        Ok(None)
    }
}

/// The port of the hosts that the network filter `sni_dynamic_forward_proxy` looks up.
fn named_port_of(config: &dynamic::SniFilterConfig) -> Result<u16, Bad> {
    let cache = config.dns_cache_config.as_ref();
    let cache = cache.ok_or_else(|| Bad::new("dns_cache_config", "is not set"))?;
    Names::compile(cache).within("dns_cache_config")?;
    match config.port_specifier {
        None => Ok(443),
        Some(dynamic::sni_filter_config::PortSpecifier::PortValue(port)) => u16::try_from(port)
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| Bad::new("port_value", "is not a port")),
    }
}

/// The network filter `direct_response`. Several filters have a message called `Config`, so it is written out here.
#[derive(Clone, PartialEq, prost::Message)]
struct DirectResponse {
    #[prost(message, optional, tag = "1")]
    response: Option<core::DataSource>,
}

/// The bytes of a data source that holds them itself.
fn inline(source: Option<&core::DataSource>) -> Result<Vec<u8>, Bad> {
    use core::data_source::Specifier;
    match source.and_then(|source| source.specifier.as_ref()) {
        None => Ok(Vec::new()),
        Some(Specifier::InlineString(text)) => Ok(text.clone().into_bytes()),
        Some(Specifier::InlineBytes(bytes)) => Ok(bytes.clone()),
        Some(Specifier::Filename(_) | Specifier::EnvironmentVariable(_)) => {
            Err(Bad::unsupported("filename"))
        }
    }
}

impl HttpChain {
    pub(crate) fn compile(manager: &filters::HttpConnectionManager) -> Result<Self, Bad> {
        use filters::http_connection_manager::RouteSpecifier;
        let routes = match &manager.route_specifier {
            Some(RouteSpecifier::Rds(rds)) => {
                RouteSource::Named(rds.route_config_name.as_str().into())
            }
            Some(RouteSpecifier::RouteConfig(config)) => {
                RouteSource::Inline(Arc::new(Routes::compile(config).within("route_config")?))
            }
            Some(RouteSpecifier::ScopedRoutes(_)) => return Err(Bad::unsupported("scoped_routes")),
            None => return Err(Bad::new("route_specifier", "is not set")),
        };
        let mut settings = HttpSettings::compile(manager)?;
        let mut compiled = Vec::new();
        let mut has_router = false;
        for (at, filter) in manager.http_filters.iter().enumerate() {
            if has_router {
                let why = "must come before the router, which is the last filter";
                return Err(Bad::new(format!("http_filters[{at}]"), why));
            }
            match compile_http_filter(filter).within_item("http_filters", at)? {
                HttpFilter::Router(router) => {
                    has_router = true;
                    settings.suppress_envoy_headers = router.suppress_envoy_headers;
                }
                HttpFilter::Known(kind) => {
                    let name = filter.name.as_str().into();
                    compiled.push(Filter { name, kind, disabled: filter.disabled });
                }
                HttpFilter::Idle => {}
            }
        }
        if !has_router {
            return Err(Bad::new("http_filters", "must end with the router"));
        }
        Ok(Self { settings: Arc::new(settings), routes, filters: compiled })
    }
}

enum HttpFilter {
    Router(filters::Router),
    Known(FilterKind),
    /// It changes no request.
    Idle,
}

fn compile_http_filter(filter: &filters::HttpFilter) -> Result<HttpFilter, Bad> {
    use filters::http_filter::ConfigType;
    let any = match &filter.config_type {
        Some(ConfigType::TypedConfig(any)) => any,
        Some(ConfigType::ConfigDiscovery(_)) => return Err(Bad::unsupported("config_discovery")),
        None => return Err(Bad::new("typed_config", "is not set")),
    };
    if any.is::<filters::Router>() {
        let router: filters::Router = unpack(any)?;
        refuse(&[
            ("strict_check_headers", !router.strict_check_headers.is_empty()),
            ("upstream_http_filters", !router.upstream_http_filters.is_empty()),
            ("respect_expected_rq_timeout", router.respect_expected_rq_timeout),
            ("upstream_log", !router.upstream_log.is_empty()),
        ])?;
        return Ok(HttpFilter::Router(router));
    }
    if any.is::<filters::HttpFault>() {
        let policy = FaultPolicy::compile(&unpack(any)?)?;
        return Ok(HttpFilter::Known(FilterKind::Fault(Arc::new(policy), Arc::default())));
    }
    if any.is::<dynamic::FilterConfig>() {
        use dynamic::filter_config::ImplementationSpecifier as How;
        let config: dynamic::FilterConfig = unpack(any)?;
        refuse(&[(
            "allow_dynamic_host_from_filter_state",
            config.allow_dynamic_host_from_filter_state,
        )])?;
        return match &config.implementation_specifier {
            Some(How::DnsCacheConfig(cache)) => {
                Names::compile(cache).within("dns_cache_config")?;
                Ok(HttpFilter::Known(FilterKind::Named))
            }
            Some(How::SubClusterConfig(_)) => Err(Bad::unsupported("sub_cluster_config")),
            None => Err(Bad::new("implementation_specifier", "is not set")),
        };
    }
    if any.is::<filters::Cors>() {
        return Ok(HttpFilter::Known(FilterKind::Cors));
    }
    // Statistics of gRPC are counted for every request here; the filter itself has nothing to do.
    if any.type_name() == "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig" {
        return Ok(HttpFilter::Idle);
    }
    if filter.is_optional || filter.disabled {
        return Ok(HttpFilter::Idle);
    }
    Err(Bad::unsupported(format!("{} ({})", filter.name, any.type_name())))
}
