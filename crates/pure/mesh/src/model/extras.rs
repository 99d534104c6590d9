//! What annotations of DestinationRules add to Istio's policies: breakers, fallbacks, growth of ejections.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Origin;

/// The annotations. Real Envoy leaves aside what they say.
pub const ANNOTATIONS: [&str; 3] = [BREAKER, FALLBACK, GROWTH];
/// When too many requests fail, none are sent for a while.
pub(crate) const BREAKER: &str = "lateen/breaker";
/// What a request gets while a breaker is open or no host is left.
pub(crate) const FALLBACK: &str = "lateen/fallback";
/// How ejections grow.
pub(crate) const GROWTH: &str = "lateen/ejection-growth";

/// What the annotations of the DestinationRules of one host mean.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Extras {
    /// Breakers, each for a part of the host.
    pub breakers: Vec<Extra<Breaker>>,
    /// Fallbacks, each for a part of the host.
    pub fallbacks: Vec<Extra<Fallback>>,
    /// How ejections grow; `None` is Envoy's way.
    pub ejection_growth: Option<Growth>,
}

/// Something that holds for a part of a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Extra<T> {
    /// The object that says it.
    pub origin: Origin,
    /// The subset that it is for; `None` is every one, and requests without a subset.
    pub subset: Option<String>,
    /// The service port that it is for; `None` is every one.
    pub port: Option<u16>,
    /// What holds; `None` switches off what would hold otherwise.
    pub what: Option<T>,
}

/// When nothing more is sent to a cluster for a while.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Breaker {
    /// So many errors within so long.
    pub errors: Option<(u32, Duration)>,
    /// So many thousandths of a percent of the last so many requests.
    pub share: Option<(u32, u32)>,
    /// How long it is open at first.
    pub open_for: Duration,
    /// How long it is open at the most.
    pub max_open_for: Duration,
    /// How the time grows with each trial that fails.
    pub growth: Growth,
    /// How many requests have to go well before it closes.
    pub trials: u32,
    /// What counts as an error, in the words that proxies read.
    pub on: Vec<String>,
}

/// How a time grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Growth {
    /// By the same again each time.
    Linear,
    /// To the double each time.
    Exponential,
}

impl Growth {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Growth::Linear => "linear",
            Growth::Exponential => "exponential",
        }
    }
}

/// What a request gets while a breaker is open or no host is left.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// This answer.
    Answer {
        /// The status.
        status: u16,
        /// What gRPC clients get; `None` leaves them the refusal.
        grpc_status: Option<u32>,
        /// Headers, names in lower case.
        headers: BTreeMap<String, String>,
        /// The body.
        body: String,
    },
    /// What this destination answers.
    To {
        /// Full host; `None` is the host itself.
        host: Option<String>,
        /// Subset of it.
        subset: Option<String>,
        /// Service port; `None` is the same number, else the only one.
        port: Option<u16>,
    },
}

impl Extras {
    /// The breaker of a service port, and of a subset if one is named.
    #[must_use]
    pub fn breaker(&self, port: u16, subset: Option<&str>) -> Option<&Breaker> {
        most_specific(&self.breakers, port, subset)
    }

    /// The fallback of a service port, and of a subset if one is named.
    #[must_use]
    pub fn fallback(&self, port: u16, subset: Option<&str>) -> Option<&Fallback> {
        most_specific(&self.fallbacks, port, subset)
    }
}

impl<T> Extra<T> {
    /// Whether both are for the same part.
    pub(crate) fn is_beside(&self, other: &Extra<T>) -> bool {
        (&self.subset, self.port) == (&other.subset, other.port)
    }
}

/// What names the subset comes before what names the port, and both before what names nothing.
fn most_specific<'a, T>(all: &'a [Extra<T>], port: u16, subset: Option<&str>) -> Option<&'a T> {
    let fits = |one: &&Extra<T>| {
        one.port.is_none_or(|own| own == port)
            && one.subset.as_deref().is_none_or(|own| Some(own) == subset)
    };
    let best = all.iter().filter(fits).max_by_key(|one| (one.subset.is_some(), one.port.is_some()));
    best?.what.as_ref()
}
