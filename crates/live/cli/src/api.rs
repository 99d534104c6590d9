//! One door to a Kubernetes API: requests of JSON, answers of JSON, warnings shown once.

use std::{fmt, path::Path};

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, header::ACCEPT};
use http_body_util::BodyExt as _;
use kube::{Client, Config, client::Body, config::Kubeconfig};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::resources::{Resource, Resources};

/// What kubectl asks for when it wants a table.
pub(crate) const AS_TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// A connection to one Kubernetes API.
#[derive(Clone)]
pub struct Api {
    client: Client,
    resources: OnceCell<Resources>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// An answer of the server that says no.
#[derive(Debug)]
pub struct Failure {
    /// The HTTP status.
    pub code: u16,
    /// Kubernetes' word for it, such as `NotFound`.
    pub reason: String,
    /// The server's sentence.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason.is_empty() {
            write!(f, "Error from server: {}", self.message)
        } else {
            write!(f, "Error from server ({}): {}", self.reason, self.message)
        }
    }
}

impl std::error::Error for Failure {}

impl Api {
    /// Connects with `home/kubeconfig`, or with the usual kubeconfig where home has none.
    ///
    /// # Errors
    /// When neither can be read.
    pub async fn connect(home: &Path) -> anyhow::Result<Self> {
        let path = home.join("kubeconfig");
        let config = if path.exists() {
            let kubeconfig =
                Kubeconfig::read_from(&path).with_context(|| format!("read {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
                .await?
        } else {
            Config::infer().await.with_context(|| {
                format!(
                    "no mesh has been started in {} and no other kubeconfig was found; start one with `lateen up`",
                    home.display()
                )
            })?
        };
        Ok(Self::new(Client::try_from(config)?))
    }

    /// Takes a client that exists.
    pub fn new(client: Client) -> Self {
        Self { client, resources: OnceCell::new() }
    }

    /// The resources that the server serves, asked for once.
    pub(crate) async fn resources(&self) -> anyhow::Result<&Resources> {
        self.resources
            .get_or_try_init(|| async {
                let core = self.call("GET", "/api", Resources::ACCEPT, None).await?;
                let groups = self.call("GET", "/apis", Resources::ACCEPT, None).await?;
                Ok(Resources::new(&[core, groups]))
            })
            .await
    }

    /// The resource of an apiVersion and kind.
    pub(crate) async fn kind(&self, api_version: &str, kind: &str) -> anyhow::Result<&Resource> {
        self.resources().await?.kind(api_version, kind).ok_or_else(|| {
            anyhow::anyhow!("no matches for kind \"{kind}\" in version \"{api_version}\"")
        })
    }

    /// All pods of all namespaces.
    ///
    /// # Errors
    /// As for any request: when the server cannot be reached or refuses.
    pub async fn pods(&self) -> anyhow::Result<Vec<Value>> {
        let list = self.read("/api/v1/pods").await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// All Deployments of all namespaces.
    ///
    /// # Errors
    /// As for any request: when the server cannot be reached or refuses.
    pub async fn deployments(&self) -> anyhow::Result<Vec<Value>> {
        let list = self.read("/apis/apps/v1/deployments").await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// A merge patch (RFC 7386) of the object at `path`.
    ///
    /// # Errors
    /// As for any request: when the server cannot be reached or refuses.
    pub async fn merge(&self, path: &str, patch: &Value) -> anyhow::Result<()> {
        let body = Some(("application/merge-patch+json", patch));
        self.call("PATCH", path, "application/json", body).await.map(drop)
    }

    /// GET of JSON.
    pub(crate) async fn read(&self, path: &str) -> anyhow::Result<Value> {
        self.call("GET", path, "application/json", None).await
    }

    /// One request; the answer is JSON. Warnings of the server go to standard error.
    ///
    /// # Errors
    /// [`Failure`] when the server says no; other errors when it cannot be reached.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        body: Option<(&str, &Value)>,
    ) -> anyhow::Result<Value> {
        let mut request = Request::builder().method(method).uri(path).header(ACCEPT, accept);
        let bytes = match body {
            Some((content_type, value)) => {
                request = request.header(http::header::CONTENT_TYPE, content_type);
                serde_json::to_vec(value)?
            }
            None => Vec::new(),
        };
        let response = self.send(request.body(Body::from(bytes))?).await?;
        let (parts, body) = response.into_parts();
        for warning in parts.headers.get_all(http::header::WARNING) {
            if let Some(text) = warning.to_str().ok().and_then(|it| it.split('"').nth(1)) {
                eprintln!("Warning: {text}");
            }
        }
        let bytes = body.collect().await.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
        if !parts.status.is_success() {
            return Err(failure(parts.status.as_u16(), &bytes).into());
        }
        serde_json::from_slice(&bytes).with_context(|| format!("the answer to {method} {path}"))
    }

    /// One request whose answer is read as it comes.
    ///
    /// # Errors
    /// As [`Api::call`].
    pub(crate) async fn stream(
        &self,
        path: &str,
        accept: &str,
    ) -> anyhow::Result<impl futures_util::Stream<Item = anyhow::Result<Bytes>> + Unpin> {
        let request = Request::builder().uri(path).header(ACCEPT, accept).body(Body::empty())?;
        let response = self.send(request).await?;
        let status = response.status();
        if !status.is_success() {
            let bytes = response.into_body().collect().await;
            let bytes = bytes.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
            return Err(failure(status.as_u16(), &bytes).into());
        }
        let frames = response.into_body().into_data_stream();
        Ok(frames
            .map(|frame| frame.map_err(|error| anyhow::anyhow!("the stream broke off: {error}"))))
    }

    async fn send(&self, request: Request<Body>) -> anyhow::Result<http::Response<Body>> {
        self.client.send(request).await.context(
            "the API server does not answer; is the mesh running? `lateen status` tells, `lateen up` starts it",
        )
    }
}

fn failure(code: u16, bytes: &[u8]) -> Failure {
    let status: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |name: &str| status[name].as_str().map(str::to_owned);
    Failure {
        code,
        reason: text("reason").unwrap_or_default(),
        message: text("message")
            .unwrap_or_else(|| String::from_utf8_lossy(bytes).trim().to_owned()),
    }
}
