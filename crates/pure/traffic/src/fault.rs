//! How one attempt at an upstream ended.

use std::borrow::Cow;

use crate::{
    answer::{Answer, http_status},
    flags::{Flag, Flags},
    head::Header,
};

/// How one attempt ended, as the retry policy and outlier detection see it.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// The upstream answered.
    Response {
        /// The HTTP status.
        status: u16,
        /// The headers of the response. For gRPC that ended with trailers, report once more is not needed: put
        /// `grpc-status` of the trailers among them.
        headers: &'a [Header<'a>],
    },
    /// There was no answer.
    Fault(Fault),
    /// The downstream went away, or the request was given up for a reason that says nothing about the host.
    Cancelled,
    /// A TCP connection was established (TCP chains report this instead of a response).
    Connected,
}

impl Outcome<'_> {
    /// The gRPC status among the headers, if there is one.
    #[must_use]
    pub fn grpc_status(&self) -> Option<u32> {
        match self {
            Self::Response { headers, .. } => header(headers, "grpc-status")
                .and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok()),
            _ => None,
        }
    }

    /// The status that stands for the outcome: that of the response, of its gRPC status, or of the fault.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Response { status, .. } => Some(self.grpc_status().map_or(*status, http_status)),
            Self::Fault(fault) => Some(fault.status()),
            Self::Cancelled | Self::Connected => None,
        }
    }
}

/// Finds a header in a response.
pub(crate) fn header<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name == name).map(|header| header.value)
}

/// Why there was no answer. Retry, access record and metric all read this one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection could not be made: refused, unreachable, handshake failed.
    ConnectFailed {
        /// What the transport said; empty when it said nothing.
        reason: Cow<'static, str>,
    },
    /// The connection was not made in time.
    ConnectTimeout,
    /// The name of the host could not be resolved.
    NotResolved,
    /// The upstream closed the connection before the head of the response was complete.
    Terminated {
        /// Whether any byte of the request had been sent on it.
        request_sent: bool,
    },
    /// The upstream reset the stream.
    Reset {
        /// Whether any byte of the request had been sent.
        request_sent: bool,
    },
    /// The upstream refused the stream: it has not looked at the request (HTTP/2 `REFUSED_STREAM`, or after GOAWAY).
    RefusedStream,
    /// We reset the stream, for a reason of our own.
    LocalReset,
    /// The upstream broke the protocol.
    Protocol {
        /// What was wrong with it; empty when not known.
        reason: Cow<'static, str>,
    },
    /// One attempt took too long.
    PerTryTimeout,
    /// One attempt was idle for too long.
    PerTryIdleTimeout,
    /// The route's timeout is over.
    Timeout,
    /// The longest life of an upstream stream is over.
    MaxStreamDuration,
    /// Neither side of the request moved for too long.
    StreamIdle {
        /// Whether all of the request had arrived.
        request_complete: bool,
    },
    /// The request did not arrive as a whole in time.
    RequestTimeout,
    /// The request lived for too long.
    DurationOver {
        /// Whether all of the request had arrived.
        request_complete: bool,
    },
    /// The body of the request broke its framing.
    BadRequest,
    /// A circuit breaker is open: too much is under way.
    Overflow,
    /// The breaker is open: too much has failed. Ours alone.
    BreakerOpen,
    /// The cluster has no host to offer.
    NoHealthyUpstream,
    /// The cluster does not exist.
    NoCluster,
    /// Edits made a header that no codec may send.
    InvalidHeader {
        /// What is wrong with it, and its name.
        what: Box<str>,
    },
    /// The cluster looks up what requests name, and knows too many names already.
    TooManyNames,
}

impl Fault {
    /// Whether it says something about our own side of the exchange alone: the downstream's patience or ours with it.
    #[must_use]
    pub const fn is_of_downstream(&self) -> bool {
        matches!(
            self,
            Self::StreamIdle { .. }
                | Self::RequestTimeout
                | Self::DurationOver { .. }
                | Self::BadRequest
                | Self::InvalidHeader { .. }
        )
    }

    /// Why the request was sent nowhere at all, for those faults that a fallback mends; `x-lateen-fallback` says it.
    #[must_use]
    pub const fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::BreakerOpen => Some("breaker_open"),
            Self::NoHealthyUpstream => Some("no_healthy_upstream"),
            _ => None,
        }
    }

    /// The flag of access records, if there is one for it.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let flag = match self {
            Self::ConnectFailed { .. } | Self::ConnectTimeout => Flag::UpstreamConnectionFailure,
            Self::NotResolved => Flag::DnsResolutionFailed,
            Self::Terminated { .. } => Flag::UpstreamConnectionTermination,
            Self::Reset { .. } | Self::RefusedStream => Flag::UpstreamRemoteReset,
            Self::LocalReset => Flag::LocalReset,
            Self::Protocol { .. } => Flag::UpstreamProtocolError,
            Self::PerTryTimeout | Self::Timeout | Self::PerTryIdleTimeout => {
                Flag::UpstreamRequestTimeout
            }
            Self::MaxStreamDuration => Flag::UpstreamMaxStreamDurationReached,
            Self::Overflow | Self::BreakerOpen => Flag::UpstreamOverflow,
            Self::NoHealthyUpstream => Flag::NoHealthyUpstream,
            Self::NoCluster => Flag::NoClusterFound,
            Self::InvalidHeader { .. } => Flag::DownstreamProtocolError,
            Self::StreamIdle { .. } => Flag::StreamIdleTimeout,
            Self::BadRequest => Flag::DownstreamProtocolError,
            Self::DurationOver { .. } | Self::RequestTimeout | Self::TooManyNames => {
                return Flags::NONE;
            }
        };
        flag.into()
    }

    /// The status that the downstream gets when there is no retry.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::PerTryTimeout
            | Self::PerTryIdleTimeout
            | Self::Timeout
            | Self::MaxStreamDuration
            | Self::StreamIdle { request_complete: true }
            | Self::DurationOver { request_complete: true } => 504,
            Self::StreamIdle { .. } | Self::DurationOver { .. } | Self::RequestTimeout => 408,
            Self::Protocol { .. } => 502,
            Self::BadRequest => 400,
            _ => 503,
        }
    }

    /// The text of `%RESPONSE_CODE_DETAILS%`.
    #[must_use]
    pub fn details(&self) -> Cow<'static, str> {
        let reason = match self {
            Self::PerTryTimeout => return Cow::Borrowed("upstream_per_try_timeout"),
            Self::PerTryIdleTimeout => return Cow::Borrowed("upstream_per_try_idle_timeout"),
            Self::Timeout => return Cow::Borrowed("response_timeout"),
            Self::MaxStreamDuration => {
                return Cow::Borrowed("upstream_max_stream_duration_reached");
            }
            Self::BreakerOpen => return Cow::Borrowed("breaker_open"),
            Self::NoHealthyUpstream => return Cow::Borrowed("no_healthy_upstream"),
            Self::StreamIdle { .. } => return Cow::Borrowed("stream_idle_timeout"),
            Self::RequestTimeout => return Cow::Borrowed("request_overall_timeout"),
            Self::DurationOver { .. } => return Cow::Borrowed("max_duration_timeout"),
            Self::NoCluster => return Cow::Borrowed("cluster_not_found"),
            Self::BadRequest => return Cow::Borrowed("http1.codec_error"),
            Self::InvalidHeader { what } => {
                let what = what.replace(' ', "_");
                return Cow::Owned(format!("filter_removed_required_request_headers{{{what}}}"));
            }
            Self::TooManyNames => return Cow::Borrowed("dns_cache_overflow"),
            Self::NotResolved => return Cow::Borrowed("dns_resolution_failure"),
            Self::ConnectFailed { reason } if !reason.is_empty() => {
                let reason: String =
                    reason.chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect();
                return Cow::Owned(format!(
                    "upstream_reset_before_response_started{{remote_connection_failure|{reason}}}"
                ));
            }
            Self::ConnectFailed { .. } => "remote_connection_failure",
            Self::ConnectTimeout => "connection_timeout",
            Self::Terminated { .. } => "connection_termination",
            Self::Reset { .. } => "remote_reset",
            Self::RefusedStream => "remote_refused_stream_reset",
            Self::LocalReset => "local_reset",
            Self::Protocol { .. } => "protocol_error",
            Self::Overflow => "overflow",
        };
        Cow::Owned(format!("upstream_reset_before_response_started{{{reason}}}"))
    }

    /// The same where the head of a response had gone down already.
    #[must_use]
    pub fn details_after_head(&self) -> Cow<'static, str> {
        let details = self.details();
        match details.strip_prefix("upstream_reset_before_response_started") {
            Some(reason) => Cow::Owned(format!("upstream_reset_after_response_started{reason}")),
            None => details,
        }
    }

    /// The gRPC status that a gRPC client gets, where it is not the one of the HTTP status.
    const fn grpc_status(&self) -> Option<u32> {
        match self {
            Self::DurationOver { .. } => Some(4),
            _ => None,
        }
    }

    /// The answer that the downstream gets after so many attempts, before it is suited to its request.
    #[must_use]
    pub fn answer(&self, attempts: u32) -> Answer {
        let which =
            if attempts > 1 { "retried and the latest reset reason" } else { "reset reason" };
        let reset = |reason: &str| {
            Cow::Owned(format!(
                "upstream connect error or disconnect/reset before headers. {which}: {reason}"
            ))
        };
        let body: Cow<'static, str> = match self {
            // What the transport said is for the access record: it tells strangers about the inside.
            Self::ConnectFailed { .. } => reset("remote connection failure"),
            Self::NotResolved => Cow::Borrowed("DNS resolution failure"),
            Self::TooManyNames => Cow::Borrowed("DNS cache overflow"),
            Self::ConnectTimeout => reset("connection timeout"),
            Self::Terminated { .. } => reset("connection termination"),
            Self::Reset { .. } => reset("remote reset"),
            Self::RefusedStream => reset("remote refused stream reset"),
            Self::LocalReset => reset("local reset"),
            Self::Protocol { .. } => reset("protocol error"),
            Self::Overflow => reset("overflow"),
            Self::PerTryTimeout | Self::PerTryIdleTimeout | Self::Timeout => {
                Cow::Borrowed("upstream request timeout")
            }
            Self::MaxStreamDuration => Cow::Borrowed("upstream max stream duration reached"),
            Self::BreakerOpen => Cow::Borrowed("breaker open"),
            Self::NoHealthyUpstream => Cow::Borrowed("no healthy upstream"),
            Self::NoCluster => Cow::Borrowed(""),
            Self::BadRequest => Cow::Borrowed("Bad Request"),
            Self::InvalidHeader { what } => Cow::Owned(String::from(&**what)),
            Self::StreamIdle { .. } => Cow::Borrowed("stream timeout"),
            Self::RequestTimeout => Cow::Borrowed("request timeout"),
            Self::DurationOver { .. } => Cow::Borrowed("downstream duration timeout"),
        };
        let mut answer = Answer::new(self.status(), body, self.flags(), self.details());
        answer.grpc = self.grpc_status();
        if matches!(self, Self::Overflow | Self::BreakerOpen) {
            answer.headers.push((Cow::Borrowed("x-envoy-overloaded"), b"true".to_vec()));
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Head;

    #[test]
    fn every_fault_has_envoys_status_flag_and_details() {
        let table = [
            (Fault::NoHealthyUpstream, 503, "UH", "no_healthy_upstream"),
            (Fault::NoCluster, 503, "NC", "cluster_not_found"),
            (Fault::NotResolved, 503, "DF", "dns_resolution_failure"),
            (Fault::TooManyNames, 503, "-", "dns_cache_overflow"),
            (Fault::Overflow, 503, "UO", "upstream_reset_before_response_started{overflow}"),
            (Fault::BreakerOpen, 503, "UO", "breaker_open"),
            (Fault::Timeout, 504, "UT", "response_timeout"),
            (Fault::PerTryTimeout, 504, "UT", "upstream_per_try_timeout"),
            (Fault::MaxStreamDuration, 504, "UMSDR", "upstream_max_stream_duration_reached"),
            (Fault::StreamIdle { request_complete: true }, 504, "SI", "stream_idle_timeout"),
            (Fault::StreamIdle { request_complete: false }, 408, "SI", "stream_idle_timeout"),
            (Fault::DurationOver { request_complete: true }, 504, "-", "max_duration_timeout"),
            (Fault::DurationOver { request_complete: false }, 408, "-", "max_duration_timeout"),
            (Fault::RequestTimeout, 408, "-", "request_overall_timeout"),
            (Fault::BadRequest, 400, "DPE", "http1.codec_error"),
            (
                Fault::Terminated { request_sent: true },
                503,
                "UC",
                "upstream_reset_before_response_started{connection_termination}",
            ),
            (
                Fault::ConnectFailed { reason: "connection refused".into() },
                503,
                "UF",
                "upstream_reset_before_response_started{remote_connection_failure|connection_refused}",
            ),
            (
                Fault::Protocol { reason: "".into() },
                502,
                "UPE",
                "upstream_reset_before_response_started{protocol_error}",
            ),
        ];
        for (fault, status, flag, details) in table {
            let answer = fault.answer(1);
            assert_eq!(answer.status, status, "{fault:?}");
            assert_eq!(answer.flags.to_string(), flag, "{fault:?}");
            assert_eq!(answer.details, details, "{fault:?}");
        }
    }

    #[test]
    fn a_client_is_told_that_it_was_tried_again() {
        let told =
            |attempts| String::from_utf8_lossy(&Fault::Overflow.answer(attempts).body).into_owned();
        assert!(told(1).ends_with("before headers. reset reason: overflow"));
        assert!(told(2).ends_with("retried and the latest reset reason: overflow"));
    }

    #[test]
    fn grpc_clients_are_told_in_their_own_words() {
        let headers = [Header { name: "content-type", value: b"application/grpc" }];
        let head = Head { headers: &headers, ..Head::default() };
        for (fault, status) in [
            (Fault::DurationOver { request_complete: true }, "4"),
            (Fault::StreamIdle { request_complete: true }, "14"),
            (Fault::Timeout, "14"),
        ] {
            let answer = fault.answer(1).suited_to(&head);
            assert_eq!(answer.header("grpc-status"), Some(status.as_bytes()), "{fault:?}");
            assert_eq!(answer.status, 200);
        }
    }

    #[test]
    fn a_grpc_status_stands_for_the_http_status() {
        let headers = [Header { name: "grpc-status", value: b"14" }];
        assert_eq!(Outcome::Response { status: 200, headers: &headers }.status(), Some(503));
        assert_eq!(Outcome::Response { status: 204, headers: &[] }.status(), Some(204));
        assert_eq!(Outcome::Cancelled.status(), None);
    }
}
