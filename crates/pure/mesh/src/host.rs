//! Host names as Istio reads them: short names, wildcards, and which of two is more specific.

use std::cmp::Ordering;
use std::net::IpAddr;

/// Completes a host written in a rule of `namespace`.
///
/// A name without a dot is a service of the rule's own namespace (never of the caller's).
/// `*`, wildcards, IP addresses and names with a dot are left as they are.
#[must_use]
pub fn resolve(name: &str, namespace: &str, domain: &str) -> String {
    if name.is_empty() || name.contains(['.', '*', ':']) {
        return name.to_ascii_lowercase();
    }
    format!("{}.{namespace}.svc.{domain}", name.to_ascii_lowercase())
}

/// The full name of a Kubernetes Service.
#[must_use]
pub fn service(name: &str, namespace: &str, domain: &str) -> String {
    format!("{name}.{namespace}.svc.{domain}")
}

/// Whether the host is a pattern (`*` or `*.suffix`).
#[must_use]
pub fn is_wildcard(host: &str) -> bool {
    host.starts_with('*')
}

/// Whether the text is an IP address.
#[must_use]
pub fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

/// Reads an address or a network, as address and length of its prefix.
#[must_use]
pub fn network(text: &str) -> Option<ipnet::IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(ipnet::IpNet::from))
}

/// Whether every host of `inner` is also a host of `pattern`.
///
/// `*.foo.com` covers `a.foo.com` and `*.b.foo.com`, not `foo.com`.
#[must_use]
pub fn covers(pattern: &str, inner: &str) -> bool {
    match pattern.strip_prefix('*') {
        None => pattern == inner,
        Some("") => true,
        Some(suffix) => {
            // `*.a.b` holds `*.a.b` itself, and of exact hosts those with something before the dot.
            let wildcard = inner.starts_with('*');
            let inner = inner.strip_prefix('*').unwrap_or(inner);
            inner.ends_with(suffix) && (wildcard || inner.len() > suffix.len())
        }
    }
}

/// Whether two hosts, either of which may be a pattern, have a host in common.
#[must_use]
pub fn overlaps(one: &str, other: &str) -> bool {
    covers(one, other) || covers(other, one)
}

/// Orders hosts from the most to the least specific: exact ones first, then the longest, then
/// alphabetical.
#[must_use]
pub fn by_specificity(one: &str, other: &str) -> Ordering {
    is_wildcard(one)
        .cmp(&is_wildcard(other))
        .then(other.len().cmp(&one.len()))
        .then_with(|| one.cmp(other))
}

/// The most specific of `patterns` that covers `host`, if any.
pub fn most_specific<'a>(
    patterns: impl IntoIterator<Item = &'a str>,
    host: &str,
) -> Option<&'a str> {
    patterns
        .into_iter()
        .filter(|pattern| covers(pattern, host))
        .min_by(|one, other| by_specificity(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_lives_in_the_namespace_of_the_rule() {
        let full = |name| resolve(name, "shop", "cluster.local");
        assert_eq!(full("reviews"), "reviews.shop.svc.cluster.local");
        assert_eq!(full("Reviews"), "reviews.shop.svc.cluster.local");
        assert_eq!(full("reviews.default"), "reviews.default");
        assert_eq!(full("*"), "*");
        assert_eq!(full("10.0.0.1"), "10.0.0.1");
        assert_eq!(full("fd00::1"), "fd00::1");
    }

    #[test]
    fn wildcards_cover_sub_domains_only() {
        let table = [
            ("*.foo.com", "a.foo.com", true),
            ("*.foo.com", "a.b.foo.com", true),
            ("*.foo.com", "foo.com", false),
            ("*.foo.com", "*.foo.com", true),
            ("*.foo.com", "*.b.foo.com", true),
            ("*.b.foo.com", "*.foo.com", false),
            ("*", "anything", true),
            ("*", "*", true),
            ("foo.com", "foo.com", true),
            ("foo.com", "*", false),
            ("*foo.com", "barfoo.com", true),
        ];
        for (pattern, inner, expected) in table {
            assert_eq!(covers(pattern, inner), expected, "{pattern} covers {inner}");
        }
        assert!(overlaps("a.foo.com", "*.foo.com"));
        assert!(!overlaps("a.foo.com", "*.bar.com"));
    }

    #[test]
    fn the_most_specific_host_wins() {
        let hosts = ["*", "*.com", "*.foo.com", "a.foo.com"];
        assert_eq!(most_specific(hosts, "a.foo.com"), Some("a.foo.com"));
        assert_eq!(most_specific(hosts, "b.foo.com"), Some("*.foo.com"));
        assert_eq!(most_specific(hosts, "b.bar.com"), Some("*.com"));
        assert_eq!(most_specific(hosts, "local"), Some("*"));
        assert_eq!(most_specific([], "local"), None);
    }
}
