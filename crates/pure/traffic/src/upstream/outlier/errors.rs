//! Which responses count as errors, where a cluster says so itself.
//!
//! Spec: Envoy, `HttpProtocolOptions.OutlierDetection.error_matcher`.

use xds::core::{HttpHeadersMatch, MatchPredicate, match_predicate::Rule};

use crate::{
    compile::{Bad, Within as _},
    head::Header,
    matcher::HeaderMatch,
};

/// A test of a response's head.
#[derive(Clone, Debug)]
pub(crate) enum Errors {
    Any,
    All(Vec<Errors>),
    OneOf(Vec<Errors>),
    Not(Box<Errors>),
    Headers(Vec<HeaderMatch>),
}

impl Errors {
    pub(crate) fn compile(predicate: &MatchPredicate) -> Result<Self, Bad> {
        let all = |rules: &[MatchPredicate], field: &str| -> Result<Vec<Self>, Bad> {
            let rules = rules.iter().enumerate();
            rules.map(|(at, rule)| Self::compile(rule).within_item(field, at)).collect()
        };
        match &predicate.rule {
            Some(Rule::OrMatch(set)) => Ok(Self::OneOf(all(&set.rules, "or_match.rules")?)),
            Some(Rule::AndMatch(set)) => Ok(Self::All(all(&set.rules, "and_match.rules")?)),
            Some(Rule::NotMatch(rule)) => {
                Ok(Self::Not(Box::new(Self::compile(rule).within("not_match")?)))
            }
            Some(Rule::AnyMatch(_)) => Ok(Self::Any),
            Some(Rule::HttpResponseHeadersMatch(HttpHeadersMatch { headers })) => {
                let field = "http_response_headers_match.headers";
                Ok(Self::Headers(HeaderMatch::compile_all(headers, field)?))
            }
            Some(_) => Err(Bad::unsupported("rule")),
            None => Err(Bad::new("rule", "is not set")),
        }
    }

    /// The status that outlier detection takes a response for: 500 and above is an error.
    pub(crate) fn status(&self, status: u16, headers: &[Header<'_>]) -> u16 {
        let text = status.to_string();
        let mut all = Vec::with_capacity(headers.len() + 1);
        all.push(Header { name: ":status", value: text.as_bytes() });
        all.extend(headers.iter().map(|header| Header { name: header.name, value: header.value }));
        match (self.hold(&all), status) {
            (true, 500..) => status,
            (true, _) => 500,
            (false, _) => 200,
        }
    }

    fn hold(&self, headers: &[Header<'_>]) -> bool {
        match self {
            Self::Any => true,
            Self::All(rules) => rules.iter().all(|rule| rule.hold(headers)),
            Self::OneOf(rules) => rules.iter().any(|rule| rule.hold(headers)),
            Self::Not(rule) => !rule.hold(headers),
            Self::Headers(rules) => rules.iter().all(|rule| rule.matches_headers(headers)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_alone_says_what_an_error_is() {
        let status = |code: &str| {
            serde_json::json!({"httpResponseHeadersMatch": {"headers": [
                {"name": ":status", "stringMatch": {"exact": code}}]}})
        };
        let two = serde_json::json!({"orMatch": {"rules": [status("429"), status("503")]}});
        let both: MatchPredicate = serde_json::from_value(two).unwrap();
        let errors = Errors::compile(&both).unwrap();
        for (came, taken) in [(200, 200), (429, 500), (503, 503), (500, 200), (502, 200)] {
            assert_eq!(errors.status(came, &[]), taken, "{came}");
        }
        let quiet: MatchPredicate = serde_json::from_value(
            serde_json::json!({"notMatch": {"httpResponseHeadersMatch": {"headers": [
                {"name": "x-fine", "presentMatch": true}]}}}),
        )
        .unwrap();
        let errors = Errors::compile(&quiet).unwrap();
        assert_eq!(errors.status(200, &[]), 500);
        assert_eq!(errors.status(200, &[Header { name: "x-fine", value: b"1" }]), 200);
    }
}
