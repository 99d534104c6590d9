//! `version`: of this binary, of the API server, of the control plane.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::{
    api::{Api, Target},
    forward::{self, Door},
    out::print,
    proxy_status,
};

/// The arguments of `version`.
#[derive(Debug, clap::Args)]
pub struct Version {
    /// Of this binary alone
    #[arg(long)]
    client: bool,
    /// How to print: text or json
    #[arg(short, long, value_parser = ["text", "json"], default_value = "text", hide_possible_values = true)]
    output: String,
}

pub(crate) async fn run(target: &Target, version: &Version) -> anyhow::Result<ExitCode> {
    let mut said = json!({ "clientVersion": env!("CARGO_PKG_VERSION") });
    let mut mesh = Ok(());
    if !version.client {
        mesh = servers(target, &mut said).await;
    }
    print(&match version.output.as_str() {
        "json" => format!("{said:#}\n"),
        _ => text(&said),
    })?;
    // The version of the binary is told in any case; without a mesh there is no more to tell.
    if let Err(error) = mesh {
        eprintln!("{error:#}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn servers(target: &Target, said: &mut Value) -> anyhow::Result<()> {
    let api = Api::reach(target).await?;
    said["serverVersion"] = api.read("/version").await?["gitVersion"].clone();
    let namespace = "istio-system";
    let istiods = proxy_status::istiods(&api, namespace).await?;
    let (mut versions, mut proxies) = (Vec::new(), 0);
    for istiod in &istiods {
        proxies += istiod.proxies.len();
        let door = Door { namespace, pod: &istiod.pod, port: 15014 };
        let page = forward::page(&api, door, "/version").await?;
        versions.push(String::from_utf8_lossy(&page).trim().to_owned());
    }
    versions.sort();
    versions.dedup();
    said["meshVersion"] = json!(versions.join(", "));
    said["proxies"] = json!(proxies);
    Ok(())
}

fn text(said: &Value) -> String {
    let mut out = String::new();
    for (title, name) in [
        ("client version", "clientVersion"),
        ("API server version", "serverVersion"),
        ("control plane version", "meshVersion"),
    ] {
        if let Some(value) = said[name].as_str() {
            out += &format!("{title}: {value}\n");
        }
    }
    if let Some(proxies) = said["proxies"].as_u64() {
        out += &format!("data plane: {proxies} proxies connected\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_told() {
        let mut said = json!({ "clientVersion": "1.0.0" });
        assert_eq!(text(&said), "client version: 1.0.0\n");
        said["meshVersion"] = json!("1.0.1");
        said["proxies"] = json!(3);
        let wanted = "client version: 1.0.0\ncontrol plane version: 1.0.1\ndata plane: 3 proxies connected\n";
        assert_eq!(text(&said), wanted);
    }
}
