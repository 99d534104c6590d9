//! Matches of rules in Envoy's words.

use xds::route::{
    HeaderMatcher, QueryParameterMatcher, RouteMatch, header_matcher, query_parameter_matcher,
    route_match,
};

use super::wire;
use crate::model::HttpMatch;
use crate::model::route::TextMatch;

/// Everything.
pub(super) fn any() -> RouteMatch {
    RouteMatch {
        path_specifier: Some(route_match::PathSpecifier::Prefix("/".to_owned())),
        ..RouteMatch::default()
    }
}

/// What a request must look like.
pub(super) fn route_match(written: &HttpMatch) -> RouteMatch {
    let mut out = any();
    match &written.uri {
        Some(TextMatch::Exact(path)) => {
            out.path_specifier = Some(route_match::PathSpecifier::Path(path.clone()));
        }
        Some(TextMatch::Prefix(prefix)) => {
            out.path_specifier = Some(route_match::PathSpecifier::Prefix(prefix.clone()));
        }
        Some(TextMatch::Regex(regex)) => {
            out.path_specifier = Some(route_match::PathSpecifier::SafeRegex(wire::regex(regex)));
        }
        Some(TextMatch::Present) | None => {}
    }
    if written.ignore_uri_case && !matches!(written.uri, Some(TextMatch::Regex(_))) {
        out.case_sensitive = Some(false);
    }
    let pseudo = [
        (":scheme", &written.scheme),
        (":method", &written.method),
        (":authority", &written.authority),
    ];
    for (name, text) in pseudo {
        out.headers.extend(text.as_ref().map(|text| header(name, text)));
    }
    out.headers.extend(written.headers.iter().map(|(name, text)| header(name, text)));
    out.headers.extend(written.without_headers.iter().map(|(name, text)| {
        let mut matcher = header(name, text);
        matcher.invert_match = true;
        // An absent header is one that does not match, so the rule applies.
        matcher.treat_missing_header_as_empty = *text != TextMatch::Present;
        matcher
    }));
    out.query_parameters = written.query.iter().map(|(name, text)| query(name, text)).collect();
    out
}

fn header(name: &str, text: &TextMatch) -> HeaderMatcher {
    use header_matcher::HeaderMatchSpecifier;
    HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(match wire::text(text) {
            None => HeaderMatchSpecifier::PresentMatch(true),
            Some(matcher) => HeaderMatchSpecifier::StringMatch(matcher),
        }),
        ..HeaderMatcher::default()
    }
}

fn query(name: &str, text: &TextMatch) -> QueryParameterMatcher {
    use query_parameter_matcher::QueryParameterMatchSpecifier;
    QueryParameterMatcher {
        name: name.to_owned(),
        query_parameter_match_specifier: Some(match wire::text(text) {
            None => QueryParameterMatchSpecifier::PresentMatch(true),
            Some(matcher) => QueryParameterMatchSpecifier::StringMatch(matcher),
        }),
    }
}
