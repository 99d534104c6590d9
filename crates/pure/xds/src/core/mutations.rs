//! Rules of header mutations and trees of HTTP matches.

messages! {
    HeaderMutationRules = "envoy.config.common.mutation_rules.v3.HeaderMutationRules" {
        allow_all_routing: Option<bool> = [message, optional, tag = 1],
        allow_envoy: Option<bool> = [message, optional, tag = 2],
        disallow_system: Option<bool> = [message, optional, tag = 3],
        disallow_all: Option<bool> = [message, optional, tag = 4],
        allow_expression: Option<crate::kind::RegexMatcher> = [message, optional, tag = 5],
        disallow_expression: Option<crate::kind::RegexMatcher> = [message, optional, tag = 6],
        disallow_is_error: Option<bool> = [message, optional, tag = 7],
    }
    HeaderMutation = "envoy.config.common.mutation_rules.v3.HeaderMutation" {
        action: Option<header_mutation::Action> = [oneof = "header_mutation::Action", tags(1, 2, 3)],
    }
    MatchPredicate = "envoy.config.common.matcher.v3.MatchPredicate" {
        rule: Option<match_predicate::Rule> =
            [oneof = "match_predicate::Rule", tags(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)],
    }
    HttpHeadersMatch = "envoy.config.common.matcher.v3.HttpHeadersMatch" {
        headers: Vec<crate::route::HeaderMatcher> = [message, repeated, tag = 1],
    }
    HttpGenericBodyMatch = "envoy.config.common.matcher.v3.HttpGenericBodyMatch" {
        bytes_limit: u32 = [uint32, tag = 1],
        patterns: Vec<http_generic_body_match::GenericTextMatch> = [message, repeated, tag = 2],
    }
}

/// Types inside [`HeaderMutation`](super::HeaderMutation).
pub mod header_mutation {
    messages! {
        RemoveOnMatch = "envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch" {
            key_matcher: Option<crate::kind::StringMatcher> = [message, optional, tag = 1],
        }
    }

    oneofs! {
        Action = "envoy.config.common.mutation_rules.v3.HeaderMutation.action" {
            remove => Remove(String) = [string, tag = 1],
            append => Append(crate::core::HeaderValueOption) = [message, tag = 2],
            remove_on_match => RemoveOnMatch(RemoveOnMatch) = [message, tag = 3],
        }
    }
}

/// Types inside [`MatchPredicate`](super::MatchPredicate).
pub mod match_predicate {
    messages! {
        MatchSet = "envoy.config.common.matcher.v3.MatchPredicate.MatchSet" {
            rules: Vec<super::MatchPredicate> = [message, repeated, tag = 1],
        }
    }

    oneofs! {
        Rule = "envoy.config.common.matcher.v3.MatchPredicate.rule" {
            or_match => OrMatch(MatchSet) = [message, tag = 1],
            and_match => AndMatch(MatchSet) = [message, tag = 2],
            not_match => NotMatch(Box<super::MatchPredicate>) = [message, boxed, tag = 3],
            any_match => AnyMatch(bool) = [bool, tag = 4],
            http_request_headers_match => HttpRequestHeadersMatch(super::HttpHeadersMatch) =
                [message, tag = 5],
            http_request_trailers_match => HttpRequestTrailersMatch(super::HttpHeadersMatch) =
                [message, tag = 6],
            http_response_headers_match => HttpResponseHeadersMatch(super::HttpHeadersMatch) =
                [message, tag = 7],
            http_response_trailers_match => HttpResponseTrailersMatch(super::HttpHeadersMatch) =
                [message, tag = 8],
            http_request_generic_body_match => HttpRequestGenericBodyMatch(super::HttpGenericBodyMatch) =
                [message, tag = 9],
            http_response_generic_body_match => HttpResponseGenericBodyMatch(super::HttpGenericBodyMatch) =
                [message, tag = 10],
        }
    }
}

/// Types inside [`HttpGenericBodyMatch`](super::HttpGenericBodyMatch).
pub mod http_generic_body_match {
    messages! {
        GenericTextMatch = "envoy.config.common.matcher.v3.HttpGenericBodyMatch.GenericTextMatch" {
            rule: Option<generic_text_match::Rule> = [oneof = "generic_text_match::Rule", tags(1, 2)],
        }
    }

    /// Types inside [`GenericTextMatch`](super::GenericTextMatch).
    pub mod generic_text_match {
        oneofs! {
            Rule = "envoy.config.common.matcher.v3.HttpGenericBodyMatch.GenericTextMatch.rule" {
                string_match => StringMatch(String) = [string, tag = 1],
                binary_match => BinaryMatch(Vec<u8>) = [bytes = "vec", tag = 2],
            }
        }
    }
}
