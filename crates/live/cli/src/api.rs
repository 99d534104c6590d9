//! One door to a Kubernetes API: requests of JSON, answers of JSON, warnings shown once.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, header::ACCEPT};
use http_body_util::BodyExt as _;
use kube::{Client, Config, client::Body, config::Kubeconfig};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::resources::{Resource, Resources};
use kinds::words::nearest;

/// What kubectl asks for when it wants a table.
pub(crate) const AS_TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Which API is meant, in the order in which it is looked for.
#[derive(Clone, Debug)]
pub struct Target {
    /// A kubeconfig that a person named.
    pub kubeconfig: Option<PathBuf>,
    /// The home of a mesh, with a kubeconfig in it.
    pub home: PathBuf,
    /// Whether a person named that home: then no other place is looked at.
    pub home_is_named: bool,
}

/// A connection to one Kubernetes API.
#[derive(Clone)]
pub struct Api {
    client: Client,
    namespace: String,
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
    /// What to do next, where it is known.
    pub hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => write!(f, "Error from server: {}", self.message)?,
            reason => write!(f, "Error from server ({reason}): {}", self.message)?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

impl Api {
    /// Connects to the mesh of a home.
    ///
    /// # Errors
    /// When there is no mesh in it, or its kubeconfig cannot be read.
    pub async fn connect(home: &Path) -> anyhow::Result<Self> {
        let home = home.to_path_buf();
        Self::reach(&Target { kubeconfig: None, home, home_is_named: true }).await
    }

    /// Connects to what is meant: the kubeconfig that was named, else the mesh of the home, else,
    /// when nobody named a home, `$KUBECONFIG` or the cluster around this pod. Never a kubeconfig
    /// that nobody named: a slip in `--home` must not delete things in some other cluster.
    ///
    /// # Errors
    /// When none of them is there or can be read.
    pub async fn reach(target: &Target) -> anyhow::Result<Self> {
        let in_home = target.home.join("kubeconfig");
        let from_environment = !target.home_is_named
            && ["KUBECONFIG", "KUBERNETES_SERVICE_HOST"]
                .iter()
                .any(|name| std::env::var_os(name).is_some_and(|it| !it.is_empty()));
        let named = target.kubeconfig.clone().or_else(|| in_home.exists().then_some(in_home));
        let config = match named {
            Some(path) => {
                // Said here, because the reader below says it twice over.
                std::fs::metadata(&path)
                    .with_context(|| format!("read the kubeconfig {}", path.display()))?;
                let kubeconfig = Kubeconfig::read_from(&path)
                    .with_context(|| format!("read the kubeconfig {}", path.display()))?;
                let options = kube::config::KubeConfigOptions::default();
                Config::from_custom_kubeconfig(kubeconfig, &options)
                    .await
                    .with_context(|| format!("the kubeconfig {}", path.display()))?
            }
            None if from_environment => Config::infer().await?,
            None => anyhow::bail!(
                "no mesh has been started in {}\n  start one with `lateen up`, or name another with --home DIR or --kubeconfig FILE",
                target.home.display()
            ),
        };
        let namespace = config.default_namespace.clone();
        Ok(Self { namespace, ..Self::new(Client::try_from(config)?) })
    }

    /// Takes a client that exists.
    pub fn new(client: Client) -> Self {
        Self { client, namespace: "default".to_owned(), resources: OnceCell::new() }
    }

    /// The namespace that is meant: the one that was said, else the kubeconfig's.
    pub(crate) fn namespace<'a>(&'a self, said: Option<&'a str>) -> &'a str {
        said.unwrap_or(&self.namespace)
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
        let served = self.resources().await?;
        served.kind(api_version, kind).ok_or_else(|| {
            let hint = served.kind_hint(api_version, kind);
            let hint = hint.map_or(String::new(), |it| format!("\n  {it}"));
            anyhow::anyhow!("no matches for kind \"{kind}\" in version \"{api_version}\"{hint}")
        })
    }

    /// Adds to the error that an object is not there what may have been meant.
    pub(crate) async fn with_hint(
        &self,
        error: anyhow::Error,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> anyhow::Error {
        let failure = match error.downcast::<Failure>() {
            Ok(failure) if failure.code == 404 && failure.hint.is_none() => failure,
            Ok(failure) => return failure.into(),
            Err(error) => return error,
        };
        let items = self.read(&resource.path(None, None)).await;
        let items = items.map(|list| list["items"].as_array().cloned().unwrap_or_default());
        let there: Vec<(String, String)> = items
            .unwrap_or_default()
            .iter()
            .map(|it| {
                let text = |name: &str| it["metadata"][name].as_str().unwrap_or("").to_owned();
                (text("namespace"), text("name"))
            })
            .collect();
        Failure { hint: meant(resource, namespace, name, &there), ..failure }.into()
    }

    /// What to say when a namespace holds nothing: that it does not exist, if so.
    pub(crate) async fn namespace_hint(&self, namespace: &str) -> Option<String> {
        let list = self.read("/api/v1/namespaces").await.ok()?;
        let items = list["items"].as_array()?;
        let names: Vec<&str> =
            items.iter().filter_map(|it| it["metadata"]["name"].as_str()).collect();
        (!names.contains(&namespace))
            .then(|| format!("there is no namespace {namespace}; there are {}", names.join(", ")))
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
    ) -> anyhow::Result<impl futures_util::Stream<Item = anyhow::Result<Bytes>> + Unpin + use<>>
    {
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
        self.client.send(request).await.map_err(|error| {
            // The chain of causes of a refused connection repeats itself: the last one says it all.
            let mut cause: &dyn std::error::Error = &error;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            anyhow::anyhow!(
                "the API server does not answer: {cause}\n  is the mesh running? `lateen status` tells, `lateen up` starts it"
            )
        })
    }

    /// The request as it is: for those who change the protocol.
    pub(crate) async fn raw(&self, request: Request<Body>) -> anyhow::Result<http::Response<Body>> {
        let response = self.send(request).await?;
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            let bytes = response.into_body().collect().await;
            let bytes = bytes.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
            return Err(failure(status.as_u16(), &bytes).into());
        }
        Ok(response)
    }
}

/// What to do about a name that is not there, given all (namespace, name) that are.
fn meant(
    resource: &Resource,
    namespace: &str,
    name: &str,
    there: &[(String, String)],
) -> Option<String> {
    let word = resource.word();
    if let Some((elsewhere, _)) = there.iter().find(|(_, it)| it == name) {
        return Some(format!("it is in namespace {elsewhere}: add -n {elsewhere}"));
    }
    let here = there.iter().filter(|(own, _)| !resource.namespaced || own == namespace);
    let here: Vec<&str> = here.map(|(_, name)| name.as_str()).collect();
    if let Some(near) = nearest(name, here.iter().copied()) {
        return Some(format!("did you mean {near}? `lateen get {word}` shows all"));
    }
    let own = if resource.namespaced { format!(" -n {namespace}") } else { String::new() };
    Some(match here.is_empty() {
        true if resource.namespaced && !there.is_empty() => {
            format!("namespace {namespace} has none; `lateen get {word} -A` shows all")
        }
        true => format!("there are no {} at all", resource.plural),
        false => format!("`lateen get {word}{own}` shows what is there"),
    })
}

fn failure(code: u16, bytes: &[u8]) -> Failure {
    let status: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |name: &str| status[name].as_str().map(str::to_owned);
    Failure {
        code,
        reason: text("reason").unwrap_or_default(),
        message: text("message")
            .unwrap_or_else(|| String::from_utf8_lossy(bytes).trim().to_owned()),
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_name_is_answered_with_what_may_have_been_meant() {
        let pods = Resource::plain("", "v1", "Pod", "pods", &["po"]);
        let there = [("default", "webapp-5d8f-x2"), ("default", "staff"), ("other", "lonely")]
            .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        for (namespace, name, part) in [
            ("default", "lonely", "add -n other"),
            ("default", "webapp", "did you mean webapp-5d8f-x2?"),
            ("default", "staf", "did you mean staff?"),
            ("default", "quite-different", "`lateen get pods -n default`"),
            ("third", "quite-different", "`lateen get pods -A`"),
        ] {
            let said = meant(&pods, namespace, name, &there).unwrap();
            assert!(said.contains(part), "{namespace}/{name}: {said}");
        }
        assert!(meant(&pods, "default", "a", &[]).unwrap().contains("no pods at all"));
    }
}
