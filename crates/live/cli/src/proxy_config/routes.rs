//! Routes, a row each.

use std::net::IpAddr;

use serde_json::Value;

use super::{Shown, origin, resources};
use crate::jsonpath::text;

/// Which routes.
#[derive(Debug, Default, clap::Args)]
pub struct Filter {
    /// Of the configuration of this name, such as 80 or http.8080
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Of hosts in whose name or domains this stands
    #[arg(long, value_name = "HOST")]
    pub(super) fqdn: Option<String>,
}

const HEADER: &[&str] = &["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE", "GOES TO"];

pub(super) fn show<'a>(dump: &'a Value, filter: &Filter) -> Shown<'a> {
    let mut shown = Shown { header: HEADER, ..Shown::default() };
    let mut found: Vec<(&str, &Value)> = resources(dump, "RouteConfiguration")
        .into_iter()
        .map(|it| (it.body["name"].as_str().unwrap_or(""), it.body))
        .filter(|(name, _)| filter.name.as_deref().is_none_or(|it| it == *name))
        .collect();
    // Ports as numbers, then names.
    found.sort_by_key(|(name, _)| (name.parse::<u16>().map_or(u32::MAX, u32::from), *name));
    for (name, config) in found {
        let before = shown.rows.len();
        for host in config["virtualHosts"].as_array().into_iter().flatten() {
            let domains: Vec<String> =
                host["domains"].as_array().into_iter().flatten().map(text).collect();
            let vhost = text(&host["name"]);
            let fits = |wanted: &str| {
                vhost.contains(wanted) || domains.iter().any(|it| it.contains(wanted))
            };
            if !filter.fqdn.as_deref().is_none_or(fits) {
                continue;
            }
            let routes = host["routes"].as_array().filter(|it| !it.is_empty());
            let row = |matched: String, origin: String, goes: String| {
                vec![name.to_owned(), vhost.clone(), shortened(&domains), matched, origin, goes]
            };
            match routes {
                None => shown.rows.push(row("404".to_owned(), String::new(), "404".to_owned())),
                Some(routes) => shown.rows.extend(
                    routes.iter().map(|it| row(matched(&it["match"]), origin(it), goes_to(it))),
                ),
            }
        }
        if shown.rows.len() > before || filter.fqdn.is_none() {
            shown.bodies.push(config);
        }
    }
    shown
}

/// The two shortest names say it best; the rest are other spellings and addresses.
fn shortened(domains: &[String]) -> String {
    let is_address =
        |it: &&String| it.split(':').next().is_some_and(|it| it.parse::<IpAddr>().is_ok());
    let mut names: Vec<&str> =
        domains.iter().filter(|it| !is_address(it)).map(String::as_str).collect();
    names.sort_by_key(|it| it.len());
    if names.is_empty() {
        names = domains.iter().map(String::as_str).collect();
    }
    names.truncate(2);
    match domains.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} + {more} more...", names.join(", ")),
    }
}

/// `/*`, `/exact`, `/prefix*`, `regex ...`, and that there are further conditions.
fn matched(conditions: &Value) -> String {
    let path = if let Some(prefix) = conditions["prefix"].as_str() {
        format!("{prefix}*")
    } else if let Some(prefix) = conditions["pathSeparatedPrefix"].as_str() {
        format!("PathPrefix:{prefix}")
    } else if let Some(path) = conditions["path"].as_str() {
        path.to_owned()
    } else if let Some(regex) = conditions["safeRegex"]["regex"].as_str() {
        format!("regex {regex}")
    } else {
        "/*".to_owned()
    };
    let mut more = Vec::new();
    for header in conditions["headers"].as_array().into_iter().flatten() {
        more.push(text(&header["name"]));
    }
    for parameter in conditions["queryParameters"].as_array().into_iter().flatten() {
        more.push(format!("?{}", text(&parameter["name"])));
    }
    if more.is_empty() { path } else { format!("{path} if {}", more.join(",")) }
}

fn goes_to(route: &Value) -> String {
    let action = &route["route"];
    if let Some(cluster) = action["cluster"].as_str() {
        return cluster.to_owned();
    }
    if let Some(weighted) = action["weightedClusters"]["clusters"].as_array() {
        let names = weighted.iter().map(|it| {
            let weight = it["weight"].as_u64().unwrap_or(0);
            format!("{} ({weight})", text(&it["name"]))
        });
        return names.collect::<Vec<_>>().join(", ");
    }
    if let Some(status) = route["directResponse"]["status"].as_u64() {
        return format!("answers {status}");
    }
    if route["redirect"].is_object() {
        let to = ["hostRedirect", "pathRedirect", "prefixRewrite"];
        let to: Vec<String> = to.iter().map(|it| text(&route["redirect"][*it])).collect();
        return format!("redirects {}", to.concat());
    }
    String::new()
}
