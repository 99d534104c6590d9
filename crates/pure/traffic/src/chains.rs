//! Which filter chain serves a connection. Spec: Envoy `FilterChainMatch`.

use std::{cmp::Reverse, net::IpAddr};

use ipnet::IpNet;
use xds::listener as proto;

use crate::{
    compile::{Bad, Within as _, cidr, refuse},
    detect::Detected,
    peer::Peer,
};

/// What a connection must be like for a chain. An empty list asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChainMatch {
    port: Option<u16>,
    destinations: Vec<IpNet>,
    /// Whole names, or `.example.com` for `*.example.com`.
    server_names: Vec<Box<str>>,
    transport: Box<str>,
    applications: Vec<Box<str>>,
    direct_sources: Vec<IpNet>,
    source_type: SourceType,
    sources: Vec<IpNet>,
    source_ports: Vec<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SourceType {
    #[default]
    Any,
    Local,
    External,
}

/// How well one criterion fits; the least is the best, and `None` is not at all.
type Fit = Option<Reverse<usize>>;

/// One criterion.
type Criterion = fn(&ChainMatch, &Peer, &Detected) -> Fit;

/// A chain that asks nothing fits worst.
const ANY: Fit = Some(Reverse(usize::MAX));

/// The criteria in Envoy's order. Each narrows the chains down to those that fit best, and is never gone back on.
const CRITERIA: [Criterion; 9] = [
    |wanted, peer, _| match wanted.port {
        None => ANY,
        Some(port) => (port == peer.destination.port()).then_some(Reverse(0)),
    },
    |wanted, peer, _| longest_prefix(&wanted.destinations, peer.destination.ip()),
    |wanted, _, detected| server_name(&wanted.server_names, detected.server_name()),
    |wanted, _, detected| {
        if wanted.transport.is_empty() {
            return ANY;
        }
        (*wanted.transport == *detected.transport()).then_some(Reverse(0))
    },
    |wanted, _, detected| {
        if wanted.applications.is_empty() {
            return ANY;
        }
        let offers = |protocol: &str| wanted.applications.iter().any(|name| **name == *protocol);
        detected.applications().position(offers).map(Reverse)
    },
    |wanted, peer, _| longest_prefix(&wanted.direct_sources, peer.source.ip()),
    |wanted, peer, _| {
        let is_local = peer.source.ip() == peer.destination.ip() || peer.source.ip().is_loopback();
        match wanted.source_type {
            SourceType::Any => ANY,
            SourceType::Local => is_local.then_some(Reverse(0)),
            SourceType::External => (!is_local).then_some(Reverse(0)),
        }
    },
    |wanted, peer, _| longest_prefix(&wanted.sources, peer.source.ip()),
    |wanted, peer, _| {
        if wanted.source_ports.is_empty() {
            return ANY;
        }
        wanted.source_ports.contains(&peer.source.port()).then_some(Reverse(0))
    },
];

impl ChainMatch {
    pub(crate) fn compile(wanted: Option<&proto::FilterChainMatch>) -> Result<Self, Bad> {
        use proto::filter_chain_match::ConnectionSourceType as Source;
        let Some(wanted) = wanted else { return Ok(Self::default()) };
        refuse(&[
            ("address_suffix", !wanted.address_suffix.is_empty()),
            ("suffix_len", wanted.suffix_len.is_some()),
        ])?;
        let port = |port: u32, field: &str| {
            u16::try_from(port).map_err(|_| Bad::new(field, "is above 65535"))
        };
        let mut server_names = Vec::with_capacity(wanted.server_names.len());
        for (at, name) in wanted.server_names.iter().enumerate() {
            let name = name.strip_prefix('*').unwrap_or(name).to_ascii_lowercase();
            if name.contains('*') {
                let why = format!("{name:?} has a wildcard that is not at its front");
                return Err(Bad::new(format!("server_names[{at}]"), why));
            }
            server_names.push(name.into());
        }
        let source_ports = wanted.source_ports.iter().map(|p| port(*p, "source_ports"));
        let destination_port = wanted.destination_port.map(|p| port(p, "destination_port"));
        Ok(Self {
            port: destination_port.transpose()?,
            destinations: ranges(&wanted.prefix_ranges, "prefix_ranges")?,
            server_names,
            transport: wanted.transport_protocol.as_str().into(),
            applications: wanted
                .application_protocols
                .iter()
                .map(|protocol| protocol.as_str().into())
                .collect(),
            direct_sources: ranges(
                &wanted.direct_source_prefix_ranges,
                "direct_source_prefix_ranges",
            )?,
            source_type: match wanted.source_type() {
                Source::Any => SourceType::Any,
                Source::SameIpOrLoopback => SourceType::Local,
                Source::External => SourceType::External,
            },
            sources: ranges(&wanted.source_prefix_ranges, "source_prefix_ranges")?,
            source_ports: source_ports.collect::<Result<_, _>>()?,
        })
    }
}

/// The place of the chain that serves a connection.
pub(crate) fn find(chains: &[ChainMatch], peer: &Peer, detected: &Detected) -> Option<usize> {
    let mut left: Vec<usize> = (0..chains.len()).collect();
    for criterion in CRITERIA {
        let fits: Vec<(Reverse<usize>, usize)> = left
            .iter()
            .filter_map(|at| Some((criterion(&chains[*at], peer, detected)?, *at)))
            .collect();
        let best = fits.iter().map(|(fit, _)| *fit).max()?;
        left.clear();
        left.extend(fits.iter().filter(|(fit, _)| *fit == best).map(|(_, at)| *at));
    }
    left.first().copied()
}

fn ranges(ranges: &[xds::core::CidrRange], field: &str) -> Result<Vec<IpNet>, Bad> {
    ranges.iter().enumerate().map(|(at, range)| cidr(range).within_item(field, at)).collect()
}

/// The longest range that holds the address is the best fit.
fn longest_prefix(ranges: &[IpNet], address: IpAddr) -> Fit {
    if ranges.is_empty() {
        return ANY;
    }
    let longest =
        ranges.iter().filter(|net| net.contains(&address)).map(IpNet::prefix_len).max()?;
    Some(Reverse(usize::from(u8::MAX - longest)))
}

/// The whole name is the best fit, then the longest suffix.
fn server_name(wanted: &[Box<str>], name: Option<&str>) -> Fit {
    if wanted.is_empty() {
        return ANY;
    }
    let name = name?;
    let fits = wanted.iter().filter_map(|wanted| {
        let is_suffix = wanted.starts_with('.');
        if !is_suffix {
            return (**wanted == *name).then_some(0);
        }
        (wanted.len() < name.len() && name.ends_with(&**wanted)).then(|| name.len() - wanted.len())
    });
    fits.min().map(Reverse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::ClientHello;

    fn peer(destination: &str) -> Peer {
        Peer::new("10.0.0.9:4000".parse().unwrap(), destination.parse().unwrap())
    }

    fn tls(name: &str, alpn: &[&str]) -> Detected {
        Detected::Tls(ClientHello {
            server_name: (!name.is_empty()).then(|| name.to_owned()),
            alpn: alpn.iter().map(|protocol| (*protocol).to_owned()).collect(),
        })
    }

    fn wanted(change: impl FnOnce(&mut proto::FilterChainMatch)) -> ChainMatch {
        let mut wanted = proto::FilterChainMatch::default();
        change(&mut wanted);
        ChainMatch::compile(Some(&wanted)).unwrap()
    }

    fn range(prefix: &str, len: u32) -> xds::core::CidrRange {
        xds::core::CidrRange { address_prefix: prefix.into(), prefix_len: Some(len) }
    }

    #[test]
    fn the_port_comes_first_and_is_not_gone_back_on() {
        let chains = [
            wanted(|m| m.destination_port = Some(80)),
            wanted(|m| m.transport_protocol = "raw_buffer".into()),
            wanted(|m| {
                m.destination_port = Some(81);
                m.transport_protocol = "tls".into();
            }),
        ];
        let find = |to: &str, detected| find(&chains, &peer(to), &detected);
        assert_eq!(find("1.1.1.1:80", Detected::Opaque), Some(0));
        assert_eq!(find("1.1.1.1:82", Detected::Opaque), Some(1));
        assert_eq!(find("1.1.1.1:81", Detected::Opaque), None);
        assert_eq!(find("1.1.1.1:81", tls("", &[])), Some(2));
    }

    #[test]
    fn the_longest_range_wins() {
        let chains = [
            wanted(|m| m.prefix_ranges = vec![range("10.0.0.0", 8)]),
            wanted(|m| m.prefix_ranges = vec![range("10.1.0.0", 16), range("10.2.0.0", 16)]),
            wanted(|_| ()),
        ];
        let find = |to| find(&chains, &peer(to), &Detected::Opaque);
        assert_eq!(find("10.9.0.1:1"), Some(0));
        assert_eq!(find("10.2.0.1:1"), Some(1));
        assert_eq!(find("11.0.0.1:1"), Some(2));
    }

    #[test]
    fn server_names_by_exactness() {
        let chains = [
            wanted(|m| m.server_names = vec!["*.com".into()]),
            wanted(|m| m.server_names = vec!["*.example.com".into()]),
            wanted(|m| m.server_names = vec!["a.example.com".into()]),
            wanted(|_| ()),
        ];
        let find = |name| find(&chains, &peer("1.1.1.1:443"), &tls(name, &[]));
        assert_eq!(find("a.example.com"), Some(2));
        assert_eq!(find("b.example.com"), Some(1));
        assert_eq!(find("b.c.example.com"), Some(1));
        assert_eq!(find("example.com"), Some(0));
        assert_eq!(find("example.org"), Some(3));
        assert_eq!(find(""), Some(3));
    }

    #[test]
    fn application_protocols_in_the_clients_order() {
        let chains = [
            wanted(|m| m.application_protocols = vec!["http/1.1".into()]),
            wanted(|m| m.application_protocols = vec!["istio".into(), "h2".into()]),
            wanted(|m| m.transport_protocol = "tls".into()),
            wanted(|m| m.application_protocols = vec!["h2c".into()]),
        ];
        let find = |detected| find(&chains, &peer("1.1.1.1:443"), &detected);
        assert_eq!(find(Detected::Http11), Some(0));
        assert_eq!(find(Detected::Http2), Some(3));
        assert_eq!(find(tls("", &["h2", "http/1.1"])), Some(2));
    }

    #[test]
    fn sources_are_told_apart() {
        let chains = [
            wanted(|m| m.source_type = 1),
            wanted(|m| m.source_type = 2),
            wanted(|m| {
                m.source_type = 2;
                m.source_prefix_ranges = vec![range("10.0.0.0", 24)];
                m.source_ports = vec![4000];
            }),
        ];
        let find = |from: &str, to: &str| {
            let peer = Peer::new(from.parse().unwrap(), to.parse().unwrap());
            find(&chains, &peer, &Detected::Opaque)
        };
        assert_eq!(find("127.0.0.1:5", "1.1.1.1:1"), Some(0));
        assert_eq!(find("1.1.1.1:5", "1.1.1.1:1"), Some(0));
        assert_eq!(find("2.2.2.2:5", "1.1.1.1:1"), Some(1));
        assert_eq!(find("10.0.0.1:4000", "1.1.1.1:1"), Some(2));
        assert_eq!(find("10.0.0.1:4001", "1.1.1.1:1"), None);
    }

    #[test]
    fn what_does_not_read_is_refused() {
        let bad =
            proto::FilterChainMatch { server_names: vec!["a.*.com".into()], ..Default::default() };
        assert!(ChainMatch::compile(Some(&bad)).is_err());
    }
}
