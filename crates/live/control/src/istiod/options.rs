//! How the control plane is started.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, TcpListener},
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use mesh::{Settings, inject::InjectConfig};

/// How the control plane is started.
#[derive(Debug)]
pub struct Options {
    /// The kubeconfig to use; without one, the pod's own service account, else `$KUBECONFIG`.
    pub kubeconfig: Option<PathBuf>,
    /// Where the control plane itself lives.
    pub namespace: String,
    /// Name of its Service: it is in the serving certificate, and sidecars dial it.
    pub service: String,
    /// Address of all ports.
    pub address: IpAddr,
    /// The ports.
    pub ports: Ports,
    /// Listeners that the parent process made, by the port that they stand for; they are served beside the port itself.
    pub inherited: BTreeMap<u16, TcpListener>,
    /// What injected sidecars are told.
    pub inject: InjectConfig,
    /// Names that hold for the whole mesh.
    pub settings: Settings,
}

/// The ports of the control plane; 0 picks a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// xDS in plain text.
    pub xds: u16,
    /// xDS and the certificate service over TLS, for callers who prove who they are.
    pub secure: u16,
    /// Debug pages and metrics.
    pub debug: u16,
    /// Webhooks over HTTPS.
    pub webhook: u16,
    /// Probes.
    pub http: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { xds: 15010, secure: 15012, debug: 15014, webhook: 15017, http: 8080 }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            namespace: "istio-system".to_owned(),
            service: "istiod".to_owned(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            ports: Ports::default(),
            inherited: BTreeMap::new(),
            inject: InjectConfig::default(),
            settings: Settings::default(),
        }
    }
}

impl Options {
    /// The options that a container of the control plane finds in its environment: `POD_NAMESPACE`, `CLUSTER_ID`,
    /// `LATEEN_PROXY_IMAGE` and, from the parent process, `LATEEN_LISTEN_FDS` (`15010=7,15014=8`: port and fd).
    ///
    /// # Errors
    /// When `LATEEN_LISTEN_FDS` is not of that form or names an fd that is no TCP listener.
    pub fn from_environment() -> anyhow::Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let mut options = Self::default();
        if let Some(namespace) = variable("POD_NAMESPACE") {
            options.settings.root_namespace.clone_from(&namespace);
            options.inject.discovery =
                format!("{}.{namespace}.svc:{}", options.service, options.ports.xds);
            options.namespace = namespace;
        }
        if let Some(cluster) = variable("CLUSTER_ID") {
            options.inject.cluster.clone_from(&cluster);
            options.settings.cluster = cluster;
        }
        if let Some(image) = variable("LATEEN_PROXY_IMAGE") {
            options.inject.image = image;
        }
        for (port, fd) in listen_fds(&variable("LATEEN_LISTEN_FDS").unwrap_or_default())? {
            let listener =
                inherit(fd).with_context(|| format!("LATEEN_LISTEN_FDS: {port}={fd}"))?;
            options.inherited.insert(port, listener);
        }
        Ok(options)
    }

    /// A client of the Kubernetes API.
    pub(super) async fn client(&self) -> anyhow::Result<kube::Client> {
        let config = match &self.kubeconfig {
            Some(path) => {
                let file = kube::config::Kubeconfig::read_from(path)
                    .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
                kube::Config::from_custom_kubeconfig(
                    file,
                    &kube::config::KubeConfigOptions::default(),
                )
                .await?
            }
            None => kube::Config::infer()
                .await
                .context("no Kubernetes API is configured: run in a pod, or set KUBECONFIG")?,
        };
        kube::Client::try_from(config).context("cannot make a client of the Kubernetes API")
    }

    /// `host:port` at which sidecars find this control plane. The Service's address spares each of them a look-up at start.
    pub(super) fn discovery(&self, service: Option<&str>) -> String {
        service.map_or_else(
            || self.inject.discovery.clone(),
            |address| format!("{address}:{}", self.ports.xds),
        )
    }
}

/// Reads `15010=7,15014=8`: a port and the number of the fd that listens for it.
fn listen_fds(text: &str) -> anyhow::Result<BTreeMap<u16, RawFd>> {
    let mut fds = BTreeMap::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let parsed = pair
            .split_once('=')
            .and_then(|(port, fd)| Some((port.trim().parse().ok()?, fd.trim().parse().ok()?)));
        let Some((port, fd)) = parsed else { bail!("LATEEN_LISTEN_FDS: {pair:?} is not PORT=FD") };
        fds.insert(port, fd);
    }
    Ok(fds)
}

/// Takes over a listener by its number.
fn inherit(fd: RawFd) -> anyhow::Result<TcpListener> {
    if fd <= 2 {
        bail!("fds 0, 1 and 2 are no listeners");
    }
    #[expect(
        unsafe_code,
        reason = "a number in the environment is the only form in which an fd passes exec"
    )]
    // SAFETY: the parent names each fd once, for this process to own; nobody else here closes it.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    let listener = TcpListener::from(owned);
    listener.local_addr().context("not a TCP listener")?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_namespace_cluster_and_image() {
        let options = Options::from_variables(|name| match name {
            "POD_NAMESPACE" => Some("mesh".into()),
            "CLUSTER_ID" => Some("east".into()),
            _ => None,
        })
        .unwrap();
        assert_eq!(options.discovery(None), "istiod.mesh.svc:15010");
        assert_eq!(options.discovery(Some("10.96.3.4")), "10.96.3.4:15010");
        assert_eq!(
            (options.settings.cluster.as_str(), options.inject.cluster.as_str()),
            ("east", "east")
        );
    }

    #[test]
    fn pairs_of_port_and_fd_are_read_and_nonsense_is_refused() {
        assert_eq!(
            listen_fds("15010=7, 15014=8").unwrap(),
            BTreeMap::from([(15010, 7), (15014, 8)])
        );
        assert!(listen_fds("").unwrap().is_empty());
        for text in ["15010", "x=7", "15010=-", "99999=7"] {
            assert!(listen_fds(text).is_err(), "{text}");
        }
        assert!(inherit(1).is_err());
    }
}
