//! The names of a cluster: which addresses a Service's name stands for, and who answers the rest.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use kinds::core::{EndpointSlice, Service};

/// All names below the cluster's domain, as of one moment.
///
/// Spec: Kubernetes DNS-Based Service Discovery, version 1.1.0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// `cluster.local`, without dots at the ends.
    domain: String,
    /// Fully qualified names in lower case without the last dot; an empty list is a name that has others below it.
    names: BTreeMap<String, Vec<IpAddr>>,
}

/// What a question about a name gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The name exists; it may have no address (of the family asked for).
    Addresses(&'a [IpAddr]),
    /// There is no such name, and nobody else would know it.
    Unknown,
    /// The name is not the cluster's: ask upstream.
    Foreign,
}

impl Zone {
    /// The names of these Services: a ClusterIP stands for itself, a headless Service for its ready endpoints
    /// (each also by its hostname), an ExternalName for nothing here.
    pub fn new<'a>(
        domain: &str,
        services: impl IntoIterator<Item = &'a Service>,
        slices: impl IntoIterator<Item = &'a EndpointSlice>,
    ) -> Self {
        let mut zone = Self { domain: domain.to_owned(), names: BTreeMap::new() };
        zone.add(domain, &[]);
        zone.add(&format!("svc.{domain}"), &[]);
        let mut headless = BTreeMap::new();
        for service in services {
            let (Some(name), Some(namespace)) =
                (&service.metadata.name, &service.metadata.namespace)
            else {
                continue;
            };
            let full = format!("{name}.{namespace}.svc.{domain}");
            zone.add(&format!("{namespace}.svc.{domain}"), &[]);
            let Some(spec) = &service.spec else { continue };
            if spec.type_.as_deref() == Some("ExternalName") {
                continue;
            }
            let mut addresses: Vec<&str> =
                spec.cluster_ips.iter().flatten().map(String::as_str).collect();
            addresses.extend(spec.cluster_ip.as_deref());
            let addresses: Vec<IpAddr> =
                addresses.iter().filter_map(|it| it.parse().ok()).collect();
            if addresses.is_empty() {
                let unready = spec.publish_not_ready_addresses.unwrap_or(false);
                headless.insert((namespace.clone(), name.clone()), unready);
            }
            zone.add(&full, &addresses);
        }
        for slice in slices {
            zone.add_slice(slice, &headless);
        }
        zone
    }

    fn add_slice(&mut self, slice: &EndpointSlice, headless: &BTreeMap<(String, String), bool>) {
        let labels = slice.metadata.labels.as_ref();
        let service = labels.and_then(|it| it.get("kubernetes.io/service-name"));
        let (Some(service), Some(namespace)) = (service, &slice.metadata.namespace) else { return };
        let Some(unready) = headless.get(&(namespace.clone(), service.clone())) else { return };
        let full = format!("{service}.{namespace}.svc.{}", self.domain);
        for endpoint in slice.endpoints.iter() {
            let ready = endpoint.conditions.as_ref().and_then(|it| it.ready).unwrap_or(true);
            if !ready && !unready {
                continue;
            }
            let addresses: Vec<IpAddr> =
                endpoint.addresses.iter().filter_map(|it| it.parse().ok()).collect();
            self.add(&full, &addresses);
            if let Some(hostname) = &endpoint.hostname {
                self.add(&format!("{hostname}.{full}"), &addresses);
            }
        }
    }

    fn add(&mut self, name: &str, addresses: &[IpAddr]) {
        let known = self.names.entry(name.to_ascii_lowercase()).or_default();
        for address in addresses {
            if !known.contains(address) {
                known.push(*address);
            }
        }
    }

    /// Who knows this name; case and a last dot do not matter.
    pub fn answer(&self, name: &str) -> Answer<'_> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(addresses) = self.names.get(&name) {
            return Answer::Addresses(addresses);
        }
        let ours = name
            .strip_suffix(self.domain.as_str())
            .is_some_and(|it| it.is_empty() || it.ends_with('.'));
        // A single word is what is left of a short name at the end of a search list: no server of the
        // world has it. Addresses of pods and Services have no names yet, and nobody else knows them.
        if ours || !name.contains('.') || is_private_reverse(&name) {
            return Answer::Unknown;
        }
        Answer::Foreign
    }
}

/// Whether this is the reverse name of an address of the cluster (10.96.0.0/16 or 10.244.0.0/16).
fn is_private_reverse(name: &str) -> bool {
    let Some(reversed) = name.strip_suffix(".in-addr.arpa") else { return false };
    let forward: Vec<&str> = reversed.rsplit('.').collect();
    let Ok(address) = forward.join(".").parse::<Ipv4Addr>() else { return false };
    matches!(address.octets(), [10, 96 | 244, _, _])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        let service = |text: &str| serde_json::from_str::<Service>(text).unwrap();
        let slice: EndpointSlice = serde_json::from_str(
            r#"{"metadata":{"namespace":"a","labels":{"kubernetes.io/service-name":"less"}},"addressType":"IPv4","endpoints":[
                {"addresses":["10.244.0.5"],"conditions":{"ready":true},"hostname":"less-0"},
                {"addresses":["10.244.0.6"],"conditions":{"ready":false}}]}"#,
        )
        .unwrap();
        let services = [
            service(
                r#"{"metadata":{"name":"web","namespace":"a"},"spec":{"clusterIP":"10.96.0.7"}}"#,
            ),
            service(r#"{"metadata":{"name":"less","namespace":"a"},"spec":{"clusterIP":"None"}}"#),
        ];
        Zone::new("cluster.local", &services, [&slice])
    }

    #[test]
    fn a_name_is_its_services_address_or_its_ready_endpoints() {
        let zone = zone();
        let one = |text: &str| [text.parse::<IpAddr>().unwrap()];
        for (name, addresses) in [
            ("web.a.svc.cluster.local.", &one("10.96.0.7")[..]),
            ("WEB.A.svc.Cluster.Local", &one("10.96.0.7")[..]),
            ("less.a.svc.cluster.local", &one("10.244.0.5")[..]),
            ("less-0.less.a.svc.cluster.local", &one("10.244.0.5")[..]),
            ("a.svc.cluster.local", &[][..]),
            ("svc.cluster.local", &[][..]),
        ] {
            assert_eq!(zone.answer(name), Answer::Addresses(addresses), "{name}");
        }
    }

    #[test]
    fn only_names_of_the_world_are_asked_upstream() {
        let zone = zone();
        for name in [
            "no.a.svc.cluster.local",
            "web.b.svc.cluster.local",
            "example.com.a.svc.cluster.local",
            "web",
            "7.0.96.10.in-addr.arpa",
        ] {
            assert_eq!(zone.answer(name), Answer::Unknown, "{name}");
        }
        for name in ["example.com", "notcluster.local", "mycluster.local", "8.8.8.8.in-addr.arpa"] {
            assert_eq!(zone.answer(name), Answer::Foreign, "{name}");
        }
    }
}
