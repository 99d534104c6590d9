//! Where a webhook is: a Service of the store, at a pod that is ready, or a URL.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use objects::{FieldSelector, Key, LabelSelector, Selectors, Store, Value};
use serde_json::json;

/// A place to call, and how to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: At,
    /// The name that the certificate must carry.
    pub(crate) server_name: String,
    /// `host:port` of the request.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

/// What to connect to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    /// A pod.
    Pod(SocketAddr),
    /// Anything else, by name or address.
    Host(String, u16),
}

impl Place {
    /// The address as messages show it.
    pub(crate) fn url(&self) -> String {
        format!("https://{}{}", self.authority, self.path)
    }
}

/// Finds where a `clientConfig` points. `pick` chooses among pods that are ready.
pub(crate) fn find(store: &Store, config: &Value, pick: usize) -> Result<Place, String> {
    if let Some(url) = config["url"].as_str() {
        return of_url(url);
    }
    let service = &config["service"];
    let text = |field: &str| service[field].as_str().unwrap_or_default();
    let (namespace, name) = (text("namespace"), text("name"));
    let port = service["port"].as_i64().unwrap_or(443);
    let path = match text("path") {
        "" => "/".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/{path}"),
    };
    let server_name = format!("{name}.{namespace}.svc");
    let authority = format!("{server_name}:{port}");
    let found = store
        .object(&Key::new("services", namespace, name))
        .map_err(|_| format!("service {name:?} not found"))?;
    let ports = || found["spec"]["ports"].as_array().into_iter().flatten();
    let port_name = ports()
        .find(|entry| entry["port"].as_i64() == Some(port))
        .map(|entry| entry["name"].as_str().unwrap_or_default())
        .ok_or_else(|| format!("service {name:?} has no port {port}"))?;
    let ready = ready(store, namespace, name, port_name);
    let at = ready
        .get(pick % ready.len().max(1))
        .copied()
        .ok_or_else(|| format!("no endpoints available for service {name:?}"))?;
    Ok(Place { at: At::Pod(at), server_name, authority, path })
}

/// The ready addresses of one port of a Service, in order: from EndpointSlices, else Endpoints.
fn ready(store: &Store, namespace: &str, name: &str, port_name: &str) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    if let Some(resource) = store.resource("endpointslices.discovery.k8s.io") {
        let selectors = Selectors {
            labels: LabelSelector::of_labels([("kubernetes.io/service-name", name)]),
            fields: FieldSelector::default(),
        };
        for slice in store.list(resource, Some(namespace), &selectors).0 {
            let endpoints = slice["endpoints"].as_array().into_iter().flatten();
            let ready = endpoints.filter(|endpoint| {
                let conditions = &endpoint["conditions"];
                conditions["ready"].as_bool().unwrap_or(true)
            });
            let addresses = ready.filter_map(|endpoint| endpoint["addresses"][0].as_str());
            collect(&mut found, addresses, &slice["ports"], port_name);
        }
    }
    if found.is_empty()
        && let Ok(endpoints) = store.object(&Key::new("endpoints", namespace, name))
    {
        for subset in endpoints["subsets"].as_array().into_iter().flatten() {
            let addresses = subset["addresses"].as_array().into_iter().flatten();
            let addresses = addresses.filter_map(|address| address["ip"].as_str());
            collect(&mut found, addresses, &subset["ports"], port_name);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn collect<'a>(
    found: &mut Vec<SocketAddr>,
    addresses: impl Iterator<Item = &'a str>,
    ports: &Value,
    port_name: &str,
) {
    let mut ports = ports.as_array().into_iter().flatten();
    let port = ports
        .find(|port| port["name"].as_str().unwrap_or_default() == port_name)
        .and_then(|port| port["port"].as_u64())
        .and_then(|port| u16::try_from(port).ok());
    let Some(port) = port else { return };
    for address in addresses {
        if let Ok(address) = address.parse::<IpAddr>() {
            found.push(SocketAddr::new(address, port));
        }
    }
}

fn of_url(url: &str) -> Result<Place, String> {
    let uri: Uri = url.parse().map_err(|error| format!("the url {url:?} is wrong: {error}"))?;
    if uri.scheme_str() != Some("https") {
        return Err(format!("the url {url:?} must begin with https://"));
    }
    let host = uri.host().ok_or_else(|| format!("the url {url:?} names no host"))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(443);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(Place {
        at: At::Host(bare.to_owned(), port),
        server_name: bare.to_owned(),
        authority: format!("{host}:{port}"),
        path: path.to_owned(),
    })
}

/// The Namespace object that a write is in, or is about.
pub(crate) fn namespace_of(
    store: &Store,
    resource_id: &str,
    namespace: &str,
    object: Option<&Value>,
) -> Option<Value> {
    if resource_id == "namespaces" {
        return object.cloned();
    }
    if namespace.is_empty() {
        return None;
    }
    let key = Key::new("namespaces", "", namespace);
    match store.object(&key) {
        Ok(found) => Some(Value::clone(&found)),
        // The write itself will be refused; selectors see an unlabelled namespace until then.
        Err(_) => Some(json!({"metadata": {"name": namespace}})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_place() {
        let place = of_url("https://[::1]:9443/check?a=b").unwrap();
        assert_eq!(place.at, At::Host("::1".to_owned(), 9443));
        assert_eq!(place.server_name, "::1");
        assert_eq!(place.url(), "https://[::1]:9443/check?a=b");
        assert_eq!(of_url("https://hooks.example").unwrap().url(), "https://hooks.example:443/");
        assert!(of_url("http://hooks.example").is_err());
    }
}
