//! What happens to a request that matched, in Envoy's words.

use std::collections::BTreeMap;
use std::time::Duration;

use xds::core::{DataSource, HeaderValue, HeaderValueOption, data_source, header_value_option};
use xds::filters::{
    CorsPolicy, FaultAbort, FaultDelay, HttpFault, PreviousHostsPredicate,
    PreviousPrioritiesConfig, fault_abort, fault_delay,
};
use xds::kind::{RegexMatchAndSubstitute, StringMatcher, string_matcher};
use xds::route::route_action::{
    HashPolicy, HostRewriteSpecifier, RequestMirrorPolicy, hash_policy,
};
use xds::route::{
    DirectResponseAction, RedirectAction, RetryPolicy, RouteAction, redirect_action, retry_policy,
};
use xds::wkt::Any;

use super::wire::{self, regex, runtime_fraction, span};
use crate::model::MeshConfig;
use crate::model::policy::HashOn;
use crate::model::route::{
    Abort, Answer, Body, Cors, Edits, Fault, Mirror, Redirect, RedirectPort, Retry, Rewrite, Share,
};

/// Name of the fault filter, and key of its settings by route.
pub(super) const FAULT: &str = "envoy.filters.http.fault";
/// Name of the cross-origin filter, and key of its settings by route.
pub(super) const CORS: &str = "envoy.filters.http.cors";

/// When a request is tried again, if nobody says otherwise.
const RETRY_ON: &[&str] =
    &["connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"];
/// Further tries, if nobody says otherwise.
const RETRIES: u32 = 2;

/// How often Envoy looks for a host that was not tried yet.
const HOST_ATTEMPTS: i64 = 5;

/// When and how a request is tried again; `hashed` tries stay on the host that the hash chose.
pub(super) fn retry(
    written: Option<&Retry>,
    mesh: &MeshConfig,
    hashed: bool,
) -> Option<RetryPolicy> {
    let default = Retry { attempts: RETRIES, ..Retry::default() };
    let retry = written.or(mesh.retry.as_ref()).unwrap_or(&default);
    if retry.attempts == 0 {
        return None;
    }
    let mut on: Vec<&str> = retry.on.iter().map(String::as_str).collect();
    if on.is_empty() && retry.codes.is_empty() {
        on.extend(RETRY_ON);
    }
    if !retry.codes.is_empty() && !on.contains(&"retriable-status-codes") {
        on.push("retriable-status-codes");
    }
    let predicate = retry_policy::RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(retry_policy::retry_host_predicate::ConfigType::TypedConfig(Any::pack(
            &PreviousHostsPredicate::default(),
        ))),
    };
    let priority = retry_policy::RetryPriority {
        name: "envoy.retry_priorities.previous_priorities".to_owned(),
        config_type: Some(retry_policy::retry_priority::ConfigType::TypedConfig(Any::pack(
            &PreviousPrioritiesConfig { update_frequency: 2 },
        ))),
    };
    let elsewhere = !hashed && !retry.may_repeat_hosts;
    Some(RetryPolicy {
        retry_on: on.join(","),
        num_retries: Some(retry.attempts),
        per_try_timeout: retry.per_try.map(Into::into),
        retry_host_predicate: elsewhere.then_some(predicate).into_iter().collect(),
        host_selection_retry_max_attempts: if elsewhere { HOST_ATTEMPTS } else { 0 },
        retry_priority: retry.remote_localities.then_some(priority),
        retriable_status_codes: retry.codes.clone(),
        retry_back_off: retry.backoff.map(|base| retry_policy::RetryBackOff {
            base_interval: span(base),
            max_interval: span(base * 10),
        }),
        ..RetryPolicy::default()
    })
}

/// Sets the time for the whole answer; gRPC's own deadlines hold within it.
pub(super) fn timeout(action: &mut RouteAction, timeout: Option<Duration>) {
    // Zero is no limit: Envoy's own default of 15 s must not show.
    action.timeout = span(timeout.unwrap_or(Duration::ZERO));
    // Deprecated, but with a `max_stream_duration` Envoy would not look at `timeout` any more.
    action.max_grpc_timeout = action.timeout;
}

/// Sets changes of path and authority.
pub(super) fn rewrite(action: &mut RouteAction, rewrite: &Rewrite) {
    if let Some(uri) = &rewrite.uri {
        action.prefix_rewrite.clone_from(uri);
    }
    if let Some((pattern, substitution)) = &rewrite.regex {
        action.regex_rewrite = Some(RegexMatchAndSubstitute {
            pattern: Some(regex(pattern)),
            substitution: substitution.clone(),
        });
    }
    if let Some(authority) = &rewrite.authority {
        action.host_rewrite_specifier =
            Some(HostRewriteSpecifier::HostRewriteLiteral(authority.clone()));
    }
}

/// A copy to `cluster`.
pub(super) fn mirror(mirror: &Mirror, cluster: String) -> RequestMirrorPolicy {
    RequestMirrorPolicy {
        cluster,
        runtime_fraction: runtime_fraction(mirror.share),
        trace_sampled: Some(false),
        disable_shadow_host_suffix_append: true,
        ..RequestMirrorPolicy::default()
    }
}

/// What is hashed to pick a host.
pub(super) fn hash(on: &HashOn) -> HashPolicy {
    use hash_policy::PolicySpecifier;
    let specifier = match on {
        HashOn::Header(name) => PolicySpecifier::Header(hash_policy::Header {
            header_name: name.clone(),
            ..hash_policy::Header::default()
        }),
        HashOn::Cookie { name, path, ttl, attributes } => {
            PolicySpecifier::Cookie(hash_policy::Cookie {
                name: name.clone(),
                ttl: ttl.map(Into::into),
                path: path.clone(),
                attributes: attributes
                    .iter()
                    .map(|(name, value)| hash_policy::CookieAttribute {
                        name: name.clone(),
                        value: value.clone(),
                    })
                    .collect(),
            })
        }
        HashOn::SourceIp => {
            PolicySpecifier::ConnectionProperties(hash_policy::ConnectionProperties {
                source_ip: true,
            })
        }
        HashOn::Query(name) => {
            PolicySpecifier::QueryParameter(hash_policy::QueryParameter { name: name.clone() })
        }
    };
    HashPolicy { policy_specifier: Some(specifier), terminal: false }
}

/// Where the client is sent; `port` is the one it dialled, `secure` whether by TLS.
pub(super) fn redirect(redirect: &Redirect, port: u16, secure: bool) -> RedirectAction {
    use redirect_action::{PathRewriteSpecifier, RedirectResponseCode, SchemeRewriteSpecifier};
    let path = redirect.uri.clone().map(PathRewriteSpecifier::PathRedirect);
    let prefix = redirect.prefix.clone().map(PathRewriteSpecifier::PrefixRewrite);
    let scheme = redirect.scheme.clone().or_else(|| secure.then(|| "https".to_owned()));
    let code = match redirect.code {
        302 => RedirectResponseCode::Found,
        303 => RedirectResponseCode::SeeOther,
        307 => RedirectResponseCode::TemporaryRedirect,
        308 => RedirectResponseCode::PermanentRedirect,
        _ => RedirectResponseCode::MovedPermanently,
    };
    RedirectAction {
        host_redirect: redirect.authority.clone().unwrap_or_default(),
        port_redirect: match redirect.port {
            RedirectPort::OfScheme => 0,
            RedirectPort::Number(number) => u32::from(number),
            RedirectPort::OfRequest => u32::from(port),
        },
        path_rewrite_specifier: path.or(prefix),
        scheme_rewrite_specifier: scheme.map(SchemeRewriteSpecifier::SchemeRedirect),
        response_code: code as i32,
        ..RedirectAction::default()
    }
}

/// An answer by the proxy.
pub(super) fn answer(answer: &Answer) -> DirectResponseAction {
    let body = answer.body.as_ref().map(|body| match body {
        Body::Text(text) => data_source::Specifier::InlineString(text.clone()),
        Body::Bytes(bytes) => data_source::Specifier::InlineBytes(bytes.clone()),
    });
    DirectResponseAction {
        status: answer.status,
        body: body.map(|body| DataSource { specifier: Some(body), ..DataSource::default() }),
        ..DirectResponseAction::default()
    }
}

/// Headers to write.
pub(super) fn headers(edits: &Edits) -> Vec<HeaderValueOption> {
    use header_value_option::HeaderAppendAction;
    let option = |(key, value): (&String, &String), action: HeaderAppendAction| HeaderValueOption {
        header: Some(HeaderValue {
            key: key.clone(),
            value: value.clone(),
            ..HeaderValue::default()
        }),
        append_action: action as i32,
        ..HeaderValueOption::default()
    };
    let add = edits.add.iter().map(|pair| option(pair, HeaderAppendAction::AppendIfExistsOrAdd));
    let set = edits.set.iter().map(|pair| option(pair, HeaderAppendAction::OverwriteIfExistsOrAdd));
    add.chain(set).collect()
}

/// Settings of the filters for one route.
pub(super) fn filters(fault: &Fault, cors: Option<&Cors>) -> BTreeMap<String, Any> {
    let mut filters = BTreeMap::new();
    if *fault != Fault::default() {
        filters.insert(FAULT.to_owned(), Any::pack(&self::fault(fault)));
    }
    if let Some(cors) = cors {
        filters.insert(CORS.to_owned(), Any::pack(&self::cors(cors)));
    }
    filters
}

fn fault(fault: &Fault) -> HttpFault {
    HttpFault {
        delay: fault.delay.map(|(time, share)| FaultDelay {
            fault_delay_secifier: Some(fault_delay::FaultDelaySecifier::FixedDelay(time.into())),
            percentage: wire::fraction(share),
        }),
        abort: fault.abort.as_ref().map(|(how, share)| FaultAbort {
            error_type: Some(match how {
                Abort::Http(status) => fault_abort::ErrorType::HttpStatus(*status),
                Abort::Grpc(status) => fault_abort::ErrorType::GrpcStatus(*status),
            }),
            percentage: wire::fraction(*share),
            ..FaultAbort::default()
        }),
        ..HttpFault::default()
    }
}

fn cors(cors: &Cors) -> CorsPolicy {
    // Envoy has no "any origin", but an expression for it.
    let anyone = || StringMatcher {
        match_pattern: Some(string_matcher::MatchPattern::SafeRegex(regex(".*"))),
        ignore_case: false,
    };
    CorsPolicy {
        allow_origin_string_match: cors
            .origins
            .iter()
            .map(|origin| wire::text(origin).unwrap_or_else(anyone))
            .collect(),
        allow_methods: cors.methods.join(","),
        allow_headers: cors.headers.join(","),
        expose_headers: cors.expose.join(","),
        max_age: cors.max_age.map(|age| age.as_secs().to_string()).unwrap_or_default(),
        allow_credentials: cors.credentials,
        filter_enabled: runtime_fraction(Share::ALL),
        forward_not_matching_preflights: Some(cors.forward_unmatched),
        ..CorsPolicy::default()
    }
}
