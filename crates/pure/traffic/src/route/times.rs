//! How long a request may take: what the route says, and what the request asks for.

use std::time::Duration;

use xds::route as proto;

use crate::{
    compile::{Bad, duration},
    head::Head,
};

/// Envoy's timeout of a route that names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a request may take, as the route says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeLimits {
    /// Zero is no limit.
    timeout: Duration,
    /// For gRPC: the longest that `grpc-timeout` may ask for; zero is no limit.
    max_grpc: Option<Duration>,
    grpc_offset: Duration,
    stream: Option<StreamLimit>,
}

#[derive(Clone, Copy, Debug)]
struct StreamLimit {
    max: Option<Duration>,
    grpc_header_max: Option<Duration>,
    grpc_header_offset: Duration,
}

/// How long one request may take. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// The whole exchange, from the end of the request on.
    pub(crate) timeout: Option<Duration>,
    /// One attempt.
    pub(crate) per_try: Option<Duration>,
    /// The life of the request, from its start; zero is over at once.
    pub(crate) life: Option<Duration>,
    /// What becomes of `grpc-timeout`.
    pub(crate) grpc: GrpcTimeout,
}

/// What becomes of the `grpc-timeout` of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum GrpcTimeout {
    /// It stays.
    #[default]
    Keep,
    /// It is what the attempt may take.
    Expected,
    /// It is this.
    Fixed(Duration),
}

impl TimeLimits {
    pub(crate) fn compile(action: &proto::RouteAction) -> Result<Self, Bad> {
        let stream = match &action.max_stream_duration {
            None => None,
            Some(limit) => Some(StreamLimit {
                max: duration(limit.max_stream_duration.as_ref(), "max_stream_duration")?,
                grpc_header_max: duration(
                    limit.grpc_timeout_header_max.as_ref(),
                    "max_stream_duration.grpc_timeout_header_max",
                )?,
                grpc_header_offset: duration(
                    limit.grpc_timeout_header_offset.as_ref(),
                    "max_stream_duration.grpc_timeout_header_offset",
                )?
                .unwrap_or_default(),
            }),
        };
        let offset = duration(action.grpc_timeout_offset.as_ref(), "grpc_timeout_offset")?;
        Ok(Self {
            timeout: duration(action.timeout.as_ref(), "timeout")?.unwrap_or(DEFAULT_TIMEOUT),
            max_grpc: duration(action.max_grpc_timeout.as_ref(), "max_grpc_timeout")?,
            grpc_offset: offset.unwrap_or_default(),
            stream,
        })
    }

    /// The times of one request. `per_try` is what the retry policy says, `life` what the connection manager says; only a
    /// request that `may_ask` sets times with `x-envoy-…` headers. Spec: Envoy, "HTTP header manipulation" and "Timeouts".
    pub(crate) fn of(
        &self,
        head: &Head<'_>,
        may_ask: bool,
        per_try: Option<Duration>,
        life: Option<Duration>,
    ) -> Times {
        let some = |limit: Duration| (!limit.is_zero()).then_some(limit);
        let grpc = head.header("grpc-timeout").and_then(parse_grpc_timeout);
        let mut times = self.of_route(head, grpc);
        if let Some(asked) = asked(head, "x-envoy-upstream-rq-timeout-ms").filter(|_| may_ask) {
            times.timeout = some(asked);
        }
        let asked = asked(head, "x-envoy-upstream-rq-per-try-timeout-ms").filter(|_| may_ask);
        let per_try = asked.or(per_try).and_then(some);
        // One attempt that may take as long as all of them has no limit of its own.
        times.per_try = per_try.filter(|each| times.timeout.is_none_or(|all| *each < all));
        times.life = self.life(grpc, life);
        if let (Some(life), true) = (times.life, grpc.is_some()) {
            times.grpc = GrpcTimeout::Fixed(life);
        }
        times
    }

    /// The timeout of the exchange, before headers ask for another.
    fn of_route(&self, head: &Head<'_>, grpc: Option<Duration>) -> Times {
        let some = |limit: Duration| (!limit.is_zero()).then_some(limit);
        let mut times = Times::default();
        if self.stream.is_some() {
            return times;
        }
        let Some(max) = self.max_grpc.filter(|_| head.is_grpc()) else {
            times.timeout = some(self.timeout);
            return times;
        };
        let mut timeout = grpc.unwrap_or(Duration::ZERO);
        if timeout > self.grpc_offset {
            timeout -= self.grpc_offset;
        }
        if !max.is_zero() && (timeout.is_zero() || max < timeout) {
            timeout = max;
        }
        times.timeout = some(timeout);
        times.grpc = GrpcTimeout::Expected;
        times
    }

    /// How long the request may live.
    fn life(&self, grpc: Option<Duration>, of_manager: Option<Duration>) -> Option<Duration> {
        let Some(stream) = &self.stream else { return of_manager };
        match (grpc, stream.grpc_header_max) {
            (Some(asked), Some(max)) => {
                let capped = if max.is_zero() { asked } else { asked.min(max) };
                Some(capped.saturating_sub(stream.grpc_header_offset))
            }
            _ => match stream.max {
                Some(max) => (!max.is_zero()).then_some(max),
                None => of_manager,
            },
        }
    }
}

impl Times {
    /// What an attempt may take when this much of the time is over; `None` is no limit.
    pub(crate) fn expected(&self, elapsed: Duration) -> Option<Duration> {
        let expected = self.per_try.or(self.timeout)?;
        let Some(timeout) = self.timeout else { return Some(expected) };
        let left = timeout.saturating_sub(elapsed);
        // Zero would be no limit at all.
        Some(if left.is_zero() { Duration::from_millis(1) } else { expected.min(left) })
    }
}

/// A time in milliseconds that a header asks for.
fn asked(head: &Head<'_>, name: &str) -> Option<Duration> {
    let text = std::str::from_utf8(head.header(name)?).ok()?;
    text.trim().parse().ok().map(Duration::from_millis)
}

/// Reads a `grpc-timeout`. Spec: gRPC over HTTP/2, at most eight digits and a unit.
fn parse_grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || 8 < digits.len() {
        return None;
    }
    let amount: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use xds::{route::route_action::MaxStreamDuration, wkt};

    use super::*;
    use crate::head::Header;

    fn seconds(seconds: i64) -> Option<wkt::Duration> {
        Some(wkt::Duration { seconds, nanos: 0 })
    }

    fn limits(change: impl FnOnce(&mut proto::RouteAction)) -> TimeLimits {
        let mut action = proto::RouteAction::default();
        change(&mut action);
        TimeLimits::compile(&action).unwrap()
    }

    /// Timeout, per try, life and `grpc-timeout` in seconds; life from the manager is 50 s, one try 5 s.
    fn told(limits: &TimeLimits, headers: &[(&str, &str)], may_ask: bool) -> String {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        let head = Head { headers: &headers, ..Head::default() };
        let second = Duration::from_secs(1);
        let times = limits.of(&head, may_ask, Some(second * 5), Some(second * 50));
        let s = |limit: Option<Duration>| limit.map_or("-".to_owned(), |l| l.as_secs().to_string());
        let grpc = match times.grpc {
            GrpcTimeout::Keep => "keep".to_owned(),
            GrpcTimeout::Expected => "expected".to_owned(),
            GrpcTimeout::Fixed(limit) => s(Some(limit)),
        };
        format!("{} {} {} {grpc}", s(times.timeout), s(times.per_try), s(times.life))
    }

    #[test]
    fn grpc_timeouts_are_read() {
        assert_eq!(parse_grpc_timeout(b"10S"), Some(Duration::from_secs(10)));
        assert_eq!(parse_grpc_timeout(b"2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse_grpc_timeout(b"250m"), Some(Duration::from_millis(250)));
        for wrong in [&b"S"[..], b"10", b"-1S", b"123456789S", b"1x", b""] {
            assert_eq!(parse_grpc_timeout(wrong), None);
        }
    }

    #[test]
    fn old_and_new_deadlines_of_grpc() {
        let grpc = ("content-type", "application/grpc");
        let old = limits(|action| {
            action.timeout = seconds(9);
            action.max_grpc_timeout = seconds(20);
            action.grpc_timeout_offset = seconds(2);
        });
        assert_eq!(told(&old, &[], false), "9 5 50 keep");
        assert_eq!(told(&old, &[grpc], false), "20 5 50 expected");
        assert_eq!(told(&old, &[grpc, ("grpc-timeout", "12S")], false), "10 5 50 50");
        assert_eq!(told(&old, &[grpc, ("grpc-timeout", "1S")], false), "1 - 50 50");
        let new = limits(|action| {
            action.max_stream_duration = Some(MaxStreamDuration {
                max_stream_duration: seconds(30),
                grpc_timeout_header_max: seconds(8),
                grpc_timeout_header_offset: seconds(3),
            });
        });
        assert_eq!(told(&new, &[], false), "- 5 30 keep");
        assert_eq!(told(&new, &[("grpc-timeout", "5S")], false), "- 5 2 2");
        assert_eq!(told(&new, &[("grpc-timeout", "60S")], false), "- 5 5 5");
        assert_eq!(told(&new, &[("grpc-timeout", "2S")], false), "- 5 0 0");
    }

    #[test]
    fn a_route_may_switch_the_managers_limit_off() {
        let stream = |max| {
            limits(|action| {
                action.max_stream_duration =
                    Some(MaxStreamDuration { max_stream_duration: max, ..Default::default() });
            })
        };
        assert_eq!(told(&stream(seconds(0)), &[], false), "- 5 - keep");
        assert_eq!(told(&stream(None), &[], false), "- 5 50 keep");
    }

    #[test]
    fn only_who_may_ask_sets_times() {
        let limits = limits(|action| action.timeout = seconds(9));
        let all = [
            ("x-envoy-upstream-rq-timeout-ms", "3000"),
            ("x-envoy-upstream-rq-per-try-timeout-ms", "2000"),
        ];
        assert_eq!(told(&limits, &all, true), "3 2 50 keep");
        assert_eq!(told(&limits, &all[..1], true), "3 - 50 keep");
        assert_eq!(told(&limits, &all, false), "9 5 50 keep");
        let none = [("x-envoy-upstream-rq-timeout-ms", "0")];
        assert_eq!(told(&limits, &none, true), "- 5 50 keep");
    }

    #[test]
    fn what_is_expected_shrinks_with_the_time_that_is_left() {
        let second = Duration::from_secs(1);
        let times =
            Times { timeout: Some(second * 10), per_try: Some(second * 4), ..Times::default() };
        let table = [(0, 4000), (5, 4000), (8, 2000), (10, 1), (11, 1)];
        for (elapsed, expected) in table {
            let told = times.expected(second * elapsed).unwrap().as_millis();
            assert_eq!(told, expected, "{elapsed}");
        }
        assert_eq!(Times::default().expected(second), None);
    }
}
