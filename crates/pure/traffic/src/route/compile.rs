//! Reading a route configuration.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use xds::{dynamic, filters, route as proto, wkt};

use crate::{
    compile::{Bad, Fraction, Within as _, duration, refuse, replacement, timeout, unpack},
    cors::CorsPolicy,
    hash::HashPolicy,
    inject::FaultPolicy,
    inline::Side,
    levels::EditList,
    matcher::{HeaderMatch, QueryMatch},
    path::{PathMatch, PathRewrite},
    retry::{RetryOn, RetryPolicy},
    route::{
        Action, Chance, Direct, Forwarding, HostRewrite, InternalOnly, MirrorPolicy, PerFilter,
        RequireTls, Route, RouteMatch, Routes, Target, TimeLimits, VirtualHost, hosts::Domains,
    },
};

/// Envoy's limit of the body of a direct response.
const LARGEST_BODY: u32 = 4096;
/// The name under which older fields configure the CORS filter.
const CORS: &str = "envoy.filters.http.cors";

/// The edits that the levels around a route ask for, and the order in which they apply.
struct Levels {
    config: (EditList, EditList),
    host: (EditList, EditList),
    most_specific_wins: bool,
}

/// Edits of requests and of responses.
type Edits = (Option<Arc<EditList>>, Option<Arc<EditList>>);

/// What a route inherits from the levels around it.
struct Around<'a> {
    levels: Levels,
    filters: Vec<(Box<str>, PerFilter)>,
    host: &'a proto::VirtualHost,
    config: &'a proto::RouteConfiguration,
    name: Arc<str>,
}

impl Routes {
    pub(crate) fn compile(config: &proto::RouteConfiguration) -> Result<Self, Bad> {
        refuse(&[
            ("vhds", config.vhds.is_some()),
            ("cluster_specifier_plugins", !config.cluster_specifier_plugins.is_empty()),
            ("vhost_header", !config.vhost_header.is_empty()),
            ("route_specifiers", !config.route_specifiers.is_empty()),
        ])?;
        let mut domains = Domains::default();
        let mut hosts = Vec::with_capacity(config.virtual_hosts.len());
        for (at, host) in config.virtual_hosts.iter().enumerate() {
            for domain in &host.domains {
                domains.insert(domain, at).within_item("virtual_hosts", at)?;
            }
            if host.domains.is_empty() {
                return Err(Bad::new("domains", "is empty").within(format!("virtual_hosts[{at}]")));
            }
            let compiled = VirtualHost::compile(config, host);
            hosts.push(compiled.within(format_args!("virtual_hosts[{at}] ({})", host.name))?);
        }
        domains.finish();
        Ok(Self {
            hosts,
            domains,
            ignore_port: config.ignore_port_in_host_matching,
            ignore_path_parameters: config.ignore_path_parameters_in_path_matching,
            internal_only: InternalOnly::of(&config.internal_only_headers),
        })
    }
}

impl VirtualHost {
    fn compile(config: &proto::RouteConfiguration, host: &proto::VirtualHost) -> Result<Self, Bad> {
        use proto::virtual_host::TlsRequirementType as Tls;
        refuse(&[
            ("matcher", host.matcher.is_some()),
            ("hedge_policy", host.hedge_policy.is_some()),
            ("retry_policy_typed_config", host.retry_policy_typed_config.is_some()),
            ("route_specifiers", !host.route_specifiers.is_empty()),
        ])?;
        let mut filters = per_filter(&host.typed_per_filter_config, None)?;
        filters.extend(per_filter(&config.typed_per_filter_config, None)?);
        let name: Arc<str> = host.name.as_str().into();
        let around = Around {
            levels: Levels {
                config: (
                    EditList::compile(
                        &config.request_headers_to_add,
                        &config.request_headers_to_remove,
                        Side::Request,
                    )?,
                    EditList::compile(
                        &config.response_headers_to_add,
                        &config.response_headers_to_remove,
                        Side::Response,
                    )?,
                ),
                host: (
                    EditList::compile(
                        &host.request_headers_to_add,
                        &host.request_headers_to_remove,
                        Side::Request,
                    )?,
                    EditList::compile(
                        &host.response_headers_to_add,
                        &host.response_headers_to_remove,
                        Side::Response,
                    )?,
                ),
                most_specific_wins: config.most_specific_header_mutations_wins,
            },
            filters,
            host,
            config,
            name: Arc::clone(&name),
        };
        let mut routes = Vec::with_capacity(host.routes.len());
        for (at, route) in host.routes.iter().enumerate() {
            routes.push(Arc::new(Route::compile(route, &around).within_item("routes", at)?));
        }
        let require_tls = match host.require_tls() {
            Tls::None => RequireTls::No,
            Tls::ExternalOnly => RequireTls::External,
            Tls::All => RequireTls::Always,
        };
        let to_https = (require_tls != RequireTls::No).then(|| {
            let matcher = RouteMatch::any();
            let action = Action::Answer(Box::new(Direct::to_https()));
            let virtual_host = Arc::clone(&name);
            let filters = around.filters;
            Arc::new(Route { name: String::new(), virtual_host, matcher, action, filters })
        });
        Ok(Self { require_tls, routes, to_https })
    }
}

impl Levels {
    /// The edits of a request and of a response at some route. Levels without edits cost nothing.
    fn joined(&self, own: (&EditList, &EditList)) -> Edits {
        (
            self.join(None, [own.0, &self.host.0, &self.config.0]),
            self.join(None, [own.1, &self.host.1, &self.config.1]),
        )
    }

    /// The same at a cluster weight, whose own edits come first, whatever the order of the others.
    fn joined_at(&self, target: (&EditList, &EditList), own: (&EditList, &EditList)) -> Edits {
        (
            self.join(Some(target.0), [own.0, &self.host.0, &self.config.0]),
            self.join(Some(target.1), [own.1, &self.host.1, &self.config.1]),
        )
    }

    /// From the most specific level to the least, or the other way round; who comes last wins.
    fn join(&self, target: Option<&EditList>, mut lists: [&EditList; 3]) -> Option<Arc<EditList>> {
        if self.most_specific_wins {
            lists.reverse();
        }
        let joined = EditList::joined(target, &lists);
        (!joined.is_empty()).then(|| Arc::new(joined))
    }
}

impl Route {
    fn compile(route: &proto::Route, around: &Around<'_>) -> Result<Self, Bad> {
        use proto::route::Action as Proto;
        refuse(&[("route_specifiers", !route.route_specifiers.is_empty())])?;
        let matcher = route.r#match.as_ref().ok_or_else(|| Bad::new("match", "is not set"))?;
        let request = EditList::compile(
            &route.request_headers_to_add,
            &route.request_headers_to_remove,
            Side::Request,
        )?;
        let response = EditList::compile(
            &route.response_headers_to_add,
            &route.response_headers_to_remove,
            Side::Response,
        )?;
        let own = (&request, &response);
        let of_route = around.levels.joined(own);
        let mut old_cors = None;
        let action = match &route.action {
            Some(Proto::Route(action)) => {
                old_cors = action.cors.as_ref();
                let forwarding = Forwarding::compile(action, own, &of_route, around);
                Action::Forward(Box::new(forwarding.within("route")?))
            }
            Some(Proto::Redirect(action)) => {
                let direct = Direct::redirect(action, of_route.1).within("redirect")?;
                Action::Answer(Box::new(direct))
            }
            Some(Proto::DirectResponse(action)) => {
                let largest = around.config.max_direct_response_body_size_bytes;
                let largest = largest.unwrap_or(LARGEST_BODY);
                let direct = Direct::response(action, of_route.1, largest);
                let direct = direct.within("direct_response")?;
                Action::Answer(Box::new(direct))
            }
            Some(Proto::NonForwardingAction(_)) => {
                // A route for servers, where a proxy finds no cluster to go to.
                let nowhere = proto::route_action::ClusterSpecifier::Cluster(String::new());
                let action =
                    proto::RouteAction { cluster_specifier: Some(nowhere), ..Default::default() };
                let forwarding = Forwarding::compile(&action, own, &of_route, around)?;
                Action::Forward(Box::new(forwarding))
            }
            Some(Proto::FilterAction(_)) => return Err(Bad::unsupported("filter_action")),
            None => return Err(Bad::new("action", "is not set")),
        };
        // The older fields speak for requests that go to a cluster, where no level has the newer ones.
        let old_cors = match &action {
            Action::Forward(_) => old_cors.or(around.host.cors.as_ref()),
            Action::Answer(_) => None,
        };
        let has_cors = around.filters.iter().any(|(name, _)| **name == *CORS);
        let old_cors = old_cors.filter(|_| !has_cors);
        let mut filters = per_filter(&route.typed_per_filter_config, old_cors)?;
        filters.extend(around.filters.iter().cloned());
        Ok(Self {
            name: route.name.clone(),
            virtual_host: Arc::clone(&around.name),
            matcher: RouteMatch::compile(matcher).within("match")?,
            action,
            filters,
        })
    }
}

impl RouteMatch {
    fn any() -> Self {
        let matcher = proto::RouteMatch {
            path_specifier: Some(proto::route_match::PathSpecifier::Prefix(String::new())),
            ..Default::default()
        };
        Self::compile(&matcher).expect("a prefix without conditions is a valid match")
    }

    fn compile(matcher: &proto::RouteMatch) -> Result<Self, Bad> {
        refuse(&[
            ("cookies", !matcher.cookies.is_empty()),
            ("dynamic_metadata", !matcher.dynamic_metadata.is_empty()),
            ("filter_state", !matcher.filter_state.is_empty()),
        ])?;
        let query = matcher
            .query_parameters
            .iter()
            .enumerate()
            .map(|(at, query)| QueryMatch::compile(query).within_item("query_parameters", at));
        let tls = matcher.tls_context.as_ref();
        if tls.is_some_and(|tls| tls.validated.is_some()) {
            return Err(Bad::unsupported("tls_context.validated"));
        }
        Ok(Self {
            path: PathMatch::compile(matcher)?,
            headers: HeaderMatch::compile_all(&matcher.headers, "headers")?,
            query: query.collect::<Result<_, _>>()?,
            fraction: matcher.runtime_fraction.as_ref().map(Fraction::of_runtime),
            grpc: matcher.grpc.is_some(),
            tls_presented: tls.and_then(|tls| tls.presented),
        })
    }
}

impl Forwarding {
    fn compile(
        action: &proto::RouteAction,
        own: (&EditList, &EditList),
        of_route: &Edits,
        around: &Around<'_>,
    ) -> Result<Self, Bad> {
        use proto::route_action::ClusterNotFoundResponseCode as NotFound;
        refuse(&[
            ("path_rewrite_policy", action.path_rewrite_policy.is_some()),
            ("path_rewrite", !action.path_rewrite.is_empty()),
            ("retry_policy_typed_config", action.retry_policy_typed_config.is_some()),
            ("internal_redirect_policy", action.internal_redirect_policy.is_some()),
            ("internal_redirect_action", action.internal_redirect_action != 0),
            ("hedge_policy", action.hedge_policy.is_some()),
            ("priority HIGH", action.priority != 0),
        ])?;
        let targets = targets(action, own, of_route, around)?;
        let total_weight = targets.iter().map(|target| target.weight).sum();
        if total_weight == 0 {
            return Err(Bad::new("weighted_clusters", "the sum of the weights must be above 0"));
        }
        let retry = action.retry_policy.as_ref().or(around.host.retry_policy.as_ref());
        let retry = retry.map(compile_retry).transpose().within("retry_policy")?;
        let mirrors = [
            &action.request_mirror_policies,
            &around.host.request_mirror_policies,
            &around.config.request_mirror_policies,
        ];
        let mirrors = mirrors.into_iter().find(|list| !list.is_empty());
        let mirrors = mirrors.into_iter().flatten().enumerate().map(|(at, mirror)| {
            MirrorPolicy::compile(mirror).within_item("request_mirror_policies", at)
        });
        let hash = action.hash_policy.iter().enumerate();
        let hash = hash.map(|(at, hash)| HashPolicy::compile(hash).within_item("hash_policy", at));
        Ok(Self {
            targets,
            total_weight,
            chance: chance(action),
            cluster_not_found: match action.cluster_not_found_response_code() {
                NotFound::ServiceUnavailable => 503,
                NotFound::NotFound => 404,
                NotFound::InternalServerError => 500,
            },
            path_rewrite: PathRewrite::compile(
                &action.prefix_rewrite,
                action.regex_rewrite.as_ref(),
            )?,
            host_rewrite: HostRewrite::compile(action.host_rewrite_specifier.as_ref())?,
            append_x_forwarded_host: action.append_x_forwarded_host,
            limits: TimeLimits::compile(action)?,
            idle_timeout: duration(action.idle_timeout.as_ref(), "idle_timeout")?,
            retry: retry.filter(|policy| !policy.on.is_empty()).map(Arc::new),
            hash: hash.collect::<Result<_, _>>()?,
            mirrors: mirrors.collect::<Result<_, _>>()?,
            upgrades: action
                .upgrade_configs
                .iter()
                .map(|config| {
                    (config.upgrade_type.as_bytes().into(), config.enabled.unwrap_or(true))
                })
                .collect(),
            ends_connect: ends_connect(action)?,
            attempt_count_in_request: around.host.include_request_attempt_count,
            attempt_count_in_response: around.host.include_attempt_count_in_response,
        })
    }
}

/// The clusters of a route.
fn targets(
    action: &proto::RouteAction,
    own: (&EditList, &EditList),
    of_route: &Edits,
    around: &Around<'_>,
) -> Result<Vec<Target>, Bad> {
    use proto::{
        route_action::ClusterSpecifier as Specifier,
        weighted_cluster::cluster_weight::HostRewriteSpecifier,
    };
    match &action.cluster_specifier {
        Some(Specifier::Cluster(cluster)) => Ok(vec![Target {
            cluster: cluster.as_str().into(),
            cluster_header: None,
            weight: 1,
            request_edits: of_route.0.clone(),
            response_edits: of_route.1.clone(),
            host_rewrite: None,
            filters: Vec::new(),
        }]),
        Some(Specifier::WeightedClusters(weighted)) => {
            let mut targets = Vec::with_capacity(weighted.clusters.len());
            for (at, cluster) in weighted.clusters.iter().enumerate() {
                let place = format!("weighted_clusters.clusters[{at}]");
                if cluster.cluster_header.is_empty() == cluster.name.is_empty() {
                    return Err(Bad::new(place, "must have either name or cluster_header"));
                }
                let header = Some(&cluster.cluster_header).filter(|header| !header.is_empty());
                let header = header.map(|header| cluster_header(header)).transpose();
                let cluster_header = header.within(&place)?;
                let request = EditList::compile(
                    &cluster.request_headers_to_add,
                    &cluster.request_headers_to_remove,
                    Side::Request,
                );
                let response = EditList::compile(
                    &cluster.response_headers_to_add,
                    &cluster.response_headers_to_remove,
                    Side::Response,
                );
                let (request, response) = (request.within(&place)?, response.within(&place)?);
                let edits = if request.is_empty() && response.is_empty() {
                    of_route.clone()
                } else {
                    around.levels.joined_at((&request, &response), own)
                };
                let host_rewrite = cluster.host_rewrite_specifier.as_ref().map(|rewrite| {
                    let HostRewriteSpecifier::HostRewriteLiteral(host) = rewrite;
                    HostRewrite::Literal(host.as_str().into())
                });
                targets.push(Target {
                    cluster: cluster.name.as_str().into(),
                    cluster_header,
                    weight: u64::from(cluster.weight.unwrap_or(0)),
                    request_edits: edits.0,
                    response_edits: edits.1,
                    host_rewrite,
                    filters: per_filter(&cluster.typed_per_filter_config, None).within(&place)?,
                });
            }
            Ok(targets)
        }
        Some(Specifier::ClusterHeader(header)) => Ok(vec![Target {
            cluster: "".into(),
            cluster_header: Some(cluster_header(header)?),
            weight: 1,
            request_edits: of_route.0.clone(),
            response_edits: of_route.1.clone(),
            host_rewrite: None,
            filters: Vec::new(),
        }]),
        Some(Specifier::ClusterSpecifierPlugin(_) | Specifier::InlineClusterSpecifierPlugin(_)) => {
            Err(Bad::unsupported("cluster_specifier_plugin"))
        }
        None => Err(Bad::new("cluster_specifier", "is not set")),
    }
}

/// The header that names a cluster.
fn cluster_header(name: &str) -> Result<Box<str>, Bad> {
    if name.is_empty() {
        return Err(Bad::new("cluster_header", "is empty"));
    }
    Ok(name.to_ascii_lowercase().into())
}

fn chance(action: &proto::RouteAction) -> Chance {
    use proto::{
        route_action::ClusterSpecifier, weighted_cluster::RandomValueSpecifier as Specifier,
    };
    let Some(ClusterSpecifier::WeightedClusters(weighted)) = &action.cluster_specifier else {
        return Chance::Dice;
    };
    match &weighted.random_value_specifier {
        Some(Specifier::UseHashPolicy(true)) => Chance::Hash,
        Some(Specifier::HeaderName(name)) => Chance::Header(name.to_ascii_lowercase().into()),
        Some(Specifier::UseHashPolicy(false)) | None => Chance::Dice,
    }
}

/// Whether CONNECT ends at this route.
fn ends_connect(action: &proto::RouteAction) -> Result<bool, Bad> {
    let mut ends = false;
    for (at, config) in action.upgrade_configs.iter().enumerate() {
        let Some(connect) = &config.connect_config else { continue };
        let place = format!("upgrade_configs[{at}].connect_config");
        if !config.upgrade_type.eq_ignore_ascii_case("CONNECT") {
            return Err(Bad::new(place, "belongs to upgrade_type CONNECT"));
        }
        refuse(&[
            ("proxy_protocol_config", connect.proxy_protocol_config.is_some()),
            ("allow_post", connect.allow_post),
        ])
        .within(place)?;
        ends |= config.enabled.unwrap_or(true);
    }
    Ok(ends)
}

impl HostRewrite {
    fn compile(rewrite: Option<&proto::route_action::HostRewriteSpecifier>) -> Result<Self, Bad> {
        use proto::route_action::HostRewriteSpecifier as Rewrite;
        Ok(match rewrite {
            None | Some(Rewrite::AutoHostRewrite(false)) => Self::Keep,
            Some(Rewrite::AutoHostRewrite(true)) => Self::OfHost,
            Some(Rewrite::HostRewriteLiteral(host)) => Self::Literal(host.as_str().into()),
            Some(Rewrite::HostRewriteHeader(name)) => {
                Self::Header(name.to_ascii_lowercase().into())
            }
            Some(Rewrite::HostRewritePathRegex(rewrite)) => {
                let field = "host_rewrite_path_regex";
                let pattern = rewrite.pattern.as_ref().map_or("", |p| p.regex.as_str());
                let (regex, text) = replacement(pattern, &rewrite.substitution).within(field)?;
                Self::PathRegex(regex, text)
            }
            Some(Rewrite::HostRewrite(_)) => return Err(Bad::unsupported("host_rewrite")),
        })
    }
}

impl MirrorPolicy {
    fn compile(mirror: &proto::route_action::RequestMirrorPolicy) -> Result<Self, Bad> {
        refuse(&[("request_headers_mutations", !mirror.request_headers_mutations.is_empty())])?;
        let host = &mirror.host_rewrite_literal;
        Ok(Self {
            cluster: mirror.cluster.as_str().into(),
            cluster_header: (!mirror.cluster_header.is_empty())
                .then(|| mirror.cluster_header.to_ascii_lowercase().into()),
            share: mirror.runtime_fraction.as_ref().map_or(Fraction::ALL, Fraction::of_runtime),
            keeps_host: mirror.disable_shadow_host_suffix_append,
            host: (!host.is_empty()).then(|| host.as_str().into()),
        })
    }
}

fn compile_retry(policy: &proto::RetryPolicy) -> Result<RetryPolicy, Bad> {
    const PREVIOUS_HOSTS: &str = "envoy.retry_host_predicates.previous_hosts";
    refuse(&[
        ("rate_limited_retry_back_off", policy.rate_limited_retry_back_off.is_some()),
        ("retry_options_predicates", !policy.retry_options_predicates.is_empty()),
    ])?;
    let unknown = policy.retry_host_predicate.iter().find(|p| p.name != PREVIOUS_HOSTS);
    if let Some(predicate) = unknown {
        return Err(Bad::unsupported(format!("retry_host_predicate {}", predicate.name)));
    }
    let back_off = policy.retry_back_off.clone().unwrap_or_default();
    let base = duration(back_off.base_interval.as_ref(), "retry_back_off.base_interval")?;
    // Envoy's default, and the least that it counts in.
    let base = base.unwrap_or(Duration::from_millis(25)).max(Duration::from_millis(1));
    let max = duration(back_off.max_interval.as_ref(), "retry_back_off.max_interval")?;
    let max = max.unwrap_or(base * 10);
    if max < base {
        return Err(Bad::new("retry_back_off.max_interval", "is less than base_interval"));
    }
    let attempts = u32::try_from(policy.host_selection_retry_max_attempts.max(0));
    let codes = policy.retriable_status_codes.iter().filter_map(|code| u16::try_from(*code).ok());
    Ok(RetryPolicy {
        on: RetryOn::parse(&policy.retry_on),
        num_retries: policy.num_retries.unwrap_or(1),
        per_try_timeout: timeout(policy.per_try_timeout.as_ref(), "per_try_timeout")?,
        per_try_idle_timeout: timeout(
            policy.per_try_idle_timeout.as_ref(),
            "per_try_idle_timeout",
        )?,
        base_interval: base,
        max_interval: max,
        status_codes: codes.collect(),
        avoid_previous_hosts: !policy.retry_host_predicate.is_empty(),
        host_selection_attempts: attempts.unwrap_or(u32::MAX).max(1),
        previous_priorities: policy
            .retry_priority
            .as_ref()
            .map(previous_priorities)
            .transpose()
            .within("retry_priority")?,
        headers: HeaderMatch::compile_all(&policy.retriable_headers, "retriable_headers")?,
        request_headers: HeaderMatch::compile_all(
            &policy.retriable_request_headers,
            "retriable_request_headers",
        )?,
    })
}

/// After how many attempts the priorities that were tried are left out.
fn previous_priorities(priority: &proto::retry_policy::RetryPriority) -> Result<u32, Bad> {
    use proto::retry_policy::retry_priority::ConfigType;
    let Some(ConfigType::TypedConfig(any)) = &priority.config_type else {
        return Err(Bad::new("typed_config", "is not set"));
    };
    if !any.is::<filters::PreviousPrioritiesConfig>() {
        return Err(Bad::unsupported(format!("{} ({})", priority.name, any.type_name())));
    }
    let config: filters::PreviousPrioritiesConfig = unpack(any)?;
    match u32::try_from(config.update_frequency) {
        Ok(every) if every != 0 => Ok(every),
        _ => Err(Bad::new("update_frequency", "must be greater than zero")),
    }
}

/// What one level says to filters, by their names.
fn per_filter(
    configs: &BTreeMap<String, wkt::Any>,
    old_cors: Option<&proto::CorsPolicy>,
) -> Result<Vec<(Box<str>, PerFilter)>, Bad> {
    let mut list = Vec::new();
    for (name, config) in configs {
        let place = format!("typed_per_filter_config[{name}]");
        if let Some(config) = compile_per_filter(config).within(place)? {
            list.push((Box::from(name.as_str()), config));
        }
    }
    if let Some(cors) = old_cors
        && !configs.contains_key(CORS)
    {
        let policy = CorsPolicy::compile_old(cors).within("cors")?;
        list.push((CORS.into(), PerFilter::Cors(Arc::new(policy))));
    }
    Ok(list)
}

fn compile_per_filter(config: &wkt::Any) -> Result<Option<PerFilter>, Bad> {
    if config.is::<proto::FilterConfig>() {
        let wrapped: proto::FilterConfig = unpack(config)?;
        if wrapped.disabled {
            return Ok(Some(PerFilter::Disabled));
        }
        return match &wrapped.config {
            None => Ok(Some(PerFilter::Enabled)),
            Some(inner) if inner.value.is_empty() && inner.type_url.is_empty() => {
                Ok(Some(PerFilter::Enabled))
            }
            Some(inner) => match compile_per_filter(inner) {
                Err(_) if wrapped.is_optional => Ok(None),
                result => result,
            },
        };
    }
    if config.is::<filters::HttpFault>() {
        let fault: filters::HttpFault = unpack(config)?;
        return Ok(Some(PerFilter::Fault(Arc::new(FaultPolicy::compile(&fault)?))));
    }
    if config.is::<filters::CorsPolicy>() {
        let cors: filters::CorsPolicy = unpack(config)?;
        return Ok(Some(PerFilter::Cors(Arc::new(CorsPolicy::compile(&cors)?))));
    }
    if config.is::<dynamic::PerRouteConfig>() {
        use dynamic::per_route_config::HostRewriteSpecifier as Rewrite;
        let config: dynamic::PerRouteConfig = unpack(config)?;
        return Ok(config.host_rewrite_specifier.map(|rewrite| {
            PerFilter::Named(match rewrite {
                Rewrite::HostRewriteLiteral(host) => HostRewrite::Literal(host.as_str().into()),
                Rewrite::HostRewriteHeader(name) => {
                    HostRewrite::Header(name.to_ascii_lowercase().into())
                }
            })
        }));
    }
    Err(Bad::unsupported(config.type_name()))
}
