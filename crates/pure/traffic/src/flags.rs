//! Response flags: why a request or connection ended as it did.

use std::fmt;

/// One reason, under the name that Envoy gives it in access logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// `LH`: the local service failed its health check.
    FailedLocalHealthCheck,
    /// `UH`: no healthy upstream host.
    NoHealthyUpstream,
    /// `UT`: the upstream took too long.
    UpstreamRequestTimeout,
    /// `LR`: we reset the connection.
    LocalReset,
    /// `UR`: the upstream reset the stream.
    UpstreamRemoteReset,
    /// `UF`: the connection to the upstream failed.
    UpstreamConnectionFailure,
    /// `UC`: the upstream closed the connection.
    UpstreamConnectionTermination,
    /// `UO`: a circuit breaker is open.
    UpstreamOverflow,
    /// `NR`: no route, or no filter chain.
    NoRouteFound,
    /// `DI`: a delay was injected.
    DelayInjected,
    /// `FI`: a fault was injected.
    FaultInjected,
    /// `RL`: rate limited.
    RateLimited,
    /// `UAEX`: refused by the external authorization service.
    UnauthorizedExternalService,
    /// `DC`: the downstream went away.
    DownstreamConnectionTermination,
    /// `URX`: retries or connect attempts are used up.
    UpstreamRetryLimitExceeded,
    /// `SI`: the stream was idle for too long.
    StreamIdleTimeout,
    /// `DPE`: the downstream broke the protocol.
    DownstreamProtocolError,
    /// `UMSDR`: the upstream stream lasted too long.
    UpstreamMaxStreamDurationReached,
    /// `DT`: the request lasted too long.
    DurationTimeout,
    /// `UPE`: the upstream broke the protocol.
    UpstreamProtocolError,
    /// `NC`: the cluster does not exist.
    NoClusterFound,
    /// `OM`: the overload manager ended the request.
    OverloadManager,
    /// `DF`: the name of the upstream could not be resolved.
    DnsResolutionFailed,
    /// `DR`: the downstream reset the stream.
    DownstreamRemoteReset,
}

/// Every flag with its short and its long name, in the order in which they are printed.
pub const FLAGS: &[(Flag, &str, &str)] = &[
    (Flag::FailedLocalHealthCheck, "LH", "FailedLocalHealthCheck"),
    (Flag::NoHealthyUpstream, "UH", "NoHealthyUpstream"),
    (Flag::UpstreamRequestTimeout, "UT", "UpstreamRequestTimeout"),
    (Flag::LocalReset, "LR", "LocalReset"),
    (Flag::UpstreamRemoteReset, "UR", "UpstreamRemoteReset"),
    (Flag::UpstreamConnectionFailure, "UF", "UpstreamConnectionFailure"),
    (Flag::UpstreamConnectionTermination, "UC", "UpstreamConnectionTermination"),
    (Flag::UpstreamOverflow, "UO", "UpstreamOverflow"),
    (Flag::NoRouteFound, "NR", "NoRouteFound"),
    (Flag::DelayInjected, "DI", "DelayInjected"),
    (Flag::FaultInjected, "FI", "FaultInjected"),
    (Flag::RateLimited, "RL", "RateLimited"),
    (Flag::UnauthorizedExternalService, "UAEX", "UnauthorizedExternalService"),
    (Flag::DownstreamConnectionTermination, "DC", "DownstreamConnectionTermination"),
    (Flag::UpstreamRetryLimitExceeded, "URX", "UpstreamRetryLimitExceeded"),
    (Flag::StreamIdleTimeout, "SI", "StreamIdleTimeout"),
    (Flag::DownstreamProtocolError, "DPE", "DownstreamProtocolError"),
    (Flag::UpstreamMaxStreamDurationReached, "UMSDR", "UpstreamMaxStreamDurationReached"),
    (Flag::DurationTimeout, "DT", "DurationTimeout"),
    (Flag::UpstreamProtocolError, "UPE", "UpstreamProtocolError"),
    (Flag::NoClusterFound, "NC", "NoClusterFound"),
    (Flag::OverloadManager, "OM", "OverloadManager"),
    (Flag::DnsResolutionFailed, "DF", "DnsResolutionFailed"),
    (Flag::DownstreamRemoteReset, "DR", "DownstreamRemoteReset"),
];

/// A set of flags. Prints as access logs do: `UF,URX`, and `-` when empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// The set with this flag added.
    #[must_use]
    pub const fn with(self, flag: Flag) -> Self {
        Self(self.0 | (1 << flag as u32))
    }

    /// Adds a flag.
    pub const fn insert(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u32;
    }

    /// Whether the set holds this flag.
    #[must_use]
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u32) != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is no flag.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Flags {
    /// The long names, as the short ones are printed.
    #[must_use]
    pub fn long(self) -> String {
        if self.is_empty() {
            return "-".to_owned();
        }
        let names = FLAGS.iter().filter(|(flag, ..)| self.has(*flag)).map(|(.., long)| *long);
        names.collect::<Vec<_>>().join(",")
    }
}

impl From<Flag> for Flags {
    fn from(flag: Flag) -> Self {
        Self::NONE.with(flag)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        let names = FLAGS.iter().filter(|(flag, ..)| self.has(*flag)).map(|(_, short, _)| *short);
        for (at, name) in names.enumerate() {
            if at != 0 {
                f.write_str(",")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_print_as_access_logs_do() {
        assert_eq!(Flags::NONE.to_string(), "-");
        assert_eq!(Flags::from(Flag::NoRouteFound).to_string(), "NR");
        let both =
            Flags::from(Flag::UpstreamRetryLimitExceeded).with(Flag::UpstreamConnectionFailure);
        assert_eq!(both.to_string(), "UF,URX");
    }

    #[test]
    fn every_flag_is_in_the_table_once_and_in_order() {
        assert!(FLAGS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(FLAGS.len(), Flag::DownstreamRemoteReset as usize + 1);
    }
}
