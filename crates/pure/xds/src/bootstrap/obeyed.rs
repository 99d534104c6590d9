//! Which parts of a bootstrap file this house obeys: the rest is refused by its path, never passed over.

use std::{collections::BTreeSet, fmt};

use super::{Admin, Bootstrap, bootstrap, runtime_layer::LayerSpecifier};
use crate::{
    Named as _,
    core::{ConfigSource, config_source::ConfigSourceSpecifier},
    filters::{HttpConnectionManager, http_connection_manager::RouteSpecifier},
    listener::{Listener, filter::ConfigType},
    route::{self, route_action::ClusterSpecifier},
};

/// Why a bootstrap file is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The field, from the top of the file.
    pub path: String,
    /// What is wrong with it, and what to do.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.why)
    }
}

impl std::error::Error for Refusal {}

const UNSUPPORTED: &str = "is not supported by this proxy; remove it";

fn refuse(path: impl Into<String>, why: impl Into<String>) -> Result<(), Refusal> {
    Err(Refusal { path: path.into(), why: why.into() })
}

impl Bootstrap {
    /// Whether all of it is obeyed. Listeners and clusters are looked at by who takes them, down to
    /// their last field; here it is the rest of the file.
    ///
    /// # Errors
    /// With the first part that is not obeyed.
    pub fn check(&self) -> Result<(), Refusal> {
        let set = self.fields_that_ask_for_more();
        if let Some((path, _)) = set.iter().find(|(_, is_set)| *is_set) {
            return refuse(*path, UNSUPPORTED);
        }
        self.admin.as_ref().map_or(Ok(()), check_admin)?;
        self.check_runtime()?;
        if let Some(dynamic) = &self.dynamic_resources {
            check_dynamic(dynamic)?;
        }
        if let Some(statics) = &self.static_resources {
            check_static(statics)?;
        }
        Ok(())
    }

    /// Fields outside of resources, and whether they ask for anything. Intervals of what is never sent or
    /// written ask for nothing.
    fn fields_that_ask_for_more(&self) -> [(&'static str, bool); 21] {
        let overload = self.overload_manager.as_ref();
        let manager = self.cluster_manager.as_ref();
        [
            ("cluster_manager", manager.is_some_and(|it| *it != Default::default())),
            ("hds_config", self.hds_config.is_some()),
            ("flags_path", !self.flags_path.is_empty()),
            ("stats_sinks", !self.stats_sinks.is_empty()),
            ("stats_config", self.stats_config.is_some()),
            ("watchdog", self.watchdog.is_some()),
            ("watchdogs", self.watchdogs.is_some()),
            ("tracing", self.tracing.is_some()),
            ("overload_manager", overload.is_some_and(|it| *it != Default::default())),
            ("header_prefix", !self.header_prefix.is_empty()),
            ("use_tcp_for_dns_lookups", self.use_tcp_for_dns_lookups),
            ("dns_resolution_config", self.dns_resolution_config.is_some()),
            ("typed_dns_resolver_config", self.typed_dns_resolver_config.is_some()),
            ("bootstrap_extensions", !self.bootstrap_extensions.is_empty()),
            ("fatal_actions", !self.fatal_actions.is_empty()),
            ("config_sources", !self.config_sources.is_empty()),
            ("default_config_source", self.default_config_source.is_some()),
            ("default_socket_interface", !self.default_socket_interface.is_empty()),
            ("inline_headers", !self.inline_headers.is_empty()),
            ("xds_delegate_extension", self.xds_delegate_extension.is_some()),
            ("application_log_config", self.application_log_config.is_some()),
        ]
    }

    /// Bounds of the size of regular expressions are Envoy's own; whatever else a runtime changes, it
    /// would change behaviour.
    fn check_runtime(&self) -> Result<(), Refusal> {
        let layers = self.layered_runtime.iter().flat_map(|runtime| &runtime.layers);
        for (at, layer) in layers.enumerate() {
            let path = format!("layered_runtime.layers[{at}]");
            match &layer.layer_specifier {
                None | Some(LayerSpecifier::AdminLayer(_)) => {}
                Some(LayerSpecifier::StaticLayer(values)) => {
                    let mut keys = values.fields.keys();
                    if let Some(key) = keys.find(|key| !key.starts_with("re2")) {
                        return refuse(format!("{path}.static_layer.{key}"), UNSUPPORTED);
                    }
                }
                Some(LayerSpecifier::DiskLayer(_)) => {
                    return refuse(format!("{path}.disk_layer"), UNSUPPORTED);
                }
                Some(LayerSpecifier::RtdsLayer(_)) => {
                    return refuse(format!("{path}.rtds_layer"), UNSUPPORTED);
                }
            }
        }
        Ok(())
    }
}

fn check_admin(admin: &Admin) -> Result<(), Refusal> {
    let nowhere = admin.access_log_path.is_empty() || admin.access_log_path == "/dev/null";
    let fields = [
        ("access_log", !admin.access_log.is_empty()),
        ("access_log_path", !nowhere),
        ("socket_options", !admin.socket_options.is_empty()),
        ("allow_paths", !admin.allow_paths.is_empty()),
    ];
    match fields.iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) => refuse(format!("admin.{field}"), UNSUPPORTED),
        None => Ok(()),
    }
}

fn check_dynamic(dynamic: &bootstrap::DynamicResources) -> Result<(), Refusal> {
    for (field, source) in
        [("lds_config", &dynamic.lds_config), ("cds_config", &dynamic.cds_config)]
    {
        let Some(ConfigSource { config_source_specifier: Some(source), .. }) = source else {
            continue;
        };
        let path = format!("dynamic_resources.{field}");
        if !matches!(source, ConfigSourceSpecifier::Ads(_)) {
            return refuse(
                path,
                "is not ADS, the only source that this proxy has; write {ads: {}}",
            );
        }
        if dynamic.ads_config.is_none() {
            return refuse(path, "says ADS, and dynamic_resources.ads_config is not set; add it");
        }
    }
    for (field, locator) in [
        ("lds_resources_locator", &dynamic.lds_resources_locator),
        ("cds_resources_locator", &dynamic.cds_resources_locator),
    ] {
        if !locator.is_empty() {
            return refuse(format!("dynamic_resources.{field}"), UNSUPPORTED);
        }
    }
    Ok(())
}

fn check_static(statics: &bootstrap::StaticResources) -> Result<(), Refusal> {
    let mut names = BTreeSet::new();
    for (at, cluster) in statics.clusters.iter().enumerate() {
        if !names.insert(cluster.name.as_str()) {
            let path = format!("static_resources.clusters[{at}].name");
            let why =
                format!("{:?} is the name of an earlier cluster; choose another", cluster.name);
            return refuse(path, why);
        }
    }
    for (at, listener) in statics.listeners.iter().enumerate() {
        check_routes(listener, &names, &format!("static_resources.listeners[{at}]"))?;
    }
    Ok(())
}

/// A route of a file leads to a cluster of the file, unless it is said that clusters come later.
fn check_routes(listener: &Listener, clusters: &BTreeSet<&str>, path: &str) -> Result<(), Refusal> {
    let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
    for filter in chains.flat_map(|chain| &chain.filters) {
        let Some(ConfigType::TypedConfig(any)) = &filter.config_type else { continue };
        if any.type_url != HttpConnectionManager::TYPE_URL {
            continue;
        }
        // What cannot be read is refused with the listener itself.
        let Ok(manager) = any.unpack::<HttpConnectionManager>() else { continue };
        let Some(RouteSpecifier::RouteConfig(config)) = &manager.route_specifier else { continue };
        if config.validate_clusters == Some(false) {
            continue;
        }
        for host in &config.virtual_hosts {
            for (at, route) in host.routes.iter().enumerate() {
                let Some(name) = targets(route).find(|name| !clusters.contains(name)) else {
                    continue;
                };
                let path = format!("{path}.route_config.virtual_hosts[{}].routes[{at}]", host.name);
                let why = format!(
                    "leads to the cluster {name:?}, which is not in static_resources.clusters; add it, or set validate_clusters: false"
                );
                return refuse(path, why);
            }
        }
    }
    Ok(())
}

/// Names of the clusters that a route leads to.
fn targets(route: &route::Route) -> impl Iterator<Item = &str> {
    let action = match &route.action {
        Some(route::route::Action::Route(action)) => action.cluster_specifier.as_ref(),
        _ => None,
    };
    let (one, many) = match action {
        Some(ClusterSpecifier::Cluster(name)) => (Some(name.as_str()), None),
        Some(ClusterSpecifier::WeightedClusters(weighted)) => (None, Some(&weighted.clusters)),
        _ => (None, None),
    };
    one.into_iter().chain(many.into_iter().flatten().map(|cluster| cluster.name.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refusal(file: Value) -> String {
        let bootstrap: Bootstrap = serde_json::from_value(file).unwrap();
        bootstrap.check().map_or_else(|refusal| refusal.to_string(), |()| "taken".to_owned())
    }

    #[test]
    fn what_is_obeyed_is_taken() {
        let file = json!({
            "node": {"id": "n", "cluster": "c"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                "access_log_path": "/dev/null", "profile_path": "/tmp/p"},
            "layered_runtime": {"layers": [
                {"name": "s", "static_layer": {"re2.max_program_size.error_level": 32768}},
                {"name": "a", "admin_layer": {}}]},
            "stats_flush_interval": "5s",
            "static_resources": {"clusters": [{"name": "a"}]},
            "dynamic_resources": {"ads_config": {"api_type": "DELTA_GRPC"},
                "lds_config": {"ads": {}}, "cds_config": {"ads": {}}},
        });
        assert_eq!(refusal(file), "taken");
        assert_eq!(refusal(json!({})), "taken");
    }

    #[test]
    fn what_is_not_obeyed_is_refused_by_its_path() {
        let table = [
            (json!({"stats_sinks": [{"name": "s"}]}), "stats_sinks: "),
            (json!({"admin": {"access_log_path": "/var/log/a"}}), "admin.access_log_path: "),
            (
                json!({"layered_runtime": {"layers": [{"static_layer": {"envoy.x": true}}]}}),
                "layered_runtime.layers[0].static_layer.envoy.x: ",
            ),
            (
                json!({"layered_runtime": {"layers": [{"disk_layer": {"symlink_root": "/r"}}]}}),
                "layered_runtime.layers[0].disk_layer: ",
            ),
            (
                json!({"dynamic_resources": {"lds_config": {"path_config_source": {"path": "/l"}}}}),
                "dynamic_resources.lds_config: ",
            ),
            (
                json!({"dynamic_resources": {"cds_config": {"ads": {}}}}),
                "dynamic_resources.cds_config: says ADS",
            ),
            (
                json!({"static_resources": {"clusters": [{"name": "a"}, {"name": "a"}]}}),
                "static_resources.clusters[1].name: ",
            ),
        ];
        for (file, expected) in table {
            let said = refusal(file);
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn a_static_route_leads_to_a_cluster_of_the_file() {
        let file = |validate: Value, cluster: &str| {
            json!({"static_resources": {"clusters": [{"name": "a"}], "listeners": [{
                "filter_chains": [{"filters": [{"name": "http", "typed_config": {
                    "@type": HttpConnectionManager::TYPE_URL,
                    "route_config": {"validate_clusters": validate, "virtual_hosts": [{"name": "v", "routes": [
                        {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [{"name": cluster}]}}}]}]},
                }}]}],
            }]}})
        };
        assert_eq!(refusal(file(Value::Null, "a")), "taken");
        assert_eq!(refusal(file(json!(false), "b")), "taken");
        let said = refusal(file(Value::Null, "b"));
        assert!(said.contains("virtual_hosts[v].routes[0]: leads to the cluster \"b\""), "{said}");
    }
}
