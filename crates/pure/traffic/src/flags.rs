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

/// Every flag with its short and its long name, in Envoy's order.
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
    (Flag::OverloadManager, "OM", "OverloadManagerTerminated"),
    (Flag::DnsResolutionFailed, "DF", "DnsResolutionFailed"),
    (Flag::DownstreamRemoteReset, "DR", "DownstreamRemoteReset"),
];

/// Flags in the order in which they were raised, each once. Prints as access logs do: `URX,UF`, and `-` when empty.
///
/// Ten fit, which is more than one request can earn; further ones are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u64);

/// Bits of one flag: its place in [`FLAGS`], counted from one.
const BITS: u32 = 6;
/// Bits of all that fit.
const ALL_BITS: u32 = 60;

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// These flags, and this one after them.
    #[must_use]
    pub const fn with(mut self, flag: Flag) -> Self {
        self.insert(flag);
        self
    }

    /// Raises a flag, unless it is up already.
    pub const fn insert(&mut self, flag: Flag) {
        self.push(flag as u64 + 1);
    }

    const fn push(&mut self, code: u64) {
        let mut at = 0;
        while at < ALL_BITS {
            match (self.0 >> at) & ((1 << BITS) - 1) {
                0 => {
                    self.0 |= code << at;
                    return;
                }
                other if other == code => return,
                _ => at += BITS,
            }
        }
    }

    /// Whether this flag is up.
    #[must_use]
    pub const fn has(self, flag: Flag) -> bool {
        let mut rest = self.0;
        while rest != 0 {
            if rest & ((1 << BITS) - 1) == flag as u64 + 1 {
                return true;
            }
            rest >>= BITS;
        }
        false
    }

    /// These flags, and the others after them.
    #[must_use]
    pub const fn union(mut self, other: Self) -> Self {
        let mut rest = other.0;
        while rest != 0 {
            self.push(rest & ((1 << BITS) - 1));
            rest >>= BITS;
        }
        self
    }

    /// Whether there is no flag.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The short and the long name of each flag, in order.
    pub fn names(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let codes = (0..ALL_BITS).step_by(BITS as usize).map(move |at| self.0 >> at);
        let places = codes.map(|code| usize::try_from(code & ((1 << BITS) - 1)).unwrap_or(0));
        places
            .take_while(|place| *place != 0)
            .filter_map(|place| FLAGS.get(place - 1).map(|(_, short, long)| (*short, *long)))
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
        for (at, (name, _)) in self.names().enumerate() {
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
        assert_eq!(both.to_string(), "URX,UF");
        assert_eq!(both.with(Flag::UpstreamRetryLimitExceeded), both);
    }

    #[test]
    fn flags_stand_in_the_order_in_which_they_were_raised() {
        let first = Flags::from(Flag::DelayInjected);
        let both = first.union(Flags::from(Flag::LocalReset).with(Flag::DelayInjected));
        assert_eq!(both.to_string(), "DI,LR");
        assert!(both.has(Flag::LocalReset) && !both.has(Flag::DownstreamRemoteReset));
        let last = both.with(Flag::DownstreamRemoteReset);
        assert_eq!(last.names().last(), Some(("DR", "DownstreamRemoteReset")));
    }

    #[test]
    fn more_flags_than_fit_are_dropped() {
        let all = FLAGS.iter().fold(Flags::NONE, |flags, (flag, ..)| flags.with(*flag));
        assert_eq!(all.names().count(), 10);
    }

    #[test]
    fn every_flag_is_in_the_table_once_and_in_order() {
        assert!(FLAGS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(FLAGS.len(), Flag::DownstreamRemoteReset as usize + 1);
    }
}
