//! Listeners, a row for each of their filter chains.

use serde_json::Value;

use super::{Shown, resources};
use crate::jsonpath::text;

/// Which listeners.
#[derive(Debug, Default, clap::Args)]
pub struct Filter {
    /// With this address
    #[arg(long, value_name = "IP")]
    pub(super) address: Option<String>,
    /// With this port
    #[arg(long)]
    pub(super) port: Option<u16>,
}

const HEADER: &[&str] = &["ADDRESSES", "PORT", "MATCH", "DESTINATION"];

pub(super) fn show<'a>(dump: &'a Value, filter: &Filter) -> Shown<'a> {
    let mut shown = Shown { header: HEADER, ..Shown::default() };
    let mut found: Vec<(String, u64, &Value)> = Vec::new();
    for listener in resources(dump, "Listener") {
        let socket = &listener.body["address"]["socketAddress"];
        let (address, port) = (text(&socket["address"]), socket["portValue"].as_u64().unwrap_or(0));
        let fits = filter.address.as_deref().is_none_or(|it| address == it)
            && filter.port.is_none_or(|it| u64::from(it) == port);
        if fits {
            found.push((address, port, listener.body));
        }
    }
    found.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    for (address, port, listener) in found {
        shown.bodies.push(listener);
        let chains = listener["filterChains"].as_array().into_iter().flatten();
        let default = Some(&listener["defaultFilterChain"]).filter(|it| it.is_object());
        let chains = chains.map(|it| (matched(&it["filterChainMatch"]), it));
        for (matched, chain) in chains.chain(default.map(|it| ("ALL".to_owned(), it))) {
            shown.rows.push(vec![address.clone(), port.to_string(), matched, destination(chain)]);
        }
    }
    shown
}

/// `Trans: raw_buffer; App: http/1.1,h2c`
fn matched(conditions: &Value) -> String {
    let list = |name: &str| {
        let words = conditions[name].as_array().into_iter().flatten();
        words.map(text).collect::<Vec<_>>().join(",")
    };
    let mut parts = Vec::new();
    for (title, words) in [
        ("SNI", list("serverNames")),
        ("Trans", text(&conditions["transportProtocol"])),
        ("App", list("applicationProtocols")),
    ] {
        if !words.is_empty() {
            parts.push(format!("{title}: {words}"));
        }
    }
    let ranges = conditions["prefixRanges"].as_array().into_iter().flatten();
    let ranges: Vec<String> = ranges
        .map(|it| {
            let length = it["prefixLen"].as_u64().unwrap_or(0);
            let address = text(&it["addressPrefix"]);
            if length == 32 { address } else { format!("{address}/{length}") }
        })
        .collect();
    let port = conditions["destinationPort"].as_u64().map(|it| it.to_string());
    match (ranges.is_empty(), port) {
        (false, Some(port)) => parts.push(format!("Addr: {}:{port}", ranges.join(","))),
        (false, None) => parts.push(format!("Addr: {}", ranges.join(","))),
        (true, Some(port)) => parts.push(format!("Addr: *:{port}")),
        (true, None) => {}
    }
    if parts.is_empty() { "ALL".to_owned() } else { parts.join("; ") }
}

/// Where a chain's last filter leads.
fn destination(chain: &Value) -> String {
    for filter in chain["filters"].as_array().into_iter().flatten() {
        let config = &filter["typedConfig"];
        let kind = config["@type"].as_str().unwrap_or("");
        if kind.ends_with("HttpConnectionManager") {
            if let Some(route) = config["rds"]["routeConfigName"].as_str() {
                return format!("Route: {route}");
            }
            return inline_route(&config["routeConfig"]);
        }
        if kind.ends_with("TcpProxy") {
            if let Some(cluster) = config["cluster"].as_str() {
                let plain = cluster.ends_with("Cluster") && !cluster.contains('|');
                return if plain { cluster.to_owned() } else { format!("Cluster: {cluster}") };
            }
            let weighted = config["weightedClusters"]["clusters"].as_array().into_iter().flatten();
            let names: Vec<String> = weighted
                .map(|it| format!("{} ({})", text(&it["name"]), text(&it["weight"])))
                .collect();
            return format!("Clusters: {}", names.join(", "));
        }
    }
    "Non-HTTP/Non-TCP".to_owned()
}

fn inline_route(config: &Value) -> String {
    let hosts = config["virtualHosts"].as_array().into_iter().flatten();
    let mut clusters: Vec<String> = hosts
        .flat_map(|it| it["routes"].as_array().into_iter().flatten())
        .map(|it| text(&it["route"]["cluster"]))
        .filter(|it| !it.is_empty())
        .collect();
    clusters.dedup();
    match clusters.as_slice() {
        [] => "Inline Route".to_owned(),
        [one] => format!("Inline Route: {one}"),
        several => format!("Inline Route: {}", several.join(", ")),
    }
}
