//! Hash policies: which requests belong to the same host. Spec: Envoy `RouteAction.HashPolicy`.

use std::net::{IpAddr, SocketAddr};

use regex::bytes::Regex;
use xds::route::route_action as proto;
use xxhash_rust::xxh64::xxh64;

use crate::{
    compile::{Bad, Within as _, duration, replacement},
    head::Head,
    matcher::query_parameter,
};

/// One part of a route's hash.
#[derive(Clone, Debug)]
pub(crate) struct HashPolicy {
    source: Source,
    terminal: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Header { name: Box<str>, rewrite: Option<(Regex, Box<[u8]>)> },
    Cookie(Cookie),
    RemoteAddress,
    Query(Box<str>),
}

#[derive(Clone, Debug)]
struct Cookie {
    name: Box<str>,
    /// What follows the value in `set-cookie`; `None` when the proxy does not make cookies.
    attributes: Option<Box<str>>,
}

/// Who sent the request, for policies that look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    /// The address past trusted proxies.
    pub(crate) remote: IpAddr,
    /// Both ends of the connection.
    pub(crate) connection: (SocketAddr, SocketAddr),
}

impl HashPolicy {
    pub(crate) fn compile(policy: &proto::HashPolicy) -> Result<Self, Bad> {
        use proto::hash_policy::PolicySpecifier;
        let source = match &policy.policy_specifier {
            Some(PolicySpecifier::Header(header)) => {
                let rewrite = match &header.regex_rewrite {
                    Some(rewrite) => {
                        let pattern = rewrite.pattern.as_ref().map_or("", |p| p.regex.as_str());
                        let made = replacement(pattern, &rewrite.substitution);
                        Some(made.within("header.regex_rewrite")?)
                    }
                    None => None,
                };
                Source::Header { name: header.header_name.to_ascii_lowercase().into(), rewrite }
            }
            Some(PolicySpecifier::Cookie(cookie)) => Source::Cookie(Cookie::compile(cookie)?),
            Some(PolicySpecifier::ConnectionProperties(properties)) => {
                if !properties.source_ip {
                    return Err(Bad::new("connection_properties.source_ip", "must be true"));
                }
                Source::RemoteAddress
            }
            Some(PolicySpecifier::QueryParameter(query)) => {
                Source::Query(query.name.as_str().into())
            }
            Some(PolicySpecifier::FilterState(_)) => return Err(Bad::unsupported("filter_state")),
            None => return Err(Bad::new("policy_specifier", "is not set")),
        };
        Ok(Self { source, terminal: policy.terminal })
    }

    /// The hash of this part, if the request has what it looks at, and a cookie that has to be set for it.
    fn evaluate(&self, head: &Head<'_>, sender: &Sender) -> (Option<u64>, Option<String>) {
        match &self.source {
            Source::Header { name, rewrite } => (hash_header(head, name, rewrite.as_ref()), None),
            Source::RemoteAddress => (Some(xxh64(sender.remote.to_string().as_bytes(), 0)), None),
            Source::Query(name) => {
                (query_parameter(head.query(), name).map(|v| xxh64(v.as_bytes(), 0)), None)
            }
            Source::Cookie(cookie) => {
                if let Some(value) = cookie_value(head, &cookie.name) {
                    return (Some(xxh64(value, 0)), None);
                }
                let Some(attributes) = &cookie.attributes else { return (None, None) };
                // Requests that race on one connection get one cookie, so the value is made of the connection's ends.
                let (source, destination) = sender.connection;
                let ends = format!("{source}{destination}");
                let value = format!("{:016x}", xxh64(ends.as_bytes(), 0));
                let hash = xxh64(value.as_bytes(), 0);
                (Some(hash), Some(format!("{}=\"{value}\"{attributes}", cookie.name)))
            }
        }
    }
}

impl Cookie {
    fn compile(cookie: &proto::hash_policy::Cookie) -> Result<Self, Bad> {
        let ttl = duration(cookie.ttl.as_ref(), "cookie.ttl")?;
        let attributes = ttl.map(|ttl| {
            let mut text = String::new();
            if !ttl.is_zero() {
                text.push_str(&format!("; Max-Age={}", ttl.as_secs()));
            }
            if !cookie.path.is_empty() {
                text.push_str(&format!("; Path={}", cookie.path));
            }
            for attribute in &cookie.attributes {
                let value = &attribute.value;
                let equals = if value.is_empty() { "" } else { "=" };
                text.push_str(&format!("; {}{equals}{value}", attribute.name));
            }
            text.push_str("; HttpOnly");
            text.into()
        });
        Ok(Self { name: cookie.name.as_str().into(), attributes })
    }
}

/// The hash of a request by all policies, and the cookie that the response has to set.
pub(crate) fn hash(
    policies: &[HashPolicy],
    head: &Head<'_>,
    sender: &Sender,
) -> (Option<u64>, Option<String>) {
    let mut hash: Option<u64> = None;
    let mut set_cookie = None;
    for policy in policies {
        let (part, cookie) = policy.evaluate(head, sender);
        set_cookie = cookie.or(set_cookie);
        if let Some(part) = part {
            // The old value is turned, so that two equal parts do not cancel each other.
            hash = Some(hash.map_or(0, |old| old.rotate_left(1)) ^ part);
        }
        if policy.terminal && hash.is_some() {
            break;
        }
    }
    (hash, set_cookie)
}

fn hash_header(head: &Head<'_>, name: &str, rewrite: Option<&(Regex, Box<[u8]>)>) -> Option<u64> {
    let first = head.header(name)?;
    if rewrite.is_none() && head.values(name).nth(1).is_none() {
        return Some(xxh64(first, 0));
    }
    let mut values: Vec<Vec<u8>> = head.values(name).map(<[u8]>::to_vec).collect();
    if values.is_empty() {
        values.push(first.to_vec());
    }
    if let Some((regex, text)) = rewrite {
        for value in &mut values {
            *value = regex.replace_all(value, &**text).into_owned();
        }
    }
    values.sort();
    Some(values.iter().fold(0, |seed, value| xxh64(value, seed)))
}

/// The value of a cookie, without quotes around it.
fn cookie_value<'a>(head: &Head<'a>, name: &str) -> Option<&'a [u8]> {
    head.values("cookie").flat_map(|value| value.split(|byte| *byte == b';')).find_map(|pair| {
        let value = pair.trim_ascii_start().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        let value = value.trim_ascii_end();
        let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        Some(unquoted.unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use proto::hash_policy::{ConnectionProperties, Header, PolicySpecifier, QueryParameter};
    use xds::wkt;

    use super::*;
    use crate::head;

    fn policy(specifier: PolicySpecifier, terminal: bool) -> HashPolicy {
        let policy = proto::HashPolicy { policy_specifier: Some(specifier), terminal };
        HashPolicy::compile(&policy).unwrap()
    }

    fn header(name: &str) -> PolicySpecifier {
        PolicySpecifier::Header(Header { header_name: name.into(), regex_rewrite: None })
    }

    fn cookie(ttl: Option<i64>) -> PolicySpecifier {
        PolicySpecifier::Cookie(proto::hash_policy::Cookie {
            name: "user".into(),
            ttl: ttl.map(|seconds| wkt::Duration { seconds, nanos: 0 }),
            path: "/app".into(),
            attributes: Vec::new(),
        })
    }

    fn run(policies: &[HashPolicy], headers: &[(&str, &str)]) -> (Option<u64>, Option<String>) {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| head::Header { name, value: value.as_bytes() })
            .collect();
        let head = Head { path: "/?id=7&id=8", headers: &headers, ..Head::default() };
        let source = "10.0.0.1:4000".parse().unwrap();
        let destination = "10.0.0.2:80".parse().unwrap();
        let sender =
            Sender { remote: "1.2.3.4".parse().unwrap(), connection: (source, destination) };
        hash(policies, &head, &sender)
    }

    #[test]
    fn every_source_hashes_with_xxh64() {
        let ip = PolicySpecifier::ConnectionProperties(ConnectionProperties { source_ip: true });
        let query = PolicySpecifier::QueryParameter(QueryParameter { name: "id".into() });
        let h = |text: &str| Some(xxh64(text.as_bytes(), 0));
        assert_eq!(run(&[policy(header("X-User"), false)], &[("x-user", "a")]).0, h("a"));
        assert_eq!(run(&[policy(header("x-user"), false)], &[]).0, None);
        assert_eq!(run(&[policy(ip, false)], &[]).0, h("1.2.3.4"));
        assert_eq!(run(&[policy(query, false)], &[]).0, h("7"));
        assert_eq!(run(&[policy(cookie(None), false)], &[("cookie", "a=b; user=x")]).0, h("x"));
        assert_eq!(run(&[policy(cookie(None), false)], &[("cookie", "a=b")]).0, None);
    }

    #[test]
    fn a_cookie_with_ttl_is_made() {
        let (hash, set) = run(&[policy(cookie(Some(60)), false)], &[]);
        let set = set.unwrap();
        let value = set.strip_prefix("user=\"").unwrap().split('"').next().unwrap();
        assert_eq!(hash, Some(xxh64(value.as_bytes(), 0)));
        assert!(set.ends_with("; Max-Age=60; Path=/app; HttpOnly"), "{set}");
        let brought = format!("user=\"{value}\"");
        let again = run(&[policy(cookie(Some(60)), false)], &[("cookie", &brought)]);
        assert_eq!(again, (hash, None));
    }

    #[test]
    fn a_session_cookie_has_no_age() {
        let (_, set) = run(&[policy(cookie(Some(0)), false)], &[]);
        assert!(!set.unwrap().contains("Max-Age"));
    }

    #[test]
    fn parts_are_combined_until_a_terminal_one() {
        let a = xxh64(b"1", 0);
        let b = xxh64(b"2", 0);
        let both = [("a", "1"), ("b", "2")];
        let open = [policy(header("a"), false), policy(header("b"), false)];
        assert_eq!(run(&open, &both).0, Some(a.rotate_left(1) ^ b));
        let closed = [policy(header("a"), true), policy(header("b"), false)];
        assert_eq!(run(&closed, &both).0, Some(a));
        assert_eq!(run(&closed, &both[1..]).0, Some(b));
    }

    #[test]
    fn several_headers_of_one_name_are_sorted() {
        let one = run(&[policy(header("a"), false)], &[("a", "1"), ("a", "2")]).0;
        let other = run(&[policy(header("a"), false)], &[("a", "2"), ("a", "1")]).0;
        assert_eq!(one, other);
        assert_eq!(one, Some(xxh64(b"2", xxh64(b"1", 0))));
    }
}
