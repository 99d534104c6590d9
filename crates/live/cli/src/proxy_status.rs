//! `proxy-status`: which proxies the control plane knows, and whether they have what it sent.

mod compare;

use std::process::ExitCode;

use serde_json::Value;

use crate::{
    api::Api,
    forward::{self, Door},
    get::query,
    jsonpath::text,
    logs,
    out::{columns, complain, print},
};
use kinds::words::nearest;

/// Where the control plane answers questions about itself.
const PORT: u16 = 15014;
/// istioctl's columns of types, and their keys in `syncz`.
const TYPES: [(&str, &str); 5] = [
    ("CDS", "cluster"),
    ("LDS", "listener"),
    ("EDS", "endpoint"),
    ("RDS", "route"),
    ("ECDS", "extensionconfig"),
];

/// The arguments of `proxy-status`.
#[derive(Debug, clap::Args)]
pub struct ProxyStatus {
    /// POD[.NAMESPACE] or deploy/NAME: compare what this proxy has with what was sent to it
    pod: Option<String>,
    /// Only proxies of this namespace
    #[arg(short, long)]
    namespace: Option<String>,
    /// The namespace of the control plane
    #[arg(short = 'i', long, default_value = "istio-system", value_name = "NAMESPACE")]
    istio_namespace: String,
    /// How to print: table or json
    #[arg(short, long, value_parser = ["table", "json"], default_value = "table", hide_possible_values = true)]
    output: String,
}

/// One process of the control plane, and what it said.
pub(crate) struct Istiod {
    pub(crate) pod: String,
    pub(crate) proxies: Vec<Value>,
}

pub(crate) async fn run(api: &Api, wanted: &ProxyStatus) -> anyhow::Result<ExitCode> {
    let istiods = istiods(api, &wanted.istio_namespace).await?;
    let Some(pod) = &wanted.pod else {
        let mut rows: Vec<(&str, &Value)> = istiods
            .iter()
            .flat_map(|it| it.proxies.iter().map(|proxy| (it.pod.as_str(), proxy)))
            .filter(|(_, proxy)| {
                let namespace = proxy["proxy"].as_str().and_then(|it| it.rsplit_once('.'));
                wanted
                    .namespace
                    .as_deref()
                    .is_none_or(|it| namespace.is_some_and(|own| own.1 == it))
            })
            .collect();
        rows.sort_by_key(|(_, proxy)| text(&proxy["proxy"]));
        if wanted.output == "json" {
            let all: Vec<&Value> = rows.iter().map(|(_, proxy)| *proxy).collect();
            print(&(serde_json::to_string_pretty(&all)? + "\n"))?;
        } else if rows.is_empty() {
            eprintln!("No proxy is connected to the control plane.");
        } else {
            print(&table(&rows))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let place = proxy_pod(api, wanted.namespace.as_deref(), pod).await?;
    let name = format!("{}.{}", place.name, place.namespace);
    let knows = |it: &&Istiod| it.proxies.iter().any(|proxy| proxy["proxy"] == *name);
    let Some(istiod) = istiods.iter().find(knows) else {
        let proxies = istiods.iter().flat_map(|it| &it.proxies);
        let names = proxies.filter_map(|it| it["proxy"].as_str());
        let near =
            nearest(&name, names).map_or(String::new(), |it| format!("; did you mean {it}?"));
        anyhow::bail!(
            "the proxy {name} is not connected to the control plane{near}\n  `lateen logs {} -n {} -c istio-proxy` tells why",
            place.name,
            place.namespace
        );
    };
    let door = Door { namespace: &wanted.istio_namespace, pod: &istiod.pod, port: PORT };
    let sent = forward::page(api, door, &format!("/debug/config_dump?proxyID={name}")).await?;
    let has = place.page(api, "/config_dump?include_eds").await?;
    let (sent, has) = (serde_json::from_slice(&sent)?, serde_json::from_slice(&has)?);
    let compared = compare::compare(&sent, &has);
    print(&compared.text)?;
    Ok(if compared.same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks every ready istiod for its proxies.
pub(crate) async fn istiods(api: &Api, namespace: &str) -> anyhow::Result<Vec<Istiod>> {
    let selector = query(&[("labelSelector", Some("app=istiod"))]);
    let list = api.read(&format!("/api/v1/namespaces/{namespace}/pods{selector}")).await?;
    let mut found = Vec::new();
    for pod in list["items"].as_array().into_iter().flatten() {
        let name = pod["metadata"]["name"].as_str().unwrap_or("");
        if pod["status"]["phase"] != "Running" || !pod["metadata"]["deletionTimestamp"].is_null() {
            continue;
        }
        match forward::page(api, Door { namespace, pod: name, port: PORT }, "/debug/syncz").await {
            Ok(page) => {
                found
                    .push(Istiod { pod: name.to_owned(), proxies: serde_json::from_slice(&page)? });
            }
            // Another replica may answer.
            Err(error) => complain(&error),
        }
    }
    anyhow::ensure!(
        !found.is_empty(),
        "no istiod answers in namespace {namespace}\n  `lateen get pods -n {namespace}` tells what runs there; -i names another namespace"
    );
    Ok(found)
}

/// A pod with a proxy in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyPod {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ProxyPod {
    /// A page of the proxy's admin port.
    pub(crate) async fn page(&self, api: &Api, path: &str) -> anyhow::Result<bytes::Bytes> {
        let door = Door { namespace: &self.namespace, pod: &self.name, port: 15000 };
        forward::page(api, door, path).await
    }
}

/// The pod that `POD`, `POD.NAMESPACE` or `KIND/NAME[.NAMESPACE]` names; it must have a proxy.
pub(crate) async fn proxy_pod(
    api: &Api,
    said: Option<&str>,
    word: &str,
) -> anyhow::Result<ProxyPod> {
    let (name, namespace) = match word.rsplit_once('.') {
        Some((name, namespace)) if said.is_none() => (name, namespace),
        _ => (word, api.namespace(said)),
    };
    let pod = logs::pod(api, namespace, name).await?;
    let lists = ["containers", "initContainers"];
    let mut containers =
        lists.iter().flat_map(|it| pod["spec"][*it].as_array().into_iter().flatten());
    let name = pod["metadata"]["name"].as_str().unwrap_or("").to_owned();
    anyhow::ensure!(
        containers.any(|it| it["name"] == "istio-proxy"),
        "pod {namespace}/{name} has no proxy in it\n  label its namespace istio-injection=enabled and restart the pod"
    );
    Ok(ProxyPod { namespace: namespace.to_owned(), name })
}

/// istioctl's columns, and below them what proxies refused or leave aside.
fn table(rows: &[(&str, &Value)]) -> String {
    let mut header = vec!["NAME".to_owned(), "CLUSTER".to_owned()];
    header.extend(TYPES.map(|(title, _)| title.to_owned()));
    header.extend(["ISTIOD".to_owned(), "VERSION".to_owned()]);
    let mut lines = vec![header];
    let mut notes = String::new();
    for (istiod, proxy) in rows {
        let mut line = vec![text(&proxy["proxy"]), text(&proxy["cluster_id"])];
        for (title, key) in TYPES {
            line.push(state(proxy, title, key).to_owned());
            let error = &proxy["types"][title.to_lowercase()]["error"];
            if let Some(error) = error.as_str().filter(|it| !it.is_empty()) {
                notes += &format!("{} refused {title}: {error}\n", text(&proxy["proxy"]));
            }
        }
        let aside = proxy["leaves_aside"].as_array().into_iter().flatten();
        let aside: Vec<&str> = aside.filter_map(Value::as_str).collect();
        if !aside.is_empty() {
            let agent = proxy["agent"].as_str().filter(|it| !it.is_empty());
            notes += &format!(
                "{} is {} and leaves aside the lateen/ annotations of {}\n",
                text(&proxy["proxy"]),
                agent.unwrap_or("no proxy of lateen"),
                aside.join(", ")
            );
        }
        let version = ["istio_version", "proxy_version"].map(|it| text(&proxy[it]));
        let version = version.into_iter().find(|it| !it.is_empty());
        line.extend([(*istiod).to_owned(), version.unwrap_or_else(|| "-".to_owned())]);
        lines.push(line);
    }
    let table = columns(&lines);
    if notes.is_empty() { table } else { format!("{table}\n{notes}") }
}

/// istioctl's words: SYNCED, STALE, NOT SENT; and REJECTED, which it does not know.
fn state(proxy: &Value, title: &str, key: &str) -> &'static str {
    let word = |suffix: &str| proxy[format!("{key}_{suffix}")].as_str().unwrap_or("");
    if proxy["types"][title.to_lowercase()]["error"].as_str().is_some_and(|it| !it.is_empty()) {
        "REJECTED"
    } else if word("sent").is_empty() {
        "NOT SENT"
    } else if word("sent") == word("acked") {
        "SYNCED"
    } else {
        "STALE"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_type_says_how_it_is() {
        let proxy = json!({ "proxy": "a.default", "cluster_id": "Kubernetes",
            "cluster_sent": "3", "cluster_acked": "3", "listener_sent": "2", "listener_acked": "1",
            "route_sent": "4", "route_acked": "3",
            "types": { "rds": { "error": "route x: no such cluster" } } });
        let text = table(&[("istiod-1", &proxy)]);
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some(
                "NAME        CLUSTER      CDS      LDS     EDS        RDS        ECDS       ISTIOD     VERSION"
            )
        );
        assert_eq!(
            lines.next(),
            Some(
                "a.default   Kubernetes   SYNCED   STALE   NOT SENT   REJECTED   NOT SENT   istiod-1   -"
            )
        );
        assert!(text.ends_with("\na.default refused RDS: route x: no such cluster\n"), "{text}");
        let envoy = json!({ "proxy": "b.default", "agent": "envoy/1.40.0",
            "leaves_aside": ["DestinationRule default/shop"] });
        let text = table(&[("istiod-1", &envoy)]);
        let note = "\nb.default is envoy/1.40.0 and leaves aside the lateen/ annotations of DestinationRule default/shop\n";
        assert!(text.ends_with(note), "{text}");
    }
}
