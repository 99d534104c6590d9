//! What reading a configuration needs everywhere: errors that name the field, durations, fractions, addresses.

use std::{
    fmt::Display,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;
use regex::bytes::Regex;
use xds::{core, kind, wkt};

/// Why a part of a resource cannot be used. The field is a path from the part that was read.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) field: String,
    pub(crate) why: String,
}

impl Bad {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }

    /// A part that we know but do not do.
    pub(crate) fn unsupported(field: impl Into<String>) -> Self {
        Self::new(field, "is not supported by this proxy; remove it")
    }

    /// The same error, seen from one level further out.
    pub(crate) fn within(mut self, outer: impl Display) -> Self {
        let dot = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{outer}{dot}{}", self.field);
        self
    }
}

/// Adds the outer path to an error.
pub(crate) trait Within<T> {
    fn within(self, outer: impl Display) -> Result<T, Bad>;
    fn within_item(self, list: &str, at: usize) -> Result<T, Bad>;
}

impl<T> Within<T> for Result<T, Bad> {
    fn within(self, outer: impl Display) -> Self {
        self.map_err(|bad| bad.within(outer))
    }

    fn within_item(self, list: &str, at: usize) -> Self {
        self.map_err(|bad| bad.within(format_args!("{list}[{at}]")))
    }
}

/// Refuses the first of these fields that is set.
pub(crate) fn refuse(fields: &[(&str, bool)]) -> Result<(), Bad> {
    match fields.iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) => Err(Bad::unsupported(*field)),
        None => Ok(()),
    }
}

/// Unpacks a typed configuration.
pub(crate) fn unpack<M: xds::Named + Default>(any: &wkt::Any) -> Result<M, Bad> {
    any.unpack().map_err(|error| Bad::new("typed_config", error.to_string()))
}

/// A duration that is not negative.
pub(crate) fn duration(
    value: Option<&wkt::Duration>,
    field: &str,
) -> Result<Option<Duration>, Bad> {
    let Some(value) = value else { return Ok(None) };
    let seconds = u64::try_from(value.seconds);
    let nanos = u32::try_from(value.nanos);
    match (seconds, nanos) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => {
            Ok(Some(Duration::new(seconds, nanos)))
        }
        _ => Err(Bad::new(field, "is not a duration of zero or more")),
    }
}

/// A timeout, where zero and absent both mean that there is none.
pub(crate) fn timeout(value: Option<&wkt::Duration>, field: &str) -> Result<Option<Duration>, Bad> {
    Ok(duration(value, field)?.filter(|timeout| !timeout.is_zero()))
}

/// A share of events, as Envoy counts it: `random % denominator < numerator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fraction {
    pub(crate) numerator: u64,
    pub(crate) denominator: u64,
}

impl Fraction {
    pub(crate) const ALL: Self = Self { numerator: 1, denominator: 1 };
    pub(crate) const NONE: Self = Self { numerator: 0, denominator: 1 };

    pub(crate) fn of(percent: &kind::FractionalPercent) -> Self {
        let denominator = match percent.denominator {
            1 => 10_000,
            2 => 1_000_000,
            _ => 100,
        };
        Self { numerator: percent.numerator.into(), denominator }
    }

    /// The fraction of a runtime value: its default, since we have no runtime layers.
    pub(crate) fn of_runtime(value: &core::RuntimeFractionalPercent) -> Self {
        value.default_value.as_ref().map_or(Self::ALL, Self::of)
    }

    /// The same share, or this one where it is less.
    pub(crate) fn up_to(self, numerator: u32) -> Self {
        Self { numerator: self.numerator.min(numerator.into()), ..self }
    }

    pub(crate) const fn holds(self, random: u64) -> bool {
        random % self.denominator < self.numerator
    }
}

/// A regular expression that has to match the whole text.
pub(crate) fn full_regex(pattern: &str) -> Result<Regex, Bad> {
    Regex::new(&format!(r"\A(?:{pattern})\z"))
        .map_err(|error| Bad::new("regex", format!("{pattern:?} does not compile: {error}")))
}

/// A regular expression that may match anywhere.
pub(crate) fn part_regex(pattern: &str) -> Result<Regex, Bad> {
    Regex::new(pattern)
        .map_err(|error| Bad::new("regex", format!("{pattern:?} does not compile: {error}")))
}

/// A substitution of RE2 (`\1`, `\\`) in the words of the regex crate (`${1}`, `$$`).
pub(crate) fn substitution(text: &str) -> Result<Vec<u8>, Bad> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some('\\') => out.push('\\'),
                _ => {
                    return Err(Bad::new(
                        "substitution",
                        format!("{text:?} has a stray backslash"),
                    ));
                }
            },
            c => out.push(c),
        }
    }
    Ok(out.into_bytes())
}

/// An expression and what each of its matches becomes. A substitution with a group that the expression does not have
/// changes nothing, as with RE2.
pub(crate) fn replacement(pattern: &str, text: &str) -> Result<(Regex, Box<[u8]>), Bad> {
    let regex = part_regex(pattern).within("pattern")?;
    let replaced = substitution(text)?;
    let mut most = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            most = most.max(chars.next().and_then(|digit| digit.to_digit(10)).unwrap_or(0));
        }
    }
    if usize::try_from(most).is_ok_and(|most| most >= regex.captures_len()) {
        return Ok((part_regex(r"[^\s\S]")?, replaced.into()));
    }
    Ok((regex, replaced.into()))
}

/// A CIDR range.
pub(crate) fn cidr(range: &core::CidrRange) -> Result<IpNet, Bad> {
    let address: IpAddr = range.address_prefix.parse().map_err(|_| {
        Bad::new("address_prefix", format!("{:?} is not an IP address", range.address_prefix))
    })?;
    let len = u8::try_from(range.prefix_len.unwrap_or(0)).unwrap_or(u8::MAX);
    IpNet::new(address, len)
        .map(|net| net.trunc())
        .map_err(|_| Bad::new("prefix_len", format!("{len} is too long for {address}")))
}

/// Host text and port of a socket address.
pub(crate) fn host_port(address: Option<&core::Address>) -> Result<(&str, u16), Bad> {
    use core::{address::Address, socket_address::PortSpecifier};
    let Some(Address::SocketAddress(socket)) = address.and_then(|a| a.address.as_ref()) else {
        return Err(Bad::new("address", "is not a socket address; only TCP is supported"));
    };
    if socket.protocol != 0 {
        return Err(Bad::unsupported("address.socket_address.protocol"));
    }
    let port = match &socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) => u16::try_from(*port)
            .map_err(|_| Bad::new("address.socket_address.port_value", "is above 65535"))?,
        Some(PortSpecifier::NamedPort(_)) => {
            return Err(Bad::unsupported("address.socket_address.named_port"));
        }
        None => 0,
    };
    Ok((&socket.address, port))
}

/// An address whose host is an IP.
pub(crate) fn socket_address(address: Option<&core::Address>) -> Result<SocketAddr, Bad> {
    let (host, port) = host_port(address)?;
    let ip: IpAddr = host.parse().map_err(|_| {
        Bad::new("address.socket_address.address", format!("{host:?} is not an IP address"))
    })?;
    Ok(SocketAddr::new(ip, port))
}

/// Whether a transport socket changes nothing.
pub(crate) fn is_plain(socket: Option<&core::TransportSocket>) -> bool {
    use core::transport_socket::ConfigType;
    socket.is_none_or(|socket| {
        socket.name == "envoy.transport_sockets.raw_buffer"
            || matches!(&socket.config_type, Some(ConfigType::TypedConfig(any))
                if any.type_name() == "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")
    })
}

/// A map with a hasher that is quick, and the same in every run.
pub(crate) type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_whole_path() {
        let bad = Bad::new("regex", "x").within("safe_regex").within("routes[2]");
        assert_eq!(bad.field, "routes[2].safe_regex.regex");
        assert_eq!(Bad::new("[1]", "x").within("a").field, "a[1]");
    }

    #[test]
    fn substitutions_change_language() {
        assert_eq!(substitution(r"/\1/$x\\").unwrap(), br"/${1}/$$x\");
        assert!(substitution(r"\x").is_err());
    }

    #[test]
    fn a_group_that_is_not_there_changes_nothing() {
        let replaced = |pattern, text| {
            let (regex, text) = replacement(pattern, text).unwrap();
            String::from_utf8(regex.replace_all(b"/ab", &*text).into_owned()).unwrap()
        };
        assert_eq!(replaced("a", r"<\0>"), "/<a>b");
        assert_eq!(replaced("(a)", r"<\1>"), "/<a>b");
        assert_eq!(replaced("a", r"<\1>"), "/ab");
    }

    #[test]
    fn fractions_count_as_envoy_does() {
        let half = Fraction { numerator: 50, denominator: 100 };
        assert!(half.holds(149));
        assert!(!half.holds(150));
        assert!(Fraction::ALL.holds(u64::MAX));
        assert!(!Fraction::NONE.holds(0));
    }

    #[test]
    fn regexes_match_the_whole_text() {
        let regex = full_regex("a|b+").unwrap();
        assert!(regex.is_match(b"bb"));
        assert!(!regex.is_match(b"ab"));
        assert!(full_regex("(").is_err());
    }
}
