//! Options of `lateen proxy -c FILE`: an Envoy bootstrap in JSON or YAML.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, bail};
use xds::bootstrap::Bootstrap;
use xds::core::api_config_source::ApiType;
use xds::core::grpc_service::TargetSpecifier;
use xds::core::{Address, address, socket_address};
use xds::endpoint::lb_endpoint::HostIdentifier;

use super::Options;

impl Options {
    /// Reads an Envoy bootstrap file.
    ///
    /// # Errors
    /// When the file cannot be read or is no bootstrap, or names a control plane that this proxy
    /// cannot reach (only gRPC over a static cluster).
    pub fn from_bootstrap_file(path: &Path, concurrency: usize) -> anyhow::Result<Options> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("reading the bootstrap file {}", path.display()))?;
        Options::from_bootstrap(&text, concurrency)
            .with_context(|| format!("bootstrap file {}", path.display()))
    }

    /// Reads the text of an Envoy bootstrap, JSON or YAML.
    ///
    /// # Errors
    /// As [`Options::from_bootstrap_file`].
    pub fn from_bootstrap(text: &str, concurrency: usize) -> anyhow::Result<Options> {
        let document: serde_json::Value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).context("not JSON")?
        } else {
            super::yaml(text).map_err(|error| error.context("not YAML"))?
        };
        let bootstrap: Bootstrap = serde_json::from_value(document).context("not a bootstrap")?;
        bootstrap.check()?;
        let mut options = Options { concurrency: concurrency.max(1), ..Options::default() };
        options.node = bootstrap.node.clone().unwrap_or_default();
        // As Envoy does, whatever the file says: it is this program that asks.
        "lateen".clone_into(&mut options.node.user_agent_name);
        options.node.user_agent_version_type = None;
        if let Some(admin) = bootstrap.admin.as_ref().and_then(|admin| admin.address.as_ref()) {
            let (host, port) = host_and_port(admin).context("admin.address")?;
            let ip = host.parse().with_context(|| format!("admin.address: {host:?} is no IP"))?;
            options.admin = SocketAddr::new(ip, port);
        }
        options.discovery =
            ads_cluster(&bootstrap)?.map(|name| ads_address(&bootstrap, &name)).transpose()?;
        options.bootstrap = Some(bootstrap);
        Ok(options)
    }
}

/// Name of the static cluster that leads to the control plane.
fn ads_cluster(bootstrap: &Bootstrap) -> anyhow::Result<Option<String>> {
    let Some(ads) = bootstrap.dynamic_resources.as_ref().and_then(|d| d.ads_config.as_ref()) else {
        return Ok(None);
    };
    if !matches!(ads.api_type(), ApiType::Grpc | ApiType::DeltaGrpc) {
        bail!("dynamic_resources.ads_config.api_type must be GRPC or DELTA_GRPC");
    }
    let service = ads.grpc_services.first().and_then(|service| service.target_specifier.as_ref());
    match service {
        Some(TargetSpecifier::EnvoyGrpc(grpc)) => Ok(Some(grpc.cluster_name.clone())),
        _ => bail!("dynamic_resources.ads_config.grpc_services needs envoy_grpc.cluster_name"),
    }
}

fn ads_address(bootstrap: &Bootstrap, cluster: &str) -> anyhow::Result<String> {
    let clusters = bootstrap.static_resources.iter().flat_map(|statics| &statics.clusters);
    let found = clusters.into_iter().find(|candidate| candidate.name == cluster);
    let found = found.with_context(|| format!("no static cluster {cluster:?}, which ADS names"))?;
    let endpoints = found.load_assignment.iter().flat_map(|assignment| &assignment.endpoints);
    let mut addresses = endpoints.flat_map(|locality| &locality.lb_endpoints).filter_map(|lb| {
        match lb.host_identifier.as_ref()? {
            HostIdentifier::Endpoint(endpoint) => host_and_port(endpoint.address.as_ref()?),
            HostIdentifier::EndpointName(_) => None,
        }
    });
    let (host, port) = addresses.next().with_context(|| {
        format!("static cluster {cluster:?} has no endpoint with host and port")
    })?;
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

fn host_and_port(address: &Address) -> Option<(String, u16)> {
    let Some(address::Address::SocketAddress(socket)) = &address.address else { return None };
    let Some(socket_address::PortSpecifier::PortValue(port)) = socket.port_specifier else {
        return None;
    };
    Some((socket.address.clone(), u16::try_from(port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::Options;

    const YAML: &str = "
node: {id: n, cluster: c}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
dynamic_resources:
  ads_config:
    api_type: GRPC
    grpc_services: [{envoy_grpc: {cluster_name: xds}}]
static_resources:
  clusters:
  - name: xds
    load_assignment:
      cluster_name: xds
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: istiod, port_value: 15010}}}
";

    #[test]
    fn yaml_names_node_admin_and_control_plane() {
        let options = Options::from_bootstrap(YAML, 0).unwrap();
        assert_eq!(options.node.id, "n");
        assert_eq!(options.admin, "127.0.0.1:9901".parse().unwrap());
        assert_eq!(options.discovery.as_deref(), Some("istiod:15010"));
        assert_eq!(options.concurrency, 1);
    }

    #[test]
    fn json_is_read_too_and_a_missing_cluster_is_named() {
        let options = Options::from_bootstrap(r#"{"node": {"id": "n"}}"#, 2).unwrap();
        assert_eq!((options.node.id.as_str(), options.discovery), ("n", None));
        let broken = YAML.replace("- name: xds", "- name: other");
        let error = Options::from_bootstrap(&broken, 1).unwrap_err();
        assert!(format!("{error:#}").contains("\"xds\""), "{error:#}");
        assert!(Options::from_bootstrap("{", 1).is_err());
        assert!(Options::from_bootstrap("nonsense: 1", 1).is_err());
    }
}
