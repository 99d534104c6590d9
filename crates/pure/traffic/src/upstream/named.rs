//! Names that requests brought to a cluster: looked up as they come, forgotten when nobody asks for them any more.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{
    cluster::{Endpoint, Named, Names, Place},
    moment::Moment,
    upstream::{Host, Refusal},
};

/// The names that are known.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: BTreeMap<Named, Entry>,
}

/// What is known of one name and port.
#[derive(Debug)]
struct Entry {
    /// `None` until something was heard.
    addresses: Option<Vec<IpAddr>>,
    host: Option<Arc<Host>>,
    asked: Moment,
}

impl Book {
    /// The host of a name; asking makes a name known.
    ///
    /// # Errors
    /// [`Refusal::NotResolved`] while nothing was heard of it, or when it has no address; [`Refusal::TooManyNames`] when no
    /// other name can be taken in.
    pub(crate) fn host(
        &mut self,
        now: Moment,
        named: &Named,
        rules: &Names,
    ) -> Result<(Arc<Host>, bool), Refusal> {
        if !self.entries.contains_key(named) {
            if rules.most <= self.entries.len() {
                return Err(Refusal::TooManyNames);
            }
            // An address stands for itself, and a name may be known by another port.
            let itself = named.host.parse().ok().map(|address| vec![address]);
            let addresses = itself.or_else(|| self.known(&named.host));
            self.entries.insert(named.clone(), Entry { addresses, host: None, asked: now });
        }
        let entry = self.entries.get_mut(named).ok_or(Refusal::NotResolved)?;
        entry.asked = now;
        if let Some(host) = &entry.host {
            return Ok((Arc::clone(host), false));
        }
        let first = entry.addresses.as_ref().and_then(|all| all.first());
        let address = SocketAddr::new(*first.ok_or(Refusal::NotResolved)?, named.port);
        let endpoint = Endpoint {
            host: named.host.to_string(),
            port: named.port,
            hostname: named.host.to_string(),
            weight: 1,
            health: Default::default(),
            metadata: None,
        };
        let host = Arc::new(Host::new(address.into(), &endpoint, &Place::default()));
        entry.host = Some(Arc::clone(&host));
        Ok((host, true))
    }

    /// The addresses of a host, where they are known from some port.
    fn known(&self, host: &str) -> Option<Vec<IpAddr>> {
        let first = Named { host: host.into(), port: 0 };
        let mut of_host = self.entries.range(first..).take_while(|(named, _)| *named.host == *host);
        of_host.find_map(|(_, entry)| entry.addresses.clone())
    }

    /// Whether nothing was heard yet of a name that was asked for.
    pub(crate) fn awaits(&self, named: &Named) -> bool {
        self.entries.get(named).is_some_and(|entry| entry.addresses.is_none())
    }

    /// Whether nothing was heard yet of this host, at any port.
    pub(crate) fn awaits_host(&self, name: &str) -> bool {
        let mut of_name = self.entries.iter().filter(|(named, _)| *named.host == *name);
        of_name.any(|(_, entry)| entry.addresses.is_none())
    }

    /// The names to look up, each once.
    pub(crate) fn names(&self) -> Vec<&str> {
        let hosts = self.entries.keys().map(|named| &*named.host);
        let mut names: Vec<&str> = hosts.filter(|host| host.parse::<IpAddr>().is_err()).collect();
        names.dedup();
        names
    }

    /// Takes the addresses of a name. The hosts that this ends are given back.
    pub(crate) fn resolved(&mut self, name: &str, addresses: &[IpAddr]) -> Vec<Arc<Host>> {
        let mut gone = Vec::new();
        for (_, entry) in self.entries.iter_mut().filter(|(named, _)| *named.host == *name) {
            entry.addresses = Some(addresses.to_vec());
            let held = entry.host.as_ref().and_then(|host| host.address().socket());
            let stays = held.is_some_and(|held| addresses.contains(&held.ip()));
            if !stays {
                gone.extend(entry.host.take());
            }
        }
        gone
    }

    /// Forgets names that nobody asked for in a while. The hosts that this ends are given back.
    pub(crate) fn forget(&mut self, now: Moment, rules: &Names) -> Vec<Arc<Host>> {
        let mut gone = Vec::new();
        self.entries.retain(|_, entry| {
            let used = entry
                .host
                .as_ref()
                .is_some_and(|host| host.active_requests() != 0 || host.connections() != 0);
            let stays = used || now < entry.asked + rules.ttl;
            if !stays {
                gone.extend(entry.host.take());
            }
            stays
        });
        gone
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::DnsFamily;

    fn rules(most: usize) -> Names {
        Names {
            most,
            ttl: Duration::from_secs(60),
            family: DnsFamily::V4Only,
            refresh: Duration::from_secs(5),
            failure_refresh: Duration::from_secs(5),
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment::START + Duration::from_secs(seconds)
    }

    #[test]
    fn a_name_is_looked_up_once_it_is_asked_for() {
        let (mut book, rules) = (Book::default(), rules(8));
        let named = Named::read("a.example:81", 80).unwrap();
        assert_eq!(book.names(), Vec::<&str>::new());
        assert_eq!(book.host(at(0), &named, &rules).unwrap_err(), Refusal::NotResolved);
        assert!(book.awaits(&named));
        assert_eq!(book.names(), ["a.example"]);
        book.resolved("a.example", &["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()]);
        let (host, is_new) = book.host(at(1), &named, &rules).unwrap();
        assert_eq!((host.address().to_string().as_str(), is_new), ("10.0.0.1:81", true));
        // Another port of it needs no other look-up.
        let (host, _) =
            book.host(at(1), &Named::read("a.example:82", 80).unwrap(), &rules).unwrap();
        assert_eq!(host.address().to_string(), "10.0.0.1:82");
        // Another order is no change; an address that is gone is.
        assert!(
            book.resolved("a.example", &["10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap()])
                .is_empty()
        );
        assert_eq!(book.resolved("a.example", &["10.0.0.3".parse().unwrap()]).len(), 2);
        let (host, _) = book.host(at(1), &named, &rules).unwrap();
        assert_eq!(host.address().to_string(), "10.0.0.3:81");
        // A name without addresses is an answer too.
        book.resolved("a.example", &[]);
        assert!(!book.awaits(&named));
        assert_eq!(book.host(at(2), &named, &rules).unwrap_err(), Refusal::NotResolved);
    }

    #[test]
    fn an_address_needs_no_look_up() {
        let (mut book, rules) = (Book::default(), rules(8));
        let named = Named::read("10.0.0.9", 80).unwrap();
        let (host, _) = book.host(at(0), &named, &rules).unwrap();
        assert_eq!(host.address().to_string(), "10.0.0.9:80");
        assert!(book.names().is_empty());
    }

    #[test]
    fn names_are_bounded_and_forgotten() {
        let (mut book, rules) = (Book::default(), rules(2));
        let named = |name: &str| Named::read(name, 80).unwrap();
        for name in ["a.example", "b.example"] {
            assert_eq!(book.host(at(0), &named(name), &rules).unwrap_err(), Refusal::NotResolved);
        }
        assert_eq!(
            book.host(at(0), &named("c.example"), &rules).unwrap_err(),
            Refusal::TooManyNames
        );
        let _ = book.host(at(50), &named("b.example"), &rules);
        book.forget(at(60), &rules);
        assert_eq!(book.names(), ["b.example"]);
        assert_eq!(
            book.host(at(61), &named("c.example"), &rules).unwrap_err(),
            Refusal::NotResolved
        );
        book.forget(at(200), &rules);
        assert!(book.is_empty());
    }
}
