//! Options of a sidecar or gateway container, from the variables that injection writes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use telemetry::Workload;
use xds::core::Node;

use super::{Kind, Options, SANDBOX_MARK};

impl Options {
    /// Reads the environment of a sidecar or gateway container; `variable` looks a name up.
    ///
    /// # Errors
    /// Names the variable that is missing or cannot be read.
    pub fn from_environment(
        kind: Kind,
        variables: &BTreeMap<String, String>,
    ) -> anyhow::Result<Options> {
        let variable =
            |name: &str| variables.get(name).map(String::as_str).filter(|v| !v.is_empty());
        let need = |name: &str| {
            variable(name).with_context(|| {
                format!("{name} is not set; the injector sets it from the pod's own fields")
            })
        };
        let (pod, namespace) = (need("POD_NAME")?, need("POD_NAMESPACE")?);
        let ip = need("INSTANCE_IP")?;
        let first = ip.split(',').next().unwrap_or(ip).trim();
        first.parse::<std::net::IpAddr>().with_context(|| format!("INSTANCE_IP={ip:?}"))?;
        let metadata = metadata(variables, namespace, ip)?;
        let label = |name: &str| metadata.get("LABELS")?.get(name)?.as_str();
        let text = |name: &str| metadata.get(name).and_then(Value::as_str);
        let workload = Workload::from_labels(
            text("WORKLOAD_NAME"),
            Some(namespace),
            text("CLUSTER_ID"),
            label,
        );
        let domain =
            format!("{namespace}.svc.{}", variable("TRUST_DOMAIN").unwrap_or("cluster.local"));
        let role = match kind {
            Kind::Sidecar => "sidecar",
            Kind::Gateway => "router",
        };
        let node = Node {
            id: format!("{role}~{first}~{pod}.{namespace}~{domain}"),
            cluster: format!("{}.{namespace}", workload.canonical_service),
            metadata: Some(serde_json::from_value(Value::Object(metadata.clone()))?),
            user_agent_name: "lateen".to_owned(),
            client_features: vec!["envoy.lb.does_not_support_overprovisioning".to_owned()],
            ..Node::default()
        };
        let proxy = proxy_config(variable("PROXY_CONFIG"))?;
        let discovery = variable("LATEEN_DISCOVERY")
            .map(str::to_owned)
            .or_else(|| Some(proxy.get("discoveryAddress")?.as_str()?.to_owned()))
            .context("LATEEN_DISCOVERY is not set: host:port of the control plane")?;
        let concurrency = match (variable("LATEEN_CONCURRENCY"), proxy.get("concurrency")) {
            (Some(text), _) => number("LATEEN_CONCURRENCY", text)?,
            (None, Some(value)) => value.as_u64().context("PROXY_CONFIG: concurrency")?,
            (None, None) if kind == Kind::Gateway => 2,
            (None, None) => 1,
        };
        let mark = match variable("LATEEN_MARK") {
            Some(text) => {
                Some(u32::try_from(number("LATEEN_MARK", text)?)?).filter(|mark| *mark != 0)
            }
            None => (kind == Kind::Sidecar).then_some(SANDBOX_MARK),
        };
        Ok(Options {
            node,
            discovery: Some(discovery),
            bootstrap: None,
            concurrency: usize::try_from(concurrency)?.max(1),
            mark,
            admin: SocketAddr::from(([127, 0, 0, 1], 15000)),
            status: Some(port(variable("ENVOY_STATUS_PORT"), 15021)?),
            metrics: Some(port(variable("ENVOY_PROMETHEUS_PORT"), 15090)?),
            inherited: listen_fds(variable("LATEEN_LISTEN_FDS").unwrap_or_default())?,
            drain: drain(variable("TERMINATION_DRAIN_DURATION_SECONDS"), &proxy)?,
            drain_waits_for_connections: variable("EXIT_ON_ZERO_ACTIVE_CONNECTIONS")
                == Some("true"),
            workload,
        })
    }
}

fn metadata(
    variables: &BTreeMap<String, String>,
    namespace: &str,
    ip: &str,
) -> anyhow::Result<Map<String, Value>> {
    let mut metadata = Map::new();
    metadata.insert("NAMESPACE".into(), namespace.into());
    metadata.insert("INSTANCE_IPS".into(), ip.into());
    metadata.insert("CLUSTER_ID".into(), "Kubernetes".into());
    if let Some(account) = variables.get("SERVICE_ACCOUNT") {
        metadata.insert("SERVICE_ACCOUNT".into(), account.as_str().into());
    }
    if let Some(name) = variables.get("POD_NAME") {
        metadata.insert("NAME".into(), name.as_str().into());
    }
    for (name, value) in variables {
        if let Some(key) = name.strip_prefix("ISTIO_META_") {
            metadata.insert(key.to_owned(), value.as_str().into());
        } else if let Some(key) = name.strip_prefix("ISTIO_METAJSON_") {
            let value: Value = serde_json::from_str(value)
                .with_context(|| format!("{name} is not JSON: {value:?}"))?;
            // Several variables may each bring a part of one object (labels, annotations).
            match (metadata.get_mut(key), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                (_, value) => {
                    metadata.insert(key.to_owned(), value);
                }
            }
        }
    }
    Ok(metadata)
}

fn proxy_config(text: Option<&str>) -> anyhow::Result<Value> {
    match text {
        Some(text) => super::yaml(text).context("PROXY_CONFIG is neither JSON nor YAML"),
        None => Ok(Value::Null),
    }
}

fn drain(seconds: Option<&str>, proxy: &Value) -> anyhow::Result<Duration> {
    if let Some(seconds) = seconds {
        return Ok(Duration::from_secs(number("TERMINATION_DRAIN_DURATION_SECONDS", seconds)?));
    }
    match proxy.get("terminationDrainDuration").and_then(Value::as_str) {
        Some(text) => {
            let seconds: f64 =
                text.strip_suffix('s').and_then(|text| text.parse().ok()).with_context(|| {
                    format!("PROXY_CONFIG: terminationDrainDuration {text:?} is not like 5s")
                })?;
            Duration::try_from_secs_f64(seconds).context("PROXY_CONFIG: terminationDrainDuration")
        }
        None => Ok(Duration::from_secs(5)),
    }
}

fn number(name: &str, text: &str) -> anyhow::Result<u64> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.with_context(|| format!("{name}={text:?} is not a number"))
}

fn port(text: Option<&str>, default: u16) -> anyhow::Result<SocketAddr> {
    let port = match text {
        Some(text) => text.parse().with_context(|| format!("port {text:?}"))?,
        None => default,
    };
    Ok(SocketAddr::from(([0, 0, 0, 0], port)))
}

/// Reads `8080=7,8443=8`: a container port and the number of the fd that listens for it.
fn listen_fds(text: &str) -> anyhow::Result<BTreeMap<u16, RawFd>> {
    let mut fds = BTreeMap::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let parsed = pair
            .split_once('=')
            .and_then(|(port, fd)| Some((port.trim().parse().ok()?, fd.trim().parse().ok()?)));
        let Some((port, fd)) = parsed else {
            bail!("LATEEN_LISTEN_FDS: {pair:?} is not PORT=FD");
        };
        fds.insert(port, fd);
    }
    Ok(fds)
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Options, SANDBOX_MARK};
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn environment(more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let base = [
            ("POD_NAME", "a-1"),
            ("POD_NAMESPACE", "default"),
            ("INSTANCE_IP", "10.244.0.5"),
            ("SERVICE_ACCOUNT", "a"),
            ("ISTIO_META_WORKLOAD_NAME", "a"),
            ("ISTIO_METAJSON_LABELS", r#"{"app":"a","version":"v1"}"#),
            ("LATEEN_DISCOVERY", "istiod.istio-system.svc:15010"),
        ];
        base.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_sidecar_is_named_as_istio_names_it() {
        let options = Options::from_environment(Kind::Sidecar, &environment(&[])).unwrap();
        assert_eq!(options.node.id, "sidecar~10.244.0.5~a-1.default~default.svc.cluster.local");
        assert_eq!(options.node.cluster, "a.default");
        let metadata = serde_json::to_value(options.node.metadata.unwrap()).unwrap();
        assert_eq!(metadata["LABELS"]["version"], "v1");
        assert_eq!(metadata["WORKLOAD_NAME"], "a");
        assert_eq!(metadata["INSTANCE_IPS"], "10.244.0.5");
        assert_eq!((options.mark, options.concurrency), (Some(SANDBOX_MARK), 1));
        assert_eq!(options.workload.version, "v1");
        assert_eq!(options.drain, Duration::from_secs(5));
    }

    #[test]
    fn a_gateway_takes_over_host_listeners() {
        let more = [("LATEEN_LISTEN_FDS", "8080=7,8443=8"), ("LATEEN_CONCURRENCY", "3")];
        let options = Options::from_environment(Kind::Gateway, &environment(&more)).unwrap();
        assert!(options.node.id.starts_with("router~"));
        assert_eq!(options.inherited, BTreeMap::from([(8080, 7), (8443, 8)]));
        assert_eq!((options.mark, options.concurrency), (None, 3));
    }

    #[test]
    fn proxy_config_may_be_yaml() {
        let yaml = "concurrency: 4\nterminationDrainDuration: 1.5s\ndiscoveryAddress: d:1\n";
        let mut variables = environment(&[("PROXY_CONFIG", yaml)]);
        variables.remove("LATEEN_DISCOVERY");
        let options = Options::from_environment(Kind::Sidecar, &variables).unwrap();
        assert_eq!(options.concurrency, 4);
        assert_eq!(options.drain, Duration::from_millis(1500));
        assert_eq!(options.discovery.as_deref(), Some("d:1"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("POD_NAME", ""),
            ("INSTANCE_IP", "nowhere"),
            ("ISTIO_METAJSON_LABELS", "{"),
            ("LATEEN_LISTEN_FDS", "8080"),
            ("LATEEN_CONCURRENCY", "many"),
            ("PROXY_CONFIG", "{["),
        ] {
            let variables = environment(&[(name, value)]);
            let error = Options::from_environment(Kind::Sidecar, &variables).unwrap_err();
            assert!(format!("{error:#}").contains(name), "{error:#}");
        }
    }
}
