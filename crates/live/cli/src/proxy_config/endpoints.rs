//! Endpoints, a row each, as the proxy's load balancer sees them.

use serde_json::Value;

use super::Shown;
use crate::jsonpath::text;

/// Which endpoints.
#[derive(Debug, Default, clap::Args)]
pub struct Filter {
    /// Of this cluster; a part of its name is enough
    #[arg(long, value_name = "NAME")]
    pub(super) cluster: Option<String>,
    /// With this address
    #[arg(long, value_name = "IP")]
    pub(super) address: Option<String>,
    /// With this port
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// With this status, such as HEALTHY
    #[arg(long)]
    pub(super) status: Option<String>,
}

const HEADER: &[&str] = &["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"];

pub(super) fn show<'a>(page: &'a Value, filter: &Filter) -> Shown<'a> {
    let mut found: Vec<(Vec<String>, &Value)> = Vec::new();
    for cluster in page["clusterStatuses"].as_array().into_iter().flatten() {
        let name = cluster["name"].as_str().unwrap_or("");
        for host in cluster["hostStatuses"].as_array().into_iter().flatten() {
            let socket = &host["address"]["socketAddress"];
            let pipe = host["address"]["pipe"]["path"].as_str();
            let (address, port) = (text(&socket["address"]), text(&socket["portValue"]));
            let health = &host["healthStatus"];
            let status = health["edsHealthStatus"].as_str().unwrap_or("UNKNOWN");
            let outlier = if health["failedOutlierCheck"] == true { "FAILED" } else { "OK" };
            let fits = filter.cluster.as_deref().is_none_or(|it| name.contains(it))
                && filter.address.as_deref().is_none_or(|it| address == it)
                && filter.port.is_none_or(|it| port == it.to_string())
                && filter.status.as_deref().is_none_or(|it| it.eq_ignore_ascii_case(status));
            if fits {
                let endpoint =
                    pipe.map_or_else(|| format!("{address}:{port}"), |it| format!("unix://{it}"));
                let row = [&endpoint, status, outlier, name].map(str::to_owned).to_vec();
                found.push((row, host));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| (&a[3], &a[0]).cmp(&(&b[3], &b[0])));
    let (rows, bodies) = found.into_iter().unzip();
    Shown { header: HEADER, rows, bodies }
}
