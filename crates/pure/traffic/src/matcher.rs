//! Matchers of strings, headers and query parameters.

use regex::bytes::Regex;
use xds::{kind, route as proto};

use crate::{
    compile::{Bad, Within as _, full_regex},
    head::{Head, Header},
};

/// A matcher of one string.
#[derive(Clone, Debug)]
pub(crate) struct StringMatch {
    pattern: Pattern,
    ignore_case: bool,
}

#[derive(Clone, Debug)]
enum Pattern {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Suffix(Box<[u8]>),
    Contains(Box<[u8]>),
    Regex(Regex),
}

impl StringMatch {
    pub(crate) fn compile(matcher: &kind::StringMatcher) -> Result<Self, Bad> {
        use kind::string_matcher::MatchPattern;
        let bytes = |text: &String| text.as_bytes().into();
        let pattern = match &matcher.match_pattern {
            Some(MatchPattern::Exact(text)) => Pattern::Exact(bytes(text)),
            Some(MatchPattern::Prefix(text)) => Pattern::Prefix(bytes(text)),
            Some(MatchPattern::Suffix(text)) => Pattern::Suffix(bytes(text)),
            Some(MatchPattern::Contains(text)) => Pattern::Contains(bytes(text)),
            Some(MatchPattern::SafeRegex(regex)) => {
                Pattern::Regex(full_regex(&regex.regex).within("safe_regex")?)
            }
            Some(MatchPattern::Custom(_)) => return Err(Bad::unsupported("custom")),
            None => return Err(Bad::new("match_pattern", "is not set")),
        };
        Ok(Self { pattern, ignore_case: matcher.ignore_case })
    }

    pub(crate) fn exact(text: &str) -> Self {
        Self { pattern: Pattern::Exact(text.as_bytes().into()), ignore_case: false }
    }

    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        let equal = |a: &[u8], b: &[u8]| {
            if self.ignore_case { a.eq_ignore_ascii_case(b) } else { a == b }
        };
        match &self.pattern {
            Pattern::Exact(text) => equal(value, text),
            Pattern::Prefix(text) => {
                value.get(..text.len()).is_some_and(|start| equal(start, text))
            }
            Pattern::Suffix(text) => value
                .len()
                .checked_sub(text.len())
                .is_some_and(|start| equal(&value[start..], text)),
            Pattern::Contains(text) => {
                text.is_empty() || value.windows(text.len()).any(|part| equal(part, text))
            }
            Pattern::Regex(regex) => regex.is_match(value),
        }
    }
}

/// A matcher of one header. Spec: Envoy `HeaderMatcher`.
#[derive(Clone, Debug)]
pub(crate) struct HeaderMatch {
    name: Box<str>,
    rule: HeaderRule,
    invert: bool,
    missing_is_empty: bool,
}

#[derive(Clone, Debug)]
enum HeaderRule {
    Text(StringMatch),
    Range(i64, i64),
    Present(bool),
}

impl HeaderMatch {
    pub(crate) fn compile(matcher: &proto::HeaderMatcher) -> Result<Self, Bad> {
        use proto::header_matcher::HeaderMatchSpecifier as Rule;
        if matcher.name.is_empty() {
            return Err(Bad::new("name", "is empty"));
        }
        let text = |pattern| HeaderRule::Text(StringMatch { pattern, ignore_case: false });
        let bytes = |value: &String| value.as_bytes().into();
        let rule = match &matcher.header_match_specifier {
            None => HeaderRule::Present(true),
            Some(Rule::PresentMatch(present)) => HeaderRule::Present(*present),
            Some(Rule::RangeMatch(range)) => HeaderRule::Range(range.start, range.end),
            Some(Rule::ExactMatch(value)) => HeaderRule::Text(StringMatch::exact(value)),
            Some(Rule::PrefixMatch(value)) => text(Pattern::Prefix(bytes(value))),
            Some(Rule::SuffixMatch(value)) => text(Pattern::Suffix(bytes(value))),
            Some(Rule::ContainsMatch(value)) => text(Pattern::Contains(bytes(value))),
            Some(Rule::SafeRegexMatch(regex)) => {
                text(Pattern::Regex(full_regex(&regex.regex).within("safe_regex_match")?))
            }
            Some(Rule::StringMatch(matcher)) => {
                HeaderRule::Text(StringMatch::compile(matcher).within("string_match")?)
            }
        };
        Ok(Self {
            name: matcher.name.to_ascii_lowercase().into(),
            rule,
            invert: matcher.invert_match,
            missing_is_empty: matcher.treat_missing_header_as_empty,
        })
    }

    /// Matches a header that is there.
    pub(crate) fn present(name: &str) -> Self {
        let name = name.to_ascii_lowercase().into();
        let rule = HeaderRule::Present(true);
        Self { name, rule, invert: false, missing_is_empty: false }
    }

    /// Compiles a list.
    pub(crate) fn compile_all(
        matchers: &[proto::HeaderMatcher],
        field: &str,
    ) -> Result<Vec<Self>, Bad> {
        matchers
            .iter()
            .enumerate()
            .map(|(at, matcher)| Self::compile(matcher).within_item(field, at))
            .collect()
    }

    /// Whether the head of a request matches. Of several headers of one name any one is enough.
    pub(crate) fn matches(&self, head: &Head<'_>) -> bool {
        if self.name.starts_with(':') || &*self.name == "host" {
            return self.accepts(head.header(&self.name));
        }
        self.matches_headers(head.headers)
    }

    /// Whether a list of headers matches.
    pub(crate) fn matches_headers(&self, headers: &[Header<'_>]) -> bool {
        let values = || {
            headers.iter().filter(|header| *header.name == *self.name).map(|header| header.value)
        };
        if values().nth(1).is_none() {
            return self.accepts(values().next());
        }
        if let HeaderRule::Present(wanted) = self.rule {
            return wanted != self.invert;
        }
        values().any(|value| self.holds(value)) != self.invert
    }

    fn accepts(&self, value: Option<&[u8]>) -> bool {
        if let HeaderRule::Present(wanted) = self.rule {
            let is_there = value.is_some() || self.missing_is_empty;
            return (is_there == wanted) != self.invert;
        }
        let value = match value {
            Some(value) => value,
            None if self.missing_is_empty => b"",
            // A header that is not there matches nothing, not even an inverted rule.
            None => return false,
        };
        self.holds(value) != self.invert
    }

    /// Whether the rule holds for a value, before it is turned round.
    fn holds(&self, value: &[u8]) -> bool {
        match &self.rule {
            HeaderRule::Text(text) => text.matches(value),
            HeaderRule::Range(start, end) => std::str::from_utf8(value)
                .ok()
                .and_then(|value| value.parse::<i64>().ok())
                .is_some_and(|number| (*start..*end).contains(&number)),
            HeaderRule::Present(_) => true,
        }
    }
}

/// A matcher of one query parameter. Spec: Envoy `QueryParameterMatcher`.
#[derive(Clone, Debug)]
pub(crate) struct QueryMatch {
    name: Box<str>,
    rule: QueryRule,
}

#[derive(Clone, Debug)]
enum QueryRule {
    Text(StringMatch),
    Present(bool),
}

impl QueryMatch {
    pub(crate) fn compile(matcher: &proto::QueryParameterMatcher) -> Result<Self, Bad> {
        use proto::query_parameter_matcher::QueryParameterMatchSpecifier as Rule;
        if matcher.name.is_empty() {
            return Err(Bad::new("name", "is empty"));
        }
        let rule = match &matcher.query_parameter_match_specifier {
            None => QueryRule::Present(true),
            Some(Rule::PresentMatch(present)) => QueryRule::Present(*present),
            Some(Rule::StringMatch(matcher)) => {
                QueryRule::Text(StringMatch::compile(matcher).within("string_match")?)
            }
        };
        Ok(Self { name: matcher.name.as_str().into(), rule })
    }

    /// Whether the query matches; of several parameters of one name the first counts.
    pub(crate) fn matches(&self, query: &str) -> bool {
        let value = query_parameter(query, &self.name);
        match &self.rule {
            QueryRule::Present(wanted) => value.is_some() == *wanted,
            QueryRule::Text(text) => value.is_some_and(|value| text.matches(value.as_bytes())),
        }
    }
}

/// The first parameter of this name, as sent.
pub(crate) fn query_parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name && !pair.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use proto::header_matcher::HeaderMatchSpecifier as Rule;
    use xds::kind::string_matcher::MatchPattern;

    use super::*;

    fn text(pattern: MatchPattern, ignore_case: bool) -> kind::StringMatcher {
        kind::StringMatcher { match_pattern: Some(pattern), ignore_case }
    }

    fn regex(pattern: &str) -> kind::RegexMatcher {
        kind::RegexMatcher { regex: pattern.to_owned(), ..Default::default() }
    }

    #[test]
    fn every_string_pattern() {
        let table = [
            (text(MatchPattern::Exact("Ab".into()), false), "Ab", true),
            (text(MatchPattern::Exact("Ab".into()), false), "ab", false),
            (text(MatchPattern::Exact("Ab".into()), true), "aB", true),
            (text(MatchPattern::Prefix("ab".into()), false), "abc", true),
            (text(MatchPattern::Prefix("ab".into()), true), "ABc", true),
            (text(MatchPattern::Prefix("ab".into()), false), "a", false),
            (text(MatchPattern::Suffix("bc".into()), false), "abc", true),
            (text(MatchPattern::Suffix("bc".into()), true), "aBC", true),
            (text(MatchPattern::Suffix("abcd".into()), false), "bcd", false),
            (text(MatchPattern::Contains("b".into()), false), "abc", true),
            (text(MatchPattern::Contains("B".into()), true), "abc", true),
            (text(MatchPattern::Contains("x".into()), false), "abc", false),
            (text(MatchPattern::SafeRegex(regex("a.*")), false), "abc", true),
            (text(MatchPattern::SafeRegex(regex("b")), false), "abc", false),
        ];
        for (matcher, value, expected) in table {
            let compiled = StringMatch::compile(&matcher).unwrap();
            assert_eq!(compiled.matches(value.as_bytes()), expected, "{matcher:?} {value}");
        }
    }

    fn header(rule: Option<Rule>, invert: bool, missing_is_empty: bool) -> HeaderMatch {
        HeaderMatch::compile(&proto::HeaderMatcher {
            name: "X".into(),
            header_match_specifier: rule,
            invert_match: invert,
            treat_missing_header_as_empty: missing_is_empty,
        })
        .unwrap()
    }

    #[test]
    fn every_header_rule() {
        let exact = || Some(Rule::ExactMatch("a".into()));
        let range = || Some(Rule::RangeMatch(kind::Int64Range { start: -1, end: 10 }));
        let table: [(HeaderMatch, &[&str], bool); 21] = [
            (header(exact(), false, false), &["a"], true),
            (header(exact(), false, false), &["b"], false),
            (header(exact(), true, false), &["b"], true),
            (header(exact(), true, false), &[], false),
            (header(exact(), true, true), &[], true),
            (header(exact(), false, true), &[], false),
            (header(None, false, false), &["x"], true),
            (header(None, false, false), &[], false),
            (header(Some(Rule::PresentMatch(true)), true, false), &[], true),
            (header(Some(Rule::PresentMatch(false)), false, false), &[], true),
            (header(range(), false, false), &["-1"], true),
            (header(range(), false, false), &["10"], false),
            (header(range(), false, false), &["x"], false),
            (header(range(), true, true), &[], true),
            (header(Some(Rule::ExactMatch("a,b".into())), false, false), &["a", "b"], false),
            (header(Some(Rule::SafeRegexMatch(regex(".*b"))), false, false), &["a", "b"], true),
            (header(exact(), true, false), &["a", "b"], false),
            (header(exact(), true, false), &["b", "c"], true),
            (header(None, true, false), &["a", "b"], false),
            (header(Some(Rule::PrefixMatch("a".into())), false, false), &["abc"], true),
            (header(Some(Rule::SuffixMatch("c".into())), false, false), &["abc"], true),
        ];
        for (matcher, values, expected) in table {
            let headers: Vec<_> =
                values.iter().map(|v| Header { name: "x", value: v.as_bytes() }).collect();
            let head = Head { headers: &headers, ..Head::default() };
            assert_eq!(matcher.matches(&head), expected, "{matcher:?} {values:?}");
        }
    }

    #[test]
    fn pseudo_headers_match_like_headers() {
        let matcher = HeaderMatch::compile(&proto::HeaderMatcher {
            name: ":method".into(),
            header_match_specifier: Some(Rule::ExactMatch("GET".into())),
            ..Default::default()
        })
        .unwrap();
        assert!(matcher.matches(&Head { method: "GET", ..Head::default() }));
        assert!(!matcher.matches(&Head { method: "POST", ..Head::default() }));
    }

    #[test]
    fn query_parameters_match_the_first_of_a_name() {
        use proto::query_parameter_matcher::QueryParameterMatchSpecifier as Query;
        let matcher = |rule| {
            QueryMatch::compile(&proto::QueryParameterMatcher {
                name: "a".into(),
                query_parameter_match_specifier: rule,
            })
            .unwrap()
        };
        let exact = matcher(Some(Query::StringMatch(text(MatchPattern::Exact("1".into()), false))));
        assert!(exact.matches("b=2&a=1"));
        assert!(!exact.matches("a=2&a=1"));
        assert!(!exact.matches(""));
        assert!(matcher(None).matches("a"));
        assert!(!matcher(None).matches("aa=1"));
        assert!(matcher(Some(Query::PresentMatch(false))).matches("b"));
    }
}
