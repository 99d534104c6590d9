//! One request: who asks, what for, and which part of the room answers.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use jiff::Timestamp;
use objects::openapi::OpenApi;
use objects::{Resource, Status, discovery};
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use crate::answer::{self, Body};
use crate::identity::{self, Act, User};
use crate::keeper::Keeper;
use crate::listen::Serve;
use crate::negotiate::{self, Wanted};
use crate::query::Query;
use crate::route::{self, Route, Target};
use crate::tokens::{AUDIENCE, Tokens};
use crate::webhook::Webhooks;
use crate::{change, pods, read, review, stream};

/// Watches at once; each costs a task and what its client has not read.
const WATCHES: usize = 4096;

/// All that requests share.
pub(crate) struct Service {
    pub(crate) keeper: Keeper,
    pub(crate) resources: &'static [Resource],
    pub(crate) tokens: Tokens,
    pub(crate) webhooks: Webhooks,
    /// The socket of the node agent.
    pub(crate) kubelet: PathBuf,
    /// `host:port`, as the legacy discovery document tells it.
    pub(crate) address: String,
    pub(crate) watches: Arc<Semaphore>,
    pub(crate) stop: watch::Receiver<bool>,
    openapi: OnceLock<OpenApi>,
}

impl Service {
    pub(crate) fn new(
        keeper: Keeper,
        tokens: Tokens,
        webhooks: Webhooks,
        kubelet: PathBuf,
        address: String,
        stop: watch::Receiver<bool>,
    ) -> Service {
        Service {
            keeper,
            resources: served(),
            tokens,
            webhooks,
            kubelet,
            address,
            watches: Arc::new(Semaphore::new(WATCHES)),
            stop,
            openapi: OnceLock::new(),
        }
    }
}

/// All resources that have a path: what is stored, and questions.
fn served() -> &'static [Resource] {
    static SERVED: LazyLock<Vec<Resource>> =
        LazyLock::new(|| [kinds::resources(), review::REVIEWS].concat());
    &SERVED
}

/// One request, understood as far as its head goes.
pub(crate) struct Call {
    pub(crate) user: User,
    pub(crate) query: Query,
    pub(crate) wanted: Wanted,
    pub(crate) request: Request<Incoming>,
}

impl Serve for Service {
    async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
        certificate: Option<Arc<CertificateDer<'static>>>,
    ) -> Response<Body> {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let answer = self.answer(request, certificate.as_deref()).await.unwrap_or_else(|status| {
            tracing::debug!(%method, path, code = status.code, message = status.message, "refused");
            answer::refusal(&status)
        });
        tracing::trace!(%method, path, code = answer.status().as_u16(), "answered");
        answer
    }
}

impl Service {
    async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        certificate: Option<&CertificateDer<'static>>,
    ) -> Result<Response<Body>, Status> {
        let headers = request.headers();
        let user = self.authenticate(headers, certificate)?;
        let query = Query::parse(request.uri().query());
        let wanted = Wanted {
            pretty: query.switch("pretty"),
            ..negotiate::accept(header_text(headers, &header::ACCEPT))
        };
        let path = request.uri().path();
        let route = route::parse(path);
        let verb = verb(request.method(), &route, &query)?;
        let act = match &route {
            Route::Resource(target) => Act::Resource { verb, target },
            _ => Act::Path { verb, path },
        };
        if let Err(why) = identity::authorize(&user, &route, &act) {
            return Err(self.forbidden(&route, &why));
        }
        if let Route::Resource(target) = route {
            let call = Call { user, query, wanted, request };
            return self.resource(verb, &target, call).await;
        }
        if request.method() != Method::GET {
            return Err(Status::no_such_path());
        }
        self.document(&route, &wanted, headers).await
    }

    /// The documents that are no objects.
    async fn document(
        self: &Arc<Self>,
        route: &Route,
        wanted: &Wanted,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Status> {
        let found = match route {
            Route::Health => return Ok(answer::text(StatusCode::OK, "ok")),
            Route::Version => version(),
            Route::CoreVersions | Route::Groups => {
                let core = *route == Route::CoreVersions;
                if let Some(version) = wanted.aggregated {
                    return Ok(self.aggregated(core, version));
                }
                if core {
                    discovery::api_versions(&self.address)
                } else {
                    discovery::group_list(self.resources)
                }
            }
            Route::Group(name) => {
                discovery::group(self.resources, name).ok_or_else(Status::no_such_path)?
            }
            Route::Resources { group, version } => {
                discovery::resource_list(self.resources, group, version)
                    .ok_or_else(Status::no_such_path)?
            }
            Route::OpenApiV2 => return Ok(openapi_v2()),
            Route::OpenApiIndex => self.openapi().await?.index(),
            Route::OpenApi(key) => {
                return openapi_document(self.openapi().await?, key, headers);
            }
            Route::Resource(_) | Route::Unknown => return Err(Status::no_such_path()),
        };
        Ok(answer::document(200, &found, wanted))
    }

    fn aggregated(&self, core: bool, version: &str) -> Response<Body> {
        let mut document = discovery::aggregated(self.resources, core);
        document["apiVersion"] = format!("apidiscovery.k8s.io/{version}").into();
        let mut response = answer::document(200, &document, &Wanted::PLAIN);
        // Without these parameters clients read it as a legacy document.
        let content_type =
            format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
        if let Ok(content_type) = content_type.parse() {
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        response
    }

    /// Builds the OpenAPI documents when they are first asked for: most starts never need them,
    /// and it takes longer than a start may.
    async fn openapi(self: &Arc<Self>) -> Result<&OpenApi, Status> {
        if self.openapi.get().is_none() {
            let service = self.clone();
            tokio::task::spawn_blocking(move || {
                service.openapi.get_or_init(|| OpenApi::build(service.resources));
            })
            .await
            .map_err(|_| Status::internal("the OpenAPI documents could not be built"))?;
        }
        Ok(self.openapi.get_or_init(|| OpenApi::build(self.resources)))
    }

    async fn resource(
        self: &Arc<Self>,
        verb: &'static str,
        target: &Target,
        call: Call,
    ) -> Result<Response<Body>, Status> {
        let found = self.target(target)?;
        if let Some(part) = target.subresource.as_deref() {
            match (target.group.as_str(), target.plural.as_str(), part) {
                ("", "pods", "log" | "exec" | "attach" | "portforward") => {
                    return pods::connect(self, &found, part, call).await;
                }
                ("", "serviceaccounts", "token") if verb == "create" => {
                    return review::issue_token(self, &found, call).await;
                }
                _ => {}
            }
        } else if review::is_review(found.resource) {
            return review::answer(self, verb, &found, call).await;
        }
        if !is_possible(verb, &found) {
            return Err(Status::method_not_allowed(found.resource, verb));
        }
        match verb {
            "get" => read::get(self, &found, &call).await,
            "list" => read::list(self, &found, &call).await,
            "watch" => stream::watch(self, &found, &call).await,
            _ => change::change(self, verb, &found, call).await,
        }
    }

    /// The resource that a path names, with its version and subresource.
    fn target(&self, target: &Target) -> Result<objects::Target, Status> {
        let resource = self
            .resources
            .iter()
            .find(|resource| resource.group == target.group && resource.plural == target.plural)
            .ok_or_else(Status::no_such_path)?;
        let version = resource.version(&target.version).ok_or_else(Status::no_such_path)?;
        if !resource.namespaced && target.namespace.is_some() {
            return Err(Status::no_such_path());
        }
        if resource.namespaced && target.namespace.is_none() && target.name.is_some() {
            return Err(Status::no_such_path());
        }
        if let Some(part) = &target.subresource
            && !resource.has_subresource(part)
        {
            return Err(Status::no_such_path());
        }
        Ok(objects::Target {
            resource,
            version,
            namespace: target.namespace.clone().unwrap_or_default(),
            name: target.name.clone().unwrap_or_default(),
            subresource: target.subresource.clone(),
        })
    }

    fn forbidden(&self, route: &Route, why: &str) -> Status {
        if let Route::Resource(target) = route
            && let Ok(found) = self.target(target)
        {
            return Status::forbidden(found.resource, &found.name, why);
        }
        Status::new(403, objects::Reason::Forbidden, format!("forbidden: {why}"))
    }

    /// Who asks: the client's certificate, else its token, else nobody in particular.
    fn authenticate(
        &self,
        headers: &HeaderMap,
        certificate: Option<&CertificateDer<'static>>,
    ) -> Result<User, Status> {
        let user = match certificate {
            Some(certificate) => {
                User::of_certificate(certificate).ok_or_else(Status::unauthorized)?
            }
            None => match header_text(headers, &header::AUTHORIZATION) {
                Some(value) => {
                    let token = value
                        .strip_prefix("Bearer ")
                        .or_else(|| value.strip_prefix("bearer "))
                        .ok_or_else(Status::unauthorized)?;
                    review::token_user(self, token.trim(), &[AUDIENCE.to_owned()], Timestamp::now())
                        .map_err(|why| {
                            tracing::debug!(why, "a token is refused");
                            Status::unauthorized()
                        })?
                        .user
                }
                None => User::anonymous(),
            },
        };
        identity::impersonated(user, headers)
    }
}

/// Whether a verb exists for what a path names: whole collections are not replaced, objects are
/// made without a name in the path, and each part has verbs of its own.
fn is_possible(verb: &str, target: &objects::Target) -> bool {
    let named = !target.name.is_empty();
    match target.subresource.as_deref() {
        Some("status" | "scale") => matches!(verb, "get" | "update" | "patch"),
        Some("finalize") => verb == "update",
        Some("binding" | "eviction") => verb == "create",
        Some(_) => false,
        None => {
            let fits = match verb {
                "create" => !named,
                "update" | "patch" => named,
                _ => true,
            };
            fits && target.resource.verbs.contains(&verb)
        }
    }
}

/// The verb of a request, in the words of Kubernetes' authorizer.
fn verb(method: &Method, route: &Route, query: &Query) -> Result<&'static str, Status> {
    let named = matches!(route, Route::Resource(target) if target.name.is_some());
    let is_resource = matches!(route, Route::Resource(_));
    // A collection, or one object of it; parts of objects are not watched.
    let is_watch = matches!(route, Route::Resource(target) if target.subresource.is_none())
        && query.switch("watch");
    Ok(match *method {
        Method::GET | Method::HEAD if is_watch => "watch",
        Method::GET | Method::HEAD if is_resource && !named => "list",
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => {
            return Err(Status::new(
                405,
                objects::Reason::MethodNotAllowed,
                "the server does not allow this method on the requested resource",
            ));
        }
    })
}

/// The text of a header.
pub(crate) fn header_text<'a>(
    headers: &'a HeaderMap,
    name: &header::HeaderName,
) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "32",
        "gitVersion": "v1.32.5+lateen",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, go_architecture()),
    })
}

/// The name that Kubernetes' clients know the architecture by.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The second version of OpenAPI as kubectl reads it: a document without schemas.
///
/// kubectl asks for it when it meets a kind that nobody serves. Without an answer it complains about
/// validation; with this one it says that there is no such kind. Bytes: field 1 (`swagger`) is "2.0".
fn openapi_v2() -> Response<Body> {
    let bytes = Bytes::from_static(b"\x0a\x032.0");
    answer::bytes(
        StatusCode::OK,
        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
        bytes,
    )
}

fn openapi_document(
    openapi: &OpenApi,
    key: &str,
    headers: &HeaderMap,
) -> Result<Response<Body>, Status> {
    let document = openapi.document(key).ok_or_else(Status::no_such_path)?;
    let etag = format!("\"{}\"", openapi.hash(key).unwrap_or_default());
    let mut response = if header_text(headers, &header::IF_NONE_MATCH) == Some(etag.as_str()) {
        answer::bytes(StatusCode::NOT_MODIFIED, "application/json", Bytes::new())
    } else {
        let document = Bytes::copy_from_slice(document.as_bytes());
        answer::bytes(StatusCode::OK, "application/json", document)
    };
    if let Ok(etag) = etag.parse() {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}
