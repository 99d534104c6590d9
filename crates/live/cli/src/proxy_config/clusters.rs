//! Clusters, a row each.

use serde_json::Value;

use super::{ClusterName, Shown, origin, resources};

/// Which clusters.
#[derive(Debug, Default, clap::Args)]
pub struct Filter {
    /// Of this service, such as reviews.default.svc.cluster.local; a part is enough
    #[arg(long, value_name = "HOST")]
    pub(super) fqdn: Option<String>,
    /// Of this port
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// Of this direction
    #[arg(long, value_parser = ["inbound", "outbound"])]
    pub(super) direction: Option<String>,
    /// Of this subset
    #[arg(long)]
    pub(super) subset: Option<String>,
}

const HEADER: &[&str] =
    &["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"];

pub(super) fn show<'a>(dump: &'a Value, filter: &Filter) -> Shown<'a> {
    let mut found: Vec<(Vec<String>, &Value)> = Vec::new();
    for cluster in resources(dump, "Cluster") {
        let cluster = cluster.body;
        let name = cluster["name"].as_str().unwrap_or("");
        let parts = ClusterName::read(name);
        if !filter.fits(name, parts.as_ref()) {
            continue;
        }
        // What has no type is the first of the enumeration.
        let kind = cluster["type"].as_str().unwrap_or_else(|| {
            if cluster["clusterType"].is_object() { "CUSTOM" } else { "STATIC" }
        });
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let row = match &parts {
            Some(it) => vec![
                it.host.to_owned(),
                it.port.to_owned(),
                or_dash(it.subset),
                it.direction.to_owned(),
                kind.to_owned(),
                origin(cluster),
            ],
            None => {
                let dash = || "-".to_owned();
                vec![name.to_owned(), dash(), dash(), dash(), kind.to_owned(), origin(cluster)]
            }
        };
        found.push((row, cluster));
    }
    found.sort_by(|(a, _), (b, _)| {
        let key =
            |row: &[String]| (row[0].clone(), row[1].parse::<u16>().unwrap_or(0), row[2].clone());
        key(a).cmp(&key(b))
    });
    let (rows, bodies) = found.into_iter().unzip();
    Shown { header: HEADER, rows, bodies }
}

impl Filter {
    fn fits(&self, name: &str, parts: Option<&ClusterName<'_>>) -> bool {
        let part = |wanted: Option<&str>, own: fn(&ClusterName<'_>) -> String| {
            wanted.is_none_or(|wanted| parts.is_some_and(|it| own(it) == wanted))
        };
        let port = self.port.map(|it| it.to_string());
        self.fqdn.as_deref().is_none_or(|it| parts.map_or(name, |parts| parts.host).contains(it))
            && part(port.as_deref(), |it| it.port.to_owned())
            && part(self.direction.as_deref(), |it| it.direction.to_owned())
            && part(self.subset.as_deref(), |it| it.subset.to_owned())
    }
}
