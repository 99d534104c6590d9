//! Clusters whose hosts are the names that requests bring. Spec: Envoy, "HTTP dynamic forward proxy".

use std::time::Duration;

use xds::{cluster::cluster::CustomClusterType, dynamic as proto};

use crate::{
    cluster::{DnsFamily, compile::dns_family},
    compile::{Bad, Within as _, refuse, timeout, unpack},
};

/// How names are looked up and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// So many are known at once; a request for another one is refused.
    pub most: usize,
    /// How long one is kept that nobody asks for.
    pub ttl: Duration,
    pub(crate) family: DnsFamily,
    pub(crate) refresh: Duration,
    pub(crate) failure_refresh: Duration,
}

impl Names {
    /// Reads the type of a cluster; `None` for one that is not of this kind.
    pub(crate) fn of_cluster(kind: &CustomClusterType) -> Result<Option<Self>, Bad> {
        use proto::cluster_config::ClusterImplementationSpecifier as How;
        let Some(config) = &kind.typed_config else { return Ok(None) };
        if !config.is::<proto::ClusterConfig>() {
            return Ok(None);
        }
        let config: proto::ClusterConfig = unpack(config)?;
        match &config.cluster_implementation_specifier {
            Some(How::DnsCacheConfig(cache)) => {
                Self::compile(cache).within("dns_cache_config").map(Some)
            }
            Some(How::SubClustersConfig(_)) => Err(Bad::unsupported("sub_clusters_config")),
            None => Err(Bad::new("cluster_implementation_specifier", "is not set")),
        }
    }

    /// Reads a cache. Envoy shares those of one name between filters and clusters; here each cluster has its own.
    pub(crate) fn compile(cache: &proto::DnsCacheConfig) -> Result<Self, Bad> {
        if cache.name.is_empty() {
            return Err(Bad::new("name", "is empty"));
        }
        refuse(&[
            ("disable_dns_refresh_on_failure", cache.disable_dns_refresh_on_failure),
            ("dns_cache_circuit_breaker", cache.dns_cache_circuit_breaker.is_some()),
            ("use_tcp_for_dns_lookups", cache.use_tcp_for_dns_lookups),
            ("dns_resolution_config", cache.dns_resolution_config.is_some()),
            ("preresolve_hostnames", !cache.preresolve_hostnames.is_empty()),
            ("key_value_config", cache.key_value_config.is_some()),
            ("resolved_address_filter", cache.resolved_address_filter.is_some()),
        ])?;
        let refresh = timeout(cache.dns_refresh_rate.as_ref(), "dns_refresh_rate")?;
        let refresh = refresh.unwrap_or(Duration::from_secs(60));
        let after_failure = cache.dns_failure_refresh_rate.as_ref();
        let failure_refresh = timeout(
            after_failure.and_then(|rate| rate.base_interval.as_ref()),
            "dns_failure_refresh_rate.base_interval",
        )?;
        let ttl = timeout(cache.host_ttl.as_ref(), "host_ttl")?;
        let most = cache.max_hosts.unwrap_or(1024);
        if most == 0 {
            return Err(Bad::new("max_hosts", "must be at least 1"));
        }
        Ok(Self {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            ttl: ttl.unwrap_or(Duration::from_secs(300)),
            family: dns_family(cache.dns_lookup_family()),
            refresh,
            failure_refresh: failure_refresh.unwrap_or(refresh),
        })
    }
}

/// The host that a request names, for clusters that look it up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// A name, or an address; without brackets, in lower case.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
}

impl Named {
    /// Reads an authority; without a port it is `port`. `None` when it names nothing.
    #[must_use]
    pub fn read(authority: &str, port: u16) -> Option<Self> {
        let (host, own) = crate::http::split_port(authority);
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = match own {
            None => port,
            Some(own) => own.parse().ok().filter(|own| *own != 0)?,
        };
        (!host.is_empty()).then(|| Self { host: host.to_ascii_lowercase().into(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_names_a_host() {
        let read = |authority| {
            Named::read(authority, 80).map(|named| format!("{} {}", named.host, named.port))
        };
        for (authority, expected) in [
            ("API.example.com", Some("api.example.com 80")),
            ("api.example.com:8080", Some("api.example.com 8080")),
            ("[fd00::1]:81", Some("fd00::1 81")),
            ("10.0.0.1", Some("10.0.0.1 80")),
            ("", None),
            (":80", None),
            ("a:0", None),
            ("a:70000", None),
        ] {
            assert_eq!(read(authority).as_deref(), expected, "{authority}");
        }
    }
}
