//! Which outcomes are tried again. Spec: Envoy `RetryPolicy` and `x-envoy-retry-on`.

use std::{sync::Arc, time::Duration};

use crate::{
    dice::Dice,
    fault::{Fault, Outcome, header},
    head::Head,
    matcher::HeaderMatch,
};

/// What is retried, how often and how soon.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// The conditions.
    pub on: RetryOn,
    /// How many attempts follow the first.
    pub num_retries: u32,
    /// How long one attempt may take; `None` is no limit of its own.
    pub per_try_timeout: Option<Duration>,
    /// How long one attempt may be idle.
    pub per_try_idle_timeout: Option<Duration>,
    /// Back-off before the first retry, before jitter.
    pub base_interval: Duration,
    /// The longest back-off, before jitter.
    pub max_interval: Duration,
    /// Status codes of `retriable-status-codes`.
    pub status_codes: Vec<u16>,
    /// Whether hosts that were tried are avoided.
    pub avoid_previous_hosts: bool,
    /// How often another host is looked for.
    pub host_selection_attempts: u32,
    /// After how many attempts the priorities that were tried are left out; `None` is never.
    pub previous_priorities: Option<u32>,
    /// Headers of `retriable-headers`; any one is enough.
    pub(crate) headers: Vec<HeaderMatch>,
    /// Only requests with one of these are retried, when there are any.
    pub(crate) request_headers: Vec<HeaderMatch>,
}

/// The conditions of a retry policy, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryOn(u32);

/// Every condition with its bit, in the words of `retry_on`.
const CONDITIONS: &[(&str, u32)] = &[
    ("5xx", RetryOn::SERVER_ERROR),
    ("gateway-error", RetryOn::GATEWAY_ERROR),
    ("connect-failure", RetryOn::CONNECT_FAILURE),
    ("envoy-ratelimited", RetryOn::RATE_LIMITED),
    ("retriable-4xx", RetryOn::RETRIABLE_4XX),
    ("refused-stream", RetryOn::REFUSED_STREAM),
    ("retriable-status-codes", RetryOn::STATUS_CODES),
    ("retriable-headers", RetryOn::HEADERS),
    ("reset", RetryOn::RESET),
    ("reset-before-request", RetryOn::RESET_BEFORE_REQUEST),
    ("http3-post-connect-failure", RetryOn::HTTP3),
    ("cancelled", RetryOn::CANCELLED),
    ("deadline-exceeded", RetryOn::DEADLINE_EXCEEDED),
    ("internal", RetryOn::INTERNAL),
    ("resource-exhausted", RetryOn::RESOURCE_EXHAUSTED),
    ("unavailable", RetryOn::UNAVAILABLE),
];

impl RetryOn {
    const SERVER_ERROR: u32 = 1;
    const GATEWAY_ERROR: u32 = 1 << 1;
    const CONNECT_FAILURE: u32 = 1 << 2;
    const RATE_LIMITED: u32 = 1 << 3;
    const RETRIABLE_4XX: u32 = 1 << 4;
    const REFUSED_STREAM: u32 = 1 << 5;
    const STATUS_CODES: u32 = 1 << 6;
    const HEADERS: u32 = 1 << 7;
    const RESET: u32 = 1 << 8;
    const RESET_BEFORE_REQUEST: u32 = 1 << 9;
    const HTTP3: u32 = 1 << 10;
    const CANCELLED: u32 = 1 << 11;
    const DEADLINE_EXCEEDED: u32 = 1 << 12;
    const INTERNAL: u32 = 1 << 13;
    const RESOURCE_EXHAUSTED: u32 = 1 << 14;
    const UNAVAILABLE: u32 = 1 << 15;

    /// Reads a comma-separated list. Words that are not conditions are left out, as Envoy does.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        let mut bits = 0;
        for word in list.split(',').map(str::trim) {
            if let Some((_, bit)) = CONDITIONS.iter().find(|(name, _)| *name == word) {
                bits |= bit;
            }
        }
        Self(bits)
    }

    /// Whether no condition is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    const fn has_grpc(self, status: u32) -> bool {
        match status {
            1 => self.has(Self::CANCELLED),
            4 => self.has(Self::DEADLINE_EXCEEDED),
            8 => self.has(Self::RESOURCE_EXHAUSTED),
            13 => self.has(Self::INTERNAL),
            14 => self.has(Self::UNAVAILABLE),
            _ => false,
        }
    }
}

/// A request may ask for so many retries at most: what is kept about each attempt is bounded by it.
const MOST_ASKED: u32 = 100;

impl Default for RetryPolicy {
    /// Nothing is retried; the other values are Envoy's.
    fn default() -> Self {
        Self {
            on: RetryOn::default(),
            num_retries: 1,
            per_try_timeout: None,
            per_try_idle_timeout: None,
            base_interval: Duration::from_millis(25),
            max_interval: Duration::from_millis(250),
            status_codes: Vec::new(),
            avoid_previous_hosts: false,
            host_selection_attempts: 1,
            previous_priorities: None,
            headers: Vec::new(),
            request_headers: Vec::new(),
        }
    }
}

impl RetryPolicy {
    /// Whether this outcome is one that is tried again, if attempts are left.
    #[must_use]
    pub fn wants_retry(&self, outcome: &Outcome<'_>) -> bool {
        match outcome {
            Outcome::Response { status, headers } => {
                if header(headers, "x-envoy-ratelimited").is_some() {
                    return self.on.has(RetryOn::RATE_LIMITED);
                }
                let on = self.on;
                on.has(RetryOn::SERVER_ERROR) && (500..600).contains(status)
                    || on.has(RetryOn::GATEWAY_ERROR) && matches!(status, 502..=504)
                    || on.has(RetryOn::RETRIABLE_4XX) && *status == 409
                    || on.has(RetryOn::STATUS_CODES) && self.status_codes.contains(status)
                    || on.has(RetryOn::HEADERS)
                        && self.headers.iter().any(|matcher| matcher.matches_headers(headers))
                    || outcome.grpc_status().is_some_and(|status| on.has_grpc(status))
            }
            Outcome::Fault(fault) => self.wants_retry_after(fault),
            Outcome::Cancelled | Outcome::Connected => false,
        }
    }

    fn wants_retry_after(&self, fault: &Fault) -> bool {
        // A breaker that is open, an empty cluster and a deadline that is over are not mended by trying again.
        if matches!(
            fault,
            Fault::Overflow
                | Fault::BreakerOpen
                | Fault::NoHealthyUpstream
                | Fault::NoCluster
                | Fault::Timeout
                | Fault::NotResolved
                | Fault::TooManyNames
        ) || fault.is_of_downstream()
        {
            return false;
        }
        let on = self.on;
        if on.has(RetryOn::SERVER_ERROR | RetryOn::GATEWAY_ERROR | RetryOn::RESET) {
            return true;
        }
        match fault {
            Fault::ConnectFailed { .. } | Fault::ConnectTimeout => {
                on.has(RetryOn::CONNECT_FAILURE | RetryOn::RESET_BEFORE_REQUEST)
            }
            Fault::RefusedStream => on.has(RetryOn::REFUSED_STREAM),
            Fault::Terminated { request_sent } | Fault::Reset { request_sent } => {
                !request_sent && on.has(RetryOn::RESET_BEFORE_REQUEST)
            }
            _ => false,
        }
    }

    /// What the request itself asks for, on top of the route's policy; `None` when it asks for nothing.
    ///
    /// Spec: Envoy, router, `x-envoy-retry-on`, `x-envoy-retry-grpc-on`, `x-envoy-max-retries`,
    /// `x-envoy-retriable-status-codes`, `x-envoy-retriable-header-names`.
    pub(crate) fn asked(policy: Option<&Self>, head: &Head<'_>) -> Option<Arc<Self>> {
        let text = |name| head.header(name).and_then(|value| std::str::from_utf8(value).ok());
        let list = |name| text(name).into_iter().flat_map(|list| list.split(',').map(str::trim));
        let mut on = policy.map_or(RetryOn::default(), |policy| policy.on);
        let conditions = [text("x-envoy-retry-on"), text("x-envoy-retry-grpc-on")];
        for words in conditions.into_iter().flatten() {
            on.0 |= RetryOn::parse(words).0;
        }
        let attempts = text("x-envoy-max-retries").and_then(|text| text.trim().parse().ok());
        if on.is_empty() || conditions == [None; 2] && attempts.is_none() {
            return None;
        }
        let mut asked = policy.cloned().unwrap_or_default();
        asked.on = on;
        asked.num_retries = attempts.unwrap_or(asked.num_retries).min(MOST_ASKED);
        let codes = list("x-envoy-retriable-status-codes");
        asked.status_codes.extend(codes.filter_map(|code| code.parse::<u16>().ok()));
        let names = list("x-envoy-retriable-header-names").filter(|name| !name.is_empty());
        asked.headers.extend(names.map(HeaderMatch::present));
        Some(Arc::new(asked))
    }

    /// The back-off before a retry: any time below the interval, each as likely as the other.
    pub(crate) fn jittered(&self, interval: Duration, dice: &mut Dice) -> Duration {
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(dice.below(nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Header;

    fn policy(on: &str) -> RetryPolicy {
        RetryPolicy {
            on: RetryOn::parse(on),
            num_retries: 2,
            per_try_timeout: None,
            per_try_idle_timeout: None,
            base_interval: Duration::from_millis(25),
            max_interval: Duration::from_millis(250),
            status_codes: vec![418],
            avoid_previous_hosts: true,
            host_selection_attempts: 5,
            previous_priorities: None,
            headers: Vec::new(),
            request_headers: Vec::new(),
        }
    }

    #[test]
    fn every_status_condition() {
        let table = [
            ("5xx", 500, true),
            ("5xx", 499, false),
            ("gateway-error", 500, false),
            ("gateway-error", 502, true),
            ("gateway-error", 504, true),
            ("retriable-4xx", 409, true),
            ("retriable-4xx", 404, false),
            ("retriable-status-codes", 418, true),
            ("retriable-status-codes", 503, false),
            (
                "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
                503,
                false,
            ),
            ("no-such-word", 503, false),
        ];
        for (on, status, retried) in table {
            let outcome = Outcome::Response { status, headers: &[] };
            assert_eq!(policy(on).wants_retry(&outcome), retried, "{on} {status}");
        }
    }

    #[test]
    fn every_grpc_condition() {
        let table = [
            ("cancelled", "1", true),
            ("deadline-exceeded", "4", true),
            ("resource-exhausted", "8", true),
            ("internal", "13", true),
            ("unavailable", "14", true),
            ("unavailable", "13", false),
            ("5xx", "14", false),
        ];
        for (on, status, retried) in table {
            let headers = [Header { name: "grpc-status", value: status.as_bytes() }];
            let outcome = Outcome::Response { status: 200, headers: &headers };
            assert_eq!(policy(on).wants_retry(&outcome), retried, "{on} {status}");
        }
    }

    #[test]
    fn every_fault_condition() {
        let connect = Fault::ConnectFailed { reason: "".into() };
        let early = Fault::Terminated { request_sent: false };
        let late = Fault::Terminated { request_sent: true };
        let table = [
            ("connect-failure", &connect, true),
            ("connect-failure", &late, false),
            ("connect-failure", &Fault::ConnectTimeout, true),
            ("refused-stream", &Fault::RefusedStream, true),
            ("refused-stream", &connect, false),
            ("reset", &late, true),
            ("reset-before-request", &early, true),
            ("reset-before-request", &late, false),
            ("5xx", &late, true),
            ("5xx", &Fault::PerTryTimeout, true),
            ("gateway-error", &connect, true),
            ("5xx", &Fault::Overflow, false),
            ("5xx", &Fault::BreakerOpen, false),
            ("5xx", &Fault::Timeout, false),
            ("5xx", &Fault::MaxStreamDuration, true),
            ("reset", &Fault::PerTryIdleTimeout, true),
            ("5xx", &Fault::StreamIdle { request_complete: true }, false),
            ("5xx", &Fault::RequestTimeout, false),
            ("5xx", &Fault::DurationOver { request_complete: true }, false),
            ("5xx", &Fault::NoHealthyUpstream, false),
            ("unavailable", &late, false),
        ];
        for (on, fault, retried) in table {
            let outcome = Outcome::Fault(fault.clone());
            assert_eq!(policy(on).wants_retry(&outcome), retried, "{on} {fault:?}");
        }
    }

    #[test]
    fn a_request_may_ask_for_more() {
        let asked = |policy: Option<&RetryPolicy>, headers: &[(&str, &str)]| {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| Header { name, value: value.as_bytes() })
                .collect();
            let head = Head { headers: &headers, ..Head::default() };
            RetryPolicy::asked(policy, &head)
        };
        let unavailable = Outcome::Response { status: 503, headers: &[] };
        let teapot = Outcome::Response { status: 418, headers: &[] };
        assert!(asked(None, &[("x-envoy-max-retries", "3")]).is_none());
        assert!(asked(Some(&policy("5xx")), &[]).is_none());
        let plain = asked(None, &[("x-envoy-retry-on", "5xx")]).unwrap();
        assert_eq!((plain.num_retries, plain.wants_retry(&unavailable)), (1, true));
        let more = asked(Some(&policy("reset")), &[("x-envoy-max-retries", "7")]).unwrap();
        assert_eq!((more.num_retries, more.wants_retry(&unavailable)), (7, false));
        let many = asked(Some(&policy("reset")), &[("x-envoy-max-retries", "999999")]).unwrap();
        assert_eq!(many.num_retries, MOST_ASKED);
        let on = ("x-envoy-retry-on", "retriable-status-codes,retriable-headers");
        let codes = asked(None, &[on, ("x-envoy-retriable-status-codes", "418, x")]).unwrap();
        assert!(codes.wants_retry(&teapot) && !codes.wants_retry(&unavailable));
        let headers = [Header { name: "x-again", value: b"" }];
        let again = Outcome::Response { status: 200, headers: &headers };
        let names = asked(None, &[on, ("x-envoy-retriable-header-names", "X-Again")]).unwrap();
        assert!(names.wants_retry(&again) && !names.wants_retry(&teapot));
        let grpc = asked(None, &[("x-envoy-retry-grpc-on", "unavailable")]).unwrap();
        let headers = [Header { name: "grpc-status", value: b"14" }];
        assert!(grpc.wants_retry(&Outcome::Response { status: 200, headers: &headers }));
    }

    #[test]
    fn rate_limited_responses_are_retried_only_on_their_own_condition() {
        let headers = [Header { name: "x-envoy-ratelimited", value: b"true" }];
        let outcome = Outcome::Response { status: 503, headers: &headers };
        assert!(!policy("5xx").wants_retry(&outcome));
        assert!(policy("envoy-ratelimited").wants_retry(&outcome));
    }

    #[test]
    fn back_off_is_jittered_below_the_interval() {
        let mut dice = Dice::seeded(5);
        let interval = Duration::from_millis(100);
        let waits: Vec<_> =
            (0..1000).map(|_| policy("5xx").jittered(interval, &mut dice)).collect();
        assert!(waits.iter().all(|wait| *wait < interval));
        assert!(waits.iter().any(|wait| *wait < interval / 10));
        assert!(waits.iter().any(|wait| *wait > interval * 9 / 10));
    }
}
