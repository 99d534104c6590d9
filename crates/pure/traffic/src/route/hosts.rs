//! Domains of virtual hosts. Spec: Envoy `VirtualHost.domains`.

use crate::{
    compile::{Bad, Map},
    http::split_port,
};

/// Which virtual host serves which domain.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    exact: Map<Box<[u8]>, usize>,
    /// `*.foo.com` as `.foo.com`, the longest first.
    suffixes: Vec<(Box<[u8]>, usize)>,
    /// `foo.*` as `foo.`, the longest first.
    prefixes: Vec<(Box<[u8]>, usize)>,
    any: Option<usize>,
}

/// Authorities up to this length are folded to lower case without the heap; no DNS name is longer.
const STACK_LEN: usize = 264;

impl Domains {
    /// Adds a domain of a virtual host. An error when another host has it already.
    pub(crate) fn insert(&mut self, domain: &str, host: usize) -> Result<(), Bad> {
        let folded = domain.to_ascii_lowercase();
        let taken = if folded == "*" {
            self.any.replace(host).is_some()
        } else if let Some(suffix) = folded.strip_prefix('*') {
            insert(&mut self.suffixes, suffix, host)
        } else if let Some(prefix) = folded.strip_suffix('*') {
            insert(&mut self.prefixes, prefix, host)
        } else if folded.is_empty() {
            return Err(Bad::new("domains", "holds an empty domain"));
        } else {
            self.exact.insert(folded.as_bytes().into(), host).is_some()
        };
        if taken {
            return Err(Bad::new(
                "domains",
                format!("{domain:?} is there twice; each may be once"),
            ));
        }
        Ok(())
    }

    /// Puts the longest wildcards first.
    pub(crate) fn finish(&mut self) {
        let longest_first = |list: &mut Vec<(Box<[u8]>, usize)>| {
            list.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        };
        longest_first(&mut self.suffixes);
        longest_first(&mut self.prefixes);
    }

    /// The virtual host of an authority.
    pub(crate) fn find(&self, authority: &str, ignore_port: bool) -> Option<usize> {
        if self.exact.is_empty() && self.suffixes.is_empty() && self.prefixes.is_empty() {
            return self.any;
        }
        let host = if ignore_port { split_port(authority).0 } else { authority };
        let bytes = host.as_bytes();
        if !bytes.iter().any(u8::is_ascii_uppercase) {
            return self.find_folded(bytes);
        }
        let mut stack = [0; STACK_LEN];
        match stack.get_mut(..bytes.len()) {
            Some(folded) => {
                folded.copy_from_slice(bytes);
                folded.make_ascii_lowercase();
                self.find_folded(folded)
            }
            None => self.find_folded(&bytes.to_ascii_lowercase()),
        }
    }

    fn find_folded(&self, host: &[u8]) -> Option<usize> {
        if let Some(found) = self.exact.get(host) {
            return Some(*found);
        }
        // A wildcard stands for at least one character.
        let wild = |list: &[(Box<[u8]>, usize)], matches: fn(&[u8], &[u8]) -> bool| {
            list.iter()
                .find(|(part, _)| part.len() < host.len() && matches(host, part))
                .map(|(_, found)| *found)
        };
        wild(&self.suffixes, <[u8]>::ends_with)
            .or_else(|| wild(&self.prefixes, <[u8]>::starts_with))
            .or(self.any)
    }
}

/// Adds to a list of wildcards; true when it was there.
fn insert(list: &mut Vec<(Box<[u8]>, usize)>, part: &str, host: usize) -> bool {
    let taken = list.iter().any(|(other, _)| **other == *part.as_bytes());
    list.push((part.as_bytes().into(), host));
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAINS: [&str; 7] =
        ["a.example.com", "*.example.com", "*.a.example.com", "api.*", "api.v1.*", "*", "b:8080"];

    fn domains() -> Domains {
        let mut domains = Domains::default();
        for (at, domain) in DOMAINS.iter().enumerate() {
            domains.insert(domain, at).unwrap();
        }
        domains.finish();
        domains
    }

    #[test]
    fn the_most_specific_domain_wins() {
        for (host, ignore_port, expected) in [
            ("a.example.com", false, "a.example.com"),
            ("A.Example.COM", false, "a.example.com"),
            ("b.example.com", false, "*.example.com"),
            ("x.a.example.com", false, "*.a.example.com"),
            (".example.com", false, "*"),
            ("example.com", false, "*"),
            ("api.foo", false, "api.*"),
            ("api.v1.foo", false, "api.v1.*"),
            ("api.example.com", false, "*.example.com"),
            ("a.example.com:80", false, "*"),
            ("a.example.com:80", true, "a.example.com"),
            ("b:8080", false, "b:8080"),
            ("b:8080", true, "*"),
        ] {
            let found = domains().find(host, ignore_port).map(|at| DOMAINS[at]);
            assert_eq!(found, Some(expected), "{host} {ignore_port}");
        }
    }

    #[test]
    fn a_domain_may_be_there_once() {
        let mut domains = domains();
        for domain in ["A.example.com", "*", "*.example.com", "api.*", ""] {
            assert!(domains.insert(domain, 9).is_err(), "{domain}");
        }
    }

    #[test]
    fn without_a_catch_all_a_stranger_finds_nothing() {
        let mut domains = Domains::default();
        domains.insert("a", 0).unwrap();
        assert_eq!(domains.find("b", false), None);
    }
}
