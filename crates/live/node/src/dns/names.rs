//! The cluster's names, from Services and their endpoints.
//!
//! Spec: Kubernetes DNS-Based Service Discovery, version 1.1.0.

use kinds::core::{EndpointSlice, Service};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The zone.
pub(super) const ZONE: &str = "cluster.local";

/// What a name stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) addresses: BTreeSet<Ipv4Addr>,
    /// (port, host name).
    pub(super) services: BTreeSet<(u16, String)>,
    /// Another name that stands for it.
    pub(super) alias: Option<String>,
}

/// All names, lower case and without the last dot; and the names of addresses.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: BTreeMap<String, Entry>,
    reverse: BTreeMap<Ipv4Addr, String>,
    /// Every name above an entry: it exists, but stands for nothing.
    above: BTreeSet<String>,
}

impl Names {
    /// The names that these objects give.
    pub(super) fn new<'a>(
        services: impl IntoIterator<Item = &'a Service>,
        slices: impl IntoIterator<Item = &'a EndpointSlice>,
    ) -> Names {
        let mut by_service: BTreeMap<(&str, &str), Vec<&EndpointSlice>> = BTreeMap::new();
        for slice in slices {
            let labels = slice.metadata.labels.as_ref();
            let name = labels.and_then(|l| l.get("kubernetes.io/service-name"));
            if let (Some(name), Some(namespace)) = (name, &slice.metadata.namespace) {
                by_service.entry((namespace, name)).or_default().push(slice);
            }
        }
        let mut names = Names::default();
        for service in services {
            let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
            let name = service.metadata.name.as_deref().unwrap_or_default();
            let full = format!("{name}.{namespace}.svc.{ZONE}").to_lowercase();
            let slices = by_service.get(&(namespace, name)).map_or(&[][..], Vec::as_slice);
            names.add(&full, service, slices);
        }
        let all: Vec<String> = names.entries.keys().cloned().collect();
        for name in all {
            let mut rest = name.as_str();
            while let Some((_, up)) = rest.split_once('.') {
                rest = up;
                if rest == ZONE || !rest.ends_with(ZONE) {
                    break;
                }
                names.above.insert(rest.to_owned());
            }
        }
        names
    }

    fn add(&mut self, full: &str, service: &Service, slices: &[&EndpointSlice]) {
        let Some(spec) = &service.spec else { return };
        if let Some(external) = &spec.external_name {
            let alias = Some(external.trim_end_matches('.').to_lowercase());
            self.entries.insert(full.to_owned(), Entry { alias, ..Entry::default() });
            return;
        }
        let ip = spec.cluster_ip.as_ref().and_then(|ip| ip.parse::<Ipv4Addr>().ok());
        let Some(ip) = ip else {
            return self.add_headless(full, spec.publish_not_ready_addresses == Some(true), slices);
        };
        self.entries.entry(full.to_owned()).or_default().addresses.insert(ip);
        self.reverse.insert(ip, full.to_owned());
        for port in spec.ports.iter().flatten() {
            let number = u16::try_from(port.port).unwrap_or(0);
            self.port(full, full, port.name.as_deref(), port.protocol.as_deref(), number);
        }
    }

    fn add_headless(&mut self, full: &str, unready_too: bool, slices: &[&EndpointSlice]) {
        self.entries.entry(full.to_owned()).or_default();
        for slice in slices {
            for endpoint in &slice.endpoints {
                let ready = endpoint.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true);
                if !ready && !unready_too {
                    continue;
                }
                for ip in endpoint.addresses.iter().filter_map(|ip| ip.parse::<Ipv4Addr>().ok()) {
                    self.entries.entry(full.to_owned()).or_default().addresses.insert(ip);
                    let host = endpoint.hostname.clone();
                    let host = host.unwrap_or_else(|| ip.to_string().replace('.', "-"));
                    let own = format!("{host}.{full}").to_lowercase();
                    self.entries.entry(own.clone()).or_default().addresses.insert(ip);
                    self.reverse.insert(ip, own.clone());
                    for port in slice.ports.iter().flatten() {
                        let number = port.port.and_then(|p| u16::try_from(p).ok()).unwrap_or(0);
                        let (name, protocol) = (port.name.as_deref(), port.protocol.as_deref());
                        self.port(full, &own, name, protocol, number);
                    }
                }
            }
        }
    }

    fn port(
        &mut self,
        full: &str,
        target: &str,
        name: Option<&str>,
        protocol: Option<&str>,
        number: u16,
    ) {
        let Some(name) = name.filter(|n| !n.is_empty()) else { return };
        let protocol = protocol.unwrap_or("TCP");
        let key = format!("_{name}._{protocol}.{full}").to_lowercase();
        self.entries.entry(key).or_default().services.insert((number, target.to_owned()));
    }

    /// What a name stands for; `None` if there is no such name.
    pub(super) fn find(&self, name: &str) -> Option<Entry> {
        if let Some(entry) = self.entries.get(name) {
            return Some(entry.clone());
        }
        let exists = self.above.contains(name) || name == ZONE;
        exists.then(Entry::default)
    }

    /// The name of an address.
    pub(super) fn name_of(&self, ip: Ipv4Addr) -> Option<&str> {
        self.reverse.get(&ip).map(String::as_str)
    }
}
