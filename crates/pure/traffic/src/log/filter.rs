//! Filters: which requests leave a record.

use std::time::Duration;

use xds::accesslog::{
    self as proto, access_log_filter::FilterSpecifier, comparison_filter::Op, grpc_status_filter,
};

use crate::{
    compile::{Bad, Fraction, Within as _},
    dice::Dice,
    flags::FLAGS,
    head::Head,
    log::Facts,
    matcher::HeaderMatch,
};

/// Flags that Envoy knows and nothing here raises: who asks for them gets no record.
const NEVER_RAISED: &[&str] = &["RLSE", "IH", "RFCF", "NFCF", "DO", "UDO"];

/// A rule for which a record is made.
#[derive(Debug)]
pub(super) enum Filter {
    Always(bool),
    Status(Comparison),
    Milliseconds(Comparison),
    Share {
        share: Fraction,
        of_request: bool,
    },
    And(Vec<Self>),
    Or(Vec<Self>),
    Header(HeaderMatch),
    /// Any of these; an empty list is any at all.
    Flags(Vec<&'static str>, bool),
    Grpc {
        statuses: Vec<i64>,
        exclude: bool,
    },
    Kinds {
        kinds: Vec<i32>,
        exclude: bool,
    },
}

/// A number against a fixed one.
#[derive(Debug)]
pub(super) struct Comparison {
    op: Op,
    value: u64,
}

impl Comparison {
    fn compile(filter: Option<&proto::ComparisonFilter>) -> Result<Self, Bad> {
        let filter = filter.ok_or_else(|| Bad::new("comparison", "is not set"))?;
        // There are no runtime layers here: the default is the value.
        let value = filter.value.as_ref().ok_or_else(|| Bad::new("value", "is not set"));
        Ok(Self { op: filter.op(), value: value.within("comparison")?.default_value.into() })
    }

    const fn holds(&self, number: u64) -> bool {
        match self.op {
            Op::Eq => number == self.value,
            Op::Ge => number >= self.value,
            Op::Le => number <= self.value,
            Op::Ne => number != self.value,
        }
    }
}

impl Filter {
    pub(super) fn compile(filter: &proto::AccessLogFilter) -> Result<Self, Bad> {
        let rule = filter.filter_specifier.as_ref();
        Ok(match rule.ok_or_else(|| Bad::new("filter_specifier", "is not set"))? {
            FilterSpecifier::StatusCodeFilter(filter) => Self::Status(
                Comparison::compile(filter.comparison.as_ref()).within("status_code_filter")?,
            ),
            FilterSpecifier::DurationFilter(filter) => Self::Milliseconds(
                Comparison::compile(filter.comparison.as_ref()).within("duration_filter")?,
            ),
            // Nothing here marks a request as a health check.
            FilterSpecifier::NotHealthCheckFilter(_) => Self::Always(true),
            // No request is traced.
            FilterSpecifier::TraceableFilter(_) => Self::Always(false),
            FilterSpecifier::RuntimeFilter(filter) => Self::Share {
                share: filter.percent_sampled.as_ref().map_or(Fraction::NONE, Fraction::of),
                of_request: !filter.use_independent_randomness,
            },
            FilterSpecifier::AndFilter(filter) => {
                Self::And(Self::all(&filter.filters).within("and_filter")?)
            }
            FilterSpecifier::OrFilter(filter) => {
                Self::Or(Self::all(&filter.filters).within("or_filter")?)
            }
            FilterSpecifier::HeaderFilter(filter) => {
                let header = filter.header.as_ref();
                let header = header.ok_or_else(|| Bad::new("header", "is not set"));
                Self::Header(
                    header
                        .and_then(|header| HeaderMatch::compile(header).within("header"))
                        .within("header_filter")?,
                )
            }
            FilterSpecifier::ResponseFlagFilter(filter) => {
                Self::flags(&filter.flags).within("response_flag_filter")?
            }
            FilterSpecifier::GrpcStatusFilter(filter) => {
                let known = |status: &i32| {
                    grpc_status_filter::Status::try_from(*status)
                        .map(|_| i64::from(*status))
                        .map_err(|_| Bad::new("statuses", format!("{status} is no gRPC status")))
                };
                let statuses: Result<_, _> = filter.statuses.iter().map(known).collect();
                Self::Grpc {
                    statuses: statuses.within("grpc_status_filter")?,
                    exclude: filter.exclude,
                }
            }
            // No filter here sets dynamic metadata, so no key is ever found.
            FilterSpecifier::MetadataFilter(filter) => {
                Self::Always(filter.match_if_key_not_found.unwrap_or(true))
            }
            FilterSpecifier::LogTypeFilter(filter) => {
                Self::Kinds { kinds: filter.types.clone(), exclude: filter.exclude }
            }
            FilterSpecifier::ExtensionFilter(filter) => {
                return Err(Bad::unsupported(format!("extension_filter ({})", filter.name)));
            }
        })
    }

    fn all(filters: &[proto::AccessLogFilter]) -> Result<Vec<Self>, Bad> {
        if filters.len() < 2 {
            return Err(Bad::new("filters", "has less than two filters"));
        }
        let each = filters.iter().enumerate();
        each.map(|(at, filter)| Self::compile(filter).within_item("filters", at)).collect()
    }

    fn flags(names: &[String]) -> Result<Self, Bad> {
        let mut wanted = Vec::new();
        for (at, name) in names.iter().enumerate() {
            match FLAGS.iter().find(|(_, short, _)| short == name) {
                Some((_, short, _)) => wanted.push(*short),
                None if NEVER_RAISED.contains(&name.as_str()) => {}
                None => {
                    let why = format!("{name:?} is no response flag");
                    return Err(Bad::new(format!("flags[{at}]"), why));
                }
            }
        }
        Ok(Self::Flags(wanted, names.is_empty()))
    }

    pub(super) fn passes(&self, facts: &Facts<'_>, dice: &mut Dice) -> bool {
        match self {
            Self::Always(passes) => *passes,
            Self::Status(comparison) => comparison.holds(facts.status.into()),
            Self::Milliseconds(comparison) => {
                facts.times.ended.is_some_and(|time| comparison.holds(millis(time)))
            }
            Self::Share { share, of_request } => {
                let own = facts.head.filter(|_| *of_request).and_then(number_of_id);
                share.holds(own.unwrap_or_else(|| dice.roll()))
            }
            Self::And(filters) => filters.iter().all(|filter| filter.passes(facts, dice)),
            Self::Or(filters) => filters.iter().any(|filter| filter.passes(facts, dice)),
            Self::Header(matcher) => matcher.matches(facts.head.unwrap_or(&Head::default())),
            Self::Flags(_, true) => !facts.flags.is_empty(),
            Self::Flags(wanted, false) => {
                facts.flags.names().any(|(short, _)| wanted.contains(&short))
            }
            Self::Grpc { statuses, exclude } => {
                // Whoever has no status at all is of none that could be asked for.
                let status = facts.grpc_status().unwrap_or(2);
                statuses.contains(&status) != *exclude
            }
            Self::Kinds { kinds, exclude } => kinds.contains(&facts.kind.name().1) != *exclude,
        }
    }
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The number in the first digits of a request's id: all proxies on its way take the same share.
fn number_of_id(head: &Head<'_>) -> Option<u64> {
    let id = head.header("x-request-id")?.get(..8)?;
    u64::from_str_radix(std::str::from_utf8(id).ok()?, 16).ok()
}
