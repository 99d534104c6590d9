//! Small parts of messages that many places need.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use xds::Named;
use xds::core::{
    Address, AggregatedConfigSource, ApiVersion, CidrRange, ConfigSource, Metadata, Pipe,
    RuntimeFractionalPercent, SocketAddress, address, config_source, socket_address,
};
use xds::kind::{
    FractionalPercent, RegexMatcher, StringMatcher, fractional_percent, string_matcher,
};
use xds::listener::{Filter, filter};
use xds::wkt::{Any, Struct};

use crate::model::Origin;
use crate::model::route::{Share, TextMatch};

pub(super) fn span(duration: Duration) -> Option<xds::wkt::Duration> {
    Some(duration.into())
}

/// An address: of an IP or a name with a port, or of a unix socket, whose path begins with `/` or `@`.
pub(super) fn address(ip: &str, port: u16) -> Option<Address> {
    if ip.starts_with(['/', '@']) {
        let pipe = Pipe { path: ip.to_owned(), ..Pipe::default() };
        return Some(Address { address: Some(address::Address::Pipe(pipe)) });
    }
    let address = socket_address(ip, port);
    Some(Address { address: Some(address::Address::SocketAddress(address)) })
}

pub(super) fn socket_address(ip: &str, port: u16) -> SocketAddress {
    SocketAddress {
        address: ip.to_owned(),
        port_specifier: Some(socket_address::PortSpecifier::PortValue(u32::from(port))),
        ..SocketAddress::default()
    }
}

/// An address or network, as a range.
pub(super) fn range(text: &str) -> Option<CidrRange> {
    let network = crate::host::network(text)?;
    Some(CidrRange {
        address_prefix: network.addr().to_string(),
        prefix_len: Some(u32::from(network.prefix_len())),
    })
}

/// Resources that come by the same stream as this one.
pub(super) fn ads() -> Option<ConfigSource> {
    Some(ConfigSource {
        config_source_specifier: Some(config_source::ConfigSourceSpecifier::Ads(
            AggregatedConfigSource::default(),
        )),
        // Wait as long as it takes: a listener without its routes would answer 404.
        initial_fetch_timeout: span(Duration::ZERO),
        resource_api_version: ApiVersion::V3 as i32,
        ..ConfigSource::default()
    })
}

/// Metadata of one filter, from JSON.
pub(super) fn metadata(filter: &str, value: &Value) -> Metadata {
    let mut filter_metadata = BTreeMap::new();
    if let Value::Object(fields) = value {
        filter_metadata.insert(filter.to_owned(), Struct::from(fields));
    }
    Metadata { filter_metadata, ..Metadata::default() }
}

/// The path of an object, by which telemetry and people name it.
pub(super) fn config_path(kind: &str, origin: &Origin) -> String {
    format!("/apis/networking.istio.io/v1/namespaces/{}/{kind}/{}", origin.namespace, origin.name)
}

pub(super) fn network_filter<M: Named>(name: &str, config: &M) -> Filter {
    Filter {
        name: name.to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(Any::pack(config))),
    }
}

pub(super) fn regex(text: &str) -> RegexMatcher {
    RegexMatcher { regex: text.to_owned(), ..RegexMatcher::default() }
}

/// A matcher of texts; `None` is "whatever it says".
pub(super) fn text(text: &TextMatch) -> Option<StringMatcher> {
    use string_matcher::MatchPattern;
    let pattern = match text {
        TextMatch::Present => return None,
        TextMatch::Exact(text) => MatchPattern::Exact(text.clone()),
        TextMatch::Prefix(text) => MatchPattern::Prefix(text.clone()),
        TextMatch::Regex(text) => MatchPattern::SafeRegex(regex(text)),
    };
    Some(StringMatcher { match_pattern: Some(pattern), ignore_case: false })
}

pub(super) fn fraction(share: Share) -> Option<FractionalPercent> {
    Some(FractionalPercent {
        numerator: share.0,
        denominator: fractional_percent::DenominatorType::Million as i32,
    })
}

pub(super) fn runtime_fraction(share: Share) -> Option<RuntimeFractionalPercent> {
    Some(RuntimeFractionalPercent {
        default_value: fraction(share),
        ..RuntimeFractionalPercent::default()
    })
}

/// The wildcard address of a family.
pub(super) fn any_address(ip: Option<IpAddr>) -> &'static str {
    match ip {
        Some(IpAddr::V6(_)) => "::",
        _ => "0.0.0.0",
    }
}
