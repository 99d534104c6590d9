//! `proxy-config`: what a proxy has been told, in istioctl's columns.

mod clusters;
mod endpoints;
mod listeners;
mod routes;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use serde_json::{Map, Value};

use crate::{
    api::{Api, Target},
    out::{columns, print},
    proxy_status::{ProxyPod, proxy_pod},
};

/// What to show of a proxy.
#[derive(Debug, clap::Subcommand)]
pub enum ProxyConfig {
    /// The clusters: where a proxy can send to
    #[command(visible_aliases = ["cluster", "c"])]
    Clusters {
        /// Which proxy
        #[command(flatten)]
        source: Source,
        /// Which clusters
        #[command(flatten)]
        filter: clusters::Filter,
    },
    /// The listeners: what a proxy takes, and where each kind of traffic goes
    #[command(visible_aliases = ["listener", "l"])]
    Listeners {
        /// Which proxy
        #[command(flatten)]
        source: Source,
        /// Which listeners
        #[command(flatten)]
        filter: listeners::Filter,
    },
    /// The routes: which requests go to which cluster, by which VirtualService
    #[command(visible_aliases = ["route", "r"])]
    Routes {
        /// Which proxy
        #[command(flatten)]
        source: Source,
        /// Which routes
        #[command(flatten)]
        filter: routes::Filter,
    },
    /// The endpoints of clusters, and how they are
    #[command(visible_aliases = ["endpoint", "ep"])]
    Endpoints {
        /// Which proxy
        #[command(flatten)]
        source: Source,
        /// Which endpoints
        #[command(flatten)]
        filter: endpoints::Filter,
    },
    /// What the proxy was started with, as JSON
    #[command(visible_alias = "b")]
    Bootstrap {
        /// Which proxy
        #[command(flatten)]
        source: Source,
    },
    /// Everything the proxy has, as JSON
    #[command(visible_alias = "a")]
    All {
        /// Which proxy
        #[command(flatten)]
        source: Source,
    },
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// POD[.NAMESPACE] or deploy/NAME
    #[arg(required_unless_present = "file")]
    pod: Option<String>,
    /// The namespace [default: the kubeconfig's, which is `default`]
    #[arg(short, long)]
    namespace: Option<String>,
    /// A saved answer of /config_dump?include_eds (of /clusters?format=json for endpoints)
    #[arg(short, long, value_name = "FILE", conflicts_with = "pod")]
    file: Option<PathBuf>,
    /// How to print: short, json or yaml
    #[arg(short, long, value_parser = ["short", "json", "yaml"], default_value = "short", hide_possible_values = true)]
    output: String,
}

/// A table, and the resources that its rows show.
#[derive(Debug, Default, PartialEq)]
struct Shown<'a> {
    header: &'static [&'static str],
    rows: Vec<Vec<String>>,
    bodies: Vec<&'a Value>,
}

pub(crate) async fn run(target: &Target, wanted: &ProxyConfig) -> anyhow::Result<ExitCode> {
    match wanted {
        ProxyConfig::Clusters { source, filter } => {
            let dump = source.read(target, "/config_dump").await?;
            source.print(&clusters::show(&dump, filter))
        }
        ProxyConfig::Listeners { source, filter } => {
            let dump = source.read(target, "/config_dump").await?;
            source.print(&listeners::show(&dump, filter))
        }
        ProxyConfig::Routes { source, filter } => {
            let dump = source.read(target, "/config_dump").await?;
            source.print(&routes::show(&dump, filter))
        }
        ProxyConfig::Endpoints { source, filter } => {
            let page = source.read(target, "/clusters?format=json").await?;
            source.print(&endpoints::show(&page, filter))
        }
        ProxyConfig::Bootstrap { source } => {
            let dump = source.read(target, "/config_dump").await?;
            source.print_whole(bootstrap(&dump).context(
                "this proxy was not started from a bootstrap file: it knows itself from its environment\n  `lateen describe pod POD` shows that",
            )?)
        }
        ProxyConfig::All { source } => {
            source.print_whole(&source.read(target, "/config_dump?include_eds").await?)
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

impl Source {
    async fn read(&self, target: &Target, path: &str) -> anyhow::Result<Value> {
        let text = match (&self.file, &self.pod) {
            (Some(file), _) => {
                std::fs::read(file).with_context(|| format!("read {}", file.display()))?.into()
            }
            (None, pod) => {
                let api = Api::reach(target).await?;
                let pod = pod.as_deref().unwrap_or_default();
                let pod: ProxyPod = proxy_pod(&api, self.namespace.as_deref(), pod).await?;
                pod.page(&api, path).await?
            }
        };
        let page: Value = serde_json::from_slice(&text).with_context(|| {
            self.file.as_ref().map_or_else(|| path.to_owned(), |it| it.display().to_string())
        })?;
        Ok(camel(&page))
    }

    fn print_whole(&self, value: &Value) -> anyhow::Result<()> {
        let yaml = self.output == "yaml";
        print(&if yaml { serde_saphyr::to_string(value)? } else { format!("{value:#}\n") })
    }

    fn print(&self, shown: &Shown<'_>) -> anyhow::Result<()> {
        match self.output.as_str() {
            "json" => print(&(serde_json::to_string_pretty(&shown.bodies)? + "\n")),
            "yaml" => print(&serde_saphyr::to_string(&shown.bodies)?),
            _ if shown.rows.is_empty() => {
                eprintln!("The proxy has nothing like that.");
                Ok(())
            }
            _ => {
                let header = shown.header.iter().map(|it| (*it).to_owned()).collect();
                let lines = [vec![header], shown.rows.clone()].concat();
                print(&columns(&lines))
            }
        }
    }
}

/// A resource in a config dump.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource<'a> {
    pub(crate) body: &'a Value,
    /// Whether the control plane sent it.
    pub(crate) is_dynamic: bool,
}

/// The resources of one kind in a config dump, by the last word of their type.
pub(crate) fn resources<'a>(dump: &'a Value, kind: &str) -> Vec<Resource<'a>> {
    let (section, list, field) = match kind {
        "Cluster" => ("ClustersConfigDump", ["staticClusters", "dynamicActiveClusters"], "cluster"),
        "Listener" => ("ListenersConfigDump", ["staticListeners", "dynamicListeners"], "listener"),
        "RouteConfiguration" => {
            ("RoutesConfigDump", ["staticRouteConfigs", "dynamicRouteConfigs"], "routeConfig")
        }
        _ => (
            "EndpointsConfigDump",
            ["staticEndpointConfigs", "dynamicEndpointConfigs"],
            "endpointConfig",
        ),
    };
    let sections = dump["configs"].as_array().into_iter().flatten();
    let mut found = Vec::new();
    for it in sections.filter(|it| it["@type"].as_str().is_some_and(|it| it.ends_with(section))) {
        for (idx, list) in list.iter().enumerate() {
            for entry in it[*list].as_array().into_iter().flatten() {
                let inner =
                    if entry["activeState"].is_object() { &entry["activeState"] } else { entry };
                if inner[field].is_object() {
                    found.push(Resource { body: &inner[field], is_dynamic: idx == 1 });
                }
            }
        }
    }
    found
}

/// The bootstrap in a config dump; proxies that were started without one have none.
fn bootstrap(dump: &Value) -> Option<&Value> {
    let sections = dump["configs"].as_array()?;
    let is_it =
        |it: &&Value| it["@type"].as_str().is_some_and(|it| it.ends_with("BootstrapConfigDump"));
    Some(&sections.iter().find(is_it)?["bootstrap"]).filter(|it| it.is_object())
}

/// The document with lowerCamelCase keys: Envoy writes snake_case, and proto-JSON reads both.
fn camel(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (camel_word(name), camel(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(camel).collect(),
        other => other.clone(),
    }
}

fn camel_word(word: &str) -> String {
    // Keys of people's own maps (metadata, labels) are left as they are.
    if word.contains(['@', '.', '/', '-']) {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len());
    let mut raise = false;
    for letter in word.chars() {
        if letter == '_' && !out.is_empty() {
            raise = true;
        } else if raise {
            out.push(letter.to_ascii_uppercase());
            raise = false;
        } else {
            out.push(letter);
        }
    }
    out
}

/// The parts of `outbound|80|v1|host`; other names have none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ClusterName<'a> {
    direction: &'a str,
    port: &'a str,
    subset: &'a str,
    host: &'a str,
}

impl<'a> ClusterName<'a> {
    fn read(name: &'a str) -> Option<Self> {
        let parts: Vec<&str> = name.split('|').collect();
        match parts.as_slice() {
            &[direction, port, subset, host] => Some(Self { direction, port, subset, host }),
            _ => None,
        }
    }
}

/// `name.namespace` of the object whose path stands in a resource's metadata.
fn origin(resource: &Value) -> String {
    let path = resource["metadata"]["filterMetadata"]["istio"]["config"].as_str().unwrap_or("");
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [.., "namespaces", namespace, _, name] => format!("{name}.{namespace}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
