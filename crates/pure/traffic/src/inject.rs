//! Faults on purpose: delays and aborts. Spec: Envoy `HTTPFault`.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use xds::filters;

use crate::{
    answer::Answer,
    compile::{Bad, Fraction, Within as _, duration, refuse},
    dice::Dice,
    flags::Flag,
    head::Head,
    matcher::HeaderMatch,
    upstream::take,
};

/// The headers in which a request asks for a share of its faults.
const DELAY_SHARE: &str = "x-envoy-fault-delay-request-percentage";
const ABORT_SHARE: &str = "x-envoy-fault-abort-request-percentage";

/// Which requests suffer, and how.
#[derive(Debug)]
pub(crate) struct FaultPolicy {
    delay: Option<Delay>,
    abort: Option<Abort>,
    headers: Vec<HeaderMatch>,
    cluster: Box<str>,
    /// Requests that suffer at once; the others are left alone.
    most: Option<u32>,
}

#[derive(Debug)]
struct Delay {
    /// `None`: the request says it.
    length: Option<Duration>,
    share: Fraction,
}

#[derive(Debug)]
struct Abort {
    /// `None`: the request says it.
    kind: Option<AbortKind>,
    share: Fraction,
    body: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug)]
enum AbortKind {
    Http(u16),
    Grpc(u32),
}

/// What one request suffers.
#[derive(Debug, Default)]
pub(crate) struct Injected {
    pub(crate) delay: Option<Duration>,
    pub(crate) abort: Option<Answer>,
    /// To be held as long as the request lives.
    pub(crate) active: ActiveFault,
}

/// A request that suffers, in the count of its filter as long as this lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActiveFault(
    #[expect(dead_code, reason = "it counts by being there")] Option<Arc<Counted>>,
);

#[derive(Debug)]
struct Counted(Arc<AtomicU32>);

impl ActiveFault {
    fn begin(count: &Arc<AtomicU32>, most: u32) -> Option<Self> {
        take(count, most).then(|| Self(Some(Arc::new(Counted(Arc::clone(count))))))
    }
}

impl PartialEq for ActiveFault {
    /// Who is counted makes no difference to what is answered.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ActiveFault {}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl FaultPolicy {
    pub(crate) fn compile(fault: &filters::HttpFault) -> Result<Self, Bad> {
        refuse(&[
            ("response_rate_limit", fault.response_rate_limit.is_some()),
            ("downstream_nodes", !fault.downstream_nodes.is_empty()),
        ])?;
        Ok(Self {
            delay: fault.delay.as_ref().map(Delay::compile).transpose().within("delay")?,
            abort: fault.abort.as_ref().map(Abort::compile).transpose().within("abort")?,
            headers: HeaderMatch::compile_all(&fault.headers, "headers")?,
            cluster: fault.upstream_cluster.as_str().into(),
            most: fault.max_active_faults,
        })
    }

    /// Rolls the dice for one request to a cluster. `count` is how many requests suffer by the same filter.
    pub(crate) fn strike(
        &self,
        head: &Head<'_>,
        cluster: &str,
        count: &Arc<AtomicU32>,
        dice: &mut Dice,
    ) -> Injected {
        if !self.cluster.is_empty() && *self.cluster != *cluster
            || !self.headers.iter().all(|matcher| matcher.matches(head))
        {
            return Injected::default();
        }
        let delay = self.delay.as_ref().and_then(|delay| delay.strike(head, dice));
        let abort = self.abort.as_ref().and_then(|abort| abort.strike(head, dice));
        if delay.is_none() && abort.is_none() {
            return Injected::default();
        }
        match ActiveFault::begin(count, self.most.unwrap_or(u32::MAX)) {
            Some(active) => Injected { delay, abort, active },
            None => Injected::default(),
        }
    }
}

impl Delay {
    fn compile(delay: &filters::FaultDelay) -> Result<Self, Bad> {
        use filters::fault_delay::FaultDelaySecifier;
        let share = delay.percentage.as_ref().map_or(Fraction::NONE, Fraction::of);
        let length = match &delay.fault_delay_secifier {
            Some(FaultDelaySecifier::HeaderDelay(_)) => return Ok(Self { length: None, share }),
            Some(FaultDelaySecifier::FixedDelay(length)) => duration(Some(length), "fixed_delay")?,
            None => None,
        };
        let length = length
            .filter(|length| !length.is_zero())
            .ok_or_else(|| Bad::new("fixed_delay", "must be greater than zero"))?;
        Ok(Self { length: Some(length), share })
    }

    fn strike(&self, head: &Head<'_>, dice: &mut Dice) -> Option<Duration> {
        let (length, share) = match self.length {
            Some(length) => (Some(length), self.share),
            None => {
                let millis = number(head, "x-envoy-fault-delay-request");
                (millis.map(Duration::from_millis), asked_share(head, DELAY_SHARE, self.share))
            }
        };
        length.filter(|length| share.holds(dice.roll()) && !length.is_zero())
    }
}

/// The number in a header of a request, which is believed about nothing else.
fn number(head: &Head<'_>, name: &str) -> Option<u64> {
    std::str::from_utf8(head.header(name)?).ok()?.trim().parse().ok()
}

/// The share that a request asks for, up to the one that is configured.
fn asked_share(head: &Head<'_>, name: &str, most: Fraction) -> Fraction {
    match number(head, name).and_then(|asked| u32::try_from(asked).ok()) {
        Some(asked) => most.up_to(asked),
        None => most,
    }
}

impl Abort {
    fn compile(abort: &filters::FaultAbort) -> Result<Self, Bad> {
        use filters::fault_abort::ErrorType;
        let kind = match &abort.error_type {
            Some(ErrorType::HttpStatus(status)) => Some(AbortKind::Http(
                u16::try_from(*status)
                    .ok()
                    .filter(|status| (200..600).contains(status))
                    .ok_or_else(|| Bad::new("http_status", "is not between 200 and 599"))?,
            )),
            Some(ErrorType::GrpcStatus(status)) => Some(AbortKind::Grpc(*status)),
            Some(ErrorType::HeaderAbort(_)) => None,
            None => return Err(Bad::new("error_type", "is not set")),
        };
        // Absent is 0 %, as everywhere in this filter.
        let share = abort.percentage.as_ref().map_or(Fraction::NONE, Fraction::of);
        let body = (!abort.response_body.is_empty()).then(|| abort.response_body.as_str().into());
        Ok(Self { kind, share, body })
    }

    fn strike(&self, head: &Head<'_>, dice: &mut Dice) -> Option<Answer> {
        let (kind, share) = match self.kind {
            Some(kind) => (kind, self.share),
            None => (asked_abort(head)?, asked_share(head, ABORT_SHARE, self.share)),
        };
        share.holds(dice.roll()).then(|| self.answer(kind))
    }

    fn answer(&self, kind: AbortKind) -> Answer {
        let body: Cow<'static, str> = match &self.body {
            Some(body) => Cow::Owned(String::from(&**body)),
            None => Cow::Borrowed("fault filter abort"),
        };
        let answer = |status| Answer::new(status, body, Flag::FaultInjected, "fault_filter_abort");
        match kind {
            AbortKind::Http(status) => answer(status),
            // Whoever does not speak gRPC sees a success with the text.
            AbortKind::Grpc(status) => Answer { grpc: Some(status), ..answer(200) },
        }
    }
}

/// The abort that a request asks for. Spec: Envoy, "Controlling fault injection via HTTP headers".
fn asked_abort(head: &Head<'_>) -> Option<AbortKind> {
    let status = number(head, "x-envoy-fault-abort-request")
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (200..600).contains(status));
    let grpc = || number(head, "x-envoy-fault-abort-grpc-request");
    let grpc = || grpc().and_then(|status| u32::try_from(status).ok()).map(AbortKind::Grpc);
    status.map(AbortKind::Http).or_else(grpc)
}

#[cfg(test)]
mod tests {
    use filters::{fault_abort::ErrorType, fault_delay::FaultDelaySecifier};
    use xds::{kind::FractionalPercent, wkt};

    use super::*;
    use crate::head::Header;

    fn count() -> Arc<AtomicU32> {
        Arc::default()
    }

    fn percent(numerator: u32) -> Option<FractionalPercent> {
        Some(FractionalPercent { numerator, denominator: 0 })
    }

    fn policy(delay: u32, abort: u32, error: ErrorType) -> FaultPolicy {
        FaultPolicy::compile(&filters::HttpFault {
            delay: Some(filters::FaultDelay {
                fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(wkt::Duration {
                    seconds: 7,
                    nanos: 0,
                })),
                percentage: percent(delay),
            }),
            abort: Some(filters::FaultAbort {
                error_type: Some(error),
                percentage: percent(abort),
                ..Default::default()
            }),
            ..Default::default()
        })
        .unwrap()
    }

    #[test]
    fn shares_are_honoured() {
        let policy = policy(50, 10, ErrorType::HttpStatus(418));
        let mut dice = Dice::seeded(9);
        let (mut delays, mut aborts) = (0, 0);
        for _ in 0..100_000 {
            let injected = policy.strike(&Head::default(), "c", &count(), &mut dice);
            delays += u32::from(injected.delay == Some(Duration::from_secs(7)));
            aborts += u32::from(injected.abort.is_some_and(|answer| answer.status == 418));
        }
        assert!((49_000..51_000).contains(&delays), "{delays}");
        assert!((9_500..10_500).contains(&aborts), "{aborts}");
    }

    #[test]
    fn an_abort_looks_like_envoys() {
        let answer = policy(0, 100, ErrorType::HttpStatus(503))
            .strike(&Head::default(), "c", &count(), &mut Dice::seeded(0))
            .abort
            .unwrap();
        assert_eq!(answer.flags.to_string(), "FI");
        assert_eq!(answer.details, "fault_filter_abort");
        assert_eq!(&*answer.body, b"fault filter abort");
    }

    #[test]
    fn a_grpc_abort_keeps_its_status() {
        let headers = [Header { name: "content-type", value: b"application/grpc" }];
        let head = Head { headers: &headers, ..Head::default() };
        let policy = policy(0, 100, ErrorType::GrpcStatus(5));
        let answer = policy.strike(&head, "c", &count(), &mut Dice::seeded(0)).abort.unwrap();
        let answer = answer.suited_to(&head);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("grpc-status"), Some(&b"5"[..]));
        let plain =
            policy.strike(&Head::default(), "c", &count(), &mut Dice::seeded(0)).abort.unwrap();
        assert_eq!(
            (plain.status, plain.suited_to(&Head::default()).header("grpc-status")),
            (200, None)
        );
    }

    #[test]
    fn a_request_may_ask_for_its_fault() {
        let asked = |headers: &[(&str, &str)]| {
            let policy = FaultPolicy::compile(&filters::HttpFault {
                delay: Some(filters::FaultDelay {
                    fault_delay_secifier: Some(FaultDelaySecifier::HeaderDelay(Default::default())),
                    percentage: percent(100),
                }),
                abort: Some(filters::FaultAbort {
                    error_type: Some(ErrorType::HeaderAbort(Default::default())),
                    percentage: percent(100),
                    ..Default::default()
                }),
                ..Default::default()
            })
            .unwrap();
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| Header { name, value: value.as_bytes() })
                .collect();
            let head = Head { headers: &headers, ..Head::default() };
            let injected = policy.strike(&head, "c", &count(), &mut Dice::seeded(0));
            (injected.delay.map(|it| it.as_millis()), injected.abort.map(|it| it.status))
        };
        assert_eq!(asked(&[]), (None, None));
        assert_eq!(asked(&[("x-envoy-fault-delay-request", "70")]), (Some(70), None));
        assert_eq!(asked(&[("x-envoy-fault-delay-request", "soon")]), (None, None));
        assert_eq!(asked(&[("x-envoy-fault-abort-request", "418")]), (None, Some(418)));
        assert_eq!(asked(&[("x-envoy-fault-abort-request", "99")]), (None, None));
        assert_eq!(asked(&[("x-envoy-fault-abort-grpc-request", "5")]), (None, Some(200)));
        let never = ("x-envoy-fault-abort-request-percentage", "0");
        assert_eq!(asked(&[("x-envoy-fault-abort-request", "418"), never]), (None, None));
    }

    #[test]
    fn no_more_suffer_at_once_than_may() {
        let policy = FaultPolicy::compile(&filters::HttpFault {
            max_active_faults: Some(1),
            abort: Some(filters::FaultAbort {
                error_type: Some(ErrorType::HttpStatus(500)),
                percentage: percent(100),
                ..Default::default()
            }),
            ..Default::default()
        })
        .unwrap();
        let count = count();
        let strike = || policy.strike(&Head::default(), "c", &count, &mut Dice::seeded(0));
        let first = strike();
        assert!(first.abort.is_some());
        assert!(strike().abort.is_none());
        drop(first);
        assert!(strike().abort.is_some());
    }

    #[test]
    fn wrong_values_are_refused() {
        let bad = filters::HttpFault {
            abort: Some(filters::FaultAbort {
                error_type: Some(ErrorType::HttpStatus(42)),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(FaultPolicy::compile(&bad).unwrap_err().field, "abort.http_status");
    }
}
