//! Cross-origin requests: who may read what. Spec: Fetch, "CORS protocol", as Envoy's filter does it.

use std::{borrow::Cow, sync::Arc};

use xds::{core, filters, kind, route as proto};

use crate::{
    answer::Answer,
    compile::{Bad, Fraction, Within as _},
    edits::{Edit, Value},
    flags::Flags,
    head::Head,
    matcher::StringMatch,
};

/// The details of the answer to a preflight.
pub(crate) const PREFLIGHT: &str = "cors_response";

/// What a route allows to other origins.
#[derive(Debug)]
pub(crate) struct CorsPolicy {
    origins: Vec<StringMatch>,
    methods: Box<str>,
    headers: Box<str>,
    expose: Box<str>,
    max_age: Box<str>,
    credentials: bool,
    private_network: bool,
    forward_preflights: bool,
    enabled: Fraction,
}

/// The permission of one origin, which the response has to state.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    origin: Vec<u8>,
    policy: Arc<CorsPolicy>,
}

/// What the filter does with a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It goes on, as if there were no filter.
    Pass,
    /// It goes on, and its response states the permission.
    Grant(Grant),
    /// It is a preflight, and this is its answer.
    Answer(Answer),
}

impl CorsPolicy {
    pub(crate) fn compile(policy: &filters::CorsPolicy) -> Result<Self, Bad> {
        Ok(Self {
            origins: origins(&policy.allow_origin_string_match)?,
            methods: policy.allow_methods.as_str().into(),
            headers: policy.allow_headers.as_str().into(),
            expose: policy.expose_headers.as_str().into(),
            max_age: policy.max_age.as_str().into(),
            credentials: policy.allow_credentials.unwrap_or(false),
            private_network: policy.allow_private_network_access.unwrap_or(false),
            forward_preflights: policy.forward_not_matching_preflights.unwrap_or(true),
            enabled: enabled(policy.filter_enabled.as_ref()),
        })
    }

    /// The same from the older message, which stands in routes and virtual hosts themselves.
    pub(crate) fn compile_old(policy: &proto::CorsPolicy) -> Result<Self, Bad> {
        use proto::cors_policy::EnabledSpecifier;
        let filter_enabled = policy.enabled_specifier.as_ref().map(|specifier| match specifier {
            EnabledSpecifier::FilterEnabled(value) => value.clone(),
        });
        Self::compile(&filters::CorsPolicy {
            allow_origin_string_match: policy.allow_origin_string_match.clone(),
            allow_methods: policy.allow_methods.clone(),
            allow_headers: policy.allow_headers.clone(),
            expose_headers: policy.expose_headers.clone(),
            max_age: policy.max_age.clone(),
            allow_credentials: policy.allow_credentials,
            filter_enabled,
            shadow_enabled: policy.shadow_enabled.clone(),
            allow_private_network_access: policy.allow_private_network_access,
            forward_not_matching_preflights: policy.forward_not_matching_preflights,
        })
    }

    pub(crate) fn judge(self: &Arc<Self>, head: &Head<'_>, random: u64) -> Verdict {
        let Some(origin) = head.header("origin") else { return Verdict::Pass };
        if origin.is_empty() || !self.enabled.holds(random) {
            return Verdict::Pass;
        }
        let is_preflight = head.method == "OPTIONS"
            && head.header("access-control-request-method").is_some_and(|m| !m.is_empty());
        // Whoever lets a star through lets everyone through.
        let lets_in = |it: &StringMatch| it.matches(origin) || it.matches(b"*");
        if !self.origins.iter().any(lets_in) {
            if is_preflight && !self.forward_preflights {
                return Verdict::Answer(Answer::new(200, "", Flags::NONE, PREFLIGHT));
            }
            return Verdict::Pass;
        }
        if !is_preflight {
            return Verdict::Grant(Grant { origin: origin.to_vec(), policy: Arc::clone(self) });
        }
        let mut answer = Answer::new(200, "", Flags::NONE, PREFLIGHT);
        let mut add = |name: &'static str, value: &[u8]| {
            if !value.is_empty() {
                answer.headers.push((Cow::Borrowed(name), value.to_vec()));
            }
        };
        add("access-control-allow-origin", origin);
        if self.credentials {
            add("access-control-allow-credentials", b"true");
        }
        add("access-control-allow-methods", self.methods.as_bytes());
        add("access-control-allow-headers", self.headers.as_bytes());
        add("access-control-max-age", self.max_age.as_bytes());
        // Of no use in this answer; Envoy states it in all that it lets through.
        add("access-control-expose-headers", self.expose.as_bytes());
        if self.private_network
            && head.header("access-control-request-private-network") == Some(b"true")
        {
            add("access-control-allow-private-network", b"true");
        }
        Verdict::Answer(answer)
    }
}

impl Grant {
    /// The headers that state the permission.
    pub(crate) fn edits(&self) -> impl Iterator<Item = Edit<'_>> {
        let origin = Edit::set("access-control-allow-origin", Value::Bytes(&self.origin));
        let credentials = self
            .policy
            .credentials
            .then_some(Edit::set("access-control-allow-credentials", Value::Bytes(b"true")));
        let expose = self.policy.expose.as_bytes();
        let expose = (!expose.is_empty())
            .then_some(Edit::set("access-control-expose-headers", Value::Bytes(expose)));
        [Some(origin), credentials, expose].into_iter().flatten()
    }
}

fn origins(matchers: &[kind::StringMatcher]) -> Result<Vec<StringMatch>, Bad> {
    matchers
        .iter()
        .enumerate()
        .map(|(at, matcher)| {
            StringMatch::compile(matcher).within_item("allow_origin_string_match", at)
        })
        .collect()
}

fn enabled(value: Option<&core::RuntimeFractionalPercent>) -> Fraction {
    value.map_or(Fraction::ALL, Fraction::of_runtime)
}

#[cfg(test)]
mod tests {
    use xds::kind::string_matcher::MatchPattern;

    use super::*;
    use crate::head::Header;

    fn policy() -> Arc<CorsPolicy> {
        Arc::new(
            CorsPolicy::compile(&filters::CorsPolicy {
                allow_origin_string_match: vec![kind::StringMatcher {
                    match_pattern: Some(MatchPattern::Exact("https://a.example".into())),
                    ignore_case: false,
                }],
                allow_methods: "GET,POST".into(),
                allow_headers: "x-a".into(),
                expose_headers: "x-b".into(),
                max_age: "600".into(),
                allow_credentials: Some(true),
                ..Default::default()
            })
            .unwrap(),
        )
    }

    fn judge(method: &str, origin: &str) -> Verdict {
        let headers = [
            Header { name: "origin", value: origin.as_bytes() },
            Header { name: "access-control-request-method", value: b"GET" },
        ];
        policy().judge(&Head { method, headers: &headers, ..Head::default() }, 0)
    }

    #[test]
    fn a_preflight_of_a_friend_is_answered() {
        let Verdict::Answer(answer) = judge("OPTIONS", "https://a.example") else { panic!() };
        assert_eq!(answer.status, 200);
        for (name, value) in [
            ("access-control-allow-origin", "https://a.example"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET,POST"),
            ("access-control-allow-headers", "x-a"),
            ("access-control-max-age", "600"),
        ] {
            assert_eq!(answer.header(name), Some(value.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_preflight_of_a_stranger_goes_on() {
        assert!(matches!(judge("OPTIONS", "https://b.example"), Verdict::Pass));
    }

    #[test]
    fn a_request_of_a_friend_gets_its_permission_stated() {
        let Verdict::Grant(grant) = judge("GET", "https://a.example") else { panic!() };
        let names: Vec<_> = grant.edits().map(|edit| edit.name).collect();
        assert_eq!(
            names,
            [
                "access-control-allow-origin",
                "access-control-allow-credentials",
                "access-control-expose-headers"
            ]
        );
    }

    #[test]
    fn a_request_without_origin_is_not_ours() {
        assert!(matches!(policy().judge(&Head::default(), 0), Verdict::Pass));
    }
}
