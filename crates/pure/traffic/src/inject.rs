//! Faults on purpose: delays and aborts. Spec: Envoy `HTTPFault`.

use std::{borrow::Cow, time::Duration};

use xds::filters;

use crate::{
    answer::Answer,
    compile::{Bad, Fraction, Within as _, duration, refuse},
    dice::Dice,
    flags::Flag,
    head::Head,
    matcher::HeaderMatch,
};

/// Which requests suffer, and how.
#[derive(Debug)]
pub(crate) struct FaultPolicy {
    delay: Option<(Duration, Fraction)>,
    abort: Option<Abort>,
    headers: Vec<HeaderMatch>,
    cluster: Box<str>,
}

#[derive(Debug)]
struct Abort {
    kind: AbortKind,
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
}

impl FaultPolicy {
    pub(crate) fn compile(fault: &filters::HttpFault) -> Result<Self, Bad> {
        refuse(&[
            ("max_active_faults", fault.max_active_faults.is_some()),
            ("response_rate_limit", fault.response_rate_limit.is_some()),
            ("downstream_nodes", !fault.downstream_nodes.is_empty()),
        ])?;
        Ok(Self {
            delay: fault.delay.as_ref().map(compile_delay).transpose().within("delay")?,
            abort: fault.abort.as_ref().map(Abort::compile).transpose().within("abort")?,
            headers: HeaderMatch::compile_all(&fault.headers, "headers")?,
            cluster: fault.upstream_cluster.as_str().into(),
        })
    }

    /// Rolls the dice for one request to a cluster.
    pub(crate) fn strike(&self, head: &Head<'_>, cluster: &str, dice: &mut Dice) -> Injected {
        if !self.cluster.is_empty() && *self.cluster != *cluster
            || !self.headers.iter().all(|matcher| matcher.matches(head))
        {
            return Injected::default();
        }
        let delay =
            self.delay.filter(|(_, share)| share.holds(dice.roll())).map(|(delay, _)| delay);
        let abort = self.abort.as_ref().filter(|abort| abort.share.holds(dice.roll()));
        Injected { delay, abort: abort.map(|abort| abort.answer(head)) }
    }
}

impl Abort {
    fn compile(abort: &filters::FaultAbort) -> Result<Self, Bad> {
        use filters::fault_abort::ErrorType;
        let kind = match &abort.error_type {
            Some(ErrorType::HttpStatus(status)) => AbortKind::Http(
                u16::try_from(*status)
                    .ok()
                    .filter(|status| (200..600).contains(status))
                    .ok_or_else(|| Bad::new("http_status", "is not between 200 and 599"))?,
            ),
            Some(ErrorType::GrpcStatus(status)) => AbortKind::Grpc(*status),
            Some(ErrorType::HeaderAbort(_)) => return Err(Bad::unsupported("header_abort")),
            None => return Err(Bad::new("error_type", "is not set")),
        };
        // Absent is 0 %, as everywhere in this filter.
        let share = abort.percentage.as_ref().map_or(Fraction::NONE, Fraction::of);
        let body = (!abort.response_body.is_empty()).then(|| abort.response_body.as_str().into());
        Ok(Self { kind, share, body })
    }

    fn answer(&self, head: &Head<'_>) -> Answer {
        let body: Cow<'static, str> = match &self.body {
            Some(body) => Cow::Owned(String::from(&**body)),
            None => Cow::Borrowed("fault filter abort"),
        };
        let answer = |status| Answer::new(status, body, Flag::FaultInjected, "fault_filter_abort");
        match self.kind {
            AbortKind::Http(status) => answer(status).suited_to(head),
            AbortKind::Grpc(status) if head.is_grpc() => answer(503).into_grpc(Some(status)),
            AbortKind::Grpc(status) => answer(crate::answer::http_status(status)),
        }
    }
}

fn compile_delay(delay: &filters::FaultDelay) -> Result<(Duration, Fraction), Bad> {
    use filters::fault_delay::FaultDelaySecifier;
    let length = match &delay.fault_delay_secifier {
        Some(FaultDelaySecifier::FixedDelay(length)) => duration(Some(length), "fixed_delay")?,
        Some(FaultDelaySecifier::HeaderDelay(_)) => return Err(Bad::unsupported("header_delay")),
        None => None,
    };
    let length = length
        .filter(|length| !length.is_zero())
        .ok_or_else(|| Bad::new("fixed_delay", "must be greater than zero"))?;
    let share = delay.percentage.as_ref().map_or(Fraction::NONE, Fraction::of);
    Ok((length, share))
}

#[cfg(test)]
mod tests {
    use filters::{fault_abort::ErrorType, fault_delay::FaultDelaySecifier};
    use xds::{kind::FractionalPercent, wkt};

    use super::*;
    use crate::head::Header;

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
            let injected = policy.strike(&Head::default(), "c", &mut dice);
            delays += u32::from(injected.delay == Some(Duration::from_secs(7)));
            aborts += u32::from(injected.abort.is_some_and(|answer| answer.status == 418));
        }
        assert!((49_000..51_000).contains(&delays), "{delays}");
        assert!((9_500..10_500).contains(&aborts), "{aborts}");
    }

    #[test]
    fn an_abort_looks_like_envoys() {
        let answer = policy(0, 100, ErrorType::HttpStatus(503))
            .strike(&Head::default(), "c", &mut Dice::seeded(0))
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
        let answer = policy.strike(&head, "c", &mut Dice::seeded(0)).abort.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("grpc-status"), Some(&b"5"[..]));
        let plain = policy.strike(&Head::default(), "c", &mut Dice::seeded(0)).abort.unwrap();
        assert_eq!(plain.status, 404);
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
